//! Arbitrary values of the wire types, all of them such as may be written.

use std::net::Ipv4Addr;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::super::*;
use crate::config::ExternalMetric;
use crate::ids::{AreaId, LinkStateId, LsaKey, LsaType, RouterId, SequenceNumber};

fn address() -> impl Strategy<Value = Ipv4Addr> {
    any::<u32>().prop_map(Ipv4Addr::from)
}

fn options() -> impl Strategy<Value = Options> {
    any::<u8>().prop_map(Options)
}

fn key(kind: impl Strategy<Value = u8>) -> impl Strategy<Value = LsaKey> {
    (kind, any::<u32>(), any::<u32>()).prop_map(|(kind, id, router)| LsaKey {
        kind: LsaType(kind),
        id: LinkStateId(id),
        advertising_router: RouterId(router),
    })
}

fn header() -> impl Strategy<Value = LsaHeader> {
    let length = LSA_HEADER_LEN as u16..;
    (0..=MAX_AGE, options(), key(any::<u8>()), any::<i32>(), any::<u16>(), length).prop_map(
        |(age, options, key, sequence, checksum, length)| LsaHeader {
            age,
            options,
            key,
            sequence: SequenceNumber(sequence),
            checksum,
            length,
        },
    )
}

fn link() -> impl Strategy<Value = RouterLink> {
    (any::<u8>(), address(), address(), any::<u16>()).prop_map(|(kind, id, data, metric)| RouterLink {
        kind: RouterLinkKind::from(kind),
        id,
        data,
        metric,
    })
}

fn external() -> impl Strategy<Value = ExternalLsa> {
    let metric = prop_oneof![
        (0..=LS_INFINITY).prop_map(ExternalMetric::Type1),
        (0..=LS_INFINITY).prop_map(ExternalMetric::Type2),
    ];
    (address(), metric, address(), any::<u32>()).prop_map(|(network_mask, metric, forwarding_address, route_tag)| {
        ExternalLsa { network_mask, metric, forwarding_address, route_tag }
    })
}

/// A body with the LS types that have such a body.
fn body() -> impl Strategy<Value = (LsaBody, Vec<u8>)> {
    let router = (any::<u8>(), vec(link(), 0..20))
        .prop_map(|(flags, links)| LsaBody::Router(RouterLsa { flags: RouterFlags(flags), links }));
    let network = (address(), vec(any::<u32>().prop_map(RouterId), 0..20))
        .prop_map(|(network_mask, attached_routers)| LsaBody::Network(NetworkLsa { network_mask, attached_routers }));
    let summary = (address(), 0..=LS_INFINITY)
        .prop_map(|(network_mask, metric)| LsaBody::Summary(SummaryLsa { network_mask, metric }));
    let opaque = vec(any::<[u8; 4]>(), 0..20).prop_map(|words| LsaBody::Opaque(Bytes::from(words.concat())));
    prop_oneof![
        router.prop_map(|body| (body, vec![1])),
        network.prop_map(|body| (body, vec![2])),
        summary.prop_map(|body| (body, vec![3, 4])),
        external().prop_map(|external| (LsaBody::External(external), vec![5, 7])),
        opaque.prop_map(|body| (body, vec![9, 10, 11])),
    ]
}

/// The parts of an LSA that [`Lsa::new`] takes.
pub(super) fn lsa_parts() -> impl Strategy<Value = (LsaKey, Options, SequenceNumber, LsaBody)> {
    body().prop_flat_map(|(body, kinds)| {
        (key(proptest::sample::select(kinds)), options(), any::<i32>(), Just(body))
            .prop_map(|(key, options, sequence, body)| (key, options, SequenceNumber(sequence), body))
    })
}

pub(super) fn lsa() -> impl Strategy<Value = Lsa> {
    (lsa_parts(), 0..=MAX_AGE).prop_map(|((key, options, sequence, body), age)| {
        Lsa::new(key, options, sequence, &body).unwrap().with_age(age)
    })
}

fn hello() -> impl Strategy<Value = Hello> {
    let rest = (address(), address(), vec(any::<u32>().prop_map(RouterId), 0..20));
    (address(), any::<u16>(), options(), any::<u8>(), any::<u32>(), rest).prop_map(
        |(network_mask, hello_interval, options, priority, dead_interval, rest)| {
            let (designated_router, backup_designated_router, neighbors) = rest;
            Hello {
                network_mask,
                hello_interval,
                options,
                priority,
                dead_interval,
                designated_router,
                backup_designated_router,
                neighbors,
            }
        },
    )
}

fn description() -> impl Strategy<Value = DatabaseDescription> {
    (any::<u16>(), options(), any::<[bool; 3]>(), any::<u32>(), vec(header(), 0..10)).prop_map(
        |(interface_mtu, options, [init, more, master], sequence, headers)| DatabaseDescription {
            interface_mtu,
            options,
            flags: DdFlags { init, more, master },
            sequence,
            headers,
        },
    )
}

pub(super) fn packet() -> impl Strategy<Value = Packet> {
    let authentication = prop_oneof![
        Just(Authentication::Null),
        (1_u16.., any::<[u8; 8]>()).prop_map(|(kind, data)| Authentication::Other { kind, data }),
        (1_u16..4, any::<[u8; 8]>()).prop_map(|(kind, data)| Authentication::Other { kind, data }),
    ];
    let body = prop_oneof![
        hello().prop_map(PacketBody::Hello),
        description().prop_map(PacketBody::DatabaseDescription),
        vec(key(any::<u8>()), 0..20).prop_map(PacketBody::LinkStateRequest),
        vec(lsa(), 0..10).prop_map(PacketBody::LinkStateUpdate),
        vec(header(), 0..10).prop_map(PacketBody::LinkStateAck),
    ];
    (any::<u32>(), any::<u32>(), authentication, body).prop_map(|(router, area, authentication, body)| Packet {
        router_id: RouterId(router),
        area_id: AreaId(area),
        authentication,
        body,
    })
}
