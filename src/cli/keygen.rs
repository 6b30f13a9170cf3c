//! `weft keygen`: generates a new private key.

use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::PathBuf;

use anyhow::Context as _;
use nix::sys::stat::{Mode, SFlag, fstat};

use super::{Outcome, complain};
use crate::keys::PrivateKey;

/// Make a new private key.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write the key to this new file, readable by its owner only, and print the public key
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Args {
    /// Prints the key, or writes it to a file and prints its public key.
    pub fn run(self) -> anyhow::Result<Outcome> {
        let key = PrivateKey::generate();
        let mut stdout = io::stdout().lock();
        match self.out {
            Some(path) => {
                key.save(&path)?;
                writeln!(stdout, "{}", key.public()).context("writing the public key to stdout")?;
            }
            None => {
                warn_if_exposed();
                writeln!(stdout, "{}", *key.to_base64()).context("writing the key to stdout")?;
            }
        }
        Ok(Outcome::Good)
    }
}

/// Warns if stdout is a file that others can read: the shell has created it, often readable by everyone.
fn warn_if_exposed() {
    let stdout = io::stdout();
    if stdout.is_terminal() {
        return;
    }
    let exposed = fstat(stdout.as_fd()).is_ok_and(|stat| {
        let regular = SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFREG;
        let others = Mode::from_bits_truncate(stat.st_mode).intersects(Mode::S_IRWXG | Mode::S_IRWXO);
        regular && others
    });
    if exposed {
        complain("warning: others can read this file, and weft will refuse it: chmod 600, or use --out FILE");
    }
}
