use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use super::*;
use crate::segment::{Flooding, Host, Learning, Mobility, Resolution, UnknownUnicast, Unreachable, Vtep};

const HOST: [u8; 6] = [2, 0, 0, 0, 1, 10];
const ADDRESS: [u8; 4] = [10, 9, 0, 10];
const ADDRESS6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10];

fn arp(operation: u8, sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    let parts: [&[u8]; 9] =
        [&[0xff; 6], &HOST, &[8, 6], &ETHERNET_AND_IPV4, &[0, operation], &HOST, &sender, &[0; 6], &target];
    parts.concat()
}

/// Flags, target and options of a neighbour advertisement to all nodes.
fn advert(flags: u8, options: &[u8]) -> Vec<u8> {
    let length = u8::try_from(24 + options.len()).unwrap();
    let header = [&[0x60, 0, 0, 0, 0, length, 58, 255], &ADDRESS6[..], &[0xff, 2], &[0; 13], &[1]].concat();
    let message = [&[136, 0, 0, 0, flags, 0, 0, 0], &ADDRESS6[..], options].concat();
    [&ALL_NODES[..], &HOST, &[0x86, 0xdd], &header, &message].concat()
}

fn announced(frame: &[u8]) -> Option<(Mac, IpAddr)> {
    Announcement::parse(frame).map(|announcement| (announcement.mac, announcement.address))
}

fn mac(octets: [u8; 6]) -> Mac {
    Mac::try_from(octets).unwrap()
}

#[test]
fn a_gratuitous_request_or_reply_announces_its_senders_address() {
    for operation in [1, 2] {
        assert_eq!(announced(&arp(operation, ADDRESS, ADDRESS)), Some((mac(HOST), Ipv4Addr::from(ADDRESS).into())));
    }
}

#[test]
fn questions_probes_and_what_no_host_has_announce_nothing() {
    let others = [
        arp(1, ADDRESS, [10, 9, 0, 11]),
        arp(1, [0; 4], ADDRESS),
        arp(1, [0; 4], [0; 4]),
        arp(1, [255; 4], [255; 4]),
        arp(1, [224, 0, 0, 1], [224, 0, 0, 1]),
        arp(3, ADDRESS, ADDRESS),
    ];
    for frame in others {
        assert_eq!(announced(&frame), None, "{frame:x?}");
    }
    let mut unicast = arp(2, ADDRESS, ADDRESS);
    unicast[..6].copy_from_slice(&[2, 0, 0, 0, 1, 11]);
    assert_eq!(announced(&unicast), None);
}

#[test]
fn an_unsolicited_advertisement_announces_its_target_at_the_link_layer_address_of_its_option_or_its_source() {
    let other = [2, 0, 0, 0, 1, 11];
    let option = [&[2, 1][..], &other].concat();
    let unknown_first = [&[14, 1, 0, 0, 0, 0, 0, 0][..], &option].concat();
    for (options, expected) in [(&[][..], HOST), (&option, other), (&unknown_first, other)] {
        assert_eq!(announced(&advert(0x20, options)), Some((mac(expected), Ipv6Addr::from(ADDRESS6).into())));
    }
    assert_eq!(announced(&advert(0x60, &option)), None, "somebody has asked for it");
    let mut far = advert(0x20, &option);
    far[ETHERNET + 7] = 254;
    assert_eq!(announced(&far), None, "it has come from another link");
}

#[test]
fn what_is_cut_or_lies_about_a_length_announces_nothing() {
    let option = [&[2, 1][..], &HOST].concat();
    for whole in [arp(1, ADDRESS, ADDRESS), advert(0x20, &option)] {
        for length in 0..whole.len() {
            assert_eq!(announced(&whole[..length]), None, "{length} octets");
        }
        // What is behind it is padding.
        assert_eq!(announced(&[&whole[..], &[0; 18]].concat()).map(|(mac, _)| mac), Some(mac(HOST)));
    }
    assert_eq!(announced(&advert(0x20, &[2, 0, 0, 0, 0, 0, 0, 0])), None, "an option of no length");
    assert_eq!(announced(&advert(0x20, &[2])), None, "an option without a length");
    assert_eq!(announced(&advert(0x20, &[14, 2, 0, 0, 0, 0, 0, 0])), None, "an option beyond the end");
}

#[test]
fn the_table_contradicts_who_announces_the_address_of_another_host_or_of_the_routers() {
    let host = Host {
        home: Vtep(Ipv4Addr::new(10, 255, 0, 1)),
        addresses: BTreeSet::from([Ipv4Addr::from(ADDRESS).into(), Ipv6Addr::from(ADDRESS6).into()]),
        mobility: Mobility::Movable,
    };
    let segment = Segment {
        vni: Vni::try_from(100).unwrap(),
        resolution: Resolution::Proxy,
        unknown_unicast: UnknownUnicast::Drop,
        broadcast: Flooding::Flood(NonZeroU32::MIN),
        multicast: Flooding::Drop,
        learning: Learning::Off,
        unreachable: Unreachable::Remove,
        mtu: 1500,
        gateway: Some("10.9.0.1/24".parse().unwrap()),
        members: BTreeSet::from([host.home]),
        hosts: BTreeMap::from([(mac(HOST), host)]),
    };
    let other = mac([2, 0, 0, 0, 1, 11]);
    let said = |mac, address: &str| segment.contradiction(&Announcement { mac, address: address.parse().unwrap() });
    assert_eq!(said(mac(HOST), "10.9.0.10"), None);
    assert_eq!(said(other, "10.9.0.10"), Some(Contradiction::Host(mac(HOST))));
    assert_eq!(said(other, "fd00::a"), Some(Contradiction::Host(mac(HOST))));
    assert_eq!(said(other, "10.9.0.200"), None, "the table says nothing of it");
    assert_eq!(said(mac(HOST), "10.9.0.200"), None, "a host may have more addresses");
    assert_eq!(said(mac(HOST), "10.9.0.1"), Some(Contradiction::Gateway));
}

#[test]
fn a_frame_is_encapsulated_behind_the_header_of_rfc_7348() {
    let vni = Vni::try_from(0x01_02_03).unwrap();
    assert_eq!(encapsulate(vni, &[9, 9]), [8, 0, 0, 0, 1, 2, 3, 0, 9, 9]);
}
