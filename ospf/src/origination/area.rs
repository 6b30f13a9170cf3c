//! Areas (RFC 2328 §6): what the kind of an area lets in, and what packets and LSAs say of it. Nothing here has state.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{AreaConfig, AreaKind, AreaRange, Config};
use crate::engine::Engine;
use crate::ids::{AreaId, LsaType, Prefix, Scope};
use crate::route::Border;
use crate::wire::Options;

/// ExternalRoutingCapability (RFC 2328 §6, RFC 3101 §2.1): how an area takes destinations outside the AS. Its routers must agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExternalRouting {
    /// As AS-external-LSAs.
    AsExternal,
    /// Not at all: a stub area.
    None,
    /// Its own, as Type-7 LSAs.
    Nssa,
}

impl ExternalRouting {
    /// Whether LSAs of a type are flooded in such an area.
    pub(crate) fn lets_in(self, kind: LsaType) -> bool {
        match (kind, kind.scope()) {
            // RFC 3101 §2.2: "Type-7 LSAs ... are only flooded throughout" NSSAs.
            (LsaType::NSSA, _) => self == Self::Nssa,
            // RFC 2328 §13 (3), RFC 5250 §3.1.
            (_, Some(Scope::As)) => self == Self::AsExternal,
            (_, Some(Scope::Area | Scope::Link)) => true,
            (_, None) => false,
        }
    }

    /// The E-bit in everything that is said in the area (RFC 2328 §A.2).
    pub(crate) fn options(self) -> Options {
        match self {
            Self::AsExternal => Options::E,
            Self::None | Self::Nssa => Options::default(),
        }
    }

    /// The E- and N-bits in hellos. "The N-bit is used only in Hello packets" (RFC 3101 appendix A).
    pub(crate) fn hello_options(self) -> Options {
        match self {
            Self::AsExternal | Self::None => self.options(),
            Self::Nssa => self.options().with(Options::NP),
        }
    }
}

impl Engine {
    /// Whether this router is between areas (RFC 2328 §3.3).
    ///
    /// Deviates: for RFC 2328 a router in two areas is a border router, backbone or not, and a black hole for whoever believes it. As in
    /// most implementations it is one if the backbone is among its areas, and it listens to all areas while it has no neighbour in the
    /// backbone (RFC 3509 §2.1, §2.2). A virtual link counts from being configured (in RFC 3509 that is IBM's definition): its far end
    /// may wait for our B-bit.
    pub(crate) fn border(&self) -> Border {
        let up = self.interfaces.values().filter(|interface| interface.link().is_some());
        let mut areas: BTreeSet<_> = up.map(|interface| interface.config.area).collect();
        areas.extend(self.config.loopbacks.keys());
        areas.extend(self.interfaces.values().filter(|interface| interface.is_virtual()).map(|_| AreaId::BACKBONE));
        if !areas.contains(&AreaId::BACKBONE) || areas.len() == 1 {
            return Border::Inside;
        }
        let mut backbone = self.interfaces.values().filter(|interface| interface.config.area == AreaId::BACKBONE);
        match backbone.any(|interface| interface.adjacent().next().is_some()) {
            true => Border::WithBackbone,
            false => Border::WithoutBackbone,
        }
    }

    /// Whether any of this router's areas lets in LSAs of AS scope.
    pub(crate) fn takes_as_scope(&self) -> bool {
        let kind = |area| self.config.area_kind(area).external_routing();
        self.areas().into_iter().any(|area| kind(area).lets_in(LsaType::AS_EXTERNAL))
    }
}

impl AreaKind {
    /// What of the world outside is let in.
    pub(crate) fn external_routing(&self) -> ExternalRouting {
        match self {
            Self::Normal => ExternalRouting::AsExternal,
            Self::Stub { .. } => ExternalRouting::None,
            Self::Nssa(_) => ExternalRouting::Nssa,
        }
    }
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
