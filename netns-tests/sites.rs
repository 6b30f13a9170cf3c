//! The networks of `configs/examples` as labs: each comes up as its file says, and does what its head comment says was needed.

use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::harness::frr::Frr;
use crate::harness::lab::Lab;
use crate::harness::mesh;
use crate::harness::netns::{in_netns, routes};
use crate::harness::ping::{INTERVAL, Stream};
use crate::harness::process::run;
use crate::harness::wait::{allowed, eventually};

const SETTLED: Duration = Duration::from_secs(30);

/// How long a socket waits for a packet before it is sent again.
const RETRY: Duration = Duration::from_millis(500);

/// The lab of `configs/examples/NAME.toml`, unchanged but for its name: `weft lab status` is content, and so is every router.
fn up(example: &str, mesh: &str) -> Result<Lab> {
    let lab = Lab::up(mesh, &mesh::example(example, mesh)?)?;
    lab.weft(&["lab", "status"])?;
    for site in lab.sites() {
        all_is_well(&lab, site)?;
    }
    Ok(lab)
}

/// [`up`], and every host behind a site reaches every address behind every other site.
fn settled(example: &str, mesh: &str) -> Result<Lab> {
    let lab = up(example, mesh)?;
    let hosts: Vec<(&String, Vec<Ipv4Addr>)> =
        lab.sites().iter().filter_map(|site| Some((site, lab.lan_addresses(site).ok()?))).collect();
    ensure!(hosts.len() + 1 >= lab.sites().len(), "only {hosts:?} have a LAN");
    for (from, own) in &hosts {
        let others = hosts.iter().filter(|(to, _)| to != from).flat_map(|(_, addresses)| addresses);
        // What several sites have is at this one, too.
        for to in others.filter(|to| !own.contains(to)) {
            lab.await_ping(&format!("{from}-lan"), *to, SETTLED)?;
        }
    }
    Ok(lab)
}

fn all_is_well(lab: &Lab, site: &str) -> Result<()> {
    eventually(&format!("all to be well at {site}"), SETTLED, || {
        Ok(lab.ask(site, "status")?.contains("all is well").then_some(()))
    })
}

/// The interface by which packets to `to` leave the site's router.
fn way(lab: &Lab, site: &str, to: Ipv4Addr) -> Result<String> {
    let shown = lab.ip(site, &format!("route get {to}"))?;
    let interface = shown.split_whitespace().skip_while(|word| *word != "dev").nth(1);
    interface.map(str::to_owned).with_context(|| format!("no interface in {shown}"))
}

fn await_way(lab: &Lab, site: &str, to: Ipv4Addr, wanted: &str) -> Result<()> {
    eventually(&format!("the way from {site} to {to} to be {wanted}"), SETTLED, || {
        Ok((way(lab, site, to)? == wanted).then_some(()))
    })
}

/// weft's routes of the site to `prefix`.
fn routes_to(lab: &Lab, site: &str, prefix: &str) -> Result<Vec<String>> {
    routes(&lab.netns(site), &format!("table all exact {prefix} proto 201"))
}

fn await_routes(lab: &Lab, site: &str, prefix: &str, wanted: impl Fn(&str) -> bool) -> Result<()> {
    eventually(&format!("other routes of {site} to {prefix}"), SETTLED, || {
        Ok(wanted(&routes_to(lab, site, prefix)?.join(" ")).then_some(()))
    })
}

/// A field of `wg show INTERFACE` of the one peer.
fn shown(lab: &Lab, site: &str, interface: &str, field: &str) -> Result<String> {
    let text = lab.run_at(site, &format!("wg show {interface} {field}"))?;
    Ok(text.split_whitespace().last().context("wg shows nothing")?.to_owned())
}

