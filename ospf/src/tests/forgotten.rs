//! What comes from before a restart, or from before an LSA left, does no harm (RFC 2328 §13.4, §14): a router that restarts has forgotten
//! what it has said, and its neighbours may have, too.

use std::time::Duration;

use super::flooding::{instance, opaque, quiet_pair, update, updates_with};
use super::world::*;
use crate::wire::{Lsa, LsaBody, LsaHeader, MAX_AGE, PacketBody};
use crate::{Conduct, Config, Event, External, Input, LinkState, LsaKey, LsaType, NeighborState, SequenceNumber};

#[test]
fn a_copy_of_an_update_that_comes_when_its_lsa_has_left_all_databases_is_taken_back() {
    let mut world = quiet_pair();
    world.reconfigure(0, |config| config.externals = externals(1));
    world.run_for(Duration::from_secs(10));
    let key = external_key(0, "20.0.0.0".parse().unwrap());
    let copy = world.lsa(1, key).unwrap();
    world.reconfigure(0, |config| config.externals.clear());
    world.run_for(Duration::from_secs(10));
    assert!(world.lsa(0, key).is_none() && world.lsa(1, key).is_none());

    // It is remembered for some seconds that the LSA has left; then the copy is news, until its originator sees it acknowledged.
    for (pause, is_accepted) in [(0, false), (10, true)] {
        world.run_for(Duration::from_secs(pause));
        world.inject(port(1, 0), 0, update(copy.clone()));
        assert_eq!(world.lsa(1, key).is_some(), is_accepted);
        world.run_for(Duration::from_secs(2));
        assert!(world.lsa(0, key).is_none() && world.lsa(1, key).is_none());
    }
    assert!(!world.routes[1].contains_key(&prefix("20.0.0.0/24")));
}

#[test]
fn a_router_that_forgot_what_it_withdrew_is_told_of_it_and_goes_on_from_there() {
    // In a row, so that the copy at 2 is of a third.
    let mut world = World::new(3, &[(0, 1), (1, 2)]);
    world.reconfigure(0, |config| config.externals = externals(1));
    world.converge();
    world.run_for(Duration::from_secs(10));
    let key = external_key(0, "20.0.0.0".parse().unwrap());
    let copy = world.lsa(2, key).unwrap();
    world.reconfigure(0, |config| config.externals.clear());
    world.run_for(Duration::from_secs(3));
    assert!((0..3).all(|engine| world.lsa(engine, key).is_none()));
    let since = world.now;
    world.inject(port(2, 1), 1, update(copy.clone()));
    world.run_for(Duration::from_secs(1));
    assert!(world.lsa(2, key).is_none(), "its originator is not there to correct it");
    assert_eq!(updates_with(&world, 2, since, key), 1, "it is told that the LSA is gone");
    // Its originator restarts, and says the same under the number that it began with before.
    let config = world.engines[0].config.clone();
    world.restart(0, 99);
    world.reconfigure(0, |now| {
        *now = config;
        now.externals = externals(1);
    });
    world.run_for(Duration::from_secs(8));
    assert!(world.agree() && world.routes[2].contains_key(&prefix("20.0.0.0/24")));
    assert!(world.lsa(2, key).unwrap().header.newer_than(&copy.header));
}

#[test]
fn an_update_of_before_a_restart_that_comes_after_it_is_outbid() {
    let mut world = quiet_pair();
    world.reconfigure(0, |config| config.externals = externals(1));
    world.run_for(Duration::from_secs(10));
    let key = external_key(0, "20.0.0.0".parse().unwrap());
    let now = world.lsa(0, key).unwrap();
    world.inject(port(1, 0), 0, update(instance(&now, now.header.sequence.0 + 5)));
    world.run_for(Duration::from_secs(2));
    assert!(world.agree());
    assert_eq!(world.lsa(1, key).unwrap().header.sequence.0, now.header.sequence.0 + 6);
    // And an acknowledgement of what has left both since does nothing.
    world.reconfigure(0, |config| config.externals.clear());
    world.run_for(Duration::from_secs(10));
    let since = world.now;
    world.inject(port(0, 1), 1, PacketBody::LinkStateAck(vec![now.with_age(MAX_AGE).header]));
    world.run_for(Duration::from_secs(1));
    assert_eq!(updates_with(&world, 0, since, key), 0);
}

