//! Destinations outside the AS.

use std::net::Ipv4Addr;

/// A destination to originate as an AS-external-LSA (RFC 2328 §12.4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct External {
    /// Metric, and how it compares with costs inside the AS.
    pub metric: ExternalMetric,
    /// Forwarding address; `None` = 0.0.0.0: traffic is sent to this router.
    pub forwarding: Option<Ipv4Addr>,
    /// External Route Tag.
    pub tag: u32,
}

/// Metric of an external route (RFC 2328 §16.4), 24 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ExternalMetric {
    /// A metric that is comparable with, and added to, the cost inside the AS.
    Type1(u32),
    /// A metric that is larger than any cost inside the AS.
    Type2(u32),
}

impl ExternalMetric {
    /// The 24-bit value.
    pub fn value(self) -> u32 {
        let (Self::Type1(metric) | Self::Type2(metric)) = self;
        metric
    }
}
