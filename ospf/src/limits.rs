//! Guards: what happens when there is more than [`crate::Limits`] lets in, and when there is room again.
//!
//! An LSA that is refused while it is being flooded is not acknowledged, so its sender repeats it until it is taken. One that was refused
//! while databases were exchanged is given up, so that the adjacency is formed all the same; when there is room again the exchange is
//! done once more with one such neighbour of each area, whose database has what the others would say, too.

use std::collections::{BTreeMap, BTreeSet};

use crate::databases::{Domain, LsaPlace};
use crate::engine::Engine;
use crate::event::{Event, NeighborState};
use crate::ids::{AreaId, NeighborKey};
use crate::neighbor::NeighborEvent;
use crate::route::{Changes, RoutingTable};
use crate::router_lsa::MAX_ROUTER_LINKS;

/// A limit that was reached is taken for left when there is no more than this part of it, in percent: a change or two does not reach it again.
const LEFT_AT: usize = 90;

/// Which limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// [`crate::Limits::lsas`].
    Lsas,
    /// [`crate::Limits::lsdb_octets`].
    LsdbOctets,
    /// [`crate::Limits::lsas_per_area`], of this area.
    LsasOfArea(AreaId),
    /// [`crate::Limits::routes`].
    Routes,
    /// Links of this router's Router-LSA of an area ([`crate::MAX_ROUTER_LINKS`]): what is beyond is not in it.
    RouterLinks(AreaId),
}

/// Whether something is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitState {
    /// There is room.
    Free,
    /// The limit was reached; [`Event::LimitLeft`] will tell when there is room again.
    Reached,
}

/// A limit at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitView {
    /// Which.
    pub limit: Limit,
    /// The most there may be.
    pub most: usize,
    /// What there is.
    pub present: usize,
    /// What becomes of more.
    pub state: LimitState,
}

/// What is remembered.
#[derive(Debug, Clone, Default)]
pub(crate) struct LimitStates {
    reached: BTreeSet<Limit>,
    /// Routes that there would be.
    routes: usize,
    /// Links that there would be in Router-LSAs.
    links: BTreeMap<AreaId, usize>,
}

impl Engine {
    /// The limits that there are, and how near they are.
    pub fn limits(&self) -> impl Iterator<Item = LimitView> {
        let areas = self.areas().into_iter().flat_map(|area| [Limit::LsasOfArea(area), Limit::RouterLinks(area)]);
        [Limit::Lsas, Limit::LsdbOctets, Limit::Routes].into_iter().chain(areas).map(|limit| {
            let (present, most) = self.measure(limit);
            let state = if self.limit_states.reached.contains(&limit) { LimitState::Reached } else { LimitState::Free };
            LimitView { limit, most, present, state }
        })
    }

    /// The limit that leaves no room for an LSA of others of so many octets, if one does: for one more, or for a larger instance.
    pub(crate) fn limit_for(&self, place: LsaPlace, octets: usize) -> Option<Limit> {
        let stored = self.databases.lookup(place).map(|entry| entry.as_installed().encoded_len());
        let growth = octets.saturating_sub(stored.unwrap_or(0));
        let (present, most) = self.measure(Limit::LsdbOctets);
        if growth > 0 && present.saturating_add(growth) > most {
            return Some(Limit::LsdbOctets);
        }
        if stored.is_some() {
            return None;
        }
        let of_area = match place.domain {
            Domain::Area(area) => Some(Limit::LsasOfArea(area)),
            Domain::Link(_) | Domain::As => None,
        };
        [Some(Limit::Lsas), of_area].into_iter().flatten().find(|&limit| {
            let (present, most) = self.measure(limit);
            present >= most
        })
    }

    /// Something is refused for a limit. It is told once, until the limit is left.
    pub(crate) fn limit_reached(&mut self, limit: Limit) {
        if self.limit_states.reached.insert(limit) {
            let (_, most) = self.measure(limit);
            self.event(Event::LimitReached { limit, most });
        }
    }

