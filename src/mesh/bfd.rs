//! Reads `bfd` of `[ospf]` and `[[link]]` (RFC 5880, RFC 5881).

use std::num::NonZeroU8;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::diagnostic::Diagnostic;
use super::durations::{duration, written};
use super::reader::{At, Entry, Report, Setting, Table};
use super::schema::BFD;

const EXAMPLE: &str = "bfd = { interval = \"100ms\", multiplier = 3 }";

/// The valid intervals: below the first one a thread that has to wait for its turn is late already, and beyond the second OSPF's own hellos
/// find a failure as soon.
const INTERVALS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(10);

/// The session of a tunnel: both ends send at this interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bfd {
    /// bfd.DesiredMinTxInterval and bfd.RequiredMinRxInterval.
    pub interval: Duration,
    /// bfd.DetectMult: so many packets in a row that do not arrive are a failure.
    pub multiplier: NonZeroU8,
}

impl Default for Bfd {
    /// A failure is found within 300 ms.
    fn default() -> Self {
        Self { interval: Duration::from_millis(100), multiplier: NonZeroU8::MIN.saturating_add(2) }
    }
}

/// Takes `bfd` from a table; the inner `None` means off.
pub(super) fn bfd(table: &mut Table<'_>, report: &mut Report) -> Setting<Option<Bfd>> {
    Setting::read(table.take("bfd"), |entry| {
        let value = match entry.value.as_bool() {
            Some(true) => Some(Bfd::default()),
            Some(false) => None,
            None => Some(values(&entry, report)?),
        };
        Some(At { value, span: entry.span })
    })
}

/// Takes `bfd` from the table of an interface, where it cannot be switched on yet.
pub(super) fn refuse_bfd(table: &mut Table<'_>, report: &mut Report) {
    if let Some(bfd) = table.take("bfd").filter(|entry| entry.value.as_bool() != Some(false)) {
        report.push(bfd.not_available("`bfd` on an interface").help("write `bfd = false`, or leave it out"));
    }
}

fn values(entry: &Entry<'_>, report: &mut Report) -> Option<Bfd> {
    if !entry.value.is_table() {
        report.push(entry.wrong_type("a boolean or a table in braces", EXAMPLE));
        return None;
    }
    let mut table = entry.inline(&BFD, EXAMPLE, report)?;
    let default = Bfd::default();
    let interval = Setting::read(table.take("interval"), |entry| {
        let interval = duration(&entry, report)?;
        let (least, most) = (INTERVALS.start(), INTERVALS.end());
        if !INTERVALS.contains(&interval.value) {
            let title = format!("`interval` is too {}", if interval.value < *least { "short" } else { "long" });
            let label = format!("not in {}..={}", written(*least), written(*most));
            report.push(Diagnostic::error(interval.span, title, label).help(format!("write `{EXAMPLE}`")));
            return None;
        }
        Some(interval)
    });
    let multiplier = Setting::read(table.take("multiplier"), |entry| {
        let why = "so many packets in a row that do not arrive are a failure";
        let At { value, span } = entry.number(1..=u8::MAX, why, report)?;
        Some(At { value: NonZeroU8::new(value)?, span })
    });
    table.finish(report);
    let (interval, multiplier) = (interval.effective(default.interval)?, multiplier.effective(default.multiplier)?);
    Some(Bfd { interval: interval.value, multiplier: multiplier.value })
}
