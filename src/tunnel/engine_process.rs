//! The engine process as the daemon sees it: the daemon finds it if it runs, and starts it if it is needed, but does not own it.
//!
//! The engine has a session of its own and outlives the daemon; the next daemon finds it by its control socket. The daemon does not wait
//! for an engine that does not answer: [`super::watchdog`] reports and replaces it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::sync::Mutex;
use tokio::time::timeout;
use wireguard::InterfaceName;
use wireguard::control::{Client, Command, EngineInfo, LostLines, PROTOCOL, Reply};

use super::watchdog::{Line, Silence};
use crate::log::Lost;
use crate::net::IfName;
use crate::service::Service;
use crate::starts::Starts;

/// How long an engine may take for one command. The daemon waits for it, so this is short; repeating a command does no harm.
const COMMAND_PATIENCE: Duration = Duration::from_secs(3);

/// How long an engine may take to release everything.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// Finds and starts the engine of one daemon.
pub struct EngineProcess {
    service: Service,
    /// Held while an engine is being started, so that two tunnels do not start two engines. Guards no data.
    starting: Mutex<()>,
    /// Process id of the engine that last answered; 0 = none yet.
    known: AtomicU32,
    /// What is known of the engine's health. Shared with the watchdog and with the task that waits for the end of the process.
    health: Arc<Lock<Health>>,
}

#[derive(Debug, Default)]
struct Health {
    starts: Starts,
    /// Set while the engine does not answer.
    silence: Option<Silence>,
    /// Lines that could not be written to its log.
    lost_lines: Option<Lost>,
}

impl EngineProcess {
    /// The engine whose control socket is `RUN_DIR/engine.sock`; it logs to `RUN_DIR/engine.log`. If none runs, `PROGRAM engine` is
    /// started.
    pub fn new(run_dir: &Path, program: PathBuf) -> Self {
        Self {
            service: Service::new(run_dir, program, "engine"),
            starting: Mutex::new(()),
            known: AtomicU32::new(0),
            health: Arc::default(),
        }
    }

    /// Its control socket.
    pub(super) fn socket(&self) -> &Path {
        &self.service.socket
    }

    /// What the operator should know of the engine; `None` if nothing is wrong.
    pub fn trouble(&self) -> Option<String> {
        let now = std::time::Instant::now();
        let health = self.health();
        match &health.silence {
            Some(silence) => Some(silence.to_string()),
            None => health
                .starts
                .trouble("the WireGuard engine", now)
                .map(|trouble| format!("{trouble}; see {}", self.service.log.display())),
        }
    }

    /// Why the engine's log cannot be written, as it reported last; `None` if it can, or if an earlier version runs, which does not report
    /// it.
    pub fn log_problem(&self) -> Option<String> {
        let lost = self.health().lost_lines.clone()?;
        let log = self.service.log.display();
        Some(format!(
            "the WireGuard engine's log {log} cannot be written ({}): {} so far; tunnels work without it. Make room for it, and see that \
             nothing but a file of root's is there",
            lost.cause,
            lost.count()
        ))
    }

    /// Whether the engine is known not to answer: it gets no requests then.
    pub fn is_silent(&self) -> bool {
        self.health().silence.is_some()
    }

    /// Notes what the watchdog found: `None` if the engine answers, otherwise for how long it has not.
    pub(super) fn note_silence(&self, silence: Option<Silence>) {
        self.health().silence = silence;
    }

    /// Notes what the engine reported to the watchdog about its log.
    pub(super) fn note_lost_lines(&self, lost: Option<LostLines>) {
        self.health().lost_lines = lost.map(|LostLines { lines, cause }| Lost { lines, cause });
    }

    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        // A thread that panicked while it held the lock has left complete values.
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails if the engine is known not to answer.
    pub(super) fn ensure_answers(&self) -> anyhow::Result<()> {
        match &self.health().silence {
            Some(silence) => bail!("{silence}"),
            None => Ok(()),
        }
    }

    /// The engine's answer about itself; `None` if no engine runs.
    pub async fn info(&self) -> anyhow::Result<Option<EngineInfo>> {
        match self.connect().await? {
            Some(mut client) => self.introduce(&mut client).await.map(Some),
            None => Ok(None),
        }
    }

    /// Makes the engine create and serve `interface`; starts the engine if none runs.
    pub async fn add(&self, interface: &IfName) -> anyhow::Result<()> {
        self.ensure_answers()?;
        let mut client = match self.connect().await? {
            Some(mut client) => {
                self.introduce(&mut client).await?;
                client
            }
            None => self.start().await.context("starting the WireGuard engine")?,
        };
        command(&mut client, &Command::Add { interface: engine_name(interface)? }).await
    }

