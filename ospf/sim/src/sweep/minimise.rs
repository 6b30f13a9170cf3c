//! Makes a failing run smaller: each part is removed, and stays removed if the run still fails in the same way.
//!
//! Removing a part changes the random numbers of all packets that follow, so each smaller run is also tried with other seeds.

use std::collections::BTreeSet;

use ospf::Deviation;

use super::{Class, Outcome, run};
use crate::finding::Disagreement;
use crate::prng::Probability;
use crate::recipe::{Deviations, FirstArea, GridSize, Numbers, Options, Recipe, Shape};
use crate::scenario::FailureKind;

/// The number of random seeds with which each smaller run is tried.
const CHANCES: u64 = 4;

/// The number of seeds for a run with only the routers that the first finding names, which is small if it fails.
const CHANCES_ALONE: u64 = 12;

/// Simplifications of a shape that keep the rest of the network.
const PLAINER: [fn(&mut Shape); 3] = [
    |shape| {
        if let Shape::Areas { beyond, .. } = shape {
            *beyond = false;
        }
    },
    |shape| {
        if let Shape::Areas { first, .. } = shape {
            *first = FirstArea::Normal;
        }
    },
    |shape| match shape {
        Shape::Areas { mixed, .. } => *mixed = false,
        Shape::Random { lans, .. } => *lans = 0,
        Shape::Mesh { .. } | Shape::Grid(_) | Shape::Ring { .. } | Shape::Sparse { .. } => {}
    },
];

/// The state of the minimisation: the best failing run, and how many more runs may be spent.
struct Search {
    best: Recipe,
    class: Class,
    left: usize,
}

/// Returns a smaller run that fails as `recipe` did with `outcome`, found with at most `runs` runs; `None` if none was found.
pub(super) fn minimise(recipe: &Recipe, outcome: &Outcome, runs: usize) -> Option<Recipe> {
    let mut search = Search { best: recipe.clone(), class: outcome.class(), left: runs };
    search.leave_alone(&parties(outcome));
    while search.left > 0 {
        let before = search.best.clone();
        search.drop_disturbances();
        search.shrink_shape();
        search.drop_routers();
        search.drop_faults();
        if search.best == before {
            break;
        }
    }
    (search.best != *recipe).then_some(search.best)
}

impl Search {
    /// Whether a run fails in the same way, possibly with another seed; if so, it becomes the best one.
    fn accept(&mut self, candidate: &Recipe) -> bool {
        self.accept_with(candidate, CHANCES)
    }

    fn accept_with(&mut self, candidate: &Recipe, chances: u64) -> bool {
        if *candidate == self.best {
            return false;
        }
        let chances = [candidate.options.chance].into_iter().chain((1..chances).map(Some));
        for chance in chances {
            if self.left == 0 {
                return false;
            }
            self.left -= 1;
            let mut candidate = candidate.clone();
            candidate.options.chance = chance;
            if run(&candidate).is_err_and(|outcome| outcome.class() == self.class) {
                self.best = candidate;
                return true;
            }
        }
        false
    }

    fn try_options(&mut self, change: impl FnOnce(&mut Options)) -> bool {
        let mut candidate = self.best.clone();
        change(&mut candidate.options);
        self.accept(&candidate)
    }

    /// Tries the run with these routers only.
    fn leave_alone(&mut self, routers: &BTreeSet<usize>) {
        if routers.is_empty() {
            return;
        }
        let mut candidate = self.best.clone();
        let count = candidate.shape.topology(candidate.options.seed).routers.len();
        candidate.options.absent.0 = (0..count).filter(|router| !routers.contains(router)).collect();
        self.accept_with(&candidate, CHANCES_ALONE);
    }

    fn drop_disturbances(&mut self) {
        self.drop_foreign();
        self.try_options(|options| options.partition = false);
        self.try_options(|options| {
            options.key_every = 0;
            options.key_sequence = Options::DEFAULT.key_sequence;
        });
        self.try_options(|options| options.corruption = Probability::ZERO);
        self.try_options(|options| options.duplication = Probability::ZERO);
        self.try_options(|options| options.loss = Probability::ZERO);
        self.try_options(|options| options.reordering = Probability::ZERO);
        self.try_options(|options| options.leave_broken = false);
        self.try_options(|options| options.changes = false);
        self.try_options(|options| options.restarts = false);
    }

    /// Tries fewer routers that behave as other implementations, and gives them fewer differences.
    fn drop_foreign(&mut self) {
        let foreign: Vec<_> = self.best.options.foreign.0.iter().copied().collect();
        self.drop_groups(foreign, |options, without| options.foreign.0.retain(|router| !without.contains(router)));
        if self.best.options.foreign.0.is_empty() {
            self.try_options(|options| options.gives_up = None);
            return;
        }
        for deviation in Deviation::all() {
            self.try_options(|options| {
                let all = || Deviations(Deviation::all().collect());
                options.gives_up.get_or_insert_with(all).0.remove(&deviation);
            });
        }
    }

