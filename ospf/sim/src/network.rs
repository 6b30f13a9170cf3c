//! Runs the engines of all routers on one virtual clock, and carries their packets over links of a given quality.
//!
//! No packet arrives before a link's delay is over, so within this time the routers are independent of each other, and take their turns on
//! all processors. Afterwards their packets are put on the links, in order of time and then of routers, independent of which thread was
//! first.
//!
//! It judges nothing except what no engine may ever do: those violations are kept for the check.

mod counts;
mod foreign;
mod forward;
mod inflict;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ospf::{Announcement, Conduct, Config, Engine, Input, Instant, InterfaceId, NeighborState, Restarting};

use crate::excuse::Excuses;
use crate::finding::MAX_KEPT;
use crate::keys::KeyRollover;
use crate::link::Quality;
use crate::prng::{Prng, Probability};
use crate::queue::EventQueue;
use crate::router::{self, Running, Settings, Timers};
use crate::situation::Situation;
use crate::topology::{RouterIndex, Topology};
use crate::trace::Trace;
use crate::turn::{Arrived, Outcome, Turn, take_all};

pub use counts::Counts;
use wire::Packet;

/// The most violations that are kept; the first ones matter most.
pub const MAX_VIOLATIONS: usize = 50;

/// Networks with fewer routers than the square root of this are checked after every input.
const CHECKED_ALWAYS: u64 = 16;

/// Networks with fewer routers than this are checked nearly as often.
const LARGE: u64 = 8;

/// The simulated network: routers, links, and a clock.
#[derive(Debug)]
pub struct Network {
    situation: Situation,
    settings: Settings,
    /// The routers that do not behave as the engine does by default, and how they behave.
    foreign: (BTreeSet<RouterIndex>, Conduct),
    quality: Quality,
    /// How often each router has started.
    boots: Vec<u32>,
    /// When each router starts for the first time.
    starts: Vec<Instant>,
    routers: Vec<Option<Running>>,
    queue: EventQueue<Happening>,
    /// Random numbers for the links only, so that what happens to packets depends on nothing else.
    chance: Prng,
    /// The seeds of engines.
    seeds: Prng,
    trace: Trace,
    counts: Counts,
    /// Routers whose routing table or adjacencies have changed since the last [`Self::take_changed`].
    changed: BTreeSet<RouterIndex>,
    /// When the last packet between two foreign routers arrives, by interface, because these packets keep their order.
    last_arrivals: BTreeMap<(RouterIndex, RouterIndex, InterfaceId), Instant>,
    violations: Vec<String>,
    /// The changes at routers since changes are watched.
    changes: Vec<String>,
    /// Routers that prepare a restart: the end of the grace period, and how long they will not run.
    restarts: BTreeMap<RouterIndex, (Instant, Duration)>,
    threads: usize,
    /// The engine is checked after one in this many inputs; `None` if that depends on the size of the network.
    check_every: Option<u64>,
    /// What explains that packets are refused.
    excuses: Excuses,
}

#[derive(Debug)]
enum Happening {
    /// A router starts.
    Start(RouterIndex),
    /// A router starts within a graceful restart, unless it has started or was stopped for good meanwhile.
    Restart { router: RouterIndex, until: Instant, announcement: Announcement },
    /// A packet reaches another end of a link or LAN.
    Arrival(Packet),
    /// A router's deadline may have come.
    WakeUp(RouterIndex),
}

