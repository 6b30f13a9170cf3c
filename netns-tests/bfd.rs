//! `weft bfd` alone: two of them, and FRR and BIRD as peers, over a veth pair.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::harness::capture::Capture;
use super::harness::frr::Frr;
use super::harness::lab::WEFT;
use super::harness::netns::{Netns, inside, veth};
use super::harness::process::{Background, run};
use super::harness::wait::eventually;

/// A session comes up within two seconds, and a failure is found in a few tenths of one.
const SETTLED: Duration = Duration::from_secs(20);
const A: &str = "192.0.2.1";
const B: &str = "192.0.2.2";

/// Two namespaces and the wire between them.
struct Scene {
    a: Netns,
    b: Netns,
}

impl Scene {
    fn new(name: &str) -> Result<Self> {
        let [a, b] = ["a", "b"].map(|end| Netns::new(&format!("t-bfd-{name}-{end}")));
        let (a, b) = (a?, b?);
        veth((a.name(), "eth0", &format!("{A}/24")), (b.name(), "eth0", &format!("{B}/24")))?;
        Ok(Self { a, b })
    }
}

/// A running `weft bfd`.
struct Bfd {
    process: Background,
    socket: PathBuf,
    dir: TempDir,
}

impl Bfd {
    fn start(netns: &Netns) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("bfd-").tempdir().context("making a directory")?;
        let socket = dir.path().join("bfd.sock");
        let command = inside(netns.name(), &format!("{WEFT} bfd --log debug --control {}", socket.display()));
        let mut process = Background::start("bfd", command, dir.path())?;
        process.await_answer(SETTLED, || Ok(UnixStream::connect(&socket).map(drop)?))?;
        Ok(Self { process, socket, dir })
    }

    fn ask(&self, command: &Value) -> Result<Value> {
        let mut lines = self.talk(command)?;
        lines.next().context("it hangs up")?
    }

    /// What it answers to a command, line by line.
    fn talk(&self, command: &Value) -> Result<impl Iterator<Item = Result<Value>> + use<>> {
        let mut stream = UnixStream::connect(&self.socket).context("connecting to `weft bfd`")?;
        stream.set_read_timeout(Some(SETTLED))?;
        writeln!(stream, "{command}")?;
        Ok(BufReader::new(stream).lines().map(|line| Ok(serde_json::from_str(&line?)?)))
    }

    fn configure(&self, sessions: Value) -> Result<()> {
        let answer = self.ask(&json!({ "command": "configure", "sessions": sessions }))?;
        ensure!(answer["result"] == "ok", "{answer}");
        Ok(())
    }

    fn session(&self) -> Result<Value> {
        let process = self.ask(&json!({ "command": "list" }))?;
        Ok(process["sessions"][0].clone())
    }

    fn await_state(&self, state: &str) -> Result<Value> {
        let found = eventually(&format!("the session to be {state}"), SETTLED, || {
            let session = self.session()?;
            if session["state"] != state {
                bail!("{session}");
            }
            Ok(Some(session))
        });
        found.with_context(|| self.process.log_tail())
    }

    /// Waits for the next changes on a connection that watches, until one leads to `state`.
    fn next_change(watched: &mut impl Iterator<Item = Result<Value>>, state: &str) -> Result<Value> {
        for line in watched {
            let change = line?;
            if change["to"] == state {
                return Ok(change);
            }
        }
        bail!("it hangs up")
    }
}

/// A session at A, with B as its peer, or the other way round.
fn session(source: &str, peer: &str) -> Value {
    json!({
        "interface": "eth0", "peer": peer, "source": source,
        "desired_min_tx_us": 50_000, "required_min_rx_us": 50_000, "multiplier": 3,
    })
}

fn keyed(mut session: Value) -> Value {
    session["authentication"] = json!({ "kind": "meticulous-sha-1", "key_id": 1, "key": b"secret" });
    session
}

