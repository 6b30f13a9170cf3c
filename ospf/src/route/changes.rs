//! What a calculation changes: destinations whose routes are calculated and compared, some at a time, and put in the table at its end.
//!
//! Until then the table is what it was.

use std::collections::{BTreeMap, BTreeSet};

use super::external::{Translatable, calculate_externals};
use super::inputs::RouteInputs;
use super::inter_area::Inside;
use super::partial::Which;
use super::table::{Calculation, Refused, RoutingTable, discard_aggregate};
use crate::config::Policy;
use crate::ids::{AreaId, Prefix, RouterId};
use crate::io::{Route, RouteKind};

/// What differs between the table and what was calculated.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    /// Routes that are new, differ or (`None`) are gone.
    routes: BTreeMap<Prefix, Option<Route>>,
    /// How many routes there are more than before, or fewer.
    growth: isize,
    refused: Vec<(Refused, Presence)>,
    translatable: Vec<((Prefix, AreaId), Option<Translatable>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    New,
    Gone,
}

/// A change that is made, for those who follow the table.
#[derive(Debug)]
pub(crate) enum Made {
    /// A route is new, differs or (`None`) is gone.
    Route(Prefix, Option<Route>),
    /// A path is refused that was not before.
    Refused(Refused),
}

impl Changes {
    /// Calculates the routes to some destinations that were not calculated before, and notes where they differ from the table.
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

    /// How many routes the table will have.
    pub(crate) fn len_after(&self, table: &RoutingTable) -> usize {
        table.len().saturating_add_signed(self.growth)
    }

    /// Leaves out what is more than `most`, what has the highest [`rank`] first, and of several that with the highest prefix.
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

    /// Makes the next change, in the order of the destinations; `None` if all are made.
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
                // Several first hops may be refused for one reason.
                Presence::New => {}
            }
        }
        None
    }
}

/// How well a route holds its place where there is no room for all: the lowest stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Claim {
    /// To a destination that is listed ([`Policy::listed`]): others cannot make more of them.
    Listed,
    /// Announced by a guard, which may be a summary of what others have told it.
    Guard,
    /// Announced by others, however many and whatever they say.
    Others,
}

/// Which routes stay where there is no room for all; among those with the same claim these inside the AS before external ones.
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
    /// What is refused of the paths to a destination.
    pub(super) fn about(all: &BTreeSet<Self>, prefix: Prefix) -> impl Iterator<Item = Self> {
        let first = Self { prefix, originator: RouterId(u32::MIN), guard: None };
        let last = Self { prefix, originator: RouterId(u32::MAX), guard: Some(RouterId(u32::MAX)) };
        all.range(first..=last).copied()
    }
}
