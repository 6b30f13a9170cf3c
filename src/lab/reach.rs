//! Determines which addresses answer pings from a namespace, IPv4 and IPv6. All are pinged at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use pnet::packet::Packet as _;
use pnet::packet::icmp::{IcmpPacket, checksum};
use pnet::packet::ipv4::Ipv4Packet;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::netns::Namespace;

/// How often each address is pinged: the first request may be lost while the neighbour is resolved.
const ATTEMPTS: u16 = 3;
/// How long to wait for the answers to one attempt.
const PATIENCE: Duration = Duration::from_millis(200);
/// Octets of the messages: the header, and as much payload as `ping` sends.
const MESSAGE_LEN: usize = 64;
/// Octets of the receive buffer: answers are shorter.
const PACKET_MAX: usize = 2048;

/// Returns those of `targets` that answer within [`ATTEMPTS`] times [`PATIENCE`].
pub fn answering(namespace: &Namespace, targets: impl Iterator<Item = IpAddr>) -> Result<BTreeSet<IpAddr>> {
    let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = targets.partition(IpAddr::is_ipv4);
    let mut answered = BTreeSet::new();
    for (family, targets) in [(Family::V4, v4), (Family::V6, v6)] {
        if !targets.is_empty() {
            answered.extend(Survey::open(namespace, family)?.of(&targets)?);
        }
    }
    Ok(answered)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    /// The ICMP types of echo requests and of echo replies (RFC 792; RFC 4443 §4).
    const fn echo(self) -> (u8, u8) {
        match self {
            Self::V4 => (8, 0),
            Self::V6 => (128, 129),
        }
    }
}

/// A raw ICMP socket.
struct Survey {
    socket: Socket,
    family: Family,
    /// ICMP identifier: answers to other programs' requests have another.
    identifier: u16,
}

impl Survey {
    fn open(namespace: &Namespace, family: Family) -> Result<Self> {
        let (domain, protocol) = match family {
            Family::V4 => (Domain::IPV4, Protocol::ICMPV4),
            Family::V6 => (Domain::IPV6, Protocol::ICMPV6),
        };
        let socket = namespace.within(|| Ok(Socket::new(domain, Type::RAW, Some(protocol))?));
        let socket = socket.with_context(|| format!("opening an ICMP socket in {}", namespace.name()))?;
        let process = std::process::id().to_be_bytes();
        Ok(Self { socket, family, identifier: u16::from_be_bytes([process[2], process[3]]) })
    }

    fn of(&self, targets: &[IpAddr]) -> Result<BTreeSet<IpAddr>> {
        let numbered: BTreeMap<u16, IpAddr> = (0..).zip(targets.iter().copied()).collect();
        let mut answered = BTreeSet::new();
        for _ in 0..ATTEMPTS {
            for (sequence, target) in numbered.iter().filter(|(_, target)| !answered.contains(*target)) {
                // Without a route there is no answer either, so the target does not answer.
                let _ = self.socket.send_to(&self.request(*sequence), &SockAddr::from(SocketAddr::new(*target, 0)));
            }
            let deadline = Instant::now() + PATIENCE;
            while answered.len() < numbered.len() && Instant::now() < deadline {
                let answer = self.receive(deadline.saturating_duration_since(Instant::now()))?;
                answered.extend(answer.and_then(|sequence| numbered.get(&sequence)));
            }
        }
        Ok(answered)
    }

    fn request(&self, sequence: u16) -> [u8; MESSAGE_LEN] {
        let mut message = [0; MESSAGE_LEN];
        message[0] = self.family.echo().0;
        message[4..6].copy_from_slice(&self.identifier.to_be_bytes());
        message[6..8].copy_from_slice(&sequence.to_be_bytes());
        if self.family == Family::V4 {
            // For ICMPv6 the kernel fills in the checksum.
            let sum = checksum(&IcmpPacket::new(&message).expect("the message is longer than a header"));
            message[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        message
    }

    /// Receives a packet, and returns the sequence number of the request that it answers, if any.
    fn receive(&self, wait: Duration) -> io::Result<Option<u16>> {
        self.socket.set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
        let mut buffer = [0; PACKET_MAX];
        match (&self.socket).read(&mut buffer) {
            Ok(length) => Ok(self.recognise(&buffer[..length])),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn recognise(&self, packet: &[u8]) -> Option<u16> {
        match self.family {
            Family::V4 => self.sequence(Ipv4Packet::new(packet)?.payload()),
            // Raw sockets (raw(7)) of IPv6 deliver packets without the IP header.
            Family::V6 => self.sequence(packet),
        }
    }

    fn sequence(&self, message: &[u8]) -> Option<u16> {
        let [kind, 0, _, _, id_high, id_low, high, low, ..] = *message else { return None };
        let ours = kind == self.family.echo().1 && u16::from_be_bytes([id_high, id_low]) == self.identifier;
        ours.then(|| u16::from_be_bytes([high, low]))
    }
}
