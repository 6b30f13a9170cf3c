//! Finds what prevents OSPF from running on an interface towards the LAN, by comparing the mesh file with the kernel.

use crate::mesh::{InterfaceMode, NetworkType, SiteInterface};
use crate::reconcile::state::Foreign;

/// Describes the problems of `interfaces`.
pub(super) fn problems(interfaces: &[SiteInterface], foreign: &Foreign) -> Vec<String> {
    interfaces.iter().flat_map(|interface| problems_of(interface, foreign)).collect()
}

fn problems_of(interface: &SiteInterface, foreign: &Foreign) -> Vec<String> {
    let name = &interface.name;
    let Some(found) = foreign.interfaces.get(name) else {
        return vec![format!("{name}: there is no such interface")];
    };
    // OSPF uses the first address: see `interfaces`.
    let Some(network) = found.addresses.first() else {
        return vec![format!("{name}: it has no IPv4 address")];
    };
    if !found.running {
        return vec![format!("{name}: it is down, or has no carrier")];
    }
    if interface.mode == InterfaceMode::Passive {
        return Vec::new();
    }
    let elects = matches!(interface.network, NetworkType::Broadcast | NetworkType::NonBroadcast);
    if elects && network.prefix() == 32 {
        return vec![format!("{name}: several routers cannot share {network}; give it an address with a network")];
    }
    // RFC 2328 §C.5 identifies neighbours by their addresses on the network.
    let outside = interface.neighbors.keys().filter(|neighbor| elects && !network.contains(**neighbor));
    outside.map(|neighbor| format!("{name}: neighbour {neighbor} is outside of its network {network}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh;
    use crate::reconcile::state::ForeignInterface;

    fn reported(network: &str, addresses: &[&str], running: bool) -> Vec<String> {
        let text = format!(
            "[mesh]\nname = \"a\"\nloopbacks = \"10.255.0.0/16\"\n[[site]]\nname = \"b\"\nid = 1\n\
             public_key = \"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=\"\n\
             [[site.interface]]\nname = \"eth1\"\nospf = \"active\"\n{network}\n"
        );
        let mesh = mesh::parse("mesh", &text).unwrap().mesh;
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let mut foreign = Foreign::default();
        let name = mesh.sites[0].interfaces[0].name.clone();
        foreign.interfaces.insert(name, ForeignInterface { index: 2, mtu: 1500, running, addresses });
        problems(&mesh.sites[0].interfaces, &foreign)
    }

    #[test]
    fn an_interface_that_can_speak_is_no_problem_and_any_other_says_why() {
        let broadcast = "network = \"broadcast\"";
        let nbma = "network = \"nbma\"\nneighbors = [\"192.0.2.2\", \"198.51.100.2\"]";
        assert_eq!(reported(broadcast, &["192.0.2.1/24"], true), [""; 0]);
        assert_eq!(reported("network = \"point-to-point\"", &["192.0.2.1/32"], true), [""; 0]);
        assert_eq!(reported(broadcast, &[], true), ["eth1: it has no IPv4 address"]);
        assert_eq!(reported(broadcast, &["192.0.2.1/24"], false), ["eth1: it is down, or has no carrier"]);
        assert_eq!(
            reported(broadcast, &["192.0.2.1/32"], true),
            ["eth1: several routers cannot share 192.0.2.1/32; give it an address with a network"]
        );
        assert_eq!(
            reported(nbma, &["192.0.2.1/24"], true),
            ["eth1: neighbour 198.51.100.2 is outside of its network 192.0.2.1/24"]
        );
    }

    #[test]
    fn an_interface_that_is_not_there_is_said_to_be_missing() {
        let text = "[mesh]\nname = \"a\"\nloopbacks = \"10.255.0.0/16\"\n[[site]]\nname = \"b\"\nid = 1\n\
                    public_key = \"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=\"\n\
                    [[site.interface]]\nname = \"eth1\"\nospf = \"passive\"\n";
        let mesh = mesh::parse("mesh", text).unwrap().mesh;
        let reported = problems(&mesh.sites[0].interfaces, &Foreign::default());
        assert_eq!(reported, ["eth1: there is no such interface"]);
    }
}
