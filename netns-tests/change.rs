//! A mesh file that changes under traffic, and others who change what weft has set in the kernel.

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::harness::lab::Lab;
use crate::harness::mesh;
use crate::harness::ping::INTERVAL;
use crate::harness::streams::Streams;
use crate::harness::wait::eventually;

const SITES: [&str; 3] = ["taipei", "osaka", "seoul"];
const SETTLED: Duration = Duration::from_secs(30);

/// What others have undone is set again within this time.
const CORRECTED: Duration = Duration::from_secs(1);

/// RFC 2328 appendix B.
const MIN_LS_INTERVAL: Duration = Duration::from_secs(5);

/// Where a lab keeps a site's or its own files.
fn state(lab: &str, of: &str) -> PathBuf {
    PathBuf::from("/run/weft/lab").join(lab).join(of)
}

/// Gives every router another mesh file and has it read, one after the other.
fn distribute(lab: &Lab, name: &str, text: &str) -> Result<()> {
    for site in SITES {
        fs::write(state(name, site).join("etc/mesh.toml"), text)?;
    }
    for site in SITES {
        lab.ask(site, "reload")?;
    }
    Ok(())
}

fn log(name: &str, site: &str) -> Result<String> {
    let path = state(name, site).join("log");
    fs::read_to_string(&path).with_context(|| format!("reading {path:?}"))
}

#[test]
fn a_site_that_is_renamed_loses_no_packet_and_no_adjacency() -> Result<()> {
    let name = "t-rename";
    let text = mesh::triangle(name);
    let lab = Lab::up(name, &text)?;
    let keys = state(name, "@lab").join("public-keys");
    let known = fs::read_to_string(&keys)?;
    let key = known.lines().find_map(|line| line.strip_prefix("osaka ")).context("osaka's key")?.to_owned();
    fs::write(&keys, format!("{known}kyoto {key}\n"))?;
    let streams = Streams::between(&lab, &SITES)?;
    streams.await_answers(Duration::from_secs(1))?;
    distribute(&lab, name, &text.replace("name = \"osaka\"", "name = \"kyoto\""))?;
    for site in ["taipei", "seoul"] {
        let tunnels = lab.tunnels(site)?;
        ensure!(
            tunnels.iter().any(|name| name == "wg-kyoto") && !tunnels.iter().any(|name| name == "wg-osaka"),
            "{site} has {tunnels:?}"
        );
        ensure!(lab.is_full(site, "wg-kyoto")?, "{site} has kept the adjacency");
        ensure!(!log(name, site)?.contains("os error 98"), "two interfaces wanted the same port at {site}");
    }
    streams.await_answers(Duration::from_secs(5))?;
    let lost = streams.finish()?;
    ensure!(lost.most == 0, "{lost:?}");
    lab.down()
}

#[test]
fn two_tunnels_exchange_their_ports_in_one_reload() -> Result<()> {
    let name = "t-ports";
    let text = |osaka: u16, seoul: u16| {
        let link = |site: &str, port: u16| {
            format!("\n[[link]]\nbetween = [\"taipei\", \"{site}\"]\nport = {{ taipei = {port} }}\n")
        };
        format!("{}{}{}", mesh::triangle(name), link("osaka", osaka), link("seoul", seoul))
    };
    let lab = Lab::up(name, &text(40_001, 40_002))?;
    lab.await_full()?;
    distribute(&lab, name, &text(40_002, 40_001))?;
    eventually("the tunnels to listen at each other's port", SETTLED, || {
        let tunnels = lab.status("taipei")?["tunnels"].as_array().cloned().unwrap_or_default();
        let ports: Vec<_> = tunnels.iter().map(|tunnel| tunnel["listen_port"].as_u64()).collect();
        Ok((ports == [Some(40_002), Some(40_001)]).then_some(()))
    })?;
    lab.await_full()?;
    let problems = || -> Result<String> { Ok(lab.status("taipei")?["problems"].to_string()) };
    eventually("all to be well at taipei", SETTLED, || Ok((problems()? == "[]").then_some(())))?;
    lab.down()
}

