//! Networks without multicast: whom hellos are sent to, and how often; the rest is as on broadcast networks, packet by packet.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::world::*;
use crate::wire::{LsaBody, PacketBody, RouterLinkKind};
use crate::{
    Config, InterfaceConfig, InterfaceState, LinkState, NbmaNeighbor, NeighborState as S, NetworkType, RouterId,
};

const POLL: Duration = Duration::from_secs(120);

/// Routers on a segment of a kind that has no multicast, each with all others configured.
fn segment(count: usize, network: NetworkType, mut change: impl FnMut(usize, &mut InterfaceConfig)) -> World {
    let mut world = World::lan(count, |engine, config: &mut Config| {
        let interface = config.interfaces.get_mut(&LAN).unwrap();
        interface.network = network;
        interface.poll_interval = POLL;
        let others = (0..count).filter(|&other| other != engine);
        interface.neighbors = others.map(|other| (lan_address(0, other), NbmaNeighbor::default())).collect();
        change(engine, interface);
    });
    world.reaches = Box::new(|sent, _| !sent.destination.is_multicast());
    world
}

fn nbma(count: usize, change: impl FnMut(usize, &mut InterfaceConfig)) -> World {
    segment(count, NetworkType::NonBroadcast, change)
}

/// To whom an engine has sent hellos since `since`, and how many.
fn hellos(world: &World, engine: usize, to: usize, since: crate::Instant) -> usize {
    let is_hello = |sent: &&Sent| matches!(sent.body(), PacketBody::Hello(_));
    world.sent_by(engine, since).filter(is_hello).filter(|sent| sent.destination == lan_address(0, to)).count()
}

#[test]
fn nbma_elects_and_floods_by_unicast_alone() {
    let mut world = nbma(4, |_, _| {});
    world.settle();
    assert_eq!(world.designated(0, LAN), (Some(3), Some(2)));
    assert_eq!(world.lan_state(0, LAN, 1), S::TwoWay);
    for engine in 0..4 {
        let change = externals(3 + u32::try_from(engine).unwrap());
        world.reconfigure(engine, |config| config.externals = change);
        world.run_for(Duration::from_secs(20));
        assert!(world.agree(), "what {engine} says");
    }
    assert!(world.sent.iter().all(|sent| !sent.destination.is_multicast()));
    let retransmitted = world.engines.iter().flat_map(|e| e.interfaces()).map(|view| view.counters.retransmitted);
    assert_eq!(retransmitted.sum::<u64>(), 0);
    let to = &world.routes[0][&prefix("10.255.0.2/32")].nexthops;
    assert_eq!(to.first().unwrap().via, Some(lan_address(0, 1)));
}

#[test]
fn start_leads_to_attempt_and_then_to_polling() {
    let mut world = nbma(2, |_, _| {});
    world.link(1, LAN, LinkState::Down);
    assert_eq!(world.engines[0].neighbors().next().unwrap().state, S::Attempt);
    assert!(world.neighbor_events(0).contains(&(S::Down, S::Attempt, "Start")));
    world.run_for(DEAD + DELAY);
    let silent = world.engines[0].neighbors().next().unwrap();
    assert_eq!((silent.state, silent.router_id), (S::Down, RouterId(0)), "it stays, though nothing was heard");
    // §9.5.1: HelloInterval while in Attempt, PollInterval while Down.
    assert!(hellos(&world, 0, 1, crate::Instant::ZERO) >= 4);
    let start = world.now;
    world.run_for(10 * POLL);
    assert_eq!(hellos(&world, 0, 1, start), 10);
    world.link(1, LAN, up(1, LAN));
    world.settle();
}

#[test]
fn a_configured_neighbor_that_dies_is_polled_and_found_again() {
    let mut world = nbma(3, |_, _| {});
    world.settle();
    world.cut.insert((1, LAN));
    world.run_for(DEAD + HELLO);
    assert_eq!(world.lan_state(0, LAN, 1), S::Down);
    assert_eq!(world.engines[0].neighbors().count(), 2);
    world.cut.clear();
    world.run_for(POLL + DEAD);
    assert!(world.settled(LAN));
}

#[test]
fn a_router_that_is_not_eligible_greets_the_designated_ones_only_and_answers_who_is_eligible() {
    let mut world = nbma(4, |engine, interface| {
        interface.priority = u8::from(engine >= 2);
        // 0 and 1 are known to be not eligible.
        for address in [lan_address(0, 0), lan_address(0, 1)] {
            if let Some(neighbor) = interface.neighbors.get_mut(&address) {
                neighbor.priority = 0;
            }
        }
    });
    assert_eq!(world.engines[0].interfaces().next().unwrap().state, InterfaceState::DrOther);
    world.run_for(2 * DEAD);
    assert!(world.agree());
    assert_eq!((world.lan_state(0, LAN, 3), world.lan_state(0, LAN, 2)), (S::Full, S::Full));
    assert_eq!(world.designated(0, LAN), (Some(3), Some(2)));
    // The two that are not eligible never hear of each other: nobody sends what nobody needs.
    assert_eq!(hellos(&world, 0, 1, crate::Instant::ZERO) + hellos(&world, 1, 0, crate::Instant::ZERO), 0);
    let since = world.now;
    world.run_for(5 * HELLO);
    assert_eq!((hellos(&world, 0, 2, since), hellos(&world, 0, 3, since)), (5, 5));
    assert!(world.routes[0].contains_key(&prefix("10.255.0.2/32")), "though there is no hello between them");
}

