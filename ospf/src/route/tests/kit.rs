//! A network in a few lines: routers are small numbers, router N's loopback is 10.255.0.N.
//!
//! From one description come the LSAs that its routers would originate and what each router knows of its own interfaces.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::Rfc1583Compatibility;
use crate::config::{AreaKind, External, ExternalMetric, Policy, Unlisted};
use crate::ids::{AreaId, InterfaceId, LinkStateId, LsaKey, LsaType, Prefix, RouterId, SequenceNumber};
use crate::io::Nexthop;
use crate::route::inter_area::calculate_inter_area;
use crate::route::internal::{InternalRoutes, calculate_internal};
use crate::route::table::Refused;
use crate::route::{Adjacency, AreaInputs, Border, Calculation, Connected, Peer, RouteInputs, calculate};
use crate::state::lsdb::Lsdb;
use crate::time::Instant;
use crate::wire::{
    ExternalLsa, Lsa, LsaBody, MAX_AGE, NetworkLsa, Options, RouterFlags, RouterLink, RouterLinkKind, RouterLsa,
};

pub(in crate::route) fn prefix(text: &str) -> Prefix {
    let (address, len) = text.split_once('/').expect("address/length");
    let address = address.parse::<Ipv4Addr>().expect("an address");
    let prefix = Prefix::new(address, len.parse().expect("a length"));
    assert_eq!(prefix.network(), address, "host bits");
    prefix
}

pub(in crate::route) fn loopback(router: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0aff_0000 + router)
}

pub(in crate::route) fn host(router: u32) -> Prefix {
    Prefix::host(loopback(router))
}

/// What one router is and has.
#[derive(Debug, Clone, Default)]
pub(in crate::route) struct Node {
    pub(in crate::route) lsa: RouterLsa,
    pub(in crate::route) adjacencies: Vec<Adjacency>,
    pub(in crate::route) connected: Vec<Connected>,
    pub(in crate::route) own_externals: BTreeMap<Prefix, External>,
    interfaces: u32,
}

/// One area's routers and what they say.
#[derive(Debug, Clone, Default)]
pub(in crate::route) struct Net {
    pub(in crate::route) nodes: BTreeMap<u32, Node>,
    pub(in crate::route) networks: Vec<(LinkStateId, RouterId, NetworkLsa)>,
    pub(in crate::route) externals: Vec<(LinkStateId, RouterId, ExternalLsa)>,
    /// LSAs that have reached MaxAge.
    pub(in crate::route) dead: Vec<LsaKey>,
    pub(in crate::route) policy: Policy,
}

impl Node {
    fn interface(&mut self) -> InterfaceId {
        self.interfaces += 1;
        InterfaceId(self.interfaces)
    }
}

impl Net {
    /// Routers 1 to `count`, each with its loopback.
    pub(in crate::route) fn new(count: u32) -> Self {
        let mut net = Self::default();
        for router in 1..=count {
            let node = net.nodes.entry(router).or_default();
            node.connected.push(Connected { prefix: host(router), address: loopback(router), interface: None });
            net.stub_link(router, host(router), 0);
        }
        net
    }

    pub(in crate::route) fn node(&mut self, router: u32) -> &mut Node {
        self.nodes.get_mut(&router).expect("a router of the network")
    }

    fn stub_link(&mut self, router: u32, prefix: Prefix, metric: u16) {
        let link = RouterLink { kind: RouterLinkKind::Stub, id: prefix.network(), data: prefix.netmask(), metric };
        self.node(router).lsa.links.push(link);
    }

    /// An unnumbered link, its cost the same both ways; returns the interfaces.
    pub(in crate::route) fn link(&mut self, a: u32, b: u32, cost: u16) -> (InterfaceId, InterfaceId) {
        (self.half_link(a, b, cost), self.half_link(b, a, cost))
    }

    /// What `from` says and knows of a link to `to`.
    pub(in crate::route) fn half_link(&mut self, from: u32, to: u32, metric: u16) -> InterfaceId {
        let node = self.node(from);
        let interface = node.interface();
        let link_data = Ipv4Addr::from(interface.0);
        let id = Ipv4Addr::from(to);
        node.lsa.links.push(RouterLink { kind: RouterLinkKind::PointToPoint, id, data: link_data, metric });
        let peer = Peer::Router { router_id: RouterId(to), address: loopback(to) };
        node.adjacencies.push(Adjacency { interface, link_data, peer });
        interface
    }

    /// A broadcast network 192.168.`number`.0/24 where router N has address .N and the first member is designated.
    pub(in crate::route) fn lan(&mut self, number: u8, members: &[(u32, u16)]) {
        let address = |router: u32| Ipv4Addr::new(192, 168, number, u8::try_from(router).expect("a host number"));
        let designated_router = address(members[0].0);
        for &(router, metric) in members {
            let node = self.node(router);
            let interface = node.interface();
            let link_data = address(router);
            let kind = RouterLinkKind::Transit;
            node.lsa.links.push(RouterLink { kind, id: designated_router, data: link_data, metric });
            node.adjacencies.push(Adjacency { interface, link_data, peer: Peer::Network { designated_router } });
            let prefix = Prefix::new(link_data, 24);
            node.connected.push(Connected { prefix, address: link_data, interface: Some(interface) });
        }
        let attached_routers = members.iter().map(|&(router, _)| RouterId(router)).collect();
        let lsa = NetworkLsa { network_mask: Prefix::new(designated_router, 24).netmask(), attached_routers };
        self.networks.push((designated_router.into(), RouterId(members[0].0), lsa));
    }

