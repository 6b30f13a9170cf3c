//! The link state database (RFC 2328 §12.2).
//!
//! An [`Lsdb`] stores the LSAs of one flooding scope: there is one for each area, one for the AS, and one for each link (RFC 5250 type 9).
//! It keeps LSAs in a fixed order, computes their age at any instant without updating them, and knows which LSA reaches MaxAge next. It
//! makes no decisions: other modules decide which instance is newer, what is flooded and what is originated.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use crate::ids::{LinkStateId, LsaKey, LsaType, Prefix, RouterId};
use crate::state::dismantle::Dismantle;
use crate::state::findings::Findings;
use crate::time::Instant;
use crate::wire::{Lsa, LsaBody, LsaHeader, MAX_AGE, NetworkLsa, RouterLsa};

/// An LSA in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The LSA as installed; its header has the age of that moment, see [`Entry::age`].
    lsa: Lsa,
    body: LsaBody,
    installed: Instant,
    /// How the installation changed the database.
    change: Change,
}

impl Entry {
    /// The LSA's key: type, Link State ID and Advertising Router.
    pub(crate) fn key(&self) -> LsaKey {
        self.lsa.header.key
    }

    /// The parsed body; it was parsed once, at the installation.
    pub(crate) fn body(&self) -> &LsaBody {
        &self.body
    }

    /// The network that a Summary-, AS-external- or Type-7 LSA describes, if its mask is valid.
    pub(crate) fn network(&self) -> Option<Prefix> {
        self.body.network(self.key())
    }

    /// The LSA with the age that it had when it was installed.
    pub(crate) fn as_installed(&self) -> &Lsa {
        &self.lsa
    }

    /// When the LSA was installed, for MinLSArrival (RFC 2328 §13 (5)(a)).
    pub(crate) fn installed(&self) -> Instant {
        self.installed
    }

    /// Whether the contents changed when it was installed (RFC 2328 §13.2).
    pub(crate) fn change(&self) -> Change {
        self.change
    }

    /// LS age at `now` in seconds, at most [`MAX_AGE`] (RFC 2328 §12.1.1).
    pub(crate) fn age(&self, now: Instant) -> u16 {
        self.header(now).seconds()
    }

    /// Whether DoNotAge is set, so that the age does not grow (RFC 1793 §2.2).
    pub(crate) fn is_do_not_age(&self) -> bool {
        self.lsa.header.is_do_not_age()
    }

    /// Whether the LSA has reached MaxAge at `now`.
    pub(crate) fn is_max_age(&self, now: Instant) -> bool {
        self.age(now) == MAX_AGE
    }

    /// The first instant at which the age is MaxAge. It means nothing if DoNotAge is set.
    pub(crate) fn expires(&self) -> Instant {
        let left = MAX_AGE.saturating_sub(self.lsa.header.seconds());
        self.installed + Duration::from_secs(u64::from(left))
    }

    /// The header with its age at `now`.
    pub(crate) fn header(&self, now: Instant) -> LsaHeader {
        self.lsa.header.after(now.saturating_since(self.installed).as_secs())
    }

    /// The LSA with its age at `now`; the sender adds InfTransDelay.
    pub(crate) fn instance(&self, now: Instant) -> Lsa {
        self.lsa.after(now.saturating_since(self.installed).as_secs())
    }

    /// Whether both instances have the same contents at `now`, so that no route can differ (RFC 2328 §13.2).
    fn same_contents(&self, other: &Self, now: Instant) -> bool {
        self.lsa.header.options == other.lsa.header.options
            && self.is_max_age(now) == other.is_max_age(now)
            && self.lsa.body == other.lsa.body
    }
}

/// How an insertion changed the database (RFC 2328 §13.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// The new instance has the same contents as the one that it replaces.
    Refreshed,
    /// The contents are new: routes that depend on them are calculated again.
    Contents,
}

