//! Areas: each implementation as border router and inside, areas of all kinds, virtual links.

use anyhow::Result;

use crate::harness::net::live::{Network, SETTLED};
use crate::harness::net::plan::Metric::{Type1, Type2};
use crate::harness::net::plan::{Medium, Plan, Segment, Speaker};

use Speaker::{Bird, Frr, Weft};

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
