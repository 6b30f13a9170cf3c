//! LSAs of guards on open links. A link is open if everybody on it may send what is taken: no tunnel, and no digest that shows who sent it.
//!
//! An LSA whose originator is one of the guards ([`crate::Policy::guards`]), or of an opaque type that they alone use, comes over the other
//! links. From an open one it is neither installed nor flooded; it is acknowledged, so that it is not sent again. LSAs of link scope cannot
//! come another way and go no further: a guard's are taken from itself, so that a guard on an open link is helped with its restart.
//!
//! An instance that is newer than ours goes to its originator, if that is adjacent over another link, so that it can outbid it (RFC 2328
//! §13.4): the neighbour on the open link would believe it for as long as it lives.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::state::neighbor::Neighbor;
use crate::check::Findings;
use crate::config::{Policy, Speaker};
use crate::state::databases::LsaPlace;
use crate::engine::Engine;
use crate::event::{Event, NeighborState};
use crate::flooding::flood::Acknowledgment;
use crate::ids::{InterfaceId, LsaKey, NeighborKey, RouterId, Scope};
use crate::interface::machinery::Interface;
use crate::machine::neighbor::NeighborEvent;
use crate::refusal::LsaRefusal;
use crate::flooding::self_originated::HIGHEST_OUTBID;
use crate::time::Instant;
use crate::state::timers::TimerKey;
use crate::wire::{Lsa, LsaHeader, MIN_LS_ARRIVAL};

/// LSAs that go to their originators in [`RETURN_INTERVAL`].
const MAX_RETURNED: usize = 16;

/// Octets of them, all together.
const MAX_RETURNED_OCTETS: usize = 16 * 1024;

/// How long an instance waits before it goes to its originator. What the originator has flooded itself comes over the other links meanwhile,
/// and need not go back.
const RETURN_INTERVAL: Duration = MIN_LS_ARRIVAL;

/// Refused LSAs that are remembered to be shown; more are only counted.
const MAX_SHOWN: usize = 64;

/// They are shown for so long.
const SHOWN_FOR: Duration = Duration::from_secs(300);

/// And not before they have been refused for so long: on a link between two guards the flood may be faster than by tunnel.
const SHOWN_AFTER: Duration = Duration::from_secs(5);

/// Whether everybody on a link could have sent an LSA of a guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bringer {
    /// Not everybody; or the LSA is none of a guard's.
    Trusted,
    Open,
}

/// What was refused, and what of it is on its way to its originator.
#[derive(Debug, Clone, Default)]
pub(crate) struct SiteLsas {
    shown: BTreeMap<(InterfaceId, LsaPlace), Shown>,
    returned: BTreeMap<LsaPlace, Lsa>,
    octets: usize,
}

/// A refused LSA.
#[derive(Debug, Clone)]
struct Shown {
    header: LsaHeader,
    at: Instant,
    from: RouterId,
}

/// LSAs of guards that were refused lately on an open link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteLsasView {
    /// How many.
    pub count: usize,
    /// One of them.
    pub example: LsaKey,
    /// The neighbour that sent it.
    pub from: RouterId,
}

impl SiteLsas {
    fn note(&mut self, interface: InterfaceId, place: LsaPlace, shown: Shown) {
        let now = shown.at;
        self.shown.retain(|_, shown| now.saturating_since(shown.at) < SHOWN_FOR);
        let before = self.shown.get(&(interface, place));
        let same = before.is_some_and(|before| before.header.compare(&shown.header).is_eq());
        if !same && (before.is_some() || self.shown.len() < MAX_SHOWN) {
            self.shown.insert((interface, place), shown);
        }
    }

    /// An instance was installed: if it is one that was refused, it was a good one that came over the open link first.
    pub(crate) fn installed(&mut self, place: LsaPlace, header: &LsaHeader) {
        if !self.shown.is_empty() {
            let same =
                |shown: &Shown| (shown.header.sequence, shown.header.checksum) == (header.sequence, header.checksum);
            self.shown.retain(|&(_, of), shown| of != place || !same(shown));
        }
    }

    /// Keeps an instance for its originator, in place of an older one; whether there was room.
    fn keep(&mut self, place: LsaPlace, lsa: &Lsa) -> bool {
        let before = self.returned.get(&place);
        if before.is_some_and(|kept| !lsa.header.newer_than(&kept.header)) {
            return true;
        }
        let octets = self.octets - before.map_or(0, Lsa::encoded_len) + lsa.encoded_len();
        let room = octets <= MAX_RETURNED_OCTETS && (before.is_some() || self.returned.len() < MAX_RETURNED);
        if room {
            self.octets = octets;
            self.returned.insert(place, lsa.detached());
        }
        room
    }

