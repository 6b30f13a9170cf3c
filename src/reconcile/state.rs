//! The desired and the observed state of the kernel, in the same types.
//!
//! Desired state is computed from the mesh file and the routes of OSPF; observed state comes from a netlink dump and from the WireGuard
//! devices. Observed state has only what weft created (see each field) and, in [`Foreign`], what weft reads but never changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use vxlan::Mac;

use super::filter::Ruleset;
use super::overlay::{ForeignBridge, HeldBack, Overlay, PortVlans};
use crate::keys::{KeyDigest, PresharedKey, PrivateKey, PublicKey};
use crate::mesh::VlanId;
use crate::net::{Few, IfName, Prefix};

/// Protocol number of weft's routes, rules and addresses (RTA_PROTOCOL, FRA_PROTOCOL, IFA_PROTO).
pub const PROTOCOL: u8 = 201;

/// Mark of the tunnels' own UDP packets, so that no default route learned from another site captures them.
pub const FWMARK: u32 = 201;

/// Table of learned routes that would otherwise capture the tunnels' own packets.
pub const CAPTURE_TABLE: u32 = 201;

/// Tables of the default routes by one uplink each: the table's number is this plus the kernel's index of the interface.
pub const UPLINK_TABLES: u32 = 201_000;

/// Table `main`.
pub const MAIN_TABLE: u32 = 254;

/// The state of the kernel, desired or, with `D` = [`ObservedDevice`], observed.
#[derive(Debug, Clone)]
pub struct State<D = Device> {
    /// Tunnel interfaces; observed: those whose alias names this mesh.
    pub links: BTreeMap<IfName, Link>,
    /// The WireGuard devices of those interfaces; observed: no entry where it could not be read.
    pub devices: BTreeMap<IfName, D>,
    /// Addresses, always /32; observed: those with our protocol number (kernels before 5.18 store none, so that all addresses are foreign).
    pub addresses: BTreeSet<(IfName, Ipv4Addr)>,
    /// Routes with our protocol number.
    pub routes: BTreeMap<RouteKey, Route>,
    /// Rules with our protocol number.
    pub rules: BTreeSet<Rule>,
    /// Kernel settings; observed: every [`SysctlKey`] of every scope that exists.
    pub sysctls: BTreeMap<Sysctl, u32>,
    /// Ethernet segments.
    pub overlay: Overlay,
    /// The nftables ruleset; observed: `None` if weft has no table.
    pub filter: Option<Ruleset>,
}

impl<D> Default for State<D> {
    fn default() -> Self {
        Self {
            links: BTreeMap::new(),
            devices: BTreeMap::new(),
            addresses: BTreeSet::new(),
            routes: BTreeMap::new(),
            rules: BTreeSet::new(),
            sysctls: BTreeMap::new(),
            overlay: Overlay::default(),
            filter: None,
        }
    }
}

/// A tunnel interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Kernel WireGuard, or a TUN device of the engine.
    pub backend: Backend,
    /// MTU in octets.
    pub mtu: u32,
    /// Administrative state.
    pub admin: Admin,
}

/// Administrative state of a tunnel interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admin {
    /// Up, with the MULTICAST flag, which OSPF needs (the kernel creates WireGuard devices without it).
    Up,
    /// Down, or up without the MULTICAST flag.
    Down,
}

/// Which implementation of WireGuard carries the packets of a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Backend {
    /// A `wireguard` link.
    Kernel,
    /// A TUN device held by `weft engine`.
    Userspace,
}

/// The desired WireGuard configuration of one interface, which has exactly one peer with AllowedIPs `0.0.0.0/0, ::/0`.
#[derive(Debug, Clone)]
pub struct Device {
    /// The private key of this router.
    pub key: PrivateKey,
    /// UDP port that it listens on.
    pub listen_port: u16,
    /// SO_MARK of the encrypted packets.
    pub fwmark: u32,
    /// The other end.
    pub peer: Peer,
}

