//! Unsolicited announcements on behalf of a host: gratuitous ARP (RFC 5227 §3) and unsolicited neighbour advertisements (RFC 4861 §7.2.6).
//! From them switches and caches behind a port learn that the host is reached through that port.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pnet::packet::Packet as _;
use pnet::packet::arp::{ArpHardwareTypes, ArpOperations, MutableArpPacket};
use pnet::packet::ethernet::{EtherType, EtherTypes, MutableEthernetPacket};
use pnet::packet::icmpv6::ndp::{MutableNeighborAdvertPacket, NdpOptionTypes, NeighborAdvertFlags};
use pnet::packet::icmpv6::{Icmpv6Packet, Icmpv6Types, checksum};
use pnet::packet::ip::IpNextHeaderProtocols;
use pnet::packet::ipv6::MutableIpv6Packet;
use pnet::util::MacAddr;
use socket2::{Domain, Socket, Type};
use vxlan::Mac;

use crate::mesh::VlanId;
use crate::sys::every_packet_of;

const ETHERNET: usize = 14;
/// Octets of the two MAC addresses.
const ADDRESSES: usize = 12;
const ARP: usize = 28;
const IPV6: usize = 40;
/// Octets of a neighbour advertisement with the target's link-layer address.
const ADVERTISEMENT: usize = 32;

/// All-nodes multicast address: ff02::1.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: MacAddr = MacAddr(0x33, 0x33, 0, 0, 0, 1);

/// Announces on the port with this interface index, on behalf of the host, that it has these addresses; with the tag of `vlan` if there is
/// one. Does not block.
///
/// # Errors
/// If the port does not exist (ENXIO), or cannot send frames now.
pub fn announce<'a>(
    port: u32,
    vlan: Option<VlanId>,
    mac: Mac,
    addresses: impl IntoIterator<Item = &'a IpAddr>,
) -> io::Result<()> {
    // Without a protocol it receives nothing.
    let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking().cloexec(), None)?;
    let port = every_packet_of(port)?;
    for address in addresses {
        let frame = match address {
            IpAddr::V4(address) => gratuitous_arp(mac, *address),
            IpAddr::V6(address) => advertisement(mac, *address),
        };
        let frame = match vlan {
            Some(vlan) => tagged(&frame, vlan),
            None => frame,
        };
        socket.send_to(&frame, &port)?;
    }
    Ok(())
}

fn gratuitous_arp(mac: Mac, address: Ipv4Addr) -> Vec<u8> {
    let own = wire(mac);
    let mut packet = [0; ARP];
    let mut arp = MutableArpPacket::new(&mut packet).expect("there is room for an ARP packet");
    arp.set_hardware_type(ArpHardwareTypes::Ethernet);
    arp.set_protocol_type(EtherTypes::Ipv4);
    arp.set_hw_addr_len(6);
    arp.set_proto_addr_len(4);
    // RFC 5227 §3: an announcement is a request in which both IP addresses are the sender's.
    arp.set_operation(ArpOperations::Request);
    arp.set_sender_hw_addr(own);
    arp.set_sender_proto_addr(address);
    arp.set_target_proto_addr(address);
    frame(own, MacAddr::broadcast(), EtherTypes::Arp, &packet)
}

