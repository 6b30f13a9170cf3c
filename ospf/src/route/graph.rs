//! The link state database of one area as a graph (RFC 2328 §16.1), with numbered vertices and only such edges as both ends describe.
//!
//! It is built from LSAs and has no root. All networks are numbered before all routers, each in the order of their identifiers, so that
//! "networks first" among equal distances (§16.1 (3)) is the order of the numbers.

use std::net::Ipv4Addr;

use crate::ids::{LinkStateId, Prefix, RouterId};
use crate::state::lsdb::Lsdb;
use crate::time::Instant;
use crate::wire::{NetworkLsa, RouterLink, RouterLinkKind, RouterLsa};

/// The number of a vertex in its graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Vertex(pub(super) u32);

/// What a vertex represents.
#[derive(Debug, Clone, Copy)]
pub(super) enum Node<'a> {
    /// A transit network, identified by its designated router's address.
    Network { id: LinkStateId, originator: RouterId, lsa: &'a NetworkLsa },
    /// A router.
    Router { id: RouterId, lsa: &'a RouterLsa },
}

/// A directed edge. The edge in the other direction exists too, with its own metric.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    pub(super) target: Vertex,
    /// 0 from a network to a router.
    pub(super) metric: u16,
    /// Index of the link in the source's Router-LSA; unused in edges from networks.
    link: u16,
}

/// A stub network (link type 3) of a router.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stub {
    pub(super) router: Vertex,
    pub(super) prefix: Prefix,
    pub(super) metric: u16,
}

/// The maximum number of Network-LSAs with the same Link State ID that are used, so that the number of edges is not quadratic in the number
/// of LSAs.
const MAX_CLAIMS: usize = 16;

/// The graph of an area.
#[derive(Debug)]
pub(super) struct Graph<'a> {
    nodes: Vec<Node<'a>>,
    /// The number of networks, which is the number of the first router.
    first_router: u32,
    /// The identifiers of the routers in order, in one place for a fast search.
    router_ids: Vec<RouterId>,
    /// Edges of vertex v: `edges[first_edge[v]..first_edge[v + 1]]`.
    first_edge: Vec<u32>,
    edges: Vec<Edge>,
    stubs: Vec<Stub>,
}

impl<'a> Graph<'a> {
    /// Builds the graph from the Router-LSAs and Network-LSAs that are not at MaxAge at `now` (§16.1 (2)(b)).
    pub(super) fn new(lsdb: &'a Lsdb, now: Instant) -> Self {
        let mut nodes: Vec<Node<'a>> = lsdb
            .networks()
            .filter(|(_, entry, _)| !entry.is_max_age(now))
            .map(|(id, entry, lsa)| Node::Network { id, originator: entry.key().advertising_router, lsa })
            .collect();
        let first_router = number(nodes.len());
        let routers = lsdb.routers().filter(|(_, entry, _)| !entry.is_max_age(now));
        nodes.extend(routers.map(|(id, _, lsa)| Node::Router { id, lsa }));
        let router_ids: Vec<_> = nodes.iter().filter_map(Node::router_id).collect();
        debug_assert!(router_ids.is_sorted(), "the search for a router needs their order");
        let mut graph = Self {
            first_edge: Vec::with_capacity(nodes.len() + 1),
            nodes,
            first_router,
            router_ids,
            edges: Vec::new(),
            stubs: Vec::new(),
        };
        graph.read_links();
        graph.drop_one_way_edges();
        graph
    }

