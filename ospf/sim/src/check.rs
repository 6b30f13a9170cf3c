//! Whether a network has converged: what every router knows, against the oracle and against each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;

use ospf::{AreaId, Domain, InterfaceId, LsaKey, NeighborState, Nexthop, Prefix, Route, RouteKind, SequenceNumber};

use crate::network::Network;
use crate::oracle::Oracle;
use crate::topology::{LanIndex, LinkIndex, RouterIndex};

/// At most this many disagreements are told; the first ones tell.
pub const MAX_TOLD: usize = 20;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disagreement {
    /// A route is missing, too much, or other than the oracle says.
    Route {
        /// Whose.
        router: RouterIndex,
        /// Where to.
        prefix: Prefix,
        /// What the oracle says.
        expected: Option<Route>,
        /// What the router says.
        actual: Option<Route>,
    },
    /// The routes that an engine told of, one by one, are not those that it has.
    Telling {
        /// Whose.
        router: RouterIndex,
    },
    /// Two routers hear each other and are not fully adjacent, or the other way round.
    Adjacency {
        /// Whose.
        router: RouterIndex,
        /// On which interface.
        interface: InterfaceId,
        /// Of whom.
        neighbor: RouterIndex,
        /// What it says.
        state: NeighborState,
    },
    /// The routers on a LAN do not all have the same designated routers, or such as cannot be.
    Designated {
        /// Whose.
        router: RouterIndex,
        /// On which LAN.
        lan: LanIndex,
        /// The designated router and its backup, as it says.
        has: [Option<Ipv4Addr>; 2],
    },
    /// Two routers that reach each other have different databases.
    Database {
        /// One.
        router: RouterIndex,
        /// The other.
        other: RouterIndex,
        /// The first LSA in which they differ.
        key: LsaKey,
        /// What each has of it.
        instances: [Option<Instance>; 2],
    },
    /// Packets to a destination go round in circles.
    Loop {
        /// Where to.
        prefix: Prefix,
        /// Round these.
        routers: Vec<RouterIndex>,
    },
}

/// What tells instances of an LSA apart (RFC 2328 §13.1), age aside.
pub type Instance = (SequenceNumber, u16);

/// A router's LSAs in one of its databases.
type Instances = BTreeMap<LsaKey, Instance>;

/// Compares tables and adjacencies with the oracle, router by router, and remembers who was right.
#[derive(Debug)]
pub struct Progress<'a> {
    oracle: &'a Oracle<'a>,
    wrong: BTreeSet<RouterIndex>,
}

impl<'a> Progress<'a> {
    /// Nobody has been looked at yet.
    pub fn new(oracle: &'a Oracle<'a>, network: &Network) -> Self {
        Self { oracle, wrong: network.situation().running().collect() }
    }

    /// Looks at those who were wrong and those who have changed since. Whether all are right now.
    pub fn look(&mut self, network: &mut Network) -> bool {
        self.wrong.append(&mut network.take_changed());
        // The first that is wrong is enough for now.
        while let Some(&router) = self.wrong.first() {
            if !disagreements_of(network, self.oracle, router).is_empty() {
                return false;
            }
            self.wrong.remove(&router);
        }
        databases(network, self.oracle).is_none() && !work_is_due(network)
    }
}

/// Whether somebody has yet to calculate routes, or to say something new of itself: what the comparison leaves out may still change, such
/// as who originates a network to which the way stays the same.
fn work_is_due(network: &Network) -> bool {
    let mut engines = network.situation().running().filter_map(|router| network.engine(router));
    engines.any(|engine| engine.spf().due_in.is_some() || engine.has_news())
}

/// All that is wrong, up to [`MAX_TOLD`]: routes, adjacencies, databases, loops.
pub fn disagreements(network: &Network, oracle: &Oracle<'_>) -> Vec<Disagreement> {
    let mut found = Vec::new();
    for router in network.situation().running() {
        found.extend(disagreements_of(network, oracle, router));
        if found.len() >= MAX_TOLD {
            found.truncate(MAX_TOLD);
            return found;
        }
    }
    found.extend(databases(network, oracle));
    found.extend(first_loop(network));
    found
}

