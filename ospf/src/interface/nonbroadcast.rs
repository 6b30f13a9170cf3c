//! Configured neighbours of networks without multicast: to whom hellos are sent on NBMA and point-to-multipoint networks, and how often
//! (RFC 2328 §9.5.1).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::config::{NbmaNeighbor, NetworkType};
use crate::established::established;
use crate::ids::{InterfaceId, NeighborId, NeighborKey};
use crate::machine::neighbor::{NeighborEvent, NeighborState};
use crate::state::engine::Engine;
use crate::state::interface::Interface;
use crate::state::neighbor::Neighbor;
use crate::state::timers::TimerKey;

/// The recipients of an interface's hellos.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Audience {
    /// All routers on the link, by one multicast packet.
    Everybody,
    /// Each of these addresses.
    Each(Vec<Ipv4Addr>),
}

impl Interface {
    /// The recipients of the hello that is sent when the Hello Timer fires (§9.5).
    pub(crate) fn audience(&self) -> Audience {
        match self.config.network {
            NetworkType::Broadcast | NetworkType::PointToPoint => Audience::Everybody,
            // Without configured neighbours the network is assumed to support multicast.
            NetworkType::PointToMultipoint if self.config.neighbors.is_empty() => Audience::Everybody,
            // §9.5.1: hellos are sent to neighbours in state Down every PollInterval instead.
            NetworkType::PointToMultipoint | NetworkType::NonBroadcast => {
                let not_down = self.neighbors.values().filter(|neighbor| neighbor.state > NeighborState::Down);
                Audience::Each(
                    not_down.filter(|neighbor| self.sends_periodic_hellos_to(neighbor)).map(|n| n.address).collect(),
                )
            }
            NetworkType::VirtualLink { .. } => Audience::Each(self.virtual_far_address().into_iter().collect()),
        }
    }

    /// Whether a router with this address may be a neighbour: if neighbours are listed, no other router may (§C.5, §C.6).
    pub(crate) fn may_be_neighbor(&self, address: Ipv4Addr) -> bool {
        self.config.neighbors.is_empty() || !self.has_listed_neighbors() || self.config.neighbors.contains_key(&address)
    }

    /// Whether the neighbours of the network are those of a configured list.
    fn has_listed_neighbors(&self) -> bool {
        match self.config.network {
            NetworkType::NonBroadcast => true,
            NetworkType::PointToMultipoint => !self.config.neighbors.is_empty(),
            NetworkType::Broadcast | NetworkType::PointToPoint | NetworkType::VirtualLink { .. } => false,
        }
    }

    /// Whether periodic hellos are sent to a neighbour: on an NBMA network by the rules of §9.5.1, on a point-to-multipoint network always.
    fn sends_periodic_hellos_to(&self, neighbor: &Neighbor) -> bool {
        if self.config.network == NetworkType::PointToMultipoint {
            return true;
        }
        if self.state.is_designated() {
            // "If the router is ... the Designated Router or Backup ... it must also send periodic Hello Packets to all other neighbors."
            true
        } else if self.config.priority > 0 {
            // "it must periodically send Hello Packets to all neighbors that are also eligible."
            neighbor.priority > 0
        } else {
            // "it must periodically send Hello Packets to both the Designated Router and the Backup Designated Router (if they exist)."
            self.is_designated(neighbor.address)
        }
    }

    /// Whether a neighbour's hello is answered by a hello at once (§9.5.1). Otherwise eligible routers would never receive the hellos of a
    /// router that is not eligible.
    pub(crate) fn answers_hello_of(&self, neighbor: &Neighbor) -> bool {
        self.config.network == NetworkType::NonBroadcast
            && self.config.priority == 0
            && neighbor.priority > 0
            && !self.is_designated(neighbor.address)
    }
}

impl Engine {
    /// Creates the configured neighbours, because the interface has come up or its list has changed (§9.3, InterfaceUp).
    pub(crate) fn meet_configured_neighbors(&mut self, id: InterfaceId) {
        let now = self.now;
        let Some(interface) = established(self.interfaces.get_mut(&id)) else { return };
        match interface.config.network {
            NetworkType::NonBroadcast | NetworkType::PointToMultipoint => {}
            NetworkType::Broadcast | NetworkType::PointToPoint | NetworkType::VirtualLink { .. } => return,
        }
        let Some(own) = interface.active_link().map(|link| link.address()) else { return };
        let mut to_start = Vec::new();
        for (&address, configured) in interface.config.neighbors.iter().filter(|&(&address, _)| address != own) {
            let (neighbor, priority) = (NeighborId::Address(address), configured.priority);
            match interface.neighbors.get_mut(&neighbor) {
                // §C.5: the configured priority applies until the first hello is received.
                Some(known) if known.state <= NeighborState::Attempt && known.priority != priority => {
                    known.priority = priority;
                    if known.state == NeighborState::Down {
                        to_start.push(neighbor);
                    }
                }
                Some(_) => {}
                None => {
                    let fresh = Neighbor::new(neighbor, address, self.random.next_u32(), now);
                    interface.neighbors.insert(neighbor, Neighbor { priority, ..fresh });
                    to_start.push(neighbor);
                }
            }
        }
        for neighbor in to_start {
            self.start(NeighborKey { interface: id, id: neighbor });
        }
    }

