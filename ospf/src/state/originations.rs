//! This router's own LSAs: which are wanted, which were originated, and when the next instance may follow (RFC 2328 §12.4, MinLSInterval).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::ids::{AreaId, Domain, LinkStateId, LsaKey, LsaPlace, LsaType, Prefix, RouterId, SequenceNumber};
use crate::state::dismantle::Dismantle;
use crate::time::Instant;
use crate::wire::{LsaBody, LsaHeader, MIN_LS_ARRIVAL, Options, RouterFlags};

/// The interval between the first and the second instance of an LSA. Receivers discard what arrives within MinLSArrival, and delays in the
/// network vary.
///
/// Deviates: §12.4 requires MinLSInterval between any two instances. That is the limit here for an LSA that keeps changing: the interval
/// doubles from this value up to it, and starts over after a quiet time of two of them. A second change is advertised within one second,
/// not five.
pub(crate) const SECOND_INSTANCE: Duration = MIN_LS_ARRIVAL.saturating_add(Duration::from_millis(200));

/// An LSA is refreshed up to this much before LSRefreshTime, so that not all are refreshed at once.
pub(crate) const REFRESH_JITTER: Duration = Duration::from_secs(180);

/// The first Router-LSA of an area waits this long after an interface came up, so that further neighbours can answer.
pub(crate) const FIRST_HOLD: Duration = Duration::from_millis(250);

/// The first Router-LSA waits longer while adjacencies are being formed, and checks again after this interval.
pub(crate) const FIRST_HOLD_STEP: Duration = Duration::from_millis(50);

/// The longest time that the first Router-LSA waits after the first interface came up, or after the start if none comes up. It also waits
/// this long while there is no adjacency over which to flood it: neighbours that do not answer a hello at once may send theirs every
/// second.
pub(crate) const FIRST_HOLD_LIMIT: Duration = Duration::from_millis(1200);

/// Withdrawn LSAs whose sequence numbers are remembered, in addition to as many as there are wanted LSAs.
pub(crate) const WITHDRAWN_MEMORY: usize = 64;

/// The LSAs that this router originates, and when it last did so.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct Originations {
    pub(crate) wanted: BTreeMap<LsaPlace, Wanted>,
    pub(crate) history: BTreeMap<LsaPlace, History>,
    /// Sequence numbers of our LSAs that other routers hold. The next instance must be newer; if the LSA is no longer wanted, theirs is
    /// flushed (§13.4).
    pub(crate) outbid: BTreeMap<LsaPlace, SequenceNumber>,
    /// LSAs whose wanted and stored instances may differ.
    pub(crate) touched: BTreeSet<LsaPlace>,
    /// LSAs that may not be originated or flushed during a restart of this router; they are compared at its end.
    pub(crate) withheld: BTreeSet<LsaPlace>,
    /// LSAs that are no longer wanted and have left the database, in that order. Their history is kept for a while.
    withdrawn: VecDeque<LsaPlace>,
    /// Areas whose Router-LSA may have changed contents.
    pub(crate) changed_areas: BTreeSet<AreaId>,
    pub(crate) first_holds: BTreeMap<AreaId, FirstHold>,
    /// Flags of our Router-LSAs as last determined.
    pub(crate) flags: BTreeMap<AreaId, RouterFlags>,
    /// Destinations outside the AS for which no Link State ID is free in a domain (appendix E).
    unplaced: BTreeSet<(Domain, Prefix)>,
    pub(crate) state: State,
}

/// Whether this router originates LSAs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub(crate) enum State {
    #[default]
    Open,
    /// No LSA is wanted any more, and all of ours are flushed.
    Closed,
}

/// The wanted contents of an LSA.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Wanted {
    pub(crate) options: Options,
    pub(crate) body: LsaBody,
}

/// Our last origination of an LSA.
#[derive(Debug, Clone, Hash)]
pub(crate) struct History {
    pub(crate) at: Instant,
    /// The shortest interval until the next origination.
    pub(crate) interval: Duration,
    pub(crate) sequence: SequenceNumber,
    pub(crate) checksum: u16,
    /// Whether another instance is due even if the contents are the same.
    pub(crate) stale: Staleness,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Staleness {
    Fresh,
    /// LSRefreshTime has passed.
    Due,
}

/// The first Router-LSA of an area is held back, so that its first instance lists all adjacencies of the start.
#[derive(Debug, Clone, Hash)]
pub(crate) struct FirstHold {
    pub(crate) until: Instant,
    /// `None` until an interface has come up.
    pub(crate) limit: Option<Instant>,
}

impl Originations {
    /// Sets the contents that an LSA is to have from now on.
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

    /// Withdraws an LSA, also from routers that hold a newer instance than we do.
    pub(crate) fn withdraw(&mut self, place: LsaPlace) {
        if self.wanted.remove(&place).is_some() {
            self.touched.insert(place);
        }
    }

    /// The wanted LSAs of a type in a domain.
    pub(crate) fn wanted_of(&self, domain: Domain, kind: LsaType) -> impl Iterator<Item = LsaPlace> {
        self.wanted_between(domain, kind, [LinkStateId(u32::MIN), LinkStateId(u32::MAX)]).map(|(place, _)| place)
    }

