//! Sweeps: many runs, each of which is determined by its seed alone. A seed gives a network, disturbances and faults (`derive`). A run that
//! fails is made smaller (`minimise`), and reported as the command line that repeats it.

mod caught;
mod derive;
mod minimise;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use crate::finding::Disagreement;
use crate::recipe::Recipe;
use crate::scenario::{Failure, FailureKind, Report};

pub use derive::{Kind, derive};

/// How many findings of a run are shown; a sweep may have many failures.
const SHOWN_FINDINGS: usize = 4;

/// The seeds to run, and how.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// The seeds.
    pub seeds: Range<u64>,
    /// The kinds of networks to run; empty for all. Seeds of other kinds are skipped.
    pub only: BTreeSet<Kind>,
    /// The most runs that are spent on making one failure smaller; 0 leaves failures as they are.
    pub minimise: usize,
    /// The number of runs at a time; `None` for one for each processor.
    pub threads: Option<usize>,
}

/// The results of a sweep.
#[derive(Debug)]
pub struct SweepReport {
    /// The number of runs, without those of other kinds.
    pub runs: u64,
    /// The failures, sorted by seed.
    pub failures: Vec<SweepFailure>,
}

/// A seed whose run failed.
#[derive(Debug)]
pub struct SweepFailure {
    /// The seed.
    pub seed: u64,
    /// The run that the seed gives.
    pub recipe: Recipe,
    /// Why it failed.
    pub outcome: Outcome,
    /// A smaller run that fails in the same way, if one was found.
    pub minimised: Option<Recipe>,
}

/// Why a run failed.
#[derive(Debug)]
pub enum Outcome {
    /// The network did not behave as it should.
    Failed(Box<Failure>),
    /// An engine or the simulator panicked: the message and the location.
    Panicked(String),
}

/// Classes of failures; two runs fail in the same way if their classes are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Neighbours are not in the state in which they should be.
    Adjacency,
    /// Routers on a LAN disagree about the designated router.
    Designated,
    /// Databases differ.
    Database,
    /// Routes differ from those of the oracle, or form a loop.
    Route,
    /// Something changed during the quiet period.
    NotQuiet,
    /// An engine violated one of its own rules.
    Violation,
    /// An engine or the simulator panicked.
    Panic,
}

impl Sweep {
    /// Runs every seed, several at a time. `on_failure` receives the failures as they occur, in no particular order.
    pub fn run(&self, mut on_failure: impl FnMut(&SweepFailure)) -> SweepReport {
        let threads = self.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
        let (next, runs) = (AtomicU64::new(self.seeds.start), AtomicU64::new(0));
        let (sender, receiver) = mpsc::channel();
        let work = |sender: mpsc::Sender<SweepFailure>| {
            while let Some(seed) = self.take(&next) {
                let recipe = derive(seed);
                if !self.only.is_empty() && !self.only.contains(&Kind::of(recipe.shape)) {
                    continue;
                }
                runs.fetch_add(1, Ordering::Relaxed);
                if let Err(outcome) = run(&recipe) {
                    let minimised = minimise::minimise(&recipe, &outcome, self.minimise);
                    let failure = SweepFailure { seed, recipe, outcome, minimised };
                    sender.send(failure).expect("the receiver waits for all threads");
                }
            }
        };
        let mut failures = Vec::new();
        thread::scope(|scope| {
            for _ in 0..threads.max(1) {
                let sender = sender.clone();
                scope.spawn(|| work(sender));
            }
            drop(sender);
            for failure in receiver {
                on_failure(&failure);
                failures.push(failure);
            }
        });
        failures.sort_by_key(|failure| failure.seed);
        SweepReport { runs: runs.into_inner(), failures }
    }

    fn take(&self, next: &AtomicU64) -> Option<u64> {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        self.seeds.contains(&seed).then_some(seed)
    }
}

