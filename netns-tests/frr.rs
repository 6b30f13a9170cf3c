//! FRR as the router on a site's LAN: it hears plain OSPF from weft and says it.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};

use crate::harness::frr::Frr;
use crate::harness::lab::{Lab, WEFT};
use crate::harness::netns::routes;
use crate::harness::process::output_of;
use crate::harness::wait::eventually;

/// Two sites; the host behind `west` is FRR's router.
const MESH: &str = r#"
[mesh]
name = "t-frr"
loopbacks = "10.255.0.0/16"

[[site]]
name = "west"
id = 1
public_key = "eMIf99BKgOvFMwzhUxswQ7xmNxnLcL58G5FSj8A3BV8="
endpoint = "203.0.113.1"
prefixes = ["10.1.0.0/24"]

[[site.interface]]
name = "eth1"
ospf = "active"
network = "point-to-point"
cost = 7

[[site]]
name = "east"
id = 2
public_key = "6VGyIk/ugnf9FHSW4LXvdyO3DZ5pDePo1TFExQruqFA="
endpoint = "203.0.113.2"
prefixes = ["10.2.0.0/16"]
"#;

/// `redistribute connected` makes the address on `lo` an AS-external LSA; the other network is a stub of its router LSA.
const OSPFD: &str = "\
interface eth0
 ip ospf area 0
 ip ospf network point-to-point
 ip ospf hello-interval 1
 ip ospf dead-interval 4
interface lo
 ip ospf area 0
router ospf
 ospf router-id 192.168.77.1
 redistribute kernel
";

/// The number of the table that tunnels' packets do not look up, and of the mark that they carry.
const TABLE: u32 = 201;

const WEFT_ID: &str = "10.255.0.1";
const SETTLED: Duration = Duration::from_secs(30);

/// The environment variable that makes the hold longer than continuous integration has time for, in seconds.
const HOLD_VARIABLE: &str = "WEFT_TEST_HOLD";

/// Five dead intervals.
const HOLD: Duration = Duration::from_secs(20);

#[test]
fn frr_and_weft_are_full_neighbours_and_stay_so() -> Result<()> {
    let lab = Lab::up("t-frr", MESH)?;
    // Stub network and external network behind FRR.
    lab.ip("west-lan", "address add 192.168.77.1/32 dev lo")?;
    lab.ip("west-lan", "route add blackhole 192.168.78.0/24")?;
    // Nobody is authenticated on this LAN: what is said there of the other site's endpoint leads no tunnel off its way.
    lab.ip("west-lan", "address add 203.0.113.2/32 dev lo")?;
    let mut frr = Frr::start(&lab.netns("west-lan"), OSPFD)?;
    is_joined(&lab, &frr)?;
    eventually("the route to the endpoint, beside `main`", SETTLED, || {
        let found = routes(&lab.netns("west"), &format!("table {TABLE} proto 201"))?;
        Ok(found.iter().any(|route| route.starts_with("203.0.113.2 ") && route.contains("dev eth1")).then_some(()))
    })?;
    let way = lab.ip("west", &format!("route get 203.0.113.2 mark {TABLE}"))?;
    ensure!(way.contains("dev eth0"), "the tunnel's packets go by {way}");

    let hold = std::env::var(HOLD_VARIABLE).ok().and_then(|s| s.parse().ok()).map_or(HOLD, Duration::from_secs);
    let (start, since) = (frr.neighbor_uptime(WEFT_ID)?, Instant::now());
    eventually("the hold to pass", hold + SETTLED, || Ok((since.elapsed() >= hold).then_some(())))?;
    // FRR counts from the last change of state.
    let held = frr.neighbor_uptime(WEFT_ID)?.saturating_sub(start);
    ensure!(held + Duration::from_secs(1) >= hold, "the adjacency was made anew: Full for {held:?} of {hold:?}");
    is_joined(&lab, &frr)?;

    frr.restart_ospfd()?;
    is_joined(&lab, &frr)?;

    lab.kill_daemon("west")?;
    eventually("FRR to miss weft", SETTLED, || Ok(frr.neighbor_state(WEFT_ID)?.is_none().then_some(())))?;
    lab.start_what_is_missing()?;
    is_joined(&lab, &frr)?;
    drop(frr);
    lab.down()
}

