//! Endpoints of peers: the peer's address, and the address of this machine that the peer sends to. Answers leave from that address (the
//! kernel's "sticky source").
//!
//! The data path stores the source of each authenticated packet as the peer's endpoint, and stores it only as a [`SocketAddr`]. The
//! address of this machine is therefore encoded in that value: [`Sources::pack`] encodes an endpoint for each received packet, and the data
//! path returns the encoded value with each packet to be sent. Therefore only authenticated packets change the address from which a peer
//! is answered, and the address is forgotten together with the peer.
//!
//! | | IPv4 | IPv6 |
//! |---|---|---|
//! | address | IPv4-mapped | unchanged |
//! | `flowinfo` | address of this machine, 0 for none | number of the address of this machine in [`Sources`], 0 for none |
//! | `scope_id` | index of the interface that received the packet | zone of a link-local address |

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Maximum number of IPv6 addresses of this machine that are remembered; beyond that, the least recently used one is forgotten.
const MAX_SOURCES: usize = 256;

/// A remote socket address, and the address of this machine to which packets from there were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// The peer's address. Never an IPv4-mapped address.
    remote: SocketAddr,
    /// The address of this machine, of the same family as `remote`; `None` leaves the choice to the routing table.
    source: Option<Source>,
}

/// An address of this machine that a packet was sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// A unicast address.
    pub address: IpAddr,
    /// Index of the interface that received the packet.
    pub interface: u32,
}

impl Endpoint {
    /// The endpoint of a packet from `remote` to `source`, if that is known. A `source` that is not unicast, or of another family than
    /// `remote`, is dropped: no answer can leave from it.
    pub fn new(remote: SocketAddr, source: Option<Source>) -> Self {
        let remote = unmapped(remote);
        let source = source.map(|source| Source { address: source.address.to_canonical(), ..source });
        let source = source.filter(|source| source.address.is_ipv4() == remote.is_ipv4() && is_unicast(source.address));
        Self { remote, source }
    }

    /// The address that packets are sent to.
    pub fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// The address that packets leave from; `None` leaves the choice to the routing table.
    pub fn source(&self) -> Option<Source> {
        self.source
    }
}

/// The packed form of an endpoint without a source: the routing table decides which address packets leave from.
pub fn pack_without_source(remote: SocketAddr) -> SocketAddr {
    mapped(remote).into()
}

/// The remote socket address of a packed endpoint.
pub fn remote_of(packed: SocketAddr) -> SocketAddr {
    unmapped(packed)
}

/// Numbers the IPv6 addresses of this machine, which do not fit into the packed form.
#[derive(Debug, Default)]
pub struct Sources(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    last: u32,
    /// Most recently used first.
    recent: VecDeque<(u32, Source)>,
}

impl Sources {
    /// Encodes an endpoint as one socket address.
    pub fn pack(&self, endpoint: &Endpoint) -> SocketAddr {
        let mut packed = mapped(endpoint.remote);
        match endpoint.source {
            Some(Source { address: IpAddr::V4(address), interface }) => {
                packed.set_flowinfo(address.to_bits());
                packed.set_scope_id(interface);
            }
            Some(source) => packed.set_flowinfo(self.table().number(source)),
            None => {}
        }
        packed.into()
    }

    /// Decodes a packed endpoint. If the IPv6 address of this machine has been forgotten, only the remote address is left.
    pub fn unpack(&self, packed: SocketAddr) -> Endpoint {
        let remote = unmapped(packed);
        let source = match (packed, remote) {
            (SocketAddr::V6(packed), _) if packed.flowinfo() == 0 => None,
            (SocketAddr::V6(packed), SocketAddr::V4(_)) => {
                let address = Ipv4Addr::from_bits(packed.flowinfo()).into();
                Some(Source { address, interface: packed.scope_id() })
            }
            (SocketAddr::V6(packed), SocketAddr::V6(_)) => self.table().source(packed.flowinfo()),
            (SocketAddr::V4(_), _) => None,
        };
        Endpoint::new(remote, source)
    }

    /// Locks the table, which the receiving and the sending task share. The lock is held for one look-up only.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// The number of `source`, which is assigned if there is none. Never 0.
    fn number(&mut self, source: Source) -> u32 {
        let known = self.recent.iter().position(|(_, known)| *known == source);
        if let Some((number, _)) = known.and_then(|place| self.used(place)) {
            return number;
        }
        self.recent.truncate(MAX_SOURCES - 1);
        loop {
            self.last = self.last.wrapping_add(1);
            if self.last != 0 && self.recent.iter().all(|(number, _)| *number != self.last) {
                self.recent.push_front((self.last, source));
                return self.last;
            }
        }
    }

    fn source(&mut self, number: u32) -> Option<Source> {
        let place = self.recent.iter().position(|(known, _)| *known == number)?;
        self.used(place).map(|(_, source)| source)
    }

