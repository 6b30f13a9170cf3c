//! What our Router-LSA says of an area (RFC 2328 §12.4.1), for interfaces without a designated router.

use std::net::Ipv4Addr;

use crate::area::ExternalRouting;
use crate::databases::{Domain, LsaPlace};
use crate::engine::Engine;
use crate::event::NeighborState;
use crate::ids::{AreaId, LinkStateId, LsaKey, LsaType, Prefix};
use crate::interface::{Interface, InterfaceState, Link};
use crate::io::Addressing;
use crate::wire::{LSA_HEADER_LEN, RouterFlags, RouterLink, RouterLinkKind, RouterLsa};

/// The most links that a Router-LSA has: it goes in one Link State Update, whose length is a 16-bit number, like that of the IP packet.
const MAX_LINKS: usize = (65_535 - 20 - 24 - 4 - LSA_HEADER_LEN - 4) / 12;

impl Engine {
    /// Where our Router-LSA of an area is.
    pub(crate) fn router_lsa_place(&self, area: AreaId) -> LsaPlace {
        let own = self.config.router_id;
        let key = LsaKey { kind: LsaType::ROUTER, id: LinkStateId(own.0), advertising_router: own };
        LsaPlace { domain: Domain::Area(area), key }
    }

    /// Its contents at present.
    pub(crate) fn router_lsa(&self, area: AreaId) -> RouterLsa {
        let mut flags = RouterFlags::default();
        // §A.4.2: "should never be set in a router-LSA for a stub area".
        let is_stub = self.config.area_kind(area).external_routing() == ExternalRouting::None;
        if !self.config.externals.is_empty() && !is_stub {
            flags = flags.with(RouterFlags::E);
        }
        let mut links = Vec::new();
        for interface in self.interfaces.values().filter(|interface| interface.config.area == area) {
            match &interface.state {
                // "If the state of the interface is Down, no links are added."
                InterfaceState::Down => {}
                InterfaceState::Passive(link) => links.extend(stub(interface, link)),
                InterfaceState::PointToPoint(link) => {
                    links.extend(point_to_point(interface, link));
                    links.extend(stub(interface, link));
                }
            }
        }
        // "If the router ... belongs to the area itself as a host": Link ID the address, Link Data all ones (§12.4.1.1 on loopbacks).
        for &address in self.config.loopbacks.get(&area).into_iter().flatten() {
            links.push(RouterLink { kind: RouterLinkKind::Stub, id: address, data: Ipv4Addr::BROADCAST, metric: 0 });
        }
        self.discourage_transit(&mut links);
        links.truncate(MAX_LINKS);
        RouterLsa { flags, links }
    }
}

/// Link Data of a link to a neighbour (§12.4.1.1): the interface's address or, unnumbered, its MIB-II ifIndex.
pub(crate) fn link_data(link: &Link) -> Ipv4Addr {
    match link.addressing {
        Addressing::Unnumbered(_) => Ipv4Addr::from(link.index),
        Addressing::Numbered { address, .. } => address,
    }
}

/// "If the neighboring router is fully adjacent": a type 1 link.
fn point_to_point(interface: &Interface, link: &Link) -> Option<RouterLink> {
    let neighbor = interface.neighbors.values().find(|neighbor| neighbor.state == NeighborState::Full)?;
    Some(RouterLink {
        kind: RouterLinkKind::PointToPoint,
        id: Ipv4Addr::from(neighbor.router_id),
        data: link_data(link),
        metric: interface.config.cost,
    })
}

/// A numbered interface's subnet: option 2 of §12.4.1.1, whatever becomes of the neighbour.
///
/// RFC 6860 §2.1: none for a network on which there are routers only, if that is to be hidden.
fn stub(interface: &Interface, link: &Link) -> Option<RouterLink> {
    if interface.config.hides_network() {
        return None;
    }
    let subnet: Prefix = match link.addressing {
        Addressing::Unnumbered(_) => return None,
        Addressing::Numbered { subnet, .. } => subnet,
    };
    Some(RouterLink {
        kind: RouterLinkKind::Stub,
        id: subnet.network(),
        data: subnet.netmask(),
        metric: interface.config.cost,
    })
}
