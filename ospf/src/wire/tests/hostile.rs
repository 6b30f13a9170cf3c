//! Bytes that nobody should send.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::super::*;
use super::strategies::{lsa, packet};
use super::{hex, reseal, sealed};
use crate::ids::{LinkStateId, LsaKey, LsaType, RouterId, SequenceNumber};

fn malformed(what: Malformation, offset: u16) -> PacketError {
    PacketError::Malformed(WireError { what, offset })
}

/// Decodes; what is taken has to be written and read again as itself, and its LSAs be judged.
fn digest(bytes: &[u8]) -> Result<Packet, PacketError> {
    let packet = Packet::decode(bytes)?;
    assert!(packet.encoded_len() <= bytes.len());
    assert_eq!(Packet::decode(&packet.encode().unwrap()).as_ref(), Ok(&packet));
    if let PacketBody::LinkStateUpdate(lsas) = &packet.body {
        for lsa in lsas {
            if lsa.check().is_ok() {
                assert!(lsa.parse().is_ok());
            }
        }
    }
    Ok(packet)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = digest(&bytes);
    }

    #[test]
    fn arbitrary_bodies_in_good_packets_never_panic(kind in 0_u8..7, body in vec(any::<u8>(), 0..200)) {
        let _ = digest(&sealed(kind, &body));
    }

    #[test]
    fn arbitrary_lsa_bodies_never_panic(kind in 0_u8..13, body in vec(prop_oneof![Just(0), Just(1), any::<u8>()], 0..100)) {
        let key = LsaKey { kind: LsaType(kind), id: LinkStateId(0), advertising_router: RouterId(0) };
        let length = (LSA_HEADER_LEN + body.len()) as u16;
        let mut header = LsaHeader { age: 0, options: Options(0), key, sequence: SequenceNumber::INITIAL, checksum: 0, length };
        header.checksum = header.computed_checksum(&body);
        let lsa = Lsa { header, body: Bytes::from(body) };
        match lsa.check() {
            Ok(()) => prop_assert!(lsa.parse().is_ok()),
            Err(LsaError::UnknownType) => prop_assert!(!key.kind.is_known()),
            Err(LsaError::Malformed(error)) => prop_assert!(error.offset <= length),
            Err(LsaError::Checksum) => prop_assert!(false, "the checksum is right"),
        }
    }

    #[test]
    fn changed_packets_never_panic(packet in packet(), changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<Option<prop::sample::Index>>()) {
        let mut bytes = packet.encode().unwrap().to_vec();
        for (at, octet) in changes {
            let at = at.index(bytes.len());
            bytes[at] = octet;
        }
        reseal(&mut bytes);
        let _ = digest(&bytes);
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
            let _ = digest(&bytes);
        }
    }

    #[test]
    fn a_changed_octet_of_an_lsa_is_noticed(lsa in lsa(), at in any::<prop::sample::Index>(), octet in any::<u8>()) {
        let mut body = lsa.body.to_vec();
        prop_assume!(!body.is_empty());
        let at = at.index(body.len());
        // Fletcher's sums cannot tell 0x00 from 0xff.
        prop_assume!(body[at] % 255 != octet % 255);
        body[at] = octet;
        prop_assert_eq!(Lsa { body: Bytes::from(body), ..lsa }.check(), Err(LsaError::Checksum));
    }
}

#[test]
fn a_packet_of_another_version_or_type_is_refused() {
    let mut packet = sealed(1, &[0; 20]);
    packet[0] = 3;
    assert_eq!(Packet::decode(&packet), Err(PacketError::Version(3)));
    for kind in [0, 6, 255] {
        assert_eq!(Packet::decode(&sealed(kind, &[0; 20])), Err(malformed(Malformation::PacketType, 1)));
    }
}

#[test]
fn the_length_field_is_held_against_the_bytes_present() {
    let good = sealed(1, &[0; 20]);
    assert!(Packet::decode(&good).is_ok());
    assert_eq!(Packet::decode(&good[..43]), Err(malformed(Malformation::Truncated, 2)));
    assert_eq!(Packet::decode(&good[..10]), Err(malformed(Malformation::Truncated, 2)));
    assert_eq!(Packet::decode(&good[..1]), Err(malformed(Malformation::Truncated, 1)));
    assert_eq!(Packet::decode(&[]), Err(malformed(Malformation::Truncated, 0)));
    let mut short = good;
    short[2..4].copy_from_slice(&23_u16.to_be_bytes());
    assert_eq!(Packet::decode(&short), Err(malformed(Malformation::Length, 2)));
}

