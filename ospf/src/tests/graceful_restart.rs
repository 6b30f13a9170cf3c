//! Graceful restart between engines (RFC 3623): restarts that nobody notices, and those that everybody has to.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::world::*;
use crate::wire::{GraceLsa, Lsa, LsaBody, Options, PacketBody, RestartReason};
use crate::{
    Announcement, Authentication, Engine, Event, Helper, HelperExit, HelperRefusal, Input, Key, KeyAlgorithm, KeyChain,
    KeyId, Lifetime, LinkState, LsaType, NeighborState as S, Prefix, RestartExit, Restarting, Route, Secret,
    SequenceCheck, SequenceNumber,
};

const GRACE: Duration = Duration::from_secs(120);

/// A planned restart begins: the engine has stopped when this is done.
fn leave(world: &mut World, engine: usize) {
    world.input(engine, Input::PrepareRestart { grace_period: GRACE, reason: RestartReason::SoftwareRestart });
    let ready = |event: &Event| matches!(event, Event::RestartReady { .. });
    world.run_to(Duration::from_secs(4), |world| world.events[engine].iter().any(ready));
    assert!(world.events[engine].contains(&Event::RestartReady { unacknowledged: 0 }), "all neighbours know");
}

/// The engine begins anew within a restart; the kernel has kept its routes.
fn come_back(world: &mut World, engine: usize, grace_period: Duration, announcement: Announcement) {
    let restarting = Some(Restarting { grace_period, announcement });
    let boot = world.engines[engine].next_boot();
    world.engines[engine].config.restarting = restarting;
    world.engines[engine].config.boot = boot.max(world.engines[engine].config.boot);
    world.restart(engine, 99);
}

fn planned(world: &mut World, engine: usize, silence: Duration) {
    leave(world, engine);
    world.run_for(silence);
    come_back(world, engine, GRACE - silence, Announcement::Made);
}

fn helper_events(world: &World, engine: usize) -> Vec<Result<HelperExit, HelperRefusal>> {
    let step = |event: &Event| match event {
        Event::HelperEnded { cause, .. } => Some(Ok(*cause)),
        Event::HelperRefused { reason, .. } => Some(Err(*reason)),
        _ => None,
    };
    world.events[engine].iter().filter_map(step).collect()
}

fn helps(world: &World, engine: usize) -> bool {
    world.engines[engine].neighbors().any(|neighbor| neighbor.helped_for.is_some())
}

fn restart_exits(world: &World, engine: usize) -> Vec<RestartExit> {
    let step = |event: &Event| match event {
        Event::RestartEnded { cause } => Some(*cause),
        _ => None,
    };
    world.events[engine].iter().filter_map(step).collect()
}

/// Routes of all engines but one, and the sequence numbers of what these originate.
type Outside = (Vec<BTreeMap<Prefix, Route>>, Vec<Vec<SequenceNumber>>);

fn outside(world: &World, engine: usize) -> Outside {
    let others = (0..world.engines.len()).filter(|&other| other != engine);
    let sequences = |other: usize| {
        let own = world.engines[other].lsdb().map(|view| view.lsa.header);
        own.filter(|header| header.key.advertising_router == router_id(other)).map(|header| header.sequence).collect()
    };
    others.map(|other| (world.routes[other].clone(), sequences(other))).unzip()
}

/// Runs for a while, in which nothing changes outside an engine.
fn run_unnoticed(world: &mut World, engine: usize, duration: Duration) {
    let before = outside(world, engine);
    let end = world.now + duration;
    while world.now < end {
        world.run_for(Duration::from_secs(1));
        assert_eq!(outside(world, engine), before, "at {:?}", world.now);
    }
}

fn no_grace_lsas(world: &World) -> bool {
    let grace = |engine: &Engine| engine.lsdb().any(|view| GraceLsa::is_key(view.lsa.header.key));
    !world.engines.iter().any(grace)
}

