//! Reads `[[site.redistribute]]` and `[[site.import]]`, including their prefix lists.

use std::ops::RangeInclusive;

use ::ospf::{External, ExternalMetric};

use super::address::any_network;
use super::diagnostic::{Diagnostic, Span, quoted};
use super::filter::{ImportAction, ImportRule, PrefixRule, Redistribution, Source};
use super::reader::{At, Entry, Report, Setting, Table};
use super::schema::TAGGED;

const EXAMPLE: &str = "prefixes = [\"10.0.0.0/8 le 24\"]";

/// The default of `metric`.
const DEFAULT_METRIC: u32 = 20;

/// The valid external metrics; the next number is LSInfinity (RFC 2328 appendix B).
pub(super) const METRICS: RangeInclusive<u32> = 0..=0xff_fffe;

/// The type of an external metric, 1 or 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetricType {
    One,
    Two,
}

impl MetricType {
    /// The metric `value` of this type.
    pub fn metric(self, value: u32) -> ExternalMetric {
        match self {
            Self::One => ExternalMetric::Type1(value),
            Self::Two => ExternalMetric::Type2(value),
        }
    }

    /// Reads `type = 1` or `type = 2`.
    pub fn read(entry: Option<Entry<'_>>, report: &mut Report) -> Setting<Self> {
        let why = "a metric of type 1 is added to the cost of the way there, one of type 2 is not";
        let number = Setting::read(entry, |entry| entry.number(1..=2_u8, why, report));
        number.map(|number| if number == 1 { Self::One } else { Self::Two })
    }
}

/// Reads a `[[site.redistribute]]`; `None` if something in it is wrong.
pub(super) fn redistribution(mut table: Table<'_>, report: &mut Report) -> Option<Redistribution> {
    let from = table.require("from", "from = \"static\"", report).and_then(|entry| {
        let words = [("kernel", Source::Kernel), ("connected", Source::Connected), ("static", Source::Static)];
        entry.word(&words, report)
    });
    let prefixes = match table.take("prefixes") {
        Some(entry) => tagged_list(&entry, report),
        None => {
            if let Some(from) = from.filter(|from| from.value == Source::Connected) {
                report.push(every_network(from.span));
            }
            Some(vec![(PrefixRule::ALL_BUT_DEFAULT, None)])
        }
    };
    let metric =
        Setting::read(table.take("metric"), |entry| entry.number(METRICS, "an external metric has 24 bits", report));
    let kind = MetricType::read(table.take("type"), report);
    let tag = Setting::read(table.take("tag"), |entry| tag(&entry, report));
    table.finish(report);
    let kind = kind.effective(MetricType::Two)?.value;
    let metric = kind.metric(metric.effective(DEFAULT_METRIC)?.value);
    let external = External { metric, forwarding: None, tag: tag.effective(0)?.value };
    Some(Redistribution { from: from?.value, prefixes: prefixes?, external })
}

fn every_network(span: Span) -> Diagnostic {
    let title = "the networks of all interfaces are redistributed";
    Diagnostic::warning(span, title, "those of containers, and of the uplink, too")
        .help("list the networks that belong to the site, as in `prefixes = [\"10.1.0.0/16 le 32\"]`")
        .of_absence()
}

/// Reads a `[[site.import]]`; `None` if something in it is wrong.
pub(super) fn import(mut table: Table<'_>, report: &mut Report) -> Option<ImportRule> {
    let tagged = table.take("tags");
    let tags = tagged.map_or_else(|| Some(Vec::new()), |entry| tags(&entry, report));
    let prefixes = match tagged {
        // A section with `tags` but without `prefixes` selects every destination.
        Some(_) => {
            table.take("prefixes").map_or_else(|| Some(vec![PrefixRule::ALL]), |entry| prefix_list(&entry, report))
        }
        None => table.require("prefixes", EXAMPLE, report).and_then(|entry| prefix_list(&entry, report)),
    };
    let action = table
        .require("action", "action = \"refuse\"", report)
        .and_then(|entry| entry.word(&[("accept", ImportAction::Accept), ("refuse", ImportAction::Refuse)], report));
    table.finish(report);
    Some(ImportRule { prefixes: prefixes?, tags: tags?, action: action?.value })
}

/// Reads the elements of `tags`: numbers, and `"FIRST-LAST"`; `None` if one of them is wrong.
fn tags(entry: &Entry<'_>, report: &mut Report) -> Option<Vec<RangeInclusive<u32>>> {
    const TAGS: &str = "tags = [7, \"100-199\"]";
    let elements = entry.elements(TAGS, report)?;
    if elements.is_empty() {
        report.push(
            Diagnostic::error(entry.span, "`tags` selects nothing", "no entries")
                .help("leave it out: a section without `tags` selects destinations whatever their tag"),
        );
        return None;
    }
    let ranges = elements.iter().map(|element| match element.value.as_str() {
        None => tag(element, report).map(|tag| tag.value..=tag.value),
        Some(text) => {
            let range = text.split_once('-').and_then(|(first, last)| {
                let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
                (first <= last).then_some(first..=last)
            });
            if range.is_none() {
                report.push(
                    Diagnostic::error(element.span, format!("{} selects nothing", quoted(text)), "not a range of tags")
                        .help(format!("write `{TAGS}`: numbers of 32 bits, and the first and the last of a range")),
                );
            }
            range
        }
    });
    let ranges: Vec<_> = ranges.collect();
    ranges.into_iter().collect()
}

