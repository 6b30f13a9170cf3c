//! Interfaces whose MTUs differ, and messages about interfaces that only look like it.

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::harness::capture::Capture;
use crate::harness::net::live::{Network, SETTLED};
use crate::harness::net::plan::{Medium, Plan, Segment, Speaker};
use crate::harness::wait::eventually;

use Speaker::{Bird, Frr, Weft};

/// Name of the refusal in weft's counters (RFC 2328 §10.6).
const REFUSAL: &str = "mtu-mismatch";

/// What others do to an interface without a change of its MTU: each is a message about the link.
const DISTURBANCES: [&str; 6] =
    ["promisc on", "promisc off", "allmulticast on", "txqueuelen 500", "alias wire", "group 7"];

#[test]
fn corner_case_17_a_larger_mtu_is_refused_by_name_until_it_is_mended_unless_it_is_ignored() -> Result<()> {
    let wire = |name, number, far| Segment::new(name, number, Medium::PointToPoint, &["weft", far]).mtu("weft", 1400);
    let plan = Plan::new("t-mtu")
        .speakers([Weft, Frr, Bird])
        .router("frr2", Frr)
        .segment(wire("wf", 1, "frr"))
        .segment(wire("wb", 2, "bird"))
        // Not with BIRD, which refuses smaller MTUs than its own, too.
        .segment(wire("ignored", 3, "frr2").mtu_ignore("weft"));
    let network = Network::start(plan)?;
    for interface in ["wf", "wb"] {
        eventually(&format!("a refusal on {interface}"), SETTLED, || {
            let refused = &network.interface("weft", interface)?["refused"];
            ensure!(refused[REFUSAL].as_u64() > Some(0), "{refused}");
            Ok(Some(()))
        })?;
    }
    eventually("an adjacency where it is ignored", SETTLED, || {
        Ok((network.interface("weft", "ignored")?["full"] == 1).then_some(()))
    })?;
    for neighbor in network.daemon("weft").neighbors()? {
        ensure!((neighbor.state == "Full") == (neighbor.interface == "ignored"), "{neighbor:?}");
    }
    let log = network.daemon("weft").log()?;
    ensure!(log.contains(REFUSAL), "{log}");
    for interface in ["wf", "wb"] {
        network.ip("weft", &format!("link set {interface} mtu 1500"))?;
    }
    network.await_full()?;
    network.await_routes(SETTLED)?;
    network.finish()
}

#[test]
fn corner_case_17_neither_a_packet_capture_nor_a_late_change_of_the_mtu_costs_an_adjacency() -> Result<()> {
    let wire = |name, number, far| Segment::new(name, number, Medium::PointToPoint, &["weft", far]);
    let plan = Plan::new("t-link17")
        .speakers([Weft, Frr, Bird])
        .segment(wire("wf", 1, "frr"))
        .segment(wire("wb", 2, "bird"))
        .stub("frr", 0, 10)
        .stub("bird", 0, 10);
    let network = Network::start(plan)?;
    network.await_full()?;
    network.await_routes(SETTLED)?;
    let full = Instant::now();
    for interface in ["wf", "wb"] {
        for disturbance in DISTURBANCES {
            network.ip("weft", &format!("link set {interface} {disturbance}"))?;
        }
        // tcpdump makes it promiscuous while it runs.
        drop(Capture::start(network.netns("weft"), interface, "ip proto 89")?);
        // Below the other end's: no Database Description is under way that would tell of it. Messages come in their order: who
        // knows of this one has heard of the others.
        network.ip("weft", &format!("link set {interface} mtu 1400"))?;
        eventually("weft to know the MTU", SETTLED, || {
            Ok((network.interface("weft", interface)?["mtu"] == 1400).then_some(()))
        })?;
    }
    network.await_hellos("weft", &["wf", "wb"])?;
    network.ensure_unbroken_since(full)?;
    network.await_routes(SETTLED)?;
    network.finish()
}
