//! What weft wants in the kernel and what it finds there, in the same types.
//!
//! Desired state is built from the mesh file and the routes that OSPF computes; observed state from a netlink dump and
//! from the WireGuard devices. Observed state holds only what weft made (see each field) plus, in [`Foreign`], what it
//! must look at but never touches.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use ospf::Prefix;
use vxlan::Mac;

use super::filter::Ruleset;
use super::overlay::{ForeignBridge, HeldBack, Overlay, PortVlans};
use crate::keys::{KeyDigest, PresharedKey, PrivateKey, PublicKey};
use crate::mesh::{IfName, VlanId};

/// Protocol number of weft's routes, rules and addresses (RTA_PROTOCOL, FRA_PROTOCOL, IFA_PROTO).
pub const PROTOCOL: u8 = 201;

/// Mark of the tunnels' own UDP packets, so that a default route learned from another site never captures them.
pub const FWMARK: u32 = 201;

/// Table of learned routes that would otherwise capture the tunnels' own packets.
pub const CAPTURE_TABLE: u32 = 201;

/// Tables of the default route by one uplink each: this number and the kernel's index of the interface.
pub const UPLINK_TABLES: u32 = 201_000;

/// `main`.
pub const MAIN_TABLE: u32 = 254;

/// Either side of the plan.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Tunnel interfaces; observed: those whose alias names this mesh.
    pub links: BTreeMap<IfName, Link>,
    /// WireGuard configuration of those interfaces; observed: absent where none could be read.
    pub devices: BTreeMap<IfName, Device>,
    /// Addresses, always /32; observed: those with our protocol number (kernels before 5.18 keep none, then all are foreign).
    pub addresses: BTreeSet<(IfName, Ipv4Addr)>,
    /// Routes with our protocol number.
    pub routes: BTreeMap<RouteKey, Route>,
    /// Rules with our protocol number.
    pub rules: BTreeSet<Rule>,
    /// Kernel settings; observed: every [`SysctlKey`] of every scope that exists.
    pub sysctls: BTreeMap<Sysctl, u32>,
    /// Ethernet segments.
    pub overlay: Overlay,
    /// What nftables holds; observed: `None` if there is no table of ours.
    pub filter: Option<Ruleset>,
}

/// A tunnel interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Kernel WireGuard or a TUN device of the engine.
    pub backend: Backend,
    /// Bytes.
    pub mtu: u32,
    /// Whether packets can cross.
    pub admin: Admin,
}

/// Administrative state of a tunnel interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admin {
    /// Up and able to multicast (a WireGuard device is made without the MULTICAST flag, which OSPF needs).
    Up,
    /// Down, or up without the MULTICAST flag.
    Down,
}

/// Who moves the packets of a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Backend {
    /// A `wireguard` link.
    Kernel,
    /// A TUN device held by `weft engine`.
    Userspace,
}

/// WireGuard configuration of one interface, which has exactly one peer with AllowedIPs `0.0.0.0/0, ::/0`.
#[derive(Debug, Clone)]
pub struct Device {
    /// Ours.
    pub identity: Identity,
    /// UDP port.
    pub listen_port: u16,
    /// SO_MARK of the encrypted packets.
    pub fwmark: u32,
    /// The other end; observed: `None` if there is no peer, and the one last heard from if there are several.
    pub peer: Option<Peer>,
    /// Observed: every further peer, put there by somebody else. Desired: empty.
    pub strangers: BTreeSet<PublicKey>,
    /// Observed: what went through it. Desired: nothing.
    pub traffic: Traffic,
}

/// Octets of the UDP packets of a WireGuard device, handshakes and keepalives among them, since its peers were set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// From its peers.
    pub received: u64,
    /// To its peers.
    pub sent: u64,
}

/// The key pair of a device. Equal if the public halves are.
#[derive(Debug, Clone)]
pub enum Identity {
    /// Observed: its public half. The private one is read and not kept.
    Observed(PublicKey),
    /// Desired: all of it, for a device that has another one.
    Desired(PrivateKey),
}

impl Identity {
    /// The public half.
    pub fn public(&self) -> PublicKey {
        match self {
            Self::Observed(public) => *public,
            Self::Desired(private) => private.public(),
        }
    }

    /// The private half, if it is known.
    pub fn private(&self) -> Option<&PrivateKey> {
        match self {
            Self::Observed(_) => None,
            Self::Desired(private) => Some(private),
        }
    }
}

