//! The desired state of the kernel, from everything that the daemon knows. Nothing here does I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::forwarding::Forwarding;
use super::host::Host;
use super::local::Local;
use crate::net::{IfName, Prefix};
use crate::reconcile::overlay::Overlay;
use crate::reconcile::state::{Backend, CAPTURE_TABLE, MAIN_TABLE, Observed, Route, RouteKey, State};
use crate::reconcile::sysctls::desired_sysctls;
use crate::rib::Rib;

/// What the desired state depends on. `endpoint` gives the address that a tunnel sends to, where one is known and configured.
pub(super) struct Basis<'a, E> {
    pub local: &'a Local,
    pub backend: Backend,
    pub observed: &'a Observed,
    /// Knows whether routes of an earlier run are kept.
    pub host: &'a Host,
    pub rib: &'a Rib,
    pub endpoint: E,
}

impl<'a, E: Fn(&IfName) -> Option<SocketAddr>> Basis<'a, E> {
    /// Returns the desired state. `overlay` computes its part for Ethernet segments from the addresses of the other sites that a route
    /// leads to through tunnels alone: elsewhere VXLAN does not go.
    pub(super) fn desired(&self, overlay: impl FnOnce(&BTreeSet<Ipv4Addr>) -> Overlay) -> State {
        let observed = self.observed;
        let mut desired = self.local.desired(self.backend, &self.endpoint);
        let forwarding = self.forwarding();
        desired.routes = forwarding.routes(self.rib.iter());
        desired.sysctls = desired_sysctls(self.local.tunnels.keys(), &observed.state.sysctls);
        self.host.keep(&mut desired, observed, self.local);
        let uplinks = forwarding.uplinks(&desired.routes);
        desired.rules = forwarding.rules(&desired.routes, &uplinks);
        desired.routes.extend(uplinks.routes);
        desired.overlay = overlay(&reachable(self.local, &desired.routes));
        desired
    }

    /// Returns this router as far as its routes depend on it.
    pub(super) fn forwarding(&self) -> Forwarding<'a> {
        Forwarding::new(self.local, self.observed, self.underlay())
    }

    /// Returns the addresses outside the mesh that tunnels send to, as configured and as found.
    fn underlay(&self) -> BTreeSet<Ipv4Addr> {
        let devices = self.observed.state.devices.values();
        let found = devices.filter_map(|device| device.peer.as_ref()?.endpoint);
        let configured = self.local.tunnels.keys().filter_map(|interface| (self.endpoint)(interface));
        configured
            .chain(found)
            .filter_map(|endpoint| match endpoint.ip() {
                IpAddr::V4(address) => Some(address),
                IpAddr::V6(_) => None,
            })
            .collect()
    }
}

/// Returns the addresses of other sites that one of these routes leads to through tunnels alone; none if the mesh has no segments, which
/// alone depend on them.
pub(super) fn reachable(local: &Local, routes: &BTreeMap<RouteKey, Route>) -> BTreeSet<Ipv4Addr> {
    if local.mesh.segments.is_empty() {
        return BTreeSet::new();
    }
    let leads_there = |peer: &Ipv4Addr| {
        let prefix = Prefix::host(*peer);
        let tables = [MAIN_TABLE, CAPTURE_TABLE];
        let found = tables.iter().find_map(|table| routes.get(&RouteKey { table: *table, prefix }));
        let mut interfaces = found.into_iter().flat_map(|route| &route.nexthops).map(|hop| &hop.interface);
        found.is_some() && interfaces.all(|interface| local.tunnels.contains_key(interface))
    };
    let others = local.mesh.sites.iter().map(|site| site.loopback).filter(|loopback| *loopback != local.site.loopback);
    others.filter(leads_there).collect()
}
