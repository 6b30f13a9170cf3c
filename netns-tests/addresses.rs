//! Addresses of interfaces with OSPF: single ones on a point-to-point Ethernet with FRR at the other end, further ones, and interfaces that
//! a pattern means.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::harness::frr::Frr;
use crate::harness::lab::Lab;
use crate::harness::mesh;
use crate::harness::netns::routes;
use crate::harness::wait::eventually;

const SETTLED: Duration = Duration::from_secs(30);

/// For the first site of the pair; a `[[site]]` comes next.
const TAIPEI: &str = r#"
[[site.interface]]
name = "eth1"
ospf = "active"
network = "point-to-point"

[[site.interface]]
name = "ext*"
ospf = "passive"

"#;

const ROUTER: &str = "\
interface eth0
 ip ospf area 0
 ip ospf network point-to-point
 ip ospf hello-interval 1
 ip ospf dead-interval 4
interface lo
 ip ospf area 0
router ospf
 ospf router-id 192.0.2.2
";

/// What weft at `site` says of a route.
fn shown(lab: &Lab, site: &str, prefix: &str) -> Result<Option<Value>> {
    let status = lab.status(site)?;
    let routes = status["routes"].as_array().context("no routes in the status")?;
    Ok(routes.iter().find(|route| route["prefix"] == prefix).cloned())
}

/// The route of weft's to `prefix` in the kernel of `site`.
fn installed(lab: &Lab, site: &str, prefix: &str) -> Result<Option<String>> {
    let found = routes(&lab.netns(site), "proto 201")?;
    Ok(found.into_iter().find(|route| route.split_whitespace().next() == Some(prefix)))
}

#[test]
fn single_addresses_on_a_point_to_point_ethernet_carry_routes_and_further_networks_are_told_of() -> Result<()> {
    let pair = mesh::pair("t-address");
    let (first, second) = pair.rsplit_once("[[site]]").context("the pair has two sites")?;
    let lab = Lab::up("t-address", &format!("{first}{TAIPEI}[[site]]{second}"))?;
    lab.ip("taipei", "address flush dev eth1")?;
    lab.ip("taipei", "address add 192.0.2.1/32 dev eth1")?;
    lab.ip("taipei-lan", "address flush dev eth0")?;
    lab.ip("taipei-lan", "address add 192.0.2.2/32 dev eth0")?;
    lab.ip("taipei-lan", "address add 198.51.100.1/32 dev lo")?;
    lab.ip("taipei-lan", "address add 198.51.100.2/32 dev lo")?;
    // Somebody else's route of the same metric is in the way of one of the two.
    lab.ip("taipei", "route add blackhole 198.51.100.2/32 metric 110")?;
    let frr = Frr::start(&lab.netns("taipei-lan"), ROUTER)?;
    eventually("FRR to call weft Full", SETTLED, || {
        Ok((frr.neighbor_state("10.255.0.1")?.as_deref() == Some("Full")).then_some(()))
    })?;
    let route = eventually("198.51.100.1 in the kernel", SETTLED, || installed(&lab, "taipei", "198.51.100.1"))?;
    ensure!(route.contains("via 192.0.2.2 dev eth1") && route.contains("onlink"), "{route}");
    let kernel = |prefix: &str, expected: &str| {
        eventually(&format!("{prefix} to be called {expected}"), SETTLED, || {
            let route = shown(&lab, "taipei", prefix)?;
            Ok(route.filter(|route| route["kernel"] == expected).map(drop))
        })
    };
    kernel("198.51.100.1/32", "installed")?;
    kernel("198.51.100.2/32", "missing")?;
    let problems = lab.status("taipei")?["problems"].clone();
    ensure!(problems.to_string().contains("198.51.100.2/32"), "{problems}");
    lab.ip("taipei", "route del blackhole 198.51.100.2/32 metric 110")?;
    kernel("198.51.100.2/32", "installed")?;
    lab.await_ping("osaka", "198.51.100.1".parse()?, SETTLED)?;

    // The first address is OSPF's own; the others come and go.
    lab.ip("taipei", "address add 10.1.50.1/24 dev eth1")?;
    lab.ip("taipei", "link add ext0 type veth peer name far0")?;
    lab.ip("taipei", "address add 10.1.60.1/32 dev ext0")?;
    lab.ip("taipei", "address add 10.1.61.1/24 dev ext0")?;
    lab.ip("taipei", "link set far0 up")?;
    lab.ip("taipei", "link set ext0 up")?;
    for prefix in ["192.0.2.1", "10.1.50.0/24", "10.1.60.1", "10.1.61.0/24"] {
        eventually(&format!("{prefix} at osaka"), SETTLED, || installed(&lab, "osaka", prefix))?;
    }
    lab.await_ping("osaka", "10.1.60.1".parse()?, SETTLED)?;
    ensure!(frr.neighbor_state("10.255.0.1")?.as_deref() == Some("Full"), "the adjacency stays");
    lab.ip("taipei", "address del 10.1.50.1/24 dev eth1")?;
    lab.ip("taipei", "link del ext0")?;
    for prefix in ["10.1.50.0/24", "10.1.60.1", "10.1.61.0/24"] {
        eventually(&format!("{prefix} to go from osaka"), SETTLED, || {
            Ok(installed(&lab, "osaka", prefix)?.is_none().then_some(()))
        })?;
    }
    drop(frr);
    lab.down()
}
