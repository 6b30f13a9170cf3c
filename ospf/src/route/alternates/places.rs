//! Where the paths to a destination end within an area, by LSAs of each kind (RFC 5286 §6), and with that its protection.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::external::usable;
use super::super::inputs::{AreaInputs, RouteInputs};
use super::super::inter_area::{Inside, Through};
use super::super::policy::{Judge, Verdict};
use super::super::table::Calculation;
use super::area::{Area, Place, Surroundings};
use super::choice::{Choice, Destination};
use crate::config::{AreaKind, ExternalMetric, ExternalRouting};
use crate::ids::{AreaId, LinkStateId, LsaType, Prefix, RouterId};
use crate::io::{Nexthop, Route, RouteKind};
use crate::protection::{Protection, Unprotected};
use crate::state::lsdb::Entry;
use crate::wire::{LS_INFINITY, LsaBody, RouterFlags};

/// What decides about a protection: destinations that have it in common have the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Question {
    area: AreaId,
    destination: Destination,
    nexthops: BTreeSet<Nexthop>,
    /// The guards that are accepted; `None` = anybody.
    guards: Option<BTreeSet<RouterId>>,
}

/// Determines the protection of one destination after the other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Protector {
    answers: BTreeMap<Question, Arc<Protection>>,
    /// That of next hops in an area with one neighbour.
    of_single: BTreeMap<BTreeSet<Nexthop>, Arc<Protection>>,
}

impl Protector {
    /// The protection of the route to a destination, with the areas as they are known; `None` if there is no such route, or if packets are
    /// not sent to another router. Returns also how many neighbours were examined.
    pub(crate) fn protection(
        &mut self,
        inputs: &RouteInputs<'_>,
        latest: &Calculation,
        areas: &BTreeMap<AreaId, Area>,
        prefix: Prefix,
    ) -> (Option<Arc<Protection>>, usize) {
        let route = latest.table.networks.get(&prefix);
        // A destination that this router originates, too, is behind it, and no other router's path to it is one of this router.
        let is_elsewhere = |route: &&Route| route.nexthops.iter().any(|nexthop| nexthop.via.is_some());
        let Some(route) = route.filter(is_elsewhere).filter(|_| !inputs.own_externals.contains_key(&prefix)) else {
            return (None, 0);
        };
        let of_area = inputs.areas.iter().find(|area| area.area == route.area);
        let (Some(of_area), Some(area)) = (of_area, areas.get(&route.area)) else { return (None, 0) };
        let surroundings = match area {
            Area::Single => return (Some(self.of_single(&route.nexthops)), 0),
            Area::Several(surroundings) => surroundings,
        };
        let inside = Inside { internal: &latest.internal, inter_area: &latest.inter_area };
        let search = Search { inputs, inside, area: of_area, surroundings };
        let destination = search.destination(prefix, route);
        let verdict = Judge::new(inputs.policy).verdict(prefix);
        let guards = match verdict {
            Verdict::Anyone => None,
            Verdict::Guards(guards) => Some(guards.clone()),
            Verdict::Nobody => Some(BTreeSet::new()),
        };
        let question = Question { area: route.area, destination, nexthops: route.nexthops.clone(), guards };
        if let Some(answer) = self.answers.get(&question) {
            return (Some(answer.clone()), 0);
        }
        let is_backbone = route.area == AreaId::BACKBONE;
        let choice = Choice { area: surroundings, destination: &question.destination, verdict, is_backbone };
        let protection = Arc::new(choice.protection(&question.nexthops));
        let examined = surroundings.neighbors.len() * question.nexthops.len();
        self.answers.insert(question, protection.clone());
        (Some(protection), examined)
    }

    fn of_single(&mut self, nexthops: &BTreeSet<Nexthop>) -> Arc<Protection> {
        if let Some(known) = self.of_single.get(nexthops) {
            return known.clone();
        }
        let none = nexthops.iter().map(|&nexthop| (nexthop, Err(Unprotected::NoOtherNeighbor))).collect();
        let protection = Arc::new(Protection { nexthops: none, backup: None });
        self.of_single.insert(nexthops.clone(), protection.clone());
        protection
    }
}

struct Search<'a> {
    inputs: &'a RouteInputs<'a>,
    inside: Inside<'a>,
    area: &'a AreaInputs<'a>,
    surroundings: &'a Surroundings,
}

