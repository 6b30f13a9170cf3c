//! Ethernet segments in a real kernel: what is there is what was computed, as other people's programs show it; meddling heals; what
//! belongs to others stays untouched.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use tokio::time::timeout;
use vxlan::segment::{Flooding, Host, Learning, Mobility, Resolution, UnknownUnicast, Unreachable};
use vxlan::{Entries, FrameRate, HostLocations, Mac, Segment, Situation, Vni, Vtep};
use weft::kernel::{Change, Segments};
use weft::mesh::{BridgeOwner, L2, L2Site, Mesh};
use weft::reconcile::Failure;
use weft::reconcile::filter::Ruleset;
use weft::reconcile::overlay::{LocalSegment, desired_overlay};
use weft::reconcile::state::{ForeignInterface, Observed, State};

use crate::world::{Namespace, Router, everything, ip, name, tunnels_to};

const DEADLINE: Duration = Duration::from_secs(10);

fn vtep(site: u8) -> Vtep {
    Vtep(Ipv4Addr::new(10, 255, 0, site))
}

fn mac(last: u8) -> Mac {
    Mac::try_from([2, 0, 0, 0, 0, last]).unwrap()
}

/// A segment across sites 1 to 3 with a host at each, the last one pinned.
fn segment(learning: Learning) -> Segment {
    let host = |site: u8, mobility| {
        let addresses = [format!("10.9.0.{site}0"), format!("fd00::{site}")].map(|text| text.parse().unwrap());
        (mac(site), Host { home: vtep(site), addresses: addresses.into(), mobility })
    };
    Segment {
        vni: Vni::try_from(100).unwrap(),
        resolution: Resolution::Proxy,
        unknown_unicast: UnknownUnicast::Drop,
        broadcast: Flooding::Flood(FrameRate::new(1000).unwrap()),
        multicast: Flooding::Drop,
        learning,
        unreachable: Unreachable::Remove,
        mtu: 1500,
        gateway: Some("10.9.0.1/24".parse().unwrap()),
        members: [1, 2, 3].map(vtep).into(),
        hosts: [host(1, Mobility::Movable), host(2, Mobility::Movable), host(3, Mobility::Pinned)].into(),
    }
}

/// The mesh that the segment is in, as far as the filter depends on it.
fn mesh() -> Mesh {
    let site = |name: char, id: u8| {
        let key = format!("{}A=", char::from(b'B' + id).to_string().repeat(42));
        format!(
            "[[site]]\nname = \"{name}\"\nid = {id}\npublic_key = \"{key}\"\nendpoint = \"203.0.113.{id}\"\n\
             prefixes = [\"10.{id}.0.0/16\"]\n"
        )
    };
    let members = ["a", "b", "c"].map(|name| format!("[[l2.site]]\nname = \"{name}\"\n")).concat();
    let sites = [('a', 1), ('b', 2), ('c', 3)].map(|(name, id)| site(name, id)).concat();
    let text = format!(
        "[mesh]\nname = \"test\"\nloopbacks = \"10.255.0.0/16\"\n{sites}\
         [[l2]]\nname = \"vms\"\nvni = 100\nmulticast = \"drop\"\ngateway = \"10.9.0.1/24\"\n{members}"
    );
    weft::mesh::parse("mesh", &text).unwrap().mesh
}

/// What site 1 wants of it, with tunnels to both others. `tap0` is its port.
fn wanted(segment: &Segment) -> State {
    let mut observed = Observed::default();
    let tap0 = ForeignInterface { index: 0, mtu: 1500, running: true, addresses: Vec::new() };
    observed.foreign.interfaces.insert(name("tap0"), tap0);
    let site = L2Site { bridge: name("br-vms"), owner: BridgeOwner::Weft, ports: [name("tap0")].into() };
    wanted_at(&site, segment, &observed)
}

fn wanted_at(site: &L2Site, segment: &Segment, observed: &Observed) -> State {
    let reachable = [2, 3].map(vtep).into();
    let (locations, now) = (&HostLocations::new(vtep(1)), SystemTime::UNIX_EPOCH);
    let situation = Situation { locations, reachable: &reachable, underlay_mtu: 1420, now };
    let entries = Entries::of(segment, &situation);
    let l2 =
        L2 { name: "vms".to_owned(), segment: segment.clone(), sites: BTreeMap::new(), host_names: BTreeMap::new() };
    let mut desired = tunnels_to(&[2, 3]);
    desired.overlay = desired_overlay(&[LocalSegment { l2: &l2, site, entries }], observed);
    desired.filter = Ruleset::of(&mesh(), &mesh().sites[0]);
    desired
}

