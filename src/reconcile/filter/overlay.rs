//! The nftables rules of Ethernet segments.
//!
//! In family `bridge`, they limit how many frames are flooded to other sites, drop frames that must never cross, broadcast the answers of
//! DHCP servers, keep a bridge from answering address resolution with a VLAN tag, and lower the MSS of TCP connections whose packets would
//! not cross in one piece.
//!
//! In family `ip`, the only one of the tunnels' and VXLAN's underlay, they keep VXLAN packets of the segments in the tunnels. Received
//! packets must come from a tunnel, because VXLAN has no other proof of a frame's origin (RFC 7348 §7). Sent packets must leave by a
//! tunnel, because without a route to a site, or with one over a LAN, frames would leave unencrypted. VXLAN with other VNIs is foreign.

use std::net::Ipv4Addr;

use vxlan::segment::Resolution;
use vxlan::{DhcpAnswers, Filter, FrameRate, Mss, PORT, Vni};

use super::drops::Reason;
use super::entry::Chain;
use super::ruleset::{BridgeNames, quoted, set};
use crate::mesh::{L2Site, Mesh, Site};
use crate::net::IfName;

/// A segment that the site is part of.
pub(super) struct Segment {
    device: IfName,
    vni: Vni,
    filter: Filter,
    resolution: Resolution,
    /// The bridge of this site, and its ports to which the site's hosts are connected.
    site: L2Site,
    /// Loopbacks of the sites of the segment.
    members: Vec<Ipv4Addr>,
}

/// The segments of `site`, ordered by the names of their devices.
pub(super) fn segments(mesh: &Mesh, site: &Site) -> Vec<Segment> {
    let own = mesh.segments.iter().filter_map(|l2| Some((l2, l2.sites.get(&site.id)?)));
    let mut segments: Vec<Segment> = own
        .map(|(l2, here)| Segment {
            device: l2.device(),
            site: here.clone(),
            vni: l2.segment.vni,
            filter: Filter::of(&l2.segment, mesh.smallest_mtu()),
            resolution: l2.segment.resolution,
            members: l2.segment.members.iter().map(|vtep| vtep.0).collect(),
        })
        .collect();
    segments.sort_by(|one, other| one.device.cmp(&other.device));
    segments
}

impl Segment {
    /// Whether a rule of this segment matches the bridge of a port by its name.
    fn names_bridge(&self) -> bool {
        self.site.is_on_existing_bridge() && self.filter.dhcp == DhcpAnswers::Broadcast
    }
}

/// Whether any rule matches the bridge of a port by its name.
pub(super) fn name_bridges(segments: &[Segment]) -> bool {
    segments.iter().any(Segment::names_bridge)
}

/// Chains of family `bridge`. Its priority `filter` is -200, so that they come before the hooks of br_netfilter, after which no chain with
/// a priority up to 0 is evaluated.
pub(super) fn bridge_chains(segments: &[Segment], names: BridgeNames) -> String {
    let chains = [dhcp_answers(segments, names), Some(crossing(segments)), spanning_tree(segments)];
    chains.into_iter().flatten().chain(tagged_resolution(segments)).map(|chain| chain.text()).collect()
}

/// The chains that keep a bridge from answering ARP requests and neighbour solicitations with a VLAN tag. The bridge's neighbour table is
/// for frames without a tag, and it would answer without a tag: a host in a VLAN would not receive the answer, or would attribute it to
/// another VLAN. Before the bridge processes such packets, ARP gets an unused protocol type, and neighbour discovery a code that it must
/// not have (RFC 4861 §7.1), so that the bridge floods them. Afterwards, the original values are restored. A priority tag, for VLAN 0, is
/// treated as no tag (IEEE 802.1Q §6.9.1).
fn tagged_resolution(segments: &[Segment]) -> Vec<Chain> {
    let answering = segments.iter().filter(|segment| segment.resolution != Resolution::Flood);
    let Some(ports) = set(quoted(answering.flat_map(|segment| &segment.site.ports))) else { return Vec::new() };
    let change = |mut chain: Chain, protocol: [&str; 2], code: [u8; 2]| {
        let from = format!("iifname {ports} vlan id != 0");
        let ([protocol, other_protocol], [code, other_code]) = (protocol, code);
        chain.rule(format!("{from} vlan type arp arp ptype {protocol} arp ptype set {other_protocol}"));
        chain.rule(format!(
            "{from} vlan type ip6 icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} icmpv6 code {code} \
             icmpv6 code set {other_code}"
        ));
        chain
    };
    // Foreign rules see the original values: the change comes after them in the first hook, and the restoration before them in the others.
    let (last, first) = ("priority 300", "priority -300");
    let disguised = change(Chain::on("disguise-tagged", "prerouting", last), ["0x0800", "0x0801"], [0, 1]);
    let restored = ["forward", "input"].into_iter().map(|hook| {
        let chain = Chain::on(&format!("restore-tagged-{hook}"), hook, first);
        change(chain, ["0x0801", "0x0800"], [1, 0])
    });
    [disguised].into_iter().chain(restored).collect()
}

