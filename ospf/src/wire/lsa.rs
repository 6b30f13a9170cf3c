//! Link state advertisements (RFC 2328 §A.4).

use std::net::Ipv4Addr;

use bytes::Bytes;

use super::constants::{DO_NOT_AGE, LSA_HEADER_LEN, MAX_AGE};
use super::error::{EncodeError, LsaError, WireError};
use super::packet::Options;
use crate::ids::{LinkStateId, LsaKey, RouterId, SequenceNumber};

/// The LSA header of 20 octets (§A.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LsaHeader {
    /// LS age in seconds, 0..=3600; below 3600, [`DO_NOT_AGE`] may be added (RFC 1793 §2.2).
    pub age: u16,
    /// Options.
    pub options: Options,
    /// Type, Link State ID and Advertising Router.
    pub key: LsaKey,
    /// LS sequence number.
    pub sequence: SequenceNumber,
    /// LS checksum.
    pub checksum: u16,
    /// Length in octets, including the 20 octets of the header.
    pub length: u16,
}

/// An LSA: the decoded header, and the undecoded octets after it, which are shared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lsa {
    /// The header; `length` is 20 + the body's length.
    pub header: LsaHeader,
    /// The octets after the header.
    pub body: Bytes,
}

/// The decoded body of an LSA: see [`Lsa::parse`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LsaBody {
    /// Type 1.
    Router(RouterLsa),
    /// Type 2.
    Network(NetworkLsa),
    /// Types 3 and 4.
    Summary(SummaryLsa),
    /// Types 5 and 7.
    External(ExternalLsa),
    /// Types 9 to 11, not decoded.
    Opaque(Bytes),
}

/// Router-LSA (§A.4.2).
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct RouterLsa {
    /// V, E, B and other bits.
    pub flags: RouterFlags,
    /// The links.
    pub links: Vec<RouterLink>,
}

impl RouterLsa {
    /// Whether it has a link to a router: point-to-point or virtual.
    pub(crate) fn has_link_to(&self, router: RouterId) -> bool {
        let to_routers =
            |link: &&RouterLink| matches!(link.kind, RouterLinkKind::PointToPoint | RouterLinkKind::Virtual);
        self.links.iter().filter(to_routers).any(|link| RouterId::from(link.id) == router)
    }

    /// The stub networks among the links, without those whose mask is not contiguous.
    pub(crate) fn stub_networks(&self) -> impl Iterator<Item = crate::ids::Prefix> {
        let stubs = self.links.iter().filter(|link| link.kind == RouterLinkKind::Stub);
        stubs.filter_map(|link| crate::ids::Prefix::from_mask(link.id, link.data))
    }
}

/// Flag bits of a Router-LSA. Unknown bits are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct RouterFlags(pub u8);

impl RouterFlags {
    /// B: area border router.
    pub const B: Self = Self(0x01);
    /// E: AS boundary router.
    pub const E: Self = Self(0x02);
    /// V: endpoint of a virtual link.
    pub const V: Self = Self(0x04);
    /// Nt: always translates Type-7 LSAs (RFC 3101).
    pub const NT: Self = Self(0x10);

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns the flags with the bits of `other` set as well.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// One link of a Router-LSA. TOS metrics are ignored when read, and never written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouterLink {
    /// The type of the link.
    pub kind: RouterLinkKind,
    /// Link ID, by type: the neighbour's Router ID, the designated router's address, or the network number.
    pub id: Ipv4Addr,
    /// Link Data, by type: the router's own address or, if unnumbered, interface index; or the mask of a stub network.
    pub data: Ipv4Addr,
    /// Metric.
    pub metric: u16,
}

/// Types of links in a Router-LSA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouterLinkKind {
    /// Type 1.
    PointToPoint,
    /// Type 2.
    Transit,
    /// Type 3.
    Stub,
    /// Type 4.
    Virtual,
    /// Any other type: kept, but not used.
    Unknown(u8),
}

/// Network-LSA (§A.4.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NetworkLsa {
    /// Mask of the network; in a received LSA it is not necessarily contiguous.
    pub network_mask: Ipv4Addr,
    /// Routers fully adjacent to the designated router, and the designated router itself.
    pub attached_routers: Vec<RouterId>,
}

