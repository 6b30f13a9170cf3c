//! When routes are calculated (RFC 8405).

use std::time::Duration;

/// The five parameters of RFC 8405 §4. A change applies from the next change of the network on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
pub struct SpfDelay {
    /// INITIAL_SPF_DELAY: after a quiet time.
    pub initial: Duration,
    /// SHORT_SPF_DELAY: while the parts of a single failure make themselves known one by one.
    pub short: Duration,
    /// LONG_SPF_DELAY: while changes do not end.
    pub long: Duration,
    /// TIME_TO_LEARN_INTERVAL: how long after the first change the short delay holds.
    pub time_to_learn: Duration,
    /// HOLDDOWN_INTERVAL: a time without changes after which it is quiet.
    pub holddown: Duration,
}

impl Default for SpfDelay {
    /// At once, then 50 ms, then 500 ms.
    ///
    /// Deviates: RFC 8405 §6 suggests 50 ms, 200 ms and 5 s with 500 ms to learn and 10 s of holddown. The calculation takes a
    /// millisecond here, and fast reroute does not wait for other routers to calculate at the same time.
    fn default() -> Self {
        Self {
            initial: Duration::ZERO,
            short: Duration::from_millis(50),
            long: Duration::from_millis(500),
            time_to_learn: Duration::from_secs(2),
            holddown: Duration::from_secs(4),
        }
    }
}
