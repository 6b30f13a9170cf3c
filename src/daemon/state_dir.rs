//! What outlives a restart and, at best, a reboot: the number of this start.

use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use anyhow::Context as _;

/// Gives this start a number larger than any before it, and notes it. Seconds since 1970, if the clock is right; so the number grows
/// though the note be lost, and does so though the clock be wrong.
pub(super) fn number_start(state_dir: &Path, now: SystemTime) -> anyhow::Result<u32> {
    let path = state_dir.join("starts");
    let before: u32 = match fs::read_to_string(&path) {
        // A note that nobody can read is as good as none.
        Ok(text) => text.trim().parse().unwrap_or_default(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let number = u32::try_from(seconds).unwrap_or(u32::MAX).max(before.saturating_add(1));
    write(&path, &number.to_string())?;
    Ok(number)
}

/// Writes a file so that it is there as a whole or as it was.
pub(super) fn write(path: &Path, content: &str) -> anyhow::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, content)
        .and_then(|()| fs::File::open(&new)?.sync_all())
        .and_then(|()| fs::rename(&new, path))
        .with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_start_has_a_larger_number_whatever_the_clock_says() {
        let dir = tempfile::tempdir().unwrap();
        let at = |secs| SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
        let numbers = [1000, 5, 5, 2000].map(|secs| number_start(dir.path(), at(secs)).unwrap());
        assert_eq!(numbers, [1000, 1001, 1002, 2000]);
        fs::write(dir.path().join("starts"), "?").unwrap();
        assert_eq!(number_start(dir.path(), at(3000)).unwrap(), 3000);
    }
}
