//! The three sites that both contestants get: a router and a host behind it each, and the network between them.
//!
//! ```text
//!   host 10.N.0.2/16 ── router N 203.0.113.N ── middle ── the other two
//! ```

use std::net::Ipv4Addr;

use anyhow::Result;

use crate::harness::netns::{Netns, routes, veth};
use crate::harness::process::run;

/// The three sites.
pub const SITES: [Site; 3] = [Site(1), Site(2), Site(3)];

/// A site, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site(pub u8);

impl Site {
    /// Name of the site and, after `wg-`, of the others' tunnels to it.
    pub fn name(self) -> String {
        format!("s{}", self.0)
    }

    /// Namespace of its router.
    pub fn netns(self) -> String {
        format!("bench-{}", self.name())
    }

    /// Address of its router on the network between the sites.
    pub fn endpoint(self) -> Ipv4Addr {
        Ipv4Addr::new(203, 0, 113, self.0)
    }

    /// Network behind it, as `ip route` prints it.
    pub fn prefix(self) -> String {
        format!("10.{}.0.0/16", self.0)
    }

    /// Host behind it.
    pub fn host(self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.0, 0, 2)
    }

    /// The other two.
    pub fn others(self) -> impl Iterator<Item = Self> {
        SITES.into_iter().filter(move |site| *site != self)
    }
}

/// The namespaces; gone, with what runs in them, when this is dropped.
pub struct Underlay {
    middle: Netns,
    routers: Vec<Netns>,
    hosts: Vec<Netns>,
}

impl Underlay {
    /// Makes the namespaces.
    pub fn new() -> Result<Self> {
        let middle = Netns::new("bench-net")?;
        run(&format!("ip netns exec {} sysctl -qw net.ipv4.ip_forward=1", middle.name()))?;
        let mut underlay = Self { middle, routers: Vec::new(), hosts: Vec::new() };
        for site in SITES {
            let router = Netns::new(&site.netns())?;
            let host = Netns::new(&format!("{}-lan", site.netns()))?;
            let port = format!("to-{}", site.name());
            veth(
                (router.name(), "eth0", &format!("{}/32", site.endpoint())),
                (underlay.middle.name(), &port, "169.254.0.1/32"),
            )?;
            underlay.middle.ip(&format!("route add {} dev {port}", site.endpoint()))?;
            router.ip("route add default via 169.254.0.1 dev eth0 onlink")?;
            veth(
                (router.name(), "lan0", &format!("10.{}.0.1/16", site.0)),
                (host.name(), "eth0", &format!("{}/16", site.host())),
            )?;
            host.ip(&format!("route add default via 10.{}.0.1", site.0))?;
            run(&format!(
                "ip netns exec {} sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0",
                router.name()
            ))?;
            underlay.routers.push(router);
            underlay.hosts.push(host);
        }
        Ok(underlay)
    }

    /// Whether every router's kernel has a route to the networks of both others.
    pub fn has_all_routes(&self) -> Result<bool> {
        for site in SITES {
            let routes = routes(&site.netns(), "")?;
            let has = |other: Site| routes.iter().any(|route| route.starts_with(&format!("{} ", other.prefix())));
            if !site.others().all(has) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the routers of both sites send to each other's networks by the tunnel between them.
    pub fn is_direct(&self, one: Site, other: Site) -> Result<bool> {
        for (from, to) in [(one, other), (other, one)] {
            let direct = format!("dev wg-{} ", to.name());
            let routes = routes(&from.netns(), &to.prefix())?;
            if !routes.iter().any(|route| format!("{route} ").contains(&direct)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Lets it pass again.
    pub fn heal(&self, one: Site, other: Site) -> Result<()> {
        for (from, to) in [(one, other), (other, one)] {
            self.middle.ip(&format!("rule delete from {} to {} blackhole", from.endpoint(), to.endpoint()))?;
        }
        Ok(())
    }

    /// Drops what passes between the two sites' routers, in the middle: their interfaces notice nothing.
    pub fn cut(&self, one: Site, other: Site) -> Result<()> {
        for (from, to) in [(one, other), (other, one)] {
            self.middle.ip(&format!("rule add from {} to {} blackhole", from.endpoint(), to.endpoint()))?;
        }
        Ok(())
    }
}

impl Drop for Underlay {
    fn drop(&mut self) {
        for router in &self.routers {
            for pid in run(&format!("ip netns pids {}", router.name())).unwrap_or_default().lines() {
                run(&format!("kill -9 {pid}")).ok();
            }
        }
    }
}
