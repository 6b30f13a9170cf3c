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

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::state::neighbor::LONGEST_UNDER_WAY;
use crate::check::Findings;
use crate::config::Deviation;
use crate::state::databases::{Domain, LsaPlace};
use crate::engine::Engine;
use crate::ids::{LsaKey, NeighborKey, SequenceNumber};
use crate::time::Instant;
use crate::wire::{Lsa, LsaHeader};

/// How long an LSA is remembered.
const MEMORY: Duration = LONGEST_UNDER_WAY;

/// Octets of LSAs that are remembered; beyond, the first to leave is the first to be forgotten.
const MAX_OCTETS: usize = 1 << 20;

/// What has left lately, in the instance that left.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct Departed {
    instances: BTreeMap<Remembered, (Instant, Lsa)>,
    /// The same by time.
    order: BTreeSet<(Instant, Remembered)>,
    octets: usize,
}

/// Which instance of which LSA.
type Remembered = (LsaPlace, Nth);

/// Whoever begins anew begins with a first instance, whatever there was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Nth {
    First,
    Later,
}

impl From<SequenceNumber> for Nth {
    fn from(sequence: SequenceNumber) -> Self {
        if sequence == SequenceNumber::INITIAL { Self::First } else { Self::Later }
    }
}

impl Departed {
    /// Remembers an LSA at MaxAge, unless a newer instance of it is remembered. One with the last sequence number is not: the next has the
    /// first (§12.1.6).
    pub(crate) fn note(&mut self, place: LsaPlace, lsa: Lsa, now: Instant) {
        debug_assert!(lsa.header.is_max_age());
        if matches!(place.domain, Domain::Link(_))
            || self.lookup(place, &lsa.header, now).is_some_and(|known| !lsa.header.newer_than(&known.header))
        {
            return;
        }
        let which = (place, Nth::from(lsa.header.sequence));
        self.forget_one(which);
        if lsa.header.sequence == SequenceNumber::MAX {
            return;
        }
        self.octets += lsa.encoded_len();
        self.instances.insert(which, (now, lsa));
        self.order.insert((now, which));
        while let Some(&(since, oldest)) = self.order.first()
            && (now.saturating_since(since) >= MEMORY || self.octets > MAX_OCTETS)
        {
            self.forget_one(oldest);
        }
    }

    /// The highest sequence number in which an LSA has left lately.
    pub(crate) fn sequence(&self, place: LsaPlace, now: Instant) -> Option<SequenceNumber> {
        let later = self.recall((place, Nth::Later), now);
        later.or_else(|| self.recall((place, Nth::First), now)).map(|lsa| lsa.header.sequence)
    }

    /// The LSA that has left lately, in the instance that this one has to be newer than.
    fn lookup(&self, place: LsaPlace, header: &LsaHeader, now: Instant) -> Option<&Lsa> {
        let first = || self.recall((place, Nth::First), now);
        match Nth::from(header.sequence) {
            Nth::First => first(),
            Nth::Later => self.recall((place, Nth::Later), now).or_else(first),
        }
    }

    fn recall(&self, which: Remembered, now: Instant) -> Option<&Lsa> {
        let (since, lsa) = self.instances.get(&which)?;
        (now.saturating_since(*since) < MEMORY).then_some(lsa)
    }

    /// An LSA is in the database again.
    pub(crate) fn forget(&mut self, place: LsaPlace) {
        [Nth::First, Nth::Later].into_iter().for_each(|nth| self.forget_one((place, nth)));
    }

    fn forget_one(&mut self, which: Remembered) {
        if let Some((since, lsa)) = self.instances.remove(&which) {
            self.octets -= lsa.encoded_len();
            self.order.remove(&(since, which));
        }
    }

    /// The database of a domain is gone.
    pub(crate) fn forget_domain(&mut self, domain: Domain) {
        let gone: Vec<_> = self.instances.keys().filter(|(place, _)| place.domain == domain).copied().collect();
        gone.into_iter().for_each(|which| self.forget_one(which));
    }

