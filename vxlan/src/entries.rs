//! What must exist in the kernel of one site for one segment.
//!
//! The forms are those that FRR leaves for its EVPN segments, so that `bridge fdb` and `ip neigh` look familiar. What they lean on was
//! measured on Linux:
//!
//! - `neigh_suppress` on the VXLAN port has the bridge answer for an address that is a neighbour on the bridge device and whose MAC
//!   has an entry on that port. What it cannot answer it floods.
//! - The VXLAN device's own `proxy` takes every ARP request and neighbour solicitation that reaches it, and drops it where its own
//!   neighbour table, which stays empty, has no answer. Both together: the bridge answers, and nothing leaves the site.
//! - A device with a larger MTU than its underlay has room for answers with "fragmentation needed" where DF is set and fragments
//!   where it is not; one with exactly that MTU drops without a word. So the MTU stays the hosts', and TCP is told of the true size.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::time::SystemTime;

use crate::encapsulation::{Underlay, guest_mtu};
use crate::segment::{
    Flooding, FrameRate, Host, Learning, Mobility, Resolution, Segment, UnknownUnicast, Unreachable, Vtep,
};
use crate::whereabouts::Whereabouts;
use crate::{Mac, Vni};

/// UDP port of VXLAN (RFC 7348 §5).
pub const PORT: u16 = 4789;

/// Octets of an IPv4 and a TCP header without options.
const IPV4_TCP: u32 = 40;
/// Octets of an IPv6 and a TCP header without options.
const IPV6_TCP: u32 = 60;

/// Everything of one segment at one site, besides the ports that hosts are behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entries {
    /// The way to the other sites.
    pub device: Device,
    /// How it is a port of the bridge.
    pub port: Port,
    /// The bridge itself.
    pub bridge: Bridge,
    /// Where the VXLAN device sends frames to a host (`bridge fdb … dst VTEP self`).
    pub remotes: BTreeMap<Mac, Vtep>,
    /// Where it sends frames to everybody (`00:00:00:00:00:00 dst VTEP self`).
    pub flood_list: BTreeSet<Vtep>,
    /// Which hosts the bridge sends to the VXLAN device (`bridge fdb … master`).
    pub stations: BTreeMap<Mac, Roaming>,
    /// Neighbours on the bridge device.
    pub neighbors: BTreeMap<IpAddr, Mac>,
    /// What is looked into on the way to the VXLAN device.
    pub filter: Filter,
}

/// A VXLAN device, which learns nothing, and sends from `local` to [`PORT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Device {
    /// Number of the segment.
    pub vni: Vni,
    /// Source address.
    pub local: Vtep,
    /// Whether it takes the questions for MAC addresses that reach it.
    pub proxy: Proxy,
    /// Octets.
    pub mtu: u32,
}

/// The VXLAN device's `proxy` flag. Only settable when it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proxy {
    /// ARP requests and neighbour solicitations end there.
    On,
    /// They go to the other sites.
    Off,
}

/// The flags of a VXLAN device as a port of its bridge. It never learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    /// `neigh_suppress`.
    pub neigh_suppress: bool,
    /// `flood`: unknown unicast.
    pub flood: bool,
    /// `mcast_flood`.
    pub mcast_flood: bool,
    /// `bcast_flood`.
    pub bcast_flood: bool,
}

/// A bridge. It does not snoop on group membership, so that what is flooded is what the segment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bridge {
    /// Its own address; a bridge without one of its own changes it with its ports.
    pub mac: Mac,
    /// Octets.
    pub mtu: u32,
}

/// Whether the bridge believes a frame from the host on another port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Roaming {
    /// It does, and the entry goes to that port (`extern_learn`).
    Follows,
    /// It does not (`sticky static`).
    Sticky,
}

