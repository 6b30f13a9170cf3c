//! Carries out a plan: the executor takes every step as it is, and decides nothing.
//!
//! When a step fails, only the steps that need the same interface are skipped. The others are carried out, and the next plan contains what
//! is still missing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::time::Instant;

use anyhow::Context;
use futures::{StreamExt, stream};
use ospf::Prefix;

use super::observe::Kernel;
use super::routes::Present;
use super::{addresses, links, routes, rules, settings};
use crate::mesh::IfName;
use crate::reconcile::overlay::OverlayStep;
use crate::reconcile::state::{Backend, Freshness, Observed, Route, RouteKey, State};
use crate::reconcile::tunnels::Tunnels;
use crate::reconcile::{Attempts, Step, plan, plan_routes};

/// How many route requests are sent before their answers are awaited: enough to hide the round trip, and few enough for their answers to
/// fit into the socket's receive buffer.
const ROUTES_AT_ONCE: usize = 128;

/// A step that could not be carried out.
#[derive(Debug)]
pub struct Failure {
    /// The step.
    pub step: Step,
    /// The error.
    pub cause: anyhow::Error,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:#}", self.step, self.cause)
    }
}

impl Kernel {
    /// Plans from `observed` to `desired`, and carries out the plan. If nothing differs, nothing is done. The result is empty if all steps
    /// succeeded; otherwise observe and call again after a while. `observed` is updated with routes and rules, so that a change of routes
    /// needs no new observation; any other change makes it stale.
    pub async fn reconcile(
        &mut self,
        desired: &State,
        observed: &mut Observed,
        tunnels: &impl Tunnels,
    ) -> anyhow::Result<Vec<Failure>> {
        let steps = plan(desired, observed, &self.applied);
        let mut originals = self.memory.originals().clone();
        originals.remember(&steps, &observed.state.sysctls, |name| desired.links.contains_key(name));
        self.memory.keep(originals);
        self.attempts.keep_planned(&steps, Instant::now());
        let outcome = self.execute(&steps, observed, tunnels).await;
        let undone = outcome.failures.iter().map(|failure| &failure.step).chain(&outcome.waiting);
        self.applied.note(desired, undone);
        Ok(outcome.failures)
    }

    /// Does the same as [`Kernel::reconcile`] where only the routes to `prefixes` differ. `routes` are the desired ones.
    pub async fn reconcile_routes(
        &mut self,
        prefixes: impl IntoIterator<Item = Prefix>,
        routes: &BTreeMap<RouteKey, Route>,
        observed: &mut Observed,
        tunnels: &impl Tunnels,
    ) -> Vec<Failure> {
        let steps = plan_routes(prefixes, routes, observed);
        self.execute(&steps, observed, tunnels).await.failures
    }

    /// Returns which steps were tried and failed, and when they are tried again.
    pub fn attempts(&self) -> &Attempts {
        &self.attempts
    }

    /// Allows all steps at once, even those that have failed.
    pub fn try_everything(&mut self) {
        self.attempts.forget();
    }

    /// Carries out `steps` in their order, except those that have to wait.
    async fn execute(&mut self, steps: &[Step], observed: &mut Observed, tunnels: &impl Tunnels) -> Outcome {
        let outcome = Outcome::default();
        let mut run = Run { kernel: self, observed, broken: BTreeSet::new(), unguarded: false, outcome };
        let mut rest = steps;
        while let Some(first) = rest.first() {
            let group = rest.iter().take_while(|step| may_run_together(first, step)).count().max(1);
            let (now, later) = rest.split_at(group);
            if group == 1 {
                run.one(first, tunnels).await;
            } else {
                run.many_routes(now).await;
            }
            rest = later;
        }
        run.outcome
    }
}

/// The result of a number of steps.
#[derive(Default)]
struct Outcome {
    failures: Vec<Failure>,
    /// Steps that were not tried because they have failed, or were undone, a moment ago.
    waiting: Vec<Step>,
}

