//! Somebody breaks something: it is whole again within five seconds, and what weft did not make is as it was.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use serde_json::Value;

use crate::harness::lab::Lab;
use crate::harness::mesh;
use crate::harness::wait::{allowed, eventually};

/// From the damage to Full adjacencies over it and a ping that is answered.
const HEALED: Duration = Duration::from_secs(5);

/// A link that was lost and is back may be announced no sooner (RFC 2328 appendix B, MinLSInterval).
const MIN_LS_INTERVAL: Duration = Duration::from_secs(5);

const SETTLED: Duration = Duration::from_secs(20);

/// A triangle at work, with things in taipei that are not weft's.
struct Scene {
    lab: Lab,
    foreign: Vec<String>,
}

impl Scene {
    fn new(mesh: &str) -> Result<Self> {
        let lab = Lab::up(mesh, &mesh::triangle(mesh))?;
        lab.await_ping("taipei-lan", lab.lan_host("osaka")?, SETTLED)?;
        lab.ip("taipei", "tuntap add dev mine mode tun")?;
        lab.ip("taipei", "address add 192.0.2.1/32 dev mine")?;
        lab.ip("taipei", "link set mine up")?;
        lab.ip("taipei", "route add 198.51.100.0/24 dev mine proto static")?;
        // As weft's, but for the protocol.
        lab.ip("taipei", "route add 10.77.0.0/16 via 10.255.0.2 dev wg-osaka onlink metric 110 proto 99")?;
        lab.ip("taipei", "rule add to 192.0.2.77 table 77 priority 777")?;
        let foreign = foreign(&lab)?;
        Ok(Self { lab, foreign })
    }

    /// Tunnel and adjacency are there at both ends, taipei's hosts reach osaka's, and what is not weft's is as it was.
    fn is_whole(&self, damage: &str, at: Instant) -> Result<()> {
        let left = || allowed(HEALED).saturating_sub(at.elapsed());
        let host = self.lab.lan_host("osaka")?;
        eventually(&format!("tunnels and adjacencies after {damage}"), left(), || {
            let tunnels = self.lab.tunnels("taipei")?.len() == 2;
            let full = self.lab.is_full("taipei", "wg-osaka")? && self.lab.is_full("osaka", "wg-taipei")?;
            Ok((tunnels && full).then_some(()))
        })?;
        self.lab.await_ping("taipei-lan", host, left())?;
        eprintln!("{damage}: healed after {:?}", at.elapsed());
        eventually(&format!("the direct way after {damage}"), left() + MIN_LS_INTERVAL, || {
            let route = self.lab.ip("taipei", &format!("route get {host}"))?;
            Ok(route.contains("dev wg-osaka ").then_some(()))
        })?;
        let now = foreign(&self.lab)?;
        ensure!(now == self.foreign, "after {damage}, what is not weft's was {:#?} and is {now:#?}", self.foreign);
        Ok(())
    }
}

/// Links, addresses, routes and rules of taipei that weft did not make, without those that the damage itself removes.
fn foreign(lab: &Lab) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for what in ["-o link show", "-o -4 address show", "-4 route show table all", "-4 rule show"] {
        let shown = lab.ip("taipei", what)?;
        let others = shown.lines().filter(|line| !line.contains("proto 201") && !line.contains("wg-"));
        found.extend(others.map(|line| line.trim().to_owned()));
    }
    found.sort();
    Ok(found)
}

#[test]
fn a_deleted_tunnel_is_back() -> Result<()> {
    let scene = Scene::new("t-link")?;
    let at = Instant::now();
    scene.lab.ip("taipei", "link delete wg-osaka")?;
    scene.is_whole("ip link del", at)?;
    scene.lab.await_full()?;
    scene.lab.down()
}

