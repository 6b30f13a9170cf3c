//! Decides whether packets to a peer may leave from the address that the peer sends to: as in the kernel (`send4` of
//! drivers/net/wireguard/socket.c), only if a packet from that address would leave by the interface that received the peer's packet.
//!
//! Otherwise it would leave by one line with the address of another line, and the provider would drop it. If rules lead the packets of each
//! address to its own line, each address answers its peers; without such rules, all packets leave by the best route, with the address of
//! that route. Deviates: the kernel checks this only for IPv4; this engine checks it for IPv6, too, as the same providers drop such packets
//! of IPv6 as well.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netlink_packet_core::{NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::route::{RouteAttribute, RouteMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr as NetlinkAddr};

use crate::endpoint::{Endpoint, Source};

/// How long an answer is used: a change of routes, rules or addresses takes effect within this time.
const HOLDS: Duration = Duration::from_secs(1);

/// Maximum number of answers that are remembered. There is one for each endpoint to which packets were sent in the last second.
const MAX_ANSWERS: usize = 1024;

/// The kernel's answers by packed endpoint: whether the endpoint's source is usable.
#[derive(Debug, Default)]
pub struct Routes(Mutex<HashMap<SocketAddr, Answer>>);

#[derive(Debug, Clone, Copy)]
struct Answer {
    until: Instant,
    usable: bool,
}

impl Routes {
    /// The source of `endpoint` if packets may leave from it now. `leaves_by` returns the index of the interface by which they would leave.
    pub fn usable_source(
        &self,
        packed: SocketAddr,
        endpoint: &Endpoint,
        now: Instant,
        leaves_by: impl FnOnce(&Endpoint, Source) -> io::Result<u32>,
    ) -> Option<Source> {
        let source = endpoint.source()?;
        let known = self.answers().get(&packed).filter(|answer| now < answer.until).copied();
        let usable = known.map(|answer| answer.usable).unwrap_or_else(|| {
            let leaves_by = leaves_by(endpoint, source);
            let usable = matches!(leaves_by, Ok(interface) if interface == source.interface);
            if !usable {
                tracing::debug!(remote = %endpoint.remote(), ?source, ?leaves_by, "source left to the routing table");
            }
            self.remember(packed, now, usable);
            usable
        });
        usable.then_some(source)
    }

    /// Notes that the kernel has refused to send from the source of an endpoint.
    pub fn refused(&self, packed: SocketAddr, now: Instant) {
        self.remember(packed, now, false);
    }

    fn remember(&self, packed: SocketAddr, now: Instant, usable: bool) {
        let mut answers = self.answers();
        if answers.len() >= MAX_ANSWERS {
            answers.retain(|_, answer| now < answer.until);
        }
        if answers.len() >= MAX_ANSWERS {
            // Answers are remembered only for speed.
            answers.clear();
        }
        answers.insert(packed, Answer { until: now + HOLDS, usable });
    }

    /// Locks the answers, which clones of the sender share. The lock is held for one look-up only.
    fn answers(&self) -> MutexGuard<'_, HashMap<SocketAddr, Answer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the kernel by which interface a UDP packet with `mark` would leave for `endpoint` from `source` and `port`, and returns that
/// interface's index. Fails if it could not leave, for example from an IPv4 address that is not, or no longer, one of this machine.
///
/// The kernel answers before the sending call returns, so that this never waits.
pub fn leaves_by(endpoint: &Endpoint, source: Source, port: u16, mark: u32) -> io::Result<u32> {
    if let SocketAddr::V6(remote) = endpoint.remote()
        && remote.ip().is_unicast_link_local()
    {
        return Ok(remote.scope_id());
    }
    let socket = Socket::new(NETLINK_ROUTE)?;
    let mut question = NetlinkMessage::from(RouteNetlinkMessage::GetRoute(question(endpoint, source, port, mark)));
    question.header.flags = NLM_F_REQUEST;
    question.finalize();
    let mut octets = vec![0; question.buffer_len()];
    question.serialize(&mut octets);
    socket.send_to(&octets, &NetlinkAddr::new(0, 0), 0)?;
    let mut answer = Vec::with_capacity(4096);
    socket.recv(&mut answer, libc::MSG_DONTWAIT)?;
    let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer).map_err(io::Error::other)?;
    match answer.payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewRoute(route)) => {
            let leaves_by = route.attributes.iter().find_map(|attribute| match attribute {
                RouteAttribute::Oif(interface) => Some(*interface),
                _ => None,
            });
            leaves_by.ok_or_else(|| io::Error::other("the kernel's route has no interface"))
        }
        NetlinkPayload::Error(error) => Err(error.to_io()),
        other => Err(io::Error::other(format!("the kernel answered {other:?} when it was asked for a route"))),
    }
}

