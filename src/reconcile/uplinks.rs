//! Decides which addresses of this machine answer through their uplink while another site's default route is in use, and in which way.
//!
//! An uplink is the outgoing interface of a default route ([`Uplink`]). Connections to an address on it arrive through the uplink, unless
//! the mesh leads to that address:
//!
//! | a site lists a prefix that covers the address | the gateway is in the address's network | answers leave by |
//! |---|---|---|
//! | no | any | the uplink |
//! | yes | yes, as where a router has one interface for its LAN and the Internet | the uplink |
//! | yes | no, as with a public address that reaches this site through another one | the mesh |

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::state::{CAPTURE_TABLE, Foreign, Nexthop, Route, RouteKey, UPLINK_TABLES, Uplink};
use crate::mesh::Mesh;
use crate::net::Prefix;

/// The largest number of addresses that get a rule of their own: the kernel evaluates rules one by one, for each packet without a more
/// specific route.
pub const MAX_ADDRESSES: usize = 64;

/// How packets from an address reach their uplink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By the foreign rules and routes.
    AsOthersSay,
    /// By a table of their own, because the foreign rules and routes lead to another uplink.
    Table(u32),
}

/// The rules and routes that answers need to leave through their uplinks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uplinks {
    /// The addresses that get a rule, at most [`MAX_ADDRESSES`].
    pub ways: BTreeMap<Ipv4Addr, Way>,
    /// The default routes in the tables of [`Way::Table`].
    pub routes: BTreeMap<RouteKey, Route>,
    /// The number of addresses beyond [`MAX_ADDRESSES`].
    pub left_out: usize,
}

impl Uplinks {
    /// Computes them for a router with these routes of weft. There are none if no default route of another site is in use.
    pub fn of(routes: &BTreeMap<RouteKey, Route>, foreign: &Foreign, mesh: &Mesh) -> Self {
        let mut uplinks = Self::default();
        if !routes.contains_key(&RouteKey { table: CAPTURE_TABLE, prefix: Prefix::DEFAULT_V4 }) {
            return uplinks;
        }
        for (address, uplink) in foreign.uplinks.iter().filter(|(address, uplink)| !is_of_mesh(**address, uplink, mesh))
        {
            let Some(interface) = foreign.interfaces.get(&uplink.interface) else { continue };
            if uplinks.ways.len() == MAX_ADDRESSES {
                uplinks.left_out += 1;
                continue;
            }
            if uplink.leaves_by.as_ref() == Some(&uplink.interface) {
                uplinks.ways.insert(*address, Way::AsOthersSay);
                continue;
            }
            let table = UPLINK_TABLES.saturating_add(interface.index);
            // The gateway may be outside of the networks of the interface.
            let onlink = uplink.gateway.is_some();
            let nexthop = Nexthop { interface: uplink.interface.clone(), via: uplink.gateway.map(Into::into), onlink };
            let route = Route::unicast([nexthop], None);
            uplinks.routes.insert(RouteKey { table, prefix: Prefix::DEFAULT_V4 }, route);
            uplinks.ways.insert(*address, Way::Table(table));
        }
        uplinks
    }
}

