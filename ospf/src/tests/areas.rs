//! Kinds of areas: what is let in, who agrees, and what a change of kind disturbs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::world::*;
use crate::wire::{Hello, Lsa, LsaBody, Options, PacketBody, RouterFlags};
use crate::{
    AreaConfig, AreaId, AreaKind, Config, Domain, Event, LsaPlace, LsaRefusal, LsaType, NeighborState as S, NssaConfig,
    Refusal, Summaries, TranslatorRole,
};

const AREA: AreaId = AreaId(1);

fn stub() -> AreaKind {
    AreaKind::Stub { summaries: Summaries::Imported, default_cost: 1 }
}

fn nssa() -> AreaKind {
    AreaKind::Nssa(NssaConfig::default())
}

/// Everything that the router has belongs to area 1, of this kind.
fn live_in(config: &mut Config, kind: AreaKind) {
    config.interfaces.values_mut().for_each(|interface| interface.area = AREA);
    config.loopbacks = BTreeMap::from([(AREA, config.loopbacks.values().flatten().copied().collect::<BTreeSet<_>>())]);
    set_kind(config, kind);
}

fn set_kind(config: &mut Config, kind: AreaKind) {
    config.areas.insert(AREA, AreaConfig { kind, ..AreaConfig::default() });
}

fn pair(kinds: [AreaKind; 2]) -> World {
    World::with(2, &[(0, 1)], |engine, config| live_in(config, kinds[engine].clone()))
}

fn hellos(world: &World, engine: usize) -> impl Iterator<Item = Hello> {
    world.sent.iter().filter(move |sent| sent.from.0 == engine).filter_map(|sent| match sent.body() {
        PacketBody::Hello(hello) => Some(hello),
        _ => None,
    })
}

fn count(world: &World, engine: usize, kind: LsaType) -> usize {
    world.engines[engine].lsdb().filter(|view| view.lsa.header.key.kind == kind).count()
}

#[test]
fn routers_that_disagree_on_the_kind_of_their_area_refuse_each_others_hellos_and_say_why() {
    let cases = [
        (AreaKind::Normal, stub(), Refusal::ExternalCapabilityMismatch),
        (AreaKind::Normal, nssa(), Refusal::ExternalCapabilityMismatch),
        (stub(), nssa(), Refusal::NssaCapabilityMismatch),
    ];
    for (one, other, expected) in cases {
        let mut world = pair([one, other]);
        world.run_for(Duration::from_secs(20));
        for engine in 0..2 {
            assert_eq!(world.engines[engine].neighbors().count(), 0);
            let refused = |event: &Event| matches!(event, Event::PacketRefused { reason, .. } if *reason == expected);
            assert!(world.events[engine].iter().any(refused), "{expected:?}: {:?}", world.events[engine]);
        }
    }
}

#[test]
fn options_say_the_kind_of_the_area() {
    for (kind, hello, lsa) in [
        (AreaKind::Normal, Options::E, Options::E),
        (stub(), Options::default(), Options::default()),
        (nssa(), Options::NP, Options::default()),
    ] {
        let mut world = pair([kind.clone(), kind]);
        world.converge();
        assert!(hellos(&world, 0).all(|packet| packet.options == hello));
        assert_eq!(world.lsa(0, router_key(1)).unwrap().header.options, lsa);
        for packet in &world.sent {
            if let PacketBody::DatabaseDescription(description) = packet.body() {
                assert_eq!(description.options, lsa.with(Options::O), "the N-bit is for hellos only");
            }
        }
    }
}

/// 0 -- 1 in the backbone, 1 -- 2 in area 1.
fn chain(kind: AreaKind) -> World {
    World::with(3, &[(0, 1), (1, 2)], |engine, config| {
        match engine {
            0 => config.externals = externals(2),
            1 => config.interfaces.get_mut(&port(1, 2).1).unwrap().area = AREA,
            _ => live_in(config, kind.clone()),
        }
        set_kind(config, kind.clone());
    })
}

#[test]
fn externals_are_neither_described_nor_flooded_into_a_stub_area_or_an_nssa() {
    for (kind, expected) in [(AreaKind::Normal, 2), (stub(), 0), (nssa(), 0)] {
        let mut world = chain(kind);
        world.run_to(Duration::from_secs(60), World::all_full);
        world.run_for(Duration::from_secs(10));
        assert_eq!(count(&world, 1, LsaType::AS_EXTERNAL), 2);
        assert_eq!(count(&world, 2, LsaType::AS_EXTERNAL), expected, "described");
        world.reconfigure(0, |config| config.externals = externals(4));
        world.run_for(Duration::from_secs(10));
        assert_eq!(count(&world, 1, LsaType::AS_EXTERNAL), 4);
        assert_eq!(count(&world, 2, LsaType::AS_EXTERNAL), 2 * expected, "flooded");
        assert!(world.all_full());
    }
}

