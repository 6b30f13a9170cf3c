//! The reference network, which never has a fault: the same topology and configuration, started anew on perfect links. A network that has
//! had faults must reach the same state, also where the oracle cannot calculate it.
//!
//! What depends on history by the RFC is not compared: sequence numbers and ages; which of several routers is the designated one, because
//! no other takes over while it is present (RFC 2328 §9.4); Link State IDs of networks with the same address (appendix E); and the last
//! LSAs of routers that do not run any more or are unreachable (§14).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use ospf::wire::{LsaBody, RouterLinkKind};
use ospf::{Domain, Instant, InterfaceId, LsaKey, LsaType, LsaView, NeighborState, Prefix, Route};

use crate::finding::Disagreement;
use crate::link::Quality;
use crate::network::Network;
use crate::oracle::Oracle;
use crate::router::{TRANSLATOR_STABILITY, Timers};
use crate::situation::Situation;
use crate::topology::{RouterIndex, Topology};

/// The timers of the reference network, which affect neither LSAs nor routes.
const TIMERS: Timers =
    Timers { hello: Duration::from_secs(1), dead: Duration::from_secs(3), retransmit: Duration::from_secs(5) };

/// The network is at rest when nothing has changed for this time: longer than the slowest networks wait for a designated router and then
/// for a hello or a poll, than MinLSInterval, and than a replaced NSSA translator continues.
const REST: Duration = Duration::from_secs(15);
const _: () = assert!(REST.as_secs() > TRANSLATOR_STABILITY.as_secs());

/// The longest time until the network must be at rest.
const LONGEST: Duration = Duration::from_secs(200);

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A network that is at rest.
#[derive(Debug)]
pub(crate) struct Reference {
    network: Network,
}

/// The subject of an LSA, and its originator; no originator for networks, which any attached router may describe.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct About {
    domain: Domain,
    kind: LsaType,
    subject: Subject,
    by: Option<RouterIndex>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Itself,
    Router(RouterIndex),
    Network(Prefix),
    Other(u32),
}

/// The contents of LSAs, by subject.
type Contents = BTreeMap<About, BTreeSet<String>>;

impl Reference {
    /// Builds the network of a situation and runs it on perfect links until it is at rest; `None` if it does not come to rest.
    pub(crate) fn new(situation: &Situation, seed: u64) -> Option<Self> {
        let quality = Quality { delay: Duration::from_millis(10), ..Quality::GOOD };
        let mut network = Network::afresh(situation, TIMERS, quality, seed);
        let mut last = (network.counts().originations, Instant::ZERO);
        while network.now() < Instant::ZERO + LONGEST {
            network.run_until(network.now() + LOOK_EVERY);
            let counts = network.counts();
            let sum = counts.originations + counts.route_changes + counts.adjacency_changes;
            if sum != last.0 || network.is_work_due() {
                last = (sum, network.now());
            }
            if network.now() >= last.1 + REST {
                return Some(Self { network });
            }
        }
        None
    }

    /// Returns the routes of a router.
    pub(crate) fn routes(&self, router: RouterIndex) -> BTreeMap<Prefix, Route> {
        let routes = self.network.engine(router).into_iter().flat_map(ospf::Engine::routes);
        routes.map(|(prefix, route)| (prefix, route.clone())).collect()
    }

    /// Returns the virtual links whose ends are not both fully adjacent.
    pub(crate) fn virtual_links_down(&self) -> BTreeSet<InterfaceId> {
        let topology = &self.network.situation().topology;
        let ends = topology.routers().flat_map(|(router, _)| {
            topology.virtual_links_of(router).map(move |(id, _, neighbor)| (router, id, neighbor))
        });
        let down =
            ends.filter(|&(router, id, neighbor)| self.network.neighbor(router, id, neighbor) != NeighborState::Full);
        down.map(|(_, id, _)| id).collect()
    }

    /// Returns the differences from the LSAs of a network that has had faults.
    pub(crate) fn differences(&self, network: &Network, oracle: &Oracle<'_>) -> Vec<Disagreement> {
        let mut found = Vec::new();
        for router in network.situation().running() {
            let (expected, actual) = (contents(&self.network, router, oracle), contents(network, router, oracle));
            let all: BTreeSet<_> = expected.keys().chain(actual.keys()).collect();
            for about in all {
                let none = BTreeSet::new();
                let (expected, actual) = (expected.get(about).unwrap_or(&none), actual.get(about).unwrap_or(&none));
                if expected != actual {
                    let [expected, actual] = [expected, actual].map(|contents| contents.iter().cloned().collect());
                    found.push(Disagreement::Content { router, about: about.to_string(), expected, actual });
                }
            }
        }
        found
    }
}