impl Network {
    /// Creates a network whose routers all start within `start_within` from now.
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
            foreign: (BTreeSet::new(), Conduct::default()),
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
            last_arrivals: BTreeMap::new(),
            violations: Vec::new(),
            changes: Vec::new(),
            restarts: BTreeMap::new(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            check_every: None,
            excuses: Excuses { corrupted: quality.corruption > Probability::ZERO, ..Excuses::default() },
        }
    }

    /// Creates the network of a situation anew; routers that do not run never start.
    pub(crate) fn afresh(situation: &Situation, timers: Timers, quality: Quality, seed: u64) -> Self {
        let mut network = Self::new(situation.topology.clone(), timers, quality, seed, Duration::ZERO);
        network.situation = situation.afresh();
        network.threads = 1;
        network.check_every = Some(u64::MAX);
        network
    }

    /// Sets the routers that never start.
    pub(crate) fn set_absent(&mut self, routers: &BTreeSet<RouterIndex>) {
        self.situation.set_absent(routers);
    }

    /// Sets the seed of what happens to packets, instead of one that depends on the network's own.
    pub(crate) fn set_chance(&mut self, seed: u64) {
        self.chance = Prng::new(seed);
    }

    /// Sets the routers that behave as other implementations do, and how, before any router has started.
    pub(crate) fn set_foreign(&mut self, routers: BTreeSet<RouterIndex>, conduct: Conduct) {
        self.foreign = (routers, conduct);
    }

    /// Sets the authentication of all interfaces, before any router has started.
    pub(crate) fn set_keys(&mut self, keys: KeyRollover) {
        self.settings.keys = Some(keys);
    }

    /// Sets the number of threads that run engines. It does not affect any result.
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

    /// The routers that run, and the links that carry packets.
    pub fn situation(&self) -> &Situation {
        &self.situation
    }

    /// Numbers of what has happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// A hash of every packet that was sent, with its place and time.
    pub fn trace(&self) -> u64 {
        self.trace.value()
    }

    /// Violations: what no engine may do, but one did.
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// Returns the engine of a running router.
    pub fn engine(&self, router: RouterIndex) -> Option<&Engine> {
        Some(&self.routers[router.0].as_ref()?.engine)
    }

    /// Whether the route changes that a router's engine has reported add up to its routes.
    pub fn told_all(&self, router: RouterIndex) -> bool {
        self.routers[router.0].as_ref().is_none_or(|running| running.told.are(running.engine.routes()))
    }

    /// Returns the state of a router's neighbour on an interface; Down if there is none.
    pub fn neighbor(&self, router: RouterIndex, interface: InterfaceId, neighbor: RouterIndex) -> NeighborState {
        let running = self.routers[router.0].as_ref();
        let state =
            running.and_then(|running| running.neighbors.get(&(interface, self.situation.topology.id(neighbor))));
        state.copied().unwrap_or(NeighborState::Down)
    }

    /// Returns the routers whose routing table or adjacencies have changed since the last call.
    pub fn take_changed(&mut self) -> BTreeSet<RouterIndex> {
        std::mem::take(&mut self.changed)
    }

    /// Lets everything happen until `limit`, including it.
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
                        // A router that returns too late starts as if no restart was announced.
                        let restarting = Restarting { grace_period, announcement };
                        self.start(router, (!grace_period.is_zero()).then_some(restarting));
                    }
                }
                Happening::Arrival(_) | Happening::WakeUp(_) => self.run_span(start, limit),
            }
        }
        self.queue.next_until(limit);
    }

    /// Lets everything happen from `start` until it might affect another router, another router starts, or `limit` has passed.
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
                Some(Happening::Arrival(packet)) if self.is_in_transit(&packet) => self.forward(at, packet),
                Some(Happening::Arrival(packet)) => {
                    let Packet { from, to, interface, source, destination, ttl, payload, .. } = packet;
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
        // The sort is stable, so a router's own packets stay in their order.
        sent.sort_by_key(|(_, sent)| sent.at);
        for (router, sent) in sent {
            self.send(router, sent);
        }
    }

    fn configure(&mut self, router: RouterIndex) {
        let config = self.config(router);
        if let Some(running) = &mut self.routers[router.0] {
            running.own.name(config.router_id);
        }
        self.handle(router, Input::Configure(config));
    }

    fn config(&self, router: RouterIndex) -> Config {
        let (foreign, conduct) = &self.foreign;
        let conduct = if foreign.contains(&router) { *conduct } else { Conduct::default() };
        Config { conduct, ..router::config(&self.situation, router, self.boots[router.0], self.settings) }
    }

    /// Gives an input to a router, if it runs, and carries out its outputs.
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

    /// Starts or stops recording changes.
    pub(crate) fn watch_changes(&mut self, is_watched: bool) {
        self.changes.clear();
        self.routers.iter_mut().flatten().for_each(|running| running.is_watched = is_watched);
    }

    /// The changes since they are recorded: the first [`MAX_KEPT`].
    pub(crate) fn changes(&self) -> &[String] {
        &self.changes
    }

    /// Checks every running engine.
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

    fn violation(&mut self, router: RouterIndex, at: Instant, what: String) {
        if self.violations.len() < MAX_VIOLATIONS {
            self.violations.push(format!("router {router} at {:.3?}: {what}", at.since_origin()));
        }
    }
}

/// Returns how many inputs there are for each check: a check costs as much as there are LSAs, and a network with more routers has more
/// inputs.
fn check_every(routers: usize) -> u64 {
    let routers = routers as u64;
    match routers / LARGE {
        0 => 1 + routers * routers / CHECKED_ALWAYS,
        share => 1 + share * share * LARGE,
    }
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
