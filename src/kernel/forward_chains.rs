//! Chains of others at nftables' forward hook that drop what the mesh forwards, read from JSON listings.
//!
//! A packet is dropped for certain if one base chain drops it, whatever the others do. Each chain is walked with a packet that begins a
//! connection, of IPv4, neither source nor destination translated, from one interface to another. What a rule matches besides those is not
//! known here and may be so: a chain counts as dropping only if no rule of it could accept the packet. Rules of iptables-legacy are not seen.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::nft::Nft;
use super::observe::Kernel;

/// Tables that are looked at, and rules that are walked through, before it is given up.
const MAX_TABLES: usize = 8;
const MAX_STEPS: usize = 200_000;
/// Jumps within jumps; the kernel has this limit, too.
const MAX_DEPTH: usize = 16;
/// What Docker leaves to the operator, and looks at first.
const DOCKER_USER: &str = "DOCKER-USER";

/// Interfaces between which packets are to be forwarded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// Of the site's own networks.
    pub lans: Vec<String>,
    /// Into the mesh.
    pub tunnels: Vec<String>,
    /// Bridges of segments whose frames with IPv4 packets go through the chains (br_netfilter).
    pub bridges: Vec<String>,
}

/// A chain that drops what the mesh forwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppingChain {
    /// `ip` or `inet`.
    pub family: String,
    /// Its table.
    pub table: String,
    /// Its name.
    pub chain: String,
    /// Where a rule that accepts the packets belongs: the chain itself, or one that it leaves to the operator.
    pub remedy_chain: String,
    /// Whether it drops all packets between the LANs and the tunnels, in both directions.
    pub lan: bool,
    /// Whether it drops all packets from one tunnel to another.
    pub transit: bool,
    /// Bridges from one port of which to another it drops all packets.
    pub bridges: Vec<String>,
}

/// To list chains beside everything else.
#[derive(Debug, Clone)]
pub struct ForwardChains(Nft);

impl Kernel {
    /// For looking at chains of others.
    pub fn forward_chains(&self) -> ForwardChains {
        ForwardChains(self.filter.nft.clone())
    }
}

impl ForwardChains {
    /// Chains that drop what is forwarded between these interfaces. Best effort: none where `nft` is missing or does not answer.
    pub async fn dropping(&self, forwarded: &Forwarded) -> Vec<DroppingChain> {
        let Ok(chains) = self.0.json(&["list", "chains"]).await else { return Vec::new() };
        let mut found = Vec::new();
        for (family, table) in tables(&chains) {
            if let Ok(listing) = self.0.json(&["--terse", "list", "table", &family, &table]).await {
                found.extend(dropping(&listing, forwarded));
            }
        }
        found
    }
}

/// Tables of others with a chain at the hook of IPv4.
fn tables(listing: &Value) -> Vec<(String, String)> {
    let mut tables = Vec::new();
    for chain in base_chains(listing) {
        let text = |key: &str| chain[key].as_str().unwrap_or_default().to_owned();
        let table = (text("family"), text("table"));
        if !tables.contains(&table) && tables.len() < MAX_TABLES {
            tables.push(table);
        }
    }
    tables
}

fn entries<'a>(listing: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    listing["nftables"].as_array().into_iter().flatten().filter_map(move |entry| entry.get(kind))
}

fn base_chains(listing: &Value) -> impl Iterator<Item = &Value> {
    entries(listing, "chain").filter(|chain| {
        let is_of_weft = chain["table"].as_str().is_some_and(|table| table.starts_with("weft-"));
        let of_ipv4 = chain["family"] == "ip" || chain["family"] == "inet";
        of_ipv4 && chain["hook"] == "forward" && chain["type"] == "filter" && !is_of_weft
    })
}

