//! Wire formats (RFC 2328 appendix A): decoding and encoding of packets and LSAs.
//!
//! Decoding is bounded by the octets present, never by a count or a length in them. Unknown values are kept.

mod checksum;
mod constants;
mod envelope;
mod error;
mod fletcher;
mod grace_lsa;
mod lsa;
mod lsa_body;
mod lsa_header;
mod packet;
mod packet_codec;
mod reader;

#[cfg(test)]
mod tests;

pub use constants::*;
pub use envelope::Envelope;
pub(crate) use envelope::seal;
pub use error::{EncodeError, LsaError, Malformation, PacketError, WireError};
pub use grace_lsa::{GraceLsa, RestartReason};
pub use lsa::*;
pub use packet::*;
