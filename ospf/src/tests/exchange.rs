//! Databases get in step (RFC 2328 §10.6 to §10.9), whatever the network does to packets.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::world::*;
use crate::wire::{DatabaseDescription, DdFlags, Options, PacketBody};
use crate::{LinkState, NeighborId, NeighborKey, NeighborState as S};

fn neighbor(world: &mut World, engine: usize, other: usize) -> &mut crate::state::neighbor::Neighbor {
    let key = NeighborKey { interface: port(engine, other).1, id: NeighborId::Router(router_id(other)) };
    world.engines[engine].neighbor_mut(key).unwrap()
}

fn descriptions(world: &World, engine: usize) -> Vec<DatabaseDescription> {
    let bodies = world.sent_by(engine, crate::Instant::ZERO).map(super::world::Sent::body);
    bodies
        .filter_map(|body| match body {
            PacketBody::DatabaseDescription(description) => Some(description),
            _ => None,
        })
        .collect()
}

#[test]
fn corner_case_12_in_ex_start_an_answer_is_the_slaves_only_without_i_and_without_ms() {
    // Engine 1 has the larger id and is to be master; its peer's answers come from the test.
    let mut world = World::new(2, &[(0, 1)]);
    world.cut.extend([port(0, 1), port(1, 0)]);
    let hello = world.sent_by(0, crate::Instant::ZERO).next().unwrap().body();
    let PacketBody::Hello(mut hello) = hello else { panic!() };
    hello.neighbors = vec![router_id(1)];
    world.inject(port(1, 0), 0, PacketBody::Hello(hello));
    assert_eq!(world.state(1, 0), S::ExStart);
    let sequence = descriptions(&world, 1)[0].sequence;
    let answer = |init, master| {
        PacketBody::DatabaseDescription(DatabaseDescription {
            interface_mtu: 1420,
            options: Options::E,
            flags: DdFlags { init, more: false, master },
            sequence,
            headers: vec![],
        })
    };
    for (init, master) in [(true, true), (true, false), (false, true)] {
        world.inject(port(1, 0), 0, answer(init, master));
        assert_eq!(world.state(1, 0), S::ExStart, "I {init}, MS {master}");
    }
    world.inject(port(1, 0), 0, answer(false, false));
    assert_eq!(world.state(1, 0), S::Exchange);
}

#[test]
fn corner_case_13_the_dd_sequence_number_wraps_and_goes_on_from_the_last_after_a_mismatch() {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    world.run_for(Duration::from_secs(1));
    neighbor(&mut world, 1, 0).exchange.sequence = u32::MAX;
    let nonsense = DatabaseDescription {
        interface_mtu: 1420,
        options: Options::E,
        flags: DdFlags::default(),
        sequence: 12345,
        headers: vec![],
    };
    let before = descriptions(&world, 1).len();
    world.inject(port(1, 0), 0, PacketBody::DatabaseDescription(nonsense));
    assert!(world.neighbor_events(1).contains(&(S::Full, S::ExStart, "SeqNumberMismatch")));
    assert_eq!(descriptions(&world, 1)[before].sequence, 0);
    world.run_for(Duration::from_secs(6));
    assert!(world.all_full());
    assert_eq!(descriptions(&world, 1).last().unwrap().sequence, 1);
}

#[test]
fn corner_case_14_the_slave_answers_a_repeated_description_whenever_it_comes() {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    let last = descriptions(&world, 1).pop().unwrap();
    for pause in [Duration::from_secs(1), DEAD * 3] {
        world.run_for(pause);
        let since = world.now;
        world.inject(port(0, 1), 1, PacketBody::DatabaseDescription(last.clone()));
        assert_eq!(world.state(0, 1), S::Full);
        let answer = descriptions(&world, 0).pop().unwrap();
        assert_eq!(world.sent_by(0, since).count(), 1);
        assert_eq!(answer.sequence, last.sequence);
    }
}

