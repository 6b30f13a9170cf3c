//! Pseudorandom numbers from a seed (SplitMix64), for jitter, discriminators and first sequence numbers. The same seed gives the same
//! numbers. Not for secrets.

use std::time::Duration;

/// A pseudorandom number generator.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns the upper half of the next number.
    pub fn next_u32(&mut self) -> u32 {
        u32::try_from(self.next_u64() >> 32).expect("32 bits are left")
    }

    /// Returns a duration from `first` to `last`, in whole microseconds.
    pub fn between(&mut self, first: Duration, last: Duration) -> Duration {
        let width = u64::try_from(last.saturating_sub(first).as_micros()).unwrap_or(u64::MAX - 1);
        first + Duration::from_micros(self.next_u64() % (width + 1))
    }
}