#[test]
fn two_ends_come_up_find_what_is_cut_and_tell_a_failure_from_a_farewell() -> Result<()> {
    let scene = Scene::new("two")?;
    let capture = Capture::start(scene.a.name(), "eth0", "udp port 3784")?;
    let (a, b) = (Bfd::start(&scene.a)?, Bfd::start(&scene.b)?);
    let mut watched = a.talk(&json!({ "command": "watch" }))?;
    watched.next().context("it hangs up")??;
    a.configure(json!([keyed(session(A, B))]))?;
    b.configure(json!([keyed(session(B, A))]))?;
    Bfd::next_change(&mut watched, "Up")?;
    b.await_state("Up")?;
    eventually("the configured intervals", SETTLED, || {
        let session = a.session()?;
        let is_fast = session["transmit_interval_ms"] == 50.0 && session["detection_time_ms"] == 150.0;
        Ok((is_fast && session["remote_independent"] == true).then_some(()))
    })?;

    // Cut in one direction: what B sends is lost.
    let rule = "add table ip cut; add chain ip cut in { type filter hook input priority 0; }; add rule ip cut in udp dport 3784 drop";
    run_nft(&scene.a, rule)?;
    let change = Bfd::next_change(&mut watched, "Down")?;
    ensure!(change["failed"] == true && change["diagnostic"] == "Control Detection Time Expired", "{change}");
    ensure!(change["remote_independent"] == true, "{change}");
    let failed = a.session()?;
    ensure!(failed["failed"] == true && failed["remote_independent"] == true, "{failed}");
    let at_b = b.await_state("Init")?;
    ensure!(at_b["diagnostic"] == "Neighbor Signaled Session Down", "{at_b}");
    run_nft(&scene.a, "delete table ip cut")?;
    Bfd::next_change(&mut watched, "Up")?;

    // A farewell is no failure.
    b.configure(json!([]))?;
    let change = Bfd::next_change(&mut watched, "Down")?;
    ensure!(change["failed"] == false, "{change}");
    b.configure(json!([keyed(session(B, A))]))?;
    Bfd::next_change(&mut watched, "Up")?;

    // An interface that is deleted, and made again under its name.
    scene.a.ip("link delete eth0")?;
    let change = Bfd::next_change(&mut watched, "Down")?;
    ensure!(change["diagnostic"] == "Path Down", "{change}");
    let session_now = a.session()?;
    ensure!(session_now["trouble"] == "there is no such interface", "{session_now}");
    veth((scene.a.name(), "eth0", &format!("{A}/24")), (scene.b.name(), "eth0", &format!("{B}/24")))?;
    Bfd::next_change(&mut watched, "Up")?;

    // Until eth0 was deleted, the capture has recorded everything.
    let all = capture.count("bfd")?;
    let right = "bfd && ip.ttl == 255 && ip.dsfield.dscp == 48 && udp.dstport == 3784 && udp.srcport >= 49152 \
        && bfd.version == 1 && bfd.auth.type == 5 && bfd.desired_min_tx_interval >= 50000 && !_ws.malformed && !_ws.expert";
    ensure!(
        all > 20 && capture.count(right)? == all,
        "{} of {all} packets are as they should be",
        capture.count(right)?
    );
    Ok(())
}

#[test]
fn a_control_socket_that_is_removed_comes_back_and_nonsense_changes_nothing() -> Result<()> {
    let scene = Scene::new("control")?;
    let (a, b) = (Bfd::start(&scene.a)?, Bfd::start(&scene.b)?);
    a.configure(json!([session(A, B)]))?;
    b.configure(json!([session(B, A)]))?;
    a.await_state("Up")?;
    for (sessions, reason) in [
        (json!([session(A, B), session(A, B)]), "is there twice"),
        (
            json!([{ "interface": "a/b", "peer": B, "source": A, "desired_min_tx_us": 50_000, "required_min_rx_us": 50_000, "multiplier": 3 }]),
            "cannot be the name of an interface",
        ),
        (
            json!([{ "interface": "eth0", "peer": B, "source": A, "desired_min_tx_us": 10, "required_min_rx_us": 50_000, "multiplier": 3 }]),
            "an interval below 1 ms",
        ),
        (
            json!([{ "interface": "eth0", "peer": B, "source": A, "desired_min_tx_us": 50_000, "required_min_rx_us": 50_000, "multiplier": 0 }]),
            "not understood",
        ),
    ] {
        let answer = a.ask(&json!({ "command": "configure", "sessions": sessions }))?;
        let text = answer["text"].as_str().unwrap_or_default();
        ensure!(answer["result"] == "error" && text.contains(reason), "{answer}");
    }
    ensure!(a.ask(&json!("nonsense"))?["result"] == "error");
    fs::remove_file(&a.socket)?;
    let found = eventually("the control socket", SETTLED, || Ok(a.session().ok()))?;
    ensure!(found["state"] == "Up" && found["diagnostic"] == "No Diagnostic", "the session has not noticed: {found}");
    // A client that asks to stop hears the end when the peer has had the time to learn of it.
    ensure!(a.talk(&json!({ "command": "stop" }))?.next().is_none(), "the answer is the end of the stream");
    ensure!(!a.socket.exists() && a.dir.path().exists());
    let at_b = b.await_state("Down")?;
    ensure!(at_b["diagnostic"] == "Neighbor Signaled Session Down" && at_b["remote_state"] != "Up", "{at_b}");
    Ok(())
}

