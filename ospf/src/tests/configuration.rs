//! Configuration that changes while the engine runs: what does not differ is not disturbed.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::speakers::keyed;
use super::world::*;
use crate::wire::{LsaBody, RouterLink, RouterLinkKind};
use crate::{Addressing, Config, Input, InterfaceId, LinkState, NeighborState as S, Policy, Unlisted};

fn links(world: &World, engine: usize) -> Vec<RouterLink> {
    let LsaBody::Router(body) = world.lsa(engine, router_key(engine)).unwrap().parse().unwrap() else { panic!() };
    body.links
}

fn pair() -> World {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    world.run_for(Duration::from_secs(20));
    world
}

fn on_interface(change: impl Fn(&mut crate::InterfaceConfig)) -> impl FnOnce(&mut Config) {
    move |config| config.interfaces.values_mut().for_each(change)
}

fn numbered(address: [u8; 4], len: u8) -> LinkState {
    let address = Ipv4Addr::from(address);
    let subnet = crate::Prefix::new(address, len);
    LinkState::Up { index: 7, mtu: 1500, addressing: Addressing::Numbered { address, subnet } }
}

#[test]
fn the_same_configuration_again_does_nothing_at_all() {
    let mut world = pair();
    let sent = world.sent.len();
    world.reconfigure(0, |_| {});
    assert_eq!(world.sent.len(), sent);
}

#[test]
fn a_cost_changes_the_router_lsa_and_nothing_else() {
    let mut world = pair();
    let events = world.events[0].len();
    world.reconfigure(0, on_interface(|interface| interface.cost = 77));
    world.run_for(Duration::from_secs(1));
    assert_eq!(links(&world, 0)[0].metric, 77);
    assert_eq!(world.routes[0][&prefix("10.255.0.2/32")].metric, 77);
    assert_eq!(world.events[0].len(), events);
}

#[test]
fn timers_change_on_both_sides_without_losing_the_adjacency() {
    let mut world = pair();
    let change = |interface: &mut crate::InterfaceConfig| {
        interface.hello_interval = Duration::from_secs(1);
        interface.dead_interval = Duration::from_secs(4);
    };
    world.reconfigure(0, on_interface(change));
    world.run_for(Duration::from_millis(1500));
    world.reconfigure(1, on_interface(change));
    world.run_for(Duration::from_secs(10));
    assert!(world.all_full());
    let steps = world.neighbor_events(0).into_iter().chain(world.neighbor_events(1));
    assert_eq!(steps.filter(|step| step.0 == S::Full).count(), 0);
    world.cut.extend([port(0, 1), port(1, 0)]);
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.state(0, 1), S::Down, "the new dead interval holds");
}

#[test]
fn an_interface_may_be_configured_before_or_after_its_link_is_up_and_be_taken_away() {
    let mut world = pair();
    let id = InterfaceId(50);
    world.link(0, id, numbered([192, 0, 2, 1], 24));
    world.reconfigure(0, |config| {
        config.interfaces.insert(id, crate::InterfaceConfig { passive: true, cost: 5, ..interface_config("lan") });
    });
    world.run_for(Duration::from_secs(2));
    let stub = RouterLink {
        kind: RouterLinkKind::Stub,
        id: Ipv4Addr::new(192, 0, 2, 0),
        data: Ipv4Addr::new(255, 255, 255, 0),
        metric: 5,
    };
    assert!(links(&world, 0).contains(&stub));
    assert_eq!(world.routes[1][&prefix("192.0.2.0/24")].metric, 15);
    world.reconfigure(0, |config| {
        config.interfaces.remove(&id);
    });
    world.run_for(Duration::from_secs(6));
    assert!(!world.routes[1].contains_key(&prefix("192.0.2.0/24")));
    assert!(world.all_full());
    world.reconfigure(0, |config| {
        config.interfaces.insert(id, crate::InterfaceConfig { passive: true, ..interface_config("lan") });
    });
    world.run_for(Duration::from_secs(6));
    assert!(world.routes[1].contains_key(&prefix("192.0.2.0/24")), "the link's state was not forgotten");
}