    /// A passive interface in `text`, the router's address being the first after the network's own, or that.
    pub(in crate::route) fn stub(&mut self, router: u32, text: &str, metric: u16) {
        let subnet = prefix(text);
        self.stub_link(router, subnet, metric);
        let node = self.node(router);
        let interface = Some(node.interface());
        let address = Ipv4Addr::from(u32::from(subnet.network()) + u32::from(subnet.len() < 32));
        node.connected.push(Connected { prefix: subnet, address, interface });
    }

    pub(in crate::route) fn external(&mut self, router: u32, text: &str, metric: ExternalMetric) -> &mut ExternalLsa {
        let destination = prefix(text);
        let node = self.node(router);
        node.lsa.flags = node.lsa.flags.with(RouterFlags::E);
        node.own_externals.insert(destination, External { metric, forwarding: None, tag: 0 });
        let lsa = ExternalLsa {
            network_mask: destination.netmask(),
            metric,
            forwarding_address: Ipv4Addr::UNSPECIFIED,
            route_tag: 0,
        };
        self.externals.push((destination.network().into(), RouterId(router), lsa));
        &mut self.externals.last_mut().expect("just pushed").2
    }

    /// Names the guards and what each may stand for.
    pub(in crate::route) fn believe(&mut self, guards: &[u32], listed: &[(&str, &[u32])], unlisted: Unlisted) {
        let set = |routers: &[u32]| routers.iter().copied().map(RouterId).collect();
        let listed = listed.iter().map(|(text, routers)| (prefix(text), set(routers))).collect();
        self.policy = Policy { guards: set(guards), listed, unlisted, ..Policy::default() };
    }

    pub(in crate::route) fn routes(&self, root: u32) -> Calculation {
        self.with_inputs(root, calculate)
    }

    pub(in crate::route) fn internal(&self, root: u32) -> InternalRoutes {
        self.with_inputs(root, calculate_internal)
    }

    pub(in crate::route) fn externals(&self, root: u32, internal: &InternalRoutes) -> Calculation {
        self.with_inputs(root, |inputs| {
            Calculation::upon(inputs, internal.clone(), calculate_inter_area(inputs, internal))
        })
    }

    pub(in crate::route) fn with_inputs<R>(&self, root: u32, run: impl FnOnce(&RouteInputs<'_>) -> R) -> R {
        let nobody = Node::default();
        let node = self.nodes.get(&root).unwrap_or(&nobody);
        let area = AreaInputs {
            area: AreaId::BACKBONE,
            kind: &AreaKind::Normal,
            ranges: &BTreeMap::new(),
            lsdb: &self.area_lsdb(),
            adjacencies: &node.adjacencies,
        };
        run(&RouteInputs {
            router_id: RouterId(root),
            now: NOW,
            areas: &[area],
            as_scope: &self.as_lsdb(),
            connected: &node.connected,
            own_externals: &node.own_externals,
            aggregates: &BTreeMap::new(),
            border: Border::Inside,
            virtual_links: &BTreeSet::new(),
            policy: &self.policy,
            rfc1583: Rfc1583Compatibility::Enabled,
        })
    }

    pub(in crate::route) fn area_lsdb(&self) -> Lsdb {
        let mut lsdb = Lsdb::new();
        for (&router, node) in &self.nodes {
            self.install(&mut lsdb, router_key(router), LsaBody::Router(node.lsa.clone()));
        }
        for (id, originator, lsa) in &self.networks {
            let key = LsaKey { kind: LsaType::NETWORK, id: *id, advertising_router: *originator };
            self.install(&mut lsdb, key, LsaBody::Network(lsa.clone()));
        }
        lsdb
    }

    pub(in crate::route) fn as_lsdb(&self) -> Lsdb {
        let mut lsdb = Lsdb::new();
        for &(id, advertising_router, lsa) in &self.externals {
            let key = LsaKey { kind: LsaType::AS_EXTERNAL, id, advertising_router };
            self.install(&mut lsdb, key, LsaBody::External(lsa));
        }
        lsdb
    }

    fn install(&self, lsdb: &mut Lsdb, key: LsaKey, body: LsaBody) {
        let lsa = Lsa::new(key, Options::E, SequenceNumber::INITIAL, &body).unwrap();
        let age = if self.dead.contains(&key) { MAX_AGE } else { 0 };
        assert!(lsdb.lookup(key).is_none(), "{key} twice");
        lsdb.insert(lsa.with_age(age), body, NOW);
    }
}

pub(in crate::route) const NOW: Instant = Instant::ZERO;

pub(in crate::route) fn router_key(router: u32) -> LsaKey {
    LsaKey { kind: LsaType::ROUTER, id: LinkStateId(router), advertising_router: RouterId(router) }
}

/// A route in one line: kind, metric, next hops as `via@interface`; `-` where there is none.
pub(in crate::route) fn show(calculation: &Calculation, destination: Prefix) -> String {
    let Some(route) = calculation.table.networks.get(&destination) else { return "-".into() };
    let nexthops = route.nexthops.iter().map(|Nexthop { interface, via }| match via {
        Some(via) => format!("{via}@{}", interface.0),
        None => format!("@{}", interface.0),
    });
    format!("{:?} {} {}", route.kind, route.metric, nexthops.collect::<Vec<_>>().join(" "))
}

/// All refusals, as `prefix originator guard`.
pub(in crate::route) fn refused(calculation: &Calculation) -> Vec<String> {
    let line = |refused: &Refused| {
        let guard = refused.guard.map_or("-".into(), |guard| guard.0.to_string());
        format!("{} {} {guard}", refused.prefix, refused.originator.0)
    };
    calculation.refused.iter().map(line).collect()
}
