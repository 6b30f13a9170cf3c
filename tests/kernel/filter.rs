//! What the nftables ruleset lets into the mesh and out of it, packet by packet: forged ones come from a host on the router's LAN and
//! out of its tunnels.

use std::io::Write as _;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV6, UdpSocket};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use weft::mesh::{Mesh, parse};
use weft::reconcile::filter::{Reason, Ruleset};
use weft::reconcile::state::State;

use crate::forge::{MARK, MORE, OSPF, Packet, UDP, is_forged, send, sender};
use crate::world::{Namespace, OWN, Router, add_route, ip, name, tunnel, tunnels_to};

const TCP: u8 = 6;
const DEADLINE: Duration = Duration::from_secs(10);

/// The loopbacks of sites b and c.
const B: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 2);
const C: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 3);
/// A host here, and one at site b.
const HOST: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 9);
const FAR: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 9);
/// Nobody lists it.
const STRANGER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
const MAC: [u8; 6] = [2, 0, 0, 0, 1, 0x0a];

/// Sites a, b and c; what the file has besides, and what site a has.
fn mesh(general: &str, here: &str, rest: &str) -> Mesh {
    let site = |name: char, id: u8, prefixes: &str, more: &str| {
        let key = format!("{}A=", char::from(b'B' + id).to_string().repeat(42));
        format!(
            "[[site]]\nname = \"{name}\"\nid = {id}\npublic_key = \"{key}\"\nendpoint = \"203.0.113.{id}\"\n\
             prefixes = [{prefixes}]\n{more}\n"
        )
    };
    let sites = [
        site('a', 1, "\"10.1.0.0/16\"", here),
        site('b', 2, "\"10.2.0.0/16\", \"10.1.77.0/24\"", ""),
        site('c', 3, "\"10.3.0.0/16\"", ""),
    ];
    let text = format!("[mesh]\nname = \"test\"\nloopbacks = \"10.255.0.0/16\"\n{general}\n{}{rest}", sites.concat());
    parse("mesh", &text).unwrap().mesh
}

const SEGMENT: &str = "[[l2]]\nname = \"vms\"\nvni = 100\ngateway = \"10.9.0.1/24\"\n\
                       [[l2.site]]\nname = \"a\"\n[[l2.site]]\nname = \"b\"\n";

/// Site a's router, with a host on its LAN `eth1`.
struct Scene {
    router: Router,
    /// The host's; it ends with this.
    host: Namespace,
    /// In the host's namespace.
    raw: Socket,
    /// What was dropped before, by reason.
    before: Vec<u64>,
    fence: u16,
}

impl Scene {
    async fn new(mesh: &Mesh) -> Self {
        let host = Namespace::new();
        ip(&format!("link add eth1 type veth peer name eth0 netns {}", host.path()));
        for command in ["address add 10.1.0.1/24 dev eth1", "link set eth1 up"] {
            ip(command);
        }
        for command in ["address add 10.1.0.9/24 dev eth0", "link set eth0 up", "route add default via 10.1.0.1"] {
            host.ip(command);
        }
        let raw = host.run(|| sender().unwrap());
        let mut scene = Self { router: Router::open(), host, raw, before: Vec::new(), fence: 1000 };
        scene.settle(mesh).await;
        scene
    }

    /// The mesh file is this one now.
    async fn settle(&mut self, mesh: &Mesh) {
        let mut desired: State = tunnels_to(&[2, 3]);
        for (to, via) in
            [("10.2.0.0/16", 2), ("10.255.0.2/32", 2), ("10.3.0.0/16", 3), ("10.255.0.3/32", 3), ("198.18.0.0/15", 2)]
        {
            add_route(&mut desired, to, &[via]);
        }
        desired.filter = Ruleset::of(mesh, &mesh.sites[0]);
        self.router.settle(&desired).await;
        self.note().await;
    }

    async fn note(&mut self) {
        self.before = self.counts().await;
    }

    /// Packets dropped, by reason.
    async fn counts(&self) -> Vec<u64> {
        let (dropped, _) = self.router.kernel.rule_listing().drops().await.unwrap();
        let count = |reason| dropped.iter().filter(|drop| drop.reason == reason).map(|drop| drop.packets).sum();
        Reason::ALL.map(count).to_vec()
    }

    /// The reasons for which packets were dropped since the last time.
    async fn dropped(&mut self) -> Vec<Reason> {
        self.dropped_packets().await.into_iter().map(|(reason, _)| reason).collect()
    }

