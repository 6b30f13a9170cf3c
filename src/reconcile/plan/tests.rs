//! Plans as text, each also carried out on a model of the kernel that refuses what the kernel would refuse; after
//! every plan there must be nothing left to do.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::*;
use crate::keys::{PresharedKey, PrivateKey};
use crate::net::Prefix;
use crate::reconcile::filter::Ruleset;
use crate::reconcile::state::{
    Backend, CAPTURE_TABLE, FWMARK, ForeignInterface, MAIN_TABLE, Nexthop, Rule, RuleAction, Selector, Traffic,
};

const OWN: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 1);

fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

fn loopback(id: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 255, 0, id)
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn own_key() -> PrivateKey {
    "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=".parse().unwrap()
}

fn public_key(id: u8) -> crate::keys::PublicKey {
    crate::keys::PublicKey::from_bytes([id; 32])
}

fn interface(id: u8) -> IfName {
    name(&format!("wg-{}", char::from(b'a' + id - 1)))
}

fn endpoint(id: u8) -> SocketAddr {
    SocketAddr::from(([203, 0, 113, id], 51820 + 1))
}

/// What site 1 wants with tunnels to `sites`, each of which has 10.N.0.0/16 behind it.
fn wanted(backend: Backend, sites: &[u8]) -> State {
    let mut state = State::default();
    state.addresses.insert((name("lo"), OWN));
    for &id in sites {
        let device = Device {
            key: own_key(),
            listen_port: 51820 + u16::from(id),
            fwmark: FWMARK,
            peer: Peer { public_key: public_key(id), endpoint: Some(endpoint(id)), keepalive_s: 25, preshared: None },
        };
        state.links.insert(interface(id), Link { backend, mtu: 1420, admin: Admin::Up });
        state.devices.insert(interface(id), device);
        state.addresses.insert((interface(id), OWN));
        route(&mut state, MAIN_TABLE, &format!("10.{id}.0.0/16"), &[id]);
        let own = |key| Sysctl { scope: Scope::Interface(interface(id)), key };
        state.sysctls.insert(own(SysctlKey::RpFilter), 0);
    }
    state.sysctls.insert("all/forwarding".parse().unwrap(), 1);
    state
}

fn route(state: &mut State, table: u32, to: &str, via: &[u8]) {
    let nexthops =
        via.iter().map(|&id| Nexthop { interface: interface(id), via: Some(loopback(id).into()), onlink: true });
    state.routes.insert(RouteKey { table, prefix: prefix(to) }, Route::unicast(nexthops, Some(OWN.into())));
}

/// A machine with an uplink and nothing of weft.
fn bare() -> Observed {
    let mut observed = Observed::default();
    for name in ["lo", "eth0"] {
        let found = ForeignInterface { index: 1, mtu: 1500, running: true, addresses: Vec::new() };
        observed.foreign.interfaces.insert(IfName::new(name).unwrap(), found);
    }
    observed.state.sysctls.insert("all/forwarding".parse().unwrap(), 0);
    observed
}

/// A machine on which `desired` has been carried out.
fn settled(desired: &State) -> Observed {
    let mut observed = bare();
    let steps = plan(desired, &observed, &Applied::default());
    steps.iter().for_each(|step| carry_out(step, &mut observed));
    heard_from(&mut observed);
    observed
}

/// Every peer has just shaken hands.
fn heard_from(observed: &mut Observed) {
    for device in observed.state.devices.values_mut() {
        device.peer.as_mut().unwrap().handshake_age = Some(Duration::from_secs(5));
    }
}

/// The plan as text; carried out it leaves nothing to do.
fn planned(desired: &State, observed: &mut Observed, applied: &Applied) -> Vec<String> {
    let steps = plan(desired, observed, applied);
    steps.iter().for_each(|step| carry_out(step, observed));
    let mut applied = applied.clone();
    applied.note(desired, []);
    let again: Vec<String> = plan(desired, observed, &applied).iter().map(Step::to_string).collect();
    assert_eq!(again, Vec::<String>::new(), "a plan carried out leaves nothing to do");
    steps.iter().map(Step::to_string).collect()
}