/// A Database Description from the peer of the engine under test, which itself is cut off.
fn description(flags: [bool; 3], sequence: u32) -> PacketBody {
    let [init, more, master] = flags;
    PacketBody::DatabaseDescription(DatabaseDescription {
        interface_mtu: 1420,
        options: Options::E.with(Options::O),
        flags: DdFlags { init, more, master },
        sequence,
        headers: vec![],
    })
}

#[test]
fn a_slave_whose_master_is_silent_negotiates_again() {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    world.deliver = Box::new(|sent| matches!(sent.body(), PacketBody::Hello(_)));
    world.run_for(Duration::from_secs(2));
    // A copy of an old packet settles the roles, and the master knows nothing of it.
    world.inject(port(0, 1), 1, description([true, true, true], 77));
    world.inject(port(0, 1), 1, description([true, true, true], 77));
    assert_eq!(world.state(0, 1), S::Exchange);
    world.run_for(DEAD - Duration::from_secs(1));
    assert_eq!(world.state(0, 1), S::Exchange, "a master that is there repeats itself every RxmtInterval of its own");
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.neighbor_events(0).last(), Some(&(S::Exchange, S::ExStart, "MasterSilent")));
    world.deliver = Box::new(|_| true);
    world.run_for(Duration::from_secs(12));
    assert!(world.all_full() && world.agree());
}

#[test]
fn a_master_that_declared_itself_before_and_does_again_is_heard() {
    // What `ospf-sim mesh 2 --seed 119 --reordering 0.2 --faults 8 --fault-every 700` came to: an old answer settles the roles for the
    // master, whose slave is in ExStart and says so with the number that it had said before.
    let mut world = World::new(2, &[(0, 1)]);
    world.cut.extend([port(0, 1), port(1, 0)]);
    world.run_for(Duration::from_millis(100));
    let hello = world.sent_by(0, crate::Instant::ZERO).next().unwrap().body();
    let PacketBody::Hello(mut hello) = hello else { panic!() };
    hello.neighbors = vec![router_id(1)];
    world.inject(port(1, 0), 0, PacketBody::Hello(hello.clone()));
    let sequence = descriptions(&world, 1)[0].sequence;
    let declaration = || description([true, true, true], sequence.wrapping_sub(1000));
    world.inject(port(1, 0), 0, declaration());
    world.inject(port(1, 0), 0, description([false, false, false], sequence));
    assert_eq!(world.state(1, 0), S::Exchange);
    world.inject(port(1, 0), 0, declaration());
    assert_eq!(world.state(1, 0), S::Exchange, "it may have been overtaken");
    world.run_for(Duration::from_secs(1));
    world.inject(port(1, 0), 0, declaration());
    assert_eq!(world.neighbor_events(1).last(), Some(&(S::Exchange, S::ExStart, "SeqNumberMismatch")));
}

#[test]
fn a_neighbor_that_counts_on_from_the_numbers_of_an_exchange_has_begun_another() {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    let first = descriptions(&world, 1)[0].sequence;
    // Engine 1 is master. Its slave goes on from its last number at once.
    let last = descriptions(&world, 1).pop().unwrap().sequence;
    world.inject(port(1, 0), 0, description([true, true, true], last.wrapping_add(1)));
    assert_eq!(world.neighbor_events(1).last(), Some(&(S::Full, S::ExStart, "SeqNumberMismatch")));
    assert_eq!(world.neighbor_events(0).last().map(|step| step.1), Some(S::Full));
    // And so does the master: the slave takes that as the first packet of the exchange.
    world.inject(port(0, 1), 1, description([true, true, true], last.wrapping_add(2)));
    let events = world.neighbor_events(0);
    let steps: Vec<_> = events.iter().rev().take(2).map(|step| (step.1, step.2)).collect();
    assert_eq!(steps, [(S::Exchange, "NegotiationDone"), (S::ExStart, "SeqNumberMismatch")], "after {first}");
}