/// The LSAs of one flooding scope.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lsdb {
    entries: BTreeMap<LsaKey, Entry>,
    /// Total size of the LSAs in octets.
    octets: usize,
    /// Entries below MaxAge, by the instant at which they reach it.
    expiry: BTreeSet<(Instant, LsaKey)>,
    /// Entries at MaxAge, until they are removed (RFC 2328 §14) or replaced by a newer instance.
    max_aged: BTreeSet<LsaKey>,
    /// Entries with DoNotAge set (RFC 1793 §2.2).
    do_not_age: BTreeSet<LsaKey>,
}

impl Lsdb {
    /// Creates an empty database.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Installs `lsa`, whose parsed body is `body`, in place of any other instance (RFC 2328 §13.2).
    ///
    /// An LSA that arrives with MaxAge is listed by [`Lsdb::max_aged`] at once, and never returned by [`Lsdb::take_expired`].
    pub(crate) fn insert(&mut self, lsa: Lsa, body: LsaBody, now: Instant) -> Change {
        debug_assert!(body.suits(lsa.header.key.kind), "{} with the body of another type", lsa.header.key);
        let key = lsa.header.key;
        let mut entry = Entry { lsa, body, installed: now, change: Change::Contents };
        let previous = self.remove(key);
        if entry.is_max_age(now) {
            self.max_aged.insert(key);
        } else if entry.is_do_not_age() {
            self.do_not_age.insert(key);
        } else {
            self.expiry.insert((entry.expires(), key));
        }
        if previous.is_some_and(|previous| previous.same_contents(&entry, now)) {
            entry.change = Change::Refreshed;
        }
        let change = entry.change;
        self.octets += entry.lsa.encoded_len();
        self.entries.insert(key, entry);
        self.assert_indexed();
        change
    }

    /// Removes an LSA; `None` if there is none with this key.
    pub(crate) fn remove(&mut self, key: LsaKey) -> Option<Entry> {
        let entry = self.entries.remove(&key)?;
        self.octets -= entry.lsa.encoded_len();
        let indexed =
            self.expiry.remove(&(entry.expires(), key)) || self.max_aged.remove(&key) || self.do_not_age.remove(&key);
        debug_assert!(indexed, "{key} was in no index");
        self.assert_indexed();
        Some(entry)
    }

    /// The LSA with this key.
    pub(crate) fn lookup(&self, key: LsaKey) -> Option<&Entry> {
        self.entries.get(&key)
    }

    /// All LSAs in the order of their keys: type, Link State ID, Advertising Router.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The LSAs of one type, ordered by Link State ID and Advertising Router.
    pub(crate) fn of_type(&self, kind: LsaType) -> impl Iterator<Item = &Entry> {
        self.between(kind, LinkStateId(u32::MIN), LinkStateId(u32::MAX))
    }

    /// The Router-LSAs, by router (RFC 2328 §12.2). One whose Link State ID is not its Advertising Router describes no router (§12.1.4),
    /// and is left out.
    pub(crate) fn routers(&self) -> impl Iterator<Item = (RouterId, &Entry, &RouterLsa)> {
        self.of_type(LsaType::ROUTER).filter_map(|entry| match entry.body() {
            LsaBody::Router(body) if entry.key().id.0 == entry.key().advertising_router.0 => {
                Some((entry.key().advertising_router, entry, body))
            }
            _ => None,
        })
    }

    /// The Network-LSAs, by the designated router's address (RFC 2328 §12.2) and router id.
    pub(crate) fn networks(&self) -> impl Iterator<Item = (LinkStateId, &Entry, &NetworkLsa)> {
        self.of_type(LsaType::NETWORK).filter_map(|entry| match entry.body() {
            LsaBody::Network(body) => Some((entry.key().id, entry, body)),
            _ => None,
        })
    }

    /// The LSAs of one type that describe a network: Summary-, AS-external- and Type-7 LSAs.
    pub(crate) fn about(&self, kind: LsaType, network: Prefix) -> impl Iterator<Item = &Entry> {
        // RFC 2328 appendix E: any address of the network may be the Link State ID.
        let first = LinkStateId::from(network.network());
        let last = LinkStateId(first.0 | !u32::from(network.netmask()));
        self.between(kind, first, last).filter(move |entry| entry.network() == Some(network))
    }

