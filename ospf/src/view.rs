//! Views of an engine's state, for `show` commands. Nothing in this file changes the state.

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
use crate::protection::Protection;
use crate::refusal::Refusal;
use crate::route::{Refused, VirtualLinkObstacle};
use crate::state::counters::Counters;
use crate::state::engine::Engine;
use crate::state::timers::TimerKey;
use crate::wire::{Lsa, Options, RouterFlags};

/// The present state of a neighbour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeighborView {
    /// The interface.
    pub interface: InterfaceId,
    /// The interface's configured name.
    pub interface_name: String,
    /// The interface's area.
    pub area: AreaId,
    /// The neighbour's Router ID.
    pub router_id: RouterId,
    /// Source address of its hellos.
    pub address: Ipv4Addr,
    /// State of the adjacency.
    pub state: NeighborState,
    /// How long it has been in this state.
    pub in_state: Duration,
    /// The time until the neighbour is declared down unless a hello arrives.
    pub dead_in: Duration,
    /// While it is helped during its restart: the rest of its grace period (RFC 3623 §3).
    pub helped_for: Option<Duration>,
    /// Router Priority in its hellos.
    pub priority: u8,
    /// The address of the designated router in its hellos.
    pub designated_router: Option<Ipv4Addr>,
    /// The address of the backup designated router in its hellos.
    pub backup_designated_router: Option<Ipv4Addr>,
    /// Options in its hellos and, from ExStart on, in its Database Description packets.
    pub options: Options,
    /// Number of LSAs that it has not acknowledged.
    pub retransmissions: usize,
    /// Number of newer LSAs that it has and that have not been received yet.
    pub requests: usize,
    /// Number of LSAs that have not been described to it yet.
    pub summaries: usize,
}

/// The present state of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceView {
    /// The interface.
    pub interface: InterfaceId,
    /// The configured name.
    pub name: String,
    /// The area.
    pub area: AreaId,
    /// The network type.
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
    /// PollInterval, used on non-broadcast networks only.
    pub poll_interval: Duration,
    /// How its packets are authenticated, without the secrets.
    pub authentication: AuthenticationView,
    /// The kernel's interface index; `None` while the link is down.
    pub index: Option<u32>,
    /// IP MTU in octets; `None` while the link is down.
    pub mtu: Option<u16>,
    /// Addresses; `None` while the link is down.
    pub addressing: Option<Addressing>,
    /// Why a virtual link is down.
    pub obstacle: Option<VirtualLinkObstacle>,
    /// The time until the next hello; `None` if no hellos are sent.
    pub next_hello: Option<Duration>,
    /// Number of neighbours in any state.
    pub neighbors: usize,
    /// Number of neighbours in state Full.
    pub adjacencies: usize,
    /// The Router ID and the address of a second router that sends hellos where there can be only one neighbour.
    pub second_speaker: Option<(RouterId, Ipv4Addr)>,
    /// The maximum number of neighbours, while further routers are refused because a hello can list no more.
    pub crowded: Option<usize>,
    /// LSAs of guards that were recently refused because anybody on the link could have sent them.
    pub site_lsas: Option<SiteLsasView>,
    /// Counters of packets and events.
    pub counters: Counters,
    /// The reason for which a packet was last refused, and the time since then.
    pub last_refusal: Option<(Refusal, Duration)>,
}

/// How packets are authenticated, without passwords and keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthenticationView {
    /// Null authentication.
    Null,
    /// Simple password authentication.
    Simple,
    /// Cryptographic authentication.
    Cryptographic {
        /// The key that packets are signed with.
        key: KeyId,
        /// The algorithm of this key.
        algorithm: KeyAlgorithm,
        /// Whether the key is within its lifetime.
        standing: KeyStanding,
    },
}

/// The present state of the SPF delay (RFC 8405).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpfView {
    /// State of the delay's state machine.
    pub state: SpfState,
    /// The time until routes are next calculated; `None` if nothing has changed since the last calculation.
    pub due_in: Option<Duration>,
    /// The configured delays.
    pub delays: SpfDelay,
}

/// An LSA in the database, with its present age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LsaView {
    /// The database that contains it.
    pub domain: Domain,
    /// The LSA; [`Lsa::parse`] decodes it.
    pub lsa: Lsa,
}

/// A path to an area border or AS boundary router (RFC 2328 §11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterView {
    /// The router's ID.
    pub router_id: RouterId,
    /// The area of the path.
    pub area: AreaId,
    /// `IntraArea` or `InterArea`.
    pub kind: RouteKind,
    /// The flags of its Router-LSA; for a router in another area, only that it is an AS boundary router.
    pub flags: RouterFlags,
    /// The cost of the path.
    pub cost: u32,
    /// Next hops of equal cost.
    pub nexthops: BTreeSet<Nexthop>,
}

/// A path to a destination that the policy refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefusedView {
    /// The destination.
    pub prefix: Prefix,
    /// The router that originates it.
    pub originator: RouterId,
    /// The last guard on the path, which is not allowed to announce the destination; `None` if no guard is on the path, or if the policy
    /// does not list the destination.
    pub guard: Option<RouterId>,
}

