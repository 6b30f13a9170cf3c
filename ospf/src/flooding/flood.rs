//! The flooding procedure (RFC 2328 §13): receiving Link State Updates, and flooding LSAs to neighbours (§13.3).

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::config::Deviation;
use crate::established::established;
use crate::event::Event;
use crate::ids::{LsaPlace, LsaType, NeighborId, NeighborKey, RouterId, SequenceNumber};
use crate::machine::interface::InterfaceState;
use crate::machine::neighbor::{NeighborEvent, NeighborState};
use crate::refusal::LsaRefusal;
use crate::state::databases::Databases;
use crate::state::early::Kept;
use crate::state::engine::Engine;
use crate::state::interface::Interface;
use crate::state::lsdb::{Change, Entry};
use crate::state::neighbor::Doubt;
use crate::state::site_lsas::Bringer;
use crate::state::timers::TimerKey;
use crate::time::Instant;
use crate::wire::{Lsa, LsaBody, LsaHeader, MIN_LS_ARRIVAL, Options};

/// If one copy is older than another by this number of seconds, it was originated at least MinLSArrival earlier: this allows for a rounding
/// error of one second in each age.
const OLDER_MAKE: u16 = 3;

/// How a received LSA is acknowledged or answered (§13.5, table 19).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acknowledgment {
    None,
    Delayed,
    Direct,
    /// At once to the sender, and delayed to the other neighbours that wait for it.
    DirectAndDelayed,
    /// The exchange is inconsistent: it restarts, and the rest of the update is not processed (§13 (6)).
    BadLsReq,
    /// The database copy is newer, and is sent to the sender (§13 (8)).
    SendBack(LsaPlace),
}

impl Engine {
    /// Handles a Link State Update from a neighbour in state Exchange or greater (§13).
    pub(crate) fn receive_update(&mut self, from: NeighborKey, lsas: Vec<Lsa>) {
        let mut direct = Vec::new();
        let mut back = Vec::new();
        for lsa in lsas {
            let header = lsa.header;
            match self.receive_lsa(from, lsa) {
                Ok(Acknowledgment::None) => {}
                Ok(Acknowledgment::Delayed) => self.acknowledge_later(from.interface, header),
                Ok(Acknowledgment::Direct) => direct.push(header),
                Ok(Acknowledgment::DirectAndDelayed) => {
                    direct.push(header);
                    self.acknowledge_later(from.interface, header);
                }
                Ok(Acknowledgment::BadLsReq) => {
                    self.neighbor_event(from, NeighborEvent::BadLsReq);
                    break;
                }
                Ok(Acknowledgment::SendBack(place)) => back.push(place),
                Err(reason) => {
                    let router_id = self.neighbor(from).map_or(RouterId::default(), |neighbor| neighbor.router_id);
                    if let Some(interface) = self.interfaces.get_mut(&from.interface) {
                        interface.counters.refuse_lsa(reason);
                    }
                    let interface = from.interface;
                    self.event(Event::LsaRefused { interface, router_id, key: Some(header.key), reason });
                }
            }
        }
        // An LSA of the update may have ended helping the neighbour, which is then gone.
        self.acknowledge_directly(from, &direct);
        self.send_back(from, &back);
    }

