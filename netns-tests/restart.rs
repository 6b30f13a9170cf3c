//! The daemon ends and comes back, or does not: packets that go through a router, to it and from it all the while.

use std::net::Ipv4Addr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};

use crate::harness::lab::{Lab, WEFT};
use crate::harness::mesh;
use crate::harness::process::{has_ended, output_of};
use crate::harness::streams::Streams;
use crate::harness::wait::eventually;

const SITES: [&str; 3] = ["taipei", "osaka", "seoul"];

/// RouterDeadInterval of the mesh file's default.
const DEAD: Duration = Duration::from_secs(4);

/// After a restart: its exchange, its end, and whatever an adjacency made anew would break.
const AFTER: Duration = Duration::from_secs(6);

/// For a daemon to end.
const END: Duration = Duration::from_secs(15);

/// From the end of a daemon that crashed to the start of the next.
const ABSENCE: Duration = Duration::from_millis(1500);

/// How a daemon ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// As `systemctl restart` ends it.
    Restart,
    /// `kill -9`, and the next one is not there at once.
    Crash,
}

/// The triangle, where the way from taipei to osaka leads through seoul while there is one.
fn through_seoul(name: &str) -> String {
    format!("{}\n[[link]]\nbetween = [\"taipei\", \"osaka\"]\ncost = 100\n", mesh::triangle(name))
}

/// Ends the daemon by a signal and waits until it is gone.
fn end(lab: &Lab, site: &str, signal: Signal) -> Result<Duration> {
    let pid = lab.daemon(site)?;
    let begin = Instant::now();
    kill(pid, signal)?;
    eventually("the daemon to end", END, || Ok(has_ended(pid).then_some(())))?;
    Ok(begin.elapsed())
}

fn restart(lab: &Lab, site: &str, how: How, streams: &Streams) -> Result<()> {
    match how {
        How::Restart => drop(end(lab, site, Signal::SIGTERM)?),
        How::Crash => {
            end(lab, site, Signal::SIGKILL)?;
            streams.await_answers(ABSENCE)?;
        }
    }
    lab.start_what_is_missing()?;
    lab.await_full()?;
    streams.await_answers(AFTER)
}

fn restarts_lose_nothing(name: &str, how: How, times: usize) -> Result<()> {
    let lab = Lab::up(name, &through_seoul(name))?;
    let mut lost = Vec::new();
    for site in SITES {
        for time in 0..times {
            let streams = Streams::between(&lab, &SITES)?;
            restart(&lab, site, how, &streams)?;
            lost.extend(streams.finish()?.lines.into_iter().map(|lost| format!("{how:?} {time} of {site}: {lost}")));
        }
    }
    ensure!(lost.is_empty(), "packets were lost: {lost:#?}");
    lab.down()
}

#[test]
fn a_restart_with_the_defaults_loses_no_packet_through_to_or_from_any_router() -> Result<()> {
    restarts_lose_nothing("t-again", How::Restart, 2)
}

#[test]
fn a_crash_with_the_defaults_loses_no_packet_if_the_next_daemon_is_there_before_it_is_missed() -> Result<()> {
    restarts_lose_nothing("t-crash", How::Crash, 2)
}

#[test]
#[ignore = "takes half an hour"]
fn twenty_restarts_and_twenty_crashes_of_each_router_lose_no_packet() -> Result<()> {
    restarts_lose_nothing("t-again20", How::Restart, 20)?;
    restarts_lose_nothing("t-crash20", How::Crash, 20)
}

/// How a router leaves for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Departure {
    /// Its service is stopped, or its machine.
    Stop,
    /// `weft down` while it runs.
    Down,
    /// `weft down` after its daemon has announced a restart, or after a crash.
    DownAfter(Signal),
    /// The same after a restart, when the mesh file has been removed, or has given the router another id.
    DownWithout,
    DownWithAnotherId,
}

fn has_route(lab: &Lab, site: &str, prefix: &str) -> Result<bool> {
    Ok(lab.weft_routes(site)?.iter().any(|route| route.starts_with(prefix)))
}

