//! LSAs of a mesh's sites on a LAN without authentication: they come by tunnel, and nothing that a host on the LAN makes of them gets further.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::speakers::{keyed, tunnels};
use super::world::*;
use crate::wire::{Authentication as Unsigned, ExternalLsa, Lsa, LsaBody, MAX_AGE, Options, Packet, PacketBody};
use crate::{
    Announcement, AreaId, Config, Event, ExternalMetric, Input, LinkStateId, LsaKey, LsaRefusal, LsaType,
    NeighborState as S, RestartExit, Restarting, SequenceNumber, TtlSecurity,
};

/// Sites 0 and 1, joined by a tunnel; behind 0 a LAN with router 2, which is no site.
pub fn mesh(mut change: impl FnMut(usize, &mut Config)) -> World {
    let mut world = World::build(3, &[(0, 1)], &[vec![0, 2]], |engine, config| {
        site(engine, config);
        change(engine, config);
    });
    world.settle();
    world
}

/// Routers 0 and 1 are the sites; others know of none.
fn site(engine: usize, config: &mut Config) {
    if engine > 1 {
        return;
    }
    tunnels(engine, config, TtlSecurity::Required);
    config.policy.guards = [0, 1].map(router_id).into();
    config.policy.guarded_opaque = [201].into();
}

/// As if router 2 had sent it on the LAN, or whoever takes its address.
pub fn on_lan(world: &mut World, lsas: Vec<Lsa>) {
    let body = PacketBody::LinkStateUpdate(lsas);
    let packet = Packet { router_id: router_id(2), area_id: AreaId::BACKBONE, authentication: Unsigned::Null, body };
    world.inject_packet((0, LAN), lan_address(0, 2), 1, &packet);
}

fn everything(originator: usize, sequence: SequenceNumber) -> Lsa {
    let body = LsaBody::External(ExternalLsa {
        network_mask: Ipv4Addr::UNSPECIFIED,
        metric: ExternalMetric::Type2(1),
        forwarding_address: Ipv4Addr::UNSPECIFIED,
        route_tag: 0,
    });
    Lsa::new(external_key(originator, Ipv4Addr::UNSPECIFIED), Options::E, sequence, &body).unwrap()
}

/// An instance of a site's Router-LSA that says that it has no links.
fn bare(originator: usize, sequence: SequenceNumber) -> Lsa {
    Lsa::new(router_key(originator), Options::E, sequence, &LsaBody::Router(crate::wire::RouterLsa::default())).unwrap()
}

fn sequence(world: &World, engine: usize, key: LsaKey) -> SequenceNumber {
    world.lsa(engine, key).unwrap().header.sequence
}

pub fn refused(world: &World) -> u64 {
    let view = world.engines[0].interfaces().find(|view| view.interface == LAN).unwrap();
    view.counters.lsa_refused.get(&LsaRefusal::SiteOnOpenLink).copied().unwrap_or_default()
}

/// Acknowledgements and instances of an LSA that an engine sent on an interface since.
fn sent_of(world: &World, from: Port, since: crate::Instant, key: LsaKey) -> (usize, Vec<Lsa>) {
    let (mut acks, mut instances) = (0, Vec::new());
    for sent in world.sent_by(from.0, since).filter(|sent| sent.from == from) {
        match sent.body() {
            PacketBody::LinkStateAck(headers) => acks += headers.iter().filter(|header| header.key == key).count(),
            PacketBody::LinkStateUpdate(lsas) => {
                instances.extend(lsas.into_iter().filter(|lsa| lsa.header.key == key));
            }
            _ => {}
        }
    }
    (acks, instances)
}