/// A router that restarts has forgotten its sequence numbers, and this one does nothing beyond the RFC to find out about what it sent before.
#[test]
fn what_a_neighbor_sent_before_it_restarted_is_sent_back_to_it_when_it_comes_only_then() {
    let strict = |config: &mut Config| {
        config.conduct = Conduct::foreign();
        config.externals = externals(1);
    };
    let key = external_key(0, "20.0.0.0".parse().unwrap());
    let restarted = || {
        let mut world = quiet_pair();
        world.restart(0, 9);
        world.reconfigure(0, strict);
        world.run_for(DEAD);
        let before = world.lsa(1, key).unwrap();
        world.restart(0, 99);
        world.run_to(DEAD, |world| world.all_full());
        assert_eq!(world.lsa(0, key).unwrap().header.sequence, before.header.sequence, "it began from the same number");
        (world, before)
    };
    let late = |before: &Lsa| [before.with_age(MAX_AGE), instance(before, before.header.sequence.0 + 3)];
    for nth in 0..2 {
        let (mut world, before) = restarted();
        world.inject(port(1, 0), 0, update(late(&before)[nth].clone()));
        world.run_for(Duration::from_secs(8));
        assert!(world.agree() && world.routes[1].contains_key(&prefix("20.0.0.0/24")), "{nth}");
        assert!(world.lsa(1, key).unwrap().header.sequence > before.header.sequence, "{nth}");
    }
    // What it withdraws just now goes.
    let (mut world, _) = restarted();
    world.reconfigure(0, |config| config.externals.clear());
    world.run_for(Duration::from_secs(8));
    assert!((0..2).all(|engine| world.lsa(engine, key).is_none()));
}

/// Nobody remembers what was sent before all restarted: the sender of the late packet is not the originator of the LSA in it.
#[test]
fn what_a_neighbor_passed_on_before_it_restarted_is_sent_back_to_it_when_it_comes_only_then() {
    let key = external_key(0, "20.0.0.0".parse().unwrap());
    let mut world = World::with(3, &[(0, 1), (1, 2)], |engine, config| {
        config.externals = if engine == 0 { externals(1) } else { config.externals.clone() };
    });
    for seed in [9, 99] {
        for engine in 0..3 {
            world.restart(engine, seed + engine as u64);
        }
        world.run_to(DEAD, |world| world.all_full());
    }
    world.run_for(Duration::from_secs(1));
    let known = world.lsa(2, key).unwrap();
    let late = instance(&known, known.header.sequence.0 + 3);
    world.inject(port(2, 1), 1, update(late.clone()));
    world.run_for(Duration::from_secs(8));
    assert!(world.agree() && world.routes[2].contains_key(&prefix("20.0.0.0/24")));
    assert!(world.lsa(0, key).unwrap().header.sequence > late.header.sequence, "its originator has outbid it");
}

/// Its originator has restarted as well and has the same instance again, so that it floods nothing that would mend a hole.
#[test]
fn what_a_neighbor_passed_on_before_it_restarted_leaves_no_hole_whenever_it_comes() {
    let key = external_key(0, "20.0.0.0".parse().unwrap());
    for wait in [1, 3, 6, 9].map(Duration::from_secs) {
        let mut world = World::new(3, &[(0, 1), (1, 2)]);
        world.converge();
        let ends = [port(0, 1), port(1, 0)];
        ends.iter().for_each(|&(engine, id)| world.link(engine, id, LinkState::Down));
        world.run_for(Duration::from_secs(1));
        world.restart(2, 9);
        world.run_to(2 * DEAD, |world| world.state(1, 2) == NeighborState::Full);
        world.reconfigure(0, |config| config.externals = externals(1));
        world.run_for(wait);
        let lsa = world.lsa(0, key).unwrap();
        world.inject(port(1, 2), 2, update(lsa));
        world.run_for(2 * DELAY);
        assert!(world.lsa(1, key).is_some(), "{wait:?}");
        ends.iter().for_each(|&(engine, id)| world.link(engine, id, up(engine, id)));
        world.run_to(2 * DEAD, World::all_full);
        world.run_for(Duration::from_secs(11));
        assert!(world.agree() && world.lsa(2, key).is_some(), "{wait:?}");
    }
}

