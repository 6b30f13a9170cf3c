//! IP forwarding between routers, as far as virtual links need it (RFC 2328 §15): routing tables decide about packets to an address beyond
//! the link.

use std::net::Ipv4Addr;

use ospf::{Delivery, Instant, InterfaceId};

use super::Network;
use super::wire::Packet;
use crate::topology::RouterIndex;

impl Network {
    /// Whether a packet has reached a router that has to forward it.
    pub(super) fn is_in_transit(&self, packet: &Packet) -> bool {
        packet.delivery == Delivery::Routed && !self.owns(packet.to, packet.destination)
    }

    /// Forwards a packet, if its TTL and the router's routing table allow that.
    pub(super) fn forward(&mut self, at: Instant, packet: Packet) {
        let router = packet.to;
        let arrives = self.carries(packet.interface, packet.from, router) && self.routers[router.0].is_some();
        let Some(ttl) = packet.ttl.checked_sub(1).filter(|&left| left > 0 && arrives) else { return };
        let Some((interface, address)) = self.next_hop(router, packet.destination) else { return };
        let ends = self.ends(router, interface).map_or(Vec::new(), |(_, ends)| ends);
        let Some((to, _)) = ends.into_iter().find(|(_, end)| *end == address) else { return };
        self.put_on_link(at, Packet { from: router, to, interface, ttl, ..packet });
    }

    /// Returns where a router sends packets to an address: on a link of its own, or to the first next hop of its routing table.
    pub(super) fn next_hop(&self, router: RouterIndex, destination: Ipv4Addr) -> Option<(InterfaceId, Ipv4Addr)> {
        let topology = &self.situation.topology;
        let links = topology.links_of(router).map(|(index, _, _)| index);
        let links = links.filter(|&index| self.situation.has_carrier(index)).map(|index| index.interface());
        let lans = topology.lans_of(router).map(|(index, _, _)| index.interface());
        let is_there = |interface: &InterfaceId| {
            let ends = self.ends(router, *interface).map_or(Vec::new(), |(_, ends)| ends);
            ends.iter().any(|(_, address)| *address == destination)
        };
        let routes = self.engine(router)?.routes().filter(|(prefix, _)| prefix.contains(destination));
        let route = routes.max_by_key(|(prefix, _)| prefix.len()).map(|(_, route)| route);
        let hop = route.and_then(|route| route.nexthops.first());
        if let Some(via) = hop.and_then(|hop| hop.via) {
            return Some((hop?.interface, via));
        }
        links.chain(lans).find(is_there).map(|interface| (interface, destination))
    }

    fn owns(&self, router: RouterIndex, address: Ipv4Addr) -> bool {
        self.situation.topology.addresses(router).any(|own| own == address)
    }
}
