//! What `--json` prints. Scripts depend on it: keys are only ever added.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

/// `weft status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// `[mesh] name`.
    pub mesh: String,
    /// The site that this router is.
    pub site: String,
    /// Its router id.
    pub router_id: Ipv4Addr,
    /// weft's version.
    pub version: String,
    /// Seconds since the daemon started.
    pub uptime_s: f64,
    /// What is wrong, in words; empty = nothing.
    pub problems: Vec<String>,
    /// Tunnels, ordered by the other site's id.
    pub tunnels: Vec<Tunnel>,
    /// OSPF neighbours.
    pub neighbors: Vec<Neighbor>,
    /// Routes, ordered by prefix.
    pub routes: Vec<Route>,
}

/// A WireGuard tunnel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tunnel {
    /// Interface name.
    pub interface: String,
    /// Site at the other end.
    pub site: String,
    /// `kernel` or `userspace`.
    pub backend: String,
    /// Public key of the other end, base64.
    pub public_key: String,
    /// Where its packets were last heard or are sent; `null` = not known yet.
    pub endpoint: Option<SocketAddr>,
    /// Our UDP port.
    pub listen_port: u16,
    /// Seconds since the last handshake; `null` = never.
    pub handshake_age_s: Option<f64>,
    /// Octets received.
    pub rx_bytes: u64,
    /// Octets sent.
    pub tx_bytes: u64,
    /// `up`: a handshake within the last 180 s; `waiting`: none yet; `stale`: none for longer than 180 s; `missing`: no such interface now.
    pub state: String,
}

/// An OSPF neighbour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Neighbor {
    /// Our interface.
    pub interface: String,
    /// Its router id.
    pub router_id: Ipv4Addr,
    /// Name of the site with that router id, if it is one.
    pub site: Option<String>,
    /// Its address.
    pub address: Ipv4Addr,
    /// Area.
    pub area: Ipv4Addr,
    /// `Full` is good.
    pub state: String,
    /// `Off`, or the state of its BFD session.
    pub bfd: String,
    /// Seconds since it reached its present state.
    pub since_s: f64,
    /// Seconds until it is given up if nothing is heard.
    pub dead_in_s: f64,
}

/// A route that OSPF computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// Destination.
    pub prefix: String,
    /// `intra-area`, `inter-area`, `external-1`, `external-2`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Area of the path.
    pub area: Ipv4Addr,
    /// Cost; of external-2, the type 2 metric.
    pub metric: u32,
    /// Where to send; a directly connected destination has `via` `null`.
    pub nexthops: Vec<Nexthop>,
    /// Routers that originate it.
    pub originators: Vec<Ipv4Addr>,
    /// External Route Tag.
    pub tag: u32,
}

/// One way to a destination.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Nexthop {
    /// Outgoing interface.
    pub interface: String,
    /// Gateway.
    pub via: Option<Ipv4Addr>,
}

/// An OSPF interface.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interface {
    /// Name.
    pub interface: String,
    /// Area.
    pub area: Ipv4Addr,
    /// `point-to-point`.
    pub network: String,
    /// Interface state in the RFC's words: `Down`, `Point-to-point`; `Passive` where no packets are exchanged.
    pub state: String,
    /// Source of its packets; `null` while it is down.
    pub address: Option<Ipv4Addr>,
    /// IP MTU, octets; `null` while it is down.
    pub mtu: Option<u16>,
    /// Output cost.
    pub cost: u16,
    /// HelloInterval, seconds.
    pub hello_interval_s: u64,
    /// RouterDeadInterval, seconds.
    pub dead_interval_s: u64,
    /// Neighbours heard.
    pub neighbors: usize,
    /// Of these, Full.
    pub full: usize,
    /// Packets sent, by type.
    pub sent: BTreeMap<String, u64>,
    /// Packets received and taken, by type.
    pub received: BTreeMap<String, u64>,
    /// LSAs sent again because no acknowledgement came.
    pub retransmitted: u64,
    /// Packets refused, by reason.
    pub refused: BTreeMap<String, u64>,
}

/// An LSA.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lsa {
    /// Area; `null` for AS and link scope.
    pub area: Option<Ipv4Addr>,
    /// Interface, for link scope.
    pub link: Option<String>,
    /// `Router`, `Network`, `AS-External` …
    #[serde(rename = "type")]
    pub kind: String,
    /// Link State ID.
    pub id: Ipv4Addr,
    /// Who originated it.
    pub advertising_router: Ipv4Addr,
    /// LS sequence number, `0x80000001` …
    pub sequence: String,
    /// LS age, seconds.
    pub age_s: u16,
    /// LS checksum, `0x1a2b`.
    pub checksum: String,
    /// Octets.
    pub length: u16,
    /// What it says, one line for each element.
    pub body: Vec<String>,
}
