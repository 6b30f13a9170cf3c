//! Bridges, VXLAN devices and ports: parsing them from a dump, and creating, changing and joining them.

use std::io;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    BridgePortState, InfoBridge, InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoPortKind, InfoVxlan,
    LinkAttribute, LinkFlags, LinkInfo, VxlanDf,
};
use vxlan::{Mac, PORT, Port, Proxy, Vni, Vtep};

use super::links::{of_kind, with_index};
use super::netlink::Netlink;
use crate::net::IfName;
use crate::reconcile::overlay::{Bridge, DeviceAddress, HeldBack, Made, highest_address};

/// The largest number of hosts that a bridge learns from frames, so that a guest which sends from ever new addresses fills neither the
/// bridge's FDB nor weft's table. Frames for hosts that it has not learned are flooded to its ports; it has entries for hosts of the table
/// at other sites anyway.
pub const MAX_LEARNED: u32 = 16_384;

/// A bridge, as the kernel reports it.
pub(super) struct FoundBridge {
    pub mac: Option<Mac>,
    pub snooping: bool,
    pub vlan_filtering: bool,
}

/// A VXLAN device, as the kernel reports it.
pub(super) struct FoundVxlan {
    /// `None` if weft does not create such devices.
    pub made: Option<Made>,
    /// `None` if it is not a port of a bridge, or if the port learns.
    pub port: Option<Port>,
    pub held_back: Option<HeldBack>,
}

pub(super) fn parse_bridge(infos: &[LinkInfo], address: &[u8]) -> FoundBridge {
    let mac = <[u8; 6]>::try_from(address).ok().and_then(|octets| Mac::try_from(octets).ok());
    let (mut snooping, mut vlan_filtering) = (true, false);
    for info in infos {
        let LinkInfo::Data(InfoData::Bridge(attributes)) = info else { continue };
        for attribute in attributes {
            match attribute {
                InfoBridge::MulticastSnooping(on) => snooping = *on,
                InfoBridge::VlanFiltering(on) => vlan_filtering = *on,
                _ => {}
            }
        }
    }
    FoundBridge { mac, snooping, vlan_filtering }
}

pub(super) fn parse_vxlan(infos: &[LinkInfo], address: &[u8]) -> FoundVxlan {
    let mut found = FoundVxlan { made: None, port: None, held_back: None };
    for info in infos {
        match info {
            LinkInfo::Data(InfoData::Vxlan(attributes)) => found.made = parse_made(attributes, address),
            LinkInfo::PortData(InfoPortData::BridgePort(attributes)) => {
                found.port = parse_port(attributes);
                found.held_back = attributes.iter().find_map(held_back);
            }
            _ => {}
        }
    }
    found
}

fn held_back(attribute: &InfoBridgePort) -> Option<HeldBack> {
    match attribute {
        InfoBridgePort::State(BridgePortState::Listening) => Some(HeldBack::Listening),
        InfoBridgePort::State(BridgePortState::Learning) => Some(HeldBack::Learning),
        InfoBridgePort::State(BridgePortState::Blocking) => Some(HeldBack::Blocking),
        _ => None,
    }
}

fn parse_made(attributes: &[InfoVxlan], address: &[u8]) -> Option<Made> {
    let (mut vni, mut local, mut proxy) = (None, None, Proxy::Off);
    for attribute in attributes {
        match attribute {
            InfoVxlan::Id(id) => vni = Vni::try_from(*id).ok(),
            InfoVxlan::Local(address) => local = Some(Vtep(*address)),
            InfoVxlan::Proxy(true) => proxy = Proxy::On,
            // A device that learns, or that has a group, would send frames to other destinations than those in the tables.
            InfoVxlan::Learning(true) | InfoVxlan::Group(_) | InfoVxlan::Group6(_) | InfoVxlan::Local6(_) => {
                return None;
            }
            InfoVxlan::Port(port) if *port != PORT => return None,
            InfoVxlan::Df(df) if *df != VxlanDf::Unset => return None,
            InfoVxlan::CollectMetadata(true) => return None,
            _ => {}
        }
    }
    let vni = vni?;
    let address = match address == highest_address(vni).octets() {
        true => DeviceAddress::Highest,
        false => DeviceAddress::Any,
    };
    Some(Made { vni, local: local?, proxy, address })
}

