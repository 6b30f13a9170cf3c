//! The contents of our Router-LSA of an area (RFC 2328 §12.4.1).

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use crate::config::{AreaKind, ExternalRouting, NetworkType, TranslatorRole};
use crate::ids::{AreaId, Domain, LinkStateId, LsaKey, LsaPlace, LsaType, Prefix};
use crate::interface::send::IP_HEADER_LEN;
use crate::io::Addressing;
use crate::machine::interface::InterfaceState;
use crate::route::Border;
use crate::state::engine::Engine;
use crate::state::interface::{Interface, Link};
use crate::wire::{
    LINK_STATE_UPDATE_FIXED_LEN, LSA_HEADER_LEN, PACKET_HEADER_LEN, RouterFlags, RouterLink, RouterLinkKind, RouterLsa,
};

/// Octets reserved for the trailer of an authenticated packet: the longest digest, and room for extensions.
const TRAILER_ROOM: usize = 128;

/// The maximum number of links in a Router-LSA. It must fit in one Link State Update, whose length is a 16-bit number, like that of the IP
/// packet, which also contains the authentication trailer.
pub const MAX_ROUTER_LINKS: usize = (65_535
    - IP_HEADER_LEN
    - PACKET_HEADER_LEN
    - LINK_STATE_UPDATE_FIXED_LEN
    - LSA_HEADER_LEN
    - ROUTER_LSA_FIXED_LEN
    - TRAILER_ROOM)
    / ROUTER_LINK_LEN;

/// Octets of a Router-LSA between its header and its links, and of one link (§A.4.2).
const ROUTER_LSA_FIXED_LEN: usize = 4;
const ROUTER_LINK_LEN: usize = 12;

impl Engine {
    /// The place of our Router-LSA of an area.
    pub(crate) fn router_lsa_place(&self, area: AreaId) -> LsaPlace {
        let own = self.config.router_id;
        let key = LsaKey { kind: LsaType::ROUTER, id: LinkStateId(own.0), advertising_router: own };
        LsaPlace { domain: Domain::Area(area), key }
    }

    /// The present contents of our Router-LSA, with at most [`MAX_ROUTER_LINKS`] links.
    pub(crate) fn limited_router_lsa(&mut self, area: AreaId) -> RouterLsa {
        let RouterLsa { flags, mut links } = self.router_lsa(area);
        self.note_links(area, links.len());
        if links.len() > MAX_ROUTER_LINKS {
            // The router's own addresses, the last ones of the list, are kept: it must be reachable whatever else is left out.
            let own = self.config.loopbacks.get(&area).map_or(0, BTreeSet::len).min(MAX_ROUTER_LINKS);
            let own = links.split_off(links.len() - own);
            links.truncate(MAX_ROUTER_LINKS - own.len());
            links.extend(own);
        }
        RouterLsa { flags, links }
    }

    /// The present contents of our Router-LSA.
    fn router_lsa(&self, area: AreaId) -> RouterLsa {
        let flags = self.router_flags(area);
        let mut links = Vec::new();
        for interface in self.interfaces.values().filter(|interface| interface.config.area == area) {
            // "If the state of the interface is Down, no links are added."
            if let Some(link) = interface.link() {
                interface.add_links(link, &mut links);
                links.extend(interface.further_stubs(link));
            }
        }
        // "If the router ... belongs to the area itself as a host": the Link ID is the address, the Link Data all ones (§12.4.1.1 on
        // loopbacks).
        for &address in self.config.loopbacks.get(&area).into_iter().flatten() {
            links.push(host(address));
        }
        self.discourage_transit(&mut links);
        RouterLsa { flags, links }
    }
}

impl Engine {
    /// The flags of our Router-LSA (§A.4.2).
    pub(crate) fn router_flags(&self, area: AreaId) -> RouterFlags {
        let is_border = self.border() != Border::Inside;
        let kind = self.config.area_kind(area);
        let mut flags = RouterFlags::default();
        if is_border {
            flags = flags.with(RouterFlags::B);
        }
        // RFC 3101 §3.1: "All NSSA border routers must set the E-bit ..., even when they are not translating."
        let of_nssa = || self.areas().into_iter().any(|area| matches!(self.config.area_kind(area), AreaKind::Nssa(_)));
        let is_boundary =
            !self.config.externals.is_empty() || self.originates_opaque_as_scope() || (is_border && of_nssa());
        // "should never be set in a router-LSA for a stub area"
        if is_boundary && kind.external_routing() != ExternalRouting::None {
            flags = flags.with(RouterFlags::E);
        }
        // "an endpoint of one or more fully adjacent virtual links having the described area as Transit area"
        let mut through = self.interfaces.values().filter(
            |interface| matches!(interface.config.network, NetworkType::VirtualLink { transit_area, .. } if transit_area == area),
        );
        if through.any(|link| link.adjacent().next().is_some()) {
            flags = flags.with(RouterFlags::V);
        }
        // RFC 3101 §3.1: NSSATranslatorRole is Always.
        if is_border && matches!(kind, AreaKind::Nssa(nssa) if nssa.translator == TranslatorRole::Always) {
            flags = flags.with(RouterFlags::NT);
        }
        flags
    }
}

