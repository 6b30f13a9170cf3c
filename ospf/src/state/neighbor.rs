//! The neighbour data structure (RFC 2328 §10) and its three lists. It holds data only: other modules decide what to do with it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::authentication::Accepted;
use crate::established::established;
use crate::ids::{Domain, LsaKey, LsaPlace, LsaType, NeighborId, RouterId};
use crate::machine::dr_election::{Candidate, Designated};
use crate::machine::neighbor::NeighborState;
use crate::state::answers::Answers;
use crate::state::findings::Findings;
use crate::state::restart::Helping;
use crate::time::Instant;
use crate::wire::{DatabaseDescription, DdFlags, LsaHeader, MIN_LS_ARRIVAL, Options};

/// The longest time that a packet is assumed to be in transit.
pub(crate) const LONGEST_UNDER_WAY: Duration = Duration::from_secs(10);

/// How long an LSA that the neighbour neither originates nor flushes is sent back at once. It is short, because it would double the traffic
/// of starting routers in a sparse network.
const SECOND_HAND: Duration = Duration::from_secs(2);

/// How long after the neighbour has left ExStart a Database Description with the I-bit may be one that was overtaken. It is less than
/// RxmtInterval, after which a neighbour that really negotiates again repeats its packet.
const OVERTAKEN: Duration = Duration::from_secs(1);

/// How many earlier negotiations may still have packets in transit. A neighbour increments its DD sequence number with each negotiation.
const EARLIER_NEGOTIATIONS: u32 = 16;

/// The interval between retransmissions of an LSA doubles up to 2³ times RxmtInterval (RFC 4222 §2, recommendation 2: Rmax is 8 Rmin).
const MOST_DOUBLINGS: u32 = 3;

/// A neighbour on one interface.
#[derive(Debug, Clone, Hash)]
pub(crate) struct Neighbor {
    pub(crate) id: NeighborId,
    /// The router id in its last packet; 0.0.0.0 before the first.
    pub(crate) router_id: RouterId,
    /// Source address of its last hello.
    pub(crate) address: Ipv4Addr,
    pub(crate) state: NeighborState,
    /// When `state` was entered.
    pub(crate) since: Instant,
    /// Router Priority in its last hello; before the first hello, the configured one.
    pub(crate) priority: u8,
    /// The designated router and backup that its last hello named.
    pub(crate) declared: Designated,
    /// Options of its last hello; from ExStart on, those of its Database Descriptions.
    pub(crate) options: Options,
    /// When its last hello was received.
    pub(crate) last_hello: Instant,
    pub(crate) exchange: Exchange,
    pub(crate) requests: RequestList,
    pub(crate) retransmission: RetransmissionList,
    /// LSAs that it requested and that have not been sent yet (§10.7).
    pub(crate) replies: BTreeSet<LsaPlace>,
    /// Counts the Database Descriptions sent to it at once.
    pub(crate) description_answers: Answers,
    /// Counts the hellos sent to it at once, on networks where it is sent hellos of its own.
    pub(crate) hello_answers: Answers,
    /// LSAs sent to it within MinLSArrival.
    pub(crate) recent: RecentlySent,
    /// Whether LSAs of guards that it sent or described were refused ([`crate::flooding::site_lsas`]).
    pub(crate) site_lsas_refused: bool,
    /// Whether something that it described was not requested for lack of room.
    pub(crate) abandoned: bool,
    /// Cryptographic sequence numbers of its packets (§D.4.3).
    pub(crate) accepted: Accepted,
    /// Set while it restarts gracefully and is treated as fully adjacent (RFC 3623 §3).
    pub(crate) helping: Option<Helping>,
}

impl Neighbor {
    /// A neighbour from which nothing has been received; `dd_sequence` is the number before its first DD sequence number.
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
            last_hello: now,
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

    /// Whether databases are being synchronized: state Exchange or Loading (§13 (4), §14).
    pub(crate) fn is_synchronizing(&self) -> bool {
        matches!(self.state, NeighborState::Exchange | NeighborState::Loading)
    }

