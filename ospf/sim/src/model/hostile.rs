//! One path through the states, chosen octet by octet (for fuzzing).

use super::bounds::{Bounds, Disturbances};
use super::describe::{describe, describe_recovery};
use super::recovery::Recoveries;
use super::step::Step;
use super::world::World;

/// The most restarts and changes on one path.
const MAX_RESTARTS: u8 = 8;
const MAX_CHANGES: u8 = 16;

/// The number of steps that are shown of a failed recovery.
const SHOWN: usize = 100;

/// A network that is disturbed at any step.
pub(crate) struct HostileRun {
    bounds: Bounds,
    world: World,
    path: Vec<Step>,
}

impl HostileRun {
    pub(crate) fn new(bounds: Bounds) -> Self {
        let disturbances = Disturbances { restarts: MAX_RESTARTS, changes: MAX_CHANGES, ..Disturbances::MANY };
        let bounds = Bounds { disturbances, ..bounds };
        Self { world: World::new(&bounds), bounds, path: Vec::new() }
    }

    /// Takes a step. Half of all choices continue in order; the others take one of the possible steps.
    ///
    /// # Panics
    /// If an engine violates one of its rules.
    pub(crate) fn step(&mut self, choice: u8) {
        let steps = self.world.steps(&self.bounds);
        let (others, place) = (choice % 2 == 1, usize::from(choice / 2));
        let chosen = others.then(|| steps.get(place % steps.len().max(1)).copied()).flatten();
        let chosen = chosen.filter(|&step| match self.bounds.disturbances.after(step) {
            Some(left) => {
                self.bounds.disturbances =
                    Disturbances { restarts: left.restarts, changes: left.changes, ..Disturbances::MANY };
                true
            }
            None => false,
        });
        let Some(step) = chosen.or_else(|| self.world.step_in_order(&self.bounds)) else { return };
        self.path.push(step);
        self.world.apply(step, &self.bounds);
        for engine in self.world.engines() {
            if let Err(violations) = engine.check() {
                panic!("{violations:#?}\n{}", describe(&self.path, &self.bounds));
            }
        }
    }

    /// Lets the network recover.
    ///
    /// # Panics
    /// If it does not recover.
    pub(crate) fn recover(&self) {
        if let Err(kind) = Recoveries::new().check(&self.world, &self.bounds) {
            let trace = describe(&self.path, &self.bounds);
            panic!("{kind:?}\n{trace}then\n{}", describe_recovery(&self.path, &self.bounds, SHOWN));
        }
    }
}
