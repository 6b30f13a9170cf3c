//! Broadcast networks: who is elected, who is adjacent to whom, what is sent where, and what the databases say of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use super::world::*;
use crate::interface::send::{ALL_D_ROUTERS, ALL_SPF_ROUTERS};
use crate::wire::{Hello, LsaBody, NetworkLsa, Options, PacketBody, RouterLinkKind};
use crate::{
    Addressing, Event, Input, InterfaceState, LinkState, LinkStateId, LsaKey, LsaType, NeighborState as S, Refusal,
    RouterId,
};

/// The segment's interface of an engine as its views show it.
fn view(world: &World, engine: usize) -> crate::InterfaceView {
    world.engines[engine].interfaces().find(|view| view.interface == LAN).unwrap()
}

/// Interface states that an engine's segment went through.
fn interface_events(world: &World, engine: usize) -> Vec<(InterfaceState, &'static str)> {
    let step = |event: &Event| match event {
        Event::Interface { interface: LAN, to, cause, .. } => Some((*to, *cause)),
        _ => None,
    };
    world.events[engine].iter().filter_map(step).collect()
}

/// The attached routers of the segment's Network-LSA, as an engine knows it.
fn network_lsa(world: &World, engine: usize, dr: usize) -> Option<NetworkLsa> {
    let lsa = world.lsa(engine, network_key(dr, router_id(dr)))?;
    match lsa.parse().unwrap() {
        LsaBody::Network(network) if !lsa.header.is_max_age() => Some(network),
        _ => None,
    }
}

fn network_key(dr: usize, advertising_router: RouterId) -> LsaKey {
    let id = LinkStateId::from(lan_address(0, dr));
    LsaKey { kind: LsaType::NETWORK, id, advertising_router }
}

