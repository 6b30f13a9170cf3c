//! Alternates against the vectors of `ospf/vectors/lfa.json`, which were computed by brute force, and against walks over every shortest
//! path of random networks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::Value;

use super::choice::{Choice, Destination};
use super::*;
use crate::config::{ExternalMetric, Unlisted};
use crate::ids::{AreaId, Prefix, RouterId};
use crate::io::Nexthop;
use crate::protection::{Alternate, Protection, Unprotected};
use crate::route::policy::Verdict;
use crate::route::tests::kit::{Net, host, loopback, prefix};

/// The area of a network as one of its routers sees it.
fn area(net: &Net, root: u32) -> Area {
    net.with_inputs(root, |inputs| {
        let (mut area, news) = Area::new(inputs, &inputs.areas[0], None).expect("a router of the network");
        assert_eq!(news, News::Anything);
        while !area.is_complete() {
            assert!(area.advance() > 0);
        }
        area
    })
}

/// The protection of the route from a router to a destination, as the engine determines it.
fn protection(net: &Net, root: u32, destination: Prefix) -> Option<Protection> {
    let areas = BTreeMap::from([(AreaId::BACKBONE, area(net, root))]);
    let latest = net.routes(root);
    let (protection, _) =
        net.with_inputs(root, |inputs| Protector::default().protection(inputs, &latest, &areas, destination));
    protection.map(|protection| Protection::clone(&protection))
}

/// All alternates for one next hop of the route to a router's loopback address.
fn alternates(net: &Net, root: u32, destination: Prefix, primary: Nexthop) -> Result<Vec<Alternate>, Unprotected> {
    let Area::Several(area) = area(net, root) else { return Err(Unprotected::NoOtherNeighbor) };
    let nexthops = net.routes(root).table.networks[&destination].nexthops.clone();
    let places = area.networks[&destination].iter().filter(|place| place.vertex != area.root).copied().collect();
    let destination = Destination { places, elsewhere: BTreeSet::new(), is_external: false };
    let choice = Choice { area: &area, destination: &destination, verdict: Verdict::Anyone, is_backbone: true };
    choice.alternates(primary, &nexthops)
}

/// A network of the vectors, and the name of each router's link by its interface.
struct Vector {
    net: Net,
    links: BTreeMap<(u32, u32), String>,
}

fn router(name: &Value) -> u32 {
    name.as_str()
        .and_then(|name| name.strip_prefix('r'))
        .and_then(|number| number.parse().ok())
        .expect("r and a number")
}

fn cost(value: &Value) -> u16 {
    value.as_u64().and_then(|cost| cost.try_into().ok()).expect("a cost")
}

impl Vector {
    fn new(vector: &Value) -> Self {
        let routers = vector["routers"].as_array().expect("routers");
        let mut net = Net::new(u32::try_from(routers.len()).expect("few routers"));
        let mut links = BTreeMap::new();
        for link in vector["links"].as_array().expect("links") {
            let (a, b) = (router(&link["a"]), router(&link["b"]));
            let name = format!("r{a}-r{b}");
            let of_a = net.half_link(a, b, cost(&link["cost_ab"]));
            let of_b = net.half_link(b, a, cost(&link["cost_ba"]));
            links.extend([((a, of_a.0), name.clone()), ((b, of_b.0), name)]);
        }
        for (number, lan) in (1..).zip(vector["lans"].as_array().into_iter().flatten()) {
            let costs = lan["costs"].as_object().expect("costs");
            let members: Vec<_> =
                costs.iter().map(|(name, metric)| (router(&Value::from(name.as_str())), cost(metric))).collect();
            net.lan(number, &members);
            for (member, _) in members {
                let interface = net.nodes[&member].adjacencies.last().expect("the link to the network").interface;
                links.insert((member, interface.0), lan["name"].as_str().expect("a name").to_owned());
            }
        }
        Self { net, links }
    }

    /// The next hop of a router over a link, to another router.
    fn nexthop(&self, from: u32, via: u32, link: &str) -> Nexthop {
        let mut of_link = self.net.nodes[&from].adjacencies.iter();
        let adjacency = of_link.find(|adjacency| self.links[&(from, adjacency.interface.0)] == link).expect("a link");
        let lan = link.strip_prefix("lan").map(|number| number.parse().expect("a number"));
        let address = |number| Ipv4Addr::new(192, 168, number, u8::try_from(via).expect("a host number"));
        Nexthop { interface: adjacency.interface, via: Some(lan.map_or(loopback(via), address)) }
    }
}