/// Those of the chains in the listing of one table.
fn dropping(listing: &Value, forwarded: &Forwarded) -> Vec<DroppingChain> {
    let mut rules: BTreeMap<&str, Vec<&[Value]>> = BTreeMap::new();
    for chain in entries(listing, "chain").filter_map(|chain| chain["name"].as_str()) {
        rules.entry(chain).or_default();
    }
    for rule in entries(listing, "rule") {
        if let (Some(chain), Some(parts)) = (rule["chain"].as_str(), rule["expr"].as_array()) {
            rules.entry(chain).or_default().push(parts);
        }
    }
    let Forwarded { lans, tunnels, bridges } = forwarded;
    let pairs = |from: &[String], to: &[String]| -> Vec<(String, String)> {
        let all = from.iter().flat_map(|from| to.iter().map(move |to| (from.clone(), to.clone())));
        all.filter(|(from, to)| from != to).collect()
    };
    let (into, out, between) = (pairs(lans, tunnels), pairs(tunnels, lans), pairs(tunnels, tunnels));
    let chain = |chain: &Value| {
        let name = chain["name"].as_str()?;
        let accepts = chain["policy"] != "drop";
        let mut walk = Walk { rules: &rules, steps: 0 };
        let mut drops_between = |from: &str, to: &str| !walk.may_pass(name, accepts, &Packet { from, to });
        // To the chains a packet comes from the bridge and goes to the bridge.
        let bridges: Vec<String> = bridges.iter().filter(|bridge| drops_between(bridge, bridge)).cloned().collect();
        let mut drops =
            |pairs: &[(String, String)]| !pairs.is_empty() && pairs.iter().all(|(from, to)| drops_between(from, to));
        let (lan, transit) = (drops(&into) && drops(&out), drops(&between));
        let text = |key: &str| chain[key].as_str().map(str::to_owned);
        let remedy_chain = if rules.contains_key(DOCKER_USER) { DOCKER_USER } else { name }.to_owned();
        let (family, table) = (text("family")?, text("table")?);
        let is_named = lan || transit || !bridges.is_empty();
        let chain = name.to_owned();
        is_named.then_some(DroppingChain { family, table, chain, remedy_chain, lan, transit, bridges })
    };
    base_chains(listing).filter_map(chain).collect()
}

/// A packet that begins a connection.
struct Packet<'a> {
    from: &'a str,
    to: &'a str,
}

/// Whether something is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    So,
    NotSo,
    Unknown,
}

impl Is {
    fn of(so: bool) -> Self {
        if so { Self::So } else { Self::NotSo }
    }

    fn and(self, other: Self) -> Self {
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

/// What may become of a packet in a chain.
#[derive(Debug, Clone, Copy, Default)]
struct Outcome {
    accepted: bool,
    /// It may come to the chain's end, or return.
    through: bool,
}

const ANYTHING: Outcome = Outcome { accepted: true, through: true };

struct Walk<'a> {
    rules: &'a BTreeMap<&'a str, Vec<&'a [Value]>>,
    steps: usize,
}

impl Walk<'_> {
    fn may_pass(&mut self, base: &str, accepts: bool, packet: &Packet<'_>) -> bool {
        let outcome = self.chain(base, packet, 0);
        outcome.accepted || (outcome.through && accepts)
    }

    fn chain(&mut self, name: &str, packet: &Packet<'_>, depth: usize) -> Outcome {
        let Some(rules) = self.rules.get(name).filter(|_| depth <= MAX_DEPTH) else { return ANYTHING };
        let mut outcome = Outcome::default();
        for parts in rules {
            self.steps += 1;
            if self.steps > MAX_STEPS {
                return ANYTHING;
            }
            if self.rule(parts, packet, depth, &mut outcome) == Goes::Nowhere {
                return outcome;
            }
        }
        outcome.through = true;
        outcome
    }

