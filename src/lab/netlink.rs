//! A blocking route-netlink socket in one namespace, and the requests that a lab needs.
//!
//! What the lab creates carries a mark by which it can be recognized later: links are in group [`MARK`]; addresses, routes and rules have
//! protocol [`MARK`].

use std::io;
use std::net::IpAddr;

use anyhow::{Context, Result, bail};
use ipnetwork::IpNetwork;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader,
    NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{
    AddressAttribute, AddressHeaderFlags, AddressMessage, AddressProtocol, AddressScope,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHop, RouteProtocol, RouteScope,
    RouteType,
};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;

pub use self::links::LinkRow;
use super::netns::Namespace;

mod links;

/// The lab's mark: group of its links, protocol of its addresses, routes and rules. One more than weft's own 201.
pub const MARK: u8 = 202;

/// How often a dump that was inconsistent because of a change is requested again.
const DUMP_ATTEMPTS: usize = 10;

/// An IP route, from any table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteRow {
    /// RTA_PROTOCOL.
    pub protocol: u8,
    /// Destination.
    pub destination: IpNetwork,
    /// Outgoing interface and gateway of each next hop.
    pub nexthops: Vec<(u32, Option<IpAddr>)>,
}

/// A blackhole rule of the lab: packets from one address to another are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Blackhole {
    /// Source.
    pub from: IpAddr,
    /// Destination, of the same family.
    pub to: IpAddr,
}

impl Blackhole {
    /// FRA_PRIORITY: after the local table, before everything else.
    const PRIORITY: u32 = 100;
}

