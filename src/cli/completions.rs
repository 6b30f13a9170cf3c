//! `weft completions`: prints scripts that complete commands and options in a shell.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, Outcome, print};

/// Print a script that completes weft's commands and options in a shell.
///
/// For bash, write it to /usr/share/bash-completion/completions/weft.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

impl Args {
    /// Prints the script.
    pub fn run(self) -> anyhow::Result<Outcome> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "weft", &mut script);
        print(&script)?;
        Ok(Outcome::Good)
    }
}
