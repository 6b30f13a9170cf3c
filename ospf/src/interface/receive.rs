//! Receiving packets (RFC 2328 §8.2): the checks that apply to every packet; then the module for its type handles it.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::authentication::{Sequence, verify};
use crate::config::{NetworkType, Speaker, TtlSecurity};
use crate::established::established;
use crate::event::Event;
use crate::ids::{AreaId, InterfaceId, NeighborId, NeighborKey};
use crate::interface::send::{ALL_D_ROUTERS, ALL_SPF_ROUTERS, LINK_TTL, TUNNEL_TTL};
use crate::io::Addressing;
use crate::machine::neighbor::NeighborState;
use crate::refusal::Refusal;
use crate::state::engine::Engine;
use crate::state::interface::{Interface, Link};
use crate::wire::{Envelope, PacketBody};

/// The same duplicate router id is reported again after this interval.
const DUPLICATE_REPORT_INTERVAL: Duration = Duration::from_secs(60);

/// Packet type of a Hello in the packet header (§A.3.1).
const HELLO: u8 = 1;

/// The fields of a packet's IP header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: Ipv4Addr,
    pub(crate) ttl: u8,
}

/// Whether it is certain who sent a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It is certain by a digest, or because only the peer of a tunnel can send with this TTL.
    Proven,
    Unproven,
}

impl Engine {
    /// Handles a received packet. If it is refused, the reason is counted and reported.
    pub(crate) fn receive(&mut self, id: InterfaceId, arrival: Arrival, payload: &[u8]) {
        let source = arrival.source;
        if let Err(reason) = self.accept(id, arrival, payload) {
            if let Some(interface) = self.interfaces.get_mut(&id) {
                interface.counters.refuse(reason);
                interface.last_refusal = Some((reason.counted(), self.now));
            }
            self.event(Event::PacketRefused { interface: id, source, reason });
        }
    }

    fn accept(&mut self, id: InterfaceId, arrival: Arrival, payload: &[u8]) -> Result<(), Refusal> {
        let Arrival { source, destination, ttl: _ } = arrival;
        let own_id = self.config.router_id;
        let arrived_on = self.interfaces.get(&id).ok_or(Refusal::InterfaceNotActive)?;
        arrived_on.active_link().ok_or(Refusal::InterfaceNotActive)?;
        if destination == ALL_D_ROUTERS && arrived_on.is_past_all_d_routers() {
            // "Packets whose IP destination is AllDRouters should only be accepted if the state of the receiving interface is DR or
            // Backup". It is no error of the sender that they arrive here, too.
            return Ok(());
        }
        let envelope = Envelope::open(payload)?;
        // §8.2: the packet belongs to the area of the receiving interface, or to the backbone, over a virtual link through that area.
        let (id, origin) = if envelope.area_id == arrived_on.config.area {
            let origin = arrived_on.check_source(arrival)?;
            arrived_on.is_addressed(destination)?;
            arrived_on.is_from_here(source)?;
            if envelope.kind == HELLO && self.is_routed(arrived_on, destination) {
                return Err(Refusal::Destination);
            }
            (id, origin)
        } else if envelope.area_id == AreaId::BACKBONE {
            let over = self.virtual_link_of(arrived_on.config.area, envelope.router_id).ok_or(Refusal::AreaMismatch)?;
            self.is_own_address(destination)?;
            self.is_from_far_end(over, source)?;
            (over, Origin::Unproven)
        } else {
            return Err(Refusal::AreaMismatch);
        };
        let interface = self.interfaces.get(&id).ok_or(Refusal::InterfaceNotActive)?;
        // §8.2: no field of the packet's body is used before the packet is authenticated.
        let sequence = verify(&interface.config.authentication, &envelope, source, self.now)?;
        let origin = if interface.config.is_authenticated() { Origin::Proven } else { origin };
        let router_id = envelope.router_id;
        let key = NeighborKey { interface: id, id: interface.neighbor_id(router_id, source) };
        if router_id == own_id {
            self.report_duplicate(id, source);
            return Err(Refusal::OwnRouterId);
        }
        if key.id == NeighborId::Address(source) && interface.link().map(Link::address) == Some(source) {
            // Another router on this network has our address. As a neighbour it could not be distinguished from us in an election.
            return Err(Refusal::Source);
        }
        self.check_sequence(key, envelope.kind, sequence)?;
        self.note_sequence(key, envelope.kind, sequence);
        let body = envelope.body().map_err(Refusal::Malformed)?;
        if let PacketBody::Hello(hello) = &body {
            self.receive_hello(id, source, router_id, origin, hello)?;
            // The neighbour may have been created by this hello.
            self.note_sequence(key, envelope.kind, sequence);
        } else {
            // §8.2: "All other packet types are sent/received only on adjacencies."
            let known = self.neighbor(key).filter(|neighbor| neighbor.router_id == router_id);
            let state = known.ok_or(Refusal::UnknownNeighbor)?.state;
            match body {
                PacketBody::Hello(_) => unreachable!("taken above"),
                PacketBody::DatabaseDescription(description) => self.receive_description(key, &description)?,
                // §10.7, §13, §13.7: these packets are not accepted from a neighbour in a lower state than Exchange.
                _ if state < NeighborState::Exchange => return Err(Refusal::NeighborState),
                PacketBody::LinkStateRequest(requests) => self.receive_request(key, &requests),
                PacketBody::LinkStateUpdate(lsas) => self.receive_update(key, lsas),
                PacketBody::LinkStateAck(headers) => self.receive_ack(key, &headers),
            }
        }
        if let Some(interface) = self.interfaces.get_mut(&id) {
            interface.counters.received[usize::from(envelope.kind) - 1] += 1;
        }
        Ok(())
    }

