//! A few engines, the links between them, and one clock that jumps to whatever comes next.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::interface::send::ALL_SPF_ROUTERS;
use crate::wire::{Authentication, Lsa, Packet, PacketBody};
use crate::{
    Addressing, Alternates, AreaId, Config, Delivery, Engine, Event, External, ExternalMetric, Input, Instant,
    InterfaceConfig, InterfaceId, LinkState, LinkStateId, LsaKey, LsaPlace, LsaType, NeighborState, NetworkType,
    Output, Prefix, Protection, Route, RouterId,
};

/// One-way delay of every link.
pub const DELAY: Duration = Duration::from_millis(1);

/// Engines with fewer LSAs are checked after every input.
const CHECKED_ALWAYS: u64 = 64;

pub const HELLO: Duration = Duration::from_secs(10);
pub const DEAD: Duration = Duration::from_secs(40);

/// An interface of one of the engines.
pub type Port = (usize, InterfaceId);

/// Whether a packet on a segment reaches one of its ports.
pub type Reaches = Box<dyn FnMut(&Sent, Port) -> bool>;

/// A packet under way or already there.
#[derive(Debug, Clone)]
pub struct Sent {
    pub at: Instant,
    pub from: Port,
    pub source: Ipv4Addr,
    pub destination: Ipv4Addr,
    pub ttl: u8,
    pub delivery: Delivery,
    pub bytes: Bytes,
}

impl Sent {
    pub fn body(&self) -> PacketBody {
        Packet::decode(&self.bytes).expect("engines send good packets").body
    }
}

pub struct World {
    pub now: Instant,
    pub engines: Vec<Engine>,
    pub events: Vec<Vec<Event>>,
    pub routes: Vec<BTreeMap<Prefix, Route>>,
    /// The alternates that each engine has told of.
    pub protections: Vec<BTreeMap<Prefix, Arc<Protection>>>,
    /// Opaque LSAs that each engine has told of.
    pub opaques: Vec<BTreeMap<LsaPlace, Bytes>>,
    /// How often it did.
    pub opaque_changes: Vec<usize>,
    /// Units of work that each engine did.
    pub work: Vec<u64>,
    /// All that was sent, lost or not.
    pub sent: Vec<Sent>,
    /// Both directions of each link.
    pub wires: BTreeMap<Port, Port>,
    /// Segments that carry multicast, with all their ports.
    pub lans: Vec<BTreeSet<Port>>,
    /// Links that carry nothing, though their ends do not know.
    pub cut: BTreeSet<Port>,
    /// Whether a packet is delivered.
    pub deliver: Box<dyn FnMut(&Sent) -> bool>,
    inputs: u64,
    /// Whether a packet on a segment reaches one of its ports.
    pub reaches: Reaches,
    under_way: BTreeMap<(Instant, u64), (Port, Sent)>,
    count: u64,
}

pub fn router_id(engine: usize) -> RouterId {
    RouterId(u32::from(loopback(engine)))
}

pub fn loopback(engine: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 255, 0, u8::try_from(engine + 1).unwrap())
}

pub fn interface_config(name: &str) -> InterfaceConfig {
    InterfaceConfig {
        hello_interval: HELLO,
        dead_interval: DEAD,
        ..InterfaceConfig::new(name, AreaId::BACKBONE, NetworkType::PointToPoint)
    }
}

pub fn config(engine: usize, interfaces: impl IntoIterator<Item = u32>) -> Config {
    Config {
        interfaces: interfaces.into_iter().map(|id| (InterfaceId(id), interface_config(&format!("p{id}")))).collect(),
        loopbacks: BTreeMap::from([(AreaId::BACKBONE, BTreeSet::from([loopback(engine)]))]),
        alternates: Alternates::On,
        ..Config::new(router_id(engine))
    }
}

pub fn up(engine: usize, id: InterfaceId) -> LinkState {
    let addressing = match id.0.checked_sub(LAN.0) {
        None => Addressing::Unnumbered(loopback(engine)),
        Some(lan) => Addressing::Numbered {
            address: lan_address(lan, engine),
            subnet: Prefix::new(lan_address(lan, engine), 24),
        },
    };
    LinkState::Up { index: 100 + id.0, mtu: 1420, addressing }
}

