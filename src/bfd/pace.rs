//! Slows sessions down before they fail: how late the process is, because it gets too little of the processor, and how short the intervals
//! of sessions may be with that. It reads no clock.

use std::time::Duration;

use ::bfd::Instant;

/// The shortest interval that a session is slowed down to, and the first step.
const FIRST: Duration = Duration::from_millis(5);
/// The longest one. OSPF's hellos find a failure as soon.
const LONGEST: Duration = Duration::from_secs(1);
/// After so long without a reason for it, intervals become half as long.
const CALM: Duration = Duration::from_secs(30);

/// How short intervals may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pace {
    /// No interval is shorter; zero where nothing is late.
    shortest: Duration,
    /// When half of `shortest` was last too short.
    needed: Instant,
}

/// A change of the pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Sessions have to slow down.
    Slower,
    /// They may be faster again.
    Faster,
}

impl Pace {
    /// No interval of a session is shorter than this: so late the process may be. A packet that is late by an interval is one of three that
    /// a peer with a multiplier of three waits for.
    pub fn shortest(self) -> Duration {
        self.shortest
    }

    /// Takes note of how late the process was with what was due. Returns whether the pace changes.
    pub fn late(&mut self, by: Duration, now: Instant) -> Option<Change> {
        let wanted = by.min(LONGEST);
        if wanted > self.shortest / 2 {
            self.needed = now;
        }
        if wanted > self.shortest {
            let mut step = FIRST;
            while step < wanted {
                step *= 2;
            }
            self.shortest = step.min(LONGEST);
            return Some(Change::Slower);
        }
        if self.shortest > Duration::ZERO && now.saturating_since(self.needed) >= CALM {
            self.needed = now;
            self.shortest = if self.shortest > FIRST { self.shortest / 2 } else { Duration::ZERO };
            return Some(Change::Faster);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn sessions_slow_down_at_once_and_recover_step_by_step() {
        let mut pace = Pace::default();
        assert_eq!((pace.late(Duration::ZERO, at(1)), pace.shortest()), (None, Duration::ZERO));
        assert_eq!((pace.late(ms(6), at(2)), pace.shortest()), (Some(Change::Slower), ms(10)));
        assert_eq!((pace.late(ms(120), at(3)), pace.shortest()), (Some(Change::Slower), ms(160)));
        assert_eq!((pace.late(ms(100), at(20)), pace.shortest()), (None, ms(160)), "nearly as late as before");
        assert_eq!(pace.late(ms(5), at(49)), None, "not calm for long");
        assert_eq!((pace.late(ms(5), at(50)), pace.shortest()), (Some(Change::Faster), ms(80)));
        assert_eq!(pace.late(ms(5), at(51)), None);
        let mut seconds = 51;
        while pace.shortest() > Duration::ZERO {
            seconds += 1;
            pace.late(Duration::ZERO, at(seconds));
        }
        assert_eq!(seconds, 50 + 5 * 30, "five steps");
        assert_eq!((pace.late(Duration::MAX, at(300)), pace.shortest()), (Some(Change::Slower), LONGEST));
        assert_eq!(pace.late(Duration::MAX, at(301)), None, "it does not get slower than that");
    }
}
