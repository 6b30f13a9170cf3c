//! The loop of the BFD process: sockets, the clock, the control socket; and what it is told to do.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use ::bfd::{
    Admin, Authentication, AuthenticationType, Change, Config, Engine, Input, Instant, InterfaceId, LinkState, Output,
    Packet, Role, SessionConfig, SessionKey, SessionView, State,
};
use anyhow::{Context as _, bail, ensure};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::clients::{ClientId, Clients, Listener};
use super::links::{Link, Links};
use super::pace::{self, Pace};
use super::protocol::{
    AuthenticationKind, AuthenticationSpec, Command, PROTOCOL, ProcessInfo, Reply, SessionChange, SessionInfo,
    SessionSpec,
};
use super::sockets::{Datagram, Receiver, Sender};
use crate::net::IfName;
use crate::sys;

/// The shortest interval of a session.
const SHORTEST: Duration = Duration::from_millis(1);
/// The most sessions.
const MAX_SESSIONS: usize = 4096;
/// Datagrams that are read from one socket before the others have their turn.
const DATAGRAMS: usize = 64;
/// How soon what could not be opened is tried again, and the control socket's name is looked at.
const RETRY: Duration = Duration::from_secs(1);
/// A deadline that is met later than this is counted.
const LATE: Duration = Duration::from_millis(10);
/// Events at a time, besides one for each interface.
const EVENTS: usize = 64;
/// The system's clock was set if it has gained or lost so much since the last look, a second ago at most.
const CLOCK_STEP: Duration = Duration::from_millis(5);

/// Runs the process until SIGTERM, SIGINT or [`Command::Stop`], with the control socket at `control`.
///
/// # Errors
/// If the control socket or another descriptor cannot be opened at the start.
pub fn run(control: PathBuf) -> anyhow::Result<()> {
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let mut process = Process::start(control)?;
    while process.round()? == Round::Next {}
    Ok(())
}

/// Whether the process goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    Next,
    Last,
}

/// What a descriptor is, in the data of its events: the kind in the upper half, a number in the lower one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Signal,
    Timer,
    Links,
    Listener,
    Interface(InterfaceId),
    Client(ClientId),
}

impl Source {
    fn token(self) -> u64 {
        match self {
            Self::Signal => 0,
            Self::Timer => 1,
            Self::Links => 2,
            Self::Listener => 3,
            Self::Interface(InterfaceId(id)) => 1 << 32 | u64::from(id),
            Self::Client(ClientId(id)) => 2 << 32 | id & u64::from(u32::MAX),
        }
    }

    fn of(token: u64) -> Self {
        let number = token & u64::from(u32::MAX);
        match (token >> 32, number) {
            (0, 0) => Self::Signal,
            (0, 1) => Self::Timer,
            (0, 2) => Self::Links,
            (0, _) => Self::Listener,
            (1, _) => Self::Interface(InterfaceId(u32::try_from(number).unwrap_or_default())),
            (_, _) => Self::Client(ClientId(number)),
        }
    }
}

/// The system's clock beside one that nobody sets.
#[derive(Debug, Clone, Copy)]
struct WallClock {
    wall: SystemTime,
    steady: std::time::Instant,
}

impl WallClock {
    fn look() -> Self {
        Self { wall: SystemTime::now(), steady: std::time::Instant::now() }
    }

    /// Whether the system's clock has gone on as the other one since the last look.
    fn is_steady(&mut self) -> bool {
        let before = std::mem::replace(self, Self::look());
        let expected = before.wall + (self.steady - before.steady);
        let [ahead, behind] = [self.wall.duration_since(expected), expected.duration_since(self.wall)];
        ahead.or(behind).unwrap_or_default() < CLOCK_STEP
    }
}

/// An interface of sessions.
#[derive(Debug)]
struct Interface {
    id: InterfaceId,
    /// As it was when its sockets were opened.
    link: Option<Link>,
    receiver: Option<Receiver>,
    /// Why it has no socket.
    trouble: Option<String>,
}

