//! Router ids that this router had before: what it originated under them would stay in all databases until MaxAge (RFC 2328 §14), for
//! nobody else may flush it (§14.1). It is taken for self-originated, and not wanted any more (§13.4): wherever it turns up it is flushed,
//! until it is acknowledged.
//!
//! An id may have been given to another router meanwhile. Such a router originates again what is flushed (§13.4), each time with a higher
//! sequence number; copies of our own come to an end. So an id is left alone after a few of these, and in any case after MaxAge, when
//! nothing of ours can be left.

use crate::event::Event;
use crate::ids::{LsaPlace, RouterId, SequenceNumber};
use crate::state::engine::Engine;
use crate::state::former_ids::MOST_RETURNS;

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
