//! A run as a command line: the shape of the network and every option. Whatever a sweep varies is in here, so that its failures can be
//! run again by hand; `Display` prints the command line.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use ospf::{AreaId, AreaKind, SequenceCheck, Summaries};

use crate::fault::FurtherFaults;
use crate::keys::KeyRollover;
use crate::link::Quality;
use crate::prng::{Prng, Probability};
use crate::router::Timers;
use crate::scenario::{Aftermath, Afterwards, CONVERGENCE_BOUND, QUIET, Scenario};
use crate::topology::{RouterIndex, Topology};

/// More routers in full mesh have more links than there are subnets for.
const MAX_MESH: i64 = 700;

/// Databases of more routers than a few thousand do not fit into most memories.
const MAX_SPARSE: i64 = 5000;

/// A run: the network and what happens to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// The network.
    pub shape: Shape,
    /// What happens to it.
    pub options: Options,
}

/// A kind of network and its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// [`Topology::mesh`].
    Mesh {
        /// Number of routers.
        routers: u16,
    },
    /// [`Topology::grid`].
    Grid(GridSize),
    /// [`Topology::ring`].
    Ring {
        /// Number of routers.
        routers: u16,
    },
    /// [`Topology::sparse`].
    Sparse {
        /// Number of routers.
        routers: u16,
        /// Links beyond a tree.
        extra: u16,
    },
    /// [`Topology::areas`].
    Areas {
        /// Number of routers in the backbone.
        backbone: u16,
        /// Number of further areas.
        areas: u16,
        /// Routers of each that are in no other area.
        inside: u16,
        /// What the first of the further areas lets in.
        first: FirstArea,
    },
    /// [`Topology::random`].
    Random {
        /// Number of routers.
        routers: u16,
        /// Links beyond a tree.
        extra: u16,
    },
}

/// Which sequence numbers of authenticated packets are new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeySequence {
    /// Those not smaller than the last
    NotSmaller,
    /// Those larger than the last
    Strict,
    /// Those larger than the last of their type of packet, in 64 bits (RFC 7474)
    Extended,
}

/// What the first of the further areas lets in; the others let in everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FirstArea {
    /// Everything
    Normal,
    /// No AS-external-LSAs
    Stub,
    /// A default route only
    TotallyStubby,
}

/// Columns and rows of a grid, 1 to 100 each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GridSize {
    /// Number of columns.
    pub width: u16,
    /// Number of rows.
    pub height: u16,
}

/// The commands that run one network.
#[derive(Debug, Clone, Subcommand)]
pub enum NetworkCommand {
    /// N routers, all joined to each other
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
    /// N routers, each joined to the next
    Ring {
        /// Number of routers
        #[arg(value_parser = clap::value_parser!(u16).range(2..=MAX_SPARSE))]
        routers: u16,
        /// What happens to it
        #[command(flatten)]
        options: Options,
    },
    /// N routers at random, joined by unnumbered links: sites with few tunnels each
    Sparse {
        /// Number of routers
        #[arg(value_parser = clap::value_parser!(u16).range(1..=MAX_SPARSE))]
        routers: u16,
        /// Links beyond those that join everybody
        #[arg(long, default_value_t = DEFAULT_EXTRA)]
        extra: u16,
        /// What happens to it
        #[command(flatten)]
        options: Options,
    },
    /// A backbone and further areas at random, with LANs, stub networks and destinations outside
    Areas {
        /// Number of routers in the backbone
        #[arg(value_parser = clap::value_parser!(u16).range(1..=1000))]
        backbone: u16,
        /// Number of further areas
        #[arg(long, default_value_t = DEFAULT_AREAS, value_parser = clap::value_parser!(u16).range(0..=30))]
        areas: u16,
        /// Routers of each that are in no other area
        #[arg(long, default_value_t = DEFAULT_INSIDE, value_parser = clap::value_parser!(u16).range(1..=200))]
        inside: u16,
        /// What the first of the further areas lets in
        #[arg(long, value_enum, default_value_t = FirstArea::Normal)]
        first_area: FirstArea,
        /// What happens to it
        #[command(flatten)]
        options: Options,
    },
    /// N routers at random, with costs, stub networks and destinations outside
    Random {
        /// Number of routers
        #[arg(value_parser = clap::value_parser!(u16).range(1..=MAX_SPARSE))]
        routers: u16,
        /// Links beyond those that join everybody
        #[arg(long, default_value_t = DEFAULT_EXTRA)]
        extra: u16,
        /// What happens to it
        #[command(flatten)]
        options: Options,
    },
}

