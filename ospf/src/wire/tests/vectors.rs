//! Packets captured from FRRouting 8.4 `ospfd`: a point-to-point link in area 0 and a broadcast network in area 1.
//!
//! Each must read as what was configured there, and be written again as the same bytes.

use std::net::Ipv4Addr;

use bytes::Bytes;

use super::super::*;
use super::hex;
use crate::config::ExternalMetric;
use crate::ids::{AreaId, LinkStateId, LsaKey, LsaType, RouterId, SequenceNumber};

const HELLO: &str = "
    020100300101010100000000f5c500000000000000000000fffffffc0001020100000004000000000000000002020202";
const FIRST_DESCRIPTION: &str = "020200200202020200000000c5020000000000000000000005dc0207073325c1";
const DESCRIPTION: &str = "
    020200340101010100000000015a0000000000000000000005dc4200073325c100010201010101010101010180000002
    ff640030";
const REQUEST: &str = "020300240202020200000000f5cf00000000000000000000000000010101010101010101";
const UPDATE_POINT_TO_POINT: &str = "
    0204004c0101010100000000a303000000000000000000000000000100020201010101010101010180000002ff640030
    00000002c0000201ffffffff030000000a000100fffffffc0300000a";
const UPDATE_BROADCAST: &str = "
    020400a803030303000000017fb9000000000000000000000000000400010201030303030303030380000002f62b0024
    020000010a000200ffffff000300000a00040205c63364070303030380000001f49f0024ffffffff0000004d00000000
    00000000000102010303030303030303800000039e730024020000010a0002020a0002020200000a000102020a000202
    030303038000000155d60020ffffff000202020203030303";
const UPDATE_FLUSHED_SUMMARIES: &str = "
    020400540202020200000000cd9100000000000000000000000000020e1002030a0002000202020280000002f845001c
    ffffff000000000a0e100204030303030202020280000001fa43001c000000000000000a";
const UPDATE_OPAQUE: &str = "
    020400380101010100000000a41700000000000000000000000000010001420a0400000001010101800000017f79001c
    0001000410000000";
const UPDATE_NSSA: &str = "
    0204004003030303000000012d7d000000000000000000000000000100010a07c6336407030303038000000203780024
    ffffffff0000004d0a00020200000000";
const ACKNOWLEDGEMENT: &str = "
    020500540202020200000001e42e0000000000000000000000010201030303030303030380000002f62b002400040205
    c63364070303030380000001f49f0024000102020a000202030303038000000155d60020";
const HELLO_CRYPTOGRAPHIC: &str = "
    02010030010101010000000000000002000001106b02484afffffffc0001020100000004000000000000000002020202
    816a0c8cb691d5ec0b04b77b3c623aec";
const HELLO_PASSWORD: &str = "
    020100300303030300000001d4b80001736573616d650000ffffff0000010801000000040a0002020a00020102020202";

const ONE: RouterId = RouterId(0x01010101);
const TWO: RouterId = RouterId(0x02020202);
const THREE: RouterId = RouterId(0x03030303);
const AREA_ONE: AreaId = AreaId(1);
const HOST_MASK: Ipv4Addr = Ipv4Addr::BROADCAST;
const LAN_MASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);
const LINK_MASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 252);

fn key(kind: LsaType, id: Ipv4Addr, advertising_router: RouterId) -> LsaKey {
    LsaKey { kind, id: LinkStateId::from(id), advertising_router }
}

fn header(key: LsaKey, age: u16, options: u8, sequence: u32, checksum: u16, length: u16) -> LsaHeader {
    LsaHeader { age, options: Options(options), key, sequence: SequenceNumber(sequence as i32), checksum, length }
}

fn link(kind: RouterLinkKind, id: [u8; 4], data: Ipv4Addr, metric: u16) -> RouterLink {
    RouterLink { kind, id: id.into(), data, metric }
}

/// Reads a vector, and sees that it is written as the same bytes.
fn read(vector: &str) -> Packet {
    let bytes = hex(vector);
    let packet = Packet::decode(&bytes).unwrap();
    assert_eq!(packet.encode().unwrap(), &bytes[..packet.encoded_len()]);
    packet
}

/// Reads an update, and sees that each LSA is good and is made again, checksum and all, from what it says.
fn read_update(vector: &str, router_id: RouterId, area_id: AreaId) -> Vec<(LsaHeader, LsaBody)> {
    let packet = read(vector);
    assert_eq!((packet.router_id, packet.area_id), (router_id, area_id));
    let PacketBody::LinkStateUpdate(lsas) = packet.body else { panic!("an update: {packet:?}") };
    lsas.into_iter()
        .map(|lsa| {
            assert_eq!(lsa.check(), Ok(()));
            let body = lsa.parse().unwrap();
            let LsaHeader { age, options, key, sequence, .. } = lsa.header;
            assert_eq!(Lsa::new(key, options, sequence, &body).unwrap().with_age(age), lsa);
            (lsa.header, body)
        })
        .collect()
}

