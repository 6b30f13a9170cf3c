//! Something does not answer: the daemon, or the WireGuard engine. Whoever asks is told so in time, and nothing else is lost.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::harness::lab::{Lab, WEFT};
use crate::harness::mesh;
use crate::harness::wait::eventually;

/// `weft status` answers within this time, whatever happens; and a second for a machine that is busy.
const ANSWERED: Duration = Duration::from_secs(3);

/// A hung engine is replaced and the tunnels are back.
const REPLACED: Duration = Duration::from_secs(30);

const HELLO: Duration = Duration::from_secs(2);
const DEAD: Duration = Duration::from_secs(8);

/// A stopped process goes on when this is dropped, also where a test fails.
struct Stopped(Pid);

impl Stopped {
    fn new(pid: Pid) -> Result<Self> {
        kill(pid, Signal::SIGSTOP).with_context(|| format!("stopping {pid}"))?;
        Ok(Self(pid))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // It may have been killed meanwhile.
        kill(self.0, Signal::SIGCONT).ok();
    }
}

/// What `weft status` says, whatever its exit code, and how long it takes.
fn status(lab: &Lab, site: &str) -> Result<(String, Duration)> {
    let begin = Instant::now();
    let output = Command::new(WEFT).args(["status", "--run-dir"]).arg(lab.run_dir(site)).output()?;
    let text = [output.stdout, output.stderr].concat();
    Ok((String::from_utf8_lossy(&text).into_owned(), begin.elapsed()))
}

fn seconds(value: &Value) -> Result<Duration> {
    Ok(Duration::from_secs_f64(value.as_f64().context("seconds")?))
}

/// Waits until `site` has just sent its hello to `other`; how long ago it had one from there.
fn heard_ago(lab: &Lab, site: &str, other: &str) -> Result<Duration> {
    eventually("a hello to be sent", 6 * HELLO, || {
        let tunnel = format!("wg-{other}");
        let interfaces = lab.ask_json(site, "show interfaces")?;
        let interface = interfaces.as_array().context("interfaces")?.iter().find(|i| i["interface"] == *tunnel);
        let next = seconds(&interface.context("the tunnel")?["next_hello_s"])?;
        let neighbors = lab.ask_json(site, "show neighbors")?;
        let dead_in = seconds(&neighbors[0]["dead_in_s"])?;
        Ok((HELLO.saturating_sub(next) < Duration::from_millis(200)).then(|| DEAD.saturating_sub(dead_in)))
    })
}

/// Stops the daemon of `site` for this long.
fn pause(lab: &Lab, site: &str, time: Duration) -> Result<()> {
    let _stopped = Stopped::new(lab.daemon(site)?)?;
    std::thread::sleep(time);
    Ok(())
}

/// The site whose hellos come long after those of the other, which has just sent one, and how long ago it had the other's last.
/// Both are Full for each other if it is stopped now for less than what is left of the other's patience, and more than what is left of
/// its own, so that its timer has run out while hellos wait in its socket.
fn late_listener(lab: &Lab) -> Result<(&'static str, Duration)> {
    const ATTEMPTS: usize = 4;
    for _ in 0..ATTEMPTS {
        for (site, other) in [("taipei", "osaka"), ("osaka", "taipei")] {
            let ago = heard_ago(lab, site, other)?;
            if ago > HELLO * 2 / 5 && ago < HELLO {
                return Ok((site, ago));
            }
        }
        // They send at the same time. One of them sends half an interval late once.
        pause(lab, "osaka", HELLO * 3 / 2)?;
    }
    bail!("after {ATTEMPTS} attempts both still send at the same time");
}

