//! Inter-area routes (RFC 2328 §16.2), and better paths through transit areas (§16.3): calculated from Summary-LSAs and the intra-area
//! routes.
//!
//! The result is used by every calculation of external routes until a Summary-LSA or an intra-area route changes.

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::inputs::{AreaInputs, Border, Own, RouteInputs};
use super::internal::{InternalRoutes, Path, RouterPath};
use super::partial::Which;
use super::policy::Judge;
use super::ranges::{ActiveRange, active_ranges};
use super::spf::FirstHop;
use super::table::Refused;
use crate::config::{AreaKind, Rfc1583Compatibility};
use crate::ids::{AreaId, LsaType, Prefix, RouterId};
use crate::io::RouteKind;
use crate::state::lsdb;
use crate::wire::{LS_INFINITY, LsaBody, RouterFlags};

/// The routes that Summary-LSAs add to [`InternalRoutes`], and those that they improve.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct InterAreaRoutes {
    /// Networks of other areas, and networks of the backbone with a better path through a transit area.
    pub(super) networks: BTreeMap<Prefix, Path>,
    /// The same for AS boundary routers, through each area.
    pub(super) routers: BTreeMap<(RouterId, AreaId), RouterPath>,
    /// The active area address ranges, if this router is an area border router.
    pub(super) ranges: BTreeMap<(AreaId, Prefix), ActiveRange>,
    /// Paths that the policy refused.
    pub(super) refused: BTreeSet<Refused>,
}

/// Calculates inter-area routes. `internal` is the result of [`super::internal::calculate_internal`] for the same areas.
pub(crate) fn calculate_inter_area(inputs: &RouteInputs<'_>, internal: &InternalRoutes) -> InterAreaRoutes {
    let mut routes = InterAreaRoutes { ranges: ranges(inputs, internal), ..InterAreaRoutes::default() };
    routes.search(inputs, internal, Which::All);
    routes
}

impl InterAreaRoutes {
    /// Calculates the paths to some destinations again; nothing else has changed.
    pub(super) fn replace(
        &mut self,
        inputs: &RouteInputs<'_>,
        internal: &InternalRoutes,
        networks: &BTreeSet<Prefix>,
        boundary_routers: &BTreeSet<RouterId>,
    ) {
        networks.iter().for_each(|prefix| _ = self.networks.remove(prefix));
        self.routers.retain(|(router, _), _| !boundary_routers.contains(router));
        self.refused.retain(|refused| !networks.contains(&refused.prefix));
        self.search(inputs, internal, Which::These { networks, boundary_routers });
    }

    /// Determines the active ranges again, after changes of networks inside areas; returns those that differ.
    pub(super) fn replace_ranges(&mut self, inputs: &RouteInputs<'_>, internal: &InternalRoutes) -> BTreeSet<Prefix> {
        let before = std::mem::replace(&mut self.ranges, ranges(inputs, internal));
        let differs = |key: &&(AreaId, Prefix)| before.get(key) != self.ranges.get(key);
        before.keys().chain(self.ranges.keys()).filter(differs).map(|&(_, range)| range).collect()
    }

    fn search(&mut self, inputs: &RouteInputs<'_>, internal: &InternalRoutes, which: Which<'_>) {
        let (judge, own) = (Judge::new(inputs.policy), Own::new(inputs.connected));
        let mut search = Search { inputs, judge, own, internal, which, routes: std::mem::take(self) };
        for area in inputs.areas {
            // RFC 2328 §16.2: "If the router has active attachments to multiple areas, only backbone summary-LSAs are examined", as
            // long as it has a neighbour there (RFC 3509 §2.2).
            if area.area == AreaId::BACKBONE || inputs.border != Border::WithBackbone {
                search.summaries(area, Search::network, Search::boundary_router);
            }
        }
        // RFC 2328 §16.3: "only performed by area border routers that are connected to one or more non-backbone areas that are
        // capable of carrying transit traffic".
        for area in inputs.areas {
            let transit = area.area != AreaId::BACKBONE && internal.transit.contains(&area.area);
            if transit && inputs.border != Border::Inside {
                search.summaries(area, Search::transit_network, Search::transit_boundary_router);
            }
        }
        *self = search.routes;
    }
}

/// The active ranges; none if this router is not an area border router.
fn ranges(inputs: &RouteInputs<'_>, internal: &InternalRoutes) -> BTreeMap<(AreaId, Prefix), ActiveRange> {
    match inputs.border {
        Border::Inside => BTreeMap::new(),
        Border::WithoutBackbone | Border::WithBackbone => active_ranges(inputs.areas, internal),
    }
}

