//! Routes that others put into a site's kernel, told to the other sites; and routes that a site keeps out of its own.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::harness::lab::Lab;
use crate::harness::mesh;
use crate::harness::netns::routes;
use crate::harness::wait::eventually;

const SETTLED: Duration = Duration::from_secs(20);

/// For the first site of the pair; a `[[site]]` comes next.
const TAIPEI: &str = r#"
[[site.redistribute]]
from = "static"
prefixes = [{ prefix = "172.30.0.0/16 le 24", tag = 30 }, "172.31.0.0/16 le 24"]

[[site.redistribute]]
from = "static"
prefixes = ["172.16.0.0/12 ge 16 le 24"]
metric = 77
tag = 5

"#;

/// For the last site of the pair.
const OSAKA: &str = r#"
[[site.import]]
prefixes = ["172.16.9.0/24"]
action = "refuse"

[[site.import]]
tags = [30]
action = "refuse"
"#;

/// What OSPF at `osaka` knows of `prefix`.
fn known(lab: &Lab, prefix: &str) -> Result<Option<Value>> {
    let status = lab.status("osaka")?;
    let routes = status["routes"].as_array().context("no routes in the status")?;
    Ok(routes.iter().find(|route| route["prefix"] == prefix).cloned())
}

fn installed(lab: &Lab, prefix: &str) -> Result<bool> {
    Ok(routes(&lab.netns("osaka"), "proto 201")?.iter().any(|route| route.starts_with(&format!("{prefix} "))))
}

#[test]
fn routes_of_others_follow_the_kernel_to_other_sites_and_import_filters_keep_them_out_there() -> Result<()> {
    let pair = mesh::pair("t-redist");
    let (before, second) = pair.rsplit_once("[[site]]").context("the pair has two sites")?;
    let before =
        before.replacen("prefixes = ", "external_ranges = [{ prefix = \"172.31.0.0/16\", tag = 31 }]\nprefixes = ", 1);
    let text = format!("{before}{TAIPEI}[[site]]{second}{OSAKA}");
    let mut lab = Lab::up("t-redist", &text)?;
    let full_for = |lab: &Lab| -> Result<f64> {
        let status = lab.status("osaka")?;
        status["neighbors"][0]["since_s"].as_f64().context("osaka has a neighbour")
    };
    let (before_changes, began) = (full_for(&lab)?, Instant::now());
    lab.ip("taipei", "route add blackhole 172.16.5.0/24")?;
    eventually("172.16.5.0/24 at osaka", SETTLED, || Ok(installed(&lab, "172.16.5.0/24")?.then_some(())))?;
    let route = known(&lab, "172.16.5.0/24")?.context("the kernel has it of OSPF")?;
    ensure!(route["type"] == "external-2" && route["tag"] == 5 && route["kernel"] == "installed", "{route}");
    ensure!(route["type2_metric"] == 77, "{route}");

    lab.ip("taipei", "route add blackhole 172.16.9.0/24")?;
    lab.ip("taipei", "route add blackhole 172.16.9.128/25")?;
    lab.ip("taipei", "route add blackhole 172.17.0.0/16 proto 99")?;
    let refused = eventually("172.16.9.0/24 to be known at osaka", SETTLED, || known(&lab, "172.16.9.0/24"))?;
    ensure!(refused["kernel"] == "refused", "{refused}");
    ensure!(!installed(&lab, "172.16.9.0/24")?, "a refused route is in the kernel");
    for prefix in ["172.16.9.128/25", "172.17.0.0/16"] {
        ensure!(known(&lab, prefix)?.is_none(), "{prefix} is redistributed");
    }

    // By prefix it has a tag, and by that it is refused.
    lab.ip("taipei", "route add blackhole 172.30.7.0/24")?;
    let tagged = eventually("172.30.7.0/24 to be known at osaka", SETTLED, || known(&lab, "172.30.7.0/24"))?;
    ensure!(tagged["kernel"] == "refused" && tagged["tag"] == 30, "{tagged}");
    // Two within a range are told of as one, and what is not there goes nowhere.
    lab.ip("taipei", "route add blackhole 172.31.7.0/24")?;
    lab.ip("taipei", "route add blackhole 172.31.8.0/24")?;
    eventually("172.31.0.0/16 at osaka", SETTLED, || Ok(installed(&lab, "172.31.0.0/16")?.then_some(())))?;
    ensure!(known(&lab, "172.31.7.0/24")?.is_none(), "a destination within the range is told of");
    eventually("a discard route at taipei", SETTLED, || {
        let routes = routes(&lab.netns("taipei"), "proto 201")?;
        Ok(routes.iter().any(|route| route.starts_with("blackhole 172.31.0.0/16 ")).then_some(()))
    })?;

    lab.ip("taipei", "route del blackhole 172.16.5.0/24")?;
    eventually("172.16.5.0/24 to go from osaka", SETTLED, || Ok((!installed(&lab, "172.16.5.0/24")?).then_some(())))?;

    // Without the filter the route is wanted, with the adjacency that there is.
    lab.change(&format!("{before}{TAIPEI}[[site]]{second}"))?;
    eventually(
        "172.16.9.0/24 in the kernel of osaka",
        SETTLED,
        || Ok(installed(&lab, "172.16.9.0/24")?.then_some(())),
    )?;
    let held = full_for(&lab)? - before_changes;
    ensure!(held > began.elapsed().as_secs_f64() - 1.0, "the adjacency was made anew: Full for {held} s more");
    lab.down()
}

#[test]
fn a_default_route_is_offered_as_long_as_the_kernel_has_one_and_adjacencies_are_cleared_by_command() -> Result<()> {
    let pair = mesh::pair("t-default");
    let offer = "default_originate = { when = \"if-present\", metric = 7, type = 1 }\nprefixes = ";
    let lab = Lab::up("t-default", &pair.replacen("prefixes = ", offer, 1))?;
    // The way to the other sites stays, whatever the lab made it.
    let shown = lab.ip("taipei", "route show default")?;
    if let Some(way) = shown.lines().next().and_then(|line| line.strip_prefix("default ")) {
        for half in ["0.0.0.0/1", "128.0.0.0/1"] {
            lab.ip("taipei", &format!("route add {half} {way}"))?;
        }
        lab.ip("taipei", "route del default")?;
        eventually("the lab's default route to go", SETTLED, || Ok(known(&lab, "0.0.0.0/0")?.is_none().then_some(())))?;
    }
    lab.ip("taipei", "route add blackhole default metric 4000")?;
    let default = eventually("a default route at osaka", SETTLED, || known(&lab, "0.0.0.0/0"))?;
    ensure!(default["type"] == "external-1" && default["metric"] == 17, "{default}");

    let answer = lab.ask("osaka", "clear neighbor taipei")?;
    ensure!(answer.contains("1 adjacency cleared"), "{answer}");
    let again = eventually("the adjacency to be Full anew", SETTLED, || {
        let status = lab.status("osaka")?;
        let neighbor = &status["neighbors"][0];
        let since = neighbor["since_s"].as_f64().filter(|_| neighbor["state"] == "Full");
        Ok(since.filter(|since| *since < 3.0))
    })?;
    ensure!(again < 3.0, "{again}");
    ensure!(lab.ask("osaka", "clear neighbor nobody").is_err(), "there is no such neighbour");
    lab.ask("osaka", "clear ospf")?;
    lab.await_full()?;

    lab.ip("taipei", "route del blackhole default metric 4000")?;
    eventually("the default route to go from osaka", SETTLED, || {
        Ok(known(&lab, "0.0.0.0/0")?.is_none().then_some(()))
    })?;
    lab.down()
}
