//! The routing table as RFC 2328 §16, RFC 3101 §2.5 and RFC 3509 §2.2 put it, in the plainest way: every path of an area is walked, every
//! LSA is looked at for every destination. Nothing but the types of LSAs and routes is the engine's.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::given::{Area, Given, ROOT, Stored};
use crate::config::{Advertise, AreaKind, ExternalMetric, Rfc1583Compatibility, Summaries, Unlisted};
use crate::ids::{AreaId, LinkStateId, LsaType, Prefix, RouterId};
use crate::io::{Nexthop, RouteKind};
use crate::route::table::Refused;
use crate::route::{Border, Peer, Translatable};
use crate::wire::{
    ExternalLsa, LS_INFINITY, LsaBody, NetworkLsa, Options, RouterFlags, RouterLink, RouterLinkKind, RouterLsa,
    SummaryLsa,
};

const SELF: RouterId = RouterId(ROOT);

/// What there should be.
#[derive(Debug, Default)]
pub(super) struct Expected {
    pub(super) routes: BTreeMap<Prefix, Entry>,
    pub(super) refused: BTreeSet<Refused>,
    pub(super) translatable: BTreeMap<(Prefix, AreaId), Translatable>,
    /// How many entries §16.3 has changed.
    pub(super) improved: usize,
}

/// A routing table entry for a network.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) kind: RouteKind,
    pub(super) metric: u32,
    /// Any of these: the RFC does not say which.
    pub(super) tags: BTreeSet<u32>,
    /// The areas that it may be said to be through: several, if equal paths lead through several.
    pub(super) areas: BTreeSet<AreaId>,
    pub(super) originators: BTreeSet<RouterId>,
    pub(super) nexthops: BTreeSet<Nexthop>,
}

/// How a path begins, and the last guard on it.
type Step = (Nexthop, Option<RouterId>);

type Steps = BTreeSet<Step>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Network(LinkStateId),
    Router(RouterId),
}

/// The shortest paths to a place.
type Ways = BTreeMap<Place, (u32, Steps)>;

/// A path to a network of the AS.
#[derive(Debug, Clone)]
struct Inside {
    kind: RouteKind,
    area: AreaId,
    cost: u32,
    originators: BTreeSet<RouterId>,
    steps: Steps,
}

/// A path to a border or boundary router.
#[derive(Debug, Clone)]
struct ToRouter {
    kind: RouteKind,
    flags: RouterFlags,
    cost: u32,
    steps: Steps,
}

struct Oracle<'a> {
    given: &'a Given,
    /// By area.
    ways: BTreeMap<AreaId, Ways>,
    networks: BTreeMap<Prefix, Inside>,
    /// This router's own addresses, with the area and cost at which its Router-LSAs show them.
    local: BTreeMap<Prefix, (AreaId, u32)>,
    routers: BTreeMap<(RouterId, AreaId), ToRouter>,
    /// Active ranges: whether they are advertised, and the cost.
    ranges: BTreeMap<(AreaId, Prefix), (Advertise, u32)>,
    expected: Expected,
}

impl Expected {
    pub(super) fn of(given: &Given) -> Self {
        let mut oracle = Oracle {
            given,
            ways: BTreeMap::new(),
            networks: BTreeMap::new(),
            local: BTreeMap::new(),
            routers: BTreeMap::new(),
            ranges: BTreeMap::new(),
            expected: Self::default(),
        };
        // The backbone's virtual links need the paths of the areas that they run through.
        let backbone_last = |area: &&Area| (area.id == AreaId::BACKBONE, area.id);
        let mut areas: Vec<_> = given.areas.iter().collect();
        areas.sort_by_key(backbone_last);
        for area in areas {
            oracle.intra_area(area);
        }
        oracle.active_ranges();
        oracle.summaries();
        oracle.transit_areas();
        oracle.entries();
        oracle.externals();
        oracle.expected
    }
}

impl Area {
    fn alive(&self) -> impl Iterator<Item = &Stored> {
        self.lsas.iter().filter(|lsa| !lsa.dead)
    }

