//! All link state databases of a router: one for each flooding domain (RFC 2328 §12.2, RFC 5250 §3).
//!
//! It finds the database to which an LSA belongs; other modules decide what is in the databases.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::ids::{AreaId, Domain, InterfaceId, LinkStateId, LsaKey, LsaPlace, LsaType, RouterId};
use crate::state::lsdb::{Entry, Lsdb};
use crate::time::Instant;
use crate::wire::{LsaBody, RouterLsa};

/// All databases of this router, by flooding domain.
#[derive(Debug, Clone, Default)]
pub(crate) struct Databases {
    by_domain: BTreeMap<Domain, Lsdb>,
}

impl Databases {
    /// The place of an LSA that is received or sent on an interface of an area; `None` if its type is unknown (§13 (2)).
    pub(crate) fn place(key: LsaKey, interface: InterfaceId, area: AreaId) -> Option<LsaPlace> {
        Some(LsaPlace { domain: key.kind.domain(interface, area)?, key })
    }

    /// The LSA at a place.
    pub(crate) fn lookup(&self, place: LsaPlace) -> Option<&Entry> {
        self.by_domain.get(&place.domain)?.lookup(place.key)
    }

    /// The Router-LSA of a router in an area; none if it is at MaxAge.
    pub(crate) fn router_lsa(&self, area: AreaId, router: RouterId, now: Instant) -> Option<&RouterLsa> {
        let key = LsaKey { kind: LsaType::ROUTER, id: LinkStateId(router.0), advertising_router: router };
        let entry = self.lookup(LsaPlace { domain: Domain::Area(area), key })?;
        match entry.body() {
            LsaBody::Router(lsa) if !entry.is_max_age(now) => Some(lsa),
            _ => None,
        }
    }

    /// Whether two routers both have a link to each other in an area, so that each floods to the other.
    pub(crate) fn are_joined(&self, area: AreaId, routers: [RouterId; 2], now: Instant) -> bool {
        let [one, other] = routers;
        let lists = |of, to| self.router_lsa(area, of, now).is_some_and(|lsa: &RouterLsa| lsa.has_link_to(to));
        lists(one, other) && lists(other, one)
    }

    /// The database of a domain, if it contains an LSA.
    pub(crate) fn domain(&self, domain: Domain) -> Option<&Lsdb> {
        self.by_domain.get(&domain)
    }

    /// The database of a domain, created if there is none.
    pub(crate) fn domain_mut(&mut self, domain: Domain) -> &mut Lsdb {
        self.by_domain.entry(domain).or_default()
    }

    /// Removes an LSA, and its database if it was the last LSA there.
    pub(crate) fn remove(&mut self, place: LsaPlace) {
        if let Some(lsdb) = self.by_domain.get_mut(&place.domain) {
            lsdb.remove(place.key);
            if lsdb.is_empty() {
                self.by_domain.remove(&place.domain);
            }
        }
    }

    /// Number of LSAs.
    pub(crate) fn len(&self) -> usize {
        self.by_domain.values().map(Lsdb::len).sum()
    }

    /// Octets of the LSAs.
    pub(crate) fn octets(&self) -> usize {
        self.by_domain.values().map(Lsdb::octets).sum()
    }

    /// Removes the database of a domain, because this router no longer has the interface or the area. Returns it.
    #[must_use = "a large database is freed in slices"]
    pub(crate) fn forget(&mut self, domain: Domain) -> Option<Lsdb> {
        self.by_domain.remove(&domain)
    }

    /// Removes all databases, and returns them.
    #[must_use = "large databases are freed in slices"]
    pub(crate) fn forget_all(&mut self) -> impl Iterator<Item = Lsdb> + use<> {
        std::mem::take(&mut self.by_domain).into_values()
    }

    /// All domains with their databases.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Domain, &Lsdb)> {
        self.by_domain.iter().map(|(&domain, lsdb)| (domain, lsdb))
    }

    /// The LSAs of all domains after a place, in the order of [`LsaPlace`]; without a place, all LSAs. The work grows with the number of
    /// items taken from the iterator.
    pub(crate) fn all_after(&self, after: Option<LsaPlace>) -> impl Iterator<Item = (Domain, &Entry)> {
        let first = after.map_or(Bound::Unbounded, |place| Bound::Included(place.domain));
        self.by_domain.range((first, Bound::Unbounded)).flat_map(move |(&domain, lsdb)| {
            let after = after.filter(|place| place.domain == domain).map(|place| place.key);
            lsdb.all_after(after).map(move |entry| (domain, entry))
        })
    }

    /// When the next LSA reaches MaxAge.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.by_domain.values().filter_map(Lsdb::next_expiry).min()
    }

    /// Returns an LSA that has reached MaxAge by `now`: see [`Lsdb::take_expired`].
    pub(crate) fn take_expired(&mut self, now: Instant) -> Option<LsaPlace> {
        self.by_domain.iter_mut().find_map(|(&domain, lsdb)| lsdb.take_expired(now).map(|key| LsaPlace { domain, key }))
    }

    /// Whether the LSA at a place has reached MaxAge and is no longer used.
    pub(crate) fn is_max_aged(&self, place: LsaPlace) -> bool {
        self.by_domain.get(&place.domain).is_some_and(|lsdb| lsdb.is_max_aged(place.key))
    }

    /// The first LSA at MaxAge after a place, in the order of domains and keys.
    pub(crate) fn next_max_aged(&self, after: Option<LsaPlace>) -> Option<LsaPlace> {
        let first = after.map_or(Bound::Unbounded, |place| Bound::Included(place.domain));
        let mut lsdbs = self.by_domain.range((first, Bound::Unbounded));
        lsdbs.find_map(|(&domain, lsdb)| {
            let after = after.filter(|place| place.domain == domain).map(|place| place.key);
            lsdb.next_max_aged(after).map(|key| LsaPlace { domain, key })
        })
    }

    /// The first LSA with DoNotAge after a place, in the order of domains and keys.
    pub(crate) fn next_do_not_age(&self, after: Option<LsaPlace>) -> Option<LsaPlace> {
        let first = after.map_or(Bound::Unbounded, |place| Bound::Included(place.domain));
        let mut lsdbs = self.by_domain.range((first, Bound::Unbounded));
        lsdbs.find_map(|(&domain, lsdb)| {
            let after = after.filter(|place| place.domain == domain).map(|place| place.key);
            lsdb.next_do_not_age(after).map(|key| LsaPlace { domain, key })
        })
    }

    /// The LSAs of some domains after a place, in order. The domains must be sorted, too.
    pub(crate) fn after(
        &self,
        domains: &[Domain],
        after: Option<LsaPlace>,
    ) -> impl Iterator<Item = (LsaPlace, &Entry)> {
        debug_assert!(domains.is_sorted(), "places are compared");
        let later = domains.iter().filter(move |&&domain| after.is_none_or(|after| domain >= after.domain));
        later.flat_map(move |&domain| {
            let after = after.filter(|after| after.domain == domain).map(|after| after.key);
            let entries = self.by_domain.get(&domain).into_iter().flat_map(move |lsdb| lsdb.all_after(after));
            entries.map(move |entry| (LsaPlace { domain, key: entry.key() }, entry))
        })
    }
}
