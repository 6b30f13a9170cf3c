//! What every router should know, from the topology alone: no LSA, no database, no tree.
//!
//! Distances between all pairs of an area come first. A link out of a router is then a first step towards another exactly if its cost and
//! the distance from its far end make the whole distance. Engines calculate by RFC 2328 §16 instead, and both must agree.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use ospf::{
    AreaId, AreaKind, Domain, ExternalMetric, InterfaceId, Nexthop, Prefix, Route, RouteKind, RouterId, Summaries,
};

use crate::situation::Situation;
use crate::topology::{Numbering, RouterIndex, Side, Topology, stub_interface};

/// The right answers for a situation.
#[derive(Debug)]
pub struct Oracle<'a> {
    situation: &'a Situation,
    areas: BTreeMap<AreaId, Area>,
    networks: BTreeMap<Prefix, Vec<Attachment>>,
    /// Whether a router is between areas, by router.
    borders: Vec<Border>,
    /// Routers with the same number reach each other by links and LANs on which AS-external-LSAs are flooded.
    parts: Vec<usize>,
}

/// The ways within an area. A LAN is as many of them as there are pairs of routers on it.
#[derive(Debug)]
struct Area {
    steps: Vec<Vec<Step>>,
    /// `distances[a][b]`; `None` if there is no way.
    distances: Vec<Vec<Option<u32>>>,
    /// Routers with an interface or their loopback address in it.
    members: BTreeSet<RouterIndex>,
}

/// Whether a router is between areas, as RFC 3509 §2.1 and §2.2 have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Border {
    /// It is not: the backbone is not among its areas, or it is the only one.
    Inside,
    /// It has nobody in the backbone at the moment, and listens to all its areas.
    WithoutBackbone,
    /// It listens to the backbone.
    WithBackbone,
}

/// A link that can be taken out of a router.
#[derive(Debug, Clone, Copy)]
struct Step {
    to: RouterIndex,
    cost: u16,
    nexthop: Nexthop,
}

/// A router that has a network inside OSPF.
#[derive(Debug, Clone, Copy)]
struct Attachment {
    router: RouterIndex,
    area: AreaId,
    cost: u16,
    /// `None` for a loopback address.
    interface: Option<InterfaceId>,
}

/// A way to a router, by one area.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Way {
    kind: RouteKind,
    area: AreaId,
    cost: u32,
    /// In `area`: the routers at which what is known of the way ends.
    ends: BTreeSet<RouterIndex>,
}

/// Ways to a destination outside, equally good: what is compared, in order, and by which boundary routers.
type Outside = (RouteKind, u32, u32, Vec<(RouterIndex, Way)>);

impl<'a> Oracle<'a> {
    /// Looks at the situation as it stands, and takes routers and links that are in trouble as absent.
    pub fn new(situation: &'a Situation) -> Self {
        let steps = steps(situation);
        let parts = parts(&steps, &situation.topology);
        let mut members = members(situation);
        let areas: BTreeMap<_, _> = steps
            .into_iter()
            .map(|(area, steps)| {
                let distances = (0..steps.len()).map(|from| distances(&steps, RouterIndex(from))).collect();
                let members = members.remove(&area).unwrap_or_default();
                (area, Area { steps, distances, members })
            })
            .collect();
        let borders = (0..situation.topology.routers.len()).map(|router| border(&areas, RouterIndex(router))).collect();
        Self { situation, areas, networks: networks(situation), borders, parts }
    }

    /// The databases that a router has.
    pub(crate) fn domains(&self, router: RouterIndex) -> impl Iterator<Item = Domain> {
        let areas = self.areas_of(router).map(Domain::Area);
        let takes_externals = self.areas_of(router).any(|area| self.situation.topology.has_externals(area));
        areas.chain(takes_externals.then_some(Domain::As))
    }

    /// Whether two routers have the same contents in a database.
    pub(crate) fn share(&self, domain: Domain, one: RouterIndex, other: RouterIndex) -> bool {
        match domain {
            Domain::Link(_) => false,
            Domain::Area(area) => self.distance(area, one, other).is_some(),
            Domain::As => self.parts[one.0] == self.parts[other.0],
        }
    }

