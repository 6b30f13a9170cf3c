//! Derives a run from a seed: the kind and size of a network, the quality of its links, faults and their repair.
//!
//! Most networks are small, because most errors of a protocol show with few routers, and small runs are fast; a few are larger.

use std::str::FromStr;

use crate::prng::{Prng, Probability};
use crate::recipe::{FirstArea, GridSize, KeySequence, Numbers, Options, Recipe, Shape};

/// This is added to the seed first. The run itself uses the seed of the sweep, and what is derived from the seed must be independent of
/// what the run draws.
const APART: u64 = 0x5357_4545_5000_0001;

/// One in this many networks is larger than the others.
const LARGE: usize = 24;

/// Virtual seconds until all routers must agree. It is long, because packets may be lost again and again.
const BOUND: u64 = 200;

/// The highest probability, as a power of ten, that a neighbour is lost by chance at a hello.
const LOST_BY_CHANCE: f64 = -10.0;

/// A kind of network, of any size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// [`Shape::Mesh`].
    Mesh,
    /// [`Shape::Grid`].
    Grid,
    /// [`Shape::Ring`].
    Ring,
    /// [`Shape::Sparse`].
    Sparse,
    /// [`Shape::Areas`].
    Areas,
    /// [`Shape::Random`].
    Random,
}

impl Kind {
    /// All kinds, with their names.
    const NAMES: [(&str, Self); 6] = [
        ("mesh", Self::Mesh),
        ("grid", Self::Grid),
        ("ring", Self::Ring),
        ("sparse", Self::Sparse),
        ("areas", Self::Areas),
        ("random", Self::Random),
    ];

