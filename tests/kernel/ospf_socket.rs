//! The filter of an OSPF socket as the kernel runs it, without a ruleset: whose packets arrive.
//!
//! A second socket without a filter shows that the packets have come as far as the first.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use ospf::{RouterId, TtlSecurity};
use weft::routing::{OspfSocket, Senders};

use crate::forge::{self, ICMP, OSPF, Packet, ROUTER_ID, UDP};
use crate::world::{Namespace, OWN, Router, tunnel, tunnels_to};

const DEADLINE: Duration = Duration::from_secs(10);

/// The tunnel's peer, another site, and a host of a LAN.
const PEER: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 2);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 3);
const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 66);

const ALL_SPF_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 5);

/// A router with one tunnel, and two OSPF sockets on it.
struct Scene {
    router: Router,
    filtered: OspfSocket,
    open: OspfSocket,
}

impl Scene {
    async fn new() -> Self {
        let mut router = Router::open();
        router.settle(&tunnels_to(&[2])).await;
        // Nothing but the filter is to decide: the kernel looks for no way back to the source.
        for scope in ["all", "wg-b"] {
            std::fs::write(format!("/proc/sys/net/ipv4/conf/{scope}/rp_filter"), "0").unwrap();
        }
        let index = router.observe().await.indexes[&tunnel(2)];
        let socket = || OspfSocket::open(index, OWN).unwrap();
        Self { filtered: socket(), open: socket(), router }
    }

    /// Which of the packets that come out of the tunnel arrive at the socket with the filter. At the other one all do that are OSPF.
    fn arrive(&self, packets: &[Packet]) -> Vec<bool> {
        for packet in packets {
            self.router.engine.send(&tunnel(2), &packet.octets());
        }
        // Whatever the filter, the peer is let through.
        let last = Packet::new(PEER, OWN, OSPF, b"last".to_vec());
        self.router.engine.send(&tunnel(2), &last.octets());
        let arrived = |socket: &OspfSocket| {
            let (mut arrived, mut buffer, end) = (Vec::new(), Vec::new(), Instant::now() + DEADLINE);
            loop {
                match socket.receive(&mut buffer) {
                    Ok(received) if received.payload == last.payload => return arrived,
                    Ok(received) => {
                        arrived.push((received.source, received.destination, received.ttl, received.payload))
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::WouldBlock);
                        assert!(Instant::now() < end, "the last packet does not arrive");
                    }
                }
            }
        };
        let key = |packet: &Packet| (packet.source, packet.destination, packet.ttl, packet.payload.clone());
        let ospf: Vec<_> = packets.iter().filter(|packet| packet.protocol == OSPF).map(key).collect();
        assert_eq!(arrived(&self.open), ospf, "the packets arrive where there is no filter");
        let filtered = arrived(&self.filtered);
        let is_found = |packet: &Packet| packet.protocol == OSPF && filtered.contains(&key(packet));
        let found: Vec<bool> = packets.iter().map(is_found).collect();
        assert_eq!(found.iter().filter(|found| **found).count(), filtered.len(), "each of them once");
        found
    }
}

fn peer(ttl_security: TtlSecurity, far_ends: &[Ipv4Addr]) -> Senders {
    let far_ends = far_ends.iter().map(|end| RouterId::from(*end)).collect::<BTreeSet<_>>();
    Senders::Peer { address: PEER, ttl_security, far_ends }
}

/// A hello for this router or for all, with a TTL.
fn hello(source: Ipv4Addr, destination: Ipv4Addr, ttl: u8) -> Packet {
    Packet { ttl, ..Packet::hello(source, destination) }
}

