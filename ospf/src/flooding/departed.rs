//! LSAs that were removed from the database at MaxAge (RFC 2328 §14), remembered for a short time.
//!
//! Deviates: a router of the RFC forgets an LSA when it removes it. It would take a copy of an earlier instance that is still under way for
//! a new LSA: the copy would be installed and stay until MaxAge, although its sender and its originator know that the LSA was flushed. Here
//! such a copy is answered as if the LSA at MaxAge were still in the database (§13 (8)). If the sender holds the copy, it learns that the
//! LSA was flushed. If the originator sent it, because it restarted and wants the LSA again, it originates an instance newer than the one
//! that is sent back (§13.4). To spare a restarted originator this, an instance with the initial sequence number is accepted after a later
//! one was removed, unless one with the initial number was removed since; both are remembered. LSAs of link scope are not remembered,
//! because they go one hop only.
//!
//! A neighbour that describes such an earlier instance (§10.6), or acknowledges it (§13.7), holds it, and will not send it by itself. It
//! may have received it from another neighbour, or an old update may have arrived after the LSA at MaxAge. The LSA is then installed again
//! at MaxAge, and is flooded until it is acknowledged. The neighbour may have acknowledged it before it received the earlier instance, and
//! that acknowledgement may be late: for a short time its acknowledgements are therefore not accepted.

use crate::config::Deviation;
use crate::ids::{LsaKey, LsaPlace, NeighborKey};
use crate::state::engine::Engine;
use crate::state::neighbor::LONGEST_UNDER_WAY;
use crate::wire::{Lsa, LsaHeader};

impl Engine {
    /// Refuses an instance of an LSA that is not in the database, if it is not newer than the instance that was removed recently. Sends
    /// that one to the neighbour, at most once every MinLSArrival. Returns whether the instance was refused.
    pub(crate) fn refuse_departed(&mut self, from: NeighborKey, place: LsaPlace, header: &LsaHeader) -> bool {
        let now = self.now;
        let Some(gone) = self.departed_later(place, header) else { return false };
        if self.neighbor_mut(from).is_some_and(|neighbor| neighbor.may_take_back(place.key, now)) {
            self.send_instances(from, &[gone]);
        }
        true
    }

    /// Floods an LSA at MaxAge once more, because a neighbour holds an instance that is not newer than the one that was removed recently.
    /// Returns false if none was removed, or if there is no room for it.
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

    /// Notes that a neighbour holds an earlier instance than the one at MaxAge here.
    pub(crate) fn contradict(&mut self, holder: NeighborKey, key: LsaKey) {
        let proof = self.now + LONGEST_UNDER_WAY;
        if let Some(neighbor) = self.neighbor_mut(holder) {
            neighbor.retransmission.contradict(key, proof);
        }
    }

    /// Floods an LSA at MaxAge to a neighbour that describes an earlier instance. An LSA at MaxAge is not described (§10.3), so the
    /// neighbour does not request it: it must be on the neighbour's retransmission list, even if the neighbour acknowledged it before it
    /// received the instance that it describes.
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

    /// Returns the LSA that was removed recently, if the instance in `header` is not newer.
    pub(crate) fn departed_later(&self, place: LsaPlace, header: &LsaHeader) -> Option<Lsa> {
        let gone = self.departed.lookup(place, header, self.now)?;
        (self.config.conduct.has(Deviation::Departed) && !header.newer_than(&gone.header)).then(|| gone.clone())
    }
}
