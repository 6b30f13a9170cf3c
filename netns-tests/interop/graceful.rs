//! Graceful restart (RFC 3623): each implementation restarts, the others help, and no packet through it is lost.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::harness::net::live::{Network, SETTLED};
use crate::harness::net::plan::{Medium, Plan, Segment, Speaker};
use crate::harness::ping::{INTERVAL, Stream};
use crate::harness::wait::eventually;

use Speaker::{Bird, Frr, Weft};

/// Longer than the dead interval: a restarter that is not helped is given up within it.
const AWAY: Duration = Duration::from_secs(6);

/// After the restarter's return: its exchange, the end of its grace, and whatever an adjacency made anew would break.
const AFTER: Duration = Duration::from_secs(6);

/// What the restarter's return may cost.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Return {
    Seamless,
    /// BIRD 2.0's first Router-LSA after its grace lacks the links that it adds a second later.
    Bumpy,
}

#[test]
fn weft_helps_frr_through_a_restart() -> Result<()> {
    restarts("t-gr1", [Frr, Weft, Bird], Return::Seamless)
}

#[test]
fn weft_helps_bird_through_a_restart() -> Result<()> {
    restarts("t-gr2", [Bird, Weft, Frr], Return::Bumpy)
}

#[test]
fn frr_and_bird_help_weft_through_a_restart() -> Result<()> {
    restarts("t-gr3", [Weft, Frr, Bird], Return::Seamless)
}

/// A chain with the restarter in the middle, and packets from end to end all the while.
fn restarts(name: &'static str, speakers: [Speaker; 3], back: Return) -> Result<()> {
    let [middle, left, right] = speakers.map(Speaker::name);
    let plan = Plan::new(name)
        .speakers(speakers)
        .segment(Segment::new("left", 1, Medium::Broadcast, &[middle, left]))
        .segment(Segment::new("right", 2, Medium::PointToPoint, &[middle, right]))
        .stub(left, 0, 10)
        .stub(right, 0, 10)
        .with_graceful_restart();
    let mut network = Network::start(plan)?;
    network.await_full()?;
    network.await_routes(SETTLED)?;
    network.await_ping(left, "10.0.1.2", "10.3.0.1")?;

    let netns = network.netns(left).to_owned();
    let stream = || Stream::start(&netns, "10.3.0.1".parse()?);
    let mut packets = stream()?;
    network.await_acknowledged()?;
    network.stop_gracefully(middle)?;
    await_answers(&packets, AWAY)?;
    if back == Return::Bumpy {
        nothing_lost(std::mem::replace(&mut packets, stream()?))?;
    }
    network.restart(middle)?;
    network.await_full()?;
    network.await_routes(SETTLED)?;
    await_answers(&packets, AFTER)?;
    if back == Return::Seamless {
        nothing_lost(packets)?;
    }
    network.await_routes(SETTLED)?;
    network.finish()
}

fn nothing_lost(packets: Stream) -> Result<()> {
    let count = packets.finish()?;
    ensure!(count.lost() == 0, "{count:?}");
    Ok(())
}

/// Until as many more pings are answered as there are in `time`.
fn await_answers(stream: &Stream, time: Duration) -> Result<()> {
    let from = stream.sent();
    let enough = usize::try_from(time.as_millis() / INTERVAL.as_millis())?;
    eventually("pings to be answered", time + SETTLED, || Ok((stream.answered_since(from) >= enough).then_some(())))
}