    /// The routes that a router should have. Its own loopback address and what it brings in itself need none.
    pub fn routes(&self, root: RouterIndex) -> BTreeMap<Prefix, Route> {
        let mut first_steps = FirstSteps { oracle: self, root, known: BTreeMap::new() };
        let mut routes: BTreeMap<Prefix, Route> = BTreeMap::new();
        for (&prefix, attachments) in &self.networks {
            let route = self.internal(&mut first_steps, attachments);
            let route = route.or_else(|| self.inter_area(&mut first_steps, attachments));
            routes.extend(route.map(|route| (prefix, route)));
        }
        if let Some(route) = self.default_route(&mut first_steps) {
            routes.insert(Prefix::DEFAULT, route);
        }
        let own = &self.situation.topology.routers[root.0].externals;
        for (prefix, route) in self.externals(&mut first_steps) {
            // RFC 2328 §16.4 (6)(a): paths inside are preferred.
            if !own.contains_key(&prefix) {
                routes.entry(prefix).or_insert(route);
            }
        }
        routes.remove(&Prefix::host(root.loopback()));
        debug_assert!(routes.values().all(|route| !route.nexthops.is_empty()));
        routes
    }

    fn areas_of(&self, router: RouterIndex) -> impl Iterator<Item = AreaId> {
        self.areas.iter().filter(move |(_, area)| area.members.contains(&router)).map(|(&id, _)| id)
    }

    fn distance(&self, area: AreaId, from: RouterIndex, to: RouterIndex) -> Option<u32> {
        self.areas.get(&area)?.distances[from.0][to.0]
    }

    /// How far a network is within the areas of a router, and in which.
    fn within(&self, router: RouterIndex, attachments: &[Attachment]) -> Option<(u32, AreaId)> {
        let cost = |at: &Attachment| Some((self.distance(at.area, router, at.router)? + u32::from(at.cost), at.area));
        attachments.iter().filter_map(cost).min()
    }

    fn internal(&self, first_steps: &mut FirstSteps<'_>, attachments: &[Attachment]) -> Option<Route> {
        let root = first_steps.root;
        let (metric, area) = self.within(root, attachments)?;
        let mut route = route(RouteKind::IntraArea, area, metric);
        for attachment in attachments {
            let cost = self.distance(attachment.area, root, attachment.router);
            if cost.map(|cost| cost + u32::from(attachment.cost)) != Some(metric) {
                continue;
            }
            route.originators.insert(attachment.router.id());
            if attachment.router != root {
                route.nexthops.extend(first_steps.towards(attachment.area, attachment.router));
            } else if let Some(interface) = attachment.interface {
                route.nexthops.insert(Nexthop { interface, via: None });
            }
        }
        Some(route)
    }

    /// RFC 2328 §16.2: what border routers say of a network in other areas, and how far they are.
    fn inter_area(&self, first_steps: &mut FirstSteps<'_>, attachments: &[Attachment]) -> Option<Route> {
        let ways = self.told_ways(first_steps.root, |border, area| self.tells(border, area, attachments));
        self.through_borders(first_steps, &ways)
    }

    /// What takes the place of destinations outside in stub areas (RFC 2328 §12.4.3.1): every border router has it for the area, and takes
    /// none itself.
    fn default_route(&self, first_steps: &mut FirstSteps<'_>) -> Option<Route> {
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
        // Equally long ways may be through several areas, where the backbone is not the only one that counts.
        for way in ways.iter().filter(|way| way.cost == best.cost) {
            for &end in &way.ends {
                route.originators.insert(end.id());
                route.nexthops.extend(first_steps.towards(way.area, end));
            }
        }
        Some(route)
    }