#[test]
fn alternates_are_those_of_the_vectors_in_their_order() {
    let text = include_str!("../../../vectors/lfa.json");
    let file: Value = serde_json::from_str(text).expect("JSON");
    let vectors = file["vectors"].as_array().expect("vectors");
    assert_eq!(vectors.len(), 8);
    let mut examined = 0;
    for vector in vectors {
        let network = Vector::new(vector);
        let name = vector["name"].as_str().expect("a name");
        for (from, routes) in vector["routes"].as_object().expect("routes") {
            let from = router(&Value::from(from.as_str()));
            for (to, route) in routes.as_object().expect("destinations") {
                let to = router(&Value::from(to.as_str()));
                for protected in route["protection"].as_array().expect("protection") {
                    let link = protected["link"].as_str().expect("a link");
                    let primary = network.nexthop(from, router(&protected["of"]), link);
                    let expected: Vec<_> = protected["alternates"]
                        .as_array()
                        .expect("alternates")
                        .iter()
                        .map(|one| {
                            let flag = |name: &str| one[name].as_bool().expect("a flag");
                            let via = router(&one["via"]);
                            Alternate {
                                nexthop: network.nexthop(from, via, one["link"].as_str().expect("a link")),
                                router_id: RouterId(via),
                                metric: u32::try_from(one["metric"].as_u64().expect("a metric")).expect("a cost"),
                                equal_cost: flag("primary"),
                                link_protecting: flag("link_protecting"),
                                node_protecting: flag("node_protecting"),
                                downstream: flag("downstream"),
                            }
                        })
                        .collect();
                    let found = alternates(&network.net, from, host(to), primary);
                    assert_eq!(
                        found.as_deref().unwrap_or_default(),
                        expected,
                        "{name}: r{from} to r{to} by {primary:?}"
                    );
                    let best = protection(&network.net, from, host(to)).expect("a route").nexthops[&primary];
                    assert_eq!(best.ok(), expected.first().copied());
                    if let Err(reason) = found {
                        let rejected = protected["rejected"].as_array().expect("rejected").iter();
                        let reasons = rejected.map(|one| match one["reason"].as_str().expect("a reason") {
                            "not loop-free" => Unprotected::NotLoopFree,
                            "max-metric" => Unprotected::MaxLinkMetric,
                            "shares the failed link" => Unprotected::SameFate,
                            other => panic!("{other}: an unknown reason"),
                        });
                        assert_eq!(Some(reason), reasons.max(), "{name}: r{from} to r{to} by {primary:?}");
                    }
                    examined += 1;
                }
            }
        }
    }
    assert!(examined > 100, "{examined} next hops");
}

/// A random network of one area.
#[derive(Debug, Clone)]
struct Description {
    routers: u32,
    /// Both routers, and the cost in each direction.
    links: Vec<(u32, u32, u16, u16)>,
    /// The members of each broadcast network, with their costs.
    lans: Vec<BTreeMap<u32, u16>>,
    /// The routers that a destination is behind, with its cost there.
    stub: BTreeMap<u32, u16>,
}

const STUB: &str = "203.0.113.0/24";

fn description() -> impl Strategy<Value = Description> {
    // Small costs, so that many paths are equal.
    let cost = || prop_oneof![12 => 1..=5_u16, 1 => Just(65535_u16)];
    (3..=7_u32).prop_flat_map(move |routers| {
        let one = move || 1..=routers;
        let links = prop::collection::vec((one(), one(), cost(), cost()), 2..=11);
        let lans = prop::collection::vec(prop::collection::btree_map(one(), cost(), 2..=4), 0..=2);
        let stub = prop::collection::btree_map(one(), 1..=5_u16, 1..=3);
        (links, lans, stub).prop_map(move |(mut links, lans, stub)| {
            links.retain(|(a, b, ..)| a != b);
            Description { routers, links, lans, stub }
        })
    })
}

/// A vertex of the oracle's graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum At {
    Router(u32),
    Lan(usize),
    Stub,
}

impl Description {
    fn build(&self) -> Net {
        let mut net = Net::new(self.routers);
        for &(a, b, forth, back) in &self.links {
            net.half_link(a, b, forth);
            net.half_link(b, a, back);
        }
        for (number, members) in (1..).zip(&self.lans) {
            net.lan(number, &members.iter().map(|(&router, &cost)| (router, cost)).collect::<Vec<_>>());
        }
        for (&router, &cost) in &self.stub {
            net.stub(router, STUB, cost);
        }
        net
    }

