//! The limits that are reached.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::Limit;
use crate::ids::AreaId;

/// The routers to whose LSAs a limit applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Whose {
    /// All routers: the whole limit.
    All,
    /// Routers that are not guards: the part of the limit that is not reserved for guards.
    Others,
}

/// A limit that is reached, and the routers for whose LSAs it has no room left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Full {
    pub(crate) limit: Limit,
    pub(crate) whose: Whose,
}

/// The limits that are reached, and the amounts that they are compared with.
#[derive(Debug, Clone, Default)]
pub(crate) struct LimitStates {
    pub(crate) reached: BTreeSet<Full>,
    /// Number of routes there would be without the limit.
    pub(crate) routes: usize,
    /// Number of links there would be in this router's Router-LSAs without the limit.
    pub(crate) links: BTreeMap<AreaId, usize>,
}