/// Found by reading: who was configured as not eligible stayed so for the others until it was heard, and nobody sent the first hello.
#[test]
fn routers_that_become_eligible_at_the_same_time_find_each_other() {
    let mut world = nbma(3, |_, interface| {
        interface.priority = 0;
        interface.neighbors.values_mut().for_each(|neighbor| neighbor.priority = 0);
    });
    world.run_for(2 * DEAD);
    for engine in 0..3 {
        world.reconfigure(engine, |config| {
            let interface = config.interfaces.get_mut(&LAN).unwrap();
            interface.priority = 1;
            interface.neighbors.values_mut().for_each(|neighbor| neighbor.priority = 1);
        });
    }
    world.run_for(2 * POLL);
    assert!(world.settled(LAN) && world.agree());
}

#[test]
fn eligible_routers_do_not_greet_those_that_are_not_before_they_are_elected() {
    let mut world = nbma(3, |engine, interface| {
        interface.priority = u8::from(engine > 0);
        if let Some(neighbor) = interface.neighbors.get_mut(&lan_address(0, 0)) {
            neighbor.priority = 0;
        }
    });
    world.run_for(DEAD - HELLO);
    assert_eq!(hellos(&world, 1, 0, crate::Instant::ZERO), 0);
    world.settle();
    assert!(world.neighbor_events(2).contains(&(S::Down, S::Attempt, "Start")), "§9.4 (6)");
    assert_eq!(world.lan_state(2, LAN, 0), S::Full);
}

#[test]
fn a_neighbor_that_nobody_configured_is_taken_and_forgotten() {
    let mut world = nbma(2, |engine, interface| {
        if engine == 0 {
            interface.neighbors.clear();
        }
    });
    world.settle();
    world.link(1, LAN, LinkState::Down);
    world.run_for(DEAD + HELLO);
    assert_eq!(world.engines[0].neighbors().count(), 0);
}

#[test]
fn neighbors_come_and_go_with_the_configuration() {
    let mut world = nbma(3, |engine, interface| {
        if engine == 0 {
            interface.neighbors.clear();
        }
    });
    world.link(1, LAN, LinkState::Down);
    world.link(2, LAN, LinkState::Down);
    assert_eq!(world.engines[0].neighbors().count(), 0);
    let with = |addresses: &'static [usize]| {
        move |config: &mut Config| {
            let all = addresses.iter().map(|&other| (lan_address(0, other), NbmaNeighbor::default()));
            config.interfaces.get_mut(&LAN).unwrap().neighbors = all.collect();
        }
    };
    world.reconfigure(0, with(&[1, 2]));
    let states: Vec<_> = world.engines[0].neighbors().map(|view| view.state).collect();
    assert_eq!(states, [S::Attempt, S::Attempt]);
    world.reconfigure(0, with(&[2]));
    let left: Vec<_> = world.engines[0].neighbors().map(|view| view.address).collect();
    assert_eq!(left, [lan_address(0, 2)]);
}

/// Kinds, Link IDs and metrics of the links in an engine's Router-LSA.
fn links(world: &World, engine: usize) -> BTreeSet<(RouterLinkKind, Ipv4Addr, Ipv4Addr, u16)> {
    match world.lsa(engine, router_key(engine)).unwrap().parse().unwrap() {
        LsaBody::Router(router) => router.links.iter().map(|l| (l.kind, l.id, l.data, l.metric)).collect(),
        other => panic!("{other:?}"),
    }
}

/// Whether all that can hear each other are Full.
fn all_hub_links_full(world: &World) -> bool {
    (1..4).all(|spoke| world.lan_state(0, LAN, spoke) == S::Full && world.lan_state(spoke, LAN, 0) == S::Full)
}

