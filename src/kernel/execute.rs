//! Carries out steps: the executor takes every step as it is, and decides nothing.
//!
//! When a step fails, only the steps that need what it would have made are skipped. The others are carried out, and the next plan contains
//! what is still missing.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use anyhow::Context;
use futures::{StreamExt, stream};

use super::observe::Kernel;
use super::routes::Present;
use super::{addresses, links, routes, rules, settings};
use crate::net::IfName;
use crate::reconcile::state::{Backend, Observed};
use crate::reconcile::tunnels::Tunnels;
use crate::reconcile::{Missing, Outcome, Step};

/// How many route requests are sent before their answers are awaited: enough to hide the round trip, and few enough for their answers to
/// fit into the socket's receive buffer.
const ROUTES_AT_ONCE: usize = 128;

/// What came of a list of steps.
#[derive(Debug)]
pub struct Executed {
    /// What came of each step, in their order.
    pub outcomes: Vec<Outcome>,
    /// The kernel's indexes of all interfaces, with those that were created and without those that were deleted.
    pub indexes: BTreeMap<IfName, u32>,
}

impl Kernel {
    /// Carries out `steps` in their order. `observed` is what they were planned from. Before the first step, the values of settings that
    /// steps change are stored, so that they can be restored.
    pub async fn execute(&mut self, steps: &[Step], observed: &Observed, tunnels: &impl Tunnels) -> Executed {
        let created = steps.iter().filter_map(|step| match step {
            Step::CreateLink(interface, _) => Some(interface),
            _ => None,
        });
        let ours: BTreeSet<&IfName> = observed.state.links.keys().chain(created).collect();
        let mut originals = self.memory.originals().clone();
        originals.remember(steps, &observed.state.sysctls, |name| ours.contains(name));
        self.memory.keep(originals);
        let indexes = observed.indexes.clone();
        let outcomes = Vec::with_capacity(steps.len());
        let mut run = Run { kernel: self, observed, indexes, missing: Missing::default(), outcomes };
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
        Executed { outcomes: run.outcomes, indexes: run.indexes }
    }
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
    observed: &'a Observed,
    /// The indexes of interfaces, updated with each step.
    indexes: BTreeMap<IfName, u32>,
    missing: Missing,
    /// What came of the steps so far.
    outcomes: Vec<Outcome>,
}

impl Run<'_> {
    async fn one(&mut self, step: &Step, tunnels: &impl Tunnels) {
        if self.missing.prevents(step) {
            self.outcomes.push(Outcome::Skipped);
            return;
        }
        tracing::debug!(step = %step, "kernel step");
        let result = match step {
            Step::CreateLink(interface, backend) => self.create_link(interface, *backend, tunnels).await,
            Step::DeleteLink(interface, backend) => self.delete_link(interface, *backend, tunnels).await,
            Step::Configure(interface, change) => tunnels.configure(interface, change).await,
            Step::Overlay(step) => self.kernel.overlay_step(step, self.observed, &mut self.indexes).await,
            Step::SetFilter(ruleset) => self.kernel.set_filter(ruleset).await,
            Step::DeleteFilter => self.kernel.delete_filter().await,
            other => self.plain(other).await.map_err(anyhow::Error::from),
        };
        self.note(step, result);
    }

    fn note(&mut self, step: &Step, result: anyhow::Result<()>) {
        self.outcomes.push(match result {
            Ok(()) => Outcome::Done,
            Err(cause) => {
                self.missing.without(step);
                Outcome::Failed(cause)
            }
        });
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
        let this = &*self;
        let requests = steps.iter().map(|step| async move {
            match this.missing.prevents(step) {
                true => Outcome::Skipped,
                false => this.plain(step).await.map_or_else(|error| Outcome::Failed(error.into()), |()| Outcome::Done),
            }
        });
        // The steps are about different routes, so that none depends on another.
        let outcomes: Vec<Outcome> = stream::iter(requests).buffered(ROUTES_AT_ONCE).collect().await;
        self.outcomes.extend(outcomes);
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
        self.indexes.insert(interface.clone(), index);
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
        self.indexes.remove(interface);
        let released = match backend {
            Backend::Kernel => Ok(()),
            Backend::Userspace => tunnels.remove_userspace(interface).await,
        };
        // The link is deleted whatever the engine answers.
        links::delete(&self.kernel.netlink, index).await?;
        released
    }

    fn index(&self, interface: &IfName) -> io::Result<u32> {
        self.indexes.get(interface).copied().ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))
    }
}
