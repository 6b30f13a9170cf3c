//! A host on a site's LAN forges packets: nothing of them reaches another site, and what is honest passes.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::harness::forge::{Packet, is_forged, send, sender};
use crate::harness::lab::{Lab, WEFT};
use crate::harness::mesh;
use crate::harness::netns::in_netns;
use crate::harness::process::run;
use crate::harness::sniff::Sniffer;
use crate::harness::wait::eventually;

/// Generous: the same tests run under emulation, where a look takes seconds.
const SETTLED: Duration = Duration::from_secs(120);

/// How many looks in a row find the same before a network is taken for converged.
const LOOKS: usize = 3;

/// In every honest packet.
const HONEST: &[u8] = b"-honest!";

/// Nobody lists it.
const STRANGER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 77);

/// The segment that forged VXLAN is of.
const VNI: u32 = 100;

/// RouterDeadInterval of the tunnels.
const DEAD: Duration = Duration::from_secs(4);

/// A lab whose sites are watched.
struct Attack<'a> {
    lab: &'a Lab,
    /// Name and loopback of every site.
    sites: Vec<(String, Ipv4Addr)>,
    before: Vec<String>,
}

impl<'a> Attack<'a> {
    fn on(lab: &'a Lab, loopbacks: [u8; 3], names: &[&str]) -> Result<Self> {
        let [a, b, c] = loopbacks;
        let ids = (1..).map(|id| Ipv4Addr::new(a, b, c, id));
        let sites: Vec<(String, Ipv4Addr)> = names.iter().map(|name| (*name).to_owned()).zip(ids).collect();
        let mut attack = Self { lab, sites, before: Vec::new() };
        // The network may still be converging: what is compared later has stood for a number of looks.
        let mut stood = 0;
        eventually("beliefs that stand", SETTLED, || {
            let now = attack.beliefs()?;
            stood = if now == attack.before { stood + 1 } else { 0 };
            attack.before = now;
            Ok((stood == LOOKS).then_some(()))
        })?;
        Ok(attack)
    }

    /// What the sites believe: destinations in their kernels, LSAs, neighbours, entries of segments. Ways may still change by themselves.
    fn beliefs(&self) -> Result<Vec<String>> {
        let mut beliefs = Vec::new();
        for (site, _) in &self.sites {
            let show = |noun: &str| -> Result<Vec<Value>> {
                Ok(serde_json::from_value(self.lab.ask_json(site, &format!("show {noun}"))?)?)
            };
            let lsas = show("lsdb")?.into_iter();
            let lsas: BTreeSet<String> =
                lsas.map(|lsa| format!("{} {} {}", lsa["type"], lsa["id"], lsa["advertising_router"])).collect();
            let neighbors = show("neighbors")?.into_iter();
            let neighbors: BTreeSet<String> = neighbors
                .map(|neighbor| format!("{} {} {}", neighbor["interface"], neighbor["router_id"], neighbor["state"]))
                .collect();
            let routes = self.lab.weft_routes(site)?.into_iter().filter(|route| !route.starts_with("nexthop"));
            let routes: BTreeSet<String> = routes
                .filter_map(|route| route.split(" via ").next()?.split(" src ").next().map(str::to_owned))
                .collect();
            let entries = run(&format!("bridge -n {} fdb show", self.lab.netns(site)))?;
            let entries: BTreeSet<&str> = entries.lines().filter(|line| line.contains("vx-")).map(str::trim).collect();
            let mut narrow: BTreeSet<Ipv4Addr> = BTreeSet::new();
            for (_, loopback) in &self.sites {
                // What the kernel was told of a path MTU expires.
                let way = self.lab.ip(site, &format!("route get {loopback}"))?;
                narrow.extend(way.contains("expires").then_some(*loopback));
            }
            beliefs.push(format!("{site}: {lsas:#?} {neighbors:#?} {routes:#?} {entries:#?} narrow: {narrow:?}"));
        }
        Ok(beliefs)
    }

