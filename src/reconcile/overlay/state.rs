//! Desired and observed state of the overlay.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnetwork::Ipv4Network;
use vxlan::{Mac, Port, Proxy, Roaming, Vni, Vtep};

use super::existing::{PortVlans, VlanRange};
use crate::mesh::{IfName, VlanId};
use crate::reconcile::state::Admin;

/// Everything of the overlay at this site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overlay {
    /// Bridges; observed: those whose alias names this mesh.
    pub bridges: BTreeMap<IfName, Bridge>,
    /// VXLAN devices; observed: those whose alias names this mesh.
    pub devices: BTreeMap<IfName, Device>,
    /// The bridge of each port that hosts are behind. Observed: of all that is joined to a bridge, VXLAN devices of ours excepted.
    pub ports: BTreeMap<IfName, IfName>,
    /// Where a VXLAN device sends frames to a host.
    pub remotes: BTreeMap<(IfName, Mac), Vtep>,
    /// Where a VXLAN device sends frames to everybody.
    pub flood_lists: BTreeSet<(IfName, Vtep)>,
    /// Hosts that a bridge sends to its VXLAN device, by that device, and the VLAN, if the bridge filters VLANs.
    pub stations: BTreeMap<(IfName, Mac, Option<VlanId>), Roaming>,
    /// Permanent neighbours on bridges of ours, and on VXLAN devices that are on others'.
    pub neighbors: BTreeMap<(IfName, IpAddr), Mac>,
    /// Addresses of bridges; observed: with our protocol number (kernels before 5.18 keep none, then all are foreign).
    pub gateways: BTreeSet<(IfName, Ipv4Network)>,
}

/// A bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// Its own address; observed: `None` if no host could have it, in a step: `None` = leave it.
    pub mac: Option<Mac>,
    /// Octets.
    pub mtu: u32,
    /// Whether it snoops on group membership.
    pub snooping: bool,
    /// Whether frames can cross.
    pub admin: Admin,
}

/// A VXLAN device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// What it was made as; observed: `None` if that is not what weft makes.
    pub made: Option<Made>,
    /// Octets.
    pub mtu: u32,
    /// The bridge that it is a port of.
    pub bridge: Option<IfName>,
    /// Its flags as a port; observed: `None` if it is none, or one that learns.
    pub port: Option<Port>,
    /// VLANs that it is a member of, on a bridge that is not ours and filters VLANs.
    pub vlans: PortVlans,
    /// Whether frames can cross.
    pub admin: Admin,
}

/// What cannot be changed once a VXLAN device is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// Number of the segment.
    pub vni: Vni,
    /// Source address.
    pub local: Vtep,
    /// Whether it takes questions for MAC addresses.
    pub proxy: Proxy,
    /// Which address it has.
    pub address: DeviceAddress,
}

/// The address of a VXLAN device, which is nothing but a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceAddress {
    /// Whatever the kernel has chosen.
    Any,
    /// [`super::highest_address`].
    Highest,
}

impl Overlay {
    /// Whether frames of a segment go through this bridge: it is ours, or a VXLAN device of ours is joined to it.
    pub fn uses_bridge(&self, name: &IfName) -> bool {
        self.bridges.contains_key(name) || self.devices.values().any(|device| device.bridge.as_ref() == Some(name))
    }

    /// The VLAN of an entry of this bridge, as far as it matters: a bridge of ours is one segment, whatever somebody has it filter.
    pub fn vlan_on(&self, bridge: &IfName, vlan: Option<VlanId>) -> Option<VlanId> {
        vlan.filter(|_| !self.bridges.contains_key(bridge))
    }

    /// Whether a host that this bridge hears in this VLAN may be one of a segment.
    pub fn hears(&self, bridge: &IfName, vlan: Option<VlanId>) -> bool {
        let in_vlan = |device: &Device| match vlan {
            None => device.vlans.is_empty(),
            Some(vlan) => device.vlans.contains(&VlanRange::access(vlan)),
        };
        let mut devices = self.devices.values().filter(|device| device.bridge.as_ref() == Some(bridge));
        self.bridges.contains_key(bridge) || devices.any(in_vlan)
    }

    /// Whether there is nothing of it.
    pub fn is_empty(&self) -> bool {
        self.bridges.is_empty() && self.devices.is_empty()
    }
}
