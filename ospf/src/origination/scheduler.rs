//! Origination (RFC 2328 §12.4): compares the LSAs that this router should originate with those in the database, and corrects the
//! difference.
//!
//! The same rule serves first origination, changes, refresh, withdrawal, the wrap of sequence numbers (§12.1.6), and LSAs of ours that are
//! received from other routers (§13.4). The contents of LSAs are determined elsewhere.

use crate::config::Deviation;
use crate::established::established;
use crate::event::Event;
use crate::ids::{AreaId, Domain, LsaPlace, LsaType, SequenceNumber};
use crate::machine::neighbor::NeighborState;
use crate::state::engine::Engine;
use crate::state::originations::{
    FIRST_HOLD, FIRST_HOLD_LIMIT, FIRST_HOLD_STEP, History, REFRESH_JITTER, SECOND_INSTANCE, Staleness, State,
};
use crate::state::timers::TimerKey;
use crate::state::work::Unit;
use crate::time::Instant;
use crate::wire::{LS_REFRESH_TIME, Lsa, LsaBody, MIN_LS_INTERVAL};

impl Engine {
    /// Notes that the contents of an area's Router-LSA may have changed (§12.4, events 3 to 8).
    pub(crate) fn router_lsa_changed(&mut self, area: AreaId) {
        self.originations.changed_areas.insert(area);
        // The next hops of routes may have changed even if the LSA has not.
        self.schedule_calculation();
    }

    /// Delays the first Router-LSA of an area a little longer, if it is still delayed when an interface comes up.
    pub(crate) fn hold_first_router_lsa(&mut self, area: AreaId) {
        let now = self.now;
        if let Some(hold) = self.originations.first_holds.get_mut(&area) {
            let limit = *hold.limit.get_or_insert(now + FIRST_HOLD_LIMIT);
            hold.until = (now + FIRST_HOLD).min(limit);
        }
    }

    /// Originates, reoriginates or flushes the LSAs that have changed, as long as there are units left.
    pub(crate) fn originate(&mut self) {
        if self.work.left(Unit::Origination) == 0 {
            return;
        }
        self.note_changed_flags();
        while let Some(area) = self.originations.changed_areas.pop_first() {
            let place = self.router_lsa_place(area);
            let body = LsaBody::Router(self.limited_router_lsa(area));
            self.originations.want(place, self.config.area_options(area), body);
            self.want_networks(area);
            if self.originations.first_holds.contains_key(&area) {
                self.originations.touch(place);
            }
        }
        while !self.originations.touched.is_empty() && self.work.take(Unit::Origination) {
            let Some(place) = established(self.originations.touched.pop_first()) else { break };
            if !self.may_advertise(place) {
                self.originations.withheld.insert(place);
            } else if self.is_self_originated(place) {
                self.reoriginate_or_flush(place);
            }
        }
    }

    /// Originates one LSA before all others.
    pub(crate) fn originate_now(&mut self, place: LsaPlace) {
        if self.originations.touched.remove(&place) {
            self.reoriginate_or_flush(place);
        }
    }

    /// Notes which Router-LSAs have new flags: a change in one area may make this router a border router, or end that, for all areas
    /// (§12.4, event 8).
    fn note_changed_flags(&mut self) {
        if self.originations.changed_areas.is_empty() {
            return;
        }
        for area in self.areas() {
            let flags = self.router_flags(area);
            if self.originations.flags.insert(area, flags) != Some(flags) {
                self.originations.changed_areas.insert(area);
            }
        }
    }

    fn reoriginate_or_flush(&mut self, place: LsaPlace) {
        let now = self.now;
        let stored = self.databases.lookup(place).map(|entry| entry.header(now));
        if !self.originations.is_wanted(place) {
            let theirs = self.originations.outbid.get(&place).copied();
            let theirs = theirs.filter(|theirs| stored.is_none_or(|stored| stored.sequence <= *theirs));
            let is_closed = self.originations.state == State::Closed;
            if theirs.is_some() && !is_closed && !self.may_originate(place) {
                return;
            }
            self.originations.outbid.remove(&place);
            if theirs.is_some_and(|theirs| self.flush_unknown(place, theirs)) {
                // The flushed LSA is examined again when it is stored.
                return;
            }
            match stored {
                // §13.4: "it may be the case the router no longer wishes to originate the received LSA", and §14.1.
                Some(stored) if !stored.is_max_age() => {
                    // Until then it stays unchanged, and may be wanted again.
                    if is_closed || self.may_originate(place) {
                        self.timers.cancel(TimerKey::Refresh(place));
                        self.flush(place);
                    }
                }
                Some(_) => self.timers.cancel(TimerKey::Refresh(place)),
                None => {
                    self.timers.cancel(TimerKey::Refresh(place));
                    self.originations.withdrawn(place);
                    self.timers.cancel(TimerKey::Origination(place));
                }
            }
            return;
        }
        if self.is_originated(place) {
            self.timers.cancel(TimerKey::Origination(place));
            if self.timers.deadline(TimerKey::Refresh(place)).is_none() {
                // It was withdrawn, and has come back from a neighbour that did not know that yet.
                self.refresh_later(place);
            }
            return;
        }
        if !self.may_originate(place) {
            return;
        }
        let outbid = self.originations.outbid.get(&place).and_then(|theirs| theirs.next());
        let sequence = match stored {
            // After the last sequence number, the first one follows (§12.1.6).
            None => {
                let advertised = self.originations.history.get(&place).map(|last| last.sequence);
                let last = advertised.max(self.departed.sequence(place, now));
                let last = last.filter(|_| self.config.conduct.has(Deviation::Departed));
                last.and_then(SequenceNumber::next).unwrap_or(SequenceNumber::INITIAL)
            }
            // §13.4: "advance the LSA's LS sequence number one past the received LS sequence number".
            Some(stored) => match stored.sequence.next() {
                Some(next) => next,
                // §12.1.6: it is flushed first, and examined again when it has been removed. The stored instance is flushed, so it does not
                // matter which router originated it.
                None => {
                    if let Some(last) = self.originations.history.get_mut(&place) {
                        last.sequence = SequenceNumber::MAX;
                    }
                    self.flush(place);
                    return;
                }
            },
        };
        self.originate_instance(place, outbid.map_or(sequence, |outbid| outbid.max(sequence)));
    }

