//! Border routers: what areas are told of each other, and what is told on of destinations outside.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use super::world::*;
use crate::wire::{ExternalLsa, LsaBody, Options, RouterFlags};
use crate::{
    Advertise, AreaConfig, AreaId, AreaKind, AreaRange, Config, External, ExternalMetric, InterfaceConfig, InterfaceId,
    LinkState, LsaType, NetworkType, NssaConfig, NssaRange, Prefix, RouteKind, RouterId, Summaries, TranslatorRole,
};

const ONE: AreaId = AreaId(1);
const TWO: AreaId = AreaId(2);

fn set_area(config: &mut Config, interface: (usize, InterfaceId), area: AreaId) {
    config.interfaces.get_mut(&interface.1).unwrap().area = area;
}

fn live_in(config: &mut Config, area: AreaId) {
    config.interfaces.values_mut().for_each(|interface| interface.area = area);
    let addresses: BTreeSet<_> = config.loopbacks.values().flatten().copied().collect();
    config.loopbacks = BTreeMap::from([(area, addresses)]);
}

fn area(config: &mut Config, area: AreaId) -> &mut AreaConfig {
    config.areas.entry(area).or_default()
}

/// 0 -- 1 in the backbone, 1 -- 2 in area 1, which is of this kind: 1 is the border router.
fn chain(kind: AreaKind, mut change: impl FnMut(usize, &mut Config)) -> World {
    let mut world = World::with(3, &[(0, 1), (1, 2)], |engine, config| {
        match engine {
            1 => set_area(config, port(1, 2), ONE),
            2 => live_in(config, ONE),
            _ => {}
        }
        area(config, ONE).kind = kind.clone();
        change(engine, config);
    });
    settle(&mut world);
    world
}

fn settle(world: &mut World) {
    world.run_to(Duration::from_secs(60), World::all_full);
    world.run_for(Duration::from_secs(20));
}

fn route(world: &World, engine: usize, to: &str) -> Option<(RouteKind, u32)> {
    world.routes[engine].get(&prefix(to)).map(|route| (route.kind, route.metric))
}

/// The prefixes that an engine has LSAs of a type for, with their metrics, all originators together.
fn told(world: &World, engine: usize, kind: LsaType) -> BTreeSet<(String, u32)> {
    let lsas = world.engines[engine].lsdb().map(|view| view.lsa);
    let lsas = lsas.filter(|lsa| lsa.header.key.kind == kind && !lsa.header.is_max_age());
    let read = |lsa: crate::wire::Lsa| match lsa.parse().unwrap() {
        LsaBody::Summary(body) if kind == LsaType::SUMMARY_ASBR => (lsa.header.key.id.to_string(), body.metric),
        LsaBody::Summary(body) => (lsa.prefix(body.network_mask).unwrap().to_string(), body.metric),
        LsaBody::External(body) => (lsa.prefix(body.network_mask).unwrap().to_string(), body.metric.value()),
        _ => panic!(),
    };
    lsas.map(read).collect()
}

fn pairs(expected: &[(&str, u32)]) -> BTreeSet<(String, u32)> {
    expected.iter().map(|&(text, metric)| (text.to_owned(), metric)).collect()
}

fn flags(world: &World, engine: usize, of: usize) -> RouterFlags {
    let LsaBody::Router(body) = world.lsa(engine, router_key(of)).unwrap().parse().unwrap() else { panic!() };
    body.flags
}

fn external_lsa(world: &World, engine: usize, kind: LsaType, router: usize) -> (Options, ExternalLsa) {
    let mut lsas = world.engines[engine].lsdb().map(|view| view.lsa);
    let by = |lsa: &crate::wire::Lsa| {
        let key = lsa.header.key;
        key.kind == kind && key.advertising_router == router_id(router) && !lsa.header.is_max_age()
    };
    let lsa = lsas.find(by).expect("an LSA of that type");
    let LsaBody::External(body) = lsa.parse().unwrap() else { panic!() };
    (lsa.header.options, body)
}

