//! The endpoints of virtual links (RFC 2328 §15): the paths to the far ends through the transit areas. The links themselves are elsewhere.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::graph::Graph;
use super::inputs::VirtualEnd;
use super::spf::{FirstHop, Tree};
use crate::ids::InterfaceId;

/// The cost at which a virtual link counts as down (RFC 2328 §15): its link in the Router-LSA has a 16-bit metric.
const INFINITY: u16 = u16::MAX;

/// Why a virtual link is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VirtualLinkObstacle {
    /// The transit area has no path to the far end, or its cost is too large.
    NoPath,
    /// There is a path, but the far end's Router-LSA of the transit area contains no address to send packets to: all of its links are
    /// unnumbered, and it has no host route.
    NoAddress,
}

/// The path to the far end of a virtual link. If there is none, the link is down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VirtualPath {
    /// The cost of the path, which is the cost of the link.
    pub(crate) cost: u16,
    /// The outgoing interface of the link's packets; its address is our address on the link.
    pub(crate) interface: InterfaceId,
    /// The far end's address, to which packets are sent.
    pub(crate) address: Ipv4Addr,
    /// All addresses of the far end in the transit area; it sends from one of them.
    pub(crate) addresses: BTreeSet<Ipv4Addr>,
    /// The first hops of the path, which are those of routes over the link.
    pub(super) first_hops: Vec<FirstHop>,
}

impl VirtualPath {
    /// The path through the area of `graph` and `tree`. RFC 2328 §15 requires the far end to be an area border router. This is not checked
    /// here, because a far end that waits for this link sets its B-bit only after it has become reachable.
    pub(super) fn through(graph: &Graph<'_>, tree: &Tree, end: VirtualEnd) -> Result<Self, VirtualLinkObstacle> {
        let far_end = graph.router(end.far_end).filter(|&vertex| vertex != tree.root());
        let distance = far_end.and_then(|vertex| Some((vertex, u16::try_from(tree.distance(vertex)?).ok()?)));
        let (far_end, cost) = distance.filter(|&(_, cost)| cost < INFINITY).ok_or(VirtualLinkObstacle::NoPath)?;
        let address = tree.address(graph, far_end).ok_or(VirtualLinkObstacle::NoAddress)?;
        let addresses = tree.addresses(graph, far_end);
        let first_hops = tree.first_hops(far_end).to_vec();
        let interface = first_hops.first().expect("a path has a first hop").nexthop.interface;
        Ok(Self { cost, interface, address, addresses, first_hops })
    }
}
