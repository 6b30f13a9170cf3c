//! Tunnels with BFD: a failure that no link reports is found in a fraction of a second, and nothing else is taken for one.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::harness::lab::Lab;
use crate::harness::mesh;
use crate::harness::ping::{INTERVAL, Stream};
use crate::harness::wait::eventually;

const SETTLED: Duration = Duration::from_secs(20);

/// What a cut may cost: three packets of BFD take 300 ms, and a busy machine some more; the dead interval is 4 s.
const REROUTED: Duration = Duration::from_secs(2);

/// A triangle whose tunnels have BFD, or not.
fn triangle(mesh: &str, bfd: &str) -> String {
    mesh::triangle(mesh).replacen("[[site]]", &format!("[ospf]\nbfd = {bfd}\n\n[[site]]"), 1)
}

/// The state of BFD at `site` with each of its neighbours, which are all Full.
fn states(lab: &Lab, site: &str) -> Result<Vec<String>> {
    let status = lab.status(site)?;
    let neighbors = status["neighbors"].as_array().context("neighbors")?;
    let full = neighbors.iter().filter(|neighbor| neighbor["state"] == "Full");
    Ok(full.map(|neighbor| neighbor["bfd"].as_str().unwrap_or_default().to_owned()).collect())
}

fn await_states(lab: &Lab, expected: &str) -> Result<()> {
    for site in lab.sites() {
        let state = || states(lab, site);
        eventually(&format!("BFD at {site} to be {expected}"), SETTLED, || {
            Ok((state()? == [expected, expected]).then_some(()))
        })
        .with_context(|| format!("{:?}", state()))?;
    }
    Ok(())
}

/// What the BFD process of a site says of itself; `None` if none runs.
fn process(lab: &Lab, site: &str) -> Result<Option<Value>> {
    let Ok(mut stream) = UnixStream::connect(lab.run_dir(site).join("bfd.sock")) else { return Ok(None) };
    stream.set_read_timeout(Some(SETTLED))?;
    writeln!(stream, "{{\"command\":\"list\"}}")?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(Some(serde_json::from_str(&line)?))
}

#[test]
fn a_cut_path_is_gone_around_long_before_the_dead_interval() -> Result<()> {
    let lab = Lab::up("t-reroute", &triangle("t-reroute", "true"))?;
    await_states(&lab, "Up")?;
    let shown = lab.ask_json("taipei", "show bfd")?;
    let [osaka, _] = shown.as_array().context("sessions")?.as_slice() else { bail!("{shown}") };
    ensure!(osaka["site"] == "osaka" && osaka["peer_state"] == "Up" && osaka["trouble"].is_null(), "{osaka}");
    let host = lab.lan_host("osaka")?;
    lab.await_ping("taipei-lan", host, SETTLED)?;
    let stream = Stream::start(&lab.netns("taipei-lan"), host)?;
    lab.cut("taipei", "osaka")?;
    let down = |site: &str, interface: &str| {
        eventually(&format!("{site} to miss {interface}"), SETTLED, || {
            Ok((!lab.is_full(site, interface)?).then_some(()))
        })
    };
    down("taipei", "wg-osaka")?;
    down("osaka", "wg-taipei")?;
    let from = stream.sent();
    eventually("the way around", SETTLED, || Ok((stream.answered_since(from) > 10).then_some(())))?;
    let count = stream.finish()?;
    let shown = lab.ask_json("taipei", "show bfd")?;
    ensure!(shown[0]["state"] != "Up" && shown[0]["diagnostic"] != "No Diagnostic", "{shown}");
    ensure!(count.lost() > 0 && INTERVAL * u32::from(count.lost()) < REROUTED, "{count:?}");

    let stream = Stream::start(&lab.netns("taipei-lan"), host)?;
    lab.heal("taipei", "osaka")?;
    lab.await_full()?;
    await_states(&lab, "Up")?;
    let count = stream.finish()?;
    ensure!(count.lost() == 0, "the way back: {count:?}");
    lab.down()
}