    /// Whether an adjacency is being formed: from the neighbour's first hello until just before Full.
    pub(crate) fn is_forming(&self) -> bool {
        match self.state {
            NeighborState::Init | NeighborState::ExStart | NeighborState::Exchange | NeighborState::Loading => true,
            // A neighbour may stay in 2-Way for good (§10.4).
            NeighborState::Down | NeighborState::Attempt | NeighborState::TwoWay | NeighborState::Full => false,
        }
    }

    /// The neighbour as a candidate in the election of the designated router (§9.4).
    pub(crate) fn candidate(&self) -> Candidate {
        Candidate { router_id: self.router_id, address: self.address, priority: self.priority, declared: self.declared }
    }

    /// Whether LSAs of a type are sent to it: opaque ones only if it is opaque-capable (RFC 5250 §3.1).
    pub(crate) fn takes(&self, kind: LsaType) -> bool {
        !kind.is_opaque() || self.options.contains(Options::O)
    }

    /// Whether a newer instance may be sent back now to the neighbour in answer to one that it sent (§13 (8), §13.4). If so, it is noted as
    /// sent.
    pub(crate) fn may_take_back(&mut self, key: LsaKey, now: Instant) -> bool {
        let may = self.recent.when(key, now).is_none();
        if may {
            self.recent.note(key, now);
        }
        may
    }

    /// When it has to be shown that the neighbour has an instance that it floods: the instance may come from before its restart, so that the
    /// neighbour itself does not have it. `None` if it has it.
    ///
    /// A router that restarts has lost its state: it knows neither its sequence numbers nor what others have originated. Suppose that its
    /// database and ours are equal after the exchange, and that only then a packet from before its restart arrives, with an instance that
    /// has a higher sequence number or MaxAge. That instance replaces the LSA here and nowhere else, because by §13.7 our acknowledgement
    /// means nothing to the neighbour. To prevent databases that differ for LSRefreshTime, an instance that was not requested is doubted
    /// while such a packet may be in transit: for [`LONGEST_UNDER_WAY`] from the exchange on. A doubted instance is sent back: a neighbour
    /// that has just sent it acknowledges it, any other floods it, and its originator outbids it (§13.4), whether they deviate from the RFC
    /// or not. It is sent back at once if it is the neighbour's own or flushes an LSA. Any other instance is unknown elsewhere only if its
    /// originator has restarted, too: after [`SECOND_HAND`] it is sent back when no such packet can be in transit any more, together with
    /// all others. LSAs of link scope, which announce a restart (RFC 3623 §2), never conflict with another instance.
    pub(crate) fn doubt(&self, place: LsaPlace, header: &LsaHeader, now: Instant) -> Option<Doubt> {
        let first_hand = header.is_max_age() || place.key.advertising_router == self.router_id;
        let at_once = if first_hand { LONGEST_UNDER_WAY } else { SECOND_HAND };
        match now.saturating_since(self.exchange.negotiated) {
            _ if matches!(place.domain, Domain::Link(_)) => None,
            age if age < at_once => Some(Doubt::AtOnce),
            age if age < LONGEST_UNDER_WAY => Some(Doubt::Later(self.exchange.negotiated + LONGEST_UNDER_WAY)),
            _ => None,
        }
    }

    /// Empties all lists (§10.3). The DD sequence number stays, because the next exchange continues from it.
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

/// When an instance that a neighbour has flooded, and may not have, is sent back to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// At once.
    AtOnce,
    /// At this time, unless the neighbour has shown by then that it has the instance.
    Later(Instant),
}

/// The role of this router in the exchange (§10.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub(crate) enum Role {
    /// We are the master; also the role before the negotiation.
    #[default]
    Master,
    /// The neighbour is the master.
    Slave,
}

