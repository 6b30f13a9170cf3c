//! The types that `--json` prints. Scripts depend on them: keys are only ever added. States and kinds are enums of fixed words; a reader
//! takes a word that it does not know for `Unknown`.

mod segments;
mod states;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

pub use segments::{Counters, Forgotten, FrameTrace, Host, Port, Segment, Site};
pub use states::*;

/// The answer to `weft reload`.
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
    /// What could not be applied yet.
    pub failures: Vec<String>,
    /// What was done. Older daemons do not send this key.
    #[serde(default)]
    pub steps: Vec<Step>,
}

/// The answer to `weft plan`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// `[mesh] name`.
    pub mesh: String,
    /// The site that this router is.
    pub site: String,
    /// What applying the file would do, in this order.
    pub steps: Vec<Step>,
}

/// A change that a mesh file brings about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What it is done to.
    pub part: StepPart,
    /// What is done, in words.
    pub step: String,
}

/// The answer to `weft status`.
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
    /// What is wrong, in words; empty if nothing is.
    pub problems: Vec<String>,
    /// What is as the mesh file says but may not be intended, in words.
    pub notes: Vec<String>,
    /// The prefixes that the site lists, in the order of the mesh file.
    pub prefixes: Vec<ListedPrefix>,
    /// Tunnels, ordered by the other site's id.
    pub tunnels: Vec<Tunnel>,
    /// OSPF neighbours.
    pub neighbors: Vec<Neighbor>,
    /// Whether this router is a stub router (RFC 6987).
    pub stub_router: StubRouterState,
    /// Seconds until `stub` ends by itself; `null` if it does not.
    pub stub_router_left_s: Option<f64>,
    /// Whether packets that enter or leave the mesh here are filtered.
    pub filter: Filter,
    /// The addresses of this router on interfaces of other default routes, while the default route of another site is in force; otherwise
    /// empty.
    pub uplinks: Vec<Uplink>,
    /// Routes, ordered by prefix. This key is the last one since there may be very many routes.
    pub routes: Vec<Route>,
}

/// A prefix that the site lists, and whether it is advertised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListedPrefix {
    /// The prefix.
    pub prefix: String,
    /// Whether it is advertised, and why.
    pub state: PrefixState,
    /// What carries it, or carried it last, in words.
    pub carriers: Vec<String>,
}

/// An address of this router on an uplink.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Uplink {
    /// The address.
    pub address: Ipv4Addr,
    /// The interface that it is on.
    pub interface: String,
    /// The gateway of the uplink; `null` if it has none.
    pub gateway: Option<Ipv4Addr>,
    /// Where packets from the address go.
    pub answers: AnswersBy,
    /// The routing table that leads them to the uplink; `null` if rules and routes of other programs do so.
    pub table: Option<u32>,
}

/// The state of the nftables ruleset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Filter {
    /// `[mesh] source_check`.
    pub source_check: SourceCheck,
    /// Whether the ruleset is in place.
    pub state: FilterState,
    /// Why the ruleset is not in place, or could not be read; otherwise `null`.
    pub reason: Option<String>,
}

/// Packets that the nftables ruleset has dropped for one reason on one interface.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dropped {
    /// Why they are dropped.
    pub reason: DropReason,
    /// The interface that the packets came in by; for `vxlan` that leaves, the interface that they would have left by.
    pub interface: String,
    /// Packets dropped since the ruleset was loaded.
    pub packets: u64,
    /// Octets of these packets.
    pub bytes: u64,
    /// For `source`: some of the source addresses of the last five minutes.
    pub sources: Vec<RefusedSource>,
}

/// A source address whose packets are dropped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefusedSource {
    /// The source address.
    pub source: Ipv4Addr,
    /// Packets from it.
    pub packets: u64,
    /// The sites that list the longest prefix which covers the address. Empty if no site does.
    pub listed_by: Vec<String>,
}

/// A WireGuard tunnel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tunnel {
    /// Interface name.
    pub interface: String,
    /// Site at the other end.
    pub site: String,
    /// Which implementation of WireGuard carries it.
    pub backend: TunnelBackend,
    /// Public key of the other end, base64.
    pub public_key: String,
    /// The address that its last packets came from, or that packets are sent to; `null` = not known yet.
    pub endpoint: Option<SocketAddr>,
    /// Our UDP port.
    pub listen_port: u16,
    /// Seconds since the last handshake; `null` = never.
    pub handshake_age_s: Option<f64>,
    /// Octets received.
    pub rx_bytes: u64,
    /// Octets sent.
    pub tx_bytes: u64,
    /// Seconds since handshake, endpoint and octets were read, less than 1 unless reading takes longer.
    #[serde(default)]
    pub read_age_s: f64,
    /// Its state.
    pub state: TunnelState,
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
    /// Its state.
    pub state: NeighborState,
    /// State of its BFD session.
    pub bfd: BfdState,
    /// Seconds since it reached its present state.
    pub since_s: f64,
    /// Seconds until it is declared down if no hello arrives.
    pub dead_in_s: f64,
    /// Its role where a designated router is elected; `null` elsewhere.
    pub role: Option<NeighborRole>,
    /// Router Priority of its hellos.
    pub priority: u8,
    /// Address of the designated router that its hellos name.
    pub designated_router: Option<Ipv4Addr>,
    /// Address of the backup designated router that its hellos name.
    pub backup_designated_router: Option<Ipv4Addr>,
    /// Options of its packets by their letters in RFC 2328 §A.2 and later RFCs: `E`, `NP`, `O` …
    pub options: Vec<String>,
    /// LSAs that it has not acknowledged: the length of the Link state retransmission list.
    pub retransmissions: usize,
    /// Newer LSAs that were requested and have not arrived: the length of the Link state request list.
    pub requests: usize,
    /// LSAs that have not been described to it yet: the length of the Database summary list.
    pub summaries: usize,
    /// Seconds left of its grace period, while this router helps it to restart gracefully; otherwise `null`.
    pub helped_for_s: Option<f64>,
}

