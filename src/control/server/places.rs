//! How many clients are served at once, and who makes room for a new one: whoever keeps the server waiting.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout};
use tracing::debug;

/// Clients served at once; more wait in the listener's queue. Each holds a part of an answer at most.
const MAX_CLIENTS: usize = 64;
/// How long a client that makes room may take to be gone, before another one does.
const PAUSE: Duration = Duration::from_millis(50);

/// What a client is waited for, who is left first in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Awaited {
    /// That it sends its question.
    Question,
    /// That it reads its answer.
    Reading,
}

impl Awaited {
    /// How long that may take.
    pub(super) fn patience(self) -> Duration {
        Duration::from_secs(5)
    }

    /// How long that may take while others wait for a place.
    fn patience_when_full(self) -> Duration {
        match self {
            // A client sends its question with the connection.
            Self::Question => Duration::from_millis(200),
            Self::Reading => Duration::from_secs(1),
        }
    }
}

/// The places.
#[derive(Debug, Clone)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    waits: Arc<Waits>,
}

impl Places {
    pub(super) fn new() -> Self {
        Self { free: Arc::new(Semaphore::new(MAX_CLIENTS)), waits: Arc::default() }
    }

    /// A place for a client. Where all are taken, one client that is waited for makes room, or else this waits until one has its answer.
    pub(super) async fn take(&self) -> Place {
        let mut pause = Duration::ZERO;
        loop {
            match timeout(pause, Arc::clone(&self.free).acquire_owned()).await {
                Ok(permit) => {
                    let permit = permit.expect("nobody closes the semaphore");
                    return Place { _permit: permit, waits: Arc::clone(&self.waits) };
                }
                Err(_elapsed) => self.waits.leave_one(Instant::now()),
            }
            pause = PAUSE;
        }
    }

    /// Waits until every client has gone.
    pub(super) async fn empty(&self) {
        // Whoever would take a place meanwhile waits.
        let _ = self.free.acquire_many(MAX_CLIENTS as u32).await;
    }
}

/// The place of one client.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    waits: Arc<Waits>,
}

impl Place {
    /// Waits for the client; an error if it takes too long, or has to make room.
    pub(super) async fn wait<T>(&self, awaited: Awaited, client: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let (wait, left) = self.waits.begin(awaited);
        let outcome = tokio::select! {
            // What it has sent already counts.
            biased;
            outcome = timeout(awaited.patience(), client) => outcome?,
            // The sender stays where it is until then.
            _ = left => Err(io::Error::new(io::ErrorKind::TimedOut, "it makes room for another client")),
        };
        drop(wait);
        outcome
    }
}

/// Clients that are waited for. Shared between their tasks and the one that accepts; nothing is awaited while it is locked.
#[derive(Debug, Default)]
struct Waits {
    /// Whoever is left first comes first.
    list: Mutex<BTreeMap<Key, oneshot::Sender<()>>>,
    next: AtomicU64,
}

type Key = (Awaited, Instant, u64);

impl Waits {
    fn begin(&self, awaited: Awaited) -> (Wait<'_>, oneshot::Receiver<()>) {
        let (leave, left) = oneshot::channel();
        let key = (awaited, Instant::now(), self.next.fetch_add(1, Ordering::Relaxed));
        self.list().insert(key, leave);
        (Wait { waits: self, key }, left)
    }

    /// Leaves the first client that has been waited for long enough, if there is one.
    fn leave_one(&self, now: Instant) {
        let mut list = self.list();
        let long = |(awaited, since, _): &Key| now.saturating_duration_since(*since) >= awaited.patience_when_full();
        let Some(key) = list.keys().copied().find(long) else { return };
        if let Some(leave) = list.remove(&key) {
            debug!(awaited = ?key.0, "a control client makes room");
            // It may have done what it was waited for just now.
            let _ = leave.send(());
        }
    }

    fn list(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, oneshot::Sender<()>>> {
        // Whoever panicked meanwhile has left whole values behind.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One client is waited for as long as this is there.
struct Wait<'a> {
    waits: &'a Waits,
    key: Key,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.waits.list().remove(&self.key);
    }
}
