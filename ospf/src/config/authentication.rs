//! Authentication of an interface's packets (RFC 2328 appendix D, RFC 5709, RFC 7474): which, with what keys, and when each is in use.

use std::sync::Arc;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::time::Instant;

/// Keys of one chain: an operator rolls over between two.
pub const MAX_KEYS: usize = 64;

/// How the packets of an interface are authenticated. All routers on its network must agree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Authentication {
    /// Not at all (AuType 0).
    #[default]
    Null,
    /// By a password that everybody on the link can read (AuType 1). Its first 8 octets count, shorter ones are padded with zeros.
    Simple(Secret),
    /// By a digest over packet and key (AuType 2, or 3 with [`SequenceCheck::Extended`]).
    Cryptographic(KeyChain),
}

/// Octets that nobody is to see: printed as `Secret(..)`, compared in constant time, zeroed when dropped. They may contain anything. Its
/// clones share one copy.
#[derive(Clone)]
pub struct Secret {
    octets: Arc<Zeroizing<Vec<u8>>>,
    origin: Origin,
}

/// Whether a secret is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Routers trust in it.
    Operator,
    /// It takes the place of one in a trace, and may be seen ([`crate::Redaction`]).
    StandIn,
}

impl Secret {
    /// Takes the octets; the buffer itself is zeroed with the secret.
    pub fn new(octets: Vec<u8>) -> Self {
        Self { octets: Arc::new(Zeroizing::new(octets)), origin: Origin::Operator }
    }

    /// What takes a secret's place.
    pub(crate) fn stand_in(octets: Vec<u8>) -> Self {
        Self { octets: Arc::new(Zeroizing::new(octets)), origin: Origin::StandIn }
    }

    /// The octets.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.octets
    }

    #[cfg(feature = "serde")]
    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }
}

impl Eq for Secret {}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.octets.ct_eq(&other.octets).into()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.origin {
            Origin::Operator => "Secret(..)",
            Origin::StandIn => "Secret(stand-in)",
        })
    }
}

/// Key ID (RFC 2328 §D.3): which of a chain's keys a packet was signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct KeyId(pub u8);

impl std::fmt::Display for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The function that makes the digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum KeyAlgorithm {
    /// Keyed MD5 (RFC 2328 §D.4.3). The key's first 16 octets count, shorter ones are padded with zeros.
    Md5,
    /// HMAC-SHA-1 (RFC 5709).
    HmacSha1,
    /// HMAC-SHA-256.
    HmacSha256,
    /// HMAC-SHA-384.
    HmacSha384,
    /// HMAC-SHA-512.
    HmacSha512,
}

impl KeyAlgorithm {
    /// Octets of a digest.
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::HmacSha1 => 20,
            Self::HmacSha256 => 32,
            Self::HmacSha384 => 48,
            Self::HmacSha512 => 64,
        }
    }
}

/// From when and until when something holds, `None` = always; in the engine's time, so that whoever owns a clock converts.
///
/// When that clock is set, the same lifetimes are other instants: a new configuration with these disturbs no adjacency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Lifetime {
    /// Its first instant.
    pub from: Option<Instant>,
    /// The first instant after it.
    pub until: Option<Instant>,
}

impl Lifetime {
    /// Without beginning and end.
    pub const ALWAYS: Self = Self { from: None, until: None };

    /// Whether `now` lies in it.
    pub fn contains(&self, now: Instant) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now < until)
    }
}

/// A key (RFC 2328 §D.3).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Key {
    /// By which packets name it; no two of a chain have the same.
    pub id: KeyId,
    /// What it is used with.
    pub algorithm: KeyAlgorithm,
    /// The key itself.
    pub secret: Secret,
    /// KeyStartGenerate to KeyStopGenerate: when packets are signed with it.
    pub send: Lifetime,
    /// KeyStartAccept to KeyStopAccept: when packets signed with it are taken.
    pub accept: Lifetime,
}

