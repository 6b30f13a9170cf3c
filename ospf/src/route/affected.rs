//! The destinations whose routes have to be calculated: searched in slices in the databases and in the table, as they are at that time.
//!
//! Changes of the databases during the search are pending for the next calculation, which examines them again.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::ops::Bound;

use super::inputs::{AreaInputs, RouteInputs};
use super::inter_area::Inside;
use super::table::{Calculation, Refused};
use crate::config::AreaKind;
use crate::ids::{AreaId, LsaKey, LsaType, Prefix, RouterId};
use crate::state::lsdb::Entry;
use crate::wire::LsaBody;

/// The destinations found so far, and the places where others may be found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Affected {
    prefixes: BTreeSet<Prefix>,
    /// Which of the destinations found are affected.
    extent: Extent,
    next: Next,
}

#[derive(Debug, Clone, Default)]
enum Extent {
    #[default]
    Everything,
    /// External destinations that are reached, or would be, through certain networks or AS boundary routers.
    DependingOn(Dependence),
}

#[derive(Debug, Clone, Default)]
struct Dependence {
    networks: BTreeSet<Prefix>,
    /// Bit n is set if one of `networks` has length n.
    lengths: u64,
    boundary_routers: BTreeSet<RouterId>,
}

/// The place after which the search continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Next {
    AsExternal(Option<LsaKey>),
    Type7(AreaId, Option<LsaKey>),
    Table(Option<Prefix>),
    Translatable(Option<(Prefix, AreaId)>),
    Refused(Option<Refused>),
    #[default]
    Nothing,
}

impl Affected {
    /// All destinations that exist or existed.
    pub(super) fn everything(inputs: &RouteInputs<'_>, inside: Inside<'_>) -> Self {
        let refused = inside.refused().map(|refused| refused.prefix);
        let ranges = inside.discards().map(|(_, range, _)| range);
        let aggregates = inputs.aggregates.keys().copied();
        let networks = inside.networks().map(|(prefix, _)| prefix);
        let prefixes = networks.chain(refused).chain(ranges).chain(aggregates).collect();
        Self { prefixes, extent: Extent::Everything, next: Next::AsExternal(None) }
    }

    /// These destinations, and the external ones that depend on these networks and AS boundary routers inside the AS.
    pub(super) fn by(
        prefixes: BTreeSet<Prefix>,
        networks: BTreeSet<Prefix>,
        boundary_routers: BTreeSet<RouterId>,
    ) -> Self {
        if networks.is_empty() && boundary_routers.is_empty() {
            return Self { prefixes, ..Self::default() };
        }
        let lengths = networks.iter().fold(0, |lengths, network| lengths | 1 << network.len());
        let extent = Extent::DependingOn(Dependence { networks, lengths, boundary_routers });
        Self { prefixes, extent, next: Next::AsExternal(None) }
    }

    /// Whether the search is complete.
    pub(crate) fn is_found(&self) -> bool {
        self.next == Next::Nothing
    }

    /// Searches up to `most` LSAs or entries; returns how many it examined.
    pub(crate) fn search(&mut self, inputs: &RouteInputs<'_>, latest: &Calculation, most: usize) -> usize {
        let mut looked_at = 0;
        while looked_at < most && !self.is_found() {
            looked_at += self.search_one_place(inputs, latest, most - looked_at);
        }
        looked_at
    }

