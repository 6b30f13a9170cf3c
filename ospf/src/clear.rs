//! Adjacencies that begin anew because the operator wants it ([`crate::Input::Clear`]).

use crate::ids::{InterfaceId, NeighborKey, RouterId};
use crate::machine::neighbor::{NeighborEvent, NeighborState};
use crate::state::engine::Engine;

impl Engine {
    /// Forgets neighbours (KillNbr) and says so by a hello that does not list them, which they answer.
    pub(crate) fn clear(&mut self, interface: Option<InterfaceId>, router_id: Option<RouterId>) {
        let mut cleared: Vec<NeighborKey> = Vec::new();
        for (&id, found) in self.interfaces.iter().filter(|(id, _)| interface.is_none_or(|only| only == **id)) {
            let heard = found.neighbors.values().filter(|neighbor| neighbor.state >= NeighborState::Init);
            let heard = heard.filter(|neighbor| router_id.is_none_or(|only| only == neighbor.router_id));
            cleared.extend(heard.map(|neighbor| NeighborKey { interface: id, id: neighbor.id }));
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
