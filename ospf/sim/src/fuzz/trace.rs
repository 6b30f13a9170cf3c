//! Fuzzes input traces: three engines, connected by links and a LAN, receive all inputs that are possible, also hostile packets. After each
//! input every invariant of the engine must hold, and whatever it sends must be well formed.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use ospf::wire::{Options, Packet, PacketBody};
use ospf::{
    Addressing, AreaId, Config, Engine, External, ExternalMetric, Input, Instant, InterfaceConfig, InterfaceId,
    LinkState, LinkStateId, LsaKey, LsaType, NetworkType, Output, Prefix, RouterId, SequenceNumber,
};

use super::input::Choices;
use super::lsa::forge;
use super::packet::seal;
use crate::queue::EventQueue;

/// The most steps of a trace; the rest is ignored.
const MAX_STEPS: usize = 200;
/// The most inputs of engines in one trace.
const MAX_INPUTS: usize = 4000;
/// The most packets that are remembered for later.
const MAX_REMEMBERED: usize = 256;
/// The most octets of a hostile packet's body.
const MAX_BODY: usize = 1400;
/// How long a packet is under way.
const DELAY: Duration = Duration::from_millis(1);
/// The IP MTU of all interfaces, and the octets of an IP header.
const MTU: u16 = 1400;
const IP_HEADER_LEN: usize = 20;

/// The interfaces: a link between 0 and 1, one between 1 and 2 in a separate area, and a LAN of all three.
const WIRES: [(InterfaceId, &[usize]); 3] =
    [(InterfaceId(1), &[0, 1]), (InterfaceId(2), &[1, 2]), (InterfaceId(3), &[0, 1, 2])];

/// Runs the octets as steps.
pub fn trace(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut world = World::new(choices.octet());
    world.run_for(Duration::from_secs(u64::from(choices.octet() % 32)));
    for _ in 0..MAX_STEPS {
        let Some(step) = choices.next() else { break };
        world.step(step, &mut choices);
        if world.inputs >= MAX_INPUTS {
            break;
        }
    }
    world.run_for(Duration::from_secs(5));
}

#[derive(Debug, Clone)]
struct Sent {
    source: Ipv4Addr,
    destination: Ipv4Addr,
    ttl: u8,
    payload: Bytes,
}

enum Happening {
    Arrival { engine: usize, interface: InterfaceId, packet: Sent },
    WakeUp(usize),
}

struct World {
    engines: Vec<Engine>,
    configs: Vec<Config>,
    wake_ups: Vec<Option<Instant>>,
    queue: EventQueue<Happening>,
    /// Whether each wire is cut.
    cut: [bool; WIRES.len()],
    remembered: Vec<(InterfaceId, Sent)>,
    inputs: usize,
}

impl World {
    fn new(seed: u8) -> Self {
        let configs: Vec<Config> = (0..3).map(config).collect();
        let engines = configs.iter().enumerate();
        let mut world = Self {
            engines: engines
                .map(|(number, config)| Engine::new(config.clone(), u64::from(seed) + number as u64, Instant::ZERO))
                .collect(),
            wake_ups: vec![None; configs.len()],
            configs,
            queue: EventQueue::default(),
            cut: [false; WIRES.len()],
            remembered: Vec::new(),
            inputs: 0,
        };
        for engine in 0..world.engines.len() {
            world.links_up(engine);
        }
        world
    }

    fn step(&mut self, step: u8, choices: &mut Choices<'_>) {
        let engine = choices.below(self.engines.len());
        let (interface, wire) = {
            let wire = choices.below(WIRES.len());
            (WIRES[wire].0, wire)
        };
        match step % 14 {
            0 => self.run_for(Duration::from_millis(choices.octet().into())),
            1 => self.run_for(Duration::from_secs(u64::from(choices.octet() % 64))),
            2 => self.handle(engine, Input::Link { interface, state: LinkState::Down }),
            3 => self.handle(engine, Input::Link { interface, state: link_state(engine, interface) }),
            4 => {
                let (cost, priority) = (choices.word().max(1), choices.octet() % 3);
                self.configure(engine, |config| {
                    if let Some(interface) = config.interfaces.get_mut(&interface) {
                        (interface.cost, interface.priority) = (cost, priority);
                    }
                });
            }
            5 => {
                let prefix = Prefix::new(Ipv4Addr::new(203, 0, 113, choices.octet()), 24 + choices.octet() % 9);
                let metric = ExternalMetric::Type2(choices.long() & 0xff_ffff);
                self.configure(engine, |config| {
                    if config.externals.remove(&prefix).is_none() {
                        config.externals.insert(prefix, External { metric, forwarding: None, tag: 0 });
                    }
                });
            }
            6 => self.cut[wire] ^= true,
            7 => {
                if let Some((interface, packet)) = self.recall(choices) {
                    self.arrive(engine, interface, &packet);
                }
            }
            8 => self.damaged(engine, choices),
            9 => self.forged_packet(engine, interface, choices),
            10 | 11 => self.forged_lsas(engine, interface, choices),
            12 => {
                let now = self.queue.now();
                self.handle(engine, Input::Shutdown);
                self.engines[engine] = Engine::new(self.configs[engine].clone(), choices.octet().into(), now);
                self.wake_ups[engine] = None;
                self.links_up(engine);
            }
            _ => {
                let other = RouterId(0x0a00_0001 + u32::from(choices.octet() % 5));
                self.configure(engine, |config| config.router_id = other);
            }
        }
    }

