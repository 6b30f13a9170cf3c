//! All sessions of a router: which one a packet is for (RFC 5880 §6.3, §6.8.6; RFC 5881 §3 to §5), and which deadline is the next.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroU32;

use crate::config::{Config, InterfaceId, SessionConfig, SessionKey};
use crate::io::{Change, Discard, Input, LinkState, Output, Packet};
use crate::random::Random;
use crate::session::{Session, Step, TimerKey};
use crate::time::Instant;
use crate::view::SessionView;
use crate::wire::ControlPacket;

/// The TTL of packets over a single hop (RFC 5881 §5).
const TTL: u8 = 255;

/// All sessions.
#[derive(Debug)]
pub struct Engine {
    control_plane_independent: bool,
    sessions: BTreeMap<SessionKey, Session>,
    /// The sessions by bfd.LocalDiscr.
    by_discriminator: BTreeMap<NonZeroU32, SessionKey>,
    /// The next deadline of each session.
    deadlines: BTreeSet<(Instant, SessionKey)>,
    /// The interfaces that carry packets.
    links: BTreeSet<InterfaceId>,
    random: Random,
    outputs: VecDeque<Output>,
}

impl Engine {
    /// An engine without sessions. Jitter, discriminators and first sequence numbers come from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            control_plane_independent: false,
            sessions: BTreeMap::new(),
            by_discriminator: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            links: BTreeSet::new(),
            random: Random::new(seed),
            outputs: VecDeque::new(),
        }
    }

    /// Takes an input. Never fails; a bad packet is an output. A packet changes its own session only, so that all that wait can be handed
    /// over before [`Input::Tick`] judges what is missing.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Configure(config) => self.configure(config, now),
            Input::Link { interface, state } => self.set_link(interface, state, now),
            Input::Packet(packet) => {
                if let Err(reason) = self.receive(&packet, now) {
                    let Packet { interface, source, .. } = packet;
                    self.outputs.push_back(Output::Discarded { interface, source, reason });
                }
            }
            Input::Tick => self.tick(now),
        }
        self.check();
    }

    /// Returns the next output; `None` after the last.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Tick`] is due next, and what for.
    pub fn next_deadline(&self) -> Option<(Instant, TimerKey)> {
        let (_, key) = self.deadlines.first()?;
        self.sessions.get(key)?.deadline()
    }

    /// The configured sessions, by interface and peer.
    pub fn sessions(&self, now: Instant) -> impl Iterator<Item = SessionView> {
        self.sessions.iter().filter(|(_, session)| !session.is_removed()).map(move |(key, session)| {
            let remote = session.remote();
            SessionView {
                session: *key,
                state: session.state(),
                in_state: now.saturating_since(session.since()),
                diagnostic: session.diagnostic(),
                local_discriminator: session.discriminator().get(),
                remote_discriminator: remote.map_or(0, |packet| packet.my_discriminator.get()),
                remote_state: remote.map(|packet| (packet.state, packet.diagnostic)),
                remote_control_plane_independent: remote.is_some_and(|packet| packet.control_plane_independent),
                transmit_interval: session.transmit_interval(),
                detection_time: session.timing().detection_time(),
                heard: session.heard().map(|heard| now.saturating_since(heard)),
                sent: session.counters.sent,
                received: session.counters.received,
            }
        })
    }

    fn configure(&mut self, config: Config, now: Instant) {
        let independent = config.control_plane_independent;
        let all_differ = std::mem::replace(&mut self.control_plane_independent, independent) != independent;
        let gone: Vec<SessionKey> = self
            .sessions
            .iter()
            .filter(|(key, session)| !session.is_removed() && !config.sessions.contains_key(key))
            .map(|(key, _)| *key)
            .collect();
        for key in gone {
            self.remove(key, now);
        }
        for (key, wanted) in config.sessions {
            match self.sessions.get(&key) {
                Some(session) if !session.is_removed() && *session.config() == wanted && !all_differ => {}
                Some(session) if !session.is_removed() => {
                    self.change(key, now, |session, random| session.configure(wanted, independent, random, now))
                }
                // It is configured again while its end is still being told: it begins anew.
                Some(_) => {
                    self.forget(key);
                    self.add(key, wanted, now);
                }
                None => self.add(key, wanted, now),
            }
        }
    }

    fn add(&mut self, key: SessionKey, config: SessionConfig, now: Instant) {
        let discriminator = loop {
            let Some(discriminator) = NonZeroU32::new(self.random.next_u32()) else { continue };
            if !self.by_discriminator.contains_key(&discriminator) {
                break discriminator;
            }
        };
        let has_link = self.links.contains(&key.interface);
        let session =
            Session::new(config, self.control_plane_independent, discriminator, has_link, &mut self.random, now);
        self.by_discriminator.insert(discriminator, key);
        self.deadlines.extend(session.deadline().map(|(at, _)| (at, key)));
        self.sessions.insert(key, session);
        self.change(key, now, |_, _| None);
    }

    fn remove(&mut self, key: SessionKey, now: Instant) {
        let mut is_told = false;
        self.change(key, now, |session, random| {
            is_told = session.remove(random, now);
            None
        });
        if !is_told {
            self.end(key);
        }
    }

    fn end(&mut self, key: SessionKey) {
        self.forget(key);
        self.outputs.push_back(Output::Ended { session: key });
    }

    fn forget(&mut self, key: SessionKey) {
        if let Some(session) = self.sessions.remove(&key) {
            self.by_discriminator.remove(&session.discriminator());
            if let Some((at, _)) = session.deadline() {
                self.deadlines.remove(&(at, key));
            }
        }
    }

    fn set_link(&mut self, interface: InterfaceId, state: LinkState, now: Instant) {
        let has_link = state == LinkState::Up;
        let differs = if has_link { self.links.insert(interface) } else { self.links.remove(&interface) };
        if !differs {
            return;
        }
        let on_it: Vec<SessionKey> =
            self.sessions.keys().filter(|session| session.interface == interface).copied().collect();
        for key in on_it {
            if !has_link && self.sessions.get(&key).is_some_and(Session::is_removed) {
                self.end(key);
                continue;
            }
            self.change(key, now, |session, random| session.set_link(has_link, random, now));
        }
    }

    fn receive(&mut self, arrived: &Packet<'_>, now: Instant) -> Result<(), Discard> {
        if arrived.ttl != TTL {
            return Err(Discard::Ttl);
        }
        let (packet, authenticated) = ControlPacket::decode(arrived.octets)?;
        let key = match NonZeroU32::new(packet.your_discriminator) {
            // §6.3: whatever address it comes from.
            Some(discriminator) => {
                let key = self.by_discriminator.get(&discriminator).ok_or(Discard::UnknownDiscriminator)?;
                if key.interface != arrived.interface {
                    return Err(Discard::OtherInterface);
                }
                *key
            }
            // RFC 5881 §3, §4.
            None => SessionKey { interface: arrived.interface, peer: arrived.source },
        };
        let session = self.sessions.get_mut(&key).ok_or(Discard::UnknownPeer)?;
        session.verify(&packet, authenticated)?;
        let received = arrived.received.min(now);
        self.change(key, now, |session, random| session.receive(packet, received, random, now));
        Ok(())
    }

    fn tick(&mut self, now: Instant) {
        while let Some((_, key)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            if self.sessions.get(&key).is_some_and(|session| session.is_over(now)) {
                self.end(key);
                continue;
            }
            self.change(key, now, |session, random| session.tick(random, now));
        }
    }

    /// Changes a session; sends what is due because of it, reports its change of state, and takes its next deadline.
    fn change(
        &mut self,
        key: SessionKey,
        now: Instant,
        change: impl FnOnce(&mut Session, &mut Random) -> Option<Step>,
    ) {
        let session = self.sessions.get_mut(&key);
        debug_assert!(session.is_some(), "a session that is changed is there");
        let Some(session) = session else { return };
        let before = session.deadline();
        let step = change(session, &mut self.random);
        let due = session.due(&mut self.random, now);
        let after = session.deadline();
        if before != after {
            if let Some((at, _)) = before {
                self.deadlines.remove(&(at, key));
            }
            self.deadlines.extend(after.map(|(at, _)| (at, key)));
        }
        // What packets depend on a path comes first.
        self.outputs.extend(step.map(|step| {
            let Step { from, to, diagnostic, cause, remote_control_plane_independent } = step;
            Output::Changed(Change { session: key, from, to, diagnostic, cause, remote_control_plane_independent })
        }));
        self.outputs.extend(due.into_iter().map(|octets| Output::Send { session: key, octets }));
    }

    /// Panics in a debug build if the tables do not agree.
    fn check(&self) {
        if !cfg!(debug_assertions) {
            return;
        }
        assert_eq!(self.by_discriminator.len(), self.sessions.len(), "a discriminator for each session");
        let mut deadlines = BTreeSet::new();
        for (key, session) in &self.sessions {
            assert_eq!(self.by_discriminator.get(&session.discriminator()), Some(key));
            deadlines.extend(session.deadline().map(|(at, _)| (at, *key)));
        }
        assert_eq!(self.deadlines, deadlines, "each session's deadline is known");
    }
}
