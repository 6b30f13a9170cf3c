//! The routers and transit networks of an area with the costs between them: a copy of what [`Graph`] reads from the databases, which can be
//! kept until the next input.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::super::graph::{Graph, Node, Vertex};
use super::super::policy::Judge;
use crate::ids::{LinkStateId, RouterId};
use crate::wire::{RouterFlags, RouterLinkKind};

/// The graph of an area, with the least cost of parallel links only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Topology {
    networks: Vec<(LinkStateId, RouterId)>,
    routers: Vec<Router>,
    /// Edges of vertex v: `edges[first_edge[v]..first_edge[v + 1]]`, in the order of their targets, at most one for each.
    first_edge: Vec<u32>,
    edges: Vec<(Vertex, u16)>,
    /// Whether there is a virtual link in the area, or one through it.
    pub(super) has_virtual_links: bool,
}

/// A router in the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Router {
    pub(super) id: RouterId,
    /// Whether it is a guard of the policy.
    pub(super) is_guard: bool,
    /// Whether it is an area border router.
    pub(super) is_border: bool,
}

/// An edge that differs between two graphs with the same vertices: its cost before and after, `None` where it does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EdgeChange {
    source: Vertex,
    target: Vertex,
    before: Option<u16>,
    after: Option<u16>,
}

impl Topology {
    pub(super) fn new(graph: &Graph<'_>, judge: &Judge<'_>) -> Self {
        let mut topology = Self {
            networks: Vec::new(),
            routers: Vec::new(),
            first_edge: Vec::with_capacity(graph.len() + 1),
            edges: Vec::new(),
            has_virtual_links: false,
        };
        for (vertex, node) in graph.vertices() {
            match node {
                Node::Network { id, originator, .. } => topology.networks.push((id, originator)),
                Node::Router { id, lsa } => {
                    let is_border = lsa.flags.contains(RouterFlags::B);
                    topology.routers.push(Router { id, is_guard: judge.is_guard(id), is_border });
                    topology.has_virtual_links |= lsa.flags.contains(RouterFlags::V)
                        || lsa.links.iter().any(|link| link.kind == RouterLinkKind::Virtual);
                }
            }
            let from = topology.edges.len();
            topology.first_edge.push(number(from));
            topology.edges.extend(graph.edges(vertex).iter().map(|edge| (edge.target, edge.metric)));
            topology.keep_cheapest(from);
        }
        topology.first_edge.push(number(topology.edges.len()));
        topology
    }

    /// Sorts the edges from `from` on, which are those of one vertex, and keeps the least cost for each target.
    fn keep_cheapest(&mut self, from: usize) {
        // The links of most Router-LSAs are in order.
        if self.edges[from..].is_sorted_by(|one, other| one.0 < other.0) {
            return;
        }
        self.edges[from..].sort_unstable();
        let mut kept = from;
        for index in from..self.edges.len() {
            if kept == from || self.edges[kept - 1].0 != self.edges[index].0 {
                self.edges[kept] = self.edges[index];
                kept += 1;
            }
        }
        self.edges.truncate(kept);
    }

    /// Number of vertices and edges, which is what a calculation of distances costs.
    pub(super) fn size(&self) -> usize {
        self.len() + self.edges.len()
    }

    fn len(&self) -> usize {
        self.networks.len() + self.routers.len()
    }

    /// The router at a vertex; `None` for a network.
    pub(super) fn router(&self, vertex: Vertex) -> Option<Router> {
        self.routers.get(vertex.index().checked_sub(self.networks.len())?).copied()
    }

    /// The vertex of a router.
    pub(super) fn vertex(&self, id: RouterId) -> Option<Vertex> {
        let index = self.routers.binary_search_by_key(&id, |router| router.id).ok()?;
        Some(Vertex(number(self.networks.len() + index)))
    }

    /// The cost of an edge.
    pub(super) fn cost(&self, source: Vertex, target: Vertex) -> Option<u16> {
        let edges = self.edges(source);
        let index = edges.binary_search_by_key(&target, |edge| edge.0).ok()?;
        Some(edges[index].1)
    }

    fn edges(&self, vertex: Vertex) -> &[(Vertex, u16)] {
        let [from, to] = [self.first_edge[vertex.index()], self.first_edge[vertex.index() + 1]];
        &self.edges[from as usize..to as usize]
    }