/// All paths inside the AS.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inside<'a> {
    pub(super) internal: &'a InternalRoutes,
    pub(super) inter_area: &'a InterAreaRoutes,
}

impl<'a> Inside<'a> {
    /// The best path to a network.
    pub(super) fn network(self, prefix: Prefix) -> Option<&'a Path> {
        self.inter_area.networks.get(&prefix).or_else(|| self.internal.networks.get(&prefix))
    }

    /// The best paths to all networks, in no particular order.
    pub(super) fn networks(self) -> impl Iterator<Item = (Prefix, &'a Path)> {
        let improved = |prefix| self.inter_area.networks.contains_key(prefix);
        let internal = self.internal.networks.iter().filter(move |(prefix, _)| !improved(prefix));
        internal.chain(&self.inter_area.networks).map(|(&prefix, path)| (prefix, path))
    }

    /// The ranges with a discard entry (RFC 2328 §11.1): packets to destinations in them that have no route are discarded.
    ///
    /// Deviates: §11.1 requires such an entry for hidden ranges, too. But no router sends us packets because of a range that is not
    /// advertised.
    pub(super) fn discards(self) -> impl Iterator<Item = (AreaId, Prefix, &'a ActiveRange)> {
        let advertised = self.inter_area.ranges.iter().filter(|(_, range)| range.is_advertised());
        let unused = advertised.filter(move |((_, prefix), _)| self.network(*prefix).is_none());
        unused.map(|(&(area, prefix), range)| (area, prefix, range))
    }

    /// The advertised ranges that are equal to this network, by area.
    pub(super) fn ranges_at(self, prefix: Prefix) -> impl Iterator<Item = (AreaId, &'a ActiveRange)> {
        let ranges = &self.inter_area.ranges;
        // It goes from area to area, because there are fewer areas than ranges.
        let mut next = ranges.first_key_value().map(|(&(area, _), _)| area);
        let found = std::iter::from_fn(move || {
            let area = next?;
            let later = area.0.checked_add(1).and_then(|area| ranges.range((AreaId(area), Prefix::DEFAULT)..).next());
            next = later.map(|(&(area, _), _)| area);
            Some(ranges.get(&(area, prefix)).map(|range| (area, range)))
        });
        found.flatten().filter(|(_, range)| range.is_advertised())
    }

    /// Whether there is an entry for a network, which may be a discard entry.
    pub(super) fn has(self, prefix: Prefix) -> bool {
        self.network(prefix).is_some() || self.ranges_at(prefix).next().is_some()
    }

    /// The longest prefix that contains `address`, and its path; none if that is a discard entry.
    pub(super) fn longest_match(self, address: Ipv4Addr) -> Option<(Prefix, &'a Path)> {
        for len in (0..=32).rev() {
            let prefix = Prefix::new(address, len);
            let path = self.network(prefix);
            if path.is_some() || self.ranges_at(prefix).next().is_some() {
                return path.map(|path| (prefix, path));
            }
        }
        None
    }

    /// The paths to a router, at most one for each area.
    pub(super) fn paths_to(self, router: RouterId) -> impl Iterator<Item = (AreaId, &'a RouterPath)> {
        let areas = (router, AreaId(u32::MIN))..=(router, AreaId(u32::MAX));
        let improved = |key| self.inter_area.routers.contains_key(key);
        let internal = self.internal.routers.range(areas.clone()).filter(move |(key, _)| !improved(key));
        internal.chain(self.inter_area.routers.range(areas)).map(|(&(_, area), path)| (area, path))
    }
}

impl<'a> Inside<'a> {
    /// All AS boundary routers that are reachable.
    pub(super) fn boundary_routers(self) -> BTreeSet<RouterId> {
        let all = self.internal.routers.iter().chain(&self.inter_area.routers);
        all.filter(|(_, path)| path.flags.contains(RouterFlags::E)).map(|(&(router, _), _)| router).collect()
    }

    /// The preferred path to an AS boundary router (RFC 2328 §16.4 (3)): by class, then by the lowest cost, then by the largest Area ID.
    pub(super) fn preferred_path(
        self,
        router: RouterId,
        rfc1583: Rfc1583Compatibility,
        counts: impl Fn(AreaId) -> bool,
    ) -> Option<(AreaId, &'a RouterPath)> {
        let entries = self.paths_to(router).filter(|(_, path)| path.flags.contains(RouterFlags::E));
        let entries = entries.filter(|(area, _)| counts(*area));
        entries.min_by_key(|(area, path)| (Through::of(rfc1583, path.kind, *area), path.cost, Reverse(*area)))
    }
}

