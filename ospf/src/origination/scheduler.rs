//! Origination (RFC 2328 §12.4): what this router wants to say is held against what the database says in its name, and put right.
//!
//! One rule serves first origination, change, refresh, withdrawal, the wrap of sequence numbers (§12.1.6) and instances of ours that
//! come back from the network (§13.4). What an LSA contains is not decided here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::config::Deviation;
use crate::state::databases::{Domain, LsaPlace};
use crate::debris::Dismantle;
use crate::engine::Engine;
use crate::event::{Event, NeighborState};
use crate::ids::{AreaId, LinkStateId, LsaKey, LsaType, Prefix, RouterId, SequenceNumber};
use crate::time::Instant;
use crate::state::timers::TimerKey;
use crate::wire::{LS_REFRESH_TIME, Lsa, LsaBody, LsaHeader, MIN_LS_ARRIVAL, MIN_LS_INTERVAL, Options, RouterFlags};
use crate::work::Unit;

/// How far the second instance keeps from the first: receivers drop what comes within MinLSArrival, and the network is not punctual.
///
/// Deviates: §12.4 wants MinLSInterval between any two. That is kept as the limit for an LSA that goes on changing: from here the
/// interval doubles up to it, and starts over after a quiet time of two of them. A second change is told in one second, not five.
const SECOND_INSTANCE: Duration = MIN_LS_ARRIVAL.saturating_add(Duration::from_millis(200));

/// An LSA is refreshed up to this much before LSRefreshTime, so that not all are at once.
const REFRESH_JITTER: Duration = Duration::from_secs(180);

/// The first Router-LSA of an area waits this long after an interface came up, for further neighbours to answer.
const FIRST_HOLD: Duration = Duration::from_millis(250);

/// It waits on for adjacencies that are being formed, looking again after this.
const FIRST_HOLD_STEP: Duration = Duration::from_millis(50);

/// But not longer than this after the first interface came up, or after the start if none does. It is also how long it waits while there
/// is no adjacency to tell it to: neighbours that do not answer a hello at once may say theirs every second.
const FIRST_HOLD_LIMIT: Duration = Duration::from_millis(1200);

/// Withdrawn LSAs whose sequence numbers are remembered, besides as many as there are LSAs.
const WITHDRAWN_MEMORY: usize = 64;

/// What this router originates, and when it last did.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct Originations {
    wanted: BTreeMap<LsaPlace, Wanted>,
    history: BTreeMap<LsaPlace, History>,
    /// Sequence numbers of LSAs that others hold in our name, to be outbid or, if we want to say nothing any more, flushed (§13.4).
    outbid: BTreeMap<LsaPlace, SequenceNumber>,
    /// Places where wanted and stored may differ.
    touched: BTreeSet<LsaPlace>,
    /// Those of which nothing may be originated or flushed within a restart of ours: they are compared at its end.
    withheld: BTreeSet<LsaPlace>,
    /// Places that are not wanted any more and have left the database, in that order: their history is kept for a while.
    withdrawn: VecDeque<LsaPlace>,
    /// Areas whose Router-LSA may have other contents by now.
    changed_areas: BTreeSet<AreaId>,
    first_holds: BTreeMap<AreaId, FirstHold>,
    /// Flags of our Router-LSAs as they were said last.
    flags: BTreeMap<AreaId, RouterFlags>,
    /// Destinations outside that no LSA can be had for in a domain.
    unplaced: BTreeSet<(Domain, Prefix)>,
    state: State,
}

/// Whether this router originates anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
enum State {
    #[default]
    Open,
    /// What there is of ours is flushed, and nothing is wanted any more.
    Closed,
}

/// What an LSA is to say.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Wanted {
    options: Options,
    body: LsaBody,
}

/// Our last origination of an LSA.
#[derive(Debug, Clone, Hash)]
struct History {
    at: Instant,
    /// How long the next has to wait after it.
    interval: Duration,
    sequence: SequenceNumber,
    checksum: u16,
    /// Whether another instance is due whatever this one says.
    stale: Staleness,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Staleness {
    Fresh,
    /// LSRefreshTime has come.
    Due,
}

/// The first Router-LSA of an area is held back, so that it lists the adjacencies of the start at once.
#[derive(Debug, Clone, Hash)]
struct FirstHold {
    until: Instant,
    /// `None` until an interface has come up.
    limit: Option<Instant>,
}

impl Originations {
    /// Has an LSA say this from now on.
    pub(crate) fn want(&mut self, place: LsaPlace, options: Options, body: LsaBody) {
        if self.state == State::Closed {
            return;
        }
        let wanted = Wanted { options, body };
        if self.wanted.get(&place) != Some(&wanted) {
            self.wanted.insert(place, wanted);
            self.touched.insert(place);
        }
    }

