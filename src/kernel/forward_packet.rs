//! The packet for which chains at the forward hook are evaluated, and whether the matches of rules apply to it, as far as that is known.

use std::net::IpAddr;

use serde_json::Value;

use crate::net::Prefix;

/// An IPv4 packet that begins a connection, and whose source and destination are not translated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packet<'a> {
    pub from: &'a str,
    pub to: &'a str,
    /// Networks one of which contains its source; empty if nothing is known about the source.
    pub sources: &'a [Prefix],
    /// Networks one of which contains its destination; empty if nothing is known about the destination.
    pub destinations: &'a [Prefix],
    /// Whether conntrack tracks it, so that its state is `new`.
    pub tracked: Is,
}

/// A truth value that may be unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Is {
    So,
    NotSo,
    Unknown,
}

impl Is {
    fn of(so: bool) -> Self {
        if so { Self::So } else { Self::NotSo }
    }

    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::NotSo, _) | (_, Self::NotSo) => Self::NotSo,
            (Self::So, Self::So) => Self::So,
            _ => Self::Unknown,
        }
    }

    fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }

    fn not(self) -> Self {
        match self {
            Self::So => Self::NotSo,
            Self::NotSo => Self::So,
            Self::Unknown => Self::Unknown,
        }
    }
}

/// Whether a `match` of a listing applies to the packet.
pub(super) fn matches(content: &Value, packet: &Packet<'_>) -> Is {
    let equal = equals(&content["left"], &content["right"], packet);
    match content["op"].as_str() {
        Some("==" | "in") => equal,
        Some("!=") => equal.not(),
        _ => Is::Unknown,
    }
}

/// Whether the value of the expression `left` for the packet is equal to `right`, or contained in it.
pub(super) fn equals(left: &Value, right: &Value, packet: &Packet<'_>) -> Is {
    let alternatives = right["set"].as_array().or_else(|| right.as_array());
    if let Some(alternatives) = alternatives {
        return alternatives.iter().fold(Is::NotSo, |found, one| found.or(equals(left, one, packet)));
    }
    if let (Some(keys), Some(values)) = (left["concat"].as_array(), right["concat"].as_array()) {
        return keys.iter().zip(values).fold(Is::So, |found, (key, value)| found.and(equals(key, value, packet)));
    }
    if left["payload"]["protocol"] == "ip" {
        return match left["payload"]["field"].as_str() {
            Some("saddr") => lies_in(packet.sources, right),
            Some("daddr") => lies_in(packet.destinations, right),
            _ => Is::Unknown,
        };
    }
    let ct = left["ct"]["key"].as_str();
    let Some(right) = right.as_str().filter(|right| !right.starts_with('@')) else { return Is::Unknown };
    match left["meta"]["key"].as_str() {
        Some("iifname" | "iif") => return is_named(packet.from, right),
        Some("oifname" | "oif") => return is_named(packet.to, right),
        Some("nfproto") => return Is::of(right == "ipv4"),
        Some("protocol") => return Is::of(right == "ip"),
        _ => {}
    }
    match (ct, right) {
        (Some("state"), "new") => packet.tracked,
        (Some("state"), "untracked") => packet.tracked.not(),
        (Some("state"), "established" | "related" | "invalid" | "dnat" | "snat") => Is::NotSo,
        (Some("status"), "dnat" | "snat") => Is::NotSo,
        _ if left["payload"]["protocol"] == "ip6" => Is::NotSo,
        _ => Is::Unknown,
    }
}

/// Whether an address in one of `networks` is within `right`, which is an address or a prefix of a listing.
fn lies_in(networks: &[Prefix], right: &Value) -> Is {
    let prefix = &right["prefix"];
    let length = || prefix["len"].as_u64().and_then(|len| u8::try_from(len).ok());
    let of_prefix = || Prefix::checked(prefix["addr"].as_str()?.parse::<IpAddr>().ok()?, length()?);
    let address = right.as_str().and_then(|address| address.parse::<IpAddr>().ok());
    let range = address.map(Prefix::host).or_else(of_prefix);
    let Some(range) = range.filter(|_| !networks.is_empty()) else { return Is::Unknown };
    if networks.iter().all(|network| range.covers(*network)) {
        Is::So
    } else if networks.iter().any(|network| range.overlaps(*network)) {
        Is::Unknown
    } else {
        Is::NotSo
    }
}

/// Whether `name` matches `pattern`, in which a `*` at the end stands for any characters.
fn is_named(name: &str, pattern: &str) -> Is {
    Is::of(match pattern.strip_suffix('*') {
        Some(begin) => name.starts_with(begin),
        None => name == pattern,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_is_in_a_network_if_all_that_it_may_be_are() {
        let networks = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Prefix>>();
        let here = networks(&["10.1.0.0/16", "10.2.0.0/16"]);
        let prefix = |addr: &str, len: u8| json!({"prefix": {"addr": addr, "len": len}});
        for (right, expected) in [
            (prefix("10.0.0.0", 8), Is::So),
            (prefix("10.1.0.0", 16), Is::Unknown),
            (prefix("10.2.3.0", 24), Is::Unknown),
            (json!("10.2.3.4"), Is::Unknown),
            (json!("192.0.2.1"), Is::NotSo),
            (prefix("192.168.0.0", 16), Is::NotSo),
            (json!("@set"), Is::Unknown),
            (json!({"range": ["10.0.0.0", "10.255.255.255"]}), Is::Unknown),
            (Value::Null, Is::Unknown),
        ] {
            assert_eq!(lies_in(&here, &right), expected, "{right}");
        }
        assert_eq!(lies_in(&networks(&["0.0.0.0/0"]), &prefix("10.0.0.0", 8)), Is::Unknown);
        assert_eq!(lies_in(&networks(&["0.0.0.0/0"]), &prefix("0.0.0.0", 0)), Is::So);
        assert_eq!(lies_in(&[], &prefix("10.0.0.0", 8)), Is::Unknown, "nothing is known");
    }
}
