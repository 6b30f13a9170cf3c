//! Builds runnable routers and wires from the entries of a case file, or reports what is wrong with the file.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use ospf::{
    Addressing, AreaConfig, AreaId, AreaKind, Config, ExternalMetric, InterfaceConfig, InterfaceId, LinkState,
    NetworkType, NssaConfig, Prefix, RouterId, Summaries,
};

use super::expected::{CaseRoute, CaseRouteKind, Outcome};
use super::file::{AreaEntry, CaseError, CaseFile, Cidr, InterfaceEntry, NetworkEntry, RouterEntry, VirtualLinkEntry};

/// The metric of the default route that a border router advertises to a stub area, if the case does not set it: that of the implementation
/// that the expected values come from.
const DEFAULT_COST: u32 = 10;

/// The kernel index of a router's first interface.
const FIRST_INDEX: u32 = 2;

/// A case that can be run.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) routers: Vec<CaseRouter>,
    /// The ports on each wire.
    pub(super) segments: Vec<Vec<CasePort>>,
}

/// An interface of a router; the router is given by its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CasePort {
    pub(super) router: usize,
    pub(super) interface: InterfaceId,
}

/// A router's configuration, and its expected results.
#[derive(Debug)]
pub(super) struct CaseRouter {
    pub(super) name: String,
    pub(super) config: Config,
    pub(super) links: BTreeMap<InterfaceId, LinkState>,
    /// The names of interfaces. Several IDs have the same name if an interface has several addresses; virtual links have no name.
    pub(super) names: BTreeMap<InterfaceId, String>,
    /// The router's own addresses on loopback interfaces, which are connected and not calculated.
    pub(super) own_routes: BTreeSet<CaseRoute>,
    pub(super) expected: Outcome,
}

impl Case {
    /// Reads a file, and builds the case.
    pub(super) fn read(path: &Path) -> Result<Self, CaseError> {
        let file = CaseFile::read(path)?;
        Self::build(&file).map_err(|(place, what)| CaseError::Meaning { path: path.to_owned(), place, what })
    }

    fn build(file: &CaseFile) -> Result<Self, Wrong> {
        let mut routers = Vec::new();
        for (name, entry) in &file.routers {
            let place = format!("routers.{name}");
            let expected = file.expected.get(name).map(Outcome::from);
            let expected = expected.ok_or_else(|| wrong(&place, "nothing is expected of it"))?;
            routers.push(CaseRouter::build(name, entry, expected)?);
        }
        if let Some(name) = file.expected.keys().find(|name| !file.routers.contains_key(*name)) {
            return Err(wrong(&format!("expected.{name}"), "no such router"));
        }
        let mut attached = BTreeSet::new();
        let mut segments = Vec::new();
        for (number, segment) in file.segments.iter().enumerate() {
            let mut ports = Vec::new();
            for (end, entry) in segment.attached.iter().enumerate() {
                let place = format!("segments[{number}].attached[{end}] ({})", segment.name);
                let router = routers.iter().position(|router| router.name == entry.router);
                let router = router.ok_or_else(|| wrong(&place, &format!("there is no router {}", entry.router)))?;
                let mut names = routers[router].names.iter();
                let interface = names.find(|(_, name)| **name == entry.interface).map(|(&id, _)| id);
                let interface = interface
                    .ok_or_else(|| wrong(&place, &format!("{} has no interface {}", entry.router, entry.interface)))?;
                let port = CasePort { router, interface };
                if !attached.insert(port) {
                    return Err(wrong(&place, "this interface is on another wire already"));
                }
                ports.push(port);
            }
            segments.push(ports);
        }
        Ok(Self { name: file.name.clone(), routers, segments })
    }
}

impl CaseRouter {
    fn build(name: &str, entry: &RouterEntry, expected: Outcome) -> Result<Self, Wrong> {
        let place = format!("routers.{name}");
        let mut router = Self {
            name: name.to_owned(),
            config: Config::new(RouterId::from(entry.router_id)),
            links: BTreeMap::new(),
            names: BTreeMap::new(),
            own_routes: BTreeSet::new(),
            expected,
        };
        for (&area, settings) in &entry.areas {
            let kind = area_kind(settings).map_err(|what| wrong(&format!("{place}.areas.{area}"), what))?;
            router.config.areas.insert(area.into(), AreaConfig { kind, ..AreaConfig::default() });
        }
        for (number, interface) in entry.interfaces.iter().enumerate() {
            let place = format!("{place}.interfaces[{number}] ({})", interface.name);
            if entry.interfaces[..number].iter().any(|other| other.name == interface.name) {
                return Err(wrong(&place, "there is another interface of this name"));
            }
            router.interface(entry, interface).map_err(|what| wrong(&place, &what))?;
        }
        for (number, link) in entry.virtual_links.iter().enumerate() {
            let place = format!("{place}.virtual_links[{number}]");
            router.virtual_link(entry, link).map_err(|what| wrong(&place, what))?;
        }
        Ok(router)
    }

