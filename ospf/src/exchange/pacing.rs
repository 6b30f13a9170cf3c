//! Limits the number of adjacencies that are brought up at a time (RFC 4222 §2, recommendation 5). Each exchange of databases costs memory,
//! packets that wait in the shared receive buffer, and floods of its new LSAs to all other neighbours.
//!
//! A neighbour that has to wait stays in ExStart. The packet that completes the negotiation is kept, and accepted when the neighbour's turn
//! comes, so that waiting causes no retransmission. Of two routers, the one with the higher router id completes the negotiation last. It
//! waits for no router with a lower id, so routers cannot wait for each other in a circle, and no router waits longer than [`TURN`] for an
//! exchange that makes no progress.

use std::time::Duration;

use crate::config::Deviation;
use crate::ids::{InterfaceId, NeighborKey};
use crate::machine::neighbor::NeighborState;
use crate::state::engine::Engine;
use crate::state::timers::TimerKey;
use crate::time::Instant;
use crate::wire::DatabaseDescription;

/// The most exchanges that are begun at once. Linux's default receive buffer holds about 90 packets of a full MTU; each exchange has one
/// Database Description and its share of the requested LSAs in transit.
pub(crate) const AT_ONCE: usize = 8;

/// The most exchanges under way at the same time on an open link, including those that make no progress: each keeps a list of the whole
/// database. A complete adjacency keeps none.
pub(crate) const AT_ONCE_ON_OPEN_LINK: usize = 32;

/// An exchange that takes longer than this waits for a retransmission, and no longer holds up the others.
const TURN: Duration = Duration::from_secs(1);

impl Engine {
    /// Whether an exchange may begin now; if not, the packet that would begin it is kept.
    pub(crate) fn may_exchange(&mut self, key: NeighborKey, packet: &DatabaseDescription) -> bool {
        let paced = self.config.conduct.has(Deviation::Pacing);
        let may = !paced || self.turns().count() < AT_ONCE && self.has_room_for_exchange(key.interface);
        if !may && let Some(neighbor) = self.neighbor_mut(key) {
            debug_assert_eq!(neighbor.state, NeighborState::ExStart);
            neighbor.exchange.deferred = Some(packet.clone());
            self.deferred.insert(key);
        }
        may
    }

    /// Begins the exchanges whose turn has come, once for each input.
    pub(crate) fn admit(&mut self) {
        if self.deferred.is_empty() {
            // The neighbours that waited may have been removed.
            self.timers.cancel(TimerKey::Admission);
            return;
        }
        while self.turns().count() < AT_ONCE
            && let Some(key) = self.next_to_exchange()
        {
            self.deferred.remove(&key);
            let deferred = self.neighbor_mut(key).and_then(|neighbor| neighbor.exchange.deferred.take());
            if let Some(packet) = deferred {
                self.negotiate_and_accept(key, &packet);
                self.request_more();
            }
        }
        match self.turns().min() {
            Some(oldest) if !self.deferred.is_empty() => self.timers.set(TimerKey::Admission, oldest + TURN),
            Some(_) | None => self.timers.cancel(TimerKey::Admission),
        }
    }

    /// Whether another exchange may be under way on a link.
    pub(crate) fn has_room_for_exchange(&self, id: InterfaceId) -> bool {
        let Some(interface) = self.interfaces.get(&id).filter(|interface| interface.is_open()) else { return true };
        let under_way = interface.neighbors.values().filter(|neighbor| neighbor.is_synchronizing());
        under_way.count() < AT_ONCE_ON_OPEN_LINK
    }

    /// When the current exchanges began or last changed their state, without those that have taken too long.
    fn turns(&self) -> impl Iterator<Item = Instant> {
        let neighbors = self.interfaces.values().flat_map(|interface| interface.neighbors.values());
        let exchanging = neighbors.filter(|neighbor| neighbor.is_synchronizing()).map(|neighbor| neighbor.since);
        exchanging.filter(|&since| self.now.saturating_since(since) < TURN)
    }

    /// The neighbour whose turn is next: first designated routers, through which all others of their network are reached, then the
    /// neighbour that has waited longest.
    fn next_to_exchange(&self) -> Option<NeighborKey> {
        let deferred = self.deferred.iter().copied().filter(|key| self.has_room_for_exchange(key.interface));
        deferred.min_by_key(|&key| {
            let interface = self.interfaces.get(&key.interface);
            let neighbor = self.neighbor(key);
            let designated = interface.zip(neighbor).is_some_and(|(at, found)| at.is_designated(found.address));
            (!designated, neighbor.map(|found| found.since), key)
        })
    }
}
