//! The OSPF side of the daemon, without its I/O: what is sent to the engine, and what it has computed. Time is an argument, and what is to be
//! sent to the engine is returned.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ospf::{Config, InterfaceId, LinkState, PathState, Protection, StubRouter};
use tracing::{debug, warn};

use super::carriers::Listed;
use super::interfaces;
use super::local::Local;
use super::paths::Path;
use super::renaming::carry_over_handles;
use super::retention::has_converged;
use super::router_ids::RouterIds;
use crate::control::StubRouterCommand;
use crate::net::{IfName, Prefix};
use crate::reconcile::state::Observed;
use crate::rib::{self, Action, Failure, NextHops, Preference, Rib, Source};
use crate::routing::{
    InterfaceIds, MAX_REDISTRIBUTED, Protections, Redistributed, RouteChanges, Signing, engine_config, redistributed,
};

/// A clock that is corrected by less than this was not set.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(1);

/// What OSPF depends on at this router, and its results.
#[derive(Debug)]
pub(super) struct Router {
    /// The engine's handles of interfaces.
    ids: InterfaceIds,
    /// The router ids that this router has had.
    router_ids: RouterIds,
    /// The number of this start.
    boot: u32,
    /// The moment of the engine's time zero, by the clock as it was when the engine was last configured.
    zero: SystemTime,
    /// Whether a command has made this a stub router.
    stub_router: StubRouterCommand,
    /// What was last taken from the kernel into OSPF.
    redistributed: Redistributed,
    /// The prefixes that the site lists, and what carries them.
    listed: Listed,
    /// The routes that the engine has computed.
    routes: BTreeMap<Prefix, ospf::Route>,
    /// The alternates of their next hops, each of the present ones.
    protections: BTreeMap<Prefix, Arc<Protection>>,
    /// Next hops of routes to which no packets pass, by a test below OSPF.
    failed_nexthops: BTreeSet<rib::Nexthop>,
    /// The state of each interface as the engine knows it.
    links: BTreeMap<InterfaceId, LinkState>,
    /// The longest RouterDeadInterval of any interface: so long neighbours wait for a hello.
    dead_interval: Duration,
}

/// Whether the engine has to be configured again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum Configuration {
    /// It has the present one.
    Current,
    /// It has a former one: [`Router::config`] returns the present one.
    Outdated,
}

impl Router {
    /// Begins without any routes. `zero` is the engine's time zero.
    pub(super) fn new(local: &Local, router_ids: RouterIds, boot: u32, zero: SystemTime) -> Self {
        Self {
            ids: InterfaceIds::default(),
            router_ids,
            boot,
            zero,
            stub_router: StubRouterCommand::File,
            redistributed: Redistributed::default(),
            listed: Listed::new(local),
            routes: BTreeMap::new(),
            protections: BTreeMap::new(),
            failed_nexthops: BTreeSet::new(),
            links: BTreeMap::new(),
            dead_interval: Duration::ZERO,
        }
    }

    /// Returns the configuration of the engine, whose time zero is `zero` by the present clock.
    pub(super) fn config(&mut self, local: &Local, zero: SystemTime, now: SystemTime) -> Config {
        self.zero = zero;
        let signing = Signing { keyring: &local.keyring, zero, boot: self.boot };
        let withdrawn = self.listed.withdrawn();
        let (mesh, site) = (&local.mesh, &local.site);
        let mut config = engine_config(mesh, site, &self.redistributed, &withdrawn, &signing, &mut self.ids);
        self.router_ids.begin(site.loopback, now);
        config.former_ids = self.router_ids.former(mesh, now);
        let config = self.commanded(config);
        self.dead_interval =
            config.interfaces.values().map(|interface| interface.dead_interval).max().unwrap_or_default();
        self.links.retain(|id, _| config.interfaces.contains_key(id));
        config
    }

