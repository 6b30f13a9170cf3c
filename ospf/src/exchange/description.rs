//! Database exchange: Database Descriptions received (RFC 2328 §10.6) and sent (§10.8).

use std::time::Duration;

use crate::config::Deviation;
use crate::ids::NeighborKey;
use crate::machine::neighbor::{NeighborEvent, NeighborState};
use crate::refusal::Refusal;
use crate::state::answers::DESCRIPTION_ANSWERS;
use crate::state::databases::Databases;
use crate::state::engine::Engine;
use crate::state::interface::Interface;
use crate::state::lsdb::Lsdb;
use crate::state::neighbor::{LONGEST_UNDER_WAY, Received, Role, SummaryList, SummaryNext};
use crate::state::site_lsas::Bringer;
use crate::state::timers::TimerKey;
use crate::wire::{
    DATABASE_DESCRIPTION_FIXED_LEN, DatabaseDescription, DdFlags, LSA_HEADER_LEN, LsaHeader, Options, PacketBody,
};

/// So many times RxmtInterval the slave waits for the master, which repeats itself every RxmtInterval of its own; and RouterDeadInterval at
/// least, on which both agree.
const PATIENCE: u32 = 4;

/// So many LSAs are looked at for one Database Description: it has fewer headers where there are more that are not described.
const MAX_LOOKED_AT: usize = 4096;

impl Engine {
    /// Entering ExStart (§10.3, 2-WayReceived): we declare ourselves master and say so until somebody answers.
    pub(crate) fn negotiate(&mut self, key: NeighborKey) {
        let Some(neighbor) = self.neighbor_mut(key) else { return };
        debug_assert_eq!(neighbor.state, NeighborState::ExStart);
        // "increments the DD sequence number in the neighbor data structure", which wraps.
        neighbor.exchange.sequence = neighbor.exchange.sequence.wrapping_add(1);
        neighbor.exchange.role = Role::Master;
        neighbor.exchange.last_received = None;
        self.send_description(key);
    }

    /// Entering Exchange (§10.3, NegotiationDone): the database will be described, from its first LSA on.
    pub(crate) fn summarize(&mut self, key: NeighborKey) {
        let Some(interface) = self.interfaces.get_mut(&key.interface) else { return };
        let lsdbs = interface.described_domains(key.interface).filter_map(|domain| self.databases.domain(domain));
        let left = lsdbs.map(Lsdb::len).sum();
        let Some(neighbor) = interface.neighbors.get_mut(&key.id) else { return };
        debug_assert!(neighbor.exchange.summary.is_empty() && neighbor.retransmission.is_empty());
        neighbor.exchange.summary = SummaryList { next: SummaryNext::First, left };
    }

    /// The headers of the next Database Description, `most` at the most.
    fn next_headers(&mut self, key: NeighborKey, most: usize) -> Vec<LsaHeader> {
        let now = self.now;
        let mut headers = Vec::new();
        let Some(interface) = self.interfaces.get_mut(&key.interface) else { return headers };
        let domains: Vec<_> = interface.described_domains(key.interface).collect();
        let Some(neighbor) = interface.neighbors.get_mut(&key.id) else { return headers };
        let after = match neighbor.exchange.summary.next {
            SummaryNext::First => None,
            SummaryNext::After(place) => Some(place),
            SummaryNext::Nothing => return headers,
        };
        // RFC 5250 §3.1: opaque LSAs are described to opaque-capable neighbours only.
        let opaque = neighbor.options.contains(Options::O);
        for (looked_at, (place, entry)) in self.databases.after(&domains, after).enumerate() {
            let is_told = !place.key.kind.is_opaque() || opaque;
            let is_described = is_told && !entry.is_max_age(now);
            if is_described && headers.len() == most || looked_at == MAX_LOOKED_AT {
                neighbor.exchange.summary.left = neighbor.exchange.summary.left.saturating_sub(looked_at);
                return headers;
            }
            neighbor.exchange.summary.next = SummaryNext::After(place);
            if is_described {
                headers.push(entry.header(now));
            } else if is_told && !neighbor.retransmission.contains(place.key) {
                // "Any LSA whose age is equal to MaxAge is instead added to the neighbor's Link state retransmission list."
                neighbor.retransmission.add(place.key, usize::from(entry.header(now).length));
                self.unsent_floods.insert(key);
            }
        }
        neighbor.exchange.summary = SummaryList::default();
        headers
    }