/// Of the tunnel's MTU OSPF is told, and has nothing to do.
#[test]
fn corner_case_17_a_tunnel_has_its_mtu_back_or_a_new_one_without_a_lost_adjacency() -> Result<()> {
    let mesh = "t-mtu17";
    let mut scene = Scene::new(mesh)?;
    scene.lab.await_full()?;
    let full = Instant::now();
    let mtu = |lab: &Lab| -> Result<u64> {
        let shown: Value = serde_json::from_str(&lab.ip("taipei", "-j link show wg-osaka")?)?;
        shown[0]["mtu"].as_u64().context("mtu")
    };
    let before = mtu(&scene.lab)?;
    scene.lab.ip("taipei", "link set wg-osaka mtu 1300")?;
    eventually("the MTU", HEALED, || Ok((mtu(&scene.lab)? == before).then_some(())))?;
    let text = mesh::triangle(mesh);
    scene.lab.change(&text.replace("[mesh]", "[mesh]\nmtu = 1300"))?;
    eventually("the file's MTU", HEALED, || Ok((mtu(&scene.lab)? == 1300).then_some(())))?;
    scene.is_whole("another MTU", Instant::now())?;
    for site in ["taipei", "osaka"] {
        let least = full.elapsed().as_secs_f64();
        let status = scene.lab.status(site)?;
        let neighbors = status["neighbors"].as_array().context("neighbors")?;
        let is_unbroken = |neighbor: &Value| neighbor["state"] == "Full" && neighbor["since_s"].as_f64() >= Some(least);
        ensure!(neighbors.len() == 2 && neighbors.iter().all(is_unbroken), "{site}, Full for {least} s: {neighbors:?}");
    }
    scene.lab.down()
}

#[test]
fn a_deleted_route_is_back() -> Result<()> {
    let scene = Scene::new("t-route")?;
    let before = scene.lab.weft_routes("taipei")?;
    let route = before.iter().find(|route| route.starts_with("10.2.0.0/16")).context("weft's route to osaka")?;
    let at = Instant::now();
    scene.lab.ip("taipei", &format!("route delete {}", route.replace("onlink", "")))?;
    eventually("the route", HEALED, || Ok((scene.lab.weft_routes("taipei")? == before).then_some(())))?;
    scene.is_whole("ip route del", at)?;
    let kept = scene.lab.ip("taipei", "route show proto 99")?;
    ensure!(kept.contains("10.77.0.0/16"), "a route like weft's, but of another protocol, is gone");
    scene.lab.down()
}

#[test]
fn a_killed_daemon_leaves_traffic_alone_and_takes_over_again() -> Result<()> {
    let scene = Scene::new("t-daemon")?;
    let routes = scene.lab.weft_routes("taipei")?;
    let engine = scene.lab.engine("taipei")?;
    scene.lab.kill_daemon("taipei")?;
    ensure!(scene.lab.weft_routes("taipei")? == routes, "routes went with the daemon");
    ensure!(scene.lab.engine("taipei")? == engine, "the engine went with the daemon");
    scene.lab.await_ping("taipei-lan", scene.lab.lan_host("osaka")?, Duration::from_secs(2))?;
    let at = Instant::now();
    scene.lab.start_what_is_missing()?;
    scene.is_whole("kill -9 of the daemon", at)?;
    scene.lab.await_full()?;
    ensure!(scene.lab.engine("taipei")? == engine, "the engine was replaced by a daemon that only restarted");
    scene.lab.down()
}

#[test]
fn a_killed_engine_is_replaced() -> Result<()> {
    if std::env::var(mesh::BACKEND_VARIABLE).is_ok_and(|backend| backend == "kernel") {
        anyhow::bail!("kernel tunnels have no engine: this test is not for the virtual machine");
    }
    let scene = Scene::new("t-engine")?;
    let engines = scene.lab.engine("taipei")?;
    ensure!(!engines.is_empty(), "taipei has no engine");
    let at = Instant::now();
    for engine in engines {
        kill(engine, Signal::SIGKILL)?;
    }
    scene.is_whole("kill -9 of the engine", at)?;
    scene.lab.await_full()?;
    scene.lab.down()
}
