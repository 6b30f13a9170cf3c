//! What the nftables ruleset lets into the mesh and out of it, packet by packet: forged ones come from a host on the router's LAN and
//! out of its tunnels.

use std::io::Write as _;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use socket2::Socket;
use weft::mesh::{Mesh, parse};
use weft::reconcile::filter::{Reason, Ruleset};
use weft::reconcile::state::State;

use crate::forge::{MORE, OSPF, Packet, UDP, is_forged, send, sender};
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
    _host: Namespace,
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
        let mut scene = Self { router: Router::open(), _host: host, raw, before: Vec::new(), fence: 1000 };
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
        let (dropped, _) = self.router.kernel.drops().await.unwrap();
        let count = |reason| dropped.iter().filter(|drop| drop.reason == reason).map(|drop| drop.packets).sum();
        Reason::ALL.map(count).to_vec()
    }

    /// The reasons for which packets were dropped since the last time.
    async fn dropped(&mut self) -> Vec<Reason> {
        let now = self.counts().await;
        let more = Reason::ALL.into_iter().zip(now.iter().zip(&self.before)).filter(|(_, (now, before))| now > before);
        let reasons = more.map(|(reason, _)| reason).collect();
        self.before = now;
        reasons
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
                forged += usize::from(packet[0] >> 4 == 4);
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
        let (_, refused) = scene.router.kernel.drops().await.unwrap();
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
