//! Authentication of control packets (RFC 5880 §6.7): passwords, and digests with a sequence number against replay.

use std::fmt;

use md5::{Digest as _, Md5};
use sha1::Sha1;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::wire::MANDATORY;

/// Octets before the digest: type, length, key id, reserved, sequence number (§4.3, §4.4).
const BEFORE_DIGEST: usize = 8;
/// Octets before the password: type, length, key id (§4.2).
const BEFORE_PASSWORD: usize = 3;

/// How packets are authenticated (§4.1: Auth Type).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AuthenticationType {
    /// A password that everybody on the link can read.
    SimplePassword,
    /// MD5; a packet may be repeated for as long as its sequence number is not exceeded.
    KeyedMd5,
    /// MD5; no packet may be repeated.
    MeticulousKeyedMd5,
    /// SHA-1; a packet may be repeated for as long as its sequence number is not exceeded.
    KeyedSha1,
    /// SHA-1; no packet may be repeated.
    MeticulousKeyedSha1,
}

impl AuthenticationType {
    fn number(self) -> u8 {
        match self {
            Self::SimplePassword => 1,
            Self::KeyedMd5 => 2,
            Self::MeticulousKeyedMd5 => 3,
            Self::KeyedSha1 => 4,
            Self::MeticulousKeyedSha1 => 5,
        }
    }

    /// Whether every packet has a sequence number of its own.
    pub(crate) fn is_meticulous(self) -> bool {
        matches!(self, Self::MeticulousKeyedMd5 | Self::MeticulousKeyedSha1)
    }

    /// The longest key, in octets.
    pub const fn max_key(self) -> usize {
        match self {
            Self::SimplePassword | Self::KeyedMd5 | Self::MeticulousKeyedMd5 => 16,
            Self::KeyedSha1 | Self::MeticulousKeyedSha1 => 20,
        }
    }
}

/// The key of a session, and how it is used.
#[derive(Clone, PartialEq, Eq)]
pub struct Authentication {
    kind: AuthenticationType,
    key_id: u8,
    /// Any octets, zeros among them.
    key: Zeroizing<Vec<u8>>,
}

/// Does not show the key.
impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authentication").field("kind", &self.kind).field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// A key that its authentication type has no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key of {given} octets: it has to have 1 to {most}")]
pub struct KeyLength {
    given: usize,
    most: usize,
}

/// Why a packet is not authentic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Forgery {
    /// The packet has an authentication section, and the session has no key.
    #[error("authenticated, and no key is configured")]
    Unexpected,
    /// The session has a key, and the packet has no authentication section.
    #[error("not authenticated")]
    Missing,
    /// The section has another type than the session.
    #[error("another authentication type")]
    Type,
    /// The section has another length than its type has.
    #[error("an authentication section of a wrong length")]
    Length,
    /// The section names another key.
    #[error("another key id")]
    KeyId,
    /// The password or the digest is wrong.
    #[error("a wrong password or digest")]
    Digest,
    /// The sequence number is not among the next ones: the packet is a copy of an old one, or too many were lost.
    #[error("a sequence number outside of the expected ones")]
    Sequence,
}

/// The sequence numbers of what has been received (§6.8.1: bfd.RcvAuthSeq, bfd.AuthSeqKnown).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ReceivedSequence(Option<u32>);

impl ReceivedSequence {
    /// Forgets it: the next authentic packet may have any number.
    pub fn forget(&mut self) {
        self.0 = None;
    }

    /// Whether a packet with this number and Detect Mult may follow.
    fn permits(self, kind: AuthenticationType, number: u32, multiplier: u8) -> bool {
        let Some(last) = self.0 else { return true };
        let ahead = number.wrapping_sub(last);
        ahead >= u32::from(kind.is_meticulous()) && ahead <= 3 * u32::from(multiplier)
    }
}

impl Authentication {
    /// Creates it from a key of 1 to [`AuthenticationType::max_key`] octets.
    ///
    /// # Errors
    /// If the key has another length.
    pub fn new(kind: AuthenticationType, key_id: u8, key: &[u8]) -> Result<Self, KeyLength> {
        let most = kind.max_key();
        match key.len() {
            given if given == 0 || given > most => Err(KeyLength { given, most }),
            _ => Ok(Self { kind, key_id, key: Zeroizing::new(key.to_vec()) }),
        }
    }

