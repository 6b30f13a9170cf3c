//! The state that one segment needs in the kernel of one site.
//!
//! It has the form that FRR gives its EVPN segments, so that `bridge fdb` and `ip neigh` look familiar. It depends on these properties of
//! Linux, which were measured:
//!
//! - With `neigh_suppress` on the VXLAN port, the bridge answers for an address that is a neighbour on the bridge device and whose MAC
//!   address has an FDB entry on that port. It floods the requests that it cannot answer.
//! - With `proxy`, the VXLAN device takes every ARP request and neighbour solicitation that reaches it, and drops it if the device's own
//!   neighbour table, which stays empty, has no answer. With both settings, the bridge answers, and no request leaves the site.
//! - A device with a larger MTU than its underlay has room to answer "fragmentation needed" if DF is set and to fragment otherwise; a
//!   device with exactly that MTU drops packets silently. So the device has the MTU of the hosts, and TCP's maximum segment size is
//!   lowered to what crosses.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::time::SystemTime;

use crate::encapsulation::{Underlay, guest_mtu};
use crate::locations::HostLocations;
use crate::segment::{
    Flooding, FrameRate, Host, Learning, Mobility, Resolution, Segment, UnknownUnicast, Unreachable, Vtep,
};
use crate::{Mac, Vni};

/// UDP port of VXLAN (RFC 7348 §5).
pub const PORT: u16 = 4789;

/// Length in octets of an IPv4 and a TCP header without options.
const IPV4_TCP: u32 = 40;
/// Length in octets of an IPv6 and a TCP header without options.
const IPV6_TCP: u32 = 60;

/// The kernel state of one segment at one site, except the ports that hosts are behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entries {
    /// The VXLAN device, which leads to the other sites.
    pub device: Device,
    /// The flags of the VXLAN device as a port of the bridge.
    pub port: Port,
    /// The bridge.
    pub bridge: Bridge,
    /// The site to which the VXLAN device sends frames for a host (`bridge fdb … dst VTEP self`).
    pub remotes: BTreeMap<Mac, Vtep>,
    /// The sites to which the VXLAN device sends flooded frames (`00:00:00:00:00:00 dst VTEP self`).
    pub flood_list: BTreeSet<Vtep>,
    /// FDB entries of the bridge for hosts behind the VXLAN device (`bridge fdb … master`).
    pub fdb_entries: BTreeMap<Mac, Roaming>,
    /// Neighbour entries on the bridge device.
    pub neighbors: BTreeMap<IpAddr, Mac>,
    /// The filter for frames between the bridge and the VXLAN device.
    pub filter: Filter,
}

/// A VXLAN device without learning, which sends from `local` to [`PORT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Device {
    /// VNI of the segment.
    pub vni: Vni,
    /// Source address.
    pub local: Vtep,
    /// Whether it takes the ARP requests and neighbour solicitations that reach it.
    pub proxy: Proxy,
    /// MTU in octets.
    pub mtu: u32,
}

/// The `proxy` flag of a VXLAN device. It can be set only when the device is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proxy {
    /// ARP requests and neighbour solicitations end at the device.
    On,
    /// They are sent to the other sites.
    Off,
}

/// The flags of a VXLAN device as a port of its bridge. Learning is always off.
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

/// A bridge. Multicast snooping is off, so that the segment's settings alone decide what is flooded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bridge {
    /// Its own MAC address. A bridge without one changes its address with its ports.
    pub mac: Mac,
    /// MTU in octets.
    pub mtu: u32,
}

/// Whether the FDB entry of a host moves when a frame from the host arrives on another port of the bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Roaming {
    /// It moves to that port (`extern_learn`).
    Follows,
    /// It does not move (`sticky static`).
    Sticky,
}

/// How frames between the bridge and its VXLAN port are handled, as far as the flags of the port cannot express it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Filter {
    /// The limit of broadcast frames per second; `None` = no limit is needed.
    pub broadcast: Option<FrameRate>,
    /// The limit of multicast frames per second; `None` = no limit is needed.
    pub multicast: Option<FrameRate>,
    /// The value to which TCP's maximum segment size is lowered, in octets; `None` = packets of the segment's MTU are not fragmented.
    pub mss: Option<Mss>,
    /// How answers of DHCP servers at this site are sent.
    pub dhcp: DhcpAnswers,
}

