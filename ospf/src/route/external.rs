//! External routes (RFC 2328 §16.4, RFC 3101 §2.5), calculated from AS-external-LSAs and Type-7 LSAs and the paths inside the AS.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::inputs::{Border, Own, RouteInputs};
use super::inter_area::{Inside, Through};
use super::internal::RouterPath;
use super::partial::Which;
use super::policy::{Judge, Verdict};
use super::spf::FirstHop;
use super::table::Refused;
use crate::config::{AreaKind, ExternalMetric, ExternalRouting, Summaries};
use crate::ids::{AreaId, LsaType, Prefix, RouterId};
use crate::io::{Nexthop, Route, RouteKind};
use crate::state::lsdb;
use crate::wire::{ExternalLsa, LS_INFINITY, LsaBody, Options, RouterFlags};

/// The results from AS-external-LSAs and Type-7 LSAs.
#[derive(Debug, Clone, Default)]
pub(super) struct ExternalRoutes {
    /// Routes to destinations that have no route inside the AS.
    pub(super) routes: BTreeMap<Prefix, Route>,
    /// The same as [`super::table::Calculation::translatable`].
    pub(super) translatable: BTreeMap<(Prefix, AreaId), Translatable>,
    /// The paths that the policy refused.
    pub(super) refused: BTreeSet<Refused>,
}

/// Calculates external routes. `inside` contains the paths inside the AS for the same inputs.
pub(super) fn calculate_externals(inputs: &RouteInputs<'_>, inside: Inside<'_>, which: Which<'_>) -> ExternalRoutes {
    let judge = Judge::new(inputs.policy);
    let mut search = Search {
        inputs,
        judge,
        own: Own::new(inputs.connected),
        inside,
        best: BTreeMap::new(),
        refused: BTreeSet::new(),
    };
    for entry in which.networks(inputs.as_scope, LsaType::AS_EXTERNAL) {
        // Another router's LSA for the same aggregate is ignored: this router knows the destinations in it at least as well. Otherwise the
        // two routers would send each other packets for destinations that have no route.
        if let Some((prefix, lsa)) = usable(inputs, entry).filter(|(prefix, _)| !inputs.aggregates.contains_key(prefix))
        {
            let source = Source::new(entry.key().advertising_router, lsa, Origin::As);
            search.consider(prefix, source);
        }
    }
    for area in inputs.areas {
        let AreaKind::Nssa(nssa) = area.kind else { continue };
        for entry in which.networks(area.lsdb, LsaType::NSSA) {
            let Some((prefix, lsa)) = usable(inputs, entry) else { continue };
            let propagate = entry.header(inputs.now).options.contains(Options::NP);
            // RFC 3101 §2.5 (3)(a), (b): border routers ignore each other's default routes, and all default routes if they originate one in
            // place of Summary-LSAs.
            let foreign = propagate && nssa.summaries == Summaries::Imported;
            if prefix == Prefix::DEFAULT && inputs.border != Border::Inside && !foreign {
                continue;
            }
            let origin = Origin::Nssa { area: area.area, propagate };
            search.consider(prefix, Source::new(entry.key().advertising_router, lsa, origin));
        }
    }
    let translatable = search.best.iter().flat_map(|(&prefix, path)| path.translatable(prefix)).collect();
    let routes = search.best.into_iter().map(|(prefix, path)| (prefix, path.into_route())).collect();
    ExternalRoutes { routes, translatable, refused: search.refused }
}

/// Returns the destination and the contents of a usable LSA (RFC 2328 §16.4 (1), (2), RFC 3101 §2.5 (1), (2)): it is not unreachable, not
/// at MaxAge, and not our own.
pub(super) fn usable<'a>(inputs: &RouteInputs<'_>, entry: &'a lsdb::Entry) -> Option<(Prefix, &'a ExternalLsa)> {
    let LsaBody::External(lsa) = entry.body() else { return None };
    let key = entry.key();
    if lsa.metric.value() >= LS_INFINITY || entry.is_max_age(inputs.now) || key.advertising_router == inputs.router_id {
        return None;
    }
    Some((entry.network()?, lsa))
}

