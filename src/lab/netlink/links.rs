//! Lists, creates, changes and removes links.

use std::os::fd::{AsFd, AsRawFd};

use anyhow::{Context, Result};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::link::{
    AfSpecBridge, BridgeStpState, BridgeVlanInfo, BridgeVlanInfoFlags, InfoBridge, InfoData, InfoKind, InfoVeth,
    LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;
use vxlan::Mac;

use super::super::layout::VlanFiltering;
use super::super::netns::Namespace;
use super::{MARK, Netlink, is};
use crate::mesh::VlanId;

/// A link as the lab sees it.
#[derive(Debug, Clone)]
pub struct LinkRow {
    /// Kernel index.
    pub index: u32,
    /// Kernel name.
    pub name: String,
    /// Created by a lab.
    pub ours: bool,
    /// IFLA_IFALIAS; empty if none.
    pub alias: String,
    /// Administratively up.
    pub up: bool,
    /// Packets pass (IFF_RUNNING): both this end and the other are up.
    pub running: bool,
    /// MTU in octets.
    pub mtu: u32,
    /// Link-layer address; empty if it has none.
    pub mac: Vec<u8>,
    /// Index of the bridge that it is a port of.
    pub bridge: Option<u32>,
}

impl Netlink {
    /// Every link.
    pub fn links(&mut self) -> Result<Vec<LinkRow>> {
        let rows = self.dump(RouteNetlinkMessage::GetLink(LinkMessage::default())).context("listing links")?;
        Ok(rows.iter().filter_map(link_row).collect())
    }

    /// The link of that name.
    pub fn link(&mut self, name: &str) -> Result<Option<LinkRow>> {
        Ok(self.links()?.into_iter().find(|link| link.name == name))
    }

    /// The link of that name, which has to exist.
    pub fn present(&mut self, name: &str) -> Result<LinkRow> {
        self.link(name)?.with_context(|| format!("the interface {name} vanished"))
    }

    /// Creates a veth pair: one end here, the other in `peer_namespace`.
    pub fn add_veth(&mut self, name: &str, peer: &str, peer_namespace: &Namespace) -> Result<()> {
        let mut far = LinkMessage::default();
        far.attributes = vec![
            LinkAttribute::IfName(peer.to_owned()),
            LinkAttribute::Group(MARK.into()),
            LinkAttribute::NetNsFd(peer_namespace.as_fd().as_raw_fd()),
        ];
        let mut near = LinkMessage::default();
        near.attributes = vec![
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::Group(MARK.into()),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Veth),
                LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(far))),
            ]),
        ];
        self.request(RouteNetlinkMessage::NewLink(near), NLM_F_CREATE | NLM_F_EXCL)
            .with_context(|| format!("making the veth pair {name} – {peer}"))
    }

    /// Creates a bridge that forwards at once (no spanning tree) and floods multicast like broadcast (no snooping), as a plain switch does.
    pub fn add_bridge(&mut self, name: &str, filtering: VlanFiltering) -> Result<()> {
        let mut data = vec![InfoBridge::StpState(BridgeStpState::Disabled), InfoBridge::MulticastSnooping(false)];
        let filters = filtering == VlanFiltering::On;
        // A kernel without VLAN filtering refuses the attribute.
        data.extend(filters.then_some(InfoBridge::VlanFiltering(true)));
        let mut message = LinkMessage::default();
        message.attributes = vec![
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::Group(MARK.into()),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge), LinkInfo::Data(InfoData::Bridge(data))]),
        ];
        self.request(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL).with_context(|| {
            let kind = if filters { " (this kernel's may filter no VLANs: CONFIG_BRIDGE_VLAN_FILTERING)" } else { "" };
            format!("making the bridge {name}{kind}")
        })
    }

    /// Adds a port of a bridge to a VLAN, untagged. It stays in the VLANs that it is in already.
    pub fn put_into_vlan(&mut self, link: &LinkRow, vlan: VlanId) -> Result<()> {
        let flags = BridgeVlanInfoFlags::Pvid | BridgeVlanInfoFlags::Untagged;
        let info = BridgeVlanInfo { flags, vid: vlan.value() };
        let mut message = LinkMessage::default();
        message.header.interface_family = AddressFamily::Bridge;
        message.header.index = link.index;
        message.attributes.push(LinkAttribute::AfSpecBridge(vec![AfSpecBridge::VlanInfo(info)]));
        self.request(RouteNetlinkMessage::SetLink(message), 0)
            .with_context(|| format!("putting {} into VLAN {vlan}", link.name))
    }

    /// Sets the MTU of a link, in octets.
    pub fn set_mtu(&mut self, link: &LinkRow, mtu: u32) -> Result<()> {
        self.set(link, LinkAttribute::Mtu(mtu)).with_context(|| format!("giving {} the MTU {mtu}", link.name))
    }

    /// Sets the MAC address of a link.
    pub fn set_mac(&mut self, link: &LinkRow, mac: Mac) -> Result<()> {
        self.set(link, LinkAttribute::Address(mac.octets().to_vec()))
            .with_context(|| format!("giving {} the MAC address {mac}", link.name))
    }

    /// Makes a link a port of a bridge.
    pub fn join(&mut self, link: &LinkRow, bridge: &LinkRow) -> Result<()> {
        self.set(link, LinkAttribute::Controller(bridge.index))
            .with_context(|| format!("joining {} to the bridge {}", link.name, bridge.name))
    }

    /// Moves a link into another namespace, where it is down and not in a bridge.
    pub fn move_to(&mut self, link: &LinkRow, namespace: &Namespace) -> Result<()> {
        self.set(link, LinkAttribute::NetNsFd(namespace.as_fd().as_raw_fd()))
            .with_context(|| format!("moving {} to {}", link.name, namespace.name()))
    }

    fn set(&mut self, link: &LinkRow, attribute: LinkAttribute) -> Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = link.index;
        message.attributes.push(attribute);
        self.request(RouteNetlinkMessage::SetLink(message), 0)
    }

    /// Brings a link up and sets its alias to `alias`, unless this has been done already.
    pub fn bring_up(&mut self, name: &str, alias: Option<&str>) -> Result<()> {
        let link = self.present(name)?;
        if link.up && alias.is_none_or(|alias| link.alias == alias) {
            return Ok(());
        }
        let mut message = LinkMessage::default();
        message.header.index = link.index;
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        message.attributes.extend(alias.map(|alias| LinkAttribute::IfAlias(alias.to_owned())));
        self.request(RouteNetlinkMessage::SetLink(message), 0).with_context(|| format!("bringing {name} up"))
    }

    /// Removes a link; it is no error if it does not exist.
    pub fn delete_link(&mut self, link: &LinkRow) -> Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = link.index;
        match self.request(RouteNetlinkMessage::DelLink(message), 0) {
            Err(error) if is(&error, Errno::ENODEV) => Ok(()),
            other => other.with_context(|| format!("removing the link {}", link.name)),
        }
    }
}

fn link_row(message: &RouteNetlinkMessage) -> Option<LinkRow> {
    let RouteNetlinkMessage::NewLink(link) = message else { return None };
    let mut row = LinkRow {
        index: link.header.index,
        name: String::new(),
        ours: false,
        alias: String::new(),
        up: link.header.flags.contains(LinkFlags::Up),
        running: link.header.flags.contains(LinkFlags::Running),
        mtu: 0,
        mac: Vec::new(),
        bridge: None,
    };
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => row.name.clone_from(name),
            LinkAttribute::IfAlias(alias) => row.alias.clone_from(alias),
            LinkAttribute::Mtu(mtu) => row.mtu = *mtu,
            LinkAttribute::Address(mac) => row.mac.clone_from(mac),
            LinkAttribute::Controller(bridge) => row.bridge = Some(*bridge),
            LinkAttribute::Group(group) => row.ours = *group == u32::from(MARK),
            _ => {}
        }
    }
    Some(row)
}
