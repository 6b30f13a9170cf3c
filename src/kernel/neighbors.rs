//! Forwarding entries of bridges and VXLAN devices, and permanent neighbours.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use vxlan::{Mac, Roaming, Vtep};

use super::netlink::{Netlink, unless};
use crate::mesh::VlanId;

/// The address that stands for everybody in a VXLAN device's table.
const EVERYBODY: [u8; 6] = [0; 6];

/// A forwarding entry as dumped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FoundForwarding {
    /// Of a VXLAN device: frames to a host, or (`None`) to everybody, go to a VTEP.
    Remote(u32, Option<Mac>, Vtep),
    /// Of a bridge: frames to a host go out of this port, because somebody has said so.
    Station(u32, Mac, Option<VlanId>, Roaming),
    /// Of a bridge: the host was heard on this port.
    Heard(u32, Mac, Option<VlanId>),
}

/// Every forwarding entry of the namespace that weft can make, or that tells where a host is.
pub(super) async fn dump_forwarding(netlink: &Netlink) -> io::Result<Vec<FoundForwarding>> {
    Ok(dump(netlink, AddressFamily::Bridge).await?.iter().filter_map(forwarding).collect())
}

/// Every permanent neighbour: index, address and MAC address.
pub(super) async fn dump_permanent(netlink: &Netlink) -> io::Result<Vec<(u32, IpAddr, Mac)>> {
    let mut found = Vec::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let entries = dump(netlink, family).await?;
        found.extend(
            entries.iter().filter(|entry| entry.header.state == NeighbourState::Permanent).filter_map(permanent),
        );
    }
    Ok(found)
}

async fn dump(netlink: &Netlink, family: AddressFamily) -> io::Result<Vec<NeighbourMessage>> {
    let mut request = NeighbourMessage::default();
    request.header.family = family;
    let replies = netlink.dump(RouteNetlinkMessage::GetNeighbour(request)).await?;
    let entries = replies.into_iter().filter_map(|reply| match reply {
        RouteNetlinkMessage::NewNeighbour(entry) => Some(entry),
        _ => None,
    });
    Ok(entries.collect())
}

/// What an entry of the bridge family says.
pub(super) fn forwarding(message: &NeighbourMessage) -> Option<FoundForwarding> {
    let header = &message.header;
    let octets = lladdr(message)?;
    if header.flags.contains(NeighbourFlags::Own) {
        let vtep = message.attributes.iter().find_map(|attribute| match attribute {
            // The library does not look into addresses of this family.
            NeighbourAttribute::Destination(NeighbourAddress::Other(octets)) => {
                Some(Vtep(Ipv4Addr::from(<[u8; 4]>::try_from(octets.as_slice()).ok()?)))
            }
            _ => None,
        })?;
        let mac = if octets == EVERYBODY { None } else { Some(Mac::try_from(octets).ok()?) };
        return Some(FoundForwarding::Remote(header.ifindex, mac, vtep));
    }
    let mac = Mac::try_from(octets).ok()?;
    let vlan = message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Vlan(id) => VlanId::new(*id),
        _ => None,
    });
    if header.flags.contains(NeighbourFlags::ExtLearned) {
        Some(FoundForwarding::Station(header.ifindex, mac, vlan, Roaming::Follows))
    } else if header.flags.contains(NeighbourFlags::Sticky) {
        Some(FoundForwarding::Station(header.ifindex, mac, vlan, Roaming::Sticky))
    } else if header.state == NeighbourState::Permanent || header.state == NeighbourState::Noarp {
        // A port's own address, or an entry of somebody else.
        None
    } else {
        Some(FoundForwarding::Heard(header.ifindex, mac, vlan))
    }
}

fn permanent(message: &NeighbourMessage) -> Option<(u32, IpAddr, Mac)> {
    let mac = Mac::try_from(lladdr(message)?).ok()?;
    Some((message.header.ifindex, destination(message)?, mac))
}

/// The IP address that a neighbour has.
pub(super) fn destination(message: &NeighbourMessage) -> Option<IpAddr> {
    message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => Some(IpAddr::from(*address)),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(address)) => Some(IpAddr::from(*address)),
        _ => None,
    })
}

fn lladdr(message: &NeighbourMessage) -> Option<[u8; 6]> {
    message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::LinkLayerAddress(octets) => octets.as_slice().try_into().ok(),
        _ => None,
    })
}

