//! Intra-area routes (RFC 2328 §16.1): the networks and border routers in the shortest-path tree of each area.
//!
//! The caller keeps the result. It is used by every calculation of Summary-LSAs and AS-external-LSAs until a tree changes.

use std::cmp::Ordering;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::graph::{Graph, Node, Stub};
use super::inputs::{AreaInputs, Own, RouteInputs, VirtualEnd};
use super::partial::Destination;
use super::policy::{Judge, Verdict};
use super::spf::{FirstHop, Tree};
use super::standing::{Moved, RouterChange, Standing};
use super::table::Refused;
use super::virtual_link::{VirtualLinkObstacle, VirtualPath};
use crate::ids::{AreaId, LinkStateId, LsaKey, LsaType, Prefix, RouterId};
use crate::io::{Nexthop, RouteKind};
use crate::wire::{LsaBody, NetworkLsa, RouterFlags, RouterLinkKind};

/// Paths to networks and routers of the areas of this router.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct InternalRoutes {
    /// The best path to each network.
    pub(super) networks: BTreeMap<Prefix, Path>,
    /// The path to each border router, through each area (RFC 2328 §11: one entry for each area).
    pub(super) routers: BTreeMap<(RouterId, AreaId), RouterPath>,
    /// Addresses of this router itself: they are advertised into other areas, but no route leads there.
    pub(super) local: BTreeMap<Prefix, Local>,
    /// Areas with TransitCapability, through which virtual links run (RFC 2328 §6).
    pub(super) transit: BTreeSet<AreaId>,
    /// This router's virtual links whose far end is reachable.
    pub(super) virtual_links: BTreeMap<VirtualEnd, VirtualPath>,
    /// Why the other virtual links are down, if their transit area was examined.
    pub(super) obstacles: BTreeMap<VirtualEnd, VirtualLinkObstacle>,
    /// Paths that the policy refused.
    pub(super) refused: BTreeSet<Refused>,
    /// The tree of each area.
    trees: BTreeMap<AreaId, Standing>,
}

/// An address of this router in its Router-LSA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Local {
    pub(super) area: AreaId,
    pub(super) cost: u32,
}

/// A path to a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) kind: RouteKind,
    pub(super) area: AreaId,
    pub(super) cost: u32,
    /// Link State Origin (RFC 2328 §11), if that is a Network-LSA, by its Link State ID.
    pub(super) network: Option<LinkStateId>,
    pub(super) originators: BTreeSet<RouterId>,
    /// Sorted and without duplicates, at least one.
    pub(super) first_hops: Vec<FirstHop>,
}

/// A path to an area border or AS boundary router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RouterPath {
    pub(crate) kind: RouteKind,
    pub(crate) flags: RouterFlags,
    pub(crate) cost: u32,
    /// Sorted and without duplicates, at least one.
    pub(crate) first_hops: Vec<FirstHop>,
}

/// Runs the shortest-path calculation in each area.
pub(crate) fn calculate_internal(inputs: &RouteInputs<'_>) -> InternalRoutes {
    debug_assert!(inputs.areas.is_sorted_by_key(|area| area.area), "areas come in the order of their numbers");
    let mut calculation = Calculation::new(inputs, InternalRoutes::default());
    for area in in_order(inputs.areas) {
        calculation.area(area);
    }
    calculation.routes
}

impl InternalRoutes {
    /// The same as [`super::table::Calculation::survives`].
    pub(super) fn survives(&self, area: AreaId, change: &RouterChange<'_>) -> Option<BTreeSet<Prefix>> {
        self.trees.get(&area)?.survives(change)
    }

    /// The routers that the trees reach; some may occur in several areas.
    pub(super) fn reached(&self) -> impl Iterator<Item = RouterId> {
        self.trees.values().flat_map(Standing::reached)
    }

