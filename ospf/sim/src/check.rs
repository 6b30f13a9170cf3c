//! Checks whether a network has converged: compares the state of every router with the oracle, and of the routers with each other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ospf::wire::{LsaBody, RouterLink, RouterLinkKind};
use ospf::{AreaId, Domain, LsaKey, LsaType, LsaView, NeighborState, Nexthop, Prefix, Route, RouteKind};

use crate::expected::Expected;
use crate::finding::{Disagreement, Findings, Instance};
use crate::network::Network;
use crate::oracle::Oracle;
use crate::topology::{LanIndex, LanNetwork, LinkIndex, RouterIndex};

/// A router's LSAs in one of its databases.
type Instances = BTreeMap<LsaKey, Instance>;

/// Compares routing tables and adjacencies with the oracle, router by router, and remembers which routers were right.
#[derive(Debug)]
pub struct Progress<'a> {
    expected: &'a Expected<'a>,
    wrong: BTreeSet<RouterIndex>,
}

impl<'a> Progress<'a> {
    /// Begins with no router checked.
    pub fn new(expected: &'a Expected<'a>, network: &Network) -> Self {
        Self { expected, wrong: network.situation().running().collect() }
    }

    /// Checks the routers that were wrong and those that have changed since; returns whether all are right now.
    pub fn look(&mut self, network: &mut Network) -> bool {
        self.wrong.append(&mut network.take_changed());
        if network.is_anybody_restarting() {
            return false;
        }
        // The first wrong router is enough for now.
        while let Some(&router) = self.wrong.first() {
            if !disagreements_of(network, self.expected, router).is_empty() {
                return false;
            }
            self.wrong.remove(&router);
        }
        databases(network, self.expected.oracle()).is_empty()
            && !network.is_work_due()
            && helped(network).next().is_none()
    }
}

/// Returns everything that is wrong: neighbours, databases, routes, loops.
pub fn disagreements(network: &Network, expected: &Expected<'_>) -> Findings {
    let mut found = Findings::default();
    let with_engine = |router: &RouterIndex| network.engine(*router).is_some();
    for router in network.situation().running().filter(with_engine) {
        found.extend(disagreements_of(network, expected, router));
    }
    found.extend(databases(network, expected.oracle()));
    found.extend(helped(network));
    // RFC 2328 §3: "the backbone must be contiguous". If it is not, routers of its parts may send packets to each other.
    let is_explained = |prefix| expected.oracle().may_go_round(prefix);
    found.extend(first_loop(network, is_explained).filter(|_| !expected.oracle().is_backbone_split()));
    found
}

/// Returns LSAs that are still at MaxAge. When a network has been quiet for a while, no router waits for their acknowledgement any more
/// (RFC 2328 §14).
pub(crate) fn left_at_max_age(network: &Network) -> impl Iterator<Item = Disagreement> {
    network.situation().running().flat_map(|router| {
        let lsas = network.engine(router).into_iter().flat_map(ospf::Engine::lsdb);
        let old = lsas.filter(|view| view.lsa.header.is_max_age());
        old.map(move |view| Disagreement::MaxAge { router, key: view.lsa.header.key })
    })
}

/// Returns the helpers of graceful restarts. Until the end of the grace period a helper advertises its neighbour as fully adjacent,
/// although it receives nothing from it (RFC 3623 §3.2), even if the neighbour has stopped for good, or has restarted and cannot announce
/// it. Only after that its LSAs have to be those of a network without the neighbour.
fn helped(network: &Network) -> impl Iterator<Item = Disagreement> {
    network.situation().running().flat_map(|router| {
        let neighbors = network.engine(router).into_iter().flat_map(ospf::Engine::neighbors);
        neighbors.filter_map(move |view| {
            let (interface, neighbor) = (view.interface, view.router_id);
            view.helped_for.map(|left| Disagreement::Helped { router, interface, neighbor, left })
        })
    })
}

