//! Computes the network namespaces of a mesh file on one machine: which ones are needed, how they are wired, and every address and route in
//! them. Computed from the mesh alone; nothing here touches the kernel.
//!
//! ```text
//!   MESH-taipei-lan            MESH-net                       MESH-osaka-lan
//!        │ eth0              (the Internet)                        │ eth0
//!        │ lan0        to-taipei │    │ to-osaka                   │ lan0
//!   MESH-taipei ── eth0 ─────────┘    └─ eth0 ─ MESH-osaka-nat ─ eth0 ─ MESH-osaka     (osaka has no endpoint)
//! ```
//!
//! [`segments`] adds what Ethernet segments need.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

pub use self::segments::{HostPlan, SegmentLink, SegmentPlan};
use super::address::{self, Inside, Occupied};
use crate::mesh::{Host, Mesh, Site, SiteId};
use crate::net::{IfName, Prefix};

mod segments;

/// Gateway of every uplink: the network between the sites has this address on each of its ports.
pub const GATEWAY_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 0, 1);
/// Gateway of a LAN whose first prefix is a /32. It differs from [`GATEWAY_V4`]: the kernel accepts no gateway that is an address of the
/// router itself.
const LAN_GATEWAY_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 0, 2);
/// Gateway of every uplink, IPv6.
const GATEWAY_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// Why a mesh file cannot be run as a lab.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// Two sites share an endpoint host, which means port forwarding behind one address: sites and host.
    #[error(
        "sites `{0}` and `{1}` share the endpoint host {2}; the lab gives every site an address of its own and cannot \
         imitate two routers behind one"
    )]
    SharedEndpoint(String, String, String),
    /// An endpoint is an address that the lab needs for itself: site and address.
    #[error("site `{0}` has the endpoint {1}, which is the gateway of every uplink in a lab")]
    GatewayEndpoint(String, Ipv4Addr),
    /// Two namespaces would get the same name.
    #[error(
        "the lab would need two network namespaces called `{0}`: they are called after sites, segments and hosts, and \
         SITE-nat after the NAT router in front of a site without endpoint; rename one of the two"
    )]
    NamespaceClash(String),
    /// A host is at a site where the segment has no port to plug it into.
    #[error(
        "host `{host}` is at site `{site}`, where segment `{segment}` has no port; the lab plugs hosts into a switch behind the \
         first port of their site: give this one `ports = [\"tap0\"]`"
    )]
    NoPort {
        /// The host's site.
        site: String,
        /// The segment.
        segment: String,
        /// The host's name.
        host: String,
    },
    /// Every address that the lab could choose is in use: purpose of the address.
    #[error("no address is left for {0}: all that the lab chooses from occur in the mesh file")]
    NoAddress(String),
}

/// The layout of the whole lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Name of the mesh.
    pub mesh: String,
    /// Every namespace, by name.
    pub nodes: BTreeMap<String, Node>,
    /// All veth pairs between them.
    pub wires: Vec<Wire>,
    /// Every site, ordered by id.
    pub sites: Vec<SitePlan>,
    /// Every Ethernet segment, ordered by name.
    pub segments: Vec<SegmentPlan>,
    /// The address that represents the Internet, if a site has the prefix 0.0.0.0/0.
    pub internet: Option<Ipv4Addr>,
    /// Contents of every site's /etc/hosts.
    pub hosts_file: String,
}

/// The contents of one namespace, besides the ends of wires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Interface and address, in the order in which they are added.
    pub addresses: Vec<(IfName, IpNetwork)>,
    /// Routes.
    pub routes: Vec<Route>,
    /// Whether it forwards packets.
    pub forwarding: Forwarding,
    /// Its rules for masquerading.
    pub masquerade: Vec<Masquerade>,
    /// Bridges to create here, and whether they filter VLANs.
    pub bridges: BTreeMap<IfName, VlanFiltering>,
    /// Settings of interfaces on a segment. Such an interface may be absent, because cables of hosts are moved.
    pub segment_links: BTreeMap<IfName, SegmentLink>,
}

/// Whether a bridge separates VLANs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VlanFiltering {
    /// VLANs are separated.
    On,
    /// VLANs are not separated.
    Off,
}

/// Whether the lab enables forwarding in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarding {
    /// The lab enables it.
    On,
    /// The lab does not change it: a host does not need it, and on a site's router weft manages it.
    Untouched,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Destination.
    pub destination: IpNetwork,
    /// Gateway, always directly on the link; `None` for a directly connected destination.
    pub via: Option<IpAddr>,
    /// Outgoing interface.
    pub interface: IfName,
}