/// Kinds and Link IDs of the links in an engine's Router-LSA.
fn links(world: &World, engine: usize) -> Vec<(RouterLinkKind, Ipv4Addr)> {
    match world.lsa(engine, router_key(engine)).unwrap().parse().unwrap() {
        LsaBody::Router(router) => router.links.iter().map(|link| (link.kind, link.id)).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn routers_that_start_together_wait_for_the_dead_interval_and_elect_by_router_id() {
    let mut world = World::lan(4, |_, _| {});
    world.run_for(DEAD - DELAY);
    for engine in 0..4 {
        assert_eq!(view(&world, engine).state, InterfaceState::Waiting);
        assert_eq!(world.lan_state(engine, LAN, (engine + 1) % 4), S::TwoWay, "no adjacency before the election");
    }
    world.settle();
    assert_eq!(world.designated(0, LAN), (Some(3), Some(2)));
    assert_eq!(view(&world, 3).state, InterfaceState::Dr);
    assert_eq!(view(&world, 2).state, InterfaceState::Backup);
    assert_eq!(view(&world, 1).state, InterfaceState::DrOther);
    assert_eq!(
        interface_events(&world, 3),
        [(InterfaceState::Waiting, "InterfaceUp"), (InterfaceState::Dr, "WaitTimer")]
    );
    let loopbacks = world.routes[0].keys().filter(|prefix| prefix.len() == 32).count();
    assert_eq!(loopbacks, 3);
    let to = &world.routes[0][&prefix("10.255.0.3/32")].nexthops;
    assert_eq!(to.first().unwrap().via, Some(lan_address(0, 2)), "past the designated router");
}

#[test]
fn a_newcomer_sees_the_backup_and_does_not_wait_and_preempts_nobody() {
    let mut world = World::lan(3, |engine, config| {
        config.interfaces.get_mut(&LAN).unwrap().priority = if engine == 2 { 255 } else { 1 };
    });
    world.link(2, LAN, LinkState::Down);
    world.run_for(DEAD + HELLO);
    assert_eq!(world.designated(0, LAN), (Some(1), Some(0)));
    world.link(2, LAN, up(2, LAN));
    let took = world.run_to(DEAD, |world| world.settled(LAN));
    assert!(took < HELLO, "{took:?}");
    assert_eq!(world.designated(2, LAN), (Some(1), Some(0)));
    assert_eq!(interface_events(&world, 2).last(), Some(&(InterfaceState::DrOther, "BackupSeen")));
}

#[test]
fn a_newcomer_becomes_the_backup_of_a_designated_router_that_has_none() {
    let mut world = World::lan(2, |_, _| {});
    world.link(1, LAN, LinkState::Down);
    world.run_for(DEAD + HELLO);
    assert_eq!(world.designated(0, LAN), (Some(0), None));
    assert_eq!(links(&world, 0)[0].0, RouterLinkKind::Stub, "alone on a network that nobody passes through");
    world.link(1, LAN, up(1, LAN));
    world.settle();
    assert_eq!(world.designated(1, LAN), (Some(0), Some(1)));
    assert_eq!(interface_events(&world, 1).last(), Some(&(InterfaceState::Backup, "BackupSeen")));
}

#[test]
fn priority_0_is_drother_at_once_and_never_elected() {
    let mut world = World::lan(3, |engine, config| {
        config.interfaces.get_mut(&LAN).unwrap().priority = if engine == 0 { 1 } else { 0 };
    });
    assert_eq!(view(&world, 2).state, InterfaceState::DrOther);
    world.settle();
    assert_eq!(world.designated(2, LAN), (Some(0), None));
    assert_eq!(world.lan_state(1, LAN, 2), S::TwoWay);
}

#[test]
fn the_backup_takes_over_when_the_designated_router_dies() {
    let mut world = World::lan(4, |_, _| {});
    world.settle();
    world.reaches = Box::new(|sent, to| sent.from.0 != 3 && to.0 != 3);
    world.run_for(DEAD + HELLO);
    for engine in 0..3 {
        assert_eq!(world.designated(engine, LAN), (Some(2), Some(1)), "as {engine} sees it");
    }
    assert_eq!(network_lsa(&world, 0, 2).unwrap().attached_routers, [router_id(0), router_id(1), router_id(2)]);
    assert_eq!(world.lan_state(0, LAN, 1), S::Full);
    let gone = !world.routes[0].contains_key(&prefix("10.255.0.4/32"));
    assert!(gone, "the dead router's LSAs are still there, and lead nowhere");
}

#[test]
fn a_designated_router_that_says_goodbye_is_replaced_at_once() {
    let mut world = World::lan(3, |_, _| {});
    world.settle();
    world.input(2, Input::Shutdown);
    let both = |world: &World| [0, 1].iter().all(|&engine| world.designated(engine, LAN) == (Some(1), Some(0)));
    let took = world.run_to(DEAD, both);
    assert!(took < Duration::from_millis(200), "{took:?}");
}

#[test]
fn parts_of_a_network_that_meet_agree_on_one_designated_router_and_the_other_flushes_its_network_lsa() {
    let mut world = World::lan(4, |_, _| {});
    world.reaches = Box::new(|sent, to| (sent.from.0 < 2) == (to.0 < 2));
    world.run_for(2 * DEAD);
    assert_eq!(world.designated(0, LAN), (Some(1), Some(0)));
    assert_eq!(world.designated(2, LAN), (Some(3), Some(2)));
    assert!(network_lsa(&world, 1, 1).is_some());
    world.reaches = Box::new(|_, _| true);
    world.settle();
    assert_eq!(world.designated(0, LAN), (Some(3), Some(2)));
    assert_eq!(network_lsa(&world, 0, 1), None);
    assert_eq!(network_lsa(&world, 0, 3).unwrap().attached_routers.len(), 4);
}

#[test]
fn the_network_lsa_lists_the_designated_router_and_all_that_are_fully_adjacent_to_it() {
    let mut world = World::lan(3, |_, _| {});
    world.settle();
    let network = network_lsa(&world, 0, 2).unwrap();
    assert_eq!(network.network_mask, Ipv4Addr::new(255, 255, 255, 0));
    assert_eq!(network.attached_routers, [router_id(0), router_id(1), router_id(2)]);
    for engine in 0..3 {
        assert_eq!(links(&world, engine)[0], (RouterLinkKind::Transit, lan_address(0, 2)));
    }
    world.link(0, LAN, LinkState::Down);
    world.run_for(DEAD + HELLO);
    assert_eq!(network_lsa(&world, 1, 2).unwrap().attached_routers, [router_id(1), router_id(2)]);
    world.link(1, LAN, LinkState::Down);
    world.run_for(DEAD + HELLO);
    assert_eq!(network_lsa(&world, 2, 2), None, "nobody is left to be attached");
    assert_eq!(links(&world, 2)[0], (RouterLinkKind::Stub, Ipv4Addr::new(192, 0, 0, 0)));
}

#[test]
fn a_hidden_network_has_a_mask_of_all_ones_and_no_route() {
    let mut world = World::lan(2, |_, config| {
        config.interfaces.get_mut(&LAN).unwrap().prefix_suppression = true;
    });
    world.settle();
    assert_eq!(network_lsa(&world, 0, 1).unwrap().network_mask, Ipv4Addr::BROADCAST);
    assert_eq!(world.routes[0].keys().copied().collect::<Vec<_>>(), [prefix("10.255.0.2/32")]);
}

#[test]
fn a_router_that_is_not_the_designated_router_any_more_flushes_its_network_lsa() {
    let mut world = World::lan(3, |_, _| {});
    world.settle();
    world.reconfigure(2, |config| config.interfaces.get_mut(&LAN).unwrap().priority = 0);
    world.run_for(Duration::from_secs(10));
    world.settle();
    assert_eq!(world.designated(2, LAN), (Some(1), Some(0)));
    assert_eq!(network_lsa(&world, 0, 2), None);
    assert!(network_lsa(&world, 0, 1).is_some());
}

/// Starts the third router again under another router id. Nobody hears that it goes: its LSAs of before live on.
fn replace_under_another_id(world: &mut World) {
    let mut config = world.engines[2].config.clone();
    config.router_id = RouterId(u32::from(Ipv4Addr::new(10, 255, 9, 9)));
    world.replace(2, crate::Engine::new(config, 7, world.now));
}

#[test]
fn a_network_lsa_of_ours_under_another_router_id_is_flushed() {
    let mut world = World::lan(3, |_, _| {});
    world.settle();
    let before = network_key(2, router_id(2));
    replace_under_another_id(&mut world);
    world.link(2, LAN, up(2, LAN));
    world.run_for(DEAD + HELLO);
    assert!(world.lsa(0, before).is_none(), "§13.4: one of our addresses is its Link State ID");
    assert!(network_lsa(&world, 0, 1).is_some_and(|network| network.attached_routers.len() == 3));
}

#[test]
fn a_network_lsa_of_ours_under_another_router_id_is_flushed_though_it_came_before_we_had_its_address() {
    let wire = port(2, 0).1;
    let renumbered = LinkState::Up { index: 7, mtu: 1420, addressing: Addressing::Unnumbered(lan_address(0, 2)) };
    for (id, state) in [(LAN, up(2, LAN)), (wire, renumbered)] {
        let mut world = World::build(3, &[(0, 2)], &[vec![0, 1, 2]], |_, _| {});
        world.settle();
        let before = network_key(2, router_id(2));
        replace_under_another_id(&mut world);
        world.link(2, wire, up(2, wire));
        // To a router that is not on the segment it is another router's.
        world.run_to(DEAD, |world| world.lsa(2, before).is_some_and(|lsa| !lsa.header.is_max_age()));
        world.run_for(Duration::from_secs(2));
        assert!((0..3).all(|engine| world.lsa(engine, before).is_some()));
        world.link(2, id, state);
        world.run_for(Duration::from_secs(3));
        assert!((0..3).all(|engine| world.lsa(engine, before).is_none()), "§13.4: {id:?} has its Link State ID");
    }
}

#[test]
fn each_kind_of_packet_goes_where_section_8_1_says() {
    let mut world = World::lan(4, |_, _| {});
    world.settle();
    let start = world.now;
    for engine in 0..4 {
        let change = externals(u32::try_from(engine).unwrap() + 1);
        world.reconfigure(engine, |config| config.externals = change);
        world.run_for(Duration::from_secs(20));
    }
    assert!(world.agree());
    let to = |engine: usize, kind: u8| -> BTreeSet<Ipv4Addr> {
        let of_kind = world.sent.iter().filter(|sent| sent.from.0 == engine && sent.bytes[1] == kind);
        of_kind.filter(|sent| sent.at >= start).map(|sent| sent.destination).collect()
    };
    for engine in 0..4 {
        assert_eq!(to(engine, 1), [ALL_SPF_ROUTERS].into(), "hellos");
        let group = if engine >= 2 { ALL_SPF_ROUTERS } else { ALL_D_ROUTERS };
        assert!(to(engine, 4).contains(&group), "updates of {engine}");
        let other = if engine >= 2 { ALL_D_ROUTERS } else { ALL_SPF_ROUTERS };
        assert!(!to(engine, 4).contains(&other) && !to(engine, 5).contains(&other));
    }
    assert_eq!(to(0, 5), [ALL_D_ROUTERS].into(), "delayed acknowledgements of DROther");
    assert_eq!(to(2, 5), [ALL_SPF_ROUTERS].into(), "and of the backup");
    let unicast = world.sent.iter().filter(|sent| matches!(sent.bytes[1], 2 | 3));
    assert!(unicast.clone().count() > 0);
    assert!(unicast.clone().all(|sent| !sent.destination.is_multicast()), "descriptions and requests");
    assert!(world.sent.iter().all(|sent| sent.ttl == 1));
}

/// What an external that `origin` announces makes the routers send: updates and acknowledgements by engine.
fn flood_of(world: &mut World, origin: usize) -> (BTreeMap<usize, usize>, BTreeMap<usize, usize>) {
    let start = world.now;
    world.reconfigure(origin, |config| config.externals = externals(1));
    world.run_for(Duration::from_secs(4));
    assert!(world.agree());
    let count = |kind: u8| {
        let mut counts = BTreeMap::new();
        for sent in world.sent.iter().filter(|sent| sent.at >= start && sent.bytes[1] == kind) {
            // The Router-LSA that says that there are externals is not counted.
            let router_lsa = |body: PacketBody| match body {
                PacketBody::LinkStateUpdate(lsas) => lsas[0].header.key.kind == LsaType::ROUTER && lsas.len() == 1,
                _ => false,
            };
            if !router_lsa(sent.body()) {
                *counts.entry(sent.from.0).or_insert(0) += 1;
            }
        }
        counts
    };
    (count(4), count(5))
}

#[test]
fn an_lsa_of_drother_is_flooded_to_the_designated_router_and_by_it_to_all_and_acknowledged_as_table_19_says() {
    let mut world = World::lan(5, |_, _| {});
    world.settle();
    let (updates, acks) = flood_of(&mut world, 0);
    assert_eq!(updates, [(0, 1), (4, 1)].into(), "one multicast each: the backup floods nothing (§13.3 (4))");
    // The designated router's flood tells its sender enough. The backup acknowledges the designated router's copy.
    assert_eq!(acks.keys().copied().collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(
        world.engines.iter().flat_map(|e| e.interfaces()).map(|view| view.counters.retransmitted).sum::<u64>(),
        0
    );
}

#[test]
fn an_lsa_of_the_designated_router_is_flooded_once_and_acknowledged_by_all() {
    let mut world = World::lan(5, |_, _| {});
    world.settle();
    let (updates, acks) = flood_of(&mut world, 4);
    assert_eq!(updates, [(4, 1)].into(), "§13.3 (3): what came from the designated router is not flooded back");
    assert_eq!(acks.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[test]
fn an_lsa_of_the_backup_is_flooded_by_the_designated_router_only_if_it_has_to() {
    let mut world = World::lan(5, |_, _| {});
    world.settle();
    let (updates, acks) = flood_of(&mut world, 3);
    assert_eq!(updates, [(3, 1)].into(), "to AllSPFRouters, which is everybody");
    assert_eq!(acks.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 4]);
}

#[test]
fn what_the_designated_router_fails_to_flood_the_backup_retransmits() {
    let mut world = World::lan(4, |_, _| {});
    world.settle();
    // The designated router hears nothing from 0, so that it floods nothing; the backup has it.
    world.reaches = Box::new(|sent, to| {
        let update = matches!(sent.body(), PacketBody::LinkStateUpdate(_));
        !(update && sent.from.0 == 0 && to.0 == 3)
    });
    world.reconfigure(0, |config| config.externals = externals(1));
    let has_it = |world: &World| world.engines[1].lsdb().any(|lsa| lsa.lsa.header.key.kind == LsaType::AS_EXTERNAL);
    let took = world.run_to(DEAD, has_it);
    assert!(took >= Duration::from_secs(5), "RxmtInterval passes first: {took:?}");
    world.run_for(Duration::from_secs(10));
    assert!(world.agree());
}

#[test]
fn a_lost_copy_is_retransmitted_to_who_missed_it_alone() {
    let mut world = World::lan(4, |_, _| {});
    world.settle();
    let start = world.now;
    world.reaches = Box::new(|sent, to| {
        let flood = sent.destination.is_multicast() && matches!(sent.body(), PacketBody::LinkStateUpdate(_));
        !(flood && to.0 == 1)
    });
    world.reconfigure(3, |config| config.externals = externals(1));
    world.run_for(Duration::from_secs(20));
    assert!(world.agree());
    let mut unicast: Vec<_> = world
        .sent_by(3, start)
        .filter(|sent| matches!(sent.body(), PacketBody::LinkStateUpdate(_)) && !sent.destination.is_multicast())
        .map(|sent| sent.destination)
        .collect();
    unicast.dedup();
    assert_eq!(unicast, [lan_address(0, 1)]);
}

#[test]
fn a_neighbor_that_has_died_does_not_hold_up_floods_to_the_others() {
    let mut world = World::lan(4, |_, _| {});
    world.settle();
    world.reaches = Box::new(|sent, to| sent.from.0 != 1 && to.0 != 1);
    // Several windows.
    world.reconfigure(3, |config| config.externals = externals(6000));
    let all = |world: &World| {
        let known = |engine: usize| world.engines[engine].lsdb().filter(|lsa| lsa.domain == crate::Domain::As).count();
        known(0) == 6000 && known(2) == 6000
    };
    let took = world.run_to(DEAD, all);
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[test]
fn a_lan_of_ten_routers_converges_and_loses_nothing_when_links_drop_packets() {
    let mut world = World::lan(10, |engine, config| config.externals = externals(10 * u32::try_from(engine).unwrap()));
    let mut count = 0_u64;
    world.reaches = Box::new(move |sent, to| {
        count = count.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(sent.bytes.len() as u64 + to.0 as u64);
        count >> 60 != 0
    });
    world.run_for(3 * DEAD);
    world.reaches = Box::new(|_, _| true);
    world.run_for(DEAD);
    assert!(world.settled(LAN) && world.agree());
}

#[test]
fn a_router_whose_id_changes_at_its_address_is_another_neighbor() {
    let mut world = World::lan(2, |_, _| {});
    world.settle();
    let mut config = world.engines[0].config.clone();
    config.router_id = RouterId(u32::from(Ipv4Addr::new(10, 255, 9, 9)));
    world.replace(0, crate::Engine::new(config, 7, world.now));
    world.link(0, LAN, up(0, LAN));
    world.run_for(HELLO);
    // Everybody on the segment could have sent its hellos.
    assert!(!world.neighbor_events(1).contains(&(S::Full, S::Down, "KillNbr")));
    world.run_for(DEAD + HELLO);
    assert!(world.neighbor_events(1).contains(&(S::Full, S::Down, "InactivityTimer")));
    let views: Vec<_> = world.engines[1].neighbors().map(|view| (view.router_id, view.state)).collect();
    assert_eq!(views, [(RouterId(0x0aff_0909), S::Full)]);
}

#[test]
fn an_address_that_changes_starts_over_under_the_new_one() {
    let mut world = World::lan(3, |_, _| {});
    world.settle();
    let addressing =
        crate::Addressing::Numbered { address: lan_address(0, 8), subnet: crate::Prefix::new(lan_address(0, 8), 24) };
    world.link(2, LAN, LinkState::Up { index: 1100, mtu: 1420, addressing });
    world.run_for(2 * DEAD);
    assert_eq!(world.designated(0, LAN), (Some(1), Some(8)));
    assert_eq!(world.lan_state(0, LAN, 2), S::Full);
    assert!(network_lsa(&world, 0, 2).is_none(), "the network lsa under the address of before is flushed");
}

#[test]
fn a_broadcast_interface_without_a_subnet_stays_down() {
    let mut world = World::lan(2, |_, _| {});
    world.link(0, LAN, LinkState::Down);
    let addressing = crate::Addressing::Unnumbered(loopback(0));
    world.link(0, LAN, LinkState::Up { index: 1, mtu: 1500, addressing });
    assert_eq!(view(&world, 0).state, InterfaceState::Down);
}

fn hello(source: usize) -> Hello {
    Hello {
        network_mask: Ipv4Addr::new(255, 255, 255, 0),
        hello_interval: 10,
        options: Options::E,
        priority: 1,
        dead_interval: 40,
        designated_router: Ipv4Addr::UNSPECIFIED,
        backup_designated_router: Ipv4Addr::UNSPECIFIED,
        neighbors: vec![router_id(source)],
    }
}

/// Gives engine 0 a packet from an address on its segment.
fn from(world: &mut World, source: Ipv4Addr, destination: Ipv4Addr, router: RouterId, body: PacketBody) {
    let packet = crate::wire::Packet {
        router_id: router,
        area_id: crate::AreaId::BACKBONE,
        authentication: crate::wire::Authentication::Null,
        body,
    };
    let payload = packet.encode().unwrap();
    world.input(0, Input::Packet { interface: LAN, source, destination, ttl: 1, payload: (&payload[..]).into() });
}

fn refusals(world: &World) -> Vec<Refusal> {
    let refusal = |event: &Event| match event {
        Event::PacketRefused { reason, .. } => Some(*reason),
        _ => None,
    };
    world.events[0].iter().filter_map(refusal).collect()
}

#[test]
fn section_8_2_and_10_5_name_what_they_refuse() {
    let mut world = World::lan(1, |_, _| {});
    let router = RouterId(77);
    let here = lan_address(0, 76);
    from(&mut world, Ipv4Addr::new(198, 51, 100, 1), ALL_SPF_ROUTERS, router, PacketBody::Hello(hello(0)));
    let mask = Ipv4Addr::new(255, 255, 0, 0);
    let other = PacketBody::Hello(Hello { network_mask: mask, ..hello(0) });
    from(&mut world, here, ALL_SPF_ROUTERS, router, other);
    from(&mut world, here, lan_address(0, 9), router, PacketBody::Hello(hello(0)));
    from(&mut world, here, ALL_SPF_ROUTERS, router, PacketBody::LinkStateAck(Vec::new()));
    assert_eq!(
        refusals(&world),
        [Refusal::Source, Refusal::NetworkMaskMismatch, Refusal::Destination, Refusal::UnknownNeighbor]
    );
    from(&mut world, here, ALL_SPF_ROUTERS, router, PacketBody::Hello(hello(0)));
    assert_eq!(world.engines[0].neighbors().next().unwrap().state, S::TwoWay);
    // A neighbour is known by its address, and says who it is in every packet (§8.2).
    from(&mut world, here, ALL_SPF_ROUTERS, RouterId(78), PacketBody::LinkStateAck(Vec::new()));
    assert_eq!(refusals(&world).last(), Some(&Refusal::UnknownNeighbor));
}

#[test]
fn packets_to_all_d_routers_are_for_those_alone_and_no_fault_of_their_senders() {
    let mut world = World::lan(3, |_, _| {});
    world.settle();
    let before = view(&world, 0).counters;
    let update = PacketBody::LinkStateUpdate(Vec::new());
    from(&mut world, lan_address(0, 1), ALL_D_ROUTERS, router_id(1), update.clone());
    assert_eq!(view(&world, 0).counters, before, "0 is DROther");
    from(&mut world, lan_address(0, 1), ALL_SPF_ROUTERS, router_id(1), update);
    assert_eq!(view(&world, 0).counters.received[3], before.received[3] + 1);
    // Nor is there such a group on a point-to-point link.
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    let packet = crate::wire::Packet {
        router_id: router_id(1),
        area_id: crate::AreaId::BACKBONE,
        authentication: crate::wire::Authentication::Null,
        body: PacketBody::LinkStateUpdate(Vec::new()),
    };
    let (source, payload) = (loopback(1), packet.encode().unwrap());
    let interface = port(0, 1).1;
    world.input(
        0,
        Input::Packet { interface, source, destination: ALL_D_ROUTERS, ttl: 1, payload: (&payload[..]).into() },
    );
    assert_eq!(refusals(&world), [Refusal::Destination]);
}

#[test]
fn a_change_of_a_neighbors_priority_elects_anew_but_preempts_nobody() {
    let mut world = World::lan(3, |_, _| {});
    world.settle();
    world.reconfigure(0, |config| config.interfaces.get_mut(&LAN).unwrap().priority = 9);
    world.run_for(HELLO);
    assert_eq!(world.designated(1, LAN), (Some(2), Some(1)));
    world.input(2, Input::Shutdown);
    world.run_for(HELLO);
    assert_eq!(world.designated(1, LAN), (Some(1), Some(0)));
}

#[test]
fn an_election_that_changes_the_outcome_tells_every_neighbor_by_adj_ok() {
    let mut world = World::lan(4, |_, _| {});
    world.settle();
    world.input(3, Input::Shutdown);
    world.run_for(HELLO);
    assert_eq!(world.designated(0, LAN), (Some(2), Some(1)));
    // Between DROthers nothing changes; towards the new backup an adjacency begins.
    assert!(world.neighbor_events(0).contains(&(S::TwoWay, S::ExStart, "AdjOK?")));
    // 1 gives up its place, and its adjacency with the other that has none.
    world.restart(3, 9);
    world.run_for(HELLO);
    assert_eq!((world.designated(3, LAN), world.lan_state(1, LAN, 3)), ((Some(2), Some(1)), S::Full));
    world.reconfigure(1, |config| config.interfaces.get_mut(&LAN).unwrap().priority = 0);
    world.run_for(HELLO);
    assert_eq!(world.designated(1, LAN), (Some(2), Some(3)));
    assert!(world.neighbor_events(1).contains(&(S::Full, S::TwoWay, "AdjOK?")), "towards 0");
}

/// Found by the fuzz target `trace`.
#[test]
fn somebody_with_our_own_address_is_no_neighbor() {
    let mut world = World::lan(2, |_, _| {});
    world.run_for(DEAD + HELLO);
    let (engine, id) = (0, LAN);
    let ours = view(&world, engine).addressing.unwrap().address();
    let copy = world
        .sent_by(1, crate::Instant::ZERO)
        .find(|sent| matches!(sent.body(), PacketBody::Hello(_)))
        .unwrap()
        .clone();
    let payload = &copy.bytes[..];
    let input =
        Input::Packet { interface: id, source: ours, destination: copy.destination, ttl: 1, payload: payload.into() };
    world.input(engine, input);
    assert!(view(&world, engine).counters.refused[&Refusal::Source] > 0);
    assert!(world.engines[engine].neighbors().all(|neighbor| neighbor.address != ours));
}
