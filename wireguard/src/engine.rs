//! The engine process: opens interfaces, handles the daemon's commands and signals, and cleans up at its end.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::InterfaceName;
use crate::clients::{Clients, Event};
use crate::control::{self, Command, EngineInfo, LostLines, PROTOCOL, Reply, Request};
use crate::panics;
use crate::registry::Registry;
use crate::socket::Socket;

/// Directory where `wg` looks for the UAPI sockets of userspace devices.
pub const UAPI_DIR: &str = "/run/wireguard";

/// How often the engine checks that the control socket still has its name: nothing reports that it was removed.
const LOOK: Duration = Duration::from_secs(2);

/// Maximum number of commands that wait to be carried out.
const COMMAND_QUEUE: usize = 16;

/// Options of an engine at its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Interfaces that are opened at the start.
    pub interfaces: Vec<InterfaceName>,
    /// Directory of the UAPI sockets: [`UAPI_DIR`] if `wg` is to find them.
    pub uapi_dir: PathBuf,
    /// Path of the control socket, on which the engine receives [`Command`]s. With a control socket the engine outlives its last interface.
    pub control: Option<PathBuf>,
}

/// Runs the engine until SIGTERM, SIGINT or [`Command::Stop`]. Without a control socket, it also ends when the last interface is gone, or
/// on SIGHUP, which means that the terminal is gone. With a control socket, SIGHUP is ignored: only the daemon has a file to reload.
///
/// Sets the process's umask to 077. `lost_lines` returns what the process's log has lost, which clients of the control socket can query.
///
/// # Errors
/// If an interface or the control socket cannot be opened at the start; interfaces opened before are closed again. If a task of the data
/// path panics: the supervisor of this process is expected to restart it. Without a control socket, if an interface failed.
pub async fn run(options: Options, lost_lines: fn() -> Option<LostLines>) -> anyhow::Result<()> {
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let hangup = if options.control.is_some() { Hangup::Ignored } else { Hangup::Obeyed };
    let mut signals = Signals::new(hangup).context("installing signal handlers")?;
    let mut registry = Registry::new(options.uapi_dir.clone()).context("opening a netlink socket")?;
    let outcome = open_and_serve(&mut registry, &options, lost_lines, &mut signals).await;
    registry.remove_all().await;
    outcome
}

async fn open_and_serve(
    registry: &mut Registry,
    options: &Options,
    lost_lines: fn() -> Option<LostLines>,
    signals: &mut Signals,
) -> anyhow::Result<()> {
    let mut control = match &options.control {
        Some(path) => Control::Socket(ControlSocket::listen(path).await?),
        None => Control::None,
    };
    let mut stray = panics::watch();
    for name in &options.interfaces {
        registry.add(name).await.with_context(|| format!("opening interface {name}"))?;
    }
    let mut failed = None;
    loop {
        if matches!(control, Control::None) && registry.is_empty() {
            return failed.map_or(Ok(()), Err);
        }
        tokio::select! {
            () = signals.next() => return Ok(()),
            () = stray.next() => anyhow::bail!("a task of the data path has panicked: all interfaces begin anew"),
            Some((name, ending)) = registry.next_ended() => {
                tracing::info!(interface = %name, ?ending, "name is free");
                if ending.is_failure() {
                    failed = Some(anyhow::anyhow!("interface {name} failed: {ending:?}"));
                }
            }
            (command, reply) = control.next() => {
                let Some(answer) = carry_out(registry, command, lost_lines).await else {
                    // The socket's name is removed before the client receives the end of its stream.
                    drop(control);
                    drop(reply);
                    return Ok(());
                };
                // The client may have disconnected; its command was carried out nevertheless.
                let _ = reply.send(answer);
            }
        }
    }
}

