//! Translates the routes of the routing table into the routes that the kernel should have.
//!
//! A route into a tunnel must never capture the tunnel's own UDP packets, which have the mark [`super::state::FWMARK`]. A route that could
//! capture them, which is a default route or one that covers the underlay address of a peer, is not installed in `main` but in
//! [`CAPTURE_TABLE`], which marked packets never look up. All other packets look it up after `main` without its default route, so that
//! connected and more specific routes keep their precedence ([`super::rules`]).
//!
//! A route out of a LAN does not capture packets of a tunnel, but may divert them: on a LAN on which any host may send OSPF packets, a host
//! that announces the address of a peer would receive the tunnel's packets, and could at least drop them. Such a route, too, is not
//! installed in `main` while the tunnels have another way ([`OtherWays`]); without another way it may be the uplink.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use super::state::{CAPTURE_TABLE, Foreign, ForeignInterface, MAIN_TABLE, Nexthop, Route, RouteKey};
use crate::mesh::{ImportAction, ImportRule, import_action, selected_import};
use crate::net::{Few, IfName, Prefix};
use crate::rib::{self, Used};

/// The properties of the router on which its routes depend.
#[derive(Debug)]
pub struct Router<'a> {
    /// Its own address: the source of its own traffic, and never the destination of a route.
    pub loopback: Ipv4Addr,
    /// Interfaces of the router's tunnels.
    pub tunnels: &'a BTreeSet<IfName>,
    /// Foreign interfaces, with their connected networks.
    pub lan: &'a BTreeMap<IfName, ForeignInterface>,
    /// The underlay addresses of the peers: each endpoint as configured, and as last received from.
    pub underlay: &'a BTreeSet<Ipv4Addr>,
    /// Interfaces on which any host may send OSPF packets ([`crate::mesh::SiteInterface::is_open`]).
    pub open: &'a BTreeSet<IfName>,
    /// The ways of the tunnels' packets that do not depend on routes of OSPF.
    pub other_ways: &'a OtherWays,
    /// Filters that decide which routes are installed in the kernel.
    pub imports: &'a [ImportRule],
}

/// The ways of the tunnels' packets that do not depend on routes of OSPF: foreign routes, and connected networks with a peer on them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OtherWays {
    endpoints: BTreeSet<Ipv4Addr>,
    anywhere: bool,
}

impl OtherWays {
    /// Finds the ways to addresses of `underlay`, and whether there is a foreign default route that the kernel prefers less than one of
    /// weft: one that it prefers more needs no protection.
    pub fn of(underlay: &BTreeSet<Ipv4Addr>, foreign: &Foreign) -> Self {
        let connected = |address: Ipv4Addr| {
            let running = foreign.interfaces.values().filter(|interface| interface.running);
            let networks = running.flat_map(|interface| &interface.addresses);
            networks.filter(|network| network.contains(address)).map(|network| network.prefix()).max()
        };
        // As in the kernel, the longest prefix decides: a longer one that drops packets hides a default route.
        let is_found = |address: &Ipv4Addr| {
            let route = (0..=32).rev().find_map(|length| {
                foreign.routes.get(&Prefix::new(*address, length)).map(|route| (length, route.leads))
            });
            match (route, connected(*address)) {
                (Some((length, leads)), Some(connected)) => connected >= length || leads,
                (Some((_, leads)), None) => leads,
                (None, connected) => connected.is_some(),
            }
        };
        let default = foreign.routes.get(&Prefix::DEFAULT_V4).filter(|route| route.leads);
        Self {
            endpoints: underlay.iter().copied().filter(is_found).collect(),
            anywhere: default.is_some_and(|route| route.metric > Route::METRIC),
        }
    }

    /// Whether no tunnel needs a route of OSPF to `prefix`.
    fn suffice(&self, prefix: Prefix, underlay: &BTreeSet<Ipv4Addr>) -> bool {
        if prefix == Prefix::DEFAULT_V4 {
            return self.anywhere;
        }
        underlay.iter().filter(|address| prefix.contains(**address)).all(|address| self.endpoints.contains(address))
    }
}

/// Whether a route of the routing table is installed in the kernel, and how or why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The route is installed in the kernel.
    Installed,
    /// It is installed as a route that drops packets to destinations within an area address range of ours that have no route of their own
    /// (RFC 2328 §11.1).
    Discard,
    /// The destination is a connected network (a next hop without `via`), for which the kernel has a route of its own.
    Connected,
    /// The destination is this router.
    Own,
    /// A `[[site.import]]` refuses it.
    Refused,
}

