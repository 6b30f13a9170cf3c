//! Ethernet segments, as `weft show l2` and `weft trace` print them.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::{ArpMode, Fate, Nexthop, PortState, Question, SegmentState, SiteState, UnknownUnicast};

/// A segment that this site is a member of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Its name.
    pub segment: String,
    /// VXLAN Network Identifier.
    pub vni: u32,
    /// Name of its bridge on this router.
    pub bridge: String,
    /// Whether the bridge was created by something other than weft.
    #[serde(default)]
    pub existing_bridge: bool,
    /// The VLAN of the bridge that carries the segment; `null` if the bridge does not filter by VLAN.
    #[serde(default)]
    pub vlan: Option<u16>,
    /// Name of its VXLAN device.
    pub device: String,
    /// Its state at this site.
    pub state: SegmentState,
    /// How ARP requests are handled.
    pub arp: ArpMode,
    /// What happens to unicast frames to unknown hosts.
    pub unknown_unicast: UnknownUnicast,
    /// Broadcast frames that are flooded per second; `null` = all are dropped.
    pub broadcast_limit: Option<u32>,
    /// Multicast frames that are flooded per second; `null` = all are dropped.
    pub multicast_limit: Option<u32>,
    /// Whether a host whose frames arrive here is taken to have moved here.
    pub learn: bool,
    /// MTU in octets.
    pub mtu: u32,
    /// Address and prefix length that the routers have in the segment.
    pub gateway: Option<String>,
    /// The ports that hosts are connected to.
    pub ports: Vec<Port>,
    /// The sites that are members, by name.
    pub sites: Vec<Site>,
    /// The hosts of the table, ordered by MAC address.
    pub hosts: Vec<Host>,
    /// Frames and octets from and to other sites.
    pub counters: Counters,
}

/// A port of a segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Port {
    /// Interface name.
    pub port: String,
    /// Its state.
    pub state: PortState,
}

/// A member site of a segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Site {
    /// Its name.
    pub site: String,
    /// VTEP address: the destination of encapsulated frames to it.
    pub vtep: Ipv4Addr,
    /// Whether VXLAN reaches it.
    pub state: SiteState,
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
    /// The site where the mesh file places it.
    pub home: String,
    /// The site where it is now.
    pub site: String,
    /// Seconds since it is known to be there; `null` = it is where the mesh file places it.
    pub since_s: Option<f64>,
    /// The epoch that `sequence` belongs to; `weft move --force` begins a new one.
    pub epoch: u16,
    /// MAC mobility sequence number: how often it has moved in this epoch.
    pub sequence: u32,
    /// The port of this router that its frames last arrived on.
    pub port: Option<String>,
    /// Whether it is pinned to its site and may not move.
    pub pinned: bool,
    /// Whether it appears at two sites at once, so that claims of other sites than `site` are refused for a while.
    pub damped: bool,
}

/// The result of `weft forget` at this site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forgotten {
    /// The segment.
    pub segment: String,
    /// The host, by its name or MAC address.
    pub host: String,
    /// The site where it was remembered to be; `null` = nothing was remembered.
    pub remembered_at: Option<String>,
    /// Where it is now.
    pub site: String,
    /// The site whose claim places it there; `null` = the mesh file places it there.
    pub claimed_by: Option<String>,
}

/// Counters of a VXLAN device.
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
    /// Broadcast frames dropped because they exceeded the limit.
    pub broadcast_limited: u64,
    /// Multicast frames dropped because they exceeded the limit.
    pub multicast_limited: u64,
}

/// What happens to a frame to a host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrameTrace {
    /// The segment.
    pub segment: String,
    /// Destination MAC address of the frame; `null` if none is known for the IP address that was asked for.
    pub mac: Option<String>,
    /// Name of the host.
    pub host: Option<String>,
    /// What happens to it.
    pub fate: Fate,
    /// What happens to the request for the MAC address of an IP address that is not in the table.
    #[serde(default)]
    pub question: Option<Question>,
    /// The port that the frame leaves by.
    pub port: Option<String>,
    /// The site that the frame is sent to.
    pub site: Option<String>,
    /// VTEP address that the encapsulated frame is sent to.
    pub vtep: Option<Ipv4Addr>,
    /// The next hops to that address.
    pub nexthops: Vec<Nexthop>,
}
