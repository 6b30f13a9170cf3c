//! Hashes of the routes that an engine has reported one by one. The routes themselves are in the engine; for thousands of routers they
//! would be too many to be kept twice.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use ospf::{Prefix, Route};

/// The hash of each reported route.
#[derive(Debug, Default)]
pub(crate) struct ToldRoutes(BTreeMap<Prefix, u64>);

impl ToldRoutes {
    /// Records a report; returns whether it changes anything.
    pub(crate) fn note(&mut self, prefix: Prefix, route: Option<&Route>) -> bool {
        let now = route.map(hash);
        let before = match now {
            Some(hash) => self.0.insert(prefix, hash),
            None => self.0.remove(&prefix),
        };
        before != now
    }

    /// Whether the reports add up to these routes.
    pub(crate) fn are<'a>(&self, routes: impl Iterator<Item = (Prefix, &'a Route)>) -> bool {
        self.0.iter().map(|(&prefix, &hash)| (prefix, hash)).eq(routes.map(|(prefix, route)| (prefix, hash(route))))
    }
}

/// Returns a hash of a route, which is the same in every run, because this hasher has no seed.
fn hash(route: &Route) -> u64 {
    let Route { kind, area, metric, originators, nexthops, tag } = route;
    let mut hasher = DefaultHasher::new();
    (kind, area, metric, originators, tag).hash(&mut hasher);
    for nexthop in nexthops {
        (nexthop.interface, nexthop.via).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::Ipv4Addr;

    use ospf::{AreaId, InterfaceId, Nexthop, RouteKind};

    use super::*;

    #[test]
    fn a_route_that_is_told_again_is_no_change_and_one_that_was_not_told_is_missed() {
        let prefix = Prefix::new(Ipv4Addr::new(10, 0, 0, 0), 8);
        let mut route = Route {
            kind: RouteKind::IntraArea,
            area: AreaId::BACKBONE,
            metric: 1,
            originators: BTreeSet::new(),
            nexthops: BTreeSet::from([Nexthop { interface: InterfaceId(1), via: None }]),
            tag: 0,
        };
        let mut told = ToldRoutes::default();
        assert!(told.note(prefix, Some(&route)) && !told.note(prefix, Some(&route)));
        assert!(told.are([(prefix, &route)].into_iter()));
        route.nexthops.clear();
        assert!(!told.are([(prefix, &route)].into_iter()));
        assert!(told.note(prefix, None) && !told.note(prefix, None));
        assert!(told.are([].into_iter()));
    }
}
