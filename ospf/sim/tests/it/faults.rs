//! Networks in which links and routers fail and come back, costs and destinations change.

use std::time::Duration;

use ospf_sim::{Aftermath, Afterwards, Cause, Prng, Scenario, Timers, Topology};

use crate::{hostile, lossy, run, scenario};

fn after_faults(topology: Topology, seed: u64) -> Scenario {
    Scenario { faults_for: Duration::from_secs(40), ..scenario(topology, hostile(), seed) }
}

#[test]
fn random_networks_converge_after_everything_was_healed() {
    for seed in 100..112 {
        let topology = Topology::random(8, 6, &mut Prng::new(seed));
        let report = run(&after_faults(topology, seed));
        assert!(report.faults > 0);
    }
}

#[test]
fn what_is_left_of_a_network_converges_though_nothing_was_healed() {
    for seed in 200..212 {
        let topology = Topology::random(8, 6, &mut Prng::new(seed));
        run(&Scenario { aftermath: Aftermath::Broken, ..after_faults(topology, seed) });
    }
}

#[test]
fn a_mesh_and_a_grid_converge_after_faults_every_tenth_of_a_second() {
    for topology in [Topology::mesh(6), Topology::grid(4, 3)] {
        let often = Scenario { fault_every: Duration::from_millis(100), ..after_faults(topology, 7) };
        let report = run(&often);
        assert!(report.faults > 100, "{report:?}");
    }
}

#[test]
fn all_routers_of_a_mesh_may_start_at_once() {
    run(&Scenario { start_within: Duration::ZERO, ..scenario(Topology::mesh(12), lossy(), 3) });
}

#[test]
fn both_halves_of_a_network_converge_and_so_does_the_whole_again() {
    let topologies = [
        Topology::mesh(8),
        Topology::grid(5, 4),
        Topology::random(16, 12, &mut Prng::new(5)),
        Topology::sparse(40, 30, &mut Prng::new(6)),
    ];
    for topology in topologies {
        let report = run(&Scenario { afterwards: Afterwards::Partition, ..scenario(topology, lossy(), 5) });
        let causes: Vec<_> = report.phases.iter().map(|phase| phase.cause).collect();
        assert_eq!(causes, [Cause::Start, Cause::Partition, Cause::Healing]);
        let [_, partition, healing] = report.phases[..] else { panic!("{report:?}") };
        assert!(
            partition.converged_after >= Timers::default().dead,
            "a silent link is noticed after RouterDeadInterval"
        );
        // What was lost comes back, and where packets are lost, an exchange may have to begin once more (SeqNumberMismatch, RFC 2328 §10.6).
        assert!(partition.counts.adjacency_changes <= healing.counts.adjacency_changes, "{report:?}");
        assert!(partition.counts.originations > 0 && healing.counts.originations > 0, "{report:?}");
    }
}
