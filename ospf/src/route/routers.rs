//! The routing table's entries for routers (RFC 2328 §11), for `show` commands. The calculation reads them from their sources.

use std::collections::{BTreeMap, BTreeSet};

use super::internal::RouterPath;
use super::table::Calculation;
use crate::ids::{AreaId, RouterId};

impl Calculation {
    /// The path to each area border router and AS boundary router through each area, by router: the intra-area paths, with the additions
    /// and improvements by Summary-LSAs.
    pub(crate) fn routers(&self) -> BTreeMap<(RouterId, AreaId), &RouterPath> {
        let paths = self.internal.routers.iter().chain(&self.inter_area.routers);
        paths.map(|(&key, path)| (key, path)).collect()
    }

    /// The routers that are reachable: those of this router's areas, including itself, and the AS boundary routers of other areas.
    pub(crate) fn reached(&self) -> BTreeSet<RouterId> {
        let beyond = self.inter_area.routers.keys().map(|&(router, _)| router);
        self.internal.reached().chain(beyond).collect()
    }
}
