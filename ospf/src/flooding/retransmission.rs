//! Sending Link State Updates: floods (RFC 2328 §13.3 (5)) and retransmissions (§13.6).
//!
//! For each neighbour, the number of octets sent and not acknowledged is bounded, so that a burst does not overflow its receive buffer. If
//! one packet reaches all neighbours of an interface, only one is sent.

use std::time::Duration;

use bytes::Bytes;

use crate::config::Deviation;
use crate::established::established;
use crate::event::Event;
use crate::ids::{AreaId, InterfaceId, LsaKey, LsaPlace, NeighborKey, RouterId};
use crate::interface::nonbroadcast::Audience;
use crate::interface::send::Destination;
use crate::machine::neighbor::NeighborEvent;
use crate::state::databases::Databases;
use crate::state::engine::Engine;
use crate::state::interface::Interface;
use crate::state::neighbor::{Pace, RetransmissionList};
use crate::state::timers::TimerKey;
use crate::wire::{LINK_STATE_UPDATE_FIXED_LEN, Lsa, MIN_LS_ARRIVAL, PacketBody};

/// Flood window: the maximum number of octets of LSAs sent to a neighbour and not yet acknowledged (RFC 4222 §2).
///
/// Linux's default receive buffer holds about 90 packets of a full MTU, for requests and floods together.
pub(crate) const FLOOD_WINDOW: usize = 48 * 1024;

/// The number of octets in flight, about one packet, up to which retransmissions are not slowed down.
pub(crate) const ONE_PACKET: usize = 1400;

/// The maximum number of times that the retransmission timer fires in RxmtInterval.
const RETRANSMISSION_STEPS: u32 = 8;

/// The delay added to MinLSArrival to allow for jitter: an instance is accepted after that time. A neighbour that kept it as an early LSA
/// ([`crate::flooding::early`]) has acknowledged it by then.
pub(crate) const ARRIVAL_MARGIN: Duration = Duration::from_millis(250);

/// The last updates that were built: in a flood, the next neighbour gets the same packets if their parameters are the same.
#[derive(Debug)]
struct Made {
    area: AreaId,
    transmit_delay: u16,
    room: usize,
    lsas: Vec<LsaPlace>,
    packets: Vec<Bytes>,
}

impl Engine {
    /// Sends each neighbour the LSAs flooded to it, as far as its flood window allows.
    pub(crate) fn send_floods(&mut self) {
        let mut made = None;
        while let Some(key) = self.unsent_floods.pop_first() {
            let Some(interface) = self.interfaces.get(&key.interface) else { continue };
            if interface.reaches_all_at_once() {
                let all = interface.neighbors.keys().map(|&id| NeighborKey { interface: key.interface, id });
                let all: Vec<_> = all.collect();
                for neighbor in &all {
                    self.unsent_floods.remove(neighbor);
                }
                self.send_flood(key.interface, &all, &mut made);
            } else {
                self.send_flood(key.interface, &[key], &mut made);
            }
        }
    }

    /// Sends LSAs to some neighbours of an interface at once, as far as their flood windows allow.
    fn send_flood(&mut self, id: InterfaceId, to: &[NeighborKey], made: &mut Option<Made>) {
        let now = self.now;
        let Some(interface) = established(self.interfaces.get_mut(&id)) else { return };
        let area = interface.config.area;
        let interval = interface.retransmit_interval();
        let destination = match to {
            [only] if !interface.reaches_all_at_once() => {
                interface.neighbors.get(&only.id).map(|neighbor| Destination::Neighbor(neighbor.address))
            }
            _ => interface.to_adjacent().first().copied(),
        };
        let Some(destination) = destination else { return };
        let window = if self.config.conduct.has(Deviation::Pacing) { FLOOD_WINDOW } else { usize::MAX };
        let backoff = self.config.conduct.has(Deviation::Backoff);
        let mut lsas = Vec::new();
        while let Some(lsa) = next_flood(interface, to, window) {
            for key in to {
                let Some(neighbor) = established(interface.neighbors.get_mut(&key.id)) else { continue };
                if !neighbor.retransmission.is_unsent(lsa) {
                    continue;
                }
                // The neighbour discards an LSA within MinLSArrival of the previous instance (§13 (5)(a)): it accepts it just after that.
                let too_soon = neighbor.recent.when(lsa, now).filter(|_| backoff);
                let too_soon = too_soon.map(|before| before + MIN_LS_ARRIVAL + ARRIVAL_MARGIN);
                let retry = too_soon.map_or(now + interval, |taken| taken.min(now + interval));
                neighbor.retransmission.sent(lsa, retry);
                neighbor.recent.note(lsa, now);
                let timer = TimerKey::Retransmission(*key);
                let deadline = self.timers.deadline(timer).map_or(retry, |set| set.min(retry));
                self.timers.set(timer, deadline);
            }
            lsas.extend(Databases::place(lsa, id, area));
        }
        if lsas.is_empty() {
            return;
        }
        for packet in self.make_updates(id, &lsas, made) {
            self.send_encoded(id, destination, packet);
        }
    }

