//! What a bad wire does to OSPF packets: loses, duplicates and delays them, as a seeded generator decides.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

/// The environment variable that sets the seed of [`seed`].
const SEED_VARIABLE: &str = "WEFT_TEST_SEED";

/// The longest delay: longer than MinLSArrival and HelloInterval, so that whole floods overtake each other; shorter than a
/// retransmission interval of 5 s, so that it is never taken for a loss.
pub const LONGEST_DELAY: Duration = Duration::from_secs(2);

/// The longest of the short delays, by which packets of one exchange overtake each other.
const SHORT_DELAY: Duration = Duration::from_millis(20);

/// How often packets are disturbed, each probability for each receiver by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Disturbance {
    /// That no copy arrives.
    pub loss: f64,
    /// That a second copy arrives.
    pub duplication: f64,
    /// That a copy is delayed, by up to [`LONGEST_DELAY`].
    pub delay: f64,
    pub seed: u64,
}

impl Disturbance {
    /// Each of the three with the same probability.
    pub fn level(probability: f64, seed: u64) -> Self {
        Self { loss: probability, duplication: probability, delay: probability, seed }
    }
}

/// The seed that [`SEED_VARIABLE`] gives, or one of the clock. It decides what the wire does to the nth packet; when routers send is
/// theirs to decide, so that a seed repeats the conditions of a run and not the run.
pub fn seed() -> Result<u64> {
    match std::env::var(SEED_VARIABLE) {
        Ok(text) => text.parse().with_context(|| format!("{SEED_VARIABLE}={text}: not a number")),
        Err(_) => Ok(u64::from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.subsec_nanos())),
    }
}

/// Decides over one packet after the other.
pub struct Fates {
    disturbance: Disturbance,
    state: u64,
}

impl Fates {
    pub fn new(disturbance: Disturbance) -> Self {
        Self { disturbance, state: disturbance.seed }
    }

    /// The delay of each copy of the next packet that arrives: none, one or two.
    pub fn next(&mut self) -> Vec<Duration> {
        let Disturbance { loss, duplication, delay, .. } = self.disturbance;
        if self.happens(loss) {
            return Vec::new();
        }
        let copies = if self.happens(duplication) { 2 } else { 1 };
        (0..copies).map(|_| if self.happens(delay) { self.delay() } else { Duration::ZERO }).collect()
    }

    fn delay(&mut self) -> Duration {
        let longest = if self.happens(0.5) { SHORT_DELAY } else { LONGEST_DELAY };
        longest.mul_f64(self.fraction())
    }

    fn happens(&mut self, probability: f64) -> bool {
        self.fraction() < probability
    }

    /// From 0 to 1, by SplitMix64.
    #[allow(clippy::cast_precision_loss, reason = "53 bits are exact")]
    fn fraction(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
