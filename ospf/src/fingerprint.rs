//! A hash of all state that decides what an engine does from now on, for programs that explore states and have to know one again.

use std::fmt::Debug;
use std::hash::{Hash, Hasher};

use crate::state::engine::Engine;
use crate::state::interface::Interface;

impl Engine {
    /// Hashes all that decides what this engine does from now on, but for its configuration and the state of its links: two engines
    /// that agree in those and in all that is hashed here behave the same. Counters are left out.
    ///
    /// An instant is hashed by one call of [`Hasher::write_u128`] with its nanoseconds since the origin, and nothing else calls that: so a
    /// hasher can take the distance from the present in its place.
    #[doc(hidden)]
    pub fn hash_state(&self, state: &mut impl Hasher) {
        (self.is_stopped(), self.work.overdue, &self.random).hash(state);
        for (id, interface) in &self.interfaces {
            id.hash(state);
            interface.hash_state(state);
        }
        for (domain, lsdb) in self.databases.iter() {
            domain.hash(state);
            for entry in lsdb.iter() {
                // The checksum stands for the contents.
                (entry.header(entry.installed()), entry.installed()).hash(state);
            }
        }
        (&self.originations, &self.reachability, &self.stub_router, &self.calculation.backoff).hash(state);
        for (prefix, route) in self.calculation.latest.table.routes() {
            (prefix, route).hash(state);
        }
        for timer in self.timers.keys() {
            (timer, self.timers.deadline(timer)).hash(state);
        }
        (&self.unsent_floods, &self.deferred, &self.in_flight, &self.exchanged, &self.early, &self.departed)
            .hash(state);
        // These are seldom other than empty.
        hash_text(&(&self.calculation.pending, &self.calculation.pass, &self.translators, &self.limit_states), state);
        hash_text(
            &(&self.wishes, &self.opaques, &self.sequences, &self.restart, &self.withdrawal, &self.interface_events),
            state,
        );
        hash_text(&(&self.site_lsas, &self.kept_own, &self.removals, &self.outputs), state);
        hash_text(&(&self.former_ids, &self.aggregates), state);
    }
}

impl Interface {
    fn hash_state(&self, state: &mut impl Hasher) {
        (self.state, self.up_since, self.last_hello, &self.delayed_acks, &self.neighbors).hash(state);
        (self.hello_answers, self.ack_answers, self.designated).hash(state);
        hash_text(&(&self.far_end, &self.signing_key, &self.contender, &self.crowded, &self.duplicate_reported), state);
    }
}

fn hash_text(what: &impl Debug, state: &mut impl Hasher) {
    format!("{what:?}").hash(state);
}
