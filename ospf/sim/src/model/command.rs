//! The model checker's command line.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use ospf::Conduct;

use super::bounds::{Beginning, Bounds, Disturbances, Medium};
use super::search::{Outcome, search};
use crate::recipe::{Deviations, Numbers};
use crate::router::Timers;

/// How the routers of a model are connected.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum JoinedBy {
    /// A point-to-point link between any two
    PointToPoint,
    /// A point-to-point link from each to the next
    Chain,
    /// One broadcast network for all
    Broadcast,
}

/// Explores all states of two or three routers whose packets are lost, duplicated and reordered, up to given bounds.
#[derive(Debug, Args)]
pub struct ModelCommand {
    /// Number of routers
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(2..=3))]
    routers: u8,
    /// How the routers are connected
    #[arg(long, value_enum, default_value_t = JoinedBy::PointToPoint)]
    medium: JoinedBy,
    /// Routers that behave as other implementations do, by their numbers from 0, such as 0,2
    #[arg(long, value_name = "NUMBERS", default_value_t)]
    foreign: Numbers,
    /// The deviations from RFC 2328 that these routers do without, by names separated by commas; all if not given
    #[arg(long, value_name = "DEVIATIONS")]
    gives_up: Option<Deviations>,
    /// Begin with all adjacencies Full, not with routers that start
    #[arg(long)]
    converged: bool,
    /// IP MTU, octets: 80 leaves room for one LSA header in a Database Description
    #[arg(long, default_value_t = crate::MTU)]
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
    /// Disturbances of all kinds together, if fewer than the sum of the kinds
    #[arg(long)]
    total: Option<u8>,
    /// A router accepts no input while more packets than this are under way from it in one direction
    #[arg(long, default_value_t = 3)]
    under_way: usize,
    /// A held-back packet is delivered within this many milliseconds
    #[arg(long, value_name = "MS", default_value_t = 7000)]
    lifetime: u64,
    /// Each router starts this many milliseconds after the one before
    #[arg(long, value_name = "MS", default_value_t = 0)]
    offset: u64,
    /// HelloInterval, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    hello: u64,
    /// RouterDeadInterval, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 40)]
    dead: u64,
    /// Recovery must take no longer than this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 70)]
    recovery: u64,
    /// Most steps from the start
    #[arg(long, default_value_t = u32::MAX)]
    depth: u32,
    /// Most states
    #[arg(long, default_value_t = usize::MAX)]
    states: usize,
    /// Number of different flaws to look for
    #[arg(long, default_value_t = 1)]
    flaws: usize,
    /// Number of threads
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

impl ModelCommand {
    #[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "it only says how long the search took")]
    /// Prints how far each search went, and the path to every flaw; exits with code 1 if there is one.
    pub fn run(&self) -> ExitCode {
        let bounds = self.bounds();
        let begin = std::time::Instant::now();
        let print = |total: u8, outcome: &Outcome| {
            let Outcome { states, steps, longest, slowest, .. } = outcome;
            let end = if outcome.is_complete { "all" } else { "not all" };
            let time = begin.elapsed();
            // The reader may close the pipe at any time.
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
            foreign: self.foreign.0.clone(),
            conduct: self.gives_up.as_ref().map_or_else(Conduct::foreign, Deviations::conduct),
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
