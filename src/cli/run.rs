//! `weft run`: the daemon, in the foreground.

use std::fs::File;
use std::path::PathBuf;

use anyhow::Context as _;
use nix::unistd::dup2_stdout;
use tracing_subscriber::EnvFilter;

use super::{Outcome, RunDir};
use crate::daemon::{self, Ended, Options, Trace};
use crate::trace::DEFAULT_LIMIT;
use crate::{log, process, sys};

/// Runs the daemon in the foreground; logs go to stderr.
///
/// SIGHUP reads the mesh file again. SIGTERM and SIGINT end the daemon and leave tunnels and routes in place; `weft down` removes them;
/// the exit code is 3 then, so that a service manager knows that no other daemon is to follow.
/// After SIGTERM neighbours wait for the next daemon, so that a restart loses nothing, unless systemd stops the service or the machine.
/// In these cases, and after SIGINT, its LSAs are flushed, once traffic has found other ways.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The mesh file.
    mesh: PathBuf,
    /// File with this site's private key, readable by its owner only.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    #[command(flatten)]
    run_dir: RunDir,
    /// Directory of what should outlive a reboot; without one it is kept with the run-time files.
    #[arg(long, value_name = "DIR", env = "STATE_DIRECTORY")]
    state_dir: Option<PathBuf>,
    /// What to log: `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,weft::routing=trace`.
    #[arg(long, value_name = "FILTER", env = "WEFT_LOG", default_value = "info")]
    log: String,
    /// Write what goes into the OSPF engine and comes out of it to this file, for `weft replay`; keys are not in it.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// The largest trace, in MiB; it ends there.
    #[arg(long, value_name = "MIB", default_value_t = DEFAULT_LIMIT >> 20, requires = "trace")]
    trace_limit: u64,
    /// Public keys to use in place of the mesh file's, lines of `SITE BASE64`: a lab has keys of its own.
    #[arg(long, value_name = "FILE", hide = true)]
    public_keys: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        log::start(EnvFilter::try_new(&self.log)?, log::Destination::Stderr);
        sys::keep_heap_small();
        process::prepare();
        // weft writes nothing to stdout, but a library may print, and fail if nobody reads.
        let nowhere = File::options().write(true).open("/dev/null").context("opening /dev/null")?;
        dup2_stdout(&nowhere).context("closing stdout")?;
        let ended = daemon::run(Options {
            mesh_file: self.mesh,
            key_file: self.key,
            state_dir: self.state_dir.unwrap_or_else(|| self.run_dir.path.clone()),
            run_dir: self.run_dir.path,
            public_keys: self.public_keys,
            trace: self.trace.map(|path| Trace { path, limit: self.trace_limit.saturating_mul(1 << 20) }),
        })?;
        Ok(match ended {
            Ended::Stopped => Outcome::Good,
            Ended::Left => Outcome::Left,
        })
    }
}
