//! Broadcast networks: elections, and who becomes adjacent to whom.

use anyhow::Result;

use crate::harness::net::live::{Network, SETTLED};
use crate::harness::net::plan::{Medium, Plan, Segment, Speaker};
use crate::harness::speaker::Role::{Backup, Designated, Other};

use Speaker::{Bird, Frr};

/// The harness itself: two other implementations agree with its oracle.
#[test]
fn frr_and_bird_agree_with_the_oracle() -> Result<()> {
    let plan = Plan::new("t-frrbird")
        .speakers([Frr, Bird])
        .router("frr2", Frr)
        .segment(Segment::new("lan", 1, Medium::Broadcast, &["frr", "bird", "frr2"]).priorities(&[3, 2, 1]))
        .segment(Segment::new("wire", 2, Medium::PointToPoint, &["bird", "frr2"]).cost("bird", 7))
        .stub("frr", 0, 10)
        .stub("bird", 0, 5)
        .stub("frr2", 0, 10);
    let network = Network::start(plan)?;
    network.await_roles("lan", &[("frr", Designated), ("bird", Backup), ("frr2", Other)])?;
    network.await_routes(SETTLED)?;
    network.finish()
}
