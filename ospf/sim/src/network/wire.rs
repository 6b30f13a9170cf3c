//! Packets on links and LANs: which ends there are, what reaches them, and in what condition.

use std::net::Ipv4Addr;

use bytes::Bytes;
use ospf::{Delivery, Instant, InterfaceId};

use super::{Happening, Network};
use crate::router::{IP_HEADER_LEN, MTU};
use crate::topology::{LanIndex, LinkIndex, RouterIndex};
use crate::turn::Sent;

/// The types of packets that belong to flooding (RFC 2328 §A.3.1).
const FLOODING: std::ops::RangeInclusive<u8> = LS_UPDATE..=5;
const LS_UPDATE: u8 = 4;

/// A packet under way.
#[derive(Debug, Clone)]
pub(super) struct Packet {
    pub(super) from: RouterIndex,
    pub(super) to: RouterIndex,
    /// The interface, which has the same ID at both ends.
    pub(super) interface: InterfaceId,
    pub(super) source: Ipv4Addr,
    pub(super) destination: Ipv4Addr,
    pub(super) ttl: u8,
    /// Whether the packet stays on the link.
    pub(super) delivery: Delivery,
    pub(super) payload: Bytes,
}

impl Network {
    pub(super) fn send(&mut self, router: RouterIndex, sent: Sent) {
        let Sent { at, interface, destination, ttl, delivery, packet } = sent;
        self.counts.packets += 1;
        self.counts.octets += packet.len() as u64;
        if packet.get(1).is_some_and(|kind| FLOODING.contains(kind)) {
            self.counts.flooding_packets += 1;
            self.counts.flooding_octets += packet.len() as u64;
        }
        self.trace.add(at, router, interface, destination, &packet);
        if packet.len() + IP_HEADER_LEN > usize::from(MTU) && !is_one_lsa(&packet) {
            self.violation(router, at, format!("sent {} octets over an MTU of {MTU}", packet.len()));
        }
        let Some((source, ends)) = self.ends(router, interface) else {
            self.violation(router, at, format!("sent on {interface:?}, which is no active interface of its"));
            return;
        };
        if destination.is_multicast() && !self.carries_multicast(interface) {
            self.violation(router, at, format!("sent to {destination} on {interface:?}, which carries no multicast"));
            return;
        }
        let next = match delivery {
            Delivery::Routed => match self.next_hop(router, destination) {
                Some(next) => next,
                None => return,
            },
            Delivery::OnLink => (interface, destination),
        };
        let ends =
            if next.0 == interface { ends } else { self.ends(router, next.0).map_or(Vec::new(), |(_, ends)| ends) };
        let is_late = self.acknowledges_late(router, interface, &packet);
        for (to, address) in ends {
            if is_late && self.are_foreign(router, to) {
                continue;
            }
            if next.1.is_multicast() || next.1 == address {
                let (interface, payload) = (next.0, packet.clone());
                let packet = Packet { from: router, to, interface, source, destination, ttl, delivery, payload };
                self.put_on_link(at, packet);
            }
        }
    }

    /// Carries a packet to the other end, with the loss, duplication and corruption of the link.
    pub(super) fn put_on_link(&mut self, at: Instant, packet: Packet) {
        if !self.carries(packet.interface, packet.from, packet.to) {
            return;
        }
        for arrival in self.quality.carry(&mut self.chance) {
            let payload = match arrival.flipped_bit {
                None => packet.payload.clone(),
                Some(bit) => with_flipped_bit(&packet.payload, bit),
            };
            let arrives = self.in_order(at + arrival.after, &packet);
            self.queue.schedule(arrives, Happening::Arrival(Packet { payload, ..packet.clone() }));
        }
    }

    /// Returns a router's address on one of its interfaces, and the other routers there with their addresses.
    pub(super) fn ends(
        &self,
        router: RouterIndex,
        interface: InterfaceId,
    ) -> Option<(Ipv4Addr, Vec<(RouterIndex, Ipv4Addr)>)> {
        let topology = &self.situation.topology;
        if let Some(lan) = LanIndex::of(interface) {
            let address = topology.lan_address(lan, router)?;
            let others = topology.lans[lan.0].ends.iter().map(|end| end.router).filter(|&other| other != router);
            return Some((
                address,
                others.filter_map(|other| Some((other, topology.lan_address(lan, other)?))).collect(),
            ));
        }
        let link = LinkIndex::of(interface).filter(|link| link.0 < topology.links.len())?;
        let near = topology.links[link.0].side_of(router)?;
        let far = (topology.links[link.0].end(near.other()).router, topology.address(link, near.other()));
        Some((topology.address(link, near), vec![far]))
    }

    fn carries_multicast(&self, interface: InterfaceId) -> bool {
        LanIndex::of(interface).is_none_or(|lan| self.situation.topology.lans[lan.0].network.carries_multicast())
    }

    pub(super) fn carries(&self, interface: InterfaceId, from: RouterIndex, to: RouterIndex) -> bool {
        let situation = &self.situation;
        match (LanIndex::of(interface), LinkIndex::of(interface)) {
            (Some(lan), _) => {
                let joins = situation.topology.lans[lan.0].joins(from, to);
                joins && situation.is_plugged(lan, from) && situation.is_plugged(lan, to)
            }
            (None, Some(link)) => {
                let side = situation.topology.links[link.0].side_of(from);
                side.is_some_and(|side| situation.carries_from(link, side))
            }
            (None, None) => false,
        }
    }
}

/// Whether a packet is an update with one LSA, which IP has to fragment if it is too long (RFC 2328 §A.1).
fn is_one_lsa(packet: &[u8]) -> bool {
    let count = packet.get(24..28);
    packet.get(1) == Some(&LS_UPDATE) && count == Some(&[0, 0, 0, 1])
}

fn with_flipped_bit(packet: &Bytes, bit: u64) -> Bytes {
    let mut changed = packet.to_vec();
    let bit = usize::try_from(bit % (8 * changed.len() as u64)).expect("a bit of the packet");
    changed[bit / 8] ^= 1 << (bit % 8);
    Bytes::from(changed)
}