/// Returns whether packets to the address arrive through the mesh rather than through its uplink.
fn is_of_mesh(address: Ipv4Addr, uplink: &Uplink, mesh: &Mesh) -> bool {
    let listed = mesh.sites.iter().flat_map(|site| site.prefixes.iter().copied()).filter(|prefix| !prefix.is_default());
    let gateways = mesh.segments.iter().filter_map(|segment| segment.segment.gateway).map(Prefix::from);
    let is_listed = listed.chain(gateways).any(|prefix| prefix.contains(address)) || mesh.loopbacks.contains(address);
    let has_gateway = uplink.gateway.is_some_and(|gateway| uplink.network.contains(gateway));
    is_listed && !has_gateway
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh;
    use crate::net::IfName;
    use crate::reconcile::state::ForeignInterface;

    const PREFIXES: &str = "[\"10.1.0.0/16\", \"198.51.100.64/29\"]";

    fn mesh() -> Mesh {
        let site = |name: &str, id: u8, prefixes: &str| {
            let key = format!("{}A=", char::from(b'B' + id).to_string().repeat(42));
            format!(
                "[[site]]\nname = \"{name}\"\nid = {id}\npublic_key = \"{key}\"\nendpoint = \"192.0.2.{id}\"\n\
                 prefixes = {prefixes}\n"
            )
        };
        let (taipei, osaka) = (site("taipei", 1, PREFIXES), site("osaka", 2, "[\"0.0.0.0/0\"]"));
        let text = format!("[mesh]\nname = \"a\"\nloopbacks = \"10.255.0.0/16\"\n{taipei}{osaka}");
        mesh::parse("mesh", &text).unwrap().mesh
    }

    fn name(text: &str) -> IfName {
        IfName::new(text).unwrap()
    }

    /// What is done about addresses of `up0`, each with its gateway and the interface that it leaves by, beside a route of weft's.
    fn uplinks_beside(weft: (u32, &str), addresses: &[(&str, Option<&str>, Option<&str>)]) -> Uplinks {
        let interface = ForeignInterface { index: 7, mtu: 1500, running: true, addresses: Vec::new() };
        let uplinks = addresses.iter().map(|(network, gateway, leaves_by)| {
            let network: ipnetwork::Ipv4Network = network.parse().unwrap();
            let gateway = gateway.map(|text| text.parse().unwrap());
            let uplink = Uplink { interface: name("up0"), network, gateway, leaves_by: leaves_by.map(name) };
            (network.ip(), uplink)
        });
        let foreign = Foreign {
            uplinks: uplinks.collect(),
            interfaces: BTreeMap::from([(name("up0"), interface)]),
            ..Foreign::default()
        };
        let key = RouteKey { table: weft.0, prefix: weft.1.parse().unwrap() };
        Uplinks::of(&BTreeMap::from([(key, Route::blackhole())]), &foreign, &mesh())
    }

    fn way(network: &str, gateway: Option<&str>, leaves_by: Option<&str>) -> Option<Way> {
        let uplinks = uplinks_beside((CAPTURE_TABLE, "0.0.0.0/0"), &[(network, gateway, leaves_by)]);
        uplinks.ways.into_values().next()
    }

    #[test]
    fn answers_leave_by_the_uplink_unless_the_mesh_leads_to_the_address() {
        let as_others_say = Some(Way::AsOthersSay);
        for (network, gateway, expected) in [
            ("203.0.113.1/24", Some("203.0.113.254"), as_others_say),
            ("203.0.113.1/32", Some("172.31.1.1"), as_others_say),
            ("203.0.113.1/32", None, as_others_say),
            // Behind somebody else's NAT.
            ("192.168.1.7/24", Some("192.168.1.1"), as_others_say),
            // One interface for the LAN and the Internet.
            ("10.1.0.5/24", Some("10.1.0.1"), as_others_say),
            // It is routed to this site through osaka.
            ("198.51.100.65/29", Some("203.0.113.254"), None),
            ("198.51.100.65/32", None, None),
            ("10.255.0.1/32", Some("203.0.113.254"), None),
        ] {
            assert_eq!(way(network, gateway, Some("up0")), expected, "{network} {gateway:?}");
        }
    }

    #[test]
    fn an_uplink_that_others_do_not_prefer_has_a_table() {
        let address = ("203.0.113.1/24", Some("203.0.113.254"), Some("up1"));
        let uplinks = uplinks_beside((CAPTURE_TABLE, "0.0.0.0/0"), &[address, ("203.0.113.2/24", address.1, None)]);
        assert_eq!(uplinks.ways.values().collect::<Vec<_>>(), [&Way::Table(201_007); 2]);
        let routes: Vec<String> = uplinks.routes.iter().map(|(key, route)| format!("{key} {route}")).collect();
        assert_eq!(routes, ["0.0.0.0/0 table 201007 via 203.0.113.254 dev up0"]);
    }

    #[test]
    fn without_a_default_route_of_another_site_nothing_is_mended() {
        let address = ("203.0.113.1/24", Some("203.0.113.254"), Some("up1"));
        for (table, prefix) in [(super::super::state::MAIN_TABLE, "0.0.0.0/0"), (CAPTURE_TABLE, "192.0.2.0/24")] {
            assert_eq!(uplinks_beside((table, prefix), &[address]), Uplinks::default(), "{prefix} in {table}");
        }
    }

    #[test]
    fn the_number_of_rules_is_bounded() {
        let networks: Vec<String> = (1..=70).map(|last| format!("203.0.113.{last}/24")).collect();
        let addresses: Vec<_> = networks.iter().map(|network| (network.as_str(), None, Some("up0"))).collect();
        let uplinks = uplinks_beside((CAPTURE_TABLE, "0.0.0.0/0"), &addresses);
        assert_eq!((uplinks.ways.len(), uplinks.left_out), (MAX_ADDRESSES, 6));
    }
}
