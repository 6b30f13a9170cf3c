//! When routes are calculated, and what is told of the outcome. How they are calculated is chapter 16's: [`crate::route`].
//!
//! How soon after a change is decided by [`crate::spf_delay`].

use std::collections::BTreeSet;

use crate::config::NetworkType;
use crate::databases::{Domain, LsaPlace};
use crate::engine::Engine;
use crate::event::Event;
use crate::ids::{AreaId, LsaType, Prefix};
use crate::interface::Interface;
use crate::io::{Addressing, Output};
use crate::lsdb::{Entry, Lsdb};
use crate::route::{
    Adjacency, AreaInputs, Calculation, Connected, Destination, Parts, Peer, Refused, Replaced, RouteInputs,
    RouterChange, VirtualEnd, calculate,
};
use crate::router_lsa::link_data;
use crate::spf_delay::SpfBackoff;
use crate::timers::TimerKey;
use crate::wire::{LsaBody, LsaHeader};

/// When the next calculation is due, and what the last one gave.
#[derive(Debug, Default)]
pub(crate) struct CalculationState {
    pub(crate) backoff: SpfBackoff,
    pub(crate) latest: Calculation,
    /// What has changed since.
    pending: Consequence,
    /// Number of calculations so far.
    pub(crate) runs: u64,
    /// How many of these looked at a few destinations only.
    pub(crate) partial_runs: u64,
}

/// To so many destinations at the most routes are calculated one by one.
const MAX_PARTIAL: usize = 256;

/// What a change in the databases does to routes, or several together do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Consequence {
    /// Any of them may be another one.
    Anything,
    /// Those that these parts of a calculation give; none at all if there are none.
    Parts(Parts),
}

impl Default for Consequence {
    fn default() -> Self {
        Self::Parts(Parts::default())
    }
}

impl Consequence {
    fn join(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Anything, _) => {}
            (Self::Parts(parts), Self::Parts(more)) if parts.destinations.len() <= MAX_PARTIAL => parts.extend(more),
            (Self::Parts(_), _) => *self = Self::Anything,
        }
    }
}

impl Engine {
    /// What it does to routes that an LSA is about to be installed, if it says something new (§13.2).
    pub(crate) fn consequence(&self, place: LsaPlace, header: &LsaHeader, body: &LsaBody) -> Consequence {
        let stored = self.databases.lookup(place);
        match place.key.kind {
            LsaType::SUMMARY_NETWORK | LsaType::SUMMARY_ASBR | LsaType::AS_EXTERNAL | LsaType::NSSA => {
                let bodies = stored.map(Entry::body).into_iter().chain([body]);
                Consequence::Parts(bodies.filter_map(|body| Destination::of(place.key, body)).collect())
            }
            LsaType::ROUTER if !header.is_max_age() => {
                self.consequence_of_router(place, body).map_or(Consequence::Anything, Consequence::Parts)
            }
            kind if kind.is_opaque() => Consequence::default(),
            _ => Consequence::Anything,
        }
    }

    /// Of a Router-LSA that says no more than where other links and stub networks are.
    fn consequence_of_router(&self, place: LsaPlace, after: &LsaBody) -> Option<Parts> {
        // Trees are right only as long as nothing is pending that may change them.
        let Consequence::Parts(pending) = &self.calculation.pending else { return None };
        let Domain::Area(area) = place.domain else { return None };
        let router = place.key.advertising_router;
        let is_other = place.key.id.0 == router.0 && router != self.config.router_id;
        if self.calculation.runs == 0 || !is_other || !self.virtual_ends().is_empty() {
            return None;
        }
        let lsdb = self.databases.domain(place.domain)?;
        let stored = lsdb.lookup(place.key).filter(|entry| !entry.is_max_age(self.now))?;
        let (LsaBody::Router(before), LsaBody::Router(after)) = (stored.body(), after) else { return None };
        if before.flags != after.flags {
            return None;
        }
        let change = RouterChange { router, before, after, lsdb, now: self.now, policy: &self.config.policy };
        let survives = (!pending.trees.contains(&area)).then(|| self.calculation.latest.survives(area, &change));
        match survives.flatten() {
            Some(stubs) => Some(stubs.into_iter().map(Destination::Stub).collect()),
            None => Some(Parts::of_tree(area, [before, after])),
        }
    }

