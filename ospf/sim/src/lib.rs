//! Simulates many OSPF engines on one virtual clock, over links that delay, lose, duplicate and reorder packets and that fail, all from one
//! seed.
//!
//! The result of every run is compared with an oracle, which calculates shortest paths without any OSPF. A run with changes of the
//! configuration, not-so-stubby areas or virtual links is also compared with a reference network, which never had a fault. Topology cases
//! in files (`case`) are compared with the results of another implementation.
//!
//! A `Recipe` is a run in the form of a command line. A `Sweep` derives one from each seed of a range, runs all of them, and prints the
//! command line of each run that fails, and of a smaller run that fails in the same way.

mod case;
mod change;
mod check;
mod excuse;
mod expected;
mod fault;
mod finding;
pub mod fuzz;
mod keys;
mod link;
pub mod model;
mod network;
mod oracle;
mod own_lsas;
mod prng;
mod queue;
mod recipe;
mod reference;
mod router;
mod scenario;
mod situation;
mod sweep;
mod told;
mod topology;
mod trace;
mod turn;

pub use case::{
    CaseError, CaseNeighbor, CaseReport, CaseRoute, CaseRouteKind, Difference, Hop, Hops, RouterReport, case_packets,
    run_case,
};
pub use change::Change;
pub use check::{Progress, disagreements, first_loop};
pub use expected::Expected;
pub use fault::{Fault, FurtherFaults, GracefulRestart};
pub use finding::{Disagreement, Findings, Instance, MAX_KEPT, Subject};
pub use keys::KeyRollover;
pub use link::{Arrival, HOLD, Quality};
pub use network::{Counts, MAX_VIOLATIONS, Network};
pub use oracle::Oracle;
pub use prng::{NotAProbability, Prng, Probability};
pub use recipe::{Deviations, FirstArea, GridSize, KeySequence, NetworkCommand, Numbers, Options, Recipe, Shape};
pub use router::{IP_HEADER_LEN, MTU, Timers};
pub use scenario::{
    Aftermath, Afterwards, CONVERGENCE_BOUND, Cause, Failure, FailureKind, Inflicted, Phase, QUIET, Report, Scenario,
};
pub use situation::{Situation, Trouble};
pub use sweep::{Class, Kind, Outcome, Sweep, SweepFailure, SweepReport, derive};
pub use topology::{
    Discovery, End, Lan, LanEnd, LanIndex, LanNetwork, Link, LinkIndex, MAX_IDS, MAX_LANS, MAX_LINKS, MAX_ROUTERS,
    Numbering, Pace, Router, RouterIndex, Side, Topology, VirtualLink, stub_interface, virtual_interface,
};
