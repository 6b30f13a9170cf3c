//! Ethernet segments: switches, hosts, and cables that move.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv6Addr, TcpListener, TcpStream};

use pnet::datalink::{self, Channel, Config};
use pnet::packet::ethernet::{EtherTypes, EthernetPacket};
use weft::lab::cable;
use weft::lab::health::{Health, HostHealth};
use weft::lab::layout::{HostPlan, SegmentPlan};

use super::*;

const SITES: [(&str, u16, &str); 2] =
    [("a", 1, "endpoint = \"203.0.113.1\""), ("b", 2, "endpoint = \"203.0.113.2\"\nprefixes = [\"10.2.0.0/16\"]")];

/// Sites a and b, and a segment across them with these hosts: name, home, last octet of the MAC address, IP addresses.
fn stage(mesh: &str, settings: &str, hosts: &[(&str, &str, u8, &[&str])]) -> Stage {
    let stage = Stage::new(mesh, &SITES);
    write(&stage, settings, hosts);
    stage
}

fn write(stage: &Stage, settings: &str, hosts: &[(&str, &str, u8, &[&str])]) {
    stage.write(&SITES);
    let mut text = fs::read_to_string(&stage.file).unwrap();
    text += &format!("[[l2]]\nname = \"vms\"\nvni = 100\n{settings}\n");
    for site in ["a", "b"] {
        text += &format!("[[l2.site]]\nname = \"{site}\"\nports = [\"tap0\"]\n");
    }
    for (name, site, number, addresses) in hosts {
        text += &format!("[[l2.host]]\nname = \"{name}\"\nsite = \"{site}\"\n");
        text += &format!("mac = \"02:00:00:00:00:{number:02x}\"\nip = {addresses:?}\n");
    }
    fs::write(&stage.file, text).unwrap();
}

fn host<'a>(lab: &'a Lab, name: &str) -> (&'a SegmentPlan, &'a HostPlan) {
    lab.layout.hosts().find(|(_, host)| host.name == name).unwrap()
}

fn plugged_at(lab: &Lab, name: &str) -> Option<String> {
    let (segment, host) = host(lab, name);
    cable::plugged_at(segment, host).unwrap()
}

fn replug(lab: &Lab, name: &str, site: &str) {
    let (segment, host) = host(lab, name);
    cable::replug(&lab.layout, segment, host, site).unwrap();
}

fn link(namespace: &str, interface: &str) -> netlink::LinkRow {
    let mut netlink = netlink::Netlink::open(&Namespace::existing(namespace).unwrap()).unwrap();
    netlink.present(interface).unwrap()
}

/// Addresses of an interface by the kernel's own account, the automatic ones among them.
fn v6_addresses(namespace: &str, interface: &str) -> Vec<Ipv6Addr> {
    let read = || Ok(fs::read_to_string("/proc/thread-self/net/if_inet6")?);
    let table = Namespace::existing(namespace).unwrap().within(read).unwrap();
    let lines = table.lines().filter(|line| line.ends_with(&format!(" {interface}")));
    lines.map(|line| Ipv6Addr::from_bits(u128::from_str_radix(&line[..32], 16).unwrap())).collect()
}

fn answered_by(health: &Health, name: &str) -> Vec<String> {
    let host: &HostHealth = health.hosts.iter().find(|host| host.host == name).unwrap();
    host.answers.present.iter().cloned().collect()
}

#[test]
fn hosts_have_what_the_table_says_and_hear_who_is_plugged_into_the_same_switch() {
    let hosts: [(&str, &str, u8, &[&str]); 4] = [
        ("x", "a", 1, &["10.9.0.10"]),
        ("y", "a", 2, &["10.9.0.11", "2001:db8::11"]),
        ("z", "a", 3, &["2001:db8::12", "fe80::12"]),
        ("far", "b", 4, &["10.9.0.13"]),
    ];
    let stage = stage("labseg", "gateway = \"10.9.0.1/24\"\nmtu = 2000", &hosts);
    let lab = stage.build();
    let eth0 = link("labseg-x", "eth0");
    assert_eq!((&eth0.mac[..], eth0.mtu), (&[2, 0, 0, 0, 0, 1][..], 2000));
    assert_eq!(v6_addresses("labseg-x", "eth0"), [] as [Ipv6Addr; 0]);
    let mut of_z = v6_addresses("labseg-z", "eth0");
    of_z.sort_unstable();
    assert_eq!(of_z, ["2001:db8::12", "fe80::12"].map(|text| text.parse::<Ipv6Addr>().unwrap()));

    let port = link("labseg-a", "tap0");
    assert!(port.up && port.bridge.is_none() && port.mtu == 2000, "{port:?}");
    assert_eq!(v6_addresses("labseg-a", "tap0"), [] as [Ipv6Addr; 0]);
    let (switch, uplink) = (link("labseg-a-vms", "lan"), link("labseg-a-vms", "uplink"));
    assert_eq!(uplink.bridge, Some(switch.index));

    // No weft runs: nothing leads from one switch to the other.
    let answered = || {
        let health = Health::of(&lab).unwrap();
        ["x", "y", "z", "far"].map(|name| answered_by(&health, name).join(" "))
    };
    // Over IPv6, the only family that both have, z reaches y.
    let expected = ["y", "x z", "y", ""];
    assert!(wait_until(SOON, || answered() == expected), "{:?}", answered());
}

