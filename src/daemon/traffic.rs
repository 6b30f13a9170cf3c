//! Judges from the octet counters of tunnels whether traffic passes through them. A state machine without I/O; `now` is passed in.
//!
//! A WireGuard peer always answers: if it receives data and has nothing to send for 10 s, it sends a keepalive; if it receives nothing for
//! 15 s after it has sent data, it starts a new handshake. OSPF sends a hello on every tunnel at each HelloInterval. So both counters of a
//! working tunnel grow, however little traffic there is.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::net::IfName;
use crate::net::wireguard::KEEPALIVE_TIMEOUT;
use crate::reconcile::state::Traffic;

/// How long, plus a HelloInterval, sent data may be without an answer: KEEPALIVE_TIMEOUT, and as much again for a slow machine and for
/// counters that are read only every five seconds.
const UNANSWERED: Duration = KEEPALIVE_TIMEOUT.saturating_mul(2);
/// A tunnel that has sent nothing for this many HelloIntervals, and [`SLACK`] more, is idle.
const MISSED_HELLOS: u32 = 3;
const SLACK: Duration = Duration::from_secs(10);

/// The counters of tunnels, by interface name.
#[derive(Debug, Default)]
pub(super) struct TrafficLog(BTreeMap<IfName, Seen>);

#[derive(Debug)]
struct Seen {
    last: Traffic,
    /// When `last` had been read.
    read: Instant,
    /// When the counter was last found to have grown, or when it was first read.
    received_at: Instant,
    sent_at: Instant,
    /// When data was first sent after the last data was received.
    unanswered_since: Option<Instant>,
    /// Since when packets have been received without a long gap.
    receives_since: Option<Instant>,
}

/// What passes through a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// The expected traffic, or too little is known yet.
    Good,
    /// The tunnel sends, and has received nothing for this time.
    OneWay(Duration),
    /// The tunnel has sent nothing for this time.
    Idle(Duration),
}

impl TrafficLog {
    /// Records the counters of a tunnel, which were read between `begun` and `read`. A reading that began before the last one had ended is
    /// ignored: it may be the older one, and is none the less given later.
    pub fn note(&mut self, interface: &IfName, traffic: Traffic, begun: Instant, read: Instant) {
        debug_assert!(begun <= read);
        let now = read;
        match self.0.get_mut(interface) {
            Some(seen) if begun < seen.read => {}
            Some(seen) if traffic.received >= seen.last.received && traffic.sent >= seen.last.sent => {
                seen.note(traffic, now);
            }
            // The tunnel was created again, or has another peer.
            _ => drop(self.0.insert(interface.clone(), Seen::begin(traffic, now))),
        }
    }

    /// Removes tunnels that do not exist any more.
    pub fn retain(&mut self, exists: impl Fn(&IfName) -> bool) {
        self.0.retain(|interface, _| exists(interface));
    }

    /// Judges what passes through the tunnel.
    pub fn flow(&self, interface: &IfName, hello_interval: Duration, now: Instant) -> Flow {
        let Some(seen) = self.0.get(interface) else { return Flow::Good };
        let unsent = now.saturating_duration_since(seen.sent_at);
        if unsent >= hello_interval.saturating_mul(MISSED_HELLOS).saturating_add(SLACK) {
            return Flow::Idle(unsent);
        }
        let unanswered = seen.unanswered_since.map(|since| now.saturating_duration_since(since));
        match unanswered {
            Some(unanswered) if unanswered >= UNANSWERED.saturating_add(hello_interval) => {
                Flow::OneWay(now.saturating_duration_since(seen.received_at))
            }
            _ => Flow::Good,
        }
    }

