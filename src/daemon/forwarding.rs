//! Converts routes of the routing table into kernel routes, and compares them with the kernel's.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::local::Local;
use crate::control::view::KernelState;
use crate::net::{IfName, Prefix};
use crate::reconcile::routes::{Fate, OtherWays, Router, desired_routes, fate};
use crate::reconcile::rules::{Sources, desired_rules};
use crate::reconcile::state::{ForeignInterface, Observed, Route, RouteKey, Rule};
use crate::reconcile::sysctls::strictly_filtered;
use crate::reconcile::uplinks::Uplinks;
use crate::rib::Used;

/// The state of the router that its kernel routes depend on.
pub(super) struct Forwarding<'a> {
    local: &'a Local,
    observed: &'a Observed,
    tunnels: BTreeSet<IfName>,
    underlay: BTreeSet<Ipv4Addr>,
    open: BTreeSet<IfName>,
    other_ways: OtherWays,
}

impl<'a> Forwarding<'a> {
    /// `underlay` are the addresses outside the mesh that tunnels send to.
    pub(super) fn new(local: &'a Local, observed: &'a Observed, underlay: BTreeSet<Ipv4Addr>) -> Self {
        let tunnels = local.tunnels.keys().cloned().collect();
        let open = local.site.interfaces.iter().filter(|interface| interface.is_open());
        let open: BTreeSet<IfName> = open.map(|interface| interface.name.clone()).collect();
        let other_ways =
            if open.is_empty() { OtherWays::default() } else { OtherWays::of(&underlay, &observed.foreign) };
        Self { local, observed, tunnels, underlay, open, other_ways }
    }

    /// Returns the kernel routes that these routes of the routing table should result in.
    pub(super) fn routes(&self, routes: impl IntoIterator<Item = (Prefix, Used)>) -> BTreeMap<RouteKey, Route> {
        let router = Router {
            loopback: self.local.site.loopback,
            tunnels: &self.tunnels,
            lan: &self.observed.foreign.interfaces,
            underlay: &self.underlay,
            open: &self.open,
            other_ways: &self.other_ways,
            imports: &self.local.site.imports,
        };
        desired_routes(routes, &router)
    }

    /// Returns what the kernel needs besides these routes so that answers leave by their uplinks.
    pub(super) fn uplinks(&self, routes: &BTreeMap<RouteKey, Route>) -> Uplinks {
        Uplinks::of(routes, &self.observed.foreign, &self.local.mesh)
    }

    /// Returns the policy rules that belong to these routes.
    pub(super) fn rules(&self, routes: &BTreeMap<RouteKey, Route>, uplinks: &Uplinks) -> BTreeSet<Rule> {
        let sources = Sources {
            listen_ports: &self.local.listen_ports(),
            filtered: &strictly_filtered(self.observed),
            uplinks: &uplinks.ways,
        };
        desired_rules(routes, &sources)
    }

    /// Returns how far the kernel has the route that is used for a destination; `None` if none has a next hop left.
    pub(super) fn presence(&self, destination: Prefix, used: Option<Used>) -> KernelState {
        let Some(used) = used else { return KernelState::Missing };
        let complete = match fate(destination, &used, self.local.site.loopback, &self.local.site.imports) {
            Fate::Own => return KernelState::Own,
            Fate::Refused => return KernelState::Refused,
            Fate::Connected if is_connected(destination, &self.observed.foreign.interfaces) => {
                return KernelState::Connected;
            }
            Fate::Connected => return KernelState::Missing,
            Fate::Installed => KernelState::Installed,
            Fate::Discard => KernelState::Discard,
        };
        let desired = self.routes([(destination, used)]);
        match compare(&desired, &self.observed.state.routes) {
            Presence::Complete => complete,
            Presence::Different => KernelState::Different,
            Presence::Missing => KernelState::Missing,
        }
    }
}

/// How far the kernel has the desired routes to a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    /// All of them are there.
    Complete,
    /// The kernel has a route of weft to the destination, but a different one.
    Different,
    /// The kernel has no route of weft to the destination.
    Missing,
}

/// Compares the desired routes to one destination, in one or two tables, with those in the kernel.
fn compare(desired: &BTreeMap<RouteKey, Route>, present: &BTreeMap<RouteKey, Route>) -> Presence {
    let found: Vec<Option<&Route>> = desired.keys().map(|key| present.get(key)).collect();
    let leads = |route: &Route| *route == Route::blackhole() || !route.nexthops.is_empty();
    if found.iter().flatten().all(|route| !leads(route)) {
        Presence::Missing
    } else if desired.values().map(Some).eq(found) {
        Presence::Complete
    } else {
        Presence::Different
    }
}

/// Whether the network is directly connected through an address of one of these interfaces.
fn is_connected(network: Prefix, interfaces: &BTreeMap<IfName, ForeignInterface>) -> bool {
    let running = interfaces.values().filter(|interface| interface.running);
    running.flat_map(|interface| &interface.addresses).any(|address| Prefix::from(*address) == network)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::state::{CAPTURE_TABLE, MAIN_TABLE, Nexthop};

    fn routes(text: &[(u32, Option<&str>)]) -> BTreeMap<RouteKey, Route> {
        let routes = text.iter().map(|&(table, interface)| {
            let hop = |name| Nexthop { interface: IfName::new(name).unwrap(), via: None, onlink: true };
            let route = Route::unicast(interface.into_iter().map(hop), None);
            (RouteKey { table, prefix: Prefix::new([10, 2, 0, 0], 16) }, route)
        });
        routes.collect()
    }

    #[test]
    fn a_route_is_installed_if_the_kernel_has_all_of_it_and_nothing_else() {
        let (one, other) = ((MAIN_TABLE, Some("eth1")), (CAPTURE_TABLE, Some("wg-b")));
        for (present, expected) in [
            (&[one, other][..], Presence::Complete),
            (&[one], Presence::Different),
            (&[one, (CAPTURE_TABLE, Some("wg-c"))], Presence::Different),
            // The kernel has taken the interface away under it.
            (&[(MAIN_TABLE, None)], Presence::Missing),
            (&[], Presence::Missing),
        ] {
            assert_eq!(compare(&routes(&[one, other]), &routes(present)), expected, "{present:?}");
        }
        assert_eq!(compare(&BTreeMap::new(), &routes(&[one])), Presence::Missing, "there is no way to it");
        let key = RouteKey { table: MAIN_TABLE, prefix: Prefix::new([10, 2, 0, 0], 16) };
        let discard = BTreeMap::from([(key, Route::blackhole())]);
        assert_eq!(compare(&discard, &discard), Presence::Complete);
        assert_eq!(compare(&discard, &routes(&[one])), Presence::Different);
    }

    #[test]
    fn a_network_is_connected_only_by_an_interface_that_runs() {
        let network = Prefix::new([192, 0, 2, 0], 24);
        let with = |running, address: &str| {
            let found = ForeignInterface { index: 2, mtu: 1500, running, addresses: vec![address.parse().unwrap()] };
            is_connected(network, &BTreeMap::from([(IfName::new("eth1").unwrap(), found)]))
        };
        assert!(with(true, "192.0.2.7/24"));
        assert!(!with(false, "192.0.2.7/24") && !with(true, "192.0.2.7/25") && !with(true, "192.0.2.0/16"));
    }
}