/// A masquerading rule: packets that leave by `interface` get the address of that interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masquerade {
    /// Outgoing interface.
    pub interface: IfName,
    /// The router's own address: its packets are not changed. A rule with an exception is for IPv4 only.
    pub except: Option<Ipv4Addr>,
}

/// A veth pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wire {
    /// One end.
    pub near: WireEnd,
    /// The other end.
    pub far: WireEnd,
}

/// An interface of a wire.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WireEnd {
    /// The namespace that it is in.
    pub namespace: String,
    /// Its name there.
    pub interface: IfName,
}

/// What a lab needs to know about a site besides its namespaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SitePlan {
    /// The site's name.
    pub name: String,
    /// Namespace of its router, where weft runs.
    pub namespace: String,
    /// Namespace of the host on its LAN, if it has prefixes or interfaces.
    pub lan: Option<String>,
    /// Address of that host, if it has one.
    pub lan_host: Option<Ipv4Addr>,
    /// Namespace of the NAT router in front of it.
    pub nat: Option<String>,
    /// Its addresses as seen from the network between the sites.
    pub underlay: Vec<IpAddr>,
    /// Addresses that its router may answer with: loopback and LAN.
    pub router_addresses: Vec<Ipv4Addr>,
}

impl Layout {
    /// Computes the lab of `mesh`.
    pub fn of(mesh: &Mesh) -> Result<Self, LayoutError> {
        let mut draft = Draft {
            mesh,
            underlay: address::underlay(mesh)?,
            inside: address::inside(mesh)?,
            internet: address::internet(mesh)?,
            nodes: BTreeMap::new(),
            wires: Vec::new(),
        };
        draft.network()?;
        let sites = mesh.sites.iter().map(|site| draft.site(site)).collect::<Result<Vec<_>, _>>()?;
        let segments = mesh.segments.iter().map(|l2| draft.segment(l2)).collect::<Result<Vec<_>, _>>()?;
        let hosts_file = hosts_file(mesh, &sites, &segments);
        Ok(Self {
            mesh: mesh.name.clone(),
            nodes: draft.nodes,
            wires: draft.wires,
            sites,
            segments,
            internet: draft.internet,
            hosts_file,
        })
    }

    /// Name of the namespace that represents the network between the sites.
    pub fn network(&self) -> String {
        network_namespace(&self.mesh)
    }

    /// The site with that name.
    pub fn site(&self, name: &str) -> Option<&SitePlan> {
        self.sites.iter().find(|site| site.name == name)
    }

    /// The site whose router answers with `address`.
    pub fn site_of_router(&self, address: Ipv4Addr) -> Option<&SitePlan> {
        self.sites.iter().find(|site| site.router_addresses.contains(&address))
    }

    /// Every host of every segment, with its segment.
    pub fn hosts(&self) -> impl Iterator<Item = (&SegmentPlan, &HostPlan)> {
        self.segments.iter().flat_map(|segment| segment.hosts.iter().map(move |host| (segment, host)))
    }
}

/// The namespace of a site's router, where its weft runs.
pub fn router_namespace(mesh: &str, site: &str) -> String {
    format!("{mesh}-{site}")
}

fn network_namespace(mesh: &str) -> String {
    format!("{mesh}-net")
}

/// A layout under construction.
struct Draft<'a> {
    mesh: &'a Mesh,
    underlay: BTreeMap<SiteId, Vec<IpAddr>>,
    inside: [Inside; 2],
    internet: Option<Ipv4Addr>,
    nodes: BTreeMap<String, Node>,
    wires: Vec<Wire>,
}

