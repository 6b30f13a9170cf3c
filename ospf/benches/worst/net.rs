//! Engines, the links between them, a virtual clock, and what inputs cost.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use nix::time::{ClockId, clock_gettime};
use ospf::wire::{Authentication, Lsa, Packet, PacketBody};
use ospf::{
    Addressing, AreaId, Config, Engine, Input, Instant, InterfaceConfig, InterfaceId, LinkState, NeighborState,
    NetworkType, Output, RouterId,
};

/// One-way delay of every link.
const DELAY: Duration = Duration::from_millis(1);

/// An interface of one of the engines.
type Port = (usize, u32);

/// What inputs have cost an engine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Meter {
    pub inputs: u64,
    /// Time of the processor.
    pub total: Duration,
    pub worst: Duration,
    /// Units of work of the worst.
    pub units: u64,
    /// What the worst was.
    pub input: &'static str,
}

/// A packet under way: to whom, from which address, to which, and what.
type UnderWay = (Port, Ipv4Addr, Ipv4Addr, Bytes);

pub struct Net {
    pub now: Instant,
    pub engines: Vec<Engine>,
    wires: BTreeMap<Port, Port>,
    queue: BTreeMap<(Instant, u64), UnderWay>,
    count: u64,
    meters: Vec<Meter>,
    /// Engines whose packets are lost.
    pub muted: BTreeSet<usize>,
    /// Engines that sleep: they are given nothing.
    pub asleep: BTreeSet<usize>,
}

pub fn loopback(engine: usize) -> Ipv4Addr {
    Ipv4Addr::from(0x0aff_0001 + u32::try_from(engine).expect("a handful of engines"))
}

pub fn router_id(engine: usize) -> RouterId {
    RouterId::from(loopback(engine))
}

/// A router with a link to each of some others, in an area each.
pub fn config(engine: usize, links: &[(usize, AreaId)], home: AreaId) -> Config {
    let interface = |&(other, area): &(usize, AreaId)| {
        let config = InterfaceConfig {
            hello_interval: Duration::from_secs(1),
            dead_interval: Duration::from_secs(4),
            retransmit_interval: Duration::from_secs(1),
            ..InterfaceConfig::new("p", area, NetworkType::PointToPoint)
        };
        (interface_to(other), config)
    };
    Config {
        interfaces: links.iter().map(interface).collect(),
        loopbacks: BTreeMap::from([(home, BTreeSet::from([loopback(engine)]))]),
        ..Config::new(router_id(engine))
    }
}

/// The interface that leads to an engine.
pub fn interface_to(other: usize) -> InterfaceId {
    InterfaceId(1 + u32::try_from(other).expect("a handful of engines"))
}

impl Net {
    pub fn new(configs: Vec<Config>, links: &[(usize, usize)]) -> Self {
        let engines: Vec<_> =
            configs.into_iter().zip(0..).map(|(config, seed)| Engine::new(config, seed, Instant::ZERO)).collect();
        let wires = links.iter().flat_map(|&(a, b)| {
            let ends = [(a, interface_to(b).0), (b, interface_to(a).0)];
            [(ends[0], ends[1]), (ends[1], ends[0])]
        });
        let mut net = Self {
            now: Instant::ZERO,
            meters: vec![Meter::default(); engines.len()],
            engines,
            wires: wires.collect(),
            queue: BTreeMap::new(),
            count: 0,
            muted: BTreeSet::new(),
            asleep: BTreeSet::new(),
        };
        for (engine, interface) in net.wires.keys().copied().collect::<Vec<_>>() {
            net.link(engine, InterfaceId(interface), true);
        }
        net
    }

    pub fn link(&mut self, engine: usize, interface: InterfaceId, is_up: bool) {
        let addressing = Addressing::Unnumbered(loopback(engine));
        let state = match is_up {
            true => LinkState::Up { index: 100 + interface.0, mtu: 1420, addressing },
            false => LinkState::Down,
        };
        self.input(engine, Input::Link { interface, state });
    }

