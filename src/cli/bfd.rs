//! `weft bfd`: the process that runs BFD sessions.

use std::path::PathBuf;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

use super::Outcome;
use crate::{bfd, log, process};

/// Run BFD sessions for a daemon, which configures them over a socket and learns from it of each change.
///
/// The sessions outlive the daemon. They end with AdminDown, which no peer takes for a failure, when the daemon says so; SIGTERM and SIGINT
/// end the process at once. It asks for a real-time priority (SCHED_RR), so that a busy processor fails no session: that needs root, or a
/// limit of 1 for real-time priorities.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Listen on this socket for the daemon.
    #[arg(long, value_name = "SOCKET")]
    control: PathBuf,
    /// Leave the session and terminal of the process that starts it.
    #[arg(long, hide = true)]
    new_session: bool,
    /// Log to this file instead of stderr; it is renamed to FILE.1 before it grows beyond 1 MiB.
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,
    /// What to log: a level, or directives as in RUST_LOG.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    log: String,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let filter = EnvFilter::try_new(&self.log).with_context(|| format!("reading the log filter `{}`", self.log))?;
        log::start(filter, self.log_file.map_or(log::Destination::Stderr, log::Destination::File));
        process::prepare();
        if self.new_session {
            nix::unistd::setsid().context("starting a session")?;
            // The name of `/proc/self/exe`, by which the daemon starts this program, says nothing.
            nix::sys::prctl::set_name(c"bfd").context("naming the process")?;
        }
        bfd::process::run(self.control)?;
        Ok(Outcome::Good)
    }
}
