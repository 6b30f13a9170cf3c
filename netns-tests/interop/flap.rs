//! Links that go and come back sooner than routes are calculated.

use anyhow::{Context, Result, ensure};

use crate::harness::net::kernel::kernel_routes;
use crate::harness::net::live::{Network, SETTLED};
use crate::harness::net::plan::{Medium, Plan, Segment, Speaker};
use crate::harness::wait::eventually;

use Speaker::{Bird, Frr, Weft};

/// How long weft puts a calculation off, seconds: longer than the flaps take, with an adjacency that comes back.
const SPF_DELAY: u8 = 10;

/// What takes a link away from weft, and what brings it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flap {
    /// The wire: the kernel has the ways through it out of use.
    Carrier,
    /// The interface: the kernel deletes routes that have no other way, without a word.
    Interface,
}

/// A square, as in `links`. By the routes that weft has computed nothing has happened: only the kernel lost something.
#[test]
fn corner_case_32_ways_that_a_flap_took_from_the_kernel_are_back_before_routes_are_calculated() -> Result<()> {
    let wire = |name, number, ends| Segment::new(name, number, Medium::PointToPoint, ends);
    let plan = Plan::new("t-flap")
        .speakers([Weft, Frr, Bird])
        .router("far", Frr)
        .segment(wire("wf", 1, &["weft", "frr"]))
        .segment(wire("wb", 2, &["weft", "bird"]))
        .segment(wire("ff", 3, &["frr", "far"]))
        .segment(wire("bf", 4, &["bird", "far"]))
        .stub("frr", 0, 10)
        .stub("bird", 0, 10)
        .stub("far", 0, 10)
        .spf_delay(SPF_DELAY);
    let network = Network::start(plan)?;
    for flap in [Flap::Carrier, Flap::Interface] {
        network.await_full()?;
        network.await_routes(SETTLED)?;
        let before = eventually("nothing to calculate", SETTLED, || {
            let spf = network.json("weft", "show spf")?;
            Ok(if spf["due_in_s"].is_null() { Some(runs(&spf)?) } else { None })
        })?;
        for is_on in [false, true] {
            match flap {
                Flap::Carrier => network.switch_port("wf", "weft", is_on)?,
                Flap::Interface => {
                    network.ip("weft", &format!("link set wf {}", if is_on { "up" } else { "down" })).map(drop)?;
                }
            }
            if !is_on {
                eventually(&format!("{flap:?} to take the ways through it"), SETTLED, || {
                    let routes = kernel_routes(network.netns("weft"))?;
                    Ok(routes.values().flatten().all(|(_, interface)| interface != "wf").then_some(()))
                })?;
            }
        }
        network.await_routes_of("weft", SETTLED)?;
        let after = runs(&network.json("weft", "show spf")?)?;
        ensure!(after == before, "{flap:?}: routes were calculated {} times meanwhile", after - before);
    }
    network.finish()
}

fn runs(spf: &serde_json::Value) -> Result<u64> {
    spf["runs"].as_u64().with_context(|| format!("runs in {spf}"))
}
