//! When routes are calculated, and what is told of the outcome. How they are calculated is chapter 16's: [`crate::route`].
//!
//! The first change after a quiet time is calculated at once; while changes go on coming, the delay grows, in the manner of RFC 8405.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::databases::Domain;
use crate::engine::Engine;
use crate::event::{Event, NeighborState};
use crate::ids::{AreaId, Prefix};
use crate::io::{Addressing, Output};
use crate::lsdb::Lsdb;
use crate::route::{Adjacency, AreaInputs, Calculation, Connected, Peer, RouteInputs, calculate};
use crate::router_lsa::link_data;
use crate::time::Instant;
use crate::timers::TimerKey;

/// INITIAL_SPF_DELAY (RFC 8405 §4): after a quiet time.
const INITIAL_DELAY: Duration = Duration::ZERO;

/// SHORT_SPF_DELAY: while a single failure makes itself known.
const SHORT_DELAY: Duration = Duration::from_millis(50);

/// LONG_SPF_DELAY: when changes do not end.
const LONG_DELAY: Duration = Duration::from_millis(500);

/// TIME_TO_LEARN_INTERVAL: how long after the first change the short delay holds.
const TIME_TO_LEARN: Duration = Duration::from_secs(2);

/// HOLDDOWN_INTERVAL: a time without changes after which it is quiet.
const HOLDDOWN: Duration = Duration::from_secs(4);

/// When the next calculation is due, and what the last one gave.
#[derive(Debug, Default)]
pub(crate) struct CalculationState {
    due: Option<Instant>,
    phase: Phase,
    last_change: Instant,
    pub(crate) latest: Calculation,
    /// Number of calculations so far.
    pub(crate) runs: u64,
}

/// The states of RFC 8405 §5.
#[derive(Debug, Clone, Copy, Default)]
enum Phase {
    #[default]
    Quiet,
    ShortWait {
        since: Instant,
    },
    LongWait,
}

impl CalculationState {
    /// Notes a change at `now`; gives when the calculation is due.
    fn note_change(&mut self, now: Instant) -> Instant {
        if now.saturating_since(self.last_change) >= HOLDDOWN {
            self.phase = Phase::Quiet;
        }
        self.last_change = now;
        let delay = match self.phase {
            Phase::Quiet => {
                self.phase = Phase::ShortWait { since: now };
                INITIAL_DELAY
            }
            Phase::ShortWait { since } if now.saturating_since(since) < TIME_TO_LEARN => SHORT_DELAY,
            Phase::ShortWait { .. } | Phase::LongWait => {
                self.phase = Phase::LongWait;
                LONG_DELAY
            }
        };
        *self.due.get_or_insert(now + delay)
    }
}

impl Engine {
    /// Something has changed that routes depend on.
    pub(crate) fn schedule_calculation(&mut self) {
        let due = self.calculation.note_change(self.now);
        self.timers.set(TimerKey::Calculation, due);
    }

    /// Once for each input: calculates if it is time.
    pub(crate) fn calculate_if_due(&mut self) {
        if self.calculation.due.is_none_or(|due| due > self.now) {
            return;
        }
        self.calculation.due = None;
        self.timers.cancel(TimerKey::Calculation);
        let after = self.calculate();
        let before = std::mem::replace(&mut self.calculation.latest, after);
        self.calculation.runs += 1;
        let after = &self.calculation.latest;
        for (prefix, route) in after.table.changes_since(&before.table) {
            self.outputs.push_back(Output::Route { prefix, route });
        }
        for refused in after.refused.difference(&before.refused) {
            let (prefix, originator, guard) = (refused.prefix, refused.originator, refused.guard);
            self.outputs.push_back(Output::Event(Event::RouteRefused { prefix, originator, guard }));
        }
    }

    fn calculate(&self) -> Calculation {
        let areas: Vec<_> = self.areas().into_iter().map(|area| (area, self.adjacencies(area))).collect();
        let area_inputs: Vec<_> = areas
            .iter()
            .filter_map(|(area, adjacencies)| {
                let lsdb = self.databases.domain(Domain::Area(*area))?;
                Some(AreaInputs { area: *area, lsdb, adjacencies })
            })
            .collect();
        let empty = Lsdb::new();
        calculate(&RouteInputs {
            router_id: self.config.router_id,
            now: self.now,
            areas: &area_inputs,
            as_scope: self.databases.domain(Domain::As).unwrap_or(&empty),
            connected: &self.connected(),
            own_externals: &self.config.externals,
            policy: &self.config.policy,
            rfc1583: self.config.rfc1583,
        })
    }

    /// The areas that this router belongs to, in the order of their numbers.
    pub(crate) fn areas(&self) -> BTreeSet<AreaId> {
        let of_interfaces = self.config.interfaces.values().map(|interface| interface.area);
        of_interfaces.chain(self.config.loopbacks.keys().copied()).collect()
    }

    fn adjacencies(&self, area: AreaId) -> Vec<Adjacency> {
        let interfaces = self.interfaces.iter().filter(|(_, interface)| interface.config.area == area);
        interfaces
            .filter_map(|(&id, interface)| {
                let link = interface.active_link()?;
                let full = interface.neighbors.values().find(|neighbor| neighbor.state == NeighborState::Full)?;
                let peer = Peer::Router { router_id: full.router_id, address: full.address };
                Some(Adjacency { interface: id, link_data: link_data(link), peer })
            })
            .collect()
    }

    fn connected(&self) -> Vec<Connected> {
        let loopbacks = self.config.loopbacks.values().flatten();
        let own = loopbacks.map(|&address| Connected { prefix: Prefix::host(address), address, interface: None });
        let networks = self.interfaces.iter().filter_map(|(&id, interface)| match interface.link()?.addressing {
            Addressing::Unnumbered(address) => {
                Some(Connected { prefix: Prefix::host(address), address, interface: None })
            }
            Addressing::Numbered { address, subnet } => {
                Some(Connected { prefix: subnet, address, interface: Some(id) })
            }
        });
        own.chain(networks).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_change_is_calculated_at_once_and_a_storm_ever_later() {
        let mut state = CalculationState { last_change: Instant::ZERO, ..CalculationState::default() };
        let start = Instant::new(Duration::from_secs(100));
        assert_eq!(state.note_change(start), start);
        state.due = None;
        let next = start + Duration::from_millis(10);
        assert_eq!(state.note_change(next), next + SHORT_DELAY);
        let later = next + Duration::from_millis(10);
        assert_eq!(state.note_change(later), next + SHORT_DELAY, "one calculation serves all that came before it");
        state.due = None;
        let storm = start + TIME_TO_LEARN;
        assert_eq!(state.note_change(storm), storm + LONG_DELAY);
        state.due = None;
        let quiet = storm + HOLDDOWN;
        assert_eq!(state.note_change(quiet), quiet);
    }
}
