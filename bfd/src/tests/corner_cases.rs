//! What other implementations have got wrong, by the numbers of `bfd/CORNER-CASES.md`. Those about sockets are the driver's.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use super::world::*;
use crate::wire::{ControlPacket, Micros, PollSequence};
use crate::*;

/// A packet as the peer of `end` would send it next, outside of any Poll Sequence.
fn from_peer_of(world: &World, end: End) -> ControlPacket {
    ControlPacket { sequence: PollSequence::Neither, ..world.last(end.other()).packet() }
}

/// Hands a packet of the peer to `end`.
fn hand(world: &mut World, end: End, packet: ControlPacket) {
    world.receive(end, &packet.encode(0));
}

#[test]
fn corner_case_1_without_a_discriminator_the_interface_and_the_source_decide_and_only_in_down() {
    let mut world = World::up(1);
    let anew = ControlPacket { your_discriminator: 0, state: State::Down, ..from_peer_of(&world, A) };
    for (interface, source) in [(InterfaceId(2), B.address()), (LINK, "10.255.0.3".parse().unwrap())] {
        world.receive_from(A, interface, source, &anew.encode(0));
        assert_eq!(world.discarded.pop(), Some((A, Discard::UnknownPeer)));
    }
    for state in [State::Init, State::Up] {
        hand(&mut world, A, ControlPacket { state, ..anew });
        assert_eq!(world.discarded.pop(), Some((A, Discard::Malformed(Malformation::YourDiscriminator))));
    }
    assert_eq!(world.state(A), State::Up);
    hand(&mut world, A, anew);
    assert_eq!(world.state(A), State::Down);
}

#[test]
fn corner_case_2_a_discriminator_decides_alone_and_an_unknown_one_is_discarded() {
    let mut world = World::up(2);
    let packet = ControlPacket { state: State::Down, ..from_peer_of(&world, A) };
    let unknown = ControlPacket { your_discriminator: packet.your_discriminator ^ 1, ..packet };
    hand(&mut world, A, unknown);
    assert_eq!(world.discarded.pop(), Some((A, Discard::UnknownDiscriminator)));
    world.receive_from(A, InterfaceId(2), B.address(), &packet.encode(0));
    assert_eq!(world.discarded.pop(), Some((A, Discard::OtherInterface)));
    let elsewhere: IpAddr = "192.0.2.7".parse().unwrap();
    world.receive_from(A, LINK, elsewhere, &packet.encode(0));
    assert_eq!(world.state(A), State::Down, "whatever address it comes from");
}

#[test]
fn corner_cases_3_and_4_many_sessions_to_one_address_have_discriminators_of_their_own() {
    let mut engine = Engine::new(3);
    let key = |interface| SessionKey { interface: InterfaceId(interface), peer: B.address() };
    let sessions = (1..=200).map(|interface| (key(interface), session(INTERVAL, 3))).collect();
    engine.handle(Instant::ZERO, Input::Configure(Config { control_plane_independent: false, sessions }));
    let views: Vec<SessionView> = engine.sessions(Instant::ZERO).collect();
    let discriminators: std::collections::BTreeSet<u32> = views.iter().map(|view| view.local_discriminator).collect();
    assert_eq!((discriminators.len(), discriminators.contains(&0)), (200, false));
    let world = World::up(3);
    let hello = ControlPacket { your_discriminator: 0, state: State::Down, ..from_peer_of(&world, A) }.encode(0);
    let packet = |interface| Packet {
        interface: InterfaceId(interface),
        source: B.address(),
        ttl: 255,
        received: Instant::ZERO,
        octets: &hello,
    };
    engine.handle(Instant::ZERO, Input::Packet(packet(7)));
    let moved: Vec<SessionKey> =
        engine.sessions(Instant::ZERO).filter(|view| view.state == State::Init).map(|view| view.session).collect();
    assert_eq!(moved, [key(7)]);
}

#[test]
fn corner_case_5_a_peer_that_was_started_again_is_accepted_at_once() {
    let mut world = World::up(5);
    let before = world.view(A).remote_discriminator;
    world.engines.insert(B, Engine::new(99));
    world.configure(B, session(INTERVAL, MULTIPLIER));
    world.handle(B, Input::Link { interface: LINK, state: LinkState::Up });
    world.run_to(A, State::Down, ms(10));
    world.run_to(A, State::Up, Duration::from_secs(3));
    assert_ne!(world.view(A).remote_discriminator, before);
}

