//! The routes that a border router advertises into an area as Summary-LSAs (RFC 2328 §12.4.3), and their costs. Nothing is originated here.

use std::collections::BTreeMap;

use super::inter_area::Inside;
use super::ranges::range_of;
use super::table::Calculation;
use crate::config::{AreaKind, Config, ExternalRouting, NssaConfig, Summaries};
use crate::ids::{AreaId, InterfaceId, Prefix, RouterId};
use crate::io::RouteKind;
use crate::wire::LS_INFINITY;

/// The Summary-LSAs of an area: metrics by destination.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SummaryMetrics {
    /// Networks (type 3).
    pub(crate) networks: BTreeMap<Prefix, u32>,
    /// AS boundary routers (type 4).
    pub(crate) boundary_routers: BTreeMap<RouterId, u32>,
}

impl Calculation {
    /// The Summary-LSAs that this router originates into `area` as a border router. `area_of` contains the areas of its interfaces.
    pub(crate) fn summaries_into(
        &self,
        area: AreaId,
        config: &Config,
        area_of: &BTreeMap<InterfaceId, AreaId>,
    ) -> SummaryMetrics {
        let inside = Inside { internal: &self.internal, inter_area: &self.inter_area };
        let mut builder = SummaryBuilder { inside, area, config, area_of, metrics: SummaryMetrics::default() };
        let kind = config.area_kind(area);
        match kind.summaries() {
            Summaries::Imported => {
                builder.networks();
                builder.ranges();
            }
            Summaries::DefaultOnly => {}
        }
        // "Type 4 summary-LSAs ... are never flooded into stub areas", nor into NSSAs (RFC 3101 §1.3), where they are useless.
        if kind.external_routing() == ExternalRouting::AsExternal {
            builder.boundary_routers();
        }
        if let Some(metric) = kind.default_summary() {
            builder.metrics.networks.insert(Prefix::DEFAULT, metric);
        }
        builder.metrics
    }
}

impl AreaKind {
    fn summaries(&self) -> Summaries {
        match self {
            Self::Normal => Summaries::Imported,
            Self::Stub { summaries, .. } | Self::Nssa(NssaConfig { summaries, .. }) => *summaries,
        }
    }

    /// The metric of the default route that an area's border routers advertise as a Summary-LSA (RFC 2328 §12.4.3.1, RFC 3101 §2.7).
    fn default_summary(&self) -> Option<u32> {
        match self {
            Self::Stub { default_cost, .. } => Some(*default_cost),
            Self::Nssa(NssaConfig { summaries: Summaries::DefaultOnly, default_metric, .. }) => {
                Some(default_metric.value())
            }
            Self::Nssa(_) | Self::Normal => None,
        }
    }
}

struct SummaryBuilder<'a> {
    inside: Inside<'a>,
    area: AreaId,
    config: &'a Config,
    area_of: &'a BTreeMap<InterfaceId, AreaId>,
    metrics: SummaryMetrics,
}

impl SummaryBuilder<'_> {
    fn networks(&mut self) {
        for (prefix, path) in self.inside.networks() {
            // "Else, if the area associated with this set of paths is the Area A itself", or "if the next hops associated with
            // this set of paths belong to Area A itself, do not generate a summary-LSA".
            let leads_back = path
                .first_hops
                .iter()
                .any(|first_hop| self.area_of.get(&first_hop.nexthop.interface) == Some(&self.area));
            if path.area == self.area || leads_back {
                continue;
            }
            match path.kind {
                // RFC 3509 §2.2: inter-area routes of other areas than the backbone are not advertised.
                RouteKind::InterArea if path.area == AreaId::BACKBONE => self.advertise(prefix, path.cost),
                RouteKind::IntraArea if !self.is_condensed(path.area, prefix) => self.advertise(prefix, path.cost),
                _ => {}
            }
        }
        for (&prefix, local) in &self.inside.internal.local {
            if local.area != self.area && !self.is_condensed(local.area, prefix) {
                self.advertise(prefix, local.cost);
            }
        }
    }

    /// Adds a Summary-LSA for each active range that is not hidden.
    fn ranges(&mut self) {
        for (&(of, range), active) in &self.inside.inter_area.ranges {
            if of != self.area && self.condenses(of) && active.is_advertised() {
                self.advertise(range, active.cost());
            }
        }
    }

    fn is_condensed(&self, of: AreaId, prefix: Prefix) -> bool {
        self.condenses(of) && range_of(self.config.area_ranges(of), prefix).is_some()
    }

    /// Whether the ranges of an area are used. "The one exception": those of the backbone are not used for transit areas.
    fn condenses(&self, of: AreaId) -> bool {
        of != AreaId::BACKBONE || !self.inside.internal.transit.contains(&self.area)
    }

    fn advertise(&mut self, prefix: Prefix, cost: u32) {
        // "Else, if the routing table cost equals or exceeds the value LSInfinity".
        if cost < LS_INFINITY {
            let metric = self.metrics.networks.entry(prefix).or_insert(cost);
            *metric = cost.min(*metric);
        }
    }

    /// Adds AS boundary routers, "if and only if the routing table entry describes the preferred path to the AS boundary router (see Step 3
    /// of Section 16.4)".
    ///
    /// Paths through stub areas and NSSAs do not count, because these do not flood AS-external-LSAs.
    fn boundary_routers(&mut self) {
        let has_externals = |area| self.config.area_kind(area).external_routing() == ExternalRouting::AsExternal;
        for router in self.inside.boundary_routers() {
            let Some((of, path)) = self.inside.preferred_path(router, self.config.rfc1583, has_externals) else {
                continue;
            };
            let leads_back = path
                .first_hops
                .iter()
                .any(|first_hop| self.area_of.get(&first_hop.nexthop.interface) == Some(&self.area));
            let passed_on = path.kind == RouteKind::IntraArea || of == AreaId::BACKBONE;
            if of != self.area && !leads_back && passed_on && path.cost < LS_INFINITY {
                self.metrics.boundary_routers.insert(router, path.cost);
            }
        }
    }
}
