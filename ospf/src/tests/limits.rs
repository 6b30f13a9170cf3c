//! Guards: more than there is room for is refused, told once, and caught up with when there is room.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use super::flooding::opaque;
use super::speakers::tunnels;
use super::world::*;
use crate::wire::PacketBody;
use crate::{
    AreaId, Config, Event, Limit, LimitState, Limits, LsaRefusal, LsaType, NeighborState as S, Prefix, RouteKind,
    Speaker, TtlSecurity,
};

fn limit_events(world: &World, engine: usize) -> Vec<Event> {
    let of_limits = |event: &&Event| matches!(event, Event::LimitReached { .. } | Event::LimitLeft { .. });
    world.events[engine].iter().filter(of_limits).cloned().collect()
}

fn stored(world: &World, engine: usize) -> usize {
    world.engines[engine].lsdb().count()
}

/// Engine 1 has 300 externals, engine 0 room for 100 LSAs.
fn crowded() -> World {
    World::with(2, &[(0, 1)], |engine, config| match engine {
        0 => config.limits.lsas = 100,
        _ => config.externals = externals(300),
    })
}

fn refused(world: &World) -> u64 {
    let counters = world.engines[0].interfaces().next().unwrap().counters;
    counters.lsa_refused.get(&LsaRefusal::DatabaseFull).copied().unwrap_or_default()
}

#[test]
fn a_neighbor_whose_lsas_find_no_room_is_full_all_the_same_and_the_limit_is_told_once() {
    let mut world = crowded();
    world.run_for(Duration::from_secs(30));
    assert!(world.all_full());
    let before = stored(&world, 0);
    assert!((100..=101).contains(&before), "{before}: our own always go in");
    assert!(world.lsa(0, router_key(0)).is_some());
    assert_eq!(limit_events(&world, 0), [Event::LimitReached { limit: Limit::Lsas, most: 100 }]);
    let view = world.engines[0].limits().next().unwrap();
    assert_eq!((view.limit, view.most, view.present, view.state), (Limit::Lsas, 100, before, LimitState::Reached));
    // Our own still go in, and news of what is there does, too.
    world.reconfigure(0, |config| config.externals = externals(20));
    world.reconfigure(1, |config| config.externals.values_mut().for_each(|external| external.tag = 7));
    world.run_for(Duration::from_secs(10));
    assert!(
        world.engines[1].lsdb().filter(|view| view.lsa.header.key.advertising_router == router_id(0)).count() == 21
    );
    let tag = |world: &World| world.routes[0].values().filter(|route| route.tag == 7).count();
    assert!(tag(&world) >= 60, "{}", tag(&world));
}

#[test]
fn what_found_no_room_is_learnt_when_there_is_room_again() {
    let mut world = crowded();
    world.run_for(Duration::from_secs(30));
    // The sixty last, of which engine 0 has none, stay.
    world.reconfigure(1, |config| {
        let last = config.externals.iter().skip(240).map(|(&prefix, &external)| (prefix, external));
        config.externals = last.collect::<BTreeMap<_, _>>();
    });
    world.run_for(Duration::from_secs(20));
    assert_eq!(limit_events(&world, 0).last(), Some(&Event::LimitLeft { limit: Limit::Lsas }));
    // The first time there is room most of what goes has not gone yet.
    let exchanges = |world: &World| world.neighbor_events(0).iter().filter(|(_, to, _)| *to == S::Full).count();
    assert_eq!((limit_events(&world, 0).len(), exchanges(&world)), (4, 3));
    assert!(world.all_full() && world.agree());
    assert_eq!(world.routes[0].len(), 61);
    world.run_for(Duration::from_secs(60));
    assert_eq!(exchanges(&world), 3, "that is all");
}

#[test]
fn a_flooded_lsa_that_finds_no_room_is_not_acknowledged_and_comes_again_until_it_does() {
    let mut world = World::with(2, &[(0, 1)], |engine, config| {
        if engine == 0 {
            config.limits.lsas = 40;
        }
    });
    world.converge();
    world.run_for(Duration::from_secs(20));
    world.reconfigure(1, |config| config.externals = externals(60));
    world.run_for(Duration::from_secs(20));
    assert_eq!(stored(&world, 0), 40);
    assert!(refused(&world) > 0);
    world.reconfigure(0, |config| config.limits.lsas = 80);
    world.run_for(Duration::from_secs(20));
    assert!(world.agree());
    assert_eq!(limit_events(&world, 0).len(), 2);
    assert_eq!(world.neighbor_events(0).iter().filter(|(_, to, _)| *to == S::Full).count(), 1, "nothing was disturbed");
}

