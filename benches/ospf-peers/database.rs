//! The link state database that the synthetic neighbour floods, and the new LSAs when one link after the other goes down and comes back.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ospf::wire::{ExternalLsa, Lsa, LsaBody, Options, RouterFlags, RouterLink, RouterLinkKind, RouterLsa};
use ospf::{ExternalMetric, LinkStateId, LsaKey, LsaType, RouterId, SequenceNumber};

use crate::link;
use crate::options::Topology;

/// The number of a router. Number 0 is the neighbour itself.
pub type Router = u32;

/// The network that the LSAs describe, in its present state.
pub struct Database {
    topology: Topology,
    routers: u32,
    /// Links that [`Database::flip`] may change. The neighbour's own links are not among them.
    links: Vec<(Router, Router)>,
    /// The members of `links` that are down.
    down: BTreeSet<(Router, Router)>,
    /// Number of rounds so far. The metric of an external LSA depends on it.
    rounds: u32,
    sequence: i32,
}

impl Database {
    pub fn new(topology: Topology) -> Self {
        let routers = match topology {
            Topology::Mesh(routers) | Topology::MeshWithExternals(routers, _) => routers,
            Topology::Grid(rows, columns) => rows * columns,
            Topology::Externals(_) => 1,
        };
        let mut database = Self {
            topology,
            routers,
            links: Vec::new(),
            down: BTreeSet::new(),
            rounds: 0,
            sequence: SequenceNumber::INITIAL.0,
        };
        database.links = (1..routers)
            .flat_map(|from| database.beside(from).into_iter().map(move |to| (from, to)))
            .filter(|&(from, to)| from < to)
            .collect();
        database
    }

    /// All LSAs of the database.
    pub fn lsas(&self) -> Vec<Lsa> {
        let mut lsas: Vec<_> = (0..self.routers).map(|router| self.router_lsa(router)).collect();
        lsas.extend((0..self.topology.externals()).map(|number| self.external_lsa(number)));
        lsas
    }

    /// The number of routes that follow from the database: a host route for each router, and one route for each external LSA.
    pub fn routes(&self) -> usize {
        (self.routers + self.topology.externals()) as usize
    }

    /// Takes one link down, or in the next round up again, and returns the new LSAs of both ends. In a topology of external LSAs, changes
    /// the metric of one of them.
    pub fn flip(&mut self) -> Vec<Lsa> {
        self.sequence += 1;
        self.rounds += 1;
        if let Topology::Externals(count) = self.topology {
            return vec![self.external_lsa(self.rounds.wrapping_mul(7919) % count)];
        }
        // The step is a prime, so that the changes cover all parts of the network.
        let which = (self.rounds.div_ceil(2) as usize).wrapping_mul(7919) % self.links.len();
        let link = self.links[which];
        if !self.down.remove(&link) {
            self.down.insert(link);
        }
        vec![self.router_lsa(link.0), self.router_lsa(link.1)]
    }

    fn beside(&self, router: Router) -> Vec<Router> {
        match self.topology {
            Topology::Mesh(routers) | Topology::MeshWithExternals(routers, _) => {
                (0..routers).filter(|&other| other != router).collect()
            }
            Topology::Grid(rows, columns) => {
                let (row, column) = (router / columns, router % columns);
                let above = (row > 0).then(|| router - columns);
                let left = (column > 0).then(|| router - 1);
                let right = (column + 1 < columns).then(|| router + 1);
                let below = (row + 1 < rows).then(|| router + columns);
                [above, left, right, below].into_iter().flatten().collect()
            }
            Topology::Externals(_) => Vec::new(),
        }
    }

    fn router_lsa(&self, router: Router) -> Lsa {
        let is_up = |&other: &Router| !self.down.contains(&(router.min(other), router.max(other)));
        let mut links: Vec<_> = self
            .beside(router)
            .into_iter()
            .filter(is_up)
            .map(|other| point_to_point(id(other), Ipv4Addr::from(0x0100_0000 + other)))
            .collect();
        if router == 0 {
            links.push(point_to_point(link::ROUTER_ID, link::NEIGHBOR));
        }
        let host = Ipv4Addr::from(0x0a01_0000 + router);
        links.push(RouterLink { kind: RouterLinkKind::Stub, id: host, data: Ipv4Addr::BROADCAST, metric: 1 });
        let flags = if router == 0 && self.topology.externals() > 0 { RouterFlags::E } else { RouterFlags::default() };
        let key = LsaKey { kind: LsaType::ROUTER, id: LinkStateId(id(router).0), advertising_router: id(router) };
        self.lsa(key, LsaBody::Router(RouterLsa { flags, links }))
    }

    fn external_lsa(&self, number: u32) -> Lsa {
        let network = LinkStateId(0x1400_0000 + (number << 8));
        let key = LsaKey { kind: LsaType::AS_EXTERNAL, id: network, advertising_router: id(0) };
        let body = ExternalLsa {
            network_mask: Ipv4Addr::new(255, 255, 255, 0),
            metric: ExternalMetric::Type2(20 + self.rounds % 2),
            forwarding_address: Ipv4Addr::UNSPECIFIED,
            route_tag: 0,
        };
        self.lsa(key, LsaBody::External(body))
    }

    fn lsa(&self, key: LsaKey, body: LsaBody) -> Lsa {
        Lsa::new(key, Options::E, SequenceNumber(self.sequence), &body).expect("an LSA of a few links")
    }
}

/// The Router ID of a router. The neighbour's is the highest, so that it is the master of the database exchange.
fn id(router: Router) -> RouterId {
    match router {
        0 => link::NEIGHBOR_ID,
        other => RouterId(0x0a01_0000 + other),
    }
}

fn point_to_point(to: RouterId, data: Ipv4Addr) -> RouterLink {
    RouterLink { kind: RouterLinkKind::PointToPoint, id: Ipv4Addr::from(to), data, metric: 10 }
}
