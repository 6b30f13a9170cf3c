//! Routes as the engine puts them out (RFC 2328 §11).

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use crate::ids::{AreaId, InterfaceId, RouterId};

/// A routing table entry (RFC 2328 §11) for a network.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Route {
    /// Path type.
    pub kind: RouteKind,
    /// The area of the path; for external routes, the area of the path to the ASBR.
    pub area: AreaId,
    /// Cost; for external type 2, the type 2 metric only.
    pub metric: u32,
    /// The routers that originate the destination on the chosen paths.
    pub originators: BTreeSet<RouterId>,
    /// Next hops of equal cost. The set is empty for an area address range of ours: packets to destinations in the range that have no route
    /// of their own are discarded (RFC 2328 §11.1).
    pub nexthops: BTreeSet<Nexthop>,
    /// External Route Tag; 0 for destinations inside the AS.
    pub tag: u32,
}

impl Route {
    /// Whether packets are discarded: an area address range of ours in which no more specific route matches (RFC 2328 §11.1).
    pub fn is_discard(&self) -> bool {
        self.nexthops.is_empty()
    }
}

/// Path types in order of preference (RFC 2328 §11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum RouteKind {
    /// To a destination in one of this router's areas.
    IntraArea,
    /// To a destination in another area.
    InterArea,
    /// To a destination outside the AS, with a type 1 metric.
    External1,
    /// To a destination outside the AS, with a type 2 metric.
    External2,
}

/// A next hop of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Nexthop {
    /// Outgoing interface.
    pub interface: InterfaceId,
    /// The neighbour's address; `None` = the destination is on this interface's own network.
    pub via: Option<Ipv4Addr>,
}
