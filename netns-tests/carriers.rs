//! Listed prefixes that follow what carries them: interfaces, routes, routers on the LAN.

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::harness::frr::Frr;
use crate::harness::lab::Lab;
use crate::harness::mesh;
use crate::harness::netns::routes;
use crate::harness::ping::{INTERVAL, Stream};
use crate::harness::wait::{allowed, eventually};

const SETTLED: Duration = Duration::from_secs(30);

/// From the loss of a carrier to routes without the prefix at other sites, where the prefix has been advertised for [`QUIET`].
const WITHDRAWN: Duration = Duration::from_secs(1);
const QUIET: f64 = 5.0;

/// From a change that follows another to routes that say so: MinLSInterval, and a moment.
const AGAIN: Duration = Duration::from_secs(6);

/// For taipei: 10.9.0.0/16 is at osaka, too, which is farther from seoul.
const TAIPEI: &str = r#"prefixes = [
    "10.1.0.0/16",
    "10.6.0.0/16",
    { prefix = "10.8.0.0/16", static = true },
    { prefix = "10.9.0.0/16", shared = true },
    "0.0.0.0/0",
]"#;
const OSAKA: &str = r#"prefixes = ["10.2.0.0/16", { prefix = "10.9.0.0/16", shared = true }]"#;
const FARTHER: &str = "\n[[link]]\nbetween = [\"osaka\", \"seoul\"]\ncost = 15\n";

const TAIPEI_LAN: &str = r#"
[[site.interface]]
name = "eth1"
ospf = "active"
network = "broadcast"
hello_interval = "1s"
dead_interval = "4s"
"#;

/// A router on taipei's LAN, with a network behind it.
const ROUTER: &str = "\
interface eth0
 ip ospf area 0
 ip ospf hello-interval 1
 ip ospf dead-interval 4
router ospf
 ospf router-id 192.0.2.1
 redistribute kernel
";

/// The triangle with these prefixes at taipei and osaka, and with this in taipei's `[[site]]` besides.
fn triangle(name: &str, taipei: &str, osaka: &str, rest: &str) -> String {
    let text = mesh::triangle(name);
    let text = text.replacen("prefixes = [\"10.2.0.0/16\"]", osaka, 1);
    format!("{}{FARTHER}", text.replacen("prefixes = [\"10.1.0.0/16\"]", &format!("{taipei}\n{rest}"), 1))
}

/// The tunnel that seoul's route to `prefix` leads into; `None` if it has none.
fn way(lab: &Lab, prefix: &str) -> Result<Option<String>> {
    let routes = routes(&lab.netns("seoul"), &format!("table all exact {prefix} proto 201"))?;
    let words = || routes.iter().flat_map(|line| line.split_whitespace());
    Ok(words().skip_while(|word| *word != "dev").nth(1).map(str::to_owned))
}

/// Waits until seoul's route to `prefix` leads there.
fn await_way(lab: &Lab, prefix: &str, wanted: Option<&str>, within: Duration) -> Result<()> {
    eventually(&format!("seoul's way to {prefix} to be {wanted:?}"), within, || {
        Ok((way(lab, prefix)?.as_deref() == wanted).then_some(()))
    })
}

/// How taipei's `weft status` calls `prefix`.
fn state(lab: &Lab, prefix: &str) -> Result<String> {
    let status = lab.status("taipei")?;
    let prefixes = status["prefixes"].as_array().context("prefixes")?;
    let shown = prefixes.iter().find(|shown| shown["prefix"] == prefix).context("it is listed")?;
    Ok(shown["state"].as_str().context("a state")?.to_owned())
}

fn await_state(lab: &Lab, prefix: &str, wanted: &str) -> Result<()> {
    eventually(&format!("{prefix} to be {wanted}"), SETTLED, || Ok((state(lab, prefix)? == wanted).then_some(())))
}

