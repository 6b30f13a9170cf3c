//! What checking sources costs: TCP through a tunnel with `source_check` strict and off, and off against itself.
//!
//! ```text
//! cargo bench --bench source-check -- --runs 9
//! ```
//!
//! Two sites of `weft lab`, of which one lists a thousand prefixes besides its own. In each run `iperf3` from one LAN host to the other,
//! with the check off, strict, and off again: what lies between the two series with the check off is the noise. Nothing is asserted about
//! any figure. Needs root, and the packages `iperf3` and `nftables`.

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
/// Prefixes that the other site lists besides its own.
const PREFIXES: u16 = 1000;
/// How long anything may take until it is ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// The settings of one run, in turn.
const SETTINGS: [(&str, &str); 3] = [("off", "off"), ("strict", "strict"), ("off again", "off")];

fn main() -> Result<()> {
    let runs = runs()?;
    ensure!(nix::unistd::geteuid().is_root(), "network namespaces need root");
    let mut lab = Lab::up(MESH, &mesh("off"))?;
    let (client, server) = (lab.netns("taipei-lan"), lab.netns("osaka-lan"));
    let address = lab.lan_host("osaka")?;
    lab.await_ping("taipei-lan", address, PATIENCE)?;
    let mut rates: [Vec<f64>; 3] = Default::default();
    for run in 1..=runs {
        for ((name, setting), rates) in SETTINGS.iter().zip(&mut rates) {
            lab.change(&mesh(setting))?;
            for site in ["taipei", "osaka"] {
                eventually(&format!("{site} to have the check {setting}"), PATIENCE, || {
                    let status = lab.status(site)?;
                    let filter = &status["filter"];
                    Ok((filter["source_check"] == *setting && filter["state"] == "on").then_some(()))
                })?;
            }
            let rate = rate(&client, (&server, address), Direction::Forth).with_context(|| (*name).to_owned())?;
            eprintln!("run {run} of {runs}, {name}: {:.0} Mbit/s", rate / 1e6);
            rates.push(rate);
        }
    }
    println!("medians of {runs} runs, TCP, Mbit/s");
    let base = median(&rates[0]);
    for ((name, _), rates) in SETTINGS.iter().zip(&rates) {
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

/// Two sites, with so many prefixes that a set of them is no small one.
fn mesh(source_check: &str) -> String {
    let mut prefixes = String::new();
    for number in 0..PREFIXES {
        let [high, low] = number.to_be_bytes();
        write!(prefixes, ", \"172.{}.{low}.0/25\"", 16 + high).expect("a String takes everything");
    }
    let text =
        harness::mesh::pair(MESH).replacen("loopbacks", &format!("source_check = \"{source_check}\"\nloopbacks"), 1);
    text.replacen("\"10.2.0.0/16\"", &format!("\"10.2.0.0/16\"{prefixes}"), 1)
}

/// `--runs N`, 9 without it. cargo adds `--bench`.
fn runs() -> Result<usize> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(9),
        (Some("--runs"), Some(count)) => Ok(count.parse::<NonZero<usize>>().context("reading --runs")?.get()),
        (Some(other), _) => bail!("usage: cargo bench --bench source-check -- [--runs N]; what is {other:?}?"),
    }
}

fn median(figures: &[f64]) -> f64 {
    let mut figures = figures.to_vec();
    figures.sort_by(f64::total_cmp);
    figures[(figures.len() - 1) / 2].midpoint(figures[figures.len() / 2])
}