    fn search_one_place(&mut self, inputs: &RouteInputs<'_>, latest: &Calculation, most: usize) -> usize {
        match self.next {
            Next::AsExternal(after) => {
                let entries = inputs.as_scope.after(LsaType::AS_EXTERNAL, after);
                let (count, last) = note_lsas(&mut self.prefixes, &self.extent, entries.take(most));
                self.next = match last.filter(|_| count == most) {
                    Some(last) => Next::AsExternal(Some(last)),
                    None => self.after_area(inputs, None),
                };
                count
            }
            Next::Type7(area, after) => {
                let lsdb = inputs.areas.iter().find(|inputs| inputs.area == area).map(|inputs| inputs.lsdb);
                let entries = lsdb.into_iter().flat_map(|lsdb| lsdb.after(LsaType::NSSA, after));
                let (count, last) = note_lsas(&mut self.prefixes, &self.extent, entries.take(most));
                self.next = match last.filter(|_| count == most) {
                    Some(last) => Next::Type7(area, Some(last)),
                    None => self.after_area(inputs, Some(area)),
                };
                count
            }
            Next::Table(after) => {
                let keys = latest.table.networks.range((bound(after), Bound::Unbounded)).map(|(&prefix, _)| prefix);
                let (count, last) = note(&mut self.prefixes, keys.take(most), |prefix| prefix);
                self.next = if count == most { Next::Table(last) } else { Next::Translatable(None) };
                count
            }
            Next::Translatable(after) => {
                let keys = latest.translatable.range((bound(after), Bound::Unbounded)).map(|(&key, _)| key);
                let (count, last) = note(&mut self.prefixes, keys.take(most), |(prefix, _)| prefix);
                self.next = if count == most { Next::Translatable(last) } else { Next::Refused(None) };
                count
            }
            Next::Refused(after) => {
                let keys = latest.refused.range((bound(after), Bound::Unbounded)).copied();
                let (count, last) = note(&mut self.prefixes, keys.take(most), |refused| refused.prefix);
                self.next = if count == most { Next::Refused(last) } else { Next::Nothing };
                count
            }
            Next::Nothing => 0,
        }
    }

    /// The place where the search continues after an NSSA, or after the LSAs of AS scope.
    fn after_area(&self, inputs: &RouteInputs<'_>, after: Option<AreaId>) -> Next {
        let is_nssa = |inputs: &&AreaInputs<'_>| matches!(inputs.kind, AreaKind::Nssa(_));
        let mut later = inputs.areas.iter().filter(|inputs| after.is_none_or(|after| inputs.area > after));
        match (later.find(is_nssa), &self.extent) {
            (Some(inputs), _) => Next::Type7(inputs.area, None),
            (None, Extent::Everything) => Next::Table(None),
            (None, Extent::DependingOn(_)) => Next::Nothing,
        }
    }

    /// Takes out the next destinations, up to `most`.
    pub(crate) fn take(&mut self, most: usize) -> BTreeSet<Prefix> {
        if self.prefixes.len() <= most {
            return std::mem::take(&mut self.prefixes);
        }
        (0..most).map_while(|_| self.prefixes.pop_first()).collect()
    }

    /// Whether all destinations have been taken out.
    pub(crate) fn is_empty(&self) -> bool {
        self.prefixes.is_empty()
    }
}

fn bound<T>(after: Option<T>) -> Bound<T> {
    after.map_or(Bound::Unbounded, Bound::Excluded)
}

/// Records the destinations of some entries; returns how many entries there were, and the last one.
fn note<T: Copy>(
    prefixes: &mut BTreeSet<Prefix>,
    entries: impl Iterator<Item = T>,
    prefix: impl Fn(T) -> Prefix,
) -> (usize, Option<T>) {
    entries.fold((0, None), |(count, _), entry| {
        prefixes.insert(prefix(entry));
        (count + 1, Some(entry))
    })
}

/// Records the destinations of those LSAs that are within the extent; returns how many LSAs there were, and the last one.
fn note_lsas<'a>(
    prefixes: &mut BTreeSet<Prefix>,
    extent: &Extent,
    entries: impl Iterator<Item = &'a Entry>,
) -> (usize, Option<LsaKey>) {
    entries.fold((0, None), |(count, _), entry| {
        if extent.contains(entry) {
            prefixes.extend(entry.network());
        }
        (count + 1, Some(entry.key()))
    })
}

impl Extent {
    fn contains(&self, entry: &Entry) -> bool {
        match self {
            Self::Everything => true,
            Self::DependingOn(on) => {
                let LsaBody::External(lsa) = entry.body() else { return false };
                on.boundary_routers.contains(&entry.key().advertising_router) || on.is_reached(lsa.forwarding_address)
            }
        }
    }
}

impl Dependence {
    /// Whether one of the networks contains a forwarding address.
    fn is_reached(&self, forwarding: Ipv4Addr) -> bool {
        let mut lengths = (0..=32).filter(|len| self.lengths & 1 << len != 0);
        !forwarding.is_unspecified() && lengths.any(|len| self.networks.contains(&Prefix::new(forwarding, len)))
    }
}
