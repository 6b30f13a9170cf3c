//! Whose packets are taken: on tunnels, over virtual links and where there can be one neighbour; and that nobody makes a router send more than
//! it has to, or remember more than it can.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::world::*;
use crate::wire::{Authentication as Unsigned, EncodeError, Hello, Lsa, LsaBody, Options, Packet, PacketBody};
use crate::{
    Addressing, AreaId, Authentication, Config, Event, InterfaceId, Key, KeyAlgorithm, KeyChain, KeyId, Lifetime,
    Limit, LinkState, LsaType, NeighborState as S, NetworkType, Prefix, Refusal, RouterId, Secret, SequenceCheck,
    SequenceNumber, Speaker, TtlSecurity,
};

/// Where packets of a LAN host come from.
const HOST: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 66);

fn hello(neighbors: Vec<RouterId>) -> PacketBody {
    PacketBody::Hello(Hello {
        network_mask: Ipv4Addr::UNSPECIFIED,
        hello_interval: 10,
        options: Options::E,
        priority: 1,
        dead_interval: 40,
        designated_router: Ipv4Addr::UNSPECIFIED,
        backup_designated_router: Ipv4Addr::UNSPECIFIED,
        neighbors,
    })
}

fn packet(router_id: RouterId, body: PacketBody) -> Packet {
    Packet { router_id, area_id: AreaId::BACKBONE, authentication: Unsigned::Null, body }
}

/// Every link is a tunnel.
pub fn tunnels(engine: usize, config: &mut Config, ttl_security: TtlSecurity) {
    for (id, interface) in &mut config.interfaces {
        if *id < LAN {
            let peer = usize::try_from(id.0).unwrap() - 1;
            assert_ne!(peer, engine);
            interface.speaker = Speaker::Peer { address: loopback(peer), ttl_security };
        }
    }
}

pub fn keyed() -> Authentication {
    let secret = Secret::new(b"sesame".to_vec());
    let always = Lifetime { from: None, until: None };
    let key = Key { id: KeyId(1), algorithm: KeyAlgorithm::HmacSha256, secret, send: always, accept: always };
    Authentication::Cryptographic(KeyChain::new(vec![key], SequenceCheck::NotSmaller).unwrap())
}

fn refused(world: &World, engine: usize, id: InterfaceId, reason: Refusal) -> u64 {
    let view = world.engines[engine].interfaces().find(|view| view.interface == id).unwrap();
    view.counters.refused.get(&reason).copied().unwrap_or_default()
}

fn last_refusal(world: &World, engine: usize) -> Option<Refusal> {
    world.events[engine].iter().rev().find_map(|event| match event {
        Event::PacketRefused { reason, .. } => Some(*reason),
        _ => None,
    })
}

#[test]
fn on_a_tunnel_packets_are_taken_from_its_peer_alone_and_only_if_nobody_forwarded_them() {
    let (peer, other) = (loopback(1), HOST);
    for (security, source, ttl, expected) in [
        (TtlSecurity::Required, peer, 255, None),
        (TtlSecurity::Required, peer, 1, None),
        (TtlSecurity::Required, peer, 254, Some(Refusal::Ttl)),
        (TtlSecurity::Required, peer, 64, Some(Refusal::Ttl)),
        (TtlSecurity::Required, other, 255, Some(Refusal::NotThePeer)),
        (TtlSecurity::Required, other, 1, Some(Refusal::NotThePeer)),
        (TtlSecurity::Off, peer, 63, None),
        (TtlSecurity::Off, other, 255, Some(Refusal::NotThePeer)),
    ] {
        let mut world = World::with(2, &[(0, 1)], |engine, config| tunnels(engine, config, security));
        world.cut.extend([port(0, 1), port(1, 0)]);
        world.inject_packet(port(0, 1), source, ttl, &packet(router_id(1), hello(vec![])));
        assert_eq!(last_refusal(&world, 0), expected, "{security:?} {source} {ttl}");
        let neighbors = world.engines[0].neighbors().count();
        assert_eq!(neighbors, usize::from(expected.is_none()), "{security:?} {source} {ttl}");
        if let Some(reason) = expected {
            assert_eq!(refused(&world, 0, port(0, 1).1, reason), 1);
        }
    }
}

