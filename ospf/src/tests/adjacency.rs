//! Adjacencies come up, and end.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::world::*;
use crate::interface::send::ALL_SPF_ROUTERS;
use crate::wire::{Hello, Options, PacketBody};
use crate::{Addressing, AreaId, Event, Input, LinkState, NeighborState as S, Refusal};

#[test]
fn two_engines_are_full_within_tens_of_milliseconds() {
    let mut world = World::new(2, &[(0, 1)]);
    let took = world.run_to(Duration::from_secs(1), World::all_full);
    assert!(took <= 20 * DELAY, "{took:?}");
    assert_eq!(
        world.neighbor_events(0),
        [
            (S::Down, S::Init, "HelloReceived"),
            (S::Init, S::ExStart, "2-WayReceived"),
            (S::ExStart, S::Exchange, "NegotiationDone"),
            (S::Exchange, S::Full, "ExchangeDone"),
        ]
    );
    let took = world.run_to(Duration::from_secs(1), |world| world.routes.iter().all(|routes| routes.len() == 1));
    assert!(took <= 60 * DELAY, "{took:?}");
    assert!(world.routes[0].contains_key(&prefix("10.255.0.2/32")));
    assert!(world.routes[1].contains_key(&prefix("10.255.0.1/32")));
}

#[test]
fn a_router_that_starts_later_is_full_within_tens_of_milliseconds() {
    let mut world = World::new(2, &[]);
    world.wires.insert(port(0, 1), port(1, 0));
    world.wires.insert(port(1, 0), port(0, 1));
    for engine in 0..2 {
        let id = port(engine, 1 - engine).1;
        world.reconfigure(engine, |config| {
            config.interfaces.insert(id, interface_config("late"));
        });
    }
    world.link(0, port(0, 1).1, up(0, port(0, 1).1));
    world.run_for(Duration::from_millis(3456));
    world.link(1, port(1, 0).1, up(1, port(1, 0).1));
    let took = world.run_to(Duration::from_secs(1), World::all_full);
    assert!(took <= 20 * DELAY, "{took:?}");
}

#[test]
fn corner_case_15_one_way_ends_the_adjacency_but_does_not_stop_the_inactivity_timer() {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    world.cut.insert(port(0, 1));
    world.run_for(DEAD + HELLO);
    assert_eq!(world.state(0, 1), S::Init, "1's hellos still come, and do not list 0");
    assert!(world.neighbor_events(0).contains(&(S::Full, S::Init, "1-WayReceived")));
    world.cut.insert(port(1, 0));
    world.run_for(DEAD + HELLO);
    assert_eq!(world.neighbor_events(0).last(), Some(&(S::Init, S::Down, "InactivityTimer")));
    world.cut.clear();
    world.run_for(HELLO + Duration::from_secs(1));
    assert!(world.all_full());
}

#[test]
fn corner_case_16_updates_do_not_keep_a_neighbor_alive_that_sends_no_hello() {
    let mut world = World::with(2, &[(0, 1)], |_, config| {
        for interface in config.interfaces.values_mut() {
            interface.retransmit_interval = Duration::from_secs(2);
        }
    });
    world.converge();
    world.deliver = Box::new(|sent| sent.from.0 == 0 || !matches!(sent.body(), PacketBody::Hello(_)));
    for _ in 0..9 {
        world.run_for(DEAD / 8);
        let change = externals(u32::try_from(world.sent.len()).unwrap() % 7);
        world.reconfigure(1, |config| config.externals = change);
    }
    assert!(world.neighbor_events(0).contains(&(S::Full, S::Down, "InactivityTimer")));
}

