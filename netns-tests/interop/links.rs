//! Network types other than broadcast.

use anyhow::Result;

use crate::harness::net::live::{Network, SETTLED};
use crate::harness::net::plan::{Medium, Plan, Segment, Speaker};

use Speaker::{Bird, Frr, Weft};

/// A square: each pair of opposite corners has two equal ways to each other.
#[test]
fn point_to_point_links_give_both_equal_ways_around_a_square() -> Result<()> {
    let wire = |name, number, ends| Segment::new(name, number, Medium::PointToPoint, ends);
    let plan = Plan::new("t-p2p")
        .speakers([Weft, Frr, Bird])
        .router("far", Frr)
        .segment(wire("wf", 1, &["weft", "frr"]))
        .segment(wire("wb", 2, &["weft", "bird"]))
        .segment(wire("ff", 3, &["frr", "far"]))
        .segment(wire("bf", 4, &["bird", "far"]))
        .stub("weft", 0, 3)
        .stub("frr", 0, 10)
        .stub("bird", 0, 10)
        .stub("far", 0, 10);
    let network = Network::start(plan)?;
    network.await_routes(SETTLED)?;
    network.await_full()?;
    network.await_ping("weft", "10.1.0.1", "10.4.0.1")?;
    network.finish()
}
