//! A run: faults, then everything heals and convergence is demanded within a bound; then, if asked for, of both halves of a network
//! that is cut in two, and of the whole again. What it did is one report.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use ospf::{Conduct, Instant};

use crate::check::{Progress, disagreements, left_at_max_age};
use crate::expected::Expected;
use crate::fault::{Fault, FurtherFaults};
use crate::finding::Findings;
use crate::keys::KeyRollover;
use crate::link::Quality;
use crate::network::{Counts, Network};
use crate::prng::Prng;
use crate::reference::Reference;
use crate::router::Timers;
use crate::situation::{Situation, Trouble};
use crate::topology::{RouterIndex, Topology};

/// How long after the last fault healed a network may take until all agree, in virtual time.
///
/// A neighbour that was lost is noticed after RouterDeadInterval, a packet that was lost is sent again each RxmtInterval, and an
/// LSA that was just originated is not originated anew for MinLSInterval; some of these may follow each other.
pub const CONVERGENCE_BOUND: Duration = Duration::from_secs(120);

/// How long nothing may change after all agreed.
pub const QUIET: Duration = Duration::from_secs(30);

/// How often it is looked whether all agree.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// An LSA that was flushed is gone within this time: it is sent again every 40 seconds at the end, and where a quarter of the packets are lost,
/// two attempts of five are in vain, as the acknowledgement may be lost, too.
const FLUSHED_WITHIN: Duration = Duration::from_secs(600);

/// A failure tells so many faults of a run; a partition of a large network is thousands.
const MAX_TOLD_FAULTS: usize = 1000;

/// What to do.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The network.
    pub topology: Topology,
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// Decides what happens to packets in place of `seed`; `None` for `seed`.
    pub chance: Option<u64>,
    /// Protocol timers.
    pub timers: Timers,
    /// Authentication of all interfaces; `None` for none.
    pub keys: Option<KeyRollover>,
    /// What the links do to packets, in both phases.
    pub quality: Quality,
    /// Routers start within this time.
    pub start_within: Duration,
    /// Routers that never start.
    pub absent: BTreeSet<RouterIndex>,
    /// Routers that behave as other implementations do.
    pub foreign: BTreeSet<RouterIndex>,
    /// How they do.
    pub conduct: Conduct,
    /// How long the phase of faults takes, zero for none.
    pub faults_for: Duration,
    /// Time between two faults, on average.
    pub fault_every: Duration,
    /// Faults beyond those that every run has.
    pub further_faults: FurtherFaults,
    /// Of the faults that the seed decides, only those with these numbers happen; `None` for all.
    pub faults_only: Option<BTreeSet<usize>>,
    /// What becomes of what is broken at the end of that phase.
    pub aftermath: Aftermath,
    /// How long convergence may take from then on.
    pub bound: Duration,
    /// How long nothing may change afterwards.
    pub quiet: Duration,
    /// What happens to a network that has converged.
    pub afterwards: Afterwards,
    /// Threads that run engines; `None` for as many as there are processors. They change no byte.
    pub threads: Option<usize>,
}

/// What happens to a network that has converged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Afterwards {
    /// Nothing.
    Nothing,
    /// All links between two halves of the routers fall silent at once, and when all on either side agree they carry again.
    Partition,
}

/// What becomes of what is broken at the end of the phase of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aftermath {
    /// Links carry again, routers run again.
    Healed,
    /// It stays broken, and convergence is demanded of what is left; it may be in several parts.
    Broken,
}

/// A run that went well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Faults in the first phase.
    pub faults: usize,
    /// How convergence came about each time it was demanded.
    pub phases: Vec<Phase>,
    /// Virtual time of the whole run.
    pub duration: Duration,
    /// What happened.
    pub counts: Counts,
    /// The same seed gives the same number.
    pub trace: u64,
}

impl Report {
    /// Virtual time from the last fault of the first phase until all agreed.
    pub fn converged_after(&self) -> Duration {
        self.phases.first().map_or(Duration::ZERO, |phase| phase.converged_after)
    }
}

/// A demand for convergence that was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phase {
    /// What had happened.
    pub cause: Cause,
    /// Virtual time until all agreed.
    pub converged_after: Duration,
    /// What happened until then.
    pub counts: Counts,
}

/// After what convergence is demanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The start, and faults if there are any.
    Start,
    /// The network was cut in two.
    Partition,
    /// The halves were joined again.
    Healing,
}

/// A run that did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// To see it again.
    pub seed: u64,
    /// When it was given up.
    pub at: Instant,
    /// In short.
    pub what: FailureKind,
    /// In full: all faults, in order.
    pub faults: Vec<Inflicted>,
}

