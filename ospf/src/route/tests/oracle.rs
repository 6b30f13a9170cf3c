//! Random networks against two naive calculations that share nothing with the engine's: one walks every path there is,
//! the other relaxes every edge until nothing changes.
//!
//! Both work on the description of the network, not on LSAs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::kit::{Net, host, loopback, prefix};
use crate::config::{ExternalMetric, Unlisted};
use crate::ids::{InterfaceId, Prefix, RouterId};
use crate::io::{Nexthop, RouteKind};
use crate::route::table::Refused;

/// Destinations that routers quarrel about.
const DESTINATIONS: [&str; 6] =
    ["10.1.0.0/16", "10.1.2.0/24", "10.0.0.0/8", "0.0.0.0/0", "192.168.1.0/24", "10.255.0.1/32"];

/// A network as described, routers counted from 1.
#[derive(Debug, Clone)]
struct Description {
    routers: u32,
    /// From, to, cost forth, cost back; without the latter the far end does not know the link.
    links: Vec<(u32, u32, u16, Option<u16>)>,
    lans: Vec<BTreeMap<u32, u16>>,
    /// Router, destination, cost.
    stubs: BTreeSet<(u32, usize, u16)>,
    externals: BTreeMap<(u32, usize), (bool, u32, Option<Ipv4Addr>)>,
    guards: BTreeSet<u32>,
    listed: BTreeMap<usize, BTreeSet<u32>>,
    refuse_unlisted: bool,
}

fn description() -> impl Strategy<Value = Description> {
    (2..=6_u32).prop_flat_map(|routers| {
        let router = 1..=routers;
        let cost = 1..=4_u16;
        let link = (router.clone(), router.clone(), cost.clone(), prop::option::weighted(0.9, cost.clone()));
        let links = prop::collection::vec(link.prop_filter("to another", |link| link.0 != link.1), 0..=9);
        let lan = prop::collection::btree_map(router.clone(), cost.clone(), 2..=4);
        let lans = prop::collection::vec(lan, 0..=2);
        let destination = 0..DESTINATIONS.len();
        let stubs = prop::collection::btree_set((router.clone(), destination.clone(), cost), 0..=5);
        let forwarding = prop::option::weighted(
            0.4,
            prop::sample::select(vec![
                [10, 1, 2, 9],
                [192, 168, 1, 9],
                [192, 168, 1, 1],
                [10, 255, 0, 2],
                [9, 9, 9, 9],
            ]),
        );
        let forwarding = forwarding.prop_map(|address| address.map(Ipv4Addr::from));
        let external = (any::<bool>(), 0..4_u32, forwarding);
        let externals = prop::collection::btree_map((router.clone(), destination.clone()), external, 0..=5);
        let guards = prop::collection::btree_set(router.clone(), 0..=4);
        let listed = prop::collection::btree_map(destination, prop::collection::btree_set(router, 0..=3), 0..=3);
        (Just(routers), links, lans, stubs, externals, guards, listed, any::<bool>()).prop_map(
            |(routers, links, lans, stubs, externals, guards, listed, refuse_unlisted)| Description {
                routers,
                links,
                lans,
                stubs,
                externals,
                guards,
                listed,
                refuse_unlisted,
            },
        )
    })
}

fn index_of(destination: Prefix) -> usize {
    DESTINATIONS.iter().position(|&text| prefix(text) == destination).unwrap_or(usize::MAX)
}

impl Description {
    fn build(&self) -> Net {
        let mut net = Net::new(self.routers);
        for &(from, to, forth, back) in &self.links {
            net.half_link(from, to, forth);
            if let Some(back) = back {
                net.half_link(to, from, back);
            }
        }
        for (number, members) in (1..).zip(&self.lans) {
            net.lan(number, &members.iter().map(|(&router, &cost)| (router, cost)).collect::<Vec<_>>());
        }
        for &(router, destination, cost) in &self.stubs {
            net.stub(router, DESTINATIONS[destination], cost);
        }
        for (&(router, destination), &(type_1, metric, forwarding)) in &self.externals {
            let metric = if type_1 { ExternalMetric::Type1(metric) } else { ExternalMetric::Type2(metric) };
            let lsa = net.external(router, DESTINATIONS[destination], metric);
            lsa.forwarding_address = forwarding.unwrap_or(Ipv4Addr::UNSPECIFIED);
        }
        let guards: Vec<_> = self.guards.iter().copied().collect();
        let listed = self.listed.iter().map(|(&d, set)| (DESTINATIONS[d], Vec::from_iter(set.iter().copied())));
        let listed: Vec<_> = listed.collect();
        let listed: Vec<_> = listed.iter().map(|(text, set)| (*text, set.as_slice())).collect();
        net.believe(&guards, &listed, if self.refuse_unlisted { Unlisted::Refuse } else { Unlisted::Accept });
        net
    }
}

