//! A router's databases and its own links, at random: small, so that whatever can compete does.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::super::kit::{NOW, host, loopback, prefix};
use crate::Rfc1583Compatibility;
use crate::config::{
    Advertise, AreaKind, AreaRange, External, ExternalMetric, NssaConfig, Policy, Summaries, Unlisted,
};
use crate::ids::{AreaId, InterfaceId, LinkStateId, LsaKey, LsaType, Prefix, RouterId, SequenceNumber};
use crate::random::Random;
use crate::route::{Adjacency, AreaInputs, Border, Connected, Peer, RouteInputs, VirtualEnd};
use crate::state::lsdb::Lsdb;
use crate::wire::{
    ExternalLsa, LS_INFINITY, Lsa, LsaBody, MAX_AGE, NetworkLsa, Options, RouterFlags, RouterLink, RouterLinkKind,
    RouterLsa, SummaryLsa,
};

/// Destinations that routers quarrel about.
const DESTINATIONS: [&str; 8] = [
    "10.1.0.0/16",
    "10.1.2.0/24",
    "10.0.0.0/8",
    "0.0.0.0/0",
    "192.168.9.0/24",
    "10.255.0.1/32",
    "10.255.0.2/32",
    "172.16.0.0/12",
];

/// Those that are brought in from outside, most of them by several routers.
const OUTSIDE: [&str; 5] = ["203.0.113.0/24", "198.51.100.0/24", "10.1.2.0/24", "0.0.0.0/0", "172.16.0.0/12"];

const FORWARDING: [&str; 8] =
    ["10.255.0.1", "10.255.0.2", "10.255.0.3", "10.255.0.4", "10.1.2.9", "192.168.9.9", "192.168.2.9", "9.9.9.9"];
const RANGES: [&str; 4] = ["10.1.0.0/16", "10.0.0.0/8", "10.255.0.0/16", "192.168.0.0/16"];
/// The router whose routes are calculated.
pub(super) const ROOT: u32 = 1;
const ROUTERS: u32 = 7;

/// An LSA of a database.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) key: LsaKey,
    pub(super) options: Options,
    pub(super) dead: bool,
    pub(super) body: LsaBody,
}

#[derive(Debug)]
pub(super) struct Area {
    pub(super) id: AreaId,
    pub(super) kind: AreaKind,
    pub(super) ranges: BTreeMap<Prefix, AreaRange>,
    pub(super) lsas: Vec<Stored>,
    pub(super) adjacencies: Vec<Adjacency>,
}

/// What [`RouteInputs`] are made of.
#[derive(Debug)]
pub(super) struct Given {
    /// In the order of their numbers.
    pub(super) areas: Vec<Area>,
    pub(super) as_scope: Vec<Stored>,
    pub(super) connected: Vec<Connected>,
    pub(super) own_externals: BTreeMap<Prefix, External>,
    pub(super) border: Border,
    pub(super) virtual_links: BTreeSet<VirtualEnd>,
    pub(super) policy: Policy,
    pub(super) rfc1583: Rfc1583Compatibility,
}

/// Below `bound`.
fn pick(random: &mut Random, bound: u32) -> u32 {
    random.next_u32() % bound
}

/// One time in `times`.
fn once_in(random: &mut Random, times: u32) -> bool {
    pick(random, times) == 0
}

fn one_of<'a>(random: &mut Random, texts: &[&'a str]) -> &'a str {
    texts[pick(random, texts.len() as u32) as usize]
}

fn some(random: &mut Random, range: std::ops::RangeInclusive<u32>) -> BTreeSet<u32> {
    range.filter(|_| random.next_u32().is_multiple_of(2)).collect()
}