    /// Makes the engine release `interface`; succeeds if no engine runs.
    pub async fn remove(&self, interface: &IfName) -> anyhow::Result<()> {
        self.ensure_answers()?;
        match self.connect().await? {
            Some(mut client) => command(&mut client, &Command::Remove { interface: engine_name(interface)? }).await,
            None => Ok(()),
        }
    }

    /// Makes the engine serve the interface `from` under the name `to`.
    ///
    /// # Errors
    /// If no engine runs, or one of an earlier version, which cannot rename.
    pub async fn rename(&self, from: &IfName, to: &IfName) -> anyhow::Result<()> {
        self.ensure_answers()?;
        let mut client = self.connect().await?.context("no WireGuard engine runs")?;
        command(&mut client, &Command::Rename { interface: engine_name(from)?, to: engine_name(to)? }).await
    }

    /// Ends the engine and with it every interface; succeeds if none runs. An engine that does not react is killed.
    pub async fn stop(&self) -> anyhow::Result<()> {
        let Some(line) = Line::open(&self.service.socket).await? else { return Ok(()) };
        let patience = if self.is_silent() { Duration::ZERO } else { STOP_PATIENCE };
        match timeout(patience, line.stop()).await {
            Ok(stopped) => stopped.context("stopping the WireGuard engine"),
            Err(_elapsed) => match Line::open(&self.service.socket).await? {
                Some(line) => line.kill().await,
                None => Ok(()),
            },
        }
    }

    async fn connect(&self) -> anyhow::Result<Option<Client>> {
        match Client::connect(&self.service.socket).await {
            Ok(client) => Ok(Some(client)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                Ok(None)
            }
            Err(error) => Err(error).with_context(|| format!("connecting to {}", self.service.socket.display())),
        }
    }

    async fn start(&self) -> anyhow::Result<Client> {
        let _starting = self.starting.lock().await;
        if let Some(client) = self.connect().await? {
            return Ok(client);
        }
        let now = std::time::Instant::now();
        if self.health().starts.earliest(now).is_some() {
            bail!("{}", self.trouble().unwrap_or_else(|| "it was started a moment ago".to_owned()));
        }
        self.health().starts.started(now);
        let started = self.service.start(|| self.connect()).await;
        let (mut client, mut child) = started.inspect_err(|_| self.note_end())?;
        // The process that started the engine has to wait for it, in case it ends before this process.
        let health = Arc::clone(&self.health);
        let pid = child.id();
        tokio::spawn(async move {
            let outcome = child.wait().await;
            health.lock().unwrap_or_else(PoisonError::into_inner).starts.ended(std::time::Instant::now());
            match outcome {
                Ok(status) => tracing::warn!(pid, %status, "WireGuard engine ended"),
                Err(error) => tracing::warn!(pid, %error, "waiting for the WireGuard engine"),
            }
        });
        // An engine that listens but does not answer is left to the watchdog.
        self.introduce(&mut client).await?;
        tracing::info!(pid, log = %self.service.log.display(), "WireGuard engine started");
        Ok(client)
    }

    /// Asks the engine about itself. Another protocol version is an error; another release is reported once.
    async fn introduce(&self, client: &mut Client) -> anyhow::Result<EngineInfo> {
        let info = match request(client, &Command::List).await? {
            Reply::Engine(info) => info,
            other => bail!("unexpected answer of the WireGuard engine: {other:?}"),
        };
        let EngineInfo { pid, version, protocol, .. } = &info;
        if *protocol != PROTOCOL {
            bail!(
                "the WireGuard engine (pid {pid}, weft {version}) has protocol version {protocol}, this weft has {PROTOCOL}"
            );
        }
        let ours = env!("CARGO_PKG_VERSION");
        if self.known.swap(*pid, Ordering::Relaxed) != *pid && version != ours {
            tracing::warn!(pid, engine = version, daemon = ours, "the WireGuard engine is of another release");
        }
        Ok(info)
    }

    fn note_end(&self) {
        self.health().starts.ended(std::time::Instant::now());
    }
}

async fn command(client: &mut Client, command: &Command) -> anyhow::Result<()> {
    match request(client, command).await? {
        Reply::Ok => Ok(()),
        Reply::Error { text } => bail!("the WireGuard engine: {text}"),
        other => bail!("unexpected answer of the WireGuard engine: {other:?}"),
    }
}

async fn request(client: &mut Client, command: &Command) -> anyhow::Result<Reply> {
    let reply = timeout(COMMAND_PATIENCE, client.request(command)).await;
    reply.context("the WireGuard engine does not answer")?.context("talking to the WireGuard engine")
}

fn engine_name(interface: &IfName) -> anyhow::Result<InterfaceName> {
    Ok(InterfaceName::new(interface.as_str())?)
}
