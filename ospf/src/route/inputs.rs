//! What the calculation is given: databases, and what this router itself is attached to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::config::{AreaKind, AreaRange, External, Policy, Rfc1583Compatibility};
use crate::ids::{AreaId, InterfaceId, Prefix, RouterId};
use crate::state::lsdb::Lsdb;
use crate::time::Instant;

/// Everything that routes are calculated from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RouteInputs<'a> {
    /// This router, the root of every tree.
    pub(crate) router_id: RouterId,
    /// The present time: LSAs at MaxAge are not used.
    pub(crate) now: Instant,
    /// The areas this router belongs to, in the order of their numbers.
    pub(crate) areas: &'a [AreaInputs<'a>],
    /// The database of AS scope.
    pub(crate) as_scope: &'a Lsdb,
    /// What this router is attached to itself.
    pub(crate) connected: &'a [Connected],
    /// What this router originates as AS-external-LSAs.
    pub(crate) own_externals: &'a BTreeMap<Prefix, External>,
    /// Of those the ones that stand for others within them: what falls into one and has no route of its own is discarded.
    pub(crate) aggregates: &'a BTreeMap<Prefix, External>,
    /// Whether this router is between areas.
    pub(crate) border: Border,
    /// Its virtual links, up or down.
    pub(crate) virtual_links: &'a BTreeSet<VirtualEnd>,
    /// Which router is believed about which destination.
    pub(crate) policy: &'a Policy,
    /// How paths to AS boundary routers compare.
    pub(crate) rfc1583: Rfc1583Compatibility,
}

/// Whether this router is an area border router, and what it takes the word of other border routers for (RFC 3509 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Border {
    /// It is none: it looks at the Summary-LSAs of all its areas.
    #[default]
    Inside,
    /// It is one, but has no neighbour in the backbone: it looks at those of all its areas, too.
    WithoutBackbone,
    /// It is one, and looks at the backbone's alone.
    WithBackbone,
}

/// A virtual link of this router (RFC 2328 §15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct VirtualEnd {
    /// The area it runs through.
    pub(crate) transit_area: AreaId,
    /// The router at its other end.
    pub(crate) far_end: RouterId,
}

/// One area.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AreaInputs<'a> {
    /// Its number.
    pub(crate) area: AreaId,
    /// Its kind.
    pub(crate) kind: &'a AreaKind,
    /// Its address ranges.
    pub(crate) ranges: &'a BTreeMap<Prefix, AreaRange>,
    /// Its database. It holds this router's own Router-LSA, or there are no routes through the area.
    pub(crate) lsdb: &'a Lsdb,
    /// Where this router's own links of the area lead at present. A link of its Router-LSA that is not among these is not used.
    pub(crate) adjacencies: &'a [Adjacency],
}

/// One of this router's own links into an area, as its interface knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Adjacency {
    /// The way out.
    pub(crate) interface: InterfaceId,
    /// Link Data of the link in our Router-LSA: own address or, unnumbered, interface index (RFC 2328 §12.4.1).
    pub(crate) link_data: Ipv4Addr,
    /// What is at the other end.
    pub(crate) peer: Peer,
}

/// The other end of an own link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A fully adjacent neighbour on a point-to-point link.
    Router {
        /// Who.
        router_id: RouterId,
        /// Source address of its packets: the next hop, also on unnumbered links.
        address: Ipv4Addr,
    },
    /// A transit network.
    Network {
        /// The designated router's address on it.
        designated_router: Ipv4Addr,
    },
    /// A fully adjacent neighbour on a virtual link. The way out is that of the path through the transit area (§16.1.1), and
    /// [`Adjacency::interface`] the virtual one.
    Virtual(VirtualEnd),
}

/// A destination that this router has itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Connected {
    /// The interface's subnet, or a single address of the router's own.
    pub(crate) prefix: Prefix,
    /// The router's own address in it.
    pub(crate) address: Ipv4Addr,
    /// Where it is; `None` = the router itself, a loopback: no route ever leads there.
    pub(crate) interface: Option<InterfaceId>,
}

/// [`RouteInputs::connected`], sorted for questions.
#[derive(Debug)]
pub(super) struct Own {
    prefixes: BTreeSet<(Prefix, Option<InterfaceId>)>,
    addresses: BTreeSet<Ipv4Addr>,
}

impl Own {
    pub(super) fn new(connected: &[Connected]) -> Self {
        Self {
            prefixes: connected.iter().map(|own| (own.prefix, own.interface)).collect(),
            addresses: connected.iter().map(|own| own.address).collect(),
        }
    }

    /// Whether `prefix` is an address of the router itself, so that no route may lead anywhere else.
    pub(super) fn is_here(&self, prefix: Prefix) -> bool {
        self.prefixes.contains(&(prefix, None))
    }

    /// Whether `address` is one of the router's own.
    pub(super) fn has_address(&self, address: Ipv4Addr) -> bool {
        self.addresses.contains(&address)
    }

    /// Whether `prefix` is the subnet of `interface`.
    pub(super) fn is_attached(&self, prefix: Prefix, interface: InterfaceId) -> bool {
        self.prefixes.contains(&(prefix, Some(interface)))
    }

    /// The interfaces whose subnet is `prefix`, in order.
    pub(super) fn interfaces(&self, prefix: Prefix) -> impl Iterator<Item = InterfaceId> {
        let [from, to] = [InterfaceId(u32::MIN), InterfaceId(u32::MAX)];
        self.prefixes.range((prefix, Some(from))..=(prefix, Some(to))).filter_map(|&(_, interface)| interface)
    }
}
