//! `Engine::check` notices what is broken on purpose.

use std::time::Duration;

use super::world::*;
use crate::ids::{InterfaceId, NeighborId};
use crate::state::lsdb::Entry;
use crate::{Domain, Engine, LsaPlace, NeighborKey, TimerKey};

/// Rules that do not hold after `damage` was done to an engine that has LSAs its neighbour does not acknowledge.
fn broken(damage: impl FnOnce(&mut Engine)) -> Vec<&'static str> {
    let mut world = World::with(2, &[(0, 1)], |engine, config| config.externals = externals(engine as u32));
    world.converge();
    world.run_for(Duration::from_secs(20));
    world.cut.insert(port(1, 0));
    world.reconfigure(0, |config| config.externals = externals(2));
    let mut engine = world.engines.swap_remove(0);
    assert_eq!(engine.check(), Ok(()));
    damage(&mut engine);
    engine.check().expect_err("it is broken").into_iter().map(|violation| violation.rule).collect()
}

const INTERFACE: InterfaceId = InterfaceId(2);

fn neighbor() -> NeighborKey {
    NeighborKey { interface: INTERFACE, id: NeighborId::Router(router_id(1)) }
}

fn own() -> LsaPlace {
    LsaPlace { domain: Domain::As, key: external_key(0, "20.0.1.0".parse().unwrap()) }
}

#[test]
fn a_sound_engine_that_is_damaged_is_found_out() {
    assert_eq!(
        broken(|engine| engine.databases.remove(own())),
        ["what is to be acknowledged is the instance in the database", "an LSA of ours is originated, or will be"]
    );
    assert_eq!(
        broken(|engine| {
            let entry = engine.databases.lookup(own()).unwrap();
            let (mut lsa, body) = (entry.as_installed().clone(), Entry::body(entry).clone());
            lsa.header.checksum ^= 1;
            engine.databases.domain_mut(Domain::As).insert(lsa, body, engine.now);
        }),
        ["an LSA in the database passes every check", "an LSA of ours is originated, or will be"]
    );
    assert_eq!(
        broken(|engine| engine.timers.cancel(TimerKey::Inactivity(neighbor()))),
        ["a neighbour is dead RouterDeadInterval after its last hello"]
    );
    assert_eq!(
        broken(|engine| engine.timers.cancel(TimerKey::Retransmission(neighbor()))),
        ["what is not acknowledged is sent again"]
    );
    assert_eq!(
        broken(|engine| engine.timers.cancel(TimerKey::Hello(INTERFACE))),
        ["hellos are due where packets are sent, and only there"]
    );
    assert_eq!(
        broken(|engine| engine.timers.set(TimerKey::Hello(InterfaceId(77)), engine.now)),
        ["a timer belongs to something that is there"]
    );
    assert_eq!(
        broken(|engine| engine.neighbor_mut(neighbor()).unwrap().retransmission.add(router_key(0), 24)),
        ["what is to be acknowledged is the instance in the database", "LSAs wait for nothing but room in the window"]
    );
    assert_eq!(
        broken(|engine| engine.interfaces.get_mut(&INTERFACE).unwrap().neighbors.clear())[0],
        "a timer belongs to something that is there"
    );
}
