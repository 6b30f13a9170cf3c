//! Reads the filter tables of iptables with `iptables-save`, and translates them into the form of nftables' JSON listings.
//!
//! nftables does not list the rules of iptables-legacy, and of the extensions of iptables-nft it lists only the names. The format of
//! `iptables-save` has not changed for twenty years. A match that is not known here is translated into one with an unknown condition.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::process::Command;

/// The two variants of iptables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variant {
    /// iptables-legacy: its tables are not visible to nftables.
    Legacy,
    /// iptables-nft: its tables are tables of nftables.
    Nft,
}

/// File that lists the tables of iptables-legacy in this network namespace, one per line. It is read instead of running the program,
/// which would make the table.
const LEGACY_TABLES: &str = "/proc/net/ip_tables_names";

/// The table and the chain that are examined.
pub(super) const TABLE: &str = "filter";
const CHAIN: &str = "FORWARD";

/// Whether iptables-legacy has the table.
pub(super) fn has_legacy_table() -> bool {
    std::fs::read_to_string(LEGACY_TABLES).is_ok_and(|tables| tables.lines().any(|table| table.trim() == TABLE))
}

/// Returns the table as a JSON listing; `None` if the program is missing or fails. The program is killed when this future is dropped.
pub(super) async fn listing(variant: Variant) -> Option<Value> {
    let program = match variant {
        Variant::Legacy => "iptables-legacy-save",
        Variant::Nft => "iptables-nft-save",
    };
    let output =
        Command::new(program).args(["-t", TABLE]).stdin(Stdio::null()).kill_on_drop(true).output().await.ok()?;
    output.status.success().then(|| translated(&String::from_utf8_lossy(&output.stdout)))
}

/// Translates the output of `iptables-save` into a JSON listing.
fn translated(saved: &str) -> Value {
    let mut entries = Vec::new();
    for line in saved.lines() {
        if let Some(chain) = line.strip_prefix(':') {
            let mut words = chain.split_whitespace();
            let (name, policy) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let mut entry = json!({"family": "ip", "table": TABLE, "name": name});
            if name == CHAIN {
                entry["hook"] = json!("forward");
                entry["type"] = json!("filter");
                entry["policy"] = json!(policy.to_lowercase());
            }
            entries.push(json!({"chain": entry}));
        } else if let Some(rule) = line.strip_prefix("-A ") {
            let words = words(rule);
            if let [chain, rest @ ..] = &words[..] {
                entries
                    .push(json!({"rule": {"family": "ip", "table": TABLE, "chain": chain, "expr": expression(rest)}}));
            }
        }
    }
    json!({"nftables": entries})
}

