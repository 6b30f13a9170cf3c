//! The command line of a run: its commands, its options, and their defaults.

use std::collections::BTreeSet;
use std::str::FromStr;

use clap::{Args, Subcommand};
use ospf::{Conduct, Deviation};

use super::{FirstArea, GridSize, KeySequence, Recipe, Shape};
use crate::prng::Probability;
use crate::scenario::{CONVERGENCE_BOUND, QUIET};

/// The most routers in a full mesh: with more, there would be more links than subnets.
const MAX_MESH: i64 = 700;

/// The most routers in other shapes: databases of more than a few thousand routers need too much memory.
const MAX_SPARSE: i64 = 5000;

/// The commands that run one network.
#[derive(Debug, Clone, Subcommand)]
pub enum NetworkCommand {
    /// N routers, all connected to each other
    Mesh {
        /// Number of routers
        #[arg(value_parser = clap::value_parser!(u16).range(1..=MAX_MESH))]
        routers: u16,
        /// What happens to it
        #[command(flatten)]
        options: Options,
    },
    /// Routers in rows and columns
    Grid {
        /// Columns and rows, such as 32x32
        size: GridSize,
        /// What happens to it
        #[command(flatten)]
        options: Options,
    },
    /// N routers, each connected to the next
    Ring {
        /// Number of routers
        #[arg(value_parser = clap::value_parser!(u16).range(2..=MAX_SPARSE))]
        routers: u16,
        /// What happens to it
        #[command(flatten)]
        options: Options,
    },
    /// N routers at random, connected by unnumbered links: sites with few tunnels each
    Sparse {
        /// Number of routers
        #[arg(value_parser = clap::value_parser!(u16).range(1..=MAX_SPARSE))]
        routers: u16,
        /// Links beyond those that connect all routers
        #[arg(long, default_value_t = DEFAULT_EXTRA)]
        extra: u16,
        /// What happens to it
        #[command(flatten)]
        options: Options,
    },
    /// A backbone and further areas at random, with LANs, stub networks and external destinations
    Areas {
        /// Number of routers in the backbone
        #[arg(value_parser = clap::value_parser!(u16).range(1..=1000))]
        backbone: u16,
        /// Number of further areas
        #[arg(long, default_value_t = DEFAULT_AREAS, value_parser = clap::value_parser!(u16).range(0..=30))]
        areas: u16,
        /// Routers of each further area that are in no other area
        #[arg(long, default_value_t = DEFAULT_INSIDE, value_parser = clap::value_parser!(u16).range(1..=200))]
        inside: u16,
        /// What the first of the further areas lets in
        #[arg(long, value_enum, default_value_t = FirstArea::Normal)]
        first_area: FirstArea,
        /// Some LANs are non-broadcast, some point-to-multipoint networks
        #[arg(long)]
        mixed: bool,
        /// One more area, connected to the backbone by virtual links through the first area, which is normal
        #[arg(long)]
        beyond: bool,
        /// What happens to it
        #[command(flatten)]
        options: Options,
    },
    /// N routers at random, with costs, stub networks and external destinations
    Random {
        /// Number of routers
        #[arg(value_parser = clap::value_parser!(u16).range(1..=MAX_SPARSE))]
        routers: u16,
        /// Links beyond those that connect all routers
        #[arg(long, default_value_t = DEFAULT_EXTRA)]
        extra: u16,
        /// Networks of up to five routers: broadcast, non-broadcast and point-to-multipoint
        #[arg(long, default_value_t = 0)]
        lans: u16,
        /// What happens to it
        #[command(flatten)]
        options: Options,
    },
}

const DEFAULT_EXTRA: u16 = 10;
const DEFAULT_AREAS: u16 = 2;
const DEFAULT_INSIDE: u16 = 3;

