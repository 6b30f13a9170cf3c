//! Checks whether a lab works as its mesh file says: compares what each site should have with what its daemon and its kernel have.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::IpAddr;
use std::thread;

use anyhow::Result;
use ipnetwork::IpNetwork;
use serde::Serialize;

use super::layout::{HostPlan, SegmentPlan, SitePlan};
use super::netlink::Netlink;
use super::netns::Namespace;
use super::process::Daemon;
use super::up::Lab;
use super::{cable, cut, reach};
use crate::control::view::{NeighborState, Status};
use crate::control::{self, Request};
use crate::mesh::{ImportAction, Link, Mesh, Site, SiteId, import_action};
use crate::net::Prefix;
use crate::reconcile::state::PROTOCOL;

/// The state of a lab; `weft lab status --json` prints it.
#[derive(Debug, Serialize)]
pub struct Health {
    /// The mesh's name.
    pub mesh: String,
    /// Every site, ordered by id.
    pub sites: Vec<SiteHealth>,
    /// Every host of a segment, ordered by segment and MAC address.
    pub hosts: Vec<HostHealth>,
    /// The pairs of sites whose packets to each other are dropped.
    pub cut: BTreeSet<(String, String)>,
}

/// The state of a site.
#[derive(Debug, Serialize)]
pub struct SiteHealth {
    /// Its name.
    pub site: String,
    /// Process id of its weft; `null` if it does not run.
    pub pid: Option<i32>,
    /// The status that its weft reports; `null` if it does not answer.
    pub status: Option<Status>,
    /// Sites that should be its neighbours, because there is a tunnel and it is not cut.
    pub neighbors: Found,
    /// Prefixes of the other sites that it can reach; present if its kernel has a route to them.
    pub routes: Found,
}

/// The state of a host of a segment.
#[derive(Debug, Serialize)]
pub struct HostHealth {
    /// Its name, or the digits of its MAC address.
    pub host: String,
    /// Its segment.
    pub segment: String,
    /// Its MAC address.
    pub mac: String,
    /// Its site in the mesh file.
    pub home: String,
    /// The site where it is plugged in; `null` if it has no cable.
    pub site: Option<String>,
    /// Other hosts of the segment whose sites can be reached from its site; present if they answer its pings.
    pub answers: Found,
}

/// Expected items, divided into those that are present and those that are missing.
#[derive(Debug, Default, Serialize)]
pub struct Found {
    /// Items that are present.
    pub present: BTreeSet<String>,
    /// Items that are missing.
    pub missing: BTreeSet<String>,
}

impl Found {
    /// How many items are expected.
    pub fn expected(&self) -> usize {
        self.present.len() + self.missing.len()
    }
}

impl Health {
    /// Determines the present state of the lab.
    pub fn of(lab: &Lab) -> Result<Self> {
        let cut = cut::cuts(&lab.layout)?;
        let links = usable_links(&lab.mesh, &cut);
        let sites = lab.mesh.sites.iter().zip(&lab.layout.sites);
        let sites = sites.map(|(site, plan)| SiteHealth::of(lab, site, plan, &links)).collect::<Result<_>>()?;
        let hosts = hosts(lab, &links)?;
        Ok(Self { mesh: lab.mesh.name.clone(), sites, hosts, cut })
    }

    /// Whether nothing is missing.
    pub fn is_good(&self) -> bool {
        self.sites.iter().all(SiteHealth::is_good) && self.hosts.iter().all(HostHealth::is_good)
    }
}

impl SiteHealth {
    fn of(lab: &Lab, site: &Site, plan: &SitePlan, links: &[&Link]) -> Result<Self> {
        let state = lab.state.site(&site.name);
        let status: Option<Status> = control::ask(&state.run_directory(), Request::Status).ok();
        let full: BTreeSet<&str> = status
            .iter()
            .flat_map(|status| &status.neighbors)
            .filter(|neighbor| neighbor.state == NeighborState::Full)
            .filter_map(|neighbor| neighbor.site.as_deref())
            .collect();
        let name = |id| lab.mesh.site_with_id(id).map(|site| site.name.clone()).unwrap_or_default();
        let neighbors = neighbors_of(site.id, links).map(|(id, _)| name(id));
        let installed = installed(plan)?;
        let prefixes = prefixes_for(&lab.mesh, site, links);
        Ok(Self {
            site: site.name.clone(),
            pid: Daemon::of(&state).map(Daemon::pid),
            neighbors: sorted(neighbors.map(|name| (full.contains(name.as_str()), name))),
            routes: sorted(prefixes.into_iter().map(|prefix| (installed.contains(&prefix), prefix.to_string()))),
            status,
        })
    }