#[test]
fn other_loopbacks_cost_packets_until_all_have_read_of_them_and_leave_no_segment_dead() -> Result<()> {
    let name = "t-renumber";
    let text = mesh::segments(name);
    let lab = Lab::up(name, &text)?;
    let hosts = ["db1", "db2"];
    let address = |host: &str| -> Result<Ipv4Addr> {
        let shown = lab.ip(host, "-o -4 address show dev eth0")?;
        let address = shown.split_whitespace().nth(3).and_then(|network| network.split('/').next());
        Ok(address.with_context(|| format!("an address in {shown}"))?.parse()?)
    };
    let [_, second] = [address(hosts[0])?, address(hosts[1])?];
    lab.await_ping(hosts[0], second, SETTLED)?;
    let streams = Streams::between(&lab, &SITES)?;
    // A router keeps the routes that it has found at its start for some seconds: they must not hide anything.
    streams.await_answers(Duration::from_secs(8))?;
    let began = Instant::now();
    distribute(&lab, name, &text.replace("10.255.0.0/16", "10.254.0.0/16"))?;
    let distributed = began.elapsed();
    lab.await_full()?;
    let full = began.elapsed();
    streams.await_answers(Duration::from_secs(8))?;
    let lost = streams.finish()?;
    let text = format!("read by all after {distributed:?}, Full after {full:?}, lost {lost:?}");
    eprintln!("other loopbacks: {text}");
    // Each announces at once that it begins anew: nobody waits for RouterDeadInterval.
    ensure!(full - distributed <= Duration::from_secs(3), "{text}");
    // Two routers do not know each other until both have read the file, which takes as long as it takes here. Then a Router-LSA that has
    // just told of one neighbour waits for up to MinLSInterval before it tells of another.
    let most_expected = (full + MIN_LS_INTERVAL).as_millis() / INTERVAL.as_millis() + 30;
    ensure!(u128::from(lost.most) <= most_expected, "{text}");
    lab.await_ping(hosts[0], second, SETTLED)?;
    for site in SITES {
        let left = lab.ip(site, "-4 address show")?;
        ensure!(!left.contains("10.255.0."), "{site} has kept its old address: {left}");
        let devices = lab.ip(site, "-d link show type vxlan")?;
        ensure!(devices.contains("local 10.254.0."), "{site}: {devices}");
    }
    lab.down()
}

#[test]
fn two_sites_that_exchange_their_ids_are_known_by_them_within_seconds() -> Result<()> {
    let name = "t-exchange";
    let text = mesh::triangle(name);
    let lab = Lab::up(name, &text)?;
    let id = |site: &str, id: u8| format!("name = \"{site}\"\nid = {id}");
    let mut exchanged = text;
    for (site, before, after) in [("taipei", 1, 2), ("osaka", 2, 1)] {
        ensure!(exchanged.contains(&id(site, before)), "{exchanged}");
        exchanged = exchanged.replacen(&id(site, before), &id(site, after), 1);
    }
    let streams = Streams::between(&lab, &SITES)?;
    streams.await_answers(Duration::from_secs(1))?;
    let began = Instant::now();
    distribute(&lab, name, &exchanged)?;
    let distributed = began.elapsed();
    lab.await_full()?;
    let full = began.elapsed();
    streams.await_answers(Duration::from_secs(8))?;
    let lost = streams.finish()?;
    let text = format!("read by all after {distributed:?}, Full after {full:?}, lost {lost:?}");
    eprintln!("exchanged ids: {text}");
    // As where all have other ids; but either may hear of its new id, as the other's, before that has another, and then waits.
    let most_expected = (full + 2 * MIN_LS_INTERVAL).as_millis() / INTERVAL.as_millis() + 30;
    ensure!(full - distributed <= Duration::from_secs(5) && u128::from(lost.most) <= most_expected, "{text}");
    for (site, loopback) in [("taipei", "10.255.0.2"), ("osaka", "10.255.0.1")] {
        let status = lab.status(site)?;
        ensure!(
            status["router_id"] == loopback && status["problems"].as_array().is_some_and(Vec::is_empty),
            "{site}: {status:#}"
        );
    }
    lab.down()
}

/// The steps in an answer of `weft plan --json` or `weft reload --json`, one a line.
fn steps(answer: &serde_json::Value) -> Result<String> {
    let steps = answer["steps"].as_array().with_context(|| format!("no steps in {answer}"))?;
    let line = |step: &serde_json::Value| {
        format!("{}: {}\n", step["part"].as_str().unwrap_or("?"), step["step"].as_str().unwrap_or("?"))
    };
    Ok(steps.iter().map(line).collect())
}

