//! The routing table (RFC 2328 §11), and what it was made from.

use std::collections::{BTreeMap, BTreeSet};

use super::external::Translatable;
use super::inputs::VirtualEnd;
use super::inter_area::{Inside, InterAreaRoutes};
use super::internal::{InternalRoutes, Path};
use super::ranges::ActiveRange;
use super::standing::RouterChange;
use super::virtual_link::{VirtualLinkObstacle, VirtualPath};
use crate::config::{External, ExternalMetric};
use crate::ids::{AreaId, Prefix, RouterId};
use crate::io::{Route, RouteKind};
use crate::state::dismantle::Dismantle;
use crate::wire::RouterFlags;

/// What one calculation gave.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Calculation {
    /// The routes.
    pub(crate) table: RoutingTable,
    /// Paths inside areas.
    pub(crate) internal: InternalRoutes,
    /// Paths to other areas.
    pub(crate) inter_area: InterAreaRoutes,
    /// Type-7 LSAs that routes follow and that may be translated, by destination and area.
    pub(crate) translatable: BTreeMap<(Prefix, AreaId), Translatable>,
    /// Paths that the policy did not believe. New ones are reported: see [`crate::Event::RouteRefused`].
    pub(crate) refused: BTreeSet<Refused>,
}

/// A destination that somebody offered and that the policy did not let him have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Refused {
    /// The destination.
    pub(crate) prefix: Prefix,
    /// Who originates it.
    pub(crate) originator: RouterId,
    /// The last guard on the path; `None` if there is none, or if nobody lists the destination.
    pub(crate) guard: Option<RouterId>,
}

/// Routing table entries for networks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RoutingTable {
    pub(super) networks: BTreeMap<Prefix, Route>,
}

impl Calculation {
    /// Whether an NSSA has a border router that translates rather than `own` (RFC 3101 §3.1): it always does, or its id is higher. It has to
    /// be a boundary router to the areas that have externals, too, or what it says would not be heard.
    pub(crate) fn has_better_translator(
        &self,
        area: AreaId,
        own: RouterId,
        has_externals: impl Fn(AreaId) -> bool,
    ) -> bool {
        let inside = Inside { internal: &self.internal, inter_area: &self.inter_area };
        let of_area = self.internal.routers.iter().filter(|((_, of), _)| *of == area);
        let mut border_routers = of_area.filter(|(_, path)| path.flags.contains(RouterFlags::B));
        border_routers.any(|(&(router, _), path)| {
            let better = path.flags.contains(RouterFlags::NT) || router > own;
            let mut outside = inside.paths_to(router).filter(|(of, _)| has_externals(*of));
            better && outside.any(|(_, path)| path.flags.contains(RouterFlags::E))
        })
    }

    /// Whether a router is reached as an AS boundary router whose AS-external-LSAs come here: by areas in which they are flooded.
    pub(crate) fn is_boundary_router(&self, router: RouterId, has_externals: impl Fn(AreaId) -> bool) -> bool {
        let inside = Inside { internal: &self.internal, inter_area: &self.inter_area };
        let mut paths = inside.paths_to(router).filter(|(of, _)| has_externals(*of));
        paths.any(|(_, path)| path.flags.contains(RouterFlags::E))
    }

    /// Where this router's virtual links lead at present. One that is not here is down.
    pub(crate) fn virtual_links(&self) -> &BTreeMap<VirtualEnd, VirtualPath> {
        &self.internal.virtual_links
    }

    /// Why one of them is not there.
    pub(crate) fn obstacle(&self, end: VirtualEnd) -> VirtualLinkObstacle {
        self.internal.obstacles.get(&end).copied().unwrap_or(VirtualLinkObstacle::NoPath)
    }
}

impl Calculation {
    /// Whether the shortest-path trees are certain to stand after a change of a Router-LSA in `area`: if so, the stub networks that it
    /// changes. Not to be asked of a router with virtual links: where those lead depends on more than distances.
    pub(crate) fn survives(&self, area: AreaId, change: &RouterChange<'_>) -> Option<BTreeSet<Prefix>> {
        debug_assert!(self.internal.virtual_links.is_empty(), "virtual links look at addresses, too");
        self.internal.survives(area, change)
    }
}

impl Dismantle for Calculation {
    fn dismantle(&mut self) -> bool {
        let others = [self.translatable.pop_last().is_some(), self.refused.pop_last().is_some()];
        self.table.networks.pop_last().is_some() || others.contains(&true)
    }
}

impl RoutingTable {
    /// Entries for networks, in the order of their prefixes.
    pub(crate) fn routes(&self) -> impl ExactSizeIterator<Item = (Prefix, &Route)> {
        self.networks.iter().map(|(&prefix, route)| (prefix, route))
    }

    /// Number of networks.
    pub(crate) fn len(&self) -> usize {
        self.networks.len()
    }
}

impl Inside<'_> {
    /// The table's entry for a network inside the AS, be it one that discards.
    pub(super) fn route(self, prefix: Prefix, own: RouterId) -> Option<Route> {
        let discarded = || self.ranges_at(prefix).last().map(|(area, range)| discard(area, range, own));
        self.network(prefix).map(Path::route).or_else(discarded)
    }

    /// Paths inside the AS to a destination that were not believed.
    pub(super) fn refused_about(self, prefix: Prefix) -> impl Iterator<Item = Refused> {
        let [internal, inter_area] = [&self.internal.refused, &self.inter_area.refused];
        Refused::about(internal, prefix).chain(Refused::about(inter_area, prefix))
    }

    /// Paths inside the AS that were not believed.
    pub(super) fn refused(self) -> impl Iterator<Item = Refused> {
        self.internal.refused.iter().chain(&self.inter_area.refused).copied()
    }
}

impl Path {
    pub(super) fn route(&self) -> Route {
        debug_assert!(!self.first_hops.is_empty(), "a path has a first step");
        Route {
            kind: self.kind,
            area: self.area,
            metric: self.cost,
            originators: self.originators.clone(),
            nexthops: self.first_hops.iter().map(|first_hop| first_hop.nexthop).collect(),
            tag: 0,
        }
    }
}

/// The same for destinations outside that are told of as one: nobody who hears of it alone can know what is not there.
pub(super) fn discard_aggregate(external: &External, own: RouterId) -> Route {
    let (kind, metric) = match external.metric {
        ExternalMetric::Type1(metric) => (RouteKind::External1, metric),
        ExternalMetric::Type2(metric) => (RouteKind::External2, metric),
    };
    let (originators, nexthops) = ([own].into(), BTreeSet::new());
    Route { kind, area: AreaId::BACKBONE, metric, originators, nexthops, tag: external.tag }
}

/// RFC 2328 §11.1: "the path type of each "discard" entry is set to "inter-area"."
pub(super) fn discard(area: AreaId, range: &ActiveRange, own: RouterId) -> Route {
    Route {
        kind: RouteKind::InterArea,
        area,
        metric: range.cost(),
        originators: [own].into(),
        nexthops: BTreeSet::new(),
        tag: 0,
    }
}