#[test]
fn a_prefix_follows_the_interfaces_routes_and_routers_that_carry_it() -> Result<()> {
    let lab = Lab::up("t-carry", &triangle("t-carry", TAIPEI, OSAKA, ""))?;
    let (by_taipei, by_osaka) = (Some("wg-taipei"), Some("wg-osaka"));
    for prefix in ["10.1.0.0/16", "10.6.0.0/16", "10.8.0.0/16", "10.9.0.0/16", "0.0.0.0/0"] {
        await_way(&lab, prefix, by_taipei, SETTLED)?;
    }
    ensure!(state(&lab, "10.8.0.0/16")? == "static" && state(&lab, "10.9.0.0/16")? == "carried");

    eventually("LSAs to be older than what holds up the next instance", SETTLED, || {
        Ok((lab.status("taipei")?["uptime_s"].as_f64().context("an uptime")? > QUIET).then_some(()))
    })?;

    // The default route.
    let shown = lab.ip("taipei", "route show default")?;
    let default = shown.lines().next().and_then(|line| line.strip_prefix("default ")).context("a default route")?;
    for half in ["0.0.0.0/1", "128.0.0.0/1"] {
        lab.ip("taipei", &format!("route add {half} {default}"))?;
    }
    lab.ip("taipei", "route del default")?;
    await_way(&lab, "0.0.0.0/0", None, allowed(WITHDRAWN))?;

    // An address that is removed, and a route in its place.
    lab.ip("taipei", "address del 10.6.0.1/16 dev lan0")?;
    await_way(&lab, "10.6.0.0/16", None, allowed(WITHDRAWN))?;
    ensure!(way(&lab, "10.1.0.0/16")?.as_deref() == by_taipei, "another prefix of the interface is withdrawn");
    lab.ip("taipei", "route add 10.6.4.0/24 via 10.1.0.2")?;
    await_way(&lab, "10.6.0.0/16", by_taipei, allowed(AGAIN))?;
    lab.ip("taipei", &format!("route add default {default}"))?;
    await_way(&lab, "0.0.0.0/0", by_taipei, allowed(AGAIN))?;

    // The cable of the LAN is pulled: what both sites have goes to the other. The kernel keeps the route.
    let host: Ipv4Addr = "10.9.0.2".parse()?;
    lab.await_ping("seoul-lan", host, SETTLED)?;
    let stream = Stream::start(&lab.netns("seoul-lan"), host)?;
    eventually("the stream to be answered", SETTLED, || Ok((stream.answered_since(0) > 0).then_some(())))?;
    lab.ip("taipei-lan", "link set eth0 down")?;
    await_way(&lab, "10.9.0.0/16", by_osaka, allowed(WITHDRAWN))?;
    await_way(&lab, "10.1.0.0/16", None, allowed(WITHDRAWN))?;
    let rerouted = stream.sent();
    eventually("osaka's host to answer", SETTLED, || Ok((stream.answered_since(rerouted) >= 50).then_some(())))?;
    let count = stream.finish()?;
    ensure!(INTERVAL * u32::from(count.lost()) < allowed(WITHDRAWN), "{count:?}");
    await_way(&lab, "10.6.0.0/16", None, allowed(AGAIN))?;
    ensure!(way(&lab, "10.8.0.0/16")?.as_deref() == by_taipei, "a static prefix is withdrawn");
    let problems = lab.status("taipei")?["problems"].to_string();
    for cause in [
        "10.9.0.0/16 is withdrawn, for nothing here carries it any more: lan0 is down, or has no carrier",
        "10.6.0.0/16 is withdrawn, for nothing here carries it any more: the route to 10.6.4.0/24 leads out by lan0, which is down, or has no carrier",
    ] {
        ensure!(problems.contains(cause), "{problems}");
    }

    lab.ip("taipei-lan", "link set eth0 up")?;
    for prefix in ["10.9.0.0/16", "10.1.0.0/16", "10.6.0.0/16"] {
        await_way(&lab, prefix, by_taipei, allowed(AGAIN))?;
    }
    lab.ask("taipei", "status").context("all is well again")?;
    lab.down()
}

#[test]
fn a_router_on_the_lan_carries_what_it_announces_and_a_prefix_without_a_carrier_is_named() -> Result<()> {
    let name = "t-carried";
    let (taipei, osaka) = ("prefixes = [\"10.1.0.0/16\"]", "prefixes = [\"10.2.0.0/16\"]");
    let lab = Lab::up(name, &triangle(name, taipei, osaka, TAIPEI_LAN))?;
    // The lab gives a site's LAN an address in each of its prefixes; what is listed only now has none.
    let shared = r#", { prefix = "10.7.0.0/16", shared = true, static = false }]"#;
    let fixed = r#", { prefix = "10.7.0.0/16", shared = true, static = true }]"#;
    let (taipei, osaka) = (taipei.replace(']', shared), osaka.replace(']', fixed));
    for site in ["taipei", "osaka", "seoul"] {
        let file = PathBuf::from("/run/weft/lab").join(name).join(site).join("etc/mesh.toml");
        fs::write(file, triangle(name, &taipei, &osaka, TAIPEI_LAN))?;
        lab.ask(site, "reload")?;
    }
    await_state(&lab, "10.7.0.0/16", "never-carried")?;
    let status = lab.status("taipei")?;
    let notes = status["notes"].to_string();
    ensure!(notes.contains("10.7.0.0/16 is advertised, though nothing here"), "{notes}");
    lab.ask("taipei", "status").context("a note is no problem")?;
    await_way(&lab, "10.7.0.0/16", Some("wg-taipei"), SETTLED)?;

    lab.ip("taipei-lan", "route add blackhole 10.7.0.0/16")?;
    let frr = Frr::start(&lab.netns("taipei-lan"), ROUTER)?;
    await_state(&lab, "10.7.0.0/16", "carried")?;
    lab.ip("taipei-lan", "route del blackhole 10.7.0.0/16")?;
    await_way(&lab, "10.7.0.0/16", Some("wg-osaka"), SETTLED)?;
    // osaka announces the same at a better metric: it hides nothing.
    await_state(&lab, "10.7.0.0/16", "withdrawn")?;
    lab.ip("taipei-lan", "route add blackhole 10.7.0.0/16")?;
    await_way(&lab, "10.7.0.0/16", Some("wg-taipei"), SETTLED)?;
    drop(frr);
    lab.down()
}
