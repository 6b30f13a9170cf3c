//! Two routers where only one neighbour is possible (RFC 2328 §10.5): at the other end of a point-to-point link, or at one address of a
//! network.
//!
//! Deviates: by the RFC the last hello decides. So one forged hello would end an adjacency, and three routers on a link would end each
//! other's adjacencies for ever. Here a neighbour in state 2-Way or above stays until it has been silent for RouterDeadInterval. Only a
//! hello with proven origin replaces it at once, because a router that was given another router id no longer sends under the old one. If
//! the replaced router is received again nevertheless, there are two routers, and hellos with proven origin are treated like others. A
//! neighbour below 2-Way is replaced by any other router.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::config::NetworkType;
use crate::established::established;
use crate::event::Event;
use crate::ids::{InterfaceId, NeighborId, NeighborKey, RouterId};
use crate::interface::receive::Origin;
use crate::machine::neighbor::{NeighborEvent, NeighborState};
use crate::refusal::Refusal;
use crate::state::engine::Engine;
use crate::state::interface::{Interface, SecondSpeaker, Standing};
use crate::time::Instant;

/// A second speaker that continues to send is reported again after this interval.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

impl Interface {
    /// The router that sends hellos where another router is the neighbour, if its last hello was received within RouterDeadInterval.
    pub(crate) fn second_speaker(&self, now: Instant) -> Option<SecondSpeaker> {
        self.contender(now).filter(|contender| matches!(contender.standing, Standing::Refused { .. }))
    }

    fn contender(&self, now: Instant) -> Option<SecondSpeaker> {
        self.contender.filter(|contender| now.saturating_since(contender.last_hello) < self.dead_interval())
    }

    /// The neighbours that the sender of a hello would replace.
    fn incumbents(&self, sender: NeighborId, router_id: RouterId) -> Vec<NeighborId> {
        let known = self.neighbors.values().filter(|neighbor| neighbor.state > NeighborState::Attempt);
        let replaced = known.filter(|neighbor| match self.config.network {
            // A point-to-point link has only one other end.
            NetworkType::PointToPoint | NetworkType::VirtualLink { .. } => neighbor.id != sender,
            // By §10.5 the neighbour gets the new router id; but the adjacency was with another router.
            NetworkType::Broadcast | NetworkType::NonBroadcast | NetworkType::PointToMultipoint => {
                neighbor.id == sender && neighbor.router_id != router_id
            }
        });
        replaced.map(|neighbor| neighbor.id).collect()
    }
}

impl Engine {
    /// Decides whether the sender of a hello may become the neighbour `key`; if so, the neighbours that it replaces are removed.
    pub(crate) fn admit_speaker(
        &mut self,
        key: NeighborKey,
        router_id: RouterId,
        address: Ipv4Addr,
        origin: Origin,
    ) -> Result<(), Refusal> {
        let now = self.now;
        let Some(interface) = established(self.interfaces.get_mut(&key.interface)) else { return Ok(()) };
        let incumbents = interface.incumbents(key.id, router_id);
        let Some(incumbent) = incumbents.first().and_then(|id| interface.neighbors.get(id)) else {
            if interface.contender.is_some_and(|contender| contender.router_id == router_id) {
                interface.contender = None;
            }
            return Ok(());
        };
        let contender = interface.contender(now);
        let hears_us = incumbent.state >= NeighborState::TwoWay || incumbent.helping.is_some();
        if hears_us && (origin == Origin::Unproven || contender.is_some()) {
            self.note_second_speaker(key.interface, router_id, address);
            return Err(Refusal::SecondSpeaker);
        }
        let (former, former_address, last_hello) = (incumbent.router_id, incumbent.address, incumbent.last_hello);
        if contender.is_some_and(|contender| contender.router_id == router_id) {
            // It was replaced, and sends again.
            self.note_second_speaker(key.interface, former, former_address);
        } else {
            let standing = Standing::Replaced;
            interface.contender =
                Some(SecondSpeaker { router_id: former, address: former_address, last_hello, standing });
        }
        for id in incumbents {
            self.neighbor_event(NeighborKey { interface: key.interface, id }, NeighborEvent::KillNbr);
        }
        Ok(())
    }

    /// Notes a router that sends hellos beside the neighbour, and reports it unless one was reported recently.
    fn note_second_speaker(&mut self, id: InterfaceId, router_id: RouterId, address: Ipv4Addr) {
        let now = self.now;
        let Some(interface) = established(self.interfaces.get_mut(&id)) else { return };
        let before = interface.contender(now).and_then(|contender| match contender.standing {
            Standing::Refused { reported } => Some(reported),
            Standing::Replaced => None,
        });
        let recent = before.filter(|&reported| now.saturating_since(reported) < REPORT_INTERVAL);
        let standing = Standing::Refused { reported: recent.unwrap_or(now) };
        interface.contender = Some(SecondSpeaker { router_id, address, last_hello: now, standing });
        if recent.is_none() {
            self.event(Event::SecondSpeaker { interface: id, router_id, address });
        }
    }
}