#[test]
fn lists_that_end_within_an_element_are_refused() {
    for (kind, fixed, element) in [(1, 20, 4), (2, 8, 20), (3, 0, 12), (5, 0, 20)] {
        let mut body = vec![0; fixed + element];
        if element == 20 {
            body[fixed + 18..].copy_from_slice(&20_u16.to_be_bytes());
        }
        assert!(Packet::decode(&sealed(kind, &body)).is_ok(), "type {kind}");
        for extra in 1..element {
            let body = [&body[..], &vec![0; extra]].concat();
            let error = Packet::decode(&sealed(kind, &body)).unwrap_err();
            assert!(
                matches!(error, PacketError::Malformed(WireError { what: Malformation::Truncated, .. })),
                "{error:?}"
            );
        }
        assert!(fixed == 0 || Packet::decode(&sealed(kind, &body[..fixed - 1])).is_err());
    }
}

#[test]
fn a_request_for_an_ls_type_that_no_lsa_has_is_refused() {
    let mut body = [0; 12];
    body[2] = 1;
    assert_eq!(Packet::decode(&sealed(3, &body)), Err(malformed(Malformation::LsaType, 24)));
}

#[test]
fn corner_case_18_the_count_of_an_update_is_held_against_the_lsas_present() {
    let lsa = [0, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0x80, 0, 0, 1, 0, 1, 0, 24, 0, 0, 0, 0];
    for (count, lsas, good) in
        [(0_u32, 0, true), (1, 1, true), (2, 2, true), (u32::MAX, 1, false), (2, 1, false), (1, 2, false)]
    {
        let body = [&count.to_be_bytes()[..], &lsa.repeat(lsas)].concat();
        let expected = if good { Ok(lsas) } else { Err(malformed(Malformation::Length, 24)) };
        let decoded = Packet::decode(&sealed(4, &body)).map(|packet| match packet.body {
            PacketBody::LinkStateUpdate(lsas) => lsas.len(),
            other => panic!("an update: {other:?}"),
        });
        assert_eq!(decoded, expected, "{count} counted, {lsas} present");
    }
}

#[test]
fn the_length_of_an_lsa_is_held_against_its_header_and_the_bytes_present() {
    for (length, expected) in [
        (0_u16, malformed(Malformation::Length, 24 + 4 + 18)),
        (19, malformed(Malformation::Length, 24 + 4 + 18)),
        (25, malformed(Malformation::Truncated, 24 + 4 + 20)),
        (u16::MAX, malformed(Malformation::Truncated, 24 + 4 + 20)),
    ] {
        let mut body = [0; 4 + 24];
        body[3] = 1;
        body[22..24].copy_from_slice(&length.to_be_bytes());
        assert_eq!(Packet::decode(&sealed(4, &body)), Err(expected), "length {length}");
    }
}

/// An LSA around `body` with its checksum right.
fn lsa_of(kind: LsaType, body: &[u8]) -> Lsa {
    let key = LsaKey { kind, id: LinkStateId(0x0a00_0000), advertising_router: RouterId(7) };
    let length = (LSA_HEADER_LEN + body.len()) as u16;
    let mut header =
        LsaHeader { age: 1, options: Options::E, key, sequence: SequenceNumber::INITIAL, checksum: 0, length };
    header.checksum = header.computed_checksum(body);
    Lsa { header, body: Bytes::copy_from_slice(body) }
}

fn body_error(what: Malformation, offset: u16) -> Result<(), LsaError> {
    Err(LsaError::Malformed(WireError { what, offset }))
}

#[test]
fn the_counts_of_a_router_lsa_are_held_against_its_length() {
    let link = hex("0a000001 0a000002 01 00 000a");
    let with = |count: u16, links: &[u8]| lsa_of(LsaType::ROUTER, &[&[0, 0], &count.to_be_bytes()[..], links].concat());
    assert_eq!(with(1, &link).check(), Ok(()));
    assert_eq!(with(0, &link).check(), body_error(Malformation::Length, 22));
    assert_eq!(with(2, &link).check(), body_error(Malformation::Length, 22));
    assert_eq!(with(u16::MAX, &link).check(), body_error(Malformation::Length, 22));
    assert_eq!(with(1, &link[..11]).check(), body_error(Malformation::Truncated, 34));

    // Metrics for two further types of service: present, then claimed and absent.
    let link = hex("0a000001 0a000002 01 02 000a 08000014 10000015");
    let lsa = with(1, &link);
    assert_eq!(lsa.check(), Ok(()));
    let LsaBody::Router(router) = lsa.parse().unwrap() else { panic!("a Router-LSA") };
    assert_eq!(router.links.len(), 1);
    assert_eq!(router.links[0].metric, 10);
    assert_eq!(with(1, &link[..16]).check(), body_error(Malformation::Truncated, 36));
}

