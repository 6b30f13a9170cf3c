//! Reads from `/proc` whether another process runs, sleeps or is stopped.

use std::fs;
use std::time::Duration;

/// Clock ticks per second in `/proc/PID/stat` (USER_HZ), the same on every architecture that Linux runs on today.
const TICKS: u64 = 100;

/// What a process is doing: the state of all its threads together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// A thread runs, waits for a processor, or is in the kernel where signals do not interrupt it (states R, D).
    Working,
    /// All threads sleep (S).
    Sleeping,
    /// It is stopped, for example by SIGSTOP (T).
    Stopped,
    /// A debugger traces it (t).
    Traced,
    /// It has ended (Z, X, or no such process).
    Gone,
}

/// The state of a process at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Glance {
    pub doing: Doing,
    /// Processor time that it has used since its start.
    pub cpu: Duration,
}

impl Glance {
    /// Reads the state of the process with this id.
    pub fn at(pid: i32) -> Self {
        let main = fs::read_to_string(format!("/proc/{pid}/stat")).ok();
        let Some((first, cpu)) = main.as_deref().and_then(parse) else {
            return Self { doing: Doing::Gone, cpu: Duration::ZERO };
        };
        let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let states = threads.filter_map(|thread| {
            let stat = fs::read_to_string(thread.path().join("stat")).ok()?;
            parse(&stat).map(|(state, _)| state)
        });
        Self { doing: doing(first, states), cpu }
    }

    /// Its state in words, for a message.
    pub fn words(self) -> &'static str {
        match self.doing {
            Doing::Working => "it is busy (state R or D)",
            Doing::Sleeping => "it waits for something (state S)",
            Doing::Stopped => "it is stopped (state T)",
            Doing::Traced => "a debugger holds it (state t)",
            Doing::Gone => "it has ended",
        }
    }
}

/// Parses state and processor time from a line of `/proc/PID/stat`. The name is in parentheses and may contain anything, even parentheses.
fn parse(stat: &str) -> Option<(char, Duration)> {
    /// Fields after the name: the state, then ten numbers, then the time in user mode and in the kernel.
    const UTIME: usize = 11;
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |place: usize| fields.get(place)?.parse::<u64>().ok();
    let used = ticks(UTIME)?.saturating_add(ticks(UTIME + 1)?);
    Some((fields.first()?.chars().next()?, Duration::from_millis(used.saturating_mul(1000 / TICKS))))
}

fn doing(main: char, mut threads: impl Iterator<Item = char>) -> Doing {
    match main {
        'T' => Doing::Stopped,
        't' => Doing::Traced,
        'Z' | 'X' => Doing::Gone,
        'R' | 'D' => Doing::Working,
        _ if threads.any(|state| matches!(state, 'R' | 'D')) => Doing::Working,
        _ => Doing::Sleeping,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_confuse_the_fields() {
        let stat = "4711 (a ) R (b) S 1 4711 4711 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 3 0 100 0 0";
        assert_eq!(parse(stat), Some(('S', Duration::from_secs(2))));
        assert_eq!(parse("4711 (cut"), None);
        assert_eq!(parse("4711 (cut) S 1"), None);
    }

    #[test]
    fn one_thread_that_works_is_a_process_that_works() {
        assert_eq!(doing('S', "SSRS".chars()), Doing::Working);
        assert_eq!(doing('S', "SDSS".chars()), Doing::Working);
        assert_eq!(doing('S', "SSII".chars()), Doing::Sleeping);
        assert_eq!(doing('T', "TTTT".chars()), Doing::Stopped);
        assert_eq!(doing('t', "tttt".chars()), Doing::Traced);
        assert_eq!(doing('Z', "".chars()), Doing::Gone);
    }

    #[test]
    fn this_process_is_there_and_one_that_cannot_be_is_not() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert_eq!(Glance::at(own).doing, Doing::Working);
        assert_eq!(Glance::at(i32::MAX).doing, Doing::Gone);
    }
}
