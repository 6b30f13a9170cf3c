//! Receiving (RFC 2328 §8.2): the checks that every packet passes, then its own chapter.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::authentication::{Sequence, verify};
use crate::engine::Engine;
use crate::event::{Event, NeighborState};
use crate::ids::{InterfaceId, NeighborId, NeighborKey};
use crate::refusal::Refusal;
use crate::send::ALL_SPF_ROUTERS;
use crate::wire::{Envelope, PacketBody};

/// The same duplicate router id is reported again after this.
const DUPLICATE_REPORT_INTERVAL: Duration = Duration::from_secs(60);

impl Engine {
    /// A packet was received; if it is not taken, the reason is counted and reported.
    pub(crate) fn receive(&mut self, id: InterfaceId, source: Ipv4Addr, destination: Ipv4Addr, payload: &[u8]) {
        if let Err(reason) = self.accept(id, source, destination, payload) {
            if let Some(interface) = self.interfaces.get_mut(&id) {
                interface.counters.refuse(reason);
            }
            self.event(Event::PacketRefused { interface: id, source, reason });
        }
    }

    fn accept(
        &mut self,
        id: InterfaceId,
        source: Ipv4Addr,
        destination: Ipv4Addr,
        payload: &[u8],
    ) -> Result<(), Refusal> {
        let own_id = self.config.router_id;
        let interface = self.interfaces.get(&id).ok_or(Refusal::InterfaceNotActive)?;
        let link = interface.active_link().ok_or(Refusal::InterfaceNotActive)?;
        // §8.2: an address of the receiving interface, or a group that it is in.
        if destination != ALL_SPF_ROUTERS && destination != link.address() {
            return Err(Refusal::Destination);
        }
        let envelope = Envelope::open(payload)?;
        if envelope.area_id != interface.config.area {
            return Err(Refusal::AreaMismatch);
        }
        // §8.2: nothing of the packet is believed before it is authenticated.
        let sequence = verify(&interface.config.authentication, &envelope, source, self.now)?;
        let router_id = envelope.router_id;
        if router_id == own_id {
            self.report_duplicate(id, source);
            return Err(Refusal::OwnRouterId);
        }
        // §8.2: on point-to-point networks the sender is known by its router id.
        let key = NeighborKey { interface: id, id: NeighborId::Router(router_id) };
        self.check_sequence(key, envelope.kind, sequence)?;
        self.note_sequence(key, envelope.kind, sequence);
        let body = envelope.body().map_err(Refusal::Malformed)?;
        if let PacketBody::Hello(hello) = &body {
            self.receive_hello(id, source, router_id, hello)?;
            // The neighbour may be a new one.
            self.note_sequence(key, envelope.kind, sequence);
        } else {
            let state = self.neighbor(key).ok_or(Refusal::UnknownNeighbor)?.state;
            match body {
                PacketBody::Hello(_) => unreachable!("taken above"),
                PacketBody::DatabaseDescription(description) => self.receive_description(key, &description)?,
                // §10.7, §13, §13.7: nothing is taken from a neighbour in a lesser state than Exchange.
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

    /// §D.4.3: a packet that is older than another that was taken of this neighbour. Of one that is Down any is new.
    fn check_sequence(&self, key: NeighborKey, kind: u8, sequence: Sequence) -> Result<(), Refusal> {
        let known = self.neighbor(key).filter(|neighbor| neighbor.state >= NeighborState::Init);
        known.map_or(Ok(()), |neighbor| neighbor.accepted.check(kind, sequence))
    }

    fn note_sequence(&mut self, key: NeighborKey, kind: u8, sequence: Sequence) {
        if let Some(neighbor) = self.neighbor_mut(key) {
            neighbor.accepted.note(kind, sequence);
        }
    }

    fn report_duplicate(&mut self, id: InterfaceId, source: Ipv4Addr) {
        let now = self.now;
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        let reported = interface
            .duplicate_reported
            .is_some_and(|(from, when)| from == source && now.saturating_since(when) < DUPLICATE_REPORT_INTERVAL);
        if !reported {
            interface.duplicate_reported = Some((source, now));
            self.event(Event::DuplicateRouterId { interface: id, source });
        }
    }
}
