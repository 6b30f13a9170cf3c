//! Database Description packets: receiving (RFC 2328 §10.6) and sending (§10.8).

use std::time::Duration;

use crate::config::Deviation;
use crate::established::established;
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

/// How many times RxmtInterval the slave waits for the master, which repeats its packet every RxmtInterval of its own. The slave waits at
/// least RouterDeadInterval, on which both routers agree.
const PATIENCE: u32 = 4;

/// The most LSAs that are examined for one Database Description. It has fewer headers if many of these are not described.
const MAX_LOOKED_AT: usize = 4096;

impl Engine {
    /// Starts the negotiation on entering ExStart (§10.3, 2-WayReceived): this router declares itself master until the neighbour answers.
    pub(crate) fn negotiate(&mut self, key: NeighborKey) {
        let Some(neighbor) = established(self.neighbor_mut(key)) else { return };
        debug_assert_eq!(neighbor.state, NeighborState::ExStart);
        // "increments the DD sequence number in the neighbor data structure", which wraps.
        neighbor.exchange.sequence = neighbor.exchange.sequence.wrapping_add(1);
        neighbor.exchange.role = Role::Master;
        neighbor.exchange.last_received = None;
        self.send_description(key);
    }

    /// Prepares the description of the database on entering Exchange (§10.3, NegotiationDone), from its first LSA on.
    pub(crate) fn summarize(&mut self, key: NeighborKey) {
        let Some(interface) = established(self.interfaces.get_mut(&key.interface)) else { return };
        let lsdbs = interface.described_domains(key.interface).filter_map(|domain| self.databases.domain(domain));
        let left = lsdbs.map(Lsdb::len).sum();
        let Some(neighbor) = established(interface.neighbors.get_mut(&key.id)) else { return };
        debug_assert!(neighbor.exchange.summary.is_empty() && neighbor.retransmission.is_empty());
        neighbor.exchange.summary = SummaryList { next: SummaryNext::First, left };
    }

    /// The headers of the next Database Description, at most `most`.
    fn next_headers(&mut self, key: NeighborKey, most: usize) -> Vec<LsaHeader> {
        let now = self.now;
        let mut headers = Vec::new();
        let Some(interface) = established(self.interfaces.get_mut(&key.interface)) else { return headers };
        let domains: Vec<_> = interface.described_domains(key.interface).collect();
        let Some(neighbor) = established(interface.neighbors.get_mut(&key.id)) else { return headers };
        let after = match neighbor.exchange.summary.next {
            SummaryNext::First => None,
            SummaryNext::After(place) => Some(place),
            SummaryNext::Nothing => return headers,
        };
        // RFC 5250 §3.1: opaque LSAs are described to opaque-capable neighbours only.
        let opaque = neighbor.options.contains(Options::O);
        for (looked_at, (place, entry)) in self.databases.after(&domains, after).enumerate() {
            let is_for_neighbor = !place.key.kind.is_opaque() || opaque;
            let is_described = is_for_neighbor && !entry.is_max_age(now);
            if is_described && headers.len() == most || looked_at == MAX_LOOKED_AT {
                neighbor.exchange.summary.left = neighbor.exchange.summary.left.saturating_sub(looked_at);
                return headers;
            }
            neighbor.exchange.summary.next = SummaryNext::After(place);
            if is_described {
                headers.push(entry.header(now));
            } else if is_for_neighbor && !neighbor.retransmission.contains(place.key) {
                // "Any LSA whose age is equal to MaxAge is instead added to the neighbor's Link state retransmission list."
                neighbor.retransmission.add(place.key, usize::from(entry.header(now).length));
                self.unsent_floods.insert(key);
            }
        }
        neighbor.exchange.summary = SummaryList::default();
        headers
    }

