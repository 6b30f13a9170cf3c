//! Finds foreign chains at the forward hook that drop packets that the mesh forwards, in JSON listings of nftables and in the output of
//! `iptables-save`.
//!
//! A packet is dropped for certain if one base chain drops it, whatever the other chains do. Each chain is evaluated for an IPv4 packet
//! that begins a connection from one interface to another, and whose source and destination are not translated. Whether other conditions of
//! a rule match is not known here: a chain counts as dropping only if none of its rules could accept the packet. If only rules with unknown
//! conditions could accept it, the chain is reported as one that may drop.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::forward_packet::{Is, Packet, equals, matches};
use super::iptables::{self, Variant};
use super::nft::Nft;
use super::observe::Kernel;
use crate::net::Prefix;

/// Maximum number of tables that are examined, and of rules that are evaluated for one base chain. A chain that needs more counts as one
/// that accepts packets.
const MAX_TABLES: usize = 8;
const MAX_STEPS: usize = 200_000;
/// Maximum depth of jumps; the kernel has this limit, too.
const MAX_DEPTH: usize = 16;
/// The chain that Docker leaves to the operator, and evaluates first.
const DOCKER_USER: &str = "DOCKER-USER";

/// Interfaces and networks between which packets are to be forwarded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// Interfaces of the site's own networks.
    pub lans: Vec<String>,
    /// Interfaces of tunnels.
    pub tunnels: Vec<String>,
    /// Bridges of segments whose frames with IPv4 packets pass the chains (br_netfilter).
    pub bridges: Vec<String>,
    /// Networks behind the site's own interfaces; empty if there are too many to examine.
    pub here: Vec<Prefix>,
    /// Networks behind the tunnels; empty if there are too many to examine.
    pub there: Vec<Prefix>,
}

/// The firewall that has the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firewall {
    /// nftables, including iptables-nft.
    Nftables,
    /// The tables of iptables-legacy, which `nft` does not list.
    IptablesLegacy,
}

/// The effect of a chain on packets that the mesh forwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The chain drops them all: no rule accepts them.
    Drops,
    /// The chain drops them unless they meet conditions that are not known here.
    MayDrop,
}

/// A chain that drops packets that the mesh forwards, or may drop them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppingChain {
    /// The firewall that has the chain.
    pub firewall: Firewall,
    /// Whether it drops the packets, or may drop them.
    pub effect: Effect,
    /// Address family of its table: `ip` or `inet`.
    pub family: String,
    /// Name of its table.
    pub table: String,
    /// Name of the chain.
    pub chain: String,
    /// The chain to which a rule that accepts the packets should be added: the chain itself, or one that is left to the operator.
    pub remedy_chain: String,
    /// Whether it affects packets between the LANs and the tunnels, in both directions.
    pub lan: bool,
    /// Whether it affects packets from one tunnel to another.
    pub transit: bool,
    /// Bridges for which it affects packets from one port to another.
    pub bridges: Vec<String>,
}

/// Chains that were found, and whether the search was complete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForwardFindings {
    /// Chains of all firewalls that drop packets, or may drop them.
    pub chains: Vec<DroppingChain>,
    /// Whether iptables-legacy has a table, perhaps with rules, that could not be read.
    pub legacy_unread: bool,
}

/// Lists foreign chains, for use in a task of its own.
#[derive(Debug, Clone)]
pub struct ForwardChains(Nft);

impl Kernel {
    /// Returns access to foreign chains at the forward hook.
    pub fn forward_chains(&self) -> ForwardChains {
        ForwardChains(self.filter.nft.clone())
    }
}