    /// How many packets were dropped since the last time, by reason.
    async fn dropped_packets(&mut self) -> Vec<(Reason, u64)> {
        let now = self.counts().await;
        let more = Reason::ALL.into_iter().zip(now.iter().zip(&self.before));
        let more = more.map(|(reason, (now, before))| (reason, now - before)).filter(|(_, packets)| *packets > 0);
        let dropped = more.collect();
        self.before = now;
        dropped
    }

    /// Sends packets from the LAN; how many of them come out of a tunnel. What is sent after them comes out after them.
    fn enter(&mut self, packets: &[Packet]) -> usize {
        packets.iter().for_each(|packet| send(&self.raw, packet).unwrap());
        let mut forged = 0;
        for id in [2, 3] {
            self.fence = self.fence.wrapping_add(1);
            let last = Packet::udp(HOST, Ipv4Addr::new(10, id, 0, 9), self.fence, b"fence");
            send(&self.raw, &last).unwrap();
            let end = Instant::now() + DEADLINE;
            loop {
                let Some(packet) = self.router.engine.receive(&tunnel(id)) else {
                    assert!(Instant::now() < end, "nothing comes out of the tunnel any more");
                    std::thread::yield_now();
                    continue;
                };
                if packet.ends_with(b"fence") && packet[22..24] == self.fence.to_be_bytes() {
                    break;
                }
                forged += usize::from(packet[0] >> 4 == 4 || is_forged(&packet));
            }
        }
        forged
    }

    /// One packet enters, or is dropped for the reasons given.
    async fn enters(&mut self, packet: Packet, reasons: &[Reason]) {
        let passed = self.enter(std::slice::from_ref(&packet));
        let dropped = self.dropped().await;
        assert_eq!((passed, dropped.as_slice()), (usize::from(reasons.is_empty()), reasons), "{packet:?}");
    }

    /// One packet comes out of the tunnel to site `id`, and is not dropped by the ruleset, or for the reason given.
    async fn leaves(&mut self, id: u8, packet: Packet, reasons: &[Reason]) {
        self.router.engine.send(&tunnel(id), &packet.octets());
        // A packet of site c that has to pass is behind it.
        let listener = self.router_listener();
        self.router
            .engine
            .send(&tunnel(id), &Packet::udp(C, OWN, listener.local_addr().unwrap().port(), b"fence").octets());
        listener.recv(&mut [0; 16]).expect("what follows arrives");
        assert_eq!(self.dropped().await, reasons, "out of the tunnel to {id}: {packet:?}");
    }

    /// A socket in the router's namespace, that of this thread.
    fn router_listener(&self) -> UdpSocket {
        let socket = UdpSocket::bind((OWN, 0)).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket
    }
}

fn nft(script: &str) {
    let done = Command::new("nft").args(script.split_whitespace()).status().expect("the program nft");
    assert!(done.success(), "nft {script}");
}

/// Has the router do all that makes forgery easier: its LAN's packets get the router's own address in tunnels, and its own addresses
/// and 127.0.0.0/8 are accepted from outside.
fn be_careless() {
    for (scope, key) in
        [("all", "accept_local"), ("eth1", "accept_local"), ("all", "route_localnet"), ("eth1", "route_localnet")]
    {
        std::fs::write(format!("/proc/sys/net/ipv4/conf/{scope}/{key}"), "1").unwrap();
    }
    nft("add table ip careless");
    nft("add chain ip careless post { type nat hook postrouting priority srcnat ; }");
    nft("add rule ip careless post oifname wg-* masquerade");
}

#[test]
fn control_packets_do_not_enter_the_mesh_whatever_the_machine_is_set_to() {
    Namespace::new().block_on(|| async {
        // An end of a virtual link elsewhere: site c.
        let far = "[[site.interface]]\nname = \"eth9\"\nospf = \"passive\"\narea = \"0.0.0.1\"\n\
                   [[site.virtual_link]]\narea = \"0.0.0.1\"\nrouter_id = \"192.0.2.1\"\n";
        let mut text = mesh("source_check = \"off\"", "", SEGMENT);
        let with_link = mesh("", far, "").sites[0].virtual_links.clone();
        text.sites[2].virtual_links = with_link;
        let mut scene = Scene::new(&text).await;
        let control = [Reason::Control];
        for careless in [false, true] {
            if careless {
                be_careless();
            }
            for source in [HOST, B] {
                scene.enters(Packet::hello(source, B), &control).await;
                scene.enters(Packet::update(source, B, C, 100), &control).await;
                scene.enters(Packet { ttl: 2, ..Packet::hello(source, B) }, &control).await;
                for port in [3784, 3785, 4784] {
                    scene.enters(Packet::datagram(source, B, port), &control).await;
                }
                scene.enters(Packet::vxlan(source, B, 100, MAC, HOST), &control).await;
            }
            if careless {
                scene.enters(Packet::vxlan(OWN, B, 100, MAC, HOST), &control).await;
            }
            // Users' own.
            scene.enters(Packet::hello(HOST, FAR), &[]).await;
            scene.enters(Packet::datagram(HOST, FAR, 3784), &[]).await;
            scene.enters(Packet::vxlan(HOST, FAR, 100, MAC, HOST), &[]).await;
            scene.enters(Packet::vxlan(HOST, B, 4096, MAC, HOST), &[]).await;
            scene.enters(Packet::datagram(HOST, B, 53), &[]).await;
            // The end of a virtual link.
            scene.enters(Packet::hello(HOST, C), &[]).await;
            scene.enters(Packet::datagram(HOST, C, 3784), &control).await;
        }
        scene.router.down().await;
    });
}

