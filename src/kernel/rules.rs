//! IPv4 policy rules of protocol 201, which are weft's.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::route::RouteProtocol;
use netlink_packet_route::rule::{RuleAction as Action, RuleAttribute, RuleFlags, RuleMessage, RulePortRange};
use netlink_packet_route::{AddressFamily, IpProtocol, RouteNetlinkMessage};

use super::netlink::{Netlink, unless};
use crate::reconcile::state::{PROTOCOL, Rule, RuleAction, Selector};

/// Dumps every rule of weft.
pub(super) async fn dump(netlink: &Netlink) -> io::Result<BTreeSet<Rule>> {
    let mut request = RuleMessage::default();
    request.header.family = AddressFamily::Inet;
    let replies = netlink.dump(RouteNetlinkMessage::GetRule(request)).await?;
    let rules = replies.into_iter().filter_map(|reply| match reply {
        RouteNetlinkMessage::NewRule(rule) => Some(rule),
        _ => None,
    });
    Ok(rules.filter_map(|rule| parse(&rule)).collect())
}

fn parse(message: &RuleMessage) -> Option<Rule> {
    let mut table = u32::from(message.header.table);
    let mut priority = 0;
    let mut ours = false;
    let mut mark = None;
    let mut source = None;
    let mut ports = None;
    let mut suppress_prefixlen = None;
    let mut target = None;
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Protocol(protocol) => ours = u8::from(*protocol) == PROTOCOL,
            RuleAttribute::Priority(number) => priority = *number,
            RuleAttribute::Table(number) => table = *number,
            RuleAttribute::Goto(number) => target = Some(*number),
            RuleAttribute::FwMark(number) => mark = Some(*number),
            RuleAttribute::Source(IpAddr::V4(address)) if message.header.src_len == 32 => source = Some(*address),
            RuleAttribute::SourcePortRange(range) => ports = Some((range.start, range.end)),
            // The kernel reports "none" as -1.
            RuleAttribute::SuppressPrefixLen(length) => suppress_prefixlen = Some(*length).filter(|&l| l != u32::MAX),
            _ => {}
        }
    }
    let inverted = message.header.flags.contains(RuleFlags::Invert);
    let selector = match (mark, source, ports) {
        (Some(mark), None, None) if inverted => Selector::NotMarked(mark),
        (Some(mark), None, None) => Selector::Marked(mark),
        (None, Some(address), Some((first, last))) if !inverted => Selector::UdpFrom(address, first, last),
        (None, Some(address), None) if !inverted => Selector::From(address),
        (None, None, None) if !inverted => Selector::All,
        _ => return None,
    };
    let action = match (message.header.action, target) {
        (Action::ToTable, _) => RuleAction::Lookup { table, suppress_prefixlen },
        (Action::Goto, Some(priority)) => RuleAction::Goto(priority),
        (Action::Nop, _) => RuleAction::Nop,
        _ => return None,
    };
    ours.then_some(Rule { priority, selector, action })
}

/// Adds the rule; succeeds if it exists.
pub(super) async fn add(netlink: &Netlink, rule: &Rule) -> io::Result<()> {
    let message = RouteNetlinkMessage::NewRule(emit(rule));
    unless(netlink.change(message, NLM_F_CREATE | NLM_F_EXCL).await, libc::EEXIST)
}

/// Deletes the rule; succeeds if it does not exist.
pub(super) async fn delete(netlink: &Netlink, rule: &Rule) -> io::Result<()> {
    unless(netlink.change(RouteNetlinkMessage::DelRule(emit(rule)), 0).await, libc::ENOENT)
}

fn emit(rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = AddressFamily::Inet;
    message.attributes.push(RuleAttribute::Protocol(RouteProtocol::from(PROTOCOL)));
    message.attributes.push(RuleAttribute::Priority(rule.priority));
    match rule.action {
        RuleAction::Lookup { table, suppress_prefixlen } => {
            message.header.action = Action::ToTable;
            message.attributes.push(RuleAttribute::Table(table));
            message.attributes.extend(suppress_prefixlen.map(RuleAttribute::SuppressPrefixLen));
        }
        RuleAction::Goto(priority) => {
            message.header.action = Action::Goto;
            message.attributes.push(RuleAttribute::Goto(priority));
        }
        RuleAction::Nop => message.header.action = Action::Nop,
    }
    match rule.selector {
        Selector::All => {}
        Selector::From(address) => {
            message.header.src_len = 32;
            message.attributes.push(RuleAttribute::Source(address.into()));
        }
        Selector::Marked(mark) => message.attributes.push(RuleAttribute::FwMark(mark)),
        Selector::NotMarked(mark) => {
            message.header.flags = RuleFlags::Invert;
            message.attributes.push(RuleAttribute::FwMark(mark));
        }
        Selector::UdpFrom(address, start, end) => {
            message.header.src_len = 32;
            message.attributes.push(RuleAttribute::Source(address.into()));
            message.attributes.push(RuleAttribute::IpProtocol(IpProtocol::Udp));
            message.attributes.push(RuleAttribute::SourcePortRange(RulePortRange { start, end }));
        }
    }
    message
}
