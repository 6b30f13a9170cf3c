//! The network as the mesh file describes it, after every check has passed.
//!
//! Nothing here can be wrong: ids are in range, names are unique and fit an interface, networks carry no host bits.
//! The rest of weft works on these types and re-checks nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ospf::{
    AreaConfig, AreaId, Limits, NbmaNeighbor, NssaRange, Rfc1583Compatibility, RouterId, SpfDelay, StubRouter,
    TtlSecurity,
};

use vxlan::{Mac, Segment};

use super::auth::Auth;
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
    /// The network that holds every site's loopback: site id N has the N-th address.
    pub loopbacks: Prefix,
    /// What becomes of prefixes that no site lists.
    pub unlisted: Unlisted,
    /// Whether source addresses are checked where packets enter and leave the mesh.
    pub source_check: SourceCheck,
    /// What `[ospf]` says of every router as a whole.
    pub ospf: OspfProcess,
    /// `[[area]]`: areas that are not plain.
    pub areas: BTreeMap<AreaId, AreaConfig>,
    /// Every site, ordered by id.
    pub sites: Vec<Site>,
    /// Every tunnel's two ends with the settings of that pair, ordered by the ids of the ends; each pair once, lower id first.
    pub links: Vec<Link>,
    /// `[[l2]]`: Ethernet segments across sites, ordered by name.
    pub segments: Vec<L2>,
}

/// `[mesh] unlisted`: whether a prefix that no site lists may be learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unlisted {
    /// Learned like any other route.
    #[default]
    Accept,
    /// Not used, and noted in `weft status`.
    Refuse,
}

/// `[mesh] source_check`: whether a packet may enter the mesh from any source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SourceCheck {
    /// Only at a site by which a route to the source would be accepted.
    #[default]
    Strict,
    /// From any source.
    Off,
}

/// A site's number, 1..=65534, never reused.
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
    /// Its name; unique.
    pub name: String,
    /// Its number; unique.
    pub id: SiteId,
    /// Its WireGuard identity; unique.
    pub public_key: PublicKey,
    /// Where it is reached; `None` behind NAT.
    pub endpoint: Option<Endpoint>,
    /// What lives there and is originated by it. No host bits.
    pub prefixes: Vec<Prefix>,
    /// Those of them that are never withdrawn.
    pub static_prefixes: BTreeSet<Prefix>,
    /// A default route that it offers.
    pub default_originate: Option<DefaultOriginate>,
    /// Destinations that it takes from the kernel and tells of as one, or not at all.
    pub external_ranges: BTreeMap<ospf::Prefix, NssaRange>,
    /// Router id, loopback address, source of the router's own traffic.
    pub loopback: Ipv4Addr,
    /// First UDP port: the tunnel to site N listens on `port + N`.
    pub port: u16,
    /// Who does the encryption.
    pub backend: BackendChoice,
    /// The largest MTU of this site's tunnels, bytes; a tunnel has the smaller of its ends'.
    pub mtu: u16,
    /// OSPF interfaces towards the site's own LAN.
    pub interfaces: Vec<SiteInterface>,
    /// The same for whatever interfaces there are with names that begin so, `*` at the end (`eth*`); of several the first counts. An active
    /// one is authenticated.
    pub interface_patterns: Vec<SiteInterface>,
    /// Links of the backbone through other areas.
    pub virtual_links: Vec<VirtualLink>,
    /// What is taken from the kernel into OSPF; of several that select a destination the first counts.
    pub redistributions: Vec<Redistribution>,
    /// Which of OSPF's routes go into the kernel.
    pub imports: Vec<ImportRule>,
}

/// Where a site is reached from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Address or DNS name.
    pub host: Host,
    /// The site's first UDP port as seen from outside (before the peer's id is added): the endpoint's own, else the site's `port`.
    pub port: u16,
}

/// An address, or a name that has to be looked up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Host {
    /// IPv4 or IPv6 address.
    Address(IpAddr),
    /// DNS name.
    Name(String),
}

/// `backend`: which WireGuard a site uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BackendChoice {
    /// The kernel where it has WireGuard, else userspace.
    #[default]
    Auto,
    /// The kernel's WireGuard; an error where it has none.
    Kernel,
    /// weft's own engine.
    Userspace,
}

/// What `[ospf]` says of a router as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OspfProcess {
    /// How paths to AS boundary routers compare; the same on all routers.
    pub rfc1583: Rfc1583Compatibility,
    /// When routes are calculated.
    pub spf_delay: SpfDelay,
    /// When traffic is led around the routers.
    pub stub_router: StubRouter,
    /// How much is taken from others.
    pub limits: Limits,
    /// How restarts are borne.
    pub graceful_restart: GracefulRestart,
}

