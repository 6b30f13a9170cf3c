//! Former Router IDs of this router. LSAs originated under them would stay in all databases until MaxAge (RFC 2328 §14), because no other
//! router may flush them (§14.1). They are treated as self-originated LSAs that are no longer wanted (§13.4): they are flushed wherever
//! they are received, until that is acknowledged.
//!
//! Meanwhile the ID may have been given to another router. If that is a guard ([`crate::Policy::guards`]), the ID is forgotten at once. Any
//! other router originates the flushed LSAs again (§13.4), each time with a higher
//! sequence number, whereas copies of our own LSAs come to an end. So the LSAs of a former ID are no longer flushed after a few such
//! returns, and in any case after MaxAge, when none of ours can be left.

use crate::event::Event;
use crate::ids::{LsaPlace, RouterId, SequenceNumber};
use crate::state::engine::Engine;
use crate::state::former_ids::MOST_RETURNS;

impl Engine {
    /// Whether an ID is, or was, this router's own.
    pub(crate) fn is_own_id(&self, id: RouterId) -> bool {
        id == self.config.router_id || self.former_ids.contains(id, self.now)
    }

    /// Counts the return of an LSA of a former ID: it was received with a sequence number that is higher than the one with which it was
    /// flushed.
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

    /// Flushes the LSAs of a former ID that are already in the databases.
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
