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

use crate::state::engine::Engine;
use crate::state::timers::TimerKey;
use crate::state::work::{NEXT_SLICE, Unit};

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
        !self.wishes.is_idle()
            || !self.originations.is_idle()
            || self.has_removals()
            || !self.debris.is_empty()
            || self.has_calculation_left()
    }
    /// Frees what was thrown away, as long as there are units left.
    pub(crate) fn free_debris(&mut self) {
        while !self.debris.is_empty() && self.work.take(Unit::Removal) {
            self.debris.dismantle();
        }
    }
}
