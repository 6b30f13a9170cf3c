//! The simulator on the command line: builds a network, runs it, and says how it went.

use std::error::Error;
use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ospf_sim::model::{Beginning, Bounds, Disturbances, Medium, Outcome, search};
use ospf_sim::{
    Aftermath, Afterwards, Counts, Phase, Prng, Probability, Quality, Report, Scenario, Timers, Topology, run_case,
};

/// Runs many OSPF routers in virtual time over a hostile network, and compares what they know with shortest paths.
///
/// Exit code 0: converged to the oracle or as the cases expect; 1: not, the reasons are told; 2: wrong usage, or a file that is no case.
#[derive(Parser)]
#[command(name = "ospf-sim", version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

/// More routers in full mesh have more links than there are subnets for.
const MAX_MESH: i64 = 700;

/// Databases of more routers than a few thousand do not fit into most memories.
const MAX_SPARSE: i64 = 5000;

#[derive(Subcommand)]
enum Command {
    /// Topology cases: what every router of a network in a file must have converged to
    Case {
        /// Files of the format of ../shared/conformance
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Explores all states of two or three routers joined by a hostile wire
    Model(ModelOptions),
    /// N routers, all joined to each other
    Mesh {
        /// Number of routers
        #[arg(value_parser = clap::value_parser!(u16).range(1..=MAX_MESH))]
        routers: u16,
        #[command(flatten)]
        options: Options,
    },
    /// Routers in rows and columns
    Grid {
        /// Columns and rows, such as 32x32
        size: GridSize,
        #[command(flatten)]
        options: Options,
    },
    /// N routers, each joined to the next
    Ring {
        /// Number of routers
        #[arg(value_parser = clap::value_parser!(u16).range(2..=MAX_SPARSE))]
        routers: u16,
        #[command(flatten)]
        options: Options,
    },
    /// N routers at random, joined by unnumbered links: sites with few tunnels each
    Sparse {
        /// Number of routers
        #[arg(value_parser = clap::value_parser!(u16).range(1..=MAX_SPARSE))]
        routers: u16,
        /// Links beyond those that join everybody
        #[arg(long, default_value_t = 10)]
        extra: u16,
        #[command(flatten)]
        options: Options,
    },
    /// A backbone and further areas at random, with LANs, stub networks and destinations outside
    Areas {
        /// Number of routers in the backbone
        #[arg(value_parser = clap::value_parser!(u16).range(1..=1000))]
        backbone: u16,
        /// Number of further areas
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(0..=30))]
        areas: u16,
        /// Routers of each that are in no other area
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=200))]
        inside: u16,
        #[command(flatten)]
        options: Options,
    },
    /// N routers at random, with costs, stub networks and destinations outside
    Random {
        /// Number of routers
        #[arg(value_parser = clap::value_parser!(u16).range(1..=MAX_SPARSE))]
        routers: u16,
        /// Links beyond those that join everybody
        #[arg(long, default_value_t = 10)]
        extra: u16,
        #[command(flatten)]
        options: Options,
    },
}

#[derive(Args)]
struct Options {
    /// Decides all chance: the same seed gives the same bytes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Probability that a packet is lost, 0 to 1
    #[arg(long, default_value = "0")]
    loss: Probability,
    /// Probability that a packet arrives twice
    #[arg(long, default_value = "0")]
    duplication: Probability,
    /// Probability that a packet is overtaken by later ones
    #[arg(long, default_value = "0")]
    reordering: Probability,
    /// Probability that a bit of a packet is changed
    #[arg(long, default_value = "0")]
    corruption: Probability,
    /// One-way delay of a link, milliseconds
    #[arg(long, value_name = "MS", default_value_t = 10)]
    delay: u32,
    /// Further delay of each packet, up to so many milliseconds
    #[arg(long, value_name = "MS", default_value_t = 5)]
    jitter: u32,
    /// Break and mend things for so many seconds first
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    faults: u32,
    /// Leave broken what is broken at the end
    #[arg(long)]
    leave_broken: bool,
    /// Then cut the network in two halves, and when both agree join them again
    #[arg(long)]
    partition: bool,
    /// Milliseconds between two faults, on average
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    fault_every: u32,
    /// HelloInterval, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1)]
    hello: u16,
    /// RouterDeadInterval, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    dead: u16,
    /// All have to agree so many seconds after the last fault
    #[arg(long, value_name = "SECONDS", default_value_t = ospf_sim::CONVERGENCE_BOUND.as_secs())]
    bound: u64,
    /// And nothing may change for so many seconds afterwards
    #[arg(long, value_name = "SECONDS", default_value_t = ospf_sim::QUIET.as_secs())]
    quiet: u64,
}

