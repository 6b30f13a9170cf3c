//! The mesh's nftables ruleset in the kernel.
//!
//! A listing costs a process, so the ruleset is looked at only when the daemon asks for it ([`Kernel::look_at_filter`]);
//! [`Kernel::observe`] repeats what was last known. What stands in the way of setting the ruleset
//! does so until the next look: a router without `nft` works, and does not start a program in vain with every change of a route.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;

use super::nft::{Applied, Nft};
use super::nft_counters::{self, Dropped, Limited, Refused};
use super::observe::Kernel;
use crate::mesh::IfName;
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

/// What is known of the ruleset.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) nft: Nft,
    /// The fingerprint by which the next daemon recognises the ruleset that this one has set.
    note: StateFile,
    /// The ruleset that a previous daemon may have set; compared once.
    expected: Option<Ruleset>,
    /// As this process put it there, and how it was listed then.
    applied: Option<Applied>,
    /// What is there; `None`: no table of the mesh.
    pub(super) present: Option<Ruleset>,
    /// Why it could not be read or written the last time.
    obstacle: Option<String>,
}

impl Filter {
    pub fn open(run_dir: &Path) -> Self {
        let note = StateFile::new(run_dir, &PURPOSE);
        Self { nft: Nft::default(), note, expected: None, applied: None, present: None, obstacle: None }
    }

    /// Takes over the ruleset that a previous daemon has set, if it is the expected one and nobody has changed it.
    async fn recognize(&mut self, mesh: &str) {
        let Some(expected) = self.expected.take() else { return };
        let noted = self.note.read(|content| Ok(content.to_vec()));
        let found = self.nft.found(mesh, expected).await;
        self.applied = found.filter(|found| noted.is_some_and(|noted| noted == found.fingerprint().as_bytes()));
    }
}

impl Kernel {
    /// The ruleset that a previous daemon may have set, and that this one wants.
    pub fn expect_filter(&mut self, ruleset: Option<Ruleset>) {
        self.filter.expected = ruleset;
    }

    /// Reads the ruleset; what was changed since it was set is then observed as unknown. Failure is an obstacle.
    pub async fn look_at_filter(&mut self) {
        self.filter.recognize(&self.mesh).await;
        let Filter { nft, applied, present, obstacle, .. } = &mut self.filter;
        match nft.observe(&self.mesh, applied.as_ref()).await {
            Ok(found) => (*present, *obstacle) = (found, None),
            Err(error) => *obstacle = Some(with_cause(error.into())),
        }
    }

    /// Whether this is the ruleset that was found at the last look.
    pub fn has_filter(&self, ruleset: Option<&Ruleset>) -> bool {
        self.filter.present.as_ref() == ruleset
    }

    /// What stood in the way of reading or setting the ruleset the last time, and what to do about it.
    pub fn filter_obstacle(&self) -> Option<&str> {
        self.filter.obstacle.as_deref()
    }

    /// Frames that were more than a limit lets through, by VXLAN device. Best effort: without an answer there are none.
    pub async fn limited_frames(&self) -> BTreeMap<IfName, Limited> {
        let listing = self.filter.nft.table("bridge", &self.mesh).await;
        listing.map(|listing| nft_counters::limited(&listing)).unwrap_or_default()
    }

    /// What was dropped since the ruleset was set, and sources that were refused lately. It lists the whole ruleset.
    ///
    /// # Errors
    /// In words that say what to do.
    pub async fn drops(&self) -> anyhow::Result<(Vec<Dropped>, Vec<Refused>)> {
        let listings =
            [self.filter.nft.table("ip", &self.mesh).await?, self.filter.nft.table("ip6", &self.mesh).await?];
        Ok((nft_counters::dropped(&listings), nft_counters::refused(&listings[0])))
    }

    /// Sources that were refused lately. Best effort: without an answer there are none.
    pub async fn refused_sources(&self) -> Vec<Refused> {
        let listing = self.filter.nft.samples(&self.mesh).await;
        listing.map(|listing| nft_counters::refused(&listing)).unwrap_or_default()
    }

    pub(super) async fn set_filter(&mut self, ruleset: &Ruleset) -> anyhow::Result<()> {
        if let Some(obstacle) = &self.filter.obstacle {
            anyhow::bail!(obstacle.clone());
        }
        match self.filter.nft.apply(&self.mesh, ruleset).await {
            Ok(applied) => {
                // What is not written now is tried again.
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

fn with_cause(error: anyhow::Error) -> String {
    format!("{error:#}")
}
