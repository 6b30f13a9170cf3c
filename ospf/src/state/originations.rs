//! This router's own LSAs: what is wanted, what was originated, and when the next instance may come (RFC 2328 §12.4, MinLSInterval).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::ids::{AreaId, Domain, LinkStateId, LsaKey, LsaPlace, LsaType, Prefix, RouterId, SequenceNumber};
use crate::state::dismantle::Dismantle;
use crate::time::Instant;
use crate::wire::{LsaBody, LsaHeader, MIN_LS_ARRIVAL, Options, RouterFlags};

/// How far the second instance keeps from the first: receivers drop what comes within MinLSArrival, and the network is not punctual.
///
/// Deviates: §12.4 wants MinLSInterval between any two. That is kept as the limit for an LSA that goes on changing: from here the
/// interval doubles up to it, and starts over after a quiet time of two of them. A second change is told in one second, not five.
pub(crate) const SECOND_INSTANCE: Duration = MIN_LS_ARRIVAL.saturating_add(Duration::from_millis(200));

/// An LSA is refreshed up to this much before LSRefreshTime, so that not all are at once.
pub(crate) const REFRESH_JITTER: Duration = Duration::from_secs(180);

/// The first Router-LSA of an area waits this long after an interface came up, for further neighbours to answer.
pub(crate) const FIRST_HOLD: Duration = Duration::from_millis(250);

/// It waits on for adjacencies that are being formed, looking again after this.
pub(crate) const FIRST_HOLD_STEP: Duration = Duration::from_millis(50);

/// But not longer than this after the first interface came up, or after the start if none does. It is also how long it waits while there
/// is no adjacency to tell it to: neighbours that do not answer a hello at once may say theirs every second.
pub(crate) const FIRST_HOLD_LIMIT: Duration = Duration::from_millis(1200);

/// Withdrawn LSAs whose sequence numbers are remembered, besides as many as there are LSAs.
pub(crate) const WITHDRAWN_MEMORY: usize = 64;

/// What this router originates, and when it last did.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct Originations {
    pub(crate) wanted: BTreeMap<LsaPlace, Wanted>,
    pub(crate) history: BTreeMap<LsaPlace, History>,
    /// Sequence numbers of LSAs that others hold in our name, to be outbid or, if we want to say nothing any more, flushed (§13.4).
    pub(crate) outbid: BTreeMap<LsaPlace, SequenceNumber>,
    /// Places where wanted and stored may differ.
    pub(crate) touched: BTreeSet<LsaPlace>,
    /// Those of which nothing may be originated or flushed within a restart of ours: they are compared at its end.
    pub(crate) withheld: BTreeSet<LsaPlace>,
    /// Places that are not wanted any more and have left the database, in that order: their history is kept for a while.
    withdrawn: VecDeque<LsaPlace>,
    /// Areas whose Router-LSA may have other contents by now.
    pub(crate) changed_areas: BTreeSet<AreaId>,
    pub(crate) first_holds: BTreeMap<AreaId, FirstHold>,
    /// Flags of our Router-LSAs as they were said last.
    pub(crate) flags: BTreeMap<AreaId, RouterFlags>,
    /// Destinations outside that no LSA can be had for in a domain.
    unplaced: BTreeSet<(Domain, Prefix)>,
    pub(crate) state: State,
}

/// Whether this router originates anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub(crate) enum State {
    #[default]
    Open,
    /// What there is of ours is flushed, and nothing is wanted any more.
    Closed,
}

/// What an LSA is to say.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Wanted {
    pub(crate) options: Options,
    pub(crate) body: LsaBody,
}

/// Our last origination of an LSA.
#[derive(Debug, Clone, Hash)]
pub(crate) struct History {
    pub(crate) at: Instant,
    /// How long the next has to wait after it.
    pub(crate) interval: Duration,
    pub(crate) sequence: SequenceNumber,
    pub(crate) checksum: u16,
    /// Whether another instance is due whatever this one says.
    pub(crate) stale: Staleness,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Staleness {
    Fresh,
    /// LSRefreshTime has come.
    Due,
}

/// The first Router-LSA of an area is held back, so that it lists the adjacencies of the start at once.
#[derive(Debug, Clone, Hash)]
pub(crate) struct FirstHold {
    pub(crate) until: Instant,
    /// `None` until an interface has come up.
    pub(crate) limit: Option<Instant>,
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
    pub(crate) fn withdraw(&mut self, place: LsaPlace) {
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
    pub(crate) fn is_idle(&self) -> bool {
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

    pub(crate) fn is_due(&self, place: LsaPlace) -> bool {
        self.history.get(&place).is_some_and(|last| last.stale == Staleness::Due)
    }

    /// An LSA that is not wanted has left the database. Its history is kept for a while: if it is wanted again, others may still hold
    /// its last instance at MaxAge, and only a higher sequence number is news to them.
    pub(crate) fn withdrawn(&mut self, place: LsaPlace) {
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
