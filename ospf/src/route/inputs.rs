//! The inputs of the calculation: the databases, and the links of this router.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::config::{AreaKind, AreaRange, External, Policy, Rfc1583Compatibility};
use crate::ids::{AreaId, InterfaceId, Prefix, RouterId};
use crate::state::lsdb::Lsdb;
use crate::time::Instant;
use crate::wire::{RouterLink, RouterLinkKind};

/// Everything that routes are calculated from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RouteInputs<'a> {
    /// This router, the root of every shortest-path tree.
    pub(crate) router_id: RouterId,
    /// The present time: LSAs at MaxAge are not used.
    pub(crate) now: Instant,
    /// The areas of this router, in the order of their Area IDs.
    pub(crate) areas: &'a [AreaInputs<'a>],
    /// The database of AS scope.
    pub(crate) as_scope: &'a Lsdb,
    /// The networks and addresses that are connected to this router.
    pub(crate) connected: &'a [Connected],
    /// The destinations for which this router originates AS-external-LSAs.
    pub(crate) own_externals: &'a BTreeMap<Prefix, External>,
    /// The aggregates that this router originates for other external destinations. Packets to destinations in an aggregate that have no
    /// route of their own are discarded.
    pub(crate) aggregates: &'a BTreeMap<Prefix, External>,
    /// Whether this router is an area border router.
    pub(crate) border: Border,
    /// The virtual links of this router, up or down.
    pub(crate) virtual_links: &'a BTreeSet<VirtualEnd>,
    /// The policy that decides which paths are accepted.
    pub(crate) policy: &'a Policy,
    /// How paths to AS boundary routers are compared.
    pub(crate) rfc1583: Rfc1583Compatibility,
}

/// Whether this router is an area border router, and which Summary-LSAs it examines (RFC 3509 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Border {
    /// It is not: it examines the Summary-LSAs of all its areas.
    #[default]
    Inside,
    /// It is one, but has no neighbour in the backbone: it examines the Summary-LSAs of all its areas, too.
    WithoutBackbone,
    /// It is one, and examines only the Summary-LSAs of the backbone.
    WithBackbone,
}

/// A virtual link of this router (RFC 2328 §15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct VirtualEnd {
    /// The transit area.
    pub(crate) transit_area: AreaId,
    /// The router at the other end.
    pub(crate) far_end: RouterId,
}

/// The inputs of one area.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AreaInputs<'a> {
    /// The Area ID.
    pub(crate) area: AreaId,
    /// The kind of the area.
    pub(crate) kind: &'a AreaKind,
    /// The area address ranges.
    pub(crate) ranges: &'a BTreeMap<Prefix, AreaRange>,
    /// The area's database. Without this router's own Router-LSA in it, there are no routes through the area.
    pub(crate) lsdb: &'a Lsdb,
    /// The present other ends of this router's links in the area. A link of its Router-LSA that is not among them is not used.
    pub(crate) adjacencies: &'a [Adjacency],
}

/// A link of this router into an area, as known from its interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Adjacency {
    /// The outgoing interface.
    pub(crate) interface: InterfaceId,
    /// Link Data of the link in our Router-LSA: our address or, if unnumbered, the interface index (RFC 2328 §12.4.1).
    pub(crate) link_data: Ipv4Addr,
    /// The other end of the link.
    pub(crate) peer: Peer,
}

impl Adjacency {
    /// Whether this is the other end of a link of this router's Router-LSA, which is no virtual link.
    pub(super) fn is_of(&self, link: RouterLink) -> bool {
        let same_data = self.link_data == link.data;
        match self.peer {
            Peer::Router { router_id, .. } => {
                same_data && link.kind == RouterLinkKind::PointToPoint && router_id == RouterId::from(link.id)
            }
            Peer::Network { designated_router } => {
                same_data && link.kind == RouterLinkKind::Transit && designated_router == link.id
            }
            Peer::Virtual(_) => false,
        }
    }
}

/// The other end of a link of this router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A fully adjacent neighbour on a point-to-point link.
    Router {
        /// The neighbour's Router ID.
        router_id: RouterId,
        /// Source address of its packets, which is the next hop, also on unnumbered links.
        address: Ipv4Addr,
    },
    /// A transit network.
    Network {
        /// The designated router's address on it.
        designated_router: Ipv4Addr,
    },
    /// A fully adjacent neighbour on a virtual link. The outgoing interface is that of the path through the transit area (§16.1.1);
    /// [`Adjacency::interface`] is the virtual interface.
    Virtual(VirtualEnd),
}

/// A network or an address that is connected to this router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Connected {
    /// The interface's subnet, or a single address of this router.
    pub(crate) prefix: Prefix,
    /// This router's address in it.
    pub(crate) address: Ipv4Addr,
    /// The interface; `None` for an address of the router itself, such as a loopback address: no route leads there.
    pub(crate) interface: Option<InterfaceId>,
}

/// [`RouteInputs::connected`], sorted for look-ups.
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

    /// Whether `prefix` is an address of this router, so that no route may lead to another router.
    pub(super) fn is_here(&self, prefix: Prefix) -> bool {
        self.prefixes.contains(&(prefix, None))
    }

    /// Whether `address` is an address of this router.
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
