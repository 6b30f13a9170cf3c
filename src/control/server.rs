//! The server side of the control socket: accepts connections, reads a request, passes it to the daemon, and writes the answer.
//!
//! A long answer is made and sent in parts, so that neither the answer nor slow readers take much memory. A client that does not read is
//! disconnected, and so is one that sends no request while others wait. A request is answered in time even if the daemon's loop is busy:
//! the answer then says what the loop is doing.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use ospf::LsaPlace;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, timeout};
use tracing::{debug, error, info};

use self::places::{Awaited, Place, Places};
use super::activity::Activity;
use super::client;
use super::protocol::{MAX_LONG_REQUEST, MAX_REQUEST, OK, Reply, Request};
use crate::net::Prefix;
use crate::state_file::set_aside;

mod places;

/// How long the daemon may take to answer a query, so that the client has the answer within two seconds.
const ANSWER_PATIENCE: Duration = Duration::from_millis(1500);
/// How long the daemon may take to carry out a command.
const COMMAND_PATIENCE: Duration = Duration::from_secs(55);

/// How long writing the last answers may take when the daemon ends.
const FAREWELL_PATIENCE: Duration = Duration::from_secs(2);

/// How often the name of the socket is checked: nothing notifies the server when the name is removed.
const LOOK: Duration = Duration::from_secs(2);

/// A request, and where to send its answer.
#[derive(Debug)]
pub struct Asked {
    /// The request.
    pub request: Request,
    /// Where to continue; `None` = at the beginning.
    pub from: Option<Cursor>,
    /// Takes the answer, or the reason why there is none.
    pub answer: oneshot::Sender<Result<Part, String>>,
}

/// An answer, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// JSON text. All parts together are one JSON value.
    pub json: String,
    /// Where the next part begins; `None` after the last.
    pub rest: Option<Cursor>,
}

impl Part {
    /// An answer that consists of one part.
    pub fn whole(json: String) -> Self {
        Self { json, rest: None }
    }

    /// The answer `null`.
    pub fn null() -> Self {
        Self::whole("null".to_owned())
    }
}

/// The last row of a part: the next part continues after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// A route.
    Route(Prefix),
    /// An LSA.
    Lsa(LsaCursor),
}

/// The last LSA that a part covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LsaCursor {
    /// Its place; `None` before the first.
    pub place: Option<LsaPlace>,
    /// Whether any LSA up to here was a row of the answer: some may not have been selected.
    pub rows_before: bool,
}

/// The listening socket. Its name is removed when this is dropped, unless the name belongs to another socket by then.
#[derive(Debug)]
pub struct Server {
    places: Places,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Listens on `path` (mode 0660) and sends every request to `questions`. A socket that cannot be created, or whose name is removed, is
    /// created again as soon as possible: the daemon works without it meanwhile.
    ///
    /// # Errors
    /// If another daemon answers on `path`.
    pub fn start(path: &Path, questions: mpsc::Sender<Asked>, activity: Arc<Activity>) -> anyhow::Result<Self> {
        if client::is_served(path) {
            bail!("another weft daemon already answers on {}: stop it first, or use another --run-dir", path.display());
        }
        let places = Places::new();
        let listening = Listening::begin(path).map_err(|error| {
            error!(path = %path.display(), error = format!("{error:#}"), "no control socket: `weft status` gets no answer");
        });
        let daemon = Daemon { questions, activity };
        let accepting = tokio::spawn(accept(path.to_owned(), listening.ok(), places.clone(), daemon));
        Ok(Self { places, accepting })
    }

