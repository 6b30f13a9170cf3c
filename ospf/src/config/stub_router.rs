//! When other routers shall not send transit traffic through this router (RFC 6987).

use std::time::Duration;

/// MaxLinkMetric (RFC 6987 §2). Links of this metric are still used if there is no other path (§3).
pub const MAX_LINK_METRIC: u16 = 0xffff;

/// When this router is a stub router: its links to other routers then have the cost MaxLinkMetric, its own networks keep their cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum StubRouter {
    /// Never.
    #[default]
    Never,
    /// Always: traffic avoids this router, for example before a planned stop.
    Always,
    /// For this time after the start, while other protocols and tunnels are not ready for traffic. It ends early if the configuration
    /// changes.
    AtStart(Duration),
}
