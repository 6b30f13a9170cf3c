use super::super::*;
use super::*;
use crate::keys::PrivateKey;
use crate::mesh;

/// Sites a, b and c, with `rest` at the end of the file.
fn layout_with(site_a: &str, rest: &str) -> Result<Layout, LayoutError> {
    let mut text = "[mesh]\nname = \"m\"\nloopbacks = \"10.255.0.0/16\"\n".to_owned();
    for (id, site) in ["a", "b", "c"].into_iter().enumerate() {
        let (id, key) = (id + 1, PrivateKey::generate().public());
        text += &format!("[[site]]\nname = \"{site}\"\nid = {id}\npublic_key = \"{key}\"\n");
        text += &format!("endpoint = \"203.0.113.{id}\"\n");
        if site == "a" {
            text += site_a;
            text += "\n";
        }
    }
    text += rest;
    let mesh = mesh::parse("test", &text).unwrap_or_else(|errors| panic!("{errors}")).mesh;
    Layout::of(&mesh)
}

fn host(name: &str, site: &str, number: u8, addresses: &[&str]) -> String {
    let addresses: Vec<String> = addresses.iter().map(|address| format!("\"{address}\"")).collect();
    let name = if name.is_empty() { String::new() } else { format!("name = \"{name}\"\n") };
    let addresses = addresses.join(", ");
    format!("[[l2.host]]\n{name}site = \"{site}\"\nmac = \"02:00:00:00:00:{number:02x}\"\nip = [{addresses}]\n")
}

const VMS: &str = "[[l2]]\nname = \"vms\"\nvni = 100\n";
const GATEWAY: &str = "gateway = \"10.9.0.1/20\"\n";
const PORT_AT_A: &str = "[[l2.site]]\nname = \"a\"\nports = [\"tap0\"]\n";
const PORT_AT_B: &str = "[[l2.site]]\nname = \"b\"\nports = [\"tap0\"]\n";

fn segment(settings: &str, hosts: &[String]) -> String {
    format!("{VMS}{settings}{PORT_AT_A}{PORT_AT_B}{}", hosts.concat())
}

fn addresses(layout: &Layout, namespace: &str) -> Vec<String> {
    layout.nodes[namespace].addresses.iter().map(|(interface, address)| format!("{interface} {address}")).collect()
}

#[test]
fn every_site_with_a_port_has_a_switch_and_every_host_a_namespace_and_a_cable_at_its_home() {
    let rest = segment("", &[host("db1", "a", 1, &["10.9.0.10"]), host("", "b", 2, &["10.9.0.11"])]);
    let layout = layout_with("", &(rest + "[[l2.site]]\nname = \"c\"\n")).unwrap();
    let namespaces: Vec<&String> = layout.nodes.keys().collect();
    assert_eq!(namespaces, ["m-020000000002", "m-a", "m-a-vms", "m-b", "m-b-vms", "m-c", "m-db1", "m-net"]);
    let [vms] = &layout.segments[..] else { panic!("{:?}", layout.segments) };
    let switches = [("a", "m-a-vms"), ("b", "m-b-vms")].map(|(site, switch)| (site.to_owned(), switch.to_owned()));
    assert_eq!(vms.switches, BTreeMap::from(switches), "c has no port to put a switch at");
    let hosts: Vec<_> = vms.hosts.iter().map(|host| (host.name.as_str(), host.home.as_str())).collect();
    assert_eq!(hosts, [("db1", "a"), ("020000000002", "b")]);
    let cables: Vec<&str> = vms.hosts.iter().map(|host| host.cable.as_str()).collect();
    assert_eq!(cables, ["to-db1", "to-020000000002"]);
}

#[test]
fn a_cable_whose_name_would_be_too_long_is_called_by_the_mac_address() {
    let layout = layout_with("", &segment("", &[host("a-long-host-name", "a", 1, &["10.9.0.10"])])).unwrap();
    let host = &layout.segments[0].hosts[0];
    assert_eq!((host.namespace.as_str(), host.cable.as_str()), ("m-a-long-host-name", "020000000001"));
}

#[test]
fn the_first_port_leads_to_the_bridge_and_the_others_to_nobody() {
    let ports = format!("{VMS}[[l2.site]]\nname = \"a\"\nports = [\"tap1\", \"tap0\"]\n{PORT_AT_B}");
    let layout = layout_with("", &ports).unwrap();
    let wires = layout.wires.iter().filter(|wire| wire.far.namespace == "m-a-vms");
    let wires: Vec<_> = wires.map(|w| (w.near.interface.to_string(), w.far.interface.to_string())).collect();
    assert_eq!(wires, [("tap0", "uplink"), ("tap1", "uplink1")].map(|(a, b)| (a.to_owned(), b.to_owned())));
    let switch = &layout.nodes["m-a-vms"];
    let bridge_of = |interface: &str| switch.segment_links[&name(interface)].bridge.clone();
    assert_eq!((bridge_of("uplink"), bridge_of("uplink1")), (Some(bridge()), None));
    assert_eq!(switch.bridges, [(bridge(), VlanFiltering::Off)].into());
    assert_eq!(layout.nodes["m-a"].segment_links[&name("tap0")].bridge, None, "that is weft's affair");
}

#[test]
fn a_host_has_the_tables_mac_and_addresses_in_the_gateways_network_and_leaves_it_by_the_gateway() {
    let layout = layout_with("", &segment(GATEWAY, &[host("db1", "a", 1, &["10.9.0.10", "fe80::1"])])).unwrap();
    assert_eq!(addresses(&layout, "m-db1"), ["eth0 10.9.0.10/20", "eth0 fe80::1/64"]);
    let node = &layout.nodes["m-db1"];
    let settings = &node.segment_links[&name("eth0")];
    assert_eq!(settings.mac.map(|mac| mac.to_string()).as_deref(), Some("02:00:00:00:00:01"));
    let [route] = &node.routes[..] else { panic!("{:?}", node.routes) };
    assert_eq!((route.destination.prefix(), route.via), (0, Some("10.9.0.1".parse().unwrap())));
}

