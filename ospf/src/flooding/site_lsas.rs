//! LSAs of guards received on open links. A link is open if anybody on it could have sent a packet that we accept: it is not a tunnel, and
//! no digest proves the sender.
//!
//! An LSA is accepted only over other links if its originator is one of the guards ([`crate::Policy::guards`]), or if it has an opaque type
//! that only guards use. From an open link it is neither installed nor flooded, but it is acknowledged, so that it is not retransmitted.
//! LSAs of link scope cannot arrive in another way and are not flooded further: those of a guard are accepted from the guard itself, so
//! that a guard on an open link is helped with its restart.
//!
//! An instance that is newer than the database copy is sent to its originator, if that is adjacent over another link, so that it can
//! originate a newer one (RFC 2328 §13.4): otherwise the neighbour on the open link would use the received instance for its whole lifetime.

use std::time::Duration;

use crate::config::{Policy, Speaker};
use crate::event::Event;
use crate::flooding::flood::Acknowledgment;
use crate::flooding::self_originated::HIGHEST_OUTBID;
use crate::ids::{InterfaceId, LsaKey, LsaPlace, LsaType, NeighborKey, RouterId};
use crate::machine::neighbor::{NeighborEvent, NeighborState};
use crate::refusal::LsaRefusal;
use crate::state::engine::Engine;
use crate::state::interface::Interface;
use crate::state::neighbor::Neighbor;
use crate::state::site_lsas::{Bringer, SHOWN_AFTER, SHOWN_FOR, Shown};
use crate::state::timers::TimerKey;
use crate::view::SiteLsasView;
use crate::wire::{Lsa, LsaHeader, MIN_LS_ARRIVAL};

/// How long an instance waits before it is sent to its originator. If the originator has flooded it, it arrives over other links in this
/// time, and need not be sent.
const RETURN_INTERVAL: Duration = MIN_LS_ARRIVAL;

impl Interface {
    /// Whether anybody on the link could have sent a packet that we accept.
    pub(crate) fn is_open(&self) -> bool {
        self.config.speaker == Speaker::Anyone && !self.config.is_authenticated() && !self.is_virtual()
    }
}

impl Engine {
    /// Whether an LSA may be accepted from a neighbour.
    pub(crate) fn bringer(&self, from: NeighborKey, key: LsaKey) -> Bringer {
        let open = self.interfaces.get(&from.interface).is_some_and(Interface::is_open);
        let guarded = self.is_of_guarded_type(key) || self.is_of_guards(key) && !self.is_of_this_link(from, key);
        if open && guarded { Bringer::Open } else { Bringer::Trusted }
    }

    /// Whether an LSA is a guard's: a guard originated it, or only guards may originate it.
    pub(crate) fn is_of_guards(&self, key: LsaKey) -> bool {
        self.is_of_guarded_type(key) || self.config.policy.guards.contains(&key.advertising_router)
    }

    fn is_of_guarded_type(&self, key: LsaKey) -> bool {
        let [opaque_type, ..] = key.id.0.to_be_bytes();
        key.kind.is_opaque() && self.config.policy.guarded_opaque.contains(&opaque_type)
    }

    /// Whether an LSA has link scope, and is the neighbour's or our own.
    fn is_of_this_link(&self, from: NeighborKey, key: LsaKey) -> bool {
        let originator = key.advertising_router;
        let is_neighbors = || self.neighbor(from).is_some_and(|neighbor| neighbor.router_id == originator);
        key.kind == LsaType::OPAQUE_LINK && (originator == self.config.router_id || is_neighbors())
    }

    /// Refuses an LSA of a guard that was received over an open link, and that is newer than the database copy or not in the database.
    pub(crate) fn refuse_site_lsa(&mut self, from: NeighborKey, place: LsaPlace, lsa: &Lsa) -> Acknowledgment {
        self.note_site_lsa(from, place, lsa.header);
        self.give_up_request(from, place);
        // The instance that the neighbour should acknowledge is older than the one it has.
        self.no_longer_awaited(from, place);
        let originator = place.key.advertising_router;
        let is_originators = self.neighbor(from).is_some_and(|neighbor| neighbor.router_id == originator);
        // An exceedingly high number would exhaust the originator's sequence numbers: see `HIGHEST_OUTBID`.
        let goes =
            !is_originators && lsa.header.sequence <= HIGHEST_OUTBID && self.adjacent_originator(place).is_some();
        if goes && self.site_lsas.keep(place, lsa) {
            self.timers.set_if_idle(TimerKey::ReturnToOriginators, self.now + RETURN_INTERVAL);
        }
        Acknowledgment::Direct
    }

