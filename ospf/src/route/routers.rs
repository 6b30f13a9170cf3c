//! The routing table's entries for routers (RFC 2328 §11), for shows: calculation itself reads them where they are made.

use std::collections::{BTreeMap, BTreeSet};

use super::internal::RouterPath;
use super::table::Calculation;
use crate::ids::{AreaId, RouterId};

impl Calculation {
    /// The path to each area border and AS boundary router through each area, by router: those inside the area, improved and completed by
    /// what Summary-LSAs say.
    pub(crate) fn routers(&self) -> BTreeMap<(RouterId, AreaId), &RouterPath> {
        let paths = self.internal.routers.iter().chain(&self.inter_area.routers);
        paths.map(|(&key, path)| (key, path)).collect()
    }

    /// The routers that a path leads to: those of this router's areas, itself among them, and the AS boundary routers of others.
    pub(crate) fn reached(&self) -> BTreeSet<RouterId> {
        let beyond = self.inter_area.routers.keys().map(|&(router, _)| router);
        self.internal.reached().chain(beyond).collect()
    }
}