/// A third router's LSA comes to a neighbour from that router itself where the two have a link, so that a full mesh that starts floods nothing
/// twice.
#[test]
fn what_a_neighbor_passed_on_is_not_sent_back_to_it_if_it_has_a_link_to_the_originator() {
    let key = external_key(0, "20.0.0.0".parse().unwrap());
    let row = [(0, 1), (1, 2), (2, 3)];
    for (engines, links, from, is_sent_back) in [
        (3, &[(0, 1), (1, 2), (0, 2)][..], port(2, 1), false),
        (3, &row[..2], port(2, 1), false),
        (4, &row, port(3, 2), true),
    ] {
        let mut world = World::new(engines, links);
        world.run_to(2 * DEAD, World::all_full);
        world.run_for(Duration::from_secs(4));
        world.reconfigure(0, |config| config.externals = externals(1));
        world.run_for(Duration::from_secs(2));
        // It has been flooded, and may have to be again when ten seconds are over.
        let since = world.now;
        world.run_for(Duration::from_secs(12));
        assert!(world.agree());
        let has_it = |sent: &Sent| match sent.body() {
            PacketBody::LinkStateUpdate(lsas) => lsas.iter().any(|lsa| lsa.header.key == key),
            _ => false,
        };
        let found = world.sent_by(from.0, since).any(|sent| sent.from == from && has_it(sent));
        assert_eq!(found, is_sent_back, "{links:?}");
    }
}

/// Router 1 has just taken an instance of router 0's LSA from before a restart that is newer than the first one after it. To outbid it router
/// 0 has to wait, but not for long.
fn to_be_outbid(key: LsaKey) -> (World, SequenceNumber) {
    let mut world = quiet_pair();
    // The third instance has to wait for longer than the second.
    for tag in [1, 0] {
        world.reconfigure(0, |config| {
            config.externals = [(prefix("20.0.0.0/24"), External { tag, ..external() })].into()
        });
        world.run_for(crate::wire::MIN_LS_ARRIVAL + Duration::from_millis(250));
    }
    let copy = world.lsa(0, key).unwrap();
    let before = instance(&copy, copy.header.sequence.0 + 5);
    world.inject(port(1, 0), 0, update(before.clone()));
    world.run_for(Duration::from_millis(120));
    let noticed = |event: &Event| matches!(event, Event::SelfOriginatedReceived { .. });
    assert!(world.events[0].iter().any(noticed), "the acknowledgement has come");
    assert_eq!(world.lsa(0, key).unwrap().header.sequence, copy.header.sequence);
    assert_eq!(world.lsa(1, key).unwrap().header.sequence, before.header.sequence);
    (world, before.header.sequence)
}

#[test]
fn an_instance_is_outbid_though_its_lsa_was_withdrawn_meanwhile_and_is_wanted_again() {
    let key = external_key(0, "20.0.0.0".parse().unwrap());
    let (mut world, theirs) = to_be_outbid(key);
    world.reconfigure(0, |config| config.externals.clear());
    world.reconfigure(0, |config| config.externals = externals(1));
    world.run_for(Duration::from_secs(20));
    assert!(world.agree() && world.routes[1].contains_key(&prefix("20.0.0.0/24")));
    assert_eq!(world.lsa(1, key).unwrap().header.sequence, theirs.next().unwrap());
}

#[test]
fn an_instance_that_was_to_be_outbid_is_flushed_at_once_when_its_lsa_is_withdrawn() {
    let key = external_key(0, "20.0.0.0".parse().unwrap());
    let (mut world, _) = to_be_outbid(key);
    let since = world.now;
    world.reconfigure(0, |config| config.externals.clear());
    world.run_for(Duration::from_secs(4));
    assert!((0..2).all(|engine| world.lsa(engine, key).is_none()));
    assert!(!world.routes[1].contains_key(&prefix("20.0.0.0/24")));
    assert_eq!(updates_with(&world, 1, since, key), 0, "router 1 need not send it back");
}

