//! Network types other than broadcast.

use anyhow::Result;

use crate::harness::net::live::{Network, SETTLED};
use crate::harness::net::plan::{Medium, Plan, Segment, Speaker};
use crate::harness::speaker::Role::{Backup, Designated, Other};

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

#[test]
fn weft_is_the_hub_of_a_point_to_multipoint_network() -> Result<()> {
    point_to_multipoint("t-ptmp1", Weft, [Frr, Bird])
}

#[test]
fn weft_is_a_spoke_of_a_point_to_multipoint_network_around_frr() -> Result<()> {
    point_to_multipoint("t-ptmp2", Frr, [Weft, Frr])
}

#[test]
fn weft_is_a_spoke_of_a_point_to_multipoint_network_around_bird() -> Result<()> {
    point_to_multipoint("t-ptmp3", Bird, [Weft, Bird])
}

#[test]
fn weft_is_designated_router_where_there_is_no_multicast() -> Result<()> {
    non_broadcast("t-nbma1", [Weft, Frr, Bird])
}

#[test]
fn weft_is_backup_of_frr_where_there_is_no_multicast() -> Result<()> {
    non_broadcast("t-nbma2", [Frr, Weft, Bird])
}

#[test]
fn weft_is_neither_where_there_is_no_multicast() -> Result<()> {
    non_broadcast("t-nbma3", [Bird, Frr, Weft])
}

/// The spokes do not hear each other: all they say to each other goes by the hub. FRR 8.4 and BIRD 2.0 never meet here:
/// the one sends hellos to a multicast group that the other does not join.
fn point_to_multipoint(name: &'static str, hub: Speaker, spokes: [Speaker; 2]) -> Result<()> {
    let [one, other] = spokes;
    let plan = Plan::new(name)
        .router("hub", hub)
        .router("one", one)
        .router("other", other)
        .segment(
            Segment::new("cloud", 1, Medium::PointToMultipoint, &["hub", "one", "other"]).hub("hub").cost("one", 20),
        )
        .stub("hub", 0, 10)
        .stub("one", 0, 10)
        .stub("other", 0, 10);
    let network = Network::start(plan)?;
    network.await_routes(SETTLED)?;
    network.await_full()?;
    network.await_ping("one", "10.2.0.1", "10.3.0.1")?;
    network.finish()
}

/// The segment carries no multicast at all.
fn non_broadcast(name: &'static str, speakers: [Speaker; 3]) -> Result<()> {
    let [first, second, third] = speakers.map(Speaker::name);
    let plan = Plan::new(name)
        .speakers(speakers)
        .segment(Segment::new("cloud", 1, Medium::NonBroadcast, &[first, second, third]).priorities(&[9, 5, 0]))
        .stub(first, 0, 10)
        .stub(second, 0, 10)
        .stub(third, 0, 10);
    let network = Network::start(plan)?;
    network.await_roles("cloud", &[(first, Designated), (second, Backup), (third, Other)])?;
    network.await_routes(SETTLED)?;
    network.await_ping(third, "10.3.0.1", "10.2.0.1")?;
    network.finish()
}
