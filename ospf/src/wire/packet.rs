//! The five packet types (RFC 2328 §A.3).

use std::net::Ipv4Addr;

use super::lsa::{Lsa, LsaHeader};
use crate::ids::{AreaId, LsaKey, RouterId};

/// A packet: the header fields that a receiver needs (§A.3.1), and the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Router ID of the sender.
    pub router_id: RouterId,
    /// Area ID.
    pub area_id: AreaId,
    /// AuType and the 64-bit authentication field (§D).
    pub authentication: Authentication,
    /// The body, which depends on the packet type.
    pub body: PacketBody,
}

/// The authentication fields of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// AuType 0; the 64-bit field is ignored.
    Null,
    /// Any other AuType, with the undecoded 64-bit field.
    Other {
        /// AuType.
        kind: u16,
        /// The authentication field.
        data: [u8; 8],
    },
}

/// The body of a packet, by its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PacketBody {
    /// Type 1.
    Hello(Hello),
    /// Type 2.
    DatabaseDescription(DatabaseDescription),
    /// Type 3.
    LinkStateRequest(Vec<LsaKey>),
    /// Type 4. Only the lengths of the LSAs have been checked: see [`Lsa::check`].
    LinkStateUpdate(Vec<Lsa>),
    /// Type 5.
    LinkStateAck(Vec<LsaHeader>),
}

/// Hello (§A.3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Network mask; 0.0.0.0 on unnumbered point-to-point links.
    pub network_mask: Ipv4Addr,
    /// HelloInterval in seconds.
    pub hello_interval: u16,
    /// Options.
    pub options: Options,
    /// Router Priority.
    pub priority: u8,
    /// RouterDeadInterval in seconds.
    pub dead_interval: u32,
    /// The Designated Router's address; 0.0.0.0 = none.
    pub designated_router: Ipv4Addr,
    /// The Backup Designated Router's address; 0.0.0.0 = none.
    pub backup_designated_router: Ipv4Addr,
    /// Routers from which a hello was received within the last RouterDeadInterval.
    pub neighbors: Vec<RouterId>,
}

/// Database Description (§A.3.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DatabaseDescription {
    /// Interface MTU in octets; 0 on virtual links.
    pub interface_mtu: u16,
    /// Options.
    pub options: Options,
    /// I, M and MS bits.
    pub flags: DdFlags,
    /// DD sequence number.
    pub sequence: u32,
    /// LSA headers.
    pub headers: Vec<LsaHeader>,
}

/// Flags of a Database Description packet (§A.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct DdFlags {
    /// I-bit: this is the first packet of the exchange.
    pub init: bool,
    /// M-bit: more packets follow.
    pub more: bool,
    /// MS-bit: the sender is the master.
    pub master: bool,
}

/// The Options field (§A.2), one octet; unknown bits are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Options(pub u8);

impl Options {
    /// E-bit: AS-external-LSAs are flooded in the area.
    pub const E: Self = Self(0x02);
    /// N/P-bit (RFC 3101).
    pub const NP: Self = Self(0x08);
    /// L-bit: an LLS block follows (RFC 5613).
    pub const L: Self = Self(0x10);
    /// DC-bit: demand circuits (RFC 1793).
    pub const DC: Self = Self(0x20);
    /// O-bit: opaque LSAs (RFC 5250).
    pub const O: Self = Self(0x40);

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns the options with the bits of `other` set as well.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
