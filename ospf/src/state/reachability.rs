//! Which originators of DoNotAge LSAs are unreachable, and since when (RFC 1793 §2.3).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::ids::RouterId;
use crate::time::Instant;
use crate::wire::MAX_AGE;

/// Routers that were reached, and those that are no longer.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct Reachability {
    pub(crate) reached: BTreeSet<RouterId>,
    /// When the calculation was that did not reach a router any more; kept as long as its LSAs can be.
    pub(crate) lost: BTreeMap<RouterId, Instant>,
}

impl Reachability {
    pub(crate) fn update(&mut self, reached: BTreeSet<RouterId>, now: Instant) {
        let kept = Duration::from_secs(MAX_AGE.into());
        // Whoever is not among them has been unreachable for longer than that.
        self.lost.retain(|router, since| !reached.contains(router) && now.saturating_since(*since) <= kept);
        let lost = self.reached.difference(&reached).map(|router| (*router, now));
        self.lost.extend(lost);
        self.reached = reached;
    }
}
