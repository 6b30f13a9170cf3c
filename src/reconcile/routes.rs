//! From the routes of the routing table to those that belong into the kernel.
//!
//! The one thing that must never happen is that a route into a tunnel captures the tunnel's own UDP packets. Those carry
//! [`super::state::FWMARK`]. A route that could capture them, that is a default route or one that covers the underlay address of a
//! peer, stays out of `main`: it goes to [`CAPTURE_TABLE`], which marked packets never look up. Everything else does so
//! after `main` without its default route, so that connected and more specific routes keep their precedence
//! ([`super::rules`]).
//!
//! What leads out by a LAN captures no packet of a tunnel, but may lead it astray: where everybody may send OSPF packets, whoever announces
//! the address of a peer would have the tunnel's packets, if only to drop them. Such a route, too, stays out of `main` while tunnels have
//! another way ([`OtherWays`]); without one it may be the uplink.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use super::state::{CAPTURE_TABLE, Foreign, ForeignInterface, MAIN_TABLE, Nexthop, Route, RouteKey};
use crate::mesh::{ImportAction, ImportRule, import_action, selected_import};
use crate::net::{IfName, Prefix};
use crate::rib::{self, Used};

/// What the router is, as far as its routes depend on it.
#[derive(Debug)]
pub struct Router<'a> {
    /// Its own address: the source of its own traffic, and never the destination of a route.
    pub loopback: Ipv4Addr,
    /// Its tunnels.
    pub tunnels: &'a BTreeSet<IfName>,
    /// Interfaces of others, with the networks that the kernel knows to be there.
    pub lan: &'a BTreeMap<IfName, ForeignInterface>,
    /// Where tunnels' packets go outside: each endpoint as configured and as last heard from.
    pub underlay: &'a BTreeSet<Ipv4Addr>,
    /// Interfaces on which everybody may send OSPF packets ([`crate::mesh::SiteInterface::is_open`]).
    pub open: &'a BTreeSet<IfName>,
    /// What tunnels' packets have without OSPF's routes.
    pub other_ways: &'a OtherWays,
    /// Which of the routes are wanted in the kernel.
    pub imports: &'a [ImportRule],
}

/// Where tunnels' packets find their way without routes of OSPF: by routes of others, or because the peer is on a connected network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OtherWays {
    endpoints: BTreeSet<Ipv4Addr>,
    anywhere: bool,
}

impl OtherWays {
    /// Those to addresses of `underlay`, and whether there is one to any address that the kernel prefers less than a default route of
    /// weft's: what it prefers more needs no help.
    pub fn of(underlay: &BTreeSet<Ipv4Addr>, foreign: &Foreign) -> Self {
        let connected = |address: Ipv4Addr| {
            let running = foreign.interfaces.values().filter(|interface| interface.running);
            let networks = running.flat_map(|interface| &interface.addresses);
            networks.filter(|network| network.contains(address)).map(|network| network.prefix()).max()
        };
        // The longest prefix decides, as in the kernel: one that drops packets hides a default route.
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

    /// Whether no tunnel needs a route to `prefix`.
    fn suffice(&self, prefix: Prefix, underlay: &BTreeSet<Ipv4Addr>) -> bool {
        if prefix == Prefix::DEFAULT_V4 {
            return self.anywhere;
        }
        underlay.iter().filter(|address| prefix.contains(**address)).all(|address| self.endpoints.contains(address))
    }
}

/// What becomes of a route of the routing table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It goes into the kernel.
    Installed,
    /// It goes into the kernel to drop what falls into an area address range of ours and has no route of its own (RFC 2328 §11.1).
    Discard,
    /// The destination is a network that this router is connected to (a next hop without `via`): the kernel has that itself.
    Connected,
    /// The destination is this router.
    Own,
    /// A `[[site.import]]` keeps it out of the kernel.
    Refused,
}

/// What becomes of the route that is used for `prefix`, at a router with this loopback and these import filters.
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

/// Returns the routes for the kernel: those whose [`Fate`] is to be installed, or to discard packets.
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
        let mut install = |table, nexthops: BTreeSet<Nexthop>| {
            if !nexthops.is_empty() {
                let route = Route::unicast(nexthops, Some(router.loopback.into()));
                desired.insert(RouteKey { table, prefix }, route);
            }
        };
        let harmless: BTreeSet<Nexthop> =
            nexthops.iter().filter(|nexthop| !may_divert(prefix, used.tag, nexthop, router)).cloned().collect();
        if harmless != nexthops {
            install(CAPTURE_TABLE, nexthops);
        }
        install(MAIN_TABLE, harmless);
    }
    desired
}

fn kernel_nexthops(used: &Used, router: &Router<'_>) -> BTreeSet<Nexthop> {
    let nexthops = used.nexthops.iter().flat_map(|nexthops| nexthops.iter());
    // Where routers exchange their ids, a neighbour's address is this router's before OSPF knows of it.
    let others = nexthops.filter(|nexthop| nexthop.via != Some(router.loopback.into()));
    let of_kernel = others.map(|rib::Nexthop { interface, via }| {
        let onlink = router.tunnels.contains(interface) || needs_onlink(router.lan.get(interface), *via);
        Nexthop { interface: interface.clone(), via: *via, onlink }
    });
    of_kernel.collect()
}

/// Whether the kernel has to be told that the gateway is on the link: it is in no network of the interface, as behind a point-to-point
/// link with single addresses, or with networks that differ (RFC 2328 §10.5: there the mask of a hello does not matter).
fn needs_onlink(interface: Option<&ForeignInterface>, via: Option<IpAddr>) -> bool {
    let networks = || interface.into_iter().flat_map(|found| &found.addresses);
    let connected = |via: IpAddr| networks().any(|network| Prefix::from(*network).contains(via));
    via.is_some_and(|via| !connected(via))
}

/// Whether this next hop of a route to `prefix` could take tunnels' own packets off their way: into a tunnel, or to whoever speaks OSPF on
/// an open LAN. What an import filter accepts by name is trusted, and a LAN may be the only way there is.
fn may_divert(prefix: Prefix, tag: u32, nexthop: &Nexthop, router: &Router<'_>) -> bool {
    let by_stranger = || {
        router.open.contains(&nexthop.interface)
            && router.other_ways.suffice(prefix, router.underlay)
            && selected_import(router.imports, prefix, tag) != Some(ImportAction::Accept)
    };
    may_capture(prefix, router.underlay) && (router.tunnels.contains(&nexthop.interface) || by_stranger())
}

/// Whether a route to `prefix` could take a tunnel's own packets. A default route always could: peers behind NAT are
/// heard from addresses that nobody knows beforehand.
fn may_capture(prefix: Prefix, underlay: &BTreeSet<Ipv4Addr>) -> bool {
    prefix.is_default() || underlay.iter().any(|address| prefix.contains(*address))
}

#[cfg(test)]
mod tests;
