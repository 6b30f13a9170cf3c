//! The first seconds after a start, in which the routes of the previous run are kept.
//!
//! A restarted daemon finds its old routes in the kernel before it has any of its own. They stay until OSPF has had time to calculate
//! others, so that a restart does not lose packets.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use ospf::Prefix;

use crate::reconcile::state::{Route, RouteKey};

/// The time for the last LSAs and the route calculation, after every neighbour is Full and has a route.
const AFTERMATH: Duration = Duration::from_millis(500);

/// Whether old routes are still kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settling {
    /// They are kept until this time at the latest.
    Until(Instant),
    /// They are not kept any more.
    Settled,
}

impl Settling {
    /// Starts to keep old routes, for at most `patience`.
    pub(super) fn start(now: Instant, patience: Duration) -> Self {
        Self::Until(now + patience)
    }

    /// Shortens the time that remains, when every expected neighbour is Full and has a route ([`has_converged`]).
    pub(super) fn converged(&mut self, now: Instant) {
        if let Self::Until(deadline) = self {
            *deadline = (*deadline).min(now + AFTERMATH);
        }
    }

    /// Stops keeping old routes when their time is over.
    pub(super) fn advance(&mut self, now: Instant) {
        if let Self::Until(deadline) = self
            && now >= *deadline
        {
            *self = Self::Settled;
        }
    }

    /// When the old routes are dropped; `None` if they are not kept any more.
    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Self::Until(deadline) => Some(deadline),
            Self::Settled => None,
        }
    }

    /// Adds the routes found in the kernel to the desired ones, for destinations that have no desired route.
    pub(super) fn keep(self, desired: &mut BTreeMap<RouteKey, Route>, observed: &BTreeMap<RouteKey, Route>) {
        if let Self::Until(_) = self {
            for (key, route) in observed {
                desired.entry(*key).or_insert_with(|| route.clone());
            }
        }
    }
}

/// Whether all `neighbors` are Full and `routes` lead to them. Each neighbour is given by whether it is Full, and its loopback.
///
/// Full alone is not enough: the far end's Router-LSA may have to wait for MinLSInterval before it lists the adjacency, and until then no
/// route uses it (RFC 2328 §16.1 (2) (b)).
pub(super) fn has_converged<R>(
    neighbors: impl IntoIterator<Item = (bool, Ipv4Addr)>,
    routes: &BTreeMap<Prefix, R>,
) -> bool {
    let mut neighbors = neighbors.into_iter();
    neighbors.all(|(is_full, loopback)| is_full && routes.contains_key(&Prefix::host(loopback)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::mesh::IfName;
    use crate::reconcile::state::{MAIN_TABLE, Nexthop};

    fn route(interface: &str) -> Route {
        let interface = IfName::new(interface).unwrap();
        Route::unicast(BTreeSet::from([Nexthop { interface, via: None, onlink: false }]), None)
    }

    fn key(last: u8) -> RouteKey {
        RouteKey { table: MAIN_TABLE, prefix: Prefix::new([10, last, 0, 0].into(), 16) }
    }

    #[test]
    fn old_routes_stay_only_where_ospf_knows_none_and_only_while_settling() {
        let observed = BTreeMap::from([(key(2), route("wg-old")), (key(3), route("wg-old"))]);
        let known = BTreeMap::from([(key(2), route("wg-new"))]);
        let start = Instant::now();
        let mut settling = Settling::start(start, Duration::from_secs(5));

        let mut desired = known.clone();
        settling.keep(&mut desired, &observed);
        assert_eq!(desired, BTreeMap::from([(key(2), route("wg-new")), (key(3), route("wg-old"))]));

        settling.advance(start + Duration::from_secs(5));
        assert_eq!(settling, Settling::Settled);
        let mut desired = known.clone();
        settling.keep(&mut desired, &observed);
        assert_eq!(desired, known);
    }

    #[test]
    fn convergence_ends_the_settling_early_and_never_later() {
        let start = Instant::now();
        let mut settling = Settling::start(start, Duration::from_secs(5));
        settling.converged(start + Duration::from_secs(1));
        assert_eq!(settling.deadline(), Some(start + Duration::from_secs(1) + AFTERMATH));
        settling.converged(start + Duration::from_secs(9));
        assert_eq!(settling.deadline(), Some(start + Duration::from_secs(1) + AFTERMATH));
    }

    #[test]
    fn a_neighbor_that_is_full_counts_once_there_is_a_route_to_it() {
        let [one, other] = [Ipv4Addr::new(10, 255, 0, 1), Ipv4Addr::new(10, 255, 0, 2)];
        let mut routes = BTreeMap::from([(Prefix::host(one), ())]);
        assert!(has_converged([(true, one)], &routes));
        assert!(!has_converged([(true, one), (true, other)], &routes));
        routes.insert(Prefix::host(other), ());
        assert!(has_converged([(true, one), (true, other)], &routes));
        assert!(!has_converged([(false, one), (true, other)], &routes));
    }
}