    /// Sends the next Database Description (§10.8) and sees to it that it is repeated where that is on us.
    fn send_description(&mut self, key: NeighborKey) {
        let room = self.room(key.interface, DATABASE_DESCRIPTION_FIXED_LEN);
        let most = (room / LSA_HEADER_LEN).max(1);
        let now = self.now;
        let is_first = self.neighbor(key).is_some_and(|neighbor| neighbor.state == NeighborState::ExStart);
        let headers = if is_first { Vec::new() } else { self.next_headers(key, most) };
        let Some(interface) = self.interfaces.get_mut(&key.interface) else { return };
        let mtu = interface_mtu(interface);
        let (retransmit_interval, patience) = (interface.retransmit_interval(), patience(interface));
        let options = interface.external_routing.options();
        let Some(neighbor) = interface.neighbors.get_mut(&key.id) else { return };
        let exchange = &mut neighbor.exchange;
        let flags = match neighbor.state {
            // "The initialize (I), more (M) and master (MS) bits are set", and the packet is empty.
            NeighborState::ExStart => DdFlags { init: true, more: true, master: true },
            _ => DdFlags { init: false, more: false, master: exchange.role == Role::Master },
        };
        let more = flags.init || !exchange.summary.is_empty();
        let description = DatabaseDescription {
            interface_mtu: mtu,
            // Opaque LSAs are taken (RFC 5250 §3.1).
            options: options.with(Options::O),
            flags: DdFlags { more, ..flags },
            sequence: exchange.sequence,
            headers,
        };
        exchange.last_sent = Some(description.clone());
        let deadline = now + if exchange.role == Role::Master { retransmit_interval } else { patience };
        self.timers.set(TimerKey::DatabaseDescription(key), deadline);
        if flags.init && !neighbor.description_answers.may_answer(now, DESCRIPTION_ANSWERS, retransmit_interval) {
            // Negotiations follow each other too fast: the timer sends it.
            return;
        }
        self.send_to_neighbor(key, PacketBody::DatabaseDescription(description));
    }

    /// Nothing came for RxmtInterval: the last one again (§10.8).
    ///
    /// Deviates: "The slave sends Database Description packets only in response", and so does ours. But a slave that waits for a master
    /// that is not in Exchange, as after roles were settled by a copy of an old packet, would wait for ever: it negotiates again.
    pub(crate) fn description_timer(&mut self, key: NeighborKey) {
        let Some(interface) = self.interfaces.get(&key.interface) else { return };
        let next = self.now + interface.retransmit_interval();
        let Some(neighbor) = interface.neighbors.get(&key.id) else { return };
        debug_assert!(matches!(neighbor.state, NeighborState::ExStart | NeighborState::Exchange));
        match neighbor.exchange.role {
            Role::Master => {
                self.timers.set(TimerKey::DatabaseDescription(key), next);
                self.repeat_description(key);
            }
            Role::Slave if !self.config.conduct.has(Deviation::SilentMaster) => {
                self.timers.set(TimerKey::DatabaseDescription(key), next);
            }
            Role::Slave => self.neighbor_event(key, NeighborEvent::MasterSilent),
        }
    }

    /// A duplicate of the master's last packet, or an old one of the slave's, is answered with ours once more (§10.6), a few times in
    /// RxmtInterval.
    fn answer_duplicate(&mut self, key: NeighborKey) {
        let now = self.now;
        let Some(interface) = self.interfaces.get_mut(&key.interface) else { return };
        let (window, patience) = (interface.retransmit_interval(), patience(interface));
        let Some(neighbor) = interface.neighbors.get_mut(&key.id) else { return };
        if neighbor.state == NeighborState::Exchange {
            self.timers.set(TimerKey::DatabaseDescription(key), now + patience);
        }
        if neighbor.description_answers.may_answer(now, DESCRIPTION_ANSWERS, window) {
            self.repeat_description(key);
        }
    }

    fn repeat_description(&mut self, key: NeighborKey) {
        let Some(interface) = self.interfaces.get(&key.interface) else { return };
        let mtu = interface_mtu(interface);
        let last = interface.neighbors.get(&key.id).and_then(|neighbor| neighbor.exchange.last_sent.clone());
        if let Some(last) = last {
            // The MTU may have been mended meanwhile; all else stays.
            let last = DatabaseDescription { interface_mtu: mtu, ..last };
            self.send_to_neighbor(key, PacketBody::DatabaseDescription(last));
        }
    }