#[test]
fn an_external_that_a_neighbor_sends_into_a_stub_area_is_not_taken_and_not_acknowledged() {
    let mut world = pair([stub(), stub()]);
    world.converge();
    world.run_for(Duration::from_secs(5));
    let body = crate::wire::LsaBody::External(crate::wire::ExternalLsa {
        network_mask: [255, 255, 255, 0].into(),
        metric: crate::ExternalMetric::Type2(1),
        forwarding_address: [0, 0, 0, 0].into(),
        route_tag: 0,
    });
    for (kind, reason) in [(LsaType::AS_EXTERNAL, LsaRefusal::ScopeInStubArea), (LsaType::NSSA, LsaRefusal::NssaOnly)] {
        let key = crate::LsaKey { kind, ..external_key(1, [20, 0, 0, 0].into()) };
        let lsa = crate::wire::Lsa::new(key, Options::E, crate::SequenceNumber::INITIAL, &body).unwrap();
        let before = world.sent.len();
        world.inject_in(AREA, port(0, 1), 1, PacketBody::LinkStateUpdate(vec![lsa]));
        world.run_for(Duration::from_millis(500));
        assert!(world.lsa(0, key).is_none());
        let refused = Event::LsaRefused { interface: port(0, 1).1, router_id: router_id(1), key: Some(key), reason };
        assert!(world.events[0].contains(&refused));
        let acknowledged = world.sent[before..].iter().any(|sent| matches!(sent.body(), PacketBody::LinkStateAck(_)));
        assert!(!acknowledged);
    }
}

#[test]
fn a_boundary_router_in_stub_areas_alone_originates_nothing_of_as_scope() {
    let mut world = pair([stub(), stub()]);
    world.converge();
    world.reconfigure(0, |config| config.externals = externals(3));
    world.run_for(Duration::from_secs(10));
    assert_eq!(count(&world, 0, LsaType::AS_EXTERNAL), 0);
    let crate::wire::LsaBody::Router(body) = world.lsa(1, router_key(0)).unwrap().parse().unwrap() else { panic!() };
    assert!(!body.flags.contains(crate::wire::RouterFlags::E), "§A.4.2: never in a stub area");
}

#[test]
fn another_kind_of_area_restarts_its_adjacencies_and_no_others() {
    let mut world = chain(AreaKind::Normal);
    world.run_to(Duration::from_secs(60), World::all_full);
    world.run_for(Duration::from_secs(5));
    assert_eq!(count(&world, 2, LsaType::AS_EXTERNAL), 2);
    let backbone_events = world.neighbor_events(0).len();
    world.reconfigure(1, |config| set_kind(config, stub()));
    assert_eq!(world.state(1, 2), S::Down);
    world.reconfigure(2, |config| set_kind(config, stub()));
    world.run_to(Duration::from_secs(15), World::all_full);
    world.run_for(Duration::from_secs(10));
    assert_eq!(world.neighbor_events(0).len(), backbone_events);
    assert_eq!((count(&world, 1, LsaType::AS_EXTERNAL), count(&world, 2, LsaType::AS_EXTERNAL)), (2, 0));
    assert!(world.lsa(1, router_key(2)).is_some() && world.lsa(2, router_key(1)).is_some());
    assert_eq!(world.lsa(2, router_key(2)).unwrap().header.options, Options::default());
}

/// `ospf-sim sweep`, seeds 73104169 and 73104577: who is still to compare what it wishes originated them again, and nobody acknowledged.
#[test]
fn an_nssa_that_becomes_a_normal_area_has_no_type_7_lsas_any_more() {
    let mut world = pair([nssa(), nssa()]);
    world.converge();
    for engine in 0..2 {
        world.reconfigure(engine, |config| config.externals = externals(3));
        world.engines[engine].set_slices(1);
    }
    world.run_for(Duration::from_secs(10));
    assert_eq!(count(&world, 1, LsaType::NSSA), 6);
    for engine in 0..2 {
        world.reconfigure(engine, |config| set_kind(config, AreaKind::Normal));
    }
    world.run_for(Duration::from_secs(30));
    for engine in 0..2 {
        assert_eq!((count(&world, engine, LsaType::NSSA), count(&world, engine, LsaType::AS_EXTERNAL)), (0, 6));
        assert!(!world.events[engine].iter().any(|event| matches!(event, Event::LsaRefused { .. })));
    }
}

/// `ospf-sim sweep`, seeds 73104556 and 73104636: the invariants of the engine did not hold in between.
#[test]
fn who_has_nssas_alone_from_now_on_originates_nothing_of_as_scope() {
    let mut world = pair([AreaKind::Normal, AreaKind::Normal]);
    world.converge();
    world.reconfigure(0, |config| config.externals = externals(3));
    world.run_for(Duration::from_secs(10));
    for engine in 0..2 {
        world.engines[engine].set_slices(1);
        world.reconfigure(engine, |config| set_kind(config, nssa()));
    }
    world.run_for(Duration::from_secs(30));
    for engine in 0..2 {
        assert_eq!((count(&world, engine, LsaType::NSSA), count(&world, engine, LsaType::AS_EXTERNAL)), (3, 0));
    }
}