/// The chain that makes the answers of DHCP servers broadcast frames, before the bridge looks up their destination.
fn dhcp_answers(segments: &[Segment], names: BridgeNames) -> Option<Chain> {
    let concerned = || segments.iter().filter(|segment| segment.filter.dhcp == DhcpAnswers::Broadcast);
    let mut chain = Chain::hooked("prerouting", "priority filter");
    let mut rule = |from: &str, tag: &str| {
        let answer = "udp sport 67 udp dport 68 ether daddr set ff:ff:ff:ff:ff:ff";
        chain.rule(format!("{from} {tag} {answer}"));
    };
    let ports = set(quoted(concerned().flat_map(|segment| &segment.site.ports)));
    let known = |segment: &&Segment| names == BridgeNames::Known && segment.names_bridge();
    let existing: Vec<&Segment> = concerned().filter(known).collect();
    if ports.is_none() && existing.is_empty() {
        return None;
    }
    if let Some(ports) = ports {
        rule(&format!("iifname {ports}"), "ether type ip");
    }
    for Segment { device, site, .. } in existing {
        // The ports of an existing bridge come and go with guests, so that the rule matches the bridge.
        let from = format!("meta ibrname \"{}\" iifname != \"{device}\"", site.bridge);
        match site.vlan() {
            None => rule(&from, "ether type ip"),
            Some(vlan) => {
                rule(&format!("{from} meta ibrpvid {vlan}"), "ether type ip");
                rule(&from, &format!("vlan id {vlan} vlan type ip"));
            }
        }
    }
    Some(chain)
}

/// The chain that keeps the spanning tree messages of existing bridges within this site. Such a bridge originates messages of its own, and
/// does not forward those that it receives.
fn spanning_tree(segments: &[Segment]) -> Option<Chain> {
    let existing = segments.iter().filter(|segment| segment.site.is_on_existing_bridge());
    let devices = set(quoted(existing.map(|segment| &segment.device)))?;
    let mut chain = Chain::hooked("output", "priority filter");
    chain.rule(format!("oifname {devices} {RESERVED} drop"));
    Some(chain)
}

/// Matches the reserved addresses, whose frames a bridge does not forward to other LANs (IEEE 802.1Q §8.6.3).
const RESERVED: &str = "ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00";

/// The chain for frames that cross between the ports and the other sites.
fn crossing(segments: &[Segment]) -> Chain {
    let mut chain = Chain::hooked("forward", "priority filter");
    for Segment { device, filter, .. } in segments {
        for direction in ["iifname", "oifname"] {
            // Linux forwards spanning tree messages if its own spanning tree is off.
            chain.rule(format!("{direction} \"{device}\" {RESERVED} drop"));
        }
        bound(&mut chain, device, "broadcast", filter.broadcast);
        bound(&mut chain, device, "multicast", filter.multicast);
        if let Some(Mss { ipv4, ipv6 }) = filter.mss {
            for (protocol, mss) in [("ip", ipv4), ("ip6", ipv6)] {
                chain.rule(format!(
                    "oifname \"{device}\" ether type {protocol} tcp flags & (syn | rst) == syn \
                     tcp option maxseg size > {mss} tcp option maxseg size set {mss}"
                ));
            }
        }
    }
    chain
}

/// The chain that checks VXLAN packets of the segments that arrive by a tunnel: their source must be another member. Any tunnel is
/// allowed, since packets may have been in transit.
pub(super) fn arriving(segments: &[Segment], site: &Site) -> String {
    if segments.is_empty() {
        return String::new();
    }
    let mut chain = Chain::new("vxlan-from-tunnel");
    for Segment { vni, members, .. } in segments {
        let others = set(members.iter().filter(|member| **member != site.loopback).map(ToString::to_string));
        let unlisted = others.map_or_else(String::new, |others| format!("ip saddr != {others} "));
        chain.rule(format!("@th,96,24 {} {unlisted}{}", vni.value(), Reason::Vxlan.verdict()));
    }
    chain.text()
}

/// Adds the rules for VXLAN packets to this router. The VNI is at octet 12 of the datagram; this hook sees datagrams that are reassembled.
pub(super) fn input(segments: &[Segment], chain: &mut Chain) {
    if let Some(vnis) = vnis(segments) {
        chain.rule(format!("udp dport {PORT} iifname @tunnels jump vxlan-from-tunnel"));
        chain.rule(format!("udp dport {PORT} iifname != @tunnels @th,96,24 {vnis} {}", Reason::Vxlan.verdict()));
    }
}

/// The chains that keep VXLAN packets of the segments in the tunnels.
pub(super) fn output(segments: &[Segment]) -> String {
    let Some(vnis) = vnis(segments) else { return String::new() };
    let mut strayed = Chain::new("drop-vxlan-out");
    strayed.rule(format!("add @{} {{ oifname counter }}", Reason::Vxlan.counters()));
    strayed.rule("drop".to_owned());
    let mut output = Chain::hooked("output", "priority filter");
    output.rule(format!("udp dport {PORT} oifname != @tunnels @th,96,24 {vnis} goto drop-vxlan-out"));
    strayed.text() + &output.text()
}

fn vnis(segments: &[Segment]) -> Option<String> {
    set(segments.iter().map(|segment| segment.vni.value().to_string()))
}

/// Adds a rule that limits frames of one kind to `rate` per second, with a burst of the same number.
fn bound(chain: &mut Chain, device: &IfName, kind: &str, rate: Option<FrameRate>) {
    let Some(rate) = rate else { return };
    chain.rule(format!(
        "oifname \"{device}\" meta pkttype {kind} limit rate over {rate}/second burst {rate} packets counter drop"
    ));
}