#[test]
fn fragments_and_source_routes_hide_nothing() {
    Namespace::new().block_on(|| async {
        let mut scene = Scene::new(&mesh("source_check = \"off\"", "", SEGMENT)).await;
        let vxlan = Packet::vxlan(HOST, B, 100, MAC, HOST);
        // Cut before the VNI and behind it; the first fragment stays here, without which the second is nothing.
        for first in [8, 16] {
            assert_eq!(scene.enter(&vxlan.in_fragments(7, first)), 1, "cut at {first}");
            assert_eq!(scene.dropped().await, [Reason::Control]);
        }
        let others = Packet::vxlan(HOST, B, 4096, MAC, HOST);
        assert_eq!(scene.enter(&others.in_fragments(8, 16)), 2);
        assert_eq!(scene.enter(&Packet::hello(HOST, B).in_fragments(9, 24)), 0);
        assert_eq!(scene.dropped().await, [Reason::Control]);
        // A fragment that would be joined to those of a member, here or at another site.
        for destination in [OWN, B] {
            let [_, tail] = Packet::vxlan(B, destination, 100, MAC, HOST).in_fragments(10, 16);
            assert_eq!(scene.enter(&[Packet { source: C, fragment: tail.fragment | MORE, ..tail }]), 0);
            assert_eq!(scene.dropped().await, [Reason::Control]);
        }
        for key in ["all", "eth1"] {
            std::fs::write(format!("/proc/sys/net/ipv4/conf/{key}/accept_source_route"), "1").unwrap();
        }
        scene.enters(vxlan.source_routed(Ipv4Addr::new(10, 1, 0, 1)), &[Reason::Control]).await;
        scene.router.down().await;
    });
}

#[test]
fn a_source_enters_where_a_route_to_it_would_be_accepted() {
    Namespace::new().block_on(|| async {
        let (source, martian) = ([Reason::Source], [Reason::Martian]);
        let from = |source: Ipv4Addr| Packet::datagram(source, FAR, 9);
        let mut scene = Scene::new(&mesh("unlisted = \"refuse\"", "", SEGMENT)).await;
        scene.enters(from(HOST), &[]).await;
        scene.enters(from(Ipv4Addr::new(10, 1, 77, 1)), &source).await;
        scene.enters(from(Ipv4Addr::new(10, 3, 0, 1)), &source).await;
        scene.enters(from(STRANGER), &source).await;
        scene.enters(from(Ipv4Addr::new(10, 9, 0, 7)), &[]).await;
        scene.enters(from(Ipv4Addr::new(10, 255, 0, 99)), &martian).await;
        scene.enters(from(Ipv4Addr::new(169, 254, 0, 9)), &martian).await;
        for kind in [3, 11, 12] {
            scene.enters(Packet::icmp(STRANGER, FAR, kind), &[]).await;
        }
        scene.enters(Packet::icmp(STRANGER, FAR, 8), &source).await;
        let (_, refused) = scene.router.kernel.rule_listing().drops().await.unwrap();
        let refused: Vec<(&str, Ipv4Addr)> =
            refused.iter().map(|refused| (refused.interface.as_str(), refused.source)).collect();
        let samples = [Ipv4Addr::new(10, 1, 77, 1), Ipv4Addr::new(10, 3, 0, 1), STRANGER];
        assert_eq!(refused, samples.map(|source| ("eth1", source)));

        scene.settle(&mesh("unlisted = \"accept\"", "", "")).await;
        scene.enters(from(STRANGER), &[]).await;
        scene.enters(from(Ipv4Addr::new(10, 9, 0, 7)), &[]).await;
        scene.enters(from(Ipv4Addr::new(10, 3, 0, 1)), &source).await;
        let mut default = mesh("unlisted = \"refuse\"", "", "");
        default.sites[0].prefixes.push("0.0.0.0/0".parse().unwrap());
        scene.settle(&default).await;
        scene.enters(from(STRANGER), &[]).await;
        scene.enters(from(Ipv4Addr::new(10, 3, 0, 1)), &source).await;

        // After source NAT; before it, what nobody but this router may have is forged.
        scene.settle(&mesh("unlisted = \"refuse\"", "", "")).await;
        be_careless();
        scene.enters(from(STRANGER), &[]).await;
        scene.enters(from(OWN), &martian).await;
        scene.enters(from(B), &martian).await;
        ip("address add 203.0.113.1/32 dev lo");
        scene.enters(from(Ipv4Addr::new(203, 0, 113, 1)), &martian).await;
        nft("delete table ip careless");
        scene.enters(from(Ipv4Addr::new(127, 0, 0, 1)), &martian).await;

        scene.settle(&mesh("unlisted = \"refuse\"\nsource_check = \"off\"", "", "")).await;
        scene.enters(from(STRANGER), &[]).await;
        scene.enters(from(Ipv4Addr::new(10, 3, 0, 1)), &[]).await;
        scene.router.down().await;
        assert_eq!(
            String::from_utf8_lossy(&Command::new("nft").args(["list", "ruleset"]).output().unwrap().stdout),
            ""
        );
    });
}

