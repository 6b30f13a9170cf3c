//! The format of a case file, with the keys that `ospf/sim/cases/README.md` describes. `build` checks the keys' values in combination.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use ospf::Prefix;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Why a case file cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// The file cannot be read.
    #[error("{path}: cannot be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The file does not have the format.
    #[error("{path}: {place}: {what}")]
    Format {
        /// The file.
        path: PathBuf,
        /// The place in it, such as `routers.rt1.interfaces[0].cost`.
        place: String,
        /// What is wrong, with line and column.
        what: serde_json::Error,
    },
    /// The file contradicts itself, or requires what is impossible.
    #[error("{path}: {place}: {what}")]
    Meaning {
        /// The file.
        path: PathBuf,
        /// The place in it.
        place: String,
        /// What is wrong.
        what: String,
    },
}

/// The content of a case file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CaseFile {
    pub(super) name: String,
    pub(super) routers: BTreeMap<String, RouterEntry>,
    #[serde(default)]
    pub(super) segments: Vec<SegmentEntry>,
    pub(super) expected: BTreeMap<String, ExpectedEntry>,
    /// The origin of the case, for readers.
    #[serde(default, rename = "origin")]
    _origin: IgnoredAny,
}

/// A router.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouterEntry {
    pub(super) router_id: Ipv4Addr,
    pub(super) areas: BTreeMap<Ipv4Addr, AreaEntry>,
    #[serde(default)]
    pub(super) virtual_links: Vec<VirtualLinkEntry>,
    pub(super) interfaces: Vec<InterfaceEntry>,
}

/// An area, as configured at one router.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AreaEntry {
    #[serde(default)]
    pub(super) stub: bool,
    #[serde(default)]
    pub(super) no_summary: bool,
    #[serde(default)]
    pub(super) nssa: bool,
    pub(super) default_cost: Option<u32>,
}

/// One end of a virtual link.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VirtualLinkEntry {
    pub(super) transit_area: Ipv4Addr,
    pub(super) router_id: Ipv4Addr,
    pub(super) hello_interval: Option<u16>,
    pub(super) dead_interval: Option<u32>,
    pub(super) retransmit_interval: Option<u16>,
    pub(super) transmit_delay: Option<u16>,
}

/// An interface.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InterfaceEntry {
    pub(super) name: String,
    pub(super) area: Ipv4Addr,
    pub(super) addresses: Vec<Cidr>,
    pub(super) network_type: NetworkEntry,
    pub(super) cost: u32,
    pub(super) priority: u8,
    pub(super) hello_interval: u16,
    pub(super) dead_interval: u32,
    pub(super) mtu: u32,
    #[serde(default)]
    pub(super) loopback: bool,
    #[serde(default)]
    pub(super) passive: bool,
    #[serde(default)]
    pub(super) unnumbered: bool,
}

/// `network_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum NetworkEntry {
    Broadcast,
    PointToPoint,
}

/// A wire, which connects interfaces.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SegmentEntry {
    pub(super) name: String,
    pub(super) attached: Vec<EndEntry>,
}

/// An interface that is on a wire.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndEntry {
    pub(super) router: String,
    pub(super) interface: String,
}

/// The expected results of a router.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectedEntry {
    pub(super) routes: Vec<RouteEntry>,
    pub(super) neighbors: Vec<NeighborEntry>,
}

/// A route.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteEntry {
    pub(super) prefix: Cidr,
    pub(super) metric: u32,
    #[serde(rename = "type")]
    pub(super) kind: RouteKindEntry,
    pub(super) nexthops: Vec<NexthopEntry>,
}

/// `type` of a route, in the words of RFC 9129.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum RouteKindEntry {
    #[serde(rename = "intra-area")]
    IntraArea,
    #[serde(rename = "inter-area")]
    InterArea,
    #[serde(rename = "external-1", alias = "nssa-1")]
    External1,
    #[serde(rename = "external-2", alias = "nssa-2")]
    External2,
}

/// A next hop.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NexthopEntry {
    pub(super) interface: String,
    pub(super) via: Option<Ipv4Addr>,
}

/// A neighbour.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NeighborEntry {
    pub(super) area: Ipv4Addr,
    pub(super) interface: String,
    pub(super) router_id: Ipv4Addr,
    pub(super) state: StateEntry,
}

/// `state` of a neighbour, in the words of RFC 9129.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum StateEntry {
    Down,
    Attempt,
    Init,
    #[serde(rename = "2-way")]
    TwoWay,
    ExStart,
    Exchange,
    Loading,
    Full,
}

/// An address and the length of its network's mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Cidr {
    pub(super) address: Ipv4Addr,
    len: u8,
}

impl Cidr {
    /// Returns the network of the address.
    pub(super) fn network(self) -> Prefix {
        Prefix::new(self.address, self.len)
    }
}

impl TryFrom<String> for Cidr {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wrong = || format!("`{text}` is no address and mask length, such as 10.0.1.1/24");
        let (address, len) = text.split_once('/').ok_or_else(wrong)?;
        let (Ok(address), Ok(len @ 0..=32)) = (address.parse(), len.parse()) else { return Err(wrong()) };
        Ok(Self { address, len })
    }
}

impl CaseFile {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self, CaseError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| CaseError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    /// Parses the text of a file.
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, CaseError> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let file: Self = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| CaseError::Format {
            path: path.to_owned(),
            place: error.path().to_string(),
            what: error.into_inner(),
        })?;
        let end = deserializer.end();
        end.map_err(|what| CaseError::Format { path: path.to_owned(), place: "the end".to_owned(), what })?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERFACE: &str = r#"{"name": "e0", "area": "0.0.0.0", "addresses": ["10.0.0.1/24"], "network_type": "broadcast",
        "cost": 1, "priority": 1, "hello_interval": 3, "dead_interval": 12, "mtu": 1500}"#;

    fn told(interface: &str) -> String {
        let text = format!(
            r#"{{"name": "n", "routers": {{"rt1": {{"router_id": "1.1.1.1", "areas": {{}}, "interfaces": [{interface}]}}}},
            "expected": {{}}}}"#
        );
        match CaseFile::parse(Path::new("x.json"), &text) {
            Ok(_) => "good".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_the_file_the_place_and_the_key() {
        assert_eq!(told(INTERFACE), "good");
        let error = told(&INTERFACE.replace("\"mtu\"", "\"speed\": 3, \"mtu\""));
        assert!(error.starts_with("x.json: routers.rt1.interfaces[0].speed: unknown field `speed`"), "{error}");
        assert!(error.contains(" at line "), "{error}");
    }

    #[test]
    fn a_value_that_is_not_one_is_an_error_that_says_what_would_be() {
        let error = told(&INTERFACE.replace("\"broadcast\"", "\"token-ring\""));
        assert!(error.contains("interfaces[0].network_type: unknown variant `token-ring`"), "{error}");
        assert!(error.contains("`broadcast`") && error.contains("`point-to-point`"), "{error}");
        let error = told(&INTERFACE.replace("10.0.0.1/24", "10.0.0.1/33"));
        assert!(error.contains("addresses[0]: `10.0.0.1/33` is no address and mask length"), "{error}");
        let error = told(&INTERFACE.replace("\"mtu\": 1500", "\"mtu\": -1"));
        assert!(error.contains("interfaces[0].mtu: invalid value"), "{error}");
    }
}
