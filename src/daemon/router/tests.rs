use std::net::Ipv4Addr;

use ospf::{AreaId, InterfaceId, Nexthop, RouteKind, RouterId};

use super::*;
use crate::reconcile::state::{Admin, Backend, Foreign, ForeignInterface, Link, State};

const LOOPBACKS: [Ipv4Addr; 3] =
    [Ipv4Addr::new(10, 255, 0, 1), Ipv4Addr::new(10, 255, 0, 2), Ipv4Addr::new(10, 255, 0, 3)];

fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn router(local: &Local) -> (tempfile::TempDir, Router) {
    let dir = tempfile::tempdir().unwrap();
    let router = Router::new(local, RouterIds::open(dir.path()), 1, SystemTime::UNIX_EPOCH);
    (dir, router)
}

/// Both tunnels of taipei are up, and have its address.
fn up(local: &Local) -> Observed {
    let link = Link { backend: Backend::Kernel, mtu: 1420, admin: Admin::Up };
    let tunnels = || local.tunnels.keys().cloned();
    let state = State {
        links: tunnels().map(|name| (name, link.clone())).collect(),
        addresses: tunnels().map(|name| (name, local.site.loopback)).collect(),
        ..State::default()
    };
    let indexes = tunnels().zip(1..).collect();
    Observed { state, indexes, ..Observed::default() }
}

/// A route over these interfaces, each to the site with the loopback of the same place.
fn route(router: &mut Router, hops: &[(&str, usize)], originator: Ipv4Addr) -> ospf::Route {
    let hop = |&(interface, place): &(&str, usize)| Nexthop {
        interface: router.ids.id(&name(interface)),
        via: Some(LOOPBACKS[place]),
    };
    ospf::Route {
        kind: RouteKind::External2,
        area: AreaId::BACKBONE,
        metric: 20,
        originators: BTreeSet::from([RouterId::from(originator)]),
        nexthops: hops.iter().map(hop).collect(),
        tag: 0,
    }
}

fn used(rib: &Rib, text: &str) -> Option<Vec<String>> {
    let used = rib.used(prefix(text))?;
    Some(used.nexthops.iter().flat_map(|hops| hops.iter()).map(|hop| hop.interface.to_string()).collect())
}

#[test]
fn the_engine_is_told_of_a_link_once_and_routes_over_a_failed_one_are_not_used() {
    let local = Local::example("taipei");
    let (_dir, mut router) = router(&local);
    let (mut rib, mut observed) = (Rib::default(), up(&local));
    let (links, changed) = router.follow_links(&local, &observed, &mut rib);
    assert_eq!((links.len(), changed.len()), (2, 0));
    assert!(links.iter().all(|(_, state)| matches!(state, LinkState::Up { mtu: 1420, .. })));
    assert_eq!(router.follow_links(&local, &observed, &mut rib), (vec![], BTreeSet::new()), "nothing is new");

    let both = route(&mut router, &[("wg-osaka", 1), ("wg-seoul", 2)], LOOPBACKS[1]);
    let one = route(&mut router, &[("wg-osaka", 1)], LOOPBACKS[1]);
    let changes = RouteChanges::from([(prefix("10.2.0.0/16"), Some(both)), (prefix("10.255.0.2/32"), Some(one))]);
    let destinations: BTreeSet<Prefix> = changes.keys().copied().collect();
    assert_eq!(router.take_routes(changes.clone(), Protections::new(), &mut rib), destinations);
    assert_eq!(router.take_routes(changes, Protections::new(), &mut rib), BTreeSet::new(), "the same routes again");

    let unnamed = ospf::Route {
        nexthops: BTreeSet::from([Nexthop { interface: InterfaceId(99), via: Some(LOOPBACKS[1]) }]),
        ..route(&mut router, &[], LOOPBACKS[1])
    };
    let nowhere = RouteChanges::from([(prefix("10.9.0.0/16"), Some(unnamed))]);
    assert!(
        router.take_routes(nowhere, Protections::new(), &mut rib).is_empty() && used(&rib, "10.9.0.0/16").is_none(),
        "no such interface"
    );

    observed.state.links.get_mut(&name("wg-osaka")).unwrap().admin = Admin::Down;
    let (links, changed) = router.follow_links(&local, &observed, &mut rib);
    let osaka = router.ids.id(&name("wg-osaka"));
    assert_eq!((links, changed), (vec![(osaka, LinkState::Down)], destinations.clone()));
    assert_eq!(used(&rib, "10.2.0.0/16").unwrap(), ["wg-seoul"]);
    assert_eq!(used(&rib, "10.255.0.2/32"), None);
    assert_eq!(router.routes().len(), 3, "what OSPF has computed is another matter");

    observed.state.links.get_mut(&name("wg-osaka")).unwrap().admin = Admin::Up;
    assert_eq!(router.follow_links(&local, &observed, &mut rib).1, destinations);
}

