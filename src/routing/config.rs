//! Builds the engine's configuration from the checked mesh file.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use ospf::{
    AreaId, Authentication, Config, External, ExternalMetric, HelloJitter, InterfaceConfig, InterfaceId, NetworkType,
    Policy, RouterId, Speaker,
};

use super::keyring::Keyring;
use super::opaque;
use super::redistribution::Redistributed;
use crate::mesh::{
    self, Auth, InterfaceMode, Mesh, MtuCheck, OspfSettings, PrefixSuppression, Site, SiteInterface, Timers,
    VirtualLink,
};
use crate::net::{IfName, Prefix};

/// An OSPF procedure that should end by itself, and has not ended after this time, starts over. A thousand adjacencies that form at once
/// take less.
const STALL_BOUND: Duration = Duration::from_secs(300);

/// The engine's handles of interfaces and virtual links. A handle is assigned once, and stays valid for the life of the process.
#[derive(Debug, Clone, Default)]
pub struct InterfaceIds {
    by_name: BTreeMap<IfName, InterfaceId>,
    by_id: BTreeMap<InterfaceId, IfName>,
    virtual_links: BTreeMap<(AreaId, RouterId), InterfaceId>,
}

impl InterfaceIds {
    /// Returns the handle of the interface `name`, and assigns a new one if it has none yet.
    pub fn id(&mut self, name: &IfName) -> InterfaceId {
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        let id = self.next();
        debug_assert!(!self.by_id.contains_key(&id), "a handle is given once");
        self.by_name.insert(name.clone(), id);
        self.by_id.insert(id, name.clone());
        id
    }

    /// Returns the handle of the interface `name`; `None` if it has none.
    pub fn known(&self, name: &IfName) -> Option<InterfaceId> {
        self.by_name.get(name).copied()
    }

    /// Gives the interface with the handle of `from` the name `to`. If `to` has a handle already, that handle is not used any more.
    pub fn rename(&mut self, from: &IfName, to: &IfName) {
        if let Some(id) = self.by_name.remove(from) {
            self.by_name.insert(to.clone(), id);
            self.by_id.insert(id, to.clone());
        }
    }

    /// Returns the name of the interface with this handle; `None` for a virtual link.
    pub fn name(&self, id: InterfaceId) -> Option<&IfName> {
        self.by_id.get(&id)
    }

    /// Returns the handle of the virtual link through `transit_area` to `far_end`, and assigns a new one if it has none yet.
    fn virtual_link(&mut self, transit_area: AreaId, far_end: RouterId) -> InterfaceId {
        let next = self.next();
        debug_assert!(!self.by_id.contains_key(&next), "a handle is given once");
        *self.virtual_links.entry((transit_area, far_end)).or_insert(next)
    }

    fn next(&self) -> InterfaceId {
        let given = self.by_id.len() + self.virtual_links.len();
        InterfaceId(u32::try_from(given + 1).expect("a process meets fewer interfaces than 2³²"))
    }
}

/// The keys that OSPF packets are authenticated with, and the clock that their lifetimes are converted with.
#[derive(Debug)]
pub struct Signing<'a> {
    /// The site's keys.
    pub keyring: &'a Keyring,
    /// The wall-clock time of the engine's time zero, by the present system clock.
    pub zero: SystemTime,
    /// The boot count of this start of the daemon (RFC 7474 §2): see [`Config::boot`].
    pub boot: u32,
}

impl Signing<'_> {
    fn authentication(&self, auth: &Auth) -> Authentication {
        self.keyring.authentication(auth, self.zero)
    }
}

