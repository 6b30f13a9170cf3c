//! The LSAs for networks that this router should originate, and the comparison of them with the wanted LSAs.

use std::collections::{BTreeMap, VecDeque};

use crate::config::External;
use crate::ids::{AreaId, LinkStateId, Prefix};
use crate::state::translator::Translations;

/// The comparisons that are due, and the one under way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wishes {
    pub(crate) summaries: Due,
    pub(crate) externals: Due,
    pub(crate) under_way: Option<UnderWay>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Due {
    #[default]
    No,
    Yes,
}

#[derive(Debug, Clone)]
pub(crate) enum UnderWay {
    Summaries { areas: VecDeque<AreaId>, comparison: Option<(Source, Comparison)> },
    Translations(Translations),
    Externals { sources: VecDeque<Source>, comparison: Option<(Source, Comparison)> },
}

/// Where the desired LSAs of one domain come from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// Metrics of an area's Summary-LSAs.
    Summaries(AreaId, BTreeMap<Prefix, u32>),
    /// The configuration, and the translations from NSSAs.
    AsExternals(BTreeMap<Prefix, External>),
    /// The configuration.
    Type7(AreaId),
}

/// How far the comparison of one domain has come.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Comparison {
    /// LSAs up to this Link State ID have been compared, and withdrawn if they are no longer desired.
    Withdrawing(Option<LinkStateId>),
    /// Host routes up to this one have their LSAs. They come first because only one Link State ID is possible for a host route.
    Hosts(Option<Prefix>),
    /// All other networks up to this one have their LSAs, too.
    Networks(Option<Prefix>),
    Done,
}

impl Wishes {
    pub(crate) fn is_idle(&self) -> bool {
        self.under_way.is_none() && (self.summaries, self.externals) == (Due::No, Due::No)
    }
}
