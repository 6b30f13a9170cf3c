//! Builds networks of any size, regular and random.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ospf::{AreaId, External, ExternalMetric, Prefix, TranslatorRole};

use super::{
    Discovery, End, Lan, LanEnd, LanNetwork, Link, MAX_LINKS, MAX_ROUTERS, Numbering, Pace, Router, RouterIndex,
    Topology, VirtualLink,
};
use crate::prng::Prng;

impl Topology {
    /// Builds `count` routers, all connected to each other by unnumbered links with the same cost, each with an external destination: a
    /// weft mesh.
    pub fn mesh(count: usize) -> Self {
        let mut topology = Self::of_routers(count);
        for a in 0..count {
            for b in a + 1..count {
                topology.join(a, b, 10, Numbering::Unnumbered);
            }
        }
        for (index, router) in topology.routers.iter_mut().enumerate() {
            let network = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 0)) + ((index as u32) << 8));
            router.externals.insert(Prefix::new(network, 24), external(ExternalMetric::Type1(10)));
        }
        topology
    }

    /// Builds `width` times `height` routers, each connected to its neighbours in row and column by unnumbered links with the same cost.
    pub fn grid(width: usize, height: usize) -> Self {
        let mut topology = Self::of_routers(width * height);
        for y in 0..height {
            for x in 0..width {
                let here = y * width + x;
                if x + 1 < width {
                    topology.join(here, here + 1, 10, Numbering::Unnumbered);
                }
                if y + 1 < height {
                    topology.join(here, here + width, 10, Numbering::Unnumbered);
                }
            }
        }
        topology
    }

    /// Builds `count` routers, each connected to the next, and the last to the first.
    pub fn ring(count: usize) -> Self {
        let mut topology = Self::of_routers(count);
        for here in 0..count {
            topology.join(here, (here + 1) % count, 10, Numbering::Numbered);
        }
        topology
    }

    /// Builds `count` routers in a random tree with `extra` more links, some in parallel, with random and often unequal costs, numbered and
    /// unnumbered. Some routers have stub networks and external destinations, also the same ones as other routers.
    pub fn random(count: usize, extra: usize, prng: &mut Prng) -> Self {
        let mut topology = Self::of_routers(count);
        for here in 1..count {
            let there = prng.below(here);
            topology.join_randomly(there, here, prng);
        }
        for _ in 0..extra {
            let (a, b) = (prng.below(count), prng.below(count));
            if a != b {
                topology.join_randomly(a, b, prng);
            }
        }
        for router in &mut topology.routers {
            // There are few different networks, so that some are at several routers, also both inside and outside.
            let network = |prng: &mut Prng| Prefix::new(Ipv4Addr::new(192, 168, prng.below(6) as u8, 0), 24);
            if prng.below(3) == 0 {
                let cost = prng.between(1, 4);
                router.stubs.insert(network(prng), cost);
            }
            if prng.below(3) == 0 {
                let metric = u32::from(prng.between(1, 4));
                let metric = match prng.below(2) {
                    0 => ExternalMetric::Type1(metric),
                    _ => ExternalMetric::Type2(metric),
                };
                router.externals.insert(network(prng), external(metric));
            }
        }
        topology
    }

    /// Builds a random backbone of `backbone` routers, and `areas` more areas with `inside` routers each and one or two border routers.
    /// Areas have links and LANs; some routers have stub networks, each in one area only, and external destinations.
    pub fn areas(backbone: usize, areas: usize, inside: usize, prng: &mut Prng) -> Self {
        let mut topology = Self::of_routers(backbone + areas * inside);
        let core: Vec<_> = (0..backbone).collect();
        topology.fill_area(AreaId::BACKBONE, &core, prng);
        for area in 0..areas {
            let first = backbone + area * inside;
            let mut members: Vec<_> = (first..first + inside).collect();
            let id = AreaId(1 + area as u32);
            members.iter().for_each(|&member| topology.routers[member].area = id);
            let border = prng.below(backbone);
            members.insert(0, border);
            let second = prng.below(backbone);
            if second != border {
                members.push(second);
            }
            topology.fill_area(id, &members, prng);
        }
        for router in &mut topology.routers {
            if prng.below(3) == 0 {
                let network = Ipv4Addr::new(192, 168, (8 * router.area.0) as u8 + prng.below(3) as u8, 0);
                router.stubs.insert(Prefix::new(network, 24), prng.between(1, 4));
            }
            if prng.below(3) == 0 {
                let metric = u32::from(prng.between(1, 4));
                let metric = match prng.below(2) {
                    0 => ExternalMetric::Type1(metric),
                    _ => ExternalMetric::Type2(metric),
                };
                let network = Ipv4Addr::new(198, 18, prng.below(5) as u8, 0);
                router.externals.insert(Prefix::new(network, 24), external(metric));
            }
        }
        topology
    }

    /// Adds an area of `inside` routers beyond area 1: its border router is inside area 1, and is connected to the backbone by virtual
    /// links.
    pub fn add_beyond(&mut self, inside: usize, prng: &mut Prng) {
        let transit = AreaId(1);
        let Some(gate) = self.routers.iter().position(|router| router.area == transit) else { return };
        let id = AreaId(1 + self.area_ids().into_iter().map(|area| area.0).max().unwrap_or_default());
        let mut members = vec![gate];
        for _ in 0..inside {
            members.push(self.routers.len());
            let mut router = Router { area: id, ..Router::default() };
            if prng.below(3) == 0 {
                let network = Prefix::new(Ipv4Addr::new(198, 18, prng.below(5) as u8, 0), 24);
                router.externals.insert(network, external(ExternalMetric::Type2(u32::from(prng.between(1, 4)))));
            }
            self.routers.push(router);
        }
        self.fill_area(id, &members, prng);
        // A router with only unnumbered links in the transit area would have no address there to which packets of a virtual link could be
        // sent.
        self.links.iter_mut().for_each(|link| link.numbering = Numbering::Numbered);
        let on_links =
            self.links.iter().filter(|link| link.area == transit).flat_map(|link| [link.a.router, link.b.router]);
        let on_lans =
            self.lans.iter().filter(|lan| lan.area == transit).flat_map(|lan| lan.ends.iter().map(|end| end.router));
        let borders: BTreeSet<_> =
            on_links.chain(on_lans).filter(|router| self.routers[router.0].area == AreaId::BACKBONE).collect();
        let links = borders.into_iter().map(|border| VirtualLink { transit, ends: [border, RouterIndex(gate)] });
        self.virtual_links.extend(links);
    }

    /// Makes some routers always translate for their not-so-stubby areas, whoever is elected.
    pub fn draw_translators(&mut self, prng: &mut Prng) {
        for router in &mut self.routers {
            if prng.below(4) == 0 {
                router.translator = TranslatorRole::Always;
            }
        }
    }

    /// Adds LANs with a few routers each.
    pub fn add_lans(&mut self, count: usize, prng: &mut Prng) {
        for _ in 0..count {
            let mut left: Vec<_> = (0..self.routers.len()).map(RouterIndex).collect();
            let mut ends = Vec::new();
            for _ in 0..prng.between(2, 5).into() {
                if left.is_empty() {
                    break;
                }
                let router = left.swap_remove(prng.below(left.len()));
                ends.push(LanEnd::new(router, prng.between(1, 4), prng.below(3) as u8));
            }
            self.lans.push(Lan { ends, ..Lan::default() });
        }
    }

    /// Makes some LANs non-broadcast, and some point-to-multipoint networks, on which some routers may not receive each other's packets.
    pub fn mix_lans(&mut self, prng: &mut Prng) {
        for lan in &mut self.lans {
            lan.network = match prng.below(5) {
                0 => LanNetwork::Broadcast,
                1 | 2 => LanNetwork::NonBroadcast,
                3 => LanNetwork::PointToMultipoint(Discovery::Multicast),
                // Without configured neighbours, a network counts as one that carries multicast.
                _ if lan.ends.len() < 2 => LanNetwork::PointToMultipoint(Discovery::Multicast),
                _ => LanNetwork::PointToMultipoint(Discovery::Configured),
            };
            if !lan.elects() && prng.below(2) == 0 {
                let routers: Vec<_> = lan.ends.iter().map(|end| end.router).collect();
                let pairs = routers.iter().flat_map(|&one| routers.iter().map(move |&other| (one, other)));
                lan.apart = pairs.filter(|(one, other)| one < other && prng.below(3) == 0).collect();
            }
        }
    }

    /// Connects routers by a random tree of links, one more link, and one or two LANs of some of them.
    fn fill_area(&mut self, area: AreaId, members: &[usize], prng: &mut Prng) {
        let first = self.links.len();
        for place in 1..members.len() {
            // Some routers are connected by LANs only.
            if prng.below(4) > 0 {
                self.join_randomly(members[prng.below(place)], members[place], prng);
            }
        }
        let (a, b) = (members[prng.below(members.len())], members[prng.below(members.len())]);
        if a != b {
            self.join_randomly(a, b, prng);
        }
        self.links[first..].iter_mut().for_each(|link| link.area = area);
        for number in 0..1 + prng.below(2) {
            let all = number == 0;
            let end = |prng: &mut Prng, &router: &usize| {
                let cost = prng.between(1, 4);
                LanEnd::new(RouterIndex(router), cost, prng.below(3) as u8)
            };
            let on_it: Vec<_> = members.iter().filter(|_| all || prng.below(2) == 0).copied().collect();
            let ends = on_it.iter().map(|member| end(prng, member)).collect();
            self.lans.push(Lan { area, ends, ..Lan::default() });
        }
    }

    /// Builds `count` routers in a random tree with `extra` more links, all unnumbered, with random costs: a mesh of sites that have few
    /// tunnels each.
    pub fn sparse(count: usize, extra: usize, prng: &mut Prng) -> Self {
        let mut topology = Self::of_routers(count);
        for here in 1..count {
            let there = prng.below(here);
            topology.join(there, here, prng.between(1, 4), Numbering::Unnumbered);
        }
        for _ in 0..extra {
            let (a, b) = (prng.below(count), prng.below(count));
            if a != b {
                topology.join(a, b, prng.between(1, 4), Numbering::Unnumbered);
            }
        }
        topology
    }

    fn of_routers(count: usize) -> Self {
        assert!(count <= MAX_ROUTERS, "{count} routers");
        Self { routers: vec![Router::default(); count], ..Self::default() }
    }

    fn join(&mut self, a: usize, b: usize, cost: u16, numbering: Numbering) {
        assert_ne!(a, b, "a link has two routers");
        assert!(self.links.len() < MAX_LINKS, "too many links");
        let end = |router| End { router: RouterIndex(router), cost };
        self.links.push(Link {
            a: end(a),
            b: end(b),
            numbering,
            area: AreaId::BACKBONE,
            pace: Pace::Normal,
            is_configured: true,
        });
    }

    fn join_randomly(&mut self, a: usize, b: usize, prng: &mut Prng) {
        let numbering = match prng.below(2) {
            0 => Numbering::Numbered,
            _ => Numbering::Unnumbered,
        };
        // There are few different costs, so that many paths have equal costs.
        self.join(a, b, prng.between(1, 4), numbering);
        if prng.below(3) == 0 {
            let last = self.links.last_mut().expect("just joined");
            last.b.cost = prng.between(1, 4);
        }
    }
}

