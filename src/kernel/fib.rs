//! Look-ups in the kernel's forwarding table, including the rules: which route the kernel uses for an address.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::netlink::Netlink;
use super::observe::Kernel;
use crate::net::Prefix;
use crate::reconcile::fib::{Action, FoundRoute, FoundRule, Override, RuleVerdict, Verdict, judge_dropped, probes};
use crate::reconcile::state::PROTOCOL;

/// A handle for look-ups in the kernel's forwarding table, which can be used concurrently with all else. It never changes the table.
#[derive(Clone)]
pub struct Fib(Netlink);

/// Creates a request for the route that the kernel uses for packets to `address`, as it is in its table (RTM_F_FIB_MATCH).
pub(super) fn question(address: Ipv4Addr) -> RouteMessage {
    let mut request = RouteMessage::default();
    request.header.address_family = AddressFamily::Inet;
    request.header.destination_prefix_length = 32;
    request.header.table = RouteHeader::RT_TABLE_UNSPEC;
    request.header.protocol = RouteProtocol::Unspec;
    request.header.scope = RouteScope::Universe;
    request.header.kind = RouteType::Unspec;
    request.header.flags = RouteFlags::FibMatch | RouteFlags::LookupTable;
    request.attributes.push(RouteAttribute::Destination(RouteAddress::Inet(address)));
    request
}

/// Returns whether an answer to [`question`] is not the route in the table but a copy for this address: a kernel before 4.13 does not know
/// RTM_F_FIB_MATCH.
pub(super) fn is_made_up(answer: &RouteMessage) -> bool {
    answer.header.flags.contains(RouteFlags::Cloned)
}

impl Kernel {
    /// Returns a handle for look-ups.
    pub fn fib(&self) -> Fib {
        Fib(self.netlink.clone())
    }
}

impl Fib {
    /// Returns what the kernel uses instead of a route of weft to this destination; `None` if it uses weft's route, or if that is unclear.
    ///
    /// # Errors
    /// If the kernel does not answer.
    pub async fn overridden(&self, wanted: Prefix) -> io::Result<Option<Override>> {
        let mut found = None;
        for address in probes(wanted) {
            match self.look_up(wanted, address).await? {
                Verdict::Used => return Ok(None),
                Verdict::Unclear => {}
                Verdict::Overridden(by) => found = found.or(Some(by)),
            }
        }
        match found {
            Some(Override::Table { rule: None, route }) => {
                let leads = |rule: &FoundRule| {
                    rule.verdict == RuleVerdict::Table(route.table)
                        && (rule.destination.covers(wanted) || wanted.covers(rule.destination))
                };
                let rule = self.rules().await?.into_iter().filter(leads).min_by_key(|rule| rule.priority);
                Ok(Some(Override::Table { rule, route }))
            }
            other => Ok(other),
        }
    }

    async fn look_up(&self, wanted: Prefix, address: Ipv4Addr) -> io::Result<Verdict> {
        let error = match self.0.get(RouteNetlinkMessage::GetRoute(question(address))).await {
            Ok(RouteNetlinkMessage::NewRoute(answer)) if is_made_up(&answer) => {
                return Ok(Verdict::Unclear);
            }
            Ok(RouteNetlinkMessage::NewRoute(answer)) => {
                return Ok(match self.parse(&answer).await? {
                    Some(route) => route.judge(wanted),
                    None => Verdict::Unclear,
                });
            }
            Ok(other) => return Err(io::Error::other(format!("the kernel answers a look-up with {other:?}"))),
            Err(error) => error,
        };
        // The answer does not contain a route or rule that drops packets: the error shows its type.
        let kind = match error.raw_os_error() {
            Some(libc::EINVAL) => Some(RouteType::BlackHole),
            Some(libc::EHOSTUNREACH) => Some(RouteType::Unreachable),
            Some(libc::EACCES) => Some(RouteType::Prohibit),
            Some(libc::ENETUNREACH) => None,
            _ => return Err(error),
        };
        let routes = match kind {
            Some(kind) => self.routes_of(kind).await?,
            None => Vec::new(),
        };
        Ok(judge_dropped(wanted, address, &routes, &self.rules().await?))
    }

    /// Dumps all routes of one type, in every table.
    async fn routes_of(&self, kind: RouteType) -> io::Result<Vec<FoundRoute>> {
        let mut request = RouteMessage::default();
        request.header.address_family = AddressFamily::Inet;
        request.header.kind = kind;
        let mut routes = Vec::new();
        for reply in self.0.dump(RouteNetlinkMessage::GetRoute(request)).await? {
            // The kernel may ignore the filter of the dump.
            if let RouteNetlinkMessage::NewRoute(message) = reply
                && message.header.kind == kind
            {
                routes.extend(self.parse(&message).await?);
            }
        }
        Ok(routes)
    }

