//! The routing table: the routes of every source, and the one of them that is used for each destination.
//!
//! Sources write routes with a preference; the lowest one wins, as an administrative distance does elsewhere. Routes to the same next hops
//! share one [`NextHops`], so that a failure costs as much as there are such sets, not routes: [`Rib::set_failures`] changes each route over
//! what has failed at once, to its remaining next hops or to its backup, before any source has computed anything. Every change returns
//! the destinations whose used route has become another one, and nothing else; what the kernel needs for them is computed from
//! [`Rib::used`]. Nothing here does I/O or knows the time.

mod nexthops;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use smallvec::SmallVec;

pub use self::nexthops::{Failure, NextHops, Nexthop};
use self::nexthops::{SetId, Sets};
use crate::net::{Few, Prefix};

/// A source of routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The OSPFv2 engine.
    Ospf,
}

/// How much a source's routes are preferred to those of others: the lowest value wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Preference(pub u8);

impl Preference {
    /// That of OSPF, as in FRR and in Cisco's and Juniper's tables of administrative distances.
    pub const OSPF: Self = Self(110);
}

/// What a route does with packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Sends them to one of these next hops.
    Forward(NextHops),
    /// Drops them: the destination is an aggregate, and nothing more specific matched (RFC 2328 §11.1).
    Discard,
}

/// A route as its source has written it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Lower is better; with equal values the order of [`Source`] decides.
    pub preference: Preference,
    /// What it does with packets.
    pub action: Action,
    /// The route tag, which import filters select by.
    pub tag: u32,
}

/// The route that is used for a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// Its source.
    pub source: Source,
    /// Where packets go at present: next hops that are down are left out, and the backup is in their place if none is left. `None` if
    /// they are dropped.
    pub nexthops: Option<Arc<Few<Nexthop>>>,
    /// The route tag.
    pub tag: u32,
}

/// The routes of one destination by source, best first. Few destinations have several.
type Offers = SmallVec<[Offer; 1]>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Offer {
    preference: Preference,
    source: Source,
    /// `None` for a route that drops packets.
    hops: Option<SetId>,
    tag: u32,
}

/// The routing table.
#[derive(Debug, Default)]
pub struct Rib {
    routes: BTreeMap<Prefix, Offers>,
    sets: Sets,
}

impl Rib {
    /// Writes routes of a source; `None` withdraws the one to that destination. Returns the destinations whose used route has changed.
    pub fn update(
        &mut self,
        source: Source,
        changes: impl IntoIterator<Item = (Prefix, Option<Route>)>,
    ) -> BTreeSet<Prefix> {
        let changed = changes.into_iter().filter_map(|(prefix, route)| {
            let before = self.used(prefix);
            self.write(source, prefix, route);
            (self.used(prefix) != before).then_some(prefix)
        });
        let changed = changed.collect();
        self.check();
        changed
    }

    /// Writes all routes of a source: those that it had to other destinations are withdrawn. Returns the destinations whose used route has
    /// changed.
    pub fn replace(&mut self, source: Source, routes: impl IntoIterator<Item = (Prefix, Route)>) -> BTreeSet<Prefix> {
        let routes: BTreeMap<Prefix, Route> = routes.into_iter().collect();
        let has_one = |offers: &Offers| offers.iter().any(|offer| offer.source == source);
        let former = self.routes.iter().filter(|(prefix, offers)| has_one(offers) && !routes.contains_key(prefix));
        let withdrawn: Vec<(Prefix, Option<Route>)> = former.map(|(prefix, _)| (*prefix, None)).collect();
        self.update(source, routes.into_iter().map(|(prefix, route)| (prefix, Some(route))).chain(withdrawn))
    }

    /// Takes these as all that has failed at present: next hops of failures that are not among them any more are up again. Returns the
    /// destinations whose used route has changed.
    pub fn set_failures(&mut self, failures: BTreeSet<Failure>) -> BTreeSet<Prefix> {
        let concerned = self.sets.concerned_by(&failures);
        let prefixes = concerned.iter().flat_map(|(id, _)| self.sets.prefixes(*id));
        let before: BTreeMap<Prefix, Option<Used>> = prefixes.map(|prefix| (prefix, self.used(prefix))).collect();
        self.sets.set_failures(failures, concerned);
        self.check();
        before.into_iter().filter(|(prefix, used)| self.used(*prefix) != *used).map(|(prefix, _)| prefix).collect()
    }

    /// Whether a route has this next hop, as one of equal cost or as its backup.
    pub fn has_nexthop(&self, nexthop: &Nexthop) -> bool {
        self.sets.has_nexthop(nexthop)
    }

    /// Returns the route that is used for a destination: the best one that has a next hop or drops packets.
    pub fn used(&self, prefix: Prefix) -> Option<Used> {
        self.best(self.routes.get(&prefix)?)
    }

    /// Returns all routes that are used, by destination.
    pub fn iter(&self) -> impl Iterator<Item = (Prefix, Used)> {
        self.routes.iter().filter_map(|(prefix, offers)| Some((*prefix, self.best(offers)?)))
    }

    fn best(&self, offers: &Offers) -> Option<Used> {
        offers.iter().find_map(|offer| {
            let nexthops = match offer.hops {
                Some(hops) => Some(self.sets.usable(hops)?.clone()),
                None => None,
            };
            Some(Used { source: offer.source, nexthops, tag: offer.tag })
        })
    }

    fn write(&mut self, source: Source, prefix: Prefix, route: Option<Route>) {
        let offers = self.routes.entry(prefix).or_default();
        if let Some(place) = offers.iter().position(|offer| offer.source == source)
            && let Some(hops) = offers.remove(place).hops
            && !offers.iter().any(|offer| offer.hops == Some(hops))
        {
            self.sets.release(hops, prefix);
        }
        if let Some(Route { preference, action, tag }) = route {
            let hops = match action {
                Action::Forward(hops) => Some(self.sets.share(hops, prefix)),
                Action::Discard => None,
            };
            let offer = Offer { preference, source, hops, tag };
            let place = offers.partition_point(|other| (other.preference, other.source) < (preference, source));
            offers.insert(place, offer);
        }
        if offers.is_empty() {
            self.routes.remove(&prefix);
        }
    }

    /// Panics in a debug build if the routes and the sets of next hops do not agree.
    fn check(&self) {
        if !cfg!(debug_assertions) {
            return;
        }
        let mut users: BTreeMap<SetId, BTreeSet<Prefix>> = BTreeMap::new();
        for (prefix, offers) in &self.routes {
            assert!(!offers.is_empty(), "{prefix} has no route");
            assert!(
                offers.is_sorted_by_key(|offer| (offer.preference, offer.source)),
                "the best route to {prefix} is the first"
            );
            let sources: BTreeSet<Source> = offers.iter().map(|offer| offer.source).collect();
            assert_eq!(sources.len(), offers.len(), "a source has one route to {prefix}");
            for hops in offers.iter().filter_map(|offer| offer.hops) {
                users.entry(hops).or_default().insert(*prefix);
            }
        }
        self.sets.check(&users);
    }
}

#[cfg(test)]
mod tests;
