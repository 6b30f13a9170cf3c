//! Virtual links: up while the calculation finds their far end, and their packets on their way through the transit area.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::world::*;
use crate::wire::{LsaBody, PacketBody, RouterLink, RouterLinkKind};
use crate::{
    AreaId, Config, Domain, Event, InterfaceConfig, InterfaceId, InterfaceState, LinkState, LsaType,
    NeighborState as S, NetworkType, RouterId, VirtualLinkObstacle,
};

/// Every virtual link's interface.
const VIRTUAL: InterfaceId = InterfaceId(2000);

const TRANSIT: AreaId = AreaId(1);

/// The other segment, see `line`.
const FAR_LAN: InterfaceId = InterfaceId(LAN.0 + 1);

/// In the backbone 0 and 1; in the transit area a segment of 1 and 2, and one of 2 and 3; between 1 and 3 a virtual link, over which 3 is
/// in the backbone.
fn line(mut change: impl FnMut(usize, &mut Config)) -> World {
    World::build(4, &[(0, 1)], &[vec![1, 2], vec![2, 3]], |engine, config| {
        for (id, interface) in &mut config.interfaces {
            if *id >= LAN {
                interface.area = TRANSIT;
            }
        }
        if engine == 2 {
            let loopbacks = config.loopbacks.remove(&AreaId::BACKBONE).unwrap();
            config.loopbacks.insert(TRANSIT, loopbacks);
        }
        let far_end = match engine {
            1 => Some(router_id(3)),
            3 => Some(router_id(1)),
            _ => None,
        };
        if let Some(far_end) = far_end {
            config.interfaces.insert(VIRTUAL, virtual_link(far_end));
        }
        change(engine, config);
    })
}

fn virtual_link(far_end: RouterId) -> InterfaceConfig {
    let network = NetworkType::VirtualLink { transit_area: TRANSIT, far_end };
    InterfaceConfig { network, ..interface_config("virtual") }
}

/// [`line`] with unnumbered links in the transit area, and 3's address in the backbone alone.
fn unnumbered_line() -> World {
    World::with(4, &[(0, 1), (1, 2), (2, 3)], |engine, config| {
        for (&id, interface) in &mut config.interfaces {
            if engine >= 2 || id == InterfaceId(3) {
                interface.area = TRANSIT;
            }
        }
        if engine == 2 {
            let loopbacks = config.loopbacks.remove(&AreaId::BACKBONE).unwrap();
            config.loopbacks.insert(TRANSIT, loopbacks);
        }
        if let 1 | 3 = engine {
            config.interfaces.insert(VIRTUAL, virtual_link(router_id(4 - engine)));
        }
    })
}

fn obstacle(world: &World, engine: usize) -> Option<VirtualLinkObstacle> {
    world.engines[engine].interfaces().find(|view| view.interface == VIRTUAL).unwrap().obstacle
}

fn state(world: &World, engine: usize) -> S {
    let of_link = |view: &crate::NeighborView| view.interface == VIRTUAL;
    world.engines[engine].neighbors().find(of_link).map_or(S::Down, |view| view.state)
}

fn status(world: &World, engine: usize) -> InterfaceState {
    world.engines[engine].interfaces().find(|view| view.interface == VIRTUAL).unwrap().state
}

fn is_up(world: &World) -> bool {
    state(world, 1) == S::Full && state(world, 3) == S::Full
}

/// The virtual links in an engine's Router-LSA of the backbone.
fn links(world: &World, engine: usize) -> Vec<RouterLink> {
    let of_backbone = world.engines[engine].lsdb().filter(|view| view.domain == Domain::Area(AreaId::BACKBONE));
    let own = of_backbone.map(|view| view.lsa).find(|lsa| lsa.header.key == router_key(engine)).unwrap();
    let LsaBody::Router(router) = own.parse().unwrap() else { panic!("no Router-LSA") };
    router.links.into_iter().filter(|link| link.kind == RouterLinkKind::Virtual).collect()
}

/// LSAs of the backbone that an engine knows, by originator.
fn backbone(world: &World, engine: usize) -> Vec<RouterId> {
    let lsas = world.engines[engine].lsdb().filter(|view| view.domain == Domain::Area(AreaId::BACKBONE));
    let routers = lsas.filter(|view| view.lsa.header.key.kind == LsaType::ROUTER);
    routers.map(|view| view.lsa.header.key.advertising_router).collect()
}

