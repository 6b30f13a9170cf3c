//! The shortest-path tree of an area with this router as its root (RFC 2328 §16.1, first stage), and its next hops (§16.1.1).
//!
//! For each vertex it contains the distance and the *first hops*: the next hops of all shortest paths, each with the last guard on the
//! path, by which the policy decides. It calculates no routes.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::Ipv4Addr;

use super::graph::{Edge, Graph, Node, Vertex};
use super::inputs::{Adjacency, Peer, VirtualEnd};
use super::policy::Judge;
use super::virtual_link::VirtualPath;
use crate::ids::RouterId;
use crate::io::Nexthop;
use crate::wire::{RouterLink, RouterLinkKind};

/// A first hop: the beginning of a shortest path, with the last guard on the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FirstHop {
    /// The next hop.
    pub(crate) nexthop: Nexthop,
    /// The last guard on the path, including both ends.
    pub(crate) last_guard: Option<RouterId>,
}

/// Distances and first hops of all reachable vertices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tree {
    root: Vertex,
    distance: Vec<u32>,
    /// First hops of vertex v: `first_hops[span[v].0..span[v].1]`, sorted and without duplicates.
    span: Vec<(u32, u32)>,
    first_hops: Vec<FirstHop>,
}

/// The distance of unreachable vertices. Real distances are smaller: a path has fewer edges than 2³² / 65535.
const UNREACHED: u32 = u32::MAX;

impl Tree {
    /// Calculates the tree of `graph` from `root`, with those of the root's links that `adjacencies` confirm. The paths of virtual links
    /// are in `virtual_links`.
    pub(super) fn new(
        graph: &Graph<'_>,
        root: Vertex,
        adjacencies: &[Adjacency],
        virtual_links: &BTreeMap<VirtualEnd, VirtualPath>,
        judge: &Judge<'_>,
    ) -> Self {
        let mut search = Search {
            graph,
            judge,
            adjacencies,
            virtual_links,
            candidates: BinaryHeap::new(),
            parents: Parents::new(graph.len()),
            scratch: Vec::new(),
            tree: Self {
                root,
                distance: vec![UNREACHED; graph.len()],
                span: vec![(0, 0); graph.len()],
                first_hops: Vec::new(),
            },
        };
        search.run();
        search.tree
    }

    /// The distance from the root; `None` if the vertex is unreachable.
    pub(super) fn distance(&self, vertex: Vertex) -> Option<u32> {
        Some(self.distance[vertex.index()]).filter(|&distance| distance != UNREACHED)
    }

    /// The first hops of a vertex; none for the root and for unreachable vertices.
    pub(super) fn first_hops(&self, vertex: Vertex) -> &[FirstHop] {
        let (from, to) = self.span[vertex.index()];
        &self.first_hops[from as usize..to as usize]
    }

    /// An address at which a router is reached from its neighbour on a shortest path: that of "the interface that points back to Router X's
    /// parent vertex" (RFC 2328 §16.1), if it has one; otherwise any address in its Router-LSA.
    pub(super) fn address(&self, graph: &Graph<'_>, router: Vertex) -> Option<Ipv4Addr> {
        let here = self.distance(router)?;
        let is_parent = |vertex: Vertex| {
            let distance = self.distance(vertex);
            let towards = graph.edges(vertex).iter().filter(|edge| edge.target == router);
            distance.is_some_and(|distance| towards.clone().any(|edge| distance + u32::from(edge.metric) == here))
        };
        let edges = graph.edges(router).iter();
        let back = edges.filter(|edge| is_parent(edge.target)).map(|&edge| graph.link(router, edge).data);
        back.chain(graph.own_addresses(router)).find(|&data| is_address(data))
    }

    /// All addresses in a router's Router-LSA.
    pub(super) fn addresses(&self, graph: &Graph<'_>, router: Vertex) -> BTreeSet<Ipv4Addr> {
        let of_links = graph.edges(router).iter().map(|&edge| graph.link(router, edge).data);
        of_links.chain(graph.own_addresses(router)).filter(|&data| is_address(data)).collect()
    }

    /// The root.
    pub(super) fn root(&self) -> Vertex {
        self.root
    }
}

struct Search<'a, 'g> {
    graph: &'a Graph<'g>,
    judge: &'a Judge<'a>,
    adjacencies: &'a [Adjacency],
    virtual_links: &'a BTreeMap<VirtualEnd, VirtualPath>,
    /// The candidate list: smallest distance first, and networks before routers at the same distance (§16.1 (3)).
    candidates: BinaryHeap<Reverse<(u32, Vertex)>>,
    parents: Parents,
    scratch: Vec<FirstHop>,
    tree: Tree,
}

impl Search<'_, '_> {
    fn run(&mut self) {
        self.tree.distance[self.tree.root.index()] = 0;
        self.candidates.push(Reverse((0, self.tree.root)));
        let mut last = 0;
        while let Some(Reverse((distance, vertex))) = self.candidates.pop() {
            if distance > self.tree.distance[vertex.index()] {
                continue; // A shorter path was found after this candidate was added.
            }
            debug_assert!(distance >= last, "vertices join the tree in the order of their distances");
            last = distance;
            if vertex != self.tree.root {
                self.collect_first_hops(vertex);
            }
            for &edge in self.graph.edges(vertex) {
                self.relax(vertex, distance, edge);
            }
        }
    }