/// Has a VXLAN device send frames to a host to `vtep` and to nowhere else.
pub(super) async fn add_remote(netlink: &Netlink, index: u32, mac: Mac, vtep: Vtep) -> io::Result<()> {
    let message = remote(index, mac.octets(), Some(vtep), NeighbourFlags::ExtLearned);
    netlink.change(RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE | NLM_F_REPLACE).await
}

/// Has it know nothing of the host; good if it does not.
pub(super) async fn remove_remote(netlink: &Netlink, index: u32, mac: Mac) -> io::Result<()> {
    let message = remote(index, mac.octets(), None, NeighbourFlags::default());
    unless(netlink.change(RouteNetlinkMessage::DelNeighbour(message), 0).await, libc::ENOENT)
}

/// Has a VXLAN device send frames to everybody to `vtep`, too; good if it does.
pub(super) async fn add_flood(netlink: &Netlink, index: u32, vtep: Vtep) -> io::Result<()> {
    let message = remote(index, EVERYBODY, Some(vtep), NeighbourFlags::default());
    let answer = netlink.change(RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE | NLM_F_APPEND).await;
    unless(answer, libc::EEXIST)
}

/// And no more; good if it does not.
pub(super) async fn remove_flood(netlink: &Netlink, index: u32, vtep: Vtep) -> io::Result<()> {
    let message = remote(index, EVERYBODY, Some(vtep), NeighbourFlags::default());
    unless(netlink.change(RouteNetlinkMessage::DelNeighbour(message), 0).await, libc::ENOENT)
}

/// Has the bridge of a port send frames to a host there. `vlan` is needed where the bridge filters VLANs, and of no effect elsewhere.
pub(super) async fn add_station(
    netlink: &Netlink,
    index: u32,
    mac: Mac,
    vlan: Option<VlanId>,
    roaming: Roaming,
) -> io::Result<()> {
    let (flags, state) = match roaming {
        Roaming::Follows => (NeighbourFlags::ExtLearned, NeighbourState::Reachable),
        Roaming::Sticky => (NeighbourFlags::Sticky, NeighbourState::Noarp),
    };
    let mut message = entry(index, mac.octets(), NeighbourFlags::Controller | flags, state);
    message.attributes.extend(vlan.map(|vlan| NeighbourAttribute::Vlan(vlan.value())));
    netlink.change(RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE | NLM_F_REPLACE).await
}

/// And no more; good if it does not.
pub(super) async fn remove_station(netlink: &Netlink, index: u32, mac: Mac, vlan: Option<VlanId>) -> io::Result<()> {
    let message = station(index, mac, vlan);
    unless(netlink.change(RouteNetlinkMessage::DelNeighbour(message), 0).await, libc::ENOENT)
}

/// The bridge's entry for a host on a port, to be deleted, or asked for: then on whichever port it is.
pub(super) fn station(port: u32, mac: Mac, vlan: Option<VlanId>) -> NeighbourMessage {
    let mut message = entry(port, mac.octets(), NeighbourFlags::Controller, NeighbourState::default());
    message.attributes.extend(vlan.map(|vlan| NeighbourAttribute::Vlan(vlan.value())));
    message
}

/// Makes a permanent neighbour, in place of any of this address.
pub(super) async fn add_permanent(netlink: &Netlink, index: u32, address: IpAddr, mac: Mac) -> io::Result<()> {
    let mut message = neighbor(index, address);
    message.header.state = NeighbourState::Permanent;
    message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.octets().to_vec()));
    netlink.change(RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE | NLM_F_REPLACE).await
}

/// Deletes a neighbour; good if there is none.
pub(super) async fn remove_permanent(netlink: &Netlink, index: u32, address: IpAddr) -> io::Result<()> {
    unless(netlink.change(RouteNetlinkMessage::DelNeighbour(neighbor(index, address)), 0).await, libc::ENOENT)
}

/// An entry of a VXLAN device's own table.
fn remote(index: u32, mac: [u8; 6], vtep: Option<Vtep>, flags: NeighbourFlags) -> NeighbourMessage {
    let mut message = entry(index, mac, NeighbourFlags::Own | flags, NeighbourState::Permanent);
    let destination = vtep.map(|vtep| NeighbourAddress::Inet(vtep.0));
    message.attributes.extend(destination.map(NeighbourAttribute::Destination));
    message
}

fn entry(index: u32, mac: [u8; 6], flags: NeighbourFlags, state: NeighbourState) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Bridge;
    message.header.ifindex = index;
    message.header.flags = flags;
    message.header.state = state;
    message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.to_vec()));
    message
}

fn neighbor(index: u32, address: IpAddr) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.ifindex = index;
    message.attributes.push(NeighbourAttribute::Destination(address.into()));
    message
}