/// A place in the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Router(u32),
    Lan(usize),
}

/// Next hop and last guard.
type Step = (Nexthop, Option<u32>);

/// The least cost to a place, and all first steps that lead there at that cost.
type Ways = (u32, BTreeSet<Step>);

/// Walks every path without a circle.
struct Walk<'a> {
    description: &'a Description,
    best: BTreeMap<Place, Ways>,
}

impl Walk<'_> {
    fn from(&mut self, path: &mut Vec<Place>, cost: u32, first: Option<Nexthop>, guard: Option<u32>) {
        let here = *path.last().expect("the root at least");
        let guard = match here {
            Place::Router(router) if self.description.guards.contains(&router) => Some(router),
            _ => guard,
        };
        if let Some(first) = first {
            let (least, steps) = self.best.entry(here).or_insert((u32::MAX, BTreeSet::new()));
            if cost < *least {
                (*least, *steps) = (cost, BTreeSet::new());
            }
            if cost == *least {
                steps.insert((first, guard));
            }
        }
        for (next, metric, step) in self.steps(here, first) {
            if !path.contains(&next) {
                path.push(next);
                self.from(path, cost + u32::from(metric), Some(step), guard);
                path.pop();
            }
        }
    }

    /// Where one step leads, at what cost, and the next hop of the path that takes it.
    fn steps(&self, here: Place, first: Option<Nexthop>) -> Vec<(Place, u16, Nexthop)> {
        let both_ways = |a, b| {
            let knows = |a, b| {
                let forth = self.description.links.iter().any(|link| (link.0, link.1) == (a, b));
                forth || self.description.links.iter().any(|link| (link.1, link.0) == (a, b) && link.3.is_some())
            };
            knows(a, b) && knows(b, a)
        };
        let mut steps = Vec::new();
        match here {
            Place::Router(router) => {
                // Interfaces count up in the order of the description.
                let mut interface = 0;
                for &(from, to, forth, back) in &self.description.links {
                    for (from, to, metric) in [(from, to, Some(forth)), (to, from, back)] {
                        let Some(metric) = metric.filter(|_| from == router) else { continue };
                        interface += 1;
                        let own = Nexthop { interface: InterfaceId(interface), via: Some(loopback(to)) };
                        if both_ways(from, to) {
                            steps.push((Place::Router(to), metric, first.unwrap_or(own)));
                        }
                    }
                }
                for (lan, members) in self.description.lans.iter().enumerate() {
                    if let Some(&metric) = members.get(&router) {
                        interface += 1;
                        let own = Nexthop { interface: InterfaceId(interface), via: None };
                        steps.push((Place::Lan(lan), metric, first.unwrap_or(own)));
                    }
                }
            }
            Place::Lan(lan) => {
                for &router in self.description.lans[lan].keys() {
                    let first = first.expect("no path begins on a network");
                    let address = Ipv4Addr::new(192, 168, lan as u8 + 1, router as u8);
                    let step = Nexthop { via: first.via.or(Some(address)), ..first };
                    steps.push((Place::Router(router), 0, step));
                }
            }
        }
        steps
    }
}

/// A path on offer: the least rank is the best, and its first part is the path type.
#[derive(Debug, Clone)]
struct Found {
    rank: (RouteKind, u32, u32),
    metric: u32,
    steps: BTreeSet<Step>,
}

struct Oracle<'a> {
    description: &'a Description,
    net: &'a Net,
    root: u32,
    best: BTreeMap<Place, Ways>,
    refused: BTreeSet<Refused>,
    routes: BTreeMap<Prefix, Found>,
}

