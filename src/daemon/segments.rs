//! Ethernet segments at this site: the locations of hosts, the claims that are announced to other sites, and the entries that the kernel
//! should have.
//!
//! The rules are in the `vxlan` crate. This module connects them with the mesh file, opaque LSAs, ports and the state directory.
//! [`commands`] handles the operator's commands, [`refusals`] reports claims of other sites that are refused.

mod arrivals;
mod carrier;
mod commands;
mod refusals;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use ospf::Domain;
use tracing::{debug, info, warn};
use vxlan::{
    Claim, ClaimError, Entries, Finding, HostLocations, Mac, Record, Refusal, Situation, Vni, Vtep, decode, encode,
};

use self::arrivals::{Arrivals, Inlet};
use self::carrier::{Carrier, Job, SegmentPort, explain};
use super::host_memory::HostMemory;
use crate::kernel::{Learned, MAX_LEARNED, gratuitous};
use crate::mesh::{L2, L2Site, Mesh, Site};
use crate::net::IfName;
use crate::reconcile::overlay::{self, LocalSegment, Overlay, desired_overlay};
use crate::reconcile::state::{LearnedHost, Observed};
use crate::routing::{OpaqueLsa, OpaqueUser, UserChanges};

/// The number of a share of the claims of a segment and site ([`Claim::share`]).
type Share = u8;

const _: () = assert!(OpaqueUser::SegmentClaims.shares() == vxlan::SHARES, "each share is an LSA");

/// The segments of the mesh that this site is part of.
#[derive(Debug)]
pub(super) struct Segments {
    here: Vtep,
    segments: BTreeMap<Vni, Segment>,
    memory: HostMemory,
    /// Where claims are flooded; claims from elsewhere are not accepted.
    domain: Domain,
    /// Received bodies of opaque LSAs about segments. Segments of other sites and other databases are included, since the next reload may
    /// make them relevant. The link-state databases limit their number.
    received: BTreeMap<(Vni, Domain, Vtep, Share), Bytes>,
    /// The claims that were advertised last, and where they are flooded.
    advertised: BTreeMap<(Vni, Share), (Domain, Vec<Claim>)>,
    /// Names of all sites, by the router id of their LSAs.
    sites: BTreeMap<Ipv4Addr, String>,
    /// Hosts that have moved, and whose move has not been announced on the ports yet.
    moved: BTreeSet<(Vni, Mac)>,
    /// Smallest MTU of all tunnels, in octets.
    underlay_mtu: u32,
    carrier: Carrier,
    arrivals: Arrivals,
    /// Ports on which hosts that moved could not be announced, each with the reason.
    unannounced: BTreeMap<SegmentPort, String>,
}

/// A segment that this site is part of.
#[derive(Debug)]
pub(super) struct Segment {
    pub l2: Arc<L2>,
    pub site: L2Site,
    pub locations: HostLocations,
    /// Hosts that were seen at two sites at once, and for which a warning was logged.
    damped: BTreeSet<Mac>,
    /// Routers whose claims cannot be decoded, each with the reason.
    unreadable: BTreeMap<Vtep, ClaimError>,
}

impl Segments {
    /// The segments of `site` in the mesh file, with the locations of hosts that the state directory has.
    pub(super) fn new(mesh: &Mesh, site: &Site, memory: HostMemory, now: SystemTime) -> Self {
        let here = Vtep(site.loopback);
        let mut segments = Self {
            here,
            segments: BTreeMap::new(),
            memory,
            domain: domain(mesh),
            received: BTreeMap::new(),
            advertised: BTreeMap::new(),
            sites: BTreeMap::new(),
            moved: BTreeSet::new(),
            underlay_mtu: 0,
            carrier: Carrier::default(),
            arrivals: Arrivals::default(),
            unannounced: BTreeMap::new(),
        };
        segments.reload(mesh, site, now);
        segments
    }

