//! Reads `[[l2]]` and `[[l2.site]]`, each entry by itself. Checks of segments against sites and against each other are in `segments`,
//! `segment_ports` and `segment_hosts`.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnetwork::Ipv4Network;
use vxlan::Vni;
use vxlan::segment::{Flooding, FrameRate, Learning, Resolution, UnknownUnicast, Unreachable};

use super::address::unusable;
use super::diagnostic::{Diagnostic, Span, quoted};
use super::interface::interface_name;
use super::model::{BridgeOwner, VlanId};
use super::names::{bridge_interface, check_name};
use super::reader::{At, Effective, Entry, Report, Setting, Table};
use super::schema::{L2_HOST, L2_SITE};
use super::segment_host::HostDraft;
use crate::net::{IfName, Prefix};

/// The default of `mtu`: that of Ethernet, so that hosts need no setting.
const DEFAULT_MTU: u32 = 1500;

/// The default of `broadcast_limit` and `multicast_limit`, in frames per second.
const DEFAULT_RATE: FrameRate = FrameRate::new(1000).expect("is not zero");

/// The highest limit in frames per second; a higher one would limit nothing.
const HIGHEST_RATE: u32 = 1_000_000;

/// The longest prefix length of a `gateway`: a longer prefix has no address for hosts.
const LONGEST_GATEWAY: u8 = 30;

/// An example of `existing_bridge` for messages.
pub(super) const EXISTING_BRIDGE: &str = "existing_bridge = \"vmbr0\"";

const GATEWAY: &str = "gateway = \"10.9.0.1/24\"";

/// A `[[l2]]` as read from the file.
#[derive(Debug)]
pub(super) struct SegmentDraft<'a> {
    /// The position of its header.
    pub span: Span,
    pub name: Setting<&'a str>,
    pub vni: Setting<Vni>,
    resolution: Setting<Resolution>,
    unknown_unicast: Setting<UnknownUnicast>,
    /// `None` if something about it is wrong.
    pub broadcast: Option<Flooding>,
    /// `None` if something about it is wrong.
    pub multicast: Option<Flooding>,
    learning: Setting<Learning>,
    unreachable: Setting<Unreachable>,
    mtu: Setting<u32>,
    /// The routers' address in the segment, and its network.
    pub gateway: Setting<Ipv4Network>,
    pub sites: Vec<MemberDraft<'a>>,
    pub hosts: Vec<HostDraft<'a>>,
}

/// A `[[l2.site]]` as read from the file.
#[derive(Debug)]
pub(super) struct MemberDraft<'a> {
    /// The name of a `[[site]]`.
    pub name: Setting<&'a str>,
    bridge: Setting<IfName>,
    /// A bridge that weft does not make.
    pub existing_bridge: Setting<IfName>,
    /// The VLAN of that bridge.
    pub vlan: Setting<VlanId>,
    pub ports: Vec<At<IfName>>,
}

impl<'a> SegmentDraft<'a> {
    pub fn read(mut table: Table<'a>, report: &mut Report) -> Self {
        let segment = Self {
            span: table.span,
            name: Setting::read(table.require("name", "name = \"vms\"", report), |entry| {
                check_name(entry.string("name = \"vms\"", report)?, report)
            }),
            vni: Setting::read(table.require("vni", "vni = 100", report), |entry| vni(&entry, report)),
            resolution: Setting::read(table.take("arp"), |entry| {
                let words =
                    [("proxy", Resolution::Proxy), ("suppress", Resolution::Suppress), ("flood", Resolution::Flood)];
                entry.word(&words, report)
            }),
            unknown_unicast: Setting::read(table.take("unknown_unicast"), |entry| {
                entry.word(&[("drop", UnknownUnicast::Drop), ("flood", UnknownUnicast::Flood)], report)
            }),
            broadcast: flooding("broadcast", "broadcast_limit", &mut table, report),
            multicast: flooding("multicast", "multicast_limit", &mut table, report),
            learning: Setting::read(table.take("learn"), |entry| entry.boolean(Learning::On, Learning::Off, report)),
            unreachable: Setting::read(table.take("unreachable"), |entry| {
                entry.word(&[("remove", Unreachable::Remove), ("keep", Unreachable::Keep)], report)
            }),
            mtu: Setting::read(table.take("mtu"), |entry| {
                // RFC 791 §3.1: every host accepts 576 bytes. 65485 + 50 bytes of Ethernet, VXLAN, UDP and IPv4 are 65535.
                let why = "576 bytes is what every IPv4 host has to take; above 65485 no packet holds the frame; \
                           packets that do not fit into a tunnel are no reason for less than 1500";
                entry.number(576..=65485, why, report)
            }),
            gateway: Setting::read(table.take("gateway"), |entry| gateway(&entry, report)),
            sites: members(&mut table, report),
            hosts: table.take("host").map_or_else(Vec::new, |entry| {
                let tables = entry.tables(&L2_HOST, report);
                tables.into_iter().map(|table| HostDraft::read(table, report)).collect()
            }),
        };
        table.finish(report);
        segment
    }