#[test]
fn a_plan_says_exactly_what_a_reload_does_then() -> Result<()> {
    let name = "t-plan";
    let text = mesh::triangle(name);
    let lab = Lab::up(name, &text)?;
    lab.await_full()?;
    // What a lab keeps of other sites is hidden from a site.
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("planned.toml");
    let plan = |text: &str| -> Result<String> {
        fs::write(&file, text)?;
        steps(&lab.ask_json("taipei", &format!("plan {}", file.display()))?)
    };
    // What is left of the start is done within moments.
    eventually("nothing to do", SETTLED, || Ok(plan(&text)?.is_empty().then_some(())))?;
    ensure!(lab.ask("taipei", &format!("plan {} --exit-code", file.display()))?.contains("nothing to do"));

    let keys = state(name, "@lab").join("public-keys");
    let known = fs::read_to_string(&keys)?;
    let osaka = known.lines().find_map(|line| line.strip_prefix("osaka ")).context("osaka's key")?;
    fs::write(&keys, format!("{known}kobe {osaka}\n"))?;
    let prefixes = "prefixes = [\"10.2.0.0/16\"]\n";
    ensure!(text.contains(prefixes), "{text}");
    let cost = format!("{text}\n[[link]]\nbetween = [\"taipei\", \"osaka\"]\ncost = 30\n");
    for (what, after, expected) in [
        ("a changed cost", cost.clone(), "ospf: on wg-osaka: cost 30 instead of 10\n"),
        (
            "BFD on a tunnel",
            cost.replace("cost = 30", "bfd = true"),
            "bfd: begin a session with 10.255.0.2 on wg-osaka: 3 × 100ms\n",
        ),
        (
            "a removed prefix",
            text.replace(prefixes, ""),
            "ospf: accept 10.2.0.0/16 as one that no site lists\nkernel: set the filter\n",
        ),
        (
            "a renamed site",
            text.replace("name = \"osaka\"", "name = \"kobe\""),
            "kernel: rename tunnel wg-osaka to wg-kobe\n",
        ),
        ("an added site", mesh::with_site(&text, "kyoto", 4), "ospf: start on wg-kyoto, area 0.0.0.0, cost 10\n"),
        ("a removed site", text.clone(), "kernel: delete tunnel wg-kyoto\n"),
    ] {
        let planned = plan(&after)?;
        let exact = ["a changed cost", "BFD on a tunnel", "a removed prefix"].contains(&what);
        ensure!(planned.contains(expected) && (!exact || planned == expected), "{what}: {planned}");
        let shown = lab.answered("taipei", &format!("plan {} --steps --exit-code", file.display()))?;
        ensure!(
            shown.status.code() == Some(1) && String::from_utf8_lossy(&shown.stdout) == planned,
            "{what}: {shown:?}"
        );
        ensure!(plan(&after)? == planned, "{what}: a plan changes nothing");
        fs::write(state(name, "taipei").join("etc/mesh.toml"), &after)?;
        let done = steps(&lab.ask_json("taipei", "reload")?)?;
        ensure!(done == planned, "{what}: planned\n{planned}and done\n{done}");
        eventually("nothing to do", SETTLED, || Ok(plan(&after)?.is_empty().then_some(())))?;
        eprintln!("{what}: {} steps", planned.lines().count());
        // The next change begins from the first file.
        if what != "an added site" {
            fs::write(state(name, "taipei").join("etc/mesh.toml"), &text)?;
            lab.ask("taipei", "reload")?;
            eventually("nothing to do", SETTLED, || Ok(plan(&text)?.is_empty().then_some(())))?;
        }
    }

    fs::write(&file, text.replace("id = 3", "id = 2"))?;
    let refused = lab.answered("taipei", &format!("plan {}", file.display()))?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(refused.status.code() == Some(1) && said.contains("planned.toml"), "{said}");
    fs::write(&file, &text)?;
    lab.kill_daemon("taipei")?;
    let nobody = lab.answered("taipei", &format!("plan {}", file.display()))?;
    let said = String::from_utf8_lossy(&nobody.stderr).into_owned();
    ensure!(nobody.status.code() == Some(1) && said.contains("no weft daemon answers"), "{said}");
    lab.start_what_is_missing()?;
    lab.down()
}

#[test]
fn a_flushed_ruleset_and_forwarding_switched_off_are_corrected_at_once_and_reported() -> Result<()> {
    let name = "t-flush";
    let lab = Lab::up(name, &mesh::triangle(name))?;
    let table = format!("weft-{name}");
    let tables = || lab.run_at("taipei", "nft list tables");
    ensure!(tables()?.contains(&table), "there is no filter to flush");
    lab.run_at("taipei", "nft flush ruleset")?;
    let begin = Instant::now();
    eventually("the filter", CORRECTED, || Ok(tables()?.contains(&table).then_some(())))?;
    eprintln!("the filter was back after {:?}", begin.elapsed());
    eventually("a line in the log", CORRECTED, || {
        let log = log(name, "taipei")?;
        Ok(log.lines().any(|line| line.contains("nftables tables") && line.contains("nft (pid")).then_some(()))
    })?;
    let streams = Streams::between(&lab, &SITES)?;
    streams.await_answers(Duration::from_secs(1))?;
    for setting in ["all", "wg-osaka"] {
        lab.run_at("taipei", &format!("sysctl -qw net.ipv4.conf.{setting}.forwarding=0"))?;
        let begin = Instant::now();
        eventually("forwarding", CORRECTED, || {
            let value = lab.run_at("taipei", &format!("sysctl -n net.ipv4.conf.{setting}.forwarding"))?;
            Ok((value.trim() == "1").then_some(()))
        })?;
        eprintln!("forwarding of {setting} was back after {:?}", begin.elapsed());
        eventually("a line in the log", CORRECTED, || {
            Ok(log(name, "taipei")?.contains(&format!("net.ipv4.conf.{setting}.forwarding")).then_some(()))
        })?;
    }
    streams.await_answers(Duration::from_secs(1))?;
    let lost = streams.finish()?;
    eprintln!("forwarding switched off twice: {lost:?}");
    ensure!(lost.most < 100, "{lost:?}");
    lab.down()
}
