//! Ethernet segments, as `weft show l2` and `weft trace` print them.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::Nexthop;

/// A segment that this site is part of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Its name.
    pub segment: String,
    /// Its number on the wire.
    pub vni: u32,
    /// The bridge here.
    pub bridge: String,
    /// Whether somebody else makes the bridge.
    #[serde(default)]
    pub existing_bridge: bool,
    /// The VLAN of the bridge that the segment is; `null` if the bridge filters no VLANs.
    #[serde(default)]
    pub vlan: Option<u16>,
    /// The VXLAN device.
    pub device: String,
    /// `up`; `down`: it, or its bridge, is there and carries nothing; `missing`: it is not there now.
    pub state: String,
    /// `proxy`, `suppress` or `flood`.
    pub arp: String,
    /// `drop` or `flood`.
    pub unknown_unicast: String,
    /// Frames in a second that are flooded; `null` = dropped.
    pub broadcast_limit: Option<u32>,
    /// Likewise.
    pub multicast_limit: Option<u32>,
    /// Whether a host that is heard here has moved here.
    pub learn: bool,
    /// Octets.
    pub mtu: u32,
    /// Address and prefix length of the routers in the segment.
    pub gateway: Option<String>,
    /// What hosts are behind.
    pub ports: Vec<Port>,
    /// The sites that it spans, by name.
    pub sites: Vec<Site>,
    /// The hosts of the table, by MAC address.
    pub hosts: Vec<Host>,
    /// Frames and octets from and to other sites.
    pub counters: Counters,
}

/// A port of a segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Port {
    /// Interface name.
    pub port: String,
    /// `joined`, `missing`, or `elsewhere`: it is a port of another bridge.
    pub state: String,
}

/// A site of a segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Site {
    /// Its name.
    pub site: String,
    /// Where encapsulated frames to it are sent.
    pub vtep: Ipv4Addr,
    /// `here`, `reachable` or `unreachable`.
    pub state: String,
}

/// A host of a segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Its MAC address.
    pub mac: String,
    /// Its name in the mesh file.
    pub name: Option<String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Where the mesh file has it.
    pub home: String,
    /// Where it is.
    pub site: String,
    /// Seconds since it is known to be there; `null` = it is where the mesh file has it.
    pub since_s: Option<f64>,
    /// Which count of moves `sequence` belongs to; another one begins with `weft move --force`.
    pub epoch: u16,
    /// How often it has moved.
    pub sequence: u32,
    /// The port that it was last heard on here.
    pub port: Option<String>,
    /// Whether it may not move.
    pub pinned: bool,
    /// Whether it is heard at two sites at once, and believed to be at none but `site`.
    pub damped: bool,
}

/// What `weft forget` has left of a host at this site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forgotten {
    /// The segment.
    pub segment: String,
    /// The host, by its name or MAC address.
    pub host: String,
    /// The site that it was remembered at; `null` = nothing was remembered.
    pub remembered_at: Option<String>,
    /// Where it is now.
    pub site: String,
    /// The site that claims it to be there; `null` = the mesh file has it there.
    pub claimed_by: Option<String>,
}

/// What has crossed a VXLAN device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Counters {
    /// Frames from other sites.
    pub rx_packets: u64,
    /// Octets from other sites.
    pub rx_bytes: u64,
    /// Frames from other sites that were dropped.
    pub rx_dropped: u64,
    /// Frames to other sites.
    pub tx_packets: u64,
    /// Octets to other sites.
    pub tx_bytes: u64,
    /// Frames to other sites that were dropped.
    pub tx_dropped: u64,
    /// Broadcast frames that were more than the limit.
    pub broadcast_limited: u64,
    /// Group frames that were more than the limit.
    pub multicast_limited: u64,
}

/// What becomes of a frame to a host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrameTrace {
    /// The segment.
    pub segment: String,
    /// The MAC address that the frame has; `null` if the address that was asked for has none that is known.
    pub mac: Option<String>,
    /// Name of the host.
    pub host: Option<String>,
    /// `port`: out of the port where it was heard; `ports`: out of all ports here; `site`: to another site; `unreachable`: to another
    /// site, to which there is no way; `flooded`: out of all ports and to all sites; `dropped`: it, or the question for its MAC address,
    /// stays here.
    pub fate: String,
    /// What becomes of the question for the MAC address, where an address was asked for that is not in the table: `flooded` or `stays`.
    #[serde(default)]
    pub question: Option<String>,
    /// The port.
    pub port: Option<String>,
    /// The site.
    pub site: Option<String>,
    /// Where it is sent.
    pub vtep: Option<Ipv4Addr>,
    /// The next hops on the way there.
    pub nexthops: Vec<Nexthop>,
}