/// A route-netlink socket that was opened in one namespace.
#[derive(Debug)]
pub struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    /// Opens a socket in `namespace`.
    pub fn open(namespace: &Namespace) -> Result<Self> {
        let socket = namespace.within(|| {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind_auto()?;
            socket.connect(&SocketAddr::new(0, 0))?;
            Ok(socket)
        });
        let socket = socket.with_context(|| format!("opening a netlink socket in {}", namespace.name()))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// The lab's own addresses: index of the interface, address with prefix length.
    pub fn addresses(&mut self) -> Result<Vec<(u32, IpNetwork)>> {
        let rows =
            self.dump(RouteNetlinkMessage::GetAddress(AddressMessage::default())).context("listing addresses")?;
        Ok(rows.iter().filter_map(address_row).collect())
    }

    /// Adds an address that is usable at once (no duplicate address detection).
    pub fn add_address(&mut self, index: u32, address: IpNetwork) -> Result<()> {
        let mut message = address_message(index, address);
        message.header.flags = AddressHeaderFlags::Nodad;
        message.attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(MARK)));
        self.request(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_REPLACE)
            .with_context(|| format!("adding the address {address}"))
    }

    /// Removes an address.
    pub fn delete_address(&mut self, index: u32, address: IpNetwork) -> Result<()> {
        let message = address_message(index, address);
        match self.request(RouteNetlinkMessage::DelAddress(message), 0) {
            Err(error) if is(&error, Errno::EADDRNOTAVAIL) => Ok(()),
            other => other.with_context(|| format!("removing the address {address}")),
        }
    }

    /// Every route of every table with protocol `protocol`.
    pub fn routes(&mut self, protocol: u8) -> Result<Vec<RouteRow>> {
        let rows = self.dump(RouteNetlinkMessage::GetRoute(RouteMessage::default())).context("listing routes")?;
        Ok(rows.iter().filter_map(route_row).filter(|row| row.protocol == protocol).collect())
    }

    /// Adds a route of the lab to the main table.
    pub fn add_route(&mut self, destination: IpNetwork, via: Option<IpAddr>, index: u32) -> Result<()> {
        let message = route_message(destination, via, index);
        self.request(RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | NLM_F_REPLACE)
            .with_context(|| format!("adding the route to {destination}"))
    }

    /// Removes a route of the lab.
    pub fn delete_route(&mut self, destination: IpNetwork, via: Option<IpAddr>, index: u32) -> Result<()> {
        let message = route_message(destination, via, index);
        match self.request(RouteNetlinkMessage::DelRoute(message), 0) {
            Err(error) if is(&error, Errno::ESRCH) => Ok(()),
            other => other.with_context(|| format!("removing the route to {destination}")),
        }
    }

    /// The lab's blackhole rules.
    pub fn blackholes(&mut self) -> Result<Vec<Blackhole>> {
        let mut found = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut message = RuleMessage::default();
            message.header.family = family;
            match self.dump(RouteNetlinkMessage::GetRule(message)) {
                Ok(rows) => found.extend(rows.iter().filter_map(blackhole_row)),
                // A kernel without IPv6 has no IPv6 rules.
                Err(error) if is(&error, Errno::EOPNOTSUPP) || is(&error, Errno::EAFNOSUPPORT) => {}
                Err(error) => return Err(error).context("listing rules"),
            }
        }
        Ok(found)
    }

    /// Adds a blackhole rule; it is no error if it exists already.
    pub fn add_blackhole(&mut self, rule: Blackhole) -> Result<()> {
        match self.request(RouteNetlinkMessage::NewRule(rule_message(rule)), NLM_F_CREATE | NLM_F_EXCL) {
            Err(error) if is(&error, Errno::EEXIST) => Ok(()),
            other => other.with_context(|| format!("adding a rule from {} to {}", rule.from, rule.to)),
        }
    }

    /// Removes a blackhole rule; it is no error if it does not exist.
    pub fn delete_blackhole(&mut self, rule: Blackhole) -> Result<()> {
        match self.request(RouteNetlinkMessage::DelRule(rule_message(rule)), 0) {
            Err(error) if is(&error, Errno::ENOENT) => Ok(()),
            other => other.with_context(|| format!("removing the rule from {} to {}", rule.from, rule.to)),
        }
    }

    fn request(&mut self, message: RouteNetlinkMessage, flags: u16) -> Result<()> {
        let sequence = self.send(message, NLM_F_REQUEST | NLM_F_ACK | flags)?;
        loop {
            let (buffer, _) = self.socket.recv_from_full()?;
            for reply in messages(&buffer) {
                let reply = reply?;
                match reply.payload {
                    NetlinkPayload::Error(error) if reply.header.sequence_number == sequence => {
                        return if error.code.is_none() { Ok(()) } else { Err(error.to_io().into()) };
                    }
                    _ => {}
                }
            }
        }
    }

    fn dump(&mut self, message: RouteNetlinkMessage) -> Result<Vec<RouteNetlinkMessage>> {
        for _ in 0..DUMP_ATTEMPTS {
            if let Some(rows) = self.dump_once(message.clone())? {
                return Ok(rows);
            }
        }
        bail!("the kernel's table kept changing while it was read")
    }

    /// Requests a dump once; `None` if the table changed meanwhile (NLM_F_DUMP_INTR).
    fn dump_once(&mut self, message: RouteNetlinkMessage) -> Result<Option<Vec<RouteNetlinkMessage>>> {
        let sequence = self.send(message, NLM_F_REQUEST | NLM_F_DUMP)?;
        let mut rows = Vec::new();
        let mut consistent = true;
        loop {
            let (buffer, _) = self.socket.recv_from_full()?;
            for reply in messages(&buffer) {
                let reply = reply?;
                if reply.header.sequence_number != sequence {
                    continue;
                }
                consistent &= reply.header.flags & NLM_F_DUMP_INTR == 0;
                match reply.payload {
                    NetlinkPayload::Done(_) => return Ok(consistent.then_some(rows)),
                    NetlinkPayload::Error(error) => return Err(error.to_io().into()),
                    NetlinkPayload::InnerMessage(row) => rows.push(row),
                    _ => {}
                }
            }
        }
    }

    fn send(&mut self, message: RouteNetlinkMessage, flags: u16) -> Result<u32> {
        self.sequence += 1;
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        let mut buffer = vec![0; message.buffer_len()];
        message.serialize(&mut buffer);
        let sent = self.socket.send(&buffer, 0)?;
        debug_assert_eq!(sent, buffer.len(), "netlink sends a datagram whole or not at all");
        Ok(self.sequence)
    }
}

/// Whether the error is the kernel's `errno`.
pub fn is(error: &anyhow::Error, errno: Errno) -> bool {
    error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) == Some(errno as i32)
}

/// The netlink messages in one datagram.
fn messages(buffer: &[u8]) -> impl Iterator<Item = Result<NetlinkMessage<RouteNetlinkMessage>>> + '_ {
    let mut rest = buffer;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let message = NetlinkMessage::deserialize(rest).context("reading what the kernel answered");
        // Messages are padded to four bytes (NLMSG_ALIGNTO).
        let length = message.as_ref().map_or(rest.len(), |m| (m.header.length as usize).next_multiple_of(4));
        rest = rest.get(length.max(1)..).unwrap_or_default();
        Some(message)
    })
}

