//! The MAC address of a host.

use std::fmt;
use std::str::FromStr;

/// A MAC address that a host can have: unicast, and not all zeros.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac([u8; 6]);

/// Why octets or text are not the MAC address of a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MacError {
    /// The text is not six pairs of hexadecimal digits.
    #[error("not six pairs of hexadecimal digits with colons between them")]
    Syntax,
    /// The group bit (IEEE 802 §8.2.2) is set.
    #[error("a group address: the first octet of a host's is even")]
    Group,
    /// The address is all zeros.
    #[error("all zeros, which no host has")]
    Zero,
}

impl Mac {
    /// The octets of the address, as on the wire.
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }
}

impl TryFrom<[u8; 6]> for Mac {
    type Error = MacError;

    fn try_from(octets: [u8; 6]) -> Result<Self, MacError> {
        match octets {
            [0, 0, 0, 0, 0, 0] => Err(MacError::Zero),
            [first, ..] if first & 1 == 1 => Err(MacError::Group),
            octets => Ok(Self(octets)),
        }
    }
}

impl FromStr for Mac {
    type Err = MacError;

    /// Parses `02:00:00:00:01:0a`, in upper or lower case, with `:` or `-` between the octets.
    fn from_str(text: &str) -> Result<Self, MacError> {
        let mut octets = [0; 6];
        let mut parts = text.split([':', '-']);
        for octet in &mut octets {
            let part = parts.next().filter(|part| part.len() == 2).ok_or(MacError::Syntax)?;
            // `from_str_radix` also accepts a sign.
            let digits = part.bytes().all(|byte| byte.is_ascii_hexdigit());
            *octet = u8::from_str_radix(part, 16).ok().filter(|_| digits).ok_or(MacError::Syntax)?;
        }
        match parts.next() {
            None => Self::try_from(octets),
            Some(_) => Err(MacError::Syntax),
        }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_a_unicast_address_of_six_octets() {
        let mac: Mac = "02:00:00:00:01:0A".parse().unwrap();
        assert_eq!(mac.octets(), [2, 0, 0, 0, 1, 10]);
        assert_eq!(mac.to_string(), "02:00:00:00:01:0a");
        assert_eq!("02-00-00-00-01-0a".parse(), Ok(mac));
    }

    #[test]
    fn whatever_no_host_can_have_is_refused_with_the_reason() {
        for text in
            ["", "02:00:00:00:01", "02:00:00:00:01:0a:0b", "2:0:0:0:1:a", "02:00:00:00:01:0g", "+2:00:00:00:01:0a"]
        {
            assert_eq!(text.parse::<Mac>(), Err(MacError::Syntax), "{text}");
        }
        assert_eq!("ff:ff:ff:ff:ff:ff".parse::<Mac>(), Err(MacError::Group));
        assert_eq!("01:00:5e:00:00:05".parse::<Mac>(), Err(MacError::Group));
        assert_eq!("00:00:00:00:00:00".parse::<Mac>(), Err(MacError::Zero));
    }
}
