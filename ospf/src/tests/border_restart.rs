//! Graceful restarts of border routers and translators (RFC 3623 §2.3): what they originate after their routes is never missing.

use std::collections::BTreeSet;
use std::time::Duration;

use super::world::*;
use crate::wire::{PacketBody, RestartReason};
use crate::{
    Advertise, Announcement, AreaConfig, AreaId, AreaKind, AreaRange, Config, Event, Input, Instant, InterfaceConfig,
    InterfaceId, LsaType, NetworkType, NssaConfig, Prefix, RestartExit, Restarting, Summaries,
};

const ONE: AreaId = AreaId(1);
const TWO: AreaId = AreaId(2);
const GRACE: Duration = Duration::from_secs(60);

fn live_in(config: &mut Config, area: AreaId) {
    config.interfaces.values_mut().for_each(|interface| interface.area = area);
    let addresses: BTreeSet<_> = config.loopbacks.values().flatten().copied().collect();
    config.loopbacks = [(area, addresses)].into();
}

fn put_in(config: &mut Config, interface: (usize, InterfaceId), area: AreaId) {
    config.interfaces.get_mut(&interface.1).unwrap().area = area;
}

/// 0 -- 1 in the backbone, 1 -- 2 in area 1, which is of this kind. 0 and 2 bring something in where they may.
fn chain(kind: &AreaKind) -> World {
    let mut world = World::with(3, &[(0, 1), (1, 2)], |engine, config| {
        match engine {
            0 => config.externals = externals(2),
            1 => put_in(config, port(1, 2), ONE),
            _ => {
                live_in(config, ONE);
                if !matches!(kind, AreaKind::Stub { .. }) {
                    config.externals = [(prefix("21.0.0.0/24"), external())].into();
                }
            }
        }
        config.areas.insert(ONE, AreaConfig { kind: kind.clone(), ..AreaConfig::default() });
    });
    settle(&mut world);
    world
}

fn settle(world: &mut World) {
    world.run_to(Duration::from_secs(120), World::all_full);
    world.run_for(Duration::from_secs(30));
}

/// Restarts an engine, planned or not: the others lose no route.
fn restart(world: &mut World, engine: usize, announcement: Announcement) {
    let others: Vec<usize> = (0..world.engines.len()).filter(|&other| other != engine).collect();
    let before: Vec<BTreeSet<Prefix>> =
        others.iter().map(|&other| world.routes[other].keys().copied().collect()).collect();
    let whole = |world: &World| {
        for (&other, before) in others.iter().zip(&before) {
            let missing: Vec<_> = before.iter().filter(|prefix| !world.routes[other].contains_key(prefix)).collect();
            assert!(missing.is_empty(), "{other} has lost {missing:?} at {:?}", world.now);
        }
    };
    if announcement == Announcement::Made {
        let reason = RestartReason::SoftwareRestart;
        world.input(engine, Input::PrepareRestart { grace_period: GRACE, reason });
        world.run_to(Duration::from_secs(4), |world| {
            whole(world);
            world.engines[engine].is_stopped()
        });
    }
    let config = &mut world.engines[engine].config;
    config.restarting = Some(Restarting { grace_period: GRACE, announcement });
    config.boot += 1;
    let begin = world.now;
    world.restart(engine, 99);
    world.run_to(GRACE, |world| {
        whole(world);
        world.now.saturating_since(begin) >= GRACE - HELLO
    });
    let exits = world.events[engine].iter().filter_map(|event| match event {
        Event::RestartEnded { cause } => Some(*cause),
        _ => None,
    });
    assert_eq!(exits.collect::<Vec<_>>(), [RestartExit::Completed]);
}

/// LSAs that follow from routes and were flushed by an engine since then.
fn flushed(world: &World, engine: usize, since: Instant) -> BTreeSet<(LsaType, String)> {
    let lsas = world.sent_by(engine, since).filter_map(|sent| match sent.body() {
        PacketBody::LinkStateUpdate(lsas) => Some(lsas),
        _ => None,
    });
    let flushed = lsas.flatten().filter(|lsa| lsa.header.is_max_age() && lsa.header.key.kind.describes_topology());
    flushed.map(|lsa| (lsa.header.key.kind, lsa.header.key.id.to_string())).collect()
}

