//! Signing of packets that are sent (RFC 2328 §D.4, RFC 7474 §3): the encoded packet may be shared, but each interface adds its own
//! signature.

use std::net::Ipv4Addr;

use bytes::{BufMut, Bytes, BytesMut};

use super::digest::{Construction, Digest};
use super::{EXTENDED_SEQUENCE_LEN, au_type};
use crate::config::{Authentication, KeyChain, KeyId, KeyStanding, SequenceCheck};
use crate::time::Instant;
use crate::wire;

/// Cryptographic sequence numbers, counted together for all interfaces (RFC 2328 §D.3, RFC 7474 §2).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sequences {
    /// The last number of AuType 2.
    plain: u32,
    /// The last number of AuType 3: boot count in the upper half, packets since then in the lower half.
    extended: u64,
}

impl Sequences {
    /// §D.4.3: "set to a nondecreasing number", here in seconds from `boot` on; the largest number is not exceeded.
    fn next_plain(&mut self, boot: u32, now: Instant, check: SequenceCheck) -> u32 {
        let seconds = u32::try_from(now.since_origin().as_secs()).unwrap_or(u32::MAX);
        let clock = boot.saturating_add(seconds);
        let least = match check {
            SequenceCheck::Strict => self.plain.saturating_add(1),
            SequenceCheck::NotSmaller | SequenceCheck::Extended => self.plain,
        };
        self.plain = clock.max(least);
        self.plain
    }

    /// RFC 7474 §2: "incremented for every OSPF packet sent"; when the lower half is used up, the boot count is incremented.
    fn next_extended(&mut self, boot: u32) -> u64 {
        let first = u64::from(boot) << 32;
        self.extended = self.extended.max(first).saturating_add(1);
        debug_assert!(self.extended > first);
        self.extended
    }

    /// A value of `boot` for the next incarnation of this router: all its numbers are then larger than those of this one.
    pub(crate) fn next_boot(&self) -> u32 {
        let upper = u32::try_from(self.extended >> 32).expect("half of 64 bits");
        self.plain.max(upper).saturating_add(1)
    }
}

/// The maximum number of octets that follow a signed packet, with any key that may be in use when it is sent.
pub(crate) fn trailer_len(authentication: &Authentication) -> usize {
    match authentication {
        Authentication::Null | Authentication::Simple(_) => 0,
        Authentication::Cryptographic(chain) => {
            let digest = chain.keys().iter().map(|key| key.algorithm.digest_len()).max().unwrap_or_default();
            digest + sequence_len(chain)
        }
    }
}

fn sequence_len(chain: &KeyChain) -> usize {
    match chain.sequence() {
        SequenceCheck::NotSmaller | SequenceCheck::Strict => 0,
        SequenceCheck::Extended => EXTENDED_SEQUENCE_LEN,
    }
}

/// A signed packet.
#[derive(Debug)]
pub(crate) struct Signature {
    pub(crate) packet: Bytes,
    /// The key with which it was signed.
    pub(crate) key: Option<(KeyId, KeyStanding)>,
}

/// Signs a packet that [`wire::Packet::encode`] encoded without authentication.
///
/// `boot` is [`crate::Config::boot`]; `source` is the IP source address from which the packet is sent.
pub(crate) fn sign(
    authentication: &Authentication,
    packet: Bytes,
    source: Ipv4Addr,
    sequences: &mut Sequences,
    boot: u32,
    now: Instant,
) -> Signature {
    match authentication {
        Authentication::Null => Signature { packet, key: None },
        Authentication::Simple(password) => {
            let mut signed = BytesMut::from(&packet[..]);
            wire::seal(&mut signed, au_type(authentication), padded(password.expose()));
            Signature { packet: signed.freeze(), key: None }
        }
        Authentication::Cryptographic(chain) => {
            let (key, standing) = chain.signing(now);
            let digest_len = key.algorithm.digest_len();
            let octet = u8::try_from(digest_len).expect("digests have at most 64 octets");
            let mut signed = BytesMut::with_capacity(packet.len() + trailer_len(authentication));
            signed.extend_from_slice(&packet);
            let construction = match chain.sequence() {
                check @ (SequenceCheck::NotSmaller | SequenceCheck::Strict) => {
                    // RFC 2328 §D.3: zero, Key ID, Auth Data Len, sequence number.
                    let [a, b, c, d] = sequences.next_plain(boot, now, check).to_be_bytes();
                    wire::seal(&mut signed, au_type(authentication), [0, 0, key.id.0, octet, a, b, c, d]);
                    Construction::Plain
                }
                SequenceCheck::Extended => {
                    // RFC 7474 §3: zero, Auth Data Len, Key ID; the sequence number follows the packet.
                    wire::seal(&mut signed, au_type(authentication), [0, 0, 0, octet, 0, 0, 0, key.id.0]);
                    signed.put_u64(sequences.next_extended(boot));
                    Construction::FromSource(source)
                }
            };
            let digest = Digest::compute(key, construction, &signed);
            signed.put_slice(digest.as_slice());
            debug_assert!(
                signed.len() <= packet.len() + trailer_len(authentication),
                "the reserved space holds the trailer"
            );
            Signature { packet: signed.freeze(), key: Some((key.id, standing)) }
        }
    }
}

/// The password as the packet header carries it, padded with zeros (RFC 2328 §D.2).
pub(super) fn padded(password: &[u8]) -> [u8; 8] {
    let mut octets = [0; 8];
    let len = password.len().min(octets.len());
    octets[..len].copy_from_slice(&password[..len]);
    octets
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn plain_numbers_follow_the_clock_and_never_go_back() {
        let at = |secs| Instant::new(Duration::from_secs(secs));
        let mut sequences = Sequences::default();
        let not_smaller = SequenceCheck::NotSmaller;
        assert_eq!(sequences.next_plain(1000, at(5), not_smaller), 1005);
        assert_eq!(sequences.next_plain(1000, at(5), not_smaller), 1005);
        assert_eq!(sequences.next_plain(900, at(6), not_smaller), 1005, "a clock that is set back");
        assert_eq!(sequences.next_plain(900, at(6), SequenceCheck::Strict), 1006);
        assert_eq!(sequences.next_plain(900, at(6), SequenceCheck::Strict), 1007);
        assert_eq!(sequences.next_plain(u32::MAX, at(9), not_smaller), u32::MAX);
        assert_eq!(sequences.next_plain(1, at(9), SequenceCheck::Strict), u32::MAX);
    }

    #[test]
    fn extended_numbers_count_each_packet_above_the_boot_count() {
        let mut sequences = Sequences::default();
        assert_eq!(sequences.next_extended(7), 7 << 32 | 1);
        assert_eq!(sequences.next_extended(7), 7 << 32 | 2);
        sequences.extended = 7 << 32 | 0xffff_ffff;
        assert_eq!(sequences.next_extended(7), 8 << 32, "the boot count is incremented");
        assert_eq!(sequences.next_boot(), 9);
    }
}