    /// Drops neighbours that are no longer configured: those that were in the list `before`, and, if there is a list, all others that are
    /// not in it. They learn this from a last hello that does not list them.
    pub(crate) fn drop_unlisted_neighbors(&mut self, id: InterfaceId, before: &BTreeMap<Ipv4Addr, NbmaNeighbor>) {
        let Some(interface) = established(self.interfaces.get(&id)) else { return };
        let dropped = |neighbor: &&Neighbor| {
            let was_listed = before.contains_key(&neighbor.address);
            let is_listed = interface.config.neighbors.contains_key(&neighbor.address);
            !is_listed && (was_listed || !interface.may_be_neighbor(neighbor.address))
        };
        let dropped = interface.neighbors.values().filter(dropped).map(|neighbor| (neighbor.id, neighbor.address));
        let dropped: Vec<_> = dropped.collect();
        self.send_goodbye_to(id, dropped.iter().map(|(_, address)| *address).collect());
        for (neighbor, _) in dropped {
            let key = NeighborKey { interface: id, id: neighbor };
            self.neighbor_event(key, NeighborEvent::KillNbr);
            self.forget_neighbor(key);
        }
    }

    /// Starts neighbours that are not eligible, because this router has become the designated router or its backup (§9.4 (6)).
    pub(crate) fn start_ineligible_neighbors(&mut self, id: InterfaceId) {
        let Some(interface) = established(self.interfaces.get(&id)) else { return };
        let ineligible = interface.neighbors.values().filter(|neighbor| neighbor.priority == 0);
        for neighbor in ineligible.map(|neighbor| neighbor.id).collect::<Vec<_>>() {
            self.start(NeighborKey { interface: id, id: neighbor });
        }
    }

    /// Generates event Start for a neighbour of an NBMA network to which hellos are to be sent.
    fn start(&mut self, key: NeighborKey) {
        let Some(interface) = established(self.interfaces.get(&key.interface)) else { return };
        let Some(neighbor) = established(interface.neighbors.get(&key.id)) else { return };
        if interface.has_listed_neighbors() && interface.sends_periodic_hellos_to(neighbor) {
            self.neighbor_event(key, NeighborEvent::Start);
        }
        self.poll_later(key);
    }

    /// §10.3, Start: "Send an Hello Packet to the neighbor ... and start the Inactivity Timer".
    pub(crate) fn attempt(&mut self, key: NeighborKey) {
        let Some(interface) = established(self.interfaces.get(&key.interface)) else { return };
        let Some(neighbor) = established(interface.neighbors.get(&key.id)) else { return };
        let (address, deadline) = (neighbor.address, self.now + interface.dead_interval());
        self.timers.set(TimerKey::Inactivity(key), deadline);
        self.send_hello_to(key.interface, address);
    }

    /// Handles the expiry of the Poll Timer: sends a hello to a neighbour that is down (§9.5.1).
    pub(crate) fn poll_timer(&mut self, key: NeighborKey) {
        let Some(interface) = self.interfaces.get(&key.interface) else { return };
        let Some(neighbor) = interface.neighbors.get(&key.id) else { return };
        if neighbor.state == NeighborState::Down && interface.sends_periodic_hellos_to(neighbor) {
            self.send_hello_to(key.interface, neighbor.address);
        }
        self.poll_later(key);
    }

    fn poll_later(&mut self, key: NeighborKey) {
        let Some(interface) = established(self.interfaces.get(&key.interface)) else { return };
        if interface.has_listed_neighbors() {
            let next = self.now + interface.poll_interval();
            self.timers.set(TimerKey::Poll(key), next);
        }
    }

    /// Handles a neighbour that is down (§10.3): a configured one is waited for, any other is removed.
    pub(crate) fn neighbor_lost(&mut self, key: NeighborKey) {
        let now = self.now;
        self.forget_neighbor(key);
        let Some(interface) = established(self.interfaces.get_mut(&key.interface)) else { return };
        let NeighborId::Address(address) = key.id else { return };
        let configured = interface.config.neighbors.get(&address).filter(|_| interface.active_link().is_some());
        if let Some(&configured) = configured {
            let fresh = Neighbor::new(key.id, address, self.random.next_u32(), now);
            interface.neighbors.insert(key.id, Neighbor { priority: configured.priority, ..fresh });
            self.poll_later(key);
        }
    }
}
