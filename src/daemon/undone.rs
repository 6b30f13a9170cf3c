//! Detects kernel settings that another program changes again and again, though weft sets them each time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A setting that was changed this many times is reported.
const OFTEN: u32 = 3;
/// Changes that are longer apart are independent of each other.
const APART: Duration = Duration::from_secs(3600);
/// How long a setting is reported after its last change.
const REPORTED: Duration = Duration::from_secs(600);

/// The two names of one setting; operators know the second.
const FORWARDING: &str = "net.ipv4.conf.all.forwarding";
const IP_FORWARD: &str = "net.ipv4.ip_forward";

/// How often each setting was undone, by its name for `sysctl`.
#[derive(Debug, Default)]
pub(super) struct UndoneSettings(BTreeMap<String, Undone>);

#[derive(Debug)]
struct Undone {
    times: u32,
    first: Instant,
    last: Instant,
}

impl UndoneSettings {
    /// Records settings that were found undone.
    pub fn note(&mut self, settings: &[String], now: Instant) {
        self.0.retain(|_, undone| now.saturating_duration_since(undone.last) < APART);
        // Writing the setting for all interfaces writes that of every interface, too.
        let all = settings.iter().any(|setting| setting == FORWARDING);
        for setting in settings {
            let name = match setting.as_str() {
                FORWARDING => IP_FORWARD,
                other if all && other.ends_with(".forwarding") => continue,
                other => other,
            };
            let undone = self.0.entry(name.to_owned()).or_insert(Undone { times: 0, first: now, last: now });
            undone.times = undone.times.saturating_add(1);
            undone.last = now;
        }
    }

    /// Problems for the operator.
    pub fn problems(&self, now: Instant) -> Vec<String> {
        let often = self
            .0
            .iter()
            .filter(|(_, undone)| undone.times >= OFTEN && now.saturating_duration_since(undone.last) < REPORTED);
        let line = |(setting, Undone { times, first, last }): (&String, &Undone)| {
            let ago = |then: &Instant| now.saturating_duration_since(*then).as_secs();
            format!(
                "{setting}: another program has written it {times} times within {} s, last {} s ago, and weft has set it back: packets \
                 are lost meanwhile. Find that program (`grep -r {setting} /etc/sysctl.d /etc/sysctl.conf`, scripts, network \
                 managers) and have it leave the setting alone",
                ago(first),
                ago(last)
            )
        };
        often.map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_is_undone_again_and_again_is_named_for_a_while() {
        let begin = Instant::now();
        let second = Duration::from_secs(1);
        let mut undone = UndoneSettings::default();
        let settings = [FORWARDING.to_owned(), "net.ipv4.conf.wg-b.forwarding".to_owned()];
        for time in 0..3 {
            assert!(undone.problems(begin + 60 * second).is_empty(), "{time} times");
            undone.note(&settings, begin + 20 * time * second);
        }
        let reported = undone.problems(begin + 60 * second);
        assert_eq!(reported.len(), 1, "{reported:#?}");
        assert!(
            reported[0]
                .starts_with("net.ipv4.ip_forward: another program has written it 3 times within 60 s, last 20 s ago")
        );
        assert!(undone.problems(begin + 40 * second + REPORTED).is_empty());
        // Once a day is once each time.
        for day in 1..10 {
            let now = begin + 86_400 * day * second;
            undone.note(&settings, now);
            assert!(undone.problems(now).is_empty(), "day {day}");
        }
    }
}
