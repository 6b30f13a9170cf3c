//! Hellos: sent (RFC 2328 §9.5) and received (§10.5).

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::adjacency::Neighbor;
use crate::engine::Engine;
use crate::event::NeighborState;
use crate::ids::{InterfaceId, NeighborId, NeighborKey, RouterId};
use crate::interface::Interface;
use crate::io::Addressing;
use crate::neighbor::NeighborEvent;
use crate::refusal::Refusal;
use crate::send::Destination;
use crate::timers::TimerKey;
use crate::wire::{Hello, Options, PacketBody};

/// Router Priority: of no meaning where no designated router is elected.
const PRIORITY: u8 = 1;

/// Hellos that do not list us make us send ours early, but not more often than this, whoever makes us.
const EARLY_HELLO_SPACING: Duration = Duration::from_millis(100);

impl Engine {
    /// The Hello Timer fired, or the interface came up: a hello at once, the next in HelloInterval.
    pub(crate) fn hello_timer(&mut self, id: InterfaceId) {
        let Some(interface) = self.interfaces.get(&id) else { return };
        self.timers.set(TimerKey::Hello(id), self.now + interface.hello_interval());
        self.send_hello(id);
    }

    /// The neighbour does not know that we hear it: it need not wait for the Hello Timer.
    fn hello_early(&mut self, id: InterfaceId) {
        let Some(interface) = self.interfaces.get(&id) else { return };
        let earliest = interface.last_hello + EARLY_HELLO_SPACING;
        if earliest <= self.now {
            self.send_hello(id);
        } else if self.timers.deadline(TimerKey::Hello(id)).is_some_and(|regular| earliest < regular) {
            self.timers.set(TimerKey::Hello(id), earliest);
        }
    }

    /// Sends a hello that lists every neighbour heard (§9.5).
    pub(crate) fn send_hello(&mut self, id: InterfaceId) {
        let Some(interface) = self.interfaces.get(&id) else { return };
        let heard = interface.neighbors.values().map(|neighbor| neighbor.router_id).collect();
        self.send_hello_listing(id, heard);
    }

    /// Sends a hello that lists nobody, after which every neighbour drops the adjacency: its 1-WayReceived (§10.2).
    pub(crate) fn send_goodbye(&mut self, id: InterfaceId) {
        self.send_hello_listing(id, Vec::new());
    }

    fn send_hello_listing(&mut self, id: InterfaceId, neighbors: Vec<RouterId>) {
        let Some(interface) = self.interfaces.get(&id) else { return };
        let Some(link) = interface.active_link() else { return };
        let hello = Hello {
            // §9.5: "on unnumbered point-to-point networks ... set to 0.0.0.0".
            network_mask: match link.addressing {
                Addressing::Unnumbered(_) => Ipv4Addr::UNSPECIFIED,
                Addressing::Numbered { subnet, .. } => subnet.netmask(),
            },
            hello_interval: hello_seconds(interface),
            // The O-bit stands in Database Descriptions only (RFC 5250 §3.1).
            options: interface.external_routing.hello_options(),
            priority: PRIORITY,
            dead_interval: dead_seconds(interface),
            designated_router: Ipv4Addr::UNSPECIFIED,
            backup_designated_router: Ipv4Addr::UNSPECIFIED,
            neighbors,
        };
        if let Some(interface) = self.interfaces.get_mut(&id) {
            interface.last_hello = self.now;
        }
        self.send(id, Destination::AllSpfRouters, PacketBody::Hello(hello));
    }