/// Database Description state (§10, §10.8).
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct Exchange {
    /// The role of this router.
    pub(crate) role: Role,
    /// DD sequence number.
    pub(crate) sequence: u32,
    /// The DD sequence number with which the roles were negotiated.
    pub(crate) first: u32,
    /// The latest DD sequence number with which the neighbour became the master.
    pub(crate) followed: Option<u32>,
    /// When the roles were negotiated.
    pub(crate) negotiated: Instant,
    /// The last time at which the neighbour may have sent its packet with the I-bit of this exchange.
    pub(crate) left_ex_start: Instant,
    /// The DD sequence number of the neighbour's last packet with the I-bit.
    pub(crate) init: Option<u32>,
    /// The packet that completes the negotiation, while the neighbour waits for its turn.
    pub(crate) deferred: Option<DatabaseDescription>,
    /// Identifies the last packet received, so that a duplicate is recognized (§10.6).
    pub(crate) last_received: Option<Received>,
    /// Our last packet, for retransmission.
    pub(crate) last_sent: Option<DatabaseDescription>,
    /// Database summary list: the part of the database that is still to be described.
    pub(crate) summary: SummaryList,
    /// Headers in our answer to the packet that completed the negotiation, as long as the neighbour has not shown that it received them
    /// ([`crate::exchange::description`], `answered_first`).
    pub(crate) undescribed: BTreeMap<LsaKey, LsaHeader>,
}

/// Database summary list (§10): how far the database has been described. An LSA that is installed meanwhile is flooded to the neighbour if
/// its place has been passed, and described if not.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct SummaryList {
    pub(crate) next: SummaryNext,
    /// Estimated number of LSAs that are still to be described.
    pub(crate) left: usize,
}

/// Where the description continues.
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

/// Identifies a Database Description among those of one neighbour (§10.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Received {
    pub(crate) flags: DdFlags,
    pub(crate) options: Options,
    pub(crate) sequence: u32,
}

impl Exchange {
    /// Notes that the neighbour lists or acknowledges an instance.
    pub(crate) fn neighbor_has(&mut self, instance: &LsaHeader) {
        if self.undescribed.get(&instance.key).is_some_and(|ours| !ours.newer_than(instance)) {
            self.undescribed.remove(&instance.key);
        }
    }

    /// Whether a packet, which is neither the next one nor a duplicate of the last one, is an older packet that was overtaken or arrived
    /// twice.
    ///
    /// Deviates: by §10.6 each of these is a SeqNumberMismatch. Ignoring one cannot hold up the neighbour, whatever its state:
    /// - Without the I-bit, numbers that this exchange has passed belong to packets that were answered. A neighbour that begins another
    ///   exchange sends a packet with the I-bit first, and continues from higher numbers (§10.3) or, if it has lost its state, from random
    ///   ones. If a copy of an old packet of ours has made a slave begin one, this is detected (`must_start_over` in
    ///   [`crate::exchange::description`]).
    /// - With the I-bit, a packet is ignored if its number is that of an earlier such packet, or could be that of one before it, and only
    ///   for a short time: the neighbour repeats the packet until the roles are negotiated ([`OVERTAKEN`]). If a copy of an old packet of
    ///   ours has completed the negotiation meanwhile, the neighbour is the slave, and does not wait for us for ever (§10.8 in
    ///   [`crate::exchange::description`]).
    pub(crate) fn is_stale(&self, packet: &DatabaseDescription, now: Instant) -> bool {
        let (number, reached) = (packet.sequence.wrapping_sub(self.first), self.sequence.wrapping_sub(self.first));
        if packet.flags.init {
            // Both routers continue from the master's numbers, so a number in this range was chosen after the negotiation.
            let is_later = (1..=reached.saturating_add(2)).contains(&number);
            // A neighbour that has lost its state begins with another number, and need not wait.
            let is_known = self.init.is_none_or(|init| is_of_before(packet.sequence, init));
            return !is_later && is_known && now.saturating_since(self.left_ex_start) < OVERTAKEN;
        }
        number < reached && packet.flags.master == (self.role == Role::Slave)
    }