#[test]
fn every_lost_packet_of_an_exchange_is_made_up_for() {
    // Each of the first packets is lost once, one in each run.
    for lost in 0..24 {
        let mut world = World::with(2, &[(0, 1)], |engine, config| {
            config.externals =
                (0..150).map(|i| (crate::Prefix::new([20 + engine as u8, i, 0, 0].into(), 16), external())).collect();
        });
        let mut count = 0;
        world.deliver = Box::new(move |_| {
            count += 1;
            count != lost + 1
        });
        world.run_for(Duration::from_secs(31));
        assert!(world.all_full() && world.agree(), "packet {lost} lost");
        assert_eq!(world.engines[0].lsdb().count(), 302);
        let resets = world.neighbor_events(0).iter().filter(|step| step.2 == "BadLSReq").count();
        assert_eq!(resets, 0);
    }
}

#[test]
fn corner_case_31_the_request_timer_resends_and_never_resets() {
    let mut world = World::with(2, &[(0, 1)], |engine, config| {
        config.externals = if engine == 1 { externals(10) } else { BTreeMap::new() };
    });
    world.deliver = Box::new(|sent| !matches!(sent.body(), PacketBody::LinkStateUpdate(_)));
    world.run_for(Duration::from_secs(38));
    assert_eq!(world.state(0, 1), S::Loading);
    let resets = world.neighbor_events(0).iter().filter(|step| step.1 == S::ExStart).count();
    assert_eq!(resets, 1, "the first");
    let requests = world.sent_by(0, crate::Instant::ZERO);
    let requests = requests.filter(|sent| matches!(sent.body(), PacketBody::LinkStateRequest(_))).count();
    assert!((7..=8).contains(&requests), "{requests}");
    world.deliver = Box::new(|_| true);
    world.run_for(Duration::from_secs(6));
    assert!(world.all_full());
    // What was flooded meanwhile, and lost eight times, is sent again less often.
    world.run_to(Duration::from_secs(90), World::agree);
}

#[test]
fn corner_case_11_a_flood_that_empties_a_request_list_completes_loading() {
    let mut world = World::new(3, &[(0, 1), (0, 2)]);
    world.converge();
    // 0 hears of 2's new external from 1 only as a description, and the answer never comes; then 2 floods it.
    world.reconfigure(2, |config| config.externals = externals(1));
    world.run_for(Duration::from_secs(10));
    let key = external_key(2, "20.0.0.0".parse().unwrap());
    let wanted = world.lsa(0, key).unwrap();
    world.engines[0].databases.remove(crate::LsaPlace { domain: crate::Domain::As, key });
    world.cut.insert(port(1, 0));
    let description = DatabaseDescription {
        interface_mtu: 1420,
        options: Options::E.with(Options::O),
        flags: DdFlags { init: false, more: false, master: true },
        sequence: 1,
        headers: vec![wanted.header],
    };
    // 1 is master of the exchange with 0.
    let start = DatabaseDescription {
        flags: DdFlags { init: true, more: true, master: true },
        sequence: 0,
        headers: vec![],
        ..description.clone()
    };
    world.inject(port(0, 1), 1, PacketBody::DatabaseDescription(start.clone()));
    world.inject(port(0, 1), 1, PacketBody::DatabaseDescription(start));
    world.inject(port(0, 1), 1, PacketBody::DatabaseDescription(description));
    assert_eq!(world.state(0, 1), S::Loading);
    world.inject(port(0, 2), 2, PacketBody::LinkStateUpdate(vec![wanted]));
    assert_eq!(world.state(0, 1), S::Full);
}

#[test]
fn corner_case_10_eight_peers_that_serve_the_same_database_at_once_reset_nobody_and_leave_no_hole() {
    let links: Vec<_> = (1..9).flat_map(|peer| [(0, peer), (peer, 9)]).collect();
    let mut world = World::with(10, &links, |engine, config| {
        config.externals = if engine == 9 { externals(600) } else { BTreeMap::new() };
    });
    for peer in 1..9 {
        world.cut.extend([port(0, peer), port(peer, 0)]);
    }
    world.run_for(Duration::from_secs(20));
    world.cut.clear();
    let since = world.now;
    world.run_for(HELLO + Duration::from_secs(3));
    assert!(world.all_full() && world.agree());
    let asked: Vec<_> = world
        .sent_by(0, since)
        .filter_map(|sent| match sent.body() {
            PacketBody::LinkStateRequest(keys) => Some(keys),
            _ => None,
        })
        .flatten()
        .collect();
    let different: BTreeSet<_> = asked.iter().collect();
    assert!(different.len() > 600);
    assert_eq!(asked.len(), different.len(), "nothing was asked of two");
    for engine in 0..10 {
        let resets = |step: &&(S, S, &str)| matches!(step.2, "BadLSReq" | "SeqNumberMismatch");
        assert_eq!(world.neighbor_events(engine).iter().filter(resets).count(), 0);
    }
}

