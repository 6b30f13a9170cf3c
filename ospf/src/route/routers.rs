//! The routing table's entries for routers (RFC 2328 §11), for shows: calculation itself reads them where they are made.

use std::collections::BTreeMap;

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
}
