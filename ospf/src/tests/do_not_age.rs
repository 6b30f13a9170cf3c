//! LSAs with DoNotAge (RFC 1793 §2.2, §2.3): they do not grow old, and are purged when their originator has been gone for long.

use std::time::Duration;

use super::world::*;
use crate::wire::{DO_NOT_AGE, ExternalLsa, Lsa, LsaBody, Options, PacketBody};
use crate::{ExternalMetric, LsaKey, LsaType, RouterId, SequenceNumber};

const HOUR: Duration = Duration::from_secs(3600);

/// An AS-external-LSA of a router, with DoNotAge.
fn external_of(router: RouterId) -> Lsa {
    let network = std::net::Ipv4Addr::new(20, 0, 0, 0);
    let key = LsaKey { kind: LsaType::AS_EXTERNAL, id: network.into(), advertising_router: router };
    let body = LsaBody::External(ExternalLsa {
        network_mask: [255, 255, 255, 0].into(),
        metric: ExternalMetric::Type2(20),
        forwarding_address: [0, 0, 0, 0].into(),
        route_tag: 0,
    });
    let lsa = Lsa::new(key, Options::E, SequenceNumber(7), &body).unwrap();
    Lsa { header: crate::wire::LsaHeader { age: DO_NOT_AGE | 5, ..lsa.header }, ..lsa }
}

/// Engine 1 is sent LSAs of engine 3, which does not know of them: the link to it carries nothing of them.
fn chain() -> World {
    World::new(4, &[(0, 1), (1, 2), (2, 3)])
}

fn stored(world: &World, engine: usize, lsa: &Lsa) -> Option<u16> {
    world.lsa(engine, lsa.header.key).map(|found| found.header.age)
}

/// Router 0 sends an LSA of router 3, which does not hear of it and so leaves it alone.
fn inject_unknown_to_its_originator(world: &mut World, lsa: &Lsa) {
    let key = lsa.header.key;
    world.deliver = Box::new(move |sent| {
        sent.from != port(2, 3)
            || !matches!(sent.body(), PacketBody::LinkStateUpdate(lsas) if lsas.iter().any(|lsa| lsa.header.key == key))
    });
    world.inject(port(1, 0), 0, PacketBody::LinkStateUpdate(vec![lsa.clone()]));
}

#[test]
fn an_lsa_with_do_not_age_is_used_flooded_and_kept_as_long_as_its_originator_is_there() {
    let mut world = chain();
    world.converge();
    world.run_for(Duration::from_secs(10));
    let lsa = external_of(router_id(3));
    inject_unknown_to_its_originator(&mut world, &lsa);
    world.run_for(Duration::from_secs(2));
    assert_eq!(stored(&world, 1, &lsa), Some(DO_NOT_AGE | 5));
    assert_eq!(stored(&world, 2, &lsa), Some(DO_NOT_AGE | 6), "InfTransDelay is added all the same");
    world.run_for(3 * HOUR);
    assert_eq!((stored(&world, 1, &lsa), stored(&world, 2, &lsa)), (Some(DO_NOT_AGE | 5), Some(DO_NOT_AGE | 6)));
}

#[test]
fn an_lsa_with_do_not_age_is_purged_an_hour_after_its_originator_was_last_reached() {
    let mut world = chain();
    world.converge();
    world.run_for(2 * HOUR);
    let lsa = external_of(router_id(3));
    inject_unknown_to_its_originator(&mut world, &lsa);
    world.run_for(Duration::from_secs(1800));
    world.cut.extend([port(2, 3), port(3, 2)]);
    let lost = world.now;
    world.run_for(HOUR - Duration::from_secs(60));
    assert_eq!(
        stored(&world, 1, &lsa),
        Some(DO_NOT_AGE | 5),
        "it has been there for an hour, its originator has not been gone for one"
    );
    let is_gone = |world: &World| [1, 2].iter().all(|&engine| stored(world, engine, &lsa).is_none());
    world.run_to(Duration::from_secs(300), is_gone);
    assert!(world.now.saturating_since(lost) > HOUR, "{:?}", world.now);
}

#[test]
fn an_lsa_of_ours_with_do_not_age_is_flushed_like_any_other() {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    world.run_for(Duration::from_secs(10));
    let lsa = external_of(router_id(0));
    world.inject(port(0, 1), 1, PacketBody::LinkStateUpdate(vec![lsa.clone()]));
    world.run_for(Duration::from_secs(10));
    assert!(stored(&world, 0, &lsa).is_none() && stored(&world, 1, &lsa).is_none());
}