/// Packets of the backbone that went through the transit area.
fn tunnelled(world: &World) -> impl Iterator<Item = &Sent> {
    world.sent.iter().filter(|sent| sent.ttl > 1)
}

#[test]
fn a_virtual_link_comes_up_when_its_far_end_is_reached_and_joins_the_backbone() {
    let mut world = line(|_, _| {});
    assert_eq!(status(&world, 1), InterfaceState::Down);
    world.run_to(2 * DEAD, is_up);
    world.run_for(Duration::from_secs(10));
    assert_eq!(status(&world, 1), InterfaceState::PointToPoint);
    assert_eq!(backbone(&world, 0), [router_id(0), router_id(1), router_id(3)]);
    assert_eq!(backbone(&world, 3), backbone(&world, 0));
    // §12.4.1.3: Link ID the far end, Link Data our address on the way to it, metric the cost of that way.
    let link = RouterLink {
        kind: RouterLinkKind::Virtual,
        id: Ipv4Addr::from(router_id(3)),
        data: lan_address(0, 1),
        metric: 20,
    };
    assert_eq!(links(&world, 1), [link]);
    let route = &world.routes[0][&prefix("10.255.0.4/32")];
    assert_eq!((route.metric, route.area), (30, AreaId::BACKBONE));
    let nexthop = world.routes[1][&prefix("10.255.0.4/32")].nexthops.first().copied().unwrap();
    assert_eq!((nexthop.interface, nexthop.via), (LAN, Some(lan_address(0, 2))), "§16.1.1: by the transit area");
}

#[test]
fn a_virtual_link_says_what_it_lacks() {
    let mut world = unnumbered_line();
    assert_eq!(obstacle(&world, 1), Some(VirtualLinkObstacle::NoPath), "before anything is known");
    world.run_for(2 * DEAD);
    assert_eq!((status(&world, 1), status(&world, 3)), (InterfaceState::Down, InterfaceState::Down));
    assert_eq!(obstacle(&world, 1), Some(VirtualLinkObstacle::NoAddress));
    for engine in [1, 3] {
        world.reconfigure(engine, |config| {
            config.loopbacks.insert(TRANSIT, [loopback(engine)].into());
        });
    }
    world.run_to(2 * DEAD, is_up);
    assert_eq!((obstacle(&world, 1), obstacle(&world, 3)), (None, None));
}

#[test]
fn packets_of_a_virtual_link_are_unicast_with_a_ttl_and_say_neither_mask_nor_mtu() {
    let mut world = line(|_, _| {});
    world.run_to(2 * DEAD, is_up);
    world.run_for(HELLO);
    assert!(tunnelled(&world).count() > 0);
    for sent in tunnelled(&world) {
        let (own, far) = if sent.from.0 == 1 {
            (lan_address(0, 1), lan_address(1, 3))
        } else {
            (lan_address(1, 3), lan_address(0, 1))
        };
        assert_eq!((sent.source, sent.destination), (own, far));
        assert_eq!(sent.bytes[8..12], [0; 4], "§8.2: the packet header has the backbone's area id");
        match sent.body() {
            PacketBody::Hello(hello) => assert_eq!(hello.network_mask, Ipv4Addr::UNSPECIFIED),
            PacketBody::DatabaseDescription(description) => assert_eq!(description.interface_mtu, 0),
            _ => {}
        }
    }
}

#[test]
fn no_external_goes_over_a_virtual_link() {
    let mut world = line(|engine, config| config.externals = externals(if engine == 0 { 5 } else { 0 }));
    world.run_to(2 * DEAD, is_up);
    world.run_for(HELLO);
    let externals = |engine: usize| world.engines[engine].lsdb().filter(|view| view.domain == Domain::As).count();
    assert_eq!((externals(3), externals(2)), (5, 5), "through the transit area");
    // §10.3 and §13.3: neither described nor flooded over virtual adjacencies.
    for sent in tunnelled(&world) {
        let kinds: Vec<_> = match sent.body() {
            PacketBody::LinkStateUpdate(lsas) => lsas.iter().map(|lsa| lsa.header.key.kind).collect(),
            PacketBody::DatabaseDescription(description) => description.headers.iter().map(|h| h.key.kind).collect(),
            _ => Vec::new(),
        };
        assert!(!kinds.contains(&LsaType::AS_EXTERNAL));
    }
}

