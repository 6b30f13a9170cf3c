//! The oracle: what every router should know, calculated from the topology alone, without LSAs, databases or shortest-path trees.
//!
//! It calculates the distances between all pairs of routers of an area. A link of a router is then a first hop towards another router
//! exactly if its cost plus the distance from its far end is the whole distance. The engines calculate by RFC 2328 §16 instead, and both
//! must agree.

mod graph;
mod round;
mod ways;

use std::collections::{BTreeMap, BTreeSet};

use ospf::{AreaId, Domain, InterfaceId, Nexthop, Prefix, Route, RouteKind};

use crate::situation::Situation;
use crate::topology::RouterIndex;
use graph::{border, distances, join_virtually, members, networks, parts, steps};

/// The correct results for a situation.
#[derive(Debug)]
pub struct Oracle<'a> {
    situation: &'a Situation,
    areas: BTreeMap<AreaId, Area>,
    networks: BTreeMap<Prefix, Vec<Attachment>>,
    /// For each router, whether it is an area border router.
    borders: Vec<Border>,
    /// Routers with the same number reach each other through links and LANs on which AS-external-LSAs are flooded.
    parts: Vec<usize>,
    /// The virtual links that are up.
    virtual_links: BTreeSet<InterfaceId>,
}

/// The paths within an area. A LAN counts as one link for each pair of routers on it.
#[derive(Debug)]
struct Area {
    steps: Vec<Vec<Step>>,
    /// `distances[a][b]`; `None` if there is no path.
    distances: Vec<Vec<Option<u32>>>,
    /// Routers with an interface or their loopback address in the area.
    members: BTreeSet<RouterIndex>,
}

/// Whether a router is an area border router, by RFC 3509 §2.1 and §2.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Border {
    /// It is not one: the backbone is not among its areas, or is its only area.
    Inside,
    /// It has no neighbour in the backbone at present, and examines the summary-LSAs of all its areas.
    WithoutBackbone,
    /// It examines only the summary-LSAs of the backbone.
    WithBackbone,
}

/// A link out of a router, as a step of a path.
#[derive(Debug, Clone, Copy)]
struct Step {
    to: RouterIndex,
    cost: u16,
    nexthop: Nexthop,
}

/// A router to which a network inside OSPF is attached.
#[derive(Debug, Clone, Copy)]
struct Attachment {
    router: RouterIndex,
    area: AreaId,
    cost: u16,
    /// `None` for a loopback address.
    interface: Option<InterfaceId>,
}

impl<'a> Oracle<'a> {
    /// Calculates from the situation as it is; routers and links that are in trouble count as absent.
    pub fn new(situation: &'a Situation) -> Self {
        Self::without(situation, &BTreeSet::new())
    }

    /// As [`Oracle::new`], but with some virtual links down although there is a path through their transit areas.
    pub(crate) fn without(situation: &'a Situation, left_out: &BTreeSet<InterfaceId>) -> Self {
        let mut steps = steps(situation);
        let virtual_links = join_virtually(&mut steps, situation, left_out);
        let parts = parts(&steps, &situation.topology);
        let mut members = members(situation);
        let areas: BTreeMap<_, _> = steps
            .into_iter()
            .map(|(area, steps)| {
                let distances = (0..steps.len()).map(|from| distances(&steps, RouterIndex(from))).collect();
                let members = members.remove(&area).unwrap_or_default();
                (area, Area { steps, distances, members })
            })
            .collect();
        let borders = (0..situation.topology.routers.len()).map(|router| border(&areas, RouterIndex(router))).collect();
        Self { situation, areas, networks: networks(situation), borders, parts, virtual_links }
    }

    /// Returns the databases that a router has.
    pub(crate) fn domains(&self, router: RouterIndex) -> impl Iterator<Item = Domain> {
        let areas = self.areas_of(router).map(Domain::Area);
        let takes_externals = self.areas_of(router).any(|area| self.situation.topology.has_externals(area));
        areas.chain(takes_externals.then_some(Domain::As))
    }

    /// Whether two routers should have the same contents in a database.
    pub(crate) fn share(&self, domain: Domain, one: RouterIndex, other: RouterIndex) -> bool {
        match domain {
            Domain::Link(_) => false,
            Domain::Area(area) => self.distance(area, one, other).is_some(),
            Domain::As => self.parts[one.0] == self.parts[other.0],
        }
    }

