//! Graceful restarts (RFC 3623), neighbours' and this router's own, and its leaving for good.

use std::collections::BTreeMap;

use crate::config::Announcement;
use crate::ids::InterfaceId;
use crate::time::Instant;
use crate::wire::RestartReason;

/// A neighbour that is being helped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Helping {
    /// The end of its grace period.
    pub(crate) until: Instant,
    /// What it said.
    pub(crate) reason: RestartReason,
}

/// Where this router stands with a restart of its own.
#[derive(Debug, Clone, Default)]
pub(crate) enum Restart {
    /// There is none.
    #[default]
    None,
    /// One is planned: neighbours are being told, until then at most.
    Preparing { until: Instant },
    /// It has begun anew, and lies low.
    Within(Within),
    /// It is over, and what follows from the first routes after it is not known yet: after so many calculations it was over.
    Concluding { runs: u64 },
}

/// A restart from the inside.
#[derive(Debug, Clone)]
pub(crate) struct Within {
    pub(crate) started: Instant,
    /// The end of the grace period.
    pub(crate) until: Instant,
    pub(crate) announcement: Announcement,
    /// Copies of Grace-LSAs sent on each interface without an adjacency.
    pub(crate) copies: BTreeMap<InterfaceId, u8>,
    pub(crate) review: Review,
}

/// Whether something has happened that may end a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Review {
    Due,
    Done,
}

/// How far an area, or a link in it, is on the way back to what it was (§2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Progress {
    Complete,
    Pending,
    Inconsistent,
}

/// How far a router is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub(crate) enum Withdrawal {
    /// It stays.
    #[default]
    None,
    /// A restart of its own has to end first, by then at the latest.
    AwaitingRestart { until: Instant },
    /// It announces that it is a stub router.
    Announcing { until: Instant },
    /// Everybody calculates other ways.
    Draining { until: Instant },
    /// Its LSAs are flushed.
    Flushing { until: Instant },
}

impl Withdrawal {
    /// When to go on at the latest.
    pub(crate) const fn until(self) -> Option<Instant> {
        match self {
            Self::None => None,
            Self::AwaitingRestart { until }
            | Self::Announcing { until }
            | Self::Draining { until }
            | Self::Flushing { until } => Some(until),
        }
    }
}
