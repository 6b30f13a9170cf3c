//! Adds Ethernet segments to a layout: a switch on the LAN of every site, and the hosts of the table, whose cables may be in any switch of
//! their segment.
//!
//! ```text
//!   MESH-taipei                MESH-taipei-vms                      MESH-db1
//!      br-vms (weft's)             lan (a bridge)
//!        │                          │        │
//!       tap0 ──────────────────── uplink   to-db1 ────────────────── eth0 (MAC and addresses of the table)
//!       tap1 ──────────────────── uplink1 (in no bridge: nobody is behind it)
//! ```
//!
//! The lab creates a bridge that weft does not create. It has one port, `l2-VNI`, to the switch, in the VLAN of the segment.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use vxlan::{Mac, segment};

use super::{
    Draft, Forwarding, LayoutError, Node, VlanFiltering, Wire, WireEnd, address, default_route, name, router_namespace,
};
use crate::mesh::{L2, L2Site, Site, VlanId};
use crate::net::{IfName, Prefix};

/// The longest prefix lengths of networks of hosts without a gateway: the usual ones.
const LONGEST_V4: u8 = 24;
const LONGEST_V6: u8 = 64;

/// A segment of the lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentPlan {
    /// The segment's name.
    pub name: String,
    /// The namespaces of the switches, by the site's name. A site without ports has no switch.
    pub switches: BTreeMap<String, String>,
    /// Its hosts, ordered by MAC address.
    pub hosts: Vec<HostPlan>,
}

/// A host of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPlan {
    /// Its name, or the digits of its MAC address.
    pub name: String,
    /// Its namespace, in which it has [`HostPlan::interface`].
    pub namespace: String,
    /// Its MAC address.
    pub mac: Mac,
    /// Its addresses.
    pub addresses: BTreeSet<IpAddr>,
    /// The site where the mesh file places it, and where its cable is at first.
    pub home: String,
    /// The interface at the end of its cable that is in a switch.
    pub cable: IfName,
}

/// Settings of an interface of a segment. It never has an automatic IPv6 address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentLink {
    /// MTU in octets.
    pub mtu: u32,
    /// MAC address; `None` = any.
    pub mac: Option<Mac>,
    /// The bridge that it is a port of; `None` if it is no port.
    pub bridge: Option<IfName>,
    /// Its VLAN on that bridge, untagged.
    pub vlan: Option<VlanId>,
}

impl HostPlan {
    /// The interface at the host's end of its cable.
    pub fn interface() -> IfName {
        name("eth0")
    }
}

/// The bridge in the namespace of a switch. No other link there has this name: their names begin with `uplink` or `to-`, or are twelve
/// digits.
pub fn bridge() -> IfName {
    name("lan")
}