/// Carries out a command; returns `None` if the engine is to exit.
async fn carry_out(registry: &mut Registry, command: Command, lost_lines: fn() -> Option<LostLines>) -> Option<Reply> {
    tracing::debug!(?command, "command received");
    let reply = match command {
        Command::Add { interface } => match registry.add(&interface).await {
            Ok(()) => Reply::Ok,
            Err(error) => {
                let text = format!("{:#}", anyhow::Error::from(error));
                tracing::warn!(%interface, error = text, "adding interface");
                Reply::Error { text }
            }
        },
        Command::Remove { interface } => {
            registry.remove(&interface).await;
            Reply::Ok
        }
        Command::Rename { interface, to } => match registry.rename(&interface, &to).await {
            Ok(()) => Reply::Ok,
            Err(error) => {
                let text = format!("{:#}", anyhow::Error::from(error));
                tracing::warn!(%interface, %to, error = text, "renaming interface");
                Reply::Error { text }
            }
        },
        Command::List => Reply::Engine(EngineInfo {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            interfaces: registry.names(),
            lost_lines: lost_lines(),
        }),
        Command::Stop => {
            registry.remove_all().await;
            return None;
        }
    };
    Some(reply)
}

/// The source of commands.
enum Control {
    None,
    Socket(ControlSocket),
}

impl Control {
    async fn next(&mut self) -> Request {
        match self {
            Self::None => std::future::pending().await,
            Self::Socket(socket) => socket.next().await,
        }
    }
}

/// The control socket and its clients.
struct ControlSocket {
    path: PathBuf,
    socket: Socket,
    look: Interval,
    clients: Clients,
    sender: mpsc::Sender<Request>,
    requests: mpsc::Receiver<Request>,
}

impl ControlSocket {
    async fn listen(path: &Path) -> anyhow::Result<Self> {
        let socket = Socket::listen(path).await.context("opening the control socket")?;
        let (sender, requests) = mpsc::channel(COMMAND_QUEUE);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { path: path.to_owned(), socket, look, clients: Clients::default(), sender, requests })
    }

    /// The next command of any client. Cancel safe.
    async fn next(&mut self) -> Request {
        loop {
            tokio::select! {
                request = self.requests.recv() => return request.expect("we hold a sender"),
                event = self.clients.next(&self.socket) => match event {
                    Event::Came(client, place) => {
                        let sender = self.sender.clone();
                        self.clients.serve(async move { control::serve(client, sender, &place).await });
                    }
                    // The commands of a client that disconnects need no cleaning up.
                    Event::Gone(_) => {}
                },
                _ = self.look.tick() => {
                    if !self.socket.is_in_place() {
                        self.listen_again().await;
                    }
                }
            }
        }
    }

    /// Makes the control socket again after its name, or its whole directory, was removed: without the name no daemon finds this engine.
    async fn listen_again(&mut self) {
        match Socket::listen(&self.path).await {
            Ok(socket) => {
                tracing::info!(path = %self.path.display(), "control socket made again");
                self.socket = socket;
            }
            Err(error) => tracing::debug!(%error, "control socket not made again"),
        }
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Option<(Signal, Hangup)>,
}

/// How the engine handles SIGHUP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hangup {
    /// It ends the engine, as SIGTERM does.
    Obeyed,
    /// It is only logged.
    Ignored,
}

impl Signals {
    fn new(hangup: Hangup) -> std::io::Result<Self> {
        // A process that was started by `nohup` ignores SIGHUP already, and keeps ignoring it.
        let hangup = if hangup_is_ignored() { None } else { Some((signal(SignalKind::hangup())?, hangup)) };
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())?, hangup })
    }

    async fn next(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                hangup = next_hangup(&mut self.hangup) => match hangup {
                    Hangup::Obeyed => return,
                    Hangup::Ignored => tracing::info!("SIGHUP is for the daemon, which reads the mesh file again; nothing was done"),
                }
            }
        }
    }
}

async fn next_hangup(hangup: &mut Option<(Signal, Hangup)>) -> Hangup {
    match hangup {
        Some((signal, meaning)) => {
            signal.recv().await;
            *meaning
        }
        None => std::future::pending().await,
    }
}

/// Whether this process was started with SIGHUP ignored (proc_pid_status(5), SigIgn).
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 << (libc::SIGHUP - 1) != 0)
}
