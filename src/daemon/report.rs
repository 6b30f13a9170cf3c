//! What the daemon knows, as it is shown.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use ospf::{Addressing, InterfaceId, InterfaceStatus, InterfaceView, Prefix, RefusedView, RouteKind, RouterId};

use super::local::Local;
use crate::control::view;
use crate::mesh::{IfName, Tunnel};
use crate::reconcile::state::{Backend, Link};
use crate::routing::{InterfaceIds, MAX_REDISTRIBUTED, Redistributed, View};
use crate::tunnel::Observation;

/// WireGuard's REJECT_AFTER_TIME: a session older than this carries nothing any more.
const SESSION_LIFETIME: Duration = Duration::from_secs(180);

/// Refused routes named among the problems; of more, the number is given.
const MAX_REFUSALS: usize = 20;

/// Everything that can be shown, at one moment.
pub(super) struct Report<'a> {
    pub local: &'a Local,
    pub backend: Backend,
    pub ids: &'a InterfaceIds,
    pub routes: &'a BTreeMap<Prefix, ospf::Route>,
    pub links: &'a BTreeMap<IfName, Link>,
    pub devices: BTreeMap<IfName, Observation>,
    pub view: View,
    pub failures: &'a [String],
    pub refused_reload: Option<&'a str>,
    pub redistributed: &'a Redistributed,
    pub uptime: Duration,
}

