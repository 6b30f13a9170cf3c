//! Preshared keys, which the two ends of a tunnel share in addition to their own key pairs.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{KeyError, SecretFileError, decode, load_secret};

/// The largest size of the file's text in bytes: the key in base64, and white space around it.
const MAX_TEXT: usize = 1024;

/// A preshared key, 32 bytes. Zeroed on drop, never printed. Clones share one copy. Two keys are equal if their digests are.
#[derive(Clone)]
pub struct PresharedKey {
    secret: Arc<Zeroizing<[u8; 32]>>,
    digest: KeyDigest,
}

/// The SHA-256 digest of a preshared key, for keys that only need to be compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyDigest([u8; 32]);

/// Why there is no preshared key from a file.
#[derive(Debug, thiserror::Error)]
pub enum PresharedKeyError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// The file contains something else.
    #[error("{path} does not hold a preshared key: write the line that `wg genpsk` prints, the same on both routers")]
    NotKey {
        /// The path as it was given.
        path: String,
        /// Why it is not a key.
        #[source]
        source: KeyError,
    },
}

impl PresharedKey {
    /// Reads the key from the file at `path`: base64, as WireGuard writes it.
    ///
    /// # Errors
    /// If group or others may read the file, or it is not a key.
    pub fn load(path: &Path) -> Result<Self, PresharedKeyError> {
        let text = load_secret(path, MAX_TEXT)?;
        let not_key = |source| PresharedKeyError::NotKey { path: path.display().to_string(), source };
        let text = std::str::from_utf8(&text).map_err(|_| not_key(KeyError::NotBase64))?;
        let key = decode(text).and_then(|bytes| match *bytes == [0; 32] {
            // WireGuard takes zeros for no key.
            true => Err(KeyError::Zero),
            false => Ok(Self::from_bytes(&bytes)),
        });
        let key = key.map_err(not_key);
        // Reading the key left copies in stack frames that are free again.
        wireguard::stack::wipe();
        key
    }

    /// The key with these 32 bytes.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let mut secret = Arc::new(Zeroizing::new([0; 32]));
        Arc::get_mut(&mut secret).expect("nobody else has it yet").copy_from_slice(bytes);
        Self { secret, digest: KeyDigest::of(bytes) }
    }

    /// The 32 bytes, in a buffer that is zeroed on drop.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(**self.secret)
    }

    /// The digest that identifies the key.
    pub fn digest(&self) -> KeyDigest {
        self.digest
    }
}

impl KeyDigest {
    /// The digest of these 32 bytes.
    pub fn of(bytes: &[u8; 32]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl PartialEq for PresharedKey {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for PresharedKey {}

impl fmt::Debug for PresharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresharedKey(..)")
    }
}

/// The digest of a good key reveals nothing, but nobody needs to see it.
impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn load(content: &str, mode: u32) -> Result<PresharedKey, PresharedKeyError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pair.psk");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        PresharedKey::load(&path)
    }

    #[test]
    fn a_preshared_key_is_what_wg_genpsk_prints() {
        let key = load("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n", 0o600).unwrap();
        assert_eq!(*key.to_bytes(), [1; 32]);
        assert_eq!(key.digest(), KeyDigest::of(&[1; 32]));
        assert_ne!(key, PresharedKey::from_bytes(&[2; 32]));
        assert_eq!(format!("{key:?}"), "PresharedKey(..)");
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_repeated() {
        for content in ["sesame", "AQEBAQ==", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="] {
            let error = load(content, 0o600).unwrap_err();
            assert!(error.to_string().ends_with("the same on both routers") && error.source().is_some(), "{error}");
            assert!(!format!("{error:?}").contains(content), "{error:?}");
        }
        let exposed = load("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n", 0o640).unwrap_err();
        assert!(exposed.to_string().contains("chmod 600"), "{exposed}");
    }
}
