//! Chooses the addresses of a lab: those of the mesh file where it has some, otherwise addresses that the file does not use.
//!
//! Every choice depends on the mesh file alone and, for a site, on its id, so that adding a site does not change the addresses of others.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::{IpNetwork, Ipv4Network};

use super::layout::{GATEWAY_V4, LayoutError};
use crate::mesh::{Host, Mesh, Site, SiteId};
use crate::net::Prefix;

/// Addresses of uplinks whose site has none in the file: the benchmark networks (RFC 2544, RFC 5180), plus the site's id.
const LAB_V4: [Ipv4Addr; 2] = [Ipv4Addr::new(198, 18, 0, 0), Ipv4Addr::new(198, 19, 0, 0)];
const LAB_V6: [Ipv6Addr; 2] = [Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0), Ipv6Addr::new(0x2001, 2, 0, 1, 0, 0, 0, 0)];

/// Candidates for the address that represents the Internet (RFC 5737).
const INTERNET: [Ipv4Addr; 4] = [
    Ipv4Addr::new(192, 0, 2, 1),
    Ipv4Addr::new(198, 51, 100, 1),
    Ipv4Addr::new(203, 0, 113, 1),
    Ipv4Addr::new(198, 19, 255, 255),
];

/// The wire between a router and its NAT router: the first address of a /30. The first candidate is shared address space for carriers (RFC
/// 6598).
const INSIDE: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 64, 0, 0), Ipv4Addr::new(192, 168, 255, 252), Ipv4Addr::new(172, 31, 255, 252)];

/// The IPv6 network of that wire: a unique local /126 (RFC 4193).
const INSIDE_V6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0x6566, 0x7400, 0, 0, 0, 0, 0);

/// The addresses of the two ends of the wire between a NAT router and the site behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inside {
    /// The NAT router's end.
    pub router: IpNetwork,
    /// The site's end.
    pub site: IpNetwork,
}

/// The two addresses of a LAN, from one of its prefixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LanPair {
    /// The address of the site's router, with the prefix's length. `None` for a /32, which has room for the host only.
    pub router: Option<Ipv4Network>,
    /// The address of the host.
    pub host: Ipv4Network,
}

/// The addresses of every site in the network between the sites, IPv4 first: those of its endpoints, at least one IPv4 address, and one
/// IPv6 address if any endpoint of the mesh is IPv6.
pub fn underlay(mesh: &Mesh) -> Result<BTreeMap<SiteId, Vec<IpAddr>>, LayoutError> {
    let used = endpoint_addresses(mesh)?;
    let needs_v6 = used.iter().any(IpAddr::is_ipv6);
    mesh.sites
        .iter()
        .map(|site| {
            let own = own_addresses(mesh, site);
            let (mut addresses, of_v6): (Vec<IpAddr>, Vec<IpAddr>) = own.into_iter().partition(IpAddr::is_ipv4);
            if addresses.is_empty() {
                let candidates = LAB_V4.map(|base| IpAddr::from(nth_v4(base, site.id)));
                addresses.push(free(candidates, &used, || uplink_of(site))?);
            }
            if needs_v6 && of_v6.is_empty() {
                let candidates = LAB_V6.map(|base| IpAddr::from(nth_v6(base, site.id)));
                addresses.push(free(candidates, &used, || uplink_of(site))?);
            }
            addresses.extend(of_v6);
            Ok((site.id, addresses))
        })
        .collect()
}

/// The address that represents the Internet; `None` if no site has the prefix 0.0.0.0/0.
pub fn internet(mesh: &Mesh) -> Result<Option<Ipv4Addr>, LayoutError> {
    if !mesh.sites.iter().flat_map(|site| &site.prefixes).any(|prefix| prefix.is_default()) {
        return Ok(None);
    }
    let used = endpoint_addresses(mesh)?;
    let free = |address: &Ipv4Addr| !used.contains(&IpAddr::from(*address)) && !inside_a_prefix(mesh, *address);
    let found = INTERNET.into_iter().find(free);
    found.map(Some).ok_or_else(|| LayoutError::NoAddress("the Internet".to_owned()))
}

/// The addresses of the wire between a site without endpoint and its NAT router, first IPv4, then IPv6.
pub fn inside(mesh: &Mesh) -> Result<[Inside; 2], LayoutError> {
    let free = |base: &Ipv4Addr| (0..4).all(|offset| !inside_a_prefix(mesh, offset_v4(*base, offset)));
    let base = INSIDE.into_iter().find(free);
    let base = base.ok_or_else(|| LayoutError::NoAddress("the wire to a NAT router".to_owned()))?;
    let v4 = |offset| network(offset_v4(base, offset).into(), 30);
    let v6 = |offset| network(Ipv6Addr::from_bits(INSIDE_V6.to_bits() + offset).into(), 126);
    Ok([Inside { router: v4(1), site: v4(2) }, Inside { router: v6(1), site: v6(2) }])
}