fn address_row(message: &RouteNetlinkMessage) -> Option<(u32, IpNetwork)> {
    let RouteNetlinkMessage::NewAddress(message) = message else { return None };
    let ours = AddressAttribute::Protocol(AddressProtocol::Other(MARK));
    message.attributes.contains(&ours).then_some(())?;
    // IFA_LOCAL is the interface's own address; IFA_ADDRESS is the peer's on a point-to-point link, and the only one for IPv6.
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    let address = local.or_else(|| {
        message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    })?;
    Some((message.header.index, IpNetwork::new(address, message.header.prefix_len).ok()?))
}

fn address_message(index: u32, address: IpNetwork) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(address.ip());
    message.header.prefix_len = address.prefix();
    message.header.index = index;
    message.header.scope = match address.ip() {
        IpAddr::V4(ip) if ip.is_link_local() => AddressScope::Link,
        _ => AddressScope::Universe,
    };
    message.attributes = vec![AddressAttribute::Local(address.ip()), AddressAttribute::Address(address.ip())];
    message
}

fn route_row(message: &RouteNetlinkMessage) -> Option<RouteRow> {
    let RouteNetlinkMessage::NewRoute(route) = message else { return None };
    let header = &route.header;
    (header.kind == RouteType::Unicast).then_some(())?;
    let mut destination = match header.address_family {
        AddressFamily::Inet => IpAddr::from([0; 4]),
        AddressFamily::Inet6 => IpAddr::from([0; 16]),
        _ => return None,
    };
    let (mut interface, mut gateway, mut many) = (None, None, Vec::new());
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Destination(address) => destination = ip_of(address)?,
            RouteAttribute::Oif(index) => interface = Some(*index),
            RouteAttribute::Gateway(address) => gateway = ip_of(address),
            RouteAttribute::MultiPath(hops) => many = hops.iter().map(nexthop_row).collect(),
            _ => {}
        }
    }
    Some(RouteRow {
        protocol: header.protocol.into(),
        destination: IpNetwork::new(destination, header.destination_prefix_length).ok()?,
        nexthops: interface.map(|index| (index, gateway)).into_iter().chain(many).collect(),
    })
}

fn nexthop_row(hop: &RouteNextHop) -> (u32, Option<IpAddr>) {
    let gateway = hop.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(address) => ip_of(address),
        _ => None,
    });
    (hop.interface_index, gateway)
}

fn route_message(destination: IpNetwork, via: Option<IpAddr>, index: u32) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(destination.ip());
    message.header.destination_prefix_length = destination.prefix();
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::from(MARK);
    message.header.kind = RouteType::Unicast;
    message.header.scope = if via.is_none() && destination.is_ipv4() { RouteScope::Link } else { RouteScope::Universe };
    message.attributes = vec![RouteAttribute::Destination(destination.ip().into()), RouteAttribute::Oif(index)];
    if let Some(gateway) = via {
        // The gateway is on the link, whatever addresses the link has.
        message.header.flags = RouteFlags::Onlink;
        message.attributes.push(RouteAttribute::Gateway(gateway.into()));
    }
    message
}

fn ip_of(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some((*ip).into()),
        RouteAddress::Inet6(ip) => Some((*ip).into()),
        _ => None,
    }
}

fn rule_message(rule: Blackhole) -> RuleMessage {
    let bits = if rule.from.is_ipv4() { 32 } else { 128 };
    let mut message = RuleMessage::default();
    message.header.family = family(rule.from);
    message.header.src_len = bits;
    message.header.dst_len = bits;
    message.header.action = RuleAction::Blackhole;
    message.attributes = vec![
        RuleAttribute::Source(rule.from),
        RuleAttribute::Destination(rule.to),
        RuleAttribute::Priority(Blackhole::PRIORITY),
        RuleAttribute::Protocol(RouteProtocol::from(MARK)),
    ];
    message
}

fn blackhole_row(message: &RouteNetlinkMessage) -> Option<Blackhole> {
    let RouteNetlinkMessage::NewRule(rule) = message else { return None };
    let ours = RuleAttribute::Protocol(RouteProtocol::from(MARK));
    (rule.header.action == RuleAction::Blackhole && rule.attributes.contains(&ours)).then_some(())?;
    let (mut from, mut to) = (None, None);
    for attribute in &rule.attributes {
        match attribute {
            RuleAttribute::Source(address) => from = Some(*address),
            RuleAttribute::Destination(address) => to = Some(*address),
            _ => {}
        }
    }
    Some(Blackhole { from: from?, to: to? })
}

fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}