    /// The edges that differ in a later graph of the same area; `None` if its vertices are not the same.
    pub(super) fn changes(&self, after: &Self) -> Option<Vec<EdgeChange>> {
        if (&self.networks, &self.routers) != (&after.networks, &after.routers) {
            return None;
        }
        let mut changes = Vec::new();
        for source in (0..number(self.len())).map(Vertex) {
            let (mut old, mut new) = (self.edges(source), after.edges(source));
            if old == new {
                continue;
            }
            while let Some(target) = old.first().into_iter().chain(new.first()).map(|edge| edge.0).min() {
                let [before, after] = [&mut old, &mut new].map(|edges| {
                    let (&(first, cost), rest) = edges.split_first()?;
                    (first == target).then(|| *edges = rest).map(|()| cost)
                });
                if before != after {
                    changes.push(EdgeChange { source, target, before, after });
                }
            }
        }
        Some(changes)
    }
}

/// The last guard on the shortest paths to a vertex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastGuard {
    /// The same on all of them; `None` if there is no guard on any.
    One(Option<RouterId>),
    /// Not the same on all of them.
    Several,
}

/// The distances from one vertex to all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Distances {
    distance: Vec<u32>,
    last_guard: Vec<LastGuard>,
}

/// The distance of unreachable vertices.
const UNREACHED: u32 = u32::MAX;

impl Distances {
    /// Calculates the distances from `root`, over those of its edges that `uses` accepts.
    pub(super) fn new(topology: &Topology, root: Vertex, uses: impl Fn(Vertex) -> bool) -> Self {
        let mut found =
            Self { distance: vec![UNREACHED; topology.len()], last_guard: vec![LastGuard::One(None); topology.len()] };
        let mut is_final = vec![false; topology.len()];
        let mut candidates = BinaryHeap::from([Reverse((0_u32, root))]);
        found.distance[root.index()] = 0;
        while let Some(Reverse((distance, vertex))) = candidates.pop() {
            if std::mem::replace(&mut is_final[vertex.index()], true) {
                continue; // A shorter path was found after this candidate was added.
            }
            if let Some(Router { id, is_guard: true, .. }) = topology.router(vertex) {
                found.last_guard[vertex.index()] = LastGuard::One(Some(id));
            }
            let last_guard = found.last_guard[vertex.index()];
            let edges = topology.edges(vertex).iter().filter(|edge| vertex != root || uses(edge.0));
            for &(target, cost) in edges {
                let through = distance.saturating_add(u32::from(cost));
                let known = found.distance[target.index()];
                if through > known || through == UNREACHED || is_final[target.index()] {
                    continue;
                }
                if through < known {
                    found.distance[target.index()] = through;
                    found.last_guard[target.index()] = last_guard;
                    candidates.push(Reverse((through, target)));
                } else if found.last_guard[target.index()] != last_guard {
                    found.last_guard[target.index()] = LastGuard::Several;
                }
            }
        }
        found
    }

    /// The distance to a vertex; `None` if it is unreachable.
    pub(super) fn to(&self, vertex: Vertex) -> Option<u32> {
        Some(self.distance[vertex.index()]).filter(|&distance| distance != UNREACHED)
    }

    /// The last guard on the paths to a reachable vertex, both ends included.
    pub(super) fn last_guard(&self, vertex: Vertex) -> LastGuard {
        self.last_guard[vertex.index()]
    }

    /// Whether no changed edge is, or was, on a shortest path: then the distances are the same after the changes.
    pub(super) fn survive(&self, changes: &[EdgeChange]) -> bool {
        changes.iter().all(|change| {
            // As long as the source stays unreachable, its edges do not matter; it does if no other change says otherwise.
            let Some(distance) = self.to(change.source) else { return true };
            let known = self.distance[change.target.index()];
            let is_longer = |cost: u16| distance.saturating_add(u32::from(cost)) > known;
            change.before.into_iter().chain(change.after).all(is_longer)
        })
    }
}

/// A count or an index of vertices or edges. The LSAs of one area contain fewer than 2³² of either.
fn number(count: usize) -> u32 {
    u32::try_from(count).expect("fewer than 2^32 vertices and edges")
}
