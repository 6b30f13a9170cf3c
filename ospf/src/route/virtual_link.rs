//! Where virtual links lead (RFC 2328 §15): the paths to their far ends through their transit areas. Not the links themselves.

use std::net::Ipv4Addr;

use super::graph::Graph;
use super::inputs::VirtualEnd;
use super::spf::{Leg, Tree};
use crate::ids::InterfaceId;

/// The cost at which a virtual link is as good as down (RFC 2328 §15): its Router-LSA link has sixteen bits for it.
const INFINITY: u16 = u16::MAX;

/// How the far end of a virtual link is reached at present. There is none while it is not: the link is down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VirtualPath {
    /// The cost of the path, and so of the link.
    pub(crate) cost: u16,
    /// The interface through which its packets leave: its address is ours on the link.
    pub(crate) interface: InterfaceId,
    /// The far end's address, where packets are sent.
    pub(crate) address: Ipv4Addr,
    /// First steps of the path, what is routed over the link goes by them.
    pub(super) legs: Vec<Leg>,
}

impl VirtualPath {
    /// The path through the area that `graph` and `tree` describe. RFC 2328 §15 wants the far end to be a border router: that is its own
    /// affair, and it says so later than it can be reached if it waits for the link itself.
    pub(super) fn through(graph: &Graph<'_>, tree: &Tree, end: VirtualEnd) -> Option<Self> {
        let far_end = graph.router(end.far_end).filter(|&vertex| vertex != tree.root())?;
        let cost = u16::try_from(tree.distance(far_end)?).ok().filter(|&cost| cost < INFINITY)?;
        let legs = tree.legs(far_end).to_vec();
        let address = tree.address(graph, far_end)?;
        let interface = legs.first().expect("a path has a first step").nexthop.interface;
        Some(Self { cost, interface, address, legs })
    }
}
