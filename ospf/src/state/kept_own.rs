//! LSAs of this router's own that others sent, kept until it is known what to do with them (RFC 2328 §13.4, RFC 3623 §2).

use std::collections::BTreeMap;

use crate::ids::{LsaPlace, LsaType, NeighborKey};
use crate::state::findings::Findings;
use crate::wire::{Lsa, LsaBody, LsaHeader};

/// Octets of LSAs of ours that are kept from open links within a restart: the LSAs of a router with some thousand links.
pub(crate) const MAX_KEPT_OCTETS: usize = 256 * 1024;

/// Instances of ours that came over open links within a restart of our own, when nothing may be done about them (RFC 3623 §2).
#[derive(Debug, Clone, Default)]
pub(crate) struct KeptOwn {
    pub(crate) by_place: BTreeMap<LsaPlace, (Lsa, LsaBody, NeighborKey)>,
    octets: usize,
}

impl KeptOwn {
    /// Whether nothing is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_place.is_empty()
    }

    /// Keeps an instance in place of an older one, if there is room.
    pub(crate) fn keep(&mut self, place: LsaPlace, lsa: &Lsa, body: LsaBody, from: NeighborKey) {
        let before = self.by_place.get(&place);
        if before.is_some_and(|(kept, ..)| !lsa.header.newer_than(&kept.header)) {
            return;
        }
        let octets = self.octets - before.map_or(0, |(kept, ..)| kept.encoded_len()) + lsa.encoded_len();
        if octets <= MAX_KEPT_OCTETS {
            self.octets = octets;
            self.by_place.insert(place, (lsa.detached(), body, from));
        }
    }

    /// The instance of an LSA.
    pub(crate) fn header(&self, place: LsaPlace) -> Option<&LsaHeader> {
        self.by_place.get(&place).map(|(lsa, ..)| &lsa.header)
    }

    /// What an LSA says that is not at MaxAge.
    pub(crate) fn body(&self, place: LsaPlace) -> Option<&LsaBody> {
        self.by_place.get(&place).filter(|(lsa, ..)| !lsa.header.is_max_age()).map(|(_, body, _)| body)
    }

    /// The Network-LSAs that are not at MaxAge.
    pub(crate) fn networks(&self) -> impl Iterator<Item = (LsaPlace, &LsaBody)> {
        let networks = self.by_place.keys().filter(|place| place.key.kind == LsaType::NETWORK);
        networks.filter_map(|&place| Some((place, self.body(place)?)))
    }

    /// The sum is right, and within its bound.
    pub(crate) fn check(&self, findings: &mut Findings) {
        let octets: usize = self.by_place.values().map(|(lsa, ..)| lsa.encoded_len()).sum();
        findings.demand(
            octets == self.octets && octets <= MAX_KEPT_OCTETS,
            "what is kept in a restart is bounded",
            || format!("{octets} octets, noted {}", self.octets),
        );
    }
}
