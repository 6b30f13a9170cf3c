//! The contents of our Network-LSAs (RFC 2328 §12.4.2), one for each network whose designated router is this router.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use crate::ids::{AreaId, Domain, LinkStateId, LsaKey, LsaPlace, LsaType, RouterId};
use crate::io::Addressing;
use crate::machine::interface::InterfaceState;
use crate::state::engine::Engine;
use crate::state::interface::{Interface, Link};
use crate::wire::{LSA_HEADER_LEN, LsaBody, NetworkLsa};

/// The maximum number of routers in a Network-LSA. It must fit in one Link State Update, whose length is a 16-bit number, like that of the
/// IP packet.
const MAX_ROUTERS: usize = (65_535 - 20 - 24 - 4 - LSA_HEADER_LEN - 4) / 4;

impl Engine {
    /// Originates a Network-LSA for each network of an area whose designated router is this router, and withdraws the others.
    pub(crate) fn want_networks(&mut self, area: AreaId) {
        let domain = Domain::Area(area);
        let options = self.config.area_options(area);
        let mut gone: BTreeSet<_> = self.originations.wanted_of(domain, LsaType::NETWORK).collect();
        for interface in self.interfaces.values().filter(|interface| interface.config.area == area) {
            let Some((id, lsa)) = network_lsa(interface, self.config.router_id) else { continue };
            let key = LsaKey { kind: LsaType::NETWORK, id, advertising_router: self.config.router_id };
            let place = LsaPlace { domain, key };
            gone.remove(&place);
            self.originations.want(place, options, LsaBody::Network(lsa));
        }
        for place in gone {
            self.originations.withdraw(place);
        }
    }

    /// Whether a Network-LSA has one of our addresses as its Link State ID (§13.4). It is self-originated, whatever its Advertising Router:
    /// it is from a previous incarnation of this router with another Router ID.
    pub(crate) fn is_network_of_ours(&self, key: LsaKey) -> bool {
        let own = |address| self.interfaces.values().filter_map(Interface::link).any(|link| link.address() == address);
        key.kind == LsaType::NETWORK && own(Ipv4Addr::from(key.id))
    }

    /// Reviews Network-LSAs when an interface gets an address. One with this Link State ID may have been received earlier, when it seemed
    /// to be another router's. It is not received again, so the check of §13.4 at reception is made now.
    pub(crate) fn review_networks_of(&mut self, address: Ipv4Addr) {
        for (domain, lsdb) in self.databases.iter() {
            for entry in lsdb.of_id(LsaType::NETWORK, LinkStateId::from(address)) {
                self.originations.touch(LsaPlace { domain, key: entry.key() });
            }
        }
    }
}

/// The Link State ID and the contents of the Network-LSA of an interface's network, if we originate one.
fn network_lsa(interface: &Interface, router_id: RouterId) -> Option<(LinkStateId, NetworkLsa)> {
    let &Link { addressing: Addressing::Numbered { address, subnet }, .. } = interface.active_link()? else {
        return None;
    };
    if interface.state != InterfaceState::Dr {
        return None;
    }
    let mut attached: Vec<_> = interface.adjacent().map(|neighbor| neighbor.router_id).collect();
    // "If there are no fully adjacent neighbors", the network is a stub network.
    if attached.is_empty() {
        return None;
    }
    // "The Designated Router itself is included"
    attached.push(router_id);
    attached.sort_unstable();
    attached.dedup();
    attached.truncate(MAX_ROUTERS);
    // RFC 6860 §2.2.1: a mask of all ones hides a network with routers only.
    let network_mask = if interface.config.hides_network() { Ipv4Addr::BROADCAST } else { subnet.netmask() };
    Some((LinkStateId::from(address), NetworkLsa { network_mask, attached_routers: attached }))
}