/// The model kernel.
fn carry_out(step: &Step, observed: &mut Observed) {
    let state = &mut observed.state;
    let exists = |state: &State<ObservedDevice>, name: &IfName| {
        state.links.contains_key(name) || observed.foreign.interfaces.contains_key(name)
    };
    match step {
        Step::SetSysctl(sysctl, value) => {
            if let Some(interface) = sysctl.scope.interface() {
                assert!(exists(state, interface), "{step}: no such interface");
            }
            state.sysctls.insert(sysctl.clone(), *value);
            if sysctl.to_string() == "all/forwarding" {
                let others = state.sysctls.iter_mut().filter(|(other, _)| other.key == SysctlKey::Forwarding);
                others.for_each(|(_, other)| *other = *value);
            }
        }
        Step::CreateLink(interface, backend) => {
            let link = Link { backend: *backend, mtu: 1500, admin: Admin::Down };
            let present = state.links.entry(interface.clone()).or_insert(link);
            assert_eq!(present.backend, *backend, "{step}: another one is in the way");
        }
        Step::DeleteLink(interface, backend) => {
            let link = state.links.remove(interface).expect("a link that is deleted exists");
            assert_eq!(link.backend, *backend);
            state.devices.remove(interface);
            state.addresses.retain(|(name, _)| name != interface);
            for route in state.routes.values_mut() {
                let nexthops = std::mem::take(&mut route.nexthops).into_iter();
                route.nexthops = nexthops.filter(|nexthop| nexthop.interface != *interface).collect();
            }
            state.routes.retain(|_, route| !route.nexthops.is_empty());
            state.sysctls.retain(|sysctl, _| sysctl.scope.interface() != Some(interface));
        }
        Step::SetMtu(interface, mtu) => state.links.get_mut(interface).expect("the link exists").mtu = *mtu,
        Step::SetUp(interface) => state.links.get_mut(interface).expect("the link exists").admin = Admin::Up,
        Step::Configure(interface, change) => {
            assert!(state.links.contains_key(interface), "{step}: no such link");
            if let Some(port) = change.listen_port.filter(|port| *port != 0) {
                let mut others = state.devices.iter().filter(|(name, _)| *name != interface);
                assert!(others.all(|(_, other)| other.listen_port != port), "{step}: another has the port");
            }
            configure(state.devices.entry(interface.clone()).or_insert_with(blank), change);
        }
        Step::AddAddress(interface, address) => {
            assert!(exists(state, interface), "{step}: no such interface");
            assert!(state.addresses.insert((interface.clone(), *address)), "{step}: there already");
        }
        Step::RemoveAddress(interface, address) => {
            assert!(state.addresses.remove(&(interface.clone(), *address)), "{step}: not there");
        }
        Step::AddRoute(key, route) => {
            check_route(step, route, state);
            assert!(state.routes.insert(*key, route.clone()).is_none(), "{step}: there already");
        }
        Step::ReplaceRoute(key, route) => {
            check_route(step, route, state);
            assert!(state.routes.insert(*key, route.clone()).is_some(), "{step}: nothing to replace");
        }
        Step::DeleteRoute(key) => {
            state.routes.remove(key);
        }
        Step::AddRule(rule) => assert!(state.rules.insert(rule.clone()), "{step}: there already"),
        Step::DeleteRule(rule) => assert!(state.rules.remove(rule), "{step}: not there"),
        Step::SetFilter(ruleset) => state.filter = Some(ruleset.clone()),
        Step::DeleteFilter => assert!(state.filter.take().is_some(), "{step}: not there"),
        Step::Overlay(_) => panic!("{step}: there are no segments here"),
    }
}

/// The kernel takes a route only over links that are up, from a source that is its own.
fn check_route(step: &Step, route: &Route, state: &State<ObservedDevice>) {
    for nexthop in &route.nexthops {
        let up = state.links.get(&nexthop.interface).is_none_or(|link| link.admin == Admin::Up);
        assert!(up, "{step}: {} is down", nexthop.interface);
    }
    let source = route.source.expect("routes of these tests have a source");
    assert!(state.addresses.iter().any(|(_, address)| *address == source), "{step}: {source} is not ours");
}