#[test]
fn answers_leave_in_bursts_that_a_receive_buffer_holds() {
    let mut world = World::with(2, &[(0, 1)], |engine, config| {
        config.externals = if engine == 1 { externals(5000) } else { BTreeMap::new() };
    });
    world.run_for(Duration::from_secs(5));
    assert!(world.all_full() && world.agree());
    let mut by_instant: BTreeMap<_, usize> = BTreeMap::new();
    for sent in world.sent.iter().filter(|sent| sent.from.0 == 1) {
        *by_instant.entry(sent.at).or_default() += sent.bytes.len();
        assert!(sent.bytes.len() + 20 <= 1420, "no packet is longer than the MTU");
    }
    let most = by_instant.values().max().copied().unwrap();
    assert!(most < 96 * 1024, "{most} octets in one instant");
}

#[test]
fn a_tiny_mtu_slows_the_exchange_but_does_not_stop_it() {
    let mut world = World::with(2, &[(0, 1)], |_, config| config.externals = externals(20));
    for engine in 0..2 {
        let id = port(engine, 1 - engine).1;
        let addressing = crate::Addressing::Unnumbered(loopback(engine));
        world.link(engine, id, crate::LinkState::Up { index: 1, mtu: 60, addressing });
    }
    world.run_for(Duration::from_secs(20));
    assert!(world.all_full() && world.agree());
}

#[test]
fn corner_case_30_opaque_lsas_are_not_described_to_a_neighbor_without_the_o_bit() {
    let mut world = World::new(3, &[(0, 1), (0, 2)]);
    world.converge();
    let opaque = super::flooding::opaque(crate::LsaType::OPAQUE_AREA, 2, b"unparsed");
    world.inject(port(0, 2), 2, PacketBody::LinkStateUpdate(vec![opaque.clone()]));
    world.run_for(Duration::from_secs(2));
    assert!(world.lsa(1, opaque.header.key).is_some(), "an opaque-capable neighbour has it");
    for (capability, sequence, described) in [(Options::E, 77, false), (Options::E.with(Options::O), 770, true)] {
        world.cut.extend([port(0, 1), port(1, 0)]);
        world.run_for(Duration::from_secs(2));
        let before = descriptions(&world, 0).len();
        let mut start = DatabaseDescription {
            interface_mtu: 1420,
            options: capability,
            flags: DdFlags { init: true, more: true, master: true },
            sequence,
            headers: vec![],
        };
        world.inject(port(0, 1), 1, PacketBody::DatabaseDescription(start.clone()));
        world.inject(port(0, 1), 1, PacketBody::DatabaseDescription(start.clone()));
        start.flags = DdFlags { init: false, more: true, master: true };
        start.sequence = sequence + 1;
        world.inject(port(0, 1), 1, PacketBody::DatabaseDescription(start));
        let told = descriptions(&world, 0).split_off(before);
        let told = told.iter().flat_map(|packet| &packet.headers).any(|header| header.key == opaque.header.key);
        assert_eq!(told, described);
        let pending = neighbor(&mut world, 0, 1).retransmission.contains(opaque.header.key);
        assert!(!pending);
    }
}

