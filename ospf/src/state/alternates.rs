//! The alternates of routes (RFC 5286), what may have changed since they were calculated, and the calculation under way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ids::{AreaId, Prefix};
use crate::io::Route;
use crate::protection::Protection;
use crate::route::{Area, Protector};

/// The most changed destinations that are remembered one by one.
const MAX_DESTINATIONS: usize = 4096;

/// The results of the last calculation, and the basis of the next one.
#[derive(Debug, Clone, Default)]
pub(crate) struct AlternatesState {
    /// The areas as they were when the last calculation began.
    pub(crate) areas: BTreeMap<AreaId, Area>,
    /// The protection of each route.
    pub(crate) protection: BTreeMap<Prefix, Arc<Protection>>,
    /// The areas that have to be read again.
    pub(crate) outdated: BTreeSet<AreaId>,
    /// The destinations to be examined.
    pub(crate) concerned: Concerned,
    /// Whether a calculation is due.
    pub(crate) due: bool,
    /// The calculation under way.
    pub(crate) pass: Option<AlternatesPass>,
}

/// Some destinations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Concerned {
    All,
    These(BTreeSet<Prefix>),
}

impl Default for Concerned {
    fn default() -> Self {
        Self::These(BTreeSet::new())
    }
}

impl Concerned {
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self, Self::These(prefixes) if prefixes.is_empty())
    }

    pub(crate) fn extend(&mut self, more: BTreeSet<Prefix>) {
        match self {
            Self::These(prefixes) if prefixes.len() + more.len() <= MAX_DESTINATIONS => prefixes.extend(more),
            Self::These(_) | Self::All => *self = Self::All,
        }
    }
}

/// How far a calculation has come.
#[derive(Debug, Clone)]
pub(crate) struct AlternatesPass {
    /// The areas that are still to be read.
    pub(crate) areas: BTreeSet<AreaId>,
    /// The destinations that are still to be examined; of all, those after `last`.
    pub(crate) concerned: Concerned,
    pub(crate) last: Option<Prefix>,
    pub(crate) protector: Protector,
}

impl AlternatesState {
    /// Whether something has changed since the last calculation began.
    pub(crate) fn is_pending(&self) -> bool {
        !self.outdated.is_empty() || !self.concerned.is_nothing()
    }

    /// Takes note of a changed route: its protection ends unless the next hops are the same.
    pub(crate) fn route_changed(&mut self, prefix: Prefix, route: Option<&Route>) {
        if let Some(protection) = self.protection.get(&prefix)
            && route.is_none_or(|route| !protection.nexthops.keys().eq(&route.nexthops))
        {
            self.protection.remove(&prefix);
        }
    }

    /// Forgets everything: all routes are calculated again.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}