#[test]
fn by_an_interface_behind_which_another_site_is_any_sites_sources_come_in() {
    Namespace::new().block_on(|| async {
        let interface = "[[site.interface]]\nname = \"eth1\"\nospf = \"active\"\nnetwork = \"broadcast\"\n\
                         auth = { type = \"hmac-sha-256\", key_id = 1, key_file = \"lan.key\" }\n";
        let mut joined = mesh("unlisted = \"refuse\"", interface, "");
        let mut scene = Scene::new(&joined).await;
        scene.enters(Packet::datagram(C, FAR, 9), &[Reason::Martian]).await;
        joined.sites[2].interfaces = joined.sites[0].interfaces.clone();
        scene.settle(&joined).await;
        for source in [C, Ipv4Addr::new(10, 3, 0, 1), STRANGER] {
            scene.enters(Packet::datagram(source, FAR, 9), &[]).await;
        }
        be_careless();
        nft("delete table ip careless");
        for source in [OWN, Ipv4Addr::new(10, 255, 0, 99), Ipv4Addr::new(169, 254, 0, 9)] {
            scene.enters(Packet::datagram(source, FAR, 9), &[Reason::Martian]).await;
        }
        scene.enters(Packet::hello(C, B), &[Reason::Control]).await;
        // What the mesh has sent by that LAN may be in error, but only about TCP can the receiver tell whether it is.
        for protocol in [OSPF, UDP] {
            let error = Packet::too_big_about(protocol, C, B, OWN);
            scene.enters(error.clone(), &[Reason::Control]).await;
            scene.enters(error.in_fragments(77, 8)[0].clone(), &[Reason::Control]).await;
        }
        scene.enters(Packet::too_big_about(TCP, C, B, OWN), &[]).await;
        // This site's own come back by the other site.
        scene.leaves(3, Packet::datagram(HOST, HOST, 9), &[]).await;
        scene.router.down().await;
    });
}

