//! Adjacencies come up, and end.

use std::time::Duration;

use super::world::*;
use crate::NeighborState as S;

#[test]
fn two_engines_are_full_within_tens_of_milliseconds() {
    let mut world = World::new(2, &[(0, 1)]);
    let took = world.run_to(Duration::from_secs(1), World::all_full);
    assert!(took <= 20 * DELAY, "{took:?}");
    assert_eq!(
        world.neighbor_events(0),
        [
            (S::Down, S::Init, "HelloReceived"),
            (S::Init, S::ExStart, "2-WayReceived"),
            (S::ExStart, S::Exchange, "NegotiationDone"),
            (S::Exchange, S::Full, "ExchangeDone"),
        ]
    );
    let took = world.run_to(Duration::from_secs(1), |world| world.routes.iter().all(|routes| routes.len() == 1));
    assert!(took <= 60 * DELAY, "{took:?}");
    assert!(world.routes[0].contains_key(&prefix("10.255.0.2/32")));
    assert!(world.routes[1].contains_key(&prefix("10.255.0.1/32")));
}