    /// Whether weft runs and nothing is missing.
    pub fn is_good(&self) -> bool {
        self.pid.is_some() && self.neighbors.missing.is_empty() && self.routes.missing.is_empty()
    }
}

impl HostHealth {
    /// Whether it has a cable and all others answer.
    pub fn is_good(&self) -> bool {
        self.site.is_some() && self.answers.missing.is_empty()
    }
}

/// The state of the hosts of all segments. All hosts ping each other at the same time.
fn hosts(lab: &Lab, links: &[&Link]) -> Result<Vec<HostHealth>> {
    let mut plugged = Vec::new();
    for (segment, host) in lab.layout.hosts() {
        plugged.push((segment, host, cable::plugged_at(segment, host)?));
    }
    let reachable = |from: &str, to: &str| {
        let (from, to) = (lab.mesh.site(from), lab.mesh.site(to));
        from.zip(to).is_some_and(|(from, to)| distances(from.id, links).contains_key(&to.id))
    };
    thread::scope(|scope| {
        let threads: Vec<_> = plugged
            .iter()
            .map(|(segment, host, site)| {
                let others = plugged.iter().filter(|(others_segment, other, others_site)| {
                    let sites = site.as_deref().zip(others_site.as_deref());
                    others_segment.name == segment.name
                        && other.mac != host.mac
                        && sites.is_some_and(|(here, there)| reachable(here, there))
                });
                let others: Vec<&HostPlan> = others.map(|(_, other, _)| *other).collect();
                scope.spawn(move || HostHealth::of(segment, host, site.clone(), &others))
            })
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.map(|outcome| outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

impl HostHealth {
    fn of(segment: &SegmentPlan, host: &HostPlan, site: Option<String>, others: &[&HostPlan]) -> Result<Self> {
        let targets: BTreeMap<&str, IpAddr> =
            others.iter().filter_map(|other| Some((other.name.as_str(), address_for(host, other)?))).collect();
        let answered = reach::answering(&Namespace::existing(&host.namespace)?, targets.values().copied())?;
        Ok(Self {
            host: host.name.clone(),
            segment: segment.name.clone(),
            mac: host.mac.to_string(),
            home: host.home.clone(),
            site,
            answers: sorted(targets.into_iter().map(|(name, target)| (answered.contains(&target), name.to_owned()))),
        })
    }
}

/// The address by which `from` can ping `to`: of an address family that both have, and not link-local.
fn address_for(from: &HostPlan, to: &HostPlan) -> Option<IpAddr> {
    let routable = |address: &&IpAddr| !matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    let has = |v4: bool| from.addresses.iter().filter(routable).any(|address| address.is_ipv4() == v4);
    to.addresses.iter().filter(routable).find(|address| has(address.is_ipv4())).copied()
}

/// Whether every site's kernel has every route that it should have: the part of [`Health`] about routes, without asking daemons.
pub fn routes_are_complete(lab: &Lab) -> Result<bool> {
    let links = usable_links(&lab.mesh, &BTreeSet::new());
    for (site, plan) in lab.mesh.sites.iter().zip(&lab.layout.sites) {
        if !prefixes_for(&lab.mesh, site, &links).is_subset(&installed(plan)?) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The links that packets can pass.
pub fn usable_links<'a>(mesh: &'a Mesh, cut: &BTreeSet<(String, String)>) -> Vec<&'a Link> {
    let usable = |link: &&Link| {
        let (Some(low), Some(high)) = (mesh.site_with_id(link.low), mesh.site_with_id(link.high)) else { return false };
        !cut.contains(&(low.name.clone(), high.name.clone()))
    };
    mesh.links.iter().filter(usable).collect()
}

/// The cost of the cheapest path from `start` to every site that can be reached over `links`.
pub fn distances(start: SiteId, links: &[&Link]) -> BTreeMap<SiteId, u64> {
    let mut known = BTreeMap::new();
    let mut queue = BinaryHeap::from([Reverse((0, start))]);
    while let Some(Reverse((cost, site))) = queue.pop() {
        if known.contains_key(&site) {
            continue;
        }
        known.insert(site, cost);
        queue.extend(neighbors_of(site, links).map(|(next, link)| Reverse((cost + u64::from(link.ospf.cost), next))));
    }
    known
}

fn neighbors_of<'a>(site: SiteId, links: &'a [&'a Link]) -> impl Iterator<Item = (SiteId, &'a Link)> {
    links.iter().filter_map(move |link| match site {
        id if id == link.low => Some((link.high, *link)),
        id if id == link.high => Some((link.low, *link)),
        _ => None,
    })
}

/// The prefixes that `site` should have routes to: those of every site it can reach, except its own and those that a `[[site.import]]`
/// refuses.
fn prefixes_for(mesh: &Mesh, site: &Site, links: &[&Link]) -> BTreeSet<IpNetwork> {
    let reachable = distances(site.id, links);
    let others = mesh.sites.iter().filter(|other| reachable.contains_key(&other.id));
    let listed = others.flat_map(|other| other.prefixes.iter().map(move |prefix| (other, prefix)));
    let accepted = |(other, prefix): &(&Site, &Prefix)| {
        let tag = other.default_originate.filter(|_| prefix.is_default()).map_or(0, |default| default.external.tag);
        import_action(&site.imports, **prefix, tag) == ImportAction::Accept
    };
    let prefixes = listed.filter(|(_, prefix)| !site.prefixes.contains(prefix)).filter(accepted);
    prefixes.map(|(_, prefix)| IpNetwork::from(*prefix)).collect()
}

/// The destinations of weft's routes in the kernel of the site's router.
fn installed(plan: &SitePlan) -> Result<BTreeSet<IpNetwork>> {
    let mut netlink = Netlink::open(&Namespace::existing(&plan.namespace)?)?;
    Ok(netlink.routes(PROTOCOL)?.into_iter().map(|route| route.destination).collect())
}

fn sorted(items: impl Iterator<Item = (bool, String)>) -> Found {
    let mut found = Found::default();
    for (there, item) in items {
        if there {
            found.present.insert(item)
        } else {
            found.missing.insert(item)
        };
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The prefixes that the site should have routes to.
    fn wanted(rest: &str) -> Vec<String> {
        let text = format!(
            "[mesh]\nname = \"m\"\nloopbacks = \"10.255.0.0/16\"\n\
             [[site]]\nname = \"a\"\nid = 1\npublic_key = \"{}A=\"\nendpoint = \"203.0.113.1\"\n{rest}\n\
             [[site]]\nname = \"b\"\nid = 2\npublic_key = \"{}A=\"\nendpoint = \"203.0.113.2\"\n\
             prefixes = [\"10.2.0.0/16\", \"0.0.0.0/0\"]\n\
             default_originate = {{ when = \"if-present\", tag = 7 }}\n",
            "B".repeat(42),
            "C".repeat(42)
        );
        let mesh = crate::mesh::parse("test", &text).unwrap_or_else(|errors| panic!("{errors}")).mesh;
        let links = usable_links(&mesh, &BTreeSet::new());
        prefixes_for(&mesh, &mesh.sites[0], &links).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn no_route_is_missed_that_the_site_lists_itself_or_refuses_to_import() {
        assert_eq!(wanted(""), ["0.0.0.0/0", "10.2.0.0/16"]);
        assert_eq!(wanted("prefixes = [\"10.2.0.0/16\"]"), ["0.0.0.0/0"]);
        let import = |what: &str| wanted(&format!("[[site.import]]\naction = \"refuse\"\n{what}"));
        assert_eq!(import("prefixes = [\"0.0.0.0/0\"]"), ["10.2.0.0/16"]);
        assert_eq!(import("tags = [7]"), ["10.2.0.0/16"]);
        assert_eq!(import("prefixes = [\"10.0.0.0/8\"]"), ["0.0.0.0/0", "10.2.0.0/16"]);
    }
}