#[test]
fn a_lan_hosts_lsas_of_a_site_are_acknowledged_and_neither_installed_nor_flooded() {
    let mut world = mesh(|_, _| {});
    let forged = everything(1, SequenceNumber(5));
    let key = forged.header.key;
    let id = LinkStateId(201 << 24 | 7);
    let opaque_key = LsaKey { kind: LsaType::OPAQUE_AREA, id, advertising_router: router_id(9) };
    let claim = LsaBody::Opaque(vec![0; 8].into());
    let claim = Lsa::new(opaque_key, Options::E, SequenceNumber::INITIAL, &claim).unwrap();
    let since = world.now;
    on_lan(&mut world, vec![forged, claim]);
    world.run_for(Duration::from_secs(20));
    assert!((0..2).all(|engine| world.lsa(engine, key).is_none() && world.lsa(engine, opaque_key).is_none()));
    assert!(!world.routes[0].contains_key(&prefix("0.0.0.0/0")) && !world.routes[1].contains_key(&prefix("0.0.0.0/0")));
    assert_eq!(sent_of(&world, (0, LAN), since, key), (1, vec![]), "acknowledged");
    assert_eq!(refused(&world), 2);
    let event = |event: &&Event| matches!(event, Event::LsaRefused { reason: LsaRefusal::SiteOnOpenLink, router_id: from, .. } if *from == router_id(2));
    assert_eq!(world.events[0].iter().filter(event).count(), 2);
    let view = world.engines[0].interfaces().find(|view| view.interface == LAN).unwrap();
    assert_eq!(view.site_lsas.unwrap().count, 2, "named for a while");
    world.run_for(Duration::from_secs(300));
    let view = world.engines[0].interfaces().find(|view| view.interface == LAN).unwrap();
    assert_eq!(view.site_lsas, None);
}

#[test]
fn opaque_lsas_of_a_site_are_not_taken_from_others_whatever_their_scope() {
    let opaque = |kind: LsaType, originator: usize, sequence: i32| {
        let key = LsaKey { kind, id: LinkStateId(3 << 24), advertising_router: router_id(originator) };
        Lsa::new(key, Options::E, SequenceNumber(sequence), &LsaBody::Opaque(vec![0; 8].into())).unwrap()
    };
    let scopes = [LsaType::OPAQUE_LINK, LsaType::OPAQUE_AREA, LsaType::OPAQUE_AS];
    let mut world = mesh(|_, _| {});
    let forged: Vec<Lsa> = scopes.iter().map(|&kind| opaque(kind, 1, 5)).collect();
    let keys: Vec<LsaKey> = forged.iter().map(|lsa| lsa.header.key).collect();
    on_lan(&mut world, forged);
    on_lan(&mut world, scopes.iter().map(|&kind| opaque(kind, 2, 5)).collect());
    for (kind, key) in scopes.into_iter().zip(keys) {
        assert_eq!(world.lsa(0, key), None, "a site's, {kind:?}");
        assert!(world.lsa(0, opaque(kind, 2, 5).header.key).is_some(), "the sender's own, {kind:?}");
    }
    assert_eq!(refused(&world), 3);

    // A site on the LAN says itself what concerns the LAN; nobody else says it.
    let mut world = World::build(3, &[], &[vec![0, 1, 2]], site);
    world.run_to(2 * DEAD, |world| world.settled(LAN));
    let key = opaque(LsaType::OPAQUE_LINK, 1, 5).header.key;
    on_lan(&mut world, vec![opaque(LsaType::OPAQUE_LINK, 1, 5)]);
    assert_eq!(world.lsa(0, key), None);
    let body = PacketBody::LinkStateUpdate(vec![opaque(LsaType::OPAQUE_LINK, 1, 5)]);
    let own = Packet { router_id: router_id(1), area_id: AreaId::BACKBONE, authentication: Unsigned::Null, body };
    world.inject_packet((0, LAN), lan_address(0, 1), 1, &own);
    assert!(world.lsa(0, key).is_some());
}