    /// The best way through each area to which a router listens, where `tells` is what a border router says to an area.
    fn told_ways(&self, root: RouterIndex, tells: impl Fn(RouterIndex, AreaId) -> Option<u32>) -> Vec<Way> {
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

    /// What a border router says to an area of a network (RFC 2328 §12.4.3): nothing of what is in that area, and only to other areas
    /// what it heard in the backbone.
    fn tells(&self, border: RouterIndex, area: AreaId, attachments: &[Attachment]) -> Option<u32> {
        if let AreaKind::Stub { summaries: Summaries::DefaultOnly, .. } = self.situation.topology.kind(area) {
            return None;
        }
        if let Some((cost, of)) = self.within(border, attachments) {
            return (of != area).then_some(cost);
        }
        if area == AreaId::BACKBONE || self.borders[border.0] != Border::WithBackbone {
            return None;
        }
        let told = |other, backbone| {
            let (cost, of) = self.within(other, attachments)?;
            (of != backbone).then_some(cost)
        };
        self.told_ways(border, told).into_iter().map(|way| way.cost).min()
    }

    /// The way to a router that brings in destinations (RFC 2328 §16.4 (3)): of those through each area the shortest, and of equal ones that
    /// through the area with the largest number.
    fn way_out(&self, root: RouterIndex, boundary: RouterIndex) -> Option<Way> {
        let mut ways = self.ways_within(root, boundary);
        let told = self.told_ways(root, |border, area| self.tells_of_router(border, area, boundary));
        for way in told {
            if ways.iter().all(|within| within.area != way.area) {
                ways.push(way);
            }
        }
        ways.into_iter().min_by_key(|way| (way.cost, Reverse(way.area)))
    }

    fn ways_within(&self, root: RouterIndex, to: RouterIndex) -> Vec<Way> {
        let way = |area| {
            let cost = self.distance(area, root, to)?;
            Some(Way { kind: RouteKind::IntraArea, area, cost, ends: BTreeSet::from([to]) })
        };
        // A way through an area without AS-external-LSAs is none: its routers know nothing of what is outside.
        self.areas_of(root).filter(|&area| self.situation.topology.has_externals(area)).filter_map(way).collect()
    }

    /// What a border router says to an area of a router that brings in destinations: how far the preferred way is, unless it is through
    /// that area.
    fn tells_of_router(&self, border: RouterIndex, area: AreaId, boundary: RouterIndex) -> Option<u32> {
        if !self.situation.topology.has_externals(area) {
            return None;
        }
        let mut ways = self.ways_within(border, boundary);
        if self.borders[border.0] == Border::WithBackbone && ways.iter().all(|way| way.area != AreaId::BACKBONE) {
            // A border router nearer to it, through another area; that one would say the same of a nearer one still, if there were one.
            let told = |other, backbone| {
                let ways = self.ways_within(other, boundary).into_iter();
                ways.filter(|way| way.area != backbone).map(|way| way.cost).min()
            };
            ways.extend(self.told_ways(border, told));
        }
        let preferred = ways.into_iter().min_by_key(|way| (way.cost, Reverse(way.area)))?;
        (preferred.area != area).then_some(preferred.cost)
    }

    fn externals(&self, first_steps: &mut FirstSteps<'_>) -> BTreeMap<Prefix, Route> {
        let root = first_steps.root;
        // RFC 2328 §16.4 (6): type 1 first, by the whole cost; then type 2 by metric, then by the way to the boundary router.
        let mut best: BTreeMap<Prefix, Outside> = BTreeMap::new();
        for (boundary, router) in self.situation.topology.routers() {
            if boundary == root || router.externals.is_empty() || !self.situation.runs(boundary) {
                continue;
            }
            let Some(way) = self.way_out(root, boundary) else { continue };
            for (&prefix, external) in &router.externals {
                let (kind, metric, inside) = match external.metric {
                    ExternalMetric::Type1(metric) => (RouteKind::External1, way.cost + metric, 0),
                    ExternalMetric::Type2(metric) => (RouteKind::External2, metric, way.cost),
                };
                let found = (kind, metric, inside, vec![(boundary, way.clone())]);
                let known = best.entry(prefix).or_insert_with(|| (kind, metric, inside, Vec::new()));
                match (found.0, found.1, found.2).cmp(&(known.0, known.1, known.2)) {
                    std::cmp::Ordering::Less => *known = found,
                    std::cmp::Ordering::Equal => known.3.extend(found.3),
                    std::cmp::Ordering::Greater => {}
                }
            }
        }
        let mut routes = BTreeMap::new();
        for (prefix, (kind, metric, _, boundaries)) in best {
            let area = boundaries.iter().map(|(_, way)| way.area).max().unwrap_or_default();
            let mut route = route(kind, area, metric);
            for (boundary, way) in boundaries {
                route.originators.insert(RouterId::from(boundary.loopback()));
                for end in way.ends {
                    route.nexthops.extend(first_steps.towards(way.area, end));
                }
            }
            routes.insert(prefix, route);
        }
        routes
    }
}

fn route(kind: RouteKind, area: AreaId, metric: u32) -> Route {
    Route { kind, area, metric, originators: BTreeSet::new(), nexthops: BTreeSet::new(), tag: 0 }
}

/// First steps from one router, each set found once.
struct FirstSteps<'a> {
    oracle: &'a Oracle<'a>,
    root: RouterIndex,
    known: BTreeMap<(AreaId, RouterIndex), BTreeSet<Nexthop>>,
}

