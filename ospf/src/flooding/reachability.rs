//! How long the originators of LSAs in the databases have been unreachable, for `show` commands. Their LSAs stay until MaxAge (RFC 2328
//! §14) and count against [`crate::Limits`] until then, and only their originators may flush them (§14.1).
//!
//! Only the set of routers that calculations reached is stored. LSAs are examined when this information is requested.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ids::{Domain, LsaPlace, RouterId};
use crate::state::engine::Engine;
use crate::time::Instant;
use crate::view::UnreachableView;
use crate::wire::MAX_AGE;

impl Engine {
    /// Records which routers are reachable, after a calculation that may have changed paths inside the AS.
    pub(crate) fn update_reachability(&mut self) {
        let reached = self.calculation.latest.reached();
        self.reachability.update(reached, self.now);
    }

    /// The originators of LSAs that the last calculation did not reach, by Router ID. Examines every LSA once.
    pub fn unreachable_originators(&self) -> Vec<UnreachableView> {
        // RFC 3623 §2: the calculations during a graceful restart do not count.
        if self.calculation.runs == 0 || self.is_restarting() {
            return Vec::new();
        }
        let mut found: BTreeMap<RouterId, UnreachableView> = BTreeMap::new();
        for (domain, lsdb) in self.databases.iter() {
            for entry in lsdb.iter() {
                let router = entry.key().advertising_router;
                if self.is_reached(domain, router) {
                    continue;
                }
                let view = found.entry(router).or_insert_with(|| UnreachableView {
                    router_id: router,
                    unreachable_for: Duration::ZERO,
                    lsas: 0,
                    octets: 0,
                    lsas_of_area: BTreeMap::new(),
                    gone_in: Duration::ZERO,
                });
                view.lsas += 1;
                view.octets += entry.as_installed().encoded_len();
                if let Domain::Area(area) = domain {
                    *view.lsas_of_area.entry(area).or_default() += 1;
                }
                // An LSA with DoNotAge stays until its originator has been unreachable for MaxAge (RFC 1793 §2.3).
                let age = if entry.is_do_not_age() { 0 } else { entry.age(self.now) };
                let left = MAX_AGE.saturating_sub(age);
                view.gone_in = view.gone_in.max(Duration::from_secs(left.into()));
                view.unreachable_for = view.unreachable_for.max(self.now.saturating_since(entry.installed()));
            }
        }
        for (router, view) in &mut found {
            if let Some(since) = self.reachability.lost.get(router) {
                view.unreachable_for = self.now.saturating_since(*since);
            }
        }
        found.into_values().collect()
    }

    /// Returns since when the originator of an LSA has been unreachable, if it is; the origin of time if it is not known when it was last
    /// reachable.
    pub(crate) fn unreachable_since(&self, place: LsaPlace) -> Option<Instant> {
        let router = place.key.advertising_router;
        if self.calculation.runs == 0 || self.is_restarting() || self.is_reached(place.domain, router) {
            return None;
        }
        Some(self.reachability.lost.get(&router).copied().unwrap_or(Instant::ZERO))
    }

    fn is_reached(&self, domain: Domain, router: RouterId) -> bool {
        let is_neighbor = |id| {
            let interface = self.interfaces.get(&id);
            interface.is_some_and(|interface| interface.neighbors.values().any(|neighbor| neighbor.router_id == router))
        };
        router == self.config.router_id
            || self.reachability.reached.contains(&router)
            || matches!(domain, Domain::Link(id) if is_neighbor(id))
    }
}