    /// A Database Description was received (§10.6).
    pub(crate) fn receive_description(
        &mut self,
        key: NeighborKey,
        packet: &DatabaseDescription,
    ) -> Result<(), Refusal> {
        let now = self.now;
        let Some(interface) = self.interfaces.get(&key.interface) else { return Err(Refusal::InterfaceNotActive) };
        let mtu = interface_mtu(interface);
        // "If the Interface MTU field indicates an IP datagram size that is larger than the router can accept ... rejected."
        if packet.interface_mtu > mtu && !interface.config.mtu_ignore && !interface.is_virtual() {
            return Err(Refusal::MtuMismatch);
        }
        if self.neighbor(key).is_some_and(|neighbor| neighbor.state == NeighborState::Init) {
            // It has heard us, or it would not describe its database: the hello that says so is late or lost.
            self.two_way(key);
        }
        let deviates = self.config.conduct.has(Deviation::StaleDescriptions);
        let Some(neighbor) = self.neighbor_mut(key) else { return Err(Refusal::UnknownNeighbor) };
        let received = Received::from(packet);
        let duplicate = neighbor.exchange.last_received == Some(received);
        let role = neighbor.exchange.role;
        let stale = deviates && neighbor.exchange.is_stale(packet, now);
        if packet.flags.init && (!stale || neighbor.state == NeighborState::ExStart) {
            neighbor.exchange.note_init(packet.sequence);
        }
        match neighbor.state {
            NeighborState::Down | NeighborState::Attempt | NeighborState::Init | NeighborState::TwoWay => {
                return Err(Refusal::NeighborState);
            }
            NeighborState::ExStart => self.negotiate_and_accept(key, packet),
            NeighborState::Exchange => {
                let expected = match role {
                    Role::Master => neighbor.exchange.sequence,
                    Role::Slave => neighbor.exchange.sequence.wrapping_add(1),
                };
                let fits = packet.flags.master == (role == Role::Slave)
                    && !packet.flags.init
                    && packet.options == neighbor.options
                    && packet.sequence == expected;
                match (duplicate, role) {
                    (true, Role::Master) => {}
                    (true, Role::Slave) => self.answer_duplicate(key),
                    (false, _) if fits => self.accept_description(key, packet),
                    (false, _) if stale => {}
                    (false, _) => self.negotiate_again(key, packet),
                }
            }
            NeighborState::Loading | NeighborState::Full => match (duplicate, role) {
                // "The only packets received should be duplicates": anything else means that the neighbour starts over.
                (true, Role::Master) => {}
                (true, Role::Slave) if self.has_freed_description(key) => self.negotiate_again(key, packet),
                (true, Role::Slave) => self.answer_duplicate(key),
                (false, Role::Master) if stale && !packet.flags.init => match self.has_lost_its_place(key, packet) {
                    true => self.negotiate_again(key, packet),
                    false => self.answer_duplicate(key),
                },
                (false, _) if stale => {}
                (false, _) => self.negotiate_again(key, packet),
            },
        }
        Ok(())
    }

    /// Whether the slave has to begin anew, though its packet seems to be an old one.
    ///
    /// It may be in an exchange that a copy of an old packet of ours has begun with it, and wait for us without a word. A slave that is done
    /// knows our last packet as a duplicate. One that waits finds in it a SeqNumberMismatch, or that very packet which comes next: it goes on
    /// to the end, as before. But its lists have been emptied (§10.3). So what it has and we have not would never come.
    fn has_lost_its_place(&self, key: NeighborKey, packet: &DatabaseDescription) -> bool {
        let (Some(interface), Some(neighbor)) = (self.interfaces.get(&key.interface), self.neighbor(key)) else {
            return false;
        };
        let is_news = |header: &LsaHeader| {
            let place = Databases::place(header.key, key.interface, interface.config.area);
            let stored = place.and_then(|place| self.databases.lookup(place)).map(|entry| entry.header(self.now));
            stored.map_or(!header.is_max_age(), |stored| header.newer_than(&stored))
                && neighbor.requests.header(header.key).is_none()
        };
        let may_be_copy = self.now.saturating_since(neighbor.exchange.settled) < LONGEST_UNDER_WAY;
        !may_be_copy || packet.headers.iter().any(is_news)
    }

    /// Whether the slave has freed its last packet, "after RouterDeadInterval" (§10.8): see [`Self::exchange_done`].
    fn has_freed_description(&self, key: NeighborKey) -> bool {
        let (interface, neighbor) = (self.interfaces.get(&key.interface), self.neighbor(key));
        let is_over = interface.zip(neighbor).is_some_and(|(interface, neighbor)| {
            self.now.saturating_since(neighbor.exchange.settled) >= interface.dead_interval()
        });
        is_over && !self.config.conduct.has(Deviation::SilentMaster)
    }