/// Returns whether both steps add or replace routes, or both delete routes. The steps of a plan have different keys.
fn may_run_together(first: &Step, other: &Step) -> bool {
    let installs = |step: &Step| matches!(step, Step::AddRoute(..) | Step::ReplaceRoute(..));
    let deletes = |step: &Step| matches!(step, Step::DeleteRoute(..));
    installs(first) && installs(other) || deletes(first) && deletes(other)
}

/// The execution of one plan.
struct Run<'a> {
    kernel: &'a mut Kernel,
    /// Has the indexes of interfaces, and is updated with each step.
    observed: &'a mut Observed,
    /// Interfaces that could not be created or set up.
    broken: BTreeSet<IfName>,
    /// The filter that keeps the segments' packets in the tunnels could not be set: no further VXLAN device is set up.
    unguarded: bool,
    outcome: Outcome,
}

impl Run<'_> {
    async fn one(&mut self, step: &Step, tunnels: &impl Tunnels) {
        if !self.may_be_tried(step) {
            return;
        }
        tracing::debug!(step = %step, "kernel step");
        let result = match step {
            Step::CreateLink(interface, backend) => self.create_link(interface, *backend, tunnels).await,
            Step::DeleteLink(interface, backend) => self.delete_link(interface, *backend, tunnels).await,
            Step::Configure(interface, change) => tunnels.configure(interface, change).await,
            Step::Overlay(step) => self.kernel.overlay_step(step, self.observed).await,
            Step::SetFilter(ruleset) => self.kernel.set_filter(ruleset).await,
            Step::DeleteFilter => self.kernel.delete_filter().await,
            other => self.plain(other).await.map_err(anyhow::Error::from),
        };
        match result {
            Ok(()) => self.succeed(step),
            Err(cause) => self.fail(step, cause),
        }
    }

    /// Carries out a step that consists of one request.
    async fn plain(&self, step: &Step) -> io::Result<()> {
        let netlink = &self.kernel.netlink;
        match step {
            Step::SetSysctl(sysctl, value) => settings::write(sysctl, *value).await,
            Step::SetMtu(interface, mtu) => links::set_mtu(netlink, self.index(interface)?, *mtu).await,
            Step::SetUp(interface) => links::set_up(netlink, self.index(interface)?).await,
            Step::AddAddress(interface, address) => {
                addresses::add(netlink, self.index(interface)?, (*address).into()).await
            }
            Step::RemoveAddress(interface, address) => {
                addresses::remove(netlink, self.index(interface)?, (*address).into()).await
            }
            Step::AddRoute(key, route) => {
                routes::install(netlink, key, route, Present::No, |name| self.index(name)).await
            }
            Step::ReplaceRoute(key, route) => {
                routes::install(netlink, key, route, Present::Yes, |name| self.index(name)).await
            }
            Step::DeleteRoute(key) => routes::delete(netlink, key).await,
            Step::AddRule(rule) => rules::add(netlink, rule).await,
            Step::DeleteRule(rule) => rules::delete(netlink, rule).await,
            Step::CreateLink(..)
            | Step::DeleteLink(..)
            | Step::Configure(..)
            | Step::Overlay(_)
            | Step::SetFilter(_)
            | Step::DeleteFilter => {
                unreachable!("taken by the caller, they are more than requests")
            }
        }
    }

    async fn many_routes(&mut self, steps: &[Step]) {
        tracing::debug!(steps = steps.len(), first = %steps[0], "kernel route steps");
        let hopeful: Vec<&Step> = steps.iter().filter(|step| self.may_be_tried(step)).collect();
        let this = &*self;
        let requests = hopeful.into_iter().map(|step| async move { (step, this.plain(step).await) });
        let answers: Vec<(&Step, io::Result<()>)> =
            stream::iter(requests).buffer_unordered(ROUTES_AT_ONCE).collect().await;
        for (step, answer) in answers {
            match answer {
                Ok(()) => self.succeed(step),
                Err(error) => self.fail(step, error.into()),
            }
        }
    }

    async fn create_link(
        &mut self,
        interface: &IfName,
        backend: Backend,
        tunnels: &impl Tunnels,
    ) -> anyhow::Result<()> {
        self.refuse_foreign(interface, backend, tunnels).await?;
        match backend {
            Backend::Kernel => links::create_wireguard(&self.kernel.netlink, interface).await?,
            Backend::Userspace => tunnels.add_userspace(interface).await?,
        }
        let index =
            links::index(&self.kernel.netlink, interface).await.with_context(|| format!("finding {interface}"))?;
        self.observed.indexes.insert(interface.clone(), index);
        links::claim(&self.kernel.netlink, index, &self.kernel.alias).await.context("marking it as the mesh's")?;
        // The link existed, and no process answered for it. The engine was asked to serve it, and this is successful only if the engine can
        // be reached at its UAPI socket. The link is marked before that: an engine that hangs must not leave a link that looks foreign.
        if backend == Backend::Userspace && self.observed.state.links.contains_key(interface) {
            let found = tunnels.is_served(interface).await?;
            anyhow::ensure!(found, "the WireGuard engine serves it, but nothing answers at its UAPI socket");
        }
        Ok(())
    }

    /// Returns an error if the interface exists without the mesh's mark, because it is foreign. The exception is one that the engine
    /// created before the daemon ended and could not mark it: then the engine answers for it.
    async fn refuse_foreign(&self, interface: &IfName, backend: Backend, tunnels: &impl Tunnels) -> anyhow::Result<()> {
        let exists = self.observed.foreign.interfaces.contains_key(interface);
        let answers = backend == Backend::Userspace && exists && tunnels.is_served(interface).await?;
        anyhow::ensure!(!exists || answers, "an interface of this name exists that is not the mesh's");
        Ok(())
    }

    async fn delete_link(
        &mut self,
        interface: &IfName,
        backend: Backend,
        tunnels: &impl Tunnels,
    ) -> anyhow::Result<()> {
        let index = self.index(interface)?;
        self.observed.indexes.remove(interface);
        let released = match backend {
            Backend::Kernel => Ok(()),
            Backend::Userspace => tunnels.remove_userspace(interface).await,
        };
        // The link is deleted whatever the engine answers.
        links::delete(&self.kernel.netlink, index).await?;
        released
    }

    fn index(&self, interface: &IfName) -> io::Result<u32> {
        self.observed.indexes.get(interface).copied().ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))
    }

    /// Returns whether a previous step has failed on which this one depends.
    fn is_hopeless(&self, step: &Step) -> bool {
        let opens = matches!(step, Step::Overlay(OverlayStep::SetUp(_)));
        (opens && self.unguarded) || step.needs().into_iter().any(|interface| self.broken.contains(interface))
    }

    /// Returns whether a step is to be tried now. A step that has to wait blocks the steps that depend on it, as if it had failed again.
    fn may_be_tried(&mut self, step: &Step) -> bool {
        if self.is_hopeless(step) {
            self.kernel.attempts.hidden(step);
            return false;
        }
        let permitted = self.kernel.attempts.permits(step, Instant::now());
        if !permitted {
            self.break_with(step);
            self.outcome.waiting.push(step.clone());
        }
        permitted
    }

    fn succeed(&mut self, step: &Step) {
        self.observed.note(step);
        self.kernel.attempts.succeeded(step, Instant::now());
    }

    fn fail(&mut self, step: &Step, cause: anyhow::Error) {
        self.break_with(step);
        // If the filter is not set, nothing else differs from what was observed.
        if !step.is_about_filter() {
            self.observed.freshness = Freshness::Stale;
        }
        // An error in setting the ruleset is kept until the next look at the ruleset, and reported separately ([`super::filter`]).
        if !matches!(step, Step::SetFilter(_)) {
            self.kernel.attempts.failed(step, format!("{cause:#}"), Instant::now());
        }
        self.outcome.failures.push(Failure { step: step.clone(), cause });
    }

    /// Blocks the steps that depend on the interface or the filter that this step would have created.
    fn break_with(&mut self, step: &Step) {
        let broken = match step {
            Step::CreateLink(interface, _) | Step::DeleteLink(interface, _) | Step::SetUp(interface) => Some(interface),
            Step::Overlay(step) => step.makes(),
            _ => None,
        };
        self.broken.extend(broken.cloned());
        self.unguarded |= matches!(step, Step::SetFilter(_));
    }
}
