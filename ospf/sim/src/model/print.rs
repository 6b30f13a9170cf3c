//! Hashes that identify states; instants are replaced by their distance from the present.

use std::hash::Hasher;
use std::time::Duration;

use ospf::Instant;

/// Instants further in the past than this are all the same: the longest time for which an engine remembers an instant is RxmtInterval.
const FORGOTTEN: i128 = Duration::from_secs(15).as_nanos() as i128;

/// Instants further in the future than this are all the same, because they are not reached: LSAs reaching MaxAge.
const FAR: i128 = Duration::from_secs(200).as_nanos() as i128;

/// A hash of 128 bits, relative to an instant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Print {
    lanes: [u64; 2],
    now: i128,
}

impl Print {
    pub(super) const fn new(now: Instant) -> Self {
        Self { lanes: [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344], now: now.since_origin().as_nanos() as i128 }
    }

    pub(super) fn word(&mut self, word: u64) {
        const FACTORS: [u64; 2] = [0xa076_1d64_78bd_642f, 0xe703_7ed1_a0b4_28db];
        for (lane, factor) in self.lanes.iter_mut().zip(FACTORS) {
            let product = u128::from(*lane ^ word) * u128::from(factor);
            // The sum prevents a product of zero from erasing all that was hashed before.
            *lane = lane.rotate_left(23).wrapping_add((product as u64) ^ (product >> 64) as u64);
        }
    }

    pub(super) fn print(&mut self, print: u128) {
        self.word(print as u64);
        self.word((print >> 64) as u64);
    }

    pub(super) fn value(self) -> u128 {
        u128::from(self.lanes[0]) << 64 | u128::from(self.lanes[1])
    }
}

impl Hasher for Print {
    fn finish(&self) -> u64 {
        self.lanes[0]
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.word(u64::from_le_bytes(chunk.try_into().expect("eight octets")));
        }
        let mut last = [0; 8];
        last[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
        self.word(u64::from_le_bytes(last));
    }

    fn write_u8(&mut self, number: u8) {
        self.word(number.into());
    }

    fn write_u16(&mut self, number: u16) {
        self.word(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.word(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.word(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.word(number as u64);
    }

    /// Hashes an instant; nothing else has this type (see [`ospf::Engine::hash_state`]). All that is long ago, or far off, is the same.
    fn write_u128(&mut self, nanos: u128) {
        self.word((nanos as i128 - self.now).clamp(-FORGOTTEN, FAR) as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::Hash as _;

    fn at(millis: u64) -> Instant {
        Instant::new(Duration::from_millis(millis))
    }

    fn of(instants: &[Instant], now: Instant) -> u128 {
        let mut print = Print::new(now);
        instants.hash(&mut print);
        print.value()
    }

    #[test]
    fn only_the_distance_from_now_counts() {
        assert_eq!(of(&[at(1000), at(1500)], at(1200)), of(&[at(5000), at(5500)], at(5200)));
        assert_ne!(of(&[at(1000), at(1500)], at(1200)), of(&[at(5000), at(5500)], at(5201)));
    }

    #[test]
    fn what_is_long_ago_is_the_same() {
        assert_eq!(of(&[at(0)], at(100_000)), of(&[at(50_000)], at(100_000)));
        assert_ne!(of(&[at(0)], at(100_000)), of(&[at(90_000)], at(100_000)));
    }

    #[test]
    fn every_octet_and_its_place_counts() {
        let of = |text: &str| {
            let mut print = Print::new(Instant::ZERO);
            text.hash(&mut print);
            print.value()
        };
        let texts = ["", "a", "b", "ab", "ba", "abcdefgh", "abcdefghi", "abcdefghj", "bbcdefghi"];
        let prints: std::collections::BTreeSet<_> = texts.into_iter().map(of).collect();
        assert_eq!(prints.len(), texts.len());
    }
}
