//! Authentication between engines (RFC 2328 appendix D): adjacencies under keys, keys that change, packets that were recorded.

use std::time::Duration;

use super::world::*;
use crate::{
    Authentication, Config, Event, InterfaceId, Key, KeyAlgorithm, KeyChain, KeyId, KeyStanding, Lifetime,
    NeighborState as S, Refusal, Secret, SequenceCheck,
};

const ALGORITHMS: [KeyAlgorithm; 5] = [
    KeyAlgorithm::Md5,
    KeyAlgorithm::HmacSha1,
    KeyAlgorithm::HmacSha256,
    KeyAlgorithm::HmacSha384,
    KeyAlgorithm::HmacSha512,
];

fn key(id: u8, from: Option<u64>, until: Option<u64>) -> Key {
    let at = |secs| crate::Instant::new(Duration::from_secs(secs));
    let send = Lifetime { from: from.map(at), until: until.map(at) };
    // Accepted a little before and after: clocks differ.
    let accept = Lifetime { from: from.map(|from| at(from - 20)), until: until.map(|until| at(until + 20)) };
    Key { id: KeyId(id), algorithm: KeyAlgorithm::HmacSha256, secret: Secret::new(vec![id; 40]), send, accept }
}

fn chain(keys: Vec<Key>, sequence: SequenceCheck) -> Authentication {
    Authentication::Cryptographic(KeyChain::new(keys, sequence).unwrap())
}

fn on_all(config: &mut Config, authentication: &Authentication) {
    for interface in config.interfaces.values_mut() {
        interface.authentication = authentication.clone();
    }
}

fn refusals(world: &World, engine: usize) -> Vec<Refusal> {
    let mut refused: Vec<_> =
        world.engines[engine].interfaces().flat_map(|view| view.counters.refused.into_keys()).collect();
    refused.dedup();
    refused
}

fn pair(authentication: &Authentication) -> World {
    World::with(2, &[(0, 1)], |engine, config| {
        config.boot = 1000 + engine as u32;
        on_all(config, authentication);
    })
}

/// Whether any neighbour of any engine left Full.
fn flapped(world: &World) -> bool {
    (0..world.engines.len()).any(|engine| world.neighbor_events(engine).iter().any(|&(from, ..)| from == S::Full))
}

#[test]
fn routers_with_the_same_key_become_adjacent_whatever_the_kind() {
    let mut kinds = vec![Authentication::Simple(Secret::new(b"sesame".to_vec()))];
    for sequence in [SequenceCheck::NotSmaller, SequenceCheck::Strict, SequenceCheck::Extended] {
        for algorithm in ALGORITHMS {
            let keys = vec![Key { algorithm, ..key(3, None, None) }];
            kinds.extend(KeyChain::new(keys, sequence).ok().map(Authentication::Cryptographic));
        }
    }
    assert_eq!(kinds.len(), 15);
    for authentication in kinds {
        let mut world = pair(&authentication);
        world.converge();
        world.run_for(DEAD * 3);
        assert!(world.all_full() && !flapped(&world), "{authentication:?}");
        assert_eq!(refusals(&world, 0), []);
    }
}

#[test]
fn routers_with_other_authentication_stay_apart_and_say_why() {
    let password = |text: &str| Authentication::Simple(Secret::new(text.as_bytes().to_vec()));
    let one = |id| chain(vec![key(id, None, None)], SequenceCheck::NotSmaller);
    let other_secret = vec![Key { secret: Secret::new(b"other".to_vec()), ..key(1, None, None) }];
    let cases = [
        (Authentication::Null, one(1), Refusal::AuthenticationType),
        (password("left"), password("right"), Refusal::AuthenticationPassword),
        (one(1), one(2), Refusal::AuthenticationKeyId),
        (one(1), chain(other_secret, SequenceCheck::NotSmaller), Refusal::AuthenticationDigest),
    ];
    for (left, right, refusal) in cases {
        let mut world = World::with(2, &[(0, 1)], |engine, config| on_all(config, [&left, &right][engine]));
        world.run_for(DEAD);
        for engine in 0..2 {
            assert_eq!(world.state(engine, 1 - engine), S::Down);
            assert_eq!(refusals(&world, engine), [refusal]);
        }
    }
}