    /// Notes what the rule may do; whether the packet may come to the next rule.
    fn rule(&mut self, parts: &[Value], packet: &Packet<'_>, depth: usize, outcome: &mut Outcome) -> Goes {
        let mut matched = Is::So;
        for part in parts.iter().filter_map(Value::as_object).flatten() {
            let (kind, content) = part;
            match kind.as_str() {
                "match" => matched = matched.and(matches(content, packet)),
                "counter" | "log" | "mangle" | "comment" | "notrack" | "flow" => {}
                "vmap" => return self.vmap(content, matched, packet, depth, outcome),
                "accept" | "drop" | "reject" | "return" | "jump" | "goto" | "continue" => {
                    return self.verdict(kind, content, matched, packet, depth, outcome);
                }
                // Somebody else decides.
                "queue" => outcome.accepted |= matched != Is::NotSo,
                _ => matched = matched.and(Is::Unknown),
            }
            if matched == Is::NotSo {
                return Goes::On;
            }
        }
        Goes::On
    }

    fn verdict(
        &mut self,
        kind: &str,
        content: &Value,
        matched: Is,
        packet: &Packet<'_>,
        depth: usize,
        outcome: &mut Outcome,
    ) -> Goes {
        if matched == Is::NotSo {
            return Goes::On;
        }
        let mut ends = true;
        match kind {
            "accept" => outcome.accepted = true,
            "drop" | "reject" => {}
            "return" => outcome.through = true,
            "jump" | "goto" => {
                let target = content["target"].as_str().unwrap_or_default();
                let inner = self.chain(target, packet, depth + 1);
                outcome.accepted |= inner.accepted;
                if kind == "goto" {
                    outcome.through |= inner.through;
                } else {
                    ends = !inner.through;
                }
            }
            _ => ends = false,
        }
        if ends && matched == Is::So { Goes::Nowhere } else { Goes::On }
    }

    fn vmap(&mut self, content: &Value, matched: Is, packet: &Packet<'_>, depth: usize, outcome: &mut Outcome) -> Goes {
        let Some(elements) = content["data"]["set"].as_array() else {
            // A map with a name: its elements are not listed.
            *outcome = ANYTHING;
            return Goes::On;
        };
        for element in elements {
            let [key, verdict] = element.as_array().map_or(&[][..], Vec::as_slice) else {
                *outcome = ANYTHING;
                continue;
            };
            let matched = matched.and(equals(&content["key"], key, packet));
            for (kind, content) in verdict.as_object().into_iter().flat_map(Map::iter) {
                if self.verdict(kind, content, matched, packet, depth, outcome) == Goes::Nowhere {
                    return Goes::Nowhere;
                }
            }
        }
        Goes::On
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goes {
    On,
    Nowhere,
}

fn matches(content: &Value, packet: &Packet<'_>) -> Is {
    let equal = equals(&content["left"], &content["right"], packet);
    match content["op"].as_str() {
        Some("==" | "in") => equal,
        Some("!=") => equal.not(),
        _ => Is::Unknown,
    }
}

fn equals(left: &Value, right: &Value, packet: &Packet<'_>) -> Is {
    let alternatives = right["set"].as_array().or_else(|| right.as_array());
    if let Some(alternatives) = alternatives {
        return alternatives.iter().fold(Is::NotSo, |found, one| found.or(equals(left, one, packet)));
    }
    if let (Some(keys), Some(values)) = (left["concat"].as_array(), right["concat"].as_array()) {
        return keys.iter().zip(values).fold(Is::So, |found, (key, value)| found.and(equals(key, value, packet)));
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
        // New, or not tracked at all.
        (Some("state"), "new" | "untracked") => Is::Unknown,
        (Some("state"), "established" | "related" | "invalid") => Is::NotSo,
        (Some("status"), "dnat" | "snat") => Is::NotSo,
        _ if left["payload"]["protocol"] == "ip6" => Is::NotSo,
        _ => Is::Unknown,
    }
}

/// A `*` at the end stands for anything.
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

    fn forwarded() -> Forwarded {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (tunnels, bridges) = (names(&["wg-osaka", "wg-seoul"]), names(&["br-vms", "br-cluster"]));
        Forwarded { lans: names(&["eth1"]), tunnels, bridges }
    }

    fn chain(name: &str, policy: &str) -> Value {
        json!({"chain": {"family": "ip", "table": "filter", "name": name, "type": "filter", "hook": "forward", "prio": 0,
            "policy": policy}})
    }

    fn inner(name: &str) -> Value {
        json!({"chain": {"family": "ip", "table": "filter", "name": name}})
    }

    fn rule(chain: &str, expr: Value) -> Value {
        json!({"rule": {"family": "ip", "table": "filter", "chain": chain, "expr": expr}})
    }

    fn is(key: &str, op: &str, right: &Value) -> Value {
        json!({"match": {"op": op, "left": {"meta": {"key": key}}, "right": right}})
    }

    fn state(states: &Value) -> Value {
        json!({"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": states}})
    }