/// The Link Data of a link to a neighbour (§12.4.1.1): the interface's address or, if it is unnumbered, its MIB-II ifIndex.
pub(crate) fn link_data(interface: &Interface, link: &Link) -> Ipv4Addr {
    match link.addressing {
        // §12.4.1.3: "the interface's IP address", although it is an address of another area.
        Addressing::Unnumbered(address) if interface.is_virtual() => address,
        Addressing::Unnumbered(_) => Ipv4Addr::from(link.index),
        Addressing::Numbered { address, .. } => address,
    }
}

impl Interface {
    fn add_links(&self, link: &Link, links: &mut Vec<RouterLink>) {
        match (self.config.network, self.state) {
            (_, InterfaceState::Passive) => links.extend(self.stub(link)),
            // §12.4.1.1: a type 1 link if there is an adjacency, and the subnet, whatever the state of the neighbour (option 2).
            (NetworkType::PointToPoint, _) => {
                links.extend(self.to_routers(link, RouterLinkKind::PointToPoint));
                links.extend(self.stub(link));
            }
            // §12.4.1.2
            (NetworkType::Broadcast | NetworkType::NonBroadcast, _) => {
                links.extend(self.transit(link).or_else(|| self.stub(link)));
            }
            // §12.4.1.3
            (NetworkType::VirtualLink { .. }, _) => links.extend(self.to_routers(link, RouterLinkKind::Virtual)),
            // §12.4.1.4: "a Type 3 link (stub network)" to the interface's own address, and a type 1 link to each adjacent neighbour.
            (NetworkType::PointToMultipoint, _) => {
                // RFC 6860 §2: only routers have addresses there.
                if !self.config.hides_network() {
                    links.push(host(link.address()));
                }
                links.extend(self.to_routers(link, RouterLinkKind::PointToPoint));
            }
        }
    }

    /// Links to the adjacent neighbours: "If the neighboring router is fully adjacent".
    fn to_routers(&self, link: &Link, kind: RouterLinkKind) -> impl Iterator<Item = RouterLink> {
        self.adjacent().map(move |neighbor| RouterLink {
            kind,
            id: Ipv4Addr::from(neighbor.router_id),
            data: link_data(self, link),
            metric: self.cost(),
        })
    }

    /// The link to a transit network, if there is one: we are fully adjacent to its designated router, or are the designated router and
    /// have a fully adjacent neighbour.
    fn transit(&self, link: &Link) -> Option<RouterLink> {
        let router = self.transit_network(link)?;
        Some(RouterLink { kind: RouterLinkKind::Transit, id: router, data: link_data(self, link), metric: self.cost() })
    }

    /// The designated router's address, if the interface is on a transit network; `None` if its network is a stub network at present
    /// (§12.4.1.2).
    pub(crate) fn transit_network(&self, link: &Link) -> Option<Ipv4Addr> {
        let router = self.designated.router?;
        let mut full = self.adjacent();
        let is_transit = match self.state {
            InterfaceState::Dr => full.next().is_some(),
            InterfaceState::Backup | InterfaceState::DrOther => full.any(|neighbor| neighbor.address == router),
            // "If the state of the interface is Waiting, add a Type 3 link (stub network)".
            InterfaceState::Waiting | InterfaceState::Down | InterfaceState::Passive | InterfaceState::PointToPoint => {
                false
            }
        };
        debug_assert!(self.state != InterfaceState::Dr || router == link.address());
        is_transit.then_some(router)
    }

    /// The stub link for the subnet of a numbered interface.
    ///
    /// RFC 6860 §2.1: no link for a network with routers only, if it is to be hidden.
    fn stub(&self, link: &Link) -> Option<RouterLink> {
        if self.config.hides_network() {
            return None;
        }
        let subnet: Prefix = match link.addressing {
            Addressing::Unnumbered(_) => return None,
            Addressing::Numbered { subnet, .. } => subnet,
        };
        let (id, data) = (subnet.network(), subnet.netmask());
        Some(RouterLink { kind: RouterLinkKind::Stub, id, data, metric: self.cost() })
    }
}

impl Interface {
    /// Stub links for the further networks of an interface. RFC 6860 does not hide them, because there may be hosts.
    fn further_stubs(&self, link: &Link) -> impl Iterator<Item = RouterLink> {
        let networks: BTreeSet<Prefix> = self.config.further_addresses.values().copied().collect();
        let of_link = match link.addressing {
            Addressing::Numbered { subnet, .. } => Some(subnet),
            Addressing::Unnumbered(_) => None,
        };
        let metric = self.cost();
        networks.into_iter().filter(move |network| Some(*network) != of_link).map(move |network| RouterLink {
            kind: RouterLinkKind::Stub,
            id: network.network(),
            data: network.netmask(),
            metric,
        })
    }
}

/// The stub link for an address of this router: the Link ID is the address, the Link Data all ones, the cost 0.
fn host(address: Ipv4Addr) -> RouterLink {
    RouterLink { kind: RouterLinkKind::Stub, id: address, data: Ipv4Addr::BROADCAST, metric: 0 }
}
