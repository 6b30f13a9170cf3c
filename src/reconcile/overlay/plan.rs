//! The overlay's part of the plan. Bridges are created before interfaces are joined to them, and devices before their entries. When a
//! device has to be created again, its entries are removed with it, and all are added again.

use std::collections::{BTreeMap, BTreeSet};

use super::state::{Bridge, Device, Overlay};
use super::step::OverlayStep;
use crate::mesh::VlanId;
use crate::net::IfName;
use crate::reconcile::state::{Admin, Observed};

/// Returns the steps that create and change what is desired.
pub(in crate::reconcile) fn plan_making(desired: &Overlay, observed: &Observed) -> Vec<OverlayStep> {
    let found = &observed.state.overlay;
    let mut steps = Vec::new();
    let mut bare = BTreeSet::new();
    for (name, bridge) in &desired.bridges {
        if plan_bridge(name, bridge, found.bridges.get(name), &mut steps) == Entries::None {
            bare.insert(name);
        }
    }
    for (name, device) in &desired.devices {
        if plan_device(name, device, found, &mut steps) == Entries::None {
            bare.insert(name);
        }
    }
    for (port, bridge) in &desired.ports {
        match found.ports.get(port) {
            Some(joined) if joined == bridge => {}
            // A port is never taken from a foreign bridge. A bridge of ours had the port according to an older mesh file.
            Some(joined) if found.bridges.contains_key(joined) => {
                steps.push(OverlayStep::Leave(port.clone()));
                steps.push(OverlayStep::Join(port.clone(), bridge.clone()));
            }
            _ => steps.push(OverlayStep::Join(port.clone(), bridge.clone())),
        }
    }
    plan_entries(desired, observed, &bare, &mut steps);
    steps
}

/// Returns the steps that remove what is not desired any more, entries first. `joined` has the bridges of ports that were desired before:
/// ports that others have joined to these bridges stay.
pub(in crate::reconcile) fn plan_withdrawal(
    desired: &Overlay,
    observed: &Observed,
    joined: &BTreeMap<IfName, IfName>,
) -> Vec<OverlayStep> {
    let found = &observed.state.overlay;
    let mut steps = Vec::new();
    let devices_stay = |device: &IfName| desired.devices.contains_key(device);
    let bridges_stay = |bridge: &IfName| desired.bridges.contains_key(bridge);
    let fdb_entries =
        found.fdb_entries.keys().filter(|key| devices_stay(&key.0) && !desired.fdb_entries.contains_key(*key));
    steps.extend(fdb_entries.map(|(device, mac, vlan)| OverlayStep::RemoveFdbEntry(device.clone(), *mac, *vlan)));
    let remotes = found.remotes.keys().filter(|key| devices_stay(&key.0) && !desired.remotes.contains_key(*key));
    steps.extend(remotes.map(|(device, mac)| OverlayStep::RemoveRemote(device.clone(), *mac)));
    let floods = found.flood_lists.difference(&desired.flood_lists).filter(|(device, _)| devices_stay(device));
    steps.extend(floods.map(|(device, vtep)| OverlayStep::RemoveFlood(device.clone(), *vtep)));
    let stays = |interface: &IfName| bridges_stay(interface) || devices_stay(interface);
    let neighbors = found.neighbors.keys().filter(|key| stays(&key.0) && !desired.neighbors.contains_key(*key));
    steps.extend(neighbors.map(|(bridge, address)| OverlayStep::RemoveNeighbor(bridge.clone(), *address)));
    let gateways = found.gateways.difference(&desired.gateways).filter(|(bridge, _)| bridges_stay(bridge));
    steps.extend(gateways.map(|(bridge, address)| OverlayStep::RemoveGateway(bridge.clone(), *address)));
    let released = joined.iter().filter(|(port, bridge)| {
        bridges_stay(bridge) && !desired.ports.contains_key(*port) && found.ports.get(*port) == Some(*bridge)
    });
    steps.extend(released.map(|(port, _)| OverlayStep::Leave(port.clone())));
    let devices = found.devices.keys().filter(|device| !devices_stay(device));
    steps.extend(devices.cloned().map(OverlayStep::Delete));
    // The kernel releases their ports.
    let bridges = found.bridges.keys().filter(|bridge| !bridges_stay(bridge));
    steps.extend(bridges.cloned().map(OverlayStep::Delete));
    steps
}

