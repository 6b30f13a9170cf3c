//! A hash of the state that determines an engine's future behaviour, for programs that explore states and must recognize them.

use std::fmt::Debug;
use std::hash::{Hash, Hasher};

use crate::state::engine::Engine;
use crate::state::interface::Interface;

impl Engine {
    /// Hashes all state that determines the engine's future behaviour, except its configuration and the state of its links: two engines
    /// that agree in those and in this hash's input behave the same. Counters are left out.
    ///
    /// Each instant is hashed by one call of [`Hasher::write_u128`] with its nanoseconds since the origin, and nothing else calls that
    /// method. A hasher can thus replace an instant by its distance from the present.
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
                // The checksum represents the contents.
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
        // These are nearly always empty.
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
        (self.state, self.up_since, self.last_hello, &self.delayed_acks, &self.neighbors, &self.down_paths).hash(state);
        (self.hello_answers, self.ack_answers, self.designated).hash(state);
        hash_text(&(&self.far_end, &self.signing_key, &self.contender, &self.crowded, &self.duplicate_reported), state);
    }
}

fn hash_text(what: &impl Debug, state: &mut impl Hasher) {
    format!("{what:?}").hash(state);
}