#[test]
fn an_instance_that_was_to_be_outbid_is_flushed_when_its_router_leaves() {
    let key = external_key(0, "20.0.0.0".parse().unwrap());
    let (mut world, _) = to_be_outbid(key);
    // Router 1 takes another instance only after MinLSArrival.
    world.run_for(crate::wire::MIN_LS_ARRIVAL - Duration::from_millis(100));
    let since = world.now;
    world.input(0, Input::Withdraw);
    world.run_to(Duration::from_secs(4), |world| world.engines[0].is_stopped());
    world.run_for(Duration::from_secs(1));
    assert!(world.lsa(1, key).is_none_or(|left| left.header.is_max_age()));
    assert!(!world.routes[1].contains_key(&prefix("20.0.0.0/24")));
    assert_eq!(updates_with(&world, 1, since, key), 0, "router 1 need not send it back");
}

/// In a row: router 0 originates an external, router 2 does what the RFC says. The key, and what it was when all had it.
fn row() -> (World, LsaKey, Lsa) {
    let mut world = World::with(3, &[(0, 1), (1, 2)], |engine, config| match engine {
        0 => config.externals = externals(1),
        1 => {}
        _ => config.conduct = Conduct::foreign(),
    });
    world.converge();
    world.run_for(DEAD);
    let key = external_key(0, "20.0.0.0".parse().unwrap());
    let copy = world.lsa(2, key).unwrap();
    (world, key, copy)
}

#[test]
fn what_a_neighbor_describes_that_has_just_left_is_not_asked_for_but_flushed() {
    let (mut world, key, _) = row();
    let id = port(1, 2).1;
    world.link(1, id, LinkState::Down);
    world.reconfigure(0, |config| config.externals.clear());
    world.run_for(Duration::from_secs(2));
    assert!(world.lsa(1, key).is_none() && world.lsa(2, key).is_some());
    let since = world.now;
    world.link(1, id, up(1, id));
    world.run_to(Duration::from_secs(20), |world| world.all_full());
    assert!(world.now.saturating_since(since) < Duration::from_secs(8), "it is remembered");
    assert_eq!(updates_with(&world, 2, since, key), 0, "router 2 is not asked for it");
    world.run_for(Duration::from_secs(20));
    assert!((0..3).all(|engine| world.lsa(engine, key).is_none()));
    assert!(!world.routes[1].contains_key(&prefix("20.0.0.0/24")));
}

/// A retransmission that was overtaken by the LSA at MaxAge is news to a router that has no memory (§13 (4)).
#[test]
fn what_a_neighbor_acknowledges_that_has_just_left_is_flushed_once_more() {
    let (mut world, key, copy) = row();
    world.reconfigure(0, |config| config.externals.clear());
    world.run_for(Duration::from_secs(3));
    assert!((0..3).all(|engine| world.lsa(engine, key).is_none()));
    world.inject(port(2, 1), 1, update(copy));
    assert!(world.lsa(2, key).is_some());
    world.run_for(Duration::from_secs(20));
    assert!((0..3).all(|engine| world.lsa(engine, key).is_none()));
}

