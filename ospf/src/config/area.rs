//! Areas (RFC 2328 appendix C.2, RFC 3101 appendix D).

use std::collections::BTreeMap;
use std::time::Duration;

use super::external::ExternalMetric;
use crate::ids::{LsaType, Prefix, Scope};
use crate::wire::Options;

/// An area (RFC 2328 appendix C.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
pub struct AreaConfig {
    /// What is let into it.
    pub kind: AreaKind,
    /// Area address ranges: networks of the area that other areas are told of as one (§3.5), or (`Advertise::No`) not at all.
    pub ranges: BTreeMap<Prefix, AreaRange>,
}

/// What an area is told of the world outside. Its routers must agree on the kind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum AreaKind {
    /// Everything.
    #[default]
    Normal,
    /// No AS-external-LSAs (RFC 2328 §3.6): a default route of `default_cost` takes their place.
    Stub {
        /// Whether its border routers tell it of other areas.
        summaries: Summaries,
        /// StubDefaultCost: metric of the default route that this router as a border router advertises into it, 24 bits.
        default_cost: u32,
    },
    /// No AS-external-LSAs of others, but its own destinations outside as Type-7 LSAs (RFC 3101).
    Nssa(NssaConfig),
}

/// Whether an area's border routers tell it of networks in other areas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Summaries {
    /// They do (ImportSummaries enabled).
    #[default]
    Imported,
    /// They tell it of a default route only: a totally stubby area.
    DefaultOnly,
}

/// A not-so-stubby area (RFC 3101 appendix D).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
pub struct NssaConfig {
    /// Whether its border routers tell it of other areas.
    pub summaries: Summaries,
    /// Metric of the default route that this router as a border router advertises into it.
    pub default_metric: ExternalMetric,
    /// NSSATranslatorRole.
    pub translator: TranslatorRole,
    /// TranslatorStabilityInterval: how long a translator goes on after another was elected.
    pub stability_interval: Duration,
    /// Type-7 address ranges: destinations translated as one, or not at all (§2.3).
    pub ranges: BTreeMap<Prefix, NssaRange>,
}

impl Default for NssaConfig {
    fn default() -> Self {
        Self {
            summaries: Summaries::Imported,
            default_metric: ExternalMetric::Type2(1),
            translator: TranslatorRole::Candidate,
            stability_interval: Duration::from_secs(40),
            ranges: BTreeMap::new(),
        }
    }
}

/// NSSATranslatorRole (RFC 3101 §3.1): when this router, if it is a border router of the area, translates Type-7 into AS-external-LSAs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum TranslatorRole {
    /// If it is elected.
    #[default]
    Candidate,
    /// Always.
    Always,
}

/// An area address range (RFC 2328 §3.5, appendix C.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
pub struct AreaRange {
    /// Whether other areas hear of it.
    pub advertise: Advertise,
    /// Its metric, 24 bits; `None` = the largest cost among its networks.
    pub cost: Option<u32>,
}

/// A Type-7 address range (RFC 3101 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
pub struct NssaRange {
    /// Whether it is translated.
    pub advertise: Advertise,
    /// External Route Tag of the translation.
    pub tag: u32,
}

/// Whether a range is told of or hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Advertise {
    /// One LSA for all that lies within.
    #[default]
    Yes,
    /// None: what lies within is hidden (DoNotAdvertise).
    No,
}

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
