//! `weft down`: leave nothing behind.

use std::thread;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::{Outcome, RunDir};
use crate::control::{ClientError, Request, StubRouterCommand, ask};
use crate::{daemon, log};

/// Removes everything that weft made: tunnels, addresses, routes, rules; stops the engine and, if it runs, the daemon.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Lead traffic around this router for so many seconds first, so that none of it is lost.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=MAX_DRAIN))]
    drain: u64,
    #[command(flatten)]
    run_dir: RunDir,
}

/// The longest drain, seconds: time enough for other routers, and an end.
const MAX_DRAIN: u64 = 600;

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        if self.drain > 0 {
            match ask::<()>(&self.run_dir.path, Request::StubRouter { command: StubRouterCommand::On }) {
                Ok(()) => thread::sleep(Duration::from_secs(self.drain)),
                // What does not run carries nothing.
                Err(ClientError::NotRunning { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        match ask::<()>(&self.run_dir.path, Request::Down) {
            Ok(()) => {}
            Err(ClientError::NotRunning { .. }) => {
                log::start(EnvFilter::new("warn"), log::Destination::Stderr);
                daemon::clean_up(&self.run_dir.path)?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(Outcome::Good)
    }
}
