//! Describes a trace in words for people, one line for each line of the trace.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use bytes::Bytes;
use ospf::wire::{Packet, PacketBody};
use ospf::{Config, Input, InterfaceId, LinkState, PathState, Route};

use super::line::{End, Line, Outcome};

/// Describes lines in the order of the trace. Interfaces have the names that earlier lines gave them.
#[derive(Debug, Default)]
pub struct Story {
    names: BTreeMap<InterfaceId, String>,
}

impl Story {
    /// Describes a line, without a newline at the end.
    pub fn describe(&mut self, line: &Line<'_>) -> String {
        match line {
            Line::Start(start) => {
                self.learn(&start.config);
                let interfaces = start.config.interfaces.len();
                format!(
                    "{:>14}  {} in mesh {}, router id {}, weft {}, {interfaces} interfaces",
                    time(0),
                    start.site,
                    start.mesh,
                    start.config.router_id,
                    start.version
                )
            }
            Line::Input { at, what } => format!("{:>14}  {}", time(*at), self.input(what)),
            Line::Output(outcome) => format!("{:>14}  {}", "", self.outcome(outcome)),
            Line::End(End::Limit) => format!("{:>14}  the trace is as large as it may be", ""),
        }
    }

    /// Describes an output.
    pub fn outcome(&self, outcome: &Outcome) -> String {
        match outcome {
            Outcome::Send { interface, destination, ttl, packet } => {
                let ttl = ttl_in_words(*ttl);
                format!("-> {} to {destination}{ttl}: {}", self.name(*interface), packet_in_words(packet))
            }
            Outcome::Route { prefix, route: Some(route) } => format!("route {prefix}: {}", self.route(route)),
            Outcome::Route { prefix, route: None } => format!("route {prefix}: gone"),
            Outcome::Opaque { lsa, body } => format!("opaque LSA {lsa}: {}", octets_in_words(body.as_ref())),
            Outcome::Event(event) => format!("event {event}"),
        }
    }

    fn input(&mut self, what: &Input<'_>) -> String {
        match what {
            Input::Packet { interface, source, destination, ttl, payload } => {
                let (name, ttl) = (self.name(*interface), ttl_in_words(*ttl));
                format!("<- {name} {source} to {destination}{ttl}: {}", packet_in_words(payload))
            }
            Input::Link { interface, state: LinkState::Down } => format!("link {} down", self.name(*interface)),
            Input::Link { interface, state: LinkState::Up { index, mtu, addressing } } => {
                format!("link {} up: index {index}, MTU {mtu}, address {}", self.name(*interface), addressing.address())
            }
            Input::Path { interface, neighbor, state } => {
                let state = match state {
                    PathState::Untested => "untested",
                    PathState::Up => "up",
                    PathState::Down { shares_fate: false } => "down",
                    PathState::Down { shares_fate: true } => "down, except for a restart",
                };
                format!("path to {neighbor} on {} {state}", self.name(*interface))
            }
            Input::Configure(config) => {
                self.learn(config);
                let (interfaces, externals) = (config.interfaces.len(), config.externals.len());
                format!("configuration: {interfaces} interfaces, {externals} externals")
            }
            Input::Opaque { scope, opaque_type, opaque_id, body } => {
                format!("opaque LSA {scope:?} type {opaque_type} id {opaque_id}: {}", octets_in_words(body.as_ref()))
            }
            Input::Clear { interface, router_id } => {
                let with = router_id.map_or_else(|| "everybody".to_owned(), |id| id.to_string());
                let on = interface.map_or_else(|| "everywhere".to_owned(), |id| format!("on {}", self.name(id)));
                format!("clear adjacencies with {with} {on}")
            }
            Input::Tick => "tick".to_owned(),
            Input::PrepareRestart { grace_period, reason } => {
                format!("prepare a restart of at most {grace_period:?}: {reason}")
            }
            Input::Withdraw => "withdraw".to_owned(),
            Input::Shutdown => "shutdown".to_owned(),
        }
    }

    fn route(&self, route: &Route) -> String {
        let hops = route.nexthops.iter().map(|hop| match hop.via {
            Some(via) => format!("{via} {}", self.name(hop.interface)),
            None => format!("directly, {}", self.name(hop.interface)),
        });
        let hops: Vec<String> = hops.collect();
        format!("{:?}, area {}, metric {}, {}", route.kind, route.area, route.metric, hops.join(", "))
    }

    fn learn(&mut self, config: &Config) {
        self.names = config.interfaces.iter().map(|(id, interface)| (*id, interface.name.clone())).collect();
    }

    fn name(&self, id: InterfaceId) -> String {
        self.names.get(&id).cloned().unwrap_or_else(|| format!("#{}", id.0))
    }
}

/// The TTL in words; empty for TTL 1, which most packets have.
fn ttl_in_words(ttl: u8) -> String {
    if ttl == 1 { String::new() } else { format!(" ttl {ttl}") }
}

fn octets_in_words(octets: Option<&Bytes>) -> String {
    octets.map_or_else(|| "gone".to_owned(), |octets| format!("{} octets", octets.len()))
}

fn time(nanos: u64) -> String {
    format!("{}.{:06}", nanos / 1_000_000_000, nanos % 1_000_000_000 / 1000)
}

fn packet_in_words(octets: &[u8]) -> String {
    let packet = match Packet::decode(octets) {
        Ok(packet) => packet,
        Err(error) => return format!("{} octets, {error}", octets.len()),
    };
    let what = match &packet.body {
        PacketBody::Hello(hello) => {
            let unset = |router: Ipv4Addr| if router.is_unspecified() { "-".to_owned() } else { router.to_string() };
            format!(
                "Hello, {}s/{}s, priority {}, DR {}, BDR {}, neighbors {}",
                hello.hello_interval,
                hello.dead_interval,
                hello.priority,
                unset(hello.designated_router),
                unset(hello.backup_designated_router),
                words(hello.neighbors.iter().map(ToString::to_string))
            )
        }
        PacketBody::DatabaseDescription(description) => format!(
            "Database Description, sequence {}, {:?}, MTU {}, {} LSAs",
            description.sequence,
            description.flags,
            description.interface_mtu,
            description.headers.len()
        ),
        PacketBody::LinkStateRequest(keys) => format!("Request {}", words(keys.iter().map(ToString::to_string))),
        PacketBody::LinkStateUpdate(lsas) => {
            let lsas =
                lsas.iter().map(|lsa| format!("{} {} age {}", lsa.header.key, lsa.header.sequence, lsa.header.age));
            format!("Update {}", words(lsas))
        }
        PacketBody::LinkStateAck(headers) => {
            format!("Ack {}", words(headers.iter().map(|header| format!("{} {}", header.key, header.sequence))))
        }
    };
    format!("{} area {} {what}", packet.router_id, packet.area_id)
}

/// The first words separated by commas, and the number of the others.
fn words(words: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 4;
    let more = words.len().saturating_sub(SHOWN);
    let shown: Vec<String> = words.take(SHOWN).collect();
    match (shown.is_empty(), more) {
        (true, _) => "nothing".to_owned(),
        (false, 0) => shown.join(", "),
        (false, more) => format!("{} and {more} more", shown.join(", ")),
    }
}
