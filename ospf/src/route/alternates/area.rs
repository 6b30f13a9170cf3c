//! What is known of an area for the choice of alternates: its topology, this router's neighbours in it as possible next hops, the distances
//! from each of them, and where the networks of the area are.

use std::collections::{BTreeMap, BTreeSet};

use super::super::graph::{Graph, Node, Vertex};
use super::super::inputs::{AreaInputs, Peer, RouteInputs};
use super::super::internal::network_prefix;
use super::super::policy::Judge;
use super::topology::{Distances, Topology};
use crate::config::MAX_LINK_METRIC;
use crate::ids::{InterfaceId, Prefix, RouterId};
use crate::io::Nexthop;

/// An area as the choice of alternates sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Area {
    /// This router has one neighbour there at most, so that there is no alternate. Nothing else is known of the area.
    Single,
    /// It may have several.
    Several(Box<Surroundings>),
}

impl Area {
    /// Reads the area, and takes over from `former` the distances that are the same. `None` if this router is not in the area's graph.
    pub(crate) fn new(inputs: &RouteInputs<'_>, area: &AreaInputs<'_>, former: Option<Self>) -> Option<(Self, News)> {
        let is_link = |peer: &Peer| matches!(peer, Peer::Router { .. });
        let peers = || area.adjacencies.iter().map(|adjacency| &adjacency.peer);
        if peers().all(|peer| !matches!(peer, Peer::Network { .. })) && peers().filter(|peer| is_link(peer)).count() < 2
        {
            let news = match former {
                Some(Self::Single) => News::Networks(BTreeSet::new()),
                _ => News::Anything,
            };
            return Some((Self::Single, news));
        }
        let former = match former {
            Some(Self::Several(former)) => Some(*former),
            Some(Self::Single) | None => None,
        };
        let (now, news) = Surroundings::new(inputs, area, former)?;
        Some((Self::Several(Box::new(now)), news))
    }

    /// Whether the distances from all neighbours are known.
    pub(crate) fn is_complete(&self) -> bool {
        match self {
            Self::Single => true,
            Self::Several(surroundings) => surroundings.missing.is_empty(),
        }
    }

    /// Number of vertices and edges of the area's graph.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Single => 0,
            Self::Several(surroundings) => surroundings.topology.size(),
        }
    }

    /// Calculates the distances from the next vertex; returns how many vertices and edges were examined.
    pub(crate) fn advance(&mut self) -> usize {
        match self {
            Self::Single => 0,
            Self::Several(surroundings) => surroundings.advance(),
        }
    }
}

/// What is known of an area in which this router may have several neighbours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Surroundings {
    pub(super) topology: Topology,
    /// This router.
    pub(super) root: Vertex,
    /// The routers on this router's links: each way to send a packet.
    pub(super) neighbors: Vec<Neighbor>,
    /// The networks on which this router's links end, by interface.
    pub(super) lans: BTreeMap<InterfaceId, Vertex>,
    /// Where each network of the area is, and the cost from there.
    pub(super) networks: BTreeMap<Prefix, Vec<Place>>,
    /// The distances from this router, from each neighbour, and from each of the networks on this router's links. Without a second neighbour
    /// there is no alternate, and none are needed.
    trees: BTreeMap<Vertex, Distances>,
    /// The vertices in `trees` that are still to come.
    missing: BTreeSet<Vertex>,
}

/// What has changed in an area for the choice of alternates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    /// Perhaps everything.
    Anything,
    /// Where these networks are, or at what cost.
    Networks(BTreeSet<Prefix>),
}

/// A router to which packets can be sent directly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Neighbor {
    pub(super) nexthop: Nexthop,
    pub(super) router: Vertex,
    /// The cost of the link.
    pub(super) cost: u16,
    /// Whether the link has the cost MaxLinkMetric in one direction (RFC 5286 §3.5).
    pub(super) avoided: bool,
}

/// A vertex at which a destination is, or where the path to it leaves the area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) vertex: Vertex,
    /// The cost from there.
    pub(super) cost: u32,
    /// The guard that is responsible for it in any case; `None` = the last one on the path to the vertex.
    pub(super) guard: Option<RouterId>,
    /// Whether the vertex is an area border router that advertises a destination of another area.
    pub(super) beyond: bool,
    /// Whether what is there is a forwarding address: of a router on that network, or of one on a link of that router.
    pub(super) forwarding: bool,
}

impl Place {
    /// A place at which the destination itself is, and the last guard on the path is responsible for it.
    pub(super) fn of(vertex: Vertex, cost: u32) -> Self {
        Self { vertex, cost, guard: None, beyond: false, forwarding: false }
    }
}