    /// An LSA that a neighbour described is not asked for, or not taken, for want of room.
    pub(crate) fn forgo(&mut self, key: NeighborKey, limit: Limit) {
        self.limit_reached(limit);
        if let Some(neighbor) = self.neighbor_mut(key) {
            neighbor.forgone = true;
        }
    }

    /// Once for each input: whether limits of LSAs that were reached are left.
    pub(crate) fn review_limits(&mut self) {
        // What has been asked for needs its room, too.
        if self.limit_states.reached.is_empty() || self.is_synchronizing() {
            return;
        }
        let areas = self.areas();
        for limit in self.limit_states.reached.clone() {
            let left = match limit {
                Limit::Routes => false,
                Limit::RouterLinks(area) => {
                    let gone = !areas.contains(&area) && self.limit_states.reached.remove(&limit);
                    if !gone {
                        self.leave_limit(limit);
                    }
                    false
                }
                Limit::LsasOfArea(area) if !areas.contains(&area) => self.limit_states.reached.remove(&limit),
                Limit::Lsas | Limit::LsdbOctets | Limit::LsasOfArea(_) => self.leave_limit(limit),
            };
            if left {
                self.catch_up();
            }
        }
    }

    /// Notes how many links the Router-LSA of an area would have.
    pub(crate) fn note_links(&mut self, area: AreaId, links: usize) {
        self.limit_states.links.insert(area, links);
        if links > MAX_ROUTER_LINKS {
            self.limit_reached(Limit::RouterLinks(area));
        }
    }

    /// Leaves the changes of a calculation the routes that there is room for in the table.
    pub(crate) fn limit_routes(&mut self, changes: &mut Changes, table: &RoutingTable) {
        let most = self.config.limits.routes;
        self.limit_states.routes = changes.len_after(table);
        if self.limit_states.routes > most {
            changes.cut(table, most);
            self.limit_reached(Limit::Routes);
        } else {
            self.leave_limit(Limit::Routes);
        }
    }

    /// Tells that a limit which was reached is left, if it is.
    fn leave_limit(&mut self, limit: Limit) -> bool {
        let (present, most) = self.measure(limit);
        let left =
            present.saturating_mul(100) <= most.saturating_mul(LEFT_AT) && self.limit_states.reached.remove(&limit);
        if left {
            self.event(Event::LimitLeft { limit });
        }
        left
    }

    /// There is room again: what was given up is learnt from one neighbour of each area that had it.
    fn catch_up(&mut self) {
        let mut chosen: BTreeMap<AreaId, NeighborKey> = BTreeMap::new();
        for (&interface, found) in &mut self.interfaces {
            for neighbor in found.neighbors.values_mut().filter(|neighbor| neighbor.forgone) {
                neighbor.forgone = false;
                if neighbor.state >= NeighborState::Exchange {
                    chosen.entry(found.config.area).or_insert(NeighborKey { interface, id: neighbor.id });
                }
            }
        }
        for key in chosen.into_values() {
            self.neighbor_event(key, NeighborEvent::SeqNumberMismatch);
        }
    }

    /// What there is of it, and the most there may be.
    fn measure(&self, limit: Limit) -> (usize, usize) {
        match limit {
            Limit::Lsas => (self.databases.len(), self.config.limits.lsas),
            Limit::LsdbOctets => (self.databases.octets(), self.config.limits.lsdb_octets),
            Limit::LsasOfArea(area) => {
                let stored = self.databases.domain(Domain::Area(area)).map_or(0, crate::lsdb::Lsdb::len);
                (stored, self.config.limits.lsas_per_area)
            }
            Limit::Routes => (self.limit_states.routes, self.config.limits.routes),
            Limit::RouterLinks(area) => {
                (self.limit_states.links.get(&area).copied().unwrap_or_default(), MAX_ROUTER_LINKS)
            }
        }
    }
}
