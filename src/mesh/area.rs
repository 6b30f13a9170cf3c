//! Reads `[[area]]`, each entry by itself. Checks of areas against each other and against sites are in `areas`.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use ::ospf::{
    Advertise, AreaConfig, AreaId, AreaKind, AreaRange, NssaConfig, NssaRange, Prefix, Summaries, TranslatorRole,
};

use super::address::network;
use super::diagnostic::{Diagnostic, Span};
use super::durations::seconds;
use super::ospf::area;
use super::reader::{At, Entry, Report, Setting, Table};
use super::redistribution::{METRICS, MetricType, tag};
use super::schema::{EXTERNAL_RANGE, RANGE};

/// The default of StubDefaultCost (`default_cost`), and of `default_metric`.
const DEFAULT_COST: u32 = 1;

/// The valid values of a range's `cost`: 24 bits without LSInfinity (RFC 2328 appendix B).
const COSTS: RangeInclusive<u32> = METRICS;

/// An `[[area]]` as read from the file.
#[derive(Debug)]
pub(super) struct AreaDraft {
    pub id: Setting<AreaId>,
    pub kind: Setting<Kind>,
    /// `None` if something in it is wrong.
    pub config: Option<AreaConfig>,
    /// Prefixes of its `ranges`, in the order of the file.
    pub ranges: Vec<At<Prefix>>,
}

/// The `kind` of an area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Stub,
    Nssa,
}

impl Kind {
    /// The word in the file.
    fn word(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Stub => "stub",
            Self::Nssa => "nssa",
        }
    }

    /// The words in messages.
    pub fn called(self) -> &'static str {
        match self {
            Self::Normal => "a normal area",
            Self::Stub => "a stub area",
            Self::Nssa => "a not-so-stubby area",
        }
    }
}

impl AreaDraft {
    pub fn read(mut table: Table<'_>, report: &mut Report) -> Self {
        let id = Setting::read(table.require("id", "id = \"0.0.0.1\"", report), |entry| area(&entry, report));
        let kind = Setting::read(table.take("kind"), |entry| {
            entry.word(&[("normal", Kind::Normal), ("stub", Kind::Stub), ("nssa", Kind::Nssa)], report)
        });
        let given = kind.effective(Kind::Normal).map(|kind| kind.value);
        let mut keys = KindKeys { kind: given, table: &mut table, report };
        let read = keys.read();
        let mut ranges = Vec::new();
        let config_ranges = match table.take("ranges") {
            Some(entry) => area_ranges(&entry, &mut ranges, report),
            None => Some(BTreeMap::new()),
        };
        table.finish(report);
        check_repetition(&ranges, report);
        let config = read.zip(config_ranges).map(|(kind, ranges)| AreaConfig { kind, ranges });
        Self { id, kind, config, ranges }
    }
}

/// Reads the keys that depend on the kind of area, and reports keys that belong to other kinds.
struct KindKeys<'t, 'a> {
    kind: Option<Kind>,
    table: &'t mut Table<'a>,
    report: &'t mut Report,
}

impl<'a> KindKeys<'_, 'a> {
    fn read(&mut self) -> Option<AreaKind> {
        use Kind::{Nssa, Stub};
        let summaries = self.take("summaries", &[Stub, Nssa]);
        let summaries =
            Setting::read(summaries, |entry| entry.boolean(Summaries::Imported, Summaries::DefaultOnly, self.report));
        let default_cost = self.take("default_cost", &[Stub]);
        let default_cost = Setting::read(default_cost, |entry| {
            entry.number(COSTS, "the cost of a default route has 24 bits", self.report)
        });
        let default_metric = self.take("default_metric", &[Nssa]);
        let default_metric =
            Setting::read(default_metric, |entry| entry.number(METRICS, "an external metric has 24 bits", self.report));
        let default_type = self.take("default_type", &[Nssa]);
        let default_type = MetricType::read(default_type, self.report);
        let translator = self.take("translator", &[Nssa]);
        let translator = Setting::read(translator, |entry| {
            let words = [("candidate", TranslatorRole::Candidate), ("always", TranslatorRole::Always)];
            entry.word(&words, self.report)
        });
        let stability = self.take("stability_interval", &[Nssa]);
        let stability =
            Setting::read(stability, |entry| seconds(&entry, "an interval is at least \"1s\"", self.report));
        let ranges = match self.take("external_ranges", &[Nssa]) {
            Some(entry) => external_ranges(&entry, self.report),
            None => Some(BTreeMap::new()),
        };
        let default = NssaConfig::default();
        let summaries = summaries.effective(Summaries::Imported)?.value;
        match self.kind? {
            Kind::Normal => Some(AreaKind::Normal),
            Kind::Stub => Some(AreaKind::Stub { summaries, default_cost: default_cost.effective(DEFAULT_COST)?.value }),
            Kind::Nssa => {
                let metric_type = default_type.effective(MetricType::Two)?.value;
                Some(AreaKind::Nssa(NssaConfig {
                    summaries,
                    default_metric: metric_type.metric(default_metric.effective(DEFAULT_COST)?.value),
                    translator: translator.effective(default.translator)?.value,
                    stability_interval: stability.effective(default.stability_interval)?.value,
                    ranges: ranges?,
                }))
            }
        }
    }

    /// Takes the entry of `key`, which only areas of these kinds have; reports it in an area of another kind.
    fn take(&mut self, key: &'static str, kinds: &[Kind]) -> Option<Entry<'a>> {
        let entry = self.table.take(key)?;
        let kind = self.kind?;
        if kinds.contains(&kind) {
            return Some(entry);
        }
        let right: Vec<String> = kinds.iter().map(|kind| format!("`kind = \"{}\"`", kind.word())).collect();
        let title = format!("`{key}` has no meaning in {}", kind.called());
        self.report.push(
            Diagnostic::error(entry.key_span, title, format!("a key of {}", right.join(" and ")))
                .help(format!("write {}, or leave it out", right.join(" or "))),
        );
        None
    }
}

