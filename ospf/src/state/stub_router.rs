//! Whether this router is a stub router at present (RFC 6987).

use crate::event::StubRouterState;
use crate::time::Instant;

/// The start time and the last announced state of a stub router.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct StubRouterTimes {
    /// When the router started; `None` if it kept forwarding traffic during a restart (RFC 3623).
    pub(crate) started: Option<Instant>,
    /// The state as announced last.
    pub(crate) state: StubRouterState,
}
