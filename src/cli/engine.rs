//! `weft engine`: the userspace WireGuard process, in the foreground or started by the daemon.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use tracing_subscriber::EnvFilter;
use wireguard::control::LostLines;
use wireguard::{InterfaceName, Options};

use super::Outcome;
use crate::{log, process};

/// Make TUN interfaces, encrypt what passes through them with WireGuard, and serve `wg` at /run/wireguard.
///
/// Without --control it ends when its last interface does: by `ip link del`, or by removing its socket. SIGTERM and
/// SIGINT end it at once; the interfaces disappear with it.
#[derive(Debug, Args)]
pub struct Engine {
    /// Interfaces to make at the start.
    #[arg(value_name = "IFACE", required_unless_present = "control")]
    interfaces: Vec<InterfaceName>,

    /// Listen on this socket for a daemon that adds and removes interfaces; keep running when the last interface is gone.
    #[arg(long, value_name = "SOCKET")]
    control: Option<PathBuf>,

    /// Leave the session and terminal of the process that starts it.
    #[arg(long, hide = true)]
    new_session: bool,

    /// Log to this file instead of stderr; it is renamed to FILE.1 before it grows beyond 1 MiB.
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,

    /// What to log: a level, or directives as in RUST_LOG.
    #[arg(long, value_name = "FILTER", default_value = "info,gotatun=off")]
    log: String,
}

impl Engine {
    /// Runs the engine until it ends.
    pub fn run(self) -> anyhow::Result<Outcome> {
        let filter = EnvFilter::try_new(&self.log).with_context(|| format!("reading the log filter `{}`", self.log))?;
        log::start(filter, self.log_file.map_or(log::Destination::Stderr, log::Destination::File));
        process::prepare();
        if self.new_session {
            nix::unistd::setsid().context("starting a session")?;
            // A daemon starts this program through /proc/self/exe, so that `ps` and `top` would show its name as `exe`. The name does not
            // begin with `weft`, because `pkill -HUP weft` is meant for the daemon.
            nix::sys::prctl::set_name(c"wg-engine").context("naming the process")?;
        }
        let options = Options {
            interfaces: self.interfaces,
            uapi_dir: PathBuf::from(wireguard::engine::UAPI_DIR),
            control: self.control,
        };
        let runtime = tokio::runtime::Runtime::new().context("starting the runtime")?;
        let lost_lines = || log::lost().map(|lost| LostLines { lines: lost.lines, cause: lost.cause });
        runtime.block_on(wireguard::engine::run(options, lost_lines))?;
        Ok(Outcome::Good)
    }
}