    /// The packet belongs to no exchange that this one could go on with (§10.6, SeqNumberMismatch).
    ///
    /// Deviates: for the RFC the packet has done its work. If it is the first of another negotiation it is also taken as that, as its
    /// repetition would be after RxmtInterval.
    fn negotiate_again(&mut self, key: NeighborKey, packet: &DatabaseDescription) {
        self.neighbor_event(key, NeighborEvent::SeqNumberMismatch);
        if packet.flags.init && self.config.conduct.has(Deviation::StaleDescriptions) {
            self.negotiate_and_accept(key, packet);
        }
    }

    /// A packet in ExStart: if it settles who is master, it is the first of the exchange.
    pub(crate) fn negotiate_and_accept(&mut self, key: NeighborKey, packet: &DatabaseDescription) {
        debug_assert!(self.neighbor(key).is_some_and(|neighbor| neighbor.state == NeighborState::ExStart));
        if self.negotiate_roles(key, packet) {
            self.accept_description(key, packet);
        }
    }

    /// Whether a packet received in ExStart settles who is master (§10.6).
    fn negotiate_roles(&mut self, key: NeighborKey, packet: &DatabaseDescription) -> bool {
        let own_id = self.config.router_id;
        let Some(neighbor) = self.neighbor(key) else { return false };
        let DdFlags { init, more, master } = packet.flags;
        let role = if init && more && master && packet.headers.is_empty() && neighbor.router_id > own_id {
            Role::Slave
        } else if !init && !master && packet.sequence == neighbor.exchange.sequence && neighbor.router_id < own_id {
            Role::Master
        } else {
            return false;
        };
        let now = self.now;
        let window = self.interfaces.get(&key.interface).map_or(Duration::ZERO, Interface::retransmit_interval);
        let Some(neighbor) = self.neighbor_mut(key) else { return false };
        if !neighbor.description_answers.may_answer(now, DESCRIPTION_ANSWERS, window) {
            // It says so again after RxmtInterval.
            return false;
        }
        if !self.may_exchange(key, packet) {
            return false;
        }
        let Some(neighbor) = self.neighbor_mut(key) else { return false };
        neighbor.exchange.role = role;
        neighbor.exchange.first = packet.sequence;
        neighbor.exchange.settled = now;
        neighbor.exchange.deferred = None;
        neighbor.options = packet.options;
        self.neighbor_event(key, NeighborEvent::NegotiationDone);
        true
    }

    /// The packet is the next in sequence: its headers are looked at, and it is answered (§10.6).
    fn accept_description(&mut self, key: NeighborKey, packet: &DatabaseDescription) {
        if !self.note_headers(key, &packet.headers) {
            self.neighbor_event(key, NeighborEvent::SeqNumberMismatch);
            return;
        }
        let Some(neighbor) = self.neighbor_mut(key) else { return };
        debug_assert_eq!(neighbor.state, NeighborState::Exchange);
        let exchange = &mut neighbor.exchange;
        exchange.last_received = Some(Received::from(packet));
        let tells_more = !packet.headers.is_empty();
        let all_sent = exchange.last_sent.as_ref().is_some_and(|sent| !sent.flags.more);
        match exchange.role {
            Role::Master => {
                exchange.sequence = exchange.sequence.wrapping_add(1);
                if all_sent && !packet.flags.more {
                    self.exchange_done(key);
                } else {
                    self.send_description(key);
                }
            }
            Role::Slave => {
                exchange.sequence = packet.sequence;
                self.send_description(key);
                if packet.flags.init {
                    self.answered_first(key);
                }
                let all_sent = self
                    .neighbor(key)
                    .and_then(|neighbor| neighbor.exchange.last_sent.as_ref())
                    .is_some_and(|sent| !sent.flags.more);
                if all_sent && !packet.flags.more {
                    self.exchange_done(key);
                }
            }
        }
        self.request(key);
        if tells_more {
            self.comes_forward(key);
        }
    }

