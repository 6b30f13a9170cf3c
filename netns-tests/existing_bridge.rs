//! Segments on a bridge that somebody else makes, as on a hypervisor: hosts at other sites are reached, and the bridge stays as it is.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::harness::capture::Capture;
use crate::harness::lab::Lab;
use crate::harness::mesh;
use crate::harness::process::run;
use crate::harness::wait::eventually;

const SETTLED: Duration = Duration::from_secs(30);

const DB1: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 10);
const DB2: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 11);

/// Two sites with a segment that at taipei is on `vmbr0`, with these keys besides, and at osaka on a bridge of weft's.
fn text(mesh: &str, keys: &str) -> Result<String> {
    let text = mesh::segments(mesh);
    let (sites, _) = text.split_once("[[site]]\nname = \"seoul\"").context("configs/l2.toml has seoul last")?;
    Ok(format!(
        "{sites}[[l2]]\nname = \"vms\"\nvni = 100\nlearn = true\n\
         [[l2.site]]\nname = \"taipei\"\nexisting_bridge = \"vmbr0\"\n{keys}\n\
         [[l2.site]]\nname = \"osaka\"\nports = [\"tap0\"]\n\
         [[l2.host]]\nname = \"db1\"\nsite = \"taipei\"\nmac = \"02:00:00:00:01:0a\"\nip = [\"{DB1}\", \"fd00:9::a\"]\n\
         [[l2.host]]\nname = \"db2\"\nsite = \"osaka\"\nmac = \"02:00:00:00:01:0b\"\nip = [\"{DB2}\", \"fd00:9::b\"]\n"
    ))
}

/// Whether there is such a problem at taipei.
fn has_problem(lab: &Lab, part: &str) -> Result<Option<()>> {
    let status = lab.status("taipei")?;
    let problems = status["problems"].as_array().context("problems")?;
    Ok(problems.iter().any(|problem| problem.as_str().is_some_and(|text| text.contains(part))).then_some(()))
}

/// Whether nothing is wrong at taipei; that a small kernel lacks a module does not count.
fn is_well(lab: &Lab) -> Result<Option<()>> {
    let status = lab.status("taipei")?;
    let problems = status["problems"].as_array().context("problems")?;
    let known = |problem: &Value| problem.as_str().is_some_and(|text| text.contains("nft_meta_bridge"));
    Ok(problems.iter().all(known).then_some(()))
}

/// `ip` about the bridge, without what runs by itself and what the kernel computes of the abilities of all ports.
fn shown_bridge(lab: &Lab) -> Result<Value> {
    let mut shown: Value = serde_json::from_str(&lab.ip("taipei", "-d -j address show dev vmbr0")?)?;
    shown[0].as_object_mut().context("a link")?.remove("tso_max_size");
    let settings = shown[0]["linkinfo"]["info_data"].as_object_mut().context("a bridge")?;
    settings.retain(|key, _| !key.ends_with("_timer") && !key.starts_with("topology_change"));
    Ok(shown)
}

/// What an operator has on the bridge: settings that are not the kernel's own, an address, a guest of no table.
fn furnish(lab: &Lab) -> Result<()> {
    for arguments in [
        "link set vmbr0 type bridge priority 4096 ageing_time 12300 forward_delay 200 stp_state 0",
        "address replace 10.9.0.254/24 dev vmbr0",
        "link add tap7 type veth peer name vm7",
        "link set tap7 master vmbr0 up",
        "link set vm7 up",
    ] {
        lab.ip("taipei", arguments)?;
    }
    Ok(())
}

fn down(lab: &Lab) -> Result<()> {
    lab.run_at("taipei", &format!("{} down", env!("CARGO_BIN_EXE_weft")))?;
    eventually("every process of weft in taipei to end", SETTLED, || {
        Ok(run(&format!("ip netns pids {}", lab.netns("taipei")))?.trim().is_empty().then_some(()))
    })
}

fn locations(lab: &Lab, site: &str) -> Result<Value> {
    let shown = lab.ask_json(site, "show l2")?;
    let hosts = shown[0]["hosts"].as_array().context("hosts")?;
    Ok(hosts.iter().find(|host| host["name"] == "db2").context("the host")?["site"].clone())
}