/// Returns what is wrong with the routing table and the adjacencies of one running router.
fn disagreements_of(network: &Network, answers: &Expected<'_>, router: RouterIndex) -> Vec<Disagreement> {
    let situation = network.situation();
    let mut found = Vec::new();
    for (link, description, side) in situation.topology.links_of(router) {
        let (interface, neighbor) = (link.interface(), description.end(side.other()).router);
        let joined = situation.is_joined(link);
        let state = network.neighbor(router, interface, neighbor);
        if joined != (state == NeighborState::Full) {
            found.push(Disagreement::Adjacency { router, interface, neighbor, state });
        }
    }
    for (index, lan, _) in situation.topology.lans_of(router) {
        let on_it = if lan.elects() { disagreements_on } else { disagreements_among };
        found.extend(on_it(network, router, index));
    }
    for (interface, _, neighbor) in situation.topology.virtual_links_of(router) {
        let state = network.neighbor(router, interface, neighbor);
        if answers.oracle().has_virtual_link(interface) != (state == NeighborState::Full) {
            found.push(Disagreement::Adjacency { router, interface, neighbor, state });
        }
    }
    let expected = answers.routes(router);
    let engine = network.engine(router).expect("it runs");
    let actual: BTreeMap<_, _> = engine.routes().collect();
    if !network.told_all(router) {
        found.push(Disagreement::Telling { router });
    }
    let prefixes: BTreeSet<_> = expected.keys().chain(actual.keys()).copied().collect();
    for prefix in prefixes {
        let (expected, actual) = (expected.get(&prefix), actual.get(&prefix).copied());
        if !agree(network, prefix, expected, actual) {
            let (expected, actual) = (expected.cloned(), actual.cloned());
            found.push(Disagreement::Route { router, prefix, expected, actual });
        }
    }
    found
}

/// Returns what is wrong with the adjacencies of a router on a LAN. They must be with the designated router and its backup (RFC 2328
/// §10.4); each of these must be eligible, and must exist if any router is eligible (§9.4).
fn disagreements_on(network: &Network, router: RouterIndex, lan: LanIndex) -> Vec<Disagreement> {
    let situation = network.situation();
    let interface = lan.interface();
    let view = network.engine(router).and_then(|engine| engine.interfaces().find(|view| view.interface == interface));
    let Some(view) = view else { return Vec::new() };
    let has = [view.designated_router, view.backup_designated_router];
    let heard: Vec<_> = match situation.is_plugged(lan, router) {
        true => situation.heard_on(lan).copied().collect(),
        false => {
            situation.topology.lans_of(router).filter(|(index, _, _)| *index == lan).map(|(_, _, end)| end).collect()
        }
    };
    let address = |router| situation.topology.lan_address(lan, router);
    let network_kind = situation.topology.lans[lan.0].network;
    let eligible: BTreeSet<_> =
        heard.iter().filter(|end| end.priority > 0).filter_map(|end| address(end.router)).collect();
    let may = |address| eligible.contains(&address);
    let is_one = |designated: Option<Ipv4Addr>, wanted: bool| match designated {
        Some(designated) => eligible.contains(&designated),
        None => !wanted,
    };
    let mut found = Vec::new();
    let distinct = has[0].is_none() || has[0] != has[1];
    if !is_one(has[0], !eligible.is_empty()) || !is_one(has[1], eligible.len() > 1) || !distinct {
        found.push(Disagreement::Designated { router, lan, has });
    }
    if let Some(designated) = has[0].filter(|_| heard.len() > 1)
        && !describes_transit(network, router, lan, designated)
    {
        found.push(Disagreement::Transit { router, lan, designated });
    }
    for end in &situation.topology.lans[lan.0].ends {
        let neighbor = end.router;
        if neighbor == router {
            continue;
        }
        let state = network.neighbor(router, interface, neighbor);
        let heard = heard.iter().any(|end| end.router == neighbor);
        let adjacent =
            [router, neighbor].into_iter().any(|end| address(end).is_some_and(|end| has.contains(&Some(end))));
        // RFC 2328 §9.5.1: on non-broadcast networks, routers that are not eligible send hellos to designated routers only.
        let greeted = adjacent || network_kind == LanNetwork::Broadcast || {
            address(router).is_some_and(may) && address(neighbor).is_some_and(may)
        };
        let right = match state {
            NeighborState::Full => heard && adjacent,
            NeighborState::TwoWay => heard && !adjacent && greeted,
            NeighborState::Down => !heard || !greeted,
            _ => false,
        };
        if !right {
            found.push(Disagreement::Adjacency { router, interface, neighbor, state });
        }
    }
    found
}

