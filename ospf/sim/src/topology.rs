//! Networks as a description: routers, point-to-point links, LANs, areas, what is attached to them. No state, no OSPF.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;

use ospf::{AreaId, AreaKind, External, ExternalMetric, InterfaceId, Prefix, RouterId};

use crate::prng::Prng;

/// A router, by its place in [`Topology::routers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouterIndex(pub usize);

/// A link, by its place in [`Topology::links`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkIndex(pub usize);

/// One of the two ends of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The first.
    A,
    /// The second.
    B,
}

/// A network.
#[derive(Debug, Clone, Default)]
pub struct Topology {
    /// Its routers, at most [`MAX_ROUTERS`].
    pub routers: Vec<Router>,
    /// Its links, at most [`MAX_LINKS`]; two routers may have several.
    pub links: Vec<Link>,
    /// Its LANs, at most [`MAX_LANS`].
    pub lans: Vec<Lan>,
    /// What areas let in, where that is not everything. Routers that are in stub areas only bring nothing in.
    pub kinds: BTreeMap<AreaId, AreaKind>,
}

/// A LAN, by its place in [`Topology::lans`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LanIndex(pub usize);

/// A broadcast network.
#[derive(Debug, Clone)]
pub struct Lan {
    /// The area it is in.
    pub area: AreaId,
    /// Routers on it, each once, at most 250.
    pub ends: Vec<LanEnd>,
}

/// A router on a LAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LanEnd {
    /// Whose interface it is.
    pub router: RouterIndex,
    /// Interface output cost.
    pub cost: u16,
    /// Router Priority.
    pub priority: u8,
}

/// As many LANs have a /24 in 100.64.0.0/10.
pub const MAX_LANS: usize = 1 << 14;

/// As many routers have a loopback address in 10.255.0.0/16.
pub const MAX_ROUTERS: usize = 65_534;

/// As many links have a /30 in 172.16.0.0/12.
pub const MAX_LINKS: usize = 1 << 18;

/// What is attached to a router besides links.
#[derive(Debug, Clone, Default)]
pub struct Router {
    /// The area of its loopback address and its stub networks.
    pub area: AreaId,
    /// Networks on passive interfaces, with their cost. Several routers may have the same.
    pub stubs: BTreeMap<Prefix, u16>,
    /// Destinations outside OSPF. Several routers may have the same.
    pub externals: BTreeMap<Prefix, External>,
}

/// A point-to-point link.
#[derive(Debug, Clone)]
pub struct Link {
    /// Router and cost at side A.
    pub a: End,
    /// Router and cost at side B, another router.
    pub b: End,
    /// Whether it has a subnet.
    pub numbering: Numbering,
    /// The area it is in.
    pub area: AreaId,
}

/// One end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Whose interface it is.
    pub router: RouterIndex,
    /// Interface output cost.
    pub cost: u16,
}

/// Whether a link has a subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// It has none: packets come from the routers' loopback addresses.
    Unnumbered,
    /// It has a /30 of its own.
    Numbered,
}

impl Side {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

impl Link {
    /// The end at a side.
    pub const fn end(&self, side: Side) -> End {
        match side {
            Side::A => self.a,
            Side::B => self.b,
        }
    }

    /// The end at a side, to change.
    pub const fn end_mut(&mut self, side: Side) -> &mut End {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }

    /// The side of which `router` has the end.
    pub fn side_of(&self, router: RouterIndex) -> Option<Side> {
        Side::BOTH.into_iter().find(|&side| self.end(side).router == router)
    }
}

impl RouterIndex {
    /// Its loopback address, in 10.255.0.0/16.
    pub fn loopback(self) -> Ipv4Addr {
        debug_assert!(self.0 < MAX_ROUTERS);
        Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 255, 0, 0)) + self.0 as u32 + 1)
    }

    /// Its router id, which is the loopback address.
    pub fn id(self) -> RouterId {
        RouterId::from(self.loopback())
    }

    /// The router of this id.
    pub fn of(id: RouterId) -> Option<Self> {
        let number = id.0.checked_sub(u32::from(Ipv4Addr::new(10, 255, 0, 1)))?;
        (number as usize).lt(&MAX_ROUTERS).then_some(Self(number as usize))
    }
}

impl fmt::Display for RouterIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.loopback().fmt(f)
    }
}

impl LinkIndex {
    /// The interface to this link, at both of its routers.
    pub fn interface(self) -> InterfaceId {
        InterfaceId(u32::try_from(self.0).expect("links are fewer") + 1)
    }

    /// The link of an interface; `None` for the interfaces of stub networks.
    pub fn of(interface: InterfaceId) -> Option<Self> {
        let number = interface.0.checked_sub(1)? as usize;
        (number < MAX_LINKS).then_some(Self(number))
    }

    /// The subnet, in 172.16.0.0/12, that the link has if it is numbered.
    pub fn subnet(self) -> Prefix {
        debug_assert!(self.0 < MAX_LINKS);
        Prefix::new(Ipv4Addr::from(u32::from(Ipv4Addr::new(172, 16, 0, 0)) + 4 * self.0 as u32), 30)
    }

    /// The address in the subnet at a side.
    pub fn address(self, side: Side) -> Ipv4Addr {
        let host = match side {
            Side::A => 1,
            Side::B => 2,
        };
        Ipv4Addr::from(u32::from(self.subnet().network()) + host)
    }
}

impl LanIndex {
    /// The interface to this LAN, at all of its routers.
    pub fn interface(self) -> InterfaceId {
        InterfaceId(FIRST_LAN + u32::try_from(self.0).expect("LANs are few"))
    }

    /// The LAN of an interface; `None` for other interfaces.
    pub fn of(interface: InterfaceId) -> Option<Self> {
        let number = interface.0.checked_sub(FIRST_LAN)? as usize;
        (number < MAX_LANS).then_some(Self(number))
    }

