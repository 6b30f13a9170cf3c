//! Parts of a calculation made anew (RFC 2328 §16.5, §16.6): routes to a few destinations, everything else being as it was.
//!
//! Each chapter of the calculation does for these destinations what it does for all. A shortest-path tree is made anew as a whole; what
//! follows is calculated for the vertices alone that are elsewhere in it than before.

use std::collections::BTreeSet;

use super::external::calculate_externals;
use super::inputs::RouteInputs;
use super::inter_area::Inside;
use super::table::{Calculation, Refused};
use crate::config::AreaKind;
use crate::ids::{AreaId, LinkStateId, LsaKey, LsaType, Prefix, RouterId};
use crate::io::Route;
use crate::lsdb::{Entry, Lsdb};
use crate::wire::{LsaBody, RouterLsa};

/// What an LSA that changes says something about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Destination {
    /// A stub network, of a Router-LSA.
    Stub(Prefix),
    /// A network of another area, of a Summary-LSA.
    Network(Prefix),
    /// An AS boundary router, of a Summary-LSA.
    BoundaryRouter(RouterId),
    /// A network outside the AS, of an AS-external- or Type-7 LSA.
    External(Prefix),
}

impl Destination {
    /// That of a Summary-, AS-external- or Type-7 LSA, if it is about anything.
    pub(crate) fn of(key: LsaKey, body: &LsaBody) -> Option<Self> {
        match key.kind {
            LsaType::SUMMARY_NETWORK => body.network(key).map(Self::Network),
            LsaType::SUMMARY_ASBR => Some(Self::BoundaryRouter(RouterId(key.id.0))),
            _ => body.network(key).map(Self::External),
        }
    }
}

/// What is to be made anew.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Parts {
    /// Areas whose trees may be others.
    pub(crate) trees: BTreeSet<AreaId>,
    /// What routes may lead to otherwise than before.
    pub(crate) destinations: BTreeSet<Destination>,
}

impl FromIterator<Destination> for Parts {
    fn from_iter<I: IntoIterator<Item = Destination>>(destinations: I) -> Self {
        Self { trees: BTreeSet::new(), destinations: destinations.into_iter().collect() }
    }
}

impl Parts {
    /// Those that follow from a Router-LSA which may change its area's tree: its instance before, and the one after.
    pub(crate) fn of_tree(area: AreaId, instances: [&RouterLsa; 2]) -> Self {
        let stubs = instances.into_iter().flat_map(RouterLsa::stub_networks);
        Self { trees: [area].into(), destinations: stubs.map(Destination::Stub).collect() }
    }

    /// All of both.
    pub(crate) fn extend(&mut self, more: Self) {
        self.trees.extend(more.trees);
        self.destinations.extend(more.destinations);
    }

    /// Whether paths inside the AS are among them.
    pub(crate) fn are_inside(&self) -> bool {
        let is_inside = |destination: &Destination| !matches!(destination, Destination::External(_));
        !self.trees.is_empty() || self.destinations.iter().any(is_inside)
    }
}

/// Which destinations are calculated.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which<'a> {
    /// Whatever LSAs are about.
    All,
    /// These alone.
    These { networks: &'a BTreeSet<Prefix>, boundary_routers: &'a BTreeSet<RouterId> },
}

impl<'a> Which<'a> {
    /// The LSAs of a type that are about such networks.
    pub(super) fn networks(self, lsdb: &'a Lsdb, kind: LsaType) -> Box<dyn Iterator<Item = &'a Entry> + 'a> {
        match self {
            Self::All => Box::new(lsdb.of_type(kind)),
            Self::These { networks, .. } => {
                Box::new(networks.iter().flat_map(move |&network| lsdb.about(kind, network)))
            }
        }
    }

    /// The Summary-LSAs that are about such AS boundary routers.
    pub(super) fn boundary_routers(self, lsdb: &'a Lsdb) -> Box<dyn Iterator<Item = &'a Entry> + 'a> {
        match self {
            Self::All => Box::new(lsdb.of_type(LsaType::SUMMARY_ASBR)),
            Self::These { boundary_routers, .. } => {
                let ids = boundary_routers.iter().map(|router| LinkStateId(router.0));
                Box::new(ids.flat_map(move |id| lsdb.of_id(LsaType::SUMMARY_ASBR, id)))
            }
        }
    }
}