/// Returns what is wrong with the adjacencies of a router on a point-to-multipoint network, which must be with all routers that it
/// receives.
fn disagreements_among(network: &Network, router: RouterIndex, lan: LanIndex) -> Vec<Disagreement> {
    let situation = network.situation();
    let interface = lan.interface();
    let pairs = situation.pairs_on(lan);
    let neighbors = situation.topology.lans[lan.0].ends.iter().map(|end| end.router).filter(|&end| end != router);
    let states = neighbors.map(|neighbor| (neighbor, network.neighbor(router, interface, neighbor)));
    let joined = |neighbor| pairs.iter().any(|(near, far)| (near.router, far.router) == (router, neighbor));
    let wrong = states.filter(|&(neighbor, state)| match state {
        NeighborState::Full => !joined(neighbor),
        NeighborState::Down => joined(neighbor),
        _ => true,
    });
    wrong.map(|(neighbor, state)| Disagreement::Adjacency { router, interface, neighbor, state }).collect()
}

/// Whether a router's own Router-LSA has a link to the transit network of a designated router (RFC 2328 §12.4.1.2). Until then the LAN is a
/// stub network, to which the same route may lead.
fn describes_transit(network: &Network, router: RouterIndex, lan: LanIndex, designated: Ipv4Addr) -> bool {
    let domain = Domain::Area(network.situation().topology.lans[lan.0].area);
    let mut lsas = network.engine(router).into_iter().flat_map(ospf::Engine::lsdb);
    let own = |view: &LsaView| {
        let key = view.lsa.header.key;
        view.domain == domain
            && key.kind == LsaType::ROUTER
            && key.advertising_router == network.situation().topology.id(router)
    };
    let Some(Ok(LsaBody::Router(lsa))) = lsas.find(own).map(|view| view.lsa.parse()) else { return false };
    let to_lan = |link: &RouterLink| link.kind == RouterLinkKind::Transit && link.id == designated;
    lsa.links.iter().any(to_lan)
}

/// Whether two routes are equal in all that the topology determines. It does not determine the designated router that originates a LAN's
/// network, and the area if paths of equal cost lead outside.
fn agree(network: &Network, prefix: Prefix, expected: Option<&Route>, actual: Option<&Route>) -> bool {
    let topology = &network.situation().topology;
    let strip = |route: &Route| {
        let mut route = route.clone();
        if route.kind == RouteKind::IntraArea && topology.lans().any(|(lan, _)| lan.subnet() == prefix) {
            route.originators.clear();
        }
        if matches!(route.kind, RouteKind::External1 | RouteKind::External2) && route.originators.len() > 1 {
            route.area = AreaId::BACKBONE;
        }
        route
    };
    expected == actual || expected.map(strip) == actual.map(strip)
}

/// Compares the database of each router, LSA by LSA, with that of the first router that should have the same one.
fn databases(network: &Network, oracle: &Oracle<'_>) -> Vec<Disagreement> {
    let mut found = Vec::new();
    let mut groups: BTreeMap<Domain, Vec<(RouterIndex, Instances)>> = BTreeMap::new();
    let with_engine = |router: &RouterIndex| network.engine(*router).is_some();
    for router in network.situation().running().filter(with_engine) {
        let mut mine: BTreeMap<Domain, Instances> = BTreeMap::new();
        for domain in oracle.domains(router) {
            mine.entry(domain).or_default();
        }
        for ((domain, key), instance) in instances(network, router) {
            mine.entry(domain).or_default().insert(key, instance);
        }
        for (domain, mine) in mine {
            let groups = groups.entry(domain).or_default();
            let Some((other, theirs)) = groups.iter().find(|(other, _)| oracle.share(domain, router, *other)) else {
                groups.push((router, mine));
                continue;
            };
            if mine == *theirs {
                continue;
            }
            let keys: BTreeSet<_> = mine.keys().chain(theirs.keys()).copied().collect();
            found.extend(keys.into_iter().filter(|key| mine.get(key) != theirs.get(key)).map(|key| {
                let instances = [mine.get(&key).copied(), theirs.get(&key).copied()];
                Disagreement::Database { router, other: *other, domain, key, instances }
            }));
        }
    }
    found
}

