//! FRR's EVPN over weft's tunnels, as an operator would set it up: a bridge, a VXLAN device that learns nothing and answers for
//! hosts, and iBGP between all loopbacks.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::harness::frr::Frr;
use crate::harness::lab::Lab;
use crate::harness::netns::{inside, ip};
use crate::harness::process::output_of;
use crate::harness::wait::eventually;
use crate::moving::Move;
use crate::switch::{Address, Host, Switch};
use crate::{FOLLOWER, MESH, MESH_FILE, NEW_SITE, OLD_SITE, PATIENCE, RUNNER, SENDER, SENDER_SITE};

const SITES: [&str; 3] = [OLD_SITE, NEW_SITE, SENDER_SITE];

/// A lab without segments, and FRR at its sites.
pub struct Evpn {
    _frr: Vec<Frr>,
    switches: [Switch; 3],
    lab: Lab,
}

impl Evpn {
    pub fn up() -> Result<Self> {
        let tunnels = MESH_FILE.split("[[l2]]").next().unwrap_or_default();
        let lab = Lab::up(MESH, tunnels)?;
        let switch = |site: &str| {
            let router = lab.netns(site);
            let switch = Switch::new(&format!("bench-{site}-vms"), &router, "tap0")?;
            bridge(&router, &loopback(site)).map(|()| switch)
        };
        let switches = [switch(OLD_SITE)?, switch(NEW_SITE)?, switch(SENDER_SITE)?];
        let frr = std::thread::scope(|scope| {
            let starts = SITES.map(|site| {
                let router = lab.netns(site);
                scope.spawn(move || Frr::start_bgp(&router, &bgpd_conf(site)))
            });
            starts
                .into_iter()
                .map(|start| start.join().unwrap_or_else(|_| bail!("starting FRR")))
                .collect::<Result<_>>()
        })?;
        let evpn = Self { _frr: frr, switches, lab };
        for site in SITES {
            for other in SITES.into_iter().filter(|other| *other != site) {
                let entry = format!("00:00:00:00:00:00 dst {}", loopback(other));
                eventually(&format!("{site} to have {entry}"), PATIENCE, || {
                    Ok(evpn.has_entry(site, &entry)?.then_some(()))
                })?;
            }
        }
        Ok(evpn)
    }

    /// Takes everything down.
    pub fn down(self) -> Result<()> {
        drop((self._frr, self.switches));
        self.lab.down()
    }

    /// From when the runner is heard at the new site, and right after it the follower.
    pub fn time_announcements(&self) -> Result<[Duration; 2]> {
        let [_, _, switch] = &self.switches;
        let sender = switch.plug("bench-sender", Address::in_segment(SENDER))?;
        self.teach(&sender, SENDER_SITE)?;
        Ok([self.time(&sender, "runner", RUNNER)?, self.time(&sender, "follower", FOLLOWER)?])
    }

    fn time(&self, sender: &Host, name: &str, number: u8) -> Result<Duration> {
        let [old_switch, new_switch, _] = &self.switches;
        let address = Address::in_segment(number);
        let old = old_switch.plug(&format!("bench-{name}-old"), address)?;
        self.teach(&old, OLD_SITE)?;
        let new = new_switch.plug(&format!("bench-{name}"), address)?;
        Move { sender, old: &old, new: &new }.time(|| new.announce())
    }

    /// The table of EVPN is what has been heard.
    fn teach(&self, host: &Host, site: &str) -> Result<()> {
        let entry = format!("{} dst {}", host.address.mac, loopback(site));
        for other in SITES.into_iter().filter(|other| *other != site) {
            eventually(&format!("{other} to have {entry}"), PATIENCE, || {
                host.announce()?;
                Ok(self.has_entry(other, &entry)?.then_some(()))
            })?;
        }
        Ok(())
    }

    fn has_entry(&self, site: &str, entry: &str) -> Result<bool> {
        let entries = output_of(&mut inside(&self.lab.netns(site), "bridge fdb show dev vx-evpn"))?;
        Ok(entries.lines().any(|line| line.starts_with(entry)))
    }
}

fn loopback(site: &str) -> String {
    let number = SITES.into_iter().position(|name| name == site).expect("one of the three") + 1;
    format!("10.255.0.{number}")
}

fn bridge(router: &str, local: &str) -> Result<()> {
    for line in [
        "link add br-evpn address 02:00:5e:00:01:01 type bridge mcast_snooping 0".to_owned(),
        format!("link add vx-evpn type vxlan id 100 local {local} dstport 4789 nolearning"),
        "link set vx-evpn mtu 1500 addrgenmode none master br-evpn up".to_owned(),
        "link set vx-evpn type bridge_slave neigh_suppress on learning off".to_owned(),
        "link set tap0 master br-evpn".to_owned(),
        "link set br-evpn addrgenmode none up".to_owned(),
        "address add 10.9.0.254/24 dev br-evpn".to_owned(),
    ] {
        ip(router, &line)?;
    }
    Ok(())
}

fn bgpd_conf(site: &str) -> String {
    let others: Vec<String> = SITES.into_iter().filter(|other| *other != site).map(loopback).collect();
    let local = loopback(site);
    let mut conf = format!("router bgp 65000\n bgp router-id {local}\n no bgp default ipv4-unicast\n");
    for other in &others {
        conf += &format!(" neighbor {other} remote-as 65000\n neighbor {other} update-source {local}\n");
        conf += &format!(" neighbor {other} timers connect 1\n");
    }
    conf += " address-family l2vpn evpn\n";
    for other in &others {
        conf += &format!("  neighbor {other} activate\n");
    }
    conf + "  advertise-all-vni\n exit-address-family\n"
}
