//! The neighbour data structure (RFC 2328 §10) and its three lists. Data only: the chapters around it decide what to do with it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::authentication::Accepted;
use crate::ids::{Domain, LsaKey, LsaPlace, LsaType, NeighborId, RouterId};
use crate::machine::dr_election::{Candidate, Designated};
use crate::machine::neighbor::NeighborState;
use crate::state::answers::Answers;
use crate::state::findings::Findings;
use crate::state::restart::Helping;
use crate::time::Instant;
use crate::wire::{DatabaseDescription, DdFlags, LsaHeader, MIN_LS_ARRIVAL, Options};

/// No packet is under way for longer.
pub(crate) const LONGEST_UNDER_WAY: Duration = Duration::from_secs(10);

/// So long an LSA is doubted that neither the neighbour originates nor takes away: what routers that start flood is echoed as long, which in a
/// sparse network is as much again.
const SECOND_HAND: Duration = Duration::from_secs(2);

/// So long after the roles were settled a Database Description with the I-bit may be one that was overtaken; less than RxmtInterval, after
/// which a neighbour that means it says so again.
const OVERTAKEN: Duration = Duration::from_secs(1);

/// A neighbour counts its DD sequence numbers on from negotiation to negotiation; packets of so many before may still be under way.
const EARLIER_NEGOTIATIONS: u32 = 16;

/// The interval between retransmissions of an LSA doubles up to 2³ times RxmtInterval (RFC 4222 §2, recommendation 2: Rmax is 8 Rmin).
const MOST_DOUBLINGS: u32 = 3;

/// A neighbour on one interface.
#[derive(Debug, Clone, Hash)]
pub(crate) struct Neighbor {
    pub(crate) id: NeighborId,
    /// As its last packet said; 0.0.0.0 while nothing has been heard.
    pub(crate) router_id: RouterId,
    /// Source address of its last hello.
    pub(crate) address: Ipv4Addr,
    pub(crate) state: NeighborState,
    /// When `state` was entered.
    pub(crate) since: Instant,
    /// Router Priority of its last hello; before the first the configured one.
    pub(crate) priority: u8,
    /// Whom its last hello named as designated router and backup.
    pub(crate) declared: Designated,
    /// Options: of its last hello, and from ExStart on of its Database Descriptions.
    pub(crate) options: Options,
    /// When its last hello came.
    pub(crate) heard: Instant,
    pub(crate) exchange: Exchange,
    pub(crate) requests: RequestList,
    pub(crate) retransmission: RetransmissionList,
    /// What it requested and has not been sent yet (§10.7).
    pub(crate) replies: BTreeSet<LsaPlace>,
    /// Database Descriptions that it was sent at once.
    pub(crate) description_answers: Answers,
    /// Hellos that it was sent at once, where it is sent its own.
    pub(crate) hello_answers: Answers,
    /// What it was sent within MinLSArrival.
    pub(crate) recent: RecentlySent,
    /// LSAs of guards were refused that it sent or described ([`crate::flooding::site_lsas`]).
    pub(crate) site_lsas_refused: bool,
    /// Something that it described was not taken for want of room.
    pub(crate) abandoned: bool,
    /// Cryptographic sequence numbers of its packets (§D.4.3).
    pub(crate) accepted: Accepted,
    /// While it restarts and is taken for fully adjacent (RFC 3623 §3).
    pub(crate) helping: Option<Helping>,
}

impl Neighbor {
    /// A neighbour nothing has been heard of yet; `dd_sequence` is the number before its first DD sequence number.
    pub(crate) fn new(id: NeighborId, address: Ipv4Addr, dd_sequence: u32, now: Instant) -> Self {
        Self {
            id,
            router_id: RouterId::default(),
            address,
            state: NeighborState::Down,
            since: now,
            priority: 0,
            declared: Designated::default(),
            options: Options::default(),
            heard: now,
            exchange: Exchange { sequence: dd_sequence, ..Exchange::default() },
            requests: RequestList::default(),
            retransmission: RetransmissionList::default(),
            replies: BTreeSet::new(),
            description_answers: Answers::default(),
            hello_answers: Answers::default(),
            recent: RecentlySent::default(),
            site_lsas_refused: false,
            abandoned: false,
            accepted: Accepted::default(),
            helping: None,
        }
    }

