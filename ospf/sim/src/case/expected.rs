//! Routes and neighbours in the terms of case files, so that expected and actual ones can be compared as sets.

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;

use ospf::{AreaId, NeighborState, Prefix, RouterId};

use super::file::{ExpectedEntry, NeighborEntry, RouteEntry, RouteKindEntry, StateEntry};

/// The routes and neighbours of a router, expected or actual.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Outcome {
    pub(super) routes: BTreeSet<CaseRoute>,
    pub(super) neighbors: BTreeSet<CaseNeighbor>,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CaseRoute {
    /// The destination.
    pub prefix: Prefix,
    /// The cost of the path.
    pub metric: u32,
    /// The kind of path.
    pub kind: CaseRouteKind,
    /// The next hops.
    pub hops: Hops,
}

/// The kinds of paths. It makes no difference whether an external path is from a Type-7 LSA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CaseRouteKind {
    /// Within an area.
    IntraArea,
    /// Through the backbone.
    InterArea,
    /// To an external destination, type 1.
    External1,
    /// To an external destination, type 2.
    External2,
}

/// The next hops of a route; empty if the destination is the router's own address or subnet.
pub type Hops = BTreeSet<Hop>;

/// A next hop.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hop {
    /// Name of the interface.
    pub interface: String,
    /// The neighbour's address; `None` if the destination is on this interface's own network.
    pub via: Option<Ipv4Addr>,
}

/// A neighbour.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CaseNeighbor {
    /// Name of the interface.
    pub interface: String,
    /// The interface's area.
    pub area: AreaId,
    /// The neighbour's Router ID.
    pub router_id: RouterId,
    /// The state of the adjacency.
    pub state: NeighborState,
}

impl CaseRoute {
    /// Whether this route, as a router has it, equals the `expected` one.
    ///
    /// The format describes a directly connected network in two ways: as a next hop without an address if other routers are on it
    /// (transit), and without any next hop if it is a stub network of the router itself.
    pub fn is(&self, expected: &Self) -> bool {
        let connected = |hops: &Hops| hops.iter().all(|hop| hop.via.is_none());
        let hops = self.hops == expected.hops || (expected.hops.is_empty() && connected(&self.hops));
        hops && (self.prefix, self.metric, self.kind) == (expected.prefix, expected.metric, expected.kind)
    }
}

impl From<&ExpectedEntry> for Outcome {
    fn from(entry: &ExpectedEntry) -> Self {
        Self {
            routes: entry.routes.iter().map(CaseRoute::from).collect(),
            neighbors: entry.neighbors.iter().map(CaseNeighbor::from).collect(),
        }
    }
}

impl From<&RouteEntry> for CaseRoute {
    fn from(entry: &RouteEntry) -> Self {
        let hops = entry.nexthops.iter().map(|hop| Hop { interface: hop.interface.clone(), via: hop.via });
        let kind = match entry.kind {
            RouteKindEntry::IntraArea => CaseRouteKind::IntraArea,
            RouteKindEntry::InterArea => CaseRouteKind::InterArea,
            RouteKindEntry::External1 => CaseRouteKind::External1,
            RouteKindEntry::External2 => CaseRouteKind::External2,
        };
        Self { prefix: entry.prefix.network(), metric: entry.metric, kind, hops: hops.collect() }
    }
}

impl From<&NeighborEntry> for CaseNeighbor {
    fn from(entry: &NeighborEntry) -> Self {
        let state = match entry.state {
            StateEntry::Down => NeighborState::Down,
            StateEntry::Attempt => NeighborState::Attempt,
            StateEntry::Init => NeighborState::Init,
            StateEntry::TwoWay => NeighborState::TwoWay,
            StateEntry::ExStart => NeighborState::ExStart,
            StateEntry::Exchange => NeighborState::Exchange,
            StateEntry::Loading => NeighborState::Loading,
            StateEntry::Full => NeighborState::Full,
        };
        let interface = entry.interface.clone();
        Self { interface, area: entry.area.into(), router_id: entry.router_id.into(), state }
    }
}

impl fmt::Display for CaseRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.prefix, self.kind, self.metric)?;
        if self.hops.is_empty() {
            return f.write_str(" own");
        }
        self.hops.iter().try_for_each(|Hop { interface, via }| match via {
            Some(via) => write!(f, " via {via}%{interface}"),
            None => write!(f, " on {interface}"),
        })
    }
}

impl fmt::Display for CaseRouteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IntraArea => "intra-area",
            Self::InterArea => "inter-area",
            Self::External1 => "external-1",
            Self::External2 => "external-2",
        })
    }
}

impl fmt::Display for CaseNeighbor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "neighbour {} on {} in area {}: {}", self.router_id, self.interface, self.area, self.state)
    }
}
