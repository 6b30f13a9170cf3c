//! The rules of Ethernet segments.
//!
//! In family `bridge`: how much is flooded to other sites, and the MSS of TCP connections whose packets would not cross in one piece.
//! In family `inet`: VXLAN packets of the segments stay in the tunnels. In, because VXLAN knows no other proof of where a frame is
//! from (RFC 7348 §7); out, because a route to a site that is gone, or leads over a LAN, would have frames leave unencrypted. VXLAN
//! with other VNIs belongs to others.

use std::fmt::Write as _;

use vxlan::{Filter, FrameRate, Mss, PORT, Vni};

use super::ruleset::{quoted, set};
use crate::mesh::{IfName, Mesh, Site};

/// A segment that the site is part of.
pub(super) struct Segment {
    device: IfName,
    vni: Vni,
    filter: Filter,
}

/// The segments of `site`, ordered by the names of their devices.
pub(super) fn segments(mesh: &Mesh, site: &Site) -> Vec<Segment> {
    let own = mesh.segments.iter().filter(|l2| l2.sites.contains_key(&site.id));
    let mut segments: Vec<Segment> = own
        .map(|l2| Segment {
            device: l2.device(),
            vni: l2.segment.vni,
            filter: Filter::of(&l2.segment, mesh.smallest_mtu()),
        })
        .collect();
    segments.sort_by(|one, other| one.device.cmp(&other.device));
    segments
}

/// Chains of family `bridge`.
pub(super) fn bridge_chains(segments: &[Segment]) -> String {
    // In this family `filter` is -200, before br_netfilter's hooks, which go on with none of a priority up to 0.
    let mut chain = "\tchain forward {\n\t\ttype filter hook forward priority filter\n".to_owned();
    for Segment { device, filter, .. } in segments {
        bound(&mut chain, device, "broadcast", filter.broadcast);
        bound(&mut chain, device, "multicast", filter.multicast);
        if let Some(Mss { ipv4, ipv6 }) = filter.mss {
            for (protocol, mss) in [("ip", ipv4), ("ip6", ipv6)] {
                let _ = writeln!(
                    chain,
                    "\t\toifname \"{device}\" ether type {protocol} tcp flags & (syn | rst) == syn \
                     tcp option maxseg size > {mss} tcp option maxseg size set {mss}"
                );
            }
        }
    }
    chain + "\t}\n"
}

/// Chains of family `inet`.
pub(super) fn chains(segments: &[Segment], tunnels: &[IfName]) -> String {
    let tunnels = set(quoted(tunnels));
    // The VNI is 12 octets into the datagram. These hooks see whole datagrams: fragments are made and joined elsewhere.
    let ours = set(segments.iter().map(|segment| segment.vni.value().to_string())).unwrap_or_default();
    let chain = |(hook, interface): (&str, &str)| {
        let outside = tunnels.as_ref().map_or_else(String::new, |tunnels| format!("{interface} != {tunnels} "));
        format!(
            "\tchain {hook} {{\n\t\ttype filter hook {hook} priority 0\n\
             \t\t{outside}udp dport {PORT} @th,96,24 {ours} counter drop\n\t}}\n"
        )
    };
    [("input", "iifname"), ("output", "oifname")].map(chain).concat()
}

/// Accepts so many frames in a second, and as many at once.
fn bound(chain: &mut String, device: &IfName, kind: &str, rate: Option<FrameRate>) {
    let Some(rate) = rate else { return };
    let _ = writeln!(
        chain,
        "\t\toifname \"{device}\" meta pkttype {kind} limit rate over {rate}/second burst {rate} packets counter drop"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::filter::Ruleset;

    /// A mesh of three sites, two of them with a segment or two across them.
    fn mesh(topology: &str) -> Mesh {
        let site = |name: &str, id: u8| {
            let key = format!("{}A=", char::from(b'B' + id).to_string().repeat(42));
            format!("[[site]]\nname = \"{name}\"\nid = {id}\npublic_key = \"{key}\"\nendpoint = \"203.0.113.{id}\"\n")
        };
        let members = "[[l2.site]]\nname = \"taipei\"\n[[l2.site]]\nname = \"osaka\"\n";
        let text = format!(
            "[mesh]\nname = \"acme\"\nloopbacks = \"10.255.0.0/16\"\n{topology}\n{}{}{}\
             [[l2]]\nname = \"vms\"\nvni = 100\nmulticast = \"drop\"\n{members}\
             [[l2]]\nname = \"lab\"\nvni = 101\nmtu = 1300\nbroadcast = \"drop\"\nmulticast = \"drop\"\n{members}",
            site("taipei", 1),
            site("osaka", 2),
            site("seoul", 3)
        );
        crate::mesh::parse("mesh", &text).unwrap().mesh
    }

    #[test]
    fn a_ruleset_takes_the_place_of_the_one_before_in_one_go() {
        let mesh = mesh("");
        assert_eq!(
            Ruleset::of(&mesh, &mesh.sites[0]).unwrap().script(),
            "\
add table bridge weft-acme
delete table bridge weft-acme
add table inet weft-acme
delete table inet weft-acme
table bridge weft-acme {
\tchain forward {
\t\ttype filter hook forward priority filter
\t\toifname \"vx-vms\" meta pkttype broadcast limit rate over 1000/second burst 1000 packets counter drop
\t\toifname \"vx-vms\" ether type ip tcp flags & (syn | rst) == syn tcp option maxseg size > 1330 tcp option maxseg size set 1330
\t\toifname \"vx-vms\" ether type ip6 tcp flags & (syn | rst) == syn tcp option maxseg size > 1310 tcp option maxseg size set 1310
\t}
}
table inet weft-acme {
\tchain input {
\t\ttype filter hook input priority 0
\t\tiifname != { \"wg-osaka\", \"wg-seoul\" } udp dport 4789 @th,96,24 { 101, 100 } counter drop
\t}
\tchain output {
\t\ttype filter hook output priority 0
\t\toifname != { \"wg-osaka\", \"wg-seoul\" } udp dport 4789 @th,96,24 { 101, 100 } counter drop
\t}
}
"
        );
        assert_eq!(Ruleset::of(&mesh, &mesh.sites[2]), None);
    }

    #[test]
    fn a_router_without_tunnels_takes_and_sends_no_vxlan_packet_of_a_segment_at_all() {
        let mesh = mesh("topology = \"explicit\"");
        let ruleset = Ruleset::of(&mesh, &mesh.sites[0]).unwrap();
        let rules = ruleset.script().matches("\t\tudp dport 4789 @th,96,24 { 101, 100 } counter drop").count();
        assert_eq!(rules, 2, "{}", ruleset.script());
    }
}
