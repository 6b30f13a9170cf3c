//! The routing table (RFC 2328 §11), and the results of the calculation that it is based on.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

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

/// The results of a calculation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Calculation {
    /// The routes.
    pub(crate) table: RoutingTable,
    /// Paths inside areas.
    pub(crate) internal: InternalRoutes,
    /// Paths to other areas.
    pub(crate) inter_area: InterAreaRoutes,
    /// Type-7 LSAs that contribute to routes and may be translated, by destination and area.
    pub(crate) translatable: BTreeMap<(Prefix, AreaId), Translatable>,
    /// Paths that the policy refused. New ones are reported: see [`crate::Event::RouteRefused`].
    pub(crate) refused: BTreeSet<Refused>,
}

/// A path to a destination that the policy refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Refused {
    /// The destination.
    pub(crate) prefix: Prefix,
    /// The router that originates it.
    pub(crate) originator: RouterId,
    /// The last guard on the path; `None` if there is none, or if the destination is not listed.
    pub(crate) guard: Option<RouterId>,
}

/// Routing table entries for networks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RoutingTable {
    pub(super) networks: BTreeMap<Prefix, Route>,
}

impl Calculation {
    /// Whether an NSSA has a border router that takes precedence over `own` as translator (RFC 3101 §3.1): it always translates, or its
    /// Router ID is higher. It must also be an AS boundary router in an area with AS-external-LSAs, because otherwise its translations
    /// would not be flooded.
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

    /// Whether a router is reachable as an AS boundary router, through an area in which AS-external-LSAs are flooded.
    pub(crate) fn is_boundary_router(&self, router: RouterId, has_externals: impl Fn(AreaId) -> bool) -> bool {
        let inside = Inside { internal: &self.internal, inter_area: &self.inter_area };
        let mut paths = inside.paths_to(router).filter(|(of, _)| has_externals(*of));
        paths.any(|(_, path)| path.flags.contains(RouterFlags::E))
    }

    /// The present paths of this router's virtual links. A link that is not in the map is down.
    pub(crate) fn virtual_links(&self) -> &BTreeMap<VirtualEnd, VirtualPath> {
        &self.internal.virtual_links
    }

    /// Why a virtual link that is not in the map is down.
    pub(crate) fn obstacle(&self, end: VirtualEnd) -> VirtualLinkObstacle {
        self.internal.obstacles.get(&end).copied().unwrap_or(VirtualLinkObstacle::NoPath)
    }
}

impl Calculation {
    /// Returns, if the shortest-path trees certainly remain valid after a change of a Router-LSA in `area`, the stub networks that it
    /// affects. It must not be used on a router with virtual links, whose endpoints depend on more than distances.
    pub(crate) fn survives(&self, area: AreaId, change: &RouterChange<'_>) -> Option<BTreeSet<Prefix>> {
        debug_assert!(self.internal.virtual_links.is_empty(), "virtual links depend on addresses, too");
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

    /// The networks from a place on, in order.
    pub(crate) fn after(&self, from: Bound<Prefix>) -> impl Iterator<Item = Prefix> {
        self.networks.range((from, Bound::Unbounded)).map(|(&prefix, _)| prefix)
    }

    /// Number of networks.
    pub(crate) fn len(&self) -> usize {
        self.networks.len()
    }
}

impl Inside<'_> {
    /// The table's entry for a network inside the AS, which may be a discard entry.
    pub(super) fn route(self, prefix: Prefix, own: RouterId) -> Option<Route> {
        let discarded = || self.ranges_at(prefix).last().map(|(area, range)| discard(area, range, own));
        self.network(prefix).map(Path::route).or_else(discarded)
    }

    /// The refused paths inside the AS to a destination.
    pub(super) fn refused_about(self, prefix: Prefix) -> impl Iterator<Item = Refused> {
        let [internal, inter_area] = [&self.internal.refused, &self.inter_area.refused];
        Refused::about(internal, prefix).chain(Refused::about(inter_area, prefix))
    }

    /// All refused paths inside the AS.
    pub(super) fn refused(self) -> impl Iterator<Item = Refused> {
        self.internal.refused.iter().chain(&self.inter_area.refused).copied()
    }
}

impl Path {
    pub(super) fn route(&self) -> Route {
        debug_assert!(!self.first_hops.is_empty(), "a path has a first hop");
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

/// The discard entry of an aggregate of external destinations: routers that know only the aggregate cannot know which destinations in it
/// have no route.
pub(super) fn discard_aggregate(external: &External, own: RouterId) -> Route {
    let (kind, metric) = match external.metric {
        ExternalMetric::Type1(metric) => (RouteKind::External1, metric),
        ExternalMetric::Type2(metric) => (RouteKind::External2, metric),
    };
    let (originators, nexthops) = ([own].into(), BTreeSet::new());
    Route { kind, area: AreaId::BACKBONE, metric, originators, nexthops, tag: external.tag }
}

/// The discard entry of a range (RFC 2328 §11.1): "the path type of each "discard" entry is set to "inter-area"."
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
