//! Decides when a process that serves the daemon, as the WireGuard engine does, may be started again. A state machine without a clock;
//! `now` is passed in.
//!
//! A process that has run for [`STABLE`] is replaced at once when it ends, and so is the first one that has not. After that, each start
//! waits twice as long as the one before, so that a process that keeps failing costs the machine little.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A process that has run for this long has started well: earlier starts and ends are forgotten.
const STABLE: Duration = Duration::from_secs(60);
/// The shortest time between two starts, after the first two processes that ended early.
const FIRST: Duration = Duration::from_millis(200);
/// The longest time between two starts.
const LONGEST: Duration = Duration::from_secs(10);
/// From this number of ends within [`STABLE`] on, the operator is informed even while a process runs.
const MANY: usize = 3;

/// The recent starts and ends of a process.
#[derive(Debug, Default)]
pub(crate) struct Starts {
    /// Times within [`STABLE`], the latest last.
    starts: VecDeque<Instant>,
    ends: VecDeque<Instant>,
    running: bool,
}

impl Starts {
    /// When the next one may be started; `None` = now.
    pub fn earliest(&self, now: Instant) -> Option<Instant> {
        let recent = self.starts.iter().filter(|at| now.saturating_duration_since(**at) < STABLE).count();
        // The first replacement is not delayed, whatever the cause.
        let exponent = u32::try_from(recent.checked_sub(2)?).unwrap_or(u32::MAX).min(16);
        let wait = FIRST.saturating_mul(1 << exponent).min(LONGEST);
        self.starts.back().map(|last| *last + wait).filter(|at| *at > now)
    }

    /// Notes that one is being started.
    pub fn started(&mut self, now: Instant) {
        forget_old(&mut self.starts, now);
        self.starts.push_back(now);
        self.running = true;
    }

    /// Notes that one has ended, or did not come up.
    pub fn ended(&mut self, now: Instant) {
        forget_old(&mut self.ends, now);
        self.ends.push_back(now);
        self.running = false;
    }

    /// What the operator should know of the process, which is called `what`; `None` if nothing is wrong.
    pub fn trouble(&self, what: &str, now: Instant) -> Option<String> {
        let ends = self.ends.iter().filter(|at| now.saturating_duration_since(**at) < STABLE).count();
        let times = if ends == 1 { "once".to_owned() } else { format!("{ends} times") };
        let sentence = format!("{what} ended {times} in the last minute");
        match self.earliest(now) {
            _ if ends == 0 => None,
            _ if self.running => (ends >= MANY).then_some(sentence),
            None => Some(sentence),
            Some(at) => {
                let seconds = at.saturating_duration_since(now).as_secs_f64().ceil();
                Some(format!("{sentence}, next try in {seconds} s"))
            }
        }
    }
}

fn forget_old(times: &mut VecDeque<Instant>, now: Instant) {
    debug_assert!(times.back().is_none_or(|last| *last <= now), "the latest is last");
    while times.front().is_some_and(|at| now.saturating_duration_since(*at) >= STABLE) {
        times.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    /// A process that ends at once, started whenever that is allowed: how often within `time`.
    fn starts_within(time: Duration) -> usize {
        let begin = Instant::now();
        let mut now = begin;
        let mut starts = Starts::default();
        let mut count = 0;
        while now < begin + time {
            if starts.earliest(now).is_none() {
                starts.started(now);
                starts.ended(now + MOMENT);
                count += 1;
            }
            now += MOMENT;
        }
        count
    }

    #[test]
    fn a_process_that_dies_at_once_is_started_ever_more_rarely() {
        assert_eq!(starts_within(Duration::from_secs(12)), 7);
        assert!(starts_within(Duration::from_secs(600)) <= 100);
    }

    #[test]
    fn one_that_lived_is_replaced_at_once() {
        let begin = Instant::now();
        let mut starts = Starts::default();
        assert_eq!(starts.earliest(begin), None);
        for hour in 0..3 {
            let now = begin + hour * Duration::from_secs(3600);
            starts.started(now);
            assert_eq!(starts.earliest(now + STABLE), None);
            starts.ended(now + STABLE);
        }
    }

    #[test]
    fn the_operator_is_told_how_often_it_ended_and_when_it_is_tried_again() {
        let now = Instant::now();
        let mut starts = Starts::default();
        starts.started(now);
        assert_eq!(starts.trouble("the WireGuard engine", now), None);
        for _ in 0..4 {
            starts.started(now);
            starts.ended(now);
        }
        let text = starts.trouble("the WireGuard engine", now).unwrap();
        assert_eq!(text, "the WireGuard engine ended 4 times in the last minute, next try in 2 s");
        starts.started(now + Duration::from_secs(4));
        let text = starts.trouble("the WireGuard engine", now + Duration::from_secs(5)).unwrap();
        assert_eq!(text, "the WireGuard engine ended 4 times in the last minute");
        assert_eq!(starts.trouble("the WireGuard engine", now + STABLE), None);
    }
}
