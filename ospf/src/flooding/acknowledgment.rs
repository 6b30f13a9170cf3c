//! Sending (RFC 2328 §13.5) and receiving (§13.7) Link State Acknowledgments.

use std::cmp::Ordering;
use std::time::Duration;

use crate::config::Deviation;
use crate::established::established;
use crate::flooding::retransmission::ARRIVAL_MARGIN;
use crate::ids::{AreaId, InterfaceId, NeighborKey};
use crate::interface::send::Destination;
use crate::state::answers::{ACKNOWLEDGMENT_ANSWERS, ACKNOWLEDGMENT_WINDOW};
use crate::state::databases::Databases;
use crate::state::engine::Engine;
use crate::state::neighbor::LONGEST_UNDER_WAY;
use crate::state::site_lsas::Bringer;
use crate::state::timers::TimerKey;
use crate::wire::{LSA_HEADER_LEN, LsaHeader, MIN_LS_ARRIVAL, PacketBody};

/// The delay of acknowledgements, which lets many share a packet (§13.5: less than RxmtInterval).
const ACK_DELAY: Duration = Duration::from_millis(100);

/// The delay that other implementations use.
const LONG_ACK_DELAY: Duration = Duration::from_secs(1);

/// Delayed acknowledgements are sent at once when they cover this many octets of LSAs, so that the sender's flood window does not fill up.
const ACK_OCTETS: usize = 16 * 1024;

impl Engine {
    /// Queues a delayed acknowledgement (§13.5), which is sent to all adjacent neighbours together with others.
    pub(crate) fn acknowledge_later(&mut self, id: InterfaceId, header: LsaHeader) {
        let most = self.acks_in_packet(id);
        let delay = if self.config.conduct.has(Deviation::Pacing) { ACK_DELAY } else { LONG_ACK_DELAY };
        let deadline = self.now + delay;
        let Some(interface) = established(self.interfaces.get_mut(&id)) else { return };
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
        let area = interface.config.area;
        let mut headers = std::mem::take(&mut interface.delayed_acks);
        headers.retain(|header| !self.is_overtaken(id, area, header));
        let Some(interface) = established(self.interfaces.get(&id)) else { return };
        for destination in interface.to_adjacent() {
            self.send_acks(id, destination, &headers);
        }
    }

    /// Whether a received instance was replaced before it was acknowledged.
    ///
    /// Deviates: by §13.5 each instance is acknowledged. This is not necessary here, because a neighbour that waits for the
    /// acknowledgement receives the newer instance, and has to acknowledge that. And it would do harm if the neighbour has removed the LSA
    /// at MaxAge, and has received the instance again from another neighbour: it would take the acknowledgement as one for that.
    fn is_overtaken(&self, id: InterfaceId, area: AreaId, header: &LsaHeader) -> bool {
        let Some(place) = established(Databases::place(header.key, id, area)) else { return false };
        let overtaken = match self.databases.lookup(place) {
            Some(stored) => stored.header(self.now).newer_than(header),
            None => !header.is_max_age() && self.departed_later(place, header).is_some(),
        };
        overtaken && self.config.conduct.has(Deviation::StrayAcknowledgments)
    }

    /// Sends direct acknowledgements (§13.5; erratum 7851) at once and only to this neighbour. If there are too many, they are delayed, so
    /// that many share a packet.
    pub(crate) fn acknowledge_directly(&mut self, key: NeighborKey, headers: &[LsaHeader]) {
        let Some(neighbor) = self.neighbor(key) else { return };
        let (now, destination) = (self.now, Destination::Neighbor(neighbor.address));
        for packet in headers.chunks(self.acks_in_packet(key.interface)) {
            let Some(interface) = established(self.interfaces.get_mut(&key.interface)) else { return };
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

    /// Handles a Link State Acknowledgment (§13.7): each acknowledged LSA is removed from the retransmission list, if the list has the same
    /// instance.
    ///
    /// Deviates: the RFC ignores all other acknowledgements. But one for an LSA of ours that we do not have, or for an LSA that is at
    /// MaxAge here or was removed recently, shows what the neighbour holds.
    ///
    /// Moreover, not every acknowledgement of the same instance proves that the neighbour holds it. If this router and its neighbour have
    /// both restarted, a late acknowledgement from before is indistinguishable from one of now: LSAs of routers that have not restarted are
    /// the same, and a router that restarts begins with the same sequence number as before. It would remove from the list an LSA that the
    /// neighbour never received, and the neighbour would miss it until it is refreshed. The same is true of a late update, which is an
    /// acknowledgement by §13 (7)(a). An LSA that is acknowledged in either way soon after the interface came up is therefore flooded once
    /// more when no such packet can be under way any more, unless the neighbour has described it by then.
    pub(crate) fn receive_ack(&mut self, key: NeighborKey, headers: &[LsaHeader]) {
        let (now, own_id) = (self.now, self.config.router_id);
        let Some(interface) = established(self.interfaces.get_mut(&key.interface)) else { return };
        let (area, external_routing) = (interface.config.area, interface.external_routing);
        let previous_until =
            interface.previous_until(now).filter(|_| self.config.conduct.has(Deviation::DoubtedFloods));
        let Some(neighbor) = established(interface.neighbors.get_mut(&key.id)) else { return };
        let deviates = self.config.conduct.has(Deviation::Departed);
        let retry = now + MIN_LS_ARRIVAL + ARRIVAL_MARGIN;
        let mut strays = Vec::new();
        for header in headers {
            neighbor.exchange.neighbor_has(header);
            let listed = neighbor.retransmission.contains(header.key);
            // LSAs of a type that is not flooded into this area cannot be here.
            let own = header.key.advertising_router == own_id && external_routing.lets_in(header.key.kind);
            let Some(place) = Databases::place(header.key, key.interface, area) else { continue };
            let stored = self.databases.lookup(place).map(|stored| stored.header(now));
            let begins_anew = stored.is_some_and(|stored| header.begins_anew_after(&stored));
            match stored.map(|stored| (header.compare(&stored), stored.length)) {
                // The list holds the database copy.
                Some((Ordering::Equal, _)) => {
                    let is_max_aged = self.databases.is_max_aged(place);
                    let previous_until = previous_until.filter(|_| !is_max_aged);
                    if neighbor.retransmission.acknowledge(header.key, now, previous_until) && is_max_aged {
                        self.removals.note(place);
                    }
                }
                Some((Ordering::Greater, _)) if own => strays.push((place, *header)),
                // The neighbour acknowledged the LSA at MaxAge, and received this instance later. It accepts no other within MinLSArrival.
                Some((Ordering::Less, length)) if deviates && !listed && self.databases.is_max_aged(place) => {
                    if neighbor.takes(header.key.kind) && !begins_anew {
                        neighbor.retransmission.await_ack(header.key, usize::from(length), retry);
                        neighbor.retransmission.contradict(header.key, now + LONGEST_UNDER_WAY);
                        self.timers.set_if_idle(TimerKey::Retransmission(key), retry);
                    }
                }
                // A neighbour that received an LSA at MaxAge twice acknowledges it twice, and it may be removed here before the second
                // acknowledgement.
                None if !header.is_max_age() && external_routing.lets_in(header.key.kind) => {
                    strays.push((place, *header))
                }
                Some((Ordering::Less | Ordering::Greater, _)) | None => {}
            }
        }
        self.acknowledged(key);
        for (place, header) in strays {
            if place.key.advertising_router == own_id {
                self.acknowledged_stray(key, place, &header);
            } else if self.bringer(key, place.key) == Bringer::Trusted {
                self.flush_again(key, place, &header);
            }
        }
    }
}
