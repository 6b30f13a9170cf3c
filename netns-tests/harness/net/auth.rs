//! How packets of a plan's links are authenticated (RFC 2328 appendix D, RFC 5709).

use std::time::{Duration, SystemTime};

use anyhow::Result;

use super::super::process::run;

/// How a router's packets on a link are authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    None,
    /// By a password of at most eight octets.
    Simple(&'static str),
    /// By digests; the keys that are sent earlier first.
    Keys(Vec<Key>),
}

/// A key, which is in use always or for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub id: u8,
    pub algorithm: Algorithm,
    /// Also the name of its file.
    pub secret: &'static str,
    pub sent_from: Option<Moment>,
    pub sent_until: Option<Moment>,
    pub accepted_until: Option<Moment>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Md5,
    HmacSha256,
}

/// A second of the clock: keys change at one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    since_1970: Duration,
}

impl Auth {
    /// Eight octets, so that it is a simple password too.
    const SECRET: &'static str = "s3cr3t-k";

    pub fn simple() -> Self {
        Self::Simple(Self::SECRET)
    }

    pub fn md5() -> Self {
        Self::Keys(vec![Key::new(1, Algorithm::Md5, Self::SECRET)])
    }

    pub fn hmac_sha_256() -> Self {
        Self::Keys(vec![Key::new(1, Algorithm::HmacSha256, Self::SECRET)])
    }

    /// AuType (RFC 2328 §D.1).
    pub fn auth_type(&self) -> u8 {
        match self {
            Self::None => 0,
            Self::Simple(_) => 1,
            Self::Keys(_) => 2,
        }
    }

    /// Every key and password.
    pub fn secrets(&self) -> Vec<&'static str> {
        match self {
            Self::None => Vec::new(),
            Self::Simple(secret) => vec![secret],
            Self::Keys(keys) => keys.iter().map(|key| key.secret).collect(),
        }
    }
}

impl Key {
    /// A key that is always in use.
    pub fn new(id: u8, algorithm: Algorithm, secret: &'static str) -> Self {
        Self { id, algorithm, secret, sent_from: None, sent_until: None, accepted_until: None }
    }
}

impl Moment {
    /// The first whole second after `time` from now.
    pub fn after(time: Duration) -> Result<Self> {
        let then = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)? + time;
        Ok(Self { since_1970: Duration::from_secs(then.as_secs() + 1) })
    }

    /// This much later.
    pub fn plus(self, time: Duration) -> Self {
        Self { since_1970: self.since_1970 + time }
    }

    /// Whether it is over.
    pub fn is_past(self) -> Result<bool> {
        Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)? > self.since_1970)
    }

    /// As `date` writes it in UTC by `format`.
    pub fn format(self, format: &str) -> Result<String> {
        Ok(run(&format!("date -u -d @{} {format}", self.since_1970.as_secs()))?.trim().to_owned())
    }
}
