//! Corner cases that OSPF implementations got wrong, by number. `cargo nextest run corner_case` runs them all.
//!
//! A case whose chapter has tests of its own has its test there, named after its number: `corner_case_12_…`. Here are those that belong to no
//! chapter in particular. `tests/it/documents.rs` holds that no number is without a test.
//!
//! | | case | tested in |
//! |--|---|---|
//! | 01 | sequence numbers compare signed | here, `wire/lsa_header.rs` |
//! | 02, 03, 04, 05, 06 | sequence wrap, forgery, restart, the unwanted, checksums after origination | `flooding` |
//! | 07 | Fletcher: recomputed, age excluded, zero invalid, other check octets | here, `wire/tests/hostile.rs` |
//! | 08, 09 | MinLSArrival, towards others and ourselves | `flooding` |
//! | 10, 11, 12, 13, 14, 31 | the exchange: many peers, lists emptied by floods, ExStart, wrap, the slave's last word, no reset | `exchange` |
//! | 15, 16, 17, 21, 22 | hellos, the inactivity timer, MTU, router ids, destinations | `adjacency` |
//! | 18 | lengths and counts from the wire, masks with holes | `wire/tests/hostile.rs`, `route/tests/inside.rs` |
//! | 19, 20 | costs, ties between transit networks | `route/tests/inside.rs` |
//! | 23 | replies leave from their interface's address | here; that the kernel sends from there is seen in every capture of `netns-tests` |
//! | 24, 25 | unnumbered links, one network with two masks | `configuration`, `flooding`, `external_lsa.rs` |
//! | 26 | forwarding addresses | `route/tests/external.rs` |
//! | 27, 29 | LLS behind the trailer, key rotation | `wire/tests/hostile.rs`, `authentication` |
//! | 28 | graceful restart helper | `graceful_restart` |
//! | 30 | opaque LSAs | `exchange`, `flooding` |
//! | 32 | a flap before SPF | here |
//! | 33 | MaxAgeDiff, summaries from elsewhere, RFC1583Compatibility, duplicate router ids | `wire/lsa_header.rs`, `route/tests`, `adjacency` |

use std::time::Duration;

use bytes::Bytes;

use super::world::*;
use crate::wire::{Lsa, LsaBody, LsaHeader, Options, PacketBody};
use crate::{Addressing, InterfaceId, LinkState, LinkStateId, LsaKey, LsaType, Prefix, RouterId, SequenceNumber};

/// An opaque LSA by a router that is not there.
fn opaque(sequence: u32) -> Lsa {
    let key = LsaKey { kind: LsaType::OPAQUE_AREA, id: LinkStateId(1), advertising_router: RouterId(77) };
    let body = LsaBody::Opaque(Bytes::copy_from_slice(&sequence.to_be_bytes()));
    Lsa::new(key, Options::E, SequenceNumber(sequence.cast_signed()), &body).unwrap()
}

/// RFC 2328 §12.1.6: the sequence space is linear and signed, from -N + 1 on.
#[test]
fn corner_case_01_an_instance_numbered_one_replaces_one_numbered_0x80000008_and_not_the_other_way_round() {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    world.run_for(Duration::from_secs(20));
    let (old, new) = (opaque(0x8000_0008), opaque(0x0000_0001));
    for (arrives, stored) in [(&old, &old), (&new, &new), (&old, &new)] {
        world.inject(port(0, 1), 1, PacketBody::LinkStateUpdate(vec![arrives.clone()]));
        let database = world.lsa(0, old.header.key).unwrap();
        assert_eq!((database.header.sequence, &database.body), (stored.header.sequence, &stored.body));
        // Longer than MinLSArrival, so that nothing but the number decides.
        world.run_for(Duration::from_secs(2));
    }
}