#[test]
fn a_daemon_that_was_stopped_for_almost_the_dead_interval_loses_no_adjacency() -> Result<()> {
    let (hello, dead) = (HELLO.as_secs(), DEAD.as_secs());
    let intervals = format!("[ospf]\nhello_interval = \"{hello}s\"\ndead_interval = \"{dead}s\"\n\n[[site]]");
    let lab = Lab::up("t-pause", &mesh::pair("t-pause").replacen("[[site]]", &intervals, 1))?;
    let full = Instant::now();
    let (stopped, ago) = late_listener(&lab)?;
    pause(&lab, stopped, DEAD - ago / 2)?;
    for site in ["taipei", "osaka"] {
        let neighbors = lab.ask_json(site, "show neighbors")?;
        let neighbor = &neighbors[0];
        let since = seconds(&neighbor["since_s"])?;
        ensure!(neighbor["state"] == "Full" && since >= full.elapsed() - Duration::from_secs(1), "{site}: {neighbor}");
    }
    lab.down()
}

#[test]
fn a_stopped_daemon_is_named_with_what_lets_it_go_on() -> Result<()> {
    let lab = Lab::up("t-stopped", &mesh::pair("t-stopped"))?;
    let daemon = lab.daemon("taipei")?;
    {
        let _stopped = Stopped::new(daemon)?;
        let (text, took) = status(&lab, "taipei")?;
        let expected =
            format!("(pid {daemon}) does not answer within 2 s: it is stopped (state T); `kill -CONT {daemon}`");
        ensure!(text.contains(&expected), "{text}");
        ensure!(took < ANSWERED, "{took:?}");
    }
    lab.await_full()?;
    lab.down()
}

#[test]
fn a_hung_engine_is_named_and_replaced_and_holds_up_nobody() -> Result<()> {
    if std::env::var(mesh::BACKEND_VARIABLE).is_ok_and(|backend| backend == "kernel") {
        bail!("kernel tunnels have no engine: this test is not for the virtual machine");
    }
    let lab = Lab::up("t-hung", &mesh::triangle("t-hung"))?;
    let threads = |daemon: Pid| Ok::<_, std::io::Error>(std::fs::read_dir(format!("/proc/{daemon}/task"))?.count());
    let daemon = lab.daemon("taipei")?;
    let before = threads(daemon)?;
    let engines = lab.engine("taipei")?;
    let [engine] = engines[..] else { bail!("{engines:?} are not one engine") };
    let _stopped = Stopped::new(engine)?;
    let begin = Instant::now();
    let mut named = false;
    eventually("another engine", REPLACED, || {
        let (text, took) = status(&lab, "taipei")?;
        if took >= ANSWERED {
            bail!("status took {took:?} after {:?}", begin.elapsed());
        }
        named |= text.contains(&format!("the WireGuard engine (pid {engine}) has not answered for "));
        let now = lab.engine("taipei")?;
        Ok((!now.is_empty() && !now.contains(&engine)).then_some(()))
    })?;
    eprintln!("another engine after {:?}", begin.elapsed());
    ensure!(named, "status never named the engine");
    lab.await_full()?;
    let now = threads(daemon)?;
    ensure!(now <= before + 2, "{before} threads were there, {now} are");
    lab.down()
}

#[test]
fn a_daemon_obeys_sigterm_while_the_engine_hangs() -> Result<()> {
    if std::env::var(mesh::BACKEND_VARIABLE).is_ok_and(|backend| backend == "kernel") {
        bail!("kernel tunnels have no engine: this test is not for the virtual machine");
    }
    let lab = Lab::up("t-term", &mesh::pair("t-term"))?;
    let engine = *lab.engine("taipei")?.first().context("an engine")?;
    let stopped = Stopped::new(engine)?;
    // It is asked for, so that the daemon waits for the engine when the signal comes.
    lab.ip("taipei", "link delete wg-osaka")?;
    let daemon = lab.daemon("taipei")?;
    kill(daemon, Signal::SIGTERM)?;
    let proc = std::path::PathBuf::from(format!("/proc/{daemon}/exe"));
    eventually("the end of the daemon", Duration::from_secs(10), || Ok((!proc.exists()).then_some(())))?;
    drop(stopped);
    lab.start_what_is_missing()?;
    lab.await_full()?;
    lab.down()
}
