//! Checks whether the shortest-path tree of an area remains valid after a change of a Router-LSA (RFC 2328 §13.2, §16.1).
//!
//! By §13.2, a change of a Router-LSA causes the calculation of all routes. But most changes concern distant links that are on no shortest
//! path, or on one of several equal paths with the same next hops. In these cases the calculation would give the same result. This is
//! determined from the changed edges alone, by the properties of a valid tree: the distance of each vertex is that of its nearest parent
//! plus the metric of the edge, and its first hops are those of all such parents. If the check is not certain, the answer is that the tree
//! may have changed. Stub networks are not part of a tree: those that change are calculated again with the unchanged tree.

use std::collections::BTreeSet;

use super::graph::{Graph, Vertex};
use super::policy::Judge;
use super::spf::Tree;
use crate::config::Policy;
use crate::ids::{LinkStateId, LsaKey, LsaType, Prefix, RouterId};
use crate::state::lsdb::Lsdb;
use crate::time::Instant;
use crate::wire::{LsaBody, RouterLink, RouterLinkKind, RouterLsa};

/// The maximum number of changed links that are examined one by one.
const MAX_CHANGED_LINKS: usize = 16;

/// The tree of the last calculation, and the identifiers of its vertices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    tree: Tree,
    /// Its networks, in order: the first one is vertex 0.
    networks: Vec<(LinkStateId, RouterId)>,
    /// Its routers, in order: they follow the networks.
    routers: Vec<RouterId>,
}

/// The maximum number of moved vertices that are examined one by one.
const MAX_MOVED: usize = 256;

/// The vertices whose distance or first hops differ between two trees.
#[derive(Debug)]
pub(super) struct Moved {
    /// Link State IDs and designated routers.
    pub(super) networks: Vec<(LinkStateId, RouterId)>,
    pub(super) routers: Vec<RouterId>,
}

/// A Router-LSA before and after its replacement in the database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RouterChange<'a> {
    /// The router that originates it.
    pub(crate) router: RouterId,
    /// The present contents, with which the tree is valid.
    pub(crate) before: &'a RouterLsa,
    /// The new contents.
    pub(crate) after: &'a RouterLsa,
    /// The area's database.
    pub(crate) lsdb: &'a Lsdb,
    /// The present time: LSAs at MaxAge are not used.
    pub(crate) now: Instant,
    /// The policy, which contains the guards.
    pub(crate) policy: &'a Policy,
}

impl Standing {
    pub(super) fn new(graph: Graph<'_>, tree: Tree) -> Self {
        let (networks, routers) = graph.into_names();
        Self { tree, networks, routers }
    }

    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The routers that are reachable in the tree, in order.
    pub(super) fn reached(&self) -> impl Iterator<Item = RouterId> {
        let first = self.networks.len();
        let vertices = (0..).map(Vertex).skip(first).zip(&self.routers);
        vertices.filter(|(vertex, _)| self.tree.distance(*vertex).is_some()).map(|(_, router)| *router)
    }

    /// The vertex of a router.
    pub(super) fn router(&self, router: RouterId) -> Option<Vertex> {
        let index = self.networks.len() + self.routers.binary_search(&router).ok()?;
        Some(Vertex(u32::try_from(index).ok()?))
    }

    /// The vertex of a transit network.
    pub(super) fn network(&self, id: LinkStateId, originator: RouterId) -> Option<Vertex> {
        let index = self.networks.binary_search(&(id, originator)).ok()?;
        Some(Vertex(u32::try_from(index).ok()?))
    }

    /// The vertices whose distance or first hops differ in another tree of the same area; `None` if they are many, or if the trees do not
    /// have the same vertices.
    pub(super) fn moved(&self, after: &Self) -> Option<Moved> {
        if (&self.networks, &self.routers) != (&after.networks, &after.routers) {
            return None;
        }
        let has_moved = |&vertex: &Vertex| {
            let [before, after] = [&self.tree, &after.tree];
            before.distance(vertex) != after.distance(vertex) || before.first_hops(vertex) != after.first_hops(vertex)
        };
        let mut moved = Moved { networks: Vec::new(), routers: Vec::new() };
        let vertices = (0..).map(Vertex).take(self.networks.len() + self.routers.len());
        for (count, vertex) in vertices.filter(has_moved).enumerate() {
            match vertex.index().checked_sub(self.networks.len()) {
                _ if count == MAX_MOVED => return None,
                None => moved.networks.push(self.networks[vertex.index()]),
                Some(index) => moved.routers.push(self.routers[index]),
            }
        }
        Some(moved)
    }

    /// Returns, if the tree is certainly the same after the change, the stub networks that the change affects.
    pub(super) fn survives(&self, change: &RouterChange<'_>) -> Option<BTreeSet<Prefix>> {
        let vertex = self.router(change.router).filter(|&vertex| vertex != self.tree.root())?;
        if change.before.flags != change.after.flags {
            return None;
        }
        let Difference { far_ends, stubs } = Difference::between(change.before, change.after)?;
        let stands = far_ends.into_iter().all(|far_end| {
            // A router without a Router-LSA has no link back, so the edge does not exist (§16.1 (2)(b)).
            let Some(far_vertex) = self.router(far_end) else { return true };
            far_vertex != self.tree.root() && self.survives_at(change, vertex, far_end, far_vertex)
        });
        stands.then_some(stubs)
    }

