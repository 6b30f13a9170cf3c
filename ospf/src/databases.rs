//! All link state databases of a router: one for each flooding domain (RFC 2328 §12.2, RFC 5250 §3).
//!
//! It finds the database that an LSA belongs in; what is in them is for other chapters to decide.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::ids::{AreaId, InterfaceId, LsaKey, Scope};
use crate::interface::Interface;
use crate::lsdb::{Entry, Lsdb};
use crate::time::Instant;

/// How far one database reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Domain {
    /// The link of one interface.
    Link(InterfaceId),
    /// One area.
    Area(AreaId),
    /// The autonomous system, stub areas excepted.
    As,
}

/// An LSA's place: the database, and the key in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LsaPlace {
    /// Which database.
    pub domain: Domain,
    /// Which LSA.
    pub key: LsaKey,
}

/// The databases.
#[derive(Debug, Default)]
pub(crate) struct Databases {
    by_domain: BTreeMap<Domain, Lsdb>,
}

impl Databases {
    /// Where an LSA belongs that comes from, or goes to, an interface of an area; `None` if its type is unknown (§13 (2)).
    pub(crate) fn place(key: LsaKey, interface: InterfaceId, area: AreaId) -> Option<LsaPlace> {
        let domain = match key.kind.scope()? {
            Scope::Link => Domain::Link(interface),
            Scope::Area => Domain::Area(area),
            Scope::As => Domain::As,
        };
        Some(LsaPlace { domain, key })
    }

    /// The LSA at a place.
    pub(crate) fn lookup(&self, place: LsaPlace) -> Option<&Entry> {
        self.by_domain.get(&place.domain)?.lookup(place.key)
    }

    /// The database of a domain, if there is something in it.
    pub(crate) fn domain(&self, domain: Domain) -> Option<&Lsdb> {
        self.by_domain.get(&domain)
    }

    /// The database of a domain, made if there is none.
    pub(crate) fn domain_mut(&mut self, domain: Domain) -> &mut Lsdb {
        self.by_domain.entry(domain).or_default()
    }

    /// Takes out an LSA; a link's or an area's database goes with its last.
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

    /// Forgets a domain: the interface or the area is not ours any more.
    pub(crate) fn forget(&mut self, domain: Domain) {
        self.by_domain.remove(&domain);
    }

    /// All domains with their databases.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Domain, &Lsdb)> {
        self.by_domain.iter().map(|(&domain, lsdb)| (domain, lsdb))
    }

    /// The LSAs behind `after` in the order of [`LsaPlace`]; all of them without one. Its work grows with what is taken from it.
    pub(crate) fn after(&self, after: Option<LsaPlace>) -> impl Iterator<Item = (Domain, &Entry)> {
        let rest = after.and_then(|place| Some((place, self.by_domain.get(&place.domain)?)));
        let rest =
            rest.into_iter().flat_map(|(place, lsdb)| lsdb.after(place.key).map(move |entry| (place.domain, entry)));
        let first = after.map_or(Bound::Unbounded, |place| Bound::Excluded(place.domain));
        let others = self.by_domain.range((first, Bound::Unbounded));
        rest.chain(others.flat_map(|(&domain, lsdb)| lsdb.iter().map(move |entry| (domain, entry))))
    }

    /// When the next LSA reaches MaxAge.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.by_domain.values().filter_map(Lsdb::next_expiry).min()
    }

    /// An LSA that has reached MaxAge by `now`: see [`Lsdb::take_expired`].
    pub(crate) fn take_expired(&mut self, now: Instant) -> Option<LsaPlace> {
        self.by_domain.iter_mut().find_map(|(&domain, lsdb)| lsdb.take_expired(now).map(|key| LsaPlace { domain, key }))
    }

    /// All LSAs at MaxAge that are still stored.
    pub(crate) fn max_aged(&self) -> impl Iterator<Item = LsaPlace> {
        self.iter().flat_map(|(domain, lsdb)| lsdb.max_aged().map(move |key| LsaPlace { domain, key }))
    }

    /// What a neighbour on an interface is told of (§10.3, NegotiationDone): its link's, its area's and, unless that is a stub or the link
    /// is virtual, the AS's LSAs.
    pub(crate) fn described(&self, id: InterfaceId, interface: &Interface) -> impl Iterator<Item = LsaPlace> {
        let domains = [Domain::Link(id), Domain::Area(interface.config.area), Domain::As];
        domains.into_iter().filter(move |&domain| interface.is_in(id, domain)).flat_map(move |domain| {
            let entries = self.by_domain.get(&domain).into_iter().flat_map(Lsdb::iter);
            entries.map(move |entry| LsaPlace { domain, key: entry.key() })
        })
    }
}
