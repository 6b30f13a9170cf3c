//! IPv4 routes: those of protocol 201, which are ours, and foreign ones.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHop, RouteNextHopFlags,
    RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::netlink::{Netlink, unless};
use crate::net::{IfName, Prefix};
use crate::reconcile::state::{ForeignRoute, Nexthop, PROTOCOL, Route, RouteKey, RouteKind, RouteOrigin};

/// Whether a route of ours with the same key exists already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Present {
    /// No: no route of the same table, prefix and metric may exist.
    No,
    /// Yes: it is replaced atomically.
    Yes,
}

/// Dumps every route of weft in every table. Next hops that are dead, or whose interface is not in `names`, are left out.
pub(super) async fn dump(netlink: &Netlink, names: &BTreeMap<u32, IfName>) -> io::Result<BTreeMap<RouteKey, Route>> {
    let mut request = RouteMessage::default();
    request.header.address_family = AddressFamily::Inet;
    request.header.protocol = RouteProtocol::from(PROTOCOL);
    let replies = netlink.dump(RouteNetlinkMessage::GetRoute(request)).await?;
    let routes = replies.into_iter().filter_map(|reply| match reply {
        RouteNetlinkMessage::NewRoute(route) => Some(route),
        _ => None,
    });
    Ok(routes.filter_map(|route| parse(&route, names)).collect())
}

fn parse(message: &RouteMessage, names: &BTreeMap<u32, IfName>) -> Option<(RouteKey, Route)> {
    let header = &message.header;
    let mut table = u32::from(header.table);
    let mut destination = Ipv4Addr::UNSPECIFIED;
    let mut metric = 0;
    let mut source = None;
    let mut multipath = None;
    // A route with one next hop has it in attributes of its own, and its flags in the header (RTNH_F_* and RTM_F_* share a word).
    let mut single = RouteNextHop::default();
    single.flags = RouteNextHopFlags::from_bits_retain(header.flags.bits() as u8);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(number) => table = *number,
            RouteAttribute::Destination(RouteAddress::Inet(address)) => destination = *address,
            RouteAttribute::Priority(number) => metric = *number,
            RouteAttribute::PrefSource(RouteAddress::Inet(address)) => source = Some(IpAddr::V4(*address)),
            RouteAttribute::MultiPath(nexthops) => multipath = Some(nexthops.clone()),
            RouteAttribute::Oif(index) => single.interface_index = *index,
            RouteAttribute::Gateway(_) => single.attributes.push(attribute.clone()),
            _ => {}
        }
    }
    // The kernel may ignore the filter of the dump, so ownership is checked here.
    let kind = match header.kind {
        RouteType::Unicast => RouteKind::Unicast,
        RouteType::BlackHole => RouteKind::Blackhole,
        _ => return None,
    };
    let ours = u8::from(header.protocol) == PROTOCOL && metric == Route::METRIC;
    if !ours || header.destination_prefix_length > 32 {
        return None;
    }
    let nexthops = match kind {
        RouteKind::Unicast => multipath.unwrap_or_else(|| vec![single]),
        RouteKind::Blackhole => Vec::new(),
    };
    let nexthops = nexthops.iter().filter_map(|nexthop| parse_nexthop(nexthop, names)).collect();
    let prefix = Prefix::new(destination, header.destination_prefix_length);
    Some((RouteKey { table, prefix }, Route { kind, nexthops, source }))
}

fn parse_nexthop(nexthop: &RouteNextHop, names: &BTreeMap<u32, IfName>) -> Option<Nexthop> {
    if nexthop.flags.contains(RouteNextHopFlags::Dead) {
        return None;
    }
    let via = nexthop.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(RouteAddress::Inet(address)) => Some(IpAddr::V4(*address)),
        _ => None,
    });
    let onlink = nexthop.flags.contains(RouteNextHopFlags::Onlink);
    Some(Nexthop { interface: names.get(&nexthop.interface_index)?.clone(), via, onlink })
}

/// Dumps the foreign routes of the main table, by destination, without those that the kernel creates itself.
pub(super) async fn dump_of_others(netlink: &Netlink) -> io::Result<BTreeMap<Prefix, ForeignRoute>> {
    let mut request = RouteMessage::default();
    request.header.address_family = AddressFamily::Inet;
    request.header.table = RouteHeader::RT_TABLE_MAIN;
    let replies = netlink.dump(RouteNetlinkMessage::GetRoute(request)).await?;
    let mut routes: BTreeMap<Prefix, ForeignRoute> = BTreeMap::new();
    for reply in replies {
        let RouteNetlinkMessage::NewRoute(message) = reply else { continue };
        let Some((prefix, found)) = parse_of_others(&message) else { continue };
        let known = routes.entry(prefix).or_insert(found);
        let preferred = if found.metric < known.metric { found } else { *known };
        *known = ForeignRoute {
            origin: found.origin.max(known.origin),
            gateway: known.gateway.filter(|gateway| found.gateway == Some(*gateway)),
            interface: known.interface.filter(|interface| found.interface == Some(*interface)),
            has_carrier: found.has_carrier || known.has_carrier,
            ..preferred
        };
    }
    Ok(routes)
}