#[test]
fn a_planned_restart_longer_than_the_dead_interval_is_noticed_by_nobody() {
    let mut world = World::with(3, &[(0, 1), (1, 2)], |engine, config| {
        if engine == 1 {
            config.externals = externals(3);
        }
    });
    world.converge();
    world.run_for(Duration::from_secs(10));
    let before = outside(&world, 1);
    let own_routes = world.routes[1].clone();
    let own_sequence = world.lsa(0, router_key(1)).unwrap().header.sequence;
    leave(&mut world, 1);
    run_unnoticed(&mut world, 1, DEAD + HELLO);
    assert!(helps(&world, 0) && helps(&world, 2));

    come_back(&mut world, 1, GRACE / 2, Announcement::Made);
    assert!(world.engines[1].is_restarting() && world.routes[1].is_empty());
    world.run_to(HELLO * 2, |world| !restart_exits(world, 1).is_empty());
    assert_eq!(restart_exits(&world, 1), [RestartExit::Completed]);
    world.converge();
    world.run_for(Duration::from_secs(10));
    assert_eq!(outside(&world, 1), before);
    assert_eq!(world.routes[1], own_routes, "told of again");
    assert!(world.lsa(0, router_key(1)).unwrap().header.sequence > own_sequence, "originated again");
    assert!(no_grace_lsas(&world));
    for helper in [0, 2] {
        assert_eq!(helper_events(&world, helper), [Ok(HelperExit::Completed)]);
        assert!(!helps(&world, helper));
    }
}

/// The master that has not got the slave's last packet is not done, though the slave is: it is helped until it has had time to ask again.
#[test]
fn a_master_that_misses_the_last_packet_of_the_exchange_is_told_of_the_end_when_it_has_it() {
    // Engine 1 has the higher router id, and is master.
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    world.run_for(Duration::from_secs(10));
    leave(&mut world, 0);
    come_back(&mut world, 0, GRACE, Announcement::Made);
    // Its first packet lists its LSAs, its second and last answers what the master lists.
    let answers = Rc::new(Cell::new(0));
    let counted = Rc::clone(&answers);
    world.deliver = Box::new(move |sent| {
        let of_slave =
            sent.from.0 == 0 && matches!(sent.body(), PacketBody::DatabaseDescription(packet) if !packet.flags.master);
        counted.set(counted.get() + u32::from(of_slave));
        !(of_slave && counted.get() == 2)
    });
    world.run_to(HELLO * 2, |world| !restart_exits(world, 0).is_empty());
    assert_eq!((restart_exits(&world, 0), answers.get()), (vec![RestartExit::Completed], 2));
    let state = |world: &World| world.engines[1].neighbors().next().unwrap().state;
    assert_ne!(state(&world), S::Full, "the slave is done, and the master is not");
    world.run_to(DEAD, |world| !helper_events(world, 1).is_empty());
    assert_eq!((helper_events(&world, 1), state(&world)), (vec![Ok(HelperExit::Completed)], S::Full));
    world.run_for(DEAD);
    assert!(no_grace_lsas(&world));
}

/// `ospf-sim sweep`, seed 73110251.
#[test]
fn another_router_id_within_a_restart_ends_it_and_every_route_is_told_of() {
    let mut world = World::new(3, &[(0, 1), (1, 2)]);
    world.converge();
    leave(&mut world, 1);
    world.cut.extend([port(1, 2), port(2, 1)]);
    come_back(&mut world, 1, GRACE, Announcement::Made);
    world.run_for(HELLO * 3);
    let calculated = |world: &World| -> BTreeMap<_, _> {
        world.engines[1].routes().map(|(prefix, route)| (prefix, route.clone())).collect()
    };
    assert_eq!(restart_exits(&world, 1), []);
    assert!(
        world.engines[1].calculation.latest.table.len() > 0 && world.routes[1].is_empty(),
        "known, and not told of"
    );
    world.reconfigure(1, |config| config.router_id = router_id(6));
    assert_eq!(restart_exits(&world, 1), [RestartExit::AnotherRouterId]);
    world.run_for(DEAD * 2);
    assert!(world.routes[1].contains_key(&prefix("10.255.0.1/32")));
    assert_eq!(world.routes[1], calculated(&world));
}

