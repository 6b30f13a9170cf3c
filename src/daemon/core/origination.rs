//! What this router originates that depends on the kernel: destinations of others, and listed prefixes that something carries.

use std::collections::BTreeSet;

use tracing::{debug, warn};

use super::Daemon;
use crate::mesh::IfName;
use crate::routing::{MAX_REDISTRIBUTED, redistributed};

impl Daemon {
    /// Tells the engine of destinations in the kernel that came or went, if OSPF is to know of them, and of prefixes whose carriers did.
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

    /// Takes note of what carries the site's prefixes; whether others are withdrawn than before.
    pub(super) fn follow_carriers(&mut self) -> bool {
        let interfaces = self.listed.interfaces();
        let changed = self.listed.update(&self.local, &self.observed, &self.routes, &self.ids);
        if self.listed.interfaces() != interfaces {
            self.interfaces_differ = true;
        }
        changed
    }

    /// Interfaces whose changes are to be heard of at once, besides those that weft has made.
    pub(super) fn managed_interfaces(&self) -> BTreeSet<IfName> {
        self.local.interfaces().chain(self.segments.interfaces()).chain(self.listed.interfaces()).collect()
    }
}
