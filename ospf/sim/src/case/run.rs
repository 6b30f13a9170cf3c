//! Runs a case until nothing changes any more, and compares the results.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use ospf::{Instant, RouteKind};

use super::build::{Case, CaseRouter};
use super::compare::{RouterReport, differences};
use super::expected::{CaseNeighbor, CaseRoute, CaseRouteKind, Hop, Outcome};
use super::file::CaseError;
use super::lab::{Lab, LabRouter};

/// The seed of all random choices, which are jitter and initial sequence numbers; no result may depend on it.
const SEED: u64 = 1;

/// A case ends when nothing has changed for this time. A virtual link comes up a HelloInterval after the path that it takes.
const QUIET: Duration = Duration::from_secs(120);

/// The longest time after which a case ends.
const LONGEST: Duration = Duration::from_secs(3600);

/// The results of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseReport {
    /// The case's name.
    pub name: String,
    /// The reports of all routers, sorted by name.
    pub routers: Vec<RouterReport>,
    /// Virtual time at which a route or a neighbour last changed.
    pub settled: Duration,
}

/// Runs the case of a file.
///
/// # Errors
/// If the file cannot be read, or is not a case.
pub fn run_case(path: &Path) -> Result<CaseReport, CaseError> {
    let case = Case::read(path)?;
    let mut lab = Lab::new(&case, SEED);
    settle(&case, &mut lab);
    let compared = case.routers.iter().zip(lab.routers());
    Ok(CaseReport {
        routers: compared.map(|(case, router)| report(case, router)).collect(),
        settled: lab.last_change().since_origin(),
        name: case.name.clone(),
    })
}

/// Returns all packets that the routers of a case sent until nothing changed any more, except those of the first moment, in order.
///
/// # Errors
/// If the file cannot be read, or is not a case.
pub fn case_packets(path: &Path) -> Result<Vec<Bytes>, CaseError> {
    let case = Case::read(path)?;
    let mut lab = Lab::new(&case, SEED);
    lab.record();
    settle(&case, &mut lab);
    Ok(lab.into_recorded())
}

/// Runs until nothing has changed for some time.
fn settle(case: &Case, lab: &mut Lab<'_>) {
    // No router may be elected designated router before RouterDeadInterval has passed (RFC 2328 §9.3).
    let intervals = case.routers.iter().flat_map(|router| router.config.interfaces.values());
    let dead = intervals.map(|interface| interface.dead_interval).max().unwrap_or_default();
    lab.run_until(Instant::ZERO + dead);
    while lab.now() < Instant::ZERO + LONGEST && lab.now() < lab.last_change() + QUIET.max(dead) {
        lab.run_until(lab.last_change() + QUIET.max(dead));
    }
}

impl CaseReport {
    /// Returns the number of all differences.
    pub fn differences(&self) -> usize {
        self.routers.iter().map(|router| router.differences.len()).sum()
    }
}

fn report(case: &CaseRouter, router: &LabRouter) -> RouterReport {
    let name = |interface| case.names.get(&interface).cloned().unwrap_or_else(|| "a virtual link".to_owned());
    let refusals = router.refusals.iter();
    let refusals =
        refusals.map(|((interface, reason), count)| format!("{} on {}: {reason}", packets(*count), name(*interface)));
    RouterReport {
        router: case.name.clone(),
        compared: case.expected.routes.len() + case.expected.neighbors.len(),
        differences: differences(&case.expected, &outcome(case, router)),
        refusals: refusals.collect(),
    }
}

/// Converts the state of a router into the terms of the format.
fn outcome(case: &CaseRouter, router: &LabRouter) -> Outcome {
    let name = |interface| case.names.get(&interface).cloned().unwrap_or_else(|| format!("{interface:?}"));
    let mut routes = case.own_routes.clone();
    for (&prefix, route) in &router.table {
        // A router needs no route to its own address, even if other routers advertise it.
        if case.own_routes.iter().any(|own| own.prefix == prefix) {
            continue;
        }
        let hops = route.nexthops.iter().map(|hop| Hop { interface: name(hop.interface), via: hop.via });
        let kind = match route.kind {
            RouteKind::IntraArea => CaseRouteKind::IntraArea,
            RouteKind::InterArea => CaseRouteKind::InterArea,
            RouteKind::External1 => CaseRouteKind::External1,
            RouteKind::External2 => CaseRouteKind::External2,
        };
        routes.insert(CaseRoute { prefix, metric: route.metric, kind, hops: hops.collect() });
    }
    // Neighbours on virtual links, which have no name, are not listed.
    let neighbors = router.engine.neighbors().filter_map(|view| {
        let interface = case.names.get(&view.interface)?.clone();
        Some(CaseNeighbor { interface, area: view.area, router_id: view.router_id, state: view.state })
    });
    Outcome { routes, neighbors: neighbors.collect() }
}

fn packets(count: u64) -> String {
    match count {
        1 => "1 packet refused".to_owned(),
        count => format!("{count} packets refused"),
    }
}

impl fmt::Display for CaseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for RouterReport { router, differences, refusals, .. } in &self.routers {
            if differences.is_empty() {
                continue;
            }
            writeln!(f, "{} {router}", self.name)?;
            differences.iter().try_for_each(|difference| writeln!(f, "  {difference}"))?;
            refusals.iter().try_for_each(|refusal| writeln!(f, "  ({refusal})"))?;
        }
        let compared: usize = self.routers.iter().map(|router| router.compared).sum();
        let (routers, settled) = (self.routers.len(), self.settled);
        write!(
            f,
            "{}: {routers} routers, {compared} routes and neighbours expected, settled after {settled:.1?}: ",
            self.name
        )?;
        match self.differences() {
            0 => writeln!(f, "no difference"),
            1 => writeln!(f, "1 difference"),
            count => writeln!(f, "{count} differences"),
        }
    }
}
