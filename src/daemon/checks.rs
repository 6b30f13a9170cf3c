//! Checks whether the state that weft sets up has the intended effect. The event loop does not wait for them.

use std::time::Instant;

use tracing::warn;

use super::forward_check::{ForwardCheck, forwarded};
use super::inquiry::Reading;
use super::local::Local;
use super::overrides::{Overrides, Routes};
use super::traffic::TrafficLog;
use super::undone::UndoneSettings;
use crate::kernel::Kernel;
use crate::net::IfName;
use crate::reconcile::state::Observed;
use crate::reconcile::sysctls::{desired_sysctls, undone};
use crate::routing::Redistributed;

/// The checks, with their findings.
#[derive(Debug)]
pub(super) struct Checks {
    pub overrides: Overrides,
    pub forward: ForwardCheck,
    pub traffic: TrafficLog,
    pub undone: UndoneSettings,
}

/// The state that the checks examine.
pub(super) struct Ground<'a> {
    pub kernel: &'a Kernel,
    pub observed: &'a Observed,
    pub local: &'a Local,
    pub redistributed: &'a Redistributed,
}

impl Ground<'_> {
    /// The routes that are checked for whether the kernel uses them.
    fn routes(&self) -> Routes<'_> {
        Routes { present: &self.observed.state.routes, local: self.local, redistributed: self.redistributed }
    }
}

impl Checks {
    pub fn new(local: &Local) -> Self {
        Self {
            overrides: Overrides::new(local),
            forward: ForwardCheck::new(),
            traffic: TrafficLog::default(),
            undone: UndoneSettings::default(),
        }
    }

    /// Records the counters of the tunnels that the event loop has just read, from `begun` on.
    pub fn note_traffic(&mut self, observed: &Observed, begun: Instant) {
        let (now, state) = (Instant::now(), &observed.state);
        self.traffic.retain(|interface| state.links.contains_key(interface));
        for (interface, device) in &state.devices {
            self.traffic.note(interface, device.traffic, begun, now);
        }
    }

    /// Records counters as [`Checks::note_traffic`] does, of devices that were read for a client.
    pub fn note_devices(&mut self, reading: &Reading) {
        for (interface, found) in reading.devices.iter() {
            self.traffic.note(interface, found.device.traffic, reading.at.into_std(), reading.read.into_std());
        }
    }

    /// Detects kernel settings that were right before and are wrong now, because another program has written them.
    pub fn note_settings<'t>(&mut self, tunnels: impl Iterator<Item = &'t IfName>, before: &Observed, now: &Observed) {
        let [before, now] = [before, now].map(|observed| &observed.state.sysctls);
        let settings = undone(&desired_sysctls(tunnels, before), before, now);
        if !settings.is_empty() {
            self.undone.note(&settings, Instant::now());
            let settings = settings.join(", ");
            warn!(
                settings,
                "another program has written kernel settings that a router needs otherwise; they are set again"
            );
        }
    }

    /// Collects the results of the running checks, and starts new ones that are due. Does not wait.
    pub async fn turn(&mut self, ground: &Ground<'_>) {
        let now = Instant::now();
        self.overrides.turn(ground.kernel.fib(), &ground.routes(), now).await;
        let between = || forwarded(ground.local, ground.observed);
        self.forward.turn(ground.kernel.forward_chains(), between, now).await;
    }

    /// Starts the checks of routes for a client, if they are due. What is returned completes when their results are there.
    pub async fn look_up_routes(&mut self, ground: &Ground<'_>) -> impl Future<Output = ()> + Send + use<> {
        self.overrides.ask(ground.kernel.fib(), &ground.routes(), Instant::now()).await
    }

    /// Starts all checks for a client that are due. What is returned completes when their results are there.
    pub async fn look(&mut self, ground: &Ground<'_>) -> impl Future<Output = ()> + Send + use<> {
        let overrides = self.look_up_routes(ground).await;
        let between = forwarded(ground.local, ground.observed);
        let forward = self.forward.ask(ground.kernel.forward_chains(), between, Instant::now()).await;
        async {
            tokio::join!(overrides, forward);
        }
    }

    /// Takes the results of checks that have ended.
    pub async fn take(&mut self, ground: &Ground<'_>) {
        self.overrides.take(&ground.routes()).await;
        self.forward.take().await;
    }
}