#[test]
fn the_cost_of_a_virtual_link_is_that_of_the_way_through_its_transit_area() {
    let mut world = line(|_, _| {});
    world.run_to(2 * DEAD, is_up);
    world.run_for(Duration::from_secs(10));
    world.reconfigure(2, |config| config.interfaces.get_mut(&FAR_LAN).unwrap().cost = 7);
    world.run_for(Duration::from_secs(10));
    assert_eq!(
        (links(&world, 1)[0].metric, links(&world, 3)[0].metric),
        (17, 20),
        "each has the cost of its direction"
    );
    assert!(is_up(&world));
    assert!(!world.neighbor_events(1).iter().any(|(_, to, _)| *to == S::Down), "the adjacency stays");
}

#[test]
fn a_virtual_link_goes_down_with_the_way_to_its_far_end_and_comes_back() {
    let mut world = line(|_, _| {});
    world.run_to(2 * DEAD, is_up);
    world.link(2, FAR_LAN, LinkState::Down);
    world.run_for(Duration::from_secs(10));
    assert_eq!(status(&world, 1), InterfaceState::Down);
    let downs = |event: &&Event| matches!(event, Event::Interface { interface: VIRTUAL, cause: "InterfaceDown", .. });
    assert_eq!(world.events[1].iter().filter(downs).count(), 1);
    assert!(links(&world, 1).is_empty());
    assert!(!world.routes[0].contains_key(&prefix("10.255.0.4/32")));
    world.link(2, FAR_LAN, up(2, FAR_LAN));
    world.run_to(3 * DEAD, is_up);
}

#[test]
fn a_virtual_link_that_goes_down_while_it_is_loading_holds_up_no_flush() {
    let mut world = line(|engine, config| config.externals = externals(u32::from(engine == 0)));
    world.deliver = Box::new(|sent| sent.ttl == 1 || !matches!(sent.body(), PacketBody::LinkStateUpdate(_)));
    world.run_for(2 * DEAD);
    assert_eq!(state(&world, 1), S::Loading);
    world.reconfigure(0, |config| config.externals.clear());
    world.run_for(Duration::from_secs(10));
    let flushed = |world: &World| {
        world.engines[1].lsdb().filter(|view| view.lsa.header.is_max_age()).map(|view| view.lsa.header.key).collect()
    };
    let waiting: Vec<_> = flushed(&world);
    assert!(waiting.contains(&external_key(0, Ipv4Addr::new(20, 0, 0, 0))), "§14: somebody is in Loading");
    world.link(2, FAR_LAN, LinkState::Down);
    world.run_for(Duration::from_secs(10));
    assert_eq!(status(&world, 1), InterfaceState::Down);
    let waiting: Vec<_> = flushed(&world);
    assert_eq!(waiting, []);
}

#[test]
fn a_packet_of_the_backbone_in_another_area_that_belongs_to_no_virtual_link_is_refused() {
    let mut world = line(|engine, config| {
        if engine == 1 {
            config.interfaces.insert(VIRTUAL, virtual_link(RouterId(99)));
        }
    });
    world.run_for(3 * DEAD);
    assert_eq!(status(&world, 1), InterfaceState::Down, "nobody has that router id");
    assert_eq!(status(&world, 3), InterfaceState::PointToPoint, "though 3 reaches 1");
    assert_eq!(state(&world, 3), S::Down);
    let lan = world.engines[1].interfaces().find(|view| view.interface == LAN).unwrap();
    assert!(lan.counters.refused.get(&crate::Refusal::AreaMismatch).is_some_and(|&count| count > 0));
}

#[test]
fn a_virtual_link_through_a_stub_area_stays_down() {
    let mut world = line(|_, config| {
        let kind = crate::AreaKind::Stub { summaries: crate::Summaries::Imported, default_cost: 1 };
        config.areas.insert(TRANSIT, crate::AreaConfig { kind, ..crate::AreaConfig::default() });
    });
    world.run_for(3 * DEAD);
    assert_eq!((status(&world, 1), status(&world, 3)), (InterfaceState::Down, InterfaceState::Down));
}