    /// Whether traffic of the LAN and in transit is dropped.
    fn drops(entries: &[Value]) -> (bool, bool) {
        let found = dropping(&json!({"nftables": entries}), &forwarded());
        found.first().map_or((false, false), |found| (found.lan, found.transit))
    }

    /// As Docker 27 leaves it, with a container that publishes a port.
    fn docker(user: Vec<Value>) -> Vec<Value> {
        let accept = json!({"accept": null});
        let rules = [
            chain("FORWARD", "drop"),
            inner("DOCKER-USER"),
            inner("DOCKER-ISOLATION-STAGE-1"),
            inner("DOCKER"),
            rule("FORWARD", json!([{"counter": {}}, {"jump": {"target": "DOCKER-USER"}}])),
            rule("FORWARD", json!([{"jump": {"target": "DOCKER-ISOLATION-STAGE-1"}}])),
            rule("FORWARD", json!([is("oifname", "==", &json!("docker0")), {"xt": null}, accept])),
            rule("FORWARD", json!([is("oifname", "==", &json!("docker0")), {"jump": {"target": "DOCKER"}}])),
            rule(
                "FORWARD",
                json!([is("iifname", "==", &json!("docker0")), is("oifname", "!=", &json!("docker0")), accept]),
            ),
            rule("DOCKER-ISOLATION-STAGE-1", json!([{"return": null}])),
            rule(
                "DOCKER",
                json!([{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "daddr"}}, "right": "172.17.0.2"}}, accept]),
            ),
        ];
        rules.into_iter().chain(user).collect()
    }

    #[test]
    fn docker_drops_what_the_mesh_forwards_unless_its_own_chain_for_that_accepts_it() {
        assert_eq!(drops(&docker(vec![rule("DOCKER-USER", json!([{"return": null}]))])), (true, true));
        let found = dropping(&json!({"nftables": docker(Vec::new())}), &forwarded());
        assert_eq!((found[0].chain.as_str(), found[0].remedy_chain.as_str()), ("FORWARD", "DOCKER-USER"));
        let accept = |key: &str| rule("DOCKER-USER", json!([is(key, "==", &json!("wg-*")), {"accept": null}]));
        assert_eq!(drops(&docker(vec![accept("iifname"), accept("oifname")])), (false, false));
        // One direction may be a policy.
        assert_eq!(drops(&docker(vec![accept("iifname")])), (false, false));
    }

    #[test]
    fn frames_of_a_segment_that_br_netfilter_shows_to_docker_are_dropped_unless_they_are_accepted() {
        let bridges = |user: Vec<Value>| {
            let found = dropping(&json!({"nftables": docker(user)}), &forwarded());
            found.first().map(|found| found.bridges.clone()).unwrap_or_default()
        };
        assert_eq!(bridges(Vec::new()), ["br-vms", "br-cluster"]);
        let of = |key: &str| is(key, "==", &json!("br-vms"));
        let accept = json!([of("iifname"), of("oifname"), {"accept": null}]);
        assert_eq!(bridges(vec![rule("DOCKER-USER", accept)]), ["br-cluster"]);
        let none = Forwarded { bridges: Vec::new(), lans: Vec::new(), tunnels: Vec::new() };
        assert_eq!(dropping(&json!({"nftables": docker(Vec::new())}), &none), []);
    }

    #[test]
    fn a_rule_that_could_accept_is_believed_to() {
        let with = |expr: Value| drops(&[chain("f", "drop"), rule("f", expr)]);
        let accept = json!({"accept": null});
        for unknown in [
            json!([accept]),
            json!([{"xt": null}, accept]),
            json!([{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "10.0.0.0"}}, accept]),
            json!([{"limit": {"rate": 1}}, accept]),
            json!([state(&json!(["established", "new"])), accept]),
            json!([is("iifname", "==", &json!("@set")), accept]),
            json!([{"queue": {"num": 0}}]),
            json!([{"jump": {"target": "unlisted"}}]),
            json!([{"vmap": {"key": {"meta": {"key": "iifname"}}, "data": "@map"}}]),
        ] {
            assert_eq!(with(unknown.clone()), (false, false), "{unknown}");
        }
        for other in [
            json!([state(&json!(["established", "related"])), accept]),
            json!([{"match": {"op": "in", "left": {"ct": {"key": "status"}}, "right": "dnat"}}, accept]),
            json!([is("nfproto", "==", &json!("ipv6")), accept]),
            json!([is("iifname", "==", &json!({"set": ["eth0", "lo"]})), accept]),
            json!([is("oifname", "!=", &json!({"set": ["eth1", "wg-*"]})), accept]),
            json!([{"vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": [["established", accept], ["invalid", {"drop": null}]]}}}]),
            json!([is("iifname", "==", &json!("eth1")), {"drop": null}]),
        ] {
            assert_eq!(with(other.clone()), (true, true), "{other}");
        }
        let pair = |from: &str, to: &str| json!({"concat": [from, to]});
        let pairs = json!([{"match": {"op": "==", "left": {"concat": [{"meta": {"key": "iifname"}}, {"meta": {"key": "oifname"}}]},
            "right": {"set": [pair("eth1", "wg-osaka"), pair("wg-osaka", "eth1")]}}}, accept]);
        assert_eq!(with(pairs), (false, true));
    }

    #[test]
    fn a_last_rule_that_drops_everything_is_a_policy_and_one_that_drops_something_is_none() {
        let with = |rules: &[Value]| {
            let rules = rules.iter().map(|expr| rule("f", expr.clone()));
            drops(&[chain("f", "accept")].into_iter().chain(rules).collect::<Vec<_>>())
        };
        let reject = json!([{"counter": {}}, {"reject": {"type": "icmpx", "expr": "admin-prohibited"}}]);
        assert_eq!(with(&[]), (false, false));
        assert_eq!(with(std::slice::from_ref(&reject)), (true, true));
        assert_eq!(
            with(&[json!([is("iifname", "==", &json!("wg-*")), {"accept": null}]), reject.clone()]),
            (false, false)
        );
        assert_eq!(with(&[json!([{"xt": null}, {"drop": null}])]), (false, false));
        assert_eq!(with(&[json!([is("iifname", "==", &json!("wg-*")), {"drop": null}])]), (false, true));
        assert_eq!(
            with(&[json!([is("iifname", "==", &json!("wg-*")), {"goto": {"target": "f2"}}]), reject]),
            (false, false)
        );
    }

    #[test]
    fn tables_of_weft_and_other_hooks_are_left_out() {
        let mut own = chain("forward", "drop");
        own["chain"]["table"] = json!("weft-acme");
        let mut input = chain("INPUT", "drop");
        input["chain"]["hook"] = json!("input");
        let listing = json!({"nftables": [{"metainfo": {}}, own, input, chain("FORWARD", "accept"), inner("x")]});
        assert_eq!(tables(&listing), [("ip".to_owned(), "filter".to_owned())]);
        // A chain that loops, which the kernel would refuse.
        let looping = [chain("f", "drop"), rule("f", json!([{"jump": {"target": "f"}}]))];
        assert_eq!(drops(&looping), (false, false));
    }
}
