//! Sets of next hops, each stored once however many routes use it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use slab::Slab;

use crate::net::{Few, IfName, Prefix};

/// Where a packet goes next.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nexthop {
    /// Outgoing interface.
    pub interface: IfName,
    /// Gateway; `None` = the destination is on the link.
    pub via: Option<IpAddr>,
}

/// The next hops of a route.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct NextHops {
    /// Those of equal cost that packets are spread over.
    pub primary: Few<Nexthop>,
    /// The one that is used when all primary ones are down.
    pub backup: Option<Nexthop>,
}

impl NextHops {
    /// Creates next hops of equal cost, without a backup.
    pub fn equal_cost(primary: Few<Nexthop>) -> Self {
        Self { primary, backup: None }
    }
}

/// What has failed on the way of packets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// An interface does not carry packets: every next hop over it is down.
    Interface(IfName),
    /// A neighbour does not answer: this next hop is down.
    Nexthop(Nexthop),
}

/// Identifies a set in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SetId(usize);

/// A set, and what packets would be sent to.
pub(super) type Concerned = (SetId, Option<Arc<Few<Nexthop>>>);

/// All sets in use, and what has failed.
#[derive(Debug, Default)]
pub(super) struct Sets {
    sets: Slab<Set>,
    ids: BTreeMap<Arc<NextHops>, SetId>,
    failures: BTreeSet<Failure>,
}

#[derive(Debug)]
struct Set {
    hops: Arc<NextHops>,
    /// What packets are sent to at present; `None` if nothing is left.
    usable: Option<Arc<Few<Nexthop>>>,
    /// Destinations of the routes with this set.
    prefixes: BTreeSet<Prefix>,
}

impl Sets {
    /// Returns the set, shared with all routes that have the same one, and notes that the route to `prefix` uses it.
    pub fn share(&mut self, hops: NextHops, prefix: Prefix) -> SetId {
        if let Some(&id) = self.ids.get(&hops) {
            if let Some(set) = self.sets.get_mut(id.0) {
                set.prefixes.insert(prefix);
            }
            return id;
        }
        let usable = spare(&hops, &self.failures);
        let hops = Arc::new(hops);
        let id = SetId(self.sets.insert(Set { hops: hops.clone(), usable, prefixes: BTreeSet::from([prefix]) }));
        self.ids.insert(hops, id);
        id
    }

    /// Notes that no route to `prefix` uses the set any more; a set without routes is dropped.
    pub fn release(&mut self, id: SetId, prefix: Prefix) {
        let set = self.sets.get_mut(id.0);
        debug_assert!(set.is_some(), "a set in use is known");
        let Some(set) = set else { return };
        set.prefixes.remove(&prefix);
        if set.prefixes.is_empty() {
            let set = self.sets.remove(id.0);
            self.ids.remove(&set.hops);
        }
    }

    /// Returns what packets are sent to at present; `None` if nothing is left of the set.
    pub fn usable(&self, id: SetId) -> Option<&Arc<Few<Nexthop>>> {
        let set = self.sets.get(id.0);
        debug_assert!(set.is_some(), "a set in use is known");
        set?.usable.as_ref()
    }

    /// Whether a set has this next hop.
    pub fn has_nexthop(&self, nexthop: &Nexthop) -> bool {
        self.sets.iter().any(|(_, set)| set.hops.primary.contains(nexthop) || set.hops.backup.as_ref() == Some(nexthop))
    }

    /// Returns the sets of which other next hops would be usable if these were all failures.
    pub fn concerned_by(&self, failures: &BTreeSet<Failure>) -> Vec<Concerned> {
        if *failures == self.failures {
            return Vec::new();
        }
        let usable = self.sets.iter().map(|(id, set)| (id, set, spare(&set.hops, failures)));
        usable.filter(|(_, set, usable)| *usable != set.usable).map(|(id, _, usable)| (SetId(id), usable)).collect()
    }

    /// Returns the destinations of routes with this set.
    pub fn prefixes(&self, id: SetId) -> impl Iterator<Item = Prefix> {
        self.sets.get(id.0).into_iter().flat_map(|set| set.prefixes.iter().copied())
    }

    /// Takes these as all failures, with what they change.
    pub fn set_failures(&mut self, failures: BTreeSet<Failure>, concerned: Vec<Concerned>) {
        for (id, usable) in concerned {
            if let Some(set) = self.sets.get_mut(id.0) {
                set.usable = usable;
            }
        }
        self.failures = failures;
    }

    /// Panics if the sets are not those that are used for these destinations, or do not follow from what has failed.
    pub fn check(&self, users: &BTreeMap<SetId, BTreeSet<Prefix>>) {
        assert!(self.sets.iter().map(|(id, _)| SetId(id)).eq(users.keys().copied()), "a set without routes is dropped");
        assert_eq!(self.ids.len(), self.sets.len(), "no set is there twice");
        for (id, set) in &self.sets {
            let id = SetId(id);
            assert_eq!(self.ids.get(&set.hops), Some(&id), "a set is found by its next hops");
            assert_eq!(users.get(&id), Some(&set.prefixes), "a set knows the routes that have it");
            assert_eq!(set.usable, spare(&set.hops, &self.failures), "{:?} with what has failed", set.hops);
        }
    }

    /// Returns how many sets are in use.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.sets.len()
    }
}

/// Returns what is left of the set without the next hops that are down, or the backup where nothing else is; `None` if nothing is left.
fn spare(hops: &NextHops, failures: &BTreeSet<Failure>) -> Option<Arc<Few<Nexthop>>> {
    let is_up = |hop: &&Nexthop| {
        !failures.contains(&Failure::Interface(hop.interface.clone()))
            && !failures.contains(&Failure::Nexthop((*hop).clone()))
    };
    let primary: Few<Nexthop> = hops.primary.iter().filter(is_up).cloned().collect();
    let left = if primary.is_empty() { hops.backup.iter().filter(is_up).cloned().collect() } else { primary };
    (!left.is_empty()).then(|| Arc::new(left))
}
