//! A router whose own firewall drops whatever it is not told of: what `weft check --firewall` prints is enough.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::harness::lab::{Lab, WEFT};
use crate::harness::mesh;
use crate::harness::process::run;
use crate::harness::wait::eventually;

const SETTLED: Duration = Duration::from_secs(30);

/// What a careful operator begins with.
const DROPS_ALL: &str = "table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        iifname lo accept
    }
    chain forward {
        type filter hook forward priority filter; policy drop;
    }
}
";

#[test]
fn the_rules_that_check_prints_for_nftables_let_the_mesh_through() -> Result<()> {
    let lab = Lab::up("t-fw", &mesh::segments("t-fw"))?;
    lab.await_full()?;
    let dir = tempfile::tempdir()?;
    let (closed, mesh_file) = (dir.path().join("closed.nft"), dir.path().join("mesh.toml"));
    fs::write(&closed, DROPS_ALL)?;
    fs::write(&mesh_file, mesh::segments("t-fw"))?;
    for site in ["taipei", "osaka"] {
        lab.run_at(site, &format!("nft -f {}", closed.display()))?;
        // What was let through before is not let through for that.
        lab.cut(site, "seoul")?;
    }
    lab.cut("taipei", "osaka")?;
    lab.run_at("db1", "ping -n -c 1 -W 1 10.9.0.11").err().context("the firewall lets frames through by itself")?;
    // Where br_netfilter is loaded, frames of a segment are dropped as well, and status knows.
    let are_segments_named = || -> Result<bool> {
        let status = lab.status("taipei")?;
        let mut problems = status["problems"].as_array().context("problems")?.iter().filter_map(|text| text.as_str());
        Ok(problems.any(|text| {
            text.contains("drops packets") && text.contains("from one port of br-cluster, br-vms to another")
        }))
    };
    let bridged =
        lab.run_at("taipei", "cat /proc/sys/net/bridge/bridge-nf-call-iptables").is_ok_and(|value| value.trim() == "1");
    if bridged {
        eventually("status to name segments", SETTLED, || Ok(are_segments_named()?.then_some(())))?;
    }
    for site in ["taipei", "osaka"] {
        let rules = dir.path().join(format!("{site}.nft"));
        let check = format!("{} check {} --site {site} --firewall nft", WEFT, mesh_file.display());
        fs::write(&rules, run(&check)?)?;
        lab.run_at(site, &format!("nft -f {}", rules.display()))?;
    }
    for (one, other) in [("taipei", "osaka"), ("taipei", "seoul"), ("osaka", "seoul")] {
        lab.heal(one, other)?;
    }
    lab.await_full()?;
    lab.await_ping("taipei-lan", lab.lan_host("osaka")?, SETTLED)?;
    lab.await_ping("db1", "10.9.0.11".parse()?, SETTLED)?;
    eventually("status to be content", SETTLED, || Ok((!are_segments_named()?).then_some(())))?;
    // With a firewall that drops all again, nothing passes: it was those rules.
    lab.run_at("taipei", "nft delete table inet filter")?;
    lab.run_at("taipei", &format!("nft -f {}", closed.display()))?;
    lab.run_at("taipei-lan", &format!("ping -n -c 1 -W 1 {}", lab.lan_host("osaka")?))
        .err()
        .context("the firewall did not drop anything")?;
    lab.down()
}