/// A fault that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inflicted {
    /// Its number among those that the seed decides, for [`Scenario::faults_only`]; `None` for the cut and the healing of a partition.
    pub number: Option<usize>,
    /// When it happened.
    pub at: Instant,
    /// What happened.
    pub fault: Fault,
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureKind {
    /// Not all agreed within the bound.
    NotConverged(Findings),
    /// All agreed, and then something changed though nothing had happened.
    NotQuiet {
        /// Routes that changed.
        route_changes: u64,
        /// Adjacencies that changed.
        adjacency_changes: u64,
        /// The first of them.
        changes: Vec<String>,
    },
    /// An engine did what none may do.
    Violations(Vec<String>),
    /// The network that never saw a fault does not come to rest.
    NoReference,
}

impl Scenario {
    /// A network on good links that starts at once, without faults.
    pub fn new(topology: Topology, seed: u64) -> Self {
        Self {
            topology,
            seed,
            chance: None,
            timers: Timers::default(),
            keys: None,
            quality: Quality::GOOD,
            start_within: Duration::ZERO,
            faults_for: Duration::ZERO,
            absent: BTreeSet::new(),
            foreign: BTreeSet::new(),
            conduct: Conduct::foreign(),
            fault_every: Duration::from_secs(1),
            further_faults: FurtherFaults::default(),
            faults_only: None,
            aftermath: Aftermath::Healed,
            bound: CONVERGENCE_BOUND,
            quiet: QUIET,
            afterwards: Afterwards::Nothing,
            threads: None,
        }
    }

    /// Runs it.
    ///
    /// # Errors
    /// If the network does not converge, does not stay so, or an engine breaks a rule.
    pub fn run(&self) -> Result<Report, Box<Failure>> {
        let (mut network, mut prng) = self.network();
        if let Some(threads) = self.threads {
            network.set_threads(threads);
        }
        let mut faults = Vec::new();
        self.break_things(&mut network, &mut prng, &mut faults);
        let result = self.demand_all(&mut network, &mut faults);
        let phases = match result {
            Ok(phases) => phases,
            Err(what) => return Err(Box::new(Failure { seed: self.seed, at: network.now(), what, faults })),
        };
        Ok(Report {
            faults: faults.len(),
            phases,
            duration: network.now().since_origin(),
            counts: network.counts(),
            trace: network.trace(),
        })
    }

    /// The faults that the seed decides, each at its number, and their times.
    pub fn planned_faults(&self) -> Vec<(Instant, Fault)> {
        let (network, mut prng) = self.network();
        self.plan(&network, &mut prng)
    }

    /// The network before anything has happened, and the sequence that decides the faults.
    fn network(&self) -> (Network, Prng) {
        let mut prng = Prng::new(self.seed);
        let topology = self.topology.clone();
        let mut network = Network::new(topology, self.timers, self.quality, prng.next_u64(), self.start_within);
        network.set_absent(&self.absent);
        network.set_foreign(self.foreign.clone(), self.conduct);
        if let Some(keys) = self.keys {
            network.set_keys(keys);
        }
        if let Some(chance) = self.chance {
            network.set_chance(chance);
        }
        (network, prng)
    }

    fn plan(&self, network: &Network, prng: &mut Prng) -> Vec<(Instant, Fault)> {
        if self.faults_for.is_zero() {
            return Vec::new();
        }
        let end = Instant::ZERO + self.start_within.max(self.faults_for);
        let situation = Situation::new(self.topology.clone());
        Fault::plan(situation, network.starts(), (self.fault_every, end), self.further_faults, prng)
    }

    /// Everything after the first phase.
    fn demand_all(&self, network: &mut Network, faults: &mut Vec<Inflicted>) -> Result<Vec<Phase>, FailureKind> {
        let mut phases = vec![self.demand_convergence(network, Cause::Start, Counts::default())?];
        let cut = match self.afterwards {
            Afterwards::Nothing => return Ok(phases),
            Afterwards::Partition => network.situation().between_halves(),
        };
        for (cause, trouble) in [(Cause::Partition, Some(Trouble::Cut)), (Cause::Healing, None)] {
            let before = network.counts();
            for &link in &cut {
                let fault = Fault::Trouble(link, trouble);
                faults.push(Inflicted { number: None, at: network.now(), fault: fault.clone() });
                network.inflict(fault);
            }
            phases.push(self.demand_convergence(network, cause, before)?);
        }
        Ok(phases)
    }