    /// Gives an engine an input now, and takes the time.
    pub fn input(&mut self, engine: usize, input: Input<'_>) {
        let name = match &input {
            Input::Packet { .. } => "Packet",
            Input::Link { .. } => "Link",
            Input::Configure(_) => "Configure",
            Input::Tick => "Tick",
            _ => "other",
        };
        let before = processor_time();
        self.engines[engine].handle(self.now, input);
        let took = processor_time().saturating_sub(before);
        let meter = &mut self.meters[engine];
        meter.inputs += 1;
        meter.total += took;
        if took > meter.worst {
            let units = self.engines[engine].work_done();
            (meter.worst, meter.units, meter.input) = (took, units, name);
        }
        while let Some(output) = self.engines[engine].poll_output() {
            let Output::Send { interface, destination, packet, .. } = output else { continue };
            let to = self.wires.get(&(engine, interface.0)).filter(|_| !self.muted.contains(&engine));
            if let Some(&to) = to {
                self.count += 1;
                let arrival = (self.now + DELAY, self.count);
                self.queue.insert(arrival, (to, loopback(engine), destination, packet));
            }
        }
    }

    /// Gives engine 0 a Link State Update as if engine 1 had sent it.
    pub fn forge(&mut self, lsas: &[Lsa]) {
        let (router_id, body) = (router_id(1), PacketBody::LinkStateUpdate(lsas.to_vec()));
        let packet = Packet { router_id, area_id: AreaId::BACKBONE, authentication: Authentication::Null, body };
        let (interface, source) = (interface_to(1), loopback(1));
        let destination = Ipv4Addr::new(224, 0, 0, 5);
        self.input(
            0,
            Input::Packet {
                interface,
                source,
                destination,
                ttl: 1,
                payload: packet.encode().expect("a packet of these LSAs fits").to_vec().into(),
            },
        );
    }

    fn step(&mut self, end: Instant) -> bool {
        let arrival = self.queue.first_key_value().map(|(key, _)| key.0);
        let awake = self.engines.iter().enumerate().filter(|(engine, _)| !self.asleep.contains(engine));
        let deadline = awake.filter_map(|(index, engine)| Some((engine.next_deadline()?.0, index))).min();
        match (arrival, deadline) {
            (Some(arrival), deadline) if arrival <= end && deadline.is_none_or(|(when, _)| arrival <= when) => {
                let Some((_, (to, source, destination, packet))) = self.queue.pop_first() else { return false };
                self.now = self.now.max(arrival);
                if !self.asleep.contains(&to.0) {
                    let interface = InterfaceId(to.1);
                    self.input(
                        to.0,
                        Input::Packet { interface, source, destination, ttl: 1, payload: (&packet[..]).into() },
                    );
                }
                true
            }
            (_, Some((when, engine))) if when <= end => {
                self.now = self.now.max(when);
                self.input(engine, Input::Tick);
                true
            }
            _ => false,
        }
    }

    pub fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.step(end) {}
        self.now = end;
    }

    pub fn run_seconds(&mut self, seconds: u64) {
        self.run(Duration::from_secs(seconds));
    }

    pub fn is_full(&self) -> bool {
        let mut neighbors = self.engines.iter().flat_map(Engine::neighbors).peekable();
        neighbors.peek().is_some() && neighbors.all(|neighbor| neighbor.state == NeighborState::Full)
    }

    /// What inputs have cost since this was asked last: the worst of all, and all of the engine that had the most to do.
    pub fn meter(&mut self) -> Meter {
        let meters = std::mem::replace(&mut self.meters, vec![Meter::default(); self.engines.len()]);
        let busiest = meters.iter().max_by_key(|meter| meter.total).copied().unwrap_or_default();
        let worst = meters.iter().max_by_key(|meter| meter.worst).copied().unwrap_or_default();
        Meter { inputs: busiest.inputs, total: busiest.total, ..worst }
    }
}

fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("every thread has this clock").into()
}