#[test]
fn areas_hear_of_each_other_and_of_boundary_routers() {
    let world = chain(AreaKind::Normal, |engine, config| {
        if engine == 0 {
            config.externals = externals(1);
        }
    });
    assert_eq!(route(&world, 0, "10.255.0.3/32"), Some((RouteKind::InterArea, 20)));
    assert_eq!(route(&world, 2, "10.255.0.1/32"), Some((RouteKind::InterArea, 20)));
    assert_eq!(route(&world, 2, "10.255.0.2/32"), Some((RouteKind::InterArea, 10)), "the border router's own address");
    assert_eq!(route(&world, 2, "20.0.0.0/24"), Some((RouteKind::External2, 20)));
    assert!(flags(&world, 2, 1).contains(RouterFlags::B));
    assert!(!flags(&world, 0, 0).contains(RouterFlags::B));
    assert_eq!(told(&world, 2, LsaType::SUMMARY_ASBR), pairs(&[("10.255.0.1", 10)]));
    assert_eq!(told(&world, 0, LsaType::SUMMARY_ASBR), pairs(&[]));
}

#[test]
fn what_cannot_be_reached_any_more_is_flushed() {
    let mut world = chain(AreaKind::Normal, |_, _| {});
    world.cut.extend([port(1, 2), port(2, 1)]);
    world.run_for(DEAD + Duration::from_secs(10));
    assert_eq!(route(&world, 0, "10.255.0.3/32"), None);
    assert_eq!(told(&world, 0, LsaType::SUMMARY_NETWORK), pairs(&[]));
    world.cut.clear();
    settle(&mut world);
    assert_eq!(route(&world, 0, "10.255.0.3/32"), Some((RouteKind::InterArea, 20)));
}

#[test]
fn a_stub_area_is_given_a_default_route_and_a_totally_stubby_one_nothing_else() {
    let stub = |summaries| AreaKind::Stub { summaries, default_cost: 7 };
    let outside = |engine: usize, config: &mut Config| {
        if engine == 0 {
            config.externals = externals(1);
        }
    };
    let world = chain(stub(Summaries::Imported), outside);
    let all = [("0.0.0.0/0", 7), ("10.255.0.1/32", 10), ("10.255.0.2/32", 0)];
    assert_eq!(told(&world, 2, LsaType::SUMMARY_NETWORK), pairs(&all));
    assert_eq!(told(&world, 2, LsaType::SUMMARY_ASBR), pairs(&[]));
    assert_eq!(route(&world, 2, "0.0.0.0/0"), Some((RouteKind::InterArea, 17)));
    assert_eq!(route(&world, 2, "20.0.0.0/24"), None);
    assert_eq!(route(&world, 1, "0.0.0.0/0"), None);
    assert_eq!(route(&world, 0, "10.255.0.3/32"), Some((RouteKind::InterArea, 20)));

    let world = chain(stub(Summaries::DefaultOnly), outside);
    assert_eq!(told(&world, 2, LsaType::SUMMARY_NETWORK), pairs(&[("0.0.0.0/0", 7)]));
    assert_eq!(route(&world, 2, "10.255.0.1/32"), None);
}

/// Router 2 of the chain with two more networks, and router 1 with ranges of area 1.
fn with_ranges(ranges: &[(&str, AreaRange)]) -> World {
    chain(AreaKind::Normal, |engine, config| {
        if engine == 2 {
            let more = [Ipv4Addr::new(10, 7, 1, 1), Ipv4Addr::new(10, 7, 2, 1), Ipv4Addr::new(10, 8, 0, 1)];
            config.loopbacks.get_mut(&ONE).unwrap().extend(more);
            config.interfaces.values_mut().for_each(|interface| interface.cost = 10);
        }
        area(config, ONE).ranges = ranges.iter().map(|&(text, range)| (prefix(text), range)).collect();
    })
}