impl FirstSteps<'_> {
    fn towards(&mut self, area: AreaId, to: RouterIndex) -> BTreeSet<Nexthop> {
        let (oracle, root) = (self.oracle, self.root);
        let find = || {
            let Some(whole) = oracle.distance(area, root, to) else { return BTreeSet::new() };
            let steps = oracle.areas[&area].steps[root.0].iter();
            let on_the_way = |step: &&Step| {
                oracle.distance(area, step.to, to).is_some_and(|rest| u32::from(step.cost) + rest == whole)
            };
            steps.filter(on_the_way).map(|step| step.nexthop).collect()
        };
        self.known.entry((area, to)).or_insert_with(find).clone()
    }
}

/// The links and LANs of each area, by the router that they lead out of.
fn steps(situation: &Situation) -> BTreeMap<AreaId, Vec<Vec<Step>>> {
    let topology = &situation.topology;
    let areas = topology.links.iter().map(|link| link.area).chain(topology.lans.iter().map(|lan| lan.area));
    let areas = areas.chain(topology.routers.iter().map(|router| router.area));
    let mut steps: BTreeMap<_, _> = areas.map(|area| (area, vec![Vec::new(); topology.routers.len()])).collect();
    let mut add = |area: AreaId, from: RouterIndex, step: Step| {
        steps.get_mut(&area).expect("all areas are there")[from.0].push(step);
    };
    for (index, link) in situation.joined() {
        for side in Side::BOTH {
            let (near, far) = (link.end(side), link.end(side.other()));
            let via = Some(topology.address(index, side.other()));
            let nexthop = Nexthop { interface: index.interface(), via };
            add(link.area, near.router, Step { to: far.router, cost: near.cost, nexthop });
        }
    }
    for (index, lan) in topology.lans() {
        let ends = situation.joined_by(index);
        for near in &ends {
            for far in ends.iter().filter(|far| far.router != near.router) {
                let via = topology.lan_address(index, far.router);
                let nexthop = Nexthop { interface: index.interface(), via };
                add(lan.area, near.router, Step { to: far.router, cost: near.cost, nexthop });
            }
        }
    }
    steps
}

/// The routers that have something in each area.
fn members(situation: &Situation) -> BTreeMap<AreaId, BTreeSet<RouterIndex>> {
    let mut members: BTreeMap<AreaId, BTreeSet<RouterIndex>> = BTreeMap::new();
    let mut add = |area, router| {
        if situation.runs(router) {
            members.entry(area).or_default().insert(router);
        }
    };
    for (router, description) in situation.topology.routers() {
        add(description.area, router);
    }
    for (index, link) in situation.topology.links() {
        if situation.has_carrier(index) {
            Side::BOTH.into_iter().for_each(|side| add(link.area, link.end(side).router));
        }
    }
    for (_, lan) in situation.topology.lans() {
        lan.ends.iter().for_each(|end| add(lan.area, end.router));
    }
    members
}

