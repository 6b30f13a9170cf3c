//! The planner: computes the steps from the observed to the desired state. It is a pure function, and the executor of the steps decides
//! nothing.
//!
//! The order of the steps keeps packets flowing. A route is replaced, never deleted and then added. What a new path needs (settings, links,
//! addresses) is configured before the route over it, and what an old path needed is removed after the route has left it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::check::check;
use super::overlay::{self, OverlayStep, plan_making};
use super::state::{
    Admin, AllowedIps, CAPTURE_TABLE, Device, Link, MAIN_TABLE, Observed, ObservedDevice, ObservedPeer, Peer, Route,
    RouteKey, RouteKind, Rule, RuleAction, Scope, State, Sysctl, SysctlKey,
};
use super::step::Step;
use super::tunnels::{AllowedIpsChange, DeviceChange, PeerChange, PresharedChange};
use crate::keys::PresharedKey;
use crate::net::wireguard::REJECT_AFTER_TIME;
use crate::net::{Few, IfName, Prefix};

/// Steps carried out before whose results cannot be observed in the kernel.
#[derive(Debug, Clone, Default)]
pub struct Applied {
    /// The last desired endpoint of each tunnel. The device of a peer that roams has another one, which is correct as long as packets
    /// arrive from there.
    endpoints: BTreeMap<IfName, Option<SocketAddr>>,
    /// The desired bridge of each port of a segment. The kernel does not record who has joined a port to a bridge.
    ports: BTreeMap<IfName, IfName>,
}

impl Applied {
    /// Records that `desired` was carried out, except for the steps in `failed`.
    pub fn note<'a>(&mut self, desired: &State, failed: impl IntoIterator<Item = &'a Step>) {
        let failed: Vec<&Step> = failed.into_iter().collect();
        let unreleased = |port: &IfName| {
            failed.iter().any(|step| matches!(step, Step::Overlay(OverlayStep::Leave(left)) if left == port))
        };
        self.ports.retain(|port, _| unreleased(port));
        self.ports.extend(desired.overlay.ports.clone());
        let unconfigured = failed.into_iter().filter_map(|step| match step {
            Step::CreateLink(interface, _) | Step::DeleteLink(interface, _) | Step::Configure(interface, _) => {
                Some(interface)
            }
            _ => None,
        });
        let unconfigured: BTreeSet<&IfName> = unconfigured.collect();
        self.endpoints.retain(|interface, _| desired.devices.contains_key(interface));
        for (interface, device) in &desired.devices {
            if !unconfigured.contains(interface) {
                self.endpoints.insert(interface.clone(), device.peer.endpoint);
            }
        }
    }
}

/// Returns the steps that reconcile `observed` with `desired`; none if nothing differs.
pub fn plan(desired: &State, observed: &Observed, applied: &Applied) -> Vec<Step> {
    debug_assert!(
        desired.devices.keys().all(|interface| desired.links.contains_key(interface)),
        "only tunnels have a configuration"
    );
    debug_assert!(
        desired.routes.values().all(|route| route.nexthops.is_empty() == (route.kind == RouteKind::Blackhole)),
        "a route leads somewhere, or drops packets"
    );
    let mut steps = Vec::new();
    // The filter is set before the first packet can arrive.
    if let Some(filter) = desired.filter.as_ref().filter(|filter| observed.state.filter.as_ref() != Some(filter)) {
        steps.push(Step::SetFilter(filter.clone()));
    }
    let unmade = interfaces_to_make(desired, observed);
    plan_sysctls(desired, observed, &unmade, &mut steps);
    let in_the_way = links_in_the_way(desired, observed, &unmade);
    let early = observed.state.links.iter().filter(|(interface, _)| in_the_way.contains(*interface));
    steps.extend(early.map(|(interface, link)| Step::DeleteLink(interface.clone(), link.backend)));
    plan_vacating(desired, observed, &mut steps);
    for (interface, link) in &desired.links {
        plan_link(interface, link, desired, observed, applied, &mut steps);
    }
    plan_new_addresses(desired, observed, &mut steps);
    steps.extend(plan_making(&desired.overlay, observed).into_iter().map(Step::Overlay));
    let routes = usable_routes(desired, observed);
    let lost = unmade.union(&in_the_way).cloned().collect();
    plan_routes_to_install(&routes, observed, &lost, &mut steps);
    // Rules are added in the order of their priorities: those that send packets past the last rule come before that one can capture the
    // packets. But the targets of `goto` come first, because the kernel ignores a `goto` whose target does not exist.
    let (targets, others): (Vec<&Rule>, Vec<&Rule>) =
        desired.rules.difference(&observed.state.rules).partition(|rule| rule.action == RuleAction::Nop);
    steps.extend(targets.into_iter().chain(others).cloned().map(Step::AddRule));
    let (targets, others): (Vec<&Rule>, Vec<&Rule>) =
        observed.state.rules.difference(&desired.rules).partition(|rule| rule.action == RuleAction::Nop);
    steps.extend(others.into_iter().rev().chain(targets).cloned().map(Step::DeleteRule));
    steps.extend(overlay::plan_withdrawal(&desired.overlay, observed, &applied.ports).into_iter().map(Step::Overlay));
    plan_withdrawal(desired, observed, &routes, &in_the_way, &mut steps);
    if desired.filter.is_none() && observed.state.filter.is_some() {
        steps.push(Step::DeleteFilter);
    }
    if cfg!(debug_assertions) {
        check(&steps, desired, &routes, observed);
    }
    steps
}

