//! Growing a mesh that is at work.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::harness::lab::Lab;
use crate::harness::mesh;
use crate::harness::ping::Stream;

const SETTLED: Duration = Duration::from_secs(20);

#[test]
fn a_fourth_site_joins_without_a_packet_lost_between_old_ones() -> Result<()> {
    let three = mesh::triangle("t-join");
    let mut lab = Lab::up("t-join", &three)?;
    let osaka = lab.lan_host("osaka")?;
    lab.await_ping("taipei-lan", osaka, SETTLED)?;
    let pids: Vec<_> = ["taipei", "osaka"].iter().map(|site| lab.daemon(site)).collect::<Result<_>>()?;

    let stream = Stream::start(&lab.netns("taipei-lan"), osaka)?;
    lab.change(&mesh::with_site(&three, "busan", 4))?;
    lab.await_full()?;
    lab.await_ping("taipei-lan", lab.lan_host("busan")?, SETTLED)?;
    lab.await_ping("busan-lan", osaka, SETTLED)?;
    let count = stream.finish()?;

    ensure!(count.lost() == 0, "a ping between two old sites: {count:?}");
    let after: Vec<_> = ["taipei", "osaka"].iter().map(|site| lab.daemon(site)).collect::<Result<_>>()?;
    ensure!(pids == after, "daemons were replaced, not told: {pids:?} {after:?}");

    // And leaves again.
    lab.change(&three)?;
    crate::harness::wait::eventually("the tunnel to busan to be gone", SETTLED, || {
        Ok((!lab.tunnels("taipei")?.iter().any(|name| name == "wg-busan")).then_some(()))
    })?;
    lab.down()
}