    /// How packets are authenticated.
    pub fn kind(&self) -> AuthenticationType {
        self.kind
    }

    /// Octets of the authentication section.
    pub(crate) fn len(&self) -> u8 {
        let octets = match self.kind {
            AuthenticationType::SimplePassword => BEFORE_PASSWORD + self.key.len(),
            kind => BEFORE_DIGEST + kind.max_key(),
        };
        octets as u8
    }

    /// Appends the authentication section to the mandatory section in `packet`.
    pub(crate) fn sign(&self, packet: &mut Vec<u8>, sequence: u32) {
        debug_assert_eq!(packet.len(), MANDATORY);
        packet.extend([self.kind.number(), self.len(), self.key_id]);
        if self.kind == AuthenticationType::SimplePassword {
            packet.extend(self.key.iter());
            return;
        }
        packet.push(0);
        packet.extend(sequence.to_be_bytes());
        let digest = self.digest(packet);
        packet.extend(digest);
    }

    /// Checks a received packet, whole as its Length says, and records its sequence number if it is authentic.
    pub(crate) fn verify(&self, packet: &[u8], multiplier: u8, received: &mut ReceivedSequence) -> Result<(), Forgery> {
        let section = packet.get(MANDATORY..).unwrap_or_default();
        let [kind, length, rest @ ..] = section else { return Err(Forgery::Length) };
        if *kind != self.kind.number() {
            return Err(Forgery::Type);
        }
        if usize::from(*length) != section.len() {
            return Err(Forgery::Length);
        }
        let [key_id, rest @ ..] = rest else { return Err(Forgery::Length) };
        if *key_id != self.key_id {
            return Err(Forgery::KeyId);
        }
        if self.kind == AuthenticationType::SimplePassword {
            return if bool::from(rest.ct_eq(&self.key)) { Ok(()) } else { Err(Forgery::Digest) };
        }
        let [_reserved, a, b, c, d, digest @ ..] = rest else { return Err(Forgery::Length) };
        if digest.len() != self.kind.max_key() {
            return Err(Forgery::Length);
        }
        let sequence = u32::from_be_bytes([*a, *b, *c, *d]);
        if !received.permits(self.kind, sequence, multiplier) {
            return Err(Forgery::Sequence);
        }
        if !bool::from(digest.ct_eq(&self.digest(&packet[..MANDATORY + BEFORE_DIGEST]))) {
            return Err(Forgery::Digest);
        }
        received.0 = Some(sequence);
        Ok(())
    }