/// Returns a router's LSAs, without those that are being flushed (RFC 2328 §14).
fn instances(network: &Network, router: RouterIndex) -> BTreeMap<(Domain, LsaKey), Instance> {
    let engine = network.engine(router).expect("it runs");
    let lsas = engine.lsdb().filter(|view| !view.lsa.header.is_max_age());
    lsas.map(|view| ((view.domain, view.lsa.header.key), (view.lsa.header.sequence, view.lsa.header.checksum)))
        .collect()
}

/// Returns a destination whose packets would loop without an explanation, if there is one. The routing tables are taken together as they
/// are.
pub fn first_loop(network: &Network, is_explained: impl Fn(Prefix) -> bool) -> Option<Disagreement> {
    // Destinations are checked one by one, because the paths to all of them at once are too many in large networks.
    let engines = network.situation().running().filter_map(|router| Some((router, network.engine(router)?)));
    let mut tables: Vec<_> = engines.map(|(router, engine)| (router, engine.routes().peekable())).collect();
    loop {
        let prefix = tables.iter_mut().filter_map(|(_, routes)| Some(routes.peek()?.0)).min()?;
        let mut ways = BTreeMap::new();
        for (router, routes) in &mut tables {
            if let Some((_, route)) = routes.next_if(|&(next, _)| next == prefix) {
                let next = route.nexthops.iter().filter_map(|nexthop| next_router(network, *router, nexthop));
                ways.insert(*router, next.collect());
            }
        }
        if let Some(routers) = circle(&ways).filter(|_| !is_explained(prefix)) {
            return Some(Disagreement::Loop { prefix, routers });
        }
    }
}

/// Returns alternates from which a packet may come back to the router that has them, or by which it may meet a failed router that they are
/// to avoid, if all other routers forward by their routes. When a network has been quiet for a while, there are none.
pub(crate) fn bad_alternates(network: &Network) -> impl Iterator<Item = Disagreement> {
    let engines = || network.situation().running().filter_map(|router| Some((router, network.engine(router)?)));
    let tables: BTreeMap<RouterIndex, BTreeMap<Prefix, &Route>> =
        engines().map(|(router, engine)| (router, engine.routes().collect())).collect();
    let protections = engines().flat_map(|(router, engine)| engine.protections().map(move |one| (router, one)));
    let alternates = protections.flat_map(|(router, (prefix, protection))| {
        let found = protection.nexthops.iter().filter_map(|(primary, found)| Some((*primary, *found.as_ref().ok()?)));
        found.map(move |(primary, alternate)| (router, prefix, primary, alternate))
    });
    let bad = alternates.filter_map(|(router, prefix, primary, alternate)| {
        let failed = next_router(network, router, &primary).filter(|_| alternate.node_protecting);
        let mut way: Vec<(RouterIndex, Option<Route>)> = Vec::new();
        let mut next: Vec<_> = next_router(network, router, &alternate.nexthop).into_iter().collect();
        while let Some(here) = next.pop() {
            if way.iter().any(|(before, _)| *before == here) {
                continue;
            }
            let route = entry(network, &tables, here, prefix);
            way.push((here, route.cloned()));
            if here == router || Some(here) == failed {
                let route = entry(network, &tables, router, prefix).cloned();
                return Some(Disagreement::Alternate { router, prefix, alternate, way, route });
            }
            let hops = route.into_iter().flat_map(|route| &route.nexthops);
            next.extend(hops.filter_map(|hop| next_router(network, here, hop)));
        }
        None
    });
    bad.collect::<Vec<_>>().into_iter()
}

