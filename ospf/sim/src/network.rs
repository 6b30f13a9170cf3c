//! Drives the engines of all routers on one virtual clock, and carries their packets over links of some quality.
//!
//! It judges nothing but what no engine may ever do: those violations are kept for the check.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use ospf::{Engine, Event, Input, Instant, InterfaceId, NeighborState, Output, Prefix, Route};

use crate::fault::Fault;
use crate::link::Quality;
use crate::prng::{Prng, Probability};
use crate::queue::EventQueue;
use crate::router::{self, IP_HEADER_LEN, MTU, Running, Timers};
use crate::situation::Situation;
use crate::topology::{LinkIndex, RouterIndex, Side, Topology};
use crate::trace::Trace;

/// At most this many violations are kept; the first ones tell.
pub const MAX_VIOLATIONS: usize = 50;

/// Networks of fewer routers are checked after every input.
const CHECKED_ALWAYS: u64 = 8;

/// Routers, links, and a clock.
#[derive(Debug)]
pub struct Network {
    situation: Situation,
    timers: Timers,
    quality: Quality,
    routers: Vec<Option<Running>>,
    queue: EventQueue<Happening>,
    /// For links only, so that what happens to packets depends on nothing else.
    chance: Prng,
    /// Seeds of engines.
    seeds: Prng,
    trace: Trace,
    counts: Counts,
    /// Routers whose table or adjacencies have changed since they were last asked for.
    changed: BTreeSet<RouterIndex>,
    violations: Vec<String>,
    inputs: u64,
    /// One in so many inputs is followed by a check of the engine that took it.
    check_every: u64,
}

/// What has happened so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Packets that engines sent.
    pub packets: u64,
    /// Their octets.
    pub octets: u64,
    /// Packets that arrived, copies included.
    pub arrivals: u64,
    /// Deadlines that came.
    pub ticks: u64,
    /// Routes that changed.
    pub route_changes: u64,
    /// Neighbours that became Full, or were and are no more.
    pub adjacency_changes: u64,
}

#[derive(Debug)]
enum Happening {
    /// A router is started.
    Start(RouterIndex),
    /// A packet reaches the far end of a link.
    Arrival { link: LinkIndex, to: RouterIndex, source: Ipv4Addr, destination: Ipv4Addr, payload: Bytes },
    /// A router's deadline may have come.
    WakeUp(RouterIndex),
}

impl Network {
    /// A network whose routers all start within `start_within` from now.
    pub fn new(topology: Topology, timers: Timers, quality: Quality, seed: u64, start_within: Duration) -> Self {
        let mut seeds = Prng::new(seed);
        let chance = seeds.fork();
        let mut starts = seeds.fork();
        let mut queue = EventQueue::default();
        let count = topology.routers.len();
        for router in 0..count {
            queue.schedule(Instant::ZERO + starts.duration(start_within), Happening::Start(RouterIndex(router)));
        }
        Self {
            situation: Situation::new(topology),
            timers,
            quality,
            routers: std::iter::repeat_with(|| None).take(count).collect(),
            queue,
            chance,
            seeds,
            trace: Trace::default(),
            counts: Counts::default(),
            changed: BTreeSet::new(),
            violations: Vec::new(),
            inputs: 0,
            check_every: check_every(count),
        }
    }

    /// The present time.
    pub fn now(&self) -> Instant {
        self.queue.now()
    }