#[test]
fn lsas_of_routers_that_are_no_sites_are_taken_from_a_lan_and_with_authentication_all_are() {
    let mut world = mesh(|_, _| {});
    let other = everything(2, SequenceNumber(5));
    world.cut.insert((2, LAN));
    on_lan(&mut world, vec![other.clone()]);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.lsa(1, other.header.key).map(|lsa| lsa.body), Some(other.body));

    let mut world = World::build(3, &[], &[vec![0, 1, 2]], |engine, config| {
        site(engine, config);
        config.interfaces.values_mut().for_each(|interface| interface.authentication = keyed());
    });
    world.settle();
    assert!(world.agree(), "two sites that reach each other only over a LAN");
    assert_eq!(refused(&world), 0);
}

#[test]
fn a_newer_instance_goes_to_its_originator_alone_which_outbids_it() {
    let mut world = mesh(|_, _| {});
    let before = sequence(&world, 1, router_key(1));
    let forged = bare(1, SequenceNumber(before.0 + 50));
    let since = world.now;
    for _ in 0..40 {
        on_lan(&mut world, vec![forged.clone()]);
        world.run_for(Duration::from_millis(10));
        assert!(world.routes[0].contains_key(&prefix("10.255.0.2/32")), "nobody believes it");
        assert!(world.routes[1].contains_key(&prefix("10.255.0.1/32")));
    }
    world.run_for(Duration::from_secs(10));
    let (_, returned) = sent_of(&world, port(0, 1), since, router_key(1));
    assert_eq!(returned.iter().map(|lsa| lsa.header.sequence).collect::<Vec<_>>(), [forged.header.sequence], "paced");
    for engine in 0..3 {
        assert_eq!(
            sequence(&world, engine, router_key(1)).0,
            forged.header.sequence.0 + 1,
            "also where it was believed"
        );
    }
    let (_, instances) = sent_of(&world, port(1, 0), since, router_key(1));
    assert!(instances.iter().all(|lsa| lsa.body != forged.body), "the originator floods no forgery");
    // A forgery that would use up the sequence numbers stays where it is.
    let since = world.now;
    on_lan(&mut world, vec![bare(1, SequenceNumber(SequenceNumber::MAX.0 - 1)), everything(1, SequenceNumber::MAX)]);
    world.run_for(Duration::from_secs(10));
    assert_eq!(sent_of(&world, port(0, 1), since, router_key(1)), (0, vec![]));
    assert_eq!(sequence(&world, 1, router_key(1)).0, forged.header.sequence.0 + 1);
}

#[test]
fn a_site_lsa_at_max_age_leaves_when_the_lan_router_sends_an_instance_that_is_refused() {
    let mut world = mesh(|engine, config| {
        if engine == 1 {
            config.externals = externals(1);
        }
    });
    let key = external_key(1, Ipv4Addr::new(20, 0, 0, 0));
    let before = world.lsa(0, key).unwrap();
    world.cut.insert((2, LAN));
    world.reconfigure(1, |config| config.externals.clear());
    world.run_for(Duration::from_millis(500));
    assert!(world.lsa(1, key).is_none(), "site 0 has acknowledged");
    assert!(world.lsa(0, key).is_some_and(|lsa| lsa.header.is_max_age()), "it waits for the LAN router");
    let later = Lsa::new(key, Options::E, SequenceNumber(before.header.sequence.0 + 1), &before.parse().unwrap());
    on_lan(&mut world, vec![later.unwrap()]);
    world.run_for(Duration::from_millis(500));
    assert_eq!(world.lsa(0, key), None);
}

#[test]
fn what_comes_over_the_lan_first_and_by_tunnel_then_is_no_problem() {
    let mut world = World::build(2, &[(0, 1)], &[vec![0, 1]], site);
    world.settle();
    // The tunnel is slower than the LAN.
    world.reconfigure(1, |config| config.externals = externals(3));
    world.run_for(Duration::from_secs(20));
    assert!(world.agree());
    let views: Vec<_> = world.engines.iter().flat_map(|engine| engine.interfaces()).collect();
    assert!(views.iter().all(|view| view.site_lsas.is_none()), "{views:?}");
}