    /// Whether the database has the wanted LSA in an instance that we originated and that is not due for refresh.
    pub(crate) fn is_originated(&self, place: LsaPlace) -> bool {
        let Some(wanted) = self.originations.wanted.get(&place) else { return false };
        self.databases.lookup(place).is_some_and(|entry| {
            let header = entry.header(self.now);
            self.originations.is_ours(place, &header)
                && !self.originations.outbid.contains_key(&place)
                && !self.originations.is_due(place)
                && !header.is_max_age()
                && header.options == wanted.options
                && *entry.body() == wanted.body
        })
    }

    fn originate_instance(&mut self, place: LsaPlace, sequence: SequenceNumber) {
        let now = self.now;
        let Some(wanted) = established(self.originations.wanted.get(&place)) else { return };
        let lsa = match Lsa::new(place.key, wanted.options, sequence, &wanted.body) {
            Ok(lsa) => lsa,
            Err(error) => {
                debug_assert!(false, "{}: {error}: bodies are bounded where they are built", place.key);
                self.originations.withdraw(place);
                self.event(Event::LsaNotOriginated { key: place.key, reason: error });
                return;
            }
        };
        let body = wanted.body.clone();
        debug_assert!(lsa.check().is_ok(), "{} does not pass its own check", place.key);

        let interval = match self.originations.history.get(&place) {
            _ if !self.config.conduct.has(Deviation::SecondInstance) => MIN_LS_INTERVAL,
            Some(last) if now.saturating_since(last.at) < 2 * MIN_LS_INTERVAL => {
                (2 * last.interval).min(MIN_LS_INTERVAL)
            }
            Some(_) | None => SECOND_INSTANCE,
        };
        let checksum = lsa.header.checksum;
        let history = History { at: now, interval, sequence, checksum, stale: Staleness::Fresh };
        self.originations.history.insert(place, history);
        self.originations.outbid.remove(&place);
        if let (Domain::Area(area), LsaType::ROUTER) = (place.domain, place.key.kind) {
            self.originations.first_holds.remove(&area);
        }
        self.timers.cancel(TimerKey::Origination(place));
        self.refresh_later(place);

        self.install(place, lsa, body);
        self.flood(place, None);
    }

    /// Schedules the refresh, LSRefreshTime after the last origination (§12.4, event 1).
    fn refresh_later(&mut self, place: LsaPlace) {
        let Some(last) = established(self.originations.history.get(&place).map(|last| last.at)) else { return };
        let early = self.random.below(REFRESH_JITTER);
        let due = last + (LS_REFRESH_TIME - early);
        self.timers.set(TimerKey::Refresh(place), due.max(self.now + MIN_LS_INTERVAL));
    }

    /// Whether a new instance may be originated now (§12.4, MinLSInterval). If not, sets the timer for it.
    fn may_originate(&mut self, place: LsaPlace) -> bool {
        let now = self.now;
        let earliest = match self.originations.history.get(&place) {
            Some(last) => last.at + last.interval,
            None => self.first_hold(place),
        };
        let may = earliest <= now;
        if !may {
            self.timers.set(TimerKey::Origination(place), earliest);
        }
        may
    }

    /// The time until which a first instance is delayed; `now` or earlier if it is not.
    fn first_hold(&self, place: LsaPlace) -> Instant {
        let now = self.now;
        let (Domain::Area(area), LsaType::ROUTER) = (place.domain, place.key.kind) else { return now };
        let Some(hold) = self.originations.first_holds.get(&area) else { return now };
        if !self.config.conduct.has(Deviation::SecondInstance) {
            return now;
        }
        let mut all_full = true;
        let mut any_full = false;
        let mut forming = false;
        for interface in self.interfaces.values().filter(|interface| interface.config.area == area) {
            // A virtual link waits for the areas; the areas do not wait for it.
            if interface.config.passive || interface.is_virtual() {
                continue;
            }
            let full = interface.neighbors.values().any(|neighbor| neighbor.state == NeighborState::Full);
            all_full &= full;
            any_full |= full;
            forming |= interface.neighbors.values().any(|neighbor| neighbor.is_forming());
        }
        if all_full {
            // No further adjacency is expected.
            return now;
        }
        match hold.limit {
            Some(limit) if !any_full => limit,
            Some(limit) if forming => hold.until.max((now + FIRST_HOLD_STEP).min(limit)),
            Some(_) | None => hold.until,
        }
    }
}