impl Given {
    pub(super) fn random(random: &mut Random) -> Self {
        let areas: BTreeSet<u32> = match pick(random, 6) {
            0 => [pick(random, 2)].into(),
            1 => [1, 2].into(),
            2 => [0, 1, 2].into(),
            3 => [0, 1, 2, 3].into(),
            _ => [0, 1].into(),
        };
        let border = match areas.len() > 1 && areas.contains(&0) {
            false => Border::Inside,
            true if once_in(random, 5) => Border::WithoutBackbone,
            true => Border::WithBackbone,
        };
        let mut given = Self {
            areas: Vec::new(),
            as_scope: Vec::new(),
            connected: vec![Connected { prefix: host(ROOT), address: loopback(ROOT), interface: None }],
            own_externals: BTreeMap::new(),
            border,
            virtual_links: BTreeSet::new(),
            policy: policy(random),
            rfc1583: match once_in(random, 2) {
                true => Rfc1583Compatibility::Enabled,
                false => Rfc1583Compatibility::Disabled,
            },
        };
        let flags: BTreeMap<u32, RouterFlags> = (1..=ROUTERS).map(|router| (router, flags(random))).collect();
        for id in areas {
            let mut draft = Draft::new(random, AreaId(id), given.border);
            draft.routers(random, &flags);
            draft.links(random);
            if once_in(random, 2) {
                draft.lan(random, &mut given.connected);
            }
            draft.stubs(random, &mut given.connected);
            draft.summaries(random);
            if matches!(draft.area.kind, AreaKind::Nssa(_)) {
                let lsas = externals(random, LsaType::NSSA);
                draft.area.lsas.extend(lsas);
            }
            given.areas.push(draft.area());
        }
        given.as_scope = externals(random, LsaType::AS_EXTERNAL);
        if once_in(random, 3) {
            let external = External { metric: ExternalMetric::Type2(1), forwarding: None, tag: 0 };
            given.own_externals.insert(prefix(one_of(random, &OUTSIDE)), external);
        }
        if border != Border::Inside && !once_in(random, 3) {
            given.virtual_link(random);
        }
        let lsas = given.areas.iter_mut().flat_map(|area| &mut area.lsas).chain(&mut given.as_scope);
        for lsa in lsas {
            lsa.dead = once_in(random, 16);
        }
        given
    }

    /// A link of the backbone through the first other area, if that may be a transit area.
    fn virtual_link(&mut self, random: &mut Random) {
        let [backbone, transit, ..] = &mut self.areas[..] else { return };
        if transit.kind != AreaKind::Normal {
            return;
        }
        let far_end = 2 + pick(random, 3);
        let end = VirtualEnd { transit_area: transit.id, far_end: RouterId(far_end) };
        let metric = 1 + pick(random, 4) as u16;
        for (from, to) in [(ROOT, far_end), (far_end, ROOT)] {
            let data = loopback(from);
            let link = RouterLink { kind: RouterLinkKind::Virtual, id: Ipv4Addr::from(to), data, metric };
            backbone.router_lsa(from).links.push(link);
            if !once_in(random, 8) {
                let lsa = transit.router_lsa(from);
                lsa.flags = lsa.flags.with(RouterFlags::V);
            }
        }
        let interface = InterfaceId(900);
        let link_data = loopback(ROOT);
        backbone.adjacencies.push(Adjacency { interface, link_data, peer: Peer::Virtual(end) });
        self.virtual_links.insert(end);
    }

