//! The task that owns the engine.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use bytes::Bytes;
use ospf::wire::RestartReason;
use ospf::{Config, Engine, Input, InterfaceId, LinkState, LsaPlace, OpaqueScope, Output, Prefix, Route};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::{debug, trace, warn};

use super::log::EventLog;
use super::senders::{Senders, senders};
use super::socket::{Departure, OspfSocket, Received};
use crate::trace::Recorder;

/// Commands waiting for the task.
const COMMAND_QUEUE: usize = 64;
/// Packets read and not yet handled, all interfaces together; beyond it they wait in the sockets' buffers.
const PACKET_QUEUE: usize = 256;
/// Batches of news on their way to whoever acts on them; beyond it changes are merged by destination or LSA.
const NEWS_QUEUE: usize = 4;

/// Destinations whose route is another one now; `None` = no route any more.
pub type RouteChanges = BTreeMap<Prefix, Option<Route>>;

/// Opaque LSAs of others that say something else now; `None` = nothing any more.
pub type OpaqueChanges = BTreeMap<LsaPlace, Option<Bytes>>;

/// What the engine has come to know since the last time.
#[derive(Debug, Default)]
pub struct News {
    /// Routes.
    pub routes: RouteChanges,
    /// Opaque LSAs of the types that are watched.
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
    /// The link state database.
    pub lsdb: Vec<ospf::LsaView>,
    /// Paths that are not believed.
    pub refused: Vec<ospf::RefusedView>,
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

#[derive(Debug)]
enum Command {
    Configure(Box<Config>),
    Link(InterfaceId, LinkState),
    Opaque { scope: OpaqueScope, opaque_type: u8, opaque_id: u32, body: Option<Bytes> },
    View(oneshot::Sender<View>),
    PrepareRestart(Duration, oneshot::Sender<u32>),
    Shutdown(oneshot::Sender<()>),
}

impl Driver {
    /// Starts the task. What it comes to know comes out of the receiver.
    ///
    /// What goes into the engine and comes out of it is written to `recorder`, which has heard of `config` and `seed`.
    pub fn start(config: Config, seed: u64, recorder: Option<Recorder>) -> (Self, mpsc::Receiver<News>) {
        let (commands, command_queue) = mpsc::channel(COMMAND_QUEUE);
        let (packet_sender, packets) = mpsc::channel(PACKET_QUEUE);
        let (news_sender, news) = mpsc::channel(NEWS_QUEUE);
        let epoch = Instant::now();
        let task = Task {
            names: names(&config),
            senders: senders(&config),
            engine: Engine::new(config, seed, ospf::Instant::ZERO),
            epoch,
            links: BTreeMap::new(),
            ports: BTreeMap::new(),
            packet_sender,
            pending: News::default(),
            log: EventLog::default(),
            recorder,
            leaving: None,
        };
        let task = tokio::spawn(task.run(command_queue, packets, news_sender));
        (Self { epoch, commands, task }, news)
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

    /// Has an opaque LSA originated, changed or (`None`) withdrawn.
    pub async fn opaque(&self, scope: OpaqueScope, opaque_type: u8, opaque_id: u32, body: Option<Bytes>) {
        self.send(Command::Opaque { scope, opaque_type, opaque_id, body }).await;
    }

    /// What the engine knows now.
    ///
    /// # Errors
    /// If the task has ended.
    pub async fn view(&self) -> anyhow::Result<View> {
        let (sender, receiver) = oneshot::channel();
        self.send(Command::View(sender)).await;
        receiver.await.context("the routing task has ended")
    }

    /// Has the neighbours told of a restart of this router and ends the task. Gives the least number of the next start.
    pub async fn prepare_restart(self, grace_period: Duration) -> anyhow::Result<u32> {
        let (sender, receiver) = oneshot::channel();
        self.send(Command::PrepareRestart(grace_period, sender)).await;
        receiver.await.context("the routing task has ended")
    }

    /// Says goodbye to the neighbours and ends the task.
    pub async fn shutdown(self) {
        let (sender, receiver) = oneshot::channel();
        self.send(Command::Shutdown(sender)).await;
        if receiver.await.is_err() {
            warn!("the routing task ended before it was asked to");
        }
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

/// One interface's socket and its reader.
#[derive(Debug)]
struct Port {
    socket: Arc<OspfSocket>,
    /// Index and source address that the socket was opened for.
    opened_for: (u32, Ipv4Addr),
    /// Whose packets it lets through.
    filtered_for: Option<Senders>,
    reader: JoinHandle<()>,
}

impl Drop for Port {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

struct Task {
    engine: Engine,
    /// The engine's time zero.
    epoch: Instant,
    /// Interfaces that exchange packets.
    names: BTreeMap<InterfaceId, String>,
    /// Whose packets the socket of each of them lets through.
    senders: BTreeMap<InterfaceId, Senders>,
    /// What was last said of each interface.
    links: BTreeMap<InterfaceId, LinkState>,
    ports: BTreeMap<InterfaceId, Port>,
    packet_sender: mpsc::Sender<(InterfaceId, Received)>,
    /// News not yet handed on, merged by destination or LSA.
    pending: News,
    log: EventLog,
    recorder: Option<Recorder>,
    /// Who waits for the engine to stop for a restart.
    leaving: Option<oneshot::Sender<u32>>,
}

impl Task {
    async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut packets: mpsc::Receiver<(InterfaceId, Received)>,
        news: mpsc::Sender<News>,
    ) {
        self.drain();
        loop {
            if self.engine.is_stopped() {
                if let Some(ready) = self.leaving.take() {
                    // Nobody waits for the answer if it took too long.
                    let _ = ready.send(self.engine.next_boot());
                }
                return;
            }
            let deadline = self.engine.next_deadline().map(|(at, _)| self.epoch + at.since_origin());
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::Shutdown(done)) => {
                        self.handle(Input::Shutdown);
                        // Nobody waits for the answer if the daemon is being killed.
                        let _ = done.send(());
                        return;
                    }
                    Some(command) => self.command(command),
                    None => return,
                },
                Some((interface, received)) = packets.recv() => self.packet(interface, &received),
                () = sleep_until(deadline) => self.handle(Input::Tick),
                permit = news.reserve(), if !self.pending.is_empty() => match permit {
                    Ok(permit) => permit.send(std::mem::take(&mut self.pending)),
                    Err(_) => return,
                },
            }
        }
    }

