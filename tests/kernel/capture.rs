//! A default route into a tunnel takes everything but the tunnels' own packets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::SockRef;
use weft::net::{Few, IfName, Prefix};
use weft::reconcile::routes::{OtherWays, Router as RouterFacts, desired_routes};
use weft::reconcile::rules::{Sources, desired_rules};
use weft::reconcile::state::{FWMARK, State};
use weft::reconcile::sysctls::strictly_filtered;
use weft::rib::{self, Used};

use crate::world::{Namespace, OWN, Router, ip, prefix, tunnel, tunnels_to};

/// Where site 2's tunnel packets go: behind the uplink's gateway.
const PEER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);

/// Some host of the Internet.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 80);

/// UDP port of the tunnel to site 2.
const PORT: u16 = 51822;

const DEADLINE: Duration = Duration::from_secs(5);

/// The router with an uplink to `internet` and a LAN with `host` on it; the reverse path filter is strict everywhere.
struct Site {
    router: Namespace,
    internet: Namespace,
    host: Namespace,
}

impl Site {
    fn new() -> Self {
        let site = Self { router: Namespace::new(), internet: Namespace::new(), host: Namespace::new() };
        site.router.run(|| std::fs::write("/proc/sys/net/ipv4/conf/all/rp_filter", "1").unwrap());
        site.router.ip(&format!("link add up0 type veth peer name far0 netns {}", site.internet.path()));
        site.router.ip(&format!("link add lan0 type veth peer name eth0 netns {}", site.host.path()));
        for command in [
            "address add 203.0.113.1/24 dev up0",
            "link set up0 up",
            "address add 10.1.0.1/24 dev lan0",
            "link set lan0 up",
        ] {
            site.router.ip(command);
        }
        for command in [
            "address add 203.0.113.254/24 dev far0",
            "address add 198.51.100.2/32 dev lo",
            "address add 192.0.2.80/32 dev lo",
            "link set far0 up",
        ] {
            site.internet.ip(command);
        }
        for command in ["address add 10.1.0.9/24 dev eth0", "link set eth0 up", "route add default via 10.1.0.1"] {
            site.host.ip(command);
        }
        site.router.ip("route add default via 203.0.113.254");
        site
    }
}

/// The routing table: what the other site announces.
fn announced(routes: &[&str]) -> Vec<(Prefix, Used)> {
    let nexthop = rib::Nexthop { interface: tunnel(2), via: Some(Ipv4Addr::new(10, 255, 0, 2).into()) };
    let nexthops = Arc::new(Few::from([nexthop]));
    let used = |nexthops| Used { source: rib::Source::Ospf, nexthops: Some(nexthops), tag: 0 };
    routes.iter().map(|text| (prefix(text), used(Arc::clone(&nexthops)))).collect()
}

async fn bring_up(router: &mut Router, routes: &[&str]) {
    let observed = router.observe().await;
    let facts = RouterFacts {
        loopback: OWN,
        tunnels: &BTreeSet::from([tunnel(2)]),
        lan: &BTreeMap::new(),
        underlay: &BTreeSet::from([PEER]),
        open: &BTreeSet::new(),
        other_ways: &OtherWays::default(),
        imports: &[],
    };
    let routes = desired_routes(announced(routes), &facts);
    let sources =
        Sources { listen_ports: &[PORT..=PORT], filtered: &strictly_filtered(&observed), uplinks: &BTreeMap::new() };
    let rules = desired_rules(&routes, &sources);
    let desired = State { routes, rules, ..tunnels_to(&[2]) };
    router.settle(&desired).await;
}

/// Sends until the tunnel carries a packet to `to`.
fn assert_tunnelled(router: &Router, from: &UdpSocket, to: Ipv4Addr) {
    let start = Instant::now();
    let tunnel: IfName = tunnel(2);
    while start.elapsed() < DEADLINE {
        from.send_to(b"x", (to, 9)).unwrap();
        while let Some(destination) = router.engine.next_destination(&tunnel) {
            if destination == to {
                return;
            }
        }
        std::thread::yield_now();
    }
    panic!("no packet to {to} in the tunnel");
}

fn prove(routes: &[&str], captured: Ipv4Addr) {
    let site = Site::new();
    let peer = site.internet.run(|| UdpSocket::bind((PEER, 51821)).unwrap());
    peer.set_read_timeout(Some(DEADLINE)).unwrap();
    let lan = site.host.run(|| UdpSocket::bind("10.1.0.9:0").unwrap());
    site.router.block_on(|| async {
        let before = crate::world::everything();
        let mut router = Router::open();
        bring_up(&mut router, routes).await;

        let own = UdpSocket::bind("0.0.0.0:0").unwrap();
        assert_tunnelled(&router, &own, captured);
        assert_tunnelled(&router, &lan, captured);

        // The tunnel's own socket, to an address that everything else reaches by the tunnel.
        let outer = UdpSocket::bind(("0.0.0.0", PORT)).unwrap();
        outer.set_read_timeout(Some(DEADLINE)).unwrap();
        SockRef::from(&outer).set_mark(FWMARK).unwrap();
        outer.send_to(b"encrypted", (PEER, 51821)).unwrap();
        let mut buffer = [0; 64];
        let (length, from) = peer.recv_from(&mut buffer).expect("the tunnel's packet leaves by the uplink");
        assert_eq!((&buffer[..length], from), (&b"encrypted"[..], SocketAddr::from(([203, 0, 113, 1], PORT))));
        peer.send_to(b"answer", from).unwrap();
        let (length, _) = outer.recv_from(&mut buffer).expect("the answer passes the strict reverse path filter");
        assert_eq!(&buffer[..length], b"answer");

        // What `main` knows better than by its default route stays there.
        assert!(ip("route get 10.1.0.9").contains("dev lan0"));
        assert!(ip("route get 203.0.113.254").contains("dev up0"));
        router.down().await;
        assert_eq!(crate::world::everything(), before);
    });
}

#[test]
fn default_route_of_another_site_leaves_the_tunnels_own_packets_alone() {
    prove(&["0.0.0.0/0"], ELSEWHERE);
}

#[test]
fn route_over_the_peers_own_address_leaves_the_tunnels_own_packets_alone() {
    prove(&["198.51.100.0/24"], Ipv4Addr::new(198, 51, 100, 77));
}
