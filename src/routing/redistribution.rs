//! Redistribution: what a site takes from its kernel into OSPF. These are external destinations, and networks of the interfaces that OSPF
//! runs on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnetwork::Ipv4Network;
use ospf::{Advertise, External};

use crate::mesh::{DefaultOriginate, InterfaceMode, NetworkType, PrefixSuppression, Site, Source, When};
use crate::net::{IfName, Prefix};
use crate::reconcile::state::{Foreign, RouteOrigin};

/// The most destinations that are redistributed; those beyond it, in the order of prefixes, are left out and reported.
pub const MAX_REDISTRIBUTED: usize = 65_536;

/// What is redistributed, and how many destinations are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Redistributed {
    /// The external destinations, with the metric, forwarding address and tag that each is originated with.
    pub externals: BTreeMap<ospf::Prefix, External>,
    /// Those of `externals` that are ranges which stand for other destinations (`external_ranges`).
    pub aggregates: BTreeSet<ospf::Prefix>,
    /// How many destinations beyond [`MAX_REDISTRIBUTED`] are left out.
    pub left_out: usize,
    /// For each interface that OSPF runs on, its addresses that are not part of its link state, with their networks.
    pub further_addresses: BTreeMap<IfName, BTreeMap<Ipv4Addr, ospf::Prefix>>,
}

/// Selects what `site` redistributes of the routes and addresses that others put into its kernel.
///
/// It never includes routes that weft installed (they are not in `foreign`), the site's own prefixes and loopback, which are originated
/// anyway, and networks of interfaces that OSPF runs on, which are in the Router-LSA.
pub fn redistributed(site: &Site, foreign: &Foreign) -> Redistributed {
    let further_addresses = further_addresses(site, foreign);
    let mut externals = if site.redistributions.is_empty() { BTreeMap::new() } else { selected(site, foreign) };
    let aggregates = summarize(&mut externals, site);
    if let Some(DefaultOriginate { when, external }) = site.default_originate {
        let originated = match when {
            When::Always => true,
            When::IfPresent => foreign.routes.contains_key(&Prefix::DEFAULT_V4),
        };
        // Whether or not a `redistribute` entry selects it, only `default_originate` decides about the default route.
        externals.remove(&ospf::Prefix::DEFAULT);
        externals.extend(originated.then_some((ospf::Prefix::DEFAULT, external)));
    }
    let left_out = externals.len().saturating_sub(MAX_REDISTRIBUTED);
    if let Some(first) = externals.keys().nth(MAX_REDISTRIBUTED).copied() {
        externals.split_off(&first);
    }
    Redistributed { externals, aggregates, left_out, further_addresses }
}

/// Returns the destinations that the site's `[[site.redistribute]]` entries select.
fn selected(site: &Site, foreign: &Foreign) -> BTreeMap<ospf::Prefix, External> {
    let own: BTreeSet<Prefix> = site.prefixes.iter().copied().chain([Prefix::host(site.loopback)]).collect();
    let routes = foreign.routes.iter().map(|(prefix, route)| {
        let sources: &[Source] = match route.origin {
            RouteOrigin::Program => &[Source::Kernel],
            RouteOrigin::Static => &[Source::Static, Source::Kernel],
        };
        (*prefix, sources, route.gateway)
    });
    let connected = connected(site, foreign).map(|prefix| (prefix, [Source::Connected].as_slice(), None));
    let lans: Vec<Ipv4Network> = lans(site, foreign).collect();
    let mut externals = BTreeMap::new();
    // The connected networks come last, so that they take precedence over routes to the same prefix.
    for (prefix, sources, gateway) in
        routes.chain(connected).filter(|(prefix, ..)| !own.contains(prefix) && is_unicast(*prefix))
    {
        let mut from = site.redistributions.iter().filter(|entry| sources.contains(&entry.from));
        if let Some(first) = from.find_map(|entry| entry.originates(prefix)) {
            let forwarding = gateway.filter(|gateway| lans.iter().any(|lan| lan.contains(*gateway)));
            externals.extend(prefix.ospf().map(|prefix| (prefix, External { forwarding, ..first })));
        }
    }
    externals
}