#[test]
fn requests_are_answered_once_both_have_described_their_databases() {
    let mut world = World::with(2, &[(0, 1)], |engine, config| {
        config.externals = externals(if engine == 1 { 500 } else { 0 });
    });
    world.run_for(Duration::from_secs(1));
    assert!(world.all_full() && world.agree());
    let first = |engine: usize, kind: fn(&PacketBody) -> bool| {
        world.sent.iter().position(|sent| sent.from.0 == engine && kind(&sent.body())).unwrap()
    };
    let last_description =
        world.sent.iter().rposition(|sent| matches!(sent.body(), PacketBody::DatabaseDescription(_)));
    let request = first(0, |body| matches!(body, PacketBody::LinkStateRequest(_)));
    let answer = first(1, |body| matches!(body, PacketBody::LinkStateUpdate(_)));
    assert!(request < last_description.unwrap(), "asked for while the exchange goes on");
    assert!(last_description.unwrap() < answer);
}

#[test]
fn a_request_is_answered_soon_though_the_exchange_does_not_end() {
    let mut world = World::with(2, &[(0, 1)], |engine, config| {
        config.externals = externals(if engine == 1 { 500 } else { 0 });
    });
    let mut described = 0;
    world.deliver = Box::new(move |sent| {
        described += u32::from(matches!(sent.body(), PacketBody::DatabaseDescription(_)));
        described < 8 || !matches!(sent.body(), PacketBody::DatabaseDescription(_))
    });
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.state(0, 1), S::Exchange);
    assert!(world.engines[0].lsdb().count() > 50);
}

#[test]
fn a_description_that_comes_again_late_does_not_restart_the_exchange() {
    let mut world = World::with(2, &[(0, 1)], |engine, config| {
        config.externals =
            (0..150).map(|i| (crate::Prefix::new([20 + engine as u8, i, 0, 0].into(), 16), external())).collect();
    });
    while !world.all_full() {
        world.run_for(Duration::from_millis(10));
    }
    let described: Vec<_> =
        world.sent.iter().filter(|sent| matches!(sent.body(), PacketBody::DatabaseDescription(_))).cloned().collect();
    assert!(described.len() > 8);
    for (i, packet) in described.into_iter().enumerate() {
        let to = world.wires[&packet.from];
        world.put(to, packet, Duration::from_millis(i as u64 * 7919 % 500));
    }
    world.run_for(Duration::from_secs(5));
    for engine in 0..2 {
        assert!(world.neighbor_events(engine).iter().all(|step| step.2 != "SeqNumberMismatch"));
    }
}

#[test]
fn a_mesh_whose_packets_come_twice_forms_every_adjacency_once() {
    let links: Vec<_> = (0..6).flat_map(|a| (a + 1..6).map(move |b| (a, b))).collect();
    let mut world = World::new(6, &links);
    let twice = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let seen = twice.clone();
    world.deliver = Box::new(move |sent| {
        seen.borrow_mut().push(sent.clone());
        true
    });
    for round in 0..2000 {
        world.run_for(Duration::from_millis(1));
        for packet in twice.take() {
            let to = world.wires[&packet.from];
            world.put(to, packet, Duration::from_millis(1 + round % 5));
        }
    }
    assert!(world.all_full() && world.agree());
    for engine in 0..6 {
        assert_eq!(world.neighbor_events(engine).iter().filter(|step| step.0 == S::Full).count(), 0);
    }
}

#[test]
fn a_declaration_of_mastership_that_was_overtaken_does_not_restart_the_exchange_but_a_second_does() {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    let late = descriptions(&world, 0).into_iter().find(|packet| packet.flags.init).unwrap();
    // That of a negotiation before it may be under way, too.
    for sequence in [late.sequence, late.sequence.wrapping_sub(1)] {
        let late = DatabaseDescription { sequence, ..late.clone() };
        world.inject(port(1, 0), 0, PacketBody::DatabaseDescription(late));
        assert_eq!(world.state(1, 0), S::Full);
    }
    world.run_for(Duration::from_secs(5));
    world.inject(port(1, 0), 0, PacketBody::DatabaseDescription(late));
    assert_eq!(world.neighbor_events(1).last(), Some(&(S::Full, S::ExStart, "SeqNumberMismatch")));
}

