//! External routes: types, metrics, tags, forwarding addresses.

use anyhow::{Context, Result, ensure};

use crate::harness::net::live::{Network, SETTLED};
use crate::harness::net::plan::Metric::{Type1, Type2};
use crate::harness::net::plan::{Medium, Plan, Segment, Speaker};
use crate::harness::wait::eventually;

use Speaker::{Bird, Frr, Weft};

/// A router on the LAN that speaks no OSPF.
const GATEWAY: &str = "10.0.1.99";

#[test]
fn types_metrics_tags_and_forwarding_addresses_mean_the_same_to_all() -> Result<()> {
    let gateway = GATEWAY.parse()?;
    let plan = Plan::new("t-ext")
        .speakers([Weft, Frr, Bird])
        .segment(Segment::new("lan", 1, Medium::Broadcast, &["weft", "frr", "bird"]))
        .segment(Segment::new("side", 2, Medium::PointToPoint, &["frr", "bird"]).cost("frr", 3))
        .external("weft", "10.71.1.0/24", Type1(20), 11)
        .external("weft", "10.71.2.0/24", Type2(30), 12)
        .external("weft", "10.71.3.0/24", Type2(40), 13)
        .via(gateway)
        .external("frr", "10.72.1.0/24", Type1(20), 21)
        .external("frr", "10.72.2.0/24", Type2(30), 22)
        .external("frr", "10.72.3.0/24", Type1(40), 23)
        .via(gateway)
        .external("bird", "10.73.1.0/24", Type1(20), 31)
        .external("bird", "10.73.2.0/24", Type2(30), 32)
        .external("bird", "10.73.3.0/24", Type2(40), 33)
        .via(gateway)
        // Told by two: type 1 before type 2, then the lesser metric.
        .external("frr", "10.74.1.0/24", Type2(1), 41)
        .external("bird", "10.74.1.0/24", Type1(5000), 42)
        .external("frr", "10.74.2.0/24", Type2(9), 43)
        .external("bird", "10.74.2.0/24", Type2(10), 44);
    let network = Network::start(plan)?;
    network.await_routes(SETTLED)?;
    for (prefix, kind, metric, tag) in [
        ("10.72.1.0/24", "external-1", 30, 21),
        ("10.72.2.0/24", "external-2", 30, 22),
        ("10.72.3.0/24", "external-1", 50, 23),
        ("10.73.1.0/24", "external-1", 30, 31),
        ("10.73.2.0/24", "external-2", 30, 32),
        ("10.73.3.0/24", "external-2", 40, 33),
        ("10.74.1.0/24", "external-1", 5010, 42),
        ("10.74.2.0/24", "external-2", 9, 43),
    ] {
        weft_has(&network, prefix, kind, metric, tag).with_context(|| format!("weft's route to {prefix}"))?;
    }
    for (prefix, kind, metric, tag) in
        [("10.71.1.0", "N E1", 30, 11), ("10.71.2.0", "N E2", 30, 12), ("10.71.3.0", "N E2", 40, 13)]
    {
        frr_has(&network, prefix, kind, metric, tag).with_context(|| format!("FRR's route to {prefix}"))?;
        bird_has(&network, prefix, kind, metric, tag).with_context(|| format!("BIRD's route to {prefix}"))?;
    }
    network.finish()
}

fn weft_has(network: &Network, prefix: &str, kind: &str, metric: u32, tag: u32) -> Result<()> {
    eventually("the metric and the tag", SETTLED, || {
        let shown = network.daemon("weft").ask("show routes --json")?;
        let routes: Vec<serde_json::Value> = serde_json::from_str(&shown)?;
        let route = routes.iter().find(|route| route["prefix"] == prefix).context("there is none")?;
        ensure!(route["type"] == kind && route["metric"] == metric && route["tag"] == tag, "{route}");
        Ok(Some(()))
    })
}

fn frr_has(network: &Network, network_id: &str, kind: &str, metric: u32, tag: u32) -> Result<()> {
    let shown = network.daemon("frr").ask("show ip ospf route json")?;
    let routes: serde_json::Value = serde_json::from_str(&shown)?;
    let route = &routes[format!("{network_id}/24")];
    // FRR gives the distance and the type 2 metric apart.
    let cost = if kind == "N E1" { &route["cost"] } else { &route["type2cost"] };
    ensure!(route["routeType"] == kind && *cost == metric && route["tag"] == tag, "{route}");
    Ok(())
}

fn bird_has(network: &Network, network_id: &str, kind: &str, metric: u32, tag: u32) -> Result<()> {
    let shown = network.daemon("bird").ask(&format!("show route {network_id}/24 all"))?;
    let number = if kind == "N E1" { 1 } else { 2 };
    let words =
        [format!("OSPF-E{number}"), format!("OSPF.metric{number}: {metric}\n"), format!("OSPF.tag: 0x{tag:08x}\n")];
    for word in words {
        ensure!(shown.contains(&word), "no {word:?} in {shown}");
    }
    Ok(())
}
