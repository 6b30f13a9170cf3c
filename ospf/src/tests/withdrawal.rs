//! A router that leaves for good: what goes through it loses nothing, what it originated is gone.

use std::time::Duration;

use super::world::*;
use crate::wire::{GraceLsa, RestartReason};
use crate::{Announcement, Event, Input, InterfaceId, NeighborState as S, Restarting, StubRouterState};

/// Router 1, through which traffic goes, brings in a few destinations.
fn triangle() -> World {
    let mut world = World::dear_past_1(|config| config.externals = externals(3));
    world.converge();
    world.run_for(Duration::from_secs(30));
    assert_eq!(way_to_2(&world), Some(port(0, 1).1));
    world
}

/// Where router 0 sends what is for router 2.
fn way_to_2(world: &World) -> Option<InterfaceId> {
    let route = world.routes[0].get(&prefix("10.255.0.3/32"))?;
    Some(route.nexthops.first().unwrap().interface)
}

/// LSAs that another router holds of router 1, but for those at MaxAge.
fn held_of_1(world: &World, holder: usize) -> usize {
    let headers = world.engines[holder].lsdb().map(|view| view.lsa.header);
    headers.filter(|header| header.key.advertising_router == router_id(1) && !header.is_max_age()).count()
}

fn nothing_is_left(world: &World) {
    for other in [0, 2] {
        assert_eq!(held_of_1(world, other), 0, "at {other}");
        assert!(!world.routes[other].contains_key(&prefix("10.255.0.2/32")), "at {other}");
        assert!(!world.routes[other].contains_key(&prefix("20.0.0.0/24")), "at {other}");
    }
}

#[test]
fn traffic_goes_another_way_before_a_leaving_router_flushes_its_lsas_and_says_goodbye() {
    let mut world = triangle();
    let held = held_of_1(&world, 0);
    assert!(held >= 4, "a Router-LSA and three externals");
    world.input(1, Input::Withdraw);
    let mut around = None;
    let took = world.run_to(Duration::from_secs(3), |world| {
        let way = way_to_2(world).expect("there is always a way");
        if way == port(0, 2).1 {
            around.get_or_insert(world.now);
        } else {
            assert_eq!(held_of_1(world, 0), held, "nothing is flushed while traffic comes");
        }
        world.engines[1].is_stopped()
    });
    let drained = world.now.saturating_since(around.expect("traffic went another way"));
    assert!(drained >= Duration::from_millis(900), "{drained:?}");
    assert!(took < Duration::from_millis(1500), "{took:?}");
    assert!(world.events[1].contains(&Event::StubRouter { state: StubRouterState::Stub }));
    world.run_for(Duration::from_secs(1));
    nothing_is_left(&world);
    assert_eq!(way_to_2(&world), Some(port(0, 2).1));
    assert_eq!(world.engines[1].next_deadline(), None);
}

#[test]
fn a_router_whose_neighbors_do_not_acknowledge_leaves_in_time() {
    let mut world = triangle();
    world.cut.extend([port(0, 1), port(2, 1)]);
    world.input(1, Input::Withdraw);
    let took = world.run_to(Duration::from_secs(11), |world| world.engines[1].is_stopped());
    assert!(took >= Duration::from_secs(9), "it gave them a chance: {took:?}");
}

#[test]
fn a_router_without_neighbors_leaves_at_once() {
    let mut world = World::new(2, &[(0, 1)]);
    world.cut.extend([port(0, 1), port(1, 0)]);
    world.run_for(Duration::from_secs(20));
    world.input(1, Input::Withdraw);
    assert!(world.engines[1].is_stopped());
}

#[test]
fn a_router_that_nothing_goes_through_does_not_wait_for_traffic_to_go_around_it() {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    world.run_for(Duration::from_secs(30));
    world.input(1, Input::Withdraw);
    let took = world.run_to(Duration::from_secs(1), |world| world.engines[1].is_stopped());
    assert!(took < Duration::from_millis(300), "an acknowledgement is awaited, and nothing else: {took:?}");
    world.run_for(Duration::from_secs(1));
    assert!(held_of_1(&world, 0) == 0 && world.routes[0].is_empty());
}

