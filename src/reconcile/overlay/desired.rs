//! Turns the entries that the `vxlan` crate computes into desired state with names of interfaces.

use vxlan::{Entries, Proxy};

use super::existing::{VlanRange, device_mtu, usable};
use super::state::{Bridge, Device, DeviceAddress, Made, Overlay};
use crate::mesh::{L2, L2Site, VlanId};
use crate::net::IfName;
use crate::reconcile::state::{Admin, Observed};

/// A segment that this site is part of.
#[derive(Debug)]
pub struct LocalSegment<'a> {
    /// Its definition in the mesh file.
    pub l2: &'a L2,
    /// This site's part of it.
    pub site: &'a L2Site,
    /// The entries that it needs here now.
    pub entries: Entries,
}

/// Returns the desired state for these segments of the mesh. Ports that do not exist cannot be joined yet. For a segment whose existing
/// bridge cannot be used yet, there is no desired state.
pub fn desired_overlay(segments: &[LocalSegment<'_>], observed: &Observed) -> Overlay {
    let mut overlay = Overlay::default();
    for segment in segments {
        if segment.site.is_on_existing_bridge() {
            on_existing_bridge(segment, observed, &mut overlay);
        } else {
            on_own_bridge(segment, observed, &mut overlay);
        }
    }
    overlay
}

fn on_own_bridge(LocalSegment { l2, site, entries }: &LocalSegment<'_>, observed: &Observed, overlay: &mut Overlay) {
    let (device, bridge) = (l2.device(), &site.bridge);
    overlay.bridges.insert(
        bridge.clone(),
        Bridge { mac: Some(entries.bridge.mac), mtu: entries.bridge.mtu, snooping: false, admin: Admin::Up },
    );
    let there = port_of(bridge, entries, DeviceAddress::Any, None, entries.device.mtu);
    overlay.devices.insert(device.clone(), there);
    let ports = site.ports.iter().filter(|port| observed.foreign.interfaces.contains_key(port));
    overlay.ports.extend(ports.map(|port| (port.clone(), bridge.clone())));
    forwarding(&device, None, entries, overlay);
    overlay.neighbors.extend(entries.neighbors.iter().map(|(address, mac)| ((bridge.clone(), *address), *mac)));
    overlay.gateways.extend(l2.segment.gateway.map(|gateway| (bridge.clone(), gateway)));
}

fn on_existing_bridge(segment: &LocalSegment<'_>, observed: &Observed, overlay: &mut Overlay) {
    let LocalSegment { l2, site, entries } = segment;
    let Ok(found) = usable(site, observed) else { return };
    let (device, bridge) = (l2.device(), &site.bridge);
    let present = observed.state.overlay.devices.get(&device);
    let present = present.filter(|present| present.bridge.as_ref() == Some(bridge)).map(|present| present.mtu);
    let mtu = device_mtu(entries.device.mtu, found, present);
    let there = port_of(bridge, entries, DeviceAddress::Highest, site.vlan(), mtu);
    overlay.devices.insert(device.clone(), there);
    forwarding(&device, site.vlan(), entries, overlay);
    // The bridge answers from its own neighbour entries, or from those of the interface that the machine has in the VLAN, and these are not
    // ours. Therefore it passes requests on to the VXLAN device, whose `proxy` answers from the device's own entries. The `proxy` answers
    // for every host that it has an entry of, so it gets no entries of the hosts at this site.
    if entries.device.proxy == Proxy::On {
        let elsewhere = entries.neighbors.iter().filter(|(_, mac)| entries.fdb_entries.contains_key(mac));
        overlay.neighbors.extend(elsewhere.map(|(address, mac)| ((device.clone(), *address), *mac)));
    }
}

fn port_of(bridge: &IfName, entries: &Entries, address: DeviceAddress, vlan: Option<VlanId>, mtu: u32) -> Device {
    let vxlan::Device { vni, local, proxy, .. } = entries.device;
    Device {
        made: Some(Made { vni, local, proxy, address }),
        mtu,
        bridge: Some(bridge.clone()),
        port: Some(entries.port),
        vlans: vlan.map(VlanRange::access).into_iter().collect(),
        admin: Admin::Up,
    }
}

/// Adds the entries by which frames are forwarded.
fn forwarding(device: &IfName, vlan: Option<VlanId>, entries: &Entries, overlay: &mut Overlay) {
    overlay.remotes.extend(entries.remotes.iter().map(|(mac, vtep)| ((device.clone(), *mac), *vtep)));
    overlay.flood_lists.extend(entries.flood_list.iter().map(|vtep| (device.clone(), *vtep)));
    overlay
        .fdb_entries
        .extend(entries.fdb_entries.iter().map(|(mac, roaming)| ((device.clone(), *mac, vlan), *roaming)));
}
