//! `weft move`: a host of a segment is at another site now.

use super::{Outcome, RunDir};
use crate::control::{Request, ask};

/// Tells all sites of a segment that a host is at another site now. Any of them may be told, best the one where the host is.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The host, by its name, MAC or IP address in the mesh file.
    host: String,
    /// The site where it is.
    site: String,
    #[command(flatten)]
    run_dir: RunDir,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        ask::<()>(&self.run_dir.path, Request::Move { host: self.host, site: self.site })?;
        Ok(Outcome::Good)
    }
}