    /// The digest of a packet up to its digest: over these octets and the key, padded with zeros, in its place (§6.7.3, §6.7.4).
    fn digest(&self, before: &[u8]) -> Vec<u8> {
        let mut key = Zeroizing::new([0; 20]);
        key[..self.key.len()].copy_from_slice(&self.key);
        let key = &key[..self.kind.max_key()];
        match self.kind {
            AuthenticationType::KeyedSha1 | AuthenticationType::MeticulousKeyedSha1 => {
                Sha1::new().chain_update(before).chain_update(key).finalize().to_vec()
            }
            _ => Md5::new().chain_update(before).chain_update(key).finalize().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPES: [AuthenticationType; 5] = [
        AuthenticationType::SimplePassword,
        AuthenticationType::KeyedMd5,
        AuthenticationType::MeticulousKeyedMd5,
        AuthenticationType::KeyedSha1,
        AuthenticationType::MeticulousKeyedSha1,
    ];

    fn signed(authentication: &Authentication, sequence: u32) -> Vec<u8> {
        let mut packet = vec![0; MANDATORY];
        packet[3] = MANDATORY as u8 + authentication.len();
        authentication.sign(&mut packet, sequence);
        assert_eq!(packet.len(), usize::from(packet[3]));
        packet
    }

    fn verify(authentication: &Authentication, packet: &[u8], received: &mut ReceivedSequence) -> Result<(), Forgery> {
        authentication.verify(packet, 3, received)
    }

    #[test]
    fn corner_case_26_what_is_signed_is_authentic_and_every_changed_octet_is_found() {
        for kind in TYPES {
            let authentication = Authentication::new(kind, 7, b"\0a\0key\0").unwrap();
            let packet = signed(&authentication, 1);
            assert_eq!(verify(&authentication, &packet, &mut ReceivedSequence::default()), Ok(()), "{kind:?}");
            let protected = if kind == AuthenticationType::SimplePassword { MANDATORY } else { 0 };
            for place in protected..packet.len() {
                let mut changed = packet.clone();
                changed[place] ^= 1;
                let mut received = ReceivedSequence::default();
                assert!(verify(&authentication, &changed, &mut received).is_err(), "{kind:?}: octet {place}");
                assert_eq!(received, ReceivedSequence::default(), "a forged number is not taken");
            }
            for length in 0..packet.len() {
                let cut = &packet[..length];
                assert!(verify(&authentication, cut, &mut ReceivedSequence::default()).is_err(), "{kind:?}: {length}");
            }
        }
    }

    #[test]
    fn corner_case_24_the_next_sequence_numbers_are_expected_and_no_others() {
        for (kind, same) in [(AuthenticationType::KeyedSha1, true), (AuthenticationType::MeticulousKeyedMd5, false)] {
            let authentication = Authentication::new(kind, 1, b"key").unwrap();
            for last in [100, u32::MAX - 2] {
                for (ahead, expected) in [(u32::MAX, false), (0, same), (1, true), (9, true), (10, false)] {
                    let mut received = ReceivedSequence(Some(last));
                    let number = last.wrapping_add(ahead);
                    let verified = verify(&authentication, &signed(&authentication, number), &mut received);
                    assert_eq!(verified, if expected { Ok(()) } else { Err(Forgery::Sequence) }, "{kind:?} +{ahead}");
                    assert_eq!(received, ReceivedSequence(Some(if expected { number } else { last })));
                }
            }
        }
    }

    #[test]
    fn corner_case_25_any_number_may_come_first_but_only_with_a_good_digest() {
        let authentication = Authentication::new(AuthenticationType::MeticulousKeyedSha1, 1, b"key").unwrap();
        let other = Authentication::new(AuthenticationType::MeticulousKeyedSha1, 1, b"kex").unwrap();
        let mut received = ReceivedSequence::default();
        assert_eq!(verify(&authentication, &signed(&other, 9), &mut received), Err(Forgery::Digest));
        assert_eq!(verify(&authentication, &signed(&authentication, 5), &mut received), Ok(()));
        assert_eq!(verify(&authentication, &signed(&authentication, 5), &mut received), Err(Forgery::Sequence));
    }

    #[test]
    fn keys_have_their_lengths_and_are_not_shown() {
        for kind in TYPES {
            let most = kind.max_key();
            assert!(Authentication::new(kind, 1, &vec![1; most]).is_ok());
            for given in [0, most + 1] {
                let error = Authentication::new(kind, 1, &vec![1; given]).unwrap_err();
                assert_eq!(error.to_string(), format!("a key of {given} octets: it has to have 1 to {most}"));
            }
        }
        let shown = format!("{:?}", Authentication::new(AuthenticationType::KeyedMd5, 1, b"secret").unwrap());
        assert!(!shown.contains("secret") && !shown.contains("115"), "{shown}");
    }

    #[test]
    fn the_digest_is_that_of_the_packet_with_the_key_in_its_place() {
        let authentication = Authentication::new(AuthenticationType::KeyedMd5, 1, b"key").unwrap();
        let packet = signed(&authentication, 0x0102_0304);
        assert_eq!(packet[MANDATORY..MANDATORY + BEFORE_DIGEST], [2, 24, 1, 0, 1, 2, 3, 4]);
        let mut in_place = packet.clone();
        in_place[MANDATORY + BEFORE_DIGEST..].copy_from_slice(b"key\0\0\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(packet[MANDATORY + BEFORE_DIGEST..], *Md5::digest(&in_place));
    }
}