    /// Has done what a change wants.
    pub(crate) fn schedule(&mut self, consequence: Consequence) {
        if consequence != Consequence::default() {
            self.calculation.pending.join(consequence);
            self.start_delay();
        }
    }

    /// Something has changed that routes depend on.
    pub(crate) fn schedule_calculation(&mut self) {
        self.schedule(Consequence::Anything);
    }

    /// All routes are news, and wait for nothing.
    pub(crate) fn calculate_from_nothing(&mut self) {
        self.calculation.latest = Calculation::default();
        self.calculation.pending = Consequence::Anything;
        self.calculation.backoff.at_once(self.now);
        self.timers.set(TimerKey::Calculation, self.now);
    }

    fn start_delay(&mut self) {
        let due = self.calculation.backoff.note_change(self.now, &self.config.spf_delay);
        self.timers.set(TimerKey::Calculation, due);
    }

    /// Once for each input: calculates if it is time; whether paths inside the AS may have changed, on which more depends than routes.
    pub(crate) fn calculate_if_due(&mut self) -> bool {
        if !self.calculation.backoff.take_due(self.now) {
            return false;
        }
        self.timers.cancel(TimerKey::Calculation);
        if let Consequence::Parts(parts) = std::mem::take(&mut self.calculation.pending)
            && self.may_be_partial(&parts)
            && let Some(replaced) = self.replace(&parts)
        {
            return self.replaced(&parts, replaced);
        }
        let mut after = self.calculate();
        self.limit_routes(&mut after);
        let before = std::mem::replace(&mut self.calculation.latest, after);
        self.calculation.runs += 1;
        self.reachability_changed();
        if self.is_restarting() {
            // RFC 3623 §2: "the restarting router does not install OSPF routes ... the router instead relies on the forwarding
            // entries that it installed prior to the restart".
            return true;
        }
        let after = &self.calculation.latest;
        for (prefix, route) in after.table.changes_since(&before.table) {
            self.outputs.push_back(Output::Route { prefix, route });
        }
        self.tell_refused(after.refused.difference(&before.refused).copied().collect::<Vec<_>>());
        true
    }

    /// Whether parts can be calculated on top of the last calculation, which saw everything else as it is.
    fn may_be_partial(&self, parts: &Parts) -> bool {
        // What a limit cuts off depends on all routes. On a path inside the AS any of those outside may depend.
        let more = if parts.are_inside() { self.databases.len() } else { parts.destinations.len() };
        let most = self.calculation.latest.table.len() + more;
        self.calculation.runs > 0 && most <= self.config.limits.routes && !self.is_restarting()
    }

    /// RFC 2328 §16.5, §16.6: a Summary- or AS-external-LSA leaves all but a few destinations as they are, and so do most trees.
    fn replace(&mut self, parts: &Parts) -> Option<Replaced> {
        let mut latest = std::mem::take(&mut self.calculation.latest);
        let replaced = self.with_inputs(|inputs| latest.replace(inputs, parts));
        self.calculation.latest = latest;
        replaced
    }

    /// Tells what a partial calculation has changed. Gives what [`Engine::calculate_if_due`] does.
    fn replaced(&mut self, parts: &Parts, replaced: Replaced) -> bool {
        self.calculation.runs += 1;
        self.calculation.partial_runs += 1;
        let mut latest = std::mem::take(&mut self.calculation.latest);
        self.limit_routes(&mut latest);
        self.calculation.latest = latest;
        for (prefix, route) in replaced.routes {
            self.outputs.push_back(Output::Route { prefix, route });
        }
        self.tell_refused(replaced.refused);
        if parts.are_inside() {
            self.reachability_changed();
        }
        // What is translated from an NSSA follows from external routes, too.
        parts.are_inside() || self.has_nssa()
    }