fn blank() -> ObservedDevice {
    ObservedDevice {
        public_key: PrivateKey::generate().public(),
        listen_port: 0,
        fwmark: 0,
        peer: None,
        unmanaged: BTreeSet::new(),
        traffic: Traffic::default(),
    }
}

fn configure(device: &mut ObservedDevice, change: &DeviceChange) {
    if let Some(key) = &change.private_key {
        device.public_key = key.public();
    }
    device.listen_port = change.listen_port.unwrap_or(device.listen_port);
    device.fwmark = change.fwmark.unwrap_or(device.fwmark);
    device.unmanaged.retain(|key| !change.remove.contains(key));
    device.peer.take_if(|peer| change.remove.contains(&peer.public_key));
    let Some(change) = &change.peer else { return };
    let peer = device.peer.get_or_insert(ObservedPeer {
        public_key: change.public_key,
        endpoint: None,
        keepalive_s: 0,
        allowed_ips: AllowedIps::Incomplete,
        preshared: None,
        handshake_age: None,
    });
    assert_eq!(peer.public_key, change.public_key, "one peer at a time");
    peer.endpoint = change.endpoint.or(peer.endpoint);
    peer.keepalive_s = change.keepalive_s.unwrap_or(peer.keepalive_s);
    if change.allowed_ips == AllowedIpsChange::AddEverything {
        peer.allowed_ips = AllowedIps::Everything;
    }
    match &change.preshared {
        PresharedChange::Keep => {}
        PresharedChange::Remove => peer.preshared = None,
        PresharedChange::Set(key) => peer.preshared = Some(key.digest()),
    }
}

fn capture_rules() -> BTreeSet<Rule> {
    let rule = |priority, table, suppress_prefixlen| Rule {
        priority,
        selector: Selector::NotMarked(FWMARK),
        action: RuleAction::Lookup { table, suppress_prefixlen },
    };
    BTreeSet::from([rule(5200, MAIN_TABLE, Some(0)), rule(5205, CAPTURE_TABLE, None)])
}

#[test]
fn first_start_makes_links_before_addresses_before_routes() {
    let desired = wanted(Backend::Kernel, &[2]);
    assert_eq!(
        planned(&desired, &mut bare(), &Applied::default()),
        [
            "set all/forwarding to 1",
            "create kernel tunnel wg-b",
            "set wg-b/rp_filter to 0",
            "set MTU of wg-b to 1420",
            "configure wg-b: private key, port 51822, fwmark 201, \
             peer AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=, endpoint 203.0.113.2:51821, keepalive 25 s, \
             all addresses allowed",
            "set wg-b up",
            "add address 10.255.0.1 to lo",
            "add address 10.255.0.1 to wg-b",
            "add route 10.2.0.0/16 via 10.255.0.2 dev wg-b",
        ]
    );
}

#[test]
fn a_preshared_key_is_written_if_it_differs_and_taken_away_where_none_is_wanted() {
    let with = |preshared| {
        let mut desired = wanted(Backend::Userspace, &[2]);
        desired.devices.get_mut(&interface(2)).unwrap().peer.preshared = preshared;
        desired
    };
    let key = |octet| Some(PresharedKey::from_bytes(&[octet; 32]));
    let said = |parts: &str| [format!("configure wg-b: peer AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=, {parts}")];
    let mut observed = settled(&with(None));
    assert_eq!(planned(&with(key(1)), &mut observed, &Applied::default()), said("preshared key"));
    assert_eq!(planned(&with(key(1)), &mut observed, &Applied::default()), [] as [&str; 0]);
    assert_eq!(planned(&with(key(2)), &mut observed, &Applied::default()), said("preshared key"));
    assert_eq!(planned(&with(None), &mut observed, &Applied::default()), said("no preshared key"));
    assert_eq!(planned(&with(None), &mut observed, &Applied::default()), [] as [&str; 0]);
}

