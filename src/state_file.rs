//! A file in the state or run directory: it is read with care, replaced as a whole, and weft works without it.
//!
//! No file here prevents a router from starting. A file that cannot be used is renamed to `NAME.damaged`; one that cannot be written is
//! tried again. Either is a warning in the log and, as long as it lasts, a problem in `weft status`. Symbolic links are not followed, and
//! files that other users could have written are not accepted.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use tracing::warn;

use crate::input_file;

mod deferred;

pub use deferred::DeferredFile;

/// Permission bits that let group or others write.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// With this bit, only a file's owner can remove it from a directory that all may write to.
const STICKY: u32 = 0o1000;

/// The properties of a state file.
#[derive(Debug)]
pub struct Purpose {
    /// Its file name.
    pub name: &'static str,
    /// Its largest size in octets.
    pub limit: u64,
    /// The event that it has to survive.
    pub outlives: Outlives,
    /// What does not work without it, as the end of a sentence.
    pub without: &'static str,
}

/// The event that a file has to survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlives {
    /// The end of the process: writing does not wait for a disk.
    Process,
    /// A power failure.
    PowerCut,
}

/// A file in a directory of weft.
#[derive(Debug)]
pub struct StateFile {
    purpose: &'static Purpose,
    path: PathBuf,
    /// Why the last reading returned nothing though a file existed.
    unread: Option<String>,
    /// The content that could not be written yet, and the reason.
    unwritten: Option<(Vec<u8>, String)>,
}

impl StateFile {
    /// The file in `directory`, which need not exist yet.
    pub fn new(directory: &Path, purpose: &'static Purpose) -> Self {
        Self { purpose, path: directory.join(purpose.name), unread: None, unwritten: None }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file and returns what `parse` makes of it. `None` if there is no file, or if it cannot be used: then it is renamed, so
    /// that it can be examined and is not in the way.
    pub fn read<T>(&mut self, parse: impl FnOnce(&[u8]) -> anyhow::Result<T>) -> Option<T> {
        let content = match content(&self.path, self.purpose.limit) {
            Ok(content) => content?,
            Err(error) => return self.unusable(&error.to_string()),
        };
        match parse(&content) {
            Ok(value) => Some(value),
            Err(error) => self.unusable(&format!("{error:#}")),
        }
    }

    /// Whether there was a file that could not be used.
    pub fn is_lost(&self) -> bool {
        self.unread.is_some()
    }

    /// Replaces the content atomically. Content that cannot be written is kept for [`StateFile::retry`].
    pub fn write(&mut self, content: &[u8]) -> Written {
        let mut outcome = replace(&self.path, content, self.purpose.outlives);
        if outcome.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::IsADirectory) {
            let _: Option<()> = self.unusable("it is a directory");
            outcome = replace(&self.path, content, self.purpose.outlives);
        }
        match outcome {
            Ok(()) => {
                self.unwritten = None;
                Written::Yes
            }
            Err(error) => {
                let error = error.to_string();
                if self.unwritten.as_ref().is_none_or(|(_, before)| *before != error) {
                    warn!(path = %self.path.display(), error, "not written; {}", self.purpose.without);
                }
                self.unwritten = Some((content.to_vec(), error));
                Written::NotYet
            }
        }
    }

    /// Writes the content that could not be written before, if there is any.
    pub fn retry(&mut self) {
        if let Some((content, _)) = self.unwritten.clone() {
            // If this fails again, the content is kept.
            let _: Written = self.write(&content);
        }
    }

    /// Removes the file, and discards content that is still to be written.
    ///
    /// # Errors
    /// If the file exists and cannot be removed.
    pub fn remove(&mut self) -> io::Result<()> {
        self.unwritten = None;
        absent_is_good(fs::remove_file(&self.path))
    }

    /// The present problems with the file, for the operator.
    pub fn problems(&self) -> Vec<String> {
        let Self { purpose, path, .. } = self;
        let (path, without) = (path.display(), purpose.without);
        let mut problems = Vec::new();
        if let Some((_, error)) = &self.unwritten {
            problems.push(format!("{path} cannot be written ({error}): {without}; it is tried again all the time"));
        }
        let aside = self.aside();
        if fs::symlink_metadata(&aside).is_ok() {
            let aside = aside.display();
            let why = self.unread.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
            problems.push(format!(
                "{path} could not be used{why} and is now {aside}: {without}; remove {aside} when done with it"
            ));
        } else if let Some(why) = &self.unread
            && self.unwritten.is_some()
        {
            problems.push(format!("{path} cannot be used ({why}): {without}"));
        }
        problems
    }