    pub(super) fn with_inputs<R>(&self, run: impl FnOnce(&RouteInputs<'_>) -> R) -> R {
        let databases: Vec<_> = self.areas.iter().map(|area| database(&area.lsas)).collect();
        let areas: Vec<_> = self
            .areas
            .iter()
            .zip(&databases)
            .map(|(area, lsdb)| AreaInputs {
                area: area.id,
                kind: &area.kind,
                ranges: &area.ranges,
                lsdb,
                adjacencies: &area.adjacencies,
            })
            .collect();
        run(&RouteInputs {
            router_id: RouterId(ROOT),
            now: NOW,
            areas: &areas,
            as_scope: &database(&self.as_scope),
            connected: &self.connected,
            own_externals: &self.own_externals,
            aggregates: &BTreeMap::new(),
            border: self.border,
            virtual_links: &self.virtual_links,
            policy: &self.policy,
            rfc1583: self.rfc1583,
        })
    }
}

fn database(lsas: &[Stored]) -> Lsdb {
    let mut lsdb = Lsdb::new();
    for Stored { key, options, dead, body } in lsas {
        let lsa = Lsa::new(*key, *options, SequenceNumber::INITIAL, body).unwrap();
        lsdb.insert(lsa.with_age(if *dead { MAX_AGE } else { 0 }), body.clone(), NOW);
    }
    lsdb
}

fn policy(random: &mut Random) -> Policy {
    if once_in(random, 2) {
        return Policy::default();
    }
    let set = |random: &mut Random| some(random, 1..=5).into_iter().map(RouterId).collect();
    let mut listed = BTreeMap::new();
    for _ in 0..pick(random, 4) {
        listed.insert(prefix(one_of(random, &DESTINATIONS)), set(random));
    }
    let unlisted = if once_in(random, 4) { Unlisted::Refuse } else { Unlisted::Accept };
    Policy { guards: set(random), listed, unlisted, ..Policy::default() }
}

fn flags(random: &mut Random) -> RouterFlags {
    let border = if once_in(random, 4) { RouterFlags::default() } else { RouterFlags::B };
    if once_in(random, 3) { border } else { border.with(RouterFlags::E) }
}

fn range(random: &mut Random) -> AreaRange {
    let advertise = if once_in(random, 3) { Advertise::No } else { Advertise::Yes };
    AreaRange { advertise, cost: once_in(random, 2).then(|| pick(random, 50)) }
}

/// AS-external- or Type-7 LSAs, no two of a router for one destination.
fn externals(random: &mut Random, kind: LsaType) -> Vec<Stored> {
    let mut lsas = BTreeMap::new();
    for _ in 0..pick(random, 16) {
        let destination = prefix(one_of(random, &OUTSIDE));
        let metric = if once_in(random, 12) { LS_INFINITY } else { pick(random, 4) };
        let metric = if once_in(random, 2) { ExternalMetric::Type1(metric) } else { ExternalMetric::Type2(metric) };
        let forwarding_address = match once_in(random, 2) {
            true => Ipv4Addr::UNSPECIFIED,
            false => one_of(random, &FORWARDING).parse().unwrap(),
        };
        let body = LsaBody::External(ExternalLsa {
            network_mask: destination.netmask(),
            metric,
            forwarding_address,
            route_tag: pick(random, 3),
        });
        let options = if kind == LsaType::NSSA && once_in(random, 2) { Options::NP } else { Options::default() };
        let advertising_router = RouterId(1 + pick(random, ROUTERS));
        let key = LsaKey { kind, id: destination.network().into(), advertising_router };
        lsas.insert(key, Stored { key, options, dead: false, body });
    }
    lsas.into_values().collect()
}

/// An area in the making.
struct Draft {
    area: Area,
    members: BTreeSet<u32>,
    routers: BTreeMap<u32, RouterLsa>,
}

impl Area {
    /// What a router says, which begins to say something if it is not among them.
    fn router_lsa(&mut self, router: u32) -> &mut RouterLsa {
        let key = LsaKey { kind: LsaType::ROUTER, id: LinkStateId(router), advertising_router: RouterId(router) };
        let at = self.lsas.iter().position(|lsa| lsa.key == key).unwrap_or_else(|| {
            let body = LsaBody::Router(RouterLsa { flags: RouterFlags::B, links: Vec::new() });
            self.lsas.push(Stored { key, options: Options::E, dead: false, body });
            self.lsas.len() - 1
        });
        let LsaBody::Router(lsa) = &mut self.lsas[at].body else { unreachable!("the key is a router's") };
        lsa
    }
}

impl Draft {
    fn new(random: &mut Random, id: AreaId, border: Border) -> Self {
        let summaries = if once_in(random, 3) { Summaries::DefaultOnly } else { Summaries::Imported };
        let kind = match pick(random, 4) {
            _ if id == AreaId::BACKBONE => AreaKind::Normal,
            0 => AreaKind::Stub { summaries, default_cost: 1 },
            1 | 2 => AreaKind::Nssa(NssaConfig { summaries, ..NssaConfig::default() }),
            _ => AreaKind::Normal,
        };
        let count = if border == Border::Inside { 0 } else { pick(random, 3) };
        let ranges = (0..count).map(|_| (prefix(one_of(random, &RANGES)), range(random))).collect();
        let area = Area { id, kind, ranges, lsas: Vec::new(), adjacencies: Vec::new() };
        let mut members = some(random, 2..=ROUTERS);
        members.insert(ROOT);
        Self { area, members, routers: BTreeMap::new() }
    }

    fn routers(&mut self, random: &mut Random, flags: &BTreeMap<u32, RouterFlags>) {
        for &router in &self.members {
            let flags = if once_in(random, 12) { flags[&router].with(RouterFlags::V) } else { flags[&router] };
            let id = loopback(router);
            let stub = RouterLink { kind: RouterLinkKind::Stub, id, data: Ipv4Addr::BROADCAST, metric: 0 };
            self.routers.insert(router, RouterLsa { flags, links: vec![stub] });
        }
    }

    fn member(&self, random: &mut Random) -> u32 {
        *self.members.iter().nth(pick(random, self.members.len() as u32) as usize).expect("the root at least")
    }

    fn lsa(&mut self, router: u32) -> &mut RouterLsa {
        self.routers.get_mut(&router).expect("a member")
    }

    /// The root's next interface.
    fn interface(&self) -> InterfaceId {
        let links: usize = self.routers[&ROOT].links.len();
        InterfaceId(self.area.id.0 * 100 + u32::try_from(links).unwrap())
    }