/// Intervals of one interface, tunnel or virtual link; whole seconds, 1..=65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// HelloInterval.
    pub hello_interval: Duration,
    /// RouterDeadInterval; more than `hello_interval`.
    pub dead_interval: Duration,
    /// RxmtInterval.
    pub retransmit_interval: Duration,
    /// InfTransDelay.
    pub transmit_delay: Duration,
}

/// OSPF settings of one interface or tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OspfSettings {
    /// Area the interface belongs to.
    pub area: AreaId,
    /// Output cost, 1..=65535.
    pub cost: u16,
    /// Its intervals.
    pub timers: Timers,
    /// How its packets are authenticated.
    pub auth: Auth,
    /// Whether neighbours with a larger MTU are refused.
    pub mtu_check: MtuCheck,
    /// Router Priority, where a designated router is elected.
    pub priority: u8,
    /// PollInterval of non-broadcast networks; whole seconds, at least the HelloInterval.
    pub poll_interval: Duration,
    /// Whether others learn of the network between the routers.
    pub prefix_suppression: PrefixSuppression,
}

/// `mtu_ignore`: what becomes of Database Description packets that claim a larger MTU than ours (RFC 2328 §10.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MtuCheck {
    /// They are refused.
    #[default]
    Enforced,
    /// They are taken.
    Ignored,
}

/// `prefix_suppression`: whether there are routes to a network that has only routers on it (RFC 6860).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PrefixSuppression {
    /// There are.
    #[default]
    Shown,
    /// There are none.
    Hidden,
}

/// One `[[site.interface]]`: OSPF on an interface that weft did not make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteInterface {
    /// The kernel's name of it.
    pub name: IfName,
    /// Whether hellos are sent.
    pub mode: InterfaceMode,
    /// The kind of network.
    pub network: NetworkType,
    /// Routers on it, where they cannot be found by multicast.
    pub neighbors: BTreeMap<Ipv4Addr, NbmaNeighbor>,
    /// Cost, area, timers.
    pub ospf: OspfSettings,
}

impl SiteInterface {
    /// Whether everybody on the link may send OSPF packets to this router: it takes them without authentication, or by a password that
    /// stands in each of them.
    pub fn is_open(&self) -> bool {
        self.mode == InterfaceMode::Active && !matches!(self.ospf.auth, Auth::Keys { .. })
    }
}

/// One `[[site.virtual_link]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualLink {
    /// The area it runs through: not the backbone, not a stub area.
    pub transit_area: AreaId,
    /// The border router at its other end.
    pub far_end: RouterId,
    /// Its intervals.
    pub timers: Timers,
    /// How its packets are authenticated.
    pub auth: Auth,
}

/// `ospf = "active" | "passive"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InterfaceMode {
    /// Speaks OSPF.
    Active,
    /// Its networks are advertised; it says and hears nothing.
    Passive,
}

impl SiteInterface {
    /// Whether an interface of this name is meant, if this is a pattern.
    pub fn is_pattern_of(&self, name: &IfName) -> bool {
        self.name.as_str().strip_suffix('*').is_some_and(|beginning| name.as_str().starts_with(beginning))
    }
}

/// `network = …`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkType {
    /// Any number of routers that find each other by multicast.
    Broadcast,
    /// One neighbour at the other end.
    PointToPoint,
    /// Any number of routers that all reach each other, without multicast.
    NonBroadcast,
    /// Any number of routers, not all of which reach each other.
    PointToMultipoint,
}

/// A pair of sites that have a tunnel between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The end with the lower id.
    pub low: SiteId,
    /// The end with the higher id.
    pub high: SiteId,
    /// Cost, area, timers: the same at both ends.
    pub ospf: OspfSettings,
    /// PersistentKeepalive in whole seconds; `None` = off.
    pub keepalive: Option<Duration>,
    /// Whether OSPF packets have to come with a TTL that shows that nobody forwarded them.
    pub ttl_security: TtlSecurity,
    /// What is said of the tunnel's way between the sites; `None` where nothing is.
    pub underlay: Option<Box<PairUnderlay>>,
}

/// What a `[[link]]` says of the way of its tunnel between the sites, where that differs from the sites' other tunnels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PairUnderlay {
    /// The end with the lower id.
    pub low: LinkEnd,
    /// The end with the higher id.
    pub high: LinkEnd,
    /// The largest MTU of the tunnel, bytes.
    pub mtu: Option<u16>,
    /// The file with the key that both ends share, relative to the mesh file.
    pub preshared_key_file: Option<String>,
}

/// One end of a tunnel, as its `[[link]]` has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkEnd {
    /// Where the other end sends; without a port to the one that the tunnel listens on here.
    pub endpoint: Option<(Host, Option<u16>)>,
    /// The UDP port that the tunnel listens on here.
    pub port: Option<u16>,
}

