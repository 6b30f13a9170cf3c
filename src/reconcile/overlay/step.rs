//! Steps that change the overlay.

use std::fmt;
use std::net::IpAddr;

use ipnetwork::Ipv4Network;
use vxlan::{Mac, PORT, Port, Proxy, Roaming, Vtep};

use super::existing::highest_address;
use super::state::{Bridge, DeviceAddress, Made};
use crate::mesh::VlanId;
use crate::net::IfName;

/// An operation for the executor. Repeating a step does no harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OverlayStep {
    /// Create a bridge with these settings, marked as this mesh's, without an IPv6 link-local address, and up.
    CreateBridge(IfName, Bridge),
    /// Set the address, MTU and settings of a bridge, and set it up.
    SetBridge(IfName, Bridge),
    /// Create a VXLAN device, marked as this mesh's, without an IPv6 link-local address, and down.
    CreateDevice(IfName, Made),
    /// Set the MTU of a VXLAN device, in octets.
    SetMtu(IfName, u32),
    /// Make a VXLAN device a port of the bridge with these flags, and a member of this VLAN only, untagged. The VLAN is `None` if the
    /// bridge does not filter VLANs.
    Attach(IfName, IfName, Port, Option<VlanId>),
    /// Set a VXLAN device up.
    SetUp(IfName),
    /// Delete a VXLAN device or a bridge.
    Delete(IfName),
    /// Join a foreign interface to the bridge. This fails if it is a port of another bridge.
    Join(IfName, IfName),
    /// Remove a port from its bridge.
    Leave(IfName),
    /// Make a VXLAN device send frames for a host to this VTEP, and to no other.
    AddRemote(IfName, Mac, Vtep),
    /// Remove the entry of a host from a VXLAN device.
    RemoveRemote(IfName, Mac),
    /// Add a VTEP to the flood list of a VXLAN device.
    AddFlood(IfName, Vtep),
    /// Remove a VTEP from the flood list of a VXLAN device.
    RemoveFlood(IfName, Vtep),
    /// Make the bridge of a VXLAN device send frames for a host to this device, only those of this VLAN if the bridge filters VLANs.
    AddFdbEntry(IfName, Mac, Option<VlanId>, Roaming),
    /// Remove that FDB entry.
    RemoveFdbEntry(IfName, Mac, Option<VlanId>),
    /// Add a permanent neighbour entry to a bridge or VXLAN device; it replaces any other entry of the address.
    AddNeighbor(IfName, IpAddr, Mac),
    /// Remove a permanent neighbour entry.
    RemoveNeighbor(IfName, IpAddr),
    /// Add an address to the bridge.
    AddGateway(IfName, Ipv4Network),
    /// Remove an address from the bridge.
    RemoveGateway(IfName, Ipv4Network),
}

impl OverlayStep {
    /// Returns the interfaces without which the step is not possible.
    pub fn needs(&self) -> Vec<&IfName> {
        match self {
            Self::Attach(device, bridge, ..) => vec![device, bridge],
            Self::Join(port, bridge) => vec![port, bridge],
            Self::CreateBridge(interface, _)
            | Self::SetBridge(interface, _)
            | Self::CreateDevice(interface, _)
            | Self::SetMtu(interface, _)
            | Self::SetUp(interface)
            | Self::Delete(interface)
            | Self::Leave(interface)
            | Self::AddRemote(interface, ..)
            | Self::RemoveRemote(interface, _)
            | Self::AddFlood(interface, _)
            | Self::RemoveFlood(interface, _)
            | Self::AddFdbEntry(interface, ..)
            | Self::RemoveFdbEntry(interface, ..)
            | Self::AddNeighbor(interface, ..)
            | Self::RemoveNeighbor(interface, _)
            | Self::AddGateway(interface, _)
            | Self::RemoveGateway(interface, _) => vec![interface],
        }
    }

    /// Returns the interface that this step creates; later steps that need it depend on this step.
    pub fn makes(&self) -> Option<&IfName> {
        match self {
            Self::CreateBridge(interface, _) | Self::CreateDevice(interface, _) => Some(interface),
            _ => None,
        }
    }
}

impl fmt::Display for OverlayStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateBridge(bridge, as_wanted) => write!(f, "create bridge {bridge} {as_wanted}"),
            Self::SetBridge(bridge, as_wanted) => write!(f, "set bridge {bridge} {as_wanted}"),
            Self::CreateDevice(device, Made { vni, local, proxy, address }) => {
                let proxy = if *proxy == Proxy::On { " proxy" } else { "" };
                write!(f, "create VXLAN device {device} id {vni} local {local} dstport {PORT}{proxy}")?;
                match address {
                    DeviceAddress::Any => Ok(()),
                    DeviceAddress::Highest => write!(f, " address {}", highest_address(*vni)),
                }
            }
            Self::SetMtu(device, mtu) => write!(f, "set MTU of {device} to {mtu}"),
            Self::Attach(device, bridge, port, vlan) => {
                let on = |flag| if flag { "on" } else { "off" };
                let Port { neigh_suppress, flood, mcast_flood, bcast_flood } = *port;
                write!(
                    f,
                    "attach {device} to {bridge} with neigh_suppress {} flood {} mcast_flood {} bcast_flood {}",
                    on(neigh_suppress),
                    on(flood),
                    on(mcast_flood),
                    on(bcast_flood)
                )?;
                vlan.map_or(Ok(()), |vlan| write!(f, " for VLAN {vlan}"))
            }
            Self::SetUp(device) => write!(f, "set {device} up"),
            Self::Delete(interface) => write!(f, "delete {interface}"),
            Self::Join(port, bridge) => write!(f, "join port {port} to {bridge}"),
            Self::Leave(port) => write!(f, "take port {port} out of its bridge"),
            Self::AddRemote(device, mac, vtep) => write!(f, "add {mac} at {vtep} to {device}"),
            Self::RemoveRemote(device, mac) => write!(f, "remove {mac} from {device}"),
            Self::AddFlood(device, vtep) => write!(f, "add {vtep} to the flood list of {device}"),
            Self::RemoveFlood(device, vtep) => write!(f, "remove {vtep} from the flood list of {device}"),
            Self::AddFdbEntry(device, mac, vlan, roaming) => {
                write!(f, "send {mac}{} to {device}", Of(*vlan))?;
                f.write_str(if *roaming == Roaming::Follows { " until it is learned elsewhere" } else { "" })
            }
            Self::RemoveFdbEntry(device, mac, vlan) => write!(f, "send {mac}{} to {device} no more", Of(*vlan)),
            Self::AddNeighbor(bridge, address, mac) => write!(f, "add neighbor {address} {mac} to {bridge}"),
            Self::RemoveNeighbor(bridge, address) => write!(f, "remove neighbor {address} from {bridge}"),
            Self::AddGateway(bridge, address) => write!(f, "add gateway {address} to {bridge}"),
            Self::RemoveGateway(bridge, address) => write!(f, "remove gateway {address} from {bridge}"),
        }
    }
}

/// Formatted as ` of VLAN N`; empty if there is no VLAN.
struct Of(Option<VlanId>);

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |vlan| write!(f, " of VLAN {vlan}"))
    }
}

impl fmt::Display for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(mac) = self.mac {
            write!(f, "address {mac} ")?;
        }
        write!(f, "mtu {} mcast_snooping {}", self.mtu, u8::from(self.snooping))
    }
}
