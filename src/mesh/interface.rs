//! Reads `[[site.interface]]`: OSPF with routers on a site's own LAN.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ::ospf::NbmaNeighbor;

use super::address::host;
use super::bfd::refuse_bfd;
use super::diagnostic::{Diagnostic, Span, quoted};
use super::model::{InterfaceMode, NetworkType};
use super::ospf::{OspfKeys, priority};
use super::reader::{At, Entry, Report, Setting, Table};
use super::schema::NEIGHBOR;
use crate::net::IfName;

const HELP: &str = "write `network = \"broadcast\"` for an Ethernet, `\"point-to-point\"` for a link with one router at the \
                    other end, or `\"nbma\"` or `\"point-to-multipoint\"`";

const NEIGHBORS: &str = "neighbors = [\"192.0.2.2\", { address = \"192.0.2.3\", priority = 1 }]";

/// A `[[site.interface]]` as read from the file.
#[derive(Debug)]
pub(super) struct InterfaceDraft {
    pub name: Setting<IfName>,
    pub mode: Setting<InterfaceMode>,
    pub network: NetworkType,
    /// Configured neighbours on a network without multicast, with their positions in the file.
    pub neighbors: Vec<At<(Ipv4Addr, NbmaNeighbor)>>,
    pub ospf: OspfKeys,
}

impl InterfaceDraft {
    pub fn read(mut table: Table<'_>, report: &mut Report) -> Self {
        let name = Setting::read(table.require("name", "name = \"eth1\"", report), |entry| {
            let name = interface_name(&entry, "name = \"eth1\"", report)?;
            check_pattern(&name, report).then_some(name)
        });
        let mode = Setting::read(table.require("ospf", "ospf = \"active\"", report), |entry| {
            entry.word(&[("active", InterfaceMode::Active), ("passive", InterfaceMode::Passive)], report)
        });
        let span = table.span;
        let active = mode.given().is_some_and(|mode| mode.value == InterfaceMode::Active);
        let network = network_type(span, table.take("network"), active, report);
        let written = table.take("neighbors");
        let neighbors = written.map_or_else(Vec::new, |entry| neighbors(&entry, report));
        let ospf = OspfKeys::read_network(&mut table, report);
        refuse_bfd(&mut table, report);
        table.finish(report);
        if let Setting::Given(network) = network
            && active
        {
            check_neighbors(network.value, network.span, written, &neighbors, &ospf, report);
            check_meaning(network.value, &ospf, report);
        }
        // A passive interface has no neighbours for which the network type matters: its networks are advertised as stub networks.
        let network = network.given().filter(|_| active).map_or(NetworkType::PointToPoint, |network| network.value);
        Self { name, mode, network, neighbors, ospf }
    }

    /// The configured neighbours by address.
    pub fn neighbors(&self) -> BTreeMap<Ipv4Addr, NbmaNeighbor> {
        self.neighbors.iter().map(|neighbor| neighbor.value).collect()
    }
}

/// Reads `network`, which is required on an active interface: both ends must agree on it, and no default suits all networks.
fn network_type(span: Span, entry: Option<Entry<'_>>, active: bool, report: &mut Report) -> Setting<NetworkType> {
    if entry.is_none() && active {
        report.push(
            Diagnostic::error(
                span,
                "an active `[[site.interface]]` has no `network`",
                "`network` is missing below this line",
            )
            .help(HELP)
            .of_absence(),
        );
    }
    let words = [
        ("broadcast", NetworkType::Broadcast),
        ("point-to-point", NetworkType::PointToPoint),
        ("nbma", NetworkType::NonBroadcast),
        ("point-to-multipoint", NetworkType::PointToMultipoint),
    ];
    Setting::read(entry, |entry| entry.word(&words, report))
}

