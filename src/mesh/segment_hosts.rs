//! Checks of the hosts of a segment against the segment and against each other: their sites, and that each address belongs to one host
//! only and is reachable.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnetwork::Ipv4Network;

use super::diagnostic::Diagnostic;
use super::identity::unique;
use super::reader::{At, Report};
use super::segment::SegmentDraft;
use super::site::{BY_NAME, SiteDraft, position};

/// The minimum MTU of a link that carries IPv6 (RFC 8200 §5).
const IPV6_MTU: u32 = 1280;

/// Reports hosts at sites that the segment does not span, addresses that are shared or that no host can have, and IPv6 with an MTU that
/// is too small for it.
pub(super) fn check(sites: &[SiteDraft<'_>], segments: &[SegmentDraft<'_>], report: &mut Report) {
    for segment in segments {
        check_sites(segment, sites, report);
        unique(segment.hosts.iter().filter_map(|host| host.mac.given().copied()), report, |mac| {
            let title = format!("two hosts of segment {} have the MAC address {mac}", segment.called());
            (title, "give every host its own, and all addresses of one to one `[[l2.host]]`".to_owned())
        });
        unique(addresses(segment), report, |address| {
            let title = format!("address {address} twice in segment {}", segment.called());
            (title, "give an address to one host, once".to_owned())
        });
        if let Some(gateway) = segment.gateway.given() {
            check_addresses(segment, *gateway, report);
        }
        check_mtu(segment, report);
    }
}

fn addresses(segment: &SegmentDraft<'_>) -> impl Iterator<Item = At<IpAddr>> {
    segment.hosts.iter().flat_map(|host| &host.addresses).copied()
}

fn check_sites(segment: &SegmentDraft<'_>, sites: &[SiteDraft<'_>], report: &mut Report) {
    // A `[[l2.site]]` without a name may be the one that is meant.
    let all_named = segment.sites.iter().all(|member| member.name.given().is_some());
    let members: BTreeSet<&str> =
        segment.sites.iter().filter_map(|member| member.name.given()).map(|name| name.value).collect();
    for site in segment.hosts.iter().filter_map(|host| host.site.given()) {
        if members.contains(site.value) || position(*site, sites, BY_NAME, report).is_none() || !all_named {
            continue;
        }
        let title = format!("segment {} does not span site `{}`", segment.called(), site.value);
        report.push(
            Diagnostic::error(site.span, title, "not the name of one of its `[[l2.site]]`")
                .note(segment.place(), "the segment")
                .help(format!("name a site of the segment, or add a `[[l2.site]]` with `name = \"{}\"`", site.value))
                .of_absence(),
        );
    }
}

/// Reports addresses outside the gateway's network: hosts reach the gateway, and are reached through it, within its network only.
fn check_addresses(segment: &SegmentDraft<'_>, gateway: At<Ipv4Network>, report: &mut Report) {
    let network = format!("{}/{}", gateway.value.network(), gateway.value.prefix());
    for At { value, span } in addresses(segment) {
        let IpAddr::V4(address) = value else { continue };
        let (title, label) = if address == gateway.value.ip() {
            (format!("address {address} is the gateway's"), "the routers answer for it")
        } else if !gateway.value.contains(address) {
            (format!("address {address} is outside {network}"), "not in the network of the gateway")
        } else if address == gateway.value.network() || address == gateway.value.broadcast() {
            (format!("address {address} is no host's in {network}"), "the first or last address of the network")
        } else {
            continue;
        };
        report.push(
            Diagnostic::error(span, title, label)
                .note(gateway.span, "the gateway")
                .help(format!("write another address of {network}, or change the `gateway`")),
        );
    }
}

fn check_mtu(segment: &SegmentDraft<'_>, report: &mut Report) {
    let mtu = segment.mtu().and_then(|mtu| Some(At { value: mtu.value, span: mtu.from? }));
    let Some(mtu) = mtu.filter(|mtu| mtu.value < IPV6_MTU) else { return };
    if let Some(address) = addresses(segment).find(|address| address.value.is_ipv6()) {
        let title = format!("`mtu` {} is too small for IPv6", mtu.value);
        report.push(
            Diagnostic::error(mtu.span, title, format!("not at least {IPV6_MTU}"))
                .note(address.span, "an IPv6 address of a host")
                .help(format!("write at least `mtu = {IPV6_MTU}` (RFC 8200), or give no host an IPv6 address")),
        );
    }
}