fn parse_of_others(message: &RouteMessage) -> Option<(Prefix, ForeignRoute)> {
    let header = &message.header;
    let origin = match header.protocol {
        // The kernel creates these itself, for its addresses and from ICMP redirects.
        RouteProtocol::Kernel | RouteProtocol::IcmpRedirect => return None,
        protocol if u8::from(protocol) == PROTOCOL => return None,
        RouteProtocol::Static | RouteProtocol::Boot => RouteOrigin::Static,
        _ => RouteOrigin::Program,
    };
    let of_known_type =
        matches!(header.kind, RouteType::Unicast | RouteType::BlackHole | RouteType::Unreachable | RouteType::Prohibit);
    // The kernel may ignore the filter of the dump.
    if header.table != RouteHeader::RT_TABLE_MAIN || !of_known_type || header.destination_prefix_length > 32 {
        return None;
    }
    let mut destination = Ipv4Addr::UNSPECIFIED;
    let mut gateway = None;
    let mut metric = 0;
    // RTNH_F_* and RTM_F_* share a word. A dead next hop forwards nothing, whatever the type of the route.
    let header_has = |flag: RouteNextHopFlags| header.flags.bits() as u8 & flag.bits() != 0;
    let mut alive = !header_has(RouteNextHopFlags::Dead);
    let mut has_carrier = !header_has(RouteNextHopFlags::Linkdown);
    let mut interface = None;
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(address)) => destination = *address,
            RouteAttribute::Gateway(RouteAddress::Inet(address)) => gateway = Some(*address),
            RouteAttribute::Priority(number) => metric = *number,
            RouteAttribute::Oif(index) => interface = Some(*index),
            RouteAttribute::MultiPath(nexthops) => {
                let some_without = |flags| nexthops.iter().any(|nexthop| !nexthop.flags.intersects(flags));
                alive = some_without(RouteNextHopFlags::Dead);
                has_carrier = some_without(RouteNextHopFlags::Dead | RouteNextHopFlags::Linkdown);
            }
            _ => {}
        }
    }
    let leads = header.kind == RouteType::Unicast;
    let found = ForeignRoute { origin, gateway, metric, leads, interface, has_carrier };
    alive.then(|| (Prefix::new(destination, header.destination_prefix_length), found))
}

/// Adds or replaces a route. `index` returns the index of an interface.
pub(super) async fn install(
    netlink: &Netlink,
    key: &RouteKey,
    route: &Route,
    present: Present,
    index: impl Fn(&IfName) -> io::Result<u32>,
) -> io::Result<()> {
    let mut message = message(key);
    message.header.kind = match route.kind {
        RouteKind::Unicast => RouteType::Unicast,
        RouteKind::Blackhole => RouteType::BlackHole,
    };
    message.attributes.push(RouteAttribute::Priority(Route::METRIC));
    if let Some(source) = route.source {
        message.attributes.push(RouteAttribute::PrefSource(source.into()));
    }
    let nexthops = route.nexthops.iter().map(|nexthop| emit_nexthop(nexthop, &index));
    let nexthops = nexthops.collect::<io::Result<Vec<RouteNextHop>>>()?;
    match <[RouteNextHop; 1]>::try_from(nexthops) {
        Ok([nexthop]) => {
            message.header.flags = RouteFlags::from_bits_retain(u32::from(nexthop.flags.bits()));
            message.attributes.push(RouteAttribute::Oif(nexthop.interface_index));
            message.attributes.extend(nexthop.attributes);
        }
        Err(nexthops) if nexthops.is_empty() => {
            debug_assert_eq!(route.kind, RouteKind::Blackhole, "a route of ours leads somewhere");
        }
        Err(nexthops) => message.attributes.push(RouteAttribute::MultiPath(nexthops)),
    }
    let flags = match present {
        Present::No => NLM_F_CREATE | NLM_F_EXCL,
        Present::Yes => NLM_F_REPLACE,
    };
    netlink.change(RouteNetlinkMessage::NewRoute(message), flags).await
}

fn emit_nexthop(nexthop: &Nexthop, index: &impl Fn(&IfName) -> io::Result<u32>) -> io::Result<RouteNextHop> {
    let mut emitted = RouteNextHop::default();
    emitted.interface_index = index(&nexthop.interface)?;
    emitted.attributes.extend(nexthop.via.map(|via| RouteAttribute::Gateway(via.into())));
    if nexthop.onlink {
        emitted.flags = RouteNextHopFlags::Onlink;
    }
    Ok(emitted)
}

/// Deletes a route; succeeds if it does not exist. The kernel compares protocol and metric, so that no foreign route is deleted.
pub(super) async fn delete(netlink: &Netlink, key: &RouteKey) -> io::Result<()> {
    // The message has no route type, so that it matches both types of routes.
    let mut message = message(key);
    message.header.scope = RouteScope::NoWhere;
    message.attributes.push(RouteAttribute::Priority(Route::METRIC));
    unless(netlink.change(RouteNetlinkMessage::DelRoute(message), 0).await, libc::ESRCH)
}

fn message(key: &RouteKey) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = match key.prefix.network() {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.protocol = RouteProtocol::from(PROTOCOL);
    message.header.kind = RouteType::Unspec;
    message.header.scope = RouteScope::Universe;
    message.header.destination_prefix_length = key.prefix.len();
    message.header.table = RouteHeader::RT_TABLE_UNSPEC;
    message.attributes.push(RouteAttribute::Table(key.table));
    message.attributes.push(RouteAttribute::Destination(key.prefix.network().into()));
    message
}
