//! What the loop reads of the kernel.

use std::time::{Instant, SystemTime};

use tracing::warn;

use super::Daemon;
use crate::daemon::host::Look;
use crate::kernel::Watch;
use crate::net::IfName;
use crate::reconcile::state::LearnedHost;
use crate::routing::OpaqueUser;

impl Daemon {
    /// Reads the WireGuard devices, or everything.
    ///
    /// # Errors
    /// If the kernel cannot be read.
    pub(super) async fn look(&mut self, look: Look, now: Instant) -> anyhow::Result<()> {
        let begun = Instant::now();
        if look == Look::Afresh {
            self.filters.look(&mut self.kernel, now).await;
            let start = Instant::now();
            let observed = self.kernel.observe(&self.drivers).await?;
            let before = self.host.looked(observed, start, Instant::now());
            self.checks.note_settings(self.local.tunnels.keys(), &before, self.host.observed());
            if self.rename_tunnels().await {
                let observed = self.kernel.observe(&self.drivers).await?;
                self.host.looked(observed, start, Instant::now());
            }
        } else {
            self.kernel.observe_devices(self.host.observed_mut(), &self.drivers).await;
            self.host.looked_at_devices(Instant::now());
        }
        self.checks.note_traffic(self.host.observed(), begun);
        Ok(())
    }

    /// The mesh's nftables tables were changed, perhaps by weft itself: returns whether they are not what they were.
    pub(super) async fn filter_differs(&mut self, watch: &Watch) -> bool {
        let now = Instant::now();
        self.filters.expire(now);
        self.filters.look(&mut self.kernel, now).await;
        let differs = !self.kernel.has_filter(self.host.observed().state.filter.as_ref());
        if differs {
            let by = watch.filter_author().unwrap_or_else(|| "another program".to_owned());
            warn!(by, "weft's nftables tables were removed or changed; they are set again");
        }
        differs
    }

    /// Takes hosts that bridges have learned on ports where they were not before; returns whether one has moved to this site.
    pub(super) async fn learn_hosts(&mut self, learned: Vec<(LearnedHost, IfName)>) -> bool {
        let mut moved = false;
        for (host, bridge) in learned {
            if self.segments.learned_on(&host, &bridge, SystemTime::now()) {
                let known = &mut self.host.observed_mut().learned;
                known.retain(|other| (other.mac, other.vlan) != (host.mac, host.vlan));
                known.insert(host);
                moved = true;
            }
        }
        if moved {
            self.announce_hosts().await;
        }
        moved
    }

    /// Announces to the other sites where hosts are, as far as that has changed, and stores it.
    pub(super) async fn announce_hosts(&mut self) {
        for (lsa, body) in self.segments.take_pending() {
            self.driver.opaque(OpaqueUser::SegmentClaims, lsa, body).await;
        }
        self.segments.remember();
    }

    /// Watches the interfaces that carry the site's prefixes, if they are others now.
    pub(super) fn watch_carriers(&mut self) {
        let carriers = self.router.listed().interfaces();
        if self.carriers != carriers {
            self.carriers = carriers;
            self.interfaces_differ = true;
        }
    }
}
