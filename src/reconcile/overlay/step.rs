//! Steps that concern the overlay.

use std::fmt;
use std::net::IpAddr;

use ipnetwork::Ipv4Network;
use vxlan::{Mac, PORT, Port, Proxy, Roaming, Vtep};

use super::existing::highest_address;
use super::state::{Bridge, DeviceAddress, Made};
use crate::mesh::{IfName, VlanId};

/// What the executor does. Doing a step again does no harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OverlayStep {
    /// Make a bridge as it should be, marked as this mesh's, without an IPv6 link-local address, and up.
    CreateBridge(IfName, Bridge),
    /// Give it the address, MTU and settings that it should have, and set it up.
    SetBridge(IfName, Bridge),
    /// Make a VXLAN device, marked as this mesh's, without an IPv6 link-local address, and down.
    CreateDevice(IfName, Made),
    /// Set the MTU of a VXLAN device, octets.
    SetMtu(IfName, u32),
    /// Make a VXLAN device a port of the bridge with these flags, and a member of this VLAN alone, whose frames have no tag there. `None`
    /// where the bridge filters no VLANs.
    Attach(IfName, IfName, Port, Option<VlanId>),
    /// Set a VXLAN device up.
    SetUp(IfName),
    /// Take a VXLAN device or a bridge away.
    Delete(IfName),
    /// Join somebody's interface to the bridge. Fails if it is a port of another.
    Join(IfName, IfName),
    /// Take it out of its bridge.
    Leave(IfName),
    /// Have a VXLAN device send frames to a host there, and to nowhere else.
    AddRemote(IfName, Mac, Vtep),
    /// Have it know nothing of the host.
    RemoveRemote(IfName, Mac),
    /// Have it send frames to everybody there, too.
    AddFlood(IfName, Vtep),
    /// And no more.
    RemoveFlood(IfName, Vtep),
    /// Have its bridge send frames to a host to this VXLAN device, those of this VLAN if the bridge filters VLANs.
    AddStation(IfName, Mac, Option<VlanId>, Roaming),
    /// And no more.
    RemoveStation(IfName, Mac, Option<VlanId>),
    /// Make a permanent neighbour of the bridge or the device, in place of any that there is.
    AddNeighbor(IfName, IpAddr, Mac),
    /// Delete it.
    RemoveNeighbor(IfName, IpAddr),
    /// Give the bridge an address.
    AddGateway(IfName, Ipv4Network),
    /// Take it away.
    RemoveGateway(IfName, Ipv4Network),
}

impl OverlayStep {
    /// The interfaces without which the step makes no sense.
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
            | Self::AddStation(interface, ..)
            | Self::RemoveStation(interface, ..)
            | Self::AddNeighbor(interface, ..)
            | Self::RemoveNeighbor(interface, _)
            | Self::AddGateway(interface, _)
            | Self::RemoveGateway(interface, _) => vec![interface],
        }
    }

    /// The interface that those of the next steps which need it cannot do without.
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
            Self::AddStation(device, mac, vlan, roaming) => {
                write!(f, "send {mac}{} to {device}", Of(*vlan))?;
                f.write_str(if *roaming == Roaming::Follows { " until it is heard elsewhere" } else { "" })
            }
            Self::RemoveStation(device, mac, vlan) => write!(f, "send {mac}{} to {device} no more", Of(*vlan)),
            Self::AddNeighbor(bridge, address, mac) => write!(f, "add neighbor {address} {mac} to {bridge}"),
            Self::RemoveNeighbor(bridge, address) => write!(f, "remove neighbor {address} from {bridge}"),
            Self::AddGateway(bridge, address) => write!(f, "add gateway {address} to {bridge}"),
            Self::RemoveGateway(bridge, address) => write!(f, "remove gateway {address} from {bridge}"),
        }
    }
}

/// ` of VLAN N`, or nothing.
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