/// Returns the steps that give the destinations in `prefixes` the routes that `routes` has for them, and no others. This equals [`plan`]
/// where nothing else differs and every tunnel exists. Its cost grows with the number of `prefixes` only.
pub fn plan_routes(
    prefixes: impl IntoIterator<Item = Prefix>,
    routes: &BTreeMap<RouteKey, Route>,
    observed: &Observed,
) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut withdrawn = Vec::new();
    let exists = |interface: &IfName| {
        observed.state.links.contains_key(interface) || observed.foreign.interfaces.contains_key(interface)
    };
    let tables = [MAIN_TABLE, CAPTURE_TABLE];
    for key in prefixes.into_iter().flat_map(|prefix| tables.map(|table| RouteKey { table, prefix })) {
        let found = observed.state.routes.get(&key);
        let wanted = routes.get(&key).and_then(|route| usable(route, exists));
        match (found, wanted) {
            (None, None) => {}
            (Some(_), None) => withdrawn.push(Step::DeleteRoute(key)),
            (None, Some(route)) => steps.push(Step::AddRoute(key, route)),
            // All its next hops are gone, and the kernel has removed the route with them.
            (Some(found), Some(route)) if found.kind == RouteKind::Unicast && found.nexthops.is_empty() => {
                steps.push(Step::AddRoute(key, route));
            }
            (Some(found), Some(route)) if *found != route => steps.push(Step::ReplaceRoute(key, route)),
            (Some(_), Some(_)) => {}
        }
    }
    steps.append(&mut withdrawn);
    steps
}

/// Returns the desired tunnel interfaces that do not exist, or have to be created again with another back-end.
fn interfaces_to_make(desired: &State, observed: &Observed) -> BTreeSet<IfName> {
    let stands = |interface: &IfName, link: &Link| {
        observed.state.links.get(interface).is_some_and(|found| found.backend == link.backend)
    };
    desired.links.iter().filter(|(interface, link)| !stands(interface, link)).map(|(name, _)| name.clone()).collect()
}

/// Returns the tunnel interfaces that are not desired any more and use the UDP port of one that is to be created: they are deleted before
/// it is created.
fn links_in_the_way(desired: &State, observed: &Observed, unmade: &BTreeSet<IfName>) -> BTreeSet<IfName> {
    let ports = unmade.iter().filter_map(|name| Some(desired.devices.get(name)?.listen_port));
    let ports: BTreeSet<u16> = ports.collect();
    let unwanted = observed.state.links.keys().filter(|name| !desired.links.contains_key(*name));
    let blocks =
        |name: &&IfName| observed.state.devices.get(*name).is_some_and(|device| ports.contains(&device.listen_port));
    unwanted.filter(blocks).cloned().collect()
}

/// Plans the settings of all scopes that exist already; those of a new link follow its creation.
fn plan_sysctls(desired: &State, observed: &Observed, unmade: &BTreeSet<IfName>, steps: &mut Vec<Step>) {
    let forwarding = Sysctl { scope: Scope::All, key: SysctlKey::Forwarding };
    let forwarding_step =
        desired.sysctls.get(&forwarding).copied().filter(|value| differs(observed, &forwarding, *value));
    for (sysctl, value) in &desired.sysctls {
        if sysctl.scope.interface().is_some_and(|name| unmade.contains(name)) {
            continue;
        }
        // This step follows the one that writes all/forwarding, which writes the value of every other scope.
        let overwritten = sysctl.key == SysctlKey::Forwarding && sysctl.scope != Scope::All;
        let needed = match forwarding_step {
            Some(written) if overwritten => written != *value,
            _ => differs(observed, sysctl, *value),
        };
        if needed {
            steps.push(Step::SetSysctl(sysctl.clone(), *value));
        }
    }
}

fn differs(observed: &Observed, sysctl: &Sysctl, value: u32) -> bool {
    observed.state.sysctls.get(sysctl) != Some(&value)
}

