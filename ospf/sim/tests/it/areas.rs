//! Networks of several areas with LANs and border routers.

use std::time::Duration;

use ospf_sim::{Aftermath, Prng, Scenario, Topology};

use crate::{hostile, lossy, run, scenario};

fn topology(seed: u64) -> Topology {
    Topology::areas(4, 2, 3, &mut Prng::new(seed))
}

fn after_faults(seed: u64) -> Scenario {
    Scenario { faults_for: Duration::from_secs(40), ..scenario(topology(seed), hostile(), seed) }
}

#[test]
fn networks_of_areas_and_lans_converge() {
    for seed in 0..12 {
        run(&scenario(topology(seed), lossy(), seed));
    }
}

#[test]
fn networks_of_areas_and_lans_converge_after_everything_was_healed() {
    for seed in 300..312 {
        assert!(run(&after_faults(seed)).faults > 0);
    }
}

#[test]
fn what_is_left_of_areas_and_lans_converges_though_nothing_was_healed() {
    for seed in 400..412 {
        run(&Scenario { aftermath: Aftermath::Broken, ..after_faults(seed) });
    }
}

#[test]
fn a_router_without_its_backbone_uses_equally_long_ways_through_several_areas() {
    let topology = Topology::areas(5, 3, 2, &mut Prng::new(218));
    let broken = Scenario { faults_for: Duration::from_secs(40), ..scenario(topology, hostile(), 218) };
    run(&Scenario { aftermath: Aftermath::Broken, ..broken });
}