#[test]
fn the_filter_is_the_first_to_come_and_the_last_to_go_and_replaces_one_that_somebody_changed() {
    let desired = State { filter: Some(Ruleset::unknown()), ..wanted(Backend::Userspace, &[2]) };
    let mut observed = bare();
    let steps = planned(&desired, &mut observed, &Applied::default());
    assert_eq!(steps.first().unwrap(), "set the filter");
    let mesh = "[mesh]\nname = \"a\"\nloopbacks = \"10.255.0.0/16\"\n\
                [[site]]\nname = \"b\"\nid = 1\npublic_key = \"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=\"\n\
                [[l2]]\nname = \"vms\"\nvni = 100\n[[l2.site]]\nname = \"b\"\n";
    let mesh = crate::mesh::parse("mesh", mesh).unwrap().mesh;
    let changed = State { filter: Ruleset::of(&mesh, &mesh.sites[0]), ..desired };
    assert_eq!(planned(&changed, &mut observed, &Applied::default()), ["set the filter"]);
    let steps = planned(&State::default(), &mut observed, &Applied::default());
    assert_eq!(steps.last().unwrap(), "delete the filter");
}

#[test]
fn nothing_to_do_is_an_empty_plan() {
    let desired = wanted(Backend::Userspace, &[2, 3]);
    assert!(plan(&desired, &settled(&desired), &Applied::default()).is_empty());
}

#[test]
fn restart_after_a_crash_touches_nothing_that_is_right() {
    let desired = wanted(Backend::Userspace, &[2, 3]);
    let mut observed = settled(&desired);
    let peer = observed.state.devices.get_mut(&interface(2)).unwrap().peer.as_mut().unwrap();
    peer.endpoint = Some("198.51.100.9:1024".parse().unwrap());
    assert_eq!(
        planned(&desired, &mut observed, &Applied::default()),
        [] as [&str; 0],
        "the peer has roamed, and lives"
    );
}

#[test]
fn crash_between_making_a_link_and_setting_it_up_is_finished() {
    let desired = wanted(Backend::Kernel, &[2]);
    let observed = bare();
    let steps = plan(&desired, &observed, &Applied::default());
    for done in 0..=steps.len() {
        let mut observed = observed.clone();
        steps[..done].iter().for_each(|step| carry_out(step, &mut observed));
        planned(&desired, &mut observed, &Applied::default());
    }
}

#[test]
fn reload_that_adds_a_site_leaves_the_others_alone() {
    let mut observed = settled(&wanted(Backend::Userspace, &[2]));
    let steps = planned(&wanted(Backend::Userspace, &[2, 3]), &mut observed, &Applied::default());
    assert!(steps.iter().all(|step| step.contains("wg-c")), "{steps:#?}");
    assert_eq!(steps.first().unwrap(), "create userspace tunnel wg-c");
    assert_eq!(steps.last().unwrap(), "add route 10.3.0.0/16 via 10.255.0.3 dev wg-c");
}

#[test]
fn removing_a_site_moves_routes_off_its_tunnel_before_it_goes() {
    let mut before = wanted(Backend::Kernel, &[2, 3]);
    route(&mut before, MAIN_TABLE, "10.9.0.0/16", &[2, 3]);
    let mut after = wanted(Backend::Kernel, &[2]);
    route(&mut after, MAIN_TABLE, "10.9.0.0/16", &[2]);
    assert_eq!(
        planned(&after, &mut settled(&before), &Applied::default()),
        ["replace route 10.9.0.0/16 via 10.255.0.2 dev wg-b", "delete route 10.3.0.0/16", "delete tunnel wg-c",]
    );
}

#[test]
fn link_whose_port_another_one_needs_goes_before_that_comes() {
    let before = wanted(Backend::Userspace, &[2, 3]);
    let mut observed = settled(&before);
    let mut desired = wanted(Backend::Userspace, &[3, 4]);
    desired.devices.get_mut(&interface(4)).unwrap().listen_port = before.devices[&interface(2)].listen_port;
    // A destination of the one that goes leads over the one that comes.
    route(&mut desired, MAIN_TABLE, "10.2.0.0/16", &[4]);
    let steps = planned(&desired, &mut observed, &Applied::default());
    let place =
        |text: &str| steps.iter().position(|step| step.starts_with(text)).unwrap_or_else(|| panic!("{steps:#?}"));
    assert!(place("delete tunnel wg-b") < place("create userspace tunnel wg-d"), "{steps:#?}");
    assert!(place("configure wg-d") < place("add route 10.2.0.0/16"), "{steps:#?}");
}