    /// Number of vertices.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn node(&self, vertex: Vertex) -> Node<'a> {
        self.nodes[vertex.index()]
    }

    /// All vertices, networks first.
    pub(super) fn vertices(&self) -> impl Iterator<Item = (Vertex, Node<'a>)> {
        (0..).map(Vertex).zip(self.nodes.iter().copied())
    }

    /// The identifiers of all networks and of all routers, in the order of their numbers.
    pub(super) fn into_names(self) -> (Vec<(LinkStateId, RouterId)>, Vec<RouterId>) {
        let networks = self.nodes.iter().filter_map(|node| match node {
            Node::Network { id, originator, .. } => Some((*id, *originator)),
            Node::Router { .. } => None,
        });
        (networks.collect(), self.router_ids)
    }

    /// The vertex of a router that has a Router-LSA.
    pub(super) fn router(&self, id: RouterId) -> Option<Vertex> {
        let index = self.router_ids.binary_search(&id).ok()?;
        Some(Vertex(self.first_router + number(index)))
    }

    pub(super) fn edges(&self, vertex: Vertex) -> &[Edge] {
        let [from, to] = [self.first_edge[vertex.index()], self.first_edge[vertex.index() + 1]];
        &self.edges[from as usize..to as usize]
    }

    /// The link from which an edge of router `source` was built.
    pub(super) fn link(&self, source: Vertex, edge: Edge) -> RouterLink {
        match self.node(source) {
            Node::Router { lsa, .. } => lsa.links[usize::from(edge.link)],
            Node::Network { .. } => unreachable!("only edges of routers have links"),
        }
    }

    /// The router's addresses on a network: the Link Data of its links to it (§16.1.1).
    pub(super) fn addresses(&self, router: Vertex, network: Vertex) -> impl Iterator<Item = Ipv4Addr> {
        debug_assert!(router.0 >= self.first_router && network.0 < self.first_router);
        let edges = self.edges(router).iter().filter(move |edge| edge.target == network);
        edges.map(move |&edge| self.link(router, edge).data)
    }

    /// All addresses in a router's links: first those of its host routes, then those of its interfaces.
    pub(super) fn own_addresses(&self, router: Vertex) -> impl Iterator<Item = Ipv4Addr> {
        let links = match self.node(router) {
            Node::Router { lsa, .. } => lsa.links.as_slice(),
            Node::Network { .. } => &[],
        };
        let hosts = links.iter().filter(|link| link.kind == RouterLinkKind::Stub && link.data == Ipv4Addr::BROADCAST);
        let interfaces =
            links.iter().filter(|link| matches!(link.kind, RouterLinkKind::PointToPoint | RouterLinkKind::Transit));
        hosts.map(|link| link.id).chain(interfaces.map(|link| link.data))
    }

    /// The stub networks, by router, without those whose mask is not contiguous.
    pub(super) fn stubs(&self) -> &[Stub] {
        &self.stubs
    }

    /// Builds edges and stub networks from all LSAs, including one-way edges.
    fn read_links(&mut self) {
        // There is at most one edge or stub for each link, so that the memory is allocated only once.
        let links = self.nodes.iter().map(|node| match node {
            Node::Network { lsa, .. } => lsa.attached_routers.len(),
            Node::Router { lsa, .. } => lsa.links.len(),
        });
        self.edges.reserve_exact(links.sum());
        self.stubs.reserve(self.nodes.len());
        for index in 0..self.nodes.len() {
            self.first_edge.push(number(self.edges.len()));
            match self.nodes[index] {
                Node::Network { lsa, .. } => self.read_network(lsa),
                Node::Router { lsa, .. } => self.read_router(Vertex(number(index)), lsa),
            }
        }
        self.first_edge.push(number(self.edges.len()));
    }

    fn read_network(&mut self, lsa: &NetworkLsa) {
        let mut search = Search::default();
        for &router in &lsa.attached_routers {
            if let Some(target) = search.router(self, router) {
                // RFC 2328 §2.1: the cost from a network to a router is 0.
                self.edges.push(Edge { target, metric: 0, link: 0 });
            }
        }
    }

    fn read_router(&mut self, source: Vertex, lsa: &RouterLsa) {
        let mut search = Search::default();
        for (link, index) in lsa.links.iter().zip(0..=u16::MAX) {
            match link.kind {
                // RFC 2328 §16.1: in the backbone "virtual links ... are treated as" point-to-point links.
                RouterLinkKind::PointToPoint | RouterLinkKind::Virtual => {
                    let target = search.router(self, RouterId::from(link.id));
                    if let Some(target) = target.filter(|&target| target != source) {
                        self.edges.push(Edge { target, metric: link.metric, link: index });
                    }
                }
                RouterLinkKind::Transit => {
                    // Two routers may claim the same address for a while (§12.4.2): the link back shows which network is meant.
                    for target in self.networks(LinkStateId::from(link.id)) {
                        self.edges.push(Edge { target: Vertex(target), metric: link.metric, link: index });
                    }
                }
                RouterLinkKind::Stub => {
                    if let Some(prefix) = Prefix::from_mask(link.id, link.data) {
                        self.stubs.push(Stub { router: source, prefix, metric: link.metric });
                    }
                }
                RouterLinkKind::Unknown(_) => {}
            }
        }
    }

    /// The numbers of the networks with this designated router's address.
    fn networks(&self, id: LinkStateId) -> std::ops::Range<u32> {
        let networks = &self.nodes[..self.first_router as usize];
        let from = networks.partition_point(|node| node.network_id() < Some(id));
        let claims = networks[from..].iter().take(MAX_CLAIMS);
        let to = from + claims.take_while(|node| node.network_id() == Some(id)).count();
        number(from)..number(to)
    }

    /// Removes edges whose other end has no link back (RFC 2328 §16.1 (2)(b)).
    ///
    /// It takes time linear in the number of edges: sources are first grouped by target, then each vertex marks those that have an edge to
    /// it.
    fn drop_one_way_edges(&mut self) {
        let mut first_source = vec![0_u32; self.nodes.len() + 1];
        for edge in &self.edges {
            first_source[edge.target.index() + 1] += 1;
        }
        for index in 1..first_source.len() {
            first_source[index] += first_source[index - 1];
        }
        let mut sources = vec![0_u32; self.edges.len()];
        let mut next = first_source.clone();
        for source in 0..number(self.nodes.len()) {
            for edge in self.edges(Vertex(source)) {
                let slot = &mut next[edge.target.index()];
                sources[*slot as usize] = source;
                *slot += 1;
            }
        }
        debug_assert_eq!(next[..self.nodes.len()], first_source[1..], "each edge has its place");

        const NOBODY: u32 = u32::MAX;
        let mut named_by = vec![NOBODY; self.nodes.len()];
        let mut kept = 0;
        for vertex in 0..self.nodes.len() {
            let [from, to] = [first_source[vertex] as usize, first_source[vertex + 1] as usize];
            for &source in &sources[from..to] {
                named_by[source as usize] = number(vertex);
            }
            let [from, to] = [self.first_edge[vertex] as usize, self.first_edge[vertex + 1] as usize];
            self.first_edge[vertex] = number(kept);
            for index in from..to {
                let edge = self.edges[index];
                if named_by[edge.target.index()] == number(vertex) {
                    self.edges[kept] = edge;
                    kept += 1;
                }
            }
        }
        self.edges.truncate(kept);
        self.first_edge[self.nodes.len()] = number(kept);
    }
}

impl Vertex {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

impl Node<'_> {
    fn router_id(&self) -> Option<RouterId> {
        match self {
            Self::Router { id, .. } => Some(*id),
            Self::Network { .. } => None,
        }
    }

    fn network_id(&self) -> Option<LinkStateId> {
        match self {
            Self::Network { id, .. } => Some(*id),
            Self::Router { .. } => None,
        }
    }
}

/// Finds routers one after the other. It is fast if they come in order, as in most LSAs.
#[derive(Default)]
struct Search {
    /// Index after the last router found.
    next: usize,
}

impl Search {
    fn router(&mut self, graph: &Graph<'_>, id: RouterId) -> Option<Vertex> {
        let index = match graph.router_ids.get(self.next) {
            Some(&next) if next == id => self.next,
            _ => graph.router_ids.binary_search(&id).ok()?,
        };
        self.next = index + 1;
        Some(Vertex(graph.first_router + number(index)))
    }
}

/// A count or an index of vertices or edges. The LSAs of one area contain fewer than 2³² of either.
fn number(count: usize) -> u32 {
    u32::try_from(count).expect("fewer than 2^32 vertices and edges")
}
