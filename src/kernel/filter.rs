//! The mesh's nftables ruleset in the kernel.
//!
//! nftables says nothing of changes and a listing costs a process, so the ruleset is looked at only when the daemon asks for it
//! ([`Kernel::look_at_filter`]); [`Kernel::observe`] repeats what was last known.

use std::collections::BTreeMap;

use super::nft::{self, Applied, Limited};
use super::observe::Kernel;
use crate::mesh::IfName;
use crate::reconcile::filter::Ruleset;

/// What is known of the ruleset.
#[derive(Debug, Default)]
pub(super) struct Filter {
    /// As this process put it there, and how it was listed then.
    applied: Option<Applied>,
    /// What is there; `None`: no table of the mesh.
    pub(super) present: Option<Ruleset>,
}

impl Kernel {
    /// Reads the ruleset; what was changed since it was set is then observed as unknown.
    pub async fn look_at_filter(&mut self) -> anyhow::Result<()> {
        self.filter.present = nft::observe(&self.mesh, self.filter.applied.as_ref()).await?;
        Ok(())
    }

    /// Frames that were more than a limit lets through, by VXLAN device. Best effort: without an answer there are none.
    pub async fn limited_frames(&self) -> BTreeMap<IfName, Limited> {
        nft::limited(&self.mesh).await.unwrap_or_default()
    }

    pub(super) async fn set_filter(&mut self, ruleset: &Ruleset) -> anyhow::Result<()> {
        let applied = nft::apply(&self.mesh, ruleset).await?;
        self.filter = Filter { applied: Some(applied), present: Some(ruleset.clone()) };
        Ok(())
    }

    pub(super) async fn delete_filter(&mut self) -> anyhow::Result<()> {
        nft::remove(&self.mesh).await?;
        self.filter = Filter::default();
        Ok(())
    }
}
