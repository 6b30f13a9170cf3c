//! Formats LSAs for `weft show lsdb`.

use std::net::Ipv4Addr;

use ospf::wire::{ExternalLsa, LsaBody, RouterLink, RouterLinkKind, RouterLsa};
use ospf::{Domain, ExternalMetric, InterfaceId, LsaType, LsaView, Prefix, RouterId};

use super::report::options;
use crate::control::{LsaTraits, view};

/// The most octets of a TLV's value that are shown.
const MAX_OCTETS: usize = 32;

/// Returns the properties that an LSA can be selected by.
pub(super) fn traits(shown: &LsaView, own: RouterId) -> LsaTraits {
    let key = shown.lsa.header.key;
    LsaTraits {
        area: match shown.domain {
            Domain::Area(area) => Some(area.into()),
            Domain::As | Domain::Link(_) => None,
        },
        ls_type: key.kind.0,
        id: key.id.into(),
        router: key.advertising_router.into(),
        own: key.advertising_router == own,
    }
}

/// Converts one LSA for display; `name` returns the name of an interface.
pub(super) fn lsa(shown: &LsaView, own: RouterId, name: impl Fn(InterfaceId) -> String) -> view::Lsa {
    let header = &shown.lsa.header;
    let (area, link) = match shown.domain {
        Domain::As => (None, None),
        Domain::Area(area) => (Some(area.into()), None),
        Domain::Link(interface) => (None, Some(name(interface))),
    };
    view::Lsa {
        area,
        link,
        kind: header.key.kind.to_string(),
        id: header.key.id.into(),
        advertising_router: header.key.advertising_router.into(),
        sequence: header.sequence.to_string(),
        age_s: header.age,
        checksum: format!("{:#06x}", header.checksum),
        length: header.length,
        body: body(shown),
        options: options(header.options),
        ls_type: header.key.kind.0,
        own: header.key.advertising_router == own,
    }
}

fn body(shown: &LsaView) -> Vec<String> {
    let id = Ipv4Addr::from(shown.lsa.header.key.id);
    let parsed = match shown.lsa.parse() {
        Ok(parsed) => parsed,
        // The database contains only LSAs that can be parsed.
        Err(error) => return vec![error.to_string()],
    };
    match &parsed {
        LsaBody::Router(router) => router_lines(router),
        LsaBody::Network(network) => {
            let routers = network.attached_routers.iter().map(|router| format!("attached {router}"));
            std::iter::once(destination(id, network.network_mask)).chain(routers).collect()
        }
        LsaBody::Summary(summary) if shown.lsa.header.key.kind == LsaType::SUMMARY_ASBR => {
            vec![format!("AS boundary router {id}, metric {}", summary.metric)]
        }
        LsaBody::Summary(summary) => {
            vec![format!("{} metric {}", destination(id, summary.network_mask), summary.metric)]
        }
        LsaBody::External(external) => vec![external_line(id, external)],
        LsaBody::Opaque(bytes) => opaque_lines(shown.lsa.header.key.id.0, bytes),
    }
}

fn router_lines(router: &RouterLsa) -> Vec<String> {
    use ospf::wire::RouterFlags as Flags;
    let named =
        [(Flags::B, "area border router"), (Flags::E, "AS boundary router"), (Flags::V, "virtual link endpoint")];
    let roles = named.iter().filter(|(flag, _)| router.flags.contains(*flag)).map(|(_, name)| (*name).to_owned());
    roles.chain(router.links.iter().map(link_line)).collect()
}

fn link_line(link: &RouterLink) -> String {
    let RouterLink { kind, id, data, metric } = link;
    match kind {
        RouterLinkKind::PointToPoint => format!("point-to-point to {id}, data {data}, metric {metric}"),
        RouterLinkKind::Transit => format!("transit network, designated router {id}, address {data}, metric {metric}"),
        RouterLinkKind::Stub => format!("stub network {}, metric {metric}", destination(*id, *data)),
        RouterLinkKind::Virtual => format!("virtual link to {id}, data {data}, metric {metric}"),
        RouterLinkKind::Unknown(kind) => format!("link of type {kind}, id {id}, data {data}, metric {metric}"),
    }
}

fn external_line(id: Ipv4Addr, external: &ExternalLsa) -> String {
    let metric = match external.metric {
        ExternalMetric::Type1(metric) => format!("type 1 metric {metric}"),
        ExternalMetric::Type2(metric) => format!("type 2 metric {metric}"),
    };
    let mut line = format!("{} {metric}", destination(id, external.network_mask));
    if !external.forwarding_address.is_unspecified() {
        line.push_str(&format!(" via {}", external.forwarding_address));
    }
    if external.route_tag != 0 {
        line.push_str(&format!(" tag {}", external.route_tag));
    }
    line
}

/// Formats an opaque LSA (RFC 5250 §3: Opaque Type and Opaque ID share the Link State ID). All types in use contain TLVs, which are shown
/// as octets if they are well-formed.
fn opaque_lines(id: u32, bytes: &[u8]) -> Vec<String> {
    let [kind, opaque_id @ ..] = id.to_be_bytes();
    let name = match kind {
        1 => " (traffic engineering)",
        3 => " (grace)",
        4 => " (router information)",
        7 => " (extended prefix)",
        8 => " (extended link)",
        _ => "",
    };
    let [high, middle, low] = opaque_id;
    let id = u32::from_be_bytes([0, high, middle, low]);
    let first = format!("opaque type {kind}{name}, id {id}, {} octets", bytes.len());
    std::iter::once(first).chain(tlvs(bytes)).collect()
}

fn tlvs(bytes: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = bytes;
    while let [kind_high, kind_low, len_high, len_low, value @ ..] = rest {
        let kind = u16::from_be_bytes([*kind_high, *kind_low]);
        let len = usize::from(u16::from_be_bytes([*len_high, *len_low]));
        // Values are padded to 32 bits (RFC 3630 §2.3.2).
        let (Some(value), Some(after)) = (value.get(..len), value.get(len.next_multiple_of(4)..)) else { break };
        let shown: String = value.iter().take(MAX_OCTETS).map(|octet| format!("{octet:02x}")).collect();
        let dots = if len > MAX_OCTETS { "…" } else { "" };
        lines.push(format!("TLV {kind}, {len} octets: {shown}{dots}"));
        rest = after;
    }
    if rest.is_empty() { lines } else { Vec::new() }
}

/// Formats a destination as a prefix, or with its mask if that is not contiguous.
fn destination(network: Ipv4Addr, mask: Ipv4Addr) -> String {
    Prefix::from_mask(network, mask).map_or_else(|| format!("{network} mask {mask}"), |prefix| prefix.to_string())
}