    /// Whether databases are being brought in step: state Exchange or Loading (§13 (4), §14).
    pub(crate) fn is_synchronizing(&self) -> bool {
        matches!(self.state, NeighborState::Exchange | NeighborState::Loading)
    }

    /// Whether an adjacency is on its way: from hearing the neighbour to just before Full.
    pub(crate) fn is_forming(&self) -> bool {
        match self.state {
            NeighborState::Init | NeighborState::ExStart | NeighborState::Exchange | NeighborState::Loading => true,
            // In 2-Way a neighbour may stay for good (§10.4).
            NeighborState::Down | NeighborState::Attempt | NeighborState::TwoWay | NeighborState::Full => false,
        }
    }

    /// What the election of a designated router sees of it (§9.4).
    pub(crate) fn candidate(&self) -> Candidate {
        Candidate { router_id: self.router_id, address: self.address, priority: self.priority, declared: self.declared }
    }

    /// Whether it is sent LSAs of a type: opaque ones only if it is opaque-capable (RFC 5250 §3.1).
    pub(crate) fn takes(&self, kind: LsaType) -> bool {
        !kind.is_opaque() || self.options.contains(Options::O)
    }

    /// Whether an instance may be taken back now that it sent (§13.4); if so, that is noted as something that it was sent.
    pub(crate) fn may_take_back(&mut self, key: LsaKey, now: Instant) -> bool {
        let may = self.recent.when(key, now).is_none();
        if may {
            self.recent.note(key, now);
        }
        may
    }

    /// Whether an instance that the neighbour floods may be one that it sent before it restarted, and does not know of.
    ///
    /// A router that restarts has no memory: not of its sequence numbers, nor of what others have originated. If its database and ours are
    /// the same when it has ended the exchange, and a packet from before its restart arrives only then, with an instance that has a higher
    /// sequence number or MaxAge, that replaces the LSA here and nowhere else: for §13.7 our acknowledgement of it means nothing to the
    /// neighbour. So that the databases do not differ for LSRefreshTime, what was not asked for is doubted while such a packet may be under
    /// way, from the beginning of the exchange on for [`LONGEST_UNDER_WAY`] if it is the neighbour's own or takes an LSA away. Any other is
    /// unknown elsewhere only if its originator has restarted, too: for [`SECOND_HAND`]. A neighbour that did send it just now acknowledges
    /// it, another floods it, and its originator outbids it (§13.4), whether they deviate from the RFC or not.
    /// LSAs of link scope, with which a restart is announced (RFC 3623 §2), are never in the way of another instance.
    pub(crate) fn may_have_outlived(&self, place: LsaPlace, header: &LsaHeader, now: Instant) -> bool {
        let first_hand = header.is_max_age() || place.key.advertising_router == self.router_id;
        let doubted = if first_hand { LONGEST_UNDER_WAY } else { SECOND_HAND };
        now.saturating_since(self.exchange.settled) < doubted && !matches!(place.domain, Domain::Link(_))
    }

    /// Empties all lists (§10.3); the DD sequence number stays, the next exchange goes on from it.
    pub(crate) fn clear_lists(&mut self) {
        self.exchange.summary = SummaryList::default();
        self.exchange.deferred = None;
        self.exchange.last_received = None;
        self.exchange.last_sent = None;
        self.exchange.undescribed.clear();
        self.requests = RequestList::default();
        self.retransmission = RetransmissionList::default();
        self.replies.clear();
        self.recent = RecentlySent::default();
        self.site_lsas_refused = false;
        self.abandoned = false;
    }
}

