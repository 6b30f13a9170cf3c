//! Verification of received packets (RFC 2328 §D.5, RFC 7474): whether a holder of the key sent them.

use std::net::Ipv4Addr;

use subtle::ConstantTimeEq as _;

use super::digest::{Construction, Digest};
use super::sign::padded;
use super::{EXTENDED_SEQUENCE_LEN, au_type};
use crate::config::{Authentication, Key, KeyChain, KeyId, SequenceCheck};
use crate::refusal::Refusal;
use crate::time::Instant;
use crate::wire::Envelope;

/// A packet's cryptographic sequence number, and how it must compare with the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sequence {
    /// The packet has no sequence number.
    None,
    /// It must not be smaller than the last one.
    NotSmaller(u32),
    /// It must be larger than the last one.
    Larger(u32),
    /// It must be larger than the last one of the same packet type.
    LargerOfType(u64),
}

/// Verifies the authentication of a packet received from an IP source address; [`super::Accepted`] checks whether its sequence number is
/// new.
///
/// Data after the trailer, such as an LLS block (RFC 5613), is neither covered nor checked.
pub(crate) fn verify(
    authentication: &Authentication,
    envelope: &Envelope<'_>,
    source: Ipv4Addr,
    now: Instant,
) -> Result<Sequence, Refusal> {
    // RFC 2328 §8.2: "The AuType specified in the packet must match the AuType specified for the associated area", here interface.
    if envelope.au_type != au_type(authentication) {
        return Err(Refusal::AuthenticationType);
    }
    match authentication {
        Authentication::Null => envelope.verify_checksum().map(|()| Sequence::None).map_err(Refusal::from),
        Authentication::Simple(password) => {
            envelope.verify_checksum()?;
            // §D.5.2
            let right: bool = padded(password.expose()).ct_eq(&envelope.authentication).into();
            if right { Ok(Sequence::None) } else { Err(Refusal::AuthenticationPassword) }
        }
        Authentication::Cryptographic(chain) => match chain.sequence() {
            SequenceCheck::Extended => extended(chain, envelope, source, now),
            check @ (SequenceCheck::NotSmaller | SequenceCheck::Strict) => plain(chain, check, envelope, now),
        },
    }
}

/// Verifies AuType 2 (RFC 2328 §D.5.3).
fn plain(chain: &KeyChain, check: SequenceCheck, envelope: &Envelope<'_>, now: Instant) -> Result<Sequence, Refusal> {
    let [_, _, id, len, a, b, c, d] = envelope.authentication;
    let key = chain.accepting(KeyId(id), now).ok_or(Refusal::AuthenticationKeyId)?;
    verify_digest(key, Construction::Plain, len, envelope.bytes, envelope.length)?;
    let number = u32::from_be_bytes([a, b, c, d]);
    Ok(match check {
        SequenceCheck::Strict => Sequence::Larger(number),
        SequenceCheck::NotSmaller | SequenceCheck::Extended => Sequence::NotSmaller(number),
    })
}

/// Verifies AuType 3 (RFC 7474 §3).
fn extended(chain: &KeyChain, envelope: &Envelope<'_>, source: Ipv4Addr, now: Instant) -> Result<Sequence, Refusal> {
    let [_, _, _, len, a, b, c, d] = envelope.authentication;
    // Key IDs have 8 bits here, but 32 in the field: a larger one is none of ours.
    let id = u8::try_from(u32::from_be_bytes([a, b, c, d])).map_err(|_| Refusal::AuthenticationKeyId)?;
    let key = chain.accepting(KeyId(id), now).ok_or(Refusal::AuthenticationKeyId)?;
    let signed = envelope.length + EXTENDED_SEQUENCE_LEN;
    let number = envelope.bytes.get(envelope.length..signed).and_then(|octets| octets.try_into().ok());
    let number = u64::from_be_bytes(number.ok_or(Refusal::AuthenticationDigest)?);
    verify_digest(key, Construction::FromSource(source), len, envelope.bytes, signed)?;
    Ok(Sequence::LargerOfType(number))
}

/// Checks the digest after the first `signed` octets. `len` is its length as the packet claims it.
fn verify_digest(key: &Key, construction: Construction, len: u8, bytes: &[u8], signed: usize) -> Result<(), Refusal> {
    let digest_len = key.algorithm.digest_len();
    let (Some(message), Some(received)) = (bytes.get(..signed), bytes.get(signed..signed + digest_len)) else {
        return Err(Refusal::AuthenticationDigest);
    };
    if usize::from(len) != digest_len || !Digest::compute(key, construction, message).is(received) {
        return Err(Refusal::AuthenticationDigest);
    }
    Ok(())
}
