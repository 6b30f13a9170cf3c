//! Finds the addresses of this machine that are on an uplink: for each address, the kernel looks up a default route by its interface, as it
//! would for the tunnels' own packets from that address.
//!
//! Unlike a dump of `main`, a look-up includes the effect of foreign rules, and takes no longer if there are a million routes.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;

use ipnetwork::Ipv4Network;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};

use super::fib;
use super::netlink::Netlink;
use crate::net::IfName;
use crate::reconcile::state::{FWMARK, ForeignInterface, Uplink};

/// Destinations that usually only a default route covers: one of class E, one of the former 6to4 relay prefix, and one of the prefix for
/// benchmarks. A more specific route may cover one of them.
const PROBES: [Ipv4Addr; 3] =
    [Ipv4Addr::new(240, 0, 0, 1), Ipv4Addr::new(192, 88, 99, 1), Ipv4Addr::new(198, 18, 0, 1)];

/// The largest number of addresses that are looked up.
const MAX_LOOK_UPS: usize = 1024;

/// Returns the addresses of these interfaces from which a default route leads out by their interface.
pub(super) async fn look_up(
    netlink: &Netlink,
    interfaces: &BTreeMap<IfName, ForeignInterface>,
    names: &BTreeMap<u32, IfName>,
) -> io::Result<BTreeMap<Ipv4Addr, Uplink>> {
    let mut uplinks = BTreeMap::new();
    let running = interfaces.iter().filter(|(_, interface)| interface.running);
    let addresses = running.flat_map(|(name, interface)| {
        let global = interface.addresses.iter().filter(|network| is_global(network));
        global.map(move |network| (name, interface.index, *network))
    });
    for (name, index, network) in addresses.take(MAX_LOOK_UPS) {
        let Some(found) = default_route(netlink, network.ip(), Some(index)).await? else { continue };
        let preferred = default_route(netlink, network.ip(), None).await?;
        let uplink = Uplink {
            interface: name.clone(),
            network,
            gateway: found.gateway,
            leaves_by: preferred.and_then(|route| names.get(&route.interface?).cloned()),
        };
        uplinks.insert(network.ip(), uplink);
    }
    Ok(uplinks)
}

fn is_global(network: &Ipv4Network) -> bool {
    let address = network.ip();
    !address.is_loopback() && !address.is_link_local()
}

/// The relevant parts of a default route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct DefaultRoute {
    /// Kernel index of the outgoing interface; `None` if there are several.
    interface: Option<u32>,
    gateway: Option<Ipv4Addr>,
}

/// Returns the default route for packets from `source` that are marked as a tunnel's are; by this interface, if one is given.
async fn default_route(netlink: &Netlink, source: Ipv4Addr, by: Option<u32>) -> io::Result<Option<DefaultRoute>> {
    for probe in PROBES {
        match netlink.get(RouteNetlinkMessage::GetRoute(question(source, probe, by))).await {
            Ok(RouteNetlinkMessage::NewRoute(answer)) => {
                if let Some(found) = parse(&answer, by) {
                    return Ok(Some(found));
                }
            }
            Ok(other) => return Err(io::Error::other(format!("the kernel answers a look-up with {other:?}"))),
            // Without an answer of the kernel the result is unknown.
            Err(error) if error.raw_os_error().is_none() => return Err(error),
            Err(error) if error.raw_os_error() == Some(libc::ENETUNREACH) => return Ok(None),
            // A more specific route may drop packets to this destination, or the address or the interface may be gone meanwhile.
            Err(_) => {}
        }
    }
    Ok(None)
}

/// Creates a look-up for packets from `source` that are marked as a tunnel's are.
fn question(source: Ipv4Addr, destination: Ipv4Addr, by: Option<u32>) -> RouteMessage {
    let mut request = fib::question(destination);
    request.header.source_prefix_length = 32;
    request.attributes.push(RouteAttribute::Source(RouteAddress::Inet(source)));
    request.attributes.push(RouteAttribute::Mark(FWMARK));
    request.attributes.extend(by.map(RouteAttribute::Oif));
    request
}

/// Returns the route in the answer if it is a default route that forwards packets; with its next hop by this interface, if one is given.
fn parse(answer: &RouteMessage, by: Option<u32>) -> Option<DefaultRoute> {
    let header = &answer.header;
    if fib::is_made_up(answer) || header.destination_prefix_length > 0 || header.kind != RouteType::Unicast {
        return None;
    }
    let gateway_in = |attributes: &[RouteAttribute]| {
        attributes.iter().find_map(|attribute| match attribute {
            RouteAttribute::Gateway(RouteAddress::Inet(address)) => Some(*address),
            _ => None,
        })
    };
    let mut found = DefaultRoute { interface: None, gateway: gateway_in(&answer.attributes) };
    for attribute in &answer.attributes {
        match attribute {
            RouteAttribute::Oif(index) => found.interface = Some(*index),
            RouteAttribute::MultiPath(nexthops) => {
                let by_it = nexthops.iter().find(|nexthop| Some(nexthop.interface_index) == by);
                found.interface = by_it.map(|nexthop| nexthop.interface_index);
                found.gateway = by_it.and_then(|nexthop| gateway_in(&nexthop.attributes));
            }
            _ => {}
        }
    }
    Some(found)
}
