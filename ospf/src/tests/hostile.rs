//! Whatever a neighbour sends, the engine goes on, and says why it did not take it.

use std::time::Duration;

use super::world::*;
use crate::interface::send::ALL_SPF_ROUTERS;
use crate::random::Random;
use crate::wire::{LsaBody, Packet, PacketBody};
use crate::{Event, Input, NeighborState as S};

/// Packets of a busy network: adjacencies, changes, withdrawals, a restart.
fn recorded() -> (World, Vec<Sent>) {
    let mut world = World::with(3, &[(0, 1), (1, 2)], |_, config| config.externals = externals(8));
    world.converge();
    world.reconfigure(1, |config| config.externals = externals(3));
    world.run_for(Duration::from_secs(10));
    world.restart(2, 77);
    world.run_for(Duration::from_secs(10));
    let sent = world.sent.clone();
    (world, sent)
}

fn sealed(packet: &mut [u8]) {
    packet[12..14].fill(0);
    let sum = packet[..16].chunks(2).chain(packet[24..].chunks(2)).fold(0u32, |sum, pair| {
        let word = u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
        let sum = sum + u32::from(word);
        (sum & 0xffff) + (sum >> 16)
    });
    packet[12..14].copy_from_slice(&(!(sum as u16)).to_be_bytes());
}

#[test]
fn damaged_packets_with_good_checksums_never_stop_the_engine() {
    let (mut world, sent) = recorded();
    let mut random = Random::new(5);
    let mut below = |bound: usize| usize::try_from(random.next_u64() % bound as u64).unwrap();
    for round in 0..4000 {
        let mut bytes = sent[below(sent.len())].bytes.to_vec();
        for _ in 0..=below(3) {
            let at = below(bytes.len());
            bytes[at] = [0, 0xff, 0x80, at as u8][below(4)];
        }
        if below(4) == 0 {
            bytes.truncate(24 + below(bytes.len() - 23));
            let length = u16::try_from(bytes.len()).unwrap();
            bytes[2..4].copy_from_slice(&length.to_be_bytes());
        }
        sealed(&mut bytes);
        let (interface, source) = (port(0, 1).1, loopback(1));
        let input =
            Input::Packet { interface, source, destination: ALL_SPF_ROUTERS, ttl: 1, payload: (&bytes[..]).into() };
        world.input(0, input);
        if round % 16 == 0 {
            world.run_for(Duration::from_millis(300));
        }
    }
    let refused: u64 = world.engines[0].interfaces().flat_map(|view| view.counters.refused.into_values()).sum();
    assert!(refused > 100, "{refused}");
    assert!(world.engines[0].interfaces().all(|view| view.counters.refused.len() < 40));
    // What forged LSAs were taken grows old; then all is as it was.
    world.run_for(Duration::from_secs(3700));
    assert!(world.all_full() && world.agree());
}

#[test]
fn replayed_packets_of_any_age_do_no_lasting_harm() {
    let (mut world, sent) = recorded();
    let mut random = Random::new(6);
    for _ in 0..2000 {
        let packet = &sent[usize::try_from(random.next_u64() % sent.len() as u64).unwrap()];
        if let Some(&to) = world.wires.get(&packet.from) {
            world.put(to, packet.clone(), random.below(Duration::from_secs(60)));
        }
    }
    world.run_for(Duration::from_secs(120));
    assert!(world.all_full() && world.agree());
}

#[test]
fn a_request_for_what_is_not_there_restarts_the_exchange() {
    let mut world = World::new(2, &[(0, 1)]);
    world.converge();
    world.inject(port(0, 1), 1, PacketBody::LinkStateRequest(vec![router_key(7)]));
    assert_eq!(world.neighbor_events(0).last(), Some(&(S::Full, S::ExStart, "BadLSReq")));
    world.run_for(Duration::from_secs(6));
    assert!(world.all_full());
}

#[test]
fn an_lsa_whose_body_does_not_hold_together_is_refused_and_does_not_hold_up_loading() {
    let mut world = World::with(2, &[(0, 1)], |engine, config| {
        config.externals = externals(if engine == 1 { 1 } else { 0 });
    });
    // On its way the external becomes one with two octets less and a good checksum: only a broken router would make it.
    world.cut.insert(port(1, 0));
    let mut broken = None;
    for _ in 0..60 {
        world.run_for(Duration::from_millis(500));
        let fresh: Vec<_> = world.sent_by(1, world.now - Duration::from_millis(500)).cloned().collect();
        for mut packet in fresh {
            if let PacketBody::LinkStateUpdate(lsas) = packet.body() {
                let lsas = lsas.iter().map(shortened).collect();
                let decoded = Packet::decode(&packet.bytes).unwrap();
                let forged = Packet { body: PacketBody::LinkStateUpdate(lsas), ..decoded };
                packet.bytes = forged.encode().unwrap();
                broken = Some(packet.at);
            }
            world.put(port(0, 1), packet, DELAY);
        }
    }
    assert!(broken.is_some());
    let refused = |event: &Event| {
        matches!(event, Event::LsaRefused { reason: crate::LsaRefusal::Malformed(_), key: Some(key), .. }
            if key.kind == crate::LsaType::AS_EXTERNAL)
    };
    assert!(world.events[0].iter().any(refused));
    assert_eq!(world.state(0, 1), S::Full);
}

/// An AS-external-LSA cut by two octets, its checksum good again; any other LSA as it is.
fn shortened(lsa: &crate::wire::Lsa) -> crate::wire::Lsa {
    let LsaBody::External(_) = lsa.parse().unwrap() else { return lsa.clone() };
    let mut cut = lsa.clone();
    cut.body = cut.body.slice(..cut.body.len() - 2);
    cut.header.length -= 2;
    for checksum in 0..=u16::MAX {
        cut.header.checksum = checksum;
        if !matches!(cut.check(), Err(crate::wire::LsaError::Checksum)) {
            return cut;
        }
    }
    unreachable!("some checksum verifies")
}