/// A Type-7 LSA that contributes to a route and may be translated (RFC 3101 §3.2): its P-bit is set and it has a forwarding address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Translatable {
    /// Its metric.
    pub(crate) metric: ExternalMetric,
    /// Its forwarding address.
    pub(crate) forwarding: Ipv4Addr,
    /// Its External Route Tag.
    pub(crate) tag: u32,
    /// The cost of the route from this router, without a type 2 metric.
    pub(crate) cost: u32,
}

/// An LSA that provides a path.
#[derive(Debug, Clone, Copy)]
struct Source {
    originator: RouterId,
    metric: ExternalMetric,
    /// 0.0.0.0 = the originator.
    forwarding: Ipv4Addr,
    tag: u32,
    origin: Origin,
}

/// The type and flooding scope of an LSA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// An AS-external-LSA.
    As,
    /// A Type-7 LSA, and its P-bit.
    Nssa { area: AreaId, propagate: bool },
}

impl Source {
    fn new(originator: RouterId, lsa: &ExternalLsa, origin: Origin) -> Self {
        let ExternalLsa { metric, forwarding_address: forwarding, route_tag: tag, network_mask: _ } = *lsa;
        Self { originator, metric, forwarding, tag, origin }
    }

    /// RFC 3101 §2.5 (6)(e): of functionally equivalent LSAs, the one with the highest precedence is used.
    fn precedence(&self) -> (u8, RouterId) {
        let class = match self.origin {
            Origin::Nssa { propagate: true, .. } => 2,
            Origin::As => 1,
            Origin::Nssa { propagate: false, .. } => 0,
        };
        (class, self.originator)
    }

    /// Whether both LSAs are functionally equivalent, given that the costs of their paths are equal.
    fn is_same_as(&self, other: &Self) -> bool {
        !self.forwarding.is_unspecified() && (self.forwarding, self.metric) == (other.forwarding, other.metric)
    }
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
    /// In the order in which they were found, at least one.
    sources: Vec<Source>,
    nexthops: BTreeSet<Nexthop>,
}

/// The preference of a path; smaller is better (RFC 2328 §16.4 (6)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Preference {
    /// Compared before the criteria of the RFC: see [`Search::place`].
    place: Place,
    /// (b): type 1 before type 2; type 2 by its metric.
    metric: MetricClass,
    /// (c): §16.4.1, if RFC1583Compatibility is disabled.
    through: Through,
    /// (d): the distance inside the AS, for type 1 plus the metric.
    cost: u32,
}

/// The place of a destination that the policy lists for this router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// At or behind this router.
    Here,
    /// Behind another guard, or not relevant.
    Anywhere,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum MetricClass {
    Type1,
    Type2(u32),
}

/// The path to the point where an external path leaves the AS.
#[derive(Clone, Copy)]
struct Exit<'a> {
    area: AreaId,
    through: Through,
    cost: u32,
    first_hops: &'a [FirstHop],
    /// The forwarding address, which is the next hop if it is on one of our own networks.
    on_link: Option<Ipv4Addr>,
}