    /// Sends LSAs to a neighbour once, without retransmission; those that are not in the database are left out.
    pub(crate) fn send_to(&mut self, key: NeighborKey, lsas: &[LsaPlace]) {
        let now = self.now;
        let Some(neighbor) = established(self.neighbor_mut(key)) else { return };
        let destination = Destination::Neighbor(neighbor.address);
        for place in lsas {
            neighbor.recent.note(place.key, now);
        }
        for packet in self.make_updates(key.interface, lsas, &mut None) {
            self.send_encoded(key.interface, destination, packet);
        }
    }

    /// Sends instances that are not in the database to a neighbour once, without retransmission.
    pub(crate) fn send_instances(&mut self, key: NeighborKey, lsas: &[Lsa]) {
        let Some(interface) = established(self.interfaces.get(&key.interface)) else { return };
        let Some(neighbor) = established(interface.neighbors.get(&key.id)) else { return };
        let (destination, delay) = (Destination::Neighbor(neighbor.address), interface.transmit_delay());
        for packet in self.pack(key.interface, lsas.iter().map(|lsa| lsa.delayed(delay))) {
            self.send_encoded(key.interface, destination, packet);
        }
    }

    /// Sends LSAs on an interface without waiting for acknowledgements: no neighbour is known yet (RFC 3623 §2.1).
    pub(crate) fn send_unasked(&mut self, id: InterfaceId, lsas: &[LsaPlace]) {
        let Some(interface) = established(self.interfaces.get(&id)) else { return };
        let destinations = match interface.audience() {
            Audience::Everybody => vec![Destination::AllSpfRouters],
            Audience::Each(addresses) => addresses.into_iter().map(Destination::Neighbor).collect(),
        };
        for packet in self.make_updates(id, lsas, &mut None) {
            for &destination in &destinations {
                self.send_encoded(id, destination, packet.clone());
            }
        }
    }

    /// Retransmits LSAs that were not acknowledged in RxmtInterval, directly to the neighbour (§13.6), and less and less often if they are
    /// many (RFC 4222).
    pub(crate) fn retransmission_timer(&mut self, key: NeighborKey) {
        let now = self.now;
        self.list_unproven(key);
        let Some(interface) = self.interfaces.get_mut(&key.interface) else { return };
        let area = interface.config.area;
        let interval = interface.retransmit_interval();
        let Some(neighbor) = interface.neighbors.get_mut(&key.id) else { return };
        // If other neighbours set the pace, more than a window may be unacknowledged: it is sent in parts.
        let due = neighbor.retransmission.due(now, FLOOD_WINDOW);
        let lagging = neighbor.retransmission.pace == Pace::Lagging;
        let backs_off = self.config.conduct.has(Deviation::Backoff) && neighbor.retransmission.in_flight() > ONE_PACKET;
        for &lsa in &due {
            match backs_off {
                true => neighbor.retransmission.sent_again(lsa, now, interval),
                false => neighbor.retransmission.sent(lsa, now + interval),
            }
        }
        if !due.is_empty() {
            neighbor.retransmission.pace = Pace::Lagging;
            // Other neighbours may have waited for this one.
            self.unsent_floods.insert(key);
        }
        let retry = neighbor.retransmission.next_retry().map(|next| next.max(now + interval / RETRANSMISSION_STEPS));
        if let Some(next) = retry.into_iter().chain(neighbor.retransmission.proof()).min() {
            self.timers.set(TimerKey::Retransmission(key), next);
        }
        interface.counters.retransmitted += due.len() as u64;
        if !due.is_empty() {
            self.guard_acknowledgments(key, true);
        }
        if lagging && self.give_up_backlog(key) {
            return;
        }
        let due: Vec<_> = due.into_iter().filter_map(|lsa| Databases::place(lsa, key.interface, area)).collect();
        self.send_to(key, &due);
    }

    /// Floods once more the LSAs that only packets of a previous incarnation of the neighbour may have shown it to have
    /// ([`Engine::receive_ack`], [`crate::state::neighbor::Neighbor::doubt`]). An LSA whose originator has a link to the neighbour comes to
    /// it from there: in a full mesh, which would otherwise be flooded twice when it starts, that is every LSA of another router.
    fn list_unproven(&mut self, key: NeighborKey) {
        let now = self.now;
        let Some(interface) = self.interfaces.get_mut(&key.interface) else { return };
        let area = interface.config.area;
        let Some(neighbor) = interface.neighbors.get_mut(&key.id) else { return };
        for lsa in neighbor.retransmission.take_unproven(now) {
            let stored = Databases::place(lsa, key.interface, area).and_then(|place| self.databases.lookup(place));
            let header = stored.map(|entry| entry.header(now)).filter(|header| !header.is_max_age());
            let (originator, router) = (lsa.advertising_router, neighbor.router_id);
            if originator != self.config.router_id && self.databases.are_joined(area, [originator, router], now) {
                continue;
            }
            if let Some(header) = header.filter(|_| neighbor.takes(lsa.kind) && !neighbor.retransmission.contains(lsa))
            {
                neighbor.retransmission.add(lsa, usize::from(header.length));
                self.unsent_floods.insert(key);
            }
        }
    }