impl Draft<'_> {
    fn network(&mut self) -> Result<(), LayoutError> {
        let mut node = Node::new(Forwarding::On);
        if let Some(internet) = self.internet {
            node.addresses.push((name("lo"), address::single(internet.into())));
        }
        self.add(network_namespace(&self.mesh.name), node).map(drop)
    }

    fn site(&mut self, site: &Site) -> Result<SitePlan, LayoutError> {
        let namespace = self.add(router_namespace(&self.mesh.name, &site.name), Node::new(Forwarding::Untouched))?;
        let uplink = WireEnd { namespace: namespace.clone(), interface: self.uplink_name(site) };
        let underlay = self.underlay[&site.id].clone();
        let nat = if self.mesh.endpoint_hosts(site).is_empty() {
            Some(self.nat_router(site, &uplink, &underlay)?)
        } else {
            self.attach(site, &uplink, &underlay);
            None
        };
        if site.prefixes.iter().any(|prefix| prefix.is_default()) {
            let own = self.node(&namespace).addresses.iter().find_map(|(_, address)| match address {
                IpNetwork::V4(v4) => Some(v4.ip()),
                IpNetwork::V6(_) => None,
            });
            self.node(&namespace).masquerade.push(Masquerade { interface: uplink.interface, except: own });
        }
        let mut plan = SitePlan {
            name: site.name.clone(),
            namespace,
            lan: None,
            lan_host: None,
            nat,
            underlay,
            router_addresses: vec![site.loopback],
        };
        self.lan(site, &mut plan)?;
        Ok(plan)
    }

    /// Connects `end` to the network between the sites, with `addresses`.
    fn attach(&mut self, site: &Site, end: &WireEnd, addresses: &[IpAddr]) {
        let port = WireEnd { namespace: network_namespace(&self.mesh.name), interface: port_name(site) };
        for &address in addresses {
            let (gateway, gateway_length) = match address {
                IpAddr::V4(_) => (IpAddr::from(GATEWAY_V4), 32),
                IpAddr::V6(_) => (IpAddr::from(GATEWAY_V6), 64),
            };
            let is_first = addresses.iter().find(|other| other.is_ipv4() == address.is_ipv4()) == Some(&address);
            let network = self.node(&port.namespace);
            if is_first {
                network.addresses.push((port.interface.clone(), address::network(gateway, gateway_length)));
            }
            network.routes.push(Route {
                destination: address::single(address),
                via: None,
                interface: port.interface.clone(),
            });
            let node = self.node(&end.namespace);
            node.addresses.push((end.interface.clone(), address::single(address)));
            if is_first {
                node.routes.push(default_route(gateway, &end.interface));
            }
        }
        self.wires.push(Wire { near: end.clone(), far: port });
    }

    /// Adds a NAT router with `addresses` outside, in front of the site whose uplink is `end`.
    fn nat_router(&mut self, site: &Site, end: &WireEnd, addresses: &[IpAddr]) -> Result<String, LayoutError> {
        let mut node = Node::new(Forwarding::On);
        let (outside, inside) = (name("eth0"), name("inside"));
        node.masquerade.push(Masquerade { interface: outside.clone(), except: None });
        let namespace = self.add(format!("{}-{}-nat", self.mesh.name, site.name), node)?;
        self.attach(site, &WireEnd { namespace: namespace.clone(), interface: outside }, addresses);
        for ends in self.inside.into_iter().take(addresses.len()) {
            self.node(&namespace).addresses.push((inside.clone(), ends.router));
            let node = self.node(&end.namespace);
            node.addresses.push((end.interface.clone(), ends.site));
            node.routes.push(default_route(ends.router.ip(), &end.interface));
        }
        let far = WireEnd { namespace: namespace.clone(), interface: inside };
        self.wires.push(Wire { near: end.clone(), far });
        Ok(namespace)
    }

    /// Adds the host behind the site, connected to all LAN interfaces of the site.
    fn lan(&mut self, site: &Site, plan: &mut SitePlan) -> Result<(), LayoutError> {
        let gateways = self.gateway_networks(site);
        let on_a_segment = |prefix: &Prefix| gateways.iter().any(|gateway| gateway.covers(*prefix));
        let lives_here = |prefix: &Prefix| !prefix.is_default() && !on_a_segment(prefix);
        let prefixes: Vec<Prefix> = site.prefixes.iter().copied().filter(lives_here).collect();
        let interfaces = self.lan_interfaces(site, &prefixes);
        if interfaces.is_empty() {
            return Ok(());
        }
        let host = self.add(format!("{}-lan", plan.namespace), Node::new(Forwarding::Untouched))?;
        for (number, interface) in interfaces.iter().enumerate() {
            let near = WireEnd { namespace: plan.namespace.clone(), interface: interface.clone() };
            let far = WireEnd { namespace: host.clone(), interface: name(&format!("eth{number}")) };
            self.wires.push(Wire { near, far });
        }
        let loopbacks = self.mesh.sites.iter().map(|site| site.loopback).collect();
        let mut taken = Occupied { addresses: loopbacks, networks: gateways };
        taken.addresses.extend(self.underlay.values().flatten().filter_map(|address| match address {
            IpAddr::V4(v4) => Some(*v4),
            IpAddr::V6(_) => None,
        }));
        for (position, &prefix) in prefixes.iter().enumerate() {
            let number = position.min(interfaces.len() - 1);
            let (inner, outer) = (interfaces[number].clone(), name(&format!("eth{number}")));
            let Some(pair) = address::lan_pair(prefix, &mut taken) else { continue };
            let gateway = pair.router.map_or(LAN_GATEWAY_V4, |router| router.ip());
            let is_first = plan.lan_host.is_none();
            let router = self.node(&plan.namespace);
            match pair.router {
                Some(address) => router.addresses.push((inner, address.into())),
                None => {
                    if is_first {
                        router.addresses.push((inner.clone(), address::single(LAN_GATEWAY_V4.into())));
                    }
                    router.routes.push(Route { destination: prefix.into(), via: None, interface: inner });
                }
            }
            let node = self.node(&host);
            node.addresses.push((outer.clone(), pair.host.into()));
            if is_first {
                plan.lan_host = Some(pair.host.ip());
                node.routes.push(default_route(gateway.into(), &outer));
            }
            plan.router_addresses.extend(pair.router.map(|router| router.ip()));
        }
        plan.lan = Some(host);
        Ok(())
    }

    /// The LAN interfaces of the site that the file names; otherwise `lan0`, if something has to be behind it.
    fn lan_interfaces(&self, site: &Site, prefixes: &[Prefix]) -> Vec<IfName> {
        let bridges = self.bridges(site);
        let names = site.interfaces.iter().map(|interface| &interface.name);
        let named: Vec<IfName> =
            names.filter(|name| name.as_str() != "lo" && !bridges.contains(name)).cloned().collect();
        match named.is_empty() && !prefixes.is_empty() {
            true => vec![self.unused(site, "lan")],
            false => named,
        }
    }

    /// `eth0`, or if the file uses that, the first `ethN` that it does not use.
    fn uplink_name(&self, site: &Site) -> IfName {
        self.unused(site, "eth")
    }

    /// The first of `KIND0`, `KIND1`, … that the file does not use at the site.
    fn unused(&self, site: &Site, kind: &str) -> IfName {
        let mut used = self.segment_interfaces(site);
        used.extend(site.interfaces.iter().map(|interface| &interface.name));
        let mut names = (0..=used.len()).map(|number| name(&format!("{kind}{number}")));
        names.find(|name| !used.contains(name)).expect("one of more names than interfaces is not used")
    }

    fn add(&mut self, namespace: String, node: Node) -> Result<String, LayoutError> {
        match self.nodes.insert(namespace.clone(), node) {
            Some(_) => Err(LayoutError::NamespaceClash(namespace)),
            None => Ok(namespace),
        }
    }

    fn node(&mut self, namespace: &str) -> &mut Node {
        self.nodes.get_mut(namespace).expect("a namespace is added before it is filled")
    }
}

