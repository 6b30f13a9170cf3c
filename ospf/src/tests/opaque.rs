//! Opaque LSAs (RFC 5250) for the driver: originated, watched, and believed only while their originator can be reached.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use super::world::*;
use crate::wire::{LsaBody, RouterFlags};
use crate::{
    AreaConfig, AreaId, AreaKind, Domain, Event, Input, InterfaceId, LinkState, LinkStateId, LsaKey, LsaType,
    MAX_OPAQUE_LSAS, MAX_OPAQUE_OCTETS, NeighborState as S, OpaqueRefusal, Summaries,
};

/// A private use type.
const TYPE: u8 = 250;

fn opaque_key(kind: LsaType, id: u32, engine: usize) -> LsaKey {
    LsaKey { kind, id: LinkStateId(u32::from(TYPE) << 24 | id), advertising_router: router_id(engine) }
}

fn say(world: &mut World, engine: usize, scope: Domain, opaque_id: u32, body: Option<&'static [u8]>) {
    let body = body.map(Bytes::from_static);
    world.input(engine, Input::Opaque { scope, opaque_type: TYPE, opaque_id, body });
}

/// Engines in a row, all watching; everything has settled.
fn row(count: usize) -> World {
    let links: Vec<_> = (1..count).map(|engine| (engine - 1, engine)).collect();
    let mut world = World::with(count, &links, |_, config| config.watched_opaque = BTreeSet::from([TYPE]));
    world.converge();
    world.run_for(Duration::from_secs(20));
    world
}

fn told(world: &World, engine: usize) -> Vec<(Domain, LinkStateId, &[u8])> {
    world.opaques[engine].iter().map(|(place, body)| (place.domain, place.key.id, &body[..])).collect()
}

const AREA: Domain = Domain::Area(AreaId::BACKBONE);

#[test]
fn opaque_lsas_are_originated_changed_and_withdrawn_and_told_to_who_watches_them() {
    let mut world = row(3);
    let id = LinkStateId(u32::from(TYPE) << 24 | 7);
    say(&mut world, 0, AREA, 7, Some(b"one!"));
    world.run_for(Duration::from_secs(2));
    let domain = Domain::Area(AreaId::BACKBONE);
    assert_eq!(told(&world, 2), [(domain, id, &b"one!"[..])]);
    assert_eq!(told(&world, 0), [], "our own are no news to us");
    say(&mut world, 0, AREA, 7, Some(b"other"));
    world.run_for(Duration::from_secs(6));
    assert_eq!(told(&world, 2), [(domain, id, &b"other\0\0\0"[..])], "padded to 32 bits");
    world.run_for(crate::wire::LS_REFRESH_TIME);
    assert_eq!(world.opaque_changes[2], 2, "a refresh is no news");
    say(&mut world, 0, AREA, 7, None);
    world.run_for(Duration::from_secs(6));
    assert_eq!(told(&world, 2), []);
    assert!(world.lsa(2, opaque_key(LsaType::OPAQUE_AREA, 7, 0)).is_none() && world.agree());
}

#[test]
fn each_scope_reaches_as_far_as_it_goes() {
    let mut world = row(3);
    say(&mut world, 0, Domain::Link(port(0, 1).1), 1, Some(b"link"));
    say(&mut world, 0, AREA, 2, Some(b"area"));
    say(&mut world, 0, Domain::As, 3, Some(b"asys"));
    world.run_for(Duration::from_secs(2));
    let ids = |world: &World, engine| told(world, engine).iter().map(|(_, id, _)| id.0 & 0xff).collect::<BTreeSet<_>>();
    assert_eq!((ids(&world, 1), ids(&world, 2)), ([1, 2, 3].into(), [2, 3].into()));
    // RFC 5250 §6: the way to who says something to the whole AS is known in all of it.
    let flags = |world: &World| match world.lsa(2, router_key(0)).unwrap().parse().unwrap() {
        LsaBody::Router(body) => body.flags,
        other => panic!("{other:?}"),
    };
    assert!(flags(&world).contains(RouterFlags::E));
    say(&mut world, 0, Domain::As, 3, None);
    world.run_for(Duration::from_secs(6));
    assert!(!flags(&world).contains(RouterFlags::E));
}

#[test]
fn what_is_not_watched_is_not_told_until_it_is() {
    let mut world = row(2);
    world.reconfigure(1, |config| config.watched_opaque = BTreeSet::from([TYPE - 1]));
    say(&mut world, 0, AREA, 1, Some(b"what"));
    world.run_for(Duration::from_secs(2));
    assert_eq!(told(&world, 1), []);
    world.reconfigure(1, |config| config.watched_opaque = BTreeSet::from([TYPE]));
    assert_eq!(told(&world, 1).len(), 1);
    world.reconfigure(1, |config| config.watched_opaque.clear());
    assert_eq!(told(&world, 1), []);
}

#[test]
fn an_opaque_lsa_is_withdrawn_while_its_originator_cannot_be_reached() {
    let mut world = row(4);
    say(&mut world, 0, AREA, 1, Some(b"area"));
    say(&mut world, 0, Domain::As, 1, Some(b"asys"));
    world.run_for(Duration::from_secs(2));
    assert_eq!(told(&world, 3).len(), 2);
    world.link(1, port(1, 2).1, LinkState::Down);
    world.link(2, port(2, 1).1, LinkState::Down);
    world.run_for(Duration::from_secs(6));
    assert!(world.lsa(3, opaque_key(LsaType::OPAQUE_AREA, 1, 0)).is_some(), "it is still in the database");
    assert_eq!(told(&world, 3), []);
    world.link(1, port(1, 2).1, up(1, port(1, 2).1));
    world.link(2, port(2, 1).1, up(2, port(2, 1).1));
    world.run_for(Duration::from_secs(12));
    assert_eq!(told(&world, 3).len(), 2);
}

