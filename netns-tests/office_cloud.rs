//! Five sites as they are found: NAT, an endpoint that is a name, one that is IPv6, a default route to the Internet.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::harness::lab::Lab;
use crate::harness::mesh;
use crate::harness::wait::eventually;

const SETTLED: Duration = Duration::from_secs(30);

#[test]
fn nat_names_ipv6_and_the_way_to_the_internet_work_together() -> Result<()> {
    let lab = Lab::up("t-office", &mesh::office_cloud("t-office"))?;
    let sites = ["head-office", "branch-office", "cloud", "datacentre", "shop"];
    for from in sites {
        for to in sites.into_iter().filter(|to| *to != from) {
            lab.await_ping(&format!("{from}-lan"), lab.lan_host(to)?, SETTLED)?;
        }
    }
    // The default route leads into a tunnel; the tunnels' own packets, to underlay addresses, do not follow it.
    // Only shop can start the tunnel to cloud: until its handshake has come through, the way there is around.
    eventually("shop's way to the Internet to lead straight to cloud", SETTLED, || {
        Ok(lab.ip("shop", "route get 192.0.2.99")?.contains("dev wg-cloud ").then_some(()))
    })?;
    for site in sites {
        ensure!(lab.tunnels(site)?.len() == 4, "{site} has the tunnels {:?}", lab.tunnels(site)?);
    }
    lab.down()
}
