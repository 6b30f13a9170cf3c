//! Enforces [`crate::Limits`]: refuses LSAs and routes beyond a limit, and learns them again when there is room.
//!
//! An LSA that is refused during flooding is not acknowledged, so its sender retransmits it until it is accepted. An LSA that is refused
//! during Database Exchange is abandoned, so that the adjacency can still form. When there is room again, the exchange is repeated with one
//! such neighbour of each area, whose database also contains the LSAs abandoned from the others.
//!
//! A part of the room for LSAs is reserved for those of guards ([`crate::Policy::guards`]) and of this router itself: a router on an open
//! link can fill the rest with forged LSAs, but cannot displace these. LSAs that it forges in the name of a guard are refused
//! ([`crate::flooding::site_lsas`]). If there are too many routes, those of guards are kept first.

use std::collections::BTreeMap;

use crate::event::{Event, Limit, LimitState};
use crate::ids::{AreaId, Domain, LsaPlace, NeighborKey};
use crate::machine::neighbor::{NeighborEvent, NeighborState};
use crate::origination::router_lsa::MAX_ROUTER_LINKS;
use crate::route::{Changes, RoutingTable};
use crate::state::engine::Engine;
use crate::state::limits::{Full, Whose};
use crate::view::LimitView;

/// A reached limit counts as left when the number is at most this percentage of it, so that a few changes do not reach it again.
const LEFT_AT: usize = 90;

/// If there are guards, the LSAs of other routers are accepted up to this percentage of a limit.
const FOR_OTHERS: usize = 75;

impl Engine {
    /// All limits, and their present states.
    pub fn limits(&self) -> impl Iterator<Item = LimitView> {
        let areas = self.areas().into_iter().flat_map(|area| [Limit::LsasOfArea(area), Limit::RouterLinks(area)]);
        [Limit::Lsas, Limit::LsdbOctets, Limit::Routes].into_iter().chain(areas).map(|limit| {
            let (present, most) = self.measure(limit);
            let is_reached = |whose| self.limit_states.reached.contains(&Full { limit, whose });
            let state = match (is_reached(Whose::All), is_reached(Whose::Others)) {
                (true, _) => LimitState::Reached,
                (false, true) => LimitState::ReachedForOthers,
                (false, false) => LimitState::Free,
            };
            LimitView { limit, most, present, state }
        })
    }

    /// Returns the limit that leaves no room for another router's LSA of this size, if there is one: for an additional LSA, or for a larger
    /// instance.
    pub(crate) fn limit_for(&self, place: LsaPlace, octets: usize) -> Option<Full> {
        let whose = self.whose(place);
        let stored = self.databases.lookup(place).map(|entry| entry.as_installed().encoded_len());
        let growth = octets.saturating_sub(stored.unwrap_or(0));
        let full = |limit| Full { limit, whose };
        let (present, most) = self.measure_for(full(Limit::LsdbOctets));
        if growth > 0 && present.saturating_add(growth) > most {
            return Some(full(Limit::LsdbOctets));
        }
        if stored.is_some() {
            return None;
        }
        let of_area = match place.domain {
            Domain::Area(area) => Some(Limit::LsasOfArea(area)),
            Domain::Link(_) | Domain::As => None,
        };
        [Some(Limit::Lsas), of_area].into_iter().flatten().map(full).find(|&full| {
            let (present, most) = self.measure_for(full);
            present >= most
        })
    }

    /// Returns the limit that leaves no room for an LSA when `listed` LSAs are already to be requested.
    pub(crate) fn limit_for_request(&self, place: LsaPlace, octets: usize, listed: usize) -> Option<Full> {
        let lsas = Full { limit: Limit::Lsas, whose: self.whose(place) };
        let (_, most) = self.measure_for(lsas);
        self.limit_for(place, octets).or((listed >= most).then_some(lsas))
    }

    fn whose(&self, place: LsaPlace) -> Whose {
        // Not by Link State ID, as in §13.4: any router can forge Network-LSAs that name an address of ours.
        let is_own = place.key.advertising_router == self.config.router_id;
        let is_kept_for = is_own || self.is_of_guards(place.key);
        if is_kept_for || self.config.policy.guards.is_empty() { Whose::All } else { Whose::Others }
    }

    /// Reports that a limit is reached. It is reported once, until the limit is left.
    pub(crate) fn limit_reached(&mut self, full: Full) {
        if self.limit_states.reached.insert(full) {
            let (_, most) = self.measure_for(full);
            self.event(Event::LimitReached { limit: full.limit, most });
        }
    }

