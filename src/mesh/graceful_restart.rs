//! Reads `graceful_restart` of `[ospf]` (RFC 3623).

use std::time::Duration;

use ::ospf::Helper;

use super::diagnostic::Diagnostic;
use super::durations::seconds;
use super::reader::{Entry, Report, Setting};
use super::schema::GRACEFUL_RESTART;

const EXAMPLE: &str = "graceful_restart = { helper = true, restarter = true, grace_period = \"20s\" }";

/// The default of `grace_period`. A daemon restarts within seconds; if it does not, its neighbours should detect that soon. (RFC 3623 §B.1
/// recommends 120 seconds, for routers that load another operating system in the meantime.)
const DEFAULT_GRACE_PERIOD: Duration = Duration::from_secs(20);

/// The longest grace period that neighbours grant (RFC 3623 §B.1): LSRefreshTime.
const LONGEST_GRACE_PERIOD: Duration = Duration::from_secs(1800);

/// Settings of graceful restart, as helper of other routers and for the router's own restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GracefulRestart {
    /// Whether this router helps neighbours that restart.
    pub helper: Helper,
    /// The grace period that this router requests for its own restarts; `None`: it requests none.
    pub restarter: Option<Duration>,
}

impl Default for GracefulRestart {
    /// Both roles are on, so that a restart of the daemon loses no traffic.
    fn default() -> Self {
        Self { helper: Helper::Strict, restarter: Some(DEFAULT_GRACE_PERIOD) }
    }
}

/// Reads the value of `graceful_restart`; `None` if something in it is wrong, which has then been reported.
pub(super) fn graceful_restart(entry: &Entry<'_>, report: &mut Report) -> Option<GracefulRestart> {
    let mut table = entry.inline(&GRACEFUL_RESTART, EXAMPLE, report)?;
    let helper = Setting::read(table.take("helper"), |entry| entry.boolean(Helper::Strict, Helper::Never, report));
    let restarter = Setting::read(table.take("restarter"), |entry| entry.boolean(true, false, report));
    let grace_period = Setting::read(table.take("grace_period"), |entry| {
        let period = seconds(&entry, "write `restarter = false` to ask for none", report)?;
        if period.value > LONGEST_GRACE_PERIOD {
            report.push(
                Diagnostic::error(period.span, "`grace_period` is too long", "no neighbour grants it")
                    .help("use at most \"30m\": until then none of this router's LSAs has to be refreshed (RFC 3623)"),
            );
            return None;
        }
        Some(period)
    });
    table.finish(report);
    let (helper, restarter) = (helper.effective(Helper::Strict)?.value, restarter.effective(true)?.value);
    let grace_period = grace_period.effective(DEFAULT_GRACE_PERIOD)?.value;
    Some(GracefulRestart { helper, restarter: restarter.then_some(grace_period) })
}