    fn links(&mut self, random: &mut Random) {
        for _ in 0..self.members.len() + pick(random, 4) as usize {
            let (a, b) = (self.member(random), self.member(random));
            for (from, to) in [(a, b), (b, a)] {
                // Some are known to one end only.
                if a == b || once_in(random, 16) {
                    continue;
                }
                let interface = self.interface();
                let data = Ipv4Addr::from(if from == ROOT { interface.0 } else { 1 });
                let metric = 1 + pick(random, 4) as u16;
                let kind = match from != ROOT && to != ROOT && once_in(random, 12) {
                    true => RouterLinkKind::Virtual,
                    false => RouterLinkKind::PointToPoint,
                };
                self.lsa(from).links.push(RouterLink { kind, id: Ipv4Addr::from(to), data, metric });
                if from == ROOT && !once_in(random, 12) {
                    let peer = Peer::Router { router_id: RouterId(to), address: loopback(to) };
                    self.area.adjacencies.push(Adjacency { interface, link_data: data, peer });
                }
            }
        }
    }

    /// A broadcast network whose designated router is any of its members.
    fn lan(&mut self, random: &mut Random, connected: &mut Vec<Connected>) {
        let third = u8::try_from(self.area.id.0 + 1).unwrap();
        let address = |router: u32| Ipv4Addr::new(192, 168, third, u8::try_from(router).unwrap());
        let designated = self.member(random);
        let subnet = Prefix::new(address(designated), 24);
        let attached: BTreeSet<u32> =
            self.members.iter().copied().filter(|&router| router == designated || !once_in(random, 3)).collect();
        for &router in &attached {
            let kind = RouterLinkKind::Transit;
            let metric = 1 + pick(random, 3) as u16;
            if router == ROOT {
                let interface = self.interface();
                connected.push(Connected { prefix: subnet, address: address(router), interface: Some(interface) });
                let peer = Peer::Network { designated_router: address(designated) };
                self.area.adjacencies.push(Adjacency { interface, link_data: address(router), peer });
            }
            let link = RouterLink { kind, id: address(designated), data: address(router), metric };
            self.lsa(router).links.push(link);
        }
        // RFC 6860 §2.2: some hide theirs.
        let network_mask = if once_in(random, 6) { Ipv4Addr::BROADCAST } else { subnet.netmask() };
        let attached_routers = attached.into_iter().filter(|_| !once_in(random, 12)).map(RouterId).collect();
        let key =
            LsaKey { kind: LsaType::NETWORK, id: address(designated).into(), advertising_router: RouterId(designated) };
        let body = LsaBody::Network(NetworkLsa { network_mask, attached_routers });
        self.area.lsas.push(Stored { key, options: Options::E, dead: false, body });
    }

    fn stubs(&mut self, random: &mut Random, connected: &mut Vec<Connected>) {
        for _ in 0..pick(random, 3) {
            let (router, subnet) = (self.member(random), prefix(one_of(random, &DESTINATIONS)));
            let metric = 1 + pick(random, 4) as u16;
            if router == ROOT {
                let (address, interface) = (Ipv4Addr::from(u32::from(subnet.network()) + 1), self.interface());
                connected.push(Connected { prefix: subnet, address, interface: Some(interface) });
            }
            let (id, data) = (subnet.network(), subnet.netmask());
            self.lsa(router).links.push(RouterLink { kind: RouterLinkKind::Stub, id, data, metric });
        }
    }

    fn summaries(&mut self, random: &mut Random) {
        let mut lsas = BTreeMap::new();
        for _ in 0..pick(random, 16) {
            let advertising_router = RouterId(self.member(random));
            let metric = if once_in(random, 12) { LS_INFINITY } else { pick(random, 6) };
            let (kind, id, network_mask) = match once_in(random, 3) {
                true => (LsaType::SUMMARY_ASBR, LinkStateId(1 + pick(random, ROUTERS)), Ipv4Addr::UNSPECIFIED),
                false => {
                    let texts: &[&str] = if once_in(random, 4) { &RANGES } else { &DESTINATIONS };
                    let network = prefix(one_of(random, texts));
                    // Appendix E: any address of the network.
                    let host_bits = if once_in(random, 4) { !u32::from(network.netmask()) } else { 0 };
                    let id = LinkStateId(u32::from(network.network()) | host_bits);
                    (LsaType::SUMMARY_NETWORK, id, network.netmask())
                }
            };
            let key = LsaKey { kind, id, advertising_router };
            let body = LsaBody::Summary(SummaryLsa { network_mask, metric });
            lsas.insert(key, Stored { key, options: Options::E, dead: false, body });
        }
        self.area.lsas.extend(lsas.into_values());
    }

    fn area(mut self) -> Area {
        for (router, lsa) in self.routers {
            *self.area.router_lsa(router) = lsa;
        }
        self.area
    }
}