/// How routers of a model are joined.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum JoinedBy {
    /// Each two by a point-to-point link
    PointToPoint,
    /// Each to the next by a point-to-point link
    Chain,
    /// All by one broadcast network
    Broadcast,
}

#[derive(Args)]
struct ModelOptions {
    /// Routers
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(2..=3))]
    routers: u8,
    /// How they are joined
    #[arg(long, value_enum, default_value_t = JoinedBy::PointToPoint)]
    medium: JoinedBy,
    /// Begin with all adjacencies Full, not with routers that start
    #[arg(long)]
    converged: bool,
    /// IP MTU, bytes: 80 makes room for one LSA header in a Database Description
    #[arg(long, default_value_t = ospf_sim::MTU)]
    mtu: u16,
    /// External destinations of each router
    #[arg(long, default_value_t = 0)]
    externals: u8,
    /// Packets lost on one path through the states
    #[arg(long, default_value_t = 0)]
    losses: u8,
    /// Packets delivered twice
    #[arg(long, default_value_t = 0)]
    duplications: u8,
    /// Packets held back and delivered later than others
    #[arg(long, default_value_t = 0)]
    reorderings: u8,
    /// Restarts of routers
    #[arg(long, default_value_t = 0)]
    restarts: u8,
    /// External destinations added or withdrawn
    #[arg(long, default_value_t = 0)]
    changes: u8,
    /// All disturbances together, where that is less
    #[arg(long)]
    total: Option<u8>,
    /// Packets under way in one direction beyond which their sender takes nothing in
    #[arg(long, default_value_t = 3)]
    under_way: usize,
    /// A packet that was held back is delivered within so many milliseconds
    #[arg(long, value_name = "MS", default_value_t = 7000)]
    lifetime: u64,
    /// Each router starts so many milliseconds after the one before
    #[arg(long, value_name = "MS", default_value_t = 0)]
    offset: u64,
    /// HelloInterval, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    hello: u64,
    /// RouterDeadInterval, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 40)]
    dead: u64,
    /// Recovery takes no longer than so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 70)]
    recovery: u64,
    /// Steps from the start at the most
    #[arg(long, default_value_t = u32::MAX)]
    depth: u32,
    /// States at the most
    #[arg(long, default_value_t = usize::MAX)]
    states: usize,
    /// Different flaws to look for
    #[arg(long, default_value_t = 1)]
    flaws: usize,
    /// Threads
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

impl ModelOptions {
    #[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "it only says how long the search took")]
    fn run(&self) -> ExitCode {
        let bounds = self.bounds();
        let begin = std::time::Instant::now();
        let print = |total: u8, outcome: &Outcome| {
            let Outcome { states, steps, longest, slowest, .. } = outcome;
            let end = if outcome.is_complete { "all" } else { "not all" };
            let time = begin.elapsed();
            // Whoever has read enough may close the pipe.
            let _ = writeln!(
                std::io::stdout(),
                "{total} disturbances: {states} states ({end}), {steps} steps, longest path {longest}, slowest recovery {slowest:.1?}; {time:.1?}",
            );
        };
        let outcome = search(&bounds, print);
        for flaw in &outcome.flaws {
            let _ = writeln!(std::io::stdout(), "\n{flaw}");
        }
        if outcome.flaws.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) }
    }

    fn bounds(&self) -> Bounds {
        let &Self { losses, duplications, reorderings, restarts, changes, .. } = self;
        let kinds =
            Disturbances { losses, duplications, reorderings, restarts, changes, total: 0 }.unlimited_in_total();
        let total = self.total.map_or(kinds.total, |total| total.min(kinds.total));
        let timers = Timers {
            hello: Duration::from_secs(self.hello),
            dead: Duration::from_secs(self.dead),
            ..Timers::default()
        };
        Bounds {
            routers: self.routers.into(),
            medium: match self.medium {
                JoinedBy::PointToPoint => Medium::PointToPoint,
                JoinedBy::Chain => Medium::Chain,
                JoinedBy::Broadcast => Medium::Broadcast,
            },
            beginning: if self.converged { Beginning::Converged } else { Beginning::Started },
            mtu: self.mtu,
            externals: self.externals,
            timers,
            start_offset: Duration::from_millis(self.offset),
            disturbances: Disturbances { total, ..kinds },
            under_way: self.under_way,
            lifetime: Duration::from_millis(self.lifetime),
            recovery: Duration::from_secs(self.recovery),
            quiet: timers.dead + timers.hello,
            states: self.states,
            depth: self.depth,
            flaws: self.flaws,
            threads: self.threads,
            ..Bounds::default()
        }
    }
}

