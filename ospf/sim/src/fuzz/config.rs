//! Fuzzes configurations: an engine that was configured step by step must be in the same state as one that began with the last
//! configuration.

use std::net::Ipv4Addr;
use std::time::Duration;

use ospf::wire::LsaBody;
use ospf::{
    Addressing, Advertise, AreaConfig, AreaId, AreaKind, AreaRange, Config, Engine, External, ExternalMetric, Input,
    Instant, InterfaceConfig, InterfaceId, LinkState, LsaType, NetworkType, NssaConfig, Prefix, Rfc1583Compatibility,
    Route, RouterId, Summaries,
};

use super::input::Choices;

/// The most configurations in one input.
const MAX_CONFIGS: usize = 8;
/// The most interfaces of a configuration.
const MAX_INTERFACES: usize = 6;
/// Long enough for everything that a router does alone: MinLSInterval, the wait for a designated router, delayed calculations.
const SETTLED: Duration = Duration::from_secs(200);

/// Runs the octets as configurations, one after the other.
pub fn config(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut now = Instant::ZERO;
    let mut present = draw(&mut choices);
    let mut engine = Engine::new(present.clone(), 1, now);
    links_up(&mut engine, now);
    for _ in 0..MAX_CONFIGS {
        let Some(octet) = choices.next() else { break };
        now = run(&mut engine, now, Duration::from_millis(u64::from(octet) * 40));
        if octet % 5 == 0 {
            let interface = InterfaceId(1 + u32::from(octet) % MAX_INTERFACES as u32);
            handle(&mut engine, now, Input::Link { interface, state: LinkState::Down });
            handle(&mut engine, now, Input::Link { interface, state: link_state(interface) });
        }
        present = draw(&mut choices);
        handle(&mut engine, now, Input::Configure(present.clone()));
    }
    run(&mut engine, now, SETTLED);

    let mut fresh = Engine::new(present, 2, Instant::ZERO);
    links_up(&mut fresh, Instant::ZERO);
    run(&mut fresh, Instant::ZERO, SETTLED);
    assert_eq!(routes(&engine), routes(&fresh), "routes do not depend on what was configured before");
    assert_eq!(router_lsas(&engine), router_lsas(&fresh), "nor does what the router says of itself");
}

fn handle(engine: &mut Engine, now: Instant, input: Input<'_>) {
    engine.handle(now, input);
    if let Err(violations) = engine.check() {
        panic!("{violations:#?}");
    }
    while engine.poll_output().is_some() {}
}

fn run(engine: &mut Engine, now: Instant, duration: Duration) -> Instant {
    let end = now + duration;
    let mut before = None;
    while let Some((deadline, key)) = engine.next_deadline().filter(|&(deadline, _)| deadline <= end) {
        assert!(before < Some(deadline), "{key:?} is due again at {deadline:?}");
        before = Some(deadline);
        handle(engine, deadline, Input::Tick);
    }
    end
}

fn links_up(engine: &mut Engine, now: Instant) {
    for number in 1..=MAX_INTERFACES as u32 {
        let interface = InterfaceId(number);
        handle(engine, now, Input::Link { interface, state: link_state(interface) });
    }
}

fn link_state(interface: InterfaceId) -> LinkState {
    let address = Ipv4Addr::from(0x0a01_0001 + (interface.0 << 8));
    let addressing = match interface.0 % 3 {
        0 => Addressing::Unnumbered(Ipv4Addr::new(10, 255, 0, 1)),
        _ => Addressing::Numbered { address, subnet: Prefix::new(address, 24) },
    };
    LinkState::Up { index: interface.0, mtu: 1500, addressing }
}

fn routes(engine: &Engine) -> Vec<(Prefix, Route)> {
    engine.routes().map(|(prefix, route)| (prefix, route.clone())).collect()
}

fn router_lsas(engine: &Engine) -> Vec<LsaBody> {
    let own = engine.lsdb().filter(|view| view.lsa.header.key.kind == LsaType::ROUTER && !view.lsa.header.is_max_age());
    own.filter(|view| view.lsa.header.key.advertising_router == engine.router_id())
        .map(|view| view.lsa.parse().expect("an engine's own LSA parses"))
        .collect()
}

fn draw(choices: &mut Choices<'_>) -> Config {
    let mut config = Config::new(RouterId(1 + u32::from(choices.octet() % 3)));
    if choices.octet().is_multiple_of(2) {
        config.rfc1583 = Rfc1583Compatibility::Disabled;
    }
    for area in 0..4 {
        let kind = match choices.octet() % 8 {
            0 => AreaKind::Stub { summaries: Summaries::Imported, default_cost: choices.octet().into() },
            1 => AreaKind::Stub { summaries: Summaries::DefaultOnly, default_cost: 1 },
            2 => AreaKind::Nssa(NssaConfig::default()),
            3 => AreaKind::Nssa(NssaConfig { summaries: Summaries::DefaultOnly, ..NssaConfig::default() }),
            _ => AreaKind::Normal,
        };
        let mut area_config = AreaConfig { kind, ..AreaConfig::default() };
        if choices.octet().is_multiple_of(4) {
            let prefix = Prefix::new(Ipv4Addr::new(10, 1, choices.octet(), 0), 16 + choices.octet() % 9);
            let advertise = if choices.octet().is_multiple_of(2) { Advertise::Yes } else { Advertise::No };
            area_config.ranges.insert(prefix, AreaRange { advertise, cost: None });
        }
        config.areas.insert(AreaId(area), area_config);
    }
    for number in 1..=choices.octet() as usize % (MAX_INTERFACES + 1) {
        let area = AreaId(u32::from(choices.octet() % 4));
        let network = match choices.octet() % 5 {
            0 => NetworkType::Broadcast,
            1 => NetworkType::NonBroadcast,
            2 => NetworkType::PointToMultipoint,
            _ => NetworkType::PointToPoint,
        };
        let interface = InterfaceConfig {
            cost: choices.word().max(1),
            priority: choices.octet() % 3,
            passive: choices.octet().is_multiple_of(3),
            prefix_suppression: choices.octet().is_multiple_of(5),
            hello_interval: Duration::from_secs(1 + u64::from(choices.octet() % 10)),
            ..InterfaceConfig::new(format!("e{number}"), area, network)
        };
        config.interfaces.insert(InterfaceId(number as u32), interface);
    }
    if choices.octet().is_multiple_of(3) {
        let (transit_area, far_end) = (AreaId(1 + u32::from(choices.octet() % 3)), RouterId(9));
        let network = NetworkType::VirtualLink { transit_area, far_end };
        let link = InterfaceConfig::new("vlink", AreaId::BACKBONE, network);
        config.interfaces.insert(InterfaceId(MAX_INTERFACES as u32 + 1), link);
    }
    for _ in 0..choices.octet() % 3 {
        let address = Ipv4Addr::new(10, 255, choices.octet() % 2, choices.octet() % 4);
        config.loopbacks.entry(AreaId(u32::from(choices.octet() % 4))).or_default().insert(address);
    }
    for _ in 0..choices.octet() % 4 {
        let prefix = Prefix::new(Ipv4Addr::new(203, 0, 113, choices.octet()), 22 + choices.octet() % 11);
        let metric = match choices.octet() % 2 {
            0 => ExternalMetric::Type1(choices.word().into()),
            _ => ExternalMetric::Type2(choices.word().into()),
        };
        config.externals.insert(prefix, External { metric, forwarding: None, tag: choices.octet().into() });
    }
    config
}
