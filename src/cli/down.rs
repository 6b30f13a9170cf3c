//! `weft down`: removes everything that weft made.

use std::thread;
use std::time::{Duration, Instant};

use tracing_subscriber::EnvFilter;

use super::{Outcome, RunDir, complain};
use crate::control::{ClientError, Request, StubRouterCommand, ask};
use crate::{daemon, log};

/// Removes everything that weft made: tunnels, addresses, routes, rules; stops the engine and, if it runs, the daemon.
///
/// Before that, it leads traffic around this router and flushes its LSAs, also where the daemon has ended and OSPF neighbours wait for
/// its restart.
///
/// Example: weft down
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Lead traffic around this router for this number of seconds first, if other routers need more than one second to find another way.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=MAX_DRAIN))]
    drain: u64,
    /// Name of the mesh to remove, if it is no longer stored in the run directory.
    #[arg(long, value_name = "NAME")]
    mesh: Option<String>,
    #[command(flatten)]
    run_dir: RunDir,
}

/// How long a daemon may take to create its control socket again, and how often to check.
const SOCKET_PATIENCE: Duration = Duration::from_secs(5);
const SOCKET_PAUSE: Duration = Duration::from_millis(100);

/// The longest drain in seconds: enough for other routers, and bounded.
const MAX_DRAIN: u64 = 600;

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        if self.drain > 0 {
            match ask::<()>(&self.run_dir.path, Request::StubRouter { command: StubRouterCommand::On }) {
                Ok(()) => thread::sleep(Duration::from_secs(self.drain)),
                // Without a daemon no traffic is drained.
                Err(ClientError::NotRunning { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let begin = Instant::now();
        let left = loop {
            match ask::<Option<Vec<String>>>(&self.run_dir.path, Request::Down) {
                Ok(left) => break left.unwrap_or_default(),
                // Another program has removed the daemon's socket; the daemon creates it again.
                Err(ClientError::NotRunning { .. })
                    if daemon::is_running(&self.run_dir.path) && begin.elapsed() < SOCKET_PATIENCE =>
                {
                    thread::sleep(SOCKET_PAUSE);
                }
                Err(ClientError::NotRunning { .. }) => {
                    log::start(EnvFilter::new("error"), log::Destination::Stderr);
                    break daemon::clean_up(&self.run_dir.path, self.mesh)?;
                }
                Err(error) => return Err(error.into()),
            }
        };
        for left in left {
            complain(format_args!("warning: {left}"));
        }
        Ok(Outcome::Good)
    }
}