    /// All edges; of parallel links each.
    fn edges(&self) -> Vec<(At, At, u32)> {
        let mut edges = Vec::new();
        for &(a, b, forth, back) in &self.links {
            edges.push((At::Router(a), At::Router(b), u32::from(forth)));
            edges.push((At::Router(b), At::Router(a), u32::from(back)));
        }
        for (lan, members) in self.lans.iter().enumerate() {
            for (&router, &cost) in members {
                edges.push((At::Router(router), At::Lan(lan), u32::from(cost)));
                edges.push((At::Lan(lan), At::Router(router), 0));
            }
        }
        edges.extend(self.stub.iter().map(|(&router, &cost)| (At::Router(router), At::Stub, u32::from(cost))));
        edges
    }

    /// The distance of every vertex to a destination, by Bellman and Ford.
    fn distances(edges: &[(At, At, u32)], to: At) -> BTreeMap<At, u32> {
        let mut distances = BTreeMap::from([(to, 0)]);
        let mut changed = true;
        while std::mem::take(&mut changed) {
            for &(from, by, cost) in edges {
                let Some(rest) = distances.get(&by).copied() else { continue };
                let known = distances.entry(from).or_insert(u32::MAX);
                if rest + cost < *known {
                    (*known, changed) = (rest + cost, true);
                }
            }
        }
        distances
    }

    /// Every vertex on a shortest path, both ends included.
    fn walk(edges: &[(At, At, u32)], distances: &BTreeMap<At, u32>, from: At) -> BTreeSet<At> {
        let mut seen = BTreeSet::new();
        let mut next = vec![from];
        while let Some(here) = next.pop() {
            if seen.insert(here) {
                let steps = edges.iter().filter(|(source, by, cost)| {
                    *source == here && distances.get(by).is_some_and(|rest| rest + cost == distances[&here])
                });
                next.extend(steps.map(|(_, by, _)| *by));
            }
        }
        seen
    }

    /// The router that a next hop leads to, the network on its link if there is one, and the cost of the link.
    fn end(&self, net: &Net, root: u32, nexthop: Nexthop) -> (u32, Option<usize>, u16) {
        let node = &net.nodes[&root];
        let adjacency =
            node.adjacencies.iter().find(|adjacency| adjacency.interface == nexthop.interface).expect("a link");
        let link = node.lsa.links.iter().find(|link| link.data == adjacency.link_data).expect("a link of the LSA");
        let via = nexthop.via.expect("a router's address").octets();
        let lan = (via[0] == 192).then(|| usize::from(via[2]) - 1);
        (u32::from(via[3]), lan, link.metric)
    }

    /// Every next hop that a router could use.
    fn nexthops(&self, net: &Net, root: u32) -> BTreeSet<Nexthop> {
        let mut all = BTreeSet::new();
        for adjacency in &net.nodes[&root].adjacencies {
            let interface = adjacency.interface;
            match adjacency.peer {
                crate::route::Peer::Router { address, .. } => _ = all.insert(Nexthop { interface, via: Some(address) }),
                crate::route::Peer::Network { designated_router } => {
                    let lan = designated_router.octets()[2];
                    let members = self.lans[usize::from(lan) - 1].keys().filter(|&&member| member != root);
                    let address = |&member: &u32| Ipv4Addr::new(192, 168, lan, u8::try_from(member).unwrap());
                    all.extend(members.map(|member| Nexthop { interface, via: Some(address(member)) }));
                }
                crate::route::Peer::Virtual(_) => unreachable!("no virtual links here"),
            }
        }
        all
    }