/// Reads the elements of `ranges`, and adds their prefixes with their positions to `places`. `None` if something in them is wrong.
fn area_ranges(
    entry: &Entry<'_>,
    places: &mut Vec<At<Prefix>>,
    report: &mut Report,
) -> Option<BTreeMap<Prefix, AreaRange>> {
    const EXAMPLE: &str = "ranges = [{ prefix = \"10.1.0.0/16\", cost = 5 }]";
    let mut ranges = BTreeMap::new();
    let mut wrong = false;
    for mut table in entry.inlines(&RANGE, EXAMPLE, report) {
        let prefix = range_prefix(&mut table, report);
        let cost = table.take("cost");
        let advertise = advertise(&mut table, report);
        if let (Some(cost), Some(Advertise::No)) = (cost, advertise) {
            let title = "`cost` of a range that is not advertised";
            report.push(Diagnostic::error(cost.span, title, "no area learns it").help("leave `cost` out"));
        }
        let cost = match cost {
            Some(cost) => cost.number(COSTS, "the cost of a range has 24 bits", report).map(|cost| Some(cost.value)),
            None => Some(None),
        };
        table.finish(report);
        places.extend(prefix);
        match (prefix, advertise, cost) {
            (Some(prefix), Some(advertise), Some(cost)) => {
                ranges.insert(prefix.value, AreaRange { advertise, cost });
            }
            _ => wrong = true,
        }
    }
    (!wrong).then_some(ranges)
}

/// Reads the elements of `external_ranges` of an area or a site; `None` if something in them is wrong.
pub(super) fn external_ranges(entry: &Entry<'_>, report: &mut Report) -> Option<BTreeMap<Prefix, NssaRange>> {
    const EXAMPLE: &str = "external_ranges = [{ prefix = \"10.1.0.0/16\" }]";
    let mut ranges = BTreeMap::new();
    let mut places = Vec::new();
    let mut wrong = false;
    for mut table in entry.inlines(&EXTERNAL_RANGE, EXAMPLE, report) {
        let prefix = range_prefix(&mut table, report);
        let advertise = advertise(&mut table, report);
        let tag = Setting::read(table.take("tag"), |entry| tag(&entry, report)).effective(0);
        table.finish(report);
        places.extend(prefix);
        match (prefix, advertise, tag) {
            (Some(prefix), Some(advertise), Some(tag)) => {
                ranges.insert(prefix.value, NssaRange { advertise, tag: tag.value });
            }
            _ => wrong = true,
        }
    }
    check_repetition(&places, report);
    (!wrong).then_some(ranges)
}

fn range_prefix(table: &mut Table<'_>, report: &mut Report) -> Option<At<Prefix>> {
    const EXAMPLE: &str = "prefix = \"10.1.0.0/16\"";
    let network = table.require("prefix", EXAMPLE, report).and_then(|entry| network(&entry, EXAMPLE, report))?;
    Some(At { value: network.value.ospf()?, span: network.span })
}

fn advertise(table: &mut Table<'_>, report: &mut Report) -> Option<Advertise> {
    let given = Setting::read(table.take("advertise"), |entry| entry.boolean(Advertise::Yes, Advertise::No, report));
    given.effective(Advertise::Yes).map(|given| given.value)
}

fn check_repetition(ranges: &[At<Prefix>], report: &mut Report) {
    let mut first: BTreeMap<Prefix, Span> = BTreeMap::new();
    for At { value, span } in ranges {
        if let Some(before) = first.insert(*value, *span) {
            report.push(
                Diagnostic::error(*span, format!("range {value} twice"), "again")
                    .note(before, "first here")
                    .help("list it once"),
            );
        }
    }
}
