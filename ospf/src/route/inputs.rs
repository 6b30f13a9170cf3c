//! What the calculation is given: databases, and what this router itself is attached to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::config::{External, Policy, Rfc1583Compatibility};
use crate::ids::{AreaId, InterfaceId, Prefix, RouterId};
use crate::lsdb::Lsdb;
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
    /// Which router is believed about which destination.
    pub(crate) policy: &'a Policy,
    /// How paths to AS boundary routers compare.
    pub(crate) rfc1583: Rfc1583Compatibility,
}

/// One area.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AreaInputs<'a> {
    /// Its number.
    pub(crate) area: AreaId,
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
