//! Adjacencies are brought up a few at a time (RFC 4222 §2, recommendation 5): each exchange of databases costs memory, packets that wait
//! in one receive buffer, and floods of what it brings to all the others.
//!
//! A neighbour that has to wait stays in ExStart. The packet that settles who is master is kept, and taken when its turn comes, so that
//! waiting costs no retransmission. Of two routers the one with the higher router id settles last: it waits for nobody with a lower one,
//! so no circle of routers waits for each other, and nobody waits longer than [`TURN`] for an exchange that does not come forward.

use std::time::Duration;

use crate::config::Deviation;
use crate::ids::{InterfaceId, NeighborKey};
use crate::machine::neighbor::NeighborState;
use crate::state::engine::Engine;
use crate::state::timers::TimerKey;
use crate::time::Instant;
use crate::wire::DatabaseDescription;

/// So many exchanges are begun at once. Linux's default receive buffer holds some 90 packets of a full MTU; each exchange has one Database
/// Description and its share of what is requested under way.
pub(crate) const AT_ONCE: usize = 8;

/// Exchanges that are under way at the same time on an open link, those included that do not come forward: each keeps a list of the whole
/// database. An adjacency that is complete keeps none.
pub(crate) const AT_ONCE_ON_OPEN_LINK: usize = 32;

/// An exchange that takes longer than this waits for a retransmission, and does not hold up the others.
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

    /// Once for each input: whose turn it is now begins.
    pub(crate) fn admit(&mut self) {
        if self.deferred.is_empty() {
            // Whoever waited may be gone.
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

    /// When the exchanges were begun, or came forward, that have not taken too long.
    fn turns(&self) -> impl Iterator<Item = Instant> {
        let neighbors = self.interfaces.values().flat_map(|interface| interface.neighbors.values());
        let exchanging = neighbors.filter(|neighbor| neighbor.is_synchronizing()).map(|neighbor| neighbor.since);
        exchanging.filter(|&since| self.now.saturating_since(since) < TURN)
    }

    /// Designated routers come first: through them all others of their network are reached. Then whoever waits longest.
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
