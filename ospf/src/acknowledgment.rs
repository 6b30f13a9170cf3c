//! Link State Acknowledgments: sent (RFC 2328 §13.5) and received (§13.7).

use std::cmp::Ordering;
use std::time::Duration;

use crate::answers::{ACKNOWLEDGMENT_ANSWERS, ACKNOWLEDGMENT_WINDOW};
use crate::config::Deviation;
use crate::databases::Databases;
use crate::engine::Engine;
use crate::ids::{InterfaceId, NeighborKey};
use crate::send::Destination;
use crate::timers::TimerKey;
use crate::wire::{LSA_HEADER_LEN, LsaHeader, PacketBody};

/// How long acknowledgements are held back to go together (§13.5: less than RxmtInterval).
const ACK_DELAY: Duration = Duration::from_millis(100);

/// How long others do.
const LONG_ACK_DELAY: Duration = Duration::from_secs(1);

/// Acknowledgements of so many octets of LSAs are not held back: the sender's window shall not run dry.
const ACK_OCTETS: usize = 16 * 1024;

impl Engine {
    /// A delayed acknowledgement (§13.5): it goes to all adjacent neighbours, with others, soon.
    pub(crate) fn acknowledge_later(&mut self, id: InterfaceId, header: LsaHeader) {
        let most = self.acks_in_packet(id);
        let delay = if self.config.conduct.has(Deviation::Pacing) { ACK_DELAY } else { LONG_ACK_DELAY };
        let deadline = self.now + delay;
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        interface.delayed_acks.push(header);
        interface.delayed_ack_octets += usize::from(header.length);
        if interface.delayed_acks.len() >= most || interface.delayed_ack_octets >= ACK_OCTETS {
            self.send_delayed_acks(id);
        } else {
            self.timers.set_if_idle(TimerKey::DelayedAck(id), deadline);
        }
    }

    pub(crate) fn send_delayed_acks(&mut self, id: InterfaceId) {
        self.timers.cancel(TimerKey::DelayedAck(id));
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        interface.delayed_ack_octets = 0;
        let headers = std::mem::take(&mut interface.delayed_acks);
        for destination in interface.to_adjacent() {
            self.send_acks(id, destination, &headers);
        }
    }

    /// Direct acknowledgements (§13.5; erratum 7851): at once, to the neighbour alone. Where there are many, they are delayed, so that many
    /// go in one packet.
    pub(crate) fn acknowledge_directly(&mut self, key: NeighborKey, headers: &[LsaHeader]) {
        let Some(neighbor) = self.neighbor(key) else { return };
        let (now, destination) = (self.now, Destination::Neighbor(neighbor.address));
        for packet in headers.chunks(self.acks_in_packet(key.interface)) {
            let Some(interface) = self.interfaces.get_mut(&key.interface) else { return };
            if interface.ack_answers.may_answer(now, ACKNOWLEDGMENT_ANSWERS, ACKNOWLEDGMENT_WINDOW) {
                self.send(key.interface, destination, PacketBody::LinkStateAck(packet.to_vec()));
            } else {
                packet.iter().for_each(|&header| self.acknowledge_later(key.interface, header));
            }
        }
    }

    fn send_acks(&mut self, id: InterfaceId, destination: Destination, headers: &[LsaHeader]) {
        for packet in headers.chunks(self.acks_in_packet(id)) {
            self.send(id, destination, PacketBody::LinkStateAck(packet.to_vec()));
        }
    }

    fn acks_in_packet(&self, id: InterfaceId) -> usize {
        (self.room(id, 0) / LSA_HEADER_LEN).max(1)
    }

    /// A Link State Acknowledgment was received (§13.7): what it names leaves the retransmission list, if it is the instance there.
    ///
    /// Deviates: the RFC ignores all else. What tells of an LSA of ours that we do not have is news of what the neighbour holds.
    pub(crate) fn receive_ack(&mut self, key: NeighborKey, headers: &[LsaHeader]) {
        let (now, own_id) = (self.now, self.config.router_id);
        let Some(interface) = self.interfaces.get_mut(&key.interface) else { return };
        let (area, external_routing) = (interface.config.area, interface.external_routing);
        let Some(neighbor) = interface.neighbors.get_mut(&key.id) else { return };
        let mut strays = Vec::new();
        for header in headers {
            neighbor.exchange.neighbor_has(header);
            let listed = neighbor.retransmission.contains(header.key);
            // Of a type that is not let in there is nothing to be had here.
            let own = header.key.advertising_router == own_id && external_routing.lets_in(header.key.kind);
            let place = Databases::place(header.key, key.interface, area).filter(|_| listed || own);
            let Some(place) = place else { continue };
            match self.databases.lookup(place).map(|stored| header.compare(&stored.header(now))) {
                // The list holds the instance in the database.
                Some(Ordering::Equal) => {
                    if neighbor.retransmission.remove(header.key) && self.databases.is_max_aged(place) {
                        self.removals.note(place);
                    }
                }
                Some(Ordering::Greater) if own => strays.push((place, *header)),
                // A neighbour that got an LSA at MaxAge twice acknowledges it twice, and the second time it may be gone here.
                None if own && !header.is_max_age() => strays.push((place, *header)),
                Some(Ordering::Less | Ordering::Greater) | None => {}
            }
        }
        self.acknowledged(key);
        for (place, header) in strays {
            self.acknowledged_stray(key, place, &header);
        }
    }
}
