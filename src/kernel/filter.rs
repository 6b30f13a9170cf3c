//! The mesh's nftables ruleset in the kernel: observing, setting and deleting it.
//!
//! Listing the ruleset starts a process, so it is read only when the daemon requests this ([`Kernel::look_at_filter`]); [`Kernel::observe`]
//! returns the last known state. After an error in setting the ruleset, it is not set again until the next look: so a router without `nft`
//! works, and does not start a program in vain with every change of a route.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;

use super::nft::{Applied, Nft};
use super::nft_counters::{self, Dropped, Limited, Refused};
use super::observe::Kernel;
use crate::net::IfName;
use crate::reconcile::filter::Ruleset;
use crate::state_file::{Outlives, Purpose, StateFile, Written};

const PURPOSE: Purpose = Purpose {
    name: "filter",
    limit: 128,
    outlives: Outlives::Process,
    without: "the next daemon sets the nftables ruleset again, which may cost a packet",
};

const REDUCED: &str = "this kernel lacks the module nft_meta_bridge: answers of DHCP servers behind an `existing_bridge` do not reach \
                       clients at other sites that are not in the table, unless `unknown_unicast` is \"flood\"";

/// The known state of the ruleset.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) nft: Nft,
    /// The file with the fingerprint by which the next daemon recognises the ruleset that this one has set.
    note: StateFile,
    /// The ruleset that a previous daemon may have set. It is compared once.
    expected: Option<Ruleset>,
    /// The ruleset that this process has set, and its listing at that time.
    applied: Option<Applied>,
    /// The ruleset in the kernel; `None` if the mesh has no table.
    pub(super) present: Option<Ruleset>,
    /// The error of the last attempt to read or write the ruleset.
    obstacle: Option<String>,
}

impl Filter {
    pub fn open(run_dir: &Path) -> Self {
        let note = StateFile::new(run_dir, &PURPOSE);
        Self { nft: Nft::default(), note, expected: None, applied: None, present: None, obstacle: None }
    }

    /// Takes over the ruleset that a previous daemon has set, if it is the expected one and has not been changed.
    async fn recognize(&mut self, mesh: &str) {
        let Some(expected) = self.expected.take() else { return };
        let noted = self.note.read(|content| Ok(content.to_vec()));
        let found = self.nft.found(mesh, expected).await;
        self.applied = found.filter(|found| noted.is_some_and(|noted| noted == found.fingerprint().as_bytes()));
    }
}

impl Kernel {
    /// Sets the ruleset that this daemon wants, and that a previous daemon may have set.
    pub fn expect_filter(&mut self, ruleset: Option<Ruleset>) {
        self.filter.expected = ruleset;
    }

    /// Reads the ruleset. If it was changed since it was set, it is observed as unknown. An error is kept as the obstacle.
    pub async fn look_at_filter(&mut self) {
        self.filter.recognize(&self.mesh).await;
        let Filter { nft, applied, present, obstacle, .. } = &mut self.filter;
        match nft.observe(&self.mesh, applied.as_ref()).await {
            Ok(found) => (*present, *obstacle) = (found, None),
            Err(error) => *obstacle = Some(with_cause(error.into())),
        }
    }

    /// Returns whether this is the ruleset that the last look found.
    pub fn has_filter(&self, ruleset: Option<&Ruleset>) -> bool {
        self.filter.present.as_ref() == ruleset
    }

    /// Returns why the ruleset could not be read or set the last time, and what the operator can do about it.
    pub fn filter_obstacle(&self) -> Option<&str> {
        self.filter.obstacle.as_deref()
    }

    /// Returns what lists the ruleset's counters, beside everything else.
    pub fn rule_listing(&self) -> RuleListing {
        RuleListing { nft: self.filter.nft.clone(), mesh: self.mesh.clone() }
    }

    pub(super) async fn set_filter(&mut self, ruleset: &Ruleset) -> anyhow::Result<()> {
        if let Some(obstacle) = &self.filter.obstacle {
            anyhow::bail!(obstacle.clone());
        }
        match self.filter.nft.apply(&self.mesh, ruleset).await {
            Ok(applied) => {
                // If this write fails, it is tried again later.
                let _: Written = self.filter.note.write(applied.fingerprint().as_bytes());
                self.filter.applied = Some(applied);
                self.filter.present = Some(ruleset.clone());
                Ok(())
            }
            Err(error) => {
                let obstacle = with_cause(error.into());
                self.filter.obstacle = Some(obstacle.clone());
                anyhow::bail!(obstacle)
            }
        }
    }

    pub(super) async fn delete_filter(&mut self) -> anyhow::Result<()> {
        self.filter.nft.remove(&self.mesh).await?;
        (self.filter.applied, self.filter.present, self.filter.obstacle) = (None, None, None);
        self.filter.note.remove().context("removing the note of the ruleset")
    }

    pub(super) fn filter_note(&mut self) -> &mut StateFile {
        &mut self.filter.note
    }

    pub(super) fn filter_problems(&self) -> Vec<String> {
        let reduced = self.filter.applied.as_ref().is_some_and(Applied::is_reduced).then(|| REDUCED.to_owned());
        self.filter.note.problems().into_iter().chain(reduced).collect()
    }
}

/// Lists counters of the mesh's ruleset. It does not need the kernel's handle any more.
#[derive(Debug, Clone)]
pub struct RuleListing {
    nft: Nft,
    mesh: String,
}

impl RuleListing {
    /// Returns how many frames were dropped because they exceeded a limit, by VXLAN device; empty if they cannot be read.
    pub async fn limited_frames(&self) -> BTreeMap<IfName, Limited> {
        let listing = self.nft.table("bridge", &self.mesh).await;
        listing.map(|listing| nft_counters::limited(&listing)).unwrap_or_default()
    }

    /// Returns the packets that were dropped since the ruleset was set, and the sources that were refused recently. This lists the whole
    /// ruleset.
    ///
    /// # Errors
    /// If `nft` fails; the text says what the operator can do about it.
    pub async fn drops(&self) -> anyhow::Result<(Vec<Dropped>, Vec<Refused>)> {
        let listings = [self.nft.table("ip", &self.mesh).await?, self.nft.table("ip6", &self.mesh).await?];
        Ok((nft_counters::dropped(&listings), nft_counters::refused(&listings[0])))
    }

    /// Returns the sources that were refused recently; empty if they cannot be read.
    pub async fn refused_sources(&self) -> Vec<Refused> {
        let listing = self.nft.samples(&self.mesh).await;
        listing.map(|listing| nft_counters::refused(&listing)).unwrap_or_default()
    }
}

fn with_cause(error: anyhow::Error) -> String {
    format!("{error:#}")
}