    /// Compares the path through `vertex` with the known distance of the edge's target (RFC 2328 §16.1 (2)(c), (d)).
    fn relax(&mut self, vertex: Vertex, distance: u32, edge: Edge) {
        let target = edge.target;
        let found = distance.saturating_add(u32::from(edge.metric));
        let known = self.tree.distance[target.index()];
        if found > known || found == UNREACHED || self.is_in_tree(target) {
            return;
        }
        if vertex == self.tree.root && self.own_links(edge).next().is_none() {
            return;
        }
        if found < known {
            self.tree.distance[target.index()] = found;
            self.candidates.push(Reverse((found, target)));
            self.parents.clear(target);
        }
        self.parents.add(target, vertex, edge);
    }

    fn is_in_tree(&self, vertex: Vertex) -> bool {
        vertex == self.tree.root || self.tree.span[vertex.index()] != (0, 0)
    }

    /// Determines the first hops of a vertex that joins the tree, from those of its parents, which are all in the tree already.
    fn collect_first_hops(&mut self, vertex: Vertex) {
        let mut first_hops = std::mem::take(&mut self.scratch);
        debug_assert!(first_hops.is_empty());
        for (parent, edge) in self.parents.of(vertex) {
            if parent == self.tree.root {
                self.first_hops_from_root(edge, &mut first_hops);
            } else {
                self.first_hops_from(parent, vertex, &mut first_hops);
            }
        }
        if let Node::Router { id, .. } = self.graph.node(vertex)
            && self.judge.is_guard(id)
        {
            first_hops.iter_mut().for_each(|first_hop| first_hop.last_guard = Some(id));
        }
        first_hops.sort_unstable();
        first_hops.dedup();
        assert!(!first_hops.is_empty(), "a vertex that joins the tree has a path, and a path has a first hop");
        let from = self.tree.first_hops.len();
        self.tree.first_hops.append(&mut first_hops);
        self.tree.span[vertex.index()] = (number(from), number(self.tree.first_hops.len()));
        self.scratch = first_hops;
    }

    /// RFC 2328 §16.1.1, the parent is the root: the neighbour's address in its packets, or the root's own network.
    fn first_hops_from_root(&self, edge: Edge, first_hops: &mut Vec<FirstHop>) {
        let last_guard = match self.graph.node(self.tree.root) {
            Node::Router { id, .. } if self.judge.is_guard(id) => Some(id),
            Node::Router { .. } | Node::Network { .. } => None,
        };
        for adjacency in self.own_links(edge) {
            let via = match adjacency.peer {
                Peer::Router { address, .. } => Some(address),
                Peer::Network { .. } => None,
                // The guards of the transit area are on the path, too.
                Peer::Virtual(end) => {
                    first_hops.extend(self.virtual_links.get(&end).into_iter().flat_map(|path| &path.first_hops));
                    continue;
                }
            };
            first_hops.push(FirstHop { nexthop: Nexthop { interface: adjacency.interface, via }, last_guard });
        }
    }

    /// RFC 2328 §16.1.1, the parent is another vertex: its first hops are inherited, except for routers on one of the root's own networks.
    fn first_hops_from(&self, parent: Vertex, vertex: Vertex, first_hops: &mut Vec<FirstHop>) {
        for &first_hop in self.tree.first_hops(parent) {
            if first_hop.nexthop.via.is_some() {
                first_hops.push(first_hop);
                continue;
            }
            // The root's own network lies between: the router's address on it is the Link Data of its link back.
            for address in self.graph.addresses(vertex, parent) {
                first_hops.push(FirstHop { nexthop: Nexthop { via: Some(address), ..first_hop.nexthop }, ..first_hop });
            }
        }
    }

    /// The interfaces of an edge of the root: those that agree with the link's Link Data and other end.
    fn own_links(&self, edge: Edge) -> impl Iterator<Item = &Adjacency> {
        let link = self.graph.link(self.tree.root, edge);
        self.adjacencies.iter().filter(move |adjacency| self.is_of(adjacency, link))
    }

    fn is_of(&self, adjacency: &Adjacency, link: RouterLink) -> bool {
        match adjacency.peer {
            // Link Data is the address of the outgoing interface in the transit area at the last calculation, which may have changed.
            Peer::Virtual(end) => {
                link.kind == RouterLinkKind::Virtual
                    && end.far_end == RouterId::from(link.id)
                    && self.virtual_links.contains_key(&end)
            }
            Peer::Router { .. } | Peer::Network { .. } => adjacency.is_of(link),
        }
    }
}

/// Whether Link Data is an address. On an unnumbered link it is an interface index (RFC 2328 §12.4.1.1), which is in 0.0.0.0/8.
fn is_address(link_data: Ipv4Addr) -> bool {
    link_data.octets()[0] != 0
}

/// For each vertex, the edges over which it is reached at its smallest known distance, as linked lists in one vector.
struct Parents {
    /// Index of a vertex's latest parent, plus one; 0 = none.
    head: Vec<u32>,
    /// The parent, the edge from it, and the next element of the list (as in `head`).
    links: Vec<(Vertex, Edge, u32)>,
}

impl Parents {
    fn new(vertices: usize) -> Self {
        Self { head: vec![0; vertices], links: Vec::new() }
    }

    fn clear(&mut self, vertex: Vertex) {
        self.head[vertex.index()] = 0;
    }

    fn add(&mut self, vertex: Vertex, parent: Vertex, edge: Edge) {
        self.links.push((parent, edge, self.head[vertex.index()]));
        self.head[vertex.index()] = number(self.links.len());
    }

    fn of(&self, vertex: Vertex) -> impl Iterator<Item = (Vertex, Edge)> {
        let mut at = self.head[vertex.index()];
        std::iter::from_fn(move || {
            let index = at.checked_sub(1)?;
            let (parent, edge, next) = self.links[index as usize];
            at = next;
            Some((parent, edge))
        })
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).expect("fewer than 2^32 first hops and parents")
}
