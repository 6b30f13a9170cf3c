//! What can be seen of an engine from outside, for shows. Nothing here changes anything.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::config::{Authentication, KeyAlgorithm, KeyId, KeyStanding, NetworkType, SpfDelay};
use crate::event::{Limit, LimitState};
use crate::ids::{AreaId, Domain, InterfaceId, LsaKey, LsaPlace, NeighborKey, Prefix, RouterId};
use crate::io::{Addressing, Nexthop, Route, RouteKind};
use crate::machine::interface::InterfaceState;
use crate::machine::neighbor::NeighborState;
use crate::machine::spf_delay::SpfState;
use crate::refusal::Refusal;
use crate::route::{Refused, VirtualLinkObstacle};
use crate::state::counters::Counters;
use crate::state::engine::Engine;
use crate::state::timers::TimerKey;
use crate::wire::{Lsa, Options, RouterFlags};

/// A neighbour at present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeighborView {
    /// On this interface.
    pub interface: InterfaceId,
    /// The interface's configured name.
    pub interface_name: String,
    /// The interface's area.
    pub area: AreaId,
    /// Who.
    pub router_id: RouterId,
    /// Source address of its hellos.
    pub address: Ipv4Addr,
    /// State of the adjacency.
    pub state: NeighborState,
    /// How long it has been in this state.
    pub in_state: Duration,
    /// When it is taken for dead unless a hello comes, from now.
    pub dead_in: Duration,
    /// While it restarts and is helped: what is left of its grace period (RFC 3623 §3).
    pub helped_for: Option<Duration>,
    /// Router Priority of its hellos.
    pub priority: u8,
    /// Whom its hellos name as designated router, by address.
    pub designated_router: Option<Ipv4Addr>,
    /// Whom its hellos name as backup designated router, by address.
    pub backup_designated_router: Option<Ipv4Addr>,
    /// Options of its hellos and, from ExStart on, of its Database Descriptions.
    pub options: Options,
    /// LSAs that it has not acknowledged.
    pub retransmissions: usize,
    /// LSAs that it has newer and that have not come yet.
    pub requests: usize,
    /// LSAs that have not been described to it yet.
    pub summaries: usize,
}

/// An interface at present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceView {
    /// Which.
    pub interface: InterfaceId,
    /// The configured name.
    pub name: String,
    /// The area.
    pub area: AreaId,
    /// The kind of network.
    pub network: NetworkType,
    /// Its state.
    pub state: InterfaceState,
    /// Router Priority.
    pub priority: u8,
    /// The designated router's address, if there is one.
    pub designated_router: Option<Ipv4Addr>,
    /// The backup designated router's address, if there is one.
    pub backup_designated_router: Option<Ipv4Addr>,
    /// Its cost.
    pub cost: u16,
    /// HelloInterval.
    pub hello_interval: Duration,
    /// RouterDeadInterval.
    pub dead_interval: Duration,
    /// RxmtInterval.
    pub retransmit_interval: Duration,
    /// InfTransDelay.
    pub transmit_delay: Duration,
    /// PollInterval, of meaning on non-broadcast networks.
    pub poll_interval: Duration,
    /// How its packets are authenticated.
    pub authentication: AuthenticationView,
    /// The kernel's index, unless it is down.
    pub index: Option<u32>,
    /// IP MTU, unless it is down.
    pub mtu: Option<u16>,
    /// Addresses, unless it is down.
    pub addressing: Option<Addressing>,
    /// Of a virtual link that is down: why.
    pub obstacle: Option<VirtualLinkObstacle>,
    /// When the next hello is sent, from now; `None` if none is.
    pub next_hello: Option<Duration>,
    /// Neighbours in any state.
    pub neighbors: usize,
    /// Neighbours in state Full.
    pub adjacencies: usize,
    /// A router that sends hellos where another one is the neighbour: its router id and address.
    pub second_speaker: Option<(RouterId, Ipv4Addr)>,
    /// Neighbours are refused because there are as many as a hello lists: the most there may be.
    pub crowded: Option<usize>,
    /// LSAs of guards that were refused lately because everybody on the link could have sent them.
    pub site_lsas: Option<SiteLsasView>,
    /// What it has seen.
    pub counters: Counters,
    /// Why a packet was last refused, and how long ago.
    pub last_refusal: Option<(Refusal, Duration)>,
}

/// How packets are authenticated, without what with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthenticationView {
    /// Not at all.
    Null,
    /// By a password.
    Simple,
    /// By digests.
    Cryptographic {
        /// The key that packets are signed with.
        key: KeyId,
        /// What it is used with.
        algorithm: KeyAlgorithm,
        /// Whether it is in its lifetime.
        standing: KeyStanding,
    },
}

