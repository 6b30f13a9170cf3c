use std::net::Ipv4Addr;

use super::*;
use crate::net::IfName;

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn hop(interface: &str) -> Nexthop {
    Nexthop { interface: IfName::new(interface).unwrap(), via: Some(Ipv4Addr::new(10, 255, 0, 9).into()) }
}

fn hops(interfaces: &[&str]) -> Few<Nexthop> {
    interfaces.iter().map(|interface| hop(interface)).collect()
}

/// A route of OSPF's preference over these interfaces, with a backup or without.
fn route(interfaces: &[&str], backup: Option<&str>) -> Route {
    let hops = NextHops { primary: hops(interfaces), backup: backup.map(hop) };
    Route { preference: Preference::OSPF, action: Action::Forward(hops), tag: 0 }
}

fn interface_failure(name: &str) -> BTreeSet<Failure> {
    BTreeSet::from([Failure::Interface(IfName::new(name).unwrap())])
}

/// The interfaces that packets to `prefix` are sent to; `None` without a route, and empty if they are dropped.
fn used(rib: &Rib, text: &str) -> Option<Vec<String>> {
    let used = rib.used(prefix(text))?;
    Some(used.nexthops.iter().flat_map(|hops| hops.iter()).map(|hop| hop.interface.to_string()).collect())
}

fn written(routes: &[(&str, Route)]) -> Rib {
    let mut rib = Rib::default();
    let routes: Vec<(Prefix, Option<Route>)> =
        routes.iter().map(|(text, route)| (prefix(text), Some(route.clone()))).collect();
    let expected: BTreeSet<Prefix> = routes.iter().map(|(prefix, _)| *prefix).collect();
    assert_eq!(rib.update(Source::Ospf, routes), expected);
    rib
}

#[test]
fn only_what_is_another_route_now_is_a_change() {
    let mut rib = written(&[("10.1.0.0/16", route(&["wg-a"], None)), ("2001:db8::/32", route(&["wg-a"], None))]);
    assert!(rib.update(Source::Ospf, [(prefix("10.1.0.0/16"), Some(route(&["wg-a"], None)))]).is_empty());
    let changes = [
        (prefix("10.1.0.0/16"), Some(route(&["wg-a", "wg-b"], None))),
        (prefix("10.9.0.0/16"), None),
        (prefix("2001:db8::/32"), None),
    ];
    assert_eq!(rib.update(Source::Ospf, changes), ["10.1.0.0/16", "2001:db8::/32"].map(prefix).into());
    assert_eq!(used(&rib, "10.1.0.0/16").unwrap(), ["wg-a", "wg-b"]);
    assert_eq!(rib.iter().count(), 1);
    // A tag decides about import filters, so that it is part of what is used.
    let tagged = Route { tag: 7, ..route(&["wg-a", "wg-b"], None) };
    assert_eq!(rib.update(Source::Ospf, [(prefix("10.1.0.0/16"), Some(tagged))]).len(), 1);
}

#[test]
fn replacing_all_routes_withdraws_the_others() {
    let mut rib = written(&[("10.1.0.0/16", route(&["wg-a"], None)), ("10.2.0.0/16", route(&["wg-a"], None))]);
    let routes = [(prefix("10.2.0.0/16"), route(&["wg-a"], None)), (prefix("10.3.0.0/16"), route(&["wg-b"], None))];
    assert_eq!(rib.replace(Source::Ospf, routes), ["10.1.0.0/16", "10.3.0.0/16"].map(prefix).into());
    assert_eq!(rib.iter().map(|(prefix, _)| prefix.to_string()).collect::<Vec<_>>(), ["10.2.0.0/16", "10.3.0.0/16"]);
}

#[test]
fn a_failure_leaves_the_other_next_hops_then_the_backup_then_nothing() {
    let mut rib = written(&[
        ("10.1.0.0/16", route(&["wg-a", "wg-b"], None)),
        ("10.2.0.0/16", route(&["wg-a"], Some("wg-c"))),
        ("10.3.0.0/16", route(&["wg-a"], None)),
        ("10.4.0.0/16", route(&["wg-b"], Some("wg-a"))),
    ]);
    let changed = rib.set_failures(interface_failure("wg-a"));
    assert_eq!(changed, ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"].map(prefix).into());
    assert_eq!(used(&rib, "10.1.0.0/16").unwrap(), ["wg-b"]);
    assert_eq!(used(&rib, "10.2.0.0/16").unwrap(), ["wg-c"]);
    assert_eq!(used(&rib, "10.3.0.0/16"), None);
    assert!(rib.set_failures(interface_failure("wg-a")).is_empty(), "nothing else has failed");
    // Both the next hop and its backup.
    let both = interface_failure("wg-a").into_iter().chain([Failure::Nexthop(hop("wg-c"))]).collect();
    assert_eq!(rib.set_failures(both), BTreeSet::from([prefix("10.2.0.0/16")]));
    assert_eq!(used(&rib, "10.2.0.0/16"), None);
    assert_eq!(rib.set_failures(BTreeSet::new()), ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"].map(prefix).into());
    assert_eq!(used(&rib, "10.2.0.0/16").unwrap(), ["wg-a"]);
}

#[test]
fn a_route_that_comes_while_something_has_failed_does_not_use_it() {
    let mut rib = Rib::default();
    rib.set_failures(BTreeSet::from([Failure::Nexthop(hop("wg-a"))]));
    let changes = ["10.1.0.0/16", "10.2.0.0/16"].map(prefix);
    assert!(rib.update(Source::Ospf, [(changes[0], Some(route(&["wg-a"], None)))]).is_empty(), "no route is used yet");
    assert_eq!(rib.update(Source::Ospf, [(changes[1], Some(route(&["wg-a", "wg-b"], None)))]).len(), 1);
    assert_eq!((used(&rib, "10.1.0.0/16"), used(&rib, "10.2.0.0/16")), (None, Some(vec!["wg-b".to_owned()])));
    assert_eq!(rib.set_failures(BTreeSet::new()), changes.into());
}

#[test]
fn a_discarding_route_needs_no_next_hop() {
    let discard = Route { action: Action::Discard, ..route(&[], None) };
    let mut rib = written(&[("10.0.0.0/8", discard)]);
    assert!(rib.set_failures(interface_failure("wg-a")).is_empty());
    assert_eq!(used(&rib, "10.0.0.0/8"), Some(vec![]));
    // A route that forwards, and has nowhere to forward to, is none.
    assert_eq!(rib.update(Source::Ospf, [(prefix("10.0.0.0/8"), Some(route(&[], None)))]).len(), 1);
    assert_eq!(used(&rib, "10.0.0.0/8"), None);
}

#[test]
fn routes_with_the_same_next_hops_share_them() {
    let many: Vec<(Prefix, Option<Route>)> =
        (0..1000).map(|n| (Prefix::host(Ipv4Addr::from(n)), Some(route(&["wg-a", "wg-b"], None)))).collect();
    let mut rib = Rib::default();
    rib.update(Source::Ospf, many);
    let first = rib.used(prefix("0.0.0.0/32")).unwrap().nexthops.unwrap();
    let shared = |(_, used): (Prefix, Used)| Arc::ptr_eq(&used.nexthops.unwrap(), &first);
    assert!(rib.iter().count() == 1000 && rib.iter().all(shared));
    assert_eq!(rib.sets.len(), 1);
    rib.replace(Source::Ospf, []);
    assert_eq!((rib.routes.len(), rib.sets.len()), (0, 0));
}
