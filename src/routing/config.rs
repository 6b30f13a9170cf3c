//! From the checked mesh file to the engine's configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ospf::{
    Config, External, ExternalMetric, InterfaceConfig, InterfaceId, NetworkType, Policy, Prefix, RouterId, Unlisted,
};

use crate::mesh::{self, IfName, InterfaceMode, Mesh, OspfSettings, Site};

/// RxmtInterval: longer than a round trip between any two sites, with room for a queue.
const RETRANSMIT_INTERVAL: Duration = Duration::from_secs(1);
/// InfTransDelay: the least that the protocol allows (RFC 2328 §C.3).
const TRANSMIT_DELAY: Duration = Duration::from_secs(1);

/// The engine's handle of each interface: given out once per name and kept for the life of the process.
#[derive(Debug, Default)]
pub struct InterfaceIds {
    by_name: BTreeMap<IfName, InterfaceId>,
    by_id: BTreeMap<InterfaceId, IfName>,
}

impl InterfaceIds {
    /// The handle of the interface `name`, a new one if it has none yet.
    pub fn id(&mut self, name: &IfName) -> InterfaceId {
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        let next = self.by_id.last_key_value().map_or(1, |(id, _)| id.0 + 1);
        let id = InterfaceId(next);
        self.by_name.insert(name.clone(), id);
        self.by_id.insert(id, name.clone());
        id
    }

    /// The interface with this handle.
    pub fn name(&self, id: InterfaceId) -> Option<&IfName> {
        self.by_id.get(&id)
    }
}

/// What the engine of `site` has to do.
pub fn engine_config(mesh: &Mesh, site: &Site, ids: &mut InterfaceIds) -> Config {
    let tunnels = mesh.tunnels(site);
    let area = tunnels
        .iter()
        .map(|tunnel| tunnel.ospf.area)
        .chain(site.interfaces.iter().map(|interface| interface.ospf.area))
        .next()
        .unwrap_or_default();
    let towards_sites =
        tunnels.iter().map(|tunnel| (ids.id(&tunnel.interface), point_to_point(&tunnel.interface, &tunnel.ospf)));
    let mut interfaces: BTreeMap<InterfaceId, InterfaceConfig> = towards_sites.collect();
    for interface in &site.interfaces {
        let passive = interface.mode == InterfaceMode::Passive;
        let config = InterfaceConfig { passive, ..point_to_point(&interface.name, &interface.ospf) };
        interfaces.insert(ids.id(&interface.name), config);
    }
    Config {
        interfaces,
        loopbacks: BTreeMap::from([(area, BTreeSet::from([site.loopback]))]),
        externals: site.prefixes.iter().map(|network| (prefix(network), attached())).collect(),
        policy: policy(mesh),
        ..Config::new(RouterId::from(site.loopback))
    }
}

/// Prefixes of the mesh file carry no host bits.
pub fn prefix(network: &ipnetwork::Ipv4Network) -> Prefix {
    Prefix::new(network.network(), network.prefix())
}

fn point_to_point(name: &IfName, settings: &OspfSettings) -> InterfaceConfig {
    InterfaceConfig {
        cost: settings.cost,
        hello_interval: settings.hello_interval,
        dead_interval: settings.dead_interval,
        retransmit_interval: RETRANSMIT_INTERVAL,
        transmit_delay: TRANSMIT_DELAY,
        ..InterfaceConfig::new(name.as_str(), settings.area, NetworkType::PointToPoint)
    }
}

/// A prefix that lives at the site: as near as the site itself, so that its cost is that of the path to the site.
fn attached() -> External {
    External { metric: ExternalMetric::Type1(0), forwarding: None, tag: 0 }
}

/// Who is believed: each site about its own prefixes and its own loopback.
fn policy(mesh: &Mesh) -> Policy {
    let mut policy = Policy {
        unlisted: match mesh.unlisted {
            mesh::Unlisted::Accept => Unlisted::Accept,
            mesh::Unlisted::Refuse => Unlisted::Refuse,
        },
        ..Policy::default()
    };
    for site in &mesh.sites {
        let router_id = RouterId::from(site.loopback);
        policy.guards.insert(router_id);
        let owned = site.prefixes.iter().map(prefix).chain([Prefix::host(site.loopback)]);
        for prefix in owned {
            policy.listed.entry(prefix).or_default().insert(router_id);
        }
    }
    policy
}