/// RFC 2328 §12.1.7: the age is no part of the checksum, so that it can grow on the way.
#[test]
fn corner_case_07_an_lsa_of_any_age_verifies_under_the_same_checksum() {
    let lsa = opaque(0x8000_0001);
    assert_eq!(lsa.check(), Ok(()));
    for age in [1, 900, 3599, 3600] {
        let aged = Lsa { header: LsaHeader { age, ..lsa.header }, body: lsa.body.clone() };
        assert_eq!(aged.check(), Ok(()), "age {age}");
    }
}

/// RFC 2328 §8.1, §10.8, §10.7: whoever answers, answers on the interface where it was asked, to the address that asked.
#[test]
fn corner_case_23_answers_leave_on_the_interface_and_towards_the_address_that_asked() {
    let mut world = World::new(3, &[(0, 1), (0, 2)]);
    // Each link has a subnet of its own, so that interfaces have different addresses.
    for (near, far) in [(0, 1), (1, 0), (0, 2), (2, 0)] {
        let (engine, id) = port(near, far);
        world.link(engine, id, numbered(near, near.max(far), id));
    }
    world.converge();
    world.run_for(Duration::from_secs(20));
    let since = world.now;
    for peer in [1, 2] {
        let wanted = router_key(0);
        world.inject(port(0, peer), peer, PacketBody::LinkStateRequest(vec![wanted]));
    }
    world.run_for(Duration::from_secs(1));
    let answers = world.sent_by(0, since).filter(|sent| matches!(sent.body(), PacketBody::LinkStateUpdate(_)));
    let answers: Vec<_> = answers.map(|sent| (sent.from.1, sent.source, sent.destination)).collect();
    assert_eq!(answers.len(), 2);
    for (peer, (interface, source, destination)) in [1, 2].into_iter().zip(answers) {
        assert_eq!(interface, port(0, peer).1);
        assert_eq!(source, address(0, peer));
        assert_eq!(destination, address(peer, peer));
    }
}

fn address(engine: usize, link: usize) -> std::net::Ipv4Addr {
    [192, 0, u8::try_from(link).unwrap(), u8::try_from(engine + 1).unwrap()].into()
}

fn numbered(engine: usize, link: usize, id: InterfaceId) -> LinkState {
    let address = address(engine, link);
    let addressing = Addressing::Numbered { address, subnet: Prefix::new(address, 24) };
    LinkState::Up { index: 100 + id.0, mtu: 1420, addressing }
}

/// A first hop of an equal-cost route goes and is back before routes were calculated anew: it must be in use afterwards. What BFD will do, the link does
/// here; that the kernel's route follows is for the daemon's tests.
#[test]
fn corner_case_32_an_equal_cost_leg_that_was_away_before_the_calculation_comes_back() {
    // 0 reaches 3 through 1 and through 2. Calculations are put off for a second, longer than the flap.
    let mut world = World::with(4, &[(0, 1), (0, 2), (1, 3), (2, 3)], |_, config| {
        let delay = Duration::from_secs(1);
        config.spf_delay.initial = delay;
        config.spf_delay.short = delay;
        config.spf_delay.long = delay;
    });
    let far = prefix("10.255.0.4/32");
    world.run_for(Duration::from_secs(30));
    let first_hops = |world: &World| {
        let route = world.routes[0].get(&far).expect("a way to 3");
        route.nexthops.iter().map(|hop| hop.interface).collect::<Vec<_>>()
    };
    let both = vec![port(0, 1).1, port(0, 2).1];
    assert_eq!(first_hops(&world), both);

    let calculations = world.engines[0].calculations();
    world.link(0, port(0, 1).1, LinkState::Down);
    world.run_for(Duration::from_millis(10));
    world.link(0, port(0, 1).1, up(0, port(0, 1).1));
    world.run_to(Duration::from_millis(500), World::all_full);
    assert_eq!(world.engines[0].calculations(), calculations, "no calculation came between");
    world.run_for(Duration::from_secs(30));
    assert_eq!(first_hops(&world), both);
}