    /// Has an LSA withdrawn, also from those who hold a newer instance of it than we have.
    pub(crate) fn unwant(&mut self, place: LsaPlace) {
        if self.wanted.remove(&place).is_some() {
            self.touched.insert(place);
        }
    }

    /// The LSAs of a type and domain that are to be originated.
    pub(crate) fn wanted_of(&self, domain: Domain, kind: LsaType) -> impl Iterator<Item = LsaPlace> {
        self.wanted_between(domain, kind, [LinkStateId(u32::MIN), LinkStateId(u32::MAX)]).map(|(place, _)| place)
    }

    /// The networks that LSAs of a type and domain are to be originated for, with their Link State IDs: those with Link State IDs in a
    /// range, in the order of these.
    pub(crate) fn networks(
        &self,
        domain: Domain,
        kind: LsaType,
        ids: [LinkStateId; 2],
    ) -> impl Iterator<Item = (Prefix, LinkStateId)> {
        let wanted = self.wanted_between(domain, kind, ids);
        wanted.filter_map(|(place, wanted)| Some((wanted.body.network(place.key)?, place.key.id)))
    }

    /// The network that an LSA is to be originated for, and what it is to say.
    pub(crate) fn wanted_network(&self, place: LsaPlace) -> Option<(Prefix, Options, LsaBody)> {
        let wanted = self.wanted.get(&place)?;
        Some((wanted.body.network(place.key)?, wanted.options, wanted.body.clone()))
    }

    fn wanted_between(
        &self,
        domain: Domain,
        kind: LsaType,
        ids: [LinkStateId; 2],
    ) -> impl Iterator<Item = (LsaPlace, &Wanted)> {
        let [first, last] = ids;
        let [first, last] = [(first, u32::MIN), (last, u32::MAX)]
            .map(|(id, router)| LsaPlace { domain, key: LsaKey { kind, id, advertising_router: RouterId(router) } });
        self.wanted.range(first..=last).map(|(&place, wanted)| (place, wanted))
    }

    /// Notes that no LSA can be had for a destination outside in a domain, or that one can; whether it is news that there is none.
    pub(crate) fn note_unplaced(&mut self, domain: Domain, prefix: Prefix, is_unplaced: bool) -> bool {
        if !is_unplaced {
            self.unplaced.remove(&(domain, prefix));
            return false;
        }
        let known = self.unplaced.iter().any(|&(_, known)| known == prefix);
        self.unplaced.insert((domain, prefix)) && !known
    }

    /// The destinations outside that no LSA can be had for in a domain.
    pub(crate) fn unplaced(&self, domain: Domain) -> impl Iterator<Item = Prefix> {
        self.unplaced.iter().filter(move |(of, _)| *of == domain).map(|&(_, prefix)| prefix)
    }

    /// All LSAs that are to be originated.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = LsaPlace> {
        self.wanted.keys().copied()
    }

    /// Whether an LSA is to be originated.
    pub(crate) fn is_wanted(&self, place: LsaPlace) -> bool {
        self.wanted.contains_key(&place)
    }

    /// Whether nothing is left to be compared.
    pub(crate) fn is_settled(&self) -> bool {
        self.touched.is_empty() && self.changed_areas.is_empty()
    }

    /// Whether wanted and stored will be compared.
    pub(crate) fn is_touched(&self, place: LsaPlace) -> bool {
        self.touched.contains(&place) || self.withheld.contains(&place)
    }

    /// Wanted and stored may differ: they will be compared.
    pub(crate) fn touch(&mut self, place: LsaPlace) {
        self.touched.insert(place);
    }

    /// Others hold an instance with this sequence number: the next of ours is newer (§13.4).
    pub(crate) fn outbid(&mut self, place: LsaPlace, sequence: SequenceNumber) {
        debug_assert!(self.wanted.contains_key(&place) && sequence.next().is_some());
        let highest = self.outbid.entry(place).or_insert(sequence);
        *highest = (*highest).max(sequence);
        self.touched.insert(place);
    }