#[test]
fn link_that_somebody_deleted_comes_back_with_all_that_was_on_it() {
    let mut desired = wanted(Backend::Kernel, &[2, 3]);
    route(&mut desired, MAIN_TABLE, "10.9.0.0/16", &[2, 3]);
    let mut observed = settled(&desired);
    carry_out(&Step::DeleteLink(interface(2), Backend::Kernel), &mut observed);
    assert_eq!(
        planned(&desired, &mut observed, &Applied::default()),
        [
            "create kernel tunnel wg-b",
            "set wg-b/rp_filter to 0",
            "set MTU of wg-b to 1420",
            "configure wg-b: private key, port 51822, fwmark 201, \
             peer AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=, endpoint 203.0.113.2:51821, keepalive 25 s, \
             all addresses allowed",
            "set wg-b up",
            "add address 10.255.0.1 to wg-b",
            "add route 10.2.0.0/16 via 10.255.0.2 dev wg-b",
            "replace route 10.9.0.0/16 via 10.255.0.2 dev wg-b, via 10.255.0.3 dev wg-c",
        ]
    );
}

#[test]
fn route_that_somebody_deleted_comes_back() {
    let desired = wanted(Backend::Kernel, &[2, 3]);
    let mut observed = settled(&desired);
    observed.state.routes.remove(&RouteKey { table: MAIN_TABLE, prefix: prefix("10.3.0.0/16") });
    assert_eq!(
        planned(&desired, &mut observed, &Applied::default()),
        ["add route 10.3.0.0/16 via 10.255.0.3 dev wg-c"]
    );
}

#[test]
fn changed_path_is_a_replacement() {
    let mut desired = wanted(Backend::Kernel, &[2, 3]);
    let mut observed = settled(&desired);
    route(&mut desired, MAIN_TABLE, "10.3.0.0/16", &[2]);
    assert_eq!(
        planned(&desired, &mut observed, &Applied::default()),
        ["replace route 10.3.0.0/16 via 10.255.0.2 dev wg-b"]
    );
}

#[test]
fn meddling_with_mtu_and_flags_is_undone() {
    let desired = wanted(Backend::Userspace, &[2]);
    let mut observed = settled(&desired);
    *observed.state.links.get_mut(&interface(2)).unwrap() =
        Link { backend: Backend::Userspace, mtu: 1300, admin: Admin::Down };
    assert_eq!(planned(&desired, &mut observed, &Applied::default()), ["set MTU of wg-b to 1420", "set wg-b up"]);
}

#[test]
fn changed_endpoint_is_written_and_nothing_else_of_the_device() {
    let mut desired = wanted(Backend::Kernel, &[2]);
    let mut observed = settled(&desired);
    let mut applied = Applied::default();
    applied.note(&desired, []);
    desired.devices.get_mut(&interface(2)).unwrap().peer.endpoint = Some("192.0.2.7:51821".parse().unwrap());
    assert_eq!(
        planned(&desired, &mut observed, &applied),
        ["configure wg-b: peer AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=, endpoint 192.0.2.7:51821"]
    );
}

#[test]
fn roamed_peer_is_called_home_only_when_its_session_is_dead() {
    let desired = wanted(Backend::Kernel, &[2]);
    let mut observed = settled(&desired);
    let mut applied = Applied::default();
    applied.note(&desired, []);
    let peer = observed.state.devices.get_mut(&interface(2)).unwrap().peer.as_mut().unwrap();
    peer.endpoint = Some("198.51.100.9:1024".parse().unwrap());
    assert!(plan(&desired, &observed, &applied).is_empty());
    let peer = observed.state.devices.get_mut(&interface(2)).unwrap().peer.as_mut().unwrap();
    peer.handshake_age = Some(Duration::from_secs(181));
    assert_eq!(
        planned(&desired, &mut observed, &applied),
        ["configure wg-b: peer AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=, endpoint 203.0.113.2:51821"]
    );
}

