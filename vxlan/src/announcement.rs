//! Unsolicited address announcements, by which hosts learn that an address has moved to another host: gratuitous ARP (RFC 5227 §3) and
//! unsolicited neighbour advertisements (RFC 4861 §7.2.6).
//!
//! A bridge that answers from the table does not forward them to the VXLAN device, because it cannot verify them. Here the table verifies
//! them ([`Segment::contradiction`]), and they are sent to the other sites.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{Mac, Segment, Vni};

const ETHERNET: usize = 14;
const BROADCAST: [u8; 6] = [0xff; 6];
/// The MAC address of ff02::1, the group of all nodes.
const ALL_NODES: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
/// The EtherTypes of ARP and IPv6.
const ARP: [u8; 2] = [0x08, 0x06];
const IPV6: [u8; 2] = [0x86, 0xdd];
/// Hardware type Ethernet, protocol type IPv4, lengths of both addresses (RFC 826).
const ETHERNET_AND_IPV4: [u8; 6] = [0, 1, 0x08, 0, 6, 4];
/// The ARP operations request and reply (RFC 826).
const OPERATIONS: [[u8; 2]; 2] = [[0, 1], [0, 2]];
/// Length of an IPv6 header in octets.
const IPV6_HEADER: usize = 40;
const ICMPV6: u8 = 58;
/// The type of a neighbour advertisement (RFC 4861 §4.4), its Solicited flag, and its Target Link-Layer Address option (§4.6.1).
const ADVERTISEMENT: u8 = 136;
const SOLICITED: u8 = 0x40;
const LINK_LAYER_ADDRESS: u8 = 2;
/// The I flag of a VXLAN header: the VNI is valid (RFC 7348 §5).
const VNI_IS_VALID: u8 = 0x08;

/// An announcement that a host has an IP address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Announcement {
    /// The MAC address that receivers will use for the IP address.
    pub mac: Mac,
    /// The announced IP address, which a host can have.
    pub address: IpAddr,
}

/// How the configuration of a segment contradicts an announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contradiction {
    /// The table has the address for this other host.
    Host(Mac),
    /// The address is the gateway's, which is the routers' own.
    Gateway,
}

impl Announcement {
    /// Parses the announcement in an Ethernet frame to all hosts; `None` if the frame is not one.
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let (header, packet) = frame.split_at_checked(ETHERNET)?;
        let (destination, rest) = header.split_at(6);
        let (source, ether_type) = rest.split_at(6);
        if destination == BROADCAST && ether_type == ARP {
            gratuitous_arp(packet)
        } else if destination == ALL_NODES && ether_type == IPV6 {
            advertisement(source, packet)
        } else {
            None
        }
    }
}

impl Segment {
    /// How the segment's table or gateway contradicts an announcement; `None` if they do not.
    pub fn contradiction(&self, announcement: &Announcement) -> Option<Contradiction> {
        let Announcement { mac, address } = *announcement;
        if self.gateway.is_some_and(|gateway| address == gateway.ip()) {
            return Some(Contradiction::Gateway);
        }
        let (host, _) = self.host_with_address(address)?;
        (host != mac).then_some(Contradiction::Host(host))
    }
}

/// Adds the VXLAN header to a frame: the UDP payload for port 4789 of another site (RFC 7348 §5).
pub fn encapsulate(vni: Vni, frame: &[u8]) -> Vec<u8> {
    let [_, vni @ ..] = vni.value().to_be_bytes();
    [&[VNI_IS_VALID, 0, 0, 0], &vni[..], &[0], frame].concat()
}

fn gratuitous_arp(packet: &[u8]) -> Option<Announcement> {
    let fixed = packet.strip_prefix(&ETHERNET_AND_IPV4)?;
    let (operation, addresses) = fixed.split_first_chunk()?;
    let (sender_mac, addresses) = addresses.split_first_chunk::<6>()?;
    let (sender, addresses) = addresses.split_first_chunk::<4>()?;
    let target = addresses.get(6..10)?;
    if !OPERATIONS.contains(operation) || sender != target {
        return None;
    }
    let address = Ipv4Addr::from(*sender);
    let is_hosts =
        !(address.is_unspecified() || address.is_broadcast() || address.is_multicast() || address.is_loopback());
    is_hosts.then_some(Announcement { mac: Mac::try_from(*sender_mac).ok()?, address: address.into() })
}

fn advertisement(source: &[u8], packet: &[u8]) -> Option<Announcement> {
    let (header, message) = packet.split_at_checked(IPV6_HEADER)?;
    let message = message.get(..usize::from(u16::from_be_bytes([header[4], header[5]])))?;
    // RFC 4861 §7.1.2: a hop limit of 255 shows that the packet comes from this link.
    if header[6] != ICMPV6 || header[7] != 255 || *message.first()? != ADVERTISEMENT {
        return None;
    }
    let (fixed, mut options) = message.split_at_checked(24)?;
    if fixed[4] & SOLICITED != 0 {
        return None;
    }
    let address = Ipv6Addr::from(*fixed.last_chunk::<16>()?);
    if address.is_multicast() || address.is_unspecified() || address.is_loopback() {
        return None;
    }
    let mut mac = Mac::try_from(*source.first_chunk::<6>()?).ok();
    // Type, length in units of eight octets, content.
    while let [kind, units, ..] = *options {
        let length = 8 * usize::from(units);
        let option = options.get(..length).filter(|option| !option.is_empty())?;
        if kind == LINK_LAYER_ADDRESS {
            mac = Mac::try_from(*option.get(2..)?.first_chunk::<6>()?).ok();
        }
        options = &options[length..];
    }
    if !options.is_empty() {
        return None;
    }
    Some(Announcement { mac: mac?, address: address.into() })
}

#[cfg(test)]
mod tests;
