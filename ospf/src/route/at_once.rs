//! A full calculation in one step, for comparison with the engine's calculation in slices and parts.

use std::collections::BTreeMap;

use super::affected::Affected;
use super::changes::{Changes, Made, rank};
use super::external::{ExternalRoutes, calculate_externals};
use super::inputs::RouteInputs;
use super::inter_area::{Inside, InterAreaRoutes, calculate_inter_area};
use super::internal::{InternalRoutes, Path, calculate_internal};
use super::partial::{Parts, Which};
use super::table::{Calculation, RoutingTable, discard, discard_aggregate};
use crate::config::Policy;
use crate::ids::{Prefix, RouterId};
use crate::io::Route;

/// Units of each slice in [`Calculation::replace`].
const SLICE: usize = 3;

/// Calculates everything (RFC 2328 §16). The same inputs give the same result.
pub(crate) fn calculate(inputs: &RouteInputs<'_>) -> Calculation {
    let internal = calculate_internal(inputs);
    let inter_area = calculate_inter_area(inputs, &internal);
    Calculation::upon(inputs, internal, inter_area)
}

impl Calculation {
    /// Calculates external routes and the table, from the paths inside the AS.
    pub(super) fn upon(inputs: &RouteInputs<'_>, internal: InternalRoutes, inter_area: InterAreaRoutes) -> Self {
        let inside = Inside { internal: &internal, inter_area: &inter_area };
        let ExternalRoutes { routes, translatable, mut refused } = calculate_externals(inputs, inside, Which::All);
        refused.extend(inside.refused());
        let mut networks: BTreeMap<_, _> = inside.routes(inputs.router_id).collect();
        assert!(
            !routes.keys().any(|prefix| networks.contains_key(prefix)),
            "no external route replaces a path inside the AS"
        );
        networks.extend(routes);
        for (&prefix, external) in inputs.aggregates {
            networks.entry(prefix).or_insert_with(|| discard_aggregate(external, inputs.router_id));
        }
        Self { table: RoutingTable { networks }, internal, inter_area, translatable, refused }
    }

    /// Calculates `parts` again in slices, as the engine does; returns the routes that differ.
    pub(super) fn replace(&mut self, inputs: &RouteInputs<'_>, parts: &Parts) -> Option<Vec<(Prefix, Option<Route>)>> {
        let mut affected: Affected = self.replace_inside(inputs, parts.clone())?;
        while !affected.is_found() {
            affected.search(inputs, self, SLICE);
        }
        let mut changes = Changes::default();
        while !affected.is_empty() {
            changes.calculate(inputs, self, &affected.take(SLICE));
        }
        let made = std::iter::from_fn(|| changes.make_next(self));
        let routes = made.filter_map(|made| match made {
            Made::Route(prefix, route) => Some((prefix, route)),
            Made::Refused(_) => None,
        });
        Some(routes.collect())
    }
}

impl RoutingTable {
    /// Removes the routes beyond `most`, as [`Changes::cut`] does.
    pub(crate) fn cut(&mut self, most: usize, policy: &Policy) {
        let mut last: Vec<_> =
            self.networks.iter().map(|(&prefix, route)| (rank(prefix, route, policy), prefix)).collect();
        last.sort_unstable();
        for (_, prefix) in last.into_iter().skip(most) {
            self.networks.remove(&prefix);
        }
    }

    /// The changes that turn the table `before` into this one: prefixes whose route is new or changed, or (`None`) is gone, in the order of
    /// the prefixes.
    pub(super) fn changes_since(&self, before: &Self) -> Vec<(Prefix, Option<Route>)> {
        let gone = before.networks.keys().filter(|prefix| !self.networks.contains_key(prefix));
        let differs = self.networks.iter().filter(|(prefix, route)| before.networks.get(prefix) != Some(route));
        let mut changes: BTreeMap<Prefix, Option<Route>> = gone.map(|&prefix| (prefix, None)).collect();
        changes.extend(differs.map(|(&prefix, route)| (prefix, Some(route.clone()))));
        changes.into_iter().collect()
    }
}

impl Inside<'_> {
    /// The table's entries for networks inside the AS, including discard entries.
    fn routes(self, own: RouterId) -> impl Iterator<Item = (Prefix, Route)> {
        let networks = self.networks().map(|(prefix, path)| (prefix, Path::route(path)));
        networks.chain(self.discards().map(move |(area, prefix, range)| (prefix, discard(area, range, own))))
    }
}
