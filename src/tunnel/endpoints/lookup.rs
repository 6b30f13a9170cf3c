//! Decides when a peer's DNS name is looked up, and which of its addresses is used. A state machine without a clock; `now` is passed in.
//!
//! ```text
//!            ┌──────────── no answer: back off ────────────┐
//!            ▼                                             │
//! start ─► ask DNS ── addresses ─► wait for a handshake ─► ask the device
//!            ▲                        ▲                    │       │
//!            │                        └──── it is fresh ───┘       │
//!            └───────────────────── it is old ─────────────────────┘
//! ```
//! While the handshake is fresh, nothing is looked up: the peer may have roamed, and what WireGuard learns from packets is preferred to
//! DNS. Once the handshake is old, the name is looked up again. If the address in use has not changed, the next address of the name is
//! tried, so that an address family or a record that does not work is abandoned.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::net::wireguard::{REKEY_AFTER_TIME, REKEY_TIMEOUT};

/// A handshake older than this is old: its session should have been renewed, and three attempts to do so have failed.
pub const HANDSHAKE_OLD: Duration = REKEY_AFTER_TIME.saturating_add(TRIAL);

/// How long a new address may take to bring about a handshake: three attempts of WireGuard.
const TRIAL: Duration = REKEY_TIMEOUT.saturating_mul(3);

/// The time between two lookups: doubled each time, from the first value to the last.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const BACKOFF_LAST: Duration = Duration::from_secs(60);

/// What the state machine needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// The age of the last handshake: [`Lookup::handshake`] takes the answer.
    Handshake,
    /// The addresses of the name: [`Lookup::addresses`] takes the answer.
    Addresses,
}

/// The effect of an answer on the address in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Another address is used now.
    Moved,
    /// The address is the same as before.
    Kept,
}

/// The state of one DNS name.
#[derive(Debug, Clone)]
pub struct Lookup {
    port: u16,
    address: Option<IpAddr>,
    phase: Phase,
    backoff: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The question has to be asked at this time.
    Due(Instant, Question),
    /// The question was asked.
    Asked(Question),
}

impl Lookup {
    /// Begins with a name that has no address yet: it is looked up at once.
    pub fn new(port: u16, now: Instant) -> Self {
        Self { port, address: None, phase: Phase::Due(now, Question::Addresses), backoff: BACKOFF_FIRST }
    }

    /// The endpoint in use; `None` before the first answer.
    pub fn endpoint(&self) -> Option<SocketAddr> {
        self.address.map(|address| SocketAddr::new(address, self.port))
    }

    /// When [`Lookup::poll`] will ask; `None` while an answer is awaited.
    pub fn next_deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Due(at, _) => Some(at),
            Phase::Asked(_) => None,
        }
    }

    /// Returns the question that is due, once.
    pub fn poll(&mut self, now: Instant) -> Option<Question> {
        match self.phase {
            Phase::Due(at, question) if at <= now => {
                self.phase = Phase::Asked(question);
                Some(question)
            }
            Phase::Due(..) | Phase::Asked(_) => None,
        }
    }

    /// Takes the age of the last handshake; `None` if there was none or it is not known.
    pub fn handshake(&mut self, now: Instant, age: Option<Duration>) {
        if self.phase != Phase::Asked(Question::Handshake) {
            return; // asked before the name was removed and added again
        }
        self.phase = match age.and_then(|age| HANDSHAKE_OLD.checked_sub(age)) {
            Some(left) if !left.is_zero() => {
                self.backoff = BACKOFF_FIRST;
                Phase::Due(now + left, Question::Handshake)
            }
            _ => Phase::Due(now, Question::Addresses),
        };
    }

    /// Takes the addresses of the name; empty if it does not resolve.
    pub fn addresses(&mut self, now: Instant, found: &[IpAddr]) -> Outcome {
        if self.phase != Phase::Asked(Question::Addresses) {
            return Outcome::Kept; // asked before the name was removed and added again
        }
        let wait = self.backoff;
        self.backoff = (2 * self.backoff).min(BACKOFF_LAST);
        let Some(chosen) = choose(found, self.address) else {
            let question = if self.address.is_some() { Question::Handshake } else { Question::Addresses };
            self.phase = Phase::Due(now + wait, question);
            return Outcome::Kept;
        };
        self.phase = Phase::Due(now + wait.max(TRIAL), Question::Handshake);
        if self.address.replace(chosen) == Some(chosen) { Outcome::Kept } else { Outcome::Moved }
    }
}