    /// Calculates the tree of an area again, and with it the paths to AS boundary routers. Returns the destinations whose paths have
    /// changed. Returns `None` if these are many, or if border routers are among them, on which all their Summary-LSAs depend.
    pub(super) fn replace_tree(
        &mut self,
        inputs: &RouteInputs<'_>,
        area: &AreaInputs<'_>,
    ) -> Option<BTreeSet<Destination>> {
        let before = self.trees.get(&area.area)?;
        let graph = Graph::new(area.lsdb, inputs.now);
        let root = graph.router(inputs.router_id)?;
        let tree = Tree::new(&graph, root, area.adjacencies, &self.virtual_links, &Judge::new(inputs.policy));
        let after = Standing::new(graph, tree);
        let Moved { networks, routers } = before.moved(&after)?;
        let mut moved = BTreeSet::new();
        for (id, advertising_router) in networks {
            let key = LsaKey { kind: LsaType::NETWORK, id, advertising_router };
            let LsaBody::Network(lsa) = area.lsdb.lookup(key)?.body() else { return None };
            moved.extend(network_prefix(id, lsa).map(Destination::Stub));
        }
        let mut boundary_routers = Vec::new();
        for router in routers {
            let id = LinkStateId(router.0);
            let entry = area.lsdb.lookup(LsaKey { kind: LsaType::ROUTER, id, advertising_router: router })?;
            let LsaBody::Router(lsa) = entry.body() else { return None };
            if lsa.flags.contains(RouterFlags::B) || lsa.flags.contains(RouterFlags::V) {
                return None;
            }
            moved.extend(lsa.stub_networks().map(Destination::Stub));
            if lsa.flags.contains(RouterFlags::E) {
                moved.insert(Destination::BoundaryRouter(router));
                boundary_routers.push((router, lsa.flags));
            }
        }
        for (router, flags) in boundary_routers {
            let key = (router, area.area);
            let vertex = after.router(router);
            match vertex.and_then(|vertex| Some((vertex, after.tree().distance(vertex)?))) {
                Some((vertex, cost)) => {
                    let first_hops = after.tree().first_hops(vertex).to_vec();
                    let path = RouterPath { kind: RouteKind::IntraArea, flags, cost, first_hops };
                    self.routers.insert(key, path);
                }
                None => _ = self.routers.remove(&key),
            }
        }
        self.trees.insert(area.area, after);
        Some(moved)
    }

    /// Calculates the paths to some networks again, with unchanged trees.
    pub(super) fn replace(&mut self, inputs: &RouteInputs<'_>, networks: &BTreeSet<Prefix>) {
        for prefix in networks {
            self.networks.remove(prefix);
            self.local.remove(prefix);
        }
        self.refused.retain(|refused| !networks.contains(&refused.prefix));
        let trees = std::mem::take(&mut self.trees);
        let mut calculation = Calculation::new(inputs, std::mem::take(self));
        for area in in_order(inputs.areas) {
            if let Some(tree) = trees.get(&area.area) {
                calculation.networks_again(area, tree, networks);
            }
        }
        *self = Self { trees, ..calculation.routes };
    }
}

/// The areas in the order of the calculation: the backbone comes last, because the paths of its virtual links are in the other areas
/// (RFC 2328 §16.1).
fn in_order<'a>(areas: &'a [AreaInputs<'a>]) -> impl Iterator<Item = &'a AreaInputs<'a>> {
    let (backbone, others): (Vec<_>, Vec<_>) = areas.iter().partition(|area| area.area == AreaId::BACKBONE);
    others.into_iter().chain(backbone)
}

struct Calculation<'a> {
    inputs: &'a RouteInputs<'a>,
    judge: Judge<'a>,
    own: Own,
    routes: InternalRoutes,
}

/// A path that a vertex provides, before the policy has decided.
struct Offer<'a> {
    prefix: Prefix,
    cost: u32,
    originator: RouterId,
    network: Option<LinkStateId>,
    first_hops: &'a [FirstHop],
}

impl<'a> Calculation<'a> {
    fn new(inputs: &'a RouteInputs<'a>, routes: InternalRoutes) -> Self {
        Self { inputs, judge: Judge::new(inputs.policy), own: Own::new(inputs.connected), routes }
    }

    fn area(&mut self, area: &AreaInputs<'_>) {
        let graph = Graph::new(area.lsdb, self.inputs.now);
        // RFC 2328 §16.1 (1): a router without a Router-LSA of its own is in no tree.
        let Some(root) = graph.router(self.inputs.router_id) else { return };
        let tree = Tree::new(&graph, root, area.adjacencies, &self.routes.virtual_links, &self.judge);
        self.first_stage(area.area, &graph, &tree);
        self.second_stage(area.area, &graph, &tree);
        for &end in self.inputs.virtual_links.iter().filter(|end| end.transit_area == area.area) {
            match VirtualPath::through(&graph, &tree, end) {
                Ok(path) => drop(self.routes.virtual_links.insert(end, path)),
                Err(obstacle) => drop(self.routes.obstacles.insert(end, obstacle)),
            }
        }
        self.routes.trees.insert(area.area, Standing::new(graph, tree));
    }

