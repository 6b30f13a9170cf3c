//! The task that owns the OSPF engine. In each turn it handles packets first, then timers, then commands.
//!
//! If the task runs late, the packets that wait in the sockets arrived in time. They are handled before any timer, so that after a pause
//! no neighbour is declared down while its hellos wait. The work for packets, timers and commands is bounded in each turn, so that none
//! starves another. The task yields between turns, because the engine may request one turn after the other during long work.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use bytes::Bytes;
use ospf::wire::RestartReason;
use ospf::{Config, Domain, Engine, Input, InterfaceId, LinkState, LsaPlace, Output, PathState, RouterId};
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

/// Maximum number of commands that wait for the task.
const COMMAND_QUEUE: usize = 64;
/// Maximum number of packets that are handled before the timers, and the time for them. Further packets wait in the sockets' buffers.
const PACKETS_AT_ONCE: usize = 512;
const PACKETS_TIME: Duration = Duration::from_millis(20);
/// Maximum number of commands that are carried out before packets and timers are handled again.
const COMMANDS_AT_ONCE: usize = 16;
/// Maximum number of LSAs in a [`LsdbPart`]: it limits the time for which the engine waits.
const LSAS_AT_ONCE: usize = 1024;
/// Maximum number of batches of news that wait for the receiver. Further changes are merged by destination or LSA.
const NEWS_QUEUE: usize = 4;

/// Destinations whose route has changed, with the new route; `None` = no route any more.
pub type RouteChanges = BTreeMap<Prefix, Option<ospf::Route>>;

/// Destinations whose alternates have been calculated; `None` = their route has none any more. They hold as long as the route has the next
/// hops that are named in them.
pub type Protections = BTreeMap<Prefix, Option<Arc<ospf::Protection>>>;

/// Changes that the engine has found since the last batch.
#[derive(Debug, Default)]
pub struct News {
    /// Changes of routes.
    pub routes: RouteChanges,
    /// Changes of alternates. They come with the routes that they belong to, or later.
    pub protections: Protections,
    /// Changes of opaque LSAs of other routers.
    pub opaques: OpaqueChanges,
}

impl News {
    fn is_empty(&self) -> bool {
        self.routes.is_empty() && self.protections.is_empty() && self.opaques.is_empty()
    }
}

/// The handle of the task that runs the engine. Dropping it ends the task, and the neighbours are not notified.
#[derive(Debug)]
pub struct Driver {
    /// The origin of the engine's time.
    epoch: Instant,
    commands: mpsc::Sender<Command>,
    task: JoinHandle<()>,
}

/// A snapshot of the engine's state.
#[derive(Debug)]
pub struct View {
    /// OSPF neighbours, ordered by interface.
    pub neighbors: Vec<ospf::NeighborView>,
    /// OSPF interfaces.
    pub interfaces: Vec<ospf::InterfaceView>,
    /// Paths that the policy refuses.
    pub unused: Unused,
    /// Paths to area border and AS boundary routers.
    pub routers: Vec<ospf::RouterView>,
    /// The state and the delays of the route calculation.
    pub spf: ospf::SpfView,
    /// Number of route calculations so far.
    pub calculations: u64,
    /// Whether this router is a stub router (RFC 6987), and how long it remains one if this is limited in time.
    pub stub_router: (ospf::StubRouterState, Option<Duration>),
    /// The limits that protect the memory.
    pub limits: Vec<ospf::LimitView>,
    /// Unreachable originators of LSAs.
    pub unreachable: Vec<ospf::UnreachableView>,
    /// Whether a graceful restart is in progress, in which the engine does not know any routes yet.
    pub restarting: bool,
}

/// A part of the link state database.
#[derive(Debug)]
pub struct LsdbPart {
    /// LSAs, ordered by their places.
    pub lsas: Vec<ospf::LsaView>,
    /// Place of the last LSA, after which the next part begins; `None` in the last part.
    pub rest: Option<LsaPlace>,
}

