//! Many runs, each decided by its seed alone: a seed gives a network, disturbances and faults (`derive`), and a run that fails is made
//! smaller (`minimise`) and reported as the command line that repeats it.

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

/// How many findings of a run are shown in a sweep, which may have many failures.
const SHOWN_FINDINGS: usize = 4;

/// Seeds to run.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// The seeds.
    pub seeds: Range<u64>,
    /// Only networks of these kinds; empty for all. Seeds of other kinds are passed over.
    pub only: BTreeSet<Kind>,
    /// Runs that may be spent on making one failure smaller; 0 leaves failures as they are.
    pub minimise: usize,
    /// Runs at a time; `None` for as many as there are processors.
    pub threads: Option<usize>,
}

/// What came of a sweep.
#[derive(Debug)]
pub struct SweepReport {
    /// Runs, those of other kinds not included.
    pub runs: u64,
    /// What failed, by seed.
    pub failures: Vec<SweepFailure>,
}

/// A seed that failed.
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
    /// The network did not do what it should.
    Failed(Box<Failure>),
    /// An engine or the simulator panicked: the message and its place.
    Panicked(String),
}

/// Ways to fail, to see whether two runs fail alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Neighbours are not in the state that they should be in.
    Adjacency,
    /// Routers on a LAN disagree about the designated router.
    Designated,
    /// Databases differ.
    Database,
    /// Routes are not those of the oracle, or lead in circles.
    Route,
    /// Something changed in the quiet time.
    NotQuiet,
    /// An engine broke a rule of its own.
    Violation,
    /// Something panicked.
    Panic,
}

impl Sweep {
    /// Runs every seed, several at a time. `on_failure` gets failures as they come, in no order.
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

/// Runs a recipe on this thread alone. A panic is a failure.
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
    /// The way in which it failed.
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
        Disagreement::Route { .. } | Disagreement::Telling { .. } | Disagreement::Loop { .. } => Class::Route,
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

/// The first findings, a line each.
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

/// The failing command lines by seed, and a summary.
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
