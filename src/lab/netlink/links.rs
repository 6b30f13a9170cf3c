//! Links: what there are, making and removing them.

use std::os::fd::{AsFd, AsRawFd};

use anyhow::{Context, Result};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use nix::errno::Errno;

use super::super::netns::Namespace;
use super::{MARK, Netlink, is};

/// A link as the lab sees it.
#[derive(Debug, Clone)]
pub struct LinkRow {
    /// Kernel index.
    pub index: u32,
    /// Kernel name.
    pub name: String,
    /// Made by a lab.
    pub ours: bool,
    /// IFLA_IFALIAS; empty if none.
    pub alias: String,
    /// Administratively up.
    pub up: bool,
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

    /// Makes a veth pair: one end here, the other in `peer_namespace`.
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

    /// Brings a link up and writes `alias` on it.
    pub fn set_up(&mut self, link: &LinkRow, alias: Option<&str>) -> Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = link.index;
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        message.attributes.extend(alias.map(|alias| LinkAttribute::IfAlias(alias.to_owned())));
        self.request(RouteNetlinkMessage::SetLink(message), 0).with_context(|| format!("bringing {} up", link.name))
    }

    /// Removes a link; one that is gone already is no error.
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
    };
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => row.name.clone_from(name),
            LinkAttribute::IfAlias(alias) => row.alias.clone_from(alias),
            LinkAttribute::Group(group) => row.ours = *group == u32::from(MARK),
            _ => {}
        }
    }
    Some(row)
}
