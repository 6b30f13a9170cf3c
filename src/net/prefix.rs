//! A network of either address family.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnetwork::{IpNetwork, Ipv4Network};

/// An IPv4 or IPv6 network: its address, without host bits, and its prefix length.
///
/// IPv4 networks come before IPv6 networks; within a family the order is by address, then by length, so that a network comes directly before
/// those inside it that have the same address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    network: IpAddr,
    len: u8,
}

impl Prefix {
    /// The destination of an IPv4 default route, 0.0.0.0/0.
    pub const DEFAULT_V4: Self = Self { network: IpAddr::V4(Ipv4Addr::UNSPECIFIED), len: 0 };

    /// The destination of an IPv6 default route, ::/0.
    pub const DEFAULT_V6: Self = Self { network: IpAddr::V6(Ipv6Addr::UNSPECIFIED), len: 0 };

    /// Returns the network of this length that contains `address`; host bits are cleared. `None` if an address has fewer bits than `len`.
    pub fn checked(address: impl Into<IpAddr>, len: u8) -> Option<Self> {
        let address = address.into();
        (len <= bits(address)).then(|| Self { network: masked(address, len), len })
    }

    /// Returns the network of this length that contains `address`; host bits are cleared.
    ///
    /// # Panics
    /// If an address has fewer bits than `len`. [`Prefix::checked`] is for lengths that come from outside.
    pub fn new(address: impl Into<IpAddr>, len: u8) -> Self {
        let address = address.into();
        Self::checked(address, len).unwrap_or_else(|| panic!("prefix length {len} of {address}"))
    }

    /// Returns the network that contains this address alone: /32, or /128.
    pub fn host(address: impl Into<IpAddr>) -> Self {
        let address = address.into();
        Self { network: address, len: bits(address) }
    }

    /// Returns the address of the network.
    pub const fn network(self) -> IpAddr {
        self.network
    }

    /// Returns the network address and the length of an IPv4 network; `None` for an IPv6 one.
    pub const fn v4(self) -> Option<(Ipv4Addr, u8)> {
        match self.network {
            IpAddr::V4(network) => Some((network, self.len)),
            IpAddr::V6(_) => None,
        }
    }

    /// Returns the prefix length in bits.
    #[allow(clippy::len_without_is_empty, reason = "a prefix length, not a container's")]
    pub const fn len(self) -> u8 {
        self.len
    }

    /// Returns whether this is the destination of a default route, in either family.
    pub const fn is_default(self) -> bool {
        self.len == 0
    }

    /// Returns whether `address` is in this network. An address of the other family never is.
    pub fn contains(self, address: impl Into<IpAddr>) -> bool {
        let address = address.into();
        address.is_ipv4() == self.network.is_ipv4() && masked(address, self.len) == self.network
    }

    /// Returns the last address of the network, the one whose host bits are all set.
    pub fn last(self) -> IpAddr {
        match self.network {
            IpAddr::V4(network) => {
                Ipv4Addr::from(u32::from(network) | u32::MAX.checked_shr(self.len.into()).unwrap_or(0)).into()
            }
            IpAddr::V6(network) => {
                Ipv6Addr::from(u128::from(network) | u128::MAX.checked_shr(self.len.into()).unwrap_or(0)).into()
            }
        }
    }

    /// Returns whether the networks have an address in common: then one of them covers the other.
    pub fn overlaps(self, other: Self) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// Returns whether `other` is this network or a part of it.
    pub fn covers(self, other: Self) -> bool {
        self.len <= other.len && self.contains(other.network)
    }
}

/// Returns the number of bits of an address of this family.
const fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// Returns `address` without the bits after the first `len`, which is at most the number of its bits.
fn masked(address: IpAddr, len: u8) -> IpAddr {
    let host_bits = u32::from(bits(address) - len);
    match address {
        IpAddr::V4(address) => Ipv4Addr::from(u32::from(address) & u32::MAX.checked_shl(host_bits).unwrap_or(0)).into(),
        IpAddr::V6(address) => {
            Ipv6Addr::from(u128::from(address) & u128::MAX.checked_shl(host_bits).unwrap_or(0)).into()
        }
    }
}

