//! Two ends and a wire that loses, repeats and forges, in any order; ends that restart and are configured anew. Whatever has happened, both
//! are Up soon after it has ended, and stay so.

use std::time::Duration;

use proptest::prelude::*;

use super::world::*;
use crate::*;

/// What happens.
#[derive(Debug, Clone)]
enum Event {
    Run(u64),
    Cut(End, bool),
    LoseWhatFlies,
    /// A packet that the end has sent arrives again; how many it has sent since.
    Repeat(End, usize),
    /// The same with an octet changed.
    Forge(End, usize, usize, u8),
    Restart(End),
    Configure(End, u64, u8),
    Disable(End),
    Remove(End),
    Link(End, LinkState),
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(A), Just(B)]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0_u64..1500).prop_map(Event::Run),
        2 => (end(), any::<bool>()).prop_map(|(end, cut)| Event::Cut(end, cut)),
        1 => Just(Event::LoseWhatFlies),
        2 => (end(), 0_usize..50).prop_map(|(end, since)| Event::Repeat(end, since)),
        2 => (end(), 0_usize..5, 0_usize..52, any::<u8>()).prop_map(|(end, since, place, octet)| Event::Forge(end, since, place, octet)),
        1 => end().prop_map(Event::Restart),
        1 => (end(), 10_u64..2000, 1_u8..10).prop_map(|(end, interval, multiplier)| Event::Configure(end, interval, multiplier)),
        1 => end().prop_map(Event::Disable),
        1 => end().prop_map(Event::Remove),
        1 => (end(), prop_oneof![Just(LinkState::Up), Just(LinkState::Down)]).prop_map(|(end, state)| Event::Link(end, state)),
    ]
}

fn with_key(config: SessionConfig, kind: Option<AuthenticationType>) -> SessionConfig {
    let authentication = kind.map(|kind| Authentication::new(kind, 1, b"key").unwrap());
    SessionConfig { authentication, ..config }
}

fn happen(world: &mut World, event: &Event, kind: Option<AuthenticationType>, seed: u64) {
    let sent = |world: &World, end: End, since: usize| {
        world.sent.iter().rev().filter(|sent| sent.from == end).nth(since).map(|sent| sent.octets.clone())
    };
    match *event {
        Event::Run(millis) => world.run(ms(millis)),
        Event::Cut(end, cut) => drop(world.cut.insert(end, cut)),
        Event::LoseWhatFlies => world.lose_what_flies(),
        Event::Repeat(end, since) => {
            if let Some(octets) = sent(world, end, since) {
                world.receive(end.other(), &octets);
            }
        }
        Event::Forge(end, since, place, octet) => {
            if let Some(mut octets) = sent(world, end, since) {
                let place = place % octets.len();
                octets[place] = octet;
                world.receive(end.other(), &octets);
            }
        }
        Event::Restart(end) => {
            world.engines.insert(end, Engine::new(seed));
            world.configure(end, with_key(session(INTERVAL, MULTIPLIER), kind));
            world.handle(end, Input::Link { interface: LINK, state: LinkState::Up });
        }
        Event::Configure(end, interval, multiplier) => {
            world.configure(end, with_key(session(ms(interval), multiplier), kind));
        }
        Event::Disable(end) => {
            let disabled = SessionConfig { admin: Admin::Disabled, ..session(INTERVAL, MULTIPLIER) };
            world.configure(end, with_key(disabled, kind));
        }
        Event::Remove(end) => world.handle(end, Input::Configure(Config::default())),
        Event::Link(end, state) => world.handle(end, Input::Link { interface: LINK, state }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn whatever_has_happened_both_ends_are_up_soon_after_and_stay_so(
        events in proptest::collection::vec(event(), 0..40),
        seed in any::<u64>(),
        kind in prop_oneof![
            Just(None),
            Just(Some(AuthenticationType::KeyedMd5)),
            Just(Some(AuthenticationType::MeticulousKeyedSha1)),
        ],
    ) {
        let normal = with_key(session(INTERVAL, MULTIPLIER), kind);
        let mut world = World::of(seed, normal.clone(), normal.clone());
        for (nth, event) in (0..).zip(&events) {
            happen(&mut world, event, kind, seed ^ nth);
        }
        world.lose_what_flies();
        for end in [A, B] {
            world.cut.insert(end, false);
            world.configure(end, normal.clone());
            world.handle(end, Input::Link { interface: LINK, state: LinkState::Up });
        }
        // A sequence number of before is forgotten after two detection times, of which the longest is one of 18 s.
        world.run(Duration::from_secs(45));
        world.changes.clear();
        world.run(Duration::from_secs(10));
        prop_assert_eq!((world.state(A), world.state(B)), (State::Up, State::Up));
        prop_assert_eq!(world.changes.len(), 0);
        for end in [A, B] {
            prop_assert_eq!(world.view(end).transmit_interval, Some(INTERVAL));
        }
    }
}
