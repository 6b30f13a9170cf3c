//! Router ids that this router had before the present one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::ids::RouterId;
use crate::time::Instant;
use crate::wire::MAX_AGE;

/// The most former ids that are remembered.
pub(crate) const MOST_IDS: usize = 16;

/// How often a flushed LSA may return newer, until its Advertising Router is assumed to be another router.
pub(crate) const MOST_RETURNS: u32 = 64;

/// The former ids, and what is known about each.
#[derive(Debug, Clone, Default)]
pub(crate) struct FormerIds(pub(crate) BTreeMap<RouterId, Former>);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Former {
    until: Instant,
    /// How often an LSA returned newer than it was flushed.
    pub(crate) returns: u32,
}

impl FormerIds {
    /// Remembers an id that this router had until now.
    pub(crate) fn add(&mut self, id: RouterId, now: Instant) {
        self.0.retain(|_, former| former.until > now);
        if self.0.len() < MOST_IDS {
            let until = now + Duration::from_secs(MAX_AGE.into());
            self.0.entry(id).or_insert(Former { until, returns: 0 });
        }
    }

    /// Forgets an id because it is the present one.
    pub(crate) fn remove(&mut self, id: RouterId) {
        self.0.remove(&id);
    }

    /// Forgets the ids of these routers, which have them now: LSAs that were originated under one of them before are flushed or originated
    /// again by its router (RFC 2328 §13.4).
    pub(crate) fn leave_to(&mut self, routers: &BTreeSet<RouterId>) {
        self.0.retain(|id, _| !routers.contains(id));
    }

    /// Whether LSAs of a router with this id are this router's own, and to be flushed.
    pub(crate) fn contains(&self, id: RouterId, now: Instant) -> bool {
        self.0.get(&id).is_some_and(|former| former.until > now && former.returns < MOST_RETURNS)
    }
}