#[test]
fn corner_case_6_the_peers_discriminator_is_forgotten_at_the_first_expiry_and_not_at_its_down() {
    let mut world = World::up(6);
    let packet = from_peer_of(&world, A);
    hand(&mut world, A, ControlPacket { state: State::Down, ..packet });
    assert_eq!(world.state(A), State::Down);
    assert_ne!(world.last(A).packet().your_discriminator, 0);
    let mut world = World::up(6);
    world.cut.insert(B, true);
    world.run_to(A, State::Down, ms(200));
    assert_eq!(world.last(A).packet().your_discriminator, 0);
}

#[test]
fn corner_case_7_a_session_that_is_down_keeps_its_discriminator() {
    let mut world = World::up(7);
    let before = world.view(A).local_discriminator;
    world.cut = [(A, true), (B, true)].into();
    world.run(Duration::from_secs(30));
    assert_eq!(world.view(A).local_discriminator, before);
}

#[test]
fn corner_case_8_the_detection_time_is_the_peers_multiplier_times_the_slower_interval() {
    for (own, peer, expected) in [
        (session(ms(50), 3), session(ms(20), 5), 250),
        (session(ms(20), 5), session(ms(50), 3), 150),
        (SessionConfig { required_min_rx: ms(80), ..session(ms(10), 9) }, session(ms(30), 2), 160),
    ] {
        let mut world = World::of(8, own, peer);
        world.run(Duration::from_secs(5));
        assert_eq!(world.view(A).detection_time, Some(ms(expected)));
    }
}

#[test]
fn corner_case_9_another_multiplier_counts_from_the_next_packet_without_a_poll() {
    let mut world = World::up(9);
    world.configure(B, session(INTERVAL, 7));
    assert_eq!(world.last(B).packet().sequence, PollSequence::Neither);
    world.run(DELAY);
    assert_eq!(world.view(A).detection_time, Some(ms(350)));
}

#[test]
fn corner_case_10_a_session_that_is_not_up_sends_once_a_second_and_says_so() {
    for seed in 0..50 {
        let mut world = World::new(seed);
        world.cut = [(A, true), (B, true)].into();
        world.run(Duration::from_secs(100));
        let sent = world.sent_since(A, Instant::ZERO);
        assert!((100..=135).contains(&sent.len()), "seed {seed}: {} packets", sent.len());
        assert!(sent.iter().all(|sent| sent.packet().desired_min_tx == Micros(1_000_000)));
        world.cut = [(A, false), (B, false)].into();
        let since = world.now;
        world.run_to(A, State::Up, Duration::from_secs(3));
        let fast: Vec<ControlPacket> = world.sent_since(A, since).into_iter().map(Sent::packet).collect();
        let is_fast = |packet: &ControlPacket| packet.desired_min_tx == Micros(50_000);
        assert!(fast.iter().all(|packet| is_fast(packet) == (packet.state == State::Up)));
        assert!(fast.iter().any(|packet| is_fast(packet) && packet.sequence == PollSequence::Poll));
    }
}

#[test]
fn corner_case_11_what_the_peer_requires_counts_at_once_and_zero_stops_periodic_packets() {
    let mut world = World::up(11);
    let packet = from_peer_of(&world, A);
    let silent = |world: &mut World, required: u32, time| {
        hand(world, A, ControlPacket { required_min_rx: Micros(required), ..packet });
        world.cut.insert(B, true);
        let since = world.now;
        world.run(time);
        world.sent_since(A, since).len()
    };
    // Within the detection time of 150 ms.
    assert_eq!(silent(&mut world, 1_000_000, ms(140)), 0);
    assert!(silent(&mut world, 20_000, ms(140)) >= 2, "own interval of 50 ms, which is the longer one");
    assert_eq!(silent(&mut world, 0, ms(140)), 0);
    assert_eq!(world.state(A), State::Up);
    world.cut.insert(B, false);
    world.run_to(A, State::Up, Duration::from_secs(1));
    world.run(Duration::from_secs(1));
    assert_eq!(world.view(A).transmit_interval, Some(INTERVAL));
}

