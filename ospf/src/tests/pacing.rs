//! Adjacencies come up a few at a time, and all of them do.

use std::time::Duration;

use super::world::*;
use crate::exchange::pacing::AT_ONCE;
use crate::wire::PacketBody;
use crate::{Event, NeighborState as S};

/// A hub, engine 0, with so many neighbours.
fn star(leaves: usize) -> World {
    let links: Vec<_> = (1..=leaves).map(|leaf| (0, leaf)).collect();
    World::with(leaves + 1, &links, |_, config| config.externals = externals(10))
}

/// The most neighbours that the hub had in Exchange and Loading at a time.
fn most_at_once(world: &World) -> usize {
    let (mut present, mut most) = (0_usize, 0);
    for (from, to, _) in world.neighbor_events(0) {
        let within = |state| usize::from(matches!(state, S::Exchange | S::Loading));
        present = present + within(to) - within(from);
        most = most.max(present);
    }
    most
}

#[test]
fn a_router_with_many_neighbors_exchanges_databases_with_a_few_at_a_time() {
    let mut world = star(40);
    let took = world.run_to(Duration::from_secs(2), World::all_full);
    assert_eq!(most_at_once(&world), AT_ONCE);
    assert!(took < Duration::from_millis(500), "{took:?}: the next is admitted when one is done");
    let descriptions =
        world.sent.iter().filter(|sent| matches!(sent.body(), PacketBody::DatabaseDescription(_))).count();
    assert!(descriptions < 40 * 8, "{descriptions}: waiting costs nothing");
}

#[test]
fn exchanges_that_do_not_come_forward_do_not_hold_up_the_others() {
    let mut world = star(24);
    // The first that are admitted go silent in the middle of it, while their hellos still come.
    world.deliver = Box::new(|sent| match sent.body() {
        PacketBody::DatabaseDescription(packet) => packet.flags.init || sent.from.0 == 0 || sent.from.0 > AT_ONCE,
        _ => true,
    });
    world.run_for(Duration::from_secs(4));
    let full = world.engines[0].neighbors().filter(|view| view.state == S::Full).count();
    assert_eq!(full, 24 - AT_ONCE);
    world.deliver = Box::new(|_| true);
    world.run_for(Duration::from_secs(12));
    assert!(world.all_full());
}

#[test]
fn a_neighbor_that_goes_while_it_waits_is_forgotten() {
    let mut world = star(30);
    world.run_for(5 * DELAY);
    for leaf in 1..=30 {
        world.link(0, port(0, leaf).1, crate::LinkState::Down);
    }
    assert_eq!(world.engines[0].neighbors().count(), 0);
    let down = |event: &&Event| matches!(event, Event::Neighbor { to: S::Down, .. });
    assert_eq!(world.events[0].iter().filter(down).count(), 30);
    for leaf in 1..=30 {
        world.link(0, port(0, leaf).1, up(0, port(0, leaf).1));
    }
    world.run_for(Duration::from_secs(25));
    assert!(world.all_full());
}

#[test]
fn a_description_that_waits_for_its_turn_is_not_taken_again_after_its_repetition_was() {
    let spokes = AT_ONCE + 1;
    let links: Vec<_> = (1..=spokes).map(|spoke| (0, spoke)).collect();
    let mut world = World::with(spokes + 1, &links, |engine, config| {
        config.externals = if engine == 0 { externals(200) } else { std::collections::BTreeMap::new() };
    });
    // What the hub describes to all but the last is lost for a while: their exchanges take their time.
    world.deliver = Box::new(|sent| match sent.body() {
        PacketBody::DatabaseDescription(packet) => {
            let is_last = sent.from.1.0 as usize == AT_ONCE + 2;
            packet.flags.init || sent.from.0 != 0 || is_last || sent.at > crate::Instant::new(Duration::from_secs(8))
        }
        _ => true,
    });
    while world.engines[0].deferred.is_empty() {
        world.run_for(Duration::from_millis(1));
        assert!(world.now < crate::Instant::new(Duration::from_secs(5)), "somebody has to wait");
    }
    let key = *world.engines[0].deferred.first().unwrap();
    let spoke = key.interface.0 as usize - 1;
    let from_spoke = world.sent_by(spoke, crate::Instant::ZERO);
    let packet = from_spoke.filter(|sent| matches!(sent.body(), PacketBody::DatabaseDescription(_))).last().unwrap();
    let body = packet.body();
    let due = world.engines[0].timers.deadline(crate::TimerKey::Admission).unwrap();
    world.run_for(due.saturating_since(world.now) - Duration::from_nanos(1));
    assert!(world.engines[0].deferred.contains(&key));
    // The repetition is handled before the tick that would take what was kept, which comes a little late.
    world.now = due + Duration::from_millis(2);
    world.inject((0, key.interface), spoke, body);
    assert!(world.engines[0].neighbor(key).unwrap().exchange.deferred.is_none());
    world.run_for(Duration::from_secs(60));
    assert!(world.all_full() && world.agree());
    assert_eq!(world.neighbor_events(spoke).iter().filter(|step| step.1 == S::ExStart).count(), 1);
}
