//! What carries the site's prefixes, as this router sees it: see [`crate::reconcile::carriers`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ospf::{InterfaceId, Prefix, RouterId};
use tracing::{info, warn};

use super::local::Local;
use crate::control::view;
use crate::mesh::{IfName, Mesh, Site};
use crate::reconcile::carriers::{Carrier, Carriers, Followed, Present, Standing};
use crate::reconcile::routes::{Fate, fate};
use crate::reconcile::state::Observed;
use crate::routing::{InterfaceIds, RouteChanges, prefix};

/// The listed prefixes that are followed, and how each is.
#[derive(Debug)]
pub(super) struct Listed {
    followed: Followed,
    carriers: Carriers,
}

impl Listed {
    /// Nothing has been looked at.
    pub(super) fn new(local: &Local) -> Self {
        Self { followed: Followed::of(&local.site), carriers: Carriers::default() }
    }

    /// Takes over a mesh file that has been read again.
    pub(super) fn reload(&mut self, local: &Local) {
        self.followed = Followed::of(&local.site);
    }

    /// The prefixes whose carriers are looked for.
    pub(super) fn followed(&self) -> &Followed {
        &self.followed
    }

    /// Those that are not advertised.
    pub(super) fn withdrawn(&self) -> BTreeSet<Prefix> {
        self.carriers.withdrawn()
    }

    /// Interfaces on which it depends what is advertised.
    pub(super) fn interfaces(&self) -> BTreeSet<IfName> {
        self.carriers.interfaces()
    }

    /// Whether these changes may be about routes that carry a prefix.
    pub(super) fn are_concerned(&self, changes: &RouteChanges) -> bool {
        changes.keys().any(|destination| self.followed.concerns(*destination))
    }

    /// Takes note of what there is now; whether other prefixes are withdrawn than before.
    pub(super) fn update(
        &mut self,
        local: &Local,
        observed: &Observed,
        routes: &BTreeMap<Prefix, ospf::Route>,
        ids: &InterfaceIds,
    ) -> bool {
        let exit = |interface| {
            let name = ids.name(interface)?;
            Some(if local.tunnels.contains_key(name) { Exit::Tunnel } else { Exit::Lan })
        };
        let is_of_lan =
            |destination, route: &ospf::Route| is_of_lan(&local.mesh, &local.site, exit, destination, route);
        let present = Present { foreign: &observed.foreign, learned: routes, is_of_lan };
        let changed = self.carriers.update(&self.followed, &present);
        for prefix in &changed {
            match self.carriers.standing(*prefix) {
                Some(Standing::Withdrawn(last)) => {
                    warn!(%prefix, carriers = named(last).join(", "), "withdrawn: nothing here carries it any more");
                }
                Some(Standing::Carried(carriers)) => {
                    info!(%prefix, carriers = named(carriers).join(", "), "advertised again");
                }
                Some(Standing::NeverCarried) | None => info!(%prefix, "advertised again: the mesh file has changed"),
            }
        }
        !changed.is_empty()
    }

    /// What is withdrawn, and why.
    pub(super) fn problems(&self, observed: &Observed) -> Vec<String> {
        self.carriers.problems(&observed.foreign.interfaces)
    }

    /// What is advertised though nothing carries it.
    pub(super) fn notes(&self) -> Vec<String> {
        self.carriers.notes()
    }

    /// Every prefix that the site lists, as it is shown.
    pub(super) fn shown(&self, local: &Local) -> Vec<view::ListedPrefix> {
        let shown = local.site.prefixes.iter().map(|network| {
            let (state, carriers) = match self.carriers.standing(prefix(network)) {
                Some(Standing::Carried(carriers)) => ("carried", named(carriers)),
                Some(Standing::NeverCarried) => ("never-carried", Vec::new()),
                Some(Standing::Withdrawn(last)) => ("withdrawn", named(last)),
                None if local.site.static_prefixes.contains(network) => ("static", Vec::new()),
                None => ("default-originate", Vec::new()),
            };
            view::ListedPrefix { prefix: network.to_string(), state: state.to_owned(), carriers }
        });
        shown.collect()
    }
}

fn named(carriers: &BTreeSet<Carrier>) -> Vec<String> {
    carriers.iter().map(ToString::to_string).collect()
}

/// Whether the route leads by a LAN to what a router there announces, and is in the kernel. What other sites announce lives there, not here.
fn is_of_lan(
    mesh: &Mesh,
    site: &Site,
    exit: impl Fn(InterfaceId) -> Option<Exit>,
    destination: Prefix,
    route: &ospf::Route,
) -> bool {
    // Loopbacks are in the order of the sites' ids.
    let is_site =
        |router: &RouterId| mesh.sites.binary_search_by_key(&Ipv4Addr::from(*router), |site| site.loopback).is_ok();
    route.nexthops.iter().any(|hop| exit(hop.interface) == Some(Exit::Lan))
        && !route.originators.iter().all(is_site)
        && fate(destination, route, site.loopback, &site.imports) == Fate::Installed
}

/// Where an interface of OSPF leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    Tunnel,
    Lan,
}

#[cfg(test)]
mod tests {
    use ospf::{AreaId, Nexthop, RouteKind};

    use super::*;
    use crate::mesh;

    #[test]
    fn a_route_is_of_the_lan_if_a_router_that_is_no_site_announces_it_there() {
        let site = |name: &str, id: u8, rest: &str| {
            let key = format!("{}A=", char::from(b'B' + id).to_string().repeat(42));
            format!(
                "[[site]]\nname = \"{name}\"\nid = {id}\npublic_key = \"{key}\"\nendpoint = \"192.0.2.{id}\"\n{rest}\n"
            )
        };
        let import = "[[site.import]]\nprefixes = [\"10.1.9.0/24\"]\naction = \"refuse\"";
        let (taipei, osaka) = (site("taipei", 1, import), site("osaka", 2, ""));
        let text = format!("[mesh]\nname = \"a\"\nloopbacks = \"10.255.0.0/16\"\n{taipei}{osaka}");
        let mesh = mesh::parse("mesh", &text).unwrap().mesh;
        let (tunnel, lan) = (InterfaceId(1), InterfaceId(2));
        let exit = |interface| Some(if interface == lan { Exit::Lan } else { Exit::Tunnel });
        let by = |destination: &str, interface, originators: &[&str]| {
            let address = |text: &str| -> Ipv4Addr { text.parse().unwrap() };
            let route = ospf::Route {
                kind: RouteKind::External2,
                area: AreaId::BACKBONE,
                metric: 20,
                originators: originators.iter().map(|text| RouterId::from(address(text))).collect(),
                nexthops: BTreeSet::from([Nexthop { interface, via: Some(address("192.0.2.9")) }]),
                tag: 0,
            };
            is_of_lan(&mesh, &mesh.sites[0], exit, destination.parse().unwrap(), &route)
        };
        assert!(by("10.1.5.0/24", lan, &["192.0.2.1"]));
        assert!(by("10.1.5.0/24", lan, &["192.0.2.1", "10.255.0.2"]));
        assert!(!by("10.1.5.0/24", lan, &["10.255.0.2"]), "osaka has it");
        assert!(!by("10.1.5.0/24", tunnel, &["192.0.2.1"]), "it is behind osaka");
        assert!(!by("10.1.9.0/24", lan, &["192.0.2.1"]), "it is not in the kernel");
    }
}
