//! The interface data structure (RFC 2328 §9), and the execution of the interface state machine's steps.

use crate::established::established;
use crate::event::Event;
use crate::ids::{Domain, InterfaceId, NeighborKey};
use crate::io::{Addressing, LinkState};
use crate::machine::dr_election::{Candidate, Designated, elect};
use crate::machine::interface::{InterfaceEvent, InterfaceState, Step, opening, transition};
use crate::machine::neighbor::{NeighborEvent, NeighborState};
use crate::state::engine::Engine;
use crate::state::interface::Link;
use crate::state::neighbor::Neighbor;
use crate::state::timers::TimerKey;

impl Engine {
    /// Handles the state of a link as reported by the driver: events InterfaceUp and InterfaceDown (§9.2), and changes while it is up.
    pub(crate) fn link_changed(&mut self, id: InterfaceId, state: LinkState) {
        self.links.insert(id, state.clone());
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        let LinkState::Up { index, mtu, addressing } = state else {
            self.interface_down(id);
            return;
        };
        let link = Link { index, mtu, addressing };
        let elects = interface.elects();
        let Some(present) = interface.link else {
            self.interface_up(id, link);
            return;
        };
        if present == link {
            return;
        }
        let moved = present.addressing != addressing;
        if moved && elects {
            // Neighbours identify us by our address, and would take us for another router.
            self.interface_down(id);
            self.interface_up(id, link);
            return;
        }
        self.replace_link(id, link);
        if moved {
            // The neighbour learns the address to which it sends and routes from our hello.
            self.send_hello(id);
        }
    }

    /// Replaces the link of an interface that has not been down in between.
    pub(crate) fn replace_link(&mut self, id: InterfaceId, link: Link) {
        let Some(interface) = established(self.interfaces.get_mut(&id)) else { return };
        debug_assert!(interface.link.is_some());
        interface.link = Some(link);
        let area = interface.config.area;
        self.review_networks_of(link.address());
        self.router_lsa_changed(area);
    }

    /// Event InterfaceUp (§9.3).
    pub(crate) fn interface_up(&mut self, id: InterfaceId, link: Link) {
        let Some(interface) = established(self.interfaces.get_mut(&id)) else { return };
        debug_assert!(interface.neighbors.is_empty(), "an interface that is down has no neighbours");
        // Routers that elect a designated router identify each other by addresses of one subnet (§1.2).
        if interface.elects() && matches!(link.addressing, Addressing::Unnumbered(_)) {
            return;
        }
        interface.link = Some(link);
        self.review_networks_of(link.address());
        self.interface_event(id, InterfaceEvent::InterfaceUp);
    }

    /// Event InterfaceDown (§9.3): all neighbours are removed, all variables are reset.
    pub(crate) fn interface_down(&mut self, id: InterfaceId) {
        self.interface_event(id, InterfaceEvent::InterfaceDown);
    }

    /// Handles the expiry of the Wait Timer: no neighbour has declared itself designated router or backup.
    pub(crate) fn wait_timer(&mut self, id: InterfaceId) {
        self.interface_event(id, InterfaceEvent::WaitTimer);
    }

    /// Schedules an event of §9.2 for the end of the present input.
    pub(crate) fn schedule_interface_event(&mut self, id: InterfaceId, event: InterfaceEvent) {
        self.interface_events.insert((id, event));
    }

    /// Executes the scheduled events, once for each input.
    pub(crate) fn execute_interface_events(&mut self) {
        while let Some((id, event)) = self.interface_events.pop_first() {
            self.interface_event(id, event);
        }
    }

    fn interface_event(&mut self, id: InterfaceId, event: InterfaceEvent) {
        // A new configuration may have removed the interface since the event was scheduled.
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        let (from, opening) = (interface.state, opening(&interface.config));
        match transition(from, event, opening) {
            None => return,
            Some(Step::Become(InterfaceState::Down)) => self.close(id),
            Some(Step::Become(state)) => {
                interface.state = state;
                self.open(id);
            }
            Some(Step::Elect) => self.elect(id),
        }
        let Some(interface) = established(self.interfaces.get(&id)) else { return };
        let (area, to) = (interface.config.area, interface.state);
        if from != to {
            self.router_lsa_changed(area);
            self.event(Event::Interface { interface: id, from, to, cause: event.name() });
        }
    }

