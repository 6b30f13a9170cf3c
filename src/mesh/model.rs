//! The network as the mesh file describes it, after every check has passed.
//!
//! All values are valid: ids are in range, names are unique and fit an interface, networks have no host bits.
//! The rest of weft works on these types and does not check them again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ospf::{
    Alternates, AreaConfig, AreaId, Limits, NbmaNeighbor, NssaRange, Rfc1583Compatibility, RouterId, SpfDelay,
    StubRouter, TtlSecurity, Unlisted,
};
use vxlan::{Mac, Segment};

use super::auth::Auth;
use super::bfd::Bfd;
use super::default_originate::DefaultOriginate;
use super::filter::{ImportRule, Redistribution};
use super::graceful_restart::GracefulRestart;
use crate::keys::PublicKey;
use crate::net::{IfName, Prefix};

/// The whole mesh file, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mesh {
    /// `[mesh] name`.
    pub name: String,
    /// The network that contains the loopbacks of all sites: the site with id N has the N-th address.
    pub loopbacks: Prefix,
    /// Whether routes to prefixes that no site lists are used.
    pub unlisted: Unlisted,
    /// Whether source addresses are checked where packets enter and leave the mesh.
    pub source_check: SourceCheck,
    /// `[ospf]`: settings of every router as a whole.
    pub ospf: OspfProcess,
    /// `[[area]]`: areas with settings of their own.
    pub areas: BTreeMap<AreaId, AreaConfig>,
    /// All sites, ordered by id.
    pub sites: Vec<Site>,
    /// All pairs of sites with a tunnel, and the settings of each pair, ordered by the ids of the ends. Each pair occurs once, with the
    /// lower id first.
    pub links: Vec<Link>,
    /// `[[l2]]`: Ethernet segments across sites, ordered by name.
    pub segments: Vec<L2>,
}

/// `[mesh] source_check`: whether packets may enter the mesh from any source address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SourceCheck {
    /// A packet may enter only at a site from which a route to its source would be accepted.
    #[default]
    Strict,
    /// A packet may enter from any source.
    Off,
}

/// A site's id, 1..=65534, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteId(pub u16);

