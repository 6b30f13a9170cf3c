//! Which LSAs for networks this router should originate, as far as that has been compared with the routing table.

use std::collections::{BTreeMap, VecDeque};

use crate::config::External;
use crate::ids::{AreaId, LinkStateId, Prefix};
use crate::state::translator::Translations;

/// Comparisons that are due, and the one under way.
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

/// Where the wishes of one domain come from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// Metrics of an area's Summary-LSAs.
    Summaries(AreaId, BTreeMap<Prefix, u32>),
    /// The configuration, and what is translated from NSSAs.
    AsExternals(BTreeMap<Prefix, External>),
    /// The configuration.
    Type7(AreaId),
}

/// How far the comparison of one domain has come.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Comparison {
    /// LSAs up to this one are withdrawn if nobody wishes them any more.
    Withdrawing(Option<LinkStateId>),
    /// Host routes up to this one have their LSAs: no other Link State ID will do for them.
    Hosts(Option<Prefix>),
    /// So have all other networks up to this one.
    Networks(Option<Prefix>),
    Done,
}

impl Wishes {
    pub(crate) fn is_idle(&self) -> bool {
        self.under_way.is_none() && (self.summaries, self.externals) == (Due::No, Due::No)
    }
}
