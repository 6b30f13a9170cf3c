use std::sync::Arc;

use super::*;
use crate::mesh::PrefixRule;
use crate::reconcile::state::{ForeignRoute, RouteOrigin};

const OWN: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 1);

fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

/// A route by these interfaces and gateways; wg-b and wg-c are tunnels, eth1 is the LAN.
fn to(text: &str, via: &[(&str, Option<&str>)]) -> (Prefix, Used) {
    let nexthops = via.iter().map(|&(interface, via)| rib::Nexthop {
        interface: name(interface),
        via: via.map(|address| address.parse().unwrap()),
    });
    let nexthops: Few<rib::Nexthop> = nexthops.collect();
    let nexthops = (!nexthops.is_empty()).then(|| Arc::new(nexthops));
    (prefix(text), Used { source: rib::Source::Ospf, nexthops, tag: 0 })
}

fn lan(addresses: &[&str]) -> ForeignInterface {
    let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
    ForeignInterface { index: 10, mtu: 1500, running: true, addresses }
}

/// The routes for the kernel as text, a line for each.
fn routed(routes: &[(Prefix, Used)]) -> Vec<String> {
    routed_with(routes, None, &[])
}

/// [`routed`], where everybody may speak on the LAN if there is something to say of others' routes.
fn routed_with(routes: &[(Prefix, Used)], others: Option<&Foreign>, imports: &[ImportRule]) -> Vec<String> {
    let tunnels = BTreeSet::from([name("wg-b"), name("wg-c")]);
    let underlay = BTreeSet::from(["203.0.113.2".parse().unwrap(), "198.51.100.3".parse().unwrap()]);
    let lan = BTreeMap::from([(name("eth1"), lan(&["10.1.0.1/24"]))]);
    let router = Router {
        loopback: OWN,
        tunnels: &tunnels,
        lan: &lan,
        underlay: &underlay,
        open: &others.map(|_| name("eth1")).into_iter().collect(),
        other_ways: &others.map(|others| OtherWays::of(&underlay, others)).unwrap_or_default(),
        imports,
    };
    let desired = desired_routes(routes.iter().cloned(), &router);
    assert!(desired.values().all(|route| route.source == Some(OWN.into())));
    let onlink = |nexthop: &Nexthop| nexthop.onlink == tunnels.contains(&nexthop.interface);
    assert!(desired.values().flat_map(|route| &route.nexthops).all(onlink));
    desired.iter().map(|(key, route)| format!("{key} {route}")).collect()
}

#[test]
fn no_route_leads_by_an_address_of_this_router() {
    let routes = [
        to("10.2.0.0/16", &[("wg-b", Some("10.255.0.1"))]),
        to("10.3.0.0/16", &[("wg-b", Some("10.255.0.1")), ("wg-c", Some("10.255.0.3"))]),
    ];
    let routed = routed(&routes);
    assert!(routed.len() == 1 && routed[0].contains("10.3.0.0/16") && !routed[0].contains("wg-b"), "{routed:?}");
}

#[test]
fn a_route_that_an_import_filter_refuses_stays_out_of_every_table() {
    let rule = |text: &str, action| {
        let within = prefix(text);
        let prefixes = vec![PrefixRule { within, shortest: within.len(), longest: 32 }];
        ImportRule { prefixes, tags: Vec::new(), action }
    };
    let imports = [rule("10.2.3.0/24", ImportAction::Accept), rule("10.2.0.0/16", ImportAction::Refuse)];
    let fate = |text: &str, via| {
        let (prefix, route) = to(text, &[("wg-b", via)]);
        fate(prefix, &route, OWN, &imports)
    };
    assert_eq!(fate("10.2.0.0/16", Some("10.255.0.2")), Fate::Refused);
    assert_eq!(fate("10.2.3.0/24", Some("10.255.0.2")), Fate::Installed);
    assert_eq!(fate("10.3.0.0/16", Some("10.255.0.2")), Fate::Installed);
    assert_eq!(fate("10.2.0.0/16", None), Fate::Connected);
    assert_eq!(fate("10.255.0.1/32", Some("10.255.0.2")), Fate::Own);
}

