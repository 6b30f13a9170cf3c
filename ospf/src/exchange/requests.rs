//! Link State Requests: sending them until all newer LSAs of a neighbour have arrived (RFC 2328 §10.9), and receiving them (§10.7).
//!
//! When several exchanges run at once, each LSA is requested from one neighbour only, and no more is requested at a time than a receive
//! buffer holds. Answers are sent in bursts of that size, too, however much the neighbour requests at once.

use std::time::Duration;

use crate::config::Deviation;
use crate::established::established;
use crate::ids::{Domain, LsaKey, NeighborKey};
use crate::machine::neighbor::{NeighborEvent, NeighborState};
use crate::state::databases::Databases;
use crate::state::engine::Engine;
use crate::state::timers::TimerKey;
use crate::wire::{PacketBody, REQUEST_LEN};

/// Octets of LSAs that are requested from one neighbour at a time.
///
/// Linux's default receive buffer holds about 90 packets of a full MTU; requested and flooded LSAs share it.
const REQUEST_WINDOW: usize = 32 * 1024;

/// Octets of LSAs that are sent at once in answer to requests.
const REPLY_BURST: usize = 32 * 1024;

/// The pause between two bursts.
const REPLY_PAUSE: Duration = Duration::from_millis(10);

/// The most LSAs that a neighbour has requested and that were not sent yet: more than the requests of any window can name. LSAs beyond this
/// are requested again after RxmtInterval.
const MAX_REPLIES: usize = 8192;

/// How long the answer to a request is held back while databases are still being described.
///
/// FRR 8.4 requests more only when an answer arrives in Loading: if its first request is answered in Exchange, the next one follows
/// RxmtInterval later.
const REPLY_HOLD: Duration = Duration::from_millis(100);

impl Engine {
    /// Requests LSAs on a neighbour's request list, unless an answer is awaited (§10.9); if the list is empty, Loading is done.
    pub(crate) fn request(&mut self, key: NeighborKey) {
        let Some(neighbor) = self.neighbor(key) else { return };
        if !neighbor.is_synchronizing() {
            return;
        }
        if neighbor.requests.is_empty() {
            let loading = neighbor.state == NeighborState::Loading;
            self.timers.cancel(TimerKey::Request(key));
            if loading {
                self.neighbor_event(key, NeighborEvent::LoadingDone);
            }
        } else if !neighbor.requests.is_awaiting() {
            self.comes_forward(key);
            self.request_from(key, Share::WithOthers);
        }
    }

    /// Requests LSAs again that did not arrive within RxmtInterval; the adjacency stays (§10.9).
    pub(crate) fn request_timer(&mut self, key: NeighborKey) {
        self.request_from(key, Share::AllOurselves);
    }

    /// Releases the requests to a neighbour that will not answer, so that the LSAs are requested from others.
    pub(crate) fn requests_abandoned(&mut self, key: NeighborKey) {
        self.in_flight.asked.retain(|_, asked| *asked != key);
        for (&interface, other) in &self.interfaces {
            let idle = other.neighbors.values().filter(|neighbor| !neighbor.requests.is_empty());
            self.in_flight.touched.extend(idle.map(|neighbor| NeighborKey { interface, id: neighbor.id }));
        }
    }

    /// Requests more from neighbours whose request list has become shorter, or ends their Loading; once for each input.
    pub(crate) fn request_more(&mut self) {
        while let Some(key) = self.in_flight.touched.pop_first() {
            self.request(key);
        }
    }

    fn request_from(&mut self, key: NeighborKey, share: Share) {
        let most = (self.room(key.interface, 0) / REQUEST_LEN).max(1);
        let Some(interface) = self.interfaces.get_mut(&key.interface) else { return };
        let area = interface.config.area;
        let retry = self.now + interface.retransmit_interval();
        let Some(neighbor) = interface.neighbors.get_mut(&key.id) else { return };
        debug_assert!(!neighbor.requests.is_empty(), "requests are sent only while the list is not empty");
        let mut asked: Vec<LsaKey> = Vec::new();
        let mut octets = 0;
        for header in neighbor.requests.wanted() {
            let Some(place) = established(Databases::place(header.key, key.interface, area)) else { continue };
            let elsewhere = self.in_flight.asked.get(&place).is_some_and(|&other| other != key);
            if elsewhere && share == Share::WithOthers && self.config.conduct.has(Deviation::Pacing) {
                continue;
            }
            octets += usize::from(header.length);
            if asked.len() == most || (octets > REQUEST_WINDOW && !asked.is_empty()) {
                break;
            }
            asked.push(header.key);
            self.in_flight.asked.insert(place, key);
        }
        neighbor.requests.asked(&asked);
        self.timers.set(TimerKey::Request(key), retry);
        if !asked.is_empty() {
            self.send_to_neighbor(key, PacketBody::LinkStateRequest(asked));
        }
    }

    /// Handles a received Link State Request (§10.7).
    pub(crate) fn receive_request(&mut self, key: NeighborKey, requested: &[LsaKey]) {
        let Some(interface) = established(self.interfaces.get_mut(&key.interface)) else { return };
        let area = interface.config.area;
        let has_as_scope = interface.is_in(key.interface, Domain::As);
        let Some(neighbor) = established(interface.neighbors.get_mut(&key.id)) else { return };
        debug_assert!(neighbor.state >= NeighborState::Exchange);
        for &lsa in requested {
            let place = Databases::place(lsa, key.interface, area);
            match place.filter(|place| has_as_scope || place.domain != Domain::As) {
                Some(place) if self.databases.lookup(place).is_some() => {
                    if neighbor.replies.len() < MAX_REPLIES {
                        neighbor.replies.insert(place);
                    }
                }
                // "something has gone wrong with the Database Exchange process"
                Some(_) | None => {
                    self.neighbor_event(key, NeighborEvent::BadLsReq);
                    return;
                }
            }
        }
        let describing = neighbor.state == NeighborState::Exchange;
        if describing && self.config.conduct.has(Deviation::Pacing) {
            self.timers.set_if_idle(TimerKey::Reply(key), self.now + REPLY_HOLD);
        } else if self.timers.deadline(TimerKey::Reply(key)).is_none() {
            self.reply(key);
        }
    }

    /// Sends the answers that were held back: this router has described its database, and the neighbour is in Loading, too, when they
    /// arrive.
    pub(crate) fn reply_after_exchange(&mut self, key: NeighborKey) {
        if self.neighbor(key).is_some_and(|neighbor| !neighbor.replies.is_empty()) {
            self.reply(key);
        }
    }

    /// Sends a burst of LSAs that a neighbour has requested directly to it (§10.7); these LSAs are not retransmitted.
    pub(crate) fn reply(&mut self, key: NeighborKey) {
        let databases = &self.databases;
        let Some(interface) = self.interfaces.get_mut(&key.interface) else { return };
        let Some(neighbor) = interface.neighbors.get_mut(&key.id) else { return };
        let mut burst = Vec::new();
        let mut octets = 0;
        while octets < REPLY_BURST
            && let Some(place) = neighbor.replies.pop_first()
        {
            octets += databases.lookup(place).map_or(0, |entry| usize::from(entry.header(self.now).length));
            burst.push(place);
        }
        if neighbor.replies.is_empty() {
            self.timers.cancel(TimerKey::Reply(key));
        } else {
            self.timers.set(TimerKey::Reply(key), self.now + REPLY_PAUSE);
        }
        self.send_to(key, &burst);
    }
}

/// Whether LSAs are left out that have been requested from another neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Share {
    WithOthers,
    AllOurselves,
}