/// The other end of a tunnel, as desired.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its public key.
    pub public_key: PublicKey,
    /// The endpoint to start with; `None` if the peer sends first.
    pub endpoint: Option<SocketAddr>,
    /// PersistentKeepalive, seconds; 0 = off.
    pub keepalive_s: u16,
    /// The preshared key of both ends.
    pub preshared: Option<PresharedKey>,
}

/// A WireGuard device as it was read. No key is kept but public ones.
#[derive(Debug, Clone)]
pub struct ObservedDevice {
    /// The public key of this router.
    pub public_key: PublicKey,
    /// UDP port that it listens on.
    pub listen_port: u16,
    /// SO_MARK of the encrypted packets.
    pub fwmark: u32,
    /// The other end: the peer with the latest handshake; `None` if there is no peer.
    pub peer: Option<ObservedPeer>,
    /// The other peers, which weft did not configure.
    pub unmanaged: BTreeSet<PublicKey>,
    /// The octets received and sent.
    pub traffic: Traffic,
}

/// A peer of a device as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedPeer {
    /// Its public key.
    pub public_key: PublicKey,
    /// The present endpoint, which follows the peer.
    pub endpoint: Option<SocketAddr>,
    /// PersistentKeepalive, seconds; 0 = off.
    pub keepalive_s: u16,
    /// Whether packets with any address may be sent to it and received from it.
    pub allowed_ips: AllowedIps,
    /// What identifies the preshared key; `None` without one.
    pub preshared: Option<KeyDigest>,
    /// Time since the last handshake; `None` if there was none.
    pub handshake_age: Option<Duration>,
}

/// Octets of the UDP packets of a WireGuard device, including handshakes and keepalives, since its peers were configured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Octets received from its peers.
    pub received: u64,
    /// Octets sent to its peers.
    pub sent: u64,
}

/// AllowedIPs of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowedIps {
    /// `0.0.0.0/0` and `::/0`, as every peer of weft has.
    Everything,
    /// At least one of them is missing.
    Incomplete,
}

/// What identifies a route in the kernel. The metric (priority) of all is [`Route::METRIC`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteKey {
    /// [`MAIN_TABLE`], [`CAPTURE_TABLE`] or one of [`UPLINK_TABLES`].
    pub table: u32,
    /// Destination.
    pub prefix: Prefix,
}

/// A route: one or more next hops of equal weight, or none at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// What it does with packets.
    pub kind: RouteKind,
    /// Next hops in ascending order; empty if and only if packets are dropped.
    pub nexthops: Few<Nexthop>,
    /// RTA_PREFSRC: the router's loopback.
    pub source: Option<IpAddr>,
}

/// What a route does with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteKind {
    /// Sends it to a next hop.
    Unicast,
    /// Drops it without an ICMP error.
    Blackhole,
}

impl Route {
    /// Creates a route to these next hops.
    pub fn unicast(nexthops: impl IntoIterator<Item = Nexthop>, source: Option<IpAddr>) -> Self {
        Self { kind: RouteKind::Unicast, nexthops: nexthops.into_iter().collect(), source }
    }

    /// Creates a route that drops packets.
    pub fn blackhole() -> Self {
        Self { kind: RouteKind::Blackhole, nexthops: Few::default(), source: None }
    }

    /// RTA_PRIORITY of every route of weft: larger than that of connected and static routes, as with OSPF in FRR and BIRD.
    pub const METRIC: u32 = 110;
}

/// One next hop. `via` is sent with RTNH_F_ONLINK on tunnels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nexthop {
    /// Outgoing interface.
    pub interface: IfName,
    /// Gateway; `None` = directly connected.
    pub via: Option<IpAddr>,
    /// RTNH_F_ONLINK: the gateway is on this link, although no address of the interface covers it.
    pub onlink: bool,
}

/// A policy rule (`ip rule`), IPv4, with FRA_PROTOCOL 201.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// FRA_PRIORITY.
    pub priority: u32,
    /// The packets that it matches.
    pub selector: Selector,
    /// What it does with them.
    pub action: RuleAction,
}

