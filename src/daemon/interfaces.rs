//! Determines the state of the interfaces that OSPF runs on from what netlink reports.

use std::collections::BTreeMap;

use ospf::{Addressing, InterfaceId, LinkState};

use super::local::Local;
use crate::net::IfName;
use crate::reconcile::state::{Admin, ForeignInterface, Observed};
use crate::routing::InterfaceIds;

/// Returns the state of every tunnel and every `[[site.interface]]`.
pub(super) fn link_states(
    local: &Local,
    observed: &Observed,
    ids: &mut InterfaceIds,
) -> BTreeMap<InterfaceId, LinkState> {
    let tunnels = local.tunnels.keys().map(|name| (name, tunnel_state(local, observed, name)));
    let others = local.site.interfaces.iter().map(|interface| {
        let state = observed.foreign.interfaces.get(&interface.name).and_then(foreign_state);
        (&interface.name, state)
    });
    tunnels.chain(others).map(|(name, state)| (ids.id(name), state.unwrap_or(LinkState::Down))).collect()
}

/// A tunnel can carry packets when it is up and has the loopback address, which is their source.
fn tunnel_state(local: &Local, observed: &Observed, name: &IfName) -> Option<LinkState> {
    let link = observed.state.links.get(name).filter(|link| link.admin == Admin::Up)?;
    let index = *observed.indexes.get(name)?;
    let address = local.site.loopback;
    let carrier = (name.clone(), address);
    let carried = observed.state.addresses.contains(&carrier) || observed.foreign.addresses.contains(&carrier);
    carried.then_some(())?;
    Some(LinkState::Up { index, mtu: clamp(link.mtu), addressing: Addressing::Unnumbered(address) })
}

/// Returns the state of a foreign interface: numbered by its first address, or unnumbered if that is a /32.
fn foreign_state(interface: &ForeignInterface) -> Option<LinkState> {
    let network = interface.addresses.first().filter(|_| interface.running)?;
    let addressing = match network.prefix() {
        32 => Addressing::Unnumbered(network.ip()),
        length => Addressing::Numbered { address: network.ip(), subnet: ospf::Prefix::new(network.ip(), length) },
    };
    Some(LinkState::Up { index: interface.index, mtu: clamp(interface.mtu), addressing })
}

/// An IP packet has at most 65535 octets, even if the MTU of a loopback device is larger.
fn clamp(mtu: u32) -> u16 {
    u16::try_from(mtu).unwrap_or(u16::MAX)
}