    /// The networks of the wanted LSAs of a type in a domain, with their Link State IDs: those with Link State IDs in the range `ids`, in
    /// ascending order.
    pub(crate) fn networks(
        &self,
        domain: Domain,
        kind: LsaType,
        ids: [LinkStateId; 2],
    ) -> impl Iterator<Item = (Prefix, LinkStateId)> {
        let wanted = self.wanted_between(domain, kind, ids);
        wanted.filter_map(|(place, wanted)| Some((wanted.body.network(place.key)?, place.key.id)))
    }

    /// The network of a wanted LSA, and its wanted contents.
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

    /// Notes whether no LSA can be originated for a destination outside the AS in a domain. Returns whether this is new for the
    /// destination.
    pub(crate) fn note_unplaced(&mut self, domain: Domain, prefix: Prefix, is_unplaced: bool) -> bool {
        if !is_unplaced {
            self.unplaced.remove(&(domain, prefix));
            return false;
        }
        let known = self.unplaced.iter().any(|&(_, known)| known == prefix);
        self.unplaced.insert((domain, prefix)) && !known
    }

    /// The destinations outside the AS for which no LSA can be originated in a domain.
    pub(crate) fn unplaced(&self, domain: Domain) -> impl Iterator<Item = Prefix> {
        self.unplaced.iter().filter(move |(of, _)| *of == domain).map(|&(_, prefix)| prefix)
    }

    /// All wanted LSAs.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = LsaPlace> {
        self.wanted.keys().copied()
    }

    /// Whether an LSA is wanted.
    pub(crate) fn is_wanted(&self, place: LsaPlace) -> bool {
        self.wanted.contains_key(&place)
    }

    /// Whether nothing is left to be compared.
    pub(crate) fn is_idle(&self) -> bool {
        self.touched.is_empty() && self.changed_areas.is_empty()
    }

    /// Whether the wanted and the stored instance will be compared.
    pub(crate) fn is_touched(&self, place: LsaPlace) -> bool {
        self.touched.contains(&place) || self.withheld.contains(&place)
    }

    /// Notes that the wanted and the stored instance may differ, so that they are compared.
    pub(crate) fn touch(&mut self, place: LsaPlace) {
        self.touched.insert(place);
    }

    /// Notes that other routers hold an instance with this sequence number, so that our next one is newer (§13.4).
    pub(crate) fn outbid(&mut self, place: LsaPlace, sequence: SequenceNumber) {
        debug_assert!(self.wanted.contains_key(&place) && sequence.next().is_some());
        let highest = self.outbid.entry(place).or_insert(sequence);
        *highest = (*highest).max(sequence);
        self.touched.insert(place);
    }

    /// Has all our LSAs of a domain originated again, because its database was emptied.
    pub(crate) fn touch_domain(&mut self, domain: Domain) {
        let first = LsaPlace { domain, key: LsaKey::FIRST };
        let of_domain = self.wanted.range(first..).take_while(|(place, _)| place.domain == domain);
        self.touched.extend(of_domain.map(|(&place, _)| place));
    }

    /// Withdraws all LSAs of a domain.
    pub(crate) fn withdraw_domain(&mut self, domain: Domain) {
        self.touch_domain(domain);
        self.wanted.retain(|place, _| place.domain != domain);
        self.outbid.retain(|place, _| place.domain != domain);
    }

    /// Has the withheld LSAs compared, because a restart of this router has ended.
    pub(crate) fn release(&mut self) {
        self.touched.append(&mut self.withheld);
    }

    /// Stops all origination and flushes all our LSAs. These include LSAs that are no longer wanted but had to wait for MinLSInterval, and
    /// instances that other routers hold and that were to be outbid.
    pub(crate) fn close(&mut self) {
        self.state = State::Closed;
        self.touched.extend(std::mem::take(&mut self.wanted).into_keys());
        self.touched.extend(self.history.keys().chain(self.outbid.keys()).copied());
        self.release();
    }

    /// Has a new instance originated because LSRefreshTime has passed (§12.4, event 1), even if the contents are the same.
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

    /// Notes that an LSA that is not wanted has left the database. Its history is kept for a while: if it is wanted again, other routers
    /// may still hold its last instance at MaxAge, and accept only a higher sequence number as newer.
    pub(crate) fn withdrawn(&mut self, place: LsaPlace) {
        if self.history.contains_key(&place) {
            self.withdrawn.push_back(place);
        }
        // One LSA was added, and up to two are removed, so that the queue shrinks to the bound after the bound has become smaller.
        for _ in 0..2 {
            if self.withdrawn.len() > self.wanted.len() + WITHDRAWN_MEMORY
                && let Some(oldest) = self.withdrawn.pop_front()
                && !self.wanted.contains_key(&oldest)
            {
                self.history.remove(&oldest);
            }
        }
    }

    /// Holds back the first Router-LSA of a new area.
    pub(crate) fn begin_area(&mut self, area: AreaId, now: Instant) {
        self.first_holds.insert(area, FirstHold { until: now + FIRST_HOLD_LIMIT, limit: None });
        self.changed_areas.insert(area);
    }

    /// Stops holding back first Router-LSAs.
    pub(crate) fn end_first_holds(&mut self) {
        self.first_holds.clear();
    }

    /// Forgets a domain that this router no longer belongs to.
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
