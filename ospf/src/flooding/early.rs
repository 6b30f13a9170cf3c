//! LSAs received sooner than MinLSArrival after the previous instance (RFC 2328 §13 (5)(a)), kept until that time has passed.
//!
//! Deviates: the RFC discards them, and the sender retransmits them after RxmtInterval. A router that has just started originates two
//! instances within one second, and the second one would be delayed by ten seconds. Here a kept LSA is neither acknowledged nor used before
//! its time. So the limit on how often an LSA may change is the same as in the RFC, and the sender retransmits the LSA if it does not wait.

use crate::established::established;
use crate::ids::{LsaPlace, NeighborKey};
use crate::machine::neighbor::NeighborState;
use crate::state::early::Kept;
use crate::state::engine::Engine;
use crate::state::timers::TimerKey;
use crate::wire::{Lsa, MIN_LS_ARRIVAL};

impl Engine {
    /// Keeps an early LSA until MinLSArrival after the database copy was installed.
    pub(crate) fn keep_early(&mut self, from: NeighborKey, place: LsaPlace, lsa: &Lsa) -> Kept {
        let now = self.now;
        let Some(stored) = established(self.databases.lookup(place)) else { return Kept::No };
        debug_assert!(now.saturating_since(stored.installed()) < MIN_LS_ARRIVAL, "{place:?} came in time");
        let due = stored.installed() + MIN_LS_ARRIVAL;
        let kept = self.early.keep(place, lsa, from, now);
        match kept {
            Kept::Yes => self.timers.set(TimerKey::EarlyArrival(place), due),
            // Earlier instances were discarded to make room, and there was not enough.
            Kept::No => self.timers.cancel(TimerKey::EarlyArrival(place)),
        }
        kept
    }

    /// Handles an early LSA as received now, after MinLSArrival.
    pub(crate) fn take_early(&mut self, place: LsaPlace) {
        let now = self.now;
        let Some(early) = self.early.take(place) else { return };
        let lsa = early.instance(now);
        let overtaken =
            self.databases.lookup(place).is_some_and(|stored| lsa.header.compare(&stored.header(now)).is_lt());
        if overtaken {
            return;
        }
        for from in early.from {
            // §13: updates are taken from neighbours in Exchange and above.
            if self.neighbor(from).is_some_and(|neighbor| neighbor.state >= NeighborState::Exchange) {
                self.receive_update(from, vec![lsa.clone()]);
            }
        }
    }

    /// Discards all early LSAs.
    pub(crate) fn forget_early(&mut self) {
        for place in std::mem::take(&mut self.early).kept.into_keys() {
            self.timers.cancel(TimerKey::EarlyArrival(place));
        }
    }
}
