//! Virtual links as interfaces (RFC 2328 §15): unnumbered point-to-point links of the backbone that are up while the calculation finds a
//! path to the far end in the transit area. Their packets are routed through that area, and leave over one of its interfaces.

use std::net::Ipv4Addr;

use crate::config::{ExternalRouting, NetworkType};
use crate::established::established;
use crate::ids::{AreaId, InterfaceId, RouterId};
use crate::io::Addressing;
use crate::refusal::Refusal;
use crate::route::{VirtualEnd, VirtualLinkObstacle};
use crate::state::engine::Engine;
use crate::state::interface::{FarEnd, Interface, Link};

/// The largest packet on a virtual link, IP header included: the MTUs of the links on the path are not known (§A.1).
const MTU: u16 = 576;

impl Interface {
    /// Whether this is a virtual link (§15).
    pub(crate) fn is_virtual(&self) -> bool {
        matches!(self.config.network, NetworkType::VirtualLink { .. })
    }

    /// The configuration of a virtual link, if it belongs to the backbone.
    pub(crate) fn virtual_end(&self) -> Option<VirtualEnd> {
        match self.config.network {
            NetworkType::VirtualLink { transit_area, far_end } if self.config.area == AreaId::BACKBONE => {
                Some(VirtualEnd { transit_area, far_end })
            }
            _ => None,
        }
    }

    /// The address of a virtual link's far end, while it can be reached.
    pub(crate) fn virtual_far_address(&self) -> Option<Ipv4Addr> {
        self.far_end.map(|path| path.far_address)
    }

    /// Interface output cost (§9): "not configured" for virtual links (§15).
    pub(crate) fn cost(&self) -> u16 {
        self.far_end.map_or(self.config.cost, |path| path.cost)
    }
}

impl Engine {
    /// Brings virtual links up, down, or to another path after a calculation of routes (§15, §16.1 (4)).
    pub(crate) fn review_virtual_links(&mut self) {
        let virtual_links = self.interfaces.iter().filter_map(|(&id, interface)| Some((id, interface.virtual_end()?)));
        let reached: Vec<_> = virtual_links.map(|(id, end)| (id, self.far_end(end))).collect();
        for (id, far_end) in reached {
            self.virtual_link_changed(id, far_end);
        }
    }

    /// How the far end of a virtual link is reached, by the last calculation.
    fn far_end(&self, end: VirtualEnd) -> Option<FarEnd> {
        // §6, §15: "virtual links cannot be configured through stub areas", nor through the backbone itself.
        let transit = self.config.area_kind(end.transit_area).external_routing() == ExternalRouting::AsExternal;
        if !transit || end.transit_area == AreaId::BACKBONE {
            return None;
        }
        let path = self.calculation.latest.virtual_links().get(&end)?;
        let address = self.interfaces.get(&path.interface)?.active_link()?.address();
        Some(FarEnd { way_out: path.interface, address, far_address: path.address, cost: path.cost })
    }

    /// Why a virtual link is down.
    pub(crate) fn obstacle(&self, interface: &Interface) -> Option<VirtualLinkObstacle> {
        let end = interface.virtual_end().filter(|_| interface.far_end.is_none())?;
        Some(self.calculation.latest.obstacle(end))
    }

    /// Events InterfaceUp and InterfaceDown of a virtual link (§9.2).
    fn virtual_link_changed(&mut self, id: InterfaceId, path: Option<FarEnd>) {
        let Some(interface) = established(self.interfaces.get_mut(&id)) else { return };
        debug_assert!(interface.is_virtual(), "{id:?} is no virtual link");
        if interface.far_end == path {
            return;
        }
        let before = interface.far_end;
        let Some(path) = path else {
            self.interface_down(id);
            return;
        };
        interface.far_end = Some(path);
        let link = Link { index: 0, mtu: MTU, addressing: Addressing::Unnumbered(path.address) };
        if before.is_none() {
            self.interface_up(id, link);
        } else {
            for neighbor in interface.neighbors.values_mut() {
                neighbor.address = path.far_address;
            }
            self.replace_link(id, link);
        }
    }

    /// The virtual link to which a packet of the backbone belongs that arrived on an interface of another area (§8.2): the one through that
    /// area to the sender.
    pub(crate) fn virtual_link_of(&self, arrived_in: AreaId, sender: RouterId) -> Option<InterfaceId> {
        let network = NetworkType::VirtualLink { transit_area: arrived_in, far_end: sender };
        let found = self.interfaces.iter().find(|(_, interface)| interface.config.network == network);
        found.filter(|(_, interface)| interface.active_link().is_some()).map(|(&id, _)| id)
    }

    /// Checks that a packet of a virtual link comes from its far end: from an address in the far end's Router-LSA of the transit area.
    /// Which of these addresses it uses depends on its own path to this router, which may differ from ours to it.
    pub(crate) fn is_from_far_end(&self, id: InterfaceId, source: Ipv4Addr) -> Result<(), Refusal> {
        let end = self.interfaces.get(&id).and_then(Interface::virtual_end);
        let path = end.and_then(|end| self.calculation.latest.virtual_links().get(&end));
        if path.is_some_and(|path| path.addresses.contains(&source)) { Ok(()) } else { Err(Refusal::VirtualLinkSource) }
    }
}