impl fmt::Display for SiteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One `[[site]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The site's name; unique.
    pub name: String,
    /// The site's id; unique.
    pub id: SiteId,
    /// The site's WireGuard public key; unique.
    pub public_key: PublicKey,
    /// Address at which other sites reach it; `None` behind NAT.
    pub endpoint: Option<Endpoint>,
    /// Networks of the site, which it originates. No host bits.
    pub prefixes: Vec<Prefix>,
    /// Those of `prefixes` that are never withdrawn.
    pub static_prefixes: BTreeSet<Prefix>,
    /// The default route that the site originates, if any.
    pub default_originate: Option<DefaultOriginate>,
    /// Ranges of redistributed destinations that are advertised as one destination, or not at all.
    pub external_ranges: BTreeMap<ospf::Prefix, NssaRange>,
    /// Router id, loopback address, source of the router's own traffic.
    pub loopback: Ipv4Addr,
    /// First UDP port: the tunnel to the site with id N listens on `port + N`.
    pub port: u16,
    /// Which WireGuard implementation the site uses.
    pub backend: BackendChoice,
    /// Largest MTU of this site's tunnels, in bytes; a tunnel has the smaller one of its two ends.
    pub mtu: u16,
    /// OSPF interfaces on the site's own LANs.
    pub interfaces: Vec<SiteInterface>,
    /// Settings for all interfaces whose names match a pattern with a `*` at its end (`eth*`); the first matching pattern applies. An
    /// active pattern always has authentication.
    pub interface_patterns: Vec<SiteInterface>,
    /// Virtual links of the backbone through other areas.
    pub virtual_links: Vec<VirtualLink>,
    /// Redistribution of kernel routes into OSPF; the first entry that selects a destination applies.
    pub redistributions: Vec<Redistribution>,
    /// Filters that decide which routes of OSPF are installed in the kernel.
    pub imports: Vec<ImportRule>,
}

/// Address at which other sites reach a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Address or DNS name.
    pub host: Host,
    /// The site's first UDP port as seen from outside (before the peer's id is added): the port of the endpoint, or else the site's `port`.
    pub port: u16,
}

/// An IP address or a DNS name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Host {
    /// IPv4 or IPv6 address.
    Address(IpAddr),
    /// DNS name.
    Name(String),
}

/// `backend`: which WireGuard implementation a site uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BackendChoice {
    /// The kernel's WireGuard if it has one, otherwise the userspace engine.
    #[default]
    Auto,
    /// The kernel's WireGuard; an error if it has none.
    Kernel,
    /// weft's own userspace engine.
    Userspace,
}

/// `[ospf]`: settings of a router as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OspfProcess {
    /// RFC1583Compatibility: how paths to AS boundary routers are compared; the same on all routers.
    pub rfc1583: Rfc1583Compatibility,
    /// Delay of the routing calculation.
    pub spf_delay: SpfDelay,
    /// When the router advertises itself as a stub router, so that traffic avoids it.
    pub stub_router: StubRouter,
    /// Whether alternates are calculated, which packets take at once when a next hop fails (RFC 5286).
    pub alternates: Alternates,
    /// Limits of what is accepted from other routers.
    pub limits: Limits,
    /// Graceful restart, and help for the restarts of neighbours.
    pub graceful_restart: GracefulRestart,
}

/// Timers of one interface, tunnel or virtual link, in whole seconds, 1..=65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// HelloInterval: the time between two hellos (RFC 2328 §C.3).
    pub hello_interval: Duration,
    /// RouterDeadInterval: a neighbour is down that has sent no hello for so long; more than `hello_interval`.
    pub dead_interval: Duration,
    /// RxmtInterval: what is not acknowledged for so long is sent again.
    pub retransmit_interval: Duration,
    /// InfTransDelay: what the age of an LSA grows by on the way.
    pub transmit_delay: Duration,
}

/// OSPF settings of one interface or tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OspfSettings {
    /// The area that the interface belongs to.
    pub area: AreaId,
    /// Output cost, 1..=65535.
    pub cost: u16,
    /// Timers of the interface.
    pub timers: Timers,
    /// Authentication of its OSPF packets.
    pub auth: Auth,
    /// Whether Database Description packets with a larger MTU are refused.
    pub mtu_check: MtuCheck,
    /// Router Priority, for networks on which a designated router is elected.
    pub priority: u8,
    /// PollInterval of non-broadcast networks; whole seconds, at least the HelloInterval.
    pub poll_interval: Duration,
    /// Whether the network between the routers is advertised.
    pub prefix_suppression: PrefixSuppression,
}

/// `mtu_ignore`: whether Database Description packets with a larger MTU than ours are accepted (RFC 2328 §10.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MtuCheck {
    /// They are refused.
    #[default]
    Enforced,
    /// They are accepted.
    Ignored,
}

/// `prefix_suppression`: whether a network with only routers on it is advertised (RFC 6860).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PrefixSuppression {
    /// The network is advertised, so that there are routes to it.
    #[default]
    Shown,
    /// The network is not advertised.
    Hidden,
}

/// One `[[site.interface]]`: OSPF on an interface that weft did not make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteInterface {
    /// The kernel's name of the interface.
    pub name: IfName,
    /// Whether OSPF packets are sent and received on it.
    pub mode: InterfaceMode,
    /// Network type.
    pub network: NetworkType,
    /// Neighbours on it, for networks on which multicast does not find them.
    pub neighbors: BTreeMap<Ipv4Addr, NbmaNeighbor>,
    /// Area, cost, timers and other OSPF settings.
    pub ospf: OspfSettings,
}

impl SiteInterface {
    /// Whether any host on the link can send OSPF packets that this router accepts: they are not authenticated, or only by a password that
    /// each packet contains in clear text.
    pub fn is_open(&self) -> bool {
        self.mode == InterfaceMode::Active && !matches!(self.ospf.auth, Auth::Keys { .. })
    }
}

/// One `[[site.virtual_link]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualLink {
    /// The transit area: neither the backbone nor a stub area.
    pub transit_area: AreaId,
    /// Router id of the area border router at the other end.
    pub far_end: RouterId,
    /// Timers of the virtual link.
    pub timers: Timers,
    /// Authentication of its OSPF packets.
    pub auth: Auth,
}

/// `ospf = "active" | "passive"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InterfaceMode {
    /// OSPF packets are sent and received.
    Active,
    /// The interface's networks are advertised, but no OSPF packets are sent or received.
    Passive,
}

impl SiteInterface {
    /// Whether this is a pattern that matches the interface `name`.
    pub fn is_pattern_of(&self, name: &IfName) -> bool {
        self.name.as_str().strip_suffix('*').is_some_and(|beginning| name.as_str().starts_with(beginning))
    }
}

/// `network`: the network type of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkType {
    /// Any number of routers, which find each other by multicast.
    Broadcast,
    /// One neighbour at the other end.
    PointToPoint,
    /// Any number of routers, which all reach each other, but not by multicast.
    NonBroadcast,
    /// Any number of routers, which do not all reach each other.
    PointToMultipoint,
}

