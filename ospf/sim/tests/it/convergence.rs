//! Networks that nothing happens to, except what happens to packets.

use std::time::Duration;

use ospf_sim::{Prng, Quality, Scenario, Timers, Topology};

use crate::{hostile, lossy, run, scenario};

#[test]
fn a_triangle_on_good_links_converges_within_two_seconds() {
    let report = run(&Scenario::new(Topology::ring(3), 1));
    assert!(report.converged_after() <= Duration::from_secs(2), "{report:?}");
    assert_eq!(report.counts.adjacency_changes, 6, "each end of each link becomes Full once");
}

#[test]
fn small_networks_converge_over_hostile_links() {
    for seed in 0..3 {
        for topology in [Topology::ring(3), Topology::ring(8), Topology::mesh(10), Topology::grid(4, 4)] {
            run(&scenario(topology, hostile(), seed));
        }
    }
}

#[test]
fn a_router_alone_and_a_pair_with_two_links_converge() {
    run(&scenario(Topology::mesh(1), lossy(), 1));
    run(&scenario(Topology::ring(2), lossy(), 1));
}

#[test]
fn random_networks_with_unequal_costs_and_shared_destinations_converge_over_hostile_links() {
    for seed in 0..15 {
        let topology = Topology::random(12, 10, &mut Prng::new(seed));
        run(&scenario(topology, hostile(), seed));
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let trace = |seed| {
        let scenario =
            Scenario { faults_for: Duration::from_secs(20), ..scenario(Topology::grid(3, 3), hostile(), seed) };
        run(&scenario)
    };
    assert_eq!(trace(11), trace(11));
    assert_ne!(trace(11).trace, trace(12).trace);
}

#[test]
fn nothing_changes_while_all_lsas_are_refreshed_and_none_grows_old() {
    // LSRefreshTime is 1800 s and MaxAge 3600 s: every LSA is originated anew at least twice meanwhile.
    let timers = Timers { hello: Duration::from_secs(10), dead: Duration::from_secs(100), ..Timers::default() };
    let quality = Quality { loss: lossy().loss, ..Quality::GOOD };
    let quiet = Duration::from_secs(4000);
    run(&Scenario { timers, quiet, ..scenario(Topology::ring(4), quality, 5) });
}
