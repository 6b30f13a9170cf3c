//! Runs the routers of a case on one virtual clock, with wires of any number of ends, and IP forwarding between routers as far as virtual
//! links need it.
//!
//! It judges nothing.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use ospf::{Delivery, Engine, Event, Input, Instant, InterfaceId, LinkState, Output, Prefix, Route};

use super::build::{Case, CasePort};
use crate::queue::EventQueue;

/// The delay of a packet on a wire.
const DELAY: Duration = Duration::from_millis(1);

/// The routers, the wires, and the clock.
pub(super) struct Lab<'a> {
    case: &'a Case,
    routers: Vec<LabRouter>,
    wires: BTreeMap<CasePort, usize>,
    queue: EventQueue<Happening>,
    last_change: Instant,
    /// The packets that engines sent, if they are recorded.
    recorded: Option<Vec<Bytes>>,
}

/// A running router.
pub(super) struct LabRouter {
    pub(super) engine: Engine,
    /// Its routing table, from the changes that its engine reported.
    pub(super) table: BTreeMap<Prefix, Route>,
    /// How often it refused a packet, by interface and reason.
    pub(super) refusals: BTreeMap<(InterfaceId, String), u64>,
    wake_up: Option<Instant>,
}

enum Happening {
    /// A packet reaches an end of a wire.
    Arrival { to: CasePort, datagram: Datagram },
    /// A router's deadline may have come.
    WakeUp(usize),
}

/// An OSPF packet, with the relevant parts of its IP header.
#[derive(Clone)]
struct Datagram {
    source: Ipv4Addr,
    destination: Ipv4Addr,
    ttl: u8,
    delivery: Delivery,
    payload: Bytes,
}

impl<'a> Lab<'a> {
    /// Starts all routers now, with all wires up.
    pub(super) fn new(case: &'a Case, seed: u64) -> Self {
        let wires = case.segments.iter().enumerate();
        let wires = wires.flat_map(|(wire, ports)| ports.iter().map(move |&port| (port, wire)));
        let start = |(number, router): (usize, &super::build::CaseRouter)| LabRouter {
            engine: Engine::new(router.config.clone(), seed.wrapping_add(number as u64), Instant::ZERO),
            table: BTreeMap::new(),
            refusals: BTreeMap::new(),
            wake_up: None,
        };
        let mut lab = Self {
            case,
            routers: case.routers.iter().enumerate().map(start).collect(),
            wires: wires.collect(),
            queue: EventQueue::default(),
            last_change: Instant::ZERO,
            recorded: None,
        };
        for (number, router) in case.routers.iter().enumerate() {
            for (&interface, state) in &router.links {
                lab.handle(number, Input::Link { interface, state: state.clone() });
            }
        }
        lab
    }

    /// Starts recording the packets that engines send.
    pub(super) fn record(&mut self) {
        self.recorded.get_or_insert_default();
    }

    /// Returns the packets that were sent since [`Self::record`].
    pub(super) fn into_recorded(self) -> Vec<Bytes> {
        self.recorded.unwrap_or_default()
    }

    pub(super) fn now(&self) -> Instant {
        self.queue.now()
    }

    pub(super) fn routers(&self) -> &[LabRouter] {
        &self.routers
    }

    /// When a route or a neighbour last changed anywhere.
    pub(super) fn last_change(&self) -> Instant {
        self.last_change
    }

    /// Lets everything happen until `limit`, including it.
    pub(super) fn run_until(&mut self, limit: Instant) {
        while let Some(happening) = self.queue.next_until(limit) {
            match happening {
                Happening::Arrival { to, datagram } => self.arrive(to, &datagram),
                Happening::WakeUp(router) => self.wake_up(router),
            }
        }
    }

    fn wake_up(&mut self, router: usize) {
        if self.routers[router].wake_up == Some(self.now()) {
            self.routers[router].wake_up = None;
            self.handle(router, Input::Tick);
        }
    }