#[test]
fn an_interface_that_is_taken_away_says_goodbye() {
    let mut world = pair();
    world.reconfigure(0, |config| config.interfaces.clear());
    world.run_for(2 * DELAY);
    assert_eq!((world.state(0, 1), world.state(1, 0)), (S::Down, S::Init));
    assert_eq!(world.engines[0].interfaces().count(), 0);
}

#[test]
fn passive_ends_the_adjacency_and_active_begins_it() {
    let mut world = pair();
    world.reconfigure(0, on_interface(|interface| interface.passive = true));
    world.run_for(Duration::from_millis(100));
    assert_eq!((world.state(0, 1), world.state(1, 0)), (S::Down, S::Init));
    world.reconfigure(0, on_interface(|interface| interface.passive = false));
    world.run_to(Duration::from_millis(100), World::all_full);
}

#[test]
fn corner_case_24_unnumbered_links_are_known_by_their_index_and_have_no_stub_network() {
    let world = pair();
    let id = port(0, 1).1;
    assert_eq!(
        links(&world, 0),
        [
            RouterLink {
                kind: RouterLinkKind::PointToPoint,
                id: Ipv4Addr::from(router_id(1)),
                data: Ipv4Addr::from(100 + id.0),
                metric: 10
            },
            RouterLink { kind: RouterLinkKind::Stub, id: loopback(0), data: Ipv4Addr::BROADCAST, metric: 0 },
        ]
    );
}

#[test]
fn numbered_links_have_their_address_and_a_stub_network_while_they_are_up() {
    let mut world = World::new(2, &[(0, 1)]);
    world.link(0, port(0, 1).1, numbered([192, 0, 2, 1], 30));
    world.link(1, port(1, 0).1, numbered([192, 0, 2, 2], 30));
    world.converge();
    world.run_for(Duration::from_secs(1));
    let stub = RouterLink {
        kind: RouterLinkKind::Stub,
        id: Ipv4Addr::new(192, 0, 2, 0),
        data: Ipv4Addr::new(255, 255, 255, 252),
        metric: 10,
    };
    let link = links(&world, 0)[0];
    assert_eq!((link.kind, link.data), (RouterLinkKind::PointToPoint, Ipv4Addr::new(192, 0, 2, 1)));
    assert_eq!(links(&world, 0)[1], stub);
    let nexthop = world.routes[0][&prefix("10.255.0.2/32")].nexthops.first().copied().unwrap();
    assert_eq!(nexthop.via, Some(Ipv4Addr::new(192, 0, 2, 2)));
    world.cut.extend([port(0, 1), port(1, 0)]);
    world.run_for(DEAD + Duration::from_secs(1));
    assert_eq!(links(&world, 0)[0], stub, "the neighbour is gone, the network is not");
    world.link(0, port(0, 1).1, LinkState::Down);
    world.run_for(Duration::from_secs(6));
    assert_eq!(links(&world, 0).len(), 1, "the loopback");
}

#[test]
fn a_hidden_network_is_in_no_router_lsa_and_no_route_unless_it_is_a_passive_interfaces() {
    let mut world = World::new(2, &[(0, 1)]);
    world.link(0, port(0, 1).1, numbered([192, 0, 2, 1], 30));
    world.link(1, port(1, 0).1, numbered([192, 0, 2, 2], 30));
    world.converge();
    world.run_for(Duration::from_secs(20));
    let hide = |interface: &mut crate::InterfaceConfig| interface.prefix_suppression = true;
    world.reconfigure(0, on_interface(hide));
    world.reconfigure(1, on_interface(hide));
    world.run_for(Duration::from_secs(2));
    let kinds = |world: &World| links(world, 0).iter().map(|link| (link.kind, link.id)).collect::<Vec<_>>();
    let link = (RouterLinkKind::PointToPoint, loopback(1));
    let own = (RouterLinkKind::Stub, loopback(0));
    assert_eq!(kinds(&world), [link, own]);
    assert_eq!(world.routes[0].keys().copied().collect::<Vec<_>>(), [prefix("10.255.0.2/32")]);
    assert!(world.all_full(), "it goes on as it was");
    world.reconfigure(0, on_interface(|interface| interface.passive = true));
    world.run_for(Duration::from_secs(6));
    assert_eq!(kinds(&world), [(RouterLinkKind::Stub, Ipv4Addr::new(192, 0, 2, 0)), own]);
}

