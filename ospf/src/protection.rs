//! Loop-free alternates of a route (RFC 5286), as the engine puts them out.

use std::collections::BTreeMap;

use crate::ids::RouterId;
use crate::routes::Nexthop;

/// How the route to a destination is protected against the failure of its next hops.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Protection {
    /// For each next hop of the route: where packets go when that one fails.
    pub nexthops: BTreeMap<Nexthop, Result<Alternate, Unprotected>>,
    /// Where packets go when all next hops of the route fail together; `None` if there is no such way. For a route with one next hop it is
    /// that one's alternate.
    pub backup: Option<Alternate>,
}

/// A next hop that may be used at once when another one fails: no packet comes back from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Alternate {
    /// The next hop.
    pub nexthop: Nexthop,
    /// The neighbour that it leads to.
    pub router_id: RouterId,
    /// The cost of the path by this neighbour; for an external type 2 destination, the cost inside the AS.
    pub metric: u32,
    /// Whether it is a next hop of the route itself, of equal cost.
    pub equal_cost: bool,
    /// Whether the path avoids the link of the next hop that it protects.
    pub link_protecting: bool,
    /// Whether the path avoids the router behind that link (RFC 5286 §3.2, inequality 3). It is `false` where that router is the
    /// destination: nothing protects from its failure.
    pub node_protecting: bool,
    /// Whether the neighbour is nearer to the destination than this router (inequality 2). Then no loop forms even if several routers use
    /// their alternates at the same time.
    pub downstream: bool,
}

/// Why there is no alternate for a next hop: the nearest reason, of all neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Unprotected {
    /// This router has no other neighbour in the area.
    NoOtherNeighbor,
    /// The link to each other neighbour has cost 65535 in one direction (RFC 5286 §3.5): this router or the neighbour does not want
    /// transit traffic.
    MaxLinkMetric,
    /// No other neighbour has a path to the destination, or not one that is known here.
    NoOtherPath,
    /// Each other neighbour that has a path may send the packet back to this router.
    NotLoopFree,
    /// Each neighbour that would not send the packet back may send it by what has failed.
    SameFate,
    /// Each other path ends at a router that is not accepted as origin of the destination.
    Refused,
    /// There are virtual links in the area: loops could form (RFC 5286 §6.3).
    VirtualLinks,
    /// The route does not use a link of the area that it was calculated for.
    OtherArea,
}
