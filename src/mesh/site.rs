//! `[[site]]` and `[[site.interface]]`: each entry by itself. What sites mean to each other is for `identity`,
//! `addressing` and `ports`.

use ipnetwork::Ipv4Network;

use super::address::{WrittenEndpoint, endpoint, network};
use super::diagnostic::{Diagnostic, Span, quoted};
use super::general::TunnelKeys;
use super::model::{IfName, InterfaceMode, NetworkType};
use super::names::check_name;
use super::ospf::OspfKeys;
use super::reader::{At, Entry, Report, Setting, Table};
use super::schema::SITE_INTERFACE;
use crate::keys::PublicKey;

/// A `[[site]]` as read.
#[derive(Debug)]
pub(super) struct SiteDraft<'a> {
    /// Its header.
    pub span: Span,
    pub name: Setting<&'a str>,
    /// Its name as written, right or wrong, for those who refer to it.
    pub written_name: Option<&'a str>,
    pub id: Setting<u16>,
    pub public_key: Setting<PublicKey>,
    pub endpoint: Setting<WrittenEndpoint>,
    pub prefixes: Vec<At<Ipv4Network>>,
    pub tunnels: TunnelKeys,
    pub interfaces: Vec<InterfaceDraft>,
}

/// A `[[site.interface]]` as read.
#[derive(Debug)]
pub(super) struct InterfaceDraft {
    pub name: Setting<IfName>,
    pub mode: Setting<InterfaceMode>,
    pub network: NetworkType,
    pub ospf: OspfKeys,
}

impl<'a> SiteDraft<'a> {
    pub fn read(mut table: Table<'a>, report: &mut Report) -> Self {
        let name = table.require("name", "name = \"taipei\"", report);
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
            endpoint: Setting::read(table.take("endpoint"), |entry| endpoint(&entry, report)),
            prefixes: table.take("prefixes").map_or_else(Vec::new, |entry| prefixes(&entry, report)),
            tunnels: TunnelKeys::read(&mut table, report),
            interfaces: table.take("interface").map_or_else(Vec::new, |entry| {
                let tables = entry.tables(&SITE_INTERFACE, report);
                tables.into_iter().map(|table| InterfaceDraft::read(table, report)).collect()
            }),
        };
        table.finish(report);
        site
    }

    /// How messages call the site.
    pub fn called(&self) -> String {
        match (&self.name.given(), self.id.given()) {
            (Some(name), _) => format!("`{}`", name.value),
            (None, Some(id)) => format!("with id {}", id.value),
            (None, None) => "without a name".to_owned(),
        }
    }
}

impl InterfaceDraft {
    fn read(mut table: Table<'_>, report: &mut Report) -> Self {
        let name =
            Setting::read(table.require("name", "name = \"eth1\"", report), |entry| interface_name(&entry, report));
        let mode = Setting::read(table.require("ospf", "ospf = \"active\"", report), |entry| {
            entry.word(&[("active", InterfaceMode::Active), ("passive", InterfaceMode::Passive)], report)
        });
        let span = table.span;
        let kind = table.take("network");
        check_network_type(span, kind, mode.given().map(|mode| mode.value), report);
        let ospf = OspfKeys::read(&mut table, report);
        table.finish(report);
        Self { name, mode, network: NetworkType::PointToPoint, ospf }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum WrittenNetworkType {
    PointToPoint,
    NotBuilt,
}

/// On an active interface, `network` has to be said and to be `"point-to-point"`: leaving it out will mean something
/// else once there is more to choose from. A passive one has no neighbours whom the choice would concern.
fn check_network_type(table: Span, entry: Option<Entry<'_>>, mode: Option<InterfaceMode>, report: &mut Report) {
    const HELP: &str = "write `network = \"point-to-point\"`, for a link with one router at the other end";
    let words = [
        ("point-to-point", WrittenNetworkType::PointToPoint),
        ("broadcast", WrittenNetworkType::NotBuilt),
        ("nbma", WrittenNetworkType::NotBuilt),
        ("point-to-multipoint", WrittenNetworkType::NotBuilt),
    ];
    let written = entry.and_then(|entry| entry.word(&words, report));
    if mode != Some(InterfaceMode::Active) {
        return;
    }
    match (entry, written) {
        (None, _) => report.push(
            Diagnostic::error(
                table,
                "an active `[[site.interface]]` has no `network`",
                "`network` is missing below this line",
            )
            .help(HELP)
            .of_absence(),
        ),
        (Some(entry), Some(At { value: WrittenNetworkType::NotBuilt, .. })) => {
            let said = entry.value.as_str().unwrap_or_default();
            report.push(entry.not_available(&format!("`network = \"{said}\"`")).help(HELP));
        }
        (Some(_), _) => {}
    }
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

fn prefixes(entry: &Entry<'_>, report: &mut Report) -> Vec<At<Ipv4Network>> {
    const EXAMPLE: &str = "prefixes = [\"10.1.0.0/16\"]";
    let elements = entry.elements(EXAMPLE, report).unwrap_or_default();
    elements.iter().filter_map(|element| network(element, EXAMPLE, report)).collect()
}

fn interface_name(entry: &Entry<'_>, report: &mut Report) -> Option<At<IfName>> {
    let text = entry.string("name = \"eth1\"", report)?;
    let name = IfName::new(text.value);
    if name.is_none() {
        let title = format!("{} cannot be the name of an interface", quoted(text.value));
        report.push(
            Diagnostic::error(text.span, title, "the kernel refuses it")
                .help("write the name that `ip link` shows: 1 to 15 bytes without `/`, `:`, `%` and white space"),
        );
    }
    Some(At { value: name?, span: text.span })
}
