//! Opaque LSAs of this router and of others (RFC 5250).

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::ids::{Domain, LinkStateId, LsaPlace};
use crate::route::Reached;

/// Opaque LSAs of this router and of others.
#[derive(Debug, Clone, Default)]
pub(crate) struct Opaques {
    /// Bodies that the driver has this router originate, padded to 32 bits, even if their interface or area does not exist at present.
    pub(crate) own: BTreeMap<(Domain, LinkStateId), Bytes>,
    /// The LSAs of `own` that are wanted at present. Opaque LSAs that this router originates for other reasons are not listed.
    pub(crate) wanted: BTreeSet<LsaPlace>,
    /// LSAs of others that were announced to the driver.
    pub(crate) announced: BTreeMap<LsaPlace, Bytes>,
    /// Whether something may have changed that the driver has to be informed of.
    pub(crate) changed: bool,
    /// The routers reached by the last calculation.
    pub(crate) reached: Option<Reached>,
}
