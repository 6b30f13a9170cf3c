//! Long work in slices: what one input may do, and what is left for the next tick.
//!
//! No input takes longer for the size of the databases. What grows with them is counted in units: an LSA that is compared, originated
//! or aged, a destination that is examined, a route that is put out. Each kind has a number of units that one input may do, its slice.
//! Units are counted and time is not read, so that the same inputs give the same outputs on any machine.
//!
//! What always holds:
//! - Where something is left, [`TimerKey::Work`] is set one microsecond ahead: the next tick goes on, and packets come in between.
//! - While it is set, only ticks do such work. An input that is no tick leaves to the backlog what it causes, so that a backlog delays no
//!   packet.
//! - What is left is always found by looking at what is wanted now and what there is: nobody carries an order that a later input would
//!   have to take back.
//! - Small networks never leave anything: what fits a slice is done with the input that causes it.

use std::time::Duration;

use crate::engine::Engine;
use crate::state::timers::TimerKey;

/// How long after an input the next slice is done: at the next tick, and later than now.
const NEXT_SLICE: Duration = Duration::from_micros(1);

/// What is counted. Slices take some 5 ms each on a machine of 2020, and most inputs that leave something leave one or two kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A timer that fires in a tick.
    Timer,
    /// An LSA that reaches MaxAge.
    Expiry,
    /// An LSA of ours that is compared with what it is to say, and originated or flushed where it differs.
    Origination,
    /// An LSA at MaxAge that is looked at for removal, or something that is freed.
    Removal,
    /// A network that may be described by an LSA of ours: whether it is to be, and with what contents.
    Wish,
    /// An LSA or a table entry that is searched for destinations to calculate.
    Search,
    /// A destination whose route is calculated.
    Calculation,
    /// A route that is put out.
    Output,
}

impl Unit {
    const COUNT: usize = 8;

    /// Units that one input may do.
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
        }
    }
}

/// How much the present input may still do, and how much it did.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    /// For tests: a slice of every kind.
    slice: Option<usize>,
    left: [usize; Unit::COUNT],
    done: u64,
    /// Timers or LSAs are due that the last tick had no units for.
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
    /// Takes one unit of a kind; `false` if none is left.
    pub(crate) fn take(&mut self, unit: Unit) -> bool {
        let left = &mut self.left[unit as usize];
        let some_left = *left > 0;
        *left -= usize::from(some_left);
        self.done += u64::from(some_left);
        some_left
    }

    /// Units of a kind that are left.
    pub(crate) fn left(&self, unit: Unit) -> usize {
        self.left[unit as usize]
    }

    /// Takes so many units of a kind, or all that are left.
    pub(crate) fn spend(&mut self, unit: Unit, units: usize) {
        let left = &mut self.left[unit as usize];
        *left = left.saturating_sub(units);
        self.done += units as u64;
    }

    fn refill(&mut self) {
        use Unit::{Calculation, Expiry, Origination, Output, Removal, Search, Timer, Wish};
        for unit in [Timer, Expiry, Origination, Removal, Wish, Search, Calculation, Output] {
            self.left[unit as usize] = self.slice.unwrap_or(unit.slice());
        }
    }
}

impl Engine {
    /// Units of work that the last input did, of all kinds together.
    #[doc(hidden)]
    pub fn work_done(&self) -> u64 {
        self.work.done
    }

    /// Has each input do so many units of each kind of work at the most: for tests that put inputs in between.
    #[doc(hidden)]
    pub fn set_slices(&mut self, units: usize) {
        self.work.slice = Some(units.max(1));
    }

    /// Whether work is left that goes on at the next tick. Until it is done routes and LSAs of this router's own lag behind what is known.
    pub fn has_backlog(&self) -> bool {
        self.timers.deadline(TimerKey::Work).is_some()
    }

    /// An input begins.
    pub(crate) fn begin_work(&mut self) {
        self.work.done = 0;
        self.work.overdue = false;
        if self.has_backlog() {
            self.work.left = [0; Unit::COUNT];
        } else {
            self.work.refill();
        }
    }

    /// A tick begins: whatever was left goes on.
    pub(crate) fn resume_work(&mut self) {
        self.timers.cancel(TimerKey::Work);
        self.work.refill();
    }

    /// An input is done with: what it has left goes on at the next tick.
    pub(crate) fn end_work(&mut self) {
        if self.work.overdue || self.has_work_left() {
            self.timers.set_if_idle(TimerKey::Work, self.now + NEXT_SLICE);
        }
    }

    /// Whether there is something that could be gone on with.
    pub(crate) fn has_work_left(&self) -> bool {
        !self.wishes.is_settled()
            || !self.originations.is_settled()
            || self.has_removals()
            || !self.debris.is_empty()
            || self.has_calculation_left()
    }
}
