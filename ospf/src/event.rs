//! Events that the engine reports. None of them needs an answer.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::config::{KeyId, KeyStanding};
use crate::ids::{AreaId, Domain, InterfaceId, LsaKey, Prefix, RouterId};
use crate::machine::interface::InterfaceState;
use crate::machine::neighbor::NeighborState;
use crate::refusal::{LsaRefusal, Refusal};
use crate::wire::{EncodeError, RestartReason};

/// An event for operators and logs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A neighbour changed its state.
    Neighbor {
        /// The interface of the neighbour.
        interface: InterfaceId,
        /// The neighbour's Router ID.
        router_id: RouterId,
        /// Its address.
        address: Ipv4Addr,
        /// The state before.
        from: NeighborState,
        /// The state after.
        to: NeighborState,
        /// The event that caused the change, by its name in the RFC (`HelloReceived`, `InactivityTimer`, `SeqNumberMismatch` …).
        cause: &'static str,
    },
    /// A neighbour whose hellos list this router is held in Init, because the path to it is down ([`crate::PathState::Down`]).
    NeighborHeld {
        /// The interface of the neighbour.
        interface: InterfaceId,
        /// The neighbour's Router ID.
        router_id: RouterId,
        /// Its address.
        address: Ipv4Addr,
        /// Whether it is held no longer, because its hellos have come for so long.
        is_overruled: bool,
    },
    /// An interface changed its state.
    Interface {
        /// The interface.
        interface: InterfaceId,
        /// The state before.
        from: InterfaceState,
        /// The state after.
        to: InterfaceState,
        /// The event that caused the change, by its name in the RFC (`InterfaceUp`, `WaitTimer`, `BackupSeen`, `NeighborChange`,
        /// `InterfaceDown`).
        cause: &'static str,
    },
    /// A packet was refused.
    PacketRefused {
        /// The receiving interface.
        interface: InterfaceId,
        /// IP source address.
        source: Ipv4Addr,
        /// Why the packet was refused.
        reason: Refusal,
    },
    /// An LSA in an otherwise valid packet was refused.
    LsaRefused {
        /// The receiving interface.
        interface: InterfaceId,
        /// The neighbour that sent it.
        router_id: RouterId,
        /// The LSA's key, if it could be read.
        key: Option<LsaKey>,
        /// Why the LSA was refused.
        reason: LsaRefusal,
    },
    /// A path to a destination is not used because the policy refuses it. Reported once for each change.
    RouteRefused {
        /// The destination.
        prefix: Prefix,
        /// The router that originates it.
        originator: RouterId,
        /// The last guard on the path, which is not allowed to announce the destination; `None` if no guard is on the path, or if the
        /// policy does not list the destination.
        guard: Option<RouterId>,
    },
    /// Another router uses our Router ID.
    DuplicateRouterId {
        /// The receiving interface.
        interface: InterfaceId,
        /// The address of the other router.
        source: Ipv4Addr,
    },
    /// A second router sends hellos where there can be only one neighbour. Reported once a minute while this continues.
    SecondSpeaker {
        /// The receiving interface.
        interface: InterfaceId,
        /// The second router's Router ID.
        router_id: RouterId,
        /// The second router's address.
        address: Ipv4Addr,
    },
    /// An interface has as many neighbours as a hello can list in one packet; further routers are refused. Reported once a minute while
    /// routers are refused.
    NeighborLimitReached {
        /// The interface.
        interface: InterfaceId,
        /// The maximum number of neighbours.
        most: usize,
    },
    /// A newer instance of an LSA of ours was received than the one in our database. We originate a still newer one or flush it (§13.4).
    SelfOriginatedReceived {
        /// The LSA's key.
        key: LsaKey,
        /// The area in which it was received.
        area: AreaId,
    },
    /// LSAs of a Router ID that this router had before come back whenever they are flushed. Another router uses the ID now, and its LSAs
    /// are no longer flushed.
    FormerRouterIdInUse {
        /// The former Router ID.
        router_id: RouterId,
    },
    /// A neighbour restarts, and is treated as fully adjacent during its restart (RFC 3623 §3.1).
    HelperStarted {
        /// The neighbour's interface.
        interface: InterfaceId,
        /// The neighbour's Router ID.
        router_id: RouterId,
        /// The longest time from now for which it is helped.
        grace_period: Duration,
        /// The restart reason in its Grace-LSA.
        reason: RestartReason,
    },
    /// A neighbour asked for help with its restart, and this router refuses.
    HelperRefused {
        /// The neighbour's interface.
        interface: InterfaceId,
        /// The neighbour's Router ID.
        router_id: RouterId,
        /// Why it is not helped.
        reason: HelperRefusal,
    },
    /// This router no longer helps a neighbour (RFC 3623 §3.2).
    HelperEnded {
        /// The neighbour's interface.
        interface: InterfaceId,
        /// The neighbour's Router ID.
        router_id: RouterId,
        /// Why helping ended.
        cause: HelperExit,
    },
    /// A planned restart can begin: the engine has stopped ([`crate::Input::PrepareRestart`]).
    RestartReady {
        /// The number of neighbours that have not acknowledged the Grace-LSA.
        unacknowledged: usize,
    },
    /// A graceful restart of this router is over (RFC 3623 §2.3). From now on it originates LSAs and reports routes.
    RestartEnded {
        /// Why it ended.
        cause: RestartExit,
    },
    /// An interface signs its packets with another key than before, or the lifetime of the key has ended.
    SigningKey {
        /// The interface.
        interface: InterfaceId,
        /// The key that is now in use.
        key: KeyId,
        /// Whether the key is valid. If it is not, no configured key is valid, and this one remains in use.
        standing: KeyStanding,
    },
    /// This router has become a stub router, around which traffic is led, or is one no longer (RFC 6987).
    StubRouter {
        /// The new state.
        state: StubRouterState,
    },
    /// A limit of the configuration is reached; more is refused. Reported once, until the limit is left.
    LimitReached {
        /// The limit.
        limit: Limit,
        /// The maximum; less than the configured one if the rest is reserved for the LSAs of guards.
        most: usize,
    },
    /// A limit is no longer reached: what was refused is learnt again.
    LimitLeft {
        /// The limit.
        limit: Limit,
    },
    /// An opaque LSA is not originated ([`crate::Input::Opaque`]); an instance that was originated before stays unchanged.
    OpaqueNotOriginated {
        /// The flooding scope that was requested.
        scope: Domain,
        /// Opaque Type.
        opaque_type: u8,
        /// Opaque ID.
        opaque_id: u32,
        /// Why it is not originated.
        reason: OpaqueRefusal,
    },
    /// On a link without authentication, the neighbours together have more unacknowledged LSAs than the databases may hold. The adjacency
    /// with the neighbour that has most of them is restarted.
    BacklogGivenUp {
        /// The neighbour's interface.
        interface: InterfaceId,
        /// The neighbour's Router ID.
        router_id: RouterId,
        /// The number of LSAs that it has not acknowledged.
        lsas: usize,
    },
    /// A neighbour has made no progress for [`crate::Config::stall_bound`]. Its adjacency is restarted, unless it is already full.
    Stalled {
        /// The neighbour's interface.
        interface: InterfaceId,
        /// The neighbour's Router ID.
        router_id: RouterId,
        /// What the neighbour has not made progress with.
        stall: Stall,
    },
    /// An LSA at MaxAge was still in the database although nothing prevented its removal.
    RemovalStalled {
        /// The LSA's key.
        key: LsaKey,
    },
    /// An LSA of ours is not originated because it cannot be encoded.
    LsaNotOriginated {
        /// The LSA's key.
        key: LsaKey,
        /// Why it cannot be encoded.
        reason: EncodeError,
    },
    /// An external destination is not originated: more specific prefixes, originated too, leave no Link State ID for it (appendix E).
    ExternalNotOriginated {
        /// The destination.
        prefix: Prefix,
    },
}