fn leaves(name: &str, departure: Departure) -> Result<()> {
    let lab = Lab::up(name, &through_seoul(name))?;
    let host = lab.lan_host("osaka")?;
    eventually("the way through seoul", END, || {
        let way = lab.ip("taipei", &format!("route get {host}"))?;
        Ok(way.contains("dev wg-seoul ").then_some(()))
    })?;
    let seoul: Ipv4Addr = lab.lan_host("seoul")?;
    let mut past = Streams::between(&lab, &SITES)?;
    let _others = past.split_off("seoul");
    past.await_answers(Duration::from_secs(1))?;
    // Where the daemon's own paths hold, which its engine has, too, and keeps.
    let engine = lab.engine("seoul")?.first().map_or(lab.daemon("seoul")?, |engine| *engine);
    let down = || {
        let mut command = Command::new("nsenter");
        command.args(["--net", "--mount", "--target"]).arg(engine.to_string());
        output_of(command.args(["--", WEFT, "down", "--run-dir"]).arg(lab.run_dir("seoul")))
    };
    let begin = Instant::now();
    match departure {
        Departure::Stop => drop(end(&lab, "seoul", Signal::SIGINT)?),
        Departure::Down => drop(down()?),
        Departure::DownAfter(signal) => {
            end(&lab, "seoul", signal)?;
            down()?;
        }
        Departure::DownWithout | Departure::DownWithAnotherId => {
            end(&lab, "seoul", Signal::SIGTERM)?;
            let file = lab.run_dir("seoul").with_file_name("etc").join("mesh.toml");
            let text = std::fs::read_to_string(&file)?;
            match departure {
                Departure::DownWithout => std::fs::remove_file(&file)?,
                _ => std::fs::write(&file, text.replace("10.255.0.0", "10.254.0.0"))?,
            }
            down()?;
            std::fs::write(&file, text)?;
        }
    }
    let took = begin.elapsed();
    eprintln!("{departure:?} took {took:?}");
    for site in ["taipei", "osaka"] {
        let left = DEAD.saturating_sub(begin.elapsed().saturating_sub(took));
        eventually(&format!("no route to seoul at {site}"), left, || {
            Ok((!has_route(&lab, site, "10.3.0.0/16")? && !has_route(&lab, site, "10.255.0.3")?).then_some(()))
        })?;
        let lsas = lab.ask_json(site, "show lsdb --router 10.255.0.3")?;
        let live = |lsa: &&serde_json::Value| lsa["age_s"].as_u64().is_none_or(|age| age < 3600);
        let live: Vec<_> = lsas.as_array().context("LSAs")?.iter().filter(live).collect();
        ensure!(live.is_empty(), "{site} still has LSAs of seoul: {live:#?}");
    }
    past.await_answers(AFTER)?;
    let lost = past.finish()?;
    ensure!(lost.most == 0, "packets that went through seoul were lost: {lost:#?}");
    let has_tunnels = !lab.tunnels("seoul")?.is_empty();
    ensure!(has_tunnels == (departure == Departure::Stop), "{seoul}: tunnels are {has_tunnels}");
    lab.down()
}

#[test]
fn a_router_that_stops_for_good_loses_no_packet_through_it_and_is_missed_at_once() -> Result<()> {
    leaves("t-stop", Departure::Stop)
}

#[test]
fn weft_down_loses_no_packet_through_the_router_that_leaves() -> Result<()> {
    leaves("t-leave", Departure::Down)
}

#[test]
fn weft_down_ends_the_grace_period_of_a_restart_that_was_announced() -> Result<()> {
    leaves("t-wait", Departure::DownAfter(Signal::SIGTERM))
}

#[test]
fn weft_down_flushes_the_lsas_of_a_router_that_crashed() -> Result<()> {
    leaves("t-gone", Departure::DownAfter(Signal::SIGKILL))
}

#[test]
fn weft_down_goes_by_the_mesh_file_that_was_in_force() -> Result<()> {
    leaves("t-without", Departure::DownWithout)?;
    leaves("t-another", Departure::DownWithAnotherId)
}