    /// Returns the configuration that the engine has with this mesh file and these handles of interfaces, and changes nothing. Keys are
    /// converted by the clock of the last configuration.
    pub(super) fn preview(&self, local: &Local, mut ids: InterfaceIds, observed: &Observed, now: SystemTime) -> Config {
        let signing = Signing { keyring: &local.keyring, zero: self.zero, boot: self.boot };
        let redistributed = redistributed(&local.site, &observed.foreign);
        let withdrawn = self.listed.withdrawn();
        let config = engine_config(&local.mesh, &local.site, &redistributed, &withdrawn, &signing, &mut ids);
        self.commanded(Config { former_ids: self.router_ids.former(&local.mesh, now), ..config })
    }

    /// Returns the configuration with what a command has set.
    fn commanded(&self, mut config: Config) -> Config {
        match self.stub_router {
            StubRouterCommand::File => {}
            StubRouterCommand::On => config.stub_router = StubRouter::Always,
            StubRouterCommand::Off => config.stub_router = StubRouter::Never,
        }
        config
    }

    /// Returns the handles of interfaces as they are with another mesh file: those of renamed tunnels stay.
    pub(super) fn renamed_ids(&self, former: &Local, local: &Local) -> InterfaceIds {
        let mut ids = self.ids.clone();
        carry_over_handles(former, local, &mut ids);
        ids
    }

    /// Takes over a mesh file that was read again.
    pub(super) fn reload(&mut self, former: &Local, local: &Local, observed: &Observed) {
        self.ids = self.renamed_ids(former, local);
        self.listed.reload(local);
        // By the new file; what is no longer looked at is not redistributed either.
        self.redistributed = redistributed(&local.site, &observed.foreign);
    }

    /// Takes note of a command about stub router advertisement.
    pub(super) fn set_stub_router(&mut self, command: StubRouterCommand) -> Configuration {
        self.stub_router = command;
        Configuration::Outdated
    }

    /// Takes routes and alternates from the engine, and writes them to the routing table. Returns the destinations whose used route has
    /// changed.
    pub(super) fn take_routes(
        &mut self,
        changes: RouteChanges,
        protections: Protections,
        rib: &mut Rib,
    ) -> BTreeSet<Prefix> {
        let mut written: BTreeSet<Prefix> = changes.keys().copied().collect();
        for (prefix, route) in changes {
            // An alternate is one of certain next hops, and of no others.
            let holds = |protection: &Protection, route: &ospf::Route| protection.nexthops.keys().eq(&route.nexthops);
            let protection = self.protections.get(&prefix);
            if !route.as_ref().zip(protection).is_some_and(|(route, protection)| holds(protection, route)) {
                self.protections.remove(&prefix);
            }
            match route {
                Some(route) => _ = self.routes.insert(prefix, route),
                None => _ = self.routes.remove(&prefix),
            }
        }
        for (prefix, protection) in protections {
            let Some(route) = self.routes.get(&prefix) else { continue };
            let protection = protection.filter(|protection| protection.nexthops.keys().eq(&route.nexthops));
            let backup = |protection: Option<&Arc<Protection>>| protection?.backup.map(|alternate| alternate.nexthop);
            let now = backup(protection.as_ref());
            let before = match protection {
                Some(protection) => self.protections.insert(prefix, protection),
                None => self.protections.remove(&prefix),
            };
            if backup(before.as_ref()) != now {
                written.insert(prefix);
            }
        }
        let Self { routes, protections, ids, .. } = self;
        let written = written.into_iter().map(|prefix| {
            let route =
                routes.get(&prefix).map(|route| rib_route(route, protections.get(&prefix).map(Arc::as_ref), ids));
            (prefix, route)
        });
        let mut changed = rib.update(Source::Ospf, written);
        changed.extend(self.forget_failed(rib));
        changed
    }