/// The delay of calculations at present (RFC 8405).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpfView {
    /// State of the machine.
    pub state: SpfState,
    /// When routes are calculated next, from now; `None` if nothing has changed since they were.
    pub due_in: Option<Duration>,
    /// Its parameters.
    pub delays: SpfDelay,
}

/// An LSA in the database, with its age at present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LsaView {
    /// How far it is flooded.
    pub domain: Domain,
    /// The LSA; [`Lsa::parse`] reads it.
    pub lsa: Lsa,
}

/// A path to an area border or AS boundary router (RFC 2328 §11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterView {
    /// Who.
    pub router_id: RouterId,
    /// The area that the path lies in.
    pub area: AreaId,
    /// `IntraArea` or `InterArea`.
    pub kind: RouteKind,
    /// What its Router-LSA says it is; of one in another area, that it is an AS boundary router.
    pub flags: RouterFlags,
    /// The path's cost.
    pub cost: u32,
    /// Next hops, equal in cost.
    pub nexthops: BTreeSet<Nexthop>,
}

/// A path to a destination that the policy does not believe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefusedView {
    /// To this destination.
    pub prefix: Prefix,
    /// Who originates it.
    pub originator: RouterId,
    /// The guard that vouched for it; `None` if there is none on the path, or if nobody lists the destination.
    pub guard: Option<RouterId>,
}

impl Engine {
    /// A [`crate::Config::boot`] for this router's next life: with it no sequence number of a signed packet comes again.
    pub fn next_boot(&self) -> u32 {
        self.sequences.next_boot()
    }

    /// This router's id.
    pub fn router_id(&self) -> RouterId {
        self.config.router_id
    }

    /// All neighbours, by interface and router id.
    pub fn neighbors(&self) -> impl Iterator<Item = NeighborView> {
        self.interfaces.iter().flat_map(move |(&id, interface)| {
            interface.neighbors.values().map(move |neighbor| {
                let key = NeighborKey { interface: id, id: neighbor.id };
                let dead = self.timers.deadline(TimerKey::Inactivity(key)).unwrap_or(self.now);
                NeighborView {
                    interface: id,
                    interface_name: interface.config.name.clone(),
                    area: interface.config.area,
                    router_id: neighbor.router_id,
                    address: neighbor.address,
                    state: neighbor.state,
                    in_state: self.now.saturating_since(neighbor.since),
                    dead_in: dead.saturating_since(self.now),
                    helped_for: neighbor.helping.map(|helping| helping.until.saturating_since(self.now)),
                    priority: neighbor.priority,
                    designated_router: neighbor.declared.router,
                    backup_designated_router: neighbor.declared.backup,
                    options: neighbor.options,
                    retransmissions: neighbor.retransmission.len(),
                    requests: neighbor.requests.len(),
                    summaries: neighbor.exchange.summary.left,
                }
            })
        })
    }

    /// All configured interfaces, by id.
    pub fn interfaces(&self) -> impl Iterator<Item = InterfaceView> {
        self.interfaces.iter().map(|(&id, interface)| {
            let full = |neighbor: &&crate::state::neighbor::Neighbor| neighbor.state == NeighborState::Full;
            InterfaceView {
                interface: id,
                name: interface.config.name.clone(),
                area: interface.config.area,
                network: interface.config.network,
                state: interface.state,
                priority: interface.config.priority,
                designated_router: interface.designated.router,
                backup_designated_router: interface.designated.backup,
                cost: interface.cost(),
                hello_interval: interface.config.hello_interval,
                dead_interval: interface.config.dead_interval,
                retransmit_interval: interface.config.retransmit_interval,
                transmit_delay: interface.config.transmit_delay,
                poll_interval: interface.config.poll_interval,
                authentication: self.authentication_view(&interface.config.authentication),
                index: interface.link().map(|link| link.index),
                mtu: interface.link().map(|link| link.mtu),
                addressing: interface.link().map(|link| link.addressing),
                obstacle: self.obstacle(interface),
                next_hello: self.timers.deadline(TimerKey::Hello(id)).map(|when| when.saturating_since(self.now)),
                neighbors: interface.neighbors.len(),
                adjacencies: interface.neighbors.values().filter(full).count(),
                second_speaker: interface.second_speaker(self.now).map(|speaker| (speaker.router_id, speaker.address)),
                crowded: interface.crowded(self.now).map(|_| self.most_neighbors(id)),
                site_lsas: self.refused_site_lsas(id),
                counters: interface.counters.clone(),
                last_refusal: interface.last_refusal.map(|(reason, at)| (reason, self.now.saturating_since(at))),
            }
        })
    }