#[test]
fn a_range_is_told_as_one_and_what_is_not_in_it_is_discarded_here() {
    let world = with_ranges(&[("10.7.0.0/16", AreaRange::default()), ("10.9.0.0/16", AreaRange::default())]);
    let expected = [("10.255.0.3/32", 10), ("10.7.0.0/16", 10), ("10.8.0.1/32", 10)];
    assert_eq!(told(&world, 0, LsaType::SUMMARY_NETWORK), pairs(&expected), "nothing is in 10.9/16");
    let discard = &world.routes[1][&prefix("10.7.0.0/16")];
    assert!(discard.is_discard());
    assert_eq!(discard.kind, RouteKind::InterArea);
    assert_eq!(route(&world, 1, "10.7.1.1/32"), Some((RouteKind::IntraArea, 10)));
    assert!(!world.routes[2].contains_key(&prefix("10.7.0.0/16")), "the area itself does not hear of its range");
}

#[test]
fn a_range_may_have_a_cost_of_its_own_or_be_hidden() {
    let world = with_ranges(&[
        ("10.7.0.0/16", AreaRange { cost: Some(500), ..AreaRange::default() }),
        ("10.8.0.0/16", AreaRange { advertise: Advertise::No, cost: None }),
    ]);
    assert_eq!(told(&world, 0, LsaType::SUMMARY_NETWORK), pairs(&[("10.255.0.3/32", 10), ("10.7.0.0/16", 500)]));
    assert!(!world.routes[1].contains_key(&prefix("10.8.0.0/16")), "nobody sends us anything because of it");
}

#[test]
fn a_range_comes_and_goes_with_its_configuration() {
    let mut world = with_ranges(&[]);
    assert_eq!(told(&world, 0, LsaType::SUMMARY_NETWORK).len(), 4);
    world.reconfigure(1, |config| {
        area(config, ONE).ranges.insert(prefix("10.7.0.0/16"), AreaRange::default());
    });
    world.run_for(Duration::from_secs(10));
    assert_eq!(told(&world, 0, LsaType::SUMMARY_NETWORK).len(), 3);
    assert!(world.all_full());
}

/// 0 -- 1 in the backbone, 1 -- 2 in area 1, 2 -- 3 in area 2, and a virtual link from 1 to 2.
fn virtual_chain() -> World {
    let link = |to: usize| {
        let network = NetworkType::VirtualLink { transit_area: ONE, far_end: router_id(to) };
        InterfaceConfig { network, ..interface_config("virtual") }
    };
    let mut world = World::with(4, &[(0, 1), (1, 2), (2, 3)], |engine, config| match engine {
        1 => {
            set_area(config, port(1, 2), ONE);
            // Links without numbers: the far end is known by an address of its own in the transit area.
            config.loopbacks = BTreeMap::from([(ONE, BTreeSet::from([loopback(1)]))]);
            config.interfaces.insert(InterfaceId(90), link(2));
        }
        2 => {
            set_area(config, port(2, 1), ONE);
            set_area(config, port(2, 3), TWO);
            config.loopbacks = BTreeMap::from([(ONE, BTreeSet::from([loopback(2)]))]);
            config.interfaces.insert(InterfaceId(90), link(1));
        }
        3 => live_in(config, TWO),
        _ => {}
    });
    settle(&mut world);
    world
}

