//! The first seconds after a start, in which the routes of the previous run are kept.
//!
//! A restarted daemon finds its old routes in the kernel before it has any of its own. They stay until OSPF has had time to calculate
//! others, so that a restart does not lose packets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use crate::mesh::Mesh;
use crate::net::Prefix;
use crate::reconcile::state::{Observed, Route, State};

/// The time for the last LSAs and the route calculation, after every neighbour is Full and has a route.
const AFTERMATH: Duration = Duration::from_millis(500);

/// Whether old routes are still kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retention {
    /// They are kept until this time at the latest.
    Until(Instant),
    /// They are not kept any more.
    Ended,
}

impl Retention {
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
            *self = Self::Ended;
        }
    }

    /// When the old routes are dropped; `None` if they are not kept any more.
    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Self::Until(deadline) => Some(deadline),
            Self::Ended => None,
        }
    }

    /// Adds the routes found in the kernel to the desired ones, for destinations that have no desired route, and the addresses, because they
    /// are the sources of routes that are kept. Addresses of other sites and routes by this router's own address are left out: an id may have
    /// been another site's until now, and packets of a neighbour whose address this router has, too, would be dropped.
    pub(super) fn keep(self, desired: &mut State, observed: &Observed, mesh: &Mesh, own: Ipv4Addr) {
        let Self::Until(_) = self else { return };
        let others: BTreeSet<Ipv4Addr> =
            mesh.sites.iter().map(|site| site.loopback).filter(|loopback| *loopback != own).collect();
        for (key, route) in &observed.state.routes {
            let leads_here =
                key.prefix == Prefix::host(own) || route.nexthops.iter().any(|hop| hop.via == Some(own.into()));
            if !leads_here && !desired.routes.contains_key(key) {
                let is_others = |source: &IpAddr| others.iter().any(|other| *source == *other);
                let source = route.source.map(|source| if is_others(&source) { own.into() } else { source });
                desired.routes.insert(*key, Route { source, ..route.clone() });
            }
        }
        let kept = observed.state.addresses.iter().filter(|(_, address)| !others.contains(address));
        desired.addresses.extend(kept.cloned());
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
    use super::*;
    use crate::net::IfName;
    use crate::reconcile::state::{MAIN_TABLE, Nexthop, RouteKey};

    const OWN: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 1);

    fn mesh() -> Mesh {
        let site = |(name, id): (&str, u8)| {
            let key = format!("{}A=", char::from(b'B' + id).to_string().repeat(42));
            format!("[[site]]\nname = \"{name}\"\nid = {id}\npublic_key = \"{key}\"\nendpoint = \"192.0.2.{id}\"\n")
        };
        let sites: String = [("taipei", 1), ("osaka", 2), ("seoul", 3)].map(site).concat();
        crate::mesh::parse("mesh", &format!("[mesh]\nname = \"a\"\nloopbacks = \"10.255.0.0/16\"\n{sites}"))
            .unwrap()
            .mesh
    }

    fn route(interface: &str) -> Route {
        let interface = IfName::new(interface).unwrap();
        Route::unicast([Nexthop { interface, via: None, onlink: false }], None)
    }

    fn key(last: u8) -> RouteKey {
        RouteKey { table: MAIN_TABLE, prefix: Prefix::new([10, last, 0, 0], 16) }
    }

    #[test]
    fn old_routes_stay_only_where_ospf_knows_none_and_only_while_settling() {
        let observed = BTreeMap::from([(key(2), route("wg-old")), (key(3), route("wg-old"))]);
        let known = BTreeMap::from([(key(2), route("wg-new"))]);
        let start = Instant::now();
        let mut retention = Retention::start(start, Duration::from_secs(5));

        let routes = |retention: Retention| {
            let mut desired = State { routes: known.clone(), ..State::default() };
            let state = State { routes: observed.clone(), ..State::default() };
            retention.keep(&mut desired, &Observed { state, ..Observed::default() }, &mesh(), OWN);
            desired.routes
        };
        assert_eq!(routes(retention), BTreeMap::from([(key(2), route("wg-new")), (key(3), route("wg-old"))]));

        retention.advance(start + Duration::from_secs(5));
        assert_eq!(retention, Retention::Ended);
        assert_eq!(routes(retention), known);
    }

    #[test]
    fn what_another_site_has_now_is_not_kept() {
        let wg = |text: &str| IfName::new(text).unwrap();
        let [former, osaka, seoul] = [9, 2, 3].map(|last| Ipv4Addr::new(10, 255, 0, last));
        let to = |via: Ipv4Addr, source| {
            let hop = Nexthop { interface: wg("wg-seoul"), via: Some(via.into()), onlink: true };
            Route::unicast([hop], Some(Ipv4Addr::into(source)))
        };
        let host = |address| RouteKey { table: MAIN_TABLE, prefix: Prefix::host(address) };
        let state = State {
            routes: BTreeMap::from([
                // This router was osaka, or had an id that nobody has.
                (key(3), to(seoul, osaka)),
                (key(4), to(seoul, former)),
                (key(5), to(OWN, osaka)),
                (host(OWN), to(OWN, osaka)),
            ]),
            addresses: [former, osaka].map(|address| (wg("lo"), address)).into(),
            ..State::default()
        };
        let observed = Observed { state, ..Observed::default() };
        let mut desired = State { addresses: [(wg("lo"), OWN)].into(), ..State::default() };
        Retention::start(Instant::now(), Duration::from_secs(5)).keep(&mut desired, &observed, &mesh(), OWN);
        assert_eq!(desired.routes, BTreeMap::from([(key(3), to(seoul, OWN)), (key(4), to(seoul, former))]));
        assert_eq!(desired.addresses, [OWN, former].map(|address| (wg("lo"), address)).into());
    }

    #[test]
    fn convergence_ends_the_settling_early_and_never_later() {
        let start = Instant::now();
        let mut retention = Retention::start(start, Duration::from_secs(5));
        retention.converged(start + Duration::from_secs(1));
        assert_eq!(retention.deadline(), Some(start + Duration::from_secs(1) + AFTERMATH));
        retention.converged(start + Duration::from_secs(9));
        assert_eq!(retention.deadline(), Some(start + Duration::from_secs(1) + AFTERMATH));
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
