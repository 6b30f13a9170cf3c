//! Reads the keys of OSPF in `[ospf]`, `[[link]]`, `[[site.interface]]` and `[[site.virtual_link]]`, and resolves their inheritance.

use std::time::Duration;

use ::ospf::AreaId;

use super::auth::AuthKeys;
use super::diagnostic::{Diagnostic, Span, quoted};
use super::durations::{seconds, written};
use super::model::{MtuCheck, OspfSettings, PrefixSuppression, Timers};
use super::reader::{At, Effective, Entry, Report, Setting, Table};

const DEFAULT_COST: u16 = 10;
const DEFAULT_HELLO: Duration = Duration::from_secs(1);
const DEFAULT_DEAD: Duration = Duration::from_secs(4);
/// Longer than a round trip between any two sites, with a margin for queues.
const DEFAULT_RETRANSMIT: Duration = Duration::from_secs(1);
/// The minimum of the protocol (RFC 2328 §C.3).
const DEFAULT_TRANSMIT_DELAY: Duration = Duration::from_secs(1);
const DEFAULT_PRIORITY: u8 = 1;
/// The sample value of RFC 2328 §C.5.
const DEFAULT_POLL: Duration = Duration::from_secs(120);

/// The ratio of a suggested `dead_interval` to `hello_interval`.
const HELLOS_PER_DEAD: u32 = 4;

const AT_LEAST: &str = "an interval is at least \"1s\"";

/// The timers of one section.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TimerKeys {
    hello: Setting<Duration>,
    dead: Setting<Duration>,
    retransmit: Setting<Duration>,
    transmit_delay: Setting<Duration>,
}

/// The OSPF keys of one section, for an interface or a tunnel.
#[derive(Debug, Clone, Default)]
pub(super) struct OspfKeys {
    area: Setting<AreaId>,
    cost: Setting<u16>,
    pub timers: TimerKeys,
    pub auth: AuthKeys,
    mtu_check: Setting<MtuCheck>,
    /// Only [`OspfKeys::read_network`] reads this key and the following ones: a tunnel has one neighbour and no network.
    pub priority: Setting<u8>,
    pub poll_interval: Setting<Duration>,
    prefix_suppression: Setting<PrefixSuppression>,
}

/// The settings after inheritance, and the position in the file that sets the area (`None`: the default).
#[derive(Debug, Clone)]
pub(super) struct Resolved {
    pub settings: OspfSettings,
    pub area_from: Option<Span>,
}

impl TimerKeys {
    /// Reads the timers from `table`.
    pub fn read(table: &mut Table<'_>, report: &mut Report) -> Self {
        let mut interval =
            |key: &'static str| Setting::read(table.take(key), |entry| seconds(&entry, AT_LEAST, report));
        Self {
            hello: interval("hello_interval"),
            dead: interval("dead_interval"),
            retransmit: interval("retransmit_interval"),
            transmit_delay: interval("transmit_delay"),
        }
    }

    /// Resolves these timers with the defaults from `base`, and from weft. `None` if one of them is wrong, which has then been reported.
    pub fn resolve(&self, base: &Self, report: &mut Report) -> Option<Timers> {
        let hello = self.hello.or(base.hello).effective(DEFAULT_HELLO);
        let dead = self.dead.or(base.dead).effective(DEFAULT_DEAD);
        let retransmit = self.retransmit.or(base.retransmit).effective(DEFAULT_RETRANSMIT);
        let transmit_delay = self.transmit_delay.or(base.transmit_delay).effective(DEFAULT_TRANSMIT_DELAY);
        let (hello, dead, retransmit, transmit_delay) = (hello?, dead?, retransmit?, transmit_delay?);
        if dead.value <= hello.value {
            // If both are inherited, the error has been reported where they stand.
            if let Some(own) = self.dead.given().or(self.hello.given()) {
                report.push(dead_interval_too_short(own.span, hello, dead));
            }
            return None;
        }
        Some(Timers {
            hello_interval: hello.value,
            dead_interval: dead.value,
            retransmit_interval: retransmit.value,
            transmit_delay: transmit_delay.value,
        })
    }
}

impl OspfKeys {
    /// Reads the keys that both tunnels and interfaces have from `table`.
    pub fn read(table: &mut Table<'_>, report: &mut Report) -> Self {
        Self {
            area: Setting::read(table.take("area"), |entry| area(&entry, report)),
            cost: Setting::read(table.take("cost"), |entry| {
                entry.number(1..=u16::MAX, "an OSPF cost is a number in 1..=65535, and less is better", report)
            }),
            timers: TimerKeys::read(table, report),
            auth: AuthKeys::read(table, report),
            mtu_check: Setting::read(table.take("mtu_ignore"), |entry| {
                entry.boolean(MtuCheck::Ignored, MtuCheck::Enforced, report)
            }),
            ..Self::default()
        }
    }

