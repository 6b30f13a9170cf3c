//! The keys of OSPF, in `[ospf]`, `[[link]]` and `[[site.interface]]` alike, and what they add up to.

use std::time::Duration;

use ::ospf::AreaId;

use super::diagnostic::{Diagnostic, Span, quoted};
use super::durations::{seconds, written};
use super::model::OspfSettings;
use super::reader::{At, Effective, Entry, Report, Setting, Table};

const DEFAULT_COST: u16 = 10;
const DEFAULT_HELLO: Duration = Duration::from_secs(1);
const DEFAULT_DEAD: Duration = Duration::from_secs(4);

/// How many hellos a suggested dead_interval spans.
const HELLOS_PER_DEAD: u32 = 4;

/// What one section says about OSPF.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct OspfKeys {
    area: Setting<AreaId>,
    cost: Setting<u16>,
    hello: Setting<Duration>,
    dead: Setting<Duration>,
}

/// Settings after inheritance, and where the area comes from (`None`: the default).
#[derive(Debug, Clone, Copy)]
pub(super) struct Settled {
    pub settings: OspfSettings,
    pub area_from: Option<Span>,
}

impl OspfKeys {
    /// Takes the keys of OSPF out of `table`.
    pub fn read(table: &mut Table<'_>, report: &mut Report) -> Self {
        if let Some(bfd) = table.take("bfd").filter(|entry| entry.value.as_bool() != Some(false)) {
            report.push(bfd.not_available("`bfd`").help("write `bfd = false`, or leave it out"));
        }
        if let Some(auth) = table.take("auth") {
            report.push(auth.not_available("`auth`").help("leave it out"));
        }
        let zero = "an interval is at least \"1s\"";
        Self {
            area: Setting::read(table.take("area"), |entry| area(&entry, report)),
            cost: Setting::read(table.take("cost"), |entry| {
                entry.number(1..=u16::MAX, "an OSPF cost is a number in 1..=65535, and less is better", report)
            }),
            hello: Setting::read(table.take("hello_interval"), |entry| seconds(&entry, zero, report)),
            dead: Setting::read(table.take("dead_interval"), |entry| seconds(&entry, zero, report)),
        }
    }

    /// These keys over those of `base` over weft's defaults. `None` if one of them is wrong, which has then been
    /// reported.
    pub fn settle(&self, base: &OspfKeys, report: &mut Report) -> Option<Settled> {
        let hello = self.hello.or(base.hello).effective(DEFAULT_HELLO);
        let dead = self.dead.or(base.dead).effective(DEFAULT_DEAD);
        let area = self.area.or(base.area).effective(AreaId::BACKBONE);
        let cost = self.cost.or(base.cost).effective(DEFAULT_COST);
        let (hello, dead, area, cost) = (hello?, dead?, area?, cost?);
        if dead.value <= hello.value {
            // What is inherited as it is has been reported where it stands.
            if let Some(own) = self.dead.given().or(self.hello.given()) {
                report.push(dead_interval_too_short(own.span, hello, dead));
            }
            return None;
        }
        let settings =
            OspfSettings { area: area.value, cost: cost.value, hello_interval: hello.value, dead_interval: dead.value };
        Some(Settled { settings, area_from: area.from })
    }
}

/// Says at `span` that neighbours would be declared dead between two hellos.
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

fn area(entry: &Entry<'_>, report: &mut Report) -> Option<At<AreaId>> {
    if let Some(number) = entry.value.as_integer().and_then(|n| u32::from_str_radix(n.as_str(), n.radix()).ok()) {
        report.push(entry.wrong_type("a string", &format!("area = \"{}\"", AreaId(number))));
        return None;
    }
    let text = entry.string("area = \"0.0.0.0\"", report)?;
    let area = text.value.parse().ok();
    if area.is_none() {
        report.push(
            Diagnostic::error(text.span, format!("{} is not an area", quoted(text.value)), "not a dotted quad")
                .help("write `area = \"0.0.0.0\"`"),
        );
    }
    Some(At { value: area?, span: text.span })
}
