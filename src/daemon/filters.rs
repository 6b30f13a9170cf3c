//! The nftables ruleset as the daemon minds it: when it is looked at, what stands in its way, and which sources it refuses.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tracing::warn;

use crate::kernel::{Kernel, Refused};
use crate::reconcile::filter::Ruleset;

/// How often the ruleset is looked at though no change of it was notified: a listing costs a process.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);

/// How often the few refused sources are read at most, however often somebody asks.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(5);

/// What is known of it.
#[derive(Debug)]
pub(super) struct Filters {
    next_look: Instant,
    next_sample: Instant,
    /// Why the ruleset could not be read or set the last time.
    obstacle: Option<String>,
    /// The ruleset that refused them.
    in_place: Option<Ruleset>,
    /// Sources that were refused lately.
    refused: Vec<Refused>,
    /// Interfaces that the log has named since sources were refused there.
    warned: BTreeSet<String>,
}

impl Filters {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            next_look: now,
            next_sample: now,
            obstacle: None,
            in_place: None,
            refused: Vec::new(),
            warned: BTreeSet::new(),
        }
    }

    /// Looks at the ruleset if it is time: whatever else is looked at, links change in bursts.
    pub(super) async fn look(&mut self, kernel: &mut Kernel, now: Instant) {
        if now >= self.next_look {
            self.next_look = now + LOOK_INTERVAL;
            kernel.look_at_filter().await;
            self.sample(kernel, now).await;
        }
    }

    /// Makes the next look due at once: whoever has installed `nft` and reloads the daemon need not wait.
    pub(super) fn expire(&mut self, now: Instant) {
        self.next_look = now;
    }

    /// Reads which sources are refused, if that was some time ago.
    pub(super) async fn sample(&mut self, kernel: &Kernel, now: Instant) {
        if now < self.next_sample || self.obstacle.is_some() {
            return;
        }
        self.next_sample = now + SAMPLE_INTERVAL;
        self.refused = kernel.refused_sources().await;
        self.warned.retain(|interface| self.refused.iter().any(|refused| refused.interface == *interface));
        for Refused { interface, source, packets } in &self.refused {
            if self.warned.insert(interface.clone()) {
                warn!(iface = interface, %source, packets, "source not admitted, packets dropped; see `weft status`");
            }
        }
    }

    /// Takes note of the ruleset that is in place, and of what stands in the way of another. It is no reason to try again before the
    /// next look.
    pub(super) fn note(&mut self, kernel: &Kernel, in_place: Option<&Ruleset>, now: Instant) {
        if self.in_place.as_ref() != in_place {
            // It has refused nothing yet.
            self.refused.clear();
            self.next_sample = now;
            self.in_place = in_place.cloned();
        }
        let obstacle = kernel.filter_obstacle().map(str::to_owned);
        if let Some(obstacle) = obstacle.as_ref().filter(|new| self.obstacle.as_ref() != Some(new)) {
            warn!(obstacle, "the nftables ruleset cannot be read or set");
        }
        self.obstacle = obstacle;
    }

    /// Why the ruleset could not be read or set the last time.
    pub(super) fn obstacle(&self) -> Option<&str> {
        self.obstacle.as_deref()
    }

    /// Sources that were refused lately.
    pub(super) fn refused(&self) -> &[Refused] {
        &self.refused
    }
}