    fn interface(&mut self, entry: &RouterEntry, interface: &InterfaceEntry) -> Result<(), String> {
        let area = AreaId::from(interface.area);
        if !entry.areas.contains_key(&interface.area) {
            return Err(format!("the router is not said to be in area {area}"));
        }
        if interface.loopback && interface.cost == 0 {
            // RFC 2328 §12.4.1.1: an interface in state Loopback is a host route of cost 0.
            for cidr in &interface.addresses {
                self.config.loopbacks.entry(area).or_default().insert(cidr.address);
                self.own_routes.insert(CaseRoute {
                    prefix: Prefix::host(cidr.address),
                    metric: 0,
                    kind: CaseRouteKind::IntraArea,
                    hops: BTreeSet::new(),
                });
            }
            return Ok(());
        }
        let config = interface_config(interface, area)?;
        let addressing = match (&interface.addresses[..], interface.unnumbered) {
            (addresses, true) => vec![Addressing::Unnumbered(borrowed(entry, addresses)?)],
            ([], false) => return Err("it has no address and is not unnumbered".to_owned()),
            (addresses, false) => addresses
                .iter()
                .map(|cidr| Addressing::Numbered { address: cidr.address, subnet: cidr.network() })
                .collect(),
        };
        // Packets are sent from the first address. The networks of the other addresses are only advertised (RFC 2328 §12.4.1 knows one
        // address for each interface).
        let mtu = u16::try_from(interface.mtu).unwrap_or(u16::MAX);
        for (place, addressing) in addressing.into_iter().enumerate() {
            let id = self.next_id();
            let config = InterfaceConfig { passive: config.passive || place > 0, ..config.clone() };
            self.config.interfaces.insert(id, config);
            self.links.insert(id, LinkState::Up { index: FIRST_INDEX + id.0, mtu, addressing });
            self.names.insert(id, interface.name.clone());
        }
        Ok(())
    }

    fn virtual_link(&mut self, entry: &RouterEntry, link: &VirtualLinkEntry) -> Result<(), &'static str> {
        let Some(area) = entry.areas.get(&link.transit_area) else {
            return Err("the router is not in its transit area");
        };
        if area.stub || area.nssa || AreaId::from(link.transit_area) == AreaId::BACKBONE {
            return Err("neither the backbone nor a stub area can be a transit area (RFC 2328 §15)");
        }
        let far_end = RouterId::from(link.router_id);
        let network = NetworkType::VirtualLink { transit_area: link.transit_area.into(), far_end };
        let default = InterfaceConfig::new(format!("vlink-{far_end}"), AreaId::BACKBONE, network);
        let seconds = |value: Option<u32>, default| value.map_or(default, |value| Duration::from_secs(value.into()));
        let config = InterfaceConfig {
            hello_interval: seconds(link.hello_interval.map(u32::from), default.hello_interval),
            dead_interval: seconds(link.dead_interval, default.dead_interval),
            retransmit_interval: seconds(link.retransmit_interval.map(u32::from), default.retransmit_interval),
            transmit_delay: seconds(link.transmit_delay.map(u32::from), default.transmit_delay),
            ..default
        };
        self.config.interfaces.insert(self.next_id(), config);
        Ok(())
    }

    fn next_id(&self) -> InterfaceId {
        InterfaceId(self.config.interfaces.last_key_value().map_or(1, |(id, _)| id.0 + 1))
    }
}

/// The place of an error in a file, and its description.
type Wrong = (String, String);

fn wrong(place: &str, what: &str) -> Wrong {
    (place.to_owned(), what.to_owned())
}

fn area_kind(entry: &AreaEntry) -> Result<AreaKind, &'static str> {
    let summaries = if entry.no_summary { Summaries::DefaultOnly } else { Summaries::Imported };
    match (entry.stub, entry.nssa) {
        (true, true) => Err("an area is either stub or nssa"),
        (true, false) => Ok(AreaKind::Stub { summaries, default_cost: entry.default_cost.unwrap_or(DEFAULT_COST) }),
        (false, true) => {
            let default = NssaConfig::default();
            let default_metric = entry.default_cost.map_or(default.default_metric, ExternalMetric::Type2);
            Ok(AreaKind::Nssa(NssaConfig { summaries, default_metric, ..default }))
        }
        (false, false) if entry.no_summary => Err("no_summary is for stub areas and nssas"),
        (false, false) => Ok(AreaKind::Normal),
    }
}

