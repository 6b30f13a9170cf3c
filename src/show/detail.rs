//! Details of neighbours and interfaces, as a block of lines for each.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use super::table::duration;
use crate::control::view::{Interface, Neighbor, PacketType};

/// A title, followed by lines of a name and a value.
struct Block {
    text: String,
}

impl Block {
    fn new(title: &str) -> Self {
        Self { text: format!("{title}\n") }
    }

    fn line(&mut self, name: &str, value: impl AsRef<str>) {
        // Writing to a String never fails.
        let _ = writeln!(self.text, "  {name:<18}{}", value.as_ref());
    }
}

/// All details of every neighbour.
pub fn neighbors_in_detail(neighbors: &[Neighbor]) -> String {
    let blocks = neighbors.iter().map(|neighbor| {
        let site = neighbor.site.as_deref().map_or_else(String::new, |site| format!(" ({site})"));
        let mut block = Block::new(&format!("{}{site} on {}", neighbor.router_id, neighbor.interface));
        block.line("state", format!("{} for {}", neighbor.state, duration(neighbor.since_s)));
        if let Some(left) = neighbor.helped_for_s {
            block.line("restarts", format!("helped for another {}", duration(left)));
        }
        block.line("address", neighbor.address.to_string());
        block.line("area", neighbor.area.to_string());
        if let Some(role) = neighbor.role {
            block.line("role", format!("{role}, priority {}", neighbor.priority));
            block.line("names as DR", address(neighbor.designated_router));
            block.line("names as backup", address(neighbor.backup_designated_router));
        }
        block.line("dead in", format!("{:.1}s", neighbor.dead_in_s));
        block.line("options", words(&neighbor.options));
        block.line("BFD", neighbor.bfd.word());
        block.line(
            "lists",
            format!(
                "{} to acknowledge, {} requested, {} to describe",
                neighbor.retransmissions, neighbor.requests, neighbor.summaries
            ),
        );
        block.text
    });
    blocks.collect::<Vec<_>>().join("\n")
}

/// All details of every interface.
pub fn interfaces_in_detail(interfaces: &[Interface]) -> String {
    let blocks = interfaces.iter().map(|interface| {
        let mut block = Block::new(&interface.interface);
        block.line("state", format!("{}, {}", interface.state, interface.network));
        if let Some(link) = &interface.virtual_link {
            let obstacle = link.obstacle.map_or_else(String::new, |obstacle| format!(", {obstacle}"));
            block.line("joins", format!("{} through area {}{obstacle}", link.far_end, link.transit_area));
        }
        let network = interface.prefix.as_deref().unwrap_or("-");
        block.line("address", format!("{} in {network}", address(interface.address)));
        block.line("area", interface.area.to_string());
        block.line("cost", interface.cost.to_string());
        block.line("MTU", interface.mtu.map_or_else(|| "-".to_owned(), |mtu| mtu.to_string()));
        if interface.network.elects() {
            block.line("DR", address(interface.designated_router));
            block.line("backup", address(interface.backup_designated_router));
            block.line("priority", interface.priority.to_string());
        }
        let mut timers = format!(
            "hello {}s, dead {}s, retransmit {}s, transmit delay {}s",
            interface.hello_interval_s,
            interface.dead_interval_s,
            interface.retransmit_interval_s,
            interface.transmit_delay_s
        );
        if let Some(poll) = interface.poll_interval_s {
            let _ = write!(timers, ", poll {poll}s");
        }
        block.line("intervals", timers);
        let next = interface.next_hello_s.map_or_else(|| "none".to_owned(), |next| format!("in {next:.1}s"));
        block.line("next hello", next);
        block.line("authentication", authentication(interface));
        block.line("neighbours", format!("{} full of {}", interface.full, interface.neighbors));
        for (kind, count) in &interface.sent {
            let received = interface.received.get(kind).copied().unwrap_or(0);
            block.line(name_of(*kind), format!("{count} sent, {received} received"));
        }
        block.line("LSAs sent again", interface.retransmitted.to_string());
        block.line("stalled", format!("{} times a neighbour did not come forward for minutes", interface.stalled));
        for (reason, count) in &interface.refused {
            block.line("refused", format!("{count} packets: {reason}"));
        }
        for (reason, count) in &interface.lsa_refused {
            block.line("refused", format!("{count} LSAs: {reason}"));
        }
        block.text
    });
    blocks.collect::<Vec<_>>().join("\n")
}

fn authentication(interface: &Interface) -> String {
    match (interface.auth_key_id, interface.auth_key) {
        (Some(id), Some(standing)) => format!("{}, key {id}, {standing}", interface.auth),
        _ => interface.auth.to_string(),
    }
}

/// A short name of a packet type that fits the column.
fn name_of(kind: PacketType) -> &'static str {
    match kind {
        PacketType::DatabaseDescription => "descriptions",
        PacketType::Hello => "hellos",
        PacketType::LinkStateAck => "acknowledgments",
        PacketType::LinkStateRequest => "requests",
        PacketType::LinkStateUpdate => "updates",
        PacketType::Unknown => kind.word(),
    }
}

fn address(address: Option<Ipv4Addr>) -> String {
    address.map_or_else(|| "-".to_owned(), |address| address.to_string())
}

fn words(words: &[String]) -> String {
    if words.is_empty() { "none".to_owned() } else { words.join(" ") }
}
