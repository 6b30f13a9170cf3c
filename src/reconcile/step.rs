//! One step of a plan: an operation that needs no further decision.

use std::fmt;
use std::net::Ipv4Addr;

use super::filter::Ruleset;
use super::overlay::OverlayStep;
use super::state::{Backend, Freshness, Observed, Route, RouteKey, RouteKind, Rule, RuleAction, Selector, Sysctl};
use super::tunnels::{DeviceChange, PresharedChange};
use crate::net::IfName;

/// An operation for the executor, in the order of the plan. Repeating a step does no harm.
#[derive(Debug, Clone)]
pub enum Step {
    /// Write a kernel setting.
    SetSysctl(Sysctl, u32),
    /// Create a tunnel interface, marked as this mesh's, without an IPv6 link-local address, and down. Userspace: the engine creates it, or
    /// serves it again.
    CreateLink(IfName, Backend),
    /// Delete a tunnel interface.
    DeleteLink(IfName, Backend),
    /// Set the MTU of a tunnel interface, in octets.
    SetMtu(IfName, u32),
    /// Set a tunnel interface up, with the MULTICAST flag.
    SetUp(IfName),
    /// Write the differences of a WireGuard configuration.
    Configure(IfName, DeviceChange),
    /// Add a /32 address.
    AddAddress(IfName, Ipv4Addr),
    /// Remove a /32 address.
    RemoveAddress(IfName, Ipv4Addr),
    /// Add a route. This fails if a foreign route has the same table, prefix and metric.
    AddRoute(RouteKey, Route),
    /// Replace a route of ours atomically.
    ReplaceRoute(RouteKey, Route),
    /// Delete a route of ours.
    DeleteRoute(RouteKey),
    /// Add a rule.
    AddRule(Rule),
    /// Delete a rule of ours.
    DeleteRule(Rule),
    /// An operation on Ethernet segments.
    Overlay(OverlayStep),
    /// Replace the mesh's nftables ruleset.
    SetFilter(Ruleset),
    /// Delete the mesh's nftables ruleset.
    DeleteFilter,
}

impl Step {
    /// Returns whether the step changes the nftables ruleset, and nothing else.
    pub fn is_about_filter(&self) -> bool {
        matches!(self, Self::SetFilter(_) | Self::DeleteFilter)
    }

    /// Returns the interfaces without which the step is not possible.
    pub fn needs(&self) -> Vec<&IfName> {
        match self {
            Self::CreateLink(interface, _)
            | Self::DeleteLink(interface, _)
            | Self::SetMtu(interface, _)
            | Self::SetUp(interface)
            | Self::Configure(interface, _)
            | Self::AddAddress(interface, _)
            | Self::RemoveAddress(interface, _) => vec![interface],
            Self::AddRoute(_, route) | Self::ReplaceRoute(_, route) => {
                route.nexthops.iter().map(|nexthop| &nexthop.interface).collect()
            }
            Self::Overlay(step) => step.needs(),
            Self::SetSysctl(sysctl, _) => sysctl.scope.interface().into_iter().collect(),
            Self::DeleteRoute(_) | Self::AddRule(_) | Self::DeleteRule(_) | Self::SetFilter(_) | Self::DeleteFilter => {
                Vec::new()
            }
        }
    }
}

