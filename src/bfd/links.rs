//! Which interfaces exist and carry packets: a route-netlink socket that is read without waiting.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};

use anyhow::Context as _;
use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use crate::net::IfName;

/// RTMGRP_LINK: notifications of links.
const GROUP: u32 = 1;
/// Datagrams that are read at a time.
const AT_ONCE: usize = 64;

/// An interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    /// The kernel's index. An interface that was made again under its name has another one.
    pub index: u32,
    /// Whether it is up and has a carrier, as far as it has one.
    pub is_up: bool,
}

/// All interfaces, as the kernel has last told.
pub(super) struct Links {
    socket: Socket,
    links: BTreeMap<IfName, Link>,
}

impl Links {
    /// Subscribes to changes, then asks for all links.
    pub fn open() -> anyhow::Result<Self> {
        let open = || -> io::Result<Socket> {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind(&SocketAddr::new(0, GROUP))?;
            socket.set_non_blocking(true)?;
            Ok(socket)
        };
        let socket = open().context("opening a netlink socket")?;
        let links = Self { socket, links: BTreeMap::new() };
        links.ask().context("asking for all links")?;
        Ok(links)
    }

    /// The interface of this name.
    pub fn get(&self, name: &IfName) -> Option<Link> {
        self.links.get(name).copied()
    }

    /// Reads what has arrived; returns whether anything may have changed.
    pub fn read(&mut self) -> bool {
        let mut has_news = false;
        for _ in 0..AT_ONCE {
            match self.socket.recv_from_full() {
                Ok((datagram, _)) => {
                    has_news = true;
                    self.take(&datagram);
                }
                // Notifications were lost: ask for everything again.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    if let Err(error) = self.ask() {
                        tracing::warn!(%error, "asking for all links");
                    }
                }
                Err(_) => break,
            }
        }
        has_news
    }

    fn ask(&self) -> io::Result<()> {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
        message.finalize();
        let mut octets = vec![0; message.buffer_len()];
        message.serialize(&mut octets);
        self.socket.send_to(&octets, &SocketAddr::new(0, 0), 0).map(drop)
    }

    fn take(&mut self, datagram: &[u8]) {
        let mut rest = datagram;
        while let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest) {
            let length = (message.header.length as usize).next_multiple_of(4);
            match &message.payload {
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) if is_link(link) => self.set(link),
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(link)) if is_link(link) => {
                    self.links.retain(|_, known| known.index != link.header.index);
                }
                _ => {}
            }
            match rest.get(length..) {
                Some(more) if !more.is_empty() && length > 0 => rest = more,
                _ => break,
            }
        }
    }

    fn set(&mut self, link: &LinkMessage) {
        let index = link.header.index;
        let name = link.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => IfName::new(name),
            _ => None,
        });
        let Some(name) = name else { return };
        // It may have been renamed.
        self.links.retain(|known, link| link.index != index || *known == name);
        let is_up = link.header.flags.contains(LinkFlags::Up) && link.header.flags.contains(LinkFlags::LowerUp);
        self.links.insert(name, Link { index, is_up });
    }
}

/// Whether it is about the interface itself, and not about its being a port of a bridge, which has the same message type.
fn is_link(link: &LinkMessage) -> bool {
    link.header.interface_family != AddressFamily::Bridge
}

impl AsFd for Links {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Links").field("socket", &self.socket.as_raw_fd()).field("links", &self.links).finish()
    }
}
