//! Detects routes of weft that the kernel has but does not use, because another route or a rule takes precedence. A background task queries
//! the kernel for a few destinations at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Bound;
use std::time::{Duration, Instant};

use tracing::{debug, warn};

use super::beside::Beside;
use super::local::Local;
use crate::kernel::Fib;
use crate::net::Prefix;
use crate::reconcile::fib::Override;
use crate::reconcile::state::{CAPTURE_TABLE, MAIN_TABLE, Route, RouteKey};
use crate::routing::Redistributed;

/// The most destinations that are looked up at a time.
const AT_A_TIME: usize = 32;
/// Among these, the most that were found overridden before.
const KNOWN_AT_A_TIME: usize = 8;
/// Among these, the minimum number of those that no site lists, if there are enough.
const UNLISTED_AT_A_TIME: usize = 8;
/// How often the kernel is queried without a request of a client.
const INTERVAL: Duration = Duration::from_secs(5);
/// The shortest interval between queries, however often clients request them.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
/// How long the look-ups of one time may take together.
const LIMIT: Duration = Duration::from_secs(2);
/// The most overridden routes that are reported one by one.
const MAX_LINES: usize = 10;

type Answer = (Prefix, io::Result<Option<Override>>);

/// The overridden routes, and which destinations are looked up next.
#[derive(Debug)]
pub(super) struct Overrides {
    found: BTreeMap<Prefix, Override>,
    look: Beside<Vec<Answer>>,
    turns: Turns,
}

/// The order in which destinations are looked up: all of them in turn, but those that sites list more often.
#[derive(Debug, Default)]
struct Turns {
    /// The loopbacks and prefixes of the other sites.
    listed: Vec<Prefix>,
    /// The index in `listed` of the next destination.
    next_listed: usize,
    /// The last destination that was taken from all routes.
    last: Option<RouteKey>,
    /// The last destination that was taken from those found overridden.
    last_known: Option<Prefix>,
}

impl Overrides {
    pub fn new(local: &Local) -> Self {
        let mut overrides = Self { found: BTreeMap::new(), look: Beside::new(), turns: Turns::default() };
        overrides.reload(local);
        overrides
    }

    /// Takes over a mesh file that was read.
    pub fn reload(&mut self, local: &Local) {
        let others = local.mesh.sites.iter().filter(|site| site.id != local.site.id);
        let prefixes = others.flat_map(|site| {
            let listed = site.prefixes.iter().copied();
            [Prefix::host(site.loopback)].into_iter().chain(listed)
        });
        self.turns.listed = prefixes.collect::<BTreeSet<_>>().into_iter().collect();
        self.look.expire();
    }

    /// Collects the results of the running look-ups, and starts new ones that are due. Does not wait.
    pub async fn turn(&mut self, fib: Fib, routes: &Routes<'_>, now: Instant) {
        self.take(routes).await;
        if self.look.is_due(INTERVAL, now) {
            self.begin(fib, routes, now);
        }
    }

    /// Looks up routes for a client, unless that was done a moment ago. Does not wait; what is returned completes when there are answers.
    pub async fn ask(
        &mut self,
        fib: Fib,
        routes: &Routes<'_>,
        now: Instant,
    ) -> impl Future<Output = ()> + Send + use<> {
        self.take(routes).await;
        if self.look.is_due(SHORTEST_INTERVAL, now) {
            self.begin(fib, routes, now);
        }
        self.look.ended()
    }

    fn begin(&mut self, fib: Fib, routes: &Routes<'_>, now: Instant) {
        let destinations = self.turns.next(&self.found, routes);
        if destinations.is_empty() {
            return;
        }
        let work = async move {
            let look_ups = destinations.into_iter().map(|prefix| {
                let fib = fib.clone();
                async move { (prefix, fib.overridden(prefix).await) }
            });
            futures::future::join_all(look_ups).await
        };
        self.look.begin(work, LIMIT, now);
    }

    pub async fn take(&mut self, routes: &Routes<'_>) {
        for (prefix, answer) in self.look.outcome().await.unwrap_or_default() {
            match answer {
                Ok(Some(by)) => {
                    if self.found.get(&prefix) != Some(&by) {
                        warn!(problem = by.sentence(prefix), "the kernel does not use a route of weft");
                    }
                    self.found.insert(prefix, by);
                }
                Ok(None) => {
                    if self.found.remove(&prefix).is_some() {
                        tracing::info!(%prefix, "weft's route is used again");
                    }
                }
                // An earlier finding may still be true.
                Err(error) => debug!(%prefix, %error, "the kernel was not asked for a route"),
            }
        }
        self.found.retain(|prefix, _| routes.has(*prefix));
    }

    /// Whether the kernel uses another route instead of weft's.
    pub fn covers(&self, prefix: Prefix) -> bool {
        self.found.contains_key(&prefix)
    }

    /// Problems for the operator.
    pub fn problems(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.found.iter().take(MAX_LINES).map(|(prefix, by)| by.sentence(*prefix)).collect();
        if let Some(more) = self.found.len().checked_sub(MAX_LINES).filter(|more| *more > 0) {
            lines.push(format!("{more} more of weft's routes are in the kernel and not used"));
        }
        lines
    }
}

/// The routes of weft in the kernel, without those that other routes rightly take precedence over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Routes<'a> {
    pub present: &'a BTreeMap<RouteKey, Route>,
    pub local: &'a Local,
    pub redistributed: &'a Redistributed,
}