/// Full at both ends, each other's routes in both kernels, and at the site beyond; packets pass.
fn is_joined(lab: &Lab, frr: &Frr) -> Result<()> {
    eventually("FRR to call weft Full", SETTLED, || {
        Ok((frr.neighbor_state(WEFT_ID)?.as_deref() == Some("Full")).then_some(()))
    })?;
    eventually("weft to call FRR Full", SETTLED, || Ok(lab.is_full("west", "eth1")?.then_some(())))?;
    let here = |place: &'static str, prefix: &'static str, protocol: &'static str| {
        eventually(&format!("{prefix} in the kernel of {place}"), SETTLED, || {
            let routes = routes(&lab.netns(place), &format!("proto {protocol}"))?;
            Ok(routes.iter().any(|route| route.starts_with(prefix)).then_some(()))
        })
    };
    here("west-lan", "10.2.0.0/16 ", "ospf")?;
    here("west", "192.168.77.1 ", "201")?;
    here("west", "192.168.78.0/24 ", "201")?;
    here("east", "192.168.77.1 ", "201")?;
    here("east", "192.168.78.0/24 ", "201")?;
    lab.await_ping("east-lan", "192.168.77.1".parse()?, SETTLED)
}

/// The same LAN by a pattern, which needs authentication.
const OSPFD_WITH_KEY: &str = "\
interface eth0
 ip ospf area 0
 ip ospf network point-to-point
 ip ospf hello-interval 1
 ip ospf dead-interval 4
 ip ospf authentication message-digest
 ip ospf message-digest-key 1 md5 KEY
router ospf
 ospf router-id 192.168.77.1
 graceful-restart helper enable
";

#[test]
fn weft_down_after_the_daemon_has_ended_flushes_on_an_interface_of_a_pattern_too() -> Result<()> {
    let pattern = "name = \"lan*\"\nauth = { type = \"md5\", key_id = 1, key_file = \"lan.key\" }";
    let text = MESH.replace("t-frr", "t-pattern").replace("name = \"eth1\"", pattern);
    let lab = Lab::up("t-pattern", &text)?;
    let key = std::fs::read_to_string(lab.run_dir("west").with_file_name("etc").join("lan.key"))?;
    let frr = Frr::start(&lab.netns("west-lan"), &OSPFD_WITH_KEY.replace("KEY", key.trim()))?;
    let lsas = || frr.ask("show ip ospf database router adv-router 10.255.0.1");
    eventually("FRR to be Full", SETTLED, || {
        Ok((frr.neighbor_state(WEFT_ID)?.as_deref() == Some("Full")).then_some(()))
    })?;
    eventually("FRR to have the Router-LSA", SETTLED, || Ok(lsas()?.contains("LS age").then_some(())))?;
    let engine = lab.engine("west")?.first().copied();
    let daemon = lab.daemon("west")?;
    kill(daemon, Signal::SIGTERM)?;
    let program = format!("/proc/{daemon}/exe");
    eventually("the daemon to end", SETTLED, || Ok(std::fs::read_link(&program).is_err().then_some(())))?;
    ensure!(frr.neighbor_state(WEFT_ID)?.as_deref() == Some("Full"), "FRR does not wait for the next daemon");
    let mut down = Command::new("nsenter");
    down.args(["--net", "--mount", "--target"]).arg(engine.context("an engine")?.to_string());
    output_of(down.args(["--", WEFT, "down", "--run-dir"]).arg(lab.run_dir("west")))?;
    // Well before the grace period of 20 s has ended.
    eventually("FRR to have lost it", Duration::from_secs(5), || {
        Ok((frr.neighbor_state(WEFT_ID)?.as_deref() != Some("Full")).then_some(()))
    })?;
    let left = lsas()?;
    ensure!(!left.contains("LS age") || left.contains("LS age: 3600"), "{left}");
    lab.down()
}