#[test]
fn corner_case_22_point_to_point_packets_go_to_all_spf_routers_except_answers_and_repetitions() {
    let mut world = World::with(2, &[(0, 1)], |engine, config| {
        config.externals = externals(if engine == 0 { 3 } else { 0 });
    });
    let mut lost = 0;
    // The first flood of a Router-LSA is lost, so that it is sent again.
    world.deliver = Box::new(move |sent| {
        let flood = sent.destination == ALL_SPF_ROUTERS && matches!(sent.body(), PacketBody::LinkStateUpdate(_));
        lost += u32::from(flood);
        !(flood && lost == 1)
    });
    world.run_for(Duration::from_secs(20));
    assert!(world.all_full() && world.agree());
    let to = |kind: fn(&PacketBody) -> bool| {
        let mut to: Vec<_> = world.sent.iter().filter(|sent| kind(&sent.body())).map(|sent| sent.destination).collect();
        to.sort_unstable();
        to.dedup();
        to
    };
    assert_eq!(to(|body| matches!(body, PacketBody::Hello(_))), [ALL_SPF_ROUTERS]);
    assert_eq!(to(|body| matches!(body, PacketBody::DatabaseDescription(_))), [ALL_SPF_ROUTERS]);
    assert_eq!(to(|body| matches!(body, PacketBody::LinkStateRequest(_))), [ALL_SPF_ROUTERS]);
    let answered = world.sent.iter().any(|sent| {
        sent.from.0 == 0
            && sent.destination == loopback(1)
            && matches!(sent.body(), PacketBody::LinkStateUpdate(lsas) if lsas.len() == 3)
    });
    assert!(answered, "answers to requests go to who asked");
    let repeated = world.sent.iter().filter(|sent| sent.destination != ALL_SPF_ROUTERS).any(|sent| {
        matches!(sent.body(), PacketBody::LinkStateUpdate(lsas) if lsas[0].header.key.kind == crate::LsaType::ROUTER)
    });
    assert!(repeated, "retransmissions go to who did not acknowledge");
}

#[test]
fn corner_case_22_a_direct_acknowledgment_goes_to_the_neighbor_alone() {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    world.run_for(Duration::from_secs(3));
    let since = world.now;
    let duplicate = world.lsa(1, router_key(1)).unwrap();
    world.inject(port(0, 1), 1, PacketBody::LinkStateUpdate(vec![duplicate]));
    let acks: Vec<_> = world.sent_by(0, since).collect();
    assert_eq!(acks.len(), 1);
    assert_eq!(acks[0].destination, loopback(1));
    assert!(matches!(acks[0].body(), PacketBody::LinkStateAck(headers) if headers.len() == 1));
}

#[test]
fn corner_case_21_a_peer_that_changes_its_router_id_is_a_new_neighbor_and_the_old_one_dies() {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    world.reconfigure(1, |config| config.router_id = router_id(8));
    world.run_for(Duration::from_secs(1));
    let neighbors: Vec<_> = world.engines[0].neighbors().map(|view| (view.router_id, view.state)).collect();
    assert_eq!(neighbors, [(router_id(8), S::Full)]);
}

#[test]
fn corner_case_21_a_neighbor_with_another_router_id_takes_the_place_when_the_old_one_has_been_silent() {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    world.cut.insert(port(1, 0));
    for _ in 0..4 {
        world.inject(port(0, 1), 5, PacketBody::Hello(hello()));
        assert_eq!(world.state(0, 1), S::Full);
        world.run_for(HELLO);
    }
    world.inject(port(0, 1), 5, PacketBody::Hello(hello()));
    assert!(world.neighbor_events(0).contains(&(S::Full, S::Down, "InactivityTimer")));
    assert_eq!(world.engines[0].neighbors().map(|view| view.router_id).collect::<Vec<_>>(), [router_id(5)]);
}

fn hello() -> Hello {
    Hello {
        network_mask: Ipv4Addr::UNSPECIFIED,
        hello_interval: 10,
        options: Options::E,
        priority: 1,
        dead_interval: 40,
        designated_router: Ipv4Addr::UNSPECIFIED,
        backup_designated_router: Ipv4Addr::UNSPECIFIED,
        neighbors: vec![],
    }
}

