//! Where virtual links lead (RFC 2328 §15): the paths to their far ends through their transit areas. Not the links themselves.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::graph::Graph;
use super::inputs::VirtualEnd;
use super::spf::{FirstHop, Tree};
use crate::ids::InterfaceId;

/// The cost at which a virtual link is as good as down (RFC 2328 §15): its Router-LSA link has sixteen bits for it.
const INFINITY: u16 = u16::MAX;

/// Why a virtual link leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VirtualLinkObstacle {
    /// The transit area has no path to its far end, or none that is short enough.
    NoPath,
    /// There is a path, but the far end's Router-LSA in the transit area has no address to send packets to: all of its links there are
    /// unnumbered, and no host address of its own is in the area.
    NoAddress,
}

/// How the far end of a virtual link is reached at present. There is none while it is not: the link is down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VirtualPath {
    /// The cost of the path, and so of the link.
    pub(crate) cost: u16,
    /// The interface through which its packets leave: its address is ours on the link.
    pub(crate) interface: InterfaceId,
    /// The far end's address, where packets are sent.
    pub(crate) address: Ipv4Addr,
    /// All addresses that the far end has in the transit area: it sends from one of them.
    pub(crate) addresses: BTreeSet<Ipv4Addr>,
    /// First steps of the path, what is routed over the link goes by them.
    pub(super) first_hops: Vec<FirstHop>,
}

impl VirtualPath {
    /// The path through the area that `graph` and `tree` describe. RFC 2328 §15 wants the far end to be a border router: that is its own
    /// affair, and it says so later than it can be reached if it waits for the link itself.
    pub(super) fn through(graph: &Graph<'_>, tree: &Tree, end: VirtualEnd) -> Result<Self, VirtualLinkObstacle> {
        let far_end = graph.router(end.far_end).filter(|&vertex| vertex != tree.root());
        let distance = far_end.and_then(|vertex| Some((vertex, u16::try_from(tree.distance(vertex)?).ok()?)));
        let (far_end, cost) = distance.filter(|&(_, cost)| cost < INFINITY).ok_or(VirtualLinkObstacle::NoPath)?;
        let address = tree.address(graph, far_end).ok_or(VirtualLinkObstacle::NoAddress)?;
        let addresses = tree.addresses(graph, far_end);
        let first_hops = tree.first_hops(far_end).to_vec();
        let interface = first_hops.first().expect("a path has a first step").nexthop.interface;
        Ok(Self { cost, interface, address, addresses, first_hops })
    }
}