/// A BFD session (RFC 5880).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BfdSession {
    /// Name of the interface.
    pub interface: String,
    /// Address of the peer.
    pub peer: Ipv4Addr,
    /// Name of the site at the other end, if the interface is a tunnel.
    pub site: Option<String>,
    /// State of the session.
    pub state: BfdState,
    /// Seconds since it reached this state.
    pub since_s: f64,
    /// Why it was last down, in the words of RFC 5880 §4.1.
    pub diagnostic: String,
    /// State of the peer's session in its last packet; `null` if none arrived for a detection time.
    pub peer_state: Option<BfdState>,
    /// Why the peer's session was last down.
    pub peer_diagnostic: Option<String>,
    /// Milliseconds between packets that are sent, before jitter; `null` if none are.
    pub interval_ms: Option<f64>,
    /// The time without a packet after which the session is down, in milliseconds; `null` if none has arrived.
    pub detection_time_ms: Option<f64>,
    /// Seconds since the last packet arrived.
    pub received_ago_s: Option<f64>,
    /// Packets sent.
    pub sent: u64,
    /// Packets received and accepted.
    pub received: u64,
    /// Why its socket cannot be opened or does not send; `null` if it can.
    pub trouble: Option<String>,
}

/// A route that OSPF computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// Destination.
    pub prefix: String,
    /// Type of its path.
    #[serde(rename = "type")]
    pub kind: PathType,
    /// Area of the path.
    pub area: Ipv4Addr,
    /// Cost; for external-2, the type 2 metric.
    pub metric: u32,
    /// Next hops; that of a directly connected destination has the `via` `null`.
    pub nexthops: Vec<Nexthop>,
    /// Routers that originate it.
    pub originators: Vec<Ipv4Addr>,
    /// The site name of each originator, in the same order; `null` for routers that are no sites.
    pub originator_sites: Vec<Option<String>>,
    /// External Route Tag.
    pub tag: u32,
    /// For external-2, the type 2 metric; otherwise `null`.
    pub type2_metric: Option<u32>,
    /// What the kernel has for the destination.
    pub kernel: KernelState,
    /// Where packets go at once when all next hops fail; `null` if there is no such way.
    #[serde(default)]
    pub backup: Option<Backup>,
    /// Why a next hop has nothing that takes its place: neither `backup` nor another next hop. `null` if each of them has, and where no
    /// packets are sent to another router.
    #[serde(default)]
    pub unprotected: Option<Unprotected>,
}

/// A loop-free alternate (RFC 5286): a next hop from which no packet comes back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Backup {
    /// Outgoing interface.
    pub interface: String,
    /// Gateway.
    pub via: Option<Ipv4Addr>,
    /// The neighbour that it leads to, by its router id.
    pub router_id: Ipv4Addr,
    /// The site of the neighbour; `null` for a router that is no site.
    pub site: Option<String>,
    /// The cost of the way by this neighbour; for external-2, the cost to the router that originates the destination.
    pub metric: u32,
    /// Whether the way avoids the link that it protects.
    pub link_protecting: bool,
    /// Whether it avoids the router behind that link, too; `false` where that router is the destination.
    pub node_protecting: bool,
    /// Whether the neighbour is nearer to the destination than this router.
    pub downstream: bool,
}

/// How many destinations are protected against the failure of a next hop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Protection {
    /// Whether alternates are calculated: `fast_reroute` of the mesh file.
    pub fast_reroute: bool,
    /// Destinations of which packets are sent to other routers.
    pub prefixes: u64,
    /// How many of them have another way at once when the link of any of their next hops fails.
    pub link_protected: u64,
    /// How many of them have another way at once when the router behind any of their next hops fails.
    pub node_protected: u64,
    /// The others, by the reason.
    pub unprotected: Vec<UnprotectedPrefixes>,
}

/// Destinations that are not protected against the failure of a link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnprotectedPrefixes {
    /// Why not.
    pub reason: Unprotected,
    /// Their number.
    pub count: u64,
    /// The first of them.
    pub prefixes: Vec<String>,
}