/// Router 1 has announced a restart, or has crashed, and never comes back: another program withdraws it.
#[test]
fn a_router_that_withdraws_within_its_restart_ends_its_neighbors_help_and_flushes_what_is_left_of_it() {
    for announcement in [Announcement::Made, Announcement::Due(RestartReason::Unknown)] {
        let mut world = triangle();
        let grace_period = Duration::from_secs(120);
        if announcement == Announcement::Made {
            world.input(1, Input::PrepareRestart { grace_period, reason: RestartReason::SoftwareRestart });
            world.run_to(Duration::from_secs(4), |world| world.engines[1].is_stopped());
            world.run_for(Duration::from_secs(2));
        }
        let config = &mut world.engines[1].config;
        // That program does not know what the router brought in.
        config.externals.clear();
        config.restarting = Some(Restarting { grace_period, announcement });
        config.boot += 1;
        world.restart(1, 99);
        world.input(1, Input::Withdraw);
        world.run_to(Duration::from_secs(7), |world| world.engines[1].is_stopped());
        world.run_for(Duration::from_secs(1));
        nothing_is_left(&world);
        for helper in [0, 2] {
            let ended = |event: &Event| matches!(event, Event::HelperEnded { .. });
            assert!(world.events[helper].iter().any(ended), "{announcement:?}: {helper} goes on helping");
            assert!(world.state(helper, 1) < S::TwoWay);
            assert!(
                !world.engines[helper]
                    .lsdb()
                    .any(|view| { GraceLsa::is_key(view.lsa.header.key) && !view.lsa.header.is_max_age() })
            );
        }
    }
}

#[test]
fn a_router_that_nobody_waits_for_withdraws_within_a_restart_of_its_own_that_ends_in_time() {
    let mut world = triangle();
    world.cut.extend([port(0, 1), port(2, 1), port(1, 0), port(1, 2)]);
    world.run_for(2 * DEAD);
    let config = &mut world.engines[1].config;
    config.restarting = Some(Restarting { grace_period: Duration::from_secs(120), announcement: Announcement::Made });
    world.restart(1, 99);
    world.input(1, Input::Withdraw);
    world.run_to(Duration::from_secs(7), |world| world.engines[1].is_stopped());
}

#[test]
fn a_planned_restart_that_is_given_up_is_a_withdrawal() {
    let mut world = triangle();
    world.input(
        1,
        Input::PrepareRestart { grace_period: Duration::from_secs(120), reason: RestartReason::SoftwareRestart },
    );
    world.input(1, Input::Withdraw);
    world.run_to(Duration::from_secs(9), |world| world.engines[1].is_stopped());
    world.run_for(Duration::from_secs(2));
    nothing_is_left(&world);
}

/// Its flushing has to wait for MinLSInterval, and the router does not wait for that.
#[test]
fn an_lsa_that_is_withdrawn_just_before_its_router_leaves_is_flushed() {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    world.run_for(Duration::from_secs(30));
    world.reconfigure(1, |config| config.externals = externals(1));
    world.run_for(Duration::from_millis(300));
    world.reconfigure(1, |config| config.externals.clear());
    world.run_for(Duration::from_millis(300));
    assert!(world.routes[0].contains_key(&prefix("20.0.0.0/24")), "it is not flushed yet");
    world.input(1, Input::Withdraw);
    world.run_to(Duration::from_secs(4), |world| world.engines[1].is_stopped());
    world.run_for(Duration::from_secs(1));
    assert!(held_of_1(&world, 0) == 0 && world.routes[0].is_empty());
}

#[test]
fn many_lsas_are_flushed_in_slices() {
    let mut world = World::with(2, &[(0, 1)], |engine, config| {
        if engine == 1 {
            config.externals = externals(5000);
        }
    });
    world.converge();
    world.run_for(Duration::from_secs(30));
    assert!(held_of_1(&world, 0) > 5000);
    world.input(1, Input::Withdraw);
    world.run_to(Duration::from_secs(3), |world| world.engines[1].is_stopped());
    world.run_for(Duration::from_secs(2));
    assert_eq!(held_of_1(&world, 0), 0);
}