/// Every router's interface on the first segment; on the next it is the next.
pub const LAN: InterfaceId = InterfaceId(1000);

/// An engine's address on a segment.
pub fn lan_address(lan: u32, engine: usize) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, u8::try_from(lan).unwrap(), u8::try_from(engine + 1).unwrap())
}

pub fn prefix(text: &str) -> Prefix {
    let (network, len) = text.split_once('/').unwrap();
    Prefix::new(network.parse().unwrap(), len.parse().unwrap())
}

impl World {
    /// `count` engines joined by unnumbered links, all up at once: the link of engines a and b is interface b+1 of a and a+1 of b.
    pub fn new(count: usize, links: &[(usize, usize)]) -> Self {
        Self::with(count, links, |_, _| {})
    }

    /// As [`World::new`], the configurations changed before the start.
    pub fn with(count: usize, links: &[(usize, usize)], change: impl FnMut(usize, &mut Config)) -> Self {
        Self::build(count, links, &[], change)
    }

    /// 0 - 1 - 2, and a dear way from 0 to 2 past 1, which `change` configures.
    pub fn dear_past_1(change: impl FnOnce(&mut Config)) -> Self {
        let mut change = Some(change);
        Self::with(3, &[(0, 1), (1, 2), (0, 2)], |engine, config| match engine {
            1 => change.take().into_iter().for_each(|change| change(config)),
            _ => config.interfaces.get_mut(&port(engine, 2 - engine).1).unwrap().cost = 100,
        })
    }

    /// `count` engines on one broadcast segment.
    pub fn lan(count: usize, change: impl FnMut(usize, &mut Config)) -> Self {
        Self::build(count, &[], &[(0..count).collect()], change)
    }

    /// Engines joined by links as in [`World::new`] and by numbered broadcast segments: that of index i is interface `LAN` + i.
    pub fn build(
        count: usize,
        links: &[(usize, usize)],
        lans: &[Vec<usize>],
        mut change: impl FnMut(usize, &mut Config),
    ) -> Self {
        let mut world = Self {
            now: Instant::ZERO,
            engines: Vec::new(),
            events: vec![Vec::new(); count],
            routes: vec![BTreeMap::new(); count],
            protections: vec![BTreeMap::new(); count],
            opaques: vec![BTreeMap::new(); count],
            opaque_changes: vec![0; count],
            work: vec![0; count],
            sent: Vec::new(),
            wires: BTreeMap::new(),
            lans: Vec::new(),
            cut: BTreeSet::new(),
            deliver: Box::new(|_| true),
            inputs: 0,
            reaches: Box::new(|_, _| true),
            under_way: BTreeMap::new(),
            count: 0,
        };
        for &(a, b) in links {
            world.wires.insert(port(a, b), port(b, a));
            world.wires.insert(port(b, a), port(a, b));
        }
        for (lan, engines) in (LAN.0..).zip(lans) {
            world.lans.push(engines.iter().map(|&engine| (engine, InterfaceId(lan))).collect());
        }
        for engine in 0..count {
            let ids = world.wires.keys().filter(|port| port.0 == engine).map(|port| port.1.0);
            let mut config = config(engine, ids);
            for port in world.lans.iter().flatten().filter(|port| port.0 == engine) {
                let network = NetworkType::Broadcast;
                let interface = InterfaceConfig { network, ..interface_config(&format!("lan{}", port.1.0)) };
                config.interfaces.insert(port.1, interface);
            }
            change(engine, &mut config);
            world.engines.push(Engine::new(config, engine as u64, world.now));
        }
        for (engine, id) in world.ports() {
            world.link(engine, id, up(engine, id));
        }
        world
    }

    fn ports(&self) -> Vec<Port> {
        self.wires.keys().chain(self.lans.iter().flatten()).copied().collect()
    }

    pub fn link(&mut self, engine: usize, interface: InterfaceId, state: LinkState) {
        self.input(engine, Input::Link { interface, state });
    }

