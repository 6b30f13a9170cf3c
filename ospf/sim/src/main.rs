//! The simulator's command line: builds a network, runs it, and prints the results.

use std::error::Error;
use std::fmt;
use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};
use ospf_sim::model::ModelCommand;
use ospf_sim::{Counts, Kind, NetworkCommand, Phase, Recipe, Report, Sweep, run_case};

/// Runs many OSPF routers in virtual time over a network with faults, and compares their state with shortest paths.
///
/// Exit code 0: converged to the oracle, or as the cases expect; 1: not, and the reasons are printed; 2: wrong usage, or a file that is not
/// a case.
#[derive(Parser)]
#[command(name = "ospf-sim", version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Topology cases: files with a network, and the state to which each of its routers must converge
    Case {
        /// Files of the format of `ospf/sim/cases/README.md`
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Explores all states of two or three routers whose packets are lost, duplicated and reordered
    Model(ModelCommand),
    /// Many runs: the seeds determine networks, disturbances and faults
    Sweep(SweepArguments),
    #[command(flatten)]
    Network(NetworkCommand),
}

#[derive(Args)]
struct SweepArguments {
    /// Seeds, without the last one, such as 0..2000
    seeds: Seeds,
    /// Only networks of this kind; may be given several times
    #[arg(long, value_name = "KIND")]
    only: Vec<Kind>,
    /// Runs spent on making each failure smaller, 0 for none
    #[arg(long, value_name = "RUNS", default_value_t = 150)]
    minimise: usize,
    /// Number of runs at a time; one for each processor if not given
    #[arg(long, value_name = "NUMBER")]
    threads: Option<usize>,
}

/// A range of seeds, without the last one.
#[derive(Debug, Clone)]
struct Seeds(Range<u64>);

impl FromStr for Seeds {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "two numbers, the first below the second, such as 0..2000";
        let (from, to) = text.split_once("..").ok_or(wrong)?;
        let (from, to) = (from.parse().map_err(|_| wrong)?, to.parse().map_err(|_| wrong)?);
        if from < to { Ok(Self(from..to)) } else { Err(wrong) }
    }
}

fn main() -> ExitCode {
    match CommandLine::parse().command {
        Command::Case { files } => run_cases(&files),
        Command::Model(command) => command.run(),
        Command::Sweep(arguments) => run_sweep(arguments),
        Command::Network(command) => run_network(&command.into()),
    }
}

/// Runs every seed. Failures are printed as they occur, and again at the end, in order.
#[expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "how long a sweep takes is shown, and decides nothing"
)]
fn run_sweep(arguments: SweepArguments) -> ExitCode {
    let SweepArguments { seeds: Seeds(seeds), only, minimise, threads } = arguments;
    let sweep = Sweep { seeds, only: only.into_iter().collect(), minimise, threads };
    let start = std::time::Instant::now();
    // The reader may close the pipe at any time.
    let report = sweep.run(|failure| drop(writeln!(std::io::stdout(), "{failure}")));
    let _ = writeln!(std::io::stdout(), "{report}{:.1?}", start.elapsed());
    ExitCode::from(u8::from(!report.failures.is_empty()))
}

/// Runs one network.
fn run_network(recipe: &Recipe) -> ExitCode {
    let scenario = recipe.scenario();
    let (routers, links) = (scenario.topology.routers.len(), scenario.topology.links.len());
    let (told, code) = match scenario.run() {
        Ok(report) => (Told(&report).to_string(), ExitCode::SUCCESS),
        Err(failure) => (failure.to_string(), ExitCode::from(1)),
    };
    // The reader may close the pipe at any time.
    let _ = write!(std::io::stdout(), "{routers} routers, {links} links, seed {}\n{told}", scenario.seed);
    code
}

/// Runs every file, even if others fail. A file that is not a case is wrong usage.
fn run_cases(files: &[PathBuf]) -> ExitCode {
    let mut code = 0;
    for file in files {
        let (told, of_file) = match run_case(file) {
            Ok(report) => (report.to_string(), u8::from(report.differences() > 0)),
            Err(error) => {
                let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
                (format!("error: {error}{cause}\n"), 2)
            }
        };
        // The reader may close the pipe at any time.
        let _ = match of_file {
            2 => write!(std::io::stderr(), "{told}"),
            _ => write!(std::io::stdout(), "{told}"),
        };
        code = code.max(of_file);
    }
    ExitCode::from(code)
}

/// Prints a report for humans.
struct Told<'a>(&'a Report);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { faults, phases, duration, counts, trace } = self.0;
        for Phase { cause, converged_after, counts } in phases {
            writeln!(f, "{cause}: converged to the oracle after {converged_after:.1?}")?;
            writeln!(
                f,
                "  {} packets, {} octets sent, of them {} and {} for flooding {} changes of LSAs{}",
                counts.packets,
                counts.octets,
                counts.flooding_packets,
                counts.flooding_octets,
                counts.originations,
                PerChange(counts)
            )?;
            writeln!(f, "  {} route changes, {} adjacency changes", counts.route_changes, counts.adjacency_changes)?;
        }
        writeln!(f, "{faults} faults, {duration:.1?} of virtual time in all; nothing changed after convergence")?;
        writeln!(
            f,
            "{} packets, {} octets sent; {} arrivals, {} ticks",
            counts.packets, counts.octets, counts.arrivals, counts.ticks
        )?;
        writeln!(f, "trace {trace:016x}")
    }
}

/// The average costs of flooding one change.
struct PerChange<'a>(&'a Counts);

impl fmt::Display for PerChange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = |sum: u64| sum as f64 / self.0.originations as f64;
        match self.0.originations {
            0 => Ok(()),
            _ => write!(
                f,
                ": {:.1} packets, {:.0} octets each",
                each(self.0.flooding_packets),
                each(self.0.flooding_octets)
            ),
        }
    }
}