    /// Restarts the adjacency if the neighbours on an open link together have more unacknowledged LSAs than the databases may hold, and
    /// this one has most of them. If the neighbour is active, the LSAs are described to it again. Returns whether the adjacency was
    /// restarted.
    fn give_up_backlog(&mut self, key: NeighborKey) -> bool {
        let most = self.config.limits.lsas;
        let Some(interface) = self.interfaces.get(&key.interface).filter(|interface| interface.is_open()) else {
            return false;
        };
        let listed = || interface.neighbors.values().map(|neighbor| neighbor.retransmission.len());
        let Some(own) = established(interface.neighbors.get(&key.id).map(|neighbor| neighbor.retransmission.len()))
        else {
            return false;
        };
        if listed().sum::<usize>() <= most || listed().any(|other| other > own) {
            return false;
        }
        let router_id = interface.neighbors.get(&key.id).map_or(RouterId::default(), |neighbor| neighbor.router_id);
        self.event(Event::BacklogGivenUp { interface: key.interface, router_id, lsas: own });
        self.neighbor_event(key, NeighborEvent::SeqNumberMismatch);
        true
    }

    /// Continues flooding after LSAs have left the retransmission list, which makes room in the window.
    pub(crate) fn acknowledged(&mut self, key: NeighborKey) {
        let now = self.now;
        let Some(interface) = established(self.interfaces.get_mut(&key.interface)) else { return };
        let interval = interface.retransmit_interval();
        let Some(neighbor) = established(interface.neighbors.get_mut(&key.id)) else { return };
        let lagged = std::mem::replace(&mut neighbor.retransmission.pace, Pace::Keeping) == Pace::Lagging;
        if lagged {
            let retry = now + interval;
            neighbor.retransmission.hasten(retry);
            let timer = TimerKey::Retransmission(key);
            if self.timers.deadline(timer).is_some_and(|set| set > retry) {
                self.timers.set(timer, retry);
            }
        }
        if neighbor.retransmission.next_unsent().is_some() {
            self.unsent_floods.insert(key);
        } else if neighbor.retransmission.is_empty() {
            match neighbor.retransmission.proof() {
                Some(proof) => self.timers.set(TimerKey::Retransmission(key), proof),
                None => self.timers.cancel(TimerKey::Retransmission(key)),
            }
        }
        if lagged {
            self.guard_acknowledgments(key, false);
        }
    }

    /// Builds Link State Updates for an interface, each as full as its MTU allows.
    fn make_updates(&self, id: InterfaceId, lsas: &[LsaPlace], made: &mut Option<Made>) -> Vec<Bytes> {
        let Some(interface) = established(self.interfaces.get(&id)) else { return Vec::new() };
        let area = interface.config.area;
        let transmit_delay = interface.transmit_delay();
        let room = self.room(id, LINK_STATE_UPDATE_FIXED_LEN);
        if let Some(made) = made
            && (made.area, made.transmit_delay, made.room) == (area, transmit_delay, room)
            && made.lsas == lsas
        {
            return made.packets.clone();
        }
        let stored = lsas.iter().filter_map(|&place| self.databases.lookup(place));
        let packets = self.pack(id, stored.map(|entry| entry.instance(self.now).delayed(transmit_delay)));
        *made = Some(Made { area, transmit_delay, room, lsas: lsas.to_vec(), packets: packets.clone() });
        packets
    }

    /// Encodes LSAs into Link State Updates, each as full as the interface's MTU allows.
    fn pack(&self, id: InterfaceId, lsas: impl Iterator<Item = Lsa>) -> Vec<Bytes> {
        let room = self.room(id, LINK_STATE_UPDATE_FIXED_LEN);
        let mut packets = Vec::new();
        let mut batch: Vec<Lsa> = Vec::new();
        let mut octets = 0;
        for lsa in lsas {
            if octets + lsa.encoded_len() > room && !batch.is_empty() {
                packets.extend(self.encode(id, PacketBody::LinkStateUpdate(std::mem::take(&mut batch))));
                octets = 0;
            }
            octets += lsa.encoded_len();
            batch.push(lsa);
        }
        if !batch.is_empty() {
            packets.extend(self.encode(id, PacketBody::LinkStateUpdate(batch)));
        }
        packets
    }
}

/// Returns the next LSA to send to some neighbours at once: the first that any of them waits for, if all that wait for it have room.
///
/// The slowest neighbour sets the pace. One that acknowledges nothing does not, so that a failed neighbour delays no others.
fn next_flood(interface: &Interface, to: &[NeighborKey], window: usize) -> Option<LsaKey> {
    let lists =
        || to.iter().filter_map(|key| interface.neighbors.get(&key.id)).map(|neighbor| &neighbor.retransmission);
    let next = lists().filter_map(RetransmissionList::next_unsent).min()?;
    let waiting = || lists().filter(|list| list.is_unsent(next));
    let has_room = |list: &RetransmissionList| list.in_flight() < window;
    let goes = waiting().any(has_room) && waiting().all(|list| has_room(list) || list.pace == Pace::Lagging);
    goes.then_some(next)
}
