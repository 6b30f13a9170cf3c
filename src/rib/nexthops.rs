//! Sets of next hops, each stored once however many routes use it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::net::{IfName, Prefix};

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
    pub primary: BTreeSet<Nexthop>,
    /// The one that is used when all primary ones are down.
    pub backup: Option<Nexthop>,
}

impl NextHops {
    /// Creates next hops of equal cost, without a backup.
    pub fn equal_cost(primary: BTreeSet<Nexthop>) -> Self {
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

/// All sets in use, and what has failed.
#[derive(Debug, Default)]
pub(super) struct Sets {
    sets: BTreeMap<Arc<NextHops>, Users>,
    failures: BTreeSet<Failure>,
}

#[derive(Debug)]
struct Users {
    /// What packets are sent to at present; `None` if nothing is left.
    usable: Option<Arc<BTreeSet<Nexthop>>>,
    /// Destinations of the routes with this set.
    prefixes: BTreeSet<Prefix>,
}

impl Sets {
    /// Returns the set, shared with all routes that have the same one, and notes that the route to `prefix` uses it.
    pub fn share(&mut self, hops: NextHops, prefix: Prefix) -> Arc<NextHops> {
        if let Some((shared, _)) = self.sets.get_key_value(&hops) {
            let shared = Arc::clone(shared);
            if let Some(users) = self.sets.get_mut(&shared) {
                users.prefixes.insert(prefix);
            }
            return shared;
        }
        let usable = spare(&hops, &self.failures);
        let shared = Arc::new(hops);
        self.sets.insert(Arc::clone(&shared), Users { usable, prefixes: BTreeSet::from([prefix]) });
        shared
    }

    /// Notes that no route to `prefix` uses the set any more; a set without routes is dropped.
    pub fn release(&mut self, hops: &Arc<NextHops>, prefix: Prefix) {
        let users = self.sets.get_mut(hops);
        debug_assert!(users.is_some(), "a set in use is known");
        let Some(users) = users else { return };
        users.prefixes.remove(&prefix);
        if users.prefixes.is_empty() {
            self.sets.remove(hops);
        }
    }

    /// Returns what packets are sent to at present; `None` if nothing is left of the set.
    pub fn usable(&self, hops: &Arc<NextHops>) -> Option<Arc<BTreeSet<Nexthop>>> {
        let users = self.sets.get(hops);
        debug_assert!(users.is_some(), "a set in use is known");
        users?.usable.clone()
    }

    /// Returns the destinations of routes whose usable next hops would be others if these were all failures.
    pub fn concerned_by(&self, failures: &BTreeSet<Failure>) -> impl Iterator<Item = Prefix> {
        let sets = self.sets.iter().filter(|(hops, users)| spare(hops, failures) != users.usable);
        sets.flat_map(|(_, users)| users.prefixes.iter().copied())
    }

    /// Returns how many sets are in use.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.sets.len()
    }

    /// Takes these as all failures.
    pub fn set_failures(&mut self, failures: BTreeSet<Failure>) {
        for (hops, users) in &mut self.sets {
            users.usable = spare(hops, &failures);
        }
        self.failures = failures;
    }
}

/// Returns what is left of the set without the next hops that are down, or the backup where nothing else is; `None` if nothing is left.
fn spare(hops: &NextHops, failures: &BTreeSet<Failure>) -> Option<Arc<BTreeSet<Nexthop>>> {
    // Most of the time nothing has failed: then this copies nothing for the comparison.
    let is_down = |hop: &Nexthop| {
        !failures.is_empty()
            && (failures.contains(&Failure::Interface(hop.interface.clone()))
                || failures.contains(&Failure::Nexthop(hop.clone())))
    };
    let mut left: BTreeSet<Nexthop> = hops.primary.iter().filter(|hop| !is_down(hop)).cloned().collect();
    if left.is_empty() {
        left.extend(hops.backup.iter().filter(|backup| !is_down(backup)).cloned());
    }
    (!left.is_empty()).then(|| Arc::new(left))
}