    /// Handles one LSA of an update (§13, steps 1 to 8).
    fn receive_lsa(&mut self, from: NeighborKey, lsa: Lsa) -> Result<Acknowledgment, LsaRefusal> {
        let now = self.now;
        let header = lsa.header;
        let place = self.place_of(from, &lsa)?;
        let stored = self.databases.lookup(place);

        let order = stored.map(|entry| header.compare(&entry.header(now)));
        if !self.config.conduct.has(Deviation::OvertakenUpdates)
            && order.is_some_and(Ordering::is_le)
            && self.is_requested(from, place)
        {
            return Ok(Acknowledgment::BadLsReq);
        }
        let body = match stored.filter(|entry| is_same_text(entry, &lsa, now)) {
            // (1), (2): octets that are already in the database were checked when they were installed. In a mesh this is the most frequent
            // case.
            Some(_) if order == Some(Ordering::Equal) => return Ok(self.received_duplicate(from, place)),
            Some(entry) => entry.body().clone(),
            None => match check(&lsa) {
                Ok(body) => body,
                Err(reason) => {
                    if matches!(reason, LsaRefusal::Malformed(_)) {
                        // Another request would bring the same octets.
                        self.give_up_request(from, place);
                    }
                    return Err(reason);
                }
            },
        };

        let is_own = self.is_own_id(place.key.advertising_router) && self.config.conduct.has(Deviation::OwnInstances);
        let is_open = self.bringer(from, place.key) == Bringer::Open;
        match order {
            // (4): the LSA is not in the database, and no neighbour is exchanging databases with us.
            None if header.is_max_age() && !(self.is_synchronizing() || is_own) => {
                // On an open link anybody could have sent it.
                if !is_open {
                    self.departed.note(place, lsa.detached(), now);
                }
                Ok(Acknowledgment::Direct)
            }
            None if !is_own && !self.is_requested(from, place) && self.refuse_departed(from, place, &header) => {
                Ok(Acknowledgment::None)
            }
            // During a graceful restart, the LSAs of this router that others hold are needed unchanged (RFC 3623 §2.2).
            None | Some(Ordering::Greater) if is_own && (is_open || !self.is_restarting()) => {
                Ok(self.received_own(from, place, lsa, body))
            }
            None | Some(Ordering::Greater) if is_open => Ok(self.refuse_site_lsa(from, place, &lsa)),
            None | Some(Ordering::Greater) => {
                if let Some(limit) = self.limit_for(place, lsa.encoded_len()) {
                    self.limit_reached(limit);
                    if self.is_requested(from, place) {
                        self.abandon(from, limit);
                        self.give_up_request(from, place);
                    }
                    return Err(LsaRefusal::DatabaseFull);
                }
                if self.arrived_too_soon(from, place, header.seconds()) {
                    if !self.config.conduct.has(Deviation::EarlyArrivals) {
                        return Err(LsaRefusal::TooSoon);
                    }
                    return match self.keep_early(from, place, &lsa) {
                        Kept::Yes => {
                            self.interfaces
                                .entry(from.interface)
                                .and_modify(|interface| interface.counters.lsa_early += 1);
                            Ok(Acknowledgment::None)
                        }
                        Kept::No => Err(LsaRefusal::TooSoon),
                    };
                }
                let requested = self.is_requested(from, place);
                self.install(place, lsa, body);
                if requested {
                    self.exchanged.insert(place);
                }
                let flooding = self.flood(place, Some(from));
                if self.is_self_originated(place) {
                    let is_outbid = !self.config.conduct.has(Deviation::OwnInstances) && !self.is_restarting();
                    if is_outbid && self.originations.is_wanted(place) && header.sequence.next().is_some() {
                        // §13.4, also if the next instance has to wait for MinLSInterval, and this one has left the database by then.
                        self.originations.outbid(place, header.sequence);
                    }
                    self.originations.touch(place);
                }
                Ok(self.acknowledgment_of_newer(from, flooding))
            }
            // (6) deviates: the RFC restarts the exchange if an LSA that is not newer than ours arrives while a newer one is requested from
            // this neighbour. One reordered packet is enough for that; the request timer recovers without a restart.
            Some(Ordering::Equal) => Ok(self.received_duplicate(from, place)),
            Some(Ordering::Less) => {
                if self.databases.is_max_aged(place) && self.config.conduct.has(Deviation::Departed) {
                    self.contradict(from, place.key);
                }
                Ok(Acknowledgment::SendBack(place))
            }
        }
    }

    fn place_of(&self, from: NeighborKey, lsa: &Lsa) -> Result<LsaPlace, LsaRefusal> {
        let interface = self.interfaces.get(&from.interface).ok_or(LsaRefusal::UnknownType)?;
        let kind = lsa.header.key.kind;
        match Databases::place(lsa.header.key, from.interface, interface.config.area) {
            Some(place) if interface.external_routing.lets_in(kind) => Ok(place),
            // (3)
            Some(_) if kind == LsaType::NSSA => Err(LsaRefusal::NssaOnly),
            Some(_) => Err(LsaRefusal::ScopeInStubArea),
            // (1) comes before (2).
            None => Err(lsa.check().err().map_or(LsaRefusal::UnknownType, LsaRefusal::from)),
        }
    }

