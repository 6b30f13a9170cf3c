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
    /// A packet type other than 1 to 5.
    #[error("unknown packet type")]
    PacketType,
}
