//! Which originators of DoNotAge LSAs are unreachable, and since when (RFC 1793 §2.3).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::ids::RouterId;
use crate::time::Instant;
use crate::wire::MAX_AGE;

/// The routers that the last calculation reached, and those that it no longer reached.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct Reachability {
    pub(crate) reached: BTreeSet<RouterId>,
    /// When a router was first found unreachable; kept as long as its LSAs can be in a database.
    pub(crate) lost: BTreeMap<RouterId, Instant>,
}

impl Reachability {
    pub(crate) fn update(&mut self, reached: BTreeSet<RouterId>, now: Instant) {
        let kept = Duration::from_secs(MAX_AGE.into());
        // Entries that are older than this are removed: such a router has been unreachable for longer than MaxAge.
        self.lost.retain(|router, since| !reached.contains(router) && now.saturating_since(*since) <= kept);
        let lost = self.reached.difference(&reached).map(|router| (*router, now));
        self.lost.extend(lost);
        self.reached = reached;
    }
}
