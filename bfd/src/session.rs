//! One session (RFC 5880 §6.8): its variables, its packets, its deadlines.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::authentication::{Forgery, ReceivedSequence};
use crate::config::{Admin, Role, SessionConfig};
use crate::io::Cause;
use crate::machine;
use crate::random::Random;
use crate::time::Instant;
use crate::timing::Timing;
use crate::wire::{ControlPacket, Diagnostic, Micros, PollSequence, State};

/// What a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimerKey {
    /// The next periodic packet.
    Transmit,
    /// The session is down unless a packet arrives before.
    Detection,
    /// The sequence number of the peer's packets is forgotten (§6.8.1: bfd.AuthSeqKnown).
    SequenceForgotten,
    /// The peer has had enough time to learn that the operator holds the session down.
    Farewell,
}

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    config: SessionConfig,
    control_plane_independent: bool,
    /// Whether its interface carries packets.
    has_link: bool,
    /// bfd.SessionState.
    state: State,
    /// Since when it has been in this state.
    since: Instant,
    /// bfd.LocalDiag.
    diagnostic: Diagnostic,
    /// bfd.LocalDiscr.
    discriminator: NonZeroU32,
    /// The last packet of the peer, unless nothing has been received for a detection time since: bfd.RemoteDiscr, bfd.RemoteSessionState and
    /// bfd.RemoteDemandMode.
    remote: Option<ControlPacket>,
    timing: Timing,
    /// When the last packet was received.
    heard: Option<Instant>,
    /// When the session is down unless a packet arrives before.
    expiry: Option<Instant>,
    /// When the sequence number of the peer is forgotten.
    forgotten: Option<Instant>,
    received_sequence: ReceivedSequence,
    /// bfd.XmitAuthSeq.
    sequence: u32,
    /// The next periodic packet.
    schedule: Option<Schedule>,
    /// The last packet that was sent, without Poll and Final, and when.
    sent: Option<(ControlPacket, Instant)>,
    /// A Poll of the peer has to be answered.
    owes_final: bool,
    farewell: Option<Farewell>,
    pub counters: Counters,
}

/// The next periodic packet.
#[derive(Debug, Clone, Copy)]
struct Schedule {
    at: Instant,
    /// The interval, before jitter, from which `at` was computed.
    interval: Duration,
}

/// The operator holds the session down, and the peer learns it.
///
/// Deviates: RFC 5880 §6.8.3 has packets of a session that is not Up at least a second apart. A peer that misses the first one would have
/// declared a failure by then, so they go on at the interval of before, for one detection time.
#[derive(Debug, Clone, Copy)]
struct Farewell {
    end: Instant,
    /// The interval of before.
    interval: Duration,
    then: Then,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The session stays in AdminDown.
    Stay,
    /// The session is dropped: it is not configured any more.
    Drop,
}

/// Numbers of packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub sent: u64,
    pub received: u64,
}

/// A change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub from: State,
    pub to: State,
    pub diagnostic: Diagnostic,
    pub cause: Cause,
    pub remote_control_plane_independent: bool,
}

impl Session {
    pub fn new(
        config: SessionConfig,
        control_plane_independent: bool,
        discriminator: NonZeroU32,
        has_link: bool,
        random: &mut Random,
        now: Instant,
    ) -> Self {
        let (state, diagnostic) = match config.admin {
            Admin::Enabled => (State::Down, Diagnostic::NONE),
            Admin::Disabled => (State::AdminDown, Diagnostic::ADMINISTRATIVELY_DOWN),
        };
        let timing = Timing::new(&config);
        let mut session = Self {
            config,
            control_plane_independent,
            has_link,
            state,
            since: now,
            diagnostic,
            discriminator,
            remote: None,
            timing,
            heard: None,
            expiry: None,
            forgotten: None,
            received_sequence: ReceivedSequence::default(),
            sequence: random.next_u32(),
            schedule: None,
            sent: None,
            owes_final: false,
            farewell: None,
            counters: Counters::default(),
        };
        session.reschedule(random, now);
        session
    }