#[test]
fn what_a_neighbor_acknowledges_that_others_still_have_to_flush_goes_to_it_once_more() {
    let mut world = World::with(4, &[(0, 1), (1, 2), (1, 3)], |engine, config| {
        if engine == 2 {
            config.conduct = Conduct::foreign();
        }
    });
    world.converge();
    world.run_for(DEAD);
    // Of two instances of an LSA the second, which is longer, is flushed.
    let initial = opaque(LsaType::OPAQUE_AS, 1, b"tlv?");
    let key = initial.header.key;
    let first = instance(&initial, initial.header.sequence.0 + 1);
    let next = first.header.sequence.next().unwrap();
    let second = Lsa::new(key, first.header.options, next, &LsaBody::Opaque("tlv?tlv?".into())).unwrap();
    for lsa in [&first, &second] {
        world.inject(port(1, 0), 0, update(lsa.clone()));
        world.run_for(Duration::from_secs(3));
    }
    assert_eq!(world.lsa(2, key).unwrap().header.sequence, next);
    // Router 3 acknowledges nothing for a while, so that the LSA stays at MaxAge at router 1.
    world.deliver = Box::new(|sent| sent.from.0 != 3 || matches!(sent.body(), PacketBody::Hello(_)));
    world.inject(port(1, 0), 0, update(second.with_age(MAX_AGE)));
    world.run_for(Duration::from_secs(3));
    assert!(world.lsa(1, key).unwrap().header.is_max_age() && world.lsa(2, key).is_none());
    world.inject(port(2, 1), 1, update(first));
    assert!(world.lsa(2, key).is_some());
    world.run_for(Duration::from_secs(20));
    assert!(world.lsa(1, key).unwrap().header.is_max_age() && world.lsa(2, key).is_none());
    // The originator may have forgotten what it flushed, and begin anew: that is not flushed without end.
    let since = world.now;
    world.inject(port(1, 2), 2, PacketBody::LinkStateAck(vec![initial.header]));
    world.run_for(Duration::from_secs(4));
    let to_2 = world.sent_by(1, since).filter(|sent| sent.from == port(1, 2)).map(Sent::body);
    assert_eq!(to_2.filter(|body| matches!(body, PacketBody::LinkStateUpdate(_))).count(), 0);
    world.deliver = Box::new(|_| true);
    world.run_for(Duration::from_secs(60));
    assert!((1..4).all(|engine| world.lsa(engine, key).is_none()));
}

#[test]
fn an_instance_that_was_replaced_before_it_was_acknowledged_is_not_acknowledged_any_more() {
    let acknowledged = |replaced: bool| {
        let (mut world, key, copy) = row();
        world.restart(1, 99);
        let since = world.now;
        world.run_to(DEAD, |world| world.lsa(1, key).is_some());
        if replaced {
            world.inject(port(1, 0), 0, update(copy.with_age(MAX_AGE)));
        }
        world.run_for(Duration::from_secs(1));
        let bodies = world.sent_by(1, since).filter(|sent| sent.from == port(1, 0)).map(Sent::body);
        let acks = bodies.filter_map(|body| match body {
            PacketBody::LinkStateAck(headers) => Some(headers),
            _ => None,
        });
        let instance = |header: &LsaHeader| (header.key, header.sequence, header.is_max_age());
        acks.flatten().any(|header| instance(&header) == instance(&copy.header))
    };
    assert_eq!([false, true].map(acknowledged), [true, false]);
}

/// What the neighbour sends instead of an acknowledgement ends the wait for one, and the flushed LSA leaves (§14). Found by the fuzz target
/// `wire`.
#[test]
fn an_lsa_that_is_flushed_leaves_when_the_only_neighbor_that_it_waits_for_sends_a_later_instance() {
    let mut world = quiet_pair();
    // The third instance has to wait for longer than the second.
    for tag in [1, 0] {
        world.reconfigure(0, |config| {
            config.externals = [(prefix("20.0.0.0/24"), External { tag, ..external() })].into()
        });
        world.run_for(crate::wire::MIN_LS_ARRIVAL + Duration::from_millis(250));
    }
    let key = external_key(0, "20.0.0.0".parse().unwrap());
    let copy = world.lsa(1, key).unwrap();
    world.cut.insert(port(1, 0));
    let later = |by| instance(&copy, copy.header.sequence.0 + by);
    world.reconfigure(0, |config| config.externals.clear());
    world.inject(port(0, 1), 1, update(later(3)));
    // Wanted again, it has to wait for longer than that takes.
    world.reconfigure(0, |config| config.externals = externals(1));
    assert!(world.lsa(0, key).is_some_and(|lsa| lsa.header.is_max_age()), "it waits for router 1");
    world.inject(port(0, 1), 1, update(later(5)));
    assert_eq!(world.lsa(0, key), None);
    world.cut.clear();
    world.run_for(crate::wire::MIN_LS_INTERVAL);
    assert_eq!(world.lsa(0, key).map(|lsa| lsa.header.sequence), Some(later(6).header.sequence));
    assert!(world.agree() && world.routes[1].contains_key(&prefix("20.0.0.0/24")));
}