/// The one peer of a tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its key.
    pub public_key: PublicKey,
    /// Desired: where to send first, `None` = leave it to the peer. Observed: where it was last heard.
    pub endpoint: Option<SocketAddr>,
    /// PersistentKeepalive, seconds; 0 = off.
    pub keepalive_s: u16,
    /// What it may send and be sent.
    pub allowed_ips: AllowedIps,
    /// The key that both ends share besides their own.
    pub preshared: Preshared,
    /// Observed: time since the last handshake, `None` if there was none yet. Desired: `None`.
    pub handshake_age: Option<Duration>,
}

/// The preshared key of a peer. Equal if the keys are.
#[derive(Debug, Clone, Default)]
pub enum Preshared {
    /// None.
    #[default]
    None,
    /// Observed: what identifies it. The key itself is read and not kept.
    Observed(KeyDigest),
    /// Desired: all of it.
    Desired(PresharedKey),
}

impl Preshared {
    fn digest(&self) -> Option<KeyDigest> {
        match self {
            Self::None => None,
            Self::Observed(digest) => Some(*digest),
            Self::Desired(key) => Some(key.digest()),
        }
    }
}

impl PartialEq for Preshared {
    fn eq(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }
}

impl Eq for Preshared {}

/// AllowedIPs of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AllowedIps {
    /// `0.0.0.0/0` and `::/0`, as every peer of weft has.
    #[default]
    Everything,
    /// One of them is missing.
    Incomplete,
}

/// A route's identity in the kernel. Metric (priority) is fixed: [`Route::METRIC`].
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
    /// What becomes of a packet.
    pub kind: RouteKind,
    /// Ordered, without duplicates; empty if and only if packets are dropped.
    pub nexthops: BTreeSet<Nexthop>,
    /// RTA_PREFSRC: the router's loopback.
    pub source: Option<Ipv4Addr>,
}

/// What a route does with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteKind {
    /// Sends it to a next hop.
    Unicast,
    /// Drops it without a word.
    Blackhole,
}

impl Route {
    /// A route to these next hops.
    pub fn unicast(nexthops: BTreeSet<Nexthop>, source: Option<Ipv4Addr>) -> Self {
        Self { kind: RouteKind::Unicast, nexthops, source }
    }

    /// A route that drops packets.
    pub fn blackhole() -> Self {
        Self { kind: RouteKind::Blackhole, nexthops: BTreeSet::new(), source: None }
    }

    /// RTA_PRIORITY of every route of weft: as FRR and BIRD do for OSPF, behind connected and static routes.
    pub const METRIC: u32 = 110;
}

/// One next hop. `via` is sent with RTNH_F_ONLINK on tunnels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nexthop {
    /// Outgoing interface.
    pub interface: IfName,
    /// Gateway; `None` = directly connected.
    pub via: Option<Ipv4Addr>,
    /// RTNH_F_ONLINK: the gateway is on this link though no address says so.
    pub onlink: bool,
}

/// A policy rule (`ip rule`), IPv4, with FRA_PROTOCOL 201.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// FRA_PRIORITY.
    pub priority: u32,
    /// Which packets.
    pub selector: Selector,
    /// What becomes of them.
    pub action: RuleAction,
}

/// Which packets a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Selector {
    /// All of them.
    All,
    /// Those with this mark (FRA_FWMARK).
    Marked(u32),
    /// Those without this mark (FRA_FWMARK and FIB_RULE_INVERT).
    NotMarked(u32),
    /// Those from this address.
    From(Ipv4Addr),
    /// UDP from this address and these ports, first to last (`from A ipproto udp sport B-C`).
    UdpFrom(Ipv4Addr, u16, u16),
}

/// What a rule does with packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleAction {
    /// Looks their destination up.
    Lookup {
        /// The table.
        table: u32,
        /// FRA_SUPPRESS_PREFIXLEN: ignore results of this prefix length or shorter.
        suppress_prefixlen: Option<u32>,
    },
    /// Goes on at the rule of this priority (FR_ACT_GOTO).
    Goto(u32),
    /// Goes on at the next rule (FR_ACT_NOP).
    Nop,
}

/// A kernel setting below `/proc/sys/net/ipv4/conf`. Sorted as they have to be written: `all` first, it may change the others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sysctl {
    /// Whose.
    pub scope: Scope,
    /// Which.
    pub key: SysctlKey,
}

/// Whose setting.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The network namespace's.
    All,
    /// What a new interface starts with.
    Default,
    /// One interface's.
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
    /// Every key.
    pub const ALL: [Self; 3] = [Self::Forwarding, Self::RpFilter, Self::AcceptRedirects];

    /// Its file name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forwarding => "forwarding",
            Self::RpFilter => "rp_filter",
            Self::AcceptRedirects => "accept_redirects",
        }
    }
}