#[test]
fn a_link_scope_lsa_goes_with_the_link_and_comes_back_with_it() {
    let mut world = row(2);
    say(&mut world, 0, Domain::Link(port(0, 1).1), 1, Some(b"link"));
    world.run_for(Duration::from_secs(2));
    assert_eq!(told(&world, 1).len(), 1);
    for engine in 0..2 {
        let id = port(engine, 1 - engine).1;
        world.link(engine, id, LinkState::Down);
    }
    assert_eq!(told(&world, 1), []);
    assert!(world.lsa(0, opaque_key(LsaType::OPAQUE_LINK, 1, 0)).is_none());
    for engine in 0..2 {
        let id = port(engine, 1 - engine).1;
        world.link(engine, id, up(engine, id));
    }
    world.run_for(Duration::from_secs(2));
    assert_eq!(told(&world, 1).len(), 1);
    // An area number that changes restarts the interface.
    for engine in 0..2 {
        world.reconfigure(engine, |config| config.interfaces.values_mut().for_each(|found| found.area = AreaId(5)));
    }
    world.run_for(Duration::from_secs(12));
    assert_eq!((world.state(0, 1), told(&world, 1).len()), (S::Full, 1));
}

#[test]
fn what_comes_before_its_interface_or_area_waits_for_it_and_a_new_router_id_says_it_anew() {
    let mut world = World::with(2, &[], |_, config| config.watched_opaque = BTreeSet::from([TYPE]));
    say(&mut world, 0, Domain::Link(InterfaceId(2)), 1, Some(b"link"));
    say(&mut world, 0, Domain::Area(AreaId(9)), 1, Some(b"area"));
    world.run_for(Duration::from_secs(5));
    let opaque = |world: &World| world.engines[0].lsdb().filter(|view| view.lsa.header.key.kind.is_opaque()).count();
    assert_eq!(opaque(&world), 0);
    world.reconfigure(0, |config| {
        let interface = crate::InterfaceConfig { area: AreaId(9), ..interface_config("late") };
        config.interfaces.insert(InterfaceId(2), interface);
    });
    world.link(0, InterfaceId(2), up(0, InterfaceId(2)));
    world.run_for(Duration::from_secs(1));
    assert_eq!(opaque(&world), 2);
    world.reconfigure(0, |config| config.router_id = crate::RouterId(1234));
    world.run_for(Duration::from_secs(1));
    assert_eq!(opaque(&world), 2);
}

#[test]
fn an_opaque_lsa_of_as_scope_stays_out_of_stub_areas() {
    let kind = AreaKind::Stub { summaries: Summaries::Imported, default_cost: 1 };
    let mut world = World::with(2, &[(0, 1)], |_, config| {
        config.areas.insert(AreaId(3), AreaConfig { kind: kind.clone(), ..AreaConfig::default() });
        config.interfaces.values_mut().for_each(|interface| interface.area = AreaId(3));
        config.loopbacks.clear();
        config.watched_opaque = BTreeSet::from([TYPE]);
    });
    world.run_for(Duration::from_secs(20));
    say(&mut world, 0, Domain::As, 1, Some(b"asys"));
    say(&mut world, 0, Domain::Area(AreaId(3)), 1, Some(b"area"));
    world.run_for(Duration::from_secs(6));
    assert!(world.lsa(0, opaque_key(LsaType::OPAQUE_AS, 1, 0)).is_none());
    assert_eq!(told(&world, 1).len(), 1);
}

#[test]
fn what_cannot_be_originated_is_refused_by_name_and_nothing_else_suffers() {
    let mut world = row(2);
    let refused = |world: &World| match world.events[0].last() {
        Some(Event::OpaqueNotOriginated { reason, .. }) => Some(reason.name()),
        _ => None,
    };
    let input = |opaque_id, octets| Input::Opaque {
        scope: AREA,
        opaque_type: TYPE,
        opaque_id,
        body: Some(Bytes::from(vec![1; octets])),
    };
    world.input(0, input(1 << 24, 4));
    assert_eq!(refused(&world), Some(OpaqueRefusal::Identifier.name()));
    let (scope, body) = (Domain::Link(port(0, 1).1), Some(Bytes::from_static(b"tlv?")));
    world.input(0, Input::Opaque { scope, opaque_type: 3, opaque_id: 0, body });
    assert_eq!(refused(&world), Some(OpaqueRefusal::Reserved.name()));
    world.input(0, input(1, MAX_OPAQUE_OCTETS + 1));
    assert_eq!(refused(&world), Some(OpaqueRefusal::TooLong.name()));
    for id in 0..=MAX_OPAQUE_LSAS as u32 {
        world.input(0, input(id, 4));
    }
    assert_eq!(refused(&world), Some(OpaqueRefusal::TooMany.name()));
    world.run_for(Duration::from_secs(6));
    assert_eq!(told(&world, 1).len(), MAX_OPAQUE_LSAS);
    world.input(0, input(0, MAX_OPAQUE_OCTETS));
    world.run_for(Duration::from_secs(6));
    assert_eq!(world.opaques[1].values().map(Bytes::len).max(), Some(MAX_OPAQUE_OCTETS), "the present ones may change");
}