    /// Accepts no further requests, and waits a short time until the answers are written.
    pub async fn finish(mut self) {
        self.accepting.abort();
        // The task owns the socket and its name, and drops them. That it was aborted is expected.
        let _ = (&mut self.accepting).await;
        if timeout(FAREWELL_PATIENCE, self.places.empty()).await.is_err() {
            debug!("a control client was left without an answer");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A listening socket with a name, which is removed when this is dropped.
struct Listening {
    path: PathBuf,
    listener: UnixListener,
    /// Device and inode that the name stood for when the socket was bound.
    inode: Option<(u64, u64)>,
}

impl Listening {
    fn begin(path: &Path) -> anyhow::Result<Self> {
        if let Err(error) = remove_stale(path) {
            // Most likely the path is a directory.
            let aside = path.with_extension("sock.damaged");
            set_aside(path, &aside).map_err(|_| error).with_context(|| format!("removing {}", path.display()))?;
        }
        let listener = UnixListener::bind(path).with_context(|| format!("listening on {}", path.display()))?;
        std::fs::set_permissions(path, Permissions::from_mode(0o660))
            .with_context(|| format!("setting the mode of {}", path.display()))?;
        Ok(Self { path: path.to_owned(), listener, inode: inode(path) })
    }

    fn is_in_place(&self) -> bool {
        self.inode.is_some() && inode(&self.path) == self.inode
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // The kernel does not reuse the inode while the socket is open.
        if self.is_in_place()
            && let Err(error) = remove_stale(&self.path)
        {
            debug!(path = %self.path.display(), %error, "control socket not removed");
        }
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

/// The connection from a client's task to the daemon's loop.
#[derive(Debug, Clone)]
struct Daemon {
    questions: mpsc::Sender<Asked>,
    activity: Arc<Activity>,
}

async fn accept(path: PathBuf, mut listening: Option<Listening>, places: Places, daemon: Daemon) {
    let mut look = tokio::time::interval_at(Instant::now() + LOOK, LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let accepted = tokio::select! {
            accepted = next_client(listening.as_ref()) => accepted,
            _ = look.tick() => {
                let is_in_place = listening.as_ref().is_some_and(Listening::is_in_place);
                if !is_in_place && !is_others(&path).await {
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
                let place = places.take().await;
                let daemon = daemon.clone();
                tokio::spawn(async move {
                    let (read, write) = stream.into_split();
                    if let Err(error) = serve(read, Client { write, place }, &daemon).await {
                        debug!(%error, "control client left");
                    }
                });
            }
            Err(error) => {
                debug!(%error, "control connection not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Whether another process serves the name by now: a socket that is in use is not replaced.
async fn is_others(path: &Path) -> bool {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || client::is_served(&path)).await.unwrap_or(false)
}

/// Accepts the next client. Never completes if there is no socket.
async fn next_client(listening: Option<&Listening>) -> io::Result<UnixStream> {
    match listening {
        Some(listening) => listening.listener.accept().await.map(|(stream, _)| stream),
        None => std::future::pending().await,
    }
}

/// Allows one client at a time to send a long request.
static LONG_REQUESTS: Semaphore = Semaphore::const_new(1);

/// A client that is being served.
struct Client {
    write: OwnedWriteHalf,
    place: Place,
}

/// A request that was read, with the turn that its client has if it is long.
type Read = (Request, Option<SemaphorePermit<'static>>);

async fn serve(read: impl AsyncRead + Unpin, mut client: Client, daemon: &Daemon) -> io::Result<()> {
    let (request, _turn) = match read_request(read, &mut client).await? {
        Ok(read) => read,
        Err(reason) => return refuse(&mut client, reason).await,
    };
    let first = match daemon.ask(&request, None).await {
        Ok(part) => part,
        Err(reason) => return refuse(&mut client, reason).await,
    };
    write(&mut client, OK.0).await?;
    write(&mut client, &first.json).await?;
    let mut from = first.rest;
    while from.is_some() {
        // An answer that has begun cannot become an error: the client sees that it ends too early.
        let part = daemon.ask(&request, from).await.map_err(io::Error::other)?;
        write(&mut client, &part.json).await?;
        from = part.rest;
    }
    write(&mut client, OK.1).await
}

/// Reads a client's request; the inner error says what is wrong with it.
async fn read_request(read: impl AsyncRead + Unpin, client: &mut Client) -> io::Result<Result<Read, String>> {
    let mut line = Vec::new();
    let mut reader = BufReader::new(read.take(MAX_REQUEST as u64));
    client.place.wait(Awaited::Question, reader.read_until(b'\n', &mut line)).await?;
    // A request with a mesh file is longer than this limit. Only one client at a time may use that much memory.
    let mut turn = None;
    if line.len() == MAX_REQUEST && line.last() != Some(&b'\n') {
        let next = async { LONG_REQUESTS.acquire().await.map_err(io::Error::other) };
        turn = Some(client.place.wait(Awaited::Question, next).await?);
        reader.get_mut().set_limit((MAX_LONG_REQUEST - MAX_REQUEST) as u64);
        client.place.wait(Awaited::Question, reader.read_until(b'\n', &mut line)).await?;
        if line.last() != Some(&b'\n') {
            return Ok(Err(format!("a request has at most {MAX_LONG_REQUEST} octets, and this one is longer")));
        }
    }
    let request = serde_json::from_slice(&line).map_err(|error| format!("not a request: {error}"));
    Ok(request.map(|request| (request, turn)))
}

async fn refuse(client: &mut Client, reason: String) -> io::Result<()> {
    let mut text = serde_json::to_string(&Reply::<()>::Error(reason))?;
    text.push('\n');
    write(client, &text).await
}

async fn write(client: &mut Client, text: &str) -> io::Result<()> {
    client.place.wait(Awaited::Reading, client.write.write_all(text.as_bytes())).await
}

impl Daemon {
    async fn ask(&self, request: &Request, from: Option<Cursor>) -> Result<Part, String> {
        let (sender, receiver) = oneshot::channel();
        let asked = Asked { request: request.clone(), from, answer: sender };
        let answered = async {
            let stopping = || "the daemon is stopping".to_owned();
            self.questions.send(asked).await.map_err(|_| stopping())?;
            receiver.await.map_err(|_| stopping())?
        };
        let patience = if request.only_asks() { ANSWER_PATIENCE } else { COMMAND_PATIENCE };
        match timeout(patience, answered).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(format!("busy, {}; its log may say why", self.activity.words())),
        }
    }
}

#[cfg(test)]
mod tests;