#[test]
fn without_a_gateway_the_network_holds_all_hosts_and_is_at_least_a_24_or_a_64() {
    let near = [host("x", "a", 1, &["10.9.0.10", "2001:db8::1"]), host("y", "b", 2, &["10.9.0.11", "2001:db8::2"])];
    let layout = layout_with("", &segment("", &near)).unwrap();
    assert_eq!(addresses(&layout, "m-x"), ["eth0 10.9.0.10/24", "eth0 2001:db8::1/64"]);
    assert_eq!(layout.nodes["m-x"].routes, []);
    let far = [host("x", "a", 1, &["10.9.0.10", "2001:db8::1"]), host("y", "b", 2, &["10.9.5.1", "2001:db8:0:4::1"])];
    let layout = layout_with("", &segment("", &far)).unwrap();
    assert_eq!(addresses(&layout, "m-x"), ["eth0 10.9.0.10/21", "eth0 2001:db8::1/61"]);
    let alone = layout_with("", &segment("", &[host("x", "a", 1, &["10.9.0.10"])])).unwrap();
    assert_eq!(addresses(&alone, "m-x"), ["eth0 10.9.0.10/24"]);
}

#[test]
fn all_of_a_segment_has_its_mtu() {
    let layout = layout_with("", &segment("mtu = 9000\n", &[host("x", "a", 1, &["10.9.0.10"])])).unwrap();
    for (namespace, interfaces) in [
        ("m-a", &["tap0"][..]),
        ("m-a-vms", &["lan", "to-x", "uplink"]),
        ("m-b-vms", &["lan", "to-x", "uplink"]),
        ("m-x", &["eth0"]),
    ] {
        let links = &layout.nodes[namespace].segment_links;
        assert_eq!(links.keys().map(IfName::as_str).collect::<Vec<_>>(), interfaces, "{namespace}");
        assert!(links.values().all(|link| link.mtu == 9000), "{namespace}");
    }
}

#[test]
fn hosts_resolve_by_name_but_not_to_link_local_addresses() {
    let layout = layout_with("", &segment("", &[host("x", "a", 1, &["10.9.0.10", "2001:db8::1", "fe80::1"])])).unwrap();
    let lines: Vec<&str> = layout.hosts_file.lines().filter(|line| line.ends_with(" x")).collect();
    assert_eq!(lines, ["10.9.0.10 x", "2001:db8::1 x"]);
}

#[test]
fn a_host_at_a_site_without_a_port_is_refused() {
    let rest = format!("{VMS}{PORT_AT_A}[[l2.site]]\nname = \"c\"\n{}", host("x", "c", 1, &["10.9.0.10"]));
    let error = layout_with("", &rest).unwrap_err();
    let (site, segment, host) = ("c".to_owned(), "vms".to_owned(), "x".to_owned());
    assert_eq!(error, LayoutError::NoPort { site, segment, host });
}

#[test]
fn the_uplink_and_the_lan_give_way_to_ports_and_a_bridge_with_ospf_on_it_is_not_made() {
    let site_a = "prefixes = [\"10.1.0.0/16\"]\n[[site.interface]]\nname = \"br-vms\"\nospf = \"passive\"\n";
    let ports = "[[l2.site]]\nname = \"a\"\nports = [\"eth0\", \"lan0\"]\n";
    let layout = layout_with(site_a, &format!("{VMS}{ports}{PORT_AT_B}")).unwrap();
    assert_eq!(addresses(&layout, "m-a"), ["eth1 203.0.113.1/32", "lan1 10.1.0.1/16"]);
    assert!(layout.wires.iter().all(|wire| wire.near.interface.as_str() != "br-vms"));
}

#[test]
fn a_prefix_of_the_site_that_is_the_segments_own_has_no_other_lan_and_a_larger_one_lends_no_address_of_it() {
    let rest = segment("gateway = \"10.9.0.1/24\"\n", &[]);
    let layout = layout_with("prefixes = [\"10.9.0.0/24\"]\n", &rest).unwrap();
    assert_eq!(layout.site("a").unwrap().lan, None);
    let layout = layout_with("prefixes = [\"10.9.0.0/16\"]\n", &rest).unwrap();
    assert_eq!(addresses(&layout, "m-a"), ["eth0 203.0.113.1/32", "lan0 10.9.1.0/16"]);
}

#[test]
fn a_bridge_that_weft_does_not_make_is_made_and_its_port_is_in_the_vlan_of_the_segment() {
    let existing = "[[l2.site]]\nname = \"a\"\nexisting_bridge = \"vmbr0\"\nvlan = 20\n";
    let layout = layout_with("", &format!("{VMS}{existing}{PORT_AT_B}{}", host("x", "a", 1, &["10.9.0.10"]))).unwrap();
    let router = &layout.nodes["m-a"];
    assert_eq!(router.bridges, [(name("vmbr0"), VlanFiltering::On)].into());
    let port = &router.segment_links[&name("l2-100")];
    assert_eq!((port.bridge.clone(), port.vlan), (Some(name("vmbr0")), VlanId::new(20)));
    assert!(router.segment_links.contains_key(&name("vmbr0")), "the lab does not take it for stale");
    let wire = layout.wires.iter().find(|wire| wire.near.interface == name("l2-100")).unwrap();
    assert_eq!((wire.far.namespace.as_str(), wire.far.interface.as_str()), ("m-a-vms", "uplink"));
}
