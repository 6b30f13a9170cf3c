//! Aging (RFC 2328 §14): LSAs that reach MaxAge are flooded once more, and are removed when all neighbours have acknowledged them.
//!
//! Deviates: §14 verifies the checksum of each LSA every CheckAge seconds to detect memory corruption. Here LSAs are shared, immutable
//! bytes, which only a hardware fault could change; their checksums are verified when they are received.

use std::time::Duration;

use crate::established::established;
use crate::ids::LsaPlace;
use crate::state::engine::Engine;
use crate::state::lsdb::Change;
use crate::state::removals::{Removals, Sweep};
use crate::state::timers::TimerKey;
use crate::state::work::Unit;
use crate::time::Instant;
use crate::wire::MAX_AGE;

/// The interval at which LSAs with DoNotAge are examined.
const DO_NOT_AGE_INTERVAL: Duration = Duration::from_secs(60);

/// The number of LSAs with DoNotAge that are examined at a time; the next follow after [`DO_NOT_AGE_STEP`].
const DO_NOT_AGE_AT_ONCE: usize = 256;

const DO_NOT_AGE_STEP: Duration = Duration::from_millis(100);

impl Engine {
    /// Floods the LSAs that have reached MaxAge (§14); routes no longer use them.
    pub(crate) fn expire(&mut self) {
        while self.work.take(Unit::Expiry)
            && let Some(place) = self.databases.take_expired(self.now)
        {
            self.removals.note(place);
            let Some(entry) = established(self.databases.lookup(place)) else { continue };
            let consequence = self.consequence(place, &entry.header(self.now), entry.body());
            if place.key.kind.is_opaque() {
                self.opaques_changed();
            }
            if !self.is_own_conclusion(place) {
                self.topology_changed(place);
                self.schedule(consequence);
            }
            self.originations.touch(place);
            self.review_helping(place, Change::Contents);
            self.flood(place, None);
        }
    }

    /// Flushes an LSA by premature aging (§14.1): the age of the database copy becomes MaxAge, with unchanged sequence number and checksum.
    pub(crate) fn flush(&mut self, place: LsaPlace) {
        let now = self.now;
        let Some(entry) = established(self.databases.lookup(place)) else { return };
        if entry.is_max_age(now) {
            return;
        }
        let lsa = entry.instance(now).with_age(MAX_AGE);
        let body = entry.body().clone();
        self.install(place, lsa, body);
        self.flood(place, None);
    }

    /// Starts the timer that examines LSAs with DoNotAge, when such an LSA is installed.
    pub(crate) fn watch_do_not_age(&mut self) {
        self.timers.set_if_idle(TimerKey::DoNotAge, self.now + DO_NOT_AGE_INTERVAL);
    }

    /// Flushes LSAs with DoNotAge whose originators have been unreachable for a long time (RFC 1793 §2.3), whoever originated them.
    pub(crate) fn do_not_age_timer(&mut self) {
        let mut looked_at = 0;
        while let Some(place) = self.databases.next_do_not_age(self.removals.do_not_age) {
            if looked_at == DO_NOT_AGE_AT_ONCE {
                self.timers.set(TimerKey::DoNotAge, self.now + DO_NOT_AGE_STEP);
                return;
            }
            looked_at += 1;
            self.removals.do_not_age = Some(place);
            if self.is_abandoned(place) {
                self.flush(place);
            }
        }
        if self.removals.do_not_age.take().is_some() && self.databases.next_do_not_age(None).is_some() {
            self.timers.set(TimerKey::DoNotAge, self.now + DO_NOT_AGE_INTERVAL);
        }
    }

    /// RFC 1793 §2.3: "(1) The LSA has been in the router's database for at least MaxAge seconds. (2) The originator of the LSA has been
    /// unreachable ... for at least MaxAge seconds."
    fn is_abandoned(&self, place: LsaPlace) -> bool {
        let for_long = |since: Instant| self.now.saturating_since(since) >= Duration::from_secs(MAX_AGE.into());
        let present = self.databases.lookup(place).is_some_and(|entry| for_long(entry.installed()));
        present && self.unreachable_since(place).is_some_and(for_long)
    }

    /// Removes LSAs at MaxAge that are on no retransmission list while no neighbour is in Exchange or Loading (§14).
    pub(crate) fn remove_max_aged(&mut self) {
        if self.removals.is_done() || self.work.left(Unit::Removal) == 0 {
            return;
        }
        if self.is_synchronizing() {
            // When no neighbour is synchronizing any more, all LSAs at MaxAge are examined.
            self.removals = Removals { do_not_age: self.removals.do_not_age, ..Removals::default() };
            return;
        }
        while !self.removals.candidates.is_empty() && self.work.take(Unit::Removal) {
            let Some(place) = established(self.removals.candidates.pop_first()) else { break };
            self.remove_if_done(place);
        }
        while self.removals.sweep != Sweep::Done && self.work.take(Unit::Removal) {
            let next = match self.removals.sweep {
                Sweep::Done => break,
                Sweep::Due => self.databases.next_max_aged(None),
                Sweep::After(place) => self.databases.next_max_aged(Some(place)),
            };
            self.removals.sweep = next.map_or(Sweep::Done, Sweep::After);
            if let Some(place) = next {
                self.remove_if_done(place);
            }
        }
    }

    /// Whether LSAs at MaxAge have to be examined for removal.
    pub(crate) fn has_removals(&self) -> bool {
        !self.removals.is_done()
    }

    fn remove_if_done(&mut self, place: LsaPlace) {
        if !self.databases.is_max_aged(place) || self.is_awaiting_ack(place) {
            return;
        }
        let now = self.now;
        if let Some(entry) = self.databases.lookup(place) {
            self.departed.note(place, entry.instance(now), now);
        }
        self.databases.remove(place);
        self.exchanged.remove(&place);
        if self.is_self_originated(place) {
            // The removed LSA may have blocked its successor (§12.1.6).
            self.originations.touch(place);
        }
    }

    /// Whether an LSA is on a retransmission list.
    pub(crate) fn is_awaiting_ack(&self, place: LsaPlace) -> bool {
        self.interfaces.iter().any(|(&id, interface)| {
            interface.is_in(id, place.domain)
                && interface.neighbors.values().any(|neighbor| neighbor.retransmission.contains(place.key))
        })
    }
}