#[test]
fn corner_case_21_a_hello_is_refused_by_name_and_counted_and_its_mask_is_nobodys_business() {
    let mut world = World::new(2, &[(0, 1)]);
    world.cut.insert(port(1, 0));
    let to = port(0, 1);
    for (hello, reason) in [
        (Hello { hello_interval: 5, ..hello() }, Refusal::HelloIntervalMismatch),
        (Hello { dead_interval: 41, ..hello() }, Refusal::DeadIntervalMismatch),
        (Hello { options: Options::NP, ..hello() }, Refusal::ExternalCapabilityMismatch),
    ] {
        world.inject(to, 1, PacketBody::Hello(hello.clone()));
        world.inject(to, 1, PacketBody::Hello(hello));
        let counted = world.engines[0].interfaces().next().unwrap().counters.refused[&reason];
        assert_eq!(counted, 2, "{reason:?}");
        let last = world.engines[0].interfaces().next().unwrap().last_refusal;
        assert_eq!(last, Some((reason, Duration::ZERO)));
        assert!(
            world.events[0].iter().any(|event| matches!(event, Event::PacketRefused { reason: r, .. } if *r == reason))
        );
    }
    assert_eq!(world.engines[0].neighbors().count(), 0);
    world.inject(to, 1, PacketBody::Hello(Hello { network_mask: Ipv4Addr::new(255, 255, 0, 255), ..hello() }));
    assert_eq!(world.state(0, 1), S::Init);
}

#[test]
fn packets_are_refused_for_destination_area_interface_and_sender() {
    let mut world = World::new(2, &[(0, 1)]);
    world.cut.extend([port(0, 1), port(1, 0)]);
    let (engine, interface) = port(0, 1);
    let good = world.sent_by(1, crate::Instant::ZERO).next().unwrap().bytes.clone();
    let mut other_area = good.to_vec();
    other_area[8..12].copy_from_slice(&[0, 0, 0, 7]);
    // The checksum's change of the area's change (RFC 1624).
    let sum = u16::from_be_bytes([good[12], good[13]]) - 7;
    other_area[12..14].copy_from_slice(&sum.to_be_bytes());
    let other_interface = crate::InterfaceId(99);
    for (interface, destination, payload, expected) in [
        (interface, Ipv4Addr::new(224, 0, 0, 6), &good[..], Refusal::Destination),
        (interface, loopback(7), &good[..], Refusal::Destination),
        (other_interface, ALL_SPF_ROUTERS, &good[..], Refusal::InterfaceNotActive),
        (interface, ALL_SPF_ROUTERS, &other_area[..], Refusal::AreaMismatch),
    ] {
        let source = loopback(1);
        world.input(engine, Input::Packet { interface, source, destination, ttl: 1, payload: payload.into() });
        assert_eq!(world.events[0].last(), Some(&Event::PacketRefused { interface, source, reason: expected }));
    }
    world.inject(port(0, 1), 1, PacketBody::LinkStateAck(vec![]));
    let unknown = Refusal::UnknownNeighbor;
    assert!(matches!(world.events[0].last(), Some(Event::PacketRefused { reason, .. }) if *reason == unknown));
    assert_eq!(world.engines[0].neighbors().count(), 0);
    let (source, destination) = (loopback(1), loopback(0));
    world.input(engine, Input::Packet { interface, source, destination, ttl: 1, payload: (&good[..]).into() });
    assert_eq!(world.state(0, 1), S::Init, "our own address is a good destination");
}