#[test]
fn on_a_tunnels_socket_arrives_what_its_peer_has_sent_and_nobody_has_forwarded() {
    Namespace::new().block_on(|| async {
        let scene = Scene::new().await;
        let cases = [
            (PEER, 255, true, true),
            (PEER, 1, true, true),
            (PEER, 254, false, true),
            (PEER, 2, false, true),
            (PEER, 64, false, true),
            (OTHER, 255, false, false),
            (OTHER, 1, false, false),
            (HOST, 255, false, false),
            (HOST, 63, false, false),
        ];
        for destination in [OWN, ALL_SPF_ROUTERS] {
            for options in [vec![], vec![1, 1, 1, 0]] {
                let packet = |(source, ttl, ..): (Ipv4Addr, u8, bool, bool)| Packet {
                    options: options.clone(),
                    ..hello(source, destination, ttl)
                };
                let packets = cases.map(packet);
                let far_ends: [&[Ipv4Addr]; 2] = [&[], &[Ipv4Addr::new(10, 255, 0, 99)]];
                for far_ends in far_ends {
                    scene.filtered.filter(&peer(TtlSecurity::Required, far_ends)).unwrap();
                    assert_eq!(
                        scene.arrive(&packets),
                        cases.map(|(.., required, _)| required),
                        "{destination} {far_ends:?}"
                    );
                    scene.filtered.filter(&peer(TtlSecurity::Off, far_ends)).unwrap();
                    assert_eq!(scene.arrive(&packets), cases.map(|(.., off)| off), "{destination} {far_ends:?}");
                }
                scene.filtered.filter(&Senders::Anyone).unwrap();
                assert_eq!(scene.arrive(&packets), [true; 9], "the filter goes with its reason");
            }
        }
    });
}

#[test]
fn for_a_virtual_link_arrives_what_says_that_it_is_its_far_ends_whole_header() {
    Namespace::new().block_on(|| async {
        let scene = Scene::new().await;
        scene.filtered.filter(&peer(TtlSecurity::Required, &[Ipv4Addr::new(9, 9, 9, 9), ROUTER_ID])).unwrap();
        let routed = hello(HOST, OWN, 62);
        let changed = |at: usize, octet: u8| {
            let mut packet = routed.clone();
            packet.payload[at] = octet;
            packet
        };
        let options = Packet { options: vec![1; 8], ..routed.clone() };
        assert_eq!(scene.arrive(&[routed.clone(), options]), [true, true]);
        // Another router id, another area.
        assert_eq!(scene.arrive(&[changed(7, 7), changed(11, 1)]), [false, false]);
        // The area id ends at octet 12.
        for length in 0..12 {
            let short = Packet { payload: routed.payload[..length].to_vec(), ..routed.clone() };
            assert_eq!(scene.arrive(&[short]), [false], "{length} octets");
        }
        let header = Packet { payload: routed.payload[..12].to_vec(), ..routed.clone() };
        assert_eq!(scene.arrive(&[header]), [true], "the rest is the engine's to refuse");
        scene.filtered.filter(&peer(TtlSecurity::Required, &[])).unwrap();
        assert_eq!(scene.arrive(&[routed]), [false], "a virtual link that is gone");
    });
}

#[test]
fn other_protocols_do_not_arrive_on_an_ospf_socket() {
    Namespace::new().block_on(|| async {
        let scene = Scene::new().await;
        scene.filtered.filter(&peer(TtlSecurity::Required, &[ROUTER_ID])).unwrap();
        let listener = UdpSocket::bind((OWN, 0)).unwrap();
        listener.set_read_timeout(Some(DEADLINE)).unwrap();
        let datagram = Packet::datagram(PEER, OWN, listener.local_addr().unwrap().port());
        let others = [88, 90, ICMP, UDP, 253].map(|protocol| Packet { protocol, ..hello(PEER, OWN, 255) });
        let packets = [&others[..], &[datagram, hello(PEER, OWN, 255)]].concat();
        assert_eq!(scene.arrive(&packets), [false, false, false, false, false, false, true]);
        let length = listener.recv(&mut [0; 64]).expect("the datagram has arrived where it belongs");
        assert_eq!(length, forge::MARK.len());
    });
}