    fn router(&self, id: RouterId) -> Option<&RouterLsa> {
        let mut lsas = self.alive().filter(|lsa| lsa.key.kind == LsaType::ROUTER && lsa.key.advertising_router == id);
        lsas.find_map(|lsa| match &lsa.body {
            LsaBody::Router(lsa) => Some(lsa),
            _ => None,
        })
    }

    fn network(&self, id: LinkStateId) -> Option<(RouterId, &NetworkLsa)> {
        let mut lsas = self.alive().filter(|lsa| lsa.key.kind == LsaType::NETWORK && lsa.key.id == id);
        lsas.find_map(|lsa| match &lsa.body {
            LsaBody::Network(body) => Some((lsa.key.advertising_router, body)),
            _ => None,
        })
    }

    /// Summary-LSAs that may be used, in the order of the database.
    fn summaries(&self, kind: LsaType) -> Vec<(RouterId, LinkStateId, SummaryLsa)> {
        let mut lsas: Vec<_> = self
            .alive()
            .filter(|lsa| lsa.key.kind == kind && lsa.key.advertising_router != SELF)
            .filter_map(|lsa| match lsa.body {
                LsaBody::Summary(body) if body.metric != LS_INFINITY => {
                    Some((lsa.key.advertising_router, lsa.key.id, body))
                }
                _ => None,
            })
            .collect();
        lsas.sort_by_key(|&(router, id, _)| (id, router));
        lsas
    }

    /// Where a link leads to, if that exists.
    fn target(&self, link: &RouterLink) -> Option<Place> {
        match link.kind {
            RouterLinkKind::PointToPoint | RouterLinkKind::Virtual => Some(Place::Router(RouterId::from(link.id))),
            RouterLinkKind::Transit => Some(Place::Network(LinkStateId::from(link.id))),
            RouterLinkKind::Stub | RouterLinkKind::Unknown(_) => None,
        }
    }

    /// Whether one end describes a link to the other.
    fn describes(&self, from: Place, to: Place) -> bool {
        match (from, to) {
            (Place::Router(id), to) => {
                self.router(id).is_some_and(|lsa| lsa.links.iter().any(|link| self.target(link) == Some(to)))
            }
            (Place::Network(id), Place::Router(router)) => {
                self.network(id).is_some_and(|(_, lsa)| lsa.attached_routers.contains(&router))
            }
            (Place::Network(_), Place::Network(_)) => false,
        }
    }
}

fn prefix_of(id: LinkStateId, mask: Ipv4Addr) -> Prefix {
    Prefix::new(Ipv4Addr::from(id), u8::try_from(u32::from(mask).count_ones()).expect("at most 32"))
}

fn ending(steps: &Steps, guard: Option<RouterId>) -> Steps {
    steps.iter().map(|&(nexthop, last)| (nexthop, guard.or(last))).collect()
}