#[test]
fn corner_case_33_a_duplicate_router_id_is_reported_once_and_refused_always() {
    let mut world = World::new(2, &[(0, 1)]);
    world.cut.extend([port(0, 1), port(1, 0)]);
    for _ in 0..3 {
        world.inject(port(0, 1), 0, PacketBody::Hello(hello()));
    }
    let reports = world.events[0].iter().filter(|event| matches!(event, Event::DuplicateRouterId { .. })).count();
    assert_eq!(reports, 1);
    assert_eq!(world.engines[0].interfaces().next().unwrap().counters.refused[&Refusal::OwnRouterId], 3);
}

#[test]
fn nothing_is_sent_or_taken_on_a_passive_interface() {
    let mut world = World::with(2, &[(0, 1)], |engine, config| {
        config.interfaces.values_mut().for_each(|interface| interface.passive = engine == 0);
    });
    world.run_for(DEAD);
    assert_eq!(world.sent_by(0, crate::Instant::ZERO).count(), 0);
    assert!(world.engines[0].interfaces().next().unwrap().counters.refused[&Refusal::InterfaceNotActive] > 0);
}

#[test]
fn corner_case_17_a_larger_mtu_is_refused_until_it_is_mended_or_ignored() {
    let small = LinkState::Up { index: 9, mtu: 1280, addressing: Addressing::Unnumbered(loopback(0)) };
    let (engine, id) = port(0, 1);

    let mut world = World::new(2, &[(0, 1)]);
    world.link(engine, id, small.clone());
    world.run_for(Duration::from_secs(7));
    assert_ne!(world.state(0, 1), S::Full);
    assert!(world.engines[0].interfaces().next().unwrap().counters.refused[&Refusal::MtuMismatch] > 0);
    world.link(engine, id, up(0, id));
    world.run_for(Duration::from_secs(7));
    assert!(world.all_full(), "a late change of the MTU needs no restart");

    let mut world = World::with(2, &[(0, 1)], |_, config| {
        config.interfaces.values_mut().for_each(|interface| interface.mtu_ignore = true);
    });
    world.link(engine, id, small);
    world.run_to(Duration::from_secs(1), World::all_full);
}

#[test]
fn corner_case_17_a_link_message_that_says_nothing_new_disturbs_nothing() {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    world.run_for(Duration::from_secs(1));
    let (sent, events) = (world.sent.len(), world.events[0].len());
    // What a packet capture's promiscuous mode looks like.
    world.link(0, port(0, 1).1, up(0, port(0, 1).1));
    assert_eq!((world.sent.len(), world.events[0].len()), (sent, events));
}

#[test]
fn a_link_that_is_made_again_under_another_index_is_advertised_without_losing_the_adjacency() {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    world.run_for(Duration::from_secs(20));
    let state = LinkState::Up { index: 777, mtu: 1420, addressing: Addressing::Unnumbered(loopback(0)) };
    world.link(0, port(0, 1).1, state);
    world.run_for(Duration::from_secs(1));
    assert!(world.all_full());
    assert_eq!(world.neighbor_events(0).last().unwrap().1, S::Full);
    let crate::wire::LsaBody::Router(body) = world.lsa(1, router_key(0)).unwrap().parse().unwrap() else { panic!() };
    assert_eq!(body.links[0].data, Ipv4Addr::from(777));
}

#[test]
fn a_dead_link_is_told_at_once_and_the_way_round_is_found() {
    let mut world = World::new(3, &[(0, 1), (1, 2), (0, 2)]);
    world.converge();
    world.run_for(Duration::from_secs(20));
    let direct = world.routes[0][&prefix("10.255.0.2/32")].clone();
    assert_eq!(direct.nexthops.first().unwrap().interface, port(0, 1).1);
    world.link(0, port(0, 1).1, LinkState::Down);
    let round = &world.routes[0][&prefix("10.255.0.2/32")];
    assert_eq!(round.nexthops.first().unwrap().interface, port(0, 2).1, "in the same moment");
    assert_eq!(round.metric, 20);
    world.run_for(4 * DELAY);
    let round = &world.routes[1][&prefix("10.255.0.1/32")];
    assert_eq!(round.nexthops.first().unwrap().interface, port(1, 2).1, "as soon as the news can be there");
}