fn border(areas: &BTreeMap<AreaId, Area>, router: RouterIndex) -> Border {
    let count = areas.values().filter(|area| area.members.contains(&router)).count();
    let backbone = areas.get(&AreaId::BACKBONE).filter(|area| area.members.contains(&router));
    match backbone {
        Some(backbone) if count > 1 && backbone.steps[router.0].is_empty() => Border::WithoutBackbone,
        Some(_) if count > 1 => Border::WithBackbone,
        Some(_) | None => Border::Inside,
    }
}

/// A number for each router, the same for those between whom there is a way by areas in which AS-external-LSAs are flooded.
fn parts(steps: &BTreeMap<AreaId, Vec<Vec<Step>>>, topology: &Topology) -> Vec<usize> {
    let steps: Vec<_> =
        steps.iter().filter(|(area, _)| topology.has_externals(**area)).map(|(_, steps)| steps).collect();
    let mut parts = vec![usize::MAX; topology.routers.len()];
    for first in 0..parts.len() {
        let mut next = vec![first];
        while let Some(router) = next.pop() {
            if parts[router] == usize::MAX {
                parts[router] = first;
                next.extend(steps.iter().flat_map(|steps| &steps[router]).map(|step| step.to.0));
            }
        }
    }
    parts
}

/// Distances from one router to all others.
fn distances(steps: &[Vec<Step>], from: RouterIndex) -> Vec<Option<u32>> {
    let mut distances = vec![None; steps.len()];
    let mut candidates = BinaryHeap::from([Reverse((0_u32, from))]);
    while let Some(Reverse((distance, router))) = candidates.pop() {
        if distances[router.0].is_some() {
            continue;
        }
        distances[router.0] = Some(distance);
        for step in &steps[router.0] {
            if distances[step.to.0].is_none() {
                candidates.push(Reverse((distance + u32::from(step.cost), step.to)));
            }
        }
    }
    distances
}

/// Networks inside OSPF, with the routers that have them.
fn networks(situation: &Situation) -> BTreeMap<Prefix, Vec<Attachment>> {
    let mut networks: BTreeMap<Prefix, Vec<Attachment>> = BTreeMap::new();
    let mut attach = |prefix, attachment| networks.entry(prefix).or_default().push(attachment);
    for router in situation.running() {
        let description = &situation.topology.routers[router.0];
        let area = description.area;
        attach(Prefix::host(router.loopback()), Attachment { router, area, cost: 0, interface: None });
        for (place, (&prefix, &cost)) in description.stubs.iter().enumerate() {
            attach(prefix, Attachment { router, area, cost, interface: Some(stub_interface(place)) });
        }
    }
    for (index, link) in situation.topology.links() {
        // The subnet is there as soon as the interface is up, with or without a neighbour (RFC 2328 §12.4.1.1).
        if link.numbering == Numbering::Unnumbered || !situation.has_carrier(index) {
            continue;
        }
        for end in [link.a, link.b].into_iter().filter(|end| situation.runs(end.router)) {
            let interface = Some(index.interface());
            attach(index.subnet(), Attachment { router: end.router, area: link.area, cost: end.cost, interface });
        }
    }
    for (index, lan) in situation.topology.lans() {
        for end in lan.ends.iter().filter(|end| situation.runs(end.router)) {
            let interface = Some(index.interface());
            attach(index.subnet(), Attachment { router: end.router, area: lan.area, cost: end.cost, interface });
        }
    }
    networks
}

#[cfg(test)]
mod tests {
    use ospf::External;

    use super::*;
    use crate::situation::Trouble;
    use crate::topology::{End, Lan, LanEnd, LanIndex, Link, LinkIndex};

    fn nexthops(route: &Route) -> Vec<u32> {
        route.nexthops.iter().map(|nexthop| nexthop.interface.0).collect()
    }

