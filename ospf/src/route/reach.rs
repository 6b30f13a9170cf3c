//! Which routers can be reached at all, for those who use what they say (RFC 5250 §5). It knows no distances.

use std::collections::BTreeSet;

use super::graph::{Graph, Node};
use crate::ids::{AreaId, LsaType, RouterId};
use crate::state::lsdb::Lsdb;
use crate::time::Instant;
use crate::wire::{LS_INFINITY, LsaBody};

/// Routers that can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Reached {
    /// Through these areas, which this router is in itself.
    pub(crate) inside: BTreeSet<(AreaId, RouterId)>,
    /// In other areas: those that border routers tell of, AS boundary routers that is.
    pub(crate) beyond: BTreeSet<RouterId>,
}

/// Follows links that both ends describe from `router_id` on, in each of its areas.
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
    // RFC 2328 §16.2: a router in several areas looks at the backbone's summaries only.
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
        // RFC 2328 §16.1 (2)(b): the graph has no edge that the other end does not know of.
        next.extend(graph.edges(vertex).iter().map(|edge| edge.target));
    }
    debug_assert!(routers.is_empty() || routers.contains(&router_id));
    routers
}
