//! Graceful restart (RFC 3623): each implementation restarts, the others help, and no packet through it is lost.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::harness::net::live::{Network, SETTLED};
use crate::harness::net::plan::AreaKind::{Normal, Nssa, TotallyNssa};
use crate::harness::net::plan::{AreaKind, Medium, Metric, Plan, Segment, Speaker};
use crate::harness::ping::{INTERVAL, Stream};
use crate::harness::process::{Background, command};
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

#[test]
fn frr_and_bird_keep_their_routes_while_weft_restarts_between_two_areas() -> Result<()> {
    restarts_between_areas("t-gr4", Normal)
}

#[test]
fn frr_keeps_what_weft_translates_for_it_while_weft_restarts() -> Result<()> {
    restarts_between_areas("t-gr5", Nssa)
}

#[test]
fn bird_keeps_its_default_route_while_weft_restarts() -> Result<()> {
    restarts_between_areas("t-gr6", TotallyNssa)
}

/// FRR in the backbone and BIRD in an area of this kind, which brings something in; weft between them restarts (RFC 3623 §2.3).
fn restarts_between_areas(name: &'static str, kind: AreaKind) -> Result<()> {
    let plan = Plan::new(name)
        .speakers([Weft, Frr, Bird])
        .segment(Segment::new("left", 1, Medium::PointToPoint, &["weft", "frr"]))
        .segment(Segment::new("right", 2, Medium::PointToPoint, &["weft", "bird"]).in_area(1))
        .area(1, kind)
        .stub("frr", 0, 10)
        .stub("bird", 1, 10)
        .external("bird", "10.77.1.0/24", Metric::Type2(20), 7)
        .with_graceful_restart();
    let mut network = Network::start(plan)?;
    network.await_full()?;
    network.await_routes(SETTLED)?;
    network.await_ping("frr", "10.0.1.2", "10.3.0.1")?;
    let dir = tempfile::tempdir()?;
    let watch = |router: &'static str| {
        let line = format!("ip -netns {} -4 monitor route", network.netns(router));
        Background::start(router, command(&line), dir.path())
    };
    let watches = [watch("frr")?, watch("bird")?];
    let packets = Stream::start(network.netns("frr"), "10.3.0.1".parse()?)?;
    network.await_acknowledged()?;
    network.stop_gracefully("weft")?;
    await_answers(&packets, AWAY)?;
    network.restart("weft")?;
    network.await_full()?;
    network.await_routes(SETTLED)?;
    await_answers(&packets, AFTER)?;
    for watch in watches {
        let changes = watch.output()?;
        let lost: Vec<&str> = changes.lines().filter(|line| line.starts_with("Deleted")).collect();
        ensure!(lost.is_empty(), "routes were gone for a while: {lost:#?}");
    }
    nothing_lost(packets)?;
    network.finish()
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