#[test]
fn point_to_multipoint_is_as_many_point_to_point_links_as_there_are_adjacencies() {
    // A hub and its spokes, which do not reach each other.
    let mut world = segment(4, NetworkType::PointToMultipoint, |_, _| {});
    world.reaches = Box::new(|sent, to| !sent.destination.is_multicast() && (sent.from.0 == 0 || to.0 == 0));
    world.run_to(HELLO, all_hub_links_full);
    world.run_for(HELLO);
    assert!(world.agree());
    let own = |engine: usize| (RouterLinkKind::Stub, lan_address(0, engine), Ipv4Addr::BROADCAST, 0);
    let to = |engine: usize, other: usize| {
        (RouterLinkKind::PointToPoint, Ipv4Addr::from(router_id(other)), lan_address(0, engine), 10)
    };
    let loopback_of = |engine: usize| (RouterLinkKind::Stub, loopback(engine), Ipv4Addr::BROADCAST, 0);
    assert_eq!(links(&world, 0), [own(0), to(0, 1), to(0, 2), to(0, 3), loopback_of(0)].into());
    assert_eq!(links(&world, 2), [own(2), to(2, 0), loopback_of(2)].into());
    let route = &world.routes[1][&prefix("10.255.0.4/32")];
    assert_eq!((route.metric, route.nexthops.first().unwrap().via), (20, Some(lan_address(0, 0))), "through the hub");
    assert_eq!(world.routes[1][&prefix("192.0.0.3/32")].metric, 20, "§12.4.1.4: the address of another spoke");
    assert!(
        !world.routes[1].contains_key(&prefix("192.0.0.2/32"))
            && !world.routes[1].contains_key(&prefix("192.0.0.0/24"))
    );
    // What a spoke says reaches the others through the hub.
    world.reconfigure(1, |config| config.externals = externals(5));
    world.run_for(Duration::from_secs(10));
    assert!(world.agree());
    assert!(world.sent.iter().all(|sent| !sent.destination.is_multicast()));
    let retransmitted = world.engines.iter().flat_map(|e| e.interfaces()).map(|view| view.counters.retransmitted);
    assert_eq!(retransmitted.sum::<u64>(), 0, "each copy is acknowledged");
}

#[test]
fn a_dead_spoke_is_noticed_and_comes_back() {
    let mut world = segment(4, NetworkType::PointToMultipoint, |_, _| {});
    world.run_for(HELLO);
    world.link(3, LAN, LinkState::Down);
    world.run_for(DEAD + HELLO);
    assert!(!world.routes[0].contains_key(&prefix("10.255.0.4/32")));
    world.link(3, LAN, up(3, LAN));
    world.run_for(2 * HELLO);
    assert!(world.routes[0].contains_key(&prefix("10.255.0.4/32")) && world.agree());
}

#[test]
fn point_to_multipoint_without_configured_neighbors_finds_them_by_multicast_and_tells_them_the_rest_by_unicast() {
    let mut world = segment(3, NetworkType::PointToMultipoint, |_, interface| interface.neighbors.clear());
    world.reaches = Box::new(|_, _| true);
    world.run_for(HELLO);
    assert!(world.agree());
    assert_eq!(world.lan_state(1, LAN, 2), S::Full);
    let multicast = world.sent.iter().filter(|sent| sent.destination.is_multicast());
    assert!(multicast.clone().count() > 0);
    assert!(multicast.clone().all(|sent| matches!(sent.body(), PacketBody::Hello(_))));
}

#[test]
fn a_neighbor_that_is_taken_off_the_list_is_dropped_and_stays_away() {
    for network in [NetworkType::NonBroadcast, NetworkType::PointToMultipoint] {
        let mut world = segment(3, network, |_, _| {});
        world.run_for(3 * DEAD);
        assert!(world.routes[0].contains_key(&prefix("10.255.0.2/32")));
        world.reconfigure(0, |config| {
            config.interfaces.get_mut(&LAN).unwrap().neighbors.remove(&lan_address(0, 1));
        });
        assert_eq!(world.lan_state(0, LAN, 1), S::Down);
        world.run_for(2 * DELAY);
        assert!(world.lan_state(1, LAN, 0) <= S::Init, "it is told");
        let since = world.now;
        world.run_for(3 * DEAD);
        assert_eq!(
            (world.lan_state(0, LAN, 1), hellos(&world, 0, 1, since)),
            (S::Down, 0),
            "though it goes on sending hellos"
        );
        assert!(world.lan_state(0, LAN, 2) >= S::TwoWay);
        let refused = &world.engines[0].interfaces().next().unwrap().counters.refused;
        assert!(refused[&crate::Refusal::NeighborNotListed] > 0);
    }
}

#[test]
fn a_listed_neighbor_of_a_point_to_multipoint_network_that_is_down_is_polled() {
    let mut world = segment(2, NetworkType::PointToMultipoint, |_, _| {});
    world.run_for(HELLO);
    world.link(1, LAN, LinkState::Down);
    world.run_for(DEAD + HELLO);
    assert_eq!(world.lan_state(0, LAN, 1), S::Down);
    let start = world.now;
    world.run_for(5 * POLL);
    assert_eq!(hellos(&world, 0, 1, start), 5);
    world.link(1, LAN, up(1, LAN));
    world.run_for(HELLO);
    assert_eq!(world.lan_state(0, LAN, 1), S::Full, "it says hello itself");
}