    /// Delivers an earlier packet with some changed octets, and with a correct checksum.
    fn damaged(&mut self, engine: usize, choices: &mut Choices<'_>) {
        let Some((interface, packet)) = self.recall(choices) else { return };
        let mut payload = packet.payload.to_vec();
        for _ in 0..1 + choices.octet() % 4 {
            let place = choices.below(payload.len());
            payload[place] = choices.octet();
        }
        if payload.len() >= 24 {
            seal(&mut payload);
        }
        self.arrive(engine, interface, &Sent { payload: payload.into(), ..packet });
    }

    /// Delivers a body of arbitrary octets with a header of a neighbour.
    fn forged_packet(&mut self, engine: usize, interface: InterfaceId, choices: &mut Choices<'_>) {
        let sender = choices.below(self.engines.len());
        let mut packet = vec![2, choices.octet() % 7, 0, 0];
        packet.extend_from_slice(&self.configs[sender].router_id.0.to_be_bytes());
        packet.extend_from_slice(&area(interface).0.to_be_bytes());
        packet.extend_from_slice(&[0; 12]);
        let length = choices.below(MAX_BODY);
        packet.extend_from_slice(choices.octets(length));
        seal(&mut packet);
        self.arrive(engine, interface, &self.from(sender, interface, packet.into()));
    }

    /// Delivers an update with an LSA that no router originated, and with a correct checksum.
    fn forged_lsas(&mut self, engine: usize, interface: InterfaceId, choices: &mut Choices<'_>) {
        let sender = choices.below(self.engines.len());
        let router = self.configs[choices.below(self.engines.len())].router_id;
        let kind = LsaType([1, 2, 3, 4, 5, 7, 9, 10, 11, 1][choices.below(10)]);
        let id = match choices.octet() % 4 {
            0 => LinkStateId(router.0),
            1 => LinkStateId(u32::from(address(choices.below(3), interface))),
            _ => LinkStateId(choices.long()),
        };
        let sequence = match choices.octet() % 4 {
            0 => SequenceNumber::MAX,
            1 => SequenceNumber::INITIAL,
            _ => SequenceNumber(SequenceNumber::INITIAL.0.saturating_add(i32::from(choices.octet()))),
        };
        let age = [0, 1, 3599, 3600][choices.below(4)];
        let length = 4 * choices.below(40);
        let body = choices.octets(length);
        let key = LsaKey { kind, id, advertising_router: router };
        let lsa = forge(key, Options(choices.octet()), sequence, body).with_age(age);
        let packet = Packet {
            router_id: self.configs[sender].router_id,
            area_id: area(interface),
            authentication: ospf::wire::Authentication::Null,
            body: PacketBody::LinkStateUpdate(vec![lsa]),
        };
        self.arrive(engine, interface, &self.from(sender, interface, packet.encode().expect("it was decoded")));
    }

    fn from(&self, sender: usize, interface: InterfaceId, payload: Bytes) -> Sent {
        Sent { source: address(sender, interface), destination: Ipv4Addr::new(224, 0, 0, 5), ttl: 1, payload }
    }

    fn recall(&self, choices: &mut Choices<'_>) -> Option<(InterfaceId, Sent)> {
        let place = choices.below(self.remembered.len().max(1));
        self.remembered.get(place).cloned()
    }

    fn links_up(&mut self, engine: usize) {
        for (interface, members) in WIRES {
            if members.contains(&engine) {
                self.handle(engine, Input::Link { interface, state: link_state(engine, interface) });
            }
        }
    }

