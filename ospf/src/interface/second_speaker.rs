//! Two routers where there can be one (RFC 2328 §10.5): at the other end of a point-to-point link, or at one address of a network.
//!
//! Deviates: for the RFC the last hello decides. So one forged hello would end an adjacency, and three routers on a wire would end each
//! other's for ever. Here a neighbour that hears us stays until it has been silent for RouterDeadInterval. A hello that is certain to come
//! from whom it says replaces it at once, since a router that was given another router id does not send under the old one any more; if the
//! replaced one is heard all the same, there are two, and the rule for uncertain hellos holds. A neighbour that does not hear us gives way
//! to any other.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::config::NetworkType;
use crate::event::Event;
use crate::ids::{InterfaceId, NeighborId, NeighborKey, RouterId};
use crate::interface::receive::Origin;
use crate::machine::neighbor::{NeighborEvent, NeighborState};
use crate::refusal::Refusal;
use crate::state::engine::Engine;
use crate::state::interface::{Interface, SecondSpeaker, Standing};
use crate::time::Instant;

/// A second speaker that goes on is reported again after this.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

impl Interface {
    /// The router that sends hellos where another one is the neighbour, if it was heard within RouterDeadInterval.
    pub(crate) fn second_speaker(&self, now: Instant) -> Option<SecondSpeaker> {
        self.contender(now).filter(|contender| matches!(contender.standing, Standing::Refused { .. }))
    }

    fn contender(&self, now: Instant) -> Option<SecondSpeaker> {
        self.contender.filter(|contender| now.saturating_since(contender.heard) < self.dead_interval())
    }

    /// Who is known where the sender of a hello would be: the neighbours that it would replace.
    fn incumbents(&self, sender: NeighborId, router_id: RouterId) -> Vec<NeighborId> {
        let known = self.neighbors.values().filter(|neighbor| neighbor.state > NeighborState::Attempt);
        let replaced = known.filter(|neighbor| match self.config.network {
            // A point-to-point link has one other end.
            NetworkType::PointToPoint | NetworkType::VirtualLink { .. } => neighbor.id != sender,
            // §10.5 sets the neighbour's router id anew; but its adjacency was that of another router.
            NetworkType::Broadcast | NetworkType::NonBroadcast | NetworkType::PointToMultipoint => {
                neighbor.id == sender && neighbor.router_id != router_id
            }
        });
        replaced.map(|neighbor| neighbor.id).collect()
    }
}

impl Engine {
    /// Whether the sender of a hello may be a neighbour, who is at `key` then: whoever it replaces is gone.
    pub(crate) fn admit_speaker(
        &mut self,
        key: NeighborKey,
        router_id: RouterId,
        address: Ipv4Addr,
        origin: Origin,
    ) -> Result<(), Refusal> {
        let now = self.now;
        let Some(interface) = self.interfaces.get_mut(&key.interface) else { return Ok(()) };
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
        let (former, former_address, heard) = (incumbent.router_id, incumbent.address, incumbent.heard);
        if contender.is_some_and(|contender| contender.router_id == router_id) {
            // It was replaced, and has come back.
            self.note_second_speaker(key.interface, former, former_address);
        } else {
            let standing = Standing::Replaced;
            interface.contender = Some(SecondSpeaker { router_id: former, address: former_address, heard, standing });
        }
        for id in incumbents {
            self.neighbor_event(NeighborKey { interface: key.interface, id }, NeighborEvent::KillNbr);
        }
        Ok(())
    }

    /// Notes a router that speaks beside the neighbour, and reports it unless one was reported lately.
    fn note_second_speaker(&mut self, id: InterfaceId, router_id: RouterId, address: Ipv4Addr) {
        let now = self.now;
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        let before = interface.contender(now).and_then(|contender| match contender.standing {
            Standing::Refused { reported } => Some(reported),
            Standing::Replaced => None,
        });
        let recent = before.filter(|&reported| now.saturating_since(reported) < REPORT_INTERVAL);
        let standing = Standing::Refused { reported: recent.unwrap_or(now) };
        interface.contender = Some(SecondSpeaker { router_id, address, heard: now, standing });
        if recent.is_none() {
            self.event(Event::SecondSpeaker { interface: id, router_id, address });
        }
    }
}
