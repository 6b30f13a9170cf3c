//! Two engines and the wire between them, in virtual time.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::num::NonZeroU8;
use std::time::Duration;

use crate::*;

pub const INTERVAL: Duration = Duration::from_millis(50);
pub const MULTIPLIER: u8 = 3;
/// What a packet takes from one end to the other.
pub const DELAY: Duration = Duration::from_millis(2);
pub const LINK: InterfaceId = InterfaceId(1);

/// An end of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    A,
    B,
}
pub use End::{A, B};

impl End {
    pub fn other(self) -> Self {
        match self {
            A => B,
            B => A,
        }
    }

    pub fn address(self) -> IpAddr {
        match self {
            A => "10.255.0.1".parse().unwrap(),
            B => "10.255.0.2".parse().unwrap(),
        }
    }

    /// The session of this end.
    pub fn session(self) -> SessionKey {
        SessionKey { interface: LINK, peer: self.other().address() }
    }
}

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub fn session(interval: Duration, multiplier: u8) -> SessionConfig {
    SessionConfig::new(interval, NonZeroU8::new(multiplier).unwrap())
}

pub fn config(end: End, wanted: SessionConfig) -> Config {
    Config { control_plane_independent: true, sessions: BTreeMap::from([(end.session(), wanted)]) }
}

/// A packet that was sent.
#[derive(Debug, Clone)]
pub struct Sent {
    pub at: Instant,
    pub from: End,
    pub octets: Vec<u8>,
}

impl Sent {
    pub fn packet(&self) -> wire::ControlPacket {
        wire::ControlPacket::decode(&self.octets).unwrap().0
    }
}

pub struct World {
    pub now: Instant,
    pub engines: BTreeMap<End, Engine>,
    flying: VecDeque<(Instant, End, Vec<u8>)>,
    /// Which directions lose everything, by the end that sends.
    pub cut: BTreeMap<End, bool>,
    pub sent: Vec<Sent>,
    pub changes: Vec<(Instant, End, Change)>,
    pub discarded: Vec<(End, Discard)>,
    /// Sessions that have ended, by their end.
    pub ended: Vec<End>,
}

impl World {
    /// Two ends with the same configuration, before anything has happened.
    pub fn new(seed: u64) -> Self {
        Self::of(seed, session(INTERVAL, MULTIPLIER), session(INTERVAL, MULTIPLIER))
    }

    pub fn of(seed: u64, a: SessionConfig, b: SessionConfig) -> Self {
        let mut world = Self {
            now: Instant::ZERO + Duration::from_secs(10),
            engines: BTreeMap::from([(A, Engine::new(seed)), (B, Engine::new(seed ^ 0xb))]),
            flying: VecDeque::new(),
            cut: BTreeMap::from([(A, false), (B, false)]),
            sent: Vec::new(),
            changes: Vec::new(),
            discarded: Vec::new(),
            ended: Vec::new(),
        };
        for (end, wanted) in [(A, a), (B, b)] {
            world.handle(end, Input::Configure(config(end, wanted)));
            world.handle(end, Input::Link { interface: LINK, state: LinkState::Up });
        }
        world
    }

    /// Both ends Up, and every Poll answered.
    pub fn up(seed: u64) -> Self {
        let mut world = Self::new(seed);
        world.run(Duration::from_secs(5));
        assert_eq!((world.state(A), world.state(B)), (State::Up, State::Up));
        world
    }

    pub fn engine(&mut self, end: End) -> &mut Engine {
        self.engines.get_mut(&end).unwrap()
    }

    pub fn view(&self, end: End) -> SessionView {
        self.engines[&end].sessions(self.now).next().expect("there is a session")
    }

    pub fn state(&self, end: End) -> State {
        self.view(end).state
    }

    pub fn handle(&mut self, end: End, input: Input<'_>) {
        let now = self.now;
        self.engine(end).handle(now, input);
        self.drain(end);
    }

    pub fn configure(&mut self, end: End, wanted: SessionConfig) {
        self.handle(end, Input::Configure(config(end, wanted)));
    }

    /// Hands a packet from the other end to this one.
    pub fn receive(&mut self, end: End, octets: &[u8]) {
        self.receive_from(end, LINK, end.other().address(), octets);
    }

    pub fn receive_from(&mut self, end: End, interface: InterfaceId, source: IpAddr, octets: &[u8]) {
        let received = self.now;
        self.handle(end, Input::Packet(Packet { interface, source, ttl: 255, received, octets }));
    }

    fn drain(&mut self, end: End) {
        let now = self.now;
        while let Some(output) = self.engine(end).poll_output() {
            match output {
                Output::Send { octets, .. } => {
                    self.sent.push(Sent { at: now, from: end, octets: octets.clone() });
                    if !self.cut[&end] {
                        self.flying.push_back((now + DELAY, end.other(), octets));
                    }
                }
                Output::Changed(change) => self.changes.push((now, end, change)),
                Output::Ended { .. } => self.ended.push(end),
                Output::Discarded { reason, .. } => self.discarded.push((end, reason)),
            }
        }
    }

    /// Loses what has been sent and has not arrived yet.
    pub fn lose_what_flies(&mut self) {
        self.flying.clear();
    }

    /// Lets so much time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let arrival = self.flying.front().map(|(at, ..)| *at);
            let deadlines = self.engines.values().filter_map(|engine| Some(engine.next_deadline()?.0));
            let next = deadlines.chain(arrival).min().filter(|at| *at <= end);
            // A deadline may have passed when it came to be: a shorter detection time counts from the last packet, too.
            let Some(next) = next.map(|next| next.max(self.now)) else { break };
            self.now = next;
            while let Some((_, to, octets)) = self.flying.pop_front_if(|(at, ..)| *at <= next) {
                self.receive(to, &octets);
            }
            for end in [A, B] {
                self.handle(end, Input::Tick);
                let deadline = self.engines[&end].next_deadline();
                assert!(deadline.is_none_or(|(at, _)| at > next), "{deadline:?} after a tick at {next:?}");
            }
        }
        self.now = end;
    }

    /// Runs until the end is in this state; how long it took.
    pub fn run_to(&mut self, end: End, state: State, most: Duration) -> Duration {
        let begin = self.now;
        while self.state(end) != state {
            assert!(self.now.saturating_since(begin) < most, "{end:?} is {}, not {state}", self.state(end));
            self.run(ms(1));
        }
        self.now.saturating_since(begin)
    }

    /// What an end has sent since.
    pub fn sent_since(&self, end: End, since: Instant) -> Vec<&Sent> {
        self.sent.iter().filter(|sent| sent.from == end && sent.at > since).collect()
    }

    /// The last packet of an end.
    pub fn last(&self, end: End) -> &Sent {
        self.sent.iter().rfind(|sent| sent.from == end).expect("it has sent something")
    }
}
