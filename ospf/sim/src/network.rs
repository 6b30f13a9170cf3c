//! Drives the engines of all routers on one virtual clock, and carries their packets over links of some quality.
//!
//! No packet arrives before a link's delay is over, so whatever routers do within such a span of time they do without each other: they
//! take their turns on all cores. Packets are put on links afterwards, in order of time, then of routers, whoever was ready first.
//!
//! It judges nothing but what no engine may ever do: those violations are kept for the check.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use ospf::wire::RestartReason;
use ospf::{Announcement, Config, Engine, Input, Instant, InterfaceId, NeighborState, NeighborView, Restarting};

use crate::fault::{Fault, GracefulRestart};
use crate::finding::MAX_KEPT;
use crate::keys::KeyRollover;
use crate::link::Quality;
use crate::prng::Prng;
use crate::queue::EventQueue;
use crate::router::{self, IP_HEADER_LEN, MTU, Running, Settings, Timers};
use crate::situation::Situation;
use crate::topology::{LanIndex, LinkIndex, RouterIndex, Side, Topology};
use crate::trace::Trace;
use crate::turn::{Arrived, Outcome, Sent, Turn, take_all};

/// At most this many violations are kept; the first ones tell.
pub const MAX_VIOLATIONS: usize = 50;

/// Networks of fewer routers are checked after every input.
const CHECKED_ALWAYS: u64 = 8;

/// Routers, links, and a clock.
#[derive(Debug)]
pub struct Network {
    situation: Situation,
    settings: Settings,
    quality: Quality,
    /// How often each router has started.
    boots: Vec<u32>,
    /// When each router starts for the first time.
    starts: Vec<Instant>,
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
    /// What changed at which router, since changes are watched.
    changes: Vec<String>,
    /// Routers that prepare a restart: the end of the grace period, and how long they will not run.
    restarts: BTreeMap<RouterIndex, (Instant, Duration)>,
    threads: usize,
}

/// What has happened so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Packets that engines sent.
    pub packets: u64,
    /// Their octets.
    pub octets: u64,
    /// Of them updates and acknowledgements: what flooding costs.
    pub flooding_packets: u64,
    /// And their octets.
    pub flooding_octets: u64,
    /// Instances of LSAs that their own routers sent for the first time: so many changes were flooded.
    pub originations: u64,
    /// Packets that arrived, copies included.
    pub arrivals: u64,
    /// Deadlines that came.
    pub ticks: u64,
    /// Routes that changed.
    pub route_changes: u64,
    /// Neighbours that became Full, or were and are no more.
    pub adjacency_changes: u64,
}

impl Counts {
    /// What has happened since it was `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            packets: self.packets - earlier.packets,
            octets: self.octets - earlier.octets,
            flooding_packets: self.flooding_packets - earlier.flooding_packets,
            flooding_octets: self.flooding_octets - earlier.flooding_octets,
            originations: self.originations - earlier.originations,
            arrivals: self.arrivals - earlier.arrivals,
            ticks: self.ticks - earlier.ticks,
            route_changes: self.route_changes - earlier.route_changes,
            adjacency_changes: self.adjacency_changes - earlier.adjacency_changes,
        }
    }
}

/// Types of packets that flood (RFC 2328 §A.3.1).
const FLOODING: std::ops::RangeInclusive<u8> = LS_UPDATE..=5;
const LS_UPDATE: u8 = 4;

#[derive(Debug)]
enum Happening {
    /// A router is started.
    Start(RouterIndex),
    /// A router is started within a graceful restart, unless it runs again or was stopped for good meanwhile.
    Restart { router: RouterIndex, until: Instant, announcement: Announcement },
    /// A packet reaches another end of a link or LAN.
    Arrival(Packet),
    /// A router's deadline may have come.
    WakeUp(RouterIndex),
}

/// A packet on its way.
#[derive(Debug, Clone)]
struct Packet {
    from: RouterIndex,
    to: RouterIndex,
    /// The interface at either end.
    interface: InterfaceId,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    ttl: u8,
    payload: Bytes,
}