#[test]
fn corner_case_12_slower_packets_wait_for_the_final_and_faster_ones_do_not() {
    let mut world = World::up(12);
    // Nothing of B arrives, so that no Final does.
    world.cut.insert(B, true);
    world.configure(A, session(ms(100), MULTIPLIER));
    assert_eq!(world.last(A).packet().desired_min_tx, Micros(100_000));
    assert_eq!(world.view(A).transmit_interval, Some(INTERVAL), "the old one");
    world.run(ms(60));
    assert!(world.last(A).packet().sequence == PollSequence::Poll);
    world.cut.insert(B, false);
    world.run(ms(200));
    assert_eq!(world.view(A).transmit_interval, Some(ms(100)));
    assert_eq!(world.last(A).packet().sequence, PollSequence::Neither);
    // B's detection time follows what A requires and sends.
    assert_eq!((world.view(A).detection_time, world.view(B).detection_time), (Some(ms(300)), Some(ms(300))));
    world.cut.insert(B, true);
    world.configure(A, session(ms(20), MULTIPLIER));
    assert_eq!(world.view(A).transmit_interval, Some(INTERVAL), "at once, as far as B permits");
    assert_eq!(world.view(A).detection_time, Some(ms(300)), "B may send as slowly as before until it knows");
    world.cut.insert(B, false);
    world.run(ms(200));
    assert_eq!(world.view(A).detection_time, Some(ms(150)), "B sends each 50 ms");
    assert_eq!((world.state(A), world.state(B)), (State::Up, State::Up));
}

#[test]
fn corner_case_12_what_changes_during_a_poll_is_polled_again() {
    for seed in 0..50 {
        let mut world = World::up(seed);
        for interval in [200, 30, 500, 10, 70] {
            world.configure(A, session(ms(interval), MULTIPLIER));
            world.run(ms(3));
        }
        world.run(Duration::from_secs(3));
        assert_eq!(world.view(A).transmit_interval, Some(ms(70)), "seed {seed}");
        assert_eq!(world.view(B).detection_time, Some(ms(210)));
        assert_eq!(world.changes.len(), 4, "seed {seed}: it stays up");
    }
}

#[test]
fn corner_cases_13_and_15_a_poll_is_answered_at_once_in_any_state_and_moves_no_periodic_packet() {
    let mut world = World::new(13);
    world.cut = [(A, true), (B, true)].into();
    world.run(Duration::from_secs(4));
    let hello = ControlPacket { your_discriminator: 0, ..from_peer_of(&world, A) };
    for state in [State::Down, State::Up] {
        let deadline = world.engines[&A].next_deadline();
        let your_discriminator = if state == State::Up { world.view(A).local_discriminator } else { 0 };
        let sent = world.sent.len();
        hand(&mut world, A, ControlPacket { sequence: PollSequence::Poll, state, your_discriminator, ..hello });
        let answer = world.sent[sent].packet();
        assert_eq!((world.sent[sent].at, answer.sequence), (world.now, PollSequence::Final));
        if state == State::Down {
            assert_eq!((answer.state, world.engines[&A].next_deadline()), (State::Init, deadline));
        }
    }
    assert_eq!(world.state(A), State::Up);
    // Corner case 15: many packets received starve none of our own.
    let mut world = World::up(15);
    let since = world.now;
    for _ in 0..100 {
        let packet = from_peer_of(&world, A);
        hand(&mut world, A, packet);
        world.run(ms(10));
    }
    assert!((20..=28).contains(&world.sent_since(A, since).len()), "{}", world.sent_since(A, since).len());
}

#[test]
fn corner_case_14_a_poll_that_is_a_final_is_discarded_before_its_session_is_looked_up() {
    let mut world = World::up(14);
    let mut octets = from_peer_of(&world, A).encode(0);
    octets[1] |= 0x30;
    octets[8..12].copy_from_slice(&[1, 2, 3, 4]);
    world.receive(A, &octets);
    assert_eq!(world.discarded.pop(), Some((A, Discard::Malformed(Malformation::PollAndFinal))));
}

