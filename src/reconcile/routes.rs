//! From the routes that OSPF computes to those that belong into the kernel, and the rules beside them.
//!
//! The one thing that must never happen is that a route into a tunnel captures the tunnel's own UDP packets. Those carry
//! [`FWMARK`]. A route that could capture them, that is a default route or one that covers the underlay address of a
//! peer, stays out of `main`: it goes to [`CAPTURE_TABLE`], which marked packets never look up. Everything else does so
//! after `main` without its default route, so that connected and more specific routes keep their precedence.
//!
//! What leads out by a LAN captures no packet of a tunnel, but may lead it astray: where everybody may send OSPF packets, whoever announces
//! the address of a peer would have the tunnel's packets, if only to drop them. Such a route, too, stays out of `main` while tunnels have
//! another way ([`OtherWays`]); without one it may be the uplink.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use ospf::{InterfaceId, Prefix};

use super::state::{
    CAPTURE_TABLE, FWMARK, Foreign, ForeignInterface, MAIN_TABLE, Nexthop, Route, RouteKey, Rule, Selector,
};
use crate::mesh::{IfName, ImportAction, ImportRule, import_action, selected_import};

/// Priority of the first of weft's rules (`ip rule`), which stand in front of `main` (32766) and behind most others' own.
pub const RULE_PRIORITY: u32 = 5199;

/// What the kernel is to have of OSPF's routes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routing {
    /// For [`super::state::State::routes`].
    pub routes: BTreeMap<RouteKey, Route>,
    /// For [`super::state::State::rules`].
    pub rules: BTreeSet<Rule>,
}

/// What the router is, as far as its routes depend on it.
#[derive(Debug)]
pub struct Router<'a, N> {
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
    /// First and last UDP port of each range that tunnels listen in.
    pub listen_ports: &'a [RangeInclusive<u16>],
    /// Own addresses at which a strict reverse path filter looks ([`super::sysctls::strictly_filtered`]).
    pub filtered: &'a BTreeSet<Ipv4Addr>,
    /// Which of the routes are wanted in the kernel.
    pub imports: &'a [ImportRule],
    /// The kernel's name of an interface of the OSPF engine.
    pub name: N,
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
        let default = foreign.routes.get(&Prefix::DEFAULT).filter(|route| route.leads);
        Self {
            endpoints: underlay.iter().copied().filter(is_found).collect(),
            anywhere: default.is_some_and(|route| route.metric > Route::METRIC),
        }
    }

    /// Whether no tunnel needs a route to `prefix`.
    fn suffice(&self, prefix: Prefix, underlay: &BTreeSet<Ipv4Addr>) -> bool {
        if prefix == Prefix::DEFAULT {
            return self.anywhere;
        }
        underlay.iter().filter(|address| prefix.contains(**address)).all(|address| self.endpoints.contains(address))
    }
}

/// What becomes of a route that OSPF computed.
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

/// What becomes of `route` at a router with this loopback and these import filters.
pub fn fate(prefix: Prefix, route: &ospf::Route, loopback: Ipv4Addr, imports: &[ImportRule]) -> Fate {
    if prefix == Prefix::host(loopback) {
        Fate::Own
    } else if route.nexthops.iter().any(|nexthop| nexthop.via.is_none()) {
        Fate::Connected
    } else {
        match import_action(imports, prefix, route.tag) {
            ImportAction::Accept if route.nexthops.is_empty() => Fate::Discard,
            ImportAction::Accept => Fate::Installed,
            ImportAction::Refuse => Fate::Refused,
        }
    }
}