/// Reads an External Route Tag.
pub(super) fn tag(entry: &Entry<'_>, report: &mut Report) -> Option<At<u32>> {
    entry.number(0..=u32::MAX, "a tag has 32 bits", report)
}

/// Reads the entries of a prefix list; `None` if one of them is wrong.
fn prefix_list(entry: &Entry<'_>, report: &mut Report) -> Option<Vec<PrefixRule>> {
    list(entry, prefix_rule, report)
}

/// Reads a prefix list whose entries may have a tag: `{ prefix = "10.0.0.0/8 le 24", tag = 7 }`.
fn tagged_list(entry: &Entry<'_>, report: &mut Report) -> Option<Vec<(PrefixRule, Option<u32>)>> {
    const TAGGED_EXAMPLE: &str = "prefixes = [{ prefix = \"10.0.0.0/8 le 24\", tag = 7 }]";
    let read = |element: &Entry<'_>, report: &mut Report| {
        if !element.value.is_table() {
            return Some((prefix_rule(element, report)?, None));
        }
        let mut table = element.inline(&TAGGED, TAGGED_EXAMPLE, report)?;
        let prefix = table.require("prefix", "prefix = \"10.0.0.0/8 le 24\"", report);
        let prefix = prefix.and_then(|entry| prefix_rule(&entry, report));
        let tag = table.require("tag", "tag = 7", report).and_then(|entry| tag(&entry, report));
        table.finish(report);
        Some((prefix?, Some(tag?.value)))
    };
    list(entry, read, report)
}

/// Reads the elements of `prefixes`, at least one; `None` if one of them is wrong.
fn list<T>(
    entry: &Entry<'_>,
    read: impl Fn(&Entry<'_>, &mut Report) -> Option<T>,
    report: &mut Report,
) -> Option<Vec<T>> {
    let elements = entry.elements(EXAMPLE, report)?;
    if elements.is_empty() {
        report.push(
            Diagnostic::error(entry.span, "`prefixes` selects nothing", "no entries")
                .help("write `[\"0.0.0.0/0 le 32\"]` for everything, or leave the section out"),
        );
        return None;
    }
    let rules: Vec<Option<T>> = elements.iter().map(|element| read(element, report)).collect();
    rules.into_iter().collect()
}

fn prefix_rule(entry: &Entry<'_>, report: &mut Report) -> Option<PrefixRule> {
    let text = entry.string(EXAMPLE, report)?;
    let mut words = text.value.split_whitespace();
    let within = any_network(At { value: words.next().unwrap_or_default(), span: text.span }, EXAMPLE, report)?;
    let fault = match bounds(words, within.len()) {
        Ok((shortest, longest)) => return Some(PrefixRule { within, shortest, longest }),
        Err(fault) => fault,
    };
    let label = match fault {
        Fault::Words => "after the network come `ge N` and `le N`, or nothing".to_owned(),
        Fault::Length => "a length is a number in 0..=32".to_owned(),
        Fault::Order(low, high) => format!("no length is at least {low} and at most {high}"),
        Fault::Shorter(length) => format!("what lies within a /{} is not as short as /{length}", within.len()),
    };
    report.push(Diagnostic::error(text.span, format!("{} selects nothing", quoted(text.value)), label).help(format!(
        "write `\"{within}\"` for this network alone, `\"{within} le 32\"` for it and all within it, \
             `\"{within} ge {} le 32\"` for what lies within it",
        (within.len() + 1).min(32)
    )));
    None
}

enum Fault {
    Words,
    Length,
    /// The value of `ge` is greater than that of `le`.
    Order(u8, u8),
    /// A bound is shorter than the prefix length of the network.
    Shorter(u8),
}

/// The shortest and the longest prefix length that the words after the network select: `ge N` selects N and longer, `le N` selects the
/// length of the network up to N, and without either only the network itself is selected.
fn bounds<'w>(mut words: impl Iterator<Item = &'w str>, own: u8) -> Result<(u8, u8), Fault> {
    let (mut at_least, mut at_most) = (None, None);
    while let Some(word) = words.next() {
        let bound = match word {
            "ge" => &mut at_least,
            "le" => &mut at_most,
            _ => return Err(Fault::Words),
        };
        let length = words.next().ok_or(Fault::Words)?;
        let length: u8 = length.parse().ok().filter(|length| *length <= 32).ok_or(Fault::Length)?;
        if bound.replace(length).is_some() {
            return Err(Fault::Words);
        }
    }
    if let Some(shorter) = [at_least, at_most].into_iter().flatten().find(|length| *length < own) {
        return Err(Fault::Shorter(shorter));
    }
    match (at_least, at_most) {
        (None, None) => Ok((own, own)),
        (Some(low), None) => Ok((low, 32)),
        (None, Some(high)) => Ok((own, high)),
        (Some(low), Some(high)) if low > high => Err(Fault::Order(low, high)),
        (Some(low), Some(high)) => Ok((low, high)),
    }
}
