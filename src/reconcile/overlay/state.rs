//! Desired and observed state of the overlay.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnetwork::Ipv4Network;
use vxlan::{Mac, Port, Proxy, Roaming, Vni, Vtep};

use super::existing::{PortVlans, VlanRange};
use crate::mesh::VlanId;
use crate::net::IfName;
use crate::reconcile::state::Admin;

/// The whole overlay at this site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overlay {
    /// Bridges; observed: those whose alias names this mesh.
    pub bridges: BTreeMap<IfName, Bridge>,
    /// VXLAN devices; observed: those whose alias names this mesh.
    pub devices: BTreeMap<IfName, Device>,
    /// The bridge of each port that leads to hosts. Observed: of each interface that is joined to a bridge, except VXLAN devices of ours.
    pub ports: BTreeMap<IfName, IfName>,
    /// The VTEP to which a VXLAN device sends frames for a host.
    pub remotes: BTreeMap<(IfName, Mac), Vtep>,
    /// The VTEPs to which a VXLAN device sends broadcast, multicast and unknown unicast frames.
    pub flood_lists: BTreeSet<(IfName, Vtep)>,
    /// FDB entries of bridges that lead to a VXLAN device, by that device, MAC address, and VLAN if the bridge filters VLANs.
    pub fdb_entries: BTreeMap<(IfName, Mac, Option<VlanId>), Roaming>,
    /// Permanent neighbour entries on bridges of ours, and on VXLAN devices that are ports of foreign bridges.
    pub neighbors: BTreeMap<(IfName, IpAddr), Mac>,
    /// Addresses of bridges; observed: those with our protocol number (kernels before 5.18 store none, so that all addresses are foreign).
    pub gateways: BTreeSet<(IfName, Ipv4Network)>,
}

/// A bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// Its MAC address. Observed: `None` if no host could have it. In a step: `None` leaves the address unchanged.
    pub mac: Option<Mac>,
    /// MTU in octets.
    pub mtu: u32,
    /// Whether it snoops on group membership (IGMP and MLD).
    pub snooping: bool,
    /// Administrative state.
    pub admin: Admin,
}

/// A VXLAN device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The attributes that it was created with; observed: `None` if weft does not create such devices.
    pub made: Option<Made>,
    /// MTU in octets.
    pub mtu: u32,
    /// The bridge that it is a port of.
    pub bridge: Option<IfName>,
    /// Its flags as a port; observed: `None` if it is not a port, or if the port learns.
    pub port: Option<Port>,
    /// VLANs that it is a member of, on a foreign bridge that filters VLANs.
    pub vlans: PortVlans,
    /// Administrative state.
    pub admin: Admin,
}

/// The attributes of a VXLAN device that cannot be changed after its creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// VNI of the segment.
    pub vni: Vni,
    /// Source address of its packets.
    pub local: Vtep,
    /// Whether it answers requests for MAC addresses (`proxy`).
    pub proxy: Proxy,
    /// Its MAC address.
    pub address: DeviceAddress,
}

/// The MAC address of a VXLAN device, which is only a port of a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceAddress {
    /// The one that the kernel has chosen.
    Any,
    /// [`super::highest_address`].
    Highest,
}

impl Overlay {
    /// Returns whether frames of a segment go through this bridge: it is ours, or a VXLAN device of ours is joined to it.
    pub fn uses_bridge(&self, name: &IfName) -> bool {
        self.bridges.contains_key(name) || self.devices.values().any(|device| device.bridge.as_ref() == Some(name))
    }

    /// Returns the VLAN of an FDB entry of this bridge, where it matters: a bridge of ours is one segment, even if another program makes it
    /// filter VLANs.
    pub fn vlan_on(&self, bridge: &IfName, vlan: Option<VlanId>) -> Option<VlanId> {
        vlan.filter(|_| !self.bridges.contains_key(bridge))
    }

    /// Returns whether a host that this bridge learns in this VLAN may belong to a segment.
    pub fn receives(&self, bridge: &IfName, vlan: Option<VlanId>) -> bool {
        let in_vlan = |device: &Device| match vlan {
            None => device.vlans.is_empty(),
            Some(vlan) => device.vlans.contains(&VlanRange::access(vlan)),
        };
        let mut devices = self.devices.values().filter(|device| device.bridge.as_ref() == Some(bridge));
        self.bridges.contains_key(bridge) || devices.any(in_vlan)
    }

    /// Returns whether there are no bridges and no devices.
    pub fn is_empty(&self) -> bool {
        self.bridges.is_empty() && self.devices.is_empty()
    }
}
