//! What `--json` prints. Scripts depend on it: keys are only ever added.

mod segments;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

pub use segments::{Counters, Forgotten, FrameTrace, Host, Port, Segment, Site};

/// `weft reload`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reloaded {
    /// `[mesh] name`.
    pub mesh: String,
    /// The site that this router is.
    pub site: String,
    /// How many sites the file has.
    pub sites: usize,
    /// How many tunnels this site has.
    pub tunnels: usize,
    /// What could not be put into force yet.
    pub failures: Vec<String>,
}

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
    /// What is as the mesh file says and may not be meant, in words.
    pub notes: Vec<String>,
    /// The prefixes that the site lists, in the order of the mesh file.
    pub prefixes: Vec<ListedPrefix>,
    /// Tunnels, ordered by the other site's id.
    pub tunnels: Vec<Tunnel>,
    /// OSPF neighbours.
    pub neighbors: Vec<Neighbor>,
    /// `transit`, or `stub`: others send traffic through this router only where there is no other way (RFC 6987).
    pub stub_router: String,
    /// Seconds until that ends by itself; `null` if it does not.
    pub stub_router_left_s: Option<f64>,
    /// Whether what enters and leaves the mesh here is filtered.
    pub filter: Filter,
    /// While a default route of another site is in force, addresses of this router on interfaces that another default route leads out
    /// by; else none.
    pub uplinks: Vec<Uplink>,
    /// Routes, ordered by prefix. The last key, since there may be very many.
    pub routes: Vec<Route>,
}

/// A prefix that the site lists, and whether it is advertised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListedPrefix {
    /// The prefix.
    pub prefix: String,
    /// `carried`: advertised; `never-carried`: advertised, though nothing has carried it since weft started; `withdrawn`: nothing carries
    /// it any more; `static`: advertised, whatever there is; `default-originate`: as `default_originate` says.
    pub state: String,
    /// What carries it, or did last, in words.
    pub carriers: Vec<String>,
}

/// An address of this router on an uplink.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Uplink {
    /// The address.
    pub address: Ipv4Addr,
    /// The interface that it is on.
    pub interface: String,
    /// The gateway there; `null` if there is none.
    pub gateway: Option<Ipv4Addr>,
    /// Where answers from the address go: `uplink`; `mesh`: by the default route of another site, for the mesh leads to the address, or it
    /// is one too many.
    pub answers: String,
    /// The table by which they find their uplink; `null` if other programs' rules and routes lead them there.
    pub table: Option<u32>,
}

/// The nftables ruleset at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Filter {
    /// `[mesh] source_check`: `strict` or `off`.
    pub source_check: String,
    /// `on`; `off`: it is not in place; `unused`: there is nothing to filter, for this site has no tunnel.
    pub state: String,
    /// Why it is not in place, or could not be looked at; else `null`.
    pub reason: Option<String>,
}

/// Packets that the nftables ruleset has dropped for one reason on one interface.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dropped {
    /// `control`: a control packet of the mesh from a LAN; `vxlan`: VXLAN of a segment not from another member through a tunnel, or to
    /// one and not by a tunnel; `source`: a source that is not admitted; `martian`: one that is no host's; `ipv6`: tunnels carry IPv4.
    pub reason: String,
    /// The interface that they came in by; of `vxlan` that leaves, the one that they would have left by.
    pub interface: String,
    /// How many since the ruleset was set.
    pub packets: u64,
    /// Their octets.
    pub bytes: u64,
    /// Of `source`: some of the sources of the last five minutes.
    pub sources: Vec<RefusedSource>,
}