#[test]
fn descriptions_of_site_lsas_are_not_requested_so_that_loading_ends() {
    // Two sites that reach each other only over a LAN without authentication.
    let mut world = World::build(3, &[], &[vec![0, 1, 2]], site);
    world.run_to(2 * DEAD, |world| world.settled(LAN));
    world.run_for(Duration::from_secs(60));
    assert!(world.settled(LAN));
    assert!(world.lsa(0, router_key(1)).is_none() && world.lsa(1, router_key(0)).is_none());
    assert!(world.lsa(2, router_key(0)).is_some() && world.lsa(2, router_key(1)).is_some());
    let view = world.engines[0].interfaces().find(|view| view.interface == LAN).unwrap();
    assert!(view.site_lsas.is_some(), "that is named");
    // Nothing goes to and fro.
    let before = world.sent.len();
    world.run_for(Duration::from_secs(60));
    let updates = world.sent[before..].iter().filter(|sent| matches!(sent.body(), PacketBody::LinkStateUpdate(_)));
    assert!(updates.count() < 12, "no more than refreshes");
}

#[test]
fn a_lan_that_gets_authentication_brings_what_was_refused_before() {
    let mut world = World::build(2, &[], &[vec![0, 1]], site);
    world.run_to(2 * DEAD, |world| world.settled(LAN));
    world.run_for(Duration::from_secs(20));
    assert!(world.lsa(0, router_key(1)).is_none());
    for engine in 0..2 {
        world.reconfigure(engine, |config| config.interfaces.get_mut(&LAN).unwrap().authentication = keyed());
    }
    world.run_to(DEAD, |world| world.settled(LAN) && world.agree());
    assert!(world.lsa(0, router_key(1)).is_some());
}

#[test]
fn an_lsa_of_ours_from_a_lan_is_outbid_without_being_believed_for_a_moment() {
    let mut world = mesh(|_, _| {});
    let ours = world.lsa(0, router_key(0)).unwrap();
    for round in 0..3 {
        let before = sequence(&world, 0, router_key(0));
        let forged = bare(0, SequenceNumber(before.0 + 7));
        // At MaxAge it is as good a forgery.
        let forged = if round == 1 { forged.with_age(MAX_AGE) } else { forged };
        let since = world.now;
        on_lan(&mut world, vec![forged.clone()]);
        world.run_for(Duration::from_millis(500));
        assert!(world.routes[1].contains_key(&prefix("10.255.0.1/32")));
        world.run_for(Duration::from_secs(10));
        for engine in 0..3 {
            let lsa = world.lsa(engine, router_key(0)).unwrap();
            assert_eq!((lsa.header.sequence.0, lsa.body), (before.0 + 8, ours.body.clone()), "round {round}");
        }
        let (_, instances) = sent_of(&world, port(0, 1), since, router_key(0));
        assert!(instances.iter().all(|lsa| lsa.body == ours.body));
    }
}

#[test]
fn corner_case_03_a_forgery_under_the_last_number_is_taken_back_on_the_lan_and_the_mesh_does_not_notice() {
    let mut world = mesh(|_, _| {});
    let (ours, since) = (world.lsa(0, router_key(0)).unwrap(), world.now);
    // Router 2 believes it.
    let forged = bare(0, SequenceNumber::MAX);
    let body = PacketBody::LinkStateUpdate(vec![forged.clone()]);
    let believed = Packet { router_id: router_id(0), area_id: AreaId::BACKBONE, authentication: Unsigned::Null, body };
    world.inject_packet((2, LAN), lan_address(0, 0), 1, &believed);
    on_lan(&mut world, vec![forged.clone()]);
    for _ in 0..60 {
        world.run_for(Duration::from_secs(1));
        assert_eq!(world.lsa(1, router_key(0)).unwrap().header.sequence, ours.header.sequence);
    }
    assert_eq!(
        world.lsa(2, router_key(0)).map(|lsa| (lsa.header.sequence, lsa.body)),
        Some((ours.header.sequence, ours.body))
    );
    assert_eq!(sent_of(&world, port(0, 1), since, router_key(0)).1, vec![], "nothing goes by tunnel");
    let (_, taken_back) = sent_of(&world, (0, LAN), since, router_key(0));
    assert!(taken_back.iter().any(|lsa| lsa.header.is_max_age() && lsa.header.checksum == forged.header.checksum));
}