    /// Every kind of forged packet from the host at `place` behind `from`; what is honest passes, and nothing else does. `spoofed` are
    /// sources that may not enter there.
    fn launch(&self, place: &str, from: &str, own: Ipv4Addr, spoofed: &[Ipv4Addr]) -> Result<()> {
        let socket = in_netns(&self.lab.netns(place), sender)?;
        let others: Vec<&(String, Ipv4Addr)> = self.sites.iter().filter(|(site, _)| site != from).collect();
        let mut watched = Vec::new();
        for (site, _) in &others {
            for tunnel in self.lab.tunnels(site)? {
                watched.push((site.clone(), Sniffer::start(&self.lab.netns(site), &tunnel, is_forged)?));
            }
        }
        // Where the mesh has none, VXLAN belongs to others.
        let has_segment = self.lab.ask(from, "show l2 --json")?.contains("\"vni\"");
        let mac = [2, 0, 0, 0, 1, 0x0a];
        let router = self.sites.iter().find(|(site, _)| site == from).context("the site is one of the lab")?.1;
        for (_, target) in &others {
            for error in [Packet::too_big(own, *target, router), Packet::too_big(own, router, *target)] {
                // Without its first fragment the rest of a message is nothing.
                send(&socket, &error.in_fragments(79, 8)[0])?;
                send(&socket, &error)?;
            }
            for source in [own].into_iter().chain(self.sites.iter().map(|(_, loopback)| *loopback)) {
                let vxlan = Packet::vxlan(source, *target, VNI, mac, Ipv4Addr::new(10, 9, 0, 11));
                let update = Packet::update(source, *target, source, VNI);
                let mut packets = vec![Packet::hello(source, *target), update.clone()];
                packets.push(Packet { ttl: 2, ..Packet::hello(source, *target) });
                packets.extend([3784, 3785, 4784].map(|port| Packet::datagram(source, *target, port)));
                packets.extend(update.in_fragments(77, 64));
                // Of fragments the part without ports passes; alone it is nothing.
                if has_segment {
                    packets.extend([vxlan.clone(), vxlan.in_fragments(78, 8)[0].clone()]);
                }
                for packet in packets {
                    send(&socket, &packet)?;
                }
            }
            for source in spoofed {
                send(&socket, &Packet::datagram(*source, *target, 9))?;
            }
        }
        self.converse(&socket, own, &others)?;
        for (site, sniffer) in &watched {
            ensure!(sniffer.count() == 0, "{} forged packets of {place} came to {site}", sniffer.count());
        }
        // A machine that is busy with the attack may lose a hello; what a forged packet does lasts.
        eventually("beliefs as before the attack", SETTLED, || {
            for (before, after) in self.before.iter().zip(&self.beliefs()?) {
                ensure!(before == after, "before the attack from {place}:\n{before}\nand after:\n{after}");
            }
            Ok(Some(()))
        })
    }

    /// What is honest arrives at every other site's host, on the ports of control packets, too.
    fn converse(&self, socket: &socket2::Socket, own: Ipv4Addr, others: &[&(String, Ipv4Addr)]) -> Result<()> {
        for (site, _) in others {
            let host = self.lab.lan_host(site)?;
            let is_honest = |octets: &[u8]| octets.windows(HONEST.len()).any(|window| window == HONEST);
            let arrivals = Sniffer::start(&self.lab.netns(&format!("{site}-lan")), "eth0", is_honest)?;
            let mut wanted = 0;
            for port in [9, 3784, 4789] {
                wanted += 1;
                eventually(&format!("honest packets from {own} to {host}, port {port}"), SETTLED, || {
                    send(socket, &Packet::udp(own, host, port, HONEST))?;
                    Ok((arrivals.count() >= wanted).then_some(()))
                })?;
                wanted = arrivals.count();
            }
        }
        Ok(())
    }
}

/// The reasons for which the site has dropped packets, and the problems that its status has.
fn outcome(lab: &Lab, site: &str) -> Result<(BTreeSet<String>, Vec<String>)> {
    let shown = lab.ask_json(site, "show filters")?;
    let drops = shown.as_array().context("an array")?.iter();
    let reasons = drops.filter_map(|drop| drop["reason"].as_str().map(str::to_owned)).collect();
    let problems = lab.status(site)?["problems"].as_array().context("problems")?.clone();
    Ok((reasons, problems.iter().filter_map(|problem| problem.as_str().map(str::to_owned)).collect()))
}