fn plan_link(
    interface: &IfName,
    link: &Link,
    desired: &State,
    observed: &Observed,
    applied: &Applied,
    steps: &mut Vec<Step>,
) {
    let found = observed.state.links.get(interface);
    let standing = found.filter(|found| found.backend == link.backend);
    if let (Some(found), None) = (found, standing) {
        steps.push(Step::DeleteLink(interface.clone(), found.backend));
    }
    let device = standing.and_then(|_| observed.state.devices.get(interface));
    let readable = !observed.unreadable.contains(interface);
    // If no process answers for a tunnel, it is created again, which does no harm if it exists.
    if standing.is_none() || (device.is_none() && readable) {
        steps.push(Step::CreateLink(interface.clone(), link.backend));
    }
    if standing.is_none() {
        let own = |sysctl: &Sysctl| sysctl.scope.interface() == Some(interface);
        let settings = desired.sysctls.iter().filter(|(sysctl, _)| own(sysctl));
        steps.extend(settings.map(|(sysctl, value)| Step::SetSysctl(sysctl.clone(), *value)));
    }
    if standing.is_none_or(|found| found.mtu != link.mtu) {
        steps.push(Step::SetMtu(interface.clone(), link.mtu));
    }
    if let Some(wanted) = desired.devices.get(interface)
        && (standing.is_none() || readable)
        && let Some(change) = device_change(wanted, device, applied.endpoints.get(interface))
    {
        steps.push(Step::Configure(interface.clone(), change));
    }
    if link.admin == Admin::Up && standing.is_none_or(|found| found.admin != Admin::Up) {
        steps.push(Step::SetUp(interface.clone()));
    }
}

/// Plans for tunnels to leave a UDP port that a tunnel planned before them takes: they listen on any free port until their own step. This
/// allows two tunnels to exchange their ports.
fn plan_vacating(desired: &State, observed: &Observed, steps: &mut Vec<Step>) {
    let mut taken = BTreeSet::new();
    for (interface, wanted) in desired.links.keys().filter_map(|name| desired.devices.get_key_value(name)) {
        let port = observed.state.devices.get(interface).map(|found| found.listen_port);
        if port.is_some_and(|port| port != wanted.listen_port && taken.contains(&port)) {
            steps.push(Step::Configure(
                interface.clone(),
                DeviceChange { listen_port: Some(0), ..DeviceChange::default() },
            ));
        }
        taken.insert(wanted.listen_port);
    }
}

/// Returns what has to be written to configure the device as desired; `None` if nothing differs.
fn device_change(
    wanted: &Device,
    found: Option<&ObservedDevice>,
    last_given: Option<&Option<SocketAddr>>,
) -> Option<DeviceChange> {
    let same_key = found.is_some_and(|found| found.public_key == wanted.key.public());
    let present = found
        .into_iter()
        .flat_map(|found| found.peer.iter().map(|peer| peer.public_key).chain(found.unmanaged.iter().copied()));
    let change = DeviceChange {
        private_key: (!same_key).then(|| wanted.key.clone()),
        listen_port: (found.map(|found| found.listen_port) != Some(wanted.listen_port)).then_some(wanted.listen_port),
        fwmark: (found.map(|found| found.fwmark) != Some(wanted.fwmark)).then_some(wanted.fwmark),
        remove: present.filter(|key| *key != wanted.peer.public_key).collect(),
        peer: {
            let found = found.and_then(|found| found.peer.as_ref());
            let found = found.filter(|found| found.public_key == wanted.peer.public_key);
            peer_change(&wanted.peer, found, last_given)
        },
    };
    let nothing = change.private_key.is_none()
        && change.listen_port.is_none()
        && change.fwmark.is_none()
        && change.remove.is_empty()
        && change.peer.is_none();
    (!nothing).then_some(change)
}

fn peer_change(
    wanted: &Peer,
    found: Option<&ObservedPeer>,
    last_given: Option<&Option<SocketAddr>>,
) -> Option<PeerChange> {
    let preshared = found.and_then(|found| found.preshared);
    let change = PeerChange {
        public_key: wanted.public_key,
        endpoint: wanted.endpoint.filter(|_| endpoint_to_write(wanted, found, last_given)),
        keepalive_s: (found.map(|found| found.keepalive_s) != Some(wanted.keepalive_s)).then_some(wanted.keepalive_s),
        allowed_ips: match found.map(|found| found.allowed_ips) {
            Some(AllowedIps::Everything) => AllowedIpsChange::Keep,
            Some(AllowedIps::Incomplete) | None => AllowedIpsChange::AddEverything,
        },
        preshared: match &wanted.preshared {
            wanted if wanted.as_ref().map(PresharedKey::digest) == preshared => PresharedChange::Keep,
            Some(key) => PresharedChange::Set(key.clone()),
            None => PresharedChange::Remove,
        },
    };
    let nothing = found.is_some()
        && change.endpoint.is_none()
        && change.keepalive_s.is_none()
        && change.allowed_ips == AllowedIpsChange::Keep
        && change.preshared == PresharedChange::Keep;
    (!nothing).then_some(change)
}