    /// The segment in the words of messages.
    pub fn called(&self) -> String {
        match (self.name.given(), self.vni.given()) {
            (Some(name), _) => format!("`{}`", name.value),
            (None, Some(vni)) => format!("with VNI {}", vni.value),
            (None, None) => "without a name".to_owned(),
        }
    }

    /// The position for notes about the segment as a whole.
    pub fn place(&self) -> Span {
        self.name.given().map_or(self.span, |name| name.span)
    }

    pub fn resolution(&self) -> Option<Resolution> {
        self.resolution.effective(Resolution::default()).map(|effective| effective.value)
    }

    /// The position of `arp` if requests for hosts outside the table cross, but frames to these hosts do not.
    pub fn asks_in_vain(&self) -> Option<Span> {
        let asks = self.resolution.given().filter(|arp| arp.value != Resolution::Proxy)?;
        (self.unknown_unicast()? == UnknownUnicast::Drop).then_some(asks.span)
    }

    pub fn unknown_unicast(&self) -> Option<UnknownUnicast> {
        self.unknown_unicast.effective(UnknownUnicast::default()).map(|effective| effective.value)
    }

    pub fn learning(&self) -> Option<Learning> {
        self.learning.effective(Learning::default()).map(|effective| effective.value)
    }

    pub fn unreachable(&self) -> Option<Unreachable> {
        self.unreachable.effective(Unreachable::default()).map(|effective| effective.value)
    }

    pub fn mtu(&self) -> Option<Effective<u32>> {
        self.mtu.effective(DEFAULT_MTU)
    }

    /// The gateway; the outer `None` means that it is wrong, the inner one that there is none.
    pub fn gateway(&self) -> Option<Option<Ipv4Network>> {
        self.gateway.map(Some).effective(None).map(|effective| effective.value)
    }
}

impl<'a> MemberDraft<'a> {
    fn read(mut table: Table<'a>, report: &mut Report) -> Self {
        let member = Self {
            name: Setting::read(table.require("name", "name = \"taipei\"", report), |entry| {
                entry.string("name = \"taipei\"", report)
            }),
            bridge: Setting::read(table.take("bridge"), |entry| interface_name(&entry, "bridge = \"br-vms\"", report)),
            existing_bridge: Setting::read(table.take("existing_bridge"), |entry| {
                interface_name(&entry, EXISTING_BRIDGE, report)
            }),
            vlan: Setting::read(table.take("vlan"), |entry| {
                let why = "a VLAN identifier is a number of 12 bits, of which 0 and 4095 are reserved";
                let At { value, span } = entry.number(1..=VlanId::MAX, why, report)?;
                Some(At { value: VlanId::new(value)?, span })
            }),
            ports: table.take("ports").map_or_else(Vec::new, |entry| ports(&entry, report)),
        };
        table.finish(report);
        member
    }

    /// The owner of the bridge; `None` if something about it is wrong.
    pub fn owner(&self) -> Option<BridgeOwner> {
        match (self.existing_bridge.given(), self.vlan.map(Some).effective(None)) {
            (_, None) => None,
            (Some(_), Some(vlan)) => Some(BridgeOwner::Others { vlan: vlan.value }),
            (None, Some(_)) => matches!(self.existing_bridge, Setting::Absent).then_some(BridgeOwner::Weft),
        }
    }

    /// The bridge of `segment`, and the position that sets its name; `None` if it is wrong.
    pub fn bridge(&self, segment: &SegmentDraft<'_>) -> Option<At<IfName>> {
        match (&self.existing_bridge, &self.bridge) {
            (Setting::Given(bridge), _) | (Setting::Absent, Setting::Given(bridge)) => Some(bridge.clone()),
            (Setting::Wrong, _) | (Setting::Absent, Setting::Wrong) => None,
            (Setting::Absent, Setting::Absent) => {
                Some(At { value: bridge_interface(segment.name.given()?.value), span: self.name.given()?.span })
            }
        }
    }

    /// The `bridge` that weft has to make, if the file names one.
    pub fn own_bridge(&self) -> Option<&At<IfName>> {
        self.bridge.given()
    }
}

fn members<'a>(table: &mut Table<'a>, report: &mut Report) -> Vec<MemberDraft<'a>> {
    let entry = table.take("site");
    if entry.is_none_or(|entry| entry.value.as_array().is_some_and(|array| array.is_empty())) {
        report.push(
            Diagnostic::error(table.span, "a segment without sites", "no `[[l2.site]]` below this line")
                .help(
                    "add a `[[l2.site]]` with the `name` of a `[[site]]` and its `ports`, for each site that it spans",
                )
                .of_absence(),
        );
    }
    let tables = entry.map_or_else(Vec::new, |entry| entry.tables(&L2_SITE, report));
    tables.into_iter().map(|table| MemberDraft::read(table, report)).collect()
}