#[test]
fn what_a_lan_host_has_forwarded_into_a_tunnel_changes_nothing() {
    let mut world = World::with(2, &[(0, 1)], |engine, config| tunnels(engine, config, TtlSecurity::Required));
    world.converge();
    world.run_for(Duration::from_secs(10));
    let key = external_key(1, Ipv4Addr::UNSPECIFIED);
    let everything = LsaBody::External(crate::wire::ExternalLsa {
        network_mask: Ipv4Addr::UNSPECIFIED,
        metric: crate::ExternalMetric::Type2(1),
        forwarding_address: Ipv4Addr::UNSPECIFIED,
        route_tag: 0,
    });
    let forged = Lsa::new(key, Options::E, SequenceNumber::INITIAL, &everything).unwrap();
    let events = world.neighbor_events(0).len();
    for body in [hello(vec![]), hello(vec![router_id(0)]), PacketBody::LinkStateUpdate(vec![forged])] {
        for (source, ttl) in [(HOST, 63), (HOST, 1), (HOST, 255), (loopback(1), 62)] {
            for sender in [router_id(1), router_id(7)] {
                world.inject_packet(port(0, 1), source, ttl, &packet(sender, body.clone()));
            }
        }
    }
    world.run_for(Duration::from_secs(10));
    assert_eq!(world.neighbor_events(0).len(), events);
    assert!(world.all_full() && world.agree());
    assert!(world.lsa(0, key).is_none() && !world.routes[0].contains_key(&prefix("0.0.0.0/0")));
}

#[test]
fn packets_leave_with_ttl_255_on_tunnels_and_with_1_on_lans() {
    let mut world =
        World::build(2, &[(0, 1)], &[vec![0, 1]], |engine, config| tunnels(engine, config, TtlSecurity::Required));
    world.settle();
    for sent in &world.sent {
        assert_eq!(sent.ttl, if sent.from.1 == LAN { 1 } else { 255 });
        assert_eq!(sent.delivery, crate::Delivery::OnLink);
    }
}

#[test]
fn one_forged_hello_ends_no_adjacency_and_the_second_speaker_is_named_while_it_lasts() {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    world.run_for(Duration::from_secs(1));
    let stranger = RouterId(0x0909_0909);
    for _ in 0..3 {
        world.inject_packet(port(0, 1), HOST, 1, &packet(stranger, hello(vec![router_id(0)])));
    }
    assert!(world.all_full());
    assert_eq!(world.neighbor_events(0).last().unwrap().1, S::Full);
    assert_eq!(refused(&world, 0, port(0, 1).1, Refusal::SecondSpeaker), 3);
    let named = |world: &World| world.engines[0].interfaces().next().unwrap().second_speaker;
    assert_eq!(named(&world), Some((stranger, HOST)));
    let reported = |event: &&Event| {
        **event == Event::SecondSpeaker { interface: port(0, 1).1, router_id: stranger, address: HOST }
    };
    assert_eq!(world.events[0].iter().filter(reported).count(), 1);
    world.run_for(DEAD + HELLO);
    assert_eq!(named(&world), None);
}

#[test]
fn one_forged_hello_from_a_neighbors_address_ends_no_adjacency_on_a_segment() {
    let mut world = World::lan(2, |_, _| {});
    world.settle();
    let mask = Ipv4Addr::new(255, 255, 255, 0);
    let PacketBody::Hello(body) = hello(vec![router_id(0)]) else { panic!() };
    let forged = PacketBody::Hello(Hello { network_mask: mask, ..body });
    world.inject_packet((0, LAN), lan_address(0, 1), 1, &packet(RouterId(0x0909_0909), forged));
    assert!(world.settled(LAN));
    assert_eq!(refused(&world, 0, LAN, Refusal::SecondSpeaker), 1);
}

#[test]
fn corner_case_21_a_new_router_id_is_taken_at_once_from_a_sender_that_is_certain_and_once_only() {
    let mut world = World::with(2, &[(0, 1)], |engine, config| {
        tunnels(engine, config, TtlSecurity::Required);
    });
    world.converge();
    world.cut.insert(port(1, 0));
    let neighbors = |world: &World| world.engines[0].neighbors().map(|view| view.router_id).collect::<Vec<_>>();
    // With a TTL that anybody's packets may have, it is not certain.
    let say = |world: &mut World, engine: usize, ttl: u8| {
        let body = hello(vec![router_id(0)]);
        world.inject_packet(port(0, 1), loopback(1), ttl, &packet(router_id(engine), body));
    };
    say(&mut world, 5, 1);
    assert_eq!(neighbors(&world), [router_id(1)]);
    world.run_for(DEAD / 2);
    say(&mut world, 1, 255);
    world.run_for(DEAD / 2 + HELLO);
    say(&mut world, 5, 255);
    assert_eq!(neighbors(&world), [router_id(5)], "at once");
    // The first is still there: that is two.
    say(&mut world, 1, 255);
    assert_eq!(neighbors(&world), [router_id(5)]);
    assert_eq!(last_refusal(&world, 0), Some(Refusal::SecondSpeaker));
}

