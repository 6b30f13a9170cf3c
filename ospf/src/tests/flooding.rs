//! LSAs travel, are acknowledged, grow old and disappear (RFC 2328 §13, §14), and ours are defended (§13.4).

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::world::*;
use crate::flooding::retransmission::{FLOOD_WINDOW, ONE_PACKET};
use crate::wire::{LS_REFRESH_TIME, Lsa, LsaBody, MAX_AGE, Options, PacketBody, RouterLsa};
use crate::{Event, Instant, LinkStateId, LsaKey, LsaRefusal, LsaType, RouterId, SequenceNumber};

/// An opaque LSA by a router that is not there.
pub fn opaque(kind: LsaType, id: u32, body: &'static [u8]) -> Lsa {
    let key = LsaKey { kind, id: LinkStateId(id), advertising_router: RouterId(77) };
    Lsa::new(key, Options::E, SequenceNumber::INITIAL, &LsaBody::Opaque(Bytes::from_static(body))).unwrap()
}

pub fn update(lsa: Lsa) -> PacketBody {
    PacketBody::LinkStateUpdate(vec![lsa])
}

pub fn instance(lsa: &Lsa, sequence: i32) -> Lsa {
    let body = lsa.parse().unwrap();
    Lsa::new(lsa.header.key, lsa.header.options, SequenceNumber(sequence), &body).unwrap()
}

fn acks_of(world: &World, engine: usize, since: Instant, key: LsaKey) -> usize {
    let bodies = world.sent_by(engine, since).map(Sent::body);
    let acked = bodies.filter_map(|body| match body {
        PacketBody::LinkStateAck(headers) => Some(headers),
        _ => None,
    });
    acked.flatten().filter(|header| header.key == key).count()
}

pub fn updates_with(world: &World, engine: usize, since: Instant, key: LsaKey) -> usize {
    let bodies = world.sent_by(engine, since).map(Sent::body);
    let lsas = bodies.filter_map(|body| match body {
        PacketBody::LinkStateUpdate(lsas) => Some(lsas),
        _ => None,
    });
    lsas.flatten().filter(|lsa| lsa.header.key == key).count()
}

/// Two engines, in step and long quiet.
pub fn quiet_pair() -> World {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    world.run_for(Duration::from_secs(20));
    world
}

#[test]
fn an_lsa_reaches_everybody_and_nobody_repeats_it() {
    let mut world = World::new(4, &[(0, 1), (1, 2), (2, 3), (3, 0)]);
    world.converge();
    world.run_for(Duration::from_secs(20));
    let since = world.now;
    world.reconfigure(0, |config| config.externals = externals(1));
    world.run_for(Duration::from_secs(20));
    assert!(world.agree());
    let key = external_key(0, "20.0.0.0".parse().unwrap());
    let copies: usize = (0..4).map(|engine| updates_with(&world, engine, since, key)).sum();
    assert!(copies <= 5, "{copies} copies for four links");
    assert!(world.engines.iter().flat_map(crate::Engine::interfaces).all(|view| view.counters.retransmitted == 0));
    assert!(world.engines.iter().flat_map(crate::Engine::neighbors).all(|view| view.retransmissions == 0));
}

/// RFC 4222 §2, recommendation 2.
#[test]
fn a_neighbor_that_acknowledges_nothing_is_sent_less_and_less_and_one_that_does_again_gets_the_rest_at_once() {
    let many = u32::try_from(ONE_PACKET / 36 + 3).unwrap();
    let mut world = quiet_pair();
    let interval = world.engines[0].interfaces().next().unwrap().retransmit_interval;
    world.cut.insert(port(0, 1));
    world.reconfigure(0, |config| config.externals = externals(many));
    let since = world.now;
    // What the neighbour says still arrives; what it is sent does not.
    world.run_for(7 * interval + interval / 2);
    let key = |network: &str| external_key(0, network.parse().unwrap());
    let copies = |world: &World, since| updates_with(world, 0, since, key("20.0.0.0"));
    assert_eq!(copies(&world, since), 4, "at once and after 1, 3 and 7 intervals");
    let since = world.now;
    world.cut.clear();
    let acknowledged = world.lsa(0, key("20.0.1.0")).unwrap().header;
    world.inject(port(0, 1), 1, PacketBody::LinkStateAck(vec![acknowledged]));
    world.run_for(interval + interval / 2);
    assert_eq!(copies(&world, since), 1);
    assert!(world.lsa(1, key("20.0.0.0")).is_some());
}