    /// The subnet, in 100.64.0.0/10.
    pub fn subnet(self) -> Prefix {
        debug_assert!(self.0 < MAX_LANS);
        Prefix::new(Ipv4Addr::from(u32::from(Ipv4Addr::new(100, 64, 0, 0)) + 256 * self.0 as u32), 24)
    }
}

/// Interfaces of LANs come after those of links and stub networks.
const FIRST_LAN: u32 = 1 << 20;

/// The interface of a router's stub network, by the network's place among them.
pub fn stub_interface(place: usize) -> InterfaceId {
    InterfaceId(u32::try_from(MAX_LINKS + 1 + place).expect("stub networks are few"))
}

impl Topology {
    /// What an area lets in.
    pub fn kind(&self, area: AreaId) -> &AreaKind {
        self.kinds.get(&area).unwrap_or(&AreaKind::Normal)
    }

    /// Whether AS-external-LSAs are flooded in an area.
    pub fn has_externals(&self, area: AreaId) -> bool {
        matches!(self.kind(area), AreaKind::Normal)
    }

    /// Makes an area one of another kind. Its routers bring in nothing any more if they may not.
    pub fn set_kind(&mut self, area: AreaId, kind: AreaKind) {
        self.kinds.insert(area, kind);
        if !self.has_externals(area) {
            let inside = self.routers.iter_mut().filter(|router| router.area == area);
            inside.for_each(|router| router.externals.clear());
        }
    }

    /// All links by index.
    pub fn links(&self) -> impl Iterator<Item = (LinkIndex, &Link)> {
        self.links.iter().enumerate().map(|(index, link)| (LinkIndex(index), link))
    }

    /// All routers by index.
    pub fn routers(&self) -> impl Iterator<Item = (RouterIndex, &Router)> {
        self.routers.iter().enumerate().map(|(index, router)| (RouterIndex(index), router))
    }

    /// The links of a router, and the side at which it is.
    pub fn links_of(&self, router: RouterIndex) -> impl Iterator<Item = (LinkIndex, &Link, Side)> {
        self.links().filter_map(move |(index, link)| Some((index, link, link.side_of(router)?)))
    }

    /// All LANs by index.
    pub fn lans(&self) -> impl Iterator<Item = (LanIndex, &Lan)> {
        self.lans.iter().enumerate().map(|(index, lan)| (LanIndex(index), lan))
    }

    /// The LANs of a router, and what it has there.
    pub fn lans_of(&self, router: RouterIndex) -> impl Iterator<Item = (LanIndex, &Lan, LanEnd)> {
        self.lans()
            .filter_map(move |(index, lan)| Some((index, lan, *lan.ends.iter().find(|end| end.router == router)?)))
    }

    /// A router's address on a LAN, by its place there.
    pub fn lan_address(&self, lan: LanIndex, router: RouterIndex) -> Option<Ipv4Addr> {
        let place = self.lans.get(lan.0)?.ends.iter().position(|end| end.router == router)?;
        Some(Ipv4Addr::from(u32::from(lan.subnet().network()) + 1 + place as u32))
    }

    /// The address that packets have which leave `link` at `side`.
    pub fn address(&self, link: LinkIndex, side: Side) -> Ipv4Addr {
        let description = &self.links[link.0];
        match description.numbering {
            Numbering::Unnumbered => description.end(side).router.loopback(),
            Numbering::Numbered => link.address(side),
        }
    }

    /// `count` routers, all joined to each other by unnumbered links of one cost, each with a destination outside OSPF: a weft mesh.
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

    /// `width` times `height` routers, each joined to its neighbours in row and column by unnumbered links of one cost.
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

    /// `count` routers, each joined to the next and the last to the first.
    pub fn ring(count: usize) -> Self {
        let mut topology = Self::of_routers(count);
        for here in 0..count {
            topology.join(here, (here + 1) % count, 10, Numbering::Numbered);
        }
        topology
    }

    /// `count` routers in a random tree with `extra` more links, some in parallel, of random and often unequal costs, numbered
    /// and unnumbered; some routers have stub networks and destinations outside, also the same as others.
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
            // Few different networks, so that some are at several routers, also both inside and outside.
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

    /// A random backbone of `backbone` routers and `areas` further areas of `inside` routers each, on one or two border routers. Areas
    /// have links and LANs; some routers have stub networks, each in one area only, and destinations outside.
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

    /// Joins routers by a random tree of links, one link more, and one or two LANs of some of them.
    fn fill_area(&mut self, area: AreaId, members: &[usize], prng: &mut Prng) {
        let first = self.links.len();
        for place in 1..members.len() {
            // Some are joined by LANs alone.
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
            let end = |prng: &mut Prng, &router: &usize| LanEnd {
                router: RouterIndex(router),
                cost: prng.between(1, 4),
                priority: prng.below(3) as u8,
            };
            let on_it: Vec<_> = members.iter().filter(|_| all || prng.below(2) == 0).copied().collect();
            let ends = on_it.iter().map(|member| end(prng, member)).collect();
            self.lans.push(Lan { area, ends });
        }
    }

    /// `count` routers in a random tree with `extra` more links, all unnumbered, of random costs: tunnels between sites, few of which have
    /// one to another.
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
        self.links.push(Link { a: end(a), b: end(b), numbering, area: AreaId::BACKBONE });
    }

    fn join_randomly(&mut self, a: usize, b: usize, prng: &mut Prng) {
        let numbering = match prng.below(2) {
            0 => Numbering::Numbered,
            _ => Numbering::Unnumbered,
        };
        // Few different costs, so that many paths are equally long.
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
    use std::collections::BTreeSet;

    use super::*;

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
