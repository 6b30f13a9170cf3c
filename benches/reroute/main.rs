//! How long a cut path costs: weft with BFD and loop-free alternates against FRR's `ospfd` and `bfdd` over `wireguard-go`, on the same three
//! sites and with the same intervals, one after the other in each run.
//!
//! ```text
//! cargo bench --bench reroute -- --cuts 20 --interval 50 --interval 10
//! ```
//!
//! 500 numbered datagrams a second go from a host behind the first site to one behind the second. The path between the two sites' routers is
//! cut in the middle, where no interface notices it, and the traffic has to go by the third site. The figure is the longest time in which
//! nothing arrived. Then the path is healed, and when both have it again for a while, the next cut follows. Nothing is asserted about the
//! figures. Needs root, and the packages `frr`, `wireguard-go` and `wireguard-tools`.

#[path = "../../netns-tests/harness/mod.rs"]
mod harness;
#[path = "../triangle/mod.rs"]
mod triangle;

mod flow;

use std::num::NonZero;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use flow::{Flow, Gap};
use harness::wait::eventually;
use triangle::underlay::{SITES, Site, Underlay};
use triangle::{PATIENCE, frr, weft};

/// Datagrams that arrive after the gap and show that the way around carries: a second of them.
const STEADY: usize = 500;

/// How long everything rests before the next cut: FRR's calculations are delayed by up to 5 s when they come soon after others.
const REST: Duration = Duration::from_secs(6);

/// BFD packets that are missed before a session is down.
const MULTIPLIER: u32 = 3;

fn main() -> Result<()> {
    let Options { cuts, intervals } = Options::read()?;
    for interval in intervals {
        println!("\n{MULTIPLIER} x {interval} ms: the longest gap of each of {cuts} cuts, ms (and datagrams lost)");
        let ours = measure(cuts, || {
            let routers =
                weft::Routers::start(&format!("bfd = {{ interval = \"{interval}ms\", multiplier = {MULTIPLIER} }}\n"))?;
            Ok(move |site: Site| is_up(&routers.ask(site, "show bfd")?, "Up"))
        });
        let ours = ours.context("measuring weft")?;
        let theirs = measure(cuts, || {
            let profile = format!(
                "  detect-multiplier {MULTIPLIER}\n  receive-interval {interval}\n  transmit-interval {interval}\n"
            );
            let routers = frr::Routers::start(Some(&profile))?;
            Ok(move |site: Site| is_up(&routers.show(site, "show bfd peers json")?, "up"))
        });
        let theirs = theirs.context("measuring FRR")?;
        println!("{:<7} {:>16} {:>16}", "", "weft", "FRR");
        for (cut, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            println!("{:<7} {:>16} {:>16}", cut + 1, figure(ours), figure(theirs));
        }
        println!("{:<7} {:>16} {:>16}", "median", figure(&median(&ours)), figure(&median(&theirs)));
        println!("{:<7} {:>16} {:>16}", "worst", figure(&worst(&ours)), figure(&worst(&theirs)));
        let ratio = |of: fn(&[Gap]) -> Gap| of(&theirs).time.as_secs_f64() / of(&ours).time.as_secs_f64();
        println!("FRR / weft: median {:.2}, worst {:.2}", ratio(median), ratio(worst));
    }
    Ok(())
}

/// Cuts and heals the path again and again; returns the gap of each cut. `start` starts the routers and returns whether both sessions of a
/// site are up.
fn measure<Routers: Fn(Site) -> Result<bool>>(
    cuts: usize,
    start: impl FnOnce() -> Result<Routers>,
) -> Result<Vec<Gap>> {
    let underlay = Underlay::new()?;
    let has_sessions = start()?;
    let [from, to, _] = SITES;
    let is_ready = || {
        for site in SITES {
            if !has_sessions(site)? {
                return Ok(None);
            }
        }
        Ok((underlay.has_all_routes()? && underlay.is_direct(from, to)?).then_some(()))
    };
    eventually("all routes and sessions", PATIENCE, is_ready)?;
    let flow = Flow::start(&format!("{}-lan", from.netns()), &format!("{}-lan", to.netns()), to.host())?;
    let mut gaps = Vec::new();
    for _ in 0..cuts {
        eventually("all routes and sessions", PATIENCE, is_ready)?;
        // A rest that everybody gets, and nothing is awaited in it.
        thread::sleep(REST);
        ensure!(is_ready()?.is_some(), "a session or a route is gone again without a cut");
        let before = flow.arrived();
        underlay.cut(from, to)?;
        // What was on its way at the cut does not show the way around.
        eventually("the direct way to be left", PATIENCE, || Ok((!underlay.is_direct(from, to)?).then_some(())))?;
        let around = flow.arrived();
        eventually("the flow to go around", PATIENCE, || Ok((flow.arrived() >= around + STEADY).then_some(())))?;
        gaps.push(flow.gap(before)?);
        underlay.heal(from, to)?;
    }
    Ok(gaps)
}

/// Whether a list of sessions has two, which are both up.
fn is_up(sessions: &Value, up: &str) -> Result<bool> {
    let sessions = sessions.as_array().context("a list of sessions")?;
    let state =
        |session: &Value| session.get("state").or_else(|| session.get("status")).is_some_and(|state| state == up);
    Ok(sessions.len() == 2 && sessions.iter().all(state))
}

fn figure(gap: &Gap) -> String {
    format!("{:.1} ({})", gap.time.as_secs_f64() * 1e3, gap.lost)
}

fn median(gaps: &[Gap]) -> Gap {
    let mut sorted = gaps.to_vec();
    sorted.sort_by_key(|gap| gap.time);
    let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    Gap { time: (low.time + high.time) / 2, lost: low.lost.midpoint(high.lost) }
}

fn worst(gaps: &[Gap]) -> Gap {
    gaps.iter().copied().max_by_key(|gap| gap.time).expect("at least one cut")
}

struct Options {
    cuts: usize,
    /// In milliseconds.
    intervals: Vec<u32>,
}

impl Options {
    /// `--cuts N`, 20 without it; `--interval MS` for each interval, 50 and 10 without it. cargo adds `--bench`.
    fn read() -> Result<Self> {
        let (mut cuts, mut intervals) = (20, Vec::new());
        let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
        while let Some(option) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{option} needs a value"));
            match option.as_str() {
                "--cuts" => cuts = value()?.parse::<NonZero<usize>>().context("reading --cuts")?.get(),
                "--interval" => intervals.push(value()?.parse::<NonZero<u32>>().context("reading --interval")?.get()),
                other => bail!("usage: cargo bench --bench reroute -- [--cuts N] [--interval MS]; what is {other:?}?"),
            }
        }
        if intervals.is_empty() {
            intervals = vec![50, 10];
        }
        Ok(Self { cuts, intervals })
    }
}
