//! Paths out of the AS (RFC 2328 §16.4).

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::kit::{NOW, Net, host, loopback, prefix, router_key, show};
use crate::Rfc1583Compatibility;
use crate::config::ExternalMetric::{Type1, Type2};
use crate::config::{AreaKind, NssaConfig, Summaries};
use crate::ids::{AreaId, InterfaceId, LinkStateId, RouterId};
use crate::route::{AreaInputs, Border, Destination, RouteInputs, calculate};
use crate::wire::RouterFlags;

const OUTSIDE: &str = "203.0.113.0/24";

/// 1 joined to 2 at cost 10 and to 3 at cost 20.
fn fork() -> Net {
    let mut net = Net::new(3);
    net.link(1, 2, 10);
    net.link(1, 3, 20);
    net
}

fn route(net: &Net) -> String {
    show(&net.routes(1), prefix(OUTSIDE))
}

#[test]
fn type_1_adds_the_way_to_the_boundary_router() {
    let mut net = fork();
    net.external(2, OUTSIDE, Type1(15)).route_tag = 7;
    net.external(3, OUTSIDE, Type1(4));
    assert_eq!(route(&net), "External1 24 10.255.0.3@2");
    net.externals[0].2.metric = Type1(14);
    assert_eq!(route(&net), "External1 24 10.255.0.2@1 10.255.0.3@2");
    net.externals[0].2.metric = Type1(13);
    assert_eq!(route(&net), "External1 23 10.255.0.2@1");
    assert_eq!(net.routes(1).table.networks.get(&prefix(OUTSIDE)).unwrap().tag, 7);
}

#[test]
fn type_2_compares_the_metric_and_then_the_way() {
    let mut net = fork();
    net.external(2, OUTSIDE, Type2(15));
    net.external(3, OUTSIDE, Type2(14));
    assert_eq!(route(&net), "External2 14 10.255.0.3@2");
    net.externals[1].2.metric = Type2(15);
    assert_eq!(route(&net), "External2 15 10.255.0.2@1");
    net.externals[1].2.metric = Type1(0xff_fffe);
    assert_eq!(route(&net), "External1 16777234 10.255.0.3@2", "any type 1 before any type 2");
}

#[test]
fn a_path_inside_the_as_is_preferred_to_any_external() {
    let mut net = fork();
    net.external(2, OUTSIDE, Type1(1));
    net.stub(3, OUTSIDE, 60000);
    assert_eq!(route(&net), "IntraArea 60020 10.255.0.3@2");
}

#[test]
fn infinite_old_and_unfounded_externals_are_ignored() {
    let mut net = fork();
    net.external(2, OUTSIDE, Type2(0xff_ffff));
    assert_eq!(route(&net), "-");
    net.externals[0].2.metric = Type1(0xff_ffff);
    assert_eq!(route(&net), "-");
    net.externals[0].2.metric = Type1(0xff_fffe);
    assert_eq!(route(&net), "External1 16777224 10.255.0.2@1");

    let mut unreachable = net.clone();
    unreachable.dead.push(router_key(2));
    assert_eq!(route(&unreachable), "-");

    let mut flushed = net.clone();
    let kind = crate::ids::LsaType::AS_EXTERNAL;
    let id = LinkStateId(u32::from(prefix(OUTSIDE).network()));
    flushed.dead.push(crate::ids::LsaKey { kind, id, advertising_router: RouterId(2) });
    assert_eq!(route(&flushed), "-");

    net.node(2).lsa.flags = RouterFlags::B;
    assert_eq!(route(&net), "-", "without the E-bit it is no boundary router");
}

#[test]
fn a_destination_that_this_router_brings_in_itself_is_here() {
    let mut net = fork();
    net.external(2, OUTSIDE, Type1(1));
    net.external(1, OUTSIDE, Type1(1000));
    assert_eq!(route(&net), "-");
    assert_eq!(show(&net.routes(3), prefix(OUTSIDE)), "External1 31 10.255.0.1@1");
    net.external(2, "203.0.113.128/25", Type1(1));
    assert_eq!(show(&net.routes(1), prefix("203.0.113.128/25")), "External1 11 10.255.0.2@1", "a part of it is not");
}

