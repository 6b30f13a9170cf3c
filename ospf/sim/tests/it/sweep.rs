//! Seeds that nobody has chosen: each decides a network, disturbances and faults, and every one of them has to converge.

use std::collections::BTreeSet;

use ospf_sim::Sweep;

/// What this proves: two thousand networks of every kind that the sweep knows, over links of every quality and through faults of every
/// kind, come to equal databases and to the oracle's routes, and then stay so. A failure prints the command line that repeats it.
#[test]
fn every_one_of_two_thousand_seeds_converges() {
    let sweep = Sweep { seeds: 0..2000, only: BTreeSet::new(), minimise: 20, threads: None };
    let report = sweep.run(|failure| println!("{failure}"));
    assert_eq!(report.runs, 2000);
    assert!(report.failures.is_empty(), "{report}");
}