    /// Whether any neighbour is in Exchange or Loading (§13 (4), §14).
    pub(crate) fn is_synchronizing(&self) -> bool {
        self.interfaces.values().flat_map(|interface| interface.neighbors.values()).any(|n| n.is_synchronizing())
    }

    /// §13 (5)(a): the copy in the database "was received via flooding" less than MinLSArrival ago.
    ///
    /// Our own instances were not received, and an LSA sent in answer to a request was not flooded. The new instance, too, is accepted at
    /// once if it answers a request, even if a copy was flooded meanwhile.
    ///
    /// Deviates: the new instance is also accepted at once if the ages show that the database copy was originated long before it. When
    /// parts of a network join, an old instance is flooded into the other part just before its successor, and the successor should not have
    /// to wait for a retransmission.
    fn arrived_too_soon(&self, from: NeighborKey, place: LsaPlace, age: u16) -> bool {
        let Some(stored) = self.databases.lookup(place) else { return false };
        if !self.config.conduct.has(Deviation::EarlyArrivals) {
            return self.now.saturating_since(stored.installed()) < MIN_LS_ARRIVAL;
        }
        self.now.saturating_since(stored.installed()) < MIN_LS_ARRIVAL
            && stored.age(self.now).saturating_sub(age) < OLDER_MAKE
            && !self.exchanged.contains(&place)
            && !self.originations.is_ours(place, &stored.header(self.now))
            && !self.is_requested(from, place)
    }

    fn is_requested(&self, of: NeighborKey, place: LsaPlace) -> bool {
        self.neighbor(of).is_some_and(|neighbor| neighbor.requests.header(place.key).is_some())
    }

    /// Installs an LSA in the database (§13.2), and schedules a calculation if its contents are new.
    pub(crate) fn install(&mut self, place: LsaPlace, lsa: Lsa, body: LsaBody) {
        debug_assert_eq!(place.key, lsa.header.key);
        if lsa.header.is_max_age() {
            self.removals.note(place);
        } else if lsa.header.is_do_not_age() {
            self.watch_do_not_age();
        }
        self.exchanged.remove(&place);
        self.departed.forget(place);
        self.site_lsas.installed(place, &lsa.header);
        if place.key.kind.is_opaque() {
            self.opaques_changed();
        }
        let consequence = self.consequence(place, &lsa.header, &body);
        let change = self.databases.domain_mut(place.domain).insert(lsa.detached(), body, self.now);
        match change {
            Change::Contents if self.is_own_conclusion(place) => {}
            Change::Contents => {
                self.topology_changed(place);
                self.schedule(consequence);
            }
            Change::Refreshed => {}
        }
        self.review_helping(place, change);
        if matches!(place.key.kind, LsaType::ROUTER | LsaType::NETWORK) {
            self.restart_may_end();
        }
    }

    /// Whether an LSA is one of ours that is derived from routes or from the configuration: no route depends on it (§16.2 (2), §16.4 (2)).
    pub(crate) fn is_own_conclusion(&self, place: LsaPlace) -> bool {
        place.key.kind.follows_from_routes() && self.is_self_originated(place)
    }

    /// Table 19 for an LSA that is newer than the database copy.
    fn acknowledgment_of_newer(&self, from: NeighborKey, flooding: Flooding) -> Acknowledgment {
        let Some(interface) = established(self.interfaces.get(&from.interface)) else { return Acknowledgment::None };
        match (flooding, interface.state) {
            // The sender takes the flood for an acknowledgement.
            (Flooding::AlsoBack, _) => Acknowledgment::None,
            // The acknowledgement must arrive before our flood: otherwise the sender takes the flood for an acknowledgement, and does not
            // acknowledge it.
            (Flooding::Doubted, _) if interface.neighbors.len() > 1 => Acknowledgment::DirectAndDelayed,
            (Flooding::Doubted, _) => Acknowledgment::Direct,
            // "Delayed acknowledgment sent if advertisement received from Designated Router, otherwise do nothing."
            (Flooding::Onward, InterfaceState::Backup) if !self.is_from_designated_router(from) => Acknowledgment::None,
            (Flooding::Onward, _) => Acknowledgment::Delayed,
        }
    }