#[test]
fn prefixes_that_share_a_network_number_differ_by_their_masks() {
    // RFC 2328 appendix E: the second one's Link State ID has its host bits set.
    let mut net = fork();
    net.external(2, "10.0.0.0/16", Type2(1));
    net.external(2, "10.0.0.0/24", Type2(2));
    net.externals[1].0 = LinkStateId::from(Ipv4Addr::new(10, 0, 0, 255));
    net.external(2, "10.0.0.0/8", Type2(3)).network_mask = [255, 0, 255, 0].into();
    net.externals[2].0 = LinkStateId::from(Ipv4Addr::new(10, 255, 255, 255));
    let routes = net.routes(1);
    assert_eq!(show(&routes, prefix("10.0.0.0/16")), "External2 1 10.255.0.2@1");
    assert_eq!(show(&routes, prefix("10.0.0.0/24")), "External2 2 10.255.0.2@1");
    assert_eq!(routes.table.routes().len(), 4, "the mask with holes makes none");
}

#[test]
fn traffic_goes_to_the_forwarding_address() {
    let mut net = fork();
    net.stub(3, "10.3.0.0/16", 1);
    net.external(2, OUTSIDE, Type1(100)).forwarding_address = [10, 3, 0, 9].into();
    assert_eq!(route(&net), "External1 121 10.255.0.3@2");
    net.externals[0].2.metric = Type2(100);
    assert_eq!(route(&net), "External2 100 10.255.0.3@2");
}

#[test]
fn corner_case_26_a_forwarding_address_on_an_own_network_is_the_next_hop() {
    let mut net = Net::new(2);
    net.lan(7, &[(2, 10), (1, 10)]);
    net.external(2, OUTSIDE, Type1(5)).forwarding_address = [192, 168, 7, 99].into();
    assert_eq!(route(&net), "External1 15 192.168.7.99@1");
    net.externals[0].2.forwarding_address = [192, 168, 7, 1].into();
    assert_eq!(route(&net), "-", "the address is our own");
    net.externals[0].2.forwarding_address = [10, 255, 0, 1].into();
    assert_eq!(route(&net), "-", "the address is our own");
}

#[test]
fn corner_case_26_a_forwarding_address_that_is_not_reached_inside_the_as_makes_no_route() {
    let mut net = fork();
    net.external(2, OUTSIDE, Type1(5)).forwarding_address = [198, 51, 100, 1].into();
    assert_eq!(route(&net), "-");
    net.external(3, "198.51.100.0/24", Type1(5));
    assert_eq!(show(&net.routes(1), prefix("198.51.100.0/24")), "External1 25 10.255.0.3@2");
    assert_eq!(route(&net), "-", "a path outside the AS does not count");
    net.stub(3, "198.51.0.0/16", 1);
    assert_eq!(route(&net), "External1 26 10.255.0.3@2");
}

#[test]
fn externals_alone_can_be_calculated_again() {
    let mut net = fork();
    let internal = net.internal(1);
    net.external(2, OUTSIDE, Type2(1));
    assert_eq!(show(&net.externals(1, &internal), prefix(OUTSIDE)), "-", "2 was no boundary router then");
    let internal = net.internal(1);
    assert_eq!(net.externals(1, &internal), net.routes(1));
    net.external(2, "198.51.100.0/24", Type2(1));
    assert_eq!(net.externals(1, &internal), net.routes(1));
}

/// Two areas that this router joins; router 2 is in both, router 3 in the second only.
fn two_areas(first: (AreaId, u16), second: (AreaId, u16), rfc1583: Rfc1583Compatibility) -> String {
    two_areas_of(first, second, &AreaKind::Normal, Ipv4Addr::UNSPECIFIED, rfc1583)
}

/// The same, the second area being of any kind, and what router 2 brings in being sent to a forwarding address.
fn two_areas_of(
    first: (AreaId, u16),
    second: (AreaId, u16),
    kind: &AreaKind,
    forwarding: Ipv4Addr,
    rfc1583: Rfc1583Compatibility,
) -> String {
    let mut one = Net::new(2);
    one.link(1, 2, first.1);
    one.external(2, OUTSIDE, Type2(1)).forwarding_address = forwarding;
    let mut other = Net::new(3);
    other.link(1, 2, second.1);
    other.link(1, 3, second.1);
    other.node(2).lsa.flags = RouterFlags::E;
    for adjacency in &mut other.node(1).adjacencies {
        adjacency.interface = InterfaceId(9);
    }
    let [area, other_area] = [(first.0, &one), (second.0, &other)];
    let lsdbs = [area.1.area_lsdb(), other_area.1.area_lsdb()];
    let inputs = |(number, net): (AreaId, &Net), lsdb| {
        let adjacencies = net.nodes[&1].adjacencies.clone();
        (number, lsdb, adjacencies)
    };
    let areas = [inputs(area, &lsdbs[0]), inputs(other_area, &lsdbs[1])];
    let none = BTreeMap::new();
    let areas: Vec<_> = areas
        .iter()
        .map(|(area, lsdb, adjacencies)| AreaInputs {
            area: *area,
            kind: if *area == first.0 { &AreaKind::Normal } else { kind },
            ranges: &none,
            lsdb,
            adjacencies,
        })
        .collect();
    let calculation = calculate(&RouteInputs {
        router_id: RouterId(1),
        now: NOW,
        areas: &areas,
        as_scope: &one.as_lsdb(),
        connected: &one.nodes[&1].connected,
        own_externals: &BTreeMap::new(),
        aggregates: &BTreeMap::new(),
        border: Border::Inside,
        virtual_links: &BTreeSet::new(),
        policy: &one.policy,
        rfc1583,
    });
    assert_eq!(calculation.table.networks.get(&host(2)).unwrap().metric, u32::from(first.1.min(second.1)));
    show(&calculation, prefix(OUTSIDE))
}