/// The packets that a rule matches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Selector {
    /// All packets.
    All,
    /// Packets with this mark (FRA_FWMARK).
    Marked(u32),
    /// Packets without this mark (FRA_FWMARK and FIB_RULE_INVERT).
    NotMarked(u32),
    /// Packets from this address.
    From(Ipv4Addr),
    /// UDP from this address and these ports, first to last (`from A ipproto udp sport B-C`).
    UdpFrom(Ipv4Addr, u16, u16),
}

/// What a rule does with packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleAction {
    /// Looks up the destination.
    Lookup {
        /// Routing table.
        table: u32,
        /// FRA_SUPPRESS_PREFIXLEN: ignore results of this prefix length or shorter.
        suppress_prefixlen: Option<u32>,
    },
    /// Continues at the rule of this priority (FR_ACT_GOTO).
    Goto(u32),
    /// Continues at the next rule (FR_ACT_NOP).
    Nop,
}

/// A kernel setting below `/proc/sys/net/ipv4/conf`. The order is that of writing: `all` first, because writing it may change the others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sysctl {
    /// What it applies to.
    pub scope: Scope,
    /// The name of the setting.
    pub key: SysctlKey,
}

/// What a setting applies to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The network namespace.
    All,
    /// New interfaces, as their initial value.
    Default,
    /// One interface.
    Interface(IfName),
}

/// The settings that matter to a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SysctlKey {
    /// `forwarding`; writing `all` writes every interface and `default` too.
    Forwarding,
    /// `rp_filter`: 0 none, 1 strict, 2 loose; the larger of `all` and the interface's is in force.
    RpFilter,
    /// `accept_redirects`.
    AcceptRedirects,
}

impl SysctlKey {
    /// All settings.
    pub const ALL: [Self; 3] = [Self::Forwarding, Self::RpFilter, Self::AcceptRedirects];

    /// Returns the file name of the setting.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forwarding => "forwarding",
            Self::RpFilter => "rp_filter",
            Self::AcceptRedirects => "accept_redirects",
        }
    }
}

impl Scope {
    /// Returns the interface, if the setting applies to one.
    pub fn interface(&self) -> Option<&IfName> {
        match self {
            Self::Interface(name) => Some(name),
            Self::All | Self::Default => None,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Default => f.write_str("default"),
            Self::Interface(name) => name.fmt(f),
        }
    }
}

/// Formatted as `all/rp_filter`: the path below `/proc/sys/net/ipv4/conf`.
impl fmt::Display for Sysctl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.scope, self.key.name())
    }
}

impl FromStr for Sysctl {
    type Err = NotASysctl;

    fn from_str(text: &str) -> Result<Self, NotASysctl> {
        let (scope, key) = text.split_once('/').ok_or(NotASysctl)?;
        let key = SysctlKey::ALL.into_iter().find(|known| known.name() == key).ok_or(NotASysctl)?;
        let scope = match scope {
            "all" => Scope::All,
            "default" => Scope::Default,
            name => Scope::Interface(IfName::new(name).ok_or(NotASysctl)?),
        };
        Ok(Self { scope, key })
    }
}

/// The error for a text that is not the name of a setting in [`SysctlKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a setting that weft knows")]
pub struct NotASysctl;

/// One observation of the kernel and of the WireGuard devices.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// What weft created.
    pub state: State<ObservedDevice>,
    /// What weft did not create.
    pub foreign: Foreign,
    /// Kernel indexes of all interfaces, ours and foreign.
    pub indexes: BTreeMap<IfName, u32>,
    /// Tunnels whose device could not be read this time. Their state is unknown, so they are left unchanged.
    pub unreadable: BTreeSet<IfName>,
    /// Hosts that bridges of segments have learned from frames.
    pub learned: BTreeSet<LearnedHost>,
    /// VLANs of the ports of foreign bridges that filter VLANs; empty if there is no such bridge.
    pub vlans: BTreeMap<IfName, PortVlans>,
    /// VXLAN devices of ours that the spanning tree of their bridge does not forward frames through.
    pub held_back: BTreeMap<IfName, HeldBack>,
    /// Packet counters of VXLAN devices of ours.
    pub statistics: BTreeMap<IfName, Statistics>,
    /// Whether the next plan may be computed from this.
    pub freshness: Freshness,
}

