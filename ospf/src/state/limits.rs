//! Which limits are reached.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::Limit;
use crate::ids::AreaId;

/// Whose LSAs a limit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Whose {
    /// Everybody's: it is the limit itself.
    All,
    /// Those that are no guard's: it is the part of the limit that is not kept for guards.
    Others,
}

/// A limit, and whose LSAs it leaves no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Full {
    pub(crate) limit: Limit,
    pub(crate) whose: Whose,
}

/// What is remembered.
#[derive(Debug, Clone, Default)]
pub(crate) struct LimitStates {
    pub(crate) reached: BTreeSet<Full>,
    /// Routes that there would be.
    pub(crate) routes: usize,
    /// Links that there would be in Router-LSAs.
    pub(crate) links: BTreeMap<AreaId, usize>,
}
