//! Sessions as a whole: coming up, failing, being held down, being removed.

use std::time::Duration;

use super::world::*;
use crate::*;

/// The longest that a loss may go unnoticed: the detection time after the last packet arrived.
const DETECTION: Duration = Duration::from_millis(150);

#[test]
fn two_ends_come_up_within_three_packets_and_agree_on_the_intervals() {
    for seed in 0..200 {
        let mut world = World::new(seed);
        // One second and a quarter less between packets of a session that is not Up.
        let took = world.run_to(A, State::Up, Duration::from_secs(2)) + world.run_to(B, State::Up, ms(100));
        assert!(took < ms(1100), "seed {seed}: {took:?}");
        world.run(ms(500));
        for end in [A, B] {
            let view = world.view(end);
            assert_eq!((view.transmit_interval, view.detection_time), (Some(INTERVAL), Some(DETECTION)));
            assert_eq!(view.remote_state.map(|(state, _)| state), Some(State::Up));
            assert!(view.remote_control_plane_independent);
            assert_eq!(view.remote_discriminator, world.view(end.other()).local_discriminator);
        }
        assert_eq!(world.discarded, []);
    }
}

#[test]
fn a_cut_is_found_by_both_ends_within_the_detection_time_and_never_before() {
    for seed in 0..200 {
        let mut world = World::up(seed);
        world.run(Duration::from_secs(20));
        assert_eq!(world.changes.len(), 4, "seed {seed}: it stays up: {:?}", world.changes);
        world.cut = [(A, true), (B, true)].into();
        let begin = world.now;
        for end in [A, B] {
            world.run_to(end, State::Down, DETECTION + DELAY + ms(1));
        }
        for (at, _, change) in &world.changes[4..] {
            let took = at.saturating_since(begin);
            // The last packet may have been sent up to an interval before.
            assert!(took >= DETECTION - INTERVAL && took <= DETECTION + DELAY, "seed {seed}: {took:?}");
            assert_eq!(change.cause, Cause::DetectionTimeExpired);
            assert_eq!(change.diagnostic, Diagnostic::DETECTION_TIME_EXPIRED);
            assert!(change.is_failure() && change.remote_control_plane_independent);
        }
        world.cut = [(A, false), (B, false)].into();
        world.run_to(A, State::Up, Duration::from_secs(4));
    }
}

#[test]
fn two_lost_packets_in_a_row_take_no_session_down() {
    for seed in 0..200 {
        let mut world = World::up(seed);
        for _ in 0..100 {
            // Whatever is sent in this time is lost: at most two packets, with intervals of 37.5 to 50 ms.
            world.cut = [(A, true), (B, true)].into();
            world.run(ms(75));
            world.cut = [(A, false), (B, false)].into();
            world.run(ms(75));
        }
        assert_eq!((world.state(A), world.state(B), world.changes.len()), (State::Up, State::Up, 4), "seed {seed}");
    }
}

#[test]
fn corner_case_20_an_operator_who_holds_a_session_down_causes_no_failure_even_if_a_packet_is_lost() {
    for (seed, lost) in (0..100).map(|seed| (seed, seed % 2 == 0)) {
        let mut world = World::up(seed);
        world.changes.clear();
        world.cut.insert(A, lost);
        world.configure(A, SessionConfig { admin: Admin::Disabled, ..session(INTERVAL, MULTIPLIER) });
        world.cut.insert(A, false);
        world.run(Duration::from_secs(3));
        let causes: Vec<(End, Cause, bool)> =
            world.changes.iter().map(|(_, end, change)| (*end, change.cause, change.is_failure())).collect();
        let expected = [(A, Cause::Disabled, false), (B, Cause::Received(State::AdminDown), false)];
        assert_eq!(causes, expected, "seed {seed}");
        assert_eq!(world.last(A).packet().diagnostic, Diagnostic::ADMINISTRATIVELY_DOWN);
        let recent = world.now - Duration::from_secs(2);
        assert!((1..=3).contains(&world.sent_since(A, recent).len()), "once a second after that");
        world.configure(A, session(INTERVAL, MULTIPLIER));
        world.run_to(B, State::Up, Duration::from_secs(3));
    }
}

