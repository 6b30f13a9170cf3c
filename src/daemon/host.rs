//! The kernel side of the daemon, without its I/O: what the kernel is known to hold, when it is looked at again, what a notification calls
//! for, and which steps are due. `now` is an argument. [`super::core`] looks and carries out what is decided here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use tracing::warn;

use super::local::Local;
use super::looks::Looks;
use super::retention::Retention;
use crate::kernel::{Change, Changes, Executed, LinkEvent};
use crate::net::{IfName, Prefix};
use crate::reconcile::state::{Admin, Freshness, LearnedHost, Observed, Route, RouteKey, State};
use crate::reconcile::{Plan, Planner, Step};

/// How much of the kernel has to be read before it is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Look {
    /// Nothing: all that has changed since is known.
    Known,
    /// The WireGuard devices, which change without a notification.
    Devices,
    /// Everything that weft has made or depends on.
    Afresh,
}

/// What notifications call for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reaction {
    /// The nftables ruleset has to be compared with what was set.
    pub filter: bool,
    /// Hosts that bridges have learned on ports where they were not before, each with the bridge.
    pub learned: Vec<(LearnedHost, IfName)>,
    /// Whether an interface has gone down, up or away: OSPF and the routing table learn of it before anything is read.
    pub links: bool,
    /// What to read now; `None` if nothing has to be read, or if a reading has been scheduled instead.
    pub look: Option<Look>,
}

/// What is known of the kernel, and what is due.
#[derive(Debug)]
pub(super) struct Host {
    /// What the kernel was found to hold, updated with what has been carried out and notified since.
    observed: Observed,
    planner: Planner,
    looks: Looks,
    retention: Retention,
    /// Why the kernel could not be read the last time.
    failure: Option<String>,
    /// Failed steps that are in the log already.
    logged: BTreeSet<String>,
}

impl Host {
    /// Begins without any knowledge of the kernel. Routes of an earlier run are kept for at most `patience`.
    pub(super) fn new(now: Instant, patience: Duration) -> Self {
        Self {
            observed: Observed::default(),
            planner: Planner::default(),
            looks: Looks::new(now),
            retention: Retention::start(now, patience),
            failure: None,
            logged: BTreeSet::new(),
        }
    }

    /// What the kernel is known to hold.
    pub(super) fn observed(&self) -> &Observed {
        &self.observed
    }

    /// As [`Host::observed`], for what is read without everything else: WireGuard devices, and hosts that bridges have learned.
    pub(super) fn observed_mut(&mut self) -> &mut Observed {
        &mut self.observed
    }

    /// Takes note of notifications, and returns what they call for.
    pub(super) fn noticed(&mut self, changes: &Changes, now: Instant) -> Reaction {
        let is_unmanaged = |change: &Change| matches!(change, Change::OthersRoutes | Change::Unmanaged);
        let is_known = |change: &Change| matches!(change, Change::Learned { .. } | Change::Filter);
        let mut reaction = Reaction::default();
        for (index, event) in &changes.links {
            reaction.links |= self.note_link(*index, *event);
        }
        if changes.kinds.iter().any(is_unmanaged) {
            self.looks.unmanaged_changed(now);
        }
        let managed = changes.kinds.iter().any(|change| !is_unmanaged(change) && !is_known(change));
        if managed && self.looks.managed_changed(now) {
            reaction.look = Some(Look::Afresh);
        }
        reaction.filter = changes.kinds.contains(&Change::Filter);
        reaction.learned = changes.kinds.iter().filter_map(|change| self.learned(change)).collect();
        reaction
    }

    /// Updates what is known of an interface; returns whether it was known, and has become another one.
    fn note_link(&mut self, index: u32, event: LinkEvent) -> bool {
        let observed = &mut self.observed;
        let named = observed.indexes.iter().find(|(_, known)| **known == index).map(|(name, _)| name.clone());
        let Some(name) = named else { return false };
        let tunnel = observed.state.links.get_mut(&name);
        let foreign = observed.foreign.interfaces.get_mut(&name);
        let changed = match event {
            LinkEvent::Gone => {
                let was_known = tunnel.is_some() || foreign.is_some();
                observed.state.links.remove(&name);
                observed.state.devices.remove(&name);
                observed.foreign.interfaces.remove(&name);
                observed.indexes.remove(&name);
                was_known
            }
            LinkEvent::Flags(flags) => {
                let admin = if flags.up && flags.multicast { Admin::Up } else { Admin::Down };
                let running = flags.up && flags.carrier;
                let tunnel = tunnel.map(|link| std::mem::replace(&mut link.admin, admin) != admin);
                let foreign = foreign.map(|found| std::mem::replace(&mut found.running, running) != running);
                tunnel.or(foreign).unwrap_or_default()
            }
        };
        if changed {
            // The kernel has removed routes and addresses with it, or not, without a word.
            observed.freshness = Freshness::Stale;
        }
        changed
    }

    fn learned(&self, change: &Change) -> Option<(LearnedHost, IfName)> {
        let Change::Learned { port, mac, vlan } = change else { return None };
        let (name, _) = self.observed.indexes.iter().find(|(_, index)| *index == port)?;
        let overlay = &self.observed.state.overlay;
        let bridge = overlay.ports.get(name)?;
        let host = LearnedHost { port: name.clone(), mac: *mac, vlan: overlay.vlan_on(bridge, *vlan) };
        Some((host, bridge.clone()))
    }

