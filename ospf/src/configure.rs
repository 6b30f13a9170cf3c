//! Applying a configuration, at the start and while running. What is the same in both is not disturbed.

use std::collections::BTreeSet;

use crate::authentication::{Accepted, au_type};
use crate::config::{Config, InterfaceConfig};
use crate::established::established;
use crate::event::{Event, RestartExit};
use crate::flooding::retransmission::FLOOD_WINDOW;
use crate::ids::{AreaId, Domain, InterfaceId, LsaPlace, NeighborKey};
use crate::io::LinkState;
use crate::machine::interface::InterfaceEvent;
use crate::machine::neighbor::NeighborState;
use crate::state::departed::Departed;
use crate::state::engine::Engine;
use crate::state::in_flight::InFlight;
use crate::state::interface::{Interface, Link};
use crate::state::kept_own::KeptOwn;
use crate::state::restart::Restart;
use crate::state::site_lsas::SiteLsas;
use crate::state::wishes::Wishes;

/// The effect of a configuration change on an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disturbance {
    /// The interface continues with the new values.
    None,
    /// The interface is removed and added again, which ends its adjacencies.
    Restart,
}

fn disturbance(before: &InterfaceConfig, after: &InterfaceConfig) -> Disturbance {
    let identity = |config: &InterfaceConfig| (config.area, config.network, config.passive);
    if identity(before) == identity(after) { Disturbance::None } else { Disturbance::Restart }
}

impl Engine {
    /// Applies the configuration at the start.
    pub(crate) fn begin(&mut self) {
        for area in self.areas() {
            self.originations.begin_area(area, self.now);
        }
        for id in self.config.former_ids.clone() {
            self.former_ids.add(id, self.now);
        }
        self.former_ids.remove(self.config.router_id);
        self.former_ids.leave_to(&self.config.policy.guards);
        self.stub_router.started = (!self.is_restarting()).then_some(self.now);
        self.review_stub_router();
        self.want_externals();
        for (id, config) in self.config.interfaces.clone() {
            self.add_interface(id, config);
        }
        self.want_opaques();
        self.schedule_calculation();
    }

    /// Replaces the present configuration.
    pub(crate) fn configure(&mut self, config: Config) {
        if config.router_id != self.config.router_id {
            self.begin_again(config);
            return;
        }
        let areas_before = self.areas();
        let before = std::mem::replace(&mut self.config, config);
        for id in self.config.former_ids.difference(&before.former_ids).copied().collect::<Vec<_>>() {
            self.former_ids.add(id, self.now);
            self.flush_former(id);
        }
        // Another router has these IDs now.
        for id in before.former_ids.difference(&self.config.former_ids) {
            self.former_ids.remove(*id);
        }
        self.former_ids.leave_to(&self.config.policy.guards);
        let areas = self.areas();
        for &area in areas.difference(&areas_before) {
            self.originations.begin_area(area, self.now);
        }
        // The routers of an area must agree on its kind (§10.5): routers that do not agree yet would break the adjacencies anyway.
        let kind = |config: &Config, area| config.area_kind(area).external_routing();
        let kept = areas_before.intersection(&areas).copied();
        let changed: BTreeSet<_> = kept.filter(|&area| kind(&before, area) != kind(&self.config, area)).collect();
        for (&id, interface) in &before.interfaces {
            if changed.contains(&interface.area) {
                self.remove_interface(id);
            }
        }
        for &area in &changed {
            self.restart_area(area);
        }

        for (&id, old) in &before.interfaces {
            match self.config.interfaces.get(&id).cloned() {
                None => self.remove_interface(id),
                Some(new) if !self.interfaces.contains_key(&id) => self.add_interface(id, new),
                Some(new) if new == *old => {}
                Some(new) => match disturbance(old, &new) {
                    Disturbance::None => self.change_interface(id, new),
                    Disturbance::Restart => {
                        self.remove_interface(id);
                        self.add_interface(id, new);
                    }
                },
            }
        }
        for (id, new) in self.config.interfaces.clone() {
            if !before.interfaces.contains_key(&id) {
                self.add_interface(id, new);
            }
        }
        self.forget_areas(areas_before.difference(&areas).copied().collect());
        if areas_before != areas || before.areas != self.config.areas {
            // Whether this is an area border router, a border router of an NSSA, or a translator depends on all areas (§12.4, event 8).
            for &area in &areas {
                self.router_lsa_changed(area);
            }
        }
        if !self.takes_as_scope() {
            // No area floods LSAs with AS scope any more, so these would never be updated.
            self.originations.withdraw_domain(Domain::As);
            self.debris.lsdbs(self.databases.forget(Domain::As));
            self.exchanged.retain(|place| place.domain != Domain::As);
        }

        if before.helper != self.config.helper {
            self.review_helper_policy();
        }
        self.review_site_lsas(&before.policy);
        self.want_opaques();
        self.opaques_changed();
        if before.stub_router != self.config.stub_router {
            self.review_stub_router();
        }
        let new_externals = before.externals != self.config.externals || before.aggregates != self.config.aggregates;
        if new_externals || areas_before != areas || !changed.is_empty() {
            self.want_externals();
        }
        if (&before.externals, &before.loopbacks) != (&self.config.externals, &self.config.loopbacks) {
            // The E-bit and the host links of Router-LSAs (§12.4.1).
            for &area in &areas {
                self.router_lsa_changed(area);
            }
        }
        if (&before.policy, &before.areas, before.rfc1583)
            != (&self.config.policy, &self.config.areas, self.config.rfc1583)
        {
            self.schedule_calculation();
        }
        if before.alternates != self.config.alternates {
            self.calculate_all_alternates();
        }
    }