    /// Tries smaller shapes. Each is another network, so it fails in the same way only by luck.
    fn shrink_shape(&mut self) {
        for plainer in PLAINER {
            let mut shape = self.best.shape;
            plainer(&mut shape);
            self.accept(&Recipe { shape, options: self.best.options.clone() });
        }
        while let Some(shape) = smaller(self.best.shape) {
            if !self.accept(&Recipe { shape, options: self.best.options.clone() }) {
                return;
            }
        }
    }

    /// Tries to remove routers: first half of them at a time, then fewer.
    fn drop_routers(&mut self) {
        let count = self.best.shape.topology(self.best.options.seed).routers.len();
        let absent = self.best.options.absent.0.clone();
        let present: Vec<_> = (0..count).filter(|router| !absent.contains(router)).collect();
        self.drop_groups(present, |options, without| options.absent.0.extend(without));
    }

    fn drop_faults(&mut self) {
        if self.best.options.faults == 0 {
            return;
        }
        if self.try_options(|options| {
            options.faults = 0;
            options.faults_only = None;
        }) {
            return;
        }
        let planned = self.best.scenario().planned_faults();
        let only: Vec<_> = match &self.best.options.faults_only {
            Some(numbers) => numbers.0.iter().copied().collect(),
            None => (0..planned.len()).collect(),
        };
        let all: BTreeSet<_> = only.iter().copied().collect();
        self.drop_groups(only, |options, without| {
            let only = options.faults_only.get_or_insert_with(|| Numbers(all.clone()));
            only.0.retain(|number| !without.contains(number));
        });
        // The phase of faults ends soon after the last one.
        let last = self.best.options.faults_only.as_ref().and_then(|numbers| numbers.0.last().copied());
        if let Some((at, _)) = last.and_then(|last| planned.get(last)) {
            let seconds = u32::try_from(at.since_origin().as_secs()).unwrap_or(u32::MAX).saturating_add(1);
            let seconds = seconds.min(self.best.options.faults);
            self.try_options(|options| options.faults = seconds);
        }
    }

    /// Tries to remove groups of `members`, first halves, then ever smaller ones, and keeps what can be removed.
    fn drop_groups(&mut self, mut members: Vec<usize>, drop_from: impl Fn(&mut Options, &[usize])) {
        let mut size = members.len().div_ceil(2);
        while size > 0 && self.left > 0 {
            let mut first = 0;
            while first < members.len() && self.left > 0 {
                let group: Vec<_> = members[first..].iter().copied().take(size).collect();
                if self.try_options(|options| drop_from(options, &group)) {
                    members.retain(|member| !group.contains(member));
                } else {
                    first += group.len();
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }
}

/// Returns the two neighbours of the first finding, if it is about an adjacency.
fn parties(outcome: &Outcome) -> BTreeSet<usize> {
    let Outcome::Failed(failure) = outcome else { return BTreeSet::new() };
    let FailureKind::NotConverged(findings) = &failure.what else { return BTreeSet::new() };
    match findings.iter().next() {
        Some(Disagreement::Adjacency { router, neighbor, .. }) => BTreeSet::from([router.0, neighbor.0]),
        _ => BTreeSet::new(),
    }
}

/// Returns the next smaller network of the same kind; `None` for the smallest.
fn smaller(shape: Shape) -> Option<Shape> {
    match shape {
        Shape::Mesh { routers } => (routers > 2).then(|| Shape::Mesh { routers: routers - 1 }),
        Shape::Ring { routers } => (routers > 2).then(|| Shape::Ring { routers: routers - 1 }),
        Shape::Grid(GridSize { width, height }) if height > 1 => {
            Some(Shape::Grid(GridSize { width, height: height - 1 }))
        }
        Shape::Grid(GridSize { width, height }) => {
            (width > 2).then(|| Shape::Grid(GridSize { width: width - 1, height }))
        }
        Shape::Sparse { routers, extra: extra @ 1.. } => Some(Shape::Sparse { routers, extra: extra - 1 }),
        Shape::Sparse { routers, extra } => (routers > 2).then(|| Shape::Sparse { routers: routers - 1, extra }),
        Shape::Random { routers, extra, lans: lans @ 1.. } => Some(Shape::Random { routers, extra, lans: lans - 1 }),
        Shape::Random { routers, extra: extra @ 1.., lans } => Some(Shape::Random { routers, extra: extra - 1, lans }),
        Shape::Random { routers, extra, lans } => {
            (routers > 2).then(|| Shape::Random { routers: routers - 1, extra, lans })
        }
        Shape::Areas { backbone, areas: areas @ 2.., inside, first, mixed, beyond } => {
            Some(Shape::Areas { backbone, areas: areas - 1, inside, first, mixed, beyond })
        }
        Shape::Areas { backbone, areas, inside, first, mixed, beyond } => {
            (inside > 1).then(|| Shape::Areas { backbone, areas, inside: inside - 1, first, mixed, beyond })
        }
    }
}
