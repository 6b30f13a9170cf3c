//! Links: dumping them, and creating, marking, configuring and deleting our own.

use std::io;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    AfSpecInet, AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InetDevConf, InfoKind, LinkAttribute, LinkFlags, LinkInfo,
    LinkMessage,
};

use super::netlink::{Netlink, unless};
use super::overlay_links::{self, FoundBridge, FoundVxlan};
use crate::net::IfName;
use crate::reconcile::state::{Admin, Backend, Statistics};

/// A link, as the kernel reports it.
pub(super) struct FoundLink {
    pub name: IfName,
    pub index: u32,
    pub mtu: u32,
    pub alias: Option<String>,
    pub kind: Kind,
    /// Index of the bridge or other interface that it is joined to.
    pub controller: Option<u32>,
    pub statistics: Statistics,
    pub admin: Admin,
    /// Whether it is up and has carrier.
    pub running: bool,
    /// Its IPv4 settings, as far as the dump contains them.
    pub settings: Option<InetDevConf>,
}

/// The kind of a link, as far as weft creates such links.
pub(super) enum Kind {
    Tunnel(Backend),
    Bridge(FoundBridge),
    Vxlan(FoundVxlan),
    Other,
}

/// The prefix of the alias of a mesh's links; the name of the mesh follows.
pub(super) const ALIAS_PREFIX: &str = "weft:";

impl FoundLink {
    /// Returns the name of the mesh that the link belongs to, if it is a link of weft.
    pub fn mesh(&self) -> Option<&str> {
        let ours = !matches!(self.kind, Kind::Other);
        self.alias.as_deref().filter(|_| ours)?.strip_prefix(ALIAS_PREFIX)
    }

    /// Returns whether the link belongs to the mesh whose links have this alias.
    pub fn is_ours(&self, alias: &str) -> bool {
        self.alias.as_deref() == Some(alias) && !matches!(self.kind, Kind::Other)
    }
}

/// Dumps every link of the namespace.
pub(super) async fn dump(netlink: &Netlink) -> io::Result<Vec<FoundLink>> {
    let replies = netlink.dump(RouteNetlinkMessage::GetLink(LinkMessage::default())).await?;
    let links = replies.into_iter().filter_map(|reply| match reply {
        RouteNetlinkMessage::NewLink(link) => Some(link),
        _ => None,
    });
    Ok(links.filter_map(|link| parse(&link)).collect())
}

fn parse(message: &LinkMessage) -> Option<FoundLink> {
    let flags = message.header.flags;
    let mut name = None;
    let mut found_mtu = 0;
    let mut alias = None;
    let mut controller = None;
    let mut statistics = Statistics::default();
    let mut settings = None;
    let mut infos = [].as_slice();
    let mut address = [].as_slice();
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(text) => name = IfName::new(text),
            LinkAttribute::Mtu(mtu) => found_mtu = *mtu,
            LinkAttribute::IfAlias(text) => alias = Some(text.clone()),
            LinkAttribute::Controller(index) => controller = Some(*index),
            LinkAttribute::Address(octets) => address = octets,
            LinkAttribute::Stats64(found) => {
                statistics = Statistics {
                    rx_packets: found.rx_packets,
                    rx_bytes: found.rx_bytes,
                    rx_dropped: found.rx_dropped,
                    tx_packets: found.tx_packets,
                    tx_bytes: found.tx_bytes,
                    tx_dropped: found.tx_dropped,
                };
            }
            LinkAttribute::LinkInfo(found) => infos = found,
            LinkAttribute::AfSpecUnspec(families) => settings = families.iter().find_map(settings_in),
            _ => {}
        }
    }
    let kind = infos.iter().find_map(|info| match info {
        LinkInfo::Kind(InfoKind::Wireguard) => Some(Kind::Tunnel(Backend::Kernel)),
        LinkInfo::Kind(InfoKind::Tun) => Some(Kind::Tunnel(Backend::Userspace)),
        LinkInfo::Kind(InfoKind::Bridge) => Some(Kind::Bridge(overlay_links::parse_bridge(infos, address))),
        LinkInfo::Kind(InfoKind::Vxlan) => Some(Kind::Vxlan(overlay_links::parse_vxlan(infos, address))),
        _ => None,
    });
    let usable = match kind {
        // OSPF's packets need the MULTICAST flag, which the kernel does not set on a new WireGuard device.
        Some(Kind::Tunnel(_)) => flags.contains(LinkFlags::Up | LinkFlags::Multicast),
        _ => flags.contains(LinkFlags::Up),
    };
    Some(FoundLink {
        name: name?,
        index: message.header.index,
        mtu: found_mtu,
        alias,
        kind: kind.unwrap_or(Kind::Other),
        controller,
        statistics,
        admin: if usable { Admin::Up } else { Admin::Down },
        // LowerUp is the carrier at this moment. Running follows up to a second later, and is not set on a port that may not be used yet.
        running: flags.contains(LinkFlags::Up | LinkFlags::LowerUp | LinkFlags::Running),
        settings,
    })
}

