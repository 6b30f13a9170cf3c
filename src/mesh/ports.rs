//! Checks of UDP ports. A site has one port per tunnel: its first port + the id of the other end, or the port that a `[[link]]` sets for
//! this tunnel. No port may exceed 65535; ports of one site, and of sites that share an address, must differ. A site of an Ethernet segment
//! also uses the port of VXLAN.

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet};

use super::address::WrittenEndpoint;
use super::diagnostic::{Diagnostic, Span};
use super::general::TunnelKeys;
use super::link::{LinkDraft, Pair};
use super::model::Host;
use super::reader::{At, Effective, Report, Setting};
use super::segment::SegmentDraft;
use super::site::SiteDraft;

/// Reports ports beyond 65535, ports that two tunnels would share, and tunnels at the port of VXLAN.
pub(super) fn check(
    base: &TunnelKeys,
    sites: &[SiteDraft<'_>],
    pairs: &[Pair],
    links: &[LinkDraft<'_>],
    segments: &[SegmentDraft<'_>],
    report: &mut Report,
) {
    let tunnels = Tunnels { base, sites, links, of_sites: of_sites(sites.len(), pairs) };
    tunnels.check_range(report);
    tunnels.check_listening(report);
    tunnels.check_vxlan(segments, report);
    tunnels.check_shared_hosts(report);
}

/// One end of a tunnel.
#[derive(Debug, Clone, Copy)]
struct End {
    /// The index of the site at the other end.
    peer: usize,
    /// The index of the `[[link]]` between the two sites.
    link: Option<usize>,
}

/// A port, and the position in the file that it is derived from.
#[derive(Debug, Clone, Copy)]
struct Port {
    number: u16,
    span: Span,
}

struct Tunnels<'d, 'a> {
    base: &'d TunnelKeys,
    sites: &'d [SiteDraft<'a>],
    links: &'d [LinkDraft<'a>],
    /// The ends of tunnels at each site.
    of_sites: Vec<Vec<End>>,
}

fn of_sites(sites: usize, pairs: &[Pair]) -> Vec<Vec<End>> {
    let mut ends = vec![Vec::new(); sites];
    for Pair { ends: (low, high), link } in pairs {
        ends[*low].push(End { peer: *high, link: *link });
        ends[*high].push(End { peer: *low, link: *link });
    }
    ends
}

impl Tunnels<'_, '_> {
    /// The port that the link sets for the tunnel at `site`.
    fn own_port(&self, site: usize, end: End) -> &Setting<u16> {
        end.link.map_or(&Setting::Absent, |link| self.links[link].ends.port(self.sites[site].written_name))
    }

    /// The endpoint that the link sets for `site`.
    fn own_endpoint(&self, site: usize, end: End) -> &Setting<WrittenEndpoint> {
        end.link.map_or(&Setting::Absent, |link| self.links[link].ends.endpoint(self.sites[site].written_name))
    }

    /// The id that is added to the first port of `site`; `None` if the link sets the port itself.
    fn added(&self, site: usize, end: End) -> Option<At<u16>> {
        let is_own = !matches!(self.own_port(site, end), Setting::Absent);
        self.sites[end.peer].id.given().copied().filter(|_| !is_own)
    }

    /// The port on which the tunnel listens at `site`.
    fn listening(&self, site: usize, end: End) -> Option<Port> {
        match self.own_port(site, end) {
            Setting::Given(own) => Some(Port { number: own.value, span: own.span }),
            Setting::Wrong => None,
            Setting::Absent => {
                let first = self.sites[site].tunnels.port(self.base)?;
                let number = first.value.checked_add(self.added(site, end)?.value)?;
                Some(Port { number, span: first.from.unwrap_or(self.sites[site].span) })
            }
        }
    }

    /// The host and port to which the other end sends to reach `site`; each host has only one text.
    fn reached(&self, site: usize, end: End) -> Option<(String, Port)> {
        match self.own_endpoint(site, end) {
            Setting::Given(own) => {
                let number = own.value.port.or_else(|| Some(self.listening(site, end)?.number))?;
                Some((text(&own.value.host), Port { number, span: own.span }))
            }
            Setting::Wrong => None,
            Setting::Absent => {
                let endpoint = self.sites[site].endpoint.given()?;
                let number = match (endpoint.value.port, self.added(site, end)) {
                    (Some(first), Some(id)) => first.checked_add(id.value)?,
                    _ => self.listening(site, end)?.number,
                };
                Some((text(&endpoint.value.host), Port { number, span: endpoint.span }))
            }
        }
    }

    fn check_range(&self, report: &mut Report) {
        let added = |counts: &dyn Fn(usize, End) -> bool| -> Vec<Vec<At<u16>>> {
            let ends = self.of_sites.iter().enumerate();
            ends.map(|(site, ends)| {
                let ends = ends.iter().filter(|end| counts(site, **end));
                ends.filter_map(|end| self.added(site, *end)).collect()
            })
            .collect()
        };
        let inside = added(&|_, _| true);
        // A tunnel whose link sets an endpoint is not reached at the endpoint of the site.
        let outside = added(&|site, end| matches!(self.own_endpoint(site, end), Setting::Absent));
        let listening =
            self.sites.iter().zip(&inside).filter_map(|(site, added)| Some((site.tunnels.port(self.base)?, added)));
        let reached = self.sites.iter().zip(&outside).filter_map(|(site, added)| {
            let endpoint = site.endpoint.given()?;
            Some((Effective { value: endpoint.value.port?, from: Some(endpoint.span) }, added))
        });
        check_range(listening.chain(reached), report);
    }

    /// Reports tunnels of one site that listen on the same port.
    fn check_listening(&self, report: &mut Report) {
        for (site, ends) in self.of_sites.iter().enumerate() {
            // Ids are unique: tunnels without a port of their own never share one.
            if ends.iter().all(|end| matches!(self.own_port(site, *end), Setting::Absent)) {
                continue;
            }
            let mut owners: BTreeMap<u16, (End, Span)> = BTreeMap::new();
            for end in ends {
                let Some(port) = self.listening(site, *end) else { continue };
                let own = self.own_port(site, *end).given().map(|own| own.span);
                match owners.entry(port.number) {
                    Slot::Vacant(slot) => _ = slot.insert((*end, port.span)),
                    Slot::Occupied(slot) => {
                        let (before, span) = *slot.get();
                        let called = |end: End| self.sites[end.peer].called();
                        let title = format!(
                            "UDP port {} of site {} would be that of its tunnels to {} and to {}",
                            port.number,
                            self.sites[site].called(),
                            called(before),
                            called(*end)
                        );
                        let (here, there) = own.map_or((span, port.span), |own| (own, span));
                        report.push(
                            Diagnostic::error(here, title, "a port that another tunnel has")
                                .note(there, "the other one's follows from this")
                                .help("give each tunnel of a site a port of its own"),
                        );
                    }
                }
            }
        }
    }

    /// Reports tunnels at the port of VXLAN, which all VXLAN devices of a site use, whatever their segment.
    fn check_vxlan(&self, segments: &[SegmentDraft<'_>], report: &mut Report) {
        let mut members: BTreeMap<&str, Span> = BTreeMap::new();
        for name in segments.iter().flat_map(|segment| &segment.sites).filter_map(|member| member.name.given()) {
            members.entry(name.value).or_insert(name.span);
        }
        for (site, ends) in self.of_sites.iter().enumerate() {
            let Some(member) = self.sites[site].written_name.and_then(|name| members.get(name)) else { continue };
            let there = ends.iter().find_map(|end| {
                let port = self.listening(site, *end)?;
                (port.number == vxlan::PORT).then_some((end, port.span))
            });
            let Some((end, span)) = there else { continue };
            let title = format!(
                "UDP port {} of site {} would be that of its tunnel to {} and of VXLAN",
                vxlan::PORT,
                self.sites[site].called(),
                self.sites[end.peer].called()
            );
            report.push(
                Diagnostic::error(span, title, "the tunnel's port follows from this")
                    .note(*member, "packets of the segments arrive at this port")
                    .help("give the tunnel another port: VXLAN's is fixed"),
            );
        }
    }

    /// Reports tunnels that are reached at the same address or name and port: each needs its own port there.
    fn check_shared_hosts(&self, report: &mut Report) {
        let mut by_host: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        for (index, site) in self.sites.iter().enumerate() {
            if let Some(endpoint) = site.endpoint.given() {
                by_host.entry(text(&endpoint.value.host)).or_default().insert(index);
            }
        }
        let alone: BTreeSet<String> =
            by_host.iter().filter(|(_, at)| at.len() < 2).map(|(host, _)| host.clone()).collect();
        // Without settings of links, a host with a single site has no port twice.
        let of_links: BTreeSet<String> = self
            .links
            .iter()
            .flat_map(|link| link.ends.endpoints())
            .map(|endpoint| text(&endpoint.value.host))
            .collect();
        let shared = |host: &str| of_links.contains(host) || !alone.contains(host);
        let mut owners: BTreeMap<(String, u16), (usize, End, Span)> = BTreeMap::new();
        let mut reported: BTreeSet<(usize, usize)> = BTreeSet::new();
        for (site, ends) in self.of_sites.iter().enumerate() {
            let own_host = self.sites[site].endpoint.given().map(|endpoint| text(&endpoint.value.host));
            let is_shared = own_host.is_some_and(|host| shared(&host));
            for end in ends.iter().filter(|end| is_shared || end.link.is_some()) {
                let Some((host, port)) = self.reached(site, *end).filter(|(host, _)| shared(host)) else { continue };
                match owners.entry((host, port.number)) {
                    Slot::Vacant(slot) => _ = slot.insert((site, *end, port.span)),
                    Slot::Occupied(owner) => {
                        let (before, its_end, span) = *owner.get();
                        let (host, number) = owner.key();
                        let listening = |site, end| self.listening(site, end).map(|port| port.number);
                        if before != site && reported.insert((before, site)) {
                            let (before, site) = (&self.sites[before], &self.sites[site]);
                            report.push(collision(host, *number, (before, span), (site, port.span)));
                        } else if before == site && listening(site, its_end) != listening(site, *end) {
                            // If both listen on the same port, that has been reported.
                            report.push(one_port_outside(host, *number, &self.sites[site], (span, port.span)));
                        }
                    }
                }
            }
        }
    }
}

/// Reports one error for each position that sets a first port, about the highest id that is added to it.
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

fn collision(
    host: &str,
    port: u16,
    (before, other): (&SiteDraft<'_>, Span),
    (site, span): (&SiteDraft<'_>, Span),
) -> Diagnostic {
    let title =
        format!("sites {} and {} would both be reached at UDP port {port} of {host}", before.called(), site.called());
    Diagnostic::error(span, title, "the same host, with ports that overlap")
        .note(other, "the other one")
        .help(
            "give one another port, as in `endpoint = \"HOST:PORT\"`: a site's is its first, further away from the other's than the \
             highest site id, a link's is that of its tunnel",
        )
}

fn one_port_outside(host: &str, port: u16, site: &SiteDraft<'_>, (before, span): (Span, Span)) -> Diagnostic {
    let title = format!("two tunnels of site {} would be reached at UDP port {port} of {host}", site.called());
    Diagnostic::error(span, title, "each tunnel has a port of its own, outside, too")
        .note(before, "the other one")
        .help("give one another port, as in `endpoint = { taipei = \"HOST:PORT\" }`")
}

/// The normalized text of a host: names do not differ by case or a final dot.
fn text(host: &Host) -> String {
    match host {
        Host::Address(address) => address.to_string(),
        Host::Name(name) => name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase(),
    }
}