#[test]
fn a_border_router_or_translator_that_restarts_withdraws_nothing_that_it_originates_again() {
    let kinds = [
        AreaKind::Normal,
        AreaKind::Stub { summaries: Summaries::Imported, default_cost: 1 },
        AreaKind::Stub { summaries: Summaries::DefaultOnly, default_cost: 1 },
        AreaKind::Nssa(NssaConfig::default()),
        AreaKind::Nssa(NssaConfig { summaries: Summaries::DefaultOnly, ..NssaConfig::default() }),
    ];
    for kind in kinds {
        for announcement in [Announcement::Made, Announcement::Due(RestartReason::Unknown)] {
            let mut world = chain(&kind);
            assert!(!world.routes[2].is_empty() && !world.routes[0].is_empty(), "there is something to lose");
            let since = world.now;
            restart(&mut world, 1, announcement);
            assert_eq!(flushed(&world, 1, since), BTreeSet::new(), "{kind:?}, {announcement:?}");
        }
    }
}

#[test]
fn a_border_router_whose_backbone_is_a_virtual_link_restarts_unnoticed() {
    // 0 -- 1 in the backbone, 1 -- 2 in area 1, 2 -- 3 in area 2; 1 and 2 have a virtual link through area 1.
    let link = |to| InterfaceConfig {
        hello_interval: HELLO,
        dead_interval: DEAD,
        ..InterfaceConfig::new(
            "vl",
            AreaId::BACKBONE,
            NetworkType::VirtualLink { transit_area: ONE, far_end: router_id(to) },
        )
    };
    for restarting in [1, 2] {
        let mut world = World::with(4, &[(0, 1), (1, 2), (2, 3)], |engine, config| match engine {
            1 => {
                put_in(config, port(1, 2), ONE);
                config.loopbacks = [(ONE, BTreeSet::from([loopback(1)]))].into();
                config.interfaces.insert(InterfaceId(90), link(2));
            }
            2 => {
                put_in(config, port(2, 1), ONE);
                put_in(config, port(2, 3), TWO);
                config.loopbacks = [(ONE, BTreeSet::from([loopback(2)]))].into();
                config.interfaces.insert(InterfaceId(90), link(1));
            }
            3 => live_in(config, TWO),
            _ => {}
        });
        settle(&mut world);
        assert!(world.routes[0].contains_key(&prefix("10.255.0.4/32")));
        let since = world.now;
        restart(&mut world, restarting, Announcement::Made);
        assert_eq!(flushed(&world, restarting, since), BTreeSet::new(), "{restarting}");
    }
}

#[test]
fn summaries_that_are_not_valid_any_more_after_a_restart_are_flushed_when_their_successors_are_there() {
    let mut world = chain(&AreaKind::Normal);
    let (host, range) = (prefix("10.255.0.3/32"), prefix("10.255.0.2/31"));
    assert!(world.routes[0].contains_key(&host));
    let since = world.now;
    // The host route of router 2 is to become a part of a range.
    let reason = RestartReason::SoftwareRestart;
    world.input(1, Input::PrepareRestart { grace_period: GRACE, reason });
    world.run_to(Duration::from_secs(4), |world| world.engines[1].is_stopped());
    let config = &mut world.engines[1].config;
    config.restarting = Some(Restarting { grace_period: GRACE, announcement: Announcement::Made });
    config.boot += 1;
    config.areas.entry(ONE).or_default().ranges = [(range, AreaRange { advertise: Advertise::Yes, cost: None })].into();
    world.restart(1, 99);
    world.run_to(GRACE, |world| {
        let routes = &world.routes[0];
        assert!(routes.contains_key(&host) || routes.contains_key(&range), "at {:?}", world.now);
        !routes.contains_key(&host)
    });
    world.run_for(HELLO);
    assert!(world.routes[0].contains_key(&range));
    assert!(flushed(&world, 1, since).contains(&(LsaType::SUMMARY_NETWORK, "10.255.0.3".to_owned())));
}