/// One `[[l2]]`: an Ethernet segment across sites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct L2 {
    /// Its name; unique.
    pub name: String,
    /// What it is to VXLAN. A site's VTEP is its loopback.
    pub segment: Segment,
    /// The sites that it spans.
    pub sites: BTreeMap<SiteId, L2Site>,
    /// Names of hosts of its table that have one; unique in the mesh.
    pub host_names: BTreeMap<Mac, String>,
}

/// One `[[l2.site]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct L2Site {
    /// The bridge.
    pub bridge: IfName,
    /// Whose it is.
    pub owner: BridgeOwner,
    /// Interfaces that hosts are behind, which are there or will be. Empty where the bridge is somebody else's, who decides on its ports.
    pub ports: BTreeSet<IfName>,
}

impl L2Site {
    /// The VLAN of the bridge that the segment is, if the bridge filters VLANs.
    pub fn vlan(&self) -> Option<VlanId> {
        match self.owner {
            BridgeOwner::Weft => None,
            BridgeOwner::Others { vlan } => vlan,
        }
    }

    /// Whether somebody else makes the bridge.
    pub fn is_on_existing_bridge(&self) -> bool {
        matches!(self.owner, BridgeOwner::Others { .. })
    }
}

/// Who makes the bridge of a segment at a site, and decides on its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BridgeOwner {
    /// weft, for this segment alone.
    Weft,
    /// Somebody else. weft adds its VXLAN device as a port, and changes nothing else.
    Others {
        /// The VLAN that the segment is; `None` if the bridge filters no VLANs.
        vlan: Option<VlanId>,
    },
}

/// A VLAN identifier (IEEE 802.1Q §9.6): 1 to 4094.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VlanId(u16);

impl VlanId {
    /// The greatest; 4095 is reserved.
    pub const MAX: u16 = 4094;

    /// `None` if there is no VLAN of this number.
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
    /// `vx-NAME`, cut to the kernel's 15 bytes: its VXLAN device.
    pub fn device(&self) -> IfName {
        super::names::overlay_interface(&self.name)
    }
}

/// One tunnel as one of its ends sees it: all that is needed to bring it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunnel {
    /// `wg-NAME`, cut to the kernel's 15 bytes.
    pub interface: IfName,
    /// Name of the site at the other end.
    pub peer: String,
    /// Number of the site at the other end.
    pub peer_id: SiteId,
    /// Public key of the site at the other end.
    pub peer_key: PublicKey,
    /// Loopback of the site at the other end.
    pub peer_loopback: Ipv4Addr,
    /// UDP port of our end: our `port` + the other end's id, or one of its own.
    pub listen_port: u16,
    /// Whether its `[[link]]` says that port.
    pub has_own_port: bool,
    /// Where to send: the other end's host, and its first port + our id, if the `[[link]]` does not say otherwise. `None` if it has no
    /// endpoint.
    pub endpoint: Option<(Host, u16)>,
    /// MTU, bytes: the smaller of the two ends', since OSPF joins no ends that differ (RFC 2328 §10.6).
    pub mtu: u16,
    /// PersistentKeepalive in whole seconds; `None` = off.
    pub keepalive: Option<Duration>,
    /// The file with the key that both ends share, relative to the mesh file.
    pub preshared_key_file: Option<String>,
    /// Cost, area, timers.
    pub ospf: OspfSettings,
    /// Whether OSPF packets have to come with a TTL that shows that nobody forwarded them.
    pub ttl_security: TtlSecurity,
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

    /// The site that owns this key: how a router knows which site it is.
    pub fn site_with_key(&self, key: &PublicKey) -> Option<&Site> {
        self.sites.iter().find(|site| site.public_key == *key)
    }

    /// The smallest MTU of any tunnel, octets.
    pub fn smallest_mtu(&self) -> u32 {
        let of_links = self.links.iter().filter_map(|link| link.underlay.as_ref()?.mtu);
        self.sites.iter().map(|site| site.mtu).chain(of_links).min().unwrap_or_default().into()
    }

    /// The hosts by which others reach `site`, its own endpoint first, each once; none behind NAT.
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
            ospf: link.ospf.clone(),
        })
    }
}

/// Where `site` sends to reach `peer`, of which the link between them says `end`.
fn endpoint(site: &Site, peer: &Site, end: &LinkEnd) -> Option<(Host, u16)> {
    let listening = || end.port.unwrap_or_else(|| peer.port + site.id.0);
    if let Some((host, port)) = &end.endpoint {
        return Some((host.clone(), port.unwrap_or_else(listening)));
    }
    let endpoint = peer.endpoint.as_ref()?;
    Some((endpoint.host.clone(), end.port.unwrap_or_else(|| endpoint.port + site.id.0)))
}
