//! The packet checksum: the 16-bit one's complement checksum of IP, over the packet without its authentication field (RFC 2328 §D.4).

use std::ops::Range;

/// The position of the checksum in the packet header.
pub(super) const CHECKSUM: Range<usize> = 12..14;

/// The position of the 64-bit authentication field in the packet header.
pub(super) const AUTHENTICATION: Range<usize> = 16..24;

/// Computes the checksum of `packet`, whose checksum field must be zero.
///
/// # Panics
/// If the packet is shorter than its header.
pub(super) fn compute(packet: &[u8]) -> u16 {
    !sum(packet)
}

/// Whether the checksum in `packet` is correct. Panics like [`compute`].
pub(super) fn verifies(packet: &[u8]) -> bool {
    sum(packet) == 0xffff
}

fn sum(packet: &[u8]) -> u16 {
    debug_assert!(
        AUTHENTICATION.start.is_multiple_of(2) && AUTHENTICATION.end.is_multiple_of(2),
        "words stay aligned around the gap"
    );
    let words = |bytes: &[u8]| {
        let (pairs, last) = bytes.as_chunks::<2>();
        let whole: u64 = pairs.iter().map(|&pair| u64::from(u16::from_be_bytes(pair))).sum();
        // RFC 2328 §D.4: a packet of odd length is padded with a zero octet.
        whole + last.first().map_or(0, |&octet| u64::from(octet) << 8)
    };
    let mut sum = words(&packet[..AUTHENTICATION.start]) + words(&packet[AUTHENTICATION.end..]);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authentication_field_is_not_summed() {
        let mut packet = [0x5a; 44];
        packet[CHECKSUM].fill(0);
        let checksum = compute(&packet);
        packet[CHECKSUM].copy_from_slice(&checksum.to_be_bytes());
        assert!(verifies(&packet));
        packet[AUTHENTICATION].fill(0x17);
        assert!(verifies(&packet));
        packet[24] ^= 1;
        assert!(!verifies(&packet));
    }

    #[test]
    fn an_odd_length_is_padded_with_zero() {
        let mut padded = [0x33; 30];
        padded[29] = 0;
        assert_eq!(compute(&padded), compute(&padded[..29]));
    }
}
