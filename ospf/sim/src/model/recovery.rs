//! Checks whether the network recovers from a state when there are no more disturbances.

use std::time::Duration;

use ospf::Instant;

use super::bounds::Bounds;
use super::flaw::FlawKind;
use super::visited::Visited;
use super::world::World;

/// Known results, which all threads share, and searches whose bounds differ only in the disturbances.
#[derive(Debug)]
pub(super) struct Recoveries {
    /// Nanoseconds until the network has recovered, by state.
    remaining: Visited<u64>,
    /// States that are converged and stay so.
    settled: Visited<()>,
}

impl Recoveries {
    pub(super) fn new() -> Self {
        Self { remaining: Visited::new(), settled: Visited::new() }
    }

    /// Returns how long the network takes to recover from `world`, or why it does not.
    pub(super) fn check(&self, world: &World, bounds: &Bounds) -> Result<Duration, FlawKind> {
        let start = world.now();
        let mut world = world.clone();
        let mut passed: Vec<(u128, Instant)> = Vec::new();
        let known = loop {
            let print = world.print();
            if let Some(known) = self.remaining.get(print) {
                break Duration::from_nanos(known);
            }
            passed.push((print, world.now()));
            if world.is_idle() && world.is_converged(bounds) {
                self.stays(&world, bounds)?;
                break Duration::ZERO;
            }
            let step = world.undisturbed_step().ok_or(FlawKind::Halted)?;
            if world.now().saturating_since(start) > bounds.recovery {
                return Err(FlawKind::Apart);
            }
            world.apply(step, bounds);
        };
        let end = world.now() + known;
        if end.saturating_since(start) > bounds.recovery {
            return Err(FlawKind::Apart);
        }
        for (print, when) in passed {
            let remaining = end.saturating_since(when).as_nanos();
            self.remaining.insert(print, u64::try_from(remaining).expect("less than five hundred years"));
        }
        Ok(end.saturating_since(start))
    }

    /// Checks that a converged network stays so.
    fn stays(&self, world: &World, bounds: &Bounds) -> Result<(), FlawKind> {
        let start = world.now();
        let mut world = world.clone();
        let mut passed = Vec::new();
        loop {
            let print = world.print();
            if self.settled.get(print).is_some() {
                break;
            }
            if world.is_idle() {
                if world.now().saturating_since(start) > bounds.quiet {
                    if !world.is_converged(bounds) {
                        return Err(FlawKind::Unsettled);
                    }
                    break;
                }
                if world.is_converged(bounds) {
                    passed.push(print);
                }
            }
            let step = world.undisturbed_step().ok_or(FlawKind::Halted)?;
            world.apply(step, bounds);
            if !world.is_adjacent(bounds) {
                return Err(FlawKind::Lost);
            }
        }
        passed.into_iter().for_each(|print| _ = self.settled.insert(print, ()));
        Ok(())
    }
}