impl Routes<'_> {
    /// Whether packets to this destination should take weft's route.
    fn has(&self, prefix: Prefix) -> bool {
        let at = |table| self.present.get(&RouteKey { table, prefix }).is_some_and(|route| !route.nexthops.is_empty());
        let in_main = prefix != Prefix::DEFAULT_V4 && at(MAIN_TABLE);
        (in_main || at(CAPTURE_TABLE)) && !self.is_own(prefix)
    }

    /// Whether the destination is a prefix of this site, or is redistributed: then the site's own route rightly takes precedence. (For the
    /// same reason a default route of the uplink takes precedence over one through a LAN.)
    fn is_own(&self, prefix: Prefix) -> bool {
        let listed = &self.local.site.prefixes;
        listed.contains(&prefix)
            || prefix.ospf().is_some_and(|prefix| self.redistributed.externals.contains_key(&prefix))
    }
}

impl Turns {
    fn next(&mut self, found: &BTreeMap<Prefix, Override>, routes: &Routes<'_>) -> BTreeSet<Prefix> {
        let mut chosen = BTreeSet::new();
        let behind = self.last_known.map_or(Bound::Unbounded, Bound::Excluded);
        let known = found.range((behind, Bound::Unbounded)).chain(found).map(|(prefix, _)| *prefix);
        for prefix in known.take(found.len().min(KNOWN_AT_A_TIME)) {
            chosen.insert(prefix);
            self.last_known = Some(prefix);
        }
        for _ in 0..self.listed.len().min(AT_A_TIME) {
            if chosen.len() >= AT_A_TIME - UNLISTED_AT_A_TIME {
                break;
            }
            let prefix = self.listed[self.next_listed % self.listed.len()];
            self.next_listed = (self.next_listed + 1) % self.listed.len();
            if routes.has(prefix) {
                chosen.insert(prefix);
            }
        }
        let behind = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let all = routes.present.range((behind, Bound::Unbounded)).chain(routes.present);
        for (key, _) in all.take(routes.present.len().min(AT_A_TIME)) {
            if chosen.len() >= AT_A_TIME {
                break;
            }
            self.last = Some(*key);
            if routes.has(key.prefix) {
                chosen.insert(key.prefix);
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::fib::{Action, FoundRule, RuleVerdict};
    use crate::reconcile::state::Nexthop;

    const MESH: &str = "[mesh]\nname = \"a\"\nloopbacks = \"10.255.0.0/16\"\n\
        [[site]]\nname = \"b\"\nid = 1\npublic_key = \"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=\"\nprefixes = [\"10.1.0.0/16\"]\n\
        [[site]]\nname = \"c\"\nid = 2\npublic_key = \"AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=\"\n\
        prefixes = [\"10.2.0.0/16\", \"10.1.0.0/16\"]\nendpoint = \"192.0.2.1\"\n";

    fn key(table: u32, prefix: Prefix) -> RouteKey {
        RouteKey { table, prefix }
    }

    fn route() -> Route {
        let interface = crate::net::IfName::new("wg-c").unwrap();
        Route::unicast([Nexthop { interface, via: None, onlink: true }], None)
    }

    #[test]
    fn every_route_has_its_turn_those_of_sites_more_often_and_a_look_is_bounded() {
        let local = Local::with_key(MESH, "b");
        let mut overrides = Overrides::new(&local);
        let many = (0..1000u16).map(|number| {
            let [high, low] = number.to_be_bytes();
            Prefix::host([172, 16, high, low])
        });
        let listed = ["10.255.0.2/32", "10.2.0.0/16"].map(|text| text.parse::<Prefix>().unwrap());
        let wanted: BTreeSet<Prefix> = many.chain(listed).collect();
        // What lives here as well, the uplink's default route beside one by a LAN, and what is dropped are none of it.
        let others = [("10.1.0.0/16", route()), ("0.0.0.0/0", route()), ("10.9.0.0/16", Route::blackhole())];
        let others = others.map(|(text, route)| (text.parse().unwrap(), route));
        let present: BTreeMap<RouteKey, Route> = wanted
            .iter()
            .map(|prefix| (*prefix, route()))
            .chain(others)
            .map(|(prefix, route)| (key(MAIN_TABLE, prefix), route))
            .collect();
        let redistributed = Redistributed::default();
        let routes = Routes { present: &present, local: &local, redistributed: &redistributed };
        let by = Override::Rule(FoundRule {
            priority: 1,
            destination: Prefix::DEFAULT_V4,
            verdict: RuleVerdict::Drop(Action::Blackhole),
        });
        let known: Vec<Prefix> = wanted.iter().rev().take(100).copied().collect();
        overrides.found = known.iter().map(|prefix| (*prefix, by.clone())).collect();
        let (mut seen, mut known_seen) = (BTreeSet::new(), BTreeSet::new());
        for _ in 0..60 {
            let chosen = overrides.turns.next(&overrides.found, &routes);
            assert!(chosen.len() <= AT_A_TIME && listed.iter().all(|prefix| chosen.contains(prefix)), "{chosen:?}");
            known_seen.extend(chosen.iter().filter(|prefix| overrides.found.contains_key(prefix)).copied());
            seen.extend(chosen);
        }
        assert_eq!(seen, wanted);
        assert_eq!(known_seen.len(), known.len());
        let capture = BTreeMap::from([(key(CAPTURE_TABLE, Prefix::DEFAULT_V4), route())]);
        let routes = Routes { present: &capture, ..routes };
        assert_eq!(overrides.turns.next(&BTreeMap::new(), &routes), BTreeSet::from([Prefix::DEFAULT_V4]));
    }
}
