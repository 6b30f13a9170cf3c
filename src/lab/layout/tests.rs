use super::*;
use crate::keys::PrivateKey;
use crate::mesh;

/// A mesh of sites given by everything after their name, id and key.
fn mesh_of(sites: &[(&str, &str)]) -> Mesh {
    let mut text = "[mesh]\nname = \"m\"\nloopbacks = \"10.255.0.0/16\"\n".to_owned();
    for (index, (name, rest)) in sites.iter().enumerate() {
        let key = PrivateKey::generate().public();
        text += &format!("[[site]]\nname = \"{name}\"\nid = {}\npublic_key = \"{key}\"\n{rest}\n", index + 1);
    }
    mesh::parse("test", &text).unwrap_or_else(|errors| panic!("{errors}")).mesh
}

fn layout_of(sites: &[(&str, &str)]) -> Layout {
    Layout::of(&mesh_of(sites)).unwrap()
}

fn addresses(layout: &Layout, namespace: &str) -> Vec<String> {
    layout.nodes[namespace].addresses.iter().map(|(interface, address)| format!("{interface} {address}")).collect()
}

fn routes(layout: &Layout, namespace: &str) -> Vec<String> {
    let show = |route: &Route| match route.via {
        Some(via) => format!("{} via {via} dev {}", route.destination, route.interface),
        None => format!("{} dev {}", route.destination, route.interface),
    };
    layout.nodes[namespace].routes.iter().map(show).collect()
}

const A: (&str, &str) = ("a", "endpoint = \"203.0.113.1\"\nprefixes = [\"10.1.0.0/16\"]");
const B: (&str, &str) = ("b", "endpoint = \"203.0.113.2\"");

#[test]
fn a_site_has_its_endpoint_on_the_uplink_and_the_first_two_addresses_of_its_prefix_on_the_lan() {
    let layout = layout_of(&[A, B]);
    assert_eq!(layout.nodes.keys().collect::<Vec<_>>(), ["m-a", "m-a-lan", "m-b", "m-net"]);
    assert_eq!(addresses(&layout, "m-a"), ["eth0 203.0.113.1/32", "lan0 10.1.0.1/16"]);
    assert_eq!(routes(&layout, "m-a"), ["0.0.0.0/0 via 169.254.0.1 dev eth0"]);
    assert_eq!(addresses(&layout, "m-a-lan"), ["eth0 10.1.0.2/16"]);
    assert_eq!(routes(&layout, "m-a-lan"), ["0.0.0.0/0 via 10.1.0.1 dev eth0"]);
    assert_eq!(routes(&layout, "m-net"), ["203.0.113.1/32 dev to-a", "203.0.113.2/32 dev to-b"]);
    assert_eq!(layout.site("b").unwrap().lan, None);
}

#[test]
fn every_end_of_a_wire_is_used_once_and_every_address_is_on_an_end_or_on_the_loopback() {
    let nat = ("shop", "prefixes = [\"10.9.0.0/24\", \"0.0.0.0/0\"]");
    let v6 = ("dc", "endpoint = \"2001:db8::4\"\nprefixes = [\"10.40.0.0/16\", \"10.41.8.0/24\"]");
    let layout = layout_of(&[A, B, nat, v6]);
    let mut ends = BTreeSet::new();
    for end in layout.wires.iter().flat_map(|wire| [&wire.near, &wire.far]) {
        assert!(layout.nodes.contains_key(&end.namespace), "{end:?}");
        assert!(ends.insert((end.namespace.clone(), end.interface.clone())), "{end:?} twice");
    }
    for (namespace, node) in &layout.nodes {
        let interfaces = node.addresses.iter().map(|(interface, _)| interface);
        for interface in interfaces.chain(node.routes.iter().map(|route| &route.interface)) {
            let known = interface.as_str() == "lo" || ends.contains(&(namespace.clone(), interface.clone()));
            assert!(known, "{namespace} {interface}");
        }
    }
}