/// Columns and rows.
#[derive(Debug, Clone, Copy)]
struct GridSize {
    width: usize,
    height: usize,
}

impl FromStr for GridSize {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (width, height) = text.split_once('x').ok_or("columns and rows, such as 32x32")?;
        let number = |text: &str| match text.parse() {
            Ok(number @ 1..=100) => Ok(number),
            Ok(_) | Err(_) => Err("columns and rows from 1 to 100"),
        };
        Ok(Self { width: number(width)?, height: number(height)? })
    }
}

fn main() -> ExitCode {
    let (topology, options) = match CommandLine::parse().command {
        Command::Case { files } => return run_cases(&files),
        Command::Model(options) => return options.run(),
        Command::Mesh { routers, options } => (Topology::mesh(routers.into()), options),
        Command::Grid { size, options } => (Topology::grid(size.width, size.height), options),
        Command::Ring { routers, options } => (Topology::ring(routers.into()), options),
        Command::Areas { backbone, areas, inside, options } => {
            (Topology::areas(backbone.into(), areas.into(), inside.into(), &mut Prng::new(options.seed)), options)
        }
        Command::Sparse { routers, extra, options } => {
            (Topology::sparse(routers.into(), extra.into(), &mut Prng::new(options.seed)), options)
        }
        Command::Random { routers, extra, options } => {
            (Topology::random(routers.into(), extra.into(), &mut Prng::new(options.seed)), options)
        }
    };
    let scenario = options.scenario(topology);
    let (routers, links) = (scenario.topology.routers.len(), scenario.topology.links.len());
    let (told, code) = match scenario.run() {
        Ok(report) => (Told(&report).to_string(), ExitCode::SUCCESS),
        Err(failure) => (failure.to_string(), ExitCode::from(1)),
    };
    // Whoever has read enough may close the pipe.
    let _ = write!(std::io::stdout(), "{routers} routers, {links} links, seed {}\n{told}", scenario.seed);
    code
}

/// Runs every file, whatever becomes of the others. A file that is no case is wrong usage.
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
        // Whoever has read enough may close the pipe.
        let _ = match of_file {
            2 => write!(std::io::stderr(), "{told}"),
            _ => write!(std::io::stdout(), "{told}"),
        };
        code = code.max(of_file);
    }
    ExitCode::from(code)
}

impl Options {
    fn scenario(&self, topology: Topology) -> Scenario {
        let millis = |millis: u32| Duration::from_millis(millis.into());
        let seconds = |seconds: u16| Duration::from_secs(seconds.into());
        Scenario {
            timers: Timers { hello: seconds(self.hello), dead: seconds(self.dead), ..Timers::default() },
            quality: Quality {
                delay: millis(self.delay),
                jitter: millis(self.jitter),
                loss: self.loss,
                duplication: self.duplication,
                reordering: self.reordering,
                corruption: self.corruption,
            },
            start_within: Duration::from_secs(1),
            faults_for: Duration::from_secs(self.faults.into()),
            fault_every: millis(self.fault_every),
            afterwards: if self.partition { Afterwards::Partition } else { Afterwards::Nothing },
            aftermath: if self.leave_broken { Aftermath::Broken } else { Aftermath::Healed },
            bound: Duration::from_secs(self.bound),
            quiet: Duration::from_secs(self.quiet),
            ..Scenario::new(topology, self.seed)
        }
    }
}

/// A report for people.
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

/// What flooding one change took, on average.
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
