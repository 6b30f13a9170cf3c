//! weft against FRR's `ospfd` over `wireguard-go`, on the same three sites and timers, in one go.
//!
//! ```text
//! cargo bench --bench frr-triangle -- --runs 5
//! ```
//!
//! Two figures of each, run after run in turn: the time from the start of the daemons until every kernel has every
//! route, and the packets that a ping of 100 a second loses when the path under it is cut. Nothing is asserted about
//! either. Needs root, and the packages `frr`, `wireguard-go` and `wireguard-tools`.

#[path = "../../netns-tests/harness/mod.rs"]
mod harness;

#[path = "../triangle/mod.rs"]
mod triangle;

use std::num::NonZero;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use harness::ping::Stream;
use harness::wait::eventually;
use triangle::underlay::{SITES, Underlay};
use triangle::{PATIENCE, frr, weft};

/// Replies after the gap that show that the way around carries: one second of them.
const STEADY: usize = 100;

/// What one run of one contestant gave.
struct Figures {
    /// Start to all routes in all kernels.
    converged: Duration,
    /// Packets lost by the cut; 10 ms each.
    lost: u16,
}

fn main() -> Result<()> {
    let runs = runs()?;
    let (mut weft, mut frr) = (Vec::new(), Vec::new());
    println!("{:<5} {:>22} {:>22} {:>20} {:>20}", "run", "weft: routes", "FRR: routes", "weft: lost", "FRR: lost");
    for run in 1..=runs {
        let ours = measure(|| weft::Routers::start("")).context("measuring weft")?;
        let theirs = measure(|| frr::Routers::start(None)).context("measuring FRR")?;
        println!("{}", row(&run.to_string(), &ours, &theirs));
        weft.push(ours);
        frr.push(theirs);
    }
    let (ours, theirs) = (median(&weft), median(&frr));
    println!("{}", row("median", &ours, &theirs));
    println!(
        "FRR / weft: {:.1} in time to all routes, {:.2} in packets lost ({} runs)",
        theirs.converged.as_secs_f64() / ours.converged.as_secs_f64(),
        f64::from(theirs.lost) / f64::from(ours.lost.max(1)),
        runs,
    );
    Ok(())
}

/// `--runs N`, 3 without it. cargo adds `--bench`.
fn runs() -> Result<usize> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(3),
        (Some("--runs"), Some(count)) => Ok(count.parse::<NonZero<usize>>().context("reading --runs")?.get()),
        (Some(other), _) => bail!("usage: cargo bench --bench frr-triangle -- [--runs N]; what is {other:?}?"),
    }
}

fn measure<Routers>(start: impl FnOnce() -> Result<Routers>) -> Result<Figures> {
    let underlay = Underlay::new()?;
    let began = Instant::now();
    let _routers = start()?;
    eventually("all routes in all kernels", PATIENCE, || Ok(underlay.has_all_routes()?.then_some(())))?;
    let converged = began.elapsed();

    let [from, to, _] = SITES;
    let stream = Stream::start(&format!("{}-lan", from.netns()), to.host())?;
    eventually("a steady ping", PATIENCE, || Ok((stream.answered_since(0) >= STEADY).then_some(())))?;
    underlay.cut(from, to)?;
    // What was on its way at the cut does not show the way around.
    let cut = stream.sent() + 1;
    eventually("the ping to go around", PATIENCE, || Ok((stream.answered_since(cut) >= STEADY).then_some(())))?;
    Ok(Figures { converged, lost: stream.finish()?.lost() })
}

fn row(name: &str, weft: &Figures, frr: &Figures) -> String {
    format!(
        "{name:<6} {:>19.2} s {:>20.2} s {:>20} {:>20}",
        weft.converged.as_secs_f64(),
        frr.converged.as_secs_f64(),
        weft.lost,
        frr.lost
    )
}

fn median(figures: &[Figures]) -> Figures {
    let mut times: Vec<_> = figures.iter().map(|figure| figure.converged).collect();
    let mut losses: Vec<_> = figures.iter().map(|figure| figure.lost).collect();
    times.sort_unstable();
    losses.sort_unstable();
    let (low, high) = ((figures.len() - 1) / 2, figures.len() / 2);
    Figures { converged: (times[low] + times[high]) / 2, lost: losses[low].midpoint(losses[high]) }
}
