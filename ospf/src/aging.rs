//! Ageing (RFC 2328 §14): LSAs that reach MaxAge are flooded once more and leave the database when everybody knows.
//!
//! Deviates: §14 verifies the checksum of each LSA every CheckAge seconds to find memory that went bad. LSAs are shared, immutable bytes
//! here, and nothing but the hardware could change them; they are verified when they come.

use crate::databases::LsaPlace;
use crate::engine::Engine;
use crate::lsdb::Change;
use crate::wire::MAX_AGE;

impl Engine {
    /// Whatever has reached MaxAge by now is flooded (§14), and not used for routes any more.
    pub(crate) fn expire(&mut self) {
        while let Some(place) = self.databases.take_expired(self.now) {
            self.max_aged_may_go = true;
            self.opaques_changed();
            self.schedule_calculation();
            self.originations.touch(place);
            self.review_helping(place, Change::Contents);
            self.flood(place, None);
        }
    }

    /// Premature aging (§14.1): the instance in the database goes to MaxAge as it is, sequence number and checksum unchanged.
    pub(crate) fn flush(&mut self, place: LsaPlace) {
        let now = self.now;
        let Some(entry) = self.databases.lookup(place) else { return };
        if entry.is_max_age(now) {
            return;
        }
        let lsa = entry.instance(now).with_age(MAX_AGE);
        let body = entry.body().clone();
        self.install(place, lsa, body);
        self.flood(place, None);
    }

    /// Removes LSAs at MaxAge that are on no retransmission list while nobody is in Exchange or Loading (§14).
    pub(crate) fn remove_max_aged(&mut self) {
        let looked_for = std::mem::take(&mut self.max_aged_may_go) && self.databases.max_aged().next().is_some();
        if !looked_for || self.is_synchronizing() {
            return;
        }
        let removable: Vec<_> = self.databases.max_aged().filter(|&place| !self.is_awaiting_ack(place)).collect();
        for place in removable {
            self.databases.remove(place);
            self.exchanged.remove(&place);
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