// §16.1: intra-area routes.
impl Oracle<'_> {
    fn guard(&self, router: RouterId) -> Option<RouterId> {
        self.given.policy.guards.contains(&router).then_some(router)
    }

    fn intra_area(&mut self, area: &Area) {
        let mut ways = Ways::new();
        if area.router(SELF).is_some() {
            self.walk(area, &mut vec![Place::Router(SELF)], 0, &Steps::new(), &mut ways);
        }
        for (&place, (cost, steps)) in &ways {
            match place {
                Place::Router(id) => {
                    let flags = area.router(id).expect("it was walked to").flags;
                    if flags.contains(RouterFlags::B) || flags.contains(RouterFlags::E) {
                        let path = ToRouter { kind: RouteKind::IntraArea, flags, cost: *cost, steps: steps.clone() };
                        self.routers.insert((id, area.id), path);
                    }
                }
                Place::Network(id) => {
                    let (originator, lsa) = area.network(id).expect("it was walked to");
                    // RFC 6860 §2.2.2
                    if lsa.network_mask != Ipv4Addr::BROADCAST {
                        let steps = ending(steps, self.guard(originator));
                        self.offer(area.id, prefix_of(id, lsa.network_mask), originator, *cost, steps);
                    }
                }
            }
        }
        let places: Vec<_> = area.lsas.iter().filter(|lsa| lsa.key.kind == LsaType::ROUTER).collect();
        for id in places.into_iter().map(|lsa| lsa.key.advertising_router) {
            let distance = if id == SELF { Some((0, Steps::new())) } else { ways.get(&Place::Router(id)).cloned() };
            let (Some((distance, steps)), Some(lsa)) = (distance, area.router(id)) else { continue };
            for link in lsa.links.iter().filter(|link| link.kind == RouterLinkKind::Stub) {
                let prefix = prefix_of(link.id.into(), link.data);
                let cost = distance + u32::from(link.metric);
                if id == SELF {
                    self.own_stub(area.id, prefix, cost);
                } else {
                    self.offer(area.id, prefix, id, cost, steps.clone());
                }
            }
        }
        self.ways.insert(area.id, ways);
    }

    /// Walks on along every path without a circle. `steps` are the ways to begin this one.
    fn walk(&self, area: &Area, path: &mut Vec<Place>, cost: u32, steps: &Steps, ways: &mut Ways) {
        let here = *path.last().expect("the root at least");
        if path.len() > 1 {
            let best = ways.entry(here).or_insert_with(|| (cost, Steps::new()));
            if cost < best.0 {
                *best = (cost, Steps::new());
            }
            if cost == best.0 {
                best.1.extend(steps);
            }
        }
        for (there, metric, link) in self.links(area, here) {
            if path.contains(&there) || !area.describes(there, here) {
                continue;
            }
            let mut onward = match (here, there) {
                (Place::Router(SELF), _) => self.first_steps(area, link.expect("a router's link")),
                (Place::Network(_), Place::Router(router)) => self.onto_network(area, here, router, steps),
                _ => steps.clone(),
            };
            if let Place::Router(router) = there {
                onward = ending(&onward, self.guard(router));
            }
            if !onward.is_empty() {
                path.push(there);
                self.walk(area, path, cost + u32::from(metric), &onward, ways);
                path.pop();
            }
        }
    }

    fn links<'l>(&self, area: &'l Area, from: Place) -> Vec<(Place, u16, Option<&'l RouterLink>)> {
        match from {
            Place::Router(id) => {
                let links = area.router(id).into_iter().flat_map(|lsa| &lsa.links);
                links.filter_map(|link| Some((area.target(link)?, link.metric, Some(link)))).collect()
            }
            Place::Network(id) => {
                let routers = area.network(id).into_iter().flat_map(|(_, lsa)| &lsa.attached_routers);
                routers.map(|&router| (Place::Router(router), 0, None)).collect()
            }
        }
    }

    /// §16.1.1, the parent being the root: the interfaces that the link is of, and where a virtual link begins.
    fn first_steps(&self, area: &Area, link: &RouterLink) -> Steps {
        let mut steps = Steps::new();
        for own in &area.adjacencies {
            let is_same = own.link_data == link.data;
            match (own.peer, link.kind) {
                (Peer::Router { router_id, address }, RouterLinkKind::PointToPoint)
                    if is_same && Ipv4Addr::from(router_id) == link.id =>
                {
                    steps.insert((Nexthop { interface: own.interface, via: Some(address) }, self.guard(SELF)));
                }
                (Peer::Network { designated_router }, RouterLinkKind::Transit)
                    if is_same && designated_router == link.id =>
                {
                    steps.insert((Nexthop { interface: own.interface, via: None }, self.guard(SELF)));
                }
                (Peer::Virtual(end), RouterLinkKind::Virtual) if Ipv4Addr::from(end.far_end) == link.id => {
                    let through = self.ways.get(&end.transit_area);
                    let way = through.and_then(|ways| ways.get(&Place::Router(end.far_end)));
                    steps.extend(way.into_iter().flat_map(|(_, steps)| steps));
                }
                _ => {}
            }
        }
        steps
    }

    /// §16.1.1: a router on a network of our own is reached at its address there.
    fn onto_network(&self, area: &Area, network: Place, router: RouterId, steps: &Steps) -> Steps {
        let links = area.router(router).into_iter().flat_map(|lsa| &lsa.links);
        let addresses: Vec<_> = links.filter(|link| area.target(link) == Some(network)).map(|link| link.data).collect();
        let mut onto = Steps::new();
        for &(nexthop, guard) in steps {
            match nexthop.via {
                Some(_) => _ = onto.insert((nexthop, guard)),
                None => onto.extend(addresses.iter().map(|&via| (Nexthop { via: Some(via), ..nexthop }, guard))),
            }
        }
        onto
    }

    fn own_stub(&mut self, area: AreaId, prefix: Prefix, cost: u32) {
        if self.is_here(prefix) {
            let known = self.local.entry(prefix).or_insert((area, cost));
            known.1 = known.1.min(cost);
            return;
        }
        let own = self.given.connected.iter().filter(|own| own.prefix == prefix);
        let interfaces = own.filter_map(|own| own.interface);
        let steps: Steps = interfaces.map(|interface| (Nexthop { interface, via: None }, self.guard(SELF))).collect();
        if !steps.is_empty() {
            self.offer(area, prefix, SELF, cost, steps);
        }
    }

    fn offer(&mut self, area: AreaId, prefix: Prefix, originator: RouterId, cost: u32, steps: Steps) {
        let connected = &self.given.connected;
        let is_own = |nexthop: &Nexthop| {
            let interface = Some(nexthop.interface);
            nexthop.via.is_none() && connected.iter().any(|own| own.prefix == prefix && own.interface == interface)
        };
        let own: Steps = steps.iter().filter(|(nexthop, _)| is_own(nexthop)).copied().collect();
        let mut believed = self.accepted(prefix, &steps);
        believed.extend(own);
        if believed.is_empty() {
            return self.refuse(prefix, originator, &steps);
        }
        if self.is_here(prefix) {
            return;
        }
        let found =
            Inside { kind: RouteKind::IntraArea, area, cost, originators: [originator].into(), steps: believed };
        join(&mut self.networks, prefix, found);
    }

    fn is_here(&self, prefix: Prefix) -> bool {
        self.given.connected.iter().any(|own| own.prefix == prefix && own.interface.is_none())
    }
}