/// Runs a recipe on this thread alone. A panic counts as a failure.
fn run(recipe: &Recipe) -> Result<Report, Outcome> {
    let one = || {
        let mut scenario = recipe.scenario();
        scenario.threads = Some(1);
        scenario.run()
    };
    match caught::catch(one) {
        Ok(Ok(report)) => Ok(report),
        Ok(Err(failure)) => Err(Outcome::Failed(failure)),
        Err(message) => Err(Outcome::Panicked(message)),
    }
}

impl Outcome {
    /// Returns the class of the failure.
    pub fn class(&self) -> Class {
        let failure = match self {
            Self::Failed(failure) => failure,
            Self::Panicked(_) => return Class::Panic,
        };
        match &failure.what {
            FailureKind::NotConverged(found) => found.iter().map(class_of).min().unwrap_or(Class::Route),
            FailureKind::NotQuiet { .. } | FailureKind::NoReference => Class::NotQuiet,
            FailureKind::Violations(_) => Class::Violation,
        }
    }
}

fn class_of(disagreement: &Disagreement) -> Class {
    match disagreement {
        Disagreement::Adjacency { .. } | Disagreement::Helped { .. } => Class::Adjacency,
        Disagreement::Designated { .. } => Class::Designated,
        Disagreement::Transit { .. }
        | Disagreement::Database { .. }
        | Disagreement::Content { .. }
        | Disagreement::MaxAge { .. } => Class::Database,
        Disagreement::Route { .. }
        | Disagreement::Telling { .. }
        | Disagreement::Alternate { .. }
        | Disagreement::Loop { .. } => Class::Route,
    }
}

impl fmt::Display for SweepFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.outcome.class())?;
        writeln!(f, "  {}", self.recipe)?;
        match &self.minimised {
            Some(recipe) => writeln!(f, "  smaller: {recipe}")?,
            None => writeln!(f, "  nothing smaller was found")?,
        }
        write!(f, "{}", self.outcome)
    }
}

/// Prints the first findings, one on a line.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failure = match self {
            Self::Failed(failure) => failure,
            Self::Panicked(message) => return writeln!(f, "    {message}"),
        };
        let text = failure.what.to_string();
        let mut lines = text.lines();
        lines.by_ref().take(SHOWN_FINDINGS).try_for_each(|line| writeln!(f, "    {}", line.trim_start()))?;
        match lines.count() {
            0 => Ok(()),
            more => writeln!(f, "    and {more} lines more"),
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Adjacency => "adjacencies",
            Self::Designated => "designated routers",
            Self::Database => "databases",
            Self::Route => "routes",
            Self::NotQuiet => "changes in the quiet time",
            Self::Violation => "violations",
            Self::Panic => "panic",
        })
    }
}

/// Prints the failing command lines by seed, and a summary.
impl fmt::Display for SweepReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut classes: BTreeMap<Class, usize> = BTreeMap::new();
        for failure in &self.failures {
            let class = failure.outcome.class();
            *classes.entry(class).or_default() += 1;
            writeln!(f, "{} # {class}", failure.minimised.as_ref().unwrap_or(&failure.recipe))?;
        }
        let (runs, failed) = (self.runs, self.failures.len());
        write!(f, "{runs} seeds, {failed} failed")?;
        for (class, count) in classes {
            write!(f, "; {count} {class}")?;
        }
        writeln!(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(threads: usize) -> Sweep {
        Sweep { seeds: 0..12, only: BTreeSet::from([Kind::Mesh, Kind::Ring]), minimise: 0, threads: Some(threads) }
    }

    #[test]
    fn threads_change_nothing_but_the_time() {
        let result = |threads| {
            let report = sweep(threads).run(|_| {});
            let lines: Vec<_> = report.failures.iter().map(|failure| failure.to_string()).collect();
            (report.runs, lines)
        };
        let alone = result(1);
        assert!(alone.0 > 0);
        assert_eq!(alone, result(3));
    }
}