/// What `weft status` calls wrong at the site.
fn problems(lab: &Lab, site: &str) -> Result<Vec<String>> {
    let status = lab.status(site)?;
    let problems = status["problems"].as_array().context("problems")?;
    Ok(problems.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// Waits until the site has a note of packets from this source, which the file keeps out; nothing is wrong with that.
fn await_refusal(lab: &Lab, site: &str, source: &str) -> Result<()> {
    let expected = format!("packets into the mesh were kept out, for their source {source} is listed by no site");
    eventually(&format!("{site} to name {source}"), SETTLED, || {
        let notes = lab.status(site)?["notes"].as_array().context("notes")?.clone();
        Ok(notes.iter().filter_map(Value::as_str).any(|note| note.contains(&expected)).then_some(()))
    })?;
    ensure!(lab.ask(site, "status")?.contains("\nall is well\n"), "{:#?}", problems(lab, site)?);
    Ok(())
}

#[test]
fn two_offices_share_an_ethernet_and_keep_their_guests_out() -> Result<()> {
    let lab = settled("two-offices", "t-offices")?;
    let key = shown(&lab, "main", "wg-branch", "preshared-keys")?;
    ensure!(key.len() == 44 && shown(&lab, "branch", "wg-main", "preshared-keys")? == key, "one key at both ends");

    // A controller looks for its server as it does: by broadcast.
    let server = in_netns(&lab.netns("door-server"), || Ok(UdpSocket::bind(("0.0.0.0", 5000))?))?;
    server.set_read_timeout(Some(RETRY))?;
    let door = in_netns(&lab.netns("door-branch"), || Ok(UdpSocket::bind(("192.168.50.21", 0))?))?;
    door.set_broadcast(true)?;
    eventually("a broadcast to cross", SETTLED, || {
        door.send_to(b"who is there", ("192.168.50.255", 5000))?;
        let (_, from) = server.recv_from(&mut [0; 64])?;
        Ok((from.ip() == Ipv4Addr::new(192, 168, 50, 21)).then_some(()))
    })?;

    lab.ip("main", "address add 10.1.90.1/24 dev lan0")?;
    lab.ip("main-lan", "address add 10.1.90.2/24 dev eth0")?;
    let branch = lab.lan_host("branch")?;
    let guest = lab.run_at("main-lan", &format!("ping -n -c 3 -i 0.2 -W 1 -I 10.1.90.2 {branch}"));
    guest.err().context("a guest reaches the other office")?;
    await_refusal(&lab, "main", "10.1.90.2")?;
    lab.down()
}

/// The core switch of the head office: one of its floors, and the name server's address.
const CORE_SWITCH: &str = "\
interface eth0
 ip ospf area 0
 ip ospf network point-to-point
 ip ospf authentication message-digest
 ip ospf message-digest-key 1 md5 KEY
interface lo
 ip ospf area 0
router ospf
 ospf router-id 10.1.0.2
";

#[test]
fn five_sites_choose_the_nearer_server_and_the_lines_that_are_meant_and_the_factory_has_no_way_to_customers()
-> Result<()> {
    let lab = settled("five-sites", "t-five")?;
    let key = std::fs::read_to_string(lab.run_dir("head-office").with_file_name("etc").join("core-switch.key"))?;
    lab.ip("head-office-lan", "address add 10.1.32.1/32 dev lo")?;
    let switch = Frr::start(&lab.netns("head-office-lan"), &CORE_SWITCH.replace("KEY", key.trim()))?;

    // Customers: for all but the factory, where the route is known and refused.
    let customer = Ipv4Addr::new(172, 20, 5, 1);
    lab.ip("datacentre-lan", &format!("address add {customer}/32 dev lo"))?;
    lab.ip("datacentre", "route add 172.20.5.0/24 via 10.2.0.2 proto static")?;
    for site in ["head-office", "warehouse", "sales"] {
        lab.await_ping(&format!("{site}-lan"), customer, SETTLED)?;
    }
    eventually("the factory to refuse the way to customers", SETTLED, || {
        let shown = lab.ask_json("factory", "show routes")?;
        let all = shown.as_array().context("an array")?;
        let route = all.iter().find(|route| route["prefix"] == "172.20.5.0/24").context("it is known")?;
        Ok((route["kernel"] == "refused" && route["tag"] == 100).then_some(()))
    })?;
    ensure!(routes_to(&lab, "factory", "172.20.5.0/24")?.is_empty(), "a way from the factory to customers");

    // The name server with two places: both, and one when the other's network is down.
    let server = "10.0.53.53/32";
    await_routes(&lab, "factory", server, |routes| {
        routes.contains("wg-head-office") && routes.contains("wg-datacentre")
    })?;
    lab.ip("datacentre-lan", "link set eth0 down")?;
    lab.ip("factory-lan", "link set eth0 down")?;
    await_routes(&lab, "factory", server, |routes| {
        routes.contains("wg-head-office") && !routes.contains("wg-datacentre")
    })?;
    lab.await_ping("warehouse-lan", Ipv4Addr::new(10, 0, 53, 53), SETTLED)?;
    // The presses are off, and so is the rest of the factory; only they are advertised all the same.
    await_routes(&lab, "head-office", "10.3.0.0/17", str::is_empty)?;
    ensure!(!routes_to(&lab, "head-office", "10.3.128.0/24")?.is_empty(), "the static prefix is withdrawn");
    let named = problems(&lab, "factory")?;
    ensure!(named.len() == 1 && named[0].contains("10.3.0.0/17 is withdrawn"), "{named:#?}");
    lab.ip("factory-lan", "link set eth0 up")?;
    lab.ip("datacentre-lan", "link set eth0 up")?;
    lab.ip("datacentre-lan", "route add default via 10.2.0.1")?;

    // The slow line is no way around.
    lab.cut("warehouse", "head-office")?;
    lab.cut("warehouse", "datacentre")?;
    await_way(&lab, "warehouse", lab.lan_host("head-office")?, "wg-factory")?;
    lab.await_ping("warehouse-lan", lab.lan_host("head-office")?, SETTLED)?;
    lab.heal("warehouse", "head-office")?;
    lab.heal("warehouse", "datacentre")?;

    // The floor behind the core switch.
    eventually("the core switch to be Full", SETTLED, || {
        Ok((switch.neighbor_state("10.255.0.1")?.as_deref() == Some("Full")).then_some(()))
    })?;
    lab.await_ping("warehouse-lan", Ipv4Addr::new(10, 1, 32, 1), SETTLED)?;
    lab.await_full()?;
    for site in lab.sites() {
        all_is_well(&lab, site)?;
    }
    drop(switch);
    lab.down()
}

#[test]
fn stations_behind_a_carriers_nat_are_reached_from_the_office_and_without_it_from_the_depot() -> Result<()> {
    let lab = settled("lte-behind-nat", "t-lte")?;
    for (station, id) in [("pump-north", 11), ("pump-south", 12)] {
        // What the office sees is the carrier's NAT.
        let endpoint = shown(&lab, "office", &format!("wg-{station}"), "endpoints")?;
        ensure!(endpoint.starts_with(&format!("198.18.0.{id}:")), "{endpoint}");
        ensure!(shown(&lab, station, "wg-office", "persistent-keepalive")? == "20", "keepalive of {station}");
        for (site, interface) in [(station, "wg-office".to_owned()), ("office", format!("wg-{station}"))] {
            ensure!(lab.ip(site, &format!("link show {interface}"))?.contains("mtu 1350"), "{interface} at {site}");
        }
        ensure!(lab.tunnels(station)? == ["wg-depot", "wg-office"], "{:?}", lab.tunnels(station)?);
        await_way(&lab, "depot", lab.lan_host(station)?, "wg-office")?;
    }
    await_way(&lab, "pump-north", lab.lan_host("pump-south")?, "wg-office")?;
    lab.ask("office", "down")?;
    for station in ["pump-north", "pump-south"] {
        await_way(&lab, "depot", lab.lan_host(station)?, &format!("wg-{station}"))?;
        lab.await_ping("depot-lan", lab.lan_host(station)?, SETTLED)?;
    }
    lab.await_ping("pump-north-lan", lab.lan_host("pump-south")?, SETTLED)?;
    lab.down()
}

/// LTE at the first branch: the address that the carrier's NAT gives it.
const LTE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 77);

/// Loss of the line to answers by the other one: a hello and a keepalive have to be sent, and no adjacency may be lost meanwhile.
const MOVED: Duration = Duration::from_secs(4);

#[test]
fn a_branch_goes_over_to_lte_and_back_with_its_adjacencies_and_another_comes_in_by_the_second_line() -> Result<()> {
    let lab = settled("dsl-and-lte", "t-dsl")?;
    let host = lab.lan_host("head")?;
    ensure!(shown(&lab, "branch-one", "wg-head", "endpoints")? == "203.0.113.10:4500", "the port of the pair");

    // The head office's DSL gets a wire of its own. The second branch comes in by it, with the rule that the file's comment has.
    run(&format!("ip link add dsl netns {} type veth peer name to-dsl netns {}", lab.netns("head"), lab.netns("net")))?;
    for (place, arguments) in [
        ("net", "address add 169.254.0.1/32 dev to-dsl"),
        ("net", "link set to-dsl up"),
        ("net", "route replace 198.51.100.10 dev to-dsl"),
        ("head", "address del 198.51.100.10/32 dev eth0"),
        ("head", "address add 198.51.100.10/32 dev dsl"),
        ("head", "link set dsl up"),
        ("head", "route add default via 169.254.0.1 dev dsl onlink table 100"),
        ("head", "rule add ipproto udp sport 51823 lookup 100"),
    ] {
        lab.ip(place, arguments)?;
    }
    eventually("the second branch to come in by DSL", SETTLED, || {
        Ok((shown(&lab, "branch-two", "wg-head", "endpoints")? == "198.51.100.10:51823").then_some(()))
    })?;
    lab.await_ping("branch-two-lan", host, SETTLED)?;

    // LTE, with the greater metric. DSL's router has its route from pppd, and none while the line is down.
    run(&format!(
        "ip link add lte netns {} type veth peer name to-lte netns {}",
        lab.netns("branch-one"),
        lab.netns("net")
    ))?;
    for (place, arguments) in [
        ("net", "address add 169.254.0.1/32 dev to-lte".to_owned()),
        ("net", "link set to-lte up".to_owned()),
        ("net", format!("route add {LTE} dev to-lte")),
        ("branch-one", format!("address add {LTE}/32 dev lte")),
        ("branch-one", "link set lte up".to_owned()),
        ("branch-one", "route add default via 169.254.0.1 dev lte onlink metric 200".to_owned()),
    ] {
        lab.ip(place, &arguments)?;
    }
    let dsl = shown(&lab, "head", "wg-branch-one", "endpoints")?;
    let full_for = || -> Result<f64> {
        let status = lab.status("branch-one")?;
        let neighbors = status["neighbors"].as_array().context("neighbors")?;
        let head =
            neighbors.iter().find(|neighbor| neighbor["interface"] == "wg-head").context("head is a neighbour")?;
        head["since_s"].as_f64().filter(|_| head["state"] == "Full").context("head is Full")
    };
    let before = full_for()?;
    let stream = Stream::start(&lab.netns("branch-one-lan"), host)?;
    for (change, wanted) in [("down", LTE.to_string()), ("up", dsl)] {
        lab.ip("branch-one", &format!("link set eth0 {change}"))?;
        if change == "up" {
            lab.ip("branch-one", "route add default via 169.254.0.1 dev eth0 onlink")?;
        }
        eventually("the head office to follow", allowed(MOVED), || {
            Ok(shown(&lab, "head", "wg-branch-one", "endpoints")?.starts_with(&wanted).then_some(()))
        })?;
        let from = stream.sent();
        eventually("answers by the other line", allowed(MOVED), || {
            Ok((stream.answered_since(from) > 50).then_some(()))
        })?;
    }
    let count = stream.finish()?;
    ensure!(INTERVAL * u32::from(count.lost()) < allowed(MOVED), "{count:?}");
    ensure!(full_for()? > before, "the adjacency was lost");
    all_is_well(&lab, "branch-one")?;
    lab.down()
}

/// The address that a server in the Internet sees of whoever connects to it from `place`.
fn seen_from_outside(lab: &Lab, place: &str) -> Result<std::net::IpAddr> {
    let internet = lab.internet()?;
    let listener = in_netns(&lab.netns("net"), || Ok(TcpListener::bind((internet, 0))?))?;
    let address = listener.local_addr()?;
    let accepted = thread::spawn(move || listener.accept());
    in_netns(&lab.netns(place), || {
        TcpStream::connect_timeout(&address, SETTLED).with_context(|| format!("connecting from {place}"))
    })?;
    let (_, from) = accepted.join().expect("the thread that accepts does not panic")?;
    Ok(from.ip())
}

#[test]
fn what_is_sent_to_the_internet_leaves_by_the_rented_server_but_for_the_office() -> Result<()> {
    let lab = settled("vps-exit", "t-vps")?;
    let internet = lab.internet()?;
    for place in ["home-lan", "home", "workshop-lan"] {
        lab.await_ping(place, internet, SETTLED)?;
        let seen = seen_from_outside(&lab, place)?;
        ensure!(seen == Ipv4Addr::new(203, 0, 113, 10), "{place} is {seen}");
    }
    let seen = seen_from_outside(&lab, "office")?;
    ensure!(seen == Ipv4Addr::new(198, 51, 100, 40), "the office is {seen}");

    // A network that no site lists gets no further than its own router.
    lab.ip("home", "address add 10.2.90.1/24 dev lan0")?;
    lab.ip("home-lan", "address add 10.2.90.2/24 dev eth0")?;
    let camera = lab.run_at("home-lan", &format!("ping -n -c 3 -i 0.2 -W 1 -I 10.2.90.2 {internet}"));
    camera.err().context("a camera reaches the Internet")?;
    await_refusal(&lab, "home", "10.2.90.2")?;
    lab.down()
}

/// The gateway address that both routers of the head office share, a host there, and one more interface of each router for VRRP.
const VIRTUAL: &str = "10.1.0.1";
const HOST: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 100);
const VIRTUAL_MAC: &str = "00:00:5e:00:01:0a";