/// How a DHCP server's answer (RFC 2131 §4.1) to the MAC address of its client is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DhcpAnswers {
    /// To the client's MAC address: it reaches the client, or no broadcast crosses, not even the client's request.
    #[default]
    Unicast,
    /// As broadcast, like the client's requests: otherwise it would not cross to a client that is not in the table.
    Broadcast,
}

/// A maximum segment size (RFC 9293 §3.7.1) for each version of IP, octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mss {
    /// The value for TCP over IPv4.
    pub ipv4: u16,
    /// The value for TCP over IPv6.
    pub ipv6: u16,
}

/// The state that the entries depend on besides the configuration.
#[derive(Debug)]
pub struct Situation<'a> {
    /// The locations of hosts, and this site, which is a member.
    pub locations: &'a HostLocations,
    /// The reachable members.
    pub reachable: &'a BTreeSet<Vtep>,
    /// The smallest MTU of a tunnel between members, in octets.
    pub underlay_mtu: u32,
    /// The present wall-clock time.
    pub now: SystemTime,
}

impl Entries {
    /// Computes the entries that `segment` needs at this site.
    pub fn of(segment: &Segment, situation: &Situation<'_>) -> Self {
        let here = situation.locations.here();
        let keeps = |vtep: &Vtep| segment.unreachable == Unreachable::Keep || situation.reachable.contains(vtep);
        let hosts = segment.hosts.iter();
        let located = hosts.map(|(mac, host)| (*mac, host, situation.locations.location_of(*mac, host)));
        let answered: Vec<_> = located.filter(|(_, _, vtep)| *vtep == here || keeps(vtep)).collect();
        let elsewhere = answered.iter().filter(|(_, _, vtep)| *vtep != here);
        let others = segment.members.iter().filter(|vtep| **vtep != here);
        // Not to unreachable sites: the frames would follow a default route to an unrelated destination.
        let flooded = others.filter(|vtep| segment.floods() && situation.reachable.contains(vtep));
        // With `Follows`, a single frame from a host directs its traffic to the port of the frame until the bridge is corrected. While the
        // moves of a host are damped, its FDB entry is sticky as well.
        let damped: BTreeSet<Mac> = situation.locations.damped(situation.now).collect();
        let roaming = |mac, host: &Host| match (segment.learning, host.mobility) {
            (Learning::On, Mobility::Movable) if !damped.contains(&mac) => Roaming::Follows,
            _ => Roaming::Sticky,
        };
        // Hosts at this site answer for themselves, but with these entries a gateway need not send requests for them.
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
            fdb_entries: elsewhere.map(|(mac, host, _)| (*mac, roaming(*mac, host))).collect(),
            neighbors: neighbors
                .flat_map(|(mac, host, _)| host.addresses.iter().map(|address| (*address, *mac)))
                .collect(),
            filter: Filter::of(segment, situation.underlay_mtu),
        }
    }
}

impl Filter {
    /// Computes the filter that `segment` needs; `underlay_mtu` is the smallest MTU of a tunnel between members, in octets.
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

/// The bridge's own MAC address: locally administered, and the same after every start.
///
/// With a gateway, it is the same at every site, because a host that moves keeps it in its ARP cache. Frames from it are not learned at
/// other sites, since VXLAN ports do not learn. Without a gateway, it differs from the addresses of all other sites.
fn bridge_mac(segment: &Segment, here: Vtep) -> Mac {
    let [_, high, middle, low] = segment.vni.value().to_be_bytes();
    let octets = match segment.gateway {
        Some(_) => [0x02, b'w', b'e', high, middle, low],
        None => {
            let [a, b, c, d] = here.0.octets();
            // Two bridges of one site may be connected to one switch: the VNI makes their addresses differ.
            [0x06, high ^ middle ^ low, a, b, c, d]
        }
    };
    Mac::try_from(octets).expect("an even first octet that is not zero")
}

/// Writes one line for each entry in the words of `bridge` and `ip`: for logs, and for tests that compare whole segments.
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
        for (mac, roaming) in &self.fdb_entries {
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
