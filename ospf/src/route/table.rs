//! The routing table (RFC 2328 §11), and how one differs from the one before.

use std::collections::{BTreeMap, BTreeSet};

use super::external::{Translatable, calculate_externals};
use super::inputs::RouteInputs;
use super::inputs::VirtualEnd;
use super::inter_area::{Inside, InterAreaRoutes, calculate_inter_area};
use super::internal::{InternalRoutes, calculate_internal};
use super::spf::Leg;
use super::standing::RouterChange;
use super::virtual_link::{VirtualLinkObstacle, VirtualPath};
use crate::ids::{AreaId, Prefix, RouterId};
use crate::io::{Nexthop, Route, RouteKind};
use crate::wire::RouterFlags;

/// What one calculation gave.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Calculation {
    /// The routes.
    pub(crate) table: RoutingTable,
    /// Paths inside areas.
    pub(crate) internal: InternalRoutes,
    /// Paths to other areas.
    pub(crate) inter_area: InterAreaRoutes,
    /// Type-7 LSAs that routes follow and that may be translated, by area and destination.
    pub(crate) translatable: BTreeMap<(AreaId, Prefix), Translatable>,
    /// Paths that the policy did not believe. New ones are reported: see [`crate::Event::RouteRefused`].
    pub(crate) refused: BTreeSet<Refused>,
}

/// A destination that somebody offered and that the policy did not let him have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Refused {
    /// The destination.
    pub(crate) prefix: Prefix,
    /// Who originates it.
    pub(crate) originator: RouterId,
    /// The last guard on the path; `None` if there is none, or if nobody lists the destination.
    pub(crate) guard: Option<RouterId>,
}

/// Routing table entries for networks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RoutingTable {
    pub(super) networks: BTreeMap<Prefix, Route>,
}

/// Calculates everything (RFC 2328 §16). The same inputs give the same result.
///
/// Where only Summary-LSAs have changed, the internal routes of last time are good enough for [`calculate_inter_area`]; where only
/// AS-external- and Type-7 LSAs have, [`calculate_externals`] will do.
pub(crate) fn calculate(inputs: &RouteInputs<'_>) -> Calculation {
    let internal = calculate_internal(inputs);
    let inter_area = calculate_inter_area(inputs, &internal);
    calculate_externals(inputs, internal, inter_area)
}

impl Calculation {
    /// Whether an NSSA has a border router that translates rather than `own` (RFC 3101 §3.1): it always does, or its id is higher. It has to
    /// be a boundary router to the areas that have externals, too, or what it says would not be heard.
    pub(crate) fn has_better_translator(
        &self,
        area: AreaId,
        own: RouterId,
        has_externals: impl Fn(AreaId) -> bool,
    ) -> bool {
        let inside = Inside { internal: &self.internal, inter_area: &self.inter_area };
        let of_area = self.internal.routers.iter().filter(|((_, of), _)| *of == area);
        let mut border_routers = of_area.filter(|(_, path)| path.flags.contains(RouterFlags::B));
        border_routers.any(|(&(router, _), path)| {
            let better = path.flags.contains(RouterFlags::NT) || router > own;
            let mut outside = inside.paths_to(router).filter(|(of, _)| has_externals(*of));
            better && outside.any(|(_, path)| path.flags.contains(RouterFlags::E))
        })
    }

    /// Whether a router is reached as an AS boundary router.
    pub(crate) fn is_boundary_router(&self, router: RouterId) -> bool {
        let inside = Inside { internal: &self.internal, inter_area: &self.inter_area };
        inside.paths_to(router).any(|(_, path)| path.flags.contains(RouterFlags::E))
    }

    /// Where this router's virtual links lead at present. One that is not here is down.
    pub(crate) fn virtual_links(&self) -> &BTreeMap<VirtualEnd, VirtualPath> {
        &self.internal.virtual_links
    }

    /// Why one of them is not there.
    pub(crate) fn obstacle(&self, end: VirtualEnd) -> VirtualLinkObstacle {
        self.internal.obstacles.get(&end).copied().unwrap_or(VirtualLinkObstacle::NoPath)
    }
}

impl Calculation {
    /// Whether all of this is certain to stand after a change of a Router-LSA in `area`, if nothing else has changed since. Not to be
    /// asked of a router with virtual links: where those lead depends on more than distances.
    pub(crate) fn survives(&self, area: AreaId, change: &RouterChange<'_>) -> bool {
        debug_assert!(self.internal.virtual_links.is_empty(), "virtual links look at addresses, too");
        self.internal.survives(area, change)
    }
}

