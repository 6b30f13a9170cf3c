//! The routing table, the changes since it was calculated, and the calculation under way.

use crate::machine::spf_delay::SpfBackoff;
use crate::route::{Affected, Calculation, Changes, Parts};

/// The most destinations inside the AS whose paths are calculated one by one.
pub(crate) const MAX_PARTIAL: usize = 256;

/// The most changed destinations outside the AS that are remembered.
pub(crate) const MAX_EXTERNALS: usize = 65_536;

/// When the next calculation is due, and the result of the last one.
#[derive(Debug, Clone, Default)]
pub(crate) struct CalculationState {
    pub(crate) backoff: SpfBackoff,
    pub(crate) latest: Calculation,
    /// What has changed since the last calculation began.
    pub(crate) pending: Consequence,
    /// The calculation under way: `latest` already has its paths inside the AS, but not its routes.
    pub(crate) pass: Option<Pass>,
    /// Number of calculations begun so far.
    pub(crate) runs: u64,
    /// Number of these that calculated a few destinations only.
    pub(crate) partial_runs: u64,
}

/// The effect of one or several database changes on routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Consequence {
    /// Any route may change.
    Anything,
    /// The routes that these parts of a calculation produce; if there are no parts, none.
    Parts(Parts),
}

impl Default for Consequence {
    fn default() -> Self {
        Self::Parts(Parts::default())
    }
}

impl Consequence {
    pub(crate) fn join(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Anything, _) => {}
            (Self::Parts(parts), Self::Parts(more))
                if parts.inside.len() <= MAX_PARTIAL && parts.externals.len() <= MAX_EXTERNALS =>
            {
                parts.extend(more);
            }
            (Self::Parts(_), _) => *self = Self::Anything,
        }
    }
}

/// How far a calculation has come.
#[derive(Debug, Clone)]
pub(crate) struct Pass {
    pub(crate) affected: Affected,
    pub(crate) changes: Changes,
    pub(crate) stage: Stage,
    pub(crate) scope: Scope,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Search,
    Calculate,
    PutOut,
}

/// The routes that a pass may have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Paths inside the AS, on which not only routes depend.
    Inside,
    /// Only routes to destinations outside the AS.
    Externals,
}
