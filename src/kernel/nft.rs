//! nftables through its own program: rulesets in its language, which a library would only wrap.

use std::io;
use std::process::Stdio;

use anyhow::{Context, bail};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::reconcile::overlay::{FAMILIES, Ruleset};

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

async fn run(script: &str) -> anyhow::Result<()> {
    let mut child = Command::new("nft")
        .args(["--file", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("starting `nft`, which limits floods and lowers the MSS (package nftables)")?;
    let mut stdin = child.stdin.take().context("`nft` has no standard input")?;
    stdin.write_all(script.as_bytes()).await.context("writing to `nft`")?;
    drop(stdin);
    let output = child.wait_with_output().await.context("waiting for `nft`")?;
    if !output.status.success() {
        bail!("`nft` refuses the ruleset: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
