//! Authentication of packets (RFC 2328 appendix D, RFC 5709, RFC 7474): signed as they leave, verified before anything in them is
//! believed. Which keys there are is configuration; what becomes of a packet that fails is `receive`'s.

mod digest;
mod redact;
mod replay;
mod sign;
#[cfg(test)]
mod tests;
mod verify;

pub use redact::Redaction;
pub(crate) use replay::Accepted;
pub(crate) use sign::{Sequences, Signature, sign, trailer_len};
pub(crate) use verify::{Sequence, verify};

use crate::config::{Authentication, SequenceCheck};

/// AuType (RFC 2328 §D, RFC 7474 §3), the header's number for a kind of authentication.
pub(crate) fn au_type(authentication: &Authentication) -> u16 {
    match authentication {
        Authentication::Null => 0,
        Authentication::Simple(_) => 1,
        Authentication::Cryptographic(chain) => match chain.sequence() {
            SequenceCheck::NotSmaller | SequenceCheck::Strict => 2,
            SequenceCheck::Extended => 3,
        },
    }
}

/// Octets of the 64-bit sequence number that AuType 3 puts between packet and digest (RFC 7474 §3).
const EXTENDED_SEQUENCE_LEN: usize = 8;
