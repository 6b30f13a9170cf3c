//! Packets that nobody should believe: OSPF, BFD and VXLAN in a router's name, sources of others. Octet for octet, down to the IP header,
//! so that sources, options and fragments are what an attacker wants them to be.
//!
//! Every packet carries [`MARK`], by which it is known again wherever it arrives.

use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, Socket, Type};

/// In every forged packet.
pub const MARK: &[u8] = b"-forged!";

/// Router id of forged OSPF packets, which no router has.
pub const ROUTER_ID: Ipv4Addr = Ipv4Addr::new(6, 6, 6, 6);

/// IP protocol numbers.
pub const ICMP: u8 = 1;
pub const UDP: u8 = 17;
pub const OSPF: u8 = 89;

/// UDP port of VXLAN.
pub const VXLAN: u16 = 4789;

/// "More fragments" in the fragment field.
pub const MORE: u16 = 0x2000;

/// An IPv4 packet.
#[derive(Debug, Clone)]
pub struct Packet {
    pub source: Ipv4Addr,
    pub destination: Ipv4Addr,
    pub protocol: u8,
    pub ttl: u8,
    /// Identification; 0 has the kernel choose one.
    pub id: u16,
    /// Flags and offset, in units of eight octets.
    pub fragment: u16,
    /// A multiple of four octets.
    pub options: Vec<u8>,
    pub payload: Vec<u8>,
}

impl Packet {
    pub fn new(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, payload: Vec<u8>) -> Self {
        Self { source, destination, protocol, ttl: 255, id: 0, fragment: 0, options: Vec::new(), payload }
    }

    /// UDP from some port. The checksum is left out (RFC 768).
    pub fn udp(source: Ipv4Addr, destination: Ipv4Addr, port: u16, data: &[u8]) -> Self {
        let length = u16::try_from(8 + data.len()).expect("packets here are small");
        let header = [50_000_u16.to_be_bytes(), port.to_be_bytes(), length.to_be_bytes(), [0, 0]].concat();
        Self::new(source, destination, UDP, [&header, data].concat())
    }

    /// UDP that says nothing.
    pub fn datagram(source: Ipv4Addr, destination: Ipv4Addr, port: u16) -> Self {
        Self::udp(source, destination, port, MARK)
    }

    /// A frame of segment `vni`, in which the host with `mac` says that `address` is its own.
    pub fn vxlan(source: Ipv4Addr, destination: Ipv4Addr, vni: u32, mac: [u8; 6], address: Ipv4Addr) -> Self {
        let [_, high, middle, low] = vni.to_be_bytes();
        let header = [8, 0, 0, 0, high, middle, low, 0];
        Self::udp(source, destination, VXLAN, &[&header[..], &announcement(mac, address)].concat())
    }

    /// An ICMP message of this type about a packet of the destination's.
    pub fn icmp(source: Ipv4Addr, destination: Ipv4Addr, kind: u8) -> Self {
        let mut message = [&[kind, 1, 0, 0, 0, 0, 0, 0][..], MARK].concat();
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        Self::new(source, destination, ICMP, message)
    }

    /// An ICMP error: an OSPF packet of the destination's to another router would have to be fragmented, as only 552 octets pass.
    pub fn too_big(source: Ipv4Addr, destination: Ipv4Addr, other: Ipv4Addr) -> Self {
        Self::too_big_about(OSPF, source, destination, other)
    }

    /// The same error about a packet of this protocol.
    pub fn too_big_about(protocol: u8, source: Ipv4Addr, destination: Ipv4Addr, other: Ipv4Addr) -> Self {
        let [high, low] = 552_u16.to_be_bytes();
        let quoted =
            [&[0x45, 0, 4, 0, 0, 1, 0x40, 0, 1, protocol, 0, 0][..], &destination.octets(), &other.octets(), &[2; 8]];
        let mut message = [&[3, 4, 0, 0, 0, 0, high, low][..], &quoted.concat(), MARK].concat();
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        Self::new(source, destination, ICMP, message)
    }

    /// An OSPF packet of area 0 without authentication (RFC 2328 §A.3.1). The mark follows it, as a digest would.
    pub fn ospf(source: Ipv4Addr, destination: Ipv4Addr, kind: u8, body: &[u8]) -> Self {
        let length = u16::try_from(24 + body.len()).expect("packets here are small");
        let mut packet = [&[2, kind][..], &length.to_be_bytes(), &ROUTER_ID.octets(), &[0; 16], body].concat();
        let sum = checksum(&packet);
        packet[12..14].copy_from_slice(&sum.to_be_bytes());
        packet.extend(MARK);
        Self::new(source, destination, OSPF, packet)
    }

    /// A hello that lists no neighbour: whoever believes it begins the adjacency anew.
    pub fn hello(source: Ipv4Addr, destination: Ipv4Addr) -> Self {
        let intervals = [&[0; 4][..], &1_u16.to_be_bytes(), &[2, 1], &4_u32.to_be_bytes(), &[0; 8]].concat();
        Self::ospf(source, destination, 1, &intervals)
    }