const DEFAULT_EXTRA: u16 = 10;
const DEFAULT_AREAS: u16 = 2;
const DEFAULT_INSIDE: u16 = 3;

/// Metric of the default route of stub areas: about as much as a link.
const DEFAULT_COST: u32 = 3;

/// What happens to a network.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct Options {
    /// Decides all chance: the same seed gives the same bytes
    #[arg(long, default_value_t = Self::DEFAULT.seed)]
    pub seed: u64,
    /// Decides what happens to packets in place of the seed, which then decides everything else
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
    /// Further delay of each packet, up to so many milliseconds
    #[arg(long, value_name = "MS", default_value_t = Self::DEFAULT.jitter)]
    pub jitter: u32,
    /// Break and mend things for so many seconds first
    #[arg(long, value_name = "SECONDS", default_value_t = Self::DEFAULT.faults)]
    pub faults: u32,
    /// Milliseconds between two faults, on average
    #[arg(long, value_name = "MS", default_value_t = Self::DEFAULT.fault_every)]
    pub fault_every: u32,
    /// Among the faults are graceful restarts, planned and not
    #[arg(long)]
    pub restarts: bool,
    /// Of these faults only those with these numbers happen, such as 3,7,12, or none
    #[arg(long, value_name = "NUMBERS")]
    pub faults_only: Option<Numbers>,
    /// Routers that never start, by their numbers from 0, such as 3,7,12
    #[arg(long, value_name = "NUMBERS", default_value_t = Self::DEFAULT.absent)]
    pub absent: Numbers,
    /// Leave broken what is broken at the end
    #[arg(long)]
    pub leave_broken: bool,
    /// Then cut the network in two halves, and when both agree join them again
    #[arg(long)]
    pub partition: bool,
    /// Authenticate all packets, each key being used for so many seconds; 0 for no authentication
    #[arg(long, value_name = "SECONDS", default_value_t = Self::DEFAULT.key_every)]
    pub key_every: u16,
    /// Which sequence numbers of authenticated packets are new
    #[arg(long, value_enum, default_value_t = Self::DEFAULT.key_sequence)]
    pub key_sequence: KeySequence,
    /// HelloInterval, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = Self::DEFAULT.hello)]
    pub hello: u16,
    /// RouterDeadInterval, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = Self::DEFAULT.dead)]
    pub dead: u16,
    /// All have to agree so many seconds after the last fault
    #[arg(long, value_name = "SECONDS", default_value_t = Self::DEFAULT.bound)]
    pub bound: u64,
    /// And nothing may change for so many seconds afterwards
    #[arg(long, value_name = "SECONDS", default_value_t = Self::DEFAULT.quiet)]
    pub quiet: u64,
}

/// A set of numbers on the command line: separated by commas, or `none`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Numbers(pub BTreeSet<usize>);