/// A pair of sites that have a tunnel between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The end with the lower id.
    pub low: SiteId,
    /// The end with the higher id.
    pub high: SiteId,
    /// Area, cost, timers and other OSPF settings: the same at both ends.
    pub ospf: OspfSettings,
    /// Interval of persistent keepalives in whole seconds; `None` for none.
    pub keepalive: Option<Duration>,
    /// Whether received OSPF packets must have TTL 255, which shows that no router has forwarded them.
    pub ttl_security: TtlSecurity,
    /// The BFD session of its ends; `None` for none.
    pub bfd: Option<Bfd>,
    /// Underlay settings of this tunnel; `None` if its `[[link]]` has none.
    pub underlay: Option<Box<PairUnderlay>>,
}

/// Underlay settings of a `[[link]]`, where its tunnel differs from the sites' other tunnels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PairUnderlay {
    /// The end with the lower id.
    pub low: LinkEnd,
    /// The end with the higher id.
    pub high: LinkEnd,
    /// Largest MTU of the tunnel, in bytes.
    pub mtu: Option<u16>,
    /// File with the preshared key of both ends, relative to the mesh file.
    pub preshared_key_file: Option<String>,
}

/// Settings of one end of a tunnel in its `[[link]]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkEnd {
    /// Address that the other end sends to. Without a port, the other end sends to the port that the tunnel listens on here.
    pub endpoint: Option<(Host, Option<u16>)>,
    /// The UDP port that the tunnel listens on here.
    pub port: Option<u16>,
}

/// One `[[l2]]`: an Ethernet segment across sites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct L2 {
    /// Name of the segment; unique.
    pub name: String,
    /// The segment's VXLAN settings and table of hosts. The VTEP of a site is its loopback.
    pub segment: Segment,
    /// The sites that are part of the segment.
    pub sites: BTreeMap<SiteId, L2Site>,
    /// Names of those hosts of its table that have one; unique in the mesh.
    pub host_names: BTreeMap<Mac, String>,
}

/// One `[[l2.site]]`: a site that is part of an Ethernet segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct L2Site {
    /// Name of the bridge.
    pub bridge: IfName,
    /// Who makes the bridge.
    pub owner: BridgeOwner,
    /// Interfaces that hosts are connected to, whether or not they exist yet. Empty for an existing bridge: weft does not choose its ports.
    pub ports: BTreeSet<IfName>,
}

impl L2Site {
    /// The VLAN of the bridge that belongs to the segment; `None` if the bridge filters no VLANs.
    pub fn vlan(&self) -> Option<VlanId> {
        match self.owner {
            BridgeOwner::Weft => None,
            BridgeOwner::Others { vlan } => vlan,
        }
    }

    /// Whether the bridge is one that weft does not make.
    pub fn is_on_existing_bridge(&self) -> bool {
        matches!(self.owner, BridgeOwner::Others { .. })
    }
}

/// Who makes the bridge of a segment at a site, and decides on its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BridgeOwner {
    /// weft makes the bridge, for this segment only.
    Weft,
    /// The bridge already exists. weft adds its VXLAN device as a port, and changes nothing else.
    Others {
        /// The VLAN of the bridge that belongs to the segment; `None` if the bridge filters no VLANs.
        vlan: Option<VlanId>,
    },
}

/// A VLAN identifier (IEEE 802.1Q §9.6): 1 to 4094.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VlanId(u16);

impl VlanId {
    /// The largest VLAN identifier; 4095 is reserved.
    pub const MAX: u16 = 4094;

    /// The VLAN with this number; `None` if the number is out of range.
    pub const fn new(id: u16) -> Option<Self> {
        if id >= 1 && id <= Self::MAX { Some(Self(id)) } else { None }
    }

    /// The number.
    pub const fn value(self) -> u16 {
        self.0
    }
}

impl fmt::Display for VlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl L2 {
    /// Name of the segment's VXLAN device: `vx-NAME`, shortened to the kernel's 15 bytes.
    pub fn device(&self) -> IfName {
        super::names::overlay_interface(&self.name)
    }
}

