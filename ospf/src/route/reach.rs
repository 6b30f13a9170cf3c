//! Determines which routers are reachable, for the use of their opaque LSAs (RFC 5250 §5). Distances are not calculated.

use std::collections::BTreeSet;

use super::graph::{Graph, Node};
use crate::ids::{AreaId, LsaType, RouterId};
use crate::state::lsdb::Lsdb;
use crate::time::Instant;
use crate::wire::{LS_INFINITY, LsaBody};

/// The routers that are reachable.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Reached {
    /// Routers in this router's own areas.
    pub(crate) inside: BTreeSet<(AreaId, RouterId)>,
    /// Routers in other areas that Summary-LSAs describe, which are AS boundary routers.
    pub(crate) beyond: BTreeSet<RouterId>,
}

/// Follows the links that both ends describe, starting at `router_id`, in each of its areas.
pub(crate) fn reached<'a>(
    router_id: RouterId,
    areas: impl Iterator<Item = (AreaId, &'a Lsdb)>,
    now: Instant,
) -> Reached {
    let areas: Vec<_> = areas.collect();

    let mut reached = Reached::default();

    for &(area, lsdb) in &areas {
        reached.inside.extend(inside(router_id, lsdb, now).into_iter().map(|router| (area, router)));
    }
    // RFC 2328 §16.2: a router in several areas examines only the Summary-LSAs of the backbone.
    let backbone_only = areas.len() > 1 && areas.iter().any(|&(area, _)| area == AreaId::BACKBONE);
    for (area, lsdb) in areas.into_iter().filter(|&(area, _)| area == AreaId::BACKBONE || !backbone_only) {
        for entry in lsdb.of_type(LsaType::SUMMARY_ASBR).filter(|entry| !entry.is_max_age(now)) {
            let LsaBody::Summary(summary) = entry.body() else { continue };
            let key = entry.key();
            if summary.metric < LS_INFINITY && reached.inside.contains(&(area, key.advertising_router)) {
                reached.beyond.insert(RouterId(key.id.0));
            }
        }
    }
    reached
}

fn inside(router_id: RouterId, lsdb: &Lsdb, now: Instant) -> BTreeSet<RouterId> {
    let graph = Graph::new(lsdb, now);
    let mut seen = vec![false; graph.len()];
    let mut next = Vec::from_iter(graph.router(router_id));
    let mut routers = BTreeSet::new();
    while let Some(vertex) = next.pop() {
        if std::mem::replace(&mut seen[vertex.index()], true) {
            continue;
        }
        if let Node::Router { id, .. } = graph.node(vertex) {
            routers.insert(id);
        }
        // RFC 2328 §16.1 (2)(b): the graph contains only edges that both ends describe.
        next.extend(graph.edges(vertex).iter().map(|edge| edge.target));
    }
    debug_assert!(routers.is_empty() || routers.contains(&router_id));
    routers
}
