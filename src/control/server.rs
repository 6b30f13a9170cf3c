//! The answering side: accepts, reads a line, hands the question to the daemon, writes what it says.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tracing::{debug, error, info};

use super::protocol::{MAX_REQUEST, Reply, Request};
use crate::state_file::set_aside;

/// Connections served at once; more wait in the listener's queue.
const MAX_CLIENTS: usize = 16;
/// How long a client may take to send its question.
const QUESTION_PATIENCE: Duration = Duration::from_secs(5);

/// How long the last answers may take to be written.
const FAREWELL_PATIENCE: Duration = Duration::from_secs(2);

/// How often the socket's name is looked at: nobody says when it is removed.
const LOOK: Duration = Duration::from_secs(2);

/// A question and where its answer goes.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub request: Request,
    /// The answer, or why there is none.
    pub answer: oneshot::Sender<Result<serde_json::Value, String>>,
}

/// The listening socket; it is removed from the file system when this is dropped.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    places: Arc<Semaphore>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Listens on `path` (mode 0660) and sends every question to `questions`. A socket that cannot be made, or that somebody removes,
    /// is made as soon as that is possible: the daemon has more to do than to answer.
    ///
    /// # Errors
    /// If another daemon answers there.
    pub fn start(path: &Path, questions: mpsc::Sender<Asked>) -> anyhow::Result<Self> {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            bail!("another weft daemon already answers on {}: stop it first, or use another --run-dir", path.display());
        }
        let places = Arc::new(Semaphore::new(MAX_CLIENTS));
        let listening = Listening::begin(path).map_err(|error| {
            error!(path = %path.display(), error = format!("{error:#}"), "no control socket: `weft status` gets no answer");
        });
        let accepting = tokio::spawn(accept(path.to_owned(), listening.ok(), Arc::clone(&places), questions));
        Ok(Self { path: path.to_owned(), places, accepting })
    }

    /// Takes no further question, and waits a moment until the answers given are written.
    pub async fn finish(self) {
        self.accepting.abort();
        let everyone = self.places.acquire_many(MAX_CLIENTS as u32);
        if tokio::time::timeout(FAREWELL_PATIENCE, everyone).await.is_err() {
            debug!("a control client was left without an answer");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        if let Err(error) = remove_stale(&self.path) {
            debug!(path = %self.path.display(), %error, "control socket not removed");
        }
    }
}

/// A socket with a name.
struct Listening {
    listener: UnixListener,
    /// What the name stands for, as long as nobody takes it away.
    inode: Option<(u64, u64)>,
}

impl Listening {
    fn begin(path: &Path) -> anyhow::Result<Self> {
        if let Err(error) = remove_stale(path) {
            // A directory, most likely.
            let aside = path.with_extension("sock.damaged");
            set_aside(path, &aside).map_err(|_| error).with_context(|| format!("removing {}", path.display()))?;
        }
        let listener = UnixListener::bind(path).with_context(|| format!("listening on {}", path.display()))?;
        std::fs::set_permissions(path, Permissions::from_mode(0o660))
            .with_context(|| format!("setting the mode of {}", path.display()))?;
        Ok(Self { listener, inode: inode(path) })
    }

    fn is_in_place(&self, path: &Path) -> bool {
        inode(path) == self.inode
    }
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

fn remove_stale(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

async fn accept(
    path: PathBuf,
    mut listening: Option<Listening>,
    places: Arc<Semaphore>,
    questions: mpsc::Sender<Asked>,
) {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let accepted = tokio::select! {
            accepted = next_client(listening.as_ref()) => accepted,
            _ = look.tick() => {
                if listening.as_ref().is_none_or(|listening| !listening.is_in_place(&path)) {
                    listening = Listening::begin(&path).ok();
                    if listening.is_some() {
                        info!(path = %path.display(), "control socket made again");
                    }
                }
                continue;
            }
        };
        match accepted {
            Ok(stream) => {
                let questions = questions.clone();
                tokio::spawn(async move {
                    if let Err(error) = serve(stream, questions).await {
                        debug!(%error, "control client left");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                debug!(%error, "control connection not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Waits for ever where there is no socket.
async fn next_client(listening: Option<&Listening>) -> io::Result<UnixStream> {
    match listening {
        Some(listening) => listening.listener.accept().await.map(|(stream, _)| stream),
        None => std::future::pending().await,
    }
}

async fn serve(stream: UnixStream, questions: mpsc::Sender<Asked>) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(read.take(MAX_REQUEST as u64));
    tokio::time::timeout(QUESTION_PATIENCE, reader.read_line(&mut line)).await??;
    let reply = match serde_json::from_str::<Request>(&line) {
        Ok(request) => answer(request, &questions).await,
        Err(error) => Reply::Error(format!("not a request: {error}")),
    };
    let mut text = serde_json::to_string(&reply)?;
    text.push('\n');
    write.write_all(text.as_bytes()).await
}

async fn answer(request: Request, questions: &mpsc::Sender<Asked>) -> Reply {
    let (sender, receiver) = oneshot::channel();
    let asked = questions.send(Asked { request, answer: sender }).await;
    match (asked, receiver.await) {
        (Ok(()), Ok(Ok(value))) => Reply::Ok(value),
        (Ok(()), Ok(Err(reason))) => Reply::Error(reason),
        (Err(_), _) | (_, Err(_)) => Reply::Error("the daemon is stopping".to_owned()),
    }
}
