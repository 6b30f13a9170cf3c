//! When routes are calculated, and what is told of the outcome. How they are calculated is chapter 16's: [`crate::route`].
//!
//! How soon after a change is decided by [`crate::spf_delay`].

use std::collections::BTreeSet;

use crate::config::{AreaKind, NetworkType};
use crate::databases::{Domain, LsaPlace};
use crate::engine::Engine;
use crate::event::Event;
use crate::ids::{AreaId, LsaKey, LsaType, Prefix};
use crate::interface::Interface;
use crate::io::{Addressing, Output};
use crate::lsdb::Lsdb;
use crate::route::{
    Adjacency, AreaInputs, Calculation, Connected, Peer, Refused, RouteInputs, RouterChange, VirtualEnd, calculate,
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
    pending: Pending,
    /// Number of calculations so far.
    pub(crate) runs: u64,
}

/// Of so many external destinations at the most routes are calculated one by one.
const MAX_PARTIAL: usize = 256;

/// What the next calculation has to look at.
#[derive(Debug)]
enum Pending {
    Everything,
    /// External routes to these destinations (RFC 2328 §16.6), at most [`MAX_PARTIAL`].
    Externals(BTreeSet<Prefix>),
}

impl Default for Pending {
    fn default() -> Self {
        Self::Externals(BTreeSet::new())
    }
}

/// What a change in the databases does to routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consequence {
    /// The external routes to what the LSA named, and what it names now, may be other ones.
    External { before: Option<Prefix>, after: Option<Prefix> },
    /// Any of them may be another one.
    Anything,
    /// None is.
    Nothing,
}

impl Engine {
    /// What it does to routes that an LSA is about to be installed, if it says something new (§13.2).
    pub(crate) fn consequence(&self, place: LsaPlace, header: &LsaHeader, body: &LsaBody) -> Consequence {
        if (place.domain, place.key.kind) == (Domain::As, LsaType::AS_EXTERNAL) && !self.is_self_originated(place) {
            let stored = self.databases.lookup(place);
            let before = stored.and_then(|entry| external_prefix(place.key, entry.body()));
            return Consequence::External { before, after: external_prefix(place.key, body) };
        }
        // What is compared with is what the last calculation saw.
        if self.calculation.backoff.due().is_some() || self.calculation.runs == 0 || header.is_max_age() {
            return Consequence::Anything;
        }
        let Some(stored) = self.databases.lookup(place).filter(|entry| !entry.is_max_age(self.now)) else {
            return Consequence::Anything;
        };
        match (place.domain, stored.body(), body) {
            (Domain::Area(area), LsaBody::Router(before), LsaBody::Router(after))
                if place.key.id.0 == place.key.advertising_router.0 && self.virtual_ends().is_empty() =>
            {
                let Some(lsdb) = self.databases.domain(place.domain) else { return Consequence::Anything };
                let router = place.key.advertising_router;
                let (now, policy) = (self.now, &self.config.policy);
                let change = RouterChange { router, before, after, lsdb, now, policy };
                match self.calculation.latest.survives(area, &change) {
                    true => Consequence::Nothing,
                    false => Consequence::Anything,
                }
            }
            _ => Consequence::Anything,
        }
    }

    /// Has done what a change wants.
    pub(crate) fn schedule(&mut self, consequence: Consequence) {
        match consequence {
            Consequence::Anything => self.schedule_calculation(),
            Consequence::External { before, after } => {
                if let Pending::Externals(prefixes) = &mut self.calculation.pending {
                    prefixes.extend(before.into_iter().chain(after));
                    if prefixes.len() > MAX_PARTIAL {
                        self.calculation.pending = Pending::Everything;
                    }
                }
                self.start_delay();
            }
            Consequence::Nothing => {}
        }
    }

    /// Something has changed that routes depend on.
    pub(crate) fn schedule_calculation(&mut self) {
        self.calculation.pending = Pending::Everything;
        self.start_delay();
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
        let mut after = match std::mem::take(&mut self.calculation.pending) {
            Pending::Externals(prefixes) if self.may_be_partial(&prefixes) => {
                self.calculation.runs += 1;
                self.calculate_some_externals(&prefixes);
                return false;
            }
            Pending::Externals(_) | Pending::Everything => self.calculate(),
        };
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
        for refused in after.refused.difference(&before.refused) {
            let (prefix, originator, guard) = (refused.prefix, refused.originator, refused.guard);
            self.outputs.push_back(Output::Event(Event::RouteRefused { prefix, originator, guard }));
        }
        true
    }

    /// Whether external routes can be calculated on top of the last calculation, which saw everything else as it is.
    fn may_be_partial(&self, prefixes: &BTreeSet<Prefix>) -> bool {
        // What is translated from a not-so-stubby area depends on all that competes with it, and what a limit cuts off on all routes.
        let nssa = self.config.areas.values().any(|area| matches!(area.kind, AreaKind::Nssa(_)));
        let room = self.calculation.latest.table.len() + prefixes.len() <= self.config.limits.routes;
        self.calculation.runs > 0 && !nssa && room && !self.is_restarting()
    }

    /// RFC 2328 §16.6: "the receipt of a new AS-external-LSA" leaves all but one destination as it is.
    fn calculate_some_externals(&mut self, prefixes: &BTreeSet<Prefix>) {
        let scope = self.databases.domain(Domain::As);
        let offers = scope.map(|lsdb| lsdb.externals_to(prefixes, self.now)).unwrap_or_default();
        let mut latest = std::mem::take(&mut self.calculation.latest);
        let changes = self.with_inputs(&offers, |inputs| latest.replace_externals(inputs, prefixes));
        self.limit_routes(&mut latest);
        self.calculation.latest = latest;
        for (prefix, route) in changes.routes {
            self.outputs.push_back(Output::Route { prefix, route });
        }
        for Refused { prefix, originator, guard } in changes.refused {
            self.outputs.push_back(Output::Event(Event::RouteRefused { prefix, originator, guard }));
        }
    }

    fn calculate(&self) -> Calculation {
        let empty = Lsdb::new();
        self.with_inputs(self.databases.domain(Domain::As).unwrap_or(&empty), calculate)
    }

    fn with_inputs<R>(&self, as_scope: &Lsdb, run: impl FnOnce(&RouteInputs<'_>) -> R) -> R {
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
            as_scope,
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

/// The destination of an external (RFC 2328 appendix E: the Link State ID may have host bits set).
fn external_prefix(key: LsaKey, body: &LsaBody) -> Option<Prefix> {
    match body {
        LsaBody::External(lsa) => Prefix::from_mask(key.id.into(), lsa.network_mask),
        _ => None,
    }
}
