//! LSAs that have been requested, and the neighbour from which each was requested (RFC 2328 §10.9).

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{LsaPlace, NeighborKey};

/// Outstanding requests of all neighbours together.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct InFlight {
    /// The neighbour from which each LSA was requested that has not arrived yet.
    pub(crate) asked: BTreeMap<LsaPlace, NeighborKey>,
    /// Neighbours whose request list has become shorter since the last request.
    pub(crate) touched: BTreeSet<NeighborKey>,
}

impl InFlight {
    /// Notes that an LSA has arrived, from any neighbour.
    pub(crate) fn arrived(&mut self, place: LsaPlace) {
        self.asked.remove(&place);
    }

    /// The LSAs that were requested and have not arrived yet, with the neighbour from which each was requested.
    pub(crate) fn asked(&self) -> impl Iterator<Item = (LsaPlace, NeighborKey)> {
        self.asked.iter().map(|(&place, &key)| (place, key))
    }

    /// Whether no neighbour remains to be asked for more.
    pub(crate) fn is_idle(&self) -> bool {
        self.touched.is_empty()
    }

    /// Notes that a neighbour's request list has become shorter.
    pub(crate) fn touch(&mut self, key: NeighborKey) {
        self.touched.insert(key);
    }
}