    /// The LSAs of one type with one Link State ID, ordered by Advertising Router.
    pub(crate) fn of_id(&self, kind: LsaType, id: LinkStateId) -> impl Iterator<Item = &Entry> {
        self.between(kind, id, id)
    }

    fn between(&self, kind: LsaType, first: LinkStateId, last: LinkStateId) -> impl Iterator<Item = &Entry> {
        let [first, last] = [(first, u32::MIN), (last, u32::MAX)].map(|(id, router)| LsaKey {
            kind,
            id,
            advertising_router: RouterId(router),
        });
        self.entries.range(first..=last).map(|(_, entry)| entry)
    }

    /// Number of LSAs.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Total size of the LSAs in octets, headers included.
    pub(crate) fn octets(&self) -> usize {
        self.octets
    }

    /// Whether the database is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The sum of all LS checksums, which is the same on routers with equal databases (RFC 4750 `ospfExternLsaCksumSum`).
    pub(crate) fn checksum_sum(&self) -> u32 {
        self.iter().fold(0, |sum: u32, entry| sum.wrapping_add(u32::from(entry.lsa.header.checksum)))
    }

    /// When the next LSA reaches MaxAge, for the engine's deadline.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.expiry.first().map(|&(when, _)| when)
    }

    /// Returns an LSA that has reached MaxAge in this database by `now`. Each is returned once, the oldest first, and stays stored.
    ///
    /// The caller floods it (RFC 2328 §14) and calculates the routes without it.
    pub(crate) fn take_expired(&mut self, now: Instant) -> Option<LsaKey> {
        let &(when, key) = self.expiry.first()?;
        if when > now {
            return None;
        }
        self.expiry.pop_first();
        self.max_aged.insert(key);
        debug_assert!(self.entries[&key].is_max_age(now), "{key} was taken before it reached MaxAge");
        self.assert_indexed();
        Some(key)
    }

    /// The LSAs at MaxAge. Each is removed once no neighbour has to acknowledge it (RFC 2328 §14).
    pub(crate) fn max_aged(&self) -> impl Iterator<Item = LsaKey> {
        self.max_aged.iter().copied()
    }

    /// Whether an LSA is listed as being at MaxAge.
    pub(crate) fn is_max_aged(&self, key: LsaKey) -> bool {
        self.max_aged.contains(&key)
    }

    /// The first LSA at MaxAge after a key.
    pub(crate) fn next_max_aged(&self, after: Option<LsaKey>) -> Option<LsaKey> {
        let first = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.max_aged.range((first, Bound::Unbounded)).next().copied()
    }

    /// The first LSA with DoNotAge after a key.
    pub(crate) fn next_do_not_age(&self, after: Option<LsaKey>) -> Option<LsaKey> {
        let first = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.do_not_age.range((first, Bound::Unbounded)).next().copied()
    }

    /// The LSAs after a key, in the order of their keys. There need not be an LSA with that key.
    pub(crate) fn all_after(&self, after: Option<LsaKey>) -> impl Iterator<Item = &Entry> {
        let first = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.entries.range((first, Bound::Unbounded)).map(|(_, entry)| entry)
    }

    /// The LSAs of one type after a key, in the order of their keys.
    pub(crate) fn after(&self, kind: LsaType, after: Option<LsaKey>) -> impl Iterator<Item = &Entry> {
        let first = match after {
            Some(key) => Bound::Excluded(key),
            None => Bound::Included(LsaKey { kind, ..LsaKey::FIRST }),
        };
        let of_type = self.entries.range((first, Bound::Unbounded)).take_while(move |(key, _)| key.kind == kind);
        of_type.map(|(_, entry)| entry)
    }

    /// Checks that each LSA is in exactly one index, and in the right one.
    pub(crate) fn check(&self, now: Instant, findings: &mut Findings) {
        let octets: usize = self.entries.values().map(|entry| entry.lsa.encoded_len()).sum();
        findings.demand(octets == self.octets, "the octets of a database are the sum of those of its LSAs", || {
            format!("{octets} octets, recorded {}", self.octets)
        });
        let indexed = self.expiry.len() + self.max_aged.len() + self.do_not_age.len();
        findings.demand(indexed == self.entries.len(), "each LSA of a database is in exactly one index", || {
            format!("{} LSAs, {indexed} indexed", self.entries.len())
        });
        for (&key, entry) in &self.entries {
            let places = [
                self.expiry.contains(&(entry.expires(), key)),
                self.max_aged.contains(&key) && entry.is_max_age(now),
                self.do_not_age.contains(&key) && entry.is_do_not_age(),
            ];
            let in_one = places.into_iter().filter(|is_there| *is_there).count() == 1;
            findings.demand(
                entry.key() == key && in_one,
                "each LSA either expires, is at MaxAge or has DoNotAge",
                || format!("{key} expires at {:?}, now {now:?}", entry.expires()),
            );
        }
    }

    fn assert_indexed(&self) {
        let indexed = self.expiry.len() + self.max_aged.len() + self.do_not_age.len();
        debug_assert_eq!(self.entries.len(), indexed, "each LSA is in one index");
    }
}

