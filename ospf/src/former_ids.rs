//! Router ids that this router had before: what it originated under them would stay in all databases until MaxAge (RFC 2328 §14), for
//! nobody else may flush it (§14.1). It is taken for self-originated, and not wanted any more (§13.4): wherever it turns up it is flushed,
//! until it is acknowledged.
//!
//! An id may have been given to another router meanwhile. Where that is a guard ([`crate::Policy::guards`]), the id is left alone at once.
//! Any other such router originates again what is flushed (§13.4), each time with a higher
//! sequence number; copies of our own come to an end. So an id is left alone after a few of these, and in any case after MaxAge, when
//! nothing of ours can be left.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::databases::LsaPlace;
use crate::engine::Engine;
use crate::event::Event;
use crate::ids::{RouterId, SequenceNumber};
use crate::time::Instant;
use crate::wire::MAX_AGE;

/// So often a flushed LSA may come back newer before its Advertising Router is taken for another router.
const MOST_RETURNS: u32 = 64;

/// So many are remembered.
const MOST_IDS: usize = 16;

/// The ids, and what has come of each.
#[derive(Debug, Clone, Default)]
pub(crate) struct FormerIds(BTreeMap<RouterId, Former>);

#[derive(Debug, Clone, Copy)]
struct Former {
    until: Instant,
    /// How often an LSA came back newer than it was flushed.
    returns: u32,
}

impl FormerIds {
    /// This router has had an id until now.
    pub(crate) fn add(&mut self, id: RouterId, now: Instant) {
        self.0.retain(|_, former| former.until > now);
        if self.0.len() < MOST_IDS {
            let until = now + Duration::from_secs(MAX_AGE.into());
            self.0.entry(id).or_insert(Former { until, returns: 0 });
        }
    }

    /// The present id is none of them, whatever it was before.
    pub(crate) fn remove(&mut self, id: RouterId) {
        self.0.remove(&id);
    }

    /// These routers have their ids themselves: what was originated under one of them before, its router flushes or originates again
    /// (RFC 2328 §13.4).
    pub(crate) fn leave_to(&mut self, routers: &BTreeSet<RouterId>) {
        self.0.retain(|id, _| !routers.contains(id));
    }

    /// Whether LSAs of a router with this id are ours, to be flushed.
    pub(crate) fn contains(&self, id: RouterId, now: Instant) -> bool {
        self.0.get(&id).is_some_and(|former| former.until > now && former.returns < MOST_RETURNS)
    }
}

impl Engine {
    /// Whether this router has, or had, an id.
    pub(crate) fn is_own_id(&self, id: RouterId) -> bool {
        id == self.config.router_id || self.former_ids.contains(id, self.now)
    }

    /// An LSA of ours came that is newer than what we have, if we have one, in an instance with this sequence number.
    pub(crate) fn note_return(&mut self, place: LsaPlace, sequence: SequenceNumber) {
        let (id, now) = (place.key.advertising_router, self.now);
        let stored = self.databases.lookup(place).map(|entry| entry.header(now).sequence);
        let flushed = stored.max(self.departed.sequence(place, now));
        if id == self.config.router_id || flushed.is_none_or(|flushed| sequence <= flushed) {
            return;
        }
        if let Some(former) = self.former_ids.0.get_mut(&id) {
            former.returns += 1;
            if former.returns == MOST_RETURNS {
                self.event(Event::FormerRouterIdInUse { router_id: id });
            }
        }
    }

    /// What of a former id is in the databases already goes, too.
    pub(crate) fn flush_former(&mut self, id: RouterId) {
        let mut places = Vec::new();
        for (domain, lsdb) in self.databases.iter() {
            let of_id = lsdb.iter().map(|entry| entry.key()).filter(|key| key.advertising_router == id);
            places.extend(of_id.map(|key| LsaPlace { domain, key }));
        }
        for place in places {
            self.flush(place);
        }
    }
}
