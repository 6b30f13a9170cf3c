//! The changes of a calculation: the routes of some destinations at a time are calculated and compared with the table, and are put into the
//! table at the end.
//!
//! Until then the table stays unchanged.

use std::collections::{BTreeMap, BTreeSet};

use super::external::{Translatable, calculate_externals};
use super::inputs::RouteInputs;
use super::inter_area::Inside;
use super::partial::Which;
use super::table::{Calculation, Refused, RoutingTable, discard_aggregate};
use crate::config::Policy;
use crate::ids::{AreaId, Prefix, RouterId};
use crate::io::{Route, RouteKind};

/// The differences between the routing table and the calculated routes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    /// Routes that are new or changed, or (`None`) are gone.
    routes: BTreeMap<Prefix, Option<Route>>,
    /// The number of routes by which the table will grow.
    growth: isize,
    refused: Vec<(Refused, Presence)>,
    translatable: Vec<((Prefix, AreaId), Option<Translatable>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    New,
    Gone,
}

/// A change that was made in the table.
#[derive(Debug)]
pub(crate) enum Made {
    /// A route is new or changed, or (`None`) is gone.
    Route(Prefix, Option<Route>),
    /// A path is newly refused.
    Refused(Refused),
}

impl Changes {
    /// Calculates the routes of some destinations, each at most once in a calculation, and records those that differ from the table.
    pub(crate) fn calculate(&mut self, inputs: &RouteInputs<'_>, latest: &Calculation, networks: &BTreeSet<Prefix>) {
        let inside = Inside { internal: &latest.internal, inter_area: &latest.inter_area };
        let which = Which::These { networks, boundary_routers: &BTreeSet::new() };
        let mut found = calculate_externals(inputs, inside, which);
        for &prefix in networks {
            let aggregate = || inputs.aggregates.get(&prefix).map(|own| discard_aggregate(own, inputs.router_id));
            let route = inside.route(prefix, inputs.router_id).or_else(|| found.routes.remove(&prefix));
            let route = route.or_else(aggregate);
            let before = latest.table.networks.get(&prefix);
            if before != route.as_ref() {
                self.growth += isize::from(route.is_some()) - isize::from(before.is_some());
                self.routes.insert(prefix, route);
            }
            self.refused_of(prefix, latest, &found.refused, inside);
            let before = latest.translatable.range((prefix, AreaId(u32::MIN))..=(prefix, AreaId(u32::MAX)));
            let gone = before.map(|(&key, _)| key).filter(|key| !found.translatable.contains_key(key));
            self.translatable.extend(gone.map(|key| (key, None)));
        }
        let differs = |(key, now): &((Prefix, AreaId), Translatable)| latest.translatable.get(key) != Some(now);
        self.translatable.extend(found.translatable.into_iter().filter(differs).map(|(key, now)| (key, Some(now))));
    }

    fn refused_of(&mut self, prefix: Prefix, latest: &Calculation, found: &BTreeSet<Refused>, inside: Inside<'_>) {
        let before = || Refused::about(&latest.refused, prefix);
        let after = || Refused::about(found, prefix).chain(inside.refused_about(prefix));
        for refused in before().filter(|refused| !after().any(|other| other == *refused)) {
            self.refused.push((refused, Presence::Gone));
        }
        for refused in after().filter(|refused| !latest.refused.contains(refused)) {
            self.refused.push((refused, Presence::New));
        }
    }

    /// The number of routes that the table will have.
    pub(crate) fn len_after(&self, table: &RoutingTable) -> usize {
        table.len().saturating_add_signed(self.growth)
    }

    /// Removes the routes beyond `most`: those with the highest [`rank`] first, and among routes of equal rank those with the highest
    /// prefix.
    pub(crate) fn cut(&mut self, table: &RoutingTable, most: usize, policy: &Policy) {
        if self.len_after(table) <= most {
            return;
        }
        let kept = table.routes().filter(|(prefix, _)| !self.routes.contains_key(prefix));
        let changed = self.routes.iter().filter_map(|(&prefix, route)| Some((prefix, route.as_ref()?)));
        let mut last: Vec<_> =
            kept.chain(changed).map(|(prefix, route)| (rank(prefix, route, policy), prefix)).collect();
        last.sort_unstable();
        for (_, prefix) in last.split_off(most) {
            if table.networks.contains_key(&prefix) {
                self.routes.insert(prefix, None);
            } else {
                self.routes.remove(&prefix);
            }
            self.growth -= 1;
        }
    }

    /// Makes the next change, in the order of the destinations; `None` if all have been made.
    pub(crate) fn make_next(&mut self, latest: &mut Calculation) -> Option<Made> {
        if let Some((prefix, route)) = self.routes.pop_first() {
            match &route {
                Some(route) => _ = latest.table.networks.insert(prefix, route.clone()),
                None => _ = latest.table.networks.remove(&prefix),
            }
            return Some(Made::Route(prefix, route));
        }
        while let Some((key, now)) = self.translatable.pop() {
            match now {
                Some(now) => _ = latest.translatable.insert(key, now),
                None => _ = latest.translatable.remove(&key),
            }
        }
        while let Some((refused, presence)) = self.refused.pop() {
            match presence {
                Presence::Gone => _ = latest.refused.remove(&refused),
                Presence::New if latest.refused.insert(refused) => return Some(Made::Refused(refused)),
                // Several first hops may be refused for the same reason.
                Presence::New => {}
            }
        }
        None
    }
}

/// The priority of a route when there is no room for all: the lowest values are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Claim {
    /// The destination is listed ([`Policy::listed`]): the number of these is not under the control of other routers.
    Listed,
    /// A guard originates it. It may be an aggregate of what other routers advertise.
    Guard,
    /// Another router originates it.
    Others,
}

/// The rank of a route: which routes are kept when there is no room for all. Among those with the same claim, routes inside the AS come
/// before external ones.
pub(super) fn rank(prefix: Prefix, route: &Route, policy: &Policy) -> (Claim, RouteKind) {
    let claim = if policy.listed.contains_key(&prefix) {
        Claim::Listed
    } else if !route.originators.is_disjoint(&policy.guards) {
        Claim::Guard
    } else {
        Claim::Others
    };
    (claim, route.kind)
}

impl Refused {
    /// The refused paths to a destination.
    pub(super) fn about(all: &BTreeSet<Self>, prefix: Prefix) -> impl Iterator<Item = Self> {
        let first = Self { prefix, originator: RouterId(u32::MIN), guard: None };
        let last = Self { prefix, originator: RouterId(u32::MAX), guard: Some(RouterId(u32::MAX)) };
        all.range(first..=last).copied()
    }
}