    fn tell_refused(&mut self, refused: impl IntoIterator<Item = Refused>) {
        let told = |Refused { prefix, originator, guard }| Event::RouteRefused { prefix, originator, guard };
        self.outputs.extend(refused.into_iter().map(|refused| Output::Event(told(refused))));
    }

    /// Everything, from the databases as they are.
    pub(crate) fn calculate(&self) -> Calculation {
        self.with_inputs(calculate)
    }

    fn with_inputs<R>(&self, run: impl FnOnce(&RouteInputs<'_>) -> R) -> R {
        let empty = Lsdb::new();
        let areas: Vec<_> = self.areas().into_iter().map(|area| (area, self.adjacencies(area))).collect();
        let area_inputs: Vec<_> = areas
            .iter()
            .filter_map(|(area, adjacencies)| {
                let lsdb = self.databases.domain(Domain::Area(*area))?;
                let (kind, ranges) = (self.config.area_kind(*area), self.config.area_ranges(*area));
                Some(AreaInputs { area: *area, kind, ranges, lsdb, adjacencies })
            })
            .collect();
        run(&RouteInputs {
            router_id: self.config.router_id,
            now: self.now,
            areas: &area_inputs,
            as_scope: self.databases.domain(Domain::As).unwrap_or(&empty),
            connected: &self.connected(),
            own_externals: &self.config.externals,
            border: self.border(),
            virtual_links: &self.virtual_ends(),
            policy: &self.config.policy,
            rfc1583: self.config.rfc1583,
        })
    }

    /// The areas that this router belongs to, in the order of their numbers.
    pub(crate) fn areas(&self) -> BTreeSet<AreaId> {
        let of_interfaces = self.config.interfaces.values().map(|interface| interface.area);
        of_interfaces.chain(self.config.loopbacks.keys().copied()).collect()
    }

    fn virtual_ends(&self) -> BTreeSet<VirtualEnd> {
        self.interfaces.values().filter_map(Interface::virtual_end).collect()
    }

    fn adjacencies(&self, area: AreaId) -> Vec<Adjacency> {
        let mut adjacencies = Vec::new();
        for (&id, interface) in self.interfaces.iter().filter(|(_, interface)| interface.config.area == area) {
            let Some(link) = interface.active_link() else { continue };
            let to = |peer| Adjacency { interface: id, link_data: link_data(interface, link), peer };
            if let Some(end) = interface.virtual_end() {
                adjacencies.extend(interface.adjacent().map(|_| to(Peer::Virtual(end))));
            } else if interface.elects() {
                let network = interface.transit_network(link);
                adjacencies.extend(network.map(|designated_router| to(Peer::Network { designated_router })));
            } else {
                let routers = interface.adjacent().map(|neighbor| (neighbor.router_id, neighbor.address));
                adjacencies.extend(routers.map(|(router_id, address)| to(Peer::Router { router_id, address })));
            }
        }
        adjacencies
    }

    fn connected(&self) -> Vec<Connected> {
        let loopbacks = self.config.loopbacks.values().flatten();
        let own = loopbacks.map(|&address| Connected { prefix: Prefix::host(address), address, interface: None });
        let networks = self.interfaces.iter().filter_map(|(&id, interface)| match interface.link()?.addressing {
            Addressing::Unnumbered(address) => {
                Some(Connected { prefix: Prefix::host(address), address, interface: None })
            }
            // §12.4.1.4: what is advertised of a point-to-multipoint interface is its address alone.
            Addressing::Numbered { address, .. } if interface.config.network == NetworkType::PointToMultipoint => {
                Some(Connected { prefix: Prefix::host(address), address, interface: None })
            }
            Addressing::Numbered { address, subnet } => {
                Some(Connected { prefix: subnet, address, interface: Some(id) })
            }
        });
        own.chain(networks).collect()
    }
}