fn advertisement(mac: Mac, address: Ipv6Addr) -> Vec<u8> {
    let own = wire(mac);
    let mut message = [0; ADVERTISEMENT];
    let mut advert = MutableNeighborAdvertPacket::new(&mut message).expect("there is room for an advertisement");
    advert.set_icmpv6_type(Icmpv6Types::NeighborAdvert);
    advert.set_flags(NeighborAdvertFlags::Override);
    advert.set_target_addr(address);
    // The option (RFC 4861 §4.6.1): type, length in units of eight octets, address.
    let option = advert.get_options_raw_mut();
    option[0] = NdpOptionTypes::TargetLLAddr.0;
    option[1] = 1;
    option[2..8].copy_from_slice(&mac.octets());
    let icmp = Icmpv6Packet::new(&message).expect("an advertisement is an ICMPv6 packet");
    let sum = checksum(&icmp, &address, &ALL_NODES);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut packet = [0; IPV6 + ADVERTISEMENT];
    let mut ip = MutableIpv6Packet::new(&mut packet).expect("there is room for an IPv6 packet");
    ip.set_version(6);
    ip.set_payload_length(ADVERTISEMENT as u16);
    ip.set_next_header(IpNextHeaderProtocols::Icmpv6);
    // RFC 4861 §7.1.2: receivers use it to check that the packet is from the link.
    ip.set_hop_limit(255);
    ip.set_source(address);
    ip.set_destination(ALL_NODES);
    ip.set_payload(&message);
    frame(own, ALL_NODES_MAC, EtherTypes::Ipv6, &packet)
}

fn frame(source: MacAddr, destination: MacAddr, ether_type: EtherType, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; ETHERNET + payload.len()];
    let mut frame = MutableEthernetPacket::new(&mut bytes).expect("there is room for an Ethernet header");
    frame.set_source(source);
    frame.set_destination(destination);
    frame.set_ethertype(ether_type);
    frame.set_payload(payload);
    frame.packet().to_vec()
}

/// Returns the frame with the tag of a VLAN after its addresses (IEEE 802.1Q §9.3).
fn tagged(frame: &[u8], vlan: VlanId) -> Vec<u8> {
    let (addresses, rest) = frame.split_at(ADDRESSES);
    [addresses, &EtherTypes::Vlan.0.to_be_bytes(), &vlan.value().to_be_bytes(), rest].concat()
}

fn wire(mac: Mac) -> MacAddr {
    let [a, b, c, d, e, f] = mac.octets();
    MacAddr(a, b, c, d, e, f)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: [u8; 6] = [2, 0, 0, 0, 1, 10];

    #[test]
    fn an_arp_announcement_asks_for_its_own_address() {
        let frame = gratuitous_arp(Mac::try_from(HOST).unwrap(), Ipv4Addr::new(10, 9, 0, 10));
        let expected: &[&[u8]] = &[
            &[0xff; 6],
            &HOST,
            &[0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1],
            &HOST,
            &[10, 9, 0, 10],
            &[0; 6],
            &[10, 9, 0, 10],
        ];
        assert_eq!(frame, expected.concat());
    }

    #[test]
    fn the_tag_of_a_vlan_is_between_the_addresses_and_the_ether_type() {
        let frame = gratuitous_arp(Mac::try_from(HOST).unwrap(), Ipv4Addr::new(10, 9, 0, 10));
        let tagged = tagged(&frame, VlanId::new(20).unwrap());
        assert_eq!(tagged[..16], [&[0xff; 6][..], &HOST, &[0x81, 0, 0, 20]].concat());
        assert_eq!(tagged[16..], frame[12..]);
    }

    #[test]
    fn an_unsolicited_advertisement_overrides_what_is_cached() {
        let address: Ipv6Addr = "fd00::a".parse().unwrap();
        let frame = advertisement(Mac::try_from(HOST).unwrap(), address);
        let expected: &[&[u8]] = &[
            &[0x33, 0x33, 0, 0, 0, 1],
            &HOST,
            &[0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255],
            &address.octets(),
            &ALL_NODES.octets(),
            &[136, 0],
        ];
        let expected = expected.concat();
        assert_eq!(frame[..expected.len()], expected);
        let rest: &[&[u8]] = &[&[0x20, 0, 0, 0], &address.octets(), &[2, 1], &HOST];
        assert_eq!(frame[expected.len() + 2..], rest.concat());
        let icmp = Icmpv6Packet::new(&frame[ETHERNET + IPV6..]).unwrap();
        assert_eq!(icmp.get_checksum(), checksum(&icmp, &address, &ALL_NODES));
    }
}