impl Node {
    /// Nothing yet.
    pub(super) fn new(forwarding: Forwarding) -> Self {
        Self {
            addresses: Vec::new(),
            routes: Vec::new(),
            forwarding,
            masquerade: Vec::new(),
            bridges: BTreeMap::new(),
            segment_links: BTreeMap::new(),
        }
    }

    /// Whether anything in it is IPv6.
    pub fn uses_v6(&self) -> bool {
        self.addresses.iter().any(|(_, address)| address.is_ipv6())
    }
}

fn default_route(gateway: IpAddr, interface: &IfName) -> Route {
    let everything = if gateway.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
    Route { destination: address::network(everything, 0), via: Some(gateway), interface: interface.clone() }
}

/// The name of the network's port to a site: `to-NAME`, or `toID` if that is too long.
fn port_name(site: &Site) -> IfName {
    IfName::new(&format!("to-{}", site.name)).unwrap_or_else(|| name(&format!("to{}", site.id)))
}

fn name(text: &str) -> IfName {
    IfName::new(text).expect("the lab's own interface names are short and clean")
}

/// The contents of /etc/hosts: endpoints that are names, and for people `SITE` for a router, `SITE-lan` for the host behind it, and the
/// hosts of segments.
fn hosts_file(mesh: &Mesh, plans: &[SitePlan], segments: &[SegmentPlan]) -> String {
    let mut text = "127.0.0.1 localhost\n::1 localhost\n".to_owned();
    let mut line = |address: IpAddr, name: &str| writeln!(text, "{address} {name}").expect("a String takes everything");
    let mut endpoints = BTreeSet::new();
    for (site, plan) in mesh.sites.iter().zip(plans) {
        for host in mesh.endpoint_hosts(site) {
            let Host::Name(name) = host else { continue };
            if endpoints.insert(name.clone()) {
                plan.underlay.iter().for_each(|address| line(*address, name));
            }
        }
    }
    for (site, plan) in mesh.sites.iter().zip(plans) {
        if !endpoints.contains(&site.name) {
            line(site.loopback.into(), &site.name);
        }
        if let Some(address) = plan.lan_host {
            line(address.into(), &format!("{}-lan", site.name));
        }
    }
    for host in segments.iter().flat_map(|segment| &segment.hosts).filter(|host| !endpoints.contains(&host.name)) {
        // A link-local address is useless without an interface.
        let link_local = |address: &IpAddr| matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        host.addresses.iter().filter(|address| !link_local(address)).for_each(|address| line(*address, &host.name));
    }
    text
}

#[cfg(test)]
#[path = "layout/tests.rs"]
mod tests;