    /// Gives an input to an engine now.
    pub fn input(&mut self, engine: usize, input: Input<'_>) {
        let now = self.now;
        let tick = matches!(input, Input::Tick);
        self.engines[engine].handle(now, input);
        self.work[engine] += self.engines[engine].work_done();
        self.check(engine);
        if tick {
            let next = self.engines[engine].next_deadline();
            assert!(next.is_none_or(|(when, _)| when > now), "{next:?} is due after the tick at {now:?}");
        }
        while let Some(output) = self.engines[engine].poll_output() {
            match output {
                Output::Send { interface, destination, ttl, delivery, packet } => {
                    let from = (engine, interface);
                    let source = self.address(from);
                    self.launch(Sent { at: now, from, source, destination, ttl, delivery, bytes: packet });
                }
                Output::Route { prefix, route: Some(route) } => {
                    self.protections[engine]
                        .retain(|of, protection| *of != prefix || protection.nexthops.keys().eq(&route.nexthops));
                    self.routes[engine].insert(prefix, route);
                }
                Output::Route { prefix, route: None } => {
                    self.routes[engine].remove(&prefix);
                    self.protections[engine].remove(&prefix);
                }
                Output::Protection { prefix, protection: Some(protection) } => {
                    let before = self.protections[engine].insert(prefix, protection.clone());
                    let route = &self.routes[engine][&prefix];
                    assert!(
                        protection.nexthops.keys().eq(&route.nexthops),
                        "{prefix}: it belongs to the present next hops"
                    );
                    assert_ne!(before, Some(protection), "{prefix} is told of again");
                }
                Output::Protection { prefix, protection: None } => {
                    assert!(self.protections[engine].remove(&prefix).is_some(), "{prefix} is told of again");
                }
                Output::Opaque { domain, key, body } => {
                    self.opaque_changes[engine] += 1;
                    let place = LsaPlace { domain, key };
                    let before = match body.clone() {
                        Some(body) => self.opaques[engine].insert(place, body),
                        None => self.opaques[engine].remove(&place),
                    };
                    assert_ne!(before, body, "{place:?} is told of again");
                }
                Output::Event(event) => self.events[engine].push(event),
            }
        }
        let told: Vec<_> = self.routes[engine].iter().map(|(&prefix, route)| (prefix, route)).collect();
        assert_eq!(told, self.engines[engine].routes().collect::<Vec<_>>(), "what is told is the table");
        let told = &self.protections[engine];
        assert_eq!(told, &self.engines[engine].alternates.protection, "and so are the alternates");
    }

    /// Every invariant of an engine, after every input; after some of them where that would take long.
    fn check(&mut self, engine: usize) {
        self.inputs += 1;
        let stored = self.engines[engine].lsdb().count() as u64;
        if self.inputs.is_multiple_of(1 + stored / CHECKED_ALWAYS)
            && let Err(violations) = self.engines[engine].check()
        {
            let told: Vec<_> = violations.iter().map(ToString::to_string).collect();
            panic!("engine {engine} at {:?}: {}", self.now, told.join("; "));
        }
        let engine = &self.engines[engine];
        // What reaches MaxAge now is taken out of the routes by the next tick.
        let quiet = engine.calculation.backoff.due().is_none()
            && !engine.has_backlog()
            && engine.next_deadline().is_none_or(|next| next.0 > self.now);
        if stored < CHECKED_ALWAYS && quiet && engine.calculation.runs > 0 {
            let mut full = engine.calculate();
            full.table.cut(engine.config.limits.routes, &engine.config.policy);
            assert_eq!(engine.calculation.latest, full, "routes are those of a full calculation");
            if !engine.alternates.is_pending() && !engine.is_restarting() {
                let all = engine.alternates_from_nothing();
                assert_eq!(engine.alternates.protection, all, "alternates are those of a full calculation");
            }
        }
    }

