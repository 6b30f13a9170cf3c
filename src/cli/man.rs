//! `weft man`: prints or writes manual pages.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::CommandFactory as _;

use super::{Cli, Outcome, examples, print};

/// Print the manual page of weft, or write those of all commands to a directory.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write `weft.1` and a page for each command, such as `weft-status.1`, to this directory, which is made if it does not exist
    #[arg(long = "out", value_name = "DIR")]
    directory: Option<PathBuf>,
}

impl Args {
    /// Prints the page of weft, or writes all pages.
    pub fn run(self) -> anyhow::Result<Outcome> {
        let command = examples::with_examples(Cli::command());
        match self.directory {
            Some(directory) => {
                std::fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
                clap_mangen::generate_to(command, &directory)
                    .with_context(|| format!("writing manual pages to {}", directory.display()))?;
            }
            None => {
                let mut page = Vec::new();
                clap_mangen::Man::new(command).render(&mut page).context("writing the manual page")?;
                print(&page)?;
            }
        }
        Ok(Outcome::Good)
    }
}
