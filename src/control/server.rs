//! The answering side: accepts, reads a line, hands the question to the daemon, writes what it says.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::debug;

use super::protocol::{MAX_REQUEST, Reply, Request};

/// Connections served at once; more wait in the listener's queue.
const MAX_CLIENTS: usize = 16;
/// How long a client may take to send its question.
const QUESTION_PATIENCE: Duration = Duration::from_secs(5);

/// How long the last answers may take to be written.
const FAREWELL_PATIENCE: Duration = Duration::from_secs(2);

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
    /// Listens on `path` (mode 0660) and sends every question to `questions`.
    ///
    /// # Errors
    /// If another daemon answers there, or the socket cannot be made.
    pub fn start(path: &Path, questions: mpsc::Sender<Asked>) -> anyhow::Result<Self> {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            bail!("another weft daemon already answers on {}: stop it first, or use another --run-dir", path.display());
        }
        remove_stale(path).with_context(|| format!("removing the stale socket {}", path.display()))?;
        let listener = UnixListener::bind(path).with_context(|| format!("listening on {}", path.display()))?;
        std::fs::set_permissions(path, Permissions::from_mode(0o660))
            .with_context(|| format!("setting the mode of {}", path.display()))?;
        let places = Arc::new(Semaphore::new(MAX_CLIENTS));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&places), questions));
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

fn remove_stale(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

async fn accept(listener: UnixListener, places: Arc<Semaphore>, questions: mpsc::Sender<Asked>) {
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
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