/// A session as it was ordered.
#[derive(Debug)]
struct Ordered {
    spec: SessionSpec,
    interface: IfName,
    sender: Option<Sender>,
    /// Why it has no socket, or why the last packet was not sent.
    trouble: Option<String>,
    /// How it failed when it was last Up, if it did and is not Up again.
    failure: Option<Failure>,
}

/// The failure of a session.
#[derive(Debug, Clone, Copy)]
struct Failure {
    /// Whether the peer's BFD would have outlived its control plane.
    remote_independent: bool,
}

struct Process {
    engine: Engine,
    clock: std::time::Instant,
    wall_clock: WallClock,
    links: Links,
    interfaces: BTreeMap<IfName, Interface>,
    /// The number of interfaces so far.
    numbered: u32,
    sessions: BTreeMap<SessionKey, Ordered>,
    epoll: Epoll,
    events: Vec<EpollEvent>,
    timer: TimerFd,
    signals: SignalFd,
    control: PathBuf,
    listener: Option<Listener>,
    clients: Clients,
    without_real_time: Option<String>,
    late: u64,
    latest: Duration,
    pace: Pace,
    retry: Instant,
    is_stopping: bool,
}

impl Process {
    fn start(control: PathBuf) -> anyhow::Result<Self> {
        let ends: SigSet = [Signal::SIGTERM, Signal::SIGINT].into_iter().collect();
        ends.thread_block().context("blocking signals")?;
        let signals = SignalFd::with_flags(&ends, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC);
        let signals = signals.context("opening a descriptor for signals")?;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC);
        let timer = timer.context("opening a timer")?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).context("opening an epoll descriptor")?;
        let listener = Listener::open(&control)?;
        let links = Links::open()?;
        let watch = |descriptor: std::os::fd::BorrowedFd<'_>, source: Source| {
            epoll.add(descriptor, EpollEvent::new(EpollFlags::EPOLLIN, source.token())).context("watching a descriptor")
        };
        watch(signals.as_fd(), Source::Signal)?;
        watch(timer.as_fd(), Source::Timer)?;
        watch(links.as_fd(), Source::Links)?;
        watch(listener.as_fd(), Source::Listener)?;
        let without_real_time = sys::set_round_robin().err().map(|error| error.to_string());
        if let Some(error) = &without_real_time {
            tracing::warn!(
                error,
                "no real-time priority: on a busy machine sessions may fail (LimitRTPRIO=1 in the unit)"
            );
        }
        Ok(Self {
            // Discriminators follow from it: nobody can guess them.
            engine: Engine::new(u64::from_ne_bytes(sys::random()?)),
            clock: std::time::Instant::now(),
            wall_clock: WallClock::look(),
            links,
            interfaces: BTreeMap::new(),
            numbered: 0,
            sessions: BTreeMap::new(),
            epoll,
            events: Vec::new(),
            timer,
            signals,
            control,
            listener: Some(listener),
            clients: Clients::default(),
            without_real_time,
            late: 0,
            latest: Duration::ZERO,
            pace: Pace::default(),
            retry: Instant::ZERO + RETRY,
            is_stopping: false,
        })
    }

    fn now(&self) -> Instant {
        Instant::new(self.clock.elapsed())
    }

    /// Waits for events, and does what they ask for: first all packets that have arrived, then what is due.
    fn round(&mut self) -> anyhow::Result<Round> {
        self.set_timer();
        self.events.resize(EVENTS + self.interfaces.len(), EpollEvent::empty());
        let count = match self.epoll.wait(&mut self.events, EpollTimeout::NONE) {
            Ok(count) => count,
            Err(nix::errno::Errno::EINTR) => 0,
            Err(error) => return Err(error).context("waiting for events"),
        };
        let sources: Vec<Source> = self.events[..count].iter().map(|event| Source::of(event.data())).collect();
        let readable: BTreeSet<InterfaceId> = sources
            .iter()
            .filter_map(|source| match source {
                Source::Interface(id) => Some(*id),
                _ => None,
            })
            .collect();
        self.receive(&readable);
        self.tick();
        for source in sources {
            match source {
                Source::Signal => {
                    if matches!(self.signals.read_signal(), Ok(Some(_))) {
                        return Ok(Round::Last);
                    }
                }
                Source::Timer => _ = self.timer.wait(),
                Source::Links => {
                    if self.links.read() {
                        self.follow_links();
                    }
                }
                Source::Listener => self.accept(),
                Source::Client(id) => self.serve(id),
                Source::Interface(_) => {}
            }
        }
        let now = self.now();
        if now >= self.retry {
            self.retry = now + RETRY;
            self.follow_links();
            self.look_at_listener();
        }
        self.flush();
        if self.is_stopping && self.sessions.is_empty() {
            // The name is gone before the clients receive the end of their streams.
            self.listener = None;
            return Ok(Round::Last);
        }
        Ok(Round::Next)
    }

    fn set_timer(&self) {
        let deadline = self.engine.next_deadline().map_or(self.retry, |(at, _)| at.min(self.retry));
        // A time of zero would disarm the timer.
        let wait = deadline.saturating_since(self.now()).max(Duration::from_nanos(1));
        let set = self.timer.set(Expiration::OneShot(wait.into()), TimerSetTimeFlags::empty());
        if let Err(error) = set {
            tracing::error!(%error, "setting the timer");
        }
    }

    /// Hands the packets in the sockets of these interfaces to the engine.
    fn receive(&mut self, readable: &BTreeSet<InterfaceId>) {
        let is_steady = self.wall_clock.is_steady();
        for interface in self.interfaces.values().filter(|interface| readable.contains(&interface.id)) {
            let Some(receiver) = &interface.receiver else { continue };
            for _ in 0..DATAGRAMS {
                let Some(Datagram { source, ttl, age, octets }) = receiver.receive() else { break };
                let now = Instant::new(self.clock.elapsed());
                // The kernel's time stamps are of the system's clock: if that was set, their age is not known.
                let age = if is_steady { age } else { Duration::ZERO };
                let (source, received) = (IpAddr::V4(source), now - age);
                let packet = Packet { interface: interface.id, source, ttl, received, octets: &octets };
                self.engine.handle(now, Input::Packet(packet));
            }
        }
        self.flush();
    }

    fn tick(&mut self) {
        let now = self.now();
        if let Some((deadline, _)) = self.engine.next_deadline() {
            let late = now.saturating_since(deadline);
            if late > LATE {
                self.late += 1;
                self.latest = self.latest.max(late);
            }
            if let Some(change) = self.pace.late(late, now) {
                self.keep_pace(change);
            }
        }
        self.engine.handle(now, Input::Tick);
        self.flush();
    }

    /// Gives the sessions the intervals that this process can keep to.
    fn keep_pace(&mut self, change: pace::Change) {
        let shortest = self.pace.shortest();
        let mut sessions = BTreeMap::new();
        for (key, ordered) in &self.sessions {
            match session_config(&ordered.spec, shortest) {
                Ok(config) => _ = sessions.insert(*key, config),
                Err(error) => tracing::error!(%error, "a session that was accepted before"),
            }
        }
        if self.is_stopping {
            return;
        }
        let is_slowed = |ordered: &Ordered| Duration::from_micros(ordered.spec.desired_min_tx_us.into()) < shortest;
        let slowed = self.sessions.values().filter(|ordered| is_slowed(ordered)).count();
        match change {
            pace::Change::Slower if slowed > 0 => tracing::warn!(
                sessions = slowed,
                shortest_ms = shortest.as_millis(),
                "this process gets too little of the processor: sessions slow down, and find failures later"
            ),
            pace::Change::Slower => {}
            pace::Change::Faster => {
                tracing::info!(sessions = slowed, shortest_ms = shortest.as_millis(), "sessions may be faster again");
            }
        }
        let now = self.now();
        self.engine.handle(now, Input::Configure(Config { control_plane_independent: true, sessions }));
    }

    /// Does what the engine asks for.
    fn flush(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Send { session, octets } => {
                    let Some(ordered) = self.sessions.get_mut(&session) else { continue };
                    let Some(sender) = &ordered.sender else { continue };
                    ordered.trouble = sender.send(&octets).err().map(|error| format!("sending: {error}"));
                }
                Output::Changed(change) => self.report(&change),
                Output::Ended { session } => drop(self.sessions.remove(&session)),
                Output::Discarded { source, reason, .. } => tracing::debug!(%source, %reason, "packet discarded"),
            }
        }
    }

    fn report(&mut self, change: &Change) {
        let Some(ordered) = self.sessions.get_mut(&change.session) else { return };
        let Change { from, to, diagnostic, remote_control_plane_independent: remote_independent, .. } = *change;
        match to {
            _ if change.is_failure() => ordered.failure = Some(Failure { remote_independent }),
            // It begins again where it failed.
            State::Down | State::Init => {}
            State::Up | State::AdminDown => ordered.failure = None,
        }
        let Ordered { spec, failure, .. } = ordered;
        let failed = failure.is_some();
        tracing::info!(iface = spec.interface, peer = %spec.peer, %from, %to, %diagnostic, failed, "session");
        let change = SessionChange {
            interface: spec.interface.clone(),
            peer: spec.peer,
            from: from.into(),
            to: to.into(),
            diagnostic: diagnostic.to_string(),
            failed,
            remote_independent: is_independent(*failure, remote_independent),
        };
        self.clients.tell(&Reply::Changed(change));
    }

    /// Opens and closes sockets so that they fit the interfaces as they are, and tells the engine.
    fn follow_links(&mut self) {
        let now = self.now();
        let Self { interfaces, links, sessions, epoll, engine, .. } = self;
        let wanted: BTreeSet<&IfName> = sessions.values().map(|ordered| &ordered.interface).collect();
        interfaces.retain(|name, _| wanted.contains(name));
        for (name, interface) in interfaces.iter_mut() {
            let found = links.get(name);
            if found.map(|link| link.index) != interface.link.map(|link| link.index) {
                // Its sockets are bound to an interface that is gone.
                engine.handle(now, Input::Link { interface: interface.id, state: LinkState::Down });
                interface.receiver = None;
                let of_interface = |ordered: &&mut Ordered| ordered.interface == *name;
                sessions.values_mut().filter(of_interface).for_each(|ordered| ordered.sender = None);
            }
            interface.link = found;
            let Some(link) = found else {
                interface.trouble = Some("there is no such interface".to_owned());
                continue;
            };
            if interface.receiver.is_none() {
                let opened = Receiver::open(name).and_then(|receiver| {
                    let token = Source::Interface(interface.id).token();
                    epoll.add(receiver.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, token))?;
                    Ok(receiver)
                });
                interface.trouble = opened.as_ref().err().map(|error| format!("opening a socket to receive: {error}"));
                interface.receiver = opened.ok();
            }
            for (key, ordered) in sessions.iter_mut().filter(|(_, ordered)| ordered.interface == *name) {
                if ordered.sender.is_none() {
                    let spec = &ordered.spec;
                    let opened = Sender::open(name, spec.source, spec.peer, key.interface.0);
                    ordered.trouble = opened.as_ref().err().map(|error| format!("opening a socket to send: {error}"));
                    ordered.sender = opened.ok();
                }
            }
            let state = if link.is_up { LinkState::Up } else { LinkState::Down };
            engine.handle(now, Input::Link { interface: interface.id, state });
        }
        self.flush();
    }

    /// Makes the control socket again if its name was removed: no daemon finds this process without it.
    fn look_at_listener(&mut self) {
        if self.is_stopping || self.listener.as_ref().is_some_and(Listener::is_in_place) {
            return;
        }
        match Listener::open(&self.control) {
            Ok(listener) => {
                let event = EpollEvent::new(EpollFlags::EPOLLIN, Source::Listener.token());
                if let Err(error) = self.epoll.add(listener.as_fd(), event) {
                    tracing::warn!(%error, "watching the control socket");
                }
                self.listener = Some(listener);
                tracing::info!(path = %self.control.display(), "control socket made again");
            }
            Err(error) => tracing::debug!(error = format!("{error:#}"), "control socket not made again"),
        }
    }

    fn accept(&mut self) {
        while let Some(stream) = self.listener.as_ref().and_then(Listener::accept) {
            let Some(id) = self.clients.add(stream) else { continue };
            let Some(descriptor) = self.clients.descriptor(id) else { continue };
            let event = EpollEvent::new(EpollFlags::EPOLLIN, Source::Client(id).token());
            if let Err(error) = self.epoll.add(descriptor, event) {
                tracing::warn!(%error, "watching a client");
            }
        }
    }

    fn serve(&mut self, id: ClientId) {
        for command in self.clients.serve(id).unwrap_or_default() {
            let reply = match command {
                Ok(command) => self.carry_out(id, command),
                Err(error) => Some(Reply::Error { text: format!("not understood: {error}") }),
            };
            if let Some(reply) = reply {
                self.clients.answer(id, &reply);
            }
        }
        // What it cannot take yet is written when it can.
        if let Some(descriptor) = self.clients.descriptor(id) {
            let mut flags = EpollFlags::EPOLLIN;
            flags.set(EpollFlags::EPOLLOUT, self.clients.has_output(id));
            let mut event = EpollEvent::new(flags, Source::Client(id).token());
            if let Err(error) = self.epoll.modify(descriptor, &mut event) {
                tracing::warn!(%error, "watching a client");
            }
        }
    }

    /// Carries out a command; `None` if the answer is the end of the stream.
    fn carry_out(&mut self, id: ClientId, command: Command) -> Option<Reply> {
        match command {
            Command::Configure { sessions } => Some(match self.configure(sessions) {
                Ok(()) => Reply::Ok,
                Err(error) => Reply::Error { text: format!("{error:#}") },
            }),
            Command::List => Some(Reply::Process(self.info())),
            Command::Watch => {
                self.clients.watch(id);
                Some(Reply::Ok)
            }
            Command::Stop => {
                self.is_stopping = true;
                let now = self.now();
                self.engine.handle(now, Input::Configure(Config::default()));
                self.flush();
                None
            }
        }
    }

    fn configure(&mut self, specs: Vec<SessionSpec>) -> anyhow::Result<()> {
        ensure!(!self.is_stopping, "the process is about to end");
        ensure!(specs.len() <= MAX_SESSIONS, "{} sessions: {MAX_SESSIONS} is the most", specs.len());
        let mut ids: BTreeMap<IfName, InterfaceId> =
            self.interfaces.iter().map(|(name, interface)| (name.clone(), interface.id)).collect();
        let mut numbered = self.numbered;
        let mut config = Config { control_plane_independent: true, sessions: BTreeMap::new() };
        let mut ordered = Vec::new();
        for spec in specs {
            let name = IfName::new(&spec.interface)
                .with_context(|| format!("`{}` cannot be the name of an interface", spec.interface))?;
            let interface = *ids.entry(name.clone()).or_insert_with(|| {
                numbered += 1;
                InterfaceId(numbered)
            });
            let key = SessionKey { interface, peer: spec.peer.into() };
            let what = || format!("the session with {} on {name}", spec.peer);
            let before = config.sessions.insert(key, session_config(&spec, self.pace.shortest()).with_context(what)?);
            ensure!(before.is_none(), "{} is there twice", what());
            ordered.push((key, name, spec));
        }
        // Nothing is refused from here on.
        self.numbered = numbered;
        for (key, interface, spec) in ordered {
            let id = key.interface;
            let new = || Interface { id, link: None, receiver: None, trouble: None };
            self.interfaces.entry(interface.clone()).or_insert_with(new);
            match self.sessions.get_mut(&key) {
                Some(known) if known.spec.source == spec.source => known.spec = spec,
                _ => drop(
                    self.sessions.insert(key, Ordered { spec, interface, sender: None, trouble: None, failure: None }),
                ),
            }
        }
        let now = self.now();
        self.engine.handle(now, Input::Configure(config));
        self.follow_links();
        Ok(())
    }

    fn info(&self) -> ProcessInfo {
        let views = self.engine.sessions(self.now());
        ProcessInfo {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            without_real_time: self.without_real_time.clone(),
            late: self.late,
            latest_us: u64::try_from(self.latest.as_micros()).unwrap_or(u64::MAX),
            shortest_ms: self.pace.shortest().as_secs_f64() * 1e3,
            sessions: views.filter_map(|view| self.session_info(&view)).collect(),
        }
    }

    fn session_info(&self, view: &SessionView) -> Option<SessionInfo> {
        let Ordered { spec, interface, trouble, failure, .. } = self.sessions.get(&view.session)?;
        let of_interface = self.interfaces.get(interface).and_then(|interface| interface.trouble.clone());
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        Some(SessionInfo {
            interface: spec.interface.clone(),
            peer: spec.peer,
            state: view.state.into(),
            failed: failure.is_some(),
            in_state_s: view.in_state.as_secs_f64(),
            diagnostic: view.diagnostic.to_string(),
            remote_state: view.remote_state.map(|(state, _)| state.into()),
            remote_diagnostic: view.remote_state.map(|(_, diagnostic)| diagnostic.to_string()),
            remote_independent: is_independent(*failure, view.remote_control_plane_independent),
            discriminators: (view.local_discriminator, view.remote_discriminator),
            transmit_interval_ms: view.transmit_interval.map(ms),
            detection_time_ms: view.detection_time.map(ms),
            received_ago_s: view.heard.map(|heard| heard.as_secs_f64()),
            sent: view.sent,
            received: view.received,
            trouble: of_interface.or_else(|| trouble.clone()),
        })
    }
}