#[test]
fn what_is_not_wanted_any_more_after_a_restart_is_flushed_at_its_end_and_not_before() {
    let mut world = World::with(2, &[(0, 1)], |_, config| config.externals = externals(3));
    world.converge();
    leave(&mut world, 1);
    world.engines[1].config.externals = externals(1);
    come_back(&mut world, 1, GRACE, Announcement::Made);
    let externals_of_1 = |world: &World| {
        let views = world.engines[0].lsdb().map(|view| view.lsa.header);
        let live = views.filter(|header| header.key.kind == LsaType::AS_EXTERNAL && !header.is_max_age());
        live.filter(|header| header.key.advertising_router == router_id(1)).count()
    };
    world.run_to(HELLO * 2, |world| {
        let over = !restart_exits(world, 1).is_empty();
        assert!(over || externals_of_1(world) == 3);
        over
    });
    world.converge();
    assert_eq!(externals_of_1(&world), 1);
}

#[test]
fn an_unplanned_restart_within_the_dead_interval_is_announced_before_any_hello() {
    let mut world = World::new(3, &[(0, 1), (1, 2)]);
    world.converge();
    world.run_for(Duration::from_secs(10));
    let since = world.now;
    come_back(&mut world, 1, GRACE, Announcement::Due(RestartReason::Unknown));
    let first = world.sent_by(1, since).next().unwrap().body();
    assert!(
        matches!(first, PacketBody::LinkStateUpdate(ref lsas) if GraceLsa::is_key(lsas[0].header.key)),
        "{first:?}"
    );
    run_unnoticed(&mut world, 1, Duration::from_secs(3));
    world.run_to(HELLO * 2, |world| !restart_exits(world, 1).is_empty());
    assert_eq!(restart_exits(&world, 1), [RestartExit::Completed]);
    world.converge();
    assert_eq!(helper_events(&world, 0), [Ok(HelperExit::Completed)]);
    assert!(no_grace_lsas(&world));
}

#[test]
fn a_restart_under_authentication_is_noticed_by_nobody() {
    for sequence in [SequenceCheck::NotSmaller, SequenceCheck::Strict, SequenceCheck::Extended] {
        let always = Lifetime::ALWAYS;
        let secret = Secret::new(b"weft".to_vec());
        let key = Key { id: KeyId(1), algorithm: KeyAlgorithm::HmacSha256, secret, send: always, accept: always };
        let authentication = Authentication::Cryptographic(KeyChain::new(vec![key], sequence).unwrap());
        let mut world = World::with(2, &[(0, 1)], |_, config| {
            config.interfaces.values_mut().for_each(|interface| interface.authentication = authentication.clone());
        });
        world.converge();
        planned(&mut world, 1, HELLO);
        run_unnoticed(&mut world, 1, HELLO * 2);
        assert_eq!(restart_exits(&world, 1), [RestartExit::Completed], "{sequence:?}");
    }
}