/// The next instance of a router that does what the RFC says has to wait for MinLSInterval, and what it outbids is gone by then (§13.4).
#[test]
fn what_others_flush_is_outbid_though_it_has_left_the_database_before_the_next_instance_may_leave() {
    let mut world = World::with(2, &[(0, 1)], |engine, config| {
        if engine == 0 {
            config.conduct = Conduct::foreign();
            config.externals = externals(1);
        }
    });
    world.converge();
    world.run_for(DEAD);
    let key = external_key(0, "20.0.0.0".parse().unwrap());
    world.reconfigure(0, |config| config.externals.values_mut().for_each(|external| external.tag = 7));
    world.run_for(Duration::from_secs(1));
    let copy = world.lsa(1, key).unwrap();
    let flushed = instance(&copy, copy.header.sequence.0 + 3).with_age(MAX_AGE);
    world.inject(port(0, 1), 1, update(flushed.clone()));
    world.run_for(Duration::from_secs(3));
    assert!(world.lsa(0, key).is_none(), "the next instance waits");
    world.run_for(Duration::from_secs(8));
    assert!(world.agree() && world.lsa(1, key).unwrap().header.sequence.0 > flushed.header.sequence.0);
}

/// It had the LSA at MaxAge first, then an earlier instance from elsewhere, and is slow to acknowledge the former (§13.5 lets it be).
#[test]
fn an_acknowledgment_of_before_a_neighbor_took_what_it_describes_does_not_end_a_flush() {
    let is_told = |world: &World| world.engines[1].neighbors().any(|view| view.retransmissions > 0);
    // What router 1 has when router 2 describes the LSA: the memory of it, or the LSA at MaxAge, as router 3 does not acknowledge it.
    for (stays, acknowledged_first) in [(false, false), (true, false), (true, true)] {
        let mut world = World::with(4, &[(0, 1), (1, 2), (1, 3)], |engine, config| match engine {
            0 => config.externals = externals(1),
            2 => config.conduct = Conduct::foreign(),
            _ => {}
        });
        world.converge();
        world.run_for(DEAD);
        let key = external_key(0, "20.0.0.0".parse().unwrap());
        let gone = world.lsa(2, key).unwrap().with_age(MAX_AGE);
        let id = port(1, 2).1;
        world.link(1, id, LinkState::Down);
        // Router 2 gets no update until it is acknowledged.
        world.deliver = Box::new(move |sent| match sent.body() {
            PacketBody::Hello(_) => true,
            PacketBody::LinkStateUpdate(lsas) => {
                sent.from != port(1, 2) || lsas.iter().all(|lsa| lsa.header.key != key)
            }
            _ => sent.from.0 != 3 || !stays,
        });
        world.reconfigure(0, |config| config.externals.clear());
        world.run_for(Duration::from_secs(2));
        assert_eq!(world.lsa(1, key).is_some(), stays);
        let acknowledgment = PacketBody::LinkStateAck(vec![gone.header]);
        world.link(1, id, up(1, id));
        if acknowledged_first {
            world.run_to(DEAD, |world| world.state(1, 2) == NeighborState::Exchange);
            world.inject(port(1, 2), 2, acknowledgment);
            world.run_to(DEAD, World::all_full);
        } else {
            world.run_to(DEAD, World::all_full);
            assert!(is_told(&world));
            world.inject(port(1, 2), 2, acknowledgment);
        }
        world.deliver = Box::new(|_| true);
        world.run_for(Duration::from_secs(25));
        assert!((0..4).all(|engine| world.lsa(engine, key).is_none()), "{stays} {acknowledged_first}");
        assert!(!is_told(&world));
    }
}

