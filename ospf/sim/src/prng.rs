//! All random numbers of a run, from one seed: SplitMix64 (Steele, Lea, Flood 2014). The seed is enough to repeat a run.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A pseudorandom sequence, which is determined by its seed.
#[derive(Debug, Clone)]
pub struct Prng(u64);

impl Prng {
    /// Starts the sequence of `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the next number.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = self.0;
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Splits off an independent sequence, so that what one part draws does not affect what another part draws.
    pub const fn fork(&mut self) -> Self {
        Self::new(self.next_u64())
    }

    /// Draws a number below `bound`.
    ///
    /// # Panics
    /// If `bound` is zero.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "a number below zero");
        ((u128::from(self.next_u64()) * bound as u128) >> 64) as usize
    }

    /// Draws a number from `low` to `high`, both included.
    pub fn between(&mut self, low: u16, high: u16) -> u16 {
        debug_assert!(low <= high);
        low + self.below(usize::from(high - low) + 1) as u16
    }

    /// Draws one of `choices`; `None` if there are none.
    pub fn choose<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        (!choices.is_empty()).then(|| &choices[self.below(choices.len())])
    }

    /// Draws whether something with this probability happens.
    pub fn happens(&mut self, probability: Probability) -> bool {
        // An f64 represents 53 bits exactly.
        probability.0 > 0.0 && ((self.next_u64() >> 11) as f64) < probability.0 * (1_u64 << 53) as f64
    }

    /// Draws a duration from zero up to `bound`.
    pub fn duration(&mut self, bound: Duration) -> Duration {
        let nanos = (u128::from(self.next_u64()) * bound.as_nanos()) >> 64;
        Duration::from_nanos(u64::try_from(nanos).expect("durations in a run are far below 2^64 ns"))
    }
}

/// A probability, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Probability(f64);

impl Probability {
    /// The probability of what never happens.
    pub const ZERO: Self = Self(0.0);

    /// Creates a probability; `None` if `value` is not from 0 to 1.
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=1.0).contains(&value).then_some(Self(value))
    }

    /// Returns the value.
    pub const fn value(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Probability {
    type Err = NotAProbability;

    fn from_str(text: &str) -> Result<Self, NotAProbability> {
        text.parse().ok().and_then(Self::new).ok_or(NotAProbability)
    }
}

/// The error for a text that is not a probability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a probability is a number from 0 to 1")]
pub struct NotAProbability;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        // The reference implementation's first outputs for seed 1234567.
        let mut prng = Prng::new(1_234_567);
        assert_eq!([prng.next_u64(), prng.next_u64()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn things_happen_as_often_as_they_should() {
        let mut prng = Prng::new(3);
        let tenth = Probability::new(0.1).unwrap();
        let count = (0..100_000).filter(|_| prng.happens(tenth)).count();
        assert!((9_500..10_500).contains(&count), "{count}");
        assert!((0..1000).all(|_| !prng.happens(Probability::ZERO)));
        assert!((0..1000).all(|_| prng.happens(Probability::new(1.0).unwrap())));
    }

    #[test]
    fn numbers_and_durations_stay_within_their_bounds() {
        let mut prng = Prng::new(9);
        assert!((0..1000).all(|_| prng.below(7) < 7));
        assert!((0..1000).all(|_| (3..=5).contains(&prng.between(3, 5))));
        assert!((0..1000).all(|_| prng.duration(Duration::from_millis(2)) < Duration::from_millis(2)));
        assert_eq!(prng.choose::<u8>(&[]), None);
    }

    #[test]
    fn a_probability_is_between_zero_and_one() {
        assert!("0.1".parse::<Probability>().is_ok());
        for text in ["1.1", "-0.1", "NaN", "ten"] {
            assert_eq!(text.parse::<Probability>(), Err(NotAProbability), "{text}");
        }
    }
}
