//! The BFD process as the daemon sees it: found if one runs, started if sessions are wanted, configured, and watched.
//!
//! The process outlives the daemon, as the WireGuard engine does. One of another release is replaced: its sessions end with AdminDown, which
//! no peer takes for a failure, and come up again a second later. A process that does not answer finds no failure any more, and is killed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::protocol::{Command, PROTOCOL, ProcessInfo, Reply, SessionChange, SessionInfo, SessionSpec};
use crate::service::Service;
use crate::starts::Starts;

/// The subcommand that it runs.
const NAME: &str = "bfd";
/// How often the process is asked for its sessions, which shows that it answers, too.
const PERIOD: Duration = Duration::from_secs(5);
/// How long it may take for that answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take to end: its sessions end first, with AdminDown.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// The pause before another attempt to reach or to start it.
const RETRY: Duration = Duration::from_millis(200);
/// News that wait for the daemon.
const QUEUE: usize = 64;

/// What the process reports.
#[derive(Debug)]
pub enum News {
    /// All sessions as they are.
    Sessions(Vec<SessionInfo>),
    /// One has another state.
    Changed(SessionChange),
    /// The process is gone: nothing is tested until the next one has begun.
    Lost,
}

/// The BFD process of one daemon. Dropping it leaves the process running.
#[derive(Debug)]
pub struct BfdProcess {
    wanted: watch::Sender<Vec<SessionSpec>>,
    health: Arc<Lock<Health>>,
    task: JoinHandle<()>,
}

impl Drop for BfdProcess {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What is known of the process.
#[derive(Debug, Default)]
struct Health {
    starts: Starts,
    /// Why it is not reached, or refuses its sessions.
    trouble: Option<String>,
    /// Why sessions find failures later than they should.
    slowed: Option<String>,
}

/// Keeps the process running.
#[derive(Debug)]
struct Attendant {
    service: Service,
    health: Arc<Lock<Health>>,
}

impl BfdProcess {
    /// The process whose control socket is `RUN_DIR/bfd.sock`, with these sessions; it logs to `RUN_DIR/bfd.log`. If none runs and there
    /// are sessions to be had, `PROGRAM bfd` is started. Returns what it reports, too.
    pub fn attend(run_dir: &Path, program: PathBuf, sessions: Vec<SessionSpec>) -> (Self, mpsc::Receiver<News>) {
        let (wanted, wants) = watch::channel(sessions);
        let (news, received) = mpsc::channel(QUEUE);
        let health = Arc::<Lock<Health>>::default();
        let service = Service::new(run_dir, program, NAME);
        let attendant = Attendant { service, health: Arc::clone(&health) };
        let task = tokio::spawn(attendant.attend(wants, news));
        (Self { wanted, health, task }, received)
    }

    /// Makes these all sessions that there are. Those that are there already go on undisturbed.
    pub fn configure(&self, sessions: Vec<SessionSpec>) {
        self.wanted.send_if_modified(|wanted| {
            let differs = *wanted != sessions;
            *wanted = sessions;
            differs
        });
    }

