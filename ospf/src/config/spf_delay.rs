//! The delay of route calculations (RFC 8405).

use std::time::Duration;

/// The five parameters of RFC 8405 §4. A new value applies from the next network change on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
pub struct SpfDelay {
    /// INITIAL_SPF_DELAY: the delay after a quiet time.
    pub initial: Duration,
    /// SHORT_SPF_DELAY: the delay while the parts of a single failure become known one by one.
    pub short: Duration,
    /// LONG_SPF_DELAY: the delay while changes continue.
    pub long: Duration,
    /// TIME_TO_LEARN_INTERVAL: how long after the first change the short delay applies.
    pub time_to_learn: Duration,
    /// HOLDDOWN_INTERVAL: the time without changes that makes a quiet time.
    pub holddown: Duration,
}

impl Default for SpfDelay {
    /// No delay, then 50 ms, then 500 ms.
    ///
    /// Deviates: RFC 8405 §6 suggests 50 ms, 200 ms and 5 s, with 500 ms to learn and 10 s of holddown. Here a calculation takes about a
    /// millisecond, and fast reroute does not wait for other routers to calculate at the same time.
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