/// A host at taipei takes an address that one at osaka has in its cache for another.
fn an_announcement_crosses(lab: &Lab) -> Result<()> {
    let address = "10.9.0.99";
    lab.ip("db2", &format!("neigh replace {address} lladdr 02:00:00:00:00:99 dev eth0 nud stale"))?;
    lab.ip("db1", &format!("address add {address}/24 dev eth0"))?;
    eventually("the announcement", SETTLED, || {
        lab.run_at("db1", &format!("busybox arping -U -c 1 -I eth0 {address}"))?;
        Ok(lab.ip("db2", &format!("neigh show {address}"))?.contains("02:00:00:00:01:0a").then_some(()))
    })?;
    lab.ip("db1", &format!("address del {address}/24 dev eth0")).map(drop)
}

#[test]
fn a_segment_on_a_bridge_that_somebody_else_makes_reaches_other_sites_and_changes_nothing_of_it() -> Result<()> {
    let lab = Lab::up("t-vmbr", &text("t-vmbr", "")?)?;
    lab.await_ping("db1", DB2, SETTLED)?;
    down(&lab)?;
    furnish(&lab)?;
    let before = shown_bridge(&lab)?;
    lab.start_what_is_missing()?;
    lab.await_ping("db1", DB2, SETTLED)?;
    ensure!(shown_bridge(&lab)? == before, "the bridge was {before:#}\nand is {:#}", shown_bridge(&lab)?);
    eventually("the segment to be well", SETTLED, || is_well(&lab))?;
    let shown = lab.ask_json("taipei", "show l2")?;
    let ports: Vec<&Value> = shown[0]["ports"].as_array().context("ports")?.iter().map(|port| &port["port"]).collect();
    ensure!(ports == ["l2-100", "tap7"] && shown[0]["state"] == "up", "{shown:#}");

    // Whoever is asked for is asked at home, in IPv4 and IPv6, and nobody for those that no table has.
    let capture = Capture::start(&lab.netns("taipei"), "wg-osaka", "udp port 4789")?;
    lab.ip("db1", "neigh flush dev eth0")?;
    for address in [DB2.to_string(), "fd00:9::b".to_owned()] {
        lab.run_at("db1", &format!("ping -n -c 1 -W 5 {address}"))?;
    }
    lab.run_at("db1", "ping -n -c 1 -W 1 10.9.0.98").err().context("somebody answers for nobody")?;
    let asked = capture.finish_count("arp.opcode == 1 || icmpv6.type == 135")?;
    ensure!(asked == 0, "{asked} questions for MAC addresses crossed the tunnel");
    an_announcement_crosses(&lab)?;
    for site in ["taipei", "osaka"] {
        lab.weft_lab_move("db2", site, "--silent")?;
        eventually("the host to be known where it is heard", SETTLED, || {
            Ok((locations(&lab, "osaka")? == site && locations(&lab, "taipei")? == site).then_some(()))
        })?;
        lab.await_ping("db1", DB2, SETTLED)?;
    }

    down(&lab)?;
    ensure!(shown_bridge(&lab)? == before, "the bridge was {before:#}\nand is {:#}", shown_bridge(&lab)?);
    lab.ip("taipei", "link show vx-vms").err().context("the VXLAN device is still there")?;
    lab.down()
}

#[test]
fn a_bridge_that_vanishes_is_waited_for_and_a_spanning_tree_is_named() -> Result<()> {
    let lab = Lab::up("t-vmgone", &text("t-vmgone", "")?)?;
    lab.await_ping("db1", DB2, SETTLED)?;
    lab.ip("taipei", "link del vmbr0")?;
    eventually("weft to say what is missing", SETTLED, || has_problem(&lab, "there is no bridge vmbr0"))?;
    lab.ip("taipei", "link show vx-vms").err().context("a VXLAN device without its bridge")?;
    lab.ip("taipei", "link add vmbr0 up type bridge stp_state 1 forward_delay 400")?;
    eventually("weft to wait for a port", SETTLED, || has_problem(&lab, "vmbr0 has no port"))?;
    let empty = lab.ip("taipei", "-o link show vmbr0")?;
    lab.ip("taipei", "link set l2-100 master vmbr0")?;
    eventually("the spanning tree to be named", SETTLED, || has_problem(&lab, "stp_state 0"))?;
    lab.await_ping("db1", DB2, SETTLED)?;
    eventually("nothing to be wrong any more", SETTLED, || is_well(&lab))?;
    ensure!(!empty.contains("fe:ff:ff"), "an empty bridge has taken weft's address: {empty}");
    // It is down: weft does not set it up, and says so.
    lab.ip("taipei", "link set vmbr0 down")?;
    eventually("weft to say that it is down", SETTLED, || has_problem(&lab, "ip link set vmbr0 up"))?;
    let shown = lab.ip("taipei", "-o link show vmbr0")?;
    ensure!(!shown.contains(",UP") && !shown.contains("<UP"), "{shown}");
    lab.ip("taipei", "link set vmbr0 up")?;
    lab.await_ping("db1", DB2, SETTLED)?;
    lab.down()
}