    fn authentication_view(&self, authentication: &Authentication) -> AuthenticationView {
        match authentication {
            Authentication::Null => AuthenticationView::Null,
            Authentication::Simple(_) => AuthenticationView::Simple,
            Authentication::Cryptographic(chain) => {
                let (key, standing) = chain.signing(self.now);
                AuthenticationView::Cryptographic { key: key.id, algorithm: key.algorithm, standing }
            }
        }
    }

    /// All LSAs, by domain and key, with their age at the last [`Engine::handle`].
    pub fn lsdb(&self) -> impl Iterator<Item = LsaView> {
        self.databases.iter().flat_map(move |(domain, lsdb)| {
            lsdb.iter().map(move |entry| LsaView { domain, lsa: entry.instance(self.now) })
        })
    }

    /// The LSAs behind `after` in the order of their places, whether or not that is still there: a large database can be read in
    /// parts, each in time that grows with the part. What changes between two parts is seen, or not, as it is then.
    pub fn lsdb_after(&self, after: Option<LsaPlace>) -> impl Iterator<Item = LsaView> {
        self.databases.all_after(after).map(|(domain, entry)| LsaView { domain, lsa: entry.instance(self.now) })
    }

    /// The sum of the LS checksums of a domain, the same on routers whose databases agree (RFC 4750).
    pub fn checksum_sum(&self, domain: Domain) -> u32 {
        self.databases.domain(domain).map_or(0, |lsdb| lsdb.checksum_sum())
    }

    /// The routing table's networks, by prefix, as they were put out: while a calculation is under way those of the one before, and then
    /// more and more of its own.
    pub fn routes(&self) -> impl ExactSizeIterator<Item = (Prefix, &Route)> {
        // RFC 3623 §2: within a restart those of before are in use, which this engine does not know.
        let known = if self.is_restarting() { 0 } else { usize::MAX };
        self.calculation.latest.table.routes().take(known)
    }

    /// Paths to area border and AS boundary routers as last calculated, by router and area.
    pub fn routers(&self) -> impl Iterator<Item = RouterView> {
        let paths = self.calculation.latest.routers().into_iter();
        paths.map(|((router_id, area), path)| RouterView {
            router_id,
            area,
            kind: path.kind,
            flags: path.flags,
            cost: path.cost,
            nexthops: path.first_hops.iter().map(|first_hop| first_hop.nexthop).collect(),
        })
    }

    /// Paths that were not used at the last calculation because the policy does not believe them, by prefix.
    pub fn refused_routes(&self) -> impl ExactSizeIterator<Item = RefusedView> {
        let refused = self.calculation.latest.refused.iter();
        refused.map(|&Refused { prefix, originator, guard }| RefusedView { prefix, originator, guard })
    }

    /// When routes are calculated.
    pub fn spf(&self) -> SpfView {
        let backoff = &self.calculation.backoff;
        SpfView {
            state: backoff.state(self.now),
            due_in: backoff.due().map(|due| due.saturating_since(self.now)),
            delays: self.config.spf_delay,
        }
    }

    /// Whether an LSA of this router is to say something that it does not say yet (RFC 2328 §12.4, MinLSInterval), or one that has come
    /// already waits to be taken (§13, MinLSArrival).
    pub fn has_news(&self) -> bool {
        self.timers.keys().any(|timer| matches!(timer, TimerKey::Origination(_) | TimerKey::EarlyArrival(_)))
    }

    /// How often routes were calculated.
    pub fn calculations(&self) -> u64 {
        self.calculation.runs
    }

    /// How many of them looked at a few destinations only (RFC 2328 §16.5, §16.6).
    pub fn partial_calculations(&self) -> u64 {
        self.calculation.partial_runs
    }
}

/// A limit at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitView {
    /// Which.
    pub limit: Limit,
    /// The most there may be.
    pub most: usize,
    /// What there is.
    pub present: usize,
    /// What becomes of more.
    pub state: LimitState,
}

/// A router that cannot be reached, and its LSAs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreachableView {
    /// The Advertising Router.
    pub router_id: RouterId,
    /// How long it has not been reached; of one that never was, how long there have been LSAs of it.
    pub unreachable_for: Duration,
    /// Number of its LSAs, in all databases.
    pub lsas: usize,
    /// Octets of its LSAs, headers included.
    pub octets: usize,
    /// Number of its LSAs in the database of each area.
    pub lsas_of_area: BTreeMap<AreaId, usize>,
    /// Until its youngest LSA reaches MaxAge, if it is not refreshed.
    pub gone_in: Duration,
}

/// LSAs of guards that were refused lately on an open link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteLsasView {
    /// How many.
    pub count: usize,
    /// One of them.
    pub example: LsaKey,
    /// The neighbour that sent it.
    pub from: RouterId,
}