fn vni(entry: &Entry<'_>, report: &mut Report) -> Option<At<Vni>> {
    let why = "a VXLAN network identifier is a number of 24 bits, and not zero";
    let At { value, span } = entry.number(1..=Vni::MAX, why, report)?;
    Some(At { value: Vni::try_from(value).ok()?, span })
}

/// Reads how one kind of frame is flooded, and its limit; `None` if something is wrong, which has then been reported.
fn flooding(
    key: &'static str,
    limit_key: &'static str,
    table: &mut Table<'_>,
    report: &mut Report,
) -> Option<Flooding> {
    let words = [("flood", Flooding::Flood(DEFAULT_RATE)), ("drop", Flooding::Drop)];
    let setting = Setting::read(table.take(key), |entry| entry.word(&words, report));
    let written = table.take(limit_key);
    let limit = Setting::read(written, |entry| rate(&entry, report)).effective(DEFAULT_RATE);
    if let (Setting::Given(At { value: Flooding::Drop, span }), Some(entry)) = (setting, written) {
        report.push(
            Diagnostic::error(
                entry.key_span,
                format!("`{limit_key}` has no meaning here"),
                "no frame is to be counted",
            )
            .note(span, "none leaves a site")
            .help(format!("leave it out, or write `{key} = \"flood\"`")),
        );
        return None;
    }
    match setting.effective(Flooding::Flood(DEFAULT_RATE))?.value {
        Flooding::Drop => Some(Flooding::Drop),
        Flooding::Flood(_) => Some(Flooding::Flood(limit?.value)),
    }
}

fn rate(entry: &Entry<'_>, report: &mut Report) -> Option<At<FrameRate>> {
    let why = "so many frames a second a site may send to each of the others; more are dropped";
    let At { value, span } = entry.number(1..=HIGHEST_RATE, why, report)?;
    Some(At { value: FrameRate::new(value)?, span })
}

/// Reads the routers' address and its network.
fn gateway(entry: &Entry<'_>, report: &mut Report) -> Option<At<Ipv4Network>> {
    let text = entry.string(GATEWAY, report)?;
    let shown = quoted(text.value);
    let error = |title: String, label: &str| Diagnostic::error(text.span, title, label);
    let fault = match text.value.split_once('/').map_or((text.value, None), |(one, other)| (one, Some(other))) {
        (address, _) if address.parse::<Ipv6Addr>().is_ok() => {
            error("an IPv6 gateway is not available in this version".to_owned(), "not available")
                .help("leave it out: a router of the segment's own may be the gateway for IPv6")
        }
        (address, _) if address.parse::<Ipv4Addr>().is_err() => {
            error(format!("{shown} is not an IPv4 address with a prefix length"), "not an address")
                .help(format!("write it as in `{GATEWAY}`"))
        }
        (address, None) => error(format!("{shown} has no prefix length"), "in which network?")
            .help(format!("write the length of the network that the hosts are in, as in `\"{address}/24\"`")),
        (_, Some(_)) => match text.value.parse::<Ipv4Network>() {
            Err(_) => error(format!("{shown} has no valid prefix length"), "not in /1 ..= /30")
                .help(format!("write it as in `{GATEWAY}`")),
            Ok(network) => match unfit(network) {
                None => return Some(At { value: network, span: text.span }),
                Some((what, help)) => error(format!("{shown} cannot be the gateway of a segment"), what).help(help),
            },
        },
    };
    report.push(fault);
    None
}

/// Why hosts cannot have this gateway, and a help message; `None` if they can.
fn unfit(gateway: Ipv4Network) -> Option<(&'static str, String)> {
    let (address, length) = (gateway.ip(), gateway.prefix());
    let first = Ipv4Addr::from(u32::from(gateway.network()).saturating_add(1));
    let instead = || format!("write an address of a host, such as `\"{first}/{length}\"`");
    match length {
        0 => return Some(("its network is every address there is", format!("write it as in `{GATEWAY}`"))),
        1..=LONGEST_GATEWAY => {}
        _ => {
            let help = format!("write a prefix length of at most {LONGEST_GATEWAY}");
            return Some(("its network has no address for a host", help));
        }
    }
    if let Some(what) = unusable(Prefix::host(address)) {
        Some((what, format!("write a unicast address, as in `{GATEWAY}`")))
    } else if address == gateway.network() {
        Some(("the network itself", instead()))
    } else if address == gateway.broadcast() {
        Some(("the broadcast address of its network", instead()))
    } else {
        None
    }
}

fn ports(entry: &Entry<'_>, report: &mut Report) -> Vec<At<IfName>> {
    const EXAMPLE: &str = "ports = [\"tap0\"]";
    let elements = entry.elements(EXAMPLE, report).unwrap_or_default();
    elements.iter().filter_map(|element| interface_name(element, EXAMPLE, report)).collect()
}