impl Network {
    /// A network whose routers all start within `start_within` from now.
    pub fn new(topology: Topology, timers: Timers, quality: Quality, seed: u64, start_within: Duration) -> Self {
        let mut seeds = Prng::new(seed);
        let chance = seeds.fork();
        let mut starts = seeds.fork();
        let mut queue = EventQueue::default();
        let count = topology.routers.len();
        let starts: Vec<_> = (0..count).map(|_| Instant::ZERO + starts.duration(start_within)).collect();
        for (router, &at) in starts.iter().enumerate() {
            queue.schedule(at, Happening::Start(RouterIndex(router)));
        }
        Self {
            situation: Situation::new(topology),
            settings: Settings { timers, keys: None },
            quality,
            boots: vec![0; count],
            starts,
            routers: std::iter::repeat_with(|| None).take(count).collect(),
            queue,
            chance,
            seeds,
            trace: Trace::default(),
            counts: Counts::default(),
            changed: BTreeSet::new(),
            violations: Vec::new(),
            changes: Vec::new(),
            restarts: BTreeMap::new(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    /// Routers that never start.
    pub(crate) fn set_absent(&mut self, routers: &BTreeSet<RouterIndex>) {
        self.situation.set_absent(routers);
    }

    /// The seed of what happens to packets, in place of one that the network's own decides.
    pub(crate) fn set_chance(&mut self, seed: u64) {
        self.chance = Prng::new(seed);
    }

    /// Authentication of all interfaces, before any router has started.
    pub(crate) fn set_keys(&mut self, keys: KeyRollover) {
        self.settings.keys = Some(keys);
    }

    /// The number of threads that run engines. It changes no byte.
    pub(crate) fn set_threads(&mut self, threads: usize) {
        self.threads = threads;
    }

    /// When each router starts for the first time.
    pub(crate) fn starts(&self) -> &[Instant] {
        &self.starts
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

    /// Whether the changes that a router's engine told of add up to the routes that it has.
    pub fn told_all(&self, router: RouterIndex) -> bool {
        self.routers[router.0].as_ref().is_none_or(|running| running.told.are(running.engine.routes()))
    }

    /// The state of a router's neighbour on an interface; Down if it has none.
    pub fn neighbor(&self, router: RouterIndex, interface: InterfaceId, neighbor: RouterIndex) -> NeighborState {
        let running = self.routers[router.0].as_ref();
        let state = running.and_then(|running| running.neighbors.get(&(interface, neighbor.id())));
        state.copied().unwrap_or(NeighborState::Down)
    }

    /// Routers whose table or adjacencies have changed since this was last called.
    pub fn take_changed(&mut self) -> BTreeSet<RouterIndex> {
        std::mem::take(&mut self.changed)
    }

    /// Lets everything happen up to and at `limit`.
    pub fn run_until(&mut self, limit: Instant) {
        while let Some((start, next)) = self.queue.peek().filter(|&(at, _)| at <= limit) {
            match *next {
                Happening::Start(router) => {
                    self.queue.next_until(limit);
                    self.start(router, None);
                }
                Happening::Restart { router, until, announcement } => {
                    self.queue.next_until(limit);
                    if self.situation.runs(router) && self.routers[router.0].is_none() {
                        let grace_period = until.saturating_since(self.now());
                        // Who comes back too late begins as if nobody knew.
                        let restarting = Restarting { grace_period, announcement };
                        self.start(router, (!grace_period.is_zero()).then_some(restarting));
                    }
                }
                Happening::Arrival(_) | Happening::WakeUp(_) => self.run_span(start, limit),
            }
        }
        self.queue.next_until(limit);
    }

    /// Lets everything happen from `start` until something of it might reach another router, another router starts, or `limit` has passed.
    fn run_span(&mut self, start: Instant, limit: Instant) {
        const INSTANT: Duration = Duration::from_nanos(1);
        let mut until = (start + self.quality.delay.max(INSTANT)).min(limit + INSTANT);
        let mut inputs: BTreeMap<RouterIndex, Vec<Arrived>> = BTreeMap::new();
        while let Some((at, next)) = self.queue.peek().filter(|&(at, _)| at < until) {
            if let Happening::Start(_) | Happening::Restart { .. } = next {
                until = at;
                break;
            }
            match self.queue.next_until(limit) {
                Some(Happening::Arrival(packet)) => {
                    let Packet { from, to, interface, source, destination, ttl, payload } = packet;
                    if self.carries(interface, from, to) && self.routers[to.0].is_some() {
                        self.counts.arrivals += 1;
                        inputs.entry(to).or_default().push(Arrived {
                            at,
                            interface,
                            source,
                            destination,
                            ttl,
                            payload,
                        });
                    }
                }
                Some(Happening::WakeUp(router)) => {
                    let due = self.routers[router.0].as_mut().filter(|running| running.wake_up == Some(at));
                    if let Some(running) = due {
                        running.wake_up = None;
                        inputs.entry(router).or_default();
                    }
                }
                Some(Happening::Start(_) | Happening::Restart { .. }) | None => {
                    unreachable!("it was looked at before it was taken")
                }
            }
        }
        let turns = inputs.into_iter().filter_map(|(router, arrivals)| {
            let running = self.routers[router.0].take()?;
            Some(Turn { router, running, arrivals, outcome: Outcome::default() })
        });
        let mut turns: Vec<_> = turns.collect();
        take_all(&mut turns, until, self.threads);
        let mut sent = Vec::new();
        for Turn { router, running, mut outcome, .. } in turns {
            self.routers[router.0] = Some(running);
            sent.extend(outcome.sent.drain(..).map(|sent| (router, sent)));
            self.take_down(router, outcome);
            self.schedule_wake_up(router);
            self.go_on_restarting(router);
        }
        // Stable: a router's own packets stay in their order.
        sent.sort_by_key(|(_, sent)| sent.at);
        for (router, sent) in sent {
            self.send(router, sent);
        }
    }

    /// Lets something go wrong, or right again.
    pub fn inflict(&mut self, fault: Fault) {
        match fault {
            Fault::Trouble(link, _) => {
                let before = self.situation.has_carrier(link);
                self.situation.apply(&fault);
                if self.situation.has_carrier(link) != before {
                    self.tell_link_state(link);
                }
            }
            Fault::Plug(..) => self.situation.apply(&fault),
            Fault::Stop(router) => self.stop(router),
            Fault::Shutdown(router) => {
                self.handle(router, Input::Shutdown);
                self.stop(router);
            }
            Fault::Start(router) => self.start(router, None),
            Fault::Restart(router, restart) => self.restart(router, restart),
            Fault::Cost(link, side, _) => {
                self.situation.apply(&fault);
                let router = self.situation.topology.links[link.0].end(side).router;
                self.configure(router);
            }
            Fault::Externals(router, _) => {
                self.situation.apply(&fault);
                self.configure(router);
            }
        }
    }

    fn start(&mut self, router: RouterIndex, restarting: Option<Restarting>) {
        // Once for each seed drawn, also for a router that a fault stopped before it started.
        let seed = self.seeds.next_u64();
        if self.routers[router.0].is_some() || self.situation.is_absent(router) {
            return;
        }
        self.situation.set_running(router, true);
        self.boots[router.0] += 1;
        let config = Config { restarting, ..self.config(router) };
        let every = check_every(self.routers.len());
        let phase = every * router.0 as u64 / self.routers.len() as u64;
        self.routers[router.0] = Some(Running::new(config, seed, self.now(), self.quality, (phase, every)));
        let states: Vec<_> = router::link_states(&self.situation, router).collect();
        for (interface, state) in states {
            self.handle(router, Input::Link { interface, state });
        }
    }

    /// Begins a graceful restart. One that is planned goes on in [`Self::go_on_restarting`].
    fn restart(&mut self, router: RouterIndex, restart: GracefulRestart) {
        if self.routers[router.0].is_none() {
            return;
        }
        let GracefulRestart { planned, grace_period, absence } = restart;
        let until = self.now() + grace_period;
        if planned {
            self.restarts.insert(router, (until, absence));
            self.handle(router, Input::PrepareRestart { grace_period, reason: RestartReason::SoftwareUpgrade });
            return;
        }
        self.routers[router.0] = None;
        let announcement = Announcement::Due(RestartReason::Unknown);
        self.queue.schedule(self.now() + absence, Happening::Restart { router, until, announcement });
    }

    /// A router whose neighbours have been asked for help stops, and is started later.
    fn go_on_restarting(&mut self, router: RouterIndex) {
        if !self.routers[router.0].as_ref().is_some_and(|running| running.is_ready_to_restart) {
            return;
        }
        self.routers[router.0] = None;
        let Some((until, absence)) = self.restarts.remove(&router) else { return };
        let announcement = Announcement::Made;
        self.queue.schedule(self.now() + absence, Happening::Restart { router, until, announcement });
    }

    /// Whether a router is to be started again within a graceful restart, or is not past one.
    pub(crate) fn is_anybody_restarting(&self) -> bool {
        self.situation.running().any(|router| self.engine(router).is_none_or(Engine::is_restarting))
    }

    fn stop(&mut self, router: RouterIndex) {
        self.situation.set_running(router, false);
        self.routers[router.0] = None;
        self.restarts.remove(&router);
        self.changed.remove(&router);
    }

    fn configure(&mut self, router: RouterIndex) {
        let config = self.config(router);
        self.handle(router, Input::Configure(config));
    }

    fn config(&self, router: RouterIndex) -> Config {
        router::config(&self.situation, router, self.boots[router.0], self.settings)
    }

    fn tell_link_state(&mut self, link: LinkIndex) {
        for side in Side::BOTH {
            let router = self.situation.topology.links[link.0].end(side).router;
            let state = router::link_state(&self.situation, link, side);
            self.handle(router, Input::Link { interface: link.interface(), state });
        }
    }

    /// Gives an input to a router, if it runs, and does what it says.
    fn handle(&mut self, router: RouterIndex, input: Input<'_>) {
        let now = self.now();
        let Some(running) = &mut self.routers[router.0] else { return };
        let mut outcome = Outcome::default();
        running.handle(now, input, &mut outcome);
        let sent = std::mem::take(&mut outcome.sent);
        self.take_down(router, outcome);
        self.schedule_wake_up(router);
        for sent in sent {
            self.send(router, sent);
        }
        self.go_on_restarting(router);
    }

    fn take_down(&mut self, router: RouterIndex, outcome: Outcome) {
        if outcome.changed {
            self.changed.insert(router);
        }
        self.counts.ticks += outcome.ticks;
        self.counts.route_changes += outcome.route_changes;
        self.counts.adjacency_changes += outcome.adjacency_changes;
        self.counts.originations += outcome.originations;
        for (at, change) in outcome.changes {
            if self.changes.len() < MAX_KEPT {
                self.changes.push(format!("router {router} at {:.3?}: {change}", at.since_origin()));
            }
        }
        for (at, complaint) in outcome.complaints {
            self.violation(router, at, complaint);
        }
    }

    /// Whether a router is fully adjacent with a neighbour that it has heard no hello of since.
    pub fn is_somebody_unheard_since(&self, since: Instant) -> bool {
        self.routers.iter().flatten().any(|running| {
            let dead_at = |neighbor: &NeighborView| running.last_input + neighbor.dead_in;
            let full = running.engine.neighbors().filter(|neighbor| neighbor.state == NeighborState::Full);
            full.into_iter().any(|neighbor| dead_at(&neighbor) < since + self.settings.timers.dead)
        })
    }

    /// Lists what changes from now on.
    pub(crate) fn watch_changes(&mut self, is_watched: bool) {
        self.changes.clear();
        self.routers.iter_mut().flatten().for_each(|running| running.is_watched = is_watched);
    }

    /// What changed since changes are watched: the first [`MAX_KEPT`].
    pub(crate) fn changes(&self) -> &[String] {
        &self.changes
    }

    /// Checks every engine that runs.
    pub fn check_all(&mut self) {
        for router in (0..self.routers.len()).map(RouterIndex) {
            let Some(running) = &self.routers[router.0] else { continue };
            let mut outcome = Outcome::default();
            running.check(self.now(), &mut outcome);
            self.take_down(router, outcome);
        }
    }

    fn schedule_wake_up(&mut self, router: RouterIndex) {
        let now = self.now();
        let Some(running) = &mut self.routers[router.0] else { return };
        let Some(at) = running.next_tick().map(|at| at.max(now)) else { return };
        if running.wake_up.is_none_or(|scheduled| at < scheduled) {
            running.wake_up = Some(at);
            self.queue.schedule(at, Happening::WakeUp(router));
        }
    }

    fn send(&mut self, router: RouterIndex, sent: Sent) {
        let Sent { at, interface, destination, ttl, packet } = sent;
        self.counts.packets += 1;
        self.counts.octets += packet.len() as u64;
        if packet.get(1).is_some_and(|kind| FLOODING.contains(kind)) {
            self.counts.flooding_packets += 1;
            self.counts.flooding_octets += packet.len() as u64;
        }
        self.trace.add(at, router, interface, destination, &packet);
        if packet.len() + IP_HEADER_LEN > usize::from(MTU) && !is_one_lsa(&packet) {
            self.violation(router, at, format!("sent {} octets over an MTU of {MTU}", packet.len()));
        }
        let Some((source, ends)) = self.ends(router, interface) else {
            self.violation(router, at, format!("sent on {interface:?}, which is no active interface of its"));
            return;
        };
        for (to, address) in ends {
            let for_it = destination.is_multicast() || destination == address;
            if !for_it || !self.carries(interface, router, to) {
                continue;
            }
            for arrival in self.quality.carry(&mut self.chance) {
                let payload = match arrival.flipped_bit {
                    None => packet.clone(),
                    Some(bit) => with_flipped_bit(&packet, bit),
                };
                let packet = Packet { from: router, to, interface, source, destination, ttl, payload };
                self.queue.schedule(at + arrival.after, Happening::Arrival(packet));
            }
        }
    }

    /// A router's address on an interface of its, and who else is there with which address.
    fn ends(&self, router: RouterIndex, interface: InterfaceId) -> Option<(Ipv4Addr, Vec<(RouterIndex, Ipv4Addr)>)> {
        let topology = &self.situation.topology;
        if let Some(lan) = LanIndex::of(interface) {
            let address = topology.lan_address(lan, router)?;
            let others = topology.lans[lan.0].ends.iter().map(|end| end.router).filter(|&other| other != router);
            return Some((
                address,
                others.filter_map(|other| Some((other, topology.lan_address(lan, other)?))).collect(),
            ));
        }
        let link = LinkIndex::of(interface).filter(|link| link.0 < topology.links.len())?;
        let near = topology.links[link.0].side_of(router)?;
        let far = (topology.links[link.0].end(near.other()).router, topology.address(link, near.other()));
        Some((topology.address(link, near), vec![far]))
    }

    fn carries(&self, interface: InterfaceId, from: RouterIndex, to: RouterIndex) -> bool {
        let situation = &self.situation;
        match (LanIndex::of(interface), LinkIndex::of(interface)) {
            (Some(lan), _) => situation.is_plugged(lan, from) && situation.is_plugged(lan, to),
            (None, Some(link)) => {
                let side = situation.topology.links[link.0].side_of(from);
                side.is_some_and(|side| situation.carries_from(link, side))
            }
            (None, None) => false,
        }
    }

    fn violation(&mut self, router: RouterIndex, at: Instant, what: String) {
        if self.violations.len() < MAX_VIOLATIONS {
            self.violations.push(format!("router {router} at {:.3?}: {what}", at.since_origin()));
        }
    }
}

/// Whether a packet is an update with one LSA: IP has to fragment it if it is too long (RFC 2328 §A.1).
fn is_one_lsa(packet: &[u8]) -> bool {
    let count = packet.get(24..28);
    packet.get(1) == Some(&LS_UPDATE) && count == Some(&[0, 0, 0, 1])
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_change_no_byte() {
        let run = |threads| {
            let quality = Quality { delay: Duration::from_millis(10), ..Quality::GOOD };
            let mut network = Network::new(Topology::mesh(16), Timers::default(), quality, 3, Duration::ZERO);
            network.set_threads(threads);
            network.run_until(Instant::new(Duration::from_secs(15)));
            (network.trace(), network.counts())
        };
        let alone = run(1);
        assert!(alone.1.arrivals > 10_000, "there is work for several threads: {alone:?}");
        assert_eq!(alone, run(4));
    }
}
