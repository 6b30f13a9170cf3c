//! The task that owns the engine: packets first, then timers, then commands.
//!
//! However late the task runs, what lies in the sockets has come before now and is handled before a timer is judged: after a pause a
//! neighbour is not taken for dead whose hellos wait. Each of the three is bounded, so that none starves another, and the task yields
//! between turns, for the engine may ask for one turn after the other while it has long work to do.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use bytes::Bytes;
use ospf::wire::RestartReason;
use ospf::{Config, Domain, Engine, Input, InterfaceId, LinkState, LsaPlace, Output, RouterId};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::{debug, error, trace, warn};

use super::log::EventLog;
use super::opaque::{OpaqueChanges, OpaqueLsa, OpaqueUser};
use super::ports::{Lack, Ports, Wanted};
use super::senders::{Senders, senders};
use super::socket::{Departure, Received};
use super::unused::{KeptOut, Unused};
use crate::net::Prefix;
use crate::trace::Recorder;

/// Commands waiting for the task.
const COMMAND_QUEUE: usize = 64;
/// Packets handled before timers are judged, and the time that may take; beyond it they wait in the sockets' buffers.
const PACKETS_AT_ONCE: usize = 512;
const PACKETS_TIME: Duration = Duration::from_millis(20);
/// Commands carried out before packets and timers have their turn again.
const COMMANDS_AT_ONCE: usize = 16;
/// LSAs of a [`LsdbPart`], so that the engine is held up for a moment only.
const LSAS_AT_ONCE: usize = 1024;
/// Batches of news on their way to whoever acts on them; beyond it changes are merged by destination or LSA.
const NEWS_QUEUE: usize = 4;

/// Destinations whose route is another one now; `None` = no route any more.
pub type RouteChanges = BTreeMap<Prefix, Option<ospf::Route>>;

/// What the engine has come to know since the last time.
#[derive(Debug, Default)]
pub struct News {
    /// Routes.
    pub routes: RouteChanges,
    /// Opaque LSAs of other routers.
    pub opaques: OpaqueChanges,
}

impl News {
    fn is_empty(&self) -> bool {
        self.routes.is_empty() && self.opaques.is_empty()
    }
}

/// The running engine, from outside. Dropping it ends the task without a word to the neighbours.
#[derive(Debug)]
pub struct Driver {
    /// The engine's time zero.
    epoch: Instant,
    commands: mpsc::Sender<Command>,
    task: JoinHandle<()>,
}

/// What the engine knows, at one moment.
#[derive(Debug)]
pub struct View {
    /// Neighbours, ordered by interface.
    pub neighbors: Vec<ospf::NeighborView>,
    /// Interfaces.
    pub interfaces: Vec<ospf::InterfaceView>,
    /// Paths that are not believed.
    pub unused: Unused,
    /// Paths to area border and AS boundary routers.
    pub routers: Vec<ospf::RouterView>,
    /// When routes are calculated.
    pub spf: ospf::SpfView,
    /// How often they were.
    pub calculations: u64,
    /// Whether traffic is led around this router, and for how long if that ends by itself.
    pub stub_router: (ospf::StubRouterState, Option<Duration>),
    /// Guards of memory.
    pub limits: Vec<ospf::LimitView>,
    /// Originators of LSAs that cannot be reached.
    pub unreachable: Vec<ospf::UnreachableView>,
    /// Whether the engine is within a restart, and knows no routes yet.
    pub restarting: bool,
}

/// A part of the link state database.
#[derive(Debug)]
pub struct LsdbPart {
    /// LSAs in the order of their places.
    pub lsas: Vec<ospf::LsaView>,
    /// Where to go on; `None` at the end.
    pub rest: Option<LsaPlace>,
}

/// Reads the link state database, part by part, without holding up the engine or copying more than a part. LSAs that come or go
/// meanwhile may be in it or not.
#[derive(Debug, Clone)]
pub struct LsdbReader {
    commands: mpsc::Sender<Command>,
}

