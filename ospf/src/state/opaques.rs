//! Opaque LSAs of this router's own and of others (RFC 5250).

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::ids::{LinkStateId, LsaPlace, OpaqueScope};
use crate::route::Reached;

/// Opaque LSAs of our own and of others.
#[derive(Debug, Clone, Default)]
pub(crate) struct Opaques {
    /// What the driver has us say, padded to 32 bits, whether there is such an interface or area at present or not.
    pub(crate) own: BTreeMap<(OpaqueScope, LinkStateId), Bytes>,
    /// Those of them that are wanted at present. Other opaque LSAs of ours are other chapters'.
    pub(crate) wanted: BTreeSet<LsaPlace>,
    /// What the driver was told of others.
    pub(crate) announced: BTreeMap<LsaPlace, Bytes>,
    /// Something may have changed that the driver is to be told of.
    pub(crate) changed: bool,
    /// Since the last calculation.
    pub(crate) reached: Option<Reached>,
}