#[test]
fn a_host_that_is_plugged_in_elsewhere_keeps_its_interface_and_announces_itself_there() {
    let hosts: [(&str, &str, u8, &[&str]); 3] =
        [("x", "a", 1, &["10.9.0.10"]), ("y", "a", 2, &["10.9.0.11"]), ("z", "b", 3, &["10.9.0.12"])];
    let stage = stage("labplug", "gateway = \"10.9.0.1/24\"", &hosts);
    let lab = stage.build();
    let before = link("labplug-x", "eth0").index;
    let mut frames = listen("labplug-z", "eth0");
    replug(&lab, "x", "b");
    assert_eq!(plugged_at(&lab, "x").as_deref(), Some("b"));
    let announced = |frame: &EthernetPacket<'_>| {
        frame.get_ethertype() == EtherTypes::Rarp && frame.get_source().octets() == [2, 0, 0, 0, 0, 1]
    };
    assert!(frames(SOON, &announced), "z hears that x is there");
    assert!(answers("labplug-x", "10.9.0.12", SOON), "the host has its address still");
    assert!(!answers("labplug-x", "10.9.0.11", NEVER));
    assert_eq!(link("labplug-x", "eth0").index, before);
    let mut routes = netlink::Netlink::open(&Namespace::existing("labplug-x").unwrap()).unwrap();
    let gateways = routes.routes(netlink::MARK).unwrap().into_iter().flat_map(|route| route.nexthops);
    let gateways: Vec<Option<IpAddr>> = gateways.map(|(_, gateway)| gateway).collect();
    assert_eq!(gateways, [Some("10.9.0.1".parse().unwrap())]);

    // Where it is plugged in already, it announces itself again.
    replug(&lab, "x", "b");
    assert!(frames(SOON, &announced));
    let (segment, x) = host(&lab, "x");
    let error = cable::replug(&lab.layout, segment, x, "c").unwrap_err();
    assert!(error.to_string().contains("no port at site `c`"), "{error:#}");
}

