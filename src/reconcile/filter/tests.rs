//! The script as a whole, as text. That it does what it says is shown with packets in `tests/kernel/filter.rs` and `netns-tests/forgery.rs`.

use super::*;
use crate::mesh::{BridgeOwner, L2Site, Mesh, VlanId};
use crate::net::IfName;

/// Three sites, two of them with two segments across them.
fn mesh(general: &str) -> Mesh {
    let site = |name: &str, id: u8, rest: &str| {
        let key = format!("{}A=", char::from(b'B' + id).to_string().repeat(42));
        format!(
            "[[site]]\nname = \"{name}\"\nid = {id}\npublic_key = \"{key}\"\nendpoint = \"203.0.113.{id}\"\n\
             prefixes = [\"10.{id}.0.0/16\"]\n{rest}"
        )
    };
    let members = "[[l2.site]]\nname = \"taipei\"\nports = [\"eth2\", \"eth3\"]\n[[l2.site]]\nname = \"osaka\"\n";
    let others = members.replace("eth", "tap");
    let text = format!(
        "[mesh]\nname = \"acme\"\nloopbacks = \"10.255.0.0/16\"\nunlisted = \"refuse\"\n{general}\n{}{}{}\
         [[l2]]\nname = \"vms\"\nvni = 100\nmulticast = \"drop\"\ngateway = \"10.9.0.1/24\"\n{members}\
         [[l2]]\nname = \"lab\"\nvni = 101\nmtu = 1300\nbroadcast = \"drop\"\nmulticast = \"drop\"\n{others}",
        site("taipei", 1, ""),
        site("osaka", 2, ""),
        site("seoul", 3, "")
    );
    crate::mesh::parse("mesh", &text).unwrap().mesh
}

fn script(mesh: &Mesh, site: &str) -> String {
    Ruleset::of(mesh, mesh.site(site).unwrap()).unwrap().script().to_owned()
}

#[test]
fn the_ruleset_replaces_the_one_before_in_one_transaction() {
    assert_eq!(script(&mesh(""), "taipei"), include_str!("tests/strict.nft"));
}

/// Control packets stay out whatever is said of sources. Where there is no segment, nothing is said of frames.
#[test]
fn a_ruleset_without_source_check_still_keeps_control_packets_out() {
    assert_eq!(script(&mesh("source_check = \"off\""), "seoul"), include_str!("tests/off.nft"));
}

#[test]
fn a_router_without_tunnels_takes_and_sends_no_vxlan_packet_of_a_segment_at_all() {
    let mesh = mesh("topology = \"explicit\"");
    let script = script(&mesh, "taipei");
    assert!(script.contains("\tset tunnels {\n\t\ttype ifname\n\t}\n"), "{script}");
    assert!(script.contains("iifname != @tunnels @th,96,24 { 101, 100 } goto drop-vxlan\n"), "{script}");
    assert!(
        script.contains("udp dport 4789 oifname != @tunnels @th,96,24 { 101, 100 } goto drop-vxlan-out\n"),
        "{script}"
    );
    assert_eq!(Ruleset::of(&mesh, mesh.site("seoul").unwrap()), None);
}

#[test]
fn ospf_passes_to_the_ends_of_virtual_links_and_any_source_by_interfaces_that_join_sites() {
    let interface = "[[site.interface]]\nname = \"eth1\"\nospf = \"active\"\nnetwork = \"broadcast\"\narea = \"0.0.0.1\"\n\
                     auth = { type = \"md5\", key_id = 1, key_file = \"lan.key\" }\n";
    let link = |far: &str| format!("{interface}[[site.virtual_link]]\narea = \"0.0.0.1\"\n{far}\n");
    let site = |name: &str, id: u8, rest: &str| {
        let key = format!("{}A=", char::from(b'B' + id).to_string().repeat(42));
        format!("[[site]]\nname = \"{name}\"\nid = {id}\npublic_key = \"{key}\"\nendpoint = \"203.0.113.{id}\"\n{rest}")
    };
    let text = format!(
        "[mesh]\nname = \"acme\"\nloopbacks = \"10.255.0.0/16\"\n{}{}{}{}",
        site("taipei", 1, &link("site = \"osaka\"")),
        site("osaka", 2, &link("site = \"taipei\"")),
        site("seoul", 3, ""),
        site("jeju", 4, "")
    );
    let mesh = crate::mesh::parse("mesh", &text).unwrap().mesh;
    let seoul = script(&mesh, "seoul");
    assert!(seoul.contains("ip protocol 89 ip daddr != { 10.255.0.1, 10.255.0.2 } goto drop-control\n"), "{seoul}");
    let taipei = script(&mesh, "taipei");
    for rule in [
        "iifname != @tunnels iifname != { \"eth1\", \"lo\" } goto drop-control",
        "ip saddr 10.255.0.0/16 iifname != { \"eth1\" } goto drop-martian",
        "ip saddr 10.255.0.1 goto drop-martian",
        "iifname { \"eth1\" } ip saddr != @martian accept",
    ] {
        assert!(taipei.contains(rule) && !seoul.contains(rule), "{rule}\n{taipei}");
    }
}

/// Ports of a bridge that weft does not make come and go: its rules go by the bridge, where the kernel knows it, and its VLAN.
#[test]
fn on_an_existing_bridge_answers_of_dhcp_servers_go_by_the_bridge_and_its_spanning_tree_stays_there() {
    let of = |keys: &str| {
        let mesh = mesh("");
        let mut with = mesh.clone();
        let taipei = mesh.site("taipei").unwrap();
        let vms = with.segments.iter_mut().find(|l2| l2.name == "vms").unwrap();
        let vlan = keys.parse().ok().and_then(VlanId::new);
        let bridge = IfName::new("vmbr0").unwrap();
        vms.sites.insert(taipei.id, L2Site { bridge, owner: BridgeOwner::Others { vlan }, ports: [].into() });
        Ruleset::of(&with, taipei).unwrap()
    };
    let answer = "udp sport 67 udp dport 68 ether daddr set ff:ff:ff:ff:ff:ff\n";
    let output = "type filter hook output priority filter\n\t\toifname { \"vx-vms\" } ether daddr & ff:ff:ff:ff:ff:f0 == \
                  01:80:c2:00:00:00 drop\n";
    let from = "meta ibrname \"vmbr0\" iifname != \"vx-vms\"";
    let whole = of("");
    assert!(whole.script().contains(&format!("{from} ether type ip {answer}")), "{whole:?}");
    assert!(whole.script().contains(output), "{whole:?}");
    let reduced = whole.reduced().unwrap();
    assert!(!reduced.contains("ibrname") && reduced.contains(output), "{reduced}");
    let vlan = of("20");
    for rule in
        [format!("{from} meta ibrpvid 20 ether type ip {answer}"), format!("{from} vlan id 20 vlan type ip {answer}")]
    {
        assert!(vlan.script().contains(&rule), "{vlan:?}");
    }
    assert_eq!(Ruleset::of(&mesh(""), mesh("").site("taipei").unwrap()).unwrap().reduced(), None);
}