#[test]
fn a_virtual_link_joins_an_area_to_the_backbone_and_goes_with_its_transit_area() {
    let mut world = virtual_chain();
    assert_eq!(route(&world, 3, "10.255.0.1/32"), Some((RouteKind::InterArea, 30)));
    assert_eq!(route(&world, 0, "10.255.0.4/32"), Some((RouteKind::InterArea, 30)));
    assert_eq!(route(&world, 2, "10.255.0.1/32"), Some((RouteKind::IntraArea, 20)), "through the backbone");
    assert!(flags(&world, 3, 2).contains(RouterFlags::B));
    let in_transit = world.engines[1]
        .lsdb()
        .find(|view| view.domain == crate::Domain::Area(ONE) && view.lsa.header.key == router_key(1));
    let LsaBody::Router(body) = in_transit.unwrap().lsa.parse().unwrap() else { panic!() };
    assert!(body.flags.contains(RouterFlags::V));
    world.cut.extend([port(1, 2), port(2, 1)]);
    world.run_for(2 * DEAD + Duration::from_secs(10));
    assert_eq!(route(&world, 0, "10.255.0.4/32"), None);
    world.cut.clear();
    settle(&mut world);
    assert_eq!(route(&world, 0, "10.255.0.4/32"), Some((RouteKind::InterArea, 30)));
}

fn nssa(config: NssaConfig) -> AreaKind {
    AreaKind::Nssa(config)
}

/// The chain with area 1 an NSSA, and router 2 bringing in `externals`.
fn nssa_chain(config: NssaConfig, externals: BTreeMap<Prefix, External>) -> World {
    chain(nssa(config), |engine, config| {
        if engine == 2 {
            config.externals = externals.clone();
        }
    })
}

#[test]
fn an_nssas_externals_are_translated_for_the_rest_of_the_as() {
    let mut world = nssa_chain(NssaConfig::default(), externals(1));
    let (options, lsa) = external_lsa(&world, 1, LsaType::NSSA, 2);
    assert!(options.contains(Options::NP) && !options.contains(Options::E));
    assert_eq!(lsa.forwarding_address, loopback(2), "an address of its own in the NSSA");
    let (options, translated) = external_lsa(&world, 0, LsaType::AS_EXTERNAL, 1);
    assert!(options.contains(Options::E));
    assert_eq!(translated, lsa);
    assert_eq!(route(&world, 0, "20.0.0.0/24"), Some((RouteKind::External2, 20)));
    assert_eq!(route(&world, 1, "20.0.0.0/24"), Some((RouteKind::External2, 20)));
    world.reconfigure(2, |config| config.externals.clear());
    world.run_for(Duration::from_secs(10));
    assert_eq!(route(&world, 0, "20.0.0.0/24"), None);
    assert_eq!(told(&world, 0, LsaType::AS_EXTERNAL), pairs(&[]));
}

#[test]
fn an_nssa_is_given_a_default_route_as_type_7_or_in_place_of_all_summaries() {
    let outside = |summaries| {
        let config = NssaConfig { summaries, default_metric: ExternalMetric::Type2(9), ..NssaConfig::default() };
        chain(nssa(config), |engine, config| {
            if engine == 1 {
                config.externals = externals(1);
            }
        })
    };
    let world = outside(Summaries::Imported);
    assert_eq!(told(&world, 2, LsaType::NSSA), pairs(&[("0.0.0.0/0", 9), ("20.0.0.0/24", 20)]));
    assert_eq!(route(&world, 2, "0.0.0.0/0"), Some((RouteKind::External2, 9)));
    assert_eq!(route(&world, 2, "20.0.0.0/24"), Some((RouteKind::External2, 20)));
    assert!(!external_lsa(&world, 2, LsaType::NSSA, 1).0.contains(Options::NP), "it is an AS-external-LSA elsewhere");
    assert_eq!(told(&world, 0, LsaType::AS_EXTERNAL), pairs(&[("20.0.0.0/24", 20)]), "the default stays inside");

    let world = outside(Summaries::DefaultOnly);
    assert_eq!(told(&world, 2, LsaType::SUMMARY_NETWORK), pairs(&[("0.0.0.0/0", 9)]));
    assert_eq!(told(&world, 2, LsaType::NSSA), pairs(&[("20.0.0.0/24", 20)]));
}

