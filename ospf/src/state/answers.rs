//! Limits on how often packets are answered at once. The first few answers of a time window are sent without delay, as routers that come up
//! together need them. Further answers wait for a timer that runs anyway. So no sender, and no loop of routers that answer each other, can
//! make this router send as fast as a link can carry.

use std::time::Duration;

use crate::time::Instant;

/// Hellos sent at once in answer to others within [`HELLO_WINDOW`].
pub(crate) const HELLO_ANSWERS: u32 = 4;

pub(crate) const HELLO_WINDOW: Duration = Duration::from_millis(100);

/// Database Descriptions sent to a neighbour at once within RxmtInterval: those that negotiate, the first of an exchange, and repeated
/// ones. The others of an exchange are not counted, because each answers one that had to come first.
pub(crate) const DESCRIPTION_ANSWERS: u32 = 8;

/// Packets of direct acknowledgements sent on an interface within [`ACKNOWLEDGMENT_WINDOW`]. Further acknowledgements are delayed, so that
/// many of them share a packet.
pub(crate) const ACKNOWLEDGMENT_ANSWERS: u32 = 16;

pub(crate) const ACKNOWLEDGMENT_WINDOW: Duration = Duration::from_millis(100);

/// Counts the answers given in a time window.
#[derive(Debug, Clone, Copy, Default, Hash)]
pub(crate) struct Answers {
    since: Instant,
    given: u32,
}

impl Answers {
    /// Whether one more answer may be given now, of at most `most` in a window. If it may, it is counted.
    pub(crate) fn may_answer(&mut self, now: Instant, most: u32, window: Duration) -> bool {
        if now.saturating_since(self.since) >= window {
            *self = Self { since: now, given: 0 };
        }
        let may = self.given < most;
        self.given += u32::from(may);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::new(Duration::from_millis(millis))
    }

    #[test]
    fn the_first_few_of_a_window_are_given_and_the_next_window_begins_anew() {
        let mut answers = Answers::default();
        let mut given = |millis| answers.may_answer(at(millis), 2, Duration::from_millis(100));
        assert_eq!([0, 1, 2, 99, 100, 101, 102].map(&mut given), [true, true, false, false, true, true, false]);
    }
}