/// The network of an interface's address; host bits are cleared.
impl From<Ipv4Network> for Prefix {
    fn from(network: Ipv4Network) -> Self {
        Self::new(network.ip(), network.prefix())
    }
}

/// The network of an interface's address; host bits are cleared.
impl From<IpNetwork> for Prefix {
    fn from(network: IpNetwork) -> Self {
        Self::new(network.ip(), network.prefix())
    }
}

impl From<Prefix> for IpNetwork {
    fn from(prefix: Prefix) -> Self {
        Self::new(prefix.network, prefix.len).expect("a prefix length is at most that of its family")
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.len)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prefix({self})")
    }
}

impl FromStr for Prefix {
    type Err = NotAPrefix;

    /// Parses a network such as `10.0.0.0/8` or `2001:db8::/32`. Host bits are an error.
    fn from_str(text: &str) -> Result<Self, NotAPrefix> {
        let (network, len) = text.split_once('/').ok_or(NotAPrefix)?;
        let network: IpAddr = network.parse().map_err(|_| NotAPrefix)?;
        let prefix = Self::checked(network, len.parse().map_err(|_| NotAPrefix)?).ok_or(NotAPrefix)?;
        if prefix.network == network { Ok(prefix) } else { Err(NotAPrefix) }
    }
}

/// The error for a text that is not a network without host bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a network with a prefix length")]
pub struct NotAPrefix;

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn host_bits_are_cleared_in_both_families() {
        let v4 = Ipv4Addr::new(10, 1, 2, 255);
        let v6: Ipv6Addr = "2001:db8:ffff::1".parse().unwrap();
        for (found, expected) in [
            (Prefix::new(v4, 0), "0.0.0.0/0"),
            (Prefix::new(v4, 23), "10.1.2.0/23"),
            (Prefix::new(v4, 25), "10.1.2.128/25"),
            (Prefix::host(v4), "10.1.2.255/32"),
            (Prefix::new(v6, 0), "::/0"),
            (Prefix::new(v6, 33), "2001:db8:8000::/33"),
            (Prefix::host(v6), "2001:db8:ffff::1/128"),
        ] {
            assert_eq!((found.to_string().as_str(), found), (expected, prefix(expected)));
        }
        assert_eq!(Prefix::checked(v4, 33), None);
        assert_eq!(Prefix::checked(v6, 129), None);
        assert!(Prefix::DEFAULT_V4.is_default() && Prefix::DEFAULT_V6.is_default() && !Prefix::host(v4).is_default());
    }

    #[test]
    fn a_network_contains_its_own_family_alone() {
        let (wide, narrow) = (prefix("10.0.0.0/8"), prefix("10.1.0.0/16"));
        assert!(wide.covers(narrow) && wide.covers(wide) && !narrow.covers(wide));
        assert!(narrow.contains(Ipv4Addr::new(10, 1, 255, 255)) && !narrow.contains(Ipv4Addr::new(10, 2, 0, 0)));
        assert!(!Prefix::DEFAULT_V4.contains(Ipv6Addr::UNSPECIFIED) && !Prefix::DEFAULT_V6.covers(wide));
        assert!(prefix("2001:db8::/32").contains("2001:db8::7".parse::<Ipv6Addr>().unwrap()));
    }

    #[test]
    fn a_network_comes_directly_before_those_inside_it() {
        let sorted = ["0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/16", "10.1.0.0/16", "11.0.0.0/8", "::/0", "2001:db8::/32"];
        let mut prefixes = sorted.map(prefix);
        prefixes.reverse();
        prefixes.sort();
        assert_eq!(prefixes.map(|prefix| prefix.to_string()), sorted);
    }

    #[test]
    fn what_is_not_a_network_is_refused() {
        for text in [
            "10.0.0.0",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.0/",
            "/8",
            "2001:db8::/129",
            "::1/0",
            "10.0/8",
            "10.0.0.0/-1",
        ] {
            assert_eq!(text.parse::<Prefix>(), Err(NotAPrefix), "{text}");
        }
    }
}