/// Classes of paths to AS boundary routers and forwarding addresses (RFC 2328 §16.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Through {
    /// Intra-area, not through the backbone.
    OtherArea,
    /// Intra-area through the backbone, or inter-area; every path if RFC1583Compatibility is enabled.
    Any,
}

impl Through {
    pub(super) fn of(rfc1583: Rfc1583Compatibility, kind: RouteKind, area: AreaId) -> Self {
        match rfc1583 {
            Rfc1583Compatibility::Disabled if kind == RouteKind::IntraArea && area != AreaId::BACKBONE => {
                Self::OtherArea
            }
            Rfc1583Compatibility::Disabled | Rfc1583Compatibility::Enabled => Self::Any,
        }
    }
}

struct Search<'a> {
    inputs: &'a RouteInputs<'a>,
    judge: Judge<'a>,
    own: Own,
    internal: &'a InternalRoutes,
    which: Which<'a>,
    routes: InterAreaRoutes,
}

/// A path that a border router provides, before the policy has decided.
///
/// Its first hops are those of the path to the border router, because the path behind it is not known. The last guard on the path to the
/// border router, or the border router itself if it is a guard, is therefore responsible for destinations in other areas. Guards behind the
/// border router are not visible.
struct Offer<'a> {
    area: AreaId,
    border_router: RouterId,
    cost: u32,
    first_hops: &'a [FirstHop],
}