impl Search<'_> {
    fn destination(&self, prefix: Prefix, route: &Route) -> Destination {
        let summaries = || self.summaries(self.area.lsdb.about(LsaType::SUMMARY_NETWORK, prefix));
        let (places, elsewhere) = match route.kind {
            // RFC 2328 §12.4.3: who advertises it into the area has a route to it by another area.
            RouteKind::IntraArea => (self.in_area(prefix), summaries().map(|place| place.vertex).collect()),
            RouteKind::InterArea => (summaries().collect(), BTreeSet::new()),
            RouteKind::External1 | RouteKind::External2 => (self.external(prefix, route), BTreeSet::new()),
        };
        let is_external = route.kind > RouteKind::InterArea;
        let mut destination = Destination { places, elsewhere, is_external };
        destination.places.retain(|place| place.vertex != self.surroundings.root);
        destination.places.sort_unstable();
        destination.places.dedup();
        destination
    }

    /// The places of a network of the area.
    fn in_area(&self, prefix: Prefix) -> Vec<Place> {
        self.surroundings.networks.get(&prefix).cloned().unwrap_or_default()
    }

    /// The border routers that advertise a destination by Summary-LSAs.
    fn summaries<'b>(&'b self, entries: impl Iterator<Item = &'b Entry>) -> impl Iterator<Item = Place> {
        entries.filter_map(|entry| {
            let LsaBody::Summary(summary) = entry.body() else { return None };
            let border_router = entry.key().advertising_router;
            let vertex = self.surroundings.topology.vertex(border_router)?;
            let is_border = self.surroundings.topology.router(vertex).is_some_and(|router| router.is_border);
            let is_usable = summary.metric < LS_INFINITY && !entry.is_max_age(self.inputs.now);
            (is_border && is_usable).then(|| Place { beyond: true, ..Place::of(vertex, summary.metric) })
        })
    }

    /// The places at which paths to an external destination leave the AS: of its LSAs, those that the route was chosen from.
    fn external(&self, prefix: Prefix, route: &Route) -> Vec<Place> {
        let mut exits = Vec::new();
        let has_externals = |area: AreaId| {
            let mut areas = self.inputs.areas.iter().filter(|inputs| inputs.area == area);
            areas.any(|inputs| inputs.kind.external_routing() == ExternalRouting::AsExternal)
        };
        for entry in self.inputs.as_scope.about(LsaType::AS_EXTERNAL, prefix) {
            let originator = entry.key().advertising_router;
            let boundary = self.inside.preferred_path(originator, self.inputs.rfc1583, has_externals);
            exits.extend(boundary.and_then(|(area, path)| self.exit(entry, route, (area, path.kind))));
        }
        if matches!(self.area.kind, AreaKind::Nssa(_)) {
            for entry in self.area.lsdb.about(LsaType::NSSA, prefix) {
                let path = self.inside.internal.routers.get(&(entry.key().advertising_router, self.area.area));
                if path.is_some_and(|path| path.flags.contains(RouterFlags::E)) {
                    exits.extend(self.exit(entry, route, (self.area.area, RouteKind::IntraArea)));
                }
            }
        }
        // RFC 2328 §16.4.1: whatever they cost.
        let preferred = exits.iter().map(|(through, _)| *through).min();
        exits.into_iter().filter(|(through, _)| Some(*through) == preferred).flat_map(|(_, places)| places).collect()
    }

    /// The places of one LSA, whose originator is reached through `boundary`, and how the path there is preferred.
    fn exit(&self, entry: &Entry, route: &Route, boundary: (AreaId, RouteKind)) -> Option<(Through, Vec<Place>)> {
        let (_, lsa) = usable(self.inputs, entry)?;
        let metric = match (lsa.metric, route.kind) {
            (ExternalMetric::Type1(metric), RouteKind::External1) => metric,
            // Of the same type 2 metric, the nearest exit is used.
            (ExternalMetric::Type2(metric), RouteKind::External2) if metric == route.metric => 0,
            _ => return None,
        };
        let originator = entry.key().advertising_router;
        let guard = Judge::new(self.inputs.policy).is_guard(originator).then_some(originator);
        let here = self.area.area;
        let (kind, places): (_, Vec<Place>) = if !lsa.forwarding_address.is_unspecified() {
            let (network, path) =
                self.inside.longest_match(lsa.forwarding_address).filter(|(_, path)| path.area == here)?;
            match path.kind {
                RouteKind::IntraArea => (path.kind, self.in_area(network)),
                _ => (path.kind, self.summaries(self.area.lsdb.about(LsaType::SUMMARY_NETWORK, network)).collect()),
            }
        } else {
            let (area, kind) = boundary;
            match kind {
                _ if area != here => return None,
                RouteKind::IntraArea => {
                    let vertex = self.surroundings.topology.vertex(originator);
                    (kind, vertex.map(|vertex| Place::of(vertex, 0)).into_iter().collect())
                }
                _ => {
                    let id = LinkStateId(originator.0);
                    (kind, self.summaries(self.area.lsdb.of_id(LsaType::SUMMARY_ASBR, id)).collect())
                }
            }
        };
        let forwarding = !lsa.forwarding_address.is_unspecified();
        let with_metric = |place: Place| {
            let cost = place.cost.saturating_add(metric);
            Place { cost, guard: guard.or(place.guard), forwarding, ..place }
        };
        let through = Through::of(self.inputs.rfc1583, kind, here);
        Some((through, places.into_iter().map(with_metric).collect()))
    }
}
