//! Routers that give up the deviations from RFC 2328 behave as it says ([`crate::Conduct`]), and become adjacent to those that do not.

use std::time::Duration;

use super::flooding::{opaque, updates_with};
use super::world::*;
use crate::wire::{Lsa, PacketBody};
use crate::{Conduct, Instant, LsaRefusal, LsaType, NeighborState as S, SequenceNumber};

/// Two engines, in step and long quiet; engine 0 gives up all deviations, or none.
fn pair(conduct: Conduct) -> World {
    let mut world = World::with(2, &[(0, 1)], |engine, config| {
        if engine == 0 {
            config.conduct = conduct;
        }
    });
    world.run_for(Duration::from_secs(60));
    assert!(world.agree() && world.all_full());
    world
}

fn both() -> [Conduct; 2] {
    [Conduct::foreign(), Conduct::default()]
}

#[test]
fn what_comes_within_min_ls_arrival_is_discarded() {
    let took = both().map(|conduct| {
        let mut world = pair(conduct);
        let first = opaque(LsaType::OPAQUE_AREA, 1, b"0001");
        let next = SequenceNumber(first.header.sequence.0 + 1);
        let second = Lsa::new(first.header.key, first.header.options, next, &first.parse().unwrap()).unwrap();
        let has_second = |world: &World| world.lsa(0, second.header.key).unwrap().header.sequence == next;
        world.inject(port(0, 1), 1, PacketBody::LinkStateUpdate(vec![first]));
        world.run_for(Duration::from_millis(300));
        world.inject(port(0, 1), 1, PacketBody::LinkStateUpdate(vec![second.clone()]));
        world.run_for(Duration::from_secs(2));
        let took = has_second(&world);
        let counters = world.engines[0].interfaces().next().unwrap().counters;
        let refused = counters.lsa_refused.get(&LsaRefusal::TooSoon).copied().unwrap_or_default();
        assert_eq!((refused, counters.lsa_early), if took { (0, 1) } else { (1, 0) });
        world.inject(port(0, 1), 1, PacketBody::LinkStateUpdate(vec![second.clone()]));
        assert!(has_second(&world), "it is taken when it is sent again");
        took
    });
    assert_eq!(took, [false, true]);
}

#[test]
fn a_database_description_that_was_overtaken_is_a_mismatch() {
    let again = both().map(|conduct| {
        let mut world = pair(conduct);
        let descriptions = world.sent_by(1, Instant::ZERO).map(Sent::body);
        let overtaken = descriptions.filter_map(|body| match body {
            PacketBody::DatabaseDescription(packet) if !packet.flags.init => Some(packet),
            _ => None,
        });
        let overtaken = overtaken.min_by_key(|packet| packet.sequence).unwrap();
        world.inject(port(0, 1), 1, PacketBody::DatabaseDescription(overtaken));
        let again = world.neighbor_events(0).contains(&(S::Full, S::ExStart, "SeqNumberMismatch"));
        world.run_for(Duration::from_secs(20));
        assert!(world.agree() && world.all_full());
        again
    });
    assert_eq!(again, [true, false]);
}

#[test]
fn hellos_wait_for_the_hello_timer() {
    let hellos = both().map(|conduct| {
        let world = pair(conduct);
        let at: Vec<_> =
            world.sent_by(0, Instant::ZERO).filter(|sent| matches!(sent.body(), PacketBody::Hello(_))).collect();
        at.iter().take_while(|sent| sent.at < Instant::ZERO + HELLO).count()
    });
    assert_eq!(hellos[0], 1);
    assert!(hellos[1] > 1);
}

#[test]
fn much_that_is_not_acknowledged_is_sent_again_each_rxmt_interval() {
    let sent = both().map(|conduct| {
        let mut world = pair(conduct);
        world.deliver = Box::new(|sent| sent.from.0 == 0 || matches!(sent.body(), PacketBody::Hello(_)));
        let since = world.now;
        world.reconfigure(0, |config| config.externals = externals(60));
        let interval = interface_config("p").retransmit_interval;
        world.run_for(6 * interval + interval / 2);
        updates_with(&world, 0, since, external_key(0, "20.0.0.0".parse().unwrap()))
    });
    assert_eq!(sent, [7, 3]);
}