/// The output of a program that prints JSON.
fn json(command: &str) -> Vec<Value> {
    serde_json::from_str(&run(command)).unwrap()
}

fn run(command: &str) -> String {
    let words: Vec<&str> = command.split_whitespace().collect();
    let output = Command::new(words[0]).args(&words[1..]).output().expect("the program is installed");
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// `bridge fdb` in a form that can be compared: entries of the VXLAN device that somebody has made.
fn forwarding() -> Vec<String> {
    let entries = json("bridge -j fdb show dev vx-vms").into_iter().filter_map(|entry| {
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let flags: Vec<&str> = entry["flags"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let own = flags.is_empty() && text("state") == "permanent" && text("dst").is_empty();
        (!own).then(|| [text("mac"), text("dst"), text("master"), flags.join(" "), text("state")].join("|"))
    });
    let mut entries: Vec<String> = entries.collect();
    entries.sort();
    entries
}

fn neighbors() -> Vec<String> {
    let entries = json("ip -j neigh show dev br-vms nud permanent").into_iter();
    let mut entries: Vec<String> = entries.map(|entry| format!("{} {}", entry["dst"], entry["lladdr"])).collect();
    entries.sort();
    entries
}

async fn router_with_a_port() -> Router {
    ip("link add tap0 type veth peer name vm0");
    ip("link set tap0 up");
    ip("link set vm0 up");
    let mut router = Router::open();
    router.kernel.expect_segments(Segments::Observed);
    router
}

#[test]
fn what_is_in_the_kernel_is_what_was_computed_and_down_leaves_nothing_behind() {
    Namespace::new().block_on(|| async {
        let mut router = router_with_a_port().await;
        ip("link add br0 type bridge");
        ip("link set br0 up");
        ip("link add tap7 type veth peer name vm7");
        ip("link set tap7 master br0");
        let before = everything();
        router.settle(&wanted(&segment(Learning::Off))).await;
        let remote = |site: u8| format!("02:00:00:00:00:0{site}|10.255.0.{site}||self extern_learn|permanent");
        let flood = |site: u8| format!("00:00:00:00:00:00|10.255.0.{site}||self|permanent");
        let station = |site: u8| format!("02:00:00:00:00:0{site}||br-vms|sticky|static");
        let mut expected = vec![flood(2), flood(3), remote(2), station(2), remote(3), station(3)];
        expected.sort();
        assert_eq!(forwarding(), expected);
        let neighbor = |site: u8| format!("\"10.9.0.{site}0\" \"02:00:00:00:00:0{site}\"");
        let neighbor6 = |site: u8| format!("\"fd00::{site}\" \"02:00:00:00:00:0{site}\"");
        let expected: Vec<String> = [1, 2, 3].map(neighbor).into_iter().chain([1, 2, 3].map(neighbor6)).collect();
        assert_eq!(neighbors(), expected);
        let port = &json("bridge -d -j link show dev vx-vms")[0];
        for (flag, on) in [
            ("learning", false),
            ("neigh_suppress", true),
            ("flood", false),
            ("mcast_flood", false),
            ("bcast_flood", true),
        ] {
            assert_eq!(port[flag], on, "{flag}");
        }
        let device = &json("ip -d -j link show vx-vms")[0];
        assert_eq!((&device["mtu"], &device["ifalias"]), (&Value::from(1500), &Value::from("weft:test")));
        let made = &device["linkinfo"]["info_data"];
        assert_eq!((&made["id"], &made["local"], &made["port"]), (&100.into(), &"10.255.0.1".into(), &4789.into()));
        assert_eq!((&made["proxy"], &made["learning"]), (&Value::from(true), &Value::from(false)));
        assert_eq!(json("ip -j link show tap0")[0]["master"], "br-vms");
        assert_eq!(json("ip -j link show br-vms")[0]["address"], "02:77:65:00:00:64");
        assert!(ip("address show dev br-vms").contains("inet 10.9.0.1/24"));
        assert!(run("nft list table bridge weft-test").contains("maxseg size set 1330"));
        assert_eq!(json("ip -j link show tap7")[0]["master"], "br0");

        router.down().await;
        assert_eq!(everything(), before);
        assert_eq!(run("nft list tables"), "");
    });
}

#[test]
fn whatever_somebody_breaks_in_a_segment_is_heard_of_and_healed() {
    Namespace::new().block_on(|| async {
        let mut router = router_with_a_port().await;
        let desired = wanted(&segment(Learning::On));
        router.settle(&desired).await;
        let blows = [
            "bridge fdb del 02:00:00:00:00:02 dev vx-vms self",
            "bridge fdb del 02:00:00:00:00:02 dev vx-vms master",
            "bridge fdb del 00:00:00:00:00:00 dev vx-vms dst 10.255.0.3 self",
            "bridge fdb replace 02:00:00:00:00:02 dev vx-vms dst 10.255.0.3 self extern_learn",
            "bridge fdb add 02:00:00:00:00:99 dev vx-vms dst 10.255.0.3 self",
            "ip neigh del 10.9.0.20 dev br-vms",
            "ip neigh del fd00::2 dev br-vms",
            "ip neigh replace 10.9.0.20 lladdr 02:00:00:00:00:02 dev br-vms nud stale",
            "ip neigh add 10.9.0.99 lladdr 02:00:00:00:00:99 dev br-vms nud permanent",
            "ip address del 10.9.0.1/24 dev br-vms",
            "ip link set tap0 nomaster",
            "ip link set vx-vms down",
            "ip link set vx-vms mtu 1400",
            "ip link set br-vms down",
            "ip link set br-vms type bridge mcast_snooping 1",
            "ip link set br-vms address 02:00:00:00:aa:aa",
            "bridge link set dev vx-vms learning on",
            "bridge link set dev vx-vms neigh_suppress off",
            "ip link del vx-vms",
            "ip link del br-vms",
        ];
        for blow in blows {
            let observed = router.observe().await;
            router.watch.attend(&observed).unwrap();
            run(blow);
            timeout(DEADLINE, router.watch.changed()).await.unwrap_or_else(|_| panic!("{blow}: nobody heard")).unwrap();
            assert_ne!(router.left_to_do(&desired).await, [""; 0], "{blow}");
            router.settle(&desired).await;
        }
        // nftables is not listened to; it is looked at.
        for blow in ["nft delete table ip weft-test", "nft flush table bridge weft-test"] {
            run(blow);
            assert_eq!(router.left_to_do(&desired).await, ["set the filter"], "{blow}");
            router.settle(&desired).await;
        }
    });
}

/// Who scans the gateway's network has it look for every address, and give up on most.
#[test]
fn neighbours_that_a_gateway_looks_for_in_vain_are_nobodys_doing() {
    Namespace::new().block_on(|| async {
        let mut router = router_with_a_port().await;
        router.settle(&wanted(&segment(Learning::Off))).await;
        let observed = router.observe().await;
        router.watch.attend(&observed).unwrap();
        for last in 100..120 {
            ip(&format!("neigh add 10.9.0.{last} lladdr 02:00:00:00:00:99 dev br-vms nud stale"));
            ip(&format!("neigh del 10.9.0.{last} dev br-vms"));
        }
        // What is heard is heard in order: once this is, so is everything before it.
        ip("link add tap9 type veth peer name vm9");
        let mut changes = BTreeSet::new();
        while !changes.contains(&Change::Links) {
            changes.extend(timeout(DEADLINE, router.watch.changed()).await.unwrap().unwrap().kinds);
        }
        assert!(!changes.contains(&Change::Entries), "{changes:?}");
    });
}

/// A daemon that ends between making an interface and marking it.
#[test]
fn what_was_made_and_not_marked_is_taken_up_if_it_is_just_as_weft_makes_it() {
    Namespace::new().block_on(|| async {
        let mut router = router_with_a_port().await;
        let desired = wanted(&segment(Learning::Off));
        router.settle(&desired).await;
        router.down().await;
        ip("link add br-vms address 02:77:65:00:00:64 type bridge");
        ip("link add vx-vms type vxlan id 100 local 10.255.0.1 dstport 4789 nolearning proxy");
        router.settle(&desired).await;
        for interface in ["br-vms", "vx-vms"] {
            assert_eq!(json(&format!("ip -j link show {interface}"))[0]["ifalias"], "weft:test", "{interface}");
        }

        router.down().await;
        for (others, name) in [
            ("link add br-vms address 02:77:65:00:00:65 type bridge", "br-vms"),
            ("link add br-vms address 02:77:65:00:00:64 up type bridge", "br-vms"),
            ("link add vx-vms type vxlan id 7 local 10.255.0.1 dstport 4789 nolearning proxy", "vx-vms"),
        ] {
            ip(others);
            let failures: Vec<String> = router.reconcile(&desired).await.iter().map(Failure::to_string).collect();
            let failure = failures.iter().find(|failure| failure.contains(name)).expect(others);
            assert!(failure.contains("an interface of this name exists that is not the mesh's"), "{failure}");
            assert_eq!(json(&format!("ip -j link show {name}"))[0].get("ifalias"), None, "{others}");
            ip(&format!("link del {name}"));
            router.down().await;
        }
    });
}

/// The hosts of a segment are guests: none of them shall be a router's router.
#[test]
fn a_bridge_answers_for_ipv6_neighbours_where_ipv6_is_off_and_believes_no_router_advertisement() {
    Namespace::new().block_on(|| async {
        for scope in ["all", "default"] {
            std::fs::write(format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6"), "1").unwrap();
        }
        let mut router = router_with_a_port().await;
        router.settle(&wanted(&segment(Learning::Off))).await;
        assert_eq!(neighbors().iter().filter(|neighbor| neighbor.contains("fd00")).count(), 3);
        let accept = std::fs::read_to_string("/proc/sys/net/ipv6/conf/br-vms/accept_ra").unwrap();
        assert_eq!(accept.trim(), "0");
        assert_eq!(ip("-6 address show dev br-vms"), "");
    });
}

#[test]
fn a_host_that_is_heard_on_a_port_is_told_of_and_takes_over_its_entry_where_hosts_are_learned() {
    Namespace::new().block_on(|| async {
        let mut router = router_with_a_port().await;
        router.settle(&wanted(&segment(Learning::On))).await;
        let observed = router.observe().await;
        router.watch.attend(&observed).unwrap();
        let port = observed.indexes[&name("tap0")];
        // The host appears, and sends a frame: it asks whether a neighbour is still there.
        ip("link set vm0 down");
        ip("link set vm0 address 02:00:00:00:00:02");
        ip("link set vm0 up");
        ip("address add 10.9.0.77/24 dev vm0");
        ip("neigh add 10.9.0.78 lladdr 02:00:00:00:00:78 dev vm0 nud probe");
        let heard = Change::Learned { port, mac: mac(2), vlan: None };
        timeout(DEADLINE, async { while !router.watch.changed().await.unwrap().kinds.contains(&heard) {} })
            .await
            .unwrap();
        let observed = router.observe().await;
        assert!(observed.learned.iter().any(|host| host.mac == mac(2) && host.port == name("tap0")));
    });
}

/// `nft` refuses the ruleset: the table belongs to another process, as long as that runs.
#[test]
fn a_segment_whose_packets_are_not_kept_in_the_tunnels_stays_down() {
    Namespace::new().block_on(|| async {
        let mut router = router_with_a_port().await;
        let mut owner = Command::new("nft").arg("-i").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        owner.stdin.as_mut().unwrap().write_all(b"add table ip weft-test { flags owner; }\n").unwrap();
        let end = Instant::now() + DEADLINE;
        while !run("nft list tables").contains("weft-test") {
            assert!(Instant::now() < end, "nft makes no table");
        }
        let desired = wanted(&segment(Learning::Off));
        let failures: Vec<String> = router.reconcile(&desired).await.iter().map(Failure::to_string).collect();
        assert!(failures.len() == 1 && failures[0].starts_with("set the filter: "), "{failures:#?}");
        let is_up = || json("ip -j link show vx-vms")[0]["flags"].as_array().unwrap().contains(&Value::from("UP"));
        assert!(!is_up());
        owner.kill().unwrap();
        owner.wait().unwrap();
        router.settle(&desired).await;
        assert!(is_up());
    });
}

#[test]
fn what_is_somebody_elses_is_not_taken() {
    Namespace::new().block_on(|| async {
        let mut router = router_with_a_port().await;
        ip("link add br0 type bridge");
        ip("link set tap0 master br0");
        let desired = wanted(&segment(Learning::Off));
        let failures: Vec<String> = router.reconcile(&desired).await.iter().map(Failure::to_string).collect();
        assert_eq!(failures, ["join port tap0 to br-vms: it is a port of br0, which is not the mesh's"]);
        assert_eq!(json("ip -j link show tap0")[0]["master"], "br0");
        ip("link set tap0 nomaster");
        router.settle(&desired).await;

        router.down().await;
        ip("link add br-vms type bridge");
        let failures: Vec<String> = router.reconcile(&desired).await.iter().map(Failure::to_string).collect();
        let all = ["name it with `existing_bridge`", "an interface of this name exists that is not the mesh's"];
        assert!(all.iter().all(|part| failures[0].contains(part)), "{failures:#?}");
        assert_eq!(json("ip -j link show br-vms")[0].get("ifalias"), None);
    });
}

/// The bridge as `ip` shows it, without what runs by itself, and what the kernel computes of the abilities of all ports.
fn shown_bridge() -> Value {
    let mut shown = json("ip -d -j link show vmbr0").remove(0);
    let settings = shown["linkinfo"]["info_data"].as_object_mut().unwrap();
    settings.retain(|key, _| !key.ends_with("_timer") && !key.starts_with("topology_change"));
    shown.as_object_mut().unwrap().remove("tso_max_size");
    shown
}

/// A hypervisor's bridge with a guest, an address and settings of its own, and the entries and neighbours that somebody has made on it.
fn make_vmbr0() {
    ip("link add vmbr0 type bridge stp_state 1 forward_delay 200 ageing_time 12300");
    ip("link add tap0 type veth peer name vm0");
    ip("link set tap0 mtu 1450 master vmbr0 up");
    ip("link set vm0 address 02:00:00:00:00:01 up");
    ip("link set vmbr0 up");
    ip("address add 10.9.0.254/24 dev vmbr0");
    ip("neigh add 10.9.0.30 lladdr 02:00:00:00:00:33 dev vmbr0 nud permanent");
    run("bridge fdb add 02:00:00:00:00:44 dev tap0 master static");
}

#[test]
fn a_bridge_that_somebody_else_makes_gets_a_port_and_is_left_as_it_is() {
    Namespace::new().block_on(|| async {
        make_vmbr0();
        let mut router = Router::open();
        router.kernel.expect_segments(Segments::Observed);
        let segment = Segment { gateway: None, ..segment(Learning::On) };
        let site = L2Site { bridge: name("vmbr0"), owner: BridgeOwner::Others { vlan: None }, ports: BTreeSet::new() };
        let made = |shown: String| shown.lines().filter(|line| line.contains("static")).collect::<Vec<_>>().join("\n");
        let others =
            || (shown_bridge(), made(run("bridge fdb show dev tap0")), run("ip neigh show dev vmbr0 nud permanent"));
        let before = others();
        let observed = router.observe().await;
        router.settle(&wanted_at(&site, &segment, &observed)).await;
        assert_eq!(others(), before);
        let port = &json("bridge -d -j link show dev vx-vms")[0];
        assert_eq!(
            (&port["master"], &port["learning"], &port["neigh_suppress"]),
            (&"vmbr0".into(), &false.into(), &true.into())
        );
        let device = &json("ip -j link show vx-vms")[0];
        assert_eq!((&device["address"], &device["mtu"]), (&"fe:ff:ff:00:00:64".into(), &1500.into()));
        let neighbors = ip("neigh show dev vx-vms nud permanent");
        for (address, known) in [("10.9.0.10", false), ("10.9.0.20", true), ("fd00::2", true), ("fd00::3", true)] {
            assert_eq!(neighbors.contains(&format!("{address} ")), known, "{address}: {neighbors}");
        }

        let observed = router.observe().await;
        assert!(observed.held_back.contains_key(&name("vx-vms")), "the spanning tree is on, and takes its time");
        router.watch.attend(&observed).unwrap();

        // It vanishes, and comes back.
        ip("link del vmbr0");
        timeout(DEADLINE, router.watch.changed()).await.expect("the end of the bridge is heard of").unwrap();
        let observed = router.observe().await;
        let waiting = wanted_at(&site, &segment, &observed);
        assert!(waiting.overlay.is_empty());
        router.settle(&waiting).await;
        ip("link del tap0");
        make_vmbr0();
        let before = others();
        let observed = router.observe().await;
        router.settle(&wanted_at(&site, &segment, &observed)).await;
        assert_eq!(json("ip -j link show vx-vms")[0]["master"], "vmbr0");
        assert_eq!(others().1, before.1);

        router.down().await;
        assert_eq!(others(), before);
    });
}