#[test]
fn an_area_that_is_full_leaves_room_for_the_rest() {
    let mut world = World::with(2, &[(0, 1)], |_, config| config.limits.lsas_per_area = 10);
    world.converge();
    world.run_for(Duration::from_secs(20));
    for id in 0..20 {
        world.inject(port(0, 1), 1, PacketBody::LinkStateUpdate(vec![opaque(LsaType::OPAQUE_AREA, id, b"tlv?")]));
        world.inject(port(0, 1), 1, PacketBody::LinkStateUpdate(vec![opaque(LsaType::OPAQUE_AS, id, b"tlv?")]));
    }
    let count = |kind| world.engines[0].lsdb().filter(|view| view.lsa.header.key.kind == kind).count();
    assert_eq!((count(LsaType::OPAQUE_AREA), count(LsaType::OPAQUE_AS)), (8, 20));
    let limit = Limit::LsasOfArea(AreaId::BACKBONE);
    assert_eq!(limit_events(&world, 0), [Event::LimitReached { limit, most: 10 }]);
}

/// Routers 0 and 1 are guards, joined by a tunnel; router 2, which has 300 externals, is none. Router 0 has room for 100 LSAs.
fn guarded() -> World {
    World::with(3, &[(0, 1), (0, 2)], |engine, config| match engine {
        2 => config.externals = externals(300),
        _ => {
            config.policy.guards = [0, 1].map(router_id).into();
            config.limits.lsas = if engine == 0 { 100 } else { 1000 };
            tunnels(engine, config, TtlSecurity::Required);
            if engine == 0 {
                config.interfaces.get_mut(&port(0, 2).1).unwrap().speaker = Speaker::Anyone;
            }
        }
    })
}

#[test]
fn room_is_kept_for_the_lsas_of_guards() {
    let mut world = guarded();
    world.run_for(Duration::from_secs(30));
    assert!(world.all_full());
    let by = |world: &World, originator| {
        let of_it = |view: &crate::LsaView| view.lsa.header.key.advertising_router == router_id(originator);
        world.engines[0].lsdb().filter(of_it).count()
    };
    let state = |world: &World| world.engines[0].limits().next().map(|view| (view.most, view.state)).unwrap();
    let before = stored(&world, 0);
    assert!((75..=76).contains(&before), "{before}: our own always go in");
    assert_eq!(state(&world), (100, LimitState::ReachedForOthers));
    assert_eq!(limit_events(&world, 0), [Event::LimitReached { limit: Limit::Lsas, most: 75 }]);
    assert!(by(&world, 2) > 60);

    // What the others fill does not keep a guard's out, while there is room at all.
    world.reconfigure(1, |config| config.externals = externals(20));
    world.run_for(Duration::from_secs(10));
    assert_eq!((by(&world, 1), stored(&world, 0)), (21, before + 20));
    world.reconfigure(1, |config| config.externals = externals(40));
    world.run_for(Duration::from_secs(10));
    assert_eq!((stored(&world, 0), state(&world)), (100, (100, LimitState::Reached)));
    assert_eq!(limit_events(&world, 0).len(), 2);

    // Each finds room again when there is some.
    world.reconfigure(1, |config| config.externals = externals(5));
    world.run_for(Duration::from_secs(20));
    assert_eq!((by(&world, 1), state(&world)), (6, (100, LimitState::ReachedForOthers)));
    world.reconfigure(2, |config| config.externals = externals(10));
    world.run_for(Duration::from_secs(60));
    assert_eq!(state(&world), (100, LimitState::Free));
    assert!(world.all_full() && by(&world, 2) == 11 && by(&world, 1) == 6);
}

#[test]
fn routes_of_guards_are_not_displaced_by_whatever_others_announce() {
    let mut world = guarded();
    world.reconfigure(0, |config| config.limits = Limits { routes: 40, ..Limits::default() });
    world.reconfigure(1, |config| config.externals = externals(20));
    // Lower prefixes, and as good: only who announces them differs.
    let lower = |number| (Prefix::new(Ipv4Addr::new(9, 0, number, 0), 24), external());
    world.reconfigure(2, |config| config.externals = (0..=255).map(lower).collect());
    world.run_for(Duration::from_secs(30));
    let within = |first: u8| world.routes[0].keys().filter(|prefix| prefix.network().octets()[0] == first).count();
    assert_eq!(world.routes[0].len(), 40);
    assert_eq!(within(20), 20, "{:?}", world.routes[0].keys());
    assert!(within(9) > 10);
}