/// Summary-LSA (§A.4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SummaryLsa {
    /// Mask of the network; 0.0.0.0 in type 4.
    pub network_mask: Ipv4Addr,
    /// 24-bit metric.
    pub metric: u32,
}

/// AS-external-LSA (§A.4.5) or Type-7 LSA (RFC 3101).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExternalLsa {
    /// Mask of the network.
    pub network_mask: Ipv4Addr,
    /// 24-bit metric and its type (the E-bit).
    pub metric: crate::config::ExternalMetric,
    /// Forwarding address; 0.0.0.0 = the originator.
    pub forwarding_address: Ipv4Addr,
    /// External Route Tag.
    pub route_tag: u32,
}

impl Lsa {
    /// Creates an instance with age 0, and computes its length and checksum (§12.1).
    ///
    /// # Errors
    /// If the body does not belong to the key's LS type, or is too long for a 16-bit length.
    pub fn new(key: LsaKey, options: Options, sequence: SequenceNumber, body: &LsaBody) -> Result<Self, EncodeError> {
        if !body.suits(key.kind) {
            return Err(EncodeError::BodyOfAnotherType);
        }
        let body = body.encode();
        let octets = LSA_HEADER_LEN + body.len();
        let length = u16::try_from(octets).map_err(|_| EncodeError::TooLong { octets })?;
        let mut header = LsaHeader { age: 0, options, key, sequence, checksum: 0, length };
        header.checksum = header.computed_checksum(&body);
        debug_assert!(header.checksum_verifies(&body));
        Ok(Self { header, body })
    }

    /// Checks whether this LSA may be used: the checksum is correct, the type is known and the body can be decoded (§13 (1) and (2)).
    ///
    /// # Errors
    /// The first check that fails.
    pub fn check(&self) -> Result<(), LsaError> {
        if !self.header.checksum_verifies(&self.body) {
            return Err(LsaError::Checksum);
        }
        if !self.header.key.kind.is_known() {
            return Err(LsaError::UnknownType);
        }
        self.parse()?;
        Ok(())
    }

    /// Decodes the body. The checksum is not verified.
    ///
    /// # Errors
    /// If the body is malformed, or the type is unknown. After a successful [`Lsa::check`] there is no error.
    pub fn parse(&self) -> Result<LsaBody, WireError> {
        LsaBody::read(self.header.key.kind, &self.body)
    }

    /// The same instance with another age, of at most MaxAge. The body is shared.
    #[must_use]
    pub fn with_age(&self, age: u16) -> Self {
        Self { header: LsaHeader { age: age.min(MAX_AGE), ..self.header }, body: self.body.clone() }
    }

    /// The same instance after `seconds` in a database: see [`LsaHeader::after`].
    #[must_use]
    pub fn after(&self, seconds: u64) -> Self {
        Self { header: self.header.after(seconds), body: self.body.clone() }
    }

    /// The instance to send: InfTransDelay is added to its age, even with DoNotAge (RFC 2328 §13.3 (5), RFC 1793 §2.2).
    #[must_use]
    pub fn delayed(&self, transmit_delay: u16) -> Self {
        let age = self.header.seconds().saturating_add(transmit_delay).min(MAX_AGE);
        // RFC 1793 §2.2: "the MaxAge form should always be used when flushing".
        let bit = if age < MAX_AGE { self.header.age & DO_NOT_AGE } else { 0 };
        Self { header: LsaHeader { age: age | bit, ..self.header }, body: self.body.clone() }
    }

    /// A copy with its own body. The body of an LSA from an update keeps the whole packet in memory, so it should not be stored.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self { header: self.header, body: Bytes::copy_from_slice(&self.body) }
    }

    /// Length in octets, header included.
    pub fn encoded_len(&self) -> usize {
        LSA_HEADER_LEN + self.body.len()
    }

    /// The network that this LSA describes, from its Link State ID and `network_mask`; `None` if the mask is not contiguous.
    pub fn prefix(&self, network_mask: Ipv4Addr) -> Option<crate::ids::Prefix> {
        let LinkStateId(id) = self.header.key.id;
        crate::ids::Prefix::from_mask(Ipv4Addr::from(id), network_mask)
    }
}
