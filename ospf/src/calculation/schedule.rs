//! Determines what has to be calculated after a change, and the inputs of the calculation. The calculation of §16 is in [`crate::route`].
//!
//! [`crate::machine::spf_delay`] determines the delay after a change, and [`crate::calculation::pass`] the slices.

use std::collections::BTreeSet;

use crate::config::NetworkType;
use crate::ids::{AreaId, Domain, LsaPlace, LsaType, Prefix};
use crate::io::Addressing;
use crate::origination::router_lsa::link_data;
use crate::route::{Adjacency, AreaInputs, Connected, Destination, Parts, Peer, RouteInputs, RouterChange, VirtualEnd};
use crate::state::calculation::Consequence;
use crate::state::engine::Engine;
use crate::state::interface::Interface;
use crate::state::lsdb::{Entry, Lsdb};
use crate::state::timers::TimerKey;
use crate::wire::{LsaBody, LsaHeader};

impl Engine {
    /// Determines which routes may change when an LSA with new contents is installed (§13.2).
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

    /// The consequence of a Router-LSA that differs only in its links and stub networks.
    fn consequence_of_router(&self, place: LsaPlace, after: &LsaBody) -> Option<Parts> {
        // The shortest-path trees are valid only if no pending change may affect them.
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

    /// Schedules the calculation that a change makes necessary.
    pub(crate) fn schedule(&mut self, consequence: Consequence) {
        if consequence == Consequence::Anything {
            self.anything_changed();
        }
        if consequence != Consequence::default() {
            self.calculation.pending.join(consequence);
            self.start_delay();
        }
    }

    /// Schedules a full calculation, after a change that routes depend on.
    pub(crate) fn schedule_calculation(&mut self) {
        self.schedule(Consequence::Anything);
    }

    /// Discards all routes and calculates them again without delay.
    pub(crate) fn calculate_from_nothing(&mut self) {
        self.debris.calculation(std::mem::take(&mut self.calculation.latest));
        self.calculation.pass = None;
        self.calculation.pending = Consequence::Anything;
        self.alternates.forget();
        self.anything_changed();
        self.calculation.backoff.at_once(self.now);
        self.timers.set(TimerKey::Calculation, self.now);
    }

    fn start_delay(&mut self) {
        let due = self.calculation.backoff.note_change(self.now, &self.config.spf_delay);
        self.timers.set(TimerKey::Calculation, due);
    }

    /// Whether a partial calculation is possible on the basis of the last calculation. `routes` is the number of routes in the table.
    pub(crate) fn may_be_partial(&self, parts: &Parts, routes: usize) -> bool {
        // The routes that a limit removes depend on all routes. Any external route may depend on a path inside the AS.
        let more = if parts.are_inside() { self.databases.len() } else { parts.externals.len() };
        self.calculation.runs > 1 && routes + more <= self.config.limits.routes && !self.is_restarting()
    }

    /// Calculates everything from the present databases.
    #[cfg(test)]
    pub(crate) fn calculate(&self) -> crate::route::Calculation {
        self.with_inputs(crate::route::calculate)
    }

    /// Calls `run` with the present inputs of a calculation.
    pub(crate) fn with_inputs<R>(&self, run: impl FnOnce(&RouteInputs<'_>) -> R) -> R {
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
            aggregates: &self.aggregates,
            border: self.border(),
            virtual_links: &self.virtual_ends(),
            policy: &self.config.policy,
            rfc1583: self.config.rfc1583,
        })
    }

    /// The areas that this router belongs to, in the order of their Area IDs.
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
            // §12.4.1.4: a point-to-multipoint interface advertises only its address.
            Addressing::Numbered { address, .. } if interface.config.network == NetworkType::PointToMultipoint => {
                Some(Connected { prefix: Prefix::host(address), address, interface: None })
            }
            Addressing::Numbered { address, subnet } => {
                Some(Connected { prefix: subnet, address, interface: Some(id) })
            }
        });
        let running = self.interfaces.iter().filter(|(_, interface)| interface.link().is_some());
        let further = running.flat_map(|(&id, interface)| {
            interface.config.further_addresses.iter().map(move |(&address, &prefix)| Connected {
                prefix,
                address,
                interface: (prefix.len() < 32).then_some(id),
            })
        });
        own.chain(networks).chain(further).collect()
    }
}
