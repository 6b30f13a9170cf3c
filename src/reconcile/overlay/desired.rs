//! From the entries that the `vxlan` crate computes to desired state with interface names.

use vxlan::Entries;

use super::state::{Bridge, Device, Made, Overlay};
use crate::mesh::{IfName, L2, L2Site};
use crate::reconcile::state::Admin;

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

/// What must exist for `segments` of the mesh. `port_exists` says which ports there are: others cannot be joined yet.
pub fn desired_overlay(segments: &[LocalSegment<'_>], port_exists: impl Fn(&IfName) -> bool) -> Overlay {
    let mut overlay = Overlay::default();
    for LocalSegment { l2, site, entries } in segments {
        let (device, bridge) = (l2.device(), &site.bridge);
        overlay.bridges.insert(
            bridge.clone(),
            Bridge { mac: Some(entries.bridge.mac), mtu: entries.bridge.mtu, snooping: false, admin: Admin::Up },
        );
        overlay.devices.insert(
            device.clone(),
            Device {
                made: Some(Made { vni: entries.device.vni, local: entries.device.local, proxy: entries.device.proxy }),
                mtu: entries.device.mtu,
                bridge: Some(bridge.clone()),
                port: Some(entries.port),
                admin: Admin::Up,
            },
        );
        let ports = site.ports.iter().filter(|port| port_exists(port));
        overlay.ports.extend(ports.map(|port| (port.clone(), bridge.clone())));
        overlay.remotes.extend(entries.remotes.iter().map(|(mac, vtep)| ((device.clone(), *mac), *vtep)));
        overlay.flood_lists.extend(entries.flood_list.iter().map(|vtep| (device.clone(), *vtep)));
        overlay.stations.extend(entries.stations.iter().map(|(mac, roaming)| ((device.clone(), *mac), *roaming)));
        overlay.neighbors.extend(entries.neighbors.iter().map(|(address, mac)| ((bridge.clone(), *address), *mac)));
        overlay.gateways.extend(l2.segment.gateway.map(|gateway| (bridge.clone(), gateway)));
    }
    overlay
}
