//! Link state advertisements (RFC 2328 §A.4).

use std::net::Ipv4Addr;

use bytes::Bytes;

use super::constants::{DO_NOT_AGE, LSA_HEADER_LEN, MAX_AGE};
use super::error::{EncodeError, LsaError, WireError};
use super::packet::Options;
use crate::ids::{LinkStateId, LsaKey, RouterId, SequenceNumber};

/// The 20-octet header (§A.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LsaHeader {
    /// LS age, seconds, 0..=3600, to which [`DO_NOT_AGE`] may be added below 3600 (RFC 1793 §2.2).
    pub age: u16,
    /// Options.
    pub options: Options,
    /// Type, Link State ID and Advertising Router.
    pub key: LsaKey,
    /// LS sequence number.
    pub sequence: SequenceNumber,
    /// LS checksum.
    pub checksum: u16,
    /// Length in octets, the header's own 20 included.
    pub length: u16,
}

/// An LSA: its header, and the octets after the header, shared and unparsed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lsa {
    /// The header; `length` is 20 + the body's length.
    pub header: LsaHeader,
    /// What follows the header.
    pub body: Bytes,
}

/// A body, read. See [`Lsa::parse`].
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
    /// Types 9 to 11, unparsed.
    Opaque(Bytes),
}

/// Router-LSA (§A.4.2).
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct RouterLsa {
    /// V, E, B and later bits.
    pub flags: RouterFlags,
    /// The links.
    pub links: Vec<RouterLink>,
}

impl RouterLsa {
    /// The stub networks among its links, those aside whose mask has holes.
    pub(crate) fn stub_networks(&self) -> impl Iterator<Item = crate::ids::Prefix> {
        let stubs = self.links.iter().filter(|link| link.kind == RouterLinkKind::Stub);
        stubs.filter_map(|link| crate::ids::Prefix::from_mask(link.id, link.data))
    }
}

/// Flag bits of a Router-LSA, unknown ones surviving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct RouterFlags(pub u8);

impl RouterFlags {
    /// B: area border router.
    pub const B: Self = Self(0x01);
    /// E: AS boundary router.
    pub const E: Self = Self(0x02);
    /// V: endpoint of a virtual link.
    pub const V: Self = Self(0x04);
    /// Nt: translates type 7 unconditionally (RFC 3101).
    pub const NT: Self = Self(0x10);

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// With the bits of `other` set as well.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// One link of a Router-LSA. TOS metrics are skipped when read and never written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouterLink {
    /// What it joins.
    pub kind: RouterLinkKind,
    /// Link ID, by kind: neighbour's router id, designated router's address, network.
    pub id: Ipv4Addr,
    /// Link Data, by kind: own address or, unnumbered, interface index; mask of a stub network.
    pub data: Ipv4Addr,
    /// Metric.
    pub metric: u16,
}

/// Kinds of links of a Router-LSA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouterLinkKind {
    /// 1.
    PointToPoint,
    /// 2.
    Transit,
    /// 3.
    Stub,
    /// 4.
    Virtual,
    /// Anything else: kept, not used.
    Unknown(u8),
}

/// Network-LSA (§A.4.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NetworkLsa {
    /// Mask of the network; as read, it may have holes.
    pub network_mask: Ipv4Addr,
    /// Routers fully adjacent to the designated router, itself included.
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

/// AS-external-LSA (§A.4.5) and type 7 (RFC 3101).
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
    /// A new instance with age 0, its length and checksum computed (§12.1).
    ///
    /// # Errors
    /// If the body is not one for the key's LS type, or longer than a 16-bit length says.
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

    /// Whether this may be used: the checksum verifies, the type is known and the body can be read (§13 (1) and (2)).
    ///
    /// # Errors
    /// The first of these that fails.
    pub fn check(&self) -> Result<(), LsaError> {
        if !self.header.checksum_verifies(&self.body) {
            return Err(LsaError::Checksum);
        }
        if self.header.key.kind.scope().is_none() {
            return Err(LsaError::UnknownType);
        }
        self.parse()?;
        Ok(())
    }

    /// What it says. The checksum is not looked at.
    ///
    /// # Errors
    /// If the body does not hold together, or the type is unknown. Not after [`Lsa::check`] found no fault.
    pub fn parse(&self) -> Result<LsaBody, WireError> {
        LsaBody::read(self.header.key.kind, &self.body)
    }

    /// The same instance at another age, of at most MaxAge. The body is shared.
    #[must_use]
    pub fn with_age(&self, age: u16) -> Self {
        Self { header: LsaHeader { age: age.min(MAX_AGE), ..self.header }, body: self.body.clone() }
    }

    /// The same as it is after `seconds` in a database: see [`LsaHeader::after`].
    #[must_use]
    pub fn after(&self, seconds: u64) -> Self {
        Self { header: self.header.after(seconds), body: self.body.clone() }
    }

    /// The same as it is sent: InfTransDelay is added to its age, DoNotAge or not (RFC 2328 §13.3 (5), RFC 1793 §2.2).
    #[must_use]
    pub fn delayed(&self, transmit_delay: u16) -> Self {
        let age = self.header.seconds().saturating_add(transmit_delay).min(MAX_AGE);
        // RFC 1793 §2.2: "the MaxAge form should always be used when flushing".
        let bit = if age < MAX_AGE { self.header.age & DO_NOT_AGE } else { 0 };
        Self { header: LsaHeader { age: age | bit, ..self.header }, body: self.body.clone() }
    }

    /// The same with a body of its own: one read from an update keeps all of that packet's bytes alive, which is not for long keeping.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self { header: self.header, body: Bytes::copy_from_slice(&self.body) }
    }

    /// Octets in a Link State Update.
    pub fn encoded_len(&self) -> usize {
        LSA_HEADER_LEN + self.body.len()
    }

    /// The network's Link State ID with the low bits, for keys of LSAs that describe a prefix.
    pub fn prefix(&self, network_mask: Ipv4Addr) -> Option<crate::ids::Prefix> {
        let LinkStateId(id) = self.header.key.id;
        crate::ids::Prefix::from_mask(Ipv4Addr::from(id), network_mask)
    }
}
