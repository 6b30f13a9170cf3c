//! Ethernet segments: TCP through them, and how soon frames follow a host that moves, against FRR's EVPN over the same tunnels.
//!
//! ```text
//! cargo bench --bench segments -- --runs 5
//! ```
//!
//! In each run, on three sites of `weft lab`: `iperf3` both ways between two hosts behind the same two routers, by the tunnel alone and
//! through a segment over it, with hosts of MTU 1500 and 1370, each behind a switch; then hosts move while a third site sends to each
//! a datagram every millisecond. The host is plugged in at the new site beforehand, where it takes what comes and says nothing,
//! for a cable that is put elsewhere takes the kernel up to a second. Time runs from when `weft move` asks, or from the host's gratuitous
//! ARP, to the first datagram at the new site; then the latter again with FRR. Nothing is asserted about any figure. Needs root, and the
//! packages `frr`, `iperf3`, `iproute2` and `nftables`.

#[path = "../../netns-tests/harness/mod.rs"]
mod harness;

mod evpn;
mod moving;
mod switch;
mod tcp;
mod weft;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use evpn::Evpn;
use tcp::Direction;
use weft::{Segments, Way};

/// Name of the mesh in [`MESH_FILE`].
const MESH: &str = "segments";
const MESH_FILE: &str = include_str!("mesh.toml");
/// Where hosts are that move, where to, and from where they are sent to.
const OLD_SITE: &str = "taipei";
const NEW_SITE: &str = "osaka";
const SENDER_SITE: &str = "seoul";
/// Numbers of hosts in the segment: of the one that sends, of the one that is moved by command, and of those that are heard.
const SENDER: u8 = 3;
const WALKER: u8 = 4;
const RUNNER: u8 = 5;
const FOLLOWER: u8 = 6;
/// How long anything may take until it is ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// What has been measured, run after run.
#[derive(Default)]
struct Figures {
    /// Bits per second.
    rates: BTreeMap<(Direction, Way), Vec<f64>>,
    /// Seconds.
    command: Vec<f64>,
    /// By the runner and the follower, with weft and with FRR.
    announcements: [Vec<f64>; 2],
    evpn: [Vec<f64>; 2],
}

fn main() -> Result<()> {
    let runs = runs()?;
    check_requirements()?;
    let mut figures = Figures::default();
    for run in 1..=runs {
        eprintln!("run {run} of {runs}");
        figures.measure_weft().context("measuring weft")?;
        figures.measure_evpn().context("measuring FRR")?;
    }
    figures.print(runs);
    Ok(())
}

/// `--runs N`, 3 without it. cargo adds `--bench`.
fn runs() -> Result<usize> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(3),
        (Some("--runs"), Some(count)) => Ok(count.parse::<NonZero<usize>>().context("reading --runs")?.get()),
        (Some(other), _) => bail!("usage: cargo bench --bench segments -- [--runs N]; what is {other:?}?"),
    }
}

/// Better now than after the first half of the first run.
fn check_requirements() -> Result<()> {
    ensure!(nix::unistd::geteuid().is_root(), "network namespaces need root");
    let paths = std::env::var_os("PATH").unwrap_or_default();
    for (program, package) in [("iperf3", "iperf3"), ("nft", "nftables"), ("bridge", "iproute2"), ("vtysh", "frr")] {
        let found = std::env::split_paths(&paths).any(|path| path.join(program).exists());
        ensure!(found, "there is no `{program}`: install the package {package}");
    }
    for program in [harness::frr::ZEBRA, harness::frr::BGPD] {
        ensure!(Path::new(program).exists(), "there is no {program}: install the package frr");
    }
    Ok(())
}

impl Figures {
    fn measure_weft(&mut self) -> Result<()> {
        let segments = Segments::up()?;
        // First, and then nothing moves for a while: what a site says twice in a row is held back (RFC 2328 §12.4, MinLSInterval).
        let command = segments.time_command().context("moving a host by command")?;
        eprintln!("weft: {command:.1?} from the command");
        self.command.push(command.as_secs_f64());
        for direction in [Direction::Forth, Direction::Back] {
            for way in Way::ALL {
                let rate = segments.tcp(way, direction).with_context(|| format!("TCP {direction:?}, {way:?}"))?;
                eprintln!("TCP {direction:?}, {way:?}: {:.0} Mbit/s", rate / 1e6);
                self.rates.entry((direction, way)).or_default().push(rate);
            }
        }
        let announcements = segments.time_announcements().context("hosts that are heard elsewhere")?;
        eprintln!("weft: {announcements:.1?} from the announcements");
        push(&mut self.announcements, announcements);
        segments.down()
    }

    fn measure_evpn(&mut self) -> Result<()> {
        let evpn = Evpn::up()?;
        let announcements = evpn.time_announcements().context("hosts that are heard elsewhere")?;
        eprintln!("FRR: {announcements:.1?} from the announcements");
        push(&mut self.evpn, announcements);
        evpn.down()
    }

    fn print(&self, runs: usize) {
        println!("medians of {runs} runs");
        println!("{:<14} {:>12} {:>18} {:>18}", "TCP, Mbit/s", "no segment", "MTU 1500", "MTU 1370");
        for direction in [Direction::Forth, Direction::Back] {
            let [routed, segment, small] =
                Way::ALL.map(|way| self.rates.get(&(direction, way)).map_or(0.0, |rates| median(rates)));
            let against = |rate: f64| format!("{:.0} ({:.2})", rate / 1e6, rate / routed);
            println!("{:<14} {:>12.0} {:>18} {:>18}", direction.name(), routed / 1e6, against(segment), against(small));
        }
        println!("\n{:<40} {:>12} {:>12} {:>12}", "to the first frame, ms", "weft", "FRR EVPN", "FRR / weft");
        println!("{:<40} {:>12.1}", "from weft move", median(&self.command) * 1e3);
        for (number, what) in
            ["from the host's announcement", "from that of another host right after"].iter().enumerate()
        {
            let (weft, frr) = (median(&self.announcements[number]), median(&self.evpn[number]));
            println!("{what:<40} {:>12.1} {:>12.1} {:>12.2}", weft * 1e3, frr * 1e3, frr / weft);
        }
    }
}

fn push(figures: &mut [Vec<f64>; 2], times: [Duration; 2]) {
    for (figures, time) in figures.iter_mut().zip(times) {
        figures.push(time.as_secs_f64());
    }
}

fn median(figures: &[f64]) -> f64 {
    let mut figures = figures.to_vec();
    figures.sort_by(f64::total_cmp);
    figures[(figures.len() - 1) / 2].midpoint(figures[figures.len() / 2])
}
