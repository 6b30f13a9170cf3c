//! Identifiers of OSPF, each with a type of its own so that they cannot be confused.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

macro_rules! dotted_quad {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub u32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Ipv4Addr::from(self.0).fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl From<Ipv4Addr> for $name {
            fn from(address: Ipv4Addr) -> Self {
                Self(u32::from(address))
            }
        }

        impl From<$name> for Ipv4Addr {
            fn from(id: $name) -> Self {
                Ipv4Addr::from(id.0)
            }
        }

        impl FromStr for $name {
            type Err = std::net::AddrParseError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse::<Ipv4Addr>().map(Self::from)
            }
        }
    };
}

dotted_quad! {
    /// A Router ID, which identifies a router in the autonomous system (RFC 2328 §1.2); printed as a dotted quad.
    RouterId
}

dotted_quad! {
    /// An Area ID (RFC 2328 §3), printed as a dotted quad.
    AreaId
}

dotted_quad! {
    /// A Link State ID (RFC 2328 §12.1.4); its meaning depends on the LSA's type.
    LinkStateId
}

impl AreaId {
    /// The backbone area, 0.0.0.0.
    pub const BACKBONE: Self = Self(0);
}

/// The driver's identifier of an interface. The driver chooses it and keeps it for as long as the interface is configured.
///
/// It is not the kernel's index, which changes when a link is deleted and created again: see [`crate::LinkState::Up`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct InterfaceId(pub u32);

/// The key of a neighbour on one of our interfaces. A router that is reached over two links is two neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NeighborKey {
    /// The interface.
    pub interface: InterfaceId,
    /// The neighbour on this interface.
    pub id: NeighborId,
}

/// What identifies a neighbour on its interface (RFC 2328 §8.2, §10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NeighborId {
    /// On point-to-point networks and virtual links: its Router ID.
    Router(RouterId),
    /// On all other networks: its address, the source of its packets.
    Address(Ipv4Addr),
}

/// LS type (RFC 2328 §12.1.3, RFC 3101, RFC 5250). Unknown values are kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LsaType(pub u8);

impl LsaType {
    /// Router-LSA.
    pub const ROUTER: Self = Self(1);
    /// Network-LSA.
    pub const NETWORK: Self = Self(2);
    /// Summary-LSA for a network.
    pub const SUMMARY_NETWORK: Self = Self(3);
    /// Summary-LSA for an AS boundary router.
    pub const SUMMARY_ASBR: Self = Self(4);
    /// AS-external-LSA.
    pub const AS_EXTERNAL: Self = Self(5);
    /// Type-7 LSA of an NSSA (RFC 3101).
    pub const NSSA: Self = Self(7);
    /// Opaque LSA with link-local scope.
    pub const OPAQUE_LINK: Self = Self(9);
    /// Opaque LSA with area scope.
    pub const OPAQUE_AREA: Self = Self(10);
    /// Opaque LSA with AS scope.
    pub const OPAQUE_AS: Self = Self(11);

    /// The domain in which an LSA of this type is flooded that is originated, received or sent on an interface of an area (RFC 5250 §3);
    /// `None` for a type that this engine does not know.
    pub const fn domain(self, interface: InterfaceId, area: AreaId) -> Option<Domain> {
        match self.0 {
            9 => Some(Domain::Link(interface)),
            1 | 2 | 3 | 4 | 7 | 10 => Some(Domain::Area(area)),
            5 | 11 => Some(Domain::As),
            _ => None,
        }
    }

    /// Whether this engine knows the type.
    pub const fn is_known(self) -> bool {
        self.domain(InterfaceId(0), AreaId::BACKBONE).is_some()
    }

    /// Whether this is one of the three opaque types of RFC 5250.
    pub const fn is_opaque(self) -> bool {
        matches!(self.0, 9..=11)
    }

    /// Whether a router originates LSAs of this type because of routes or the configuration: as an area border router, as an AS boundary
    /// router, or as the translator of an NSSA.
    pub(crate) const fn follows_from_routes(self) -> bool {
        matches!(self, Self::SUMMARY_NETWORK | Self::SUMMARY_ASBR | Self::AS_EXTERNAL | Self::NSSA)
    }
}

impl fmt::Display for LsaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("Router"),
            2 => f.write_str("Network"),
            3 => f.write_str("Summary"),
            4 => f.write_str("ASBR-Summary"),
            5 => f.write_str("AS-External"),
            7 => f.write_str("NSSA-External"),
            9 => f.write_str("Opaque-Link"),
            10 => f.write_str("Opaque-Area"),
            11 => f.write_str("Opaque-AS"),
            other => write!(f, "Type-{other}"),
        }
    }
}

impl fmt::Debug for LsaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LsaType({self})")
    }
}

/// The fields that identify an LSA (RFC 2328 §12.1): type, Link State ID and Advertising Router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LsaKey {
    /// LS type.
    pub kind: LsaType,
    /// Link State ID.
    pub id: LinkStateId,
    /// Advertising Router.
    pub advertising_router: RouterId,
}

impl LsaKey {
    /// The smallest key.
    pub(crate) const FIRST: Self =
        Self { kind: LsaType(0), id: LinkStateId(u32::MIN), advertising_router: RouterId(u32::MIN) };
}

impl fmt::Display for LsaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} by {}", self.kind, self.id, self.advertising_router)
    }
}

/// LS sequence number (RFC 2328 §12.1.6): signed, so that 0x80000001 is the oldest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber(pub i32);