/// The only next hop of a route has an alternate.
fn protection(router: &mut Router, primary: (&str, usize), backup: (&str, usize)) -> Arc<Protection> {
    let mut hop = |(interface, place): (&str, usize)| Nexthop {
        interface: router.ids.id(&name(interface)),
        via: Some(LOOPBACKS[place]),
    };
    let alternate = ospf::Alternate {
        nexthop: hop(backup),
        router_id: RouterId::from(LOOPBACKS[backup.1]),
        metric: 20,
        equal_cost: false,
        link_protecting: true,
        node_protecting: true,
        downstream: true,
    };
    Arc::new(Protection { nexthops: BTreeMap::from([(hop(primary), Ok(alternate))]), backup: Some(alternate) })
}

#[test]
fn a_path_that_fails_leaves_its_routes_to_their_alternates_until_ospf_has_acted() {
    let local = Local::example("taipei");
    let (_dir, mut router) = router(&local);
    let (mut rib, observed) = (Rib::default(), up(&local));
    router.follow_links(&local, &observed, &mut rib);
    let osaka = (name("wg-osaka"), LOOPBACKS[1]);
    let down = |shares_fate| [(osaka.clone(), PathState::Down { shares_fate })];
    let to = prefix("10.2.0.0/16");
    assert!(router.follow_paths(&down(false), &mut rib).is_empty(), "no route is over it");

    let direct = route(&mut router, &[("wg-osaka", 1)], LOOPBACKS[1]);
    let changes = RouteChanges::from([(to, Some(direct.clone()))]);
    router.take_routes(changes.clone(), Protections::new(), &mut rib);
    assert_eq!(used(&rib, "10.2.0.0/16").unwrap(), ["wg-osaka"], "OSPF uses it in spite of the test");
    let protection = protection(&mut router, ("wg-osaka", 1), ("wg-seoul", 2));
    let protections = Protections::from([(to, Some(protection.clone()))]);
    assert!(router.take_routes(RouteChanges::new(), protections.clone(), &mut rib).is_empty());

    // A test that ends with the neighbour's OSPF is for OSPF to judge.
    assert!(router.follow_paths(&down(true), &mut rib).is_empty());
    assert_eq!(router.follow_paths(&down(false), &mut rib), BTreeSet::from([to]));
    assert_eq!(used(&rib, "10.2.0.0/16").unwrap(), ["wg-seoul"]);
    // The same route again, with another metric: still the alternate.
    let dearer = ospf::Route { metric: 30, ..direct.clone() };
    router.take_routes(RouteChanges::from([(to, Some(dearer))]), Protections::new(), &mut rib);
    assert_eq!(used(&rib, "10.2.0.0/16").unwrap(), ["wg-seoul"]);
    // OSPF has acted: the same next hop, now its own, and a protection of the former one counts no more.
    let detour = route(&mut router, &[("wg-seoul", 2)], LOOPBACKS[1]);
    assert!(router.take_routes(RouteChanges::from([(to, Some(detour))]), protections, &mut rib).is_empty());
    assert!(router.failed_nexthops.is_empty() && router.protections().is_empty());
    assert_eq!(used(&rib, "10.2.0.0/16").unwrap(), ["wg-seoul"]);
    // By its hellos OSPF has found the neighbour again, though the test still says that nothing passes.
    assert_eq!(router.take_routes(changes, Protections::new(), &mut rib), BTreeSet::from([to]));
    assert_eq!(used(&rib, "10.2.0.0/16").unwrap(), ["wg-osaka"]);
    assert_eq!(router.follow_paths(&down(false), &mut rib), BTreeSet::from([to]));
    assert_eq!(used(&rib, "10.2.0.0/16"), None);
    assert_eq!(router.follow_paths(&[(osaka, PathState::Up)], &mut rib), BTreeSet::from([to]));
}

#[test]
fn routes_follow_an_interface_that_is_renamed() {
    let local = Local::example("taipei");
    let renamed = Local::with_key(&include_str!("../../../configs/triangle.toml").replace("osaka", "kyoto"), "taipei");
    let (_dir, mut router) = router(&local);
    let mut rib = Rib::default();
    router.follow_links(&local, &up(&local), &mut rib);
    let route = route(&mut router, &[("wg-osaka", 1)], LOOPBACKS[1]);
    router.take_routes(RouteChanges::from([(prefix("10.2.0.0/16"), Some(route))]), Protections::new(), &mut rib);
    router.reload(&local, &renamed, &up(&local));
    assert_eq!(router.rewrite_routes(&mut rib), BTreeSet::from([prefix("10.2.0.0/16")]));
    assert_eq!(used(&rib, "10.2.0.0/16").unwrap(), ["wg-kyoto"]);
    let ids: BTreeSet<InterfaceId> = renamed.tunnels.keys().map(|name| router.ids.id(name)).collect();
    assert_eq!(ids.len(), 2, "and OSPF has no other interfaces than before");
}