/// Whatever the router is set to, and on kernel WireGuard, too.
#[test]
fn forged_packets_of_a_lan_host_stay_at_its_site() -> Result<()> {
    let lab = Lab::up("t-forged", &mesh::triangle("t-forged"))?;
    let own = lab.lan_host("taipei")?;
    lab.await_ping("taipei-lan", lab.lan_host("osaka")?, SETTLED)?;
    lab.await_ping("taipei-lan", lab.lan_host("seoul")?, SETTLED)?;
    let attack = Attack::on(&lab, [10, 255, 0], &["taipei", "osaka", "seoul"])?;
    attack.launch("taipei-lan", "taipei", own, &[Ipv4Addr::new(10, 2, 0, 9), Ipv4Addr::new(10, 255, 0, 99)])?;
    eventually("the status to name the forged source", SETTLED, || {
        let (reasons, problems) = outcome(&lab, "taipei")?;
        ensure!(reasons.contains("control") && reasons.contains("source"), "{reasons:?}");
        let named = |problem: &&String| problem.contains("10.2.0.9") && problem.contains("listed by osaka");
        ensure!(problems.iter().filter(named).count() == 1 && problems.len() == 1, "{problems:?}");
        Ok(Some(()))
    })?;
    // Control packets from a LAN are no problem of the router that drops them, nor of others.
    ensure!(outcome(&lab, "osaka")?.1.is_empty(), "{:?}", outcome(&lab, "osaka")?);
    for setting in ["all/accept_local", "lan0/accept_local", "all/route_localnet", "lan0/route_localnet"] {
        let path = format!("/proc/sys/net/ipv4/conf/{setting}");
        in_netns(&lab.netns("taipei"), || std::fs::write(&path, "1").with_context(|| format!("writing {path}")))?;
    }
    for rule in [
        "add table ip careless",
        "add chain ip careless post { type nat hook postrouting priority srcnat ; }",
        "add rule ip careless post oifname wg-* masquerade",
    ] {
        lab.run_at("taipei", &format!("nft {rule}"))?;
    }
    // What NAT makes of any source is the router's own.
    attack.launch("taipei-lan", "taipei", own, &[Ipv4Addr::new(10, 255, 0, 99)])?;
    lab.down()
}

/// Hellos to all neighbours have one destination: conntrack would take those into the second tunnel for more of those into the first.
#[test]
fn masquerade_on_the_tunnels_of_a_router_costs_it_no_adjacency() -> Result<()> {
    let lab = Lab::up("t-masq", &mesh::triangle("t-masq"))?;
    lab.await_full()?;
    for rule in [
        "add table ip careless",
        "add chain ip careless post { type nat hook postrouting priority srcnat ; }",
        "add rule ip careless post oifname wg-* counter masquerade",
    ] {
        lab.run_at("taipei", &format!("nft {rule}"))?;
    }
    let begun = Instant::now();
    // That of a flapping one is never so old.
    let old = |neighbor: &Value| neighbor["since_s"].as_f64().is_some_and(|since| since > 3.0 * DEAD.as_secs_f64());
    eventually("adjacencies that have outlived three dead intervals", SETTLED, || {
        for site in ["taipei", "osaka", "seoul"] {
            let status = lab.status(site)?;
            let neighbors = status["neighbors"].as_array().context("neighbors")?;
            ensure!(neighbors.len() == 2 && neighbors.iter().all(old), "{site}: {neighbors:?}");
        }
        Ok((begun.elapsed() > 3 * DEAD).then_some(()))
    })?;
    // Not because nothing is tracked.
    lab.await_ping("taipei-lan", lab.lan_host("osaka")?, SETTLED)?;
    let counted = lab.run_at("taipei", "nft list table ip careless")?;
    ensure!(counted.contains("packets") && !counted.contains("packets 0 "), "{counted}");
    lab.down()
}

#[test]
fn forged_packets_stay_at_their_site_behind_nat_and_where_the_way_to_the_internet_is() -> Result<()> {
    let lab = Lab::up("t-forge-oc", &mesh::office_cloud("t-forge-oc"))?;
    let sites = ["head-office", "branch-office", "cloud", "datacentre", "shop"];
    for from in sites {
        for to in sites.into_iter().filter(|to| *to != from) {
            lab.await_ping(&format!("{from}-lan"), lab.lan_host(to)?, SETTLED)?;
        }
    }
    let attack = Attack::on(&lab, [172, 31, 255], &sites)?;
    for from in ["shop", "head-office"] {
        attack.launch(&format!("{from}-lan"), from, lab.lan_host(from)?, &[STRANGER, lab.lan_host("cloud")?])?;
    }
    attack.launch("cloud-lan", "cloud", lab.lan_host("cloud")?, &[lab.lan_host("shop")?])?;
    lab.down()
}