/// Replaces the destinations within the site's `external_ranges` by the ranges: each destination by the longest range that covers it, and
/// each range with the highest type and metric of its destinations. Returns the aggregates that are advertised.
fn summarize(externals: &mut BTreeMap<ospf::Prefix, External>, site: &Site) -> BTreeSet<ospf::Prefix> {
    let (mut advertised, mut whole): (BTreeMap<ospf::Prefix, External>, BTreeSet<ospf::Prefix>) = Default::default();
    externals.retain(|prefix, external| {
        let around = site.external_ranges.iter().filter(|(range, _)| range.covers(*prefix));
        let Some((range, config)) = around.max_by_key(|(range, _)| range.len()) else { return true };
        if config.advertise == Advertise::Yes {
            let metric = external.metric;
            whole.extend((range == prefix).then_some(*range));
            let aggregate = advertised.entry(*range).or_insert(External { metric, forwarding: None, tag: config.tag });
            aggregate.metric = aggregate.metric.max(metric);
        }
        false
    });
    // A range that has a route of its own is no aggregate: traffic that no more specific route matches follows that route.
    let aggregates = advertised.keys().copied().filter(|range| !whole.contains(range)).collect();
    externals.extend(advertised);
    aggregates
}

/// Returns the addresses that OSPF advertises besides the first of each interface, which is the interface's own: all further ones, and the
/// first if it is a /32.
fn further_addresses(site: &Site, foreign: &Foreign) -> BTreeMap<IfName, BTreeMap<Ipv4Addr, ospf::Prefix>> {
    let running = site.interfaces.iter().filter_map(|interface| {
        let found = foreign.interfaces.get(&interface.name).filter(|found| found.running)?;
        // RFC 6860 §2: the prefix of a link with nothing but routers may be hidden.
        let is_hidden =
            interface.mode == InterfaceMode::Active && interface.ospf.prefix_suppression == PrefixSuppression::Hidden;
        let is_told_of = |place: usize, address: &Ipv4Network| place > 0 || (address.prefix() == 32 && !is_hidden);
        let further = found.addresses.iter().enumerate().filter(|&(place, address)| is_told_of(place, address));
        let further = further.map(|(_, address)| (address.ip(), Prefix::from(*address)));
        // The router's own address is in its Router-LSA.
        let further = further.filter(|&(address, prefix)| address != site.loopback && is_unicast(prefix));
        let further = further.filter_map(|(address, prefix)| Some((address, prefix.ospf()?)));
        Some((interface.name.clone(), further.collect::<BTreeMap<_, _>>()))
    });
    running.filter(|(_, further)| !further.is_empty()).collect()
}

/// Returns the networks of interfaces that are up and that OSPF does not run on. Tunnels are not foreign interfaces.
fn connected(site: &Site, foreign: &Foreign) -> impl Iterator<Item = Prefix> {
    let of_ospf: BTreeSet<&IfName> = site.interfaces.iter().map(|interface| &interface.name).collect();
    let interfaces = foreign.interfaces.iter();
    let others = interfaces.filter(move |(name, interface)| interface.running && !of_ospf.contains(name));
    others.flat_map(|(_, interface)| interface.addresses.iter().copied().map(Prefix::from))
}

/// Returns the networks on which all routers reach each other. A gateway there can be the forwarding address, so that traffic does not make
/// a detour through this router (RFC 2328 §2.3, §12.4.4).
fn lans(site: &Site, foreign: &Foreign) -> impl Iterator<Item = Ipv4Network> {
    let elects = [NetworkType::Broadcast, NetworkType::NonBroadcast];
    let active = site
        .interfaces
        .iter()
        .filter(move |interface| interface.mode == InterfaceMode::Active && elects.contains(&interface.network));
    let running = active.filter_map(|interface| foreign.interfaces.get(&interface.name)).filter(|found| found.running);
    running.flat_map(|found| found.addresses.iter().copied())
}

