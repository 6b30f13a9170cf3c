//! The oracle itself, on networks small enough to be seen through.

use std::time::Duration;

use ospf::{AreaKind, External, ExternalMetric, Instant, NeighborState, Summaries};

use super::*;
use crate::check::first_loop;
use crate::link::Quality;
use crate::network::Network;
use crate::router::Timers;
use crate::situation::Trouble;
use crate::topology::{
    Discovery, End, Lan, LanEnd, LanIndex, LanNetwork, Link, LinkIndex, Topology, VirtualLink, virtual_interface,
};

fn nexthops(route: &Route) -> Vec<u32> {
    route.nexthops.iter().map(|nexthop| nexthop.interface.0).collect()
}

/// 0 -10- 1 -10- 2, the latter link in area 1, and what router `boundary` brings in with metric 7.
fn in_a_row(boundary: usize) -> (Topology, Prefix) {
    let mut topology = Topology::ring(3);
    topology.links.truncate(2);
    topology.links[1].area = AreaId(1);
    topology.routers[2].area = AreaId(1);
    let outside = Prefix::new([198, 18, 0, 0].into(), 24);
    let external = External { metric: ExternalMetric::Type1(7), forwarding: None, tag: 0 };
    topology.routers[boundary].externals.insert(outside, external);
    (topology, outside)
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
    let (topology, outside) = in_a_row(2);
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
    let end = |router, cost, priority| LanEnd::new(RouterIndex(router), cost, priority);
    let mut topology = Topology::mesh(3);
    topology.links.clear();
    topology.lans.push(Lan { ends: vec![end(0, 3, 1), end(1, 5, 0), end(2, 7, 0)], ..Lan::default() });
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
fn a_point_to_multipoint_network_is_links_and_addresses() {
    let end = |router, cost| LanEnd::new(RouterIndex(router), cost, 0);
    let [zero, one, two] = [0, 1, 2].map(RouterIndex);
    let mut topology = Topology::mesh(3);
    topology.links.clear();
    topology.lans.push(Lan {
        network: LanNetwork::PointToMultipoint(Discovery::Configured),
        ends: vec![end(0, 3), end(1, 5), end(2, 7)],
        apart: BTreeSet::from([(zero, two)]),
        ..Lan::default()
    });
    let lan = LanIndex(0);
    let situation = Situation::new(topology);
    let address = |router| situation.topology.lan_address(lan, router).unwrap();
    let routes = Oracle::new(&situation).routes(two);
    let far = &routes[&Prefix::host(zero.loopback())];
    assert_eq!((far.metric, far.nexthops.first().unwrap().via), (12, Some(address(one))), "by the one in between");
    let near = &routes[&Prefix::host(address(one))];
    assert_eq!((near.metric, near.kind), (7, RouteKind::IntraArea));
    assert!(routes.contains_key(&Prefix::host(address(zero))));
    assert!(!routes.contains_key(&Prefix::host(address(two))) && !routes.contains_key(&lan.subnet()));
}

#[test]
fn a_stub_area_has_a_default_route_in_place_of_what_is_outside() {
    let (mut topology, outside) = in_a_row(0);
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

/// Router 0 is at 1 by the backbone and at `own` by area 2 from router 1. That has a virtual link to router 3, which is behind router 2 in area
/// 1, and may have another one to that.
fn behind_a_virtual_link(own: u16, has_second_link: bool) -> Topology {
    let mut topology = Topology::ring(4);
    for (link, area, cost, ends) in [(0, 0, 1, [0, 1]), (1, 1, 1, [1, 2]), (2, 1, 1, [2, 3]), (3, 2, own, [0, 1])] {
        let [a, b] = ends.map(|router| End { router: RouterIndex(router), cost });
        topology.links[link] = Link { a, b, area: AreaId(area), ..topology.links[link].clone() };
    }
    for (router, area) in [(0, 2), (2, 1), (3, 1)] {
        topology.routers[router].area = AreaId(area);
    }
    let to = |end| VirtualLink { transit: AreaId(1), ends: [RouterIndex(end), RouterIndex(3)] };
    topology.virtual_links.push(to(1));
    topology.virtual_links.extend(has_second_link.then(|| to(2)));
    topology
}

#[test]
fn packets_go_round_before_a_border_router_that_takes_a_longer_way_than_others_count() {
    let [to, other] = [0, 1].map(|router| Prefix::host(RouterIndex(router).loopback()));
    for (own, has_second_link, may_go_round, goes_round) in [
        (1, true, false, false),
        // Router 2 has a shorter way by router 1 than by router 3.
        (2, true, true, false),
        (3, true, true, true),
        (9, true, true, true),
        // Router 2 knows what router 1 advertises, and router 3 advertises nothing there.
        (9, false, false, false),
    ] {
        let topology = behind_a_virtual_link(own, has_second_link);
        let situation = Situation::new(topology.clone());
        let oracle = Oracle::new(&situation);
        assert_eq!((oracle.may_go_round(to), oracle.may_go_round(other)), (may_go_round, false), "{own}");
        let mut network = Network::new(topology, Timers::default(), Quality::GOOD, 1, Duration::ZERO);
        network.run_until(Instant::new(Duration::from_secs(60)));
        assert_eq!(network.neighbor(RouterIndex(1), virtual_interface(0), RouterIndex(3)), NeighborState::Full);
        let found = first_loop(&network, |_| false);
        assert_eq!(found.is_some(), goes_round, "{own}: {found:?}");
        assert_eq!(first_loop(&network, |prefix| oracle.may_go_round(prefix)), None);
    }
}

/// Router 0, which is outside's, is at 1 by the backbone and at `own` by area 2 from router 1, and at 3 by the backbone from router 4. Router 3 has
/// virtual links to both, through area 1: by router 2 to the former.
fn beside_a_way_back(own: u16) -> (Topology, Prefix) {
    let mut topology = Topology::ring(6);
    topology.routers.truncate(5);
    let links = [(0, 1, [0, 1]), (2, own, [0, 1]), (1, 1, [1, 2]), (1, 1, [2, 3]), (1, 1, [3, 4]), (0, 3, [4, 0])];
    for (place, (area, cost, ends)) in links.into_iter().enumerate() {
        let [a, b] = ends.map(|router| End { router: RouterIndex(router), cost });
        topology.links[place] = Link { a, b, area: AreaId(area), ..topology.links[place].clone() };
    }
    for (router, area) in [(0, 2), (2, 1), (3, 1)] {
        topology.routers[router].area = AreaId(area);
    }
    let to = |end| VirtualLink { transit: AreaId(1), ends: [RouterIndex(end), RouterIndex(3)] };
    topology.virtual_links.extend([to(1), to(4)]);
    let outside = Prefix::new([198, 18, 0, 0].into(), 24);
    let external = External { metric: ExternalMetric::Type2(7), forwarding: None, tag: 0 };
    topology.routers[0].externals.insert(outside, external);
    (topology, outside)
}

#[test]
fn packets_go_round_in_a_transit_area_where_the_way_to_another_border_router_is_back() {
    for (own, goes_round) in [(1, false), (3, false), (4, true), (9, true)] {
        let (topology, outside) = beside_a_way_back(own);
        let situation = Situation::new(topology.clone());
        let oracle = Oracle::new(&situation);
        let mut network = Network::new(topology, Timers::default(), Quality::GOOD, 1, Duration::ZERO);
        network.run_until(Instant::new(Duration::from_secs(60)));
        for prefix in [Prefix::host(RouterIndex(0).loopback()), outside] {
            assert_eq!(oracle.may_go_round(prefix), goes_round, "{prefix} at {own}");
            let found = first_loop(&network, |other| other != prefix);
            assert_eq!(found.is_some(), goes_round, "{prefix} at {own}: {found:?}");
        }
        assert_eq!(first_loop(&network, |prefix| oracle.may_go_round(prefix)), None);
    }
}

#[test]
fn a_router_that_brings_in_destinations_is_reached_within_another_area_than_the_backbone_first() {
    let mut topology = Topology::ring(3);
    for (place, (area, cost, ends)) in [(0, 1, [0, 1]), (1, 9, [0, 1]), (2, 2, [1, 2])].into_iter().enumerate() {
        let [a, b] = ends.map(|router| End { router: RouterIndex(router), cost });
        topology.links[place] = Link { a, b, area: AreaId(area), ..topology.links[place].clone() };
    }
    topology.routers[2].area = AreaId(2);
    let outside = Prefix::new([198, 18, 0, 0].into(), 24);
    let external = External { metric: ExternalMetric::Type1(7), forwarding: None, tag: 0 };
    topology.routers[0].externals.insert(outside, external);
    let situation = Situation::new(topology.clone());
    let oracle = Oracle::new(&situation);
    let mut network = Network::new(topology, Timers::default(), Quality::GOOD, 1, Duration::ZERO);
    network.run_until(Instant::new(Duration::from_secs(60)));
    for (router, area, metric) in [(RouterIndex(1), 1, 16), (RouterIndex(2), 2, 18)] {
        let expected = oracle.routes(router).remove(&outside).unwrap();
        assert_eq!((expected.area, expected.metric), (AreaId(area), metric));
        let mut routes = network.engine(router).unwrap().routes();
        assert_eq!(routes.find(|(prefix, _)| *prefix == outside), Some((outside, &expected)));
    }
}
