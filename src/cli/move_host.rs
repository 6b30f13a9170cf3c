//! `weft move`: announces that a host of a segment is at another site now.

use super::{Outcome, RunDir};
use crate::control::{Request, ask};

/// Announces to all sites of a segment that a host is at another site now. The command may be given at any of them, best at the one where
/// the host is.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The host, by its name, MAC or IP address in the mesh file.
    host: String,
    /// The site where it is.
    site: String,
    /// Override everything that has been claimed of the host so far, at all sites: to undo a forged claim, or where sites disagree. Also if
    /// the host is at the site already as far as this router knows.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    run_dir: RunDir,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let Self { host, site, force, run_dir } = self;
        ask::<()>(&run_dir.path, Request::Move { host, site, force })?;
        Ok(Outcome::Good)
    }
}
