//! Area address ranges (RFC 2328 §3.5, appendix C.2): which of them are active, and their costs.

use std::collections::BTreeMap;

use super::inputs::AreaInputs;
use super::internal::InternalRoutes;
use crate::config::{Advertise, AreaRange};
use crate::ids::{AreaId, Prefix};

/// An active range: it "contains one or more networks reachable by intra-area paths" (RFC 2328 §11.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ActiveRange {
    config: AreaRange,
    /// The largest cost among its networks (RFC 2328 §12.4.3).
    largest: u32,
}

impl ActiveRange {
    /// Whether the range is advertised into other areas.
    pub(crate) fn is_advertised(&self) -> bool {
        self.config.advertise == Advertise::Yes
    }

    /// The cost that is advertised into other areas.
    pub(crate) fn cost(&self) -> u32 {
        self.config.cost.unwrap_or(self.largest)
    }
}

/// The active ranges of each area.
pub(super) fn active_ranges(
    areas: &[AreaInputs<'_>],
    internal: &InternalRoutes,
) -> BTreeMap<(AreaId, Prefix), ActiveRange> {
    let mut active = BTreeMap::new();
    for area in areas.iter().filter(|area| !area.ranges.is_empty()) {
        for (prefix, cost) in internal.own_networks(area.area) {
            let Some((range, config)) = range_of(area.ranges, prefix) else { continue };
            let known = active.entry((area.area, range)).or_insert(ActiveRange { config, largest: cost });
            known.largest = known.largest.max(cost);
        }
    }
    active
}

/// The range that contains a network of an area; the most specific one, if ranges are nested.
pub(crate) fn range_of(ranges: &BTreeMap<Prefix, AreaRange>, network: Prefix) -> Option<(Prefix, AreaRange)> {
    let around = ranges.iter().filter(|(range, _)| range.covers(network));
    around.max_by_key(|(range, _)| range.len()).map(|(&range, &config)| (range, config))
}

impl InternalRoutes {
    /// The networks of an area with their costs, including this router's own addresses.
    pub(super) fn own_networks(&self, area: AreaId) -> impl Iterator<Item = (Prefix, u32)> {
        let networks = self.networks.iter().filter(move |(_, path)| path.area == area);
        let local = self.local.iter().filter(move |(_, local)| local.area == area);
        networks.map(|(&prefix, path)| (prefix, path.cost)).chain(local.map(|(&prefix, local)| (prefix, local.cost)))
    }
}
