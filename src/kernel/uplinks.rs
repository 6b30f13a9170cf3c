//! Which addresses of this machine are on an uplink: the kernel is asked for a default route by the interface of each, as the tunnels' own
//! packets from that address would find it.
//!
//! A look-up, unlike the routes of `main`, says what the rules of others make of it, and takes no longer where there are a million routes.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;

use ipnetwork::Ipv4Network;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};

use super::fib;
use super::netlink::Netlink;
use crate::mesh::IfName;
use crate::reconcile::state::{FWMARK, ForeignInterface, Uplink};

/// Destinations that hardly anything but a default route covers: of the class E, that of a transition mechanism that has ended, and one for
/// measurements. A more specific route may cover one of them.
const PROBES: [Ipv4Addr; 3] =
    [Ipv4Addr::new(240, 0, 0, 1), Ipv4Addr::new(192, 88, 99, 1), Ipv4Addr::new(198, 18, 0, 1)];

/// More addresses than these are not asked for.
const MAX_LOOK_UPS: usize = 1024;

/// The addresses of these interfaces that a default route leads out from.
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

/// A default route as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct DefaultRoute {
    /// Kernel index of the interface that it leads out by; `None` if these are several.
    interface: Option<u32>,
    gateway: Option<Ipv4Addr>,
}

/// The default route for packets from `source` that are marked as a tunnel's are, by this interface if one is given.
async fn default_route(netlink: &Netlink, source: Ipv4Addr, by: Option<u32>) -> io::Result<Option<DefaultRoute>> {
    for probe in PROBES {
        match netlink.get(RouteNetlinkMessage::GetRoute(question(source, probe, by))).await {
            Ok(RouteNetlinkMessage::NewRoute(answer)) => {
                if let Some(found) = parse(&answer, by) {
                    return Ok(Some(found));
                }
            }
            Ok(other) => return Err(io::Error::other(format!("the kernel answers a look-up with {other:?}"))),
            // No answer at all is no finding.
            Err(error) if error.raw_os_error().is_none() => return Err(error),
            Err(error) if error.raw_os_error() == Some(libc::ENETUNREACH) => return Ok(None),
            // A more specific route may drop packets to this destination; and the address or the interface may be gone meanwhile.
            Err(_) => {}
        }
    }
    Ok(None)
}

/// A look-up of packets from `source` that are marked as a tunnel's are.
fn question(source: Ipv4Addr, destination: Ipv4Addr, by: Option<u32>) -> RouteMessage {
    let mut request = fib::question(destination);
    request.header.source_prefix_length = 32;
    request.attributes.push(RouteAttribute::Source(RouteAddress::Inet(source)));
    request.attributes.push(RouteAttribute::Mark(FWMARK));
    request.attributes.extend(by.map(RouteAttribute::Oif));
    request
}

/// The route of the answer if it is a default route that leads somewhere; with its next hop by this interface, if one is given.
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