/// Its kernel has to filter VLANs: `vm::` runs it in a virtual machine whose kernel does.
#[test]
#[ignore = "needs a kernel whose bridges filter VLANs, as a distribution's do; run in the virtual machine"]
fn a_vlan_of_a_bridge_reaches_the_other_site_and_another_vlan_does_not() -> Result<()> {
    let lab = Lab::up("t-vlan", &text("t-vlan", "vlan = 20")?)?;
    lab.await_ping("db1", DB2, SETTLED)?;
    let vlans = lab.run_at("taipei", "bridge -j vlan show dev vx-vms")?;
    let vlans: Value = serde_json::from_str(&vlans)?;
    let of = vlans[0]["vlans"].as_array().context("VLANs")?;
    ensure!(of.len() == 1 && of[0]["vlan"] == 20, "{vlans:#}");
    ensure!(of[0]["flags"] == serde_json::json!(["PVID", "Egress Untagged"]), "{vlans:#}");
    let forwarding = lab.run_at("taipei", "bridge fdb show dev vx-vms")?;
    ensure!(forwarding.contains("02:00:00:00:01:0b vlan 20 extern_learn master vmbr0"), "{forwarding}");
    let rules = lab.run_at("taipei", "nft list table bridge weft-t-vlan")?;
    ensure!(rules.contains("ibrpvid 20") && rules.contains("vlan id 20"), "{rules}");
    an_announcement_crosses(&lab)?;
    for site in ["taipei", "osaka"] {
        lab.weft_lab_move("db2", site, "--silent")?;
        eventually("the host to be known where it is heard", SETTLED, || {
            Ok((locations(&lab, "osaka")? == site && locations(&lab, "taipei")? == site).then_some(()))
        })?;
    }
    lab.await_ping("db1", DB2, SETTLED)?;

    // The same host in another VLAN of the bridge.
    let put = |vlan: u16, other: u16| {
        lab.run_at("taipei", &format!("bridge vlan add dev l2-100 vid {vlan} pvid untagged"))?;
        lab.run_at("taipei", &format!("bridge vlan del dev l2-100 vid {other}"))?;
        lab.ip("db1", "neigh flush dev eth0").map(drop)
    };
    put(30, 20)?;
    lab.run_at("db1", &format!("ping -n -c 3 -i 0.3 -W 2 {DB2}"))
        .err()
        .context("a host of another VLAN gets through")?;
    let asked = lab.ip("db1", &format!("neigh show {DB2}"))?;
    ensure!(!asked.contains("02:00:00:00:01:0b"), "a host of another VLAN is answered: {asked}");
    put(20, 30)?;
    lab.await_ping("db1", DB2, SETTLED)?;

    // Without filtering all VLANs would be one.
    lab.ip("taipei", "link set vmbr0 type bridge vlan_filtering 0")?;
    eventually("the segment to leave a bridge that filters no VLANs", SETTLED, || {
        Ok(lab.ip("taipei", "link show vx-vms").is_err().then_some(()))
    })?;
    eventually("weft to say why", SETTLED, || has_problem(&lab, "vmbr0 does not filter VLANs"))?;
    lab.ip("taipei", "link set vmbr0 type bridge vlan_filtering 1")?;
    lab.await_ping("db1", DB2, SETTLED)?;
    lab.down()
}