    /// Restarts the engine with another Router ID: all adjacencies and databases are cleared (RFC 2328 §C.1).
    ///
    /// The LSAs that were originated under the former ID are flushed now, as far as they can be sent at once, and later wherever they are
    /// received again. That is how other routers learn that they are gone.
    fn begin_again(&mut self, config: Config) {
        self.former_ids.add(self.config.router_id, self.now);
        let installed = self
            .databases
            .iter()
            .flat_map(|(domain, lsdb)| lsdb.iter().map(move |entry| LsaPlace { domain, key: entry.key() }));
        // Before the adjacencies end, only as many of them can be sent as fit into the flood windows.
        let mut octets = 0;
        let fits = |place: &LsaPlace| {
            let fits = octets < FLOOD_WINDOW;
            octets += self.databases.lookup(*place).map_or(0, |entry| usize::from(entry.header(self.now).length));
            fits
        };
        let own = installed.filter(|&place| self.is_self_originated(place)).take_while(fits);
        for place in own.collect::<Vec<_>>() {
            self.flush(place);
        }
        self.send_floods();
        for id in self.interfaces.keys().copied().collect::<Vec<_>>() {
            self.remove_interface(id);
        }
        self.config = config;
        self.translators.clear();
        self.aggregates.clear();
        self.debris.lsdbs(self.databases.forget_all());
        self.debris.originations(std::mem::take(&mut self.originations));
        self.wishes = Wishes::default();
        self.in_flight = InFlight::default();
        self.exchanged.clear();
        self.forget_early();
        self.departed = Departed::default();
        self.site_lsas = SiteLsas::default();
        self.kept_own = KeptOwn::default();
        self.unsent_floods.clear();
        self.deferred.clear();
        self.interface_events.clear();
        self.debris.timers(std::mem::take(&mut self.timers));
        let was_restarting = self.is_restarting();
        self.restart = Restart::None;
        self.grace_kept.clear();
        self.begin();
        if was_restarting {
            self.event(Event::RestartEnded { cause: RestartExit::AnotherRouterId });
            // The routes calculated during the restart were not reported.
            self.calculate_from_nothing();
        }
    }

    fn add_interface(&mut self, id: InterfaceId, config: InterfaceConfig) {
        let area = config.area;
        let external_routing = self.config.area_kind(area).external_routing();
        let displaced = self.interfaces.insert(id, Interface::new(config, external_routing));
        debug_assert!(displaced.is_none(), "interface {id:?} was there already");
        if let Some(&LinkState::Up { index, mtu, addressing }) = self.links.get(&id) {
            self.interface_up(id, Link { index, mtu, addressing });
        }
        self.router_lsa_changed(area);
    }

    /// Restarts an area whose kind has changed: LSAs that were accepted before may not be, and others have to be learnt.
    fn restart_area(&mut self, area: AreaId) {
        self.debris.lsdbs(self.databases.forget(Domain::Area(area)));
        self.exchanged.retain(|place| place.domain != Domain::Area(area));
        // LSAs that are still wanted in the area are wanted again by their originators: an old Type-7 LSA would never be acknowledged in an
        // area that is no NSSA.
        self.originations.withdraw_domain(Domain::Area(area));
        self.router_lsa_changed(area);
    }

    /// Removes an interface. A last hello lets neighbours drop the adjacency at once, without waiting for RouterDeadInterval.
    fn remove_interface(&mut self, id: InterfaceId) {
        self.send_goodbye(id);
        self.interface_down(id);
        self.interfaces.remove(&id);
    }

    /// Changes values such as cost and timers. Adjacencies stay, if the other side changes its timers within RouterDeadInterval, too.
    fn change_interface(&mut self, id: InterfaceId, config: InterfaceConfig) {
        let Some(interface) = established(self.interfaces.get_mut(&id)) else { return };
        let before = std::mem::replace(&mut interface.config, config);
        let after = &interface.config;
        if au_type(&before.authentication) != au_type(&after.authentication) {
            // Sequence numbers of another authentication type cannot be compared with these.
            interface.neighbors.values_mut().for_each(|neighbor| neighbor.accepted = Accepted::default());
        }
        let new_timers = (before.hello_interval, before.dead_interval) != (after.hello_interval, after.dead_interval);
        let area = after.area;
        let new_priority = before.priority != after.priority && interface.elects();
        let new_neighbors = before.neighbors != after.neighbors;
        let active = interface.neighbors.values().filter(|neighbor| neighbor.state >= NeighborState::Init);
        let neighbors: Vec<_> = active.map(|neighbor| neighbor.id).collect();
        if new_timers && interface.active_link().is_some() {
            self.hello_timer(id);
            for neighbor in neighbors {
                self.await_hello(NeighborKey { interface: id, id: neighbor });
            }
        }
        if new_neighbors {
            self.drop_unlisted_neighbors(id, &before.neighbors);
            self.meet_configured_neighbors(id);
        }
        if new_priority {
            // The other routers hold a new election when they receive the new priority, and so do we (§9.4).
            self.hello_early(id);
            self.schedule_interface_event(id, InterfaceEvent::NeighborChange);
        }
        self.router_lsa_changed(area);
    }

    fn forget_areas(&mut self, areas: BTreeSet<AreaId>) {
        for area in areas {
            let place = self.router_lsa_place(area);
            self.originations.forget(Domain::Area(area));
            self.timers.cancel(crate::TimerKey::Refresh(place));
            self.timers.cancel(crate::TimerKey::Origination(place));
            self.debris.lsdbs(self.databases.forget(Domain::Area(area)));
            self.departed.forget_domain(Domain::Area(area));
            self.exchanged.retain(|place| place.domain != Domain::Area(area));
            self.schedule_calculation();
        }
    }
}