/// Which sequence numbers are new (RFC 2328 §D.4.3, RFC 7474 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum SequenceCheck {
    /// Those that are not smaller than the last. Those sent are seconds: packets of one second share theirs, as with other routers.
    #[default]
    NotSmaller,
    /// Those that are larger than the last; each one sent is. A network that reorders packets loses some of them.
    Strict,
    /// As `Strict`, but for each type of packet by itself, in 64 bits that outlive a restart (AuType 3).
    Extended,
}

/// The keys of an interface, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "crate::serial::KeyChainFields"))]
pub struct KeyChain {
    keys: Vec<Key>,
    sequence: SequenceCheck,
}

/// Why keys make no chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyChainError {
    /// There are none.
    #[error("no key")]
    Empty,
    /// There are more than [`MAX_KEYS`].
    #[error("more than {MAX_KEYS} keys")]
    TooMany,
    /// Two have one Key ID.
    #[error("two keys with id {0}")]
    DuplicateId(KeyId),
    /// RFC 7474 defines AuType 3 for HMAC only.
    #[error("keyed MD5 has no extended sequence numbers")]
    ExtendedMd5,
}

/// Whether the key in use is within its lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStanding {
    /// It is.
    Valid,
    /// No key is: this was the last that was, and stays in use until another is configured.
    Expired,
    /// No key is nor was: this is the first that will be.
    Premature,
}

impl KeyChain {
    /// A chain of these keys, of which those further back are taken for younger where lifetimes began at the same instant.
    ///
    /// # Errors
    /// If packets could not be signed, or not with a single meaning.
    pub fn new(keys: Vec<Key>, sequence: SequenceCheck) -> Result<Self, KeyChainError> {
        if keys.is_empty() {
            return Err(KeyChainError::Empty);
        }
        if keys.len() > MAX_KEYS {
            return Err(KeyChainError::TooMany);
        }
        for (index, key) in keys.iter().enumerate() {
            if keys[..index].iter().any(|other| other.id == key.id) {
                return Err(KeyChainError::DuplicateId(key.id));
            }
            if sequence == SequenceCheck::Extended && key.algorithm == KeyAlgorithm::Md5 {
                return Err(KeyChainError::ExtendedMd5);
            }
        }
        Ok(Self { keys, sequence })
    }

    /// The keys.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Which sequence numbers are new.
    pub fn sequence(&self) -> SequenceCheck {
        self.sequence
    }

    /// The key that packets are signed with: of those in their send lifetime the youngest (RFC 2328 §D.3, RFC 7474 §4.1).
    pub fn signing(&self, now: Instant) -> (&Key, KeyStanding) {
        let valid = self.keys.iter().filter(|key| key.send.contains(now)).max_by_key(|key| key.send.from);
        match valid {
            Some(key) => (key, KeyStanding::Valid),
            None => self.makeshift(now, |key| key.send),
        }
    }

    /// The key with this id, if packets signed with it are taken (RFC 5709 §3.2).
    pub(crate) fn accepting(&self, id: KeyId, now: Instant) -> Option<&Key> {
        let key = self.keys.iter().find(|key| key.id == id)?;
        let any_valid = self.keys.iter().any(|key| key.accept.contains(now));
        let accepted = match any_valid {
            true => key.accept.contains(now),
            false => self.makeshift(now, |key| key.accept).0.id == id,
        };
        accepted.then_some(key)
    }

