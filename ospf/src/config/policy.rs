//! Who is believed.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{Prefix, RouterId};

/// Who is believed about which destination.
///
/// A destination is judged by the longest listed prefix that covers it (0.0.0.0/0, if listed, covers only itself).
/// If there is one, a path to the destination is used only if the last of the `guards` on that path (this router included, as the first
/// vertex; the originator included, as the last) is among those the list names. If there is none, `unlisted` decides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
pub struct Policy {
    /// Routers whose word counts, the mesh's sites.
    pub guards: BTreeSet<RouterId>,
    /// Opaque Types that guards alone use.
    pub guarded_opaque: BTreeSet<u8>,
    /// For each listed prefix the guards that may stand for it.
    pub listed: BTreeMap<Prefix, BTreeSet<RouterId>>,
    /// What becomes of a destination that no listed prefix covers.
    pub unlisted: Unlisted,
}

/// What becomes of a destination that nobody lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Unlisted {
    /// Used like any other.
    #[default]
    Accept,
    /// Not used, and reported.
    Refuse,
}
