//! Two ends of a BFD session and a wire that does what the octets say: it loses, repeats, changes and invents packets, and the ends restart
//! and are configured anew. Nothing panics, no deadline is in the past after a tick, and both ends are Up soon after the octets have ended.

#![no_main]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU8;
use std::time::Duration;

use bfd::{
    Admin, Authentication, AuthenticationType, Config, Engine, Input, Instant, InterfaceId, LinkState, Output, Packet,
    SessionConfig, SessionKey, State,
};

const LINK: InterfaceId = InterfaceId(1);
const INTERVAL: Duration = Duration::from_millis(50);
/// The longest detection time that the octets can configure is 18 s: a sequence number is forgotten after two.
const SOON: Duration = Duration::from_secs(45);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| World::new(bytes).live());

struct World<'a> {
    bytes: std::slice::Iter<'a, u8>,
    now: Instant,
    ends: [Engine; 2],
    /// The last packets that each end has sent.
    sent: [Vec<Vec<u8>>; 2],
    /// Whether the wire carries what an end sends.
    carries: [bool; 2],
    key: Option<Authentication>,
}

impl<'a> World<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let mut bytes = bytes.iter();
        let kinds = [
            None,
            Some(AuthenticationType::SimplePassword),
            Some(AuthenticationType::KeyedMd5),
            Some(AuthenticationType::MeticulousKeyedMd5),
            Some(AuthenticationType::KeyedSha1),
            Some(AuthenticationType::MeticulousKeyedSha1),
        ];
        let kind = kinds[usize::from(bytes.next().copied().unwrap_or_default()) % kinds.len()];
        let key = kind.map(|kind| Authentication::new(kind, 1, b"key").expect("a key that is short enough"));
        let ends = [Engine::new(1), Engine::new(2)];
        Self { bytes, now: Instant::ZERO, ends, sent: Default::default(), carries: [true; 2], key }
    }

    fn live(mut self) {
        for end in 0..2 {
            self.set_right(end);
        }
        while let Some(what) = self.bytes.next().copied() {
            let end = usize::from(what >> 7);
            match what % 10 {
                0..=2 => {
                    let time = Duration::from_millis(u64::from(self.octet()) * 4);
                    self.run(time);
                }
                3 => self.carries[end] = !self.carries[end],
                4 => self.repeat(end, None),
                5 => {
                    let change = (self.octet(), self.octet());
                    self.repeat(end, Some(change));
                }
                6 => {
                    let invented: Vec<u8> = self.bytes.by_ref().take(usize::from(what / 10) * 2).copied().collect();
                    self.arrive(end, &invented);
                }
                7 => {
                    let seed = u64::from(self.octet());
                    self.ends[end] = Engine::new(seed);
                    self.set_right(end);
                }
                8 => {
                    let (interval, multiplier, admin) = (self.octet(), self.octet(), self.octet());
                    let multiplier = NonZeroU8::new(multiplier % 9).unwrap_or(NonZeroU8::MIN);
                    let mut config = SessionConfig::new(Duration::from_millis(10 + u64::from(interval) * 7), multiplier);
                    config.admin = if admin % 3 == 0 { Admin::Disabled } else { Admin::Enabled };
                    self.configure(end, Some(config));
                }
                _ => match self.octet() % 3 {
                    0 => self.configure(end, None),
                    1 => self.handle(end, Input::Link { interface: LINK, state: LinkState::Down }),
                    _ => self.handle(end, Input::Link { interface: LINK, state: LinkState::Up }),
                },
            }
        }
        self.carries = [true; 2];
        for end in 0..2 {
            self.set_right(end);
        }
        self.run(SOON);
        for engine in &self.ends {
            let state = engine.sessions(self.now).next().map(|view| view.state);
            assert_eq!(state, Some(State::Up), "soon after everything is right again");
        }
    }

    fn octet(&mut self) -> u8 {
        self.bytes.next().copied().unwrap_or_default()
    }

    fn set_right(&mut self, end: usize) {
        self.configure(end, Some(SessionConfig::new(INTERVAL, NonZeroU8::new(3).expect("not zero"))));
        self.handle(end, Input::Link { interface: LINK, state: LinkState::Up });
    }

    fn configure(&mut self, end: usize, session: Option<SessionConfig>) {
        let key = SessionKey { interface: LINK, peer: address(1 - end) };
        let session = session.map(|session| (key, SessionConfig { authentication: self.key.clone(), ..session }));
        let sessions: BTreeMap<SessionKey, SessionConfig> = session.into_iter().collect();
        self.handle(end, Input::Configure(Config { control_plane_independent: false, sessions }));
    }

    /// A packet that the end has sent arrives again, perhaps with an octet changed.
    fn repeat(&mut self, end: usize, change: Option<(u8, u8)>) {
        let sent = self.sent[end].len().checked_sub(1);
        let Some(place) = sent.map(|last| last - usize::from(self.octet()).min(last)) else { return };
        let mut octets = self.sent[end][place].clone();
        if let Some((at, octet)) = change {
            let at = usize::from(at) % octets.len();
            octets[at] = octet;
        }
        self.arrive(1 - end, &octets);
    }

    fn arrive(&mut self, end: usize, octets: &[u8]) {
        let (source, received) = (address(1 - end), self.now);
        self.handle(end, Input::Packet(Packet { interface: LINK, source, ttl: 255, received, octets }));
    }

    fn handle(&mut self, end: usize, input: Input<'_>) {
        self.ends[end].handle(self.now, input);
        let mut sent = Vec::new();
        while let Some(output) = self.ends[end].poll_output() {
            if let Output::Send { octets, .. } = output {
                sent.push(octets);
            }
        }
        for octets in sent {
            self.sent[end].push(octets.clone());
            if self.carries[end] {
                self.arrive(1 - end, &octets);
            }
        }
    }

    fn run(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            let next = self.ends.iter().filter_map(|engine| Some(engine.next_deadline()?.0)).min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.now = next.max(self.now);
            for end in 0..2 {
                self.handle(end, Input::Tick);
            }
            for engine in &self.ends {
                assert!(engine.next_deadline().is_none_or(|(at, _)| at > self.now), "after a tick");
            }
        }
        self.now = until;
    }
}

fn address(end: usize) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, end as u8 + 1).into()
}
