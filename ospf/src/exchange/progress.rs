//! A guard over progress, beyond the RFC: what should come to an end by itself and has not for [`crate::Config::stall_bound`] starts over,
//! and that is an event, since it is a fault: of a neighbour, of the network below, or of this engine.
//!
//! - An adjacency that is not complete (ExStart to Loading) and does not come forward: requests that are not answered are a part of it.
//! - A neighbour that is fully adjacent and acknowledges nothing of what is sent to it again and again. It is named only: a neighbour whose
//!   database is full does so, and packets reach their destinations by it.
//! - An LSA at MaxAge that nobody waits for and that is still in the database (§14).
//!
//! Without a bound there is no guard: a simulator shall see what does not come to an end.

use crate::event::{Event, Stall};
use crate::ids::NeighborKey;
use crate::machine::neighbor::{NeighborEvent, NeighborState};
use crate::state::engine::Engine;
use crate::state::timers::TimerKey;

/// Whether an adjacency is begun and not complete.
fn is_striving(state: NeighborState) -> bool {
    matches!(state, NeighborState::ExStart | NeighborState::Exchange | NeighborState::Loading)
}

impl Engine {
    /// A neighbour has changed its state: while it is on its way to Full the guard watches.
    pub(crate) fn guard_adjacency(&mut self, key: NeighborKey, from: NeighborState, to: NeighborState) {
        match (is_striving(from), is_striving(to)) {
            (false, true) => self.await_progress(key),
            (true, true) => {}
            (_, false) => self.timers.cancel(TimerKey::Progress(key)),
        }
    }

    /// A neighbour has begun, or ceased, to acknowledge nothing.
    pub(crate) fn guard_acknowledgments(&mut self, key: NeighborKey, lagging: bool) {
        if self.neighbor(key).is_none_or(|neighbor| neighbor.state != NeighborState::Full) {
            return;
        }
        if !lagging {
            self.timers.cancel(TimerKey::Progress(key));
        } else if self.timers.deadline(TimerKey::Progress(key)).is_none() {
            self.await_progress(key);
        }
    }

    /// The neighbour has described, or sent, something that it was to.
    pub(crate) fn comes_forward(&mut self, key: NeighborKey) {
        if self.neighbor(key).is_some_and(|neighbor| is_striving(neighbor.state)) {
            self.await_progress(key);
        }
    }

    fn await_progress(&mut self, key: NeighborKey) {
        if let Some(bound) = self.config.stall_bound {
            self.timers.set(TimerKey::Progress(key), self.now + bound);
        }
    }

    /// A neighbour has not come forward: if it is not fully adjacent, its adjacency starts over.
    pub(crate) fn progress_timer(&mut self, key: NeighborKey) {
        let Some(interface) = self.interfaces.get_mut(&key.interface) else { return };
        let Some(neighbor) = interface.neighbors.get(&key.id) else { return };
        let is_full = neighbor.state == NeighborState::Full;
        if is_full && (neighbor.retransmission.is_empty() || neighbor.helping.is_some()) {
            // What it had not acknowledged has been replaced by what it said itself; or it restarts, and is silent for as long.
            return;
        }
        let stall = match neighbor.state {
            NeighborState::Full => Stall::Unacknowledged { lsas: neighbor.retransmission.len() },
            state => Stall::Forming { state, requests: neighbor.requests.len() },
        };
        interface.counters.stalled += 1;
        let router_id = neighbor.router_id;
        self.event(Event::Stalled { interface: key.interface, router_id, stall });
        if !is_full {
            self.neighbor_event(key, NeighborEvent::Stalled);
        }
        self.await_progress(key);
    }

    /// While LSAs are at MaxAge they are looked at from time to time.
    pub(crate) fn guard_removals(&mut self) {
        let Some(bound) = self.config.stall_bound else { return };
        if self.databases.next_max_aged(None).is_none() {
            self.timers.cancel(TimerKey::Removal);
        } else {
            self.timers.set_if_idle(TimerKey::Removal, self.now + bound);
        }
    }

    /// LSAs at MaxAge that nobody waits for should be gone: they are looked at again.
    pub(crate) fn removal_timer(&mut self) {
        if !self.has_removals() && !self.is_synchronizing() {
            let next = |after: &crate::LsaPlace| self.databases.next_max_aged(Some(*after));
            let left = std::iter::successors(self.databases.next_max_aged(None), next);
            let forgotten: Vec<_> = left.filter(|&place| !self.is_awaiting_ack(place)).collect();
            for place in forgotten {
                self.event(Event::RemovalStalled { key: place.key });
            }
        }
        self.removals.note_all();
    }
}
