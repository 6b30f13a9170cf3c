//! VXLAN Network Identifier (RFC 7348 §4).

use std::fmt;

/// A VXLAN Network Identifier, the number of a segment on the wire: 24 bits, 1..=16777215.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vni(u32);

/// The number is not a valid VNI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no VXLAN network identifier: it has to be 1 to {max}", max = Vni::MAX)]
pub struct VniError(pub u32);

impl Vni {
    /// The largest VNI: 24 bits.
    pub const MAX: u32 = 0x00ff_ffff;

    /// The VNI as a number.
    pub const fn value(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Vni {
    type Error = VniError;

    fn try_from(value: u32) -> Result<Self, VniError> {
        if (1..=Self::MAX).contains(&value) { Ok(Self(value)) } else { Err(VniError(value)) }
    }
}

impl fmt::Display for Vni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vni_has_24_bits_and_is_not_zero() {
        assert_eq!(Vni::try_from(100).map(Vni::value), Ok(100));
        assert_eq!(Vni::try_from(0x00ff_ffff).map(Vni::value), Ok(Vni::MAX));
        assert_eq!(Vni::try_from(0), Err(VniError(0)));
        assert_eq!(Vni::try_from(0x0100_0000), Err(VniError(0x0100_0000)));
    }

    #[test]
    fn the_error_says_what_would_be_right() {
        assert_eq!(
            VniError(16_777_216).to_string(),
            "16777216 is no VXLAN network identifier: it has to be 1 to 16777215"
        );
    }
}