    /// §D.4.3: refuses a packet that is older than the last one accepted from this neighbour. From a neighbour in state Down any is new.
    fn check_sequence(&self, key: NeighborKey, kind: u8, sequence: Sequence) -> Result<(), Refusal> {
        let known = self.neighbor(key).filter(|neighbor| neighbor.state >= NeighborState::Init);
        known.map_or(Ok(()), |neighbor| neighbor.accepted.check(kind, sequence))
    }

    fn note_sequence(&mut self, key: NeighborKey, kind: u8, sequence: Sequence) {
        if let Some(neighbor) = self.neighbor_mut(key) {
            neighbor.accepted.note(kind, sequence);
        }
    }

    /// Checks that a packet of a virtual link was sent to an address of this router. It may arrive over any interface of the transit area.
    fn is_own_address(&self, destination: Ipv4Addr) -> Result<(), Refusal> {
        let of_interfaces = self.interfaces.values().filter_map(|interface| interface.link().map(Link::address));
        let own = of_interfaces.chain(self.config.loopbacks.values().flatten().copied());
        if own.into_iter().any(|address| address == destination) { Ok(()) } else { Err(Refusal::Destination) }
    }

    /// Whether a hello that arrived on a point-to-point link of the backbone belongs to a virtual link. Hellos of the link itself are sent
    /// to AllSPFRouters (§9.5); the source address does not distinguish them, because the ends of such links are numbered independently
    /// (§8.2).
    ///
    /// Packets of a virtual link arrive this way while its far end does not know yet that the link has left the transit area. Their sender
    /// would become a neighbour that is not on the link, and the one that is would be refused for RouterDeadInterval.
    fn is_routed(&self, arrived_on: &Interface, destination: Ipv4Addr) -> bool {
        let is_of_backbone =
            arrived_on.config.network == NetworkType::PointToPoint && arrived_on.config.area == AreaId::BACKBONE;
        is_of_backbone && !destination.is_multicast() && self.interfaces.values().any(Interface::is_virtual)
    }

    fn report_duplicate(&mut self, id: InterfaceId, source: Ipv4Addr) {
        let now = self.now;
        let Some(interface) = established(self.interfaces.get_mut(&id)) else { return };
        let reported = interface
            .duplicate_reported
            .is_some_and(|(from, when)| from == source && now.saturating_since(when) < DUPLICATE_REPORT_INTERVAL);
        if !reported {
            interface.duplicate_reported = Some((source, now));
            self.event(Event::DuplicateRouterId { interface: id, source });
        }
    }
}

impl Interface {
    /// Checks that packets from this source are accepted here; returns whether their origin is proven.
    fn check_source(&self, arrival: Arrival) -> Result<Origin, Refusal> {
        match self.config.speaker {
            Speaker::Anyone => Ok(Origin::Unproven),
            Speaker::Peer { address, .. } if address != arrival.source => Err(Refusal::NotThePeer),
            Speaker::Peer { ttl_security: TtlSecurity::Off, .. } => Ok(Origin::Unproven),
            Speaker::Peer { ttl_security: TtlSecurity::Required, .. } => match arrival.ttl {
                TUNNEL_TTL => Ok(Origin::Proven),
                // Deviates from RFC 5082 for this version only: routers of earlier versions send with TTL 1.
                LINK_TTL => Ok(Origin::Unproven),
                _ => Err(Refusal::Ttl),
            },
        }
    }

    /// Whether packets to AllDRouters are not for this router, because it is neither the designated router nor its backup.
    fn is_past_all_d_routers(&self) -> bool {
        self.config.network == NetworkType::Broadcast && !self.state.is_designated()
    }

    /// §8.2: checks that the destination is the interface's address, or a group that it is in.
    fn is_addressed(&self, destination: Ipv4Addr) -> Result<(), Refusal> {
        let own = self.active_link().map(Link::address);
        let designated = self.config.network == NetworkType::Broadcast && destination == ALL_D_ROUTERS;
        if destination == ALL_SPF_ROUTERS || Some(destination) == own || designated {
            Ok(())
        } else {
            Err(Refusal::Destination)
        }
    }

    /// §8.2: "the packet's IP source address is required to be on the same network as the receiving interface", except on point-to-point
    /// networks, whose ends may be numbered independently.
    fn is_from_here(&self, source: Ipv4Addr) -> Result<(), Refusal> {
        match (self.config.network, self.active_link().map(|link| link.addressing)) {
            (NetworkType::PointToPoint | NetworkType::VirtualLink { .. }, _) => Ok(()),
            (_, Some(Addressing::Numbered { subnet, .. })) if !subnet.contains(source) => Err(Refusal::Source),
            (_, Some(Addressing::Numbered { .. } | Addressing::Unnumbered(_)) | None) => Ok(()),
        }
    }
}