    /// Puts what the neighbour has newer on the request list (§10.6); whether all types are known.
    fn note_headers(&mut self, key: NeighborKey, headers: &[LsaHeader]) -> bool {
        let now = self.now;
        let Some(interface) = self.interfaces.get(&key.interface) else { return false };
        let area = interface.config.area;
        let external_routing = interface.external_routing;
        // All neighbours together: a link has as many as a hello lists.
        let neighbors = self.interfaces.values().flat_map(|interface| interface.neighbors.values());
        let mut listed: usize = neighbors.map(|neighbor| neighbor.requests.len()).sum();
        for &header in headers {
            if let Some(neighbor) = self.neighbor_mut(key) {
                neighbor.exchange.neighbor_has(&header);
            }
            let Some(place) = Databases::place(header.key, key.interface, area) else { return false };
            // "or if the LS type is ... AS-external-LSA ... and the neighbor is associated with a stub area".
            if !external_routing.lets_in(header.key.kind) {
                return false;
            }
            let is_newer = self.databases.lookup(place).map(|entry| header.newer_than(&entry.header(now)));
            if is_newer == Some(false) {
                self.flush_described(key, place, &header);
                continue;
            }
            let is_own = header.key.advertising_router == self.config.router_id;
            if is_own && self.config.conduct.has(Deviation::OwnInstances) {
                if !self.described_own(key, place, &header) {
                    continue;
                }
            } else if self.bringer(key, header.key) == Bringer::Open {
                // It will not be taken, so that Loading would never end.
                self.note_site_lsa(key, place, header);
                continue;
            }
            if is_newer.is_none() && !is_own && self.flush_again(key, place, &header) {
                continue;
            }
            match is_newer {
                Some(_) => {}
                // Nobody can make the lists longer than the database may be.
                None => {
                    let octets = usize::from(header.length);
                    if let Some(limit) = self.limit_for_request(place, octets, listed) {
                        self.abandon(key, limit);
                        continue;
                    }
                }
            }
            if let Some(neighbor) = self.neighbor_mut(key) {
                neighbor.requests.add(header);
                listed += 1;
            }
        }
        true
    }

    fn exchange_done(&mut self, key: NeighborKey) {
        self.timers.cancel(TimerKey::DatabaseDescription(key));
        let Some(neighbor) = self.neighbor_mut(key) else { return };
        let complete = neighbor.requests.is_empty();
        // Deviates: after RouterDeadInterval the slave frees its last packet, and a duplicate of the master's last one is a
        // SeqNumberMismatch (§10.8). It keeps it here: it is still the right answer to a master that missed it.
        self.neighbor_event(key, NeighborEvent::ExchangeDone { complete });
        self.await_requests(key);
        self.reply_after_exchange(key);
    }

    /// The slave has listed its first LSAs.
    ///
    /// Deviates: for the RFC they are told. But a slave knows a master's first packet from an old copy of it by nothing. If it has just
    /// started, or its interface has, and the master has not noticed, the copy begins an exchange anew that the master is in already: it has
    /// had an answer to that packet, from before, and another one is a duplicate for it. Both go on to Full, and what is listed here would
    /// be unknown to the master until it is refreshed. So the slave takes note of what the master lists or acknowledges, and floods the rest.
    /// A request proves nothing: it, too, may be of before.
    fn answered_first(&mut self, key: NeighborKey) {
        let deviates = self.config.conduct.has(Deviation::DoubtedFloods);
        let Some(interface) = self.interfaces.get_mut(&key.interface) else { return };
        let has_just_started = self.now.saturating_since(interface.up_since) < LONGEST_UNDER_WAY;
        let Some(neighbor) = interface.neighbors.get_mut(&key.id) else { return };
        let exchange = &mut neighbor.exchange;
        let listed = exchange.last_sent.iter().flat_map(|sent| &sent.headers).filter(|_| deviates && has_just_started);
        exchange.undescribed = listed.map(|&header| (header.key, header)).collect();
    }

    /// The neighbour has listed all that it has, and acknowledges what it asks for.
    fn await_requests(&mut self, key: NeighborKey) {
        let now = self.now;
        let Some(interface) = self.interfaces.get_mut(&key.interface) else { return };
        let (area, retry) = (interface.config.area, now + interface.retransmit_interval());
        let Some(neighbor) = interface.neighbors.get_mut(&key.id) else { return };
        for (lsa, header) in std::mem::take(&mut neighbor.exchange.undescribed) {
            let stored = Databases::place(lsa, key.interface, area).and_then(|place| self.databases.lookup(place));
            let is_unchanged = stored.is_some_and(|entry| entry.header(now).compare(&header).is_eq());
            if is_unchanged && !neighbor.retransmission.contains(lsa) {
                neighbor.retransmission.await_ack(lsa, usize::from(header.length), retry);
                neighbor.retransmission.doubt(lsa);
                self.timers.set_if_idle(TimerKey::Retransmission(key), retry);
            }
        }
    }
}

/// How long the slave waits for the master.
fn patience(interface: &Interface) -> Duration {
    (interface.retransmit_interval() * PATIENCE).max(interface.dead_interval())
}

/// Interface MTU as it stands in Database Descriptions: "should be set to 0 in Database Description packets sent over virtual links" (§A.3.3).
fn interface_mtu(interface: &Interface) -> u16 {
    let link = interface.active_link().filter(|_| !interface.is_virtual());
    link.map_or(0, |link| link.mtu)
}
