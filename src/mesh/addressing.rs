//! Checks of loopbacks, prefixes, endpoints and neighbours against each other: nothing else may use the addresses of the loopbacks.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::address::WrittenEndpoint;
use super::diagnostic::{Diagnostic, Span};
use super::draft::Draft;
use super::model::Host;
use super::reader::{At, Report};
use super::site::SiteDraft;
use crate::net::Prefix;

/// The loopback of site `id`: the id-th address of the network. `None` for the first and the last address, and beyond.
pub(super) fn loopback(loopbacks: Prefix, id: u16) -> Option<Ipv4Addr> {
    let (network, length) = loopbacks.v4()?;
    let id = u32::from(id);
    (1..last(length)).contains(&id).then(|| Ipv4Addr::from(u32::from(network) + id))
}

/// The number of the last address of an IPv4 network of this length; that of the network itself is 0.
fn last(length: u8) -> u32 {
    u32::MAX.checked_shr(u32::from(length)).unwrap_or(0)
}

/// Reports ids without a loopback, repeated prefixes, and prefixes, endpoints and neighbours within the loopbacks.
pub(super) fn check(draft: &Draft<'_>, report: &mut Report) {
    let loopbacks = draft.general.loopbacks.given().copied();
    for site in &draft.sites {
        check_repetition(site, report);
        if let Some(loopbacks) = loopbacks {
            check_id(loopbacks, site, report);
            check_prefixes(loopbacks, site, report);
            check_neighbors(loopbacks, site, report);
        }
    }
    if let Some(loopbacks) = loopbacks {
        draft.endpoints().for_each(|endpoint| check_endpoint(loopbacks, endpoint, report));
    }
}

fn check_id(loopbacks: At<Prefix>, site: &SiteDraft<'_>, report: &mut Report) {
    let Some(id) = site.id.given() else { return };
    if loopback(loopbacks.value, id.value).is_some() {
        return;
    }
    let network = loopbacks.value;
    let highest = last(network.len()).saturating_sub(1);
    let label = if u32::from(id.value) == highest + 1 {
        format!("address {} of {network} is its last one, the broadcast address", id.value)
    } else {
        format!("{network} has no address {}", id.value)
    };
    report.push(
        Diagnostic::error(id.span, format!("id {} has no loopback", id.value), label)
            .note(loopbacks.span, format!("holds the ids 1..={highest}"))
            .help("use a lower id, or a larger network as `loopbacks`"),
    );
}

fn check_prefixes(loopbacks: At<Prefix>, site: &SiteDraft<'_>, report: &mut Report) {
    // 0.0.0.0/0 is a default route, and does not claim the networks within it.
    for prefix in site.prefixes.iter().map(|listed| listed.network).filter(|prefix| !prefix.value.is_default()) {
        if prefix.value.overlaps(loopbacks.value) {
            let title = format!("prefix {} overlaps the loopbacks {}", prefix.value, loopbacks.value);
            report.push(
                Diagnostic::error(prefix.span, title, "would draw what is for the routers to this site")
                    .note(loopbacks.span, "every site's loopback is in here")
                    .help("use a network as `loopbacks` that nothing else uses, or list smaller prefixes"),
            );
        }
    }
}

fn check_endpoint(loopbacks: At<Prefix>, endpoint: &At<WrittenEndpoint>, report: &mut Report) {
    let Host::Address(IpAddr::V4(address)) = &endpoint.value.host else { return };
    if loopbacks.value.contains(*address) {
        report.push(
            Diagnostic::error(
                endpoint.span,
                format!("endpoint {address} is in the loopbacks"),
                "reached through tunnels only",
            )
            .note(loopbacks.span, "the loopbacks")
            .help("write the address at which the site is reached without a tunnel"),
        );
    }
}

/// Reports neighbours of LAN interfaces within the loopbacks: they have addresses of the LAN, and OSPF over tunnels needs no list.
fn check_neighbors(loopbacks: At<Prefix>, site: &SiteDraft<'_>, report: &mut Report) {
    for neighbor in site.interfaces.iter().flat_map(|interface| &interface.neighbors) {
        let (address, _) = neighbor.value;
        if loopbacks.value.contains(address) {
            let title = format!("neighbour {address} is in the loopbacks");
            report.push(
                Diagnostic::error(neighbor.span, title, "reached through tunnels only")
                    .note(loopbacks.span, "the loopbacks")
                    .help("write the address that the router has on this network"),
            );
        }
    }
}

fn check_repetition(site: &SiteDraft<'_>, report: &mut Report) {
    let mut first: BTreeMap<Prefix, Span> = BTreeMap::new();
    for prefix in site.prefixes.iter().map(|listed| listed.network) {
        match first.get(&prefix.value) {
            Some(before) => report.push(
                Diagnostic::error(
                    prefix.span,
                    format!("prefix {} twice at site {}", prefix.value, site.called()),
                    "again",
                )
                .note(*before, "first here")
                .help("list it once"),
            ),
            None => {
                first.insert(prefix.value, prefix.span);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loopback_is_never_the_first_or_last_address_of_the_network() {
        let small = "10.0.0.8/30".parse().unwrap();
        assert_eq!(loopback(small, 0), None);
        assert_eq!(loopback(small, 1), Some(Ipv4Addr::new(10, 0, 0, 9)));
        assert_eq!(loopback(small, 2), Some(Ipv4Addr::new(10, 0, 0, 10)));
        assert_eq!(loopback(small, 3), None);
        assert_eq!(loopback("10.0.0.8/32".parse().unwrap(), 1), None);
        assert_eq!(loopback("10.255.0.0/16".parse().unwrap(), 65534), Some(Ipv4Addr::new(10, 255, 255, 254)));
        assert_eq!(loopback("10.255.0.0/16".parse().unwrap(), 65535), None);
    }
}
