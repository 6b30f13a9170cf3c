//! Traffic led around a router by command (RFC 6987), and what the shows say meanwhile.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::harness::lab::Lab;
use crate::harness::mesh;
use crate::harness::wait::eventually;

const SETTLED: Duration = Duration::from_secs(20);

/// Cost of a tunnel.
const COST: u64 = 10;

/// MaxLinkMetric.
const MAX: u64 = 65535;

/// The cost of the way from taipei to osaka.
fn cost(lab: &Lab) -> Result<Option<u64>> {
    let routes = lab.ask_json("taipei", "show routes")?;
    let routes = routes.as_array().context("routes are an array")?;
    Ok(routes.iter().find(|route| route["prefix"] == "10.255.0.2/32").and_then(|route| route["metric"].as_u64()))
}

#[test]
fn traffic_goes_around_a_stub_router_where_it_can_and_through_it_where_it_must() -> Result<()> {
    let lab = Lab::up("t-stub", &mesh::triangle("t-stub"))?;
    let costs = |wanted: u64| move |lab: &Lab| Ok((cost(lab)? == Some(wanted)).then_some(()));
    let await_cost = |what: &str, wanted: u64| eventually(what, SETTLED, || costs(wanted)(&lab));
    await_cost("the direct way", COST)?;
    lab.cut("taipei", "osaka")?;
    await_cost("the way around through seoul", 2 * COST)?;

    lab.ask("seoul", "stub-router on")?;
    await_cost("seoul to be a last resort", COST + MAX)?;
    let status = lab.ask_json("seoul", "status")?;
    ensure!(status["stub_router"] == "stub" && status["stub_router_left_s"].is_null(), "{status}");
    let own = lab.ask_json("seoul", "show lsdb --self --type router")?;
    let body = own[0]["body"].as_array().context("a router LSA has a body")?;
    let to_others = body.iter().filter(|line| line.as_str().is_some_and(|line| line.ends_with("metric 65535")));
    ensure!(own.as_array().is_some_and(|own| own.len() == 1) && to_others.count() == 2, "{own:#}");

    lab.ask("seoul", "stub-router file")?;
    await_cost("seoul to be an ordinary router again", 2 * COST)?;
    lab.heal("taipei", "osaka")?;
    await_cost("the direct way again", COST)?;

    for noun in [
        "neighbors",
        "routes",
        "tunnels",
        "interfaces",
        "lsdb",
        "areas",
        "border-routers",
        "spf",
        "limits",
        "lsdb --brief",
    ] {
        let text = lab.ask("taipei", &format!("show {noun}"))?;
        ensure!(!text.trim().is_empty(), "nothing to show: {noun}");
        if !noun.starts_with("lsdb") {
            let wide = text.lines().find(|line| line.chars().count() > 100);
            ensure!(wide.is_none(), "{noun} does not fit 100 columns:\n{text}");
        }
        lab.ask_json("taipei", &format!("show {noun}"))?;
    }
    let routers = lab.ask_json("taipei", "show border-routers")?;
    let sites = routers.as_array().context("an array")?.iter().map(|router| router["site"].as_str().unwrap_or("-"));
    ensure!(sites.eq(["osaka", "seoul"]), "the other sites tell of their prefixes as externals: {routers:#}");
    for noun in ["neighbors", "interfaces"] {
        let text = lab.ask("taipei", &format!("show {noun} --detail"))?;
        ensure!(text.contains("wg-osaka") && text.contains("0.0.0.0"), "{text}");
    }
    lab.down()
}
