//! A route that weft installs never captures the tunnels' own packets.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::harness::lab::Lab;
use crate::harness::mesh;
use crate::harness::ping::{INTERVAL, Stream};
use crate::harness::wait::eventually;

const SETTLED: Duration = Duration::from_secs(20);

/// Longer than the triangle's dead interval: captured tunnels would be lost within it.
const HOLD: Duration = Duration::from_secs(8);

/// Nobody's address: only the default route leads there.
const ELSEWHERE: &str = "198.18.0.1";

#[test]
fn a_default_route_from_another_site_does_not_capture_the_tunnels() -> Result<()> {
    let text = mesh::triangle("t-default").replace("[\"10.2.0.0/16\"]", "[\"10.2.0.0/16\", \"0.0.0.0/0\"]");
    let lab = Lab::up("t-default", &text)?;
    eventually("the way elsewhere through osaka", SETTLED, || {
        Ok(lab.ip("taipei", &format!("route get {ELSEWHERE}"))?.contains("dev wg-osaka ").then_some(()))
    })?;
    let seoul = lab.lan_host("seoul")?;
    lab.await_ping("taipei-lan", seoul, SETTLED)?;
    let stream = Stream::start(&lab.netns("taipei-lan"), seoul)?;
    let enough = usize::try_from(HOLD.as_millis() / INTERVAL.as_millis())?;
    eventually("the hold to pass", HOLD + SETTLED, || Ok((stream.answered_since(0) >= enough).then_some(())))?;
    let count = stream.finish()?;
    ensure!(count.lost() == 0, "{count:?}");
    lab.await_full()?;
    ensure!(
        lab.ip("taipei", &format!("route get {ELSEWHERE}"))?.contains("dev wg-osaka "),
        "the way elsewhere is lost"
    );
    lab.down()
}
