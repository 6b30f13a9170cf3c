//! nftables through its own program: rulesets in its language, which a library would only wrap.

use std::collections::BTreeMap;
use std::io;
use std::process::Stdio;

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::mesh::IfName;
use crate::reconcile::filter::{FAMILIES, Ruleset};

/// What was last put into the kernel, and what `nft` then said of it.
#[derive(Debug, Clone)]
pub(super) struct Applied {
    ruleset: Ruleset,
    listing: String,
}

/// The mesh's ruleset as it is: `None` if there is none, the one in `applied` if it was left alone.
pub(super) async fn observe(mesh: &str, applied: Option<&Applied>) -> anyhow::Result<Option<Ruleset>> {
    let Some(listing) = listing(mesh).await? else { return Ok(None) };
    let untouched = applied.filter(|applied| applied.listing == listing);
    Ok(Some(untouched.map_or_else(Ruleset::unknown, |applied| applied.ruleset.clone())))
}

/// Puts the ruleset into the kernel in place of the mesh's last one, in one transaction.
pub(super) async fn apply(mesh: &str, ruleset: &Ruleset) -> anyhow::Result<Applied> {
    run(ruleset.script()).await?;
    let listing = listing(mesh).await?.context("the ruleset is gone as soon as it was there")?;
    Ok(Applied { ruleset: ruleset.clone(), listing })
}

/// Deletes the mesh's ruleset; good if there is none.
pub(super) async fn remove(mesh: &str) -> anyhow::Result<()> {
    run(&Ruleset::removal(mesh)).await
}

/// Both tables without their counters; `None` if there is neither, or no `nft`, without which there can be none of ours.
async fn listing(mesh: &str) -> anyhow::Result<Option<String>> {
    let mut listings = String::new();
    for family in FAMILIES {
        let table = Ruleset::table(mesh);
        let output = Command::new("nft").args(["--stateless", "list", "table", family, &table]).output().await;
        match output {
            // The only way to fail that is not our own fault: there is no such table.
            Ok(output) if !output.status.success() => {}
            Ok(output) => listings.push_str(&String::from_utf8_lossy(&output.stdout)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).context("starting `nft`"),
        }
    }
    Ok((!listings.is_empty()).then_some(listings))
}

/// Frames that were more than a limit lets through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limited {
    /// To everybody.
    pub broadcast: u64,
    /// To a group.
    pub multicast: u64,
}

/// What the counters of the mesh's ruleset say, by VXLAN device.
pub(super) async fn limited(mesh: &str) -> anyhow::Result<BTreeMap<IfName, Limited>> {
    let table = Ruleset::table(mesh);
    let output = Command::new("nft").args(["--json", "list", "table", "bridge", &table]).output().await;
    let listing: Value = serde_json::from_slice(&output.context("starting `nft`")?.stdout).context("reading `nft`")?;
    Ok(counters(&listing))
}

fn counters(listing: &Value) -> BTreeMap<IfName, Limited> {
    let mut limited: BTreeMap<IfName, Limited> = BTreeMap::new();
    let rules =
        listing["nftables"].as_array().into_iter().flatten().filter_map(|entry| entry["rule"]["expr"].as_array());
    for rule in rules {
        let matched = |key: &str| {
            let of_key = rule.iter().map(|part| &part["match"]).find(|part| part["left"]["meta"]["key"] == key);
            of_key.and_then(|part| part["right"].as_str())
        };
        let packets = rule.iter().find_map(|part| part["counter"]["packets"].as_u64());
        let (Some(device), Some(packets)) = (matched("oifname").and_then(IfName::new), packets) else { continue };
        let of_device = limited.entry(device).or_default();
        match matched("pkttype") {
            Some("broadcast") => of_device.broadcast += packets,
            Some("multicast") => of_device.multicast += packets,
            _ => {}
        }
    }
    limited
}

async fn run(script: &str) -> anyhow::Result<()> {
    let mut child = Command::new("nft")
        .args(["--file", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("starting `nft`, without which no segment comes up (package nftables)")?;
    let mut stdin = child.stdin.take().context("`nft` has no standard input")?;
    stdin.write_all(script.as_bytes()).await.context("writing to `nft`")?;
    drop(stdin);
    let output = child.wait_with_output().await.context("waiting for `nft`")?;
    if !output.status.success() {
        bail!("`nft` refuses the ruleset: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_belong_to_the_device_and_kind_of_frames_that_their_rule_matches() {
        let rule = |device: &str, kind: &str, packets: u64| {
            serde_json::json!({"rule": {"family": "bridge", "expr": [
                {"match": {"op": "==", "left": {"meta": {"key": "oifname"}}, "right": device}},
                {"match": {"op": "==", "left": {"meta": {"key": "pkttype"}}, "right": kind}},
                {"limit": {"rate": 1000, "burst": 1000, "per": "second", "inv": true}},
                {"counter": {"packets": packets, "bytes": 60}},
                {"drop": null}]}})
        };
        let listing = serde_json::json!({"nftables": [
            {"metainfo": {"version": "1.0.6"}},
            rule("vx-vms", "broadcast", 7),
            rule("vx-vms", "multicast", 8),
            rule("vx-lab", "broadcast", 9)]});
        let name = |text| IfName::new(text).unwrap();
        let expected = [
            (name("vx-lab"), Limited { broadcast: 9, multicast: 0 }),
            (name("vx-vms"), Limited { broadcast: 7, multicast: 8 }),
        ];
        assert_eq!(counters(&listing), expected.into());
        assert_eq!(counters(&Value::Null), BTreeMap::new());
    }
}
