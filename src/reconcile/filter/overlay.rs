//! The rules of Ethernet segments.
//!
//! In family `bridge`: how much is flooded to other sites, what never crosses, the answers of DHCP servers, questions for addresses that
//! have a VLAN tag, and the MSS of TCP connections whose packets would not cross in one piece. In family `ip`, for tunnels and VXLAN devices know no other: VXLAN packets of the segments stay in the tunnels. In, because VXLAN knows no other proof of where a frame is
//! from (RFC 7348 §7); out, because a route to a site that is gone, or leads over a LAN, would have frames leave unencrypted. VXLAN
//! with other VNIs belongs to others.

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
    /// The bridge, and the ports of it that this site's hosts are behind.
    site: L2Site,
    /// Loopbacks of its sites.
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
    /// Whether a rule asks of which bridge a port is.
    fn names_bridge(&self) -> bool {
        self.site.is_on_existing_bridge() && self.filter.dhcp == DhcpAnswers::Broadcast
    }
}

/// Whether any rule asks of which bridge a port is.
pub(super) fn name_bridges(segments: &[Segment]) -> bool {
    segments.iter().any(Segment::names_bridge)
}

/// Chains of family `bridge`, where `filter` is -200, before br_netfilter's hooks, which go on with none of a priority up to 0.
pub(super) fn bridge_chains(segments: &[Segment], names: BridgeNames) -> String {
    let chains = [dhcp_answers(segments, names), Some(crossing(segments)), spanning_tree(segments)];
    chains.into_iter().flatten().chain(tagged_resolution(segments)).map(|chain| chain.text()).collect()
}

/// The chains that have a bridge not answer questions with a VLAN tag. Its table is of frames without one, and it would answer without:
/// whoever asks in a VLAN would not hear it, or take it for another VLAN's. Where a bridge looks at them, ARP has a protocol type that
/// nobody uses, and neighbour discovery a code that it must not have (RFC 4861 §7.1), so it floods them; behind that they are as they were.
/// A tag of priority alone, for VLAN 0, is as none (IEEE 802.1Q §6.9.1).
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
    // Rules of others see them as they are: behind theirs in the one hook, before them in the others.
    let (last, first) = ("priority 300", "priority -300");
    let disguised = change(Chain::on("disguise-tagged", "prerouting", last), ["0x0800", "0x0801"], [0, 1]);
    let restored = ["forward", "input"].into_iter().map(|hook| {
        let chain = Chain::on(&format!("restore-tagged-{hook}"), hook, first);
        change(chain, ["0x0801", "0x0800"], [1, 0])
    });
    [disguised].into_iter().chain(restored).collect()
}

/// The chain that has the answers of DHCP servers sent to everybody, before the bridge looks whom they are for.
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
        // Its ports come and go with guests.
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

/// The chain that keeps the spanning tree of a bridge which weft does not make at its site. A bridge sends its own messages itself, and
/// does not pass on those that it receives.
fn spanning_tree(segments: &[Segment]) -> Option<Chain> {
    let existing = segments.iter().filter(|segment| segment.site.is_on_existing_bridge());
    let devices = set(quoted(existing.map(|segment| &segment.device)))?;
    let mut chain = Chain::hooked("output", "priority filter");
    chain.rule(format!("oifname {devices} {RESERVED} drop"));
    Some(chain)
}

/// Matches addresses that a bridge keeps from other LANs (IEEE 802.1Q §8.6.3).
const RESERVED: &str = "ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00";

/// The chain of frames between the sites and the ports.
fn crossing(segments: &[Segment]) -> Chain {
    let mut chain = Chain::hooked("forward", "priority filter");
    for Segment { device, filter, .. } in segments {
        for direction in ["iifname", "oifname"] {
            // Linux forwards those of the spanning tree if it runs none.
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

/// The chain that looks at VXLAN packets of the segments which have come by a tunnel: from another member, on whichever tunnel, for they
/// may have been in transit.
pub(super) fn arriving(segments: &[Segment], site: &Site) -> String {
    if segments.is_empty() {
        return String::new();
    }
    let mut chain = Chain::new("vxlan-from-tunnel");
    for Segment { vni, members, .. } in segments {
        let others = set(members.iter().filter(|member| **member != site.loopback).map(ToString::to_string));
        let strangers = others.map_or_else(String::new, |others| format!("ip saddr != {others} "));
        chain.rule(format!("@th,96,24 {} {strangers}{}", vni.value(), Reason::Vxlan.verdict()));
    }
    chain.text()
}

/// Adds the rules about VXLAN packets for this router. The VNI is 12 octets into the datagram; this hook sees whole datagrams.
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

/// Accepts so many frames in a second, and as many at once.
fn bound(chain: &mut Chain, device: &IfName, kind: &str, rate: Option<FrameRate>) {
    let Some(rate) = rate else { return };
    chain.rule(format!(
        "oifname \"{device}\" meta pkttype {kind} limit rate over {rate}/second burst {rate} packets counter drop"
    ));
}