/// `ospf-sim sweep`, seed 73110616.
#[test]
fn what_came_early_in_one_area_is_not_taken_into_another() {
    let mut world = World::new(3, &[(0, 1), (0, 2)]);
    world.converge();
    world.run_for(Duration::from_secs(10));
    let known = world.lsa(1, router_key(2)).unwrap();
    let (mut sequence, body) = (known.header.sequence, known.parse().unwrap());
    for _ in 0..2 {
        sequence = sequence.next().unwrap();
        let lsa = Lsa::new(known.header.key, known.header.options, sequence, &body).unwrap();
        world.inject(port(1, 0), 0, PacketBody::LinkStateUpdate(vec![lsa]));
    }
    for (engine, other) in [(0, 1), (1, 0)] {
        world.reconfigure(engine, |config| config.interfaces.get_mut(&port(engine, other).1).unwrap().area = AREA);
    }
    world.run_to(Duration::from_secs(1), |world| world.state(1, 0) == S::Full);
    world.run_for(Duration::from_secs(3));
    let mut in_area = world.engines[1].lsdb().filter(|view| view.domain == Domain::Area(AREA));
    assert!(in_area.all(|view| view.lsa.header.key != router_key(2)), "router 2 is in the backbone");
}

#[test]
fn the_backbone_is_never_a_stub() {
    let mut world = World::with(2, &[(0, 1)], |_, config| {
        config.areas.insert(AreaId::BACKBONE, AreaConfig { kind: stub(), ..AreaConfig::default() });
    });
    world.converge();
    assert!(hellos(&world, 0).all(|packet| packet.options == Options::E));
}

/// Flags of what a router says of itself in one of its areas.
fn flags(world: &World, engine: usize, area: AreaId) -> RouterFlags {
    let views = world.engines[engine].lsdb().filter(|view| view.domain == Domain::Area(area));
    let lsa = views.map(|view| view.lsa).find(|lsa| lsa.header.key == router_key(engine)).unwrap();
    let LsaBody::Router(body) = lsa.parse().unwrap() else { panic!("a Router-LSA has another body") };
    body.flags
}

#[test]
fn who_leaves_its_only_other_area_is_no_border_router_any_more_and_says_so() {
    let mut world = chain(nssa());
    world.run_to(Duration::from_secs(60), World::all_full);
    world.run_for(Duration::from_secs(10));
    assert_eq!(flags(&world, 1, AreaId::BACKBONE), RouterFlags::B.with(RouterFlags::E));
    world.reconfigure(1, |config| {
        config.interfaces.remove(&port(1, 2).1).unwrap();
    });
    world.run_for(Duration::from_secs(10));
    assert_eq!(flags(&world, 1, AreaId::BACKBONE), RouterFlags::default());
}

#[test]
fn who_is_to_translate_always_from_now_on_says_so() {
    let mut world = chain(nssa());
    world.run_to(Duration::from_secs(60), World::all_full);
    world.run_for(Duration::from_secs(10));
    assert!(!flags(&world, 1, AREA).contains(RouterFlags::NT));
    let always = AreaKind::Nssa(NssaConfig { translator: TranslatorRole::Always, ..NssaConfig::default() });
    world.reconfigure(1, |config| set_kind(config, always));
    world.run_for(Duration::from_secs(10));
    assert!(flags(&world, 1, AREA).contains(RouterFlags::NT));
    assert!(world.all_full(), "the routers of the area still agree on its kind");
}

#[test]
fn a_database_that_is_read_in_parts_is_read_whole_though_its_cursor_is_gone() {
    let mut world = World::with(2, &[(0, 1)], |_, config| config.externals = externals(20));
    world.run_for(Duration::from_secs(60));
    let engine = &world.engines[0];
    let whole: Vec<_> = engine.lsdb().collect();
    assert!(whole.len() > 40 && whole.iter().any(|view| view.domain == Domain::As));
    let place = |view: &crate::LsaView| LsaPlace { domain: view.domain, key: view.lsa.header.key };
    for size in [1, 3, 1000] {
        let mut read = Vec::new();
        let mut after = None;
        loop {
            let part: Vec<_> = engine.lsdb_after(after).take(size).collect();
            let Some(last) = part.last() else { break };
            after = Some(place(last));
            read.extend(part);
        }
        assert_eq!(read, whole, "{size} at a time");
    }
    // A place where there is no LSA, and a domain that there is not.
    let mut nowhere = place(&whole[0]);
    nowhere.key.advertising_router.0 += 1;
    assert_eq!(engine.lsdb_after(Some(nowhere)).next().as_ref(), whole.get(1));
    nowhere.domain = Domain::Area(AreaId(u32::MAX));
    assert!(engine.lsdb_after(Some(nowhere)).all(|view| view.domain == Domain::As));
    assert_eq!(engine.lsdb_after(Some(nowhere)).count(), 40);
}