/// A pair of which engine 0, the slave, does nothing beyond the RFC: long Full, it is told by a copy of an old packet that its master
/// negotiates, says once that it does, too, which is lost, and takes the copy of the next packet for the beginning of an exchange.
fn misled_slave(before: impl FnOnce(&mut World)) -> World {
    let mut world = World::with(2, &[(0, 1)], |engine, config| {
        if engine == 0 {
            config.conduct = crate::Conduct::foreign();
        }
    });
    world.run_to(DEAD, |world| world.all_full());
    let first = descriptions(&world, 1).into_iter().rfind(|description| description.flags.init).unwrap();
    before(&mut world);
    world.deliver = Box::new(|sent| match sent.body() {
        PacketBody::DatabaseDescription(packet) => sent.from.0 == 1 || !packet.flags.init,
        _ => true,
    });
    for _ in 0..2 {
        world.inject(port(0, 1), 1, PacketBody::DatabaseDescription(first.clone()));
    }
    assert_eq!((world.state(0, 1), world.state(1, 0)), (S::Exchange, S::Full), "the slave of nobody");
    world
}

#[test]
fn a_slave_that_a_copy_of_an_old_packet_has_begun_another_exchange_with_hears_how_it_ends() {
    let mut world = misled_slave(|_| {});
    world.run_for(Duration::from_secs(1));
    assert!(world.all_full() && world.agree());
    assert!(!world.neighbor_events(1).iter().any(|(before, ..)| *before == S::Full), "the master has not begun anew");
}

#[test]
fn a_slave_that_has_forgotten_what_it_had_to_send_begins_anew() {
    let mut world = misled_slave(|world| {
        world.deliver = Box::new(|sent| !matches!(sent.body(), PacketBody::LinkStateUpdate(_)));
        world.reconfigure(0, |config| config.externals = super::world::externals(1));
        world.run_for(Duration::from_millis(100));
    });
    world.run_for(Duration::from_secs(1));
    assert!(world.neighbor_events(1).contains(&(S::Full, S::ExStart, "SeqNumberMismatch")));
    world.deliver = Box::new(|_| true);
    world.run_for(Duration::from_secs(15));
    assert!(world.all_full() && world.agree());
    assert!(world.routes[1].contains_key(&prefix("20.0.0.0/24")));
}

#[test]
fn a_slave_that_waits_after_no_copy_can_be_under_way_any_more_begins_anew() {
    let mut world = misled_slave(|world| world.run_for(Duration::from_secs(30)));
    world.run_for(Duration::from_secs(1));
    assert!(world.neighbor_events(1).contains(&(S::Full, S::ExStart, "SeqNumberMismatch")));
    world.deliver = Box::new(|_| true);
    world.run_for(Duration::from_secs(15));
    assert!(world.all_full() && world.agree());
}

/// Router 0 restarts while its master waits for its last description, which does not notice: it takes the one of after the restart for that.
#[test]
fn what_a_slave_listed_to_a_copy_of_the_first_description_is_not_unknown_to_its_master() {
    let mut world = World::with(2, &[(0, 1)], |engine, config| {
        config.externals = super::world::externals(u32::from(engine == 0));
    });
    let is_last = |description: &DatabaseDescription| description.flags.master && !description.flags.init;
    world.deliver = Box::new(move |sent| match sent.body() {
        PacketBody::DatabaseDescription(description) => !is_last(&description),
        _ => true,
    });
    world.run_to(DEAD, |world| descriptions(world, 1).iter().any(is_last));
    let first = descriptions(&world, 1).into_iter().rfind(|description| description.flags.init).unwrap();
    let hello = world.sent_by(1, crate::Instant::ZERO).map(Sent::body).filter(|body| match body {
        PacketBody::Hello(hello) => hello.neighbors.contains(&router_id(0)),
        _ => false,
    });
    let hello = hello.last().unwrap();

    world.deliver = Box::new(|sent| sent.from.0 == 1);
    world.restart(0, 9);
    world.reconfigure(0, |config| config.externals = super::world::externals(2));
    world.inject(port(0, 1), 1, hello);
    world.inject(port(0, 1), 1, PacketBody::DatabaseDescription(first));
    assert_eq!((world.state(0, 1), world.state(1, 0)), (S::Exchange, S::Exchange));
    world.deliver = Box::new(|_| true);
    world.run_for(Duration::from_secs(12));
    assert!(world.all_full() && world.agree());
    assert!(world.routes[1].contains_key(&prefix("20.0.1.0/24")));
    assert!(!world.neighbor_events(1).iter().any(|(from, to, _)| *from >= S::Exchange && to < from), "in one exchange");
}