#[test]
fn what_only_this_site_has_does_not_come_out_of_a_tunnel_and_what_is_in_transit_passes() {
    Namespace::new().block_on(|| async {
        let (source, martian, vxlan) = ([Reason::Source], [Reason::Martian], [Reason::Vxlan]);
        let mut text = mesh("unlisted = \"refuse\"", "", SEGMENT);
        let mut scene = Scene::new(&text).await;
        // As far as the kernel can be told not to drop them by itself.
        for scope in ["all", "wg-b"] {
            for key in ["accept_local", "route_localnet"] {
                std::fs::write(format!("/proc/sys/net/ipv4/conf/{scope}/{key}"), "1").unwrap();
            }
        }
        let to = |source: Ipv4Addr, destination| Packet::datagram(source, destination, 9);
        for destination in [HOST, OWN] {
            for good in [FAR, B, C, Ipv4Addr::new(10, 9, 0, 7), Ipv4Addr::new(10, 1, 77, 1), STRANGER] {
                scene.leaves(2, to(good, destination), &[]).await;
            }
            scene.leaves(2, to(Ipv4Addr::new(10, 1, 0, 8), destination), &source).await;
            for bad in ["10.255.0.99", "10.255.0.1", "127.0.0.1", "169.254.3.4"] {
                scene.leaves(2, to(bad.parse().unwrap(), destination), &martian).await;
            }
        }
        // To the group of all nodes, which is for this router, too.
        let all_nodes = [&[0xff_u8, 2][..], &[0; 13], &[1]].concat();
        let ipv6 = [&[0x60_u8, 0, 0, 0, 0, 0, 59, 64][..], &[0xfd; 16], &all_nodes[..]].concat();
        scene.router.engine.send(&tunnel(2), &ipv6);
        scene.leaves(2, to(FAR, HOST), &[Reason::Ipv6]).await;
        // VXLAN: of another member, on whichever tunnel.
        scene.leaves(3, Packet::vxlan(B, OWN, 100, MAC, FAR), &[]).await;
        for bad in [C, FAR] {
            scene.leaves(2, Packet::vxlan(bad, OWN, 100, MAC, FAR), &vxlan).await;
        }
        scene.leaves(2, Packet::vxlan(C, OWN, 4096, MAC, FAR), &[]).await;
        // And from no LAN.
        for bad in [HOST, STRANGER] {
            scene.enter(&[Packet::vxlan(bad, OWN, 100, MAC, FAR)]);
            assert_eq!(scene.dropped().await, vxlan);
        }
        // In transit, from one tunnel to the other: whatever its source.
        for passing in [Ipv4Addr::new(10, 1, 0, 8), STRANGER, C] {
            scene.router.engine.send(&tunnel(3), &Packet::datagram(passing, FAR, 9).octets());
            let end = Instant::now() + DEADLINE;
            loop {
                match scene.router.engine.receive(&tunnel(2)) {
                    Some(packet) if is_forged(&packet) => break,
                    _ => assert!(Instant::now() < end, "{passing} does not pass"),
                }
            }
        }
        assert_eq!(scene.dropped().await, []);
        // Where this site alone stands for what nobody lists, only ICMP errors have such sources.
        text.sites[0].prefixes.push("0.0.0.0/0".parse().unwrap());
        scene.settle(&text).await;
        scene.leaves(2, to(STRANGER, HOST), &source).await;
        scene.leaves(2, Packet::icmp(STRANGER, HOST, 11), &[]).await;
        scene.leaves(2, to(FAR, HOST), &[]).await;
        scene.router.down().await;
    });
}

/// Packets that arrive as fast as a machine can send them, many more than are let through.
const FLOOD: usize = 1000;

/// ICMP errors that pass at once, and then in a second.
const ICMP_ERRORS: u64 = 100;

/// What a rate limit lets through of a flood that lasted for `time`, of which nothing but that is lost.
fn assert_limited(passed: usize, dropped: &[(Reason, u64)], time: Duration) {
    let passed = u64::try_from(passed).unwrap();
    let most = ICMP_ERRORS + 1 + u64::try_from(time.as_millis()).unwrap() * ICMP_ERRORS / 1000;
    assert!((ICMP_ERRORS..=most).contains(&passed), "{passed} of {FLOOD} passed in {time:?}");
    assert_eq!(dropped, [(Reason::Source, u64::try_from(FLOOD).unwrap() - passed)], "{passed} passed");
}

#[test]
fn a_flood_of_icmp_errors_enters_at_the_rate_of_its_limit_and_holds_up_no_error_of_a_listed_source() {
    Namespace::new().block_on(|| async {
        let mut scene = Scene::new(&mesh("unlisted = \"refuse\"", "", "")).await;
        let too_big = |source| Packet::too_big_about(UDP, source, FAR, HOST);
        let begin = Instant::now();
        let passed = scene.enter(&vec![too_big(STRANGER); FLOOD]);
        let time = begin.elapsed();
        assert_limited(passed, &scene.dropped_packets().await, time);
        let (_, refused) = scene.router.kernel.rule_listing().drops().await.unwrap();
        let refused: Vec<(Ipv4Addr, u64)> = refused.iter().map(|refused| (refused.source, refused.packets)).collect();
        assert_eq!(refused, [(STRANGER, u64::try_from(FLOOD - passed).unwrap())], "the sample names who sends them");
        // As many of a router whose address this site lists, and within the flood.
        for _ in 0..FLOOD / 100 {
            let flood = vec![too_big(STRANGER); 50];
            let listed = vec![too_big(HOST); 50];
            let passed = scene.enter(&[flood, listed].concat());
            assert!(passed >= 50, "{passed}");
        }
        // When the flood is over, path MTU discovery by a router that nobody lists works again.
        scene.note().await;
        let end = Instant::now() + DEADLINE;
        while scene.enter(&[too_big(STRANGER)]) == 0 {
            assert!(Instant::now() < end, "no error passes any more");
        }
        scene.router.down().await;
    });
}