    /// What runs and what carries.
    pub fn situation(&self) -> &Situation {
        &self.situation
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// A hash of every packet sent, where, and when.
    pub fn trace(&self) -> u64 {
        self.trace.value()
    }

    /// What no engine may do, but one did.
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// The engine of a router that runs.
    pub fn engine(&self, router: RouterIndex) -> Option<&Engine> {
        Some(&self.routers[router.0].as_ref()?.engine)
    }

    /// The routing table of a router that runs.
    pub fn table(&self, router: RouterIndex) -> Option<&BTreeMap<Prefix, Route>> {
        Some(&self.routers[router.0].as_ref()?.table)
    }

    /// The state of a router's neighbour on a link; Down if it has none.
    pub fn neighbor(&self, router: RouterIndex, link: LinkIndex) -> NeighborState {
        let running = self.routers[router.0].as_ref();
        let state = running.and_then(|running| running.neighbors.get(&link.interface()));
        state.copied().unwrap_or(NeighborState::Down)
    }

    /// Routers whose table or adjacencies have changed since this was last called.
    pub fn take_changed(&mut self) -> BTreeSet<RouterIndex> {
        std::mem::take(&mut self.changed)
    }

    /// Lets everything happen up to and at `limit`.
    pub fn run_until(&mut self, limit: Instant) {
        while let Some(happening) = self.queue.next_until(limit) {
            match happening {
                Happening::Start(router) => self.start(router),
                Happening::Arrival { link, to, source, destination, payload } => {
                    self.arrive(link, to, source, destination, &payload);
                }
                Happening::WakeUp(router) => self.wake_up(router),
            }
        }
    }

    /// Lets something go wrong, or right again.
    pub fn inflict(&mut self, fault: Fault) {
        match fault {
            Fault::Trouble(link, trouble) => {
                let before = self.situation.has_carrier(link);
                self.situation.set_trouble(link, trouble);
                if self.situation.has_carrier(link) != before {
                    self.tell_link_state(link);
                }
            }
            Fault::Stop(router) => self.stop(router),
            Fault::Shutdown(router) => {
                self.handle(router, Input::Shutdown);
                self.stop(router);
            }
            Fault::Start(router) => self.start(router),
            Fault::Cost(link, side, cost) => {
                let end = self.situation.topology.links[link.0].end_mut(side);
                end.cost = cost;
                let router = end.router;
                self.configure(router);
            }
            Fault::Externals(router, externals) => {
                self.situation.topology.routers[router.0].externals = externals;
                self.configure(router);
            }
        }
    }

    fn start(&mut self, router: RouterIndex) {
        // Once for each seed drawn, also for a router that a fault stopped before it started.
        let seed = self.seeds.next_u64();
        if self.routers[router.0].is_some() {
            return;
        }
        self.situation.set_running(router, true);
        let config = router::config(&self.situation, router, self.timers);
        self.routers[router.0] = Some(Running::new(config, seed, self.now()));
        let states: Vec<_> = router::link_states(&self.situation, router).collect();
        for (interface, state) in states {
            self.handle(router, Input::Link { interface, state });
        }
    }

    fn stop(&mut self, router: RouterIndex) {
        self.situation.set_running(router, false);
        self.routers[router.0] = None;
        self.changed.remove(&router);
    }

    fn configure(&mut self, router: RouterIndex) {
        let config = router::config(&self.situation, router, self.timers);
        self.handle(router, Input::Configure(config));
    }

    fn tell_link_state(&mut self, link: LinkIndex) {
        for side in Side::BOTH {
            let router = self.situation.topology.links[link.0].end(side).router;
            let state = router::link_state(&self.situation, link, side);
            self.handle(router, Input::Link { interface: link.interface(), state });
        }
    }

    fn arrive(&mut self, link: LinkIndex, to: RouterIndex, source: Ipv4Addr, destination: Ipv4Addr, payload: &[u8]) {
        let from = self.situation.topology.links[link.0].side_of(to).expect("the link's own router").other();
        if self.situation.carries_from(link, from) {
            self.counts.arrivals += 1;
            self.handle(to, Input::Packet { interface: link.interface(), source, destination, payload });
        }
    }

    fn wake_up(&mut self, router: RouterIndex) {
        let now = self.now();
        let Some(running) = &mut self.routers[router.0] else { return };
        if running.wake_up != Some(now) {
            return;
        }
        running.wake_up = None;
        let due = running.engine.next_deadline().is_some_and(|(deadline, _)| deadline <= now);
        if due {
            self.counts.ticks += 1;
            self.handle(router, Input::Tick);
        } else {
            self.schedule_wake_up(router);
        }
    }

    /// Gives an input to a router, if it runs, and does what it says.
    fn handle(&mut self, router: RouterIndex, input: Input<'_>) {
        let now = self.now();
        let Some(running) = &mut self.routers[router.0] else { return };
        let tick = matches!(input, Input::Tick);
        running.engine.handle(now, input);
        while let Some(output) = self.routers[router.0].as_mut().and_then(|running| running.engine.poll_output()) {
            match output {
                Output::Send { interface, destination, packet, ttl: _ } => {
                    self.send(router, interface, destination, packet)
                }
                Output::Route { prefix, route } => self.route(router, prefix, route),
                Output::Opaque { domain, key, .. } => {
                    self.violation(router, format!("told of {key} in {domain:?}, which nobody watches"));
                }
                Output::Event(event) => self.event(router, &event),
            }
        }
        self.check(router);
        let next = self.engine(router).and_then(Engine::next_deadline);
        if let Some((deadline, key)) = next.filter(|&(deadline, _)| tick && deadline <= now) {
            // Not woken again, or time would stand still.
            self.violation(router, format!("{key:?} is still due at {deadline:?} after a tick"));
            return;
        }
        self.schedule_wake_up(router);
    }

    /// Every invariant of an engine, after every input of a small network and after some of a large one.
    fn check(&mut self, router: RouterIndex) {
        self.inputs += 1;
        if self.inputs.is_multiple_of(self.check_every) {
            self.check_now(router);
        }
    }

    fn check_now(&mut self, router: RouterIndex) {
        let violations = self.engine(router).and_then(|engine| engine.check().err());
        for violation in violations.into_iter().flatten() {
            self.violation(router, violation.to_string());
        }
    }

    /// Checks every engine that runs.
    pub fn check_all(&mut self) {
        for router in 0..self.routers.len() {
            self.check_now(RouterIndex(router));
        }
    }

    fn schedule_wake_up(&mut self, router: RouterIndex) {
        let now = self.now();
        let Some(running) = &mut self.routers[router.0] else { return };
        let Some((deadline, _)) = running.engine.next_deadline() else { return };
        let at = deadline.max(now);
        if running.wake_up.is_none_or(|scheduled| at < scheduled) {
            running.wake_up = Some(at);
            self.queue.schedule(at, Happening::WakeUp(router));
        }
    }

    fn send(&mut self, router: RouterIndex, interface: InterfaceId, destination: Ipv4Addr, packet: Bytes) {
        self.counts.packets += 1;
        self.counts.octets += packet.len() as u64;
        self.trace.add(self.queue.now(), router, interface, destination, &packet);
        if packet.len() + IP_HEADER_LEN > usize::from(MTU) {
            self.violation(router, format!("sent {} octets over an MTU of {MTU}", packet.len()));
        }
        let link = LinkIndex::of(interface);
        let side = link.and_then(|link| self.situation.topology.links.get(link.0)?.side_of(router));
        let (Some(link), Some(side)) = (link, side) else {
            self.violation(router, format!("sent on {interface:?}, which is no active interface of its"));
            return;
        };
        if !self.situation.carries_from(link, side) {
            return;
        }
        let to = self.situation.topology.links[link.0].end(side.other()).router;
        let source = self.situation.topology.address(link, side);
        for arrival in self.quality.carry(&mut self.chance) {
            let payload = match arrival.flipped_bit {
                None => packet.clone(),
                Some(bit) => with_flipped_bit(&packet, bit),
            };
            let happening = Happening::Arrival { link, to, source, destination, payload };
            self.queue.schedule(self.queue.now() + arrival.after, happening);
        }
    }

    fn route(&mut self, router: RouterIndex, prefix: Prefix, route: Option<Route>) {
        self.counts.route_changes += 1;
        self.changed.insert(router);
        let Some(running) = &mut self.routers[router.0] else { return };
        let before = match route.clone() {
            Some(route) => running.table.insert(prefix, route),
            None => running.table.remove(&prefix),
        };
        if before == route {
            self.violation(router, format!("told again of {prefix}, which is as it was"));
        }
    }

    fn event(&mut self, router: RouterIndex, event: &Event) {
        if let Event::Neighbor { from, to, .. } = event {
            self.changed.insert(router);
            if (*from == NeighborState::Full) != (*to == NeighborState::Full) {
                self.counts.adjacency_changes += 1;
            }
        }
        let Some(running) = &mut self.routers[router.0] else { return };
        let complaint = running.note(event);
        // A changed bit explains every refusal of a packet.
        let corrupted = self.quality.corruption > Probability::ZERO && matches!(event, Event::PacketRefused { .. });
        if let Some(complaint) = complaint.filter(|_| !corrupted) {
            self.violation(router, complaint);
        }
    }

    fn violation(&mut self, router: RouterIndex, what: String) {
        if self.violations.len() < MAX_VIOLATIONS {
            self.violations.push(format!("router {router} at {:.3?}: {what}", self.queue.now().since_origin()));
        }
    }
}

/// The check of an engine costs as much as there are LSAs, and a network of more routers takes more inputs.
fn check_every(routers: usize) -> u64 {
    let share = routers as u64 / CHECKED_ALWAYS;
    1 + share * share * CHECKED_ALWAYS
}

fn with_flipped_bit(packet: &Bytes, bit: u64) -> Bytes {
    let mut changed = packet.to_vec();
    let bit = usize::try_from(bit % (8 * changed.len() as u64)).expect("a bit of the packet");
    changed[bit / 8] ^= 1 << (bit % 8);
    Bytes::from(changed)
}