/// Routes and rules for the kernel: those whose [`Fate`] it is, less next hops over interfaces without a name.
pub fn desired_routes<'n, N>(routes: &BTreeMap<Prefix, ospf::Route>, router: &Router<'_, N>) -> Routing
where
    N: Fn(InterfaceId) -> Option<&'n IfName>,
{
    let mut routing = Routing::default();
    for (&prefix, route) in routes {
        match fate(prefix, route, router.loopback, router.imports) {
            Fate::Installed => {}
            Fate::Discard => {
                routing.routes.insert(RouteKey { table: MAIN_TABLE, prefix }, Route::blackhole());
                continue;
            }
            Fate::Connected | Fate::Own | Fate::Refused => continue,
        }
        let nexthops = kernel_nexthops(route, router);
        let mut install = |table, nexthops: BTreeSet<Nexthop>| {
            if !nexthops.is_empty() {
                let route = Route::unicast(nexthops, Some(router.loopback));
                routing.routes.insert(RouteKey { table, prefix }, route);
            }
        };
        let harmless: BTreeSet<Nexthop> =
            nexthops.iter().filter(|nexthop| !may_divert(prefix, route.tag, nexthop, router)).cloned().collect();
        if harmless != nexthops {
            install(CAPTURE_TABLE, nexthops);
        }
        install(MAIN_TABLE, harmless);
    }
    if routing.routes.keys().any(|key| key.table == CAPTURE_TABLE) {
        routing.rules = capture_rules(router.listen_ports, router.filtered);
    }
    routing
}

fn kernel_nexthops<'n, N>(route: &ospf::Route, router: &Router<'_, N>) -> BTreeSet<Nexthop>
where
    N: Fn(InterfaceId) -> Option<&'n IfName>,
{
    let named = route.nexthops.iter().filter_map(|nexthop| {
        let interface = (router.name)(nexthop.interface)?.clone();
        let onlink = router.tunnels.contains(&interface) || needs_onlink(router.lan.get(&interface), nexthop.via);
        Some(Nexthop { interface, via: nexthop.via, onlink })
    });
    named.collect()
}

/// Whether the kernel has to be told that the gateway is on the link: it is in no network of the interface, as behind a point-to-point
/// link with single addresses, or with networks that differ (RFC 2328 §10.5: there the mask of a hello does not matter).
fn needs_onlink(interface: Option<&ForeignInterface>, via: Option<Ipv4Addr>) -> bool {
    let connected = |via| interface.is_some_and(|found| found.addresses.iter().any(|network| network.contains(via)));
    via.is_some_and(|via| !connected(via))
}

/// Whether this next hop of a route to `prefix` could take tunnels' own packets off their way: into a tunnel, or to whoever speaks OSPF on
/// an open LAN. What an import filter accepts by name is trusted, and a LAN may be the only way there is.
fn may_divert<N>(prefix: Prefix, tag: u32, nexthop: &Nexthop, router: &Router<'_, N>) -> bool {
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
    prefix == Prefix::DEFAULT || underlay.iter().any(|address| prefix.contains(*address))
}

/// The rules by which unmarked packets reach [`CAPTURE_TABLE`].
fn capture_rules(listen_ports: &[RangeInclusive<u16>], filtered: &BTreeSet<Ipv4Addr>) -> BTreeSet<Rule> {
    let mut rules = BTreeSet::from([
        Rule {
            priority: RULE_PRIORITY + 1,
            selector: Selector::NotMarked(FWMARK),
            table: MAIN_TABLE,
            suppress_prefixlen: Some(0),
        },
        Rule {
            priority: RULE_PRIORITY + 2,
            selector: Selector::NotMarked(FWMARK),
            table: CAPTURE_TABLE,
            suppress_prefixlen: None,
        },
    ]);
    // A strict filter asks where the source of a received tunnel packet is routed, with the ports turned round but without
    // a mark: it would find the tunnel, and drop the packet that came by the uplink. These rules tell it otherwise. They
    // name the router's own addresses so that no packet of a LAN host with such a port is led past the tunnel. (`iif lo`
    // would say that too, but the kernel looks at ports only if a rule without it does: fib_rule_requires_fldissect.)
    for ports in listen_ports {
        rules.extend(filtered.iter().map(|address| Rule {
            priority: RULE_PRIORITY,
            selector: Selector::UdpFrom(*address, *ports.start(), *ports.end()),
            table: MAIN_TABLE,
            suppress_prefixlen: None,
        }));
    }
    rules
}

#[cfg(test)]
mod tests;