    /// Whether something waits to go to its originator.
    pub(crate) fn is_returning(&self) -> bool {
        !self.returned.is_empty()
    }

    /// The sums are right, and within their bounds.
    pub(crate) fn check(&self, findings: &mut Findings) {
        let octets: usize = self.returned.values().map(Lsa::encoded_len).sum();
        let bounded =
            self.returned.len() <= MAX_RETURNED && octets <= MAX_RETURNED_OCTETS && self.shown.len() <= MAX_SHOWN;
        findings.demand(octets == self.octets && bounded, "what is remembered of refused LSAs is bounded", || {
            format!("{octets} octets, noted {}; {} shown", self.octets, self.shown.len())
        });
    }
}

impl Interface {
    /// Whether everybody on the link may send what is taken here.
    pub(crate) fn is_open(&self) -> bool {
        self.config.speaker == Speaker::Anyone && !self.config.is_authenticated() && !self.is_virtual()
    }
}

impl Engine {
    /// Whether an LSA may come from a neighbour.
    pub(crate) fn bringer(&self, from: NeighborKey, key: LsaKey) -> Bringer {
        let open = self.interfaces.get(&from.interface).is_some_and(Interface::is_open);
        let guarded = self.is_of_guarded_type(key) || self.is_of_guards(key) && !self.is_of_this_link(from, key);
        if open && guarded { Bringer::Open } else { Bringer::Trusted }
    }

    /// Whether what an LSA says is a guard's word: it has originated it, or nobody else may.
    pub(crate) fn is_of_guards(&self, key: LsaKey) -> bool {
        self.is_of_guarded_type(key) || self.config.policy.guards.contains(&key.advertising_router)
    }

    fn is_of_guarded_type(&self, key: LsaKey) -> bool {
        let [opaque_type, ..] = key.id.0.to_be_bytes();
        key.kind.is_opaque() && self.config.policy.guarded_opaque.contains(&opaque_type)
    }

    /// Whether an LSA goes no further than its link, and is the neighbour's own, or comes back to us.
    fn is_of_this_link(&self, from: NeighborKey, key: LsaKey) -> bool {
        let originator = key.advertising_router;
        let is_neighbors = || self.neighbor(from).is_some_and(|neighbor| neighbor.router_id == originator);
        key.kind.scope() == Some(Scope::Link) && (originator == self.config.router_id || is_neighbors())
    }

    /// An LSA of a guard came over an open link and is newer than what we have, or of one that we do not have.
    pub(crate) fn refuse_site_lsa(&mut self, from: NeighborKey, place: LsaPlace, lsa: &Lsa) -> Acknowledgment {
        self.note_site_lsa(from, place, lsa.header);
        self.give_up_request(from, place);
        // What it was to acknowledge is older than what it has.
        self.no_longer_awaited(from, place);
        let originator = place.key.advertising_router;
        let is_originators = self.neighbor(from).is_some_and(|neighbor| neighbor.router_id == originator);
        // What is out of all proportion would bring the originator's sequence numbers to their end: see `HIGHEST_OUTBID`.
        let goes =
            !is_originators && lsa.header.sequence <= HIGHEST_OUTBID && self.adjacent_originator(place).is_some();
        if goes && self.site_lsas.keep(place, lsa) {
            self.timers.set_if_idle(TimerKey::ReturnToOriginators, self.now + RETURN_INTERVAL);
        }
        Acknowledgment::Direct
    }

    /// Counts and reports an LSA of a guard that an open link's neighbour sent, or described.
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

    /// The configuration is new: what was refused and would be taken now is described anew.
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

    /// What was kept goes to its originators, unless it, or something newer, has come from them.
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

    /// The adjacency with the originator of an LSA over a link that is not open.
    fn adjacent_originator(&self, place: LsaPlace) -> Option<NeighborKey> {
        let originator = place.key.advertising_router;
        let is_it = |neighbor: &&Neighbor| neighbor.router_id == originator && neighbor.state == NeighborState::Full;
        let mut interfaces = self.interfaces.iter().filter(|&(&id, i)| !i.is_open() && i.is_in(id, place.domain));
        interfaces.find_map(|(&interface, found)| {
            let neighbor = found.neighbors.values().find(is_it)?;
            Some(NeighborKey { interface, id: neighbor.id })
        })
    }

    /// A neighbour is not waited for to acknowledge an LSA any more.
    pub(crate) fn no_longer_awaited(&mut self, key: NeighborKey, place: LsaPlace) {
        if self.neighbor_mut(key).is_some_and(|neighbor| neighbor.retransmission.remove(place.key)) {
            self.acknowledged(key);
        }
    }

    /// What of guards' LSAs was refused lately on an interface.
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