    /// What the operator should know of the process; `None` if nothing is wrong.
    pub fn trouble(&self) -> Option<String> {
        let health = lock(&self.health);
        let trouble = health.starts.trouble("the BFD process", Instant::now()).or_else(|| health.trouble.clone());
        trouble.or_else(|| health.slowed.clone())
    }
}

/// What the operator should know of sessions that are slower than these, because the process gets too little of the processor.
fn slowed(info: &ProcessInfo, sessions: &[SessionSpec]) -> Option<String> {
    let interval_ms = |spec: &SessionSpec| f64::from(spec.desired_min_tx_us) / 1e3;
    let slowed = sessions.iter().filter(|spec| interval_ms(spec) < info.shortest_ms).count();
    (slowed > 0).then(|| {
        let remedy = match info.without_real_time {
            Some(_) => "let it have a real-time priority (`LimitRTPRIO=1` in the unit), or take load off this router",
            None => "take load off this router",
        };
        format!(
            "BFD: the processor is so busy that {slowed} of {} sessions send every {:.0} ms only, and failures are found later: {remedy}",
            sessions.len(),
            info.shortest_ms
        )
    })
}

/// Ends the process of a run directory, after its sessions have ended with AdminDown; succeeds if none runs.
///
/// # Errors
/// If it cannot be reached, or does not end.
pub async fn stop(run_dir: &Path) -> anyhow::Result<()> {
    match Line::open(&Service::socket_in(run_dir, NAME)).await? {
        Some(line) => line.stop().await,
        None => Ok(()),
    }
}

/// Returns the sessions of the process of a run directory; none if no process runs.
///
/// # Errors
/// If it does not answer, or is of another release.
pub async fn list(run_dir: &Path) -> anyhow::Result<Vec<SessionInfo>> {
    let Some(mut line) = Line::open(&Service::socket_in(run_dir, NAME)).await? else { return Ok(Vec::new()) };
    line.send(&Command::List).await?;
    match line.next().await? {
        Some(Reply::Process(info)) => Ok(info.sessions),
        other => bail!("unexpected answer of the BFD process: {other:?}"),
    }
}

fn lock(health: &Lock<Health>) -> MutexGuard<'_, Health> {
    // A thread that panicked while it held the lock has left complete values.
    health.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Attendant {
    /// Keeps a process running while there are sessions to be had, and passes on what it reports. Ends with the daemon.
    async fn attend(self, mut wanted: watch::Receiver<Vec<SessionSpec>>, news: mpsc::Sender<News>) {
        loop {
            match self.serve(&mut wanted, &news).await {
                Ok(()) => lock(&self.health).trouble = None,
                Err(error) => {
                    let text = format!("{error:#}");
                    let before = lock(&self.health).trouble.replace(text.clone());
                    if before.as_ref() != Some(&text) {
                        tracing::warn!(error = text, "BFD process");
                    }
                }
            }
            lock(&self.health).slowed = None;
            if wanted.has_changed().is_err() || news.send(News::Lost).await.is_err() {
                return;
            }
            sleep(RETRY).await;
        }
    }

    /// Serves one process, from its beginning or from where it is, to its end.
    async fn serve(
        &self,
        wanted: &mut watch::Receiver<Vec<SessionSpec>>,
        news: &mpsc::Sender<News>,
    ) -> anyhow::Result<()> {
        let mut line = match Line::open(&self.service.socket).await? {
            Some(line) => line,
            None => {
                if wanted.wait_for(|wanted| !wanted.is_empty()).await.is_err() {
                    return Ok(());
                }
                self.start().await.context("starting the BFD process")?
            }
        };
        let info = line.introduce().await?;
        if (info.protocol, info.version.as_str()) != (PROTOCOL, env!("CARGO_PKG_VERSION")) {
            tracing::info!(
                pid = info.pid,
                release = info.version,
                "the BFD process is of another release, and is replaced"
            );
            return line.stop().await;
        }
        if let Some(error) = info.without_real_time {
            tracing::warn!(
                error,
                "BFD has no real-time priority: on a busy machine sessions may fail (LimitRTPRIO=1 in the unit)"
            );
        }
        // From here on nothing is missed: what has changed since the introduction is in the next list.
        line.send(&Command::Watch).await?;
        line.send(&Command::List).await?;
        let mut asked = Some(Instant::now());
        let mut configured: Option<Vec<SessionSpec>> = None;
        loop {
            let sessions = wanted.borrow_and_update().clone();
            if configured.as_ref() != Some(&sessions) {
                if sessions.is_empty() {
                    return line.stop().await;
                }
                line.send(&Command::Configure { sessions: sessions.clone() }).await?;
                configured = Some(sessions);
            }
            let pause = asked.map_or(PERIOD, |asked| PATIENCE.saturating_sub(asked.elapsed()));
            tokio::select! {
                // What has arrived counts before any time is over.
                biased;
                reply = line.next() => match reply? {
                    // It has ended.
                    None => return Ok(()),
                    Some(Reply::Ok) => lock(&self.health).trouble = None,
                    Some(Reply::Error { text }) => {
                        tracing::warn!(text, "the BFD process refuses its sessions");
                        lock(&self.health).trouble = Some(format!("the BFD process refuses its sessions: {text}"));
                    }
                    Some(Reply::Process(info)) => {
                        asked = None;
                        lock(&self.health).slowed = slowed(&info, configured.as_deref().unwrap_or_default());
                        if news.send(News::Sessions(info.sessions)).await.is_err() {
                            return Ok(());
                        }
                    }
                    Some(Reply::Changed(change)) => {
                        if news.send(News::Changed(change)).await.is_err() {
                            return Ok(());
                        }
                    }
                },
                changed = wanted.changed() => if changed.is_err() {
                    return Ok(());
                },
                () = sleep(pause) => match asked {
                    None => {
                        line.send(&Command::List).await?;
                        asked = Some(Instant::now());
                    }
                    Some(_) => {
                        tracing::warn!(pid = info.pid, "the BFD process does not answer, and is replaced");
                        line.kill();
                        bail!("the BFD process did not answer for {} s", PATIENCE.as_secs());
                    }
                },
            }
        }
    }

    async fn start(&self) -> anyhow::Result<Line> {
        let earliest = lock(&self.health).starts.earliest(Instant::now());
        if let Some(earliest) = earliest {
            tokio::time::sleep_until(earliest.into()).await;
        }
        lock(&self.health).starts.started(Instant::now());
        let started = self.service.start(|| Line::open(&self.service.socket)).await;
        let (line, mut child) = started.inspect_err(|_| lock(&self.health).starts.ended(Instant::now()))?;
        tracing::info!(pid = child.id(), log = %self.service.log.display(), "BFD process started");
        // The process that started it has to wait for it, in case it ends before this process.
        let health = Arc::clone(&self.health);
        tokio::spawn(async move {
            let status = child.wait().await;
            lock(&health).starts.ended(Instant::now());
            tracing::info!(?status, "BFD process ended");
        });
        Ok(line)
    }
}

/// What every release reports of itself, in [`super::protocol::ProcessInfo`].
#[derive(Debug, serde::Deserialize)]
struct Introduction {
    protocol: u32,
    version: String,
    pid: u32,
    #[serde(default)]
    without_real_time: Option<String>,
}

/// A connection to the process.
struct Line {
    replies: Lines<BufReader<OwnedReadHalf>>,
    commands: OwnedWriteHalf,
    pid: Option<i32>,
}

impl Line {
    /// Connects to the process; `None` if none runs.
    async fn open(socket: &Path) -> anyhow::Result<Option<Self>> {
        let stream = match UnixStream::connect(socket).await {
            Ok(stream) => stream,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                return Ok(None);
            }
            Err(error) => return Err(error).with_context(|| format!("connecting to {}", socket.display())),
        };
        let pid = stream.peer_cred().ok().and_then(|peer| peer.pid());
        let (replies, commands) = stream.into_split();
        Ok(Some(Self { replies: BufReader::new(replies).lines(), commands, pid }))
    }

