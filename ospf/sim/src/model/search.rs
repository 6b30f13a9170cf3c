//! The search, which visits each reachable state once.

use std::hash::Hash as _;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ospf::Instant;

use super::bounds::{Bounds, Disturbances};
use super::flaw::{Flaw, FlawKind};
use super::print::Print;
use super::recovery::Recoveries;
use super::step::Step;
use super::visited::Visited;
use super::world::World;

/// The results of a search.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The number of different states that were reached; states with different remaining disturbances are different.
    pub states: usize,
    /// The number of steps taken between states.
    pub steps: usize,
    /// Whether all reachable states were reached; if not, the search ended at its limit of states, depth or flaws.
    pub is_complete: bool,
    /// The length of the longest path without a repeated state.
    pub longest: u32,
    /// The longest time that a recovery took.
    pub slowest: Duration,
    /// The states from which the network does not recover.
    pub flaws: Vec<Flaw>,
}

/// A reached state whose steps have not been tried yet.
struct Node {
    world: World,
    left: Disturbances,
    depth: u32,
    /// The number of the last step in [`Shared::path`], from one; zero is the start.
    step: u32,
}

struct Shared {
    work: Vec<Node>,
    /// The number of threads that may still find more.
    busy: usize,
    /// Every step by which a state was first reached, and the number of the step before it.
    path: Vec<(Step, u32)>,
    outcome: Outcome,
    /// Whether the search has ended at one of its limits.
    is_over: bool,
}

struct Search<'a> {
    bounds: &'a Bounds,
    recoveries: &'a Recoveries,
    visited: Visited<u32>,
    shared: Mutex<Shared>,
    more: Condvar,
}

/// Searches with no disturbance, then with one in total, then with two, and so on, so that a flaw that is found is as simple as possible.
pub fn search(bounds: &Bounds, mut progress: impl FnMut(u8, &Outcome)) -> Outcome {
    let recoveries = Recoveries::new();
    let mut outcome = Outcome::default();
    for total in 0..=bounds.disturbances.total {
        let disturbances = Disturbances { total, ..bounds.disturbances };
        outcome = search_level(&Bounds { disturbances, ..bounds.clone() }, &recoveries);
        progress(total, &outcome);
        if !outcome.flaws.is_empty() {
            break;
        }
    }
    outcome
}

fn search_level(bounds: &Bounds, recoveries: &Recoveries) -> Outcome {
    let start = Node { world: World::new(bounds), left: bounds.disturbances, depth: 0, step: 0 };
    let outcome = Outcome { is_complete: true, ..Outcome::default() };
    let shared = Shared { work: vec![start], busy: 0, path: Vec::new(), outcome, is_over: false };
    let search =
        Search { bounds, recoveries, visited: Visited::new(), shared: Mutex::new(shared), more: Condvar::new() };
    std::thread::scope(|scope| {
        for _ in 0..bounds.threads.max(1) {
            scope.spawn(|| search.run());
        }
    });
    search.shared.into_inner().unwrap_or_else(PoisonError::into_inner).outcome
}

impl Search<'_> {
    fn run(&self) {
        while let Some(node) = self.take() {
            let found = self.expand(&node);
            self.put(&node, found);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Node> {
        let mut shared = self.lock();
        loop {
            if shared.is_over {
                return None;
            }
            if let Some(node) = shared.work.pop() {
                shared.busy += 1;
                return Some(node);
            }
            if shared.busy == 0 {
                return None;
            }
            shared = self.more.wait(shared).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Returns the new states that follow on one, each with its recovery.
    fn expand(&self, node: &Node) -> Found {
        let mut found = Found { steps: 0, is_cut: false, states: Vec::new() };
        for step in node.world.steps(self.bounds) {
            let Some(left) = node.left.after(step) else { continue };
            if node.depth >= self.bounds.depth {
                found.is_cut = true;
                break;
            }
            found.steps += 1;
            let mut world = node.world.clone();
            world.apply(step, self.bounds);
            let key = key(world.print(), left);
            let depth = node.depth + 1;
            let is_bounded = self.bounds.depth < u32::MAX;
            match self.visited.get(key) {
                None => {}
                // States that were beyond the depth limit from the longer path may be within it from here.
                Some(known) if is_bounded && depth < known => {}
                Some(_) => continue,
            }
            if self.visited.insert(key, depth).is_some_and(|known| !is_bounded || known <= depth) {
                continue;
            }
            let recovery = self.recoveries.check(&world, self.bounds);
            found.states.push((step, world, left, recovery));
        }
        found
    }

    fn put(&self, from: &Node, found: Found) {
        let mut shared = self.lock();
        shared.outcome.steps += found.steps;
        shared.outcome.states += found.states.len();
        shared.outcome.is_complete &= !found.is_cut;
        shared.outcome.longest = shared.outcome.longest.max(from.depth);
        let mut flawed = Vec::new();
        for (step, world, left, recovery) in found.states {
            shared.path.push((step, from.step));
            let number = u32::try_from(shared.path.len()).expect("states are counted in 32 bits");
            match recovery {
                Ok(time) => {
                    shared.outcome.slowest = shared.outcome.slowest.max(time);
                    shared.work.push(Node { world, left, depth: from.depth + 1, step: number });
                }
                Err(kind) => flawed.push((kind, shared.steps_to(number))),
            }
        }
        if shared.outcome.states >= self.bounds.states {
            shared.end();
        }
        drop(shared);
        for (kind, steps) in flawed {
            self.report(kind, steps);
        }
        let mut shared = self.lock();
        shared.busy -= 1;
        drop(shared);
        self.more.notify_all();
    }

    fn report(&self, kind: FlawKind, steps: Vec<Step>) {
        if self.lock().is_over {
            return;
        }
        let flaw = Flaw::new(kind, steps, self.bounds, self.recoveries);
        let mut shared = self.lock();
        shared.outcome.is_complete = false;
        if shared.outcome.flaws.iter().all(|known| known.signature != flaw.signature) {
            shared.outcome.flaws.push(flaw);
        }
        if shared.outcome.flaws.len() >= self.bounds.flaws {
            shared.end();
        }
    }
}

/// The successors of a state.
struct Found {
    steps: usize,
    /// Whether the depth limit cut off steps.
    is_cut: bool,
    states: Vec<(Step, World, Disturbances, Result<Duration, FlawKind>)>,
}

impl Shared {
    fn end(&mut self) {
        self.is_over = true;
        self.outcome.is_complete = false;
    }

    fn steps_to(&self, mut number: u32) -> Vec<Step> {
        let mut steps = Vec::new();
        while let Some(&(step, before)) = number.checked_sub(1).and_then(|place| self.path.get(place as usize)) {
            steps.push(step);
            number = before;
        }
        steps.reverse();
        steps
    }
}

/// Returns a hash of a state and of the disturbances that are left.
fn key(print: u128, left: Disturbances) -> u128 {
    let mut both = Print::new(Instant::ZERO);
    both.print(print);
    left.hash(&mut both);
    both.value()
}