/// The entries that remain on a bridge or a device after the steps that change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entries {
    /// Those that were observed.
    Stand,
    /// None: it is created, created again, or changed in a way that makes the kernel delete its entries.
    None,
}

fn plan_bridge(name: &IfName, wanted: &Bridge, found: Option<&Bridge>, steps: &mut Vec<OverlayStep>) -> Entries {
    let Some(found) = found else {
        steps.push(OverlayStep::CreateBridge(name.clone(), wanted.clone()));
        return Entries::None;
    };
    // When an address is set, the kernel deletes all neighbour entries, even if it is the address that the bridge already has.
    let mac = wanted.mac.filter(|_| found.mac != wanted.mac);
    if found != wanted {
        steps.push(OverlayStep::SetBridge(name.clone(), Bridge { mac, ..wanted.clone() }));
    }
    if mac.is_none() { Entries::Stand } else { Entries::None }
}

fn plan_device(name: &IfName, wanted: &Device, found: &Overlay, steps: &mut Vec<OverlayStep>) -> Entries {
    let present = found.devices.get(name);
    // A change of its VLANs would make it a member of other VLANs for a moment, and join networks that have to be separate: it is created
    // again.
    let strayed = |present: &Device| present.bridge == wanted.bridge && present.vlans != wanted.vlans;
    let standing = present.filter(|present| present.made == wanted.made && !strayed(present));
    if standing.is_none() {
        steps.extend(present.map(|_| OverlayStep::Delete(name.clone())));
        steps.extend(wanted.made.map(|made| OverlayStep::CreateDevice(name.clone(), made)));
    }
    if standing.is_none_or(|found| found.mtu != wanted.mtu) {
        steps.push(OverlayStep::SetMtu(name.clone(), wanted.mtu));
    }
    let joined = standing.filter(|found| found.bridge == wanted.bridge);
    if let (Some(bridge), Some(port)) = (&wanted.bridge, wanted.port)
        && joined.is_none_or(|found| found.port != wanted.port)
    {
        let vlan = wanted.vlans.first().and_then(|range| VlanId::new(range.first));
        steps.push(OverlayStep::Attach(name.clone(), bridge.clone(), port, vlan));
    }
    if wanted.admin == Admin::Up && standing.is_none_or(|found| found.admin != Admin::Up) {
        steps.push(OverlayStep::SetUp(name.clone()));
    }
    // The FDB entries of the bridge for a port are removed with the port.
    if joined.is_some() { Entries::Stand } else { Entries::None }
}

fn plan_entries(desired: &Overlay, observed: &Observed, bare: &BTreeSet<&IfName>, steps: &mut Vec<OverlayStep>) {
    let found = &observed.state.overlay;
    for ((device, mac), vtep) in &desired.remotes {
        let key = (device.clone(), *mac);
        if bare.contains(device) || found.remotes.get(&key) != Some(vtep) {
            steps.push(OverlayStep::AddRemote(device.clone(), *mac, *vtep));
        }
    }
    for (device, vtep) in &desired.flood_lists {
        if bare.contains(device) || !found.flood_lists.contains(&(device.clone(), *vtep)) {
            steps.push(OverlayStep::AddFlood(device.clone(), *vtep));
        }
    }
    for (key @ (device, mac, vlan), roaming) in &desired.fdb_entries {
        let present = found.fdb_entries.get(key).filter(|_| !bare.contains(device));
        if present == Some(roaming) {
            continue;
        }
        // The kernel does not change an entry of one kind into the other.
        steps.extend(present.map(|_| OverlayStep::RemoveFdbEntry(device.clone(), *mac, *vlan)));
        steps.push(OverlayStep::AddFdbEntry(device.clone(), *mac, *vlan, *roaming));
    }
    for ((bridge, address), mac) in &desired.neighbors {
        if bare.contains(bridge) || found.neighbors.get(&(bridge.clone(), *address)) != Some(mac) {
            steps.push(OverlayStep::AddNeighbor(bridge.clone(), *address, *mac));
        }
    }
    for (bridge, address) in &desired.gateways {
        let foreign = observed.foreign.interfaces.get(bridge).is_some_and(|found| found.addresses.contains(address));
        if !foreign && !found.gateways.contains(&(bridge.clone(), *address)) {
            steps.push(OverlayStep::AddGateway(bridge.clone(), *address));
        }
    }
}

#[cfg(test)]
mod tests;
