//! The configuration of the router as a whole (RFC 2328 appendix C.1).

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use super::conduct::Conduct;
use super::external::External;
use super::graceful_restart::{Helper, Restarting};
use super::interface::InterfaceConfig;
use super::limits::Limits;
use super::policy::Policy;
use super::spf_delay::SpfDelay;
use super::stub_router::StubRouter;
use crate::config::area::AreaConfig;
use crate::config::{AreaKind, AreaRange};
use crate::ids::{AreaId, InterfaceId, Prefix, RouterId};
use crate::wire::Options;

/// The configuration of the router.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default = "crate::serial::blank_router"))]
pub struct Config {
    /// This router's identity. A change restarts all adjacencies.
    pub router_id: RouterId,
    /// Router ids that this router had within the last hour and that no other router has. LSAs that it originated under them are flushed
    /// wherever they appear. The engine adds the previous id when `router_id` changes. LSAs of an id that is removed from the set are left
    /// alone, and so are those of the policy's guards.
    pub former_ids: BTreeSet<RouterId>,
    /// A number larger than at any earlier start with the same keys, preferably the seconds since 1970 at the engine's time zero.
    /// Cryptographic sequence numbers start from it (AuType 2), and it is the boot count in front of them (AuType 3, RFC 7474 §2).
    pub boot: u32,
    /// Areas with settings of their own. An area of an interface that is not listed here has those of [`AreaConfig::default`].
    pub areas: BTreeMap<AreaId, AreaConfig>,
    /// Interfaces on which OSPF is enabled, active and passive, and virtual links.
    pub interfaces: BTreeMap<InterfaceId, InterfaceConfig>,
    /// Host addresses of the router itself, advertised as /32 stub links at cost 0 (RFC 2328 §12.4.1, "host").
    pub loopbacks: BTreeMap<AreaId, BTreeSet<Ipv4Addr>>,
    /// Destinations outside OSPF that this router originates as AS-external-LSAs.
    pub externals: BTreeMap<Prefix, External>,
    /// Members of `externals` that are aggregates: the destinations within them are not originated. Packets for an aggregate that have no
    /// more specific route are discarded here, and LSAs of other routers for the same destination are not used.
    pub aggregates: BTreeSet<Prefix>,
    /// Which routers are accepted as originators of which destinations.
    pub policy: Policy,
    /// How paths to AS boundary routers compare.
    pub rfc1583: Rfc1583Compatibility,
    /// The delay of route calculations.
    pub spf_delay: SpfDelay,
    /// Whether alternates are calculated for the next hops of routes.
    #[cfg_attr(feature = "serde", serde(default))]
    pub alternates: Alternates,
    /// When traffic shall avoid this router.
    pub stub_router: StubRouter,
    /// Opaque types of which LSAs are announced to the driver ([`crate::Output::Opaque`]).
    pub watched_opaque: BTreeSet<u8>,
    /// Limits on what is accepted from other routers.
    pub limits: Limits,
    /// How long an adjacency or another procedure may make no progress until it is restarted ([`crate::Event::Stalled`]); `None` = no
    /// limit.
    pub stall_bound: Option<Duration>,
    /// Whether hellos are sent with jitter, so that routers that start together do not stay synchronized.
    pub hello_jitter: HelloJitter,
    /// Whether this router helps neighbours that restart gracefully.
    pub helper: Helper,
    /// Set if the engine starts within a graceful restart of this router.
    pub restarting: Option<Restarting>,
    /// For simulators: how far this router behaves as other implementations do.
    #[doc(hidden)]
    #[cfg_attr(feature = "serde", serde(skip))]
    pub conduct: Conduct,
}

impl Config {
    /// Creates a configuration without interfaces; all else has the RFC's defaults.
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
            alternates: Alternates::default(),
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

/// Whether alternates are calculated (RFC 5286): see [`crate::Output::Protection`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Alternates {
    /// None are.
    #[default]
    Off,
    /// For each next hop of each route. It costs a calculation of distances for each neighbour.
    On,
}

/// Whether hellos are sent at random intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum HelloJitter {
    /// Each hello is sent HelloInterval after the previous one.
    #[default]
    Off,
    /// Each hello is sent up to a tenth of HelloInterval earlier, and never later.
    UpToTenth,
}

/// RFC1583Compatibility (RFC 2328 appendix C.1): whether paths to AS boundary routers are compared by cost alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Rfc1583Compatibility {
    /// They are compared by cost alone. All routers of an AS must agree; this is the RFC's default.
    #[default]
    Enabled,
    /// Intra-area paths through areas other than the backbone are preferred (RFC 2328 §16.4.1).
    Disabled,
}

impl Config {
    /// The kind of an area. "The backbone cannot be a stub area" (RFC 2328 §C.2), nor an NSSA.
    pub(crate) fn area_kind(&self, area: AreaId) -> &AreaKind {
        match self.areas.get(&area) {
            Some(AreaConfig { kind, .. }) if area != AreaId::BACKBONE => kind,
            Some(_) | None => &AreaKind::Normal,
        }
    }

    /// The address ranges of an area (RFC 2328 §C.2).
    pub(crate) fn area_ranges(&self, area: AreaId) -> &BTreeMap<Prefix, AreaRange> {
        const NONE: &BTreeMap<Prefix, AreaRange> = &BTreeMap::new();
        self.areas.get(&area).map_or(NONE, |config| &config.ranges)
    }

    /// The Options of LSAs that are flooded in an area (RFC 2328 §12.1.2).
    pub(crate) fn area_options(&self, area: AreaId) -> Options {
        self.area_kind(area).external_routing().options()
    }
}
