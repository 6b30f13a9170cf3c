//! Long work in slices: inputs that come between them, what is visible meanwhile, and that the end is the same as without.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::world::*;
use crate::random::Random;
use crate::{
    AreaConfig, AreaId, AreaKind, AreaRange, Config, Domain, Engine, External, ExternalMetric, Input, Instant,
    LinkState, LsaKey, NssaConfig, NssaRange, Output, Prefix, Route, TranslatorRole,
};

/// Networks of the comparison with the engine that is not interrupted.
const NETWORKS: u64 = 40;
/// Changes in each.
const CHANGES: usize = 12;

/// A chain of areas: 0 brings in externals in an NSSA, 1 and 2 are its border routers, 3 is in the backbone, 4 in an area behind it.
fn configure(engine: usize, config: &mut Config) {
    let nssa = AreaId(1);
    let far = AreaId(2);
    let area_of = |other: usize| match (engine, other) {
        (0, _) | (_, 0) => nssa,
        (4, _) | (_, 4) => far,
        _ => AreaId::BACKBONE,
    };
    for other in 0..5 {
        if let Some(interface) = config.interfaces.get_mut(&port(engine, other).1) {
            interface.area = area_of(other);
        }
    }
    let home = match engine {
        0 => nssa,
        4 => far,
        _ => AreaId::BACKBONE,
    };
    config.loopbacks = BTreeMap::from([(home, BTreeSet::from([loopback(engine)]))]);
    if engine < 3 {
        let kind = AreaKind::Nssa(NssaConfig { translator: TranslatorRole::Candidate, ..NssaConfig::default() });
        config.areas.insert(nssa, AreaConfig { kind, ..AreaConfig::default() });
    }
}

const LINKS: [(usize, usize); 6] = [(0, 1), (0, 2), (1, 3), (2, 3), (1, 2), (3, 4)];

fn pick(random: &mut Random, bound: u32) -> u32 {
    random.next_u32() % bound
}

/// Some of these overlap, so that Link State IDs have to be found.
fn some_externals(random: &mut Random) -> BTreeMap<Prefix, External> {
    let mut externals = BTreeMap::new();
    for _ in 0..pick(random, 24) {
        let len = [8, 16, 24, 31, 32][pick(random, 5) as usize];
        let network = Prefix::new((0x1400_0000 | pick(random, 4) << 8 | pick(random, 3)).into(), len);
        let metric = ExternalMetric::Type2(1 + pick(random, 3));
        externals.insert(network, External { metric, forwarding: None, tag: pick(random, 2) });
    }
    externals
}

/// What a random change does to a network: the same whatever the slices.
fn change(world: &mut World, random: &mut Random) {
    let engine = pick(random, 5) as usize;
    match pick(random, 6) {
        0..=2 => {
            let externals = some_externals(random);
            world.reconfigure(engine, |config| config.externals = externals);
        }
        3 => {
            let (a, b) = LINKS[pick(random, LINKS.len() as u32) as usize];
            let state = if pick(random, 2) == 0 { LinkState::Down } else { up(a, port(a, b).1) };
            world.link(a, port(a, b).1, state);
        }
        4 => {
            let border = 1 + pick(random, 2) as usize;
            let is_condensed = pick(random, 2) == 0;
            world.reconfigure(border, |config| {
                let area = config.areas.entry(AreaId(1)).or_default();
                if let AreaKind::Nssa(nssa) = &mut area.kind {
                    let range = NssaRange { advertise: crate::Advertise::Yes, tag: 7 };
                    nssa.ranges.clear();
                    nssa.ranges.extend(is_condensed.then_some((prefix("20.0.1.0/24"), range)));
                }
            });
        }
        _ => {
            let is_condensed = pick(random, 2) == 0;
            world.reconfigure(3, |config| {
                let range = AreaRange { cost: None, advertise: crate::Advertise::Yes };
                let ranges = &mut config.areas.entry(AreaId(2)).or_default().ranges;
                ranges.clear();
                ranges.extend(is_condensed.then_some((prefix("10.255.0.0/24"), range)));
            });
        }
    }
}

/// What a network has come to: of each engine the routes, and what LSAs say, whatever the instance.
type State = Vec<(BTreeMap<Prefix, Route>, BTreeMap<(Domain, LsaKey), bytes::Bytes>)>;

fn state(world: &World) -> State {
    let said = |engine: &Engine| {
        let lsas = engine.lsdb().filter(|view| !view.lsa.header.is_max_age());
        lsas.map(|view| ((view.domain, view.lsa.header.key), view.lsa.body)).collect()
    };
    world.engines.iter().zip(&world.routes).map(|(engine, routes)| (routes.clone(), said(engine))).collect()
}