#[test]
fn one_flood_leaves_each_interface_under_its_own_key() {
    let mut world = World::with(5, &[(0, 1), (0, 2), (0, 3), (0, 4)], |engine, config| {
        for (id, interface) in &mut config.interfaces {
            let link = if engine == 0 { id.0 - 1 } else { engine as u32 };
            interface.authentication = match link {
                1 => Authentication::Null,
                2 => Authentication::Simple(Secret::new(b"two".to_vec())),
                3 => chain(vec![key(3, None, None)], SequenceCheck::NotSmaller),
                _ => chain(vec![key(4, None, None)], SequenceCheck::Extended),
            };
        }
    });
    world.converge();
    world.reconfigure(1, |config| config.externals = externals(200));
    world.converge();
    assert!((0..5).all(|engine| refusals(&world, engine).is_empty()) && !flapped(&world));
}

#[test]
fn no_packet_is_longer_than_the_mtu_with_its_trailer() {
    for sequence in [SequenceCheck::NotSmaller, SequenceCheck::Extended] {
        let keys = vec![Key { algorithm: KeyAlgorithm::HmacSha512, ..key(1, None, None) }];
        let mut world = pair(&chain(keys, sequence));
        world.reconfigure(0, |config| config.externals = externals(300));
        world.converge();
        let longest = world.sent.iter().map(|sent| 20 + sent.bytes.len()).max();
        assert!(longest.is_some_and(|longest| (1420 - 64..=1420).contains(&longest)), "{longest:?}");
    }
}

#[test]
fn corner_case_29_keys_roll_over_without_a_lost_adjacency() {
    let keys = vec![key(1, None, Some(200)), key(2, Some(180), Some(400)), key(3, Some(400), None)];
    let mut world = pair(&chain(keys, SequenceCheck::NotSmaller));
    world.converge();
    world.run_for(Duration::from_secs(600));
    assert!(world.all_full() && !flapped(&world));
    assert_eq!(refusals(&world, 0), []);
    let used = |event: &Event| match event {
        Event::SigningKey { interface, key, standing: KeyStanding::Valid } => Some((*interface, key.0)),
        _ => None,
    };
    let used: Vec<_> = world.events[0].iter().filter_map(used).collect();
    assert_eq!(used, [1, 2, 3].map(|id| (InterfaceId(2), id)));
}

#[test]
fn the_last_key_outlives_its_lifetime_and_this_is_reported() {
    let mut world = pair(&chain(vec![key(1, None, Some(100))], SequenceCheck::NotSmaller));
    world.converge();
    world.run_for(Duration::from_secs(300));
    assert!(world.all_full() && !flapped(&world));
    let expired = |event: &&Event| matches!(event, Event::SigningKey { standing: KeyStanding::Expired, .. });
    assert_eq!(world.events[0].iter().filter(expired).count(), 1);
}

#[test]
fn keys_and_lifetimes_change_while_the_adjacency_stays() {
    let mut world = pair(&chain(vec![key(1, None, Some(500))], SequenceCheck::NotSmaller));
    world.converge();
    // The clock was set: the same lifetime is another one in the engine's time.
    let moved = chain(vec![key(1, None, Some(4000))], SequenceCheck::NotSmaller);
    world.reconfigure(0, |config| on_all(config, &moved));
    world.run_for(DEAD);
    // Another key and another kind on one side, then within RouterDeadInterval on the other.
    let other = chain(vec![key(9, None, None)], SequenceCheck::Extended);
    world.reconfigure(0, |config| on_all(config, &other));
    world.run_for(DEAD / 2);
    world.reconfigure(1, |config| on_all(config, &other));
    world.run_for(DEAD * 2);
    assert!(world.all_full() && !flapped(&world));
}

#[test]
fn a_recorded_packet_is_refused_as_long_as_the_neighbor_is_there() {
    for (sequence, boot) in [(SequenceCheck::NotSmaller, 5000), (SequenceCheck::Extended, 1001)] {
        let mut world = pair(&chain(vec![key(1, None, None)], sequence));
        world.converge();
        world.run_for(HELLO * 3);
        let recorded: Vec<_> = world.sent_by(0, crate::Instant::ZERO).take(4).cloned().collect();
        for packet in recorded {
            world.put(port(1, 0), packet, DELAY);
        }
        world.run_for(HELLO);
        assert_eq!(refusals(&world, 1), [Refusal::AuthenticationSequence]);
        assert!(!flapped(&world));

        // A new life of the sender goes on from a higher number.
        world.engines[0].config.boot = boot;
        world.restart(0, 7);
        world.converge();

        // One that begins from a lower number is heard again when its former self is taken for dead.
        world.engines[0].config.boot = 0;
        world.restart(0, 8);
        let took = world.run_to(DEAD * 2, |world| world.all_full());
        assert!(took > DEAD / 2, "{took:?}");
    }
}
