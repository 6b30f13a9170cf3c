//! The configuration of areas (RFC 2328 appendix C.2, RFC 3101 appendix D).

use std::collections::BTreeMap;
use std::time::Duration;

use super::external::ExternalMetric;
use crate::ids::{Domain, LsaType, Prefix};
use crate::wire::Options;

/// An area (RFC 2328 appendix C.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
pub struct AreaConfig {
    /// Which LSAs are flooded into the area.
    pub kind: AreaKind,
    /// Area address ranges: networks of the area that are advertised to other areas as one (§3.5) or, with `Advertise::No`, not at all.
    pub ranges: BTreeMap<Prefix, AreaRange>,
}

/// Which external and inter-area routes are advertised into an area. All routers of the area must agree on the kind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum AreaKind {
    /// All routes are advertised into it.
    #[default]
    Normal,
    /// Stub area: no AS-external-LSAs (RFC 2328 §3.6), but a default route of `default_cost`.
    Stub {
        /// Whether its border routers advertise networks of other areas into it.
        summaries: Summaries,
        /// StubDefaultCost: metric of the default route that this router advertises into the area if it is a border router, 24 bits.
        default_cost: u32,
    },
    /// NSSA: no AS-external-LSAs; external destinations of the area itself are advertised in Type-7 LSAs (RFC 3101).
    Nssa(NssaConfig),
}

/// Whether an area's border routers advertise networks of other areas into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Summaries {
    /// They advertise them (ImportSummaries enabled).
    #[default]
    Imported,
    /// They advertise a default route only: a totally stubby area.
    DefaultOnly,
}

/// A not-so-stubby area (RFC 3101 appendix D).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
pub struct NssaConfig {
    /// Whether its border routers advertise networks of other areas into it.
    pub summaries: Summaries,
    /// Metric of the default route that this router advertises into the area if it is a border router.
    pub default_metric: ExternalMetric,
    /// NSSATranslatorRole: when this router translates Type-7 LSAs.
    pub translator: TranslatorRole,
    /// TranslatorStabilityInterval: how long a translator continues after another was elected.
    pub stability_interval: Duration,
    /// Type-7 address ranges: destinations that are translated as one, or not at all (§2.3).
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

/// NSSATranslatorRole (RFC 3101 §3.1): when a border router of the area translates Type-7 LSAs into AS-external-LSAs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum TranslatorRole {
    /// It translates if it is elected.
    #[default]
    Candidate,
    /// It always translates.
    Always,
}

/// An area address range (RFC 2328 §3.5, appendix C.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
pub struct AreaRange {
    /// Whether the range is advertised to other areas.
    pub advertise: Advertise,
    /// Its metric, 24 bits; `None` = the largest cost of its networks.
    pub cost: Option<u32>,
}

/// A Type-7 address range (RFC 3101 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
pub struct NssaRange {
    /// Whether the range is translated.
    pub advertise: Advertise,
    /// External Route Tag of the translated LSA.
    pub tag: u32,
}

/// Whether a range is advertised or hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Advertise {
    /// One LSA is originated for all networks within the range.
    #[default]
    Yes,
    /// No LSA is originated: the networks within the range are hidden (DoNotAdvertise).
    No,
}

/// ExternalRoutingCapability (RFC 2328 §6, RFC 3101 §2.1): how external destinations are advertised in an area. All its routers must agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExternalRouting {
    /// In AS-external-LSAs.
    AsExternal,
    /// They are not advertised: a stub area.
    None,
    /// In Type-7 LSAs, only those of the area itself.
    Nssa,
}

impl ExternalRouting {
    /// Whether LSAs of a type are flooded in such an area.
    pub(crate) fn lets_in(self, kind: LsaType) -> bool {
        match kind {
            // RFC 3101 §2.2: "Type-7 LSAs ... are only flooded throughout" NSSAs.
            LsaType::NSSA => self == Self::Nssa,
            // RFC 2328 §13 (3), RFC 5250 §3.1.
            kind if Domain::As.floods(kind) => self == Self::AsExternal,
            kind => kind.is_known(),
        }
    }

    /// The Options of Database Descriptions and LSAs in the area, with the E-bit (RFC 2328 §A.2).
    pub(crate) fn options(self) -> Options {
        match self {
            Self::AsExternal => Options::E,
            Self::None | Self::Nssa => Options::default(),
        }
    }

    /// The Options of hellos, with the E- and N-bits. "The N-bit is used only in Hello packets" (RFC 3101 appendix A).
    pub(crate) fn hello_options(self) -> Options {
        match self {
            Self::AsExternal | Self::None => self.options(),
            Self::Nssa => self.options().with(Options::NP),
        }
    }
}

impl AreaKind {
    /// How external destinations are advertised in areas of this kind.
    pub(crate) fn external_routing(&self) -> ExternalRouting {
        match self {
            Self::Normal => ExternalRouting::AsExternal,
            Self::Stub { .. } => ExternalRouting::None,
            Self::Nssa(_) => ExternalRouting::Nssa,
        }
    }
}