    /// Whether a link has the cost MaxLinkMetric in one direction; `None` as network: a point-to-point link, of which the least cost of
    /// parallel ones counts for the way back.
    fn is_avoided(&self, root: u32, end: (u32, Option<usize>, u16)) -> bool {
        let (router, lan, cost) = end;
        let back = match lan {
            Some(lan) => Some(self.lans[lan][&router]),
            None => {
                let forth = self.links.iter().filter(|link| (link.0, link.1) == (router, root)).map(|link| link.2);
                let back = self.links.iter().filter(|link| (link.1, link.0) == (router, root)).map(|link| link.3);
                forth.chain(back).min()
            }
        };
        cost == u16::MAX || back == Some(u16::MAX)
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 10_000, failure_persistence: None, rng_seed: RngSeed::Fixed(5286), ..ProptestConfig::default()
    })]

    /// RFC 5286 in words: an alternate has no shortest path that comes back, it protects what its shortest paths avoid, and every neighbour
    /// of which that is true is one.
    #[test]
    fn alternates_are_those_found_by_walking_every_shortest_path(description in description(), root in 1..=7_u32, stub: bool) {
        let root = (root - 1) % description.routers + 1;
        let net = description.build();
        let edges = description.edges();
        let routes = net.routes(root);
        let targets = (1..=description.routers).filter(|&router| router != root).map(|router| (At::Router(router), host(router)));
        let stubs = (stub && !description.stub.contains_key(&root)).then(|| (At::Stub, prefix(STUB)));
        for (target, destination) in targets.chain(stubs) {
            let Some(route) = routes.table.networks.get(&destination) else { continue };
            let distances = Description::distances(&edges, target);
            for &primary in &route.nexthops {
                let failed = description.end(&net, root, primary);
                let mut expected = BTreeSet::new();
                for nexthop in description.nexthops(&net, root) {
                    let end = description.end(&net, root, nexthop);
                    let from = At::Router(end.0);
                    if nexthop == primary || description.is_avoided(root, end) || !distances.contains_key(&from) {
                        continue;
                    }
                    let on_way = Description::walk(&edges, &distances, from);
                    let avoids_lan = failed.1.is_none_or(|lan| !on_way.contains(&At::Lan(lan)) && end.1 != Some(lan));
                    let link_protecting = nexthop.interface != primary.interface && avoids_lan;
                    let node_protecting = !on_way.contains(&At::Router(failed.0));
                    if on_way.contains(&At::Router(root)) || !(link_protecting || node_protecting) {
                        continue;
                    }
                    expected.insert(Alternate {
                        nexthop,
                        router_id: RouterId(end.0),
                        metric: distances[&from] + u32::from(end.2),
                        equal_cost: route.nexthops.contains(&nexthop),
                        link_protecting,
                        node_protecting,
                        downstream: distances[&from] < distances[&At::Router(root)],
                    });
                }
                let found = alternates(&net, root, destination, primary);
                let found: BTreeSet<_> = found.into_iter().flatten().collect();
                prop_assert_eq!(found, expected, "router {} to {} by {:?}", root, destination, primary);
            }
        }
    }

    /// What is taken over from former distances is what a calculation from nothing finds.
    #[test]
    fn distances_that_are_taken_over_are_right(before in description(), cost in 1..=5_u16, link: prop::sample::Index) {
        let mut after = before.clone();
        if !after.links.is_empty() {
            let changed = link.index(after.links.len());
            after.links[changed].2 = cost;
        }
        let root = 1;
        let former = area(&before.build(), root);
        let fresh = area(&after.build(), root);
        let net = after.build();
        let taken = net.with_inputs(root, |inputs| {
            let (mut taken, news) = Area::new(inputs, &inputs.areas[0], Some(former.clone())).expect("a router");
            let complete = taken.is_complete();
            while !taken.is_complete() {
                taken.advance();
            }
            (taken, news, complete)
        });
        let (taken, news, complete) = taken;
        prop_assert_eq!(&taken, &fresh);
        if news != News::Anything {
            prop_assert!(complete);
            prop_assert!(former.has_same_distances(&fresh), "nothing but networks has changed");
        }
    }
}

/// A packet on its way after a failure that only its neighbours know of, to every router that it may reach.
#[test]
fn a_packet_that_takes_an_alternate_arrives_whatever_single_link_or_router_has_failed() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(8333),
        ..ProptestConfig::default()
    });
    let rerouted = std::cell::Cell::new(0);
    runner
        .run(&description(), |description| {
            let net = description.build();
            let protections: BTreeMap<u32, Vec<(u32, Protection)>> = (1..=description.routers)
                .map(|from| {
                    let to = (1..=description.routers).filter(|&to| to != from);
                    (from, to.filter_map(|to| Some((to, protection(&net, from, host(to))?))).collect())
                })
                .collect();
            for (&from, routes) in &protections {
                for (to, protection) in routes {
                    for (primary, alternate) in &protection.nexthops {
                        let Ok(alternate) = alternate else { continue };
                        let failed = description.end(&net, from, *primary);
                        // The router with the failed link knows, and all others forward as before.
                        let mut next = vec![(description.end(&net, from, alternate.nexthop).0, 0)];
                        while let Some((here, hops)) = next.pop() {
                            prop_assert!(here != from, "{from} to {to} by {primary:?} comes back");
                            prop_assert!(hops <= description.routers, "{from} to {to} by {primary:?} loops");
                            if alternate.node_protecting {
                                prop_assert!(here != failed.0, "{from} to {to} by {primary:?} meets the failed router");
                            }
                            if here != *to {
                                let (_, protection) =
                                    protections[&here].iter().find(|(other, _)| other == to).expect("a route");
                                next.extend(
                                    protection
                                        .nexthops
                                        .keys()
                                        .map(|&hop| (description.end(&net, here, hop).0, hops + 1)),
                                );
                            }
                        }
                        rerouted.set(rerouted.get() + 1);
                    }
                }
            }
            Ok(())
        })
        .unwrap();
    assert!(rerouted.get() > 10_000, "{} alternates", rerouted.get());
}