/// A source whose packets are dropped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefusedSource {
    /// The source.
    pub source: Ipv4Addr,
    /// Packets from it.
    pub packets: u64,
    /// The sites that list it: the longest prefix that covers it. Empty if no site does.
    pub listed_by: Vec<String>,
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
    /// `up`: a handshake within the last 180 s, and packets both ways since; `one-way`: what it sends is not answered any more; `idle`: it
    /// sends nothing; `waiting`: no handshake yet; `stale`: none for longer than 180 s; `missing`: no such interface now; `silent`: who
    /// should encrypt for it does not answer.
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
    /// `dr`, `backup` or `other` where a designated router is elected; `null` elsewhere.
    pub role: Option<String>,
    /// Router Priority of its hellos.
    pub priority: u8,
    /// Address of the designated router that its hellos name.
    pub designated_router: Option<Ipv4Addr>,
    /// Address of the backup designated router that its hellos name.
    pub backup_designated_router: Option<Ipv4Addr>,
    /// Options of its packets by their letters in RFC 2328 §A.2 and later, `E`, `NP`, `O` …
    pub options: Vec<String>,
    /// LSAs that it has not acknowledged.
    pub retransmissions: usize,
    /// LSAs that it has newer and that have not come yet.
    pub requests: usize,
    /// LSAs that have not been described to it yet.
    pub summaries: usize,
    /// While it restarts gracefully and is helped: seconds that are left to it.
    pub helped_for_s: Option<f64>,
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
    /// The name of each of these that is a site; `null` for other routers.
    pub originator_sites: Vec<Option<String>>,
    /// External Route Tag.
    pub tag: u32,
    /// Of external-2, the type 2 metric; else `null`.
    pub type2_metric: Option<u32>,
    /// What the kernel has of it: `installed`; `overridden`: installed, but another route or a rule is preferred; `discard`: installed to
    /// drop what has no route of its own; `connected`: the kernel has it by itself; `own`: this router's address; `refused`: a
    /// `[[site.import]]` keeps it out; `different`: another route of weft's to the destination; `missing`: none.
    pub kernel: String,
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
    /// `broadcast`, `nbma`, `point-to-point`, `point-to-multipoint` or `virtual-link`.
    pub network: String,
    /// Interface state in the RFC's words: `Down`, `Waiting`, `Point-to-point`, `DROther`, `Backup`, `DR`; `Passive` where no
    /// packets are exchanged.
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
    /// How often a neighbour did not come forward for minutes: it acknowledged nothing, or its adjacency was begun anew.
    #[serde(default)]
    pub stalled: u64,
    /// Packets refused, by the name of the reason.
    pub refused: BTreeMap<String, u64>,
    /// LSAs refused that came in good packets, by the name of the reason.
    pub lsa_refused: BTreeMap<String, u64>,
    /// The network of its address, or the single address.
    pub prefix: Option<String>,
    /// Router Priority.
    pub priority: u8,
    /// Address of the designated router.
    pub designated_router: Option<Ipv4Addr>,
    /// Address of the backup designated router.
    pub backup_designated_router: Option<Ipv4Addr>,
    /// RxmtInterval, seconds.
    pub retransmit_interval_s: f64,
    /// InfTransDelay, seconds.
    pub transmit_delay_s: u64,
    /// PollInterval, seconds; `null` where nobody is polled.
    pub poll_interval_s: Option<u64>,
    /// Seconds to the next hello; `null` if none is sent.
    pub next_hello_s: Option<f64>,
    /// `none`, `simple`, `md5`, `hmac-sha-256` …
    pub auth: String,
    /// Key ID that packets are signed with.
    pub auth_key_id: Option<u8>,
    /// `valid`; `expired` or `premature` if no key's lifetime is now.
    pub auth_key: Option<String>,
    /// Transit area and router at the other end of a virtual link.
    pub virtual_link: Option<VirtualLink>,
}

/// What a virtual link joins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VirtualLink {
    /// The area it runs through.
    pub transit_area: Ipv4Addr,
    /// Router id of its other end.
    pub far_end: Ipv4Addr,
    /// Why it is down: `no-path` through the area, or `no-address` of its other end in the area; `null` if it is up.
    pub obstacle: Option<String>,
}

/// An area that this router is in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Area {
    /// Its id.
    pub area: Ipv4Addr,
    /// `normal`, `stub`, `nssa`.
    pub kind: String,
    /// Whether its border routers tell it of other areas.
    pub summaries: bool,
    /// Interfaces of this router in it.
    pub interfaces: usize,
    /// Of these, not down.
    pub interfaces_up: usize,
    /// Neighbours in state Full.
    pub full: usize,
    /// LSAs in its database, by type.
    pub lsas: BTreeMap<String, u64>,
    /// Sum of their checksums (RFC 4750): the same on all its routers.
    pub checksum_sum: String,
    /// Area border routers in it.
    pub border_routers: usize,
    /// AS boundary routers in it.
    pub boundary_routers: usize,
}

/// A path to an area border or AS boundary router.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BorderRouter {
    /// Its router id.
    pub router_id: Ipv4Addr,
    /// Name of the site with that router id, if it is one.
    pub site: Option<String>,
    /// The area that the path lies in.
    pub area: Ipv4Addr,
    /// `intra-area`, `inter-area`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it joins areas.
    pub abr: bool,
    /// Whether it knows destinations outside.
    pub asbr: bool,
    /// Cost of the path.
    pub cost: u32,
    /// Where to send.
    pub nexthops: Vec<Nexthop>,
}

/// A guard of memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// `lsas`, `lsas-per-area`, `routes`.
    pub limit: String,
    /// Of this area; `null` for those of all.
    pub area: Option<Ipv4Addr>,
    /// What there is.
    pub present: usize,
    /// The most there may be.
    pub most: usize,
    /// `free`; `reached`: more is refused until there is room again; `reached-for-others`: more is refused of routers that are no sites.
    pub state: String,
}

/// When routes are calculated (RFC 8405).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spf {
    /// `quiet`, `short-wait`, `long-wait`.
    pub state: String,
    /// How often routes were calculated.
    pub runs: u64,
    /// Seconds until they are calculated next; `null` if nothing has changed since.
    pub due_in_s: Option<f64>,
    /// INITIAL_SPF_DELAY, seconds.
    pub initial_s: f64,
    /// SHORT_SPF_DELAY, seconds.
    pub short_s: f64,
    /// LONG_SPF_DELAY, seconds.
    pub long_s: f64,
    /// TIME_TO_LEARN_INTERVAL, seconds.
    pub time_to_learn_s: f64,
    /// HOLDDOWN_INTERVAL, seconds.
    pub holddown_s: f64,
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
    /// Options by their letters, `E`, `NP`, `O` …
    pub options: Vec<String>,
    /// LS type, 1 …
    pub ls_type: u8,
    /// Whether this router originates it.
    pub own: bool,
}
