//! Sending packets (RFC 2328 §8.1): header, authentication, destination, and the space in a packet.

use std::net::Ipv4Addr;

use bytes::Bytes;

use crate::authentication::{Signature, sign, trailer_len};
use crate::config::{NetworkType, Speaker};
use crate::established::established;
use crate::event::Event;
use crate::ids::{InterfaceId, NeighborKey};
use crate::io::{Delivery, Output};
use crate::machine::neighbor::NeighborState;
use crate::state::engine::Engine;
use crate::state::interface::Interface;
use crate::state::neighbor::Neighbor;
use crate::wire::{Authentication, PACKET_HEADER_LEN, Packet, PacketBody};

/// AllSPFRouters (RFC 2328 §A.1).
pub(crate) const ALL_SPF_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 5);

/// AllDRouters (RFC 2328 §A.1).
pub(crate) const ALL_D_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 6);

/// IP TTL of packets on virtual links: the most hops of a path through the transit area.
const VIRTUAL_LINK_TTL: u8 = 64;

/// IP TTL of packets that do not leave the link (§A.1).
pub(crate) const LINK_TTL: u8 = 1;

/// IP TTL of packets over a tunnel: one that arrives with it was not forwarded (RFC 5082 §3).
pub(crate) const TUNNEL_TTL: u8 = 255;

/// Length of the IP header of each packet, which has no options.
pub(crate) const IP_HEADER_LEN: usize = 20;

/// The smallest MTU that an IPv4 link can have (RFC 791).
const SMALLEST_MTU: u16 = 68;

/// Where a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Destination {
    AllSpfRouters,
    AllDRouters,
    Neighbor(Ipv4Addr),
}

impl Interface {
    /// The destinations of floods and delayed acknowledgements (§8.1, §13.3 (5), §13.5): they reach all adjacent neighbours, with one
    /// packet where the network supports it.
    pub(crate) fn to_adjacent(&self) -> Vec<Destination> {
        match self.config.network {
            NetworkType::PointToPoint => vec![Destination::AllSpfRouters],
            NetworkType::Broadcast if self.state.is_designated() => vec![Destination::AllSpfRouters],
            NetworkType::Broadcast => vec![Destination::AllDRouters],
            NetworkType::NonBroadcast | NetworkType::PointToMultipoint | NetworkType::VirtualLink { .. } => {
                let adjacent = self.neighbors.values().filter(|neighbor| neighbor.state >= NeighborState::Exchange);
                adjacent.map(|neighbor| Destination::Neighbor(neighbor.address)).collect()
            }
        }
    }

    /// The destination of Database Descriptions and requests (§8.1). On point-to-point networks it is AllSPFRouters, as for all packets but
    /// retransmissions (§13.6), answers to requests (§10.7) and direct acknowledgements (§13.5; errata 7850 and 7851).
    pub(crate) fn to_neighbor(&self, neighbor: &Neighbor) -> Destination {
        match self.config.network {
            NetworkType::PointToPoint => Destination::AllSpfRouters,
            NetworkType::Broadcast
            | NetworkType::NonBroadcast
            | NetworkType::PointToMultipoint
            | NetworkType::VirtualLink { .. } => Destination::Neighbor(neighbor.address),
        }
    }

    /// Whether one packet reaches all adjacent neighbours.
    pub(crate) fn reaches_all_at_once(&self) -> bool {
        matches!(self.config.network, NetworkType::PointToPoint | NetworkType::Broadcast)
    }
}

impl Engine {
    /// Sends a packet, if the interface is active.
    pub(crate) fn send(&mut self, id: InterfaceId, destination: Destination, body: PacketBody) {
        if let Some(packet) = self.encode(id, body) {
            self.send_encoded(id, destination, packet);
        }
    }

    /// Encodes a packet without authentication, which [`Engine::send_encoded`] adds. So the bytes can be used on several interfaces of an
    /// area.
    pub(crate) fn encode(&self, id: InterfaceId, body: PacketBody) -> Option<Bytes> {
        let interface = established(self.interfaces.get(&id))?;
        let packet = Packet {
            router_id: self.config.router_id,
            area_id: interface.config.area,
            authentication: Authentication::Null,
            body,
        };
        let encoded = packet.encode();
        debug_assert!(encoded.is_ok(), "{encoded:?}: packets are kept within an MTU");
        encoded.ok()
    }

    /// Sends a Database Description or a request to a neighbour.
    pub(crate) fn send_to_neighbor(&mut self, key: NeighborKey, body: PacketBody) {
        let Some(interface) = established(self.interfaces.get(&key.interface)) else { return };
        let Some(neighbor) = established(interface.neighbors.get(&key.id)) else { return };
        let destination = interface.to_neighbor(neighbor);
        self.send(key.interface, destination, body);
    }

    /// Signs and sends the bytes that [`Engine::encode`] returned (§D.4).
    pub(crate) fn send_encoded(&mut self, id: InterfaceId, destination: Destination, packet: Bytes) {
        let Some(interface) = established(self.interfaces.get_mut(&id)) else { return };
        let Some(link) = interface.active_link() else { return };
        let authentication = &interface.config.authentication;
        let signature = sign(authentication, packet, link.address(), &mut self.sequences, self.config.boot, self.now);
        let Signature { packet, key } = signature;
        let before = std::mem::replace(&mut interface.signing_key, key);
        let kind = usize::from(packet[1]);
        debug_assert!((1..=5).contains(&kind), "packet type {kind}");
        interface.counters.sent[kind - 1] += 1;
        let destination = match destination {
            Destination::AllSpfRouters => ALL_SPF_ROUTERS,
            Destination::AllDRouters => ALL_D_ROUTERS,
            Destination::Neighbor(address) => address,
        };
        let (interface, ttl, delivery) = match (interface.far_end, interface.config.speaker) {
            (Some(path), _) => (path.way_out, VIRTUAL_LINK_TTL, Delivery::Routed),
            // Deviates: §A.1 requires 1 everywhere, but a packet that was forwarded into the tunnel can have 1, too.
            (None, Speaker::Peer { .. }) => (id, TUNNEL_TTL, Delivery::OnLink),
            (None, Speaker::Anyone) => (id, LINK_TTL, Delivery::OnLink),
        };
        if let Some((key, standing)) = key
            && before.is_none_or(|before| before != (key, standing))
        {
            self.outputs.push_back(Output::Event(Event::SigningKey { interface: id, key, standing }));
        }
        self.outputs.push_back(Output::Send { interface, destination, ttl, delivery, packet });
    }

    /// The octets available in a packet's body after `fixed` octets, so that IP does not fragment the packet.
    ///
    /// The caller includes at least one element, even if it is too large: a tiny MTU must not stop progress.
    pub(crate) fn room(&self, id: InterfaceId, fixed: usize) -> usize {
        let interface = self.interfaces.get(&id);
        let link = interface.and_then(|interface| interface.active_link());
        let mtu = usize::from(link.map_or(SMALLEST_MTU, |link| link.mtu.max(SMALLEST_MTU)));
        // §D.4.3: the trailer "is not considered part of the OSPF protocol packet", but it is part of the IP datagram.
        let trailer = interface.map_or(0, |interface| trailer_len(&interface.config.authentication));
        mtu.saturating_sub(IP_HEADER_LEN + PACKET_HEADER_LEN + fixed + trailer)
    }
}