/// Returns the route by which a router forwards packets to a destination; `None` if they have arrived, or are dropped.
fn entry<'a>(
    network: &Network,
    tables: &BTreeMap<RouterIndex, BTreeMap<Prefix, &'a Route>>,
    router: RouterIndex,
    prefix: Prefix,
) -> Option<&'a Route> {
    let table = tables.get(&router)?;
    // Its own addresses and networks have no entry, and what it brings in from outside it knows from there.
    let topology = network.situation().configured_at(router);
    let mut own = topology.addresses(router);
    let is_here = !table.contains_key(&prefix) && own.any(|address| prefix.contains(address));
    if is_here || topology.routers[router.0].externals.contains_key(&prefix) {
        return None;
    }
    let mut covering = (0..=prefix.len()).rev().map(|len| Prefix::new(prefix.network(), len));
    covering.find_map(|covering| table.get(&covering).copied())
}

/// Returns the router that a next hop leads to; `None` if the destination is on that network.
fn next_router(network: &Network, router: RouterIndex, nexthop: &Nexthop) -> Option<RouterIndex> {
    let via = nexthop.via?;
    let topology = &network.situation().topology;
    if let Some(lan) = LanIndex::of(nexthop.interface) {
        let mut ends = topology.lans.get(lan.0)?.ends.iter().map(|end| end.router);
        return ends.find(|&end| topology.lan_address(lan, end) == Some(via));
    }
    let link = topology.links.get(LinkIndex::of(nexthop.interface)?.0)?;
    let side = link.side_of(router)?;
    Some(link.end(side.other()).router)
}

/// Returns routers that form a loop. They are what remains when routers that lead to no router are removed repeatedly.
fn circle(ways: &BTreeMap<RouterIndex, Vec<RouterIndex>>) -> Option<Vec<RouterIndex>> {
    let mut from: BTreeMap<RouterIndex, Vec<RouterIndex>> = BTreeMap::new();
    let mut left: BTreeMap<RouterIndex, usize> = BTreeMap::new();
    for (&router, next) in ways {
        left.insert(router, next.len());
        for &next in next {
            from.entry(next).or_default().push(router);
            left.entry(next).or_insert_with(|| ways.get(&next).map_or(0, Vec::len));
        }
    }
    let mut done: Vec<_> = left.iter().filter(|&(_, &count)| count == 0).map(|(&router, _)| router).collect();
    while let Some(router) = done.pop() {
        left.remove(&router);
        for before in from.remove(&router).unwrap_or_default() {
            let count = left.get_mut(&before).expect("it leads to one that was left");
            *count -= 1;
            if *count == 0 {
                done.push(before);
            }
        }
    }
    (!left.is_empty()).then(|| left.into_keys().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ways(ways: &[(usize, &[usize])]) -> BTreeMap<RouterIndex, Vec<RouterIndex>> {
        let index = |&router: &usize| RouterIndex(router);
        ways.iter().map(|(router, next)| (index(router), next.iter().map(index).collect())).collect()
    }

    #[test]
    fn equal_ways_to_one_place_are_no_circle() {
        assert_eq!(circle(&ways(&[(0, &[1, 2]), (1, &[3]), (2, &[3]), (3, &[])])), None);
        // Router 4 has no route itself: packets end there.
        assert_eq!(circle(&ways(&[(0, &[4]), (1, &[0])])), None);
        assert_eq!(circle(&ways(&[])), None);
    }

    #[test]
    fn a_circle_is_found_with_those_that_lead_into_it() {
        let found = circle(&ways(&[(0, &[1]), (1, &[2, 3]), (2, &[1]), (3, &[])])).unwrap();
        assert_eq!(found, [RouterIndex(0), RouterIndex(1), RouterIndex(2)]);
    }
}
