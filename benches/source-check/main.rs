//! What checking sources costs: TCP through a tunnel with `source_check` strict and off, and off against itself.
//!
//! ```text
//! cargo bench --bench source-check -- --runs 9 --prefixes 1000
//! ```
//!
//! Two sites of `weft lab`, of which one lists so many prefixes besides its own: none if nothing is said. In each run `iperf3` from one
//! LAN host to the other, with the check off, strict, and off again: what lies between the two series with the check off is the noise.
//! The three take turns in who comes first, and each is measured after the ruleset was exchanged for the other one and back, so that none
//! is favoured by its place. Nothing is asserted about any figure. Needs root, and the packages `iperf3` and `nftables`.

#[path = "../../netns-tests/harness/mod.rs"]
mod harness;
#[path = "../segments/tcp.rs"]
#[allow(dead_code, reason = "shared with the benchmark of segments, which measures both directions")]
mod tcp;

use std::fmt::Write as _;
use std::num::NonZero;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use harness::lab::Lab;
use harness::wait::eventually;
use tcp::{Direction, rate};

const MESH: &str = "sources";
/// How long anything may take until it is ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is measured in each run: its name, and the check that is asked for.
const SERIES: [(&str, &str); 3] = [("off", "off"), ("strict", "strict"), ("off again", "off")];

fn main() -> Result<()> {
    let Arguments { runs, prefixes } = arguments()?;
    let mesh = |source_check| mesh(source_check, prefixes);
    ensure!(nix::unistd::geteuid().is_root(), "network namespaces need root");
    let mut lab = Lab::up(MESH, &mesh("off"))?;
    let (client, server) = (lab.netns("taipei-lan"), lab.netns("osaka-lan"));
    let address = lab.lan_host("osaka")?;
    lab.await_ping("taipei-lan", address, PATIENCE)?;
    let mut rates: [Vec<f64>; 3] = Default::default();
    for run in 1..=runs {
        for place in 0..SERIES.len() {
            let series = (run + place) % SERIES.len();
            let (name, setting) = SERIES[series];
            for setting in [other_than(setting), setting] {
                lab.change(&mesh(setting))?;
                await_check(&lab, setting)?;
            }
            let rate = rate(&client, (&server, address), Direction::Forth).context(name)?;
            eprintln!("run {run} of {runs}, {name}: {:.0} Mbit/s", rate / 1e6);
            rates[series].push(rate);
        }
    }
    println!("medians of {runs} runs, TCP, {prefixes} prefixes more, Mbit/s");
    let base = median(&rates[0]);
    for ((name, _), rates) in SERIES.iter().zip(&rates) {
        let (least, most) =
            rates.iter().fold((f64::MAX, 0.0_f64), |(least, most), rate| (least.min(*rate), most.max(*rate)));
        let median = median(rates);
        println!(
            "{name:<10} {:>8.0} ({:.3}), from {:.0} to {:.0}",
            median / 1e6,
            median / base,
            least / 1e6,
            most / 1e6
        );
    }
    lab.down()
}

fn other_than(setting: &str) -> &'static str {
    if setting == "off" { "strict" } else { "off" }
}

/// Waits until both sites have the ruleset of `setting` in the kernel.
fn await_check(lab: &Lab, setting: &str) -> Result<()> {
    for site in ["taipei", "osaka"] {
        eventually(&format!("{site} to have the check {setting}"), PATIENCE, || {
            let status = lab.status(site)?;
            let filter = &status["filter"];
            Ok((filter["source_check"] == setting && filter["state"] == "on").then_some(()))
        })?;
    }
    Ok(())
}

/// Two sites, of which one has so many prefixes besides its own.
fn mesh(source_check: &str, count: u16) -> String {
    let mut prefixes = String::new();
    for number in 0..count {
        let [high, low] = number.to_be_bytes();
        write!(prefixes, ", \"172.{}.{low}.0/25\"", 16 + high).expect("a String takes everything");
    }
    let text =
        harness::mesh::pair(MESH).replacen("loopbacks", &format!("source_check = \"{source_check}\"\nloopbacks"), 1);
    text.replacen("\"10.2.0.0/16\"", &format!("\"10.2.0.0/16\"{prefixes}"), 1)
}

/// What is measured.
struct Arguments {
    runs: usize,
    prefixes: u16,
}

/// `--runs N`, 9 without it, and `--prefixes N`, 0 without it. cargo adds `--bench`.
fn arguments() -> Result<Arguments> {
    let mut found = Arguments { runs: 9, prefixes: 0 };
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(name) = arguments.next() {
        let value = arguments.next().unwrap_or_default();
        match name.as_str() {
            "--runs" => found.runs = value.parse::<NonZero<usize>>().context("reading --runs")?.get(),
            // They are parts of 172.16.0.0/12.
            "--prefixes" => {
                found.prefixes = value.parse().ok().filter(|count| *count <= 4096).context("--prefixes: 0 to 4096")?;
            }
            other => bail!("usage: cargo bench --bench source-check -- [--runs N] [--prefixes N]; what is {other:?}?"),
        }
    }
    Ok(found)
}

fn median(figures: &[f64]) -> f64 {
    let mut figures = figures.to_vec();
    figures.sort_by(f64::total_cmp);
    figures[(figures.len() - 1) / 2].midpoint(figures[figures.len() / 2])
}
