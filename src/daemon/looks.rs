//! Schedules when the daemon reads the state of the kernel. A state machine without I/O; `now` is passed in.
//!
//! Reading costs time that grows with the machine: it dumps all links, addresses and routes. Changes that concern weft are read as soon as
//! they are notified; all others are collected for a moment. Neither takes more than its share of a processor, however many changes there
//! are.

use std::time::{Duration, Instant};

use super::backoff::Backoff;

/// How often WireGuard devices are read: they change without a notification.
pub(super) const DEVICES_INTERVAL: Duration = Duration::from_secs(5);
/// How often everything is read without a notification: some kernel settings change without one, too.
const INTERVAL: Duration = Duration::from_secs(30);
/// How long changes that do not concern weft are collected before they are read: they come in bursts.
const HOLD: Duration = Duration::from_millis(100);
/// The shortest time between two readings because of such changes.
const SPACING: Duration = Duration::from_secs(1);
/// The time between them is also at least this multiple of the duration of the last reading, but at most [`LONGEST_SPACING`]: readings then
/// take a thirtieth of a processor.
const SHARE: u32 = 30;
const LONGEST_SPACING: Duration = Duration::from_secs(10);
/// After a reading, a change that concerns weft waits this multiple of its duration, but at most [`LONGEST_OWN_SPACING`]: readings then
/// take a fifth of a processor.
const OWN_SHARE: u32 = 4;
const LONGEST_OWN_SPACING: Duration = Duration::from_millis(500);

/// When the kernel was last read, and when it is read next.
#[derive(Debug)]
pub(super) struct Looks {
    next: Instant,
    next_at_devices: Instant,
    /// The end of the last complete reading, and its duration.
    last: Option<(Instant, Duration)>,
    /// When to repeat a reading that has failed.
    retry: Backoff,
}

impl Looks {
    /// Begins without any reading.
    pub fn new(now: Instant) -> Self {
        Self { next: now + INTERVAL, next_at_devices: now + DEVICES_INTERVAL, last: None, retry: Backoff::default() }
    }

    /// Schedules a reading for a change that does not concern weft.
    pub fn unmanaged_changed(&mut self, now: Instant) {
        let spaced =
            self.last.map_or(now, |(end, took)| end + took.saturating_mul(SHARE).clamp(SPACING, LONGEST_SPACING));
        self.schedule(spaced.max(now + HOLD));
    }

    /// Handles a change that concerns weft: returns whether to read now; if not, a reading is scheduled soon.
    pub fn managed_changed(&mut self, now: Instant) -> bool {
        let earliest =
            self.last.map_or(now, |(end, took)| end + took.saturating_mul(OWN_SHARE).min(LONGEST_OWN_SPACING));
        let earliest = self.retry.deadline().map_or(earliest, |retry| earliest.max(retry));
        if earliest > now {
            self.schedule(earliest);
        }
        earliest <= now
    }

    fn schedule(&mut self, at: Instant) {
        self.next = self.next.min(at);
    }

    /// When the next reading is due without a notification.
    pub fn deadline(&self) -> Instant {
        self.retry.deadline().unwrap_or(self.next.min(self.next_at_devices))
    }

    /// Whether only the WireGuard devices are due at `now`.
    pub fn only_devices(&self, now: Instant) -> bool {
        self.next_at_devices <= now && self.next > now && self.retry.deadline().is_none()
    }

    /// Records that the WireGuard devices are being read.
    pub fn at_devices(&mut self, now: Instant) {
        self.next_at_devices = now + DEVICES_INTERVAL;
    }

    /// Records a complete reading.
    pub fn looked(&mut self, start: Instant, end: Instant) {
        self.last = Some((end, end.saturating_duration_since(start)));
        self.next = end + INTERVAL;
        self.next_at_devices = end + DEVICES_INTERVAL;
    }

    /// Records that the result of a reading could be acted upon.
    pub fn succeeded(&mut self) {
        self.retry.succeeded();
    }

    /// Records that a reading has failed, or something that is necessary before any change.
    pub fn failed(&mut self, now: Instant) {
        self.retry.failed(now);
        self.next_at_devices = now + DEVICES_INTERVAL;
    }

    /// Whether a reading may be tried now, which is not so for some time after a failure.
    pub fn may_look(&self, now: Instant) -> bool {
        self.retry.deadline().is_none_or(|due| due <= now)
    }

    /// Whether the last reading failed.
    pub fn is_failing(&self) -> bool {
        self.retry.deadline().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    /// A machine where each look takes `took` and events come every five milliseconds; looks within a minute.
    fn looks_in_a_minute(took: Duration, event: impl Fn(&mut Looks, Instant) -> bool) -> u32 {
        let begin = Instant::now();
        let mut looks = Looks::new(begin);
        looks.looked(begin, begin + took);
        let (mut now, mut count) = (begin + took, 0);
        while now < begin + Duration::from_secs(60) {
            if event(&mut looks, now) || looks.deadline() <= now && !looks.only_devices(now) {
                let start = now;
                now += took;
                looks.looked(start, now);
                count += 1;
            } else if looks.only_devices(now) {
                looks.at_devices(now);
            }
            now += 5 * MOMENT;
        }
        count
    }

    fn unmanaged(looks: &mut Looks, now: Instant) -> bool {
        looks.unmanaged_changed(now);
        false
    }

    #[test]
    fn two_hundred_foreign_events_a_second_cost_one_look_a_second_at_most() {
        let count = looks_in_a_minute(2 * MOMENT, unmanaged);
        assert!((55..=60).contains(&count), "{count}");
        let count = looks_in_a_minute(100 * MOMENT, unmanaged);
        assert!((18..=20).contains(&count), "{count} looks of a tenth of a second");
    }

    #[test]
    fn own_events_are_acted_upon_at_once_and_a_flood_of_them_leaves_four_fifths_of_a_processor() {
        let now = Instant::now();
        let mut looks = Looks::new(now);
        assert!(looks.managed_changed(now));
        looks.looked(now, now + 10 * MOMENT);
        assert!(!looks.managed_changed(now + 20 * MOMENT));
        assert_eq!(looks.deadline(), now + 50 * MOMENT);
        assert!(looks.managed_changed(now + 50 * MOMENT));
        let count = looks_in_a_minute(100 * MOMENT, Looks::managed_changed);
        assert!((110..=120).contains(&count), "{count}");
    }

    #[test]
    fn a_foreign_event_is_looked_at_after_a_moment_and_a_quiet_machine_twice_a_minute() {
        let now = Instant::now();
        let mut looks = Looks::new(now);
        looks.looked(now, now);
        let later = now + 2 * SPACING;
        looks.unmanaged_changed(later);
        assert_eq!(looks.deadline(), later + HOLD);
        assert_eq!(looks_in_a_minute(MOMENT, |_, _| false), 1);
    }

    #[test]
    fn a_look_that_fails_is_not_repeated_for_every_event() {
        let now = Instant::now();
        let mut looks = Looks::new(now);
        looks.failed(now);
        assert!(!looks.managed_changed(now + MOMENT) && !looks.may_look(now + MOMENT));
        let due = looks.deadline();
        assert!(due > now + MOMENT && looks.is_failing());
        assert!(looks.managed_changed(due) && looks.may_look(due));
        looks.looked(due, due);
        looks.succeeded();
        assert!(!looks.is_failing());
    }
}