/// The shorter path counts, of equal ones both, under the area of the first.
fn join(networks: &mut BTreeMap<Prefix, Inside>, prefix: Prefix, found: Inside) {
    match networks.get_mut(&prefix) {
        Some(known) if known.cost < found.cost => {}
        Some(known) if known.cost == found.cost => {
            known.originators.extend(found.originators);
            known.steps.extend(found.steps);
        }
        _ => _ = networks.insert(prefix, found),
    }
}

// Whose word counts.
impl Oracle<'_> {
    /// The guards listed for a destination; nothing if it is not listed.
    fn listed(&self, prefix: Prefix) -> Option<&BTreeSet<RouterId>> {
        let covering = self.given.policy.listed.iter().filter(|(listed, _)| match listed.len() {
            0 => prefix.len() == 0,
            _ => listed.covers(prefix),
        });
        covering.max_by_key(|(listed, _)| listed.len()).map(|(_, guards)| guards)
    }

    fn accepted(&self, prefix: Prefix, steps: &Steps) -> Steps {
        let is_accepted = |step: &&Step| match self.listed(prefix) {
            Some(guards) => step.1.is_some_and(|guard| guards.contains(&guard)),
            None => self.given.policy.unlisted == Unlisted::Accept,
        };
        steps.iter().filter(is_accepted).copied().collect()
    }

    fn refuse(&mut self, prefix: Prefix, originator: RouterId, steps: &Steps) {
        let is_listed = self.listed(prefix).is_some();
        for (_, guard) in steps {
            self.expected.refused.insert(Refused { prefix, originator, guard: guard.filter(|_| is_listed) });
        }
    }
}

