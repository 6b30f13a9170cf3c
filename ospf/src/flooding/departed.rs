//! LSAs that have left the database at MaxAge (RFC 2328 §14), remembered for a moment.
//!
//! Deviates: the RFC knows nothing of an LSA once it is removed. A copy of an earlier instance that is still under way would then be news:
//! it would be installed, and stay until it is old, while whoever sent it, and its originator, know that it is gone. Here such a copy is
//! answered as if the LSA at MaxAge were still in the database (§13 (8)): a sender that does hold it learns that it is gone, and an
//! originator that wants it again, having forgotten that it was ever withdrawn, outbids what is sent back (§13.4). So that one that begins
//! anew need not do so, a first instance is news where a later one has left, unless a first one has left since: both are remembered. LSAs
//! of link scope are not: they go one hop.
//!
//! A neighbour that describes such an instance (§10.6), or acknowledges it (§13.7), holds it, and will not send it by itself: it may have it
//! from another neighbour, or an update of before may have overtaken the LSA at MaxAge. The LSA goes back into the database at MaxAge then, and
//! is flooded until it is acknowledged. The neighbour may have acknowledged it already, before it took the other instance, and be slow to
//! send that: for a moment no acknowledgement of its is believed.

use crate::config::Deviation;
use crate::ids::{LsaKey, LsaPlace, NeighborKey};
use crate::state::engine::Engine;
use crate::state::neighbor::LONGEST_UNDER_WAY;
use crate::wire::{Lsa, LsaHeader};

impl Engine {
    /// Whether an LSA that is not in the database came in an instance that is not newer than the one that has left lately. The neighbour
    /// gets that one, but not more often than every MinLSArrival.
    pub(crate) fn refuse_departed(&mut self, from: NeighborKey, place: LsaPlace, header: &LsaHeader) -> bool {
        let now = self.now;
        let Some(gone) = self.departed_later(place, header) else { return false };
        if self.neighbor_mut(from).is_some_and(|neighbor| neighbor.may_take_back(place.key, now)) {
            self.send_instances(from, &[gone]);
        }
        true
    }

    /// Floods an LSA at MaxAge once more of which a neighbour holds an instance that is not newer than the one that has left lately; false if
    /// none has, or there is no room for it.
    pub(crate) fn flush_again(&mut self, holder: NeighborKey, place: LsaPlace, header: &LsaHeader) -> bool {
        let Some(gone) = self.departed_later(place, header).filter(|_| !header.is_max_age()) else { return false };
        let Ok(body) = gone.parse() else { return false };
        if self.limit_for(place, gone.encoded_len()).is_some() {
            return false;
        }
        self.install(place, gone, body);
        self.flood(place, None);
        self.contradict(holder, place.key);
        true
    }

    /// A neighbour tells of an instance that is earlier than the one at MaxAge here.
    pub(crate) fn contradict(&mut self, holder: NeighborKey, key: LsaKey) {
        let proof = self.now + LONGEST_UNDER_WAY;
        if let Some(neighbor) = self.neighbor_mut(holder) {
            neighbor.retransmission.contradict(key, proof);
        }
    }

    /// A neighbour describes an instance of an LSA that is in the database, and newer there. At MaxAge it is not described (§10.3), so that
    /// the neighbour does not ask for it: it must be on its retransmission list, also if the neighbour acknowledged it before it had what it
    /// describes.
    pub(crate) fn flush_described(&mut self, holder: NeighborKey, place: LsaPlace, header: &LsaHeader) {
        let now = self.now;
        let Some(entry) = self.databases.lookup(place).filter(|_| self.databases.is_max_aged(place)) else { return };
        let stored = entry.header(now);
        let is_earlier = stored.newer_than(header) && !header.begins_anew_after(&stored);
        if !is_earlier || !self.config.conduct.has(Deviation::Departed) {
            return;
        }
        let Some(neighbor) = self.neighbor_mut(holder).filter(|neighbor| neighbor.takes(place.key.kind)) else {
            return;
        };
        if !neighbor.retransmission.contains(place.key) {
            neighbor.retransmission.add(place.key, usize::from(stored.length));
            self.unsent_floods.insert(holder);
        }
        self.contradict(holder, place.key);
    }

    /// The LSA that has left lately, if an instance that others have of it is not news after that.
    pub(crate) fn departed_later(&self, place: LsaPlace, header: &LsaHeader) -> Option<Lsa> {
        let gone = self.departed.lookup(place, header, self.now)?;
        (self.config.conduct.has(Deviation::Departed) && !header.newer_than(&gone.header)).then(|| gone.clone())
    }
}
