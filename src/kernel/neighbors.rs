//! FDB entries of bridges and VXLAN devices, and permanent neighbours.

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

/// The MAC address of the default entries in a VXLAN device's FDB: where flooded frames are sent.
const EVERYBODY: [u8; 6] = [0; 6];

/// An FDB entry, as the kernel dumps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FoundForwarding {
    /// An entry of a VXLAN device: it sends frames to a host, or flooded frames (`None`), to a VTEP.
    Remote(u32, Option<Mac>, Vtep),
    /// An entry of a bridge that was added (`extern_learn` or `sticky`), not learned: it sends frames to the host out of this port.
    FdbEntry(u32, Mac, Option<VlanId>, Roaming),
    /// An entry of a bridge that it learned from a frame of the host on this port.
    Learned(u32, Mac, Option<VlanId>),
}

/// Dumps all FDB entries of the namespace that weft can make, or that show where a host is.
pub(super) async fn dump_forwarding(netlink: &Netlink) -> io::Result<Vec<FoundForwarding>> {
    Ok(dump(netlink, AddressFamily::Bridge).await?.iter().filter_map(forwarding).collect())
}

/// Dumps all permanent neighbours: interface index, IP address and MAC address.
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

/// Parses an entry of the bridge family; `None` if it is not one of the kinds of [`FoundForwarding`].
pub(super) fn forwarding(message: &NeighbourMessage) -> Option<FoundForwarding> {
    let header = &message.header;
    let octets = lladdr(message)?;
    if header.flags.contains(NeighbourFlags::Own) {
        let vtep = message.attributes.iter().find_map(|attribute| match attribute {
            // The library does not parse addresses of this family.
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
        Some(FoundForwarding::FdbEntry(header.ifindex, mac, vlan, Roaming::Follows))
    } else if header.flags.contains(NeighbourFlags::Sticky) {
        Some(FoundForwarding::FdbEntry(header.ifindex, mac, vlan, Roaming::Sticky))
    } else if header.state == NeighbourState::Permanent || header.state == NeighbourState::Noarp {
        // A port's own address, or a foreign entry.
        None
    } else {
        Some(FoundForwarding::Learned(header.ifindex, mac, vlan))
    }
}

fn permanent(message: &NeighbourMessage) -> Option<(u32, IpAddr, Mac)> {
    let mac = Mac::try_from(lladdr(message)?).ok()?;
    Some((message.header.ifindex, destination(message)?, mac))
}

/// The IP address of a neighbour.
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

/// Adds an entry to a VXLAN device's FDB, in place of any other: it sends frames to the host only to `vtep`.
pub(super) async fn add_remote(netlink: &Netlink, index: u32, mac: Mac, vtep: Vtep) -> io::Result<()> {
    let message = remote(index, mac.octets(), Some(vtep), NeighbourFlags::ExtLearned);
    netlink.change(RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE | NLM_F_REPLACE).await
}

/// Removes a VXLAN device's entry for a host; succeeds if there is none.
pub(super) async fn remove_remote(netlink: &Netlink, index: u32, mac: Mac) -> io::Result<()> {
    let message = remote(index, mac.octets(), None, NeighbourFlags::default());
    unless(netlink.change(RouteNetlinkMessage::DelNeighbour(message), 0).await, libc::ENOENT)
}

/// Makes a VXLAN device send flooded frames to `vtep` as well; succeeds if it does so already.
pub(super) async fn add_flood(netlink: &Netlink, index: u32, vtep: Vtep) -> io::Result<()> {
    let message = remote(index, EVERYBODY, Some(vtep), NeighbourFlags::default());
    let answer = netlink.change(RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE | NLM_F_APPEND).await;
    unless(answer, libc::EEXIST)
}

/// Makes a VXLAN device send no flooded frames to `vtep`; succeeds if it does not.
pub(super) async fn remove_flood(netlink: &Netlink, index: u32, vtep: Vtep) -> io::Result<()> {
    let message = remote(index, EVERYBODY, Some(vtep), NeighbourFlags::default());
    unless(netlink.change(RouteNetlinkMessage::DelNeighbour(message), 0).await, libc::ENOENT)
}

/// Adds an entry to the FDB of a port's bridge: it sends frames to the host out of this port. `vlan` is needed if the bridge filters
/// VLANs, and has no effect otherwise.
pub(super) async fn add_fdb_entry(
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

/// Removes the entry for a host from the FDB of a port's bridge; succeeds if there is none.
pub(super) async fn remove_fdb_entry(netlink: &Netlink, index: u32, mac: Mac, vlan: Option<VlanId>) -> io::Result<()> {
    let message = fdb_entry(index, mac, vlan);
    unless(netlink.change(RouteNetlinkMessage::DelNeighbour(message), 0).await, libc::ENOENT)
}

/// A message that identifies a bridge's entry for a host on a port, for deleting it. In a query, it identifies the entry on any port.
pub(super) fn fdb_entry(port: u32, mac: Mac, vlan: Option<VlanId>) -> NeighbourMessage {
    let mut message = entry(port, mac.octets(), NeighbourFlags::Controller, NeighbourState::default());
    message.attributes.extend(vlan.map(|vlan| NeighbourAttribute::Vlan(vlan.value())));
    message
}

/// Adds a permanent neighbour, in place of any neighbour with this address.
pub(super) async fn add_permanent(netlink: &Netlink, index: u32, address: IpAddr, mac: Mac) -> io::Result<()> {
    let mut message = neighbor(index, address);
    message.header.state = NeighbourState::Permanent;
    message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.octets().to_vec()));
    netlink.change(RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE | NLM_F_REPLACE).await
}

/// Deletes a neighbour; succeeds if there is none.
pub(super) async fn remove_permanent(netlink: &Netlink, index: u32, address: IpAddr) -> io::Result<()> {
    unless(netlink.change(RouteNetlinkMessage::DelNeighbour(neighbor(index, address)), 0).await, libc::ENOENT)
}

/// An entry of a VXLAN device's own FDB.
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