// §16.2 and §16.3: inter-area routes.
impl Oracle<'_> {
    /// §3.5, §12.4.3: what is in each range, and the largest cost of it.
    fn active_ranges(&mut self) {
        if self.given.border == Border::Inside {
            return;
        }
        let networks = self.networks.iter().map(|(&prefix, path)| (prefix, path.area, path.cost));
        let local = self.local.iter().map(|(&prefix, &(area, cost))| (prefix, area, cost));
        for (network, area, cost) in networks.chain(local) {
            let given = self.given.areas.iter().find(|given| given.id == area).expect("an area of ours");
            let around = given.ranges.iter().filter(|(range, _)| range.covers(network));
            let Some((&range, config)) = around.max_by_key(|(range, _)| range.len()) else { continue };
            let known = self.ranges.entry((area, range)).or_insert((config.advertise, 0));
            known.1 = config.cost.unwrap_or(known.1.max(cost));
        }
    }

    fn summaries(&mut self) {
        let given = self.given;
        let intra_area: BTreeSet<_> = self.networks.keys().copied().collect();
        let within_areas = self.routers.clone();
        for area in &given.areas {
            // "only backbone summary-LSAs are examined"
            if given.border == Border::WithBackbone && area.id != AreaId::BACKBONE {
                continue;
            }
            for (router, id, lsa) in area.summaries(LsaType::SUMMARY_NETWORK) {
                let prefix = prefix_of(id, lsa.network_mask);
                let Some(path) = self.border_router(router, area) else { continue };
                // RFC 3101 §2.5 (3)(a), and the same of stub areas.
                if prefix == Prefix::DEFAULT && given.border != Border::Inside && area.kind != AreaKind::Normal {
                    continue;
                }
                // (3)
                if self.ranges.keys().any(|&(_, range)| range == prefix) {
                    continue;
                }
                let steps = self.accepted(prefix, &path.steps);
                if steps.is_empty() {
                    self.refuse(prefix, router, &path.steps);
                    continue;
                }
                // (7)
                if !intra_area.contains(&prefix) && !self.is_here(prefix) {
                    let (kind, area) = (RouteKind::InterArea, area.id);
                    let cost = path.cost + lsa.metric;
                    join(&mut self.networks, prefix, Inside { kind, area, cost, originators: [router].into(), steps });
                }
            }
            for (router, id, lsa) in area.summaries(LsaType::SUMMARY_ASBR) {
                let boundary = RouterId(id.0);
                let Some(path) = self.border_router(router, area) else { continue };
                let key = (boundary, area.id);
                let known = within_areas.get(&key).is_some_and(|path| path.flags.contains(RouterFlags::E));
                if known || boundary == SELF {
                    continue;
                }
                let steps = ending(&path.steps, self.guard(boundary));
                let cost = path.cost + lsa.metric;
                match self.routers.get_mut(&key).filter(|known| known.kind == RouteKind::InterArea) {
                    Some(known) if known.cost < cost => {}
                    Some(known) if known.cost == cost => known.steps.extend(steps),
                    _ => {
                        let found = ToRouter { kind: RouteKind::InterArea, flags: RouterFlags::E, cost, steps };
                        self.routers.insert(key, found);
                    }
                }
            }
        }
    }

    /// §16.3, LSA by LSA as it says.
    fn transit_areas(&mut self) {
        let given = self.given;
        if given.border == Border::Inside {
            return;
        }
        for area in given.areas.iter().filter(|area| area.id != AreaId::BACKBONE) {
            let walked = self.ways[&area.id].keys().copied().chain([Place::Router(SELF)]);
            let has_v = |place| match place {
                Place::Router(id) => area.router(id).is_some_and(|lsa| lsa.flags.contains(RouterFlags::V)),
                Place::Network(_) => false,
            };
            if area.router(SELF).is_none() || !walked.into_iter().any(has_v) {
                continue;
            }
            for (router, id, lsa) in area.summaries(LsaType::SUMMARY_NETWORK) {
                let prefix = prefix_of(id, lsa.network_mask);
                let Some(path) = self.border_router(router, area) else { continue };
                let cost = path.cost + lsa.metric;
                let known = self.networks.get(&prefix).filter(|known| known.area == AreaId::BACKBONE);
                let Some(known) = known.filter(|known| cost <= known.cost) else { continue };
                let mut entry = known.clone();
                let steps = self.accepted(prefix, &path.steps);
                if steps.is_empty() {
                    self.refuse(prefix, router, &path.steps);
                    continue;
                }
                if cost < entry.cost {
                    (entry.steps, entry.originators) = (Steps::new(), BTreeSet::new());
                }
                entry.cost = cost;
                entry.steps.extend(steps);
                entry.originators.insert(router);
                self.expected.improved += 1;
                self.networks.insert(prefix, entry);
            }
            for (router, id, lsa) in area.summaries(LsaType::SUMMARY_ASBR) {
                let boundary = RouterId(id.0);
                let Some(path) = self.border_router(router, area) else { continue };
                let guard = self.guard(boundary);
                let entry = self.routers.get_mut(&(boundary, AreaId::BACKBONE));
                let Some(entry) = entry.filter(|entry| entry.flags.contains(RouterFlags::E)) else { continue };
                let (cost, steps) = (path.cost + lsa.metric, ending(&path.steps, guard));
                if cost < entry.cost {
                    (entry.cost, entry.steps) = (cost, steps);
                } else if cost == entry.cost {
                    entry.steps.extend(steps);
                }
            }
        }
    }

    /// §16.2 (4), §16.3 (4): the path to a border router, within the area.
    fn border_router(&self, router: RouterId, area: &Area) -> Option<ToRouter> {
        let (cost, steps) = self.ways[&area.id].get(&Place::Router(router))?.clone();
        let flags = area.router(router)?.flags;
        flags.contains(RouterFlags::B).then_some(ToRouter { kind: RouteKind::IntraArea, flags, cost, steps })
    }

    /// What the table has of networks inside the AS.
    fn entries(&mut self) {
        for (&prefix, path) in &self.networks {
            let entry = Entry {
                kind: path.kind,
                metric: path.cost,
                tags: [0].into(),
                areas: [path.area].into(),
                originators: path.originators.clone(),
                nexthops: path.steps.iter().map(|&(nexthop, _)| nexthop).collect(),
            };
            self.expected.routes.insert(prefix, entry);
        }
        // §11.1: "the "discard" routing table entries"; of hidden ranges there are none here.
        for (&(area, prefix), &(advertise, cost)) in &self.ranges {
            if advertise == Advertise::Yes && !self.networks.contains_key(&prefix) {
                let entry = Entry {
                    kind: RouteKind::InterArea,
                    metric: cost,
                    tags: [0].into(),
                    areas: [area].into(),
                    originators: [SELF].into(),
                    nexthops: BTreeSet::new(),
                };
                // Of one range in two areas the later stands.
                self.expected.routes.insert(prefix, entry);
            }
        }
    }
}

