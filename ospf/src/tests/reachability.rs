//! Routers that cannot be reached and whose LSAs stay: who, for how long, and how many LSAs.

use std::collections::BTreeMap;
use std::time::Duration;

use super::flooding::opaque;
use super::world::*;
use crate::wire::PacketBody;
use crate::{AreaId, LinkState, LsaType, RouterId, UnreachableView};

fn unreachable(world: &World) -> Vec<UnreachableView> {
    world.engines[0].unreachable_originators()
}

#[test]
fn a_router_that_is_cut_off_is_shown_with_its_lsas_until_they_are_gone() {
    let mut world = World::with(3, &[(0, 1), (1, 2)], |engine, config| {
        if engine == 2 {
            config.externals = externals(10);
        }
    });
    world.converge();
    // Half an hour before the next refresh of its LSAs; their age is not how long it has been cut off.
    world.run_for(Duration::from_secs(600));
    assert_eq!(unreachable(&world), []);
    for (engine, (_, id)) in [(1, port(1, 2)), (2, port(2, 1))] {
        world.link(engine, id, LinkState::Down);
    }
    world.run_for(Duration::from_secs(300));
    let [view] = &unreachable(&world)[..] else { panic!("{:?}", unreachable(&world)) };
    assert_eq!((view.router_id, view.lsas), (router_id(2), 11), "its Router-LSA and ten AS-external-LSAs");
    assert_eq!(view.lsas_of_area, BTreeMap::from([(AreaId::BACKBONE, 1)]));
    assert!(view.unreachable_for > Duration::from_secs(290), "{view:?}");
    assert!(view.unreachable_for <= Duration::from_secs(300), "{view:?}");
    assert!(view.gone_in > Duration::from_secs(2600) && view.gone_in < Duration::from_secs(2800), "{view:?}");
    for (engine, (_, id)) in [(1, port(1, 2)), (2, port(2, 1))] {
        world.link(engine, id, up(engine, id));
    }
    world.converge();
    world.run_for(Duration::from_secs(10));
    assert_eq!(unreachable(&world), [], "reached again");
    for (engine, (_, id)) in [(1, port(1, 2)), (2, port(2, 1))] {
        world.link(engine, id, LinkState::Down);
    }
    world.run_for(Duration::from_secs(3700));
    assert_eq!(unreachable(&world), [], "MaxAge");
}

#[test]
fn a_router_that_never_was_there_is_unreachable_since_there_have_been_lsas_of_it() {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    for id in 0..5 {
        let lsa = opaque(LsaType::OPAQUE_AREA, id, b"tlv?");
        world.inject(port(0, 1), 1, PacketBody::LinkStateUpdate(vec![lsa]));
        world.run_for(Duration::from_secs(10));
    }
    world.run_for(Duration::from_secs(1000));
    let [view] = &unreachable(&world)[..] else { panic!("{:?}", unreachable(&world)) };
    assert_eq!((view.router_id, view.lsas), (RouterId(77), 5));
    let near = |found: Duration, seconds: u64| found.abs_diff(Duration::from_secs(seconds)) <= Duration::from_secs(1);
    assert!(near(view.unreachable_for, 1050) && near(view.gone_in, 3600 - 1010), "{view:?}");
}
