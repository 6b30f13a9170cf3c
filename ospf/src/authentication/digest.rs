//! The digests of packet and key (RFC 2328 §D.4.3, RFC 5709 §3.3, RFC 7474 §5 and §6).

use std::net::Ipv4Addr;

use hmac::{Mac as _, SimpleHmac};
use md5::Md5;
use sha1::Sha1;
use sha2::digest::core_api::BlockSizeUser;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::config::{Key, KeyAlgorithm};

/// The octets in place of the digest while it is computed (RFC 5709 §3.3).
const APAD: [u8; 4] = 0x878f_e1f3_u32.to_be_bytes();

/// OSPFv2's Cryptographic Protocol ID (RFC 7474 §6): it makes a digest of another protocol with the same key useless here.
const PROTOCOL_ID: [u8; 2] = 1_u16.to_be_bytes();

/// Octets of an MD5 key (RFC 2328 §D.3).
const MD5_KEY_LEN: usize = 16;

/// Length of the longest digest, that of SHA-512.
const MAX_DIGEST_LEN: usize = 64;

/// The construction of the digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Construction {
    /// AuType 2 (RFC 2328 §D.4.3, RFC 5709 §3.3).
    Plain,
    /// AuType 3: the digest also covers the packet's IP source address (RFC 7474 §5).
    FromSource(Ipv4Addr),
}

/// A digest, with the length that its algorithm has.
#[derive(Debug)]
pub(super) struct Digest {
    octets: [u8; MAX_DIGEST_LEN],
    len: usize,
}

impl Digest {
    /// Computes the digest of `message`, which ends where the digest begins in the packet.
    pub(super) fn compute(key: &Key, construction: Construction, message: &[u8]) -> Self {
        match key.algorithm {
            KeyAlgorithm::Md5 => Self::of(&keyed_md5(key.secret.expose(), message)),
            KeyAlgorithm::HmacSha1 => Self::of(&hmac::<Sha1>(key, construction, message)),
            KeyAlgorithm::HmacSha256 => Self::of(&hmac::<Sha256>(key, construction, message)),
            KeyAlgorithm::HmacSha384 => Self::of(&hmac::<Sha384>(key, construction, message)),
            KeyAlgorithm::HmacSha512 => Self::of(&hmac::<Sha512>(key, construction, message)),
        }
    }

    fn of(digest: &[u8]) -> Self {
        let mut octets = [0; MAX_DIGEST_LEN];
        octets[..digest.len()].copy_from_slice(digest);
        Self { octets, len: digest.len() }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.octets[..self.len]
    }

    /// Whether a received digest is equal. The comparison takes constant time, so that its duration does not show how much of it is right.
    pub(super) fn is(&self, received: &[u8]) -> bool {
        self.as_slice().ct_eq(received).into()
    }
}

/// RFC 2328 §D.4.3 (3) to (5): the key is appended to the packet, and MD5 is computed over both.
fn keyed_md5(secret: &[u8], message: &[u8]) -> [u8; 16] {
    let mut key = Zeroizing::new([0; MD5_KEY_LEN]);
    let len = secret.len().min(MD5_KEY_LEN);
    key[..len].copy_from_slice(&secret[..len]);
    Md5::new().chain_update(message).chain_update(*key).finalize().into()
}

/// RFC 5709 §3.3: HMAC over the packet, with Apad in place of the digest.
///
/// Deviates: by §3.3 (1) a key is replaced by its digest if it is longer than a digest, by RFC 2104 if it is longer than a block. BIRD 2.0
/// follows RFC 2104, as the HMAC of any library does, and this router must agree with it when a key has 40 octets.
fn hmac<D>(key: &Key, construction: Construction, message: &[u8]) -> Vec<u8>
where
    D: sha2::Digest + BlockSizeUser,
{
    let len = key.algorithm.digest_len();
    debug_assert_eq!(<D as sha2::Digest>::output_size(), len, "the hash function fits the algorithm");
    debug_assert!(len.is_multiple_of(APAD.len()));
    let mut secret = Zeroizing::new(Vec::with_capacity(key.secret.expose().len() + PROTOCOL_ID.len()));
    secret.extend_from_slice(key.secret.expose());
    let mut apad = APAD.repeat(len / APAD.len());
    if let Construction::FromSource(source) = construction {
        // RFC 7474 §6: "the two-octet OSPFv2 Cryptographic Protocol ID is appended to the Authentication Key prior to use".
        secret.extend_from_slice(&PROTOCOL_ID);
        // RFC 7474 §5: "initialize the first 4 octets of Apad to the value of the IP source address".
        apad[..4].copy_from_slice(&source.octets());
    }
    let mac = SimpleHmac::<D>::new_from_slice(&secret).expect("HMAC takes keys of any length");
    mac.chain_update(message).chain_update(&apad).finalize().into_bytes().to_vec()
}
