//! Reads the elements of `prefixes` of a `[[site]]`, which are networks, or tables with more settings. Checks that all sites which list
//! the same network mark it as shared.

use std::collections::BTreeMap;

use super::address::network;
use super::diagnostic::Diagnostic;
use super::reader::{At, Entry, Report, Setting};
use super::schema::LISTED;
use super::site::SiteDraft;
use crate::net::Prefix;

const EXAMPLE: &str = "prefixes = [\"10.1.0.0/16\"]";
const TABLE_EXAMPLE: &str = "prefixes = [{ prefix = \"10.1.0.0/16\", static = true }]";

/// The most other sites with the same prefix whose positions a warning shows.
const NOTES: usize = 3;

/// A prefix that a site lists.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListedPrefix {
    /// The network, without host bits.
    pub network: At<Prefix>,
    /// The setting `static`.
    pub carriage: Carriage,
    /// The setting `shared`.
    pub sharing: Sharing,
}

/// Whether a prefix is withdrawn when its carriers are gone: the interfaces and routes that lead to its hosts without a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Carriage {
    /// It is withdrawn.
    #[default]
    Followed,
    /// It is always advertised.
    Static,
}

/// Whether other sites list the same prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Sharing {
    /// No other site lists it.
    #[default]
    Alone,
    /// Other sites list it, too.
    Shared,
}

/// Reads the elements of `prefixes`; those that are wrong are reported and omitted.
pub(super) fn listed_prefixes(entry: &Entry<'_>, report: &mut Report) -> Vec<ListedPrefix> {
    let elements = entry.elements(EXAMPLE, report).unwrap_or_default();
    elements.iter().filter_map(|element| listed_prefix(element, report)).collect()
}

fn listed_prefix(entry: &Entry<'_>, report: &mut Report) -> Option<ListedPrefix> {
    if !entry.value.is_table() {
        let network = network(entry, EXAMPLE, report)?;
        return Some(ListedPrefix { network, carriage: Carriage::default(), sharing: Sharing::default() });
    }
    let mut table = entry.inline(&LISTED, TABLE_EXAMPLE, report)?;
    let network = table
        .require("prefix", "prefix = \"10.1.0.0/16\"", report)
        .and_then(|entry| network(&entry, "prefix = \"10.1.0.0/16\"", report));
    let carriage =
        Setting::read(table.take("static"), |entry| entry.boolean(Carriage::Static, Carriage::Followed, report));
    let sharing = Setting::read(table.take("shared"), |entry| entry.boolean(Sharing::Shared, Sharing::Alone, report));
    table.finish(report);
    let (carriage, sharing) = (carriage.effective(Carriage::default())?, sharing.effective(Sharing::default())?);
    Some(ListedPrefix { network: network?, carriage: carriage.value, sharing: sharing.value })
}

/// Warns of prefixes that several sites list without all of them marking it as shared: often one of them is a mistake.
pub(super) fn check(sites: &[SiteDraft<'_>], report: &mut Report) {
    let mut listed: BTreeMap<Prefix, Vec<(&SiteDraft<'_>, &ListedPrefix)>> = BTreeMap::new();
    for site in sites {
        for prefix in &site.prefixes {
            let by = listed.entry(prefix.network.value).or_default();
            // A prefix that a site lists twice is reported elsewhere.
            if by.last().is_none_or(|(last, _)| !std::ptr::eq(*last, site)) {
                by.push((site, prefix));
            }
        }
    }
    for (network, by) in listed.into_iter().filter(|(_, by)| by.len() > 1) {
        let Some((_, unsaid)) = by.iter().find(|(_, prefix)| prefix.sharing == Sharing::Alone) else { continue };
        let title = format!("{} sites list {network}, and not all of them say that it is shared", by.len());
        let mut warning = Diagnostic::warning(unsaid.network.span, title, "without `shared = true`");
        for (site, prefix) in by.iter().filter(|(_, prefix)| !std::ptr::eq(*prefix, *unsaid)).take(NOTES) {
            let without = if prefix.sharing == Sharing::Alone { ", without `shared`" } else { "" };
            warning = warning.note(prefix.network.span, format!("site {} lists it{without}", site.called()));
        }
        report.push(warning.help(format!(
            "write `{{ prefix = \"{network}\", shared = true }}` at every site where it lives, and take it off the others"
        )));
    }
}
