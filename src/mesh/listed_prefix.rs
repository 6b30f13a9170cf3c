//! An element of `prefixes` of a `[[site]]`: a network, or a table that says more of it; and that sites that list one network know of each
//! other.

use std::collections::BTreeMap;

use ipnetwork::Ipv4Network;

use super::address::network;
use super::diagnostic::Diagnostic;
use super::reader::{At, Entry, Report, Setting};
use super::schema::LISTED;
use super::site::SiteDraft;

const EXAMPLE: &str = "prefixes = [\"10.1.0.0/16\"]";
const TABLE_EXAMPLE: &str = "prefixes = [{ prefix = \"10.1.0.0/16\", static = true }]";

/// Of so many other sites that list a prefix the place is shown.
const NOTES: usize = 3;

/// A prefix that a site lists.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListedPrefix {
    /// The network. No host bits.
    pub network: At<Ipv4Network>,
    /// `static`.
    pub carriage: Carriage,
    /// `shared`.
    pub sharing: Sharing,
}

/// Whether a prefix is withdrawn when what carried it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Carriage {
    /// It is.
    #[default]
    Followed,
    /// It is advertised whatever there is.
    Static,
}

/// Whether other sites list the prefix, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Sharing {
    /// None does.
    #[default]
    Alone,
    /// Some do.
    Shared,
}

/// Reads the elements of `prefixes`; what is wrong is reported and left out.
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

/// Warns of prefixes that several sites list without all of them saying so: more often than not one of them is a slip.
pub(super) fn check(sites: &[SiteDraft<'_>], report: &mut Report) {
    let mut listed: BTreeMap<Ipv4Network, Vec<(&SiteDraft<'_>, &ListedPrefix)>> = BTreeMap::new();
    for site in sites {
        for prefix in &site.prefixes {
            let by = listed.entry(prefix.network.value).or_default();
            // One that a site lists twice is an error of its own.
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
