//! Broadcast networks: elections, and who becomes adjacent to whom.

use anyhow::Result;

use crate::harness::net::live::{Network, SETTLED};
use crate::harness::net::plan::{Medium, Plan, Segment, Speaker};
use crate::harness::speaker::Role::{self, Backup, Designated, Other};

use Speaker::{Bird, Frr, Weft};

#[test]
fn weft_is_designated_router_and_frr_its_backup() -> Result<()> {
    priorities_decide("t-lan1", [Weft, Frr, Bird], Frr)
}

#[test]
fn weft_is_backup_of_bird() -> Result<()> {
    priorities_decide("t-lan2", [Bird, Weft, Frr], Frr)
}

#[test]
fn weft_is_neither_beside_frr_and_bird_and_stays_2_way_with_another() -> Result<()> {
    priorities_decide("t-lan3", [Frr, Bird, Weft], Bird)
}

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

/// A LAN of four, priorities falling in the order of `speakers`; the last one has the least.
fn priorities_decide(name: &'static str, speakers: [Speaker; 3], last: Speaker) -> Result<()> {
    let [first, second, third] = speakers.map(Speaker::name);
    let plan = Plan::new(name)
        .speakers(speakers)
        .router("fourth", last)
        .segment(
            Segment::new("lan", 1, Medium::Broadcast, &[first, second, third, "fourth"]).priorities(&[200, 100, 3, 0]),
        )
        .stub(first, 0, 10)
        .stub(second, 0, 5)
        .stub(third, 0, 1)
        .stub("fourth", 0, 10);
    let network = Network::start(plan)?;
    let roles: [(&str, Role); 4] = [(first, Designated), (second, Backup), (third, Other), ("fourth", Other)];
    network.await_roles("lan", &roles)?;
    network.await_routes(SETTLED)?;
    network.await_ping("fourth", "10.4.0.1", "10.1.0.1")?;
    network.finish()
}
