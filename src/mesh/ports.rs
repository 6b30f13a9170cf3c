//! UDP ports: a site has one per tunnel, its first port + the other end's id. None may pass 65535, and where sites
//! share a host, none may meet.

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::{Diagnostic, Span};
use super::general::TunnelKeys;
use super::link::Pair;
use super::model::Host;
use super::reader::{At, Effective, Report};
use super::site::SiteDraft;

/// Reports ports beyond 65535 and ports at which two sites would be reached.
pub(super) fn check(base: &TunnelKeys, sites: &[SiteDraft<'_>], pairs: &[Pair], report: &mut Report) {
    let peers = peers(sites, pairs);
    let listening = sites.iter().zip(&peers).filter_map(|(site, peers)| Some((site.tunnels.port(base)?, peers)));
    let reached = sites.iter().zip(&peers).filter_map(|(site, peers)| {
        let endpoint = site.endpoint.given()?;
        Some((Effective { value: endpoint.value.port?, from: Some(endpoint.span) }, peers))
    });
    check_range(listening.chain(reached), report);
    check_shared_hosts(base, sites, &peers, report);
}

/// For each site the ids of those it has a tunnel to.
fn peers(sites: &[SiteDraft<'_>], pairs: &[Pair]) -> Vec<Vec<At<u16>>> {
    let mut peers = vec![Vec::new(); sites.len()];
    for Pair { ends: (low, high), .. } in pairs {
        peers[*low].extend(sites[*high].id.given().copied());
        peers[*high].extend(sites[*low].id.given().copied());
    }
    peers
}

/// One error for each place that says a first port, about the highest id that is added to it.
fn check_range<'p>(firsts: impl Iterator<Item = (Effective<u16>, &'p Vec<At<u16>>)>, report: &mut Report) {
    let mut worst: BTreeMap<Option<Span>, (u16, At<u16>)> = BTreeMap::new();
    for (first, peers) in firsts {
        for id in peers.iter().filter(|id| first.value.checked_add(id.value).is_none()) {
            let worst = worst.entry(first.from).or_insert((first.value, *id));
            if id.value > worst.1.value {
                worst.1 = *id;
            }
        }
    }
    for (from, (port, id)) in worst {
        let title = format!("UDP port {port} + site id {} is beyond 65535", id.value);
        let help = format!("with the id {} the first port can be at most {}", id.value, u16::MAX - id.value);
        let diagnostic = match from {
            Some(span) => Diagnostic::error(span, title, "the tunnel to site N has this port + N")
                .note(id.span, "N is at most this"),
            None => Diagnostic::error(
                id.span,
                title,
                "the tunnel to this site has `port` + this, and `port` is 51820 by default",
            ),
        };
        report.push(diagnostic.help(help));
    }
}

/// Sites behind one address or name: each needs ports of its own there.
fn check_shared_hosts(base: &TunnelKeys, sites: &[SiteDraft<'_>], peers: &[Vec<At<u16>>], report: &mut Report) {
    let mut by_host: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, site) in sites.iter().enumerate() {
        if let Some(endpoint) = site.endpoint.given() {
            by_host.entry(host(&endpoint.value.host)).or_default().push(index);
        }
    }
    for (host, members) in by_host.into_iter().filter(|(_, members)| members.len() > 1) {
        let mut owners: BTreeMap<u16, usize> = BTreeMap::new();
        let mut reported: BTreeSet<(usize, usize)> = BTreeSet::new();
        for member in members {
            let Some(first) = outside_port(base, &sites[member]) else { continue };
            for port in peers[member].iter().filter_map(|id| first.checked_add(id.value)) {
                match owners.entry(port) {
                    Slot::Vacant(slot) => {
                        slot.insert(member);
                    }
                    Slot::Occupied(owner) if *owner.get() != member && reported.insert((*owner.get(), member)) => {
                        report.push(collision(&host, port, &sites[*owner.get()], &sites[member]));
                    }
                    Slot::Occupied(_) => {}
                }
            }
        }
    }
}

fn outside_port(base: &TunnelKeys, site: &SiteDraft<'_>) -> Option<u16> {
    match site.endpoint.given()?.value.port {
        Some(port) => Some(port),
        None => site.tunnels.port(base).map(|port| port.value),
    }
}

fn collision(host: &str, port: u16, before: &SiteDraft<'_>, site: &SiteDraft<'_>) -> Diagnostic {
    let span = |site: &SiteDraft<'_>| site.endpoint.given().map_or(site.span, |endpoint| endpoint.span);
    let title =
        format!("sites {} and {} would both be reached at UDP port {port} of {host}", before.called(), site.called());
    Diagnostic::error(span(site), title, "the same host, with ports that overlap")
        .note(span(before), "the other one")
        .help("give one another first port, as in `endpoint = \"HOST:PORT\"`, further away than the highest site id")
}

/// One text for one host: names do not differ by case or a final dot.
fn host(host: &Host) -> String {
    match host {
        Host::Address(address) => address.to_string(),
        Host::Name(name) => name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase(),
    }
}