    /// Examines the edges between the router and one other router, in both directions.
    fn survives_at(&self, change: &RouterChange<'_>, vertex: Vertex, far_end: RouterId, far_vertex: Vertex) -> bool {
        let Some(far_lsa) = change.router_lsa(far_end) else { return false };
        let back = metrics(far_lsa, change.router);
        if back.is_empty() {
            return true;
        }
        let [before, after] = [change.before, change.after].map(|lsa| metrics(lsa, far_end));
        let back_if = |forth: &[u16]| if forth.is_empty() { Vec::new() } else { back.clone() };
        let forth_stands =
            !self.matters(vertex, far_vertex, &before, &after) || self.is_right(change, far_end, far_vertex);
        let back_stands = !self.matters(far_vertex, vertex, &back_if(&before), &back_if(&after))
            || self.is_right(change, change.router, vertex);
        forth_stands && back_stands
    }

    /// Whether edges with these metrics were on a shortest path, or are now.
    fn matters(&self, source: Vertex, target: Vertex, before: &[u16], after: &[u16]) -> bool {
        let Some(distance) = self.tree.distance(source) else { return false };
        let Some(known) = self.tree.distance(target) else { return !after.is_empty() };
        let found = |metric: &u16| distance.saturating_add(u32::from(*metric));
        before.iter().any(|metric| found(metric) == known) || after.iter().any(|metric| found(metric) <= known)
    }

    /// Whether distance and first hops of a router agree with those of its neighbours after the change.
    fn is_right(&self, change: &RouterChange<'_>, router: RouterId, vertex: Vertex) -> bool {
        let Some(distance) = self.tree.distance(vertex) else { return false };
        let Some(lsa) = change.router_lsa(router) else { return false };
        if lsa.links.iter().any(|link| link.kind == RouterLinkKind::Transit) {
            return false;
        }
        let mut neighbors: Vec<_> = lsa.links.iter().filter_map(edge_target).filter(|&id| id != router).collect();
        neighbors.sort_unstable();
        neighbors.dedup();
        let mut first_hops = Vec::new();
        for neighbor in neighbors {
            let Some(parent) = self.router(neighbor) else { continue };
            let Some(parent_distance) = self.tree.distance(parent) else { continue };
            let Some(parent_lsa) = change.router_lsa(neighbor) else { return false };
            let Some(metric) = metrics(parent_lsa, router).into_iter().min() else { continue };
            let found = parent_distance.saturating_add(u32::from(metric));
            if found > distance {
                continue;
            }
            // It is nearer than before; or a parent is not nearer than its child, and may be its descendant; or it is a link of the root.
            if found < distance || parent_distance >= distance || parent == self.tree.root() {
                return false;
            }
            first_hops.extend_from_slice(self.tree.first_hops(parent));
        }
        if Judge::new(change.policy).is_guard(router) {
            first_hops.iter_mut().for_each(|first_hop| first_hop.last_guard = Some(router));
        }
        first_hops.sort_unstable();
        first_hops.dedup();
        !first_hops.is_empty()
            && first_hops.iter().all(|first_hop| first_hop.nexthop.via.is_some())
            && first_hops == self.tree.first_hops(vertex)
    }
}

impl<'a> RouterChange<'a> {
    /// The contents of a router's LSA after the change; none if it is at MaxAge (§16.1 (2)(b)).
    fn router_lsa(&self, router: RouterId) -> Option<&'a RouterLsa> {
        if router == self.router {
            return Some(self.after);
        }
        let key = LsaKey { kind: LsaType::ROUTER, id: LinkStateId(router.0), advertising_router: router };
        let entry = self.lsdb.lookup(key).filter(|entry| !entry.is_max_age(self.now))?;
        match entry.body() {
            LsaBody::Router(lsa) => Some(lsa),
            _ => None,
        }
    }
}

/// The differences between two instances of a Router-LSA.
struct Difference {
    /// The other ends of changed links to routers.
    far_ends: BTreeSet<RouterId>,
    stubs: BTreeSet<Prefix>,
}

impl Difference {
    /// Compares two instances; `None` if links to transit networks differ, or too many links.
    fn between(before: &RouterLsa, after: &RouterLsa) -> Option<Self> {
        let (before, after) = (before.links.as_slice(), after.links.as_slice());
        let common = before.iter().zip(after).take_while(|(one, other)| one == other).count();
        let (before, after) = (&before[common..], &after[common..]);
        let common = before.iter().rev().zip(after.iter().rev()).take_while(|(one, other)| one == other).count();
        let (before, after) = (&before[..before.len() - common], &after[..after.len() - common]);
        if before.len() + after.len() > MAX_CHANGED_LINKS {
            return None;
        }
        let mut difference = Self { far_ends: BTreeSet::new(), stubs: BTreeSet::new() };
        for link in before.iter().chain(after) {
            match (link.kind, edge_target(link)) {
                (_, Some(far_end)) => _ = difference.far_ends.insert(far_end),
                // A mask that is not contiguous gives no network.
                (RouterLinkKind::Stub, _) => difference.stubs.extend(Prefix::from_mask(link.id, link.data)),
                _ => return None,
            }
        }
        Some(difference)
    }
}

/// The other end of a link that is an edge between two routers.
fn edge_target(link: &RouterLink) -> Option<RouterId> {
    match link.kind {
        RouterLinkKind::PointToPoint | RouterLinkKind::Virtual => Some(RouterId::from(link.id)),
        RouterLinkKind::Transit | RouterLinkKind::Stub | RouterLinkKind::Unknown(_) => None,
    }
}

/// The metrics of the links to a router.
fn metrics(lsa: &RouterLsa, to: RouterId) -> Vec<u16> {
    lsa.links.iter().filter(|link| edge_target(link) == Some(to)).map(|link| link.metric).collect()
}
