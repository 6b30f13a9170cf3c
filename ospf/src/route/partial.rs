//! Partial calculations (RFC 2328 §16.5, §16.6): paths to a few destinations are calculated again, all others stay unchanged.
//!
//! Each part of the calculation does for these destinations what it does for all. A shortest-path tree is always calculated as a whole, but
//! after that only the vertices are examined whose position in it has changed. Paths inside the AS are calculated here; the routes that
//! depend on them, including external routes, are calculated in slices: [`super::affected`], [`super::changes`].

use std::collections::BTreeSet;

use super::affected::Affected;
use super::inputs::RouteInputs;
use super::inter_area::{Inside, calculate_inter_area};
use super::internal::calculate_internal;
use super::table::Calculation;
use crate::ids::{AreaId, LinkStateId, LsaKey, LsaType, Prefix, RouterId};
use crate::state::lsdb::{Entry, Lsdb};
use crate::wire::{LsaBody, RouterLsa};

/// A destination described by a changed LSA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Destination {
    /// A stub network in a Router-LSA.
    Stub(Prefix),
    /// A network of another area in a Summary-LSA.
    Network(Prefix),
    /// An AS boundary router in a Summary-LSA.
    BoundaryRouter(RouterId),
    /// A network outside the AS in an AS-external-LSA or a Type-7 LSA.
    External(Prefix),
}

impl Destination {
    /// The destination of a Summary-LSA, AS-external-LSA or Type-7 LSA, if it has a valid one.
    pub(crate) fn of(key: LsaKey, body: &LsaBody) -> Option<Self> {
        match key.kind {
            LsaType::SUMMARY_NETWORK => body.network(key).map(Self::Network),
            LsaType::SUMMARY_ASBR => Some(Self::BoundaryRouter(RouterId(key.id.0))),
            _ => body.network(key).map(Self::External),
        }
    }
}

/// The parts of the calculation that have to be done again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Parts {
    /// Areas whose shortest-path trees may have changed.
    pub(crate) trees: BTreeSet<AreaId>,
    /// Destinations of changed LSAs that paths inside the AS lead to.
    pub(crate) inside: BTreeSet<Destination>,
    /// External destinations of changed LSAs.
    pub(crate) externals: BTreeSet<Prefix>,
}

impl FromIterator<Destination> for Parts {
    fn from_iter<I: IntoIterator<Item = Destination>>(destinations: I) -> Self {
        let mut parts = Self::default();
        for destination in destinations {
            _ = match destination {
                Destination::External(prefix) => parts.externals.insert(prefix),
                inside => parts.inside.insert(inside),
            };
        }
        parts
    }
}

impl Parts {
    /// The parts affected by a change of a Router-LSA that may change the tree of its area; `instances` are those before and after.
    pub(crate) fn of_tree(area: AreaId, instances: [&RouterLsa; 2]) -> Self {
        let stubs = instances.into_iter().flat_map(RouterLsa::stub_networks);
        let inside = stubs.map(Destination::Stub).collect();
        Self { trees: [area].into(), inside, externals: BTreeSet::new() }
    }

    /// Adds the parts of `more`.
    pub(crate) fn extend(&mut self, more: Self) {
        self.trees.extend(more.trees);
        self.inside.extend(more.inside);
        self.externals.extend(more.externals);
    }

    /// Whether they include paths inside the AS.
    pub(crate) fn are_inside(&self) -> bool {
        !self.trees.is_empty() || !self.inside.is_empty()
    }
}

/// The destinations that are calculated.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which<'a> {
    /// All destinations of LSAs.
    All,
    /// Only these.
    These { networks: &'a BTreeSet<Prefix>, boundary_routers: &'a BTreeSet<RouterId> },
}

impl<'a> Which<'a> {
    /// The LSAs of a type that describe these networks.
    pub(super) fn networks(self, lsdb: &'a Lsdb, kind: LsaType) -> Box<dyn Iterator<Item = &'a Entry> + 'a> {
        match self {
            Self::All => Box::new(lsdb.of_type(kind)),
            Self::These { networks, .. } => {
                Box::new(networks.iter().flat_map(move |&network| lsdb.about(kind, network)))
            }
        }
    }

    /// The Summary-LSAs that describe these AS boundary routers.
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

impl Calculation {
    /// Updates paths inside the AS as far as `parts` may have changed them. Returns the destinations whose routes may have changed. If it
    /// returns `None`, all paths inside the AS have to be calculated, and only the table is still unchanged.
    pub(crate) fn replace_inside(&mut self, inputs: &RouteInputs<'_>, parts: Parts) -> Option<Affected> {
        let mut moved = BTreeSet::new();
        for area in inputs.areas.iter().filter(|area| parts.trees.contains(&area.area)) {
            moved.extend(self.internal.replace_tree(inputs, area)?);
        }
        let mut affected = parts.externals;
        let [mut stubs, mut networks] = [BTreeSet::new(), BTreeSet::new()];
        let mut boundary_routers = BTreeSet::new();
        for destination in parts.inside.into_iter().chain(moved) {
            _ = match destination {
                Destination::Stub(prefix) => stubs.insert(prefix),
                Destination::Network(prefix) => networks.insert(prefix),
                Destination::BoundaryRouter(router) => boundary_routers.insert(router),
                Destination::External(prefix) => affected.insert(prefix),
            };
        }
        if !stubs.is_empty() {
            self.internal.replace(inputs, &stubs);
            networks.extend(self.inter_area.replace_ranges(inputs, &self.internal));
            networks.extend(stubs);
        }
        if !networks.is_empty() || !boundary_routers.is_empty() {
            self.inter_area.replace(inputs, &self.internal, &networks, &boundary_routers);
            affected.extend(&networks);
        }
        Some(Affected::by(affected, networks, boundary_routers))
    }

    /// Calculates all paths inside the AS. Returns all destinations that exist or existed.
    pub(crate) fn calculate_inside(&mut self, inputs: &RouteInputs<'_>) -> Affected {
        self.internal = calculate_internal(inputs);
        self.inter_area = calculate_inter_area(inputs, &self.internal);
        Affected::everything(inputs, Inside { internal: &self.internal, inter_area: &self.inter_area })
    }
}
