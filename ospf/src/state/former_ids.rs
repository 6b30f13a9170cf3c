//! Router ids that this router had before.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ids::RouterId;
use crate::time::Instant;
use crate::wire::MAX_AGE;

/// So many are remembered.
pub(crate) const MOST_IDS: usize = 16;

/// So often a flushed LSA may come back newer before its Advertising Router is taken for another router.
pub(crate) const MOST_RETURNS: u32 = 64;

/// The ids, and what has come of each.
#[derive(Debug, Clone, Default)]
pub(crate) struct FormerIds(pub(crate) BTreeMap<RouterId, Former>);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Former {
    until: Instant,
    /// How often an LSA came back newer than it was flushed.
    pub(crate) returns: u32,
}

impl FormerIds {
    /// This router has had an id until now.
    pub(crate) fn add(&mut self, id: RouterId, now: Instant) {
        self.0.retain(|_, former| former.until > now);
        if self.0.len() < MOST_IDS {
            let until = now + Duration::from_secs(MAX_AGE.into());
            self.0.entry(id).or_insert(Former { until, returns: 0 });
        }
    }

    /// The present id is none of them, whatever it was before.
    pub(crate) fn remove(&mut self, id: RouterId) {
        self.0.remove(&id);
    }

    /// Whether LSAs of a router with this id are ours, to be flushed.
    pub(crate) fn contains(&self, id: RouterId, now: Instant) -> bool {
        self.0.get(&id).is_some_and(|former| former.until > now && former.returns < MOST_RETURNS)
    }
}
