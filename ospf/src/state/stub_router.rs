//! Whether this router is a stub router at present (RFC 6987).

use crate::event::StubRouterState;
use crate::time::Instant;

/// What is remembered of it.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct StubRouterTimes {
    /// When the router started; `None` if traffic went through it meanwhile (RFC 3623).
    pub(crate) started: Option<Instant>,
    /// As it was told last.
    pub(crate) state: StubRouterState,
}
