//! Exempts control packets of the mesh from conntrack (`notrack`).
//!
//! Control packets are sent in both directions as long as the router runs, so that their conntrack entry never expires, even if it is
//! wrong. This causes two faults where another ruleset does NAT on tunnels. First, a router sends Hello packets for all its neighbours to
//! one address, 224.0.0.5: there is one entry for all tunnels, and `masquerade` drops packets that leave by another interface than the
//! first packet. Second, where a packet from elsewhere was once translated to the router's address, all packets from the peer to that
//! address are translated back to the sender of that packet.
//!
//! `notrack` does not need conntrack: without it the rule has no effect.

use vxlan::PORT;

use super::entry::{BFD, Chain, OSPF, PROBES, vnis};
use super::ruleset::{FROM_TUNNEL, TO_TUNNEL, set};
use crate::mesh::Mesh;

/// Destination of OSPF packets to all neighbours (RFC 2328 §A.1).
const MULTICAST: &str = "224.0.0.0/24";

/// Returns the chains, whose hooks are before conntrack's. Packets from tunnels may also be in transit to other routers.
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