#[test]
fn forged_packets_stay_at_a_site_with_ospf_on_its_lan() -> Result<()> {
    let lab = Lab::up("t-forge-lan", &mesh::lan("t-forge-lan"))?;
    lab.await_ping("office-lan", lab.lan_host("works")?, SETTLED)?;
    eventually("the range of the area", SETTLED, || {
        let ranges = lab.weft_routes("works")?.into_iter().filter(|route| route.starts_with("blackhole 10.2.0.0/16"));
        Ok((ranges.count() == 1).then_some(()))
    })?;
    eventually("the range at the other site", SETTLED, || {
        let is_there = lab.weft_routes("office")?.iter().any(|route| route.starts_with("10.2.0.0/16 "));
        Ok(is_there.then_some(()))
    })?;
    let attack = Attack::on(&lab, [10, 255, 0], &["office", "works"])?;
    attack.launch("office-lan", "office", lab.lan_host("office")?, &[lab.lan_host("works")?])?;
    // What lives behind routers of the LAN, and no site lists.
    attack.launch("works-lan", "works", STRANGER, &[lab.lan_host("office")?])?;
    lab.down()
}

/// On that LAN any site's sources come in, since the other site's router sends them there; control packets and LSAs do not.
#[test]
fn forged_packets_of_a_host_on_a_lan_that_joins_two_sites_change_nothing() -> Result<()> {
    const OWN: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 7);
    const ALL_SPF_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 5);
    let join = "[[site.interface]]\nname = \"lan0\"\nospf = \"passive\"\n\n\
                [[site.interface]]\nname = \"join\"\nospf = \"active\"\nnetwork = \"broadcast\"\n\
                auth = { type = \"hmac-sha-256\", key_id = 1, key_file = \"join.key\" }\n\n[[site]]\nname = ";
    let mut text = mesh::triangle("t-forge-join");
    // Behind taipei and behind osaka, each before the site that follows it.
    for next in ["\"osaka\"", "\"seoul\""] {
        text = text.replacen(&format!("[[site]]\nname = {next}"), &format!("{join}{next}"), 1);
    }
    let lab = Lab::up("t-forge-join", &text)?;
    let address = |site: &str| if site == "taipei" { Ipv4Addr::new(10, 99, 0, 1) } else { Ipv4Addr::new(10, 99, 0, 2) };
    run(&format!(
        "ip link add cable netns {} type veth peer name cable netns {}",
        lab.netns("taipei-lan"),
        lab.netns("osaka-lan")
    ))?;
    for site in ["taipei", "osaka"] {
        let host = format!("{site}-lan");
        lab.ip(&host, "link add switch type bridge")?;
        for port in ["cable", "eth1"] {
            lab.ip(&host, &format!("link set {port} master switch up"))?;
        }
        lab.ip(&host, "link set switch up")?;
        lab.ip(site, &format!("address add {}/24 dev join", address(site)))?;
    }
    lab.ip("taipei-lan", &format!("address add {OWN}/24 dev switch"))?;
    lab.ip("taipei-lan", &format!("route replace default via {} dev switch", address("taipei")))?;
    eventually("the two sites to be neighbours on the LAN", SETTLED, || {
        Ok((lab.is_full("taipei", "join")? && lab.is_full("osaka", "join")?).then_some(()))
    })?;
    let attack = Attack::on(&lab, [10, 255, 0], &["taipei", "osaka", "seoul"])?;
    let socket = in_netns(&lab.netns("taipei-lan"), sender)?;
    for (source, author) in
        [("taipei", 1), ("osaka", 2)].map(|(site, id)| (address(site), Ipv4Addr::new(10, 255, 0, id)))
    {
        for destination in [ALL_SPF_ROUTERS, address("taipei"), address("osaka")] {
            send(&socket, &Packet { ttl: 1, ..Packet::hello(source, destination) })?;
            send(&socket, &Packet { ttl: 1, ..Packet::update(source, destination, author, VNI) })?;
        }
    }
    attack.launch("taipei-lan", "taipei", OWN, &[Ipv4Addr::new(10, 255, 0, 99), Ipv4Addr::new(169, 254, 3, 4)])?;
    lab.down()
}