/// A next hop of a route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Nexthop {
    /// Outgoing interface.
    pub interface: String,
    /// Gateway; `null` if the destination is directly connected.
    pub via: Option<Ipv4Addr>,
}

/// An OSPF interface.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interface {
    /// Name.
    pub interface: String,
    /// Area.
    pub area: Ipv4Addr,
    /// Network type.
    pub network: NetworkType,
    /// Its state.
    pub state: InterfaceState,
    /// Source address of its packets; `null` while it is down.
    pub address: Option<Ipv4Addr>,
    /// IP MTU in octets; `null` while it is down.
    pub mtu: Option<u16>,
    /// Output cost.
    pub cost: u16,
    /// HelloInterval, seconds.
    pub hello_interval_s: u64,
    /// RouterDeadInterval, seconds.
    pub dead_interval_s: u64,
    /// Neighbours that hellos were received from.
    pub neighbors: usize,
    /// Neighbours in state Full.
    pub full: usize,
    /// Packets sent, by type.
    pub sent: BTreeMap<PacketType, u64>,
    /// Packets received and accepted, by type.
    pub received: BTreeMap<PacketType, u64>,
    /// LSAs sent again because no acknowledgement arrived.
    pub retransmitted: u64,
    /// How often a neighbour made no progress for minutes: it acknowledged nothing, or its adjacency started again.
    #[serde(default)]
    pub stalled: u64,
    /// Packets refused, by reason.
    pub refused: BTreeMap<String, u64>,
    /// LSAs refused in packets that were accepted, by reason.
    pub lsa_refused: BTreeMap<String, u64>,
    /// The network of its address, or the address alone.
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
    /// PollInterval, seconds; `null` where no neighbour is polled.
    pub poll_interval_s: Option<u64>,
    /// Seconds until the next hello; `null` if none is sent.
    pub next_hello_s: Option<f64>,
    /// Authentication of its packets.
    pub auth: Authentication,
    /// Key ID that packets are signed with.
    pub auth_key_id: Option<u8>,
    /// Whether that key is within its lifetime.
    pub auth_key: Option<KeyStanding>,
    /// The end points of a virtual link; `null` for other interfaces.
    pub virtual_link: Option<VirtualLink>,
}

/// What a virtual link connects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VirtualLink {
    /// The transit area.
    pub transit_area: Ipv4Addr,
    /// Router id of the other end.
    pub far_end: Ipv4Addr,
    /// Why it is down; `null` if it is up.
    pub obstacle: Option<VirtualLinkObstacle>,
}

/// An area that this router belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Area {
    /// Its id.
    pub area: Ipv4Addr,
    /// Its kind.
    pub kind: AreaKind,
    /// Whether its border routers advertise the routes of other areas into it.
    pub summaries: bool,
    /// Interfaces of this router in it.
    pub interfaces: usize,
    /// Interfaces that are not down.
    pub interfaces_up: usize,
    /// Neighbours in state Full.
    pub full: usize,
    /// LSAs in its database, by type.
    pub lsas: BTreeMap<String, u64>,
    /// Sum of the checksums of these LSAs (RFC 4750): the same on all routers of the area.
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
    /// Type of the path: `intra-area` or `inter-area`.
    #[serde(rename = "type")]
    pub kind: PathType,
    /// Whether it is an area border router.
    pub abr: bool,
    /// Whether it is an AS boundary router.
    pub asbr: bool,
    /// Cost of the path.
    pub cost: u32,
    /// Next hops.
    pub nexthops: Vec<Nexthop>,
}

/// A limit that protects the memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// What it limits.
    pub limit: LimitKind,
    /// The area that it limits; `null` for a limit on all areas together.
    pub area: Option<Ipv4Addr>,
    /// The present number.
    pub present: usize,
    /// The highest number that is permitted.
    pub most: usize,
    /// Whether it is reached.
    pub state: LimitState,
}

/// State and parameters of the route calculation (RFC 8405).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spf {
    /// State of the delay.
    pub state: SpfState,
    /// How often routes were calculated.
    pub runs: u64,
    /// Seconds until the next calculation; `null` if nothing has changed since the last one.
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
    /// Area; `null` for AS scope and link scope.
    pub area: Option<Ipv4Addr>,
    /// Interface of an LSA of link scope; otherwise `null`.
    pub link: Option<String>,
    /// `Router`, `Network`, `AS-External` …
    #[serde(rename = "type")]
    pub kind: String,
    /// Link State ID.
    pub id: Ipv4Addr,
    /// Advertising Router.
    pub advertising_router: Ipv4Addr,
    /// LS sequence number, `0x80000001` …
    pub sequence: String,
    /// LS age, seconds.
    pub age_s: u16,
    /// LS checksum, `0x1a2b`.
    pub checksum: String,
    /// Length in octets.
    pub length: u16,
    /// Contents, one line for each element.
    pub body: Vec<String>,
    /// Options by their letters, `E`, `NP`, `O` …
    pub options: Vec<String>,
    /// LS type, a number from 1.
    pub ls_type: u8,
    /// Whether this router originates it.
    pub own: bool,
}
