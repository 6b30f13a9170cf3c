//! `weft pubkey`: prints the public key of a private key.

use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;

use super::Outcome;
use crate::input_file::Accept;
use crate::keys::PrivateKey;

/// Print the public key of a private key.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file with the private key; stdin if left out
    file: Option<PathBuf>,
}

impl Args {
    /// Prints the public key in base64.
    pub fn run(self) -> anyhow::Result<Outcome> {
        let key = match self.file {
            Some(path) => PrivateKey::load(&path, Accept::Any)?,
            None => PrivateKey::read_from(io::stdin().lock(), "stdin")?,
        };
        writeln!(io::stdout(), "{}", key.public()).context("writing the public key to stdout")?;
        Ok(Outcome::Good)
    }
}