/// Both begin with the sequence numbers that they began with before, so that their LSAs are the same as then. Those of a third router are
/// the same in any case.
#[test]
fn an_acknowledgment_or_update_of_before_both_routers_restarted_leaves_no_hole() {
    for (originator, is_update) in [(0, false), (2, false), (0, true), (2, true)] {
        let mut world = World::new(3, &[(0, 1), (0, 2)]);
        world.converge();
        let key = external_key(originator, "20.0.0.0".parse().unwrap());
        world.deliver =
            Box::new(|sent| sent.from != port(0, 1) || !matches!(sent.body(), PacketBody::LinkStateUpdate(_)));
        world.reconfigure(originator, |config| config.externals = externals(1));
        world.run_for(Duration::from_secs(1));
        let lsa = world.lsa(0, key).unwrap();
        // By §13 (7)(a) an update is an acknowledgement, too.
        let packet = if is_update { update(lsa) } else { PacketBody::LinkStateAck(vec![lsa.header]) };
        world.inject(port(0, 1), 1, packet);
        world.deliver = Box::new(|_| true);
        world.run_for(Duration::from_secs(12));
        assert!(world.agree() && world.lsa(1, key).is_some(), "{originator} {is_update}");
    }
}

/// It had the LSA at MaxAge, took an earlier instance from elsewhere after that, and floods it before it acknowledges the former.
#[test]
fn an_acknowledgment_of_before_a_neighbor_took_what_it_floods_does_not_end_a_flush() {
    // Whether the LSA has left router 0, or is there at MaxAge still.
    for has_left in [true, false] {
        // In a row, so that the copy comes to router 1 from a third.
        let mut world = World::with(3, &[(0, 1), (1, 2)], |engine, config| match engine {
            0 => config.externals = externals(1),
            _ => config.conduct = Conduct::foreign(),
        });
        world.converge();
        world.run_for(DEAD);
        let key = external_key(0, "20.0.0.0".parse().unwrap());
        let copy = world.lsa(1, key).unwrap();
        let silent = |sent: &Sent| sent.from.0 != 0 || !matches!(sent.body(), PacketBody::LinkStateUpdate(_));
        if has_left {
            world.reconfigure(0, |config| config.externals.clear());
            world.run_for(Duration::from_secs(3));
            assert!((0..3).all(|engine| world.lsa(engine, key).is_none()));
            world.deliver = Box::new(silent);
            world.inject(port(1, 2), 2, update(copy.clone()));
            world.run_for(2 * DELAY);
        } else {
            world.deliver = Box::new(silent);
            world.reconfigure(0, |config| config.externals.clear());
            world.run_for(Duration::from_millis(100));
            world.inject(port(0, 1), 1, update(copy.clone()));
        }
        assert!(world.lsa(1, key).is_some() && world.lsa(0, key).unwrap().header.is_max_age());
        world.inject(port(0, 1), 1, PacketBody::LinkStateAck(vec![copy.with_age(MAX_AGE).header]));
        world.deliver = Box::new(|_| true);
        world.run_for(Duration::from_secs(25));
        assert!((0..3).all(|engine| world.lsa(engine, key).is_none()), "{has_left}");
    }
}

/// Whoever begins anew begins with the first instance, and may flush that, too.
#[test]
fn a_copy_of_a_first_instance_that_was_flushed_after_a_later_one_is_not_taken() {
    let mut world = quiet_pair();
    let initial = opaque(LsaType::OPAQUE_AS, 1, b"tlv?");
    let key = initial.header.key;
    let later = instance(&initial, initial.header.sequence.0 + 2);
    for (lsa, is_taken) in [(&later, true), (&initial, true), (&initial, false)] {
        world.inject(port(1, 0), 0, update(lsa.clone()));
        assert_eq!(world.lsa(1, key).is_some(), is_taken, "{:?}", lsa.header.sequence);
        world.run_for(Duration::from_secs(2));
        world.inject(port(1, 0), 0, update(lsa.with_age(MAX_AGE)));
        world.run_for(Duration::from_secs(1));
        assert!(world.lsa(1, key).is_none());
    }
}
