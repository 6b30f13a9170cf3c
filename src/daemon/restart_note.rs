//! What a daemon leaves in the run directory for the next one, so that OSPF's neighbours need not notice that there are two (RFC 3623).
//!
//! One line: what was meant, the last moment that it holds, the least number of the next start, and in which life of the machine it was
//! written, since forwarding does not outlive that.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use ospf::wire::RestartReason;
use ospf::{Announcement, Restarting};

/// The kernel's word for one life of the machine.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    /// Neighbours were told of a restart, which ends at this moment at the latest.
    Planned {
        /// Seconds since 1970.
        until: u64,
        /// The least number of the next start.
        boot: u32,
    },
    /// The daemon is running; if it ends without a word, neighbours take it for dead at this moment.
    Running {
        /// Seconds since 1970.
        until: u64,
    },
}

impl Note {
    /// Of a planned restart that neighbours bear with until `end`; `boot` is the least number of the next start.
    pub(super) fn planned(end: SystemTime, boot: u32) -> Self {
        Self::Planned { until: unix(end), boot }
    }

    /// Of a daemon that neighbours will miss at `end`.
    pub(super) fn running(end: SystemTime) -> Self {
        Self::Running { until: unix(end) }
    }

    /// How the engine has to begin, and the least number of this start; `None` if it is too late.
    pub(super) fn resumption(self, now: SystemTime, grace_period: Duration) -> Option<(Restarting, u32)> {
        let left = |until: u64| Duration::from_secs(until.saturating_sub(unix(now)));
        let (grace_period, announcement, boot) = match self {
            Self::Planned { until, boot } => (left(until), Announcement::Made, boot),
            Self::Running { until } if left(until).is_zero() => return None,
            Self::Running { .. } => (grace_period, Announcement::Due(RestartReason::Unknown), 0),
        };
        (!grace_period.is_zero()).then_some((Restarting { grace_period, announcement }, boot))
    }
}

/// Leaves a note in place of any before.
pub(super) fn leave(run_dir: &Path, note: Note) -> anyhow::Result<()> {
    let line = match note {
        Note::Planned { until, boot } => format!("planned {until} {boot} {}", boot_id()),
        Note::Running { until } => format!("running {until} 0 {}", boot_id()),
    };
    // As a whole or not at all, but not for longer than the machine lives: nothing waits for a disk.
    let (path, new) = (run_dir.join("restart"), run_dir.join("restart.new"));
    let written = fs::write(&new, line).and_then(|()| fs::rename(&new, &path));
    written.with_context(|| format!("writing {}", path.display()))
}

/// Takes the note away; `None` if there is none, or it is of another life of the machine, or not to be read.
pub(super) fn take(run_dir: &Path) -> anyhow::Result<Option<Note>> {
    let path = run_dir.join("restart");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let [word, until, boot, id] = words.as_slice() else { return Ok(None) };
    let (Ok(until), Ok(boot)) = (until.parse(), boot.parse()) else { return Ok(None) };
    let note = match *word {
        "planned" => Note::Planned { until, boot },
        "running" => Note::Running { until },
        _ => return Ok(None),
    };
    Ok(Some(note).filter(|_| *id == boot_id()))
}

/// Without it no note is believed: `?` is no life's name.
fn boot_id() -> String {
    fs::read_to_string(BOOT_ID).map_or_else(|_| "?".to_owned(), |id| id.trim().to_owned())
}

fn unix(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(secs)
    }

    #[test]
    fn a_note_is_taken_once() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(take(dir.path()).unwrap(), None);
        for note in [Note::planned(at(1120), 77), Note::running(at(1004))] {
            leave(dir.path(), note).unwrap();
            assert_eq!(take(dir.path()).unwrap(), Some(note));
            assert_eq!(take(dir.path()).unwrap(), None);
        }
    }

    #[test]
    fn a_note_of_another_life_of_the_machine_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["planned 1120 77 another-life", "planned 1120", "planned x 77 y", "resting 1 2 3", ""] {
            fs::write(dir.path().join("restart"), text).unwrap();
            assert_eq!(take(dir.path()).unwrap(), None, "{text}");
        }
    }

    #[test]
    fn a_restart_has_what_is_left_of_its_time() {
        let minutes = Duration::from_secs(120);
        let planned = Note::planned(at(1120), 77);
        let (restarting, boot) = planned.resumption(at(1010), minutes).unwrap();
        assert_eq!((restarting.grace_period.as_secs(), restarting.announcement, boot), (110, Announcement::Made, 77));
        assert_eq!(planned.resumption(at(1120), minutes), None);
        let running = Note::running(at(1004));
        let (restarting, _) = running.resumption(at(1003), minutes).unwrap();
        assert_eq!(restarting.announcement, Announcement::Due(RestartReason::Unknown));
        assert_eq!(restarting.grace_period, minutes);
        assert_eq!(running.resumption(at(1004), minutes), None);
    }
}