impl Dismantle for Lsdb {
    fn dismantle(&mut self) -> bool {
        let some = [
            self.expiry.pop_last().is_some(),
            self.max_aged.pop_last().is_some(),
            self.do_not_age.pop_last().is_some(),
        ];
        self.entries.pop_last().is_some() || some.contains(&true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SequenceNumber;
    use crate::wire::Options;
    use bytes::Bytes;

    fn key(kind: LsaType, id: u32, router: u32) -> LsaKey {
        LsaKey { kind, id: LinkStateId(id), advertising_router: RouterId(router) }
    }

    fn lsa(key: LsaKey, age: u16, body: &'static [u8]) -> Lsa {
        let header = LsaHeader {
            age,
            options: Options::E,
            key,
            sequence: SequenceNumber::INITIAL,
            checksum: 0x1234,
            length: 20 + body.len() as u16,
        };
        Lsa { header, body: Bytes::from_static(body) }
    }

    fn opaque(id: u32, router: u32) -> LsaKey {
        key(LsaType::OPAQUE_AREA, id, router)
    }

    fn install(lsdb: &mut Lsdb, lsa: Lsa, now: Instant) -> Change {
        let body = match lsa.header.key.kind {
            LsaType::ROUTER => LsaBody::Router(RouterLsa::default()),
            LsaType::NETWORK => {
                LsaBody::Network(NetworkLsa { network_mask: [255, 255, 255, 0].into(), attached_routers: Vec::new() })
            }
            _ => LsaBody::Opaque(lsa.body.clone()),
        };
        lsdb.insert(lsa, body, now)
    }

    fn at(secs: u64) -> Instant {
        Instant::new(Duration::from_secs(secs))
    }

    #[test]
    fn age_counts_whole_seconds_from_installation_and_stops_at_max_age() {
        let mut lsdb = Lsdb::new();
        install(&mut lsdb, lsa(opaque(1, 1), 3590, b"abcd"), at(100));
        let entry = lsdb.lookup(opaque(1, 1)).unwrap();
        assert_eq!(entry.age(at(0)), 3590, "time before the installation does not count");
        assert_eq!(entry.age(at(100) + Duration::from_millis(999)), 3590);
        assert_eq!(entry.age(at(101)), 3591);
        assert_eq!(entry.age(at(110)), MAX_AGE);
        assert_eq!(entry.age(Instant::new(Duration::MAX)), MAX_AGE);
        assert_eq!(entry.expires(), at(110));
        assert_eq!(entry.header(at(105)).age, 3595);
        assert_eq!(entry.instance(at(105)).body, Bytes::from_static(b"abcd"));
    }

    #[test]
    fn each_lsa_expires_once_oldest_first_and_stays_until_removed() {
        let mut lsdb = Lsdb::new();
        install(&mut lsdb, lsa(opaque(1, 1), 0, b""), at(0));
        install(&mut lsdb, lsa(opaque(2, 1), 3000, b""), at(0));
        assert_eq!(lsdb.next_expiry(), Some(at(600)));
        assert_eq!(lsdb.take_expired(at(599)), None);
        assert_eq!(lsdb.take_expired(at(600)), Some(opaque(2, 1)));
        assert_eq!(lsdb.take_expired(at(600)), None);
        assert_eq!(lsdb.next_expiry(), Some(at(3600)));
        assert_eq!(lsdb.max_aged().collect::<Vec<_>>(), [opaque(2, 1)]);
        assert!(lsdb.lookup(opaque(2, 1)).unwrap().is_max_age(at(600)));
        assert!(lsdb.remove(opaque(2, 1)).is_some());
        assert_eq!(lsdb.max_aged().count(), 0);
        assert_eq!(lsdb.remove(opaque(2, 1)), None);
        assert_eq!(lsdb.iter().count(), 1);
    }

    #[test]
    fn a_flushed_lsa_is_listed_as_max_aged_at_once() {
        let mut lsdb = Lsdb::new();
        install(&mut lsdb, lsa(opaque(1, 1), 5, b""), at(0));
        assert_eq!(install(&mut lsdb, lsa(opaque(1, 1), MAX_AGE, b""), at(10)), Change::Contents);
        assert_eq!(lsdb.next_expiry(), None);
        assert_eq!(lsdb.take_expired(at(9999)), None);
        assert_eq!(lsdb.max_aged().collect::<Vec<_>>(), [opaque(1, 1)]);
    }

    #[test]
    fn a_newer_instance_leaves_no_trace_of_the_older_in_the_indices() {
        let mut lsdb = Lsdb::new();
        install(&mut lsdb, lsa(opaque(1, 1), 3599, b""), at(0));
        assert_eq!(lsdb.take_expired(at(1)), Some(opaque(1, 1)));
        assert_eq!(install(&mut lsdb, lsa(opaque(1, 1), 1, b""), at(2)), Change::Contents, "MaxAge or not differs");
        assert_eq!(lsdb.max_aged().count(), 0);
        assert_eq!(lsdb.next_expiry(), Some(at(3601)));
        assert_eq!(install(&mut lsdb, lsa(opaque(1, 1), 1, b""), at(3)), Change::Refreshed);
        assert_eq!(install(&mut lsdb, lsa(opaque(1, 1), 1, b"new!"), at(4)), Change::Contents);
        assert_eq!(lsdb.next_expiry(), Some(at(3603)));
        assert_eq!(lsdb.iter().count(), 1);
    }

    #[test]
    fn lsas_of_a_type_come_in_order_and_alone() {
        let mut lsdb = Lsdb::new();
        for (id, router) in [(2, 9), (2, 3), (1, 7), (3, 1)] {
            install(&mut lsdb, lsa(opaque(id, router), 0, b""), at(0));
        }
        install(&mut lsdb, lsa(key(LsaType::ROUTER, 2, 2), 0, b""), at(0));
        install(&mut lsdb, lsa(key(LsaType::ROUTER, 8, 9), 0, b""), at(0));
        install(&mut lsdb, lsa(key(LsaType::NETWORK, 2, 2), 0, b""), at(0));
        install(&mut lsdb, lsa(key(LsaType::OPAQUE_AS, 2, 2), 0, b""), at(0));
        let keys: Vec<_> = lsdb.of_type(LsaType::OPAQUE_AREA).map(Entry::key).collect();
        assert_eq!(keys, [opaque(1, 7), opaque(2, 3), opaque(2, 9), opaque(3, 1)]);
        assert_eq!(
            lsdb.routers().map(|(id, ..)| id).collect::<Vec<_>>(),
            [RouterId(2)],
            "router 9 originates no Router-LSA with Link State ID 8"
        );
        assert_eq!(lsdb.networks().count(), 1);
        assert_eq!(lsdb.iter().count(), 8);
        assert_eq!(lsdb.checksum_sum(), 8 * 0x1234);
        assert!(!lsdb.is_empty());
    }
}