#[test]
fn a_new_address_of_a_neighbor_is_the_new_next_hop() {
    let mut world = pair();
    let address = Ipv4Addr::new(10, 255, 9, 9);
    let state = LinkState::Up { index: 101, mtu: 1420, addressing: Addressing::Unnumbered(address) };
    world.link(1, port(1, 0).1, state);
    world.run_for(Duration::from_secs(1));
    let nexthop = world.routes[0][&prefix("10.255.0.2/32")].nexthops.first().copied().unwrap();
    assert_eq!(nexthop.via, Some(address));
    assert!(world.all_full());
    assert_eq!(world.neighbor_events(0).iter().filter(|step| step.0 == S::Full).count(), 0);
}

#[test]
fn a_policy_takes_effect_at_once() {
    let mut world = pair();
    assert_eq!(world.routes[0].len(), 1);
    let refuse = Policy { unlisted: Unlisted::Refuse, ..Policy::default() };
    world.reconfigure(0, |config| config.policy = refuse);
    world.run_for(Duration::from_millis(100));
    assert!(world.routes[0].is_empty());
    assert!(world.events[0].iter().any(|event| matches!(event, crate::Event::RouteRefused { .. })));
    assert_eq!(world.engines[0].refused_routes().next().unwrap().prefix, prefix("10.255.0.2/32"));
    world.reconfigure(0, |config| config.policy = Policy::default());
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.routes[0].len(), 1);
}

#[test]
fn another_router_id_restarts_everything() {
    let mut world = pair();
    let before = world.sent.len();
    world.reconfigure(0, |config| config.router_id = router_id(6));
    assert!(world.sent.len() > before, "goodbye and hello");
    world.run_for(Duration::from_secs(2));
    assert!(world.all_full() && world.agree());
    assert_eq!(world.engines[0].router_id(), router_id(6));
    assert_eq!(world.engines[1].neighbors().map(|view| view.router_id).collect::<Vec<_>>(), [router_id(6)]);
    assert!(world.routes[1].contains_key(&prefix("10.255.0.1/32")), "through the new router's host link");
}

#[test]
fn loopbacks_and_externals_come_and_go() {
    let mut world = pair();
    let extra = Ipv4Addr::new(10, 255, 7, 7);
    world.reconfigure(0, |config| {
        config.loopbacks.values_mut().next().unwrap().insert(extra);
        config.externals = externals(2);
    });
    world.run_for(Duration::from_secs(6));
    assert_eq!(world.routes[1].len(), 4);
    world.reconfigure(0, |config| {
        config.loopbacks.values_mut().next().unwrap().remove(&extra);
        config.externals.clear();
    });
    world.run_for(Duration::from_secs(6));
    assert_eq!(world.routes[1].len(), 1);
}

#[test]
fn inputs_for_interfaces_that_are_not_configured_change_nothing() {
    let mut world = pair();
    world.link(0, InterfaceId(99), LinkState::Down);
    world.link(0, InterfaceId(98), numbered([198, 51, 100, 1], 24));
    world.input(0, Input::Tick);
    assert_eq!(world.engines[0].interfaces().count(), 1);
}

#[test]
fn calculations_are_put_off_as_long_as_the_configuration_says() {
    let mut world = pair();
    world.run_for(Duration::from_secs(20));
    world.reconfigure(0, |config| config.spf_delay.initial = Duration::from_millis(700));
    let before = world.engines[0].calculations();
    world.reconfigure(1, on_interface(|interface| interface.cost = 77));
    world.run_for(Duration::from_millis(600));
    let view = world.engines[0].spf();
    assert_eq!((view.state, world.engines[0].calculations()), (crate::SpfState::ShortWait, before));
    world.run_for(Duration::from_millis(200));
    assert_eq!((world.engines[0].spf().due_in, world.engines[0].calculations()), (None, before + 1));
    world.run_for(Duration::from_secs(15));
    assert_eq!(world.engines[0].spf().state, crate::SpfState::Quiet);
}