/// Who leads the exchange (§10.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub(crate) enum Role {
    /// We do; also until it is settled.
    #[default]
    Master,
    /// The neighbour does.
    Slave,
}

/// Database Description state (§10, §10.8).
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct Exchange {
    /// Our part.
    pub(crate) role: Role,
    /// DD sequence number.
    pub(crate) sequence: u32,
    /// The DD sequence number that the roles were settled with.
    pub(crate) first: u32,
    /// When they were settled.
    pub(crate) settled: Instant,
    /// The DD sequence number of the neighbour's last packet with the I-bit.
    pub(crate) init: Option<u32>,
    /// The packet that settles the roles, while the neighbour waits for its turn.
    pub(crate) deferred: Option<DatabaseDescription>,
    /// By which a duplicate is known (§10.6).
    pub(crate) last_received: Option<Received>,
    /// Our last packet, for sending again.
    pub(crate) last_sent: Option<DatabaseDescription>,
    /// Database summary list: what is still to be described.
    pub(crate) summary: SummaryList,
    /// What our answer to the packet that settled the roles listed, as far as the neighbour has not shown that it was told
    /// ([`crate::exchange::description`], `answered_first`).
    pub(crate) undescribed: BTreeMap<LsaKey, LsaHeader>,
}

/// Database summary list (§10): how far the database has been described. What comes in behind that place meanwhile is flooded to the
/// neighbour, and what comes in before it is described, too.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct SummaryList {
    pub(crate) next: SummaryNext,
    /// LSAs that are still to be described, as far as can be said.
    pub(crate) left: usize,
}

/// Where the description goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub(crate) enum SummaryNext {
    First,
    After(LsaPlace),
    #[default]
    Nothing,
}

impl SummaryList {
    /// Whether everything has been described.
    pub(crate) fn is_empty(&self) -> bool {
        self.next == SummaryNext::Nothing
    }
}

/// What identifies a Database Description among its neighbour's (§10.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Received {
    pub(crate) flags: DdFlags,
    pub(crate) options: Options,
    pub(crate) sequence: u32,
}

impl Exchange {
    /// The neighbour lists or acknowledges an instance.
    pub(crate) fn neighbor_has(&mut self, instance: &LsaHeader) {
        if self.undescribed.get(&instance.key).is_some_and(|ours| !ours.newer_than(instance)) {
            self.undescribed.remove(&instance.key);
        }
    }

    /// Whether a packet, neither the next nor the last one again, is one of before that was overtaken or came twice.
    ///
    /// Deviates: for §10.6 each of these is a SeqNumberMismatch. To ignore one cannot hold up the neighbour, whatever its state:
    /// - Without the I-bit, numbers of this exchange that it has been through are of packets that were answered. Whoever begins another
    ///   exchange says so with the I-bit first, and goes on from higher numbers (§10.3) or, having forgotten all, from random ones.
    ///   A slave with which a copy of an old packet of ours has done that is found out (`has_lost_its_place` in [`crate::exchange::description`]).
    /// - With the I-bit it is ignored if its number is that of such a packet that came before, or could be of one before that, and for a
    ///   moment only: the neighbour repeats it until its roles are settled ([`OVERTAKEN`]).
    ///   Should a copy of an old packet of ours have settled them meanwhile, it is the slave, and does not wait for us for ever
    ///   (§10.8 in [`crate::exchange::description`]).
    pub(crate) fn is_stale(&self, packet: &DatabaseDescription, now: Instant) -> bool {
        let (number, reached) = (packet.sequence.wrapping_sub(self.first), self.sequence.wrapping_sub(self.first));
        if packet.flags.init {
            // Both count on from the master's numbers: this one was chosen after the roles were settled.
            let is_later = (1..=reached.saturating_add(2)).contains(&number);
            // Whoever has forgotten everything begins with another number, and need not wait.
            let is_known = self.init.is_none_or(|init| is_of_before(packet.sequence, init));
            return !is_later && is_known && now.saturating_since(self.settled) < OVERTAKEN;
        }
        number < reached && packet.flags.master == (self.role == Role::Slave)
    }