/// What replacing some routes has changed.
#[derive(Debug, Default)]
pub(crate) struct Replaced {
    /// As [`super::table::RoutingTable::changes_since`].
    pub(crate) routes: Vec<(Prefix, Option<Route>)>,
    /// Refusals that there were not before.
    pub(crate) refused: Vec<Refused>,
}

impl Calculation {
    /// Calculates `parts` anew, and what depends on them. If it gives nothing, everything has to be, and only the table is still what it
    /// was.
    pub(crate) fn replace(&mut self, inputs: &RouteInputs<'_>, parts: &Parts) -> Option<Replaced> {
        let mut moved = BTreeSet::new();
        for area in inputs.areas.iter().filter(|area| parts.trees.contains(&area.area)) {
            moved.extend(self.internal.replace_tree(inputs, area)?);
        }
        let [mut stubs, mut networks, mut externals] = [BTreeSet::new(), BTreeSet::new(), BTreeSet::new()];
        let mut boundary_routers = BTreeSet::new();
        for &destination in parts.destinations.iter().chain(&moved) {
            _ = match destination {
                Destination::Stub(prefix) => stubs.insert(prefix),
                Destination::Network(prefix) => networks.insert(prefix),
                Destination::BoundaryRouter(router) => boundary_routers.insert(router),
                Destination::External(prefix) => externals.insert(prefix),
            };
        }
        if !stubs.is_empty() {
            self.internal.replace(inputs, &stubs);
            networks.extend(self.inter_area.replace_ranges(inputs, &self.internal));
            networks.extend(stubs);
        }
        if !networks.is_empty() || !boundary_routers.is_empty() {
            self.inter_area.replace(inputs, &self.internal, &networks, &boundary_routers);
            externals.extend(dependent(inputs, &networks, &boundary_routers));
            externals.extend(networks);
        }
        Some(self.replace_entries(inputs, &externals))
    }

    /// Makes the table's entries for `networks` those that the paths inside the AS and the LSAs about what is outside give.
    fn replace_entries(&mut self, inputs: &RouteInputs<'_>, networks: &BTreeSet<Prefix>) -> Replaced {
        let inside = Inside { internal: &self.internal, inter_area: &self.inter_area };
        let which = Which::These { networks, boundary_routers: &BTreeSet::new() };
        let mut found = calculate_externals(inputs, inside, which);
        let mut replaced = Replaced::default();
        for &prefix in networks {
            let route = inside.route(prefix, inputs.router_id).or_else(|| found.routes.remove(&prefix));
            if self.table.networks.get(&prefix) != route.as_ref() {
                match &route {
                    Some(route) => _ = self.table.networks.insert(prefix, route.clone()),
                    None => _ = self.table.networks.remove(&prefix),
                }
                replaced.routes.push((prefix, route));
            }
        }
        self.translatable.retain(|(_, prefix), _| !networks.contains(prefix));
        self.translatable.append(&mut found.translatable);
        let refused_inside = inside.refused().filter(|refused| networks.contains(&refused.prefix));
        found.refused.extend(refused_inside);
        replaced.refused = found.refused.difference(&self.refused).copied().collect();
        self.refused.retain(|refused| !networks.contains(&refused.prefix));
        self.refused.append(&mut found.refused);
        replaced
    }
}

/// The destinations outside the AS that are reached through one of these networks or boundary routers, or would be.
fn dependent<'a>(
    inputs: &RouteInputs<'a>,
    networks: &BTreeSet<Prefix>,
    boundary_routers: &BTreeSet<RouterId>,
) -> BTreeSet<Prefix> {
    let nssas = inputs.areas.iter().filter(|area| matches!(area.kind, AreaKind::Nssa(_)));
    let type_7 = nssas.flat_map(|area| area.lsdb.of_type(LsaType::NSSA));
    let lsas = inputs.as_scope.of_type(LsaType::AS_EXTERNAL).chain(type_7);
    let depends = |entry: &&Entry| {
        let LsaBody::External(lsa) = entry.body() else { return false };
        boundary_routers.contains(&entry.key().advertising_router)
            || networks.iter().any(|network| network.contains(lsa.forwarding_address))
    };
    lsas.filter(depends).filter_map(Entry::network).collect()
}