#[test]
fn all_is_converged_when_every_neighbor_is_full_and_has_a_route() {
    let local = Local::example("taipei");
    let (_dir, mut router) = router(&local);
    let mut rib = Rib::default();
    let full: BTreeSet<InterfaceId> = local.tunnels.keys().map(|name| router.ids.id(name)).collect();
    assert!(!router.has_converged(&local, &full), "there are no routes");
    for (place, interface) in [(1, "wg-osaka"), (2, "wg-seoul")] {
        let route = route(&mut router, &[(interface, place)], LOOPBACKS[place]);
        router.take_routes(
            RouteChanges::from([(Prefix::host(LOOPBACKS[place]), Some(route))]),
            Protections::new(),
            &mut rib,
        );
    }
    assert!(router.has_converged(&local, &full));
    let osaka = BTreeSet::from([router.ids.id(&name("wg-osaka"))]);
    assert!(!router.has_converged(&local, &osaka));
}

#[test]
fn a_route_of_the_lan_carries_a_prefix_only_if_it_is_in_the_kernel() {
    let text = include_str!("../../../configs/triangle.toml");
    let refusing = text.replacen(
        "[[site]]\nname = \"osaka\"",
        "[[site.import]]\nprefixes = [\"10.1.5.0/24\"]\naction = \"refuse\"\n\n[[site]]\nname = \"osaka\"",
        1,
    );
    assert_ne!(refusing, text);
    for (text, expected) in [(text, Configuration::Current), (&refusing, Configuration::Outdated)] {
        let local = Local::with_key(text, "taipei");
        let (_dir, mut router) = router(&local);
        let mut rib = Rib::default();
        let lan = |running| {
            let eth1 =
                ForeignInterface { index: 9, mtu: 1500, running, addresses: vec!["10.1.0.1/16".parse().unwrap()] };
            let foreign = Foreign { interfaces: BTreeMap::from([(name("eth1"), eth1)]), ..Foreign::default() };
            Observed { foreign, ..up(&local) }
        };
        router.follow_links(&local, &lan(true), &mut rib);
        assert_eq!(router.follow_carriers(&local, &lan(true), &rib), Configuration::Current);
        // A router on the LAN that is no site announces a part of the site's prefix.
        let route = route(&mut router, &[("eth1", 0)], Ipv4Addr::new(192, 0, 2, 9));
        let route = ospf::Route {
            nexthops: route
                .nexthops
                .iter()
                .map(|hop| Nexthop { via: Some(Ipv4Addr::new(10, 1, 0, 9)), ..*hop })
                .collect(),
            ..route
        };
        router.take_routes(RouteChanges::from([(prefix("10.1.5.0/24"), Some(route))]), Protections::new(), &mut rib);
        // The interface is gone: does the route carry the prefix?
        assert_eq!(router.follow_carriers(&local, &lan(false), &rib), expected);
    }
}

#[test]
fn a_clock_that_is_set_is_noticed_and_one_that_is_corrected_is_not() {
    let local = Local::example("taipei");
    let (_dir, mut router) = router(&local);
    let zero = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
    router.config(&local, zero, zero);
    assert_eq!(router.clock_set(zero + Duration::from_millis(900)), None);
    let hour = Duration::from_secs(3600);
    assert_eq!((router.clock_set(zero + hour), router.clock_set(zero - hour / 4)), (Some(hour), Some(hour / 4)));
    router.config(&local, zero + hour, zero);
    assert_eq!(router.clock_set(zero + hour), None);
}

#[test]
fn a_command_about_stub_router_advertisement_stays_through_a_reload() {
    let local = Local::example("taipei");
    let (_dir, mut router) = router(&local);
    let zero = SystemTime::UNIX_EPOCH;
    let file = router.config(&local, zero, zero).stub_router;
    assert_eq!(router.set_stub_router(StubRouterCommand::On), Configuration::Outdated);
    router.reload(&local, &local, &up(&local));
    assert_eq!(router.config(&local, zero, zero).stub_router, StubRouter::Always);
    let _ = router.set_stub_router(StubRouterCommand::File);
    assert_eq!(router.config(&local, zero, zero).stub_router, file);
}