#[test]
fn ordinary_routes_go_to_main_with_all_their_next_hops() {
    let routes = [
        to("10.2.0.0/16", &[("wg-b", Some("10.255.0.2"))]),
        to("10.3.0.0/16", &[("wg-b", Some("10.255.0.2")), ("wg-c", Some("10.255.0.3"))]),
        to("10.1.7.0/24", &[("eth1", Some("10.1.0.9"))]),
    ];
    assert_eq!(
        routed(&routes),
        [
            "10.1.7.0/24 via 10.1.0.9 dev eth1",
            "10.2.0.0/16 via 10.255.0.2 dev wg-b",
            "10.3.0.0/16 via 10.255.0.2 dev wg-b, via 10.255.0.3 dev wg-c",
        ]
    );
}

#[test]
fn a_gateway_outside_of_the_networks_of_its_interface_is_said_to_be_on_the_link() {
    let via: Ipv4Addr = "10.1.0.9".parse().unwrap();
    for (addresses, expected) in [
        (&["10.1.0.1/24"][..], false),
        (&["192.0.2.1/24", "10.1.0.1/24"], false),
        (&["10.1.0.1/32"], true),
        (&["192.0.2.1/24"], true),
        (&[], true),
    ] {
        assert_eq!(needs_onlink(Some(&lan(addresses)), Some(via.into())), expected, "{addresses:?}");
    }
    assert!(!needs_onlink(Some(&lan(&["10.1.0.1/24"])), None), "what is connected has no gateway");
}

#[test]
fn connected_networks_and_the_own_loopback_are_left_out() {
    let routes = [
        to("10.1.0.0/24", &[("eth1", None)]),
        to("10.1.1.0/24", &[("eth1", None), ("wg-b", Some("10.255.0.2"))]),
        to("10.255.0.1/32", &[("wg-b", Some("10.255.0.2"))]),
    ];
    assert_eq!(routed(&routes), [] as [&str; 0]);
}

#[test]
fn default_route_and_routes_over_an_underlay_address_stay_out_of_main() {
    let routes = [
        to("0.0.0.0/0", &[("wg-b", Some("10.255.0.2"))]),
        to("203.0.113.0/24", &[("wg-c", Some("10.255.0.3"))]),
        to("203.0.113.128/25", &[("wg-c", Some("10.255.0.3"))]),
    ];
    assert_eq!(
        routed(&routes),
        [
            "0.0.0.0/0 table 201 via 10.255.0.2 dev wg-b",
            "203.0.113.0/24 table 201 via 10.255.0.3 dev wg-c",
            "203.0.113.128/25 via 10.255.0.3 dev wg-c",
        ]
    );
}

#[test]
fn default_route_by_the_lan_is_the_tunnels_way_out_and_stays_in_main() {
    assert_eq!(routed(&[to("0.0.0.0/0", &[("eth1", Some("10.1.0.9"))])]), ["0.0.0.0/0 via 10.1.0.9 dev eth1"]);
    let mixed = [to("0.0.0.0/0", &[("eth1", Some("10.1.0.9")), ("wg-b", Some("10.255.0.2"))])];
    assert_eq!(
        routed(&mixed),
        ["0.0.0.0/0 table 201 via 10.1.0.9 dev eth1, via 10.255.0.2 dev wg-b", "0.0.0.0/0 via 10.1.0.9 dev eth1"]
    );
}

/// What others made: routes with their metric, `None` if they drop packets, and connected networks.
fn others(routes: &[(&str, Option<u32>)], connected: &[&str]) -> Foreign {
    let route = |metric: Option<u32>| ForeignRoute {
        origin: RouteOrigin::Static,
        gateway: None,
        metric: metric.unwrap_or_default(),
        leads: metric.is_some(),
        interface: None,
        has_carrier: true,
    };
    Foreign {
        routes: routes.iter().map(|&(text, metric)| (prefix(text), route(metric))).collect(),
        interfaces: BTreeMap::from([(name("eth0"), lan(connected))]),
        ..Foreign::default()
    }
}

