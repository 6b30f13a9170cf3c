//! Parts of a calculation made anew (RFC 2328 §16.5, §16.6): paths to a few destinations, everything else being as it was.
//!
//! Each chapter of the calculation does for these destinations what it does for all. A shortest-path tree is made anew as a whole; what
//! follows is calculated for the vertices alone that are elsewhere in it than before. Paths inside the AS are made here; the routes that
//! follow, those outside the AS among them, are made in slices: [`super::affected`], [`super::changes`].

use std::collections::BTreeSet;

use super::affected::Affected;
use super::inputs::RouteInputs;
use super::inter_area::{Inside, calculate_inter_area};
use super::internal::calculate_internal;
use super::table::Calculation;
use crate::ids::{AreaId, LinkStateId, LsaKey, LsaType, Prefix, RouterId};
use crate::state::lsdb::{Entry, Lsdb};
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
    /// What paths inside the AS may lead to otherwise than before.
    pub(crate) inside: BTreeSet<Destination>,
    /// The same for paths out of the AS.
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
    /// Those that follow from a Router-LSA which may change its area's tree: its instance before, and the one after.
    pub(crate) fn of_tree(area: AreaId, instances: [&RouterLsa; 2]) -> Self {
        let stubs = instances.into_iter().flat_map(RouterLsa::stub_networks);
        let inside = stubs.map(Destination::Stub).collect();
        Self { trees: [area].into(), inside, externals: BTreeSet::new() }
    }

    /// All of both.
    pub(crate) fn extend(&mut self, more: Self) {
        self.trees.extend(more.trees);
        self.inside.extend(more.inside);
        self.externals.extend(more.externals);
    }

    /// Whether paths inside the AS are among them.
    pub(crate) fn are_inside(&self) -> bool {
        !self.trees.is_empty() || !self.inside.is_empty()
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

impl Calculation {
    /// Makes paths inside the AS what `inputs` say of them now, as far as `parts` may have changed them; gives the destinations whose
    /// routes may be others for it. If it gives nothing, all paths inside the AS have to be calculated, and only the table is still what
    /// it was.
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

    /// Calculates all paths inside the AS; gives all destinations that there are or were.
    pub(crate) fn calculate_inside(&mut self, inputs: &RouteInputs<'_>) -> Affected {
        self.internal = calculate_internal(inputs);
        self.inter_area = calculate_inter_area(inputs, &self.internal);
        Affected::everything(inputs, Inside { internal: &self.internal, inter_area: &self.inter_area })
    }
}