impl Options {
    /// What the command line means where it names no option.
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
        faults_only: None,
        absent: Numbers(BTreeSet::new()),
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

impl Recipe {
    /// The run that this describes.
    pub fn scenario(&self) -> Scenario {
        let options = &self.options;
        let millis = |millis: u32| Duration::from_millis(millis.into());
        let seconds = |seconds: u16| Duration::from_secs(seconds.into());
        Scenario {
            timers: Timers { hello: seconds(options.hello), dead: seconds(options.dead), ..Timers::default() },
            quality: Quality {
                delay: millis(options.delay),
                jitter: millis(options.jitter),
                loss: options.loss,
                duplication: options.duplication,
                reordering: options.reordering,
                corruption: options.corruption,
            },
            chance: options.chance,
            keys: (options.key_every > 0)
                .then(|| KeyRollover { every: seconds(options.key_every), sequence: options.key_sequence.check() }),
            start_within: Duration::from_secs(1),
            absent: options.absent.0.iter().copied().map(RouterIndex).collect(),
            faults_for: Duration::from_secs(options.faults.into()),
            fault_every: millis(options.fault_every),
            further_faults: FurtherFaults { restarts: options.restarts },
            faults_only: options.faults_only.as_ref().map(|numbers| numbers.0.clone()),
            afterwards: if options.partition { Afterwards::Partition } else { Afterwards::Nothing },
            aftermath: if options.leave_broken { Aftermath::Broken } else { Aftermath::Healed },
            bound: Duration::from_secs(options.bound),
            quiet: Duration::from_secs(options.quiet),
            ..Scenario::new(self.shape.topology(options.seed), options.seed)
        }
    }
}

impl Shape {
    /// The network of this shape and seed.
    pub fn topology(self, seed: u64) -> Topology {
        let prng = &mut Prng::new(seed);
        match self {
            Self::Mesh { routers } => Topology::mesh(routers.into()),
            Self::Grid(GridSize { width, height }) => Topology::grid(width.into(), height.into()),
            Self::Ring { routers } => Topology::ring(routers.into()),
            Self::Sparse { routers, extra } => Topology::sparse(routers.into(), extra.into(), prng),
            Self::Areas { backbone, areas, inside, first } => {
                let mut topology = Topology::areas(backbone.into(), areas.into(), inside.into(), prng);
                if areas > 0 && first != FirstArea::Normal {
                    topology.set_kind(AreaId(1), first.kind());
                }
                topology
            }
            Self::Random { routers, extra } => Topology::random(routers.into(), extra.into(), prng),
        }
    }
}

impl KeySequence {
    fn check(self) -> SequenceCheck {
        match self {
            Self::NotSmaller => SequenceCheck::NotSmaller,
            Self::Strict => SequenceCheck::Strict,
            Self::Extended => SequenceCheck::Extended,
        }
    }
}

impl FirstArea {
    fn kind(self) -> AreaKind {
        let stub = |summaries| AreaKind::Stub { summaries, default_cost: DEFAULT_COST };
        match self {
            Self::Normal => AreaKind::Normal,
            Self::Stub => stub(Summaries::Imported),
            Self::TotallyStubby => stub(Summaries::DefaultOnly),
        }
    }
}

impl From<NetworkCommand> for Recipe {
    fn from(command: NetworkCommand) -> Self {
        let (shape, options) = match command {
            NetworkCommand::Mesh { routers, options } => (Shape::Mesh { routers }, options),
            NetworkCommand::Grid { size, options } => (Shape::Grid(size), options),
            NetworkCommand::Ring { routers, options } => (Shape::Ring { routers }, options),
            NetworkCommand::Sparse { routers, extra, options } => (Shape::Sparse { routers, extra }, options),
            NetworkCommand::Areas { backbone, areas, inside, first_area: first, options } => {
                (Shape::Areas { backbone, areas, inside, first }, options)
            }
            NetworkCommand::Random { routers, extra, options } => (Shape::Random { routers, extra }, options),
        };
        Self { shape, options }
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ospf-sim {}{}", self.shape, self.options)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mesh { routers } => write!(f, "mesh {routers}"),
            Self::Grid(GridSize { width, height }) => write!(f, "grid {width}x{height}"),
            Self::Ring { routers } => write!(f, "ring {routers}"),
            Self::Sparse { routers, extra } => write!(f, "sparse {routers} --extra {extra}"),
            Self::Areas { backbone, areas, inside, first } => {
                write!(f, "areas {backbone} --areas {areas} --inside {inside}")?;
                option(f, "first-area", first, &FirstArea::Normal)
            }
            Self::Random { routers, extra } => write!(f, "random {routers} --extra {extra}"),
        }
    }
}

