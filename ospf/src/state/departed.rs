//! LSAs that were removed at MaxAge a short time ago.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::ids::{Domain, LsaPlace, SequenceNumber};
use crate::state::findings::Findings;
use crate::state::neighbor::LONGEST_UNDER_WAY;
use crate::time::Instant;
use crate::wire::{Lsa, LsaHeader};

/// How long a removed LSA is remembered.
pub(crate) const MEMORY: Duration = LONGEST_UNDER_WAY;

/// Octets of LSAs that are remembered; beyond that, the LSA that was removed first is forgotten first.
pub(crate) const MAX_OCTETS: usize = 1 << 20;

/// The LSAs removed recently, in the instance that was removed.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct Departed {
    instances: BTreeMap<Remembered, (Instant, Lsa)>,
    /// The same instances by time of removal.
    order: BTreeSet<(Instant, Remembered)>,
    octets: usize,
}

/// Identifies an instance: the LSA, and whether it is the first instance.
pub(crate) type Remembered = (LsaPlace, Nth);

/// Whether an instance has the initial sequence number. A router that has lost its state begins with that number again, whatever it had
/// originated before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Nth {
    First,
    Later,
}

impl From<SequenceNumber> for Nth {
    fn from(sequence: SequenceNumber) -> Self {
        if sequence == SequenceNumber::INITIAL { Self::First } else { Self::Later }
    }
}

impl Departed {
    /// Remembers an LSA at MaxAge, unless a newer instance of it is remembered. An instance with the last sequence number is not
    /// remembered, because the next instance has the first number (§12.1.6).
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

    /// The highest sequence number with which an LSA was removed recently.
    pub(crate) fn sequence(&self, place: LsaPlace, now: Instant) -> Option<SequenceNumber> {
        let later = self.recall((place, Nth::Later), now);
        later.or_else(|| self.recall((place, Nth::First), now)).map(|lsa| lsa.header.sequence)
    }

    /// The LSA as removed recently: the instance that one with this header has to be newer than.
    pub(crate) fn lookup(&self, place: LsaPlace, header: &LsaHeader, now: Instant) -> Option<&Lsa> {
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

    /// Forgets an LSA that is in the database again.
    pub(crate) fn forget(&mut self, place: LsaPlace) {
        [Nth::First, Nth::Later].into_iter().for_each(|nth| self.forget_one((place, nth)));
    }

    fn forget_one(&mut self, which: Remembered) {
        if let Some((since, lsa)) = self.instances.remove(&which) {
            self.octets -= lsa.encoded_len();
            self.order.remove(&(since, which));
        }
    }

    /// Forgets the LSAs of a domain whose database is gone.
    pub(crate) fn forget_domain(&mut self, domain: Domain) {
        let gone: Vec<_> = self.instances.keys().filter(|(place, _)| place.domain == domain).copied().collect();
        gone.into_iter().for_each(|which| self.forget_one(which));
    }

    /// Checks that the sum of octets is right and within its bound.
    pub(crate) fn check(&self, findings: &mut Findings) {
        let octets: usize = self.instances.values().map(|(_, lsa)| lsa.encoded_len()).sum();
        let bounded = octets == self.octets && octets <= MAX_OCTETS && self.instances.len() == self.order.len();
        findings.demand(bounded, "the removed LSAs that are remembered are bounded", || {
            format!("{octets} octets, recorded {}", self.octets)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{LinkStateId, LsaKey, LsaType, RouterId};
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
            "it is remembered once"
        );
        departed.forget(second.0);
        assert_eq!(departed.lookup(second.0, &second.1.header, at(4)), None);
        departed.note(second.0, second.1.clone(), at(11));
        assert_eq!(departed.octets, second.1.encoded_len(), "the first is forgotten");
        departed.note(first.0, first.1, at(13));
        assert_eq!(
            departed.lookup(second.0, &second.1.header, at(20)),
            Some(&second.1),
            "only its last removal counts"
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
        assert_eq!(
            departed.lookup(place, &first.header, at(1)),
            None,
            "a first instance is compared with first instances only"
        );
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