/// Whether the destination means the same on another router, which it does not for loopback, link-local, multicast and reserved addresses.
fn is_unicast(destination: Prefix) -> bool {
    let unroutable = ["127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"];
    !unroutable.into_iter().any(|block| block.parse::<Prefix>().expect("a constant network").covers(destination))
}

#[cfg(test)]
mod tests {
    use ospf::ExternalMetric;

    use super::*;
    use crate::mesh;
    use crate::reconcile::state::{ForeignInterface, ForeignRoute};

    const MESH: &str = r#"
        [mesh]
        name = "acme"
        loopbacks = "10.255.0.0/16"

        [[site]]
        name = "taipei"
        id = 1
        public_key = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
        prefixes = ["10.1.0.0/16"]

        [[site.interface]]
        name = "eth1"
        ospf = "passive"

        [[site.redistribute]]
        from = "static"
        prefixes = ["172.16.0.0/12 le 32"]
        metric = 5

        [[site.redistribute]]
        from = "kernel"
        prefixes = ["10.0.0.0/8 le 24", "172.16.0.0/12 le 32", "10.255.0.1/32"]
        metric = 7
        type = 1
        tag = 9

        [[site.redistribute]]
        from = "connected"
        prefixes = ["0.0.0.0/0 le 32"]
    "#;

    fn interface(addresses: &[&str], running: bool) -> ForeignInterface {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        ForeignInterface { index: 7, mtu: 1500, running, addresses }
    }

    fn route(origin: RouteOrigin) -> ForeignRoute {
        ForeignRoute { origin, gateway: None, metric: 0, leads: true, interface: None, has_carrier: true }
    }

    fn found(foreign: &Foreign) -> Vec<(String, ExternalMetric, u32)> {
        let mesh = mesh::parse("mesh", MESH).unwrap().mesh;
        let Redistributed { externals, left_out, .. } = redistributed(&mesh.sites[0], foreign);
        assert_eq!(left_out, 0);
        externals.into_iter().map(|(prefix, external)| (prefix.to_string(), external.metric, external.tag)).collect()
    }

    #[test]
    fn routes_of_others_are_selected_by_who_made_them_and_by_prefix_lists_and_the_first_entry_counts() {
        let routes = [
            ("10.1.0.0/16", RouteOrigin::Program),
            ("10.7.0.0/16", RouteOrigin::Program),
            ("10.8.0.0/16", RouteOrigin::Static),
            ("10.9.9.128/25", RouteOrigin::Program),
            ("10.255.0.1/32", RouteOrigin::Static),
            ("172.16.1.0/24", RouteOrigin::Static),
            ("172.16.2.0/24", RouteOrigin::Program),
            ("192.168.0.0/16", RouteOrigin::Static),
        ];
        let routes = routes.into_iter().map(|(text, origin)| (text.parse().unwrap(), route(origin))).collect();
        let (one, two) = (ExternalMetric::Type1(7), ExternalMetric::Type2(5));
        let expected =
            [("10.7.0.0/16", one, 9), ("10.8.0.0/16", one, 9), ("172.16.1.0/24", two, 0), ("172.16.2.0/24", one, 9)];
        let expected: Vec<_> = expected.into_iter().map(|(text, metric, tag)| (text.to_owned(), metric, tag)).collect();
        assert_eq!(found(&Foreign { routes, ..Foreign::default() }), expected);
    }

    #[test]
    fn networks_of_interfaces_are_redistributed_where_ospf_does_not_run_and_others_could_reach_them() {
        let interfaces = [
            ("eth1", interface(&["192.0.2.1/24"], true)),
            ("eth2", interface(&["198.51.100.1/24", "169.254.3.4/16"], true)),
            ("eth3", interface(&["203.0.113.1/24"], false)),
            ("lo", interface(&["127.0.0.1/8", "198.18.0.7/32"], true)),
        ];
        let interfaces = interfaces.into_iter().map(|(name, found)| (IfName::new(name).unwrap(), found)).collect();
        let found = found(&Foreign { interfaces, ..Foreign::default() });
        let prefixes: Vec<&str> = found.iter().map(|(prefix, ..)| prefix.as_str()).collect();
        assert_eq!(prefixes, ["198.18.0.7/32", "198.51.100.0/24"]);
    }

