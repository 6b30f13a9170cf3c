//! LSAs that arrived within MinLSArrival of the previous instance (RFC 2328 §13 (5)(a)).

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{LsaPlace, NeighborKey};
use crate::state::findings::Findings;
use crate::time::Instant;
use crate::wire::Lsa;

/// Octets of all LSAs kept. A network of hundreds of routers that all start at once floods less than this.
pub(crate) const MAX_OCTETS: usize = 1 << 20;

/// The LSAs kept: the newest instance of each.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct EarlyArrivals {
    pub(crate) kept: BTreeMap<LsaPlace, Early>,
    octets: usize,
}

#[derive(Debug, Clone, Hash)]
pub(crate) struct Early {
    lsa: Lsa,
    since: Instant,
    /// The neighbours that sent this instance: each is answered as if it had sent it at the time of processing.
    pub(crate) from: BTreeSet<NeighborKey>,
}

/// Whether there was room for an LSA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    Yes,
    No,
}

impl Early {
    /// The LSA with its age at `now`.
    pub(crate) fn instance(&self, now: Instant) -> Lsa {
        self.lsa.after(now.saturating_since(self.since).as_secs())
    }
}

impl EarlyArrivals {
    pub(crate) fn keep(&mut self, place: LsaPlace, lsa: &Lsa, from: NeighborKey, now: Instant) -> Kept {
        debug_assert_eq!(place.key, lsa.header.key);
        if let Some(early) = self.kept.get_mut(&place) {
            match lsa.header.compare(&early.instance(now).header) {
                std::cmp::Ordering::Less => return Kept::Yes,
                std::cmp::Ordering::Equal => {
                    early.from.insert(from);
                    return Kept::Yes;
                }
                std::cmp::Ordering::Greater => {}
            }
        }
        self.take(place);
        if self.octets + lsa.encoded_len() > MAX_OCTETS {
            return Kept::No;
        }
        self.octets += lsa.encoded_len();
        self.kept.insert(place, Early { lsa: lsa.detached(), since: now, from: [from].into() });
        Kept::Yes
    }

    /// Forgets that a neighbour sent LSAs, because its adjacency has ended. Such an LSA must not be accepted over the next adjacency, which
    /// may be with another router at the same address, or in another area. The neighbour describes again what it has.
    pub(crate) fn forget_sender(&mut self, from: NeighborKey) {
        self.kept.values_mut().for_each(|early| _ = early.from.remove(&from));
    }

    pub(crate) fn take(&mut self, place: LsaPlace) -> Option<Early> {
        let early = self.kept.remove(&place)?;
        self.octets -= early.lsa.encoded_len();
        Some(early)
    }

    /// Whether an instance of an LSA is kept.
    pub(crate) fn contains(&self, place: LsaPlace) -> bool {
        self.kept.contains_key(&place)
    }

    /// Checks that the sum of octets is right and within its bound.
    pub(crate) fn check(&self, findings: &mut Findings) {
        let octets: usize = self.kept.values().map(|early| early.lsa.encoded_len()).sum();
        findings.demand(
            octets == self.octets && octets <= MAX_OCTETS,
            "the LSAs kept for arriving early are bounded",
            || format!("{octets} octets, recorded {}", self.octets),
        );
    }

    /// All LSAs of which an instance is kept.
    pub(crate) fn places(&self) -> impl Iterator<Item = LsaPlace> {
        self.kept.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{InterfaceId, LinkStateId, LsaKey, LsaType, NeighborId, RouterId, SequenceNumber};
    use crate::wire::{LsaBody, Options};
    use crate::{AreaId, Domain};
    use bytes::Bytes;
    use std::time::Duration;

    fn lsa(id: u32, sequence: i32, octets: usize) -> (LsaPlace, Lsa) {
        let key = LsaKey { kind: LsaType::OPAQUE_AREA, id: LinkStateId(id), advertising_router: RouterId(9) };
        let body = LsaBody::Opaque(Bytes::from(vec![0; octets]));
        let place = LsaPlace { domain: Domain::Area(AreaId::BACKBONE), key };
        (place, Lsa::new(key, Options::E, SequenceNumber(sequence), &body).unwrap())
    }

    fn neighbor(id: u32) -> NeighborKey {
        NeighborKey { interface: InterfaceId(1), id: NeighborId::Router(RouterId(id)) }
    }

    fn at(seconds: u64) -> Instant {
        Instant::new(Duration::from_secs(seconds))
    }

    #[test]
    fn the_newest_instance_is_kept_with_all_who_sent_it() {
        let mut early = EarlyArrivals::default();
        let (place, second) = lsa(1, 2, 8);
        let (_, third) = lsa(1, 3, 12);
        assert_eq!(early.keep(place, &second, neighbor(1), at(0)), Kept::Yes);
        assert_eq!(early.keep(place, &third, neighbor(2), at(0)), Kept::Yes);
        assert_eq!(early.keep(place, &third, neighbor(3), at(0)), Kept::Yes);
        assert_eq!(early.keep(place, &second, neighbor(1), at(0)), Kept::Yes);
        assert_eq!(early.octets, third.encoded_len());
        let taken = early.take(place).unwrap();
        assert_eq!(taken.from, [neighbor(2), neighbor(3)].into());
        assert_eq!(taken.instance(at(7)), third.with_age(7), "it grows older meanwhile");
        assert!(!early.contains(place));
        assert_eq!(early.octets, 0);
    }

    #[test]
    fn no_more_octets_are_kept_than_there_is_room_for() {
        let mut early = EarlyArrivals::default();
        let kept = (0..100).filter(|&id| {
            let (place, lsa) = lsa(id, 2, 60_000);
            early.keep(place, &lsa, neighbor(1), at(0)) == Kept::Yes
        });
        assert_eq!(kept.count(), MAX_OCTETS / 60_020);
        let mut findings = Findings::default();
        early.check(&mut findings);
        assert!(findings.is_empty());
    }
}