    fn used(&mut self, place: usize) -> Option<(u32, Source)> {
        if place > 0 {
            let entry = self.recent.remove(place)?;
            self.recent.push_front(entry);
        }
        self.recent.front().copied()
    }
}

/// The address without the fields that [`Sources::pack`] sets, as an IPv6 address.
fn mapped(address: SocketAddr) -> SocketAddrV6 {
    match unmapped(address) {
        SocketAddr::V4(v4) => SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0),
        SocketAddr::V6(v6) => v6,
    }
}

/// The address without the fields that [`Sources::pack`] sets. An IPv4-mapped address becomes an IPv4 address.
fn unmapped(address: SocketAddr) -> SocketAddr {
    let SocketAddr::V6(v6) = address else { return address };
    match v6.ip().to_ipv4_mapped() {
        Some(v4) => SocketAddr::new(v4.into(), v6.port()),
        None => SocketAddrV6::new(*v6.ip(), v6.port(), 0, v6.scope_id()).into(),
    }
}

fn is_unicast(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    !address.is_unspecified() && !address.is_multicast() && !broadcast
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(address: &str, interface: u32) -> Source {
        Source { address: address.parse().unwrap(), interface }
    }

    fn endpoint(remote: &str, address: &str, interface: u32) -> Endpoint {
        Endpoint::new(remote.parse().unwrap(), Some(source(address, interface)))
    }

    #[test]
    fn an_endpoint_is_unpacked_as_it_was_packed_and_only_the_remote_address_is_shown() {
        let sources = Sources::default();
        for (remote, address) in [
            ("203.0.113.7:51820", "192.0.2.1"),
            ("255.255.255.254:65535", "223.255.255.255"),
            ("[2001:db8::7]:51820", "2001:db8::1"),
            ("[2001:db8::7]:51820", "2001:db8::2"),
            ("[fe80::7%3]:51820", "fe80::1"),
        ] {
            for interface in [1, u32::MAX] {
                let endpoint = endpoint(remote, address, interface);
                assert_eq!(endpoint.source(), Some(source(address, interface)), "{remote} {address}");
                let packed = sources.pack(&endpoint);
                assert_eq!(sources.unpack(packed), endpoint, "{remote} {address}");
                assert_eq!(remote_of(packed).to_string(), remote);
                let cleared = pack_without_source(packed);
                assert_eq!(sources.unpack(cleared), Endpoint::new(remote.parse().unwrap(), None));
            }
        }
    }

    #[test]
    fn what_a_dual_stack_socket_reports_of_ipv4_is_ipv4() {
        let mapped = endpoint("[::ffff:203.0.113.7]:51820", "::ffff:192.0.2.1", 3);
        assert_eq!(mapped, endpoint("203.0.113.7:51820", "192.0.2.1", 3));
    }

    #[test]
    fn an_address_that_nobody_can_answer_from_is_no_source() {
        for (remote, address) in [
            ("203.0.113.7:1", "255.255.255.255"),
            ("203.0.113.7:1", "224.0.0.5"),
            ("203.0.113.7:1", "0.0.0.0"),
            ("203.0.113.7:1", "2001:db8::1"),
            ("[2001:db8::7]:1", "192.0.2.1"),
            ("[2001:db8::7]:1", "ff02::5"),
            ("[2001:db8::7]:1", "::"),
        ] {
            assert_eq!(endpoint(remote, address, 3).source(), None, "{remote} {address}");
        }
    }

    #[test]
    fn ipv6_addresses_are_bounded_and_the_one_in_use_stays() {
        let sources = Sources::default();
        let in_use = endpoint("[2001:db8::7]:1", "2001:db8::1", 3);
        let idle = endpoint("[2001:db8::8]:1", "2001:db8::2", 3);
        let packed = [in_use, idle].map(|endpoint| sources.pack(&endpoint));
        for other in 0..10 * MAX_SOURCES {
            sources.pack(&endpoint("[2001:db8::9]:1", &format!("2001:db8:1::{other:x}"), 3));
            assert_eq!(sources.unpack(packed[0]), in_use);
        }
        assert_eq!(sources.table().recent.len(), MAX_SOURCES);
        assert_eq!(
            sources.unpack(packed[1]),
            Endpoint::new(idle.remote(), None),
            "forgotten, and no other in its place"
        );
    }

    #[test]
    fn numbers_begin_anew_without_taking_one_that_is_in_use() {
        let sources = Sources::default();
        sources.table().last = u32::MAX - 1;
        let last = endpoint("[2001:db8::7]:1", "2001:db8::1", 3);
        let packed = sources.pack(&last);
        sources.table().last = u32::MAX - 1;
        let next = endpoint("[2001:db8::7]:1", "2001:db8::2", 3);
        let next_packed = sources.pack(&next);
        assert_eq!((sources.unpack(packed), sources.unpack(next_packed)), (last, next));
    }
}