impl ForwardChains {
    /// Finds chains that drop packets forwarded between these interfaces. Best effort: finds none of nftables if `nft` is missing or does
    /// not answer.
    pub async fn dropping(&self, forwarded: &Forwarded) -> ForwardFindings {
        let mut found = ForwardFindings::default();
        let chains = self.0.json(&["list", "chains"]).await.unwrap_or_default();
        for (family, table) in tables(&chains) {
            let Ok(mut listing) = self.0.json(&["--terse", "list", "table", &family, &table]).await else { continue };
            // For extensions of iptables, a listing contains at most their name.
            if (family.as_str(), table.as_str()) == ("ip", iptables::TABLE) && has_extensions(&listing) {
                let saved = iptables::listing(Variant::Nft).await;
                listing = saved.filter(|saved| base_chains(saved).next().is_some()).unwrap_or(listing);
            }
            found.chains.extend(dropping(&listing, Firewall::Nftables, forwarded));
        }
        if iptables::has_legacy_table() {
            match iptables::listing(Variant::Legacy).await {
                Some(listing) => found.chains.extend(dropping(&listing, Firewall::IptablesLegacy, forwarded)),
                None => found.legacy_unread = true,
            }
        }
        found
    }
}

fn has_extensions(listing: &Value) -> bool {
    let parts = entries(listing, "rule").filter_map(|rule| rule["expr"].as_array()).flatten();
    parts.into_iter().any(|part| part.get("xt").is_some())
}

/// Family and name of foreign tables with a base chain at the forward hook of IPv4.
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

/// The chains that drop packets, or may drop them, in the listing of one table.
fn dropping(listing: &Value, firewall: Firewall, forwarded: &Forwarded) -> Vec<DroppingChain> {
    let mut rules: BTreeMap<&str, Vec<&[Value]>> = BTreeMap::new();
    for chain in entries(listing, "chain").filter_map(|chain| chain["name"].as_str()) {
        rules.entry(chain).or_default();
    }
    for rule in entries(listing, "rule") {
        if let (Some(chain), Some(parts)) = (rule["chain"].as_str(), rule["expr"].as_array()) {
            rules.entry(chain).or_default().push(parts);
        }
    }
    let chains = base_chains(listing).filter_map(|chain| {
        let text = |key: &str| chain[key].as_str().map(str::to_owned);
        let (family, table, chain_name) = (text("family")?, text("table")?, text("name")?);
        let dropped = |doubt| {
            let accepts = chain["policy"] != "drop";
            Dropped::by(&mut Walk { rules: &rules, doubt, steps: 0 }, &chain_name, accepts, forwarded)
        };
        let certain = dropped(Doubt::MayMatch);
        let possible = dropped(Doubt::DoesNotMatch).without(&certain);
        let remedy_chain = if rules.contains_key(DOCKER_USER) { DOCKER_USER } else { &chain_name }.to_owned();
        let found = [(Effect::Drops, certain), (Effect::MayDrop, possible)];
        let found = found.into_iter().filter(|(_, dropped)| *dropped != Dropped::default());
        let found = found.map(move |(effect, Dropped { lan, transit, bridges })| DroppingChain {
            firewall,
            effect,
            family: family.clone(),
            table: table.clone(),
            chain: chain_name.clone(),
            remedy_chain: remedy_chain.clone(),
            lan,
            transit,
            bridges,
        });
        Some(found.collect::<Vec<_>>())
    });
    chains.flatten().collect()
}

/// Which of the forwarded packets a chain drops.
#[derive(Debug, Default, PartialEq, Eq)]
struct Dropped {
    lan: bool,
    transit: bool,
    bridges: Vec<String>,
}

