//! Reads `[[site]]`, each entry by itself. Checks of sites against each other are in `identity`, `addressing`, `areas` and `ports`.

use std::collections::BTreeMap;

use ::ospf::{NssaRange, Prefix};

use super::address::{WrittenEndpoint, endpoint};
use super::area::external_ranges;
use super::default_originate::{DefaultOriginate, default_originate};
use super::diagnostic::{Diagnostic, Span, nearest, quoted};
use super::filter::{ImportRule, Redistribution};
use super::general::TunnelKeys;
use super::interface::InterfaceDraft;
use super::listed_prefix::{ListedPrefix, listed_prefixes};
use super::names::check_name;
use super::reader::{At, Entry, Report, Setting, Table};
use super::redistribution::{import, redistribution};
use super::schema::{IMPORT, REDISTRIBUTE, SITE_INTERFACE, VIRTUAL_LINK};
use super::virtual_link::VirtualLinkDraft;
use crate::keys::PublicKey;

/// The help message where a site has to be named.
pub(super) const BY_NAME: &str = "name a site by the `name` of its `[[site]]`";

/// A `[[site]]` as read from the file.
#[derive(Debug)]
pub(super) struct SiteDraft<'a> {
    /// The position of its header.
    pub span: Span,
    pub name: Setting<&'a str>,
    /// Its name as written, valid or not, to resolve references to the site.
    pub written_name: Option<&'a str>,
    pub id: Setting<u16>,
    pub public_key: Setting<PublicKey>,
    pub endpoint: Setting<WrittenEndpoint>,
    pub prefixes: Vec<ListedPrefix>,
    pub default_originate: Setting<DefaultOriginate>,
    /// `None` if something in it is wrong.
    pub external_ranges: Option<BTreeMap<Prefix, NssaRange>>,
    pub tunnels: TunnelKeys,
    pub interfaces: Vec<InterfaceDraft>,
    pub virtual_links: Vec<VirtualLinkDraft<'a>>,
    /// `None` if something in one of them is wrong.
    pub redistributions: Option<Vec<Redistribution>>,
    /// The position of the first `[[site.redistribute]]`, if there is one.
    pub redistributes: Option<Span>,
    /// `None` if something in one of them is wrong.
    pub imports: Option<Vec<ImportRule>>,
}

impl<'a> SiteDraft<'a> {
    pub fn read(mut table: Table<'a>, report: &mut Report) -> Self {
        let name = table.require("name", "name = \"taipei\"", report);
        let mut redistributes = None;
        let site = Self {
            span: table.span,
            written_name: name.and_then(|entry| entry.value.as_str()),
            name: Setting::read(name, |entry| check_name(entry.string("name = \"taipei\"", report)?, report)),
            id: Setting::read(table.require("id", "id = 1", report), |entry| {
                entry.number(1..=65534, "a site id is a number in 1..=65534 that no other site has or had", report)
            }),
            public_key: Setting::read(table.require("public_key", "public_key = \"…\"", report), |entry| {
                public_key(&entry, report)
            }),
            endpoint: Setting::read(table.take("endpoint"), |entry| {
                endpoint(&entry, "endpoint = \"203.0.113.1\"", report)
            }),
            prefixes: table.take("prefixes").map_or_else(Vec::new, |entry| listed_prefixes(&entry, report)),
            default_originate: Setting::read(table.take("default_originate"), |entry| {
                default_originate(&entry, report)
            }),
            external_ranges: match table.take("external_ranges") {
                Some(entry) => external_ranges(&entry, report),
                None => Some(BTreeMap::new()),
            },
            tunnels: TunnelKeys::read(&mut table, report),
            interfaces: table.take("interface").map_or_else(Vec::new, |entry| {
                let tables = entry.tables(&SITE_INTERFACE, report);
                tables.into_iter().map(|table| InterfaceDraft::read(table, report)).collect()
            }),
            virtual_links: table.take("virtual_link").map_or_else(Vec::new, |entry| {
                let tables = entry.tables(&VIRTUAL_LINK, report);
                tables.into_iter().map(|table| VirtualLinkDraft::read(table, report)).collect()
            }),
            redistributions: table.take("redistribute").map_or_else(
                || Some(Vec::new()),
                |entry| {
                    let tables = entry.tables(&REDISTRIBUTE, report);
                    redistributes = tables.first().map(|table| table.span);
                    let read: Vec<_> = tables.into_iter().map(|table| redistribution(table, report)).collect();
                    read.into_iter().collect()
                },
            ),
            imports: table.take("import").map_or_else(
                || Some(Vec::new()),
                |entry| {
                    let tables = entry.tables(&IMPORT, report);
                    let read: Vec<_> = tables.into_iter().map(|table| import(table, report)).collect();
                    read.into_iter().collect()
                },
            ),
            redistributes,
        };
        table.finish(report);
        site
    }

    /// The site in the words of messages.
    pub fn called(&self) -> String {
        match (&self.name.given(), self.id.given()) {
            (Some(name), _) => format!("`{}`", name.value),
            (None, Some(id)) => format!("with id {}", id.value),
            (None, None) => "without a name".to_owned(),
        }
    }
}

/// The index in `sites` of the site with this name; if there is none, reports it, with the help message `right`.
pub(super) fn position(name: At<&str>, sites: &[SiteDraft<'_>], right: &str, report: &mut Report) -> Option<usize> {
    let names = || sites.iter().filter_map(|site| site.written_name);
    let found = sites.iter().position(|site| site.written_name == Some(name.value));
    // A site without a name may be the one that is meant.
    if found.is_none() && names().count() == sites.len() {
        let help = match nearest(name.value, names()) {
            Some(near) => format!("did you mean `\"{near}\"`?"),
            None => right.to_owned(),
        };
        let title = format!("there is no site {}", quoted(name.value));
        report.push(Diagnostic::error(name.span, title, "not the name of a `[[site]]`").help(help).of_absence());
    }
    found
}

fn public_key(entry: &Entry<'_>, report: &mut Report) -> Option<At<PublicKey>> {
    let text = entry.string("public_key = \"…\"", report)?;
    let fault = match text.value.parse::<PublicKey>() {
        Ok(key) if *key.as_bytes() == [0; 32] => "is all zeros".to_owned(),
        Ok(key) => return Some(At { value: key, span: text.span }),
        Err(error) => format!("is {error}"),
    };
    report.push(
        Diagnostic::error(text.span, format!("`public_key` {fault}"), "not a public key")
            .help("write the 44 characters that `weft pubkey` prints for this site's private key"),
    );
    None
}
