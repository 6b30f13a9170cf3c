//! Files with a secret that is shared with neighbours. No error message of this module repeats the contents of a file.

use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use zeroize::Zeroizing;

use crate::input_file::{self, Accept};

/// The largest size of a file in bytes.
const MAX_FILE: usize = 4096;

/// Permission bits of group and others.
const OTHERS: u32 = 0o077;

/// Why a secret file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// The file cannot be read.
    #[error("reading the key in {path}")]
    Read {
        /// The path as it was given.
        path: String,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// Others than its owner can read the file.
    #[error("the key in {path} can be read by others (mode {mode:04o}): chmod 600 {path}")]
    Exposed {
        /// The path as it was given.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is empty, or larger than a key.
    #[error("{path} holds {len} bytes{}, not a key of 1 to {most} bytes", if *.len > MAX_FILE { " or more" } else { "" })]
    Length {
        /// The path as it was given.
        path: String,
        /// Number of bytes in the file.
        len: usize,
        /// Number of bytes that are permitted.
        most: usize,
    },
}

/// Reads the secret from the file at `path`: all its bytes except a line end after them. It may have `most` bytes, and never more than some
/// KiB.
///
/// # Errors
/// If group or others may read the file, or it does not contain such a secret.
pub fn load_secret(path: &Path, most: usize) -> Result<Zeroizing<Vec<u8>>, SecretFileError> {
    let name = path.display().to_string();
    let most = most.min(MAX_FILE);
    let read = |source| SecretFileError::Read { path: name.clone(), source };
    let file = input_file::open(path, Accept::Regular).map_err(read)?;
    // Checked on the open file, so that the file which is checked is the one which is read.
    let mode = file.metadata().map_err(read)?.mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(SecretFileError::Exposed { path: name, mode });
    }
    // Room for everything at once: a buffer that grows would leave copies of the secret behind.
    let limit = MAX_FILE + 1;
    let mut secret = Zeroizing::new(Vec::with_capacity(limit + 1));
    file.take(limit as u64).read_to_end(&mut secret).map_err(read)?;
    if secret.last() == Some(&b'\n') {
        secret.pop();
        if secret.last() == Some(&b'\r') {
            secret.pop();
        }
    }
    if secret.is_empty() || secret.len() > most {
        return Err(SecretFileError::Length { path: name, len: secret.len(), most });
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(content: &[u8], mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lan.key");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    #[test]
    fn a_secret_is_all_of_the_file_but_one_end_of_line() {
        let cases: [(&[u8], &[u8]); 5] = [
            (b"sesame\n", b"sesame"),
            (b"sesame\r\n", b"sesame"),
            (b" se\0sam ", b" se\0sam "),
            (b"\n\n", b"\n"),
            (b"\xff\xfe", b"\xff\xfe"),
        ];
        for (content, secret) in cases {
            let (_dir, path) = file(content, 0o600);
            assert_eq!(load_secret(&path, 8).unwrap().as_slice(), secret);
        }
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        for mode in [0o640, 0o604, 0o620, 0o644] {
            let (_dir, path) = file(b"sesame", mode);
            let error = load_secret(&path, 8).unwrap_err().to_string();
            assert!(error.ends_with(&format!("(mode {mode:04o}): chmod 600 {}", path.display())), "{error}");
        }
    }

    #[test]
    fn what_is_too_long_or_nothing_is_refused_and_not_repeated() {
        for (content, len) in [("", 0), ("\n", 0), ("open sesame", 11), (&"x".repeat(9000), MAX_FILE + 1)] {
            let (_dir, path) = file(content.as_bytes(), 0o600);
            let error = load_secret(&path, 8).unwrap_err();
            assert!(matches!(error, SecretFileError::Length { len: l, most: 8, .. } if l == len), "{error:?}");
            assert!(content.trim().is_empty() || !error.to_string().contains(content), "{error}");
        }
        // Nor is a device waited for, or read to its end.
        for path in ["/nowhere", "/dev/zero"] {
            assert!(matches!(load_secret(Path::new(path), 8), Err(SecretFileError::Read { .. })));
        }
    }
}
