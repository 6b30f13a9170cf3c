//! A run. It begins with faults, which are then repaired, and the network must converge within a bound. If requested, the network is then
//! cut in two, and both halves must converge, and again the whole when it is joined. The result is one report.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use ospf::{Conduct, Instant};

use crate::check::{Progress, bad_alternates, disagreements, left_at_max_age};
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

/// How long after the repair of the last fault a network may take until all routers agree, in virtual time.
///
/// A lost neighbour is noticed after RouterDeadInterval, a lost packet is retransmitted after RxmtInterval, and an LSA that was just
/// originated is not originated again for MinLSInterval; some of these may follow each other.
pub const CONVERGENCE_BOUND: Duration = Duration::from_secs(120);

/// How long nothing may change after all routers agreed.
pub const QUIET: Duration = Duration::from_secs(30);

/// How often it is checked whether all routers agree.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A flushed LSA must be removed within this time. It is retransmitted up to 40 seconds apart, and if a quarter of the packets are lost,
/// two of five attempts fail, because the acknowledgement may be lost, too.
const FLUSHED_WITHIN: Duration = Duration::from_secs(600);

/// The most faults that a failure lists; a partition of a large network has thousands.
const MAX_TOLD_FAULTS: usize = 1000;

/// The network of a run, and what happens to it.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The network.
    pub topology: Topology,
    /// The seed of all random choices.
    pub seed: u64,
    /// The seed of what happens to packets, if it is not `seed`.
    pub chance: Option<u64>,
    /// Protocol timers.
    pub timers: Timers,
    /// Authentication of all interfaces; `None` for none.
    pub keys: Option<KeyRollover>,
    /// What the links do to packets, during the whole run.
    pub quality: Quality,
    /// All routers start within this time.
    pub start_within: Duration,
    /// Routers that never start.
    pub absent: BTreeSet<RouterIndex>,
    /// Routers that behave as other implementations do.
    pub foreign: BTreeSet<RouterIndex>,
    /// How these routers behave.
    pub conduct: Conduct,
    /// The duration of the phase of faults, zero for none.
    pub faults_for: Duration,
    /// The average time between two faults.
    pub fault_every: Duration,
    /// The kinds of faults that only some runs have.
    pub further_faults: FurtherFaults,
    /// The numbers of the faults that happen, of those that the seed determines; `None` for all.
    pub faults_only: Option<BTreeSet<usize>>,
    /// What happens at the end of that phase to what is broken.
    pub aftermath: Aftermath,
    /// How long the network may take to converge after that.
    pub bound: Duration,
    /// How long nothing may change after convergence.
    pub quiet: Duration,
    /// What happens to a network that has converged.
    pub afterwards: Afterwards,
    /// The number of threads that run engines; `None` for one for each processor. It does not affect any result.
    pub threads: Option<usize>,
}

/// What happens to a network that has converged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Afterwards {
    /// Nothing.
    Nothing,
    /// All links between two halves of the routers are cut at once, and carry packets again when the routers in each half agree.
    Partition,
}

/// What happens to what is broken at the end of the phase of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aftermath {
    /// Links carry packets again, and routers run again.
    Healed,
    /// It stays broken, and the rest must converge, which may be in several parts.
    Broken,
}

/// The results of a successful run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The number of faults in the first phase.
    pub faults: usize,
    /// How the network converged, for each time it had to.
    pub phases: Vec<Phase>,
    /// The virtual time of the whole run.
    pub duration: Duration,
    /// Counters of what happened.
    pub counts: Counts,
    /// A hash of everything that was sent, which is the same for the same seed.
    pub trace: u64,
}

impl Report {
    /// Returns the virtual time from the last fault of the first phase until all routers agreed.
    pub fn converged_after(&self) -> Duration {
        self.phases.first().map_or(Duration::ZERO, |phase| phase.converged_after)
    }
}

/// A convergence of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phase {
    /// Why the network had to converge.
    pub cause: Cause,
    /// The virtual time until all routers agreed.
    pub converged_after: Duration,
    /// Counters of what happened until then.
    pub counts: Counts,
}

/// Why a network has to converge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It has started, and has had faults if there are any.
    Start,
    /// It was cut in two.
    Partition,
    /// Its halves were joined again.
    Healing,
}

/// A failed run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The seed that repeats it.
    pub seed: u64,
    /// The virtual time at which the run was abandoned.
    pub at: Instant,
    /// Why it failed.
    pub what: FailureKind,
    /// All faults, in order.
    pub faults: Vec<Inflicted>,
}

/// A fault that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inflicted {
    /// Its number among the faults that the seed determines, for [`Scenario::faults_only`]; `None` for the cuts and repairs of a partition.
    pub number: Option<usize>,
    /// When it happened.
    pub at: Instant,
    /// The fault.
    pub fault: Fault,
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureKind {
    /// Not all routers agreed within the bound.
    NotConverged(Findings),
    /// All routers agreed, and then something changed without a cause.
    NotQuiet {
        /// The number of routes that changed.
        route_changes: u64,
        /// The number of adjacencies that changed.
        adjacency_changes: u64,
        /// The first changes.
        changes: Vec<String>,
    },
    /// Engines did what no engine may do.
    Violations(Vec<String>),
    /// The reference network, which has no faults, does not come to rest.
    NoReference,
}

impl Scenario {
    /// Creates a scenario for a network on good links whose routers start at once, without faults.
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

    /// Runs the scenario.
    ///
    /// # Errors
    /// If the network does not converge or does not stay converged, or an engine violates a rule.
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

    /// Returns the faults that the seed determines, with their times; the index of a fault is its number.
    pub fn planned_faults(&self) -> Vec<(Instant, Fault)> {
        let (network, mut prng) = self.network();
        self.plan(&network, &mut prng)
    }

    /// Creates the network of the run, and the random sequence that determines the faults.
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

    /// Runs everything after the first phase.
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

    /// Runs the first phase, and its aftermath.
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
        // Routers whose configurations differ from their neighbours' do not become neighbours, and could not converge.
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
                // Packets that were sent before may still be under way, and change something: for instance a hello from before two
                // neighbours knew each other. And neighbours that have not been received since the repair may yet be lost.
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
        found.extend(bad_alternates(network).filter(|_| !expected.oracle().is_backbone_split()));
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