    /// Like [`OspfKeys::read`], with the additional keys of networks of several routers.
    pub fn read_network(table: &mut Table<'_>, report: &mut Report) -> Self {
        Self {
            priority: Setting::read(table.take("priority"), |entry| priority(&entry, report)),
            poll_interval: Setting::read(table.take("poll_interval"), |entry| seconds(&entry, AT_LEAST, report)),
            prefix_suppression: Setting::read(table.take("prefix_suppression"), |entry| {
                entry.boolean(PrefixSuppression::Hidden, PrefixSuppression::Shown, report)
            }),
            ..Self::read(table, report)
        }
    }

    /// Resolves these keys with the defaults from `base`, and from weft. `None` if one of them is wrong, which has then been reported.
    pub fn resolve(&self, base: &OspfKeys, report: &mut Report) -> Option<Resolved> {
        let timers = self.timers.resolve(&base.timers, report);
        let auth = self.auth.resolve(&base.auth, report);
        let area = self.area.or(base.area).effective(AreaId::BACKBONE);
        let cost = self.cost.or(base.cost).effective(DEFAULT_COST);
        let mtu_check = self.mtu_check.or(base.mtu_check).effective(MtuCheck::default());
        let priority = self.priority.or(base.priority).effective(DEFAULT_PRIORITY);
        let suppression = self.prefix_suppression.or(base.prefix_suppression).effective(PrefixSuppression::default());
        let poll_interval = self.poll_interval.or(base.poll_interval).effective(DEFAULT_POLL);
        let (timers, area, poll_interval) = (timers?, area?, poll_interval?);
        if let Some(own) = self.poll_interval.given().filter(|own| own.value < timers.hello_interval) {
            report.push(poll_interval_too_short(own.span, own.value, timers.hello_interval));
            return None;
        }
        let settings = OspfSettings {
            area: area.value,
            cost: cost?.value,
            timers,
            auth: auth?,
            mtu_check: mtu_check?.value,
            priority: priority?.value,
            // An inherited poll interval is raised to the section's own hello interval.
            poll_interval: poll_interval.value.max(timers.hello_interval),
            prefix_suppression: suppression?.value,
        };
        Some(Resolved { settings, area_from: area.from })
    }
}

/// Reads a Router Priority.
pub(super) fn priority(entry: &Entry<'_>, report: &mut Report) -> Option<At<u8>> {
    let why = "a router priority is a number in 0..=255; the highest becomes the designated router, 0 never does";
    entry.number(0..=u8::MAX, why, report)
}

/// Reads an Area ID as a dotted quad.
pub(super) fn area(entry: &Entry<'_>, report: &mut Report) -> Option<At<AreaId>> {
    let key = entry.key;
    if let Some(number) = entry.value.as_integer().and_then(|n| u32::from_str_radix(n.as_str(), n.radix()).ok()) {
        report.push(entry.wrong_type("a string", &format!("{key} = \"{}\"", AreaId(number))));
        return None;
    }
    let text = entry.string(&format!("{key} = \"0.0.0.0\""), report)?;
    let area = text.value.parse().ok();
    if area.is_none() {
        report.push(
            Diagnostic::error(text.span, format!("{} is not an area", quoted(text.value)), "not a dotted quad")
                .help(format!("write `{key} = \"0.0.0.0\"`")),
        );
    }
    Some(At { value: area?, span: text.span })
}

/// The error at `span` that a neighbour would be declared down between two hellos.
fn dead_interval_too_short(span: Span, hello: Effective<Duration>, dead: Effective<Duration>) -> Diagnostic {
    let by_default = if dead.from.is_none() { ", the default" } else { "" };
    let title = format!(
        "`dead_interval` ({}{by_default}) is not longer than `hello_interval` ({})",
        written(dead.value),
        written(hello.value)
    );
    let mut diagnostic = Diagnostic::error(span, title, "a neighbour would be lost between two hellos");
    for (from, what) in [(hello.from, "a hello is sent this often"), (dead.from, "silence is given this long")] {
        if let Some(from) = from.filter(|from| *from != span) {
            diagnostic = diagnostic.note(from, what);
        }
    }
    diagnostic.help(format!("a `dead_interval` spans several hellos: \"{}\"", written(hello.value * HELLOS_PER_DEAD)))
}

fn poll_interval_too_short(span: Span, poll: Duration, hello: Duration) -> Diagnostic {
    let title = format!("`poll_interval` ({}) is shorter than `hello_interval` ({})", written(poll), written(hello));
    Diagnostic::error(span, title, "neighbours that are down would be sent more hellos than those that are up")
        .help("leave it out, or write a multiple of the `hello_interval`")
}
