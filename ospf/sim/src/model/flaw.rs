//! A flaw: a state from which the network does not recover, with the shortest path to it that was found.

use std::fmt;

use super::bounds::{Bounds, Disturbances};
use super::describe::{describe, describe_lists, describe_recovery};
use super::recovery::Recoveries;
use super::step::Step;
use super::world::World;

/// The number of steps after the flaw that are shown.
const SHOWN: usize = 24;

/// The kinds of flaws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FlawKind {
    /// No router has a timer, and no packet is under way.
    Halted,
    /// Adjacencies or databases are not complete in time.
    Apart,
    /// An adjacency was lost after all had been complete.
    Lost,
    /// Databases or routes were wrong some time after all had been complete.
    Unsettled,
}

/// A state from which the network does not recover.
#[derive(Debug, Clone)]
pub struct Flaw {
    /// The kind of the flaw.
    pub kind: FlawKind,
    /// The steps that lead to it, one on a line.
    pub trace: String,
    /// What follows without further disturbances.
    pub aftermath: String,
    /// What identifies the flaw: what went wrong on the way, and how it ends.
    pub(super) signature: String,
}

impl Flaw {
    /// Describes the flaw at the end of a path, which is made as short as possible by leaving out steps.
    pub(super) fn new(kind: FlawKind, steps: Vec<Step>, bounds: &Bounds, recoveries: &Recoveries) -> Self {
        let steps = shorten(steps, kind, bounds, recoveries);
        let trace = describe(&steps, bounds);
        let went_wrong = trace.lines().filter_map(|line| {
            let what = line.get(12..)?;
            let is_wrong = ["DUPLICATED", "LOST", "HELD", "LATE", "RESTARTS", "CHANGES"];
            let words = || what.split_whitespace().take(4).filter(|word| !word.starts_with("0x"));
            is_wrong.iter().any(|word| what.contains(word)).then(|| words().collect::<Vec<_>>().join(" "))
        });
        let mut world = World::new(bounds);
        steps.iter().for_each(|&step| world.apply(step, bounds));
        let end = recovery_end(world, bounds);
        let signature = format!("{kind:?} {} {end}", went_wrong.collect::<Vec<_>>().join("; "));
        Self { kind, trace, aftermath: describe_recovery(&steps, bounds, SHOWN), signature }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            FlawKind::Halted => "nobody has a timer, and no packet is under way",
            FlawKind::Apart => "adjacencies or databases are not complete in time",
            FlawKind::Lost => "an adjacency was lost after all had been complete",
            FlawKind::Unsettled => "databases or routes are wrong some time after all had been complete",
        };
        writeln!(f, "{kind}\n{}and if nothing goes wrong any more:\n{}", self.trace, self.aftermath)
    }
}

/// Describes the end of the recovery.
fn recovery_end(mut world: World, bounds: &Bounds) -> String {
    let start = world.now();
    while let Some(step) = world.undisturbed_step()
        && world.now().saturating_since(start) <= bounds.recovery
    {
        world.apply(step, bounds);
    }
    describe_lists(&world)
}

/// Leaves out steps, one or two at a time, as long as the flaw remains.
fn shorten(mut steps: Vec<Step>, kind: FlawKind, bounds: &Bounds, recoveries: &Recoveries) -> Vec<Step> {
    let is_flawed = |steps: &[Step]| {
        replay(steps, bounds).is_some_and(|world| recoveries.check(&world, bounds).is_err_and(|found| found == kind))
    };
    'again: loop {
        for first in (0..steps.len()).rev() {
            let mut without = steps.clone();
            without.remove(first);
            if is_flawed(&without) {
                steps = without;
                continue 'again;
            }
        }
        for first in (0..steps.len()).rev() {
            for second in (first + 1..steps.len()).rev() {
                let mut without = steps.clone();
                without.remove(second);
                without.remove(first);
                if is_flawed(&without) {
                    steps = without;
                    continue 'again;
                }
            }
        }
        return steps;
    }
}

/// Takes the steps; `None` if they cannot all be taken.
fn replay(steps: &[Step], bounds: &Bounds) -> Option<World> {
    let mut world = World::new(bounds);
    let mut left: Disturbances = bounds.disturbances;
    for &step in steps {
        left = left.after(step).filter(|_| world.steps(bounds).contains(&step))?;
        world.apply(step, bounds);
    }
    Some(world)
}
