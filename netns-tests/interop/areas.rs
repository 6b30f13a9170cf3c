//! Areas: each implementation as border router and inside, areas of all kinds, virtual links.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};

use crate::harness::net::auth::Auth;
use crate::harness::net::live::{Network, SETTLED};
use crate::harness::net::plan::AreaKind::{Nssa, Stub, TotallyNssa, TotallyStubby};
use crate::harness::net::plan::Metric::{Type1, Type2};
use crate::harness::net::plan::{BACKBONE, Medium, Plan, Segment, Speaker, dotted};

use crate::harness::wait::eventually;

use Speaker::{Bird, Frr, Weft};

#[test]
fn weft_is_inside_stub_totally_stubby_and_nssa_areas_that_frr_borders() -> Result<()> {
    around_a_border_router("t-abr2", Frr, [Weft, Weft, Weft, Weft], Bird)
}

#[test]
fn weft_is_inside_stub_totally_stubby_and_nssa_areas_that_bird_borders() -> Result<()> {
    around_a_border_router("t-abr3", Bird, [Weft, Weft, Weft, Weft], Frr)
}

#[test]
fn weft_borders_areas_of_all_kinds_with_frr_in_one_half_and_bird_in_the_other() -> Result<()> {
    around_a_border_router("t-abr4", Weft, [Frr, Bird, Frr, Bird], Frr)
}

#[test]
fn weft_borders_areas_of_all_kinds_with_bird_in_one_half_and_frr_in_the_other() -> Result<()> {
    around_a_border_router("t-abr5", Weft, [Bird, Frr, Bird, Frr], Bird)
}

/// The border router with the higher id translates (RFC 3101 §3.1).
#[test]
fn weft_borders_an_nssa_beside_frr_which_translates() -> Result<()> {
    two_border_routers("t-nssa1", [Weft, Frr], Bird)
}

#[test]
fn weft_translates_for_an_nssa_that_bird_borders_too() -> Result<()> {
    two_border_routers("t-nssa2", [Bird, Weft], Frr)
}

#[test]
fn weft_is_in_the_backbone_behind_border_routers_of_both_kinds() -> Result<()> {
    let plan = Plan::new("t-core")
        .speakers([Weft, Frr, Bird])
        .router("in1", Frr)
        .router("in2", Bird)
        .segment(Segment::new("core", 1, Medium::Broadcast, &["weft", "frr", "bird"]).priorities(&[1, 0, 0]))
        .segment(Segment::new("one", 2, Medium::PointToPoint, &["frr", "in1"]).in_area(1))
        .segment(Segment::new("two", 3, Medium::PointToPoint, &["bird", "in2"]).in_area(2))
        .stub("weft", 0, 10)
        .stub("in1", 1, 10)
        .stub("in2", 2, 10)
        .range(1, "10.4.0.0/16", true)
        .range(2, "10.5.0.0/16", false)
        .external("in1", "10.77.1.0/24", Type1(20), 7)
        .external("weft", "10.77.2.0/24", Type2(30), 8);
    let network = Network::start(plan)?;
    network.await_routes(SETTLED)?;
    network.finish()
}

#[test]
fn virtual_links_join_areas_behind_frr_and_bird_to_the_backbone() -> Result<()> {
    virtual_links("t-vlink1", [Auth::None, Auth::None])
}

#[test]
fn virtual_links_are_authenticated_by_md5() -> Result<()> {
    virtual_links("t-vlink2", [Auth::md5(), Auth::md5()])
}

/// FRR 8.4 has no HMAC-SHA.
#[test]
fn virtual_links_are_authenticated_by_a_password_and_by_hmac_sha_256() -> Result<()> {
    virtual_links("t-vlink3", [Auth::simple(), Auth::hmac_sha_256()])
}

