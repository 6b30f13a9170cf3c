//! The advertisements of this router that depend on the kernel: redistributed destinations, and listed prefixes with their carriers.

use std::collections::BTreeSet;

use tracing::{debug, warn};

use super::Daemon;
use crate::mesh::IfName;
use crate::routing::{MAX_REDISTRIBUTED, redistributed};

impl Daemon {
    /// Reconfigures the engine when redistributed destinations have changed, or when prefixes are withdrawn or advertised again with their
    /// carriers.
    pub(super) async fn redistribute(&mut self) {
        let redistributed = redistributed(&self.local.site, &self.observed.foreign);
        if !self.follow_carriers() && redistributed == self.redistributed {
            return;
        }
        if redistributed.left_out > 0 && self.redistributed.left_out == 0 {
            warn!(bound = MAX_REDISTRIBUTED, left_out = redistributed.left_out, "too many routes to redistribute");
        }
        debug!(destinations = redistributed.externals.len(), "redistributing");
        self.redistributed = redistributed;
        self.configure().await;
    }

    /// Updates the carriers of the site's prefixes; returns whether this changes which prefixes are withdrawn.
    pub(super) fn follow_carriers(&mut self) -> bool {
        let interfaces = self.listed.interfaces();
        let changed = self.listed.update(&self.local, &self.observed, &self.routes, &self.ids);
        if self.listed.interfaces() != interfaces {
            self.interfaces_differ = true;
        }
        changed
    }

    /// Returns the interfaces whose changes are handled at once, in addition to those that weft has made: OSPF, segments or carriers depend
    /// on them.
    pub(super) fn managed_interfaces(&self) -> BTreeSet<IfName> {
        self.local.interfaces().chain(self.segments.interfaces()).chain(self.listed.interfaces()).collect()
    }
}
