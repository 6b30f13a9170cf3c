//! The engine process: opens interfaces, listens to the daemon and to signals, cleans up.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::InterfaceName;
use crate::control::{self, Command, EngineInfo, PROTOCOL, Reply, Request};
use crate::registry::Registry;
use crate::socket::{MAX_CLIENTS, Socket};

/// Where `wg` looks for the UAPI sockets of userspace devices.
pub const UAPI_DIR: &str = "/run/wireguard";

/// Before the next attempt where a client could not be accepted, for want of descriptors most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Commands that wait for their turn.
const COMMAND_QUEUE: usize = 16;

/// What an engine is told at its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Interfaces to open at once.
    pub interfaces: Vec<InterfaceName>,
    /// Directory of the UAPI sockets: [`UAPI_DIR`] if `wg` shall find them.
    pub uapi_dir: PathBuf,
    /// Where to listen for [`Command`]s. With a control socket the engine outlives its last interface.
    pub control: Option<PathBuf>,
}

/// Runs until SIGTERM or SIGINT, until told to stop, or, without a control socket, until the last interface is gone.
///
/// Sets the process's umask to 077.
///
/// # Errors
/// If an interface or the control socket cannot be opened at the start; interfaces opened before are closed again.
pub async fn run(options: Options) -> anyhow::Result<()> {
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let mut signals = Signals::new().context("installing signal handlers")?;
    let mut registry = Registry::new(options.uapi_dir);
    let outcome = open_and_serve(&mut registry, &options.interfaces, options.control.as_deref(), &mut signals).await;
    registry.remove_all().await;
    outcome
}

async fn open_and_serve(
    registry: &mut Registry,
    interfaces: &[InterfaceName],
    control: Option<&Path>,
    signals: &mut Signals,
) -> anyhow::Result<()> {
    let mut control = match control {
        Some(path) => Control::Socket(ControlSocket::listen(path).await?),
        None => Control::None,
    };
    for name in interfaces {
        registry.add(name).await.with_context(|| format!("opening interface {name}"))?;
    }
    loop {
        if matches!(control, Control::None) && registry.is_empty() {
            return Ok(());
        }
        tokio::select! {
            () = signals.next() => return Ok(()),
            Some((name, ending)) = registry.next_ended() => {
                tracing::info!(interface = %name, ?ending, "name is free");
            }
            (command, reply) = control.next() => {
                let Some(answer) = carry_out(registry, command).await else {
                    // First the socket's name goes, then the client hears the end of its stream.
                    drop(control);
                    drop(reply);
                    return Ok(());
                };
                // The client may have hung up: what it asked for is done all the same.
                let _ = reply.send(answer);
            }
        }
    }
}

/// Does what it is told; `None` once there is nothing left to do but exit.
async fn carry_out(registry: &mut Registry, command: Command) -> Option<Reply> {
    tracing::debug!(?command, "told");
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
        Command::List => Reply::Engine(EngineInfo {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            interfaces: registry.names(),
        }),
        Command::Stop => {
            registry.remove_all().await;
            return None;
        }
    };
    Some(reply)
}

/// Where commands come from.
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

/// The control socket with its clients.
struct ControlSocket {
    socket: Socket,
    clients: JoinSet<()>,
    sender: mpsc::Sender<Request>,
    requests: mpsc::Receiver<Request>,
}

impl ControlSocket {
    async fn listen(path: &Path) -> anyhow::Result<Self> {
        let socket = Socket::listen(path).await.context("opening the control socket")?;
        let (sender, requests) = mpsc::channel(COMMAND_QUEUE);
        Ok(Self { socket, clients: JoinSet::new(), sender, requests })
    }

    /// The next command of any client. Cancel safe.
    async fn next(&mut self) -> Request {
        loop {
            tokio::select! {
                request = self.requests.recv() => return request.expect("we hold a sender"),
                accepted = self.socket.accept(), if self.clients.len() < MAX_CLIENTS => match accepted {
                    Ok(client) => {
                        let sender = self.sender.clone();
                        self.clients.spawn(async move {
                            if let Err(error) = control::serve(client, sender).await {
                                tracing::debug!(%error, "control client");
                            }
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "accepting a control client");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = self.clients.join_next() => {}
            }
        }
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
