//! Stub routers (RFC 6987): traffic goes around them where there is a way around.

use std::time::Duration;

use super::world::*;
use crate::wire::{LsaBody, RouterLinkKind};
use crate::{Config, Event, Input, InterfaceId, StubRouter, StubRouterState};

fn triangle(of_router_1: StubRouter) -> World {
    World::dear_past_1(|config| config.stub_router = of_router_1)
}

/// Where router 0 sends what is for router 2.
fn way_to_2(world: &World) -> InterfaceId {
    let route = &world.routes[0][&prefix("10.255.0.3/32")];
    route.nexthops.first().unwrap().interface
}

fn states(world: &World, engine: usize) -> Vec<StubRouterState> {
    let state = |event: &Event| match event {
        Event::StubRouter { state } => Some(*state),
        _ => None,
    };
    world.events[engine].iter().filter_map(state).collect()
}

fn set(stub_router: StubRouter) -> impl FnOnce(&mut Config) {
    move |config| config.stub_router = stub_router
}

#[test]
fn traffic_goes_around_a_stub_router_but_reaches_its_own_networks() {
    let mut world = triangle(StubRouter::Always);
    world.converge();
    world.run_for(Duration::from_secs(20));
    assert_eq!(way_to_2(&world), port(0, 2).1);
    let own = &world.routes[0][&prefix("10.255.0.2/32")];
    assert_eq!((own.nexthops.first().unwrap().interface, own.metric), (port(0, 1).1, 10));
    let LsaBody::Router(body) = world.lsa(0, router_key(1)).unwrap().parse().unwrap() else { panic!() };
    let metrics: Vec<_> = body.links.iter().map(|link| (link.kind, link.metric)).collect();
    let max = (RouterLinkKind::PointToPoint, 0xffff);
    assert_eq!(metrics, [max, max, (RouterLinkKind::Stub, 0)]);
    assert_eq!(states(&world, 1), [StubRouterState::Stub]);
}

#[test]
fn a_router_that_is_a_stub_router_at_its_start_is_none_when_the_time_is_over() {
    let mut world = triangle(StubRouter::AtStart(Duration::from_secs(30)));
    world.run_for(Duration::from_secs(29));
    assert_eq!(way_to_2(&world), port(0, 2).1);
    assert_eq!(world.engines[1].stub_router(), StubRouterState::Stub);
    assert!(world.engines[1].stub_router_left().is_some_and(|left| left <= Duration::from_secs(10)));
    world.run_for(Duration::from_secs(2));
    assert_eq!(way_to_2(&world), port(0, 1).1);
    assert_eq!(states(&world, 1), [StubRouterState::Stub, StubRouterState::Transit]);
    assert_eq!(world.engines[1].stub_router_left(), None);
    assert!(world.all_full());
}

#[test]
fn the_configuration_makes_a_stub_router_and_ends_it_at_once() {
    let mut world = triangle(StubRouter::AtStart(Duration::from_secs(300)));
    world.run_for(Duration::from_secs(20));
    world.reconfigure(1, set(StubRouter::Never));
    world.run_for(Duration::from_secs(1));
    assert_eq!(way_to_2(&world), port(0, 1).1);
    // A time after the start that is over does not begin again.
    world.reconfigure(1, set(StubRouter::AtStart(Duration::from_secs(10))));
    assert_eq!(world.engines[1].stub_router(), StubRouterState::Transit);
    // By command, before a planned stop.
    world.run_for(Duration::from_secs(20));
    world.reconfigure(1, set(StubRouter::Always));
    world.run_for(Duration::from_secs(1));
    assert_eq!(way_to_2(&world), port(0, 2).1);
    world.input(1, Input::Shutdown);
    world.run_for(Duration::from_secs(1));
    assert_eq!(way_to_2(&world), port(0, 2).1);
}

#[test]
fn a_stub_router_is_passed_through_where_there_is_no_other_way() {
    let mut world = World::with(3, &[(0, 1), (1, 2)], |engine, config| {
        if engine == 1 {
            config.stub_router = StubRouter::Always;
        }
    });
    world.converge();
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.routes[0][&prefix("10.255.0.3/32")].metric, 10 + 0xffff);
}
