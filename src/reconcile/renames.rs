//! Finds tunnels whose site has a new name. The tunnel stays the same, and carries packets while its interface is renamed.

use super::state::{Nexthop, Observed, ObservedDevice, Scope, State, Sysctl};
use crate::keys::PublicKey;
use crate::net::IfName;

/// Returns the interfaces of ours that only need another name to be as desired, with their new names. A tunnel is identified by its peer.
pub fn renames(desired: &State, observed: &Observed) -> Vec<(IfName, IfName)> {
    let peer = |device: &ObservedDevice| device.peer.as_ref().map(|peer| peer.public_key);
    let unwanted = |key: PublicKey, desired_name: &IfName| {
        let wanted = desired.links.get(desired_name)?;
        let mut links = observed.state.links.iter().filter(|(name, _)| !desired.links.contains_key(*name));
        let same = links.find(|(name, link)| {
            link.backend == wanted.backend && observed.state.devices.get(*name).and_then(peer) == Some(key)
        });
        same.map(|(name, _)| name.clone())
    };
    let missing = desired.devices.iter().filter(|(name, _)| {
        !observed.state.links.contains_key(*name) && !observed.foreign.interfaces.contains_key(*name)
    });
    missing.filter_map(|(name, device)| Some((unwanted(device.peer.public_key, name)?, name.clone()))).collect()
}

/// Returns the observation as it is once these interfaces have their new names.
pub fn renamed(observed: &Observed, renames: &[(IfName, IfName)]) -> Observed {
    let mut observed = observed.clone();
    for (from, to) in renames {
        let state = &mut observed.state;
        let moved = state.links.remove(from).map(|link| state.links.insert(to.clone(), link));
        debug_assert!(moved.is_some(), "{from} is a tunnel of ours");
        if let Some(device) = state.devices.remove(from) {
            state.devices.insert(to.clone(), device);
        }
        if let Some(index) = observed.indexes.remove(from) {
            observed.indexes.insert(to.clone(), index);
        }
        for addresses in [&mut state.addresses, &mut observed.foreign.addresses] {
            *addresses = std::mem::take(addresses)
                .into_iter()
                .map(|(interface, address)| (if interface == *from { to.clone() } else { interface }, address))
                .collect();
        }
        for route in state.routes.values_mut() {
            if route.nexthops.iter().any(|hop| hop.interface == *from) {
                let hops = std::mem::take(&mut route.nexthops).into_iter();
                let name = |interface: IfName| if interface == *from { to.clone() } else { interface };
                route.nexthops = hops.map(|hop| Nexthop { interface: name(hop.interface), ..hop }).collect();
            }
        }
        let settings = std::mem::take(&mut state.sysctls).into_iter();
        let of_it = Scope::Interface(from.clone());
        let named = |scope: Scope| if scope == of_it { Scope::Interface(to.clone()) } else { scope };
        state.sysctls =
            settings.map(|(sysctl, value)| (Sysctl { scope: named(sysctl.scope), ..sysctl }, value)).collect();
    }
    observed
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::keys::PrivateKey;
    use crate::reconcile::state::{
        Admin, AllowedIps, Backend, Device, FWMARK, ForeignInterface, Link, ObservedPeer, Peer, Traffic,
    };

    fn name(text: &str) -> IfName {
        IfName::new(text).unwrap()
    }

    fn want(state: &mut State, interface: &str, peer: u8) {
        let link = Link { backend: Backend::Userspace, mtu: 1420, admin: Admin::Up };
        state.links.insert(name(interface), link);
        let public_key = PublicKey::from_bytes([peer; 32]);
        let peer = Peer { public_key, endpoint: None, keepalive_s: 0, preshared: None };
        let device = Device { key: PrivateKey::generate(), listen_port: 51820, fwmark: FWMARK, peer };
        state.devices.insert(name(interface), device);
    }

    fn find(state: &mut State<ObservedDevice>, interface: &str, peer: u8, backend: Backend) {
        state.links.insert(name(interface), Link { backend, mtu: 1420, admin: Admin::Up });
        let peer = ObservedPeer {
            public_key: PublicKey::from_bytes([peer; 32]),
            endpoint: None,
            keepalive_s: 0,
            allowed_ips: AllowedIps::Everything,
            preshared: None,
            handshake_age: None,
        };
        let device = ObservedDevice {
            public_key: PrivateKey::generate().public(),
            listen_port: 51820,
            fwmark: FWMARK,
            peer: Some(peer),
            unmanaged: BTreeSet::new(),
            traffic: Traffic::default(),
        };
        state.devices.insert(name(interface), device);
    }

    #[test]
    fn a_tunnel_to_the_same_peer_is_renamed_where_the_new_name_is_free() {
        use Backend::{Kernel, Userspace};
        let mut desired = State::default();
        for (interface, peer) in [("wg-kyoto", 2), ("wg-seoul", 3), ("wg-new", 4), ("wg-busan", 5)] {
            want(&mut desired, interface, peer);
        }
        let mut observed = Observed::default();
        find(&mut observed.state, "wg-osaka", 2, Userspace);
        find(&mut observed.state, "wg-seoul", 3, Userspace);
        find(&mut observed.state, "wg-old", 9, Userspace);
        find(&mut observed.state, "wg-pusan", 5, Kernel);
        let expected = [(name("wg-osaka"), name("wg-kyoto"))];
        assert_eq!(renames(&desired, &observed), expected, "not one of another backend, nor one that stays");
        let foreign = ForeignInterface { index: 9, mtu: 1500, running: true, addresses: Vec::new() };
        observed.foreign.interfaces.insert(name("wg-kyoto"), foreign);
        assert_eq!(renames(&desired, &observed), [], "another interface has the name");
    }
}
