//! What the engine reports: nothing here needs an answer.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::config::{KeyId, KeyStanding};
use crate::ids::{AreaId, InterfaceId, LsaKey, OpaqueScope, Prefix, RouterId};
use crate::machine::interface::InterfaceState;
use crate::machine::neighbor::NeighborState;
use crate::refusal::{LsaRefusal, Refusal};
use crate::wire::{EncodeError, RestartReason};

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
    /// An interface changed its state.
    Interface {
        /// Which.
        interface: InterfaceId,
        /// Before.
        from: InterfaceState,
        /// After.
        to: InterfaceState,
        /// What did it, in the RFC's words (`InterfaceUp`, `WaitTimer`, `BackupSeen`, `NeighborChange`, `InterfaceDown`).
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
        /// On this interface.
        interface: InterfaceId,
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
    /// A router sends hellos where another one is the neighbour and there can be one only. Reported once a minute while it goes on.
    SecondSpeaker {
        /// On this interface.
        interface: InterfaceId,
        /// Who.
        router_id: RouterId,
        /// Its address.
        address: Ipv4Addr,
    },
    /// An interface has as many neighbours as a hello lists in one packet; further routers are refused. Reported once a minute while they
    /// are.
    NeighborLimitReached {
        /// Which interface.
        interface: InterfaceId,
        /// The most there may be.
        most: usize,
    },
    /// An LSA of ours came back newer than we have it, and was outbid or flushed (§13.4).
    SelfOriginatedReceived {
        /// Which.
        key: LsaKey,
        /// In this area.
        area: AreaId,
    },
    /// LSAs of a router id that this router had before come back whenever they are flushed: another router has the id now, and is left
    /// alone.
    FormerRouterIdInUse {
        /// Which id.
        router_id: RouterId,
    },
    /// A neighbour restarts, and is taken for fully adjacent meanwhile (RFC 3623 §3.1).
    HelperStarted {
        /// On this interface.
        interface: InterfaceId,
        /// Who.
        router_id: RouterId,
        /// For so long from now at most.
        grace_period: Duration,
        /// What it said.
        reason: RestartReason,
    },
    /// A neighbour asked for help with its restart and gets none.
    HelperRefused {
        /// On this interface.
        interface: InterfaceId,
        /// Who.
        router_id: RouterId,
        /// Why.
        reason: HelperRefusal,
    },
    /// A neighbour is not helped any more (RFC 3623 §3.2).
    HelperEnded {
        /// On this interface.
        interface: InterfaceId,
        /// Who.
        router_id: RouterId,
        /// Why.
        cause: HelperExit,
    },
    /// A planned restart may begin: the engine has stopped ([`crate::Input::PrepareRestart`]).
    RestartReady {
        /// Neighbours of which it is not known that they know.
        unacknowledged: usize,
    },
    /// A restart of our own is over (RFC 3623 §2.3): LSAs are originated and routes told of from now on.
    RestartEnded {
        /// Why.
        cause: RestartExit,
    },
    /// Packets of an interface are signed with another key than before, or its lifetime has ended.
    SigningKey {
        /// Which interface.
        interface: InterfaceId,
        /// The key in use now.
        key: KeyId,
        /// If it is not valid, no configured key is: it goes on being used.
        standing: KeyStanding,
    },
    /// Traffic is led around this router from now on, or no longer (RFC 6987).
    StubRouter {
        /// What it is now.
        state: StubRouterState,
    },
    /// There is as much as the configuration lets in; more is refused. Told once, until the limit is left.
    LimitReached {
        /// Which limit.
        limit: Limit,
        /// The most there may be; less than the configuration lets in if what is left is kept for the LSAs of guards.
        most: usize,
    },
    /// A limit that was reached is reached no longer: what was refused is learnt again.
    LimitLeft {
        /// Which limit.
        limit: Limit,
    },
    /// An opaque LSA is not originated ([`crate::Input::Opaque`]); one that was there stays as it was.
    OpaqueNotOriginated {
        /// How far it was to go.
        scope: OpaqueScope,
        /// Opaque Type.
        opaque_type: u8,
        /// Opaque ID.
        opaque_id: u32,
        /// Why.
        reason: OpaqueRefusal,
    },
    /// Neighbours on a link without authentication do not acknowledge what is flooded to them, more than the databases may have: the adjacency
    /// with the one that acknowledges least begins anew.
    BacklogGivenUp {
        /// On this interface.
        interface: InterfaceId,
        /// Who.
        router_id: RouterId,
        /// LSAs that it has not acknowledged.
        lsas: usize,
    },
    /// A neighbour has not come forward for [`crate::Config::stall_bound`]. Unless it is fully adjacent, its adjacency begins anew.
    Stalled {
        /// On this interface.
        interface: InterfaceId,
        /// Who.
        router_id: RouterId,
        /// In what.
        stall: Stall,
    },
    /// An LSA at MaxAge was still in the database though nobody waited for it.
    RemovalStalled {
        /// Which.
        key: LsaKey,
    },
    /// An LSA of ours is not originated because it cannot be written.
    LsaNotOriginated {
        /// Which.
        key: LsaKey,
        /// Why.
        reason: EncodeError,
    },
    /// An external destination is not originated: prefixes within it, originated too, leave no Link State ID for it (appendix E).
    ExternalNotOriginated {
        /// Which.
        prefix: Prefix,
    },
}

