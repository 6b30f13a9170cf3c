//! Executes the transitions of the neighbour state machine (RFC 2328 §10.3).

use crate::established::established;
use crate::event::{Event, HelperExit};
use crate::ids::NeighborKey;
use crate::machine::interface::InterfaceEvent;
use crate::machine::neighbor::{Action, NeighborEvent, NeighborState, transition};
use crate::state::engine::Engine;
use crate::state::neighbor::Neighbor;
use crate::state::timers::TimerKey;

impl Engine {
    pub(crate) fn neighbor(&self, key: NeighborKey) -> Option<&Neighbor> {
        self.interfaces.get(&key.interface)?.neighbors.get(&key.id)
    }

    pub(crate) fn neighbor_mut(&mut self, key: NeighborKey) -> Option<&mut Neighbor> {
        self.interfaces.get_mut(&key.interface)?.neighbors.get_mut(&key.id)
    }

    /// Applies an event of §10.2 to a neighbour.
    pub(crate) fn neighbor_event(&mut self, key: NeighborKey, event: NeighborEvent) {
        let now = self.now;
        let Some(interface) = self.interfaces.get_mut(&key.interface) else { return };
        let (area, elects) = (interface.config.area, interface.elects());
        let Some(neighbor) = interface.neighbors.get_mut(&key.id) else { return };
        // RFC 3623 §3: a restarting router has forgotten us; this is no reason to drop the adjacency.
        if neighbor.helping.is_some() && event == NeighborEvent::OneWayReceived {
            return;
        }
        let from = neighbor.state;
        let Some(step) = transition(from, event) else { return };
        let to = step.next;
        if from != to {
            neighbor.state = to;
            neighbor.since = now;
            let (router_id, address) = (neighbor.router_id, neighbor.address);
            // §12.4, events (4) to (6): the Router-LSA lists links to full neighbours.
            if from == NeighborState::Full || to == NeighborState::Full {
                self.router_lsa_changed(area);
            }
            // §9.2, NeighborChange: "Bidirectional communication has been established to a neighbor", or is no longer.
            if elects && (from < NeighborState::TwoWay) != (to < NeighborState::TwoWay) {
                self.schedule_interface_event(key.interface, InterfaceEvent::NeighborChange);
            }
            if to == NeighborState::Full {
                self.restart_may_end();
            }
            self.guard_adjacency(key, from, to);
            // §14: LSAs at MaxAge stay while any neighbour is in Exchange or Loading.
            self.removals.note_all();
            self.event(Event::Neighbor { interface: key.interface, router_id, address, from, to, cause: event.name() });
        }
        if to == NeighborState::Down {
            self.end_helping(key, HelperExit::Down);
        }
        for action in step.actions {
            match action {
                Action::Attempt => self.attempt(key),
                Action::AwaitHello => self.await_hello(key),
                Action::ClearLists => self.clear_lists(key),
                Action::Negotiate => self.negotiate(key),
                Action::Summarize => self.summarize(key),
                Action::Forget => self.neighbor_lost(key),
            }
        }
    }

    fn clear_lists(&mut self, key: NeighborKey) {
        self.early.forget_sender(key);
        for timer in [
            TimerKey::DatabaseDescription(key),
            TimerKey::Request(key),
            TimerKey::Reply(key),
            TimerKey::Retransmission(key),
        ] {
            self.timers.cancel(timer);
        }
        let Some(neighbor) = established(self.neighbor_mut(key)) else { return };
        let had_requests = !neighbor.requests.is_empty();
        neighbor.clear_lists();
        if had_requests {
            self.requests_abandoned(key);
        }
    }

    /// Removes a neighbour that is down.
    pub(crate) fn forget_neighbor(&mut self, key: NeighborKey) {
        self.timers.cancel(TimerKey::Inactivity(key));
        self.timers.cancel(TimerKey::Poll(key));
        self.timers.cancel(TimerKey::Progress(key));
        self.unsent_floods.remove(&key);
        self.deferred.remove(&key);
        if let Some(interface) = self.interfaces.get_mut(&key.interface) {
            let gone = interface.neighbors.remove(&key.id);
            debug_assert!(gone.is_none_or(|neighbor| neighbor.state == NeighborState::Down));
        }
    }
}
