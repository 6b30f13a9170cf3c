//! The routing table, what has changed since it was calculated, and the calculation under way.

use crate::machine::spf_delay::SpfBackoff;
use crate::route::{Affected, Calculation, Changes, Parts};

/// To so many destinations inside the AS at the most paths are calculated one by one.
pub(crate) const MAX_PARTIAL: usize = 256;

/// So many changed destinations outside the AS are remembered at the most.
pub(crate) const MAX_EXTERNALS: usize = 65_536;

/// When the next calculation is due, and what the last one gave.
#[derive(Debug, Clone, Default)]
pub(crate) struct CalculationState {
    pub(crate) backoff: SpfBackoff,
    pub(crate) latest: Calculation,
    /// What has changed since its beginning.
    pub(crate) pending: Consequence,
    /// The calculation that is under way: paths inside the AS are those of `latest`, routes are not yet.
    pub(crate) pass: Option<Pass>,
    /// Number of calculations that were begun so far.
    pub(crate) runs: u64,
    /// How many of these looked at a few destinations only.
    pub(crate) partial_runs: u64,
}

/// What a change in the databases does to routes, or several together do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Consequence {
    /// Any of them may be another one.
    Anything,
    /// Those that these parts of a calculation give; none at all if there are none.
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

/// Where it stands.
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

/// What a pass may have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Paths inside the AS, on which more depends than routes.
    Inside,
    /// Routes to destinations outside the AS alone.
    Externals,
}
