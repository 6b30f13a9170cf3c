//! Withdrawal before a permanent stop. First traffic is led around the router (RFC 6987), then its LSAs are flushed (RFC 2328 §14.1), then
//! its neighbours drop the adjacency. So no transit traffic is lost if there is another path, and the router's own destinations disappear
//! everywhere.
//!
//! During a graceful restart, the router waits until its adjacencies are established again: only then does it know which LSAs it has to
//! flush. Its neighbours help it until then (RFC 3623 §3).

use std::time::Duration;

use crate::config::StubRouter;
use crate::machine::neighbor::NeighborState;
use crate::state::engine::Engine;
use crate::state::restart::Withdrawal;
use crate::state::timers::TimerKey;

/// The longest wait for the end of a graceful restart: time for a hello and an exchange.
const RESTART_LIMIT: Duration = Duration::from_secs(6);

/// The longest wait for all neighbours to acknowledge the stub router advertisement: MinLSInterval and a retransmission.
const ANNOUNCEMENT_LIMIT: Duration = Duration::from_secs(6);

/// The wait for routers beyond the neighbours, and for the calculations of all routers (the delay of RFC 8405 may be LONG_WAIT).
const DRAIN: Duration = Duration::from_secs(1);

/// The longest wait for all neighbours to acknowledge the flush of our LSAs.
const FLUSH_LIMIT: Duration = Duration::from_secs(3);

/// With fewer fully adjacent neighbours, this router carries no transit traffic.
const TRANSIT_NEIGHBORS: usize = 2;

impl Engine {
    /// Whether this router is withdrawing.
    pub(crate) fn is_withdrawing(&self) -> bool {
        self.withdrawal != Withdrawal::None
    }

    /// Begins the withdrawal before a permanent stop: see [`crate::Input::Withdraw`].
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

    /// Advances the withdrawal, once for each input, when the awaited event has happened or its time is over.
    pub(crate) fn advance_withdrawal(&mut self) {
        let Some(until) = self.withdrawal.until() else { return };
        let is_over = until <= self.now;
        match self.withdrawal {
            Withdrawal::AwaitingRestart { .. } if !self.is_restarting() => self.announce_withdrawal(),
            // Nothing but the flush may be originated.
            Withdrawal::AwaitingRestart { .. } if is_over => self.flush_everything(),
            Withdrawal::Announcing { .. } if is_over || self.is_announced() => {
                self.enter_withdrawal(Withdrawal::Draining { until: self.now + DRAIN });
            }
            Withdrawal::Draining { .. } if is_over => self.flush_everything(),
            _ => {}
        }
    }

    /// Whether the withdrawal is complete. Checked once for each input, after all originations.
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

    /// Whether every neighbour has our present Router-LSAs.
    fn is_announced(&self) -> bool {
        let places = || self.areas().into_iter().map(|area| self.router_lsa_place(area));
        self.originations.is_idle() && places().all(|place| self.is_originated(place) && !self.is_awaiting_ack(place))
    }

    fn flush_everything(&mut self) {
        self.abandon_restart();
        self.originations.close();
        self.enter_withdrawal(Withdrawal::Flushing { until: self.now + FLUSH_LIMIT });
    }

    /// Whether every neighbour has acknowledged all LSAs sent to it.
    fn is_acknowledged(&self) -> bool {
        let neighbors = self.interfaces.values().flat_map(|interface| interface.neighbors.values());
        let mut full = neighbors.filter(|neighbor| neighbor.state == NeighborState::Full);
        full.all(|neighbor| neighbor.retransmission.is_empty())
    }
}
