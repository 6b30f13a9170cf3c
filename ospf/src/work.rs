//! Slices of long work: how much one input may do, and what continues at the next tick.
//!
//! The time that an input takes does not grow with the databases. Work that grows with them is counted in units: an LSA that is compared,
//! originated or aged, a destination that is examined, a route that is reported. For each kind of work, one input may do a fixed number of
//! units, its slice. The engine counts units and does not measure time, so the same inputs give the same outputs on any machine.
//!
//! Invariants:
//! - If work is left, [`TimerKey::Work`] is set one microsecond ahead: the next tick continues it, and packets are handled in between.
//! - While it is set, only ticks do such work. Any other input adds the work that it causes to the backlog, so a backlog does not delay
//!   packets.
//! - The remaining work is always found by comparing the present state with the desired one. No work item is stored that a later input
//!   would have to cancel.
//! - In small networks no work is ever left: work that fits in a slice is done by the input that causes it.

use crate::state::engine::Engine;
use crate::state::timers::TimerKey;
use crate::state::work::{NEXT_SLICE, Unit};

impl Engine {
    /// Units of work that the last input did, of all kinds together.
    #[doc(hidden)]
    pub fn work_done(&self) -> u64 {
        self.work.done
    }

    /// Limits each input to this many units of each kind of work, for tests that give inputs in between.
    #[doc(hidden)]
    pub fn set_slices(&mut self, units: usize) {
        self.work.slice = Some(units.max(1));
    }

    /// Whether work is left for the next tick. Until it is done, routes and this router's own LSAs lag behind the databases.
    pub fn has_backlog(&self) -> bool {
        self.timers.deadline(TimerKey::Work).is_some()
    }

    /// Sets the units that an input may use, when it begins.
    pub(crate) fn begin_work(&mut self) {
        self.work.done = 0;
        self.work.overdue = false;
        if self.has_backlog() {
            self.work.left = [0; Unit::COUNT];
        } else {
            self.work.refill();
        }
    }

    /// Continues, when a tick begins, the work that was left.
    pub(crate) fn resume_work(&mut self) {
        self.timers.cancel(TimerKey::Work);
        self.work.refill();
    }

    /// Schedules a tick, at the end of an input, for work that is left.
    pub(crate) fn end_work(&mut self) {
        if self.work.overdue || self.has_work_left() {
            self.timers.set_if_idle(TimerKey::Work, self.now + NEXT_SLICE);
        }
    }

    /// Whether there is work that can be continued.
    pub(crate) fn has_work_left(&self) -> bool {
        !self.wishes.is_idle()
            || !self.originations.is_idle()
            || self.has_removals()
            || !self.debris.is_empty()
            || self.has_calculation_left()
            || self.has_alternates_left()
    }

    /// Frees discarded data structures, as long as units are left.
    pub(crate) fn free_debris(&mut self) {
        while !self.debris.is_empty() && self.work.take(Unit::Removal) {
            self.debris.dismantle();
        }
    }
}
