//! Paths that a test below OSPF finds down (RFC 5882, RFC 9355): what they take down, and what they hold.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::world::*;
use crate::wire::RestartReason;
use crate::{Event, HelperExit, Input, InterfaceId, NeighborState as S, PathState};

const DOWN: PathState = PathState::Down { shares_fate: false };
/// Less than a hello takes to come.
const MOMENT: Duration = Duration::from_millis(100);

fn path(world: &mut World, engine: usize, interface: InterfaceId, neighbor: Ipv4Addr, state: PathState) {
    world.input(engine, Input::Path { interface, neighbor, state });
}

/// The path of a link's one end to the other.
fn towards(world: &mut World, (engine, other): (usize, usize), state: PathState) {
    path(world, engine, port(engine, other).1, loopback(other), state);
}

fn both(world: &mut World, state: PathState) {
    towards(world, (0, 1), state);
    towards(world, (1, 0), state);
}

/// What the engine has said of neighbours that it holds.
fn held(world: &World, engine: usize) -> Vec<bool> {
    let step = |event: &Event| match event {
        Event::NeighborHeld { is_overruled, .. } => Some(*is_overruled),
        _ => None,
    };
    world.events[engine].iter().filter_map(step).collect()
}

fn pair() -> World {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    world.run_for(2 * DEAD);
    both(&mut world, PathState::Up);
    world
}

#[test]
fn a_path_that_goes_down_takes_its_neighbor_down_at_once_and_traffic_goes_another_way() {
    let mut world = World::new(3, &[(0, 1), (1, 2), (2, 0)]);
    world.converge();
    world.run_for(DEAD);
    let way = |world: &World, to: usize| -> Vec<_> {
        let route = &world.routes[0][&prefix(&format!("{}/32", loopback(to)))];
        route.nexthops.iter().map(|hop| hop.interface).collect()
    };
    assert_eq!(way(&world, 1), [port(0, 1).1]);
    both(&mut world, DOWN);
    let causes: Vec<_> = world.neighbor_events(0).into_iter().filter(|(_, to, _)| *to == S::Down).collect();
    assert_eq!(causes, [(S::Full, S::Down, "LLDown")]);
    world.run_for(MOMENT);
    assert_eq!(way(&world, 1), [port(0, 2).1]);
    assert!(world.all_full() || world.state(0, 2) == S::Full);

    world.run_for(2 * DEAD);
    assert_eq!((world.state(0, 1), world.state(1, 0)), (S::Init, S::Init), "hellos pass, but no adjacency forms");
    assert_eq!((held(&world, 0), held(&world, 1)), (vec![false], vec![false]), "said once");
    both(&mut world, PathState::Up);
    world.run_for(MOMENT);
    assert_eq!((world.state(0, 1), world.state(1, 0)), (S::Full, S::Full), "without waiting for a hello");
    world.run_for(DEAD);
    assert_eq!(way(&world, 1), [port(0, 1).1]);
    assert!(world.agree());
}

/// Only one end knows: the other one sees its neighbour's hellos, and describes its database in vain.
#[test]
fn one_end_that_holds_its_neighbor_is_enough() {
    let mut world = pair();
    towards(&mut world, (0, 1), DOWN);
    world.run_for(HELLO);
    for _ in 0..20 {
        world.run_for(DEAD / 8);
        assert!(world.state(0, 1) <= S::Init && world.state(1, 0) <= S::ExStart);
    }
    // The test is ended, by one of both operators.
    towards(&mut world, (0, 1), PathState::Untested);
    world.run_for(Duration::from_secs(5));
    assert!(world.all_full());
}

#[test]
fn a_path_that_is_down_before_anybody_is_heard_holds_whoever_comes() {
    let mut world = World::with(2, &[(0, 1)], |_, _| {});
    both(&mut world, DOWN);
    world.run_for(2 * DEAD);
    assert_eq!((world.state(0, 1), world.state(1, 0)), (S::Init, S::Init));
    // Others, and interfaces that are not there, are not concerned.
    path(&mut world, 0, port(0, 1).1, Ipv4Addr::new(192, 0, 2, 1), PathState::Up);
    path(&mut world, 0, InterfaceId(99), loopback(1), PathState::Up);
    world.run_for(DEAD);
    assert_eq!(world.state(0, 1), S::Init);
    both(&mut world, PathState::Up);
    world.run_for(MOMENT);
    assert!(world.all_full());
}

#[test]
fn hellos_without_a_gap_of_four_dead_intervals_overrule_the_test() {
    let mut world = pair();
    both(&mut world, DOWN);
    // A gap begins the time anew.
    world.run_for(3 * DEAD);
    world.cut.extend([port(0, 1), port(1, 0)]);
    world.run_for(DEAD + HELLO);
    world.cut.clear();
    world.run_for(4 * DEAD - HELLO);
    assert!(!world.all_full());
    world.run_for(3 * HELLO);
    assert!(world.all_full());
    assert_eq!(held(&world, 0), [false, false, true]);
    world.run_for(10 * DEAD);
    assert!(world.all_full(), "for good");
    // What the test says next counts again.
    both(&mut world, PathState::Up);
    world.run_for(DEAD);
    assert!(world.all_full());
    both(&mut world, DOWN);
    world.run_for(DEAD);
    assert_eq!((world.state(0, 1), world.state(1, 0)), (S::Init, S::Init));
}

#[test]
fn a_neighbor_that_restarts_is_not_taken_down_by_a_test_that_ends_with_it() {
    for (shares_fate, is_kept) in [(true, true), (false, false)] {
        let mut world = pair();
        let reason = RestartReason::SoftwareRestart;
        world.input(1, Input::PrepareRestart { grace_period: Duration::from_secs(60), reason });
        world.run_for(Duration::from_secs(2));
        assert!(world.engines[0].neighbors().any(|neighbor| neighbor.helped_for.is_some()));
        towards(&mut world, (0, 1), PathState::Down { shares_fate });
        assert_eq!(world.state(0, 1) == S::Full, is_kept, "{shares_fate}");
        let exits =
            world.events[0].iter().filter(|event| matches!(event, Event::HelperEnded { cause: HelperExit::Down, .. }));
        assert_eq!(exits.count(), usize::from(!is_kept));
    }
}

#[test]
fn on_a_lan_the_one_neighbor_goes_whose_path_is_down_and_another_is_elected_in_its_place() {
    let mut world = World::lan(3, |_, _| {});
    world.settle();
    let (Some(dr), Some(backup)) = world.designated(0, LAN) else { panic!("none is elected") };
    let other = (0..3).find(|engine| ![dr, backup].contains(engine)).unwrap();
    // Neither of the others has a path to the designated router.
    for engine in [backup, other] {
        path(&mut world, engine, LAN, lan_address(0, dr), DOWN);
    }
    world.run_for(MOMENT);
    assert_eq!(world.lan_state(backup, LAN, other), S::Full);
    assert!(world.lan_state(backup, LAN, dr) <= S::Init && world.lan_state(other, LAN, dr) <= S::Init);
    assert_eq!(world.designated(other, LAN).0, Some(backup));
    for engine in [backup, other] {
        path(&mut world, engine, LAN, lan_address(0, dr), PathState::Up);
    }
    world.run_to(4 * DEAD, |world| world.settled(LAN));
    assert!(world.agree());
}