    #[test]
    fn a_square_has_two_ways_to_its_far_corner_and_one_when_a_link_is_cut() {
        let mut situation = Situation::new(Topology::grid(2, 2));
        let far = Prefix::host(RouterIndex(3).loopback());
        let routes = Oracle::new(&situation).routes(RouterIndex(0));
        assert_eq!(routes.len(), 3);
        assert_eq!((routes[&far].metric, nexthops(&routes[&far])), (20, vec![1, 2]));

        situation.set_trouble(LinkIndex(0), Some(Trouble::Cut));
        let routes = Oracle::new(&situation).routes(RouterIndex(0));
        assert_eq!((routes[&far].metric, nexthops(&routes[&far])), (20, vec![2]));

        situation.set_running(RouterIndex(2), false);
        assert!(Oracle::new(&situation).routes(RouterIndex(0)).is_empty());
    }

    #[test]
    fn a_subnet_costs_the_way_to_a_router_and_its_interface() {
        let situation = Situation::new(Topology::ring(4));
        let routes = Oracle::new(&situation).routes(RouterIndex(0));
        // Link 0 is its own, link 1 is behind the next router, link 2 as far on either way round.
        let own = &routes[&LinkIndex(0).subnet()];
        assert_eq!((own.metric, own.nexthops.first().copied().unwrap().via), (10, None));
        assert_eq!((routes[&LinkIndex(1).subnet()].metric, nexthops(&routes[&LinkIndex(1).subnet()])), (20, vec![1]));
        let opposite = Prefix::host(RouterIndex(2).loopback());
        assert_eq!((routes[&opposite].metric, nexthops(&routes[&opposite])), (20, vec![1, 4]));
    }

    #[test]
    fn parallel_links_are_separate_steps_and_costs_may_differ_by_direction() {
        let mut topology = Topology::ring(2);
        assert_eq!(topology.links.len(), 2);
        topology.links[1] = Link { b: End { cost: 7, ..topology.links[1].b }, ..topology.links[1].clone() };
        let situation = Situation::new(topology);
        let oracle = Oracle::new(&situation);
        let [zero, one] = [RouterIndex(0), RouterIndex(1)];
        assert_eq!(
            (oracle.distance(AreaId::BACKBONE, zero, one), oracle.distance(AreaId::BACKBONE, one, zero)),
            (Some(7), Some(10))
        );
        let routes = oracle.routes(one);
        assert_eq!(nexthops(&routes[&Prefix::host(zero.loopback())]), [1, 2]);
    }

    #[test]
    fn a_border_router_is_the_way_to_other_areas_and_to_what_is_brought_in_there() {
        // 0 -10- 1 -10- 2, the latter link in area 1.
        let mut topology = Topology::ring(3);
        topology.links.truncate(2);
        topology.links[1].area = AreaId(1);
        topology.routers[2].area = AreaId(1);
        let outside = Prefix::new([198, 18, 0, 0].into(), 24);
        let external = External { metric: ExternalMetric::Type1(7), forwarding: None, tag: 0 };
        topology.routers[2].externals.insert(outside, external);
        let mut situation = Situation::new(topology);
        let [zero, one, two] = [0, 1, 2].map(RouterIndex);
        let oracle = Oracle::new(&situation);
        let routes = oracle.routes(zero);
        let there = &routes[&Prefix::host(two.loopback())];
        assert_eq!((there.kind, there.area, there.metric), (RouteKind::InterArea, AreaId::BACKBONE, 20));
        assert_eq!((&there.originators, nexthops(there)), (&BTreeSet::from([one.id()]), vec![1]));
        assert_eq!(
            (routes[&LinkIndex(1).subnet()].kind, routes[&LinkIndex(1).subnet()].metric),
            (RouteKind::InterArea, 20)
        );
        assert_eq!((routes[&outside].kind, routes[&outside].metric), (RouteKind::External1, 27));
        assert_eq!(routes[&outside].originators, BTreeSet::from([two.id()]));
        assert_eq!(oracle.routes(one)[&Prefix::host(two.loopback())].kind, RouteKind::IntraArea);
        assert_eq!(oracle.routes(two)[&Prefix::host(zero.loopback())].area, AreaId(1));
        let domains: Vec<_> = oracle.domains(one).collect();
        assert_eq!(domains, [Domain::Area(AreaId::BACKBONE), Domain::Area(AreaId(1)), Domain::As]);
        assert!(oracle.share(Domain::As, zero, two) && !oracle.share(Domain::Area(AreaId(1)), zero, two));

        // Without anybody in the backbone nothing of area 1 is heard there, nor the other way round.
        situation.set_trouble(LinkIndex(0), Some(Trouble::Cut));
        assert!(!Oracle::new(&situation).routes(zero).contains_key(&Prefix::host(two.loopback())));
        assert_eq!(Oracle::new(&situation).routes(two)[&LinkIndex(0).subnet()].kind, RouteKind::InterArea);
    }