/// Virtual links to FRR and BIRD, each through an area of its own. The area's own packets are not authenticated.
fn virtual_links(name: &'static str, [to_frr, to_bird]: [Auth; 2]) -> Result<()> {
    let wire = |name, number, ends, area| Segment::new(name, number, Medium::Broadcast, ends).in_area(area);
    let plan = Plan::new(name)
        .speakers([Weft, Frr, Bird])
        .router("far1", Bird)
        .router("far2", Frr)
        .segment(wire("one", 1, &["weft", "frr"], 1))
        .segment(wire("two", 2, &["weft", "bird"], 2))
        .segment(wire("three", 3, &["frr", "far1"], 3))
        .segment(wire("four", 4, &["bird", "far2"], 4))
        .virtual_link("weft", "frr", 1)
        .authenticated(to_frr.clone())
        .virtual_link("weft", "bird", 2)
        .authenticated(to_bird.clone())
        .stub("weft", 0, 10)
        .stub("far1", 3, 10)
        .stub("far2", 4, 10);
    let network = Network::start(plan)?;
    network.await_routes(SETTLED)?;
    network.await_ping("far1", "10.4.0.1", "10.5.0.1")?;
    network.switch_port("one", "weft", false)?;
    eventually("weft to know why the link through area 1 is down", SETTLED, || {
        let interfaces = network.json("weft", "show interfaces")?;
        let links = interfaces.as_array().into_iter().flatten().map(|interface| &interface["virtual_link"]);
        let obstacles: BTreeMap<_, _> =
            links.filter_map(|l| Some((l["transit_area"].as_str()?, &l["obstacle"]))).collect();
        ensure!(obstacles["0.0.0.1"] == "no-path" && obstacles["0.0.0.2"].is_null(), "{obstacles:?}");
        Ok(Some(()))
    })?;
    let packets = network.finish_with_packets()?;
    for (segment, auth) in [("one", to_frr), ("two", to_bird)] {
        let (of_link, of_area): (Vec<_>, Vec<_>) =
            packets[segment].iter().partition(|packet| packet.area == dotted(BACKBONE));
        let types: BTreeSet<_> = of_link.iter().map(|packet| packet.kind).collect();
        ensure!(types.len() == 5, "packets of types {types:?} on the virtual link through {segment}");
        for (packets, auth) in [(of_link, auth.auth_type()), (of_area, Auth::None.auth_type())] {
            let other = packets.iter().find(|packet| packet.auth_type != auth);
            ensure!(other.is_none(), "{segment}: {other:?}, not AuType {auth}");
        }
    }
    Ok(())
}

/// A border router between the backbone, where `core` is, and four areas with a router in each. Those in the NSSAs and
/// in the core have externals.
fn around_a_border_router(name: &'static str, border: Speaker, inside: [Speaker; 4], core: Speaker) -> Result<()> {
    let wire = |name, number, end, area| Segment::new(name, number, Medium::PointToPoint, end).in_area(area);
    let [stub, totally, nssa, totally_nssa] = inside;
    let plan = Plan::new(name)
        .router("core", core)
        .router("border", border)
        .router("stub", stub)
        .router("totally", totally)
        .router("nssa", nssa)
        .router("tnssa", totally_nssa)
        .segment(Segment::new("backbone", 1, Medium::Broadcast, &["core", "border"]))
        .segment(wire("one", 2, &["border", "stub"], 1))
        .segment(wire("two", 3, &["border", "totally"], 2))
        .segment(wire("three", 4, &["border", "nssa"], 3))
        .segment(wire("four", 5, &["border", "tnssa"], 4))
        .area(1, Stub)
        .area(2, TotallyStubby)
        .area(3, Nssa)
        .area(4, TotallyNssa)
        .stub("core", 0, 10)
        .stub("stub", 1, 10)
        .stub("totally", 2, 10)
        .stub("nssa", 3, 10)
        .stub("tnssa", 4, 10)
        .external("core", "10.77.1.0/24", Type2(20), 1)
        .external("nssa", "10.77.2.0/24", Type2(20), 2)
        .external("tnssa", "10.77.3.0/24", Type1(20), 3);
    // FRR 8.4 has been seen to keep to itself what it translated while a neighbour in the backbone was in Exchange: neither
    // described nor flooded, though the adjacency went Full. So nothing is there to be translated before.
    let plan = if border == Frr { plan.late_externals() } else { plan };
    let network = Network::start(plan)?;
    network.await_routes(SETTLED)?;
    network.await_full()?;
    network.await_ping("totally", "10.4.0.1", "10.1.0.1")?;
    network.finish()
}

/// Two border routers of an NSSA, whose routers prefer neither: `inside` is as far from the one as from the other.
fn two_border_routers(name: &'static str, borders: [Speaker; 2], inside: Speaker) -> Result<()> {
    let wire = |name, number, ends| Segment::new(name, number, Medium::PointToPoint, ends).in_area(1);
    let [low, high] = borders;
    let plan = Plan::new(name)
        .router("core", Weft)
        .router("low", low)
        .router("high", high)
        .router("inside", inside)
        .segment(Segment::new("backbone", 1, Medium::Broadcast, &["core", "low", "high"]))
        .segment(wire("one", 2, &["low", "inside"]))
        .segment(wire("two", 3, &["high", "inside"]))
        .area(1, Nssa)
        .stub("core", 0, 10)
        .stub("inside", 1, 10)
        .external("core", "10.77.1.0/24", Type2(20), 1)
        .external("inside", "10.77.2.0/24", Type2(20), 2);
    let plan = if borders.contains(&Frr) { plan.late_externals() } else { plan };
    let network = Network::start(plan)?;
    network.await_routes(SETTLED)?;
    network.await_ping("inside", "10.4.0.1", "10.1.0.1")?;
    network.finish()
}