#[test]
fn configuration_that_failed_is_not_taken_for_given() {
    let mut desired = wanted(Backend::Kernel, &[2]);
    let observed = settled(&desired);
    let mut applied = Applied::default();
    applied.note(&desired, []);
    desired.devices.get_mut(&interface(2)).unwrap().peer.endpoint = Some(endpoint(9));
    let steps = plan(&desired, &observed, &applied);
    applied.note(&desired, &steps);
    assert_eq!(plan(&desired, &observed, &applied).len(), 1);
}

#[test]
fn stranger_among_the_peers_is_removed_without_touching_ours() {
    let desired = wanted(Backend::Kernel, &[2]);
    let mut observed = settled(&desired);
    let device = observed.state.devices.get_mut(&interface(2)).unwrap();
    device.unmanaged.insert(public_key(7));
    device.peer.as_mut().unwrap().allowed_ips = AllowedIps::Incomplete;
    assert_eq!(
        planned(&desired, &mut observed, &Applied::default()),
        ["configure wg-b: no peer BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=, \
          peer AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=, all addresses allowed"]
    );
}

#[test]
fn tunnel_that_nothing_answers_for_is_made_again_and_one_that_cannot_be_read_is_left() {
    let desired = wanted(Backend::Userspace, &[2]);
    let mut observed = settled(&desired);
    observed.state.devices.remove(&interface(2));
    observed.unreadable.insert(interface(2));
    assert!(plan(&desired, &observed, &Applied::default()).is_empty());
    observed.unreadable.clear();
    let steps = planned(&desired, &mut observed, &Applied::default());
    assert_eq!(steps[0], "create userspace tunnel wg-b");
    assert!(steps[1].starts_with("configure wg-b: private key"), "{steps:#?}");
    assert_eq!(steps.len(), 2);
}

#[test]
fn other_back_end_makes_the_link_anew() {
    let mut observed = settled(&wanted(Backend::Userspace, &[2]));
    let steps = planned(&wanted(Backend::Kernel, &[2]), &mut observed, &Applied::default());
    assert_eq!(steps[..2], ["delete tunnel wg-b", "create kernel tunnel wg-b"]);
    assert_eq!(
        steps[steps.len() - 2..],
        ["add address 10.255.0.1 to wg-b", "add route 10.2.0.0/16 via 10.255.0.2 dev wg-b"]
    );
}

#[test]
fn foreign_things_are_neither_removed_nor_made_again() {
    let mut desired = wanted(Backend::Kernel, &[2]);
    let mut observed = settled(&desired);
    observed.state.addresses.remove(&(name("lo"), OWN));
    observed.foreign.addresses.insert((name("lo"), OWN));
    observed.foreign.addresses.insert((interface(2), Ipv4Addr::new(192, 0, 2, 1)));
    assert!(plan(&desired, &observed, &Applied::default()).is_empty());
    desired = State::default();
    let steps = planned(&desired, &mut observed, &Applied::default());
    assert_eq!(steps, ["delete route 10.2.0.0/16", "delete tunnel wg-b"]);
}

#[test]
fn route_over_an_interface_that_does_not_exist_waits_for_it() {
    let mut desired = wanted(Backend::Kernel, &[2]);
    let over = |interface: &str| Nexthop { interface: name(interface), via: Some(loopback(9).into()), onlink: false };
    let key = RouteKey { table: MAIN_TABLE, prefix: prefix("10.9.0.0/16") };
    let nexthops = [over("eth0"), over("eth7")];
    desired.routes.insert(key, Route::unicast(nexthops, Some(OWN.into())));
    let lost = RouteKey { table: MAIN_TABLE, prefix: prefix("10.10.0.0/16") };
    desired.routes.insert(lost, Route::unicast([over("eth7")], Some(OWN.into())));
    let steps = planned(&desired, &mut bare(), &Applied::default());
    assert_eq!(steps.last().unwrap(), "add route 10.9.0.0/16 via 10.255.0.9 dev eth0");
    assert!(!steps.iter().any(|step| step.contains("10.10.0.0")), "{steps:#?}");
}

