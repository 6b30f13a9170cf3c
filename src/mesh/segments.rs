//! Checks of segments against the sites and against each other: which sites each segment spans, and that the networks of their gateways
//! belong to them alone.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::net::IpAddr;

use ipnetwork::Ipv4Network;
use vxlan::segment::{Resolution, UnknownUnicast};

use super::diagnostic::{Diagnostic, Span};
use super::draft::Draft;
use super::model::Host;
use super::reader::{At, Report};
use super::segment::SegmentDraft;
use super::site::{BY_NAME, SiteDraft, position};
use crate::net::Prefix;

/// Reports sites that do not exist or are listed twice, and gateways whose networks others use. Warns of segments that have no effect.
pub(super) fn check(draft: &Draft<'_>, report: &mut Report) {
    for (index, segment) in draft.segments.iter().enumerate() {
        check_sites(segment, &draft.sites, report);
        check_gateway(segment, &draft.segments[..index], draft.general.loopbacks.given().copied(), report);
        check_endpoints(segment, draft, report);
        if let Some(arp) = segment.asks_in_vain().filter(|_| !segment.hosts.is_empty()) {
            let title = format!("hosts outside the table of segment {} are resolved but not reached", segment.called());
            report.push(
                Diagnostic::warning(arp, title, "questions for them cross, frames to them are dropped")
                    .help("write `unknown_unicast = \"flood\"`, or leave `arp` out and list the hosts"),
            );
        }
        match segment.sites.as_slice() {
            [] => {}
            [_] => warn_of_one_site(segment, report),
            _ => warn_without_hosts(segment, report),
        }
    }
}

fn check_sites(segment: &SegmentDraft<'_>, sites: &[SiteDraft<'_>], report: &mut Report) {
    let mut first: BTreeMap<&str, Span> = BTreeMap::new();
    for name in segment.sites.iter().filter_map(|member| member.name.given()) {
        if position(*name, sites, BY_NAME, report).is_none() {
            continue;
        }
        match first.entry(name.value) {
            Slot::Vacant(slot) => {
                slot.insert(name.span);
            }
            Slot::Occupied(slot) => {
                let title = format!("site `{}` twice in segment {}", name.value, segment.called());
                report.push(
                    Diagnostic::error(name.span, title, "again")
                        .note(*slot.get(), "first here")
                        .help("put all its `ports` into one `[[l2.site]]`"),
                );
            }
        }
    }
}

/// Reports a gateway whose network overlaps others: the network is routed to the bridge, so that nothing else may use it.
fn check_gateway(
    segment: &SegmentDraft<'_>,
    before: &[SegmentDraft<'_>],
    loopbacks: Option<At<Prefix>>,
    report: &mut Report,
) {
    let Some(gateway) = segment.gateway.given() else { return };
    let shown = |gateway: Ipv4Network| format!("{}/{}", gateway.network(), gateway.prefix());
    let network = shown(gateway.value);
    if let Some(loopbacks) = loopbacks.filter(|loopbacks| loopbacks.value.overlaps(gateway.value.into())) {
        let title =
            format!("network {network} of segment {} overlaps the loopbacks {}", segment.called(), loopbacks.value);
        report.push(
            Diagnostic::error(gateway.span, title, "would draw what is for the routers to this segment")
                .note(loopbacks.span, "every site's loopback is in here")
                .help("give the segment a network that nothing else uses"),
        );
    }
    for (other, theirs) in before.iter().filter_map(|other| Some((other, other.gateway.given()?))) {
        if theirs.value.overlaps(gateway.value) {
            let title = format!("network {network} of segment {} overlaps {}", segment.called(), shown(theirs.value));
            report.push(
                Diagnostic::error(gateway.span, title, "the same addresses on another segment")
                    .note(theirs.span, format!("the network of segment {}", other.called()))
                    .help("give each segment a network of its own"),
            );
        }
    }
}

/// Reports endpoints in the network of a gateway: packets of the tunnel would be routed to the bridge.
fn check_endpoints(segment: &SegmentDraft<'_>, draft: &Draft<'_>, report: &mut Report) {
    let Some(gateway) = segment.gateway.given() else { return };
    for endpoint in draft.endpoints() {
        let Host::Address(IpAddr::V4(address)) = &endpoint.value.host else { continue };
        if gateway.value.contains(*address) {
            let title = format!("endpoint {address} is in the network of segment {}", segment.called());
            report.push(
                Diagnostic::error(endpoint.span, title, "the routers would look for it on the segment")
                    .note(gateway.span, "its network")
                    .help("give the segment a network that nothing else uses"),
            );
        }
    }
}

fn warn_of_one_site(segment: &SegmentDraft<'_>, report: &mut Report) {
    report.push(
        Diagnostic::warning(
            segment.span,
            format!("segment {} has one site", segment.called()),
            "one `[[l2.site]]` below this line",
        )
        .help("add a `[[l2.site]]` for each other site that it is to span")
        .of_absence(),
    );
}

/// Warns of a segment without hosts whose settings rely on the table of hosts.
fn warn_without_hosts(segment: &SegmentDraft<'_>, report: &mut Report) {
    let (Some(resolution), Some(unknown_unicast)) = (segment.resolution(), segment.unknown_unicast()) else { return };
    if !segment.hosts.is_empty() {
        return;
    }
    let label = match (resolution, unknown_unicast) {
        (Resolution::Proxy, _) => "hosts at different sites do not find each other",
        (_, UnknownUnicast::Drop) => "nothing that is sent to one host reaches another site",
        (Resolution::Suppress | Resolution::Flood, UnknownUnicast::Flood) => return,
    };
    report.push(
        Diagnostic::warning(segment.span, format!("segment {} has no hosts", segment.called()), label)
            .help(
                "add a `[[l2.host]]` for each; with `arp = \"flood\"` and `unknown_unicast = \"flood\"` a segment does \
                 without, and sends to every site what is for one",
            )
            .of_absence(),
    );
}