#[test]
fn what_a_stranger_on_the_lan_announces_takes_no_tunnel_off_its_way() {
    let by_lan = |text| to(text, &[("eth1", Some("10.1.0.9"))]);
    let is_diverted = |text, others: &Foreign| {
        let routed = routed_with(&[by_lan(text)], Some(others), &[]);
        let main = format!("{text} via 10.1.0.9 dev eth1");
        let capture = format!("{text} table 201 via 10.1.0.9 dev eth1");
        assert_ne!(routed.contains(&main), routed.contains(&capture), "{routed:?}");
        routed.contains(&capture)
    };
    for (text, others, expected) in [
        ("203.0.113.2/32", others(&[("0.0.0.0/0", Some(0))], &[]), true),
        ("203.0.113.2/32", others(&[("203.0.113.0/24", Some(200))], &[]), true),
        ("203.0.113.2/32", others(&[], &["203.0.113.1/24"]), true),
        ("10.7.0.0/16", others(&[("0.0.0.0/0", Some(0))], &["203.0.113.1/24"]), false),
        // The LAN is the only way.
        ("203.0.113.2/32", others(&[], &[]), false),
        ("203.0.113.2/32", others(&[("203.0.113.0/24", None)], &["192.0.2.1/24"]), false),
        ("203.0.113.2/32", others(&[("0.0.0.0/0", Some(0)), ("203.0.113.0/24", None)], &[]), false),
        ("203.0.113.2/32", others(&[("203.0.0.0/16", None), ("203.0.113.0/24", Some(0))], &[]), true),
        ("203.0.113.2/32", others(&[("203.0.0.0/16", None)], &["203.0.113.1/24"]), true),
        ("192.0.0.0/4", others(&[("203.0.113.0/24", Some(0))], &[]), false),
        ("192.0.0.0/4", others(&[("203.0.113.0/24", Some(0)), ("198.51.0.0/16", Some(0))], &[]), true),
        // Of two default routes the kernel takes that of the lower metric.
        ("0.0.0.0/0", others(&[("0.0.0.0/0", Some(Route::METRIC - 1))], &[]), false),
        ("0.0.0.0/0", others(&[("0.0.0.0/0", Some(Route::METRIC + 1))], &[]), true),
        ("0.0.0.0/0", others(&[], &["203.0.113.1/24", "198.51.100.1/24"]), false),
    ] {
        let others: Foreign = others;
        assert_eq!(is_diverted(text, &others), expected, "{text} beside {others:?}");
    }
}

#[test]
fn a_lan_whose_speakers_are_known_and_routes_that_the_file_accepts_may_lead_tunnels() {
    let route = [to("203.0.113.2/32", &[("eth1", Some("10.1.0.9"))])];
    let main = ["203.0.113.2/32 via 10.1.0.9 dev eth1"];
    assert_eq!(routed(&route), main, "packets are authenticated there");
    let others = others(&[("0.0.0.0/0", Some(0))], &[]);
    let within = prefix("203.0.113.0/24");
    let prefixes = vec![PrefixRule { within, shortest: 24, longest: 32 }];
    let accept = ImportRule { prefixes, tags: Vec::new(), action: ImportAction::Accept };
    assert_eq!(routed_with(&route, Some(&others), &[accept]), main);
    let both = [to("203.0.113.2/32", &[("wg-b", Some("10.255.0.2")), ("eth1", Some("10.1.0.9"))])];
    let routed = routed_with(&both, Some(&others), &[]);
    assert_eq!(routed[0], "203.0.113.2/32 table 201 via 10.1.0.9 dev eth1, via 10.255.0.2 dev wg-b");
    assert!(!routed.iter().any(|line| line.starts_with("203.0.113.2/32 via")), "{routed:?}");
}