#[test]
fn further_networks_of_an_interface_are_stub_networks_and_single_addresses_are_hosts() {
    let mut world = pair();
    let id = InterfaceId(50);
    let networks =
        [("192.0.2.1", "192.0.2.0/24"), ("198.51.100.1", "198.51.100.0/25"), ("203.0.113.9", "203.0.113.9/32")];
    let networks = networks.map(|(address, network)| (address.parse().unwrap(), prefix(network)));
    world.link(0, id, numbered([192, 0, 2, 1], 24));
    world.reconfigure(0, |config| {
        let interface = crate::InterfaceConfig { passive: true, cost: 5, ..interface_config("lan") };
        config.interfaces.insert(id, crate::InterfaceConfig { further_addresses: networks.into(), ..interface });
    });
    world.run_for(Duration::from_secs(6));
    let of_interface =
        links(&world, 0).into_iter().filter(|link| link.kind == RouterLinkKind::Stub && link.metric == 5);
    let of_interface: Vec<_> = of_interface.map(|link| (link.id, link.data)).collect();
    let link = |id: [u8; 4], mask: [u8; 4]| (Ipv4Addr::from(id), Ipv4Addr::from(mask));
    assert_eq!(
        of_interface,
        [
            link([192, 0, 2, 0], [255, 255, 255, 0]),
            link([198, 51, 100, 0], [255, 255, 255, 128]),
            link([203, 0, 113, 9], [255; 4]),
        ]
    );
    for network in ["192.0.2.0/24", "198.51.100.0/25", "203.0.113.9/32"] {
        assert_eq!(world.routes[1][&prefix(network)].metric, 15, "{network}");
    }
    let own = &world.routes[0];
    assert_eq!(own[&prefix("198.51.100.0/25")].nexthops.first().unwrap().via, None, "it is connected");
    assert!(!own.contains_key(&prefix("203.0.113.9/32")), "it is an address of the router itself");
    // They go with the interface.
    world.link(0, id, LinkState::Down);
    world.run_for(Duration::from_secs(6));
    assert!(!world.routes[1].contains_key(&prefix("198.51.100.0/25")));
}

#[test]
fn a_single_address_of_an_interface_without_a_network_is_a_host() {
    let mut world = pair();
    let id = InterfaceId(50);
    let address = Ipv4Addr::new(203, 0, 113, 9);
    world.link(0, id, LinkState::Up { index: 7, mtu: 1500, addressing: Addressing::Unnumbered(address) });
    world.reconfigure(0, |config| {
        let interface = crate::InterfaceConfig { passive: true, ..interface_config("lan") };
        let further_addresses = [(address, crate::Prefix::host(address))].into();
        config.interfaces.insert(id, crate::InterfaceConfig { further_addresses, ..interface });
    });
    world.run_for(Duration::from_secs(6));
    assert_eq!(world.routes[1][&crate::Prefix::host(address)].metric, 20);
    assert!(!world.routes[0].contains_key(&crate::Prefix::host(address)));
}

/// LSAs of a router id in an engine's database that are not at MaxAge.
fn of_id(world: &World, engine: usize, id: crate::RouterId) -> usize {
    let headers = world.engines[engine].lsdb().map(|view| view.lsa.header);
    headers.filter(|header| header.key.advertising_router == id && !header.is_max_age()).count()
}

