//! `weft status` names what keeps packets from arriving, with what to do about it, and says that all is well once that is done.

use std::process::Output;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::harness::lab::{Lab, WEFT};
use crate::harness::mesh;
use crate::harness::wait::eventually;

/// Everything is found out within this time, which covers a session of WireGuard that nobody answers any more.
const FOUND: Duration = Duration::from_secs(60);

/// For which a test has the time.
const INTERVALS: &str = "\n[ospf]\nhello_interval = \"1s\"\ndead_interval = \"4s\"\n";

fn problems(lab: &Lab, site: &str) -> Result<Vec<String>> {
    let status = lab.status(site)?;
    let problems = status["problems"].as_array().context("problems")?;
    Ok(problems.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

fn status(lab: &Lab, site: &str) -> Result<Output> {
    Ok(lab.at(site, &format!("{WEFT} status")).output()?)
}

/// Waits until nothing is wrong at `site`.
fn await_well(lab: &Lab, site: &str) -> Result<()> {
    let waited = eventually(&format!("all to be well at {site}"), FOUND, || {
        let output = status(lab, site)?;
        let is_well = output.status.success() && String::from_utf8_lossy(&output.stdout).contains("\nall is well\n");
        Ok(is_well.then_some(()))
    });
    waited.with_context(|| format!("{:#?}", problems(lab, site)))
}

/// Waits until `site` names a problem in these words, which is then the only one there; gives the whole sentence.
fn await_problem(lab: &Lab, site: &str, words: &[&str]) -> Result<String> {
    let waited = eventually(&format!("{site} to name a problem with {words:?}"), FOUND, || {
        let problems = problems(lab, site)?;
        Ok(problems.iter().find(|problem| words.iter().all(|word| problem.contains(word))).cloned())
    });
    let sentence = waited.with_context(|| format!("{:#?}", problems(lab, site)))?;
    let code = status(lab, site)?.status.code();
    ensure!(code == Some(1), "exit code {code:?}");
    let all = problems(lab, site)?;
    ensure!(all.len() == 1, "{all:#?}");
    Ok(sentence)
}

/// The commands in a sentence that begin so.
fn commands<'a>(sentence: &'a str, begin: &str) -> Vec<&'a str> {
    sentence.split('`').filter(|part| part.starts_with(begin)).collect()
}

/// Does at `site` what a sentence says.
fn obey(lab: &Lab, site: &str, sentence: &str, begin: &str) -> Result<()> {
    let commands = commands(sentence, begin);
    ensure!(!commands.is_empty(), "no command in {sentence}");
    commands.into_iter().try_for_each(|command| lab.run_at(site, command).map(drop))
}

