//! A state of the model: the engines, the packets under way, and the time. A clone shares what does not change.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::Hash as _;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ospf::{Engine, Input, Instant, LsaType, Output, Prefix};

use super::bounds::{Beginning, Bounds};
use super::layout::{address, are_joined, config, destination, interface, link_states, loopback, neighbors, seed};
use super::print::Print;
use super::step::{Channel, Step};

/// A packet that is under way.
#[derive(Debug, Clone, Hash)]
pub(super) struct Packet {
    pub(super) sent: Instant,
    destination: Ipv4Addr,
    ttl: u8,
    pub(super) payload: Bytes,
}

/// Packets under way from one router to another.
#[derive(Debug, Clone, Default)]
struct UnderWay {
    /// Packets that are delivered in the order in which they were sent.
    queue: VecDeque<Packet>,
    /// Held-back packets, which are delivered in any order, at any time.
    held: Vec<Packet>,
}

#[derive(Debug, Clone)]
struct Router {
    engine: Arc<Engine>,
    /// How often the router was restarted.
    starts: u8,
    /// External destinations.
    externals: BTreeSet<u8>,
    /// The hash of the engine's state, and the instant that it is for.
    print: Option<(Instant, u128)>,
}

/// A state of the model.
#[derive(Debug, Clone)]
pub(super) struct World {
    now: Instant,
    /// The number of routers.
    count: usize,
    routers: Vec<Router>,
    under_way: Vec<UnderWay>,
}

/// The number of the external destination that [`Step::Change`] adds and withdraws.
const CHANGED: u8 = 200;

impl World {
    /// Returns the state in which all paths begin.
    pub(super) fn new(bounds: &Bounds) -> Self {
        let count = bounds.routers;
        let under_way = vec![UnderWay::default(); count * count];
        let mut world = Self { now: Instant::ZERO, count, routers: Vec::new(), under_way };
        for router in 0..count {
            let start = Instant::ZERO + bounds.start_offset * router as u32;
            world.run_until(start, bounds);
            world.now = start;
            let externals = (0..bounds.externals).collect();
            let engine = Arc::new(Engine::new(config(router, &externals, bounds), seed(router, 0), start));
            world.routers.push(Router { engine, starts: 0, externals, print: None });
            world.start(router, bounds);
        }
        match bounds.beginning {
            Beginning::Started => {}
            Beginning::Converged => world.run_until(world.now + 2 * bounds.timers.dead, bounds),
        }
        world
    }

    /// Runs the started routers; what they send to the others is lost.
    fn run_until(&mut self, end: Instant, bounds: &Bounds) {
        loop {
            let started = self.routers.len();
            for (number, way) in self.under_way.iter_mut().enumerate() {
                if number % self.count >= started {
                    way.queue.clear();
                }
            }
            match self.undisturbed_step() {
                Some(Step::Timer(router)) if self.deadline(router.into()).is_some_and(|due| due > end) => return,
                Some(step) => self.apply(step, bounds),
                None => return,
            }
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.now
    }

    pub(super) fn engines(&self) -> impl Iterator<Item = &Engine> {
        self.routers.iter().map(|router| &*router.engine)
    }

    /// Whether no packet is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.iter().all(|way| way.queue.is_empty() && way.held.is_empty())
    }

    /// Returns the next packet of a channel.
    pub(super) fn next_packet(&self, channel: Channel) -> Option<&Packet> {
        self.under_way[usize::from(channel.0)].queue.front()
    }

    /// Returns a held-back packet.
    pub(super) fn held_packet(&self, channel: Channel, place: u8) -> Option<&Packet> {
        self.under_way[usize::from(channel.0)].held.get(usize::from(place))
    }

    /// Returns how many packets are under way: in order, and held back.
    pub(super) fn counts_under_way(&self) -> (usize, usize) {
        let ways = self.under_way.iter();
        ways.fold((0, 0), |(queued, held), way| (queued + way.queue.len(), held + way.held.len()))
    }

    /// Returns all steps that are possible next, with all disturbances.
    pub(super) fn steps(&self, bounds: &Bounds) -> Vec<Step> {
        let mut steps = Vec::new();
        for (number, way) in self.under_way.iter().enumerate() {
            let channel = Channel(number as u8);
            if self.is_congested(number % self.count, bounds) {
                continue;
            }
            if !way.queue.is_empty() {
                steps.extend([Step::Deliver, Step::Duplicate, Step::Lose, Step::Hold].map(|step| step(channel)));
            }
            steps.extend((0..way.held.len() as u8).map(|place| Step::DeliverHeld(channel, place)));
        }
        for router in 0..self.routers.len() {
            if self.is_congested(router, bounds) {
                continue;
            }
            let number = router as u8;
            if self.may_fire(router, bounds) {
                steps.push(Step::Timer(number));
            }
            steps.extend([Step::Restart(number), Step::Change(number)]);
        }
        steps
    }