#[test]
fn type_7_ranges_are_translated_as_one_or_not_at_all() {
    let ranges = [
        ("20.0.0.0/16", NssaRange { advertise: Advertise::Yes, tag: 5 }),
        ("21.0.0.0/8", NssaRange { advertise: Advertise::No, tag: 0 }),
    ];
    let ranges = ranges.into_iter().map(|(text, range)| (prefix(text), range)).collect();
    let mut outside = externals(2);
    outside.insert(prefix("21.1.0.0/16"), external());
    outside.insert(prefix("22.1.0.0/16"), External { metric: ExternalMetric::Type1(4), ..external() });
    let world = nssa_chain(NssaConfig { ranges, ..NssaConfig::default() }, outside);
    assert_eq!(told(&world, 0, LsaType::AS_EXTERNAL), pairs(&[("20.0.0.0/16", 21), ("22.1.0.0/16", 4)]));
    let aggregate = world.engines[0].lsdb().find(|view| view.lsa.header.key.id.to_string() == "20.0.0.0").unwrap();
    let LsaBody::External(body) = aggregate.lsa.parse().unwrap() else { panic!() };
    assert_eq!((body.forwarding_address, body.route_tag), (Ipv4Addr::UNSPECIFIED, 5));
    let discards = world.routes[1].iter().filter(|(_, route)| route.is_discard()).map(|(prefix, _)| prefix.to_string());
    assert_eq!(discards.collect::<Vec<_>>(), ["20.0.0.0/16"], "what is not there is not sent back to whoever sent it");
    assert!(!world.routes[1][&prefix("20.0.0.0/24")].is_discard());
    assert!(!world.routes[0][&prefix("20.0.0.0/16")].is_discard());
}

#[test]
fn a_discard_route_goes_with_what_is_translated_and_no_translator_sends_another_what_is_not_there() {
    let range = [(prefix("20.0.0.0/16"), NssaRange::default())];
    let mut world = two_translators_with(|_| TranslatorRole::Always, range.into());
    assert_eq!(translators(&world), [router_id(1), router_id(2)].into());
    for translator in [1, 2] {
        let route = &world.routes[translator][&prefix("20.0.0.0/16")];
        assert!(route.is_discard(), "{translator}: {route:?}");
        assert_eq!(world.routes[translator][&prefix("20.0.0.0/24")].nexthops.len(), 1);
    }
    world.reconfigure(3, |config| config.externals.clear());
    world.run_for(Duration::from_secs(20));
    assert!([0, 1, 2].iter().all(|&engine| !world.routes[engine].contains_key(&prefix("20.0.0.0/16"))));
    // A destination that is the range itself has a way.
    world.reconfigure(3, |config| _ = config.externals.insert(prefix("20.0.0.0/16"), external()));
    world.run_for(Duration::from_secs(20));
    assert!([1, 2].iter().all(|&engine| !world.routes[engine][&prefix("20.0.0.0/16")].is_discard()));
}

#[test]
fn what_a_router_tells_of_as_one_by_itself_is_discarded_there_and_not_sought_elsewhere() {
    let whole = prefix("20.0.0.0/16");
    let mut world = World::with(3, &[(0, 1), (1, 2)], |engine, config| {
        if engine < 2 {
            config.externals = [(whole, external())].into();
            config.aggregates = [whole].into();
        }
    });
    settle(&mut world);
    assert!([0, 1].iter().all(|&engine| world.routes[engine][&whole].is_discard()));
    assert!(!world.routes[2][&whole].is_discard());
    world.reconfigure(0, |config| config.aggregates.clear());
    world.run_for(Duration::from_secs(10));
    assert!(!world.routes[0].get(&whole).is_some_and(crate::Route::is_discard));
}

/// 0 joined to 1 and 2 in the backbone, both joined to 3 in an NSSA with a destination outside.
fn two_translators(role: impl Fn(usize) -> TranslatorRole) -> World {
    two_translators_with(role, BTreeMap::new())
}

