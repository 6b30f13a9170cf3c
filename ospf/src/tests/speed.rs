//! What a change costs the whole engine, from the packet to the routes:
//! `cargo test --release -p ospf tests::speed -- --ignored --nocapture`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a measurement reads the clock; the engine does not"
)]

use std::net::Ipv4Addr;
use std::time::Duration;

use super::world::*;
use crate::interface::send::ALL_SPF_ROUTERS;
use crate::wire::{
    Authentication, Lsa, LsaBody, Options, Packet, PacketBody, RouterFlags, RouterLink, RouterLinkKind, RouterLsa,
};
use crate::{AreaId, Input, LinkStateId, LsaKey, LsaType, RouterId, SequenceNumber};

/// Routers of the grid in a row, and rows.
const SIDE: u32 = 40;
/// Links that go, and come back.
const FLIPS: u32 = 400;
/// From one to the next, as in the benchmark against others, and until routes have been calculated.
const PACE: Duration = Duration::from_millis(1500);
const CALCULATED: Duration = Duration::from_millis(600);

/// Engine 1 is the grid's first corner.
fn id(router: u32) -> RouterId {
    if router == 0 { router_id(1) } else { RouterId(0x0b00_0000 + router) }
}

fn beside(router: u32) -> impl Iterator<Item = u32> {
    let (row, column) = (router / SIDE, router % SIDE);
    let above = (row > 0).then(|| router - SIDE);
    let left = (column > 0).then(|| router - 1);
    let right = (column + 1 < SIDE).then_some(router + 1);
    let below = (row + 1 < SIDE).then_some(router + SIDE);
    [above, left, right, below].into_iter().flatten()
}

/// A router's LSA, one of its links left out.
fn router_lsa(router: u32, sequence: i32, without: Option<u32>) -> Lsa {
    let link = |to: RouterId, data: u32| RouterLink {
        kind: RouterLinkKind::PointToPoint,
        id: Ipv4Addr::from(to),
        data: Ipv4Addr::from(data),
        metric: 10,
    };
    let up = beside(router).filter(|&other| Some(other) != without);
    let mut links: Vec<_> = up.map(|other| link(id(other), other + 1)).collect();
    if router == 0 {
        links.push(link(router_id(0), 100 + port(1, 0).1.0));
    }
    let host = Ipv4Addr::from(id(router));
    links.push(RouterLink { kind: RouterLinkKind::Stub, id: host, data: Ipv4Addr::BROADCAST, metric: 1 });
    let key = LsaKey { kind: LsaType::ROUTER, id: LinkStateId(id(router).0), advertising_router: id(router) };
    let body = LsaBody::Router(RouterLsa { flags: RouterFlags::default(), links });
    Lsa::new(key, Options::E, SequenceNumber(SequenceNumber::INITIAL.0 + 100 + sequence), &body).unwrap()
}

fn update(lsas: Vec<Lsa>) -> Vec<u8> {
    let body = PacketBody::LinkStateUpdate(lsas);
    let packet =
        Packet { router_id: router_id(1), area_id: AreaId::BACKBONE, authentication: Authentication::Null, body };
    packet.encode().unwrap().to_vec()
}

#[test]
#[ignore = "a measurement"]
fn measure_flips_in_a_grid() {
    // The neighbour will say no hello while it floods.
    let mut world = World::with(2, &[(0, 1)], |_, config| {
        config.interfaces.values_mut().for_each(|interface| interface.dead_interval = Duration::from_secs(60_000));
    });
    world.converge();
    world.run_for(Duration::from_secs(10));
    let mut engine = world.engines.swap_remove(0);
    let mut now = world.now;
    let mut give = |now, payload: &[u8]| {
        let (interface, source, destination) = (port(0, 1).1, loopback(1), ALL_SPF_ROUTERS);
        engine.handle(now, Input::Packet { interface, source, destination, ttl: 1, payload: payload.into() });
        std::iter::from_fn(|| engine.poll_output()).count();
        engine.handle(now + CALCULATED, Input::Tick);
        std::iter::from_fn(|| engine.poll_output())
            .filter(|output| matches!(output, crate::Output::Route { .. }))
            .count()
    };
    let lsas: Vec<_> = (0..SIDE * SIDE).map(|router| router_lsa(router, 0, None)).collect();
    for lsas in lsas.chunks(200) {
        now = now + PACE;
        give(now, &update(lsas.to_vec()));
    }
    let links: Vec<_> = (1..SIDE * SIDE)
        .flat_map(|from| beside(from).map(move |to| (from, to)))
        .filter(|&(from, to)| from < to)
        .collect();
    let start = std::time::Instant::now();
    let mut changed = 0;
    for round in 1..=FLIPS {
        // A prime step, so that all parts of the network have their turn.
        let (from, to) = links[(round.div_ceil(2) as usize * 7919) % links.len()];
        let down = round % 2 == 1;
        let lsas = vec![
            router_lsa(from, round as i32, down.then_some(to)),
            router_lsa(to, round as i32, down.then_some(from)),
        ];
        now = now + PACE;
        changed += give(now, &update(lsas));
    }
    let each = start.elapsed() / FLIPS;
    let (runs, routes) = (engine.calculation.runs, engine.routes().count());
    println!(
        "grid of {SIDE} x {SIDE}: {each:?} for each flip; {runs} calculations, {changed} route changes, {routes} routes"
    );
}
