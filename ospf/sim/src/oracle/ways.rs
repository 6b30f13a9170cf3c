//! Destinations outside a router's areas: the advertisements of border routers (RFC 2328 §16.2, §16.4), and default routes of stub areas.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};

use ospf::{AreaId, AreaKind, ExternalMetric, Prefix, Route, RouteKind, Summaries};

use super::{Attachment, Border, FirstSteps, Oracle, route};
use crate::topology::RouterIndex;

/// A path to a router, through one area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    kind: RouteKind,
    pub(super) area: AreaId,
    pub(super) cost: u32,
    /// The routers in `area` to which the known part of the path leads.
    pub(super) ends: BTreeSet<RouterIndex>,
}

/// The order of preference of paths to an external destination, smallest first (RFC 2328 §16.4 (6)): the path type and the type 2 metric,
/// the class of the path (§16.4.1), and its cost.
type Rank = (RouteKind, u32, Through, u32);

/// Classes of paths to AS boundary routers, with RFC1583Compatibility disabled (RFC 2328 §16.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Through {
    /// Within an area other than the backbone.
    OtherArea,
    /// Within the backbone, or through several areas.
    Backbone,
}

impl Way {
    fn through(&self) -> Through {
        match self.kind {
            RouteKind::IntraArea if self.area != AreaId::BACKBONE => Through::OtherArea,
            _ => Through::Backbone,
        }
    }
}