impl LsdbReader {
    /// The LSAs behind `after`, or the first ones.
    ///
    /// # Errors
    /// If the task has ended.
    pub async fn part(&self, after: Option<LsaPlace>) -> anyhow::Result<LsdbPart> {
        let (sender, receiver) = oneshot::channel();
        // If it is not sent, the receiver says so.
        let _ = self.commands.send(Command::Lsdb(after, sender)).await;
        receiver.await.context("the routing task has ended")
    }
}

#[derive(Debug)]
enum Command {
    Configure(Box<Config>),
    Link(InterfaceId, LinkState),
    Opaque { scope: Domain, opaque_type: u8, opaque_id: u32, body: Option<Bytes> },
    Clear(InterfaceId, RouterId),
    View(KeptOut, oneshot::Sender<View>),
    Lsdb(Option<LsaPlace>, oneshot::Sender<LsdbPart>),
    PrepareRestart(Duration, oneshot::Sender<u32>),
    Withdraw(oneshot::Sender<u32>),
}

impl Driver {
    /// Starts the task. What it comes to know comes out of the receiver.
    ///
    /// What goes into the engine and comes out of it is written to `recorder`, which has heard of `config` and `seed`.
    ///
    /// # Errors
    /// If the kernel gives no descriptors for waiting on sockets.
    pub fn start(
        config: Config,
        seed: u64,
        recorder: Option<Recorder>,
    ) -> anyhow::Result<(Self, mpsc::Receiver<News>)> {
        let (commands, command_queue) = mpsc::channel(COMMAND_QUEUE);
        let (news_sender, news) = mpsc::channel(NEWS_QUEUE);
        let epoch = Instant::now();
        let world = Host { epoch, ports: Ports::new()? };
        let task = tokio::spawn(Task::new(config, seed, recorder, world).run(command_queue, news_sender));
        Ok((Self { epoch, commands, task }, news))
    }

    /// Gives access to the link state database.
    pub fn lsdb(&self) -> LsdbReader {
        LsdbReader { commands: self.commands.clone() }
    }

