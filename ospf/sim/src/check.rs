//! Whether a network has converged: what every router knows, against the oracle and against each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ospf::{Domain, LsaKey, NeighborState, Nexthop, Prefix, Route, SequenceNumber};

use crate::network::Network;
use crate::oracle::Oracle;
use crate::topology::{LinkIndex, RouterIndex};

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
        /// On which link.
        link: LinkIndex,
        /// What it says.
        state: NeighborState,
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

/// A router's LSAs.
type Instances = BTreeMap<(Domain, LsaKey), Instance>;

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
        databases(network, self.oracle).is_none()
    }
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
        let joined = situation.trouble(link).is_none() && situation.runs(description.end(side.other()).router);
        let state = network.neighbor(router, link);
        if joined != (state == NeighborState::Full) {
            found.push(Disagreement::Adjacency { router, link, state });
        }
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
        if expected != actual {
            let (expected, actual) = (expected.cloned(), actual.cloned());
            found.push(Disagreement::Route { router, prefix, expected, actual });
        }
    }
    found
}

/// The first difference between the databases of a router and of the first one it reaches.
fn databases(network: &Network, oracle: &Oracle<'_>) -> Option<Disagreement> {
    let mut groups: Vec<(RouterIndex, Instances)> = Vec::new();
    for router in network.situation().running() {
        let mine = instances(network, router);
        let Some((other, theirs)) = groups.iter().find(|(other, _)| oracle.distance(router, *other).is_some()) else {
            groups.push((router, mine));
            continue;
        };
        if mine != *theirs {
            let keys = mine.keys().chain(theirs.keys());
            let &place = keys.filter(|&place| mine.get(place) != theirs.get(place)).min()?;
            let instances = [mine.get(&place).copied(), theirs.get(&place).copied()];
            return Some(Disagreement::Database { router, other: *other, key: place.1, instances });
        }
    }
    None
}

/// A router's LSAs; those being flushed (RFC 2328 §14) are as good as gone.
fn instances(network: &Network, router: RouterIndex) -> Instances {
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
    nexthop.via?;
    let link = network.situation().topology.links.get(LinkIndex::of(nexthop.interface)?.0)?;
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
            Self::Adjacency { router, link, state } => {
                write!(f, "router {router}, link {}: the neighbour is {state}", link.0)
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