    /// Returns the kind of a shape.
    pub const fn of(shape: Shape) -> Self {
        match shape {
            Shape::Mesh { .. } => Self::Mesh,
            Shape::Grid(_) => Self::Grid,
            Shape::Ring { .. } => Self::Ring,
            Shape::Sparse { .. } => Self::Sparse,
            Shape::Areas { .. } => Self::Areas,
            Shape::Random { .. } => Self::Random,
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::NAMES.iter().find(|(name, _)| *name == text);
        found.map(|&(_, kind)| kind).ok_or_else(|| format!("one of {}", Self::NAMES.map(|(name, _)| name).join(", ")))
    }
}

/// Derives the run of a seed.
pub fn derive(seed: u64) -> Recipe {
    let mut prng = Prng::new(seed.wrapping_add(APART));
    // Each part has its own random sequence, so that what one part draws does not change the others.
    let mut shape = shape(&mut prng.fork());
    let mut options = Options { seed, bound: BOUND, ..Options::DEFAULT };
    disturb(&mut options, &mut prng.fork());
    inflict(&mut options, &mut prng.fork());
    specialise(&mut shape, &mut prng.fork());
    options.restarts = options.faults > 0 && prng.fork().below(4) == 0;
    authenticate(&mut options, &mut prng.fork());
    options.foreign = foreign(shape.topology(seed).routers.len(), &mut prng.fork());
    options.changes = options.faults > 0 && prng.fork().below(3) == 0;
    Recipe { shape, options }
}

fn shape(prng: &mut Prng) -> Shape {
    let first = FirstArea::Normal;
    let large = prng.below(LARGE) == 0;
    match prng.below(16) {
        0..=2 => Shape::Mesh { routers: if large { prng.between(7, 14) } else { prng.between(2, 6) } },
        3 => match large {
            true => Shape::Grid(GridSize { width: prng.between(4, 7), height: prng.between(3, 5) }),
            false => Shape::Grid(GridSize { width: prng.between(2, 4), height: prng.between(1, 3) }),
        },
        4 => Shape::Ring { routers: if large { prng.between(12, 40) } else { prng.between(2, 10) } },
        5 => match large {
            true => Shape::Sparse { routers: prng.between(20, 60), extra: prng.between(0, 20) },
            false => Shape::Sparse { routers: prng.between(2, 14), extra: prng.between(0, 6) },
        },
        6..=9 => match large {
            true => Shape::Random { routers: prng.between(17, 40), extra: prng.between(0, 10), lans: 0 },
            false => Shape::Random { routers: prng.between(2, 14), extra: prng.between(0, 6), lans: 0 },
        },
        _ => match large {
            true => Shape::Areas {
                backbone: prng.between(8, 15),
                areas: prng.between(1, 4),
                inside: prng.between(1, 4),
                first,
                mixed: false,
                beyond: false,
            },
            false => Shape::Areas {
                backbone: prng.between(1, 7),
                areas: prng.between(1, 2),
                inside: prng.between(1, 3),
                first,
                mixed: false,
                beyond: false,
            },
        },
    }
}

/// Draws the routers that behave as other implementations do: about half of them in one of three networks.
fn foreign(routers: usize, prng: &mut Prng) -> Numbers {
    let is_mixed = prng.below(3) == 0;
    Numbers((0..routers).filter(|_| is_mixed && prng.below(2) == 0).collect())
}

/// Draws the special properties of a shape: areas that do not let in everything, and networks with more than two routers.
fn specialise(shape: &mut Shape, prng: &mut Prng) {
    match shape {
        Shape::Areas { first, mixed, beyond, .. } => {
            let nssa = if prng.below(3) == 0 { FirstArea::TotallyNssa } else { FirstArea::Nssa };
            let kinds = [FirstArea::Normal, FirstArea::Normal, FirstArea::Stub, FirstArea::TotallyStubby, nssa, nssa];
            *first = *prng.choose(&kinds).expect("there are some");
            *mixed = prng.below(2) == 0;
            *beyond = *first == FirstArea::Normal && prng.below(2) == 0;
        }
        Shape::Random { lans, .. } => *lans = *prng.choose(&[0, 0, 1, 2]).expect("there are some"),
        Shape::Mesh { .. } | Shape::Grid(_) | Shape::Ring { .. } | Shape::Sparse { .. } => {}
    }
}

/// Draws what links do to packets: nothing, one kind of disturbance at some level, or all kinds at once.
fn disturb(options: &mut Options, prng: &mut Prng) {
    options.delay = *prng.choose(&[1, 10, 10, 10, 50]).expect("there are some");
    options.jitter = *prng.choose(&[0, 5, 5, 20]).expect("there are some");
    let level = |prng: &mut Prng, most: u16| percent(prng.between(1, most));
    match prng.below(10) {
        0 | 1 => {}
        2 => options.loss = percent(1),
        3 => options.loss = level(prng, 10),
        4 => options.loss = level(prng, 26),
        5 => options.reordering = level(prng, 20),
        6 => options.duplication = level(prng, 15),
        7 => options.corruption = level(prng, 3),
        _ => {
            options.loss = level(prng, 16);
            options.reordering = level(prng, 20);
            options.duplication = level(prng, 15);
            if prng.below(2) == 0 {
                options.corruption = percent(1);
            }
        }
    }
    options.dead = dead_interval(options.loss.value() + options.corruption.value());
}

/// Draws authentication, which refuses reordered or duplicated packets as old ones.
fn authenticate(options: &mut Options, prng: &mut Prng) {
    if prng.below(4) > 0 {
        return;
    }
    options.key_every = *prng.choose(&[10, 20, 60]).expect("there are some");
    let checks = [KeySequence::NotSmaller, KeySequence::Strict, KeySequence::Extended];
    options.key_sequence = *prng.choose(&checks).expect("there are some");
    let lost = options.loss.value() + options.corruption.value() + options.reordering.value();
    options.dead = dead_interval(lost);
}

/// Returns RouterDeadInterval in seconds for a HelloInterval of one second: long enough that no neighbour is lost by chance in the quiet
/// period.
fn dead_interval(loss: f64) -> u16 {
    let shortest = Options::DEFAULT.dead;
    if loss <= 0.0 {
        return shortest;
    }
    let hellos = (LOST_BY_CHANCE / loss.log10()).ceil();
    // Hellos are sent a little early or late, and held-back ones arrive even later.
    (hellos as u16 + 2).max(shortest)
}

/// Draws faults, and whether they are repaired.
fn inflict(options: &mut Options, prng: &mut Prng) {
    if prng.below(8) > 0 {
        options.faults = *prng.choose(&[8, 20, 40, 60]).expect("there are some");
        options.fault_every = *prng.choose(&[100, 300, 500, 700, 1000, 3000]).expect("there are some");
        options.leave_broken = prng.below(5) == 0;
    }
    options.partition = prng.below(8) == 0;
}

fn percent(percent: u16) -> Probability {
    Probability::new(f64::from(percent) / 100.0).expect("at most a hundred")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn seeds_give_all_kinds_and_all_disturbances() {
        let recipes: Vec<_> = (0..500).map(derive).collect();
        let kinds: BTreeSet<_> = recipes.iter().map(|recipe| Kind::of(recipe.shape)).collect();
        assert_eq!(kinds.len(), Kind::NAMES.len());
        let lans = |recipe: &&Recipe| {
            matches!(recipe.shape, Shape::Areas { mixed: true, .. } | Shape::Random { lans: 1.., .. })
        };
        assert!(recipes.iter().filter(lans).count() > 80);
        let some = |holds: &dyn Fn(&Options) -> bool| recipes.iter().filter(|recipe| holds(&recipe.options)).count();
        let quiet = |options: &Options| options.loss.value() + options.reordering.value() + options.duplication.value();
        assert!(some(&|options| quiet(options) == 0.0) > 50);
        assert!(some(&|options| options.loss.value() > 0.16) > 10);
        assert!(some(&|options| options.reordering.value() > 0.1) > 50);
        assert!(some(&|options| options.duplication.value() > 0.1) > 20);
        assert!(some(&|options| options.corruption.value() > 0.0) > 50);
        assert!(some(&|options| options.partition) > 30 && some(&|options| options.leave_broken) > 50);
        assert!(some(&|options| options.faults == 0) > 30 && some(&|options| options.restarts) > 50);
        assert!(some(&|options| options.key_every > 0) > 50);
        assert!(some(&|options| !options.foreign.0.is_empty()) > 100);
        assert!(some(&|options| options.changes) > 80);
        let area = |holds: fn(FirstArea, bool) -> bool| {
            let areas =
                |recipe: &&Recipe| matches!(recipe.shape, Shape::Areas { first, beyond, .. } if holds(first, beyond));
            recipes.iter().filter(areas).count()
        };
        assert!(area(|first, _| matches!(first, FirstArea::Nssa | FirstArea::TotallyNssa)) > 30);
        assert!(area(|_, beyond| beyond) > 20);
    }

    #[test]
    fn the_dead_interval_is_longer_where_more_packets_are_lost() {
        assert_eq!([0.0, 0.01, 0.1, 0.16, 0.26].map(dead_interval), [10, 10, 12, 15, 20]);
    }
}