#[test]
fn corner_case_30_a_session_that_is_removed_says_so_for_a_detection_time_and_is_forgotten() {
    for (seed, lost) in (0..100).map(|seed| (seed, seed % 2 == 0)) {
        let mut world = World::up(seed);
        world.changes.clear();
        world.cut.insert(A, lost);
        world.handle(A, Input::Configure(Config { control_plane_independent: true, ..Config::default() }));
        world.cut.insert(A, false);
        assert_eq!(world.engines[&A].sessions(world.now).count(), 0);
        world.run(DETECTION + DELAY);
        let causes: Vec<Cause> = world.changes.iter().map(|(_, _, change)| change.cause).collect();
        assert_eq!(causes, [Cause::Received(State::AdminDown)], "seed {seed}");
        assert_eq!((world.engines[&A].next_deadline(), &world.ended[..]), (None, &[A][..]));
        // What arrives afterwards finds nothing.
        world.run(Duration::from_secs(2));
        let is_lost = |reason| matches!(reason, Discard::UnknownPeer | Discard::UnknownDiscriminator);
        assert!(world.discarded.iter().all(|(end, reason)| *end == A && is_lost(*reason)), "{:?}", world.discarded);
        world.configure(A, session(INTERVAL, MULTIPLIER));
        world.run_to(B, State::Up, Duration::from_secs(3));
    }
}

#[test]
fn a_session_that_is_configured_again_while_it_says_farewell_comes_up_again() {
    let mut world = World::up(1);
    world.handle(A, Input::Configure(Config::default()));
    world.run(ms(20));
    world.configure(A, session(INTERVAL, MULTIPLIER));
    world.run(Duration::from_secs(3));
    assert_eq!((world.state(A), world.state(B), world.ended.len()), (State::Up, State::Up, 0));
}

#[test]
fn corner_case_18_an_interface_that_goes_down_takes_its_sessions_down_at_once_and_sends_nothing() {
    let mut world = World::up(3);
    world.handle(A, Input::Link { interface: LINK, state: LinkState::Down });
    let (at, _, change) = *world.changes.last().unwrap();
    assert_eq!((at, change.to, change.cause), (world.now, State::Down, Cause::LinkDown));
    assert_eq!(change.diagnostic, Diagnostic::PATH_DOWN);
    let since = world.now;
    world.run(Duration::from_secs(3));
    assert_eq!(world.sent_since(A, since).len(), 0);
    assert_eq!(world.state(B), State::Down);
    world.handle(A, Input::Link { interface: LINK, state: LinkState::Up });
    world.run_to(A, State::Up, Duration::from_secs(3));
    assert_eq!(world.last(A).packet().diagnostic, Diagnostic::PATH_DOWN, "the peer learns why it was down");
}

/// This process had to wait for a processor while packets lay in its socket.
#[test]
fn packets_that_had_to_wait_in_the_socket_count_from_their_arrival() {
    let mut world = World::up(4);
    let heard = world.now;
    let octets = world.last(B).octets.clone();
    let mut packet = world.last(B).packet();
    packet.sequence = wire::PollSequence::Neither;
    assert_eq!(packet.encode(0).len(), octets.len());
    world.cut = [(A, true), (B, true)].into();
    // Nothing is handed over and no deadline is judged for half a second; one packet arrived 100 ms ago.
    world.now = heard + ms(500);
    let received = world.now - ms(100);
    let packet = packet.encode(0);
    let arrived = Packet { interface: LINK, source: B.address(), ttl: 255, received, octets: &packet };
    world.handle(A, Input::Packet(arrived));
    world.handle(A, Input::Tick);
    world.handle(B, Input::Tick);
    assert_eq!(world.state(A), State::Up);
    assert_eq!(world.view(A).heard, Some(ms(100)));
    let took = world.run_to(A, State::Down, ms(60));
    assert_eq!(took, ms(50), "and not from when it was handed over");
}

#[test]
fn the_engine_is_determined_by_its_inputs_and_its_seed() {
    let story = |seed| {
        let mut world = World::up(seed);
        world.cut.insert(A, true);
        world.run(Duration::from_secs(4));
        let sent: Vec<(Instant, End, Vec<u8>)> =
            world.sent.into_iter().map(|sent| (sent.at, sent.from, sent.octets)).collect();
        (sent, world.changes)
    };
    assert_eq!(story(5), story(5));
    assert_ne!(story(5).0, story(6).0);
}

proptest::proptest! {
    #[test]
    fn no_octets_take_a_session_down_or_panic(octets in proptest::collection::vec(0_u8.., 0..64), zero in proptest::bool::ANY) {
        let mut world = World::up(7);
        let mut octets = octets;
        if zero && octets.len() >= 12 {
            octets[0] = 0x20;
            octets[8..12].fill(0);
        }
        let before = world.state(A);
        world.receive_from(A, LINK, "192.0.2.1".parse().unwrap(), &octets);
        proptest::prop_assert_eq!(world.state(A), before);
        world.run(Duration::from_secs(1));
        proptest::prop_assert_eq!(world.state(A), State::Up);
    }
}