#[test]
fn a_hello_on_a_point_to_point_link() {
    let hello = Hello {
        network_mask: LINK_MASK,
        hello_interval: 1,
        options: Options::E,
        priority: 1,
        dead_interval: 4,
        designated_router: Ipv4Addr::UNSPECIFIED,
        backup_designated_router: Ipv4Addr::UNSPECIFIED,
        neighbors: vec![TWO],
    };
    let body = PacketBody::Hello(hello);
    let expected =
        Packet { router_id: ONE, area_id: AreaId::BACKBONE, authentication: Authentication::Null, body: body.clone() };
    assert_eq!(read(HELLO), expected);

    // The same with a key: the trailer of 16 octets behind the packet is not a part of what is read.
    let data = [0, 0, 1, 16, 0x6b, 0x02, 0x48, 0x4a];
    let authentication = Authentication::Other { kind: 2, data };
    assert_eq!(read(HELLO_CRYPTOGRAPHIC), Packet { authentication, ..expected });
}

#[test]
fn a_hello_with_a_password_on_a_broadcast_network() {
    let hello = Hello {
        network_mask: LAN_MASK,
        hello_interval: 1,
        options: Options::NP,
        priority: 1,
        dead_interval: 4,
        designated_router: Ipv4Addr::new(10, 0, 2, 2),
        backup_designated_router: Ipv4Addr::new(10, 0, 2, 1),
        neighbors: vec![TWO],
    };
    let authentication = Authentication::Other { kind: 1, data: *b"sesame\0\0" };
    let body = PacketBody::Hello(hello);
    assert_eq!(read(HELLO_PASSWORD), Packet { router_id: THREE, area_id: AREA_ONE, authentication, body });
}

#[test]
fn database_descriptions() {
    let description = |vector| match read(vector).body {
        PacketBody::DatabaseDescription(description) => description,
        other => panic!("a description: {other:?}"),
    };
    let first = DatabaseDescription {
        interface_mtu: 1500,
        options: Options::E,
        flags: DdFlags { init: true, more: true, master: true },
        sequence: 0x0733_25c1,
        headers: vec![],
    };
    assert_eq!(description(FIRST_DESCRIPTION), first);

    let router = key(LsaType::ROUTER, [1, 1, 1, 1].into(), ONE);
    let reply = DatabaseDescription {
        options: Options::E.with(Options::O),
        flags: DdFlags::default(),
        headers: vec![header(router, 1, 0x02, 0x8000_0002, 0xff64, 48)],
        ..first
    };
    assert_eq!(description(DESCRIPTION), reply);
}

#[test]
fn a_request() {
    let keys = vec![key(LsaType::ROUTER, [1, 1, 1, 1].into(), ONE)];
    assert_eq!(read(REQUEST).body, PacketBody::LinkStateRequest(keys));
}

#[test]
fn an_update_with_a_router_lsa_of_stub_links() {
    let links = vec![
        link(RouterLinkKind::Stub, [192, 0, 2, 1], HOST_MASK, 0),
        link(RouterLinkKind::Stub, [10, 0, 1, 0], LINK_MASK, 10),
    ];
    let router = key(LsaType::ROUTER, [1, 1, 1, 1].into(), ONE);
    let expected = (
        header(router, 2, 0x02, 0x8000_0002, 0xff64, 48),
        LsaBody::Router(RouterLsa { flags: RouterFlags::default(), links }),
    );
    assert_eq!(read_update(UPDATE_POINT_TO_POINT, ONE, AreaId::BACKBONE), [expected]);
}

