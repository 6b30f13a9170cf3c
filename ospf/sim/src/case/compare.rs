//! Compares the results of a router with those that a case expects, and reports what is missing, unexpected or different.

use std::collections::BTreeSet;
use std::fmt;

use ospf::Prefix;

use super::expected::{CaseNeighbor, CaseRoute, Outcome};

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// A route that is missing (`has` is empty), unexpected (`expected` is empty), or different.
    Route {
        /// The destination.
        prefix: Prefix,
        /// The routes by the case.
        expected: Vec<CaseRoute>,
        /// The routes of the router.
        has: Vec<CaseRoute>,
    },
    /// An expected neighbour is not there in this state.
    MissingNeighbor(CaseNeighbor),
    /// A neighbour is in a state in which it is not expected.
    UnexpectedNeighbor(CaseNeighbor),
}

/// The result of comparing a router with what a case expects of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterReport {
    /// The router's name.
    pub router: String,
    /// The number of routes and neighbours that were expected.
    pub compared: usize,
    /// The differences, sorted.
    pub differences: Vec<Difference>,
    /// Descriptions of packets that the router refused, which may explain a missing neighbour.
    pub refusals: Vec<String>,
}

/// Compares the routes and neighbours as sets.
pub(super) fn differences(expected: &Outcome, has: &Outcome) -> Vec<Difference> {
    let prefixes: BTreeSet<_> = expected.routes.iter().chain(&has.routes).map(|route| route.prefix).collect();
    let routes = prefixes.into_iter().filter_map(|prefix| {
        let of = |outcome: &Outcome| -> Vec<CaseRoute> {
            outcome.routes.iter().filter(|route| route.prefix == prefix).cloned().collect()
        };
        let (expected, has) = (of(expected), of(has));
        let same = expected.len() == has.len() && expected.iter().zip(&has).all(|(expected, has)| has.is(expected));
        (!same).then_some(Difference::Route { prefix, expected, has })
    });
    let missing = expected.neighbors.difference(&has.neighbors).cloned().map(Difference::MissingNeighbor);
    let unexpected = has.neighbors.difference(&expected.neighbors).cloned().map(Difference::UnexpectedNeighbor);
    routes.chain(missing).chain(unexpected).collect()
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, word: &str, routes: &[CaseRoute]| {
            routes.iter().try_for_each(|route| write!(f, "\n    {word} {route}"))
        };
        match self {
            Self::Route { expected, has, .. } if has.is_empty() => {
                f.write_str("missing")?;
                expected.iter().try_for_each(|route| write!(f, " {route}"))
            }
            Self::Route { expected, has, .. } if expected.is_empty() => {
                f.write_str("unexpected")?;
                has.iter().try_for_each(|route| write!(f, " {route}"))
            }
            Self::Route { prefix, expected, has } => {
                write!(f, "differs {prefix}")?;
                list(f, "expected", expected)?;
                list(f, "has     ", has)
            }
            Self::MissingNeighbor(neighbor) => write!(f, "missing {neighbor}"),
            Self::UnexpectedNeighbor(neighbor) => write!(f, "unexpected {neighbor}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use ospf::{AreaId, NeighborState, RouterId};

    use super::*;
    use crate::case::expected::{CaseRouteKind, Hop};

    fn route(network: [u8; 4], metric: u32, hops: &[(&str, Option<[u8; 4]>)]) -> CaseRoute {
        let hop = |&(interface, via): &(&str, Option<[u8; 4]>)| Hop {
            interface: interface.to_owned(),
            via: via.map(Ipv4Addr::from),
        };
        let (prefix, hops) = (Prefix::new(network.into(), 24), hops.iter().map(hop).collect());
        CaseRoute { prefix, metric, kind: CaseRouteKind::IntraArea, hops }
    }

    fn outcome(routes: &[CaseRoute]) -> Outcome {
        Outcome { routes: routes.iter().cloned().collect(), neighbors: BTreeSet::new() }
    }

    fn told(expected: &[CaseRoute], has: &[CaseRoute]) -> Vec<String> {
        differences(&outcome(expected), &outcome(has)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn next_hops_compare_as_sets_and_everything_that_differs_is_told_once() {
        let [one, two] = [("a", Some([10, 0, 0, 1])), ("b", Some([10, 0, 1, 1]))];
        let both = route([10, 1, 0, 0], 5, &[one, two]);
        assert_eq!(told(std::slice::from_ref(&both), &[route([10, 1, 0, 0], 5, &[two, one])]), [""; 0]);
        assert_eq!(
            told(std::slice::from_ref(&both), &[route([10, 1, 0, 0], 5, &[one])]),
            ["differs 10.1.0.0/24\n    expected 10.1.0.0/24 intra-area 5 via 10.0.0.1%a via 10.0.1.1%b\n    \
              has      10.1.0.0/24 intra-area 5 via 10.0.0.1%a"]
        );
        let other = route([10, 2, 0, 0], 5, &[one]);
        assert_eq!(
            told(&[both], &[other]),
            [
                "missing 10.1.0.0/24 intra-area 5 via 10.0.0.1%a via 10.0.1.1%b",
                "unexpected 10.2.0.0/24 intra-area 5 via 10.0.0.1%a"
            ]
        );
        let kind = CaseRoute { kind: CaseRouteKind::InterArea, ..route([10, 2, 0, 0], 5, &[one]) };
        assert_eq!(told(&[route([10, 2, 0, 0], 5, &[one])], &[kind]).len(), 1);
        assert_eq!(told(&[route([10, 2, 0, 0], 5, &[one])], &[route([10, 2, 0, 0], 6, &[one])]).len(), 1);
    }

    #[test]
    fn a_network_of_its_own_may_be_written_without_next_hops_but_a_next_hop_may_not_be_left_out() {
        let own = route([10, 1, 0, 0], 5, &[("a", None)]);
        assert_eq!(told(&[route([10, 1, 0, 0], 5, &[])], std::slice::from_ref(&own)), [""; 0]);
        assert_eq!(told(&[own], &[route([10, 1, 0, 0], 5, &[])]).len(), 1);
        let away = route([10, 1, 0, 0], 5, &[("a", Some([10, 0, 0, 1]))]);
        assert_eq!(told(&[route([10, 1, 0, 0], 5, &[])], &[away]).len(), 1);
    }

    #[test]
    fn a_neighbour_in_another_state_is_missing_in_one_and_unexpected_in_the_other() {
        let neighbor = |state| CaseNeighbor {
            interface: "a".to_owned(),
            area: AreaId::BACKBONE,
            router_id: RouterId(0x0101_0101),
            state,
        };
        let of = |state| Outcome { neighbors: BTreeSet::from([neighbor(state)]), ..Outcome::default() };
        let found = differences(&of(NeighborState::Full), &of(NeighborState::TwoWay));
        let missing = Difference::MissingNeighbor(neighbor(NeighborState::Full));
        assert_eq!(found, [missing, Difference::UnexpectedNeighbor(neighbor(NeighborState::TwoWay))]);
        assert_eq!(differences(&of(NeighborState::Full), &of(NeighborState::Full)), []);
    }
}
