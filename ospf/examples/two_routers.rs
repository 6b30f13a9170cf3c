//! Two routers and the link between them, in virtual time: they become neighbours, learn each other's loopback, and lose it again
//! within RouterDeadInterval after the link is cut.
//!
//! ```text
//! cargo run -p ospf --example two_routers
//! ```

use std::collections::{BTreeSet, VecDeque};
use std::net::Ipv4Addr;
use std::time::Duration;

use ospf::{
    Addressing, AreaId, Config, Delivery, Engine, Event, Input, Instant, InterfaceConfig, InterfaceId, LinkState,
    NeighborState, NetworkType, Output, RouterId,
};

/// The only interface of each router.
const LINK: InterfaceId = InterfaceId(1);

/// A packet on the wire.
struct Sent {
    to: usize,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    ttl: u8,
    payload: Vec<u8>,
}

fn main() {
    let loopbacks = [Ipv4Addr::new(10, 255, 0, 1), Ipv4Addr::new(10, 255, 0, 2)];
    let mut now = Instant::ZERO;
    let mut engines: Vec<Engine> =
        loopbacks.iter().zip(1..).map(|(&loopback, seed)| Engine::new(config(loopback), seed, now)).collect();
    for (engine, &loopback) in engines.iter_mut().zip(&loopbacks) {
        let state = LinkState::Up { index: 1, mtu: 1420, addressing: Addressing::Unnumbered(loopback) };
        engine.handle(now, Input::Link { interface: LINK, state });
    }
    let mut connected = true;
    let mut wire: VecDeque<Sent> = VecDeque::new();
    let cut = Instant::ZERO + Duration::from_secs(60);
    while now < Instant::ZERO + Duration::from_secs(120) {
        for (index, engine) in engines.iter_mut().enumerate() {
            drain(now, index, engine, &loopbacks, &mut wire);
        }
        if let Some(Sent { to, source, destination, ttl, payload }) = wire.pop_front() {
            if connected {
                let input = Input::Packet { interface: LINK, source, destination, ttl, payload: (&payload[..]).into() };
                engines[to].handle(now, input);
            }
            continue;
        }
        // Nothing is under way: time jumps to what is due next.
        let due = engines.iter().filter_map(|engine| Some(engine.next_deadline()?.0)).min();
        now = due.map_or(cut, |due| if connected { due.min(cut) } else { due });
        if connected && now == cut {
            println!("{:>7} the link loses everything from now on", seconds(now));
            connected = false;
        }
        for engine in &mut engines {
            if engine.next_deadline().is_some_and(|(due, _)| due <= now) {
                engine.handle(now, Input::Tick);
            }
        }
    }
}

/// A router with a loopback address and an unnumbered point-to-point link in the backbone.
fn config(loopback: Ipv4Addr) -> Config {
    let mut config = Config::new(RouterId(loopback.into()));
    let mut link = InterfaceConfig::new("link", AreaId::BACKBONE, NetworkType::PointToPoint);
    (link.hello_interval, link.dead_interval) = (Duration::from_secs(1), Duration::from_secs(4));
    config.interfaces.insert(LINK, link);
    config.loopbacks.insert(AreaId::BACKBONE, BTreeSet::from([loopback]));
    config
}

/// Takes what an engine has put out: packets go on the wire, the rest is printed.
fn drain(now: Instant, index: usize, engine: &mut Engine, loopbacks: &[Ipv4Addr; 2], wire: &mut VecDeque<Sent>) {
    while let Some(output) = engine.poll_output() {
        match output {
            Output::Send { destination, ttl, delivery: Delivery::OnLink, packet, .. } => {
                let (to, source, payload) = (1 - index, loopbacks[index], packet.to_vec());
                wire.push_back(Sent { to, source, destination, ttl, payload });
            }
            Output::Event(Event::Neighbor { router_id, from, to, .. })
                if to == NeighborState::Full || from == NeighborState::Full =>
            {
                println!("{:>7} router {}: neighbour {router_id} is {to}", seconds(now), index + 1);
            }
            Output::Route { prefix, route } => {
                let what = if route.is_some() { "reached" } else { "lost" };
                println!("{:>7} router {}: {prefix} is {what}", seconds(now), index + 1);
            }
            _ => {}
        }
    }
}

fn seconds(now: Instant) -> String {
    format!("{:.3}s", now.saturating_since(Instant::ZERO).as_secs_f64())
}