    /// Returns the routes that a router should have. It has none to its own addresses and to the external destinations that it originates.
    pub fn routes(&self, root: RouterIndex) -> BTreeMap<Prefix, Route> {
        let mut first_steps = FirstSteps { oracle: self, root, known: BTreeMap::new() };
        let mut routes: BTreeMap<Prefix, Route> = BTreeMap::new();
        for (&prefix, attachments) in &self.networks {
            let route = self.internal(&mut first_steps, attachments);
            let route = route.or_else(|| self.inter_area(&mut first_steps, attachments));
            routes.extend(route.map(|route| (prefix, route)));
        }
        if let Some(route) = self.default_route(&mut first_steps) {
            routes.insert(Prefix::DEFAULT, route);
        }
        let own = &self.situation.topology.routers[root.0].externals;
        for (prefix, route) in self.externals(&mut first_steps) {
            // RFC 2328 §16.4 (6)(a): intra-area and inter-area paths are preferred.
            if !own.contains_key(&prefix) {
                routes.entry(prefix).or_insert(route);
            }
        }
        let topology = &self.situation.topology;
        let lans = topology.lans_of(root).filter(|(_, lan, _)| !lan.elects());
        let own = lans.filter_map(|(index, _, _)| topology.lan_address(index, root));
        own.chain([root.loopback()]).for_each(|own| drop(routes.remove(&Prefix::host(own))));
        debug_assert!(routes.values().all(|route| !route.nexthops.is_empty()));
        routes
    }

    /// Whether a virtual link is up.
    pub(crate) fn has_virtual_link(&self, id: InterfaceId) -> bool {
        self.virtual_links.contains(&id)
    }

    /// Whether the backbone is partitioned, with parts that another area connects, and no virtual link between them.
    pub(crate) fn is_backbone_split(&self) -> bool {
        let Some(backbone) = self.areas.get(&AreaId::BACKBONE) else { return false };
        let others = self.areas.iter().filter(|(id, _)| **id != AreaId::BACKBONE);
        others.into_iter().any(|(_, area)| {
            let borders: Vec<_> = area.members.intersection(&backbone.members).collect();
            let is_split = |one: &RouterIndex, other: &RouterIndex| {
                area.distances[one.0][other.0].is_some() && backbone.distances[one.0][other.0].is_none()
            };
            borders.iter().any(|one| borders.iter().any(|other| is_split(one, other)))
        })
    }

    fn areas_of(&self, router: RouterIndex) -> impl Iterator<Item = AreaId> {
        self.areas.iter().filter(move |(_, area)| area.members.contains(&router)).map(|(&id, _)| id)
    }

    pub(crate) fn distance(&self, area: AreaId, from: RouterIndex, to: RouterIndex) -> Option<u32> {
        self.areas.get(&area)?.distances[from.0][to.0]
    }

    /// Returns the distance of a network within the areas of a router, and the area.
    fn within(&self, router: RouterIndex, attachments: &[Attachment]) -> Option<(u32, AreaId)> {
        let cost = |at: &Attachment| Some((self.distance(at.area, router, at.router)? + u32::from(at.cost), at.area));
        attachments.iter().filter_map(cost).min()
    }

    fn internal(&self, first_steps: &mut FirstSteps<'_>, attachments: &[Attachment]) -> Option<Route> {
        let root = first_steps.root;
        let (metric, area) = self.within(root, attachments)?;
        let mut route = route(RouteKind::IntraArea, area, metric);
        for attachment in attachments {
            let cost = self.distance(attachment.area, root, attachment.router);
            if cost.map(|cost| cost + u32::from(attachment.cost)) != Some(metric) {
                continue;
            }
            route.originators.insert(self.situation.topology.id(attachment.router));
            if attachment.router != root {
                route.nexthops.extend(first_steps.towards(attachment.area, attachment.router));
            } else if let Some(interface) = attachment.interface {
                route.nexthops.insert(Nexthop { interface, via: None });
            }
        }
        Some(route)
    }
}

fn route(kind: RouteKind, area: AreaId, metric: u32) -> Route {
    Route { kind, area, metric, originators: BTreeSet::new(), nexthops: BTreeSet::new(), tag: 0 }
}

/// The first hops of one router; each set is calculated once.
struct FirstSteps<'a> {
    oracle: &'a Oracle<'a>,
    root: RouterIndex,
    known: BTreeMap<(AreaId, RouterIndex), BTreeSet<Nexthop>>,
}

impl FirstSteps<'_> {
    fn towards(&mut self, area: AreaId, to: RouterIndex) -> BTreeSet<Nexthop> {
        let (oracle, root) = (self.oracle, self.root);
        let find = || {
            let Some(whole) = oracle.distance(area, root, to) else { return BTreeSet::new() };
            let steps = oracle.areas[&area].steps[root.0].iter();
            let on_the_way = |step: &&Step| {
                oracle.distance(area, step.to, to).is_some_and(|rest| u32::from(step.cost) + rest == whole)
            };
            steps.filter(on_the_way).map(|step| step.nexthop).collect()
        };
        self.known.entry((area, to)).or_insert_with(find).clone()
    }
}

#[cfg(test)]
mod tests;