/// Whether the peer's BFD outlives its control plane: as it was when the session failed, or else as it is `now`.
fn is_independent(failure: Option<Failure>, now: bool) -> bool {
    failure.map_or(now, |failure| failure.remote_independent)
}

/// The configuration of a session, with intervals that are not shorter than `shortest`.
fn session_config(spec: &SessionSpec, shortest: Duration) -> anyhow::Result<SessionConfig> {
    let [desired_min_tx, required_min_rx] =
        [spec.desired_min_tx_us, spec.required_min_rx_us].map(|us| Duration::from_micros(us.into()));
    if desired_min_tx.min(required_min_rx) < SHORTEST {
        bail!("an interval below {} ms", SHORTEST.as_millis());
    }
    let authentication = spec.authentication.as_ref().map(|AuthenticationSpec { kind, key_id, key }| {
        let kind = match kind {
            AuthenticationKind::Simple => AuthenticationType::SimplePassword,
            AuthenticationKind::Md5 => AuthenticationType::KeyedMd5,
            AuthenticationKind::MeticulousMd5 => AuthenticationType::MeticulousKeyedMd5,
            AuthenticationKind::Sha1 => AuthenticationType::KeyedSha1,
            AuthenticationKind::MeticulousSha1 => AuthenticationType::MeticulousKeyedSha1,
        };
        Authentication::new(kind, *key_id, key)
    });
    // A peer that waits for less than three packets is given twice the time for each.
    let shortest = if spec.multiplier.get() < 3 { shortest * 2 } else { shortest };
    Ok(SessionConfig {
        desired_min_tx: desired_min_tx.max(shortest),
        required_min_rx: required_min_rx.max(shortest),
        multiplier: spec.multiplier,
        role: if spec.passive { Role::Passive } else { Role::Active },
        admin: if spec.admin_down { Admin::Disabled } else { Admin::Enabled },
        authentication: authentication.transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_is_noticed_once() {
        let mut clock = WallClock::look();
        assert!(clock.is_steady() && clock.is_steady());
        for step in [1, 3600].map(Duration::from_secs) {
            clock.wall += step;
            assert!(!clock.is_steady() && clock.is_steady());
            clock.wall -= step;
            assert!(!clock.is_steady() && clock.is_steady());
        }
    }

    #[test]
    fn the_data_of_an_event_names_its_descriptor() {
        let (id, client) = (InterfaceId(7), ClientId(9));
        for source in [
            Source::Signal,
            Source::Timer,
            Source::Links,
            Source::Listener,
            Source::Interface(id),
            Source::Client(client),
        ] {
            assert_eq!(Source::of(source.token()), source);
        }
    }
}
