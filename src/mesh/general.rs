//! Reads `[mesh]`: the settings of the whole network.

use std::time::Duration;

use super::Unlisted;
use super::address::network;
use super::diagnostic::Diagnostic;
use super::durations::seconds;
use super::model::{BackendChoice, SourceCheck};
use super::names::check_name;
use super::reader::{At, Effective, Entry, Report, Setting, Table};
use crate::net::Prefix;

/// The default of `port`.
const DEFAULT_PORT: u16 = 51820;

/// The default of `mtu`: 1500 without the IPv6, UDP and WireGuard headers around a packet.
const DEFAULT_MTU: u16 = 1420;

/// The default of `keepalive`.
const DEFAULT_KEEPALIVE: Duration = Duration::from_secs(25);

/// The longest prefix length of `loopbacks`: in a longer prefix there is no address between the first and the last.
const LONGEST_LOOPBACKS: u8 = 30;

/// Keys of `[mesh]` that a `[[site]]` may override.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TunnelKeys {
    port: Setting<u16>,
    backend: Setting<BackendChoice>,
    mtu: Setting<u16>,
}

/// `[mesh]` as read from the file.
#[derive(Debug, Default)]
pub(super) struct General<'a> {
    pub name: Setting<&'a str>,
    pub loopbacks: Setting<Prefix>,
    pub tunnels: TunnelKeys,
    keepalive: Setting<Option<Duration>>,
    topology: Setting<Topology>,
    unlisted: Setting<Unlisted>,
    source_check: Setting<SourceCheck>,
}

/// `topology`: which pairs of sites have a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Topology {
    FullMesh,
    Explicit,
}

impl<'a> General<'a> {
    pub fn read(mut table: Table<'a>, report: &mut Report) -> Self {
        let general = Self {
            name: Setting::read(table.require("name", "name = \"acme\"", report), |entry| {
                check_name(entry.string("name = \"acme\"", report)?, report)
            }),
            loopbacks: Setting::read(table.require("loopbacks", "loopbacks = \"10.255.0.0/16\"", report), |entry| {
                loopbacks(&entry, report)
            }),
            tunnels: TunnelKeys::read(&mut table, report),
            keepalive: keepalive(&mut table, report),
            topology: Setting::read(table.take("topology"), |entry| {
                entry.word(&[("full-mesh", Topology::FullMesh), ("explicit", Topology::Explicit)], report)
            }),
            unlisted: Setting::read(table.take("unlisted"), |entry| {
                entry.word(&[("accept", Unlisted::Accept), ("refuse", Unlisted::Refuse)], report)
            }),
            source_check: Setting::read(table.take("source_check"), |entry| {
                entry.word(&[("strict", SourceCheck::Strict), ("off", SourceCheck::Off)], report)
            }),
        };
        table.finish(report);
        general
    }

    /// The PersistentKeepalive of a tunnel whose `[[link]]` has the setting `own`. The inner `None` means off.
    pub fn keepalive(&self, own: Setting<Option<Duration>>) -> Option<Option<Duration>> {
        own.or(self.keepalive).effective(Some(DEFAULT_KEEPALIVE)).map(|effective| effective.value)
    }

    pub fn topology(&self) -> Option<Topology> {
        self.topology.effective(Topology::FullMesh).map(|effective| effective.value)
    }

    pub fn unlisted(&self) -> Option<Unlisted> {
        self.unlisted.effective(Unlisted::default()).map(|effective| effective.value)
    }

    pub fn source_check(&self) -> Option<SourceCheck> {
        self.source_check.effective(SourceCheck::default()).map(|effective| effective.value)
    }
}

impl TunnelKeys {
    /// Reads `port`, `port_mode`, `backend` and `mtu` from `table`.
    pub fn read(table: &mut Table<'_>, report: &mut Report) -> Self {
        if let Some(entry) = table.take("port_mode") {
            port_mode(&entry, report);
        }
        Self {
            port: Setting::read(table.take("port"), |entry| {
                entry.number(1..=u16::MAX, "the tunnel to site N listens on UDP port `port` + N", report)
            }),
            backend: Setting::read(table.take("backend"), |entry| {
                let words = [
                    ("auto", BackendChoice::Auto),
                    ("kernel", BackendChoice::Kernel),
                    ("userspace", BackendChoice::Userspace),
                ];
                entry.word(&words, report)
            }),
            mtu: mtu(table, report),
        }
    }

    pub fn port(&self, base: &Self) -> Option<Effective<u16>> {
        self.port.or(base.port).effective(DEFAULT_PORT)
    }

    pub fn backend(&self, base: &Self) -> Option<BackendChoice> {
        self.backend.or(base.backend).effective(BackendChoice::default()).map(|effective| effective.value)
    }

    pub fn mtu(&self, base: &Self) -> Option<u16> {
        self.mtu.or(base.mtu).effective(DEFAULT_MTU).map(|effective| effective.value)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PortMode {
    PerPeer,
    Shared,
}

fn port_mode(entry: &Entry<'_>, report: &mut Report) {
    let words = [("per-peer", PortMode::PerPeer), ("shared", PortMode::Shared)];
    if entry.word(&words, report).is_some_and(|mode| mode.value == PortMode::Shared) {
        report.push(
            entry.not_available("`port_mode = \"shared\"`").help("write `port_mode = \"per-peer\"`, or leave it out"),
        );
    }
}

/// Reads `mtu` from `table`.
pub(super) fn mtu(table: &mut Table<'_>, report: &mut Report) -> Setting<u16> {
    Setting::read(table.take("mtu"), |entry| {
        // RFC 791 §3.1: every host accepts 576 bytes. 65455 + 80 bytes of IPv6, UDP and WireGuard are 65535.
        let why = "576 bytes is what every IPv4 host has to take; above 65455 no UDP packet holds the encrypted one";
        entry.number(576..=65455, why, report)
    })
}

/// Reads `keepalive` from `table`.
pub(super) fn keepalive(table: &mut Table<'_>, report: &mut Report) -> Setting<Option<Duration>> {
    const IF_OFF: &str = "write `keepalive = \"off\"` to send none";
    Setting::read(table.take("keepalive"), |entry| match entry.value.as_str() {
        Some("off") => Some(At { value: None, span: entry.span }),
        _ => seconds(&entry, IF_OFF, report).map(|time| At { value: Some(time.value), span: time.span }),
    })
}

fn loopbacks(entry: &Entry<'_>, report: &mut Report) -> Option<At<Prefix>> {
    let network = network(entry, "loopbacks = \"10.255.0.0/16\"", report)?;
    let fault = match network.value.len() {
        0 => Diagnostic::error(network.span, "`loopbacks` is every address there is", "leaves nothing for the sites"),
        1..=LONGEST_LOOPBACKS => return Some(network),
        _ => Diagnostic::error(network.span, "`loopbacks` holds no site", "no address between the first and the last"),
    };
    report.push(fault.help("write a network that nothing else uses, such as `loopbacks = \"10.255.0.0/16\"`"));
    None
}
