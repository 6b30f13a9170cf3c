//! The carriers of the site's listed prefixes, as this router sees them: see [`crate::reconcile::carriers`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ospf::{InterfaceId, RouterId};
use tracing::{info, warn};

use super::local::Local;
use crate::control::view::{self, PrefixState};
use crate::mesh::Mesh;
use crate::net::{IfName, Prefix};
use crate::reconcile::carriers::{Carrier, Carriers, Followed, Present, Standing};
use crate::reconcile::routes::{Fate, fate};
use crate::reconcile::state::Observed;
use crate::rib::Rib;
use crate::routing::{InterfaceIds, RouteChanges};

/// The listed prefixes that are tracked, with their carriers.
#[derive(Debug)]
pub(super) struct Listed {
    followed: Followed,
    carriers: Carriers,
}

impl Listed {
    /// Begins without any known carriers.
    pub(super) fn new(local: &Local) -> Self {
        Self { followed: Followed::of(&local.site), carriers: Carriers::default() }
    }

    /// Takes over a mesh file that was read again.
    pub(super) fn reload(&mut self, local: &Local) {
        self.followed = Followed::of(&local.site);
    }

    /// The prefixes whose carriers are tracked.
    pub(super) fn followed(&self) -> &Followed {
        &self.followed
    }

    /// The prefixes that are withdrawn because they have no carrier any more.
    pub(super) fn withdrawn(&self) -> BTreeSet<Prefix> {
        self.carriers.withdrawn()
    }

    /// The interfaces on which it depends whether prefixes are advertised.
    pub(super) fn interfaces(&self) -> BTreeSet<IfName> {
        self.carriers.interfaces()
    }

    /// Whether these changes may concern routes that carry a prefix.
    pub(super) fn are_concerned(&self, changes: &RouteChanges) -> bool {
        changes.keys().any(|destination| self.followed.concerns(*destination))
    }

    /// Updates the carriers from the present state; returns whether this changes which prefixes are withdrawn.
    pub(super) fn update(
        &mut self,
        local: &Local,
        observed: &Observed,
        routes: &BTreeMap<Prefix, ospf::Route>,
        rib: &Rib,
        ids: &InterfaceIds,
    ) -> bool {
        let exit = |interface| {
            let name = ids.name(interface)?;
            Some(if local.tunnels.contains_key(name) { Exit::Tunnel } else { Exit::Lan })
        };
        let is_used = |destination| {
            rib.used(destination).is_some_and(|used| {
                fate(destination, &used, local.site.loopback, &local.site.imports) == Fate::Installed
            })
        };
        let is_of_lan = |destination, route: &ospf::Route| is_of_lan(&local.mesh, exit, route) && is_used(destination);
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

    /// Problems for the operator: the prefixes that are withdrawn, with the reason.
    pub(super) fn problems(&self, observed: &Observed) -> Vec<String> {
        self.carriers.problems(&observed.foreign.interfaces)
    }

    /// Notes for the operator: the prefixes that are advertised without a carrier.
    pub(super) fn notes(&self) -> Vec<String> {
        self.carriers.notes()
    }

    /// Returns every prefix that the site lists, as `weft` shows it.
    pub(super) fn shown(&self, local: &Local) -> Vec<view::ListedPrefix> {
        let shown = local.site.prefixes.iter().map(|network| {
            let (state, carriers) = match self.carriers.standing(*network) {
                Some(Standing::Carried(carriers)) => (PrefixState::Carried, named(carriers)),
                Some(Standing::NeverCarried) => (PrefixState::NeverCarried, Vec::new()),
                Some(Standing::Withdrawn(last)) => (PrefixState::Withdrawn, named(last)),
                None if local.site.static_prefixes.contains(network) => (PrefixState::Static, Vec::new()),
                None => (PrefixState::DefaultOriginate, Vec::new()),
            };
            view::ListedPrefix { prefix: network.to_string(), state, carriers }
        });
        shown.collect()
    }
}

fn named(carriers: &BTreeSet<Carrier>) -> Vec<String> {
    carriers.iter().map(ToString::to_string).collect()
}

/// Whether the route leads through a LAN to a destination that a router there announces. Prefixes that other sites announce have their
/// carriers at those sites.
fn is_of_lan(mesh: &Mesh, exit: impl Fn(InterfaceId) -> Option<Exit>, route: &ospf::Route) -> bool {
    // The sites are sorted by ID, and so are their loopbacks.
    let is_site =
        |router: &RouterId| mesh.sites.binary_search_by_key(&Ipv4Addr::from(*router), |site| site.loopback).is_ok();
    route.nexthops.iter().any(|hop| exit(hop.interface) == Some(Exit::Lan)) && !route.originators.iter().all(is_site)
}

/// The kind of network that an OSPF interface leads to.
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
        let (taipei, osaka) = (site("taipei", 1, ""), site("osaka", 2, ""));
        let text = format!("[mesh]\nname = \"a\"\nloopbacks = \"10.255.0.0/16\"\n{taipei}{osaka}");
        let mesh = mesh::parse("mesh", &text).unwrap().mesh;
        let (tunnel, lan) = (InterfaceId(1), InterfaceId(2));
        let exit = |interface| Some(if interface == lan { Exit::Lan } else { Exit::Tunnel });
        let by = |interface, originators: &[&str]| {
            let address = |text: &str| -> Ipv4Addr { text.parse().unwrap() };
            let route = ospf::Route {
                kind: RouteKind::External2,
                area: AreaId::BACKBONE,
                metric: 20,
                originators: originators.iter().map(|text| RouterId::from(address(text))).collect(),
                nexthops: BTreeSet::from([Nexthop { interface, via: Some(address("192.0.2.9")) }]),
                tag: 0,
            };
            is_of_lan(&mesh, exit, &route)
        };
        assert!(by(lan, &["192.0.2.1"]));
        assert!(by(lan, &["192.0.2.1", "10.255.0.2"]));
        assert!(!by(lan, &["10.255.0.2"]), "osaka has it");
        assert!(!by(tunnel, &["192.0.2.1"]), "it is behind osaka");
    }
}
