//! Errors of decoding and encoding.

/// A malformed field and its offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[error("{what} at octet {offset}")]
pub struct WireError {
    /// The kind of malformation.
    pub what: Malformation,
    /// The offset of the octet, from the beginning of the packet or, in an LSA's body, of the LSA.
    pub offset: u16,
}

/// Kinds of malformed input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Malformation {
    /// The octets end before the field does.
    #[error("cut short")]
    Truncated,
    /// A length field exceeds the octets present, is less than the fixed part, or does not agree with the elements.
    #[error("impossible length")]
    Length,
    /// The length of an opaque LSA is not a multiple of four (RFC 5250 §A.2).
    #[error("not padded to 32 bits")]
    Alignment,
    /// The packet type is not in the range from 1 to 5.
    #[error("unknown packet type")]
    PacketType,
    /// The LS type is invalid, or this engine cannot decode its body.
    #[error("unknown LS type")]
    LsaType,
}

/// Why a packet could not be decoded, in the order of the checks (RFC 2328 §8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// The version is not 2.
    #[error("OSPF version {0}")]
    Version(u8),
    /// The checksum (§D.4) is wrong.
    #[error("wrong checksum")]
    Checksum,
    /// The packet is malformed.
    #[error("malformed packet")]
    Malformed(#[from] WireError),
}

/// Why an LSA must not be used (RFC 2328 §13 (1) and (2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LsaError {
    /// The LS checksum (§12.1.7) is wrong or zero.
    #[error("wrong LS checksum")]
    Checksum,
    /// This engine does not know the LS type.
    #[error("unknown LS type")]
    UnknownType,
    /// The body is malformed.
    #[error("malformed LSA")]
    Malformed(#[from] WireError),
}

/// Why a packet or an LSA cannot be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Its length does not fit in a 16-bit length field.
    #[error("{octets} octets do not fit in a 16-bit length")]
    TooLong {
        /// Its length in octets.
        octets: usize,
    },
    /// The body does not belong to the LSA's type.
    #[error("the body belongs to another LS type")]
    BodyOfAnotherType,
}
