//! What is shown of alternates: the backup of a route, and how many destinations have one.

use std::collections::BTreeMap;

use ospf::{Alternate, Alternates, Protection, Route};

use super::report::Report;
use crate::control::view;
use crate::net::Prefix;

/// How many destinations are named for each reason.
const EXAMPLES: usize = 8;

impl Report<'_> {
    /// The backup of a route, and why a next hop has nothing that takes its place.
    pub(super) fn backup(&self, prefix: Prefix, route: &Route) -> (Option<view::Backup>, Option<view::Unprotected>) {
        if !leads_elsewhere(route) {
            return (None, None);
        }
        match self.protections.get(&prefix) {
            None => (None, Some(self.not_calculated())),
            Some(protection) => {
                let backup = protection.backup.as_ref().map(|alternate| self.alternate(alternate));
                (backup, unprotected(protection).map(Into::into))
            }
        }
    }

    fn alternate(&self, alternate: &Alternate) -> view::Backup {
        view::Backup {
            interface: self.name(alternate.nexthop.interface),
            via: alternate.nexthop.via,
            router_id: alternate.router_id.into(),
            site: self.site_of(alternate.router_id),
            metric: alternate.metric,
            link_protecting: alternate.link_protecting,
            node_protecting: alternate.node_protecting,
            downstream: alternate.downstream,
        }
    }

    fn not_calculated(&self) -> view::Unprotected {
        match self.local.mesh.ospf.alternates {
            Alternates::On => view::Unprotected::Pending,
            Alternates::Off => view::Unprotected::Off,
        }
    }

    /// How many destinations are protected, and which are not and why.
    pub(super) fn protection(&self) -> view::Protection {
        let mut summary = view::Protection {
            fast_reroute: self.local.mesh.ospf.alternates == Alternates::On,
            prefixes: 0,
            link_protected: 0,
            node_protected: 0,
            unprotected: Vec::new(),
        };
        let mut reasons: BTreeMap<Option<ospf::Unprotected>, view::UnprotectedPrefixes> = BTreeMap::new();
        for (prefix, _) in self.routes.iter().filter(|(_, route)| leads_elsewhere(route)) {
            summary.prefixes += 1;
            let protection = self.protections.get(prefix);
            let all = |is: fn(&Alternate) -> bool| {
                protection.is_some_and(|protection| protection.nexthops.values().all(|one| one.as_ref().is_ok_and(is)))
            };
            summary.node_protected += u64::from(all(|alternate| alternate.node_protecting));
            if all(|alternate| alternate.link_protecting) {
                summary.link_protected += 1;
                continue;
            }
            // An alternate that protects from the router's failure alone shares the link.
            let reason = protection.map(|found| unprotected(found).unwrap_or(ospf::Unprotected::SameFate));
            let of_reason = reasons.entry(reason).or_insert_with(|| view::UnprotectedPrefixes {
                reason: reason.map_or_else(|| self.not_calculated(), Into::into),
                count: 0,
                prefixes: Vec::new(),
            });
            of_reason.count += 1;
            if of_reason.prefixes.len() < EXAMPLES {
                of_reason.prefixes.push(prefix.to_string());
            }
        }
        summary.unprotected = reasons.into_values().collect();
        summary
    }
}

/// Whether packets to the destination are sent to another router.
fn leads_elsewhere(route: &Route) -> bool {
    route.nexthops.iter().any(|nexthop| nexthop.via.is_some())
}

/// Why a next hop has no alternate; `None` if each of them has.
fn unprotected(protection: &Protection) -> Option<ospf::Unprotected> {
    protection.nexthops.values().filter_map(|one| one.as_ref().err().copied()).max()
}
