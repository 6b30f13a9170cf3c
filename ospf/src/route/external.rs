//! Paths out of the autonomous system (RFC 2328 §16.4): AS-external-LSAs on top of the paths inside it.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::inputs::{Own, RouteInputs};
use super::inter_area::{Inside, InterAreaRoutes};
use super::internal::InternalRoutes;
use super::policy::{Judge, Verdict};
use super::spf::Leg;
use super::table::{Calculation, Refused, RoutingTable};
use crate::config::{ExternalMetric, Rfc1583Compatibility};
use crate::ids::{AreaId, LsaType, Prefix, RouterId};
use crate::io::{Nexthop, Route, RouteKind};
use crate::wire::{ExternalLsa, LS_INFINITY, LsaBody, RouterFlags};

/// Calculates externals and gives the whole table. `internal` and `inter_area` are what [`super::internal::calculate_internal`] and
/// [`super::inter_area::calculate_inter_area`] said of the same areas.
pub(crate) fn calculate_externals(
    inputs: &RouteInputs<'_>,
    internal: InternalRoutes,
    inter_area: InterAreaRoutes,
) -> Calculation {
    let inside = Inside { internal: &internal, inter_area: &inter_area };
    let judge = Judge::new(inputs.policy);
    let mut search = Search {
        inputs,
        judge,
        own: Own::new(inputs.connected),
        inside,
        best: BTreeMap::new(),
        refused: internal.refused.union(&inter_area.refused).copied().collect(),
    };
    for entry in inputs.as_scope.of_type(LsaType::AS_EXTERNAL) {
        let LsaBody::External(lsa) = entry.body() else { continue };
        let key = entry.key();
        // RFC 2328 §16.4 (1), (2): MaxAge and our own.
        if entry.is_max_age(inputs.now) || key.advertising_router == inputs.router_id {
            continue;
        }
        // RFC 2328 appendix E: the Link State ID may have host bits set.
        if let Some(prefix) = Prefix::from_mask(Ipv4Addr::from(key.id), lsa.network_mask) {
            search.consider(prefix, key.advertising_router, lsa);
        }
    }
    let mut table = RoutingTable::from_inside(inside, inputs.router_id);
    for (prefix, external) in search.best {
        table.insert(prefix, external.into_route());
    }
    let refused = search.refused;
    Calculation { table, internal, inter_area, refused }
}

struct Search<'a> {
    inputs: &'a RouteInputs<'a>,
    judge: Judge<'a>,
    own: Own,
    inside: Inside<'a>,
    best: BTreeMap<Prefix, Path>,
    refused: BTreeSet<Refused>,
}

/// The best external path to a prefix so far.
struct Path {
    preference: Preference,
    area: AreaId,
    originators: BTreeSet<RouterId>,
    nexthops: BTreeSet<Nexthop>,
    tag: u32,
}

/// How paths compare, the smallest first (RFC 2328 §16.4 (6)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Preference {
    /// (b): type 1 before type 2; type 2 by their metric.
    metric: MetricClass,
    /// (c): §16.4.1, where RFC1583Compatibility is off.
    through: Through,
    /// (d): distance inside the AS, and for type 1 the metric added.
    cost: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum MetricClass {
    Type1,
    Type2(u32),
}

/// Classes of paths to AS boundary routers and forwarding addresses (RFC 2328 §16.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Through {
    /// Intra-area, not through the backbone.
    OtherArea,
    /// Intra-area through the backbone, or inter-area; every path if RFC1583Compatibility is on.
    Any,
}

/// How to get to the place where an external path leaves the AS.
#[derive(Clone, Copy)]
struct Exit<'a> {
    area: AreaId,
    through: Through,
    cost: u32,
    legs: &'a [Leg],
    /// Set where the exit is on one of our own networks: the next hop itself.
    on_link: Option<Ipv4Addr>,
}