/// Splits a rule into words. A word with special characters is in double quotes, within which a backslash escapes some characters.
fn words(rule: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    let mut characters = rule.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' if quoted => word.get_or_insert_default().extend(characters.next()),
            ' ' if !quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

/// Translates the words of a rule: its matches in their order, and its target.
fn expression(words: &[String]) -> Vec<Value> {
    let mut parts = Vec::new();
    let (mut words, mut op) = (words.iter().map(String::as_str), "==");
    while let Some(word) = words.next() {
        let is_negated = word == "!";
        let mut value = || words.next().unwrap_or_default();
        let compared = |left: Value, right: Value| json!({"match": {"op": op, "left": left, "right": right}});
        match word {
            "!" => {}
            "-i" => parts.push(compared(json!({"meta": {"key": "iifname"}}), pattern(value()))),
            "-o" => parts.push(compared(json!({"meta": {"key": "oifname"}}), pattern(value()))),
            "-s" => parts.push(compared(json!({"payload": {"protocol": "ip", "field": "saddr"}}), network(value()))),
            "-d" => parts.push(compared(json!({"payload": {"protocol": "ip", "field": "daddr"}}), network(value()))),
            "--ctstate" | "--state" => {
                let states: Vec<String> = value().split(',').map(str::to_lowercase).collect();
                parts.push(compared(json!({"ct": {"key": "state"}}), json!({"set": states})));
            }
            // The options that follow contain the condition.
            "-m" => parts.extend(Some(value()).filter(|name| !is_read(name)).map(unknown)),
            "--comment" => drop(value()),
            "-j" => {
                let target = value();
                parts.extend(target_of(target));
                // The options that follow belong to the target.
                break;
            }
            "-g" => {
                parts.push(json!({"goto": {"target": value()}}));
                break;
            }
            // Any other option, whose values are skipped: it is not known which packets the rule matches.
            other if other.starts_with('-') => parts.push(unknown(other)),
            _ => {}
        }
        op = if is_negated { "!=" } else { "==" };
    }
    parts
}

/// Whether the options of an extension are translated here.
fn is_read(extension: &str) -> bool {
    matches!(extension, "comment" | "conntrack" | "state")
}

fn unknown(what: &str) -> Value {
    json!({"match": {"op": "==", "left": {"iptables": what}, "right": null}})
}

fn target_of(target: &str) -> Option<Value> {
    Some(match target {
        "ACCEPT" => json!({"accept": null}),
        "DROP" => json!({"drop": null}),
        "REJECT" => json!({"reject": null}),
        "RETURN" => json!({"return": null}),
        "QUEUE" | "NFQUEUE" => json!({"queue": null}),
        // These targets have no verdict.
        "LOG" | "NFLOG" | "ULOG" | "MARK" | "CONNMARK" | "TCPMSS" | "DSCP" | "TOS" | "CLASSIFY" | "SET" | "TRACE"
        | "AUDIT" | "SECMARK" | "CONNSECMARK" | "TTL" | "CHECKSUM" => return None,
        chain => json!({"jump": {"target": chain}}),
    })
}

/// Translates an interface pattern: iptables uses a `+` at the end, nftables a `*`.
fn pattern(name: &str) -> Value {
    json!(name.strip_suffix('+').map_or_else(|| name.to_owned(), |begin| format!("{begin}*")))
}

/// Translates `ADDRESS/LENGTH`; a mask that is not contiguous becomes an unknown condition.
fn network(text: &str) -> Value {
    match text.parse::<ipnetwork::Ipv4Network>() {
        Ok(network) => json!({"prefix": {"addr": network.network().to_string(), "len": network.prefix()}}),
        Err(_) => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_chain<'a>(listing: &'a Value, name: &str) -> Vec<&'a Value> {
        let entries = listing["nftables"].as_array().unwrap().iter().filter_map(|entry| entry.get("rule"));
        entries.filter(|rule| rule["chain"] == name).map(|rule| &rule["expr"]).collect()
    }

    fn is(op: &str, key: &str, name: &str) -> Value {
        json!({"match": {"op": op, "left": {"meta": {"key": key}}, "right": name}})
    }

    #[test]
    fn rules_that_a_program_saves_are_rules_of_a_listing() {
        // By iptables-legacy-save 1.8.9.
        let listing = translated(
            "# Generated by iptables-save v1.8.9 on Mon Nov 30 11:25:21 2026\n*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n\
             :X - [0:0]\n-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
             -A FORWARD -i docker+ ! -o docker0 -m comment --comment \"-j \\\"c\" -j ACCEPT\n\
             -A FORWARD -p tcp -m tcp --dport 80 -j X\n-A FORWARD ! -s 10.0.0.0/8 -g X\n\
             -A FORWARD -j REJECT --reject-with icmp-port-unreachable\n\
             -A X -m limit --limit 5/sec -j LOG --log-prefix \"x y \"\nCOMMIT\n",
        );
        let chains: Vec<&Value> =
            listing["nftables"].as_array().unwrap().iter().filter_map(|entry| entry.get("chain")).collect();
        let names: Vec<&Value> = chains.iter().map(|chain| &chain["name"]).collect();
        assert_eq!(names, ["INPUT", "FORWARD", "X"]);
        assert_eq!((&chains[1]["hook"], &chains[1]["policy"]), (&json!("forward"), &json!("drop")));
        assert_eq!((&chains[0]["hook"], &chains[2]["hook"]), (&Value::Null, &Value::Null));
        let accept = json!({"accept": null});
        let saddr = json!({"payload": {"protocol": "ip", "field": "saddr"}});
        let net = json!({"prefix": {"addr": "10.0.0.0", "len": 8}});
        assert_eq!(
            of_chain(&listing, "FORWARD"),
            [
                &json!([
                    {"match": {"op": "==", "left": {"ct": {"key": "state"}}, "right": {"set": ["related", "established"]}}},
                    accept
                ]),
                &json!([is("==", "iifname", "docker*"), is("!=", "oifname", "docker0"), accept]),
                &json!([unknown("-p"), unknown("tcp"), unknown("--dport"), {"jump": {"target": "X"}}]),
                &json!([{"match": {"op": "!=", "left": saddr, "right": net}}, {"goto": {"target": "X"}}]),
                &json!([{"reject": null}]),
            ]
        );
        assert_eq!(of_chain(&listing, "X"), [&json!([unknown("limit"), unknown("--limit")])]);
    }

    #[test]
    fn text_that_no_program_saves_is_no_rule_and_no_panic() {
        for text in
            ["", ":", "-A ", "-A FORWARD -i", "-A FORWARD !", "-A FORWARD -s 1.2.3.4/255.0.255.0 -j", "-A X \"\\"]
        {
            let listing = translated(text);
            assert!(listing["nftables"].is_array(), "{text}");
        }
    }
}
