//! A namespace's routes, as its kernel gives them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use ipnetwork::Ipv4Network;
use serde_json::Value;

use super::super::netns::ip;
use super::oracle::{Hops, Prefix};

/// Protocols of the routes that routing daemons install: BIRD, FRR's OSPF, weft.
const PROTOCOLS: [&str; 3] = ["12", "188", "201"];

/// What routing daemons have put into the main table of `netns` and that leads to another router, as far as it is in use.
pub fn kernel_routes(netns: &str) -> Result<BTreeMap<Prefix, Hops>> {
    let shown = ip(netns, "-j -N route show table main")?;
    parse(&shown).with_context(|| format!("reading the routes of {netns}: {shown}"))
}

fn parse(shown: &str) -> Result<BTreeMap<Prefix, Hops>> {
    // An empty table is an empty text.
    let routes: Vec<Value> = if shown.trim().is_empty() { Vec::new() } else { serde_json::from_str(shown)? };
    let mut table = BTreeMap::new();
    for route in &routes {
        // A route made by hand has none.
        if !route["protocol"].as_str().is_some_and(|protocol| PROTOCOLS.contains(&protocol)) {
            continue;
        }
        let destination: Ipv4Network = match text(route, "dst")? {
            "default" => "0.0.0.0/0".parse()?,
            destination => destination.parse()?,
        };
        let mut hops = Hops::new();
        let ways: Vec<&Value> = route["nexthops"].as_array().map_or_else(|| vec![route], |ways| ways.iter().collect());
        for way in ways.into_iter().filter(|way| !is_evicted(way)) {
            // Directly connected ones and discard routes of area ranges have none.
            if let Some(gateway) = way["gateway"].as_str() {
                hops.insert((gateway.parse()?, text(way, "dev")?.to_owned()));
            }
        }
        if !is_direct(destination, &hops) {
            table.insert(destination, hops);
        }
    }
    Ok(table)
}

/// Whether the kernel has put the way out of use because its interface went down or lost its carrier.
fn is_evicted(way: &Value) -> bool {
    let flags = way["flags"].as_array().into_iter().flatten().filter_map(Value::as_str);
    flags.into_iter().any(|flag| matches!(flag, "dead" | "linkdown"))
}

/// Whether no other router is on the way. To a neighbour's own address some name the neighbour as the gateway.
pub fn is_direct(destination: Prefix, hops: &Hops) -> bool {
    hops.iter().all(|(gateway, _)| destination == Prefix::from(*gateway))
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value[key].as_str().with_context(|| format!("{key} in {value}"))
}
