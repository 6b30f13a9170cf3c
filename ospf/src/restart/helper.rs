//! Helper for restarting neighbours (RFC 3623 §3): while a neighbour is helped, it is advertised as fully adjacent, whatever its state.
//! Restarts of this router are in [`crate::restart::restarter`].

use std::time::Duration;

use crate::config::{Helper, NetworkType};
use crate::established::established;
use crate::event::{Event, HelperExit, HelperRefusal};
use crate::ids::{Domain, InterfaceId, LsaPlace, LsaType, NeighborKey, RouterId};
use crate::machine::interface::InterfaceEvent;
use crate::machine::neighbor::{NeighborEvent, NeighborState};
use crate::state::databases::Databases;
use crate::state::engine::Engine;
use crate::state::interface::Interface;
use crate::state::lsdb::Change;
use crate::state::neighbor::Neighbor;
use crate::state::restart::Helping;
use crate::state::timers::TimerKey;
use crate::wire::{GraceLsa, LsaBody, RestartReason};

/// The longest grace period for which a neighbour is helped: after it, the restarting router's LSAs would reach MaxAge (RFC 3623 §B.1, 1800
/// seconds).
const LONGEST_GRACE_PERIOD: Duration = Duration::from_secs(1800);

impl Neighbor {
    /// Whether the neighbour is fully adjacent, or is treated as such while it is helped (RFC 3623 §3).
    pub(crate) fn is_adjacent(&self) -> bool {
        self.state == NeighborState::Full || self.helping.is_some()
    }
}

impl Interface {
    /// The neighbours that are fully adjacent, or are treated as such.
    pub(crate) fn adjacent(&self) -> impl Iterator<Item = &Neighbor> {
        self.neighbors.values().filter(|neighbor| neighbor.is_adjacent())
    }
}

impl Engine {
    /// Starts or ends helping when an LSA is installed, or reaches MaxAge in the database.
    pub(crate) fn review_helping(&mut self, place: LsaPlace, change: Change) {
        if GraceLsa::is_key(place.key) && !self.is_self_originated(place) {
            self.review_grace(place);
        }
        // §3.2 (3): "a change in the contents of the link-state database".
        if change == Change::Contents && place.key.kind.describes_topology() && self.config.helper == Helper::Strict {
            for key in self.helped() {
                let in_domain =
                    self.interfaces.get(&key.interface).is_some_and(|i| i.is_in(key.interface, place.domain));
                if in_domain {
                    self.end_helping(key, HelperExit::Changed);
                }
            }
        }
    }

    /// Handles a neighbour's Grace-LSA that was received or has reached MaxAge (§3.1, §3.2 (1)).
    fn review_grace(&mut self, place: LsaPlace) {
        let Domain::Link(id) = place.domain else { return };
        let Some(entry) = established(self.databases.lookup(place)) else { return };
        let header = entry.header(self.now);
        let grace = match entry.body() {
            LsaBody::Opaque(body) => GraceLsa::read(body),
            _ => return,
        };
        let router_id = header.key.advertising_router;
        let key = grace.as_ref().ok().and_then(|grace| self.grace_neighbor(id, router_id, grace));
        if header.is_max_age() {
            let of_router = self.helped().into_iter().find(|key| {
                key.interface == id && self.neighbor(*key).is_some_and(|neighbor| neighbor.router_id == router_id)
            });
            if let Some(key) = of_router {
                self.end_helping(key, HelperExit::Completed);
            }
            return;
        }
        let Ok(grace) = grace else {
            self.event(Event::HelperRefused { interface: id, router_id, reason: HelperRefusal::Malformed });
            return;
        };
        // The LSA's age is the time since its origination; if it exceeds the grace period, nothing of the period is left.
        let left = grace.period().saturating_sub(Duration::from_secs(header.seconds().into()));
        match self.may_help(key, &grace, left) {
            Ok(key) => self.help(key, left, grace.reason),
            Err(reason) => self.event(Event::HelperRefused { interface: id, router_id, reason }),
        }
    }

    /// Finds the neighbour that a Grace-LSA is about: "on broadcast, NBMA and Point-to-MultiPoint segments" by the address in it, on other
    /// networks by its originator.
    fn grace_neighbor(&self, id: InterfaceId, router_id: RouterId, grace: &GraceLsa) -> Option<NeighborKey> {
        let interface = self.interfaces.get(&id)?;
        let is_meant = |neighbor: &&Neighbor| match (interface.config.network, grace.address) {
            (NetworkType::PointToPoint | NetworkType::VirtualLink { .. }, _) | (_, None) => {
                neighbor.router_id == router_id
            }
            (_, Some(address)) => neighbor.address == address,
        };
        let neighbor = interface.neighbors.values().find(is_meant)?;
        Some(NeighborKey { interface: id, id: neighbor.id })
    }