    /// Writes all routes to the routing table again, after interfaces were renamed.
    pub(super) fn rewrite_routes(&self, rib: &mut Rib) -> BTreeSet<Prefix> {
        self.write_routes(&self.ids, rib)
    }

    /// Writes all routes to a routing table, with these handles of interfaces. Returns the destinations whose used route has changed.
    pub(super) fn write_routes(&self, ids: &InterfaceIds, rib: &mut Rib) -> BTreeSet<Prefix> {
        let routes = self
            .routes
            .iter()
            .map(|(prefix, route)| (*prefix, rib_route(route, self.protections.get(prefix).map(Arc::as_ref), ids)));
        rib.replace(Source::Ospf, routes)
    }

    /// Updates the states of interfaces, and what has failed in the routing table. Returns the states that the engine does not know yet, and
    /// the destinations whose used route has changed.
    pub(super) fn follow_links(
        &mut self,
        local: &Local,
        observed: &Observed,
        rib: &mut Rib,
    ) -> (Vec<(InterfaceId, LinkState)>, BTreeSet<Prefix>) {
        let states = interfaces::link_states(local, observed, &mut self.ids);
        let differs = |(id, state): &(&InterfaceId, &LinkState)| self.links.get(id) != Some(*state);
        let news = states.iter().filter(differs).map(|(id, state)| (*id, state.clone())).collect();
        self.links = states;
        (news, rib.set_failures(self.failed(&self.links, &self.ids)))
    }

    /// Takes note of paths that a test below OSPF has found to carry packets or not, and takes the next hops over failed ones down in the
    /// routing table. Returns the destinations whose used route has changed.
    pub(super) fn follow_paths(&mut self, paths: &[(Path, PathState)], rib: &mut Rib) -> BTreeSet<Prefix> {
        for ((interface, neighbor), state) in paths {
            let nexthop = rib::Nexthop { interface: interface.clone(), via: Some((*neighbor).into()) };
            match state {
                // If it ends with the neighbour's OSPF, that alone says what it means.
                PathState::Down { shares_fate: false } if rib.has_nexthop(&nexthop) => {
                    self.failed_nexthops.insert(nexthop);
                }
                PathState::Down { .. } => {}
                PathState::Up | PathState::Untested => _ = self.failed_nexthops.remove(&nexthop),
            }
        }
        rib.set_failures(self.failed(&self.links, &self.ids))
    }

    /// Forgets the failed next hops that no route has any more: OSPF has acted on the failure, and may use the neighbour again whatever the
    /// test says.
    fn forget_failed(&mut self, rib: &mut Rib) -> BTreeSet<Prefix> {
        if self.failed_nexthops.is_empty() {
            return BTreeSet::new();
        }
        self.failed_nexthops.retain(|nexthop| rib.has_nexthop(nexthop));
        rib.set_failures(self.failed(&self.links, &self.ids))
    }

    /// What has failed: interfaces that are down, and next hops to which no packets pass.
    fn failed(&self, states: &BTreeMap<InterfaceId, LinkState>, ids: &InterfaceIds) -> BTreeSet<Failure> {
        let down = states.iter().filter(|(_, state)| **state == LinkState::Down);
        let interfaces = down.filter_map(|(id, _)| Some(Failure::Interface(ids.name(*id)?.clone())));
        interfaces.chain(self.failed_nexthops.iter().cloned().map(Failure::Nexthop)).collect()
    }

    /// Returns what has failed, as far as the states of interfaces say, with another mesh file and these handles of interfaces.
    pub(super) fn failures(&self, local: &Local, observed: &Observed, mut ids: InterfaceIds) -> BTreeSet<Failure> {
        let states = interfaces::link_states(local, observed, &mut ids);
        // An interface that does not exist yet fails nothing: no route is over it.
        self.failed(&states, &ids)
    }