    /// Returns the next step without disturbances: all packets are delivered in the order in which they were sent, held-back ones first;
    /// then the next timer fires. `None` if there is neither a packet nor a timer.
    pub(super) fn undisturbed_step(&self) -> Option<Step> {
        let channels = || self.under_way.iter().enumerate().map(|(number, way)| (Channel(number as u8), way));
        let held = channels().flat_map(|(channel, way)| {
            way.held
                .iter()
                .enumerate()
                .map(move |(place, packet)| (packet.sent, Step::DeliverHeld(channel, place as u8)))
        });
        let queued = channels().filter_map(|(channel, way)| Some((way.queue.front()?.sent, Step::Deliver(channel))));
        let oldest = held.min_by_key(|&(sent, _)| sent).or_else(|| queued.min_by_key(|&(sent, _)| sent));
        if let Some((_, step)) = oldest {
            return Some(step);
        }
        let due = (0..self.routers.len()).filter_map(|router| Some((self.deadline(router)?, router)));
        due.min().map(|(_, router)| Step::Timer(router as u8))
    }

    /// Returns the next step without disturbances that leaves packets held back for as long as possible.
    pub(super) fn step_in_order(&self, bounds: &Bounds) -> Option<Step> {
        let queued = self.under_way.iter().enumerate().filter_map(|(number, way)| {
            let sent = way.queue.front()?.sent;
            Some((sent, Step::Deliver(Channel(number as u8))))
        });
        let due = (0..self.count).filter(|&router| self.may_fire(router, bounds));
        let due = due.filter_map(|router| Some((self.deadline(router)?, Step::Timer(router as u8))));
        let oldest = queued.min_by_key(|&(sent, _)| sent).or_else(|| due.min_by_key(|&(when, _)| when));
        oldest.map(|(_, step)| step).or_else(|| self.undisturbed_step())
    }

    /// Takes a step of [`World::steps`].
    pub(super) fn apply(&mut self, step: Step, bounds: &Bounds) {
        match step {
            Step::Deliver(channel) => {
                let packet = self.take_next(channel);
                self.deliver(channel, &packet, bounds);
            }
            Step::Duplicate(channel) => {
                let packet = self.take_next(channel);
                self.way(channel).held.push(packet.clone());
                self.deliver(channel, &packet, bounds);
            }
            Step::Lose(channel) => {
                self.take_next(channel);
            }
            Step::Hold(channel) => {
                let packet = self.take_next(channel);
                self.way(channel).held.push(packet);
            }
            Step::DeliverHeld(channel, place) => {
                let packet = self.way(channel).held.remove(usize::from(place));
                self.deliver(channel, &packet, bounds);
            }
            Step::Timer(router) => {
                let router = usize::from(router);
                self.now = self.deadline(router).map_or(self.now, |due| due.max(self.now));
                self.handle(router, Input::Tick, bounds);
            }
            Step::Restart(router) => {
                let at = usize::from(router);
                let (now, router) = (self.now, &mut self.routers[at]);
                router.starts += 1;
                let engine = Engine::new(config(at, &router.externals, bounds), seed(at, router.starts), now);
                router.engine = Arc::new(engine);
                self.start(at, bounds);
            }
            Step::Change(router) => {
                let router = usize::from(router);
                let externals = &mut self.routers[router].externals;
                if !externals.remove(&CHANGED) {
                    externals.insert(CHANGED);
                }
                let config = config(router, &self.routers[router].externals, bounds);
                self.handle(router, Input::Configure(config), bounds);
            }
        }
    }

    /// Returns a hash of all that determines the future.
    pub(super) fn print(&mut self) -> u128 {
        let now = self.now;
        let mut all = Print::new(now);
        for router in &mut self.routers {
            let print = match router.print {
                Some((at, print)) if at == now => print,
                _ => {
                    let mut of_engine = Print::new(now);
                    router.engine.hash_state(&mut of_engine);
                    of_engine.value()
                }
            };
            router.print = Some((now, print));
            all.print(print);
            (router.starts, router.externals.contains(&CHANGED)).hash(&mut all);
        }
        for way in &self.under_way {
            way.queue.hash(&mut all);
            // The order in which packets were held back does not matter.
            let held = way.held.iter().map(|packet| {
                let mut print = Print::new(now);
                packet.hash(&mut print);
                print.value()
            });
            let mut held: Vec<_> = held.collect();
            held.sort_unstable();
            all.word(held.len() as u64);
            held.into_iter().for_each(|print| all.print(print));
        }
        all.value()
    }

