//! The delay of route calculation (RFC 8405): the first change after a quiet time is not delayed, or only shortly; further changes are
//! delayed longer the longer they continue.
//!
//! This is the state machine only: [`crate::calculation::schedule`] decides what is a change, and what is calculated.
//!
//! ```text
//!                      +-------------------+
//!               +---->|                   |<-------------------+
//!               |      |       QUIET       |                    |
//!               +-----|                   |<---------+         |
//!           7:         +-------------------+          |         |
//!           SPF_TIMER            |                    |         |
//!           expiration           |                    |         |
//!                                | 1: IGP event       |         |
//!                                |                    |         |
//!                                v                    |         |
//!                      +-------------------+          |         |
//!               +---->|                   |          |         |
//!               |      |    SHORT_WAIT     |----->----+         |
//!               +-----|                   |                    |
//!           2:         +-------------------+  6: HOLDDOWN_TIMER |
//!           IGP event            |               expiration     |
//!           8: SPF_TIMER         |                              |
//!              expiration        |                              |
//!                                | 3: LEARN_TIMER               |
//!                                |    expiration                |
//!                                |                              |
//!                                v                              |
//!                      +-------------------+                    |
//!               +---->|                   |                    |
//!               |      |     LONG_WAIT     |------------>-------+
//!               +-----|                   |
//!           4:         +-------------------+  5: HOLDDOWN_TIMER
//!           IGP event                            expiration
//!           9: SPF_TIMER expiration
//! ```

use crate::config::SpfDelay;
use crate::time::Instant;

/// The states of RFC 8405 §5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum SpfState {
    /// There was no change for HOLDDOWN_INTERVAL.
    #[default]
    Quiet,
    /// The first change was a short time ago: further changes that belong to it are awaited.
    ShortWait,
    /// Changes have been coming for longer than TIME_TO_LEARN_INTERVAL.
    LongWait,
}

impl std::fmt::Display for SpfState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Quiet => "QUIET",
            Self::ShortWait => "SHORT_WAIT",
            Self::LongWait => "LONG_WAIT",
        })
    }
}

/// The state machine. Two of its three timers only change the state. They need not fire: the state is computed when it is asked for.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct SpfBackoff {
    /// SPF_TIMER: when the next calculation is due.
    due: Option<Instant>,
    waiting: Option<Waiting>,
}

/// The timers that a change after a quiet time has started.
#[derive(Debug, Clone, Copy, Hash)]
struct Waiting {
    /// When LEARN_TIMER expires.
    learned: Instant,
    /// When HOLDDOWN_TIMER expires.
    held_down: Instant,
}

impl SpfBackoff {
    /// The state at `now`, with all timers that have expired by then.
    pub(crate) fn state(&self, now: Instant) -> SpfState {
        match self.waiting {
            None => SpfState::Quiet,
            // RFC 8405 §5.2, transitions 5 and 6.
            Some(waiting) if waiting.held_down <= now => SpfState::Quiet,
            // RFC 8405 §5.2, transition 3.
            Some(waiting) if waiting.learned <= now => SpfState::LongWait,
            Some(_) => SpfState::ShortWait,
        }
    }

    /// Handles an IGP event at `now`; returns when the calculation is due.
    pub(crate) fn note_change(&mut self, now: Instant, delays: &SpfDelay) -> Instant {
        let state = self.state(now);
        let held_down = now + delays.holddown;
        let (delay, learned) = match (state, self.waiting) {
            // RFC 8405 §5.2, transition 1.
            (SpfState::Quiet, _) | (_, None) => (delays.initial, now + delays.time_to_learn),
            // RFC 8405 §5.2, transition 2.
            (SpfState::ShortWait, Some(waiting)) => (delays.short, waiting.learned),
            // RFC 8405 §5.2, transition 4.
            (SpfState::LongWait, Some(waiting)) => (delays.long, waiting.learned),
        };
        self.waiting = Some(Waiting { learned, held_down });
        // "If SPF_TIMER is not already running, start it": one calculation serves all that came before it.
        *self.due.get_or_insert(now + delay)
    }

    /// Makes a calculation due at once.
    pub(crate) fn at_once(&mut self, now: Instant) {
        self.due = Some(now);
    }

    /// When the next calculation is due, if any.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether a calculation is due at `now`; if so, it counts as done (transitions 7 to 9).
    pub(crate) fn take_due(&mut self, now: Instant) -> bool {
        let due = self.due.is_some_and(|due| due <= now);
        if due {
            self.due = None;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const DELAYS: SpfDelay = SpfDelay {
        initial: Duration::from_millis(10),
        short: Duration::from_millis(50),
        long: Duration::from_millis(500),
        time_to_learn: Duration::from_millis(1000),
        holddown: Duration::from_millis(3000),
    };

    fn at(millis: u64) -> Instant {
        Instant::new(Duration::from_millis(millis))
    }

    #[test]
    fn each_change_of_a_storm_is_put_off_as_the_rfcs_machine_says() {
        use SpfState::{LongWait, Quiet, ShortWait};
        let mut backoff = SpfBackoff::default();
        // When a change occurs, the state before it, and when the calculation is due.
        let table = [
            (100, Quiet, 110),
            (105, ShortWait, 110),
            (120, ShortWait, 170),
            (1099, ShortWait, 1149),
            // LEARN_TIMER started with the first change.
            (1149, LongWait, 1649),
            (1200, LongWait, 1649),
            (4000, LongWait, 4500),
            // HOLDDOWN_TIMER started with the last change.
            (6999, LongWait, 7499),
            (9999, Quiet, 10_009),
            // From SHORT_WAIT to QUIET, too: the learn timer does not continue.
            (13_000, Quiet, 13_010),
            (13_100, ShortWait, 13_150),
        ];
        for (when, state, due) in table {
            backoff.take_due(at(when));
            assert_eq!(backoff.state(at(when)), state, "at {when}");
            assert_eq!(backoff.note_change(at(when), &DELAYS), at(due), "at {when}");
            assert_eq!(backoff.due(), Some(at(due)));
        }
    }

    #[test]
    fn a_holddown_that_ends_before_learning_does_leads_from_short_wait_to_quiet() {
        let delays = SpfDelay { time_to_learn: Duration::from_secs(60), ..DELAYS };
        let mut backoff = SpfBackoff::default();
        backoff.note_change(at(0), &delays);
        assert_eq!(backoff.state(at(2999)), SpfState::ShortWait);
        assert_eq!(backoff.state(at(3000)), SpfState::Quiet);
    }

    #[test]
    fn a_calculation_is_due_once() {
        let mut backoff = SpfBackoff::default();
        assert!(!backoff.take_due(at(1_000_000)), "nothing has changed");
        backoff.note_change(at(5), &DELAYS);
        assert!(!backoff.take_due(at(14)));
        assert!(backoff.take_due(at(15)));
        assert!(!backoff.take_due(at(16)));
        assert_eq!(backoff.due(), None);
    }
}