fn two_translators_with(role: impl Fn(usize) -> TranslatorRole, ranges: BTreeMap<Prefix, NssaRange>) -> World {
    let mut world = World::with(4, &[(0, 1), (0, 2), (1, 3), (2, 3)], |engine, config| {
        match engine {
            1 | 2 => set_area(config, port(engine, 3), ONE),
            3 => {
                live_in(config, ONE);
                config.externals = externals(1);
            }
            _ => {}
        }
        let ranges = ranges.clone();
        area(config, ONE).kind = nssa(NssaConfig { translator: role(engine), ranges, ..NssaConfig::default() });
    });
    settle(&mut world);
    // The one that translated while it was alone has stopped.
    world.run_for(Duration::from_secs(50));
    world
}

fn translators(world: &World) -> BTreeSet<RouterId> {
    let lsas = world.engines[0].lsdb().map(|view| view.lsa.header);
    let translated = lsas.filter(|header| header.key.kind == LsaType::AS_EXTERNAL && !header.is_max_age());
    translated.map(|header| header.key.advertising_router).collect()
}

#[test]
fn of_two_border_routers_the_one_with_the_higher_id_translates_and_the_other_when_it_is_gone() {
    let mut world = two_translators(|_| TranslatorRole::Candidate);
    assert_eq!(translators(&world), [router_id(2)].into());
    world.cut.extend([port(2, 3), port(3, 2)]);
    world.run_for(DEAD + Duration::from_secs(10));
    assert_eq!(translators(&world), [router_id(1)].into());
    assert_eq!(route(&world, 0, "20.0.0.0/24"), Some((RouteKind::External2, 20)));
    world.cut.clear();
    world.run_to(Duration::from_secs(30), World::all_full);
    world.run_for(Duration::from_secs(5));
    assert!(translators(&world).contains(&router_id(2)));
    world.run_for(Duration::from_secs(60));
    assert_eq!(translators(&world), [router_id(2)].into(), "TranslatorStabilityInterval is over");
}

#[test]
fn a_router_that_always_translates_says_so_and_is_not_outvoted() {
    let always = |engine| if engine == 1 { TranslatorRole::Always } else { TranslatorRole::Candidate };
    let world = two_translators(always);
    assert_eq!(translators(&world), [router_id(1)].into());
    assert!(flags(&world, 3, 1).contains(RouterFlags::NT));
}

/// `ospf-sim sweep`, seed 73110231.
#[test]
fn a_translation_that_was_flooded_before_this_router_lost_the_backbone_is_not_relied_on() {
    let mut world = two_translators(|_| TranslatorRole::Always);
    assert_eq!(translators(&world), [router_id(2)].into());
    for (engine, other) in [(0, 1), (1, 0)] {
        world.link(engine, port(engine, other).1, LinkState::Down);
    }
    world.run_for(Duration::from_secs(10));
    let translated = |by| world.lsa(1, external_key(by, Ipv4Addr::new(20, 0, 0, 0)));
    assert!(translated(2).is_some(), "it stays until it is old");
    assert!(translated(1).is_some(), "router 2 may have withdrawn its own long ago");
}

#[test]
fn another_router_id_leaves_nothing_of_the_old_one_behind() {
    let mut world = chain(AreaKind::Normal, |engine, config| {
        if engine == 1 {
            config.externals = externals(2);
        }
    });
    world.reconfigure(1, |config| config.router_id = RouterId(u32::from(loopback(8))));
    world.run_for(Duration::from_secs(1));
    let old = router_id(1);
    for engine in [0, 2] {
        let left = world.engines[engine].lsdb().filter(|view| view.lsa.header.key.advertising_router == old);
        assert_eq!(left.filter(|view| !view.lsa.header.is_max_age()).count(), 0);
    }
    settle(&mut world);
    assert_eq!(route(&world, 0, "10.255.0.3/32"), Some((RouteKind::InterArea, 20)));
}