    /// Notes the number of a packet with the I-bit, unless it is one of an earlier negotiation.
    pub(crate) fn note_init(&mut self, sequence: u32) {
        if self.init.is_none_or(|init| !is_of_before(sequence, init)) {
            self.init = Some(sequence);
        }
    }
}

/// Whether a DD sequence number is `latest`, or could be that of one of the neighbour's negotiations shortly before.
fn is_of_before(sequence: u32, latest: u32) -> bool {
    latest.wrapping_sub(sequence) <= EARLIER_NEGOTIATIONS
}

impl From<&DatabaseDescription> for Received {
    fn from(packet: &DatabaseDescription) -> Self {
        Self { flags: packet.flags, options: packet.options, sequence: packet.sequence }
    }
}

/// Link state request list (§10): what the neighbour has newer, as it described it.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct RequestList {
    wanted: BTreeMap<LsaKey, LsaHeader>,
    /// Those of `wanted` that the last request asked for.
    outstanding: BTreeSet<LsaKey>,
}

impl RequestList {
    pub(crate) fn add(&mut self, header: LsaHeader) {
        self.wanted.insert(header.key, header);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.wanted.len()
    }

    /// The instance that the neighbour described.
    pub(crate) fn header(&self, key: LsaKey) -> Option<&LsaHeader> {
        self.wanted.get(&key)
    }

    pub(crate) fn wanted(&self) -> impl Iterator<Item = &LsaHeader> {
        self.wanted.values()
    }

    /// Takes an LSA off the list.
    pub(crate) fn remove(&mut self, key: LsaKey) {
        self.wanted.remove(&key);
        self.outstanding.remove(&key);
    }

    /// Whether the answer to a request is still awaited.
    pub(crate) fn is_awaiting(&self) -> bool {
        !self.outstanding.is_empty()
    }

    /// Notes what a request asked for.
    pub(crate) fn asked(&mut self, keys: &[LsaKey]) {
        debug_assert!(keys.iter().all(|key| self.wanted.contains_key(key)), "only what is wanted is asked for");
        self.outstanding = keys.iter().copied().collect();
    }
}

/// Link state retransmission list (§10, §13.6): what was flooded to the neighbour and is not acknowledged.
///
/// Each entry is the instance in the database: a newer one replaces it in both (§13 (5)(c)).
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct RetransmissionList {
    entries: BTreeMap<LsaKey, Pending>,
    /// Those of `entries` that have not been sent yet.
    unsent: BTreeSet<LsaKey>,
    /// The others, by when they are sent again.
    retries: BTreeSet<(Instant, LsaKey)>,
    /// Those that were sent again.
    put_off: BTreeSet<LsaKey>,
    /// Octets of those that have.
    in_flight: usize,
    /// What is off the list, but may have been acknowledged before this router and its neighbour restarted.
    unproven: BTreeSet<LsaKey>,
    /// When that is listed again. No acknowledgement of before arrives then.
    proof: Option<Instant>,
    /// Whether the neighbour keeps up.
    pub(crate) pace: Pace,
}

/// Whether a neighbour acknowledges in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub(crate) enum Pace {
    /// It does.
    #[default]
    Keeping,
    /// Something was sent again, and nothing was acknowledged since: others on its network are not made to wait for it.
    Lagging,
}

#[derive(Debug, Clone, Copy, Hash)]
struct Pending {
    octets: usize,
    /// When it is sent again; `None` = it has not been sent yet.
    retry: Option<Instant>,
    /// How often it was sent again.
    again: u32,
    /// The neighbour sent it itself, or was told of it.
    doubted: bool,
    /// The neighbour told of an earlier instance: what it acknowledges before this it may have acknowledged before it had that one.
    proof: Option<Instant>,
}

