//! IPv4 addresses of interfaces.

use std::io;
use std::net::IpAddr;

use ipnetwork::Ipv4Network;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressProtocol, AddressScope};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::netlink::{Netlink, unless};
use crate::reconcile::state::PROTOCOL;

/// An address, as the kernel reports it.
pub(super) struct FoundAddress {
    pub index: u32,
    pub network: Ipv4Network,
    /// IFA_PROTO; 0 if there is none.
    pub protocol: u8,
}

impl FoundAddress {
    /// Returns whether weft added the address.
    pub fn is_ours(&self) -> bool {
        self.protocol == PROTOCOL
    }
}

/// Dumps every IPv4 address of the namespace.
pub(super) async fn dump(netlink: &Netlink) -> io::Result<Vec<FoundAddress>> {
    let mut request = AddressMessage::default();
    request.header.family = AddressFamily::Inet;
    let replies = netlink.dump(RouteNetlinkMessage::GetAddress(request)).await?;
    let addresses = replies.into_iter().filter_map(|reply| match reply {
        RouteNetlinkMessage::NewAddress(address) => Some(address),
        _ => None,
    });
    Ok(addresses.filter_map(|address| parse(&address)).collect())
}

fn parse(message: &AddressMessage) -> Option<FoundAddress> {
    let mut local = None;
    let mut protocol = 0;
    for attribute in &message.attributes {
        match attribute {
            // On a point-to-point link, IFA_ADDRESS is the address of the other end; IFA_LOCAL is always ours.
            AddressAttribute::Local(IpAddr::V4(address)) => local = Some(*address),
            AddressAttribute::Protocol(number) => protocol = u8::from(*number),
            _ => {}
        }
    }
    let network = Ipv4Network::new(local?, message.header.prefix_len).ok()?;
    Some(FoundAddress { index: message.header.index, network, protocol })
}

/// Adds the address; succeeds if it exists.
pub(super) async fn add(netlink: &Netlink, index: u32, address: Ipv4Network) -> io::Result<()> {
    let message = RouteNetlinkMessage::NewAddress(local(index, address));
    unless(netlink.change(message, NLM_F_CREATE | NLM_F_EXCL).await, libc::EEXIST)
}

/// Removes the address; succeeds if it does not exist.
pub(super) async fn remove(netlink: &Netlink, index: u32, address: Ipv4Network) -> io::Result<()> {
    let message = RouteNetlinkMessage::DelAddress(local(index, address));
    unless(netlink.change(message, 0).await, libc::EADDRNOTAVAIL)
}

fn local(index: u32, address: Ipv4Network) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = address.prefix();
    message.header.scope = AddressScope::Universe;
    message.header.index = index;
    message.attributes.push(AddressAttribute::Local(address.ip().into()));
    message.attributes.push(AddressAttribute::Address(address.ip().into()));
    message.attributes.push(AddressAttribute::Protocol(AddressProtocol::from(PROTOCOL)));
    message
}
