//! The keys of `[ospf]` that are about the router as a whole and nothing else inherits.

use std::time::Duration;

use ::ospf::{Rfc1583Compatibility, SpfDelay};

use super::diagnostic::Diagnostic;
use super::durations::{duration, written};
use super::reader::{Entry, Report, Setting, Table};
use super::schema::SPF_DELAY;

/// What `[ospf]` says about the router as a whole.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ProcessKeys {
    rfc1583: Setting<Rfc1583Compatibility>,
    /// `None`: something in it is wrong.
    spf_delay: Option<SpfDelay>,
}

impl ProcessKeys {
    /// Takes the keys out of `table`, which is `[ospf]`.
    pub fn read(table: &mut Table<'_>, report: &mut Report) -> Self {
        Self {
            rfc1583: Setting::read(table.take("rfc1583_compatibility"), |entry| {
                entry.boolean(Rfc1583Compatibility::Enabled, Rfc1583Compatibility::Disabled, report)
            }),
            spf_delay: match table.take("spf_delay") {
                Some(entry) => spf_delay(&entry, report),
                None => Some(SpfDelay::default()),
            },
        }
    }

    /// What a file without `[ospf]` says.
    pub fn absent() -> Self {
        Self { spf_delay: Some(SpfDelay::default()), ..Self::default() }
    }

    /// How paths to AS boundary routers compare; `None` if that is wrong.
    pub fn rfc1583(&self) -> Option<Rfc1583Compatibility> {
        self.rfc1583.effective(Rfc1583Compatibility::default()).map(|effective| effective.value)
    }

    /// When routes are calculated; `None` if that is wrong.
    pub fn spf_delay(&self) -> Option<SpfDelay> {
        self.spf_delay
    }
}

/// RFC 8405 §4: INITIAL ≤ SHORT ≤ LONG, and the holddown outlasts the time to learn.
fn spf_delay(entry: &Entry<'_>, report: &mut Report) -> Option<SpfDelay> {
    const EXAMPLE: &str = "spf_delay = { initial = \"50ms\", short = \"200ms\", long = \"5s\" }";
    let mut table = entry.inline(&SPF_DELAY, EXAMPLE, report)?;
    let default = SpfDelay::default();
    let mut time = |key: &'static str, default: Duration, report: &mut Report| {
        Setting::read(table.take(key), |entry| duration(&entry, report)).effective(default)
    };
    let initial = time("initial", default.initial, report);
    let short = time("short", default.short, report);
    let long = time("long", default.long, report);
    let time_to_learn = time("time_to_learn", default.time_to_learn, report);
    let holddown = time("holddown", default.holddown, report);
    table.finish(report);
    let (initial, short, long, time_to_learn, holddown) = (initial?, short?, long?, time_to_learn?, holddown?);
    for (less, name, more, other) in [
        (initial, "initial", short, "short"),
        (short, "short", long, "long"),
        (time_to_learn, "time_to_learn", holddown, "holddown"),
    ] {
        if less.value > more.value {
            let title =
                format!("`{name}` ({}) is longer than `{other}` ({})", written(less.value), written(more.value));
            let span = less.from.or(more.from).unwrap_or(entry.span);
            report.push(
                Diagnostic::error(span, title, "the delays grow while the network keeps changing")
                    .help("write `initial` ≤ `short` ≤ `long`, and `time_to_learn` ≤ `holddown` (RFC 8405)"),
            );
            return None;
        }
    }
    Some(SpfDelay {
        initial: initial.value,
        short: short.value,
        long: long.value,
        time_to_learn: time_to_learn.value,
        holddown: holddown.value,
    })
}