    fn unusable<T>(&mut self, why: &str) -> Option<T> {
        let outcome = set_aside(&self.path, &self.aside());
        let done = outcome.map_or_else(|error| format!("not set aside: {error}"), |()| "set aside".to_owned());
        warn!(path = %self.path.display(), why, done, "not usable; {}", self.purpose.without);
        self.unread = Some(why.to_owned());
        None
    }

    fn aside(&self) -> PathBuf {
        self.path.with_file_name(format!("{}.damaged", self.purpose.name))
    }
}

/// Whether a file has been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Written {
    /// It has been written.
    Yes,
    /// It has not been written; [`StateFile::retry`] tries again.
    NotYet,
}

/// Creates `directory` for its owner and group, if it does not exist.
pub fn make_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o750).create(directory)
}

/// What is wrong with `directory`, and how to correct it: it is missing, or others can change its contents.
pub fn directory_problem(directory: &Path) -> Option<String> {
    let shown = directory.display();
    let metadata = match fs::metadata(directory) {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => return Some(format!("{shown} is not a directory: move it away, weft makes a directory there")),
        Err(error) => return Some(format!("the directory {shown} cannot be used: {error}")),
    };
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if !is_trusted(owner) {
        Some(format!(
            "the directory {shown} belongs to user {owner}, who can change what weft keeps there: chown root {shown}"
        ))
    } else if mode & WRITABLE_BY_OTHERS != 0 && mode & STICKY == 0 {
        Some(format!("others can change what weft keeps in {shown} (mode {mode:04o}): chmod go-w {shown}"))
    } else {
        None
    }
}

/// Renames whatever is at `path` to `aside`.
pub fn set_aside(path: &Path, aside: &Path) -> io::Result<()> {
    match fs::rename(path, aside) {
        Ok(()) => Ok(()),
        // A directory and a file cannot replace each other, and nothing can replace a directory that is not empty.
        Err(_) => {
            let numbered = (2..10).map(|number| aside.with_extension(format!("damaged{number}")));
            let free = numbered.into_iter().find(|name| fs::symlink_metadata(name).is_err());
            fs::rename(path, free.unwrap_or_else(|| aside.to_owned()))
        }
    }
}

fn is_trusted(owner: u32) -> bool {
    owner == 0 || owner == nix::unistd::geteuid().as_raw()
}

/// Reads a regular file that only this user or root can have written; `None` if there is nothing at `path`.
fn content(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match input_file::open_regular(path, libc::O_NOFOLLOW) {
        Ok(file) => file,
        // Without the directory there is no file; the missing directory is reported separately.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => return Err(refused("it is a symbolic link")),
        Err(error) => return Err(error),
    };
    // Checked on the open file, so that the file which is checked is the one which is read.
    let metadata = file.metadata()?;
    if !is_trusted(metadata.uid()) {
        return Err(refused(&format!("it belongs to user {}", metadata.uid())));
    }
    if metadata.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(refused(&format!("others can write it, mode {:04o}", metadata.mode() & 0o7777)));
    }
    let mut content = Vec::new();
    file.take(limit + 1).read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        return Err(refused(&format!("it has more than {limit} bytes")));
    }
    Ok(Some(content))
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Writes a new file beside `path`, and renames it to `path`.
fn replace(path: &Path, content: &[u8], outlives: Outlives) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let outcome = write_new(&new, content, outlives).and_then(|()| fs::rename(&new, path));
    if outcome.is_err() {
        // An incomplete file is useless, and may occupy the last free block.
        let _ = fs::remove_file(&new);
    }
    outcome?;
    match path.parent() {
        Some(directory) if outlives == Outlives::PowerCut => File::open(directory)?.sync_all(),
        _ => Ok(()),
    }
}

fn write_new(path: &Path, content: &[u8], outlives: Outlives) -> io::Result<()> {
    // Left by a process that was killed.
    match absent_is_good(fs::remove_file(path)) {
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => fs::remove_dir(path)?,
        result => result?,
    }
    // The file must be created here: neither a symbolic link nor an existing file is written to.
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(path)?;
    file.write_all(content)?;
    if outlives == Outlives::PowerCut { file.sync_all() } else { Ok(()) }
}

fn absent_is_good(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests;