/// Why an opaque LSA is not originated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OpaqueRefusal {
    /// There are [`MAX_OPAQUE_LSAS`].
    TooMany,
    /// It has more than [`MAX_OPAQUE_OCTETS`].
    TooLong,
    /// The opaque id has more than 24 bits.
    Identifier,
    /// Grace-LSAs (RFC 3623) are the engine's own: see [`crate::Input::PrepareRestart`].
    Reserved,
}

impl OpaqueRefusal {
    /// The reason in one word, for machines.
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
    /// (1) It is no neighbour, or not a full one.
    NotAdjacent,
    /// (2) It has not acknowledged a change of the network.
    Changed,
    /// (3) Its grace period is over.
    Expired,
    /// (4) The configuration is against it, or the period is longer than any that is granted.
    Policy,
    /// (5) We restart ourselves.
    Restarting,
    /// Its Grace-LSA cannot be read.
    Malformed,
}

/// Why a neighbour is not helped any more (RFC 3623 §3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HelperExit {
    /// (1) It is done: it flushed its Grace-LSA.
    Completed,
    /// (2) Its grace period is over.
    Expired,
    /// (3) The network has changed, and it might not know.
    Changed,
    /// It went Down, or its link did.
    Down,
    /// The configuration is against it now.
    Policy,
}

/// Why a restart of our own ended (RFC 3623 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RestartExit {
    /// (1) All adjacencies are back.
    Completed,
    /// (2) A neighbour does not, or no longer, tell of us as it did.
    Inconsistent,
    /// (3) The grace period is over.
    Expired,
    /// This router was given another router id: neighbours help the one that it was.
    AnotherRouterId,
}

/// What has not come forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stall {
    /// An adjacency is in this state, with so many LSAs requested.
    Forming {
        /// ExStart, Exchange or Loading.
        state: NeighborState,
        /// LSAs requested of the neighbour that have not come.
        requests: usize,
    },
    /// The neighbour acknowledges none of so many LSAs.
    Unacknowledged {
        /// LSAs sent to it and not acknowledged.
        lsas: usize,
    },
}

/// Which limit.
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
    /// Links of this router's Router-LSA of an area ([`crate::MAX_ROUTER_LINKS`]): what is beyond is not in it.
    RouterLinks(AreaId),
}

/// Whether something is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitState {
    /// There is room.
    Free,
    /// What is left is kept for guards' LSAs; those of others are refused.
    ReachedForOthers,
    /// The limit was reached; [`Event::LimitLeft`] will tell when there is room again.
    Reached,
}

/// Whether this router is a stub router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum StubRouterState {
    /// It is not: traffic may go through it.
    #[default]
    Transit,
    /// It is, until the configuration says otherwise or the time after the start is over.
    Stub,
}
