//! Reads `[[l2.host]]`, each entry by itself. Checks of hosts against their segment are in `segment_hosts`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vxlan::segment::Mobility;
use vxlan::{Mac, MacError};

use super::address::unusable;
use super::diagnostic::{Diagnostic, quoted};
use super::names::check_name;
use super::reader::{At, Entry, Report, Setting, Table};
use crate::net::Prefix;

const MAC: &str = "mac = \"02:00:00:00:01:0a\"";
const IP: &str = "ip = \"10.9.0.10\"";

/// A `[[l2.host]]` as read from the file.
#[derive(Debug)]
pub(super) struct HostDraft<'a> {
    /// The name of a site of the segment.
    pub site: Setting<&'a str>,
    pub mac: Setting<Mac>,
    pub addresses: Vec<At<IpAddr>>,
    pub name: Setting<&'a str>,
    mobility: Setting<Mobility>,
}

impl<'a> HostDraft<'a> {
    pub fn read(mut table: Table<'a>, report: &mut Report) -> Self {
        let host = Self {
            site: Setting::read(table.require("site", "site = \"taipei\"", report), |entry| {
                entry.string("site = \"taipei\"", report)
            }),
            mac: Setting::read(table.require("mac", MAC, report), |entry| mac(&entry, report)),
            addresses: table.require("ip", IP, report).map_or_else(Vec::new, |entry| addresses(&entry, report)),
            name: Setting::read(table.take("name"), |entry| {
                check_name(entry.string("name = \"db1\"", report)?, report)
            }),
            mobility: Setting::read(table.take("pin"), |entry| {
                entry.boolean(Mobility::Pinned, Mobility::Movable, report)
            }),
        };
        table.finish(report);
        host
    }

    pub fn mobility(&self) -> Option<Mobility> {
        self.mobility.effective(Mobility::default()).map(|effective| effective.value)
    }

    /// The name of the host in the lab, and its position: the host's name, or the digits of its MAC address.
    pub fn lab_name(&self) -> Option<At<String>> {
        let digits =
            || self.mac.given().map(|mac| At { value: mac.value.to_string().replace(':', ""), span: mac.span });
        match self.name {
            Setting::Given(At { value, span }) => Some(At { value: value.to_owned(), span }),
            Setting::Absent => digits(),
            Setting::Wrong => None,
        }
    }
}

fn mac(entry: &Entry<'_>, report: &mut Report) -> Option<At<Mac>> {
    let text = entry.string(MAC, report)?;
    let (label, help) = match text.value.parse::<Mac>() {
        Ok(mac) => return Some(At { value: mac, span: text.span }),
        Err(MacError::Syntax) => ("not six pairs of hexadecimal digits", format!("write it as in `{MAC}`")),
        Err(MacError::Group) => (
            "an address of a group of hosts",
            "write the host's own address, which `ip link` shows there; its first octet is even".to_owned(),
        ),
        Err(MacError::Zero) => {
            ("no host has it", "write the host's own address, which `ip link` shows there".to_owned())
        }
    };
    let title = format!("{} is not the MAC address of a host", quoted(text.value));
    report.push(Diagnostic::error(text.span, title, label).help(help));
    None
}

/// Reads one address, or an array of addresses.
fn addresses(entry: &Entry<'_>, report: &mut Report) -> Vec<At<IpAddr>> {
    if entry.value.as_array().is_none() {
        return address(entry, report).into_iter().collect();
    }
    let elements = entry.elements(IP, report).unwrap_or_default();
    if elements.is_empty() {
        report.push(
            Diagnostic::error(entry.span, "a host without an address", "nobody can ask for it")
                .help(format!("write `{IP}`, or several in brackets")),
        );
    }
    elements.iter().filter_map(|element| address(element, report)).collect()
}

/// Reads an address that a host can have on a segment, which may be link-local.
fn address(entry: &Entry<'_>, report: &mut Report) -> Option<At<IpAddr>> {
    let text = entry.string(IP, report)?;
    let (title, label) = match text.value.parse::<IpAddr>() {
        Ok(address) => match unfit(address) {
            None => return Some(At { value: address, span: text.span }),
            Some(what) => (format!("{} cannot be the address of a host", quoted(text.value)), what),
        },
        Err(_) => (format!("{} is not an IP address", quoted(text.value)), not_an_address(text.value)),
    };
    let help = format!("write it as in `{IP}`, without a prefix length, or several in brackets");
    report.push(Diagnostic::error(text.span, title, label).help(help));
    None
}

/// Why no host can have this address; `None` if one can.
fn unfit(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(Ipv4Addr::BROADCAST) => Some("is for broadcast"),
        IpAddr::V4(address) => unusable(Prefix::host(address)),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Some("means no address"),
        IpAddr::V6(Ipv6Addr::LOCALHOST) => Some("never leaves a host"),
        IpAddr::V6(address) if address.is_multicast() => Some("is for multicast"),
        IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => Some("an IPv4 address written as IPv6"),
        IpAddr::V6(_) => None,
    }
}

fn not_an_address(text: &str) -> &'static str {
    let address = text.split_once('/').map(|(address, _)| address);
    if address.is_some_and(|address| address.parse::<IpAddr>().is_ok()) { "a network" } else { "not an address" }
}