impl Surroundings {
    /// Reads the area, and takes over from `former` the distances that are the same. `None` if this router is not in the area's graph.
    fn new(inputs: &RouteInputs<'_>, area: &AreaInputs<'_>, former: Option<Self>) -> Option<(Self, News)> {
        let graph = &Graph::new(area.lsdb, inputs.now);
        let judge = &Judge::new(inputs.policy);
        let root = graph.router(inputs.router_id)?;
        let topology = Topology::new(graph, judge);
        let (neighbors, lans) = neighbors(area, graph, &topology, root);
        let networks = networks(graph, judge);
        let mut now =
            Self { topology, root, neighbors, lans, networks, trees: BTreeMap::new(), missing: BTreeSet::new() };
        let ends: BTreeSet<Vertex> =
            now.neighbors.iter().map(|neighbor| neighbor.router).chain(now.lans.values().copied()).collect();
        if now.neighbors.len() > 1 {
            now.trees.insert(root, Distances::new(&now.topology, root, |vertex| ends.contains(&vertex)));
            now.missing = ends;
        }
        let Some(former) = former else { return Some((now, News::Anything)) };
        let news = now.take_over(former);
        Some((now, news))
    }

    /// Takes over the distances that are the same. Returns what has changed.
    fn take_over(&mut self, former: Self) -> News {
        let Some(changes) = former.topology.changes(&self.topology) else { return News::Anything };
        let own = former.trees.get(&former.root);
        let is_same = (&self.neighbors, &self.lans) == (&former.neighbors, &former.lans)
            && self.topology.has_virtual_links == former.topology.has_virtual_links
            && own == self.trees.get(&self.root);
        for (vertex, tree) in former.trees {
            if tree.survive(&changes) && self.missing.remove(&vertex) {
                self.trees.insert(vertex, tree);
            }
        }
        if !is_same || !self.missing.is_empty() {
            return News::Anything;
        }
        let all = self.networks.keys().chain(former.networks.keys());
        let differs = |prefix: &&Prefix| self.networks.get(prefix) != former.networks.get(prefix);
        News::Networks(all.filter(differs).copied().collect())
    }

    /// Calculates the distances from the next vertex; returns how many vertices and edges were examined.
    fn advance(&mut self) -> usize {
        let Some(vertex) = self.missing.pop_first() else { return 0 };
        self.trees.insert(vertex, Distances::new(&self.topology, vertex, |_| true));
        self.topology.size()
    }

    /// The distances from this router, a neighbour, or a network on one of this router's links.
    pub(super) fn from(&self, vertex: Vertex) -> Option<&Distances> {
        self.trees.get(&vertex)
    }
}

#[cfg(test)]
impl Area {
    /// Whether all but the networks is the same for the choice of alternates.
    pub(super) fn has_same_distances(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Single, Self::Single) => true,
            (Self::Several(one), Self::Several(other)) => {
                (&one.trees, &one.neighbors, &one.lans) == (&other.trees, &other.neighbors, &other.lans)
            }
            _ => false,
        }
    }
}

/// The possible next hops in the area, and the networks on which this router's links end.
fn neighbors(
    area: &AreaInputs<'_>,
    graph: &Graph<'_>,
    topology: &Topology,
    root: Vertex,
) -> (Vec<Neighbor>, BTreeMap<InterfaceId, Vertex>) {
    let mut neighbors = Vec::new();
    let mut lans = BTreeMap::new();
    let is_max = |from, to| topology.cost(from, to) == Some(MAX_LINK_METRIC);
    for &edge in graph.edges(root) {
        let link = graph.link(root, edge);
        let cost = edge.metric;
        for adjacency in area.adjacencies.iter().filter(|adjacency| adjacency.is_of(link)) {
            let interface = adjacency.interface;
            match adjacency.peer {
                Peer::Router { address, .. } => {
                    let avoided = cost == MAX_LINK_METRIC || is_max(edge.target, root);
                    let nexthop = Nexthop { interface, via: Some(address) };
                    neighbors.push(Neighbor { nexthop, router: edge.target, cost, avoided });
                }
                Peer::Network { .. } => {
                    let lan = edge.target;
                    lans.insert(interface, lan);
                    for router in graph.edges(lan).iter().map(|edge| edge.target).filter(|&router| router != root) {
                        let avoided = cost == MAX_LINK_METRIC || is_max(router, lan);
                        neighbors.extend(graph.addresses(router, lan).map(|address| {
                            let nexthop = Nexthop { interface, via: Some(address) };
                            Neighbor { nexthop, router, cost, avoided }
                        }));
                    }
                }
                Peer::Virtual(_) => {}
            }
        }
    }
    (neighbors, lans)
}

/// The places of the area's own networks (RFC 2328 §16.1).
fn networks(graph: &Graph<'_>, judge: &Judge<'_>) -> BTreeMap<Prefix, Vec<Place>> {
    let mut networks: BTreeMap<Prefix, Vec<Place>> = BTreeMap::new();
    for (vertex, node) in graph.vertices() {
        let Node::Network { id, originator, lsa } = node else { continue };
        if let Some(prefix) = network_prefix(id, lsa) {
            let guard = judge.is_guard(originator).then_some(originator);
            networks.entry(prefix).or_default().push(Place { guard, ..Place::of(vertex, 0) });
        }
    }
    for stub in graph.stubs() {
        networks.entry(stub.prefix).or_default().push(Place::of(stub.router, stub.metric.into()));
    }
    networks
}
