//! Limits on the work that one input may cause, in units of several kinds.

use std::time::Duration;

/// How long after an input the next slice of work is done: at the next tick, and later than now.
pub(crate) const NEXT_SLICE: Duration = Duration::from_micros(1);

/// A kind of work that is counted. A slice takes about 5 ms on a machine of 2020, and most inputs that leave work leave one or two kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A timer that fires in a tick.
    Timer,
    /// An LSA that reaches MaxAge.
    Expiry,
    /// An LSA of this router that is compared with its wanted contents, and originated or flushed if it differs.
    Origination,
    /// An LSA at MaxAge that is checked for removal, or a part of a structure that is freed.
    Removal,
    /// A network that may need an LSA of this router: whether it does, and with what contents.
    Wish,
    /// An LSA or a table entry that is searched for destinations to calculate.
    Search,
    /// A destination whose route is calculated.
    Calculation,
    /// A route that is put out as an output.
    Output,
    /// A vertex or an edge that is examined for the distances from a neighbour.
    Distance,
    /// A neighbour that may be an alternate for a destination.
    Alternate,
}

impl Unit {
    pub(crate) const COUNT: usize = 10;

    /// Units of this kind that one input may use.
    const fn slice(self) -> usize {
        match self {
            Self::Timer => 2048,
            Self::Expiry => 1024,
            Self::Origination => 512,
            Self::Removal => 2048,
            Self::Wish => 2048,
            Self::Search => 8192,
            Self::Calculation => 1024,
            Self::Output => 2048,
            Self::Distance => 131_072,
            Self::Alternate => 8192,
        }
    }
}

/// The work that the present input may still do, and the work done so far.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    /// For tests: the slice of every kind of work.
    pub(crate) slice: Option<usize>,
    pub(crate) left: [usize; Unit::COUNT],
    pub(crate) done: u64,
    /// Whether timers or LSAs are due that the last tick had no units left for.
    pub(crate) overdue: bool,
}

impl Default for Work {
    fn default() -> Self {
        let mut work = Self { slice: None, left: [0; Unit::COUNT], done: 0, overdue: false };
        work.refill();
        work
    }
}

impl Work {
    /// Takes one unit of a kind; returns `false` if none is left.
    pub(crate) fn take(&mut self, unit: Unit) -> bool {
        let left = &mut self.left[unit as usize];
        let some_left = *left > 0;
        *left -= usize::from(some_left);
        self.done += u64::from(some_left);
        some_left
    }

    /// The units of a kind that are left.
    pub(crate) fn left(&self, unit: Unit) -> usize {
        self.left[unit as usize]
    }

    /// Takes `units` of a kind, or all that are left.
    pub(crate) fn spend(&mut self, unit: Unit, units: usize) {
        let left = &mut self.left[unit as usize];
        *left = left.saturating_sub(units);
        self.done += units as u64;
    }

    pub(crate) fn refill(&mut self) {
        use Unit::{Alternate, Calculation, Distance, Expiry, Origination, Output, Removal, Search, Timer, Wish};
        for unit in [Timer, Expiry, Origination, Removal, Wish, Search, Calculation, Output, Distance, Alternate] {
            self.left[unit as usize] = self.slice.unwrap_or(unit.slice());
        }
    }
}