impl<'a> Search<'a> {
    /// Calls `network` or `boundary_router` for each usable Summary-LSA of an area.
    fn summaries(
        &mut self,
        area: &AreaInputs<'a>,
        network: fn(&mut Self, Prefix, Offer<'a>),
        boundary_router: fn(&mut Self, RouterId, Offer<'a>),
    ) {
        for entry in self.which.networks(area.lsdb, LsaType::SUMMARY_NETWORK) {
            let (Some(offer), Some(prefix)) = (self.usable(area.area, entry), entry.network()) else { continue };
            network(self, prefix, offer);
        }
        for entry in self.which.boundary_routers(area.lsdb) {
            let Some(offer) = self.usable(area.area, entry) else { continue };
            boundary_router(self, RouterId(entry.key().id.0), offer);
        }
    }

    /// Returns the path of a usable Summary-LSA (RFC 2328 §16.2 (1), (2) and (4), §16.3 (1), (2) and (4)).
    fn usable(&self, area: AreaId, entry: &lsdb::Entry) -> Option<Offer<'a>> {
        let LsaBody::Summary(summary) = entry.body() else { return None };
        let key = entry.key();
        // (1), (2)
        let own = key.advertising_router == self.inputs.router_id;
        if summary.metric >= LS_INFINITY || entry.is_max_age(self.inputs.now) || own {
            return None;
        }
        // (4): "look up the routing table entry for BR having Area A as its associated area."
        let path = self.internal.routers.get(&(key.advertising_router, area))?;
        if !path.flags.contains(RouterFlags::B) {
            return None;
        }
        let cost = path.cost.saturating_add(summary.metric);
        Some(Offer { area, border_router: key.advertising_router, cost, first_hops: &path.first_hops })
    }

    /// Adds an inter-area path to a network (RFC 2328 §16.2 (3), (5) to (8)).
    fn network(&mut self, prefix: Prefix, offer: Offer<'a>) {
        // (3): it is an active range of ours. We know its networks better, and the path may lead back to us.
        let is_active = |area: &AreaInputs<'_>| self.routes.ranges.contains_key(&(area.area, prefix));
        if self.inputs.areas.iter().any(is_active) {
            return;
        }
        // Border routers of a stub area or an NSSA ignore each other's default routes, as in RFC 3101 §2.5 (3)(a): each originates one, and
        // two of them without a backbone (RFC 3509 §2.2) would send packets to each other in a loop.
        let has_default = |area: &&AreaInputs<'_>| area.area == offer.area && *area.kind != AreaKind::Normal;
        let is_border = self.inputs.border != Border::Inside;
        if is_border && prefix == Prefix::DEFAULT && self.inputs.areas.iter().any(|area| has_default(&area)) {
            return;
        }
        let Some(first_hops) = self.accepted(prefix, &offer) else { return };
        // (7): "If the paths ... are intra-area paths, do nothing".
        if self.internal.networks.contains_key(&prefix) || self.own.is_here(prefix) {
            return;
        }
        let found = Path {
            kind: RouteKind::InterArea,
            area: offer.area,
            cost: offer.cost,
            network: None,
            originators: [offer.border_router].into(),
            first_hops,
        };
        match self.routes.networks.entry(prefix) {
            Entry::Vacant(vacant) => {
                vacant.insert(found);
            }
            Entry::Occupied(mut known) => known.get_mut().compete(found),
        }
    }

    /// Adds an inter-area path to an AS boundary router (RFC 2328 §16.2 (5) to (8)); its entry is that of the LSA's area.
    fn boundary_router(&mut self, router: RouterId, offer: Offer<'a>) {
        let key = (router, offer.area);
        let is_internal = self.internal.routers.get(&key).is_some_and(|path| path.flags.contains(RouterFlags::E));
        if is_internal || router == self.inputs.router_id {
            return;
        }
        let found = RouterPath {
            kind: RouteKind::InterArea,
            flags: RouterFlags::E,
            cost: offer.cost,
            first_hops: self.ending_at(router, offer.first_hops),
        };
        match self.routes.routers.entry(key) {
            Entry::Vacant(vacant) => {
                vacant.insert(found);
            }
            Entry::Occupied(mut known) => known.get_mut().compete(found),
        }
    }

    /// Improves a path of the backbone to a network if the transit area has a better one (RFC 2328 §16.3 (3) and (5)).
    fn transit_network(&mut self, prefix: Prefix, offer: Offer<'a>) {
        let inside = Inside { internal: self.internal, inter_area: &self.routes };
        let Some(known) = inside.network(prefix).filter(|known| known.area == AreaId::BACKBONE) else { return };
        if offer.cost > known.cost {
            return;
        }
        let mut found = known.clone();
        let Some(first_hops) = self.accepted(prefix, &offer) else { return };
        // "In any case, the area associated with the routing table entry must remain the backbone area, and the path
        // type (either intra-area or inter-area) must also remain the same."
        found.improve(offer.cost, offer.border_router, first_hops);
        self.routes.networks.insert(prefix, found);
    }

    /// Improves a path of the backbone to an AS boundary router (RFC 2328 §16.3 (3) and (5)).
    fn transit_boundary_router(&mut self, router: RouterId, offer: Offer<'a>) {
        let key = (router, AreaId::BACKBONE);
        let Some(known) = self.routes.routers.get(&key).or_else(|| self.internal.routers.get(&key)) else { return };
        if offer.cost > known.cost || !known.flags.contains(RouterFlags::E) {
            return;
        }
        let mut found = known.clone();
        found.compete(RouterPath {
            cost: offer.cost,
            first_hops: self.ending_at(router, offer.first_hops),
            ..known.clone()
        });
        self.routes.routers.insert(key, found);
    }

    /// The first hops that the policy accepts. If there are none, the refused path is recorded.
    fn accepted(&mut self, prefix: Prefix, offer: &Offer<'a>) -> Option<Vec<FirstHop>> {
        let verdict = self.judge.verdict(prefix);
        let first_hops: Vec<_> =
            offer.first_hops.iter().filter(|first_hop| verdict.allows(first_hop.last_guard)).copied().collect();
        if first_hops.is_empty() {
            self.routes.refused.extend(Refused::all(prefix, offer.border_router, verdict, offer.first_hops));
            return None;
        }
        Some(first_hops)
    }

    /// The first hops of a path that ends at an AS boundary router in another area: if that is a guard, it is the last guard on the path.
    fn ending_at(&self, router: RouterId, first_hops: &[FirstHop]) -> Vec<FirstHop> {
        let mut first_hops = first_hops.to_vec();
        if self.judge.is_guard(router) {
            first_hops.iter_mut().for_each(|first_hop| first_hop.last_guard = Some(router));
            first_hops.dedup();
        }
        first_hops
    }
}

impl Path {
    /// RFC 2328 §16.3 (5): better next hops replace the present ones, equal ones are added.
    fn improve(&mut self, cost: u32, originator: RouterId, first_hops: Vec<FirstHop>) {
        debug_assert!(cost <= self.cost);
        if cost < self.cost {
            self.first_hops.clear();
            self.originators.clear();
        }
        self.cost = cost;
        self.originators.insert(originator);
        self.first_hops.extend(first_hops);
        self.first_hops.sort_unstable();
        self.first_hops.dedup();
    }
}

impl RouterPath {
    /// Keeps the better path, or merges equal ones.
    fn compete(&mut self, found: Self) {
        debug_assert_eq!(self.kind, found.kind);
        match found.cost.cmp(&self.cost) {
            std::cmp::Ordering::Less => *self = found,
            std::cmp::Ordering::Equal => {
                self.first_hops.extend(found.first_hops);
                self.first_hops.sort_unstable();
                self.first_hops.dedup();
            }
            std::cmp::Ordering::Greater => {}
        }
    }
}