/// From the router's LAN, and from a host of the segment through its gateway.
#[test]
fn forged_frames_of_a_segment_stay_at_their_site() -> Result<()> {
    let lab = Lab::up("t-forge-l2", &mesh::segments("t-forge-l2"))?;
    lab.await_ping("db1", Ipv4Addr::new(10, 9, 0, 11), SETTLED)?;
    lab.await_ping("db1", lab.lan_host("osaka")?, SETTLED)?;
    let caches = |host: &str| lab.ip(host, "neigh show 10.9.0.10");
    lab.await_ping("db2", Ipv4Addr::new(10, 9, 0, 10), SETTLED)?;
    let attack = Attack::on(&lab, [10, 255, 0], &["taipei", "osaka", "seoul"])?;
    attack.launch("taipei-lan", "taipei", lab.lan_host("taipei")?, &[lab.lan_host("osaka")?])?;
    attack.launch("db1", "taipei", Ipv4Addr::new(10, 9, 0, 10), &[lab.lan_host("osaka")?])?;
    ensure!(caches("db2")?.contains("02:00:00:00:01:0a"), "{}", caches("db2")?);
    lab.down()
}

/// A LAN whose prefix nobody lists, where the file refuses such networks: its packets are lost, and the router has a note of it with what to
/// do if that is not meant.
#[test]
fn a_lan_that_no_site_lists_is_named_with_what_to_do() -> Result<()> {
    let text = mesh::triangle("t-unlisted").replacen("loopbacks", "unlisted = \"refuse\"\nloopbacks", 1);
    let mut lab = Lab::up("t-unlisted", &text)?;
    let host = lab.lan_host("osaka")?;
    lab.await_ping("taipei-lan", host, SETTLED)?;
    lab.ip("taipei-lan", "address add 192.0.2.7/32 dev lo")?;
    lab.ip("taipei", "route add 192.0.2.7/32 dev lan0")?;
    let ping = format!("ping -n -c 1 -W 1 -I 192.0.2.7 {host}");
    lab.run_at("taipei-lan", &ping).err().context("a source that no site lists is answered")?;
    eventually("the status to say why", SETTLED, || {
        let notes = lab.status("taipei")?["notes"].to_string();
        let says = ["192.0.2.7", "is listed by no site", "`unlisted` is", "list it in `prefixes` of taipei"];
        ensure!(says.iter().all(|text| notes.contains(text)), "{notes}");
        Ok(Some(()))
    })?;
    let output = lab.at("taipei", &format!("{WEFT} status")).output()?;
    ensure!(output.status.success(), "{output:?}");
    lab.change(&text.replacen("\"10.1.0.0/16\"", "\"10.1.0.0/16\", \"192.0.2.7/32\"", 1))?;
    eventually("the source to be admitted once it is listed", SETTLED, || lab.run_at("taipei-lan", &ping).map(Some))?;
    eventually("all to be well", SETTLED, || {
        let status = lab.status("taipei")?;
        ensure!(
            status["problems"].as_array().is_some_and(Vec::is_empty)
                && status["notes"].as_array().is_some_and(Vec::is_empty),
            "{status:#}"
        );
        Ok(Some(()))
    })?;
    lab.down()
}

#[test]
fn a_router_without_nft_runs_and_says_what_is_off() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("mesh.toml");
    std::fs::write(&file, mesh::triangle("t-no-nft"))?;
    Command::new(WEFT).args(["lab", "down"]).arg(&file).output()?;
    let weft = |arguments: &[&str], file: &std::path::Path| {
        let output = Command::new(WEFT).args(arguments).arg(file).env("PATH", "/nowhere").output()?;
        ensure!(output.status.success(), "{arguments:?}: {output:?}");
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let told = weft(&["lab", "demo"], &file)?;
    let line = told.lines().find(|line| line.starts_with("filter")).context("the demo says nothing of nft")?;
    ensure!(line.contains("the program `nft` is not installed (package nftables)"), "{line}");
    ensure!(told.contains("everything is gone again"), "{told}");
    weft(&["lab", "up"], &file)?;
    let status = Command::new(WEFT).args(["lab", "exec"]).arg(&file).args(["taipei", "--", WEFT, "status"]).output()?;
    let said = String::from_utf8_lossy(&status.stdout).into_owned();
    weft(&["lab", "down"], &file)?;
    ensure!(status.status.code() == Some(1), "{said}");
    ensure!(said.contains("the program `nft` is not installed (package nftables): source checks are off"), "{said}");
    Ok(())
}