    /// The database of a domain was emptied: all of ours there will be originated again.
    pub(crate) fn touch_domain(&mut self, domain: Domain) {
        let first = LsaPlace { domain, key: LsaKey::FIRST };
        let of_domain = self.wanted.range(first..).take_while(|(place, _)| place.domain == domain);
        self.touched.extend(of_domain.map(|(&place, _)| place));
    }

    /// Has all LSAs of a domain withdrawn.
    pub(crate) fn withdraw_domain(&mut self, domain: Domain) {
        self.touch_domain(domain);
        self.wanted.retain(|place, _| place.domain != domain);
        self.outbid.retain(|place, _| place.domain != domain);
    }

    /// A restart of ours is over: what was withheld will be compared.
    pub(crate) fn release(&mut self) {
        self.touched.append(&mut self.withheld);
    }

    /// Nothing is originated any more, and everything of ours is flushed: also what is not wanted already, but had to wait for MinLSInterval,
    /// and what others hold that was to be outbid.
    pub(crate) fn close(&mut self) {
        self.state = State::Closed;
        self.touched.extend(std::mem::take(&mut self.wanted).into_keys());
        self.touched.extend(self.history.keys().chain(self.outbid.keys()).copied());
        self.release();
    }

    /// LSRefreshTime has come (§12.4, event 1): a new instance is due though nothing has changed.
    pub(crate) fn refresh(&mut self, place: LsaPlace) {
        if let Some(history) = self.history.get_mut(&place) {
            history.stale = Staleness::Due;
        }
        self.touched.insert(place);
    }

    /// Whether this is the instance that we originated last (§13.4: "newer than the last instance that the router actually originated").
    pub(crate) fn is_ours(&self, place: LsaPlace, header: &LsaHeader) -> bool {
        self.history
            .get(&place)
            .is_some_and(|last| (last.sequence, last.checksum) == (header.sequence, header.checksum))
    }

    fn is_due(&self, place: LsaPlace) -> bool {
        self.history.get(&place).is_some_and(|last| last.stale == Staleness::Due)
    }

    /// An LSA that is not wanted has left the database. Its history is kept for a while: if it is wanted again, others may still hold
    /// its last instance at MaxAge, and only a higher sequence number is news to them.
    fn withdrawn(&mut self, place: LsaPlace) {
        if self.history.contains_key(&place) {
            self.withdrawn.push_back(place);
        }
        // Two for the one that was added: so it comes down to the bound if that has.
        for _ in 0..2 {
            if self.withdrawn.len() > self.wanted.len() + WITHDRAWN_MEMORY
                && let Some(oldest) = self.withdrawn.pop_front()
                && !self.wanted.contains_key(&oldest)
            {
                self.history.remove(&oldest);
            }
        }
    }

    /// An area is new: its first Router-LSA is held back.
    pub(crate) fn begin_area(&mut self, area: AreaId, now: Instant) {
        self.first_holds.insert(area, FirstHold { until: now + FIRST_HOLD_LIMIT, limit: None });
        self.changed_areas.insert(area);
    }

    /// First Router-LSAs are not held back any longer.
    pub(crate) fn end_first_holds(&mut self) {
        self.first_holds.clear();
    }

    /// A domain is not ours any more.
    pub(crate) fn forget(&mut self, domain: Domain) {
        self.wanted.retain(|place, _| place.domain != domain);
        self.outbid.retain(|place, _| place.domain != domain);
        self.history.retain(|place, _| place.domain != domain);
        self.touched.retain(|place| place.domain != domain);
        self.withheld.retain(|place| place.domain != domain);
        self.withdrawn.retain(|place| place.domain != domain);
        if let Domain::Area(area) = domain {
            self.first_holds.remove(&area);
            self.changed_areas.remove(&area);
            self.flags.remove(&area);
        }
    }
}

impl Dismantle for Originations {
    fn dismantle(&mut self) -> bool {
        let others = [self.touched.pop_last().is_some(), self.withheld.pop_last().is_some()];
        let some = [self.wanted.pop_last().is_some(), self.history.pop_last().is_some()];
        some.contains(&true) || others.contains(&true)
    }
}

impl Engine {
    /// Something that an area's Router-LSA tells of has changed (§12.4, events 3 to 8).
    pub(crate) fn router_lsa_changed(&mut self, area: AreaId) {
        self.originations.changed_areas.insert(area);
        // The way out of this router may have changed though the LSA has not.
        self.schedule_calculation();
    }

