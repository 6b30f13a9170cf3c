//! The note that a daemon leaves in the run directory for the next one, so that OSPF neighbours keep their adjacencies during the restart
//! (RFC 3623).
//!
//! It is one line: the kind of the note, the time until which it is valid, the lowest boot count of the next start, and the boot ID of
//! the machine when it was written, because the forwarding state does not survive a reboot.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use ospf::wire::RestartReason;
use ospf::{Announcement, Restarting};
use tracing::warn;

use crate::state_file::{Outlives, Purpose, StateFile, Written};

/// Where the kernel has the boot ID, which changes at each boot of the machine.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

const PURPOSE: Purpose =
    Purpose { name: "restart", limit: 256, outlives: Outlives::Process, without: "the next restart is not graceful" };

/// The content of the note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    /// A restart was announced to the neighbours, with this time as the end of its grace period.
    Planned {
        /// Seconds since 1970.
        until: u64,
        /// The lowest boot count of the next start.
        boot: u32,
    },
    /// The daemon is running. If it ends without an announcement, neighbours take it for down at this time.
    Running {
        /// Seconds since 1970.
        until: u64,
    },
}

impl Note {
    /// Makes the note of a planned restart, whose grace period is over at `end`; `boot` is the lowest boot count of the next start.
    pub(super) fn planned(end: SystemTime, boot: u32) -> Self {
        Self::Planned { until: unix(end), boot }
    }

    /// Makes the note of a running daemon, which neighbours take for down at `end`.
    pub(super) fn running(end: SystemTime) -> Self {
        Self::Running { until: unix(end) }
    }

    /// Returns how the engine should resume, and the lowest boot count of this start; `None` if it is too late for a graceful restart.
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

/// Returns the file of the note.
pub(super) fn file(run_dir: &Path) -> StateFile {
    StateFile::new(run_dir, &PURPOSE)
}

/// Writes a note, and replaces the one before.
pub(super) fn leave(file: &mut StateFile, note: Note) -> Written {
    let line = match note {
        Note::Planned { until, boot } => format!("planned {until} {boot} {}", boot_id()),
        Note::Running { until } => format!("running {until} 0 {}", boot_id()),
    };
    file.write(line.as_bytes())
}

/// Reads and removes the note; `None` if there is none, it is from before a reboot of the machine, or it cannot be read.
pub(super) fn take(file: &mut StateFile) -> Option<Note> {
    let note = file.read(parse).flatten();
    if let Err(error) = file.remove() {
        // The note is used once more at most, and not after it has expired.
        warn!(path = %file.path().display(), %error, "the note of the daemon before stays");
    }
    note
}

/// Parses the note; `None` if it is from before a reboot of the machine.
fn parse(content: &[u8]) -> anyhow::Result<Option<Note>> {
    let words: Vec<&str> = std::str::from_utf8(content)?.split_whitespace().collect();
    let [word, until, boot, id] = words.as_slice() else { anyhow::bail!("not four words") };
    let (until, boot) = (until.parse().context("its time")?, boot.parse().context("its number of a start")?);
    let note = match *word {
        "planned" => Note::Planned { until, boot },
        "running" => Note::Running { until },
        _ => anyhow::bail!("neither planned nor running"),
    };
    Ok(Some(note).filter(|_| *id == boot_id()))
}

/// Returns the boot ID of the machine. Without it, no note is valid, because `?` is not a boot ID.
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
        let mut file = file(dir.path());
        assert_eq!(take(&mut file), None);
        for note in [Note::planned(at(1120), 77), Note::running(at(1004))] {
            assert_eq!(leave(&mut file, note), Written::Yes);
            assert_eq!(take(&mut file), Some(note));
            assert_eq!(take(&mut file), None);
        }
    }

    #[test]
    fn a_note_of_another_life_of_the_machine_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = file(dir.path());
        for text in ["planned 1120 77 another-life", "planned 1120", "planned x 77 y", "resting 1 2 3", ""] {
            fs::write(dir.path().join("restart"), text).unwrap();
            assert_eq!(take(&mut file), None, "{text}");
            assert_eq!(take(&mut file), None, "{text} is gone");
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
