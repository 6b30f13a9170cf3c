//! Whole networks in virtual time, each held against the oracle. A test that fails prints the seed and the faults.

mod areas;
mod cases;
mod convergence;
mod faults;
mod fuzz;
mod large;
mod model;
mod oracle;
mod regressions;
mod sweep;

use std::time::Duration;

use ospf_sim::{Probability, Quality, Report, Scenario, Topology};

fn probability(value: f64) -> Probability {
    Probability::new(value).expect("within 0 and 1")
}

/// Links that lose a tenth, double and delay some, and change bits.
fn hostile() -> Quality {
    Quality {
        delay: Duration::from_millis(10),
        jitter: Duration::from_millis(10),
        loss: probability(0.1),
        duplication: probability(0.05),
        reordering: probability(0.05),
        corruption: probability(0.01),
    }
}

/// Links that lose a tenth and do nothing else wrong.
fn lossy() -> Quality {
    Quality {
        delay: Duration::from_millis(10),
        jitter: Duration::from_millis(5),
        loss: probability(0.1),
        ..Quality::GOOD
    }
}

/// A network over such links, whose routers start within a second.
fn scenario(topology: Topology, quality: Quality, seed: u64) -> Scenario {
    Scenario { quality, start_within: Duration::from_secs(1), ..Scenario::new(topology, seed) }
}

fn run(scenario: &Scenario) -> Report {
    scenario.run().unwrap_or_else(|failure| panic!("{failure}"))
}