    /// Notes that the neighbour became the master with a DD sequence number; returns whether that may have happened before with the same
    /// number, so that the packet may be a copy.
    pub(crate) fn follow(&mut self, sequence: u32) -> bool {
        let is_later = self.followed.is_some_and(|followed| !is_of_before(sequence, followed));
        if is_later || self.followed.is_none() {
            self.followed = Some(sequence);
        }
        !is_later
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

/// Link state request list (§10): LSAs of which the neighbour has described a newer instance.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct RequestList {
    wanted: BTreeMap<LsaKey, LsaHeader>,
    /// The LSAs in `wanted` that were in the last request.
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

    /// The instance of an LSA that the neighbour described.
    pub(crate) fn header(&self, key: LsaKey) -> Option<&LsaHeader> {
        self.wanted.get(&key)
    }

    pub(crate) fn wanted(&self) -> impl Iterator<Item = &LsaHeader> {
        self.wanted.values()
    }

    /// Removes an LSA from the list.
    pub(crate) fn remove(&mut self, key: LsaKey) {
        self.wanted.remove(&key);
        self.outstanding.remove(&key);
    }

    /// Whether an answer to a request is awaited.
    pub(crate) fn is_awaiting(&self) -> bool {
        !self.outstanding.is_empty()
    }

    /// Notes the LSAs of a request.
    pub(crate) fn asked(&mut self, keys: &[LsaKey]) {
        debug_assert!(
            keys.iter().all(|key| self.wanted.contains_key(key)),
            "only LSAs on the request list are requested"
        );
        self.outstanding = keys.iter().copied().collect();
    }
}

/// Link state retransmission list (§10, §13.6): LSAs that were flooded to the neighbour and are not acknowledged.
///
/// Each entry stands for the instance in the database: a newer one replaces it in both (§13 (5)(c)).
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct RetransmissionList {
    entries: BTreeMap<LsaKey, Pending>,
    /// Entries that have not been sent yet.
    unsent: BTreeSet<LsaKey>,
    /// Entries that have been sent, by the time of the next retransmission.
    retries: BTreeSet<(Instant, LsaKey)>,
    /// Entries that were retransmitted.
    put_off: BTreeSet<LsaKey>,
    /// Octets of the entries that have been sent.
    in_flight: usize,
    /// LSAs that are not on the list because of a packet that may be from before this router and its neighbour restarted.
    unproven: BTreeSet<LsaKey>,
    /// When these are listed again. A packet from before the restart cannot arrive any more then.
    proof: Option<Instant>,
    /// Whether the neighbour acknowledges in time.
    pub(crate) pace: Pace,
}

/// Whether a neighbour acknowledges in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub(crate) enum Pace {
    /// It acknowledges in time.
    #[default]
    Keeping,
    /// LSAs were retransmitted and none was acknowledged since: other neighbours on the network are not made to wait for it.
    Lagging,
}

#[derive(Debug, Clone, Copy, Hash)]
struct Pending {
    octets: usize,
    /// When it is sent again; `None` = it has not been sent yet.
    retry: Option<Instant>,
    /// Number of retransmissions that count for the interval.
    again: u32,
    /// Whether the neighbour sent the LSA itself, or has had it described.
    doubted: bool,
    /// Whether the neighbour has described the instance.
    described: bool,
    /// Set if the neighbour has shown an earlier instance. Before this time, an acknowledgement may be from before it received that one.
    proof: Option<Instant>,
}

impl RetransmissionList {
    /// Lists an LSA to be sent, in place of an older instance.
    pub(crate) fn add(&mut self, key: LsaKey, octets: usize) {
        self.remove(key);
        self.unproven.remove(&key);
        self.entries
            .insert(key, Pending { octets, retry: None, again: 0, doubted: false, described: false, proof: None });
        self.unsent.insert(key);
    }

    /// Notes that the neighbour has described the instance: it has it, and an acknowledgement is one of now.
    pub(crate) fn prove(&mut self, key: LsaKey) {
        self.unproven.remove(&key);
        if let Some(pending) = self.entries.get_mut(&key) {
            pending.described = true;
        }
    }