    /// Returns for how long packets have been received without a long gap.
    pub fn receives_for(&self, interface: &IfName, now: Instant) -> Duration {
        let since = self.0.get(interface).and_then(|seen| seen.receives_since);
        since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

impl Seen {
    fn begin(traffic: Traffic, now: Instant) -> Self {
        Self { last: traffic, read: now, received_at: now, sent_at: now, unanswered_since: None, receives_since: None }
    }

    fn note(&mut self, traffic: Traffic, now: Instant) {
        let received = traffic.received > self.last.received;
        let sent = traffic.sent > self.last.sent;
        (self.last, self.read) = (traffic, now);
        if sent {
            self.sent_at = now;
        }
        match self.unanswered_since {
            // It is unknown whether data was sent or received first.
            _ if received => self.unanswered_since = None,
            None if sent => self.unanswered_since = Some(now),
            Some(since) if now.saturating_duration_since(since) >= UNANSWERED => self.receives_since = None,
            _ => {}
        }
        if received {
            self.received_at = now;
            self.receives_since.get_or_insert(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const HELLO: Duration = Duration::from_secs(10);

    fn name() -> IfName {
        IfName::new("wg-b").unwrap()
    }

    /// Looks every five seconds at a tunnel that has sent and received so much by each second; what it is taken for at the end.
    fn watch(
        log: &mut TrafficLog,
        begin: Instant,
        seconds: std::ops::Range<u32>,
        traffic: impl Fn(u64) -> (u64, u64),
    ) -> Flow {
        for second in seconds.clone().step_by(5) {
            let (sent, received) = traffic(second.into());
            let now = begin + second * SECOND;
            log.note(&name(), Traffic { sent, received }, now, now);
        }
        log.flow(&name(), HELLO, begin + seconds.end * SECOND)
    }

    /// A client's reading is noted when its answer is made; the loop may have read meanwhile.
    #[test]
    fn a_reading_that_is_given_late_does_not_look_like_another_tunnel() {
        let (mut log, begin) = (TrafficLog::default(), Instant::now());
        let at = |second: u32| begin + second * SECOND;
        for second in (0..60).step_by(5) {
            let traffic = |sent| Traffic { sent, received: 7 };
            log.note(&name(), traffic(100 + u64::from(second)), at(second), at(second));
            // Read before, overlapping, and given after it.
            log.note(
                &name(),
                traffic(99 + u64::from(second)),
                begin + (second * SECOND).saturating_sub(SECOND / 2),
                at(second + 1),
            );
        }
        assert!(matches!(log.flow(&name(), HELLO, at(60)), Flow::OneWay(_)));
        // Counters that begin anew later are those of another tunnel.
        log.note(&name(), Traffic { sent: 1, received: 0 }, at(61), at(61));
        assert_eq!(log.flow(&name(), HELLO, at(61)), Flow::Good);
    }

    #[test]
    fn a_tunnel_that_is_answered_now_and_then_is_good() {
        let begin = Instant::now();
        let mut log = TrafficLog::default();
        // A hello every ten seconds, and a keepalive in answer ten seconds later; nobody sends more.
        let flow = watch(&mut log, begin, 0..600, |second| (second / 10 * 100, second / 25 * 32));
        assert_eq!(flow, Flow::Good);
        assert!(log.receives_for(&name(), begin + 600 * SECOND) > 500 * SECOND);
    }

    #[test]
    fn what_is_never_answered_is_one_way_after_a_while_and_good_again_at_the_first_answer() {
        let begin = Instant::now();
        let mut log = TrafficLog::default();
        let before = |second| (second * 10, second * 10);
        assert_eq!(watch(&mut log, begin, 0..100, before), Flow::Good);
        assert_eq!(watch(&mut log, begin, 100..125, |second| (second * 10, 950)), Flow::Good);
        assert_eq!(watch(&mut log, begin, 125..140, |second| (second * 10, 950)), Flow::OneWay(45 * SECOND));
        assert_eq!(log.receives_for(&name(), begin + 140 * SECOND), Duration::ZERO);
        assert_eq!(watch(&mut log, begin, 140..145, before), Flow::Good);
    }

    #[test]
    fn a_tunnel_that_sends_no_hello_is_idle_and_one_that_is_made_anew_begins_anew() {
        let begin = Instant::now();
        let mut log = TrafficLog::default();
        assert_eq!(watch(&mut log, begin, 0..40, |_| (500, 500)), Flow::Idle(40 * SECOND));
        assert_eq!(watch(&mut log, begin, 40..75, |_| (0, 0)), Flow::Good);
        assert_eq!(watch(&mut log, begin, 75..85, |_| (0, 0)), Flow::Idle(45 * SECOND));
        log.retain(|_| false);
        assert_eq!(log.flow(&name(), HELLO, begin + 85 * SECOND), Flow::Good);
    }
}