    fn configure(&mut self, engine: usize, change: impl FnOnce(&mut Config)) {
        change(&mut self.configs[engine]);
        let config = self.configs[engine].clone();
        self.handle(engine, Input::Configure(config));
    }

    fn arrive(&mut self, engine: usize, interface: InterfaceId, packet: &Sent) {
        let Sent { source, destination, ttl, ref payload } = *packet;
        self.handle(engine, Input::Packet { interface, source, destination, ttl, payload: (&payload[..]).into() });
    }

    fn run_for(&mut self, duration: Duration) {
        let end = self.queue.now() + duration;
        while self.inputs < MAX_INPUTS {
            match self.queue.next_until(end) {
                Some(Happening::Arrival { engine, interface, packet }) => self.arrive(engine, interface, &packet),
                Some(Happening::WakeUp(engine)) if self.wake_ups[engine] == Some(self.queue.now()) => {
                    self.wake_ups[engine] = None;
                    self.handle(engine, Input::Tick);
                }
                Some(Happening::WakeUp(_)) => {}
                None => return,
            }
        }
    }

    /// Gives an engine an input, and checks its invariants and outputs.
    fn handle(&mut self, engine: usize, input: Input<'_>) {
        self.inputs += 1;
        let now = self.queue.now();
        let tick = matches!(input, Input::Tick);
        self.engines[engine].handle(now, input);
        if let Err(violations) = self.engines[engine].check() {
            panic!("{violations:#?}");
        }
        while let Some(output) = self.engines[engine].poll_output() {
            if let Output::Send { interface, destination, ttl, packet, .. } = output {
                self.send(engine, interface, destination, ttl, packet);
            }
        }
        let Some((deadline, key)) = self.engines[engine].next_deadline() else { return };
        assert!(!tick || deadline > now, "{key:?} is still due after a tick");
        let at = deadline.max(now);
        if self.wake_ups[engine].is_none_or(|scheduled| at < scheduled) {
            self.wake_ups[engine] = Some(at);
            self.queue.schedule(at, Happening::WakeUp(engine));
        }
    }

    fn send(&mut self, engine: usize, interface: InterfaceId, destination: Ipv4Addr, ttl: u8, payload: Bytes) {
        assert!(payload.len() + IP_HEADER_LEN <= usize::from(MTU), "{} octets sent", payload.len());
        let packet = Packet::decode(&payload).expect("engines send good packets");
        if let PacketBody::LinkStateUpdate(lsas) = &packet.body {
            assert!(lsas.iter().all(|lsa| lsa.check().is_ok()), "engines send good LSAs");
        }
        let packet = Sent { source: address(engine, interface), destination, ttl, payload };
        if self.remembered.len() < MAX_REMEMBERED {
            self.remembered.push((interface, packet.clone()));
        }
        let wire =
            WIRES.iter().position(|&(id, _)| id == interface).expect("engines send on interfaces that they have");
        if self.cut[wire] {
            return;
        }
        for &other in WIRES[wire].1 {
            let addressed = destination.is_multicast() || destination == address(other, interface);
            if other != engine && addressed {
                let arrival = Happening::Arrival { engine: other, interface, packet: packet.clone() };
                self.queue.schedule(self.queue.now() + DELAY, arrival);
            }
        }
    }
}

fn area(interface: InterfaceId) -> AreaId {
    AreaId(u32::from(interface.0 == 2))
}

fn config(engine: usize) -> Config {
    let interface = |id: InterfaceId| InterfaceConfig {
        hello_interval: Duration::from_secs(1),
        dead_interval: Duration::from_secs(4),
        ..InterfaceConfig::new(
            format!("e{}", id.0),
            area(id),
            if id.0 == 3 { NetworkType::Broadcast } else { NetworkType::PointToPoint },
        )
    };
    let mine = WIRES.into_iter().filter(|(_, members)| members.contains(&engine));
    let interfaces: BTreeMap<_, _> = mine.map(|(id, _)| (id, interface(id))).collect();
    Config { interfaces, ..Config::new(RouterId(0x0a00_0001 + engine as u32)) }
}

fn address(engine: usize, interface: InterfaceId) -> Ipv4Addr {
    Ipv4Addr::from(0xc0a8_0001 + (interface.0 << 8) + engine as u32)
}

fn link_state(engine: usize, interface: InterfaceId) -> LinkState {
    let address = address(engine, interface);
    let addressing = match interface.0 {
        1 => Addressing::Unnumbered(address),
        _ => Addressing::Numbered { address, subnet: Prefix::new(address, 24) },
    };
    LinkState::Up { index: 10 + interface.0, mtu: MTU, addressing }
}