/// Routes are calculated ten seconds after a change and not before: until then, only alternates lead around what has failed.
#[test]
fn alternates_carry_before_any_route_is_calculated() -> Result<()> {
    let late = "{ initial = \"10s\", short = \"10s\", long = \"10s\", time_to_learn = \"10s\", holddown = \"10s\" }";
    let lab = Lab::up("t-alternate", &triangle("t-alternate", &format!("true\nspf_delay = {late}")))?;
    await_states(&lab, "Up")?;
    let host = lab.lan_host("osaka")?;
    lab.await_ping("taipei-lan", host, 2 * SETTLED)?;
    lab.await_ping("osaka-lan", lab.lan_host("taipei")?, 2 * SETTLED)?;
    let by_seoul =
        |route: &Value| route["backup"]["interface"] == "wg-seoul" && route["backup"]["node_protecting"] == false;
    let route = || -> Result<Value> {
        let routes = lab.ask_json("taipei", "show routes")?;
        let routes = routes.as_array().context("routes")?;
        Ok(routes.iter().find(|route| route["prefix"] == "10.2.0.0/16").context("no route to osaka's prefix")?.clone())
    };
    eventually("an alternate by seoul", SETTLED, || Ok(by_seoul(&route()?).then_some(())))
        .with_context(|| format!("{:?}", route()))?;
    for site in ["taipei", "osaka"] {
        eventually(&format!("all routes of {site} to be protected"), SETTLED, || {
            let shown = lab.ask_json(site, "show protection")?;
            Ok((shown["link_protected"] == shown["prefixes"] && shown["unprotected"] == serde_json::json!([]))
                .then_some(()))
        })?;
    }
    let table = lab.ask("taipei", "show routes --backup")?;
    ensure!(
        table.lines().any(|line| line.contains("10.2.0.0/16") && line.contains("wg-seoul") && line.ends_with("link")),
        "{table}"
    );

    // Nothing is to be calculated when the cut comes.
    for site in ["taipei", "osaka", "seoul"] {
        eventually(&format!("the calculations of {site} to rest"), 3 * SETTLED, || {
            let spf = lab.ask_json(site, "show spf")?;
            Ok((spf["state"] == "quiet" && spf["due_in_s"].is_null()).then_some(()))
        })
        .with_context(|| format!("{:?}", lab.ask_json(site, "show spf")))?;
    }
    let calculations = || -> Result<u64> { lab.ask_json("taipei", "show spf")?["runs"].as_u64().context("runs") };
    let (stream, before) = (Stream::start(&lab.netns("taipei-lan"), host)?, calculations()?);
    lab.cut("taipei", "osaka")?;
    eventually("the kernel to send by seoul", REROUTED, || {
        Ok(lab.ip("taipei", "route get 10.2.0.2")?.contains("wg-seoul").then_some(()))
    })?;
    let from = stream.sent();
    eventually("the way around", SETTLED, || Ok((stream.answered_since(from) > 10).then_some(())))?;
    ensure!(calculations()? == before, "routes were calculated meanwhile: the test shows nothing");
    ensure!(route()?["nexthops"][0]["interface"] == "wg-osaka", "OSPF has another route already: {}", route()?);
    // Then OSPF comes to the same end, and no packet notices.
    let settled = stream.sent();
    eventually("the calculated route", 2 * SETTLED, || {
        Ok((route()?["nexthops"][0]["interface"] == "wg-seoul" && stream.answered_since(settled) > 100).then_some(()))
    })?;
    let count = stream.finish()?;
    ensure!(count.lost() > 0 && INTERVAL * u32::from(count.lost()) < REROUTED, "{count:?}");
    let shown = lab.ask_json("taipei", "show protection")?;
    ensure!(shown["unprotected"][0]["reason"] == "no-other-neighbor", "{shown}");
    lab.down()
}

#[test]
fn sessions_outlive_the_daemon_and_end_without_a_failure_when_the_mesh_file_has_them_no_more() -> Result<()> {
    let mut lab = Lab::up("t-bfdlife", &triangle("t-bfdlife", "{ interval = \"50ms\", multiplier = 5 }"))?;
    await_states(&lab, "Up")?;
    let host = lab.lan_host("osaka")?;
    lab.await_ping("taipei-lan", host, SETTLED)?;
    let of = |lab: &Lab, key: &str| -> Result<Value> {
        Ok(process(lab, "taipei")?.context("no BFD process runs at taipei")?[key].clone())
    };
    let pid = of(&lab, "pid")?;
    let sessions = of(&lab, "sessions")?;
    ensure!(sessions[0]["transmit_interval_ms"] == 50.0 && sessions[0]["detection_time_ms"] == 250.0, "{sessions}");

    let stream = Stream::start(&lab.netns("taipei-lan"), host)?;
    lab.kill_daemon("taipei")?;
    lab.start_what_is_missing()?;
    lab.await_full()?;
    await_states(&lab, "Up")?;
    ensure!(of(&lab, "pid")? == pid, "another process");
    for (place, session) in of(&lab, "sessions")?.as_array().context("sessions")?.iter().enumerate() {
        let same = session["discriminators"] == sessions[place]["discriminators"];
        ensure!(same && session["diagnostic"] == "No Diagnostic", "it was down: {session}, before {sessions}");
    }

    // Other values are negotiated while sessions are Up, and no more sessions are no failure.
    lab.change(&triangle("t-bfdlife", "true"))?;
    eventually("the new detection time", SETTLED, || {
        Ok((of(&lab, "sessions")?[0]["detection_time_ms"] == 300.0).then_some(()))
    })?;
    ensure!(of(&lab, "pid")? == pid, "another process");
    lab.change(&triangle("t-bfdlife", "false"))?;
    await_states(&lab, "Off")?;
    eventually("the processes to end", SETTLED, || {
        for site in lab.sites() {
            if process(&lab, site)?.is_some() {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })?;
    let count = stream.finish()?;
    ensure!(count.lost() == 0, "{count:?}");

    // Nothing is left behind, also where sessions are Up.
    lab.change(&triangle("t-bfdlife", "true"))?;
    await_states(&lab, "Up")?;
    lab.down()
}

/// With a process that is killed, its sessions fail for the peers: one cannot tell that from a router that is gone.
#[test]
fn a_process_that_is_killed_is_replaced_and_the_tunnels_come_back() -> Result<()> {
    let lab = Lab::up("t-bfdkill", &triangle("t-bfdkill", "true"))?;
    await_states(&lab, "Up")?;
    let pid = process(&lab, "taipei")?.context("no BFD process runs at taipei")?["pid"].as_i64().context("pid")?;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.try_into()?), nix::sys::signal::Signal::SIGKILL)?;
    eventually("another process", SETTLED, || {
        Ok(process(&lab, "taipei")?.filter(|process| process["pid"] != pid).map(drop))
    })?;
    lab.await_full()?;
    await_states(&lab, "Up")?;
    lab.await_ping("taipei-lan", lab.lan_host("osaka")?, SETTLED)?;
    lab.down()
}