/// Addresses that are not assigned to a LAN.
#[derive(Debug, Clone)]
pub struct Occupied {
    /// Single addresses.
    pub addresses: BTreeSet<Ipv4Addr>,
    /// Networks of which no address is assigned.
    pub networks: Vec<Prefix>,
}

impl Occupied {
    fn contains(&self, address: Ipv4Addr) -> bool {
        self.addresses.contains(&address) || self.networks.iter().any(|network| network.contains(address))
    }
}

/// Assigns the first two host addresses of `prefix` that are not `taken`, and adds them to `taken`. `None` if there is no room.
pub fn lan_pair(prefix: Prefix, taken: &mut Occupied) -> Option<LanPair> {
    let (network, length) = prefix.v4()?;
    let last = network.to_bits() | u32::MAX.checked_shr(length.into()).unwrap_or(0);
    let (first, last) = match length {
        32 | 31 => (network.to_bits(), last),
        _ => (network.to_bits() + 1, last - 1),
    };
    let mut next = || {
        let free = (first..=last).map(Ipv4Addr::from_bits).find(|address| !taken.contains(*address));
        free.inspect(|address| assert!(taken.addresses.insert(*address), "a free address is not taken"))
    };
    let with_length = |address| Ipv4Network::new(address, length).expect("a prefix length is at most 32");
    if length == 32 {
        return next().map(|host| LanPair { router: None, host: with_length(host) });
    }
    let router = next()?;
    Some(LanPair { router: Some(with_length(router)), host: with_length(next()?) })
}

/// `address` and a prefix length that fits its family.
pub fn network(address: IpAddr, length: u8) -> IpNetwork {
    IpNetwork::new(address, length).expect("the lab's prefix lengths fit their families")
}

/// `address` as a network of one address.
pub fn single(address: IpAddr) -> IpNetwork {
    network(address, if address.is_ipv4() { 32 } else { 128 })
}

/// The endpoints of all sites that are addresses. Fails if two sites have the same one.
fn endpoint_addresses(mesh: &Mesh) -> Result<BTreeSet<IpAddr>, LayoutError> {
    let mut hosts: BTreeMap<&Host, &Site> = BTreeMap::new();
    let mut addresses = BTreeSet::new();
    for site in &mesh.sites {
        for host in mesh.endpoint_hosts(site) {
            let other = hosts.insert(host, site).filter(|other| other.id != site.id);
            if let Some(other) = other {
                let host = match host {
                    Host::Address(address) => address.to_string(),
                    Host::Name(name) => name.clone(),
                };
                return Err(LayoutError::SharedEndpoint(other.name.clone(), site.name.clone(), host));
            }
        }
        for address in own_addresses(mesh, site) {
            if address == IpAddr::from(GATEWAY_V4) {
                return Err(LayoutError::GatewayEndpoint(site.name.clone(), GATEWAY_V4));
            }
            addresses.insert(address);
        }
    }
    Ok(addresses)
}

/// The endpoints of a site that are addresses.
fn own_addresses(mesh: &Mesh, site: &Site) -> Vec<IpAddr> {
    let addresses = mesh.endpoint_hosts(site).into_iter().filter_map(|host| match host {
        Host::Address(address) => Some(*address),
        Host::Name(_) => None,
    });
    addresses.collect()
}

fn uplink_of(site: &Site) -> String {
    format!("the uplink of site `{}`", site.name)
}

fn free<const N: usize>(
    candidates: [IpAddr; N],
    used: &BTreeSet<IpAddr>,
    what: impl FnOnce() -> String,
) -> Result<IpAddr, LayoutError> {
    candidates.into_iter().find(|address| !used.contains(address)).ok_or_else(|| LayoutError::NoAddress(what()))
}

fn inside_a_prefix(mesh: &Mesh, address: Ipv4Addr) -> bool {
    let mut prefixes = mesh.sites.iter().flat_map(|site| &site.prefixes);
    prefixes.any(|prefix| !prefix.is_default() && prefix.contains(address)) || mesh.loopbacks.contains(address)
}

fn nth_v4(base: Ipv4Addr, id: SiteId) -> Ipv4Addr {
    offset_v4(base, id.0.into())
}

fn offset_v4(base: Ipv4Addr, offset: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(base.to_bits() + offset)
}

fn nth_v6(base: Ipv6Addr, id: SiteId) -> Ipv6Addr {
    Ipv6Addr::from_bits(base.to_bits() + u128::from(id.0))
}
