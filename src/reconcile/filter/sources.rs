//! Computes which source addresses may enter the mesh at a site, and which may not arrive from its tunnels.
//!
//! A source may enter at a site if a route to it by that site would be accepted (see `policy` in `routing::config`). So the longest listed
//! prefix that covers an address decides. 0.0.0.0/0 does not count as such a prefix: an address that only 0.0.0.0/0 covers is not listed by
//! any site.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::ranges::{Range, Ranges, longest_covers};
use crate::mesh::{Auth, InterfaceMode, Mesh, Site, SiteId, SiteInterface, Unlisted};
use crate::net::{IfName, Prefix};

/// Addresses that no host has: this network, loopback, link-local, multicast, broadcast.
const NOBODYS: [(Ipv4Addr, u8); 5] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::BROADCAST, 32),
];

/// The largest number of prefixes with which rules compare a source before a set is searched. A comparison costs a tenth of a search, so
/// that a few without a match cost little.
const COMPARED: usize = 4;

/// The source addresses that one site accepts or refuses.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sources {
    /// Accepted from its LANs, after source NAT: the addresses of the site, and the router's own loopback, which NAT may have given to a
    /// packet.
    pub admitted: Ranges,
    /// Refused from everywhere: addresses that no host has, and loopbacks except those of other sites.
    pub martian: Ranges,
    /// Refused from tunnels: listed by this site only.
    pub own: Ranges,
    /// Refused from tunnels, except for ICMP errors: listed by no site, while only this site lists 0.0.0.0/0.
    pub unlisted: Ranges,
    /// Interfaces by which another site is reached without a tunnel: sources of any site arrive by them.
    pub joined: BTreeSet<IfName>,
    /// Prefixes of `admitted` that contain the sources of most packets into tunnels, at most [`COMPARED`].
    pub mostly_entering: Vec<Prefix>,
    /// Prefixes without martian, own or unlisted addresses that contain the sources of most packets from tunnels, at most [`COMPARED`].
    pub mostly_leaving: Vec<Prefix>,
}

impl Sources {
    /// Computes those of `site`.
    pub fn of(mesh: &Mesh, site: &Site) -> Self {
        let mut listed: BTreeMap<Prefix, BTreeSet<SiteId>> = BTreeMap::new();
        for other in &mesh.sites {
            for prefix in other.prefixes.iter().filter(|prefix| !prefix.is_default()) {
                listed.entry(*prefix).or_default().insert(other.id);
            }
        }
        let covers = longest_covers(listed.keys().copied());
        let select = |wanted: &dyn Fn(Option<&BTreeSet<SiteId>>) -> bool| -> Ranges {
            let sites = |cover: &Option<Prefix>| cover.as_ref().and_then(|cover| listed.get(cover));
            covers.iter().filter(|(_, cover)| wanted(sites(cover))).map(|(range, _)| *range).collect()
        };
        let here = select(&|sites| sites.is_some_and(|sites| sites.contains(&site.id)));
        let only_here = select(&|sites| sites.is_some_and(|sites| sites.len() == 1 && sites.contains(&site.id)));
        let nowhere = select(&|sites| sites.is_none());
        let elsewhere = select(&|sites| sites.is_some_and(|sites| sites.iter().any(|other| *other != site.id)));

        let gateways = |of: &dyn Fn(&SiteId) -> bool| -> Ranges {
            let segments = mesh.segments.iter().filter(|l2| l2.sites.keys().any(of));
            segments.filter_map(|l2| l2.segment.gateway).map(Prefix::from).collect()
        };
        let nobodys: Ranges = NOBODYS.iter().map(|(address, length)| Prefix::new(*address, *length)).collect();
        let loopbacks: Ranges = [mesh.loopbacks].into_iter().collect();
        let loopback = |site: &Site| Range { first: site.loopback.into(), last: site.loopback.into() };
        let others: Ranges = mesh.sites.iter().filter(|other| other.id != site.id).map(loopback).collect();
        let impossible = nobodys.and(&loopbacks);

        let defaults = || mesh.sites.iter().filter(|site| site.prefixes.iter().any(|prefix| prefix.is_default()));
        let stands_for_the_rest = defaults().any(|other| other.id == site.id);
        let alone = stands_for_the_rest && defaults().count() == 1;
        let lives_here = here.and(&gateways(&|id| *id == site.id));
        let mut admitted = lives_here.clone();
        if mesh.unlisted == Unlisted::Accept || stands_for_the_rest {
            admitted = admitted.and(&nowhere);
        }
        let joined = joined(mesh, site);
        let anywhere = gateways(&|_| true).and(&impossible);
        let (mut own, mut unlisted) = (Ranges::default(), Ranges::default());
        if joined.is_empty() {
            own = only_here.without(&anywhere);
            if mesh.unlisted == Unlisted::Refuse && alone {
                unlisted = nowhere.without(&anywhere);
            }
        }
        let admitted = admitted.without(&impossible).and(&[loopback(site)].into_iter().collect());
        let martian = impossible.without(&others);
        let comes = martian.and(&own).and(&unlisted).complement();
        let with_the_rest = |listed: Ranges, stands: bool| if stands { listed.and(&nowhere) } else { listed };
        let stands_elsewhere = defaults().any(|other| other.id != site.id);
        Self {
            mostly_entering: widest(&admitted, &with_the_rest(lives_here, stands_for_the_rest)),
            mostly_leaving: widest(&comes, &with_the_rest(elsewhere, stands_elsewhere)),
            admitted,
            martian,
            own,
            unlisted,
            joined,
        }
    }
}