fn run(seed: u64, slices: Option<usize>) -> State {
    let mut random = Random::new(seed);
    let mut world = World::with(5, &LINKS, configure);
    for engine in &mut world.engines {
        slices.into_iter().for_each(|units| engine.set_slices(units));
    }
    world.run_for(Duration::from_secs(60));
    for _ in 0..CHANGES {
        change(&mut world, &mut random);
        // Some come before the work of the one before is done, or within MinLSInterval of it.
        let pause = [Duration::from_micros(3), Duration::from_millis(20), Duration::from_secs(2)];
        world.run_for(pause[pick(&mut random, 3) as usize]);
    }
    for (a, b) in LINKS {
        world.link(a, port(a, b).1, up(a, port(a, b).1));
    }
    world.run_for(Duration::from_secs(120));
    for engine in &world.engines {
        assert!(!engine.has_backlog(), "seed {seed}: work has an end");
        assert_eq!(engine.calculation.latest, engine.calculate(), "seed {seed}");
    }
    state(&world)
}

#[test]
fn what_slices_come_to_is_what_comes_without() {
    let mut compared = 0;
    for seed in 0..NETWORKS {
        let whole = run(seed, None);
        let units = 1 + seed as usize % 3;
        let sliced = run(seed, Some(units));
        // Which of several Link State IDs overlapping networks have depends on who was there first: routes do not.
        for (engine, (whole, sliced)) in whole.iter().zip(&sliced).enumerate() {
            assert_eq!(whole.0, sliced.0, "routes of {engine}, seed {seed}, {units} units");
            assert_eq!(whole.1.len(), sliced.1.len(), "LSAs of {engine}, seed {seed}, {units} units");
            compared += whole.0.len();
        }
    }
    assert!(compared > 1000, "{compared} routes");
}

/// Two routers, the first with `count` externals, the second just started.
fn pair(count: u32) -> World {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    world.run_for(Duration::from_secs(10));
    world.reconfigure(0, |config| config.externals = externals(count));
    world
}

/// Gives an engine all ticks that are due by `end`; for each what it put out.
fn ticks(engine: &mut Engine, end: Instant) -> Vec<Vec<Output>> {
    let mut outputs = Vec::new();
    while let Some((when, _)) = engine.next_deadline().filter(|&(when, _)| when <= end) {
        engine.handle(when, Input::Tick);
        outputs.push(std::iter::from_fn(|| engine.poll_output()).collect());
    }
    outputs
}

fn route_changes(outputs: &[Output]) -> usize {
    outputs.iter().filter(|output| matches!(output, Output::Route { .. })).count()
}

/// So many routes, or LSAs of this router's own, may be touched by one input.
const MOST: usize = 5000;

#[test]
fn no_input_originates_flushes_or_removes_more_than_a_slice() {
    const COUNT: u32 = 40_000;
    let mut engine = Engine::new(config(0, []), 0, Instant::ZERO);
    let mut now = Instant::new(Duration::from_secs(10));
    ticks(&mut engine, now);
    let valid = |engine: &Engine| engine.lsdb().filter(|view| !view.lsa.header.is_max_age()).count();
    for count in [COUNT, 0, COUNT] {
        let mut before = valid(&engine);
        let config = Config { externals: externals(count), ..config(0, []) };
        engine.handle(now, Input::Configure(config));
        for step in 0.. {
            let present = valid(&engine);
            assert!(present.abs_diff(before) < MOST, "{before} to {present} LSAs in input {step}");
            before = present;
            match engine.next_deadline() {
                Some((when, _)) if when <= now + Duration::from_secs(1) => engine.handle(when, Input::Tick),
                _ => break,
            }
        }
        now = now + Duration::from_secs(60);
        ticks(&mut engine, now);
        assert_eq!(valid(&engine), 1 + count as usize);
    }
}

#[test]
fn no_input_puts_out_more_routes_than_a_slice() {
    const COUNT: u32 = 12_000;
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    world.run_for(Duration::from_secs(10));
    world.reconfigure(0, |config| config.externals = externals(COUNT));
    world.run_for(Duration::from_secs(60));
    let mut engine = world.engines.swap_remove(1);
    assert!(engine.routes().count() > COUNT as usize);
    // All routes go at once, and come back.
    let now = world.now;
    engine.handle(now, Input::Link { interface: port(1, 0).1, state: LinkState::Down });
    let first: Vec<_> = std::iter::from_fn(|| engine.poll_output()).collect();
    let mut steps = vec![route_changes(&first)];
    steps.extend(ticks(&mut engine, now + Duration::from_secs(3)).iter().map(|outputs| route_changes(outputs)));
    assert!(steps.iter().sum::<usize>() >= COUNT as usize, "{steps:?}");
    assert!(steps.iter().all(|&changes| changes < MOST), "{steps:?}");
}