/// Reads the engine's state, for whoever shows it.
#[derive(Debug, Clone)]
pub struct EngineReader {
    commands: mpsc::Sender<Command>,
}

impl EngineReader {
    /// Returns a snapshot of the engine's state. Refused paths are divided by whether the mesh file keeps them out on purpose.
    ///
    /// # Errors
    /// If the task has ended.
    pub async fn view(&self, kept_out: KeptOut) -> anyhow::Result<View> {
        let (sender, receiver) = oneshot::channel();
        // If this fails, the sender is dropped and the receiver returns an error.
        let _ = self.commands.send(Command::View(kept_out, sender)).await;
        receiver.await.context("the routing task has ended")
    }

    /// Returns the LSAs of the link state database that follow `after`, or the first ones: one part, so that the engine is never blocked for
    /// long and only one part is copied at a time. LSAs that are added or removed meanwhile may be included or not.
    ///
    /// # Errors
    /// If the task has ended.
    pub async fn lsas(&self, after: Option<LsaPlace>) -> anyhow::Result<LsdbPart> {
        let (sender, receiver) = oneshot::channel();
        // If this fails, the sender is dropped and the receiver returns an error.
        let _ = self.commands.send(Command::Lsdb(after, sender)).await;
        receiver.await.context("the routing task has ended")
    }
}

#[derive(Debug)]
enum Command {
    Configure(Box<Config>),
    Link(InterfaceId, LinkState),
    Path(InterfaceId, Ipv4Addr, PathState),
    Opaque { scope: Domain, opaque_type: u8, opaque_id: u32, body: Option<Bytes> },
    Clear(InterfaceId, RouterId),
    View(KeptOut, oneshot::Sender<View>),
    Lsdb(Option<LsaPlace>, oneshot::Sender<LsdbPart>),
    PrepareRestart(Duration, oneshot::Sender<u32>),
    Withdraw(oneshot::Sender<u32>),
}

impl Driver {
    /// Starts the task, and returns its handle and the receiver of the changes that the engine finds.
    ///
    /// All inputs and outputs of the engine are written to `recorder`, which already has `config` and `seed`.
    ///
    /// # Errors
    /// If the kernel does not provide the file descriptors for waiting on sockets.
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

    /// Returns a reader of the engine's state, which does not need this handle any more.
    pub fn reader(&self) -> EngineReader {
        EngineReader { commands: self.commands.clone() }
    }