    /// The sum is right, and within its bound.
    pub(crate) fn check(&self, findings: &mut Findings) {
        let octets: usize = self.instances.values().map(|(_, lsa)| lsa.encoded_len()).sum();
        let bounded = octets == self.octets && octets <= MAX_OCTETS && self.instances.len() == self.order.len();
        findings.demand(bounded, "what is remembered of LSAs that have left is bounded", || {
            format!("{octets} octets, noted {}", self.octets)
        });
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{LinkStateId, LsaType, RouterId};
    use crate::wire::{LsaBody, MAX_AGE, Options};
    use bytes::Bytes;

    fn lsa(id: u32, octets: usize) -> (LsaPlace, Lsa) {
        let key = LsaKey { kind: LsaType::OPAQUE_AS, id: LinkStateId(id), advertising_router: RouterId(9) };
        let body = LsaBody::Opaque(Bytes::from(vec![0; octets]));
        let lsa = Lsa::new(key, Options::E, SequenceNumber::INITIAL, &body).unwrap();
        (LsaPlace { domain: Domain::As, key }, lsa.with_age(MAX_AGE))
    }

    fn at(seconds: u64) -> Instant {
        Instant::new(Duration::from_secs(seconds))
    }

    #[test]
    fn what_has_left_is_remembered_for_a_while_and_forgotten_when_it_is_back() {
        let mut departed = Departed::default();
        let (first, second) = (lsa(1, 4), lsa(2, 8));
        departed.note(first.0, first.1.clone(), at(0));
        departed.note(second.0, second.1.clone(), at(3));
        assert_eq!(departed.lookup(first.0, &first.1.header, at(9)), Some(&first.1));
        assert_eq!(departed.lookup(first.0, &first.1.header, at(10)), None);
        departed.note(second.0, second.1.clone(), at(4));
        assert_eq!(
            (departed.order.len(), departed.lookup(second.0, &second.1.header, at(13))),
            (2, None),
            "it has left once"
        );
        departed.forget(second.0);
        assert_eq!(departed.lookup(second.0, &second.1.header, at(4)), None);
        departed.note(second.0, second.1.clone(), at(11));
        assert_eq!(departed.octets, second.1.encoded_len(), "the first is forgotten");
        departed.note(first.0, first.1, at(13));
        assert_eq!(
            departed.lookup(second.0, &second.1.header, at(20)),
            Some(&second.1),
            "its earlier leaving counts no more"
        );
        departed.forget_domain(Domain::As);
        assert_eq!(departed.octets, 0);
    }

    #[test]
    fn a_first_instance_that_has_left_is_remembered_beside_a_later_one() {
        let instance = |sequence| {
            let (place, lsa) = lsa(1, 4);
            let body = lsa.parse().unwrap();
            (place, Lsa::new(place.key, Options::E, sequence, &body).unwrap().with_age(MAX_AGE))
        };
        let (place, later) = instance(SequenceNumber(SequenceNumber::INITIAL.0 + 2));
        let (_, first) = instance(SequenceNumber::INITIAL);
        let mut departed = Departed::default();
        departed.note(place, later.clone(), at(0));
        assert_eq!(departed.lookup(place, &first.header, at(1)), None, "it begins anew");
        departed.note(place, first.clone(), at(1));
        assert_eq!(departed.lookup(place, &first.header, at(2)), Some(&first));
        assert_eq!(departed.lookup(place, &later.header, at(2)), Some(&later));
        assert_eq!(departed.sequence(place, at(2)), Some(later.header.sequence));
        assert_eq!(departed.sequence(place, at(10)), Some(first.header.sequence), "the other has been forgotten");
        departed.forget(place);
        assert_eq!((departed.sequence(place, at(2)), departed.order.len(), departed.octets), (None, 0, 0));
    }

    #[test]
    fn no_more_octets_are_remembered_than_there_is_room_for() {
        let mut departed = Departed::default();
        for id in 0..100 {
            let (place, lsa) = lsa(id, 60_000);
            departed.note(place, lsa, at(0));
        }
        assert_eq!(departed.instances.len(), MAX_OCTETS / 60_020);
        let is_known = |id| departed.sequence(lsa(id, 0).0, at(0)).is_some();
        assert!(is_known(99) && !is_known(0));
        let mut findings = Findings::default();
        departed.check(&mut findings);
        assert!(findings.is_empty());
    }
}