    /// Counts and reports an LSA of a guard that a neighbour on an open link sent or described.
    pub(crate) fn note_site_lsa(&mut self, from: NeighborKey, place: LsaPlace, header: LsaHeader) {
        let reason = LsaRefusal::SiteOnOpenLink;
        let router_id = match self.neighbor_mut(from) {
            Some(neighbor) => {
                neighbor.site_lsas_refused = true;
                neighbor.router_id
            }
            None => RouterId::default(),
        };
        if let Some(interface) = self.interfaces.get_mut(&from.interface) {
            interface.counters.refuse_lsa(reason);
        }
        self.site_lsas.note(from.interface, place, Shown { header, at: self.now, from: router_id });
        self.event(Event::LsaRefused { interface: from.interface, router_id, key: Some(place.key), reason });
    }

    /// Restarts exchanges after a configuration change, with neighbours whose refused LSAs may now be accepted.
    pub(crate) fn review_site_lsas(&mut self, before: &Policy) {
        let after = &self.config.policy;
        let changed = (&before.guards, &before.guarded_opaque) != (&after.guards, &after.guarded_opaque);
        let mut again = Vec::new();
        for (&interface, found) in self.interfaces.iter_mut().filter(|(_, found)| changed || !found.is_open()) {
            for neighbor in found.neighbors.values_mut().filter(|neighbor| neighbor.site_lsas_refused) {
                neighbor.site_lsas_refused = false;
                again.push(NeighborKey { interface, id: neighbor.id });
            }
        }
        for key in again {
            self.neighbor_event(key, NeighborEvent::SeqNumberMismatch);
        }
    }

    /// Sends the kept instances to their originators, unless the same or a newer instance has arrived in the meantime.
    pub(crate) fn return_to_originators(&mut self) {
        let now = self.now;
        self.site_lsas.octets = 0;
        for (place, lsa) in std::mem::take(&mut self.site_lsas.returned) {
            let stored = self.databases.lookup(place).map(|entry| entry.header(now));
            let is_newer = stored.is_none_or(|stored| lsa.header.newer_than(&stored));
            if let Some(originator) = self.adjacent_originator(place).filter(|_| is_newer) {
                self.send_instances(originator, &[lsa]);
            }
        }
    }

    /// Finds the adjacency with the originator of an LSA over a link that is not open.
    fn adjacent_originator(&self, place: LsaPlace) -> Option<NeighborKey> {
        let originator = place.key.advertising_router;
        let is_it = |neighbor: &&Neighbor| neighbor.router_id == originator && neighbor.state == NeighborState::Full;
        let mut interfaces = self.interfaces.iter().filter(|&(&id, i)| !i.is_open() && i.is_in(id, place.domain));
        interfaces.find_map(|(&interface, found)| {
            let neighbor = found.neighbors.values().find(is_it)?;
            Some(NeighborKey { interface, id: neighbor.id })
        })
    }

    /// Removes an LSA from a neighbour's retransmission list without an acknowledgement. At MaxAge it may have waited for this neighbour
    /// alone.
    pub(crate) fn no_longer_awaited(&mut self, key: NeighborKey, place: LsaPlace) {
        if self.neighbor_mut(key).is_some_and(|neighbor| neighbor.retransmission.remove(place.key)) {
            self.removals.note(place);
            self.acknowledged(key);
        }
    }

    /// The guards' LSAs that were recently refused on an interface.
    pub(crate) fn refused_site_lsas(&self, id: InterfaceId) -> Option<SiteLsasView> {
        let of_interface = self.site_lsas.shown.iter().filter(|&(&(interface, _), _)| interface == id);
        let mut shown = of_interface.filter(|(_, shown)| {
            let age = self.now.saturating_since(shown.at);
            (SHOWN_AFTER..SHOWN_FOR).contains(&age)
        });
        let (&(_, place), first) = shown.next()?;
        Some(SiteLsasView { count: 1 + shown.count(), example: place.key, from: first.from })
    }
}