    /// When to come back if nothing happens before.
    pub(super) fn deadline(&self, now: Instant) -> Instant {
        let look = self.looks.deadline();
        self.step_deadline(now).map_or(look, |step| step.min(look))
    }

    /// When to come back for another reason than that it is time to look again.
    fn step_deadline(&self, now: Instant) -> Option<Instant> {
        // Nothing can be carried out before the kernel has been looked at.
        let step = self.planner.attempts().deadline(now).filter(|_| !self.looks.is_failing());
        [self.retention.deadline(), step].into_iter().flatten().min()
    }

    /// What to read when the time `deadline` has come.
    pub(super) fn due(&self, deadline: Instant) -> Look {
        let only_devices = self.step_deadline(deadline).is_none_or(|step| step > deadline);
        if only_devices && self.looks.only_devices(deadline) { Look::Devices } else { Look::Afresh }
    }

    /// Begins to reconcile: returns what has to be read for that, which is at least `wanted`; `None` if nothing may be done yet.
    pub(super) fn begin(&mut self, wanted: Look, now: Instant) -> Option<Look> {
        // Deadlines that have passed are dealt with first: one that stayed would wake the loop again at once.
        self.retention.advance(now);
        let look = if self.observed.freshness == Freshness::Stale { Look::Afresh } else { wanted };
        (look != Look::Afresh || self.looks.may_look(now)).then_some(look)
    }

    /// Takes what was read between `start` and `end`; returns what was known before.
    pub(super) fn looked(&mut self, observed: Observed, start: Instant, end: Instant) -> Observed {
        self.looks.looked(start, end);
        std::mem::replace(&mut self.observed, observed)
    }

    /// Takes note that the WireGuard devices have been read.
    pub(super) fn looked_at_devices(&mut self, now: Instant) {
        self.looks.at_devices(now);
    }

    /// Takes note that the kernel could not be read.
    pub(super) fn failed(&mut self, error: &anyhow::Error, now: Instant) {
        let failure = format!("{error:#}");
        if self.failure.as_ref() != Some(&failure) {
            warn!(failure, "not done; will be tried again");
        }
        self.failure = Some(failure);
        self.looks.failed(now);
    }

    /// Plans the steps to `desired` that are due.
    pub(super) fn plan(&mut self, desired: &State, now: Instant) -> Plan {
        self.failure = None;
        self.looks.succeeded();
        self.planner.plan(desired, &self.observed, now)
    }

    /// Returns all steps from `observed` to `desired`, due or not, for showing them.
    pub(super) fn preview(&self, desired: &State, observed: &Observed) -> Vec<Step> {
        self.planner.preview(desired, observed)
    }

    /// Plans the steps that give these destinations their desired `routes`.
    pub(super) fn plan_routes(
        &mut self,
        prefixes: impl IntoIterator<Item = Prefix>,
        routes: &BTreeMap<RouteKey, Route>,
        now: Instant,
    ) -> Plan {
        self.planner.plan_routes(prefixes, routes, &self.observed, now)
    }

    /// Takes note of what came of a plan, and logs what has failed, once each until all is well. `desired` is what the plan leads to, or
    /// `None` if it was about routes alone.
    pub(super) fn carried_out(&mut self, plan: Plan, executed: Executed, desired: Option<&State>, now: Instant) {
        self.observed.indexes = executed.indexes;
        let failures = self.planner.carried_out(plan, executed.outcomes, desired, &mut self.observed, now);
        if !self.planner.attempts().has_failures() {
            self.logged.clear();
        }
        // What stands in the way of the ruleset is logged where it is noted.
        let others = failures.iter().filter(|failure| !matches!(failure.step, Step::SetFilter(_)));
        for failure in others.map(ToString::to_string) {
            if !self.logged.contains(&failure) {
                warn!(failure, "not done; will be tried again");
                self.logged.insert(failure);
            }
        }
    }

    /// Whether the kernel is known to hold what it should, but for routes that have just changed.
    pub(super) fn only_routes_differ(&self, local: &Local) -> bool {
        let tunnels_exist = local.tunnels.keys().all(|name| self.observed.state.links.contains_key(name));
        self.retention == Retention::Ended
            && self.observed.freshness == Freshness::Fresh
            && !self.planner.attempts().has_failures()
            && !self.looks.is_failing()
            && tunnels_exist
    }

    /// Keeps the routes of an earlier run, or under an earlier router id, for at most `patience` from now on.
    pub(super) fn retain_routes(&mut self, now: Instant, patience: Duration) {
        self.retention = Retention::start(now, patience);
    }

    /// Whether routes of an earlier run are kept at present.
    pub(super) fn retains_routes(&self) -> bool {
        self.retention != Retention::Ended
    }

    /// Takes note that every neighbour is Full and has a route: routes of an earlier run are not needed much longer.
    pub(super) fn converged(&mut self, now: Instant) {
        self.retention.converged(now);
    }

    /// Adds to `desired` what is kept of the routes and addresses of an earlier run that are in `observed`.
    pub(super) fn keep(&self, desired: &mut State, observed: &Observed, local: &Local) {
        self.retention.keep(desired, observed, &local.mesh, local.site.loopback);
    }

    /// Allows all steps at once, even those that have failed.
    pub(super) fn try_everything(&mut self) {
        self.planner.try_everything();
    }

    /// What could not be done, in words.
    pub(super) fn problems(&self, now: Instant) -> Vec<String> {
        self.failure.iter().cloned().chain(self.planner.attempts().problems(now)).collect()
    }
}

#[cfg(test)]
mod tests;