    fn is_from_designated_router(&self, from: NeighborKey) -> bool {
        let router = self.interfaces.get(&from.interface).and_then(|interface| interface.designated.router);
        router.is_some() && self.neighbor(from).map(|neighbor| neighbor.address) == router
    }

    /// Floods the database copy to the neighbours of its domain, except to the one that it was received from (§13.3).
    ///
    /// Deviates: that neighbour gets it, too, and has to acknowledge it, while the instance may be from its previous incarnation
    /// ([`crate::state::neighbor::Neighbor::doubt`]).
    pub(crate) fn flood(&mut self, place: LsaPlace, from: Option<NeighborKey>) -> Flooding {
        let Some(entry) = established(self.databases.lookup(place)) else { return Flooding::Onward };
        let header = entry.header(self.now);
        let now = self.now;
        let deviates = self.config.conduct.has(Deviation::DoubtedFloods);
        let mut flooding = Flooding::Onward;
        self.in_flight.arrived(place);
        for (&interface_id, interface) in &mut self.interfaces {
            if !interface.is_in(interface_id, place.domain) {
                continue;
            }
            let arrival = from.filter(|from| from.interface == interface_id);
            let left_to_others = arrival.is_some_and(|from| interface.leaves_flooding_to_others(from.id));
            let all_at_once = interface.reaches_all_at_once();
            let retry = self.now + interface.retransmit_interval();
            for neighbor in interface.neighbors.values_mut() {
                let key = NeighborKey { interface: interface_id, id: neighbor.id };
                // (1)(a)
                if neighbor.state < NeighborState::Exchange {
                    continue;
                }
                // §13 (5)(c): the previous instance leaves all retransmission lists.
                if neighbor.retransmission.remove(place.key) {
                    // This may make room in the window for LSAs that wait.
                    self.unsent_floods.insert(key);
                }
                // (1)(b)
                let requested = neighbor.requests.header(place.key).map(|requested| header.compare(requested));
                match requested {
                    None => {}
                    Some(Ordering::Less) => continue,
                    Some(Ordering::Equal) => {
                        neighbor.requests.remove(place.key);
                        self.in_flight.touch(key);
                        continue;
                    }
                    Some(Ordering::Greater) => {
                        neighbor.requests.remove(place.key);
                        self.in_flight.touch(key);
                    }
                }
                // (1)(c)
                let doubt = neighbor.doubt(place, &header, now).filter(|_| from == Some(key) && deviates);
                if let Some(Doubt::Later(proof)) = doubt {
                    neighbor.retransmission.list_later(place.key, proof);
                    self.timers.set_if_idle(TimerKey::Retransmission(key), proof);
                }
                let doubted = doubt == Some(Doubt::AtOnce);
                if from == Some(key) && !doubted {
                    continue;
                }
                // RFC 5250 §3.1: opaque LSAs go to opaque-capable neighbours only.
                if place.key.kind.is_opaque() && !neighbor.options.contains(Options::O) {
                    continue;
                }
                // (1)(d)
                if left_to_others && !doubted {
                    neighbor.retransmission.await_ack(place.key, usize::from(header.length), retry);
                    self.timers.set_if_idle(TimerKey::Retransmission(key), retry);
                } else {
                    neighbor.retransmission.add(place.key, usize::from(header.length));
                    self.unsent_floods.insert(key);
                    if doubted {
                        neighbor.retransmission.doubt(place.key);
                        flooding = Flooding::Doubted;
                    } else if flooding == Flooding::Onward && arrival.is_some() && all_at_once {
                        flooding = Flooding::AlsoBack;
                    }
                }
            }
        }
        flooding
    }

