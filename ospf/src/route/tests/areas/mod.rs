//! Routers in several areas: random databases against a calculation that shares nothing with the engine's.

mod given;
mod oracle;

use std::collections::{BTreeMap, BTreeSet};

use given::Given;
use oracle::Expected;

use crate::ids::{AreaId, Prefix};
use crate::io::RouteKind;
use crate::random::Random;
use crate::route::{Border, calculate};

/// Situations that are looked at; each seed is one.
const SITUATIONS: u64 = 20_000;

/// How often something occurred that the test is there for.
#[derive(Debug, Default)]
struct Seen {
    intra_area: usize,
    inter_area: usize,
    external1: usize,
    external2: usize,
    /// Inter-area paths of a router with neighbours in the backbone, which looks at no other Summary-LSAs (§16.2).
    through_backbone: usize,
    /// Paths of the backbone that lead through a transit area (§16.3).
    improved: usize,
    discarded: usize,
    translatable: usize,
    refused: usize,
    virtual_links: usize,
}

#[test]
fn routes_of_a_router_in_several_areas_are_those_that_the_rfcs_text_gives() {
    let mut seen = Seen::default();
    for seed in 0..SITUATIONS {
        let given = Given::random(&mut Random::new(seed));
        let expected = Expected::of(&given);
        let actual = given.with_inputs(calculate);
        let routes: BTreeMap<Prefix, _> = actual.table.routes().collect();
        assert_eq!(
            routes.keys().collect::<BTreeSet<_>>(),
            expected.routes.keys().collect(),
            "destinations, seed {seed}: {given:#?}"
        );
        for (prefix, route) in routes {
            let wanted = &expected.routes[&prefix];
            let told = (route.kind, route.metric, &route.originators, &route.nexthops);
            let due = (wanted.kind, wanted.metric, &wanted.originators, &wanted.nexthops);
            assert_eq!(told, due, "{prefix}, seed {seed}: {given:#?}");
            assert!(wanted.tags.contains(&route.tag), "{prefix}, seed {seed}: {given:#?}");
            assert!(wanted.areas.contains(&route.area), "{prefix} through {:?}, seed {seed}: {given:#?}", route.area);
            match route.kind {
                RouteKind::IntraArea => seen.intra_area += 1,
                RouteKind::InterArea if route.is_discard() => seen.discarded += 1,
                RouteKind::InterArea => seen.inter_area += 1,
                RouteKind::External1 => seen.external1 += 1,
                RouteKind::External2 => seen.external2 += 1,
            }
            let borders = given.border == Border::WithBackbone && route.kind == RouteKind::InterArea;
            seen.through_backbone += usize::from(borders && route.area == AreaId::BACKBONE);
        }
        assert_eq!(actual.refused, expected.refused, "refusals, seed {seed}: {given:#?}");
        assert_eq!(actual.translatable, expected.translatable, "to be translated, seed {seed}: {given:#?}");
        seen.improved += expected.improved;
        seen.translatable += expected.translatable.len();
        seen.refused += expected.refused.len();
        seen.virtual_links += actual.virtual_links().len();
    }
    let Seen { intra_area, inter_area, external1, external2, through_backbone, .. } = seen;
    let Seen { improved, discarded, translatable, refused, virtual_links, .. } = seen;
    let common = [intra_area, inter_area, external1, external2, through_backbone, discarded, refused];
    let rare = [improved, translatable, virtual_links];
    let occur = common.into_iter().all(|count| count > 5000) && rare.into_iter().all(|count| count > 400);
    assert!(occur, "what is tested occurs: {seen:?}");
}
