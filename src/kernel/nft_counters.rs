//! Reads the counters of the mesh's ruleset from JSON listings.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde_json::Value;

use crate::net::IfName;
use crate::reconcile::filter::{Reason, SAMPLES};

/// How many frames were dropped because they exceeded a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limited {
    /// Broadcast frames.
    pub broadcast: u64,
    /// Multicast frames.
    pub multicast: u64,
}

pub(super) fn limited(listing: &Value) -> BTreeMap<IfName, Limited> {
    let mut limited: BTreeMap<IfName, Limited> = BTreeMap::new();
    let rules =
        listing["nftables"].as_array().into_iter().flatten().filter_map(|entry| entry["rule"]["expr"].as_array());
    for rule in rules {
        let matched = |key: &str| {
            let of_key = rule.iter().map(|part| &part["match"]).find(|part| part["left"]["meta"]["key"] == key);
            of_key.and_then(|part| part["right"].as_str())
        };
        let packets = rule.iter().find_map(|part| part["counter"]["packets"].as_u64());
        let (Some(device), Some(packets)) = (matched("oifname").and_then(IfName::new), packets) else { continue };
        let of_device = limited.entry(device).or_default();
        match matched("pkttype") {
            Some("broadcast") => of_device.broadcast += packets,
            Some("multicast") => of_device.multicast += packets,
            _ => {}
        }
    }
    limited
}

/// The packets of one interface that were dropped for one reason since the ruleset was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The reason.
    pub reason: Reason,
    /// The interface by which they arrived, or would have left.
    pub interface: String,
    /// Number of packets.
    pub packets: u64,
    /// Number of octets.
    pub bytes: u64,
}

/// A source whose packets were dropped within the last minutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The interface by which they arrived.
    pub interface: String,
    /// Their source address.
    pub source: Ipv4Addr,
    /// Number of packets.
    pub packets: u64,
}

/// Returns the dropped packets, ordered by reason and interface.
pub(super) fn dropped(listings: &[Value]) -> Vec<Dropped> {
    let of_reason = |reason: Reason| {
        let counted =
            listings.iter().flat_map(move |listing| elements(listing, &reason.counters()).collect::<Vec<_>>());
        counted.filter_map(move |element| {
            let interface = element["val"].as_str()?.to_owned();
            let count = |what: &str| element["counter"][what].as_u64().unwrap_or_default();
            Some(Dropped { reason, interface, packets: count("packets"), bytes: count("bytes") })
        })
    };
    let mut dropped: Vec<Dropped> = Reason::ALL.into_iter().flat_map(of_reason).collect();
    dropped.sort_by(|one, other| (one.reason, &one.interface).cmp(&(other.reason, &other.interface)));
    dropped
}

/// Returns the refused sources, ordered by interface and address.
pub(super) fn refused(listing: &Value) -> Vec<Refused> {
    let found = elements(listing, SAMPLES).filter_map(|element| {
        let [interface, source] = element["val"]["concat"].as_array()?.as_slice() else { return None };
        let packets = element["counter"]["packets"].as_u64().unwrap_or_default();
        Some(Refused { interface: interface.as_str()?.to_owned(), source: source.as_str()?.parse().ok()?, packets })
    });
    let mut refused: Vec<Refused> = found.collect();
    refused.sort_by(|one, other| (&one.interface, one.source).cmp(&(&other.interface, other.source)));
    refused
}

/// Returns the elements of the set of this name.
fn elements<'a>(listing: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    let sets = listing["nftables"].as_array().into_iter().flatten().map(|entry| &entry["set"]);
    let name = name.to_owned();
    let found = sets.filter(move |set| set["name"] == name.as_str()).filter_map(|set| set["elem"].as_array());
    found.flatten().map(|element| &element["elem"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_belong_to_the_device_and_kind_of_frames_that_their_rule_matches() {
        let rule = |device: &str, kind: &str, packets: u64| {
            serde_json::json!({"rule": {"family": "bridge", "expr": [
                {"match": {"op": "==", "left": {"meta": {"key": "oifname"}}, "right": device}},
                {"match": {"op": "==", "left": {"meta": {"key": "pkttype"}}, "right": kind}},
                {"limit": {"rate": 1000, "burst": 1000, "per": "second", "inv": true}},
                {"counter": {"packets": packets, "bytes": 60}},
                {"drop": null}]}})
        };
        let listing = serde_json::json!({"nftables": [
            {"metainfo": {"version": "1.0.6"}},
            rule("vx-vms", "broadcast", 7),
            rule("vx-vms", "multicast", 8),
            rule("vx-lab", "broadcast", 9)]});
        let name = |text| IfName::new(text).unwrap();
        let expected = [
            (name("vx-lab"), Limited { broadcast: 9, multicast: 0 }),
            (name("vx-vms"), Limited { broadcast: 7, multicast: 8 }),
        ];
        assert_eq!(limited(&listing), expected.into());
        assert_eq!(limited(&Value::Null), BTreeMap::new());
    }

    #[test]
    fn drops_are_read_by_reason_and_interface_and_samples_by_source() {
        let count = |interface: &str, packets: u64| serde_json::json!({"elem": {"val": interface, "counter": {"packets": packets, "bytes": packets * 100}}});
        let sample = |interface: &str, source: &str| {
            let value = serde_json::json!({"concat": [interface, source]});
            serde_json::json!({"elem": {"val": value, "expires": 290, "counter": {"packets": 3, "bytes": 252}}})
        };
        let set = |name: &str, elements: Value| serde_json::json!({"set": {"name": name, "elem": elements}});
        let listing = serde_json::json!({"nftables": [
            {"metainfo": {"version": "1.0.6"}},
            set("count-source", serde_json::json!([count("eth2", 2), count("eth1", 1)])),
            set("count-control", serde_json::json!([count("eth1", 7)])),
            set("tunnels", serde_json::json!(["wg-a"])),
            {"set": {"name": "count-ipv6"}},
            set("refused", serde_json::json!([sample("eth2", "10.2.0.1"), sample("eth1", "192.0.2.7")]))]});
        let drop = |reason, interface: &str, packets| Dropped {
            reason,
            interface: interface.to_owned(),
            packets,
            bytes: packets * 100,
        };
        let expected =
            [drop(Reason::Control, "eth1", 7), drop(Reason::Source, "eth1", 1), drop(Reason::Source, "eth2", 2)];
        assert_eq!(dropped(std::slice::from_ref(&listing)), expected);
        let refusal = |interface: &str, source: &str| Refused {
            interface: interface.to_owned(),
            source: source.parse().unwrap(),
            packets: 3,
        };
        assert_eq!(refused(&listing), [refusal("eth1", "192.0.2.7"), refusal("eth2", "10.2.0.1")]);
        assert!(dropped(&[Value::Null]).is_empty() && refused(&Value::Null).is_empty());
    }
}
