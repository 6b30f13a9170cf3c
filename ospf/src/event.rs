//! What the engine reports: nothing here needs an answer.

use std::net::Ipv4Addr;

use crate::ids::{AreaId, InterfaceId, LsaKey, Prefix, RouterId};
use crate::wire::{LsaError, PacketError, WireError};

/// Neighbour states (RFC 2328 §10.1), in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NeighborState {
    /// Nothing heard.
    Down,
    /// NBMA only: hellos are sent to it though nothing has been heard.
    Attempt,
    /// Its hello was heard, ours is not known to have been.
    Init,
    /// Both hear each other.
    TwoWay,
    /// Master and slave are being settled.
    ExStart,
    /// Databases are being described.
    Exchange,
    /// Missing LSAs are being requested.
    Loading,
    /// Fully adjacent.
    Full,
}

impl std::fmt::Display for NeighborState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Down => "Down",
            Self::Attempt => "Attempt",
            Self::Init => "Init",
            Self::TwoWay => "2-Way",
            Self::ExStart => "ExStart",
            Self::Exchange => "Exchange",
            Self::Loading => "Loading",
            Self::Full => "Full",
        })
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A neighbour changed its state.
    Neighbor {
        /// On this interface.
        interface: InterfaceId,
        /// Who.
        router_id: RouterId,
        /// Its address.
        address: Ipv4Addr,
        /// Before.
        from: NeighborState,
        /// After.
        to: NeighborState,
        /// What did it, in the RFC's words (`HelloReceived`, `InactivityTimer`, `SeqNumberMismatch` …).
        cause: &'static str,
    },
    /// A packet was not taken.
    PacketRefused {
        /// On this interface.
        interface: InterfaceId,
        /// IP source address.
        source: Ipv4Addr,
        /// Why.
        reason: Refusal,
    },
    /// An LSA in an otherwise good packet was not taken.
    LsaRefused {
        /// From this neighbour.
        router_id: RouterId,
        /// Which, if that much could be read.
        key: Option<LsaKey>,
        /// Why.
        reason: LsaRefusal,
    },
    /// A path to a destination is not used because the policy does not believe it. Sent once for each change.
    RouteRefused {
        /// To this destination.
        prefix: Prefix,
        /// Who originates it.
        originator: RouterId,
        /// The guard that vouched for it without being allowed to; `None` if no guard is on the path, or if nobody lists it.
        guard: Option<RouterId>,
    },
    /// Another router uses our router id.
    DuplicateRouterId {
        /// Heard on this interface.
        interface: InterfaceId,
        /// From this address.
        source: Ipv4Addr,
    },
    /// An LSA of ours came back newer than we have it, and was outbid or flushed (§13.4).
    SelfOriginatedReceived {
        /// Which.
        key: LsaKey,
        /// In this area.
        area: AreaId,
    },
    /// An external destination is not originated: prefixes within it, originated too, leave no Link State ID for it (appendix E).
    ExternalNotOriginated {
        /// Which.
        prefix: Prefix,
    },
}

/// Why a whole packet was refused. Each reason is counted per interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// Nothing is configured for this interface, or it is down or passive.
    InterfaceNotActive,
    /// It cannot be read.
    Malformed(WireError),
    /// Not version 2.
    Version,
    /// The packet's checksum is wrong.
    Checksum,
    /// Another area than the interface's.
    AreaMismatch,
    /// Another authentication type than the interface's.
    AuthenticationType,
    /// The authentication field or digest is wrong.
    Authentication,
    /// Our own packet came back, or somebody uses our router id.
    OwnRouterId,
    /// Hello: another HelloInterval.
    HelloIntervalMismatch,
    /// Hello: another RouterDeadInterval.
    DeadIntervalMismatch,
    /// Hello: another network mask.
    NetworkMaskMismatch,
    /// Hello: the E-bit disagrees with the area's kind.
    ExternalCapabilityMismatch,
    /// Not a hello, and no such neighbour.
    UnknownNeighbor,
    /// The neighbour is not in a state in which this packet is taken.
    NeighborState,
    /// Database Description: a larger Interface MTU than ours.
    MtuMismatch,
    /// Addressed neither to us nor to a group that we are in.
    Destination,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::InterfaceNotActive => "interface not active",
            Self::Malformed(error) => return write!(f, "malformed: {}", error.what),
            Self::Version => "not version 2",
            Self::Checksum => "wrong checksum",
            Self::AreaMismatch => "another area",
            Self::AuthenticationType => "another authentication type",
            Self::Authentication => "authentication failed",
            Self::OwnRouterId => "our own router id",
            Self::HelloIntervalMismatch => "another HelloInterval",
            Self::DeadIntervalMismatch => "another RouterDeadInterval",
            Self::NetworkMaskMismatch => "another network mask",
            Self::ExternalCapabilityMismatch => "another kind of area (E-bit)",
            Self::UnknownNeighbor => "unknown neighbor",
            Self::NeighborState => "not expected in the neighbor's state",
            Self::MtuMismatch => "larger MTU than ours",
            Self::Destination => "not addressed to us",
        })
    }
}

/// Why a single LSA was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LsaRefusal {
    /// Its checksum is wrong (§13 (1)).
    Checksum,
    /// Its type is unknown (§13 (2)).
    UnknownType,
    /// AS scope in a stub area (§13 (3)).
    ScopeInStubArea,
    /// Its body cannot be read.
    Malformed(WireError),
    /// It came sooner than MinLSArrival after the last (§13 (5)(a)).
    TooSoon,
    /// There are as many LSAs in the databases as this engine takes.
    DatabaseFull,
}

impl From<PacketError> for Refusal {
    fn from(error: PacketError) -> Self {
        match error {
            PacketError::Version(_) => Self::Version,
            PacketError::Checksum => Self::Checksum,
            PacketError::Malformed(error) => Self::Malformed(error),
        }
    }
}

impl From<LsaError> for LsaRefusal {
    fn from(error: LsaError) -> Self {
        match error {
            LsaError::Checksum => Self::Checksum,
            LsaError::UnknownType => Self::UnknownType,
            LsaError::Malformed(error) => Self::Malformed(error),
        }
    }
}