/// Counters of an interface, in packets and octets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Packets received.
    pub rx_packets: u64,
    /// Octets received.
    pub rx_bytes: u64,
    /// Packets that were received and dropped.
    pub rx_dropped: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Octets sent.
    pub tx_bytes: u64,
    /// Packets that were to be sent and were dropped.
    pub tx_dropped: u64,
}

/// A host, and the port of a bridge on which it was last learned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LearnedHost {
    /// The bridge port.
    pub port: IfName,
    /// The MAC address of the host.
    pub mac: Mac,
    /// The VLAN; `None` if the bridge does not filter VLANs.
    pub vlan: Option<VlanId>,
}

/// Whether an observation includes all that weft itself has changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Freshness {
    /// Yes: at most routes and rules were changed, and the observation was updated.
    #[default]
    Fresh,
    /// No: observe again before planning.
    Stale,
}

/// What weft reads but never changes.
#[derive(Debug, Clone, Default)]
pub struct Foreign {
    /// Interfaces that are not ours: index, MTU, whether they are running, IPv4 addresses. Bridges of the overlay are included, because
    /// OSPF may run on them as on any other interface of the site.
    pub interfaces: BTreeMap<IfName, ForeignInterface>,
    /// Foreign bridges, which are also in `interfaces`.
    pub bridges: BTreeMap<IfName, ForeignBridge>,
    /// Foreign addresses with prefix length 32 on any interface, including ours.
    pub addresses: BTreeSet<(IfName, Ipv4Addr)>,
    /// Foreign routes of [`MAIN_TABLE`] that the kernel did not create itself; empty unless they were requested
    /// ([`crate::kernel::Kernel::learn`]) or a listed prefix depends on them ([`crate::kernel::Kernel::follow`]).
    pub routes: BTreeMap<Prefix, ForeignRoute>,
    /// Addresses of this machine that are on an uplink, with that uplink.
    pub uplinks: BTreeMap<Ipv4Addr, Uplink>,
}

/// The default route by the interface that an address is on, for packets from that address that are marked as a tunnel's are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uplink {
    /// The interface.
    pub interface: IfName,
    /// The address with its prefix length.
    pub network: ipnetwork::Ipv4Network,
    /// The gateway, if the route has one.
    pub gateway: Option<Ipv4Addr>,
    /// The outgoing interface of packets from the address. It is another one if a default route by that is preferred; `None` if there are
    /// several.
    pub leaves_by: Option<IfName>,
}

/// A foreign route to a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForeignRoute {
    /// Who created it; with several routes to one destination, the greatest value.
    pub origin: RouteOrigin,
    /// Its gateway, if it has exactly one next hop, with a gateway.
    pub gateway: Option<Ipv4Addr>,
    /// Its metric; with several routes to one destination, the lowest: the kernel uses that route.
    pub metric: u32,
    /// Whether the route of that metric forwards packets; `blackhole` and the like drop them.
    pub leads: bool,
    /// Kernel index of the outgoing interface, if there is exactly one.
    pub interface: Option<u32>,
    /// Whether an outgoing interface has carrier; true for a route that drops packets.
    pub has_carrier: bool,
}

/// Who created a foreign route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteOrigin {
    /// A program.
    Program,
    /// A person or a boot script (protocol `static` or `boot`).
    Static,
}

/// A foreign interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignInterface {
    /// Kernel index.
    pub index: u32,
    /// MTU in octets.
    pub mtu: u32,
    /// Whether it is up and has carrier.
    pub running: bool,
    /// IPv4 addresses with prefix lengths, in the kernel's order.
    pub addresses: Vec<ipnetwork::Ipv4Network>,
}