#[test]
fn a_site_without_endpoint_is_behind_a_nat_router_whose_outside_is_its_underlay_address() {
    let layout = layout_of(&[A, ("shop", "")]);
    assert_eq!(addresses(&layout, "m-shop"), ["eth0 100.64.0.2/30"]);
    assert_eq!(routes(&layout, "m-shop"), ["0.0.0.0/0 via 100.64.0.1 dev eth0"]);
    assert_eq!(addresses(&layout, "m-shop-nat"), ["eth0 198.18.0.2/32", "inside 100.64.0.1/30"]);
    let masquerade = Masquerade { interface: name("eth0"), except: None };
    assert_eq!(layout.nodes["m-shop-nat"].masquerade, [masquerade]);
    assert_eq!(layout.site("shop").unwrap().underlay, ["198.18.0.2".parse::<IpAddr>().unwrap()]);
}

#[test]
fn endpoints_of_links_are_on_the_uplink_beside_the_sites_own_and_leave_nobody_behind_nat() {
    let shop =
        "[[link]]\nbetween = [\"shop\", \"a\"]\nendpoint = { a = \"198.51.100.1\", shop = \"shop.example.net\" }\n";
    let layout = layout_of(&[A, ("shop", shop)]);
    assert_eq!(addresses(&layout, "m-a")[..2], ["eth0 203.0.113.1/32", "eth0 198.51.100.1/32"]);
    assert_eq!(routes(&layout, "m-a"), ["0.0.0.0/0 via 169.254.0.1 dev eth0"]);
    assert_eq!(
        routes(&layout, "m-net")[..2],
        ["203.0.113.1/32 dev to-a", "198.51.100.1/32 dev to-a"],
        "{:?}",
        routes(&layout, "m-net")
    );
    assert!(!layout.nodes.contains_key("m-shop-nat"));
    assert!(layout.hosts_file.contains("198.18.0.2 shop.example.net"), "{}", layout.hosts_file);
}

#[test]
fn one_ipv6_endpoint_gives_every_site_an_ipv6_address_too() {
    let layout = layout_of(&[A, ("dc", "endpoint = \"2001:db8::4\"")]);
    assert_eq!(
        addresses(&layout, "m-dc"),
        ["eth0 198.18.0.2/32", "eth0 2001:db8::4/128"],
        "and the IPv6 site one of IPv4"
    );
    assert_eq!(addresses(&layout, "m-a")[1], "eth0 2001:2::1/128");
    assert_eq!(routes(&layout, "m-dc")[1], "::/0 via fe80::1 dev eth0");
}

#[test]
fn a_site_that_leads_to_the_internet_masquerades_all_but_its_own_packets() {
    let layout = layout_of(&[A, ("cloud", "endpoint = \"203.0.113.9\"\nprefixes = [\"0.0.0.0/0\"]")]);
    assert_eq!(layout.internet, Some(Ipv4Addr::new(192, 0, 2, 1)));
    assert!(addresses(&layout, "m-net").contains(&"lo 192.0.2.1/32".to_owned()));
    let own = Some(Ipv4Addr::new(203, 0, 113, 9));
    assert_eq!(layout.nodes["m-cloud"].masquerade, [Masquerade { interface: name("eth0"), except: own }]);
    assert_eq!(layout.site("cloud").unwrap().lan, None, "the Internet is no LAN");
}

#[test]
fn interfaces_of_the_file_exist_and_the_uplink_gives_way_to_them() {
    let interface = "[[site.interface]]\nname = \"eth0\"\nospf = \"passive\"\n";
    let rest = format!("endpoint = \"203.0.113.1\"\nprefixes = [\"10.1.0.0/16\"]\n{interface}");
    let layout = layout_of(&[("a", &rest), B]);
    assert_eq!(addresses(&layout, "m-a"), ["eth1 203.0.113.1/32", "eth0 10.1.0.1/16"]);
}

