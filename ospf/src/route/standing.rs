//! Whether the shortest-path tree of an area stands though a Router-LSA says something new (RFC 2328 §13.2, §16.1).
//!
//! §13.2 has all routes calculated when a Router-LSA changes. Most such changes are far away and on no shortest path, or one of several
//! equal ones goes that leads out by the same next hops as the others: then the calculation would give what it gave before. This is found
//! out from the edges that changed alone, by what makes a tree right: every vertex is as far as its nearest parent and the edge from it,
//! and has the first hops of all such parents. It never guesses: where it cannot tell, the answer is that the tree may fall. Stub networks are
//! no part of a tree: those that change are calculated anew by the one that stands.

use std::collections::BTreeSet;

use super::graph::{Graph, Vertex};
use super::policy::Judge;
use super::spf::Tree;
use crate::config::Policy;
use crate::ids::{LinkStateId, LsaKey, LsaType, Prefix, RouterId};
use crate::state::lsdb::Lsdb;
use crate::time::Instant;
use crate::wire::{LsaBody, RouterLink, RouterLinkKind, RouterLsa};

/// More links than this that differ between two instances are not looked at one by one.
const MAX_CHANGED_LINKS: usize = 16;

/// The tree that the last calculation gave, and who its vertices are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    tree: Tree,
    /// Its networks, in order: the first is vertex 0.
    networks: Vec<(LinkStateId, RouterId)>,
    /// Its routers, in order: they come after the networks.
    routers: Vec<RouterId>,
}

/// More vertices than this are not looked at one by one.
const MAX_MOVED: usize = 256;

/// Vertices that one tree has elsewhere than another.
#[derive(Debug)]
pub(super) struct Moved {
    /// Link State IDs and designated routers.
    pub(super) networks: Vec<(LinkStateId, RouterId)>,
    pub(super) routers: Vec<RouterId>,
}

/// A Router-LSA that takes the place of another, before it does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RouterChange<'a> {
    /// Whose.
    pub(crate) router: RouterId,
    /// What it says now: the tree is right with it.
    pub(crate) before: &'a RouterLsa,
    /// What it is about to say.
    pub(crate) after: &'a RouterLsa,
    /// The area's database.
    pub(crate) lsdb: &'a Lsdb,
    /// The present time: LSAs at MaxAge are not used.
    pub(crate) now: Instant,
    /// Which router is a guard.
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

    /// The routers that the tree reaches, in order.
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

    /// The vertices that another tree of the same area has elsewhere; `None` if they are many, or the trees are not of the same vertices.
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

    /// Whether the tree is certain to be the same after the change: if so, the stub networks that are named otherwise than before.
    pub(super) fn survives(&self, change: &RouterChange<'_>) -> Option<BTreeSet<Prefix>> {
        let vertex = self.router(change.router).filter(|&vertex| vertex != self.tree.root())?;
        if change.before.flags != change.after.flags {
            return None;
        }
        let Difference { far_ends, stubs } = Difference::between(change.before, change.after)?;
        let stands = far_ends.into_iter().all(|far_end| {
            // Who has no Router-LSA has no link back, and the edge does not exist (§16.1 (2)(b)).
            let Some(far_vertex) = self.router(far_end) else { return true };
            far_vertex != self.tree.root() && self.survives_at(change, vertex, far_end, far_vertex)
        });
        stands.then_some(stubs)
    }

    /// Looks at the edges between the router and one other, in both directions.
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

    /// Whether edges of these metrics were on a shortest path, or would be on one now.
    fn matters(&self, source: Vertex, target: Vertex, before: &[u16], after: &[u16]) -> bool {
        let Some(distance) = self.tree.distance(source) else { return false };
        let Some(known) = self.tree.distance(target) else { return !after.is_empty() };
        let found = |metric: &u16| distance.saturating_add(u32::from(*metric));
        before.iter().any(|metric| found(metric) == known) || after.iter().any(|metric| found(metric) <= known)
    }

    /// Whether distance and first hops of a router are those that its neighbours now give it.
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
            // Nearer than it was; or a parent that is no nearer than its child, which may be its child's child; or our own link.
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
    /// What a router says once the change is made; nothing if its LSA is at MaxAge (§16.1 (2)(b)).
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

/// What two instances of a Router-LSA say differently.
struct Difference {
    /// The other ends of links to routers.
    far_ends: BTreeSet<RouterId>,
    stubs: BTreeSet<Prefix>,
}

impl Difference {
    /// `None` if links to transit networks differ, or too many.
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
                // A mask with holes gives no network.
                (RouterLinkKind::Stub, _) => difference.stubs.extend(Prefix::from_mask(link.id, link.data)),
                _ => return None,
            }
        }
        Some(difference)
    }
}

/// Where a link leads that is an edge between two routers.
fn edge_target(link: &RouterLink) -> Option<RouterId> {
    match link.kind {
        RouterLinkKind::PointToPoint | RouterLinkKind::Virtual => Some(RouterId::from(link.id)),
        RouterLinkKind::Transit | RouterLinkKind::Stub | RouterLinkKind::Unknown(_) => None,
    }
}

/// Metrics of the links to a router.
fn metrics(lsa: &RouterLsa, to: RouterId) -> Vec<u16> {
    lsa.links.iter().filter(|link| edge_target(link) == Some(to)).map(|link| link.metric).collect()
}