#[test]
fn a_flood_of_icmp_errors_leaves_at_the_rate_of_its_limit_where_this_site_stands_for_what_nobody_lists() {
    Namespace::new().block_on(|| async {
        let mut text = mesh("unlisted = \"refuse\"", "", "");
        text.sites[0].prefixes.push("0.0.0.0/0".parse().unwrap());
        let mut scene = Scene::new(&text).await;
        // It has them all; the host's kernel has no use for them.
        let arriving = scene.host.run(|| Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).unwrap());
        arriving.set_read_timeout(Some(DEADLINE)).unwrap();
        // The router and the host know each other's link-layer addresses.
        scene.enter(&[]);
        let begin = Instant::now();
        for _ in 0..FLOOD {
            scene.router.engine.send(&tunnel(2), &Packet::too_big_about(UDP, STRANGER, HOST, FAR).octets());
        }
        scene.router.engine.send(&tunnel(2), &Packet::icmp(FAR, HOST, 11).octets());
        let mut passed = 0;
        loop {
            let (_, from) =
                arriving.recv_from(&mut [MaybeUninit::uninit(); 256]).expect("what follows the flood arrives");
            match *from.as_socket_ipv4().unwrap().ip() {
                FAR => break,
                source => assert_eq!(source, STRANGER),
            }
            passed += 1;
        }
        assert_limited(passed, &scene.dropped_packets().await, begin.elapsed());
        scene.router.down().await;
    });
}

/// An IPv6 packet of an experimental protocol (RFC 3692 §2.1).
fn ipv6(source: Ipv6Addr, destination: Ipv6Addr) -> Vec<u8> {
    let [high, low] = u16::try_from(MARK.len()).unwrap().to_be_bytes();
    [&[0x60, 0, 0, 0, high, low, EXPERIMENT, 64][..], &source.octets(), &destination.octets(), MARK].concat()
}

const EXPERIMENT: u8 = 253;

/// A host of network `network`: fd00:0:0:NETWORK::9.
fn host6(network: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0, 0, network, 0, 0, 0, 9)
}

/// The link-layer address in what `ip -j link show` prints.
fn mac(shown: &str) -> String {
    let links: serde_json::Value = serde_json::from_str(shown).unwrap();
    links[0]["address"].as_str().unwrap().to_owned()
}

/// A [`Scene`] with IPv6, and a second LAN behind `eth2`. Networks 1 and 4 are the LANs, 2 and 3 are behind the tunnels.
struct Scene6 {
    scene: Scene,
    other: Namespace,
    raw: Socket,
}

impl Scene6 {
    async fn new(mesh: &Mesh) -> Self {
        let scene = Scene::new(mesh).await;
        std::fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1").unwrap();
        let other = Namespace::new();
        ip(&format!("link add eth2 type veth peer name eth0 netns {}", other.path()));
        ip("link set eth2 up");
        other.ip("link set eth0 up");
        for (host, interface, network) in [(&scene.host, "eth1", 1), (&other, "eth2", 4)] {
            ip(&format!("-6 address add fd00:0:0:{network}::1/64 dev {interface} nodad"));
            host.ip(&format!("-6 address add {}/64 dev eth0 nodad", host6(network)));
            host.ip(&format!("-6 route add default via fd00:0:0:{network}::1"));
            // Nothing waits for an answer of neighbour discovery.
            let (at_host, here) =
                (mac(&host.ip("-j link show dev eth0")), mac(&ip(&format!("-j link show dev {interface}"))));
            ip(&format!("-6 neighbor replace {} lladdr {at_host} dev {interface} nud permanent", host6(network)));
            host.ip(&format!("-6 neighbor replace fd00:0:0:{network}::1 lladdr {here} dev eth0 nud permanent"));
        }
        for (network, tunnel) in [(2, "wg-b"), (3, "wg-c")] {
            ip(&format!("-6 route add fd00:0:0:{network}::/64 dev {tunnel}"));
        }
        let raw = scene.host.run(|| Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::from(255))).unwrap());
        Self { scene, other, raw }
    }

    /// A socket that has what arrives at a host.
    fn arriving(host: &Namespace) -> Socket {
        let protocol = Protocol::from(i32::from(EXPERIMENT));
        let socket = host.run(|| Socket::new(Domain::IPV6, Type::RAW, Some(protocol)).unwrap());
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket
    }

    /// Has the host send to network `network`.
    fn send(&self, network: u16) {
        let to = SocketAddrV6::new(host6(network), 0, 0, 0);
        self.raw.send_to(&ipv6(host6(1), host6(network)), &to.into()).unwrap();
    }

    /// Packets dropped so far, by interface.
    async fn dropped(&self) -> Vec<(String, u64)> {
        let (dropped, _) = self.scene.router.kernel.rule_listing().drops().await.unwrap();
        assert!(dropped.iter().all(|drop| drop.reason == Reason::Ipv6), "{dropped:?}");
        dropped.into_iter().map(|drop| (drop.interface, drop.packets)).collect()
    }

    /// Waits for a forged packet to be sent into the tunnel.
    fn await_tunnel(&self, id: u8) {
        let end = Instant::now() + DEADLINE;
        while !self.scene.router.engine.receive(&tunnel(id)).is_some_and(|packet| is_forged(&packet)) {
            assert!(Instant::now() < end, "nothing goes into the tunnel to {id}");
        }
    }
}

