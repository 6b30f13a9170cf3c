//! The mesh's nftables ruleset in the kernel.
//!
//! nftables says nothing of changes and a listing costs a process, so the ruleset is looked at only when the daemon asks for it
//! ([`Kernel::look_at_filter`]); [`Kernel::observe`] repeats what was last known. What stands in the way of setting the ruleset
//! does so until the next look: a router without `nft` works, and does not start a program in vain with every change of a route.

use std::collections::BTreeMap;

use super::nft::{Applied, Nft};
use super::nft_counters::{self, Dropped, Limited, Refused};
use super::observe::Kernel;
use crate::mesh::IfName;
use crate::reconcile::filter::Ruleset;

/// What is known of the ruleset.
#[derive(Debug, Default)]
pub(super) struct Filter {
    nft: Nft,
    /// As this process put it there, and how it was listed then.
    applied: Option<Applied>,
    /// What is there; `None`: no table of the mesh.
    pub(super) present: Option<Ruleset>,
    /// Why it could not be read or written the last time.
    obstacle: Option<String>,
}

impl Kernel {
    /// Reads the ruleset; what was changed since it was set is then observed as unknown. Failure is an obstacle.
    pub async fn look_at_filter(&mut self) {
        let Filter { nft, applied, present, obstacle } = &mut self.filter;
        match nft.observe(&self.mesh, applied.as_ref()).await {
            Ok(found) => (*present, *obstacle) = (found, None),
            Err(error) => *obstacle = Some(with_cause(error.into())),
        }
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
        self.filter = Filter { nft: self.filter.nft.clone(), ..Filter::default() };
        Ok(())
    }
}

fn with_cause(error: anyhow::Error) -> String {
    format!("{error:#}")
}