/// Frames that arrive at an interface from now on: whether one of them, before `patience` is over, is wanted.
fn listen(namespace: &str, interface: &str) -> impl FnMut(Duration, &dyn Fn(&EthernetPacket<'_>) -> bool) -> bool {
    let channel = Namespace::existing(namespace).unwrap().within(|| {
        let found = datalink::interfaces().into_iter().find(|found| found.name == interface).unwrap();
        let config = Config { read_timeout: Some(Duration::from_millis(50)), ..Config::default() };
        Ok(datalink::channel(&found, config)?)
    });
    let Channel::Ethernet(_, mut receiver) = channel.unwrap() else { panic!("not an Ethernet") };
    move |patience, wanted| {
        wait_until(patience, || receiver.next().is_ok_and(|frame| wanted(&EthernetPacket::new(frame).unwrap())))
    }
}

#[test]
fn building_again_leaves_a_host_where_it_is_plugged_in_unless_the_file_gives_it_another_home() {
    const X: (&str, &str, u8, &[&str]) = ("x", "a", 1, &["10.9.0.10"]);
    const Y: (&str, &str, u8, &[&str]) = ("y", "a", 2, &["10.9.0.11"]);
    let stage = stage("labhome", "", &[X, Y]);
    let lab = stage.build();
    let index = |name: &str| link(&format!("labhome-{name}"), "eth0").index;
    let before = (index("x"), index("y"));
    replug(&lab, "x", "b");
    let lab = stage.build();
    assert_eq!((plugged_at(&lab, "x").as_deref(), plugged_at(&lab, "y").as_deref()), (Some("b"), Some("a")));

    // The file learns that x is at b, and that y is, too; z is new.
    write(&stage, "", &[("x", "b", 1, X.3), ("y", "b", 2, Y.3), ("z", "b", 3, &["10.9.0.12"])]);
    let mut frames = listen("labhome-b", "tap0");
    let lab = stage.build();
    assert_eq!((plugged_at(&lab, "x").as_deref(), plugged_at(&lab, "y").as_deref()), (Some("b"), Some("b")));
    let of_y = |frame: &EthernetPacket<'_>| frame.get_source().octets() == [2, 0, 0, 0, 0, 2];
    assert!(frames(SOON, &of_y), "the router at b hears that y is there");
    assert_eq!((index("x"), index("y")), before, "cables are moved, not made anew");
    assert_eq!(answered_by(&Health::of(&lab).unwrap(), "z"), ["x", "y"]);

    // x lives at a again; y has another address; z leaves.
    write(&stage, "", &[X, ("y", "b", 2, &["10.9.0.21"])]);
    let lab = stage.build();
    assert_eq!(plugged_at(&lab, "x").as_deref(), Some("a"));
    assert!(!Path::new("/run/netns/labhome-z").exists());
    replug(&lab, "x", "b");
    assert!(answers("labhome-x", "10.9.0.21", SOON));

    // A cable that has gone, and one whose label is not the lab's, are replaced.
    let mut switch = netlink::Netlink::open(&Namespace::existing("labhome-b-vms").unwrap()).unwrap();
    let cable = switch.present("to-x").unwrap();
    switch.delete_link(&cable).unwrap();
    switch.bring_up("to-y", Some("scribble")).unwrap();
    assert_eq!(plugged_at(&lab, "x"), None);
    let lab = stage.build();
    assert_eq!((plugged_at(&lab, "x").as_deref(), plugged_at(&lab, "y").as_deref()), (Some("a"), Some("b")));
    assert_ne!(index("y"), before.1);

    // Without the segment nothing of it is left.
    stage.write(&SITES);
    stage.build();
    for gone in ["labhome-x", "labhome-y", "labhome-a-vms", "labhome-b-vms"] {
        assert!(!Path::new("/run/netns").join(gone).exists(), "{gone}");
    }
    let mut router = netlink::Netlink::open(&Namespace::existing("labhome-a").unwrap()).unwrap();
    assert!(router.link("tap0").unwrap().is_none());
    stage.down();
    assert_nothing_is_left("labhome");
}

/// Both ends of a TCP connection between two hosts.
struct Connection(TcpStream, TcpStream);

impl Connection {
    fn open(from: &str, to: &str, address: &str) -> Self {
        let listener = Namespace::existing(to).unwrap().within(|| Ok(TcpListener::bind(address)?)).unwrap();
        let client = Namespace::existing(from).unwrap().within(|| Ok(TcpStream::connect(address)?)).unwrap();
        let (server, _) = listener.accept().unwrap();
        server.set_read_timeout(Some(SOON)).unwrap();
        Self(client, server)
    }

    fn carries(&mut self, text: &[u8]) {
        self.0.write_all(text).unwrap();
        let mut received = vec![0; text.len()];
        self.1.read_exact(&mut received).unwrap();
        assert_eq!(received, text);
    }
}

#[test]
fn hosts_reach_each_other_across_sites_wherever_they_are_moved_and_down_leaves_nothing() {
    let hosts: [(&str, &str, u8, &[&str]); 3] = [
        ("x", "a", 1, &["10.9.0.10"]),
        ("y", "b", 2, &["10.9.0.11", "2001:db8::11"]),
        ("z", "a", 3, &["2001:db8::12"]),
    ];
    let stage = stage("labl2", "learn = true", &hosts);
    let text = fs::read_to_string(&stage.file).unwrap();
    fs::write(&stage.file, text + "pin = true\n").unwrap();
    let weft = |arguments: &[&str]| {
        let [verb, rest @ ..] = arguments else { panic!("no command") };
        Command::new(WEFT).args(["lab", verb]).arg(&stage.file).args(rest).output().unwrap()
    };
    let up = weft(&["up"]);
    assert!(up.status.success(), "{}{}", String::from_utf8_lossy(&up.stdout), String::from_utf8_lossy(&up.stderr));
    let found = weft(&["exec", "x", "--", "getent", "ahosts", "y"]);
    assert!(String::from_utf8_lossy(&found.stdout).contains("10.9.0.11"), "{found:?}");

    let mut connection = Connection::open("labl2-x", "labl2-y", "10.9.0.11:7");
    connection.carries(b"before");
    let moved = weft(&["move", "x", "b"]);
    assert!(moved.status.success(), "{moved:?}");
    connection.carries(b"after");
    assert!(weft(&["status"]).status.success());
    let pinned = weft(&["move", "z", "b"]);
    assert!(String::from_utf8_lossy(&pinned.stderr).contains("z is pinned to a"), "{pinned:?}");

    // What weft is not told it sees.
    let moved = weft(&["move", "10.9.0.11", "a", "--silent"]);
    assert!(moved.status.success(), "{moved:?}");
    assert!(wait_until(SOON, || weft(&["status"]).status.success()), "{:?}", weft(&["status"]));
    let status: serde_json::Value = serde_json::from_slice(&weft(&["status", "--json"]).stdout).unwrap();
    connection.carries(b"in the end");
    let sites: Vec<_> = status["hosts"].as_array().unwrap().iter().map(|host| host["site"].as_str().unwrap()).collect();
    assert_eq!(sites, ["b", "a", "a"]);

    let down = weft(&["down"]);
    assert!(down.status.success() && down.stderr.is_empty(), "{down:?}");
    assert_nothing_is_left("labl2");
}
