//! What every router should know, from the topology alone: no LSA, no database, no tree.
//!
//! Distances between all pairs come first. A link out of a router is then a first step towards another exactly if its cost and
//! the distance from its far end make the whole distance. Engines calculate by RFC 2328 §16 instead, and both must agree.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use ospf::{AreaId, ExternalMetric, InterfaceId, Nexthop, Prefix, Route, RouteKind, RouterId};

use crate::situation::Situation;
use crate::topology::{Numbering, RouterIndex, Side, stub_interface};

/// The right answers for a situation.
#[derive(Debug)]
pub struct Oracle<'a> {
    situation: &'a Situation,
    steps: Vec<Vec<Step>>,
    /// `distances[a][b]`; `None` if there is no way.
    distances: Vec<Vec<Option<u32>>>,
    networks: BTreeMap<Prefix, Vec<Attachment>>,
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
    cost: u16,
    /// `None` for a loopback address.
    interface: Option<InterfaceId>,
}

impl<'a> Oracle<'a> {
    /// Looks at the situation as it stands, and takes routers and links that are in trouble as absent.
    pub fn new(situation: &'a Situation) -> Self {
        let mut steps = vec![Vec::new(); situation.topology.routers.len()];
        for (index, link) in situation.joined() {
            for side in Side::BOTH {
                let (near, far) = (link.end(side), link.end(side.other()));
                let via = Some(situation.topology.address(index, side.other()));
                let nexthop = Nexthop { interface: index.interface(), via };
                steps[near.router.0].push(Step { to: far.router, cost: near.cost, nexthop });
            }
        }
        let distances = (0..steps.len()).map(|from| distances(&steps, RouterIndex(from))).collect();
        Self { situation, steps, distances, networks: networks(situation) }
    }

    /// The distance from one router to another; `None` if there is no way.
    pub fn distance(&self, from: RouterIndex, to: RouterIndex) -> Option<u32> {
        self.distances[from.0][to.0]
    }

    /// The routes that a router should have. Its own loopback address and what it brings in itself need none.
    pub fn routes(&self, root: RouterIndex) -> BTreeMap<Prefix, Route> {
        let mut first_steps = FirstSteps { oracle: self, root, known: vec![None; self.steps.len()] };
        let mut routes: BTreeMap<Prefix, Route> = BTreeMap::new();
        for (&prefix, attachments) in &self.networks {
            routes.extend(self.internal(&mut first_steps, attachments).map(|route| (prefix, route)));
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

    fn internal(&self, first_steps: &mut FirstSteps<'_>, attachments: &[Attachment]) -> Option<Route> {
        let root = first_steps.root;
        let cost = |attachment: &Attachment| Some(self.distance(root, attachment.router)? + u32::from(attachment.cost));
        let metric = attachments.iter().filter_map(cost).min()?;
        let mut route = Route {
            kind: RouteKind::IntraArea,
            area: AreaId::BACKBONE,
            metric,
            originators: BTreeSet::new(),
            nexthops: BTreeSet::new(),
            tag: 0,
        };
        for attachment in attachments.iter().filter(|attachment| cost(attachment) == Some(metric)) {
            route.originators.insert(attachment.router.id());
            if attachment.router != root {
                route.nexthops.extend(first_steps.towards(attachment.router));
            } else if let Some(interface) = attachment.interface {
                route.nexthops.insert(Nexthop { interface, via: None });
            }
        }
        Some(route)
    }

    fn externals(&self, first_steps: &mut FirstSteps<'_>) -> BTreeMap<Prefix, Route> {
        let root = first_steps.root;
        // RFC 2328 §16.4 (6): type 1 first, by the whole cost; then type 2 by metric, then by the way to the boundary router.
        let mut best: BTreeMap<Prefix, (RouteKind, u32, u32, BTreeSet<RouterIndex>)> = BTreeMap::new();
        for (boundary, router) in self.situation.topology.routers() {
            let Some(distance) = self.distance(root, boundary).filter(|_| boundary != root) else { continue };
            for (&prefix, external) in &router.externals {
                let (kind, metric, inside) = match external.metric {
                    ExternalMetric::Type1(metric) => (RouteKind::External1, distance + metric, 0),
                    ExternalMetric::Type2(metric) => (RouteKind::External2, metric, distance),
                };
                let found = (kind, metric, inside, BTreeSet::from([boundary]));
                let known = best.entry(prefix).or_insert_with(|| found.clone());
                match (found.0, found.1, found.2).cmp(&(known.0, known.1, known.2)) {
                    std::cmp::Ordering::Less => *known = found,
                    std::cmp::Ordering::Equal => known.3.extend(found.3),
                    std::cmp::Ordering::Greater => {}
                }
            }
        }
        let mut routes = BTreeMap::new();
        for (prefix, (kind, metric, _, boundaries)) in best {
            let nexthops = boundaries.iter().flat_map(|&boundary| first_steps.towards(boundary)).collect();
            let originators: BTreeSet<RouterId> = boundaries.into_iter().map(RouterIndex::id).collect();
            routes.insert(prefix, Route { kind, area: AreaId::BACKBONE, metric, originators, nexthops, tag: 0 });
        }
        routes
    }
}

/// First steps from one router, each set found once.
struct FirstSteps<'a> {
    oracle: &'a Oracle<'a>,
    root: RouterIndex,
    known: Vec<Option<BTreeSet<Nexthop>>>,
}

impl FirstSteps<'_> {
    fn towards(&mut self, to: RouterIndex) -> BTreeSet<Nexthop> {
        let (oracle, root) = (self.oracle, self.root);
        self.known[to.0]
            .get_or_insert_with(|| {
                let Some(whole) = oracle.distance(root, to) else { return BTreeSet::new() };
                let steps = oracle.steps[root.0].iter();
                let on_the_way = |step: &&Step| {
                    oracle.distance(step.to, to).is_some_and(|rest| u32::from(step.cost) + rest == whole)
                };
                steps.filter(on_the_way).map(|step| step.nexthop).collect()
            })
            .clone()
    }
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
        attach(Prefix::host(router.loopback()), Attachment { router, cost: 0, interface: None });
        for (place, (&prefix, &cost)) in situation.topology.routers[router.0].stubs.iter().enumerate() {
            attach(prefix, Attachment { router, cost, interface: Some(stub_interface(place)) });
        }
    }
    for (index, link) in situation.topology.links() {
        // The subnet is there as soon as the interface is up, with or without a neighbour (RFC 2328 §12.4.1.1).
        if link.numbering == Numbering::Unnumbered || !situation.has_carrier(index) {
            continue;
        }
        for end in [link.a, link.b].into_iter().filter(|end| situation.runs(end.router)) {
            attach(
                index.subnet(),
                Attachment { router: end.router, cost: end.cost, interface: Some(index.interface()) },
            );
        }
    }
    networks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::situation::Trouble;
    use crate::topology::{End, Link, LinkIndex, Topology};

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
        assert_eq!((oracle.distance(zero, one), oracle.distance(one, zero)), (Some(7), Some(10)));
        let routes = oracle.routes(one);
        assert_eq!(nexthops(&routes[&Prefix::host(zero.loopback())]), [1, 2]);
    }
}