#[test]
fn helping_ends_when_the_network_changes_unless_the_configuration_is_lenient() {
    for (policy, exit) in [(Helper::Strict, HelperExit::Changed), (Helper::Lenient, HelperExit::Completed)] {
        let mut world = World::with(4, &[(0, 1), (1, 2), (2, 3)], |_, config| config.helper = policy);
        world.converge();
        leave(&mut world, 1);
        world.run_for(Duration::from_secs(5));
        world.link(3, port(3, 2).1, LinkState::Down);
        world.link(2, port(2, 3).1, LinkState::Down);
        world.run_for(Duration::from_secs(2));
        assert_eq!(helps(&world, 2), policy == Helper::Lenient);
        assert!(helps(&world, 0), "it has not heard of the change");
        world.link(3, port(3, 2).1, up(3, port(3, 2).1));
        world.link(2, port(2, 3).1, up(2, port(2, 3).1));
        come_back(&mut world, 1, GRACE - Duration::from_secs(8), Announcement::Made);
        world.converge();
        assert_eq!(helper_events(&world, 2), [Ok(exit)]);
        assert_eq!(restart_exits(&world, 1).len(), 1);
    }
}

#[test]
fn a_router_that_does_not_come_back_is_missed_at_the_end_of_its_grace_period() {
    let mut world = World::new(3, &[(0, 1), (1, 2)]);
    world.converge();
    leave(&mut world, 1);
    world.run_for(GRACE - Duration::from_secs(5));
    assert!(helps(&world, 0) && world.routes[0].contains_key(&prefix("10.255.0.3/32")));
    world.run_for(Duration::from_secs(10));
    assert_eq!(helper_events(&world, 0), [Ok(HelperExit::Expired)]);
    assert_eq!(world.state(0, 1), S::Down);
    assert!(!world.routes[0].contains_key(&prefix("10.255.0.3/32")));
}

#[test]
fn a_restart_ends_at_once_where_a_neighbor_does_not_help() {
    let mut world = World::with(3, &[(0, 1), (1, 2)], |engine, config| {
        config.helper = if engine == 2 { Helper::Never } else { Helper::Strict };
    });
    world.converge();
    world.run_for(HELLO);
    planned(&mut world, 1, HELLO);
    assert_eq!(helper_events(&world, 2), [Err(HelperRefusal::Policy)]);
    world.run_to(HELLO * 2, |world| !restart_exits(world, 1).is_empty());
    assert_eq!(restart_exits(&world, 1), [RestartExit::Inconsistent]);
    world.converge();
    assert!(no_grace_lsas(&world));
}

#[test]
fn a_restart_whose_neighbor_is_gone_ends_with_the_grace_period() {
    let mut world = World::new(3, &[(0, 1), (1, 2)]);
    world.converge();
    leave(&mut world, 1);
    world.cut.insert(port(2, 1));
    come_back(&mut world, 1, GRACE, Announcement::Made);
    world.run_for(GRACE + HELLO);
    assert_eq!(restart_exits(&world, 1), [RestartExit::Expired]);
    assert_eq!(world.state(1, 0), S::Full);
    assert!(world.routes[1].contains_key(&prefix("10.255.0.1/32")));
}

#[test]
fn corner_case_28_a_neighbor_that_goes_down_is_not_helped_any_more() {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    leave(&mut world, 1);
    world.run_for(HELLO);
    assert!(helps(&world, 0));
    world.link(0, port(0, 1).1, LinkState::Down);
    assert_eq!(helper_events(&world, 0), [Ok(HelperExit::Down)]);
    assert!(!helps(&world, 0));
}

#[test]
fn a_configuration_against_it_ends_helping() {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    leave(&mut world, 1);
    world.run_for(DEAD + HELLO);
    assert_eq!(world.state(0, 1), S::Full);
    world.reconfigure(0, |config| config.helper = Helper::Never);
    assert_eq!(helper_events(&world, 0), [Ok(HelperExit::Policy)]);
    assert_eq!(world.state(0, 1), S::Down, "it was silent for longer than RouterDeadInterval");
}

/// A Grace-LSA as its originator sent it some seconds ago.
fn grace(router: usize, grace_period: u32, age: u16) -> Lsa {
    let body = GraceLsa { grace_period, reason: RestartReason::Unknown, address: None }.body();
    Lsa::new(GraceLsa::key(router_id(router)), Options::E, SequenceNumber::INITIAL, &body).unwrap().with_age(age)
}