    /// Checks the conditions for helping (§3.1). A neighbour that is already helped need not be fully adjacent.
    fn may_help(
        &self,
        key: Option<NeighborKey>,
        grace: &GraceLsa,
        left: Duration,
    ) -> Result<NeighborKey, HelperRefusal> {
        let found = key.and_then(|key| Some((key, self.interfaces.get(&key.interface)?, self.neighbor(key)?)));
        let (key, interface, neighbor) = found.ok_or(HelperRefusal::NotAdjacent)?;
        if self.config.helper == Helper::Never || grace.period() > LONGEST_GRACE_PERIOD {
            return Err(HelperRefusal::Policy);
        }
        if self.is_restarting() {
            return Err(HelperRefusal::Restarting);
        }
        if left.is_zero() {
            return Err(HelperRefusal::Expired);
        }
        if neighbor.helping.is_some() {
            return Ok(key);
        }
        if neighbor.state != NeighborState::Full {
            return Err(HelperRefusal::NotAdjacent);
        }
        // (2): "determined by examining router Y's link state retransmission list for X". X knows the LSAs that it has described itself.
        let not_described = neighbor.retransmission.not_described().any(|lsa| {
            let place = Databases::place(lsa, key.interface, interface.config.area);
            let entry = place.and_then(|place| self.databases.lookup(place));
            lsa.kind.describes_topology() && entry.is_some_and(|entry| entry.change() == Change::Contents)
        });
        if not_described { Err(HelperRefusal::Changed) } else { Ok(key) }
    }

    fn help(&mut self, key: NeighborKey, left: Duration, reason: RestartReason) {
        let until = self.now + left;
        let Some(neighbor) = established(self.neighbor_mut(key)) else { return };
        let before = neighbor.helping.replace(Helping { until, reason });
        let router_id = neighbor.router_id;
        self.timers.set(TimerKey::Helper(key), until);
        // The neighbour sends no hellos while it restarts.
        self.timers.cancel(TimerKey::Inactivity(key));
        if before.is_none_or(|before| before.until != until) {
            self.event(Event::HelperStarted { interface: key.interface, router_id, grace_period: left, reason });
        }
    }

    /// Handles the end of a grace period.
    pub(crate) fn helper_timer(&mut self, key: NeighborKey) {
        self.end_helping(key, HelperExit::Expired);
    }

    /// Applies a changed configuration of the helper.
    pub(crate) fn review_helper_policy(&mut self) {
        if self.config.helper == Helper::Never {
            for key in self.helped() {
                self.end_helping(key, HelperExit::Policy);
            }
        }
    }

    fn helped(&self) -> Vec<NeighborKey> {
        let of = |(&interface, i): (&InterfaceId, &Interface)| {
            let helped = i.neighbors.values().filter(|neighbor| neighbor.helping.is_some());
            helped.map(|neighbor| NeighborKey { interface, id: neighbor.id }).collect::<Vec<_>>()
        };
        self.interfaces.iter().flat_map(of).collect()
    }

    /// Ends helping (§3.2): the neighbour counts by its real state again, so the designated router is elected again, and our LSAs are
    /// reoriginated.
    pub(crate) fn end_helping(&mut self, key: NeighborKey, cause: HelperExit) {
        let now = self.now;
        let Some(interface) = self.interfaces.get_mut(&key.interface) else { return };
        let (area, elects, dead_interval) = (interface.config.area, interface.elects(), interface.dead_interval());
        let Some(neighbor) = interface.neighbors.get_mut(&key.id) else { return };
        if neighbor.helping.take().is_none() {
            return;
        }
        let (router_id, state, dead) = (neighbor.router_id, neighbor.state, neighbor.last_hello + dead_interval);
        self.timers.cancel(TimerKey::Helper(key));
        self.event(Event::HelperEnded { interface: key.interface, router_id, cause });
        self.router_lsa_changed(area);
        if elects {
            self.schedule_interface_event(key.interface, InterfaceEvent::NeighborChange);
        }
        if state < NeighborState::Init {
            return;
        }
        if dead <= now {
            self.neighbor_event(key, NeighborEvent::InactivityTimer);
        } else {
            self.timers.set(TimerKey::Inactivity(key), dead);
        }
    }
}

impl LsaType {
    /// Whether an LSA of this type describes networks and routers: types 1 to 5 and 7.
    pub(crate) const fn describes_topology(self) -> bool {
        matches!(self.0, 1..=5 | 7)
    }
}