impl Dropped {
    fn by(walk: &mut Walk<'_>, chain: &str, accepts: bool, forwarded: &Forwarded) -> Self {
        let Forwarded { lans, tunnels, bridges, here, there } = forwarded;
        let tracked = match walk.doubt {
            Doubt::MayMatch => Is::Unknown,
            Doubt::DoesNotMatch => Is::So,
        };
        let mut drops = |from: &str, to: &str, sources: &[Prefix], destinations: &[Prefix]| {
            !walk.may_pass(chain, accepts, &Packet { from, to, sources, destinations, tracked })
        };
        // For such packets, the bridge is both the input and the output interface.
        let bridges = bridges.iter().filter(|bridge| drops(bridge, bridge, &[], &[])).cloned().collect();
        let mut drops_all = |from: &(&[String], &[Prefix]), to: &(&[String], &[Prefix])| {
            let pairs = from.0.iter().flat_map(|from| to.0.iter().map(move |to| (from, to)));
            let mut pairs = pairs.filter(|(from, to)| from != to).peekable();
            pairs.peek().is_some() && pairs.all(|(inlet, outlet)| drops(inlet, outlet, from.1, to.1))
        };
        let (lans, tunnels) = ((&lans[..], &here[..]), (&tunnels[..], &there[..]));
        let lan = drops_all(&lans, &tunnels) && drops_all(&tunnels, &lans);
        Self { lan, transit: drops_all(&tunnels, &tunnels), bridges }
    }

    fn without(self, other: &Self) -> Self {
        Self {
            lan: self.lan && !other.lan,
            transit: self.transit && !other.transit,
            bridges: self.bridges.into_iter().filter(|bridge| !other.bridges.contains(bridge)).collect(),
        }
    }
}

/// What may happen to a packet in a chain.
#[derive(Debug, Clone, Copy, Default)]
struct Outcome {
    accepted: bool,
    /// Whether it may reach the chain's end, or return.
    through: bool,
}

const ANYTHING: Outcome = Outcome { accepted: true, through: true };

/// How a rule is treated if it is not known whether it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    MayMatch,
    DoesNotMatch,
}