impl RetransmissionList {
    /// Lists an LSA that is to be sent, in place of an older instance.
    pub(crate) fn add(&mut self, key: LsaKey, octets: usize) {
        self.remove(key);
        self.unproven.remove(&key);
        self.entries.insert(key, Pending { octets, retry: None, again: 0, doubted: false, proof: None });
        self.unsent.insert(key);
    }

    /// Takes an LSA off that will be listed again at `proof`; whether it was listed.
    pub(crate) fn remove_until(&mut self, key: LsaKey, proof: Instant) -> bool {
        let was_listed = self.remove(key);
        if was_listed {
            self.unproven.insert(key);
            self.proof = Some(proof);
        }
        was_listed
    }

    /// When something is listed again that was taken off.
    pub(crate) fn proof(&self) -> Option<Instant> {
        self.proof
    }

    /// What is to be listed again by `now`; it is forgotten here.
    pub(crate) fn take_unproven(&mut self, now: Instant) -> BTreeSet<LsaKey> {
        if self.proof.is_none_or(|proof| proof > now) {
            return BTreeSet::new();
        }
        self.proof = None;
        std::mem::take(&mut self.unproven)
    }

    /// What is listed is no news to the neighbour, or should not be: it sent it, now or before it restarted
    /// ([`Neighbor::may_have_outlived`]), or was told of it.
    pub(crate) fn doubt(&mut self, key: LsaKey) {
        if let Some(pending) = self.entries.get_mut(&key) {
            pending.doubted = true;
        }
    }

    /// The neighbour tells of an earlier instance of what is listed: an acknowledgement proves nothing before `proof`.
    pub(crate) fn contradict(&mut self, key: LsaKey, proof: Instant) {
        if let Some(pending) = self.entries.get_mut(&key) {
            pending.proof = Some(proof);
        }
    }

    /// Takes an LSA off that the neighbour acknowledges, if that proves that it has it; whether it was taken off.
    pub(crate) fn acknowledge(&mut self, key: LsaKey, now: Instant) -> bool {
        let proves = self.entries.get(&key).is_some_and(|pending| pending.proof.is_none_or(|proof| proof <= now));
        proves && self.remove(key)
    }

    /// Lists an LSA that others are expected to send: this router does if they have not by `retry`.
    pub(crate) fn await_ack(&mut self, key: LsaKey, octets: usize, retry: Instant) {
        self.add(key, octets);
        self.sent(key, retry);
    }

    /// Takes an LSA off; whether it was listed.
    pub(crate) fn remove(&mut self, key: LsaKey) -> bool {
        let Some(pending) = self.entries.remove(&key) else { return false };
        match pending.retry {
            Some(retry) => {
                self.in_flight -= pending.octets;
                self.retries.remove(&(retry, key));
                self.put_off.remove(&key);
            }
            None => {
                self.unsent.remove(&key);
            }
        }
        debug_assert!(
            !self.entries.is_empty() || self.in_flight == 0,
            "nothing is listed but {} octets",
            self.in_flight
        );
        true
    }

    pub(crate) fn contains(&self, key: LsaKey) -> bool {
        self.entries.contains_key(&key)
    }