#[test]
fn the_second_prefix_goes_to_the_second_interface_and_a_single_address_is_the_host_itself() {
    let interfaces = "[[site.interface]]\nname = \"lan1\"\nospf = \"passive\"\n[[site.interface]]\nname = \"lan2\"\nospf = \"passive\"\n";
    let rest = format!(
        "endpoint = \"203.0.113.1\"\nprefixes = [\"10.1.0.0/16\", \"10.2.0.0/31\", \"10.3.3.3/32\"]\n{interfaces}"
    );
    let layout = layout_of(&[("a", &rest), B]);
    assert_eq!(addresses(&layout, "m-a-lan"), ["eth0 10.1.0.2/16", "eth1 10.2.0.1/31", "eth1 10.3.3.3/32"]);
    assert!(routes(&layout, "m-a").contains(&"10.3.3.3/32 dev lan2".to_owned()));
}

#[test]
fn a_single_address_behind_a_router_makes_no_gateway_an_address_of_its_own() {
    let endpoint = "endpoint = \"203.0.113.1\"";
    let cases = [
        ("\"10.1.0.0/16\", \"10.3.3.3/32\"", vec!["eth0 203.0.113.1/32", "lan0 10.1.0.1/16"], "10.1.0.1"),
        ("\"10.3.3.3/32\"", vec!["eth0 203.0.113.1/32", "lan0 169.254.0.2/32"], "169.254.0.2"),
    ];
    for (prefixes, expected, gateway) in cases {
        let layout = layout_of(&[("a", &format!("{endpoint}\nprefixes = [{prefixes}]")), B]);
        assert_eq!(addresses(&layout, "m-a"), expected);
        assert_eq!(routes(&layout, "m-a-lan"), [format!("0.0.0.0/0 via {gateway} dev eth0")]);
        let own: Vec<IpAddr> = layout.nodes["m-a"].addresses.iter().map(|(_, address)| address.ip()).collect();
        let gateways = layout.nodes["m-a"].routes.iter().filter_map(|route| route.via);
        assert!(gateways.into_iter().all(|gateway| !own.contains(&gateway)), "the kernel refuses such a route");
    }
}

#[test]
fn names_resolve_to_the_labs_addresses() {
    let layout = layout_of(&[A, ("b", "endpoint = \"b.example.net\"")]);
    let lines: Vec<&str> = layout.hosts_file.lines().collect();
    assert!(lines.contains(&"198.18.0.2 b.example.net"), "{lines:?}");
    assert!(lines.contains(&"10.1.0.2 a-lan"), "{lines:?}");
    assert!(lines.contains(&"10.255.0.2 b"), "{lines:?}");
}

#[test]
fn two_sites_behind_one_address_are_refused() {
    let error = Layout::of(&mesh_of(&[A, ("b", "endpoint = \"203.0.113.1:7000\"")])).unwrap_err();
    let shared = LayoutError::SharedEndpoint("a".to_owned(), "b".to_owned(), "203.0.113.1".to_owned());
    assert_eq!(error, shared);
}

#[test]
fn the_labs_own_gateway_is_no_endpoint() {
    let error = Layout::of(&mesh_of(&[("a", "endpoint = \"169.254.0.1\""), B])).unwrap_err();
    assert!(matches!(error, LayoutError::GatewayEndpoint(..)), "{error}");
}

#[test]
fn a_site_called_like_the_nat_router_of_another_is_refused() {
    let error = Layout::of(&mesh_of(&[("shop", ""), ("shop-nat", "endpoint = \"203.0.113.2\"")])).unwrap_err();
    assert_eq!(error, LayoutError::NamespaceClash("m-shop-nat".to_owned()));
}

#[test]
fn adding_a_site_moves_no_other() {
    let two = layout_of(&[A, ("shop", "")]);
    let three = layout_of(&[A, ("shop", ""), ("c", "endpoint = \"c.example.net\"\nprefixes = [\"10.7.0.0/16\"]")]);
    for namespace in ["m-a", "m-a-lan", "m-shop", "m-shop-nat"] {
        assert_eq!(two.nodes[namespace], three.nodes[namespace], "{namespace}");
    }
}
