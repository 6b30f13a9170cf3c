//! A run as a command line: the shape of the network, and every option. It contains everything that a sweep varies, so that failures can be
//! repeated by hand.

mod arguments;
mod print;

use std::time::Duration;

use clap::ValueEnum;
use ospf::{AreaId, AreaKind, Conduct, NssaConfig, SequenceCheck, Summaries};

use crate::fault::FurtherFaults;
use crate::keys::KeyRollover;
use crate::link::Quality;
use crate::prng::Prng;
use crate::router::Timers;
use crate::scenario::{Aftermath, Afterwards, Scenario};
use crate::topology::{RouterIndex, Topology};

pub use arguments::{Deviations, NetworkCommand, Numbers, Options};

/// A run: the network, and what happens to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// The network.
    pub shape: Shape,
    /// What happens to it.
    pub options: Options,
}

/// The kind of a network, and its size.
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
        /// The number of links beyond a tree.
        extra: u16,
    },
    /// [`Topology::areas`].
    Areas {
        /// Number of routers in the backbone.
        backbone: u16,
        /// Number of further areas.
        areas: u16,
        /// The number of routers in each further area that are in no other area.
        inside: u16,
        /// The kind of the first of the further areas.
        first: FirstArea,
        /// Whether [`Topology::mix_lans`] is applied.
        mixed: bool,
        /// Whether [`Topology::add_beyond`] is applied, which requires a normal first area.
        beyond: bool,
    },
    /// [`Topology::random`].
    Random {
        /// Number of routers.
        routers: u16,
        /// The number of links beyond a tree.
        extra: u16,
        /// The number of networks with more than two routers, of all kinds.
        lans: u16,
    },
}

/// Which sequence numbers of authenticated packets are accepted as new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeySequence {
    /// Those not smaller than the last
    NotSmaller,
    /// Those larger than the last
    Strict,
    /// Those larger than the last of their type of packet, in 64 bits (RFC 7474)
    Extended,
}

/// The kind of the first of the further areas; the others are normal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FirstArea {
    /// Everything
    Normal,
    /// No AS-external-LSAs
    Stub,
    /// A default route only
    TotallyStubby,
    /// No AS-external-LSAs, but its own (RFC 3101)
    Nssa,
    /// The same, and a default route in place of networks in other areas
    TotallyNssa,
}

/// Columns and rows of a grid, 1 to 100 each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GridSize {
    /// Number of columns.
    pub width: u16,
    /// Number of rows.
    pub height: u16,
}

/// The kinds of LANs, the NSSA translators and the area beyond area 1 are drawn from separate random sequences, so that they do not change
/// anything else in a network.
const LANS: u64 = 0x4c41_4e53_0000_0001;
const TRANSLATORS: u64 = 0x5452_4e53_0000_0001;
const BEYOND: u64 = 0x4259_4e44_0000_0001;

/// The metric of the default route of stub areas, which is similar to the cost of a link.
const DEFAULT_COST: u32 = 3;

impl Recipe {
    /// Returns the scenario that this describes.
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
            foreign: options.foreign.0.iter().copied().map(RouterIndex).collect(),
            conduct: options.gives_up.as_ref().map_or_else(Conduct::foreign, Deviations::conduct),
            faults_for: Duration::from_secs(options.faults.into()),
            fault_every: millis(options.fault_every),
            further_faults: FurtherFaults { restarts: options.restarts, changes: options.changes },
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
    /// Builds the network of this shape and seed.
    pub fn topology(self, seed: u64) -> Topology {
        let prng = &mut Prng::new(seed);
        match self {
            Self::Mesh { routers } => Topology::mesh(routers.into()),
            Self::Grid(GridSize { width, height }) => Topology::grid(width.into(), height.into()),
            Self::Ring { routers } => Topology::ring(routers.into()),
            Self::Sparse { routers, extra } => Topology::sparse(routers.into(), extra.into(), prng),
            Self::Areas { backbone, areas, inside, first, mixed, beyond } => {
                let mut topology = Topology::areas(backbone.into(), areas.into(), inside.into(), prng);
                if areas > 0 && first != FirstArea::Normal {
                    topology.set_kind(AreaId(1), first.kind());
                    topology.draw_translators(&mut Prng::new(seed.wrapping_add(TRANSLATORS)));
                }
                if beyond && first == FirstArea::Normal {
                    topology.add_beyond(inside.into(), &mut Prng::new(seed.wrapping_add(BEYOND)));
                }
                if mixed {
                    topology.mix_lans(&mut Prng::new(seed.wrapping_add(LANS)));
                }
                topology
            }
            Self::Random { routers, extra, lans } => {
                let mut topology = Topology::random(routers.into(), extra.into(), prng);
                let prng = &mut Prng::new(seed.wrapping_add(LANS));
                topology.add_lans(lans.into(), prng);
                topology.mix_lans(prng);
                topology
            }
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
            Self::Nssa => AreaKind::Nssa(NssaConfig::default()),
            Self::TotallyNssa => {
                AreaKind::Nssa(NssaConfig { summaries: Summaries::DefaultOnly, ..NssaConfig::default() })
            }
        }
    }
}