    fn address(&self, (engine, interface): Port) -> Ipv4Addr {
        let view = self.engines[engine].interfaces().find(|view| view.interface == interface);
        match view.and_then(|view| view.addressing) {
            Some(Addressing::Numbered { address, .. } | Addressing::Unnumbered(address)) => address,
            // A last hello leaves before the interface goes down.
            None => match up(engine, interface) {
                LinkState::Up { addressing, .. } => addressing.address(),
                LinkState::Down => unreachable!("it is up"),
            },
        }
    }

    fn launch(&mut self, packet: Sent) {
        self.sent.push(packet.clone());
        let lost = self.cut.contains(&packet.from) || !(self.deliver)(&packet);
        if lost {
            return;
        }
        if packet.delivery == Delivery::Routed {
            self.route(&packet);
        } else if let Some(&to) = self.wires.get(&packet.from) {
            self.put(to, packet, DELAY);
        } else {
            let on_segment = self.lans.iter().filter(|lan| lan.contains(&packet.from)).flatten().copied();
            for to in on_segment.collect::<Vec<_>>() {
                let meant = packet.destination.is_multicast() || packet.destination == self.address(to);
                if to != packet.from && meant && (self.reaches)(&packet, to) {
                    self.put(to, packet.clone(), DELAY);
                }
            }
        }
    }

    /// Carries a packet from router to router by their routes, as a kernel does.
    fn route(&mut self, packet: &Sent) {
        let mut out = packet.from;
        for hop in 1..=u32::from(packet.ttl) {
            let nexthops = self.nexthops(out.0, packet.destination);
            let via = nexthops.iter().find(|nexthop| nexthop.interface == out.1).and_then(|nexthop| nexthop.via);
            let Some(next) = self.at(out, via.unwrap_or(packet.destination)) else { return };
            if self.cut.contains(&out) {
                return;
            }
            if self.ports().iter().any(|&port| port.0 == next.0 && self.address(port) == packet.destination) {
                let ttl = packet.ttl - u8::try_from(hop - 1).expect("no more hops than the TTL");
                self.put(next, Sent { ttl, ..packet.clone() }, DELAY * hop);
                return;
            }
            let Some(onward) = self.nexthops(next.0, packet.destination).first().copied() else { return };
            out = (next.0, onward.interface);
        }
    }

    fn nexthops(&self, engine: usize, destination: Ipv4Addr) -> BTreeSet<crate::Nexthop> {
        let covering = self.routes[engine].iter().filter(|(prefix, _)| prefix.contains(destination));
        covering.max_by_key(|(prefix, _)| prefix.len()).map(|(_, route)| route.nexthops.clone()).unwrap_or_default()
    }

    /// Who has an address on the network of a port.
    fn at(&self, port: Port, address: Ipv4Addr) -> Option<Port> {
        let lan = self.lans.iter().find(|lan| lan.contains(&port));
        let on_lan = lan.and_then(|lan| lan.iter().copied().find(|&other| self.address(other) == address));
        on_lan.or_else(|| self.wires.get(&port).copied())
    }

    /// A packet arrives at a port after `delay`.
    pub fn put(&mut self, to: Port, packet: Sent, delay: Duration) {
        self.count += 1;
        self.under_way.insert((self.now + delay, self.count), (to, packet));
    }

    /// Runs until `end`.
    pub fn run_until(&mut self, end: Instant) {
        while self.step(end) {}
        self.now = end;
    }

    pub fn run_for(&mut self, duration: Duration) {
        self.run_until(self.now + duration);
    }