#[test]
fn shutdown_has_neighbors_drop_the_adjacency_at_once() {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    world.run_for(Duration::from_secs(20));
    world.input(0, Input::Shutdown);
    assert_eq!(world.engines[0].next_deadline(), None);
    world.run_for(2 * DELAY);
    assert_eq!(world.state(1, 0), S::Init);
    assert!(world.routes[1].is_empty());
    let sent = world.sent.len();
    world.input(0, Input::Tick);
    world.link(0, port(0, 1).1, up(0, port(0, 1).1));
    assert_eq!(world.sent_by(0, world.now).count(), 0, "it is quiet from then on");
    assert_eq!(world.sent.len(), sent);
}

#[test]
fn another_area_is_another_adjacency() {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    world.reconfigure(0, |config| config.interfaces.values_mut().next().unwrap().area = AreaId(1));
    world.run_for(Duration::from_secs(1));
    assert_eq!((world.state(0, 1), world.state(1, 0)), (S::Down, S::Init));
    world.reconfigure(1, |config| config.interfaces.values_mut().next().unwrap().area = AreaId(1));
    world.run_for(Duration::from_secs(1));
    assert!(world.all_full());
}

#[test]
fn nobody_can_make_us_send_more_than_ten_hellos_a_second() {
    let mut world = World::new(2, &[(0, 1)]);
    world.cut.extend([port(0, 1), port(1, 0)]);
    let since = world.now;
    for _ in 0..1000 {
        world.inject(port(0, 1), 1, PacketBody::Hello(hello()));
        world.run_for(Duration::from_millis(1));
    }
    let sent = world.sent_by(0, since).count();
    assert!((2..=12).contains(&sent), "{sent}");
}

#[test]
fn hellos_are_up_to_a_tenth_early_and_never_late() {
    let jitter = crate::HelloJitter::UpToTenth;
    let mut world = World::with(2, &[(0, 1)], |_, config| config.hello_jitter = jitter);
    world.converge();
    world.run_for(2 * HELLO);
    let since = world.now;
    world.run_for(100 * HELLO);
    let is_hello = |sent: &&Sent| matches!(sent.body(), crate::wire::PacketBody::Hello(_));
    let at: Vec<_> = world.sent_by(0, since).filter(is_hello).map(|sent| sent.at).collect();
    let gaps: std::collections::BTreeSet<_> = at.windows(2).map(|pair| pair[1].saturating_since(pair[0])).collect();
    assert!(gaps.first().unwrap() >= &(HELLO - HELLO / 10) && gaps.last().unwrap() <= &HELLO, "{gaps:?}");
    assert!(gaps.len() > 50, "they differ: {gaps:?}");
}

#[test]
fn adjacencies_that_are_cleared_begin_anew_at_once_and_no_others_do() {
    let mut world = World::new(3, &[(0, 1), (0, 2)]);
    world.converge();
    world.run_for(Duration::from_secs(10));
    let count =
        |world: &World, engine: usize| world.neighbor_events(engine).iter().filter(|step| step.1 == S::Full).count();
    let clear = |router_id| crate::Input::Clear { interface: None, router_id };
    world.input(0, clear(Some(router_id(1))));
    assert_eq!((world.state(0, 1), world.state(0, 2)), (S::Down, S::Full));
    world.run_to(Duration::from_secs(1), World::all_full);
    assert_eq!([0, 1, 2].map(|engine| count(&world, engine)), [3, 2, 1]);
    world.run_for(Duration::from_secs(10));
    world.input(0, clear(None));
    assert_eq!((world.state(0, 1), world.state(0, 2)), (S::Down, S::Down));
    world.run_to(Duration::from_secs(1), World::all_full);
    assert_eq!([0, 1, 2].map(|engine| count(&world, engine)), [5, 3, 2]);
}