/// Of external paths the least is preferred (§16.4 (6)): whether it leads away from where it is listed, type, type 2 metric, §16.4.1, cost.
type Rank = (bool, RouteKind, u32, bool, u32);

/// A path that an AS-external- or Type-7 LSA offers.
#[derive(Debug, Clone)]
struct Offer {
    rank: Rank,
    area: AreaId,
    /// The NSSA of a Type-7 LSA, and whether its P-bit is set.
    nssa: Option<(AreaId, bool)>,
    originator: RouterId,
    lsa: ExternalLsa,
    steps: Steps,
}

// §16.4, RFC 3101 §2.5: external routes.
impl Oracle<'_> {
    fn externals(&mut self) {
        let given = self.given;
        let mut offers: BTreeMap<Prefix, Vec<Offer>> = BTreeMap::new();
        let type_5 = given.as_scope.iter().map(|lsa| (None, lsa));
        let nssas = given.areas.iter().filter(|area| matches!(area.kind, AreaKind::Nssa(_)));
        let type_7 = nssas.flat_map(|area| area.lsas.iter().map(move |lsa| (Some(area), lsa)));
        for (nssa, stored) in type_5.chain(type_7) {
            let (LsaBody::External(lsa), false) = (&stored.body, stored.dead) else { continue };
            let prefix = prefix_of(stored.key.id, lsa.network_mask);
            if let Some(offer) = self.external(prefix, nssa, stored, *lsa) {
                offers.entry(prefix).or_default().push(offer);
            }
        }
        for (prefix, mut offers) in offers {
            // (6)(a)
            if self.expected.routes.contains_key(&prefix) || self.is_here(prefix) {
                continue;
            }
            let least = offers.iter().map(|offer| offer.rank).min().expect("an offer");
            offers.retain(|offer| offer.rank == least);
            self.install(prefix, &offers);
        }
    }

    fn external(&mut self, prefix: Prefix, nssa: Option<&Area>, stored: &Stored, lsa: ExternalLsa) -> Option<Offer> {
        let given = self.given;
        let originator = stored.key.advertising_router;
        let propagate = stored.options.contains(Options::NP);
        if lsa.metric.value() == LS_INFINITY || originator == SELF {
            return None;
        }
        // RFC 3101 §2.5 (3), of a border router and a Type-7 default route.
        if let Some(AreaKind::Nssa(config)) = nssa.map(|area| &area.kind)
            && prefix.len() == 0
            && given.border != Border::Inside
            && (!propagate || config.summaries == Summaries::DefaultOnly)
        {
            return None;
        }
        let (mut area, boundary) = self.boundary_router(originator, nssa)?;
        let mut exit = (boundary.kind, boundary.cost, boundary.steps.clone());
        if !lsa.forwarding_address.is_unspecified() {
            let path = self.forwarding(lsa.forwarding_address, nssa)?;
            let on_link = |nexthop: Nexthop| Nexthop { via: nexthop.via.or(Some(lsa.forwarding_address)), ..nexthop };
            let steps = path.steps.iter().map(|&(nexthop, guard)| (on_link(nexthop), guard)).collect();
            (area, exit) = (path.area, (path.kind, path.cost, steps));
        }
        let (kind, distance, steps) = exit;
        // The originator has to be believed, then the way to where it sends us; a guard answers for that itself.
        if self.accepted(prefix, &boundary.steps).is_empty() {
            self.refuse(prefix, originator, &boundary.steps);
            return None;
        }
        let mut believed = match self.guard(originator) {
            Some(_) => steps.clone(),
            None => self.accepted(prefix, &steps),
        };
        if believed.is_empty() {
            self.refuse(prefix, originator, &steps);
            return None;
        }
        // What we bring in ourselves is here or behind us; what is listed for us is there first.
        let behind =
            |&(_, guard): &(Nexthop, Option<RouterId>)| self.guard(originator).is_none() && guard == Some(SELF);
        let brought_in = given.own_externals.contains_key(&prefix);
        let is_ours = given.policy.listed.get(&prefix).is_some_and(|guards| guards.contains(&SELF));
        let is_here = is_ours && believed.iter().any(behind);
        if brought_in || is_here {
            believed.retain(behind);
        }
        let unpreferred = given.rfc1583 == Rfc1583Compatibility::Disabled
            && (kind == RouteKind::InterArea || area == AreaId::BACKBONE);
        let rank = match lsa.metric {
            ExternalMetric::Type1(metric) => (!is_here, RouteKind::External1, 0, unpreferred, distance + metric),
            ExternalMetric::Type2(metric) => (!is_here, RouteKind::External2, metric, unpreferred, distance),
        };
        let nssa = nssa.map(|area| (area.id, propagate));
        (!believed.is_empty()).then_some(Offer { rank, area, nssa, originator, lsa, steps: believed })
    }

    fn takes_externals(&self, area: AreaId) -> bool {
        self.given.areas.iter().any(|given| given.id == area && given.kind == AreaKind::Normal)
    }

    /// §16.4 (3), §16.4.1.
    fn boundary_router(&self, router: RouterId, nssa: Option<&Area>) -> Option<(AreaId, ToRouter)> {
        let entries =
            self.routers.iter().filter(|((id, _), path)| *id == router && path.flags.contains(RouterFlags::E));
        let mut entries: Vec<_> = entries.map(|(&(_, area), path)| (area, path.clone())).collect();
        match nssa {
            Some(nssa) => entries.retain(|(area, path)| *area == nssa.id && path.kind == RouteKind::IntraArea),
            None => entries.retain(|(area, _)| self.takes_externals(*area)),
        }
        let is_preferred =
            |(area, path): &(AreaId, ToRouter)| path.kind == RouteKind::IntraArea && *area != AreaId::BACKBONE;
        if self.given.rfc1583 == Rfc1583Compatibility::Disabled && entries.iter().any(is_preferred) {
            entries.retain(is_preferred);
        }
        entries.into_iter().min_by_key(|(area, path)| (path.cost, Reverse(*area)))
    }

    /// The entry that a forwarding address matches: not ourselves, and inside the AS.
    fn forwarding(&self, address: Ipv4Addr, nssa: Option<&Area>) -> Option<Inside> {
        if self.given.connected.iter().any(|own| own.address == address) {
            return None;
        }
        let matching = self.expected.routes.keys().filter(|prefix| prefix.contains(address));
        let longest = matching.max_by_key(|prefix| prefix.len())?;
        // One that discards is in the table, and leads nowhere.
        let path = self.networks.get(longest)?;
        // RFC 3101 §2.5 (3)
        let is_right = match nssa {
            Some(nssa) => path.kind == RouteKind::IntraArea && path.area == nssa.id,
            None => self.takes_externals(path.area),
        };
        is_right.then(|| path.clone())
    }

    /// Equally good paths make one route, save that of LSAs which say the same (RFC 3101 §2.5 (6)(e)) one counts.
    fn install(&mut self, prefix: Prefix, offers: &[Offer]) {
        let precedence = |offer: &Offer| {
            let class = match offer.nssa {
                Some((_, true)) => 2,
                None => 1,
                Some((_, false)) => 0,
            };
            (class, offer.originator)
        };
        let says_the_same = |one: &Offer, other: &Offer| {
            let forwarding = one.lsa.forwarding_address;
            !forwarding.is_unspecified()
                && (forwarding, one.lsa.metric) == (other.lsa.forwarding_address, other.lsa.metric)
        };
        let is_installed = |offer: &&Offer| {
            !offers.iter().any(|other| says_the_same(offer, other) && precedence(other) > precedence(offer))
        };
        let installed: Vec<_> = offers.iter().filter(is_installed).collect();
        let (_, kind, metric, _, cost) = offers[0].rank;
        for offer in &installed {
            let ExternalLsa { metric, forwarding_address: forwarding, route_tag: tag, .. } = offer.lsa;
            let Some((area, true)) = offer.nssa.filter(|_| !forwarding.is_unspecified()) else { continue };
            let highest = installed
                .iter()
                .filter(|other| other.nssa == Some((area, true)) && !other.lsa.forwarding_address.is_unspecified());
            if highest.map(|other| other.originator).max() == Some(offer.originator) {
                let found = Translatable { metric, forwarding, tag, cost };
                self.expected.translatable.insert((prefix, area), found);
            }
        }
        let entry = Entry {
            kind,
            metric: if kind == RouteKind::External1 { cost } else { metric },
            tags: installed.iter().map(|offer| offer.lsa.route_tag).collect(),
            areas: offers.iter().map(|offer| offer.area).collect(),
            originators: installed.iter().map(|offer| offer.originator).collect(),
            nexthops: offers.iter().flat_map(|offer| &offer.steps).map(|&(nexthop, _)| nexthop).collect(),
        };
        self.expected.routes.insert(prefix, entry);
    }
}