impl<'a> Search<'a> {
    fn consider(&mut self, prefix: Prefix, source: Source) {
        let originator = source.originator;
        // RFC 2328 §16.4 (3): without a path to the AS boundary router, its LSAs are not used.
        let Some(boundary) = self.boundary_router(&source) else { return };
        let exit = if source.forwarding.is_unspecified() { Some(boundary) } else { self.forwarding_address(&source) };
        let Some(exit) = exit else { return };
        let verdict = self.judge.verdict(prefix);
        let mut first_hops = match self.accepted(verdict, originator, &boundary, &exit) {
            Ok(first_hops) => first_hops,
            Err(first_hops) => {
                self.refused.extend(Refused::all(prefix, originator, verdict, first_hops));
                return;
            }
        };
        let place = self.place(prefix, originator, &mut first_hops);
        if first_hops.is_empty() {
            return;
        }
        let nexthops: BTreeSet<_> = first_hops
            .iter()
            .map(|first_hop| Nexthop { via: first_hop.nexthop.via.or(exit.on_link), ..first_hop.nexthop })
            .collect();
        debug_assert!(nexthops.iter().all(|nexthop| nexthop.via.is_some()), "an external is never on our own network");
        // RFC 2328 §16.4 (6)(a): paths inside the AS are always preferred.
        if self.inside.has(prefix) || self.own.is_here(prefix) {
            return;
        }
        let preference = match source.metric {
            ExternalMetric::Type1(metric) => {
                let cost = exit.cost.saturating_add(metric);
                Preference { place, metric: MetricClass::Type1, through: exit.through, cost }
            }
            ExternalMetric::Type2(metric) => {
                Preference { place, metric: MetricClass::Type2(metric), through: exit.through, cost: exit.cost }
            }
        };
        let Some(known) = self.best.get_mut(&prefix) else {
            self.best.insert(prefix, Path { preference, area: exit.area, sources: vec![source], nexthops });
            return;
        };
        known.compete(Path { preference, area: exit.area, sources: vec![source], nexthops });
    }

    /// Determines the place of a destination, and keeps only those `first_hops` that may lead there. If the destination is at this router,
    /// these are the first hops to routers behind it: those for which this router is the last guard.
    ///
    /// A destination that this router originates is at this router or behind it: other guards that originate the same destination do so for
    /// their own sites. A destination that is listed for this router, but that it does not originate at present, may return, and the router
    /// that originates it has to be known: a router behind this one is preferred to other guards.
    fn place(&self, prefix: Prefix, originator: RouterId, first_hops: &mut Vec<&FirstHop>) -> Place {
        let own = self.inputs.router_id;
        let originated = self.inputs.own_externals.contains_key(&prefix);
        let listed = self.inputs.policy.listed.get(&prefix).is_some_and(|guards| guards.contains(&own));
        let is_behind = |first_hop: &&FirstHop| !self.judge.is_guard(originator) && first_hop.last_guard == Some(own);
        if originated || (listed && first_hops.iter().any(is_behind)) {
            first_hops.retain(is_behind);
            Place::Here
        } else {
            Place::Anywhere
        }
    }