/// From the loss of the LAN to routes by the other router, after other changes: MinLSInterval, and a moment.
const WITHDRAWN: Duration = Duration::from_secs(6);

/// FRR's `vrrpd`, ten advertisements a second.
fn vrrp(lab: &Lab, gateway: &str, priority: u8) -> Result<Frr> {
    for arguments in [
        "link add vrrp4 link eth1 type macvlan mode bridge".to_owned(),
        format!("link set vrrp4 address {VIRTUAL_MAC}"),
        format!("address add {VIRTUAL}/24 dev vrrp4"),
        "link set vrrp4 up".to_owned(),
    ] {
        lab.ip(gateway, &arguments)?;
    }
    // Only the interface that has the address answers for it, as VRRP wants it (keepalived sets this by itself).
    lab.run_at(gateway, "sysctl -qw net.ipv4.conf.eth1.arp_ignore=1")?;
    let conf = format!(
        "interface eth1\n vrrp 10\n vrrp 10 advertisement-interval 100\n vrrp 10 priority {priority}\n vrrp 10 ip {VIRTUAL}\n"
    );
    Frr::start_vrrp(&lab.netns(gateway), &conf)
}

/// Waits until this router has the virtual address.
fn await_master(lab: &Lab, gateway: &str) -> Result<()> {
    eventually(&format!("{gateway} to have {VIRTUAL}"), SETTLED, || {
        let shown = lab.ip(gateway, "-o link show vrrp4")?;
        Ok((shown.contains("LOWER_UP") && !shown.contains("protodown on")).then_some(()))
    })
}