    /// Sends the next Database Description (§10.8), and sets the timer to repeat it or, as slave, to wait for the master.
    fn send_description(&mut self, key: NeighborKey) {
        let room = self.room(key.interface, DATABASE_DESCRIPTION_FIXED_LEN);
        let most = (room / LSA_HEADER_LEN).max(1);
        let now = self.now;
        let is_first = self.neighbor(key).is_some_and(|neighbor| neighbor.state == NeighborState::ExStart);
        let headers = if is_first { Vec::new() } else { self.next_headers(key, most) };
        let Some(interface) = established(self.interfaces.get_mut(&key.interface)) else { return };
        let mtu = interface_mtu(interface);
        let (retransmit_interval, patience) = (interface.retransmit_interval(), patience(interface));
        let options = interface.external_routing.options();
        let Some(neighbor) = established(interface.neighbors.get_mut(&key.id)) else { return };
        let exchange = &mut neighbor.exchange;
        let flags = match neighbor.state {
            // "The initialize (I), more (M) and master (MS) bits are set", and the packet is empty.
            NeighborState::ExStart => DdFlags { init: true, more: true, master: true },
            _ => DdFlags { init: false, more: false, master: exchange.role == Role::Master },
        };
        let more = flags.init || !exchange.summary.is_empty();
        let description = DatabaseDescription {
            interface_mtu: mtu,
            // This router accepts opaque LSAs (RFC 5250 §3.1).
            options: options.with(Options::O),
            flags: DdFlags { more, ..flags },
            sequence: exchange.sequence,
            headers,
        };
        exchange.last_sent = Some(description.clone());
        let deadline = now + if exchange.role == Role::Master { retransmit_interval } else { patience };
        self.timers.set(TimerKey::DatabaseDescription(key), deadline);
        if flags.init && !neighbor.description_answers.may_answer(now, DESCRIPTION_ANSWERS, retransmit_interval) {
            // Negotiations follow each other too fast: the timer sends this packet.
            return;
        }
        self.send_to_neighbor(key, PacketBody::DatabaseDescription(description));
    }

    /// Handles the timer of Database Descriptions: the master sends its last packet again after RxmtInterval (§10.8).
    ///
    /// Deviates: "The slave sends Database Description packets only in response", and so does ours. But a slave could wait for ever for a
    /// master that is not in Exchange, for example after a copy of an old packet completed the negotiation. Therefore it negotiates again.
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

    /// Sends our last packet again in answer to a duplicate of the master's last one, or to an old one of the slave (§10.6); a few times
    /// per RxmtInterval.
    fn answer_duplicate(&mut self, key: NeighborKey) {
        let now = self.now;
        let Some(interface) = established(self.interfaces.get_mut(&key.interface)) else { return };
        let (window, patience) = (interface.retransmit_interval(), patience(interface));
        let Some(neighbor) = established(interface.neighbors.get_mut(&key.id)) else { return };
        if neighbor.state == NeighborState::Exchange {
            self.timers.set(TimerKey::DatabaseDescription(key), now + patience);
        }
        if neighbor.description_answers.may_answer(now, DESCRIPTION_ANSWERS, window) {
            self.repeat_description(key);
        }
    }

    fn repeat_description(&mut self, key: NeighborKey) {
        let Some(interface) = established(self.interfaces.get(&key.interface)) else { return };
        let mtu = interface_mtu(interface);
        let last = interface.neighbors.get(&key.id).and_then(|neighbor| neighbor.exchange.last_sent.clone());
        if let Some(last) = last {
            // The MTU may have been corrected meanwhile; the rest of the packet stays.
            let last = DatabaseDescription { interface_mtu: mtu, ..last };
            self.send_to_neighbor(key, PacketBody::DatabaseDescription(last));
        }
    }