    /// The path to the LSA's originator (RFC 2328 §16.4 (3)); for a Type-7 LSA, within its area (RFC 3101 §2.5 (3)).
    ///
    /// For an AS-external-LSA, the path must not lead through an area without AS-external-LSAs: the routers there do not know the
    /// destination, and might send packets back.
    fn boundary_router(&self, source: &Source) -> Option<Exit<'a>> {
        let router = source.originator;
        let (area, path) = match source.origin {
            Origin::As => self.inside.preferred_path(router, self.inputs.rfc1583, |area| self.has_externals(area))?,
            Origin::Nssa { area, .. } => {
                let is_boundary = |path: &&RouterPath| path.flags.contains(RouterFlags::E);
                (area, self.inside.internal.routers.get(&(router, area)).filter(is_boundary)?)
            }
        };
        let through = Through::of(self.inputs.rfc1583, path.kind, area);
        Some(Exit { area, through, cost: path.cost, first_hops: &path.first_hops, on_link: None })
    }

    /// The path to the forwarding address, which must be inside the AS (RFC 2328 §16.4 (3)) and not an address of this router: for a Type-7
    /// LSA within its area, for an AS-external-LSA "through a Type-5 capable area" (RFC 3101 §2.5 (3)).
    fn forwarding_address(&self, source: &Source) -> Option<Exit<'a>> {
        let address = source.forwarding;
        if self.own.has_address(address) {
            return None;
        }
        let (_, path) = self.inside.longest_match(address)?;
        debug_assert!(path.kind <= RouteKind::InterArea, "an internal path is inside the AS");
        let is_within = match source.origin {
            Origin::Nssa { area, .. } => (path.kind, path.area) == (RouteKind::IntraArea, area),
            Origin::As => self.has_externals(path.area),
        };
        if !is_within {
            return None;
        }
        let through = Through::of(self.inputs.rfc1583, path.kind, path.area);
        Some(Exit { area: path.area, through, cost: path.cost, first_hops: &path.first_hops, on_link: Some(address) })
    }

    /// Whether AS-external-LSAs are flooded in an area.
    fn has_externals(&self, area: AreaId) -> bool {
        let kind = self.inputs.areas.iter().find(|inputs| inputs.area == area).map(|inputs| inputs.kind);
        kind.is_some_and(|kind| kind.external_routing() == ExternalRouting::AsExternal)
    }

    /// The first hops to the exit that the policy accepts, at least one; or, if it accepts none, the refused first hops.
    ///
    /// The policy must accept a path to the originator, and then each first hop to the exit. A guard that originates the LSA itself is the
    /// last guard on every path, and may use any forwarding address.
    fn accepted(
        &self,
        verdict: Verdict<'_>,
        originator: RouterId,
        boundary: &Exit<'a>,
        exit: &Exit<'a>,
    ) -> Result<Vec<&'a FirstHop>, &'a [FirstHop]> {
        let allowed = |first_hop: &&FirstHop| verdict.allows(first_hop.last_guard);
        if !boundary.first_hops.iter().any(|first_hop| allowed(&first_hop)) {
            return Err(boundary.first_hops);
        }
        let is_guard = self.judge.is_guard(originator);
        let first_hops: Vec<_> = exit.first_hops.iter().filter(|first_hop| is_guard || allowed(first_hop)).collect();
        if first_hops.is_empty() { Err(exit.first_hops) } else { Ok(first_hops) }
    }
}

impl Path {
    /// RFC 2328 §16.4 (6): a better path replaces this one, an equal one is merged, except functionally equivalent LSAs (RFC 3101 §2.5
    /// (6)(e)).
    fn compete(&mut self, found: Self) {
        match found.preference.cmp(&self.preference) {
            Ordering::Less => *self = found,
            Ordering::Equal => {
                self.nexthops.extend(found.nexthops);
                for source in found.sources {
                    match self.sources.iter_mut().find(|known| known.is_same_as(&source)) {
                        Some(known) if known.precedence() >= source.precedence() => {}
                        Some(known) => *known = source,
                        None => self.sources.push(source),
                    }
                }
            }
            Ordering::Greater => {}
        }
    }

    /// The translatable LSA for each NSSA: of several LSAs, that of the router with the highest Router ID.
    fn translatable(&self, prefix: Prefix) -> impl Iterator<Item = ((Prefix, AreaId), Translatable)> {
        let mut sources: Vec<_> = self.sources.iter().collect();
        sources.sort_by_key(|source| source.originator);
        let cost = self.preference.cost;
        sources.into_iter().filter(|source| !source.forwarding.is_unspecified()).filter_map(move |source| {
            let Origin::Nssa { area, propagate: true } = source.origin else { return None };
            let &Source { metric, forwarding, tag, .. } = source;
            Some(((prefix, area), Translatable { metric, forwarding, tag, cost }))
        })
    }

    fn into_route(self) -> Route {
        let (kind, metric) = match self.preference.metric {
            MetricClass::Type1 => (RouteKind::External1, self.preference.cost),
            MetricClass::Type2(metric) => (RouteKind::External2, metric),
        };
        assert!(!self.nexthops.is_empty(), "a path without a next hop does not compete");
        let tag = self.sources.first().map_or(0, |source| source.tag);
        let originators = self.sources.iter().map(|source| source.originator).collect();
        Route { kind, area: self.area, metric, originators, nexthops: self.nexthops, tag }
    }
}
