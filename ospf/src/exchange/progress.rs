//! Stall detection, beyond the RFC: what should end by itself, and has not for [`crate::Config::stall_bound`], starts over. It is also
//! reported as an event, because it is a fault: of a neighbour, of the network below, or of this engine.
//!
//! - An adjacency that is not complete (ExStart to Loading) and makes no progress. Requests that are not answered are a part of this.
//! - A neighbour that is fully adjacent and acknowledges none of the LSAs that are retransmitted to it. It is only reported: a neighbour
//!   whose database is full behaves like this, and still forwards packets.
//! - An LSA at MaxAge that no neighbour has to acknowledge, and that is still in the database (§14).
//!
//! Without a bound there is no stall detection, so that a simulator sees what does not end.

use crate::event::{Event, Stall};
use crate::ids::NeighborKey;
use crate::machine::neighbor::{NeighborEvent, NeighborState};
use crate::state::engine::Engine;
use crate::state::timers::TimerKey;

/// Whether an adjacency has begun and is not complete.
fn is_in_progress(state: NeighborState) -> bool {
    matches!(state, NeighborState::ExStart | NeighborState::Exchange | NeighborState::Loading)
}

impl Engine {
    /// Starts or stops stall detection for a neighbour that has changed its state: it runs while the adjacency is not complete.
    pub(crate) fn guard_adjacency(&mut self, key: NeighborKey, from: NeighborState, to: NeighborState) {
        match (is_in_progress(from), is_in_progress(to)) {
            (false, true) => self.await_progress(key),
            (true, true) => {}
            (_, false) => self.timers.cancel(TimerKey::Progress(key)),
        }
    }

    /// Starts or stops stall detection for a neighbour that has stopped or resumed acknowledging LSAs.
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

    /// Notes progress: the neighbour has described or sent LSAs as expected.
    pub(crate) fn comes_forward(&mut self, key: NeighborKey) {
        if self.neighbor(key).is_some_and(|neighbor| is_in_progress(neighbor.state)) {
            self.await_progress(key);
        }
    }

    fn await_progress(&mut self, key: NeighborKey) {
        if let Some(bound) = self.config.stall_bound {
            self.timers.set(TimerKey::Progress(key), self.now + bound);
        }
    }

    /// Handles a neighbour that has made no progress: if it is not fully adjacent, its adjacency starts over.
    pub(crate) fn progress_timer(&mut self, key: NeighborKey) {
        let Some(interface) = self.interfaces.get_mut(&key.interface) else { return };
        let Some(neighbor) = interface.neighbors.get(&key.id) else { return };
        let is_full = neighbor.state == NeighborState::Full;
        if is_full && (neighbor.retransmission.is_empty() || neighbor.helping.is_some()) {
            // The LSAs that it had not acknowledged were replaced by instances that it sent itself; or it restarts, and is silent
            // meanwhile.
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

    /// Sets the timer that checks LSAs at MaxAge periodically, while there are any.
    pub(crate) fn guard_removals(&mut self) {
        let Some(bound) = self.config.stall_bound else { return };
        if self.databases.next_max_aged(None).is_none() {
            self.timers.cancel(TimerKey::Removal);
        } else {
            self.timers.set_if_idle(TimerKey::Removal, self.now + bound);
        }
    }

    /// Reports LSAs at MaxAge that no neighbour has to acknowledge and that are still there, and has all of them checked again.
    pub(crate) fn removal_timer(&mut self) {
        if !self.has_removals() && !self.is_synchronizing() {
            let next = |after: &crate::LsaPlace| self.databases.next_max_aged(Some(*after));
            let left = std::iter::successors(self.databases.next_max_aged(None), next);
            let stalled: Vec<_> = left.filter(|&place| !self.is_awaiting_ack(place)).collect();
            for place in stalled {
                self.event(Event::RemovalStalled { key: place.key });
            }
        }
        self.removals.note_all();
    }
}
