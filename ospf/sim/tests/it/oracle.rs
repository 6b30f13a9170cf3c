//! That the check finds what is wrong: a converged network against an oracle of another one.

use std::time::Duration;

use ospf::Instant;
use ospf_sim::{
    Disagreement, Expected, Fault, Findings, GracefulRestart, LinkIndex, Network, Prng, Quality, RouterIndex, Side,
    Timers, Topology, Trouble, disagreements, first_loop,
};

fn converged(topology: Topology) -> Network {
    let mut network = Network::new(topology, Timers::default(), Quality::GOOD, 1, Duration::ZERO);
    network.run_until(Instant::new(Duration::from_secs(30)));
    assert_eq!(disagreements(&network, &Expected::new(network.situation())), Findings::default());
    network
}

#[test]
fn every_changed_cost_of_a_ring_is_noticed() {
    let network = converged(Topology::ring(5));
    for link in 0..5 {
        for side in Side::BOTH {
            let mut other = network.situation().clone();
            other.topology.links[link].end_mut(side).cost += 1;
            let found = disagreements(&network, &Expected::new(&other));
            assert!(
                found.iter().any(|found| matches!(found, Disagreement::Route { .. })),
                "link {link} {side:?}: {found:?}"
            );
        }
    }
}

#[test]
fn a_missing_destination_and_a_missing_stub_network_are_noticed_everywhere_else() {
    let network = converged(Topology::random(6, 3, &mut Prng::new(8)));
    let topology = &network.situation().topology;
    let with_stub = topology.routers.iter().position(|router| !router.stubs.is_empty()).unwrap();
    let with_external = topology.routers.iter().position(|router| !router.externals.is_empty()).unwrap();
    let mut other = network.situation().clone();
    other.topology.routers[with_stub].stubs.clear();
    assert!(!disagreements(&network, &Expected::new(&other)).is_empty());
    let mut other = network.situation().clone();
    other.topology.routers[with_external].externals.clear();
    assert!(!disagreements(&network, &Expected::new(&other)).is_empty());
}

#[test]
fn before_the_news_has_spread_routers_disagree() {
    let mut network = converged(Topology::ring(4));
    network.inflict(Fault::Trouble(LinkIndex(0), Some(Trouble::Cut)));
    let found = disagreements(&network, &Expected::new(network.situation()));
    assert!(found.iter().any(|found| matches!(found, Disagreement::Adjacency { .. })), "{found:?}");
    assert!(found.iter().any(|found| matches!(found, Disagreement::Route { .. })), "{found:?}");
    // The ring's other way round is used by nobody yet, so nothing goes in circles.
    assert_eq!(first_loop(&network, |_| false), None);

    network.run_until(network.now() + Duration::from_secs(30));
    assert_eq!(disagreements(&network, &Expected::new(network.situation())), Findings::default());

    network.inflict(Fault::Stop(RouterIndex(2)));
    network.run_until(network.now() + Duration::from_secs(30));
    assert_eq!(disagreements(&network, &Expected::new(network.situation())), Findings::default());
    network.inflict(Fault::Start(RouterIndex(2)));
    network.run_until(network.now() + Duration::from_secs(30));
    assert_eq!(disagreements(&network, &Expected::new(network.situation())), Findings::default());
}

#[test]
fn a_router_that_stops_for_good_within_a_restart_is_told_of_to_the_end_of_its_grace_period() {
    let mut network = converged(Topology::ring(4));
    let (grace_period, absence) = (Duration::from_secs(20), Duration::from_secs(15));
    let begin = network.now();
    network.inflict(Fault::Restart(RouterIndex(2), GracefulRestart { planned: true, grace_period, absence }));
    network.run_until(begin + Duration::from_secs(5));
    network.inflict(Fault::Stop(RouterIndex(2)));
    network.run_until(begin + Duration::from_secs(18));
    let found = disagreements(&network, &Expected::new(network.situation()));
    let helps = |router| {
        found.iter().any(|found| matches!(found, Disagreement::Helped { router: helper, .. } if *helper == router))
    };
    assert_eq!([0, 1, 3].map(|router| helps(RouterIndex(router))), [false, true, true], "{found}");
    network.run_until(begin + grace_period + Duration::from_secs(5));
    assert_eq!(disagreements(&network, &Expected::new(network.situation())), Findings::default());
}
