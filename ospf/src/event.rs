//! What the engine reports: nothing here needs an answer.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::config::{KeyId, KeyStanding};
use crate::restart::helper::{HelperExit, HelperRefusal};
use crate::ids::{AreaId, InterfaceId, LsaKey, Prefix, RouterId};
use crate::machine::interface::InterfaceState;
use crate::limits::Limit;
use crate::origination::opaque::{OpaqueRefusal, OpaqueScope};
use crate::exchange::progress::Stall;
use crate::refusal::{LsaRefusal, Refusal};
use crate::restart::restarter::RestartExit;
use crate::origination::stub_router::StubRouterState;
use crate::wire::{EncodeError, RestartReason};

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