    /// What is used when no key's lifetime is now. RFC 2328 §D.3: "it is unacceptable to revert to an unauthenticated condition, and not
    /// advisable to disrupt routing. Therefore, the router should ... treat the key as having an infinite lifetime".
    fn makeshift(&self, now: Instant, lifetime: impl Fn(&Key) -> Lifetime) -> (&Key, KeyStanding) {
        let ended = self.keys.iter().filter(|key| lifetime(key).until.is_some_and(|until| until <= now));
        if let Some(last) = ended.max_by_key(|key| lifetime(key).until) {
            return (last, KeyStanding::Expired);
        }
        let first = self.keys.iter().min_by_key(|key| lifetime(key).from).expect("a chain has a key");
        (first, KeyStanding::Premature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(secs: u64) -> Instant {
        Instant::new(Duration::from_secs(secs))
    }

    fn key(id: u8, from: Option<u64>, until: Option<u64>) -> Key {
        let lifetime = Lifetime { from: from.map(at), until: until.map(at) };
        let secret = Secret::new(vec![id; 4]);
        Key { id: KeyId(id), algorithm: KeyAlgorithm::HmacSha256, secret, send: lifetime, accept: lifetime }
    }

    fn signing(chain: &KeyChain, secs: u64) -> (u8, KeyStanding) {
        let (key, standing) = chain.signing(at(secs));
        (key.id.0, standing)
    }

    #[test]
    fn packets_are_signed_with_the_youngest_key_whose_time_it_is() {
        let keys = vec![key(1, None, Some(100)), key(3, Some(50), None), key(2, Some(20), Some(80))];
        let chain = KeyChain::new(keys, SequenceCheck::NotSmaller).unwrap();
        let expected = [(0, 1), (19, 1), (20, 2), (49, 2), (50, 3), (99, 3), (500, 3)];
        for (secs, id) in expected {
            assert_eq!(signing(&chain, secs), (id, KeyStanding::Valid), "at {secs}");
        }
    }

    #[test]
    fn of_keys_that_began_at_the_same_time_the_last_listed_is_the_youngest() {
        let chain = KeyChain::new(vec![key(7, None, None), key(5, None, None)], SequenceCheck::Strict).unwrap();
        assert_eq!(signing(&chain, 9), (5, KeyStanding::Valid));
    }

    #[test]
    fn the_last_key_stays_in_use_when_all_have_expired_and_the_first_before_any_begins() {
        let keys = vec![key(1, Some(10), Some(20)), key(2, Some(10), Some(30)), key(3, Some(40), Some(50))];
        let chain = KeyChain::new(keys, SequenceCheck::NotSmaller).unwrap();
        assert_eq!(signing(&chain, 5), (1, KeyStanding::Premature));
        assert_eq!(signing(&chain, 25), (2, KeyStanding::Valid));
        assert_eq!(signing(&chain, 35), (2, KeyStanding::Expired));
        assert_eq!(signing(&chain, 60), (3, KeyStanding::Expired));
        let accepted = |secs| {
            let ids = (0..=u8::MAX).filter(|&id| chain.accepting(KeyId(id), at(secs)).is_some());
            ids.collect::<Vec<_>>()
        };
        assert_eq!(accepted(5), [1]);
        assert_eq!(accepted(15), [1, 2]);
        assert_eq!(accepted(30), [2], "it ends with its last instant before 30");
        assert_eq!(accepted(45), [3]);
        assert_eq!(accepted(50), [3]);
    }

    #[test]
    fn keys_that_packets_could_not_tell_apart_make_no_chain() {
        let refused = |keys, sequence| KeyChain::new(keys, sequence).unwrap_err();
        assert_eq!(refused(vec![], SequenceCheck::Strict), KeyChainError::Empty);
        let twice = vec![key(4, None, Some(5)), key(4, Some(5), None)];
        assert_eq!(refused(twice, SequenceCheck::Strict), KeyChainError::DuplicateId(KeyId(4)));
        let many = (0..=MAX_KEYS as u8).map(|id| key(id, None, None)).collect();
        assert_eq!(refused(many, SequenceCheck::NotSmaller), KeyChainError::TooMany);
        let md5 = vec![Key { algorithm: KeyAlgorithm::Md5, ..key(1, None, None) }];
        assert_eq!(refused(md5, SequenceCheck::Extended), KeyChainError::ExtendedMd5);
    }

    #[test]
    fn a_secret_is_not_printed() {
        let authentication = Authentication::Simple(Secret::new(b"sesame".to_vec()));
        assert_eq!(format!("{authentication:?}"), "Simple(Secret(..))");
        assert_ne!(authentication, Authentication::Simple(Secret::new(b"sesame\0".to_vec())));
    }
}