#[test]
fn a_packet_of_lsas_that_a_neighbor_does_not_acknowledge_is_sent_again_each_rxmt_interval() {
    let mut world = quiet_pair();
    let interval = world.engines[0].interfaces().next().unwrap().retransmit_interval;
    world.cut.insert(port(0, 1));
    world.reconfigure(0, |config| config.externals = externals(2));
    let since = world.now;
    world.run_for(7 * interval + interval / 2);
    assert_eq!(updates_with(&world, 0, since, external_key(0, "20.0.0.0".parse().unwrap())), 8);
}

#[test]
fn the_neighbors_copy_of_an_lsa_is_an_implied_acknowledgment() {
    let mut world = quiet_pair();
    world.cut.insert(port(0, 1));
    world.reconfigure(0, |config| config.externals = externals(1));
    let key = external_key(0, "20.0.0.0".parse().unwrap());
    let copy = world.lsa(0, key).unwrap();
    assert!(world.engines[0].neighbors().next().unwrap().retransmissions > 0);
    let since = world.now;
    world.inject(port(0, 1), 1, update(copy));
    world.run_for(Duration::from_secs(1));
    assert_eq!(acks_of(&world, 0, since, key), 0);
    let kept = world.engines[0]
        .neighbor(crate::NeighborKey { interface: port(0, 1).1, id: crate::NeighborId::Router(router_id(1)) });
    assert!(!kept.unwrap().retransmission.contains(key));
}

#[test]
fn corner_case_08_an_lsa_within_min_ls_arrival_is_neither_taken_nor_acknowledged_before_that_time_has_passed() {
    let mut world = quiet_pair();
    let first = opaque(LsaType::OPAQUE_AREA, 1, b"0001");
    let key = first.header.key;
    world.inject(port(0, 1), 1, update(first.clone()));
    world.run_for(Duration::from_millis(300));
    let since = world.now;
    let [second, third] = [1, 2].map(|more| instance(&first, first.header.sequence.0 + more));
    world.inject(port(0, 1), 1, update(third.clone()));
    world.inject(port(0, 1), 1, update(second));
    world.run_for(Duration::from_millis(699));
    assert_eq!(acks_of(&world, 0, since, key), 0);
    assert_eq!(world.lsa(0, key).unwrap().header.sequence, first.header.sequence);
    assert!(world.engines[0].has_news());
    world.run_for(Duration::from_millis(110));
    assert_eq!(world.lsa(0, key).unwrap().header.sequence, third.header.sequence, "the newest of what came");
    assert!(!world.engines[0].has_news());
    assert_eq!(acks_of(&world, 0, since, key), 1);
    let counters = world.engines[0].interfaces().next().unwrap().counters;
    assert_eq!((counters.lsa_early, counters.lsa_refused.len()), (2, 0));
}

#[test]
fn what_comes_early_from_a_neighbor_that_goes_is_not_taken() {
    let mut world = quiet_pair();
    let first = opaque(LsaType::OPAQUE_AREA, 1, b"0001");
    world.inject(port(0, 1), 1, update(first.clone()));
    world.inject(port(0, 1), 1, update(instance(&first, first.header.sequence.0 + 1)));
    world.link(0, port(0, 1).1, crate::LinkState::Down);
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.lsa(0, first.header.key).unwrap().header.sequence, first.header.sequence);
}