#[test]
fn routes_to_listed_destinations_are_not_displaced_by_what_a_guard_passes_on() {
    let mut world = guarded();
    let listed: Vec<Prefix> = externals(20).into_keys().collect();
    let by_1 = |prefix: &Prefix| (*prefix, BTreeSet::from([router_id(1)]));
    world.reconfigure(0, |config| {
        config.limits = Limits { routes: 40, ..Limits::default() };
        config.policy.listed = listed.iter().map(by_1).collect();
    });
    // As an area border router summarises what a stranger announces: hundreds of lower prefixes that are a guard's by their originator.
    let lower = |number| (Prefix::new(Ipv4Addr::new(9, 0, number, 0), 24), external());
    world.reconfigure(1, |config| config.externals = externals(20).into_iter().chain((0..=255).map(lower)).collect());
    world.run_for(Duration::from_secs(30));
    assert_eq!(world.routes[0].len(), 40);
    let missing: Vec<_> = listed.iter().filter(|prefix| !world.routes[0].contains_key(prefix)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn routes_beyond_the_limit_are_left_out_from_the_end_and_come_back() {
    let mut world = World::with(2, &[(0, 1)], |engine, config: &mut Config| match engine {
        0 => config.limits.routes = 10,
        _ => config.externals = externals(8),
    });
    world.converge();
    world.run_for(Duration::from_secs(20));
    assert_eq!((world.routes[0].len(), limit_events(&world, 0).len()), (9, 0));
    world.reconfigure(1, |config| config.externals = externals(30));
    world.run_for(Duration::from_secs(10));
    let inside = world.routes[0].values().filter(|route| route.kind == RouteKind::IntraArea).count();
    assert_eq!((inside, world.routes[0].len()), (1, 10), "paths inside the AS first");
    assert!(
        world.routes[0].contains_key(&prefix("20.0.8.0/24")) && !world.routes[0].contains_key(&prefix("20.0.9.0/24"))
    );
    let most = 10;
    assert_eq!(limit_events(&world, 0), [Event::LimitReached { limit: Limit::Routes, most }]);
    let view = world.engines[0].limits().find(|view| view.limit == Limit::Routes).unwrap();
    assert_eq!((view.present, view.state), (31, LimitState::Reached));
    world.reconfigure(1, |config| config.externals = externals(9));
    world.run_for(Duration::from_secs(10));
    assert_eq!((world.routes[0].len(), limit_events(&world, 0).len()), (10, 1), "not left before nine tenths");
    world.reconfigure(1, |config| config.externals = externals(7));
    world.run_for(Duration::from_secs(10));
    assert_eq!((world.routes[0].len(), limit_events(&world, 0).len()), (8, 2));
}

#[test]
fn a_router_lsa_that_has_no_room_for_all_links_keeps_the_routers_own_addresses_and_says_so() {
    let beyond = 7;
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    let limit = Limit::RouterLinks(AreaId::BACKBONE);
    let reached = |world: &World| {
        world.events[0]
            .iter()
            .filter(|event| matches!(event, Event::LimitReached { limit: of, .. } if *of == limit))
            .count()
    };
    let id = crate::InterfaceId(50);
    let address = std::net::Ipv4Addr::new(192, 0, 2, 1);
    let subnet = prefix("192.0.2.0/24");
    let addressing = crate::Addressing::Numbered { address, subnet };
    world.link(0, id, crate::LinkState::Up { index: 7, mtu: 1500, addressing });
    let with = |count: usize| {
        move |config: &mut crate::Config| {
            let networks = (0..u32::try_from(count).unwrap()).map(|i| std::net::Ipv4Addr::from(0x0b00_0001 | i << 8));
            let further_addresses = networks.map(|address| (address, crate::Prefix::new(address, 24))).collect();
            let interface = crate::InterfaceConfig { passive: true, further_addresses, ..interface_config("lan") };
            config.interfaces.insert(id, interface);
        }
    };
    // Besides them there are the link to the other router, the interface's own network and the loopback.
    world.reconfigure(0, with(crate::MAX_ROUTER_LINKS - 3));
    world.run_for(Duration::from_secs(10));
    assert_eq!(reached(&world), 0);
    world.reconfigure(0, with(crate::MAX_ROUTER_LINKS - 3 + beyond));
    world.run_for(Duration::from_secs(10));
    let lsa = world.lsa(1, router_key(0)).unwrap();
    assert_eq!(lsa.encoded_len(), 24 + 12 * crate::MAX_ROUTER_LINKS, "it arrives");
    assert!(world.routes[1].contains_key(&prefix("10.255.0.1/32")), "the router itself is reached");
    assert_eq!(reached(&world), 1);
    let view = world.engines[0].limits().find(|view| view.limit == limit).unwrap();
    assert_eq!((view.present, view.state), (crate::MAX_ROUTER_LINKS + beyond, crate::LimitState::Reached));
    world.reconfigure(0, with(10));
    world.run_for(Duration::from_secs(10));
    let left = |event: &Event| matches!(event, Event::LimitLeft { limit: of } if *of == limit);
    assert!(world.events[0].iter().any(left));
}
