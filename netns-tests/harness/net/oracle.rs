//! The routes that follow from a plan: a full SPF from every router, areas, summaries, externals (RFC 2328 §16, RFC 3101
//! §2.5). Written for small networks and to be read; shares nothing with the code under test.
//!
//! Instead of LSAs it computes tables of distances: first inside each area, then across the backbone from what border
//! routers know, then into the other areas from what they know after that, then to externals.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnetwork::Ipv4Network;

use super::kernel::is_direct;
use super::plan::{AreaKind, BACKBONE, External, Medium, Metric, Plan, Segment, Speaker, Stub};

pub type Prefix = Ipv4Network;

/// Next hops: gateway and interface. Empty = directly connected.
pub type Hops = BTreeSet<(Ipv4Addr, String)>;

/// What paths are compared by: the derived order is that of RFC 2328 §11.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Path {
    Intra(u32),
    Inter(u32),
    External1(u32),
    /// The type 2 metric, then the distance to the router or forwarding address.
    External2(u32, u32),
}

/// A router's routes.
pub type Table = BTreeMap<Prefix, (Path, Hops)>;

/// Cost of the default route that a border router sends into a stub area.
const STUB_DEFAULT_COST: u32 = 1;

/// Type 2 metric of the default route that a border router sends into an NSSA.
const NSSA_DEFAULT_METRIC: u32 = 1;