    /// Whether all adjacencies are Full with empty lists, and all databases and routes match the configuration.
    pub(super) fn is_converged(&self, bounds: &Bounds) -> bool {
        let first: BTreeMap<_, _> = instances(&self.routers[0].engine).collect();
        let expected: usize = self.routers.iter().map(|router| router.externals.len()).sum();
        let externals = first.keys().filter(|(_, key)| key.kind == LsaType::AS_EXTERNAL).count();
        externals == expected
            && self.routers.iter().enumerate().all(|(number, router)| {
                let mut count = 0;
                let done = router.engine.neighbors().all(|neighbor| {
                    count += 1;
                    // Its last hello was not lost: after three lost hellos the next may come just too late.
                    let is_heard = neighbor.dead_in + bounds.timers.hello >= bounds.timers.dead;
                    let is_full = neighbor.state == ospf::NeighborState::Full;
                    is_heard && is_full && neighbor.requests + neighbor.retransmissions == 0
                });
                let alive = |view: ospf::LsaView| view.lsa.header.age < ospf::wire::MAX_AGE;
                done && count == neighbors(number, bounds)
                    && instances(&router.engine).eq(first.iter().map(|(&key, &value)| (key, value)))
                    && router.engine.lsdb().all(alive)
                    && self.has_routes(number)
            })
    }

    /// Whether all adjacencies are Full.
    pub(super) fn is_adjacent(&self, bounds: &Bounds) -> bool {
        self.engines().enumerate().all(|(number, engine)| {
            let full = engine.neighbors().filter(|neighbor| neighbor.state == ospf::NeighborState::Full);
            full.count() == neighbors(number, bounds)
        })
    }

    /// Whether a router has routes to all destinations of the other routers.
    fn has_routes(&self, router: usize) -> bool {
        let routes: BTreeSet<_> = self.routers[router].engine.routes().map(|(prefix, _)| prefix).collect();
        self.routers.iter().enumerate().filter(|&(other, _)| other != router).all(|(other, description)| {
            let mut externals = description.externals.iter().map(|&external| destination(other, external));
            routes.contains(&Prefix::host(loopback(other))) && externals.all(|prefix| routes.contains(&prefix))
        })
    }

    /// Returns when a router's next timer fires.
    pub(super) fn deadline(&self, router: usize) -> Option<Instant> {
        self.routers[router].engine.next_deadline().map(|(due, _)| due)
    }

    fn may_fire(&self, router: usize, bounds: &Bounds) -> bool {
        let Some(due) = self.deadline(router) else { return false };
        let is_next = (0..self.routers.len()).filter_map(|other| self.deadline(other)).all(|other| other >= due);
        let is_within = |packet: &Packet, most: Duration| due.saturating_since(packet.sent) <= most;
        is_next
            && self.under_way.iter().all(|way| {
                way.queue.front().is_none_or(|packet| is_within(packet, bounds.latency))
                    && way.held.iter().all(|packet| is_within(packet, bounds.lifetime))
            })
    }

    /// Whether so many packets of a router are under way that it accepts no input.
    fn is_congested(&self, router: usize, bounds: &Bounds) -> bool {
        self.under_way[router * self.count..][..self.count].iter().any(|way| way.queue.len() > bounds.under_way)
    }

    fn way(&mut self, channel: Channel) -> &mut UnderWay {
        &mut self.under_way[usize::from(channel.0)]
    }

    fn take_next(&mut self, channel: Channel) -> Packet {
        self.way(channel).queue.pop_front().expect("there is a packet under way")
    }

    fn start(&mut self, router: usize, bounds: &Bounds) {
        for (interface, state) in link_states(router, bounds) {
            self.handle(router, Input::Link { interface, state }, bounds);
        }
    }

    fn deliver(&mut self, channel: Channel, packet: &Packet, bounds: &Bounds) {
        let (from, to) = channel.ends(self.count);
        let &Packet { destination, ttl, ref payload, .. } = packet;
        let interface = interface(from, bounds);
        self.handle(
            to,
            Input::Packet {
                interface,
                source: address(from, bounds),
                destination,
                ttl,
                payload: (&payload[..]).into(),
            },
            bounds,
        );
    }

    fn handle(&mut self, router: usize, input: Input<'_>, bounds: &Bounds) {
        let (now, count) = (self.now, self.count);
        self.routers[router].print = None;
        let engine = Arc::make_mut(&mut self.routers[router].engine);
        engine.handle(now, input);
        while let Some(output) = engine.poll_output() {
            let Output::Send { interface: way_out, destination, ttl, packet: payload, .. } = output else { continue };
            let packet = Packet { sent: now, destination, ttl, payload };
            for to in (0..count).filter(|&to| are_joined(router, to, bounds) && interface(to, bounds) == way_out) {
                if destination.is_multicast() || destination == address(to, bounds) {
                    self.under_way[router * count + to].queue.push_back(packet.clone());
                }
            }
        }
    }
}

/// Returns what identifies the instances in a database.
fn instances(engine: &Engine) -> impl Iterator<Item = ((ospf::Domain, ospf::LsaKey), (ospf::SequenceNumber, u16))> {
    engine.lsdb().map(|view| {
        let header = view.lsa.header;
        ((view.domain, header.key), (header.sequence, header.checksum))
    })
}