/// Returns the prefixes of `allowed` that contain the most addresses of `expected`, in descending order of their number.
fn widest(allowed: &Ranges, expected: &Ranges) -> Vec<Prefix> {
    let counted =
        allowed.prefixes().into_iter().filter_map(|prefix| Some((expected.count_in(Range::of(prefix)?), prefix)));
    let mut prefixes: Vec<(u64, Prefix)> = counted.filter(|(count, _)| *count > 0).collect();
    // The sort is stable, because the ruleset has to be a function of the mesh file.
    prefixes.sort_by_key(|(count, _)| Reverse(*count));
    prefixes.into_iter().take(COMPARED).map(|(_, prefix)| prefix).collect()
}

/// Returns the interfaces of `site` by which another site can be its OSPF neighbour. Without authentication of packets nothing is accepted
/// there from another site, so that no site is reached by such an interface. With authentication, both ends have the same values of what
/// RFC 2328 §10.5 compares in Hello packets, and a common key.
fn joined(mesh: &Mesh, site: &Site) -> BTreeSet<IfName> {
    let others = || mesh.sites.iter().filter(|other| other.id != site.id).flat_map(all);
    let own = all(site).filter(|own| others().any(|other| may_be_neighbors(own, other)));
    own.map(|interface| interface.name.clone()).collect()
}

/// Returns the interfaces of the site, and its interface patterns.
fn all(site: &Site) -> impl Iterator<Item = &SiteInterface> {
    site.interfaces.iter().chain(&site.interface_patterns)
}

fn may_be_neighbors(one: &SiteInterface, other: &SiteInterface) -> bool {
    let timers =
        |interface: &SiteInterface| (interface.ospf.timers.hello_interval, interface.ospf.timers.dead_interval);
    [one, other].iter().all(|interface| interface.mode == InterfaceMode::Active)
        && one.network == other.network
        && one.ospf.area == other.ospf.area
        && timers(one) == timers(other)
        && share_a_key(&one.ospf.auth, &other.ospf.auth)
}