/// Where paths lead.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Target<'a> {
    Router(&'a str),
    Prefix(Prefix),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Node<'a> {
    Router(&'a str),
    Lan(&'a str),
}

/// From, to, cost, and the next hops if the way begins here. Onto a LAN none: the router behind it is the next hop.
type Edge<'a> = (Node<'a>, Node<'a>, u32, Hops);

/// Distances and next hops to what is in an area.
type Distances<K> = BTreeMap<K, (u32, Hops)>;

/// The routes of every router of the plan that another router is the way to.
pub fn tables(plan: &Plan) -> BTreeMap<&'static str, Table> {
    let oracle = Oracle::new(plan);
    let table =
        |router| oracle.table(router).into_iter().filter(|(prefix, (_, hops))| !is_direct(*prefix, hops)).collect();
    plan.routers.iter().map(|router| (router.name, table(router.name))).collect()
}

struct Oracle<'a> {
    plan: &'a Plan,
    /// By area and router: paths inside the area.
    intra: BTreeMap<(u8, &'a str), Distances<Target<'a>>>,
    /// By area and router: paths by way of the area's border routers.
    inter: BTreeMap<(u8, &'a str), Distances<Target<'a>>>,
}

impl<'a> Oracle<'a> {
    fn new(plan: &'a Plan) -> Self {
        let mut oracle = Self { plan, intra: BTreeMap::new(), inter: BTreeMap::new() };
        // The backbone last: its virtual links are as long as the ways through their transit areas.
        let mut areas: Vec<u8> = plan.routers.iter().flat_map(|router| plan.areas_of(router.name)).collect();
        areas.sort_unstable_by(|a, b| b.cmp(a));
        areas.dedup();
        for &area in &areas {
            for router in oracle.members(area) {
                let paths = oracle.inside(area, router);
                oracle.intra.insert((area, router), paths);
            }
        }
        // The backbone first: border routers hand on what they have learnt there.
        for &area in areas.iter().rev() {
            for router in oracle.members(area) {
                let paths = oracle.across(area, router);
                oracle.inter.insert((area, router), paths);
            }
        }
        oracle
    }

    fn members(&self, area: u8) -> Vec<&'a str> {
        let routers = self.plan.routers.iter().map(|router| router.name);
        routers.filter(|router| self.plan.areas_of(router).contains(&area)).collect()
    }

    // RFC 2328 §16.1
    fn inside(&self, area: u8, root: &'a str) -> Distances<Target<'a>> {
        let nodes = self.tree(area, root);
        let mut paths = Distances::new();
        for segment in self.segments(area) {
            for port in &segment.ports {
                let Some((distance, hops)) = nodes.get(&Node::Router(port.router)) else { continue };
                match segment.medium {
                    Medium::PointToMultipoint => {
                        let host = Prefix::from(self.plan.address(segment, port.router));
                        offer(&mut paths, Target::Prefix(host), *distance, hops);
                    }
                    Medium::PointToPoint | Medium::Broadcast | Medium::NonBroadcast => {
                        let distance = distance + u32::from(port.cost);
                        // On a LAN the distance is the network's, and its next hops those of the network.
                        let (distance, hops) =
                            nodes.get(&Node::Lan(segment.name)).cloned().unwrap_or((distance, hops.clone()));
                        offer(&mut paths, Target::Prefix(segment.prefix()), distance, &hops);
                    }
                }
            }
        }
        for (node, (distance, hops)) in &nodes {
            let Node::Router(router) = node else { continue };
            for (_, prefix, cost) in self.plan.stubs_of(router).into_iter().filter(|stub| stub.0 == area) {
                offer(&mut paths, Target::Prefix(prefix), distance + u32::from(cost), hops);
            }
            offer(&mut paths, Target::Router(router), *distance, hops);
        }
        paths
    }

    /// The shortest paths from `root` in `area`: edges are tried until nothing gets better.
    fn tree(&self, area: u8, root: &'a str) -> Distances<Node<'a>> {
        let mut nodes = Distances::from([(Node::Router(root), (0, Hops::new()))]);
        let edges = self.edges(area);
        loop {
            let before = nodes.clone();
            for (from, to, cost, first) in &edges {
                let Some((distance, hops)) = before.get(from).cloned() else { continue };
                let hops = if hops.is_empty() { first.clone() } else { hops };
                offer(&mut nodes, *to, distance + cost, &hops);
            }
            if nodes == before {
                return nodes;
            }
        }
    }

    fn edges(&self, area: u8) -> Vec<Edge<'a>> {
        let mut edges = Vec::new();
        for segment in self.segments(area) {
            for port in &segment.ports {
                let here = Node::Router(port.router);
                let is_lan = matches!(segment.medium, Medium::Broadcast | Medium::NonBroadcast);
                if is_lan && segment.ports.len() > 1 {
                    let lan = Node::Lan(segment.name);
                    edges.push((here, lan, port.cost.into(), Hops::new()));
                    edges.push((lan, here, 0, self.hop(segment, port.router)));
                } else if !is_lan {
                    for far in segment.neighbors(port.router) {
                        let hop = self.hop(segment, far.router);
                        edges.push((here, Node::Router(far.router), port.cost.into(), hop));
                    }
                }
            }
        }
        // RFC 2328 §15: a virtual link is as long as the way through its transit area.
        for link in self.plan.virtual_links.iter().filter(|_| area == BACKBONE) {
            for (from, to) in [(link.ends[0], link.ends[1]), (link.ends[1], link.ends[0])] {
                if let Some((distance, hops)) = self.intra[&(link.transit, from)].get(&Target::Router(to)) {
                    edges.push((Node::Router(from), Node::Router(to), *distance, hops.clone()));
                }
            }
        }
        edges
    }

    // RFC 2328 §16.2
    fn across(&self, area: u8, root: &'a str) -> Distances<Target<'a>> {
        let mut paths = Distances::new();
        // A border router believes the backbone's summaries only.
        if area != BACKBONE && self.plan.is_border(root) {
            return paths;
        }
        for border in self.members(area).into_iter().filter(|router| self.plan.is_border(router) && *router != root) {
            let Some((distance, hops)) = self.intra[&(area, root)].get(&Target::Router(border)) else { continue };
            for (target, cost) in self.summaries(border, area) {
                offer(&mut paths, target, distance + cost, hops);
            }
        }
        paths
    }

    /// What a border router says into `area` of the rest of the world (RFC 2328 §12.4.3).
    fn summaries(&self, border: &'a str, area: u8) -> BTreeMap<Target<'a>, u32> {
        let kind = self.plan.kind(area);
        let mut summaries: BTreeMap<Target<'a>, u32> = BTreeMap::new();
        let mut ranges: BTreeMap<Prefix, u32> = BTreeMap::new();
        for (target, (path, origin, hops)) in self.internal(border) {
            let (Path::Intra(cost) | Path::Inter(cost)) = path else { continue };
            // Into the backbone only what is inside an area; into no area what is reached through it.
            let reached_through =
                |(_, dev): &(Ipv4Addr, String)| self.segments(area).any(|segment| segment.name == dev.as_str());
            if origin == area || hops.iter().any(reached_through) || (area == BACKBONE && path > Path::Intra(u32::MAX))
            {
                continue;
            }
            let range = self.range_of(&target, origin).filter(|_| path <= Path::Intra(u32::MAX));
            match (&target, range) {
                (Target::Router(_), _) if !kind.takes_externals() => {}
                (Target::Prefix(_), _) if !kind.takes_summaries() => {}
                // RFC 2328 §12.4.3: a range costs as much as the farthest of its networks.
                (_, Some(range)) if range.advertise => {
                    let most = ranges.entry(range.prefix).or_default();
                    *most = cost.max(*most);
                }
                (_, Some(_)) => {}
                (_, None) => {
                    summaries.insert(target, cost);
                }
            }
        }
        summaries.extend(ranges.into_iter().map(|(prefix, cost)| (Target::Prefix(prefix), cost)));
        // FRR summarises the rest of the world by a default route in every NSSA.
        let is_asked_for = matches!(kind, AreaKind::Stub | AreaKind::TotallyStubby | AreaKind::TotallyNssa);
        if is_asked_for || (kind == AreaKind::Nssa && self.plan.router_named(border).speaker == Speaker::Frr) {
            summaries.insert(Target::Prefix(default_route()), STUB_DEFAULT_COST);
        }
        summaries
    }

    fn range_of(&self, target: &Target<'_>, area: u8) -> Option<&super::plan::Range> {
        let Target::Prefix(prefix) = target else { return None };
        let ranges = &self.plan.areas.get(&area)?.ranges;
        ranges.iter().find(|range| prefix.is_subnet_of(range.prefix))
    }

    /// Paths of `router` that stay in the autonomous system, the better of those through its areas, with that area.
    fn internal(&self, router: &'a str) -> BTreeMap<Target<'a>, (Path, u8, Hops)> {
        let mut best: BTreeMap<Target<'a>, (Path, u8, Hops)> = BTreeMap::new();
        for area in self.plan.areas_of(router) {
            let intra =
                self.intra[&(area, router)].iter().map(|(target, (cost, hops))| (target, Path::Intra(*cost), hops));
            let known = self.inter.get(&(area, router)).into_iter().flatten();
            let inter = known.map(|(target, (cost, hops))| (target, Path::Inter(*cost), hops));
            for (target, path, hops) in intra.chain(inter) {
                if best.get(target).is_none_or(|(known, _, _)| path < *known) {
                    best.insert(target.clone(), (path, area, hops.clone()));
                }
            }
        }
        best
    }

    fn table(&self, router: &'a str) -> Table {
        let internal = self.internal(router);
        let prefixes = internal.iter().filter_map(|(target, (path, _, hops))| match target {
            Target::Prefix(prefix) => Some((*prefix, (*path, hops.clone()))),
            Target::Router(_) => None,
        });
        let mut table: Table = prefixes.collect();
        let externals = self.plan.externals.iter();
        let externals = externals.filter_map(|e| Some((e.prefix, self.external(router, e, &internal)?)));
        let defaults = self.nssa_defaults(router).into_iter().map(|path| (default_route(), path));
        for (prefix, (path, hops)) in externals.chain(defaults) {
            match table.get_mut(&prefix) {
                Some((known, known_hops)) if *known == path => known_hops.extend(hops),
                Some((known, _)) if *known < path => {}
                _ => {
                    table.insert(prefix, (path, hops));
                }
            }
        }
        // What a router redistributes is its kernel's already.
        let own = |prefix: &Prefix| self.plan.externals.iter().any(|e| e.router == router && e.prefix == *prefix);
        table.retain(|prefix, _| !own(prefix));
        table
    }

    // RFC 2328 §16.4, RFC 3101 §2.5
    fn external(
        &self,
        router: &'a str,
        external: &'a External,
        internal: &BTreeMap<Target<'a>, (Path, u8, Hops)>,
    ) -> Option<(Path, Hops)> {
        let from = self.plan.areas_of(external.router);
        let in_nssa = from.iter().copied().find(|area| self.plan.kind(*area).is_nssa());
        let areas = self.plan.areas_of(router);
        let hears = areas.iter().any(|area| self.plan.kind(*area).takes_externals() || Some(*area) == in_nssa);
        if !hears || external.router == router {
            return None;
        }
        // From outside the NSSA the forwarding address in it is aimed at, which stands for its router here.
        let target = match external.via {
            Some(gateway) => self.longest_match(gateway, internal)?,
            None if in_nssa.is_some_and(|area| !areas.contains(&area)) => {
                self.longest_match(self.forwarding_address(external.router, in_nssa?)?, internal)?
            }
            None => Target::Router(external.router),
        };
        let (path, _, hops) = internal.get(&target)?;
        let (Path::Intra(distance) | Path::Inter(distance)) = *path else { return None };
        let hops = match external.via {
            // On a LAN of this router's own.
            Some(gateway) if hops.is_empty() => self
                .plan
                .ports(router)
                .filter(|(segment, _)| segment.prefix().contains(gateway))
                .map(|(segment, _)| (gateway, segment.name.to_owned()))
                .collect(),
            _ => hops.clone(),
        };
        let path = match external.metric {
            Metric::Type1(metric) => Path::External1(distance + metric),
            Metric::Type2(metric) => Path::External2(metric, distance),
        };
        Some((path, hops))
    }

    /// Paths to the Type-7 default routes of the border routers of this router's NSSAs (RFC 3101 §2.7): weft's. FRR has a summary in
    /// its place, BIRD nothing unless told to.
    fn nssa_defaults(&self, router: &'a str) -> Vec<(Path, Hops)> {
        let mut paths = Vec::new();
        // RFC 3101 §2.5 (3): border routers take none whose P-bit is clear. FRR does.
        if self.plan.is_border(router) && self.plan.router_named(router).speaker != Speaker::Frr {
            return paths;
        }
        for area in self.plan.areas_of(router).into_iter().filter(|area| self.plan.kind(*area) == AreaKind::Nssa) {
            for border in self.members(area).into_iter().filter(|border| *border != router) {
                let originates = self.plan.is_border(border) && self.plan.router_named(border).speaker == Speaker::Weft;
                let Some((distance, hops)) = self.intra[&(area, router)].get(&Target::Router(border)) else { continue };
                if originates {
                    paths.push((Path::External2(NSSA_DEFAULT_METRIC, *distance), hops.clone()));
                }
            }
        }
        paths
    }

    /// The address in an NSSA that a router gives as the place to forward to. RFC 3101 §2.3 has it prefer one of its own, as weft
    /// does, then one of a stub network, as BIRD does; FRR takes its first interface's.
    fn forwarding_address(&self, router: &str, area: u8) -> Option<Ipv4Addr> {
        let segments = self.plan.ports(router).map(|(segment, _)| segment);
        let link = segments.filter(|segment| segment.area == area).map(|s| self.plan.address(s, router)).next();
        let stub = self.plan.stubs.iter().find(|stub| stub.router == router && stub.area == area);
        match self.plan.router_named(router).speaker {
            Speaker::Weft => Some(self.plan.router_id(router)),
            Speaker::Bird => stub.map(Stub::address).or(link),
            Speaker::Frr => link,
        }
    }

    fn longest_match(
        &self,
        address: Ipv4Addr,
        internal: &BTreeMap<Target<'a>, (Path, u8, Hops)>,
    ) -> Option<Target<'a>> {
        let prefixes = internal.keys().filter_map(|target| match target {
            Target::Prefix(prefix) if prefix.contains(address) => Some(*prefix),
            _ => None,
        });
        prefixes.max_by_key(|prefix| prefix.prefix()).map(Target::Prefix)
    }

    fn segments(&self, area: u8) -> impl Iterator<Item = &'a Segment> {
        self.plan.segments.iter().filter(move |segment| segment.area == area)
    }

    fn hop(&self, segment: &Segment, router: &str) -> Hops {
        Hops::from([(self.plan.address(segment, router), segment.name.to_owned())])
    }
}

/// Takes a path if it is the shortest so far; as long as the shortest, its next hops are added.
fn offer<K: Ord>(paths: &mut Distances<K>, to: K, distance: u32, hops: &Hops) {
    match paths.get_mut(&to) {
        Some((known, known_hops)) if *known == distance => known_hops.extend(hops.iter().cloned()),
        Some((known, _)) if *known < distance => {}
        _ => {
            paths.insert(to, (distance, hops.clone()));
        }
    }
}

fn default_route() -> Prefix {
    Prefix::new(Ipv4Addr::UNSPECIFIED, 0).expect("0 is a prefix length")
}