    /// An interface came up: if its area's first Router-LSA is still held back, it is so a little longer.
    pub(crate) fn hold_first_router_lsa(&mut self, area: AreaId) {
        let now = self.now;
        if let Some(hold) = self.originations.first_holds.get_mut(&area) {
            let limit = *hold.limit.get_or_insert(now + FIRST_HOLD_LIMIT);
            hold.until = (now + FIRST_HOLD).min(limit);
        }
    }

    /// Whatever is not said as it is wanted is said anew, or taken back, as long as there is something left of the slice.
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
            let Some(place) = self.originations.touched.pop_first() else { break };
            if !self.may_speak_of(place) {
                self.originations.withheld.insert(place);
            } else if self.is_self_originated(place) {
                self.put_right(place);
            }
        }
    }

    /// Has one LSA say what it is to say, before all others.
    pub(crate) fn originate_now(&mut self, place: LsaPlace) {
        if self.originations.touched.remove(&place) {
            self.put_right(place);
        }
    }

    /// What changes in one area may make this router a border router, or none, for all (§12.4, event 8).
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

    fn put_right(&mut self, place: LsaPlace) {
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
                // It is looked at again, as what is stored.
                return;
            }
            match stored {
                // §13.4: "it may be the case the router no longer wishes to originate the received LSA", and §14.1.
                Some(stored) if !stored.is_max_age() => {
                    // Until then it stays as it is, and may be wanted again.
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
        if self.is_said(place) {
            self.timers.cancel(TimerKey::Origination(place));
            if self.timers.deadline(TimerKey::Refresh(place)).is_none() {
                // It was withdrawn, and has come back from a neighbour that had not heard of that.
                self.refresh_later(place);
            }
            return;
        }
        if !self.may_originate(place) {
            return;
        }
        let outbid = self.originations.outbid.get(&place).and_then(|theirs| theirs.next());
        let sequence = match stored {
            // After the last number comes the first (§12.1.6).
            None => {
                let said = self.originations.history.get(&place).map(|last| last.sequence);
                let last = said.max(self.departed.sequence(place, now));
                let last = last.filter(|_| self.config.conduct.has(Deviation::Departed));
                last.and_then(SequenceNumber::next).unwrap_or(SequenceNumber::INITIAL)
            }
            // §13.4: "advance the LSA's LS sequence number one past the received LS sequence number".
            Some(stored) => match stored.sequence.next() {
                Some(next) => next,
                // §12.1.6: flushed first; when it is gone this is looked at again. It is the stored instance that goes, so that it does
                // not matter whose it is.
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

    /// Whether the database says what is wanted, in an instance that we made and that is not due to be made anew.
    pub(crate) fn is_said(&self, place: LsaPlace) -> bool {
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
        let Some(wanted) = self.originations.wanted.get(&place) else { return };
        let lsa = match Lsa::new(place.key, wanted.options, sequence, &wanted.body) {
            Ok(lsa) => lsa,
            Err(error) => {
                debug_assert!(false, "{}: {error}: bodies are bounded where they are made", place.key);
                self.originations.unwant(place);
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

    /// A new instance is due LSRefreshTime after the last was originated (§12.4, event 1).
    fn refresh_later(&mut self, place: LsaPlace) {
        let Some(last) = self.originations.history.get(&place).map(|last| last.at) else { return };
        let early = self.random.below(REFRESH_JITTER);
        let due = last + (LS_REFRESH_TIME - early);
        self.timers.set(TimerKey::Refresh(place), due.max(self.now + MIN_LS_INTERVAL));
    }

    /// Whether a new instance may leave now (§12.4, MinLSInterval); if not, the timer is set for when it may.
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

    /// Until when a first instance is held back; the present or the past if it is not.
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
            // A virtual link waits for the areas, not the areas for it.
            if interface.config.passive || interface.is_virtual() {
                continue;
            }
            let full = interface.neighbors.values().any(|neighbor| neighbor.state == NeighborState::Full);
            all_full &= full;
            any_full |= full;
            forming |= interface.neighbors.values().any(|neighbor| neighbor.is_forming());
        }
        if all_full {
            // There is nobody to wait for.
            return now;
        }
        match hold.limit {
            Some(limit) if !any_full => limit,
            Some(limit) if forming => hold.until.max((now + FIRST_HOLD_STEP).min(limit)),
            Some(_) | None => hold.until,
        }
    }
}