impl Oracle<'_> {
    fn believes(&self, destination: Prefix, step: Step) -> bool {
        let mut own = self.net.nodes[&self.root].connected.iter();
        let (Nexthop { interface, via }, guard) = step;
        if via.is_none() && own.any(|own| own.prefix == destination && own.interface == Some(interface)) {
            return true;
        }
        match self.listed(destination) {
            Some(guards) => guard.is_some_and(|guard| guards.contains(&guard)),
            None => !self.description.refuse_unlisted,
        }
    }

    fn listed(&self, destination: Prefix) -> Option<&BTreeSet<u32>> {
        let listed = self.description.listed.iter().map(|(&index, guards)| (prefix(DESTINATIONS[index]), guards));
        let covering = listed.filter(|(listed, _)| match listed.len() {
            0 => destination.len() == 0,
            _ => listed.covers(destination),
        });
        covering.max_by_key(|(listed, _)| listed.len()).map(|(_, guards)| guards)
    }

    fn refuse(&mut self, destination: Prefix, originator: u32, steps: &BTreeSet<Step>) {
        let is_listed = self.listed(destination).is_some();
        for (_, guard) in steps {
            let guard = guard.filter(|_| is_listed).map(RouterId);
            self.refused.insert(Refused { prefix: destination, originator: RouterId(originator), guard });
        }
    }

    fn offer(&mut self, destination: Prefix, originator: u32, mut offer: Found) {
        let offered = offer.steps.clone();
        offer.steps.retain(|&step| self.believes(destination, step));
        if offer.steps.is_empty() {
            return self.refuse(destination, originator, &offered);
        }
        let is_own = self.description.externals.contains_key(&(self.root, index_of(destination)));
        if is_own && offer.rank.0 > RouteKind::InterArea {
            // Only what stands behind the root itself adds to what the root brings in.
            offer.steps.retain(|(_, guard)| *guard == Some(self.root));
        }
        if offer.steps.is_empty() || destination == host(self.root) {
            return;
        }
        match self.routes.get_mut(&destination) {
            Some(known) if known.rank < offer.rank => {}
            Some(known) if known.rank == offer.rank => known.steps.extend(offer.steps),
            _ => _ = self.routes.insert(destination, offer),
        }
    }

    fn internal(&mut self) {
        let inside = |cost| (RouteKind::IntraArea, cost, 0);
        for (lan, members) in self.description.lans.iter().enumerate() {
            let Some((cost, steps)) = self.best.get(&Place::Lan(lan)).cloned() else { continue };
            let designated = *members.keys().next().expect("members");
            let guard = self.description.guards.get(&designated).copied();
            let steps = steps.into_iter().map(|(nexthop, last)| (nexthop, guard.or(last))).collect();
            let destination = Prefix::new(Ipv4Addr::new(192, 168, lan as u8 + 1, 0), 24);
            self.offer(destination, designated, Found { rank: inside(cost), metric: cost, steps });
        }
        let net = self.net;
        for (&router, node) in &net.nodes {
            let stubs = self.description.stubs.iter().filter(|stub| stub.0 == router);
            let stubs: Vec<_> = stubs.map(|&(_, index, cost)| (prefix(DESTINATIONS[index]), cost)).collect();
            for (destination, metric) in stubs.into_iter().chain([(host(router), 0)]) {
                if (router, destination) == (self.root, host(self.root)) {
                    continue;
                }
                let (distance, steps) = if router == self.root {
                    let guard = self.description.guards.get(&router).copied();
                    let own = node.connected.iter().filter(|own| own.prefix == destination);
                    let interfaces = own.filter_map(|own| own.interface);
                    let steps = interfaces.map(|interface| (Nexthop { interface, via: None }, guard)).collect();
                    (0, steps)
                } else {
                    match self.best.get(&Place::Router(router)) {
                        Some(ways) => ways.clone(),
                        None => continue,
                    }
                };
                let cost = distance + u32::from(metric);
                self.offer(destination, router, Found { rank: inside(cost), metric: cost, steps });
            }
        }
    }

    fn external(&mut self) {
        let internal = self.routes.clone();
        for (&(router, index), &(type_1, metric, forwarding)) in &self.description.externals {
            if router == self.root {
                continue;
            }
            let destination = prefix(DESTINATIONS[index]);
            let Some((distance, steps)) = self.best.get(&Place::Router(router)).cloned() else { continue };
            let (distance, exit_steps) = match forwarding {
                None => (distance, steps.clone()),
                Some(address) => {
                    if self.net.nodes[&self.root].connected.iter().any(|own| own.address == address) {
                        continue;
                    }
                    let matching = internal.iter().filter(|(prefix, _)| prefix.contains(address));
                    let Some((_, path)) = matching.max_by_key(|(prefix, _)| prefix.len()) else { continue };
                    let on = |nexthop: Nexthop| Nexthop { via: nexthop.via.or(Some(address)), ..nexthop };
                    (path.metric, path.steps.iter().map(|&(nexthop, guard)| (on(nexthop), guard)).collect())
                }
            };
            if !steps.iter().any(|&step| self.believes(destination, step)) {
                self.refuse(destination, router, &steps);
                continue;
            }
            // A guard that originates is the last on every path to what it says.
            let originating = self.description.guards.get(&router).copied();
            let steps = exit_steps.into_iter().map(|(nexthop, guard)| (nexthop, originating.or(guard))).collect();
            let (rank, metric) = match type_1 {
                true => ((RouteKind::External1, distance + metric, 0), distance + metric),
                false => ((RouteKind::External2, metric, distance), metric),
            };
            self.offer(destination, router, Found { rank, metric, steps });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, rng_seed: RngSeed::Fixed(2328), ..ProptestConfig::default() })]

    #[test]
    fn routes_are_those_found_by_walking_every_path(description in description()) {
        let net = description.build();
        for root in 1..=description.routers {
            let mut walk = Walk { description: &description, best: BTreeMap::new() };
            walk.from(&mut vec![Place::Router(root)], 0, None, None);
            let best = walk.best;
            let (description, net) = (&description, &net);
            let mut oracle =
                Oracle { description, net, root, best, refused: BTreeSet::new(), routes: BTreeMap::new() };
            oracle.internal();
            oracle.external();
            let expected: BTreeMap<_, _> = oracle.routes.into_iter().map(|(prefix, found)| {
                let nexthops: BTreeSet<_> = found.steps.into_iter().map(|(nexthop, _)| nexthop).collect();
                (prefix, (found.rank.0, found.metric, nexthops))
            }).collect();
            let calculation = net.routes(root);
            let routes = calculation.table.routes();
            let actual: BTreeMap<_, _> = routes
                .map(|(prefix, route)| (prefix, (route.kind, route.metric, route.nexthops.clone())))
                .collect();
            prop_assert_eq!(actual, expected, "routes of router {}", root);
            prop_assert_eq!(&calculation.refused, &oracle.refused, "refusals of router {}", root);
            prop_assert_eq!(&net.routes(root), &calculation, "the same once more");
        }
    }

    #[test]
    fn distances_are_those_of_bellman_ford(
        routers in 2..=60_u32,
        links in prop::collection::vec((any::<u32>(), any::<u32>(), 1..=u16::MAX, 1..=u16::MAX), 0..=200),
    ) {
        let mut net = Net::new(routers);
        let mut edges = Vec::new();
        for (a, b, forth, back) in links {
            let (a, b) = (a % routers + 1, b % routers + 1);
            if a != b {
                net.half_link(a, b, forth);
                net.half_link(b, a, back);
                edges.extend([(a, b, u32::from(forth)), (b, a, u32::from(back))]);
            }
        }
        let mut distance = BTreeMap::from([(1, 0)]);
        for _ in 0..routers {
            for &(from, to, cost) in &edges {
                if let Some(&known) = distance.get(&from) {
                    let least = distance.entry(to).or_insert(u32::MAX);
                    *least = (*least).min(known + cost);
                }
            }
        }
        let calculation = net.routes(1);
        for router in 2..=routers {
            let metric = calculation.table.networks.get(&host(router)).map(|route| route.metric);
            prop_assert_eq!(metric, distance.get(&router).copied());
        }
    }
}