    /// When removed LSAs are listed again.
    pub(crate) fn proof(&self) -> Option<Instant> {
        self.proof
    }

    /// Returns the LSAs that are to be listed again by `now`, and forgets them here.
    pub(crate) fn take_unproven(&mut self, now: Instant) -> BTreeSet<LsaKey> {
        if self.proof.is_none_or(|proof| proof > now) {
            return BTreeSet::new();
        }
        self.proof = None;
        std::mem::take(&mut self.unproven)
    }

    /// Notes that the neighbour has, or should have, a listed LSA: it sent the LSA, now or before it restarted
    /// ([`Neighbor::doubt`]), or has had it described.
    pub(crate) fn doubt(&mut self, key: LsaKey) {
        if let Some(pending) = self.entries.get_mut(&key) {
            pending.doubted = true;
        }
    }

    /// Notes that the neighbour has shown an earlier instance than the listed one: an acknowledgement proves nothing before `proof`.
    pub(crate) fn contradict(&mut self, key: LsaKey, proof: Instant) {
        if let Some(pending) = self.entries.get_mut(&key) {
            pending.proof = Some(proof);
        }
    }

    /// Removes an LSA that the neighbour acknowledges or sends, unless it has shown an earlier instance too recently
    /// ([`RetransmissionList::contradict`]); returns whether it was removed. If the packet may be from before this router and the neighbour
    /// have restarted, as is the case until `previous_until`, the LSA is listed again then, unless the neighbour has described it.
    pub(crate) fn acknowledge(&mut self, key: LsaKey, now: Instant, previous_until: Option<Instant>) -> bool {
        let Some(pending) = self.entries.get(&key).filter(|pending| pending.proof.is_none_or(|proof| proof <= now))
        else {
            return false;
        };
        let previous_until = previous_until.filter(|_| !pending.described);
        self.remove(key);
        if let Some(proof) = previous_until {
            self.list_later(key, proof);
        }
        true
    }

    /// Lists an LSA at `proof`, unless the neighbour describes it or another instance is listed before.
    pub(crate) fn list_later(&mut self, key: LsaKey, proof: Instant) {
        debug_assert!(!self.entries.contains_key(&key), "it is not listed now");
        self.unproven.insert(key);
        self.proof = self.proof.max(Some(proof));
    }

    /// Lists an LSA that other routers are expected to send: this router sends it if it is not acknowledged by `retry`.
    pub(crate) fn await_ack(&mut self, key: LsaKey, octets: usize, retry: Instant) {
        self.add(key, octets);
        self.sent(key, retry);
    }

    /// Removes an LSA; returns whether it was listed.
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

    /// Octets that were sent and are not acknowledged.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The first LSA that has not been sent yet.
    pub(crate) fn next_unsent(&self) -> Option<LsaKey> {
        self.unsent.first().copied()
    }

    /// Notes that an LSA was sent, and when it is to be sent again.
    pub(crate) fn sent(&mut self, key: LsaKey, retry: Instant) {
        let Some(pending) = established(self.entries.get_mut(&key)) else { return };
        match pending.retry.replace(retry) {
            Some(before) => _ = self.retries.remove(&(before, key)),
            None => {
                self.unsent.remove(&key);
                self.in_flight += pending.octets;
            }
        }
        self.retries.insert((retry, key));
    }

    /// Notes a retransmission of an LSA. Each one doubles the interval to the next: a neighbour that does not keep up has no use for more
    /// packets (RFC 4222 §2, recommendation 2).
    pub(crate) fn sent_again(&mut self, key: LsaKey, now: Instant, interval: Duration) {
        let Some(pending) = established(self.entries.get_mut(&key)) else { return };
        debug_assert!(pending.retry.is_some(), "a retransmitted LSA was sent before");
        pending.again = (pending.again + 1).min(MOST_DOUBLINGS);
        let retry = now + interval * 2_u32.pow(pending.again);
        if let Some(before) = pending.retry.replace(retry) {
            self.retries.remove(&(before, key));
        }
        self.retries.insert((retry, key));
        self.put_off.insert(key);
    }

