//! The router as a whole (RFC 2328 appendix C.1).

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use super::area::AreaConfig;
use super::conduct::Conduct;
use super::external::External;
use super::graceful_restart::{Helper, Restarting};
use super::interface::InterfaceConfig;
use super::limits::Limits;
use super::policy::Policy;
use super::spf_delay::SpfDelay;
use super::stub_router::StubRouter;
use crate::ids::{AreaId, InterfaceId, Prefix, RouterId};

/// Everything that the operator decides.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default = "crate::serial::blank_router"))]
pub struct Config {
    /// This router's identity. A change restarts all adjacencies.
    pub router_id: RouterId,
    /// Router ids that this router had within the last hour and that no other router has: what it originated under them is flushed wherever
    /// it turns up. The engine adds the previous id by itself when `router_id` changes. An id that is taken off the set is left alone, and so
    /// is one of the policy's guards.
    pub former_ids: BTreeSet<RouterId>,
    /// A number larger than at any earlier start with the same keys, at best seconds since 1970 at the engine's time zero: what
    /// cryptographic sequence numbers begin from (AuType 2), and the boot count before them (AuType 3, RFC 7474 §2).
    pub boot: u32,
    /// Areas that are not plain: those of interfaces and not listed here are as [`AreaConfig::default`] says.
    pub areas: BTreeMap<AreaId, AreaConfig>,
    /// Interfaces that take part, active and passive, and virtual links.
    pub interfaces: BTreeMap<InterfaceId, InterfaceConfig>,
    /// Single addresses that belong to the router itself and are advertised as /32 stub links at cost 0 (RFC 2328 §12.4.1, "host").
    pub loopbacks: BTreeMap<AreaId, BTreeSet<Ipv4Addr>>,
    /// Destinations outside OSPF that this router originates as AS-external-LSAs.
    pub externals: BTreeMap<Prefix, External>,
    /// Of these the ones that stand for others, which lie within them and are not originated: what falls into one and has no route of its
    /// own is discarded here, and what other routers say of the same destination is not used.
    pub aggregates: BTreeSet<Prefix>,
    /// Which router is believed about which destination.
    pub policy: Policy,
    /// How paths to AS boundary routers compare.
    pub rfc1583: Rfc1583Compatibility,
    /// How long calculations of routes are put off.
    pub spf_delay: SpfDelay,
    /// When traffic shall not go through this router.
    pub stub_router: StubRouter,
    /// Opaque types of which the driver is told ([`crate::Output::Opaque`]).
    pub watched_opaque: BTreeSet<u8>,
    /// How much is taken from others.
    pub limits: Limits,
    /// What should come to an end by itself and has not for so long starts over ([`crate::Event::Stalled`]); `None` = it is waited for.
    pub stall_bound: Option<Duration>,
    /// Whether hellos of routers that came up together stay together.
    pub hello_jitter: HelloJitter,
    /// Whether neighbours that restart are helped.
    pub helper: Helper,
    /// Whether the engine begins within a restart of this router.
    pub restarting: Option<Restarting>,
    /// For simulators: how far it behaves as other implementations do.
    #[doc(hidden)]
    #[cfg_attr(feature = "serde", serde(skip))]
    pub conduct: Conduct,
}

impl Config {
    /// A router that takes part in nothing yet; everything else at the RFC's default.
    pub fn new(router_id: RouterId) -> Self {
        Self {
            router_id,
            former_ids: BTreeSet::new(),
            boot: 0,
            areas: BTreeMap::new(),
            interfaces: BTreeMap::new(),
            loopbacks: BTreeMap::new(),
            externals: BTreeMap::new(),
            aggregates: BTreeSet::new(),
            policy: Policy::default(),
            rfc1583: Rfc1583Compatibility::default(),
            spf_delay: SpfDelay::default(),
            stub_router: StubRouter::default(),
            watched_opaque: BTreeSet::new(),
            limits: Limits::default(),
            stall_bound: None,
            hello_jitter: HelloJitter::default(),
            helper: Helper::default(),
            restarting: None,
            conduct: Conduct::default(),
        }
    }
}

/// Whether hellos leave at random intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum HelloJitter {
    /// Each HelloInterval after the last.
    #[default]
    Off,
    /// Up to a tenth of HelloInterval earlier, never later.
    UpToTenth,
}

/// RFC1583Compatibility (RFC 2328 appendix C.1): whether paths to AS boundary routers are compared by cost alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Rfc1583Compatibility {
    /// By cost alone. All routers of an AS must agree; this is the RFC's default.
    #[default]
    Enabled,
    /// Intra-area paths through other areas than the backbone first (RFC 2328 §16.4.1).
    Disabled,
}
