//! Paths to neighbours that something below OSPF tests, as BFD does (RFC 5882 §4, RFC 9355).
//!
//! A path that goes down takes its neighbour down at once, as a link does (§10.2, LLDown). As long as it stays down, the neighbour is held
//! in Init, so that no adjacency forms over a path that loses packets (RFC 9355 §2).
//!
//! Deviates: RFC 9355 holds a neighbour only if both routers have agreed to it in their hellos, which takes link-local signalling. Here a
//! neighbour is held whose path was up before. It may not be tested from its side any more, for example after a change of its
//! configuration: if its hellos have listed this router without a gap for [`LONGEST_HOLD`], packets pass in both directions whatever the
//! test has found, and the adjacency forms.

use std::net::Ipv4Addr;

use crate::event::Event;
use crate::ids::{InterfaceId, NeighborId, NeighborKey};
use crate::io::PathState;
use crate::machine::neighbor::{NeighborEvent, NeighborState};
use crate::state::engine::Engine;
use crate::state::interface::{DownPath, Held};

/// How long a neighbour is held at most while its hellos list this router, in RouterDeadIntervals.
pub(crate) const LONGEST_HOLD: u32 = 4;

impl Engine {
    /// Handles [`crate::Input::Path`].
    pub(crate) fn path_changed(&mut self, id: InterfaceId, address: Ipv4Addr, state: PathState) {
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        let of_path = interface.neighbors.values().filter(|neighbor| neighbor.address == address);
        match state {
            PathState::Untested | PathState::Up => {
                let held = interface.down_paths.remove(&address).and_then(|path| path.held);
                let dead_interval = interface.dead_interval();
                let lists_us = held.is_some_and(|held| self.now.saturating_since(held.latest) < dead_interval);
                let waiting = of_path.filter(|neighbor| lists_us && neighbor.state == NeighborState::Init);
                for neighbor in waiting.map(|neighbor| neighbor.id).collect::<Vec<_>>() {
                    self.two_way(NeighborKey { interface: id, id: neighbor });
                }
            }
            PathState::Down { shares_fate } => {
                // RFC 5882 §4.3: such a test ends with the neighbour's control plane, whose restart is under way.
                let concerned = of_path.filter(|neighbor| !(shares_fate && neighbor.helping.is_some()));
                let concerned: Vec<NeighborId> = concerned.map(|neighbor| neighbor.id).collect();
                interface.down_paths.entry(address).or_insert(DownPath { held: None });
                for neighbor in concerned {
                    self.neighbor_event(NeighborKey { interface: id, id: neighbor }, NeighborEvent::LlDown);
                }
            }
        }
    }

    /// Whether a neighbour whose hello lists this router stays in Init, because the path to it is down.
    pub(crate) fn holds(&mut self, key: NeighborKey) -> bool {
        let now = self.now;
        let Some(interface) = self.interfaces.get_mut(&key.interface) else { return false };
        let dead_interval = interface.dead_interval();
        let Some(neighbor) = interface.neighbors.get(&key.id) else { return false };
        if neighbor.state >= NeighborState::TwoWay {
            return false;
        }
        let (router_id, address) = (neighbor.router_id, neighbor.address);
        let Some(path) = interface.down_paths.get_mut(&address) else { return false };
        let before = path.held.filter(|held| now.saturating_since(held.latest) < dead_interval);
        let since = before.map_or(now, |held| held.since);
        path.held = Some(Held { since, latest: now });
        let is_overruled = now.saturating_since(since) >= LONGEST_HOLD * dead_interval;
        if before.is_none() || is_overruled {
            self.event(Event::NeighborHeld { interface: key.interface, router_id, address, is_overruled });
        }
        !is_overruled
    }
}
