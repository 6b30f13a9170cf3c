//! What our AS-external-LSAs say (RFC 2328 §12.4.4), and how their Link State IDs keep apart (appendix E).

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::area::ExternalRouting;
use crate::databases::{Domain, LsaPlace};
use crate::engine::Engine;
use crate::event::Event;
use crate::ids::{LinkStateId, LsaKey, LsaType, Prefix};
use crate::wire::{ExternalLsa, LsaBody};

impl Engine {
    /// Has one AS-external-LSA originated for each configured destination, and the rest withdrawn. They are of no use if all of this
    /// router's areas are stubs (§3.6).
    pub(crate) fn want_externals(&mut self) {
        let mut externals = self.config.externals.clone();
        if !self.takes_as_scope() {
            externals.clear();
        }
        let ids = link_state_ids(externals.keys().copied());
        let mut gone: BTreeSet<_> = self.originations.wanted_of(LsaType::AS_EXTERNAL).collect();
        for (&prefix, external) in &externals {
            let Some(&id) = ids.get(&prefix) else {
                self.outputs.push_back(crate::Output::Event(Event::ExternalNotOriginated { prefix }));
                continue;
            };
            let key = LsaKey { kind: LsaType::AS_EXTERNAL, id, advertising_router: self.config.router_id };
            let place = LsaPlace { domain: Domain::As, key };
            let body = LsaBody::External(ExternalLsa {
                network_mask: prefix.netmask(),
                metric: external.metric,
                forwarding_address: external.forwarding.unwrap_or(Ipv4Addr::UNSPECIFIED),
                route_tag: external.tag,
            });
            gone.remove(&place);
            self.originations.want(place, ExternalRouting::AsExternal.options(), body);
        }
        for place in gone {
            self.originations.unwant(place);
        }
    }
}

/// A Link State ID for each prefix, no two the same, each an address of its prefix (appendix E).
///
/// The shortest prefix of a network number has the number itself, longer ones their own highest address; but a /32 has no other address
/// than its number, so it comes first. Where these are taken the next free address will do. A prefix all of whose addresses stand for
/// prefixes within it has no LSA: those say as much.
fn link_state_ids(prefixes: impl Iterator<Item = Prefix>) -> BTreeMap<Prefix, LinkStateId> {
    let mut prefixes: Vec<_> = prefixes.collect();
    prefixes.sort_unstable_by_key(|prefix| (prefix.len() != 32, prefix.len(), *prefix));
    let mut taken = BTreeSet::new();
    let mut ids = BTreeMap::new();
    for prefix in prefixes {
        let first = u32::from(prefix.network());
        let last = first | !u32::from(prefix.netmask());
        // One more candidate than there are LSAs is always enough, if the prefix has as many addresses.
        let candidates = [first, last].into_iter().chain(first..=last);
        if let Some(id) = candidates.take(taken.len() + 3).find(|id| !taken.contains(id)) {
            taken.insert(id);
            ids.insert(prefix, LinkStateId(id));
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assigned(prefixes: &[&str]) -> Vec<String> {
        let prefixes: Vec<_> = prefixes.iter().map(|text| prefix(text)).collect();
        let ids = link_state_ids(prefixes.iter().copied());
        prefixes.iter().map(|prefix| ids.get(prefix).map_or("none".to_owned(), ToString::to_string)).collect()
    }

    fn prefix(text: &str) -> Prefix {
        let (network, len) = text.split_once('/').expect("network/len");
        Prefix::new(network.parse().expect("an address"), len.parse().expect("a length"))
    }

    #[test]
    fn corner_case_25_networks_that_differ_in_their_mask_only_have_link_state_ids_of_their_own() {
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
}