#[test]
fn corner_case_28_help_is_refused_with_a_reason() {
    let garbage = LsaBody::Opaque(bytes::Bytes::from_static(&[0, 1, 0, 200]));
    let garbage = Lsa::new(GraceLsa::key(router_id(1)), Options::E, SequenceNumber::INITIAL, &garbage).unwrap();
    let cases = [
        (grace(1, 120, 200), HelperRefusal::Expired),
        (grace(1, 120, 120), HelperRefusal::Expired),
        (grace(1, 1801, 0), HelperRefusal::Policy),
        (grace(1, u32::MAX, 3000), HelperRefusal::Policy),
        (garbage, HelperRefusal::Malformed),
        (grace(7, 120, 0), HelperRefusal::NotAdjacent),
    ];
    for (lsa, refusal) in cases {
        let mut world = World::new(2, &[(0, 1)]);
        world.converge();
        world.inject(port(0, 1), 1, PacketBody::LinkStateUpdate(vec![lsa]));
        assert_eq!(helper_events(&world, 0), [Err(refusal)]);
        assert!(!helps(&world, 0));
    }
}

#[test]
fn help_is_refused_to_a_neighbor_that_has_not_heard_of_a_change() {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    world.run_for(HELLO);
    world.cut.insert(port(0, 1));
    world.reconfigure(0, |config| config.externals = externals(1));
    world.inject(port(0, 1), 1, PacketBody::LinkStateUpdate(vec![grace(1, 120, 0)]));
    assert_eq!(helper_events(&world, 0), [Err(HelperRefusal::Changed)]);
}

#[test]
fn corner_case_28_help_is_given_for_what_is_left_of_the_grace_period() {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    world.run_for(HELLO);
    world.inject(port(0, 1), 1, PacketBody::LinkStateUpdate(vec![grace(1, 120, 100)]));
    let started = |event: &Event| match event {
        Event::HelperStarted { grace_period, .. } => Some(*grace_period),
        _ => None,
    };
    assert_eq!(world.events[0].iter().find_map(started), Some(Duration::from_secs(20)));
}

#[test]
fn each_router_of_a_segment_restarts_unnoticed_whatever_it_is_there() {
    for (routers, restarting) in [(2, 0), (2, 1), (4, 0), (4, 1), (4, 2), (4, 3)] {
        let mut world = World::lan(routers, |_, _| {});
        world.settle();
        let designated = world.designated(restarting, LAN);
        leave(&mut world, restarting);
        run_unnoticed(&mut world, restarting, HELLO * 2);
        come_back(&mut world, restarting, GRACE - HELLO * 2, Announcement::Made);
        run_unnoticed(&mut world, restarting, DEAD * 2);
        assert_eq!(restart_exits(&world, restarting), [RestartExit::Completed], "router {restarting} of {routers}");
        for engine in 0..routers {
            assert_eq!(world.designated(engine, LAN), designated, "as {engine} sees it after {restarting} restarted");
        }
        assert!(no_grace_lsas(&world));
    }
}

#[test]
fn the_work_of_a_restart_grows_with_what_there_is_and_not_with_its_square() {
    let work = |count: u32| {
        let mut world = World::with(2, &[(0, 1)], |engine, config| {
            if engine == 0 {
                config.externals = externals(count);
            }
        });
        world.converge();
        world.run_for(Duration::from_secs(30));
        planned(&mut world, 0, Duration::from_secs(2));
        world.work = vec![0; 2];
        world.run_for(Duration::from_secs(30));
        assert_eq!(restart_exits(&world, 0), [RestartExit::Completed]);
        world.work[0]
    };
    let [few, many] = [work(100), work(1000)];
    assert!(few > 100, "each is compared: {few} units");
    // Ten times as much is ten times the work and a little more, not a hundred times.
    assert!(many < 30 * few, "{few} units, {many} for ten times as many");
}