    /// Applies a mesh file that was reloaded.
    pub(super) fn reload(&mut self, mesh: &Mesh, own: &Site, now: SystemTime) {
        let Mesh { sites, segments, .. } = mesh;
        self.renumber(sites, own);
        self.sites = sites.iter().map(|site| (site.loopback, site.name.clone())).collect();
        self.underlay_mtu = mesh.smallest_mtu();
        let domain_before = self.domain;
        self.domain = domain(mesh);
        let mut before = std::mem::take(&mut self.segments);
        for l2 in segments {
            let Some(site) = l2.sites.get(&own.id) else { continue };
            let vni = l2.segment.vni;
            let (mut segment, mut findings, heard_in) = match before.remove(&vni) {
                Some(segment) => (segment, Vec::new(), Some(domain_before)),
                None => {
                    let mut locations = HostLocations::new(self.here);
                    let findings = locations.restore(&l2.segment, self.memory.records(vni));
                    let (damped, unreadable) = (BTreeSet::new(), BTreeMap::new());
                    let (l2, site) = (Arc::new(l2.clone()), site.clone());
                    let segment = Segment { l2, site, locations, damped, unreadable };
                    (segment, findings, None)
                }
            };
            findings.extend(segment.locations.table_changed(&l2.segment, now));
            (segment.l2, segment.site) = (Arc::new(l2.clone()), site.clone());
            self.segments.insert(vni, segment);
            self.note(vni, findings);
            if heard_in != Some(self.domain) {
                self.hear_again(vni, now);
            }
        }
    }

    /// Applies changed loopbacks of sites: the stored locations of hosts refer to the same sites under their new addresses.
    fn renumber(&mut self, sites: &[Site], own: &Site) {
        let address = |name: &String| sites.iter().find(|site| site.name == *name).map(|site| Vtep(site.loopback));
        let moved = self.sites.iter().filter_map(|(before, name)| Some((Vtep(*before), address(name)?)));
        let moved: BTreeMap<Vtep, Vtep> = moved.filter(|(before, after)| before != after).collect();
        if moved.is_empty() && self.here.0 == own.loopback {
            return;
        }
        let renumbered = |vtep: Vtep| moved.get(&vtep).copied().unwrap_or(vtep);
        let records = self.segments.iter().flat_map(|(vni, segment)| {
            let vni = *vni;
            segment.locations.records().map(move |record| (vni, *record))
        });
        let records: Vec<(Vni, Record)> = records
            .map(|(vni, Record { claim, author, since })| {
                let (home, location) = (renumbered(claim.home), renumbered(claim.location));
                (vni, Record { claim: Claim { home, location, ..claim }, author: renumbered(author), since })
            })
            .collect();
        self.memory.keep(records.iter().map(|(vni, record)| (*vni, record)));
        self.segments.clear();
        if self.here.0 != own.loopback {
            // With another router id, the link-state database begins empty.
            self.received.clear();
            self.here = Vtep(own.loopback);
        }
    }

    /// Evaluates the stored claims about a segment that is new at this site, or whose claims are accepted from another database now.
    fn hear_again(&mut self, vni: Vni, now: SystemTime) {
        let authors = self.received.keys().filter(|(about, ..)| *about == vni).map(|(_, _, author, _)| *author);
        for author in authors.collect::<BTreeSet<Vtep>>() {
            self.weigh(vni, author, now);
        }
    }

    /// The interfaces of all segments at this site, whether or not they exist.
    pub(super) fn interfaces(&self) -> impl Iterator<Item = IfName> {
        self.segments.values().flat_map(|Segment { l2, site, .. }| {
            [l2.device(), site.bridge.clone()].into_iter().chain(site.ports.iter().cloned())
        })
    }

    /// Whether this site is part of no segment.
    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The VTEP of this site.
    pub(super) fn here(&self) -> Vtep {
        self.here
    }