    /// Whether an LSA is listed and has not been sent yet.
    pub(crate) fn is_unsent(&self, key: LsaKey) -> bool {
        self.unsent.contains(&key)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Octets sent and not acknowledged.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The first LSA that waits to be sent.
    pub(crate) fn next_unsent(&self) -> Option<LsaKey> {
        self.unsent.first().copied()
    }

    /// Notes that an LSA was sent, and when it is to be sent again.
    pub(crate) fn sent(&mut self, key: LsaKey, retry: Instant) {
        let Some(pending) = self.entries.get_mut(&key) else { return };
        match pending.retry.replace(retry) {
            Some(before) => _ = self.retries.remove(&(before, key)),
            None => {
                self.unsent.remove(&key);
                self.in_flight += pending.octets;
            }
        }
        self.retries.insert((retry, key));
    }

    /// Notes that an LSA was sent again. The longer it stays unacknowledged, the longer the next time is off: whoever does not keep up
    /// has no use for more (RFC 4222 §2, recommendation 2).
    pub(crate) fn sent_again(&mut self, key: LsaKey, now: Instant, interval: Duration) {
        let Some(pending) = self.entries.get_mut(&key) else { return };
        debug_assert!(pending.retry.is_some(), "what is sent again was sent before");
        pending.again = (pending.again + 1).min(MOST_DOUBLINGS);
        let retry = now + interval * 2_u32.pow(pending.again);
        if let Some(before) = pending.retry.replace(retry) {
            self.retries.remove(&(before, key));
        }
        self.retries.insert((retry, key));
        self.put_off.insert(key);
    }

    /// The neighbour acknowledges again: what was put off is not, beyond `retry`.
    pub(crate) fn hasten(&mut self, retry: Instant) {
        for key in std::mem::take(&mut self.put_off) {
            let Some(pending) = self.entries.get_mut(&key) else { continue };
            pending.again = 0;
            if let Some(before) = pending.retry.filter(|&before| before > retry) {
                pending.retry = Some(retry);
                self.retries.remove(&(before, key));
                self.retries.insert((retry, key));
            }
        }
    }

    /// What is to be sent again by `now`, the longest due first, up to so many octets and one LSA.
    pub(crate) fn due(&self, now: Instant, octets: usize) -> Vec<LsaKey> {
        let due = self.retries.iter().take_while(|(retry, _)| *retry <= now);
        let size = |key: &LsaKey| self.entries.get(key).map_or(0, |pending| pending.octets);
        let mut taken = 0;
        let keys = due.map(|&(_, key)| key);
        let fits = |key: &LsaKey| {
            let fits = taken < octets;
            taken += size(key);
            fits
        };
        keys.take_while(fits).collect()
    }

    /// What is listed, and its octets.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (LsaKey, usize)> {
        self.entries.iter().map(|(&key, pending)| (key, pending.octets))
    }

    /// What is listed that the neighbour has neither sent itself nor been told of.
    pub(crate) fn not_described(&self) -> impl Iterator<Item = LsaKey> {
        self.entries.iter().filter(|(_, pending)| !pending.doubted).map(|(&key, _)| key)
    }

    /// The indices agree with the list.
    pub(crate) fn check(&self, findings: &mut Findings) {
        let sent = self.entries.values().filter(|pending| pending.retry.is_some());
        let octets: usize = sent.map(|pending| pending.octets).sum();
        findings.demand(octets == self.in_flight, "octets in flight are those of LSAs sent", || {
            format!("{octets}, not {}", self.in_flight)
        });
        let unsent = self.entries.iter().filter(|(_, pending)| pending.retry.is_none()).map(|(key, _)| key);
        findings.demand(unsent.eq(&self.unsent), "what was not sent waits to be sent", || format!("{:?}", self.unsent));
        let retries = self.entries.iter().filter_map(|(&key, pending)| Some((pending.retry?, key)));
        findings.demand(
            retries.collect::<BTreeSet<_>>() == self.retries,
            "what was sent is due to be sent again",
            || format!("{:?}", self.retries),
        );
        let put_off = self.entries.iter().filter(|(_, pending)| pending.again > 0).map(|(key, _)| key);
        findings.demand(put_off.eq(&self.put_off), "what was sent again is known", || format!("{:?}", self.put_off));
    }

    /// When something is to be sent again.
    pub(crate) fn next_retry(&self) -> Option<Instant> {
        self.retries.first().map(|&(retry, _)| retry)
    }
}

/// LSAs that were sent within MinLSArrival, flooded or not: no more than can be sent in that time.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct RecentlySent {
    by_key: BTreeMap<LsaKey, Instant>,
    order: VecDeque<(Instant, LsaKey)>,
}

