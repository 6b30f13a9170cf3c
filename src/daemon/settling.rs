//! The first seconds after a start, in which routes of the last run are better than none.
//!
//! A restarted daemon finds its old routes in the kernel while it knows none yet. They stay until OSPF has had the time to say
//! otherwise, so that a restart loses no packet.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use ospf::Prefix;

use crate::reconcile::state::{Route, RouteKey};

/// After every neighbour is Full and reached: time for the last LSAs and the route calculation.
const AFTERMATH: Duration = Duration::from_millis(500);

/// Whether old routes are still kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settling {
    /// Until this moment at the latest.
    Until(Instant),
    /// Not any more.
    Settled,
}

impl Settling {
    /// Starts to settle; after `patience` whatever OSPF knows is the truth.
    pub(super) fn start(now: Instant, patience: Duration) -> Self {
        Self::Until(now + patience)
    }

    /// Every neighbour that should be there is Full, and there is a route to each ([`has_converged`]): what remains is a moment.
    pub(super) fn converged(&mut self, now: Instant) {
        if let Self::Until(deadline) = self {
            *deadline = (*deadline).min(now + AFTERMATH);
        }
    }

    /// Ends the settling when its time has come.
    pub(super) fn advance(&mut self, now: Instant) {
        if let Self::Until(deadline) = self
            && now >= *deadline
        {
            *self = Self::Settled;
        }
    }

    /// When to come back; `None` once settled.
    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Self::Until(deadline) => Some(deadline),
            Self::Settled => None,
        }
    }

    /// Adds the routes found in the kernel to those desired, where these have none.
    pub(super) fn keep(self, desired: &mut BTreeMap<RouteKey, Route>, observed: &BTreeMap<RouteKey, Route>) {
        if let Self::Until(_) = self {
            for (key, route) in observed {
                desired.entry(*key).or_insert_with(|| route.clone());
            }
        }
    }
}

/// Whether all `neighbors`, of which each is given as whether it is Full and by its loopback, are fully adjacent and `routes` lead to them.
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
