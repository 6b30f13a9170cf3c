//! Graceful restart (RFC 3623 appendix B).

use std::time::Duration;

use crate::wire::RestartReason;

/// Whether this router helps neighbours that restart gracefully.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Helper {
    /// It helps until the network changes (RestartHelperStrictLSAChecking): a restarting router does not learn of changes, and could cause
    /// a loop.
    #[default]
    Strict,
    /// It helps even if the network changes.
    Lenient,
    /// It does not help (RestartHelperSupport).
    Never,
}

/// A graceful restart within which the engine starts. It is read when the engine is created, and not later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Restarting {
    /// The rest of the grace period at the engine's start.
    pub grace_period: Duration,
    /// Whether the neighbours have already been informed.
    pub announcement: Announcement,
}

/// Whether Grace-LSAs were sent before the restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Announcement {
    /// They were sent: see [`crate::Input::PrepareRestart`].
    Made,
    /// They were not sent, and are sent before any hello: an unplanned restart (RFC 3623 §2.1).
    Due(RestartReason),
}
