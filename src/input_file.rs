//! Opens and reads files whose path an operator has chosen, so that no file makes the daemon wait, and none is read beyond a limit.
//!
//! Opening a FIFO waits for a writer, and reading a device may never end. A regular file on a file system that does not answer, such as
//! NFS, is not noticed here; `src/daemon/loading.rs` keeps the daemon from waiting for it.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

/// The kinds of files that are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// Regular files, which can be read again: the only kind that a daemon reads.
    Regular,
    /// Pipes and devices as well: a command reads them once, and the user can interrupt it.
    Any,
}

/// A file is not a regular file.
#[derive(Debug, thiserror::Error)]
#[error("it is {0}, not a regular file: the daemon reads nothing that it might have to wait for")]
struct NotRegular(&'static str);

/// Opens the file at `path` for reading. Does not wait, unless any kind of file is accepted.
///
/// # Errors
/// If it cannot be opened, or is of a kind that is not accepted.
pub fn open(path: &Path, accept: Accept) -> io::Result<File> {
    match accept {
        Accept::Regular => open_regular(path, 0),
        Accept::Any => File::open(path),
    }
}

/// Opens the regular file at `path` for reading, with `flags` in addition to those that keep it from waiting.
///
/// # Errors
/// If it cannot be opened, or is not a regular file.
pub fn open_regular(path: &Path, flags: i32) -> io::Result<File> {
    let flags = flags | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|error| {
        // Sockets and devices without a driver cannot be opened, and the system's error message is not helpful.
        match error.raw_os_error() {
            Some(libc::ENXIO | libc::ENODEV) => {
                fs::metadata(path).ok().and_then(|metadata| regular(&metadata).err()).unwrap_or(error)
            }
            _ => error,
        }
    })?;
    // Checked on the open file, so that the file which is checked is the one which is read.
    ensure_regular(&file)?;
    Ok(file)
}

/// Reads all text of the regular file at `path`.
///
/// # Errors
/// If it cannot be opened, has more than `limit` bytes, or is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    let mut text = String::new();
    open(path, Accept::Regular)?.take(limit + 1).read_to_string(&mut text)?;
    if text.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {limit} bytes")));
    }
    Ok(text)
}

/// Checks that an open file can be read and written without waiting.
///
/// # Errors
/// If it is not a regular file; the error says what it is.
pub fn ensure_regular(file: &File) -> io::Result<()> {
    regular(&file.metadata()?)
}

fn regular(metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    let what = match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_socket() => "a socket",
        () if kind.is_char_device() || kind.is_block_device() => "a device",
        () => "no file",
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, NotRegular(what)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use nix::sys::stat::Mode;

    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused_at_once_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let [fifo, link, socket] = ["fifo", "link", "socket"].map(|name| dir.path().join(name));
        nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        symlink(&fifo, &link).unwrap();
        let _listener = UnixListener::bind(&socket).unwrap();
        let zero = Path::new("/dev/zero");
        let cases = [
            (&*fifo, "a FIFO"),
            (&link, "a FIFO"),
            (&socket, "a socket"),
            (zero, "a device"),
            (dir.path(), "a directory"),
        ];
        for (path, what) in cases {
            let error = open(path, Accept::Regular).unwrap_err().to_string();
            assert!(error.starts_with(&format!("it is {what}, not a regular file: ")), "{error}");
        }
        assert!(open(zero, Accept::Any).is_ok());
        let missing = open(&dir.path().join("missing"), Accept::Regular).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn text_is_read_up_to_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read_text(&path, 5).unwrap(), "12345");
        assert_eq!(read_text(&path, 4).unwrap_err().to_string(), "it has more than 4 bytes");
    }
}