#[test]
fn corner_case_05_an_lsa_of_ours_that_is_not_wanted_is_taken_back_from_the_lan_alone() {
    let mut world = mesh(|_, _| {});
    let forged = everything(0, SequenceNumber(9));
    let (key, since) = (forged.header.key, world.now);
    let body = PacketBody::LinkStateUpdate(vec![forged.clone()]);
    let believed = Packet { router_id: router_id(0), area_id: AreaId::BACKBONE, authentication: Unsigned::Null, body };
    world.inject_packet((2, LAN), lan_address(0, 0), 1, &believed);
    assert!(world.lsa(2, key).is_some());
    on_lan(&mut world, vec![forged.clone()]);
    world.run_for(Duration::from_secs(2));
    on_lan(&mut world, vec![forged]);
    world.run_for(Duration::from_secs(20));
    assert!((0..3).all(|engine| world.lsa(engine, key).is_none()));
    assert_eq!(sent_of(&world, port(0, 1), since, key), (0, vec![]));
}

#[test]
fn corner_case_04_after_a_restart_the_lan_router_still_has_what_we_said_and_is_outbid() {
    let mut world = World::build(2, &[], &[vec![0, 1]], |engine, config| {
        if engine == 0 {
            config.policy.guards = [router_id(0)].into();
            config.externals = externals(3);
        }
    });
    world.settle();
    let before = sequence(&world, 1, router_key(0));
    world.engines[0].config.externals = externals(2);
    world.restart(0, 77);
    world.run_to(3 * DEAD, |world| world.settled(LAN) && world.agree());
    world.run_for(Duration::from_secs(15));
    assert!(world.agree());
    assert!(sequence(&world, 1, router_key(0)) > before);
    let externals = |engine: usize| {
        world.engines[engine].lsdb().filter(|view| view.lsa.header.key.kind == LsaType::AS_EXTERNAL).count()
    };
    assert_eq!((externals(0), externals(1)), (2, 2), "what is not wanted any more is flushed");
}

#[test]
fn a_graceful_restart_is_completed_where_the_only_neighbor_is_on_a_lan_without_authentication() {
    let mut world = World::build(2, &[], &[vec![0, 1]], |engine, config| {
        if engine == 0 {
            config.policy.guards = [router_id(0)].into();
            config.externals = externals(3);
        }
    });
    world.settle();
    let routes = world.routes[1].clone();
    let grace_period = Duration::from_secs(120);
    let reason = crate::wire::RestartReason::SoftwareRestart;
    world.input(0, Input::PrepareRestart { grace_period, reason });
    let ready = |event: &Event| matches!(event, Event::RestartReady { .. });
    world.run_to(Duration::from_secs(4), |world| world.events[0].iter().any(ready));
    world.run_for(Duration::from_secs(20));
    world.engines[0].config.restarting = Some(Restarting { grace_period, announcement: Announcement::Made });
    world.engines[0].config.externals = externals(2);
    world.restart(0, 99);
    let ended = |event: &Event| matches!(event, Event::RestartEnded { .. });
    world.run_to(2 * DEAD, |world| {
        assert_eq!(world.routes[1], routes, "nobody notices");
        world.events[0].iter().any(ended)
    });
    assert!(world.events[0].contains(&Event::RestartEnded { cause: RestartExit::Completed }));
    world.run_for(Duration::from_secs(20));
    assert!(world.settled(LAN) && world.agree());
    assert_eq!(world.lan_state(1, LAN, 0), S::Full);
    assert_eq!(world.routes[1].len(), routes.len() - 1, "what is not wanted any more is flushed after the restart");
}