/// What arrives from `source` next.
fn arrives(socket: &Socket, source: Ipv6Addr) {
    let (_, from) = socket
        .recv_from(&mut [MaybeUninit::uninit(); 256])
        .unwrap_or_else(|error| panic!("of {source} nothing arrives: {error}"));
    assert_eq!(*from.as_socket_ipv6().unwrap().ip(), source);
}

#[test]
fn ipv6_neither_enters_nor_leaves_the_mesh_and_passes_from_tunnel_to_tunnel_and_from_lan_to_lan() {
    Namespace::new().block_on(|| async {
        let mut scene = Scene6::new(&mesh("unlisted = \"refuse\"", "", "")).await;
        let (here, there) = (Scene6::arriving(&scene.scene.host), Scene6::arriving(&scene.other));
        // Into tunnels.
        scene.send(2);
        scene.send(3);
        assert_eq!(scene.scene.enter(&[]), 0);
        assert_eq!(scene.dropped().await, [("eth1".to_owned(), 2)]);
        // Out of them, for hosts and for the router itself.
        let engine = &scene.scene.router.engine;
        for _ in 0..3 {
            engine.send(&tunnel(2), &ipv6(host6(2), host6(1)));
        }
        engine.send(&tunnel(3), &ipv6(host6(3), host6(4)));
        engine.send(&tunnel(3), &ipv6(host6(3), "fd00:0:0:1::1".parse().unwrap()));
        // In transit.
        engine.send(&tunnel(2), &ipv6(host6(2), host6(3)));
        engine.send(&tunnel(3), &ipv6(host6(1), host6(2)));
        scene.await_tunnel(3);
        scene.await_tunnel(2);
        // From LAN to LAN; it is the first that arrives there.
        scene.send(4);
        arrives(&there, host6(1));
        let dropped = [("eth1", 2), ("wg-b", 3), ("wg-c", 2)].map(|(name, packets)| (name.to_owned(), packets));
        assert_eq!(scene.dropped().await, dropped);
        let back = scene.other.run(|| Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::from(255))).unwrap());
        back.send_to(&ipv6(host6(4), host6(1)), &SocketAddrV6::new(host6(1), 0, 0, 0).into()).unwrap();
        arrives(&here, host6(4));
        scene.scene.router.down().await;
    });
}

#[test]
fn without_source_check_nothing_is_said_of_ipv6() {
    Namespace::new().block_on(|| async {
        let mut scene = Scene6::new(&mesh("source_check = \"off\"", "", "")).await;
        let tables = Command::new("nft").args(["list", "tables"]).output().unwrap().stdout;
        assert_eq!(String::from_utf8_lossy(&tables), "table ip weft-test\n");
        let here = Scene6::arriving(&scene.scene.host);
        scene.send(2);
        scene.await_tunnel(2);
        scene.scene.router.engine.send(&tunnel(3), &ipv6(host6(3), host6(1)));
        arrives(&here, host6(3));
        // The table goes and comes with the mesh file.
        scene.scene.settle(&mesh("", "", "")).await;
        scene.send(2);
        assert_eq!(scene.scene.enter(&[]), 0);
        assert_eq!(scene.dropped().await, [("eth1".to_owned(), 1)]);
        scene.scene.settle(&mesh("source_check = \"off\"", "", "")).await;
        scene.send(2);
        scene.await_tunnel(2);
        scene.scene.router.down().await;
    });
}