fn parse_port(attributes: &[InfoBridgePort]) -> Option<Port> {
    let mut port = Port { neigh_suppress: false, flood: false, mcast_flood: false, bcast_flood: false };
    for attribute in attributes {
        match attribute {
            InfoBridgePort::Learning(true) => return None,
            InfoBridgePort::NeighSupress(on) => port.neigh_suppress = *on,
            InfoBridgePort::UnicastFlood(on) => port.flood = *on,
            InfoBridgePort::MulticastFlood(on) => port.mcast_flood = *on,
            InfoBridgePort::BroadcastFlood(on) => port.bcast_flood = *on,
            _ => {}
        }
    }
    Some(port)
}

/// Creates a bridge, down. Its own address marks it until it has its alias, which the kernel does not accept at creation.
pub(super) async fn create_bridge(netlink: &Netlink, name: &IfName, mac: Option<Mac>) -> io::Result<()> {
    create(netlink, name, InfoKind::Bridge, mac, None).await
}

/// Applies the settings to a bridge, and sets it up.
pub(super) async fn set_bridge(netlink: &Netlink, index: u32, bridge: &Bridge) -> io::Result<()> {
    let mut message = with_index(index);
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    message.attributes.push(LinkAttribute::Mtu(bridge.mtu));
    message.attributes.extend(bridge.mac.map(|mac| LinkAttribute::Address(mac.octets().to_vec())));
    // Kernels before 6.7 do not know this limit, and ignore it.
    let settings = vec![InfoBridge::MulticastSnooping(bridge.snooping), InfoBridge::FdbMaxLearned(MAX_LEARNED)];
    let data = InfoData::Bridge(settings);
    message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge), LinkInfo::Data(data)]));
    // RTM_SETLINK ignores the settings that are specific to a kind.
    netlink.change(RouteNetlinkMessage::NewLink(message), 0).await
}

/// Creates a VXLAN device, down.
pub(super) async fn create_vxlan(netlink: &Netlink, name: &IfName, made: Made) -> io::Result<()> {
    let data = vec![
        InfoVxlan::Id(made.vni.value()),
        InfoVxlan::Local(made.local.0),
        InfoVxlan::Port(PORT),
        InfoVxlan::Learning(false),
        InfoVxlan::Proxy(made.proxy == Proxy::On),
        InfoVxlan::Df(VxlanDf::Unset),
    ];
    let mac = match made.address {
        DeviceAddress::Any => None,
        DeviceAddress::Highest => Some(highest_address(made.vni)),
    };
    create(netlink, name, InfoKind::Vxlan, mac, Some(InfoData::Vxlan(data))).await
}

async fn create(
    netlink: &Netlink,
    name: &IfName,
    kind: InfoKind,
    mac: Option<Mac>,
    data: Option<InfoData>,
) -> io::Result<()> {
    let mut message = of_kind(kind.clone());
    message.attributes.clear();
    message.attributes.push(LinkAttribute::IfName(name.as_str().to_owned()));
    message.attributes.extend(mac.map(|mac| LinkAttribute::Address(mac.octets().to_vec())));
    let infos = std::iter::once(LinkInfo::Kind(kind)).chain(data.map(LinkInfo::Data));
    message.attributes.push(LinkAttribute::LinkInfo(infos.collect()));
    netlink.change(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL).await
}

/// Joins an interface to a bridge; `None` removes it from its bridge.
pub(super) async fn join(netlink: &Netlink, index: u32, bridge: Option<u32>) -> io::Result<()> {
    let mut message = with_index(index);
    message.attributes.push(LinkAttribute::Controller(bridge.unwrap_or_default()));
    netlink.change(RouteNetlinkMessage::SetLink(message), 0).await
}

/// Sets the flags of a port, and disables learning on it.
pub(super) async fn set_port(netlink: &Netlink, index: u32, port: Port) -> io::Result<()> {
    let data = InfoPortData::BridgePort(vec![
        InfoBridgePort::Learning(false),
        InfoBridgePort::NeighSupress(port.neigh_suppress),
        InfoBridgePort::UnicastFlood(port.flood),
        InfoBridgePort::MulticastFlood(port.mcast_flood),
        InfoBridgePort::BroadcastFlood(port.bcast_flood),
    ]);
    let mut message = with_index(index);
    let infos = vec![LinkInfo::PortKind(InfoPortKind::Bridge), LinkInfo::PortData(data)];
    message.attributes.push(LinkAttribute::LinkInfo(infos));
    netlink.change(RouteNetlinkMessage::NewLink(message), 0).await
}

/// Sets a link up.
pub(super) async fn set_up(netlink: &Netlink, index: u32) -> io::Result<()> {
    let mut message = with_index(index);
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    netlink.change(RouteNetlinkMessage::SetLink(message), 0).await
}
