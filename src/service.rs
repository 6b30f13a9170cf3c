//! A process of this program that serves the daemon over a control socket and outlives it, as the WireGuard engine and BFD do: where it is
//! found, and how it is started.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// How long a new process may take until it answers, and the pause between two attempts to connect.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);

/// Where such a process is found, and how it is started.
#[derive(Debug)]
pub(crate) struct Service {
    program: PathBuf,
    subcommand: &'static str,
    /// Its control socket.
    pub socket: PathBuf,
    /// Its log.
    pub log: PathBuf,
}

impl Service {
    /// `PROGRAM SUBCOMMAND`, with the control socket `RUN_DIR/SUBCOMMAND.sock` and the log `RUN_DIR/SUBCOMMAND.log`.
    pub fn new(run_dir: &Path, program: PathBuf, subcommand: &'static str) -> Self {
        let log = run_dir.join(format!("{subcommand}.log"));
        Self { program, subcommand, socket: Self::socket_in(run_dir, subcommand), log }
    }

    /// The control socket of the process in a run directory.
    pub fn socket_in(run_dir: &Path, subcommand: &str) -> PathBuf {
        run_dir.join(format!("{subcommand}.sock"))
    }

    /// Starts the process, and waits until `connect`, which returns `None` while nobody listens, reaches it. The caller has to wait for the
    /// child: it may end before the daemon.
    ///
    /// # Errors
    /// If it does not come up. It is not left running then: it and the next one would compete for the socket.
    pub async fn start<C, F>(&self, connect: impl Fn() -> F) -> anyhow::Result<(C, Child)>
    where
        F: Future<Output = anyhow::Result<Option<C>>>,
    {
        let mut child = self.spawn()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match connect().await {
                Ok(Some(connection)) => return Ok((connection, child)),
                Ok(None) => {}
                Err(error) => {
                    child.kill().await.context("ending it")?;
                    return Err(error);
                }
            }
            if let Some(status) = child.try_wait().context("waiting for it")? {
                bail!("it ended at once with {status}; see {}", self.log.display());
            }
            if Instant::now() >= deadline {
                child.kill().await.context("ending it")?;
                bail!("no answer within {} s; see {}", PATIENCE.as_secs(), self.log.display());
            }
            sleep(PAUSE).await;
        }
    }

    fn spawn(&self) -> anyhow::Result<Child> {
        // For what it writes before it has opened its log itself. If the log cannot be opened, it is started without.
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&self.log)
            .map_or_else(|_| Stdio::null(), Stdio::from);
        Command::new(&self.program)
            .arg0("weft")
            .arg(self.subcommand)
            .arg("--new-session")
            .arg("--control")
            .arg(std::path::absolute(&self.socket).context("finding the run directory")?)
            .arg("--log-file")
            .arg(std::path::absolute(&self.log).context("finding the run directory")?)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("running {}", self.program.display()))
    }
}
