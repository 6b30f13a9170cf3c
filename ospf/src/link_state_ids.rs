//! Link State IDs for LSAs that describe networks (RFC 2328 appendix E): two networks may have one number and differ in their masks.

use std::collections::{BTreeMap, BTreeSet};

use crate::databases::{Domain, LsaPlace};
use crate::engine::Engine;
use crate::ids::{LinkStateId, LsaKey, LsaType, Prefix};
use crate::wire::{LsaBody, Options};

impl Engine {
    /// Has the LSAs of one type and domain, each about a network, be these and no others; gives the networks that none can be had for.
    ///
    /// A network keeps its Link State ID while others come and go.
    pub(crate) fn want_networks_of(
        &mut self,
        domain: Domain,
        kind: LsaType,
        lsas: BTreeMap<Prefix, (Options, LsaBody)>,
    ) -> BTreeSet<Prefix> {
        let present: BTreeMap<_, _> = self.originations.networks(domain, kind).collect();
        if present.is_empty() && lsas.is_empty() {
            return BTreeSet::new();
        }
        let ids = link_state_ids(&present, lsas.keys().copied());
        let place = |id| LsaPlace { domain, key: LsaKey { kind, id, advertising_router: self.config.router_id } };
        let kept: BTreeSet<_> = ids.values().copied().collect();
        let gone = present.values().filter(|&id| !kept.contains(id)).map(|&id| place(id));
        for place in gone.collect::<Vec<_>>() {
            self.originations.unwant(place);
        }
        let mut without = BTreeSet::new();
        for (prefix, (options, body)) in lsas {
            match ids.get(&prefix) {
                Some(&id) => {
                    let key = LsaKey { kind, id, advertising_router: self.config.router_id };
                    self.originations.want(LsaPlace { domain, key }, options, body);
                }
                None => {
                    without.insert(prefix);
                }
            }
        }
        without
    }
}

/// A Link State ID for each prefix, no two the same, each an address of its prefix (appendix E), those of `present` if it can be.
///
/// A /32 has no other address than its number, so it comes first. Others keep what they have; new ones have their number or, where that is
/// taken, their highest address, or the next that is free. A prefix all of whose addresses stand for prefixes within it has no LSA: those
/// say as much.
fn link_state_ids(
    present: &BTreeMap<Prefix, LinkStateId>,
    prefixes: impl Iterator<Item = Prefix>,
) -> BTreeMap<Prefix, LinkStateId> {
    let (hosts, mut networks): (Vec<_>, Vec<_>) = prefixes.partition(|prefix| prefix.len() == 32);
    networks.sort_unstable_by_key(|prefix| (!present.contains_key(prefix), prefix.len(), *prefix));
    let mut taken = BTreeSet::new();
    let mut ids = BTreeMap::new();
    for prefix in hosts.into_iter().chain(networks) {
        let first = u32::from(prefix.network());
        let last = first | !u32::from(prefix.netmask());
        let known = present.get(&prefix).map(|id| id.0);
        // One more candidate than there are LSAs is always enough, if the prefix has as many addresses.
        let candidates = known.into_iter().chain([first, last]).chain(first..=last);
        if let Some(id) = candidates.take(taken.len() + 4).find(|id| !taken.contains(id)) {
            taken.insert(id);
            ids.insert(prefix, LinkStateId(id));
        }
    }
    debug_assert!(ids.iter().all(|(prefix, id)| prefix.contains((*id).into())));
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assigned_after(present: &[(&str, &str)], prefixes: &[&str]) -> Vec<String> {
        let present = present.iter().map(|(text, id)| (prefix(text), id.parse().expect("an id"))).collect();
        let prefixes: Vec<_> = prefixes.iter().map(|text| prefix(text)).collect();
        let ids = link_state_ids(&present, prefixes.iter().copied());
        prefixes.iter().map(|prefix| ids.get(prefix).map_or("none".to_owned(), ToString::to_string)).collect()
    }

    fn assigned(prefixes: &[&str]) -> Vec<String> {
        assigned_after(&[], prefixes)
    }

    fn prefix(text: &str) -> Prefix {
        let (network, len) = text.split_once('/').expect("network/len");
        Prefix::new(network.parse().expect("an address"), len.parse().expect("a length"))
    }

    #[test]
    fn networks_that_differ_in_their_mask_only_have_link_state_ids_of_their_own() {
        assert_eq!(
            assigned(&["10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/24", "10.1.0.0/16"]),
            ["10.0.0.0", "10.0.255.255", "10.0.0.255", "10.1.0.0"]
        );
    }

    #[test]
    fn a_host_route_has_its_address_whoever_else_wants_it() {
        assert_eq!(assigned(&["10.0.0.0/24", "10.0.0.0/32"]), ["10.0.0.255", "10.0.0.0"]);
        assert_eq!(assigned(&["10.0.0.0/24", "10.0.0.0/32", "10.0.0.255/32"]), ["10.0.0.1", "10.0.0.0", "10.0.0.255"]);
        assert_eq!(assigned(&["0.0.0.0/0", "0.0.0.0/32"]), ["255.255.255.255", "0.0.0.0"]);
    }

    #[test]
    fn a_prefix_that_its_own_parts_use_up_has_none() {
        assert_eq!(assigned(&["10.0.0.0/31", "10.0.0.0/32", "10.0.0.1/32"]), ["none", "10.0.0.0", "10.0.0.1"]);
    }

    #[test]
    fn a_network_keeps_its_link_state_id_when_others_come_and_go() {
        let present = [("10.0.0.0/16", "10.0.0.0")];
        assert_eq!(assigned_after(&present, &["10.0.0.0/8", "10.0.0.0/16"]), ["10.255.255.255", "10.0.0.0"]);
        let present = [("10.0.0.0/8", "10.0.0.0"), ("10.0.0.0/16", "10.0.255.255")];
        assert_eq!(assigned_after(&present, &["10.0.0.0/16"]), ["10.0.255.255"]);
        let present = [("10.0.0.0/24", "10.0.0.0")];
        assert_eq!(assigned_after(&present, &["10.0.0.0/24", "10.0.0.0/32"]), ["10.0.0.255", "10.0.0.0"], "it must");
    }
}
