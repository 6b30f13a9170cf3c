//! What the engine is told to do. All of it may change while it runs: see [`crate::Input::Configure`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::ids::{AreaId, InterfaceId, Prefix, RouterId};

/// Everything that the operator decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// This router's identity. A change restarts all adjacencies.
    pub router_id: RouterId,
    /// Interfaces that take part, active and passive.
    pub interfaces: BTreeMap<InterfaceId, InterfaceConfig>,
    /// Single addresses that belong to the router itself and are advertised as /32 stub links at cost 0 (RFC 2328 §12.4.1, "host").
    pub loopbacks: BTreeMap<AreaId, BTreeSet<Ipv4Addr>>,
    /// Destinations outside OSPF that this router originates as AS-external-LSAs.
    pub externals: BTreeMap<Prefix, External>,
    /// Which router is believed about which destination.
    pub policy: Policy,
}

/// One interface (RFC 2328 §9 and appendix C.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceConfig {
    /// The name for events and shows.
    pub name: String,
    /// The area it belongs to.
    pub area: AreaId,
    /// The kind of network.
    pub network: NetworkType,
    /// Passive: its network is advertised, no packet is sent or taken.
    pub passive: bool,
    /// Interface output cost, 1..=65535.
    pub cost: u16,
    /// HelloInterval, whole seconds.
    pub hello_interval: Duration,
    /// RouterDeadInterval, whole seconds.
    pub dead_interval: Duration,
    /// RxmtInterval.
    pub retransmit_interval: Duration,
    /// InfTransDelay, whole seconds.
    pub transmit_delay: Duration,
    /// Accept Database Description packets whatever Interface MTU they claim.
    pub mtu_ignore: bool,
}

/// Network type (RFC 2328 §1.2, §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetworkType {
    /// Exactly one neighbour, reached at AllSPFRouters (224.0.0.5).
    PointToPoint,
}

/// A destination to originate as an AS-external-LSA (RFC 2328 §12.4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct External {
    /// Metric and how it compares with costs inside the AS.
    pub metric: ExternalMetric,
    /// Forwarding address; `None` = 0.0.0.0, traffic comes to this router.
    pub forwarding: Option<Ipv4Addr>,
    /// External Route Tag.
    pub tag: u32,
}

/// Metric of an external route (RFC 2328 §16.4), 24 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExternalMetric {
    /// Comparable with and added to the cost inside the AS.
    Type1(u32),
    /// Larger than any cost inside the AS.
    Type2(u32),
}

/// Who is believed about which destination.
///
/// A destination is judged by the longest listed prefix that covers it (0.0.0.0/0, if listed, covers only itself).
/// If there is one, a path to the destination is used only if the last of the `guards` on that path (this router included, as the first
/// vertex; the originator included, as the last) is among those the list names. If there is none, `unlisted` decides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Routers whose word counts, the mesh's sites.
    pub guards: BTreeSet<RouterId>,
    /// For each listed prefix the guards that may stand for it.
    pub listed: BTreeMap<Prefix, BTreeSet<RouterId>>,
    /// What becomes of a destination that no listed prefix covers.
    pub unlisted: Unlisted,
}

/// What becomes of a destination that nobody lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unlisted {
    /// Used like any other.
    #[default]
    Accept,
    /// Not used, and reported.
    Refuse,
}