    #[test]
    fn a_gateway_is_the_forwarding_address_where_ospf_speaks_on_a_lan_with_it() {
        let gateway = "192.0.2.9".parse().unwrap();
        let mut foreign = Foreign::default();
        foreign.interfaces.insert(IfName::new("eth1").unwrap(), interface(&["192.0.2.1/24"], true));
        for (prefix, gateway) in
            [("10.8.0.0/16", Some(gateway)), ("10.9.0.0/16", Some("198.51.100.9".parse().unwrap()))]
        {
            foreign.routes.insert(prefix.parse().unwrap(), ForeignRoute { gateway, ..route(RouteOrigin::Static) });
        }
        let forwarding = |settings: &str, foreign: &Foreign| -> Vec<Option<std::net::Ipv4Addr>> {
            let mesh = mesh::parse("mesh", &MESH.replace("ospf = \"passive\"", settings)).unwrap().mesh;
            redistributed(&mesh.sites[0], foreign).externals.into_values().map(|external| external.forwarding).collect()
        };
        let lan = "ospf = \"active\"\nnetwork = \"broadcast\"";
        assert_eq!(forwarding(lan, &foreign), [Some(gateway), None]);
        assert_eq!(forwarding("ospf = \"active\"\nnetwork = \"point-to-point\"", &foreign), [None, None]);
        assert_eq!(forwarding("ospf = \"passive\"", &foreign), [None, None]);
        foreign.interfaces.insert(IfName::new("eth1").unwrap(), interface(&["192.0.2.1/24"], false));
        assert_eq!(forwarding(lan, &foreign), [None, None], "nobody is reached there");
    }

    #[test]
    fn destinations_within_a_range_are_advertised_as_one_or_not_at_all() {
        let ranges = "external_ranges = [{ prefix = \"10.7.0.0/16\", tag = 3 }, { prefix = \"172.16.0.0/16\", advertise = false }]";
        let text = MESH.replacen("prefixes = ", &format!("{ranges}\nprefixes = "), 1);
        let mesh = mesh::parse("mesh", &text).unwrap().mesh;
        let advertised = |destinations: &[&str]| {
            let routes = destinations.iter().map(|text| (text.parse().unwrap(), route(RouteOrigin::Static)));
            let found = redistributed(&mesh.sites[0], &Foreign { routes: routes.collect(), ..Foreign::default() });
            let externals =
                found.externals.iter().map(|(prefix, external)| (prefix.to_string(), external.metric, external.tag));
            (
                externals.collect::<Vec<_>>(),
                found.aggregates.into_iter().map(|prefix| prefix.to_string()).collect::<Vec<_>>(),
            )
        };
        let range = ("10.7.0.0/16".to_owned(), ExternalMetric::Type1(7), 3);
        let other = ("10.8.0.0/24".to_owned(), ExternalMetric::Type1(7), 9);
        assert_eq!(
            advertised(&["10.7.1.0/24", "10.7.2.0/24", "10.8.0.0/24", "172.16.1.0/24"]),
            (vec![range.clone(), other], vec!["10.7.0.0/16".to_owned()])
        );
        assert_eq!(advertised(&["10.7.0.0/16", "10.7.2.0/24"]), (vec![range], vec![]), "its own route is the way");
        assert_eq!(advertised(&["172.16.1.0/24"]), (vec![], vec![]));
    }