#[test]
fn corner_case_16_intervals_are_shortened_by_up_to_a_quarter() {
    for (multiplier, longest) in [(3, ms(50)), (1, ms(45))] {
        let mut world = World::of(16, session(INTERVAL, multiplier), session(INTERVAL, multiplier));
        world.run(Duration::from_secs(5));
        let since = world.now;
        world.run(Duration::from_secs(60));
        let times: Vec<Instant> = world.sent_since(A, since).iter().map(|sent| sent.at).collect();
        let gaps: Vec<Duration> = times.windows(2).map(|pair| pair[1].saturating_since(pair[0])).collect();
        let (shortest_seen, longest_seen) = (gaps.iter().min().unwrap(), gaps.iter().max().unwrap());
        assert!(*shortest_seen >= ms(75) / 2 && *shortest_seen < ms(38), "{shortest_seen:?}");
        assert!(*longest_seen <= longest && *longest_seen > longest - ms(1), "{longest_seen:?}");
        assert_eq!(world.changes.len(), 4, "no packet is late");
    }
}

#[test]
fn corner_case_17_a_passive_end_waits_for_the_first_packet_and_sends_by_itself_after_that() {
    let passive = SessionConfig { role: Role::Passive, ..session(INTERVAL, MULTIPLIER) };
    let mut world = World::of(17, session(INTERVAL, MULTIPLIER), passive.clone());
    world.lose_what_flies();
    world.cut.insert(A, true);
    world.run(Duration::from_secs(10));
    assert_eq!(world.sent_since(B, Instant::ZERO).len(), 0);
    // Its first answer is lost.
    world.cut = [(A, false), (B, true)].into();
    world.run(Duration::from_secs(3));
    world.cut.insert(B, false);
    world.run_to(A, State::Up, Duration::from_secs(3));
    // Two passive ends are silent for ever.
    let mut world = World::of(17, passive.clone(), passive);
    world.run(Duration::from_secs(60));
    assert!(world.sent.is_empty());
}

#[test]
fn corner_case_19_cut_one_way_one_end_is_down_and_the_other_in_init() {
    for seed in 0..50 {
        let mut world = World::up(seed);
        world.cut.insert(A, true);
        world.run(Duration::from_secs(60));
        assert_eq!((world.state(A), world.state(B)), (State::Init, State::Down), "seed {seed}");
        assert_eq!(world.changes.iter().filter(|(_, _, change)| change.to == State::Up).count(), 2, "no flapping");
        world.cut.insert(A, false);
        world.run_to(B, State::Up, Duration::from_secs(3));
    }
}

#[test]
fn corner_case_21_packets_that_have_crossed_a_router_are_discarded() {
    let mut world = World::up(21);
    let octets = ControlPacket { state: State::Down, ..from_peer_of(&world, A) }.encode(0);
    for ttl in [0, 1, 64, 254] {
        let received = world.now;
        let packet = Packet { interface: LINK, source: B.address(), ttl, received, octets: &octets };
        world.handle(A, Input::Packet(packet));
        assert_eq!(world.discarded.pop(), Some((A, Discard::Ttl)));
    }
    assert_eq!(world.state(A), State::Up);
}

fn keyed(kind: AuthenticationType, key: &[u8]) -> SessionConfig {
    let authentication = Some(Authentication::new(kind, 1, key).unwrap());
    SessionConfig { authentication, ..session(INTERVAL, MULTIPLIER) }
}