impl Oracle<'_> {
    /// Calculates the inter-area route to a network (RFC 2328 §16.2) from the advertisements of border routers and the distances to them.
    pub(super) fn inter_area(&self, first_steps: &mut FirstSteps<'_>, attachments: &[Attachment]) -> Option<Route> {
        let ways = self.told_ways(first_steps.root, |border, area| self.tells(border, area, attachments));
        self.through_borders(first_steps, &ways)
    }

    /// Calculates the default route of a stub area, in place of routes to external destinations (RFC 2328 §12.4.3.1): every border router
    /// advertises one into the area, and uses none itself.
    pub(super) fn default_route(&self, first_steps: &mut FirstSteps<'_>) -> Option<Route> {
        if self.borders[first_steps.root.0] != Border::Inside {
            return None;
        }
        let cost = |area| match self.situation.topology.kind(area) {
            AreaKind::Stub { default_cost, .. } => Some(*default_cost),
            AreaKind::Normal | AreaKind::Nssa(_) => None,
        };
        let ways = self.told_ways(first_steps.root, |_, area| cost(area));
        self.through_borders(first_steps, &ways)
    }

    fn through_borders(&self, first_steps: &mut FirstSteps<'_>, ways: &[Way]) -> Option<Route> {
        let best = ways.iter().min_by_key(|way| way.cost)?;
        let mut route = route(RouteKind::InterArea, best.area, best.cost);
        // Paths of equal cost may lead through several areas, if the router does not examine the backbone alone.
        for way in ways.iter().filter(|way| way.cost == best.cost) {
            for &end in &way.ends {
                route.originators.insert(self.situation.topology.id(end));
                route.nexthops.extend(first_steps.towards(way.area, end));
            }
        }
        Some(route)
    }

    /// Returns the best path through each area whose advertisements a router examines; `tells` returns the cost that a border router
    /// advertises to an area.
    pub(super) fn told_ways(&self, root: RouterIndex, tells: impl Fn(RouterIndex, AreaId) -> Option<u32>) -> Vec<Way> {
        let listens = |area: &AreaId| self.borders[root.0] != Border::WithBackbone || *area == AreaId::BACKBONE;
        let mut ways: Vec<Way> = Vec::new();
        for area in self.areas_of(root).filter(listens) {
            let borders = self.areas[&area].members.iter().copied();
            for border in borders.filter(|&border| border != root && self.borders[border.0] != Border::Inside) {
                let Some(distance) = self.distance(area, root, border) else { continue };
                let Some(cost) = tells(border, area).map(|told| told + distance) else { continue };
                let found = Way { kind: RouteKind::InterArea, area, cost, ends: BTreeSet::from([border]) };
                match ways.iter_mut().find(|way| way.area == area) {
                    None => ways.push(found),
                    Some(way) if way.cost > cost => *way = found,
                    Some(way) if way.cost == cost => way.ends.extend(found.ends),
                    Some(_) => {}
                }
            }
        }
        ways
    }

    /// Returns the cost that a border router advertises to an area for a network (RFC 2328 §12.4.3): nothing for networks in that area, and
    /// routes that it learned in the backbone only to other areas.
    pub(super) fn tells(&self, border: RouterIndex, area: AreaId, attachments: &[Attachment]) -> Option<u32> {
        if let AreaKind::Stub { summaries: Summaries::DefaultOnly, .. } = self.situation.topology.kind(area) {
            return None;
        }
        if let Some((cost, of)) = self.within(border, attachments) {
            return (of != area).then_some(cost);
        }
        if area == AreaId::BACKBONE || self.borders[border.0] != Border::WithBackbone {
            return None;
        }
        self.advertised_cost(border, attachments)
    }

    /// Returns the cost of a network by the advertisements of other border routers in the backbone.
    pub(super) fn advertised_cost(&self, border: RouterIndex, attachments: &[Attachment]) -> Option<u32> {
        let told = |other, backbone| {
            let (cost, of) = self.within(other, attachments)?;
            (of != backbone).then_some(cost)
        };
        self.told_ways(border, told).into_iter().map(|way| way.cost).min()
    }

    /// Returns the path to an AS boundary router (RFC 2328 §16.4 (3)).
    fn way_out(&self, root: RouterIndex, boundary: RouterIndex) -> Option<Way> {
        let mut ways = self.ways_within(root, boundary);
        let told = self.told_ways(root, |border, area| self.tells_of_router(border, area, boundary));
        for way in told {
            if ways.iter().all(|within| within.area != way.area) {
                ways.push(way);
            }
        }
        preferred(ways)
    }

    pub(super) fn ways_within(&self, root: RouterIndex, to: RouterIndex) -> Vec<Way> {
        let way = |area| {
            let cost = self.distance(area, root, to)?;
            Some(Way { kind: RouteKind::IntraArea, area, cost, ends: BTreeSet::from([to]) })
        };
        // A path through an area without AS-external-LSAs does not count: its routers know no external destinations.
        self.areas_of(root).filter(|&area| self.situation.topology.has_externals(area)).filter_map(way).collect()
    }

    /// Returns the cost that a border router advertises to an area for an AS boundary router: that of the preferred path, unless it leads
    /// through that area.
    pub(super) fn tells_of_router(&self, border: RouterIndex, area: AreaId, boundary: RouterIndex) -> Option<u32> {
        if !self.situation.topology.has_externals(area) {
            return None;
        }
        let mut ways = self.ways_within(border, boundary);
        if self.borders[border.0] == Border::WithBackbone && ways.iter().all(|way| way.area != AreaId::BACKBONE) {
            ways.extend(self.advertised_ways(border, boundary));
        }
        let preferred = preferred(ways)?;
        (preferred.area != area).then_some(preferred.cost)
    }

    /// Returns the paths to an AS boundary router by the advertisements of other border routers in the backbone, which reach it through
    /// another area. A border router that is nearer to one of those than to the boundary router would advertise it itself.
    pub(super) fn advertised_ways(&self, border: RouterIndex, boundary: RouterIndex) -> Vec<Way> {
        let told = |other, backbone| {
            let way = preferred(self.ways_within(other, boundary))?;
            (way.area != backbone).then_some(way.cost)
        };
        self.told_ways(border, told)
    }

    pub(super) fn externals(&self, first_steps: &mut FirstSteps<'_>) -> BTreeMap<Prefix, Route> {
        let root = first_steps.root;
        let mut best: BTreeMap<Prefix, (Rank, Vec<(RouterIndex, Way)>)> = BTreeMap::new();
        for (boundary, router) in self.situation.topology.routers() {
            let may = |area| self.situation.topology.has_externals(area);
            let brings_in = !router.externals.is_empty() && self.areas_of(boundary).any(may);
            if boundary == root || !brings_in || !self.situation.runs(boundary) {
                continue;
            }
            let Some(way) = self.way_out(root, boundary) else { continue };
            for (&prefix, external) in &router.externals {
                let rank = match external.metric {
                    ExternalMetric::Type1(metric) => (RouteKind::External1, 0, way.through(), way.cost + metric),
                    ExternalMetric::Type2(metric) => (RouteKind::External2, metric, way.through(), way.cost),
                };
                let found = (rank, vec![(boundary, way.clone())]);
                let known = best.entry(prefix).or_insert_with(|| (rank, Vec::new()));
                match found.0.cmp(&known.0) {
                    Ordering::Less => *known = found,
                    Ordering::Equal => known.1.extend(found.1),
                    Ordering::Greater => {}
                }
            }
        }
        let mut routes = BTreeMap::new();
        for (prefix, ((kind, metric, _, cost), boundaries)) in best {
            let metric = if kind == RouteKind::External1 { cost } else { metric };
            let area = boundaries.iter().map(|(_, way)| way.area).max().unwrap_or_default();
            let mut route = route(kind, area, metric);
            for (boundary, way) in boundaries {
                route.originators.insert(self.situation.topology.id(boundary));
                for end in way.ends {
                    route.nexthops.extend(first_steps.towards(way.area, end));
                }
            }
            routes.insert(prefix, route);
        }
        routes
    }
}

/// Returns the preferred path to an AS boundary router (RFC 2328 §16.4 (3)): the shortest of the best class, and of equal ones that through
/// the area with the largest ID.
pub(super) fn preferred(ways: Vec<Way>) -> Option<Way> {
    ways.into_iter().min_by_key(|way| (way.through(), way.cost, Reverse(way.area)))
}
