//! Authentication of packets (RFC 2328 appendix D, RFC 5709, RFC 7474): they are signed when they are sent, and verified before their
//! contents are used. The keys are in the configuration; [`crate::interface::receive`] handles packets that fail.

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

/// AuType (RFC 2328 §D, RFC 7474 §3): the number in the packet header for a kind of authentication.
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

/// Octets of the 64-bit sequence number between packet and digest with AuType 3 (RFC 7474 §3).
const EXTENDED_SEQUENCE_LEN: usize = 8;
