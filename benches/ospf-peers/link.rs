//! The two network namespaces and the link between them. They are the same for every implementation that is measured.
//!
//! ```text
//!   the router measured, 10.255.0.1 ── eth0 192.0.2.1 ── 192.0.2.2 eth0 ── the synthetic neighbour, 10.255.255.254
//! ```

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use ospf::RouterId;

use crate::harness::netns::{Netns, in_netns, veth};
use crate::harness::process::run;

/// Router ID of the router that is measured.
pub const ROUTER_ID: RouterId = RouterId(0x0aff_0001);

/// Namespace of the router that is measured.
pub const ROUTER_NETNS: &str = "ospf-peers-router";

/// Router ID of the synthetic neighbour.
pub const NEIGHBOR_ID: RouterId = RouterId(0x0aff_fffe);

/// Address of the synthetic neighbour.
pub const NEIGHBOR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// Namespace of the synthetic neighbour.
const NEIGHBOR_NETNS: &str = "ospf-peers-neighbor";

/// Interface name of both ends of the link.
pub const INTERFACE: &str = "eth0";

/// Both namespaces. When this is dropped, the processes of the router are killed and the namespaces are removed.
pub struct Link {
    router: Netns,
    _neighbor: Netns,
}

impl Link {
    pub fn new() -> Result<Self> {
        let link = Self { router: Netns::new(ROUTER_NETNS)?, _neighbor: Netns::new(NEIGHBOR_NETNS)? };
        veth((ROUTER_NETNS, INTERFACE, "192.0.2.1/30"), (NEIGHBOR_NETNS, INTERFACE, "192.0.2.2/30"))?;
        Ok(link)
    }

    /// Returns the process ids of the router that is measured.
    pub fn pids(&self) -> Result<Vec<u32>> {
        let text = run(&format!("ip netns pids {}", self.router.name()))?;
        text.lines().map(|line| line.trim().parse().context("a process id")).collect()
    }

    /// Runs `work` in the namespace of the neighbour.
    pub fn as_neighbor<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        in_netns(NEIGHBOR_NETNS, work)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for pid in self.pids().unwrap_or_default() {
            run(&format!("kill -9 {pid}")).ok();
        }
    }
}