    /// Starts the timers and hellos of an interface that has come up (§9.3, InterfaceUp).
    fn open(&mut self, id: InterfaceId) {
        let Some(interface) = established(self.interfaces.get_mut(&id)) else { return };
        interface.up_since = self.now;
        let (area, state) = (interface.config.area, interface.state);
        if state == InterfaceState::Passive {
            return;
        }
        if state == InterfaceState::Waiting {
            self.timers.set(TimerKey::Wait(id), self.now + interface.dead_interval());
        }
        self.hold_first_router_lsa(area);
        self.meet_configured_neighbors(id);
        self.hello_timer(id);
    }

    fn close(&mut self, id: InterfaceId) {
        let Some(interface) = established(self.interfaces.get_mut(&id)) else { return };
        interface.state = InterfaceState::Down;
        interface.link = None;
        interface.far_end = None;
        interface.designated = Designated::default();
        interface.delayed_acks.clear();
        interface.delayed_ack_octets = 0;
        interface.contender = None;
        interface.crowded = None;
        for neighbor in interface.neighbors.keys().copied().collect::<Vec<_>>() {
            let key = NeighborKey { interface: id, id: neighbor };
            self.neighbor_event(key, NeighborEvent::LlDown);
            self.forget_neighbor(key);
        }
        for timer in [TimerKey::Hello(id), TimerKey::Wait(id), TimerKey::DelayedAck(id)] {
            self.timers.cancel(timer);
        }
        self.debris.lsdbs(self.databases.forget(Domain::Link(id)));
        self.forget_announcement(id);
        self.originations.touch_domain(Domain::Link(id));
        self.opaques_changed();
        self.exchanged.retain(|place| place.domain != Domain::Link(id));
    }

    /// Elects the designated router and backup (§9.4), and applies the outcome.
    fn elect(&mut self, id: InterfaceId) {
        let router_id = self.config.router_id;
        let Some(interface) = established(self.interfaces.get_mut(&id)) else { return };
        debug_assert!(interface.elects());
        let Some(address) = interface.link().map(Link::address) else { return };
        let (before, was_designated) = (interface.designated, interface.state.is_designated());
        // No adjacency exists yet, even if a restarting router already knows the outcome of its election (RFC 3623 §2.1).
        let was_waiting = interface.state == InterfaceState::Waiting;
        let own = Candidate { router_id, address, priority: interface.config.priority, declared: before };
        let two_way = interface.neighbors.values().filter(|neighbor| neighbor.state >= NeighborState::TwoWay);
        let candidates: Vec<_> = two_way.map(Neighbor::candidate).collect();
        let after = elect(own, &candidates);
        interface.designated = after;
        // (5)
        interface.state = match after {
            Designated { router: Some(router), .. } if router == address => InterfaceState::Dr,
            Designated { backup: Some(backup), .. } if backup == address => InterfaceState::Backup,
            Designated { .. } => InterfaceState::DrOther,
        };
        let is_designated = interface.state.is_designated();
        let area = interface.config.area;
        self.timers.cancel(TimerKey::Wait(id));
        // (6)
        if is_designated && !was_designated {
            self.start_ineligible_neighbors(id);
        }
        // (7)
        if before != after || was_waiting {
            self.reconsider_adjacencies(id);
            self.router_lsa_changed(area);
            self.hello_early(id);
        }
    }

    /// Generates event AdjOK? for all neighbours in state 2-Way or above (§9.4 (7)).
    fn reconsider_adjacencies(&mut self, id: InterfaceId) {
        let Some(interface) = established(self.interfaces.get(&id)) else { return };
        let two_way = interface.neighbors.values().filter(|neighbor| neighbor.state >= NeighborState::TwoWay);
        let verdicts: Vec<_> = two_way.map(|neighbor| (neighbor.id, interface.wants_adjacency(neighbor))).collect();
        for (neighbor, adjacency) in verdicts {
            self.neighbor_event(NeighborKey { interface: id, id: neighbor }, NeighborEvent::AdjOk { adjacency });
        }
    }
}
