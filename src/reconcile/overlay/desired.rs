//! From the entries that the `vxlan` crate computes to desired state with interface names.

use vxlan::{Entries, Proxy};

use super::existing::{VlanRange, device_mtu, usable};
use super::state::{Bridge, Device, DeviceAddress, Made, Overlay};
use crate::mesh::{IfName, L2, L2Site, VlanId};
use crate::reconcile::state::{Admin, Observed};

/// A segment that this site is part of.
#[derive(Debug)]
pub struct LocalSegment<'a> {
    /// As the mesh file has it.
    pub l2: &'a L2,
    /// This site's part.
    pub site: &'a L2Site,
    /// What it needs here now.
    pub entries: Entries,
}

/// What must exist for `segments` of the mesh. Ports that are not there cannot be joined yet, and a segment whose existing bridge
/// cannot be used yet has nothing.
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
    // The bridge answers from its own neighbours, or those of the interface that the machine has in the VLAN, which are not ours. So it
    // passes questions on to the VXLAN device, whose `proxy` answers from its own. That one answers whoever is asked for, so it does
    // not know the hosts here.
    if entries.device.proxy == Proxy::On {
        let elsewhere = entries.neighbors.iter().filter(|(_, mac)| entries.stations.contains_key(mac));
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

/// Where frames go.
fn forwarding(device: &IfName, vlan: Option<VlanId>, entries: &Entries, overlay: &mut Overlay) {
    overlay.remotes.extend(entries.remotes.iter().map(|(mac, vtep)| ((device.clone(), *mac), *vtep)));
    overlay.flood_lists.extend(entries.flood_list.iter().map(|vtep| (device.clone(), *vtep)));
    overlay.stations.extend(entries.stations.iter().map(|(mac, roaming)| ((device.clone(), *mac, vlan), *roaming)));
}