/// What is wrong with the table and the adjacencies of one router that runs.
fn disagreements_of(network: &Network, oracle: &Oracle<'_>, router: RouterIndex) -> Vec<Disagreement> {
    let situation = network.situation();
    let mut found = Vec::new();
    for (link, description, side) in situation.topology.links_of(router) {
        let (interface, neighbor) = (link.interface(), description.end(side.other()).router);
        let joined = situation.trouble(link).is_none() && situation.runs(neighbor);
        let state = network.neighbor(router, interface, neighbor);
        if joined != (state == NeighborState::Full) {
            found.push(Disagreement::Adjacency { router, interface, neighbor, state });
        }
    }
    for (lan, _, _) in situation.topology.lans_of(router) {
        found.extend(disagreements_on(network, router, lan));
    }
    let expected = oracle.routes(router);
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

/// What is wrong with the adjacencies of a router on a LAN: they are with the designated router and its backup (RFC 2328 §10.4), of
/// which each is one that may be, and there if somebody may be (§9.4).
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
    let eligible: BTreeSet<_> =
        heard.iter().filter(|end| end.priority > 0).filter_map(|end| address(end.router)).collect();
    let is_one = |designated: Option<Ipv4Addr>, wanted: bool| match designated {
        Some(designated) => eligible.contains(&designated),
        None => !wanted,
    };
    let mut found = Vec::new();
    let distinct = has[0].is_none() || has[0] != has[1];
    if !is_one(has[0], !eligible.is_empty()) || !is_one(has[1], eligible.len() > 1) || !distinct {
        found.push(Disagreement::Designated { router, lan, has });
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
        let right = match state {
            NeighborState::Full => heard && adjacent,
            NeighborState::TwoWay => heard && !adjacent,
            NeighborState::Down => !heard,
            _ => false,
        };
        if !right {
            found.push(Disagreement::Adjacency { router, interface, neighbor, state });
        }
    }
    found
}

/// Whether two routes are the same in all that a topology determines: not in who is the designated router of a LAN and originates its
/// network, nor in which area counts where equally long ways lead outside.
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

/// The first difference between the databases of a router and of the first one with which it shares one.
fn databases(network: &Network, oracle: &Oracle<'_>) -> Option<Disagreement> {
    let mut groups: BTreeMap<Domain, Vec<(RouterIndex, Instances)>> = BTreeMap::new();
    for router in network.situation().running() {
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
            if mine != *theirs {
                let keys = mine.keys().chain(theirs.keys());
                let &key = keys.filter(|&key| mine.get(key) != theirs.get(key)).min()?;
                let instances = [mine.get(&key).copied(), theirs.get(&key).copied()];
                return Some(Disagreement::Database { router, other: *other, key, instances });
            }
        }
    }
    None
}

/// A router's LSAs; those being flushed (RFC 2328 §14) are as good as gone.
fn instances(network: &Network, router: RouterIndex) -> BTreeMap<(Domain, LsaKey), Instance> {
    let engine = network.engine(router).expect("it runs");
    let lsas = engine.lsdb().filter(|view| !view.lsa.header.is_max_age());
    lsas.map(|view| ((view.domain, view.lsa.header.key), (view.lsa.header.sequence, view.lsa.header.checksum)))
        .collect()
}

/// A destination to which packets would go round in circles, if there is one. Tables are taken together, as they stand.
pub fn first_loop(network: &Network) -> Option<Disagreement> {
    // One destination after the other: the ways to all of them at once are too many for large networks.
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
        if let Some(routers) = circle(&ways) {
            return Some(Disagreement::Loop { prefix, routers });
        }
    }
}

/// Where a next hop leads; `None` if to the destination's own network.
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

/// Routers that lead to each other in a circle: what is left when those are taken away, again and again, that lead to nobody.
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

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route { router, prefix, expected, actual } => {
                write!(f, "router {router}, {prefix}: expected {}, has {}", Told(expected), Told(actual))
            }
            Self::Telling { router } => {
                write!(f, "router {router}: the changes it told do not add up to its routing table")
            }
            Self::Adjacency { router, interface, neighbor, state } => {
                write!(f, "router {router}, interface {}: neighbour {neighbor} is {state}", interface.0)
            }
            Self::Designated { router, lan, has: [designated, backup] } => {
                write!(f, "router {router}, LAN {}: designated router {designated:?}, backup {backup:?}", lan.0)
            }
            Self::Database { router, other, key, instances: [mine, theirs] } => {
                write!(f, "databases of {router} and {other} differ in {key}: {mine:04x?} and {theirs:04x?}")
            }
            Self::Loop { prefix, routers } => {
                write!(f, "packets to {prefix} go round:")?;
                routers.iter().try_for_each(|router| write!(f, " {router}"))
            }
        }
    }
}

/// A route in one line.
struct Told<'a>(&'a Option<Route>);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(route) = self.0 else { return f.write_str("nothing") };
        write!(f, "{:?} {} from", route.kind, route.metric)?;
        route.originators.iter().try_for_each(|originator| write!(f, " {originator}"))?;
        f.write_str(" by")?;
        for Nexthop { interface, via } in &route.nexthops {
            match via {
                Some(via) => write!(f, " {via}%{}", interface.0)?,
                None => write!(f, " %{}", interface.0)?,
            }
        }
        Ok(())
    }
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
