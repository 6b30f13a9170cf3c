//! Topology cases: files with a network, and the state to which each of its routers must converge.

mod build;
mod compare;
mod expected;
mod file;
mod lab;
mod run;

pub use compare::{Difference, RouterReport};
pub use expected::{CaseNeighbor, CaseRoute, CaseRouteKind, Hop, Hops};
pub use file::CaseError;
pub use run::{CaseReport, case_packets, run_case};