    /// When the engine's time began, by the present clock.
    pub fn zero(&self) -> SystemTime {
        let now = SystemTime::now();
        now.checked_sub(self.epoch.elapsed()).unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Gives the engine a new configuration.
    pub async fn configure(&self, config: Config) {
        self.send(Command::Configure(Box::new(config))).await;
    }

    /// Tells the engine how an interface is now.
    pub async fn link(&self, interface: InterfaceId, state: LinkState) {
        self.send(Command::Link(interface, state)).await;
    }

    /// Has an opaque LSA of a user originated, changed or (`None`) withdrawn.
    pub async fn opaque(&self, user: OpaqueUser, lsa: OpaqueLsa, body: Option<Bytes>) {
        let OpaqueLsa { domain: scope, share, id: opaque_id } = lsa;
        match user.opaque_type(share) {
            Some(opaque_type) => self.send(Command::Opaque { scope, opaque_type, opaque_id, body }).await,
            None => error!(?user, share, "a share without an Opaque Type"),
        }
    }

    /// Has the adjacency with a router on an interface begin anew.
    pub async fn clear(&self, interface: InterfaceId, router_id: RouterId) {
        self.send(Command::Clear(interface, router_id)).await;
    }

    /// What the engine knows now. Paths that are not believed are divided by whether the mesh file keeps them out.
    ///
    /// # Errors
    /// If the task has ended.
    pub async fn view(&self, kept_out: KeptOut) -> anyhow::Result<View> {
        let (sender, receiver) = oneshot::channel();
        self.send(Command::View(kept_out, sender)).await;
        receiver.await.context("the routing task has ended")
    }

    /// Has the neighbours told of a restart of this router and ends the task. Gives the least number of the next start.
    pub async fn prepare_restart(&self, grace_period: Duration) -> anyhow::Result<u32> {
        let (sender, receiver) = oneshot::channel();
        self.send(Command::PrepareRestart(grace_period, sender)).await;
        receiver.await.context("the routing task has ended")
    }

    /// Has traffic led around this router and its LSAs flushed, and ends the task: see [`Input::Withdraw`].
    ///
    /// # Errors
    /// If the task has ended before.
    pub async fn withdraw(&self) -> anyhow::Result<()> {
        let (sender, receiver) = oneshot::channel();
        self.send(Command::Withdraw(sender)).await;
        receiver.await.map(drop).context("the routing task has ended")
    }

    async fn send(&self, command: Command) {
        if self.commands.send(command).await.is_err() {
            debug!("the routing task has ended");
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What surrounds the engine: a clock and sockets.
trait World {
    /// The engine's time.
    fn now(&self) -> ospf::Instant;
    /// A packet that has come; `None` if there is none. Never waits.
    fn receive(&mut self) -> Option<(InterfaceId, Received)>;
    /// Sends a packet without waiting.
    fn send(
        &self,
        interface: InterfaceId,
        destination: Ipv4Addr,
        departure: Departure,
        packet: &[u8],
    ) -> io::Result<()>;
    /// Has a socket for each of these interfaces; gives back those that lack something.
    fn sync(&mut self, wanted: &BTreeMap<InterfaceId, Wanted>) -> Vec<(InterfaceId, Lack)>;
}

/// The machine's.
struct Host {
    /// The engine's time zero.
    epoch: Instant,
    ports: Ports,
}

impl World for Host {
    fn now(&self) -> ospf::Instant {
        ospf::Instant::new(self.epoch.elapsed())
    }

    fn receive(&mut self) -> Option<(InterfaceId, Received)> {
        self.ports.receive()
    }

    fn send(
        &self,
        interface: InterfaceId,
        destination: Ipv4Addr,
        departure: Departure,
        packet: &[u8],
    ) -> io::Result<()> {
        let socket = self.ports.socket(interface).ok_or_else(|| io::Error::other("no socket"))?;
        socket.send(destination, departure, packet)
    }

    fn sync(&mut self, wanted: &BTreeMap<InterfaceId, Wanted>) -> Vec<(InterfaceId, Lack)> {
        self.ports.sync(wanted)
    }
}

struct Task<W> {
    engine: Engine,
    world: W,
    /// Interfaces that exchange packets.
    names: BTreeMap<InterfaceId, String>,
    /// Whose packets the socket of each of them lets through.
    senders: BTreeMap<InterfaceId, Senders>,
    /// What was last said of each interface.
    links: BTreeMap<InterfaceId, LinkState>,
    /// News not yet handed on, merged by destination or LSA.
    pending: News,
    log: EventLog,
    recorder: Option<Recorder>,
    /// Who waits for the engine to stop, for a restart or for good.
    leaving: Option<oneshot::Sender<u32>>,
}

/// What came of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Something was done, and there may be more.
    Busy,
    /// There was nothing to do.
    Idle,
    /// The task is at its end.
    Over,
}

impl Task<Host> {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>, news: mpsc::Sender<News>) {
        loop {
            match self.turn(&mut commands, &news) {
                Turn::Over => return,
                Turn::Busy => tokio::task::yield_now().await,
                Turn::Idle => {
                    let deadline = self.engine.next_deadline().map(|(at, _)| self.world.epoch + at.since_origin());
                    let news_wait = !self.pending.is_empty();
                    tokio::select! {
                        command = commands.recv() => match command {
                            Some(command) => if self.command(command) == Turn::Over { return },
                            None => return,
                        },
                        outcome = self.world.ports.readable() => {
                            if let Err(error) = outcome {
                                // The next timer looks into the sockets, too.
                                warn!(%error, "waiting for packets");
                                sleep_until(deadline).await;
                            }
                        }
                        () = sleep_until(deadline) => {}
                        permit = news.reserve(), if news_wait => match permit {
                            Ok(permit) => permit.send(std::mem::take(&mut self.pending)),
                            Err(_) => return,
                        },
                    }
                }
            }
        }
    }
}

impl<W: World> Task<W> {
    fn new(config: Config, seed: u64, recorder: Option<Recorder>, world: W) -> Self {
        let mut task = Self {
            names: names(&config),
            senders: senders(&config),
            engine: Engine::new(config, seed, ospf::Instant::ZERO),
            world,
            links: BTreeMap::new(),
            pending: News::default(),
            log: EventLog::default(),
            recorder,
            leaving: None,
        };
        task.drain();
        task
    }

    /// Packets, timers, commands, news: what there is of each, within its bound. Waits for nothing.
    fn turn(&mut self, commands: &mut mpsc::Receiver<Command>, news: &mpsc::Sender<News>) -> Turn {
        let mut turn = self.packets();
        if self.engine.next_deadline().is_some_and(|(at, _)| at <= self.world.now()) {
            self.handle(Input::Tick);
            turn = Turn::Busy;
        }
        for _ in 0..COMMANDS_AT_ONCE {
            match commands.try_recv() {
                Ok(command) => match self.command(command) {
                    Turn::Over => return Turn::Over,
                    _ => turn = Turn::Busy,
                },
                Err(mpsc::error::TryRecvError::Empty) => break,
                Err(mpsc::error::TryRecvError::Disconnected) => return Turn::Over,
            }
        }
        if self.engine.is_stopped() {
            if let Some(ready) = self.leaving.take() {
                // Nobody waits for the answer if it took too long.
                let _ = ready.send(self.engine.next_boot());
            }
            return Turn::Over;
        }
        if !self.pending.is_empty() {
            match news.try_reserve() {
                Ok(permit) => permit.send(std::mem::take(&mut self.pending)),
                Err(mpsc::error::TrySendError::Full(())) => {}
                Err(mpsc::error::TrySendError::Closed(())) => return Turn::Over,
            }
        }
        turn
    }

    /// Handles the packets that have come.
    fn packets(&mut self) -> Turn {
        let start = self.world.now();
        for count in 0..PACKETS_AT_ONCE {
            let in_time = self.world.now().saturating_since(start) < PACKETS_TIME;
            let Some((interface, received)) = in_time.then(|| self.world.receive()).flatten() else {
                return if count == 0 { Turn::Idle } else { Turn::Busy };
            };
            self.packet(interface, &received);
        }
        Turn::Busy
    }

    fn command(&mut self, command: Command) -> Turn {
        match command {
            Command::Configure(config) => {
                self.names = names(&config);
                self.senders = senders(&config);
                self.links.retain(|interface, _| config.interfaces.contains_key(interface));
                self.sync_ports();
                self.handle(Input::Configure(*config));
            }
            Command::Link(interface, state) => {
                self.links.insert(interface, state.clone());
                self.sync_ports();
                self.handle(Input::Link { interface, state });
            }
            Command::Opaque { scope, opaque_type, opaque_id, body } => {
                self.handle(Input::Opaque { scope, opaque_type, opaque_id, body });
            }
            Command::Clear(interface, router_id) => {
                self.handle(Input::Clear { interface: Some(interface), router_id: Some(router_id) });
            }
            Command::View(kept_out, answer) => {
                // Ages and timers are as of the last input: let it be now, when all that has come has been handled.
                self.packets();
                self.handle(Input::Tick);
                let view = View {
                    neighbors: self.engine.neighbors().collect(),
                    interfaces: self.engine.interfaces().collect(),
                    unused: kept_out.divide(self.engine.refused_routes()),
                    routers: self.engine.routers().collect(),
                    spf: self.engine.spf(),
                    calculations: self.engine.calculations(),
                    stub_router: (self.engine.stub_router(), self.engine.stub_router_left()),
                    limits: self.engine.limits().collect(),
                    unreachable: self.engine.unreachable_originators(),
                    restarting: self.engine.is_restarting(),
                };
                // Nobody waits for the answer if the client has gone.
                let _ = answer.send(view);
            }
            Command::Lsdb(after, answer) => {
                let lsas: Vec<_> = self.engine.lsdb_after(after).take(LSAS_AT_ONCE).collect();
                let last = lsas.last().filter(|_| lsas.len() == LSAS_AT_ONCE);
                let rest = last.map(|last| LsaPlace { domain: last.domain, key: last.lsa.header.key });
                // Nobody waits for the answer if the client has gone.
                let _ = answer.send(LsdbPart { lsas, rest });
            }
            Command::PrepareRestart(grace_period, ready) => {
                self.leaving = Some(ready);
                self.handle(Input::PrepareRestart { grace_period, reason: RestartReason::SoftwareRestart });
            }
            Command::Withdraw(done) => {
                self.leaving = Some(done);
                self.handle(Input::Withdraw);
            }
        }
        Turn::Busy
    }

    /// Opens, reopens and closes sockets as links and configuration want it, before the engine hears of the change.
    fn sync_ports(&mut self) {
        let exchanging = self.links.iter().filter(|(interface, _)| self.names.contains_key(interface));
        let wanted = exchanging.filter_map(|(interface, state)| {
            let senders = self.senders.get(interface).cloned().unwrap_or(Senders::Anyone);
            Some((*interface, Wanted { open_for: endpoint(state)?, senders }))
        });
        let wanted: BTreeMap<InterfaceId, Wanted> = wanted.collect();
        for (interface, lack) in self.world.sync(&wanted) {
            let iface = self.name(interface);
            match lack {
                Lack::Socket(error) => warn!(iface, error = format!("{error:#}"), "no OSPF socket on this interface"),
                // The engine looks at every packet: it only works more.
                Lack::Filter(error) => warn!(iface, %error, "no packet filter on the OSPF socket"),
            }
        }
    }

    fn packet(&mut self, interface: InterfaceId, received: &Received) {
        let Received { source, destination, ttl, payload } = received;
        trace!(iface = self.name(interface), %source, %destination, ttl, octets = payload.len(), "received");
        let (source, destination, ttl) = (*source, *destination, *ttl);
        self.handle(Input::Packet { interface, source, destination, ttl, payload: (&payload[..]).into() });
    }

    fn handle(&mut self, input: Input<'_>) {
        let now = self.world.now();
        if let Some(recorder) = &mut self.recorder {
            recorder.input(now, &input);
        }
        self.engine.handle(now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            if let Some(recorder) = &mut self.recorder {
                recorder.output(&output);
            }
            match output {
                Output::Send { interface, destination, ttl, delivery, packet } => {
                    self.send(interface, destination, Departure { ttl, delivery }, &packet);
                }
                Output::Route { prefix, route } => {
                    self.pending.routes.insert(prefix.into(), route);
                }
                Output::Opaque { domain, key, body } => {
                    debug!(?domain, lsa = %key, octets = body.as_ref().map(Bytes::len), "opaque LSA");
                    self.pending.opaques.insert(LsaPlace { domain, key }, body);
                }
                Output::Event(event) => {
                    let names = &self.names;
                    self.log.record(&event, |interface| name(names, interface));
                }
            }
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.flush();
        }
    }

    fn send(&self, interface: InterfaceId, destination: Ipv4Addr, departure: Departure, packet: &[u8]) {
        let iface = self.name(interface);
        match self.world.send(interface, destination, departure, packet) {
            Ok(()) => trace!(iface, %destination, octets = packet.len(), "sent"),
            Err(error) => debug!(iface, %destination, %error, "not sent"),
        }
    }

    fn name(&self, interface: InterfaceId) -> String {
        name(&self.names, interface)
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// Index and source address of the socket that a link in this state wants.
fn endpoint(state: &LinkState) -> Option<(u32, Ipv4Addr)> {
    match state {
        LinkState::Down => None,
        LinkState::Up { index, addressing, .. } => Some((*index, addressing.address())),
    }
}

/// Names of the interfaces that exchange packets.
fn names(config: &Config) -> BTreeMap<InterfaceId, String> {
    let active = config.interfaces.iter().filter(|(_, interface)| !interface.passive);
    active.map(|(id, interface)| (*id, interface.name.clone())).collect()
}

fn name(names: &BTreeMap<InterfaceId, String>, interface: InterfaceId) -> String {
    names.get(&interface).cloned().unwrap_or_else(|| format!("#{}", interface.0))
}

#[cfg(test)]
mod tests;