    pub fn config(&self) -> &SessionConfig {
        &self.config
    }

    pub fn state(&self) -> State {
        self.state
    }

    pub fn since(&self) -> Instant {
        self.since
    }

    pub fn diagnostic(&self) -> Diagnostic {
        self.diagnostic
    }

    pub fn discriminator(&self) -> NonZeroU32 {
        self.discriminator
    }

    pub fn remote(&self) -> Option<&ControlPacket> {
        self.remote.as_ref()
    }

    pub fn timing(&self) -> &Timing {
        &self.timing
    }

    pub fn heard(&self) -> Option<Instant> {
        self.heard
    }

    /// Whether it is not configured any more.
    pub fn is_removed(&self) -> bool {
        self.farewell.is_some_and(|farewell| farewell.then == Then::Drop)
    }

    /// The next deadline, and what it is for.
    pub fn deadline(&self) -> Option<(Instant, TimerKey)> {
        [
            (self.schedule.map(|schedule| schedule.at), TimerKey::Transmit),
            (self.expiry, TimerKey::Detection),
            (self.forgotten, TimerKey::SequenceForgotten),
            (self.farewell.map(|farewell| farewell.end), TimerKey::Farewell),
        ]
        .into_iter()
        .filter_map(|(at, key)| Some((at?, key)))
        .min()
    }

    /// Takes over another configuration.
    pub fn configure(
        &mut self,
        config: SessionConfig,
        control_plane_independent: bool,
        random: &mut Random,
        now: Instant,
    ) -> Option<Step> {
        let before = std::mem::replace(&mut self.config, config);
        self.control_plane_independent = control_plane_independent;
        if before.authentication != self.config.authentication {
            self.received_sequence.forget();
        }
        let step = match (self.state, self.config.admin) {
            (State::AdminDown, Admin::Enabled) => {
                self.farewell = None;
                self.enter(State::Down, Diagnostic::NONE, Cause::Enabled, now)
            }
            (State::Down | State::Init | State::Up, Admin::Disabled) => self.disable(Then::Stay, now),
            _ => None,
        };
        self.timing.set(&self.config, self.state == State::Up);
        self.update_expiry();
        self.reschedule(random, now);
        step
    }

    /// Begins to tell the peer that the session is not configured any more: with AdminDown, so that the peer takes it for no failure.
    /// Returns false if there is nobody to tell, and the session can be dropped at once.
    pub fn remove(&mut self, random: &mut Random, now: Instant) -> bool {
        if !self.has_link || self.remote.is_none() {
            return false;
        }
        match &mut self.farewell {
            Some(farewell) => farewell.then = Then::Drop,
            None if self.state == State::AdminDown => return false,
            None => drop(self.disable(Then::Drop, now)),
        }
        self.reschedule(random, now);
        true
    }

    fn disable(&mut self, then: Then, now: Instant) -> Option<Step> {
        let interval = self.timing.transmit_interval().unwrap_or_else(|| self.timing.desired_min_tx().duration());
        self.farewell = Some(Farewell { end: now + interval * self.config.multiplier.get().into(), interval, then });
        self.enter(State::AdminDown, Diagnostic::ADMINISTRATIVELY_DOWN, Cause::Disabled, now)
    }

    /// Notes whether the interface carries packets.
    pub fn set_link(&mut self, has_link: bool, random: &mut Random, now: Instant) -> Option<Step> {
        self.has_link = has_link;
        let step = match self.state {
            State::Init | State::Up if !has_link => {
                self.enter(State::Down, Diagnostic::PATH_DOWN, Cause::LinkDown, now)
            }
            _ => None,
        };
        if !has_link {
            self.forget_remote();
        }
        self.reschedule(random, now);
        step
    }