#[test]
fn capturing_route_is_there_before_its_rules_and_leaves_main_after_them() {
    let mut desired = wanted(Backend::Kernel, &[2, 3]);
    route(&mut desired, MAIN_TABLE, "203.0.113.0/24", &[3]);
    let mut observed = settled(&desired);
    let main = RouteKey { table: MAIN_TABLE, prefix: prefix("203.0.113.0/24") };
    let moved = desired.routes.remove(&main).unwrap();
    desired.routes.insert(RouteKey { table: CAPTURE_TABLE, ..main }, moved);
    desired.rules = capture_rules();
    let there = planned(&desired, &mut observed, &Applied::default());
    assert_eq!(
        there,
        [
            "add route 203.0.113.0/24 table 201 via 10.255.0.3 dev wg-c",
            "add rule 5200: not fwmark 201 lookup 254 suppress_prefixlength 0",
            "add rule 5205: not fwmark 201 lookup 201",
            "delete route 203.0.113.0/24",
        ]
    );
    let back = wanted(Backend::Kernel, &[2, 3]);
    assert_eq!(
        planned(&back, &mut observed, &Applied::default()),
        [
            "delete rule 5205: not fwmark 201 lookup 201",
            "delete rule 5200: not fwmark 201 lookup 254 suppress_prefixlength 0",
            "delete route 203.0.113.0/24 table 201",
        ]
    );
}

#[test]
fn planning_some_routes_alone_gives_the_steps_that_planning_everything_gives() {
    let mut before = wanted(Backend::Kernel, &[2, 3]);
    route(&mut before, MAIN_TABLE, "10.7.0.0/16", &[2]);
    route(&mut before, MAIN_TABLE, "10.8.0.0/16", &[2, 3]);
    let mut after = wanted(Backend::Kernel, &[2, 3]);
    route(&mut after, MAIN_TABLE, "10.8.0.0/16", &[3]);
    route(&mut after, MAIN_TABLE, "10.9.0.0/16", &[2]);
    route(&mut after, MAIN_TABLE, "10.10.0.0/16", &[9]);
    let mut observed = settled(&before);
    let changed = ["10.7.0.0/16", "10.8.0.0/16", "10.9.0.0/16", "10.10.0.0/16"].map(prefix);
    let text = |steps: Vec<Step>| steps.iter().map(ToString::to_string).collect::<Vec<_>>();
    let alone = text(plan_routes(changed, &after.routes, &observed));
    assert_eq!(alone.len(), 3, "{alone:#?}");
    assert_eq!(alone, text(plan(&after, &observed, &Applied::default())));
    assert_eq!(
        plan_routes([prefix("10.2.0.0/16")], &after.routes, &observed).len(),
        0,
        "what is as it should be stays"
    );

    planned(&after, &mut observed, &Applied::default());
    assert_eq!(plan_routes(changed, &after.routes, &observed).len(), 0);
}

#[test]
fn tunnels_exchange_their_ports() {
    let mut desired = wanted(Backend::Kernel, &[2, 3, 4]);
    let ports: Vec<u16> = desired.devices.values().map(|device| device.listen_port).collect();
    for order in [[1, 0, 2], [1, 2, 0], [2, 0, 1], [0, 2, 1], [2, 1, 0]] {
        let mut observed = settled(&desired);
        for (device, port) in desired.devices.values_mut().zip(order) {
            device.listen_port = ports[port];
        }
        // The model kernel gives no port to two.
        let steps = planned(&desired, &mut observed, &Applied::default());
        assert!(steps.iter().any(|step| step.ends_with(": port 0")), "{steps:?}");
        for (device, port) in desired.devices.values_mut().zip(&ports) {
            device.listen_port = *port;
        }
    }
    // One that takes a port which another has left before needs nothing else.
    let mut observed = settled(&desired);
    let mut devices = desired.devices.values_mut();
    let (first, second) = (devices.next().unwrap(), devices.next().unwrap());
    (first.listen_port, second.listen_port) = (40_000, ports[0]);
    assert_eq!(
        planned(&desired, &mut observed, &Applied::default()),
        ["configure wg-b: port 40000".to_owned(), format!("configure wg-c: port {}", ports[0])]
    );
}