    /// The origin of the engine's time, by the present system clock.
    pub fn zero(&self) -> SystemTime {
        let now = SystemTime::now();
        now.checked_sub(self.epoch.elapsed()).unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Gives the engine a new configuration.
    pub async fn configure(&self, config: Config) {
        self.send(Command::Configure(Box::new(config))).await;
    }

    /// Gives the engine the present state of an interface.
    pub async fn link(&self, interface: InterfaceId, state: LinkState) {
        self.send(Command::Link(interface, state)).await;
    }

    /// Gives the engine what BFD has found about the path to a neighbour on an interface.
    pub async fn path(&self, interface: InterfaceId, neighbor: Ipv4Addr, state: PathState) {
        self.send(Command::Path(interface, neighbor, state)).await;
    }

    /// Originates or changes an opaque LSA of a user, or flushes it if `body` is `None`.
    pub async fn opaque(&self, user: OpaqueUser, lsa: OpaqueLsa, body: Option<Bytes>) {
        let OpaqueLsa { domain: scope, share, id: opaque_id } = lsa;
        match user.opaque_type(share) {
            Some(opaque_type) => self.send(Command::Opaque { scope, opaque_type, opaque_id, body }).await,
            None => error!(?user, share, "a share without an Opaque Type"),
        }
    }

    /// Ends the adjacency with a router on an interface, so that it forms again.
    pub async fn clear(&self, interface: InterfaceId, router_id: RouterId) {
        self.send(Command::Clear(interface, router_id)).await;
    }

    /// Returns a snapshot of the engine's state. Refused paths are divided by whether the mesh file keeps them out on purpose.
    ///
    /// # Errors
    /// If the task has ended.
    pub async fn view(&self, kept_out: KeptOut) -> anyhow::Result<View> {
        self.reader().view(kept_out).await
    }

    /// Announces a graceful restart of this router to its neighbours, and ends the task. Returns the lowest boot number that the next start
    /// may use.
    ///
    /// # Errors
    /// If the task has ended before.
    pub async fn prepare_restart(&self, grace_period: Duration) -> anyhow::Result<u32> {
        let (sender, receiver) = oneshot::channel();
        self.send(Command::PrepareRestart(grace_period, sender)).await;
        receiver.await.context("the routing task has ended")
    }

    /// Diverts traffic from this router, flushes its LSAs, and ends the task: see [`Input::Withdraw`].
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

/// The engine's environment: a clock and sockets.
trait World {
    /// The present time of the engine.
    fn now(&self) -> ospf::Instant;
    /// Returns a received packet, or `None` if there is none. Never waits.
    fn receive(&mut self) -> Option<(InterfaceId, Received)>;
    /// Sends a packet. Never waits.
    fn send(
        &self,
        interface: InterfaceId,
        destination: Ipv4Addr,
        departure: Departure,
        packet: &[u8],
    ) -> io::Result<()>;
    /// Opens and closes sockets until there is one for each of these interfaces. Returns the interfaces that lack a socket or its filter.
    fn sync(&mut self, wanted: &BTreeMap<InterfaceId, Wanted>) -> Vec<(InterfaceId, Lack)>;
}

/// The environment of the running daemon: the system's clock and raw sockets.
struct Host {
    /// The origin of the engine's time.
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
    /// Names of the interfaces that exchange packets.
    names: BTreeMap<InterfaceId, String>,
    /// The senders whose packets the socket of each interface lets through.
    senders: BTreeMap<InterfaceId, Senders>,
    /// The last known state of each interface.
    links: BTreeMap<InterfaceId, LinkState>,
    /// Changes that were not passed on yet, merged by destination or LSA.
    pending: News,
    log: EventLog,
    recorder: Option<Recorder>,
    /// Receives the next boot number when the engine has stopped, for a graceful restart or for good.
    leaving: Option<oneshot::Sender<u32>>,
}

/// The result of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Something was done, and there may be more to do.
    Busy,
    /// There was nothing to do.
    Idle,
    /// The task must end.
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
                                // The turn at the next deadline also reads the sockets.
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

    /// Handles the packets, the timers and the commands that are due, each within its bound, and passes on the news. Never waits.
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
                // The receiver is gone if the engine took too long to stop.
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

    /// Handles the received packets, up to the bounds of number and time.
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
            Command::Path(interface, neighbor, state) => self.handle(Input::Path { interface, neighbor, state }),
            Command::Clear(interface, router_id) => {
                self.handle(Input::Clear { interface: Some(interface), router_id: Some(router_id) });
            }
            Command::View(kept_out, answer) => {
                // Ages and timers are shown as of the last input. So all waiting packets are handled first, and then a tick.
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
                // The receiver is gone if the client has disconnected.
                let _ = answer.send(view);
            }
            Command::Lsdb(after, answer) => {
                let lsas: Vec<_> = self.engine.lsdb_after(after).take(LSAS_AT_ONCE).collect();
                let last = lsas.last().filter(|_| lsas.len() == LSAS_AT_ONCE);
                let rest = last.map(|last| LsaPlace { domain: last.domain, key: last.lsa.header.key });
                // The receiver is gone if the client has disconnected.
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

    /// Opens, reopens and closes sockets as the links and the configuration require. Called before the engine gets the change.
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
                // The engine checks every packet itself: without the filter it only has more work.
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
                Output::Protection { prefix, protection } => {
                    self.pending.protections.insert(prefix.into(), protection);
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

/// Interface index and source address of the socket that a link in this state requires; `None` if it requires none.
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