struct Walk<'a> {
    rules: &'a BTreeMap<&'a str, Vec<&'a [Value]>>,
    doubt: Doubt,
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

    /// Evaluates a rule: records what it may do, and returns whether the packet may reach the next rule.
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
                // A program in user space decides.
                "queue" => outcome.accepted |= matched != Is::NotSo,
                "xt" => match (content["type"].as_str(), content["name"].as_str()) {
                    (Some("match"), Some("comment")) | (Some("target"), Some("LOG" | "NFLOG" | "TCPMSS")) => {}
                    (Some("target"), Some("REJECT")) => {
                        return self.verdict("reject", content, matched, packet, depth, outcome);
                    }
                    _ => matched = matched.and(Is::Unknown),
                },
                _ => matched = matched.and(Is::Unknown),
            }
            if matched == Is::NotSo || matched == Is::Unknown && self.doubt == Doubt::DoesNotMatch {
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
            // A named map: the listing of the rule does not contain its elements.
            if self.doubt == Doubt::MayMatch {
                *outcome = ANYTHING;
            }
            return Goes::On;
        };
        for element in elements {
            let [key, verdict] = element.as_array().map_or(&[][..], Vec::as_slice) else {
                *outcome = ANYTHING;
                continue;
            };
            let matched = matched.and(equals(&content["key"], key, packet));
            if matched == Is::Unknown && self.doubt == Doubt::DoesNotMatch {
                continue;
            }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn forwarded() -> Forwarded {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (tunnels, bridges) = (names(&["wg-osaka", "wg-seoul"]), names(&["br-vms", "br-cluster"]));
        let networks = |text: &str| vec![text.parse().unwrap()];
        let (here, there) = (networks("10.1.0.0/16"), networks("10.2.0.0/16"));
        Forwarded { lans: names(&["eth1"]), tunnels, bridges, here, there }
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

    fn found(entries: &[Value]) -> Vec<DroppingChain> {
        dropping(&json!({"nftables": entries}), Firewall::Nftables, &forwarded())
    }

    /// Whether traffic of the LAN and in transit has this effect.
    fn has(effect: Effect, entries: &[Value]) -> (bool, bool) {
        let found = found(entries).into_iter().find(|found| found.effect == effect);
        found.map_or((false, false), |found| (found.lan, found.transit))
    }

    /// Whether traffic of the LAN and in transit is dropped.
    fn drops(entries: &[Value]) -> (bool, bool) {
        has(Effect::Drops, entries)
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
        let found = found(&docker(Vec::new()));
        assert_eq!((found[0].chain.as_str(), found[0].remedy_chain.as_str()), ("FORWARD", "DOCKER-USER"));
        let accept = |key: &str| rule("DOCKER-USER", json!([is(key, "==", &json!("wg-*")), {"accept": null}]));
        assert_eq!(drops(&docker(vec![accept("iifname"), accept("oifname")])), (false, false));
        // One direction may be a policy.
        assert_eq!(drops(&docker(vec![accept("iifname")])), (false, false));
    }

    #[test]
    fn frames_of_a_segment_that_br_netfilter_shows_to_docker_are_dropped_unless_they_are_accepted() {
        let bridges = |user: Vec<Value>| {
            let found = found(&docker(user));
            found.first().map(|found| found.bridges.clone()).unwrap_or_default()
        };
        assert_eq!(bridges(Vec::new()), ["br-vms", "br-cluster"]);
        let of = |key: &str| is(key, "==", &json!("br-vms"));
        let accept = json!([of("iifname"), of("oifname"), {"accept": null}]);
        assert_eq!(bridges(vec![rule("DOCKER-USER", accept)]), ["br-cluster"]);
        let nothing = dropping(&json!({"nftables": docker(Vec::new())}), Firewall::Nftables, &Forwarded::default());
        assert_eq!(nothing, []);
    }

    #[test]
    fn a_rule_that_could_accept_is_believed_to() {
        let with = |expr: Value| drops(&[chain("f", "drop"), rule("f", expr)]);
        let accept = json!({"accept": null});
        for unknown in [
            json!([accept]),
            json!([{"xt": null}, accept]),
            json!([{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "10.2.0.7"}}, accept]),
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
    fn a_chain_that_accepts_by_what_is_not_known_alone_is_named_and_not_as_one_that_drops() {
        let accept = json!({"accept": null});
        let port =
            json!({"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 80}});
        for unknown in [
            json!([{"xt": null}, accept]),
            json!([{"xt": {"type": "match", "name": "set"}}, accept]),
            json!([port, accept]),
            json!([{"vmap": {"key": {"meta": {"key": "iifname"}}, "data": "@map"}}]),
        ] {
            let entries = [chain("f", "drop"), rule("f", unknown.clone())];
            assert_eq!((drops(&entries), has(Effect::MayDrop, &entries)), ((false, false), (true, true)), "{unknown}");
            // Another rule accepts what is forwarded, by its interface, its state or its addresses.
            let saddr = |addr: &str, len: u8| {
                let right = json!({"prefix": {"addr": addr, "len": len}});
                json!({"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": right}})
            };
            for known in [
                json!([is("iifname", "==", &json!("*")), accept]),
                json!([state(&json!(["established", "new"])), accept]),
                json!([saddr("10.0.0.0", 8), accept]),
                json!([{"xt": {"type": "match", "name": "comment"}}, accept]),
                json!([{"queue": {"num": 0}}]),
            ] {
                let entries = [chain("f", "drop"), rule("f", unknown.clone()), rule("f", known.clone())];
                assert_eq!(
                    (drops(&entries), has(Effect::MayDrop, &entries)),
                    ((false, false), (false, false)),
                    "{known}"
                );
            }
            let elsewhere = json!([saddr("192.168.0.0", 16), accept]);
            assert_eq!(drops(&[chain("f", "drop"), rule("f", elsewhere)]), (true, true));
        }
        // What it drops is not known either, and is no news: a firewall drops something.
        assert_eq!(found(&[chain("f", "accept"), rule("f", json!([port, {"drop": null}]))]), []);
    }

    #[test]
    fn targets_of_iptables_nft_that_have_no_counterpart_are_known_by_name() {
        let target = |name: &str| rule("f", json!([{"xt": {"type": "target", "name": name}}]));
        assert_eq!(drops(&[chain("f", "accept"), target("LOG"), target("REJECT")]), (true, true));
        assert_eq!(found(&[chain("f", "accept"), target("LOG"), target("TEE")]), []);
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