    /// Updates what is redistributed, and the carriers of the site's prefixes.
    pub(super) fn follow_kernel(&mut self, local: &Local, observed: &Observed, rib: &Rib) -> Configuration {
        let redistributed = redistributed(&local.site, &observed.foreign);
        let carriers = self.follow_carriers(local, observed, rib);
        if carriers == Configuration::Current && redistributed == self.redistributed {
            return Configuration::Current;
        }
        if redistributed.left_out > 0 && self.redistributed.left_out == 0 {
            warn!(bound = MAX_REDISTRIBUTED, left_out = redistributed.left_out, "too many routes to redistribute");
        }
        debug!(destinations = redistributed.externals.len(), "redistributing");
        self.redistributed = redistributed;
        Configuration::Outdated
    }

    /// Updates the carriers of the site's prefixes, which decide about those that are advertised.
    pub(super) fn follow_carriers(&mut self, local: &Local, observed: &Observed, rib: &Rib) -> Configuration {
        match self.listed.update(local, observed, &self.routes, rib, &self.ids) {
            true => Configuration::Outdated,
            false => Configuration::Current,
        }
    }

    /// Returns how far the clock was set since the engine was last configured, if it was: keys are valid by the clock. `zero` is the
    /// engine's time zero by the present clock.
    pub(super) fn clock_set(&self, zero: SystemTime) -> Option<Duration> {
        let moved = zero.duration_since(self.zero).unwrap_or_else(|earlier| earlier.duration());
        (moved > CLOCK_TOLERANCE).then_some(moved)
    }

    /// Whether every tunnel has a neighbour that is Full and to which there is a route. `full` are the interfaces with a Full neighbour.
    pub(super) fn has_converged(&mut self, local: &Local, full: &BTreeSet<InterfaceId>) -> bool {
        let peers = local.tunnels.iter();
        let peers = peers.map(|(name, peer)| (full.contains(&self.ids.id(name)), peer.peer_loopback));
        has_converged(peers, &self.routes)
    }

    /// The engine's handles of interfaces.
    pub(super) fn ids(&self) -> &InterfaceIds {
        &self.ids
    }

    /// The routes that the engine has computed.
    pub(super) fn routes(&self) -> &BTreeMap<Prefix, ospf::Route> {
        &self.routes
    }

    /// The alternates of the next hops of these routes.
    pub(super) fn protections(&self) -> &BTreeMap<Prefix, Arc<Protection>> {
        &self.protections
    }

    /// What is taken from the kernel into OSPF.
    pub(super) fn redistributed(&self) -> &Redistributed {
        &self.redistributed
    }

    /// The prefixes that the site lists, and what carries them.
    pub(super) fn listed(&self) -> &Listed {
        &self.listed
    }

    /// So long neighbours wait for a hello of this router, by the interface where they wait longest.
    pub(super) fn dead_interval(&self) -> Duration {
        self.dead_interval
    }

    /// Writes the file of router ids if it could not be written before.
    pub(super) fn retry(&mut self) {
        self.router_ids.retry();
    }

    /// Problems of the file of router ids.
    pub(super) fn problems(&self) -> Vec<String> {
        self.router_ids.problems()
    }
}

/// A route of OSPF in the words of the routing table. Next hops over interfaces without a name are left out.
fn rib_route(route: &ospf::Route, protection: Option<&Protection>, ids: &InterfaceIds) -> rib::Route {
    let nexthop = |hop: &ospf::Nexthop| {
        let interface: IfName = ids.name(hop.interface)?.clone();
        Some(rib::Nexthop { interface, via: hop.via.map(Into::into) })
    };
    let action = match route.nexthops.is_empty() {
        true => Action::Discard,
        false => Action::Forward(NextHops {
            primary: route.nexthops.iter().filter_map(nexthop).collect(),
            backup: protection.and_then(|protection| nexthop(&protection.backup?.nexthop)),
        }),
    };
    rib::Route { preference: Preference::OSPF, action, tag: route.tag }
}

#[cfg(test)]
mod tests;
