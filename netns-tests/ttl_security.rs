//! A tunnel whose other end is no weft: FRR takes the place of a site's daemon, and speaks OSPF through the tunnel that weft left there.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::harness::frr::Frr;
use crate::harness::lab::Lab;
use crate::harness::netns::routes;
use crate::harness::process::run;
use crate::harness::wait::{allowed, eventually};

const MESH: &str = r#"
[mesh]
name = "t-ttl"
loopbacks = "10.255.0.0/16"

[[site]]
name = "west"
id = 1
public_key = "eMIf99BKgOvFMwzhUxswQ7xmNxnLcL58G5FSj8A3BV8="
endpoint = "203.0.113.1"
prefixes = ["10.1.0.0/24"]

[[site]]
name = "east"
id = 2
public_key = "6VGyIk/ugnf9FHSW4LXvdyO3DZ5pDePo1TFExQruqFA="
endpoint = "203.0.113.2"
prefixes = ["10.2.0.0/24"]

[[link]]
between = ["west", "east"]
"#;

const OFF: &str = "ttl_security = false\n";

/// `east` as FRR: the tunnel, the loopback, the LAN. The intervals are those of weft's tunnels.
const OSPFD: &str = "\
interface wg-west
 ip ospf area 0
 ip ospf network point-to-point
 ip ospf hello-interval 1
 ip ospf dead-interval 4
interface lo
 ip ospf area 0
interface lan0
 ip ospf area 0
router ospf
 ospf router-id 10.255.0.2
 passive-interface lan0
";

const WEST: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 1);
const EAST: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 2);

const SETTLED: Duration = Duration::from_secs(30);

#[test]
fn with_frr_at_its_end_a_tunnel_needs_ttl_security_off_unless_the_ttl_is_that_of_earlier_versions() -> Result<()> {
    let lab = Lab::up("t-ttl", MESH)?;
    let east = lab.netns("east");
    // The WireGuard engine outlives the daemon: the tunnel stays as it is.
    lab.kill_daemon("east")?;
    run(&format!("ip -n {east} route flush proto 201"))?;
    run(&format!("ip netns exec {east} nft add table ip other"))?;
    run(&format!("ip netns exec {east} nft add chain ip other out {{ type filter hook output priority 0 ; }}"))?;
    run(&format!("ip netns exec {east} nft add rule ip other out ip protocol 89 ip ttl set 64"))?;
    eventually("west to miss weft there", allowed(SETTLED), || Ok((!lab.is_full("west", "wg-east")?).then_some(())))?;
    let frr = Frr::start(&east, OSPFD)?;

    // Its hellos come through the tunnel, and none is taken.
    let told = eventually("west to say what may be the cause", allowed(SETTLED), || {
        let problems = serde_json::to_string(&lab.status("west")?["problems"])?;
        Ok(problems.contains("no OSPF hello among them").then_some(problems))
    })?;
    ensure!(told.contains("needs `ttl_security = false` in this `[[link]]`"), "{told}");
    ensure!(!lab.is_full("west", "wg-east")?, "it is taken with a TTL of 64");
    // FRR has no such check: for it the neighbour is there, and does not see it.
    ensure!(frr.neighbor_state("10.255.0.1")?.as_deref() == Some("Init"), "{:?}", frr.neighbor_state("10.255.0.1")?);

    // The file of the one router that takes it is enough.
    lab.change_at("west", &format!("{MESH}{OFF}"))?;
    are_joined(&lab, &frr)?;

    // That it is off is no state that lasts: it is on again.
    lab.change_at("west", MESH)?;
    eventually("west to miss its hellos", allowed(SETTLED), || Ok((!lab.is_full("west", "wg-east")?).then_some(())))?;

    // FRR itself sends with TTL 1, as earlier versions of weft do. This version takes that.
    run(&format!("ip netns exec {east} nft delete table ip other"))?;
    are_joined(&lab, &frr)?;
    drop(frr);
    lab.down()
}

/// Full at both ends, each other's routes in both kernels, and packets pass.
fn are_joined(lab: &Lab, frr: &Frr) -> Result<()> {
    eventually("FRR to call weft Full", allowed(SETTLED), || {
        Ok((frr.neighbor_state("10.255.0.1")?.as_deref() == Some("Full")).then_some(()))
    })
    .with_context(|| frr.log_tail())?;
    eventually("weft to call FRR Full", allowed(SETTLED), || Ok(lab.is_full("west", "wg-east")?.then_some(())))?;
    for (place, protocol, prefix, via) in [
        ("west", "201", "10.2.0.0/24", "wg-east"),
        ("west", "201", "10.255.0.2", "wg-east"),
        ("east", "ospf", "10.1.0.0/24", "wg-west"),
        ("east", "ospf", "10.255.0.1", "wg-west"),
    ] {
        eventually(&format!("{prefix} in the kernel of {place}"), allowed(SETTLED), || {
            let routes = routes(&lab.netns(place), &format!("proto {protocol}"))?;
            let mut of_prefix = routes.iter().filter(|route| route.starts_with(&format!("{prefix} ")));
            Ok(of_prefix.any(|route| route.contains(&format!("dev {via}"))).then_some(()))
        })?;
    }
    lab.await_ping("west", EAST, allowed(SETTLED))?;
    lab.await_ping("east", WEST, allowed(SETTLED))?;
    lab.await_ping("west-lan", lab.lan_host("east")?, allowed(SETTLED))?;
    lab.await_ping("east-lan", lab.lan_host("west")?, allowed(SETTLED))
}