#[test]
fn an_early_lsa_that_came_from_everybody_is_answered_to_everybody_and_nobody_repeats_it() {
    let mut world = World::new(4, &[(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]);
    world.converge();
    world.run_for(Duration::from_secs(20));
    let first = opaque(LsaType::OPAQUE_AREA, 1, b"0001");
    let key = first.header.key;
    world.inject(port(0, 1), 1, update(first.clone()));
    world.run_for(Duration::from_millis(500));
    let second = instance(&first, first.header.sequence.0 + 1);
    world.inject(port(0, 1), 1, update(second.clone()));
    world.run_for(Duration::from_millis(1500));
    assert!((0..4).all(|engine| world.lsa(engine, key).unwrap().header.sequence == second.header.sequence));
    world.run_for(Duration::from_secs(10));
    assert!(world.engines.iter().flat_map(crate::Engine::interfaces).all(|view| view.counters.retransmitted == 0));
}

#[test]
fn corner_case_09_min_ls_arrival_does_not_hold_for_our_own_and_what_is_older_is_answered_once_a_second() {
    let mut world = quiet_pair();
    world.reconfigure(0, |config| config.externals = externals(1));
    let key = external_key(0, "20.0.0.0".parse().unwrap());
    let ours = world.lsa(0, key).unwrap();
    // A newer one straight after our origination is not too soon: it is outbid.
    world.inject(port(0, 1), 1, update(instance(&ours, ours.header.sequence.0 + 5)));
    world.run_for(Duration::from_secs(4));
    let ours = world.lsa(0, key).unwrap();
    assert_eq!(ours.header.sequence.0, SequenceNumber::INITIAL.0 + 6);

    let since = world.now;
    let older = instance(&ours, ours.header.sequence.0 - 1);
    for _ in 0..5 {
        world.inject(port(0, 1), 1, update(older.clone()));
    }
    assert_eq!(updates_with(&world, 0, since, key), 1);
    assert_eq!(world.sent_by(0, since).next().unwrap().destination, loopback(1));
    world.run_for(Duration::from_secs(1));
    world.inject(port(0, 1), 1, update(older));
    assert_eq!(updates_with(&world, 0, since, key), 2);
}

#[test]
fn corner_case_04_a_restarted_router_says_what_is_so_now_under_the_next_sequence_number() {
    let mut world = World::new(2, &[(0, 1)]);
    world.reconfigure(0, |config| config.externals = externals(2));
    world.converge();
    world.reconfigure(0, |config| config.externals.values_mut().for_each(|external| external.tag = 5));
    world.run_for(Duration::from_secs(20));
    let before = world.lsa(1, router_key(0)).unwrap().header.sequence;
    let config = world.engines[0].config.clone();
    world.restart(0, 99);
    world.reconfigure(0, |now| {
        *now = config;
        now.externals = externals(1);
        now.interfaces.values_mut().next().unwrap().cost = 33;
    });
    world.run_for(Duration::from_secs(12));
    assert!(world.all_full() && world.agree());
    let after = world.lsa(1, router_key(0)).unwrap();
    assert!(after.header.sequence > before);
    let LsaBody::Router(RouterLsa { links, .. }) = after.parse().unwrap() else { panic!() };
    assert_eq!(links[0].metric, 33);
    // The one that is not wanted any more is gone, the other has outbid its predecessor.
    assert!(world.lsa(1, external_key(0, "20.0.1.0".parse().unwrap())).is_none());
    let kept = world.lsa(1, external_key(0, "20.0.0.0".parse().unwrap())).unwrap();
    assert_eq!(kept.header.sequence.0, SequenceNumber::INITIAL.0 + 2);
    assert!(world.events[0].iter().any(|event| matches!(event, Event::SelfOriginatedReceived { .. })));
}

#[test]
fn corner_case_05_an_unwanted_instance_of_ours_is_flushed_as_it_came() {
    let mut world = quiet_pair();
    let key = external_key(0, "99.0.0.0".parse().unwrap());
    let body = LsaBody::External(crate::wire::ExternalLsa {
        network_mask: "255.0.0.0".parse().unwrap(),
        metric: crate::ExternalMetric::Type2(1),
        forwarding_address: "0.0.0.0".parse().unwrap(),
        route_tag: 0,
    });
    let forged = Lsa::new(key, Options::E, SequenceNumber(17), &body).unwrap();
    let since = world.now;
    world.inject(port(0, 1), 1, update(forged.clone()));
    world.run_for(Duration::from_secs(1));
    let flushed = world.sent_by(0, since).find_map(|sent| match sent.body() {
        PacketBody::LinkStateUpdate(lsas) => Some(lsas[0].clone()),
        _ => None,
    });
    let flushed = flushed.unwrap();
    assert_eq!(flushed.header.age, MAX_AGE);
    assert_eq!((flushed.header.sequence, flushed.header.checksum), (forged.header.sequence, forged.header.checksum));
    assert!(world.lsa(0, key).is_none() && world.lsa(1, key).is_none());
}

#[test]
fn corner_case_02_the_sequence_number_wraps_through_a_flush_that_everybody_acknowledges() {
    let mut world = World::new(3, &[(0, 1), (1, 2)]);
    world.converge();
    world.run_for(Duration::from_secs(20));
    let since = world.now;
    let last = instance(&world.lsa(0, router_key(0)).unwrap(), SequenceNumber::MAX.0 - 1);
    // Somebody replays us just below the end; we outbid it with the last number there is.
    world.inject(port(0, 1), 1, update(last));
    world.run_for(Duration::from_secs(10));
    assert_eq!(world.lsa(2, router_key(0)).unwrap().header.sequence, SequenceNumber::MAX);
    // The next change has to go through the flush.
    world.reconfigure(0, |config| config.interfaces.values_mut().next().unwrap().cost = 44);
    world.run_for(Duration::from_secs(10));
    assert!(world.agree());
    let LsaBody::Router(body) = world.lsa(2, router_key(0)).unwrap().parse().unwrap() else { panic!() };
    assert_eq!(body.links[0].metric, 44);
    let mut steps: Vec<_> = world
        .sent_by(0, since)
        .filter_map(|sent| match sent.body() {
            PacketBody::LinkStateUpdate(lsas) => Some(lsas),
            _ => None,
        })
        .flatten()
        .filter(|lsa| lsa.header.key == router_key(0))
        .map(|lsa| (lsa.header.sequence, lsa.header.is_max_age()))
        .collect();
    // The new one is repeated while 1 still waits for 2's acknowledgement of the flush (§13 (8)).
    steps.dedup();
    let max = SequenceNumber::MAX;
    assert_eq!(steps, [(max, false), (max, true), (SequenceNumber::INITIAL, false)]);
}

#[test]
fn corner_case_02_the_flush_before_a_wrap_waits_for_lost_acknowledgments() {
    let mut world = quiet_pair();
    world.inject(port(0, 1), 1, update(instance(&world.lsa(0, router_key(0)).unwrap(), SequenceNumber::MAX.0)));
    world.cut.insert(port(1, 0));
    world.run_for(Duration::from_secs(8));
    let stored = world.lsa(0, router_key(0)).unwrap().header;
    assert!(stored.is_max_age() && stored.sequence == SequenceNumber::MAX);
    world.cut.clear();
    world.run_for(Duration::from_secs(8));
    assert_eq!(world.lsa(1, router_key(0)).unwrap().header.sequence, SequenceNumber::INITIAL);
    assert!(world.agree());
}

#[test]
fn corner_case_03_a_forged_instance_with_the_last_number_and_a_larger_checksum_loses() {
    let mut world = quiet_pair();
    let ours = world.lsa(0, router_key(0)).unwrap();
    // Two forgeries under the last number: the second, with the larger checksum, comes while the first is being flushed.
    let mut forged: Vec<_> = (0..20u16)
        .map(|metric| {
            let LsaBody::Router(mut body) = ours.parse().unwrap() else { panic!() };
            body.links[0].metric = metric;
            Lsa::new(router_key(0), ours.header.options, SequenceNumber::MAX, &LsaBody::Router(body)).unwrap()
        })
        .collect();
    forged.sort_by_key(|lsa| lsa.header.checksum);
    world.inject(port(0, 1), 1, update(forged[0].clone()));
    world.run_for(Duration::from_secs(2));
    world.inject(port(0, 1), 1, update(forged[19].clone()));
    world.run_for(Duration::from_secs(10));
    assert!(world.agree());
    let after = world.lsa(1, router_key(0)).unwrap();
    assert_eq!(after.header.sequence, SequenceNumber::INITIAL);
    assert_eq!(after.body, ours.body);
}

#[test]
fn corner_case_06_every_stored_checksum_verifies_after_each_origination() {
    let mut world = World::with(2, &[(0, 1)], |_, config| config.externals = externals(30));
    world.converge();
    for cost in 1..10 {
        world.reconfigure(0, |config| config.interfaces.values_mut().next().unwrap().cost = cost);
        world.run_for(Duration::from_secs(6));
        for engine in &world.engines {
            assert!(engine.lsdb().all(|view| view.lsa.check().is_ok()));
        }
    }
}

#[test]
fn a_corrupt_lsa_is_not_acknowledged_and_the_others_of_its_packet_are_taken() {
    let mut world = quiet_pair();
    let good = opaque(LsaType::OPAQUE_AREA, 1, b"good");
    let mut bad = opaque(LsaType::OPAQUE_AREA, 2, b"bad!");
    bad.body = Bytes::from_static(b"bad?");
    let since = world.now;
    world.inject(port(0, 1), 1, PacketBody::LinkStateUpdate(vec![bad.clone(), good.clone()]));
    world.run_for(Duration::from_secs(1));
    assert_eq!(acks_of(&world, 0, since, bad.header.key), 0);
    assert_eq!(acks_of(&world, 0, since, good.header.key), 1);
    let refused = Event::LsaRefused {
        interface: port(0, 1).1,
        router_id: router_id(1),
        key: Some(bad.header.key),
        reason: LsaRefusal::Checksum,
    };
    assert!(world.events[0].contains(&refused));
    let counters = world.engines[0].interfaces().next().unwrap().counters;
    assert_eq!(counters.lsa_refused, BTreeMap::from([(LsaRefusal::Checksum, 1)]));
}

#[test]
fn corner_case_30_an_opaque_lsa_that_is_not_padded_to_32_bits_is_dropped_by_name() {
    let mut world = quiet_pair();
    let mut unaligned = opaque(LsaType::OPAQUE_AREA, 1, b"good");
    unaligned.body = Bytes::from_static(b"tlv");
    unaligned.header.length -= 1;
    // The checksum is made good again: it is the length alone that is wrong.
    let good = |checksum: &u16| {
        let header = crate::wire::LsaHeader { checksum: *checksum, ..unaligned.header };
        !matches!(Lsa { header, ..unaligned.clone() }.check(), Err(crate::wire::LsaError::Checksum))
    };
    unaligned.header.checksum = (0..=u16::MAX).find(good).unwrap();
    world.inject(port(0, 1), 1, update(unaligned.clone()));
    assert!(world.lsa(0, unaligned.header.key).is_none());
    let counted = world.engines[0].interfaces().next().unwrap().counters.lsa_refused;
    assert_eq!(counted.keys().map(LsaRefusal::name).collect::<Vec<_>>(), ["malformed-alignment"]);
}

#[test]
fn opaque_lsas_go_as_far_as_their_scope() {
    let mut world = World::new(3, &[(0, 1), (1, 2)]);
    world.converge();
    world.run_for(Duration::from_secs(20));
    let kinds = [LsaType::OPAQUE_LINK, LsaType::OPAQUE_AREA, LsaType::OPAQUE_AS];
    for kind in kinds {
        world.inject(port(1, 0), 0, update(opaque(kind, 5, b"tlv?")));
    }
    world.run_for(Duration::from_secs(1));
    let has = |engine, kind| world.lsa(engine, opaque(kind, 5, b"tlv?").header.key).is_some();
    assert_eq!(kinds.map(|kind| has(1, kind)), [true, true, true]);
    assert_eq!(kinds.map(|kind| has(2, kind)), [false, true, true]);
    world.run_for(Duration::from_secs(u64::from(MAX_AGE) + 10));
    assert!(!world.lsa(1, opaque(kinds[0], 5, b"").header.key).is_some_and(|_| true), "they grow old like others");
    assert!(world.agree());
}

#[test]
fn an_lsa_at_max_age_that_nobody_has_is_acknowledged_and_not_kept() {
    let mut world = quiet_pair();
    let lsa = opaque(LsaType::OPAQUE_AREA, 9, b"gone").with_age(MAX_AGE);
    let since = world.now;
    world.inject(port(0, 1), 1, update(lsa.clone()));
    assert_eq!(acks_of(&world, 0, since, lsa.header.key), 1);
    assert!(world.lsa(0, lsa.header.key).is_none());
}

#[test]
fn corner_case_25_a_withdrawn_external_disappears_everywhere_and_only_it() {
    let mut world = World::with(3, &[(0, 1), (1, 2)], |engine, config| {
        if engine == 0 {
            config.externals =
                ["10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/24"].map(|text| (prefix(text), external())).into();
        }
    });
    world.converge();
    world.run_for(Duration::from_secs(20));
    let routes = |world: &World| world.routes[2].keys().copied().filter(|prefix| prefix.len() < 32).collect::<Vec<_>>();
    assert_eq!(routes(&world), [prefix("10.0.0.0/8"), prefix("10.0.0.0/16"), prefix("10.0.0.0/24")]);
    world.reconfigure(0, |config| {
        config.externals.remove(&prefix("10.0.0.0/16"));
    });
    world.run_for(Duration::from_secs(10));
    assert_eq!(routes(&world), [prefix("10.0.0.0/8"), prefix("10.0.0.0/24")]);
    // The shortest goes: its Link State ID now stands for the /24.
    world.reconfigure(0, |config| {
        config.externals.remove(&prefix("10.0.0.0/8"));
    });
    world.run_for(Duration::from_secs(10));
    assert_eq!(routes(&world), [prefix("10.0.0.0/24")]);
    assert!(world.agree());
    let of_externals = |view: &crate::LsaView| view.lsa.header.key.kind == LsaType::AS_EXTERNAL;
    assert_eq!(world.engines[2].lsdb().filter(of_externals).count(), 1);
}

/// Found by the fuzz target `trace`.
#[test]
fn an_external_that_is_wanted_again_before_its_flush_could_leave_is_still_refreshed() {
    let mut world = quiet_pair();
    let want = |world: &mut World, count| world.reconfigure(0, |config| config.externals = externals(count));
    want(&mut world, 1);
    want(&mut world, 0);
    want(&mut world, 1);
    world.run_for(2 * LS_REFRESH_TIME + Duration::from_secs(600));
    assert!(world.routes[1].keys().any(|prefix| externals(1).contains_key(prefix)));
    assert!(world.agree());
}

#[test]
fn lsas_are_refreshed_before_their_time_and_nothing_else_happens_in_an_hour() {
    let mut world = World::with(2, &[(0, 1)], |_, config| config.externals = externals(5));
    world.converge();
    world.run_for(Duration::from_secs(20));
    let (routes, runs) = (world.routes.clone(), world.engines[0].calculations());
    for _ in 0..24 {
        world.run_for(LS_REFRESH_TIME / 6);
        let oldest = world.engines[1].lsdb().map(|view| view.lsa.header.age).max().unwrap();
        assert!(u64::from(oldest) <= LS_REFRESH_TIME.as_secs() + 2, "{oldest}");
    }
    assert!(world.agree());
    assert_eq!(world.routes, routes);
    assert_eq!(world.engines[0].calculations(), runs, "a refresh changes no route");
    let sequence = world.lsa(1, external_key(0, "20.0.0.0".parse().unwrap())).unwrap().header.sequence;
    assert_eq!(sequence.0 - SequenceNumber::INITIAL.0, 4, "four refreshes in two hours");
}

#[test]
fn the_lsas_of_a_router_that_is_gone_leave_at_max_age() {
    let mut world = World::new(3, &[(0, 1), (1, 2)]);
    world.converge();
    world.cut.extend([port(1, 2), port(2, 1)]);
    world.run_for(DEAD + HELLO);
    assert!(!world.routes[0].contains_key(&prefix("10.255.0.3/32")));
    assert!(world.lsa(0, router_key(2)).is_some(), "not used, but kept");
    world.run_for(Duration::from_secs(u64::from(MAX_AGE)));
    assert!(world.lsa(0, router_key(2)).is_none() && world.lsa(1, router_key(2)).is_none());
}

#[test]
fn a_neighbor_that_does_not_acknowledge_is_sent_no_more_than_its_window() {
    let mut world = quiet_pair();
    world.cut.insert(port(1, 0));
    let since = world.now;
    world.reconfigure(0, |config| config.externals = externals(4000));
    let octets: usize = world.sent_by(0, since).map(|sent| sent.bytes.len()).sum();
    assert!(octets <= FLOOD_WINDOW + 4096, "{octets} octets at once");
    assert!(world.sent_by(0, since).filter(|sent| sent.bytes.len() < 1300).count() <= 1, "packets are full");
    world.run_for(Duration::from_secs(11));
    let octets: usize = world.sent_by(0, since).map(|sent| sent.bytes.len()).sum();
    assert!(octets <= 3 * (FLOOD_WINDOW + 4096), "{octets} octets with two repetitions");
    world.cut.clear();
    world.run_for(Duration::from_secs(9));
    assert!(world.agree(), "acknowledgements move the window");
}

#[test]
fn a_burst_is_acknowledged_fast_enough_to_keep_the_window_moving() {
    let mut world = quiet_pair();
    world.reconfigure(0, |config| config.externals = externals(4000));
    world.run_for(Duration::from_millis(500));
    assert!(world.agree());
    let acks = |sent: &&Sent| matches!(sent.body(), PacketBody::LinkStateAck(_));
    let since = world.now - Duration::from_millis(500);
    assert!(world.sent_by(1, since).filter(acks).count() < 100, "and bundled all the same");
}

#[test]
fn a_flapping_link_is_told_at_once_then_at_growing_intervals() {
    let mut world = World::new(3, &[(0, 1), (0, 2)]);
    world.converge();
    world.run_for(Duration::from_secs(20));
    let since = world.now;
    for cost in 11..211 {
        world.reconfigure(0, |config| config.interfaces.values_mut().next().unwrap().cost = cost);
        world.run_for(Duration::from_millis(100));
    }
    let mut times: Vec<_> = world
        .sent_by(0, since)
        .filter(|sent| matches!(sent.body(), PacketBody::LinkStateUpdate(_)))
        .map(|sent| sent.at.saturating_since(since).as_millis())
        .collect();
    times.dedup();
    assert_eq!(times, [0, 1200, 3600, 8400, 13400, 18400]);
}

#[test]
fn the_first_router_lsa_lists_all_adjacencies_of_the_start_at_once() {
    let links: Vec<_> = (1..6).map(|peer| (0, peer)).collect();
    let mut world = World::new(6, &links);
    world.run_for(Duration::from_secs(1));
    let first = world.lsa(5, router_key(0)).unwrap();
    let LsaBody::Router(body) = first.parse().unwrap() else { panic!() };
    assert_eq!(first.header.sequence, SequenceNumber::INITIAL);
    assert_eq!(body.links.len(), 6, "five links and the loopback");
}

#[test]
fn a_router_without_neighbors_has_its_own_router_lsa_soon() {
    let mut world = World::new(1, &[]);
    world.run_for(Duration::from_millis(1200));
    assert!(world.lsa(0, router_key(0)).is_some());
}

#[test]
fn the_same_seed_and_inputs_give_the_same_bytes() {
    let run = || {
        let mut world = World::with(3, &[(0, 1), (1, 2), (0, 2)], |_, config| config.externals = externals(9));
        world.run_for(LS_REFRESH_TIME * 2);
        world.sent.into_iter().map(|sent| (sent.at, sent.from, sent.bytes)).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn databases_agree_in_spite_of_loss_duplication_and_reordering() {
    for seed in 0..6u64 {
        let mut world = World::with(5, &[(0, 1), (1, 2), (2, 3), (3, 4), (4, 0), (1, 3)], |_, config| {
            config.externals = externals(3);
        });
        let mut random = crate::random::Random::new(seed);
        world.deliver = Box::new(move |_| !random.next_u64().is_multiple_of(5));
        for round in 0..6 {
            world.run_for(Duration::from_secs(7));
            world.reconfigure(round % 5, |config| config.externals = externals(round as u32));
        }
        world.deliver = Box::new(|_| true);
        world.run_for(Duration::from_secs(60));
        assert!(world.all_full() && world.agree(), "seed {seed}");
        let routes: BTreeMap<_, _> = world.routes.iter().enumerate().map(|(i, routes)| (i, routes.len())).collect();
        assert!(routes.values().all(|&count| count >= 4), "{routes:?}");
    }
}

#[test]
fn an_instance_made_long_after_the_copy_is_not_too_soon_though_both_come_at_once() {
    let mut world = quiet_pair();
    let old = opaque(LsaType::OPAQUE_AREA, 1, b"0001").with_age(30);
    let new = instance(&old, old.header.sequence.0 + 1).with_age(1);
    world.inject(port(0, 1), 1, update(old));
    world.inject(port(0, 1), 1, update(new.clone()));
    assert_eq!(world.lsa(0, new.header.key).unwrap().header.sequence, new.header.sequence);
    // But not two such in a row.
    let next = instance(&new, new.header.sequence.0 + 1);
    world.inject(port(0, 1), 1, update(next));
    assert_eq!(world.lsa(0, new.header.key).unwrap().header.sequence, new.header.sequence);
}

#[test]
fn an_external_that_comes_back_while_its_flush_is_under_way_is_news_to_everybody() {
    let mut world = World::new(4, &[(0, 1), (1, 2), (2, 3)]);
    world.reconfigure(0, |config| config.externals = externals(1));
    world.converge();
    world.run_for(Duration::from_secs(20));
    for pause in [0, 3, 60, 110, 250, 400, 3000] {
        world.reconfigure(0, |config| config.externals.clear());
        world.run_for(Duration::from_millis(pause));
        world.reconfigure(0, |config| config.externals = externals(1));
        world.run_for(Duration::from_secs(3));
        assert!(world.routes[3].contains_key(&prefix("20.0.0.0/24")), "after {pause} ms");
        world.run_for(Duration::from_secs(20));
        assert!(world.agree());
    }
}

#[test]
fn what_a_neighbor_cannot_take_yet_is_known_to_it_as_soon_as_it_can() {
    let mut world = quiet_pair();
    world.reconfigure(0, |config| config.externals = externals(1));
    world.run_for(Duration::from_millis(1300));
    // 1 has just been sent the LSA again, and takes it for a new one: so it does when it asks for it late.
    let key = external_key(0, "20.0.0.0".parse().unwrap());
    let place = crate::LsaPlace { domain: crate::Domain::As, key };
    world.engines[1].databases.remove(place);
    world.inject(port(0, 1), 1, PacketBody::LinkStateRequest(vec![key]));
    world.run_for(2 * DELAY);
    assert!(world.lsa(1, key).is_some());
    let since = world.now;
    world.reconfigure(0, |config| config.externals.values_mut().for_each(|external| external.tag = 9));
    world.run_for(2 * DELAY);
    assert_eq!(world.engines[1].interfaces().next().unwrap().counters.lsa_early, 1);
    world.run_to(Duration::from_millis(1000), World::agree);
    world.run_for(Duration::from_secs(10));
    assert_eq!(updates_with(&world, 0, since, key), 1);
}

#[test]
fn corner_case_08_what_a_neighbor_dropped_as_too_soon_is_repeated_as_soon_as_it_is_taken() {
    let mut world = quiet_pair();
    world.reconfigure(0, |config| config.externals = externals(1));
    world.run_for(Duration::from_millis(1300));
    let key = external_key(0, "20.0.0.0".parse().unwrap());
    world.inject(port(0, 1), 1, PacketBody::LinkStateRequest(vec![key]));
    world.run_for(2 * DELAY);
    // As a router does that keeps to the RFC's words.
    let mut dropped = false;
    world.deliver = Box::new(move |sent| {
        let first = !dropped && matches!(sent.body(), PacketBody::LinkStateUpdate(_));
        dropped |= first;
        !first
    });
    let since = world.now;
    world.reconfigure(0, |config| config.externals.values_mut().for_each(|external| external.tag = 9));
    world.run_to(Duration::from_millis(1300), World::agree);
    assert_eq!(updates_with(&world, 0, since, key), 2);
}

#[test]
fn an_acknowledgment_makes_no_lsa_of_a_type_that_is_not_let_in_and_none_older_than_another_that_it_names() {
    let mut world = quiet_pair();
    let acknowledged = |kind: LsaType, sequence: i32| {
        let key = LsaKey { kind, ..external_key(0, "20.0.0.0".parse().unwrap()) };
        let body = LsaBody::least(kind, router_id(0)).unwrap();
        Lsa::new(key, crate::wire::Options::E, SequenceNumber(sequence), &body).unwrap().header
    };
    let count = |world: &World| world.engines[0].lsdb().count();
    let before = count(&world);
    let type_7 = acknowledged(LsaType::NSSA, SequenceNumber::INITIAL.0 + 4);
    world.inject(port(0, 1), 1, PacketBody::LinkStateAck(vec![type_7]));
    assert_eq!(count(&world), before, "the area is no NSSA");
    // An LSA that is not wanted: what is flushed is newer than both.
    let headers = [9, 4].map(|sequence| acknowledged(LsaType::AS_EXTERNAL, SequenceNumber::INITIAL.0 + sequence));
    let since = world.now;
    world.inject(port(0, 1), 1, PacketBody::LinkStateAck(headers.to_vec()));
    assert_eq!(updates_with(&world, 0, since, headers[0].key), 1);
    world.run_for(Duration::from_secs(2));
    assert_eq!(count(&world), before, "it has left again");
    // Wanted within a moment, it goes on from there: others remember what has left.
    world.reconfigure(0, |config| config.externals = externals(1));
    world.run_for(Duration::from_secs(1));
    let lsa = world.lsa(1, headers[0].key).unwrap();
    assert_eq!(lsa.header.sequence.0, SequenceNumber::INITIAL.0 + 11);
}
