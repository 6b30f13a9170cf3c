//! `configs/lan.toml` with FRR as the routers behind both sites: areas, an Ethernet with a designated router, a range, an
//! NSSA's externals, redistribution and an import filter at once.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::harness::frr::Frr;
use crate::harness::lab::Lab;
use crate::harness::mesh;
use crate::harness::netns::routes;
use crate::harness::wait::eventually;

const SETTLED: Duration = Duration::from_secs(40);

/// The head office's own router: in the backbone, one network behind it.
const OFFICE: &str = "\
interface eth0
 ip ospf area 0
 ip ospf hello-interval 1
 ip ospf dead-interval 4
 ip ospf priority 5
interface lo
 ip ospf area 0
router ospf
 ospf router-id 192.0.2.1
";

/// The works' router: inside the NSSA, a network of the range and an external one behind it.
const WORKS: &str = "\
interface eth0
 ip ospf area 0.0.0.1
 ip ospf hello-interval 1
 ip ospf dead-interval 4
interface lo
 ip ospf area 0.0.0.1
router ospf
 ospf router-id 192.0.2.2
 area 0.0.0.1 nssa
 redistribute kernel
";

#[test]
fn sites_with_routers_of_their_own_are_one_network_of_several_areas() -> Result<()> {
    // What the NSSA tells of within a range, the rest of the network hears of as one.
    let ranges = "external_ranges = [{ prefix = \"192.168.64.0/18\" }]\nsummaries = true";
    let lab = Lab::up("t-lan", &mesh::lan("t-lan").replace("summaries = true", ranges))?;
    lab.ip("office-lan", "address add 198.51.100.1/32 dev lo")?;
    lab.ip("works-lan", "address add 10.2.5.1/32 dev lo")?;
    lab.ip("works-lan", "route add blackhole 192.0.2.128/25")?;
    lab.ip("works-lan", "route add blackhole 192.168.65.0/24")?;
    lab.ip("office", "route add blackhole 192.168.7.0/24")?;
    lab.ip("office", "route add blackhole 172.16.0.0/16")?;
    let office = Frr::start(&lab.netns("office-lan"), OFFICE)?;
    let works = Frr::start(&lab.netns("works-lan"), WORKS)?;
    for (frr, weft) in [(&office, "10.255.0.1"), (&works, "10.255.0.2")] {
        eventually(&format!("FRR to call {weft} Full"), SETTLED, || {
            Ok((frr.neighbor_state(weft)?.as_deref() == Some("Full")).then_some(()))
        })?;
    }
    // Weft has the higher priority at the office.
    let neighbors = lab.ask_json("office", "show neighbors")?;
    let frr = neighbors.as_array().and_then(|all| all.iter().find(|neighbor| neighbor["interface"] == "eth1"));
    let frr = frr.context("the office's router is a neighbour")?;
    ensure!(frr["priority"] == 5 && frr["area"] == "0.0.0.0", "{frr}");

    let wants = |place: &'static str, route: &'static str, protocol: &'static str| {
        eventually(&format!("{route} at {place}"), SETTLED, || {
            let routes = routes(&lab.netns(place), &format!("proto {protocol}"))?;
            Ok(routes.iter().any(|line| line.starts_with(route)).then_some(()))
        })
    };
    // The range, at the border router itself and beyond; what lies within stays in its area.
    wants("works", "10.2.5.1 ", "201")?;
    wants("works", "blackhole 10.2.0.0/16 ", "201")?;
    wants("office", "10.2.0.0/16 ", "201")?;
    wants("office-lan", "10.2.0.0/16 ", "ospf")?;
    // The NSSA's external is translated for the others.
    wants("works", "192.0.2.128/25 ", "201")?;
    wants("office", "192.0.2.128/25 ", "201")?;
    wants("office-lan", "192.0.2.128/25 ", "ospf")?;
    // One that falls into a range is; what is not there is not sent back to those who hear of the range alone.
    wants("office", "192.168.64.0/18 ", "201")?;
    wants("works", "192.168.65.0/24 ", "201")?;
    wants("works", "blackhole 192.168.64.0/18 ", "201")?;
    // Inside the NSSA: other areas by summaries; of destinations outside not one.
    wants("works-lan", "198.51.100.1 ", "ospf")?;
    wants("office-lan", "192.168.7.0/24 ", "ospf")?;
    wants("works", "192.168.7.0/24 ", "201")?;
    let inside = routes(&lab.netns("works-lan"), "proto ospf")?;
    ensure!(!inside.iter().any(|route| route.starts_with("192.168.7.0/24 ")), "an external in the NSSA: {inside:#?}");
    let within = routes(&lab.netns("office"), "proto 201")?;
    ensure!(!within.iter().any(|route| route.starts_with("10.2.5.1 ")), "a network within the range: {within:#?}");

    // Refused at the works, and shown.
    let shown = lab.ask_json("works", "show routes")?;
    let shown = shown.as_array().context("an array")?;
    let refused = shown.iter().find(|route| route["prefix"] == "172.16.0.0/16").context("172.16.0.0/16 is known")?;
    ensure!(refused["kernel"] == "refused" && refused["tag"] == 7, "{refused}");
    let areas = lab.ask_json("works", "show areas")?;
    let kinds: Vec<&str> = areas.as_array().context("an array")?.iter().filter_map(|a| a["kind"].as_str()).collect();
    ensure!(kinds == ["normal", "nssa"], "{areas:#}");
    drop((office, works));
    lab.down()
}
