//! Key files: reads a private key from a file that nobody else can read, and writes a new one. No error message of this module repeats the
//! contents of a file.

use std::fs::OpenOptions;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use zeroize::Zeroizing;

use super::{KeyError, PrivateKey};
use crate::input_file::{self, Accept};

/// The largest size of a key file in bytes: the key, and white space around it.
const MAX_FILE: u64 = 1024;

/// Permission bits of group and others.
const OTHERS: u32 = 0o077;

/// Why a key file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be read.
    #[error("reading the private key in {path}")]
    Read {
        /// The path as it was given.
        path: String,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// Others than its owner can read the file.
    #[error("the private key in {path} can be read by others (mode {mode:04o}): chmod 600 {path}")]
    Exposed {
        /// The path as it was given.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is empty.
    #[error("{path} is empty: `weft keygen --out FILE` writes a private key to a new file")]
    Empty {
        /// The path as it was given.
        path: String,
    },
    /// The file contains something else than a key.
    #[error("{path} does not contain a private key")]
    NotKey {
        /// The path as it was given.
        path: String,
        /// Why it is not a key.
        #[source]
        source: KeyError,
    },
    /// The file cannot be written.
    #[error("writing a private key to {path}")]
    Write {
        /// The path as it was given.
        path: String,
        /// The error of the system; `AlreadyExists` if there is such a file.
        #[source]
        source: io::Error,
    },
}

impl PrivateKey {
    /// Reads the key from the file at `path`: base64, as WireGuard writes it.
    ///
    /// # Errors
    /// If group or others may read the file, or it is not a key.
    pub fn load(path: &Path, accept: Accept) -> Result<Self, KeyFileError> {
        let name = path.display().to_string();
        let read = |source| KeyFileError::Read { path: name.clone(), source };
        let file = input_file::open(path, accept).map_err(read)?;
        // Checked on the open file, so that the file which is checked is the one which is read.
        let mode = file.metadata().map_err(read)?.mode() & 0o7777;
        if mode & OTHERS != 0 {
            return Err(KeyFileError::Exposed { path: name, mode });
        }
        Self::read_from(file, &name)
    }

    /// Reads a key from `source` up to its end; errors refer to it by `name`.
    ///
    /// # Errors
    /// If the contents are not a key.
    pub fn read_from(source: impl Read, name: &str) -> Result<Self, KeyFileError> {
        // Room for everything at once: a buffer that grows would leave copies of the key behind.
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_FILE as usize + 1));
        source
            .take(MAX_FILE)
            .read_to_end(&mut text)
            .map_err(|source| KeyFileError::Read { path: name.to_owned(), source })?;
        let not_key = |source| KeyFileError::NotKey { path: name.to_owned(), source };
        let text = std::str::from_utf8(&text).map_err(|_| not_key(KeyError::NotBase64))?;
        if text.trim().is_empty() {
            return Err(KeyFileError::Empty { path: name.to_owned() });
        }
        text.parse().map_err(not_key)
    }

    /// Writes the key to a new file at `path` that only its owner can read.
    ///
    /// # Errors
    /// If the file exists: a key is never overwritten.
    pub fn save(&self, path: &Path) -> Result<(), KeyFileError> {
        let write = |source| KeyFileError::Write { path: path.display().to_string(), source };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(write)?;
        let mut line = self.to_base64();
        line.push('\n');
        let written = file.write_all(line.as_bytes()).and_then(|()| file.sync_all());
        written.map_err(|source| {
            // An incomplete key is useless, and would prevent the next attempt.
            let _ = std::fs::remove_file(path);
            write(source)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(content: &str, mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("site.key");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    #[test]
    fn a_saved_key_is_private_and_loads_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("site.key");
        let key = PrivateKey::generate();
        key.save(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(PrivateKey::load(&path, Accept::Regular).unwrap().public(), key.public());
    }

    #[test]
    fn a_key_file_is_never_overwritten() {
        let (_dir, path) = file("precious", 0o600);
        let error = PrivateKey::generate().save(&path).unwrap_err();
        assert!(matches!(error, KeyFileError::Write { source, .. } if source.kind() == io::ErrorKind::AlreadyExists));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let key = PrivateKey::generate().to_base64();
        for mode in [0o640, 0o604, 0o660, 0o644, 0o610] {
            let (_dir, path) = file(&key, mode);
            let error = PrivateKey::load(&path, Accept::Regular).unwrap_err().to_string();
            assert!(error.ends_with(&format!("(mode {mode:04o}): chmod 600 {}", path.display())), "{error}");
        }
        for mode in [0o600, 0o400] {
            let (_dir, path) = file(&key, mode);
            assert!(PrivateKey::load(&path, Accept::Regular).is_ok());
        }
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_repeated() {
        let long = "A".repeat(5000);
        for content in ["", " \n", "c2VjcmV0", "not a key, a secret", &long] {
            let (_dir, path) = file(content, 0o600);
            let error = PrivateKey::load(&path, Accept::Regular).unwrap_err();
            let mut texts = vec![error.to_string(), format!("{error:?}")];
            texts.extend(error.source().map(ToString::to_string));
            for text in texts {
                assert!(content.trim().is_empty() || !text.contains(content.trim()), "{text}");
            }
        }
    }
}