#[test]
fn a_neighbors_new_router_id_is_taken_at_once_by_its_digest_and_else_when_the_old_one_has_been_silent() {
    for (authentication, at_once) in [(keyed(), true), (Authentication::Null, false)] {
        let mut world = World::lan(3, |_, config| {
            for interface in config.interfaces.values_mut() {
                interface.network = NetworkType::PointToPoint;
                interface.authentication = authentication.clone();
            }
        });
        let is = |world: &World, engine| world.engines[0].neighbors().any(|view| view.router_id == router_id(engine));
        world.lans[0].remove(&(2, LAN));
        // Whoever was heard at the start is forgotten.
        world.run_for(3 * DEAD);
        assert!(is(&world, 1));
        // Another router in the place of the first, which says nothing any more.
        world.lans[0].remove(&(1, LAN));
        world.lans[0].insert((2, LAN));
        world.run_for(2 * HELLO);
        let is_new = |world: &World| is(world, 2);
        assert_eq!(is_new(&world), at_once, "{authentication:?}");
        world.run_for(DEAD + 2 * HELLO);
        assert!(is_new(&world), "{authentication:?}");
    }
}

/// Three routers on one wire, each of which takes it for a point-to-point link: packets per second of all of them, once they are up.
fn three_on_a_wire(authentication: &Authentication) -> usize {
    let mut world = World::lan(3, |_, config| {
        for interface in config.interfaces.values_mut() {
            interface.network = NetworkType::PointToPoint;
            interface.authentication = authentication.clone();
        }
    });
    world.run_for(DEAD);
    let named = |world: &World| {
        world.engines.iter().any(|engine| engine.interfaces().any(|view| view.second_speaker.is_some()))
    };
    assert!(named(&world), "an operator is told");
    let since = world.sent.len();
    world.run_for(Duration::from_secs(60));
    (world.sent.len() - since) / 60
}

#[test]
fn three_routers_on_a_point_to_point_wire_do_not_storm() {
    for authentication in [Authentication::Null, keyed()] {
        let rate = three_on_a_wire(&authentication);
        assert!(rate < 30, "{rate} packets a second, {authentication:?}");
    }
}

#[test]
fn nobody_makes_a_router_send_as_fast_as_it_is_sent_to() {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    world.run_for(Duration::from_secs(20));
    world.cut.extend([port(0, 1), port(1, 0)]);
    let since = world.now;
    let old = world.lsa(1, router_key(1)).unwrap();
    for _ in 0..1000 {
        // Hellos with and without us, the beginning of an exchange, what is not there, duplicates.
        for body in [
            hello(vec![]),
            hello(vec![router_id(0)]),
            PacketBody::DatabaseDescription(crate::wire::DatabaseDescription {
                interface_mtu: 1420,
                options: Options::E.with(Options::O),
                flags: crate::wire::DdFlags { init: true, more: true, master: true },
                sequence: 7,
                headers: vec![],
            }),
            PacketBody::LinkStateRequest(vec![router_key(7)]),
            PacketBody::LinkStateUpdate(vec![old.clone()]),
        ] {
            world.inject(port(0, 1), 1, body);
        }
        world.run_for(Duration::from_millis(1));
    }
    let sent = world.sent_by(0, since).count();
    assert!(sent < 400, "{sent} packets in a second, in answer to 5000");
}

/// A router on a segment of /16, with one neighbour.
fn wide_lan() -> World {
    let mut world = World::lan(2, |_, _| {});
    for engine in 0..2 {
        let address = lan_address(0, engine);
        let addressing = Addressing::Numbered { address, subnet: Prefix::new(address, 16) };
        world.link(engine, LAN, LinkState::Up { index: 7, mtu: 1420, addressing });
    }
    world.run_to(3 * DEAD, |world| world.settled(LAN));
    world
}

