//! Interfaces whose MTUs differ.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::harness::net::live::{Network, SETTLED};
use crate::harness::net::plan::{Medium, Plan, Segment, Speaker};
use crate::harness::wait::eventually;

use Speaker::{Bird, Frr, Weft};

/// Name of the refusal in weft's counters (RFC 2328 §10.6).
const REFUSAL: &str = "mtu-mismatch";

#[test]
fn a_larger_mtu_at_the_other_end_is_refused_by_name_until_it_is_mended() -> Result<()> {
    let plan = Plan::new("t-mtu")
        .speakers([Weft, Frr, Bird])
        .segment(Segment::new("wf", 1, Medium::PointToPoint, &["weft", "frr"]).mtu("weft", 1400))
        .segment(Segment::new("wb", 2, Medium::PointToPoint, &["weft", "bird"]).mtu("weft", 1400));
    let network = Network::start(plan)?;
    for interface in ["wf", "wb"] {
        eventually(&format!("a refusal on {interface}"), SETTLED, || {
            let shown: Value = serde_json::from_str(&network.daemon("weft").ask("show interfaces --json")?)?;
            let entry = shown.as_array().and_then(|all| all.iter().find(|entry| entry["interface"] == interface));
            let refused = entry.context("the interface")?["refused"].as_object().context("its refusals")?;
            ensure!(refused.get(REFUSAL).and_then(Value::as_u64) > Some(0), "{refused:?}");
            Ok(Some(()))
        })?;
    }
    for neighbor in network.daemon("weft").neighbors()? {
        ensure!(neighbor.state != "Full", "{neighbor:?}");
    }
    // The log says it too.
    let log = network.daemon("weft").log()?;
    ensure!(log.contains(REFUSAL), "{log}");
    for interface in ["wf", "wb"] {
        network.ip("weft", &format!("link set {interface} mtu 1500"))?;
    }
    network.await_full()?;
    network.await_routes(SETTLED)?;
    network.finish()
}
