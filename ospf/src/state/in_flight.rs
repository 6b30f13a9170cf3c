//! LSAs that are requested, and of whom (RFC 2328 §10.9).

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{LsaPlace, NeighborKey};

/// Requests of all neighbours together.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct InFlight {
    /// Of whom each LSA was requested that has not come yet.
    pub(crate) asked: BTreeMap<LsaPlace, NeighborKey>,
    /// Neighbours whose request list has lost something since they were asked.
    pub(crate) touched: BTreeSet<NeighborKey>,
}

impl InFlight {
    /// An LSA has come, from wherever.
    pub(crate) fn arrived(&mut self, place: LsaPlace) {
        self.asked.remove(&place);
    }

    /// Of whom LSAs were requested that have not come yet.
    pub(crate) fn asked(&self) -> impl Iterator<Item = (LsaPlace, NeighborKey)> {
        self.asked.iter().map(|(&place, &key)| (place, key))
    }

    /// Whether nobody is left to be asked for more.
    pub(crate) fn is_idle(&self) -> bool {
        self.touched.is_empty()
    }

    /// A neighbour's request list has lost something.
    pub(crate) fn touch(&mut self, key: NeighborKey) {
        self.touched.insert(key);
    }
}