    /// Handles a received Database Description (§10.6).
    pub(crate) fn receive_description(
        &mut self,
        key: NeighborKey,
        packet: &DatabaseDescription,
    ) -> Result<(), Refusal> {
        let now = self.now;
        let Some(interface) = established(self.interfaces.get(&key.interface)) else {
            return Err(Refusal::InterfaceNotActive);
        };
        let mtu = interface_mtu(interface);
        // "If the Interface MTU field indicates an IP datagram size that is larger than the router can accept ... rejected."
        if packet.interface_mtu > mtu && !interface.config.mtu_ignore && !interface.is_virtual() {
            return Err(Refusal::MtuMismatch);
        }
        if self.neighbor(key).is_some_and(|neighbor| neighbor.state == NeighborState::Init) {
            // The neighbour has received our hello, or it would not describe its database. Its hello that lists us is late or lost.
            self.two_way(key);
        }
        let deviates = self.config.conduct.has(Deviation::StaleDescriptions);
        let Some(neighbor) = established(self.neighbor_mut(key)) else { return Err(Refusal::UnknownNeighbor) };
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
                // "The only packets received should be duplicates": any other packet means that the neighbour starts over.
                (true, Role::Master) => {}
                (true, Role::Slave) if self.has_freed_description(key) => self.negotiate_again(key, packet),
                (true, Role::Slave) => self.answer_duplicate(key),
                (false, Role::Master) if stale && !packet.flags.init => match self.must_start_over(key, packet) {
                    true => self.negotiate_again(key, packet),
                    false => self.answer_duplicate(key),
                },
                (false, _) if stale => {}
                (false, _) => self.negotiate_again(key, packet),
            },
        }
        Ok(())
    }

    /// Whether the exchange with a slave has to start over, although its packet appears to be an old one.
    ///
    /// A copy of an old packet of ours may have begun another exchange with the slave, in which it waits for us without sending. A slave
    /// that has finished recognizes our last packet as a duplicate. One that waits treats it as a SeqNumberMismatch, or as the packet that
    /// comes next, and then continues to the end as before. But its lists were emptied (§10.3), so LSAs that it has and we do not have
    /// would never arrive.
    fn must_start_over(&self, key: NeighborKey, packet: &DatabaseDescription) -> bool {
        let (Some(interface), Some(neighbor)) = (self.interfaces.get(&key.interface), self.neighbor(key)) else {
            return false;
        };
        let is_news = |header: &LsaHeader| {
            let place = Databases::place(header.key, key.interface, interface.config.area);
            let stored = place.and_then(|place| self.databases.lookup(place)).map(|entry| entry.header(self.now));
            stored.map_or(!header.is_max_age(), |stored| header.newer_than(&stored))
                && neighbor.requests.header(header.key).is_none()
        };
        let may_be_copy = self.now.saturating_since(neighbor.exchange.negotiated) < LONGEST_UNDER_WAY;
        !may_be_copy || packet.headers.iter().any(is_news)
    }

    /// Whether the slave has freed its last packet, "after RouterDeadInterval" (§10.8): see [`Self::exchange_done`].
    fn has_freed_description(&self, key: NeighborKey) -> bool {
        let (interface, neighbor) = (self.interfaces.get(&key.interface), self.neighbor(key));
        let is_over = interface.zip(neighbor).is_some_and(|(interface, neighbor)| {
            self.now.saturating_since(neighbor.exchange.negotiated) >= interface.dead_interval()
        });
        is_over && !self.config.conduct.has(Deviation::SilentMaster)
    }

    /// Handles a packet that does not belong to this exchange (§10.6, SeqNumberMismatch).
    ///
    /// Deviates: by the RFC the packet is not used further. If it is the first of another negotiation, it is used for that here, as its
    /// repetition after RxmtInterval would be.
    fn negotiate_again(&mut self, key: NeighborKey, packet: &DatabaseDescription) {
        self.neighbor_event(key, NeighborEvent::SeqNumberMismatch);
        if packet.flags.init && self.config.conduct.has(Deviation::StaleDescriptions) {
            self.negotiate_and_accept(key, packet);
        }
    }

    /// Handles a packet in ExStart: if it completes the negotiation, it is also the first of the exchange.
    pub(crate) fn negotiate_and_accept(&mut self, key: NeighborKey, packet: &DatabaseDescription) {
        debug_assert!(self.neighbor(key).is_some_and(|neighbor| neighbor.state == NeighborState::ExStart));
        if self.negotiate_roles(key, packet) {
            self.accept_description(key, packet);
        }
    }

    /// Negotiates the roles; returns whether a packet received in ExStart completes the negotiation (§10.6).
    fn negotiate_roles(&mut self, key: NeighborKey, packet: &DatabaseDescription) -> bool {
        let own_id = self.config.router_id;
        let Some(neighbor) = established(self.neighbor(key)) else { return false };
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
        let Some(neighbor) = established(self.neighbor_mut(key)) else { return false };
        if !neighbor.description_answers.may_answer(now, DESCRIPTION_ANSWERS, window) {
            // The neighbour repeats the packet after RxmtInterval.
            return false;
        }
        if !self.may_exchange(key, packet) {
            return false;
        }
        let Some(neighbor) = established(self.neighbor_mut(key)) else { return false };
        neighbor.exchange.role = role;
        neighbor.exchange.first = packet.sequence;
        neighbor.exchange.negotiated = now;
        neighbor.exchange.left_ex_start = now;
        neighbor.exchange.deferred = None;
        neighbor.options = packet.options;
        self.neighbor_event(key, NeighborEvent::NegotiationDone);
        true
    }

    /// Handles a packet that is the next in sequence: processes its headers and answers it (§10.6).
    fn accept_description(&mut self, key: NeighborKey, packet: &DatabaseDescription) {
        let now = self.now;
        if !self.note_headers(key, &packet.headers) {
            self.neighbor_event(key, NeighborEvent::SeqNumberMismatch);
            return;
        }
        // An LSA that a header flushed again may have ended helping the neighbour, which is then gone.
        let Some(neighbor) = self.neighbor_mut(key) else { return };
        debug_assert_eq!(neighbor.state, NeighborState::Exchange);
        let exchange = &mut neighbor.exchange;
        if exchange.last_received.is_some_and(|last| last.flags.init) {
            exchange.left_ex_start = now;
        }
        exchange.last_received = Some(Received::from(packet));
        let describes_more = !packet.headers.is_empty();
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
                    self.answered_first(key, packet.sequence);
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
        if describes_more {
            self.comes_forward(key);
        }
    }

    /// Puts LSAs of which the neighbour has a newer instance on the request list (§10.6); returns whether all LSAs are allowed in the area.
    fn note_headers(&mut self, key: NeighborKey, headers: &[LsaHeader]) -> bool {
        let now = self.now;
        let Some(interface) = established(self.interfaces.get(&key.interface)) else { return false };
        let area = interface.config.area;
        let external_routing = interface.external_routing;
        // Requests of all neighbours count. Their number is bounded, because a link has only as many as fit a hello.
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
            let stored = self.databases.lookup(place).map(|entry| entry.header(now));
            if stored.is_some_and(|stored| header.compare(&stored).is_eq())
                && let Some(neighbor) = self.neighbor_mut(key)
            {
                neighbor.retransmission.prove(header.key);
            }
            let is_newer = stored.map(|stored| header.newer_than(&stored));
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
                // It would be refused, so that Loading would never end.
                self.note_site_lsa(key, place, header);
                continue;
            }
            if is_newer.is_none() && !is_own && self.flush_again(key, place, &header) {
                continue;
            }
            match is_newer {
                Some(_) => {}
                // The limits of the database also limit the request lists, so that no neighbour can make them longer.
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
        let Some(neighbor) = established(self.neighbor_mut(key)) else { return };
        let complete = neighbor.requests.is_empty();
        // Deviates: by §10.8 the slave frees its last packet after RouterDeadInterval, and then a duplicate of the master's last packet is
        // a SeqNumberMismatch. Here it keeps its packet, which is still the right answer to a master that missed it.
        self.neighbor_event(key, NeighborEvent::ExchangeDone { complete });
        self.await_requests(key);
        self.reply_after_exchange(key);
    }

    /// Notes the headers in the slave's first answer, which it has just sent.
    ///
    /// Deviates: by the RFC the master knows these LSAs. But a slave cannot distinguish a master's first packet from an old copy of it. The
    /// copy begins again an exchange in which the master already is: the master has received an earlier answer to that packet, and treats
    /// another one as a duplicate. Both reach Full, and the master would not know those LSAs listed here that were not in the earlier
    /// answer until they are refreshed: what the slave had flooded meanwhile is no longer retransmitted, because its lists were emptied
    /// (§10.3). This can happen if the slave, its interface or its neighbour data structure is new, and the master has not noticed; and if
    /// the slave has followed the master with the same number before. In these cases the slave notes which of the LSAs the master lists or
    /// acknowledges, and floods the rest. A request proves nothing, because it may be an old one, too.
    fn answered_first(&mut self, key: NeighborKey, sequence: u32) {
        let deviates = self.config.conduct.has(Deviation::DoubtedFloods);
        let Some(interface) = established(self.interfaces.get_mut(&key.interface)) else { return };
        let has_just_started = interface.previous_until(self.now).is_some();
        let Some(neighbor) = established(interface.neighbors.get_mut(&key.id)) else { return };
        let exchange = &mut neighbor.exchange;
        let may_be_copy = exchange.follow(sequence) || has_just_started;
        let listed = exchange.last_sent.iter().flat_map(|sent| &sent.headers).filter(|_| deviates && may_be_copy);
        exchange.undescribed = listed.map(|&header| (header.key, header)).collect();
    }

    /// Puts the noted LSAs that the neighbour has neither listed nor acknowledged on the retransmission list. The neighbour has described
    /// its whole database now, and acknowledges the LSAs that it requests.
    fn await_requests(&mut self, key: NeighborKey) {
        let now = self.now;
        let Some(interface) = established(self.interfaces.get_mut(&key.interface)) else { return };
        let (area, retry) = (interface.config.area, now + interface.retransmit_interval());
        let Some(neighbor) = established(interface.neighbors.get_mut(&key.id)) else { return };
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

/// How long the slave waits for the master's next packet.
fn patience(interface: &Interface) -> Duration {
    (interface.retransmit_interval() * PATIENCE).max(interface.dead_interval())
}

/// The Interface MTU for Database Descriptions: "should be set to 0 in Database Description packets sent over virtual links" (§A.3.3).
fn interface_mtu(interface: &Interface) -> u16 {
    let link = interface.active_link().filter(|_| !interface.is_virtual());
    link.map_or(0, |link| link.mtu)
}