/// Chooses the address after the one that has not worked, or the first. IPv4 comes before IPv6, each in numerical order, whatever the order
/// in DNS.
fn choose(found: &[IpAddr], failed: Option<IpAddr>) -> Option<IpAddr> {
    let mut candidates = found.to_vec();
    candidates.sort();
    candidates.dedup();
    let next = failed
        .and_then(|failed| candidates.iter().position(|address| *address == failed))
        .map_or(0, |position| (position + 1) % candidates.len());
    candidates.get(next).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// A lookup at the moment it waits for its first handshake from 192.0.2.1.
    fn resolved() -> (Lookup, Instant) {
        let now = Instant::now();
        let mut lookup = Lookup::new(51820, now);
        assert_eq!(lookup.poll(now), Some(Question::Addresses));
        assert_eq!(lookup.addresses(now, &addresses(&["192.0.2.1"])), Outcome::Moved);
        (lookup, now)
    }

    /// Lets time pass until the machine asks, and checks that it asks `question`.
    fn wait_for(lookup: &mut Lookup, question: Question) -> Instant {
        let now = lookup.next_deadline().unwrap();
        assert_eq!(lookup.poll(now - Duration::from_nanos(1)), None);
        assert_eq!(lookup.poll(now), Some(question));
        now
    }

    #[test]
    fn a_name_that_does_not_resolve_is_asked_for_again_ever_more_slowly() {
        let mut now = Instant::now();
        let mut lookup = Lookup::new(51820, now);
        assert_eq!(lookup.poll(now), Some(Question::Addresses));
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(lookup.addresses(now, &[]), Outcome::Kept);
            assert_eq!(lookup.endpoint(), None);
            let next = wait_for(&mut lookup, Question::Addresses);
            assert_eq!(next - now, seconds * SECOND);
            now = next;
        }
    }

    #[test]
    fn ipv4_comes_first_unless_there_is_only_ipv6() {
        assert_eq!(choose(&addresses(&["2001:db8::1", "192.0.2.9", "192.0.2.1"]), None), "192.0.2.1".parse().ok());
        assert_eq!(choose(&addresses(&["2001:db8::1"]), None), "2001:db8::1".parse().ok());
        assert_eq!(choose(&[], "192.0.2.1".parse().ok()), None);
    }

    #[test]
    fn a_question_is_put_once() {
        let now = Instant::now();
        let mut lookup = Lookup::new(51820, now);
        assert_eq!(lookup.poll(now), Some(Question::Addresses));
        assert_eq!(lookup.poll(now + 1000 * SECOND), None);
        assert_eq!(lookup.next_deadline(), None);
    }

    #[test]
    fn an_answer_that_nobody_awaits_changes_nothing() {
        let mut lookup = Lookup::new(51820, Instant::now());
        assert_eq!(lookup.addresses(Instant::now(), &addresses(&["192.0.2.1"])), Outcome::Kept);
        lookup.handshake(Instant::now(), None);
        assert_eq!(lookup.endpoint(), None);
        assert_eq!(lookup.poll(Instant::now()), Some(Question::Addresses));
    }

    #[test]
    fn nothing_is_looked_up_while_the_handshake_is_fresh() {
        let (mut lookup, start) = resolved();
        let mut now = wait_for(&mut lookup, Question::Handshake);
        assert_eq!(now - start, TRIAL);
        for age in [3, 120, 134] {
            lookup.handshake(now, Some(age * SECOND));
            let next = wait_for(&mut lookup, Question::Handshake);
            assert_eq!(next - now, HANDSHAKE_OLD - age * SECOND);
            now = next;
        }
    }

    #[test]
    fn an_old_handshake_leads_to_the_new_address_of_the_name() {
        let (mut lookup, _) = resolved();
        let now = wait_for(&mut lookup, Question::Handshake);
        lookup.handshake(now, Some(HANDSHAKE_OLD));
        assert_eq!(lookup.poll(now), Some(Question::Addresses));
        assert_eq!(lookup.addresses(now, &addresses(&["198.51.100.7"])), Outcome::Moved);
        assert_eq!(lookup.endpoint(), "198.51.100.7:51820".parse().ok());
    }

    #[test]
    fn a_dead_resolver_keeps_the_address_and_its_handshake_is_looked_at_before_asking_again() {
        let (mut lookup, _) = resolved();
        let now = wait_for(&mut lookup, Question::Handshake);
        lookup.handshake(now, None);
        assert_eq!(lookup.poll(now), Some(Question::Addresses));
        assert_eq!(lookup.addresses(now, &[]), Outcome::Kept);
        assert_eq!(lookup.endpoint(), "192.0.2.1:51820".parse().ok());
        wait_for(&mut lookup, Question::Handshake);
    }

    #[test]
    fn an_address_that_brings_no_handshake_gives_way_to_the_next_and_comes_round_again() {
        let both = addresses(&["192.0.2.1", "2001:db8::1"]);
        let (mut lookup, _) = resolved();
        for expected in ["[2001:db8::1]:51820", "192.0.2.1:51820", "[2001:db8::1]:51820"] {
            let now = wait_for(&mut lookup, Question::Handshake);
            lookup.handshake(now, None);
            assert_eq!(lookup.poll(now), Some(Question::Addresses));
            assert_eq!(lookup.addresses(now, &both), Outcome::Moved);
            assert_eq!(lookup.endpoint(), expected.parse().ok());
        }
    }

    #[test]
    fn a_single_address_is_kept_however_often_it_fails() {
        let (mut lookup, mut now) = resolved();
        for _ in 0..10 {
            let next = wait_for(&mut lookup, Question::Handshake);
            assert!((TRIAL..=BACKOFF_LAST).contains(&(next - now)));
            now = next;
            lookup.handshake(now, None);
            assert_eq!(lookup.poll(now), Some(Question::Addresses));
            assert_eq!(lookup.addresses(now, &addresses(&["192.0.2.1"])), Outcome::Kept);
        }
    }
}