/// Checks that neighbours are listed on networks without multicast (RFC 2328 §C.5, §C.6), and on no others.
fn check_neighbors(
    network: NetworkType,
    network_span: Span,
    written: Option<Entry<'_>>,
    neighbors: &[At<(Ipv4Addr, NbmaNeighbor)>],
    ospf: &OspfKeys,
    report: &mut Report,
) {
    let mut first: BTreeMap<Ipv4Addr, Span> = BTreeMap::new();
    for At { value: (address, _), span } in neighbors {
        if let Some(before) = first.insert(*address, *span) {
            report.push(
                Diagnostic::error(*span, format!("neighbour {address} twice"), "again")
                    .note(before, "first here")
                    .help("list it once"),
            );
        }
    }
    let nobody = written.is_none_or(|entry| entry.value.as_array().is_some_and(|array| array.is_empty()));
    match (network, written) {
        (NetworkType::Broadcast | NetworkType::PointToPoint, Some(entry)) => report.push(
            Diagnostic::error(
                entry.key_span,
                "`neighbors` has no meaning here",
                "routers on this kind of network find each other",
            )
            .note(network_span, "the kind of network")
            .help("leave it out, or write `network = \"nbma\"` or `\"point-to-multipoint\"`"),
        ),
        // A router that cannot become Designated Router waits for the routers that can (§9.5.1).
        (NetworkType::NonBroadcast, _) if nobody && ospf.priority.given().is_none_or(|own| own.value > 0) => report
            .push(
                Diagnostic::error(
                    network_span,
                    "a non-broadcast network without `neighbors`",
                    "nobody would ever be sent a hello",
                )
                .help(format!("write `{NEIGHBORS}`, or `priority = 0` if the others know of this router"))
                .of_absence(),
            ),
        _ => {}
    }
}

/// Reports keys that have no meaning on this type of network: `priority` without an election, `poll_interval` without polling.
fn check_meaning(network: NetworkType, ospf: &OspfKeys, report: &mut Report) {
    let (elects, polls) = match network {
        NetworkType::Broadcast => (true, false),
        NetworkType::NonBroadcast => (true, true),
        NetworkType::PointToPoint => (false, false),
        NetworkType::PointToMultipoint => (false, true),
    };
    let idle = [
        (
            ospf.priority.given().filter(|_| !elects).map(|at| at.span),
            "priority",
            "no designated router is elected here",
        ),
        (
            ospf.poll_interval.given().filter(|_| !polls).map(|at| at.span),
            "poll_interval",
            "nobody is polled where hellos are multicast",
        ),
    ];
    for (span, key, why) in idle {
        if let Some(span) = span {
            report.push(Diagnostic::error(span, format!("`{key}` has no meaning here"), why).help("leave it out"));
        }
    }
}

fn neighbors(entry: &Entry<'_>, report: &mut Report) -> Vec<At<(Ipv4Addr, NbmaNeighbor)>> {
    let elements = entry.elements(NEIGHBORS, report).unwrap_or_default();
    elements.iter().filter_map(|element| neighbor(element, report)).collect()
}

/// Reads a neighbour: an address, or a table of an address and a priority.
fn neighbor(entry: &Entry<'_>, report: &mut Report) -> Option<At<(Ipv4Addr, NbmaNeighbor)>> {
    if !entry.value.is_table() {
        let address = host(entry, NEIGHBORS, report)?;
        return Some(At { value: (address.value, NbmaNeighbor::default()), span: address.span });
    }
    let mut table = entry.inline(&NEIGHBOR, NEIGHBORS, report)?;
    let address = table
        .require("address", "address = \"192.0.2.3\"", report)
        .and_then(|entry| host(&entry, "address = \"192.0.2.3\"", report));
    let priority = Setting::read(table.take("priority"), |entry| priority(&entry, report));
    table.finish(report);
    let (address, priority) = (address?, priority.effective(NbmaNeighbor::default().priority)?);
    Some(At { value: (address.value, NbmaNeighbor { priority: priority.value }), span: address.span })
}

/// Checks a pattern, which is the beginning of a name followed by `*`. Returns whether the name is a valid pattern, or none.
fn check_pattern(name: &At<IfName>, report: &mut Report) -> bool {
    let can_be = match name.value.as_str().split_once('*') {
        None => true,
        Some((beginning, rest)) => !beginning.is_empty() && rest.is_empty(),
    };
    if !can_be {
        let title = format!("{} is no pattern of names", quoted(name.value.as_str()));
        report.push(
            Diagnostic::error(name.span, title, "`*` stands for the rest of a name")
                .help("write the beginning of the names and one `*` at the end, `name = \"eth*\"`"),
        );
    }
    can_be
}

/// Reads the name of an interface; `example` is a correct line for messages.
pub(super) fn interface_name(entry: &Entry<'_>, example: &str, report: &mut Report) -> Option<At<IfName>> {
    let text = entry.string(example, report)?;
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