    /// A hello was received (§10.5).
    pub(crate) fn receive_hello(
        &mut self,
        id: InterfaceId,
        source: Ipv4Addr,
        router_id: RouterId,
        hello: &Hello,
    ) -> Result<(), Refusal> {
        let own_id = self.config.router_id;
        let Some(interface) = self.interfaces.get(&id) else { return Err(Refusal::InterfaceNotActive) };
        // The network mask is not looked at on point-to-point networks.
        if hello.hello_interval != hello_seconds(interface) {
            return Err(Refusal::HelloIntervalMismatch);
        }
        if hello.dead_interval != dead_seconds(interface) {
            return Err(Refusal::DeadIntervalMismatch);
        }
        let options = interface.external_routing.hello_options();
        if hello.options.contains(Options::E) != options.contains(Options::E) {
            return Err(Refusal::ExternalCapabilityMismatch);
        }
        // RFC 3101 §2.1: as the E-bit, so the N-bit.
        if hello.options.contains(Options::NP) != options.contains(Options::NP) {
            return Err(Refusal::NssaCapabilityMismatch);
        }

        // A point-to-point link has one other end: who was there under another router id is there no more.
        let present = NeighborId::Router(router_id);
        let replaced: Vec<_> = interface.neighbors.keys().copied().filter(|&other| other != present).collect();
        for other in replaced {
            self.neighbor_event(NeighborKey { interface: id, id: other }, NeighborEvent::KillNbr);
        }

        let key = NeighborKey { interface: id, id: present };
        let before = self.note_hello(key, router_id, source, hello);
        self.neighbor_event(key, NeighborEvent::HelloReceived);

        // Ours that lists the neighbour leaves at once when it brings the adjacency forward. It goes before any Database Description.
        if hello.neighbors.contains(&own_id) {
            if before < NeighborState::TwoWay {
                self.send_hello(id);
            }
            self.neighbor_event(key, NeighborEvent::TwoWayReceived);
        } else {
            self.neighbor_event(key, NeighborEvent::OneWayReceived);
            if before == NeighborState::Down {
                self.send_hello(id);
            } else {
                self.hello_early(id);
            }
        }
        Ok(())
    }

    /// Notes what a hello says of its sender, who is new or known; gives the state before.
    fn note_hello(&mut self, key: NeighborKey, router_id: RouterId, source: Ipv4Addr, hello: &Hello) -> NeighborState {
        let now = self.now;
        let Some(interface) = self.interfaces.get_mut(&key.interface) else { return NeighborState::Down };
        let random = &mut self.random;
        let neighbor = interface
            .neighbors
            .entry(key.id)
            // §10.8: the first DD sequence number should be one that was not used lately.
            .or_insert_with(|| Neighbor::new(key.id, source, random.next_u32(), now));
        let moved = neighbor.address != source;
        neighbor.router_id = router_id;
        neighbor.address = source;
        neighbor.priority = hello.priority;
        neighbor.heard = now;
        let before = neighbor.state;
        if before < NeighborState::ExStart {
            neighbor.options = hello.options;
        }
        if moved {
            self.schedule_calculation();
        }
        before
    }

    /// Starts the Inactivity Timer again, from the last hello.
    pub(crate) fn await_hello(&mut self, key: NeighborKey) {
        let Some(interface) = self.interfaces.get(&key.interface) else { return };
        let Some(neighbor) = interface.neighbors.get(&key.id) else { return };
        self.timers.set(TimerKey::Inactivity(key), neighbor.heard + interface.dead_interval());
    }

    /// No hello for RouterDeadInterval (§10.3, InactivityTimer).
    pub(crate) fn inactivity_timer(&mut self, key: NeighborKey) {
        self.neighbor_event(key, NeighborEvent::InactivityTimer);
    }
}

/// HelloInterval as it stands in hellos.
fn hello_seconds(interface: &Interface) -> u16 {
    u16::try_from(seconds(interface.config.hello_interval)).unwrap_or(u16::MAX)
}

/// RouterDeadInterval as it stands in hellos.
fn dead_seconds(interface: &Interface) -> u32 {
    u32::try_from(seconds(interface.config.dead_interval)).unwrap_or(u32::MAX)
}

fn seconds(interval: Duration) -> u64 {
    interval.as_secs().max(1)
}