impl RecentlySent {
    /// Notes that an LSA was sent, and forgets those of long ago.
    pub(crate) fn note(&mut self, key: LsaKey, now: Instant) {
        while let Some(&(sent, earlier)) = self.order.front()
            && now.saturating_since(sent) >= MIN_LS_ARRIVAL
        {
            self.order.pop_front();
            if self.by_key.get(&earlier) == Some(&sent) {
                self.by_key.remove(&earlier);
            }
        }
        if self.by_key.insert(key, now) != Some(now) {
            self.order.push_back((now, key));
        }
        debug_assert!(self.by_key.len() <= self.order.len(), "what is remembered is forgotten some time");
    }

    /// When an LSA was sent, if within MinLSArrival.
    pub(crate) fn when(&self, key: LsaKey, now: Instant) -> Option<Instant> {
        self.by_key.get(&key).copied().filter(|&sent| now.saturating_since(sent) < MIN_LS_ARRIVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::LinkStateId;

    fn key(id: u32) -> LsaKey {
        LsaKey { kind: LsaType::ROUTER, id: LinkStateId(id), advertising_router: RouterId(id) }
    }

    fn at(millis: u64) -> Instant {
        Instant::new(Duration::from_millis(millis))
    }

    #[test]
    fn octets_in_flight_are_those_sent_and_not_acknowledged() {
        let mut list = RetransmissionList::default();
        list.add(key(1), 100);
        list.add(key(2), 50);
        assert_eq!(list.in_flight(), 0);
        list.sent(key(1), at(5));
        list.sent(key(1), at(6));
        assert_eq!(list.in_flight(), 100);
        assert_eq!(list.next_unsent(), Some(key(2)));
        list.add(key(1), 120);
        assert_eq!(list.in_flight(), 0, "the newer instance has not been sent");
        assert!(list.remove(key(1)));
        assert!(!list.remove(key(1)));
        list.sent(key(2), at(7));
        assert_eq!(list.next_retry(), Some(at(7)));
        assert!(list.remove(key(2)));
        assert!(list.is_empty());
        assert_eq!(list.in_flight(), 0);
    }

    #[test]
    fn the_longest_due_comes_first() {
        let mut list = RetransmissionList::default();
        for (id, retry) in [(1, 30), (2, 10), (3, 20), (4, 40)] {
            list.add(key(id), 1);
            list.sent(key(id), at(retry));
        }
        list.add(key(5), 1);
        assert_eq!(list.due(at(30), usize::MAX), [key(2), key(3), key(1)]);
        assert_eq!(list.due(at(30), 1), [key(2)], "one at least");
    }

    #[test]
    fn what_is_not_acknowledged_is_sent_less_and_less_often_until_something_is() {
        let mut list = RetransmissionList::default();
        let interval = Duration::from_millis(10);
        list.add(key(1), 1);
        list.sent(key(1), at(10));
        let mut now = at(10);
        let gaps = [20, 40, 80, 80].map(|gap| {
            list.sent_again(key(1), now, interval);
            let next = list.next_retry().unwrap();
            let found = next.saturating_since(now).as_millis();
            now = next;
            (found, gap)
        });
        assert!(gaps.iter().all(|(found, gap)| found == gap), "{gaps:?}");
        list.sent_again(key(1), now, interval);
        list.hasten(now + interval);
        assert_eq!(list.next_retry(), Some(now + interval));
        list.sent_again(key(1), now, interval);
        assert_eq!(list.next_retry(), Some(now + 2 * interval), "it begins anew");
    }

    #[test]
    fn what_was_sent_is_remembered_for_min_ls_arrival() {
        let mut recent = RecentlySent::default();
        recent.note(key(1), at(0));
        recent.note(key(2), at(400));
        recent.note(key(1), at(600));
        recent.note(key(1), at(600));
        assert_eq!(recent.when(key(1), at(1500)), Some(at(600)));
        assert_eq!(recent.when(key(2), at(1400)), None);
        recent.note(key(3), at(1600));
        assert_eq!(recent.by_key.len(), 1, "{recent:?}");
        assert_eq!(recent.order.len(), 1);
    }
}