    /// Returns `None` for a route of a type that is not known here.
    async fn parse(&self, message: &RouteMessage) -> io::Result<Option<FoundRoute>> {
        let header = &message.header;
        let action = match header.kind {
            RouteType::Unicast => Action::Forward,
            RouteType::Local => Action::Deliver,
            RouteType::BlackHole => Action::Blackhole,
            RouteType::Unreachable => Action::Unreachable,
            RouteType::Prohibit => Action::Prohibit,
            _ => return Ok(None),
        };
        let (mut table, mut metric) = (u32::from(header.table), 0);
        let mut destination = Ipv4Addr::UNSPECIFIED;
        let (mut index, mut gateway) = (None, None);
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Table(number) => table = *number,
                RouteAttribute::Destination(RouteAddress::Inet(address)) => destination = *address,
                RouteAttribute::Priority(number) => metric = *number,
                RouteAttribute::Oif(number) => index = Some(*number),
                RouteAttribute::Gateway(RouteAddress::Inet(address)) => gateway = Some(*address),
                _ => {}
            }
        }
        if header.destination_prefix_length > 32 {
            return Ok(None);
        }
        let protocol = u8::from(header.protocol);
        let device = match index {
            // The device is needed only for foreign routes, and most routes are ours.
            Some(index) if protocol != PROTOCOL => self.name(index).await,
            _ => None,
        };
        let prefix = Prefix::new(destination, header.destination_prefix_length);
        Ok(Some(FoundRoute { table, prefix, action, protocol, metric, device, gateway }))
    }

    async fn name(&self, index: u32) -> Option<String> {
        let mut request = LinkMessage::default();
        request.header.index = index;
        let RouteNetlinkMessage::NewLink(link) = self.0.get(RouteNetlinkMessage::GetLink(request)).await.ok()? else {
            return None;
        };
        link.attributes.into_iter().find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => Some(name),
            _ => None,
        })
    }

    /// Dumps the foreign rules that apply to packets whatever their source, mark and interface.
    async fn rules(&self) -> io::Result<Vec<FoundRule>> {
        let mut request = RuleMessage::default();
        request.header.family = AddressFamily::Inet;
        let replies = self.0.dump(RouteNetlinkMessage::GetRule(request)).await?;
        let rules = replies.into_iter().filter_map(|reply| match reply {
            RouteNetlinkMessage::NewRule(rule) => parse_rule(&rule),
            _ => None,
        });
        Ok(rules.collect())
    }
}

fn parse_rule(message: &RuleMessage) -> Option<FoundRule> {
    let header = &message.header;
    let (mut table, mut priority) = (u32::from(header.table), 0);
    let mut destination = Ipv4Addr::UNSPECIFIED;
    let mut marked = false;
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Protocol(protocol) if u8::from(*protocol) == PROTOCOL => return None,
            RuleAttribute::Table(number) => table = *number,
            RuleAttribute::Priority(number) => priority = *number,
            RuleAttribute::Destination(IpAddr::V4(address)) => destination = *address,
            RuleAttribute::FwMark(mark) => marked = *mark != 0,
            RuleAttribute::Source(_)
            | RuleAttribute::TunId(_)
            | RuleAttribute::Other(_)
            | RuleAttribute::Iifname(_)
            | RuleAttribute::Oifname(_)
            | RuleAttribute::L3MDev(_)
            | RuleAttribute::UidRange(_)
            | RuleAttribute::IpProtocol(_)
            | RuleAttribute::SourcePortRange(_)
            | RuleAttribute::DestinationPortRange(_) => return None,
            _ => {}
        }
    }
    // A packet without a mark does not match a rule with a mark; `not` inverts the whole rule.
    let inverted = header.flags.contains(RuleFlags::Invert);
    if marked != inverted || (inverted && header.dst_len > 0) || header.tos != 0 || header.dst_len > 32 {
        return None;
    }
    let verdict = match header.action {
        RuleAction::ToTable => RuleVerdict::Table(table),
        RuleAction::Blackhole => RuleVerdict::Drop(Action::Blackhole),
        RuleAction::Unreachable => RuleVerdict::Drop(Action::Unreachable),
        RuleAction::Prohibit => RuleVerdict::Drop(Action::Prohibit),
        _ => return None,
    };
    Some(FoundRule { priority, destination: Prefix::new(destination, header.dst_len), verdict })
}
