//! Authentication.

use anyhow::Result;

use crate::harness::net::live::{Network, SETTLED};
use crate::harness::net::plan::{Auth, Medium, Plan, Segment, Speaker};

use Speaker::{Bird, Frr, Weft};

#[test]
fn md5_simple_passwords_and_hmac_sha_256_are_understood_both_ways() -> Result<()> {
    let plan = Plan::new("t-auth")
        .speakers([Weft, Frr, Bird])
        .segment(Segment::new("md5", 1, Medium::Broadcast, &["weft", "frr", "bird"]).auth(Auth::Md5))
        .segment(Segment::new("simple", 2, Medium::PointToPoint, &["weft", "frr"]).auth(Auth::Simple).cost("weft", 5))
        .segment(
            Segment::new("hmac", 3, Medium::PointToPoint, &["weft", "bird"]).auth(Auth::HmacSha256).cost("weft", 5),
        )
        .stub("weft", 0, 10)
        .stub("frr", 0, 10)
        .stub("bird", 0, 10);
    let network = Network::start(plan)?;
    network.await_full()?;
    network.await_routes(SETTLED)?;
    network.finish()
}