#[test]
fn old_routes_stand_until_the_last_is_calculated_and_packets_come_in_between() {
    let mut world = pair(300);
    world.run_for(Duration::from_secs(30));
    world.engines[1].set_slices(7);
    let before: Vec<_> = world.engines[1].routes().map(|(prefix, route)| (prefix, route.clone())).collect();
    // A dearer link changes the metric of no type 2 external, but its next hop goes with the interface.
    world.input(1, Input::Link { interface: port(1, 0).1, state: LinkState::Down });
    let engine = &mut world.engines[1];
    let (mut standing, mut moving) = (0, 0);
    for _ in 0..10_000 {
        let now: Vec<_> = engine.routes().map(|(prefix, route)| (prefix, route.clone())).collect();
        if now == before {
            standing += 1
        } else {
            moving += 1
        }
        if !engine.has_backlog() {
            break;
        }
        let (when, _) = engine.next_deadline().unwrap();
        // A packet that comes between two slices does no work of the backlog's.
        let (interface, source, payload) = (port(1, 0).1, loopback(0), [2_u8; 24]);
        engine.handle(
            when,
            Input::Packet { interface, source, destination: loopback(1), ttl: 1, payload: (&payload[..]).into() },
        );
        assert_eq!(engine.work_done(), 0);
        engine.handle(when, Input::Tick);
        while let Some(output) = engine.poll_output() {
            if let Output::Route { prefix, route } = output {
                assert_eq!(engine.calculation.latest.table.routes().any(|(known, _)| known == prefix), route.is_some());
            }
        }
    }
    assert!(standing > 40 && moving > 40, "{standing} inputs with the old routes, {moving} while they changed");
    assert_eq!(engine.routes().count(), 0);
}

#[test]
fn the_latest_configuration_wins_over_work_that_is_under_way() {
    for units in [1, 5, 50] {
        let mut world = World::new(2, &[(0, 1)]);
        world.converge();
        world.run_for(Duration::from_secs(10));
        world.engines[0].set_slices(units);
        for count in [200, 0, 150, 90, 120] {
            world.reconfigure(0, |config| config.externals = externals(count));
            world.run_for(Duration::from_micros(40));
        }
        world.run_for(Duration::from_secs(60));
        let known = world.engines[1].routes().filter(|(prefix, _)| prefix.len() == 24).count();
        assert_eq!(known, 120, "{units} units");
        let lsas = world.engines[1].lsdb().filter(|view| view.domain == Domain::As).count();
        assert_eq!(lsas, 120, "{units} units");
    }
}

#[test]
fn work_grows_with_what_there_is_and_not_with_its_square() {
    // Translation of Type-7 LSAs by one of two border routers, of which the other translates, too.
    let work = |count: u32| {
        let mut world = World::with(5, &LINKS, |engine, config| {
            configure(engine, config);
            if engine == 0 {
                config.externals = externals(count);
            }
        });
        world.run_for(Duration::from_secs(60));
        world.work = vec![0; 5];
        world.reconfigure(3, |config| {
            config.loopbacks.entry(AreaId::BACKBONE).or_default().insert([10, 255, 1, 1].into());
        });
        world.run_for(Duration::from_secs(5));
        world.work[1].max(world.work[2])
    };
    let [few, many] = [work(200), work(2000)];
    assert!(few > 400, "each is looked at: {few} units");
    assert!(many < 15 * few, "{few} units, {many} for ten times as many");
}

#[test]
fn another_router_id_counts_at_once_and_what_was_before_is_freed_in_slices() {
    let mut world = pair(2000);
    world.run_for(Duration::from_secs(30));
    world.engines[0].set_slices(100);
    let other = crate::RouterId(0x0c00_0001);
    world.reconfigure(0, |config| config.router_id = other);
    assert_eq!(world.engines[0].router_id(), other);
    assert!(world.engines[0].has_backlog());
    world.run_for(Duration::from_secs(60));
    assert!(!world.engines[0].has_backlog());
    let of_other = |view: &crate::LsaView| view.domain == Domain::As && view.lsa.header.key.advertising_router == other;
    assert_eq!(world.engines[1].lsdb().filter(of_other).count(), 2000);
}