/// Returns whether the endpoint has to be written. It differs for one of two reasons: the peer has roamed, which is left unchanged while
/// its handshakes are recent, or the desired endpoint has changed.
fn endpoint_to_write(wanted: &Peer, found: Option<&ObservedPeer>, last_given: Option<&Option<SocketAddr>>) -> bool {
    let Some(found) = found else { return true };
    let alive = found.handshake_age.is_some_and(|age| age < REJECT_AFTER_TIME);
    let changed = last_given.is_some_and(|given| *given != wanted.endpoint);
    found.endpoint != wanted.endpoint && (!alive || changed)
}

fn plan_new_addresses(desired: &State, observed: &Observed, steps: &mut Vec<Step>) {
    let gone = |interface: &IfName| match (desired.links.get(interface), observed.state.links.get(interface)) {
        (Some(wanted), Some(found)) => wanted.backend != found.backend,
        _ => false,
    };
    for (interface, address) in &desired.addresses {
        let pair = (interface.clone(), *address);
        let there = observed.state.addresses.contains(&pair) || observed.foreign.addresses.contains(&pair);
        if !there || gone(interface) {
            steps.push(Step::AddAddress(interface.clone(), *address));
        }
    }
}

/// The desired routes, without next hops over interfaces that neither exist nor will be created by this plan.
fn usable_routes(desired: &State, observed: &Observed) -> BTreeMap<RouteKey, Route> {
    let exists = |interface: &IfName| {
        desired.links.contains_key(interface) || observed.foreign.interfaces.contains_key(interface)
    };
    desired.routes.iter().filter_map(|(key, route)| Some((*key, usable(route, exists)?))).collect()
}

/// The route without next hops over interfaces that do not exist; `None` if it has to forward packets, and no next hop is left.
fn usable(route: &Route, exists: impl Fn(&IfName) -> bool) -> Option<Route> {
    let nexthops: Few<_> = route.nexthops.iter().filter(|nexthop| exists(&nexthop.interface)).cloned().collect();
    let leads = !nexthops.is_empty() || route.kind == RouteKind::Blackhole;
    leads.then(|| Route { nexthops, ..route.clone() })
}

/// Returns whether all next hops of the route are over one of these links.
fn over(links: &BTreeSet<IfName>, route: &Route) -> bool {
    route.nexthops.iter().all(|nexthop| links.contains(&nexthop.interface))
}

fn plan_routes_to_install(
    routes: &BTreeMap<RouteKey, Route>,
    observed: &Observed,
    unmade: &BTreeSet<IfName>,
    steps: &mut Vec<Step>,
) {
    for (key, route) in routes {
        let found = observed.state.routes.get(key);
        // Next hops over a link that is created again are removed with the old link; a route without other next hops is removed, too.
        let dies = |found: &Route| found.nexthops.iter().any(|nexthop| unmade.contains(&nexthop.interface));
        match found {
            None => steps.push(Step::AddRoute(*key, route.clone())),
            Some(found) if found.kind == RouteKind::Unicast && over(unmade, found) => {
                steps.push(Step::AddRoute(*key, route.clone()));
            }
            Some(found) if found != route || dies(found) => steps.push(Step::ReplaceRoute(*key, route.clone())),
            Some(_) => {}
        }
    }
}

/// Plans the removal of what is not desired any more: routes, then the addresses that were their source, then the links under them.
fn plan_withdrawal(
    desired: &State,
    observed: &Observed,
    routes: &BTreeMap<RouteKey, Route>,
    gone: &BTreeSet<IfName>,
    steps: &mut Vec<Step>,
) {
    let died = |route: &Route| !route.nexthops.is_empty() && over(gone, route);
    let unwanted = observed.state.routes.iter().filter(|(key, route)| !routes.contains_key(key) && !died(route));
    steps.extend(unwanted.map(|(key, _)| Step::DeleteRoute(*key)));
    for (interface, address) in observed.state.addresses.difference(&desired.addresses) {
        // The addresses of a link are removed with it.
        let stays = desired.links.contains_key(interface) || !observed.state.links.contains_key(interface);
        if stays {
            steps.push(Step::RemoveAddress(interface.clone(), *address));
        }
    }
    let unwanted = observed.state.links.iter();
    let unwanted = unwanted.filter(|(name, _)| !desired.links.contains_key(*name) && !gone.contains(*name));
    steps.extend(unwanted.map(|(interface, link)| Step::DeleteLink(interface.clone(), link.backend)));
}

#[cfg(test)]
mod tests;
