//! weft's segments in a lab, and hosts behind the same routers without one.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Result;
use weft::control::{Request, ask};

use crate::harness::lab::Lab;
use crate::harness::netns::{inside, ip};
use crate::harness::process::output_of;
use crate::harness::wait::eventually;
use crate::moving::Move;
use crate::switch::{Address, Host, Switch};
use crate::tcp::{Direction, rate};
use crate::{FOLLOWER, MESH, MESH_FILE, NEW_SITE, OLD_SITE, PATIENCE, RUNNER, SENDER, WALKER};

/// Between which hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Of different networks, by the tunnel only.
    Routed,
    /// Of one segment, with the MTU of an Ethernet.
    Segment,
    /// Of one segment, with the MTU that crosses the tunnel.
    SmallSegment,
}

impl Way {
    pub const ALL: [Self; 3] = [Self::Routed, Self::Segment, Self::SmallSegment];
}

/// A lab, and what is plugged into its routers besides.
pub struct Segments {
    plain: [Plain; 2],
    lab: Lab,
}

impl Segments {
    /// Brings everything up and waits until all hosts reach each other.
    pub fn up() -> Result<Self> {
        let lab = Lab::up(MESH, MESH_FILE)?;
        let plain = [Plain::new(&lab, OLD_SITE, 1)?, Plain::new(&lab, NEW_SITE, 2)?];
        let segments = Self { plain, lab };
        for way in Way::ALL {
            let Ends { client, address, .. } = segments.ends(way);
            eventually(&format!("{client} to reach {address}"), PATIENCE, || {
                output_of(&mut inside(&client, &format!("ping -n -c 1 -W 1 {address}"))).map(Some)
            })?;
        }
        Ok(segments)
    }

    /// Takes everything down.
    pub fn down(self) -> Result<()> {
        drop(self.plain);
        self.lab.down()
    }

    /// Bits per second of TCP.
    pub fn tcp(&self, way: Way, direction: Direction) -> Result<f64> {
        let Ends { client, server, address } = self.ends(way);
        rate(&client, (&server, address), direction)
    }

    fn ends(&self, way: Way) -> Ends {
        let of_lab =
            |client, server, address| Ends { client: self.lab.netns(client), server: self.lab.netns(server), address };
        match way {
            Way::Routed => {
                let [Plain { host: client, .. }, Plain { host: server, .. }] = &self.plain;
                Ends { client: client.netns.clone(), server: server.netns.clone(), address: server.address.ip }
            }
            Way::Segment => of_lab("west", "east", Ipv4Addr::new(10, 9, 0, 2)),
            Way::SmallSegment => of_lab("west-small", "east-small", Ipv4Addr::new(10, 10, 0, 2)),
        }
    }

    /// From when the daemon of the new site is asked to move the walker.
    pub fn time_command(&self) -> Result<Duration> {
        let run_dir = self.lab.run_dir(NEW_SITE);
        let request = Request::Move { host: "walker".to_owned(), site: NEW_SITE.to_owned(), force: false };
        self.time("walker", WALKER, |_| Ok(ask::<()>(&run_dir, request)?))
    }

    /// From when the runner is heard at the new site, and right after it the follower.
    pub fn time_announcements(&self) -> Result<[Duration; 2]> {
        Ok([self.time("runner", RUNNER, Host::announce)?, self.time("follower", FOLLOWER, Host::announce)?])
    }

    fn time(&self, name: &str, number: u8, trigger: impl FnOnce(&Host) -> Result<()>) -> Result<Duration> {
        let address = Address::in_segment(number);
        let switch = Switch::of_lab(self.lab.netns(&format!("{NEW_SITE}-vms")));
        let new = switch.plug(&format!("bench-{name}"), address)?;
        let old = Host::of_lab(self.lab.netns(name), address);
        let sender = Host::of_lab(self.lab.netns("sender"), Address::in_segment(SENDER));
        Move { sender: &sender, old: &old, new: &new }.time(|| trigger(&new))
    }
}

/// Who sends to whom.
struct Ends {
    client: String,
    server: String,
    address: Ipv4Addr,
}

/// A host behind a router, as far from it as those of segments are.
struct Plain {
    host: Host,
    _switch: Switch,
}

impl Plain {
    /// In a network that is part of the site's prefix.
    fn new(lab: &Lab, site: &str, number: u8) -> Result<Self> {
        let router = lab.netns(site);
        let switch = Switch::new(&format!("bench-{site}-plain"), &router, "plain0")?;
        ip(&router, &format!("address add 10.{number}.200.1/24 dev plain0"))?;
        let address = Address { mac: [2, 0, 0, 0, 3, number].try_into()?, ip: Ipv4Addr::new(10, number, 200, 2) };
        let host = switch.plug(&format!("bench-{site}-host"), address)?;
        ip(&host.netns, &format!("route add default via 10.{number}.200.1"))?;
        Ok(Self { host, _switch: switch })
    }
}