#[test]
fn a_virtual_link_that_is_configured_later_comes_up_and_one_that_is_taken_away_says_goodbye() {
    let mut world = line(|engine, config| {
        if engine == 3 {
            config.interfaces.remove(&VIRTUAL);
        }
    });
    world.run_for(2 * DEAD);
    assert_eq!(state(&world, 1), S::Down);
    world.reconfigure(3, |config| {
        config.interfaces.insert(VIRTUAL, virtual_link(router_id(1)));
    });
    world.run_to(2 * HELLO, is_up);
    world.reconfigure(3, |config| {
        config.interfaces.remove(&VIRTUAL);
    });
    world.run_for(Duration::from_secs(1));
    assert_eq!(state(&world, 1), S::Init, "1-WayReceived");
}

/// A hello of the backbone as if router 3 had sent it to 1, from this address.
fn forge(world: &mut World, source: Ipv4Addr) -> Option<crate::Refusal> {
    forge_hello(world, LAN, (source, lan_address(0, 1)), vec![])
}

/// A hello of router 3 in the backbone that comes to 1.
fn forge_hello(
    world: &mut World,
    interface: InterfaceId,
    (source, destination): (Ipv4Addr, Ipv4Addr),
    neighbors: Vec<RouterId>,
) -> Option<crate::Refusal> {
    let hello = crate::wire::Hello {
        network_mask: Ipv4Addr::UNSPECIFIED,
        hello_interval: 10,
        options: crate::wire::Options::E,
        priority: 1,
        dead_interval: 40,
        designated_router: Ipv4Addr::UNSPECIFIED,
        backup_designated_router: Ipv4Addr::UNSPECIFIED,
        neighbors,
    };
    let packet = crate::wire::Packet {
        router_id: router_id(3),
        area_id: AreaId::BACKBONE,
        authentication: crate::wire::Authentication::Null,
        body: PacketBody::Hello(hello),
    };
    let payload = packet.encode().unwrap();
    let before = world.events[1].len();
    world.input(1, crate::Input::Packet { interface, source, destination, ttl: 60, payload: (&payload[..]).into() });
    world.events[1][before..].iter().find_map(|event| match event {
        Event::PacketRefused { reason, .. } => Some(*reason),
        _ => None,
    })
}

#[test]
fn a_virtual_links_packets_are_taken_from_an_address_of_its_far_end_alone() {
    let mut world = line(|_, _| {});
    let far = lan_address(1, 3);
    assert_eq!(forge(&mut world, far), Some(crate::Refusal::AreaMismatch), "before the far end is known");
    world.run_to(2 * DEAD, is_up);
    world.run_for(HELLO);
    for source in [lan_address(0, 2), lan_address(1, 2), Ipv4Addr::new(192, 168, 7, 66), loopback(3)] {
        assert_eq!(forge(&mut world, source), Some(crate::Refusal::VirtualLinkSource), "{source}");
        assert!(is_up(&world));
    }
    assert_eq!(forge(&mut world, far), None, "the packet itself is good");
    assert_eq!(state(&world, 1), S::Init);
}

#[test]
fn a_virtual_links_hello_on_a_point_to_point_link_of_the_backbone_makes_no_neighbor_there() {
    let link = port(1, 0).1;
    let mut world = line(|_, _| {});
    // Nobody is the neighbour yet, as when the link has just left the transit area.
    world.cut.extend([port(0, 1), port(1, 0)]);
    world.run_to(3 * DEAD, is_up);
    let neighbors = |world: &World| {
        let on_link = world.engines[1].neighbors().filter(|view| view.interface == link);
        on_link.map(|view| view.router_id).collect::<Vec<_>>()
    };
    assert_eq!(neighbors(&world), []);
    let to_us = (lan_address(1, 3), loopback(1));
    let refused = forge_hello(&mut world, link, to_us, vec![router_id(1)]);
    assert_eq!((refused, neighbors(&world)), (Some(crate::Refusal::Destination), vec![]));
    world.cut.clear();
    world.run_for(2 * HELLO);
    assert_eq!(neighbors(&world), [router_id(0)], "who is there is not refused as a second speaker");
    assert!(is_up(&world));
    // To all routers of the link, it is one of the link.
    let to_all = (lan_address(1, 3), crate::interface::send::ALL_SPF_ROUTERS);
    let refused = forge_hello(&mut world, link, to_all, vec![router_id(1)]);
    assert_eq!(refused, Some(crate::Refusal::SecondSpeaker));
}