/// Builds the engine's configuration for `site`. `redistributed` is what OSPF takes from the kernel; `withdrawn` are the site's prefixes
/// that have no carrier any more.
pub fn engine_config(
    mesh: &Mesh,
    site: &Site,
    redistributed: &Redistributed,
    withdrawn: &BTreeSet<Prefix>,
    signing: &Signing<'_>,
    ids: &mut InterfaceIds,
) -> Config {
    let mut interfaces = BTreeMap::new();
    for tunnel in mesh.tunnels(site) {
        let config = interface(&tunnel.interface, &tunnel.ospf, NetworkType::PointToPoint, signing);
        let speaker = Speaker::Peer { address: tunnel.peer_loopback, ttl_security: tunnel.ttl_security };
        interfaces.insert(ids.id(&tunnel.interface), InterfaceConfig { speaker, ..config });
    }
    for own in &site.interfaces {
        let further_addresses = redistributed.further_addresses.get(&own.name).cloned().unwrap_or_default();
        let config = site_interface(own, signing);
        interfaces.insert(ids.id(&own.name), InterfaceConfig { further_addresses, ..config });
    }
    let loopback_area = home_area(&interfaces);
    for link in &site.virtual_links {
        interfaces.insert(ids.virtual_link(link.transit_area, link.far_end), virtual_link(link, signing));
    }
    // If the site has `default_originate`, it applies to the default route also where that is listed as a prefix.
    let listed = site.prefixes.iter().filter(|prefix| !withdrawn.contains(prefix));
    let own = listed.filter(|prefix| site.default_originate.is_none() || !prefix.is_default());
    let own = own.filter_map(|prefix| Some((prefix.ospf()?, attached())));
    Config {
        boot: signing.boot,
        areas: mesh.areas.clone(),
        interfaces,
        loopbacks: BTreeMap::from([(loopback_area, BTreeSet::from([site.loopback]))]),
        externals: redistributed.externals.iter().map(|(prefix, external)| (*prefix, *external)).chain(own).collect(),
        aggregates: redistributed.aggregates.clone(),
        policy: policy(mesh),
        rfc1583: mesh.ospf.rfc1583,
        spf_delay: mesh.ospf.spf_delay,
        hello_jitter: HelloJitter::UpToTenth,
        helper: mesh.ospf.graceful_restart.helper,
        alternates: mesh.ospf.alternates,
        stub_router: mesh.ospf.stub_router,
        limits: mesh.ospf.limits,
        stall_bound: Some(STALL_BOUND),
        watched_opaque: opaque::watched(mesh),
        ..Config::new(RouterId::from(site.loopback))
    }
}

/// Returns the area in which the loopback address is advertised: the backbone if the router is in it, else its area with the lowest ID.
fn home_area(interfaces: &BTreeMap<InterfaceId, InterfaceConfig>) -> AreaId {
    interfaces.values().map(|interface| interface.area).min().unwrap_or(AreaId::BACKBONE)
}

fn site_interface(own: &SiteInterface, signing: &Signing<'_>) -> InterfaceConfig {
    let network = match own.network {
        mesh::NetworkType::Broadcast => NetworkType::Broadcast,
        mesh::NetworkType::PointToPoint => NetworkType::PointToPoint,
        mesh::NetworkType::NonBroadcast => NetworkType::NonBroadcast,
        mesh::NetworkType::PointToMultipoint => NetworkType::PointToMultipoint,
    };
    InterfaceConfig {
        passive: own.mode == InterfaceMode::Passive,
        neighbors: own.neighbors.clone(),
        ..interface(&own.name, &own.ospf, network, signing)
    }
}

fn interface(name: &IfName, settings: &OspfSettings, network: NetworkType, signing: &Signing<'_>) -> InterfaceConfig {
    InterfaceConfig {
        authentication: signing.authentication(&settings.auth),
        cost: settings.cost,
        priority: settings.priority,
        poll_interval: settings.poll_interval,
        mtu_ignore: settings.mtu_check == MtuCheck::Ignored,
        prefix_suppression: settings.prefix_suppression == PrefixSuppression::Hidden,
        ..timed(&settings.timers, InterfaceConfig::new(name.as_str(), settings.area, network))
    }
}

/// Configures a virtual link, which belongs to the backbone (RFC 2328 §15); its cost is that of the path through the transit area.
fn virtual_link(link: &VirtualLink, signing: &Signing<'_>) -> InterfaceConfig {
    let VirtualLink { transit_area, far_end, timers, auth } = link;
    let network = NetworkType::VirtualLink { transit_area: *transit_area, far_end: *far_end };
    let name = format!("vl-{transit_area}-{far_end}");
    let config = timed(timers, InterfaceConfig::new(name, AreaId::BACKBONE, network));
    InterfaceConfig { authentication: signing.authentication(auth), ..config }
}

fn timed(timers: &Timers, config: InterfaceConfig) -> InterfaceConfig {
    let Timers { hello_interval, dead_interval, retransmit_interval, transmit_delay } = *timers;
    InterfaceConfig { hello_interval, dead_interval, retransmit_interval, transmit_delay, ..config }
}

/// Returns the metric of a prefix of the site itself: type 1 and 0, so that its cost is that of the path to the site.
fn attached() -> External {
    External { metric: ExternalMetric::Type1(0), forwarding: None, tag: 0 }
}

/// Determines whose advertisements are accepted: those of each site for its own prefixes and its own loopback.
fn policy(mesh: &Mesh) -> Policy {
    let mut policy = Policy { unlisted: mesh.unlisted, guarded_opaque: opaque::guarded(), ..Policy::default() };
    for site in &mesh.sites {
        let router_id = RouterId::from(site.loopback);
        policy.guards.insert(router_id);
        let listed = site.prefixes.iter().filter_map(|prefix| prefix.ospf());
        for prefix in listed.chain([ospf::Prefix::host(site.loopback)]) {
            policy.listed.entry(prefix).or_default().insert(router_id);
        }
    }
    policy
}