/// The fate of the route that is used for `prefix` at a router with this loopback and these import filters.
pub fn fate(prefix: Prefix, used: &Used, loopback: Ipv4Addr, imports: &[ImportRule]) -> Fate {
    if prefix == Prefix::host(loopback) {
        Fate::Own
    } else if used.nexthops.iter().flat_map(|nexthops| nexthops.iter()).any(|nexthop| nexthop.via.is_none()) {
        Fate::Connected
    } else {
        match import_action(imports, prefix, used.tag) {
            ImportAction::Accept if used.nexthops.is_none() => Fate::Discard,
            ImportAction::Accept => Fate::Installed,
            ImportAction::Refuse => Fate::Refused,
        }
    }
}

/// The routes that the kernel should have, according to the [`Fate`] of each.
pub fn desired_routes(
    routes: impl IntoIterator<Item = (Prefix, Used)>,
    router: &Router<'_>,
) -> BTreeMap<RouteKey, Route> {
    let mut desired = BTreeMap::new();
    for (prefix, used) in routes {
        match fate(prefix, &used, router.loopback, router.imports) {
            Fate::Installed => {}
            Fate::Discard => {
                desired.insert(RouteKey { table: MAIN_TABLE, prefix }, Route::blackhole());
                continue;
            }
            Fate::Connected | Fate::Own | Fate::Refused => continue,
        }
        let nexthops = kernel_nexthops(&used, router);
        let mut install = |table, nexthops: Few<Nexthop>| {
            if !nexthops.is_empty() {
                let route = Route::unicast(nexthops, Some(router.loopback.into()));
                desired.insert(RouteKey { table, prefix }, route);
            }
        };
        let harmless: Few<Nexthop> =
            nexthops.iter().filter(|nexthop| !may_divert(prefix, used.tag, nexthop, router)).cloned().collect();
        if harmless != nexthops {
            install(CAPTURE_TABLE, nexthops);
        }
        install(MAIN_TABLE, harmless);
    }
    desired
}

fn kernel_nexthops(used: &Used, router: &Router<'_>) -> Few<Nexthop> {
    let nexthops = used.nexthops.iter().flat_map(|nexthops| nexthops.iter());
    // While routers exchange their ids, an address of a neighbour may already be this router's, before OSPF has learned of it.
    let others = nexthops.filter(|nexthop| nexthop.via != Some(router.loopback.into()));
    let of_kernel = others.map(|rib::Nexthop { interface, via }| {
        let onlink = router.tunnels.contains(interface) || needs_onlink(router.lan.get(interface), *via);
        Nexthop { interface: interface.clone(), via: *via, onlink }
    });
    of_kernel.collect()
}

/// Whether the next hop needs the flag `onlink`: the gateway is in no network of the interface. This happens on a point-to-point link with
/// single addresses, or with different networks at its ends (RFC 2328 §10.5: the mask of a hello is not checked there).
fn needs_onlink(interface: Option<&ForeignInterface>, via: Option<IpAddr>) -> bool {
    let networks = || interface.into_iter().flat_map(|found| &found.addresses);
    let connected = |via: IpAddr| networks().any(|network| Prefix::from(*network).contains(via));
    via.is_some_and(|via| !connected(via))
}

fn may_divert(prefix: Prefix, tag: u32, nexthop: &Nexthop, router: &Router<'_>) -> bool {
    let by_stranger = || {
        router.open.contains(&nexthop.interface)
            && router.other_ways.suffice(prefix, router.underlay)
            && selected_import(router.imports, prefix, tag) != Some(ImportAction::Accept)
    };
    may_capture(prefix, router.underlay) && (router.tunnels.contains(&nexthop.interface) || by_stranger())
}

/// Whether a route to `prefix` could capture a tunnel's own packets. A default route always could: packets of peers behind NAT arrive
/// from addresses that are not known beforehand.
fn may_capture(prefix: Prefix, underlay: &BTreeSet<Ipv4Addr>) -> bool {
    prefix.is_default() || underlay.iter().any(|address| prefix.contains(*address))
}

#[cfg(test)]
mod tests;
