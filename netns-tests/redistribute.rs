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
prefixes = ["172.16.0.0/12 ge 16 le 24"]
metric = 77
tag = 5

"#;

/// For the last site of the pair.
const OSAKA: &str = r#"
[[site.import]]
prefixes = ["172.16.9.0/24"]
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
