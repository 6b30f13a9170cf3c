//! The nftables ruleset: when the daemon reads it, what prevents it from being set, and which sources it drops.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tracing::warn;

use crate::kernel::{Kernel, Refused};
use crate::reconcile::filter::Ruleset;

/// How often the ruleset is read without a notification of a change: each listing starts a process.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);

/// The shortest interval between two readings of the refused sources, however often a client asks.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(5);

/// What is known of the ruleset.
#[derive(Debug)]
pub(super) struct Filters {
    next_look: Instant,
    next_sample: Instant,
    /// Why the ruleset could not be read or set the last time.
    obstacle: Option<String>,
    /// The ruleset that is in place, to which `refused` belongs.
    in_place: Option<Ruleset>,
    /// Sources whose packets were dropped recently.
    refused: Vec<Refused>,
    /// Interfaces for which the log has a warning about the present refused sources.
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

    /// Reads the ruleset if it is due. It has its own interval, because links, which cause other reads, change in bursts.
    pub(super) async fn look(&mut self, kernel: &mut Kernel, now: Instant) {
        if now >= self.next_look {
            self.next_look = now + LOOK_INTERVAL;
            kernel.look_at_filter().await;
            self.sample(kernel, now).await;
        }
    }

    /// Makes the next reading due at once, so that an operator who has installed `nft` and reloads the daemon does not have to wait.
    pub(super) fn expire(&mut self, now: Instant) {
        self.next_look = now;
    }

    /// Reads which sources are refused, unless that was done recently.
    async fn sample(&mut self, kernel: &Kernel, now: Instant) {
        if !self.is_sample_due(now) {
            return;
        }
        let refused = kernel.rule_listing().refused_sources().await;
        self.take_sample(refused, now);
    }

    /// Whether the refused sources are to be read: not if that was done recently, or if the ruleset cannot be read.
    pub(super) fn is_sample_due(&self, now: Instant) -> bool {
        now >= self.next_sample && self.obstacle.is_none()
    }

    /// Takes the sources that are refused, which were just read.
    pub(super) fn take_sample(&mut self, refused: Vec<Refused>, now: Instant) {
        self.next_sample = now + SAMPLE_INTERVAL;
        self.refused = refused;
        self.warned.retain(|interface| self.refused.iter().any(|refused| refused.interface == *interface));
        for Refused { interface, source, packets } in &self.refused {
            if self.warned.insert(interface.clone()) {
                warn!(iface = interface, %source, packets, "source not admitted, packets dropped; see `weft status`");
            }
        }
    }

    /// Records the ruleset that is in place, and what prevents another one from being set. Such an obstacle does not cause a retry before
    /// the next reading.
    pub(super) fn note(&mut self, kernel: &Kernel, in_place: Option<&Ruleset>, now: Instant) {
        if self.in_place.as_ref() != in_place {
            // The new ruleset has dropped nothing yet.
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

    /// Sources whose packets were dropped recently.
    pub(super) fn refused(&self) -> &[Refused] {
        &self.refused
    }
}