/// What happens to a network.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct Options {
    /// Seed of all random choices: the same seed gives the same bytes
    #[arg(long, default_value_t = Self::DEFAULT.seed)]
    pub seed: u64,
    /// Seed of what happens to packets, if not --seed, which then determines everything else
    #[arg(long, value_name = "SEED")]
    pub chance: Option<u64>,
    /// Probability that a packet is lost, 0 to 1
    #[arg(long, default_value_t = Self::DEFAULT.loss)]
    pub loss: Probability,
    /// Probability that a packet arrives twice
    #[arg(long, default_value_t = Self::DEFAULT.duplication)]
    pub duplication: Probability,
    /// Probability that a packet is overtaken by later ones
    #[arg(long, default_value_t = Self::DEFAULT.reordering)]
    pub reordering: Probability,
    /// Probability that a bit of a packet is changed
    #[arg(long, default_value_t = Self::DEFAULT.corruption)]
    pub corruption: Probability,
    /// One-way delay of a link, milliseconds
    #[arg(long, value_name = "MS", default_value_t = Self::DEFAULT.delay)]
    pub delay: u32,
    /// Further random delay of each packet, up to this many milliseconds
    #[arg(long, value_name = "MS", default_value_t = Self::DEFAULT.jitter)]
    pub jitter: u32,
    /// Begin with faults and repairs for this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = Self::DEFAULT.faults)]
    pub faults: u32,
    /// Milliseconds between two faults, on average
    #[arg(long, value_name = "MS", default_value_t = Self::DEFAULT.fault_every)]
    pub fault_every: u32,
    /// Include graceful restarts among the faults, planned and unplanned
    #[arg(long)]
    pub restarts: bool,
    /// Include changes of the configuration among the faults
    #[arg(long)]
    pub changes: bool,
    /// Of the faults, only those with these numbers happen, such as 3,7,12, or none
    #[arg(long, value_name = "NUMBERS")]
    pub faults_only: Option<Numbers>,
    /// Routers that never start, by their numbers from 0, such as 3,7,12
    #[arg(long, value_name = "NUMBERS", default_value_t = Self::DEFAULT.absent)]
    pub absent: Numbers,
    /// Routers that behave as other implementations do, by their numbers from 0, such as 3,7,12; packets between them keep their order
    #[arg(long, value_name = "NUMBERS", default_value_t = Self::DEFAULT.foreign)]
    pub foreign: Numbers,
    /// The deviations from RFC 2328 that these routers do without, by names separated by commas; all if not given
    #[arg(long, value_name = "DEVIATIONS")]
    pub gives_up: Option<Deviations>,
    /// At the end of the faults, leave broken what is broken
    #[arg(long)]
    pub leave_broken: bool,
    /// After that cut the network in two halves, and join them again when both agree
    #[arg(long)]
    pub partition: bool,
    /// Authenticate all packets, with each key for this many seconds; 0 for no authentication
    #[arg(long, value_name = "SECONDS", default_value_t = Self::DEFAULT.key_every)]
    pub key_every: u16,
    /// Which sequence numbers of authenticated packets are accepted as new
    #[arg(long, value_enum, default_value_t = Self::DEFAULT.key_sequence)]
    pub key_sequence: KeySequence,
    /// HelloInterval, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = Self::DEFAULT.hello)]
    pub hello: u16,
    /// RouterDeadInterval, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = Self::DEFAULT.dead)]
    pub dead: u16,
    /// All routers must agree this many seconds after the last fault
    #[arg(long, value_name = "SECONDS", default_value_t = Self::DEFAULT.bound)]
    pub bound: u64,
    /// After that, nothing may change for this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = Self::DEFAULT.quiet)]
    pub quiet: u64,
}

/// A set of numbers on the command line: separated by commas, or `none`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Numbers(pub BTreeSet<usize>);

/// Deviations from RFC 2328 on the command line: separated by commas, or `none`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deviations(pub BTreeSet<Deviation>);

impl Deviations {
    /// Returns the conduct of a router without these deviations.
    pub fn conduct(&self) -> Conduct {
        self.0.iter().copied().fold(Conduct::default(), Conduct::without)
    }
}

impl Options {
    /// The defaults of the command line.
    pub const DEFAULT: Self = Self {
        seed: 1,
        chance: None,
        loss: Probability::ZERO,
        duplication: Probability::ZERO,
        reordering: Probability::ZERO,
        corruption: Probability::ZERO,
        delay: 10,
        jitter: 5,
        faults: 0,
        fault_every: 1000,
        restarts: false,
        changes: false,
        faults_only: None,
        absent: Numbers(BTreeSet::new()),
        foreign: Numbers(BTreeSet::new()),
        gives_up: None,
        leave_broken: false,
        partition: false,
        key_every: 0,
        key_sequence: KeySequence::NotSmaller,
        hello: 1,
        dead: 10,
        bound: CONVERGENCE_BOUND.as_secs(),
        quiet: QUIET.as_secs(),
    };
}

impl From<NetworkCommand> for Recipe {
    fn from(command: NetworkCommand) -> Self {
        let (shape, options) = match command {
            NetworkCommand::Mesh { routers, options } => (Shape::Mesh { routers }, options),
            NetworkCommand::Grid { size, options } => (Shape::Grid(size), options),
            NetworkCommand::Ring { routers, options } => (Shape::Ring { routers }, options),
            NetworkCommand::Sparse { routers, extra, options } => (Shape::Sparse { routers, extra }, options),
            NetworkCommand::Areas { backbone, areas, inside, first_area: first, mixed, beyond, options } => {
                (Shape::Areas { backbone, areas, inside, first, mixed, beyond }, options)
            }
            NetworkCommand::Random { routers, extra, lans, options } => {
                (Shape::Random { routers, extra, lans }, options)
            }
        };
        Self { shape, options }
    }
}

impl FromStr for Numbers {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" {
            return Ok(Self::default());
        }
        let numbers: Result<_, _> = text.split(',').map(str::parse).collect();
        numbers.map(Self).map_err(|_| "numbers separated by commas, such as 3,7,12, or none")
    }
}

impl FromStr for Deviations {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(BTreeSet::new()));
        }
        text.split(',').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
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