#[test]
fn packets_that_are_led_past_a_rule_are_led_past_it_as_long_as_it_is_there() {
    let mut desired = wanted(Backend::Kernel, &[2]);
    route(&mut desired, CAPTURE_TABLE, "0.0.0.0/0", &[2]);
    let mut observed = settled(&desired);
    desired.rules = capture_rules();
    let own = Selector::From(Ipv4Addr::new(203, 0, 113, 1));
    desired.rules.insert(Rule { priority: 5204, selector: own, action: RuleAction::Goto(5206) });
    desired.rules.insert(Rule { priority: 5206, selector: Selector::All, action: RuleAction::Nop });
    let added = planned(&desired, &mut observed, &Applied::default());
    assert_eq!(
        added,
        [
            "add rule 5206: from all nop",
            "add rule 5200: not fwmark 201 lookup 254 suppress_prefixlength 0",
            "add rule 5204: from 203.0.113.1 goto 5206",
            "add rule 5205: not fwmark 201 lookup 201",
        ]
    );
    desired.rules.clear();
    let deleted = planned(&desired, &mut observed, &Applied::default());
    let reversed: Vec<String> = added.iter().rev().map(|step| step.replace("add", "delete")).collect();
    assert_eq!(deleted, reversed);
}

#[test]
fn down_takes_everything_away_and_gives_settings_back() {
    let mut desired = wanted(Backend::Userspace, &[2]);
    route(&mut desired, CAPTURE_TABLE, "0.0.0.0/0", &[2]);
    desired.rules = capture_rules();
    let mut observed = settled(&desired);
    let eth0: Sysctl = "eth0/forwarding".parse().unwrap();
    observed.state.sysctls.insert(eth0.clone(), 1);
    let mut down = State::default();
    down.sysctls.insert("all/forwarding".parse().unwrap(), 0);
    down.sysctls.insert(eth0, 1);
    assert_eq!(
        planned(&down, &mut observed, &Applied::default()),
        [
            "set all/forwarding to 0",
            "set eth0/forwarding to 1",
            "delete rule 5205: not fwmark 201 lookup 201",
            "delete rule 5200: not fwmark 201 lookup 254 suppress_prefixlength 0",
            "delete route 0.0.0.0/0 table 201",
            "delete route 10.2.0.0/16",
            "remove address 10.255.0.1 from lo",
            "delete tunnel wg-b",
        ]
    );
    assert!(observed.state.links.is_empty() && observed.state.addresses.is_empty() && observed.state.routes.is_empty());
}

/// In br-vms are a port that the file has listed, and one that somebody else has joined.
#[test]
fn a_port_that_is_listed_no_more_leaves_its_bridge_and_nobody_elses_does() {
    let (port, others, bridge) = (name("tap0"), name("vnet7"), name("br-vms"));
    let standing = overlay::Bridge { mac: None, mtu: 1500, snooping: false, admin: Admin::Up };
    let mut before = State::default();
    before.overlay.bridges.insert(bridge.clone(), standing);
    before.overlay.ports.insert(port.clone(), bridge.clone());
    let mut observed = Observed::default();
    observed.state.overlay = before.overlay.clone();
    observed.state.overlay.ports.insert(others, bridge);
    let mut after = before.clone();
    after.overlay.ports.clear();
    let said = |desired: &State, observed: &Observed, applied: &Applied| -> Vec<String> {
        plan(desired, observed, applied).iter().map(ToString::to_string).collect()
    };
    let mut applied = Applied::default();
    applied.note(&before, []);
    let leave = ["take port tap0 out of its bridge"];
    assert_eq!(said(&after, &observed, &applied), leave);
    let failed = plan(&after, &observed, &applied);
    applied.note(&after, &failed);
    assert_eq!(said(&after, &observed, &applied), leave, "it is tried again");
    applied.note(&after, []);
    assert_eq!(said(&after, &observed, &applied), [""; 0], "whoever joins it now has done so of their own accord");
}