/// Why an opaque LSA is not originated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OpaqueRefusal {
    /// There are already [`crate::MAX_OPAQUE_LSAS`].
    TooMany,
    /// Its body is longer than [`crate::MAX_OPAQUE_OCTETS`].
    TooLong,
    /// The Opaque ID has more than 24 bits.
    Identifier,
    /// Grace-LSAs (RFC 3623) are originated by the engine alone: see [`crate::Input::PrepareRestart`].
    Reserved,
}

impl OpaqueRefusal {
    /// The reason in one word, for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooMany => "too-many",
            Self::TooLong => "too-long",
            Self::Identifier => "identifier",
            Self::Reserved => "reserved",
        }
    }
}

/// Why a restarting neighbour is not helped (RFC 3623 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HelperRefusal {
    /// (1) It is no neighbour, or is not fully adjacent.
    NotAdjacent,
    /// (2) It has not acknowledged a change of the topology.
    Changed,
    /// (3) Its grace period is over.
    Expired,
    /// (4) The configuration forbids it, or the grace period is longer than the configured maximum.
    Policy,
    /// (5) This router is itself restarting.
    Restarting,
    /// Its Grace-LSA is malformed.
    Malformed,
}

/// Why a neighbour is no longer helped (RFC 3623 §3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HelperExit {
    /// (1) The restart is complete: the neighbour flushed its Grace-LSA.
    Completed,
    /// (2) Its grace period is over.
    Expired,
    /// (3) The topology has changed, and the neighbour may not know it.
    Changed,
    /// The neighbour went to state Down, or its link went down.
    Down,
    /// The configuration now forbids it.
    Policy,
}

/// Why a graceful restart of this router ended (RFC 3623 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RestartExit {
    /// (1) All adjacencies are established again.
    Completed,
    /// (2) The LSA of a neighbour does not, or no longer, describe the adjacency with this router.
    Inconsistent,
    /// (3) The grace period is over.
    Expired,
    /// The Router ID of this router changed: neighbours help the former one.
    AnotherRouterId,
}

/// What a neighbour has not made progress with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stall {
    /// The adjacency stays in this state.
    Forming {
        /// ExStart, Exchange or Loading.
        state: NeighborState,
        /// The number of LSAs that were requested from the neighbour and not received.
        requests: usize,
    },
    /// The neighbour acknowledges none of the LSAs sent to it.
    Unacknowledged {
        /// The number of LSAs sent to it and not acknowledged.
        lsas: usize,
    },
}

/// A limit on the size of the databases, of the routing table or of a Router-LSA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// [`crate::Limits::lsas`].
    Lsas,
    /// [`crate::Limits::lsdb_octets`].
    LsdbOctets,
    /// [`crate::Limits::lsas_per_area`], of this area.
    LsasOfArea(AreaId),
    /// [`crate::Limits::routes`].
    Routes,
    /// The links of this router's Router-LSA of an area ([`crate::MAX_ROUTER_LINKS`]): further links are left out.
    RouterLinks(AreaId),
}

/// Whether a limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitState {
    /// There is room.
    Free,
    /// The room that remains is reserved for guards' LSAs; LSAs of other routers are refused.
    ReachedForOthers,
    /// The limit is reached; [`Event::LimitLeft`] reports when there is room again.
    Reached,
}

/// Whether this router is a stub router (RFC 6987).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum StubRouterState {
    /// It is not a stub router: transit traffic may pass through it.
    #[default]
    Transit,
    /// It is a stub router, until the configuration changes or the period after the start is over.
    Stub,
}
