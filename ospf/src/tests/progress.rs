//! What does not come forward starts over, and says so.

use std::time::Duration;

use super::world::*;
use crate::wire::{MAX_AGE, PacketBody};
use crate::{Event, LsaType, NeighborState as S, Stall};

const BOUND: Duration = Duration::from_secs(300);

fn guarded_pair() -> World {
    World::with(2, &[(0, 1)], |_, config| config.stall_bound = Some(BOUND))
}

fn stalls(world: &World, engine: usize) -> Vec<Stall> {
    let stall = |event: &Event| match event {
        Event::Stalled { router_id: neighbor, stall, .. } if *neighbor == router_id(1 - engine) => Some(*stall),
        _ => None,
    };
    world.events[engine].iter().filter_map(stall).collect()
}

fn counted(world: &World, engine: usize) -> u64 {
    world.engines[engine].interfaces().map(|interface| interface.counters.stalled).sum()
}

#[test]
fn an_adjacency_that_is_not_complete_in_time_begins_anew_and_says_in_what_it_waited() {
    let mut world = guarded_pair();
    world.deliver = Box::new(|sent| !matches!(sent.body(), PacketBody::LinkStateUpdate(_)));
    world.reconfigure(1, |config| config.externals = externals(3));
    world.run_for(BOUND - Duration::from_secs(1));
    assert!(stalls(&world, 0).is_empty());
    assert_eq!(world.state(0, 1), S::Loading);
    world.run_for(Duration::from_secs(12));
    let [Stall::Forming { state: S::Loading, requests: 3.. }] = stalls(&world, 0)[..] else {
        panic!("{:?}", stalls(&world, 0))
    };
    assert!(world.neighbor_events(0).contains(&(S::Loading, S::ExStart, "Stalled")));
    assert_eq!(counted(&world, 0), 1);
    world.run_for(BOUND);
    assert_eq!(counted(&world, 0), 2, "again and again");
    world.deliver = Box::new(|_| true);
    world.run_for(Duration::from_secs(60));
    assert!(world.all_full() && world.agree());
    world.run_for(2 * BOUND);
    assert_eq!(counted(&world, 0), 2);
}

#[test]
fn a_neighbor_that_acknowledges_nothing_for_long_is_named_and_stays() {
    let mut world = guarded_pair();
    world.converge();
    world.run_for(Duration::from_secs(10));
    world.deliver = Box::new(|sent| sent.from.0 != 1 || !matches!(sent.body(), PacketBody::LinkStateAck(_)));
    world.reconfigure(0, |config| config.externals = externals(2));
    world.run_for(BOUND);
    assert!(stalls(&world, 0).is_empty(), "it has been silent for less");
    world.run_for(Duration::from_secs(10));
    assert_eq!(stalls(&world, 0), [Stall::Unacknowledged { lsas: 3 }]);
    assert!(world.all_full());
    world.deliver = Box::new(|_| true);
    world.run_for(3 * BOUND);
    assert!(world.all_full() && world.agree());
    assert_eq!(counted(&world, 0), 1);
}

#[test]
fn one_that_acknowledges_now_and_then_is_left_alone() {
    let mut world = guarded_pair();
    world.converge();
    world.run_for(Duration::from_secs(10));
    let mut acknowledgments = 0;
    world.deliver = Box::new(move |sent| {
        let is_one = matches!(sent.body(), PacketBody::LinkStateAck(_));
        acknowledgments += u32::from(is_one);
        !is_one || acknowledgments.is_multiple_of(4)
    });
    for number in 1..40 {
        world.reconfigure(0, |config| config.externals = externals(number));
        world.run_for(Duration::from_secs(30));
    }
    assert_eq!((counted(&world, 0), counted(&world, 1)), (0, 0));
}

#[test]
fn an_lsa_at_max_age_that_nobody_waits_for_is_named_and_removed() {
    let mut world = guarded_pair();
    world.converge();
    world.run_for(Duration::from_secs(10));
    let lsa = super::flooding::opaque(LsaType::OPAQUE_AS, 7, b"text").with_age(MAX_AGE);
    let (key, body) = (lsa.header.key, lsa.parse().unwrap());
    // It gets there without anybody's taking note of it. The timer that looks for such comes just then: the engine is checked after each
    // input, and this is what the check is for.
    let engine = &mut world.engines[1];
    let now = engine.now;
    engine.databases.domain_mut(crate::Domain::As).insert(lsa, body, now);
    engine.removal_timer();
    world.run_for(Duration::from_secs(20));
    let named = |event: &Event| matches!(event, Event::RemovalStalled { key: of } if *of == key);
    assert_eq!(world.events[1].iter().filter(|event| named(event)).count(), 1);
    assert!(world.lsa(1, key).is_none());
    let engine = &world.engines[1];
    assert_eq!(engine.timers.deadline(crate::TimerKey::Removal), None, "nothing is at MaxAge");
}

#[test]
fn without_a_bound_nothing_is_hastened() {
    let mut world = World::new(2, &[(0, 1)]);
    world.deliver = Box::new(|sent| !matches!(sent.body(), PacketBody::LinkStateUpdate(_)));
    world.reconfigure(1, |config| config.externals = externals(3));
    world.run_for(4 * BOUND);
    assert_eq!((world.state(0, 1), counted(&world, 0)), (S::Loading, 0));
}