impl SequenceNumber {
    /// InitialSequenceNumber, 0x80000001.
    pub const INITIAL: Self = Self(i32::MIN + 1);
    /// MaxSequenceNumber, 0x7fffffff.
    pub const MAX: Self = Self(i32::MAX);

    /// The next sequence number; `None` after [`Self::MAX`], where the LSA has to be flushed first (§12.1.6).
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(next) => Some(Self(next)),
            None => None,
        }
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

impl fmt::Debug for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SequenceNumber({self})")
    }
}

/// An IPv4 prefix: a network address and a mask length, without host bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    network: u32,
    len: u8,
}

impl Prefix {
    /// The default route, 0.0.0.0/0.
    pub const DEFAULT: Self = Self { network: 0, len: 0 };

    /// The network of `len` bits that contains `address`; host bits are cleared.
    ///
    /// # Panics
    /// If `len` is more than 32. For a mask from a received packet use [`Prefix::from_mask`].
    pub fn new(address: Ipv4Addr, len: u8) -> Self {
        assert!(len <= 32, "prefix length {len}");
        Self { network: u32::from(address) & mask(len), len }
    }

    /// Like [`Prefix::new`] with a dotted mask; `None` if the ones of the mask are not contiguous.
    pub fn from_mask(address: Ipv4Addr, netmask: Ipv4Addr) -> Option<Self> {
        let bits = u32::from(netmask);
        let len = bits.leading_ones() as u8;
        (bits == mask(len)).then(|| Self::new(address, len))
    }

    /// The prefix of a single address, /32.
    pub fn host(address: Ipv4Addr) -> Self {
        Self::new(address, 32)
    }

    /// The network address.
    pub fn network(self) -> Ipv4Addr {
        Ipv4Addr::from(self.network)
    }

    /// Number of one bits in the mask.
    #[allow(clippy::len_without_is_empty, reason = "a mask length, not a container's")]
    pub const fn len(self) -> u8 {
        self.len
    }

    /// The dotted mask.
    pub fn netmask(self) -> Ipv4Addr {
        Ipv4Addr::from(mask(self.len))
    }

    /// Whether `address` lies in this network.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        u32::from(address) & mask(self.len) == self.network
    }

    /// Whether `other` is this network or a part of it.
    pub fn covers(self, other: Self) -> bool {
        self.len <= other.len && self.contains(other.network())
    }
}

const fn mask(len: u8) -> u32 {
    match len {
        0 => 0,
        len => u32::MAX << (32 - len),
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network(), self.len)
    }
}

impl FromStr for Prefix {
    type Err = NotAPrefix;

    /// Parses a prefix such as `10.0.0.0/8`. Host bits are an error.
    fn from_str(text: &str) -> Result<Self, NotAPrefix> {
        let (network, len) = text.split_once('/').ok_or(NotAPrefix)?;
        let network: Ipv4Addr = network.parse().map_err(|_| NotAPrefix)?;
        let len = len.parse().ok().filter(|len| *len <= 32).ok_or(NotAPrefix)?;
        let prefix = Self::new(network, len);
        if prefix.network() == network { Ok(prefix) } else { Err(NotAPrefix) }
    }
}

/// The text is not a prefix without host bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a network with a mask length")]
pub struct NotAPrefix;

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prefix({self})")
    }
}

/// The domain in which the LSAs of a database are flooded: a flooding scope (RFC 5250 §3) with its link or area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Domain {
    /// The link of one interface.
    Link(InterfaceId),
    /// One area.
    Area(AreaId),
    /// The autonomous system without its stub areas and NSSAs.
    As,
}

impl Domain {
    /// Whether LSAs of a type are flooded in domains of this kind.
    pub const fn floods(self, kind: LsaType) -> bool {
        matches!(
            (self, kind.domain(InterfaceId(0), AreaId::BACKBONE)),
            (Self::Link(_), Some(Self::Link(_))) | (Self::Area(_), Some(Self::Area(_))) | (Self::As, Some(Self::As))
        )
    }

    /// The LS type of the opaque LSAs that are flooded in this domain.
    pub const fn opaque_lsa_type(self) -> LsaType {
        match self {
            Self::Link(_) => LsaType::OPAQUE_LINK,
            Self::Area(_) => LsaType::OPAQUE_AREA,
            Self::As => LsaType::OPAQUE_AS,
        }
    }
}

/// The place of an LSA: a database and the key in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LsaPlace {
    /// The database.
    pub domain: Domain,
    /// The LSA's key.
    pub key: LsaKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_lsa_of_a_known_type_is_flooded_in_domains_of_one_kind() {
        let (interface, area) = (InterfaceId(3), AreaId(7));
        let domains = [Domain::Link(interface), Domain::Area(area), Domain::As];
        for kind in (0..=u8::MAX).map(LsaType) {
            let flooded: Vec<_> = domains.into_iter().filter(|domain| domain.floods(kind)).collect();
            assert_eq!(flooded, Vec::from_iter(kind.domain(interface, area)), "{kind}");
            assert_eq!(kind.is_known(), flooded.len() == 1, "{kind}");
        }
        // RFC 2328 §12.1.3, RFC 3101 §2.2, RFC 5250 §3.
        let of = |domain: Domain| (0..=u8::MAX).filter(|&kind| domain.floods(LsaType(kind))).collect::<Vec<_>>();
        assert_eq!(domains.map(of), [vec![9], vec![1, 2, 3, 4, 7, 10], vec![5, 11]]);
        assert_eq!(domains.map(|domain| domain.opaque_lsa_type().0), [9, 10, 11]);
    }
}