#[test]
fn corner_case_33_rfc1583_compatibility_decides_whether_a_cheaper_backbone_path_to_the_boundary_router_wins() {
    let backbone = AreaId::BACKBONE;
    let cheaper = |rfc1583| two_areas((backbone, 5), (AreaId(1), 50), rfc1583);
    assert_eq!(cheaper(Rfc1583Compatibility::Enabled), "External2 1 10.255.0.2@1");
    assert_eq!(cheaper(Rfc1583Compatibility::Disabled), "External2 1 10.255.0.2@9");
}

#[test]
fn an_as_external_lsa_is_not_followed_through_an_area_that_has_none() {
    // The second area is the cheaper way to router 2, and the only one to router 3.
    let through = |kind: &AreaKind, forwarding| {
        two_areas_of((AreaId::BACKBONE, 50), (AreaId(1), 5), kind, forwarding, Rfc1583Compatibility::Enabled)
    };
    let stub = AreaKind::Stub { summaries: Summaries::Imported, default_cost: 1 };
    let nssa = AreaKind::Nssa(NssaConfig::default());
    assert_eq!(through(&AreaKind::Normal, Ipv4Addr::UNSPECIFIED), "External2 1 10.255.0.2@9");
    assert_eq!(through(&stub, Ipv4Addr::UNSPECIFIED), "External2 1 10.255.0.2@1");
    assert_eq!(through(&nssa, Ipv4Addr::UNSPECIFIED), "External2 1 10.255.0.2@1");
    assert_eq!(through(&AreaKind::Normal, loopback(3)), "External2 1 10.255.0.3@9");
    assert_eq!(through(&nssa, loopback(3)), "-", "RFC 3101 §2.5 (3)");
}

#[test]
fn equal_paths_to_a_boundary_router_go_through_the_largest_area() {
    let equal = two_areas((AreaId(1), 5), (AreaId(2), 5), Rfc1583Compatibility::Enabled);
    assert_eq!(equal, "External2 1 10.255.0.2@9");
}

#[test]
fn replacing_some_externals_gives_what_calculating_everything_gives() {
    let mut random = crate::random::Random::new(166);
    let destinations = ["10.1.0.0/16", "10.1.2.0/24", "10.255.0.2/32", "0.0.0.0/0", "10.1.2.128/25"];
    let metrics = [Type1(1), Type1(9), Type2(1), Type2(2)];
    let mut changed = 0;
    for _ in 0..300 {
        let mut net = Net::new(4);
        for (a, b) in [(1, 2), (1, 3), (2, 4), (3, 4)] {
            net.link(a, b, 1 + (random.next_u32() % 2) as u16);
        }
        net.believe(&[2, 3, 4], &[("10.1.0.0/16", &[2, 3])], crate::config::Unlisted::Accept);
        for router in 2..=4 {
            for destination in destinations {
                net.external(router, destination, metrics[random.next_u32() as usize % metrics.len()]);
            }
        }
        let all = net.externals.clone();
        let mut kept = net.routes(1);
        for _ in 0..20 {
            let which = random.next_u32() as usize % all.len();
            let (id, router, lsa) = all[which];
            let parts = [Destination::External(prefix(destinations[which % destinations.len()]))].into_iter().collect();
            match net
                .externals
                .iter()
                .position(|known| (known.0, known.1, known.2.network_mask) == (id, router, lsa.network_mask))
            {
                Some(at) => _ = net.externals.remove(at),
                None => net.externals.push((id, router, lsa)),
            }
            let before = kept.table.clone();
            let replaced = net.with_inputs(1, |inputs| kept.replace(inputs, &parts)).unwrap();
            let full = net.routes(1);
            assert_eq!(kept, full, "{parts:?} in {net:?}");
            assert_eq!(replaced, full.table.changes_since(&before));
            changed += replaced.len();
        }
    }
    assert!(changed > 1000, "{changed}");
}