    fn command(&mut self, command: Command) {
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
            Command::View(answer) => {
                // Ages and timers are as of the last input: let it be now.
                self.handle(Input::Tick);
                let view = View {
                    neighbors: self.engine.neighbors().collect(),
                    interfaces: self.engine.interfaces().collect(),
                    lsdb: self.engine.lsdb().collect(),
                    refused: self.engine.refused_routes().collect(),
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
            Command::PrepareRestart(grace_period, ready) => {
                self.leaving = Some(ready);
                self.handle(Input::PrepareRestart { grace_period, reason: RestartReason::SoftwareRestart });
            }
            Command::Shutdown(_) => unreachable!("taken by the loop"),
        }
    }

    /// Opens, reopens and closes sockets as links and configuration want it, before the engine hears of the change.
    fn sync_ports(&mut self) {
        let wanted: BTreeMap<InterfaceId, (u32, Ipv4Addr)> = self
            .links
            .iter()
            .filter(|(interface, _)| self.names.contains_key(interface))
            .filter_map(|(interface, state)| Some((*interface, endpoint(state)?)))
            .collect();
        self.ports.retain(|interface, port| wanted.get(interface) == Some(&port.opened_for));
        for (interface, (index, source)) in wanted {
            if let Some(port) = self.ports.get_mut(&interface) {
                let senders = self.senders.get(&interface);
                if port.filtered_for.as_ref() != senders {
                    filter(&self.names, interface, &port.socket, senders);
                    port.filtered_for = senders.cloned();
                }
                continue;
            }
            match OspfSocket::open(index, source) {
                Ok(socket) => {
                    let port = self.port(interface, socket, (index, source));
                    self.ports.insert(interface, port);
                }
                Err(error) => {
                    warn!(
                        iface = self.name(interface),
                        error = format!("{error:#}"),
                        "no OSPF socket on this interface"
                    );
                }
            }
        }
    }

    fn port(&self, interface: InterfaceId, socket: OspfSocket, opened_for: (u32, Ipv4Addr)) -> Port {
        let senders = self.senders.get(&interface);
        filter(&self.names, interface, &socket, senders);
        let socket = Arc::new(socket);
        let reader = tokio::spawn(read(interface, Arc::clone(&socket), self.packet_sender.clone()));
        Port { socket, opened_for, filtered_for: senders.cloned(), reader }
    }

    fn packet(&mut self, interface: InterfaceId, received: &Received) {
        let Received { source, destination, ttl, payload } = received;
        trace!(iface = self.name(interface), %source, %destination, ttl, octets = payload.len(), "received");
        let (source, destination, ttl) = (*source, *destination, *ttl);
        self.handle(Input::Packet { interface, source, destination, ttl, payload });
    }

    fn handle(&mut self, input: Input<'_>) {
        let now = self.now();
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
                    self.pending.routes.insert(prefix, route);
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
        let Some(port) = self.ports.get(&interface) else {
            debug!(iface, "nothing sent: no socket");
            return;
        };
        match port.socket.send(destination, departure, packet) {
            Ok(()) => trace!(iface, %destination, octets = packet.len(), "sent"),
            Err(error) => debug!(iface, %destination, %error, "not sent"),
        }
    }

    fn now(&self) -> ospf::Instant {
        ospf::Instant::new(self.epoch.elapsed())
    }

    fn name(&self, interface: InterfaceId) -> String {
        name(&self.names, interface)
    }
}

/// Has a socket let through what `senders` send. The engine looks at every packet, so a router without a filter only works more.
fn filter(
    names: &BTreeMap<InterfaceId, String>,
    interface: InterfaceId,
    socket: &OspfSocket,
    senders: Option<&Senders>,
) {
    if let Err(error) = socket.filter(senders.unwrap_or(&Senders::Anyone)) {
        warn!(iface = name(names, interface), %error, "no packet filter on the OSPF socket");
    }
}

async fn read(interface: InterfaceId, socket: Arc<OspfSocket>, packets: mpsc::Sender<(InterfaceId, Received)>) {
    let mut buffer = Vec::new();
    loop {
        match socket.receive(&mut buffer).await {
            Ok(received) => {
                if packets.send((interface, received)).await.is_err() {
                    return;
                }
            }
            // ENETDOWN comes once when the interface goes down; the daemon learns of that by netlink.
            Err(error) => debug!(?interface, %error, "receiving"),
        }
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
