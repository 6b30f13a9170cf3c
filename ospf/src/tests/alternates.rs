//! Alternates as an engine puts them out: when, and until when. What they are is tested in [`crate::route`], and that those put out are the
//! ones of a full calculation after every input of every test in [`super::world`].

use std::time::Duration;

use super::world::*;
use crate::{Alternates, InterfaceId, LinkState, Prefix, SpfDelay, Unprotected};

/// So long after a change all alternates are known.
const SETTLED: Duration = Duration::from_secs(2);

fn to(engine: usize) -> Prefix {
    Prefix::host(loopback(engine))
}

/// The interface of the alternate of a route with one next hop.
fn alternate(world: &World, engine: usize, destination: Prefix) -> Option<Result<InterfaceId, Unprotected>> {
    let protection = world.protections[engine].get(&destination)?;
    let (_, found) = protection.nexthops.first_key_value()?;
    Some(found.map(|alternate| alternate.nexthop.interface))
}

#[test]
fn a_triangle_protects_all_its_routes_and_a_chain_none() {
    let mut world = World::new(3, &[(0, 1), (1, 2), (0, 2)]);
    world.converge();
    world.run_for(SETTLED);
    assert_eq!(alternate(&world, 0, to(1)), Some(Ok(port(0, 2).1)));
    assert_eq!(alternate(&world, 0, to(2)), Some(Ok(port(0, 1).1)));
    for (engine, other) in [(0, 2), (2, 0)] {
        world.link(engine, port(engine, other).1, LinkState::Down);
    }
    world.run_for(SETTLED);
    assert_eq!(alternate(&world, 0, to(1)), Some(Err(Unprotected::NoOtherNeighbor)));
    assert_eq!(alternate(&world, 1, to(0)), Some(Err(Unprotected::NotLoopFree)));
}

/// While the calculation of routes waits, the alternates are needed that belong to the routes as they are.
#[test]
fn alternates_stay_until_the_routes_are_calculated() {
    let wait = Duration::from_secs(10);
    let mut world = World::with(3, &[(0, 1), (1, 2), (0, 2)], |_, config| {
        config.spf_delay = SpfDelay { initial: wait, short: wait, long: wait, time_to_learn: wait, holddown: wait };
    });
    world.converge();
    world.run_for(4 * wait);
    let by_2 = Some(Ok(port(0, 2).1));
    assert_eq!(alternate(&world, 0, to(1)), by_2);
    world.link(0, port(0, 1).1, LinkState::Down);
    world.run_for(wait / 2);
    assert_eq!(alternate(&world, 0, to(1)), by_2, "its route is still the one over the failed link");
    world.run_for(wait);
    assert_eq!(alternate(&world, 0, to(1)), Some(Err(Unprotected::NoOtherNeighbor)));
}

#[test]
fn alternates_are_switched_off_and_on_while_routes_stay() {
    let mut world = World::new(3, &[(0, 1), (1, 2), (0, 2)]);
    world.converge();
    world.run_for(SETTLED);
    let before = world.protections[0].clone();
    world.reconfigure(0, |config| config.alternates = Alternates::Off);
    assert!(!before.is_empty() && world.protections[0].is_empty());
    world.run_for(SETTLED);
    assert!(world.protections[0].is_empty());
    world.reconfigure(0, |config| config.alternates = Alternates::On);
    world.run_for(SETTLED);
    assert_eq!(world.protections[0], before);
}