/// What happens to frames between the bridge and its VXLAN port that flags of the port cannot say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Filter {
    /// Broadcast frames let through in a second; `None` = no bound is needed.
    pub broadcast: Option<FrameRate>,
    /// Group frames let through in a second.
    pub multicast: Option<FrameRate>,
    /// What the maximum segment size of TCP is lowered to, octets; `None` = what hosts send crosses in one piece.
    pub mss: Option<Mss>,
    /// Whom the answers of DHCP servers here are for.
    pub dhcp: DhcpAnswers,
}

/// What becomes of a DHCP server's answer (RFC 2131 §4.1) to the MAC address of its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DhcpAnswers {
    /// It goes where its client is; or nothing that is sent to everybody crosses, its question included.
    #[default]
    Unicast,
    /// It is sent to everybody, as the client's questions are: to a client that is not in the table it would not cross otherwise.
    Broadcast,
}

/// A maximum segment size (RFC 9293 §3.7.1) for each version of IP, octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mss {
    /// Over IPv4.
    pub ipv4: u16,
    /// Over IPv6.
    pub ipv6: u16,
}

/// What is known besides the configuration.
#[derive(Debug)]
pub struct Situation<'a> {
    /// Where hosts are, and which site this is: a member.
    pub whereabouts: &'a Whereabouts,
    /// Members that there is a way to.
    pub reachable: &'a BTreeSet<Vtep>,
    /// Smallest MTU of a tunnel between members, octets.
    pub underlay_mtu: u32,
    /// By the wall clock.
    pub now: SystemTime,
}

impl Entries {
    /// What `segment` needs at one of its sites.
    pub fn of(segment: &Segment, situation: &Situation<'_>) -> Self {
        let here = situation.whereabouts.here();
        let keeps = |vtep: &Vtep| segment.unreachable == Unreachable::Keep || situation.reachable.contains(vtep);
        let hosts = segment.hosts.iter();
        let located = hosts.map(|(mac, host)| (*mac, host, situation.whereabouts.location_of(*mac, host)));
        let answered: Vec<_> = located.filter(|(_, _, vtep)| *vtep == here || keeps(vtep)).collect();
        let elsewhere = answered.iter().filter(|(_, _, vtep)| *vtep != here);
        let others = segment.members.iter().filter(|vtep| **vtep != here);
        // Never to a site that is not there: the frames would follow a default route to who knows where.
        let flooded = others.filter(|vtep| segment.floods() && situation.reachable.contains(vtep));
        // One frame on a port would lead the frames to a host there until the bridge is corrected: while it is not believed to have
        // moved, the bridge does not believe it either.
        let damped: BTreeSet<Mac> = situation.whereabouts.damped(situation.now).collect();
        let roaming = |mac, host: &Host| match (segment.learning, host.mobility) {
            (Learning::On, Mobility::Movable) if !damped.contains(&mac) => Roaming::Follows,
            _ => Roaming::Sticky,
        };
        // The hosts here answer for themselves, but a gateway need not ask for them.
        let neighbors = answered.iter().filter(|_| segment.resolution != Resolution::Flood);
        Self {
            device: Device {
                vni: segment.vni,
                local: here,
                proxy: if segment.resolution == Resolution::Proxy { Proxy::On } else { Proxy::Off },
                mtu: segment.mtu,
            },
            port: Port {
                neigh_suppress: segment.resolution != Resolution::Flood,
                flood: segment.unknown_unicast == UnknownUnicast::Flood,
                mcast_flood: segment.multicast != Flooding::Drop,
                bcast_flood: segment.broadcast != Flooding::Drop,
            },
            bridge: Bridge { mac: bridge_mac(segment, here), mtu: segment.mtu },
            remotes: elsewhere.clone().map(|(mac, _, vtep)| (*mac, *vtep)).collect(),
            flood_list: flooded.copied().collect(),
            stations: elsewhere.map(|(mac, host, _)| (*mac, roaming(*mac, host))).collect(),
            neighbors: neighbors
                .flat_map(|(mac, host, _)| host.addresses.iter().map(|address| (*address, *mac)))
                .collect(),
            filter: Filter::of(segment, situation.underlay_mtu),
        }
    }
}