/// FRR's bfdd at B: intervals, a failure of either end, a restart of either.
#[test]
fn with_frr_each_end_finds_the_others_end_and_a_restart_of_either() -> Result<()> {
    let scene = Scene::new("frr")?;
    let conf = format!(
        "bfd\n peer {A} interface eth0\n  detect-multiplier 5\n  receive-interval 60\n  transmit-interval 60\n  no shutdown\n"
    );
    let mut frr = Frr::start_bfd(scene.b.name(), &conf)?;
    let mut a = Bfd::start(&scene.a)?;
    a.configure(json!([session(A, B)]))?;
    a.await_state("Up")?;
    eventually("the negotiated intervals", SETTLED, || {
        let session = a.session()?;
        Ok((session["transmit_interval_ms"] == 60.0 && session["detection_time_ms"] == 300.0).then_some(()))
    })?;
    let at_frr = |frr: &Frr| -> Result<Value> { Ok(frr.show("show bfd peers json")?[0].clone()) };
    eventually("FRR to call it up", SETTLED, || {
        let peer = at_frr(&frr)?;
        let agrees =
            peer["status"] == "up" && peer["remote-transmit-interval"] == 50 && peer["remote-detect-multiplier"] == 3;
        Ok(agrees.then_some(()))
    })?;

    frr.kill()?;
    let down = a.await_state("Down")?;
    ensure!(down["diagnostic"] == "Control Detection Time Expired", "{down}");
    // As it is forgotten, so has it.
    let mut frr = Frr::start_bfd(scene.b.name(), &conf)?;
    a.await_state("Up")?;

    a.process.end_with(Signal::SIGKILL)?;
    eventually("FRR to call it down", SETTLED, || Ok((at_frr(&frr)?["status"] == "down").then_some(())))?;
    let a = Bfd::start(&scene.a)?;
    a.configure(json!([session(A, B)]))?;
    a.await_state("Up")?;
    // It says farewell.
    a.ask(&json!({ "command": "stop" })).ok();
    eventually("FRR to call it down again", SETTLED, || Ok((at_frr(&frr)?["status"] == "down").then_some(())))?;
    frr.stop()
}

/// BIRD at B, with a key.
#[test]
fn with_bird_and_a_key_each_end_finds_the_others_end_and_a_restart_of_either() -> Result<()> {
    let scene = Scene::new("bird")?;
    let mut bird = Bird::start(&scene.b)?;
    let mut a = Bfd::start(&scene.a)?;
    a.configure(json!([session(A, B)]))?;
    eventually("packets without a key to be refused", SETTLED, || {
        Ok((a.session()?["sent"].as_u64() > Some(2)).then_some(()))
    })?;
    ensure!(a.session()?["state"] == "Down");
    a.configure(json!([keyed(session(A, B))]))?;
    a.await_state("Up")?;
    bird.await_state("Up")?;

    bird.process.end_with(Signal::SIGKILL)?;
    a.await_state("Down")?;
    let mut bird = Bird::start(&scene.b)?;
    a.await_state("Up")?;
    a.process.end_with(Signal::SIGKILL)?;
    bird.await_state("Down")?;
    let a = Bfd::start(&scene.a)?;
    a.configure(json!([keyed(session(A, B))]))?;
    a.await_state("Up")?;
    bird.await_state("Up")?;
    bird.process.end_with(Signal::SIGTERM)
}

fn run_nft(netns: &Netns, script: &str) -> Result<()> {
    for line in
        script.split("; add ").enumerate().map(|(i, line)| if i == 0 { line.to_owned() } else { format!("add {line}") })
    {
        run(&format!("ip netns exec {} nft {line}", netns.name()))?;
    }
    Ok(())
}

/// A running BIRD.
struct Bird {
    process: Background,
    dir: TempDir,
}

impl Bird {
    fn start(netns: &Netns) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("bird-").tempdir().context("making a directory for BIRD")?;
        let conf = format!(
            "router id {B};\nprotocol device {{}}\nprotocol bfd bfd1 {{\n interface \"eth0\" {{\n  min rx interval 50 ms; min tx interval 50 ms; \
             idle tx interval 1 s; multiplier 4;\n  authentication meticulous keyed sha1;\n  password \"secret\" {{ id 1; }};\n }};\n \
             neighbor {A} dev \"eth0\" local {B};\n}}\n"
        );
        fs::write(dir.path().join("bird.conf"), conf)?;
        let path = dir.path().display();
        let command = inside(netns.name(), &format!("bird -f -c {path}/bird.conf -s {path}/bird.ctl"));
        let mut process = Background::start("bird", command, dir.path())?;
        process.await_answer(SETTLED, || run(&format!("birdc -s {path}/bird.ctl show status")).map(drop))?;
        Ok(Self { process, dir })
    }

    fn await_state(&mut self, state: &str) -> Result<()> {
        let socket = self.dir.path().join("bird.ctl");
        eventually(&format!("BIRD to call the session {state}"), SETTLED, || {
            let shown = run(&format!("birdc -s {} show bfd sessions", socket.display()))?;
            let line = shown.lines().find(|line| line.starts_with(A)).unwrap_or_default();
            if !line.split_whitespace().any(|word| word == state) {
                bail!("{shown}");
            }
            Ok(Some(()))
        })
    }
}