    fn handle(&mut self, router: usize, input: Input<'_>) {
        let now = self.now();
        self.routers[router].engine.handle(now, input);
        while let Some(output) = self.routers[router].engine.poll_output() {
            match output {
                Output::Send { interface, destination, ttl, delivery, packet } => {
                    if let Some(recorded) = &mut self.recorded {
                        recorded.push(packet.clone());
                    }
                    let source = self.address(CasePort { router, interface });
                    let source = source.expect("engines send on interfaces that are up");
                    let datagram = Datagram { source, destination, ttl, delivery, payload: packet };
                    self.send(CasePort { router, interface }, datagram);
                }
                Output::Route { prefix, route } => {
                    self.last_change = now;
                    let table = &mut self.routers[router].table;
                    match route {
                        Some(route) => table.insert(prefix, route),
                        None => table.remove(&prefix),
                    };
                }
                Output::Event(Event::Neighbor { .. }) => self.last_change = now,
                Output::Event(Event::PacketRefused { interface, reason, .. }) => {
                    *self.routers[router].refusals.entry((interface, reason.to_string())).or_default() += 1;
                }
                Output::Event(_) | Output::Opaque { .. } | Output::Protection { .. } => {}
            }
        }
        let Some((deadline, _)) = self.routers[router].engine.next_deadline() else { return };
        let at = deadline.max(now);
        if self.routers[router].wake_up.is_none_or(|scheduled| at < scheduled) {
            self.routers[router].wake_up = Some(at);
            self.queue.schedule(at, Happening::WakeUp(router));
        }
    }

    /// Puts a packet on the wire at `from`. It reaches all other ends, or the one with the destination address. If it may be forwarded
    /// beyond the wire, the sender's routing table decides which end it reaches.
    fn send(&mut self, from: CasePort, datagram: Datagram) {
        let Some(&wire) = self.wires.get(&from) else { return };
        let next = match datagram.destination {
            group if group.is_multicast() => None,
            on_wire if self.has(wire, on_wire) => Some(on_wire),
            _ if datagram.delivery == Delivery::OnLink => return,
            far => match self.next_hop(from, far) {
                Some(next) => Some(next),
                None => return,
            },
        };
        for &to in &self.case.segments[wire] {
            if to != from && next.is_none_or(|next| self.address(to) == Some(next)) {
                let arrival = Happening::Arrival { to, datagram: datagram.clone() };
                self.queue.schedule(self.queue.now() + DELAY, arrival);
            }
        }
    }

    /// Handles a packet at an end of a wire: delivers it to the router, or forwards it.
    fn arrive(&mut self, at: CasePort, datagram: &Datagram) {
        let Datagram { source, destination, ttl, delivery: _, ref payload } = *datagram;
        if destination.is_multicast() || self.owns(at.router, destination) {
            self.handle(
                at.router,
                Input::Packet { interface: at.interface, source, destination, ttl, payload: (&payload[..]).into() },
            );
            return;
        }
        let Some(ttl) = ttl.checked_sub(1).filter(|&left| left > 0) else { return };
        for interface in self.case.routers[at.router].links.keys().copied() {
            let out = CasePort { router: at.router, interface };
            let direct = self.wires.get(&out).is_some_and(|&wire| self.has(wire, destination));
            if direct || self.next_hop(out, destination).is_some() {
                self.send(out, Datagram { ttl, ..datagram.clone() });
                return;
            }
        }
    }

    /// Returns the neighbour on this interface to which the router's table sends packets for `destination`.
    fn next_hop(&self, from: CasePort, destination: Ipv4Addr) -> Option<Ipv4Addr> {
        let covering = self.routers[from.router].table.iter().filter(|(prefix, _)| prefix.contains(destination));
        let (_, route) = covering.max_by_key(|(prefix, _)| prefix.len())?;
        route.nexthops.iter().find(|hop| hop.interface == from.interface)?.via
    }

    fn has(&self, wire: usize, address: Ipv4Addr) -> bool {
        self.case.segments[wire].iter().any(|&port| self.address(port) == Some(address))
    }

    fn owns(&self, router: usize, address: Ipv4Addr) -> bool {
        let router = &self.case.routers[router];
        let mut states = router.links.values();
        states.any(|state| address_of(state) == Some(address))
            || router.config.loopbacks.values().any(|addresses| addresses.contains(&address))
    }

    fn address(&self, port: CasePort) -> Option<Ipv4Addr> {
        self.case.routers[port.router].links.get(&port.interface).and_then(address_of)
    }
}

fn address_of(state: &LinkState) -> Option<Ipv4Addr> {
    match state {
        LinkState::Down => None,
        LinkState::Up { addressing, .. } => Some(addressing.address()),
    }
}