impl Engine {
    /// Returns the [`crate::Config::boot`] for the next start of this router, with which no sequence number of a signed packet is used
    /// again.
    pub fn next_boot(&self) -> u32 {
        self.sequences.next_boot()
    }

    /// This router's ID.
    pub fn router_id(&self) -> RouterId {
        self.config.router_id
    }

    /// All neighbours, in the order of their keys.
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

    /// All configured interfaces, in the order of their IDs.
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

    /// All LSAs in the order of their places, with their age at the last [`Engine::handle`].
    pub fn lsdb(&self) -> impl Iterator<Item = LsaView> {
        self.databases.iter().flat_map(move |(domain, lsdb)| {
            lsdb.iter().map(move |entry| LsaView { domain, lsa: entry.instance(self.now) })
        })
    }

    /// The LSAs after `after` in the order of their places, whether or not that place still exists. A large database can thus be read in
    /// parts, each in time proportional to its size. Changes between two parts may or may not be seen.
    pub fn lsdb_after(&self, after: Option<LsaPlace>) -> impl Iterator<Item = LsaView> {
        self.databases.all_after(after).map(|(domain, entry)| LsaView { domain, lsa: entry.instance(self.now) })
    }

    /// The sum of the LS checksums of a domain. It is the same on routers with the same database (RFC 4750).
    pub fn checksum_sum(&self, domain: Domain) -> u32 {
        self.databases.domain(domain).map_or(0, |lsdb| lsdb.checksum_sum())
    }

    /// The networks of the routing table by prefix, as they were last reported. During a calculation, these are the routes of the previous
    /// calculation, which are replaced by the new ones as they are reported.
    pub fn routes(&self) -> impl ExactSizeIterator<Item = (Prefix, &Route)> {
        // RFC 3623 §2: during a graceful restart the routes of the previous incarnation are in use, which this engine does not know.
        let known = if self.is_restarting() { 0 } else { usize::MAX };
        self.calculation.latest.table.routes().take(known)
    }

    /// The alternates of routes ([`Config::alternates`]), in the order of the prefixes.
    ///
    /// [`Config::alternates`]: crate::Config::alternates
    pub fn protections(&self) -> impl ExactSizeIterator<Item = (Prefix, &Protection)> {
        self.alternates.protection.iter().map(|(&prefix, protection)| (prefix, protection.as_ref()))
    }

    /// Paths to area border routers and AS boundary routers as last calculated, by router and area.
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

    /// Paths that the last calculation did not use because the policy refuses them, by prefix.
    pub fn refused_routes(&self) -> impl ExactSizeIterator<Item = RefusedView> {
        let refused = self.calculation.latest.refused.iter();
        refused.map(|&Refused { prefix, originator, guard }| RefusedView { prefix, originator, guard })
    }

    /// The present state of the SPF delay.
    pub fn spf(&self) -> SpfView {
        let backoff = &self.calculation.backoff;
        SpfView {
            state: backoff.state(self.now),
            due_in: backoff.due().map(|due| due.saturating_since(self.now)),
            delays: self.config.spf_delay,
        }
    }

    /// Whether an LSA of this router waits to be originated (RFC 2328 §12.4, MinLSInterval), or a received one waits to be installed (§13,
    /// MinLSArrival).
    pub fn has_news(&self) -> bool {
        self.timers.keys().any(|timer| matches!(timer, TimerKey::Origination(_) | TimerKey::EarlyArrival(_)))
    }

    /// The number of calculations of the routing table.
    pub fn calculations(&self) -> u64 {
        self.calculation.runs
    }

    /// The number of partial calculations among them, which examined only a few destinations (RFC 2328 §16.5, §16.6).
    pub fn partial_calculations(&self) -> u64 {
        self.calculation.partial_runs
    }
}

/// The present state of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitView {
    /// The limit.
    pub limit: Limit,
    /// The maximum.
    pub most: usize,
    /// The present number.
    pub present: usize,
    /// Whether more is refused.
    pub state: LimitState,
}

/// A router that is unreachable, and its LSAs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreachableView {
    /// The Advertising Router.
    pub router_id: RouterId,
    /// How long it has been unreachable; for a router that was never reachable, how long its LSAs have been in the database.
    pub unreachable_for: Duration,
    /// Number of its LSAs, in all databases.
    pub lsas: usize,
    /// Octets of its LSAs, headers included.
    pub octets: usize,
    /// Number of its LSAs in the database of each area.
    pub lsas_of_area: BTreeMap<AreaId, usize>,
    /// The time until its youngest LSA reaches MaxAge, if the LSA is not refreshed.
    pub gone_in: Duration,
}

/// LSAs of guards that were recently refused on a link without authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteLsasView {
    /// Number of refused LSAs.
    pub count: usize,
    /// The key of one of them.
    pub example: LsaKey,
    /// The neighbour that sent it.
    pub from: RouterId,
}
