//! The smallest mesh that has a second way: three sites.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use crate::harness::capture::{Capture, Link};
use crate::harness::lab::Lab;
use crate::harness::mesh;
use crate::harness::ping::Stream;
use crate::harness::wait::eventually;

/// After this WireGuard itself no longer uses a session (its Reject-After-Time, seconds).
const FRESH: u64 = 180;

/// From the first Full to routes everywhere, and other things that take a flood and an SPF.
const SETTLED: Duration = Duration::from_secs(20);

#[test]
fn hosts_behind_three_sites_reach_each_other() -> Result<()> {
    let lab = Lab::up("t-reach", &mesh::triangle("t-reach"))?;
    for (from, to) in [("taipei", "osaka"), ("osaka", "seoul"), ("seoul", "taipei")] {
        lab.await_ping(&format!("{from}-lan"), lab.lan_host(to)?, SETTLED)?;
    }
    for site in ["taipei", "osaka", "seoul"] {
        ensure!(lab.tunnels(site)?.len() == 2, "{site} has the tunnels {:?}", lab.tunnels(site)?);
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let handshakes = lab.run_at(site, "wg show all latest-handshakes")?;
        ensure!(handshakes.lines().count() == 2, "wg show lists at {site}:\n{handshakes}");
        for line in handshakes.lines() {
            let at: u64 = line.split_whitespace().last().context("a time")?.parse()?;
            ensure!(now.saturating_sub(at) < FRESH, "an old handshake at {site}, now {now}:\n{handshakes}");
        }
    }
    lab.down()
}

/// The daemon is killed and started again while the tunnel stays, so that the recording has a whole database exchange.
/// Two sites only: with a third, what one neighbour is asked for the other is not, and floods that cross need no
/// acknowledgment.
#[test]
fn tshark_finds_no_fault_with_ospf_on_a_tunnel() -> Result<()> {
    let lab = Lab::up("t-shark", &mesh::pair("t-shark"))?;
    lab.kill_daemon("taipei")?;
    // Its neighbours must have noticed: a new database exchange follows.
    eventually("osaka to miss taipei", SETTLED, || Ok((!lab.is_full("osaka", "wg-taipei")?).then_some(())))?;
    let mut capture = Capture::start(&lab.netns("osaka"), "wg-taipei", "ip proto 89")?;
    lab.start_what_is_missing()?;
    lab.await_full()?;
    lab.await_ping("taipei-lan", lab.lan_host("osaka")?, SETTLED)?;
    capture.await_all_types(SETTLED)?;
    let packets = capture.finish_ospf(Link::Tunnel)?;
    for ls_type in ["1", "5"] {
        let seen = packets.iter().any(|p| p.kind == 4 && p.ls_types.iter().any(|t| t == ls_type));
        ensure!(seen, "no LSA of type {ls_type} in an update among {packets:?}");
    }
    lab.down()
}

#[test]
fn a_cut_path_is_gone_around_and_used_again_when_it_heals() -> Result<()> {
    let lab = Lab::up("t-cut", &mesh::triangle("t-cut"))?;
    let host = lab.lan_host("osaka")?;
    lab.await_ping("taipei-lan", host, SETTLED)?;
    let stream = Stream::start(&lab.netns("taipei-lan"), host)?;
    lab.cut("taipei", "osaka")?;
    eventually("taipei to miss osaka", SETTLED, || Ok((!lab.is_full("taipei", "wg-osaka")?).then_some(())))?;
    let via = |interface: &'static str| {
        let lab = &lab;
        move || -> Result<Option<()>> {
            let route = lab.ip("taipei", &format!("route get {host}"))?;
            Ok(route.contains(&format!("dev {interface} ")).then_some(()))
        }
    };
    eventually("the way around through seoul", SETTLED, via("wg-seoul"))?;
    lab.await_ping("taipei-lan", host, SETTLED)?;
    lab.heal("taipei", "osaka")?;
    lab.await_full()?;
    eventually("the direct way again", SETTLED, via("wg-osaka"))?;
    let count = stream.finish()?;
    ensure!(count.received > 0 && count.lost() < count.sent, "{count:?}");
    lab.down()
}
