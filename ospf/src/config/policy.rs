//! The policy for accepting destinations, by originator.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{Prefix, RouterId};

/// Which routers are accepted as originators of which destinations.
///
/// The longest listed prefix that covers a destination decides (0.0.0.0/0, if listed, covers only itself). If there is one, a path to the
/// destination is used only if the last of the `guards` on the path (including this router as the first vertex and the originator as the
/// last) is among the guards listed for the prefix. If there is none, `unlisted` decides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
pub struct Policy {
    /// Trusted routers: the mesh's sites.
    pub guards: BTreeSet<RouterId>,
    /// Opaque Types that only guards may originate.
    pub guarded_opaque: BTreeSet<u8>,
    /// For each listed prefix, the guards that are accepted for it.
    pub listed: BTreeMap<Prefix, BTreeSet<RouterId>>,
    /// Whether a destination is accepted that no listed prefix covers.
    pub unlisted: Unlisted,
}

/// Whether destinations are accepted that no listed prefix covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Unlisted {
    /// They are used like any other.
    #[default]
    Accept,
    /// They are not used, and are reported.
    Refuse,
}