fn external(metric: ExternalMetric) -> External {
    External { metric, forwarding: None, tag: 0 }
}

#[cfg(test)]
mod tests {
    use ospf::RouterId;

    use super::*;
    use crate::topology::{LinkIndex, Side, stub_interface};

    #[test]
    fn a_mesh_joins_all_and_a_grid_joins_neighbours() {
        let mesh = Topology::mesh(100);
        assert_eq!((mesh.routers.len(), mesh.links.len()), (100, 4950));
        let grid = Topology::grid(32, 32);
        assert_eq!((grid.routers.len(), grid.links.len()), (1024, 1984));
        let ring = Topology::ring(3);
        assert_eq!((ring.routers.len(), ring.links.len()), (3, 3));
    }

    #[test]
    fn indices_are_found_again_from_what_they_give() {
        for index in [0, 254, 255, 1023] {
            assert_eq!(RouterIndex::of(RouterIndex(index).id()), Some(RouterIndex(index)));
            assert_eq!(LinkIndex::of(LinkIndex(index).interface()), Some(LinkIndex(index)));
        }
        assert_eq!(RouterIndex::of(RouterId(1)), None);
        assert_eq!(LinkIndex::of(stub_interface(0)), None);
        assert_eq!(LinkIndex(5).subnet().to_string(), "172.16.0.20/30");
        assert!(Side::BOTH.iter().all(|&side| LinkIndex(5).subnet().contains(LinkIndex(5).address(side))));
    }

    #[test]
    fn a_random_topology_is_connected_and_its_seed_determines_it() {
        let topology = |seed| Topology::random(20, 10, &mut Prng::new(seed));
        assert_eq!(format!("{:?}", topology(4)), format!("{:?}", topology(4)));
        assert_ne!(format!("{:?}", topology(4)), format!("{:?}", topology(5)));
        let mut reached = BTreeSet::from([RouterIndex(0)]);
        let topology = topology(4);
        for _ in 0..20 {
            for link in &topology.links {
                if reached.contains(&link.a.router) || reached.contains(&link.b.router) {
                    reached.extend([link.a.router, link.b.router]);
                }
            }
        }
        assert_eq!(reached.len(), 20);
    }
}