#[test]
fn corner_cases_24_to_26_copies_are_refused_and_a_peer_that_starts_again_is_accepted_after_two_detection_times() {
    for kind in [
        AuthenticationType::SimplePassword,
        AuthenticationType::KeyedMd5,
        AuthenticationType::MeticulousKeyedMd5,
        AuthenticationType::KeyedSha1,
        AuthenticationType::MeticulousKeyedSha1,
    ] {
        let mut world = World::of(24, keyed(kind, b"a\0b"), keyed(kind, b"a\0b"));
        world.run(Duration::from_secs(5));
        assert_eq!((world.state(A), world.state(B)), (State::Up, State::Up), "{kind:?}");
        // From when the session came up: a copy of it would take the session down.
        let old = world.sent.iter().find(|sent| sent.from == B && sent.packet().state == State::Down).unwrap().clone();
        world.receive(A, &old.octets);
        if kind == AuthenticationType::SimplePassword {
            assert_eq!(world.state(A), State::Down, "passwords do not keep copies out");
            continue;
        }
        assert_eq!(world.discarded.pop(), Some((A, Discard::Forged(Forgery::Sequence))), "{kind:?}");
        let last = world.last(B).octets.clone();
        world.receive(A, &last);
        let is_refused = world.discarded.pop() == Some((A, Discard::Forged(Forgery::Sequence)));
        assert_eq!(is_refused, kind.is_meticulous(), "{kind:?}");
        // The peer starts again with another number.
        world.engines.insert(B, Engine::new(77));
        world.configure(B, keyed(kind, b"a\0b"));
        world.handle(B, Input::Link { interface: LINK, state: LinkState::Up });
        let took = world.run_to(A, State::Down, ms(200)) + world.run_to(A, State::Up, Duration::from_secs(4));
        assert!(took > ms(100), "{kind:?}: {took:?}");
    }
}

#[test]
fn corner_case_26_both_ends_have_a_key_or_none_has() {
    let kind = AuthenticationType::MeticulousKeyedSha1;
    for (a, b, at_a, at_b) in [
        (keyed(kind, b"key"), session(INTERVAL, MULTIPLIER), Forgery::Missing, Forgery::Unexpected),
        (keyed(kind, b"key"), keyed(kind, b"kex"), Forgery::Digest, Forgery::Digest),
        (keyed(kind, b"key"), keyed(AuthenticationType::KeyedSha1, b"key"), Forgery::Type, Forgery::Type),
    ] {
        let mut world = World::of(26, a, b);
        world.run(Duration::from_secs(3));
        assert_eq!((world.state(A), world.state(B)), (State::Down, State::Down));
        assert!(world.discarded.contains(&(A, Discard::Forged(at_a))));
        assert!(world.discarded.contains(&(B, Discard::Forged(at_b))));
    }
    // A key that is changed at both ends, one after the other, within the detection time.
    let mut world = World::of(26, keyed(kind, b"old"), keyed(kind, b"old"));
    world.run(Duration::from_secs(5));
    world.configure(A, keyed(kind, b"new"));
    world.run(ms(60));
    world.configure(B, keyed(kind, b"new"));
    world.run(Duration::from_secs(5));
    assert_eq!(world.changes.len(), 4, "it stays up");
}

#[test]
fn corner_case_28_echo_is_off_and_says_so() {
    let world = World::up(28);
    assert!(world.sent.iter().all(|sent| sent.packet().required_min_echo_rx == Micros(0)));
}

#[test]
fn corner_case_29_a_configuration_without_a_change_touches_no_session() {
    let mut world = World::up(29);
    let before = (world.view(A), world.engines[&A].next_deadline(), world.sent.len());
    world.configure(A, session(INTERVAL, MULTIPLIER));
    assert_eq!((world.view(A), world.engines[&A].next_deadline(), world.sent.len()), before);
}

#[test]
fn a_peer_in_demand_mode_gets_no_periodic_packets_and_answers_to_its_polls() {
    let mut world = World::up(30);
    let demand = ControlPacket { demand: true, ..from_peer_of(&world, A) };
    hand(&mut world, A, demand);
    world.cut.insert(B, true);
    let since = world.now;
    world.run(ms(140));
    assert_eq!(world.sent_since(A, since).len(), 0);
    hand(&mut world, A, ControlPacket { sequence: PollSequence::Poll, ..demand });
    assert_eq!(world.last(A).packet().sequence, PollSequence::Final);
    // A Poll of our own is sent all the same.
    world.configure(A, session(ms(70), MULTIPLIER));
    assert_eq!(world.last(A).packet().sequence, PollSequence::Poll);
}

#[test]
fn a_packet_with_another_discriminator_of_the_peer_is_answered_with_it() {
    let mut world = World::up(31);
    let my_discriminator = NonZeroU32::new(0x0102_0304).unwrap();
    let packet = from_peer_of(&world, A);
    hand(&mut world, A, ControlPacket { my_discriminator, ..packet });
    assert_eq!(world.last(A).packet().your_discriminator, 0x0102_0304);
}
