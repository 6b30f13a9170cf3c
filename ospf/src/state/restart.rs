//! Graceful restarts (RFC 3623) of neighbours and of this router, and the withdrawal of this router from the network.

use std::collections::BTreeMap;

use crate::config::Announcement;
use crate::ids::InterfaceId;
use crate::time::Instant;
use crate::wire::RestartReason;

/// A neighbour whose graceful restart this router helps (RFC 3623 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Helping {
    /// The end of its grace period.
    pub(crate) until: Instant,
    /// The restart reason in its Grace-LSA.
    pub(crate) reason: RestartReason,
}

/// The state of a graceful restart of this router.
#[derive(Debug, Clone, Default)]
pub(crate) enum Restart {
    /// No restart is planned or under way.
    #[default]
    None,
    /// A restart is planned: neighbours are being informed, until this instant at the latest.
    Preparing { until: Instant },
    /// The engine has started within the grace period, and originates nothing.
    Within(Within),
    /// The restart has ended, but the LSAs that follow from the first routes after it are not known yet. `runs` is the number of
    /// calculations begun before its end.
    Concluding { runs: u64 },
}

/// The state of a restart while it is under way.
#[derive(Debug, Clone)]
pub(crate) struct Within {
    pub(crate) started: Instant,
    /// The end of the grace period.
    pub(crate) until: Instant,
    pub(crate) announcement: Announcement,
    /// Copies of Grace-LSAs sent on each interface on which there is no adjacency.
    pub(crate) copies: BTreeMap<InterfaceId, u8>,
    pub(crate) review: Review,
}

/// Whether the conditions for the end of a restart have to be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Review {
    Due,
    Done,
}

/// How far an area, or a link in it, has returned to its state before the restart (RFC 3623 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Progress {
    Complete,
    Pending,
    Inconsistent,
}

/// How far the withdrawal of this router from the network has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub(crate) enum Withdrawal {
    /// The router is not being withdrawn.
    #[default]
    None,
    /// A restart of this router has to end first, by this instant at the latest.
    AwaitingRestart { until: Instant },
    /// The router announces that it is a stub router.
    Announcing { until: Instant },
    /// The other routers calculate paths that avoid this one.
    Draining { until: Instant },
    /// The router's LSAs are flushed.
    Flushing { until: Instant },
}

impl Withdrawal {
    /// When the next step begins at the latest.
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