fn settings_in(family: &AfSpecUnspec) -> Option<InetDevConf> {
    let AfSpecUnspec::Inet(parts) = family else { return None };
    parts.iter().find_map(|part| match part {
        AfSpecInet::DevConf(settings) => Some(*settings),
        _ => None,
    })
}

/// Returns the kernel's index of the interface; ENODEV if it does not exist.
pub(super) async fn index(netlink: &Netlink, name: &IfName) -> io::Result<u32> {
    Ok(message(netlink, name).await?.header.index)
}

/// Returns the interface; ENODEV if it does not exist.
pub(super) async fn find(netlink: &Netlink, name: &IfName) -> io::Result<FoundLink> {
    parse(&message(netlink, name).await?).ok_or_else(|| io::Error::other(format!("{name} has no name")))
}

async fn message(netlink: &Netlink, name: &IfName) -> io::Result<LinkMessage> {
    let mut request = LinkMessage::default();
    request.attributes.push(LinkAttribute::IfName(name.as_str().to_owned()));
    match netlink.get(RouteNetlinkMessage::GetLink(request)).await? {
        RouteNetlinkMessage::NewLink(link) => Ok(link),
        other => Err(io::Error::other(format!("the kernel answers for {name} with {other:?}"))),
    }
}

/// Creates a kernel WireGuard device.
pub(super) async fn create_wireguard(netlink: &Netlink, name: &IfName) -> io::Result<()> {
    let mut message = of_kind(InfoKind::Wireguard);
    message.attributes.push(LinkAttribute::IfName(name.as_str().to_owned()));
    netlink.change(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL).await
}

/// Marks a link as the mesh's, and keeps the kernel from giving it an IPv6 link-local address.
pub(super) async fn claim(netlink: &Netlink, index: u32, alias: &str) -> io::Result<()> {
    let mut plain = with_index(index);
    plain.attributes.push(LinkAttribute::IfAlias(alias.to_owned()));
    let mut whole = plain.clone();
    let no_link_local = AfSpecInet6::AddrGenMode(In6AddrGenMode::None);
    whole.attributes.push(LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![no_link_local])]));
    match netlink.change(RouteNetlinkMessage::SetLink(whole), 0).await {
        // A kernel without IPv6 adds no link-local address, and refuses the attribute.
        Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
            netlink.change(RouteNetlinkMessage::SetLink(plain), 0).await
        }
        other => other,
    }
}

/// Sets the MTU, in octets.
pub(super) async fn set_mtu(netlink: &Netlink, index: u32, mtu: u32) -> io::Result<()> {
    let mut message = with_index(index);
    message.attributes.push(LinkAttribute::Mtu(mtu));
    netlink.change(RouteNetlinkMessage::SetLink(message), 0).await
}

/// Sets the link up, with the MULTICAST flag.
pub(super) async fn set_up(netlink: &Netlink, index: u32) -> io::Result<()> {
    let mut message = with_index(index);
    message.header.flags = LinkFlags::Up | LinkFlags::Multicast;
    message.header.change_mask = LinkFlags::Up | LinkFlags::Multicast;
    netlink.change(RouteNetlinkMessage::SetLink(message), 0).await
}

/// Sets the link down.
pub(super) async fn set_down(netlink: &Netlink, index: u32) -> io::Result<()> {
    let mut message = with_index(index);
    message.header.change_mask = LinkFlags::Up;
    netlink.change(RouteNetlinkMessage::SetLink(message), 0).await
}

/// Renames the link. The error is EBUSY on kernels that do not rename a link that is up.
pub(super) async fn rename(netlink: &Netlink, index: u32, to: &IfName) -> io::Result<()> {
    let mut message = with_index(index);
    message.attributes.push(LinkAttribute::IfName(to.as_str().to_owned()));
    netlink.change(RouteNetlinkMessage::SetLink(message), 0).await
}

/// Deletes the link; succeeds if it does not exist.
pub(super) async fn delete(netlink: &Netlink, index: u32) -> io::Result<()> {
    unless(netlink.change(RouteNetlinkMessage::DelLink(with_index(index)), 0).await, libc::ENODEV)
}

/// Returns whether the kernel can create WireGuard links. This loads the module if there is one, and creates nothing.
pub(super) async fn has_wireguard(netlink: &Netlink) -> io::Result<bool> {
    has_kind(netlink, InfoKind::Wireguard).await
}

/// Requests a link of the kind with an impossible MTU: a kernel that knows the kind refuses the MTU.
async fn has_kind(netlink: &Netlink, kind: InfoKind) -> io::Result<bool> {
    let mut message = of_kind(kind);
    message.attributes.push(LinkAttribute::Mtu(u32::MAX));
    let answer = netlink.change(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL).await;
    match answer.as_ref().map_err(io::Error::raw_os_error) {
        Err(Some(libc::EOPNOTSUPP)) => Ok(false),
        Err(Some(libc::EINVAL)) => Ok(true),
        Ok(()) => Err(io::Error::other("the kernel made a link of an impossible MTU")),
        Err(_) => answer.map(|()| true),
    }
}

pub(super) fn of_kind(kind: InfoKind) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind)]));
    message
}

pub(super) fn with_index(index: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message
}