/// Router 1 has the destination behind 2, and another way by 3 and 4; the last two are not accepted as origins of everything.
fn with_policy(listed: &[(&str, &[u32])]) -> Net {
    let mut net = Net::new(4);
    net.link(1, 2, 10);
    net.link(1, 3, 10);
    net.link(3, 4, 10);
    net.link(2, 3, 15);
    net.stub(2, STUB, 1);
    net.stub(4, STUB, 1);
    net.believe(&[1, 2, 3], listed, Unlisted::Accept);
    net
}

#[test]
fn a_path_to_an_origin_that_is_not_accepted_is_no_alternate() {
    let anybody = protection(&with_policy(&[]), 1, prefix(STUB)).expect("a route");
    let by_3 = anybody.nexthops.values().next().copied().expect("one next hop").expect("router 4 has it, too");
    assert_eq!((by_3.router_id, by_3.metric), (RouterId(3), 21));
    // Router 4 is no guard: what it originates counts as router 3's, and the destination is router 2's alone.
    let only_2 = protection(&with_policy(&[(STUB, &[2])]), 1, prefix(STUB)).expect("a route");
    let by_3 = only_2.nexthops.values().next().copied().expect("one next hop");
    assert_eq!(by_3.map(|by_3| by_3.metric), Ok(26), "router 3 does not use what it refuses, and sends it to router 2");
    let both = protection(&with_policy(&[(STUB, &[2, 3])]), 1, prefix(STUB)).expect("a route");
    assert_eq!(both, anybody);
}

#[test]
fn external_destinations_are_protected_by_the_ways_to_their_exits() {
    let mut net = Net::new(4);
    net.link(1, 2, 10);
    net.link(1, 3, 10);
    net.link(2, 4, 10);
    net.link(3, 4, 15);
    let [one, nearest] = ["198.51.100.0/24", "192.0.2.0/24"];
    net.external(4, one, ExternalMetric::Type2(20));
    net.external(2, nearest, ExternalMetric::Type2(20));
    net.external(3, nearest, ExternalMetric::Type2(20));
    // A worse metric is no exit, however near it is.
    net.external(3, one, ExternalMetric::Type2(30));
    let alternate = |destination| {
        let protection = protection(&net, 1, prefix(destination)).expect("a route");
        let values: Vec<_> = protection.nexthops.values().copied().collect();
        values
    };
    let by_3 = alternate(one)[0].expect("router 3 leads to router 4");
    assert_eq!((by_3.router_id, by_3.metric, by_3.node_protecting), (RouterId(3), 25, true));
    let each_other = alternate(nearest);
    assert_eq!(each_other.len(), 2);
    assert!(each_other.iter().all(|one| one.is_ok_and(|one| one.equal_cost && one.node_protecting)));
}

#[test]
fn next_hops_that_fail_together_have_a_backup_beside_them() {
    // Two routers on the network of router 1 are next hops at equal cost: a failed network takes both.
    let mut net = Net::new(5);
    net.lan(1, &[(1, 10), (2, 10), (3, 10)]);
    net.link(2, 4, 10);
    net.link(3, 4, 10);
    net.link(1, 5, 10);
    net.link(5, 4, 15);
    let found = protection(&net, 1, host(4)).expect("a route");
    assert_eq!(found.nexthops.len(), 2);
    let backup = found.backup.expect("router 5 leads there, too");
    assert_eq!((backup.router_id, backup.metric, backup.equal_cost), (RouterId(5), 25, false));
    // The best for each is the other one, which protects from the router's failure; or router 5, which protects from both.
    assert!(found.nexthops.values().all(|one| one.is_ok_and(|one| one.router_id == RouterId(5))));
}

#[test]
fn an_area_with_a_virtual_link_has_no_alternates() {
    let mut net = Net::new(3);
    net.link(1, 2, 10);
    net.link(1, 3, 10);
    net.link(2, 3, 10);
    assert!(protection(&net, 1, host(2)).expect("a route").backup.is_some());
    let node = net.node(3);
    node.lsa.flags = node.lsa.flags.with(crate::wire::RouterFlags::V);
    let found = protection(&net, 1, host(2)).expect("a route");
    assert_eq!(found.nexthops.into_values().collect::<Vec<_>>(), [Err(Unprotected::VirtualLinks)]);
}
