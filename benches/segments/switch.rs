//! Hosts behind a switch on the LAN of a site, as `weft lab` makes them for segments, for whoever has no segment.
//!
//! ```text
//!   the site's router: PORT ── uplink ─ switch (bridge `lan`) ─ to-HOST ── eth0: host
//! ```

use std::net::Ipv4Addr;

use anyhow::Result;
use vxlan::Mac;
use weft::kernel::gratuitous;

use crate::harness::netns::{Netns, in_netns, ip};
use crate::harness::process::run;

/// A bridge in a namespace of its own.
pub struct Switch {
    netns: String,
    /// `None`: the lab's.
    _own: Option<Netns>,
}

/// Where a host is to be found.
#[derive(Debug, Clone, Copy)]
pub struct Address {
    pub mac: Mac,
    pub ip: Ipv4Addr,
}

impl Address {
    /// What the mesh file gives to a host of the segment `vms`.
    pub fn in_segment(number: u8) -> Self {
        let mac = Mac::try_from([2, 0, 0, 0, 1, number]).expect("an even first octet that is not zero");
        Self { mac, ip: Ipv4Addr::new(10, 9, 0, number) }
    }
}

/// A host; unplugged when this is dropped.
pub struct Host {
    pub netns: String,
    pub address: Address,
    /// `None`: the lab's.
    _own: Option<Netns>,
}

impl Switch {
    /// One that the lab has made.
    pub fn of_lab(netns: String) -> Self {
        Self { netns, _own: None }
    }

    /// A new one, and its cable to `port`, which is made in the namespace `router`.
    pub fn new(name: &str, router: &str, port: &str) -> Result<Self> {
        let switch = Netns::new(name)?;
        switch.ip("link add lan address 06:00:00:00:00:01 type bridge mcast_snooping 0")?;
        switch.ip("link set lan addrgenmode none up")?;
        cable((router, port), (name, "uplink"))?;
        ip(router, &format!("link set {port} addrgenmode none up"))?;
        switch.ip("link set uplink addrgenmode none master lan up")?;
        Ok(Self { netns: name.to_owned(), _own: Some(switch) })
    }

    /// Plugs a new host in. The switch knows from the start behind which port it is, whatever it has heard on its uplink before.
    pub fn plug(&self, name: &str, address: Address) -> Result<Host> {
        let host = Netns::new(name)?;
        // As long as the name of an interface may be.
        let port = format!("to-{}", address.mac.to_string().replace(':', ""));
        cable((name, "eth0"), (&self.netns, &port))?;
        ip(&self.netns, &format!("link set {port} addrgenmode none master lan up"))?;
        run(&format!("bridge -n {} fdb replace {} dev {port} master static", self.netns, address.mac))?;
        host.ip(&format!("link set eth0 address {} addrgenmode none up", address.mac))?;
        host.ip(&format!("address add {}/24 dev eth0", address.ip))?;
        Ok(Host { netns: name.to_owned(), address, _own: Some(host) })
    }
}

impl Host {
    /// One that the lab has made.
    pub fn of_lab(netns: String, address: Address) -> Self {
        Self { netns, address, _own: None }
    }

    /// It neither asks for MAC addresses nor answers from now on: with a socket that takes what comes, it says nothing at all.
    pub fn hush(&self) -> Result<()> {
        ip(&self.netns, "link set eth0 arp off").map(drop)
    }

    /// It knows where the other is, for good.
    pub fn knows(&self, other: Address) -> Result<()> {
        ip(&self.netns, &format!("neigh replace {} lladdr {} nud permanent dev eth0", other.ip, other.mac)).map(drop)
    }

    /// A gratuitous ARP of its own.
    pub fn announce(&self) -> Result<()> {
        let Address { mac, ip } = self.address;
        in_netns(&self.netns, || {
            let interface = nix::net::if_::if_nametoindex("eth0")?;
            Ok(gratuitous::announce(interface, None, mac, [&ip.into()])?)
        })
    }
}

fn cable(one: (&str, &str), other: (&str, &str)) -> Result<()> {
    run(&format!("ip link add {} netns {} type veth peer name {} netns {}", one.1, one.0, other.1, other.0)).map(drop)
}