#[test]
fn what_was_said_under_another_router_id_is_flushed_until_nobody_has_it() {
    let mut world = World::with(3, &[(0, 1), (1, 2)], |engine, config| {
        if engine == 0 {
            config.externals = externals(2000);
        }
    });
    world.converge();
    world.run_for(Duration::from_secs(10));
    assert_eq!(of_id(&world, 2, router_id(0)), 2001);
    // Nobody hears of it at the moment.
    world.cut.extend([port(0, 1), port(1, 0)]);
    world.reconfigure(0, |config| config.router_id = router_id(6));
    world.run_for(Duration::from_secs(60));
    world.cut.clear();
    world.run_for(Duration::from_secs(60));
    for engine in 0..3 {
        assert_eq!((of_id(&world, engine, router_id(0)), of_id(&world, engine, router_id(6))), (0, 2001), "{engine}");
    }
    assert!(world.agree());
}

#[test]
fn what_was_said_under_another_router_id_is_flushed_after_a_restart_too() {
    let mut world = World::with(3, &[(0, 1), (1, 2)], |_, config| config.externals = externals(10));
    world.converge();
    world.run_for(Duration::from_secs(10));
    let config =
        Config { router_id: router_id(6), former_ids: [router_id(0)].into(), ..world.engines[0].config.clone() };
    world.replace(0, crate::Engine::new(config, 77, world.now));
    world.link(0, port(0, 1).1, up(0, port(0, 1).1));
    world.run_for(Duration::from_secs(120));
    assert!((0..3).all(|engine| of_id(&world, engine, router_id(0)) == 0));
    assert_eq!(of_id(&world, 2, router_id(6)), 11);
}

#[test]
fn a_router_that_has_got_a_former_router_id_is_left_alone_in_the_end() {
    let mut world = World::with(3, &[(0, 1), (1, 2)], |_, config| config.externals = externals(10));
    world.converge();
    world.run_for(Duration::from_secs(10));
    world.reconfigure(0, |config| config.former_ids = [router_id(2)].into());
    world.run_for(Duration::from_secs(600));
    assert!(world.events[0].contains(&crate::Event::FormerRouterIdInUse { router_id: router_id(2) }));
    assert!((0..3).all(|engine| of_id(&world, engine, router_id(2)) == 11));
    assert!(world.routes[0].contains_key(&prefix("10.255.0.3/32")) && world.agree());
}

#[test]
fn two_guards_that_exchange_their_router_ids_are_known_by_them_within_seconds() {
    let mut world = World::with(3, &[(0, 1), (1, 2), (0, 2)], |_, config| {
        config.policy.guards = (0..3).map(router_id).collect();
        config.externals = externals(10);
        // On an open link LSAs of guards are not taken.
        config.interfaces.values_mut().for_each(|interface| interface.authentication = keyed());
    });
    world.converge();
    world.run_for(Duration::from_secs(10));
    for (engine, id) in [(0, router_id(1)), (1, router_id(0))] {
        world.reconfigure(engine, |config| config.router_id = id);
        world.run_for(Duration::from_millis(300));
    }
    world.run_for(Duration::from_secs(30));
    for engine in 0..3 {
        let count = |id| of_id(&world, engine, router_id(id));
        assert_eq!((count(0), count(1), count(2)), (11, 11, 11), "{engine}");
    }
    assert!(world.agree());
    let later = world.now;
    world.run_for(Duration::from_secs(300));
    let in_use = |id| crate::Event::FormerRouterIdInUse { router_id: router_id(id) };
    assert!(
        (0..3).all(|engine| !world.events[engine].contains(&in_use(0)) && !world.events[engine].contains(&in_use(1)))
    );
    assert!(world.agree(), "since {later:?}");
}

#[test]
fn a_former_router_id_that_is_taken_off_the_set_is_left_alone_at_once() {
    let mut world = World::with(3, &[(0, 1), (1, 2)], |_, config| config.externals = externals(10));
    world.converge();
    world.run_for(Duration::from_secs(10));
    world.reconfigure(0, |config| config.former_ids = [router_id(2)].into());
    world.reconfigure(0, |config| config.former_ids.clear());
    world.run_for(Duration::from_secs(30));
    assert!((0..3).all(|engine| of_id(&world, engine, router_id(2)) == 11));
    let in_use = crate::Event::FormerRouterIdInUse { router_id: router_id(2) };
    assert!(!world.events[0].contains(&in_use) && world.agree());
}
