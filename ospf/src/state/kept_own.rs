//! Instances of this router's own LSAs that others sent, kept until it can be decided what to do with them (RFC 2328 §13.4, RFC 3623 §2).

use std::collections::BTreeMap;

use crate::ids::{LsaPlace, LsaType, NeighborKey};
use crate::state::findings::Findings;
use crate::wire::{Lsa, LsaBody, LsaHeader};

/// Octets of our LSAs that are kept from open links during a restart: room for the LSAs of a router with some thousand links.
pub(crate) const MAX_KEPT_OCTETS: usize = 256 * 1024;

/// Instances of our LSAs that arrived over open links during a restart of this router, when they may be neither modified nor flushed (RFC
/// 3623 §2).
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

    /// The header of the instance kept of an LSA.
    pub(crate) fn header(&self, place: LsaPlace) -> Option<&LsaHeader> {
        self.by_place.get(&place).map(|(lsa, ..)| &lsa.header)
    }

    /// The body of the instance kept of an LSA, unless it is at MaxAge.
    pub(crate) fn body(&self, place: LsaPlace) -> Option<&LsaBody> {
        self.by_place.get(&place).filter(|(lsa, ..)| !lsa.header.is_max_age()).map(|(_, body, _)| body)
    }

    /// The Network-LSAs kept that are not at MaxAge.
    pub(crate) fn networks(&self) -> impl Iterator<Item = (LsaPlace, &LsaBody)> {
        let networks = self.by_place.keys().filter(|place| place.key.kind == LsaType::NETWORK);
        networks.filter_map(|&place| Some((place, self.body(place)?)))
    }

    /// Checks that the sum of octets is right and within its bound.
    pub(crate) fn check(&self, findings: &mut Findings) {
        let octets: usize = self.by_place.values().map(|(lsa, ..)| lsa.encoded_len()).sum();
        findings.demand(
            octets == self.octets && octets <= MAX_KEPT_OCTETS,
            "the LSAs kept during a restart are bounded",
            || format!("{octets} octets, recorded {}", self.octets),
        );
    }
}
