//! When other routers shall not send traffic through this one (RFC 6987).

use std::time::Duration;

/// When this router is a stub router: its links to other routers cost MaxLinkMetric, its own networks what they always do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum StubRouter {
    /// Never.
    #[default]
    Never,
    /// Always: traffic is led around it, before a planned stop for example.
    Always,
    /// For so long after the start, while other protocols and tunnels are not ready for traffic yet. It ends sooner if it is configured away.
    AtStart(Duration),
}
