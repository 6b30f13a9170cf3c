//! The LS checksum: the Fletcher checksum of ISO 8473 and RFC 905 annex B (RFC 2328 §12.1.7).
//!
//! It covers the whole LSA except LS age, so an LSA can age without a new checksum.

/// The running sums. All octets are to be added in order, including those of the checksum field.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Fletcher {
    c0: u32,
    c1: u32,
    len: usize,
}

/// The number of octets that may be added to sums below 255 before 32 bits overflow: 254 + 254 n + 255 n (n + 1) / 2 < 2^32.
const OCTETS_BETWEEN_REDUCTIONS: usize = 5802;

impl Fletcher {
    /// Adds octets.
    #[must_use]
    pub(super) fn add(mut self, octets: &[u8]) -> Self {
        for run in octets.chunks(OCTETS_BETWEEN_REDUCTIONS) {
            for &octet in run {
                self.c0 += u32::from(octet);
                self.c1 += self.c0;
            }
            self.c0 %= 255;
            self.c1 %= 255;
        }
        self.len += octets.len();
        self
    }

    /// Whether the sums of all octets, including the check octets, are zero. A check octet of 0x00 is equivalent to 0xff.
    pub(super) fn is_zero(self) -> bool {
        self.c0 == 0 && self.c1 == 0
    }

    /// The two check octets for `position`, where zeros were added. Neither is ever 0x00.
    pub(super) fn check_octets(self, position: usize) -> [u8; 2] {
        debug_assert!(position + 2 <= self.len);
        debug_assert!(self.c0 < 255 && self.c1 < 255);
        // The octets from the first check octet on carry weights n, n - 1, … in c1. With x and y the check octets,
        // c0 + x + y = 0 and c1 + n x + (n - 1) y = 0 modulo 255 give x = (n - 1) c0 - c1 and y = c1 - n c0.
        let n = ((self.len - position) % 255) as i64;
        let (c0, c1) = (i64::from(self.c0), i64::from(self.c1));
        let octet = |value: i64| match value.rem_euclid(255) {
            0 => 255,
            value => value as u8,
        };
        [octet((n - 1) * c0 - c1), octet(c1 - n * c0)]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn check_octets_make_the_sums_zero(
            mut octets in proptest::collection::vec(any::<u8>(), 2..12_000),
            at in any::<proptest::sample::Index>(),
        ) {
            let position = at.index(octets.len() - 1);
            octets[position..position + 2].fill(0);
            let check = Fletcher::default().add(&octets).check_octets(position);
            octets[position..position + 2].copy_from_slice(&check);
            prop_assert!(Fletcher::default().add(&octets).is_zero());
            prop_assert!(!check.contains(&0));
        }

        #[test]
        fn adding_in_pieces_is_adding_at_once(octets in proptest::collection::vec(any::<u8>(), 0..9000), at in any::<proptest::sample::Index>()) {
            let (head, tail) = octets.split_at(at.index(octets.len() + 1));
            let pieces = Fletcher::default().add(head).add(tail);
            let whole = Fletcher::default().add(&octets);
            prop_assert_eq!((pieces.c0, pieces.c1, pieces.len), (whole.c0, whole.c1, whole.len));
        }
    }

    #[test]
    fn the_longest_run_of_the_largest_octets_does_not_overflow() {
        let sums = Fletcher { c0: 254, c1: 254, len: 0 }.add(&[255; OCTETS_BETWEEN_REDUCTIONS]);
        assert_eq!(sums.c0, 254);
    }
}