#[test]
fn an_update_with_router_network_and_external_lsas() {
    let router = key(LsaType::ROUTER, [3, 3, 3, 3].into(), THREE);
    let network = key(LsaType::NETWORK, [10, 0, 2, 2].into(), THREE);
    let external = key(LsaType::AS_EXTERNAL, [198, 51, 100, 7].into(), THREE);
    let interface = Ipv4Addr::new(10, 0, 2, 2);
    let router_lsa = |link| LsaBody::Router(RouterLsa { flags: RouterFlags::E, links: vec![link] });
    let expected = [
        (
            header(router, 1, 0x02, 0x8000_0002, 0xf62b, 36),
            router_lsa(link(RouterLinkKind::Stub, [10, 0, 2, 0], LAN_MASK, 10)),
        ),
        (
            header(external, 4, 0x02, 0x8000_0001, 0xf49f, 36),
            LsaBody::External(ExternalLsa {
                network_mask: HOST_MASK,
                metric: ExternalMetric::Type1(77),
                forwarding_address: Ipv4Addr::UNSPECIFIED,
                route_tag: 0,
            }),
        ),
        (
            header(router, 1, 0x02, 0x8000_0003, 0x9e73, 36),
            router_lsa(link(RouterLinkKind::Transit, [10, 0, 2, 2], interface, 10)),
        ),
        (
            header(network, 1, 0x02, 0x8000_0001, 0x55d6, 32),
            LsaBody::Network(NetworkLsa { network_mask: LAN_MASK, attached_routers: vec![TWO, THREE] }),
        ),
    ];
    assert_eq!(read_update(UPDATE_BROADCAST, THREE, AREA_ONE), expected);
    assert!(expected[2].0.newer_than(&expected[0].0));
}

#[test]
fn an_update_that_flushes_summaries() {
    let network = key(LsaType::SUMMARY_NETWORK, [10, 0, 2, 0].into(), TWO);
    let asbr = key(LsaType::SUMMARY_ASBR, [3, 3, 3, 3].into(), TWO);
    let body = |network_mask| LsaBody::Summary(SummaryLsa { network_mask, metric: 10 });
    let expected = [
        (header(network, MAX_AGE, 0x02, 0x8000_0002, 0xf845, 28), body(LAN_MASK)),
        (header(asbr, MAX_AGE, 0x02, 0x8000_0001, 0xfa43, 28), body(Ipv4Addr::UNSPECIFIED)),
    ];
    assert!(expected.iter().all(|(header, _)| header.is_max_age()));
    assert_eq!(read_update(UPDATE_FLUSHED_SUMMARIES, TWO, AreaId::BACKBONE), expected);
}

#[test]
fn an_update_with_an_opaque_lsa_keeps_its_bytes() {
    let information = key(LsaType::OPAQUE_AREA, [4, 0, 0, 0].into(), ONE);
    let expected = (
        header(information, 1, 0x42, 0x8000_0001, 0x7f79, 28),
        LsaBody::Opaque(Bytes::from_static(&[0, 1, 0, 4, 0x10, 0, 0, 0])),
    );
    assert_eq!(read_update(UPDATE_OPAQUE, ONE, AreaId::BACKBONE), [expected]);
}

#[test]
fn an_update_with_a_type_7_lsa() {
    let external = ExternalLsa {
        network_mask: HOST_MASK,
        metric: ExternalMetric::Type1(77),
        forwarding_address: Ipv4Addr::new(10, 0, 2, 2),
        route_tag: 0,
    };
    let nssa = key(LsaType::NSSA, [198, 51, 100, 7].into(), THREE);
    let expected = (header(nssa, 1, 0x0a, 0x8000_0002, 0x0378, 36), LsaBody::External(external));
    assert_eq!(read_update(UPDATE_NSSA, THREE, AREA_ONE), [expected]);
}

#[test]
fn an_acknowledgement() {
    let expected = vec![
        header(key(LsaType::ROUTER, [3, 3, 3, 3].into(), THREE), 1, 0x02, 0x8000_0002, 0xf62b, 36),
        header(key(LsaType::AS_EXTERNAL, [198, 51, 100, 7].into(), THREE), 4, 0x02, 0x8000_0001, 0xf49f, 36),
        header(key(LsaType::NETWORK, [10, 0, 2, 2].into(), THREE), 1, 0x02, 0x8000_0001, 0x55d6, 32),
    ];
    assert_eq!(read(ACKNOWLEDGEMENT).body, PacketBody::LinkStateAck(expected));
}

#[test]
fn a_flipped_bit_is_noticed_wherever_the_checksum_covers_it() {
    let vectors = [
        HELLO,
        FIRST_DESCRIPTION,
        DESCRIPTION,
        REQUEST,
        UPDATE_BROADCAST,
        UPDATE_OPAQUE,
        ACKNOWLEDGEMENT,
        HELLO_PASSWORD,
    ];
    for vector in vectors {
        let good = hex(vector);
        // Octets 14 and 15 say whether there is a checksum, 16 to 23 are not covered.
        for octet in (0..good.len()).filter(|octet| !(14..24).contains(octet)) {
            for bit in 0..8 {
                let mut bytes = good.clone();
                bytes[octet] ^= 1 << bit;
                assert!(Packet::decode(&bytes).is_err(), "bit {bit} of octet {octet} of {vector}");
            }
        }
    }
}