impl Report<'_> {
    pub(super) fn status(&self) -> view::Status {
        let tunnels = self.tunnels();
        let neighbors = self.neighbors();
        view::Status {
            mesh: self.local.mesh.name.clone(),
            site: self.local.site.name.clone(),
            router_id: self.local.site.loopback,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_s: seconds(self.uptime),
            problems: self.problems(&tunnels, &neighbors),
            tunnels,
            neighbors,
            routes: self.routes(),
        }
    }

    pub(super) fn tunnels(&self) -> Vec<view::Tunnel> {
        let mut tunnels: Vec<&Tunnel> = self.local.tunnels.values().collect();
        tunnels.sort_by_key(|tunnel| tunnel.peer_id);
        tunnels.into_iter().map(|tunnel| self.tunnel(tunnel)).collect()
    }

    pub(super) fn neighbors(&self) -> Vec<view::Neighbor> {
        let neighbors = self.view.neighbors.iter().map(|neighbor| view::Neighbor {
            interface: self.name(neighbor.interface),
            router_id: neighbor.router_id.into(),
            site: self.site_of(neighbor.router_id),
            address: neighbor.address,
            area: neighbor.area.into(),
            state: neighbor.state.to_string(),
            bfd: "Off".to_owned(),
            since_s: seconds(neighbor.in_state),
            dead_in_s: seconds(neighbor.dead_in),
        });
        neighbors.collect()
    }

    pub(super) fn routes(&self) -> Vec<view::Route> {
        self.routes.iter().map(|(prefix, route)| self.route(*prefix, route)).collect()
    }

    pub(super) fn interfaces(&self) -> Vec<view::Interface> {
        self.view.interfaces.iter().map(|interface| self.interface(interface)).collect()
    }

    pub(super) fn lsdb(&self) -> Vec<view::Lsa> {
        self.view.lsdb.iter().map(|shown| super::lsdb::lsa(shown, |id| self.name(id))).collect()
    }

    /// What an operator should look at, the worst first.
    fn problems(&self, tunnels: &[view::Tunnel], neighbors: &[view::Neighbor]) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some(reason) = self.refused_reload {
            let first = reason.lines().next().unwrap_or_default();
            problems.push(format!("the mesh file was changed but not taken: {first} (see `weft check`)"));
        }
        problems.extend(self.failures.iter().cloned());
        for tunnel in tunnels {
            let full = neighbors.iter().any(|n| n.interface == tunnel.interface && n.state == "Full");
            match tunnel.state.as_str() {
                "up" if full => {}
                "up" => {
                    problems.push(format!("{}: tunnel up, no OSPF adjacency with {}", tunnel.interface, tunnel.site))
                }
                state => problems.push(format!("{}: tunnel to {} is {state}", tunnel.interface, tunnel.site)),
            }
        }
        for interface in &self.view.interfaces {
            if interface.state == InterfaceStatus::Down && !self.is_tunnel(interface.interface) {
                problems.push(format!("{}: no such interface, or it is down or has no address", interface.name));
            }
        }
        if self.redistributed.left_out > 0 {
            problems.push(format!(
                "{} routes of the kernel are not redistributed: more than {MAX_REDISTRIBUTED} are selected",
                self.redistributed.left_out
            ));
        }
        problems.extend(self.view.refused.iter().take(MAX_REFUSALS).map(|refused| self.refusal(refused)));
        if let Some(more) = self.view.refused.len().checked_sub(MAX_REFUSALS).filter(|more| *more > 0) {
            problems.push(format!("{more} more routes are not believed"));
        }
        problems
    }

    fn refusal(&self, refused: &RefusedView) -> String {
        let who = |router| self.site_of(router).unwrap_or_else(|| router.to_string());
        let RefusedView { prefix, originator, guard } = refused;
        match guard {
            Some(guard) if guard == originator => {
                format!("{prefix} from {} is not believed: the mesh file lists it elsewhere", who(*originator))
            }
            Some(guard) => format!(
                "{prefix} from {} behind {} is not believed: the mesh file lists it elsewhere",
                who(*originator),
                who(*guard)
            ),
            None => format!("{prefix} from {} is not believed: no site stands for it", who(*originator)),
        }
    }

    fn tunnel(&self, tunnel: &Tunnel) -> view::Tunnel {
        let device = self.devices.get(&tunnel.interface);
        let peer = device.and_then(|device| device.device.peer.as_ref());
        let handshake_age = peer.and_then(|peer| peer.handshake_age);
        let state = match (self.links.contains_key(&tunnel.interface) && device.is_some(), handshake_age) {
            (false, _) => "missing",
            (true, None) => "waiting",
            (true, Some(age)) if age > SESSION_LIFETIME => "stale",
            (true, Some(_)) => "up",
        };
        view::Tunnel {
            interface: tunnel.interface.to_string(),
            site: tunnel.peer.clone(),
            backend: match self.backend {
                Backend::Kernel => "kernel",
                Backend::Userspace => "userspace",
            }
            .to_owned(),
            public_key: tunnel.peer_key.to_string(),
            endpoint: peer.and_then(|peer| peer.endpoint),
            listen_port: tunnel.listen_port,
            handshake_age_s: handshake_age.map(seconds),
            rx_bytes: device.map_or(0, |device| device.rx_bytes),
            tx_bytes: device.map_or(0, |device| device.tx_bytes),
            state: state.to_owned(),
        }
    }

    fn route(&self, prefix: Prefix, route: &ospf::Route) -> view::Route {
        let nexthops = route.nexthops.iter();
        view::Route {
            prefix: prefix.to_string(),
            kind: match route.kind {
                RouteKind::IntraArea => "intra-area",
                RouteKind::InterArea => "inter-area",
                RouteKind::External1 => "external-1",
                RouteKind::External2 => "external-2",
            }
            .to_owned(),
            area: route.area.into(),
            metric: route.metric,
            nexthops: nexthops.map(|hop| view::Nexthop { interface: self.name(hop.interface), via: hop.via }).collect(),
            originators: route.originators.iter().map(|router| Ipv4Addr::from(*router)).collect(),
            tag: route.tag,
        }
    }

    fn interface(&self, interface: &InterfaceView) -> view::Interface {
        let counters = &interface.counters;
        let refused = counters.refused.iter().map(|(reason, count)| (reason.to_string(), *count));
        view::Interface {
            interface: interface.name.clone(),
            area: interface.area.into(),
            network: "point-to-point".to_owned(),
            state: interface.state.to_string(),
            address: interface.addressing.map(Addressing::address),
            mtu: interface.mtu,
            cost: interface.cost,
            hello_interval_s: interface.hello_interval.as_secs(),
            dead_interval_s: interface.dead_interval.as_secs(),
            neighbors: interface.neighbors,
            full: interface.adjacencies,
            sent: by_packet_type(&counters.sent),
            received: by_packet_type(&counters.received),
            retransmitted: counters.retransmitted,
            refused: refused.collect(),
        }
    }

    fn site_of(&self, router_id: RouterId) -> Option<String> {
        let address = Ipv4Addr::from(router_id);
        self.local.mesh.sites.iter().find(|site| site.loopback == address).map(|site| site.name.clone())
    }

    fn is_tunnel(&self, id: InterfaceId) -> bool {
        self.ids.name(id).is_some_and(|name| self.local.tunnels.contains_key(name))
    }

    fn name(&self, id: InterfaceId) -> String {
        self.ids.name(id).map_or_else(|| format!("#{}", id.0), ToString::to_string)
    }
}

/// Counters by the name of the packet type (RFC 2328 §A.3.1), those of types 1 to 5 in order.
fn by_packet_type(counts: &[u64; 5]) -> BTreeMap<String, u64> {
    let names = ["hello", "database-description", "link-state-request", "link-state-update", "link-state-ack"];
    names.into_iter().map(str::to_owned).zip(counts.iter().copied()).collect()
}

/// Seconds, to the millisecond.
fn seconds(duration: Duration) -> f64 {
    duration.as_millis() as f64 / 1000.0
}
