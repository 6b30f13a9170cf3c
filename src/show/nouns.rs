//! A table for each noun of `weft show`.

use super::table::{Table, duration, octets};
use crate::control::view::{Interface, Lsa, Neighbor, Nexthop, Route, Tunnel};

const INDENT: &str = "  ";

/// Tunnels; those that are not up first.
pub fn tunnels(tunnels: &[Tunnel]) -> String {
    let mut table = Table::new(&["INTERFACE", "SITE", "STATE", "HANDSHAKE", "RX", "TX", "ENDPOINT", "BACKEND"]);
    for tunnel in worst_first(tunnels, |tunnel| tunnel.state == "up") {
        table.row([
            tunnel.interface.clone(),
            tunnel.site.clone(),
            tunnel.state.clone(),
            tunnel.handshake_age_s.map_or_else(|| "never".to_owned(), |age| format!("{} ago", duration(age))),
            octets(tunnel.rx_bytes),
            octets(tunnel.tx_bytes),
            tunnel.endpoint.map_or_else(|| "-".to_owned(), |endpoint| endpoint.to_string()),
            tunnel.backend.clone(),
        ]);
    }
    table.render(INDENT)
}

/// Neighbours; those that are not Full first.
pub fn neighbors(neighbors: &[Neighbor]) -> String {
    let mut table =
        Table::new(&["INTERFACE", "ROUTER ID", "SITE", "STATE", "FOR", "DEAD IN", "ADDRESS", "AREA", "BFD"]);
    for neighbor in worst_first(neighbors, |neighbor| neighbor.state == "Full") {
        table.row([
            neighbor.interface.clone(),
            neighbor.router_id.to_string(),
            neighbor.site.clone().unwrap_or_else(|| "-".to_owned()),
            neighbor.state.clone(),
            duration(neighbor.since_s),
            format!("{:.1}s", neighbor.dead_in_s),
            neighbor.address.to_string(),
            neighbor.area.to_string(),
            neighbor.bfd.clone(),
        ]);
    }
    table.render(INDENT)
}

/// Routes by prefix, a line for each further next hop.
pub fn routes(routes: &[Route]) -> String {
    let mut table = Table::new(&["PREFIX", "TYPE", "METRIC", "NEXT HOP", "ORIGINATOR"]);
    for route in routes {
        let mut hops = route.nexthops.iter().map(nexthop);
        let originators: Vec<String> = route.originators.iter().map(ToString::to_string).collect();
        table.row([
            route.prefix.clone(),
            route.kind.clone(),
            route.metric.to_string(),
            hops.next().unwrap_or_default(),
            originators.join(" "),
        ]);
        for hop in hops {
            table.row([String::new(), String::new(), String::new(), hop, String::new()]);
        }
    }
    table.render(INDENT)
}

/// Interfaces; those that are down first. Refusals follow, a line each.
pub fn interfaces(interfaces: &[Interface]) -> String {
    let mut table = Table::new(&["INTERFACE", "STATE", "ADDRESS", "AREA", "COST", "HELLO/DEAD", "MTU", "FULL"]);
    let mut refusals = String::new();
    for interface in worst_first(interfaces, |interface| interface.state != "Down") {
        table.row([
            interface.interface.clone(),
            interface.state.clone(),
            interface.address.map_or_else(|| "-".to_owned(), |address| address.to_string()),
            interface.area.to_string(),
            interface.cost.to_string(),
            format!("{}s/{}s", interface.hello_interval_s, interface.dead_interval_s),
            interface.mtu.map_or_else(|| "-".to_owned(), |mtu| mtu.to_string()),
            format!("{}/{}", interface.full, interface.neighbors),
        ]);
        for (reason, count) in &interface.refused {
            refusals.push_str(&format!("! {}: {count} packets refused: {reason}\n", interface.interface));
        }
    }
    format!("{refusals}{}", table.render(INDENT))
}

/// The database, an LSA a line, what it says below it.
pub fn lsdb(lsas: &[Lsa]) -> String {
    let mut text = String::new();
    for lsa in lsas {
        let area = match (&lsa.area, &lsa.link) {
            (Some(area), _) => format!("area {area}"),
            (None, Some(link)) => format!("link {link}"),
            (None, None) => "AS".to_owned(),
        };
        text.push_str(&format!(
            "{} {} by {} ({area})  age {}  seq {}  sum {}  {} octets\n",
            lsa.kind, lsa.id, lsa.advertising_router, lsa.age_s, lsa.sequence, lsa.checksum, lsa.length
        ));
        for line in &lsa.body {
            text.push_str(&format!("    {line}\n"));
        }
    }
    text
}

fn nexthop(hop: &Nexthop) -> String {
    match hop.via {
        Some(via) => format!("{via} {}", hop.interface),
        None => format!("directly, {}", hop.interface),
    }
}

fn worst_first<T>(rows: &[T], good: impl Fn(&T) -> bool) -> impl Iterator<Item = &T> {
    let (good, bad): (Vec<&T>, Vec<&T>) = rows.iter().partition(|row| good(row));
    bad.into_iter().chain(good)
}