/// What replacing some routes has changed.
#[derive(Debug, Default)]
pub(crate) struct Replaced {
    /// As [`RoutingTable::changes_since`].
    pub(crate) routes: Vec<(Prefix, Option<Route>)>,
    /// Refusals that there were not before.
    pub(crate) refused: Vec<Refused>,
}

impl Calculation {
    /// Calculates the external routes to `prefixes` anew, everything else being as it was (RFC 2328 §16.6). Of the AS-external-LSAs the
    /// inputs have those for these destinations.
    pub(crate) fn replace_externals(&mut self, inputs: &RouteInputs<'_>, prefixes: &BTreeSet<Prefix>) -> Replaced {
        let (internal, inter_area) = (std::mem::take(&mut self.internal), std::mem::take(&mut self.inter_area));
        let mut found = calculate_externals(inputs, internal, inter_area);
        self.internal = std::mem::take(&mut found.internal);
        self.inter_area = std::mem::take(&mut found.inter_area);
        let mut replaced = Replaced::default();
        for &prefix in prefixes {
            let route = found.table.networks.remove(&prefix);
            if self.table.networks.get(&prefix) != route.as_ref() {
                match &route {
                    Some(route) => _ = self.table.networks.insert(prefix, route.clone()),
                    None => _ = self.table.networks.remove(&prefix),
                }
                replaced.routes.push((prefix, route));
            }
        }
        // Refusals of internal paths are in both.
        let is_meant = |refused: &&Refused| prefixes.contains(&refused.prefix);
        replaced.refused = found.refused.difference(&self.refused).filter(is_meant).copied().collect();
        self.refused.retain(|refused| !prefixes.contains(&refused.prefix) || found.refused.contains(refused));
        self.refused.extend(&replaced.refused);
        replaced
    }
}

impl RoutingTable {
    /// Entries for networks, in the order of their prefixes.
    pub(crate) fn routes(&self) -> impl ExactSizeIterator<Item = (Prefix, &Route)> {
        self.networks.iter().map(|(&prefix, route)| (prefix, route))
    }

    /// Number of networks.
    pub(crate) fn len(&self) -> usize {
        self.networks.len()
    }

    /// Leaves out what is more than `most`: first external routes, then those with the highest prefixes. Gives how many.
    pub(crate) fn cut(&mut self, most: usize) -> usize {
        let more = self.networks.len().saturating_sub(most);
        if more > 0 {
            let mut last: Vec<_> = self.networks.iter().map(|(&prefix, route)| (route.kind, prefix)).collect();
            last.sort_unstable();
            for (_, prefix) in last.split_off(most) {
                self.networks.remove(&prefix);
            }
            debug_assert_eq!(self.networks.len(), most);
        }
        more
    }

    /// What has to be done to a table `before` to get this one: prefixes whose route is new, differs or (`None`) is gone,
    /// in the order of the prefixes.
    pub(crate) fn changes_since(&self, before: &Self) -> Vec<(Prefix, Option<Route>)> {
        let mut changes: BTreeMap<Prefix, Option<Route>> = BTreeMap::new();
        for &prefix in before.networks.keys().filter(|prefix| !self.networks.contains_key(prefix)) {
            changes.insert(prefix, None);
        }
        for (&prefix, route) in &self.networks {
            if before.networks.get(&prefix) != Some(route) {
                changes.insert(prefix, Some(route.clone()));
            }
        }
        changes.into_iter().collect()
    }

    /// The entries for networks inside the AS, those that discard included.
    pub(super) fn from_inside(inside: Inside<'_>, own: RouterId) -> Self {
        let networks = inside.networks().map(|(prefix, path)| {
            let route = Route {
                kind: path.kind,
                area: path.area,
                metric: path.cost,
                originators: path.originators.clone(),
                nexthops: nexthops(&path.legs),
                tag: 0,
            };
            (prefix, route)
        });
        // RFC 2328 §11.1: "the path type of each "discard" entry is set to "inter-area"."
        let discards = inside.discards().map(|(area, prefix, range)| {
            let route = Route {
                kind: RouteKind::InterArea,
                area,
                metric: range.cost(),
                originators: [own].into(),
                nexthops: BTreeSet::new(),
                tag: 0,
            };
            (prefix, route)
        });
        Self { networks: networks.chain(discards).collect() }
    }

    pub(super) fn insert(&mut self, prefix: Prefix, route: Route) {
        let displaced = self.networks.insert(prefix, route);
        debug_assert!(displaced.is_none(), "{prefix}: an external displaced a path inside the AS");
    }
}

fn nexthops(legs: &[Leg]) -> BTreeSet<Nexthop> {
    debug_assert!(!legs.is_empty(), "a path has a first step");
    legs.iter().map(|leg| leg.nexthop).collect()
}
