//! Authentication of an interface's packets (RFC 2328 appendix D, RFC 5709, RFC 7474): the type, the keys and their lifetimes.

use std::sync::Arc;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::time::Instant;

/// The most keys of one chain; an operator needs two for a rollover.
pub const MAX_KEYS: usize = 64;

/// How the packets of an interface are authenticated. All routers on its network must agree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Authentication {
    /// No authentication (AuType 0).
    #[default]
    Null,
    /// A password that all on the link can read (AuType 1). Its first 8 octets count; a shorter one is padded with zeros.
    Simple(Secret),
    /// A digest of packet and key (AuType 2, or 3 with [`SequenceCheck::Extended`]).
    Cryptographic(KeyChain),
}

/// Secret octets of any value: printed as `Secret(..)`, compared in constant time, zeroed when dropped. Clones share one copy.
#[derive(Clone)]
pub struct Secret {
    octets: Arc<Zeroizing<Vec<u8>>>,
    origin: Origin,
}

/// Whether a secret is real or a stand-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A secret that routers rely on.
    Operator,
    /// It replaces a secret in a trace, and is no secret itself ([`crate::Redaction`]).
    StandIn,
}

impl Secret {
    /// Creates a secret from its octets; the buffer itself is zeroed with the secret.
    pub fn new(octets: Vec<u8>) -> Self {
        Self { octets: Arc::new(Zeroizing::new(octets)), origin: Origin::Operator }
    }

    /// Creates a stand-in for a secret.
    pub(crate) fn stand_in(octets: Vec<u8>) -> Self {
        Self { octets: Arc::new(Zeroizing::new(octets)), origin: Origin::StandIn }
    }

    /// The octets of the secret.
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

/// Key ID (RFC 2328 §D.3): identifies the key of a chain with which a packet was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct KeyId(pub u8);

impl std::fmt::Display for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The algorithm that computes the digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum KeyAlgorithm {
    /// Keyed MD5 (RFC 2328 §D.4.3). The key's first 16 octets count; a shorter one is padded with zeros.
    Md5,
    /// HMAC-SHA-1 (RFC 5709).
    HmacSha1,
    /// HMAC-SHA-256 (RFC 5709).
    HmacSha256,
    /// HMAC-SHA-384 (RFC 5709).
    HmacSha384,
    /// HMAC-SHA-512 (RFC 5709).
    HmacSha512,
}

impl KeyAlgorithm {
    /// Length of a digest in octets.
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

/// A period of time, in the engine's time: the caller converts the time of its clock.
///
/// When that clock is set, the same lifetimes become other instants. A new configuration with these does not disturb adjacencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Lifetime {
    /// Its first instant; `None` = no beginning.
    pub from: Option<Instant>,
    /// The first instant after it; `None` = no end.
    pub until: Option<Instant>,
}

impl Lifetime {
    /// A lifetime without beginning and end.
    pub const ALWAYS: Self = Self { from: None, until: None };

    /// Whether `now` is within the lifetime.
    pub fn contains(&self, now: Instant) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now < until)
    }
}

/// A key (RFC 2328 §D.3).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Key {
    /// Key ID in packets; unique in a chain.
    pub id: KeyId,
    /// The algorithm that the key is used with.
    pub algorithm: KeyAlgorithm,
    /// The secret key.
    pub secret: Secret,
    /// KeyStartGenerate to KeyStopGenerate: when packets are signed with the key.
    pub send: Lifetime,
    /// KeyStartAccept to KeyStopAccept: when packets signed with the key are accepted.
    pub accept: Lifetime,
}

/// Which cryptographic sequence numbers are accepted as new (RFC 2328 §D.4.3, RFC 7474 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum SequenceCheck {
    /// Numbers not smaller than the last one. The numbers sent are seconds: packets of the same second share one, as with other
    /// implementations.
    #[default]
    NotSmaller,
    /// Numbers larger than the last one; each packet sent has a larger one. A network that reorders packets loses some of them.
    Strict,
    /// As `Strict`, but for each packet type separately, with 64 bits that continue across restarts (AuType 3).
    Extended,
}

/// The keys of an interface; there is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "crate::serial::KeyChainFields"))]
pub struct KeyChain {
    keys: Vec<Key>,
    sequence: SequenceCheck,
}

/// Why keys cannot form a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyChainError {
    /// There is no key.
    #[error("no key")]
    Empty,
    /// There are more than [`MAX_KEYS`].
    #[error("more than {MAX_KEYS} keys")]
    TooMany,
    /// Two keys have the same Key ID.
    #[error("two keys with id {0}")]
    DuplicateId(KeyId),
    /// RFC 7474 defines AuType 3 for HMAC only.
    #[error("keyed MD5 has no extended sequence numbers")]
    ExtendedMd5,
}

/// Whether the key in use is within its lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStanding {
    /// The key in use is within its lifetime.
    Valid,
    /// No key is within its lifetime: this is the one that expired last, and it stays in use until another is configured.
    Expired,
    /// No key has been within its lifetime yet: this is the first one that will be.
    Premature,
}

impl KeyChain {
    /// Creates a chain from these keys. Of keys whose lifetimes begin at the same instant, the later one in the list counts as the younger.
    ///
    /// # Errors
    /// If packets could not be signed with the keys, or if a packet would not identify its key.
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

    /// The key that packets are signed with: the youngest of those within their send lifetime (RFC 2328 §D.3, RFC 7474 §4.1).
    pub fn signing(&self, now: Instant) -> (&Key, KeyStanding) {
        let valid = self.keys.iter().filter(|key| key.send.contains(now)).max_by_key(|key| key.send.from);
        match valid {
            Some(key) => (key, KeyStanding::Valid),
            None => self.makeshift(now, |key| key.send),
        }
    }

    /// The key with this id, if packets signed with it are accepted (RFC 5709 §3.2).
    pub(crate) fn accepting(&self, id: KeyId, now: Instant) -> Option<&Key> {
        let key = self.keys.iter().find(|key| key.id == id)?;
        let any_valid = self.keys.iter().any(|key| key.accept.contains(now));
        let accepted = match any_valid {
            true => key.accept.contains(now),
            false => self.makeshift(now, |key| key.accept).0.id == id,
        };
        accepted.then_some(key)
    }

    /// The key that is used when no key is within its lifetime. RFC 2328 §D.3: "it is unacceptable to revert to an unauthenticated
    /// condition, and not advisable to disrupt routing. Therefore, the router should ... treat the key as having an infinite lifetime".
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
