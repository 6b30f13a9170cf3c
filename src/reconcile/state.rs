//! What weft wants in the kernel and what it finds there, in the same types.
//!
//! Desired state is built from the mesh file and the routes that OSPF computes; observed state from a netlink dump and
//! from the WireGuard devices. Observed state holds only what weft made (see each field) plus, in [`Foreign`], what it
//! must look at but never touches.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ospf::Prefix;

use crate::keys::{PrivateKey, PublicKey};
use crate::mesh::IfName;

/// Protocol number of weft's routes, rules and addresses (RTA_PROTOCOL, FRA_PROTOCOL, IFA_PROTO).
pub const PROTOCOL: u8 = 201;

/// Mark of the tunnels' own UDP packets, so that a default route learned from another site never captures them.
pub const FWMARK: u32 = 201;

/// Table of learned routes that would otherwise capture the tunnels' own packets.
pub const CAPTURE_TABLE: u32 = 201;

/// `main`.
pub const MAIN_TABLE: u32 = 254;

/// Either side of the plan.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Tunnel interfaces; observed: those whose alias names this mesh.
    pub links: BTreeMap<IfName, Link>,
    /// WireGuard configuration of those interfaces; observed: absent where none could be read.
    pub devices: BTreeMap<IfName, Device>,
    /// Addresses, always /32; observed: those on tunnel interfaces and those elsewhere with our protocol number.
    pub addresses: BTreeSet<(IfName, Ipv4Addr)>,
    /// Routes with our protocol number.
    pub routes: BTreeMap<RouteKey, Route>,
    /// Rules with our protocol number.
    pub rules: BTreeSet<Rule>,
    /// Per-interface and global kernel settings; observed: those that desired state names.
    pub sysctls: BTreeMap<Sysctl, u32>,
}

/// A tunnel interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Kernel WireGuard or a TUN device of the engine.
    pub backend: Backend,
    /// Bytes.
    pub mtu: u32,
    /// Administratively up and able to multicast (a WireGuard device is made without MULTICAST).
    pub up: bool,
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
    /// Ours; compared by its public half.
    pub private_key: PrivateKey,
    /// UDP port.
    pub listen_port: u16,
    /// SO_MARK of the encrypted packets.
    pub fwmark: u32,
    /// The other end; observed: `None` if there is no peer, and the one last heard from if there are several.
    pub peer: Option<Peer>,
    /// Observed: every further peer, put there by somebody else. Desired: empty.
    pub strangers: BTreeSet<PublicKey>,
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
    /// Observed: time since the last handshake, `None` if there was none yet. Desired: `None`.
    pub handshake_age: Option<Duration>,
}

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
    /// [`MAIN_TABLE`] or [`CAPTURE_TABLE`].
    pub table: u32,
    /// Destination.
    pub prefix: Prefix,
}

/// A route: one or more next hops of equal weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Ordered, without duplicates, never empty.
    pub nexthops: BTreeSet<Nexthop>,
    /// RTA_PREFSRC: the router's loopback.
    pub source: Option<Ipv4Addr>,
}

impl Route {
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
    /// FRA_FWMARK: `Some` = this mark, inverted if `not_fwmark`.
    pub fwmark: Option<u32>,
    /// FIB_RULE_INVERT.
    pub invert: bool,
    /// Table looked up.
    pub table: u32,
    /// FRA_SUPPRESS_PREFIXLEN: ignore results of this prefix length or shorter.
    pub suppress_prefixlen: Option<u32>,
}

/// A kernel setting below /proc/sys/net/ipv4/conf (one value each).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sysctl {
    /// `all`, `default` or an interface.
    pub scope: String,
    /// `forwarding`, `rp_filter` …
    pub key: &'static str,
}

/// What weft looks at but never touches.
#[derive(Debug, Clone, Default)]
pub struct Foreign {
    /// Interfaces that exist and are not ours: index, MTU, up and running, IPv4 addresses.
    pub interfaces: BTreeMap<IfName, ForeignInterface>,
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
