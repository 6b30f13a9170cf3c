//! What happens, and to which networks.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use ospf::wire::{
    ExternalLsa, Lsa, LsaBody, Options, RestartReason, RouterFlags, RouterLink, RouterLinkKind, RouterLsa,
};
use ospf::{
    Announcement, AreaConfig, AreaId, AreaKind, Config, Engine, External, ExternalMetric, Input, Limits, LinkStateId,
    LsaKey, LsaType, NssaConfig, Prefix, Restarting, RouterId, SequenceNumber,
};

use crate::net::{Meter, Net, config, interface_to, loopback, router_id};

const BACKBONE: AreaId = AreaId::BACKBONE;
const AREA: AreaId = AreaId(1);
const EXTERNALS: u32 = 100_000;
const ROUTERS: u32 = 1000;
/// Links of each router.
const LINKS: u32 = 8;

type Rows = Vec<(&'static str, Meter)>;

/// A name, and what happens: a row for each step.
type Case = (&'static str, fn() -> Rows);

pub const CASES: &[Case] = &[
    ("externals", externals_come_and_go),
    ("link", links_change),
    ("update", large_updates),
    ("ages", lsas_age),
    ("restart", graceful_restart),
    ("nssa", translation),
    ("routers", many_routers),
    ("limit", more_routes_than_may_be),
];

fn externals(count: u32, metric: u32) -> BTreeMap<Prefix, External> {
    let external = External { metric: ExternalMetric::Type2(metric), forwarding: None, tag: 0 };
    (0..count).map(|number| (network(number), external)).collect()
}

fn network(number: u32) -> Prefix {
    Prefix::new(Ipv4Addr::from(0x1400_0000 | number << 8), 24)
}

/// Three routers in a row, the first with externals.
fn row(count: u32) -> Net {
    let configs = vec![
        Config { externals: externals(count, 20), ..config(0, &[(1, BACKBONE)], BACKBONE) },
        config(1, &[(0, BACKBONE), (2, BACKBONE)], BACKBONE),
        config(2, &[(1, BACKBONE)], BACKBONE),
    ];
    Net::new(configs, &[(0, 1), (1, 2)])
}

fn externals_come_and_go() -> Rows {
    let mut rows = Vec::new();
    let mut net = row(0);
    net.run_seconds(10);
    assert!(net.is_full());
    net.meter();
    let steps =
        [("100,000 are configured", EXTERNALS, 20), ("all change", EXTERNALS, 30), ("all are withdrawn", 0, 20)];
    for (what, count, metric) in steps {
        let first = Config { externals: externals(count, metric), ..config(0, &[(1, BACKBONE)], BACKBONE) };
        net.input(0, Input::Configure(first));
        net.run_seconds(60);
        rows.push((what, net.meter()));
        let known = net.engines[2].lsdb().filter(|view| view.lsa.header.key.kind == LsaType::AS_EXTERNAL).count();
        assert_eq!(known, count as usize, "{what}");
    }
    let first = Config { externals: externals(EXTERNALS, 20), ..config(0, &[(1, BACKBONE)], BACKBONE) };
    net.input(0, Input::Configure(first.clone()));
    net.run_seconds(60);
    net.meter();
    net.input(0, Input::Configure(Config { router_id: RouterId(0x0c00_0001), ..first }));
    net.run_seconds(60);
    rows.push(("their router has another router id", net.meter()));
    rows
}

fn links_change() -> Rows {
    let mut rows = Vec::new();
    let mut net = row(EXTERNALS);
    net.run_seconds(60);
    assert_eq!(net.engines[2].routes().count(), EXTERNALS as usize + 2);
    rows.push(("neighbours bring 100,000 LSAs in step", net.meter()));
    net.link(2, interface_to(1), false);
    net.run_seconds(3);
    rows.push(("a link goes with the routes over it", net.meter()));
    net.link(2, interface_to(1), true);
    net.run_seconds(30);
    assert_eq!(net.engines[2].routes().count(), EXTERNALS as usize + 2);
    rows.push(("a link comes back with its neighbour's database", net.meter()));
    // The last router dies, and everything changes: the one in the middle has it all on its list for it.
    net.asleep.insert(2);
    let first = Config { externals: externals(EXTERNALS, 30), ..config(0, &[(1, BACKBONE)], BACKBONE) };
    net.input(0, Input::Configure(first));
    net.run_seconds(30);
    rows.push(("a neighbour dies that 100,000 LSAs wait for", net.meter()));
    rows
}

fn external(number: u32, router: RouterId, sequence: i32) -> Lsa {
    let prefix = network(number);
    let body = LsaBody::External(ExternalLsa {
        network_mask: prefix.netmask(),
        metric: ExternalMetric::Type2(20),
        forwarding_address: Ipv4Addr::UNSPECIFIED,
        route_tag: 0,
    });
    let key = LsaKey { kind: LsaType::AS_EXTERNAL, id: prefix.network().into(), advertising_router: router };
    Lsa::new(key, Options::E, SequenceNumber(SequenceNumber::INITIAL.0 + sequence), &body)
        .expect("an LSA of this size fits")
}

fn large_updates() -> Rows {
    let mut net = row(EXTERNALS);
    net.run_seconds(60);
    net.meter();
    // Of a router that nobody knows: as many as a packet of 64 kB holds.
    for update in 0..4 {
        let lsas: Vec<_> = (0..1800).map(|number| external(1800 * update + number, RouterId(0x0c00_0001), 1)).collect();
        net.forge(&lsas);
        net.run(Duration::from_millis(2));
    }
    net.run_seconds(3);
    vec![("four of 64 kB on top of 100,000 externals", net.meter())]
}

fn lsas_age() -> Rows {
    let mut rows = Vec::new();
    let mut net = row(EXTERNALS);
    net.run_seconds(60);
    net.meter();
    // The first was suspended until all of its LSAs are due to be refreshed, and nobody noticed: hellos went on.
    net.run_seconds(1600);
    net.asleep.extend([0, 1, 2]);
    net.run_seconds(200);
    net.asleep.clear();
    net.meter();
    net.run_seconds(60);
    rows.push(("all routers wake up to 100,000 refreshes", net.meter()));
    // It is gone for good: what it said reaches MaxAge at the other end.
    net.asleep.insert(0);
    net.muted.insert(0);
    net.run_seconds(3700);
    assert!(net.engines[2].lsdb().count() < 10, "{}", net.engines[2].lsdb().count());
    rows.push(("100,000 LSAs of a dead router reach MaxAge", net.meter()));
    rows
}

fn graceful_restart() -> Rows {
    let half = EXTERNALS / 2;
    let others: BTreeMap<_, _> = externals(EXTERNALS, 20).split_off(&network(half));
    let first = Config { externals: others, ..config(0, &[(1, BACKBONE)], BACKBONE) };
    let mut second = Config { externals: externals(half, 20), ..config(1, &[(0, BACKBONE)], BACKBONE) };
    let mut net = Net::new(vec![first, second.clone()], &[(0, 1)]);
    net.run_seconds(60);
    net.input(
        1,
        Input::PrepareRestart { grace_period: Duration::from_secs(120), reason: RestartReason::SoftwareRestart },
    );
    net.run_seconds(4);
    second.boot = 10;
    second.restarting = Some(Restarting { grace_period: Duration::from_secs(110), announcement: Announcement::Made });
    net.engines[1] = Engine::new(second, 9, net.now);
    net.meter();
    net.link(1, interface_to(0), true);
    net.run_seconds(60);
    assert!(net.is_full() && !net.engines[1].is_restarting());
    assert_eq!(net.engines[1].routes().count(), half as usize + 1);
    vec![("a router with 50,000 of 100,000 externals", net.meter())]
}

/// The router with externals in an NSSA, its two border routers, and one in the backbone.
fn translation() -> Rows {
    let mut rows = Vec::new();
    let kind = AreaKind::Nssa(NssaConfig::default());
    let with_nssa = |config: Config| Config {
        areas: BTreeMap::from([(AREA, AreaConfig { kind: kind.clone(), ..AreaConfig::default() })]),
        ..config
    };
    let first =
        |count| Config { externals: externals(count, 20), ..with_nssa(config(0, &[(1, AREA), (3, AREA)], AREA)) };
    let in_backbone = |engine| config(engine, &[(1, BACKBONE), (3, BACKBONE)], BACKBONE);
    let border = |engine| with_nssa(config(engine, &[(0, AREA), (2, BACKBONE)], BACKBONE));
    let configs = vec![first(0), border(1), in_backbone(2), border(3)];
    let mut net = Net::new(configs, &[(0, 1), (1, 2), (0, 3), (2, 3)]);
    net.run_seconds(30);
    net.meter();
    net.input(0, Input::Configure(first(EXTERNALS)));
    net.run_seconds(90);
    assert!(net.engines[2].routes().count() > EXTERNALS as usize);
    rows.push(("100,000 Type-7 LSAs, two border routers", net.meter()));
    let mut more = in_backbone(2);
    more.loopbacks.entry(BACKBONE).or_default().insert(Ipv4Addr::new(1, 2, 3, 4));
    net.input(2, Input::Configure(more));
    net.run_seconds(10);
    rows.push(("a change in the backbone", net.meter()));
    net.input(0, Input::Configure(first(EXTERNALS + 1)));
    net.run_seconds(10);
    rows.push(("one Type-7 LSA more", net.meter()));
    net.link(3, interface_to(0), false);
    net.run_seconds(90);
    rows.push(("the translator loses its link to the area", net.meter()));
    rows
}

fn synthetic(number: u32) -> RouterId {
    RouterId(0x0b00_0000 + number)
}

fn router_lsa(router: RouterId, sequence: i32, links: Vec<RouterLink>) -> Lsa {
    let key = LsaKey { kind: LsaType::ROUTER, id: LinkStateId(router.0), advertising_router: router };
    let body = LsaBody::Router(RouterLsa { flags: RouterFlags::default(), links });
    Lsa::new(key, Options::E, SequenceNumber(SequenceNumber::INITIAL.0 + sequence), &body)
        .expect("an LSA of this size fits")
}

fn link(to: RouterId, data: u32, metric: u16) -> RouterLink {
    let (id, data) = (Ipv4Addr::from(to), Ipv4Addr::from(data));
    RouterLink { kind: RouterLinkKind::PointToPoint, id, data, metric }
}

fn stub(network: Prefix, metric: u16) -> RouterLink {
    RouterLink { kind: RouterLinkKind::Stub, id: network.network(), data: network.netmask(), metric }
}

/// The neighbour's Router-LSA, with a link to the first of the synthetic routers at some cost.
fn gate(sequence: i32, metric: u16) -> Lsa {
    let links = vec![
        link(router_id(0), 100 + interface_to(0).0, 10),
        link(synthetic(0), 7, metric),
        stub(Prefix::host(loopback(1)), 0),
    ];
    let key = LsaKey { kind: LsaType::ROUTER, id: LinkStateId(router_id(1).0), advertising_router: router_id(1) };
    let body = LsaBody::Router(RouterLsa { flags: RouterFlags::E, links });
    Lsa::new(key, Options::E, SequenceNumber(SequenceNumber::INITIAL.0 + sequence), &body)
        .expect("an LSA of this size fits")
}

/// A router in a ring with its four nearest neighbours on either side, each link with a network of its own.
fn in_ring(number: u32, sequence: i32, metric: u16) -> Lsa {
    let mut links = Vec::new();
    for step in 1..=LINKS / 2 {
        for other in [(number + step) % ROUTERS, (number + ROUTERS - step) % ROUTERS] {
            links.push(link(synthetic(other), 10 + other, metric));
        }
    }
    let networks = (0..LINKS).map(|step| Prefix::new(Ipv4Addr::from(0x3000_0000 + ((number * LINKS + step) << 8)), 24));
    links.extend(networks.map(|network| stub(network, 1)));
    if number == 0 {
        links.push(link(router_id(1), 3, 10));
    }
    router_lsa(synthetic(number), sequence, links)
}

fn many_routers() -> Rows {
    let mut rows = Vec::new();
    // A border router, its neighbour in the backbone before all the others, and one in another area.
    let mut first = config(0, &[(1, BACKBONE), (2, AREA)], BACKBONE);
    first.limits = Limits { lsas: 1_000_000, lsas_per_area: 1_000_000, lsdb_octets: usize::MAX, routes: 1_000_000 };
    let second = Config { externals: externals(EXTERNALS, 20), ..config(1, &[(0, BACKBONE)], BACKBONE) };
    let mut net = Net::new(vec![first, second, config(2, &[(0, AREA)], AREA)], &[(0, 1), (0, 2)]);
    net.run_seconds(40);
    net.meter();
    // From here on the neighbour says nothing of its own, and hears nothing.
    net.asleep.insert(1);
    // Soon enough that it is not taken for dead meanwhile.
    let forge = |net: &mut Net, lsas: &[Lsa]| {
        lsas.chunks(8).for_each(|lsas| net.forge(lsas));
        net.run(Duration::from_millis(100));
    };
    let ring: Vec<_> = [gate(50, 10)].into_iter().chain((0..ROUTERS).map(|number| in_ring(number, 1, 10))).collect();
    forge(&mut net, &ring);
    net.run(Duration::from_millis(1100));
    assert!(net.engines[0].routes().count() > (EXTERNALS + ROUTERS * LINKS) as usize);
    rows.push(("1,000 of 8 links and 8 networks come up behind a neighbour", net.meter()));
    forge(&mut net, &[gate(51, 20)]);
    rows.push(("the only way to all of them changes its cost", net.meter()));
    net.run(Duration::from_millis(1100));
    net.meter();
    forge(&mut net, &[in_ring(ROUTERS / 2, 2, 5)]);
    rows.push(("a link far away changes its cost", net.meter()));
    net.link(0, interface_to(1), false);
    net.run_seconds(3);
    assert!(net.engines[0].routes().count() < 10);
    rows.push(("the neighbour before all of them is gone", net.meter()));
    rows
}

fn more_routes_than_may_be() -> Rows {
    let first = Config { externals: externals(EXTERNALS, 20), ..config(0, &[(1, BACKBONE)], BACKBONE) };
    let mut second = config(1, &[(0, BACKBONE)], BACKBONE);
    second.limits.routes = EXTERNALS as usize / 2;
    let mut net = Net::new(vec![first, second], &[(0, 1)]);
    net.run_seconds(60);
    assert_eq!(net.engines[1].routes().count(), EXTERNALS as usize / 2);
    vec![("100,000 externals where 50,000 routes may be", net.meter())]
}