#[test]
fn bodies_that_do_not_fit_their_type_are_refused() {
    let len = |kind, len: usize| lsa_of(kind, &vec![0; len]).check();
    assert_eq!(len(LsaType::NETWORK, 4), Ok(()));
    assert_eq!(len(LsaType::NETWORK, 3), body_error(Malformation::Truncated, 20));
    assert_eq!(len(LsaType::NETWORK, 6), body_error(Malformation::Truncated, 24));
    assert_eq!(len(LsaType::SUMMARY_NETWORK, 8), Ok(()));
    assert_eq!(len(LsaType::SUMMARY_NETWORK, 12), Ok(()));
    assert_eq!(len(LsaType::SUMMARY_ASBR, 7), body_error(Malformation::Truncated, 24));
    assert_eq!(len(LsaType::SUMMARY_ASBR, 10), body_error(Malformation::Length, 28));
    assert_eq!(len(LsaType::AS_EXTERNAL, 16), Ok(()));
    assert_eq!(len(LsaType::AS_EXTERNAL, 28), Ok(()));
    assert_eq!(len(LsaType::NSSA, 20), body_error(Malformation::Length, 36));
    assert_eq!(len(LsaType::OPAQUE_AS, 0), Ok(()));
    assert_eq!(len(LsaType::OPAQUE_AREA, 8), Ok(()));
    assert_eq!(len(LsaType::OPAQUE_LINK, 6), body_error(Malformation::Alignment, 20));
    assert_eq!(len(LsaType(8), 8), Err(LsaError::UnknownType));
}

#[test]
fn corner_case_07_an_lsa_with_a_wrong_or_zero_checksum_is_refused_and_one_with_other_good_check_octets_is_not() {
    let good = lsa_of(LsaType::OPAQUE_AREA, b"weft");
    let with = |checksum| Lsa { header: LsaHeader { checksum, ..good.header }, body: good.body.clone() }.check();
    assert_eq!(with(good.header.checksum), Ok(()));
    assert_eq!(with(good.header.checksum ^ 0x0101), Err(LsaError::Checksum));
    assert_eq!(with(0), Err(LsaError::Checksum));

    // 0x00 and 0xff are the same to Fletcher's sums, and both are seen in the field. Look for an LSA that has one.
    let (lsa, other) = (0_u16..)
        .map(|word| lsa_of(LsaType::OPAQUE_AREA, &[[0, 0], word.to_be_bytes()].concat()))
        .find_map(|lsa| (lsa.header.checksum & 0xff == 0xff).then(|| (lsa.clone(), lsa.header.checksum & 0xff00)))
        .unwrap();
    assert_eq!(Lsa { header: LsaHeader { checksum: other, ..lsa.header }, ..lsa.clone() }.check(), Ok(()));
}

#[test]
fn a_bad_lsa_does_not_spoil_the_others_of_its_update() {
    let good = lsa_of(LsaType::NETWORK, &[255, 255, 255, 0, 1, 1, 1, 1]);
    let bad = lsa_of(LsaType::ROUTER, &[0, 0, 0, 9]);
    let body = PacketBody::LinkStateUpdate(vec![good.clone(), bad.clone(), good.clone()]);
    let packet =
        Packet { router_id: RouterId(7), area_id: crate::AreaId::BACKBONE, authentication: Authentication::Null, body };
    let PacketBody::LinkStateUpdate(lsas) = Packet::decode(&packet.encode().unwrap()).unwrap().body else {
        panic!("an update")
    };
    assert_eq!(lsas, [good.clone(), bad, good]);
    assert_eq!(lsas.iter().map(|lsa| lsa.check().is_ok()).collect::<Vec<_>>(), [true, false, true]);

    // The bodies are parts of one copy of the packet, and stand as far apart as there.
    let distance = lsas[2].body.as_ptr() as usize - lsas[0].body.as_ptr() as usize;
    assert_eq!(distance, lsas[0].encoded_len() + lsas[1].encoded_len());
}

#[test]
fn corner_case_27_an_lls_block_behind_the_packet_is_left_alone() {
    let mut packet = sealed(1, &hex("ffffff00 0001 12 01 00000004 00000000 00000000"));
    packet.extend(hex("fff6 0003 0001 0004 00000001"));
    let Packet { body: PacketBody::Hello(hello), .. } = Packet::decode(&packet).unwrap() else { panic!("a hello") };
    assert!(hello.options.contains(Options::L));
    assert_eq!(hello.neighbors, []);
}

#[test]
fn the_checksum_is_verified_with_null_and_password_authentication_only() {
    for (au_type, verified) in [(0_u8, true), (1, true), (2, false), (3, false)] {
        let mut packet = sealed(1, &[0; 20]);
        packet[15] = au_type;
        reseal(&mut packet);
        assert!(Packet::decode(&packet).is_ok());
        packet[30] ^= 1;
        let expected = if verified { Err(PacketError::Checksum) } else { Ok(()) };
        assert_eq!(Packet::decode(&packet).map(|_| ()), expected, "AuType {au_type}");
    }
}