#[test]
fn any_sites_source_passes_from_tunnel_to_tunnel_by_all_equal_cost_paths() {
    Namespace::new().block_on(|| async {
        let mut scene = Scene::new(&mesh("unlisted = \"refuse\"", "", "")).await;
        let mut desired: State = tunnels_to(&[2, 3]);
        add_route(&mut desired, "10.2.0.0/16", &[2, 3]);
        add_route(&mut desired, "10.3.0.0/16", &[3]);
        let text = mesh("unlisted = \"refuse\"", "", "");
        desired.filter = Ruleset::of(&text, &text.sites[0]);
        scene.router.settle(&desired).await;
        scene.note().await;
        let destinations = || (1..=64).map(|host| Ipv4Addr::new(10, 2, 0, host));
        // The kernel may quote them in an ICMP redirect.
        let is_datagram = |packet: &Vec<u8>| packet[9] == UDP && is_forged(packet);
        // How many come out of each tunnel, of one packet to each destination.
        let comes = |scene: &Scene| {
            let mut count = [0; 2];
            let end = Instant::now() + DEADLINE;
            while count[0] + count[1] < destinations().count() {
                for (index, id) in [2, 3].into_iter().enumerate() {
                    let packet = scene.router.engine.receive(&tunnel(id));
                    count[index] += usize::from(packet.filter(is_datagram).is_some());
                }
                assert!(Instant::now() < end, "{count:?} of {} packets", destinations().count());
            }
            count
        };
        // A site's own on a way that is not the one to it, this site's (it may come back by another way of its own), nobody's.
        for source in [Ipv4Addr::new(10, 3, 0, 1), C, FAR, B, HOST, STRANGER] {
            for id in [2, 3] {
                for destination in destinations() {
                    scene.router.engine.send(&tunnel(id), &Packet::datagram(source, destination, 9).octets());
                }
                let count = comes(&scene);
                assert!(count.iter().all(|count| *count > 0), "{source} from {id}: {count:?}");
                assert_eq!(scene.dropped().await, [], "{source} from {id}");
            }
        }
        // What enters is checked on each of them.
        for destination in destinations() {
            send(&scene.raw, &Packet::datagram(HOST, destination, 9)).unwrap();
        }
        let count = comes(&scene);
        assert!(count.iter().all(|count| *count > 0), "{count:?}");
        for destination in destinations() {
            send(&scene.raw, &Packet::datagram(STRANGER, destination, 9)).unwrap();
        }
        send(&scene.raw, &Packet::datagram(HOST, Ipv4Addr::new(10, 3, 0, 1), 9)).unwrap();
        let end = Instant::now() + DEADLINE;
        loop {
            match scene.router.engine.receive(&tunnel(3)).filter(is_datagram) {
                Some(packet) => break assert_eq!(packet[16..20], [10, 3, 0, 1]),
                None => assert!(Instant::now() < end, "what follows does not come"),
            }
        }
        while let Some(packet) = scene.router.engine.receive(&tunnel(2)) {
            assert!(!is_datagram(&packet), "{packet:?}");
        }
        assert_eq!(scene.dropped_packets().await, [(Reason::Source, 64)]);
        // Out of each tunnel to a host here, whichever is the way to its source.
        for (id, source) in [(2, Ipv4Addr::new(10, 3, 0, 1)), (3, FAR), (2, C), (3, B)] {
            scene.leaves(id, Packet::datagram(source, HOST, 9), &[]).await;
        }
        scene.router.down().await;
    });
}

#[test]
fn no_packet_is_lost_while_the_ruleset_is_replaced() {
    Namespace::new().block_on(|| async {
        let text = mesh("unlisted = \"refuse\"", "", SEGMENT);
        let mut scene = Scene::new(&text).await;
        let script = Ruleset::of(&text, &text.sites[0]).unwrap().script().to_owned();
        // In the router's namespace, that of this thread.
        let replacing = std::thread::spawn(move || {
            for _ in 0..100 {
                let mut nft = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
                nft.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
                assert!(nft.wait().unwrap().success());
            }
        });
        while !replacing.is_finished() {
            scene.enter(&[]);
        }
        replacing.join().unwrap();
        scene.router.down().await;
    });
}

#[test]
fn thousands_of_prefixes_are_set_and_looked_at_in_no_time() {
    Namespace::new().block_on(|| async {
        let mut text = mesh("", "", "");
        for high in 0..20 {
            for low in 0..250_u8 {
                text.sites[1].prefixes.push(format!("172.{}.{low}.0/25", 16 + high % 16).parse().unwrap());
            }
        }
        text.sites[1].prefixes.sort();
        text.sites[1].prefixes.dedup();
        let mut scene = Scene::new(&text).await;
        scene.enters(Packet::datagram(Ipv4Addr::new(172, 17, 3, 1), FAR, 9), &[Reason::Source]).await;
        scene.enters(Packet::datagram(Ipv4Addr::new(172, 17, 3, 200), FAR, 9), &[]).await;
        // It is looked at as a whole, and only what packets put into sets is no change.
        let mut state = tunnels_to(&[2, 3]);
        state.filter = Ruleset::of(&text, &text.sites[0]);
        let observed = scene.router.observe().await;
        assert_eq!(observed.state.filter, state.filter);
        nft("delete element ip weft-test not-from-tunnels { 10.1.0.0-10.1.76.255 : goto drop-source }");
        assert_eq!(scene.router.observe().await.state.filter, Some(Ruleset::unknown()));
        assert!(observed.indexes.contains_key(&name("eth1")));
        scene.router.down().await;
    });
}