impl Filter {
    /// What `segment` needs where `underlay_mtu` is the smallest MTU of a tunnel between members, octets.
    pub fn of(segment: &Segment, underlay_mtu: u32) -> Self {
        let bound = |flooding| match flooding {
            Flooding::Flood(rate) => Some(rate),
            Flooding::Drop => None,
        };
        let crossing = guest_mtu(underlay_mtu, Underlay::Ipv4).unwrap_or_default();
        let room = |headers| u16::try_from(crossing.saturating_sub(headers)).unwrap_or(u16::MAX);
        let mss = (crossing < segment.mtu).then(|| Mss { ipv4: room(IPV4_TCP), ipv6: room(IPV6_TCP) });
        let dhcp = match (segment.unknown_unicast, segment.broadcast) {
            (UnknownUnicast::Drop, Flooding::Flood(_)) => DhcpAnswers::Broadcast,
            (UnknownUnicast::Flood, _) | (_, Flooding::Drop) => DhcpAnswers::Unicast,
        };
        Self { broadcast: bound(segment.broadcast), multicast: bound(segment.multicast), mss, dhcp }
    }
}

/// The bridge's own address: locally administered, and the same after every start.
///
/// A gateway's is the same at every site, for a host that moves has it in its ARP cache. No frame from it is learned elsewhere, since
/// VXLAN ports do not learn. Without a gateway it is no other site's.
fn bridge_mac(segment: &Segment, here: Vtep) -> Mac {
    let [_, high, middle, low] = segment.vni.value().to_be_bytes();
    let octets = match segment.gateway {
        Some(_) => [0x02, b'w', b'e', high, middle, low],
        None => {
            let [a, b, c, d] = here.0.octets();
            // Two bridges of one site may be joined to one switch.
            [0x06, high ^ middle ^ low, a, b, c, d]
        }
    };
    Mac::try_from(octets).expect("an even first octet that is not zero")
}

/// As `bridge` and `ip` word it, a line each: for logs and for tests that compare whole segments.
impl fmt::Display for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = |flag| if flag { "on" } else { "off" };
        let Device { vni, local, proxy, mtu } = self.device;
        let proxy = if proxy == Proxy::On { " proxy" } else { "" };
        writeln!(f, "vxlan id {vni} local {local} dstport {PORT} nolearning{proxy} mtu {mtu}")?;
        let Port { neigh_suppress, flood, mcast_flood, bcast_flood } = self.port;
        writeln!(
            f,
            "port learning off neigh_suppress {} flood {} mcast_flood {} bcast_flood {}",
            on(neigh_suppress),
            on(flood),
            on(mcast_flood),
            on(bcast_flood)
        )?;
        writeln!(f, "bridge address {} mtu {} mcast_snooping 0", self.bridge.mac, self.bridge.mtu)?;
        for (mac, vtep) in &self.remotes {
            writeln!(f, "fdb {mac} dst {vtep} self extern_learn")?;
        }
        for vtep in &self.flood_list {
            writeln!(f, "fdb 00:00:00:00:00:00 dst {vtep} self permanent")?;
        }
        for (mac, roaming) in &self.stations {
            let flags = match roaming {
                Roaming::Follows => "extern_learn",
                Roaming::Sticky => "sticky static",
            };
            writeln!(f, "fdb {mac} master {flags}")?;
        }
        for (address, mac) in &self.neighbors {
            writeln!(f, "neigh {address} lladdr {mac} permanent")?;
        }
        if let Some(rate) = self.filter.broadcast {
            writeln!(f, "filter broadcast {rate}/s")?;
        }
        if let Some(rate) = self.filter.multicast {
            writeln!(f, "filter multicast {rate}/s")?;
        }
        if let Some(Mss { ipv4, ipv6 }) = self.filter.mss {
            writeln!(f, "filter mss {ipv4} {ipv6}")?;
        }
        if self.filter.dhcp == DhcpAnswers::Broadcast {
            writeln!(f, "filter dhcp broadcast")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
