//! Routes after a few LSAs have changed, against a calculation of everything from the same databases.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use super::world::*;
use crate::random::Random;
use crate::wire::{
    ExternalLsa, LS_INFINITY, Lsa, LsaBody, MAX_AGE, Options, PacketBody, RouterFlags, RouterLink, RouterLinkKind,
    RouterLsa, SummaryLsa,
};
use crate::{
    Advertise, AreaId, AreaKind, AreaRange, Config, ExternalMetric, LinkStateId, LsaKey, LsaType, NssaConfig, Prefix,
    Rfc1583Compatibility, RouterId, SequenceNumber, Speaker, Summaries, TtlSecurity, Unlisted,
};

/// Networks, and changes of each.
const NETWORKS: u64 = 60;
const CHANGES: usize = 60;
/// Routers behind each neighbour.
const BEHIND: u32 = 3;

const NETWORKS_INSIDE: [&str; 5] = ["10.1.0.0/16", "10.1.2.0/24", "10.0.0.0/8", "0.0.0.0/0", "10.2.0.0/16"];
const NETWORKS_OUTSIDE: [&str; 4] = ["203.0.113.0/24", "10.1.2.0/24", "0.0.0.0/0", "198.51.100.0/24"];

/// Below `bound`.
fn pick(random: &mut Random, bound: u32) -> u32 {
    random.next_u32() % bound
}

fn one_of(random: &mut Random, texts: &[&str]) -> Prefix {
    prefix(texts[pick(random, texts.len() as u32) as usize])
}

/// Engine 0 with a neighbour in each of its areas, and what is forged of the routers behind those.
struct Field {
    world: World,
    random: Random,
    /// By neighbour.
    areas: BTreeMap<usize, AreaId>,
    /// What the area of a neighbour has been given, by that neighbour.
    present: BTreeMap<(usize, LsaKey), LsaBody>,
    sequence: i32,
}