    /// Adds the networks and border routers of the tree (RFC 2328 §16.1 (4)).
    fn first_stage(&mut self, area: AreaId, graph: &Graph<'_>, tree: &Tree) {
        for (vertex, node) in graph.vertices() {
            let Some(cost) = tree.distance(vertex) else { continue };
            let first_hops = tree.first_hops(vertex);
            match node {
                Node::Router { id, lsa } => {
                    // RFC 2328 §16.1 (4): "set the area's TransitCapability to TRUE".
                    if lsa.flags.contains(RouterFlags::V) {
                        self.routes.transit.insert(area);
                    }
                    let border = lsa.flags.contains(RouterFlags::B) || lsa.flags.contains(RouterFlags::E);
                    if border && vertex != tree.root() {
                        let path = RouterPath {
                            kind: RouteKind::IntraArea,
                            flags: lsa.flags,
                            cost,
                            first_hops: first_hops.to_vec(),
                        };
                        self.routes.routers.insert((id, area), path);
                    }
                }
                Node::Network { id, originator, lsa } => {
                    let Some(prefix) = network_prefix(id, lsa) else { continue };
                    self.transit_network(area, Offer { prefix, cost, originator, network: Some(id), first_hops });
                }
            }
        }
    }

    fn transit_network(&mut self, area: AreaId, offer: Offer<'_>) {
        // The designated router originates the network, and is therefore the last router on the path.
        let mut first_hops = offer.first_hops.to_vec();
        if self.judge.is_guard(offer.originator) {
            first_hops.iter_mut().for_each(|first_hop| first_hop.last_guard = Some(offer.originator));
            first_hops.dedup();
        }
        debug_assert!(first_hops.is_sorted(), "one guard for all leaves the order of the next hops");
        self.offer(area, Offer { first_hops: &first_hops, ..offer });
    }

    /// Adds the stub networks of the routers in the tree (RFC 2328 §16.1, second stage).
    fn second_stage(&mut self, area: AreaId, graph: &Graph<'_>, tree: &Tree) {
        for &stub in graph.stubs() {
            let Node::Router { id: originator, .. } = graph.node(stub.router) else {
                unreachable!("stub networks belong to routers")
            };
            self.stub_network(area, originator, stub, tree);
        }
    }

    fn stub_network(&mut self, area: AreaId, originator: RouterId, stub: Stub, tree: &Tree) {
        let Stub { router, prefix, metric } = stub;
        let Some(distance) = tree.distance(router) else { return };
        let cost = distance.saturating_add(u32::from(metric));
        if router == tree.root() {
            // A network that no interface has any more is obsolete: the Router-LSA is about to be replaced.
            let last_guard = self.judge.is_guard(originator).then_some(originator);
            let first_hop = |interface| FirstHop { nexthop: Nexthop { interface, via: None }, last_guard };
            let first_hops: Vec<_> = self.own.interfaces(prefix).map(first_hop).collect();
            if self.own.is_here(prefix) {
                let local = self.routes.local.entry(prefix).or_insert(Local { area, cost });
                local.cost = local.cost.min(cost);
            } else if !first_hops.is_empty() {
                self.offer(area, Offer { prefix, cost, originator, network: None, first_hops: &first_hops });
            }
        } else {
            self.offer(area, Offer { prefix, cost, originator, network: None, first_hops: tree.first_hops(router) });
        }
    }