    /// Runs until `done`, which has to come about within `limit`; gives how long it took.
    pub fn run_to(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> Duration {
        let start = self.now;
        while !done(self) {
            assert!(self.step(start + limit), "not within {limit:?}");
        }
        self.now.saturating_since(start)
    }

    fn step(&mut self, end: Instant) -> bool {
        let arrival = self.under_way.first_key_value().map(|(&(when, _), _)| when);
        let deadlines = self.engines.iter().enumerate().filter_map(|(i, engine)| Some((engine.next_deadline()?.0, i)));
        let deadline = deadlines.min();
        match (arrival, deadline) {
            (Some(arrival), deadline) if arrival <= end && deadline.is_none_or(|(when, _)| arrival <= when) => {
                let ((when, _), (to, packet)) = self.under_way.pop_first().unwrap();
                self.now = self.now.max(when);
                self.arrive(to, &packet);
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

    /// Gives `to` a packet as if its neighbour `router` had sent it.
    pub fn inject(&mut self, to: Port, router: usize, body: PacketBody) {
        self.inject_in(AreaId::BACKBONE, to, router, body);
    }

    /// As [`World::inject`], in another area than the backbone.
    pub fn inject_in(&mut self, area_id: AreaId, to: Port, router: usize, body: PacketBody) {
        let packet = Packet { router_id: router_id(router), area_id, authentication: Authentication::Null, body };
        self.inject_packet(to, loopback(router), 1, &packet);
    }

    /// Gives `to` a packet to AllSPFRouters from an address, with a TTL.
    pub fn inject_packet(&mut self, to: Port, source: Ipv4Addr, ttl: u8, packet: &Packet) {
        let (destination, payload) = (ALL_SPF_ROUTERS, &packet.encode().unwrap()[..]);
        self.input(to.0, Input::Packet { interface: to.1, source, destination, ttl, payload: payload.into() });
    }

    /// An LSA in an engine's database.
    pub fn lsa(&self, engine: usize, key: LsaKey) -> Option<Lsa> {
        self.engines[engine].lsdb().map(|view| view.lsa).find(|lsa| lsa.header.key == key)
    }

    /// Puts another engine in an engine's place, without its links.
    pub fn replace(&mut self, engine: usize, other: Engine) {
        self.engines[engine] = other;
        self.routes[engine].clear();
        self.protections[engine].clear();
    }

    /// Puts a new engine in an old one's place: it has forgotten everything.
    pub fn restart(&mut self, engine: usize, seed: u64) {
        self.replace(engine, Engine::new(self.engines[engine].config.clone(), seed, self.now));
        let ports = self.ports().into_iter().filter(|port| port.0 == engine);
        for (_, id) in ports.collect::<Vec<_>>() {
            self.link(engine, id, up(engine, id));
        }
    }

    /// Gives an engine its configuration with a change.
    pub fn reconfigure(&mut self, engine: usize, change: impl FnOnce(&mut Config)) {
        let mut config = self.engines[engine].config.clone();
        change(&mut config);
        self.input(engine, Input::Configure(config));
    }

    fn arrive(&mut self, (engine, interface): Port, packet: &Sent) {
        let Sent { source, destination, ttl, ref bytes, .. } = *packet;
        self.input(engine, Input::Packet { interface, source, destination, ttl, payload: (&bytes[..]).into() });
    }

    /// State of the neighbour at the other end of a link, as `engine` sees it.
    pub fn state(&self, engine: usize, other: usize) -> NeighborState {
        let of_link = |view: &crate::NeighborView| view.interface == port(engine, other).1;
        let view = self.engines[engine].neighbors().find(of_link);
        view.map_or(NeighborState::Down, |view| view.state)
    }

    pub fn all_full(&self) -> bool {
        self.wires.keys().all(|port| {
            let mut neighbors = self.engines[port.0].neighbors().filter(|view| view.interface == port.1);
            neighbors.any(|view| view.state == NeighborState::Full)
        })
    }

    /// Designated router and backup of a segment as an engine sees them, by engine.
    pub fn designated(&self, engine: usize, lan: InterfaceId) -> (Option<usize>, Option<usize>) {
        let view = self.engines[engine].interfaces().find(|view| view.interface == lan).unwrap();
        let engine = |address: Option<Ipv4Addr>| address.map(|address| usize::from(address.octets()[3]) - 1);
        (engine(view.designated_router), engine(view.backup_designated_router))
    }

    /// State of an engine's neighbour on a segment.
    pub fn lan_state(&self, engine: usize, lan: InterfaceId, other: usize) -> NeighborState {
        let is_it = |view: &crate::NeighborView| view.interface == lan && view.router_id == router_id(other);
        self.engines[engine].neighbors().find(is_it).map_or(NeighborState::Down, |view| view.state)
    }

    /// Whether all on a segment agree who is designated, and are adjacent to those and to nobody else.
    pub fn settled(&self, lan: InterfaceId) -> bool {
        let ports = self.lans.iter().flatten().filter(|port| port.1 == lan);
        let engines: Vec<_> = ports.map(|port| port.0).collect();
        let elected = self.designated(engines[0], lan);
        let expected = |a: usize, b: usize| match [elected.0, elected.1].iter().any(|&d| d == Some(a) || d == Some(b)) {
            true => NeighborState::Full,
            false => NeighborState::TwoWay,
        };
        let has_settled = |&a: &usize| {
            let others = engines.iter().filter(|&&b| b != a);
            self.designated(a, lan) == elected && others.copied().all(|b| self.lan_state(a, lan, b) == expected(a, b))
        };
        elected.0.is_some() && engines.iter().all(has_settled)
    }

    /// Runs until all segments are settled and all databases agree, and on until MinLSInterval holds nothing back any more.
    pub fn settle(&mut self) {
        let lans: Vec<_> = (LAN.0..).map(InterfaceId).take(self.lans.len()).collect();
        let settled = |world: &Self| {
            lans.iter().all(|&lan| world.settled(lan)) && world.all_full() && world.agree() && world.all_known()
        };
        self.run_to(2 * DEAD, settled);
        self.run_for(Duration::from_secs(15));
        assert!(settled(self), "it does not stay settled");
    }

    /// Whether all databases hold the same instances.
    pub fn agree(&self) -> bool {
        let instances = |engine: &Engine| {
            let instance = |view: crate::LsaView| {
                let header = view.lsa.header;
                (header.key, header.sequence, header.checksum, view.lsa.body)
            };
            engine.lsdb().map(instance).collect::<Vec<_>>()
        };
        self.engines.iter().all(|engine| instances(engine) == instances(&self.engines[0]))
    }

    /// Runs until all links are Full and all databases agree.
    pub fn converge(&mut self) {
        self.run_to(Duration::from_secs(60), |world| world.all_full() && world.agree() && world.all_known());
    }

    /// Whether every engine has a Router-LSA of every engine.
    fn all_known(&self) -> bool {
        let known = |engine: &Engine| engine.lsdb().filter(|view| view.lsa.header.key.kind == LsaType::ROUTER).count();
        self.engines.iter().all(|engine| known(engine) == self.engines.len())
    }

    /// Packets that an engine sent since `since`.
    pub fn sent_by(&self, engine: usize, since: Instant) -> impl Iterator<Item = &Sent> {
        self.sent.iter().filter(move |sent| sent.from.0 == engine && sent.at >= since)
    }

    /// Engine `a`'s end of its link to `b`.
    pub fn neighbor_events(&self, engine: usize) -> Vec<(NeighborState, NeighborState, &'static str)> {
        let step = |event: &Event| match event {
            Event::Neighbor { from, to, cause, .. } => Some((*from, *to, *cause)),
            _ => None,
        };
        self.events[engine].iter().filter_map(step).collect()
    }
}

/// The end at `a` of its link to `b`.
pub fn port(a: usize, b: usize) -> Port {
    (a, InterfaceId(u32::try_from(b + 1).unwrap()))
}

pub fn router_key(engine: usize) -> LsaKey {
    let id = router_id(engine);
    LsaKey { kind: LsaType::ROUTER, id: LinkStateId(id.0), advertising_router: id }
}

pub fn external_key(engine: usize, id: Ipv4Addr) -> LsaKey {
    LsaKey { kind: LsaType::AS_EXTERNAL, id: id.into(), advertising_router: router_id(engine) }
}

pub fn external() -> External {
    External { metric: ExternalMetric::Type2(20), forwarding: None, tag: 0 }
}

/// `count` different /24 as externals.
pub fn externals(count: u32) -> BTreeMap<Prefix, External> {
    (0..count).map(|i| (Prefix::new(Ipv4Addr::from(0x1400_0000 | i << 8), 24), external())).collect()
}