    /// All segments of this site.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Segment> {
        self.segments.values()
    }

    /// The name of the site with this VTEP, or its address if it has no name.
    pub(super) fn site_name(&self, vtep: Vtep) -> String {
        self.sites.get(&vtep.0).cloned().unwrap_or_else(|| vtep.to_string())
    }

    /// Addresses of the other sites of all segments.
    pub(super) fn peers(&self) -> BTreeSet<Ipv4Addr> {
        let members = self.segments.values().flat_map(|segment| &segment.l2.segment.members);
        members.filter(|vtep| **vtep != self.here).map(|vtep| vtep.0).collect()
    }

    /// The desired state of the kernel while the addresses in `reachable` are reachable.
    pub(super) fn desired(&self, reachable: &BTreeSet<Ipv4Addr>, observed: &Observed, now: SystemTime) -> Overlay {
        let reachable: BTreeSet<Vtep> = reachable.iter().copied().map(Vtep).collect();
        let segments = self.segments.values().map(|segment| {
            let (locations, underlay_mtu) = (&segment.locations, self.underlay_mtu);
            let situation = Situation { locations, reachable: &reachable, underlay_mtu, now };
            let entries = Entries::of(&segment.l2.segment, &situation);
            LocalSegment { l2: &segment.l2, site: &segment.site, entries }
        });
        let segments: Vec<LocalSegment<'_>> = segments.collect();
        desired_overlay(&segments, observed)
    }

    /// What [`Segments::desired`] would be with another mesh file, and changes nothing.
    pub(super) fn preview(
        &self,
        mesh: &Mesh,
        own: &Site,
        reachable: &BTreeSet<Ipv4Addr>,
        observed: &Observed,
        now: SystemTime,
    ) -> Overlay {
        let here = Vtep(own.loopback);
        let reachable: BTreeSet<Vtep> = reachable.iter().copied().map(Vtep).collect();
        let segments = mesh.segments.iter().filter_map(|l2| {
            let site = l2.sites.get(&own.id)?;
            let known = self.segments.get(&l2.segment.vni).filter(|_| here == self.here);
            let mut locations = known.map(|segment| segment.locations.clone()).unwrap_or_else(|| {
                let mut locations = HostLocations::new(here);
                locations.restore(&l2.segment, self.memory.records(l2.segment.vni));
                locations
            });
            locations.table_changed(&l2.segment, now);
            let underlay_mtu = mesh.smallest_mtu();
            let situation = Situation { locations: &locations, reachable: &reachable, underlay_mtu, now };
            Some(LocalSegment { l2, site, entries: Entries::of(&l2.segment, &situation) })
        });
        let segments: Vec<LocalSegment<'_>> = segments.collect();
        desired_overlay(&segments, observed)
    }

    /// Carries announcements of hosts from the ports that exist to the sites that are reachable.
    pub(super) fn carry(&mut self, reachable: &BTreeSet<Ipv4Addr>, observed: &Observed) {
        let mut jobs = BTreeMap::new();
        for Segment { l2, site, .. } in self.segments.values().filter(|segment| Job::is_needed(&segment.l2)) {
            let peers = l2.segment.members.iter().map(|vtep| vtep.0).filter(|peer| *peer != self.here.0);
            let to: BTreeSet<Ipv4Addr> = peers.filter(|peer| reachable.contains(peer)).collect();
            // While a bridge cannot be used, nothing on it belongs to the segment.
            let crosses = observed.state.overlay.uses_bridge(&site.bridge);
            for (port, tagging) in overlay::ports(site, observed).into_iter().filter(|_| crosses) {
                let joined = observed.state.overlay.ports.get(&port) == Some(&site.bridge);
                let Some(index) = observed.indexes.get(&port).copied().filter(|_| joined) else { continue };
                let job = Job { index, tagging, l2: Arc::clone(l2), from: self.here.0, to: to.clone() };
                jobs.insert((l2.segment.vni, port), job);
            }
        }
        self.carrier.set(jobs);
    }

    /// Makes the bridges that exist forget hosts that announce themselves at another site.
    pub(super) fn listen(&mut self, observed: &Observed, learned: &Learned) {
        let mut inlets = BTreeMap::new();
        for Segment { l2, site, .. } in self.segments.values().filter(|segment| Inlet::is_needed(&segment.l2)) {
            let device = l2.device();
            let present = observed.state.overlay.devices.get(&device);
            let joined = present.is_some_and(|present| present.bridge.as_ref() == Some(&site.bridge));
            if let Some(index) = observed.indexes.get(&device).copied().filter(|_| joined) {
                inlets.insert(l2.segment.vni, Inlet { index, vlan: site.vlan(), l2: Arc::clone(l2) });
            }
        }
        self.arrivals.set(inlets, learned);
    }

    /// Handles opaque LSAs about segments that were installed, or removed (`None`). Claims from another database than that of the flooding
    /// domain are not accepted: in an area without tunnels, any router may use the router id of a site.
    pub(super) fn receive(&mut self, changes: &UserChanges, now: SystemTime) {
        for ((lsa, router), body) in changes {
            let OpaqueLsa { domain, share, id } = *lsa;
            let author = Vtep((*router).into());
            let Ok(vni) = Vni::try_from(id) else { continue };
            let origin = (vni, domain, author, share);
            match body {
                None => self.received.remove(&origin),
                Some(body) => self.received.insert(origin, body.clone()),
            };
            if domain == self.domain {
                self.weigh(vni, author, now);
            } else {
                debug!(vni = vni.value(), site = self.site_name(author), ?domain, "claims from where none count");
            }
        }
    }

    /// Evaluates all claims of a site about a segment, and accepts those that are valid; none if this site is not part of the segment.
    fn weigh(&mut self, vni: Vni, author: Vtep, now: SystemTime) {
        let site = self.site_name(author);
        let [first, last] = [Share::MIN, Share::MAX].map(|share| (vni, self.domain, author, share));
        let Some(segment) = self.segments.get_mut(&vni) else { return };
        let bodies = self.received.range(first..=last);
        let mut unreadable = None;
        let mut claims = Some(Vec::new()).filter(|_| bodies.clone().next().is_some());
        for (_, body) in bodies {
            match decode(body) {
                Ok(more) => claims.iter_mut().for_each(|claims| claims.extend(more.iter().copied())),
                Err(error) => {
                    warn!(segment = segment.l2.name, site, %error, "the claims that a site advertises for its hosts cannot be decoded");
                    unreadable = Some(error);
                }
            }
        }
        match unreadable {
            None => segment.unreadable.remove(&author),
            Some(error) => segment.unreadable.insert(author, error),
        };
        match claims {
            None => segment.locations.withdraw(author),
            Some(claims) => {
                let findings = segment.locations.receive(&segment.l2.segment, author, &claims, now);
                self.note(vni, findings);
            }
        }
    }

    /// Handles an FDB entry that a bridge has learned for a host on a port; returns whether the host has moved here.
    pub(super) fn learned_on(&mut self, host: &LearnedHost, bridge: &IfName, now: SystemTime) -> bool {
        let mut segments = self.segments.iter_mut();
        let found = segments.find(|(_, Segment { site, .. })| site.bridge == *bridge && site.vlan() == host.vlan);
        let Some((&vni, segment)) = found else { return false };
        let finding = segment.locations.seen_here(&segment.l2.segment, host.mac, now);
        debug!(segment = segment.l2.name, mac = %host.mac, iface = %host.port, "host learned");
        self.note(vni, finding);
        matches!(finding, Some(Finding::Moved { .. }))
    }

    /// Takes the LSAs that have to be advertised with other contents, or withdrawn (`None`), and their bodies.
    pub(super) fn take_pending(&mut self) -> Vec<(OpaqueLsa, Option<Bytes>)> {
        let mut claims: BTreeMap<(Vni, Share), (Domain, Vec<Claim>)> = BTreeMap::new();
        for (vni, segment) in &self.segments {
            for claim in segment.locations.to_announce() {
                let lsa = claims.entry((*vni, claim.share())).or_insert((self.domain, Vec::new()));
                lsa.1.push(claim);
            }
        }
        let changed = claims.iter().filter(|(lsa, claims)| self.advertised.get(lsa) != Some(claims));
        let stands = |lsa, domain| claims.get(lsa).is_some_and(|(new, _)| *new == domain);
        let gone = self.advertised.iter().filter(|(lsa, (domain, _))| !stands(*lsa, *domain));
        let lsa = |vni: Vni, share, domain| OpaqueLsa { domain, share, id: vni.value() };
        let gone = gone.map(|(&(vni, share), &(domain, _))| (lsa(vni, share, domain), None));
        let pending = changed
            .map(|(&(vni, share), (domain, claims))| {
                (lsa(vni, share, *domain), Some(Bytes::from(encode(claims.iter().copied()))))
            })
            .chain(gone)
            .collect();
        self.advertised = claims;
        pending
    }

    /// Stores the locations of hosts for the next start, if they have changed.
    pub(super) fn remember(&mut self) {
        let records = self.segments.iter().flat_map(|(vni, segment)| {
            let vni = *vni;
            segment.locations.records().map(move |record| (vni, record))
        });
        self.memory.keep(records);
    }

    /// Tries again to write the file of hosts if that failed before.
    pub(super) fn retry_remembering(&mut self) {
        self.memory.retry();
    }

    /// Problems of the file of hosts.
    pub(super) fn memory_problems(&self) -> Vec<String> {
        self.memory.problems()
    }

    /// Announces each host that has moved on the ports, in its name, so that switches send its frames this way. The port that the host is
    /// connected to is left out. Must be called when the kernel has the new entries.
    pub(super) fn announce_moves(&mut self, observed: &Observed) {
        self.unannounced.retain(|(_, port), _| observed.indexes.contains_key(port));
        for (vni, mac) in std::mem::take(&mut self.moved) {
            let Some(segment) = self.segments.get(&vni) else { continue };
            let Some(host) = segment.l2.segment.hosts.get(&mac) else { continue };
            let vlan = segment.site.vlan();
            let behind = |port: &IfName| observed.learned.contains(&LearnedHost { port: port.clone(), mac, vlan });
            let here = segment.locations.location_of(mac, host) == self.here;
            let ports = overlay::ports(&segment.site, observed);
            if here && !ports.iter().any(|(port, _)| behind(port)) {
                // The host will send frames once it is here; until then a switch should not send its frames to this site.
                continue;
            }
            for (port, tagging) in ports.into_iter().filter(|(port, _)| !here || !behind(port)) {
                let tag = vlan.filter(|_| !tagging.untagged_out);
                let Some(&index) = observed.indexes.get(&port) else { continue };
                match gratuitous::announce(index, tag, mac, &host.addresses) {
                    Ok(()) => drop(self.unannounced.remove(&(vni, port))),
                    // There is no host behind a port that does not exist, or is down.
                    Err(error) if matches!(error.raw_os_error(), Some(libc::ENXIO | libc::ENETDOWN)) => {
                        debug!(segment = segment.l2.name, %mac, iface = %port, %error, "the move of a host was not announced on this port");
                    }
                    Err(error) => {
                        let (segment, error) = (&segment.l2.name, explain(&error));
                        warn!(segment, %mac, iface = %port, %error, "the move of a host was not announced on this port");
                        self.unannounced.insert((vni, port), error);
                    }
                }
            }
        }
    }

    /// Problems of the segments that an operator should look at.
    pub(super) fn problems(&self, observed: &Observed, now: SystemTime) -> Vec<String> {
        let mut problems = Vec::new();
        for segment in self.segments.values() {
            let name = &segment.l2.name;
            let missing = segment.site.ports.iter().filter(|port| !observed.foreign.interfaces.contains_key(port));
            problems.extend(missing.map(|port| format!("{name}: port {port}: there is no such interface")));
            if segment.site.is_on_existing_bridge() {
                let (site, device) = (&segment.site, segment.l2.device());
                let waits = overlay::usable(site, observed).err();
                problems.extend(waits.map(|waits| format!("{name} waits: {}", waits.explain(&site.bridge))));
                let obstacles = overlay::obstacles(site, &device, observed);
                problems.extend(obstacles.into_iter().map(|obstacle| format!("{name}: {obstacle}")));
            }
            let ports = &observed.state.overlay.ports;
            let behind = |learned: &&LearnedHost| ports.get(&learned.port) == Some(&segment.site.bridge);
            // Only weft's own bridges have this limit.
            let bounded = !segment.site.is_on_existing_bridge();
            if bounded && observed.learned.iter().filter(behind).count() >= MAX_LEARNED as usize {
                problems.push(format!("{name}: {MAX_LEARNED} hosts were learned here, and no more are learned"));
            }
            let damped = segment.locations.damped(now);
            problems.extend(damped.map(|mac| {
                let at = segment.locations.location(&segment.l2.segment, mac).map(|vtep| self.site_name(vtep));
                format!(
                    "{name}: host {} is learned at two sites at once; it stays at {}",
                    segment.called(mac),
                    at.unwrap_or_default()
                )
            }));
            let (vni, ports) = (segment.l2.segment.vni, overlay::ports(&segment.site, observed));
            let unannounced = ports.into_iter().filter_map(|(port, _)| {
                let error = self.unannounced.get(&(vni, port.clone()))?;
                Some((port, error))
            });
            problems.extend(unannounced.map(|(port, error)| {
                format!("{name}: the move of a host was not announced on port {port}, behind which frames may go on to where it was: {error}")
            }));
            problems.extend(self.refusals(segment));
        }
        problems.extend(self.carrier.problems(now));
        problems
    }

    /// Logs findings, and records hosts that have moved.
    fn note(&mut self, vni: Vni, findings: impl IntoIterator<Item = Finding>) {
        // An LSA may have hundreds of claims that are refused for the same reason: they are logged in one line.
        let mut refused: BTreeMap<(Vtep, Refusal), (Mac, usize)> = BTreeMap::new();
        for finding in findings {
            let name = |vtep| self.site_name(vtep);
            let Some(segment) = self.segments.get(&vni) else { return };
            let (segment_name, called) = (&segment.l2.name, |mac| segment.called(mac));
            match finding {
                Finding::Moved { mac, from, to } => {
                    info!(segment = segment_name, host = called(mac), from = name(from), to = name(to), "host moved");
                    self.moved.insert((vni, mac));
                }
                Finding::Contested { mac, winner, loser } => {
                    let (winner, loser) = (name(winner), name(loser));
                    warn!(segment = segment_name, host = called(mac), winner, loser, "two sites claim a host at once");
                    self.moved.insert((vni, mac));
                }
                Finding::Refused { mac, author, reason } => {
                    refused.entry((author, reason)).or_insert((mac, 0)).1 += 1;
                }
                Finding::Damped { mac } => {
                    if !segment.damped.contains(&mac) {
                        warn!(
                            segment = segment_name,
                            host = called(mac),
                            "host learned at two sites at once; it stays"
                        );
                    }
                    let segment = self.segments.get_mut(&vni);
                    segment.map(|segment| segment.damped.insert(mac));
                }
            }
        }
        for ((author, reason), (mac, claims)) in refused {
            let Some(segment) = self.segments.get(&vni) else { return };
            let (segment, host, site) = (&segment.l2.name, segment.called(mac), self.site_name(author));
            warn!(segment, host, site, router_id = %author, claims, %reason, "a claim is refused");
        }
    }
}

impl Segment {
    /// The host with this name, MAC address or IP address.
    pub(super) fn host(&self, text: &str) -> Option<Mac> {
        let by_name = self.l2.host_names.iter().find(|(_, name)| *name == text).map(|(mac, _)| *mac);
        let by_mac = || text.parse().ok().filter(|mac| self.l2.segment.hosts.contains_key(mac));
        let by_address = || {
            let address: IpAddr = text.parse().ok()?;
            self.l2.segment.host_with_address(address).map(|(mac, _)| mac)
        };
        by_name.or_else(by_mac).or_else(by_address)
    }

    /// The host's name, or its MAC address if it has no name.
    pub(super) fn called(&self, mac: Mac) -> String {
        self.l2.host_names.get(&mac).cloned().unwrap_or_else(|| mac.to_string())
    }
}

/// Where claims are flooded: in the area of the tunnels, or in the whole AS if tunnels are in several areas.
fn domain(mesh: &Mesh) -> Domain {
    let mut areas = mesh.links.iter().map(|link| link.ospf.area);
    match areas.next() {
        Some(area) if areas.all(|other| other == area) => Domain::Area(area),
        _ => Domain::As,
    }
}

#[cfg(test)]
mod tests;
