//! Simulates what a link does to packets. It uses the run's random numbers, and knows nothing of OSPF.

use std::time::Duration;

use crate::prng::{Prng, Probability};

/// The quality of a link.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// The delay of every packet.
    pub delay: Duration,
    /// The most additional delay, random for each packet, so that packets that are closer together may arrive in another order.
    pub jitter: Duration,
    /// The probability that a packet does not arrive.
    pub loss: Probability,
    /// The probability that a packet arrives twice.
    pub duplication: Probability,
    /// The probability that a packet is held back for [`HOLD`] delays, so that later ones overtake it.
    pub reordering: Probability,
    /// The probability that a packet arrives with one bit changed.
    pub corruption: Probability,
}

/// The number of delays for which a reordered packet is held back.
pub const HOLD: u32 = 10;

impl Quality {
    /// A link on which nothing goes wrong: 1 ms one way.
    pub const GOOD: Self = Self {
        delay: Duration::from_millis(1),
        jitter: Duration::ZERO,
        loss: Probability::ZERO,
        duplication: Probability::ZERO,
        reordering: Probability::ZERO,
        corruption: Probability::ZERO,
    };

    /// Returns the longest time from sending a packet to its arrival.
    pub fn longest(&self) -> Duration {
        let held = if self.reordering > Probability::ZERO { self.delay * HOLD } else { Duration::ZERO };
        self.delay + self.jitter + held
    }

    /// Returns each copy of one packet that arrives.
    pub fn carry(&self, prng: &mut Prng) -> impl Iterator<Item = Arrival> + use<> {
        let copies = 1 + usize::from(prng.happens(self.duplication));
        let mut arrive = [None; 2];
        for copy in &mut arrive[..copies] {
            *copy = self.carry_copy(prng);
        }
        arrive.into_iter().flatten()
    }

    fn carry_copy(&self, prng: &mut Prng) -> Option<Arrival> {
        if prng.happens(self.loss) {
            return None;
        }
        let mut after = self.delay + prng.duration(self.jitter);
        if prng.happens(self.reordering) {
            after += self.delay * HOLD;
        }
        let flipped_bit = prng.happens(self.corruption).then(|| prng.next_u64());
        Some(Arrival { after, flipped_bit })
    }
}

/// A copy of a packet that arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The time since the packet was sent.
    pub after: Duration,
    /// The number of the bit that is changed, modulo the packet's bits; `None` for no change.
    pub flipped_bit: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probability(value: f64) -> Probability {
        Probability::new(value).unwrap()
    }

    #[test]
    fn a_good_link_carries_each_packet_once_and_whole() {
        let copies: Vec<_> = Quality::GOOD.carry(&mut Prng::new(1)).collect();
        assert_eq!(copies, [Arrival { after: Quality::GOOD.delay, flipped_bit: None }]);
    }

    #[test]
    fn loss_and_duplication_are_independent_of_each_other() {
        let quality = Quality { loss: probability(0.5), duplication: probability(0.5), ..Quality::GOOD };
        let mut prng = Prng::new(5);
        let mut arrivals = [0_u32; 3];
        for _ in 0..8000 {
            arrivals[quality.carry(&mut prng).count()] += 1;
        }
        // Half the packets are sent twice: 3/8 arrive never, 1/2 once, 1/8 twice.
        assert!(arrivals[0].abs_diff(3000) < 200 && arrivals[1].abs_diff(4000) < 200, "{arrivals:?}");
    }

    #[test]
    fn held_back_packets_come_later() {
        let quality = Quality { reordering: probability(1.0), ..Quality::GOOD };
        let copies: Vec<_> = quality.carry(&mut Prng::new(1)).collect();
        assert_eq!(copies[0].after, Quality::GOOD.delay * (HOLD + 1));
    }
}