    async fn send(&mut self, command: &Command) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(command).context("writing a command")?;
        line.push(b'\n');
        let sent = timeout(PATIENCE, self.commands.write_all(&line)).await;
        sent.context("the BFD process does not read its commands")?.context("talking to the BFD process")
    }

    /// The next line; `None` at the end of the stream. Nothing is lost if this is dropped before it is done.
    async fn next(&mut self) -> anyhow::Result<Option<Reply>> {
        let Some(line) = self.replies.next_line().await.context("listening to the BFD process")? else {
            return Ok(None);
        };
        serde_json::from_str(&line).map(Some).with_context(|| format!("an answer of the BFD process: {line}"))
    }

    /// Asks the process about itself.
    async fn introduce(&mut self) -> anyhow::Result<Introduction> {
        self.send(&Command::List).await?;
        match timeout(PATIENCE, self.replies.next_line()).await {
            Ok(line) => {
                let line = line.context("listening to the BFD process")?.context("the BFD process hangs up")?;
                serde_json::from_str(&line).with_context(|| format!("an answer of the BFD process: {line}"))
            }
            Err(_elapsed) => {
                self.kill();
                bail!("the BFD process did not answer for {} s", PATIENCE.as_secs())
            }
        }
    }

    /// Has it end its sessions and itself; one that does not is killed.
    async fn stop(mut self) -> anyhow::Result<()> {
        self.send(&Command::Stop).await?;
        let ended = timeout(STOP_PATIENCE, async {
            // Changes of sessions may come before the end of the stream, which is also the end of a process that resets it.
            while let Ok(Some(_)) = self.next().await {}
        });
        if ended.await.is_err() {
            self.kill();
        }
        Ok(())
    }

    fn kill(&self) {
        if let Some(pid) = self.pid
            && let Err(error) = kill(Pid::from_raw(pid), Signal::SIGKILL)
        {
            tracing::warn!(pid, %error, "ending the BFD process");
        }
    }
}