fn question(endpoint: &Endpoint, source: Source, port: u16, mark: u32) -> RouteMessage {
    let remote = endpoint.remote();
    let mut question = RouteMessage::default();
    let (family, bits) = match remote.ip() {
        IpAddr::V4(_) => (AddressFamily::Inet, 32),
        IpAddr::V6(_) => (AddressFamily::Inet6, 128),
    };
    question.header.address_family = family;
    question.header.destination_prefix_length = bits;
    question.header.source_prefix_length = bits;
    question.attributes = vec![
        RouteAttribute::Destination(remote.ip().into()),
        RouteAttribute::Source(source.address.into()),
        RouteAttribute::Mark(mark),
        // Rules may match protocol and ports.
        RouteAttribute::IpProto(libc::IPPROTO_UDP as u8),
        RouteAttribute::Sport(port),
        RouteAttribute::Dport(remote.port()),
    ];
    question
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(remote: &str, source: &str) -> Endpoint {
        let source = Source { address: source.parse().unwrap(), interface: 1 };
        Endpoint::new(remote.parse().unwrap(), Some(source))
    }

    #[test]
    fn the_kernel_says_by_which_interface_a_packet_leaves_and_refuses_addresses_of_others() {
        let lo = |remote: &str, source: &str| {
            let endpoint = endpoint(remote, source);
            leaves_by(&endpoint, endpoint.source().unwrap(), 51820, 0)
        };
        assert_eq!(lo("127.0.0.1:51820", "127.0.0.2").unwrap(), 1);
        assert_eq!(lo("[::1]:51820", "::1").unwrap(), 1);
        assert_eq!(lo("[fe80::1%7]:51820", "fe80::2").unwrap(), 7);
        lo("127.0.0.1:51820", "203.0.113.9").unwrap_err();
    }

    #[test]
    fn an_answer_holds_for_a_second_and_a_refusal_as_long() {
        let endpoint = endpoint("203.0.113.7:1", "192.0.2.1");
        let packed = "[::ffff:203.0.113.7]:1".parse().unwrap();
        let routes = Routes::default();
        let begin = Instant::now();
        let ask = |at: Duration, interface: io::Result<u32>| {
            let mut asked = false;
            let source = routes.usable_source(packed, &endpoint, begin + at, |_, _| {
                asked = true;
                interface
            });
            (source, asked)
        };
        let source = endpoint.source();
        let ms = Duration::from_millis;
        assert_eq!(ask(ms(0), Ok(1)), (source, true));
        assert_eq!(ask(ms(999), Ok(2)), (source, false));
        assert_eq!(ask(ms(1000), Ok(2)), (None, true), "it leaves by another interface");
        assert_eq!(ask(ms(1999), Ok(1)), (None, false));
        assert_eq!(ask(ms(2000), Err(io::ErrorKind::NetworkUnreachable.into())), (None, true));
        assert_eq!(ask(ms(3000), Ok(1)), (source, true));
        routes.refused(packed, begin + ms(3100));
        assert_eq!(ask(ms(3900), Ok(1)), (None, false), "whatever was answered before");
        assert_eq!(ask(ms(4100), Ok(1)), (source, true));
    }

    #[test]
    fn answers_are_bounded_and_the_last_one_is_remembered() {
        let routes = Routes::default();
        let now = Instant::now();
        for port in 1..=3 * MAX_ANSWERS {
            let packed = SocketAddr::from(([203, 0, 113, 7], u16::try_from(port).unwrap()));
            routes.refused(packed, now);
            assert!(routes.answers().contains_key(&packed));
            assert!(routes.answers().len() <= MAX_ANSWERS);
        }
    }
}