    /// Handles an instance that is already in the database (§13 (7)).
    fn received_duplicate(&mut self, from: NeighborKey, place: LsaPlace) -> Acknowledgment {
        let now = self.now;
        let may_be_previous = !self.databases.is_max_aged(place) && self.config.conduct.has(Deviation::DoubtedFloods);
        let Some(interface) = self.interfaces.get_mut(&from.interface) else { return Acknowledgment::None };
        let previous_until = interface.previous_until(now).filter(|_| may_be_previous);
        let Some(neighbor) = interface.neighbors.get_mut(&from.id) else { return Acknowledgment::None };
        // (7)(a): "treat the received LSA as an acknowledgment". Like one, it may be from before this router and the neighbour have restarted
        // ([`Engine::receive_ack`]).
        let unsent = neighbor.retransmission.is_unsent(place.key);
        if !neighbor.retransmission.acknowledge(place.key, now, previous_until) {
            return Acknowledgment::Direct;
        }
        if let Some(proof) = neighbor.retransmission.proof() {
            self.timers.set_if_idle(TimerKey::Retransmission(from), proof);
        }
        self.removals.note(place);
        self.acknowledged(from);
        let backup = self.interfaces.get(&from.interface).is_some_and(|on| on.state == InterfaceState::Backup);
        // Table 19: the backup designated router acknowledges to the other routers what the designated router has flooded. Likewise, an LSA
        // that we did not send because the window was full is not an implied acknowledgement: without one the neighbour would retransmit
        // its own.
        if unsent || backup && self.is_from_designated_router(from) {
            Acknowledgment::Delayed
        } else {
            Acknowledgment::None
        }
    }

    /// Sends the newer database copy to a neighbour (§13 (8)), at most once every MinLSArrival.
    fn send_back(&mut self, to: NeighborKey, places: &[LsaPlace]) {
        let now = self.now;
        let Some(neighbor) = self.neighbor(to) else { return };
        let mut back = BTreeSet::new();
        for &place in places {
            let Some(stored) = established(self.databases.lookup(place)).map(|entry| entry.header(now)) else {
                continue;
            };
            // "the received LSA should be discarded without acknowledging": its sequence number is about to wrap (§12.1.6).
            let wraps = stored.is_max_age() && stored.sequence == SequenceNumber::MAX;
            // "if the database copy has not been sent in a Link State Update within the last MinLSArrival seconds"
            if !wraps && neighbor.recent.when(place.key, now).is_none() {
                back.insert(place);
            }
        }
        self.send_to(to, &back.into_iter().collect::<Vec<_>>());
    }

    pub(crate) fn give_up_request(&mut self, key: NeighborKey, place: LsaPlace) {
        let Some(neighbor) = self.neighbor_mut(key) else { return };
        if neighbor.requests.header(place.key).is_some() {
            neighbor.requests.remove(place.key);
            self.in_flight.arrived(place);
            self.in_flight.touch(key);
        }
    }

    /// §13.4: "the Advertising Router is equal to the router's own Router ID".
    pub(crate) fn is_self_originated(&self, place: LsaPlace) -> bool {
        self.is_own_id(place.key.advertising_router) || self.is_network_of_ours(place.key)
    }
}

/// Where an LSA was flooded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flooding {
    /// Not out of the receiving interface, or not so that the sender receives it.
    Onward,
    /// Also out of the receiving interface, so that the sender receives it.
    AlsoBack,
    /// Also to the sender, which has to acknowledge it.
    Doubted,
}

impl Interface {
    /// Whether an LSA from a neighbour on this interface need not be flooded out of it again, because others do that (§13.3 (3), (4)).
    /// Their floods are awaited, and if necessary the LSA is retransmitted.
    fn leaves_flooding_to_others(&self, from: NeighborId) -> bool {
        let sender = self.neighbors.get(&from).map(|neighbor| neighbor.address);
        // (3): "chances are that all the interface's neighbors have received the LSA already". (4): the designated router will do it.
        sender.is_some_and(|sender| self.is_designated(sender)) || self.state == InterfaceState::Backup
    }
}

/// The checks of §13 (1) and (2), and the decoding of the body.
fn check(lsa: &Lsa) -> Result<LsaBody, LsaRefusal> {
    lsa.check()?;
    lsa.parse().map_err(LsaRefusal::Malformed)
}

/// Whether an LSA is identical to the database copy in all fields except its age.
fn is_same_text(entry: &Entry, lsa: &Lsa, now: Instant) -> bool {
    let stored = entry.instance(now);
    let LsaHeader { age: _, options, key, sequence, checksum, length } = stored.header;
    let same_header = LsaHeader { age: lsa.header.age, options, key, sequence, checksum, length } == lsa.header;
    same_header && stored.body == lsa.body
}