    /// The first phase, and the aftermath at its end.
    fn break_things(&self, network: &mut Network, prng: &mut Prng, faults: &mut Vec<Inflicted>) {
        let end = network.now() + self.start_within.max(self.faults_for);
        for (number, (at, fault)) in self.plan(network, prng).into_iter().enumerate() {
            if self.faults_only.as_ref().is_some_and(|only| !only.contains(&number)) {
                continue;
            }
            network.run_until(at);
            faults.push(Inflicted { number: Some(number), at, fault: fault.clone() });
            network.inflict(fault);
        }
        network.run_until(end);
        // Who is configured otherwise than its neighbours is no neighbour of theirs: that is no convergence to be had.
        for fault in Fault::follow(network.situation()) {
            network.inflict(fault);
        }
        if self.aftermath == Aftermath::Healed {
            for fault in Fault::heal(network.situation()) {
                network.inflict(fault);
            }
        }
    }

    fn demand_convergence(&self, network: &mut Network, cause: Cause, before: Counts) -> Result<Phase, FailureKind> {
        let start = network.now();
        let situation = network.situation().clone();
        let has_changed = self.further_faults.changes && cause == Cause::Start;
        let wants_reference = has_changed || situation.topology.is_beyond_the_oracle();
        let reference = || Reference::new(&situation, self.seed).ok_or(FailureKind::NoReference);
        let expected = match wants_reference {
            true => Expected::with_reference(&situation, reference()?),
            false => Expected::new(&situation),
        };
        let mut progress = Progress::new(&expected, network);
        let (converged, at_convergence) = loop {
            let changes = |network: &Network| (network.counts().route_changes, network.counts().adjacency_changes);
            if progress.look(network) {
                let (converged, counts) = (network.now(), network.counts());
                // What was sent before may still be on its way, and may say otherwise: a hello of before two neighbours knew each other.
                // And who has not been heard since things healed may be lost yet.
                let slowest = self.timers.at(situation.topology.slowest());
                let all_heard = start + slowest.dead + slowest.hello;
                network.run_until(all_heard.max(converged) + self.quality.longest());
                if changes(network) == (counts.route_changes, counts.adjacency_changes) && progress.look(network) {
                    break (converged, counts);
                }
            }
            if network.now() >= start + self.bound {
                return Err(FailureKind::NotConverged(disagreements(network, &expected)));
            }
            network.run_until(network.now() + LOOK_EVERY);
        };
        network.watch_changes(true);
        network.run_until(converged + self.quiet);
        while left_at_max_age(network).next().is_some() && network.now() < converged + self.quiet + FLUSHED_WITHIN {
            network.run_until(network.now() + LOOK_EVERY);
        }
        let since = network.counts().since(at_convergence);
        if since.route_changes + since.adjacency_changes > 0 {
            let Counts { route_changes, adjacency_changes, .. } = since;
            let changes = network.changes().to_vec();
            return Err(FailureKind::NotQuiet { route_changes, adjacency_changes, changes });
        }
        network.watch_changes(false);
        let mut found = disagreements(network, &expected);
        found.extend(left_at_max_age(network));
        found.extend(expected.differences(network));
        if !found.is_empty() {
            return Err(FailureKind::NotConverged(found));
        }
        network.check_all();
        if !network.violations().is_empty() {
            return Err(FailureKind::Violations(network.violations().to_vec()));
        }
        let converged_after = converged.saturating_since(start);
        Ok(Phase { cause, converged_after, counts: at_convergence.since(before) })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "start",
            Self::Partition => "partition",
            Self::Healing => "healing",
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, after {:.1?}:", self.seed, self.at.since_origin())?;
        for Inflicted { number, at, fault } in self.faults.iter().take(MAX_TOLD_FAULTS) {
            let number = number.map(|number| format!(" {number}")).unwrap_or_default();
            writeln!(f, "  fault{number} at {:.3?}: {fault:?}", at.since_origin())?;
        }
        if let more @ 1.. = self.faults.len().saturating_sub(MAX_TOLD_FAULTS) {
            writeln!(f, "  and {more} faults more")?;
        }
        self.what.fmt(f)
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConverged(findings) => write!(f, "  not converged:\n{findings}"),
            Self::NotQuiet { route_changes, adjacency_changes, changes } => {
                writeln!(f, "  converged, then {route_changes} routes and {adjacency_changes} adjacencies changed:")?;
                changes.iter().try_for_each(|change| writeln!(f, "  {change}"))
            }
            Self::NoReference => writeln!(f, "  the network without faults does not come to rest"),
            Self::Violations(violations) => violations.iter().try_for_each(|what| writeln!(f, "  {what}")),
        }
    }
}

impl std::error::Error for Failure {}