    #[test]
    fn a_default_route_is_offered_always_or_as_long_as_there_is_one() {
        let offered = |value: &str, listed: &str, routes: &[&str]| {
            let (text, _) = MESH.split_once("[[site.interface]]").unwrap();
            let text = text.replacen("prefixes = [", &format!("default_originate = {value}\nprefixes = [{listed}"), 1);
            let mesh = mesh::parse("mesh", &text).unwrap_or_else(|errors| panic!("{errors}")).mesh;
            let routes = routes.iter().map(|text| (text.parse().unwrap(), route(RouteOrigin::Program))).collect();
            let found = redistributed(&mesh.sites[0], &Foreign { routes, ..Foreign::default() }).externals;
            found.get(&ospf::Prefix::DEFAULT).map(|external| (external.metric, external.tag))
        };
        assert_eq!(offered("\"always\"", "", &[]), Some((ExternalMetric::Type2(10), 0)));
        assert_eq!(offered("\"if-present\"", "", &[]), None);
        assert_eq!(offered("\"if-present\"", "", &["0.0.0.0/0"]), Some((ExternalMetric::Type2(10), 0)));
        let table = "{ when = \"if-present\", metric = 3, type = 1, tag = 9 }";
        assert_eq!(offered(table, "\"0.0.0.0/0\", ", &["0.0.0.0/0"]), Some((ExternalMetric::Type1(3), 9)));
        assert_eq!(offered(table, "\"0.0.0.0/0\", ", &["10.0.0.0/8"]), None);
    }

    #[test]
    fn second_addresses_and_single_ones_of_interfaces_with_ospf_are_told_of() {
        let further = |settings: &str, addresses: &[&str], running| {
            let (text, _) = MESH.split_once("[[site.redistribute]]").unwrap();
            let mesh = mesh::parse("mesh", &text.replace("ospf = \"passive\"", settings)).unwrap().mesh;
            let mut foreign = Foreign::default();
            foreign.interfaces.insert(IfName::new("eth1").unwrap(), interface(addresses, running));
            let found = redistributed(&mesh.sites[0], &foreign).further_addresses.into_values().flatten();
            found.map(|(address, prefix)| format!("{address} in {prefix}")).collect::<Vec<_>>()
        };
        let (passive, active) = ("ospf = \"passive\"", "ospf = \"active\"\nnetwork = \"point-to-point\"");
        assert_eq!(
            further(passive, &["192.0.2.1/24", "198.51.100.1/25", "203.0.113.9/32", "169.254.1.1/16"], true),
            ["198.51.100.1 in 198.51.100.0/25", "203.0.113.9 in 203.0.113.9/32"]
        );
        assert_eq!(further(passive, &["203.0.113.9/32"], true), ["203.0.113.9 in 203.0.113.9/32"]);
        assert_eq!(further(active, &["203.0.113.9/32"], true), ["203.0.113.9 in 203.0.113.9/32"]);
        let hidden = format!("{active}\nprefix_suppression = true");
        assert_eq!(further(&hidden, &["203.0.113.9/32", "10.7.0.1/24"], true), ["10.7.0.1 in 10.7.0.0/24"]);
        assert_eq!(further(active, &["10.255.0.1/32"], true), [""; 0], "the loopback is advertised as such");
        assert_eq!(further(passive, &["192.0.2.1/24", "198.51.100.1/25"], false), [""; 0]);
    }

    #[test]
    fn more_routes_than_the_bound_are_cut_and_counted() {
        let mesh = mesh::parse("mesh", MESH).unwrap().mesh;
        let many = u32::try_from(MAX_REDISTRIBUTED).unwrap() + 3;
        let first = u32::from(std::net::Ipv4Addr::new(172, 16, 0, 0));
        let routes =
            (0..many).map(|n| (Prefix::host(Ipv4Addr::from(first + n)), route(RouteOrigin::Program))).collect();
        let Redistributed { externals, left_out, .. } =
            redistributed(&mesh.sites[0], &Foreign { routes, ..Foreign::default() });
        assert_eq!((externals.len(), left_out), (MAX_REDISTRIBUTED, 3));
    }
}