    /// An update with a default route, and a claim to the host with `mac` in segment `vni`.
    pub fn update(source: Ipv4Addr, destination: Ipv4Addr, author: Ipv4Addr, vni: u32) -> Self {
        let default = lsa(5, [0; 4], author, &[&[0; 4][..], &1_u32.to_be_bytes(), &[0; 8]].concat());
        let [_, high, middle, low] = vni.to_be_bytes();
        let claim = lsa(
            10,
            [201, high, middle, low],
            author,
            &[0, 1, 0, 12, 2, 0, 0, 0, 1, 0x0a, 0xff, 0xff, 0xff, 0xff, 0, 0],
        );
        Self::ospf(source, destination, 4, &[&2_u32.to_be_bytes()[..], &default, &claim].concat())
    }

    /// In two parts, the first with `first` octets of the payload, a multiple of eight.
    pub fn in_fragments(&self, id: u16, first: usize) -> [Self; 2] {
        let (head, tail) = self.payload.split_at(first);
        let offset = u16::try_from(first / 8).expect("packets here are small");
        let part = |fragment, payload: &[u8]| Self { id, fragment, payload: payload.to_vec(), ..self.clone() };
        [part(MORE, head), part(offset, tail)]
    }

    /// With a loose source route over the destination to `last`, addressed to `via` (RFC 791 §3.1).
    pub fn source_routed(&self, via: Ipv4Addr) -> Self {
        let options = [&[131, 7, 4][..], &self.destination.octets(), &[0]].concat();
        Self { destination: via, options, ..self.clone() }
    }

    /// As it is on the wire. The kernel would fill in length and checksum; a tunnel's device does not.
    pub fn octets(&self) -> Vec<u8> {
        let header = 20 + self.options.len();
        let length = u16::try_from(header + self.payload.len()).expect("packets here are small");
        let first = 0x40 | u8::try_from(header / 4).expect("at most 60 octets");
        let mut octets = [
            &[first, 0][..],
            &length.to_be_bytes(),
            &self.id.to_be_bytes(),
            &self.fragment.to_be_bytes(),
            &[self.ttl, self.protocol, 0, 0],
            &self.source.octets(),
            &self.destination.octets(),
            &self.options,
        ]
        .concat();
        let sum = checksum(&octets);
        octets[10..12].copy_from_slice(&sum.to_be_bytes());
        octets.extend(&self.payload);
        octets
    }
}

/// A socket in the namespace of this thread that sends packets as they are.
pub fn sender() -> Result<Socket> {
    // IPPROTO_RAW: the header is the sender's.
    Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255))).context("opening a raw socket: it needs root")
}

/// Sends one packet.
pub fn send(socket: &Socket, packet: &Packet) -> Result<()> {
    let to = SocketAddrV4::new(packet.destination, 0);
    socket.send_to(&packet.octets(), &to.into()).with_context(|| format!("sending {packet:?}")).map(drop)
}

/// Whether a packet or frame is a forged one.
pub fn is_forged(octets: &[u8]) -> bool {
    octets.windows(MARK.len()).any(|window| window == MARK)
}

/// A broadcast frame in which the host with `mac` announces that `address` is its own, and the mark where Ethernet pads.
fn announcement(mac: [u8; 6], address: Ipv4Addr) -> Vec<u8> {
    let ethernet = [&[0xff; 6][..], &mac, &[8, 6]].concat();
    let arp = [&[0, 1, 8, 0, 6, 4, 0, 1][..], &mac, &address.octets(), &[0; 6], &address.octets()].concat();
    [&ethernet[..], &arp, MARK, &[0; 10]].concat()
}

/// An LSA that is newer than any (RFC 2328 §A.4.1).
fn lsa(kind: u8, id: [u8; 4], author: Ipv4Addr, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + body.len()).expect("LSAs here are small");
    let sequence = 0x7fff_fff0_u32.to_be_bytes();
    let mut lsa =
        [&[0, 1, 2, kind][..], &id, &author.octets(), &sequence, &[0, 0], &length.to_be_bytes(), body].concat();
    // Fletcher's checksum over all but the age (RFC 905 annex B); it is at offset 14 of that.
    let covered = &lsa[2..];
    let (mut c0, mut c1) = (0_i32, 0_i32);
    for octet in covered {
        c0 = (c0 + i32::from(*octet)) % 255;
        c1 = (c1 + c0) % 255;
    }
    let rest = i32::try_from(covered.len()).expect("small") - 15;
    let x = (rest * c0 - c1).rem_euclid(255);
    let y = (-x - c0).rem_euclid(255);
    let octet = |value: i32| if value == 0 { 255 } else { u8::try_from(value).expect("less than 255") };
    (lsa[16], lsa[17]) = (octet(x), octet(y));
    lsa
}

/// The Internet checksum (RFC 1071).
fn checksum(octets: &[u8]) -> u16 {
    let words = octets.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded")
}