impl Observed {
    /// Updates the observation after a step was carried out.
    pub fn note(&mut self, step: &Step) {
        match step {
            Step::AddRoute(key, route) | Step::ReplaceRoute(key, route) => {
                self.state.routes.insert(*key, route.clone());
            }
            Step::DeleteRoute(key) => {
                self.state.routes.remove(key);
            }
            Step::AddRule(rule) => {
                self.state.rules.insert(rule.clone());
            }
            Step::DeleteRule(rule) => {
                self.state.rules.remove(rule);
            }
            Step::SetFilter(ruleset) => self.state.filter = Some(ruleset.clone()),
            Step::DeleteFilter => self.state.filter = None,
            Step::SetSysctl(..)
            | Step::CreateLink(..)
            | Step::DeleteLink(..)
            | Step::SetMtu(..)
            | Step::SetUp(_)
            | Step::Configure(..)
            | Step::AddAddress(..)
            | Step::RemoveAddress(..)
            | Step::Overlay(_) => self.freshness = Freshness::Stale,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetSysctl(sysctl, value) => write!(f, "set {sysctl} to {value}"),
            Self::CreateLink(interface, Backend::Kernel) => write!(f, "create kernel tunnel {interface}"),
            Self::CreateLink(interface, Backend::Userspace) => write!(f, "create userspace tunnel {interface}"),
            Self::DeleteLink(interface, _) => write!(f, "delete tunnel {interface}"),
            Self::SetMtu(interface, mtu) => write!(f, "set MTU of {interface} to {mtu}"),
            Self::SetUp(interface) => write!(f, "set {interface} up"),
            Self::Configure(interface, change) => write!(f, "configure {interface}: {change}"),
            Self::AddAddress(interface, address) => write!(f, "add address {address} to {interface}"),
            Self::RemoveAddress(interface, address) => write!(f, "remove address {address} from {interface}"),
            Self::AddRoute(key, route) => write!(f, "add route {key} {route}"),
            Self::ReplaceRoute(key, route) => write!(f, "replace route {key} {route}"),
            Self::DeleteRoute(key) => write!(f, "delete route {key}"),
            Self::AddRule(rule) => write!(f, "add rule {rule}"),
            Self::DeleteRule(rule) => write!(f, "delete rule {rule}"),
            Self::Overlay(step) => step.fmt(f),
            Self::SetFilter(_) => f.write_str("set the filter"),
            Self::DeleteFilter => f.write_str("delete the filter"),
        }
    }
}

/// Lists the parts that are written, without secret keys.
impl fmt::Display for DeviceChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.private_key.is_some() {
            parts.push("private key".to_owned());
        }
        if let Some(port) = self.listen_port {
            parts.push(format!("port {port}"));
        }
        if let Some(fwmark) = self.fwmark {
            parts.push(format!("fwmark {fwmark}"));
        }
        parts.extend(self.remove.iter().map(|key| format!("no peer {key}")));
        if let Some(peer) = &self.peer {
            parts.push(format!("peer {}", peer.public_key));
            parts.extend(peer.endpoint.map(|endpoint| format!("endpoint {endpoint}")));
            parts.extend(peer.keepalive_s.map(|keepalive_s| format!("keepalive {keepalive_s} s")));
            if peer.allowed_ips == super::tunnels::AllowedIpsChange::AddEverything {
                parts.push("all addresses allowed".to_owned());
            }
            match peer.preshared {
                PresharedChange::Keep => {}
                PresharedChange::Remove => parts.push("no preshared key".to_owned()),
                PresharedChange::Set(_) => parts.push("preshared key".to_owned()),
            }
        }
        f.write_str(&parts.join(", "))
    }
}

impl fmt::Display for RouteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.table {
            super::state::MAIN_TABLE => write!(f, "{}", self.prefix),
            table => write!(f, "{} table {table}", self.prefix),
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            RouteKind::Unicast => {}
            RouteKind::Blackhole => return f.write_str("blackhole"),
        }
        for (i, nexthop) in self.nexthops.iter().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            write!(f, "{separator}")?;
            if let Some(via) = nexthop.via {
                write!(f, "via {via} ")?;
            }
            write!(f, "dev {}", nexthop.interface)?;
        }
        Ok(())
    }
}

/// Formatted as by `ip rule`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.priority)?;
        match self.selector {
            Selector::All => f.write_str("from all")?,
            Selector::Marked(mark) => write!(f, "from all fwmark {mark}")?,
            Selector::NotMarked(mark) => write!(f, "not fwmark {mark}")?,
            Selector::From(address) => write!(f, "from {address}")?,
            Selector::UdpFrom(address, first, last) => write!(f, "from {address} ipproto udp sport {first}-{last}")?,
        }
        match self.action {
            RuleAction::Lookup { table, suppress_prefixlen: None } => write!(f, " lookup {table}"),
            RuleAction::Lookup { table, suppress_prefixlen: Some(length) } => {
                write!(f, " lookup {table} suppress_prefixlength {length}")
            }
            RuleAction::Goto(priority) => write!(f, " goto {priority}"),
            RuleAction::Nop => f.write_str(" nop"),
        }
    }
}
