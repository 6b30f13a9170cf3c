//! A turn: what one router does in a span of time in which no other router can reach it. Turns of different routers share no state, so it
//! does not matter which thread takes them, nor in which order.

use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::thread;

use bytes::Bytes;
use ospf::{Delivery, Event, Input, Instant, InterfaceId, NeighborState, Output};

use crate::finding::ShownRoute;
use crate::router::Running;
use crate::topology::RouterIndex;

/// A single thread takes the turns if they have fewer inputs than this together: starting another thread takes longer.
const WORTH_A_THREAD: usize = 64;

/// A router, and the packets that reach it before a certain time.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) router: RouterIndex,
    pub(crate) running: Running,
    /// In order of time.
    pub(crate) arrivals: Vec<Arrived>,
    pub(crate) outcome: Outcome,
}

/// A packet that reaches a router.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) at: Instant,
    pub(crate) interface: InterfaceId,
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: Ipv4Addr,
    pub(crate) ttl: u8,
    pub(crate) payload: Bytes,
}

/// A packet that a router sends.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) at: Instant,
    pub(crate) interface: InterfaceId,
    pub(crate) destination: Ipv4Addr,
    pub(crate) ttl: u8,
    pub(crate) delivery: Delivery,
    pub(crate) packet: Bytes,
}

/// The results of inputs, in order of time.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) sent: Vec<Sent>,
    /// Violations: what an engine must not do, but this one did.
    pub(crate) complaints: Vec<(Instant, String)>,
    /// Whether a route or an adjacency has changed.
    pub(crate) changed: bool,
    /// Descriptions of the changes, if the router is watched.
    pub(crate) changes: Vec<(Instant, String)>,
    pub(crate) ticks: u64,
    pub(crate) route_changes: u64,
    pub(crate) adjacency_changes: u64,
    /// Instances of self-originated LSAs that were sent for the first time.
    pub(crate) originations: u64,
}

/// Takes all turns up to `until`, without the deadlines at that time.
pub(crate) fn take_all(turns: &mut [Turn], until: Instant, threads: usize) {
    let inputs: usize = turns.iter().map(|turn| 1 + turn.arrivals.len()).sum();
    let threads = threads.min(inputs / WORTH_A_THREAD).min(turns.len());
    if threads <= 1 {
        turns.iter_mut().for_each(|turn| turn.take(until));
        return;
    }
    let waiting = Mutex::new(turns.iter_mut());
    let work = || {
        loop {
            // The lock is released before the turn is taken.
            let next = waiting.lock().expect("nobody panics while taking the next").next();
            let Some(turn) = next else { return };
            turn.take(until);
        }
    };
    thread::scope(|scope| {
        (1..threads).for_each(|_| drop(scope.spawn(work)));
        work();
    });
}

impl Turn {
    fn take(&mut self, until: Instant) {
        for Arrived { at, interface, source, destination, ttl, payload } in std::mem::take(&mut self.arrivals) {
            self.running.tick_until(at, &mut self.outcome);
            let input = Input::Packet { interface, source, destination, ttl, payload: (&payload[..]).into() };
            self.running.handle(at, input, &mut self.outcome);
        }
        self.running.tick_until(until, &mut self.outcome);
    }
}

impl Running {
    /// Handles all deadlines before `until`.
    fn tick_until(&mut self, until: Instant, outcome: &mut Outcome) {
        while let Some(at) = self.next_tick().filter(|&at| at < until) {
            outcome.ticks += 1;
            self.handle(at, Input::Tick, outcome);
            if let Some((deadline, key)) = self.engine.next_deadline().filter(|&(deadline, _)| deadline <= at) {
                // The engine is not woken again before another input, because the virtual time would not advance.
                self.stuck = true;
                outcome.complaints.push((at, format!("{key:?} is still due at {deadline:?} after a tick")));
            }
        }
    }

    /// When the engine is to be woken next.
    pub(crate) fn next_tick(&self) -> Option<Instant> {
        let (deadline, _) = self.engine.next_deadline().filter(|_| !self.stuck)?;
        Some(deadline.max(self.last_input))
    }

    /// Gives an input to the engine, and records its outputs.
    pub(crate) fn handle(&mut self, at: Instant, input: Input<'_>, outcome: &mut Outcome) {
        self.last_input = at;
        self.stuck = false;
        self.engine.handle(at, input);
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Send { interface, destination, ttl, delivery, packet } => {
                    outcome.originations += self.own.count(&packet);
                    outcome.sent.push(Sent { at, interface, destination, ttl, delivery, packet });
                }
                Output::Route { prefix, route } => {
                    outcome.route_changes += 1;
                    outcome.changed = true;
                    if self.is_watched {
                        outcome.changes.push((at, format!("{prefix}: {}", ShownRoute(route.as_ref()))));
                    }
                    if !self.told.note(prefix, route.as_ref()) {
                        outcome.complaints.push((at, format!("told again of {prefix}, which is as it was")));
                    }
                }
                Output::Protection { .. } => {}
                Output::Opaque { domain, key, .. } => {
                    outcome.complaints.push((at, format!("told of {key} in {domain:?}, which nobody watches")));
                }
                Output::Event(event) => self.event(at, &event, outcome),
            }
        }
        self.inputs += 1;
        if self.inputs.is_multiple_of(self.check_every) {
            self.check(at, outcome);
        }
    }

    /// Checks every invariant of the engine.
    pub(crate) fn check(&self, at: Instant, outcome: &mut Outcome) {
        let violations = self.engine.check().err().into_iter().flatten();
        outcome.complaints.extend(violations.map(|violation| (at, violation.to_string())));
    }

    fn event(&mut self, at: Instant, event: &Event, outcome: &mut Outcome) {
        if let Event::Neighbor { from, to, interface, router_id, .. } = event {
            outcome.changed = true;
            if self.is_watched {
                let change = format!("interface {}, neighbour {router_id}: {from}, then {to}", interface.0);
                outcome.changes.push((at, change));
            }
            outcome.adjacency_changes += u64::from((*from == NeighborState::Full) != (*to == NeighborState::Full));
        }
        outcome.complaints.extend(self.note(at, event).map(|complaint| (at, complaint)));
    }
}