impl Scope {
    /// The interface, if it is one's.
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

/// `all/rp_filter`: the path below `/proc/sys/net/ipv4/conf`.
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

/// The text names no setting that weft knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a setting that weft knows")]
pub struct NotASysctl;

/// One look at the kernel and at the WireGuard devices.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// What weft made.
    pub state: State,
    /// What others made.
    pub foreign: Foreign,
    /// Kernel indexes of all interfaces, ours and foreign.
    pub indexes: BTreeMap<IfName, u32>,
    /// Tunnels whose device could not be read this time: nothing can be said about it, so it is left alone.
    pub unreadable: BTreeSet<IfName>,
    /// Hosts that bridges of segments have heard.
    pub heard: BTreeSet<HeardHost>,
    /// VLANs of ports of bridges that are not ours and filter VLANs; empty if no such bridge is there.
    pub vlans: BTreeMap<IfName, PortVlans>,
    /// VXLAN devices of ours that the spanning tree of their bridge lets nothing through.
    pub held_back: BTreeMap<IfName, HeldBack>,
    /// What has crossed VXLAN devices of ours.
    pub statistics: BTreeMap<IfName, Statistics>,
    /// Whether the next plan may start from this.
    pub freshness: Freshness,
}

/// What has crossed an interface, in packets and octets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Packets in.
    pub rx_packets: u64,
    /// Octets in.
    pub rx_bytes: u64,
    /// Packets that came and were dropped.
    pub rx_dropped: u64,
    /// Packets out.
    pub tx_packets: u64,
    /// Octets out.
    pub tx_bytes: u64,
    /// Packets that should have gone and were dropped.
    pub tx_dropped: u64,
}

/// A host, and the port of a bridge that it was last heard on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeardHost {
    /// The port.
    pub port: IfName,
    /// The host.
    pub mac: Mac,
    /// The VLAN, if the bridge filters VLANs.
    pub vlan: Option<VlanId>,
}

/// Whether what was observed is still so, as far as weft's own doing goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Freshness {
    /// Yes: at most routes and rules were changed since, and that is in it.
    #[default]
    Fresh,
    /// No: look again before planning.
    Stale,
}

/// What weft looks at but never touches.
#[derive(Debug, Clone, Default)]
pub struct Foreign {
    /// Interfaces that exist and are not ours: index, MTU, up and running, IPv4 addresses. Bridges of the overlay are among them, for
    /// OSPF may run there as on any other interface of the site.
    pub interfaces: BTreeMap<IfName, ForeignInterface>,
    /// Those of them that are bridges and not ours.
    pub bridges: BTreeMap<IfName, ForeignBridge>,
    /// Single addresses (/32) that others put on any interface, ours included.
    pub addresses: BTreeSet<(IfName, Ipv4Addr)>,
    /// Routes of [`MAIN_TABLE`] that other programs or people made and that lead somewhere; empty unless they were asked for
    /// ([`crate::kernel::Kernel::learn`]).
    pub routes: BTreeMap<Prefix, ForeignRoute>,
    /// Addresses of this machine that a default route leads out from, by the interface that they are on.
    pub uplinks: BTreeMap<Ipv4Addr, Uplink>,
}

/// The default route by the interface that an address is on, as packets from that address find it, marked as a tunnel's are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uplink {
    /// The interface.
    pub interface: IfName,
    /// The address with its prefix length.
    pub network: ipnetwork::Ipv4Network,
    /// The gateway, if the route leads by one.
    pub gateway: Option<Ipv4Addr>,
    /// The interface by which packets from the address leave: another one if a default route by that is preferred, `None` if they are
    /// several.
    pub leaves_by: Option<IfName>,
}

/// What is told of a route that somebody else made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForeignRoute {
    /// Who made it; of several routes to one destination, the greatest.
    pub origin: RouteOrigin,
    /// Its gateway, if it has one way only and that leads by one.
    pub gateway: Option<Ipv4Addr>,
    /// Its metric; of several routes to one destination, the lowest: the kernel uses that route.
    pub metric: u32,
    /// Whether the route of that metric sends packets on; `blackhole` and the like drop them.
    pub leads: bool,
    /// Kernel index of the interface that it leads out by, if that is one only.
    pub interface: Option<u32>,
    /// Whether an interface that it leads out by has carrier. A route that drops packets needs none.
    pub has_carrier: bool,
}

/// Who made a route that is not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteOrigin {
    /// Some program.
    Program,
    /// A person or a boot script (protocol `static` or `boot`).
    Static,
}

/// An interface of somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignInterface {
    /// Kernel index.
    pub index: u32,
    /// Bytes.
    pub mtu: u32,
    /// Up and with carrier.
    pub running: bool,
    /// Its IPv4 addresses with prefix lengths, in the kernel's order.
    pub addresses: Vec<ipnetwork::Ipv4Network>,
}
