//! The first seconds after a start, in which routes of the last run are better than none.
//!
//! A restarted daemon finds its old routes in the kernel while it knows none yet. They stay until OSPF has had the time to say
//! otherwise, so that a restart loses no packet.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::reconcile::state::{Route, RouteKey};

/// After every neighbour is Full: time for the last LSAs and the route calculation.
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

    /// Every neighbour that should be there is Full: what remains is a moment.
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ospf::Prefix;

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
}