    #[test]
    fn a_lan_joins_those_who_are_plugged_in_if_somebody_may_be_designated() {
        let end = |router, cost, priority| LanEnd { router: RouterIndex(router), cost, priority };
        let mut topology = Topology::mesh(3);
        topology.links.clear();
        topology.lans.push(Lan { area: AreaId::BACKBONE, ends: vec![end(0, 3, 1), end(1, 5, 0), end(2, 7, 0)] });
        let mut situation = Situation::new(topology);
        let (lan, [zero, one, two]) = (LanIndex(0), [0, 1, 2].map(RouterIndex));
        let to = |situation: &Situation, router: RouterIndex| {
            let route = Oracle::new(situation).routes(two).get(&Prefix::host(router.loopback())).cloned()?;
            Some((route.metric, route.nexthops.first()?.via?))
        };
        let address = |situation: &Situation, router| situation.topology.lan_address(lan, router).unwrap();
        assert_eq!(to(&situation, one), Some((7, address(&situation, one))));
        let subnet = &Oracle::new(&situation).routes(two)[&lan.subnet()];
        assert_eq!((subnet.metric, subnet.nexthops.first().unwrap().via), (7, None));

        situation.set_plugged(lan, one, false);
        assert_eq!((to(&situation, one), to(&situation, zero)), (None, Some((7, address(&situation, zero)))));
        situation.set_plugged(lan, one, true);
        situation.set_running(zero, false);
        assert_eq!(to(&situation, one), None, "neither may be the designated router");
    }

    #[test]
    fn a_stub_area_has_a_default_route_in_place_of_what_is_outside() {
        // 0 -10- 1 -10- 2, the latter link in area 1; router 0 brings something in.
        let mut topology = Topology::ring(3);
        topology.links.truncate(2);
        topology.links[1].area = AreaId(1);
        topology.routers[2].area = AreaId(1);
        let outside = Prefix::new([198, 18, 0, 0].into(), 24);
        let external = External { metric: ExternalMetric::Type1(7), forwarding: None, tag: 0 };
        topology.routers[0].externals.insert(outside, external);
        let [zero, one, two] = [0, 1, 2].map(RouterIndex);
        for (summaries, imported) in [(Summaries::Imported, true), (Summaries::DefaultOnly, false)] {
            topology.set_kind(AreaId(1), AreaKind::Stub { summaries, default_cost: 5 });
            let situation = Situation::new(topology.clone());
            let oracle = Oracle::new(&situation);
            let routes = oracle.routes(two);
            assert!(!routes.contains_key(&outside));
            let default = &routes[&Prefix::DEFAULT];
            assert_eq!((default.kind, default.area, default.metric), (RouteKind::InterArea, AreaId(1), 15));
            assert_eq!((&default.originators, nexthops(default)), (&BTreeSet::from([one.id()]), vec![2]));
            assert_eq!(routes.contains_key(&Prefix::host(zero.loopback())), imported);
            let routes = oracle.routes(one);
            assert!(routes.contains_key(&outside) && !routes.contains_key(&Prefix::DEFAULT));
            assert_eq!(oracle.domains(two).collect::<Vec<_>>(), [Domain::Area(AreaId(1))]);
            assert!(!oracle.share(Domain::As, one, two) && oracle.share(Domain::As, zero, one));
        }
    }
}