#[test]
fn routes_rules_firewalls_and_settings_that_undo_forwarding_are_named_with_a_remedy_that_works() -> Result<()> {
    let lab = Lab::up("t-status", &format!("{}{INTERVALS}", mesh::triangle("t-status")))?;
    let (site, host) = ("taipei", lab.lan_host("osaka")?);
    let reaches = || lab.run_at("taipei-lan", &format!("ping -n -c 1 -W 1 {host}")).is_ok();
    for site in ["taipei", "osaka", "seoul"] {
        await_well(&lab, site)?;
    }
    lab.await_ping("taipei-lan", host, FOUND)?;
    let kernel = |prefix: &str| -> Result<String> {
        let routes = lab.ask_json(site, "show routes")?;
        let route = routes.as_array().context("routes")?.iter().find(|route| route["prefix"] == prefix);
        Ok(route.context("a route")?["kernel"].as_str().context("kernel")?.to_owned())
    };
    ensure!(kernel("10.2.0.0/16")? == "installed");

    lab.ip(site, "route add blackhole 10.2.0.0/16")?;
    ensure!(!reaches(), "the route has no effect");
    let said = await_problem(
        &lab,
        site,
        &["10.2.0.0/16: packets are dropped by another route", "`blackhole 10.2.0.0/16 proto boot"],
    )?;
    ensure!(kernel("10.2.0.0/16")? == "overridden" && kernel("10.3.0.0/16")? == "installed");
    obey(&lab, site, &said, "ip route del")?;
    await_well(&lab, site)?;
    ensure!(kernel("10.2.0.0/16")? == "installed" && reaches());

    lab.ip(site, "rule add pref 50 to 10.2.0.0/16 prohibit")?;
    let said = await_problem(&lab, site, &["10.2.0.0/16: packets are dropped by rule 50"])?;
    obey(&lab, site, &said, "ip rule del")?;
    await_well(&lab, site)?;

    lab.run_at(site, "nft add table ip filter")?;
    lab.run_at(site, "nft add chain ip filter FORWARD { type filter hook forward priority 0 ; policy drop ; }")?;
    lab.run_at(site, "nft add rule ip filter FORWARD ct state established,related accept")?;
    ensure!(!reaches(), "the chain has no effect");
    let said = await_problem(
        &lab,
        site,
        &["chain FORWARD of table `ip filter` drops packets between", "and from one tunnel to another"],
    )?;
    obey(&lab, site, &said, "nft insert rule")?;
    ensure!(reaches(), "the remedy {said} is none");
    await_well(&lab, site)?;
    lab.run_at(site, "nft delete table ip filter")?;

    // Rules that nftables does not list, and rules of which it lists no more than a name.
    for (variant, place) in [("legacy", "iptables-legacy: chain FORWARD"), ("nft", "nftables: chain FORWARD")] {
        let iptables = |rule: &str| lab.run_at(site, &format!("iptables-{variant} {rule}")).map(drop);
        iptables("-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")?;
        iptables("-A FORWARD -m comment --comment other -j REJECT")?;
        ensure!(!reaches(), "the rules of {variant} have no effect");
        let said = await_problem(&lab, site, &[place, "drops packets between", "and from one tunnel to another"])?;
        let begin = if variant == "legacy" { "iptables-legacy -I" } else { "nft insert rule" };
        obey(&lab, site, &said, begin)?;
        ensure!(reaches(), "the remedy {said} is none");
        await_well(&lab, site)?;
        iptables("-F FORWARD")?;
    }

    // What nobody can judge is no problem, and not kept quiet.
    lab.run_at(site, "iptables-legacy -P FORWARD DROP")?;
    lab.run_at(site, "iptables-legacy -A FORWARD -p icmp -m length --length 0:1000 -j ACCEPT")?;
    ensure!(reaches(), "pings of 84 bytes are dropped");
    eventually("a note", FOUND, || {
        let notes = lab.status(site)?["notes"].to_string();
        let says = ["iptables-legacy: chain FORWARD", "unless they meet conditions", "iptables-legacy -S FORWARD"];
        Ok(says.iter().all(|words| notes.contains(words)).then_some(()))
    })?;
    await_well(&lab, site)?;
    lab.run_at(site, "iptables-legacy -P FORWARD ACCEPT")?;

    // Between two answers, again and again.
    let named = eventually("the setting to be named", FOUND, || {
        lab.run_at(site, "sysctl -q -w net.ipv4.ip_forward=0")?;
        let problems = problems(&lab, site)?;
        Ok(problems.iter().any(|problem| problem.starts_with("net.ipv4.ip_forward: another program")).then_some(()))
    });
    named.with_context(|| format!("{:#?}", problems(&lab, site)))?;
    await_problem(&lab, site, &["net.ipv4.ip_forward: another program has written it"])?;
    for site in ["osaka", "seoul"] {
        await_well(&lab, site)?;
    }
    lab.down()
}

#[test]
fn firewalls_between_two_sites_are_named_at_both_ends() -> Result<()> {
    let lab = Lab::up("t-status2", &format!("{}{INTERVALS}", mesh::pair("t-status2")))?;
    let (site, other) = ("taipei", "osaka");
    await_well(&lab, site)?;
    let filter = |hook: &str, rule: &str| -> Result<()> {
        lab.run_at(site, "nft add table inet fw")?;
        lab.run_at(site, &format!("nft add chain inet fw chain1 {{ type filter hook {hook} priority 0 ; }}"))?;
        lab.run_at(site, &format!("nft add rule inet fw chain1 {rule}")).map(drop)
    };

    filter("input", "ip protocol 89 drop")?;
    await_problem(
        &lab,
        site,
        &[
            "wg-osaka: tunnel up, no OSPF adjacency with osaka",
            "no OSPF hello among them: a firewall in the INPUT chain here",
        ],
    )?;
    await_problem(&lab, other, &["wg-taipei: tunnel up, no OSPF adjacency with taipei", "do not name this router"])?;
    lab.run_at(site, "nft delete table inet fw")?;
    await_well(&lab, site)?;
    await_well(&lab, other)?;

    // Nothing comes in any more; the session of before is good for three minutes.
    filter("input", "iifname != \"wg-*\" meta l4proto udp drop")?;
    await_problem(
        &lab,
        site,
        &["wg-osaka: tunnel to osaka is one-way: it sends to ", "and has received nothing for "],
    )?;
    let tunnels = lab.ask_json(site, "show tunnels")?;
    ensure!(tunnels[0]["state"] == "one-way" && tunnels[0]["handshake_age_s"].as_f64() < Some(180.0), "{tunnels:#}");
    lab.run_at(site, "nft delete table inet fw")?;
    await_well(&lab, site)?;
    lab.down()
}