fn share_a_key(one: &Auth, other: &Auth) -> bool {
    match (one, other) {
        (Auth::Simple { key_file }, Auth::Simple { key_file: of_other }) => key_file == of_other,
        (Auth::Keys { keys, .. }, Auth::Keys { keys: of_other, .. }) => keys.iter().any(|key| {
            of_other
                .iter()
                .any(|other| (key.id, key.algorithm, &key.key_file) == (other.id, other.algorithm, &other.key_file))
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sites a, b and c with loopbacks 10.255.0.1 to 3, what each has besides, and what the file has before and after them.
    fn mesh(general: &str, sites: [&str; 3], segments: &str) -> Mesh {
        let site = |(id, rest): (usize, &str)| {
            let name = char::from(b'a' + u8::try_from(id).unwrap());
            let key = format!("{}A=", char::from(b'B' + u8::try_from(id).unwrap()).to_string().repeat(42));
            format!(
                "[[site]]\nname = \"{name}\"\nid = {}\npublic_key = \"{key}\"\nendpoint = \"203.0.113.{id}\"\n{rest}\n",
                id + 1
            )
        };
        let sites = sites.into_iter().enumerate().map(site).collect::<String>();
        let text = format!("[mesh]\nname = \"m\"\nloopbacks = \"10.255.0.0/16\"\n{general}\n{sites}{segments}");
        crate::mesh::parse("mesh", &text).unwrap().mesh
    }

    fn sources(mesh: &Mesh, site: &str) -> Sources {
        Sources::of(mesh, mesh.site(site).unwrap())
    }

    /// Whether each of the addresses is in the set.
    fn found(set: &Ranges, addresses: &str) -> Vec<bool> {
        addresses.split_whitespace().map(|address| set.contains(address.parse().unwrap())).collect()
    }

    const NESTED: [&str; 3] = [
        "prefixes = [\"10.0.0.0/9\", \"192.0.2.0/24\"]",
        "prefixes = [\"10.2.0.0/16\", \"192.0.2.0/24\"]",
        "prefixes = [\"10.2.3.0/24\", \"0.0.0.0/0\"]",
    ];

    #[test]
    fn the_longest_listed_prefix_says_at_which_sites_a_source_may_enter() {
        let mesh = mesh("unlisted = \"refuse\"", NESTED, "");
        let enters = |address: &str| ["a", "b", "c"].map(|site| found(&sources(&mesh, site).admitted, address)[0]);
        assert_eq!(enters("10.1.0.1"), [true, false, false]);
        assert_eq!(enters("10.2.0.1"), [false, true, false]);
        assert_eq!(enters("10.2.3.255"), [false, false, true]);
        assert_eq!(enters("10.2.4.0"), [false, true, false]);
        assert_eq!(enters("192.0.2.7"), [true, true, false], "a prefix of several sites belongs to each");
        assert_eq!(enters("198.51.100.1"), [false, false, true], "0.0.0.0/0 covers what no other site lists");
    }

    #[test]
    fn what_no_site_lists_may_enter_anywhere_where_routes_to_it_are_accepted() {
        let lists = ["prefixes = [\"10.1.0.0/16\"]", "prefixes = [\"10.2.0.0/16\"]", ""];
        for (unlisted, expected) in [("accept", true), ("refuse", false)] {
            let mesh = mesh(&format!("unlisted = \"{unlisted}\""), lists, "");
            for site in ["a", "b", "c"] {
                assert_eq!(found(&sources(&mesh, site).admitted, "198.51.100.1"), [expected], "{unlisted} {site}");
                assert!(sources(&mesh, site).unlisted.is_empty());
            }
        }
    }

    #[test]
    fn nobodys_addresses_and_loopbacks_enter_nowhere_but_the_routers_own_that_nat_gives() {
        let mesh = mesh("unlisted = \"accept\"", ["prefixes = [\"10.1.0.0/16\", \"0.0.0.0/0\"]", "", ""], "");
        let impossible = "0.0.0.0 0.0.0.1 127.0.0.1 169.254.0.1 224.0.0.5 239.255.255.255 255.255.255.255 10.255.0.9";
        let Sources { admitted, martian, .. } = sources(&mesh, "a");
        assert_eq!(found(&admitted, impossible), [false; 8]);
        assert_eq!(found(&martian, impossible), [true; 8]);
        assert_eq!(found(&admitted, "10.255.0.1 10.255.0.2 10.255.0.3"), [true, false, false]);
        assert_eq!(found(&martian, "10.255.0.1 10.255.0.2 10.255.0.3"), [true, false, false], "from tunnels");
        assert_eq!(found(&martian, "10.1.0.1 198.51.100.1 1.0.0.0 255.255.255.254"), [false; 4]);
    }

    #[test]
    fn what_only_this_site_lists_does_not_come_from_tunnels() {
        let mesh = mesh("unlisted = \"refuse\"", NESTED, "");
        let comes = |site: &str| found(&sources(&mesh, site).own, "10.1.0.1 10.2.0.1 10.2.3.1 192.0.2.7 198.51.100.1");
        assert_eq!(comes("a"), [true, false, false, false, false]);
        assert_eq!(comes("b"), [false, true, false, false, false]);
        assert_eq!(comes("c"), [false, false, true, false, false]);
        let unlisted = |site: &str| found(&sources(&mesh, site).unlisted, "198.51.100.1 10.1.0.1 10.255.0.2 127.0.0.1");
        assert_eq!(unlisted("a"), [false; 4]);
        assert_eq!(unlisted("c"), [true, false, false, false], "0.0.0.0/0 of this site alone");
        let mut two = mesh.clone();
        two.sites[0].prefixes.push("0.0.0.0/0".parse().unwrap());
        assert!(sources(&two, "c").unlisted.is_empty(), "another site stands for them, too");
        two.sites[0].prefixes.pop();
        two.unlisted = Unlisted::Accept;
        assert!(sources(&two, "c").unlisted.is_empty(), "routes to them are accepted from anywhere");
    }

    fn shown(prefixes: &[Prefix]) -> String {
        prefixes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn most_sources_are_compared_with_the_widest_prefixes_that_decide_alone() {
        let lists = |all: [&str; 3]| mesh("unlisted = \"refuse\"", all, "");
        let plain =
            lists(["prefixes = [\"10.1.0.0/16\"]", "prefixes = [\"10.2.0.0/16\"]", "prefixes = [\"10.3.0.0/16\"]"]);
        let a = sources(&plain, "a");
        assert_eq!((shown(&a.mostly_entering), shown(&a.mostly_leaving)), ("10.1.0.0/16".into(), "10.2.0.0/15".into()));
        let b = sources(&plain, "b");
        assert_eq!(shown(&b.mostly_leaving), "10.0.0.0/15 10.3.0.0/16", "with an unlisted network beside a listed one");
        // The rest of the Internet is at c, so it is what most packets come from there.
        let c = sources(&lists(NESTED), "c");
        assert_eq!(shown(&c.mostly_entering), "32.0.0.0/3 64.0.0.0/3 128.0.0.0/3 16.0.0.0/4");
        assert_eq!(shown(&sources(&lists(["", "", ""]), "a").mostly_leaving), "");
    }

    /// What is compared with first never decides otherwise than the set would.
    #[test]
    fn prefixes_compared_with_lie_within_what_is_admitted_and_outside_what_is_refused() {
        // Numerical Recipes' linear congruential generator: the same meshes in every run.
        let mut random = 1_u64;
        let mut next = |bound: u64| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) & 0xffff_ffff;
            (random >> 16) % bound
        };
        for _ in 0..500 {
            // Close together, so that lists nest, meet and repeat.
            let texts: Vec<String> = (0..3)
                .map(|_| {
                    let mut prefixes = BTreeSet::new();
                    for _ in 0..next(6) {
                        let (length, address) = (8 + next(8) as u8, Ipv4Addr::new(10, next(128) as u8, 0, 0));
                        let network = Prefix::new(address, length).network();
                        let default = length == 8;
                        prefixes.insert(if default { "0.0.0.0/0".to_owned() } else { format!("{network}/{length}") });
                    }
                    format!("prefixes = {:?}", Vec::from_iter(prefixes))
                })
                .collect();
            let unlisted = ["unlisted = \"refuse\"", "unlisted = \"accept\""][next(2) as usize];
            let mesh = mesh(unlisted, [&texts[0], &texts[1], &texts[2]], "");
            for name in ["a", "b", "c"] {
                let here = sources(&mesh, name);
                let entering: Ranges = here.mostly_entering.iter().copied().collect();
                assert!(entering.without(&here.admitted).is_empty(), "{texts:?} {name}: {here:?}");
                let refused = here.martian.and(&here.own).and(&here.unlisted);
                let leaving: Ranges = here.mostly_leaving.iter().copied().collect();
                assert_eq!(leaving.without(&refused), leaving, "{texts:?} {name}: {here:?}");
            }
        }
    }

    #[test]
    fn the_network_of_a_gateway_is_at_every_member_of_the_segment() {
        let segment = "[[l2]]\nname = \"vms\"\nvni = 100\ngateway = \"10.9.0.1/24\"\n\
                       [[l2.site]]\nname = \"a\"\n[[l2.site]]\nname = \"b\"\n";
        let mesh = mesh("unlisted = \"refuse\"", ["prefixes = [\"10.9.0.0/16\"]", "", ""], segment);
        let enters = ["a", "b", "c"].map(|site| found(&sources(&mesh, site).admitted, "10.9.0.7 10.9.1.7"));
        assert_eq!(enters, [[true, true], [true, false], [false, false]]);
        assert_eq!(found(&sources(&mesh, "a").own, "10.9.0.7 10.9.1.7"), [false, true]);
    }

    #[test]
    fn sites_are_joined_by_interfaces_that_can_be_neighbours_and_authenticate_each_other() {
        let interface = |more: &str| {
            format!("prefixes = [\"10.1.0.0/16\"]\n[[site.interface]]\nname = \"eth1\"\nospf = \"active\"\n{more}")
        };
        let key = "network = \"broadcast\"\nauth = { type = \"hmac-sha-256\", key_id = 1, key_file = \"lan.key\" }";
        let joined = |other: &str| {
            let mesh = mesh("", [&interface(key), &format!("[[site.interface]]\nname = \"eth2\"\n{other}"), ""], "");
            let here = sources(&mesh, "a");
            assert_eq!(
                here.own.is_empty(),
                !here.joined.is_empty(),
                "what is here may come from the other site's tunnels"
            );
            let names = here.joined.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            assert!(sources(&mesh, "c").joined.is_empty());
            names
        };
        assert_eq!(joined(&format!("ospf = \"active\"\n{key}")), "eth1");
        let chain = "network = \"broadcast\"\nauth = [{ type = \"md5\", key_id = 7, key_file = \"old.key\" }, \
                     { type = \"hmac-sha-256\", key_id = 1, key_file = \"lan.key\" }]";
        assert_eq!(joined(&format!("ospf = \"active\"\n{chain}")), "eth1");
        for other in [
            format!("ospf = \"passive\"\n{}", key.replace("network = \"broadcast\"\n", "")),
            format!("ospf = \"active\"\narea = \"0.0.0.1\"\n{key}"),
            format!("ospf = \"active\"\n{}", key.replace("broadcast", "point-to-point")),
            format!("ospf = \"active\"\n{}", key.replace("lan.key", "other.key")),
            format!("ospf = \"active\"\n{}", key.replace("key_id = 1", "key_id = 2")),
            format!("ospf = \"active\"\nhello_interval = \"2s\"\n{key}"),
            "ospf = \"active\"\nnetwork = \"broadcast\"".to_owned(),
        ] {
            assert_eq!(joined(&other), "", "{other}");
        }
        let open = mesh("", [&interface("network = \"broadcast\""), &interface("network = \"broadcast\""), ""], "");
        assert!(sources(&open, "a").joined.is_empty(), "without authentication no site is accepted there");
    }
}
