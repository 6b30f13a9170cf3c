//! Why bytes could not be read.

/// What is wrong, and at which octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[error("{what} at octet {offset}")]
pub struct WireError {
    /// What is wrong.
    pub what: Malformation,
    /// Where, counted from the beginning of the packet or, in an LSA's body, of the LSA.
    pub offset: u16,
}

/// Kinds of malformed input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Malformation {
    /// The bytes end before the field does.
    #[error("cut short")]
    Truncated,
    /// A length field says more than there is, less than the fixed part needs, or does not fit the elements.
    #[error("impossible length")]
    Length,
    /// An opaque LSA whose length is no multiple of four (RFC 5250 §A.2).
    #[error("not padded to 32 bits")]
    Alignment,
    /// A packet type other than 1 to 5.
    #[error("unknown packet type")]
    PacketType,
    /// An LS type that no LSA has, or whose body this engine cannot read.
    #[error("unknown LS type")]
    LsaType,
}

/// Why a packet could not be read, in the order of the checks (RFC 2328 §8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Not version 2.
    #[error("OSPF version {0}")]
    Version(u8),
    /// The checksum of §D.4 does not verify.
    #[error("wrong checksum")]
    Checksum,
    /// It does not hold together.
    #[error("malformed packet")]
    Malformed(#[from] WireError),
}

/// Why an LSA is not to be used (RFC 2328 §13 (1) and (2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LsaError {
    /// The checksum of §12.1.7 does not verify, or is zero.
    #[error("wrong LS checksum")]
    Checksum,
    /// An LS type that this engine does not know.
    #[error("unknown LS type")]
    UnknownType,
    /// The body does not hold together.
    #[error("malformed LSA")]
    Malformed(#[from] WireError),
}

/// Why something cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// It is longer than a 16-bit length says.
    #[error("{octets} octets are more than a 16-bit length says")]
    TooLong {
        /// Its length.
        octets: usize,
    },
    /// The body is not one of the LSA's type.
    #[error("the body of another LS type")]
    BodyOfAnotherType,
}
