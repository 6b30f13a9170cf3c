//! A log file of bounded size: a full file is renamed to `NAME.1`, and a new one is begun.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use nix::unistd::dup2_stderr;

use crate::input_file;

/// The largest size of one file in octets.
const LIMIT: u64 = 1 << 20;

/// The log file. If it cannot be opened, opening is tried again for each line.
pub(super) struct LogFile {
    path: PathBuf,
    limit: u64,
    open: Option<File>,
    redirect: Redirect,
}

/// What else is written to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Redirect {
    /// Everything that the process writes to standard error, as libraries and Rust's runtime do.
    Stderr,
    #[cfg(test)]
    Nothing,
}

impl LogFile {
    pub fn new(path: PathBuf) -> Self {
        let mut file = Self { path, limit: LIMIT, open: None, redirect: Redirect::Stderr };
        // Open the file now if possible; otherwise the first line tries again.
        let _ = file.with_room_for(0);
        file
    }

    /// Opens the file if necessary, and makes sure that it has room for `octets` more octets.
    pub fn with_room_for(&mut self, octets: usize) -> io::Result<BorrowedFd<'_>> {
        let mut file = match self.open.take() {
            // Nobody would read lines in a file that has been removed.
            Some(file) if file.metadata()?.nlink() > 0 => file,
            _ => self.begin()?,
        };
        let length = file.metadata()?.len();
        if length > 0 && length + octets as u64 > self.limit {
            file = self.begin_anew(file)?;
        }
        let file: &File = self.open.insert(file);
        Ok(file.as_fd())
    }

    fn begin_anew(&self, full: File) -> io::Result<File> {
        let mut old = self.path.clone().into_os_string();
        old.push(".1");
        match fs::rename(&self.path, &old) {
            Ok(()) => self.begin(),
            // If renaming fails, the old lines are discarded: new lines are more important, and the size limit most of all.
            Err(_) => full.set_len(0).map(|()| full),
        }
    }

    fn begin(&self) -> io::Result<File> {
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(flags).open(&self.path)?;
        input_file::ensure_regular(&file)?;
        if self.redirect == Redirect::Stderr {
            dup2_stderr(&file)?;
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn log(dir: &tempfile::TempDir) -> LogFile {
        LogFile { path: dir.path().join("engine.log"), limit: 100, open: None, redirect: Redirect::Nothing }
    }

    fn write(log: &mut LogFile, octets: usize) {
        let fd = log.with_room_for(octets).unwrap().try_clone_to_owned().unwrap();
        File::from(fd).write_all(&vec![b'x'; octets]).unwrap();
    }

    #[test]
    fn two_files_bound_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = log(&dir);
        for _ in 0..50 {
            write(&mut log, 40);
        }
        let length = |name: &str| fs::metadata(dir.path().join(name)).unwrap().len();
        assert_eq!((length("engine.log"), length("engine.log.1")), (80, 80));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_log_that_cannot_be_renamed_is_bounded_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("engine.log.1")).unwrap();
        let mut log = log(&dir);
        for _ in 0..50 {
            write(&mut log, 40);
        }
        assert_eq!(fs::metadata(dir.path().join("engine.log")).unwrap().len(), 80);
    }

    #[test]
    fn a_log_that_was_removed_is_begun_again_and_nobodys_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = log(&dir);
        write(&mut log, 40);
        fs::remove_file(&log.path).unwrap();
        write(&mut log, 40);
        assert_eq!(fs::metadata(&log.path).unwrap().len(), 40);
        fs::remove_file(&log.path).unwrap();
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), &log.path).unwrap();
        assert!(log.with_room_for(40).is_err());
        fs::remove_file(&log.path).unwrap();
        write(&mut log, 40);
        assert_eq!(fs::metadata(&log.path).unwrap().len(), 40);
    }
}
