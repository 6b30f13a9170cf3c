//! Control packets of the mesh that conntrack leaves alone.
//!
//! They go back and forth for as long as the router lives, so that an entry of conntrack's never expires, whatever it says. Two faults
//! follow where somebody does NAT on tunnels, too. A router greets all its neighbours at one address, 224.0.0.5: one entry for all
//! tunnels, and `masquerade` drops what leaves by another interface than the first packet did. And where a packet from elsewhere was
//! once given the router's address, all that the peer sends to that address is for the one who sent it.
//!
//! `notrack` needs no conntrack: without it the rule does nothing.

use vxlan::PORT;

use super::entry::{BFD, Chain, OSPF, PROBES, vnis};
use super::ruleset::{FROM_TUNNEL, TO_TUNNEL, set};
use crate::mesh::Mesh;

/// Where OSPF packets to all neighbours go (RFC 2328 §A.1).
const MULTICAST: &str = "224.0.0.0/24";

/// The chains, whose hooks are before conntrack's. From tunnels come those in transit to other routers, too.
pub(super) fn chains(mesh: &Mesh) -> String {
    let mut untracked = Chain::new("untracked");
    untracked.rule(format!("ip protocol {OSPF} notrack"));
    let ports = set(BFD.iter().chain(&PROBES).map(u16::to_string)).unwrap_or_default();
    untracked.rule(format!("udp dport {ports} notrack"));
    if let Some(vnis) = vnis(mesh) {
        untracked.rule(format!("udp dport {PORT} @th,96,24 {vnis} notrack"));
    }
    let mut arriving = Chain::on("untracked-in", "prerouting", "priority raw");
    for destination in [mesh.loopbacks.to_string().as_str(), MULTICAST] {
        arriving.rule(format!("ip daddr {destination} {FROM_TUNNEL} jump untracked"));
    }
    let mut sent = Chain::on("untracked-out", "output", "priority raw");
    sent.rule(format!("ip protocol {OSPF} notrack"));
    sent.rule(format!("{TO_TUNNEL} jump untracked"));
    untracked.text() + &arriving.text() + &sent.text()
}
