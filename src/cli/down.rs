//! `weft down`: leave nothing behind.

use super::{Outcome, RunDir};
use crate::control::{ClientError, Request, ask};
use crate::daemon;

/// Removes everything that weft made: tunnels, addresses, routes, rules; stops the engine and, if it runs, the daemon.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    run_dir: RunDir,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        match ask::<()>(&self.run_dir.path, Request::Down) {
            Ok(()) => {}
            Err(ClientError::NotRunning { .. }) => {
                super::log_to_stderr(tracing_subscriber::EnvFilter::new("warn"));
                daemon::clean_up(&self.run_dir.path)?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(Outcome::Good)
    }
}
