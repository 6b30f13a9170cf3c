//! Restarting adjacencies on the operator's request ([`crate::Input::Clear`]).

use crate::ids::{InterfaceId, NeighborKey, RouterId};
use crate::machine::neighbor::{NeighborEvent, NeighborState};
use crate::state::engine::Engine;

impl Engine {
    /// Removes neighbours (KillNbr), and sends a hello that does not list them, so that they start the adjacency again.
    pub(crate) fn clear(&mut self, interface: Option<InterfaceId>, router_id: Option<RouterId>) {
        let mut cleared: Vec<NeighborKey> = Vec::new();
        for (&id, found) in self.interfaces.iter().filter(|(id, _)| interface.is_none_or(|only| only == **id)) {
            let active = found.neighbors.values().filter(|neighbor| neighbor.state >= NeighborState::Init);
            let active = active.filter(|neighbor| router_id.is_none_or(|only| only == neighbor.router_id));
            cleared.extend(active.map(|neighbor| NeighborKey { interface: id, id: neighbor.id }));
        }
        for &key in &cleared {
            self.neighbor_event(key, NeighborEvent::KillNbr);
        }
        cleared.dedup_by_key(|key| key.interface);
        for key in cleared {
            self.hello_timer(key.interface);
        }
    }
}
