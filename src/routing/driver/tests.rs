//! What a turn does first, in virtual time: the world is a script, and the neighbour an engine of its own.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use ospf::{Addressing, AreaId, InterfaceConfig, NeighborState, NetworkType, RouterId};

use super::*;

const LINK: InterfaceId = InterfaceId(1);
const HELLO: Duration = Duration::from_secs(1);
const DEAD: Duration = Duration::from_secs(4);
const STEP: Duration = Duration::from_millis(100);
const OWN: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 1);
const PEER: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 2);

/// A socket with packets in it, and a clock.
#[derive(Default)]
struct Script {
    now: Cell<Duration>,
    inbox: VecDeque<Received>,
    sent: RefCell<Vec<Vec<u8>>>,
}

impl World for Script {
    fn now(&self) -> ospf::Instant {
        ospf::Instant::new(self.now.get())
    }

    fn receive(&mut self) -> Option<(InterfaceId, Received)> {
        self.inbox.pop_front().map(|received| (LINK, received))
    }

    fn send(&self, _: InterfaceId, _: Ipv4Addr, _: Departure, packet: &[u8]) -> io::Result<()> {
        self.sent.borrow_mut().push(packet.to_vec());
        Ok(())
    }

    fn sync(&mut self, _: &BTreeMap<InterfaceId, Wanted>) -> Vec<(InterfaceId, Lack)> {
        Vec::new()
    }
}

fn config(address: Ipv4Addr) -> Config {
    let link = InterfaceConfig {
        hello_interval: HELLO,
        dead_interval: DEAD,
        ..InterfaceConfig::new("p1", AreaId::BACKBONE, NetworkType::PointToPoint)
    };
    Config { interfaces: BTreeMap::from([(LINK, link)]), ..Config::new(RouterId::from(address)) }
}

fn up(address: Ipv4Addr) -> LinkState {
    LinkState::Up { index: 7, mtu: 1420, addressing: Addressing::Unnumbered(address) }
}

fn from_peer(payload: &[u8]) -> Received {
    Received { source: PEER, destination: Ipv4Addr::new(224, 0, 0, 5), ttl: 1, payload: payload.to_vec() }
}

/// The task under test, its queues, and its neighbour.
struct Scene {
    task: Task<Script>,
    peer: Engine,
    commander: mpsc::Sender<Command>,
    commands: mpsc::Receiver<Command>,
    news: mpsc::Sender<News>,
    _listener: mpsc::Receiver<News>,
}

impl Scene {
    /// The two are Full.
    fn new() -> Self {
        let (commander, commands) = mpsc::channel(COMMAND_QUEUE);
        let (news, listener) = mpsc::channel(1024);
        let mut task = Task::new(config(OWN), 1, None, Script::default());
        task.command(Command::Link(LINK, up(OWN)));
        let mut peer = Engine::new(config(PEER), 2, ospf::Instant::ZERO);
        peer.handle(ospf::Instant::ZERO, Input::Link { interface: LINK, state: up(PEER) });
        let mut scene = Self { task, peer, commander, commands, news, _listener: listener };
        for _ in 0..200 {
            scene.time_passes();
            scene.turn();
        }
        assert_eq!(scene.neighbor(), Some(NeighborState::Full));
        scene
    }

    /// The neighbour lives on for a moment, and what it sends lies in the socket.
    fn time_passes(&mut self) {
        let world = &mut self.task.world;
        world.now.set(world.now.get() + STEP);
        let now = world.now();
        for packet in world.sent.take() {
            let destination = Ipv4Addr::new(224, 0, 0, 5);
            self.peer.handle(
                now,
                Input::Packet { interface: LINK, source: OWN, destination, ttl: 1, payload: (&packet[..]).into() },
            );
        }
        self.peer.handle(now, Input::Tick);
        while let Some(output) = self.peer.poll_output() {
            if let Output::Send { packet, .. } = output {
                world.inbox.push_back(from_peer(&packet));
            }
        }
    }

    fn turn(&mut self) -> Turn {
        self.task.turn(&mut self.commands, &self.news)
    }

    fn neighbor(&self) -> Option<NeighborState> {
        self.task.engine.neighbors().next().map(|neighbor| neighbor.state)
    }
}

#[test]
fn a_hello_that_lies_in_the_socket_counts_however_late_it_is_read() {
    let mut scene = Scene::new();
    // The task does not run for longer than the dead interval, and the neighbour sends as ever.
    while scene.task.world.inbox.len() < 3 {
        scene.time_passes();
    }
    scene.task.world.now.set(scene.task.world.now.get() + DEAD + STEP);
    scene.turn();
    assert_eq!(scene.neighbor(), Some(NeighborState::Full), "its hellos were there before the timer was judged");
}

#[test]
fn a_neighbour_that_was_silent_is_dead() {
    let mut scene = Scene::new();
    scene.task.world.inbox.clear();
    scene.task.world.now.set(scene.task.world.now.get() + DEAD + STEP);
    scene.turn();
    assert_ne!(scene.neighbor(), Some(NeighborState::Full));
}

#[test]
fn neither_timers_nor_commands_starve_behind_packets() {
    let mut scene = Scene::new();
    scene.turn();
    scene.task.world.inbox.extend((0..10 * PACKETS_AT_ONCE).map(|_| from_peer(b"nonsense")));
    scene.task.world.now.set(scene.task.world.now.get() + HELLO + STEP);
    scene.task.world.sent.take();
    let (sender, mut answer) = oneshot::channel();
    scene.commander.try_send(Command::Lsdb(None, sender)).unwrap();
    assert_eq!(scene.turn(), Turn::Busy);
    assert_eq!(scene.task.world.inbox.len(), 9 * PACKETS_AT_ONCE);
    assert!(!scene.task.world.sent.borrow().is_empty(), "a hello was due and is sent");
    assert_eq!(answer.try_recv().unwrap().lsas.len(), 2);
}

#[test]
fn a_turn_with_nothing_to_do_is_idle() {
    let mut scene = Scene::new();
    while scene.turn() == Turn::Busy {}
    assert_eq!(scene.turn(), Turn::Idle);
}