#[test]
fn thousands_of_forged_hellos_are_refused_beyond_what_a_hello_lists_and_known_neighbors_stay() {
    let mut world = wide_lan();
    let PacketBody::Hello(body) = hello(vec![router_id(0)]) else { panic!() };
    let body = PacketBody::Hello(Hello { network_mask: Ipv4Addr::new(255, 255, 0, 0), priority: 0, ..body });
    let since = world.now;
    for stranger in 0..16_500_u32 {
        let source = Ipv4Addr::from(0xc000_1000 + stranger);
        world.inject_packet((0, LAN), source, 1, &packet(RouterId(0x6400_0000 + stranger), body.clone()));
    }
    world.run_for(2 * HELLO);
    let most = (1420 - 20 - 24 - 20) / 4;
    let view = world.engines[0].interfaces().find(|view| view.interface == LAN).unwrap();
    assert_eq!((view.neighbors, view.crowded), (most, Some(most)));
    assert_eq!(refused(&world, 0, LAN, Refusal::TooManyNeighbors), 16_500 - (most as u64 - 1));
    let reported = |event: &&Event| matches!(event, Event::NeighborLimitReached { .. });
    assert_eq!(world.events[0].iter().filter(reported).count(), 1);
    assert_eq!(world.lan_state(0, LAN, 1), S::Full);
    let longest = world.sent_by(0, since).map(|sent| sent.bytes.len()).max().unwrap();
    assert!(longest + 20 <= 1420, "{longest}");
    assert!(world.engines[0].check().is_ok());
}

#[test]
fn what_does_not_fit_a_length_of_sixteen_bits_is_an_error_and_no_panic() {
    let PacketBody::Hello(body) = hello(vec![]) else { panic!() };
    let too_many = Hello { neighbors: vec![RouterId(1); 17_000], ..body };
    let octets = 24 + 20 + 4 * 17_000;
    let encoded = packet(router_id(0), PacketBody::Hello(too_many)).encode();
    assert_eq!(encoded, Err(EncodeError::TooLong { octets }));
    let many = crate::wire::NetworkLsa { network_mask: HOST, attached_routers: vec![RouterId(1); 17_000] };
    let key = crate::LsaKey { kind: LsaType::NETWORK, ..router_key(0) };
    let lsa = Lsa::new(key, Options::E, SequenceNumber::INITIAL, &LsaBody::Network(many.clone()));
    assert_eq!(lsa, Err(EncodeError::TooLong { octets: 20 + 4 + 4 * 17_000 }));
    let lsa = Lsa::new(router_key(0), Options::E, SequenceNumber::INITIAL, &LsaBody::Network(many));
    assert_eq!(lsa, Err(EncodeError::BodyOfAnotherType));
}

#[test]
fn octets_of_lsas_are_limited_also_where_an_instance_grows() {
    let mut world = World::with(2, &[(0, 1)], |engine, config| {
        if engine == 0 {
            config.limits.lsdb_octets = 10_000;
        }
    });
    world.converge();
    world.run_for(Duration::from_secs(10));
    let opaque = |id: u32, sequence: i32, octets: usize| {
        let id = crate::LinkStateId(7 << 24 | id);
        let key = crate::LsaKey { kind: LsaType::OPAQUE_AREA, id, advertising_router: RouterId(99) };
        Lsa::new(key, Options::E, SequenceNumber(sequence), &LsaBody::Opaque(vec![0; octets].into())).unwrap()
    };
    for id in 0..50 {
        world.inject(port(0, 1), 1, PacketBody::LinkStateUpdate(vec![opaque(id, 1, 1000)]));
    }
    let octets = |world: &World| world.engines[0].databases.octets();
    assert!((9_000..=10_000).contains(&octets(&world)), "{}", octets(&world));
    let reached = Event::LimitReached { limit: Limit::LsdbOctets, most: 10_000 };
    assert_eq!(world.events[0].iter().filter(|event| **event == reached).count(), 1);
    world.run_for(Duration::from_secs(2));
    world.inject(port(0, 1), 1, PacketBody::LinkStateUpdate(vec![opaque(0, 2, 5000)]));
    assert!(octets(&world) <= 10_000);
    world.inject(port(0, 1), 1, PacketBody::LinkStateUpdate(vec![opaque(1, 2, 1000)]));
    assert_eq!(world.lsa(0, opaque(1, 2, 1000).header.key).unwrap().header.sequence, SequenceNumber(2));
}