    /// Checks the authentication of a packet, whose octets are `authenticated` if it has an authentication section (§6.7).
    pub fn verify(&mut self, packet: &ControlPacket, authenticated: Option<&[u8]>) -> Result<(), Forgery> {
        match (&self.config.authentication, authenticated) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(Forgery::Unexpected),
            (Some(_), None) => Err(Forgery::Missing),
            (Some(key), Some(octets)) => key.verify(octets, packet.multiplier, &mut self.received_sequence),
        }
    }

    /// Takes a valid packet (§6.8.6), which the kernel received at `received`.
    pub fn receive(
        &mut self,
        packet: ControlPacket,
        received: Instant,
        random: &mut Random,
        now: Instant,
    ) -> Option<Step> {
        self.counters.received += 1;
        self.remote = Some(packet);
        self.timing.receive(&packet);
        self.heard = self.heard.max(Some(received));
        if packet.sequence == PollSequence::Final {
            self.timing.finish_poll();
        }
        let mut step = None;
        if self.state != State::AdminDown {
            if let Some(state) = machine::after_packet(self.state, packet.state) {
                // On the way up it stays, so that the peer learns why the session was down last.
                let diagnostic =
                    if state == State::Down { Diagnostic::NEIGHBOR_SIGNALED_DOWN } else { self.diagnostic };
                step = self.enter(state, diagnostic, Cause::Received(packet.state), now);
            }
            self.owes_final |= packet.sequence == PollSequence::Poll;
        }
        self.update_expiry();
        self.reschedule(random, now);
        step
    }

    /// Does what is due at `now`, except for sending.
    pub fn tick(&mut self, random: &mut Random, now: Instant) -> Option<Step> {
        if self.forgotten.is_some_and(|at| at <= now) {
            self.forgotten = None;
            self.received_sequence.forget();
        }
        if self.farewell.is_some_and(|farewell| farewell.end <= now && farewell.then == Then::Stay) {
            self.farewell = None;
            self.reschedule(random, now);
        }
        if self.expiry.is_none_or(|at| at > now) {
            return None;
        }
        // §6.8.4. What the peer required is forgotten with its discriminator (§6.8.1): if it has been started again and required no packets
        // before, it would never receive one.
        let step = match self.state {
            State::Init | State::Up => {
                self.enter(State::Down, Diagnostic::DETECTION_TIME_EXPIRED, Cause::DetectionTimeExpired, now)
            }
            State::AdminDown | State::Down => None,
        };
        self.forget_remote();
        self.reschedule(random, now);
        step
    }

    /// Whether the session can be dropped.
    pub fn is_over(&self, now: Instant) -> bool {
        self.farewell.is_some_and(|farewell| farewell.end <= now && farewell.then == Then::Drop)
    }

    /// Returns the packets that are due at `now`: the answer to a Poll, and the periodic packet, or one ahead of it because its contents have
    /// changed (§6.8.7).
    pub fn due(&mut self, random: &mut Random, now: Instant) -> Vec<Vec<u8>> {
        let mut due = Vec::new();
        if !self.may_send() {
            self.owes_final = false;
            return due;
        }
        let has_news = self.sent.is_none_or(|(sent, _)| sent != self.packet(PollSequence::Neither));
        let is_periodic = self.schedule.is_some_and(|schedule| schedule.at <= now);
        if std::mem::take(&mut self.owes_final) {
            due.push(self.send(PollSequence::Final, now));
        }
        // A Final has told the news, if there were any, except for a Poll of our own.
        if is_periodic || (has_news && (due.is_empty() || self.timing.is_polling())) {
            let sequence = if self.timing.is_polling() { PollSequence::Poll } else { PollSequence::Neither };
            due.push(self.send(sequence, now));
            self.schedule = None;
            self.reschedule(random, now);
        }
        due
    }

    /// Whether any packet may be sent: there is a link, and a passive end has received something (§6.8.7).
    fn may_send(&self) -> bool {
        self.has_link && (self.config.role == Role::Active || self.remote.is_some())
    }

    /// The interval between periodic packets, before jitter; `None` if none are to be sent.
    pub fn transmit_interval(&self) -> Option<Duration> {
        if !self.may_send() {
            return None;
        }
        if let Some(farewell) = self.farewell {
            return Some(farewell.interval);
        }
        // §6.8.7: a peer in demand mode does without them once both ends are Up.
        let is_quiet = |peer: &ControlPacket| peer.demand && peer.state == State::Up && self.state == State::Up;
        if self.remote.as_ref().is_some_and(is_quiet) && !self.timing.is_polling() {
            return None;
        }
        self.timing.transmit_interval()
    }

    /// Computes the time of the next periodic packet again if the interval has changed (§6.8.7).
    fn reschedule(&mut self, random: &mut Random, now: Instant) {
        let interval = self.transmit_interval();
        match (interval, self.schedule) {
            (None, _) => self.schedule = None,
            (Some(interval), Some(schedule)) if schedule.interval == interval => {}
            (Some(interval), _) => {
                let at = match self.sent {
                    Some((_, last)) => (last + self.jittered(interval, random)).max(now),
                    None => now,
                };
                self.schedule = Some(Schedule { at, interval });
            }
        }
    }

    /// The interval, reduced by up to a quarter; with a multiplier of 1 by a tenth at least, for otherwise a packet could arrive too late
    /// without a loss (§6.8.7).
    fn jittered(&self, interval: Duration, random: &mut Random) -> Duration {
        let most = if self.config.multiplier.get() == 1 { interval * 9 / 10 } else { interval };
        random.between(interval * 3 / 4, most)
    }

    fn packet(&self, sequence: PollSequence) -> ControlPacket {
        ControlPacket {
            diagnostic: self.diagnostic,
            state: self.state,
            sequence,
            control_plane_independent: self.control_plane_independent,
            demand: false,
            multiplier: self.config.multiplier.get(),
            my_discriminator: self.discriminator,
            your_discriminator: self.remote.map_or(0, |remote| remote.my_discriminator.get()),
            desired_min_tx: self.timing.desired_min_tx(),
            required_min_rx: self.timing.required_min_rx(),
            required_min_echo_rx: Micros(0),
        }
    }

    fn send(&mut self, sequence: PollSequence, now: Instant) -> Vec<u8> {
        let contents = self.packet(PollSequence::Neither);
        let packet = self.packet(sequence);
        let octets = match &self.config.authentication {
            None => packet.encode(0),
            Some(key) => {
                // §6.7.3: a number of its own for each packet, or for each that says something new.
                if key.kind().is_meticulous() || self.sent.is_none_or(|(sent, _)| sent != contents) {
                    self.sequence = self.sequence.wrapping_add(1);
                }
                let mut octets = packet.encode(key.len());
                key.sign(&mut octets, self.sequence);
                octets
            }
        };
        // A Final leaves the periodic packets where they are.
        let last = match (sequence, self.sent) {
            (PollSequence::Final, Some((_, last))) => last,
            _ => now,
        };
        self.sent = Some((contents, last));
        self.counters.sent += 1;
        octets
    }

    fn enter(&mut self, state: State, diagnostic: Diagnostic, cause: Cause, now: Instant) -> Option<Step> {
        let remote_control_plane_independent = self.remote.is_some_and(|packet| packet.control_plane_independent);
        let from = std::mem::replace(&mut self.state, state);
        debug_assert_ne!(from, state, "a change of state");
        self.diagnostic = diagnostic;
        self.since = now;
        self.timing.set(&self.config, state == State::Up);
        Some(Step { from, to: state, diagnostic, cause, remote_control_plane_independent })
    }

    /// Sets the deadlines that follow from the last packet received (§6.8.1, §6.8.4).
    fn update_expiry(&mut self) {
        if let (Some(heard), Some(detection), Some(_)) = (self.heard, self.timing.detection_time(), self.remote) {
            self.expiry = Some(heard + detection);
            self.forgotten = self.config.authentication.as_ref().map(|_| heard + 2 * detection);
        }
    }

    fn forget_remote(&mut self) {
        self.remote = None;
        self.expiry = None;
        self.timing.forget_remote();
    }
}
