//! Graceful restart (RFC 3623 appendix B).

use std::time::Duration;

use crate::wire::RestartReason;

/// Whether this router bears with neighbours that restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Helper {
    /// It does, until the network changes (RestartHelperStrictLSAChecking): a router that does not hear of changes might make a loop.
    #[default]
    Strict,
    /// It does, whatever changes.
    Lenient,
    /// It does not (RestartHelperSupport).
    Never,
}

/// The end of a restart that neighbours know of, or are to be told of: looked at when the engine is made, and not later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Restarting {
    /// What is left of the grace period at the engine's start.
    pub grace_period: Duration,
    /// What neighbours know.
    pub announcement: Announcement,
}

/// Whether Grace-LSAs were sent before the restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Announcement {
    /// They were: see [`crate::Input::PrepareRestart`].
    Made,
    /// They were not, and are sent before any hello: an unplanned restart (RFC 3623 §2.1).
    Due(RestartReason),
}
