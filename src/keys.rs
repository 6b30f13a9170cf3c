//! WireGuard keys: parsing, printing, and the files of secret keys.
//!
//! Private keys never appear in a log, an argument list or an error message: [`PrivateKey`] prints as `PrivateKey(..)` and is zeroed when
//! it is dropped.

mod file;
mod preshared;
mod secret;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use x25519_dalek::{PublicKey as DalekPublic, StaticSecret};
use zeroize::Zeroizing;

pub use file::KeyFileError;
pub use preshared::{KeyDigest, PresharedKey, PresharedKeyError};
pub use secret::{SecretFileError, load_secret};

/// Why a text is not a valid key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is not base64.
    #[error("not base64")]
    NotBase64,
    /// All zeros, which means that there is no key.
    #[error("all zeros, which stands for no key")]
    Zero,
    /// It is base64, but not of 32 bytes.
    #[error("{0} bytes long, a key has 32")]
    Length(usize),
}

/// A site's public key, 32 bytes; printed as WireGuard prints it, in base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key with these 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        decode(text).map(|bytes| Self(*bytes))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// A site's private key. Zeroed on drop, never printed by `Debug`; it has no `Display`. Clones share one copy of the secret.
#[derive(Clone)]
pub struct PrivateKey {
    secret: Arc<Zeroizing<[u8; 32]>>,
    public: PublicKey,
}

impl PrivateKey {
    /// Generates a key with the operating system's random numbers.
    pub fn generate() -> Self {
        Self::filled(|secret| {
            secret.copy_from_slice(StaticSecret::random().as_bytes());
            Ok::<(), KeyError>(())
        })
        .expect("nothing is refused")
    }

    /// The key with these 32 bytes.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self::filled(|secret| {
            secret.copy_from_slice(bytes);
            Ok::<(), KeyError>(())
        })
        .expect("nothing is refused")
    }

    /// The public key of the pair.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// The 32 bytes, in a buffer that is zeroed on drop.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(**self.secret)
    }

    /// The key in base64, as in the key file, in a buffer that is zeroed on drop.
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(**self.secret))
    }

    /// The key that `fill` writes directly to its final place in memory.
    fn filled<E>(fill: impl FnOnce(&mut [u8; 32]) -> Result<(), E>) -> Result<Self, E> {
        let mut secret = Arc::new(Zeroizing::new([0; 32]));
        let outcome = fill(Arc::get_mut(&mut secret).expect("nobody else has it yet"));
        let public = PublicKey(DalekPublic::from(&StaticSecret::from(**secret)).to_bytes());
        // Reading and computing left copies in stack frames that are free again.
        wireguard::stack::wipe();
        outcome.map(|()| Self { secret, public })
    }
}

impl FromStr for PrivateKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::filled(|secret| {
            secret.copy_from_slice(&*decode(text)?);
            Ok(())
        })
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

fn decode(text: &str) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| KeyError::NotBase64)?);
    let array = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| KeyError::Length(bytes.len()))?;
    Ok(Zeroizing::new(array))
}
