//! A router that leaves for good: traffic is led around it first (RFC 6987), then its LSAs are flushed (RFC 2328 §14.1), then its neighbours
//! drop the adjacency. So what went through it loses nothing where there is another way, and what was for it is gone everywhere.
//!
//! Within a restart of its own the router waits until its adjacencies are back: only then does it know what it has to flush, and its
//! neighbours help it until then (RFC 3623 §3).

use std::time::Duration;

use crate::config::StubRouter;
use crate::machine::neighbor::NeighborState;
use crate::state::engine::Engine;
use crate::state::restart::Withdrawal;
use crate::state::timers::TimerKey;

/// The longest wait for the end of a restart: time for a hello and an exchange.
const RESTART_LIMIT: Duration = Duration::from_secs(6);

/// The longest wait until every neighbour has acknowledged that no traffic is to come: MinLSInterval and a retransmission.
const ANNOUNCEMENT_LIMIT: Duration = Duration::from_secs(6);

/// Time for the routers beyond the neighbours, and for everybody's calculation (RFC 8405: its delay may be at LONG_WAIT).
const DRAIN: Duration = Duration::from_secs(1);

/// The longest wait until every neighbour has acknowledged that our LSAs are flushed.
const FLUSH_LIMIT: Duration = Duration::from_secs(3);

/// With fewer fully adjacent neighbours nothing goes through this router.
const TRANSIT_NEIGHBORS: usize = 2;

impl Engine {
    /// Whether this router is leaving.
    pub(crate) fn is_withdrawing(&self) -> bool {
        self.withdrawal != Withdrawal::None
    }

    /// A planned stop for good: see [`crate::Input::Withdraw`].
    pub(crate) fn withdraw(&mut self) {
        if self.is_withdrawing() {
            return;
        }
        if self.is_restarting() {
            self.enter_withdrawal(Withdrawal::AwaitingRestart { until: self.now + RESTART_LIMIT });
        } else {
            self.abandon_preparation();
            self.announce_withdrawal();
        }
    }

    /// Once for each input: goes on as soon as what was awaited has come, or its time is over.
    pub(crate) fn advance_withdrawal(&mut self) {
        let Some(until) = self.withdrawal.until() else { return };
        let is_over = until <= self.now;
        match self.withdrawal {
            Withdrawal::AwaitingRestart { .. } if !self.is_restarting() => self.announce_withdrawal(),
            // It must not originate anything else.
            Withdrawal::AwaitingRestart { .. } if is_over => self.flush_everything(),
            Withdrawal::Announcing { .. } if is_over || self.is_announced() => {
                self.enter_withdrawal(Withdrawal::Draining { until: self.now + DRAIN });
            }
            Withdrawal::Draining { .. } if is_over => self.flush_everything(),
            _ => {}
        }
    }

    /// Once for each input, when everything has been originated: whether nothing is left to do.
    pub(crate) fn is_withdrawn(&self) -> bool {
        let Withdrawal::Flushing { until } = self.withdrawal else { return false };
        until <= self.now || self.originations.is_idle() && self.is_acknowledged()
    }

    fn enter_withdrawal(&mut self, stage: Withdrawal) {
        self.withdrawal = stage;
        if let Some(until) = stage.until() {
            self.timers.set(TimerKey::Withdrawal, until);
        }
    }

    fn announce_withdrawal(&mut self) {
        let neighbors = self.interfaces.values().flat_map(|interface| interface.neighbors.values());
        if neighbors.filter(|neighbor| neighbor.state == NeighborState::Full).count() < TRANSIT_NEIGHBORS {
            self.flush_everything();
            return;
        }
        self.config.stub_router = StubRouter::Always;
        self.review_stub_router();
        self.enter_withdrawal(Withdrawal::Announcing { until: self.now + ANNOUNCEMENT_LIMIT });
    }

    /// Whether every neighbour has our Router-LSAs as they are.
    fn is_announced(&self) -> bool {
        let places = || self.areas().into_iter().map(|area| self.router_lsa_place(area));
        self.originations.is_idle() && places().all(|place| self.is_originated(place) && !self.is_awaiting_ack(place))
    }

    fn flush_everything(&mut self) {
        self.abandon_restart();
        self.originations.close();
        self.enter_withdrawal(Withdrawal::Flushing { until: self.now + FLUSH_LIMIT });
    }

    /// Whether every neighbour has acknowledged everything.
    fn is_acknowledged(&self) -> bool {
        let neighbors = self.interfaces.values().flat_map(|interface| interface.neighbors.values());
        let mut full = neighbors.filter(|neighbor| neighbor.state == NeighborState::Full);
        full.all(|neighbor| neighbor.retransmission.is_empty())
    }
}