/// Router 0 has answered its master to the end; the last answer was lost, and so was an LSA that it has flooded since. A late copy of the
/// master's first description empties its lists.
#[test]
fn what_a_slave_had_flooded_before_a_copy_of_the_first_description_is_flooded_again() {
    for late in [Duration::from_millis(1500), Duration::from_secs(9)] {
        let mut world = World::new(2, &[(0, 1)]);
        // The interfaces have been up for a while.
        world.deliver = Box::new(|_| false);
        world.run_for(DEAD);
        let mut answers = 0;
        world.deliver = Box::new(move |sent| match sent.body() {
            _ if sent.from.0 == 1 => true,
            PacketBody::DatabaseDescription(description) => {
                answers += usize::from(!description.flags.init);
                answers <= 1
            }
            PacketBody::LinkStateUpdate(_) => false,
            _ => true,
        });
        world.run_to(DEAD, |world| world.state(0, 1) == S::Full);
        assert_eq!(world.state(1, 0), S::Exchange);
        let first = descriptions(&world, 1).into_iter().rfind(|description| description.flags.init).unwrap();
        world.reconfigure(0, |config| config.externals = super::world::externals(1));
        world.run_for(late);
        world.inject(port(0, 1), 1, PacketBody::DatabaseDescription(first));
        assert_eq!((world.state(0, 1), world.state(1, 0)), (S::Exchange, S::Exchange), "{late:?}");
        world.deliver = Box::new(|_| true);
        world.run_for(Duration::from_secs(15));
        assert!(world.all_full() && world.agree());
        assert!(world.routes[1].contains_key(&prefix("20.0.0.0/24")), "{late:?}");
    }
}

#[test]
fn what_a_slave_listed_and_its_master_has_is_not_sent_to_it() {
    let mut world = World::with(2, &[(0, 1)], |_, config| config.externals = super::world::externals(3));
    world.run_to(DEAD, |world| world.all_full());
    world.run_for(Duration::from_secs(60));
    for state in [LinkState::Down, up(0, port(0, 1).1)] {
        world.link(0, port(0, 1).1, state);
    }
    let since = world.now;
    world.run_to(DEAD, |world| world.all_full());
    world.run_for(Duration::from_secs(60));
    for key in [0, 1].map(|engine| external_key(engine, "20.0.0.0".parse().unwrap())) {
        assert_eq!(super::flooding::updates_with(&world, 0, since, key), 0, "{key:?}");
    }
}

#[test]
fn a_neighbor_that_starts_over_within_a_moment_of_full_is_answered_at_once() {
    for (neighbor, other) in [(0, 1), (1, 0)] {
        let mut world = World::with(2, &[(0, 1)], |_, config| config.externals = externals(10));
        world.run_to(Duration::from_secs(5), World::all_full);
        // It has forgotten everything, and the hello that would say so was lost.
        let sequence = 0x1234_5678;
        world.inject(port(other, neighbor), neighbor, description([true, true, true], sequence));
        let steps = world.neighbor_events(other);
        assert!(steps.contains(&(S::Full, S::ExStart, "SeqNumberMismatch")), "{steps:?}");
        let answer = descriptions(&world, other).pop().unwrap();
        let is_slave = neighbor > other;
        assert_eq!(answer.sequence == sequence, is_slave, "the slave's answer has the master's number");
        // A copy of the packet with which the exchange before began is none of that.
        let mut world = World::with(2, &[(0, 1)], |_, config| config.externals = externals(10));
        world.run_to(Duration::from_secs(5), World::all_full);
        let first = descriptions(&world, neighbor).into_iter().find(|packet| packet.flags.init).unwrap().sequence;
        world.inject(port(other, neighbor), neighbor, description([true, true, true], first));
        assert_eq!(world.state(other, neighbor), S::Full);
    }
}