/// Returns the contents of a router's databases, for LSAs of routers that it reaches.
fn contents(network: &Network, router: RouterIndex, oracle: &Oracle<'_>) -> Contents {
    let topology = &network.situation().topology;
    let mut contents = Contents::new();
    for LsaView { domain, lsa } in network.engine(router).into_iter().flat_map(ospf::Engine::lsdb) {
        let key = lsa.header.key;
        if lsa.header.is_max_age() || key.kind.is_opaque() || matches!(domain, Domain::Link(_)) {
            continue;
        }
        let present =
            |router: &RouterIndex| topology.id(*router) == key.advertising_router && network.situation().runs(*router);
        let Some(originator) = topology.router_of(key.advertising_router).filter(present) else { continue };
        if !oracle.share(domain, router, originator) {
            continue;
        }
        let Ok(body) = lsa.parse() else { continue };
        let subject = subject(topology, key, &body);
        let by = (key.kind != LsaType::NETWORK).then_some(originator);
        let text = format!("{:?} {}", lsa.header.options, describe(topology, body));
        contents.entry(About { domain, kind: key.kind, subject, by }).or_default().insert(text);
    }
    contents
}

fn subject(topology: &Topology, key: LsaKey, body: &LsaBody) -> Subject {
    let address = Ipv4Addr::from(key.id);
    let network = |mask: Ipv4Addr| match Prefix::from_mask(address, mask) {
        Some(prefix) => Subject::Network(prefix),
        None => Subject::Other(key.id.0),
    };
    match body {
        LsaBody::Router(_) => Subject::Itself,
        LsaBody::Network(lsa) => network(lsa.network_mask),
        LsaBody::Summary(_) if key.kind == LsaType::SUMMARY_ASBR => {
            topology.router_of(ospf::RouterId(key.id.0)).map_or(Subject::Other(key.id.0), Subject::Router)
        }
        LsaBody::Summary(lsa) => network(lsa.network_mask),
        LsaBody::External(lsa) => network(lsa.network_mask),
        LsaBody::Opaque(_) => Subject::Other(key.id.0),
    }
}

/// Describes the contents of an LSA independently of order, and of which router is the designated one.
fn describe(topology: &Topology, mut body: LsaBody) -> String {
    match &mut body {
        LsaBody::Router(lsa) => {
            for link in lsa.links.iter_mut().filter(|link| link.kind == RouterLinkKind::Transit) {
                let on_it = topology.lans().find(|(index, _)| index.subnet().contains(link.id));
                link.id = on_it.map_or(link.id, |(index, _)| index.subnet().network());
            }
            let mut links: Vec<_> = lsa.links.iter().map(|link| format!("{link:?}")).collect();
            links.sort_unstable();
            format!("{:?} {}", lsa.flags, links.join(", "))
        }
        LsaBody::Network(lsa) => {
            lsa.attached_routers.sort_unstable();
            format!("{lsa:?}")
        }
        other @ (LsaBody::Summary(_) | LsaBody::External(_) | LsaBody::Opaque(_)) => format!("{other:?}"),
    }
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { domain, kind, subject, by } = self;
        write!(f, "{kind}-LSA")?;
        match subject {
            Subject::Itself => {}
            Subject::Router(router) => write!(f, " of router {router}")?,
            Subject::Network(prefix) => write!(f, " of {prefix}")?,
            Subject::Other(id) => write!(f, " of {}", Ipv4Addr::from(*id))?,
        }
        by.iter().try_for_each(|by| write!(f, " by {by}"))?;
        write!(f, " in {domain:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{FirstArea, Shape};
    use crate::topology::LinkIndex;

    fn situation(seed: u64) -> Situation {
        let first = FirstArea::Nssa;
        let shape = Shape::Areas { backbone: 3, areas: 2, inside: 2, first, mixed: true, beyond: false };
        Situation::new(shape.topology(seed))
    }

    fn differences(one: &Situation, other: &Situation) -> Vec<Disagreement> {
        // Other seeds start routers otherwise, so that others are designated routers.
        let [one, other] = [(one, 1), (other, 2)].map(|(situation, seed)| Reference::new(situation, seed).unwrap());
        let situation = other.network.situation().clone();
        one.differences(&other.network, &Oracle::new(&situation))
    }

    #[test]
    fn networks_of_one_topology_come_to_the_same_and_a_changed_cost_is_seen() {
        let before = situation(4);
        assert_eq!(differences(&before, &before), []);
        let mut after = before.clone();
        after.topology.links[LinkIndex(0).0].a.cost += 1;
        let found = differences(&before, &after);
        assert!(!found.is_empty());
        assert!(found.iter().all(|found| matches!(found, Disagreement::Content { .. })), "{found:?}");
    }
}
