//! Reads the keys of `[ospf]` that concern the router as a whole, and which nothing inherits.

use std::ops::RangeInclusive;
use std::time::Duration;

use ::ospf::{Alternates, Limits, Rfc1583Compatibility, SpfDelay, StubRouter};

use super::diagnostic::Diagnostic;
use super::durations::{duration, seconds, written};
use super::graceful_restart::{GracefulRestart, graceful_restart};
use super::reader::{At, Entry, Report, Setting, Table};
use super::schema::SPF_DELAY;

/// The keys of `[ospf]` that concern the router as a whole.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ProcessKeys {
    pub rfc1583: Setting<Rfc1583Compatibility>,
    /// `None` if something in it is wrong.
    spf_delay: Option<SpfDelay>,
    stub_router: Setting<StubRouter>,
    alternates: Setting<Alternates>,
    max_lsas: Setting<u32>,
    max_lsas_per_area: Setting<u32>,
    max_lsdb_octets: Setting<u32>,
    max_routes: Setting<u32>,
    /// `None` if something in it is wrong.
    graceful_restart: Option<GracefulRestart>,
}

/// The valid limits in LSAs and routes: smaller ones are too small for any real network, larger ones exceed the memory of any machine.
const LIMITS: RangeInclusive<u32> = 100..=10_000_000;

/// The valid limits in octets.
const OCTETS: RangeInclusive<u32> = 65_536..=u32::MAX;

impl ProcessKeys {
    /// Reads the keys from `table`, which is `[ospf]`.
    pub fn read(table: &mut Table<'_>, report: &mut Report) -> Self {
        Self {
            rfc1583: Setting::read(table.take("rfc1583_compatibility"), |entry| {
                entry.boolean(Rfc1583Compatibility::Enabled, Rfc1583Compatibility::Disabled, report)
            }),
            spf_delay: match table.take("spf_delay") {
                Some(entry) => spf_delay(&entry, report),
                None => Some(SpfDelay::default()),
            },
            stub_router: Setting::read(table.take("stub_router"), |entry| stub_router(&entry, report)),
            alternates: Setting::read(table.take("fast_reroute"), |entry| {
                entry.boolean(Alternates::On, Alternates::Off, report)
            }),
            max_lsas: limit("max_lsas", table, report),
            max_lsas_per_area: limit("max_lsas_per_area", table, report),
            max_lsdb_octets: octets("max_lsdb_octets", table, report),
            max_routes: limit("max_routes", table, report),
            graceful_restart: match table.take("graceful_restart") {
                Some(entry) => graceful_restart(&entry, report),
                None => Some(GracefulRestart::default()),
            },
        }
    }

    /// The keys of a file without `[ospf]`.
    pub fn absent() -> Self {
        let (spf_delay, graceful_restart) = (Some(SpfDelay::default()), Some(GracefulRestart::default()));
        Self { spf_delay, graceful_restart, ..Self::default() }
    }

    /// The preference among paths to AS boundary routers; `None` if it is wrong. The default is that of FRR and BIRD.
    ///
    /// Deviates: in RFC 2328 §C.1, RFC1583Compatibility is enabled by default.
    pub fn rfc1583(&self) -> Option<Rfc1583Compatibility> {
        self.rfc1583.effective(Rfc1583Compatibility::Disabled).map(|effective| effective.value)
    }

    /// The delays of route calculations; `None` if they are wrong.
    pub fn spf_delay(&self) -> Option<SpfDelay> {
        self.spf_delay
    }

    /// The settings of graceful restart; `None` if they are wrong.
    pub fn graceful_restart(&self) -> Option<GracefulRestart> {
        self.graceful_restart
    }

    /// When the routers are stub routers; `None` if that is wrong.
    pub fn stub_router(&self) -> Option<StubRouter> {
        self.stub_router.effective(StubRouter::default()).map(|effective| effective.value)
    }

    /// Whether alternates are calculated; `None` if it is wrong.
    pub fn alternates(&self) -> Option<Alternates> {
        self.alternates.effective(Alternates::On).map(|effective| effective.value)
    }

    /// The limits on what is accepted from other routers; `None` if they are wrong.
    pub fn limits(&self) -> Option<Limits> {
        let usize_of = |limit: Setting<u32>, default: usize| {
            limit.effective(0).map(|given| given.from.map_or(default, |_| given.value as usize))
        };
        let lsas = usize_of(self.max_lsas, Limits::LSAS)?;
        let routes = usize_of(self.max_routes, Limits::ROUTES)?;
        let lsdb_octets = usize_of(self.max_lsdb_octets, Limits::LSDB_OCTETS)?;
        Some(Limits { lsas, lsdb_octets, lsas_per_area: usize_of(self.max_lsas_per_area, lsas)?, routes })
    }
}

fn limit(key: &'static str, table: &mut Table<'_>, report: &mut Report) -> Setting<u32> {
    Setting::read(table.take(key), |entry| {
        entry.number(LIMITS, "it guards memory: write well more than the network has", report)
    })
}

fn octets(key: &'static str, table: &mut Table<'_>, report: &mut Report) -> Setting<u32> {
    Setting::read(table.take(key), |entry| {
        entry.number(OCTETS, "it guards memory, in octets: the largest LSA has 65535 of them", report)
    })
}

/// Reads `stub_router`: `"never"`, `"always"`, or the time after the start.
fn stub_router(entry: &Entry<'_>, report: &mut Report) -> Option<At<StubRouter>> {
    let value = match entry.value.as_str() {
        Some("never") => StubRouter::Never,
        Some("always") => StubRouter::Always,
        _ => StubRouter::AtStart(seconds(entry, "write `stub_router = \"never\"`", report)?.value),
    };
    Some(At { value, span: entry.span })
}

/// Reads `spf_delay`. RFC 8405 §4: INITIAL ≤ SHORT ≤ LONG, and HOLDDOWN is at least TIME_TO_LEARN.
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
