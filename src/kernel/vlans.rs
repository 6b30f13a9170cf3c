//! VLANs of bridge ports: dumping them, and making a port a member of one VLAN only.

use std::collections::BTreeMap;
use std::io;

use netlink_packet_route::link::{
    AfSpecBridge, BridgeVlanInfo, BridgeVlanInfoFlags, LinkAttribute, LinkExtentMask, LinkMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::netlink::Netlink;
use crate::mesh::VlanId;
use crate::reconcile::overlay::{PortVlans, VlanRange};

/// Dumps the VLANs of every bridge port, and of every bridge itself, by index. Bridges that do not filter VLANs are included.
pub(super) async fn dump(netlink: &Netlink) -> io::Result<BTreeMap<u32, PortVlans>> {
    let mut request = LinkMessage::default();
    request.header.interface_family = AddressFamily::Bridge;
    // A port may be a member of thousands of VLANs, which this mask combines into ranges.
    request.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::BrvlanCompressed]));
    let replies = netlink.dump(RouteNetlinkMessage::GetLink(request)).await?;
    let ports = replies.iter().filter_map(|reply| match reply {
        RouteNetlinkMessage::NewLink(link) => Some((link.header.index, ranges(link))),
        _ => None,
    });
    Ok(ports.collect())
}

fn ranges(link: &LinkMessage) -> PortVlans {
    let infos = link.attributes.iter().flat_map(|attribute| match attribute {
        LinkAttribute::AfSpecBridge(parts) => parts.as_slice(),
        _ => &[],
    });
    let mut ranges = PortVlans::new();
    let mut begun = None;
    for info in infos {
        let AfSpecBridge::VlanInfo(BridgeVlanInfo { flags, vid }) = info else { continue };
        if flags.contains(BridgeVlanInfoFlags::RangeBegin) {
            begun = Some(*vid);
            continue;
        }
        ranges.push(VlanRange {
            first: begun.take().unwrap_or(*vid),
            last: *vid,
            pvid: flags.contains(BridgeVlanInfoFlags::Pvid),
            untagged: flags.contains(BridgeVlanInfoFlags::Untagged),
        });
    }
    ranges
}

/// Makes a port a member of `vlan` only, and receive and send its frames without a tag.
pub(super) async fn set_access(netlink: &Netlink, index: u32, vlan: VlanId) -> io::Result<()> {
    // Deleting VLANs that the port is not a member of is no error.
    for (first, last) in [(1, vlan.value() - 1), (vlan.value() + 1, VlanId::MAX)] {
        if first <= last {
            let range = range(first, last);
            netlink.change(RouteNetlinkMessage::DelLink(message(index, range)), 0).await?;
        }
    }
    let flags = BridgeVlanInfoFlags::Pvid | BridgeVlanInfoFlags::Untagged;
    let own = vec![AfSpecBridge::VlanInfo(BridgeVlanInfo { flags, vid: vlan.value() })];
    netlink.change(RouteNetlinkMessage::SetLink(message(index, own)), 0).await
}

fn range(first: u16, last: u16) -> Vec<AfSpecBridge> {
    let info = |flags, vid| AfSpecBridge::VlanInfo(BridgeVlanInfo { flags, vid });
    match first == last {
        true => vec![info(BridgeVlanInfoFlags::empty(), first)],
        false => vec![info(BridgeVlanInfoFlags::RangeBegin, first), info(BridgeVlanInfoFlags::RangeEnd, last)],
    }
}

fn message(index: u32, parts: Vec<AfSpecBridge>) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.interface_family = AddressFamily::Bridge;
    message.header.index = index;
    message.attributes.push(LinkAttribute::AfSpecBridge(parts));
    message
}