impl<'a> Search<'a> {
    fn consider(&mut self, prefix: Prefix, originator: RouterId, lsa: &ExternalLsa) {
        let (ExternalMetric::Type1(metric) | ExternalMetric::Type2(metric)) = lsa.metric;
        // RFC 2328 §16.4 (1)
        if metric >= LS_INFINITY {
            return;
        }
        // RFC 2328 §16.4 (3): no path to the boundary router, no path to what it brings in.
        let Some(boundary) = self.boundary_router(originator) else { return };
        let exit = if lsa.forwarding_address.is_unspecified() {
            Some(boundary)
        } else {
            self.forwarding_address(lsa.forwarding_address)
        };
        let Some(exit) = exit else { return };
        let verdict = self.judge.verdict(prefix);
        let mut legs = match self.believed(verdict, originator, &boundary, &exit) {
            Ok(legs) => legs,
            Err(legs) => {
                self.refused.extend(Refused::all(prefix, originator, verdict, legs));
                return;
            }
        };
        // What this router brings in itself is here, or behind it: other guards bring in the same for themselves.
        if self.inputs.own_externals.contains_key(&prefix) {
            legs.retain(|leg| !self.judge.is_guard(originator) && leg.last_guard == Some(self.inputs.router_id));
            if legs.is_empty() {
                return;
            }
        }
        let nexthops: BTreeSet<_> =
            legs.iter().map(|leg| Nexthop { via: leg.nexthop.via.or(exit.on_link), ..leg.nexthop }).collect();
        debug_assert!(nexthops.iter().all(|nexthop| nexthop.via.is_some()), "an external is never on our own network");
        // RFC 2328 §16.4 (6)(a): paths inside the AS are always preferred.
        if self.inside.has(prefix) || self.own.is_here(prefix) {
            return;
        }
        let preference = match lsa.metric {
            ExternalMetric::Type1(metric) => {
                Preference { metric: MetricClass::Type1, through: exit.through, cost: exit.cost.saturating_add(metric) }
            }
            ExternalMetric::Type2(metric) => {
                Preference { metric: MetricClass::Type2(metric), through: exit.through, cost: exit.cost }
            }
        };
        let found =
            Path { preference, area: exit.area, originators: [originator].into(), nexthops, tag: lsa.route_tag };
        self.compete(prefix, found);
    }

    /// RFC 2328 §16.4 (6): the better path replaces the other, equal ones join.
    fn compete(&mut self, prefix: Prefix, found: Path) {
        let Some(known) = self.best.get_mut(&prefix) else {
            self.best.insert(prefix, found);
            return;
        };
        match found.preference.cmp(&known.preference) {
            Ordering::Less => *known = found,
            Ordering::Equal => {
                known.originators.extend(found.originators);
                known.nexthops.extend(found.nexthops);
            }
            Ordering::Greater => {}
        }
    }

    /// RFC 2328 §16.4 (3): of the boundary router's entries the preferred, then the cheapest, then the largest area.
    fn boundary_router(&self, router: RouterId) -> Option<Exit<'a>> {
        let entries = self.inside.paths_to(router).filter(|(_, path)| path.flags.contains(RouterFlags::E));
        let exits = entries.map(|(area, path)| Exit {
            area,
            through: self.through(path.kind, area),
            cost: path.cost,
            legs: &path.legs,
            on_link: None,
        });
        exits.min_by_key(|exit| (exit.through, exit.cost, std::cmp::Reverse(exit.area)))
    }

    /// RFC 2328 §16.4 (3): the forwarding address has to be reached inside the AS, and not be ourselves.
    fn forwarding_address(&self, address: Ipv4Addr) -> Option<Exit<'a>> {
        if self.own.has_address(address) {
            return None;
        }
        let path = self.inside.longest_match(address)?;
        debug_assert!(path.kind <= RouteKind::InterArea, "an internal path is inside the AS");
        Some(Exit {
            area: path.area,
            through: self.through(path.kind, path.area),
            cost: path.cost,
            legs: &path.legs,
            on_link: Some(address),
        })
    }

    fn through(&self, kind: RouteKind, area: AreaId) -> Through {
        match self.inputs.rfc1583 {
            Rfc1583Compatibility::Disabled if kind == RouteKind::IntraArea && area != AreaId::BACKBONE => {
                Through::OtherArea
            }
            Rfc1583Compatibility::Disabled | Rfc1583Compatibility::Enabled => Through::Any,
        }
    }

    /// The legs to the exit that the policy lets through, at least one, or those that it does not.
    ///
    /// The originator must be believed, and then each way to the exit. If the originator is a guard itself, it is the last
    /// one on every path and may send traffic to any forwarding address.
    fn believed(
        &self,
        verdict: Verdict<'_>,
        originator: RouterId,
        boundary: &Exit<'a>,
        exit: &Exit<'a>,
    ) -> Result<Vec<&'a Leg>, &'a [Leg]> {
        let allowed = |leg: &&Leg| verdict.allows(leg.last_guard);
        if !boundary.legs.iter().any(|leg| allowed(&leg)) {
            return Err(boundary.legs);
        }
        let stands_for_itself = self.judge.is_guard(originator);
        let legs: Vec<_> = exit.legs.iter().filter(|leg| stands_for_itself || allowed(leg)).collect();
        if legs.is_empty() { Err(exit.legs) } else { Ok(legs) }
    }
}

impl Path {
    fn into_route(self) -> Route {
        let (kind, metric) = match self.preference.metric {
            MetricClass::Type1 => (RouteKind::External1, self.preference.cost),
            MetricClass::Type2(metric) => (RouteKind::External2, metric),
        };
        assert!(!self.nexthops.is_empty(), "a path without a next hop does not compete");
        Route { kind, area: self.area, metric, originators: self.originators, nexthops: self.nexthops, tag: self.tag }
    }
}
