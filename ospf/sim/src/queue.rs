//! A queue of future events, in order of time; events at the same time are in the order in which they were scheduled.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use ospf::Instant;

/// A queue of events. It is also the clock, which shows the time of the last event taken from it.
#[derive(Debug)]
pub(crate) struct EventQueue<T> {
    heap: BinaryHeap<Reverse<Scheduled<T>>>,
    scheduled: u64,
    now: Instant,
}

#[derive(Debug)]
struct Scheduled<T> {
    at: Instant,
    number: u64,
    event: T,
}

impl<T> Default for EventQueue<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), scheduled: 0, now: Instant::ZERO }
    }
}

impl<T> EventQueue<T> {
    /// The present time.
    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// Schedules `event` for `at`.
    ///
    /// # Panics
    /// If `at` is in the past.
    pub(crate) fn schedule(&mut self, at: Instant, event: T) {
        assert!(at >= self.now, "nothing can be scheduled for the past");
        self.heap.push(Reverse(Scheduled { at, number: self.scheduled, event }));
        self.scheduled += 1;
    }

    /// The next event and its time.
    pub(crate) fn peek(&self) -> Option<(Instant, &T)> {
        self.heap.peek().map(|Reverse(next)| (next.at, &next.event))
    }

    /// Takes the next event at or before `limit`, and sets the clock to its time. Without one, returns `None`, and sets the clock to
    /// `limit`.
    pub(crate) fn next_until(&mut self, limit: Instant) -> Option<T> {
        if self.heap.peek().is_none_or(|Reverse(next)| next.at > limit) {
            self.now = self.now.max(limit);
            return None;
        }
        let Reverse(next) = self.heap.pop()?;
        debug_assert!(next.at >= self.now, "time does not go back");
        self.now = next.at;
        Some(next.event)
    }
}

impl<T> Ord for Scheduled<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl<T> PartialOrd for Scheduled<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Scheduled<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Scheduled<T> {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::new(Duration::from_millis(millis))
    }

    #[test]
    fn events_come_in_order_of_time_then_of_scheduling_and_move_the_clock() {
        let mut queue = EventQueue::default();
        for (time, name) in [(30, 'd'), (10, 'a'), (20, 'b'), (20, 'c')] {
            queue.schedule(at(time), name);
        }
        assert_eq!(queue.next_until(at(5)), None);
        assert_eq!(queue.now(), at(5));
        let taken: String = std::iter::from_fn(|| queue.next_until(at(25))).collect();
        assert_eq!(taken, "abc");
        assert_eq!(queue.now(), at(25));
        assert_eq!(queue.next_until(at(30)), Some('d'));
        assert_eq!(queue.now(), at(30));
    }

    #[test]
    #[should_panic(expected = "the past")]
    fn the_past_is_closed() {
        let mut queue = EventQueue::default();
        assert_eq!(queue.next_until(at(10)), None);
        queue.schedule(at(9), ());
    }
}