impl Field {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let areas = match pick(&mut random, 4) {
            0 => BTreeMap::from([(1, AreaId::BACKBONE)]),
            1 => BTreeMap::from([(1, AreaId(1)), (2, AreaId(2))]),
            _ => BTreeMap::from([(1, AreaId::BACKBONE), (2, AreaId(1)), (3, AreaId(2))]),
        };
        let kind = match pick(&mut random, 4) {
            0 => AreaKind::Stub { summaries: Summaries::Imported, default_cost: 1 },
            1 | 2 => AreaKind::Nssa(NssaConfig::default()),
            _ => AreaKind::Normal,
        };
        let [rfc1583, ranges, guards] = [1, 2, 3].map(|_| pick(&mut random, 2) == 0);
        let configure = |engine: usize, config: &mut Config| {
            for (&neighbor, &area) in &areas {
                let of = if engine == 0 { port(0, neighbor) } else { port(engine, 0) };
                if engine == 0 || engine == neighbor {
                    let interface = config.interfaces.get_mut(&of.1).unwrap();
                    (interface.area, interface.dead_interval) = (area, Duration::from_secs(60_000));
                    if engine == 0 {
                        // Guards' LSAs are not taken from a link on which everybody speaks.
                        let ttl_security = TtlSecurity::Required;
                        interface.speaker = Speaker::Peer { address: loopback(neighbor), ttl_security };
                    }
                }
                if engine == neighbor {
                    config.loopbacks = BTreeMap::from([(area, BTreeSet::from([loopback(engine)]))]);
                }
            }
            config.areas.entry(AreaId(2)).or_default().kind = kind.clone();
            if ranges {
                let range = AreaRange { cost: None, advertise: Advertise::Yes };
                config.areas.entry(AreaId(1)).or_default().ranges.insert(prefix("10.1.0.0/16"), range);
            }
            if !rfc1583 {
                config.rfc1583 = Rfc1583Compatibility::Disabled;
            }
            if guards {
                config.policy.guards = (1..=2).map(router_id).collect();
                config.policy.listed.insert(prefix("10.1.0.0/16"), [router_id(1)].into());
                config.policy.unlisted = Unlisted::Accept;
            }
        };
        let links: Vec<_> = areas.keys().map(|&neighbor| (0, neighbor)).collect();
        let mut world = World::with(1 + areas.len(), &links, configure);
        world.run_to(Duration::from_secs(60), World::all_full);
        world.run_for(Duration::from_secs(10));
        // What is said in the neighbours' names shall not come to their ears.
        world.deliver = Box::new(|sent| sent.from.0 != 0 || !matches!(sent.body(), PacketBody::LinkStateAck(_)));
        let mut field = Self { world, random, areas, present: BTreeMap::new(), sequence: 100 };
        for neighbor in field.areas.clone().into_keys() {
            for number in 0..=BEHIND {
                field.router(neighbor, number);
            }
        }
        field
    }

    /// The neighbour itself is number 0. Numbers are the same routers in all areas, so that some are border routers.
    fn id(neighbor: usize, number: u32) -> RouterId {
        if number == 0 { router_id(neighbor) } else { RouterId(0x0b00_0000 + number) }
    }

    /// Has engine 0 receive an LSA from a neighbour.
    fn flood(&mut self, neighbor: usize, key: LsaKey, body: LsaBody, options: Options) {
        self.sequence += 1;
        let lsa = Lsa::new(key, options, SequenceNumber(SequenceNumber::INITIAL.0 + self.sequence), &body).unwrap();
        self.present.insert((neighbor, key), body);
        self.send(neighbor, lsa);
    }

    fn send(&mut self, neighbor: usize, lsa: Lsa) {
        let update = PacketBody::LinkStateUpdate(vec![lsa]);
        self.world.inject_in(self.areas[&neighbor], port(0, neighbor), neighbor, update);
    }

    /// A Router-LSA: all routers of the area in a ring, and anything besides.
    fn router(&mut self, neighbor: usize, number: u32) {
        let (random, count) = (&mut self.random, BEHIND + 1);
        let link = |to: RouterId, data: u32, metric| RouterLink {
            kind: RouterLinkKind::PointToPoint,
            id: Ipv4Addr::from(to),
            data: Ipv4Addr::from(data),
            metric,
        };
        let mut links = Vec::new();
        for step in [1, count - 1] {
            let other = (number + step) % count;
            links.push(link(Self::id(neighbor, other), step, 2));
        }
        if number == 0 {
            links.push(link(router_id(0), 100 + port(neighbor, 0).1.0, 10));
        }
        let host = Ipv4Addr::from(Self::id(neighbor, number));
        links.push(RouterLink { kind: RouterLinkKind::Stub, id: host, data: Ipv4Addr::BROADCAST, metric: 1 });
        for _ in 0..pick(random, 3) {
            let network = one_of(random, &NETWORKS_INSIDE);
            let (id, data, metric) = (network.network(), network.netmask(), 1 + pick(random, 3) as u16);
            links.push(RouterLink { kind: RouterLinkKind::Stub, id, data, metric });
        }
        let flags = match number {
            0 | 2 => RouterFlags::B.with(RouterFlags::E),
            1 => RouterFlags::E,
            _ => RouterFlags::default(),
        };
        let id = Self::id(neighbor, number);
        let key = LsaKey { kind: LsaType::ROUTER, id: LinkStateId(id.0), advertising_router: id };
        self.flood(neighbor, key, LsaBody::Router(RouterLsa { flags, links }), Options::E);
    }

    /// Something changes.
    fn change(&mut self) {
        let neighbor = 1 + pick(&mut self.random, self.areas.len() as u32) as usize;
        let number = pick(&mut self.random, BEHIND + 1);
        let advertising_router = Self::id(neighbor, number);
        let random = &mut self.random;
        let metric = if pick(random, 8) == 0 { LS_INFINITY } else { 1 + pick(random, 4) };
        match pick(random, 8) {
            0 => self.router(neighbor, number),
            1 => self.edge(neighbor),
            2 | 3 => {
                let network = one_of(random, &NETWORKS_INSIDE);
                let key = LsaKey { kind: LsaType::SUMMARY_NETWORK, id: network.network().into(), advertising_router };
                let body = SummaryLsa { network_mask: network.netmask(), metric };
                self.flood(neighbor, key, LsaBody::Summary(body), Options::E);
            }
            4 => {
                let id = LinkStateId(0x0b00_0000 + pick(random, 8));
                let key = LsaKey { kind: LsaType::SUMMARY_ASBR, id, advertising_router };
                let body = SummaryLsa { network_mask: Ipv4Addr::UNSPECIFIED, metric };
                self.flood(neighbor, key, LsaBody::Summary(body), Options::E);
            }
            5 | 6 => {
                let network = one_of(random, &NETWORKS_OUTSIDE);
                // Some of these are told of by Summary-LSAs alone.
                let advertising_router = RouterId(0x0b00_0000 + pick(random, 8));
                let forwarding = [[0, 0, 0, 0], [10, 1, 2, 9], [10, 2, 0, 9], [11, 0, 0, 2]];
                let body = LsaBody::External(ExternalLsa {
                    network_mask: network.netmask(),
                    metric: if pick(random, 2) == 0 {
                        ExternalMetric::Type1(metric)
                    } else {
                        ExternalMetric::Type2(metric)
                    },
                    forwarding_address: forwarding[pick(random, 4) as usize].into(),
                    route_tag: pick(random, 3),
                });
                let of_nssa = self.areas[&neighbor] == AreaId(2);
                let kind = if of_nssa { LsaType::NSSA } else { LsaType::AS_EXTERNAL };
                let options = if of_nssa { Options::NP } else { Options::E };
                let key = LsaKey { kind, id: network.network().into(), advertising_router };
                self.flood(neighbor, key, body, options);
            }
            _ => self.withdraw(),
        }
    }

    /// A link between two routers becomes dearer or cheaper, or is gone at one end.
    fn edge(&mut self, neighbor: usize) {
        let number = pick(&mut self.random, BEHIND + 1);
        let id = Self::id(neighbor, number);
        let key = LsaKey { kind: LsaType::ROUTER, id: LinkStateId(id.0), advertising_router: id };
        let Some(LsaBody::Router(lsa)) = self.present.get(&(neighbor, key)) else { return };
        let mut lsa = lsa.clone();
        let in_ring =
            |link: &RouterLink| link.kind == RouterLinkKind::PointToPoint && link.id != Ipv4Addr::from(router_id(0));
        let ring: Vec<_> = (0..lsa.links.len()).filter(|&at| in_ring(&lsa.links[at])).collect();
        let Some(&at) = ring.get(pick(&mut self.random, 2) as usize) else { return };
        match pick(&mut self.random, 3) {
            0 => _ = lsa.links.remove(at),
            metric => lsa.links[at].metric = metric as u16,
        }
        self.flood(neighbor, key, LsaBody::Router(lsa), Options::E);
    }

    /// An LSA is flushed.
    fn withdraw(&mut self) {
        let is_first = |key: &LsaKey| key.kind == LsaType::ROUTER && key.id.0 < 0x0b00_0000;
        let others: Vec<_> = self.present.keys().filter(|(_, key)| !is_first(key)).copied().collect();
        let (neighbor, key) = others[pick(&mut self.random, others.len() as u32) as usize];
        let body = self.present.remove(&(neighbor, key)).unwrap();
        self.sequence += 1;
        let sequence = SequenceNumber(SequenceNumber::INITIAL.0 + self.sequence);
        self.send(neighbor, Lsa::new(key, Options::E, sequence, &body).unwrap().with_age(MAX_AGE));
    }
}

#[test]
fn routes_after_any_change_are_those_of_a_full_calculation() {
    let (mut runs, mut changed) = (0, 0);
    for seed in 0..NETWORKS {
        let mut field = Field::new(seed);
        for step in 0..CHANGES {
            // MinLSArrival, and the longest that a calculation is put off.
            field.world.run_for(Duration::from_millis(1600));
            let before = field.world.routes[0].clone();
            for _ in 0..1 + pick(&mut field.random, 3) {
                field.change();
            }
            field.world.run_for(Duration::from_millis(600));
            let engine = &field.world.engines[0];
            assert_eq!(engine.calculation.backoff.due(), None);
            assert_eq!(engine.calculation.latest, engine.calculate(), "seed {seed}, step {step}");
            changed += usize::from(field.world.routes[0] != before);
        }
        let calculation = &field.world.engines[0].calculation;
        runs += calculation.partial_runs;
    }
    assert!(runs > 1000 && changed > 1000, "{runs} were partial, {changed} changed routes");
}