fn interface_config(interface: &InterfaceEntry, area: AreaId) -> Result<InterfaceConfig, String> {
    let network = match interface.network_type {
        NetworkEntry::Broadcast => NetworkType::Broadcast,
        NetworkEntry::PointToPoint => NetworkType::PointToPoint,
    };
    let cost = u16::try_from(interface.cost).ok().filter(|&cost| cost > 0);
    let cost = cost.ok_or_else(|| format!("a cost is from 1 to 65535, not {}", interface.cost))?;
    if interface.hello_interval == 0 || interface.dead_interval == 0 {
        return Err("an interval is at least one second".to_owned());
    }
    Ok(InterfaceConfig {
        cost,
        priority: interface.priority,
        // There are no neighbours on a loopback interface.
        passive: interface.passive || interface.loopback,
        hello_interval: Duration::from_secs(interface.hello_interval.into()),
        dead_interval: Duration::from_secs(interface.dead_interval.into()),
        ..InterfaceConfig::new(interface.name.clone(), area, network)
    })
}

/// Returns the address that an unnumbered interface borrows: its configured one, or the router's first loopback address.
fn borrowed(entry: &RouterEntry, addresses: &[Cidr]) -> Result<Ipv4Addr, String> {
    let loopbacks = entry.interfaces.iter().filter(|interface| interface.loopback);
    let mut candidates = addresses.iter().chain(loopbacks.flat_map(|interface| &interface.addresses));
    let first = candidates.next().map(|cidr| cidr.address);
    first.ok_or_else(|| "it is unnumbered, and the router has no loopback address to lend it".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(change: impl FnOnce(String) -> String) -> Result<Case, Wrong> {
        let interface = |address: &str| {
            format!(
                r#"{{"name": "e0", "area": "0.0.0.0", "addresses": ["{address}"], "network_type": "point-to-point",
                "cost": 1, "priority": 1, "hello_interval": 3, "dead_interval": 12, "mtu": 1500}}"#
            )
        };
        let router = |id: &str, address: &str| {
            format!(r#"{{"router_id": "{id}", "areas": {{"0.0.0.0": {{}}}}, "interfaces": [{}]}}"#, interface(address))
        };
        let text = format!(
            r#"{{"name": "n", "routers": {{"a": {}, "b": {}}},
            "segments": [{{"name": "s", "attached": [{{"router": "a", "interface": "e0"}}, {{"router": "b", "interface": "e0"}}]}}],
            "expected": {{"a": {{"routes": [], "neighbors": []}}, "b": {{"routes": [], "neighbors": []}}}}}}"#,
            router("1.1.1.1", "10.0.0.1/24"),
            router("2.2.2.2", "10.0.0.2/24")
        );
        Case::build(&CaseFile::parse(Path::new("x.json"), &change(text)).unwrap())
    }

    #[test]
    fn what_contradicts_itself_is_refused_with_its_place() {
        assert!(built(|text| text).is_ok());
        let told = |from: &str, to: &str| {
            let (place, what) = built(|text| text.replacen(from, to, 1)).unwrap_err();
            format!("{place}: {what}")
        };
        assert_eq!(
            told(r#""cost": 1"#, r#""cost": 0"#),
            "routers.a.interfaces[0] (e0): a cost is from 1 to 65535, not 0"
        );
        assert_eq!(
            told(r#"{"router": "a", "interface": "e0"}"#, r#"{"router": "c", "interface": "e0"}"#),
            "segments[0].attached[0] (s): there is no router c"
        );
        assert_eq!(
            told(r#"{"router": "a", "interface": "e0"}"#, r#"{"router": "b", "interface": "e0"}"#),
            "segments[0].attached[1] (s): this interface is on another wire already"
        );
        assert_eq!(
            told(r#""0.0.0.0": {}"#, r#""0.0.0.1": {"stub": true, "nssa": true}"#),
            "routers.a.areas.0.0.0.1: an area is either stub or nssa"
        );
        assert_eq!(
            told(r#""area": "0.0.0.0""#, r#""area": "0.0.0.7""#),
            "routers.a.interfaces[0] (e0): the router is not said to be in area 0.0.0.7"
        );
        assert_eq!(told(r#"{"a": {"routes""#, r#"{"c": {"routes""#), "routers.a: nothing is expected of it");
    }

    #[test]
    fn a_second_address_is_a_passive_network_of_the_same_name() {
        let case = built(|text| text.replacen(r#"["10.0.0.1/24"]"#, r#"["10.0.0.1/24", "10.9.0.1/16"]"#, 1)).unwrap();
        let router = &case.routers[0];
        assert_eq!(router.names.values().collect::<Vec<_>>(), ["e0", "e0"]);
        assert_eq!(router.config.interfaces.values().map(|config| config.passive).collect::<Vec<_>>(), [false, true]);
        assert_eq!(case.segments, [[0, 1].map(|router| CasePort { router, interface: InterfaceId(1) })]);
    }
}