    /// Advances retransmissions that were put off to `retry`, because the neighbour acknowledges again.
    pub(crate) fn hasten(&mut self, retry: Instant) {
        for key in std::mem::take(&mut self.put_off) {
            let Some(pending) = established(self.entries.get_mut(&key)) else { continue };
            pending.again = 0;
            if let Some(before) = pending.retry.filter(|&before| before > retry) {
                pending.retry = Some(retry);
                self.retries.remove(&(before, key));
                self.retries.insert((retry, key));
            }
        }
    }

    /// The LSAs to be retransmitted by `now`, the longest due first: at least one, and no further one once `octets` is reached.
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

    /// The listed LSAs with their octets.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (LsaKey, usize)> {
        self.entries.iter().map(|(&key, pending)| (key, pending.octets))
    }

    /// The listed LSAs that the neighbour has neither sent itself nor had described.
    pub(crate) fn not_described(&self) -> impl Iterator<Item = LsaKey> {
        self.entries.iter().filter(|(_, pending)| !pending.doubted).map(|(&key, _)| key)
    }

    /// Checks that the indices agree with the list.
    pub(crate) fn check(&self, findings: &mut Findings) {
        let sent = self.entries.values().filter(|pending| pending.retry.is_some());
        let octets: usize = sent.map(|pending| pending.octets).sum();
        findings.demand(octets == self.in_flight, "the octets in flight are those of the LSAs sent", || {
            format!("{octets}, not {}", self.in_flight)
        });
        let unsent = self.entries.iter().filter(|(_, pending)| pending.retry.is_none()).map(|(key, _)| key);
        findings
            .demand(unsent.eq(&self.unsent), "each LSA not sent yet waits to be sent", || format!("{:?}", self.unsent));
        let retries = self.entries.iter().filter_map(|(&key, pending)| Some((pending.retry?, key)));
        findings.demand(
            retries.collect::<BTreeSet<_>>() == self.retries,
            "each LSA sent has a retransmission due",
            || format!("{:?}", self.retries),
        );
        let put_off = self.entries.iter().filter(|(_, pending)| pending.again > 0).map(|(key, _)| key);
        findings
            .demand(put_off.eq(&self.put_off), "each retransmitted LSA is recorded", || format!("{:?}", self.put_off));
    }

    /// When the next retransmission is due.
    pub(crate) fn next_retry(&self) -> Option<Instant> {
        self.retries.first().map(|&(retry, _)| retry)
    }
}

/// LSAs that were sent within MinLSArrival, by flooding or otherwise. There are no more than can be sent in that time.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct RecentlySent {
    by_key: BTreeMap<LsaKey, Instant>,
    order: VecDeque<(Instant, LsaKey)>,
}

impl RecentlySent {
    /// Notes that an LSA was sent, and forgets those sent longer ago than MinLSArrival.
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
        debug_assert!(self.by_key.len() <= self.order.len(), "each LSA by key is also in the order");
    }

    /// When an LSA was sent, if that was within MinLSArrival.
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
    fn what_an_early_acknowledgement_removes_is_listed_again_unless_the_neighbor_has_described_it() {
        let mut list = RetransmissionList::default();
        (1..=4).for_each(|id| list.add(key(id), 100));
        list.prove(key(1));
        let acknowledge = |list: &mut RetransmissionList, id| list.acknowledge(key(id), at(1), Some(at(10)));
        assert!((1..=4).all(|id| acknowledge(&mut list, id)) && !acknowledge(&mut list, 5));
        list.prove(key(2));
        // The next instance is another LSA in this respect.
        list.add(key(3), 100);
        assert!(list.take_unproven(at(9)).is_empty());
        assert_eq!(list.take_unproven(at(10)), BTreeSet::from([key(4)]));
        assert!(list.take_unproven(at(11)).is_empty());
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
        assert_eq!(list.due(at(30), 1), [key(2)], "at least one");
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
        assert_eq!(list.next_retry(), Some(now + 2 * interval), "the interval starts over");
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