/// One tunnel from the point of view of one of its ends: all settings that are needed to bring it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunnel {
    /// Name of the interface: `wg-NAME`, shortened to the kernel's 15 bytes.
    pub interface: IfName,
    /// Name of the site at the other end.
    pub peer: String,
    /// Id of the site at the other end.
    pub peer_id: SiteId,
    /// Public key of the site at the other end.
    pub peer_key: PublicKey,
    /// Loopback of the site at the other end.
    pub peer_loopback: Ipv4Addr,
    /// UDP port of our end: our `port` + the other end's id, or the one that its `[[link]]` sets.
    pub listen_port: u16,
    /// Whether its `[[link]]` sets that port.
    pub has_own_port: bool,
    /// Address to send to: the other end's host, and its first port + our id, unless the `[[link]]` sets another one. `None` if the other
    /// end has no endpoint.
    pub endpoint: Option<(Host, u16)>,
    /// MTU in bytes: the smaller one of both ends, since OSPF forms no adjacency if the MTUs differ (RFC 2328 §10.6).
    pub mtu: u16,
    /// Interval of persistent keepalives in whole seconds; `None` for none.
    pub keepalive: Option<Duration>,
    /// File with the preshared key of both ends, relative to the mesh file.
    pub preshared_key_file: Option<String>,
    /// Area, cost, timers and other OSPF settings.
    pub ospf: OspfSettings,
    /// Whether received OSPF packets must have TTL 255, which shows that no router has forwarded them.
    pub ttl_security: TtlSecurity,
    /// The BFD session with the other end; `None` for none.
    pub bfd: Option<Bfd>,
}

impl Mesh {
    /// The site with this name.
    pub fn site(&self, name: &str) -> Option<&Site> {
        self.sites.iter().find(|site| site.name == name)
    }

    /// The site with this id.
    pub fn site_with_id(&self, id: SiteId) -> Option<&Site> {
        self.sites.iter().find(|site| site.id == id)
    }

    /// The site with this public key. A router finds its own site by this.
    pub fn site_with_key(&self, key: &PublicKey) -> Option<&Site> {
        self.sites.iter().find(|site| site.public_key == *key)
    }

    /// The smallest MTU of all tunnels, in octets.
    pub fn smallest_mtu(&self) -> u32 {
        let of_links = self.links.iter().filter_map(|link| link.underlay.as_ref()?.mtu);
        self.sites.iter().map(|site| site.mtu).chain(of_links).min().unwrap_or_default().into()
    }

    /// The hosts at which other sites reach `site`, its own endpoint first, each once; empty behind NAT.
    pub fn endpoint_hosts<'m>(&'m self, site: &'m Site) -> Vec<&'m Host> {
        let of_links = self.links.iter().filter_map(|link| {
            let underlay = link.underlay.as_ref()?;
            let end = match site.id {
                id if id == link.low => &underlay.low,
                id if id == link.high => &underlay.high,
                _ => return None,
            };
            end.endpoint.as_ref().map(|(host, _)| host)
        });
        let mut hosts: Vec<&Host> = Vec::new();
        for host in site.endpoint.iter().map(|endpoint| &endpoint.host).chain(of_links) {
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        hosts
    }

    /// The tunnels of `site`, ordered by the other end's id.
    pub fn tunnels(&self, site: &Site) -> Vec<Tunnel> {
        let mut tunnels: Vec<Tunnel> = self.links.iter().filter_map(|link| self.tunnel(site, link)).collect();
        tunnels.sort_by_key(|tunnel| tunnel.peer_id);
        tunnels
    }

    fn tunnel(&self, site: &Site, link: &Link) -> Option<Tunnel> {
        let nothing = PairUnderlay::default();
        let underlay = link.underlay.as_deref().unwrap_or(&nothing);
        let (peer_id, here, there) = match site.id {
            id if id == link.low => (link.high, &underlay.low, &underlay.high),
            id if id == link.high => (link.low, &underlay.high, &underlay.low),
            _ => return None,
        };
        let peer = self.site_with_id(peer_id)?;
        let mtu = site.mtu.min(peer.mtu);
        Some(Tunnel {
            interface: super::names::tunnel_interface(&peer.name),
            peer: peer.name.clone(),
            peer_id,
            peer_key: peer.public_key,
            peer_loopback: peer.loopback,
            listen_port: here.port.unwrap_or_else(|| site.port + peer.id.0),
            has_own_port: here.port.is_some(),
            endpoint: endpoint(site, peer, there),
            mtu: underlay.mtu.map_or(mtu, |most| mtu.min(most)),
            preshared_key_file: underlay.preshared_key_file.clone(),
            keepalive: link.keepalive,
            ttl_security: link.ttl_security,
            bfd: link.bfd,
            ospf: link.ospf.clone(),
        })
    }
}

/// The address to which `site` sends packets for `peer`. `end` is the end of `peer` in the link between them.
fn endpoint(site: &Site, peer: &Site, end: &LinkEnd) -> Option<(Host, u16)> {
    let listening = || end.port.unwrap_or_else(|| peer.port + site.id.0);
    if let Some((host, port)) = &end.endpoint {
        return Some((host.clone(), port.unwrap_or_else(listening)));
    }
    let endpoint = peer.endpoint.as_ref()?;
    Some((endpoint.host.clone(), end.port.unwrap_or_else(|| endpoint.port + site.id.0)))
}