    /// Does both stages again for some networks only, with an unchanged tree.
    fn networks_again(&mut self, area: &AreaInputs<'_>, standing: &Standing, networks: &BTreeSet<Prefix>) {
        let (now, tree) = (self.inputs.now, standing.tree());
        for (id, entry, lsa) in area.lsdb.networks().filter(|(_, entry, _)| !entry.is_max_age(now)) {
            let originator = entry.key().advertising_router;
            let Some(prefix) = network_prefix(id, lsa).filter(|prefix| networks.contains(prefix)) else { continue };
            let Some(vertex) = standing.network(id, originator) else { continue };
            let Some(cost) = tree.distance(vertex) else { continue };
            let first_hops = tree.first_hops(vertex);
            self.transit_network(area.area, Offer { prefix, cost, originator, network: Some(id), first_hops });
        }
        for (originator, _, lsa) in area.lsdb.routers().filter(|(_, entry, _)| !entry.is_max_age(now)) {
            for link in lsa.links.iter().filter(|link| link.kind == RouterLinkKind::Stub) {
                let prefix = Prefix::from_mask(link.id, link.data).filter(|prefix| networks.contains(prefix));
                if let (Some(prefix), Some(router)) = (prefix, standing.router(originator)) {
                    let stub = Stub { router, prefix, metric: link.metric };
                    self.stub_network(area.area, originator, stub, tree);
                }
            }
        }
    }

    /// Lets a path compete if the policy accepts it: a refused path replaces no other.
    fn offer(&mut self, area: AreaId, offer: Offer<'_>) {
        let Offer { prefix, cost, originator, network, .. } = offer;
        debug_assert!(!offer.first_hops.is_empty(), "{prefix} is offered by a vertex in the tree");
        let verdict = self.judge.verdict(prefix);
        let own = &self.own;
        let accepted =
            |first_hop: &&FirstHop| verdict.allows(first_hop.last_guard) || is_own_network(own, prefix, first_hop);
        let mut first_hops = offer.first_hops.iter().filter(accepted).copied().peekable();
        if first_hops.peek().is_none() {
            self.routes.refused.extend(Refused::all(prefix, originator, verdict, offer.first_hops));
            return;
        }
        if own.is_here(prefix) {
            return;
        }
        let found = Path {
            kind: RouteKind::IntraArea,
            area,
            cost,
            network,
            originators: [originator].into(),
            first_hops: first_hops.collect(),
        };
        match self.routes.networks.entry(prefix) {
            Entry::Vacant(vacant) => {
                vacant.insert(found);
            }
            Entry::Occupied(mut known) => known.get_mut().compete(found),
        }
    }
}

impl Path {
    /// Keeps the better path, or merges equal ones.
    pub(super) fn compete(&mut self, found: Self) {
        match (found.cost.cmp(&self.cost), self.network, found.network) {
            (Ordering::Less, ..) => *self = found,
            (Ordering::Greater, ..) => {}
            // RFC 2328 §16.1 (4): of Network-LSAs for the same network at the same cost, only that with the largest Link State ID counts.
            (Ordering::Equal, Some(known), Some(new)) if known < new => *self = found,
            (Ordering::Equal, Some(_), Some(_)) => {}
            // RFC 2328 §16.1, second stage (3): if the costs are equal, the next hops are added.
            (Ordering::Equal, ..) => {
                self.network = self.network.or(found.network);
                self.originators.extend(found.originators);
                self.first_hops.extend(found.first_hops);
                self.first_hops.sort_unstable();
                self.first_hops.dedup();
            }
        }
    }
}

/// Whether the first hop ends on this router's own subnet: this is known locally, and needs no acceptance by the policy.
fn is_own_network(own: &Own, prefix: Prefix, first_hop: &FirstHop) -> bool {
    first_hop.nexthop.via.is_none() && own.is_attached(prefix, first_hop.nexthop.interface)
}

/// The network of a Network-LSA (RFC 2328 §16.1 (4)): Link State ID and mask; none if the mask is not contiguous.
///
/// RFC 6860 §2.2.2: nor if the mask is all ones, by which a designated router hides a network with routers only.
pub(super) fn network_prefix(id: LinkStateId, lsa: &NetworkLsa) -> Option<Prefix> {
    Prefix::from_mask(Ipv4Addr::from(id), lsa.network_mask).filter(|prefix| prefix.len() < 32)
}

impl Refused {
    /// The reports for a path none of whose first hops is accepted: one for each last guard.
    pub(super) fn all(
        prefix: Prefix,
        originator: RouterId,
        verdict: Verdict<'_>,
        first_hops: &[FirstHop],
    ) -> impl Iterator<Item = Self> {
        debug_assert!(!first_hops.iter().any(|first_hop| verdict.allows(first_hop.last_guard)), "{prefix} is accepted");
        first_hops.iter().map(move |first_hop| Self { prefix, originator, guard: verdict.blames(first_hop.last_guard) })
    }
}