    /// Abandons an LSA that a neighbour described: it is not requested, or not accepted, because there is no room.
    pub(crate) fn abandon(&mut self, key: NeighborKey, full: Full) {
        self.limit_reached(full);
        if let Some(neighbor) = self.neighbor_mut(key) {
            neighbor.abandoned = true;
        }
    }

    /// Checks, once for each input, whether reached limits on LSAs are left.
    pub(crate) fn review_limits(&mut self) {
        // Requested LSAs need room, too.
        if self.limit_states.reached.is_empty() || self.is_synchronizing() {
            return;
        }
        let areas = self.areas();
        for full in self.limit_states.reached.clone() {
            let is_gone = match full.limit {
                Limit::LsasOfArea(area) | Limit::RouterLinks(area) => !areas.contains(&area),
                Limit::Lsas | Limit::LsdbOctets | Limit::Routes => false,
            };
            let left = match full.limit {
                _ if is_gone => self.limit_states.reached.remove(&full),
                Limit::Routes => false,
                Limit::Lsas | Limit::LsdbOctets | Limit::LsasOfArea(_) | Limit::RouterLinks(_) => {
                    self.leave_limit(full)
                }
            };
            // No LSA of another router is refused because of this router's links.
            if left && !matches!(full.limit, Limit::RouterLinks(_)) {
                self.catch_up();
            }
        }
    }

    /// Records how many links the Router-LSA of an area would have.
    pub(crate) fn note_links(&mut self, area: AreaId, links: usize) {
        self.limit_states.links.insert(area, links);
        if links > MAX_ROUTER_LINKS {
            self.limit_reached(Full { limit: Limit::RouterLinks(area), whose: Whose::All });
        }
    }

    /// Removes from the changes of a calculation the routes that have no room in the table.
    pub(crate) fn limit_routes(&mut self, changes: &mut Changes, table: &RoutingTable) {
        let most = self.config.limits.routes;
        let full = Full { limit: Limit::Routes, whose: Whose::All };
        self.limit_states.routes = changes.len_after(table);
        if self.limit_states.routes > most {
            changes.cut(table, most, &self.config.policy);
            self.limit_reached(full);
        } else {
            self.leave_limit(full);
        }
    }

    /// Reports that a reached limit is left, if it is, and returns whether it is.
    fn leave_limit(&mut self, full: Full) -> bool {
        let (present, most) = self.measure_for(full);
        let left =
            present.saturating_mul(100) <= most.saturating_mul(LEFT_AT) && self.limit_states.reached.remove(&full);
        if left {
            self.event(Event::LimitLeft { limit: full.limit });
        }
        left
    }

    /// Learns what was abandoned, now that there is room, from one neighbour of each area that has it.
    fn catch_up(&mut self) {
        let mut chosen: BTreeMap<AreaId, NeighborKey> = BTreeMap::new();
        for (&interface, found) in &mut self.interfaces {
            for neighbor in found.neighbors.values_mut().filter(|neighbor| neighbor.abandoned) {
                neighbor.abandoned = false;
                if neighbor.state >= NeighborState::Exchange {
                    chosen.entry(found.config.area).or_insert(NeighborKey { interface, id: neighbor.id });
                }
            }
        }
        for key in chosen.into_values() {
            self.neighbor_event(key, NeighborEvent::SeqNumberMismatch);
        }
    }

    /// The present number and the maximum, for an LSA of a guard or of another router.
    fn measure_for(&self, Full { limit, whose }: Full) -> (usize, usize) {
        let (present, most) = self.measure(limit);
        match whose {
            Whose::Others if !self.config.policy.guards.is_empty() => (present, most.saturating_mul(FOR_OTHERS) / 100),
            Whose::Others | Whose::All => (present, most),
        }
    }

    /// The present number and the maximum.
    fn measure(&self, limit: Limit) -> (usize, usize) {
        match limit {
            Limit::Lsas => (self.databases.len(), self.config.limits.lsas),
            Limit::LsdbOctets => (self.databases.octets(), self.config.limits.lsdb_octets),
            Limit::LsasOfArea(area) => {
                let stored = self.databases.domain(Domain::Area(area)).map_or(0, crate::state::lsdb::Lsdb::len);
                (stored, self.config.limits.lsas_per_area)
            }
            Limit::Routes => (self.limit_states.routes, self.config.limits.routes),
            Limit::RouterLinks(area) => {
                (self.limit_states.links.get(&area).copied().unwrap_or_default(), MAX_ROUTER_LINKS)
            }
        }
    }
}
