//! Link State IDs of LSAs that describe networks (RFC 2328 appendix E). Two networks may have the same network number and different masks.

use crate::ids::{Domain, LinkStateId, LsaKey, LsaPlace, LsaType, Prefix};
use crate::state::engine::Engine;
use crate::state::originations::Originations;
use crate::wire::{LsaBody, Options};

impl Engine {
    /// Originates an LSA of this type and domain for a network. Returns whether a Link State ID was found for the network, and for another
    /// network that had to give up its ID.
    pub(crate) fn want_network(
        &mut self,
        domain: Domain,
        kind: LsaType,
        prefix: Prefix,
        options: Options,
        body: LsaBody,
    ) -> Vec<(Prefix, bool)> {
        let router = self.config.router_id;
        let place = |id| LsaPlace { domain, key: LsaKey { kind, id, advertising_router: router } };
        let Some(id) = link_state_id(&self.originations, domain, kind, prefix) else { return vec![(prefix, false)] };
        let displaced = self.originations.wanted_network(place(id)).filter(|(known, ..)| *known != prefix);
        self.originations.want(place(id), options, body);
        let mut placed = vec![(prefix, true)];
        if let Some((prefix, options, body)) = displaced {
            let other = link_state_id(&self.originations, domain, kind, prefix);
            debug_assert_ne!(other, Some(id), "only a host route takes the ID of another network");
            placed.push((prefix, other.is_some()));
            if let Some(other) = other {
                self.originations.want(place(other), options, body);
            }
        }
        placed
    }

    /// Withdraws the LSA of a network.
    pub(crate) fn withdraw_network(&mut self, domain: Domain, kind: LsaType, id: LinkStateId) {
        let key = LsaKey { kind, id, advertising_router: self.config.router_id };
        self.originations.withdraw(LsaPlace { domain, key });
    }
}

/// Chooses the Link State ID for a network: an address of it (appendix E) that is not the ID of another network.
///
/// A /32 has only one address, and takes it from another network if necessary. Other networks keep the ID that they have. A new one gets
/// its network number or, if that is taken, its highest address, or the next free address. If all addresses of a prefix are taken by
/// prefixes within it, it has no LSA: those prefixes describe the same destinations.
fn link_state_id(wanted: &Originations, domain: Domain, kind: LsaType, prefix: Prefix) -> Option<LinkStateId> {
    let first = LinkStateId::from(prefix.network());
    if prefix.len() == 32 {
        return Some(first);
    }
    let last = LinkStateId(first.0 | !u32::from(prefix.netmask()));
    let within = || wanted.networks(domain, kind, [first, last]);
    if let Some((_, id)) = within().find(|(known, _)| *known == prefix) {
        return Some(id);
    }
    let is_free = |&id: &LinkStateId| wanted.networks(domain, kind, [id, id]).next().is_none();
    [first, last].into_iter().find(is_free).or_else(|| {
        // The lowest address that is not taken.
        let taken = within().zip(first.0..).take_while(|((_, id), number)| id.0 == *number).count();
        let next = u64::from(first.0) + taken as u64;
        u32::try_from(next).ok().filter(|&id| id <= last.0).map(LinkStateId)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;

    use super::*;
    use crate::wire::ExternalLsa;
    use crate::{Config, ExternalMetric, Instant, RouterId};

    const EXTERNAL: ExternalLsa = ExternalLsa {
        network_mask: Ipv4Addr::BROADCAST,
        metric: ExternalMetric::Type2(1),
        forwarding_address: Ipv4Addr::UNSPECIFIED,
        route_tag: 0,
    };

    /// The Link State IDs that networks get when others have theirs already. Host routes are added first, then the networks in order.
    fn assigned_after(present: &[(&str, &str)], prefixes: &[&str]) -> Vec<String> {
        let mut engine = Engine::new(Config::new(RouterId(1)), 0, Instant::ZERO);
        let (domain, kind) = (Domain::As, LsaType::AS_EXTERNAL);
        let body = |prefix: Prefix| LsaBody::External(ExternalLsa { network_mask: prefix.netmask(), ..EXTERNAL });
        for (text, id) in present {
            let id = id.parse::<Ipv4Addr>().expect("an id").into();
            let key = LsaKey { kind, id, advertising_router: RouterId(1) };
            engine.originations.want(LsaPlace { domain, key }, Options::E, body(prefix(text)));
        }
        let prefixes: Vec<_> = prefixes.iter().map(|text| prefix(text)).collect();
        let (hosts, mut networks): (Vec<_>, Vec<_>) = prefixes.iter().partition(|prefix| prefix.len() == 32);
        networks.sort_unstable();
        for prefix in hosts.into_iter().chain(networks) {
            engine.want_network(domain, kind, prefix, Options::E, body(prefix));
        }
        let all = [LinkStateId(u32::MIN), LinkStateId(u32::MAX)];
        let ids: BTreeMap<_, _> = engine.originations.networks(domain, kind, all).collect();
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