/// Every option that differs from its default, each with a space before it.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, chance, loss, duplication, reordering, corruption, delay, jitter, faults, .. } = self;
        let Self { fault_every, restarts, faults_only, absent, leave_broken, partition, .. } = self;
        let Self { key_every, key_sequence, hello, dead, bound, quiet, .. } = self;
        let default = &Self::DEFAULT;
        write!(f, " --seed {seed}")?;
        if let Some(chance) = chance {
            write!(f, " --chance {chance}")?;
        }
        option(f, "loss", loss, &default.loss)?;
        option(f, "duplication", duplication, &default.duplication)?;
        option(f, "reordering", reordering, &default.reordering)?;
        option(f, "corruption", corruption, &default.corruption)?;
        option(f, "delay", delay, &default.delay)?;
        option(f, "jitter", jitter, &default.jitter)?;
        option(f, "faults", faults, &default.faults)?;
        option(f, "fault-every", fault_every, &default.fault_every)?;
        flag(f, "restarts", *restarts)?;
        if let Some(numbers) = faults_only {
            write!(f, " --faults-only {numbers}")?;
        }
        option(f, "absent", absent, &default.absent)?;
        flag(f, "leave-broken", *leave_broken)?;
        flag(f, "partition", *partition)?;
        option(f, "key-every", key_every, &default.key_every)?;
        option(f, "key-sequence", key_sequence, &default.key_sequence)?;
        option(f, "hello", hello, &default.hello)?;
        option(f, "dead", dead, &default.dead)?;
        option(f, "bound", bound, &default.bound)?;
        option(f, "quiet", quiet, &default.quiet)
    }
}

fn option<T: fmt::Display + PartialEq>(f: &mut fmt::Formatter<'_>, name: &str, value: &T, default: &T) -> fmt::Result {
    if value == default { Ok(()) } else { write!(f, " --{name} {value}") }
}

fn flag(f: &mut fmt::Formatter<'_>, name: &str, is_set: bool) -> fmt::Result {
    if is_set { write!(f, " --{name}") } else { Ok(()) }
}

impl fmt::Display for FirstArea {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        name_of(self, f)
    }
}

impl fmt::Display for KeySequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        name_of(self, f)
    }
}

fn name_of(value: &impl ValueEnum, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let value = value.to_possible_value().expect("no value is hidden");
    f.write_str(value.get_name())
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        let mut separator = "";
        for number in &self.0 {
            write!(f, "{separator}{number}")?;
            separator = ",";
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct CommandLine {
        #[command(subcommand)]
        command: NetworkCommand,
    }

    fn parse(line: &str) -> Recipe {
        CommandLine::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}")).command.into()
    }

    #[test]
    fn options_that_are_not_named_have_their_default() {
        assert_eq!(parse("ospf-sim ring 3").options, Options::DEFAULT);
    }

    #[test]
    fn a_printed_command_line_means_what_was_printed() {
        let percent = |percent: f64| Probability::new(percent / 100.0).unwrap();
        let all = Options {
            seed: u64::MAX,
            chance: Some(17),
            loss: percent(26.0),
            duplication: percent(15.0),
            reordering: percent(20.0),
            corruption: percent(1.0),
            delay: 2,
            jitter: 3,
            faults: 4,
            fault_every: 5,
            restarts: true,
            faults_only: Some(Numbers(BTreeSet::from([3, 12, 7]))),
            absent: Numbers(BTreeSet::from([0, 2])),
            leave_broken: true,
            partition: true,
            key_every: 11,
            key_sequence: KeySequence::Extended,
            hello: 6,
            dead: 7,
            bound: 8,
            quiet: 9,
        };
        let none = Options { faults_only: Some(Numbers::default()), ..Options::DEFAULT };
        let shapes = [
            Shape::Mesh { routers: 3 },
            Shape::Grid(GridSize { width: 3, height: 4 }),
            Shape::Ring { routers: 5 },
            Shape::Sparse { routers: 6, extra: 0 },
            Shape::Areas { backbone: 7, areas: 1, inside: 8, first: FirstArea::Normal },
            Shape::Areas { backbone: 7, areas: 1, inside: 8, first: FirstArea::TotallyStubby },
            Shape::Random { routers: 9, extra: 2 },
        ];
        for shape in shapes {
            for options in [&all, &none, &Options::DEFAULT] {
                let recipe = Recipe { shape, options: options.clone() };
                assert_eq!(parse(&recipe.to_string()), recipe, "{recipe}");
            }
        }
    }
}