impl Draft<'_> {
    /// Adds a segment, its switches and its hosts.
    pub(super) fn segment(&mut self, l2: &L2) -> Result<SegmentPlan, LayoutError> {
        let mut hosts = Vec::new();
        for (mac, host) in &l2.segment.hosts {
            hosts.push(self.host(l2, *mac, host)?);
        }
        let mut switches = BTreeMap::new();
        for (id, member) in &l2.sites {
            let site = self.mesh.site_with_id(*id).expect("a segment spans sites of its mesh");
            if member.is_on_existing_bridge() {
                let namespace = self.switch(l2, site, &hosts)?;
                let port = self.existing_bridge(l2, site, member);
                let joined = SegmentLink { vlan: member.vlan(), ..plain(l2, Some(member.bridge.clone())) };
                self.wire(site, (&port, joined), &namespace, (name("uplink"), plain(l2, Some(bridge()))));
                switches.insert(site.name.clone(), namespace);
            } else if let Some(first) = member.ports.first() {
                let namespace = self.switch(l2, site, &hosts)?;
                // weft decides whether a port is in a bridge.
                self.wire(site, (first, plain(l2, None)), &namespace, (name("uplink"), plain(l2, Some(bridge()))));
                for (number, port) in member.ports.iter().enumerate().skip(1) {
                    let far = (name(&format!("uplink{number}")), plain(l2, None));
                    self.wire(site, (port, plain(l2, None)), &namespace, far);
                }
                switches.insert(site.name.clone(), namespace);
            }
        }
        match hosts.iter().find(|host| !switches.contains_key(&host.home)) {
            Some(host) => {
                Err(LayoutError::NoPort { site: host.home.clone(), segment: l2.name.clone(), host: host.name.clone() })
            }
            None => Ok(SegmentPlan { name: l2.name.clone(), switches, hosts }),
        }
    }

    /// Adds the switch at `site`, with settings for the cables of all hosts.
    fn switch(&mut self, l2: &L2, site: &Site, hosts: &[HostPlan]) -> Result<String, LayoutError> {
        let mut node = Node::new(Forwarding::Untouched);
        node.bridges.insert(bridge(), VlanFiltering::Off);
        node.segment_links.insert(bridge(), plain(l2, None));
        node.segment_links.extend(hosts.iter().map(|host| (host.cable.clone(), plain(l2, Some(bridge())))));
        self.add(format!("{}-{}", router_namespace(&self.mesh.name, &site.name), l2.name), node)
    }

    /// Adds the bridge at `site` that weft does not create. Returns the name of its port.
    fn existing_bridge(&mut self, l2: &L2, site: &Site, member: &L2Site) -> IfName {
        let used = self.segment_interfaces(site);
        let own = |candidate: &IfName| site.interfaces.iter().any(|interface| interface.name == *candidate);
        let mut names = (0..).map(|number| name(&format!("l2-{}{}", l2.segment.vni.value(), "x".repeat(number))));
        let port = names.find(|candidate| !used.contains(candidate) && !own(candidate));
        let port = port.expect("one of more names than the file has is not used");
        let filtering = if member.vlan().is_some() { VlanFiltering::On } else { VlanFiltering::Off };
        let router = self.node(&router_namespace(&self.mesh.name, &site.name));
        router.bridges.insert(member.bridge.clone(), filtering);
        router.segment_links.insert(member.bridge.clone(), plain(l2, None));
        port
    }

    /// Adds a wire from a port of the site's router to its switch, with the settings of both ends.
    fn wire(&mut self, site: &Site, near: (&IfName, SegmentLink), switch: &str, far: (IfName, SegmentLink)) {
        let router = router_namespace(&self.mesh.name, &site.name);
        self.node(&router).segment_links.insert(near.0.clone(), near.1);
        self.node(switch).segment_links.insert(far.0.clone(), far.1);
        let near = WireEnd { namespace: router, interface: near.0.clone() };
        self.wires.push(Wire { near, far: WireEnd { namespace: switch.to_owned(), interface: far.0 } });
    }

    fn host(&mut self, l2: &L2, mac: Mac, host: &segment::Host) -> Result<HostPlan, LayoutError> {
        let mut node = Node::new(Forwarding::Untouched);
        let interface = HostPlan::interface();
        node.segment_links.insert(interface.clone(), SegmentLink { mac: Some(mac), ..plain(l2, None) });
        for address in &host.addresses {
            let length = prefix_length(l2, *address);
            node.addresses.push((interface.clone(), address::network(*address, length)));
        }
        if let Some(gateway) = l2.segment.gateway.filter(|_| host.addresses.iter().any(IpAddr::is_ipv4)) {
            node.routes.push(default_route(gateway.ip().into(), &interface));
        }
        let digits = mac.to_string().replace(':', "");
        let called = l2.host_names.get(&mac).cloned().unwrap_or_else(|| digits.clone());
        let home = self.mesh.sites.iter().find(|site| site.loopback == host.home.0);
        Ok(HostPlan {
            namespace: self.add(format!("{}-{called}", self.mesh.name), node)?,
            mac,
            addresses: host.addresses.clone(),
            home: home.expect("a host is at a site of its mesh").name.clone(),
            cable: IfName::new(&format!("to-{called}")).unwrap_or_else(|| name(&digits)),
            name: called,
        })
    }

    /// Names of bridges and ports of segments at the site, which the lab must not use for anything else.
    pub(super) fn segment_interfaces(&self, site: &Site) -> BTreeSet<&IfName> {
        let members = self.mesh.segments.iter().filter_map(|l2| l2.sites.get(&site.id));
        members.flat_map(|member| member.ports.iter().chain([&member.bridge])).collect()
    }

    /// Bridges of segments at the site.
    pub(super) fn bridges(&self, site: &Site) -> BTreeSet<&IfName> {
        self.mesh.segments.iter().filter_map(|l2| Some(&l2.sites.get(&site.id)?.bridge)).collect()
    }

    /// Networks in which the site's router has a gateway on a segment: their hosts are in a segment's table.
    pub(super) fn gateway_networks(&self, site: &Site) -> Vec<Prefix> {
        let here = self.mesh.segments.iter().filter(|l2| l2.sites.contains_key(&site.id));
        here.filter_map(|l2| l2.segment.gateway).map(Prefix::from).collect()
    }
}

fn plain(l2: &L2, bridge: Option<IfName>) -> SegmentLink {
    SegmentLink { mtu: l2.segment.mtu, mac: None, bridge, vlan: None }
}

/// The prefix length of the gateway's network, or of the smallest network that contains all hosts of the segment, but not longer than is
/// usual. Link-local addresses have 64 (RFC 4291 §2.5.6).
fn prefix_length(l2: &L2, address: IpAddr) -> u8 {
    let all = || l2.segment.hosts.values().flat_map(|host| &host.addresses);
    match address {
        IpAddr::V4(_) => l2.segment.gateway.map(|gateway| gateway.prefix()).unwrap_or_else(|| {
            let bits = all().filter_map(|address| match address {
                IpAddr::V4(v4) => Some(u128::from(v4.to_bits()) << (128 - Ipv4Addr::BITS)),
                IpAddr::V6(_) => None,
            });
            common_bits(bits, LONGEST_V4)
        }),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => 64,
        IpAddr::V6(_) => {
            let bits = all().filter_map(|address| match address {
                IpAddr::V6(v6) if !v6.is_unicast_link_local() => Some(v6.to_bits()),
                _ => None,
            });
            common_bits(bits, LONGEST_V6)
        }
    }
}

/// How many leading bits all have in common, at most `longest`.
fn common_bits(addresses: impl Iterator<Item = u128>, longest: u8) -> u8 {
    let addresses: Vec<u128> = addresses.collect();
    let differing = addresses.windows(2).fold(0, |differing, pair| differing | (pair[0] ^ pair[1]));
    u8::try_from(differing.leading_zeros()).map_or(longest, |common| common.min(longest))
}

#[cfg(test)]
#[path = "segments/tests.rs"]
mod tests;