#[test]
fn a_gateway_address_moves_between_two_routers_and_the_way_to_the_hosts_follows() -> Result<()> {
    let lab = up("vrrp-gateway", "t-vrrp")?;
    // The LAN of the head office: a switch in each of the two places where the lab has a host, and a cable between them.
    let (left, right) = (lab.netns("gw-a-lan"), lab.netns("gw-b-lan"));
    run(&format!("ip link add trunk netns {left} type veth peer name trunk netns {right}"))?;
    for place in ["gw-a-lan", "gw-b-lan"] {
        let own = lab.lan_host(place.trim_end_matches("-lan"))?;
        for arguments in [
            "link add switch up type bridge".to_owned(),
            format!("address del {own}/24 dev eth0"),
            "link set eth0 master switch".to_owned(),
            "link set trunk master switch up".to_owned(),
        ] {
            lab.ip(place, &arguments)?;
        }
    }
    lab.ip("gw-a-lan", &format!("address add {HOST}/24 dev switch"))?;
    lab.ip("gw-a-lan", &format!("route add default via {VIRTUAL}"))?;
    for (gateway, address) in [("gw-a", "10.1.0.2"), ("gw-b", "10.1.0.3")] {
        lab.ip(gateway, "address del 10.1.0.1/24 dev eth1")?;
        lab.ip(gateway, &format!("address add {address}/24 dev eth1"))?;
    }
    let vrrp = [vrrp(&lab, "gw-a", 200)?, vrrp(&lab, "gw-b", 100)?];
    await_master(&lab, "gw-a")?;
    for (gateway, interface) in [("gw-a", "eth1"), ("gw-b", "eth1")] {
        eventually("the two to be neighbours on the LAN", SETTLED, || {
            Ok(lab.is_full(gateway, interface)?.then_some(()))
        })?;
    }
    let branch = lab.lan_host("branch")?;
    lab.await_ping("branch-lan", HOST, SETTLED)?;
    await_way(&lab, "branch", HOST, "wg-gw-a")?;
    ensure!(lab.ip("gw-a-lan", &format!("neigh show {VIRTUAL}"))?.contains(VIRTUAL_MAC), "the gateway is virtual");

    // The first router loses the LAN.
    let stream = Stream::start(&lab.netns("branch-lan"), HOST)?;
    eventually("the stream to be answered", SETTLED, || Ok((stream.answered_since(0) > 0).then_some(())))?;
    lab.ip("gw-a-lan", "link set eth0 down")?;
    await_master(&lab, "gw-b")?;
    await_way(&lab, "branch", HOST, "wg-gw-b")?;
    let from = stream.sent();
    eventually("answers by the second router", SETTLED, || Ok((stream.answered_since(from) > 50).then_some(())))?;
    let count = stream.finish()?;
    ensure!(INTERVAL * u32::from(count.lost()) < allowed(WITHDRAWN), "{count:?}");
    let named = problems(&lab, "gw-a")?;
    let expected = ["eth1: it is down", "10.1.0.0/24 is withdrawn, for nothing here carries it any more: eth1 is down"];
    ensure!(named.len() == expected.len(), "{named:#?}");
    for (problem, expected) in named.iter().zip(expected) {
        ensure!(problem.starts_with(expected), "{named:#?}");
    }
    lab.ip("gw-a-lan", "link set eth0 up")?;
    await_master(&lab, "gw-a")?;
    await_way(&lab, "branch", HOST, "wg-gw-a")?;

    // It loses its line: VRRP does not notice, and the LAN is the way.
    lab.ip("net", "link set to-gw-a down")?;
    await_way(&lab, "gw-a", branch, "eth1")?;
    await_way(&lab, "branch", HOST, "wg-gw-b")?;
    lab.await_ping("gw-a-lan", branch, SETTLED)?;
    await_master(&lab, "gw-a")?;
    drop(vrrp);
    lab.down()
}
